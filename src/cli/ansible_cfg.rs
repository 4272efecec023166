//! Reads defaults for options from the same places as Ansible: environment variables, and then the `ansible.cfg` that
//! Ansible would use. It reads no other file.

use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};
use oregano::desired::HostKeyChecking;
use oregano::inventory::Problem;
use oregano::inventory::load::expand_with;

/// A setting that would change the hosts, the variables, or the target of a connection.
struct Unsupported {
    section: &'static str,
    key: &'static str,
    variable: &'static str,
    /// The values without such an effect, in lower case.
    harmless: &'static [&'static str],
    /// What the user should do instead.
    hint: &'static str,
}

const fn unsupported(
    section: &'static str,
    key: &'static str,
    variable: &'static str,
    harmless: &'static [&'static str],
    hint: &'static str,
) -> Unsupported {
    Unsupported { section, key, variable, harmless, hint }
}

const OFF: &[&str] = &["false", "no", "off", "0", "f", "n"];
const NO_HINT: &str = "remove it for this run: with it, Ansible would read another inventory than oregano";
const UNSUPPORTED: [Unsupported; 18] = [
    unsupported("defaults", "hash_behaviour", "ANSIBLE_HASH_BEHAVIOUR", &["replace"], NO_HINT),
    unsupported("defaults", "inventory_ignore_extensions", "ANSIBLE_INVENTORY_IGNORE", &[], NO_HINT),
    unsupported("inventory", "ignore_extensions", "ANSIBLE_INVENTORY_IGNORE", &[], NO_HINT),
    unsupported("defaults", "inventory_ignore_patterns", "ANSIBLE_INVENTORY_IGNORE_REGEX", &[], NO_HINT),
    unsupported("inventory", "ignore_patterns", "ANSIBLE_INVENTORY_IGNORE_REGEX", &[], NO_HINT),
    unsupported("inventory", "enable_plugins", "ANSIBLE_INVENTORY_ENABLED", &[], NO_HINT),
    unsupported("defaults", "precedence", "ANSIBLE_PRECEDENCE", &[], NO_HINT),
    unsupported("defaults", "vars_plugins_enabled", "ANSIBLE_VARS_ENABLED", &["host_group_vars"], NO_HINT),
    unsupported("defaults", "playbook_dir", "ANSIBLE_PLAYBOOK_DIR", &[], NO_HINT),
    unsupported("defaults", "jinja2_extensions", "ANSIBLE_JINJA2_EXTENSIONS", &[], NO_HINT),
    unsupported("defaults", "vault_id_match", "ANSIBLE_VAULT_ID_MATCH", OFF, NO_HINT),
    unsupported(
        "defaults",
        "force_valid_group_names",
        "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS",
        &["never", "ignore"],
        NO_HINT,
    ),
    unsupported("defaults", "remote_port", "ANSIBLE_REMOTE_PORT", &["22"], "set `ansible_port` in the inventory"),
    unsupported("defaults", "transport", "ANSIBLE_TRANSPORT", &["ssh", "smart", "paramiko"], "only SSH is supported"),
    unsupported("privilege_escalation", "become", "ANSIBLE_BECOME", OFF, "set `ansible_become` in the inventory"),
    unsupported("ssh_connection", "ssh_executable", "ANSIBLE_SSH_EXECUTABLE", &["ssh", "/usr/bin/ssh"], "remove it"),
    unsupported("ssh_connection", "ssh_common_args", "ANSIBLE_SSH_COMMON_ARGS", &[], "remove it"),
    unsupported("ssh_connection", "ssh_extra_args", "ANSIBLE_SSH_EXTRA_ARGS", &[], "remove it"),
];
/// Arguments of `ssh_args` that redirect a connection. Others, such as `ControlPersist`, have no effect here.
const REDIRECTS: [&str; 6] = ["proxy", "-J", "-W", "-p", "port=", "hostname="];

/// The settings from the environment and `ansible.cfg`; `None` or empty if they are not set.
#[derive(Debug, Default, PartialEq)]
pub struct Defaults {
    /// `ANSIBLE_INVENTORY`, `inventory`.
    pub inventories: Vec<String>,
    /// `ANSIBLE_VAULT_IDENTITY_LIST`, `vault_identity_list`: `label@source`, or only a source.
    pub vault_ids: Vec<String>,
    /// `ANSIBLE_VAULT_PASSWORD_FILE`, `vault_password_file`.
    pub vault_password_file: Option<String>,
    /// `ANSIBLE_ASK_VAULT_PASS`, `ask_vault_pass`.
    pub ask_vault_pass: Option<bool>,
    /// `ANSIBLE_FORKS`, `forks`.
    pub forks: Option<u16>,
    /// `ANSIBLE_TIMEOUT`, `timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `ANSIBLE_REMOTE_USER`, `remote_user`.
    pub user: Option<String>,
    /// `ANSIBLE_PRIVATE_KEY_FILE`, `private_key_file`.
    pub private_key_file: Option<PathBuf>,
    /// `ANSIBLE_HOST_KEY_CHECKING`, `host_key_checking`.
    pub host_key_checking: Option<HostKeyChecking>,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
}

/// The environment in which the program runs.
pub struct UserEnvironment<'a> {
    /// An environment variable; `None` if it is not set or empty.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The home folder of the user.
    pub home: Option<&'a Path>,
    /// The working directory.
    pub folder: &'a Path,
}

/// A setting, and where it comes from.
struct Setting {
    text: String,
    /// The folder that relative paths are relative to.
    base: PathBuf,
    /// For messages: `` `forks` in `ansible.cfg` ``.
    origin: String,
}

/// A parsed `ansible.cfg`.
struct ConfigFile {
    path: PathBuf,
    settings: Ini,
}

/// The defaults that Ansible would use.
///
/// # Errors
/// All settings that are invalid or not supported.
pub fn defaults(environment: &UserEnvironment<'_>) -> Result<Defaults, Vec<Problem>> {
    let mut defaults = Defaults::default();
    // If the file itself is invalid, only that is reported, because all settings below may depend on the file.
    let file = match find(environment, &mut defaults.warnings) {
        Some(path) => Some(read(path).map_err(|problem| vec![problem])?),
        None => None,
    };
    let mut reader = SettingsReader { environment, file, problems: Vec::new() };
    defaults.inventories = reader.get("ANSIBLE_INVENTORY", "inventory").map_or_else(Vec::new, |setting| {
        setting.text.split(',').map(|path| reader.path(&setting, path.trim()).display().to_string()).collect()
    });
    if let Some(setting) = reader.get("ANSIBLE_VAULT_IDENTITY_LIST", "vault_identity_list") {
        defaults.vault_ids =
            setting.text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    }
    let file = reader.get("ANSIBLE_VAULT_PASSWORD_FILE", "vault_password_file");
    defaults.vault_password_file = file.map(|setting| reader.path(&setting, &setting.text).display().to_string());
    defaults.ask_vault_pass = reader.flag("ANSIBLE_ASK_VAULT_PASS", "ask_vault_pass");
    defaults.forks = reader.number("ANSIBLE_FORKS", "forks");
    defaults.timeout = reader.number("ANSIBLE_TIMEOUT", "timeout");
    defaults.user = reader.get("ANSIBLE_REMOTE_USER", "remote_user").map(|setting| setting.text);
    let key = reader.get("ANSIBLE_PRIVATE_KEY_FILE", "private_key_file");
    defaults.private_key_file = key.map(|setting| reader.path(&setting, &setting.text));
    let checking = reader.flag("ANSIBLE_HOST_KEY_CHECKING", "host_key_checking");
    defaults.host_key_checking = checking.map(HostKeyChecking::from_setting);
    reader.refuse_unsupported();
    if reader.problems.is_empty() { Ok(defaults) } else { Err(reader.problems) }
}

/// The file that Ansible would read: `ANSIBLE_CONFIG`, then the working directory unless all users can write to it, then
/// `~/.ansible.cfg`, then `/etc/ansible/ansible.cfg`.
fn find(environment: &UserEnvironment<'_>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(named) = (environment.env)("ANSIBLE_CONFIG") {
        let path = environment.folder.join(expand_with(&named, environment.env, environment.home));
        candidates.push(if path.is_dir() { path.join("ansible.cfg") } else { path });
    }
    let own = environment.folder.join("ansible.cfg");
    let skipped = is_world_writable(environment.folder);
    // Another user could have put an `ansible.cfg` into a folder to which all users can write.
    if !skipped {
        candidates.push(own.clone());
    }
    candidates.extend(environment.home.map(|home| home.join(".ansible.cfg")));
    candidates.push("/etc/ansible/ansible.cfg".into());
    // The file is opened and not only looked up, because Ansible skips files that the user may not read.
    let found = candidates.into_iter().find(|path| std::fs::File::open(path).is_ok());
    if skipped && own.exists() && found.as_ref() != Some(&own) {
        let folder = environment.folder.display();
        warnings.push(format!(
            "`{}` is ignored, as Ansible does, because all users can write to `{folder}`",
            own.display()
        ));
    }
    found
}

fn is_world_writable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

fn read(path: PathBuf) -> Result<ConfigFile, Problem> {
    let problem = |fault: String| Problem::new(format!("cannot read `{}`: {fault}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
    let mut shape = IniDefault::default();
    shape.multiline = true;
    // Only a `;` after white space starts a comment; `SettingsReader::get_in` removes it.
    shape.enable_inline_comments = false;
    let mut settings = Ini::new_from_defaults(shape);
    // The message of the parser may quote a line, which may contain a secret.
    let sections = settings.read(text).map_err(|_| problem("it is not an INI file".to_owned()))?;
    if sections.get("default").is_some_and(|loose| !loose.is_empty()) {
        return Err(problem("it has settings before its first section".to_owned()).hint("start it with `[defaults]`"));
    }
    Ok(ConfigFile { path, settings })
}

struct SettingsReader<'a> {
    environment: &'a UserEnvironment<'a>,
    file: Option<ConfigFile>,
    problems: Vec<Problem>,
}

impl SettingsReader<'_> {
    /// The environment variable or, if it is not set, the key in `[defaults]`.
    fn get(&self, variable: &str, key: &str) -> Option<Setting> {
        self.get_in("defaults", variable, key)
    }

    fn get_in(&self, section: &str, variable: &str, key: &str) -> Option<Setting> {
        // Relative paths in a variable start in the working directory, but those in the file start in its own folder.
        if let Some(text) = (self.environment.env)(variable) {
            let base = self.environment.folder.to_owned();
            return Some(Setting { text, base, origin: format!("the environment variable `{variable}`") });
        }
        let file = self.file.as_ref()?;
        let text = file.settings.get(section, key)?;
        // The parser keeps inline comments, because it would also remove those that Ansible does not accept.
        let end = text.match_indices(';').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
        let text = text[..end.unwrap_or(text.len())].trim().to_owned();
        let base = file.path.parent().map(Path::to_owned).unwrap_or_default();
        (!text.is_empty()).then(|| Setting { text, base, origin: format!("`{key}` in `{}`", file.path.display()) })
    }

    /// Refuses unsupported settings: if they were ignored, a credential might be sent to a wrong host.
    fn refuse_unsupported(&mut self) {
        for unsupported in &UNSUPPORTED {
            let Some(setting) = self.get_in(unsupported.section, unsupported.variable, unsupported.key) else {
                continue;
            };
            // A harmless value has the same effect as no setting, so existing files with it need no change.
            if !unsupported.harmless.contains(&setting.text.to_ascii_lowercase().as_str()) {
                let problem = Problem::new(format!("{} is not supported", setting.origin));
                self.problems.push(problem.hint(unsupported.hint));
            }
        }
        let ssh_args = self.get_in("ssh_connection", "ANSIBLE_SSH_ARGS", "ssh_args");
        let redirects = |setting: &Setting| {
            let text = setting.text.to_ascii_lowercase();
            REDIRECTS.iter().any(|word| text.contains(&word.to_ascii_lowercase()))
        };
        if let Some(setting) = ssh_args.filter(redirects) {
            let problem = Problem::new(format!("{} redirects connections, which is not supported", setting.origin));
            self.problems
                .push(problem.hint("remove it: oregano does not use it, and might connect to a wrong machine"));
        }
    }

    fn path(&self, setting: &Setting, text: &str) -> PathBuf {
        let text = text.replace("{{CWD}}", &self.environment.folder.display().to_string());
        setting.base.join(expand_with(&text, self.environment.env, self.environment.home))
    }

    fn flag(&mut self, variable: &str, key: &str) -> Option<bool> {
        let setting = self.get(variable, key)?;
        match setting.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
            "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
            _ => {
                let problem = Problem::new(format!("{} is neither true nor false", setting.origin));
                self.problems.push(problem.hint("write True or False"));
                None
            }
        }
    }

    fn number<T: TryFrom<u64>>(&mut self, variable: &str, key: &str) -> Option<T> {
        let setting = self.get(variable, key)?;
        let number = setting.text.parse().ok().filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let problem = Problem::new(format!("{} is not a valid number", setting.origin));
            self.problems.push(problem.hint("write an integer greater than 0"));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A home folder, a working directory, and environment variables.
    struct TestFolders {
        folder: tempfile::TempDir,
        env: HashMap<&'static str, String>,
    }

    impl TestFolders {
        fn new() -> Self {
            let folders = Self { folder: tempfile::tempdir().unwrap(), env: HashMap::new() };
            for name in ["home", "work"] {
                std::fs::create_dir(folders.path(name)).unwrap();
            }
            folders
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn file(self, name: &str, text: &str) -> Self {
            std::fs::write(self.path(name), text).unwrap();
            self
        }

        fn env(mut self, name: &'static str, value: &str) -> Self {
            self.env.insert(name, value.to_owned());
            self
        }

        fn defaults(&self) -> Result<Defaults, Vec<String>> {
            let (home, work) = (self.path("home"), self.path("work"));
            let env = |name: &str| self.env.get(name).cloned();
            defaults(&UserEnvironment { env: &env, home: Some(&home), folder: &work })
                .map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
        }
    }

    #[test]
    fn the_file_in_the_working_directory_wins_over_the_one_at_home() {
        let folders = TestFolders::new()
            .file("home/.ansible.cfg", "[defaults]\nforks=1\nremote_user=home\n")
            .file("work/ansible.cfg", "[defaults]\nforks = 7 ; enough\n");
        let found = folders.defaults().unwrap();
        assert_eq!((found.forks, found.user), (Some(7), None));
    }

    #[test]
    fn ansible_config_names_a_file_or_a_folder() {
        let folders = TestFolders::new().file("home/ansible.cfg", "[defaults]\ntimeout=5\n").env("ANSIBLE_CONFIG", "~");
        assert_eq!(folders.defaults().unwrap().timeout, Some(5));
        let folders = TestFolders::new().file("work/other", "[defaults]\ntimeout=6\n").env("ANSIBLE_CONFIG", "other");
        assert_eq!(folders.defaults().unwrap().timeout, Some(6));
    }

    #[test]
    fn a_folder_that_all_users_can_write_to_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let folders = TestFolders::new().file("work/ansible.cfg", "[defaults]\nforks=7\n");
        std::fs::set_permissions(folders.path("work"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let found = folders.defaults().unwrap();
        assert_eq!(found.forks, None);
        assert!(found.warnings[0].contains("is ignored"), "{:?}", found.warnings);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_the_environment_wins() {
        let folders = TestFolders::new()
            .file(
                "home/.ansible.cfg",
                "[defaults]\ninventory = hosts, ~/more,/abs\nprivate_key_file=$KEYS/id\nvault_password_file=pw\n",
            )
            .env("KEYS", "/keys");
        let found = folders.defaults().unwrap();
        let home = |name: &str| folders.path("home").join(name).display().to_string();
        assert_eq!(found.inventories, [home("hosts"), home("more"), "/abs".to_owned()]);
        assert_eq!(found.private_key_file, Some("/keys/id".into()));
        assert_eq!(found.vault_password_file, Some(home("pw")));
        let found = folders.env("ANSIBLE_INVENTORY", "here").defaults().unwrap();
        assert_eq!(found.inventories, [found.inventories[0].clone()]);
        assert!(found.inventories[0].ends_with("work/here"), "{:?}", found.inventories);
    }

    #[test]
    fn host_key_checking_and_users() {
        let folders =
            TestFolders::new().file("work/ansible.cfg", "[defaults]\nhost_key_checking=False\nremote_user=cloud\n");
        let found = folders.defaults().unwrap();
        assert_eq!(found.host_key_checking, Some(HostKeyChecking::AcceptUnknown));
        assert_eq!(found.user.as_deref(), Some("cloud"));
    }

    #[test]
    fn settings_that_would_read_another_inventory_are_refused() {
        for text in [
            "[defaults]\nhash_behaviour=merge",
            "[inventory]\nignore_extensions=.old",
            "[privilege_escalation]\nbecome=True",
            "[defaults]\nremote_port=2222",
            "[ssh_connection]\nssh_args=-o ProxyCommand=nc",
        ] {
            let problems = TestFolders::new().file("work/ansible.cfg", text).defaults().unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains("not supported"), "{text}: {problems:?}");
        }
        let harmless = "[defaults]\nhash_behaviour=replace\npipelining=True\ngathering=smart\n[ssh_connection]\n\
            ssh_args = -o ControlMaster=auto -o ControlPersist=600s\n[privilege_escalation]\nbecome=False\n";
        TestFolders::new().file("work/ansible.cfg", harmless).defaults().unwrap();
    }

    #[test]
    fn all_invalid_values_are_reported_with_their_place() {
        let folders = TestFolders::new()
            .file("work/ansible.cfg", "[defaults]\nforks=many\nhost_key_checking=perhaps\n")
            .env("ANSIBLE_TIMEOUT", "0");
        let problems = folders.defaults().unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("`forks` in `") && problems[0].contains("not a valid number"), "{problems:?}");
        assert!(problems[1].starts_with("the environment variable `ANSIBLE_TIMEOUT`"), "{problems:?}");
        assert!(problems[2].ends_with("is neither true nor false"), "{problems:?}");
        let loose = TestFolders::new().file("work/ansible.cfg", "forks = 5\n");
        assert!(loose.defaults().unwrap_err()[0].ends_with("settings before its first section"));
        let broken = TestFolders::new().file("work/ansible.cfg", "[defaults\n");
        assert!(broken.defaults().unwrap_err()[0].ends_with("it is not an INI file"));
    }
}

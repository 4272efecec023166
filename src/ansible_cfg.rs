//! Defaults for options as Ansible takes them: environment variables, then the `ansible.cfg` that Ansible would
//! find. Reads that one file, and nothing else.

use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};
use oregano::desired::HostKeyChecking;
use oregano::inventory::Problem;
use oregano::inventory::load::expand_with;

/// A setting that would change which hosts and variables there are, or where a connection goes.
struct Unsupported {
    section: &'static str,
    key: &'static str,
    variable: &'static str,
    /// The values that change nothing, in lower case.
    harmless: &'static [&'static str],
    /// What to do instead.
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
const NO_HINT: &str = "remove it for this run: another inventory would be read than Ansible reads";
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
/// Arguments of `ssh_args` that lead a connection elsewhere; others, such as `ControlPersist`, are of no use here.
const DETOURS: [&str; 6] = ["proxy", "-J", "-W", "-p", "port=", "hostname="];

/// What environment and `ansible.cfg` say; `None` or empty where they are silent.
#[derive(Debug, Default, PartialEq)]
pub struct Defaults {
    /// `ANSIBLE_INVENTORY`, `inventory`.
    pub inventories: Vec<String>,
    /// `ANSIBLE_VAULT_IDENTITY_LIST`, `vault_identity_list`: `label@source`, or a source.
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
    /// What was left out, and why.
    pub warnings: Vec<String>,
}

/// Where the program runs.
pub struct Surroundings<'a> {
    /// An environment variable; `None` if it is not set or empty.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The home folder of the user.
    pub home: Option<&'a Path>,
    /// The working directory.
    pub folder: &'a Path,
}

/// A value that was given, and where.
struct Given {
    text: String,
    /// What relative paths are relative to.
    base: PathBuf,
    /// For messages: `` `forks` in `ansible.cfg` ``.
    origin: String,
}

/// The `ansible.cfg` of a run.
struct File {
    path: PathBuf,
    settings: Ini,
}

/// What Ansible would take for its options, or everything that is wrong with it.
pub fn defaults(around: &Surroundings<'_>) -> Result<Defaults, Vec<Problem>> {
    let mut defaults = Defaults::default();
    let file = match find(around, &mut defaults.warnings) {
        Some(path) => Some(read(path).map_err(|problem| vec![problem])?),
        None => None,
    };
    let mut reader = Reader { around, file, problems: Vec::new() };
    defaults.inventories = reader.get("ANSIBLE_INVENTORY", "inventory").map_or_else(Vec::new, |given| {
        given.text.split(',').map(|path| reader.path(&given, path.trim()).display().to_string()).collect()
    });
    if let Some(given) = reader.get("ANSIBLE_VAULT_IDENTITY_LIST", "vault_identity_list") {
        defaults.vault_ids = given.text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    }
    let file = reader.get("ANSIBLE_VAULT_PASSWORD_FILE", "vault_password_file");
    defaults.vault_password_file = file.map(|given| reader.path(&given, &given.text).display().to_string());
    defaults.ask_vault_pass = reader.flag("ANSIBLE_ASK_VAULT_PASS", "ask_vault_pass");
    defaults.forks = reader.number("ANSIBLE_FORKS", "forks");
    defaults.timeout = reader.number("ANSIBLE_TIMEOUT", "timeout");
    defaults.user = reader.get("ANSIBLE_REMOTE_USER", "remote_user").map(|given| given.text);
    let key = reader.get("ANSIBLE_PRIVATE_KEY_FILE", "private_key_file");
    defaults.private_key_file = key.map(|given| reader.path(&given, &given.text));
    let checking = reader.flag("ANSIBLE_HOST_KEY_CHECKING", "host_key_checking");
    defaults.host_key_checking = checking.map(HostKeyChecking::from_setting);
    reader.refuse_unsupported();
    if reader.problems.is_empty() { Ok(defaults) } else { Err(reader.problems) }
}

/// The file Ansible would read: `ANSIBLE_CONFIG`, then the working directory unless everybody may write there,
/// then `~/.ansible.cfg`, then `/etc/ansible/ansible.cfg`.
fn find(around: &Surroundings<'_>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(named) = (around.env)("ANSIBLE_CONFIG") {
        let path = around.folder.join(expand_with(&named, around.env, around.home));
        candidates.push(if path.is_dir() { path.join("ansible.cfg") } else { path });
    }
    let own = around.folder.join("ansible.cfg");
    let skipped = is_world_writable(around.folder);
    if !skipped {
        candidates.push(own.clone());
    }
    candidates.extend(around.home.map(|home| home.join(".ansible.cfg")));
    candidates.push("/etc/ansible/ansible.cfg".into());
    let found = candidates.into_iter().find(|path| std::fs::File::open(path).is_ok());
    if skipped && own.exists() && found.as_ref() != Some(&own) {
        let folder = around.folder.display();
        warnings.push(format!("`{}` is not read, as Ansible does: everybody may write to `{folder}`", own.display()));
    }
    found
}

fn is_world_writable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

fn read(path: PathBuf) -> Result<File, Problem> {
    let problem = |fault: String| Problem::new(format!("cannot read `{}`: {fault}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
    let mut shape = IniDefault::default();
    shape.multiline = true;
    // Only a `;` behind white space starts a comment; see `Reader::get`.
    shape.enable_inline_comments = false;
    let mut settings = Ini::new_from_defaults(shape);
    // The parser's own words may quote a line.
    let sections = settings.read(text).map_err(|_| problem("it is no INI file".to_owned()))?;
    if sections.get("default").is_some_and(|loose| !loose.is_empty()) {
        return Err(problem("it has settings before its first section".to_owned()).hint("begin it with `[defaults]`"));
    }
    Ok(File { path, settings })
}

struct Reader<'a> {
    around: &'a Surroundings<'a>,
    file: Option<File>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The environment variable, else the key of `[defaults]`.
    fn get(&self, variable: &str, key: &str) -> Option<Given> {
        self.get_in("defaults", variable, key)
    }

    fn get_in(&self, section: &str, variable: &str, key: &str) -> Option<Given> {
        if let Some(text) = (self.around.env)(variable) {
            let base = self.around.folder.to_owned();
            return Some(Given { text, base, origin: format!("the environment variable `{variable}`") });
        }
        let file = self.file.as_ref()?;
        let text = file.settings.get(section, key)?;
        let end = text.match_indices(';').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
        let text = text[..end.unwrap_or(text.len())].trim().to_owned();
        let base = file.path.parent().map(Path::to_owned).unwrap_or_default();
        (!text.is_empty()).then(|| Given { text, base, origin: format!("`{key}` in `{}`", file.path.display()) })
    }

    /// A setting that is passed over in silence might send a credential to a wrong host.
    fn refuse_unsupported(&mut self) {
        for setting in &UNSUPPORTED {
            let Some(given) = self.get_in(setting.section, setting.variable, setting.key) else { continue };
            if !setting.harmless.contains(&given.text.to_ascii_lowercase().as_str()) {
                let problem = Problem::new(format!("{} is not supported", given.origin));
                self.problems.push(problem.hint(setting.hint));
            }
        }
        let given = self.get_in("ssh_connection", "ANSIBLE_SSH_ARGS", "ssh_args");
        let detour = |given: &Given| {
            let text = given.text.to_ascii_lowercase();
            DETOURS.iter().any(|word| text.contains(&word.to_ascii_lowercase()))
        };
        if let Some(given) = given.filter(detour) {
            let problem = Problem::new(format!("{} leads connections elsewhere, which is not supported", given.origin));
            self.problems.push(problem.hint("without it another machine might be reached"));
        }
    }

    fn path(&self, given: &Given, text: &str) -> PathBuf {
        let text = text.replace("{{CWD}}", &self.around.folder.display().to_string());
        given.base.join(expand_with(&text, self.around.env, self.around.home))
    }

    fn flag(&mut self, variable: &str, key: &str) -> Option<bool> {
        let given = self.get(variable, key)?;
        match given.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
            "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
            _ => {
                let problem = Problem::new(format!("{} is neither true nor false", given.origin));
                self.problems.push(problem.hint("write True or False"));
                None
            }
        }
    }

    fn number<T: TryFrom<u64>>(&mut self, variable: &str, key: &str) -> Option<T> {
        let given = self.get(variable, key)?;
        let number = given.text.parse().ok().filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let problem = Problem::new(format!("{} is no whole number that can be used here", given.origin));
            self.problems.push(problem.hint("write a whole number above 0"));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A home, a working directory beside it, and an environment.
    struct World {
        folder: tempfile::TempDir,
        env: HashMap<&'static str, String>,
    }

    impl World {
        fn new() -> Self {
            let world = Self { folder: tempfile::tempdir().unwrap(), env: HashMap::new() };
            for name in ["home", "work"] {
                std::fs::create_dir(world.path(name)).unwrap();
            }
            world
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
            defaults(&Surroundings { env: &env, home: Some(&home), folder: &work })
                .map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
        }
    }

    #[test]
    fn the_file_in_the_working_directory_wins_over_the_one_at_home() {
        let world = World::new()
            .file("home/.ansible.cfg", "[defaults]\nforks=1\nremote_user=home\n")
            .file("work/ansible.cfg", "[defaults]\nforks = 7 ; more is too much\n");
        let found = world.defaults().unwrap();
        assert_eq!((found.forks, found.user), (Some(7), None));
    }

    #[test]
    fn ansible_config_names_a_file_or_a_folder() {
        let world = World::new().file("home/ansible.cfg", "[defaults]\ntimeout=5\n").env("ANSIBLE_CONFIG", "~");
        assert_eq!(world.defaults().unwrap().timeout, Some(5));
        let world = World::new().file("work/other", "[defaults]\ntimeout=6\n").env("ANSIBLE_CONFIG", "other");
        assert_eq!(world.defaults().unwrap().timeout, Some(6));
    }

    #[test]
    fn a_folder_that_everybody_may_write_to_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let world = World::new().file("work/ansible.cfg", "[defaults]\nforks=7\n");
        std::fs::set_permissions(world.path("work"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let found = world.defaults().unwrap();
        assert_eq!(found.forks, None);
        assert!(found.warnings[0].contains("is not read"), "{:?}", found.warnings);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_the_environment_wins() {
        let world = World::new()
            .file(
                "home/.ansible.cfg",
                "[defaults]\ninventory = hosts, ~/more,/abs\nprivate_key_file=$KEYS/id\nvault_password_file=pw\n",
            )
            .env("KEYS", "/keys");
        let found = world.defaults().unwrap();
        let home = |name: &str| world.path("home").join(name).display().to_string();
        assert_eq!(found.inventories, [home("hosts"), home("more"), "/abs".to_owned()]);
        assert_eq!(found.private_key_file, Some("/keys/id".into()));
        assert_eq!(found.vault_password_file, Some(home("pw")));
        let found = world.env("ANSIBLE_INVENTORY", "here").defaults().unwrap();
        assert_eq!(found.inventories, [found.inventories[0].clone()]);
        assert!(found.inventories[0].ends_with("work/here"), "{:?}", found.inventories);
    }

    #[test]
    fn host_key_checking_and_users() {
        let world = World::new().file("work/ansible.cfg", "[defaults]\nhost_key_checking=False\nremote_user=cloud\n");
        let found = world.defaults().unwrap();
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
            let problems = World::new().file("work/ansible.cfg", text).defaults().unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains("not supported"), "{text}: {problems:?}");
        }
        let harmless = "[defaults]\nhash_behaviour=replace\npipelining=True\ngathering=smart\n[ssh_connection]\n\
            ssh_args = -o ControlMaster=auto -o ControlPersist=600s\n[privilege_escalation]\nbecome=False\n";
        World::new().file("work/ansible.cfg", harmless).defaults().unwrap();
    }

    #[test]
    fn wrong_values_are_all_told_and_name_their_place() {
        let world = World::new()
            .file("work/ansible.cfg", "[defaults]\nforks=many\nhost_key_checking=perhaps\n")
            .env("ANSIBLE_TIMEOUT", "0");
        let problems = world.defaults().unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("`forks` in `") && problems[0].contains("no whole number"), "{problems:?}");
        assert!(problems[1].starts_with("the environment variable `ANSIBLE_TIMEOUT`"), "{problems:?}");
        assert!(problems[2].ends_with("is neither true nor false"), "{problems:?}");
        let loose = World::new().file("work/ansible.cfg", "forks = 5\n");
        assert!(loose.defaults().unwrap_err()[0].ends_with("settings before its first section"));
        let broken = World::new().file("work/ansible.cfg", "[defaults\n");
        assert!(broken.defaults().unwrap_err()[0].ends_with("it is no INI file"));
    }
}

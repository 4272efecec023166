//! Which settings are read from which place.

use std::collections::HashMap;
use std::path::PathBuf;

use oregano::desired::{Applies, DefaultEscalation};

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
    assert_eq!((found.run.forks, found.run.user), (Some(7), None));
}

#[test]
fn ansible_config_names_a_file_or_a_folder() {
    let folders = TestFolders::new().file("home/ansible.cfg", "[defaults]\ntimeout=5\n").env("ANSIBLE_CONFIG", "~");
    assert_eq!(folders.defaults().unwrap().run.timeout, Some(5));
    let folders = TestFolders::new().file("work/other", "[defaults]\ntimeout=6\n").env("ANSIBLE_CONFIG", "other");
    assert_eq!(folders.defaults().unwrap().run.timeout, Some(6));
}

#[test]
fn a_folder_that_all_users_can_write_to_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let folders = TestFolders::new().file("work/ansible.cfg", "[defaults]\nforks=7\n");
    std::fs::set_permissions(folders.path("work"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let found = folders.defaults().unwrap();
    assert_eq!(found.run.forks, None);
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
    assert_eq!(found.run.private_key_file, Some("/keys/id".into()));
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
    assert_eq!(found.run.host_key_checking, Some(HostKeyChecking::AcceptUnknown));
    assert_eq!(found.run.user.as_deref(), Some("cloud"));
}

#[test]
fn passwords_for_nodes_are_prompted_for_or_in_files() {
    let text = "[defaults]\nask_pass=no\nconnection_password_file = secrets/ssh\nbecome_password_file=~/sudo\n\
        [privilege_escalation]\nbecome_ask_pass = True\n";
    let folders = TestFolders::new().file("work/ansible.cfg", text);
    let run = folders.defaults().unwrap().run;
    assert_eq!(run.ssh_password, PasswordInput::File(folders.path("work/secrets/ssh")));
    assert_eq!(run.become_password, PasswordInput::Prompt);
    let folders = folders.env("ANSIBLE_ASK_PASS", "yes").env("ANSIBLE_BECOME_ASK_PASS", "0");
    let run = folders.defaults().unwrap().run;
    assert_eq!(run.ssh_password, PasswordInput::Prompt);
    assert_eq!(run.become_password, PasswordInput::File(folders.path("home/sudo")));
    let none = TestFolders::new().defaults().unwrap().run;
    assert_eq!((none.ssh_password, none.become_password), (PasswordInput::None, PasswordInput::None));
}

#[test]
fn settings_whose_effect_is_not_known_are_refused() {
    for text in [
        "[defaults]\nprecedence=all_inventory,groups_inventory",
        "[defaults]\nvars_plugins_enabled=host_group_vars,community.sops.sops",
        "[defaults]\nyaml_valid_extensions=.yml",
    ] {
        let problems = TestFolders::new().file("work/ansible.cfg", text).defaults().unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains("not supported"), "{text}: {problems:?}");
    }
}

#[test]
fn settings_that_may_change_the_inventory_keep_their_origin() {
    let text = "[defaults]\nhash_behaviour=merge\ninventory_ignore_extensions = secrets.py, '.ini' ; comment\n\
        force_valid_group_names = always\nplaybook_dir = plays\njinja2_extensions = jinja2.ext.do\n\
        [inventory]\nignore_patterns=^old\nenable_plugins = yaml, ini\n";
    let folders = TestFolders::new().file("work/ansible.cfg", text);
    let reading = folders.defaults().unwrap().reading;
    let origin = |key: &str| format!("`{key}` in `{}`", folders.path("work/ansible.cfg").display());
    let extensions = reading.ignored_extensions.unwrap();
    assert_eq!(
        (extensions.value.as_slice(), extensions.origin),
        (&["secrets.py".into(), ".ini".into()][..], origin("inventory_ignore_extensions"))
    );
    assert_eq!(reading.ignored_patterns.unwrap().value, ["^old"]);
    assert_eq!(reading.plugins.unwrap().value, ["yaml", "ini"]);
    assert_eq!(reading.merged_mappings.unwrap().origin, origin("hash_behaviour"));
    assert_eq!(reading.renamed_groups.unwrap().origin, origin("force_valid_group_names"));
    assert_eq!(reading.playbook_folder, Some(folders.path("work/plays")));
    assert_eq!(reading.no_vars_files, None);
    // The later section wins in Ansible, too.
    let both = "[defaults]\ninventory_ignore_patterns=a\n[inventory]\nignore_patterns=b\n";
    let reading = TestFolders::new().file("work/ansible.cfg", both).defaults().unwrap().reading;
    assert_eq!(reading.ignored_patterns.unwrap().value, ["b"]);
    let harmless = "[defaults]\nhash_behaviour=replace\nforce_valid_group_names=ignore\n\
        vars_plugins_enabled=ansible.builtin.host_group_vars\nyaml_valid_extensions=.json, .yml, .yaml\n";
    let reading = TestFolders::new().file("work/ansible.cfg", harmless).defaults().unwrap().reading;
    assert_eq!(reading, ReadSettings::default());
}

#[test]
fn connection_settings_are_refused_only_for_hosts_that_they_apply_to() {
    let text = "[defaults]\nremote_port=2222\ntransport=local\n[privilege_escalation]\nbecome=True\nbecome_method=su\n\
        become_user=deploy\n[ssh_connection]\nssh_args=-o ProxyCommand=nc\nssh_common_args=-o ControlPersist=60s\n";
    let run = TestFolders::new().file("work/ansible.cfg", text).defaults().unwrap().run;
    let connection = run.connection;
    assert_eq!((connection.port, run.escalation), (Some(2222), DefaultEscalation::Sudo));
    let unsupported: Vec<_> = connection
        .unsupported
        .iter()
        .map(|found| (found.problem.message.split('`').nth(1).unwrap(), found.applies))
        .collect();
    assert_eq!(
        unsupported,
        [
            ("transport", Applies::Always),
            ("become_method", Applies::WithSudo),
            ("become_user", Applies::WithBecome),
            ("ssh_args", Applies::Always)
        ]
    );
    let harmless = "[defaults]\npipelining=True\ngathering=smart\ntransport=smart\n[ssh_connection]\n\
        ssh_args = \"-o ControlMaster=auto -o ControlPersist=600s\"\n[privilege_escalation]\nbecome=False\n\
        become_method='sudo'\nbecome_user=root\n";
    let run = TestFolders::new().file("work/ansible.cfg", harmless).defaults().unwrap().run;
    assert_eq!((run.escalation, run.connection.unsupported.len()), (DefaultEscalation::None, 0));
}

#[test]
fn sections_are_read_as_python_reads_them() {
    let text = "[default]\nforks=1\n[Defaults]\nforks=2\n[defaults] ; here\n  FORKS = 3\n  remote_user: 'me'\n";
    let found = TestFolders::new().file("work/ansible.cfg", text).defaults().unwrap();
    assert_eq!((found.run.forks, found.run.user.as_deref()), (Some(3), Some("me")));
}

#[test]
fn all_invalid_values_of_a_run_are_reported_with_their_place() {
    let folders = TestFolders::new()
        .file("work/ansible.cfg", "[defaults]\nforks=many\nhost_key_checking=perhaps\n")
        .env("ANSIBLE_TIMEOUT", "0");
    let problems = folders.defaults().unwrap().run.problems;
    let problems: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].ends_with("is neither true nor false"), "{problems:?}");
    assert!(problems[1].starts_with("`forks` in `") && problems[1].contains("not a valid number"), "{problems:?}");
    assert!(problems[2].starts_with("the environment variable `ANSIBLE_TIMEOUT`"), "{problems:?}");
}

#[test]
fn a_file_that_is_no_ini_file_is_refused() {
    let loose = TestFolders::new().file("work/ansible.cfg", "forks = 5\n");
    assert!(loose.defaults().unwrap_err()[0].ends_with("settings before its first section"));
    let broken = TestFolders::new().file("work/ansible.cfg", "[defaults\n");
    assert!(broken.defaults().unwrap_err()[0].ends_with("it is not an INI file"));
}

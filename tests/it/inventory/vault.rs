//! Encrypted values and vault passwords, compared with the real `ansible-vault` and `ansible-inventory`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use oregano::inventory::load::passwords::{self, PasswordSource, VaultIdentity};
use oregano::inventory::load::system::LocalSystem;
use oregano::inventory::model::{Node, Value};
use oregano::inventory::source::Source;
use oregano::inventory::vault::{self, Password, VaultError};
use oregano::inventory::{Outside as _, Variables, list, load};
use oregano::secret::SecretBytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::support::ansible;
use crate::support::process::{self, program, run};

/// A case of tests/cases/vault.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    envelope: String,
    #[serde(default = "default_password")]
    password: String,
    /// The decrypted text.
    text: Option<String>,
    /// Or why it is not known.
    fault: Option<String>,
    /// The text that Ansible finds, if that differs.
    ansible: Option<String>,
}

fn default_password() -> String {
    "correct horse".to_owned()
}

fn password(label: &str, text: &str) -> Password {
    Password { label: label.to_owned(), secret: SecretBytes::new(text.as_bytes().to_vec()) }
}

fn decrypted(envelope: &str, password: &Password) -> Result<String, VaultError> {
    vault::decrypt(envelope, std::slice::from_ref(password)).map(|text| text.expose().to_owned())
}

#[test]
fn envelopes_contain_what_ansible_decrypts() {
    let cases = crate::cases::read::<Case>("vault");
    let requests: Vec<Json> =
        cases.iter().map(|(_, case)| json!({"decrypt": case.envelope, "password": case.password})).collect();
    let mut failures = Vec::new();
    for ((name, case), answer) in cases.iter().zip(ansible::answers("vault.py", &requests)) {
        let found = decrypted(&case.envelope, &password("default", &case.password));
        let expected = match (&case.text, &case.fault) {
            (Some(text), None) => Ok(text.clone()),
            (None, Some(fault)) => Err(fault.clone()),
            _ => panic!("{name}: a case needs a text or a fault"),
        };
        let found = found.map_err(|fault| fault.to_string());
        if found != expected {
            failures.push(format!("{name} ({}): found {found:?}, expected {expected:?}", case.rule));
        }
        let text = case.ansible.as_ref().or(case.text.as_ref());
        if answer.get("text").and_then(Json::as_str) != text.map(String::as_str) {
            failures.push(format!("{name} ({}): Ansible says {answer}", case.rule));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn random_texts_are_decrypted_unchanged() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let alphabet: Vec<char> = "ab \t\n\r\"'\\{}%ä☃😀\u{0}\u{7f}".chars().collect();
    let mut text = |longest| -> String {
        let length = random(longest);
        (0..length).map(|_| alphabet[usize::try_from(random(alphabet.len() as u64)).unwrap()]).collect()
    };
    let samples: Vec<(String, String)> = (0..40).map(|_| (text(80), format!("p{}", text(20)))).collect();
    let labels = [Json::Null, json!("default"), json!("prod"), json!("a b-c_d")];
    let requests: Vec<Json> = samples
        .iter()
        .zip(labels.iter().cycle())
        .map(|((text, secret), label)| json!({"encrypt": text, "password": secret, "label": label}))
        .collect();
    for ((text, secret), answer) in samples.iter().zip(ansible::answers("vault.py", &requests)) {
        let envelope = answer["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(decrypted(envelope, &password("prod", secret)).as_ref(), Ok(text), "{envelope}");
        assert!(matches!(decrypted(envelope, &password("prod", "x")), Err(VaultError::WrongPassword { .. })));
    }
}

/// A directory with password files, in which `ansible-vault` runs.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.file("default", "correct horse\n", "600");
        site.file("prod", "staple", "600");
        site.file("pass-client.sh", "#!/bin/sh\necho \"for $2\"\n", "700");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Creates a file with another process. If this process created it, a fork of a parallel test could still have it
    /// open for writing, and a file that is open for writing cannot be executed.
    fn file(&self, name: &str, text: &str, mode: &str) -> PathBuf {
        let path = self.at(name);
        let mut shell = process::command("/bin/sh".as_ref());
        shell.args(["-c", r#"printf '%s' "$2" > "$1" && chmod "$3" "$1""#, "sh"]).arg(&path).args([text, mode]);
        run(&mut shell);
        path
    }

    /// A program of Ansible with a limit of two minutes.
    fn ansible(&self, name: &str) -> Command {
        let mut command = process::command(&program("timeout"));
        command.arg("120").arg(program(name)).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        command
    }

    /// `text`, encrypted with one of the passwords.
    fn encrypt(&self, identity: &str, text: &str) -> String {
        let plain = self.file("plain", text, "600");
        let mut command = self.ansible("ansible-vault");
        run(command.args(["encrypt", "--vault-id", identity, "--output", "-"]).arg(plain))
    }

    fn system(&self, identities: &[VaultIdentity]) -> LocalSystem {
        LocalSystem::new(self.folder.path().to_owned(), None, passwords::read(identities).unwrap())
    }
}

fn identity(label: &str, path: PathBuf) -> VaultIdentity {
    VaultIdentity { label: Some(label.to_owned()), source: PasswordSource::File(path) }
}

#[test]
fn password_files_and_scripts_decrypt_what_ansible_vault_encrypted_with_them() {
    let site = Site::new();
    let plain = site.encrypt("default", "a: 1\n");
    let client = site.encrypt("dev@pass-client.sh", "hunter2 ☃");
    assert!(plain.starts_with("$ANSIBLE_VAULT;1.1;AES256\n"), "{plain}");
    assert!(client.starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"), "{client}");

    let all = site.system(&[
        identity("prod", site.at("prod")),
        VaultIdentity::file(site.at("default")),
        identity("dev", site.at("pass-client.sh")),
    ]);
    assert_eq!(all.decrypt_file(&plain).unwrap().unwrap().expose(), "a: 1\n");
    assert_eq!(all.decrypt(&client).as_deref(), Ok("hunter2 ☃"));
    site.file("sealed", &client, "600");
    assert_eq!(all.file("sealed").as_deref(), Ok("hunter2 ☃"));

    let wrong = site.system(&[identity("dev", site.at("prod"))]);
    let reason = "none of the vault passwords decrypts it (it was encrypted for the vault ID `dev`)";
    assert_eq!(wrong.decrypt(&client).unwrap_err().to_string(), reason);
    assert_eq!(wrong.decrypt_file(&plain).unwrap_err(), VaultError::WrongPassword { label: None });
}

#[test]
fn a_password_file_may_be_encrypted_with_a_password_before_it() {
    let site = Site::new();
    site.file("inner.plain", "inner password", "600");
    let envelope = site.encrypt("inner@inner.plain", "hunter2");
    let sealed = site.encrypt("default", " inner password\r\n");
    site.file("inner", &sealed, "600");
    site.file("envelope", &envelope, "600");

    let (outer, inner) = (VaultIdentity::file(site.at("default")), identity("inner", site.at("inner")));
    let [problem] = passwords::read(&[inner.clone(), outer.clone()]).unwrap_err().try_into().unwrap();
    assert!(problem.message.ends_with("inner`: no vault password was given"), "{problem:?}");
    let found = site.system(&[outer.clone(), inner.clone()]).decrypt(&envelope);
    assert_eq!(
        found.unwrap_err().to_string(),
        "none of the vault passwords decrypts it (it was encrypted for the vault ID `inner`)"
    );

    let sealed = site.encrypt("default", "inner password\r\n");
    site.file("inner", &sealed, "600");
    assert_eq!(site.system(&[outer, inner]).decrypt(&envelope).as_deref(), Ok("hunter2"));
    let mut view = site.ansible("ansible-vault");
    view.args(["decrypt", "--vault-id", "default", "--vault-id", "inner@inner", "--output", "-", "envelope"]);
    assert_eq!(run(&mut view), "hunter2");
}

#[test]
fn an_encrypted_value_is_never_a_template_and_is_listed_encrypted() {
    let site = Site::new();
    let envelope = site.encrypt("prod", "{{ inventory_hostname }}");
    let indented = envelope.replace('\n', "\n            ");
    let text = format!(
        "all:\n  hosts:\n    h:\n      a: !vault |\n            {}\n      b: '<{{{{ a }}}}>'\n      c: !vault x\n",
        indented.trim_end()
    );
    site.file("hosts.yml", &text, "600");
    let inventory = load::parse(&Source::new("hosts.yml", text)).unwrap();
    let variables = Variables::new(inventory, Arc::new(site.system(&[identity("prod", site.at("prod"))])));
    let resolved = |name: &str| -> Result<Option<Node>, _> { variables.of("h").get(name) };
    let shown = resolved("a").unwrap().unwrap();
    assert!(matches!(&shown.value, Value::Str(text) if text == "{{ inventory_hostname }}"));
    assert_eq!(resolved("b").unwrap().unwrap().text, "<{{ inventory_hostname }}>");
    let problem = resolved("c").unwrap_err();
    assert_eq!(problem.message, "cannot decrypt this value: it does not start with `$ANSIBLE_VAULT`");

    let mut debug = site.ansible("ansible");
    debug.args(["-i", "hosts.yml", "h", "-m", "debug", "-a", "msg='{{ a }} {{ b }}'", "--vault-id", "prod@prod"]);
    let output = run(&mut debug);
    assert!(output.contains(r#""msg": "{{ inventory_hostname }} <{{ inventory_hostname }}>""#), "{output}");

    for vault in [&[][..], &["--vault-id", "prod@prod"]] {
        let listed = run(site.ansible("ansible-inventory").args(["-i", "hosts.yml", "--list"]).args(vault));
        assert_eq!(printed(&variables, list::Format::Json), listed);
        let tree = run(site.ansible("ansible-inventory").args(["-i", "hosts.yml", "--list", "--yaml"]).args(vault));
        assert_eq!(printed(&variables, list::Format::Yaml).replace("\"<{{ a }}>\"", "<{{ a }}>"), tree);
    }
}

fn printed(variables: &Variables, format: list::Format) -> String {
    let mut out = Vec::new();
    list::list(variables.inventory(), format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

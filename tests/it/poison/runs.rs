//! Runs against a cluster and nodes.

use super::{FOREIGN, REGISTRY, REGISTRY_WRONG, both, foreign_file, left_nothing, watched};
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, Site, USER};
use crate::support::sshd::ASKED;

#[test]
fn no_secret_shows_anywhere() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    let mut site = Site::with_password(registry, 2, REGISTRY);
    site.cluster(kubernetes, User::Writer).set("oregano_owner", "production");
    site.set("ansible_user", ASKED).set_literal("ansible_become", "True");
    site.unset("ansible_ssh_private_key_file");
    let ssh = site.nodes[0].password().to_owned();
    let ssh_other = site.nodes[1].password().to_owned();
    for (number, password) in [(1, &ssh), (2, &ssh_other)] {
        site.host(number, &format!("ansible_password='{password}' ansible_become_password='{password}'"));
    }
    let file = foreign_file();
    site.nodes[0].write(DOCKER, file.as_bytes(), 0o644);
    kubernetes.create_secret("openshift", "imagestreamsecret", &file);
    let secrets = [
        (USER, REGISTRY),
        (USER, REGISTRY_WRONG),
        ("them", FOREIGN),
        (ASKED, ssh.as_str()),
        (ASKED, ssh_other.as_str()),
    ];

    let seen = watched(|| {
        let mut outputs = String::new();
        let wrong = site.oregano.write("wrong.yml", format!("oreg_auth_password: {REGISTRY_WRONG:?}\n"));
        let broken = site.oregano.write("broken.yml", format!("oreg_auth_password: [{REGISTRY_WRONG:?}\n"));
        for format in ["text", "json"] {
            let common = ["--output", format, "-vvv"];
            for words in [
                vec!["validate"],
                vec!["validate", "--from", "first-node"],
                vec!["validate", "--from", "every-node"],
                vec!["plan"],
                vec!["plan", "--diff", "--prune", "-vvv"],
                vec!["apply", "-e", &format!("@{}", wrong.display())],
                vec!["apply", "-e", &format!("@{}", broken.display())],
                vec!["apply", "-e", r#"{"oreg_auth_password": {"a": 1}}"#],
                vec!["apply", "--limit", "node1", "--diff", "-vvv"],
                vec!["apply"],
                vec!["apply"],
            ] {
                let run = site.run(&[words.as_slice(), &common].concat());
                outputs += &format!("{words:?}\n{}", both(&run));
            }
            // A secret and a file that cannot be merged, each with a password.
            site.nodes[0].write(DOCKER, format!("\"{FOREIGN}\"").as_bytes(), 0o600);
            outputs += &both(&site.run(&[&["apply"], &common[..]].concat()));
            site.nodes[0].write(DOCKER, file.as_bytes(), 0o644);
        }
        outputs
    });
    seen.says_but_not(&["refused", "written and read back", "from node1 : proved"], &secrets);
    seen.environments_hold_none(&secrets);
    left_nothing(&site.oregano);
    for node in &site.nodes {
        let left = node.sh("find /tmp /root /var/lib/origin -newer /etc/hostname -type f ! -name config.json").stdout;
        assert_eq!(String::from_utf8_lossy(&left), "", "files were left on a node");
    }
}

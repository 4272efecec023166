//! Runs that write the global pull secret, and put it back.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{FOREIGN, REGISTRY, both, files_below, left_nothing, traces, watched};
use crate::support::kubernetes::User;
use crate::support::openshift::OpenShift;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{Site, USER};

#[test]
fn only_the_backups_have_the_global_pull_secret() {
    let openshift = OpenShift::empty();
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    let mut site = Site::with_password(registry, 1, REGISTRY);
    site.cluster(&openshift.kubernetes, User::Admin).set("oregano_platform", "openshift-4");
    site.set_literal("oregano_global_pull_secret", "{'mode': 'append'}");
    // No run contacts this registry. The second password is where none is expected.
    let foreign = STANDARD.encode(format!("them:{FOREIGN}"));
    let content = format!(
        "{{\"auths\":{{\"cloud.openshift.com\":{{\"auth\":\"{foreign}\",\"email\":\"e@example.com\"}}}},\
         \"password\":\"{FOREIGN}\"}}"
    );
    openshift.set_pull_secret(&content);
    openshift.create_pool("worker", &["w1"]);
    openshift.set_paused("worker", true);
    let home = site.oregano.home();
    let folder = home.join(".local/state/oregano/backups");
    let secrets = [(USER, REGISTRY), ("them", FOREIGN)];

    let seen = watched(|| {
        let mut outputs = String::new();
        for format in ["text", "json"] {
            let mut run = |words: &[&str]| {
                let run = site.run(&[words, &["--output", format, "-vvv"]].concat());
                outputs += &format!("{words:?}\n{}", both(&run));
            };
            openshift.set_pull_secret(&content);
            run(&["plan", "--diff"]);
            run(&["apply", "--only", "cluster", "--diff"]);
            let backup = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
            run(&["restore", &backup, "--check", "--diff"]);
            run(&["restore", &backup, "--diff", "--transfer-ownership"]);
            // The operator quotes the content in its messages.
            openshift.fail_controller(&format!("invalid pull secret: {content}"));
            openshift.fail_update("w1", &format!("cannot write {content} of {REGISTRY}"));
            openshift.report("worker");
            run(&["apply", "--only", "cluster"]);
            run(&["plan"]);
            let broken = "20200101T000000Z_prod-x7k2p.json";
            fs::write(folder.join(broken), format!("{{\"auths\":\"{FOREIGN}\"}}")).unwrap();
            run(&["restore", broken]);
            fs::write(folder.join(broken), content.replace(&foreign, FOREIGN)).unwrap();
            run(&["restore", broken]);
            // A content that cannot be merged.
            openshift.set_pull_secret(&format!("{{\"auths\":\"{FOREIGN}\"}}"));
            run(&["apply", "--only", "cluster"]);
        }
        outputs += &both(&site.oregano.run(&["restore"]));
        outputs
    });
    seen.says_but_not(
        &["its old content is saved in", "cannot be put back as it is", "cannot be used", "invalid pull secret"],
        &secrets,
    );
    seen.environments_hold_none(&secrets);
    left_nothing(&site.oregano);
    assert_ne!(traces(&files_below(&folder), &secrets), Vec::<String>::new(), "the backups have the secret");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(traces(&files_below(&home), &[("them", FOREIGN)]), Vec::<String>::new());
}

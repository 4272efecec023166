//! No input causes a panic in a reader: arbitrary texts, and the inventories of the cases with parts removed, doubled and
//! exchanged.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::random::{seed, wanted};

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

/// The texts of all cases, which hold every construct.
static TEXTS: LazyLock<Vec<String>> =
    LazyLock::new(|| super::cases().into_iter().flat_map(|(_, case)| case.texts()).collect());

#[test]
fn no_inventory_makes_a_reader_panic() {
    let text = || prop_oneof![1 => any::<String>(), 1 => bytes(), 4 => mutated()];
    run(&text(), |text| targets::ini(&text));
    run(&text(), |text| targets::yaml(&text));
}

#[test]
fn no_value_makes_a_reader_panic() {
    run(&prop_oneof![any::<String>(), "[\\[\\](){},:'\"\\\\a0-9.eExbruN #+-]{0,20}"], |text| {
        targets::literals(&text);
        targets::yaml(&text);
        targets::yaml(&text[..text.floor_char_boundary(text.len() / 2)]);
    });
}

#[test]
fn no_pattern_makes_the_selection_panic() {
    run(&prop_oneof![any::<String>(), "[\\[\\](){}:!&,~*?@w0-9.^$|\\\\a-c -]{0,12}"], |text| targets::patterns(&text));
    run(&"[a-c0-9.:\\[\\]-]{0,12}", |text| targets::ranges(&text));
}

#[test]
fn no_template_makes_the_engine_panic() {
    let word = "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#| |\\||\\(|\\)|\\[|\\]|\\.|~|-|'|\"|[abcd]|1|for|in|if|is|not|else|endfor|default|join|range)";
    run(&prop_oneof![any::<String>(), prop::collection::vec(word, 0..16).prop_map(|words| words.concat())], |text| {
        targets::templates(&text);
        targets::templates(&format!("{{{{ {text} }}}}"));
    });
}

#[test]
fn no_envelope_makes_vault_panic() {
    let text = "(\\$ANSIBLE_VAULT;1\\.[0-3];AES256(;x)?\n)?[0-9a-f\n \r]{0,200}";
    run(&text, |text| targets::vault(&text));
}

#[test]
fn no_auth_file_makes_the_merge_panic_or_lose_an_entry() {
    let word = "(\\{|\\}|\\[|\\]|:|,| |\n|\"(auths|auth|email|identitytoken|username|password|credHelpers|credsStore|quay\\.io|https://quay\\.io/v2/acme|YTpi|b3Blb=|)\"|1.50|null)";
    let words = prop::collection::vec(word, 0..16).prop_map(|words| words.concat());
    run(&prop_oneof![1 => any::<String>(), 2 => words, 4 => auth_file(), 2 => broken(auth_file())], |text| {
        targets::config_json(&text);
        targets::dockercfg(&text);
    });
}

#[test]
fn no_secret_makes_its_reader_panic() {
    // Complete lines and their parts; the base64 is that of a file with an entry, and of one that is cut off.
    let word = "(kind: Secret\n|data:\n|stringData:\n|data: |  (\\.dockerconfigjson|\\.dockercfg|auth\\.json|x): |eyJhdXRocyI6eyJxdWF5LmlvIjp7ImF1dGgiOiJZVHBpIn19fQ==\n|eyJhdXRo\n|'\\{\"auths\":\\{\\}\\}'\n|\\{|\\}|\\[|\\]|\\|\n|\n| |---\n|1)";
    let words = prop::collection::vec(word, 0..10).prop_map(|words| words.concat());
    let manifest = words.prop_map(|words| format!("kind: Secret\n{words}"));
    let texts = prop_oneof![1 => any::<String>(), 4 => manifest, 2 => auth_file(), 2 => broken(auth_file())];
    run(&texts, |text| targets::secret_manifest(&text));
}

#[test]
fn no_kubeconfig_makes_its_reader_panic() {
    // Texts that no header, no path or no URL can contain, and texts that can be mistaken for something else.
    let value = "[a-z0-9]{1,4}|\"\"|\" \"|null|1|1.5|true|\\[\\]|\\{\\}|\"[a-z:/@%?# ]{0,8}\"|\"(a|\\\\n|\\\\0|\\\\x7f|\\\\r| |ä|YQ==){0,4}\"|\"(https?|socks5|ftp)://[a-z0-9@:%/?#\\[\\]-]{0,8}\"|\"[0-9]{1,3}:[0-9]{1,6}\"";
    let user = "(token|tokenFile|username|password|client-certificate|client-certificate-data|client-key|client-key-data|as|as-uid|as-groups|as-user-extra|exec|auth-provider)";
    let cluster = "(server|certificate-authority|certificate-authority-data|insecure-skip-tls-verify|proxy-url|tls-server-name|disable-compression)";
    let members = |name: &'static str| {
        prop::collection::vec((name, value), 0..4).prop_map(|members| {
            members.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
        })
    };
    let lists = "(, as-groups: \\[\"(a|\\\\n|ä){0,3}\"\\])?(, as-user-extra: \\{\"(a|\\\\n|/|%|ä){0,3}\": \\[\"(a|\\\\n){0,3}\"\\]\\})?(, exec: \\{command: \"(a|/|\\\\0){0,3}\", apiVersion: client.authentication.k8s.io/v1(beta1)?, interactiveMode: (Never|Always|x)(, provideClusterInfo: true)?\\})?(, auth-provider: \\{name: (oidc|gcp), config: \\{id-token: \"(a|\\\\n){0,3}\"\\}\\})?";
    let server = "(, server: \"(https?://)?127.0.0.1(:[0-9]{1,6})?[a-z/?%]{0,4}\")?";
    let config = (members(cluster), members(user), server, lists).prop_map(|(cluster, user, server, lists)| {
        // A member that occurs twice is an error of the parser.
        let known = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n";
        format!(
            "{known}clusters: [{{name: k, cluster: {{x: 1, {cluster}{server}}}}}]\nusers: [{{name: u, user: {{x: 1, {user}{lists}}}}}]\n"
        )
    });
    let config = config.boxed();
    run(&prop_oneof![1 => any::<String>(), 1 => bytes(), 6 => config.clone(), 2 => broken(config)], |text| {
        targets::kubeconfig(&text);
    });
}

/// A file of either format, with what tools leave in it.
fn auth_file() -> impl Strategy<Value = String> {
    let key = "(https?://)?(quay\\.io|r\\.example\\.com:5000)(/v[12]/?)?(/?acme)?";
    let member = "\"(auth|email|username|password|identitytoken|x)\": ?(\"(YTpi|YTpiOmM=|b3Blb=|a@b|)\"|1|null|\\{\\})";
    let entry = prop::collection::vec(member, 0..3).prop_map(|members| format!("{{{}}}", members.join(",")));
    let entries = prop::collection::vec((key, entry), 0..4).prop_map(|entries| {
        let entries: Vec<_> = entries.into_iter().map(|(key, entry)| format!("{key:?}:\n  {entry}")).collect();
        format!("{{{}}}", entries.join(","))
    });
    let rest = "(,\"credHelpers\":\\{\"quay\\.io\":\"h\"\\})?(,\"credsStore\":\"s\")?";
    (entries, rest, any::<bool>()).prop_map(|(entries, rest, legacy)| match legacy {
        true => entries,
        false => format!("{{\"auths\":{entries}{rest}}}\n"),
    })
}

/// The text with a piece cut out.
fn broken(texts: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let at = any::<prop::sample::Index>;
    (texts, at(), at()).prop_map(|(text, from, to)| {
        let place = |at: prop::sample::Index| text.floor_char_boundary(at.index(text.len() + 1));
        let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
        format!("{}{}", &text[..from], &text[to..])
    })
}

#[test]
fn no_credential_file_makes_the_lookup_panic() {
    let image = "(quay.io|[a-z0-9.:\\[\\]]{0,6})/[a-z/:@._-]{0,8}";
    let key = "(https://|ftp://)?[a-z0-9*.:@%?#\\[\\]-]{0,8}(/[v1a-z%]{0,3}){0,2}";
    let content =
        "[\\[\\]{}:,\" a]{0,12}|\\{\"(auths|quay.io)\":\\{\"quay.io\":\\{\"auth\":\"[a-zA-Z=\\\\n]{0,8}\"\\}\\}\\}";
    let lines = (image, key, content).prop_map(|(image, key, content)| format!("{image}\n{key}\n{content}"));
    run(&prop_oneof![1 => any::<String>(), 4 => lines], |text| targets::lookup(&text));
}

#[test]
fn no_registries_conf_leads_to_what_is_no_image() {
    run(&broken(crate::explain::registries::texts()), |text| targets::registries(&text));
}

#[test]
fn no_challenge_makes_the_registry_panic() {
    let words = "Bearer bEARER Basic Negotiate realm service scope error insufficient_scope repository:a/b:pull,push \
                 repository: :pull = == , \" \\ https://a/t?x=1 a *";
    run(&prop_oneof![1 => any::<String>(), 1 => bytes(), 4 => texts_of(words)], |text| targets::challenge(&text));
    targets::challenge(&",=\"\\ ".repeat(100_000));
}

#[test]
fn no_image_leads_to_another_registry() {
    let words = "docker.io localhost registry.example.com :5000 :443 / // . .. : @ sha256: a0 B - _ %2e ? #";
    run(&prop_oneof![1 => any::<String>(), 6 => texts_of(words)], |text| targets::image(&text));
    targets::image(&"a/".repeat(100_000));
}

/// Texts made of these words, with and without spaces in between.
fn texts_of(words: &'static str) -> impl Strategy<Value = String> {
    let words: Vec<&str> = words.split_whitespace().chain([" "]).collect();
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.concat())
}

/// A fixed number of inputs from a fixed seed. A panic in `test` fails with the simplest input that causes it.
fn run<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, test: impl Fn(T)) {
    let count = u32::try_from(wanted(4_000)).unwrap();
    let config = ProptestConfig { cases: count, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, seed())
        .run(strategy, |input| {
            test(input);
            Ok(())
        })
        .unwrap();
}

fn bytes() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A text of the cases in which one piece is replaced by a piece of another case.
fn mutated() -> impl Strategy<Value = String> {
    let piece = || (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (piece(), piece()).prop_map(|((text, from, to), (other, start, end))| {
        let (text, other) = (&TEXTS[text.index(TEXTS.len())], &TEXTS[other.index(TEXTS.len())]);
        let range = |text: &str, a: prop::sample::Index, b: prop::sample::Index| {
            let (a, b) = (a.index(text.len() + 1), b.index(text.len() + 1));
            (text.floor_char_boundary(a.min(b)), text.floor_char_boundary(a.max(b)))
        };
        let ((from, to), (start, end)) = (range(text, from, to), range(other, start, end));
        // Small pieces change a construct, large ones make another file.
        let end = other.floor_char_boundary(end.min(start + 20)).max(start);
        let to = text.floor_char_boundary(to.min(from + 20)).max(from);
        format!("{}{}{}", &text[..from], &other[start..end], &text[to..])
    })
}

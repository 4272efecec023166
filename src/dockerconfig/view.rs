//! The entries of a credential file, for comparing two contents: who logs in, and what a fingerprint is computed from.

use super::json::{self, Json, object, parse_content};
use super::read::{Auth, entry};
use super::{Reader, entry_maps};
use crate::secret::Secret;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// The key as written.
    pub key: String,
    /// The user, if one can be read.
    pub user: Option<String>,
    /// Everything that a login with the entry depends on.
    pub credential: Vec<Secret>,
    /// The complete text of the entry.
    pub text: Secret,
}

/// The entries of a content, in source order; none if it cannot be parsed.
pub fn entries(content: &[u8], reader: Reader) -> Vec<EntryView> {
    let maps = parse_content(content).and_then(|mut root| entry_maps::take(&mut root, reader)).unwrap_or_default();
    maps.into_iter().flat_map(|map| map.entries).map(|(key, value)| view(key, &value)).collect()
}

fn view(key: String, value: &Json) -> EntryView {
    let text = match value {
        Json::Kept(raw) => Secret::new(raw.get()),
        Json::Text(text) => text.clone(),
        // A parsed content has no such value.
        Json::Object(_) => Secret::new(""),
    };
    let Ok(members) = object(value, "") else {
        return EntryView { key, user: None, credential: vec![text.clone()], text };
    };
    let parsed = entry(&key, &members);
    let member = |name| Secret::new(json::text(&members, name).unwrap_or_default());
    let login = parsed.login();
    let mut credential = match &login {
        Some(login) => vec![Secret::new(login.user.as_str()), login.password.clone()],
        None => vec![member("auth"), member("username"), member("password")],
    };
    credential.extend([member("identitytoken"), member("registrytoken")]);
    let user = login.map(|login| login.user).or_else(|| parsed.username.filter(|_| parsed.auth == Auth::Missing));
    EntryView { key, user, credential, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_credentials_are_equal_in_every_spelling() {
        let file = br#"{"auths":{"a":{"auth":"YTpi"},"b":{"username":"a","password":"b","email":"e"},"c":{"auth":"YTpj"},"d":{},
            "e":7,"f":{"auth":"YTpi","identitytoken":"t"},"g":{"username":"u"}}}"#;
        let found = entries(file, Reader::Node);
        let users: Vec<_> = found.iter().map(|entry| entry.user.as_deref()).collect();
        assert_eq!(users, [Some("a"), Some("a"), Some("a"), None, None, Some("a"), Some("u")]);
        assert_eq!(found[0].credential, found[1].credential);
        for other in [2, 3, 4, 5, 6] {
            assert_ne!(found[0].credential, found[other].credential, "{other}");
        }
        assert!(entries(b"{", Reader::Node).is_empty());
    }
}

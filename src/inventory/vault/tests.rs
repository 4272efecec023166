//! Texts that `ansible-vault` encrypted, unchanged and damaged. The rules for single parts of the format are tested by
//! the cases in tests/cases/vault.

use proptest::prelude::*;

use super::*;

/// `hunter2`, encrypted with `correct horse`.
const LABELLED: &str = "\
$ANSIBLE_VAULT;1.2;AES256;prod
34346637326530346665633132326664663664346366623061363733666261653930656430663931
3434393363373363653564343534323032396637376436350a333637383933636336323233613038
34333536653331366362316666383734343535303934316163633466356364663363326662346630
3662313435376530370a336539303462663936636135386236333636316536633665323834666564
6661
";

fn password(label: &str, text: &str) -> Password {
    Password { label: label.to_owned(), secret: SecretBytes::new(text.as_bytes().to_vec()) }
}

fn decrypted(text: &str, passwords: &[Password]) -> Result<String, VaultError> {
    decrypt(text, passwords).map(|secret| secret.expose().to_owned())
}

#[test]
fn every_password_is_tried_whatever_its_label() {
    let (right, wrong) = ("correct horse", "staple");
    for passwords in [
        vec![password("prod", right)],
        vec![password("default", right)],
        vec![password("prod", wrong), password("default", right)],
        vec![password("default", wrong), password("prod", wrong), password("prod", right)],
    ] {
        assert_eq!(decrypted(LABELLED, &passwords).unwrap(), "hunter2", "{passwords:?}");
    }
}

#[test]
fn the_error_for_a_wrong_password_names_the_label() {
    let error = decrypted(LABELLED, &[password("prod", "staple")]).unwrap_err();
    assert_eq!(error.to_string(), "none of the vault passwords decrypts it (it was encrypted for the vault ID `prod`)");
    assert_eq!(decrypted(LABELLED, &[]).unwrap_err(), VaultError::NoPassword);
    let unlabelled = LABELLED.replace("1.2;AES256;prod", "1.1;AES256");
    assert_eq!(
        decrypted(&unlabelled, &[password("prod", "")]).unwrap_err().to_string(),
        "none of the vault passwords decrypts it"
    );
}

#[test]
fn a_truncated_text_is_damaged() {
    let passwords = [password("prod", "correct horse")];
    for end in 0..LABELLED.len() - 1 {
        let error = decrypted(&LABELLED[..end], &passwords).unwrap_err();
        let expected = match end {
            0..14 => error == VaultError::NotAVault,
            14..25 => matches!(error, VaultError::Damaged(Damage::Header) | VaultError::Version | VaultError::Cipher),
            _ => matches!(error, VaultError::Damaged(Damage::Digits | Damage::Truncated)),
        };
        assert!(expected, "{end}: {error:?}");
    }
}

#[test]
fn a_changed_digit_is_never_decrypted() {
    let passwords = [password("prod", "correct horse")];
    let body = LABELLED.find('\n').unwrap() + 1;
    for at in (body..LABELLED.len()).step_by(7) {
        let old = &LABELLED[at..=at];
        if old == "\n" {
            continue;
        }
        let new = if old == "3" { "4" } else { "3" };
        let changed = format!("{}{new}{}", &LABELLED[..at], &LABELLED[at + 1..]);
        let error = decrypted(&changed, &passwords).unwrap_err();
        assert!(matches!(error, VaultError::WrongPassword { .. } | VaultError::Damaged(_)), "{at}: {error:?}");
    }
}

#[test]
fn debug_texts_show_no_secret() {
    let envelope = Envelope::parse(LABELLED).unwrap();
    assert_eq!(format!("{envelope:?}"), "an envelope (it was encrypted for the vault ID `prod`)");
    assert!(!format!("{:?}", password("a", "staple")).contains("staple"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Envelope::parse(&text);
        let _ = Envelope::parse(&format!("$ANSIBLE_VAULT;1.1;AES256\n{text}"));
    }

    #[test]
    fn no_digits_panic(digits in "[0-9a-f\r\n]{0,300}", inner in "[0-9a-fA-F\n]{0,200}") {
        let _ = Envelope::parse(&format!("$ANSIBLE_VAULT;1.2;AES256;x\n{digits}"));
        let outer: String = inner.bytes().map(|byte| format!("{byte:02x}")).collect();
        let _ = Envelope::parse(&format!("$ANSIBLE_VAULT;1.2;AES256;x\r\n{outer}"));
    }

    #[test]
    fn the_padding_is_never_longer_than_the_text(plain in proptest::collection::vec(any::<u8>(), 0..48)) {
        prop_assert!(unpadded_length(&plain).is_none_or(|length| length < plain.len()));
    }
}

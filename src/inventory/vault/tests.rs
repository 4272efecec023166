//! Envelopes as `ansible-vault` wrote them, whole and damaged. The rules one by one stand in tests/cases/vault.

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

fn opened(text: &str, passwords: &[Password]) -> Result<String, Fault> {
    open(text, passwords).map(|secret| secret.expose().to_owned())
}

#[test]
fn any_password_may_fit_whatever_its_label() {
    let (right, wrong) = ("correct horse", "staple");
    for passwords in [
        vec![password("prod", right)],
        vec![password("default", right)],
        vec![password("prod", wrong), password("default", right)],
        vec![password("default", wrong), password("prod", wrong), password("prod", right)],
    ] {
        assert_eq!(opened(LABELLED, &passwords).unwrap(), "hunter2", "{passwords:?}");
    }
}

#[test]
fn a_password_that_does_not_fit_is_a_fault_that_names_the_label() {
    let fault = opened(LABELLED, &[password("prod", "staple")]).unwrap_err();
    assert_eq!(fault.to_string(), "no vault password fits (it was encrypted for the vault id `prod`)");
    assert_eq!(opened(LABELLED, &[]).unwrap_err(), Fault::NoPassword);
    let unlabelled = LABELLED.replace("1.2;AES256;prod", "1.1;AES256");
    assert_eq!(opened(&unlabelled, &[password("prod", "")]).unwrap_err().to_string(), "no vault password fits");
}

#[test]
fn a_text_that_was_cut_off_is_damaged() {
    let passwords = [password("prod", "correct horse")];
    for end in 0..LABELLED.len() - 1 {
        let fault = opened(&LABELLED[..end], &passwords).unwrap_err();
        let expected = match end {
            0..14 => fault == Fault::NotAVault,
            14..25 => matches!(fault, Fault::Damaged(Damage::Header) | Fault::Version | Fault::Cipher),
            _ => matches!(fault, Fault::Damaged(Damage::Digits | Damage::Cut)),
        };
        assert!(expected, "{end}: {fault:?}");
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
        let fault = opened(&changed, &passwords).unwrap_err();
        assert!(matches!(fault, Fault::WrongPassword { .. } | Fault::Damaged(_)), "{at}: {fault:?}");
    }
}

#[test]
fn nothing_of_it_is_shown() {
    let envelope = Envelope::parse(LABELLED).unwrap();
    assert_eq!(format!("{envelope:?}"), "an envelope (it was encrypted for the vault id `prod`)");
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
    fn padding_is_never_longer_than_the_text(plain in proptest::collection::vec(any::<u8>(), 0..48)) {
        prop_assert!(unpadded(&plain).is_none_or(|length| length < plain.len()));
    }
}

//! Filters that make digests.

use minijinja::{Error, State, Value};
use openssl::hash::{MessageDigest, hash};

use super::Named;
use super::text::only_text;
use crate::inventory::templates::call::Call;
use crate::inventory::templates::fault::refuse;

pub(super) const FILTERS: &[Named] = &[
    ("checksum", |_, call| digest(call, "sha1")),
    ("hash", by_name),
    ("md5", |_, call| digest(call, "md5")),
    ("sha1", |_, call| digest(call, "sha1")),
    ("to_uuid", to_uuid),
];

/// Ansible's namespace for `to_uuid` (361E6D51-FAEC-444A-9079-341386DA8E2E).
const NAMESPACE: u128 = 0x361E_6D51_FAEC_444A_9079_3413_86DA_8E2E;

fn by_name(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let name = call.get_text(1, "hashtype")?.unwrap_or_else(|| "sha1".to_owned());
    digest(call, &name.to_lowercase())
}

fn digest(call: &mut Call, name: &str) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let algorithm = match name {
        "md5" => MessageDigest::md5(),
        "sha1" => MessageDigest::sha1(),
        "sha224" => MessageDigest::sha224(),
        "sha256" => MessageDigest::sha256(),
        "sha384" => MessageDigest::sha384(),
        "sha512" => MessageDigest::sha512(),
        "sha3_224" => MessageDigest::sha3_224(),
        "sha3_256" => MessageDigest::sha3_256(),
        "sha3_384" => MessageDigest::sha3_384(),
        "sha3_512" => MessageDigest::sha3_512(),
        _ => return Err(refuse("this hash is not supported")),
    };
    let bytes = hash(algorithm, text.as_bytes()).map_err(|_| refuse("this hash cannot be made here"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// A version 5 UUID (RFC 9562).
fn to_uuid(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let namespace = match call.get_text(1, "namespace")? {
        Some(own) => {
            let digits: String = own.chars().filter(|c| !"{}-".contains(*c)).collect();
            let digits = digits.strip_prefix("urn:uuid:").unwrap_or(&digits);
            let number = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32);
            number.ok_or_else(|| refuse("the namespace is no UUID"))?
        }
        None => NAMESPACE,
    };
    let named = [&namespace.to_be_bytes(), text.as_bytes()].concat();
    let bytes = hash(MessageDigest::sha1(), &named).map_err(|_| refuse("this hash cannot be made here"))?;
    let mut hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let variant = format!("{:x}", (bytes[8] >> 4) & 0x3 | 0x8);
    hex.replace_range(12..13, "5");
    hex.replace_range(16..17, &variant);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").into())
}

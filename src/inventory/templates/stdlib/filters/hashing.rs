//! Filters that compute hashes.

use minijinja::{Error, Value};
use openssl::hash::{MessageDigest, hash};

use crate::inventory::templates::stdlib::access::scalar_text;
use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::errors::error;

pub(super) const FILTERS: &[Definition] =
    &[("hash", hash_by_name), ("md5", |call| digest(call, "md5")), ("sha1 checksum", |call| digest(call, "sha1"))];

fn hash_by_name(call: &mut Call) -> Result<Value, Error> {
    let name = call.get_text(1, "hashtype")?.unwrap_or_else(|| "sha1".to_owned());
    digest(call, &name.to_lowercase())
}

fn digest(call: &mut Call, name: &str) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
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
        _ => return Err(error("this hash is not supported")),
    };
    // In FIPS mode OpenSSL does not provide MD5.
    let bytes = hash(algorithm, text.as_bytes()).map_err(|_| error("OpenSSL does not provide this hash here"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

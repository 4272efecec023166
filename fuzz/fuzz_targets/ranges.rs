//! Host ranges, ports and addresses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oregano::inventory::{Source, load};

fuzz_target!(|text: &str| {
    // Long ranges are slow and no fault.
    if text.len() < 24 {
        let _ = load::parse(&Source::new("hosts.ini", format!("[g]\n{text}\n")));
    }
});

//! INI inventories, read and listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oregano::inventory::{Source, list, load};

fuzz_target!(|text: &str| {
    if let Ok(inventory) = load::parse(&Source::new("hosts.ini", text)) {
        list::list(&inventory);
        list::tree(&inventory);
    }
});

//! Host patterns.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oregano::inventory::{Source, load, select};

const HOSTS: &str = "[web]\nw[1:3]\n2001:db8::1\n[top:children]\nweb\n";

fuzz_target!(|pattern: &str| {
    if let Ok(inventory) = load::parse(&Source::new("hosts.ini", HOSTS)) {
        let _ = select(&inventory, pattern);
    }
});

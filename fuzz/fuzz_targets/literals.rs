//! Python literals, as values of a section and of a host line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oregano::inventory::{Source, load};

fuzz_target!(|text: &str| {
    let _ = load::parse(&Source::new("hosts.ini", format!("[all:vars]\na={text}\n[g]\nh a={text}\n")));
});

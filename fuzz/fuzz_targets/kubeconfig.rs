#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| oregano_fuzz::kubeconfig(text));

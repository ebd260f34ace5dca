//! libFuzzer's way into [`tlsnag_fuzz::postfix()`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlsnag_fuzz::postfix(data));

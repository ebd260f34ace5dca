//! libFuzzer's way into [`tlsnag_fuzz::sendmail()`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlsnag_fuzz::sendmail(data));

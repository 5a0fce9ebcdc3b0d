//! Fuzzes `host_config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whimbrel_fuzz::config::host_config(data));

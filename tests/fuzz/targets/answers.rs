//! Fuzzes `answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whimbrel_fuzz::answers::answers(data));

//! Fuzzes `handshake`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whimbrel_fuzz::handshake::handshake(data));

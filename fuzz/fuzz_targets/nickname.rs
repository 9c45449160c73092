//! What may be a nickname, and which two are the same. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::nickname(data));

//! Datagrams mean the same however many are heard at once. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::decode_datagrams(data));

//! An IRC client's lines mean the same however the reads split them. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::decode_irc(data));

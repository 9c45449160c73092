//! What a message asks for, in every dialect. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::parse_commands(data));

//! What an event looks like on the wire, in every dialect. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::encode(data));

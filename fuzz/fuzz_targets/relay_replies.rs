//! What the engine answers, whatever it is. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::relay_replies(data));

//! The hub survives whatever happens to it, and is at rest when all have gone. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::hub_operations(data));

//! What a configuration file says, or what is wrong with it. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::config_file(data));

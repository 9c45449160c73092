//! What stands in the log that servers share, whatever it is. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::relay_log(data));

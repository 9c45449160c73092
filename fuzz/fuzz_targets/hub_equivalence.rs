//! The hub makes the same of the same bytes, however they came. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::hub_equivalence(data));

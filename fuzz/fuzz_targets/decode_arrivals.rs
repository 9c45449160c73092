//! Arrivals mean the same however each of them is read. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::decode_arrivals(data));

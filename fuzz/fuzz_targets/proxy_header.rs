//! Where a connection comes from, as a proxy tells. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::proxy_header(data));

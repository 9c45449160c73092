//! Whatever comes at a listener with TLS. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::tls_input(data));

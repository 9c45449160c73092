//! IRC clients may ask for anything, and are told lines of the protocol. See `properties/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::irc_sessions(data));

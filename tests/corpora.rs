//! The corpora of the fuzzers, replayed: every input that a fuzz target of `fuzz/` has found worth
//! keeping must still hold its property, on any compiler. The properties themselves are in
//! `fuzz/properties/`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

#[path = "../fuzz/properties/mod.rs"]
#[allow(unreachable_pub, reason = "it is the library of the fuzz targets, too")]
mod properties;

/// Says which input it was, if the property does not hold.
struct Replaying(PathBuf);

impl Drop for Replaying {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this was {}", self.0.display());
        }
    }
}

fn replay(target: &str, property: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&corpus);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", corpus.display());
    property(&[]);
    for path in paths {
        let replaying = Replaying(path);
        property(&fs::read(&replaying.0).unwrap());
    }
}

#[test]
fn decode_lines() {
    replay("decode_lines", properties::decode_lines);
}

#[test]
fn decode_arrivals() {
    replay("decode_arrivals", properties::decode_arrivals);
}

#[test]
fn decode_datagrams() {
    replay("decode_datagrams", properties::decode_datagrams);
}

#[test]
fn config_file() {
    replay("config_file", properties::config_file);
}

#[test]
fn nickname() {
    replay("nickname", properties::nickname);
}

#[test]
fn proxy_header() {
    replay("proxy_header", properties::proxy_header);
}

#[test]
#[cfg(feature = "tls")]
fn tls_input() {
    replay("tls_input", properties::tls_input);
}

#[test]
fn text() {
    replay("text", properties::text);
}

#[test]
fn parse_commands() {
    replay("parse_commands", properties::parse_commands);
}

#[test]
fn encode() {
    replay("encode", properties::encode);
}

#[test]
fn irc_sessions() {
    replay("irc_sessions", properties::irc_sessions);
}

#[test]
fn decode_irc() {
    replay("decode_irc", properties::decode_irc);
}

#[test]
fn hub_operations() {
    replay("hub_operations", properties::hub_operations);
}

#[test]
fn hub_equivalence() {
    replay("hub_equivalence", properties::hub_equivalence);
}

#[test]
#[cfg(feature = "web")]
fn decode_web() {
    replay("decode_web", properties::decode_web);
}

#[test]
fn relay_log() {
    replay("relay_log", properties::relay_log);
}

#[test]
fn relay_checkpoint() {
    replay("relay_checkpoint", properties::relay_checkpoint);
}

#[test]
#[cfg(feature = "relay")]
fn relay_replies() {
    replay("relay_replies", properties::relay_replies);
}

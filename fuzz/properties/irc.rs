//! What must hold of an IRC client's session: its lines mean the same however the reads split them,
//! and are those that a plain reading of the protocol finds. What it does with them must hold the
//! rules of the whole hub (`hubs.rs`).

use std::net::Ipv4Addr;
use std::time::Instant;

use chinwag::config::Config;
use chinwag::dialect::session::{Context, Message, Received};
use chinwag::dialect::{Dialect, Encoding, Session};

/// Bytes of a line without its end and its tags, and of its tags.
const LINE_BYTES_MAX: usize = 510;
const TAGS_BYTES_MAX: usize = 4096;

/// Reads the bytes behind the first in pieces of as many as that says, and at once.
pub fn decode_irc(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(decode(bytes, usize::from(*size).max(1)), whole, "in pieces of {size}");
    for (told, line) in whole.iter().zip(bytes.split(|byte| *byte == b'\n')) {
        let expected = naive(line);
        let same = *told == expected || expected == "said" && *told == "answered";
        assert!(same, "{told}, and not {expected}: {:?}", String::from_utf8_lossy(line));
    }
}

/// What the session makes of the input, as the hub uses it; up to its end, if that is another
/// protocol.
fn decode(bytes: &[u8], size: usize) -> Vec<&'static str> {
    let settings = Config::default().session_settings();
    let now = Instant::now();
    let mut session = Session::new(Dialect::Irc(Encoding::PLAIN), &settings, now);
    let remote = Ipv4Addr::LOCALHOST.into();
    let context = Context { now, remote, name: "", settings: &settings, metrics: &String::new };
    let mut found = Vec::new();
    for mut read in bytes.chunks(size) {
        while !read.is_empty() {
            let Some(received) = session.receive(&mut read, &context) else { break };
            found.push(match received {
                Received::Message(Message::Irc(_)) => "said",
                Received::Refused(..) => "refused",
                Received::Close(..) => return found,
                Received::Reply(_) | Received::Nothing => "answered",
                received => unreachable!("{received:?}"),
            });
        }
        assert!(read.is_empty(), "what a read brought is used up");
    }
    assert!(session.finish(&context).is_none());
    found
}

/// What is to become of a line.
fn naive(line: &[u8]) -> &'static str {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let tags = match line.iter().position(|byte| *byte == b' ') {
        _ if !line.starts_with(b"@") => 0,
        Some(end) => end + 1,
        None => line.len(),
    };
    if tags > TAGS_BYTES_MAX || line.len() - tags > LINE_BYTES_MAX {
        return "refused";
    }
    if std::str::from_utf8(line).is_ok() { "said" } else { "refused" }
}

//! IRC: everybody joins one channel.
//!
//! The server must let so many come from one address, and talk as fast as they are asked to.

use crate::load::speech::{Entry, Frame, Speech, contains, first_line, in_if};

pub(crate) static SPEECH: Speech = Speech {
    talkers_listen: true,
    echoes: false,
    // Most servers do keep one order, but the protocol does not ask for it.
    one_order: false,
    enter: |newcomer| match newcomer.step {
        0 => {
            let name = newcomer.name;
            Entry::Says(format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n").into_bytes())
        }
        // The end of the message of the day, or that there is none, is the end of the welcome.
        1 if [b" 376 ", b" 422 "].iter().any(|end| contains(newcomer.heard, *end)) => {
            Entry::Says(b"JOIN #room\r\n".to_vec())
        }
        1 => Entry::Waits,
        _ => in_if(contains(newcomer.heard, b" 366 ")),
    },
    say: |_, text| format!("PRIVMSG #room :{text}\r\n").into_bytes(),
    frame,
};

/// `:NICK!USER@HOST PRIVMSG #room :TEXT`, or `:SERVER NUMBER …`, or without an origin.
fn frame(input: &[u8]) -> Frame<'_> {
    let Some(message) = first_line(input) else { return Frame::Part };
    let bytes = message.len();
    let message = message.trim_ascii_end();
    if let Some(token) = message.strip_prefix(b"PING ") {
        return Frame::Question { bytes, answer: [b"PONG ", token, b"\r\n"].concat() };
    }
    if message.starts_with(b"ERROR ") {
        return Frame::Refusal { bytes };
    }
    let mut words = message.splitn(4, |byte| *byte == b' ');
    let (origin, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let said = words.nth(1).and_then(|text| text.strip_prefix(b":"));
    let name = origin.strip_prefix(b":").and_then(|name| name.split(|byte| *byte == b'!').next());
    match (verb, name, said) {
        (b"PRIVMSG", Some(name), Some(text)) => Frame::Line { bytes, name, text },
        // No message of the day is not a refusal.
        (b"422", ..) => Frame::Other { bytes },
        ([b'4' | b'5', _, _], ..) => Frame::Refusal { bytes },
        _ => Frame::Other { bytes },
    }
}

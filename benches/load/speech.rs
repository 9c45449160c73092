//! What servers speak, as far as a crowd must know it: how one comes in, how one says a line, and
//! how to tell the lines of others from everything else that comes.
//!
//! A [`Speech`] is a table of functions without a state. Here are the two that the benches need;
//! the load example has more (`examples/load/against/`).
//!
//! **A line** as it is delivered is `NAME: TEXT` and LF. Names have seven bytes and texts begin
//! with a number of four digits, so that all lines of a crowd have one length, and each can be told
//! from the one before.

use memchr::{memchr, memmem};

/// Texts are numbered from 0 on, and after so many from 0 again.
pub(crate) const NUMBERS: usize = 1024;

/// All in which servers differ.
pub(crate) struct Speech {
    /// Whether one connection can talk and listen. If not, talkers receive nothing.
    pub(crate) talkers_listen: bool,
    /// Whether talkers get their own lines, too. They do not count.
    pub(crate) echoes: bool,
    /// Whether all get the lines of several talkers in the same order.
    pub(crate) one_order: bool,
    /// What a newcomer does next.
    pub(crate) enter: fn(&Newcomer<'_>) -> Entry,
    /// What a talker sends to say a line: always the same number of bytes.
    pub(crate) say: fn(name: &str, text: &str) -> Vec<u8>,
    /// What the input begins with.
    pub(crate) frame: fn(input: &[u8]) -> Frame<'_>,
}

/// Somebody on the way in.
pub(crate) struct Newcomer<'a> {
    pub(crate) name: &'a str,
    pub(crate) talks: bool,
    /// How often it has said something already.
    pub(crate) step: usize,
    /// All that the server has said to it.
    pub(crate) heard: &'a [u8],
}

/// What a newcomer does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Says(Vec<u8>),
    Waits,
    IsIn,
}

/// One piece of what a server sends. `bytes` is its length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// It is not whole yet.
    Part,
    /// What a member of the crowd said.
    Line { bytes: usize, name: &'a [u8], text: &'a [u8] },
    /// What only one who listens for themselves would want to know.
    Other { bytes: usize },
    /// It wants to know whether this member is alive.
    Question { bytes: usize, answer: Vec<u8> },
    /// It will not do what was asked of it.
    Refusal { bytes: usize },
}

/// Asks for a nickname, and puts it before each line.
pub(crate) static CHINWAG: Speech = Speech {
    talkers_listen: true,
    echoes: false,
    one_order: true,
    enter: |newcomer| match newcomer.step {
        0 => Entry::Says(format!("{}\n", newcomer.name).into_bytes()),
        _ => in_if(contains(newcomer.heard, b"* You are ")),
    },
    say: |_, text| format!("{text}\n").into_bytes(),
    frame: frame_of_lines,
};

/// Greets, and passes on what comes as it is.
pub(crate) static FLOOR: Speech = Speech {
    talkers_listen: true,
    echoes: false,
    one_order: true,
    enter: |newcomer| in_if(contains(newcomer.heard, b"* You are ")),
    say: |name, text| line(name, text).into_bytes(),
    frame: frame_of_lines,
};

/// chinwag's dialect `web`: JSON over WebSocket.
pub(crate) static BROWSER: Speech = Speech {
    talkers_listen: true,
    echoes: true,
    one_order: true,
    enter: |newcomer| match newcomer.step {
        0 => Entry::Says(HANDSHAKE.as_bytes().to_vec()),
        1 if !contains(newcomer.heard, b"\r\n\r\n") => Entry::Waits,
        1 => Entry::Says(masked(&format!(r#"{{"type":"nick","name":"{}"}}"#, newcomer.name))),
        _ => in_if(contains(newcomer.heard, br#"{"type":"welcome""#)),
    },
    say: |_, text| masked(&format!(r#"{{"type":"say","text":"{text}"}}"#)),
    frame: frame_of_web_socket,
};

/// chinwag's dialect `irc`, in which everybody joins one channel.
pub(crate) static IRC: Speech = Speech {
    talkers_listen: true,
    echoes: false,
    one_order: true,
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
    frame: frame_of_irc,
};

pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A frame of at most 64 KiB that begins with this byte, as a browser sends it, under a mask of
/// zeros.
#[allow(dead_code, reason = "tests use it, and not all that is built with this file")]
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A text frame of at most 125 bytes, as a browser sends it.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    assert!(text.len() <= 125, "{text} is too long");
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend_from_slice(&MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A line as it is delivered.
pub(crate) fn line(name: &str, text: &str) -> String {
    format!("{name}: {text}\n")
}

/// Takes a line apart, without its line end.
pub(crate) fn parts_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    Some((&line[..colon], line[colon + 1..].strip_prefix(b" ")?))
}

/// Up to and with the first LF.
pub(crate) fn first_line(input: &[u8]) -> Option<&[u8]> {
    memchr(b'\n', input).map(|lf| &input[..=lf])
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

pub(crate) fn in_if(is_in: bool) -> Entry {
    if is_in { Entry::IsIn } else { Entry::Waits }
}

/// chinwag's notices begin with `*`, its refusals with `!`, and what is private or past with `[`.
fn frame_of_lines(input: &[u8]) -> Frame<'_> {
    let Some(frame) = first_line(input) else { return Frame::Part };
    let bytes = frame.len();
    match (frame[0], parts_of(&frame[..bytes - 1])) {
        (b'!', _) => Frame::Refusal { bytes },
        (b'*' | b'[', _) | (_, None) => Frame::Other { bytes },
        (_, Some((name, text))) => Frame::Line { bytes, name, text },
    }
}

/// `:NICK!USER@HOST PRIVMSG #room :TEXT`, or `:SERVER NUMBER …`, or without an origin.
pub(crate) fn frame_of_irc(input: &[u8]) -> Frame<'_> {
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

/// Frames of a WebSocket, and the answer to the handshake before them.
fn frame_of_web_socket(input: &[u8]) -> Frame<'_> {
    const PING: u8 = 0x89;
    if input.starts_with(b"HTTP/") {
        let end = memmem::find(input, b"\r\n\r\n");
        return end.map_or(Frame::Part, |end| Frame::Other { bytes: end + 4 });
    }
    let [first, second, rest @ ..] = input else { return Frame::Part };
    let (length, begin) = match (*second, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (length @ 0..126, _) => (usize::from(length), 2),
        // Nothing that is said to a crowd is longer.
        _ => return Frame::Part,
    };
    let bytes = begin + length;
    let Some(payload) = input.get(begin..bytes) else { return Frame::Part };
    match (*first, said_in(payload)) {
        (PING, _) => Frame::Question { bytes, answer: vec![0x8a, 0x80, 0, 0, 0, 0] },
        (_, Some((name, text))) => Frame::Line { bytes, name, text },
        _ if contains(payload, br#"{"type":"refused""#) => Frame::Refusal { bytes },
        _ => Frame::Other { bytes },
    }
}

/// Who says what in an event; neither has anything that JSON would escape.
fn said_in(event: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = event.strip_prefix(br#"{"type":"say","from":""#)?;
    let (name, rest) = rest.split_at(memchr(b'"', rest)?);
    let rest = rest.strip_prefix(br#"","text":""#)?;
    Some((name, &rest[..memchr(b'"', rest)?]))
}

/// The name of the member with this key. The letters are such that no two names look alike to a
/// server that minds (no l, 1, I, 0, O, m, rn).
pub(crate) fn name(key: usize) -> String {
    let digit = |place: u32| b"abcdefgh"[key / 8_usize.pow(place) % 8];
    let digits = (0..6).rev().map(digit).map(char::from);
    std::iter::once('t').chain(digits).collect()
}

/// Whose name this is.
pub(crate) fn key_of(name: &[u8]) -> Option<usize> {
    let digits = name.strip_prefix(b"t").filter(|digits| digits.len() == 6)?;
    digits.iter().try_fold(0, |key, digit| match digit {
        b'a'..=b'h' => Some(key * 8 + usize::from(digit - b'a')),
        _ => None,
    })
}

/// The text with this number, of which a line of `line_bytes` is made.
pub(crate) fn text(number: usize, line_bytes: usize) -> String {
    let length = line_bytes.saturating_sub(line(&name(0), "").len());
    format!("{:.<length$}", format!("{number:04} is what I have to say "))
        .chars()
        .take(length)
        .collect()
}

/// The number that a text begins with.
pub(crate) fn number_of(text: &[u8]) -> Option<usize> {
    text.get(..4)?.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + usize::from(digit - b'0')),
        _ => None,
    })
}

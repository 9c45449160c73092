//! What must hold of the dialect `web` on its way in: however the input is cut into reads, the
//! requests and messages are those that a naive decoder finds, which sees all of it at once. And
//! what the other properties need to speak it.

use std::net::Ipv4Addr;
use std::time::Instant;

use chinwag::config::Config;
use chinwag::dialect::session::{Context, Received};
use chinwag::dialect::{Dialect, Session, Settings};
use chinwag::event::CloseReason;

use super::input::{Input, pieces};

/// A request that becomes a WebSocket.
pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// What browsers send.
const MESSAGES: [&str; 12] = [
    r#"{"type":"say","text":"hi"}"#,
    r#"{"type":"say","text":"你好 \"\u4f60\" \ud83d\ude00"}"#,
    r#"{"type":"say","text":"/who"}"#,
    r#"{"type":"nick","name":"al","more":[{"x":null}]}"#,
    r#"{"type":"msg","to":"a\nb","text":"psst"}"#,
    r#"{"type":"history","count":3}"#,
    r#"{"type":"history","count":-3}"#,
    r#"{"type":"say","text":"\ud83d"}"#,
    r#"{"type":"say","text":"much too long for the least of all limits, but not for the others"}"#,
    r#"{"text":"hi"}"#,
    "[]",
    "",
];

/// A frame as browsers send it. `first` is its first byte: the final bit and the opcode.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x1d, 0xe5, 0x00, 0x7f];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a browser sends to say a line, which may be a command.
pub(crate) fn saying(line: &str) -> Vec<u8> {
    masked(0x81, serde_json::json!({ "type": "say", "text": line }).to_string().as_bytes())
}

/// The frames at the front of what a server sent, each with its opcode; the last may be cut short,
/// and is left out then. Panics if a server must not send them.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(first & 0xf0, 0x80, "a server sends whole messages without extensions");
        let (length, rest) = match (*second, rest) {
            (length @ 0..=125, rest) => (u64::from(length), rest),
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
            }
            (126 | 127, _) => return frames,
            _ => unreachable!("a server does not mask"),
        };
        let Some((payload, rest)) = rest.split_at_checked(length as usize) else { return frames };
        frames.push((first & 0x0f, payload));
        bytes = rest;
    }
    frames
}

/// The JSON of all events among these frames.
pub(crate) fn events(frames: &[(u8, &[u8])]) -> Vec<serde_json::Value> {
    let texts = frames.iter().filter(|(opcode, _)| *opcode == 1);
    texts
        .map(|(_, payload)| match serde_json::from_slice(payload) {
            Ok(event) => event,
            Err(error) => unreachable!("{error}: {:?}", String::from_utf8_lossy(payload)),
        })
        .collect()
}

const END: CloseReason = CloseReason::EndOfInput;

/// Any splitting of a browser's input gives the same requests and messages.
pub fn decode_web(data: &[u8]) {
    let mut input = Input::new(data);
    let max = 16 + input.below(64);
    let sizes = [(); 3].map(|()| 1 + usize::from(input.byte()));
    let mut bytes = Vec::new();
    match input.below(4) {
        0 => {}
        1 => {
            bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
            bytes.resize(input.below(256) * 64, b'x');
        }
        _ => bytes.extend_from_slice(HANDSHAKE.as_bytes()),
    }
    while !input.is_used_up() {
        draw(&mut input, &mut bytes);
    }
    let expected = naive(&bytes, max);
    for sizes in [&[16 * 1024][..], &sizes, &[1]] {
        assert_eq!(decode(&bytes, sizes, max), expected, "in reads of {sizes:?}");
    }
}

/// Something that a browser sends, or would if it were none.
fn draw(input: &mut Input<'_>, bytes: &mut Vec<u8>) {
    let message = input.one_of(&MESSAGES).as_bytes();
    match input.below(10) {
        0 => bytes.extend_from_slice(input.some()),
        1 => bytes.extend(masked(input.byte(), input.some())),
        2 => bytes.extend(masked(0x89, input.some())),
        3 => bytes.extend(masked(0x8a, input.some())),
        4 => bytes.extend(masked(0x88, &[&[3, input.byte()], input.some()].concat())),
        // In two fragments, with something between them.
        5 | 6 => {
            let (head, tail) = message.split_at(input.below(256).min(message.len()));
            bytes.extend(masked(0x01, head));
            bytes.extend(masked(0x89, b"?"));
            bytes.extend(masked(0x80, tail));
        }
        7 => {
            let length = u64::from_be_bytes([(); 8].map(|()| input.byte()));
            bytes.extend([0x81, 0xff]);
            bytes.extend(length.to_be_bytes());
            bytes.extend([0; 4]);
        }
        _ => bytes.extend(masked(0x81, message)),
    }
}

/// A browser's session, and what it goes by.
struct Browser {
    session: Session,
    settings: Settings,
    now: Instant,
}

impl Browser {
    fn new(max: usize) -> Browser {
        let settings = Settings { line_bytes_max: max, ..Config::default().session_settings() };
        let now = Instant::now();
        Browser { session: Session::new(Dialect::Web, &settings, now), settings, now }
    }

    fn receive(&mut self, input: &mut &[u8]) -> Option<String> {
        let Browser { session, settings, now } = self;
        let remote = Ipv4Addr::LOCALHOST.into();
        let context = Context { now: *now, remote, name: "", settings, metrics: &String::new };
        session.receive(input, &context).map(|received| told(&received))
    }
}

/// What was received, in words that say all of it that matters.
fn told(received: &Received<'_>) -> String {
    match received {
        // Junk may be seen to be junk before all of it has come.
        Received::Close(CloseReason::Answered, answer) => {
            let status = String::from_utf8_lossy(&answer[9..12]).into_owned();
            if ["400", "431", "505"].contains(&&*status) { "junk".to_owned() } else { status }
        }
        Received::Opened(_) => "Opened".to_owned(),
        received => format!("{received:?}"),
    }
}

/// Whether the connection is closed for what was received.
fn ends(told: &str) -> bool {
    told == "junk" || told.starts_with("Close(") || told.parse::<u16>().is_ok()
}

/// What the session makes of the input, as the hub uses it.
fn decode(bytes: &[u8], sizes: &[usize], max: usize) -> Vec<String> {
    let mut browser = Browser::new(max);
    let mut found = Vec::new();
    for mut read in pieces(bytes, sizes) {
        // As the hub does it: nothing is asked for when nothing has come.
        while !read.is_empty() {
            let Some(told) = browser.receive(&mut read) else { break };
            found.push(told);
            if found.last().is_some_and(|told| ends(told)) {
                return found;
            }
        }
        assert!(read.is_empty(), "what a read brought is used up");
    }
    let Browser { mut session, settings, now } = browser;
    let remote = Ipv4Addr::LOCALHOST.into();
    let context = Context { now, remote, name: "", settings: &settings, metrics: &String::new };
    assert!(session.finish(&context).is_none());
    found
}

/// What is to be found.
fn naive(bytes: &[u8], max: usize) -> Vec<String> {
    let Some(head) = head(bytes) else {
        let is_junk = bytes.len() > HEAD_BYTES_MAX || parse_head(bytes).is_none();
        return if is_junk { vec!["junk".to_owned()] } else { Vec::new() };
    };
    let mut found: Vec<_> = Browser::new(max).receive(&mut &bytes[..head]).into_iter().collect();
    if found.first().is_none_or(|told| ends(told)) {
        return found;
    }
    let mut rest = &bytes[head..];
    let mut message: Option<Vec<u8>> = None;
    loop {
        match naive_frame(&mut rest, &mut message, max) {
            Ok(None) => return found,
            Ok(Some(frame)) => {
                found.push(frame);
                if found.last().is_some_and(|told| ends(told)) {
                    return found;
                }
            }
            Err(code) => {
                found.push(close(CloseReason::Violation(code)));
                return found;
            }
        }
    }
}

/// The next frame.
fn naive_frame(
    rest: &mut &[u8],
    message: &mut Option<Vec<u8>>,
    max: usize,
) -> Result<Option<String>, u16> {
    let Some((first, length, mask, begin)) = naive_header(rest)? else { return Ok(None) };
    let (is_final, opcode) = (first & 0x80 != 0, first & 0x0f);
    let so_far = message.as_ref().map_or(0, Vec::len) as u64;
    match opcode {
        _ if first & 0x70 != 0 => return Err(1002),
        2 if message.is_none() => return Err(1003),
        1 if message.is_some() => return Err(1002),
        0 if message.is_none() => return Err(1002),
        0 | 1 if length > (3 * max as u64 + 256).saturating_sub(so_far) => return Err(1009),
        0 | 1 => {}
        8..=10 if length <= 125 && is_final => {}
        _ => return Err(1002),
    }
    let Some(payload) = rest.get(begin..begin + length as usize) else { return Ok(None) };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let payload: Vec<u8> = payload.collect();
    *rest = &rest[begin + length as usize..];
    match opcode {
        8 => {
            let on_purpose = payload.starts_with(&1000_u16.to_be_bytes());
            let end = if on_purpose { told(&Received::Farewell) } else { close(END) };
            return naive_farewell(&payload).map(|()| Some(end));
        }
        9 => {
            let pong = [&[0x8a, payload.len() as u8], &payload[..]].concat();
            return Ok(Some(told(&Received::Reply(pong))));
        }
        10 => return Ok(Some(told(&Received::Nothing))),
        _ => message.get_or_insert_default().extend(payload),
    }
    if !is_final {
        return Ok(Some(told(&Received::Nothing)));
    }
    let message = message.take().unwrap_or_default();
    naive_message(&message, max).map(Some)
}

/// The first byte, the payload's length, the mask, and where the payload begins.
#[allow(clippy::type_complexity, reason = "it is taken apart at once")]
fn naive_header(bytes: &[u8]) -> Result<Option<(u8, u64, [u8; 4], usize)>, u16> {
    let (length, begin) = match bytes {
        [_, second, ..] if second & 0x7f < 126 => (u64::from(second & 0x7f), 2),
        [_, second, a, b, ..] if second & 0x7f == 126 => {
            (u64::from(u16::from_be_bytes([*a, *b])), 4)
        }
        [_, second, a, b, c, d, e, f, g, h, ..] if second & 0x7f == 127 => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
        }
        _ => return Ok(None),
    };
    let is_masked = bytes[1] & 0x80 != 0;
    let mask_bytes = if is_masked { 4 } else { 0 };
    let Some(mask) = bytes.get(begin..begin + mask_bytes) else { return Ok(None) };
    let needed = if length < 126 { 2 } else { if length < 0x1_0000 { 4 } else { 10 } };
    if !is_masked || needed != begin || length >> 63 == 1 {
        return Err(1002);
    }
    Ok(Some((bytes[0], length, [mask[0], mask[1], mask[2], mask[3]], begin + 4)))
}

fn naive_farewell(payload: &[u8]) -> Result<(), u16> {
    match payload {
        [] => Ok(()),
        [a, b, reason @ ..] => match u16::from_be_bytes([*a, *b]) {
            1000..=1003 | 1007..=1013 | 3000..=4999 => {
                std::str::from_utf8(reason).map(|_| ()).map_err(|_| 1007)
            }
            _ => Err(1002),
        },
        _ => Err(1002),
    }
}

fn close(reason: CloseReason) -> String {
    told(&Received::Close(reason, Vec::new()))
}

/// What a message asks for, as far as it can be told without a parser of our own.
fn naive_message(message: &[u8], max: usize) -> Result<String, u16> {
    let text = std::str::from_utf8(message).map_err(|_| 1007_u16)?;
    let mut browser = Browser::new(max);
    let input = [HANDSHAKE.as_bytes(), &masked(0x81, text.as_bytes())].concat();
    let mut input = &input[..];
    assert_eq!(browser.receive(&mut input).as_deref(), Some("Opened"));
    let is_object = serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(text).is_ok();
    match browser.receive(&mut input) {
        Some(told) if told.starts_with("Message(") => {
            assert!(is_object, "{text:?}");
            Ok(told)
        }
        other => {
            let is_of = |code: &u16| other == Some(close(CloseReason::Violation(*code)));
            let code = [1007, 1009].into_iter().find(is_of);
            Err(code.unwrap_or_else(|| unreachable!("{other:?}")))
        }
    }
}

/// Where the head of a request ends, if it does within its bounds.
fn head(bytes: &[u8]) -> Option<usize> {
    parse_head(&bytes[..bytes.len().min(HEAD_BYTES_MAX + 1)])
        .flatten()
        .filter(|length| *length <= HEAD_BYTES_MAX)
}

/// `None` if it is not the beginning of a request, otherwise its length if it is whole. What is not
/// a whole line is not judged, but for the first byte.
fn parse_head(bytes: &[u8]) -> Option<Option<usize>> {
    let lines = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let bytes = &bytes[..lines.unwrap_or(bytes.len().min(1))];
    let mut fields = [httparse::EMPTY_HEADER; 64];
    match httparse::Request::new(&mut fields).parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(Some(length)),
        Ok(httparse::Status::Partial) => Some(None),
        Err(_) => None,
    }
}

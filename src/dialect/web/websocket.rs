//! WebSocket (RFC 6455) without I/O: the frames that go out, and the [`Decoder`] for those that a
//! browser sends, in whatever pieces they come.
//!
//! A frame's header and the handshake's key are tungstenite's. What is ours is that nothing is
//! allocated because a header announces it: a message grows by what has really come, and is given
//! up as soon as it is known to be too long.

use std::io::Cursor;
use std::mem;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::json::ClientMessage;
use crate::dialect::decoder::extend_within;

/// The longest header of a frame.
const HEADER_BYTES_MAX: usize = 14;
/// The longest payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;
/// What stands around a line in its message.
const ENVELOPE_BYTES: usize = 512;
/// Bytes that JSON may need for one byte of a line; as many as `\u00e9` has for each of its two.
const ESCAPED_BYTES: usize = 3;

/// What came in one frame.
#[derive(Debug)]
pub(super) enum Frame {
    /// The end of a message, and what it asks for.
    Message(ClientMessage),
    /// A piece of a message, with more of it to come. It is told because each costs.
    Fragment,
    /// A ping, with what its answer must carry.
    Ping(Vec<u8>),
    /// The answer to a ping.
    Pong,
    /// A close frame, and its code if it has one.
    Close(Option<u16>),
    /// What must not be sent; the close code that says so.
    Violation(u16),
}

/// What is unfinished of a WebSocket's input.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The message so far.
    message: Vec<u8>,
    /// A message has begun, and further fragments of it are to come.
    fragmented: bool,
    /// The header so far of the next frame.
    header: Vec<u8>,
    /// The frame whose payload comes next.
    open: Option<Open>,
    /// The payload so far of a control frame, which may stand between two fragments.
    control: Vec<u8>,
}

/// A frame whose header has come.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    is_final: bool,
    mask: [u8; 4],
    /// Bytes of the payload that are still to come, and that have come.
    left: u64,
    come: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Ping,
    Pong,
    Close,
}

impl Decoder {
    /// Takes the next frame off the front of `input`, together with what came of it earlier. `None`
    /// when `input` is used up. `max` is the length of the longest line in bytes.
    pub(super) fn pull(&mut self, input: &mut &[u8], max: usize) -> Option<Frame> {
        let frame = match self.pull_frame(input, max) {
            Ok(None) => return None,
            Ok(Some(Kind::Text)) if self.fragmented => Ok(Frame::Fragment),
            Ok(Some(Kind::Text)) => self.read_message(max),
            Ok(Some(Kind::Ping)) => Ok(Frame::Ping(mem::take(&mut self.control))),
            Ok(Some(Kind::Pong)) => {
                self.control = Vec::new();
                Ok(Frame::Pong)
            }
            Ok(Some(Kind::Close)) => Ok(Frame::Close(close_code(&mem::take(&mut self.control)))),
            Err(code) => Err(code),
        };
        Some(frame.unwrap_or_else(|code| break_off(input, code)))
    }

    /// Takes one frame off the front of `input`, if it is there to its end.
    fn pull_frame(&mut self, input: &mut &[u8], max: usize) -> Result<Option<Kind>, CloseCode> {
        loop {
            let Some(open) = self.open.take() else {
                let Some(open) = self.pull_header(input, max)? else { return Ok(None) };
                self.open = Some(open);
                continue;
            };
            let open = self.pull_payload(input, open, max);
            if open.left > 0 {
                self.open = Some(open);
                return Ok(None);
            }
            match open.kind {
                Kind::Text => self.fragmented = !open.is_final,
                Kind::Close => check_farewell(&self.control)?,
                Kind::Ping | Kind::Pong => {}
            }
            return Ok(Some(open.kind));
        }
    }

    /// Takes the header of a frame off the front of `input`, together with what came of it before.
    fn pull_header(&mut self, input: &mut &[u8], max: usize) -> Result<Option<Open>, CloseCode> {
        let mut bytes = [0; HEADER_BYTES_MAX];
        let before = self.header.len();
        let come = input.len().min(HEADER_BYTES_MAX - before);
        bytes[..before].copy_from_slice(&self.header);
        bytes[before..before + come].copy_from_slice(&input[..come]);
        let mut cursor = Cursor::new(&bytes[..before + come]);
        // The only error is an opcode that is not defined.
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::Protocol)?;
        let Some((header, length)) = parsed else {
            self.header.extend_from_slice(&input[..come]);
            *input = &input[come..];
            return Ok(None);
        };
        let header_bytes = cursor.position() as usize;
        *input = &input[header_bytes - before..];
        self.header = Vec::new();
        if header.len(length) != header_bytes {
            return Err(CloseCode::Protocol); // a length in more bytes than it needs
        }
        self.judge(&header, length, max).map(Some)
    }

    /// Whether a frame with this header may come now.
    fn judge(&mut self, header: &FrameHeader, length: u64, max: usize) -> Result<Open, CloseCode> {
        let FrameHeader { is_final, rsv1, rsv2, rsv3, opcode, mask } = *header;
        let Some(mask) = mask.filter(|_| !rsv1 && !rsv2 && !rsv3 && length >> 63 == 0) else {
            return Err(CloseCode::Protocol);
        };
        let kind = match opcode {
            OpCode::Data(Data::Text) if !self.fragmented => Kind::Text,
            OpCode::Data(Data::Continue) if self.fragmented => Kind::Text,
            OpCode::Data(Data::Binary) if !self.fragmented => return Err(CloseCode::Unsupported),
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(Control::Close) => Kind::Close,
            OpCode::Data(_) | OpCode::Control(_) => return Err(CloseCode::Protocol),
        };
        if kind == Kind::Text {
            if length > message_bytes_max(max).saturating_sub(self.message.len()) as u64 {
                return Err(CloseCode::Size);
            }
        } else if length > CONTROL_BYTES_MAX as u64 || !is_final {
            return Err(CloseCode::Protocol);
        } else {
            self.control = Vec::new();
        }
        Ok(Open { kind, is_final, mask, left: length, come: 0 })
    }

    /// Takes what has come of a frame's payload off the front of `input`.
    fn pull_payload(&mut self, input: &mut &[u8], mut open: Open, max: usize) -> Open {
        let step = input.len().min(usize::try_from(open.left).unwrap_or(usize::MAX));
        let (payload, most) = match open.kind {
            Kind::Text => (&mut self.message, message_bytes_max(max)),
            Kind::Ping | Kind::Pong | Kind::Close => (&mut self.control, CONTROL_BYTES_MAX),
        };
        let begin = payload.len();
        extend_within(payload, &input[..step], most);
        open.mask.rotate_left(open.come % 4);
        for (byte, mask) in payload[begin..].iter_mut().zip(open.mask.into_iter().cycle()) {
            *byte ^= mask;
        }
        // The mask now begins where this piece began.
        open.come = step;
        open.left -= step as u64;
        *input = &input[step..];
        open
    }

    /// Reads the message that is whole now, and gives back its buffer.
    fn read_message(&mut self, max: usize) -> Result<Frame, CloseCode> {
        let message = mem::take(&mut self.message);
        let text = str::from_utf8(&message).map_err(|_| CloseCode::Invalid)?;
        match ClientMessage::parse(text) {
            Some((_, longest)) if longest > max => Err(CloseCode::Size),
            Some((message, _)) => Ok(Frame::Message(message)),
            None if text.len() > max => Err(CloseCode::Size),
            None => Err(CloseCode::Invalid),
        }
    }
}

/// The longest message that a line of `max` bytes may come in.
fn message_bytes_max(max: usize) -> usize {
    max * ESCAPED_BYTES + ENVELOPE_BYTES
}

/// There is no point in reading on.
fn break_off(input: &mut &[u8], code: CloseCode) -> Frame {
    *input = &[];
    Frame::Violation(code.into())
}

/// Whether a close frame's payload is one: nothing, or a code and perhaps a reason.
fn check_farewell(payload: &[u8]) -> Result<(), CloseCode> {
    let Some((code, reason)) = payload.split_at_checked(2) else {
        return if payload.is_empty() { Ok(()) } else { Err(CloseCode::Protocol) };
    };
    if close_code(code).is_none_or(|code| !CloseCode::from(code).is_allowed()) {
        return Err(CloseCode::Protocol);
    }
    str::from_utf8(reason).map(|_| ()).map_err(|_| CloseCode::Invalid)
}

/// The code that a close frame's payload begins with.
fn close_code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

// ── what goes out ────────────────────────────────────────────────────────────────────────────────

/// Appends a text frame whose payload `write` appends.
pub(super) fn text(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    begin_text(out, 0, write);
}

/// As [`text`], but without the last `rest_bytes` bytes of the payload.
pub(super) fn begin_text(out: &mut Vec<u8>, rest_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    write(out);
    put_header(out, begin, rest_bytes, OpCode::Data(Data::Text));
}

/// A ping.
pub(super) fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, 0, 0, OpCode::Control(Control::Ping));
    out
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = payload.to_vec();
    put_header(&mut out, 0, 0, OpCode::Control(Control::Pong));
    out
}

/// Appends a close frame. `reason` has at most 123 bytes.
pub(super) fn close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let begin = out.len();
    out.extend_from_slice(&u16::from(code).to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
    put_header(out, begin, 0, OpCode::Control(Control::Close));
}

/// Puts a header before the payload that begins at `begin`, and of which so many bytes are to come.
fn put_header(out: &mut Vec<u8>, begin: usize, rest_bytes: usize, opcode: OpCode) {
    let end = out.len();
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // Writing to a Vec cannot fail.
    let _ = header.format((end - begin + rest_bytes) as u64, out);
    let header_bytes = out.len() - end;
    out[begin..].rotate_right(header_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 64;

    /// A frame as a browser sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn frames(input: &[u8], step: usize) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for mut piece in input.chunks(step) {
            while !piece.is_empty() {
                match decoder.pull(&mut piece, MAX) {
                    Some(Frame::Message(message)) => {
                        let commands: Vec<_> =
                            message.commands().map(|it| format!("{it:?}")).collect();
                        frames.push(commands.concat());
                    }
                    Some(frame @ Frame::Violation(_)) => {
                        frames.push(format!("{frame:?}"));
                        return frames;
                    }
                    Some(frame) => frames.push(format!("{frame:?}")),
                    None => break,
                }
            }
        }
        frames
    }

    #[test]
    fn messages_are_the_same_wherever_the_reads_split_them() {
        let mut input = masked(0x81, br#"{"type":"say","text":"hi"}"#);
        input.extend(masked(0x01, br#"{"type":"say","#));
        input.extend(masked(0x89, b"are you there"));
        input.extend(masked(0x00, br#""text":"\u4f60"#));
        input.extend(masked(0x00, b""));
        input.extend(masked(0x80, br#"\n\"\ud83d\ude00"}"#));
        input.extend(masked(0x8a, b""));
        input.extend(masked(0x88, b"\x03\xe8bye"));
        for step in 1..=input.len() {
            let frames = frames(&input, step);
            assert_eq!(frames[0], r#"Say("hi")"#);
            assert_eq!(frames[1], "Fragment");
            assert_eq!(
                frames[2],
                format!("{:?}", Frame::Ping(b"are you there".to_vec())),
                "{step}"
            );
            assert_eq!(frames[3..5], ["Fragment"; 2], "also an empty one");
            assert_eq!(frames[5], r#"Say("你\n\"😀")"#, "in pieces of {step}");
            assert_eq!(frames[6..], ["Pong", "Close(Some(1000))"]);
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_told_by_its_code() {
        let mut unmasked = masked(0x81, b"{}");
        unmasked[1] &= 0x7f;
        let of_2_to_the_63 = [&[0x81, 0xff, 0x80][..], &[0; 11]].concat();
        let huge = [&[0x81, 0xff, 0x7f][..], &[0xff; 11]].concat();
        let long_winded = [0x81, 0xfe, 0, 2, 0, 0, 0, 0, b'{', b'}'].to_vec();
        let escaped = format!(r#"{{"type":"say","text":"{}"}}"#, r"\n".repeat(MAX));
        let too_long = format!(r#"{{"type":"say","text":"{}"}}"#, "x".repeat(MAX + 1));
        let junk = "x".repeat(MAX + 1);
        assert_eq!(frames(&masked(0x81, escaped.as_bytes()), 9).len(), 1);
        let table: [(u16, &str, Vec<u8>); 19] = [
            (1002, "unmasked", unmasked),
            (1002, "a reserved bit", masked(0xc1, b"{}")),
            (1002, "a reserved opcode", masked(0x83, b"{}")),
            (1002, "a reserved control opcode", masked(0x8b, b"")),
            (1002, "a fragmented control frame", masked(0x09, b"")),
            (1002, "a long control frame", masked(0x89, &[0; 126])),
            (1002, "a continuation of nothing", masked(0x80, b"{}")),
            (1002, "a message within another", [masked(1, b"{"), masked(0x81, b"{}")].concat()),
            (1002, "a length with its first bit set", of_2_to_the_63),
            (1002, "a length in too many bytes", long_winded),
            (1002, "half a code", masked(0x88, b"\x03")),
            (1002, "a code that is never sent", masked(0x88, b"\x03\xee")),
            (1007, "a reason that is not UTF-8", masked(0x88, b"\x03\xe8\xff")),
            (1003, "binary", masked(0x82, b"{}")),
            (1007, "not UTF-8", masked(0x81, b"{\"type\":\"say\",\"text\":\"\xff\"}")),
            (1007, "not JSON", masked(0x81, b"hello")),
            (1009, "a length beyond all", huge),
            (1009, "a line over the limit", masked(0x81, too_long.as_bytes())),
            (1009, "junk over the limit", masked(0x81, junk.as_bytes())),
        ];
        for (code, what, input) in table {
            for step in [1, 3, input.len()] {
                let last = frames(&input, step).pop();
                assert_eq!(last, Some(format!("{:?}", Frame::Violation(code))), "{what}");
            }
        }
    }

    #[test]
    fn fragments_are_too_long_together_before_the_last_has_come() {
        let mut input = Vec::new();
        for first in [0x01, 0x00, 0x00, 0x00, 0x00, 0x00] {
            input.extend(masked(first, &[b' '; 125]));
        }
        let mut frames = frames(&input, 7);
        assert_eq!(frames.pop(), Some(format!("{:?}", Frame::Violation(1009))));
        assert_eq!(frames, ["Fragment"; 5]);
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut decoder = Decoder::default();
        let frame = masked(0x81, &[b' '; 60_000]);
        assert!(decoder.pull(&mut &frame[..20], 60_000).is_none());
        let kept = decoder.message.capacity() + decoder.header.capacity();
        assert!(kept < 100, "{kept} bytes");
    }

    #[test]
    fn a_frame_of_ours_says_how_long_it_is_also_if_its_rest_is_to_come() {
        for length in [0, 1, 10, 125, 126, 2560, 65_535, 65_536, 10 << 16 | 0x0a0a] {
            let mut out = b"before".to_vec();
            let rest = length / 2;
            begin_text(&mut out, rest, |out| out.resize(out.len() + length - rest, b'x'));
            out.resize(out.len() + rest, b'x');
            let mut cursor = Cursor::new(&out[6..]);
            let (header, told) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!(header.opcode, OpCode::Data(Data::Text));
            assert_eq!(told, length as u64);
            assert_eq!(told, out.len() as u64 - 6 - cursor.position());
        }
    }
}

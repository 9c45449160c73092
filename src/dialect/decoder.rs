//! The decoder of dialects that are text and nothing else: from whatever pieces the input came in
//! to one message at a time. A message ends with its line, with the arrival it came in, or with its
//! datagram. What it means is the dialect's business. Protocols with more around their messages
//! have decoders of their own (`web/websocket.rs`).

use std::borrow::Cow;
use std::mem;

use memchr::{memchr, memchr2};

use super::Framing;

/// Bytes that may come in without a line end before the connection is closed. Fixed, because it
/// also bounds `--max-line`.
pub const UNTERMINATED_BYTES_MAX: usize = 64 * 1024;

/// Telnet's "interpret as command", and the two commands that bracket a longer option.
const IAC: u8 = 255;
const SUBNEGOTIATION_BEGINS: u8 = 250;
const SUBNEGOTIATION_ENDS: u8 = 240;
/// `WILL`, `WONT`, `DO`, `DONT`: one option byte follows.
const NEGOTIATION: std::ops::RangeInclusive<u8> = 251..=254;

/// The first byte of a TLS record that carries a handshake.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// What HTTP requests begin with.
const HTTP_METHODS: [&[u8]; 10] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"PRI",
];

/// Where in telnet's byte sequences the input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    Iac,
    Option,
    Subnegotiation,
    SubnegotiationIac,
}

/// One message of a client, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'i> {
    /// A message, without what ends it. Any bytes, at most `--max-line` of them. It is borrowed
    /// from the input if all of it lies there.
    Line(Cow<'i, [u8]>),
    /// A message that is longer than that. The rest of it is swallowed.
    TooLong,
    /// So many bytes without the end of a message that there is no point in going on.
    Unterminated,
    /// Another protocol.
    WrongProtocol,
}

/// What the end of an arrival makes of the input so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing that was not handed out already.
    Nothing,
    /// Bytes came, but none of a message: telnet's.
    Blank,
    /// The end of a message.
    Frame(Frame<'static>),
    /// Not the end of a message, for it would be in the middle of a character.
    Cut,
}

/// Splits input into messages. What is left of it between two reads is an unfinished message; who
/// has none keeps no buffer.
#[derive(Debug)]
pub struct Decoder {
    /// The message so far, telnet bytes taken out. At most `max` bytes, a CR and one more.
    partial: Vec<u8>,
    /// Bytes that came since the last message ended, whatever they were.
    unterminated: u32,
    framing: Framing,
    telnet: Telnet,
    /// The message is too long, has been refused, and is dropped up to its end.
    swallowing: bool,
    /// A message has been judged: from now on, nothing can be another protocol's greeting.
    begun: bool,
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(framing: Framing) -> Decoder {
        Decoder {
            partial: Vec::new(),
            unterminated: 0,
            framing,
            telnet: Telnet::Text,
            swallowing: false,
            begun: false,
        }
    }

    /// Takes the next whole message off the front of `input`, together with what came of it
    /// earlier. `None` when `input` is used up; what it ended with is kept for the next time.
    /// `max` is the length of a message in bytes.
    pub fn pull<'i>(&mut self, input: &mut &'i [u8], max: usize) -> Option<Frame<'i>> {
        let fresh = self.unterminated == 0;
        if fresh && !self.begun && input.first() == Some(&TLS_HANDSHAKE) {
            *input = &[];
            return Some(Frame::WrongProtocol);
        }
        // Nearly always: the whole line lies in the input, and is handed out where it lies.
        if fresh
            && let Some(at) = self.find_end_or_telnet(input)
            && input[at] == b'\n'
        {
            let line = without_cr(&input[..at]);
            *input = &input[at + 1..];
            return Some(self.judge(line, max).unwrap_or(Frame::Line(Cow::Borrowed(line))));
        }
        self.pull_in_pieces(input, max)
    }

    /// All that has arrived for now has been pulled. Where a message ends with its arrival, this is
    /// the end of one; unless it would be in the middle of a character and there is reason to be
    /// `patient`.
    pub fn read_drained(&mut self, max: usize, patient: bool) -> Arrival {
        if self.framing != Framing::Arrivals {
            return Arrival::Nothing;
        }
        // A byte 255 that nothing follows is no telnet; with it, the character will not be
        // finished.
        let may_go_on = self.telnet != Telnet::Iac && !self.swallowing;
        if patient && may_go_on && is_cut(&self.partial) {
            return Arrival::Cut;
        }
        let came = mem::take(&mut self.unterminated) > 0;
        if let Some(refused) = self.end_telnet(max) {
            self.swallowing = false;
            return Arrival::Frame(refused);
        }
        if mem::take(&mut self.swallowing) || self.partial.is_empty() {
            return if came { Arrival::Blank } else { Arrival::Nothing };
        }
        Arrival::Frame(self.hand_out(max))
    }

    /// The message that the end of the input leaves unfinished, if there is one.
    pub fn finish(&mut self, max: usize) -> Option<Frame<'static>> {
        if let Some(refused) = self.end_telnet(max) {
            return Some(refused);
        }
        (!self.partial.is_empty()).then(|| self.hand_out(max))
    }

    /// A line in several pieces, or with telnet bytes in it: gathered run by run in `partial`.
    fn pull_in_pieces(&mut self, input: &mut &[u8], max: usize) -> Option<Frame<'static>> {
        while let Some(&byte) = input.first() {
            if self.telnet == Telnet::Iac && byte < SUBNEGOTIATION_ENDS {
                // Not telnet at all: the 255 before was meant as it stands, and so is this byte.
                self.telnet = Telnet::Text;
                if let Some(refused) = self.keep(&[IAC], max) {
                    return Some(refused);
                }
                continue;
            }
            if self.telnet == Telnet::Text && byte == b'\n' {
                *input = &input[1..];
                self.unterminated = 0;
                if mem::take(&mut self.swallowing) {
                    continue;
                }
                return Some(self.hand_out(max));
            }
            let is_text = self.telnet == Telnet::Text && (byte != IAC || !self.is_telnet());
            let run =
                if is_text { self.find_end_or_telnet(input).unwrap_or(input.len()) } else { 1 };
            // No read brings more than fits, and past the limit there is no next one.
            self.unterminated = self.unterminated.saturating_add(run as u32);
            if self.unterminated as usize >= UNTERMINATED_BYTES_MAX {
                *input = &[];
                return Some(Frame::Unterminated);
            }
            let (bytes, rest) = input.split_at(run);
            *input = rest;
            let kept = if is_text { bytes } else { self.telnet(byte) };
            if let Some(refused) = self.keep(kept, max) {
                return Some(refused);
            }
        }
        None
    }

    /// Whether telnet's sequences may come. In a datagram a byte 255 is only a byte.
    fn is_telnet(&self) -> bool {
        self.framing != Framing::Datagrams
    }

    /// Where the message ends, or something comes that is not part of it.
    fn find_end_or_telnet(&self, input: &[u8]) -> Option<usize> {
        if self.is_telnet() { memchr2(b'\n', IAC, input) } else { memchr(b'\n', input) }
    }

    /// Nothing more follows a byte 255, so it was meant as it stands.
    fn end_telnet(&mut self, max: usize) -> Option<Frame<'static>> {
        let pending = mem::take(&mut self.telnet) == Telnet::Iac;
        if pending { self.keep(&[IAC], max) } else { None }
    }

    /// Hands out the message that has been gathered, with its buffer.
    fn hand_out(&mut self, max: usize) -> Frame<'static> {
        let mut line = mem::take(&mut self.partial);
        line.truncate(without_cr(&line).len());
        self.judge(&line, max).unwrap_or(Frame::Line(Cow::Owned(line)))
    }

    /// Steps through telnet's sequences. What it returns is to be kept as text.
    fn telnet(&mut self, byte: u8) -> &'static [u8] {
        self.telnet = match (self.telnet, byte) {
            (Telnet::Text, _) => Telnet::Iac,
            (Telnet::Iac, SUBNEGOTIATION_BEGINS) => Telnet::Subnegotiation,
            (Telnet::Iac, byte) if NEGOTIATION.contains(&byte) => Telnet::Option,
            (Telnet::Subnegotiation, IAC) => Telnet::SubnegotiationIac,
            (Telnet::SubnegotiationIac, SUBNEGOTIATION_ENDS) => Telnet::Text,
            (Telnet::Subnegotiation | Telnet::SubnegotiationIac, _) => Telnet::Subnegotiation,
            (Telnet::Iac, IAC) => {
                self.telnet = Telnet::Text;
                return &[IAC];
            }
            (Telnet::Iac | Telnet::Option, _) => Telnet::Text,
        };
        &[]
    }

    /// Adds to the message so far, unless it is already being swallowed.
    fn keep(&mut self, bytes: &[u8], max: usize) -> Option<Frame<'static>> {
        if self.swallowing || bytes.is_empty() {
            return None;
        }
        // One byte more than can be, so that it shows; and a CR, which does not count.
        let room = max + 2 - self.partial.len();
        extend_within(&mut self.partial, &bytes[..bytes.len().min(room)], max + 2);
        let too_long = without_cr(&self.partial).len() > max;
        if !too_long {
            return None;
        }
        let line = mem::take(&mut self.partial);
        self.swallowing = true;
        self.judge(&line, max)
    }

    /// What is wrong with a message, if anything is.
    fn judge(&mut self, line: &[u8], max: usize) -> Option<Frame<'static>> {
        let first = !mem::replace(&mut self.begun, true);
        if first && begins_http_request(line) {
            return Some(Frame::WrongProtocol);
        }
        (line.len() > max).then_some(Frame::TooLong)
    }
}

/// Adds to a buffer that is never to have more than `max` bytes. It grows as vectors do, by twice
/// what it has, but not beyond that.
pub(crate) fn extend_within(buffer: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let capacity = (2 * buffer.capacity()).min(max).max(needed);
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

/// Whether the last character has begun but not ended.
fn is_cut(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// A line may end with CRLF; that CR is not part of it.
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A browser can be made to send chat lines to this port, but not without this before them.
pub(super) fn begins_http_request(line: &[u8]) -> bool {
    HTTP_METHODS
        .iter()
        .any(|method| line.strip_prefix(*method).is_some_and(|rest| rest.first() == Some(&b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 20;

    /// What comes out of lines that arrive in the given pieces.
    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::new(Framing::Lines);
        let mut frames = Vec::new();
        for mut input in pieces.iter().copied() {
            while let Some(frame) = decoder.pull(&mut input, MAX) {
                frames.push(format!("{frame:?}"));
            }
        }
        frames.extend(decoder.finish(MAX).map(|frame| format!("finish {frame:?}")));
        frames
    }

    fn line(bytes: &[u8]) -> String {
        format!("{:?}", Frame::Line(Cow::Borrowed(bytes)))
    }

    #[test]
    fn it_does_not_matter_where_the_input_is_split() {
        let mut input = Vec::new();
        for line in [
            &b"alice\r\n"[..],
            b"\xff\xfd\x01hi\xff\xf4\xff\xfd\x06\n",
            b"\xff\xfa\x18\x00\n\xff\xff\xff\xf0after a subnegotiation\n",
            b"\r\nsmile \xf0\x9f\x98\x80\n",
            b"01234567890123456789\r\n",
            b"01234567890123456789\r\r\n",
            b"far too long, so that it is refused\nbut not the next\n",
            b"\xff\xff is a byte\n\xffx is one too\n\xff\n",
            b"not finished",
        ] {
            input.extend_from_slice(line);
        }
        let whole = frames(&[&input]);
        assert_eq!(whole[0], line(b"alice"));
        assert_eq!(
            whole.last().map(String::as_str),
            Some(&*format!("finish {}", line(b"not finished")))
        );
        assert_eq!(whole.iter().filter(|frame| *frame == "TooLong").count(), 3);
        for at in 0..=input.len() {
            assert_eq!(frames(&[&input[..at], &input[at..]]), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(frames(&bytes), whole, "byte by byte");
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_not_longer() {
        let long = [b'x'; MAX + 1];
        assert_eq!(frames(&[&long[1..], b"\n"]), [line(&long[1..])]);
        assert_eq!(frames(&[&long[1..], b"\r\n"]), [line(&long[1..])]);
        assert_eq!(frames(&[&long, b"\nok\n"]), ["TooLong".to_owned(), line(b"ok")]);
    }

    #[test]
    fn input_without_an_end_is_given_up() {
        for step in [1, 1000, UNTERMINATED_BYTES_MAX] {
            let endless = vec![b'x'; UNTERMINATED_BYTES_MAX];
            let pieces: Vec<&[u8]> = endless.chunks(step).collect();
            assert_eq!(frames(&pieces).last().map(String::as_str), Some("Unterminated"), "{step}");
        }
        let telnet = b"\xff\xfa".iter().chain(&[b'\n'; UNTERMINATED_BYTES_MAX]).copied();
        assert_eq!(frames(&[&telnet.collect::<Vec<_>>()]), ["Unterminated"], "in a subnegotiation");
    }

    #[test]
    fn another_protocol_is_seen_by_its_first_line_only() {
        assert_eq!(frames(&[b"\x16\x03\x01\x02\x00"]), ["WrongProtocol"]);
        assert_eq!(frames(&[b"POST / HTTP/1.1\r\n"]), ["WrongProtocol"]);
        assert_eq!(frames(&[b"GET /a-long-way-to-go HTTP/1.1\r\n"])[0], "WrongProtocol");
        assert_eq!(frames(&[b"GETTY\n"]), [line(b"GETTY")]);
        assert_eq!(frames(&[b"al\nGET / HTTP/1.1\n"])[1], line(b"GET / HTTP/1.1"));
    }

    /// What comes out of the given arrivals, when each of them is read `step` bytes at a time.
    fn arrivals(framing: Framing, arrivals: &[&[u8]], step: usize) -> Vec<String> {
        let mut decoder = Decoder::new(framing);
        let mut frames = Vec::new();
        for arrival in arrivals {
            for mut input in arrival.chunks(step) {
                while let Some(frame) = decoder.pull(&mut input, MAX) {
                    frames.push(format!("{frame:?}"));
                }
            }
            match decoder.read_drained(MAX, true) {
                Arrival::Frame(frame) => frames.push(format!("{frame:?}")),
                Arrival::Cut => frames.push("cut".to_owned()),
                Arrival::Nothing | Arrival::Blank => {}
            }
        }
        if let Arrival::Frame(frame) = decoder.read_drained(MAX, false) {
            frames.push(format!("late {frame:?}"));
        }
        frames
    }

    #[test]
    fn an_arrival_is_a_message_however_it_was_read() {
        let smile = "\u{1f600}".as_bytes();
        let long: &[u8] = b"far too long, so that it is refused";
        for step in 1..40 {
            let got = arrivals(
                Framing::Arrivals,
                &[
                    b"alice",
                    b"one\ntwo\r\nthree",
                    &smile[..2],
                    &smile[2..],
                    b"",
                    b"\n",
                    long,
                    b"ok",
                ],
                step,
            );
            let texts: [&[u8]; 5] = [b"alice", b"one", b"two", b"three", smile];
            let mut expected: Vec<_> = texts.into_iter().map(line).collect();
            expected.insert(4, "cut".to_owned());
            expected.extend([line(b""), "TooLong".to_owned(), line(b"ok")]);
            assert_eq!(got, expected, "read in steps of {step}");
        }
        let got = arrivals(Framing::Arrivals, &[&smile[..2]], 9);
        assert_eq!(got, ["cut".to_owned(), format!("late {}", line(&smile[..2]))]);
        assert_eq!(arrivals(Framing::Arrivals, &[b"POST / HTTP/1.1"], 99), ["WrongProtocol"]);
        assert_eq!(
            arrivals(Framing::Arrivals, &[b"hi\xff", b"ok"], 99),
            [line(b"hi\xff"), line(b"ok")]
        );
        assert_eq!(frames(&[b"hi\xff"]), [format!("finish {}", line(b"hi\xff"))]);
        let cut_in_telnet = arrivals(Framing::Arrivals, &[b"\xe4\xbd\xff\xfd", b"\x01\xa0"], 9);
        assert_eq!(cut_in_telnet, ["cut".to_owned(), line("你".as_bytes())]);
    }

    #[test]
    fn in_datagrams_there_is_no_telnet() {
        let got = arrivals(Framing::Datagrams, &[b"\xff\xfd\n\xff\xfe\nok\n"], 99);
        assert_eq!(got, [line(b"\xff\xfd"), line(b"\xff\xfe"), line(b"ok")]);
    }
}

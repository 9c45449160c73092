//! What must hold of [`chinwag::dialect::decoder`]: however the input is cut into reads, the
//! messages are those that a naive decoder finds, which sees all of it at once.

use chinwag::dialect::Framing;
use chinwag::dialect::decoder::{Arrival, Decoder, Frame, UNTERMINATED_BYTES_MAX};

use super::input::{Input, pieces};

/// No read brings more than this.
const READ_BYTES: usize = 16 * 1024;

/// What a decoder makes of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Line(Vec<u8>),
    TooLong,
    Unterminated,
    WrongProtocol,
    /// An arrival ended in the middle of a character.
    Cut,
    /// What the end of the input left unfinished.
    Unfinished(Vec<u8>),
}

/// Bytes that arrived together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrived {
    bytes: Vec<u8>,
    /// A character that is not whole may be waited for.
    patient: bool,
}

/// Any splitting of a stream of lines gives the same lines.
pub fn decode_lines(data: &[u8]) {
    let mut input = Input::new(data);
    let (max, sizes) = max_and_sizes(&mut input);
    let bytes = payload(&mut input, UNTERMINATED_BYTES_MAX - 4);
    check(Framing::Lines, &[Arrived { bytes, patient: false }], &sizes, max);
}

/// Arrivals may be read in any pieces.
pub fn decode_arrivals(data: &[u8]) {
    let mut input = Input::new(data);
    let (max, sizes) = max_and_sizes(&mut input);
    let lengths = [(); 3].map(|()| usize::from(input.byte()));
    let patience = input.byte();
    let bytes = payload(&mut input, UNTERMINATED_BYTES_MAX - 4);
    let mut arrivals = Vec::new();
    let mut rest = &bytes[..];
    let scale = scale(rest.len());
    for i in 0.. {
        if rest.is_empty() {
            break;
        }
        // The last of the three lengths makes sure that it goes on.
        let length = if i % 3 == 2 { lengths[2].max(1) } else { lengths[i % 3] };
        let (arrival, others) = rest.split_at((length * scale).min(rest.len()));
        let patient = patience >> (i % 8) & 1 == 1;
        arrivals.push(Arrived { bytes: arrival.to_vec(), patient });
        rest = others;
    }
    check(Framing::Arrivals, &arrivals, &sizes, max);
}

/// Datagrams may be held and heard together later.
pub fn decode_datagrams(data: &[u8]) {
    let mut input = Input::new(data);
    let (max, sizes) = max_and_sizes(&mut input);
    // No datagram is longer than this; that is also why none is given up for having no end.
    let bytes = payload(&mut input, 65_507 - 4096);
    assert!(bytes.len() < UNTERMINATED_BYTES_MAX);
    check(Framing::Datagrams, &[Arrived { bytes: ended(bytes), patient: false }], &sizes, max);
}

/// What the hub makes of a datagram.
fn ended(mut datagrams: Vec<u8>) -> Vec<u8> {
    datagrams.push(b'\n');
    datagrams
}

/// The longest message, and the sizes of reads.
fn max_and_sizes(input: &mut Input<'_>) -> (usize, Vec<usize>) {
    let max = 16 + input.below(48);
    (max, [(); 3].map(|()| 1 + usize::from(input.byte())).to_vec())
}

/// The bytes to decode: those that are left, and rarely many equal ones among them, about `many`.
fn payload(input: &mut Input<'_>, many: usize) -> Vec<u8> {
    let (often, at) = (input.byte(), input.byte());
    let mut bytes = input.take(4000).to_vec();
    if let Some(more) = often.checked_sub(248)
        && !bytes.is_empty()
    {
        let at = usize::from(at) % bytes.len();
        let filler = vec![bytes[at]; many + usize::from(more)];
        bytes.splice(at..at, filler);
    }
    bytes
}

/// How much larger the pieces are of an input so long that byte by byte would take too long.
fn scale(length: usize) -> usize {
    if length > 8000 { 61 } else { 1 }
}

/// Decodes the same in several splittings and by the naive decoder.
fn check(framing: Framing, arrivals: &[Arrived], sizes: &[usize], max: usize) {
    let expected = naive(framing, arrivals, max);
    let scale = scale(arrivals.iter().map(|arrival| arrival.bytes.len()).sum());
    let sizes: Vec<usize> = sizes.iter().map(|size| size * scale).collect();
    for sizes in [&[READ_BYTES][..], &sizes, &[scale]] {
        let mut found = decode(framing, arrivals, sizes, max);
        if found.last() == Some(&Found::Unterminated) {
            forgive(&mut found, &expected);
        }
        assert_eq!(found, expected, "{framing:?} of at most {max} bytes, in reads of {sizes:?}");
    }
}

/// What else is said of a message that never ends may depend on the reads: that it is too long, or
/// that it is of another protocol, is seen only if its beginning was read before its last bytes.
fn forgive(found: &mut Vec<Found>, expected: &[Found]) {
    if expected == [Found::WrongProtocol] {
        *found = expected.to_vec();
    } else if found.len() > expected.len() && found[found.len() - 2] == Found::TooLong {
        found.remove(found.len() - 2);
    }
}

/// What the decoder finds, as the hub uses it.
fn decode(framing: Framing, arrivals: &[Arrived], sizes: &[usize], max: usize) -> Vec<Found> {
    let mut decoder = Decoder::new(framing);
    let mut found = Vec::new();
    for Arrived { bytes, patient } in arrivals {
        for mut read in pieces(bytes, sizes) {
            while let Some(frame) = decoder.pull(&mut read, max) {
                if let Some(end) = note(&mut found, frame, max) {
                    return end;
                }
            }
            assert!(read.is_empty(), "what a read brought is used up");
        }
        match decoder.read_drained(max, *patient) {
            Arrival::Nothing | Arrival::Blank => {}
            Arrival::Cut => found.push(Found::Cut),
            Arrival::Frame(frame) => {
                assert_eq!(framing, Framing::Arrivals);
                if let Some(end) = note(&mut found, frame, max) {
                    return end;
                }
            }
        }
    }
    found.extend(decoder.finish(max).map(|frame| match frame {
        Frame::Line(line) => Found::Unfinished(line.into_owned()),
        Frame::TooLong => Found::TooLong,
        Frame::Unterminated => Found::Unterminated,
        Frame::WrongProtocol => Found::WrongProtocol,
    }));
    found
}

/// Notes a frame. If the connection is closed for it, that is all that was found.
fn note(found: &mut Vec<Found>, frame: Frame<'_>, max: usize) -> Option<Vec<Found>> {
    let over = matches!(frame, Frame::Unterminated | Frame::WrongProtocol);
    found.push(match frame {
        Frame::Line(line) => {
            assert!(line.len() <= max, "{} bytes are more than {max}", line.len());
            Found::Line(line.into_owned())
        }
        Frame::TooLong => Found::TooLong,
        Frame::Unterminated => Found::Unterminated,
        Frame::WrongProtocol => Found::WrongProtocol,
    });
    over.then(|| std::mem::take(found))
}

/// What is to be found.
fn naive(framing: Framing, arrivals: &[Arrived], max: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut first = true;
    let mut carried = Vec::new();
    for Arrived { bytes, patient } in arrivals {
        let raw = [&carried[..], bytes].concat();
        carried.clear();
        let mut rest = &raw[..];
        while !rest.is_empty() {
            if first && rest[0] == 0x16 {
                found.push(Found::WrongProtocol);
                return found;
            }
            let (text, used, ended) = message(rest, framing != Framing::Datagrams);
            let text_end = text.len() - usize::from(text.ends_with(b"\r"));
            let (line, too_long) = (&text[..text_end], text_end > max);
            if used - usize::from(ended) >= UNTERMINATED_BYTES_MAX {
                if first && too_long && is_http(line) {
                    found.push(Found::WrongProtocol);
                    return found;
                }
                found.push(Found::Unterminated);
                return found;
            }
            let arrived = framing == Framing::Arrivals;
            let next = if text.is_empty() && !ended {
                None
            } else if arrived && !ended && !too_long && *patient && may_go_on(&text) {
                carried = rest.to_vec();
                Some(Found::Cut)
            } else if std::mem::take(&mut first) && is_http(line) {
                found.push(Found::WrongProtocol);
                return found;
            } else if too_long {
                Some(Found::TooLong)
            } else if ended || arrived {
                Some(Found::Line(line.to_vec()))
            } else {
                Some(Found::Unfinished(line.to_vec()))
            };
            found.extend(next);
            rest = &rest[used..];
        }
    }
    if !carried.is_empty() {
        let (text, ..) = message(&carried, true);
        let foreign = first && is_http(&text);
        found.push(if foreign { Found::WrongProtocol } else { Found::Unfinished(text) });
    }
    found
}

/// The first message in `raw` without its LF and telnet's bytes, how many bytes that took, and
/// whether there was a LF.
fn message(raw: &[u8], telnet: bool) -> (Vec<u8>, usize, bool) {
    let mut text = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        at += match &raw[at..] {
            [b'\n', ..] => return (text, at + 1, true),
            [255, 255, ..] if telnet => {
                text.push(255);
                2
            }
            [255, 250, option @ ..] if telnet => 2 + subnegotiation(option),
            [255, 251..=254, _, ..] if telnet => 3,
            [255, 240..=255, ..] if telnet => 2,
            [byte, ..] => {
                text.push(*byte);
                1
            }
            [] => unreachable!("it is not at its end"),
        };
    }
    (text, at, false)
}

/// How long telnet's longer option is, up to `IAC SE`; within it, `IAC` comes with one byte more.
fn subnegotiation(option: &[u8]) -> usize {
    let mut at = 0;
    while at < option.len() {
        at += match &option[at..] {
            [255, 240, ..] => return at + 2,
            [255, _, ..] => 2,
            _ => 1,
        };
    }
    at
}

/// Whether `text` is not UTF-8, but would be with something behind it.
fn may_go_on(text: &[u8]) -> bool {
    let first_bytes = [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf];
    std::str::from_utf8(text).is_err()
        && first_bytes.iter().any(|first| {
            let endings: [&[u8]; 3] = [&[*first], &[*first, 0x80], &[*first, 0x80, 0x80]];
            endings.iter().any(|ending| std::str::from_utf8(&[text, ending].concat()).is_ok())
        })
}

fn is_http(line: &[u8]) -> bool {
    let methods = "GET POST HEAD PUT DELETE OPTIONS PATCH CONNECT TRACE PRI";
    methods.split(' ').any(|method| line.starts_with(format!("{method} ").as_bytes()))
}

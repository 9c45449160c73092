//! `lines`, the default dialect: UTF-8 lines over TCP, for `nc`, `telnet`, scripts and the bundled
//! client. LF or CRLF come in, LF goes out, and telnet's option bytes are swallowed wherever the
//! reads split them. What kind of line it is can be told by its first bytes: `* ` a notice, `** `
//! an emote, `! ` a refusal, `[` a private message or history, anything else is `NAME: text`.

use std::io::Write as _;
use std::mem;

use memchr::memchr2;

use super::phrases::{self, Part, Phrases};
use super::{Frame, Stage};
use crate::config::UNENDED_BYTES_MAX;
use crate::event::{Command, Event, Parting, Refusal, Topic};

/// The port of this dialect unless the operator says otherwise.
pub(crate) const PORT: u16 = 7711;

/// Telnet's "interpret as command", and the two commands that bracket a longer option.
const IAC: u8 = 255;
const SUBNEGOTIATION_BEGINS: u8 = 250;
const SUBNEGOTIATION_ENDS: u8 = 240;
/// `WILL`, `WONT`, `DO`, `DONT`: one option byte follows.
const NEGOTIATION: std::ops::RangeInclusive<u8> = 251..=254;

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

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

/// Splits input into lines.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The line so far, telnet bytes taken out. At most `max` bytes and a CR.
    partial: Vec<u8>,
    /// Bytes that came since the last line end, whatever they were.
    since_line_end: u32,
    telnet: Telnet,
    /// The line is too long, has been refused, and is dropped up to its end.
    swallowing: bool,
    /// A line has been judged: from now on, nothing can be another protocol's greeting.
    begun: bool,
    /// `partial` is the line that was handed out last time.
    handed_out: bool,
}

impl Decoder {
    /// See [`super::Decoder::pull`].
    pub fn pull<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8], max: usize) -> Option<Frame<'f>> {
        if mem::take(&mut self.handed_out) {
            self.partial = Vec::new();
        }
        let fresh = self.since_line_end == 0;
        if fresh && !self.begun && input.first() == Some(&TLS_HANDSHAKE) {
            *input = &[];
            return Some(Frame::Foreign);
        }
        // Nearly always: the whole line lies in the input, and is handed out where it lies.
        if fresh
            && let Some(at) = memchr2(b'\n', IAC, input)
            && input[at] == b'\n'
        {
            let line = without_cr(&input[..at]);
            *input = &input[at + 1..];
            return Some(self.judge(line, max).unwrap_or(Frame::Line(line)));
        }
        self.pull_in_pieces(input, max)
    }

    /// See [`super::Decoder::finish`].
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        let nothing = mem::replace(&mut self.handed_out, true) || self.partial.is_empty();
        (!nothing).then_some(Frame::Line(&self.partial))
    }

    /// A line in several pieces, or with telnet bytes in it: gathered run by run in `partial`.
    fn pull_in_pieces<'f, 'i: 'f>(
        &'f mut self,
        input: &mut &'i [u8],
        max: usize,
    ) -> Option<Frame<'f>> {
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
                self.since_line_end = 0;
                if mem::take(&mut self.swallowing) {
                    continue;
                }
                self.handed_out = true;
                let line = mem::take(&mut self.partial);
                let refused = self.judge(without_cr(&line), max);
                self.partial = line;
                return Some(refused.unwrap_or(Frame::Line(without_cr(&self.partial))));
            }
            let is_text = self.telnet == Telnet::Text && byte != IAC;
            let run = if is_text { memchr2(b'\n', IAC, input).unwrap_or(input.len()) } else { 1 };
            // No read brings more than fits, and past the limit there is no next one.
            self.since_line_end = self.since_line_end.saturating_add(run as u32);
            if self.since_line_end as usize >= UNENDED_BYTES_MAX {
                *input = &[];
                return Some(Frame::Unended);
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

    /// Adds to the line so far, unless it is already being swallowed.
    fn keep(&mut self, bytes: &[u8], max: usize) -> Option<Frame<'static>> {
        if self.swallowing || bytes.is_empty() {
            return None;
        }
        // One byte more than can be, so that it shows; and a CR, which does not count.
        let room = max + 2 - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let too_long = without_cr(&self.partial).len() > max;
        if !too_long {
            return None;
        }
        let line = mem::take(&mut self.partial);
        self.swallowing = true;
        self.judge(&line, max)
    }

    /// What is wrong with a line, if anything is.
    fn judge(&mut self, line: &[u8], max: usize) -> Option<Frame<'static>> {
        let first = !mem::replace(&mut self.begun, true);
        if first && begins_http_request(line) {
            return Some(Frame::Foreign);
        }
        (line.len() > max).then_some(Frame::TooLong)
    }
}

/// A line may end with CRLF; that CR is not part of it.
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A browser can be made to send chat lines to this port, but not without this before them.
fn begins_http_request(line: &[u8]) -> bool {
    HTTP_METHODS
        .iter()
        .any(|method| line.strip_prefix(*method).is_some_and(|rest| rest.first() == Some(&b' ')))
}

/// See [`super::Dialect::parse`].
pub(crate) fn parse(stage: Stage, line: &str) -> Command<'_> {
    let trimmed = line.trim();
    let is = |word: &str| trimmed.eq_ignore_ascii_case(word);
    if is("quit") || is("exit") {
        return Command::Quit("");
    }
    match stage {
        Stage::Naming => match parse_slash(line) {
            Some(known @ (Command::Help(_) | Command::Quit(_))) => known,
            _ => Command::Rename(line),
        },
        Stage::Chatting if trimmed == "#" => Command::Who,
        Stage::Chatting if trimmed == "&" => Command::Help(None),
        Stage::Chatting => parse_slash(line).unwrap_or(Command::Say(line)),
    }
}

/// A line that begins with one slash is a command, known or not.
fn parse_slash(line: &str) -> Option<Command<'_>> {
    let line = line.strip_prefix('/')?;
    if line.starts_with('/') {
        return Some(Command::Say(line));
    }
    let (word, rest) = cut_word(line);
    let Some(topic) = topic(word) else {
        return Some(Command::Unknown(word));
    };
    let argument = rest.trim();
    let optional = (!argument.is_empty()).then_some(argument);
    let required = optional.ok_or(Command::Misuse(topic));
    let command = match topic {
        Topic::Me => required.map(|_| Command::Emote(rest)),
        Topic::Msg => required.and_then(|_| match cut_word(rest.trim_start()) {
            (_, text) if text.trim().is_empty() => Err(Command::Misuse(topic)),
            (to, text) => Ok(Command::Tell { to, text }),
        }),
        Topic::Reply => required.map(|_| Command::Reply(rest)),
        Topic::Nick => required.map(Command::Rename),
        Topic::Who => Ok(Command::Who),
        Topic::History => match optional.map(str::parse) {
            None => Ok(Command::History(None)),
            Some(Ok(count)) => Ok(Command::History(Some(count))),
            Some(Err(_)) => Err(Command::Misuse(topic)),
        },
        Topic::Ignore => Ok(Command::Ignore(optional)),
        Topic::Unignore => required.map(Command::Unignore),
        Topic::Help => match optional.map(|word| word.strip_prefix('/').unwrap_or(word)) {
            None => Ok(Command::Help(None)),
            Some(word) => self::topic(word)
                .map(|topic| Command::Help(Some(topic)))
                .ok_or(Command::Unknown(word)),
        },
        Topic::Quit => Ok(Command::Quit(argument)),
    };
    Some(command.unwrap_or_else(|instead| instead))
}

/// The word at the front, and what follows the white space behind it.
fn cut_word(text: &str) -> (&str, &str) {
    text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""))
}

/// The command of that name, in any case; several have a second name.
fn topic(word: &str) -> Option<Topic> {
    const NAMES: [(&str, Topic); 15] = [
        ("me", Topic::Me),
        ("msg", Topic::Msg),
        ("tell", Topic::Msg),
        ("reply", Topic::Reply),
        ("r", Topic::Reply),
        ("nick", Topic::Nick),
        ("who", Topic::Who),
        ("names", Topic::Who),
        ("list", Topic::Who),
        ("history", Topic::History),
        ("ignore", Topic::Ignore),
        ("unignore", Topic::Unignore),
        ("help", Topic::Help),
        ("quit", Topic::Quit),
        ("exit", Topic::Quit),
    ];
    NAMES.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, topic)| topic)
}

/// See [`super::Dialect::encode`].
pub(crate) fn encode(phrases: &Phrases, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        // What travels a thousand times a second is written without a detour.
        Event::Said { from, text } => line(out, &[from, ": ", text]),
        Event::Emoted { from, text } => line(out, &["** ", from, " ", text]),
        Event::Told { from, text } => line(out, &["[", from, " -> ", phrases.you, "] ", text]),
        Event::Sent { to, text } => line(out, &["[", phrases.you, " -> ", to, "] ", text]),
        Event::Recalled(said) => {
            let minutes = said.unix_seconds / 60;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "[{:02}:{:02}] ", minutes / 60 % 24, minutes % 60);
            let (from, text) = (said.from.as_str(), said.text.as_str());
            match said.emote {
                true => line(out, &["** ", from, " ", text]),
                false => line(out, &[from, ": ", text]),
            }
        }
        Event::Asked { motd } => {
            for text in motd {
                line(out, &["* ", text]);
            }
            notice(out, phrases.asked, &[]);
        }
        Event::Helped(topic) => {
            line(out, &["* ", phrases.form(topic), " - ", phrases.purpose(topic)]);
        }
        Event::Refused(refusal) => refuse(phrases, refusal, out),
        _ => announce(phrases, event, out),
    }
}

/// The events that are told by a line beginning with `* `.
fn announce(phrases: &Phrases, event: &Event<'_>, out: &mut Vec<u8>) {
    use Part::{Count, Joint, Listed, Some20, Text};
    match *event {
        Event::Welcomed { name, here, count } => {
            notice(out, phrases.welcomed, &[Text(name), Some20(phrases, here, count)]);
        }
        Event::Joined { names, count } => {
            notice(out, phrases.joined, &[Joint(phrases, names), Count(count)]);
        }
        Event::Left { names, why, count } => {
            let who = Joint(phrases, names);
            let why = match why {
                Parting::Plain => None,
                Parting::Words(words) => Some(words),
                Parting::Reason(reason) => phrases.parting(reason),
            };
            match why {
                None => notice(out, phrases.left, &[who, Count(count)]),
                Some(why) => notice(out, phrases.left_because, &[who, Text(why), Count(count)]),
            }
        }
        Event::Renamed { old, new } => notice(out, phrases.renamed, &[Text(old), Text(new)]),
        Event::Here(names) => {
            notice(out, phrases.here, &[Count(names.len()), Listed(phrases, names)]);
        }
        Event::NothingSaid => notice(out, phrases.nothing_said, &[]),
        Event::Ignoring([]) => notice(out, phrases.ignoring_nobody, &[]),
        Event::Ignoring(names) => notice(out, phrases.ignoring, &[Listed(phrases, names)]),
        Event::Goodbye => notice(out, phrases.goodbye, &[]),
        Event::Stopping => notice(out, phrases.stopping, &[]),
        _ => {}
    }
}

/// A refusal: a line beginning with `! `, for one person alone.
fn refuse(phrases: &Phrases, refusal: Refusal<'_>, out: &mut Vec<u8>) {
    use Part::{Count, Text};
    let (phrase, part) = match refusal {
        Refusal::Taken(name) => (phrases.taken, Text(name)),
        Refusal::Nickname(error, name) => (phrases.nickname(error), Text(name)),
        Refusal::SameName(name) => (phrases.same_name, Text(name)),
        Refusal::Nobody(name) => (phrases.nobody, Text(name)),
        Refusal::TellSelf => (phrases.tell_self, Text("")),
        Refusal::NothingToReply => (phrases.nothing_to_reply, Text("")),
        Refusal::IgnoreSelf => (phrases.ignore_self, Text("")),
        Refusal::IgnoreTooMany(max) => (phrases.ignore_too_many, Count(max)),
        Refusal::NotIgnored(name) => (phrases.not_ignored, Text(name)),
        Refusal::Usage(topic) => (phrases.usage, Text(phrases.form(topic))),
        Refusal::UnknownCommand(word) => (phrases.unknown_command, Text(word)),
        Refusal::LineTooLong(max) => (phrases.line_too_long, Count(max)),
        Refusal::NotUtf8 => (phrases.not_utf8, Text("")),
        Refusal::Closed(reason) => match phrases.closing(reason) {
            Some((phrase, part)) => (phrase, part),
            None => return,
        },
    };
    out.extend_from_slice(b"! ");
    phrases::fill(out, phrase, &[part]);
    out.push(b'\n');
}

/// A line beginning with `* `.
fn notice(out: &mut Vec<u8>, phrase: &str, parts: &[Part<'_>]) {
    out.extend_from_slice(b"* ");
    phrases::fill(out, phrase, parts);
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 20;

    /// What comes out of `input` when it arrives in the given pieces.
    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for mut input in pieces.iter().copied() {
            while let Some(frame) = decoder.pull(&mut input, MAX) {
                frames.push(format!("{frame:?}"));
            }
        }
        frames.extend(decoder.finish().map(|frame| format!("finish {frame:?}")));
        frames
    }

    fn line(bytes: &[u8]) -> String {
        format!("{:?}", Frame::Line(bytes))
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
        for step in [1, 1000, UNENDED_BYTES_MAX] {
            let endless = vec![b'x'; UNENDED_BYTES_MAX];
            let pieces: Vec<&[u8]> = endless.chunks(step).collect();
            assert_eq!(frames(&pieces).last().map(String::as_str), Some("Unended"), "{step}");
        }
        let telnet = b"\xff\xfa".iter().chain(&[b'\n'; UNENDED_BYTES_MAX]).copied();
        assert_eq!(frames(&[&telnet.collect::<Vec<_>>()]), ["Unended"], "in a subnegotiation");
    }

    #[test]
    fn another_protocol_is_seen_by_its_first_line_only() {
        assert_eq!(frames(&[b"\x16\x03\x01\x02\x00"]), ["Foreign"]);
        assert_eq!(frames(&[b"POST / HTTP/1.1\r\n"]), ["Foreign"]);
        assert_eq!(frames(&[b"GET /a-long-way-to-go HTTP/1.1\r\n"])[0], "Foreign");
        assert_eq!(frames(&[b"GETTY\n"]), [line(b"GETTY")]);
        assert_eq!(frames(&[b"al\nGET / HTTP/1.1\n"])[1], line(b"GET / HTTP/1.1"));
    }

    #[test]
    fn commands_are_what_they_look_like() {
        let table: [(&str, Command<'_>); 24] = [
            ("hi", Command::Say("hi")),
            (" /who", Command::Say(" /who")),
            ("//who", Command::Say("/who")),
            ("///", Command::Say("//")),
            ("/", Command::Unknown("")),
            ("/nope x", Command::Unknown("nope")),
            ("/me  waves ", Command::Emote(" waves ")),
            ("/me ", Command::Misuse(Topic::Me)),
            ("/MSG bob  hi", Command::Tell { to: "bob", text: " hi" }),
            ("/tell bob", Command::Misuse(Topic::Msg)),
            ("/msg", Command::Misuse(Topic::Msg)),
            ("/r ok", Command::Reply("ok")),
            ("/nick  eve ", Command::Rename("eve")),
            ("/names", Command::Who),
            ("#", Command::Who),
            ("# 1", Command::Say("# 1")),
            ("/history", Command::History(None)),
            ("/history 20", Command::History(Some(20))),
            ("/history x", Command::Misuse(Topic::History)),
            ("/ignore", Command::Ignore(None)),
            ("&", Command::Help(None)),
            ("/help /TELL", Command::Help(Some(Topic::Msg))),
            ("/quit so long", Command::Quit("so long")),
            ("Exit", Command::Quit("")),
        ];
        for (line, command) in table {
            assert_eq!(parse(Stage::Chatting, line), command, "{line}");
        }
        for topic in Topic::ALL {
            assert_eq!(Topic::ALL[topic as usize], topic, "phrases are found by this order");
        }
    }

    #[test]
    fn whoever_is_asked_for_a_name_gives_one_or_leaves() {
        for (line, command) in [
            ("alice", Command::Rename("alice")),
            ("/who", Command::Rename("/who")),
            ("//x", Command::Rename("//x")),
            ("quit", Command::Quit("")),
            ("/exit", Command::Quit("")),
            ("/help", Command::Help(None)),
        ] {
            assert_eq!(parse(Stage::Naming, line), command, "{line}");
        }
    }

    #[test]
    fn many_names_are_told_by_the_first_few() {
        let names: Vec<_> =
            (0..64).map(|i| crate::nickname::Nickname::unchecked(&format!("n{i}"))).collect();
        let told = |names, count| {
            let mut out = Vec::new();
            encode(
                phrases::of(crate::dialect::Lang::En),
                &Event::Joined { names, count },
                &mut out,
            );
            String::from_utf8(out).unwrap()
        };
        assert_eq!(told(&names[..1], 3), "* n0 joined (3 here)\n");
        assert_eq!(told(&names[..3], 5), "* n0, n1 and n2 joined (5 here)\n");
        let eight = "n0, n1, n2, n3, n4, n5, n6";
        assert_eq!(told(&names[..8], 8), format!("* {eight} and n7 joined (8 here)\n"));
        assert_eq!(told(&names, 64), format!("* {eight}, n7 and 56 more joined (64 here)\n"));
    }
}

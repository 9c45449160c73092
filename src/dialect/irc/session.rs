//! The session of an IRC client: lines, capabilities, pings, and what it has said of itself before
//! it has a name. All else is handed on as a line.

use std::borrow::Cow;

use memchr::memchr;

use super::caps::{self, Caps};
use super::message::Message;
use super::numeric::{ERR_INVALIDCAPCMD, ERR_NOORIGIN, Replies};
use super::{Encoding, LINE_BYTES_MAX, SERVER, TAGS_BYTES_MAX, Verb};
use crate::dialect::decoder::{TLS_HANDSHAKE, begins_http_request};
use crate::dialect::session::{self, Context, Received};
use crate::event::{CloseReason, Refusal};
use crate::nickname::Nickname;

/// A conversation with an IRC client.
#[derive(Debug, Default)]
pub(crate) struct Session {
    lines: Decoder,
    caps: Caps,
    /// It has said `CAP LS 302`, and so is told of new capabilities for good.
    is_told_of_caps: bool,
    /// What was asked for last, so that it is known what an answer answers.
    pub(crate) asked: Verb,
    /// The modes that it has set for itself: `i`, and `w`.
    pub(crate) is_invisible: bool,
    pub(crate) wants_wallops: bool,
    /// Something has come of it that is a message, so nothing can be another protocol any more.
    begun: bool,
    /// There until it has a name.
    pub(crate) registering: Option<Box<Registering>>,
    /// There while several lines come that are one message.
    pub(crate) batch: Option<Box<Batch>>,
}

/// What a client has said of itself that has no name yet.
#[derive(Debug, Default)]
pub(crate) struct Registering {
    /// The nickname that it wants.
    pub(crate) nick: Option<String>,
    /// What it is called on its machine, and otherwise.
    pub(crate) user: Option<String>,
    pub(crate) real_name: String,
    /// A password, of the server or of an account.
    pub(crate) password: Option<String>,
    /// It has asked for capabilities and not said that this is the end of it.
    pub(crate) negotiating: bool,
    /// It has shown that this account is its own.
    pub(crate) account: Option<Nickname>,
    /// It is shown whether it wants to, what it shows, and whether it has begun to.
    pub(crate) proof: Option<String>,
}

/// Lines of one message that has not ended.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) reference: String,
    pub(crate) target: String,
    pub(crate) tags: String,
    /// What its answer is to be labeled with.
    pub(crate) label: Option<String>,
    /// Each line, and whether it goes on with the one before.
    pub(crate) lines: Vec<(String, bool)>,
    /// It was refused: what comes of it up to its end is left out.
    pub(crate) is_refused: bool,
    pub(crate) is_notice: bool,
}

impl Session {
    pub(crate) fn new() -> Session {
        Session { registering: Some(Box::default()), ..Session::default() }
    }

    /// What it has asked for.
    pub(crate) fn caps(&self) -> Caps {
        self.caps
    }

    /// How what everybody is told is written for it.
    pub(crate) fn encoding(&self) -> Encoding {
        self.caps.encoding()
    }

    pub(crate) fn receive<'i>(
        &mut self,
        input: &mut &'i [u8],
        context: &Context<'_>,
    ) -> Option<Received<'i>> {
        let is_tls = !self.begun && self.lines.is_fresh() && input.first() == Some(&TLS_HANDSHAKE);
        if is_tls {
            *input = &[];
            return Some(Received::Close(CloseReason::WrongProtocol, Vec::new()));
        }
        let line = match self.lines.pull(input)? {
            Ok(line) => line,
            Err(bytes) => {
                self.asked = Verb::Unknown;
                return Some(Received::Refused(Refusal::LineTooLong(LINE_BYTES_MAX), bytes));
            }
        };
        if !self.begun && begins_http_request(&line) {
            return Some(Received::Close(CloseReason::WrongProtocol, Vec::new()));
        }
        self.begun = true;
        let (bytes, word) = (line.len(), verb_of(&line));
        let line = match line {
            Cow::Borrowed(line) => str::from_utf8(line).map(Cow::Borrowed).ok(),
            Cow::Owned(line) => String::from_utf8(line).map(Cow::Owned).ok(),
        };
        let Some(line) = line else {
            self.asked = word;
            return Some(Received::Refused(Refusal::NotUtf8, bytes));
        };
        Some(self.answer(&line, context).unwrap_or(Received::Message(session::Message::Irc(line))))
    }

    /// Answers what is the session's own business; `None` if it is not.
    fn answer(&mut self, line: &str, context: &Context<'_>) -> Option<Received<'static>> {
        let Some(message) = Message::parse(line) else { return Some(Received::Nothing) };
        self.asked = Verb::of(message.command);
        let has_label = self.caps.has(Caps::LABELED_RESPONSE) && message.has_tag("label");
        if has_label {
            return None;
        }
        let mut out = Vec::new();
        match self.asked {
            Verb::Cap | Verb::Ping => {
                let negotiates = self.is_negotiating();
                self.reply(&message, context.name, context.settings.has_accounts, &mut out);
                // That may have been the last thing that was awaited.
                if negotiates && !self.is_negotiating() {
                    return None;
                }
                Some(Received::Reply(out))
            }
            Verb::Pong | Verb::Error => Some(Received::Nothing),
            _ => None,
        }
    }

    fn is_negotiating(&self) -> bool {
        self.registering.as_ref().is_some_and(|registering| registering.negotiating)
    }

    /// The answer to `PING` and `CAP`.
    pub(crate) fn reply(
        &mut self,
        message: &Message<'_>,
        name: &str,
        has_accounts: bool,
        out: &mut Vec<u8>,
    ) {
        let nick = if name.is_empty() { "*" } else { name };
        if self.asked == Verb::Cap {
            return self.reply_to_cap(message, nick, has_accounts, out);
        }
        let mut replies = Replies { nick, out };
        match message.parameters().first() {
            Some(token) if !token.is_empty() => {
                // No client can read these within a line.
                let token = token.replace(['\0', '\r'], "");
                replies.server(&["PONG ", SERVER, " :", &token]);
            }
            _ => replies.tell(ERR_NOORIGIN, &[]),
        }
    }

    fn reply_to_cap(
        &mut self,
        message: &Message<'_>,
        nick: &str,
        has_accounts: bool,
        out: &mut Vec<u8>,
    ) {
        let what = message.parameter(0).unwrap_or("*");
        let is = |word: &str| what.eq_ignore_ascii_case(word);
        let words = message.parameters().get(1).copied().unwrap_or_default();
        let words = &*words.replace(['\0', '\r'], "");
        let version = words.parse().unwrap_or(0_u32);
        if is("LS") {
            if version >= 302 {
                self.caps.request("cap-notify", has_accounts);
                self.is_told_of_caps = true;
            }
            let names = Caps::all(has_accounts, version >= 302);
            caps::tell(out, (nick, "LS", version >= 302), names);
        } else if is("LIST") {
            caps::tell(out, (nick, "LIST", true), self.caps.names());
        } else if is("REQ") {
            let forbidden = |word| self.is_told_of_caps && word == "-cap-notify";
            let is_allowed = !words.split_ascii_whitespace().any(forbidden);
            let done = is_allowed && self.caps.request(words, has_accounts);
            let answer = if done { "ACK" } else { "NAK" };
            // It repeats what was asked for exactly, however long that is.
            out.extend_from_slice(format!(":{SERVER} CAP {nick} {answer} :{words}\r\n").as_bytes());
        } else if is("END") {
            if let Some(registering) = &mut self.registering {
                registering.negotiating = false;
            }
        } else {
            Replies { nick, out }.tell(ERR_INVALIDCAPCMD, &[&crate::text::clean(what)]);
        }
        if (is("LS") || is("REQ"))
            && let Some(registering) = &mut self.registering
        {
            registering.negotiating = true;
        }
    }
}

/// What a line begins with that need not be UTF-8.
fn verb_of(line: &[u8]) -> Verb {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let word = words.find(|word| !matches!(word[0], b'@' | b':')).unwrap_or_default();
    str::from_utf8(word).map_or(Verb::Unknown, Verb::of)
}

/// From whatever pieces the input comes in to one line at a time.
#[derive(Debug, Default)]
struct Decoder {
    partial: Vec<u8>,
    /// Bytes of a line that is too long, and is dropped up to its end.
    dropped: usize,
}

impl Decoder {
    fn is_fresh(&self) -> bool {
        self.partial.is_empty() && self.dropped == 0
    }

    /// Takes the next line off the front of `input`, without its end; or how many bytes it had, if
    /// it was too long.
    fn pull<'i>(&mut self, input: &mut &'i [u8]) -> Option<Result<Cow<'i, [u8]>, usize>> {
        let Some(end) = memchr(b'\n', input) else {
            self.keep(input);
            *input = &[];
            return None;
        };
        let piece = &input[..end];
        *input = &input[end + 1..];
        if self.is_fresh() {
            let line = without_end(piece);
            return Some(if fits(line) { Ok(Cow::Borrowed(line)) } else { Err(line.len()) });
        }
        self.keep(piece);
        if self.dropped > 0 {
            return Some(Err(std::mem::take(&mut self.dropped)));
        }
        let mut line = std::mem::take(&mut self.partial);
        line.truncate(without_end(&line).len());
        Some(if fits(&line) { Ok(Cow::Owned(line)) } else { Err(line.len()) })
    }

    /// Keeps a piece of a line, as long as the line can still be one.
    fn keep(&mut self, piece: &[u8]) {
        if self.dropped > 0 || self.partial.len() + piece.len() > LINE_BYTES_MAX + TAGS_BYTES_MAX {
            self.dropped += self.partial.len() + piece.len();
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(piece);
        }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether neither the tags nor what follows them are too long.
fn fits(line: &[u8]) -> bool {
    let tags = match line.first() {
        Some(b'@') => memchr(b' ', line).map_or(line.len(), |end| end + 1),
        _ => 0,
    };
    tags <= TAGS_BYTES_MAX && line.len() - tags <= LINE_BYTES_MAX - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that come of `input` in pieces of `step` bytes; of those that are too long, their
    /// length.
    fn lines(input: &[u8], step: usize) -> Vec<Result<Vec<u8>, usize>> {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        for mut piece in input.chunks(step) {
            while let Some(line) = decoder.pull(&mut piece) {
                lines.push(line.map(Cow::into_owned));
            }
        }
        lines
    }

    #[test]
    fn lines_end_with_lf_or_crlf_however_they_come() {
        for step in 1..12 {
            let lines = lines(b"PING a\r\n\nPING b\nPI", step);
            assert_eq!(lines, [Ok(b"PING a".to_vec()), Ok(vec![]), Ok(b"PING b".to_vec())]);
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_the_protocol_says_and_its_tags_besides() {
        let line = "x".repeat(510);
        let tags = format!("@a={} ", "y".repeat(TAGS_BYTES_MAX - 4));
        assert_eq!(tags.len(), TAGS_BYTES_MAX);
        for (text, fits) in [
            (line.clone(), true),
            (format!("{line}x"), false),
            (format!("{tags}{line}"), true),
            (format!("{tags}{line}x"), false),
            (format!("@z{}{line}", &tags[1..]), false),
            ("@".repeat(TAGS_BYTES_MAX + 1), false),
            ("z".repeat(100_000), false),
        ] {
            for step in [1, 7, 100_000] {
                let lines = lines(format!("{text}\r\nPING\r\n").as_bytes(), step);
                assert_eq!(lines.len(), 2);
                assert_eq!(lines[0].is_ok(), fits, "{} bytes by {step}", text.len());
                assert_eq!(lines[1], Ok(b"PING".to_vec()));
            }
        }
    }
}

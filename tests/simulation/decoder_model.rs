//! How input is heard, a byte at a time: the crate's decoder written down a second time. Clients of
//! the older dialects are held against what the server has really read of them and when, for where
//! their messages end depends on that.

use std::mem;
use std::time::{Duration, Instant};

use chinwag::dialect::Framing;

/// So much without the end of a message ends the connection.
const UNENDED: usize = 65536;

/// How long the rest of a character is waited for.
const PARTIAL_CHAR_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client has said, as the server must have understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(String),
    TooLong,
    NotUtf8,
    /// It is closed for one of these.
    Unterminated,
    WrongProtocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telnet {
    Text,
    Command,
    Option,
    Inside,
    InsideCommand,
}

/// One client's input.
#[derive(Debug)]
pub(crate) struct DecoderModel {
    framing: Framing,
    max: usize,
    line: Vec<u8>,
    unterminated: usize,
    telnet: Telnet,
    swallows: bool,
    begun: bool,
    /// Nothing is heard any more, or it is heard elsewhere.
    pub(crate) deaf: bool,
    /// Until when the rest of a character is waited for.
    until: Option<Instant>,
    pub(crate) messages: Vec<Message>,
    /// All bytes that have come.
    pub(crate) total: usize,
}

impl DecoderModel {
    pub(crate) fn new(framing: Framing, max: usize) -> DecoderModel {
        DecoderModel {
            framing,
            max,
            line: Vec::new(),
            unterminated: 0,
            telnet: Telnet::Text,
            swallows: false,
            begun: false,
            deaf: false,
            until: None,
            messages: Vec::new(),
            total: 0,
        }
    }

    /// These bytes have been read; from UDP, they are one datagram.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.total += bytes.len();
        if self.deaf {
            return;
        }
        if self.framing == Framing::Datagrams {
            for &byte in bytes.iter().filter(|byte| **byte != b'\n') {
                self.byte(byte);
            }
            return self.end_message();
        }
        for &byte in bytes {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.deaf {
            return;
        }
        if !self.begun && self.unterminated == 0 && byte == 0x16 {
            return self.die(Message::WrongProtocol);
        }
        if self.telnet == Telnet::Command && byte < 240 {
            self.telnet = Telnet::Text;
            self.keep(255);
        }
        if self.telnet == Telnet::Text && byte == b'\n' {
            return self.end_message();
        }
        self.unterminated += 1;
        if self.unterminated >= UNENDED {
            return self.die(Message::Unterminated);
        }
        let telnet = self.framing != Framing::Datagrams;
        self.telnet = match (self.telnet, byte) {
            (Telnet::Text, 255) if telnet => Telnet::Command,
            (Telnet::Text, _) => return self.keep(byte),
            (Telnet::Command, 255) => {
                self.telnet = Telnet::Text;
                return self.keep(255);
            }
            (Telnet::Command, 250) => Telnet::Inside,
            (Telnet::Command, 251..) => Telnet::Option,
            (Telnet::Command | Telnet::Option, _) => Telnet::Text,
            (Telnet::Inside, 255) => Telnet::InsideCommand,
            (Telnet::InsideCommand, 240) => Telnet::Text,
            (Telnet::Inside | Telnet::InsideCommand, _) => Telnet::Inside,
        };
    }

    fn keep(&mut self, byte: u8) {
        if self.swallows || self.deaf {
            return;
        }
        self.line.push(byte);
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.len() > self.max {
            let message = if self.is_foreign() { Message::WrongProtocol } else { Message::TooLong };
            (self.begun, self.swallows) = (true, true);
            self.line.clear();
            match message {
                Message::WrongProtocol => self.die(message),
                _ => self.messages.push(message),
            }
        }
    }

    fn is_foreign(&self) -> bool {
        !self.begun && (self.line.starts_with(b"GET ") || self.line.starts_with(b"POST "))
    }

    fn end_message(&mut self) {
        if self.deaf {
            return;
        }
        self.unterminated = 0;
        if mem::take(&mut self.swallows) {
            return;
        }
        if self.is_foreign() {
            return self.die(Message::WrongProtocol);
        }
        self.begun = true;
        self.emit();
    }

    fn emit(&mut self) {
        let mut line = mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.messages.push(String::from_utf8(line).map_or(Message::NotUtf8, Message::Text));
    }

    fn die(&mut self, message: Message) {
        self.messages.push(message);
        self.deaf = true;
    }

    /// A read has said that there is nothing more.
    pub(crate) fn nothing(&mut self, now: Instant) {
        if self.framing == Framing::Arrivals && !self.deaf {
            let may_go_on = self.telnet != Telnet::Command && !self.swallows;
            if may_go_on && is_cut(&self.line) {
                self.until.get_or_insert(now + PARTIAL_CHAR_TIMEOUT);
            } else {
                self.end_arrival();
            }
        }
    }

    fn end_arrival(&mut self) {
        self.until = None;
        self.end_telnet();
        if self.swallows || !self.line.is_empty() {
            self.end_message();
        }
        self.unterminated = 0;
    }

    /// The server's timers have been seen to.
    pub(crate) fn timeout(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) && !self.deaf {
            self.end_arrival();
        }
    }

    /// A byte 255 that nothing follows was meant as it stands.
    fn end_telnet(&mut self) {
        if mem::replace(&mut self.telnet, Telnet::Text) == Telnet::Command {
            self.keep(255);
        }
    }

    /// There will be no more.
    pub(crate) fn end(&mut self) {
        self.end_telnet();
        if !self.line.is_empty() {
            self.end_message();
        }
        self.deaf = true;
    }
}

/// Whether the last character has begun but not ended.
fn is_cut(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

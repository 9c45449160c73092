//! The dialects: bytes to [`Command`]s, and [`Event`]s to bytes.
//!
//! A dialect is spoken at a door. Each has a file of its own here, with its phrases and its port,
//! and one line in each `match` of this file; nothing else in the crate knows which there are.
//! A dialect sees no socket, no room and no time: it is given input in whatever pieces it came,
//! and events one at a time.

pub(crate) mod lines;
pub(crate) mod phrases;

use std::fmt;
use std::str::FromStr;

use crate::event::{Command, Event};

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// UTF-8 lines over TCP, for `nc`, `telnet`, scripts and the bundled client.
    Lines,
}

impl Dialect {
    /// How many there are: the length of an array by [`index`](Self::index).
    pub(crate) const COUNT: usize = Dialect::ALL.len();

    /// All of them.
    pub const ALL: [Dialect; 1] = [Dialect::Lines];

    /// A small number for each, its place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The name by which `--listen` knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Lines => "lines",
        }
    }

    /// The port it is spoken at unless the operator says otherwise.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Dialect::Lines => lines::PORT,
        }
    }

    /// A decoder for a new connection.
    pub(crate) fn decoder(self) -> Decoder {
        match self {
            Dialect::Lines => Decoder::Lines(lines::Decoder::default()),
        }
    }

    /// What a line asks for, from somebody who has a nickname or, at the `stage` before, has not.
    pub(crate) fn parse(self, stage: Stage, line: &str) -> Command<'_> {
        match self {
            Dialect::Lines => lines::parse(stage, line),
        }
    }

    /// Appends `event` to `out` as whoever speaks this dialect is told it; perhaps not at all.
    pub(crate) fn encode(self, lang: Lang, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Dialect::Lines => lines::encode(phrases::of(lang), event, out),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;

    /// # Errors
    /// A sentence that names those there are.
    fn from_str(name: &str) -> Result<Dialect, String> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| {
            let names: Vec<_> = Dialect::ALL.into_iter().map(Dialect::name).collect();
            format!("there is no dialect of that name, there is {}", names.join(", "))
        })
    }
}

/// The language of the dialect `lines`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// How far somebody has come; the same words may mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Asked for a nickname.
    Naming,
    /// In the room.
    Chatting,
}

/// One message of a client, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message, without what ends it. Any bytes, at most `--max-line` of them.
    Line(&'a [u8]),
    /// A message that is longer than that. The rest of it is swallowed.
    TooLong,
    /// So many bytes without the end of a message that there is no point in going on.
    Unended,
    /// Another protocol.
    Foreign,
}

/// What is left of a connection's input between two reads: an unfinished message at the most.
#[derive(Debug)]
pub enum Decoder {
    /// See [`Dialect::Lines`].
    Lines(lines::Decoder),
}

impl Decoder {
    /// Takes the next whole message off the front of `input`, together with what came of it
    /// earlier. `None` when `input` is used up; what it ended with is kept for the next time.
    /// `max` is the length of a message in bytes.
    pub fn pull<'f, 'i: 'f>(&'f mut self, input: &mut &'i [u8], max: usize) -> Option<Frame<'f>> {
        match self {
            Decoder::Lines(decoder) => decoder.pull(input, max),
        }
    }

    /// The message that the end of the input leaves unfinished, if there is one.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        match self {
            Decoder::Lines(decoder) => decoder.finish(),
        }
    }
}

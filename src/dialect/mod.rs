//! The dialects: bytes to [`Command`](crate::event::Command)s, and [`Event`]s to bytes.
//!
//! A dialect is spoken at a listener. Each has a file or a folder of its own here, with its
//! phrases, its port and its `DialectSpec`, and one line in this file; nothing else in the crate
//! knows which there are. What differs between them is data wherever it can be. What cannot be is
//! the [`Session`]: how a connection begins, how its messages are framed, and how one finds out
//! whether somebody is still there. A dialect sees no socket, no room and no clock.

mod classic;
pub mod decoder;
pub(crate) mod irc;
mod lines;
mod order;
pub(crate) mod phrases;
mod plain;
pub mod session;
#[cfg(feature = "web")]
pub(crate) mod web;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use self::classic::{anonymous, datagram, mention, nick, register};
pub use self::irc::{Encoding, Verb};
use self::phrases::Phrases;
pub(crate) use self::plain::Gap;
pub use self::session::{Commands, Session, Settings};
use crate::author::{Author, Extra};
use crate::event::{CloseReason, Event, Refusal, RoomView};
use crate::token::Token;

/// What is spoken at a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// UTF-8 lines over TCP, for `nc`, `telnet` and scripts.
    #[default]
    Lines,
    /// Messages without an end over TCP; the server asks `NICK`.
    Nick,
    /// Messages without an end over TCP; one registers with a nickname.
    Register,
    /// Datagrams over UDP.
    Datagram,
    /// Lines over TCP, without names.
    Anonymous,
    /// Messages without an end over TCP; `text@name` is private.
    Mention,
    /// What IRC clients speak; what a client has asked for decides how some of it is written.
    Irc(Encoding),
    /// A page over HTTP, and JSON over WebSocket, for browsers.
    #[cfg(feature = "web")]
    Web,
    /// What the server counts, over HTTP. Nobody talks there, so it is not in [`Dialect::ALL`].
    #[cfg(feature = "web")]
    Metrics,
}

impl Dialect {
    /// All of them that people talk in.
    pub const ALL: [Dialect; Dialect::COUNT] = [
        Dialect::Lines,
        Dialect::Nick,
        Dialect::Register,
        Dialect::Datagram,
        Dialect::Anonymous,
        Dialect::Mention,
        Dialect::Irc(Encoding::PLAIN),
        #[cfg(feature = "web")]
        Dialect::Web,
    ];

    /// Those of the five older programs, which `--classic` opens.
    pub const CLASSIC: [Dialect; 5] =
        [Dialect::Nick, Dialect::Register, Dialect::Datagram, Dialect::Anonymous, Dialect::Mention];

    /// Those whose doors are open unless the operator names others.
    pub const USUAL: &'static [Dialect] = &[
        Dialect::Lines,
        #[cfg(feature = "web")]
        Dialect::Web,
    ];

    /// How many of those there are: the length of an array by [`index`](Self::index).
    pub const COUNT: usize = 7 + cfg!(feature = "web") as usize;

    /// Those that `--listen` takes.
    pub fn named() -> impl Iterator<Item = Dialect> {
        #[cfg(feature = "web")]
        let other = Some(Dialect::Metrics);
        #[cfg(not(feature = "web"))]
        let other = None;
        Dialect::ALL.into_iter().chain(other)
    }

    /// How it is spoken.
    pub(crate) fn spec(self) -> &'static DialectSpec {
        match self {
            Dialect::Lines => &lines::SPEC,
            Dialect::Nick => &nick::SPEC,
            Dialect::Register => &register::SPEC,
            Dialect::Datagram => &datagram::SPEC,
            Dialect::Anonymous => &anonymous::SPEC,
            Dialect::Mention => &mention::SPEC,
            Dialect::Irc(_) => &irc::SPEC,
            #[cfg(feature = "web")]
            Dialect::Web => &web::SPEC,
            #[cfg(feature = "web")]
            Dialect::Metrics => &web::METRICS_SPEC,
        }
    }

    /// A small number for each, its place in [`ALL`](Self::ALL).
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Dialect::Lines => 0,
            Dialect::Nick => 1,
            Dialect::Register => 2,
            Dialect::Datagram => 3,
            Dialect::Anonymous => 4,
            Dialect::Mention => 5,
            Dialect::Irc(_) => 6,
            #[cfg(feature = "web")]
            Dialect::Web => 7,
            #[cfg(feature = "web")]
            Dialect::Metrics => 8,
        }
    }

    /// The name by which `--listen` knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The port it is spoken at unless the operator says otherwise.
    #[must_use]
    pub fn port(self) -> u16 {
        self.spec().port
    }

    /// The same, if it comes after TLS.
    #[must_use]
    pub fn tls_port(self) -> u16 {
        self.spec().tls_port
    }

    /// What carries it.
    #[must_use]
    pub fn transport(self) -> Transport {
        self.spec().transport
    }

    /// How its messages end on their way in.
    #[must_use]
    pub fn framing(self) -> Framing {
        self.spec().framing
    }

    /// Does what takes too long for a server that listens already for those who speak this.
    pub(crate) fn prepare(self) {
        #[cfg(feature = "web")]
        if self == Dialect::Web {
            web::prepare();
        }
    }

    /// What a line of text asks for, from somebody who has come as far as `stage` and gave `given`
    /// as their name.
    #[must_use]
    pub fn parse<'a>(self, stage: Stage, line: &'a str, given: &str) -> Commands<'a> {
        (self.spec().parse)(stage, line, given)
    }

    /// Appends `event` to `out` as all who speak this dialect are told it; perhaps not at all.
    pub fn encode(self, lang: Lang, event: &Event<'_>, out: &mut Vec<u8>) {
        self.encode_about(lang, &About::default(), event, out);
    }

    /// As [`encode`](Self::encode); `about` says in which room it happens, if in one, and who is
    /// the only one to be told, if there is only one.
    pub fn encode_about(self, lang: Lang, about: &About<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
        let reader = Reader { phrases: phrases::of(lang), dialect: self, about };
        (self.spec().encode)(&reader, event, out);
    }

    /// What somebody is sent who is closed before their session has opened; perhaps nothing.
    pub(crate) fn closed_unopened(self, lang: Lang, reason: CloseReason) -> Vec<u8> {
        if let Some(in_other_words) = self.spec().closed_unopened {
            return in_other_words(reason);
        }
        let mut out = Vec::new();
        self.encode(lang, &Event::Refused(Refusal::Closed(reason)), &mut out);
        out
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Dialect, UnknownDialect> {
        let mut all = Dialect::named();
        all.find(|dialect| dialect.name() == name).ok_or(UnknownDialect)
    }
}

/// There is no dialect of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDialect;

impl fmt::Display for UnknownDialect {
    /// Names those there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Dialect::named().map(Dialect::name).collect();
        write!(f, "the dialects are {}", names.join(", "))
    }
}

impl std::error::Error for UnknownDialect {}

/// All in which dialects differ.
#[derive(Debug)]
pub(crate) struct DialectSpec {
    /// See [`Dialect::name`].
    pub(crate) name: &'static str,
    /// See [`Dialect::port`].
    pub(crate) port: u16,
    /// The same, if it comes after TLS.
    pub(crate) tls_port: u16,
    /// See [`Dialect::transport`].
    pub(crate) transport: Transport,
    /// See [`Dialect::framing`].
    pub(crate) framing: Framing,
    /// How somebody comes to a name.
    pub(crate) naming: Naming,
    /// Whether whoever does something is told so alone, with what answers them, and not with the
    /// others.
    pub(crate) told_alone: bool,
    /// Whether one is in no room at first.
    pub(crate) roomless: bool,
    /// Whether one can be asked for the server's password.
    pub(crate) asks_password: bool,
    /// Whether its clients count on hearing what they say themselves.
    pub(crate) echoes: bool,
    /// Whether somebody can be in several rooms at once.
    pub(crate) many_rooms: bool,
    /// Whether somebody who was cut off can come back as who they were.
    pub(crate) can_resume: bool,
    /// Whether a newcomer is told like everyone else that it has come.
    pub(crate) hears_own_joining: bool,
    /// There if a newcomer is told at once all that a program can use.
    pub(crate) whole_welcome: Option<WholeWelcome>,
    /// Whether frames have no end of their own on the wire: then the LF that ends each of them in
    /// the journal is only sent between two, never after the last.
    pub(crate) lf_separated: bool,
    /// The least time between two frames until one is in the room, if each must arrive alone.
    pub(crate) gap: Option<Duration>,
    /// Whether connections come and go so casually that each is not worth a line of the log, as
    /// long as nobody has a name.
    pub(crate) is_casual: bool,
    /// There if a session must open before events can be told: what is sent until then to somebody
    /// who is closed.
    pub(crate) closed_unopened: Option<fn(CloseReason) -> Vec<u8>>,
    /// See [`Dialect::parse`].
    pub(crate) parse: for<'a> fn(Stage, &'a str, given: &str) -> Commands<'a>,
    /// See [`Dialect::encode`].
    pub(crate) encode: fn(&Reader<'_>, &Event<'_>, &mut Vec<u8>),
}

impl DialectSpec {
    /// Whether somebody reads a room only from when the others have been told of them.
    pub(crate) fn comes_in_late(&self) -> bool {
        self.whole_welcome.is_some() || self.told_alone
    }
}

/// For whom an event is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    /// The phrases of their language.
    pub(crate) phrases: &'static Phrases,
    /// What they speak.
    pub(crate) dialect: Dialect,
    /// What the event does not say itself.
    pub(crate) about: &'a About<'a>,
}

impl<'a> Reader<'a> {
    /// The name of the room that the event is about, with `#`.
    pub(crate) fn room(&self) -> &'a str {
        self.about.room.unwrap_or_default()
    }
}

/// Where something happens, and to whom it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    /// The room, with `#`; `None` if it happens in none, or in several at once.
    pub room: Option<&'a str>,
    /// How the only reader is called. Many have no name in common, and a newcomer has none yet.
    pub name: Option<&'a str>,
    /// The key of what this answers, if the only reader gave it one.
    pub key: Option<&'a str>,
    /// When, in seconds since 1970-01-01 00:00 UTC.
    pub at: u64,
    /// As in [`Said::millis`](crate::event::Said::millis).
    pub millis: u16,
    /// Who does it; of those who come or go together, all.
    pub authors: &'a [Author<'a>],
    /// How it was said, if that was by an IRC client and there is more to it.
    pub extra: Option<&'a Extra>,
    /// What an IRC client has asked for that this answers.
    pub asked: Verb,
}

/// A welcome with the history, and with more names than a person would read, in one frame. All who
/// come in the same state of the room share the greater part of it.
#[derive(Debug)]
pub(crate) struct WholeWelcome {
    /// Appends the part that is for all who come into the room of that name.
    pub(crate) company: fn(&str, &RoomView<'_>, &mut Vec<u8>),
    /// Appends what comes before that part, which has so many bytes, for whoever is called so, and
    /// may come back with the token.
    pub(crate) greeting: fn(&str, Option<&Token>, usize, &mut Vec<u8>),
}

/// What carries a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A connection.
    Tcp,
    /// One socket for all; a peer is an address.
    Udp,
}

/// How a message ends on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With LF or CRLF.
    Lines,
    /// With what has arrived for now, or LF.
    Arrivals,
    /// With its datagram, which the hub turns into a line.
    Datagrams,
    /// With LF or CRLF, and tags before it may make it longer.
    Irc,
    /// As WebSocket has it, after an HTTP request.
    #[cfg(feature = "web")]
    Web,
}

/// How somebody comes to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Asked, and asked again until it will do.
    Asked,
    /// Once; if it will not do they get another.
    Once,
    /// By their address, unasked.
    Address,
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
pub enum Stage {
    /// Asked for a nickname.
    Naming,
    /// In the room.
    Chatting,
}

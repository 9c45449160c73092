//! A session: one dialect's conversation with one connection. Bytes go in, and what they ask for
//! comes out ([`Received`]); framing, handshake and keepalive never leave the dialect's own files.
//!
//! The hub keeps a session in each connection. It gives it what came ([`Session::receive`]), does
//! what that asks for, and calls `handle_timeout` when the session's `deadline` has come. A session
//! sees no socket, no room and no clock. Each kind has a file of its own: `plain.rs` for dialects
//! that are text and nothing else, `web/session.rs` for browsers.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use std::vec;

#[cfg(feature = "web")]
use ipnet::IpNet;

use super::irc::{self, Verb};
use super::plain::{Gap, Plain};
#[cfg(feature = "web")]
use super::web;
use super::{Dialect, Stage};
use crate::event::{CloseReason, Command, Refusal};

/// What the operator has decided about conversations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of the longest message that is taken.
    pub line_bytes_max: usize,
    /// How long a peer over UDP is kept that sends nothing.
    pub udp_expiry: Duration,
    /// Where browsers find a page, if they do; then one that asks for it elsewhere is told.
    pub page: Option<SocketAddr>,
    /// Nicknames can be accounts.
    pub has_accounts: bool,
    /// Nobody can come in now, since other servers that share the rooms cannot be told.
    pub is_away: bool,
    /// Under what names browsers may find the server.
    #[cfg(feature = "web")]
    pub web: web::origin::Web,
    /// Who may see what the server counts, besides those on the machine itself.
    #[cfg(feature = "web")]
    pub metrics_from: Vec<IpNet>,
}

/// What a session may need to know of the world around it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When the turn began.
    pub now: Instant,
    /// The other side's address.
    pub remote: IpAddr,
    /// Its name, if it has one.
    pub name: &'a str,
    /// What the operator has decided.
    pub settings: &'a Settings,
    /// Makes the text of the server's counts. It is only asked if somebody wants them.
    pub metrics: &'a dyn Fn() -> String,
}

/// What came of a piece of input, or of a deadline.
#[derive(Debug)]
pub enum Received<'i> {
    /// A message, which asks for something.
    Message(Message<'i>),
    /// A message that is not taken, and how many bytes of it had come.
    Refused(Refusal<'static>, usize),
    /// Something of the protocol, and the answer to it.
    Reply(Vec<u8>),
    /// From now on the dialect can be spoken, and a nickname asked for; after these bytes.
    Opened(Vec<u8>),
    /// The other side goes, and has said so.
    Farewell,
    /// The connection is to be closed, after these bytes.
    Close(CloseReason, Vec<u8>),
    /// Something of the protocol that needs no answer.
    Nothing,
}

impl Received<'_> {
    /// How many lines it counts for, where talkers are kept to a pace.
    #[must_use]
    pub fn line_count(&self) -> usize {
        match self {
            Received::Message(message) => message.line_count(),
            _ => 1,
        }
    }

    /// How many bytes it counts for, where talkers are kept to a pace.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Received::Message(message) => message.bytes(),
            Received::Refused(_, bytes) => *bytes,
            Received::Reply(_)
            | Received::Opened(_)
            | Received::Farewell
            | Received::Close(..)
            | Received::Nothing => 0,
        }
    }
}

/// What came as one. Its words are borrowed from the input if they stand there as they are meant.
#[derive(Debug)]
pub enum Message<'i> {
    /// A line of text.
    Line(Cow<'i, str>),
    /// A line of an IRC client.
    Irc(Cow<'i, str>),
    /// What a browser asks for. It is large, and a line of text is passed on as often as it is.
    #[cfg(feature = "web")]
    Web(Box<web::ClientMessage>),
}

impl Message<'_> {
    /// What it asks for, from somebody who has come as far as `stage` and gave `given` as their
    /// name.
    pub fn commands(&self, dialect: Dialect, stage: Stage, given: &str) -> Commands<'_> {
        match self {
            Message::Line(line) | Message::Irc(line) => dialect.parse(stage, line, given),
            #[cfg(feature = "web")]
            Message::Web(message) => message.commands(),
        }
    }

    /// What it asks for, from somebody who is asked for the server's password. There a line is
    /// nothing but an answer, whatever it looks like.
    pub(crate) fn before_password(&self) -> Commands<'_> {
        match self {
            Message::Line(line) => Commands::One(Command::Password(line)),
            Message::Irc(_) => Commands::None,
            #[cfg(feature = "web")]
            Message::Web(message) => message.commands(),
        }
    }

    /// By what it is known if it comes again.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Message::Line(_) | Message::Irc(_) => None,
            #[cfg(feature = "web")]
            Message::Web(message) => message.key(),
        }
    }

    /// How many lines it counts for.
    fn line_count(&self) -> usize {
        match self {
            Message::Line(_) | Message::Irc(_) => 1,
            #[cfg(feature = "web")]
            Message::Web(message) => message.line_count(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Message::Line(line) | Message::Irc(line) => line.len(),
            #[cfg(feature = "web")]
            Message::Web(message) => message.bytes(),
        }
    }
}

/// What a message asks for, in order. Nearly always it is one thing, which takes no allocation.
#[derive(Debug)]
pub enum Commands<'a> {
    /// Nothing, or nothing more.
    None,
    /// One thing.
    One(Command<'a>),
    /// One thing in the room of that name.
    In(&'a str, Command<'a>),
    /// Several.
    Many(vec::IntoIter<Command<'a>>),
}

impl<'a> Commands<'a> {
    /// The room that all of it is about, if that was said.
    #[must_use]
    pub fn room(&self) -> Option<&'a str> {
        match self {
            Commands::In(room, _) => Some(room),
            _ => None,
        }
    }

    /// Several things in a row.
    #[must_use]
    pub fn many(commands: Vec<Command<'a>>) -> Commands<'a> {
        Commands::Many(commands.into_iter())
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Command<'a>;

    fn next(&mut self) -> Option<Command<'a>> {
        match self {
            Commands::None => None,
            Commands::One(command) | Commands::In(_, command) => {
                let command = *command;
                *self = Commands::None;
                Some(command)
            }
            Commands::Many(commands) => commands.next(),
        }
    }
}

/// What a deadline of a session brings.
#[derive(Debug)]
pub(crate) enum Due {
    /// What has arrived so far is a message, as far as it goes: [`Session::end_arrival`].
    ArrivalEnded,
    /// The next frame may go out, to somebody to whom each must go alone.
    GapOver,
    /// As if it had been received.
    Received(Received<'static>),
}

/// One dialect's conversation with one connection.
#[derive(Debug)]
pub struct Session(Kind);

#[derive(Debug)]
enum Kind {
    /// Text and nothing else.
    Plain(Plain),
    Irc(Box<irc::Session>),
    #[cfg(feature = "web")]
    Web(Box<web::Session>),
}

impl Session {
    /// The session of a connection that has just come.
    #[must_use]
    pub fn new(dialect: Dialect, settings: &Settings, now: Instant) -> Session {
        Session(match dialect {
            #[cfg(feature = "web")]
            Dialect::Web => Kind::Web(Box::new(web::Session::new(now))),
            #[cfg(feature = "web")]
            Dialect::Metrics => Kind::Web(Box::new(web::Session::for_metrics(now))),
            Dialect::Irc(_) => Kind::Irc(Box::new(irc::Session::new())),
            dialect => Kind::Plain(Plain::new(dialect, settings, now)),
        })
    }

    /// Whether a nickname can be asked for, and events be told. Until then it has its own ways, and
    /// its own time.
    pub(crate) fn is_open(&self) -> bool {
        match &self.0 {
            Kind::Plain(_) | Kind::Irc(_) => true,
            #[cfg(feature = "web")]
            Kind::Web(web) => web.is_open(),
        }
    }

    // ── what came ────────────────────────────────────────────────────────────────────────────────

    /// Takes the next thing off the front of `input`, together with what came of it earlier. `None`
    /// when `input` is used up; what it ended with is kept for the next time.
    pub fn receive<'i>(
        &mut self,
        input: &mut &'i [u8],
        context: &Context<'_>,
    ) -> Option<Received<'i>> {
        match &mut self.0 {
            Kind::Plain(plain) => plain.receive(input, context),
            Kind::Irc(irc) => irc.receive(input, context),
            #[cfg(feature = "web")]
            Kind::Web(web) => web.receive(input, context),
        }
    }

    /// All that has arrived for now has been received, and perhaps a message ends with it.
    pub(crate) fn end_arrival(&mut self, context: &Context<'_>) -> Option<Received<'static>> {
        match &mut self.0 {
            Kind::Plain(plain) => plain.end_arrival(context),
            Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(_) => None,
        }
    }

    /// What the end of the input leaves unfinished, if that is a message.
    pub fn finish(&mut self, context: &Context<'_>) -> Option<Received<'static>> {
        match &mut self.0 {
            Kind::Plain(plain) => plain.finish(context),
            Kind::Irc(_) => None,
            // Without its end, a frame is none.
            #[cfg(feature = "web")]
            Kind::Web(_) => None,
        }
    }

    /// Something came, although it may not be received yet.
    pub(crate) fn note_alive(&mut self, settings: &Settings, now: Instant) {
        match &mut self.0 {
            Kind::Plain(plain) => plain.note_alive(settings, now),
            Kind::Irc(_) => {}
            #[cfg(feature = "web")]
            Kind::Web(web) => web.note_alive(),
        }
    }

    // ── time ─────────────────────────────────────────────────────────────────────────────────────

    /// When [`handle_timeout`](Self::handle_timeout) must be called, if at all.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.0 {
            Kind::Plain(plain) => plain.deadline(),
            Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(web) => web.deadline(),
        }
    }

    /// The next thing that is due at `now`, if anything is. What comes while nobody
    /// `is_listened_to` cannot be an answer, so it is not waited for.
    #[cfg_attr(not(feature = "web"), expect(unused_variables, reason = "only browsers are pinged"))]
    pub(crate) fn handle_timeout(&mut self, now: Instant, is_listened_to: bool) -> Option<Due> {
        match &mut self.0 {
            Kind::Plain(plain) => plain.handle_timeout(now),
            Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(web) => web.handle_timeout(now, is_listened_to).map(Due::Received),
        }
    }

    /// The connection is being closed: nothing is awaited of it any more.
    pub(crate) fn close(&mut self) {
        match &mut self.0 {
            Kind::Plain(plain) => plain.close(),
            Kind::Irc(_) => {}
            #[cfg(feature = "web")]
            Kind::Web(web) => web.close(),
        }
    }

    /// The connection is gone: what the session had is given back.
    pub(crate) fn discard(&mut self) {
        self.0 = Kind::Plain(Plain::empty());
    }

    // ── what only some dialects need ─────────────────────────────────────────────────────────────

    /// The name that its client believes to have, if that is another than it has.
    pub(crate) fn given_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Plain(plain) => plain.given_name(),
            Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(_) => None,
        }
    }

    /// Its client believes to be called so.
    pub(crate) fn note_given(&mut self, name: &str) {
        match &mut self.0 {
            Kind::Plain(plain) => plain.note_given(name),
            Kind::Irc(_) => {}
            // It is told how it is called.
            #[cfg(feature = "web")]
            Kind::Web(_) => {}
        }
    }

    /// What an IRC client has said and asked for.
    pub(crate) fn irc(&self) -> Option<&irc::Session> {
        match &self.0 {
            Kind::Irc(irc) => Some(irc),
            _ => None,
        }
    }

    pub(crate) fn irc_mut(&mut self) -> Option<&mut irc::Session> {
        match &mut self.0 {
            Kind::Irc(irc) => Some(irc),
            _ => None,
        }
    }

    /// What was asked for last, of an IRC client.
    pub(crate) fn asked(&self) -> Verb {
        self.irc().map_or(Verb::Unknown, |irc| irc.asked)
    }

    /// For whom its request says that it was forwarded, which is told once.
    pub(crate) fn take_forwarded(&mut self) -> Option<String> {
        match &mut self.0 {
            Kind::Plain(_) | Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(web) => web.take_forwarded(),
        }
    }

    /// Whether the next frame may go out, as long as each must arrive alone.
    pub(crate) fn gap(&self) -> Option<Gap> {
        match &self.0 {
            Kind::Plain(plain) => plain.gap(),
            Kind::Irc(_) => None,
            #[cfg(feature = "web")]
            Kind::Web(_) => None,
        }
    }

    /// A frame was written that must arrive alone, if each must. Returns whether that is so.
    pub(crate) fn begin_gap(&mut self, now: Instant) -> bool {
        match &mut self.0 {
            Kind::Plain(plain) => plain.begin_gap(now),
            Kind::Irc(_) => false,
            #[cfg(feature = "web")]
            Kind::Web(_) => false,
        }
    }

    /// From now on frames may arrive together.
    pub(crate) fn end_gaps(&mut self) {
        match &mut self.0 {
            Kind::Plain(plain) => plain.end_gaps(),
            Kind::Irc(_) => {}
            #[cfg(feature = "web")]
            Kind::Web(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message asks for from a newcomer.
    fn asked(dialect: Dialect, line: &str) -> Vec<String> {
        let message = Message::Line(line.into());
        let commands = message.commands(dialect, Stage::Naming, "");
        commands.map(|command| format!("{command:?}")).collect()
    }

    #[test]
    fn a_message_may_ask_for_several_things_and_mostly_asks_for_one() {
        assert_eq!(asked(Dialect::Lines, "al"), [r#"Rename("al")"#]);
        assert_eq!(asked(Dialect::Datagram, "al : hi"), [r#"Rename("al")"#, r#"Say("hi")"#]);
        assert_eq!(Commands::None.count(), 0);
    }

    #[test]
    fn a_dialect_that_opens_by_itself_has_no_deadline_before_it_is_spoken() {
        let settings = crate::config::Config::default().session_settings();
        for dialect in Dialect::ALL {
            let session = Session::new(dialect, &settings, Instant::now());
            let is_open = dialect.spec().closed_unopened.is_none();
            assert_eq!(session.is_open(), is_open, "{dialect}");
            let has_deadline = !is_open || dialect == Dialect::Datagram;
            assert_eq!(session.deadline().is_some(), has_deadline, "{dialect}");
        }
    }
}

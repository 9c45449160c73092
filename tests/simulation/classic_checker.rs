//! What one client of an older dialect must have received: a walk as in `lines_checker.rs`, along
//! the frames that it got. Where the frames begin and end is known from what the server wrote and
//! when, and what was asked for from what the server read and when; both matter to these dialects,
//! and both are rules of theirs that are checked here.

use std::collections::VecDeque;
use std::time::Duration;

use chinwag::config::Config;
use chinwag::dialect::{Dialect, Framing};

use super::client::Client;
use super::codec_model::{self, Ask, CodecModel, Heard};
use super::decoder_model::Message;
use super::known::Known;
use super::lines;
use super::lines_checker::{Findings, Letter, invitation};
use super::names;
use super::order::{LOBBY, Order, What};

/// The least time between two writes to somebody to whom each frame must go alone.
const GAP: Duration = Duration::from_millis(100);

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Naming,
    Chatting,
    Over,
}

/// A walk.
pub(crate) struct ClassicChecker<'a> {
    order: &'a Order,
    config: &'a Config,
    client: &'a Client,
    codec_model: &'static CodecModel,
    messages: std::iter::Peekable<std::slice::Iter<'a, Message>>,
    stage: Stage,
    /// The next thing in the order.
    at: usize,
    /// Where it was in the order when it last asked for something that could be placed.
    asked_at: usize,
    /// Where it came in.
    joined_at: usize,
    known: Known,
    name: String,
    given: String,
    /// The line that came with a name too long to be known by it later.
    introduced: Option<Message>,
    /// The next ask as it was understood last, and with how much before it.
    peeked: Option<((Stage, usize, bool), Ask)>,
    /// What it must be told as soon as it is in.
    entry: VecDeque<String>,
    /// Who had too much to read to be written to.
    refused_by: Vec<usize>,
    findings: Findings,
}

impl<'a> ClassicChecker<'a> {
    /// Walks all that `client` has received. `here` says that it is still there and has had time
    /// to receive and be answered everything.
    pub(crate) fn through(
        client: &'a Client,
        order: &'a Order,
        config: &'a Config,
        here: bool,
    ) -> Findings {
        let mut lines_checker = ClassicChecker {
            order,
            config,
            client,
            codec_model: codec_model::of(client.dialect),
            messages: client.decoder_model.messages.iter().peekable(),
            stage: Stage::Naming,
            at: 0,
            asked_at: 0,
            joined_at: 0,
            known: Known::default(),
            name: String::new(),
            given: String::new(),
            introduced: None,
            peeked: None,
            entry: VecDeque::new(),
            refused_by: Vec::new(),
            findings: Findings::default(),
        };
        // By datagrams it is not told that it is too slow.
        let cut =
            client.dialect == Dialect::Datagram && order.left_for(client.id) == Some("too slow");
        lines_checker.findings.whole = client.has_all(here) && !cut;
        let frames = frames(client, lines_checker.findings.whole);
        for frame in lines_checker.enter(&frames) {
            lines_checker.step(frame);
        }
        if lines_checker.findings.whole {
            lines_checker.end(here);
        }
        // Which message it was that somebody had too much to read for cannot be told for certain.
        let refused_by = lines_checker.refused_by;
        for letter in &mut lines_checker.findings.sent {
            letter.sure &= !refused_by.contains(&letter.to);
        }
        lines_checker.findings.at = lines_checker.at;
        lines_checker.findings
    }

    // ── before the room ──────────────────────────────────────────────────────────────────────────

    /// The greeting, or being turned away. Returns the frames that follow.
    fn enter<'f>(&mut self, frames: &'f [String]) -> &'f [String] {
        let ((all, of_block), limits) = (self.client.company, &self.config.limits);
        let first = frames.first();
        if first == Some(&self.codec_model.words(codec_model::SERVER_FULL)) {
            assert!(all >= limits.clients_max, "full with {all} connections");
            self.stage = Stage::Over;
            return &frames[1..];
        }
        if first == Some(&self.codec_model.words(codec_model::ADDRESS_FULL)) {
            let full = self.client.block_max(limits).is_some_and(|max| of_block >= max);
            assert!(full, "{of_block} of one block");
            self.stage = Stage::Over;
            return &frames[1..];
        }
        let greeting = match self.codec_model.dialect {
            Dialect::Nick => "NICK",
            Dialect::Register => codec_model::QUESTION,
            _ => return frames,
        };
        match first {
            Some(first) => assert_eq!(first, greeting, "as a greeting"),
            None => assert!(!self.findings.whole, "no greeting"),
        }
        frames.get(1..).unwrap_or_default()
    }

    /// One frame that has come.
    fn step(&mut self, frame: &str) {
        assert_ne!(self.stage, Stage::Over, "{frame:?} after the end");
        if self.ends(frame) {
            self.stage = Stage::Over;
            return;
        }
        let heard = self.codec_model.hear(frame, self.order);
        if self.stage == Stage::Naming {
            match heard {
                Heard::Own if self.named(frame) => return,
                Heard::Room(whats, 0) if whats == [What::Stopping] && !self.has_joined() => {
                    self.stage = Stage::Over;
                    return;
                }
                _ => self.join(),
            }
        }
        match heard {
            Heard::Room(whats, more) => self.see(frame, &whats, more),
            Heard::Private { from, text } => self.read(&from, text),
            Heard::Invited { from, room } => self.read(&from, invitation(room)),
            Heard::Own => self.answered(frame),
        }
    }

    /// Whether this is the last frame that somebody gets, not being asked for.
    fn ends(&mut self, frame: &str) -> bool {
        if frame == self.codec_model.words(codec_model::TOO_SLOW) {
            assert!(self.client.is_slow(), "closed as too slow, but was always reading");
            self.findings.whole = false;
            return true;
        }
        let seconds = self.config.limits.nick_timeout.as_secs_f64();
        let timeout = self.codec_model.words(&format!("您在 {seconds} 秒内没有输入昵称。"));
        self.stage == Stage::Naming && frame == timeout
    }

    fn has_joined(&self) -> bool {
        self.order.joining_room(self.client.id, LOBBY, 0).is_some()
    }

    /// What the next message asks for.
    fn next_ask(&mut self) -> Option<Ask> {
        if let Some(line) = self.introduced.take() {
            return Some(self.understand(&line));
        }
        let message = self.messages.next()?;
        Some(self.understand(message))
    }

    fn peek_ask(&mut self) -> Option<Ask> {
        // While much of other rooms is gone past, it stays the same.
        let state = (self.stage, self.messages.len(), self.introduced.is_some());
        if self.peeked.as_ref().is_none_or(|(then, _)| *then != state) {
            let message = self.messages.peek().copied();
            let ask = match (&self.introduced, message) {
                (Some(line), _) => self.understand(line),
                (None, message) => self.understand(message?),
            };
            self.peeked = Some((state, ask));
        }
        self.peeked.as_ref().map(|(_, ask)| ask.clone())
    }

    fn understand(&self, message: &Message) -> Ask {
        let inside = self.stage != Stage::Naming || self.codec_model.dialect == Dialect::Anonymous;
        self.codec_model.understand(message, inside, &self.given, self.config.limits.line_bytes_max)
    }

    /// Whether a frame is an answer to somebody who is not in the room yet. It must be right.
    fn named(&mut self, frame: &str) -> bool {
        if self.codec_model.dialect == Dialect::Register {
            return self.registered(frame);
        }
        loop {
            match self.peek_ask() {
                Some(Ask::Blank) => self.messages.next(),
                Some(Ask::Refused(why)) if self.codec_model.dialect != Dialect::Datagram => {
                    self.messages.next();
                    assert_eq!(frame, self.codec_model.words(&why));
                    return true;
                }
                Some(Ask::Unterminated) => {
                    self.messages.next();
                    assert_eq!(frame, self.codec_model.words(codec_model::UNENDED));
                    self.stage = Stage::Over;
                    return true;
                }
                _ => return false,
            };
        }
    }

    /// The same where one is asked again.
    fn registered(&mut self, frame: &str) -> bool {
        if frame == codec_model::QUESTION {
            return true;
        }
        let ask = self.next_ask();
        match &ask {
            Some(Ask::Refused(why)) => assert_eq!(frame, self.codec_model.words(why)),
            Some(Ask::Unterminated) => {
                assert_eq!(frame, self.codec_model.words(codec_model::UNENDED));
                self.stage = Stage::Over;
            }
            Some(Ask::Name(typed)) => {
                let name = names::shown(typed);
                if frame == codec_model::ACCEPTED {
                    // It may have broken off before it was in.
                    if self.has_joined() {
                        self.join();
                        assert_eq!(self.name, name, "in as somebody else");
                    }
                } else if frame == codec_model::REGISTER_TAKEN {
                    let (from, to) = (self.client.events_before, self.order.events.len());
                    assert!(self.order.was_taken(&name, from, to), "{name} was free");
                } else {
                    assert!(!names::is_name(&name), "{name:?} was refused: {frame}");
                    let reserved = format!("昵称 {name} 是保留的，请换一个。");
                    let why = names::shown(frame.strip_prefix("系统消息").unwrap_or_default());
                    let is_known = codec_model::NO_NAME.contains(&&*why) || why == reserved;
                    assert!(is_known, "{frame:?}");
                }
            }
            ask => panic!("{frame:?} in answer to {ask:?}"),
        }
        true
    }

    /// It is in: finds the place, and sees whether it has the name that it must have.
    fn join(&mut self) {
        let id = self.client.id;
        let (coming, place) = (self.order.coming(id), self.order.joining_room(id, LOBBY, 0));
        let (Some(coming), Some(place)) = (coming, place) else {
            panic!("it hears the room, but the room was not told of it")
        };
        (0..coming).for_each(|at| self.known.apply(self.order, at));
        let What::Came(name) = &self.order.events[coming].0 else { panic!("not by coming") };
        self.name.clone_from(name);
        (self.joined_at, self.asked_at) = (place, place + 1);
        match self.codec_model.dialect {
            Dialect::Register => {}
            Dialect::Anonymous => {
                assert_eq!(
                    *name,
                    format!("{}:{}", self.client.remote.ip(), self.client.remote.port())
                );
            }
            _ => self.join_as_given(),
        }
        (coming..place).for_each(|at| self.known.apply(self.order, at));
        self.stage = Stage::Chatting;
        if self.codec_model.dialect == Dialect::Nick {
            self.entry.push_front(codec_model::NICK_ENTERED.to_owned());
        }
        self.at = place;
        if !self.codec_model.hears_own_joining {
            self.pass();
        }
    }

    /// The name must be what follows from the one it gave and from who was there.
    fn join_as_given(&mut self) {
        loop {
            match self.peek_ask() {
                Some(ask @ (Ask::Name(_) | Ask::Introduce(..))) => {
                    let (given, line) = match ask {
                        Ask::Introduce(given, line) => (given, Some(line)),
                        Ask::Name(given) => (given, None),
                        _ => return,
                    };
                    let must = codec_model::entering(&given, self.known.names());
                    assert_eq!(self.name, must, "{given:?} to {:?}", self.known.names());
                    if given != self.name {
                        self.entry.push_back(codec_model::renamed(&self.name));
                    }
                    self.given = given;
                    self.peeked = None;
                    // With a line in it, it is understood once more, as that line.
                    let is_kept = self.given.len() <= 128;
                    if line.is_none() || !is_kept {
                        self.messages.next();
                    }
                    self.introduced = line.filter(|_| !is_kept).map(Message::Text);
                    return;
                }
                Some(Ask::Blank) => self.messages.next(),
                ask => panic!("in as {}, having asked for {ask:?}", self.name),
            };
        }
    }

    // ── in the room ──────────────────────────────────────────────────────────────────────────────

    /// Something that was told to the room.
    fn see(&mut self, frame: &str, whats: &[What], more: usize) {
        for what in whats {
            self.see_one(frame, |next| next == what);
        }
        for _ in 0..more {
            let last = whats.last();
            self.see_one(frame, |next| last.is_some_and(|last| next.is_like(last)));
        }
        if matches!(self.order.events[self.at - 1].0, What::Stopping) {
            while let Some(Ask::Blank | Ask::Tell(..)) = self.peek_ask() {
                if let Some(Ask::Tell(name, text)) = self.next_ask() {
                    self.try_to_write(&name, &text, self.at, false);
                }
            }
            self.stage = Stage::Over;
        }
    }

    /// Goes past one thing that it is told, and what is hidden before.
    fn see_one(&mut self, frame: &str, is_told: impl Fn(&What) -> bool) {
        while self.at < self.order.events.len() && self.is_hidden(self.at) {
            self.pass();
        }
        let Some((next, _)) = self.order.events.get(self.at) else {
            panic!("{frame:?}, which the witness has not heard");
        };
        assert!(is_told(&next.without_reason()), "{frame:?} instead of {next:?}");
        self.findings.heard += usize::from(matches!(next, What::Said { .. }));
        self.pass();
    }

    /// Goes past the next thing in the order.
    fn pass(&mut self) {
        let (what, _) = &self.order.events[self.at];
        let told_with_me = self.order.told_in[self.at] == self.order.told_in[self.joined_at];
        let is_told = self.order.rooms[self.at] & LOBBY != 0 && !told_with_me;
        assert!(!is_told || self.entry.is_empty(), "not told {:?}", self.entry);
        if let What::Said { text, emote, .. } = what
            && self.order.by[self.at] == self.client.id
        {
            assert!(!emote, "it cannot say so");
            self.skip_silent(self.at);
            let says = |ask: &Option<Ask>| matches!(ask, Some(Ask::Say(wanted)) if wanted == text);
            let mut ask = self.next_ask();
            while !says(&ask) && self.client.is_lossy() && ask.is_some() {
                ask = self.next_ask();
            }
            assert!(says(&ask), "the room was told {what:?}, but what was asked for is {ask:?}");
            self.asked_at = self.at + 1;
        }
        self.known.apply(self.order, self.at);
        self.at += 1;
    }

    /// Goes past what was asked for and is not answered, all of it before the place `to`.
    fn skip_silent(&mut self, to: usize) {
        loop {
            match self.peek_ask() {
                Some(Ask::Blank) => {}
                Some(Ask::Refused(_)) if self.codec_model.dialect == Dialect::Datagram => {}
                Some(Ask::Tell(name, text)) => self.write(&name, &text, to),
                _ => return,
            }
            self.next_ask();
        }
    }

    /// A private message that went out.
    fn write(&mut self, name: &str, text: &str, to: usize) {
        let any = self.try_to_write(name, text, to, true);
        assert!(any, "neither sent nor refused: to {name}: {text}");
    }

    /// The same; perhaps it went out, if not `sure`. Returns whether it can have been.
    fn try_to_write(&mut self, name: &str, text: &str, to: usize, sure: bool) -> bool {
        let (mut known, mut owners) = (Known::default(), Vec::new());
        for at in 0..=to {
            if at >= self.asked_at {
                owners.push(known.find(name).map(|(id, _)| id));
            }
            if at < to {
                known.apply(self.order, at);
            }
        }
        owners.dedup();
        let sure = sure && owners.len() == 1;
        let span = (self.asked_at, to);
        let letter = |to| Letter { from: self.client.id, to, text: text.to_owned(), span, sure };
        let letters: Vec<_> = owners.into_iter().flatten().map(letter).collect();
        let before = self.findings.sent.len();
        self.findings.sent.extend(letters);
        self.findings.sent.len() > before
    }

    /// A private message that came.
    fn read(&mut self, from: &str, text: String) {
        while self.known.called(from).is_none() && self.may_pass() {
            self.pass();
        }
        let sender = self.known.called(from);
        let sender = sender.unwrap_or_else(|| panic!("{from} is not here, but wrote {text}"));
        let (to, span) = (self.client.id, (self.at, self.at + self.hidden().count()));
        self.findings.got.push(Letter { from: sender, to, text, span, sure: true });
    }

    /// Something for this client alone: it must answer what it asked for next.
    fn answered(&mut self, frame: &str) {
        if self.entry.front().is_some_and(|entry| entry == frame) {
            self.entry.pop_front();
            return;
        }
        loop {
            self.catch_up(frame);
            // Not before a private message to somebody who is not there, which is answered.
            match self.peek_ask() {
                Some(Ask::Blank) => {}
                Some(Ask::Tell(to, text)) if !self.is_refused(&to, &text, frame) => {
                    self.write(&to, &text, self.before_acting());
                }
                _ => break,
            }
            self.next_ask();
        }
        let (ask, mut asked_at) = (self.next_ask(), self.at);
        if let Some(Ask::Tell(to, text)) = &ask
            && let Some(reader) = self.is_too_much(to, frame)
        {
            self.refused_by.push(reader);
            self.write(to, text, self.before_acting());
            // It may be another one that was refused, and this one and the next were sent before.
            asked_at = self.asked_at;
        }
        let words = |words: &str| self.codec_model.words(words);
        let first = self.entry.is_empty() || matches!(ask, Some(Ask::Refused(_)));
        assert!(first, "{frame:?} before {:?}", self.entry);
        let expected = match &ask {
            Some(Ask::Who) => codec_model::who(self.known.rosters.of(LOBBY)),
            Some(Ask::Help) => codec_model::MENTION_HELP.to_owned(),
            Some(Ask::Misuse) => codec_model::MENTION_USAGE.to_owned(),
            Some(Ask::Refused(why)) => words(why),
            Some(Ask::Unterminated) => words(codec_model::UNENDED),
            Some(Ask::Quit) if self.codec_model.dialect == Dialect::Register => {
                codec_model::REGISTER_GOODBYE.to_owned()
            }
            Some(Ask::Tell(..)) => frame.to_owned(),
            ask => panic!("{frame:?} in answer to {ask:?}"),
        };
        assert_eq!(frame, expected, "in answer to {ask:?}");
        self.asked_at = asked_at;
        if matches!(ask, Some(Ask::Unterminated | Ask::Quit)) {
            self.leave();
        }
    }

    /// Whether a private message is refused by this frame, and rightly.
    fn is_refused(&self, to: &str, text: &str, frame: &str) -> bool {
        let found = self.known.find(to).map(|(_, name)| name);
        if frame == format!("这里没有人叫 {}。", lines::clean(to)) {
            return found.is_none() || self.goes_elsewhere(to);
        }
        let own = found.is_some_and(|name| *name == self.name);
        let blank = found.is_some() && lines::is_blank(text);
        frame == codec_model::TELL_SELF && own
            || frame == codec_model::MENTION_USAGE && blank
            || self.is_too_much(to, frame).is_some()
    }

    /// Whether nobody was called so at some place before the next thing that it hears, because of
    /// what happened in other rooms.
    fn goes_elsewhere(&self, name: &str) -> bool {
        let mut known = self.known.clone();
        self.hidden().any(|at| {
            known.apply(self.order, at);
            known.find(name).is_none()
        })
    }

    /// The last place at which it may be before it does something or hears of anything.
    fn before_acting(&self) -> usize {
        let is_act = |at: &usize| self.order.by[*at] == self.client.id;
        self.at + self.hidden().take_while(|at| !is_act(at)).count()
    }

    /// The places of what may have happened before the next thing that it hears.
    fn hidden(&self) -> impl Iterator<Item = usize> {
        (self.at..self.order.events.len()).take_while(|at| self.is_hidden(*at))
    }

    /// Whether what comes next in the order is not for this client, so that it may have happened.
    fn may_pass(&self) -> bool {
        self.at < self.order.events.len() && self.is_hidden(self.at)
    }

    /// Who has too much to read to be written to, if `frame` says that of `to` at some place before
    /// the next thing that it hears.
    fn is_too_much(&self, to: &str, frame: &str) -> Option<usize> {
        let says = |known: &Known| {
            let (id, name) = known.find(to)?;
            let words = format!("{name} 未读的消息太多，您的私信没有发送。");
            (frame == self.codec_model.words(&words)).then_some(id)
        };
        says(&self.known).or_else(|| {
            let mut known = self.known.clone();
            self.hidden().find_map(|at| {
                known.apply(self.order, at);
                says(&known)
            })
        })
    }

    /// Goes past what the client said before it asked for what is answered by `frame`.
    fn catch_up(&mut self, frame: &str) {
        while let Some(ask) = self.peek_ask() {
            match (ask, self.order.events.get(self.at)) {
                (Ask::Blank, _) => {
                    self.next_ask();
                }
                (Ask::Refused(_), _) if self.codec_model.dialect == Dialect::Datagram => {
                    self.next_ask();
                }
                (Ask::Say(_), Some(_)) if self.is_hidden(self.at) => {
                    self.pass();
                }
                (Ask::Say(_), _) if self.client.is_lossy() => return,
                (Ask::Say(_), next) => {
                    panic!("{frame:?} instead of {next:?}");
                }
                _ => return,
            }
        }
    }

    // ── the end ──────────────────────────────────────────────────────────────────────────────────

    /// Nothing must be missing before the client's leaving.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        while let Some((next, _)) = self.order.events.get(self.at) {
            if self.order.leaves_at(&self.name, self.at) {
                return;
            }
            assert!(self.is_hidden(self.at), "{next:?} was lost");
            self.pass();
        }
        panic!("it has left, but the room was not told");
    }

    /// The connection has ended in good order, or all is quiet and the client is `here`.
    fn end(&mut self, here: bool) {
        if self.stage == Stage::Naming && self.has_joined() {
            self.join();
        }
        if self.stage == Stage::Over {
            return;
        }
        if self.stage == Stage::Naming {
            return self.end_outside(here);
        }
        if self.order.left_for(self.client.id) == Some("timed out") {
            // What it said faster than it may is not waited for.
            return self.leave();
        }
        self.catch_up("the end");
        self.skip_silent(self.before_acting());
        assert!(self.entry.is_empty(), "not told {:?}", self.entry);
        let asked = if self.client.is_lossy() { None } else { self.peek_ask() };
        if !here {
            let quits = match asked {
                Some(Ask::Quit) => self.codec_model.dialect != Dialect::Register,
                Some(Ask::WrongProtocol) => true,
                _ => false,
            };
            let silent = self.client.dialect == Dialect::Datagram;
            assert!(quits || asked.is_none(), "{asked:?} was not answered");
            assert!(quits || silent || self.client.ended_input(), "closed without a reason");
            return self.leave();
        }
        assert_eq!(asked, None, "not answered");
        while let Some((next, _)) = self.order.events.get(self.at) {
            assert!(self.is_hidden(self.at), "{next:?} was lost");
            self.pass();
        }
    }

    /// It has never come in.
    fn end_outside(&mut self, here: bool) {
        let silent = self.client.dialect == Dialect::Datagram;
        while let Some(ask) = self.next_ask() {
            match ask {
                Ask::Blank => {}
                Ask::Refused(_) | Ask::Quit | Ask::WrongProtocol if silent => return,
                Ask::WrongProtocol if !here => return,
                // Its address has too many connections, and it cannot be told.
                _ if silent && !here => return,
                ask => panic!("{ask:?} was not answered"),
            }
        }
        assert!(here || silent || self.client.ended_input(), "closed without a reason");
    }

    /// Whether something is not for this client.
    fn is_hidden(&self, at: usize) -> bool {
        let (what, _) = &self.order.events[at];
        let own = matches!(what, What::Said { from, .. } if *from == self.name);
        self.order.rooms[at] & LOBBY == 0 || own && !self.codec_model.echoes
    }
}

/// The frames that a client has received. If there are `all`, the last one must be whole.
fn frames(client: &Client, all: bool) -> Vec<String> {
    let socket = &client.socket;
    if client.dialect.framing() == Framing::Datagrams {
        return socket.datagrams_out.iter().map(|bytes| text(bytes, true)).collect();
    }
    let received = &client.received[..];
    assert!(!all || received.len() == socket.written, "something is still underway");
    match client.dialect {
        Dialect::Anonymous => {
            let text = text(received, all);
            let mut frames: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
            let rest = frames.pop();
            assert!(!all || rest.is_some_and(|rest| rest.is_empty()), "the last line has no end");
            frames
        }
        Dialect::Register => register_frames(client, received, all),
        _ => {
            let mut frames = Vec::new();
            let mut from = 0;
            for &to in &socket.drained {
                if to > received.len() {
                    break;
                }
                let frame = text(&received[from..to], true);
                let farewell = socket.turned_away;
                assert!(farewell || !frame.ends_with('\n'), "{frame:?} is all, but ends with LF");
                frames.extend(frame.trim_end_matches('\n').split('\n').map(str::to_owned));
                from = to;
            }
            assert!(!all || from == received.len(), "something is still to be written");
            let rest = text(&received[from..], false);
            let mut rest: Vec<_> = rest.split('\n').map(str::to_owned).collect();
            rest.pop();
            frames.extend(rest);
            frames
        }
    }
}

/// Those of `register`: of its handshake, each must have gone alone, and not too soon.
fn register_frames(client: &Client, received: &[u8], all: bool) -> Vec<String> {
    let received = text(received, all);
    let (mut rest, mut frames, mut ends) = (&received[..], Vec::new(), Vec::new());
    while !rest.is_empty() {
        let frame = if let Some(after) = rest.strip_prefix(codec_model::QUESTION) {
            rest = after;
            codec_model::QUESTION
        } else if rest == codec_model::REGISTER_GOODBYE {
            rest = "";
            codec_model::REGISTER_GOODBYE
        } else if let Some((frame, after)) = rest.split_once('\n') {
            rest = after;
            frame
        } else {
            assert!(!all, "{rest:?} has no end");
            break;
        };
        frames.push(frame.to_owned());
        ends.push(received.len() - rest.len());
        if frame == codec_model::ACCEPTED {
            check_gaps(client, &ends);
        }
    }
    if !frames.iter().any(|frame| frame == codec_model::ACCEPTED) {
        check_gaps(client, &ends);
    }
    frames
}

/// No write has bytes of two of the frames that end there, and after each there is time before the
/// next.
fn check_gaps(client: &Client, ends: &[usize]) {
    if client.socket.turned_away {
        return;
    }
    let writes = &client.socket.writes;
    for end in ends {
        let alone =
            writes.iter().any(|(_, to)| to == end) || *end > writes.last().map_or(0, |w| w.1);
        assert!(alone, "a frame of the handshake is not alone: {writes:?} at {ends:?}");
    }
    for pair in writes.windows(2).filter(|pair| ends.contains(&pair[0].1)) {
        let gap = pair[1].0.saturating_duration_since(pair[0].0);
        assert!(gap >= GAP, "{gap:?} after a frame of the handshake");
    }
}

/// What came as text, perhaps cut in the middle of a character.
fn text(bytes: &[u8], whole: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() && !whole => {
            String::from_utf8(bytes[..error.valid_up_to()].to_vec()).unwrap()
        }
        Err(error) => panic!("what came is not UTF-8: {error}"),
    }
}

//! What one client must have received, byte for byte: a walk along the lines that it got, with one
//! finger on the order of what happened in all rooms and another on what it asked for.
//!
//! Everything that was told to its room must be there, once and in order, but for the client's own
//! lines and those of people it does not hear; every wish must be answered, in order, by what was
//! true at that place. Where a hidden line stands cannot be seen from outside, and what is told in
//! another room is hidden, so the walk knows of a place in the order only that it is within a span.
//! An answer that depends on other rooms must be right at some place of it: the walk goes on to the
//! first one.

use chinwag::config::Config;

use super::browser;
use super::client::Client;
use super::known::Known;
use super::lines::{self, Heard, Line, Naming, Wish};
use super::names;
use super::order::{LOBBY, Order, ROOMS, Rooms, What, title};

/// A private message at one of its ends.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) text: String,
    /// Between which places of the order it was.
    pub(crate) span: (usize, usize),
    /// Whoever it was for was there at all of them.
    pub(crate) sure: bool,
}

/// What a walk has brought to light that others are to be held against.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) sent: Vec<Letter>,
    pub(crate) got: Vec<Letter>,
    /// Whom it did not hear, from which place to which.
    pub(crate) deaf: Vec<(Vec<usize>, (usize, usize))>,
    /// How many lines it heard …
    pub(crate) heard: usize,
    /// … and how far in the order it has got.
    pub(crate) at: usize,
    /// It got everything that was for it.
    pub(crate) whole: bool,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Naming,
    Chatting,
    /// It has been told that it is over.
    Over,
}

/// A walk.
pub(crate) struct LinesChecker<'a> {
    order: &'a Order,
    config: &'a Config,
    client: &'a Client,
    heard: std::iter::Peekable<std::vec::IntoIter<String>>,
    wishes: std::iter::Peekable<std::slice::Iter<'a, Line>>,
    stage: Stage,
    /// The next thing in the order.
    at: usize,
    known: Known,
    /// The rooms that it is in.
    rooms: Rooms,
    name: String,
    ignoring_since: usize,
    /// Who is heard again, but perhaps not yet at this place.
    grace: Vec<usize>,
    /// Who wrote to it last, and under which name.
    last_sender: Option<(usize, String)>,
    findings: Findings,
}

impl<'a> LinesChecker<'a> {
    /// Walks all that `client` has received. `here` says that it is still there and has had time
    /// to receive and be answered everything.
    pub(crate) fn through(
        client: &'a Client,
        order: &'a Order,
        config: &'a Config,
        here: bool,
    ) -> Findings {
        let (heard, rest) = client.heard();
        let cut = heard.last().is_some_and(|last| last == lines::TOO_SLOW);
        let mut lines_checker = LinesChecker {
            order,
            config,
            client,
            heard: heard.into_iter().peekable(),
            wishes: client.lines.iter().peekable(),
            stage: Stage::Naming,
            at: 0,
            known: Known::default(),
            rooms: 0,
            name: String::new(),
            ignoring_since: 0,
            grace: Vec::new(),
            last_sender: None,
            findings: Findings::default(),
        };
        // Its connection went to pieces, so anything may be missing at the end.
        lines_checker.findings.whole = client.has_all(here) && !cut;
        lines_checker.enter();
        while let Some(line) = lines_checker.heard.next() {
            lines_checker.step(&line);
        }
        if lines_checker.findings.whole {
            assert_eq!(rest, "", "the last line has no end");
            lines_checker.end(here);
        }
        lines_checker.note_deafness();
        lines_checker.findings.at = lines_checker.at;
        lines_checker.findings
    }

    // ── before the room ──────────────────────────────────────────────────────────────────────────

    /// The greeting, or being turned away.
    fn enter(&mut self) {
        let (all, of_block) = self.client.company;
        match self.heard.peek().map(String::as_str) {
            Some(lines::SERVER_FULL) => {
                assert!(all >= self.config.limits.clients_max, "full with {all} connections");
                return self.over();
            }
            Some(lines::ADDRESS_FULL) => {
                let max = self.client.block_max(&self.config.limits);
                assert!(max.is_some_and(|max| of_block >= max), "{of_block} of one block");
                return self.over();
            }
            Some(browser::REQUEST_TIMEOUT | browser::STOPPING) => return self.over(),
            _ => {}
        }
        let motd = self.config.motd.iter().map(|line| format!("* {}", lines::clean(line)));
        for line in motd.chain([lines::ASKED.to_owned()]) {
            match self.heard.next() {
                Some(heard) => assert_eq!(heard, line, "as a greeting"),
                None => assert!(!self.findings.whole, "no greeting"),
            }
        }
    }

    fn over(&mut self) {
        self.heard.next();
        self.stage = Stage::Over;
    }

    /// One line that has come.
    fn step(&mut self, line: &str) {
        if self.ends(line) {
            self.stage = Stage::Over;
            return;
        }
        match self.stage {
            Stage::Naming => self.named(line),
            Stage::Chatting => match lines::hear(line) {
                Heard::Room(whats, more, count) => self.see(line, whats, more, count),
                Heard::Private { from, text } => {
                    let sender = self.read(&from, text);
                    self.last_sender = Some((sender, from));
                }
                Heard::Invited { from, room } => {
                    self.read(&from, invitation(room));
                }
                Heard::Own => self.answered(line),
            },
            Stage::Over => panic!("{line:?} after the end"),
        }
    }

    /// Whether this is the last line that somebody gets, not being asked for.
    fn ends(&mut self, line: &str) -> bool {
        if line == lines::TOO_SLOW {
            // What waited for it was forgotten.
            assert!(self.client.slow, "closed as too slow, but was always reading");
            self.findings.whole = false;
            return true;
        }
        if line == browser::UNRESPONSIVE {
            self.client.check_unresponsive();
            self.leave();
            return true;
        }
        let seconds = self.config.limits.nick_timeout.as_secs_f64();
        let timeout = format!("! You gave no nickname within {seconds} seconds.");
        self.stage == Stage::Naming && (line == lines::STOPPING || line == timeout)
    }

    /// An answer to somebody who gives a name.
    fn named(&mut self, line: &str) {
        self.skip_ignored();
        let Some(wish) = self.wishes.next() else { panic!("{line:?} answers nothing") };
        let refused = |why: &str| assert_eq!(line, why, "in answer to {wish:?}");
        match &wish.naming {
            Naming::Attempt(name) => {
                if line == format!("! The nickname {} is taken. Try another.", name.shown) {
                    let (from, to) = (self.client.events_before, self.order.events.len());
                    let taken = self.order.was_taken(&name.shown, from, to);
                    return assert!(taken, "{} was free", name.shown);
                }
                self.join(&name.shown, line);
            }
            Naming::Refused(why) => refused(why),
            Naming::Impossible => {
                let whys = [names::BAD_CHARACTER, names::TOO_LONG];
                let fits = line.strip_prefix("! ").is_some_and(|why| whys.contains(&why));
                assert!(fits, "{line:?} in answer to {wish:?}");
            }
            Naming::AsChatting => self.answer(wish, line),
            Naming::WrongProtocol => panic!("{line:?} in answer to another protocol"),
            Naming::Ignored => panic!("it was skipped"),
        }
    }

    /// Goes past wishes that mean nothing before there is a name.
    fn skip_ignored(&mut self) {
        while self.wishes.next_if(|line| matches!(line.naming, Naming::Ignored)).is_some() {}
    }

    /// Finds the place where the client came in, and sees whether it was greeted as it should.
    fn join(&mut self, name: &str, line: &str) {
        for ((what, _), by) in self.order.events.iter().zip(&self.order.by) {
            self.known.apply(self.order, self.at);
            self.at += 1;
            if *by == self.client.id && matches!(what, What::Joined(joined) if joined == name) {
                if self.client.is_browser() {
                    self.meet_those_behind();
                }
                assert_eq!(line, lines::welcome(name, self.known.rosters.of(LOBBY)));
                (self.stage, self.name) = (Stage::Chatting, name.to_owned());
                self.rooms = LOBBY;
                let history = self.history(&self.known, usize::MAX, self.at);
                return self.expect(&history);
            }
        }
        panic!("{line:?}, but the room was not told");
    }

    /// A browser finds those there who were told of together with it.
    fn meet_those_behind(&mut self) {
        let last = self.order.line_from(self.at - 1).last();
        while last.is_some_and(|last| self.at <= last) {
            self.known.apply(self.order, self.at);
            self.at += 1;
        }
    }

    // ── in the room ──────────────────────────────────────────────────────────────────────────────

    /// Something that was told to the room.
    fn see(&mut self, line: &str, whats: Vec<What>, more: usize, count: Option<usize>) {
        let last = whats.last().cloned();
        for what in whats {
            self.see_one(line, |next| *next == what);
        }
        for _ in 0..more {
            self.see_one(line, |next| last.as_ref().is_some_and(|last| next.is_like(last)));
        }
        if let Some(count) = count {
            let room = self.order.rooms[self.at - 1];
            let here = self.known.rosters.of(room).len();
            assert_eq!(count, here, "the count is wrong in {line:?}");
        }
        if matches!(self.order.events[self.at - 1].0, What::Stopping) {
            self.stage = Stage::Over;
        }
    }

    /// Goes past one thing that it is told, and what is hidden before.
    fn see_one(&mut self, line: &str, is_told: impl Fn(&What) -> bool) {
        loop {
            let Some((next, _)) = self.order.events.get(self.at) else {
                panic!("{line:?}, which the witness has not heard");
            };
            let (next, hidden) = (self.as_told(next), self.is_hidden(self.at));
            if !hidden && is_told(&next) {
                self.findings.heard += usize::from(matches!(next, What::Said { .. }));
                self.pass();
                return self.grace.clear();
            }
            assert!(hidden || self.is_in_grace(self.at), "{line:?} instead of {next:?}");
            self.pass();
        }
    }

    /// Goes past the next thing in the order.
    fn pass(&mut self) {
        let what = &self.order.events[self.at].0;
        let mine = self.order.by[self.at] == self.client.id;
        if mine && matches!(what, What::Said { .. } | What::Topic { .. } | What::Renamed { .. }) {
            self.did(what);
            self.grace.clear();
        }
        if matches!(what, What::Came(_) | What::Went(_) | What::Renamed { .. }) {
            // Whom it does not hear may be another one from now on.
            self.at += 1;
            self.note_deafness();
            self.at -= 1;
        }
        self.known.apply(self.order, self.at);
        self.at += 1;
        if mine && let What::Renamed { new, .. } = what {
            self.name.clone_from(new);
        }
    }

    /// Goes on, past what it does not see, to the first place at which something is so.
    fn until<T>(&mut self, is_so: impl Fn(&Self, &Known) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = is_so(self, &self.known) {
                return Some(found);
            }
            let is_next = self.order.events.get(self.at).is_some()
                && (self.is_hidden(self.at) || self.is_in_grace(self.at))
                && !self.is_act(self.at);
            if !is_next {
                return None;
            }
            self.pass();
        }
    }

    /// The room that it is in.
    fn room(&self) -> Rooms {
        self.rooms & self.rooms.wrapping_neg()
    }

    /// Who is there.
    fn roster(&self) -> &[String] {
        self.known.rosters.of(self.room())
    }

    /// What is so told to this client: the last words of somebody it ignores are left out.
    fn as_told(&self, what: &What) -> What {
        match what {
            What::Left { why: Some(why), .. } if self.ignores(self.order.by[self.at]) => {
                if lines::REASONS.contains(&why.as_str()) {
                    return what.clone();
                }
                what.without_reason()
            }
            what => what.clone(),
        }
    }

    /// Something that the client itself did: it must be what it asked for next.
    fn did(&mut self, what: &What) {
        self.skip_silent();
        let wish = self.wishes.next().map(|line| &line.wish);
        let asked = match (what, wish) {
            (What::Said { text, emote: false, .. }, Some(Wish::Say(wanted)))
            | (What::Said { text, emote: true, .. }, Some(Wish::Emote(wanted))) => text == wanted,
            (What::Topic { text, .. }, Some(Wish::Topic(wanted))) => {
                let room = self.order.rooms[self.at];
                assert!(!self.is_governed(room), "only who is in charge says what it is about");
                text == wanted
            }
            (What::Renamed { new, .. }, Some(Wish::Nick(name))) => {
                assert_ne!(self.name, name.shown, "renamed to what it was");
                *new == name.shown
            }
            _ => false,
        };
        assert!(asked, "the room was told {what:?}, but what was asked for is {wish:?}");
    }

    /// Whether somebody else is in charge of a room: whoever has opened it, which is the witness.
    fn is_governed(&self, room: Rooms) -> bool {
        let name = &title(room)[1..];
        room != LOBBY && !self.config.rooms.iter().any(|permanent| permanent.as_str() == name)
    }

    /// Goes past wishes that nobody ever hears of.
    fn skip_silent(&mut self) {
        let silent = |line: &&Line| matches!(&line.wish, Wish::Say(t) if t.trim().is_empty());
        while self.wishes.next_if(|line| silent(line)).is_some() {}
    }

    /// Something for this client alone: it must answer what it asked for next.
    fn answered(&mut self, line: &str) {
        self.catch_up(line);
        let Some(wish) = self.wishes.next() else { panic!("{line:?} answers nothing") };
        self.answer(wish, line);
    }

    /// Goes past what the client said before it asked for what is answered by `line`.
    fn catch_up(&mut self, line: &str) {
        loop {
            self.skip_silent();
            let Some(Line { wish: Wish::Say(_) | Wish::Emote(_), .. }) = self.wishes.peek() else {
                return;
            };
            match self.order.events.get(self.at) {
                Some(_) if self.is_hidden(self.at) || self.is_in_grace(self.at) => self.pass(),
                next => panic!("{line:?} instead of {next:?}, before {:?}", self.wishes.peek()),
            }
        }
    }

    /// A private message, or an invitation. Returns which client sent it.
    fn read(&mut self, from: &str, text: String) -> usize {
        // What it said itself, and does not hear, may have come before.
        while self.known.called(from).is_none()
            && self.at < self.order.events.len()
            && self.is_hidden(self.at)
        {
            self.pass();
        }
        let sender = self.known.called(from);
        let sender = sender.unwrap_or_else(|| panic!("{from} is not here, but wrote {text}"));
        assert!(!self.ignores(sender), "{from} is ignored, but wrote {text}");
        let (to, span) = (self.client.id, self.span());
        self.findings.got.push(Letter { from: sender, to, text, span, sure: true });
        sender
    }

    // ── answers ──────────────────────────────────────────────────────────────────────────────────

    /// `line` must be the answer to `wish`, together with the lines that follow.
    fn answer(&mut self, wish: &'a Line, line: &str) {
        let one = |line: String| vec![line];
        let expected = match &wish.wish {
            Wish::Say(_) | Wish::Emote(_) => panic!("{line:?} in answer to {wish:?}"),
            Wish::Tell(to, text) => one(self.tell(to, text, line)),
            Wish::Reply(text) => one(self.reply(text, line)),
            Wish::Nick(name) => one(self.nick_refusal(&name.shown, line)),
            Wish::BadNick(why) | Wish::Refused(why) => one(why.clone()),
            Wish::Who => one(lines::who(self.roster())),
            Wish::WhoIn(Ok(room)) => one(self.who_is_in(*room, line)),
            Wish::WhoIn(Err(why)) => one(why.clone()),
            Wish::Join(room) => return self.go_to(*room, line),
            Wish::Part => return self.go_to(LOBBY, line),
            Wish::Where => one(format!("* You are in {}.", title(self.room()))),
            Wish::Rooms => self.list_rooms(line),
            Wish::Topic(_) => {
                assert!(self.is_governed(self.room()), "{line:?} in answer to {wish:?}");
                one(lines::operator_only(title(self.room())))
            }
            Wish::AskTopic => {
                let room = self.room();
                one(lines::topic(title(room), self.known.topic(room)))
            }
            Wish::Invite(name) => one(self.invite(name, line)),
            Wish::History(count) => self.recall(*count, line),
            Wish::Ignore(name) => one(self.ignore(name, line)),
            Wish::Unignore(name) => one(self.unignore(name, line)),
            Wish::Ignoring => {
                let tell = |known: &Known| known.tell(&known.ignoring);
                let fits = |_: &Self, known: &Known| (tell(known) == line).then_some(());
                self.until(fits).map_or_else(|| one(tell(&self.known)), |()| one(line.to_owned()))
            }
            Wish::Help(Some(i)) => one(lines::HELP[*i].1.to_owned()),
            Wish::Help(None) => lines::HELP.iter().map(|(_, text)| (*text).to_owned()).collect(),
            Wish::Quit(_) => {
                self.leave();
                one(lines::GOODBYE.to_owned())
            }
            Wish::Endless => {
                self.leave();
                one(lines::UNENDED.to_owned())
            }
            Wish::Violation(code) => {
                self.leave();
                one(lines::violation(*code))
            }
        };
        assert_eq!(line, expected[0], "in answer to {wish:?}");
        self.expect(&expected[1..]);
    }

    /// These lines must come next.
    fn expect(&mut self, lines: &[String]) {
        for line in lines {
            match self.heard.next_if(|heard| heard != lines::TOO_SLOW) {
                Some(heard) => assert_eq!(heard, *line),
                None => assert!(!self.findings.whole, "{line:?} is missing"),
            }
        }
    }

    fn tell(&mut self, to: &str, text: &str, line: &str) -> String {
        let me = self.client.id;
        let answer = |found: Option<(usize, &String)>| match found {
            None => format!("! Nobody here is called {to}."),
            Some((id, _)) if id == me => lines::TELL_SELF.to_owned(),
            Some((_, name)) if line == lines::too_much(name) => line.to_owned(),
            Some((_, name)) => format!("[you -> {name}] {text}"),
        };
        let found = self.until(|_, known| {
            let found = known.find(to);
            (answer(found) == line).then(|| found.map(|(id, _)| id))
        });
        match found {
            Some(Some(id)) if line != lines::TELL_SELF => self.write(id, text, line),
            Some(_) => {}
            None => return answer(self.known.find(to)),
        }
        line.to_owned()
    }

    /// A private message that went out; or did not, for its reader has too much to read.
    fn write(&mut self, to: usize, text: &str, line: &str) {
        if line.starts_with("! ") {
            return;
        }
        let span = self.span_before_acting();
        // Where that is told in another room, its reader may have left, and another have its name.
        let sure = self.order.going(to).is_none_or(|gone| gone < span.0 || gone > span.1);
        let (from, text) = (self.client.id, text.to_owned());
        self.findings.sent.push(Letter { from, to, text, span, sure });
    }

    fn reply(&mut self, text: &str, line: &str) -> String {
        let Some((to, then)) = self.last_sender.clone() else {
            return lines::NOTHING_TO_REPLY.to_owned();
        };
        let answer = |known: &Known| match known.name_of(to) {
            Some(name) if line == lines::too_much(name) => line.to_owned(),
            Some(name) => format!("[you -> {name}] {text}"),
            None => format!("! Nobody here is called {then}."),
        };
        match self.until(|_, known| (answer(known) == line).then_some(())) {
            Some(()) => self.write(to, text, line),
            None => return answer(&self.known),
        }
        line.to_owned()
    }

    fn invite(&mut self, name: &str, line: &str) -> String {
        let room = self.room();
        let answer = |known: &Known| match known.find(name) {
            None => format!("! Nobody here is called {name}."),
            Some((_, name)) if known.rosters.of(room).contains(name) => {
                format!("! {name} is there already.")
            }
            Some((_, name)) if line == lines::too_much(name) => line.to_owned(),
            Some((_, name)) => format!("* You have invited {name} to {}.", title(room)),
        };
        let found = self.until(|_, known| {
            let found = known.find(name).map(|(id, _)| id);
            (answer(known) == line).then_some(found)
        });
        match found {
            Some(Some(id)) => self.write(id, &invitation(room), line),
            Some(None) => {}
            None => return answer(&self.known),
        }
        line.to_owned()
    }

    fn nick_refusal(&mut self, name: &str, line: &str) -> String {
        if name == self.name {
            return format!("! You are already called {name}.");
        }
        let refusal = format!("! The nickname {name} is taken. Try another.");
        if line != refusal {
            return refusal;
        }
        let taken = self.until(|walk, known| known.is_taken(name, walk.client.id).then_some(()));
        assert!(taken.is_some(), "{name} was free, but refused");
        refusal
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// The answer to who wants to go to a room.
    fn go_to(&mut self, room: Rooms, line: &str) {
        if self.rooms & room != 0 {
            return assert_eq!(line, format!("! You are in {} already.", title(room)));
        }
        let id = self.client.id;
        let place = self.order.joining_room(id, room, self.at);
        let place = place.unwrap_or_else(|| panic!("{line:?}, but the room was not told"));
        let before = self.room();
        // Nothing is missing until it has left the room that it was in.
        while self.at <= place {
            let here = self.order.rooms[self.at] & before != 0;
            if here && self.order.leaves_at(&self.name, self.at) {
                self.rooms = 0;
            }
            let hidden = self.is_hidden(self.at) || self.is_in_grace(self.at);
            let next = &self.order.events[self.at];
            assert!(hidden || self.at == place, "{next:?} was lost");
            self.pass();
        }
        self.rooms = room;
        assert_eq!(line, lines::in_room(title(room), self.roster()));
        let topic = self.known.topic(room);
        self.expect(&Vec::from_iter((!topic.is_empty()).then(|| lines::topic(title(room), topic))));
        let history = self.history(&self.known, usize::MAX, self.at);
        self.expect(&history);
    }

    fn who_is_in(&mut self, room: Rooms, line: &str) -> String {
        if room == self.room() {
            return lines::who(self.roster());
        }
        let answer = |known: &Known| match (known.rosters.of(room), self.client.is_browser()) {
            (roster, true) => lines::who(roster),
            (roster, false) => lines::who_is_in(title(room), roster),
        };
        let found = self.until(|_, known| (answer(known) == line).then(|| answer(known)));
        found.unwrap_or_else(|| answer(&self.known))
    }

    /// What `/rooms` must say.
    fn list_rooms(&mut self, line: &str) -> Vec<String> {
        let mut rest = self.heard.clone();
        let is_one = |line: &String| !name_in_list(line).is_empty();
        let more = std::iter::from_fn(|| rest.next_if(is_one));
        let heard: Vec<_> = std::iter::once(line.to_owned()).chain(more).collect();
        // What came may have ended there.
        let cut = !self.findings.whole && rest.peek().is_none_or(|line| line == lines::TOO_SLOW);
        let is_same = |one: &String, at: usize| name_in_list(one) == name_in_list(&heard[at]);
        let seen = |at: usize| heard[..at].iter().any(|one| is_same(one, at));
        let end = (1..heard.len()).find(|at| seen(*at)).unwrap_or(heard.len());
        let heard = &heard[..end];
        let right = self.until(|walk, _| walk.is_list(heard, cut).then_some(()));
        assert!(right.is_some(), "{heard:?} is not the list of rooms");
        heard.to_vec()
    }

    /// Whether these are all rooms, those with most people first; or the first of them, if `cut`.
    fn is_list(&self, heard: &[String], cut: bool) -> bool {
        let here = |known: &Known, room: usize| known.rosters.of(1 << room).len();
        let permanent =
            |room: usize| self.config.rooms.iter().any(|r| r.as_str() == &ROOMS[room][1..]);
        let is_there =
            |room: &usize| *room == 0 || here(&self.known, *room) > 0 || permanent(*room);
        let rooms: Vec<_> = (0..ROOMS.len()).filter(is_there).collect();
        let mut told = Vec::new();
        for line in heard {
            let Some(room) = rooms.iter().find(|room| ROOMS[**room] == name_in_list(line)) else {
                return false;
            };
            let topic = match self.known.topic(1 << room) {
                "" => String::new(),
                topic => format!(": {topic}"),
            };
            let count = here(&self.known, *room);
            if format!("* {} ({count} here){topic}", ROOMS[*room]) != *line {
                return false;
            }
            told.push((std::cmp::Reverse(count), ROOMS[*room]));
        }
        told.is_sorted() && (cut || told.len() == rooms.len())
    }

    /// What `/history` must say; `line` is the first line of what it did say.
    fn recall(&self, count: Option<usize>, line: &str) -> Vec<String> {
        let (from, to) = self.span_before_acting();
        let mut known = self.known.clone();
        let mut next = |at| {
            let lines = self.history(&known, count.unwrap_or(usize::MAX), at);
            if at < to {
                known.apply(self.order, at);
            }
            if lines.is_empty() { vec![lines::NOTHING_SAID.to_owned()] } else { lines }
        };
        let all: Vec<_> = (from..=to).map(&mut next).collect();
        let mut rest = self.heard.clone();
        let heard: Vec<_> = std::iter::once(line.to_owned())
            .chain(std::iter::from_fn(|| rest.next_if(|line| is_recalled(line))))
            .collect();
        // What came may have ended there.
        let cut = !self.findings.whole && rest.peek().is_none_or(|line| line == lines::TOO_SLOW);
        let fits = |lines: &Vec<String>| {
            lines.iter().zip(&heard).all(|(line, heard)| line == heard)
                && (lines.len() <= heard.len() || cut)
        };
        let right = all.iter().filter(|lines| fits(lines)).max_by_key(|lines| lines.len());
        right.unwrap_or(&all[0]).clone()
    }

    /// The last `count` lines said before a place, but for those of people who are ignored.
    fn history(&self, known: &Known, count: usize, at: usize) -> Vec<String> {
        let said = |place: usize| {
            let (what, now) = &self.order.events[place];
            let What::Said { from, text, emote } = what else { return None };
            let minutes = now.unix_seconds / 60;
            let time = format!("[{:02}:{:02}] ", minutes / 60 % 24, minutes % 60);
            let line = if *emote { format!("** {from} {text}") } else { format!("{from}: {text}") };
            let speaker = self.order.by[place];
            // Of somebody who has left there is only the name.
            let ignored = match self.order.going(speaker).is_some_and(|gone| gone < at) {
                false => known.ignores(speaker),
                true => !known.meant_by(from).is_empty(),
            };
            Some((!ignored).then_some(time + &line))
        };
        let count = count.min(self.config.limits.history_lines_max);
        let here = |place: &usize| self.order.rooms[*place] & self.rooms != 0;
        let places = (0..at).rev().filter(here);
        let mut lines: Vec<_> = places.filter_map(said).take(count).flatten().collect();
        lines.reverse();
        lines
    }

    fn ignore(&mut self, name: &str, line: &str) -> String {
        let me = self.client.id;
        let answer = |known: &Known| match known.find(name) {
            None => (format!("! Nobody here is called {name}."), None),
            Some((id, _)) if id == me => (lines::IGNORE_SELF.to_owned(), None),
            Some((id, _)) => {
                let ignoring = known.ignoring_with(id);
                (known.tell(&ignoring), Some(ignoring))
            }
        };
        let found = self.until(|_, known| {
            let (told, ignoring) = answer(known);
            (told == line).then_some(ignoring)
        });
        match found {
            Some(Some(ignoring)) => {
                self.note_deafness();
                self.known.ignoring = ignoring;
            }
            Some(None) => {}
            None => return answer(&self.known).0,
        }
        line.to_owned()
    }

    fn unignore(&mut self, name: &str, line: &str) -> String {
        let answer = |known: &Known| {
            let (meant, mut ignoring) = (known.meant_by(name), known.ignoring.clone());
            if meant.is_empty() {
                return (format!("! You do not ignore {name}."), vec![], ignoring);
            }
            let heard: Vec<_> = meant.iter().rev().map(|at| ignoring.remove(*at)).collect();
            (known.tell(&ignoring), heard, ignoring)
        };
        let found = self.until(|_, known| {
            let (told, heard, ignoring) = answer(known);
            (told == line).then_some((heard, ignoring))
        });
        let Some((heard, ignoring)) = found else { return answer(&self.known).0 };
        if !heard.is_empty() {
            self.note_deafness();
            self.grace.extend(heard.into_iter().filter_map(|ignored| ignored.id));
            self.known.ignoring = ignoring;
        }
        line.to_owned()
    }

    // ── the end ──────────────────────────────────────────────────────────────────────────────────

    /// Nothing must be missing before the client's leaving, or before the present.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        if self.name.is_empty() {
            return;
        }
        while let Some((next, _)) = self.order.events.get(self.at) {
            // A browser that is cut off leaves later, and is told nothing until then.
            if self.order.is_cut_at(self.client.id, self.at) {
                return;
            }
            if self.order.leaves_at(&self.name, self.at) {
                self.rooms &= !self.order.rooms[self.at];
                if self.rooms == 0 {
                    return;
                }
            }
            let hidden = self.is_hidden(self.at) || self.is_in_grace(self.at);
            let is_late = self.order.is_told_after_cut(self.client.id, self.at);
            assert!(hidden || is_late, "{next:?} was lost");
            self.pass();
        }
        panic!("it has left, but the room was not told");
    }

    /// The connection has ended in good order, or all is quiet and the client is `here`.
    fn end(&mut self, here: bool) {
        if self.stage == Stage::Over {
            return;
        }
        if !here && self.wishes.peek().is_some_and(|l| matches!(l.naming, Naming::WrongProtocol)) {
            return;
        }
        if self.stage == Stage::Naming {
            self.skip_ignored();
            let asked = self.wishes.peek();
            return assert!(asked.is_none(), "{asked:?} was not answered");
        }
        self.catch_up("the end");
        let asked = self.wishes.peek();
        assert!(asked.is_none(), "{asked:?} was not answered");
        if !here {
            assert!(self.client.ended_input(), "closed without a reason");
            return self.leave();
        }
        while let Some((next, _)) = self.order.events.get(self.at) {
            let hidden = self.is_hidden(self.at) || self.is_in_grace(self.at);
            assert!(hidden, "{next:?} was lost");
            self.pass();
        }
    }

    // ── who hears what ───────────────────────────────────────────────────────────────────────────

    /// Whether what is at a place is not for this client.
    fn is_hidden(&self, at: usize) -> bool {
        if self.order.rooms[at] & self.rooms == 0 {
            return true;
        }
        let (what, by) = (&self.order.events[at].0, self.order.by[at]);
        let own = by == self.client.id && !self.client.is_browser();
        matches!(what, What::Said { .. }) && (own || self.ignores(by))
    }

    fn ignores(&self, id: usize) -> bool {
        self.known.ignores(id)
    }

    fn is_in_grace(&self, at: usize) -> bool {
        let (what, by) = (&self.order.events[at].0, self.order.by[at]);
        matches!(what, What::Said { .. }) && self.grace.contains(&by)
    }

    /// Between which places of the order the client is, as far as can be told.
    fn span(&self) -> (usize, usize) {
        let rest = self.at..self.order.events.len();
        let hidden = rest.take_while(|at| self.is_hidden(*at) || self.is_in_grace(*at));
        (self.at, self.at + hidden.count())
    }

    /// The same, where it is known that what it said next comes later.
    fn span_before_acting(&self) -> (usize, usize) {
        let (from, to) = self.span();
        (from, (from..to).find(|at| self.is_act(*at)).unwrap_or(to))
    }

    /// Whether the client did something there.
    fn is_act(&self, at: usize) -> bool {
        self.order.by[at] == self.client.id
    }

    /// Keeps whom it does not hear, before that changes and at the end.
    fn note_deafness(&mut self) {
        let (from, to) = self.span();
        let ids = self.known.ignoring.iter().filter_map(|ignored| ignored.id).collect();
        self.findings.deaf.push((ids, (self.ignoring_since, to)));
        self.ignoring_since = from;
    }
}

/// How an invitation is known among private messages.
pub(crate) fn invitation(room: Rooms) -> String {
    format!("come to {}", title(room))
}

/// The room that a line of the list of rooms is about; empty if it is none.
fn name_in_list(line: &str) -> &str {
    let rest = line.strip_prefix("* ").filter(|rest| rest.starts_with('#')).unwrap_or_default();
    rest.split_once(" (").map_or("", |(name, _)| name)
}

fn is_recalled(line: &str) -> bool {
    matches!(line.as_bytes(), [b'[', _, _, b':', _, _, b']', ..])
}

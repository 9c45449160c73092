//! What one client must have received, byte for byte: a walk along the lines that it got, with one
//! finger on the order of what happened in the room and another on what it asked for.
//!
//! Everything that was told to the room must be there, once and in order, but for the client's own
//! lines and those of people it does not hear; every wish must be answered, in order, by what was
//! true at that place. Where a hidden line stands cannot be seen from outside, so the walk knows
//! of a place in the order only that it is within a span.

use chinwag::config::Config;

use super::browser;
use super::client::Client;
use super::lines::{self, Heard, Line, Naming, Wish};
use super::names;
use super::order::{Order, What, apply};

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
    /// Who had too much to read to be written to.
    pub(crate) refused_by: Vec<usize>,
    /// Whom it did not hear, from which place to which.
    pub(crate) deaf: Vec<(Vec<usize>, (usize, usize))>,
    /// How many lines it heard …
    pub(crate) heard: usize,
    /// … and how far in the order it has got.
    pub(crate) at: usize,
    /// It got everything that was for it.
    pub(crate) whole: bool,
}

/// Somebody who is not heard: which client that is, if it is here, and the name by which it will be
/// known when it has left.
#[derive(Clone, Debug)]
struct Ignored {
    id: Option<usize>,
    name: String,
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
    roster: Vec<String>,
    name: String,
    ignoring: Vec<Ignored>,
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
            roster: Vec::new(),
            name: String::new(),
            ignoring: Vec::new(),
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
                Heard::Private { from, text } => self.read(&from, text),
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
            self.at += 1;
            apply(&mut self.roster, what);
            if *by == self.client.id && matches!(what, What::Joined(joined) if joined == name) {
                self.meet_those_behind(name, line);
                assert_eq!(line, lines::welcome(name, &self.roster));
                (self.stage, self.name) = (Stage::Chatting, name.to_owned());
                let history = self.history(usize::MAX, self.at);
                return self.expect(&history);
            }
        }
        panic!("{line:?}, but the room was not told");
    }

    /// A browser finds those there who came directly after it, in the same turn: how many these
    /// are, only its welcome tells.
    fn meet_those_behind(&mut self, name: &str, line: &str) {
        while self.client.is_browser() && line != lines::welcome(name, &self.roster) {
            match self.order.events.get(self.at) {
                Some((what @ What::Joined(_), _)) => apply(&mut self.roster, what),
                _ => return,
            }
            self.at += 1;
        }
    }

    // ── in the room ──────────────────────────────────────────────────────────────────────────────

    /// Something that was told to the room.
    fn see(&mut self, line: &str, whats: Vec<What>, more: usize, count: Option<usize>) {
        for what in whats {
            loop {
                let Some((next, _)) = self.order.events.get(self.at) else {
                    panic!("{line:?}, which the witness has not heard");
                };
                if self.is_hidden(self.at) {
                    self.pass();
                } else if self.as_told(next) == what {
                    self.findings.heard += usize::from(matches!(what, What::Said { .. }));
                    self.pass();
                    self.grace.clear();
                    break;
                } else if self.is_in_grace(self.at) {
                    self.pass();
                } else {
                    panic!("{line:?} instead of {next:?}");
                }
            }
        }
        for _ in 0..more {
            let [(last, _), (next, _)] = &self.order.events[self.at - 1..=self.at] else { return };
            assert!(next.is_like(last), "{line:?}, but {next:?}");
            self.pass();
        }
        if let Some(count) = count {
            assert_eq!(count, self.roster.len(), "the count is wrong in {line:?}");
        }
        if matches!(self.order.events[self.at - 1].0, What::Stopping) {
            self.stage = Stage::Over;
        }
    }

    /// Goes past the next thing in the order.
    fn pass(&mut self) {
        let (what, _) = &self.order.events[self.at];
        if what.by() == Some(&self.name) {
            self.did(what);
            self.grace.clear();
        }
        apply(&mut self.roster, what);
        self.at += 1;
        match what {
            What::Joined(name) => self.recognize(name),
            What::Left { name, .. } => self.remember(name),
            What::Renamed { old, new } => {
                if self.name == *old {
                    self.name.clone_from(new);
                }
                // Whoever is here and takes a name is not the one who had it.
                self.note_deafness();
                self.ignoring.retain(|i| i.id.is_some() || !names::same(&i.name, new));
            }
            What::Said { .. } | What::Stopping => {}
        }
    }

    /// Whoever joins as somebody who has left is the same again.
    fn recognize(&mut self, name: &str) {
        let id = self.order.by[self.at - 1];
        let is_back = |i: &Ignored| i.id.is_none() && names::same(&i.name, name);
        self.note_deafness();
        if let Some(first) = self.ignoring.iter_mut().find(|i| is_back(i)) {
            first.id = Some(id);
            self.ignoring.retain(|i| !is_back(i));
        }
    }

    /// Whoever has left is known by the name under which it was ignored.
    fn remember(&mut self, name: &str) {
        let id = self.order.by[self.at - 1];
        let Some(at) = self.ignoring.iter().position(|i| i.id == Some(id)) else { return };
        self.note_deafness();
        let ignored = &mut self.ignoring[at];
        ignored.id = None;
        if names::same(&ignored.name, name) {
            ignored.name = name.to_owned();
        }
        let first = ignored.name.clone();
        let same = self.ignoring.iter().filter(|i| i.id.is_none() && names::same(&i.name, &first));
        if names::find(&self.roster, &first).is_some() || same.count() > 1 {
            self.ignoring.remove(at);
        }
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

    /// What `/ignore` tells.
    fn tell_ignored(&self) -> String {
        let name = |ignored: &Ignored| match ignored.id {
            Some(id) => self.order.name_of(id, self.at).unwrap().clone(),
            None => ignored.name.clone(),
        };
        let names: Vec<_> = self.ignoring.iter().map(name).collect();
        lines::ignoring(&names)
    }

    /// Something that the client itself did: it must be what it asked for next.
    fn did(&mut self, what: &What) {
        self.skip_silent();
        let wish = self.wishes.next().map(|line| &line.wish);
        let asked = match (what, wish) {
            (What::Said { text, emote: false, .. }, Some(Wish::Say(wanted)))
            | (What::Said { text, emote: true, .. }, Some(Wish::Emote(wanted))) => text == wanted,
            (What::Renamed { new, .. }, Some(Wish::Nick(name))) => {
                assert_ne!(self.name, name.shown, "renamed to what it was");
                *new == name.shown
            }
            _ => false,
        };
        assert!(asked, "the room was told {what:?}, but what was asked for is {wish:?}");
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

    /// A private message.
    fn read(&mut self, from: &str, text: String) {
        assert!(
            self.roster.iter().any(|name| name == from),
            "{from} is not here, but wrote {text}"
        );
        let (to, sender) = (self.client.id, self.order.owner(from, self.at));
        assert!(!self.ignores(sender), "{from} is ignored, but wrote {text}");
        self.findings.got.push(Letter { from: sender, to, text, span: self.span(), sure: true });
        self.last_sender = Some((sender, from.to_owned()));
    }

    // ── answers ──────────────────────────────────────────────────────────────────────────────────

    /// `line` must be the answer to `wish`, together with the lines that follow.
    fn answer(&mut self, wish: &'a Line, line: &str) {
        let one = |line: String| vec![line];
        let expected = match &wish.wish {
            Wish::Say(_) | Wish::Emote(_) => panic!("{line:?} in answer to {wish:?}"),
            Wish::Tell(to, text) => one(self.tell(to, text, line)),
            Wish::Reply(text) => one(self.reply(text, line)),
            Wish::Nick(name) => one(self.nick_refusal(&name.shown)),
            Wish::BadNick(why) | Wish::Refused(why) => one(why.clone()),
            Wish::Who => one(lines::who(&self.roster)),
            Wish::History(count) => self.recall(*count, line),
            Wish::Ignore(name) => one(self.ignore(name)),
            Wish::Unignore(name) => one(self.unignore(name)),
            Wish::Ignoring => one(self.tell_ignored()),
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
        match names::find(&self.roster, to) {
            None => format!("! Nobody here is called {to}."),
            Some(name) if *name == self.name => lines::TELL_SELF.to_owned(),
            Some(name) => {
                let name = name.clone();
                self.write(self.order.owner(&name, self.at), &name, text, line)
            }
        }
    }

    /// A private message that went out; or did not, for its reader has too much to read.
    fn write(&mut self, to: usize, name: &str, text: &str, line: &str) -> String {
        let too_much = lines::too_much(name);
        if line == too_much {
            return too_much;
        }
        let letter = Letter {
            from: self.client.id,
            to,
            text: text.to_owned(),
            span: self.span_before_acting(),
            sure: true,
        };
        self.findings.sent.push(letter);
        format!("[you -> {name}] {text}")
    }

    fn reply(&mut self, text: &str, line: &str) -> String {
        let Some((to, then)) = self.last_sender.clone() else {
            return lines::NOTHING_TO_REPLY.to_owned();
        };
        match self.order.name_of(to, self.at).cloned() {
            Some(name) => self.write(to, &name, text, line),
            None => format!("! Nobody here is called {then}."),
        }
    }

    fn nick_refusal(&self, name: &str) -> String {
        if name == self.name {
            return format!("! You are already called {name}.");
        }
        let holder = |other: &&String| names::same(other, name) && **other != self.name;
        let (from, to) = self.span_before_acting();
        let taken = self.roster.iter().any(|other| holder(&other))
            || self.order.was_claimed(name, from, to);
        assert!(taken, "{name} was free, but refused");
        format!("! The nickname {name} is taken. Try another.")
    }

    /// What `/history` must say; `line` is the first line of what it did say.
    fn recall(&self, count: Option<usize>, line: &str) -> Vec<String> {
        let (from, to) = self.span_before_acting();
        let at = |at| {
            let lines = self.history(count.unwrap_or(usize::MAX), at);
            if lines.is_empty() { vec![lines::NOTHING_SAID.to_owned()] } else { lines }
        };
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
        (from..=to).map(at).filter(fits).max_by_key(Vec::len).unwrap_or_else(|| at(from))
    }

    /// The last `count` lines said before a place, but for those of people who are ignored.
    fn history(&self, count: usize, at: usize) -> Vec<String> {
        let said = |place: usize| {
            let (what, now) = &self.order.events[place];
            let What::Said { from, text, emote } = what else { return None };
            let minutes = now.unix_seconds / 60;
            let time = format!("[{:02}:{:02}] ", minutes / 60 % 24, minutes % 60);
            let line = if *emote { format!("** {from} {text}") } else { format!("{from}: {text}") };
            let speaker = self.order.by[place];
            // Of somebody who has left there is only the name.
            let ignored = match self.order.name_of(speaker, at) {
                Some(_) => self.ignores(speaker),
                None => self.called(from).next().is_some(),
            };
            Some((!ignored).then_some(time + &line))
        };
        let count = count.min(self.config.limits.history_lines_max);
        let mut lines: Vec<_> = (0..at).rev().filter_map(said).take(count).flatten().collect();
        lines.reverse();
        lines
    }

    fn ignore(&mut self, name: &str) -> String {
        let Some(name) = names::find(&self.roster, name).cloned() else {
            return format!("! Nobody here is called {name}.");
        };
        if name == self.name {
            return lines::IGNORE_SELF.to_owned();
        }
        let id = self.order.owner(&name, self.at);
        if !self.ignores(id) {
            self.note_deafness();
            self.ignoring.push(Ignored { id: Some(id), name });
        }
        self.tell_ignored()
    }

    fn unignore(&mut self, name: &str) -> String {
        let found: Vec<_> = self.called(name).collect();
        if found.is_empty() {
            return format!("! You do not ignore {name}.");
        }
        self.note_deafness();
        for at in found.into_iter().rev() {
            self.grace.extend(self.ignoring.remove(at).id);
        }
        self.tell_ignored()
    }

    /// Which of those it ignores may be meant by a name: whoever has it, and who had it and left.
    fn called(&self, name: &str) -> impl Iterator<Item = usize> {
        let here = names::find(&self.roster, name).map(|name| self.order.owner(name, self.at));
        let meant = move |ignored: &Ignored| match ignored.id {
            Some(id) => here == Some(id),
            None => names::same(&ignored.name, name),
        };
        self.ignoring.iter().enumerate().filter(move |(_, i)| meant(i)).map(|(at, _)| at)
    }

    // ── the end ──────────────────────────────────────────────────────────────────────────────────

    /// Nothing must be missing before the client's leaving, or before the present.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        if self.name.is_empty() {
            return;
        }
        while let Some((next, _)) = self.order.events.get(self.at) {
            if self.order.leaves_at(&self.name, self.at) {
                return;
            }
            let hidden = self.is_hidden(self.at) || self.is_in_grace(self.at);
            assert!(hidden, "{next:?} was lost");
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
        let (what, by) = (&self.order.events[at].0, self.order.by[at]);
        let own = by == self.client.id && !self.client.is_browser();
        matches!(what, What::Said { .. }) && (own || self.ignores(by))
    }

    fn ignores(&self, id: usize) -> bool {
        self.ignoring.iter().any(|ignored| ignored.id == Some(id))
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
        let mine = |(what, _): &(What, _)| what.by() == Some(&self.name);
        let act = self.order.events[from..to].iter().position(mine);
        (from, act.map_or(to, |act| from + act))
    }

    /// Keeps whom it does not hear, before that changes and at the end.
    fn note_deafness(&mut self) {
        let (from, to) = self.span();
        let ids = self.ignoring.iter().filter_map(|ignored| ignored.id).collect();
        self.findings.deaf.push((ids, (self.ignoring_since, to)));
        self.ignoring_since = from;
    }
}

fn is_recalled(line: &str) -> bool {
    matches!(line.as_bytes(), [b'[', _, _, b':', _, _, b']', ..])
}

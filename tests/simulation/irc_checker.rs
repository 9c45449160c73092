//! What one IRC client must have been told, by a naive model of the protocol. Two walks: one along
//! what it has asked for, which must have been done or answered, in that order; and one along what
//! others did, which it must have been told once and in order, in each of its channels.
//!
//! What is told in two channels may come in either order, so each channel has its own place in the
//! order of what happened.

use std::collections::VecDeque;
use std::iter;

use super::client::Client;
use super::irc::{Ask, Message};
use super::known::Known;
use super::lines;
use super::lines_checker::{Findings, Letter, invitation};
use super::names;
use super::order::{Order, ROOMS, Rooms, What, each, room_called, title};

/// What the server is called.
const SERVER: &str = "irc.chinwag";

/// Both walks.
pub(crate) struct IrcChecker<'a> {
    order: &'a Order,
    client: &'a Client,
    echo: bool,
    /// It is called so, once it has a name.
    name: Option<String>,
    rooms: Rooms,
    /// The next place in the order, for each channel.
    at: [usize; ROOMS.len()],
    /// How much of the line at that place has come.
    taken: [usize; ROOMS.len()],
    /// Who has gone, and which names were changed, as it was told for all channels at once.
    gone: Vec<usize>,
    renamed: Vec<usize>,
    /// The number of the last private message, and whether that is what it has written itself.
    read_last: Option<String>,
    is_echo: bool,
    /// What answers it, and has not been held against what it has asked for.
    answers: VecDeque<Message>,
    /// The connection has been ended, with these words.
    error: Option<String>,
    findings: Findings,
}

impl<'a> IrcChecker<'a> {
    /// Walks all that `client` has received. `here` says that it is still there and has had time
    /// to receive and be answered everything.
    pub(crate) fn through(client: &'a Client, order: &'a Order, here: bool) -> Findings {
        let mut checker = IrcChecker {
            order,
            client,
            echo: client.irc.as_ref().is_some_and(|irc| irc.echo),
            name: None,
            rooms: 0,
            at: [0; ROOMS.len()],
            taken: [0; ROOMS.len()],
            gone: Vec::new(),
            renamed: Vec::new(),
            read_last: None,
            is_echo: false,
            answers: VecDeque::new(),
            error: None,
            findings: Findings::default(),
        };
        let (told, rest) = client.heard();
        checker.findings.whole = client.has_all(here);
        for line in told {
            let line = line.strip_suffix('\r').unwrap_or_else(|| panic!("no CR: {line:?}"));
            checker.hear(&Message::read(line));
        }
        if checker.findings.whole {
            assert_eq!(rest, "", "the last line has no end");
            checker.see_nothing_more();
        }
        checker.check_asks();
        let places = each(Rooms::MAX).map(|room| checker.at[room]).filter(|at| *at > 0);
        checker.findings.at = places.min().unwrap_or_default();
        checker.findings
    }

    fn hear(&mut self, message: &Message) {
        assert!(self.error.is_none(), "{message:?} after the end");
        let is_own = self.name.as_ref() == Some(&message.source);
        match message.command.as_str() {
            "ERROR" => {
                let why = message.parameter(0).strip_prefix("Closing link: ").unwrap();
                if why == "too slow" {
                    assert!(self.client.slow, "closed as too slow, but was always reading");
                    self.findings.whole = false;
                }
                self.error = Some(why.to_owned());
            }
            "001" => {
                let name = message.parameter(0).to_owned();
                // It is told what is so until then.
                let at = self.order.coming(self.client.id);
                let at = at.unwrap_or_else(|| panic!("{name} has come in, but nobody knows"));
                assert_eq!(self.order.events[at].0, What::Came(name.clone()));
                self.name = Some(name);
                self.answers.push_back(message.clone());
            }
            "JOIN" if is_own => self.come_into(message),
            "PART" if is_own => self.go_from(message.parameter(0)),
            "JOIN" => {
                let what = What::Joined(message.source.clone());
                self.see(place_of(message.parameter(0)), &what);
            }
            "PART" => {
                let why = message.parameters.get(1).cloned();
                let what = What::Left { name: message.source.clone(), why };
                self.see(place_of(message.parameter(0)), &what);
            }
            "QUIT" => self.see_quit(message),
            "NICK" => self.see_renamed(message, is_own),
            "TOPIC" => {
                let (by, text) = (message.source.clone(), message.parameter(1).to_owned());
                self.see(place_of(message.parameter(0)), &What::Topic { by, text });
            }
            "PRIVMSG" if message.parameter(0).starts_with('#') => self.see_said(message),
            "PRIVMSG" => self.read(message, is_own),
            "INVITE" => {
                let text = invitation(1 << place_of(message.parameter(1)));
                self.take_letter(&message.source, text);
            }
            "NOTICE" if message.parameter(1) == "The server is stopping." => {}
            "CAP" => {}
            "MODE" => panic!("nobody changes any: {message:?}"),
            _ => self.answers.push_back(message.clone()),
        }
    }

    // ── its own coming and going ─────────────────────────────────────────────────────────────────

    fn come_into(&mut self, message: &Message) {
        let place = place_of(message.parameter(0));
        assert_eq!(self.rooms >> place & 1, 0, "it is there already: {message:?}");
        let (id, from) = (self.client.id, self.at[place]);
        let joined = self.order.joining_room(id, 1 << place, from);
        let joined = joined.unwrap_or_else(|| panic!("{message:?}, but nobody knows"));
        // It finds those there who were told of together with it.
        self.at[place] = 1 + self.order.line_from(joined).last().unwrap_or(joined);
        self.rooms |= 1 << place;
        self.answers.push_back(message.clone());
    }

    /// It leaves a channel, but for which nothing is missing.
    fn go_from(&mut self, channel: &str) {
        let place = place_of(channel);
        let is_own = |at: usize, order: &Order| {
            order.by[at] == self.client.id && matches!(order.events[at].0, What::Left { .. })
        };
        while let Some(at) = self.next(place) {
            self.at[place] = at + 1;
            if is_own(at, self.order) {
                self.rooms &= !(1 << place);
                return;
            }
            let what = &self.order.events[at].0;
            // Whoever left together with it is told of in one notice elsewhere.
            assert!(is_departure(what), "{what:?} was not told before it left");
        }
        panic!("it left {channel}, but nobody knows");
    }

    // ── what others do ───────────────────────────────────────────────────────────────────────────

    /// The place of the next thing in a channel that it must be told.
    fn next(&self, room: usize) -> Option<usize> {
        (self.at[room]..self.order.events.len()).find(|at| !self.is_hidden(*at, room))
    }

    fn is_hidden(&self, at: usize, room: usize) -> bool {
        let (what, is_own) = (&self.order.events[at].0, self.order.by[at] == self.client.id);
        let is_elsewhere = self.order.rooms[at] >> room & 1 == 0;
        let is_told = match what {
            What::Said { .. } => is_own && !self.echo,
            What::Left { .. } => self.gone.contains(&self.order.by[at]),
            _ => self.renamed.contains(&at),
        };
        is_elsewhere || is_told
    }

    fn see(&mut self, room: usize, told: &What) {
        assert_eq!(self.rooms >> room & 1, 1, "{told:?} is not for it");
        assert_eq!(self.taken[room], 0, "{told:?} in the middle of a line");
        let Some(at) = self.next(room) else { panic!("{told:?}, which nobody else has heard") };
        let what = &self.order.events[at].0;
        let is_it = match (what, told) {
            // Whoever leaves says why to those who have been told so.
            (What::Left { name, .. }, What::Left { name: told, .. }) => name == told,
            // Of a topic that is too long for a line, the end is missing.
            (What::Topic { by, text }, What::Topic { by: told, text: topic }) => {
                by == told && (text == topic || topic.len() > 350 && text.starts_with(topic))
            }
            _ => what == told,
        };
        assert!(is_it, "{told:?} instead of {what:?} in {}", ROOMS[room]);
        self.at[room] = at + 1;
    }

    /// Somebody goes for good, from all channels at once.
    fn see_quit(&mut self, message: &Message) {
        let left = What::Left { name: message.source.clone(), why: None };
        let is_it =
            |what: &What| matches!(what, What::Left { name, .. } if *name == message.source);
        let at = self.see_in_one(&left, is_it);
        let at = at.unwrap_or_else(|| panic!("{message:?}, which nobody else has heard"));
        self.gone.push(self.order.by[at]);
    }

    fn see_renamed(&mut self, message: &Message, is_own: bool) {
        let new = message.parameter(0).to_owned();
        let told = What::Renamed { old: message.source.clone(), new: new.clone() };
        let at = self.see_in_one(&told, |what| *what == told);
        assert!(at.is_some() || is_own, "{message:?}, which nobody else has heard");
        self.renamed.extend(at);
        if is_own {
            self.name = Some(new);
            self.answers.push_back(message.clone());
        }
    }

    /// Something is told for all channels where it happened: in one of them it must be next.
    /// Returns its place.
    fn see_in_one(&mut self, told: &What, is_it: impl Fn(&What) -> bool) -> Option<usize> {
        let next = each(self.rooms).filter_map(|room| Some((room, self.next(room)?)));
        let (room, at) = next.into_iter().find(|(_, at)| is_it(&self.order.events[*at].0))?;
        self.see(room, told);
        Some(at)
    }

    /// A line, or a part of one that is too long for one of IRC.
    fn see_said(&mut self, message: &Message) {
        let room = place_of(message.parameter(0));
        let Some(at) = self.next(room) else { panic!("{message:?}, which nobody has said") };
        let What::Said { from, text, emote } = &self.order.events[at].0 else {
            panic!("{message:?} instead of {:?}", self.order.events[at].0)
        };
        let piece = message.parameter(1);
        let piece = match emote {
            true => piece.strip_prefix("\u{1}ACTION ").and_then(|it| it.strip_suffix('\u{1}')),
            false => Some(piece),
        };
        let piece = piece.unwrap_or_else(|| panic!("{message:?} is no action"));
        assert!(!self.gone.contains(&self.order.by[at]), "{message:?} after having gone");
        let begins = self.taken[room] == 0;
        assert_eq!(begins, message.id.is_some(), "of a line, the first has the number");
        let is_next = *from == message.source && text[self.taken[room]..].starts_with(piece);
        assert!(is_next, "{message:?} instead of {text:?}");
        self.taken[room] += piece.len();
        if self.taken[room] == text.len() {
            self.taken[room] = 0;
            self.at[room] = at + 1;
            // What it is told of its own is an answer, and no delivery.
            self.findings.heard += usize::from(self.order.by[at] != self.client.id);
        }
    }

    /// A private message, or another part of one.
    fn read(&mut self, message: &Message, is_own: bool) {
        if is_own && message.parameter(0) != message.source {
            assert!(self.echo, "{message:?} to itself");
            return;
        }
        if let Some(id) = &message.id {
            // What it has written to itself comes twice: as an echo, and as a letter.
            self.is_echo = is_own && self.echo && self.read_last.as_ref() != Some(id);
            self.read_last = Some(id.clone());
        }
        match self.findings.got.last_mut() {
            _ if self.is_echo => {}
            Some(letter) if message.id.is_none() => letter.text.push_str(message.parameter(1)),
            _ => self.take_letter(&message.source, message.parameter(1).to_owned()),
        }
    }

    fn take_letter(&mut self, from: &str, text: String) {
        let from = self.order.first_called(from);
        let (to, span) = (self.client.id, (0, self.order.events.len()));
        self.findings.got.push(Letter { from, to, text, span, sure: true });
    }

    /// All is quiet, or the connection has ended in good order: nothing is missing.
    fn see_nothing_more(&mut self) {
        for room in each(self.rooms) {
            assert_eq!(self.taken[room], 0, "a line has no end");
            while let Some(at) = self.next(room) {
                let what = &self.order.events[at].0;
                let goes = self.order.by[at] == self.client.id && is_departure(what);
                if goes || matches!(what, What::Stopping) {
                    break;
                }
                // Whoever goes is not told of those who went with it.
                let is_over = self.error.is_some() || self.client.ended_input();
                assert!(is_over && is_departure(what), "{what:?} was lost");
                self.at[room] = at + 1;
            }
        }
    }

    // ── what it has asked for ────────────────────────────────────────────────────────────────────

    /// Each thing that it has asked for was done or answered, in that order.
    fn check_asks(&mut self) {
        let mut acts = Acts::of(self.client.id, self.order);
        let asks = self.client.irc.iter().flat_map(|irc| &irc.asks);
        for ask in asks {
            if matches!(ask, Ask::Quit) && self.error.as_deref() == Some("Quit") {
                break;
            }
            if self.answers.is_empty() && acts.is_over() {
                let is_over = self.is_cut();
                assert!(is_over || is_silent(ask), "{ask:?} was not answered");
            }
            self.check_ask(ask, &mut acts);
        }
        assert!(self.answers.is_empty(), "{:?} answers nothing", self.answers);
        let left = acts.rest();
        assert!(left.iter().all(|what| is_departure(what)), "it was not asked for: {left:?}");
    }

    /// Whether what it has asked for need not have been done: its connection went to pieces, or the
    /// server has closed it.
    fn is_cut(&self) -> bool {
        !self.findings.whole || self.error.as_ref().is_some_and(|why| why != "Quit")
    }

    fn check_ask(&mut self, ask: &Ask, acts: &mut Acts<'a>) {
        let is_named = acts.is_named();
        match ask {
            Ask::Nick(name) if !is_named => match self.answers.front() {
                Some(first) if first.command == "001" => {
                    assert_eq!(first.parameter(0), name, "as it wanted to be called");
                    acts.next_if(|what| *what == What::Came(name.clone()));
                    self.take_welcome(name);
                }
                _ if !self.findings.whole && acts.next_if(|what| is_coming(what, name)) => {}
                _ => self.take(&["433"], ask),
            },
            Ask::Nick(name) => {
                if acts.name == *name {
                    return;
                }
                let renamed =
                    |what: &What| matches!(what, What::Renamed { new, .. } if new == name);
                match acts.next_if(renamed) {
                    true => self.take(&["NICK"], ask),
                    false => self.take(&["433"], ask),
                }
            }
            Ask::BadNick => self.take(&["432"], ask),
            Ask::NotUtf8 => self.take(&["FAIL"], ask),
            Ask::TooLong => self.take(&["417"], ask),
            Ask::Ping(token) => {
                let told = self.answers.front().map(|pong| pong.parameter(1).to_owned());
                assert!(told.is_none_or(|told| told == *token), "to {ask:?}: {:?}", self.answers);
                self.take(&["PONG"], ask);
            }
            Ask::Unknown if is_named => self.take(&["421"], ask),
            Ask::Quit => {}
            _ if !is_named => self.take(&["451"], ask),
            Ask::Unknown => {}
            Ask::Say { room, also, text, emote } => {
                for room in iter::once(room).chain(also) {
                    self.check_said((*room, text, *emote), ask, acts);
                }
            }
            Ask::Tell { to, text } => self.check_letter(to, text),
            Ask::Join(room) if acts.rooms & room != 0 => {}
            Ask::Join(room) => {
                if acts.next_if(|what| matches!(what, What::Joined(_))) {
                    acts.rooms |= room;
                    self.take_channel(*room, acts.at());
                } else {
                    assert!(self.is_cut(), "{ask:?} was not done");
                }
            }
            Ask::Part(room) if acts.rooms & room == 0 => self.take(&["442", "403"], ask),
            Ask::Part(room) => {
                let is_done = acts.next_if(|what| matches!(what, What::Left { .. }));
                assert!(is_done || self.is_cut(), "{ask:?} was not done");
                acts.rooms &= !room;
            }
            Ask::Topic { room, text } if acts.rooms & room != 0 => {
                let set = |what: &What| matches!(what, What::Topic { text: t, .. } if t == text);
                if acts.next_room() != *room || !acts.next_if(set) {
                    self.take(&["482"], ask);
                }
            }
            Ask::Topic { .. } => self.take(&["442", "403"], ask),
        }
    }

    /// A line was said in a channel, unless it is not there.
    fn check_said(
        &mut self,
        (room, text, emote): (Rooms, &str, bool),
        ask: &Ask,
        acts: &mut Acts<'a>,
    ) {
        let is_it = |what: &What| match what {
            What::Said { text: said, emote: acts, .. } => said == text && *acts == emote,
            _ => false,
        };
        if acts.rooms & room == 0 {
            self.take(&["404", "403"], ask);
        } else if !acts.next_if(is_it) {
            assert!(self.is_cut(), "{ask:?} was not said");
        }
    }

    /// The next answer must be one of these, if it has come.
    fn take(&mut self, wanted: &[&str], ask: &Ask) {
        match self.answers.pop_front() {
            Some(answer) => {
                let fits = wanted.contains(&answer.command.as_str());
                assert!(fits, "{answer:?} in answer to {ask:?}");
            }
            None => {
                let is_over = self.is_cut();
                assert!(is_over, "{ask:?} was not answered");
            }
        }
    }

    /// All that somebody is told who comes in, from 001 to 221.
    fn take_welcome(&mut self, name: &str) {
        let mut numbers = Vec::new();
        while let Some(answer) = self.answers.pop_front() {
            assert_eq!((answer.source.as_str(), answer.parameter(0)), (SERVER, name));
            let is_last = answer.command == "221";
            numbers.push(answer.command);
            if is_last {
                break;
            }
        }
        numbers.dedup();
        let all =
            ["001", "002", "003", "004", "005", "251", "252", "253", "254", "255", "265", "266"];
        let is_right = numbers.iter().zip(all).all(|(number, wanted)| number == wanted);
        let is_whole = numbers.last().is_some_and(|last| last == "221");
        assert!(is_right && (is_whole || !self.findings.whole), "a welcome: {numbers:?}");
    }

    /// All that somebody is told who comes into a channel at this place of the order.
    fn take_channel(&mut self, room: Rooms, at: usize) {
        let Some(join) = self.answers.pop_front() else {
            return assert!(!self.findings.whole, "it was not told that it is in {}", title(room));
        };
        assert_eq!((join.command.as_str(), join.parameter(0)), ("JOIN", title(room)));
        let mut known = Known::default();
        (0..=at).for_each(|at| known.apply(self.order, at));
        let topic = known.topic(room);
        if !topic.is_empty() {
            self.take_parameters("332", &[title(room), topic]);
            self.take_parameters("333", &[title(room)]);
        }
        let mut names = Vec::new();
        while self.answers.front().is_some_and(|answer| answer.command == "353") {
            let answer = self.answers.pop_front().unwrap();
            assert_eq!(answer.parameters[1..3], ["=", title(room)]);
            let more = answer.parameter(3).split(' ');
            names.extend(more.map(|name| name.trim_start_matches('@').to_owned()));
        }
        let is_whole = self.answers.front().is_some();
        self.take_parameters("366", &[title(room)]);
        if is_whole {
            self.check_roster(room, at, &names);
        }
    }

    fn take_parameters(&mut self, number: &str, wanted: &[&str]) {
        let Some(answer) = self.answers.pop_front() else {
            return assert!(!self.findings.whole, "{number} {wanted:?} is missing");
        };
        let told = &answer.parameters[1..];
        let is_same = |(told, wanted): (&String, &&str)| {
            told == wanted || told.len() > 350 && wanted.starts_with(told.as_str())
        };
        let fits = answer.command == number && told.iter().zip(wanted).all(is_same);
        assert!(fits, "{answer:?} instead of {number} {wanted:?}");
    }

    /// So many were there when it came, or when it was told somewhat later.
    fn check_roster(&self, room: Rooms, at: usize, names: &[String]) {
        let mut known = Known::default();
        (0..=at).for_each(|at| known.apply(self.order, at));
        let wanted = lines::sorted(names);
        for later in at + 1..=self.order.events.len() {
            if lines::sorted(known.rosters.of(room)) == wanted {
                return;
            }
            if later < self.order.events.len() {
                known.apply(self.order, later);
            }
        }
        panic!("{names:?} were never in {}", title(room));
    }

    fn check_letter(&mut self, to: &str, text: &str) {
        let refused = |answer: &Message| {
            let is_nobody = answer.command == "401" && answer.parameter(1) == to;
            is_nobody || answer.command == "NOTICE" && answer.parameter(1).contains("too much")
        };
        // What went out is not answered, so that may be the answer to the next one to the same.
        if self.answers.front().is_some_and(refused) {
            self.answers.pop_front();
        }
        // Whether it went out, and to whom, is known by those who got it.
        for (place, (what, _)) in self.order.events.iter().enumerate() {
            let (What::Came(name) | What::Renamed { new: name, .. }) = what else { continue };
            if names::same(name, to) {
                let letter = Letter {
                    from: self.client.id,
                    to: self.order.by[place],
                    text: text.to_owned(),
                    span: (0, self.order.events.len()),
                    sure: false,
                };
                self.findings.sent.push(letter);
            }
        }
    }
}

/// What a client did, as others know, in that order.
struct Acts<'a> {
    order: &'a Order,
    places: VecDeque<usize>,
    last: usize,
    /// What it is called, and where it is.
    name: String,
    rooms: Rooms,
}

impl<'a> Acts<'a> {
    fn of(id: usize, order: &'a Order) -> Acts<'a> {
        let places = (0..order.by.len()).filter(|at| order.by[*at] == id).collect();
        Acts { order, places, last: 0, name: String::new(), rooms: 0 }
    }

    fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    fn is_over(&self) -> bool {
        self.places.is_empty()
    }

    /// The place of the last.
    fn at(&self) -> usize {
        self.last
    }

    /// Where the next is.
    fn next_room(&self) -> Rooms {
        self.places.front().map_or(0, |at| self.order.rooms[*at])
    }

    /// Goes past the next, if it is such.
    fn next_if(&mut self, is_such: impl FnOnce(&What) -> bool) -> bool {
        let Some(at) = self.places.front().copied() else { return false };
        let what = &self.order.events[at].0;
        let is_it = is_such(what);
        if is_it {
            self.places.pop_front();
            self.last = at;
            if let What::Came(name) | What::Renamed { new: name, .. } = what {
                self.name.clone_from(name);
            }
        }
        is_it
    }

    fn rest(&self) -> Vec<&'a What> {
        self.places.iter().map(|at| &self.order.events[*at].0).collect()
    }
}

fn is_coming(what: &What, name: &str) -> bool {
    matches!(what, What::Came(came) if came == name)
}

fn is_departure(what: &What) -> bool {
    matches!(what, What::Left { .. } | What::Went(_))
}

/// Whether nothing need come of it.
fn is_silent(ask: &Ask) -> bool {
    matches!(ask, Ask::Tell { .. } | Ask::Nick(_) | Ask::Join(_))
}

fn place_of(channel: &str) -> usize {
    room_called(channel).trailing_zeros() as usize
}

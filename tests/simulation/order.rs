//! The one order of what happened in all rooms. The log has it, and the witness has heard it:
//! somebody who is in each of them from the first to the last, reads everything at once and says
//! nothing. All others are held against it.
//!
//! Who comes and goes is told when a turn ends or somebody of that room does something. So it has
//! its place in the order by the log, and the witness must be told of it in the order of its room.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use chinwag::Now;

use super::known::Known;
use super::lines::Heard;
use super::lines_checker::{Findings, Letter, invitation};
use super::log::{self, Entry};
use super::names;

/// The client that hears everything.
pub(crate) const WITNESS: usize = 0;

/// What it is called.
pub(crate) const WITNESS_NAME: &str = "watcher";

/// Some of the rooms: a bit for each of [`ROOMS`].
pub(crate) type Rooms = u8;

/// The rooms, by their names. The first is the lobby.
pub(crate) const ROOMS: [&str; 4] = ["#lobby", "#ops", "#Tea", "#a.b"];

/// The room in which everybody begins.
pub(crate) const LOBBY: Rooms = 1;

/// The room of this name.
pub(crate) fn room_called(title: &str) -> Rooms {
    let at = ROOMS.iter().position(|room| *room == title);
    1 << at.unwrap_or_else(|| panic!("no room is called {title}"))
}

/// The name of a room, with its `#`.
pub(crate) fn title(room: Rooms) -> &'static str {
    ROOMS[room.trailing_zeros() as usize]
}

/// Something that happened. But for coming and going, everyone in a room was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Somebody has a name, and is in no room yet.
    Came(String),
    /// Somebody's name is free again, after they have left all rooms.
    Went(String),
    /// Somebody's connection has ended, and they may come back, or have come back.
    Cut(String),
    Back(String),
    Joined(String),
    Left {
        name: String,
        why: Option<String>,
    },
    Renamed {
        old: String,
        new: String,
    },
    Said {
        from: String,
        text: String,
        emote: bool,
    },
    /// Somebody says what the room is about; about nothing, if empty.
    Topic {
        by: String,
        text: String,
    },
    Stopping,
}

impl What {
    /// As a dialect tells it that does not say why somebody leaves.
    pub(crate) fn without_reason(&self) -> What {
        match self {
            What::Left { name, .. } => What::Left { name: name.clone(), why: None },
            what => what.clone(),
        }
    }

    /// Whether both are the coming, or the going for the same reason.
    pub(crate) fn is_like(&self, other: &What) -> bool {
        match (self, other) {
            (What::Joined(_), What::Joined(_)) => true,
            (What::Left { why, .. }, What::Left { why: other, .. }) => why == other,
            _ => false,
        }
    }
}

/// All of it, from the witness's joining on.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) events: Vec<(What, Now)>,
    /// Of each event, in which rooms it happened, and how many were in the first of them then.
    pub(crate) rooms: Vec<Rooms>,
    counts: Vec<usize>,
    /// Of each event, in which line it was told, which have numbers from 1.
    pub(crate) told_in: Vec<usize>,
    /// Of each event, when it was told.
    told_at: Vec<Instant>,
    pub(crate) lines: usize,
    /// Who came to each room and went, and was not told of yet.
    untold: [VecDeque<usize>; ROOMS.len()],
    /// What was written to the witness alone.
    letters: Vec<Letter>,
    /// Whose doing each is, by the number of the client.
    pub(crate) by: Vec<usize>,
    /// Who has come in, and not gone since.
    pub(crate) roster: Vec<String>,
    rosters: [Vec<String>; ROOMS.len()],
    /// Which client somebody is who is here. Whoever comes back is still the client that they were.
    ids: HashMap<String, usize>,
    /// Of the clients by which somebody came back, which client that was.
    before: HashMap<usize, usize>,
    /// The lines that were said: their numbers, and their places.
    pub(crate) numbers: Vec<(u64, usize)>,
    /// Which clients are there as soon as they have a name, whether they are in a room or not.
    pub(crate) roomless: HashSet<usize>,
    /// All names that anybody has had.
    pub(crate) known: HashSet<String>,
}

/// Which client is at an address, the last one of several.
pub(crate) type Addresses = HashMap<SocketAddr, usize>;

impl Order {
    /// Takes note of a line that the witness has heard in `rooms`, and sees whether it can be.
    pub(crate) fn hear(&mut self, heard: Heard, rooms: Rooms, now: Now, addresses: &Addresses) {
        self.catch_up(now, addresses);
        match heard {
            Heard::Room(whats, more, count) => {
                self.lines += 1;
                let last = whats.last().cloned();
                for what in whats {
                    self.hear_one(what, rooms, now);
                }
                for _ in 0..more {
                    self.hear_coming_or_going(last.as_ref().unwrap(), rooms, now);
                }
                if let Some(count) = count {
                    let at = self.told_in.iter().rposition(|line| *line == self.lines).unwrap();
                    assert_eq!(count, self.counts[at], "the count is wrong after {last:?}");
                }
            }
            Heard::Private { from, text } => self.take_letter(&from, text),
            Heard::Invited { from, room } => self.take_letter(&from, invitation(room)),
            Heard::Own => {}
        }
    }

    /// What was heard last has this number.
    pub(crate) fn number(&mut self, number: u64) {
        self.numbers.push((number, self.events.len() - 1));
        assert!(self.numbers.is_sorted(), "numbers do not grow: {:?}", self.numbers);
    }

    fn hear_one(&mut self, what: What, rooms: Rooms, now: Now) {
        match &what {
            What::Joined(name) | What::Left { name, .. } => {
                let at = self.hear_coming_or_going(&what, rooms, now);
                let (What::Joined(told) | What::Left { name: told, .. }) = &self.events[at].0
                else {
                    return;
                };
                assert_eq!(told, name, "the log has another order");
                return;
            }
            What::Said { from: name, .. }
            | What::Topic { by: name, .. }
            | What::Renamed { old: name, .. } => self.take_deed(name),
            What::Stopping | What::Came(_) | What::Went(_) | What::Cut(_) | What::Back(_) => {}
        }
        // A new name is told in all rooms of whoever has it.
        let rooms = match &what {
            What::Renamed { old, .. } => self.rooms_of(old),
            _ => rooms,
        };
        self.add(what, rooms, now);
        *self.told_in.last_mut().unwrap() = self.lines;
    }

    /// The next who came to a room or went, of whom the witness was told like this. Returns its
    /// place.
    fn hear_coming_or_going(&mut self, told: &What, rooms: Rooms, now: Now) -> usize {
        let next = self.untold[rooms.trailing_zeros() as usize].pop_front();
        let next = next.unwrap_or_else(|| panic!("{told:?}, but nobody has come or gone"));
        if let (What::Left { why, .. }, What::Left { why: told, .. }) =
            (&mut self.events[next].0, told)
        {
            why.clone_from(told);
        }
        let what = &self.events[next].0;
        assert!(what.is_like(told), "the witness was told {told:?}, but {what:?}");
        (self.told_in[next], self.told_at[next]) = (self.lines, now.instant);
        next
    }

    /// Somebody wrote to the witness.
    fn take_letter(&mut self, from: &str, text: String) {
        self.take_deed(from);
        let span = (self.events.len(), self.events.len());
        self.letters.push(Letter { from: self.ids[from], to: WITNESS, text, span, sure: true });
    }

    /// The log must say next that somebody did something of which the witness was told.
    fn take_deed(&self, name: &str) {
        let next = log::next_if(|_| true);
        let did = match &next {
            Some(Entry::Did { name: by, .. } | Entry::Renamed { old: by, .. }) => by == name,
            _ => false,
        };
        assert!(did, "{name} did something, but the log says {next:?}");
    }

    /// Takes note of who has come and gone before the next thing of which the witness was told.
    pub(crate) fn catch_up(&mut self, now: Now, addresses: &Addresses) {
        while let Some(entry) = log::next_if(|entry| !self.is_told_to_witness(entry)) {
            match entry {
                Entry::Named { name, from } => {
                    self.claim(&name);
                    self.ids.insert(name.clone(), addresses[&from]);
                    if self.roomless.contains(&addresses[&from]) {
                        self.roster.push(name.clone());
                    }
                    self.add(What::Came(name), 0, now);
                }
                Entry::Closed { from } => {
                    let id = addresses.get(&from).map(|id| self.owner(*id));
                    let is_it = |(_, other): &(&String, &usize)| Some(**other) == id;
                    if let Some((name, _)) = self.ids.iter().find(is_it) {
                        self.go(&name.clone(), now);
                    }
                }
                Entry::Joined { name, room } => {
                    if !self.roster.contains(&name) {
                        self.roster.push(name.clone());
                    }
                    self.come_or_go(What::Joined(name), room_called(&room), now);
                }
                Entry::Parted { name, room } => {
                    self.come_or_go(What::Left { name, why: None }, room_called(&room), now);
                }
                Entry::Left { name } => {
                    for room in each(self.rooms_of(&name)) {
                        let left = What::Left { name: name.clone(), why: None };
                        self.come_or_go(left, 1 << room, now);
                    }
                    self.go(&name, now);
                }
                Entry::Cut { name } => self.add(What::Cut(name), 0, now),
                Entry::Back { name, from } => {
                    if self.ids[&name] != addresses[&from] {
                        self.before.insert(addresses[&from], self.ids[&name]);
                    }
                    self.add(What::Back(name), 0, now);
                }
                // In no room, nobody is told.
                Entry::Renamed { old, new } => self.add(What::Renamed { old, new }, 0, now),
                Entry::Did { .. } => {}
            }
        }
    }

    /// Whether the witness hears at once of what the log says.
    fn is_told_to_witness(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Did { to, .. } => to.as_ref().is_none_or(|to| to == WITNESS_NAME),
            Entry::Renamed { old, .. } => self.rooms_of(old) != 0,
            _ => false,
        }
    }

    fn go(&mut self, name: &str, now: Now) {
        self.add(What::Went(name.to_owned()), 0, now);
        self.roster.retain(|other| other != name);
        self.ids.remove(name);
    }

    /// Nobody else who is here, in whatever room, has this name.
    fn claim(&mut self, name: &str) {
        let twin = self.ids.keys().find(|other| names::same(other, name));
        assert_eq!(twin, None, "{name} was taken");
        self.known.insert(name.to_owned());
    }

    fn come_or_go(&mut self, what: What, room: Rooms, now: Now) {
        self.untold[room.trailing_zeros() as usize].push_back(self.events.len());
        self.add(what, room, now);
    }

    fn add(&mut self, what: What, rooms: Rooms, now: Now) {
        let by = match &what {
            What::Came(name)
            | What::Went(name)
            | What::Cut(name)
            | What::Back(name)
            | What::Joined(name)
            | What::Left { name, .. }
            | What::Said { from: name, .. }
            | What::Topic { by: name, .. } => {
                *self.ids.get(name).unwrap_or_else(|| panic!("{name} is not here, but {what:?}"))
            }
            What::Renamed { old, new } => self.rename(old, new),
            What::Stopping => usize::MAX,
        };
        for room in each(rooms) {
            apply(&mut self.rosters[room], &what);
        }
        self.events.push((what, now));
        self.rooms.push(rooms);
        self.counts.push(each(rooms).next().map_or(0, |room| self.rosters[room].len()));
        self.by.push(by);
        self.told_in.push(if rooms == 0 { 0 } else { usize::MAX });
        self.told_at.push(now.instant);
    }

    fn rename(&mut self, old: &str, new: &str) -> usize {
        let id = self.ids.remove(old).unwrap();
        self.claim(new);
        self.roster.iter_mut().filter(|name| *name == old).for_each(|name| *name = new.to_owned());
        self.ids.insert(new.to_owned(), id);
        id
    }

    /// The clients that are here.
    pub(crate) fn ids(&self) -> impl Iterator<Item = usize> {
        self.ids.values().copied()
    }

    /// The rooms that a client is in.
    pub(crate) fn rooms_of_client(&self, id: usize) -> Rooms {
        let id = self.owner(id);
        let name = self.ids.iter().find(|(_, other)| **other == id);
        name.map_or(0, |(name, _)| self.rooms_of(name))
    }

    /// As which client somebody came in who has come back by this one.
    pub(crate) fn owner(&self, id: usize) -> usize {
        self.before.get(&id).copied().unwrap_or(id)
    }

    /// Who is in a room.
    pub(crate) fn roster_of(&self, room: Rooms) -> &[String] {
        &self.rosters[room.trailing_zeros() as usize]
    }

    /// The rooms that somebody is in.
    fn rooms_of(&self, name: &str) -> Rooms {
        let here = |roster: &Vec<String>| roster.iter().any(|other| other == name);
        let rooms = self.rosters.iter().enumerate().filter(|(_, roster)| here(roster));
        rooms.map(|(room, _)| 1 << room).sum()
    }

    // ── when all has been heard ──────────────────────────────────────────────────────────────────

    /// Tells on stderr what happened at each place, when, in which rooms, and whose doing it was.
    pub(crate) fn print(&self) {
        for (at, (what, now)) in self.events.iter().enumerate() {
            let time = now.instant - self.events[0].1.instant;
            eprintln!("{at}: {time:?} {:04b} by {}: {what:?}", self.rooms[at], self.by[at]);
        }
    }

    /// What the witness has to say who is in all rooms: it has heard what all were told.
    pub(crate) fn of_witness(&self) -> Findings {
        let said = |(what, _): &&(What, Now)| matches!(what, What::Said { .. });
        let heard = self.events.iter().filter(said).count();
        let (got, at) = (self.letters.clone(), self.events.len());
        Findings { heard, got, at, whole: true, ..Findings::default() }
    }

    /// The place at which a client got its name.
    pub(crate) fn coming(&self, id: usize) -> Option<usize> {
        self.by.iter().position(|by| *by == id)
    }

    /// Which client had this name first. No two ever have the same spelling of one, but for who
    /// comes back after having left, and those to whom it was given.
    pub(crate) fn first_called(&self, name: &str) -> usize {
        let named = |what: &What| match what {
            What::Came(it) | What::Renamed { new: it, .. } => it == name,
            _ => false,
        };
        let place = self.events.iter().position(|(what, _)| named(what));
        self.by[place.unwrap_or_else(|| panic!("nobody was ever called {name}"))]
    }

    /// All clients that were ever called as this one was when it came.
    pub(crate) fn namesakes(&self, id: usize) -> impl Iterator<Item = usize> {
        let came = self.coming(id).map(|at| &self.events[at].0);
        let all = self.events.iter().zip(&self.by);
        all.filter(move |((what, _), _)| Some(what) == came).map(|(_, by)| *by)
    }

    /// What a room is about in the end.
    pub(crate) fn topic_of(&self, room: Rooms) -> &str {
        let all = self.events.iter().zip(&self.rooms).rev();
        let mut topics = all.filter_map(|((what, _), rooms)| match what {
            What::Topic { text, .. } if *rooms == room => Some(text.as_str()),
            _ => None,
        });
        topics.next().unwrap_or_default()
    }

    /// The place at which a client went for good.
    pub(crate) fn going(&self, id: usize) -> Option<usize> {
        let at = self.by.iter().rposition(|by| *by == id)?;
        matches!(self.events[at].0, What::Went(_)).then_some(at)
    }

    /// Whether somebody who came in as this client was cut off before that place of the order.
    pub(crate) fn is_cut_before(&self, id: usize, at: usize) -> bool {
        (0..at.min(self.by.len())).any(|at| self.is_cut_at(id, at))
    }

    /// Whether a client is cut off at this place.
    pub(crate) fn is_cut_at(&self, id: usize, at: usize) -> bool {
        self.by[at] == id && matches!(self.events[at].0, What::Cut(_))
    }

    /// Whether somebody comes or goes at this place and a client is cut off before that is told,
    /// when a turn ends.
    pub(crate) fn is_told_after_cut(&self, id: usize, at: usize) -> bool {
        let is_before = |later: usize| self.events[later].1.instant <= self.told_at[at];
        matches!(self.events[at].0, What::Joined(_) | What::Left { .. })
            && (at..self.by.len()).any(|later| self.is_cut_at(id, later) && is_before(later))
    }

    /// The lines that were said in a room: their numbers, and their places.
    pub(crate) fn said_in(&self, room: Rooms) -> impl DoubleEndedIterator<Item = (u64, usize)> {
        let all = self.numbers.iter().copied();
        all.filter(move |(_, at)| self.rooms[*at] == room)
    }

    /// Why a client left, as others were told, if that was for a reason.
    pub(crate) fn left_for(&self, id: usize) -> Option<&str> {
        let mut all = self.events.iter().zip(&self.by).filter(|(_, by)| **by == id).rev();
        all.find_map(|((what, _), _)| match what {
            What::Left { why, .. } => why.as_deref(),
            _ => None,
        })
    }

    /// The place, not before `from`, at which a client comes into a room.
    pub(crate) fn joining_room(&self, id: usize, room: Rooms, from: usize) -> Option<usize> {
        (from..self.by.len()).find(|at| {
            let joins = matches!(self.events[*at].0, What::Joined(_));
            joins && self.by[*at] == id && self.rooms[*at] == room
        })
    }

    /// Whether at this place `name` leaves, or somebody with whom `name` left. Those who go
    /// together are told of in one line, when the last of them has gone.
    pub(crate) fn leaves_at(&self, name: &str, at: usize) -> bool {
        let left =
            |(what, _): &(What, Now)| matches!(what, What::Left { name: n, .. } if n == name);
        self.line_from(at).any(|at| left(&self.events[at]))
    }

    /// The places, from this one on, that were told in the same line.
    pub(crate) fn line_from(&self, at: usize) -> impl Iterator<Item = usize> {
        let line = self.told_in[at];
        (at..self.events.len()).filter(move |at| self.told_in[*at] == line)
    }

    /// Whether somebody else had `name`, or one that is the same, in these parts of the order.
    pub(crate) fn was_taken(&self, name: &str, from: usize, to: usize) -> bool {
        let mut known = Known::default();
        (0..self.events.len().min(to)).any(|at| {
            let is_taken = at >= from && known.is_taken(name, usize::MAX);
            known.apply(self, at);
            is_taken
        }) || known.is_taken(name, usize::MAX)
    }
}

/// The places of some rooms among all.
pub(crate) fn each(rooms: Rooms) -> impl Iterator<Item = usize> {
    (0..ROOMS.len()).filter(move |room| rooms >> room & 1 == 1)
}

/// Who is in which room at a place of the order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rosters([Vec<String>; ROOMS.len()]);

impl Rosters {
    /// Who is in a room.
    pub(crate) fn of(&self, room: Rooms) -> &[String] {
        &self.0[room.trailing_zeros() as usize]
    }

    /// What happened at this place has happened.
    pub(crate) fn apply(&mut self, order: &Order, at: usize) {
        for room in each(order.rooms[at]) {
            apply(&mut self.0[room], &order.events[at].0);
        }
    }
}

/// Who is here after `what`, and whether that can be.
pub(crate) fn apply(roster: &mut Vec<String>, what: &What) {
    let place = |roster: &[String], name: &str| {
        let at = roster.iter().position(|other| other == name);
        at.unwrap_or_else(|| panic!("{name} is not here, but {what:?}"))
    };
    let claim = |roster: &[String], name: &str| {
        let twin = roster.iter().find(|other| names::same(other, name));
        assert_eq!(twin, None, "{name} was taken, but {what:?}");
    };
    match what {
        What::Joined(name) => {
            claim(roster, name);
            roster.push(name.clone());
        }
        What::Left { name, .. } => {
            let at = place(roster, name);
            roster.remove(at);
        }
        What::Renamed { old, new } => {
            let at = place(roster, old);
            roster.remove(at);
            claim(roster, new);
            roster.insert(at, new.clone());
        }
        What::Said { from: name, .. } | What::Topic { by: name, .. } => {
            place(roster, name);
        }
        What::Came(_) | What::Went(_) | What::Cut(_) | What::Back(_) | What::Stopping => {}
    }
}

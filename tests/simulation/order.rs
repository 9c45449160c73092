//! The one order of what happened in all rooms, as the witness has heard it: somebody who is in
//! each of them from the first to the last, reads everything at once and says nothing. All others
//! are held against it.
//!
//! In a room the order is exact. Who comes and goes is told when a turn ends or somebody of that
//! room does something, so of other rooms somebody may know a little more than was told already:
//! at most what follows in the same turn ([`Order::rest_of_turn`]).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use chinwag::Now;

use super::lines::Heard;
use super::lines_checker::{Findings, Letter, invitation};
use super::log::{self, Entry};
use super::names;

/// The client that hears everything.
pub(crate) const WITNESS: usize = 0;

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

/// Something that everyone in a room was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
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

    /// The same, of somebody else.
    fn of(&self, name: String) -> What {
        match self {
            What::Joined(_) => What::Joined(name),
            What::Left { why, .. } => What::Left { name, why: why.clone() },
            what => panic!("{what:?} and more of them"),
        }
    }
}

/// All of it, from the witness's joining on.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) events: Vec<(What, Now)>,
    /// Of each event, in which rooms it was told, and in which turn of the server.
    pub(crate) rooms: Vec<Rooms>,
    turns: Vec<usize>,
    /// The turn that is going on.
    pub(crate) turn: usize,
    /// Whether there is the lobby alone.
    pub(crate) one_room: bool,
    /// Of each event, in which line it was told.
    pub(crate) told_in: Vec<usize>,
    lines: usize,
    /// What was written to the witness alone.
    letters: Vec<Letter>,
    /// Whose doing each is, by the number of the client.
    pub(crate) by: Vec<usize>,
    /// Who is here, in whatever room.
    pub(crate) roster: Vec<String>,
    rosters: [Vec<String>; ROOMS.len()],
    /// Which client somebody is who is in a room.
    ids: HashMap<(usize, String), usize>,
    /// Which client had a name last.
    named: HashMap<String, usize>,
    /// Of each client, where it came in, and where it went for good.
    coming: HashMap<usize, usize>,
    going: HashMap<usize, usize>,
    /// All names that anybody has had.
    pub(crate) known: HashSet<String>,
    /// Names that somebody may have had before coming in, or without it.
    pub(crate) claims: Vec<Claim>,
}

/// A name, and where in the order somebody may have had it who was not in the room.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Which client is at an address, the last one of several.
pub(crate) type Addresses = HashMap<SocketAddr, usize>;

impl Order {
    pub(crate) fn new(one_room: bool) -> Order {
        Order { one_room, ..Order::default() }
    }

    /// Takes note of a line that the witness has heard in `rooms`, and sees whether it can be. Of
    /// those who come and go, the log says who they are.
    pub(crate) fn hear(&mut self, heard: Heard, rooms: Rooms, now: Now, addresses: &Addresses) {
        let (whats, more, count) = match heard {
            Heard::Room(whats, more, count) => (whats, more, count),
            Heard::Private { from, text } => return self.take_letter(&from, text),
            Heard::Invited { from, room } => return self.take_letter(&from, invitation(room)),
            Heard::Own => return,
        };
        self.lines += 1;
        let last = whats.last().cloned();
        for what in whats {
            self.happen(what, rooms, now, addresses);
        }
        for _ in 0..more {
            let entry = log::next().unwrap();
            let what = last.as_ref().unwrap().of(entry.name.clone());
            self.add((what, rooms), Some(entry), now, addresses);
        }
        if let Some(count) = count {
            assert_eq!(count, self.roster_of(rooms).len(), "the count is wrong after {last:?}");
        }
    }

    /// Somebody wrote to the witness.
    fn take_letter(&mut self, from: &str, text: String) {
        let sender = self.ids.iter().find(|((_, name), _)| name == from);
        let (_, id) = sender.unwrap_or_else(|| panic!("{from} is not here, but wrote {text}"));
        let span = (self.events.len(), self.events.len());
        self.letters.push(Letter { from: *id, to: WITNESS, text, span, sure: true });
    }

    /// Adds one thing.
    pub(crate) fn happen(&mut self, what: What, rooms: Rooms, now: Now, addresses: &Addresses) {
        let entry = match &what {
            What::Joined(_) | What::Left { .. } if self.one_room => log::next(),
            // What is told of several rooms has another order than the log.
            What::Joined(name) if rooms == LOBBY => log::take_joined(name),
            _ => None,
        };
        self.add((what, rooms), entry, now, addresses);
    }

    fn add(
        &mut self,
        (what, rooms): (What, Rooms),
        entry: Option<Entry>,
        now: Now,
        addresses: &Addresses,
    ) {
        // A new name is told in all rooms of whoever has it.
        let rooms = match &what {
            What::Renamed { old, .. } => self.rooms_of(old),
            _ => rooms,
        };
        assert_ne!(rooms, 0, "{what:?} is told nowhere");
        let by = self.doer(&what, rooms, entry, addresses);
        for room in each(rooms) {
            apply(&mut self.rosters[room], &what);
        }
        let gone = |name: &String| self.rooms_of(name) == 0;
        match &what {
            What::Joined(name) if !self.roster.contains(name) => self.roster.push(name.clone()),
            What::Left { name, .. } if gone(name) => self.roster.retain(|other| other != name),
            What::Renamed { old, new } => {
                let at = self.roster.iter().position(|name| name == old).unwrap();
                self.roster[at].clone_from(new);
            }
            _ => {}
        }
        self.events.push((what, now));
        self.rooms.push(rooms);
        self.turns.push(self.turn);
        self.by.push(by);
        self.told_in.push(self.lines);
    }

    /// Which client it is whose doing something is.
    fn doer(
        &mut self,
        what: &What,
        rooms: Rooms,
        entry: Option<Entry>,
        addresses: &Addresses,
    ) -> usize {
        let room = rooms.trailing_zeros() as usize;
        match what {
            // They have been in the lobby.
            What::Joined(name) if room > 0 => {
                let id = self.named[name];
                self.ids.insert((room, name.clone()), id);
                id
            }
            What::Joined(name) => {
                let entry = entry.unwrap_or_else(|| panic!("{what:?} is not in the log"));
                assert_eq!(entry.name, *name, "the log has another order");
                let remote = entry.joined_from.unwrap_or_else(|| panic!("{name} did not leave"));
                self.known.insert(name.clone());
                let id = addresses[&remote];
                self.ids.insert((room, name.clone()), id);
                self.named.insert(name.clone(), id);
                id
            }
            What::Left { name, .. } => {
                if self.one_room {
                    let entry = entry.unwrap_or_else(|| panic!("{what:?} is not in the log"));
                    assert_eq!((&entry.name, entry.joined_from), (name, None));
                }
                let id = each(rooms).filter_map(|room| self.ids.remove(&(room, name.clone())));
                id.last().unwrap_or_else(|| panic!("{name} is not here"))
            }
            What::Renamed { old, new } => {
                self.known.insert(new.clone());
                let mut id = None;
                for room in each(rooms) {
                    id = self.ids.remove(&(room, old.clone()));
                    self.ids.insert((room, new.clone()), id.unwrap());
                }
                self.named.insert(new.clone(), id.unwrap());
                id.unwrap()
            }
            What::Said { from: name, .. } | What::Topic { by: name, .. } => {
                let id = self.ids.get(&(room, name.clone()));
                *id.unwrap_or_else(|| panic!("{name} is not here, but {what:?}"))
            }
            What::Stopping => usize::MAX,
        }
    }

    /// The last one leaves, who was told all of this.
    pub(crate) fn end_with(&mut self, name: &str, now: Now) {
        let entry = Entry { name: name.to_owned(), joined_from: None };
        let left = What::Left { name: name.to_owned(), why: None };
        let rooms = self.rooms_of(name);
        self.add((left, rooms), Some(entry), now, &Addresses::new());
    }

    /// The clients that are here.
    pub(crate) fn ids(&self) -> impl Iterator<Item = usize> {
        let ids: BTreeSet<usize> = self.ids.values().copied().collect();
        ids.into_iter()
    }

    /// Who is in a room.
    fn roster_of(&self, room: Rooms) -> &[String] {
        &self.rosters[room.trailing_zeros() as usize]
    }

    /// The rooms that somebody is in.
    fn rooms_of(&self, name: &str) -> Rooms {
        let here = |roster: &Vec<String>| roster.iter().any(|other| other == name);
        let rooms = self.rosters.iter().enumerate().filter(|(_, roster)| here(roster));
        rooms.map(|(room, _)| 1 << room).sum()
    }

    /// Nobody has a name, in whatever room, that somebody else has too. It holds when all who came
    /// and went have been told of.
    pub(crate) fn check_names(&self) {
        for (room, roster) in self.rosters.iter().enumerate() {
            for (other, others) in self.rosters.iter().enumerate().skip(room + 1) {
                for name in roster {
                    let twin = others.iter().find(|twin| names::same(name, twin));
                    let id = |room, name: &String| self.ids[&(room, name.clone())];
                    let same = twin.is_none_or(|twin| id(room, name) == id(other, twin));
                    assert!(same, "{name} is there twice");
                }
            }
        }
    }

    // ── when all has been heard ──────────────────────────────────────────────────────────────────

    /// Finds out who comes in by an event and not from another room, and who goes for good.
    pub(crate) fn settle(&mut self) {
        let mut acts: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, by) in self.by.iter().enumerate().filter(|(_, by)| **by != usize::MAX) {
            acts.entry(*by).or_default().push(at);
        }
        (self.coming, self.going) = (HashMap::new(), HashMap::new());
        for (id, acts) in acts {
            self.coming.insert(id, acts[0]);
            let mut rooms = 0;
            for at in &acts {
                match &self.events[*at].0 {
                    What::Joined(_) => rooms |= self.rooms[*at],
                    What::Left { .. } => rooms &= !self.rooms[*at],
                    _ => {}
                }
            }
            if rooms == 0 {
                self.going.insert(id, acts[acts.len() - 1]);
            }
        }
    }

    /// What the witness has to say who is in all rooms: it has heard what all were told.
    pub(crate) fn of_witness(&self) -> Findings {
        let said = |(what, _): &&(What, Now)| matches!(what, What::Said { .. });
        let heard = self.events.iter().filter(said).count();
        let (got, at) = (self.letters.clone(), self.events.len());
        Findings { heard, got, at, whole: true, ..Findings::default() }
    }

    /// Whether somebody comes in there who was in no room before.
    pub(crate) fn comes(&self, at: usize) -> bool {
        self.coming.get(&self.by[at]) == Some(&at)
    }

    /// Whether somebody goes there for good.
    pub(crate) fn goes(&self, at: usize) -> bool {
        self.going.get(&self.by[at]) == Some(&at)
    }

    /// All that was told in the turn that a place is in.
    pub(crate) fn turn_of(&self, at: usize) -> std::ops::Range<usize> {
        let start = (0..at).rev().take_while(|before| self.turns[*before] == self.turns[at]).last();
        start.unwrap_or(at)..self.rest_of_turn(at).end
    }

    /// What was told from a place on in the turn that it is in.
    pub(crate) fn rest_of_turn(&self, at: usize) -> std::ops::Range<usize> {
        let turn = self.turns.get(at);
        let end = (at..self.turns.len()).find(|later| Some(&self.turns[*later]) != turn);
        at..end.unwrap_or(self.turns.len())
    }

    /// The name that a client had after so much had happened, if it was here.
    pub(crate) fn name_of(&self, id: usize, at: usize) -> Option<&String> {
        if self.going.get(&id).is_some_and(|gone| *gone < at) {
            return None;
        }
        let last = self.by[..at].iter().rposition(|by| *by == id)?;
        match &self.events[last].0 {
            What::Joined(name) | What::Renamed { new: name, .. } | What::Left { name, .. } => {
                Some(name)
            }
            What::Said { from: name, .. } | What::Topic { by: name, .. } => Some(name),
            What::Stopping => None,
        }
    }

    /// The place at which a client left for good.
    pub(crate) fn leaving(&self, id: usize) -> Option<usize> {
        self.going.get(&id).copied()
    }

    /// Why a client left, as others were told, if that was for a reason.
    pub(crate) fn left_for(&self, id: usize) -> Option<&str> {
        let mut all = self.events.iter().zip(&self.by).filter(|(_, by)| **by == id).rev();
        all.find_map(|((what, _), _)| match what {
            What::Left { why, .. } => why.as_deref(),
            _ => None,
        })
    }

    /// The place at which a client came in.
    pub(crate) fn joining(&self, id: usize) -> Option<usize> {
        self.by.iter().position(|by| *by == id)
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
        let line = self.told_in[at];
        let together = (at..self.events.len()).take_while(|&i| self.told_in[i] == line);
        together
            .map(|i| &self.events[i].0)
            .any(|what| matches!(what, What::Left { name: left, .. } if left == name))
    }

    /// Whether somebody who was not in the room may have had `name`, or one that is the same, in
    /// these parts of the order.
    pub(crate) fn was_claimed(&self, name: &str, from: usize, to: usize) -> bool {
        let meets = |claim: &&Claim| claim.from <= to && from <= claim.to;
        self.claims.iter().filter(meets).any(|claim| names::same(&claim.name, name))
    }

    /// Whether somebody else had `name`, or one that is the same, in these parts of the order.
    pub(crate) fn was_taken(&self, name: &str, from: usize, to: usize) -> bool {
        if self.was_claimed(name, from, to) {
            return true;
        }
        let mut rosters = Rosters::default();
        for i in 0..self.events.len().min(to + 1) {
            if i >= from && rosters.has(name) {
                return true;
            }
            rosters.apply(self, i);
        }
        rosters.has(name)
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

    /// The same of somebody's coming or going that is told later.
    pub(crate) fn apply_early(&mut self, order: &Order, at: usize) {
        for room in each(order.rooms[at]) {
            match &order.events[at].0 {
                What::Joined(name) if !self.0[room].contains(name) => {
                    self.0[room].push(name.clone());
                }
                What::Left { name, .. } => self.0[room].retain(|other| other != name),
                _ => {}
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().flatten().any(|other| names::same(other, name))
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
        What::Stopping => {}
    }
}

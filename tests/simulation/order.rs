//! The one order of what happened in the room, as the witness has heard it: somebody who is there
//! from the first to the last, reads everything at once and says nothing. All others are held
//! against it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use chinwag::Now;

use super::lines::{self, Heard};
use super::log::{self, Entry};
use super::names;

/// Something that everyone was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Joined(String),
    Left { name: String, why: Option<String> },
    Renamed { old: String, new: String },
    Said { from: String, text: String, emote: bool },
    Stopping,
}

impl What {
    /// Whose doing it is, by the name until then.
    pub(crate) fn by(&self) -> Option<&String> {
        match self {
            What::Joined(name) | What::Left { name, .. } => Some(name),
            What::Renamed { old, .. } => Some(old),
            What::Said { from, .. } => Some(from),
            What::Stopping => None,
        }
    }

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
    /// Of each event, in which line it was told.
    pub(crate) told_in: Vec<usize>,
    lines: usize,
    /// Whose doing each is, by the number of the client.
    pub(crate) by: Vec<usize>,
    /// Who is here, and which client that is.
    pub(crate) roster: Vec<String>,
    ids: HashMap<String, usize>,
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
    /// Takes note of a line that the witness has heard, and sees whether it can be. Of those who
    /// come and go, the log says who they are.
    pub(crate) fn hear(&mut self, line: &str, now: Now, addresses: &Addresses) {
        let Heard::Room(whats, more, count) = lines::hear(line) else { return };
        self.lines += 1;
        let last = whats.last().cloned();
        for what in whats {
            self.happen(what, now, addresses);
        }
        for _ in 0..more {
            let entry = log::next().unwrap();
            let what = last.as_ref().unwrap().of(entry.name.clone());
            self.add(what, Some(entry), now, addresses);
        }
        if let Some(count) = count {
            assert_eq!(count, self.roster.len(), "the count is wrong in {line:?}");
        }
    }

    /// Adds one thing.
    pub(crate) fn happen(&mut self, what: What, now: Now, addresses: &Addresses) {
        let entry = match what {
            What::Joined(_) | What::Left { .. } => log::next(),
            _ => None,
        };
        self.add(what, entry, now, addresses);
    }

    fn add(&mut self, what: What, entry: Option<Entry>, now: Now, addresses: &Addresses) {
        let by = match &what {
            What::Joined(name) => {
                let entry = entry.unwrap_or_else(|| panic!("{what:?} is not in the log"));
                assert_eq!(entry.name, *name, "the log has another order");
                let remote = entry.joined_from.unwrap_or_else(|| panic!("{name} did not leave"));
                self.known.insert(name.clone());
                self.ids.insert(name.clone(), addresses[&remote]);
                addresses[&remote]
            }
            What::Left { name, .. } => {
                let entry = entry.unwrap_or_else(|| panic!("{what:?} is not in the log"));
                assert_eq!((&entry.name, entry.joined_from), (name, None));
                self.ids.remove(name).unwrap_or_else(|| panic!("{name} is not here"))
            }
            What::Renamed { old, new } => {
                let id = self.ids.remove(old).unwrap_or_else(|| panic!("{old} is not here"));
                self.known.insert(new.clone());
                self.ids.insert(new.clone(), id);
                id
            }
            What::Said { from, .. } => self.ids[from],
            What::Stopping => usize::MAX,
        };
        apply(&mut self.roster, &what);
        self.events.push((what, now));
        self.by.push(by);
        self.told_in.push(self.lines);
    }

    /// The last one leaves, who was told all of this.
    pub(crate) fn end_with(&mut self, name: &str, now: Now) {
        let entry = Entry { name: name.to_owned(), joined_from: None };
        let left = What::Left { name: name.to_owned(), why: None };
        self.add(left, Some(entry), now, &Addresses::new());
    }

    /// The clients that are here.
    pub(crate) fn ids(&self) -> impl Iterator<Item = usize> {
        self.ids.values().copied()
    }

    /// Which client had `name` after so much had happened.
    pub(crate) fn owner(&self, name: &str, at: usize) -> usize {
        let takes = |what: &What| match what {
            What::Joined(new) | What::Renamed { new, .. } => new == name,
            _ => false,
        };
        let taken = self.events[..at].iter().rposition(|(what, _)| takes(what));
        self.by[taken.unwrap_or_else(|| panic!("nobody was called {name}"))]
    }

    /// The name that a client had after so much had happened, if it was here.
    pub(crate) fn name_of(&self, id: usize, at: usize) -> Option<&String> {
        let last = self.by[..at].iter().rposition(|by| *by == id)?;
        match &self.events[last].0 {
            What::Joined(name) | What::Renamed { new: name, .. } => Some(name),
            What::Said { from, .. } => Some(from),
            What::Left { .. } | What::Stopping => None,
        }
    }

    /// Why a client left, as others were told, if that was for a reason.
    pub(crate) fn left_for(&self, id: usize) -> Option<&str> {
        let last = self.by.iter().rposition(|by| *by == id)?;
        match &self.events[last].0 {
            What::Left { why, .. } => why.as_deref(),
            _ => None,
        }
    }

    /// The place at which a client came in.
    pub(crate) fn joining(&self, id: usize) -> Option<usize> {
        self.by.iter().position(|by| *by == id)
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
        let mut roster = Vec::new();
        for (i, (what, _)) in self.events.iter().enumerate().take(to + 1) {
            if i >= from && roster.iter().any(|other: &String| names::same(other, name)) {
                return true;
            }
            apply(&mut roster, what);
        }
        roster.iter().any(|other| names::same(other, name))
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
        What::Said { from, .. } => {
            place(roster, from);
        }
        What::Stopping => {}
    }
}

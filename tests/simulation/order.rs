//! The one order of what happened in the room, as the witness has heard it: somebody who is there
//! from the first to the last, reads everything at once and says nothing. All others are held
//! against it.

use std::collections::HashMap;

use chinwag::Now;

use super::lines::{self, Heard};
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
}

/// All of it, from the witness's joining on.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) events: Vec<(What, Now)>,
    /// Of each event, in which line it was told.
    pub(crate) told_in: Vec<usize>,
    lines: usize,
    /// Who is here.
    pub(crate) roster: Vec<String>,
}

/// Which client has ever used a spelling.
pub(crate) type Owners = HashMap<String, usize>;

impl Order {
    /// Takes note of a line that the witness has heard, and sees whether it can be.
    pub(crate) fn hear(&mut self, line: &str, now: Now, owners: &Owners) {
        let Heard::Room(whats, count) = lines::hear(line) else { return };
        self.lines += 1;
        for what in whats {
            self.happen(what, now, owners);
        }
        if let Some(count) = count {
            assert_eq!(count, self.roster.len(), "the count is wrong in {line:?}");
        }
    }

    /// Adds one thing.
    pub(crate) fn happen(&mut self, what: What, now: Now, owners: &Owners) {
        if let Some(name) = what.by() {
            assert!(owners.contains_key(name), "nobody ever asked for the name {name:?}");
        }
        apply(&mut self.roster, &what);
        self.events.push((what, now));
        self.told_in.push(self.lines);
    }

    /// Whether somebody else had `name`, or one that is the same, in these parts of the order.
    pub(crate) fn was_taken(&self, name: &str, from: usize, to: usize) -> bool {
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

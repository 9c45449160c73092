//! What is true at a place of the order, as far as answers depend on it: who is there and where,
//! what rooms are about, and whom the client of a walk does not hear.

use super::lines;
use super::names;
use super::order::{Order, ROOMS, Rooms, Rosters, What, each};

/// Somebody who is not heard: which client that is, if it is here, and the name by which it will be
/// known when it has left.
#[derive(Clone, Debug)]
pub(crate) struct Ignored {
    pub(crate) id: Option<usize>,
    name: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Who has a name, whether in a room or not: what it is, and which clients they are.
    people: Vec<String>,
    ids: Vec<usize>,
    /// Which clients have come in, be they on the way from one room to another.
    inside: Vec<usize>,
    pub(crate) rosters: Rosters,
    /// What rooms are about; empty if about nothing.
    topics: [String; ROOMS.len()],
    pub(crate) ignoring: Vec<Ignored>,
}

impl Known {
    /// What happened at a place has happened.
    pub(crate) fn apply(&mut self, order: &Order, at: usize) {
        let id = order.by[at];
        match &order.events[at].0 {
            What::Came(name) => {
                self.people.push(name.clone());
                self.ids.push(id);
                if order.roomless.contains(&id) {
                    self.come(id, name);
                }
            }
            What::Joined(name) if !self.inside.contains(&id) => self.come(id, name),
            What::Went(name) => self.go(id, name),
            What::Renamed { new, .. } => {
                if let Some(at) = self.ids.iter().position(|other| *other == id) {
                    self.people[at].clone_from(new);
                }
                // Whoever is here and takes a name is not the one who had it.
                self.ignoring.retain(|i| i.id.is_some() || !names::same(&i.name, new));
            }
            What::Topic { text, .. } => {
                each(order.rooms[at]).for_each(|room| self.topics[room].clone_from(text));
            }
            _ => {}
        }
        self.rosters.apply(order, at);
    }

    /// Whoever comes as somebody who has left is the same again.
    fn come(&mut self, id: usize, name: &str) {
        self.inside.push(id);
        let is_back = |i: &Ignored| i.id.is_none() && names::same(&i.name, name);
        if let Some(first) = self.ignoring.iter_mut().find(|i| is_back(i)) {
            first.id = Some(id);
            self.ignoring.retain(|i| !is_back(i));
        }
    }

    /// Whoever has left is known by the name under which it was ignored.
    fn go(&mut self, id: usize, name: &str) {
        if let Some(at) = self.ids.iter().position(|other| *other == id) {
            self.ids.remove(at);
            self.people.remove(at);
            self.inside.retain(|other| *other != id);
        }
        let Some(at) = self.ignoring.iter().position(|i| i.id == Some(id)) else { return };
        let ignored = &mut self.ignoring[at];
        ignored.id = None;
        if names::same(&ignored.name, name) {
            ignored.name = name.to_owned();
        }
        let first = ignored.name.clone();
        let same = self.ignoring.iter().filter(|i| i.id.is_none() && names::same(&i.name, &first));
        if names::find(&self.people, &first).is_some() || same.count() > 1 {
            self.ignoring.remove(at);
        }
    }

    // ── people ───────────────────────────────────────────────────────────────────────────────────

    /// All names that somebody has.
    pub(crate) fn names(&self) -> &[String] {
        &self.people
    }

    /// Who is called by a name, in whatever spelling, and has come in.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &String)> {
        let name = names::find(&self.people, name)?;
        let at = self.people.iter().position(|other| other == name)?;
        Some((self.ids[at], name)).filter(|(id, _)| self.inside.contains(id))
    }

    /// Who has exactly this name.
    pub(crate) fn called(&self, name: &str) -> Option<usize> {
        let at = self.people.iter().position(|other| other == name)?;
        Some(self.ids[at])
    }

    /// The name of somebody who is there.
    pub(crate) fn name_of(&self, id: usize) -> Option<&String> {
        let at = self.ids.iter().position(|other| *other == id)?;
        Some(&self.people[at])
    }

    /// Whether somebody else has a name that is the same.
    pub(crate) fn is_taken(&self, name: &str, by_other_than: usize) -> bool {
        let mut others = self.people.iter().zip(&self.ids);
        others.any(|(other, id)| *id != by_other_than && names::same(other, name))
    }

    /// What a room is about.
    pub(crate) fn topic(&self, room: Rooms) -> &str {
        &self.topics[room.trailing_zeros() as usize]
    }

    // ── who is not heard ─────────────────────────────────────────────────────────────────────────

    pub(crate) fn ignores(&self, id: usize) -> bool {
        self.ignoring.iter().any(|ignored| ignored.id == Some(id))
    }

    /// Those it ignores, with one more.
    pub(crate) fn ignoring_with(&self, id: usize) -> Vec<Ignored> {
        let mut ignoring = self.ignoring.clone();
        if !self.ignores(id) {
            let name = self.name_of(id).cloned().unwrap_or_default();
            ignoring.push(Ignored { id: Some(id), name });
        }
        ignoring
    }

    /// Which of those it ignores may be meant by a name: whoever has it, and who had it and left.
    pub(crate) fn meant_by(&self, name: &str) -> Vec<usize> {
        let here = self.find(name).map(|(id, _)| id);
        let meant = |ignored: &Ignored| match ignored.id {
            Some(id) => here == Some(id),
            None => names::same(&ignored.name, name),
        };
        let all = self.ignoring.iter().enumerate();
        all.filter(|(_, ignored)| meant(ignored)).map(|(at, _)| at).collect()
    }

    /// What `/ignore` tells of those.
    pub(crate) fn tell(&self, ignoring: &[Ignored]) -> String {
        let name = |ignored: &Ignored| {
            let here = ignored.id.and_then(|id| self.name_of(id));
            here.unwrap_or(&ignored.name).clone()
        };
        let names: Vec<_> = ignoring.iter().map(name).collect();
        lines::ignoring(&names)
    }
}

//! Rooms that nobody is in and that are remembered, found like open ones: by whatever their names
//! look like.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::history::History;
use super::room::Asleep;
use crate::nickname::Nickname;
use crate::rights::Rights;

/// All of them, by the folds of their names.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    rooms: BTreeMap<Arc<str>, (Nickname, Asleep)>,
    /// The fold of the name that has this key.
    folds: HashMap<Arc<str>, Arc<str>>,
}

impl Sleepers {
    fn fold_of(&self, name: &Nickname) -> Option<&Arc<str>> {
        if self.rooms.is_empty() {
            return None;
        }
        name.keys().iter().find_map(|key| self.folds.get(key))
    }

    /// The room of that name, or of one that looks like it, and how it is really called.
    pub(super) fn get(&self, name: &Nickname) -> Option<&(Nickname, Asleep)> {
        self.rooms.get(self.fold_of(name)?)
    }

    pub(super) fn get_mut(&mut self, name: &Nickname) -> Option<&mut Asleep> {
        let fold = Arc::clone(self.fold_of(name)?);
        self.rooms.get_mut(&fold).map(|(_, room)| room)
    }

    /// It is not asleep any more.
    pub(super) fn wake(&mut self, name: &Nickname) -> Option<(Nickname, Asleep)> {
        let fold = Arc::clone(self.fold_of(name)?);
        let (name, room) = self.rooms.remove(&fold)?;
        for key in name.keys().iter() {
            self.folds.remove(key);
        }
        Some((name, room))
    }

    /// Remembers a room that nobody is in. If there are more than `max`, one that anybody may open
    /// anew is forgotten: that in which nothing was said for the longest time.
    pub(super) fn insert(&mut self, name: &Nickname, room: Asleep, max: usize) {
        let fold = name.sort_key();
        for key in name.keys().iter() {
            self.folds.insert(Arc::clone(key), Arc::clone(&fold));
        }
        self.rooms.insert(fold, (name.clone(), room));
        if self.rooms.len() > max {
            let open = self.rooms.values().filter(|(_, room)| !room.is_guarded());
            let oldest = open.min_by_key(|(_, room)| room.last_id()).map(|(name, _)| name.clone());
            oldest.iter().for_each(|name| drop(self.wake(name)));
        }
    }

    /// How many are not for anybody to open anew, and are never forgotten.
    pub(super) fn guarded(&self) -> usize {
        self.rooms.values().filter(|(_, room)| room.is_guarded()).count()
    }

    pub(super) fn histories(&mut self) -> impl Iterator<Item = &mut History> {
        self.rooms.values_mut().map(|(_, room)| &mut room.history)
    }

    pub(super) fn rights(&self) -> impl Iterator<Item = &Rights> {
        self.rooms.values().map(|(_, room)| &room.rights)
    }

    pub(super) fn rights_mut(&mut self) -> impl Iterator<Item = &mut Rights> {
        self.rooms.values_mut().map(|(_, room)| &mut room.rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Rank;

    fn name(name: &str) -> Nickname {
        Nickname::parse(name).unwrap()
    }

    fn guarded() -> Asleep {
        let mut rights = Rights::of_new_room();
        rights.set_rank(&name("alice"), Some(Rank::Operator));
        Asleep::new(1, 0, rights)
    }

    #[test]
    fn a_room_is_found_by_what_its_name_looks_like_and_keeps_its_name() {
        let mut sleepers = Sleepers::default();
        sleepers.insert(&name("ops"), guarded(), 1);
        assert!(sleepers.get(&name("0PS")).is_some());
        assert_eq!(sleepers.wake(&name("0ps")).map(|(name, _)| name), Some(name("ops")));
        assert!(sleepers.get(&name("ops")).is_none() && sleepers.folds.is_empty());
    }

    #[test]
    fn what_somebody_is_in_charge_of_is_never_forgotten() {
        let mut sleepers = Sleepers::default();
        for room in ["a", "b", "c"] {
            sleepers.insert(&name(room), guarded(), 2);
        }
        for room in ["d", "e"] {
            sleepers.insert(&name(room), Asleep::new(1, 0, Rights::of_new_room()), 2);
            assert!(sleepers.get(&name(room)).is_none(), "there is no place for {room}");
        }
        assert_eq!(sleepers.guarded(), 3);
    }
}

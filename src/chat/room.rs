//! A room: its name, who is in it, its topic and its history.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::entry::EntryId;
use super::history::History;
use super::user::UserKey;
use crate::event::{Said, TopicView};
use crate::nickname::Nickname;

/// A room among all: one more than its place, so that an `Option` of it is no larger. It is used
/// again when the room is gone; nobody is in it then, so nobody has its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomKey(NonZeroU32);

/// The room in which everybody begins. It is the first of all, and always there.
pub(crate) const LOBBY: RoomKey = RoomKey(NonZeroU32::MIN);

impl RoomKey {
    pub(crate) fn new(place: usize) -> RoomKey {
        RoomKey(NonZeroU32::MIN.saturating_add(place as u32))
    }

    /// Where it stands among all: small, and nobody else's as long as the room is there.
    pub(crate) fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    name: Nickname,
    /// The name with `#` before it.
    title: Arc<str>,
    /// It stays when nobody is in it.
    permanent: bool,
    /// The members' names by their folds, so that they come out sorted as people expect, and the
    /// places of the users who have them.
    members: BTreeMap<Arc<str>, u32>,
    pub(super) topic: Option<Box<Topic>>,
    pub(crate) history: History,
}

/// What a room is about, as in [`TopicView`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(super) text: String,
    pub(super) by: String,
    pub(super) at: u64,
}

/// What entries decide of a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoomSnapshot {
    name: String,
    topic: Option<Topic>,
    members: Vec<(String, Option<String>)>,
    history: Vec<Said>,
    /// Up to which number the history is not whole.
    forgotten: EntryId,
}

impl Room {
    pub(super) fn new(name: Nickname, permanent: bool, history: History) -> Room {
        let title = format!("#{name}").into();
        Room { name, title, permanent, members: BTreeMap::new(), topic: None, history }
    }

    /// The name, without the `#` before it.
    pub(crate) fn name(&self) -> &Nickname {
        &self.name
    }

    /// The name with `#` before it.
    pub(crate) fn title(&self) -> &Arc<str> {
        &self.title
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// What it is about, if somebody has said so.
    pub(crate) fn topic(&self) -> Option<TopicView<'_>> {
        let Topic { text, by, at } = self.topic.as_deref()?;
        Some(TopicView { text, by, at: *at })
    }

    /// How many are here.
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// The places of those who are here, in the order of their names.
    pub(super) fn members(&self) -> impl Iterator<Item = u32> {
        self.members.values().copied()
    }

    pub(super) fn add(&mut self, name: &Nickname, user: UserKey) {
        self.members.insert(sort_key(name), user.index());
    }

    pub(super) fn remove(&mut self, name: &Nickname) {
        self.members.remove(&*name.fold());
    }

    pub(super) fn snapshot(&self, name_of: impl Fn(u32) -> Option<String>) -> RoomSnapshot {
        let members = self.members.iter().map(|(fold, user)| (fold.to_string(), name_of(*user)));
        RoomSnapshot {
            name: self.name.as_str().to_owned(),
            topic: self.topic.as_deref().cloned(),
            members: members.collect(),
            history: self.history.lines().map(|line| line.said.clone()).collect(),
            forgotten: self.history.forgotten(),
        }
    }
}

/// The name as its place in a sorted list. A plain name is its own, and shares its memory with it.
fn sort_key(name: &Nickname) -> Arc<str> {
    let fold = name.fold();
    if *fold == *name.as_str() { name.shared() } else { Arc::from(fold) }
}

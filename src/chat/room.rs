//! A room: its name, who is in it, its topic and its history.

use std::cmp::Ordering;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::entry::EntryId;
use super::happened::{Happened, Happening};
use super::history::History;
use super::sanctions::Sanctions;
use super::user::{UserKey, Users};
use crate::archive::{KeptRoom, KeptTopic};
use crate::event::{Said, TopicView};
use crate::key::reserve_in;
use crate::nickname::Nickname;
use crate::rights::{Rank, Rights};

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

/// People who were invited and have not come, of one room.
const INVITED_MAX: usize = 100;

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    name: Nickname,
    /// The name with `#` before it.
    title: Arc<str>,
    /// When somebody opened it, in seconds since 1970. `None` if it is there as long as the server
    /// is, and stays when nobody is in it.
    opened_at: Option<u64>,
    /// The places of those who are here, by the folds of their names: sorted as people expect.
    members: Vec<u32>,
    pub(super) topic: Option<Box<Topic>>,
    pub(crate) history: History,
    /// What happened between the lines. It is not kept when nobody is in it any more.
    pub(super) happened: Happened,
    /// What is set for it.
    pub(crate) rights: Rights,
    /// Those who are here and have a rank, in the order of their keys.
    pub(super) ranks: Vec<(UserKey, Rank)>,
    /// Who was invited last, and may come in once whatever is set.
    invited: Vec<UserKey>,
    /// Who may not come in.
    pub(super) bans: Option<Box<Sanctions>>,
}

/// What a room is about, as in [`TopicView`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(super) text: String,
    pub(super) by: String,
    pub(super) at: u64,
}

/// What is left of a room that nobody is in, and comes back with it.
#[derive(Debug)]
pub(super) struct Asleep {
    topic: Option<Box<Topic>>,
    pub(super) history: History,
    pub(super) rights: Rights,
    pub(super) bans: Option<Box<Sanctions>>,
}

impl Asleep {
    /// A room that nobody has come to yet, and of which nothing is known up to `forgotten`.
    pub(super) fn new(lines_max: usize, forgotten: EntryId, rights: Rights) -> Asleep {
        let history = History::new(lines_max, forgotten);
        Asleep { topic: None, history, rights, bans: None }
    }

    /// A room as it was before a restart.
    pub(super) fn restored(lines_max: usize, kept: KeptRoom) -> Asleep {
        let KeptRoom { topic, lines, forgotten, rights, .. } = kept;
        let topic = topic.map(|KeptTopic { text, by, at }| Box::new(Topic { text, by, at }));
        let history = History::restored(lines_max, forgotten, lines);
        Asleep { topic, history, rights: rights.unwrap_or_default(), bans: None }
    }

    /// Whether not anybody may come in and be in charge.
    pub(super) fn is_guarded(&self) -> bool {
        self.rights.has_operator() || self.rights.is_private()
    }

    /// The number of its last line, or 0.
    pub(super) fn last_id(&self) -> EntryId {
        self.history.lines().last().map_or(0, |line| line.said.id)
    }
}

/// What entries decide of a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoomSnapshot {
    name: String,
    topic: Option<Topic>,
    members: Vec<Option<String>>,
    history: Vec<Said>,
    happened: Vec<Happening>,
    /// Up to which number the history is not whole.
    forgotten: EntryId,
    rights: Rights,
    ranks: Vec<(UserKey, Rank)>,
    /// The same by names, if they are wanted so.
    named_ranks: Vec<(String, Rank)>,
    bans: Option<Box<Sanctions>>,
}

impl Room {
    pub(super) fn new(name: Nickname, opened_at: Option<u64>, before: Asleep) -> Room {
        let title = format!("#{name}").into();
        let Asleep { topic, history, rights, bans } = before;
        let happened = Happened::new(history.lines_max());
        let (members, ranks, invited) = Default::default();
        Room {
            name,
            title,
            opened_at,
            members,
            topic,
            history,
            happened,
            rights,
            ranks,
            invited,
            bans,
        }
    }

    /// What is to be kept of it when nobody is in it any more; `None` if that is nothing.
    pub(super) fn into_asleep(self) -> Option<Asleep> {
        let Room { topic, history, mut rights, bans, .. } = self;
        rights.open_if_nobodys();
        let has_rights = rights != Rights::of_new_room() || bans.is_some();
        let is_kept = topic.is_some() || history.len() > 0 || has_rights;
        is_kept.then_some(Asleep { topic, history, rights, bans })
    }

    /// The name, without the `#` before it.
    pub(crate) fn name(&self) -> &Nickname {
        &self.name
    }

    /// The name with `#` before it.
    pub(crate) fn title(&self) -> &Arc<str> {
        &self.title
    }

    /// When somebody opened it; `None` if it is always there.
    pub(crate) fn opened_at(&self) -> Option<u64> {
        self.opened_at
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.opened_at.is_none()
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
        self.members.iter().copied()
    }

    /// Somebody among `users` is here from now on.
    pub(super) fn add(&mut self, users: &Users, key: UserKey) {
        let Some(user) = users.get(key) else { return };
        if let Err(at) = self.search(users, (key.index(), &user.fold)) {
            reserve_in(&mut self.members);
            self.members.insert(at, key.index());
        }
    }

    /// Whoever has, or had, this place and a name with this fold is not here any more.
    pub(super) fn remove(&mut self, users: &Users, member: (u32, &str)) {
        if let Ok(at) = self.search(users, member) {
            self.members.remove(at);
            let enough = self.members.len() + self.members.len() / 2;
            if self.members.capacity() > enough + 16 {
                self.members.shrink_to(enough);
            }
        }
    }

    // ── rights ───────────────────────────────────────────────────────────────────────────────────

    /// The rank of somebody who is here.
    pub(super) fn rank_of(&self, user: UserKey) -> Option<Rank> {
        let place = self.ranks.binary_search_by_key(&user, |(key, _)| *key).ok()?;
        Some(self.ranks[place].1)
    }

    /// Somebody who is here has this rank from now on.
    pub(super) fn set_rank(&mut self, user: UserKey, rank: Option<Rank>) {
        match (self.ranks.binary_search_by_key(&user, |(key, _)| *key), rank) {
            (Ok(place), Some(rank)) => self.ranks[place].1 = rank,
            (Ok(place), None) => drop(self.ranks.remove(place)),
            (Err(place), Some(rank)) => self.ranks.insert(place, (user, rank)),
            (Err(_), None) => {}
        }
    }

    /// Somebody may come in once, whatever is set.
    pub(super) fn invite(&mut self, user: UserKey) {
        if !self.invited.contains(&user) {
            self.invited.drain(..(self.invited.len() + 1).saturating_sub(INVITED_MAX));
            self.invited.push(user);
        }
    }

    /// Those who may come in once, whatever is set.
    pub(super) fn invited(&self) -> &[UserKey] {
        &self.invited
    }

    /// Nobody is invited any more.
    pub(super) fn forget_invitations(&mut self) {
        self.invited = Vec::new();
    }

    pub(super) fn is_invited(&self, user: UserKey) -> bool {
        self.invited.contains(&user)
    }

    /// An invitation is used up, if there was one.
    pub(super) fn use_invitation(&mut self, user: UserKey) {
        self.invited.retain(|other| *other != user);
    }

    fn search(&self, users: &Users, (index, fold): (u32, &str)) -> Result<usize, usize> {
        self.members.binary_search_by(|other| match users.at(*other) {
            Some(user) if *other != index => (*user.fold).cmp(fold),
            _ => Ordering::Equal, // perhaps gone already, or just getting another name
        })
    }

    pub(super) fn snapshot(&self, users: &Users) -> RoomSnapshot {
        let name_of = |place: &u32| users.at(*place).map(|user| user.name.as_str().to_owned());
        RoomSnapshot {
            name: self.name.as_str().to_owned(),
            topic: self.topic.as_deref().cloned(),
            members: self.members.iter().map(name_of).collect(),
            history: self.history.lines().map(|line| line.said.clone()).collect(),
            happened: self.happened.iter().map(|(it, _)| it.clone()).collect(),
            forgotten: self.history.forgotten(),
            rights: self.rights.clone(),
            ranks: self.ranks.clone(),
            named_ranks: Vec::new(),
            bans: self.bans.clone(),
        }
    }
}

impl RoomSnapshot {
    /// Ranks are told by names from now on, and not by where users are kept.
    pub(super) fn name_ranks(&mut self, users: &Users) {
        let name = |key: UserKey| users.get(key).map(|user| user.name.as_str().to_owned());
        let ranks = self.ranks.drain(..);
        self.named_ranks = ranks.map(|(key, rank)| (name(key).unwrap_or_default(), rank)).collect();
        self.named_ranks.sort();
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

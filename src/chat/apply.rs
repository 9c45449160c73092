//! Applying: an entry becomes true. Nothing here knows a connection, a clock or who caused the
//! entry, and nothing else changes users, names, rooms and history.
//!
//! An entry was judged before it was made, and something else may have become true in between. So
//! what must hold is looked at again here: an entry that cannot be true changes nothing.

use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use super::Chat;
use super::entry::{Entry, Fact, Standing};
use super::history::NewLine;
use super::room::{RoomKey, Topic};
use super::user::{User, UserKey};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::rights::{Flag, Rank};

/// What an entry has changed that it does not say itself.
#[derive(Debug)]
pub(crate) enum Applied {
    /// That user has come.
    Connected(UserKey),
    /// What is for them went there until now.
    Moved { from: Option<ConnectionKey> },
    /// They are in that room now.
    Joined(RoomKey),
    /// They were in the room of this name, which may be gone now.
    Parted { title: Arc<str> },
    /// This user is gone; they still have the rooms that they were in.
    Left(Box<User>),
    /// They had that name.
    Renamed { old: Nickname },
    /// The text is what it is.
    Said,
    /// So many lines are not remembered any more.
    Forgot(usize),
    /// They have these ranks now.
    LoggedIn { ranks: Vec<(RoomKey, Rank)> },
    /// They had that rank until now.
    Ranked { before: Option<Rank> },
    /// That shows later: all servers that share the rooms must know of the entry first.
    Later,
    /// The entry is not true, since what it needs is not so any more. Nothing has changed.
    Refused(Conflict),
}

/// Why an entry is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Somebody else has the name.
    NameTaken,
    /// The name is the account of somebody else.
    Registered,
    /// They are banned.
    Banned,
    /// They may not come in while the server is locked.
    Locked,
    /// They may not do that, or not any more.
    NotAllowed,
    /// The user has gone, is not in the room, or is in it already.
    OutOfDate,
}

impl Chat {
    /// Makes an entry true.
    pub(crate) fn apply(&mut self, entry: &Entry<'_>) -> Applied {
        if let Fact::Said { extra, .. } | Fact::Told { extra, .. } = &entry.fact {
            let part = extra.as_ref().and_then(|extra| extra.part);
            self.line_clock.tick(entry.at, part.is_some_and(|part| !part.is_first));
        }
        let applied = match &entry.fact {
            Fact::Connected { origin, name, address, standing } => {
                self.apply_connected(entry, (*origin, *address), name, standing)
            }
            Fact::Moved { user, origin } => {
                let user = self.users.get_mut(*user);
                user.map(|user| Applied::Moved { from: user.move_to(*origin) })
            }
            Fact::Joined { user, room, key } => self.apply_joined(entry, *user, (room, key)),
            Fact::Parted { user, room, .. } => self.apply_parted(*user, *room),
            Fact::Left { user, .. } => self.apply_left(*user),
            Fact::Renamed { user, name } => self.apply_renamed(*user, name),
            Fact::Said { user, room, text, emote, extra } => {
                let is_notice = extra.as_ref().is_some_and(|extra| extra.is_notice);
                self.apply_said(entry, (*user, *room), (text, *emote, is_notice))
            }
            Fact::Told { user, to, .. } => {
                self.users.get(*user).and(self.users.get(*to)).map(|_| Applied::Said)
            }
            Fact::Away { user, why } => self.users.get_mut(*user).map(|user| {
                user.set_away(why.as_deref());
                Applied::Said
            }),
            Fact::RealName { user, text } => self.users.get_mut(*user).map(|user| {
                user.set_real_name(text);
                Applied::Said
            }),
            Fact::Invited { user, to, room } => self.apply_invited(*user, *to, *room),
            Fact::Account(fact) => self.apply_account(fact),
            Fact::Order { by, order } => self.apply_order(entry, *by, order),
            Fact::Forgot { user } => self.apply_forgot(*user),
            Fact::Topic { user, room, text } => self.apply_topic(entry.at, *user, *room, text),
        };
        let applied = applied.unwrap_or(Applied::Refused(Conflict::OutOfDate));
        if !matches!(entry.fact, Fact::Said { .. }) {
            self.note_happening(entry, &applied);
        }
        applied
    }

    fn apply_connected(
        &mut self,
        entry: &Entry<'_>,
        (origin, address): (Option<ConnectionKey>, IpAddr),
        name: &Nickname,
        standing: &Standing,
    ) -> Option<Applied> {
        if let Some(conflict) = self.conflict_of(name, (standing, address), entry.at) {
            return Some(Applied::Refused(conflict));
        }
        if !self.directory.claim(self.users.next_key(), name, None) {
            return Some(Applied::Refused(Conflict::NameTaken));
        }
        let since = (entry.id, entry.at);
        let key = self.users.insert(since, name.clone(), (origin, address));
        let user = self.users.get_mut(key)?;
        user.came_by = standing.came_by;
        user.is_here = standing.at_once;
        user.set_profile(standing.profile.clone());
        user.set_account(standing.account.clone());
        user.set_authority(standing.authority.clone());
        if standing.at_once {
            self.ignoring.join(&mut self.users, key);
        }
        Some(Applied::Connected(key))
    }

    fn apply_joined(
        &mut self,
        entry: &Entry<'_>,
        user: UserKey,
        (name, given): (&Nickname, &str),
    ) -> Option<Applied> {
        self.users.get(user)?;
        let known = self.room_called(name);
        if let Some(room) = known {
            if self.is_in(user, room) {
                return None;
            }
            if self.entry_refusal(user, room, given, entry.at).is_some() {
                return Some(Applied::Refused(Conflict::NotAllowed));
            }
        }
        let room = match known {
            Some(room) => room,
            None => self.open_room_for(entry, user, (name, given))?,
        };
        let newcomer = self.users.get_mut(user)?;
        let is_first = !mem::replace(&mut newcomer.is_here, true);
        newcomer.add_room(room);
        self.rooms[room.place()].add(&self.users, user);
        let rank = self.rank_on_joining(user, room, known.is_none());
        let joined = &mut self.rooms[room.place()];
        joined.set_rank(user, rank);
        joined.use_invitation(user);
        if is_first {
            self.ignoring.join(&mut self.users, user);
        }
        Some(Applied::Joined(room))
    }

    /// Opens a room for somebody; unless it is remembered, and they may not come into it.
    fn open_room_for(
        &mut self,
        entry: &Entry<'_>,
        user: UserKey,
        (name, given): (&Nickname, &str),
    ) -> Option<RoomKey> {
        let room = self.open_room(name, (entry.id, Some(entry.at)));
        if self.entry_refusal(user, room, given, entry.at).is_some() {
            self.close_room_if_empty(room);
            return None;
        }
        Some(room)
    }

    pub(super) fn apply_parted(&mut self, user: UserKey, room: RoomKey) -> Option<Applied> {
        if !self.is_in(user, room) {
            return None;
        }
        let leaver = self.users.get_mut(user)?;
        leaver.remove_room(room);
        let fold = Arc::clone(&leaver.fold);
        let parted = &mut self.rooms[room.place()];
        parted.remove(&self.users, (user.index(), &fold));
        parted.set_rank(user, None);
        let title = Arc::clone(parted.title());
        self.close_room_if_empty(room);
        Some(Applied::Parted { title })
    }

    pub(super) fn apply_left(&mut self, key: UserKey) -> Option<Applied> {
        let mut user = self.users.remove(key)?;
        self.directory.release(&user.name);
        self.ignoring.leave(&mut self.users, &self.directory, key, &mut user);
        for room in user.rooms() {
            let left = &mut self.rooms[room.place()];
            left.remove(&self.users, (key.index(), &user.fold));
            left.set_rank(key, None);
        }
        for room in user.rooms() {
            self.close_room_if_empty(room);
        }
        Some(Applied::Left(Box::new(user)))
    }

    fn apply_renamed(&mut self, key: UserKey, new: &Nickname) -> Option<Applied> {
        let user = self.users.get(key)?;
        let old = user.name.clone();
        if self.is_anothers(new, user.account()) {
            return Some(Applied::Refused(Conflict::Registered));
        }
        if !self.directory.claim(key, new, Some(&old)) {
            return Some(Applied::Refused(Conflict::NameTaken));
        }
        self.ignoring.rename(&mut self.users, key, new);
        let user = self.users.get(key)?;
        let rooms: Vec<_> = user.rooms().collect();
        for room in &rooms {
            self.rooms[room.place()].remove(&self.users, (key.index(), &user.fold));
        }
        self.users.get_mut(key)?.rename(new);
        for room in &rooms {
            self.rooms[room.place()].add(&self.users, key);
        }
        Some(Applied::Renamed { old })
    }

    fn apply_said(
        &mut self,
        entry: &Entry<'_>,
        (key, room): (UserKey, RoomKey),
        (text, emote, notice): (&str, bool, bool),
    ) -> Option<Applied> {
        let is_open = !self.rooms.get(room.place())?.rights.has(Flag::Members);
        if self.line_refusal(key, room, entry.at).is_some() {
            return Some(Applied::Refused(Conflict::NotAllowed));
        }
        self.note_line(key, entry.at);
        let speaker = self.users.get_mut(key).filter(|user| is_open || user.is_in(room))?;
        let (from, mask) = speaker.name_and_mask(self.cloak);
        let (id, at) = (entry.id, (entry.at, self.line_clock.millis(entry.at)));
        let line = NewLine { id, at, by: key, from, mask, text, emote, notice };
        self.rooms[room.place()].history.record(&line);
        Some(Applied::Said)
    }

    fn apply_forgot(&mut self, key: UserKey) -> Option<Applied> {
        self.users.get(key)?;
        self.rooms.iter_mut().for_each(|(_, room)| room.happened.forget_words(key));
        let asleep = self.asleep.histories();
        let awake = self.rooms.iter_mut().map(|(_, room)| &mut room.history);
        Some(Applied::Forgot(awake.chain(asleep).map(|history| history.forget(key)).sum()))
    }

    fn apply_invited(&mut self, user: UserKey, to: UserKey, room: RoomKey) -> Option<Applied> {
        self.users.get(user).and(self.users.get(to))?;
        let rights = &self.rooms.get(room.place())?.rights;
        if rights.has(Flag::Invite) && !self.is_in_charge(user, room) {
            return Some(Applied::Refused(Conflict::NotAllowed));
        }
        // Only who is in charge lets somebody in whatever is set.
        if self.is_in_charge(user, room) {
            self.rooms[room.place()].invite(to);
        }
        Some(Applied::Said)
    }

    fn apply_topic(&mut self, at: u64, key: UserKey, room: RoomKey, text: &str) -> Option<Applied> {
        let is_free =
            !self.rooms.get(room.place())?.rights.has(Flag::Topic) || self.is_in_charge(key, room);
        if !is_free || self.line_refusal(key, room, at).is_some() {
            return Some(Applied::Refused(Conflict::NotAllowed));
        }
        let by = self.users.get(key).filter(|user| user.is_in(room))?.name.as_str().to_owned();
        let topic = Topic { text: text.to_owned(), by, at };
        self.rooms[room.place()].topic = (!text.is_empty()).then(|| Box::new(topic));
        Some(Applied::Said)
    }

    /// Whether a user is in a room.
    pub(crate) fn is_in(&self, user: UserKey, room: RoomKey) -> bool {
        self.users.get(user).is_some_and(|user| user.is_in(room))
    }
}

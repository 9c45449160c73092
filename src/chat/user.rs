//! Users: everybody who has a name. A user is known by a [`UserKey`], in whatever rooms they are
//! and whatever they come with.

use std::borrow::Cow;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use slab::Slab;

use super::entry::{Authority, EntryId};
use super::ignoring::{Ignored, PersonKey};
use super::moderation::Proposed;
use super::room::RoomKey;
use crate::archive::Request;
use crate::author::{Author, Cloak, Person, Profile};
use crate::dialect::Dialect;
use crate::key::{ConnectionKey, reserve};
use crate::nickname::Nickname;

/// A user: a place in the slab, which is used again, and a number that tells this user from all
/// others that had the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserKey {
    index: u32,
    generation: u32,
}

impl UserKey {
    /// The key of nobody who is here.
    pub(super) const NOBODY: UserKey = UserKey { index: u32::MAX, generation: 0 };

    /// The key of the user that is the `n`th of all and has the place `n`.
    #[cfg(test)]
    pub(crate) fn nth(n: usize) -> UserKey {
        UserKey { index: n as u32, generation: n as u32 + 1 }
    }

    /// Its place, nobody else's as long as the user is there.
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// Somebody who has a name.
///
/// Most are in one room and have to do with nobody in particular, so what else they may need is
/// apart.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: Nickname,
    /// The name as its place in a sorted list. A plain name is its own, and shares its memory.
    pub(super) fold: Arc<str>,
    /// Where what is for them goes; `None` while they are cut off.
    pub(crate) origin: Option<ConnectionKey>,
    generation: u32,
    /// The number of the entry by which they came: nobody else's, also after a restart.
    pub(crate) since: EntryId,
    /// When that was, in seconds since 1970, as far as fits.
    came_at: u32,
    /// From where they come.
    pub(crate) address: IpAddr,
    /// They are an operator of the server; by what, is with what few need.
    pub(super) operator: bool,
    /// They have come in; whoever has not has a name already, but cannot be found by it.
    pub(super) is_here: bool,
    /// What is spoken where they came in.
    pub(super) came_by: Dialect,
    /// The room that they have been in for the longest time, if any.
    room: Option<RoomKey>,
    /// `user@host`, once it was asked for.
    mask: Option<Box<str>>,
    pub(super) social: Option<Box<Social>>,
}

/// What a user has to do with others in particular, and in which other rooms they are.
#[derive(Debug, Default)]
pub(crate) struct Social {
    /// Who messaged them last, who may have gone since, and the name by which they wrote.
    pub(super) last_sender: Option<(UserKey, Nickname)>,
    /// Whom they do not hear.
    pub(super) ignoring: Vec<Ignored>,
    /// Under which key `Ignoring` knows them, once they have been ignored.
    pub(super) ignored_as: Option<PersonKey>,
    /// What to ask the archive for to see more of what they asked last.
    pub(super) more: Option<Box<Request>>,
    /// What they say of themselves, if they can.
    profile: Option<Box<Profile>>,
    /// What few need.
    order: Option<Box<OfOrder>>,
    /// The rooms after the first.
    rooms: Vec<RoomKey>,
}

/// What a user has to do with order.
#[derive(Debug, Default)]
pub(super) struct OfOrder {
    /// The account that they are logged in to.
    account: Option<Nickname>,
    /// The account that they were logged in to before, by which they are banned and muted still.
    formerly: Option<Nickname>,
    /// What makes them an operator of the server.
    authority: Option<Authority>,
    /// When they said a line last, if that matters.
    pub(super) spoke_at: Option<u64>,
    /// What they have asked for and must confirm.
    pub(super) proposed: Option<Box<Proposed>>,
}

impl User {
    /// They have another name.
    pub(super) fn rename(&mut self, name: &Nickname) {
        (self.name, self.fold) = (name.clone(), name.sort_key());
    }

    /// What is spoken where they came in.
    pub(crate) fn came_by(&self) -> Dialect {
        self.came_by
    }

    // ── what others are told of them ─────────────────────────────────────────────────────────────

    /// What is told of them as of whoever does something.
    pub(crate) fn author(&self, cloak: Option<Cloak>) -> Author<'_> {
        let came_by = (self.came_by, self.profile());
        let author = Author::new(self.name.as_str(), came_by, self.address, cloak);
        let (account, mask) = (self.account().map(Nickname::as_str), self.mask.as_deref());
        Author { account, mask, ..author }
    }

    /// The name, and `user@host` as others are told. That is made once, since a cloak is a hash.
    pub(super) fn name_and_mask(&mut self, cloak: Option<Cloak>) -> (&str, &str) {
        if self.mask.is_none() {
            self.mask = Some(self.mask(cloak).into());
        }
        (self.name.as_str(), self.mask.as_deref().unwrap_or_default())
    }

    /// `user@host` as others are told; it is not kept if nobody has said a line yet.
    pub(super) fn mask(&self, cloak: Option<Cloak>) -> Cow<'_, str> {
        let Author { user, host, mask, .. } = self.author(cloak);
        mask.map_or_else(|| Cow::Owned(format!("{user}@{host}")), Cow::Borrowed)
    }

    /// What is for them goes there from now on, if anywhere. Returns where it went until now.
    pub(super) fn move_to(
        &mut self,
        origin: Option<(ConnectionKey, IpAddr)>,
    ) -> Option<ConnectionKey> {
        if let Some((_, address)) = origin {
            (self.address, self.mask) = (address, None);
        }
        mem::replace(&mut self.origin, origin.map(|(key, _)| key))
    }

    /// The same, to be kept.
    pub(crate) fn person(&self) -> Person {
        let profile = self.profile().cloned().map(Box::new);
        let account = self.account().cloned();
        let User { came_by, address, .. } = *self;
        Person { came_by, profile, address, account, rank: None, told_apart: false }
    }

    /// What they say of themselves, if they can.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.social.as_ref()?.profile.as_deref()
    }

    pub(super) fn set_profile(&mut self, profile: Option<Profile>) {
        if let Some(profile) = profile {
            self.social_mut().profile = Some(Box::new(profile));
        }
    }

    /// They are away, and why; or not any more.
    pub(super) fn set_away(&mut self, why: Option<&str>) {
        let profile = self.social.as_mut().and_then(|social| social.profile.as_mut());
        profile.into_iter().for_each(|profile| profile.away = why.map(Box::from));
    }

    pub(super) fn set_real_name(&mut self, text: &str) {
        let profile = self.social.as_mut().and_then(|social| social.profile.as_mut());
        profile.into_iter().for_each(|profile| profile.real_name = text.into());
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// The room that they are in, if any; of several, the first.
    pub(crate) fn room(&self) -> Option<RoomKey> {
        self.room
    }

    /// The same, if they are in no other.
    pub(crate) fn only_room(&self) -> Option<RoomKey> {
        self.room.filter(|_| self.more_rooms().is_empty())
    }

    /// All rooms that they are in, in the order in which they came in.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = RoomKey> {
        self.room.into_iter().chain(self.more_rooms().iter().copied())
    }

    /// Whether they are in a room.
    pub(crate) fn is_in(&self, room: RoomKey) -> bool {
        self.room == Some(room) || self.more_rooms().contains(&room)
    }

    /// The rooms after the first.
    fn more_rooms(&self) -> &[RoomKey] {
        self.social.as_ref().map_or(&[], |social| &social.rooms)
    }

    /// When they came, in seconds since 1970.
    pub(crate) fn came_at(&self) -> u64 {
        self.came_at.into()
    }

    /// The account that they are logged in to.
    pub(crate) fn account(&self) -> Option<&Nickname> {
        self.order()?.account.as_ref()
    }

    /// The account by which they are banned or muted: who logs out is not free by that.
    pub(super) fn accountable(&self) -> Option<&Nickname> {
        let order = self.order()?;
        order.account.as_ref().or(order.formerly.as_ref())
    }

    /// They are logged in there from now on, or not any more; and are no operator by what they were
    /// logged in to before.
    pub(super) fn set_account(&mut self, account: Option<Nickname>) {
        if account.is_none() && self.order().is_none() {
            return;
        }
        if self.authority() == Some(&Authority::Account) {
            self.set_authority(None);
        }
        let order = self.order_mut();
        let before = mem::replace(&mut order.account, account);
        order.formerly = before.or(order.formerly.take());
    }

    /// What makes them an operator of the server.
    pub(crate) fn authority(&self) -> Option<&Authority> {
        self.order()?.authority.as_ref()
    }

    pub(super) fn set_authority(&mut self, authority: Option<Authority>) {
        self.operator = authority.is_some();
        if authority.is_some() || self.order().is_some() {
            self.order_mut().authority = authority;
        }
    }

    /// What they have to do with order, if anything.
    pub(super) fn order(&self) -> Option<&OfOrder> {
        self.social.as_ref()?.order.as_deref()
    }

    pub(super) fn order_mut(&mut self) -> &mut OfOrder {
        self.social_mut().order.get_or_insert_default()
    }

    /// Whom they do not hear.
    pub(super) fn ignoring(&self) -> &[Ignored] {
        self.social.as_ref().map_or(&[], |social| &social.ignoring)
    }

    /// What they have to do with others, from now on.
    pub(super) fn social_mut(&mut self) -> &mut Social {
        self.social.get_or_insert_default()
    }

    pub(super) fn add_room(&mut self, room: RoomKey) {
        if self.room.is_none() {
            self.room = Some(room);
        } else {
            let rooms = &mut self.social_mut().rooms;
            rooms.reserve_exact(1); // many are in several rooms, and seldom go to one more
            rooms.push(room);
        }
    }

    pub(super) fn remove_room(&mut self, room: RoomKey) {
        let more = self.social.as_mut().map(|social| &mut social.rooms);
        match more {
            Some(more) if self.room == Some(room) => {
                self.room = (!more.is_empty()).then(|| more.remove(0));
            }
            Some(more) => more.retain(|other| *other != room),
            None => self.room = self.room.filter(|first| *first != room),
        }
    }
}

/// All users.
#[derive(Debug, Default)]
pub(crate) struct Users {
    slab: Slab<User>,
    /// How many there have been.
    generation: u32,
}

impl Users {
    /// The key that the next user will have.
    pub(super) fn next_key(&self) -> UserKey {
        let generation = self.generation.wrapping_add(1);
        UserKey { index: self.slab.vacant_key() as u32, generation }
    }

    /// Takes in a user, who is in no room yet.
    pub(super) fn insert(
        &mut self,
        (since, came_at): (EntryId, u64),
        name: Nickname,
        (origin, address): (Option<ConnectionKey>, IpAddr),
    ) -> UserKey {
        let key = self.next_key();
        let UserKey { generation, .. } = key;
        self.generation = generation;
        reserve(&mut self.slab);
        let fold = name.sort_key();
        let (room, mask, social) = (None, None, None);
        let (operator, came_at) = (false, u32::try_from(came_at).unwrap_or(u32::MAX));
        let user = User {
            name,
            fold,
            origin,
            generation,
            since,
            came_at,
            address,
            operator,
            is_here: false,
            came_by: Dialect::default(),
            room,
            mask,
            social,
        };
        self.slab.insert(user);
        key
    }

    pub(super) fn remove(&mut self, key: UserKey) -> Option<User> {
        self.get(key)?;
        self.slab.try_remove(key.index as usize)
    }

    pub(super) fn get(&self, key: UserKey) -> Option<&User> {
        self.at(key.index).filter(|user| user.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: UserKey) -> Option<&mut User> {
        let user = self.slab.get_mut(key.index as usize);
        user.filter(|user| user.generation == key.generation)
    }

    /// The user who has this place now, with their key.
    pub(super) fn entry_at(&self, index: u32) -> Option<(UserKey, &User)> {
        let user = self.at(index)?;
        Some((UserKey { index, generation: user.generation }, user))
    }

    /// The user who has this place now.
    pub(super) fn at(&self, index: u32) -> Option<&User> {
        self.slab.get(index as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.slab.iter().map(|(_, user)| user)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (UserKey, &User)> {
        self.slab.iter().map(|(index, user)| {
            let (index, generation) = (index as u32, user.generation);
            (UserKey { index, generation }, user)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }
}

//! The chat: who is called what, who is in which room, and what was said there. It knows no
//! connection, no byte and no clock.
//!
//! What somebody asks for is a [`Command`](crate::event::Command). [`commands`] judges it: either
//! it is answered at once, or it gives a [`Fact`], which becomes an [`Entry`] once it has a number
//! and a time. [`apply`](Chat::apply) makes the entry true, and nothing else changes users, names,
//! rooms and history. It looks at the entry and at the chat alone, so the same entries in the same
//! order give the same chat everywhere ([`Chat::snapshot`]).
//!
//! ```text
//! Command → judge → Fact → Entry → apply → what the hub tells its connections
//!              └── an answer to the asker alone
//! ```
//!
//! Whom somebody ignores, and who wrote to them last, is local: it is kept with the user, but no
//! entry tells of it.

mod accounts;
mod apply;
mod asleep;
mod checkpoint;
pub(crate) mod commands;
mod directory;
mod entry;
mod happened;
mod history;
mod ignoring;
mod moderation;
mod room;
mod sanctions;
mod user;
pub(crate) mod written;

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

use self::accounts::Accounts;
pub(crate) use self::apply::{Applied, Conflict};
use self::asleep::Sleepers;
pub(crate) use self::commands::{Asker, Judged, Listing};
use self::directory::Directory;
use self::entry::LineClock;
pub(crate) use self::entry::{
    AccountFact, Authority, Entry, EntryId, Fact, Leaving, MaybeExtra, Order, Recorded, Standing,
};
pub(crate) use self::happened::{Happening, What};
use self::ignoring::Ignoring;
use self::moderation::OrderState;
pub(crate) use self::moderation::Proposed;
use self::room::Asleep;
pub(crate) use self::room::{LOBBY, Room, RoomKey, RoomSnapshot};
pub(crate) use self::user::{User, UserKey, Users};
use crate::archive::{Kept, KeptRoom};
use crate::author::{Author, Cloak};
use crate::config::{self, Limits};
use crate::nickname::Nickname;
use crate::rights::Rights;
use crate::sanction::Sanction;

/// Users, names and rooms.
#[derive(Debug)]
pub(crate) struct Chat {
    limits: Limits,
    /// The number of the last entry before the first.
    begins: EntryId,
    users: Users,
    /// Which name is whose, across all rooms.
    directory: Directory,
    rooms: Slab<Room>,
    /// Rooms by the keys of their names.
    room_names: HashMap<Arc<str>, RoomKey>,
    /// Whether a room that all have left is remembered.
    remembers: bool,
    /// It is shared with other servers.
    is_shared: bool,
    /// What is remembered of rooms that nobody is in; as many as there can be rooms.
    asleep: Sleepers,
    /// What tells lines of one second apart.
    line_clock: LineClock,
    /// Who does not hear whom.
    ignoring: Ignoring,
    /// Names that belong to somebody also when they are not here.
    accounts: Accounts,
    /// Who is banned and muted, and what is locked.
    moderation: OrderState,
    /// What the operator of the machine has decided about accounts, which no entry changes.
    policy: Policy,
    /// What hides from where people come, if anything.
    cloak: Option<Cloak>,
}

/// What is decided about accounts and operators by whoever runs the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    /// Whether there are accounts.
    pub(crate) accounts: config::Accounts,
    /// Accounts whose owners are operators of the server.
    pub(crate) operators: Vec<Nickname>,
    /// There are operators who show it by a password.
    pub(crate) has_oper: bool,
}

/// All that entries decide, to be compared: two chats that applied the same entries have equal
/// ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The users' names, each with the names of the rooms they are in, in both cases sorted.
    users: Vec<(String, Vec<String>)>,
    rooms: Vec<RoomSnapshot>,
    /// The accounts that the users are logged in to, and who is an operator, sorted by their names.
    standing: Vec<(String, Option<String>, bool)>,
    sanctions: Vec<Sanction>,
    is_locked: bool,
    slow: Option<u32>,
    line_clock: LineClock,
}

impl Chat {
    /// A chat with the rooms that are always there, the lobby first, and nobody in them.
    /// Entries have higher numbers than `begins`.
    pub(crate) fn new(
        limits: &Limits,
        begins: EntryId,
        lobby: &Nickname,
        permanent: &[Nickname],
    ) -> Chat {
        let mut chat = Chat {
            limits: *limits,
            begins,
            users: Users::default(),
            directory: Directory::default(),
            rooms: Slab::new(),
            room_names: HashMap::new(),
            remembers: false,
            is_shared: false,
            asleep: Sleepers::default(),
            line_clock: LineClock::default(),
            ignoring: Ignoring::default(),
            accounts: Accounts::default(),
            moderation: OrderState::default(),
            policy: Policy::default(),
            cloak: None,
        };
        let lobby = chat.open_room(lobby, (begins, None));
        debug_assert_eq!(lobby, LOBBY);
        for name in permanent {
            if chat.room_called(name).is_none() {
                chat.open_room(name, (begins, None));
            }
        }
        chat
    }

    /// What was kept of before a restart is so again, and rooms are remembered from now on. Nobody
    /// has come yet.
    pub(crate) fn restore(&mut self, kept: Kept) {
        self.remembers = true;
        kept.rooms.into_iter().for_each(|room| self.restore_room(room));
        self.restore_sanctions(kept.sanctions);
        kept.accounts.iter().for_each(|name| self.accounts.insert(name));
    }

    fn restore_room(&mut self, kept: KeptRoom) {
        let Ok(name) = Nickname::parse(&kept.name) else { return };
        let mut before = Asleep::restored(self.limits.history_lines_max, kept);
        match self.room_called(&name) {
            Some(room) => {
                let opened_at = self[room].opened_at();
                let name = self[room].name().clone();
                self.rooms[room.place()] = Room::new(name, opened_at, before);
            }
            None => {
                before.rights.open_if_nobodys();
                self.asleep.insert(&name, before, self.limits.rooms_max);
            }
        }
    }

    /// From now on this is so of accounts and operators.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Whether nicknames can be accounts.
    pub(crate) fn has_accounts(&self) -> bool {
        (self.remembers || self.is_shared) && self.policy.accounts != config::Accounts::Off
    }

    /// Whether only those may come in who have an account.
    pub(crate) fn needs_account(&self) -> bool {
        self.policy.accounts == config::Accounts::Required
    }

    /// Names of operators of the server that are no accounts.
    pub(crate) fn operators_without_account(&self) -> impl Iterator<Item = &Nickname> {
        self.policy.operators.iter().filter(|name| self.account_called(name).is_none())
    }

    /// Whether the owner of an account is an operator of the server.
    pub(crate) fn is_operators(&self, account: &Nickname) -> bool {
        self.policy.operators.iter().any(|name| name.same_as(account))
    }

    /// Whether rooms are remembered, and there is an archive.
    pub(crate) fn remembers(&self) -> bool {
        self.remembers
    }

    /// From now on there are these limits. What is too much of the histories is forgotten.
    pub(crate) fn set_limits(&mut self, limits: &Limits) {
        self.limits = *limits;
        for (_, room) in &mut self.rooms {
            room.history.set_lines_max(limits.history_lines_max);
            room.happened.set_lines_max(limits.history_lines_max);
        }
        for history in self.asleep.histories() {
            history.set_lines_max(limits.history_lines_max);
        }
    }

    /// A chat as this one was before anything happened, but for what was restored.
    pub(crate) fn anew(&self) -> Chat {
        self.anew_from(self.begins)
    }

    /// The same, with entries that have higher numbers than `begins`.
    pub(crate) fn anew_from(&self, begins: EntryId) -> Chat {
        let permanent: Vec<_> = self.rooms().filter(|(_, room)| room.is_permanent()).collect();
        let names: Vec<_> = permanent.iter().map(|(_, room)| room.name().clone()).collect();
        let Chat { remembers, is_shared, cloak, .. } = *self;
        let policy = self.policy.clone();
        let chat = Chat::new(&self.limits, begins, self[LOBBY].name(), &names);
        Chat { remembers, is_shared, policy, cloak, ..chat }
    }

    /// From now on rooms and accounts are shared with other servers.
    pub(crate) fn share(&mut self) {
        self.is_shared = true;
    }

    /// From now on this hides from where people come.
    pub(crate) fn set_cloak(&mut self, cloak: Option<Cloak>) {
        self.cloak = cloak;
    }

    /// What is told of somebody as of whoever does something.
    pub(crate) fn author<'a>(&self, user: &'a User) -> Author<'a> {
        user.author(self.cloak)
    }

    /// What hides from where people come, if anything.
    pub(crate) fn cloak(&self) -> Option<Cloak> {
        self.cloak
    }

    /// The milliseconds of the last line, and of what happens after it in that second.
    pub(crate) fn millis(&self, at: u64) -> u16 {
        self.line_clock.millis(at)
    }

    /// The milliseconds of the last message, as a whole.
    pub(crate) fn message_millis(&self) -> u16 {
        self.line_clock.begun
    }

    // ── users ────────────────────────────────────────────────────────────────────────────────────

    /// Somebody who has a name.
    pub(crate) fn user(&self, key: UserKey) -> Option<&User> {
        self.users.get(key)
    }

    /// The name of somebody; empty if they are gone.
    pub(crate) fn name(&self, key: UserKey) -> &str {
        self.users.get(key).map_or("", |user| user.name.as_str())
    }

    /// The name of somebody, if they are there.
    pub(crate) fn nickname(&self, key: UserKey) -> Option<&Nickname> {
        self.users.get(key).map(|user| &user.name)
    }

    /// Who is called `name`, in any spelling of it, and has come in. Who has a name may still be on
    /// the way.
    pub(crate) fn find(&self, name: &str) -> Option<UserKey> {
        let key = self.directory.find(name)?;
        self.users.get(key).filter(|user| user.is_here).map(|_| key)
    }

    /// Who has this name, whether or not they have come in yet.
    pub(crate) fn holder_of(&self, name: &Nickname) -> Option<UserKey> {
        self.directory.find(name.as_str())
    }

    /// Everybody who has a name.
    pub(crate) fn all_users(&self) -> impl Iterator<Item = (UserKey, &User)> {
        self.users.entries()
    }

    /// What somebody has asked for and must confirm, if anything; they need not any more.
    pub(crate) fn take_proposed(&mut self, user: UserKey) -> Option<Box<Proposed>> {
        let user = self.users.get_mut(user)?;
        user.order()?.proposed.as_ref()?;
        user.order_mut().proposed.take()
    }

    /// Somebody must confirm what they have asked for.
    pub(crate) fn note_proposed(&mut self, user: UserKey, proposed: Box<Proposed>) {
        if let Some(user) = self.users.get_mut(user) {
            user.order_mut().proposed = Some(proposed);
        }
    }

    /// Those who do not hear what `key` says, in ascending order.
    pub(crate) fn deaf_to(&self, key: UserKey) -> &[UserKey] {
        self.users.get(key).map_or(&[], |user| self.ignoring.deaf_to(user))
    }

    /// Whether `key` does not hear what `from` says.
    pub(crate) fn is_deaf_to(&self, key: UserKey, from: UserKey) -> bool {
        self.deaf_to(from).binary_search(&key).is_ok()
    }

    /// Whether `key` ignores whoever said the line at a place of a room's history. Of those who
    /// have left, only the name is known.
    pub(crate) fn is_deaf_to_line(&self, key: UserKey, room: RoomKey, place: usize) -> bool {
        let line = self[room].history.line(place);
        self.is_deaf_to_author(key, line.by, &line.said.from)
    }

    /// The same of `by`, who was called `from`.
    fn is_deaf_to_author(&self, key: UserKey, by: UserKey, from: &str) -> bool {
        let ignores_nobody = |user: &User| user.ignoring().is_empty();
        if self.users.get(key).is_none_or(ignores_nobody) {
            return false;
        }
        match self.users.get(by) {
            Some(_) => self.is_deaf_to(key, by),
            None => self.is_deaf_to_name(key, from),
        }
    }

    /// Whether `key` ignores whoever is called so, or was when they left.
    pub(crate) fn is_deaf_to_name(&self, key: UserKey, from: &str) -> bool {
        let Chat { ignoring, users, directory, .. } = self;
        ignoring.is_deaf_to_name(users, directory, key, from)
    }

    /// `from` has written to `key` in private.
    pub(crate) fn note_sender(&mut self, key: UserKey, from: UserKey) {
        let Some(name) = self.users.get(from).map(|user| user.name.clone()) else { return };
        if let Some(user) = self.users.get_mut(key) {
            user.social_mut().last_sender = Some((from, name));
        }
    }

    /// The lowest number from `first` on for which `name` with it as a suffix may be free.
    pub(crate) fn lowest_free_suffix(&mut self, name: &Nickname, first: u32) -> u32 {
        self.directory.lowest_free(name, first)
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// All rooms.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (RoomKey, &Room)> {
        self.rooms.iter().map(|(place, room)| (RoomKey::new(place), room))
    }

    /// The rooms that somebody was told of and has not come into.
    pub(crate) fn invitations_of(&self, user: UserKey) -> impl Iterator<Item = &Room> {
        self.rooms().map(|(_, room)| room).filter(move |room| room.is_invited(user))
    }

    /// The room of that name, or of one that looks like it.
    pub(crate) fn room_called(&self, name: &Nickname) -> Option<RoomKey> {
        name.keys().iter().find_map(|key| self.room_names.get(key).copied())
    }

    /// The room of this name, if a user is in it, and its name is written as it is called. Most
    /// rooms that are named are such ones; then there is nothing in the name to be looked at.
    pub(crate) fn own_room(&self, user: UserKey, name: &str) -> Option<RoomKey> {
        self.users.get(user)?.rooms().find(|room| self[*room].name().as_str() == name)
    }

    /// The first names of those who are in a room, sorted.
    pub(crate) fn first_names(&self, room: RoomKey, max: usize) -> Vec<Nickname> {
        let members = self[room].members();
        members.take(max).filter_map(|user| Some(self.users.at(user)?.name.clone())).collect()
    }

    /// Those who are in a room, in the order of their names.
    pub(crate) fn users_in(&self, room: RoomKey) -> impl Iterator<Item = (UserKey, &User)> {
        self[room].members().filter_map(|place| self.users.entry_at(place))
    }

    /// Whether there is a room with this key.
    pub(crate) fn has_room(&self, key: RoomKey) -> bool {
        self.rooms.contains(key.place())
    }

    /// A room as its history changes: encoded lines are kept there.
    pub(crate) fn room_mut(&mut self, key: RoomKey) -> &mut Room {
        &mut self.rooms[key.place()]
    }

    /// Whether a room of this name is remembered that nobody is in.
    pub(crate) fn is_asleep(&self, name: &str) -> bool {
        let name = commands::parse_room(name);
        name.is_some_and(|name| self.asleep.get(&name).is_some())
    }

    /// Adds a room, opened at that time, or for always. What was said in one of that name up to
    /// `id` is not known any more, unless it is remembered.
    fn open_room(&mut self, name: &Nickname, (id, at): (EntryId, Option<u64>)) -> RoomKey {
        let lines_max = self.limits.history_lines_max;
        let (name, before) = self.asleep.wake(name).unwrap_or_else(|| {
            let rights = if at.is_none() { Rights::default() } else { Rights::of_new_room() };
            (name.clone(), Asleep::new(lines_max, id, rights))
        });
        let room = Room::new(name.clone(), at, before);
        let key = RoomKey::new(self.rooms.insert(room));
        for name_key in name.keys().iter() {
            self.room_names.insert(Arc::clone(name_key), key);
        }
        key
    }

    /// Forgets a room that nobody is in, unless it is always there.
    fn close_room_if_empty(&mut self, key: RoomKey) {
        let room = &self.rooms[key.place()];
        if room.count() == 0 && !room.is_permanent() {
            for name_key in room.name().keys().iter() {
                self.room_names.remove(name_key);
            }
            let room = self.rooms.remove(key.place());
            if self.remembers {
                let name = room.name().clone();
                if let Some(room) = room.into_asleep() {
                    self.asleep.insert(&name, room, self.limits.rooms_max);
                }
            }
        }
    }

    // ── the whole ────────────────────────────────────────────────────────────────────────────────

    /// Whether no more names should be compared in this turn than already have been.
    pub(crate) fn has_compared_enough(&self) -> bool {
        self.directory.has_compared_enough()
    }

    /// Ends a turn.
    pub(crate) fn end_turn(&mut self) {
        self.directory.end_turn();
    }

    /// What entries have decided until now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let room_name = |key: RoomKey| self[key].name().as_str().to_owned();
        let mut users: Vec<_> = self
            .users
            .iter()
            .map(|user| {
                let mut rooms: Vec<_> = user.rooms().map(room_name).collect();
                rooms.sort_unstable();
                (user.name.as_str().to_owned(), rooms)
            })
            .collect();
        users.sort_unstable();
        let rooms = self.rooms().map(|(_, room)| room.snapshot(&self.users)).collect();
        let account = |user: &User| user.account().map(|name| name.as_str().to_owned());
        let standing = self.users.iter();
        let mut standing: Vec<_> = standing
            .map(|user| (user.name.as_str().to_owned(), account(user), user.operator))
            .collect();
        standing.sort_unstable();
        let OrderState { bans, mutes, lock, slow, .. } = &self.moderation;
        let mut sanctions: Vec<_> = bans.iter().chain(mutes.iter()).cloned().collect();
        sanctions.sort_by_key(|it| it.id);
        let (is_locked, slow, line_clock) = (lock.is_some(), *slow, self.line_clock);
        Snapshot { users, rooms, standing, sanctions, is_locked, slow, line_clock }
    }

    /// The same as servers that share their rooms can compare it: in no order that depends on where
    /// a user has come.
    pub(crate) fn snapshot_of_shared(&self) -> Snapshot {
        let mut snapshot = self.snapshot();
        snapshot.rooms.iter_mut().for_each(|room| room.name_ranks(&self.users));
        snapshot.rooms.sort_by(|one, other| one.name().cmp(other.name()));
        snapshot
    }

    /// Whether nobody is here and nothing is left of anybody but what was said in rooms that are
    /// always there.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.users.is_empty()
            && self.directory.is_empty()
            && self.ignoring.is_at_rest()
            && self.rooms().all(|(_, room)| room.is_permanent() && room.count() == 0)
    }
}

/// A room that is there: whoever has its key is in it, or has it from this turn.
impl std::ops::Index<RoomKey> for Chat {
    type Output = Room;

    fn index(&self, key: RoomKey) -> &Room {
        &self.rooms[key.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ConnectionKey;

    fn name(name: &str) -> Nickname {
        Nickname::unchecked(name)
    }

    fn chat() -> Chat {
        Chat::new(&Limits::default(), 0, &name("lobby"), &[])
    }

    /// What two people do: they come, talk, go to another room and rename themselves; some of it
    /// cannot be.
    fn recorded() -> Recorded {
        let (alice, bob, ops) = (UserKey::nth(0), UserKey::nth(1), RoomKey::new(1));
        let connected = |who: &str| Fact::Connected {
            origin: Some(ConnectionKey::nth(0)),
            name: name(who),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            standing: Box::default(),
        };
        let joined = |user, room: &str| Fact::Joined { user, room: name(room), key: "".into() };
        let said = |user, room, text: &'static str| Fact::Said {
            user,
            room,
            text: text.into(),
            emote: false,
            extra: None,
        };
        let facts = [
            connected("alice"),
            connected("bob"),
            connected("Alice"),
            joined(alice, "lobby"),
            joined(bob, "lobby"),
            said(alice, LOBBY, "hi"),
            said(bob, ops, "there is no such room yet"),
            joined(bob, "ops"),
            joined(bob, "Ops"),
            Fact::Topic { user: bob, room: ops, text: "work".into() },
            Fact::Renamed { user: bob, name: name("alice") },
            Fact::Renamed { user: bob, name: name("bert") },
            said(bob, ops, "two"),
            said(bob, LOBBY, "three"),
            said(alice, ops, "not in there"),
            joined(alice, "ops"),
            Fact::Parted { user: bob, room: LOBBY, words: "".into() },
            Fact::Parted { user: bob, room: LOBBY, words: "".into() },
            Fact::Left { user: alice, why: Leaving::Plain },
            said(alice, LOBBY, "gone"),
        ];
        let facts = facts.into_iter().zip(1..);
        facts.map(|(fact, id)| Entry::new(id, 1000 + id, fact)).collect()
    }

    #[test]
    fn a_line_is_known_by_where_its_author_was_when_it_was_said() {
        let (alice, key) = (UserKey::nth(0), ConnectionKey::nth(0));
        let from = |last: u8| std::net::Ipv4Addr::new(192, 0, 2, last).into();
        let (address, standing) = (from(1), Box::default());
        let said = |text: &'static str| Fact::Said {
            user: alice,
            room: LOBBY,
            text: text.into(),
            emote: false,
            extra: None,
        };
        let facts = [
            Fact::Connected { origin: Some(key), name: name("alice"), address, standing },
            Fact::Joined { user: alice, room: name("lobby"), key: "".into() },
            said("here"),
            Fact::Moved { user: alice, origin: None },
            Fact::Moved { user: alice, origin: Some((key, from(2))) },
            said("there"),
        ];
        let mut chat = chat();
        for (fact, id) in facts.into_iter().zip(1..) {
            chat.apply(&Entry::new(id, 1000, fact));
        }
        let lines = chat[LOBBY].history.lines();
        let masks: Vec<_> = lines.map(|line| line.said.mask.as_str()).collect();
        assert_eq!(masks, ["lines@192.0.2.1", "lines@192.0.2.2"]);
    }

    #[test]
    fn the_same_entries_give_the_same_chat_and_others_another() {
        let entries = recorded();
        let [mut one, mut other] = [chat(), chat()];
        let refused: Vec<_> = entries
            .iter()
            .filter(|entry| matches!(one.apply(entry), Applied::Refused(_)))
            .map(|entry| entry.id)
            .collect();
        assert_eq!(refused, [3, 7, 9, 11, 15, 18, 20], "what cannot be");
        for entry in &entries {
            other.apply(entry);
        }
        assert_eq!(one.snapshot(), other.snapshot());
        assert_eq!(one.snapshot().users, [("bert".to_owned(), vec!["ops".to_owned()])]);
        // The other way round, each is judged by what is so then.
        for (place, later, what) in [(3, 5, "what was said before she came"), (11, 12, "by whom")] {
            let (mut swapped, mut chat) = (recorded(), chat());
            swapped.swap(place, later);
            for entry in &swapped {
                chat.apply(entry);
            }
            assert_ne!(one.snapshot(), chat.snapshot(), "{what}");
        }
    }
}

//! Presence: who came into a room and who left it, as the others are told.
//!
//! Those who come or go for the same reason directly one after the other are told in one notice: in
//! a small room those of one turn, in a large one those of a longer time, since each notice is a
//! write for every member. But a newcomer is always told of before anything that they do.

use super::Hub;
use super::connection::Connection;
use super::telling::Shared;
use crate::author::{Author, Person};
use crate::chat::{RoomKey, UserKey};
use crate::delivery::{Channel, PresenceBatch, PresenceKind, Seq, presence_delay};
use crate::dialect::phrases::{WELCOME_MAX, WHOLE_WELCOME_MAX};
use crate::dialect::{Dialect, WholeWelcome};
use crate::event::{Event, Parting, RoomView, Said};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;

impl Hub {
    /// Makes sure that the batch being gathered in a room is of this kind; tells the one before if
    /// not.
    pub(super) fn gather_presence(&mut self, room: RoomKey, kind: PresenceKind) {
        let batch = self.channel_mut(room).presence.as_ref();
        if batch.is_some_and(|batch| batch.kind != kind) {
            self.flush_presence(room);
        }
        let due = self.now.instant + presence_delay(self.chat[room].count());
        let batch = &mut self.channel_mut(room).presence;
        let (names, people, keys) = Default::default();
        batch.get_or_insert(PresenceBatch { kind, names, people, keys, due });
        self.note_active(room);
    }

    /// Adds somebody to the batch of a room; one who came with the connection.
    pub(super) fn add_to_presence(
        &mut self,
        room: RoomKey,
        (name, person): (&Nickname, Person),
        key: Option<ConnectionKey>,
    ) {
        if let Some(batch) = &mut self.channels[room.place()].presence {
            batch.names.push(name.clone());
            batch.people.push(person);
            batch.keys.extend(key);
        }
    }

    /// Tells who came and went in the rooms of somebody who is about to do something: always if the
    /// others do not know of them yet, and in small rooms in any case.
    pub(super) fn flush_presence_of(&mut self, user: UserKey) {
        let Some(user) = self.chat.user(user) else { return };
        let is_due = |room: &RoomKey| {
            let channel = &self.channels[room.place()];
            // Who reads at another server has no key here.
            let is_new = || match user.origin {
                Some(key) => channel.is_unannounced(key),
                None => channel.has_newcomer(&user.name),
            };
            let is_small = || presence_delay(self.chat[*room].count()).is_zero();
            channel.presence.is_some() && (is_small() || is_new())
        };
        // Nearly always there is nothing to be told.
        let rooms: Vec<_> = user.rooms().filter(is_due).collect();
        rooms.into_iter().for_each(|room| self.flush_presence(room));
    }

    /// Tells who came and went in the small rooms of somebody: what they are answered next then
    /// comes after it.
    pub(super) fn flush_small_presence_of(&mut self, user: UserKey) {
        for room in self.rooms_of(user) {
            if presence_delay(self.chat[room].count()).is_zero() {
                self.flush_presence(room);
            }
        }
    }

    /// Tells which rooms somebody has left under the name they have now: they are in them no more,
    /// but whoever is in several rooms knows them by it.
    pub(super) fn flush_partings_of(&mut self, user: UserKey) {
        let Some(name) = self.chat.nickname(user).cloned() else { return };
        for place in 0..self.active.len() {
            let room = self.active[place];
            let batch = &self.channels[room.place()].presence;
            let has =
                |batch: &PresenceBatch| batch.kind.is_parting() && batch.names.contains(&name);
            if batch.as_ref().is_some_and(has) {
                self.flush_presence(room);
            }
        }
    }

    /// Tells who came and went in all rooms where it is time to.
    pub(super) fn flush_due_presence(&mut self) {
        for place in 0..self.active.len() {
            let room = self.active[place];
            let batch = &self.channels[room.place()].presence;
            if batch.as_ref().is_some_and(|batch| batch.due <= self.now.instant) {
                self.flush_presence(room);
            }
        }
    }

    /// Tells who has come to a room or left it, if that has not been told yet.
    pub(super) fn flush_presence(&mut self, room: RoomKey) {
        let Some(batch) = self.channels[room.place()].presence.take() else { return };
        let PresenceBatch { kind, names, people, keys, .. } = batch;
        if names.is_empty() {
            return;
        }
        let count = self.chat[room].count();
        let cloak = self.chat.cloak();
        let authors = names.iter().zip(&people);
        let authors: Vec<Author<'_>> =
            authors.map(|(name, person)| person.author(name.as_str(), cloak)).collect();
        let (why, is_gone) = match &kind {
            PresenceKind::Joined => {
                let event = Event::Joined { names: &names, count };
                let seq = self.publish_of(&authors, &[room], &event);
                self.tell_those_who_joined(room, (&names, &authors), &keys, seq);
                return self.welcome_wholly(room, &keys);
            }
            PresenceKind::Left { is_gone } => (Parting::Plain, *is_gone),
            PresenceKind::LeftWithWords { words, is_gone, .. } => (Parting::Words(words), *is_gone),
            PresenceKind::LeftFor(reason) => (Parting::Reason(*reason), true),
        };
        let event = Event::Left { names: &names, why, count, is_gone };
        let seq = self.publish_of(&authors, &[room], &event);
        if let PresenceKind::LeftWithWords { deaf, .. } = &kind {
            let event = Event::Left { names: &names, why: Parting::Plain, count, is_gone };
            for key in deaf.iter().copied() {
                if self.is_reading(key, room) {
                    self.leave_out(key, seq);
                    self.tell_of_authors(key, room, &authors, &event);
                }
            }
        }
    }

    /// Of a notice of many who joined, each of them is told only those who came after it, for it
    /// found the others there; and itself, if its dialect is such. Who is welcomed only now finds
    /// them all.
    fn tell_those_who_joined(
        &mut self,
        room: RoomKey,
        (names, authors): (&[Nickname], &[Author<'_>]),
        keys: &[ConnectionKey],
        seq: Seq,
    ) {
        let count = self.chat[room].count();
        for (i, key) in keys.iter().copied().enumerate() {
            let Some(connection) = self.connections.get(key) else { continue };
            let spec = connection.dialect.spec();
            let as_given = connection.given_name().is_none_or(|given| given == names[i].as_str());
            if !spec.comes_in_late() {
                let known = i + usize::from(!spec.hears_own_joining);
                if known > 0 {
                    self.leave_out(key, seq);
                    if known < names.len() {
                        let event = Event::Joined { names: &names[known..], count };
                        self.tell_of_authors(key, room, &authors[known..], &event);
                    }
                }
            }
            self.tell(key, Some(room), &Event::Entered { name: names[i].as_str(), as_given });
        }
    }

    /// Tells those of `newcomers` who are told all at once who is here and what was said last, and
    /// lets them read from here on. If there is too much of that kind already, they are told as
    /// much as others are.
    fn welcome_wholly(&mut self, room: RoomKey, newcomers: &[ConnectionKey]) {
        let is_full = self.lists.is_full();
        let mut shared: Option<(Dialect, Shared)> = None;
        for key in newcomers.iter().copied() {
            let Some(connection) = self.connections.get(key) else { continue };
            let dialect = connection.dialect;
            if let Dialect::Irc(_) = dialect {
                self.welcome_irc(key, room);
                continue;
            }
            let Some(whole) = &dialect.spec().whole_welcome else { continue };
            let Some(user) = connection.user() else { continue };
            self.attach(key, room);
            // Who ignores somebody already is told less than the others.
            let is_alike = self.chat.ignored_by(user).is_empty();
            let company = match &shared {
                Some((of, company)) if *of == dialect && is_alike => Shared::clone(company),
                _ => {
                    let company = self.company_of(room, user, (whole, is_full));
                    self.lists.share(None, company)
                }
            };
            let token = self.tickets.tell(user);
            let Hub { chat, connections, journals, .. } = self;
            let outbox = &mut connections[key].outbox;
            let greet = |out: &mut Vec<u8>| {
                (whole.greeting)(chat.name(user), token.as_ref(), company.len(), out);
            };
            outbox.insert(journals, false, greet);
            outbox.insert_shared_rest(journals, Shared::clone(&company));
            connections.touch(key);
            if is_alike {
                shared = Some((dialect, company));
            }
            if is_full {
                self.tell_history(key, room);
            }
        }
    }

    /// Who is in a room and what was said there last, but by those whom `user` ignores. If too much
    /// of that kind waits already, it is a few names only.
    fn company_of(
        &self,
        room: RoomKey,
        user: UserKey,
        (whole, is_full): (&WholeWelcome, bool),
    ) -> Vec<u8> {
        let max = if is_full { WELCOME_MAX } else { WHOLE_WELCOME_MAX };
        let here = self.chat.first_names(room, max);
        let lines = self.chat[room].history.lines().enumerate().take_while(|_| !is_full);
        let heard = lines.filter(|(place, _)| !self.chat.is_deaf_to_line(user, room, *place));
        let history: Vec<&Said> = heard.map(|(_, line)| &line.said).collect();
        let ranks = self.chat.ranks_in(room);
        let (room, mut company) = (&self.chat[room], Vec::new());
        let (count, topic, id) = (room.count(), room.topic(), self.last_entry);
        let (is_kept, ranks) = (self.chat.remembers(), &ranks[..]);
        let view = RoomView { here: &here, count, ranks, topic, history: &history, id, is_kept };
        (whole.company)(room.title(), &view, &mut company);
        company
    }

    /// Whether `key` is in a room and reads what is said there.
    pub(super) fn is_reading(&self, key: ConnectionKey, room: RoomKey) -> bool {
        let connection = self.connections.get(key);
        connection.and_then(Connection::user).is_some_and(|user| {
            self.chat.is_in(user, room) && !self.channels[room.place()].is_unannounced(key)
        })
    }

    // ── channels ─────────────────────────────────────────────────────────────────────────────────

    /// The channel of a room, which may be a new one.
    pub(super) fn channel_mut(&mut self, room: RoomKey) -> &mut Channel {
        let place = room.place();
        if self.channels.len() <= place {
            self.channels.resize_with(place + 1, Channel::default);
        }
        &mut self.channels[place]
    }

    /// Something is to be done for a room, in this turn or later.
    pub(super) fn note_active(&mut self, room: RoomKey) {
        if !std::mem::replace(&mut self.channels[room.place()].is_active, true) {
            self.active.push(room);
        }
    }

    /// Forgets how a room was delivered, if it is gone.
    pub(super) fn close_channel_if_gone(&mut self, room: RoomKey) {
        if self.chat.has_room(room) {
            return;
        }
        let channel = std::mem::take(self.channel_mut(room));
        for readers in channel.readers() {
            self.journals.abandon(readers.journal);
        }
        self.active.retain(|other| *other != room);
    }
}

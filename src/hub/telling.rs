//! Telling: from a fact that is proposed to what readers are told of it. Only here does the chat,
//! which knows users, meet the delivery, which knows connections.

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;

use super::Hub;
use super::connection::{Connection, State};
use super::returning::Keyed;
use crate::author::{Author, Extra, Person};
use crate::chat::written::Mail;
use crate::chat::{
    AccountFact, Applied, Entry, EntryId, Fact, LOBBY, Leaving, Listing, RoomKey, User, UserKey,
};
use crate::delivery::{Channel, Journals, PresenceKind, Seq};
use crate::dialect::phrases::WELCOME_MAX;
use crate::dialect::{About, Dialect, Encoding, Lang};
use crate::event::{Change, CloseReason, Event, Parting, Refusal, RoomView, TopicView};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::text::day_of;

impl Hub {
    /// Makes an entry of a fact, applies it, and tells whom it concerns. This is the one way to
    /// change the chat. Where servers share their rooms, what becomes of it shows later.
    pub(super) fn propose(&mut self, fact: Fact<'_>) -> Applied {
        if self.relay.is_some() {
            return self.propose_to_all(&fact);
        }
        self.last_entry += 1;
        self.commit(Entry::new(self.last_entry, self.now.unix_seconds, fact))
    }

    /// Applies an entry, and tells whom it concerns.
    pub(super) fn commit(&mut self, entry: Entry<'_>) -> Applied {
        self.prepare(&entry.fact);
        let applied = self.chat.apply(&entry);
        self.tell_of(&entry, &applied);
        if self.chat.remembers() && matches!(applied, Applied::Said) {
            self.record(&entry);
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.push(entry.into_owned());
        }
        applied
    }

    /// Tells what must be told before a fact, while what was so before it still is.
    fn prepare(&mut self, fact: &Fact<'_>) {
        // Where rooms are shared, others read at once that somebody came and what they said.
        if let Some(user) = author_of(fact).filter(|_| self.relay.is_some()) {
            self.flush_presence_of(user);
        }
        match fact {
            Fact::Moved { user, origin } => self.prepare_move(*user, origin.map(|(key, _)| key)),
            Fact::Joined { room, .. } => {
                if let Some(room) = self.chat.room_called(room) {
                    self.gather_presence(room, PresenceKind::Joined);
                }
            }
            Fact::Parted { user, room, words } => {
                let words = match words.is_empty() {
                    true => Leaving::Plain,
                    false => Leaving::Words(Cow::Borrowed(words)),
                };
                if let Some(kind) = self.presence_of(*user, &words, false) {
                    self.gather_presence(*room, kind);
                }
            }
            Fact::Left { user, why } => {
                let Some(kind) = self.presence_of(*user, why, true) else { return };
                let rooms = self.rooms_of(*user);
                // For IRC clients that is the end of somebody, in whatever room.
                if self.has_irc() {
                    self.flush_partings_of(*user);
                    // Who was in several is told of at once, and so those who left before must be.
                    if rooms.len() > 1 {
                        self.flush_small_presence_of(*user);
                    }
                }
                for room in rooms {
                    self.gather_presence(room, kind.clone());
                }
            }
            Fact::Renamed { user, .. } => {
                for room in self.rooms_of(*user) {
                    self.flush_presence(room);
                }
                self.flush_partings_of(*user);
            }
            Fact::Told { user, to, .. } | Fact::Invited { user, to, .. } => {
                for user in [*user, *to] {
                    self.flush_presence_of(user);
                }
            }
            Fact::Connected { .. }
            | Fact::Said { .. }
            | Fact::Forgot { .. }
            | Fact::Account(_)
            | Fact::RealName { .. }
            | Fact::Away { .. }
            | Fact::Topic { .. } => {}
            Fact::Order { order, .. } => self.prepare_order(order),
        }
    }

    fn tell_of(&mut self, entry: &Entry<'_>, applied: &Applied) {
        let at = entry.at;
        self.acting = author_of(&entry.fact);
        match (&entry.fact, applied) {
            (_, Applied::Refused(_)) => {}
            (Fact::Connected { origin: Some(origin), name, .. }, _) => {
                log::debug!("named: {name} from {}", self.connections[*origin].remote);
            }
            (Fact::Moved { user, origin }, Applied::Moved { from }) => {
                self.move_reader(*user, *from, origin.map(|(key, _)| key));
            }
            (Fact::Joined { user, .. }, Applied::Joined(room)) => self.tell_joined(*user, *room),
            (Fact::Parted { user, room, words }, Applied::Parted { title }) => {
                self.tell_parted(*user, (*room, title), words);
            }
            (Fact::Left { why, .. }, Applied::Left(user)) => self.tell_left(user, why),
            (Fact::Renamed { user, name }, Applied::Renamed { old }) => {
                let rooms = self.rooms_of(*user);
                self.outdate_lists(&rooms);
                log::info!("renamed: {old} is now {name}");
                self.publish(&rooms, &Event::Renamed { old: old.as_str(), new: name.as_str() });
                if let Some(person) = self.chat.user(*user).map(User::person) {
                    self.note_gone(old, person);
                }
                // Whoever only writes it otherwise now is watched as before.
                if old.sort_key() != name.sort_key() {
                    self.tell_watchers_offline(old);
                    self.tell_watchers_online(*user);
                }
            }
            (Fact::Said { user, room, text, emote, extra }, _) => {
                self.tell_said(*user, *room, (text, *emote, extra.as_deref()), (entry.id, at));
            }
            (Fact::Told { user, to, text, extra }, _) => {
                self.tell_private(*user, *to, (text, extra.as_deref()), (entry.id, at));
            }
            (Fact::Away { user, why }, _) => {
                self.tell_change(*user, Change::Away(why.as_deref()));
            }
            (Fact::RealName { user, text }, _) => {
                self.tell_change(*user, Change::RealName(text));
            }
            (Fact::Invited { user, to, room }, _) => self.tell_invited(*user, *to, *room),
            (Fact::Topic { user, room, text }, _) => {
                let by = self.chat.name(*user).to_owned();
                log::debug!("topic: {by}: {text}");
                self.publish(&[*room], &Event::TopicSet(TopicView { text, by: &by, at }));
            }
            (Fact::Account(AccountFact::LoggedIn { user, .. }), Applied::LoggedIn { ranks }) => {
                for (room, rank) in ranks {
                    self.tell_ranked((*room, *user), (None, Some(*rank)), "");
                }
                self.tell_account_of(*user);
            }
            (Fact::Account(AccountFact::LoggedOut { user }), _) => self.tell_account_of(*user),
            (Fact::Order { by, order }, _) => self.tell_order(entry, (*by, order), applied),
            _ => {}
        }
        self.acting = None;
    }

    /// All rooms that somebody is in.
    pub(super) fn rooms_of(&self, user: UserKey) -> Vec<RoomKey> {
        self.chat.user(user).map_or_else(Vec::new, |user| user.rooms().collect())
    }

    // ── lines ────────────────────────────────────────────────────────────────────────────────────

    /// A line was said: tells everyone else who wants to hear it.
    fn tell_said(
        &mut self,
        user: UserKey,
        room: RoomKey,
        (text, emote, extra): (&str, bool, Option<&Extra>),
        (id, at): (EntryId, u64),
    ) {
        let has_irc = self.has_irc();
        let Hub { chat, connections, channels, journals, lang, counts, .. } = self;
        let Some(speaker) = chat.user(user) else { return };
        let User { name, origin, .. } = speaker;
        let is_inside = speaker.is_in(room);
        let from = name.as_str();
        log::debug!("said: {from}: {text}");
        let event = match emote {
            true => Event::Emoted { from, text, at, id },
            false => Event::Said { from, text, at, id },
        };
        // Only IRC clients are told more of who speaks than the name.
        let author = has_irc.then(|| chat.author(speaker));
        let authors = author.as_slice();
        let title = Some(&**chat[room].title());
        // All lines of one message are told with its time; who asks again has one for each.
        let millis = chat.message_millis();
        let about = About { room: title, at, millis, authors, extra, ..About::default() };
        let seq = publish((*lang, &about), (channels, journals), &[room], &event);
        // Who does not hear it is one set, the speaker among them.
        let deaf = chat.deaf_to(user);
        let is_reader = is_inside && deaf.binary_search(&user).is_err();
        // Who speaks at another server is told there.
        let speaker = origin.filter(|key| is_reader && !connections[*key].dialect.spec().echoes);
        if let Some(origin) = *origin
            && connections[origin].session.irc().is_some_and(|irc| irc.caps().wants_echo())
        {
            let name = Some(from);
            tell(&mut connections[origin], journals, (*lang, &About { name, ..about }), &event);
            connections.touch(origin);
        }
        let deaf = deaf.iter().filter_map(|deaf| chat.user(*deaf));
        let deaf = deaf.filter(|deaf| deaf.is_in(room)).filter_map(|deaf| deaf.origin);
        let mut left_out = 0;
        for key in speaker.into_iter().chain(deaf) {
            self.skips_abound |= leave_out(&mut connections[key], seq);
            left_out += 1;
        }
        let channel = &mut channels[room.place()];
        let reading = chat[room].count() - channel.cut_off;
        let delivered = reading.saturating_sub(left_out) as u64;
        channel.said = (channel.said.0 + 1, channel.said.1 + delivered);
        counts.lines += 1;
        counts.deliveries += delivered;
        self.note_active(room);
    }

    /// A private message was sent: tells both, but not who ignores the sender.
    fn tell_private(
        &mut self,
        user: UserKey,
        to: UserKey,
        (text, extra): (&str, Option<&Extra>),
        (id, at): (EntryId, u64),
    ) {
        let (Some(from), Some(target)) = (self.chat.user(user), self.chat.user(to)) else { return };
        let (from_name, to_name) = (from.name.clone(), target.name.clone());
        let (from_key, to_key) = (from.origin, target.origin);
        log::debug!("told: {from_name} -> {to_name}: {text}");
        if !self.chat.is_deaf_to(to, user) && !self.is_undelivered(user, to) {
            let event = Event::Told { from: from_name.as_str(), text, at, id };
            self.extra = extra.cloned();
            if to_key.is_none() {
                let from = from_name.as_str().into();
                self.keep_for_elsewhere(to, || Mail { id, at, from, text: text.into() }.write());
            }
            let waits = to_key.map_or(0, |key| self.begin_answer(key));
            self.private_bytes += self.tell_user(to, to_key, None, &event);
            if let Some(key) = to_key.filter(|_| user == to) {
                self.set_apart(key, waits);
            }
            self.chat.note_sender(to, user);
        }
        if self.is_told_what_it_says(from_key) {
            self.extra = extra.cloned();
            let event = Event::Sent { to: to_name.as_str(), text, at, id };
            self.tell_user(user, from_key, None, &event);
        }
        self.extra = None;
    }

    /// Tells one user alone, also if they are cut off. Returns how many bytes wait for them more.
    pub(super) fn tell_user(
        &mut self,
        user: UserKey,
        origin: Option<ConnectionKey>,
        room: Option<RoomKey>,
        event: &Event<'_>,
    ) -> usize {
        let Some(key) = origin else { return self.keep_mail(user, room, event) };
        let waits = self.connections[key].outbox.own_bytes();
        self.tell(key, room, event);
        self.connections[key].outbox.own_bytes() - waits
    }

    /// Somebody was told of a room: tells both, but not who ignores the other.
    fn tell_invited(&mut self, user: UserKey, to: UserKey, room: RoomKey) {
        let (Some(from), Some(target)) = (self.chat.user(user), self.chat.user(to)) else { return };
        let (from_name, to_name) = (from.name.clone(), target.name.clone());
        let (from_key, to_key) = (from.origin, target.origin);
        log::debug!("invited: {from_name} -> {to_name}: {}", self.chat[room].title());
        if !self.chat.is_deaf_to(to, user) && !self.is_undelivered(user, to) {
            let event = Event::Invited { from: from_name.as_str() };
            self.private_bytes += self.tell_user(to, to_key, Some(room), &event);
        }
        let event = Event::InviteSent { to: to_name.as_str() };
        self.tell_user(user, from_key, Some(room), &event);
    }

    /// Keeps somebody from hearing an event.
    pub(super) fn leave_out(&mut self, key: ConnectionKey, seq: Seq) {
        self.skips_abound |= leave_out(&mut self.connections[key], seq);
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    /// Somebody is in a room from now on: they read it, and are told who is there and what was
    /// said, unless their dialect is told all that when the others are told of them.
    fn tell_joined(&mut self, user: UserKey, room: RoomKey) {
        let Some(it @ User { name, origin, .. }) = self.chat.user(user) else { return };
        let (name, person) = (name.clone(), it.person());
        let Some(key) = *origin else { return self.tell_joined_elsewhere(user, room, &name) };
        let is_returning = self.returning == Some(key);
        self.channel_mut(room);
        self.gather_presence(room, PresenceKind::Joined);
        let person = Person { rank: self.chat.rank_in(user, room), ..person };
        self.add_to_presence(room, (&name, person), (!is_returning).then_some(key));
        self.outdate_lists(&[room]);
        let count = self.chat[room].count();
        if count == 1 && self.chat[room].rights.has_operator() {
            self.keep_rights(room);
        }
        let before = std::mem::replace(&mut self.connections[key].state, State::Chatting(user));
        let Connection { remote, dialect, .. } = self.connections[key];
        if !matches!(before, State::Chatting(_)) {
            self.members[dialect.index()] += 1;
        }
        match room {
            LOBBY => log::info!("joined: {name} from {remote} ({count} here)"),
            _ => log::info!("joined: {name} in {} ({count} here)", self.chat[room].title()),
        }
        let is_late = self.connections[key].dialect.spec().comes_in_late();
        if is_returning {
            // They are told themselves when they are back everywhere.
            self.flush_presence(room);
            self.attach(key, room);
        } else if !is_late {
            self.attach(key, room);
            match before {
                State::Entering(_) => {}
                State::Chatting(_) => self.tell_of_room(key, room),
                _ => self.welcome(key, room, &name),
            }
            self.tell_history(key, room);
        }
    }

    /// Somebody is in a room from now on who reads it at another server, or not at all.
    fn tell_joined_elsewhere(&mut self, user: UserKey, room: RoomKey, name: &Nickname) {
        let Some(person) = self.chat.user(user).map(User::person) else { return };
        self.channel_mut(room).cut_off += 1;
        self.gather_presence(room, PresenceKind::Joined);
        let person = Person { rank: self.chat.rank_in(user, room), ..person };
        self.add_to_presence(room, (name, person), None);
        self.outdate_lists(&[room]);
        log::debug!("joined: {name} in {}", self.chat[room].title());
    }

    /// All that is said in a room from now on is for `key`.
    pub(super) fn attach(&mut self, key: ConnectionKey, room: RoomKey) {
        let Hub { connections, channels, journals, .. } = self;
        let connection = &mut connections[key];
        let journal = channels[room.place()].add(journals, connection.dialect, key);
        connection.outbox.attach(journals, journal);
    }

    /// Nothing that is said in a room from now on is for `key`.
    pub(super) fn detach(&mut self, key: ConnectionKey, room: RoomKey) {
        let Hub { connections, channels, journals, .. } = self;
        let Some(connection) = connections.get_mut(key) else { return };
        if let Some(journal) = channels[room.place()].remove(connection.dialect, key) {
            connection.outbox.detach(journals, journal);
        }
    }

    fn tell_parted(&mut self, user: UserKey, (room, title): (RoomKey, &str), words: &str) {
        let Some(it @ User { name, origin, .. }) = self.chat.user(user) else { return };
        let (name, origin, person) = (name.clone(), *origin, it.person());
        self.add_to_presence(room, (&name, person), None);
        self.outdate_lists(&[room]);
        let Some(key) = origin else {
            self.channels[room.place()].cut_off -= 1;
            return self.close_channel_if_gone(room);
        };
        log::info!("parted: {name} from {title}");
        self.detach(key, room);
        let spec = self.connections[key].dialect.spec();
        if spec.told_alone {
            let why = if words.is_empty() { Parting::Plain } else { Parting::Words(words) };
            let names = slice::from_ref(&name);
            let event = Event::Left { names, why, count: 0, is_gone: false };
            self.tell_titled(key, Some(title), &event);
        } else if spec.many_rooms {
            self.tell_titled(key, Some(title), &Event::Parted);
        }
        self.close_channel_if_gone(room);
    }

    fn tell_left(&mut self, user: &User, why: &Leaving<'_>) {
        let is_told = !matches!(why, Leaving::Reason(CloseReason::Stopping));
        // Whoever shares several rooms with them is told once, if their dialect is such.
        let told_apart = user.only_room().is_none() && self.has_irc();
        if let Some(origin) = user.origin {
            user.rooms().for_each(|room| self.detach(origin, room));
        }
        if is_told && told_apart {
            let why = match why {
                Leaving::Plain => Parting::Plain,
                Leaving::Words(words) => Parting::Words(words),
                Leaving::Reason(reason) => Parting::Reason(*reason),
            };
            self.tell_gone(user, Change::Gone(why));
        }
        self.note_gone(&user.name, user.person());
        self.tell_watchers_offline(&user.name);
        for room in user.rooms() {
            if is_told {
                let person = Person { told_apart, ..user.person() };
                self.add_to_presence(room, (&user.name, person), None);
            }
            self.outdate_lists(&[room]);
            if user.origin.is_none() {
                self.channels[room.place()].cut_off -= 1;
            }
            self.close_channel_if_gone(room);
        }
    }

    /// How those who are left are told that somebody goes; `None` if they are not.
    fn presence_of(&self, user: UserKey, why: &Leaving<'_>, is_gone: bool) -> Option<PresenceKind> {
        Some(match why {
            Leaving::Reason(CloseReason::Stopping) => return None,
            Leaving::Plain => PresenceKind::Left { is_gone },
            Leaving::Words(words) => {
                let deaf = self.chat.deaf_to(user).iter();
                let deaf = deaf.filter_map(|deaf| self.chat.user(*deaf)?.origin);
                let (words, deaf) = (words.clone().into_owned(), deaf.collect());
                PresenceKind::LeftWithWords { words, deaf, is_gone }
            }
            Leaving::Reason(reason) => PresenceKind::LeftFor(*reason),
        })
    }

    /// Tells a newcomer who is here.
    pub(super) fn welcome(&mut self, key: ConnectionKey, room: RoomKey, name: &Nickname) {
        let here = self.chat.first_names(room, WELCOME_MAX);
        let count = self.chat[room].count();
        self.tell(key, Some(room), &Event::Welcomed { name: name.as_str(), here: &here, count });
    }

    /// Tells somebody who comes from another room who is in this one.
    fn tell_of_room(&mut self, key: ConnectionKey, room: RoomKey) {
        let here = self.chat.first_names(room, WELCOME_MAX);
        let ranks = self.chat.ranks_in(room);
        let Hub { chat, connections, journals, lang, last_entry, .. } = self;
        let room = &chat[room];
        let (count, topic, id) = (room.count(), room.topic(), *last_entry);
        let is_kept = chat.remembers();
        let view = RoomView { here: &here, count, ranks: &ranks, topic, history: &[], id, is_kept };
        let about = About { room: Some(room.title()), ..About::default() };
        tell(&mut connections[key], journals, (*lang, &about), &Event::InRoom(view));
        connections.touch(key);
    }

    // ── answers that are long ────────────────────────────────────────────────────────────────────

    /// Tells the asker a list, or what was said in a room.
    pub(super) fn list(&mut self, key: ConnectionKey, room: RoomKey, listing: Listing) {
        match listing {
            Listing::Members => self.tell_who_is_here(key, room),
            Listing::History(count) => self.recall(key, room, count),
        }
    }

    /// Tells all names; or the first of them, if too many lists wait to be read.
    fn tell_who_is_here(&mut self, key: ConnectionKey, room: RoomKey) {
        let Hub { chat, connections, lists, journals, lang, .. } = self;
        let dialect = connections[key].dialect;
        let elsewhere = !connections[key].user().is_some_and(|user| chat.is_in(user, room));
        // What is told of another room is told in other words, and is not shared.
        let shared = lists.here(room.place(), dialect).filter(|_| !elsewhere);
        let list = shared.unwrap_or_else(|| {
            let max = if lists.is_full() { WELCOME_MAX } else { usize::MAX };
            let names = chat.first_names(room, max);
            let (count, ranks) = (chat[room].count(), chat.ranks_in(room));
            let event = Event::Here { names: &names, count, ranks: &ranks, elsewhere };
            let mut list = Vec::new();
            let about = About { room: Some(chat[room].title()), ..About::default() };
            dialect.encode_about(*lang, &about, &event, &mut list);
            lists.share((!elsewhere).then_some((room.place(), dialect)), list)
        });
        connections[key].outbox.insert_shared(journals, list);
        connections.touch(key);
    }

    /// Tells a newcomer what was said last, but for lines of people whom they ignore already.
    pub(super) fn tell_history(&mut self, key: ConnectionKey, room: RoomKey) {
        let Some(user) = self.connections[key].any_user() else { return };
        for place in 0..self.chat[room].history.len() {
            if !self.chat.is_deaf_to_line(user, room, place) {
                self.replay(key, room, place);
            }
        }
    }

    /// Shows the last lines, but for those of people who are ignored.
    fn recall(&mut self, key: ConnectionKey, room: RoomKey, count: Option<usize>) {
        let Some(user) = self.connections[key].user() else { return };
        let all = self.chat[room].history.len();
        let mut shown = false;
        let first = all - count.unwrap_or(all).min(all);
        self.note_older(user, room, first);
        for place in first..all {
            if !self.chat.is_deaf_to_line(user, room, place) {
                self.replay(key, room, place);
                shown = true;
            }
        }
        if !shown {
            self.tell(key, Some(room), &Event::NothingSaid);
        }
    }

    /// Tells one the line at a place of the history.
    pub(super) fn replay(&mut self, key: ConnectionKey, room: RoomKey, place: usize) {
        let Hub { chat, connections, journals, lang, .. } = self;
        let (lang, connection) = (*lang, &mut connections[key]);
        let dialect = connection.dialect;
        let title = Arc::clone(chat[room].title());
        let history = &mut chat.room_mut(room).history;
        let bytes = history.replay(place, dialect, |said, out| {
            let about = About { room: Some(&title), ..About::default() };
            dialect.encode_about(lang, &about, &Event::Recalled(said), out);
        });
        connection.outbox.insert_shared(journals, bytes);
        connections.touch(key);
    }

    pub(super) fn outdate_lists(&mut self, rooms: &[RoomKey]) {
        for room in rooms {
            self.lists.outdate(room.place());
        }
    }

    // ── readers ──────────────────────────────────────────────────────────────────────────────────

    /// Tells some rooms. Whoever is in several of them is told once. Returns the number of the
    /// event.
    pub(super) fn publish(&mut self, rooms: &[RoomKey], event: &Event<'_>) -> Seq {
        let seq = self.publish_about(rooms, None, event);
        self.tell_actor(rooms, seq, event);
        seq
    }

    /// Tells some rooms, and whoever does it in no other way.
    pub(super) fn publish_silently(&mut self, rooms: &[RoomKey], event: &Event<'_>) -> Seq {
        self.publish_about(rooms, None, event)
    }

    /// Tells a room what several do.
    pub(super) fn publish_of(
        &mut self,
        authors: &[Author<'_>],
        rooms: &[RoomKey],
        event: &Event<'_>,
    ) -> Seq {
        self.publish_about(rooms, Some(authors), event)
    }

    fn publish_about(
        &mut self,
        rooms: &[RoomKey],
        authors: Option<&[Author<'_>]>,
        event: &Event<'_>,
    ) -> Seq {
        let Hub { chat, channels, journals, lang, now, acting, extra, .. } = self;
        let actor = acting.and_then(|user| chat.user(user)).map(|user| chat.author(user));
        let authors = authors.unwrap_or(actor.as_slice());
        let room = if let [room] = rooms { Some(&**chat[*room].title()) } else { None };
        let (at, extra) = (now.unix_seconds, extra.as_ref());
        let millis = chat.millis(at);
        let about = About { room, at, millis, authors, extra, ..About::default() };
        let seq = publish((*lang, &about), (channels, journals), rooms, event);
        for room in rooms {
            self.note_active(*room);
        }
        seq
    }

    /// Whoever has done something is told so alone, where they would be told with the others, if
    /// their dialect is such.
    fn tell_actor(&mut self, rooms: &[RoomKey], seq: Seq, event: &Event<'_>) {
        let Some(actor) = self.acting.and_then(|user| self.chat.user(user)) else { return };
        let Some(key) = actor.origin else { return };
        let is_reader = rooms.is_empty() || rooms.iter().any(|room| actor.is_in(*room));
        if is_reader && self.connections[key].dialect.spec().told_alone {
            self.leave_out(key, seq);
            self.tell(key, if let [room] = rooms { Some(*room) } else { None }, event);
        }
    }

    /// Tells all who share a room with somebody what is so of them now.
    pub(super) fn tell_change(&mut self, user: UserKey, change: Change<'_>) {
        if self.has_irc() {
            let rooms = self.rooms_of(user);
            let before = self.acting.replace(user);
            self.publish(&rooms, &Event::Changed(change));
            self.tell_watchers_of_change(user, change);
            self.acting = before;
        }
    }

    fn tell_account_of(&mut self, user: UserKey) {
        let account = self.chat.account_of(user).map(ToString::to_string);
        self.tell_change(user, Change::Account(account.as_deref()));
    }

    /// Tells those who have shared several rooms with somebody, in all of which this one was, once
    /// that they are gone.
    pub(super) fn tell_gone(&mut self, user: &User, change: Change<'_>) {
        let rooms: Vec<_> = user.rooms().filter(|room| self.chat.has_room(*room)).collect();
        let (name, person) = (user.name.clone(), user.person());
        let author = person.author(name.as_str(), self.chat.cloak());
        self.publish_of(slice::from_ref(&author), &rooms, &Event::Changed(change));
    }

    /// Whether anybody here speaks IRC.
    pub(super) fn has_irc(&self) -> bool {
        self.members[Dialect::Irc(Encoding::PLAIN).index()] > 0
    }

    /// Whether somebody is told what they say themselves in private.
    fn is_told_what_it_says(&self, origin: Option<ConnectionKey>) -> bool {
        let session = origin.and_then(|key| self.connections[key].session.irc());
        session.is_none_or(|irc| irc.caps().wants_echo())
    }

    /// Tells one of something in a room, or in none.
    pub(super) fn tell(&mut self, key: ConnectionKey, room: Option<RoomKey>, event: &Event<'_>) {
        let title = room.map(|room| Arc::clone(self.chat[room].title()));
        self.tell_titled(key, title.as_deref(), event);
    }

    pub(super) fn tell_titled(
        &mut self,
        key: ConnectionKey,
        room: Option<&str>,
        event: &Event<'_>,
    ) {
        let Hub { chat, connections, journals, lang, keyed, now, acting, extra, .. } = self;
        let connection = &mut connections[key];
        let name = connection.any_user().map(|user| chat.name(user));
        let author = acting.and_then(|user| chat.user(user)).map(|user| chat.author(user));
        let about = About {
            room,
            name,
            key: Keyed::of(keyed.as_ref(), key),
            at: now.unix_seconds,
            millis: chat.millis(now.unix_seconds),
            authors: author.as_slice(),
            extra: extra.as_ref(),
            asked: connection.session.asked(),
        };
        tell(connection, journals, (*lang, &about), event);
        connections.touch(key);
    }

    /// Tells one what several do in a room.
    pub(super) fn tell_of_authors(
        &mut self,
        key: ConnectionKey,
        room: RoomKey,
        authors: &[Author<'_>],
        event: &Event<'_>,
    ) {
        let Hub { chat, connections, journals, lang, now, .. } = self;
        let (room, at) = (Some(&**chat[room].title()), now.unix_seconds);
        let about = About { room, at, millis: chat.millis(at), authors, ..About::default() };
        tell(&mut connections[key], journals, (*lang, &about), event);
        connections.touch(key);
    }

    /// Tells one that something was not done.
    pub(super) fn refuse(&mut self, key: ConnectionKey, refusal: Refusal<'_>) {
        self.tell(key, None, &Event::Refused(refusal));
    }

    /// The name that somebody believes to have.
    pub(super) fn given_name(&self, key: ConnectionKey) -> &str {
        let connection = &self.connections[key];
        let name = connection.user().map_or("", |user| self.chat.name(user));
        connection.given_name().unwrap_or(name)
    }
}

/// Tells some rooms: one encode for each dialect that somebody there reads.
fn publish(
    (lang, about): (Lang, &About<'_>),
    (channels, journals): (&mut [Channel], &mut Journals),
    rooms: &[RoomKey],
    event: &Event<'_>,
) -> Seq {
    let seq = journals.take_seq();
    for room in rooms {
        channels[room.place()].publish(journals, seq, |dialect, out| {
            dialect.encode_about(lang, about, event, out);
        });
    }
    seq
}

/// Who does what a fact says.
fn author_of(fact: &Fact<'_>) -> Option<UserKey> {
    match fact {
        Fact::Joined { user, .. }
        | Fact::Parted { user, .. }
        | Fact::Renamed { user, .. }
        | Fact::Said { user, .. }
        | Fact::Told { user, .. }
        | Fact::Away { user, .. }
        | Fact::RealName { user, .. }
        | Fact::Invited { user, .. }
        | Fact::Topic { user, .. }
        | Fact::Order { by: user, .. } => Some(*user),
        Fact::Connected { .. }
        | Fact::Moved { .. }
        | Fact::Left { .. }
        | Fact::Forgot { .. }
        | Fact::Account(_) => None,
    }
}

/// Keeps somebody from hearing an event. Returns whether it is time to look at who is left out of
/// too much.
fn leave_out(connection: &mut Connection, seq: Seq) -> bool {
    connection.outbox.skip(seq);
    connection.outbox.skips_too_much() && connection.is_blocked()
}

/// Tells one, who must be looked at when this turn is written out.
pub(super) fn tell(
    connection: &mut Connection,
    journals: &Journals,
    (lang, about): (Lang, &About<'_>),
    event: &Event<'_>,
) {
    let dialect = connection.dialect;
    // In a handshake each frame must arrive alone, up to the one that ends it.
    let alone = connection.gap().is_some();
    connection.outbox.insert(journals, alone, |out| dialect.encode_about(lang, about, event, out));
}

/// A time as the log says it: `2026-11-27T14:05Z`.
pub(super) fn time_of(unix_seconds: u64) -> String {
    let (hour, minute) = (unix_seconds / 3600 % 24, unix_seconds / 60 % 60);
    format!("{}T{hour:02}:{minute:02}Z", day_of(unix_seconds))
}

/// Bytes that several are told.
pub(super) type Shared = Arc<[u8]>;

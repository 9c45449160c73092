//! Returning: who is cut off is waited for and then leaves, or comes back as who they were, and is
//! told what they have missed.

use std::borrow::Cow;

use super::addresses::block_of;
use super::connection::{Budget, State};
use super::telling::Shared;
use super::tickets::{Held, Owner, TicketKey};
use super::{Hub, awaiting_nick};
use crate::chat::commands::Answers;
use crate::chat::{
    Applied, Asker, Authority, Chat, Conflict, EntryId, Fact, Judged, LOBBY, Leaving, RoomKey,
    Standing, User, UserKey, commands,
};
use crate::dialect::phrases::{WELCOME_MAX, WHOLE_WELCOME_MAX};
use crate::dialect::{About, Dialect};
use crate::event::{CloseReason, Command, Event, Missed, Refusal, Resumed, RoomView, Said};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::token::{TOKEN_BYTES, Token, key_hash};

/// So many wrong tokens are no mistake any more.
const WRONG_TOKENS_MAX: u8 = 10;

/// Rooms that somebody can say they know; twice as many as one can be in.
const ROOMS_KNOWN_MAX: usize = 100;

/// Rooms that somebody is told of that they cannot come into.
const ROOMS_REFUSED_MAX: usize = 10;

/// What somebody knows of a room: its name, and the number of the last thing in it.
pub(super) type Known = (String, EntryId);

/// The bytes of a key, at most.
const KEY_BYTES_MAX: usize = 64;

/// What is done now is to be confirmed under this key.
#[derive(Debug)]
pub(super) struct Keyed {
    by: ConnectionKey,
    key: String,
    /// Lines of a message that were proposed before its last.
    lines: u32,
}

impl Keyed {
    pub(super) fn new(by: ConnectionKey, key: String) -> Keyed {
        Keyed { by, key, lines: 0 }
    }

    /// By what other servers know the next line of what is done now, if `by` has asked for it. The
    /// last, or only one, has the key itself.
    pub(super) fn hash_of_line(&mut self, by: ConnectionKey, is_last: bool) -> Option<u64> {
        if self.by != by {
            return None;
        }
        if is_last {
            return Some(key_hash(&self.key));
        }
        self.lines += 1;
        Some(key_hash(&format!("{} {}", self.lines, self.key)))
    }

    /// The key of what is done now, if `by` has asked for it and gave one.
    pub(super) fn of(keyed: Option<&Keyed>, by: ConnectionKey) -> Option<&str> {
        keyed.filter(|keyed| keyed.by == by).map(|keyed| &*keyed.key)
    }
}

impl Hub {
    // ── randomness ───────────────────────────────────────────────────────────────────────────────

    /// How many times random bytes are wanted ([`handle_random`](Self::handle_random)): before
    /// somebody is read, and before [`handle_timeout`](Self::handle_timeout). Whoever comes in
    /// when there are none cannot come back after being cut off.
    #[must_use]
    pub fn poll_random(&self) -> usize {
        self.tickets.wanted(self.awaiting_turn.len())
    }

    /// Takes bytes that nobody else knows or can guess.
    pub fn handle_random(&mut self, bytes: [u8; TOKEN_BYTES]) {
        self.tickets.supply(Token::new(bytes));
    }

    // ── going ────────────────────────────────────────────────────────────────────────────────────

    /// Goes on without the connection of somebody that ends for this reason, for `--resume-grace`,
    /// if they can come back. Returns whether that is so.
    pub(super) fn hold(&mut self, key: ConnectionKey, user: UserKey, reason: CloseReason) -> bool {
        let (grace, now) = (self.limits.resume_grace, self.now.instant);
        if grace.is_zero() || !reason.is_mishap() {
            return false;
        }
        let connection = &self.connections[key];
        let address = block_of(connection.dialect, connection.remote);
        let Some(ticket) = self.tickets.of(user) else { return false };
        if !self.tickets.can_hold(address, &self.limits) {
            return false;
        }
        log::info!("cut off: {}: {reason}", self.chat.name(user));
        let until = now + grace;
        let (mail, told) = Default::default();
        let held = Held { until, since: now, reason, address, mail, told };
        self.tickets.hold(ticket, held);
        self.propose(Fact::Moved { user, origin: None });
        true
    }

    /// Somebody leaves who has come by this dialect. `words` are their own, if they have given any.
    pub(super) fn depart(
        &mut self,
        user: UserKey,
        dialect: Dialect,
        reason: CloseReason,
        words: &str,
    ) {
        let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let room = self.chat.user(user).and_then(User::room);
        let left = room.map_or(0, |room| self.chat[room].count() - 1);
        log::info!("left: {}: {reason}{said} ({left} here)", self.chat.name(user));
        if let Some(name) = self.chat.nickname(user).cloned()
            && self.tickets.of(user).is_some()
        {
            let rooms = self.rooms_of(user).into_iter();
            let rooms = rooms.map(|room| self.chat[room].name().clone()).collect();
            let on_purpose = reason == CloseReason::Quit;
            let bounds = (self.now.instant, self.limits.clients_max);
            let account = self.chat.account_of(user).cloned();
            self.tickets.leave(user, (name, account, rooms), on_purpose, bounds);
        }
        let why = match (words.is_empty(), reason) {
            (false, _) => Leaving::Words(Cow::Borrowed(words)),
            (true, CloseReason::Quit | CloseReason::EndOfInput) => Leaving::Plain,
            (true, reason) => Leaving::Reason(reason),
        };
        self.propose(Fact::Left { user, why });
        self.members[dialect.index()] -= 1;
    }

    /// Those leave who have been waited for long enough, and old tokens are forgotten.
    pub(super) fn wait_no_longer(&mut self) {
        while let Some((user, dialect, reason)) = self.tickets.overdue(self.now.instant) {
            self.depart(user, dialect, reason, "");
        }
        self.tickets.forget_old(self.now.instant);
    }

    /// The server stops: nobody comes back to it.
    pub(super) fn wait_for_nobody(&mut self) {
        for user in self.tickets.all_held() {
            if !self.leave_to_others(user, CloseReason::Stopping)
                && let Some(dialect) = self.tickets.dialect(user)
            {
                self.depart(user, dialect, CloseReason::Stopping, "");
            }
        }
    }

    // ── while they are cut off ───────────────────────────────────────────────────────────────────

    /// Tells what must be told before somebody is cut off, or comes back: that they came in, if the
    /// others do not know it yet; and whom they will be told of as being there.
    pub(super) fn prepare_move(&mut self, user: UserKey, origin: Option<ConnectionKey>) {
        let before = self.chat.user(user).and_then(|user| user.origin);
        for room in self.rooms_of(user) {
            let channel = &self.channels[room.place()];
            let is_unannounced = before.is_some_and(|key| channel.is_unannounced(key));
            if origin.is_some() || is_unannounced {
                self.flush_presence(room);
            }
        }
    }

    /// What is said where a user is goes to another connection from now on, or to none.
    pub(super) fn move_reader(
        &mut self,
        user: UserKey,
        from: Option<ConnectionKey>,
        to: Option<ConnectionKey>,
    ) {
        for room in self.rooms_of(user) {
            from.iter().for_each(|key| self.detach(*key, room));
            to.iter().for_each(|key| self.attach(*key, room));
            let cut_off = &mut self.channels[room.place()].cut_off;
            *cut_off = *cut_off + usize::from(to.is_none()) - usize::from(from.is_none());
        }
    }

    /// Keeps what somebody alone is told until they come back. Returns how many bytes that are.
    pub(super) fn keep_mail(
        &mut self,
        user: UserKey,
        room: Option<RoomKey>,
        event: &Event<'_>,
    ) -> usize {
        let Hub { chat, tickets, lang, .. } = self;
        let Some(dialect) = tickets.dialect(user) else { return 0 };
        let Some(mail) = tickets.mail(user) else { return 0 };
        let mut told = Vec::new();
        let room = room.map(|room| &**chat[room].title());
        let about = About { room, name: Some(chat.name(user)), ..About::default() };
        dialect.encode_about(*lang, &about, event, &mut told);
        // Not twice as much as before, as it would grow by itself.
        mail.reserve_exact(told.len());
        mail.extend_from_slice(&told);
        told.len()
    }

    /// Whether somebody has as much to read already as may wait for them.
    pub(super) fn has_much_to_read(&mut self, user: UserKey) -> bool {
        match self.chat.user(user).and_then(|user| user.origin) {
            Some(key) => self.connections[key].outbox.own_bytes() > self.limits.backlog_bytes_max,
            // What waits for them at another server is known there alone.
            None if self.tickets.of(user).is_none() => self.relay.is_none(),
            None => self.tickets.has_much_mail(user),
        }
    }

    // ── coming back ──────────────────────────────────────────────────────────────────────────────

    /// Somebody who is asked for a name says that they are who has this token.
    pub(super) fn come_back(&mut self, key: ConnectionKey, token: &str, known: &[Known]) {
        let known = &known[..known.len().min(ROOMS_KNOWN_MAX)];
        let Some(token) = Token::parse(token) else { return self.refuse_token(key) };
        let Some(ticket) = self.tickets.find(&token) else {
            return match self.is_elsewhere(&token) {
                Some(user) if self.is_kept_out(key, user) => {
                    self.keep_out(key, None, Conflict::Banned);
                }
                Some(user) => self.take(key, user, (token, known)),
                None => self.refuse_token(key),
            };
        };
        let (user, before) = match self.tickets.owner(ticket) {
            Owner::User(user) => {
                if self.is_kept_out(key, user) {
                    return self.keep_out(key, None, Conflict::Banned);
                }
                self.take_over(key, user);
                (user, Vec::new())
            }
            // What was said meanwhile is nothing that this server could say for sure.
            Owner::Gone(_) if self.relay.is_some() => return self.refuse_token(key),
            Owner::Gone(gone) => {
                let (name, rooms) = (gone.name.clone(), gone.rooms.clone());
                let account = gone
                    .account
                    .clone()
                    .filter(|account| self.chat.account_called(account) == Some(account));
                let is_operator = account.as_ref().is_some_and(|it| self.chat.is_operators(it));
                let authority = is_operator.then_some(Authority::Account);
                if account.is_none() && self.chat.has_accounts() && self.chat.needs_account() {
                    return self.refuse_input(key, Refusal::AccountNeeded);
                }
                let came_by = self.connections[key].dialect;
                let standing =
                    Standing { account, authority, known: true, came_by, ..Standing::default() };
                let standing = Box::new(standing);
                let address = self.connections[key].remote.ip();
                let origin = Some(key);
                let fact = Fact::Connected { origin, name: name.clone(), address, standing };
                let user = match self.propose(fact) {
                    Applied::Connected(user) => user,
                    Applied::Refused(Conflict::Banned) => {
                        return self.keep_out(key, None, Conflict::Banned);
                    }
                    _ => return self.refuse_input(key, Refusal::Taken(name.as_str())),
                };
                self.members[self.connections[key].dialect.index()] += 1;
                (user, rooms)
            }
        };
        self.is_back((key, user), (ticket, &token), (before, known));
    }

    /// Whether somebody who comes back as a user may not, since they were banned meanwhile.
    fn is_kept_out(&self, key: ConnectionKey, user: UserKey) -> bool {
        let who = (self.chat.account_of(user), self.connections[key].remote.ip());
        let is_banned = self.chat.ban_of(who, self.now.unix_seconds).is_some();
        is_banned && !self.chat.is_operator(user)
    }

    /// What is for a user goes to this connection, which has shown their token. They come into the
    /// rooms in which they were before, and in which they say they were.
    pub(super) fn is_back(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        (ticket, token): (TicketKey, &Token),
        (before, known): (Vec<Nickname>, &[Known]),
    ) {
        let mail = self.tickets.mail(user).map(std::mem::take).unwrap_or_default();
        let connection = &mut self.connections[key];
        connection.state = State::Chatting(user);
        connection.budget = Budget::default();
        log::info!("back: {} from {}", self.chat.name(user), connection.remote);
        let refused = self.join_again(key, user, before, known);
        let token = self.tickets.renew(ticket, user, token);
        self.pass_on(user);
        self.tell_missed((key, user), &token, known);
        self.send(key, &mail);
        for name in refused {
            self.execute_command(key, None, Command::Join(Some(name)));
        }
    }

    pub(super) fn refuse_token(&mut self, key: ConnectionKey) {
        let State::AwaitingNick { wrong_tokens, .. } = &mut self.connections[key].state else {
            return;
        };
        *wrong_tokens += 1;
        if *wrong_tokens == WRONG_TOKENS_MAX {
            return self.close(key, CloseReason::WrongTokens(WRONG_TOKENS_MAX), "");
        }
        self.refuse_input(key, Refusal::Token);
    }

    /// What is for a user goes to this connection. The one before, if it is still there, is closed,
    /// and nobody is told.
    fn take_over(&mut self, key: ConnectionKey, user: UserKey) {
        let before = self.chat.user(user).and_then(|user| user.origin);
        let address = self.connections[key].remote.ip();
        self.propose(Fact::Moved { user, origin: Some((key, address)) });
        if let Some(before) = before {
            self.put_off(before, CloseReason::Replaced);
        }
    }

    /// Closes the connection of somebody who has it no more: nobody leaves by that.
    pub(super) fn put_off(&mut self, key: ConnectionKey, reason: CloseReason) {
        // It is nobody's now.
        self.connections[key].state = awaiting_nick(self.now.instant, None);
        self.close(key, reason, "");
        self.arm(key);
    }

    /// Somebody comes into the rooms that they were in, and into those that they say they know, as
    /// far as they are not there. Returns those of the latter that they cannot come into.
    fn join_again<'a>(
        &mut self,
        key: ConnectionKey,
        user: UserKey,
        before: Vec<Nickname>,
        known: &'a [Known],
    ) -> Vec<&'a str> {
        self.returning = Some(key);
        for name in before {
            self.join_room(user, name.as_str());
        }
        let mut refused = Vec::new();
        for (name, _) in known {
            if refused.len() < ROOMS_REFUSED_MAX && !self.join_room(user, name) {
                refused.push(name.as_str());
            }
        }
        if self.rooms_of(user).is_empty() {
            let room = self.chat[LOBBY].name().clone();
            self.propose(Fact::Joined { user, room, key: "".into() });
        }
        self.returning = None;
        refused
    }

    /// Returns whether a user is in a room now.
    fn join_room(&mut self, user: UserKey, name: &str) -> bool {
        if self.find_room(user, Some(name)).is_some_and(|room| self.chat.is_in(user, room)) {
            return true;
        }
        let command = Command::Join(Some(name));
        let asker = Asker { user, many_rooms: true, now: self.now.unix_seconds };
        let judged = self.chat.judge(asker, LOBBY, command, &mut Answers(&mut |_: &Event<'_>| {}));
        match judged {
            Judged::Join { room, .. } => {
                let fact = Fact::Joined { user, room, key: "".into() };
                matches!(self.propose(fact), Applied::Joined(_) | Applied::Later)
            }
            _ => false,
        }
    }

    /// Tells somebody who has come back where they are and what they have missed. If too much of
    /// that kind waits to be read already, the lines follow one by one.
    fn tell_missed(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        token: &Token,
        known: &[Known],
    ) {
        let known: Vec<_> = known.iter().filter_map(|known| self.find_known(known)).collect();
        let is_full = self.lists.is_full();
        let names_max = if is_full { WELCOME_MAX } else { WHOLE_WELCOME_MAX };
        let Hub { chat, connections, lists, journals, lang, last_entry, .. } = self;
        let missed: Vec<_> = chat.user(user).map_or_else(Vec::new, |of| {
            of.rooms().map(|room| (room, missed(chat, (user, room), &known, *last_entry))).collect()
        });
        let told = if is_full { 0 } else { usize::MAX };
        let parts: Vec<_> = missed
            .iter()
            .map(|(room, (places, _))| {
                let history = &chat[*room].history;
                let lines = places.iter().take(told).map(|place| &history.line(*place).said);
                let here = chat.first_names(*room, names_max);
                (here, chat.ranks_in(*room), lines.collect::<Vec<&Said>>())
            })
            .collect();
        let rooms: Vec<_> = missed
            .iter()
            .zip(&parts)
            .map(|((room, (_, gap)), (here, ranks, history))| {
                let (room, id) = (&chat[*room], *last_entry);
                let (count, topic) = (room.count(), room.topic());
                let is_kept = chat.remembers();
                let view = RoomView { here, count, ranks, topic, history, id, is_kept };
                Missed { title: room.title(), view, gap: *gap }
            })
            .collect();
        let resumed = Resumed { name: chat.name(user), token, rooms: &rooms };
        let mut bytes = Vec::new();
        let dialect = connections[key].dialect;
        dialect.encode_about(*lang, &About::default(), &Event::Resumed(resumed), &mut bytes);
        let bytes: Shared = lists.share(None, bytes);
        connections[key].outbox.insert_shared(journals, bytes);
        connections.touch(key);
        for (room, (places, _)) in missed.into_iter().filter(|_| is_full) {
            places.into_iter().for_each(|place| self.replay(key, room, place));
        }
    }

    /// The room that somebody says they know.
    fn find_known(&self, (name, id): &Known) -> Option<(RoomKey, EntryId)> {
        Some((self.chat.room_called(&commands::parse_room(name)?)?, *id))
    }

    // ── what comes again ─────────────────────────────────────────────────────────────────────────

    /// What is asked for next has a key. Returns whether it is to be done: not if it was before.
    pub(super) fn begin_keyed(&mut self, key: ConnectionKey, given: &str) -> bool {
        let Some(user) = self.connections[key].user() else { return true };
        if given.is_empty() || given.len() > KEY_BYTES_MAX {
            self.refuse_input(key, Refusal::Key(KEY_BYTES_MAX));
            return false;
        }
        let said = self.tickets.said(user, given);
        if let Some(id) = said.or_else(|| self.said_elsewhere(user, given)) {
            self.tell(key, None, &Event::Acked { key: given, id });
            return false;
        }
        self.keyed = Some(Keyed::new(key, given.to_owned()));
        true
    }

    /// The key of what is being done, if it has one.
    pub(super) fn take_key(&mut self, key: ConnectionKey) -> Option<String> {
        self.keyed.take_if(|keyed| keyed.by == key).map(|keyed| keyed.key)
    }

    /// The last entry is what was asked for under this key.
    pub(super) fn confirm(&mut self, key: ConnectionKey, user: UserKey, given: &str) {
        let id = self.last_entry;
        self.tickets.note_said(user, given, id);
        self.tell(key, None, &Event::Acked { key: given, id });
    }
}

/// The places of the lines in a room's history that a user has missed who knows that much, and
/// whether there may have been more.
fn missed(
    chat: &Chat,
    (user, room): (UserKey, RoomKey),
    known: &[(RoomKey, EntryId)],
    newest: EntryId,
) -> (Vec<usize>, bool) {
    let id = known.iter().find(|(other, _)| *other == room).map_or(0, |(_, id)| *id);
    let history = &chat[room].history;
    let (first, gap) = history.after(id, newest);
    let heard = |place: &usize| !chat.is_deaf_to_line(user, room, *place);
    ((first..history.len()).filter(heard).collect(), gap)
}

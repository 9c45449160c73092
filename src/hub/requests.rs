//! Requests: what somebody asks for that takes longer than a turn may, such as lines of the
//! archive. Whoever has asked waits for the answer, and what they send meanwhile is held; so nobody
//! has more than one request on the way, and answers come in the order of the questions.

use std::sync::Arc;

use super::Hub;
use super::connection::{Asked, Wait, Waiting};
use super::next::Next;
use super::returning::Keyed;
use crate::archive::{Act, Answer, Before, Health, Kept, Record, Request};
use crate::chat::{Applied, Entry, Fact, RoomKey, UserKey};
use crate::dialect::About;
use crate::event::{Event, Refusal, Said};
use crate::key::ConnectionKey;
use crate::order::{ActView, Occurrence};

/// Requests of one address that may be on the way at once; loopback has no such bound.
const REQUESTS_PER_ADDRESS: usize = 4;

impl Hub {
    /// What was kept of before a restart is so again, and from now on there is an archive: it is
    /// given what is to be kept ([`records`](Self::records)), and asked for what was kept
    /// ([`poll_request`](Self::poll_request)). Nobody has come yet.
    pub fn restore(&mut self, kept: Kept) {
        self.last_entry = self.last_entry.max(kept.last_id);
        self.chat.restore(kept);
        for name in self.chat.operators_without_account() {
            log::warn!("--operator {name} is no account; chinwag account add {name} makes it one");
        }
    }

    /// How the archive is, for the metrics alone.
    pub fn note_archive(&mut self, health: Health) {
        let before = self.counts.archive.replace(health);
        let was_failing = before.is_some_and(|before| before.failing.is_some());
        let failing = self.counts.archive.as_ref().and_then(|health| health.failing.clone());
        if let Some(why) = failing.filter(|_| !was_failing) {
            self.alarm(&why);
        }
    }

    /// What has been said and is to be kept, in order. It is to be taken out once a turn.
    pub fn records(&mut self) -> &mut Vec<Record> {
        &mut self.records
    }

    /// The present, in seconds since 1970-01-01 00:00 UTC, as it was told last.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.now.unix_seconds
    }

    /// The next request, and the connection that waits for the answer.
    pub fn poll_request(&mut self) -> Option<(ConnectionKey, Request)> {
        self.requests.pop_front()
    }

    /// The next one whose request need not be answered any more.
    pub fn poll_cancelled(&mut self) -> Option<ConnectionKey> {
        self.cancelled.pop()
    }

    /// The answer to a request of `key`, who may have gone since.
    pub fn handle_answer(&mut self, key: ConnectionKey, answer: Answer) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let user = connection.user();
        let Some(waiting) = &mut connection.waiting else { return };
        let Some(mut asked) = waiting.asked.take() else { return };
        self.asking.retain(|(asker, _)| *asker != key);
        // What happened before comes before.
        user.iter().for_each(|user| self.flush_presence_of(*user));
        let given = asked.key.take();
        let waits = self.begin_answer(key);
        self.keyed = given.clone().map(|given| Keyed::new(key, given));
        match (asked.request, user) {
            (Request::Account(request), _) => self.handle_account_answer(key, request, answer),
            (request, Some(user)) => {
                self.tell_answer((key, user), Asked { request, ..*asked }, answer);
            }
            (_, None) => {}
        }
        self.keyed = None;
        self.end_answer(key, given.as_deref(), waits);
        // It may wait for something else by now.
        if let Some(waiting) = &mut self.connections[key].waiting
            && waiting.why == Wait::Answer
            && waiting.asked.is_none()
        {
            waiting.why = Wait::Turn;
            self.await_turn(key);
        }
        self.arm(key);
    }

    fn tell_answer(&mut self, (key, user): (ConnectionKey, UserKey), asked: Asked, answer: Answer) {
        let room = asked.room.as_deref();
        match answer {
            Answer::History { lines, more } if matches!(asked.request, Request::Lines { .. }) => {
                if let (Request::Lines { wanted, .. }, Some(room)) = (&asked.request, room) {
                    let known = (asked.tail, asked.happened);
                    self.tell_wanted((key, user), (room, wanted), (lines, more), known);
                }
            }
            Answer::History { lines, more } => {
                let told = (lines.first(), asked.tail.len());
                self.note_more(user, asked.request, told, more);
                let hears = |line: &&Said| !self.chat.is_deaf_to_name(user, &line.from);
                let lines: Vec<&Said> = lines.iter().filter(hears).chain(&asked.tail).collect();
                self.tell_long(key, room, &Event::Past(&lines, more));
            }
            Answer::Found { mut hits, more } => {
                let last = hits.last().map(|hit| &hit.said);
                self.note_more(user, asked.request, (last, 0), more);
                hits.retain(|hit| !self.chat.is_deaf_to_name(user, &hit.said.from));
                self.tell_long(key, None, &Event::Found(&hits, more));
            }
            Answer::Forgotten { lines } => {
                let lines = usize::try_from(lines).unwrap_or(usize::MAX).max(asked.forgotten);
                self.tell(key, None, &Event::Forgotten(lines));
            }
            Answer::Acts(acts) => {
                let acts: Vec<_> = acts.iter().map(view_of).collect();
                self.tell_long(key, None, &Event::Order(Occurrence::Acts(&acts)));
            }
            Answer::Account(_) => {}
            Answer::Failed => self.tell_titled(key, room, &Event::Refused(Refusal::ArchiveFailed)),
        }
    }

    /// `user` is shown what a room remembers from a place on, and may ask for what is older.
    pub(super) fn note_older(&mut self, user: UserKey, room: RoomKey, first: usize) {
        let room = &self.chat[room];
        if self.chat.remembers() && first < room.history.len() {
            let before = Before::Id(room.history.line(first).said.id);
            let count = room.history.len() - first;
            let name = room.name().as_str().to_owned();
            self.chat.note_more(user, Some(Request::History { room: name, before, count }));
        }
    }

    /// `key` has gone, and needs no answer.
    pub(super) fn cancel_request(&mut self, key: ConnectionKey) {
        self.asking.retain(|(asker, _)| *asker != key);
        self.requests.retain(|(asker, _)| *asker != key);
        self.cancelled.push(key);
    }

    /// Tells one something that is long, and takes no more memory for it than it needs.
    fn tell_long(&mut self, key: ConnectionKey, room: Option<&str>, event: &Event<'_>) {
        let Hub { chat, connections, journals, lang, keyed, .. } = self;
        let key_given = Keyed::of(keyed.as_ref(), key);
        let asked = connections[key].session.asked();
        let name = connections[key].any_user().map(|user| chat.name(user));
        let about = About { room, name, key: key_given, asked, ..About::default() };
        let mut told = Vec::new();
        connections[key].dialect.encode_about(*lang, &about, event, &mut told);
        connections[key].outbox.insert_shared(journals, told.into());
        connections.touch(key);
    }

    /// If there is more than what was told, which ends with `last` and had so many lines `besides`,
    /// `user` may ask for it.
    fn note_more(
        &mut self,
        user: UserKey,
        asked: Request,
        (last, besides): (Option<&Said>, usize),
        more: bool,
    ) {
        let next = last.filter(|_| more).and_then(|last| match asked {
            Request::History { room, count, .. } => {
                let (before, count) = (Before::Id(last.id), count + besides);
                Some(Request::History { room, before, count })
            }
            Request::Search { query, .. } => Some(Request::Search { query, before: Some(last.id) }),
            Request::Lines { .. }
            | Request::Forget { .. }
            | Request::Acts { .. }
            | Request::Account(_) => None,
        });
        self.chat.note_more(user, next);
    }

    /// Asks the archive. Until the answer is there, `key` is not listened to.
    pub(super) fn ask_archive(&mut self, key: ConnectionKey, asked: Asked) {
        let address = self.connections[key].address;
        let of_address = self.asking.iter().filter(|(_, other)| *other == address).count();
        let is_too_much = address.is_some() && of_address >= REQUESTS_PER_ADDRESS;
        if is_too_much || self.asking.iter().any(|(asker, _)| *asker == key) {
            return self.refuse(key, Refusal::ArchiveFailed);
        }
        // A refusal has the key as well.
        let asked = Asked { key: self.take_key(key), ..asked };
        self.requests.push_back((key, asked.request.clone()));
        self.asking.push((key, address));
        let waiting = &mut self.connections[key].waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::new(Wait::Answer)));
        waiting.asked = Some(Box::new(asked));
    }

    /// Asks the archive for something, perhaps of a room; after that comes what the room remembers,
    /// if `recent`.
    pub(super) fn ask_for(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        room: RoomKey,
        request: Request,
        recent: bool,
    ) {
        let history = &self.chat[room].history;
        let remembered = (0..history.len()).filter(|_| recent);
        let heard = remembered.filter(|place| !self.chat.is_deaf_to_line(user, room, *place));
        let tail = heard.map(|place| history.line(place).said.clone()).collect();
        let about = matches!(request, Request::History { .. });
        let room = about.then(|| Arc::clone(self.chat[room].title()));
        self.ask_archive(key, Asked { room, tail, ..Asked::new(request) });
    }

    /// What `user` has said since they came is shown to nobody any more.
    pub(super) fn forget(&mut self, key: ConnectionKey, user: UserKey) {
        let since = self.chat.user(user).map(|user| user.since);
        let applied = self.propose(Fact::Forgot { user });
        if let Applied::Later = applied {
            return self.then(key, Next::Forgot);
        }
        let (Applied::Forgot(lines), Some(author)) = (applied, since) else { return };
        if self.chat.remembers() {
            let account = self.chat.account_of(user).map(|account| account.as_str().to_owned());
            let request = Request::Forget { author, account };
            self.ask_archive(key, Asked { forgotten: lines, ..Asked::new(request) });
        } else {
            self.tell(key, None, &Event::Forgotten(lines));
        }
    }

    /// What is to be kept of an entry that has been applied.
    pub(super) fn record(&mut self, entry: &Entry<'_>) {
        let (Fact::Said { user, room, text, .. } | Fact::Topic { user, room, text }) = &entry.fact
        else {
            return;
        };
        let Some(user) = self.chat.user(*user) else { return };
        let account = user.account().map(|account| account.as_str().to_owned());
        let (id, at, author) = (entry.id, entry.at, user.since);
        let (from, text) = (user.name.as_str().to_owned(), text.clone().into_owned());
        let room = self.chat[*room].name().as_str().to_owned();
        self.records.push(match &entry.fact {
            Fact::Said { emote, extra, .. } => {
                let notice = extra.as_ref().is_some_and(|extra| extra.is_notice);
                // It was made when the line was applied.
                let mask = self.chat.author(user).mask.unwrap_or_default().to_owned();
                let (unix_seconds, millis, emote) = (at, self.chat.millis(at), *emote);
                let said = Said { id, unix_seconds, millis, from, text, emote, notice, mask };
                Record::Said { said, room, author, account }
            }
            _ => Record::Topic { id, at, room, from, text },
        });
    }
}

/// An act as it is shown.
fn view_of(act: &Act) -> ActView<'_> {
    let Act { at, event, by, whom, room, why, until } = act;
    ActView { at: *at, event, by, whom, room: room.as_deref(), why, until: *until }
}

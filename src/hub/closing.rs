//! Closing: who may not come in, and how a connection ends.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use log::Level;

use super::Hub;
use super::addresses::CONNECT_WAIT_MAX;
use crate::chat::{Fact, Leaving, User};
use crate::connection::{Connection, LINGER, State, Wait, Waiting};
use crate::dialect::{Dialect, Naming};
use crate::event::{CloseReason, Event, Refusal};
use crate::key::ConnectionKey;

impl Hub {
    /// Why somebody from `remote` cannot come in, if so.
    pub(super) fn refusal(&self, dialect: Dialect, remote: SocketAddr) -> Option<CloseReason> {
        if self.clients >= self.limits.clients_max {
            Some(CloseReason::ServerFull)
        } else if self.addresses.is_full(dialect, remote, &self.limits) {
            Some(CloseReason::AddressFull)
        } else {
            let latest = self.now.instant + CONNECT_WAIT_MAX;
            let next = self.next_connect(dialect, remote);
            // Who is in at once cannot be made to wait.
            let may_wait = dialect.spec().naming != Naming::Address;
            let is_late = |next: &Instant| !may_wait || *next > latest;
            next.filter(is_late).map(|_| CloseReason::AddressTooFast)
        }
    }

    /// Counts a connection for its address. Who comes too fast is not listened to for a while.
    pub(super) fn enter_address(&mut self, key: ConnectionKey) {
        let Connection { dialect, remote, .. } = self.connections[key];
        let next = self.next_connect(dialect, remote);
        let address = self.addresses.enter(dialect, remote, self.now.instant);
        if let (Some(address), Some(pace)) = (address, self.limits.connects) {
            self.addresses.note_connect(address, pace, self.now.instant);
        }
        let connection = &mut self.connections[key];
        connection.address = address;
        connection.waiting = next.map(|next| Box::new(Waiting::new(Wait::Budget(next))));
    }

    /// When somebody may come from `remote`; `None` if at once.
    pub(super) fn next_connect(&self, dialect: Dialect, remote: SocketAddr) -> Option<Instant> {
        let pace = self.limits.connects?;
        self.addresses.next_connect(dialect, remote, pace, self.now.instant)
    }

    /// Closes a connection: others are told if it was in the room, it is told why if that is of
    /// use, and what waits for it is still sent if it keeps pace, for `--drain` at most. `words`
    /// are its own, if it has given any. It takes up its place until its socket is gone.
    pub(super) fn close(&mut self, key: ConnectionKey, reason: CloseReason, words: &str) {
        let connection = &self.connections[key];
        let is_unopened = matches!(connection.state, State::Opening);
        match connection.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::Opening | State::AwaitingNick { .. } | State::Entering(_) => {
                log::log!(level(connection.dialect), "closed: {}: {reason}", connection.remote);
                if let State::Entering(user) = connection.state {
                    self.propose(Fact::Left { user, why: Leaving::Plain });
                }
            }
            State::Chatting(user) => {
                let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
                let room = self.chat.user(user).and_then(User::room);
                let left = room.map_or(0, |room| self.chat[room].count() - 1);
                log::info!("left: {}: {reason}{said} ({left} here)", self.chat.name(user));
                let why = match (words.is_empty(), reason) {
                    (false, _) => Leaving::Words(Cow::Borrowed(words)),
                    (true, CloseReason::Quit | CloseReason::EndOfInput) => Leaving::Plain,
                    (true, reason) => Leaving::Reason(reason),
                };
                self.propose(Fact::Left { user, why });
                self.members[self.connections[key].dialect.index()] -= 1;
            }
        }
        self.closings[reason.index()] += 1;
        let connection = &mut self.connections[key];
        if connection.waiting.take().is_some_and(|waiting| waiting.resume_reading) {
            self.resumed.push(key);
        }
        connection.session.close();
        let orderly = reason.is_orderly();
        let time = if orderly { self.limits.drain.max(LINGER) } else { LINGER };
        connection.state = State::Closing { shut: false, deadline: self.now.instant + time };
        if reason == CloseReason::ConnectionLost {
            return self.drop_peer(key);
        }
        if !orderly {
            connection.outbox.truncate_to_frame(&mut self.journals);
        }
        if is_unopened {
            let farewell = connection.dialect.closed_unopened(self.lang, reason);
            return self.send(key, &farewell);
        }
        let farewell = match reason {
            CloseReason::Quit => Event::Goodbye,
            reason => Event::Refused(Refusal::Closed(reason)),
        };
        self.tell(key, None, &farewell);
    }

    /// Nothing more comes from `key` or goes to it. It is reaped at the end of the turn.
    pub(super) fn drop_peer(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if !matches!(connection.state, State::Closed) {
            connection.state = State::Closed;
            connection.outbox.discard(&mut self.journals);
            connection.session.discard();
            self.connections.unblock(key);
            self.closed.push(key);
        }
    }
}

/// How loud the log is about somebody without a name.
pub(super) fn level(dialect: Dialect) -> Level {
    if dialect.spec().is_casual { Level::Debug } else { Level::Info }
}

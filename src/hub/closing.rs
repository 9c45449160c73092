//! Closing: who may not come in, and how a connection ends.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::time::Instant;

use log::Level;

use super::Hub;
use super::addresses::CONNECT_WAIT_MAX;
use super::connection::{Connection, LINGER, State, Wait, Waiting};
use crate::chat::{Fact, Leaving};
use crate::config::Prelude;
use crate::dialect::{Dialect, Naming};
use crate::event::{CloseReason, Event, Refusal};
use crate::key::ConnectionKey;

/// Of so many who are turned away within a second the log tells. One address that connects without
/// end would fill the disk otherwise.
const TURNED_AWAY_LOGGED_MAX: usize = 32;

/// How many were turned away of late.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    /// Since 1970.
    second: u64,
    count: usize,
}

impl Hub {
    /// Why somebody from `remote` cannot come in, if so.
    pub(super) fn refusal(
        &self,
        dialect: Dialect,
        remote: SocketAddr,
        prelude: Prelude,
    ) -> Option<CloseReason> {
        if self.clients >= self.limits.clients_max {
            Some(CloseReason::ServerFull)
        } else if prelude.proxy || self.is_trusted_proxy(dialect, remote) {
            // It comes from somewhere else, and will say from where.
            None
        } else {
            self.refusal_of_address(dialect, remote, true)
        }
    }

    /// Why somebody cannot come in from this address, if so; it `is_new` if it is not counted yet.
    pub(super) fn refusal_of_address(
        &self,
        dialect: Dialect,
        remote: SocketAddr,
        is_new: bool,
    ) -> Option<CloseReason> {
        if is_new && self.addresses.is_full(dialect, remote, &self.limits) {
            return Some(CloseReason::AddressFull);
        }
        let latest = self.now.instant + CONNECT_WAIT_MAX;
        // Handshakes are dear, and pages not for nothing: whoever only knocks is paced too.
        let pace = self.limits.connects.filter(|_| is_new);
        let next = |pace| self.addresses.next_socket(dialect, remote, pace, self.now.instant);
        if pace.and_then(next).is_some_and(|next| next > latest) {
            return Some(CloseReason::AddressTooFast);
        }
        let next = self.next_connect(dialect, remote);
        // Who is in at once cannot be made to wait; and whose session is not open yet only asks for
        // a page, perhaps, and is not paced.
        let spec = dialect.spec();
        let may_wait = spec.naming != Naming::Address;
        let is_late = |next: &Instant| !may_wait || *next > latest;
        let next = next.filter(|_| spec.closed_unopened.is_none());
        next.filter(is_late).map(|_| CloseReason::AddressTooFast)
    }

    /// Counts somebody who cannot come in and is given no connection, and tells the log.
    pub(super) fn note_turned_away(
        &mut self,
        dialect: Dialect,
        remote: SocketAddr,
        reason: CloseReason,
    ) {
        self.closings[reason.index()] += 1;
        self.turned_away.log(level(dialect), remote, reason, self.now.unix_seconds);
    }

    /// Counts a connection for its address, if it does not come from a proxy.
    pub(super) fn enter_address(&mut self, key: ConnectionKey) {
        let Connection { dialect, remote, .. } = self.connections[key];
        if !self.is_trusted_proxy(dialect, remote) {
            let address = self.addresses.enter(dialect, remote, self.now.instant);
            if let (Some(address), Some(pace)) = (address, self.limits.connects) {
                self.addresses.note_socket(address, pace, self.now.instant);
            }
            self.connections[key].address = address;
        }
    }

    /// Somebody wants to come in, not only to see a page. Who comes too fast is not listened to for
    /// a while; who would have to wait for too long is closed.
    pub(super) fn pace_connect(&mut self, key: ConnectionKey) {
        let Connection { dialect, remote, .. } = self.connections[key];
        let next = self.next_connect(dialect, remote);
        if next.is_some_and(|next| next > self.now.instant + CONNECT_WAIT_MAX) {
            return self.close(key, CloseReason::AddressTooFast, "");
        }
        self.pace_address(key);
        let waiting = next.map(|next| Box::new(Waiting::new(Wait::Budget(next))));
        self.connections[key].waiting = waiting;
    }

    /// Takes one off what may come from the address of `key`.
    pub(super) fn pace_address(&mut self, key: ConnectionKey) {
        if let (Some(address), Some(pace)) = (self.connections[key].address, self.limits.connects) {
            self.addresses.note_connect(address, pace, self.now.instant);
        }
    }

    /// When somebody may come from `remote`; `None` if at once.
    pub(super) fn next_connect(&self, dialect: Dialect, remote: SocketAddr) -> Option<Instant> {
        let pace = self.limits.connects?;
        self.addresses.next_connect(dialect, remote, pace, self.now.instant)
    }

    /// Closes a connection: others are told if it was in the room, it is told why if that is of
    /// use, and what waits for it is still sent if it keeps pace, for `--drain` at most. `words`
    /// are its own, if it has given any. It takes up its place until its socket is gone.
    ///
    /// Who may have been cut off against their will is waited for first.
    pub(super) fn close(&mut self, key: ConnectionKey, reason: CloseReason, words: &str) {
        let held = match self.connections[key].state {
            State::Chatting(user) => {
                self.hold(key, user, reason) || self.leave_to_others(user, reason)
            }
            _ => false,
        };
        self.close_connection(key, reason, (words, held));
    }

    /// Closes a connection whose other side has said that it goes.
    pub(super) fn close_for_good(&mut self, key: ConnectionKey) {
        self.close_connection(key, CloseReason::EndOfInput, ("", false));
    }

    fn close_connection(
        &mut self,
        key: ConnectionKey,
        reason: CloseReason,
        (words, held): (&str, bool),
    ) {
        let connection = &self.connections[key];
        let is_unopened = matches!(connection.state, State::Opening);
        let is_preparing = matches!(connection.state, State::Preparing { .. });
        match connection.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::Preparing { .. }
            | State::Opening
            | State::AwaitingNick { .. }
            | State::Proving(_)
            | State::Entering(_)
            | State::Named(_) => {
                // Proxies look again and again whether we are there.
                let is_look = is_preparing
                    && matches!(reason, CloseReason::EndOfInput | CloseReason::ConnectionLost);
                let level = if is_look { Level::Debug } else { level(connection.dialect) };
                let remote = connection.remote;
                if connection.turned_away {
                    self.turned_away.log(level, remote, reason, self.now.unix_seconds);
                } else {
                    log::log!(level, "closed: {remote}: {reason}");
                }
                if let Some(user) = connection.any_user() {
                    self.tickets.forget(user);
                    self.propose(Fact::Left { user, why: Leaving::Plain });
                }
            }
            State::Chatting(_) if held => {}
            State::Chatting(user) => self.depart(user, connection.dialect, reason, words),
        }
        self.closings[reason.index()] += 1;
        let connection = &mut self.connections[key];
        if let Some(waiting) = connection.waiting.take() {
            if waiting.resume_reading {
                self.resumed.push(key);
            }
            if waiting.asked.is_some() {
                self.cancel_request(key);
            }
        }
        let connection = &mut self.connections[key];
        connection.session.close();
        let orderly = reason.is_orderly();
        let time = if orderly { self.limits.drain.max(LINGER) } else { LINGER };
        connection.state = State::Closing { shut: false, deadline: self.now.instant + time };
        let is_broken = reason == CloseReason::TlsFailed && !is_preparing;
        if is_broken || reason == CloseReason::ConnectionLost {
            return self.drop_peer(key);
        }
        if is_preparing {
            // It could not read what we say; but it may read that this is the end.
            return self.connections.touch(key);
        }
        if !orderly {
            connection.outbox.truncate_to_frame(&mut self.journals);
        }
        if is_unopened {
            let farewell = connection.dialect.closed_unopened(self.lang, reason);
            self.send(key, &farewell);
            // If there is nothing to send, it is finished all the same.
            return self.connections.touch(key);
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

impl TurnedAway {
    /// Tells the log that somebody is closed who cannot come in, unless it was told so of many.
    fn log(&mut self, level: Level, remote: SocketAddr, reason: CloseReason, now: u64) {
        match self.note(now).cmp(&TURNED_AWAY_LOGGED_MAX) {
            Ordering::Less => log::log!(level, "closed: {remote}: {reason}"),
            Ordering::Equal => {
                log::log!(
                    level,
                    "closed: {remote}: {reason}; more of this second are only counted"
                );
            }
            Ordering::Greater => {}
        }
    }

    /// How many it are within this second, with this one.
    fn note(&mut self, now: u64) -> usize {
        if self.second != now {
            *self = TurnedAway { second: now, count: 0 };
        }
        self.count += 1;
        self.count
    }
}

/// How loud the log is about somebody without a name.
pub(super) fn level(dialect: Dialect) -> Level {
    if dialect.spec().is_casual { Level::Debug } else { Level::Info }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_begins_to_count_anew() {
        let mut turned_away = TurnedAway::default();
        assert_eq!([7, 7, 7, 8, 8, 7].map(|now| turned_away.note(now)), [1, 2, 3, 1, 2, 1]);
    }
}

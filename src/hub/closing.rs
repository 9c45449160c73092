//! Closing: who may not come in, and how a connection ends.

use std::net::SocketAddr;

use log::Level;

use super::Hub;
use crate::dialect::{Dialect, Transport};
use crate::event::{CloseReason, Event, Parting, Refusal};
use crate::peer::{LINGER, PeerKey, State};

impl Hub {
    /// Why somebody from `remote` cannot come in, if so.
    pub(super) fn refusal(&self, dialect: Dialect, remote: SocketAddr) -> Option<CloseReason> {
        if self.clients >= self.limits.clients_max {
            Some(CloseReason::ServerFull)
        } else if self.addresses.is_full(dialect, remote, &self.limits) {
            Some(CloseReason::AddressFull)
        } else {
            None
        }
    }

    /// Closes a connection: others are told if it was in the room, it is told why if that is of
    /// use, and what waits for it is still sent if it keeps pace, for `--drain` at most. `words`
    /// are its own, if it has given any. It takes up its place until its socket is gone.
    pub(super) fn close(&mut self, key: PeerKey, reason: CloseReason, words: &str) {
        let Hub { peers, directory, room, .. } = self;
        let peer = &mut peers[key];
        let requesting = matches!(peer.state, State::Requesting { .. });
        match &peer.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::Requesting { .. } | State::AwaitingNick { .. } | State::Entering(_) => {
                log::log!(level(peer.dialect), "closed: {}: {reason}", peer.remote);
                if let State::Entering(name) = &peer.state {
                    directory.release(name);
                }
            }
            State::Chatting(member) => {
                let why = if words.is_empty() { String::new() } else { format!(" ({words})") };
                log::info!("left: {}: {reason}{why} ({} here)", member.name, room.count() - 1);
                let why = match (words.is_empty(), reason) {
                    (false, _) => Parting::Words(words),
                    (true, CloseReason::Quit | CloseReason::EndOfInput) => Parting::Plain,
                    (true, reason) => Parting::Reason(reason),
                };
                room.leave(peers, directory, key, why);
            }
        }
        self.closings[reason.index()] += 1;
        let peer = &mut self.peers[key];
        if peer.waiting.take().is_some_and(|waiting| waiting.unread) {
            self.resumed.push(key);
        }
        if let Some(habits) = &mut peer.habits {
            habits.end_deadlines();
        }
        let orderly = reason.is_orderly();
        let time = if orderly { self.limits.drain.max(LINGER) } else { LINGER };
        peer.state = State::Closing { shut: false, deadline: self.now.instant + time };
        if reason == CloseReason::ConnectionLost {
            return self.drop_peer(key);
        }
        if !orderly {
            peer.outbox.truncate_to_frame(self.room.journals_mut());
        }
        if requesting {
            #[cfg(feature = "web")]
            self.refuse_request(key, reason);
            return;
        }
        let farewell = match reason {
            CloseReason::Quit => Event::Goodbye,
            reason => Event::Refused(Refusal::Closed(reason)),
        };
        self.room.tell(&mut self.peers, key, &farewell);
    }

    /// Nothing more comes from `key` or goes to it. It is reaped at the end of the turn.
    pub(super) fn drop_peer(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        if !matches!(peer.state, State::Closed) {
            peer.state = State::Closed;
            peer.outbox.discard(self.room.journals_mut());
            (peer.blocked, peer.habits) = (None, None);
            self.closed.push(key);
        }
    }
}

/// How loud the log is about somebody without a name. Anyone can make datagrams come from anywhere,
/// and a page is fetched in several requests; that is not worth a line each.
pub(super) fn level(dialect: Dialect) -> Level {
    #[cfg(feature = "web")]
    if dialect == Dialect::Web {
        return Level::Debug;
    }
    match dialect.transport() {
        Transport::Tcp => Level::Info,
        Transport::Udp => Level::Debug,
    }
}

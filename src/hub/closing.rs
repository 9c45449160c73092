//! Closing: who may not come in, and how a connection ends.

use std::net::{IpAddr, SocketAddr};

use log::Level;

use super::{Hub, TURNED_AWAY_MAX};
use crate::dialect::{Dialect, Transport};
use crate::event::{CloseReason, Event, Parting, Refusal};
use crate::peer::{LINGER, PeerKey, State};

impl Hub {
    /// Why somebody from `remote` cannot come in, if so.
    pub(super) fn refusal(&self, remote: SocketAddr) -> Option<CloseReason> {
        let of_block = block_of(remote).and_then(|block| self.addresses.get(&block));
        if self.clients >= self.limits.clients_max
            || self.peers.len() >= self.limits.clients_max + TURNED_AWAY_MAX
        {
            Some(CloseReason::ServerFull)
        } else if of_block.is_some_and(|count| *count >= self.limits.per_address_max) {
            Some(CloseReason::AddressFull)
        } else {
            None
        }
    }

    /// Closes a connection: others are told if it was in the room, it is told why if that is of
    /// use, and what waits for it is still sent if it keeps pace. `words` are its own, if it has
    /// given any.
    pub(super) fn close(&mut self, key: PeerKey, reason: CloseReason, words: &str) {
        let Hub { peers, directory, room, .. } = self;
        let peer = &mut peers[key];
        let requesting = matches!(peer.state, State::Requesting { .. });
        match &peer.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::Requesting { .. } | State::AwaitingNick { .. } => {
                log::log!(level(peer.dialect), "closed: {}: {reason}", peer.remote);
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
        self.clients -= 1;
        self.uncount(key);
        let peer = &mut self.peers[key];
        if peer.waiting.take().is_some_and(|waiting| waiting.unread) {
            self.resumed.push(key);
        }
        if let Some(habits) = &mut peer.habits {
            habits.end_deadlines();
        }
        let orderly = reason.is_orderly();
        let deadline = (!orderly).then(|| self.now.instant + LINGER);
        peer.state = State::Closing { shut: false, deadline };
        if reason == CloseReason::ConnectionLost {
            return self.drop_peer(key);
        }
        if !orderly {
            peer.outbox.cut(self.room.journal_mut(peer.dialect));
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
            peer.outbox.abandon(self.room.journal_mut(peer.dialect));
            (peer.blocked, peer.habits) = (None, None);
            self.closed.push(key);
        }
    }

    fn uncount(&mut self, key: PeerKey) {
        let Some(block) = block_of(self.peers[key].remote) else { return };
        if let Some(count) = self.addresses.get_mut(&block) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&block);
            }
        }
    }
}

/// The address block that `--max-per-ip` counts: an IPv4 address, or an IPv6 /64. Loopback is not
/// counted.
pub(super) fn block_of(remote: SocketAddr) -> Option<IpAddr> {
    match remote.ip().to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V6(ip) => Some(IpAddr::V6((ip.to_bits() >> 64 << 64).into())),
        ip => Some(ip),
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

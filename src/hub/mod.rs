//! The hub: the whole chat as a state machine without sockets, clock, threads or dice. It is told
//! what happened, and asked what to do.
//!
//! # Handlers: what happened
//! [`connect`](Hub::connect), [`receive`](Hub::receive), [`arrived`](Hub::arrived),
//! [`end_of_input`](Hub::end_of_input), [`disconnect`](Hub::disconnect), [`timeout`](Hub::timeout),
//! [`blocked`](Hub::blocked), [`unblocked`](Hub::unblocked), [`transmitted`](Hub::transmitted),
//! [`note_turn`](Hub::note_turn), [`stop`](Hub::stop).
//!
//! # Pollers: what to do
//! [`next_timeout`](Hub::next_timeout), [`wants_input`](Hub::wants_input),
//! [`resumed`](Hub::resumed), [`pending`](Hub::pending), [`transmit`](Hub::transmit),
//! [`finished`](Hub::finished), [`reap`](Hub::reap).
//!
//! # The order of a turn
//! 1. Wait, no longer than until `next_timeout`, for sockets to become ready; take the time.
//! 2. Of those who can be read and whose input is wanted (`wants_input`), `receive` what they sent,
//!    and when that is all for now, they have `arrived`.
//! 3. `timeout`, and put those who are `resumed` back among those to read.
//! 4. For each who is `pending`: `transmit`, write, `transmitted`, until there is nothing more or
//!    the socket is full, which is `blocked`. If it is `finished`, shut its write side.
//! 5. `reap`: forget those connections.
//! 6. `connect` whoever came, now that the places of those who have gone are free.
//!
//! A key that was reaped must not be used again until `connect` returns it.
//!
//! Handlers and pollers are here. What becomes of input is in `hearing.rs`, how connections end in
//! `closing.rs`, and what time brings in `deadlines.rs`. What only browsers need is in `web.rs`.

mod addresses;
mod closing;
mod deadlines;
mod hearing;
#[cfg(feature = "web")]
mod web;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use self::addresses::AddressKey;
use self::addresses::Addresses;
use self::closing::level;
use self::hearing::is_owed_much;
use crate::config::{Config, Limits};
use crate::dialect::decoder::extend_within;
use crate::dialect::{Dialect, Framing, Lang, Naming, Transport};
use crate::directory::Directory;
use crate::event::{CloseReason, Event, Refusal};
use crate::metrics::Metrics;
use crate::nickname::Nickname;
use crate::peer::{Blocked, Gap, LINGER, Peer, PeerKey, Peers, State, Wait};
use crate::room::Room;
use crate::text;
use crate::timers::{Now, Timers};

/// Connections beyond `--max-clients` that may be there at once to be told that they cannot come
/// in. Whoever comes when there are so many is told so in passing.
pub const TURNED_AWAY_MAX: usize = 16;

/// Somebody who is owed more than this alone is not listened to until it has been read.
const OWN_BYTES_MAX: usize = 64 * 1024;

/// Datagrams of somebody who is not listened to are kept up to this and a line.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// The chat.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    lang: Lang,
    motd: Vec<String>,
    peers: Peers,
    directory: Directory,
    room: Room,
    timers: Timers,
    addresses: Addresses,
    /// Connections that were let in and whose sockets are not gone.
    clients: usize,
    /// Who is to be listened to again as soon as the room takes more.
    runnable: VecDeque<PeerKey>,
    /// Whom the server may read again.
    resumed: Vec<PeerKey>,
    closed: Vec<PeerKey>,
    closings: [u64; CloseReason::COUNT],
    /// What is counted here; the rest of it is asked for when it is wanted.
    counts: Metrics,
    serial: u32,
    now: Now,
    #[cfg(feature = "web")]
    web: crate::config::Web,
}

impl Hub {
    /// An empty room, at the time `now`.
    #[must_use]
    pub fn new(config: &Config, now: Now) -> Hub {
        Hub {
            limits: config.limits,
            lang: config.lang,
            motd: config.motd.iter().map(|line| text::clean(line).into_owned()).collect(),
            peers: Peers::default(),
            directory: Directory::default(),
            room: Room::new(config.lang, &config.limits),
            timers: Timers::default(),
            addresses: Addresses::default(),
            clients: 0,
            runnable: VecDeque::new(),
            resumed: Vec::new(),
            closed: Vec::new(),
            closings: [0; CloseReason::COUNT],
            counts: Metrics::default(),
            serial: 0,
            now,
            #[cfg(feature = "web")]
            web: config.web.clone(),
        }
    }

    // ── what happened ────────────────────────────────────────────────────────────────────────────

    /// Somebody came through a door. Returns the key under which it is known from now on.
    ///
    /// # Errors
    /// The reason, if it cannot come in and there are many such already: then the server may still
    /// send it its [`farewell`](Self::farewell), and drops it.
    pub fn connect(
        &mut self,
        dialect: Dialect,
        remote: SocketAddr,
        now: Now,
    ) -> Result<PeerKey, CloseReason> {
        self.now = now;
        let refused = self.refusal(dialect, remote);
        // Nobody who is only to be told that they cannot come in may take the place of others.
        let turned_away = self.peers.len() - self.clients;
        if let Some(reason) = refused
            && turned_away >= TURNED_AWAY_MAX
        {
            self.closings[reason.index()] += 1;
            log::log!(level(dialect), "closed: {remote}: {reason}");
            return Err(reason);
        }
        self.serial = self.serial.wrapping_add(1);
        let state = self.first_state(dialect);
        let key = self.peers.insert(Peer::new(remote, dialect, self.serial, state));
        if refused.is_none() {
            self.clients += 1;
            let flood = self.limits.flood;
            self.peers[key].address = self.addresses.enter(dialect, remote, flood, now.instant);
        }
        self.peers[key].turned_away = refused.is_some();
        match (refused, dialect.manners().naming) {
            (Some(reason), _) => self.close(key, reason, ""),
            (None, Naming::Asked | Naming::Once) => {
                let count = self.clients;
                log::log!(level(dialect), "connected: {remote} at {dialect} ({count} connections)");
                if let State::AwaitingNick { .. } = self.peers[key].state {
                    self.ask(key);
                }
            }
            (None, Naming::Address) => self.join_as(key, &address_name(remote), 2),
        }
        self.arm(key);
        Ok(key)
    }

    /// The server's own terminal takes a seat in the room as `name`. It is a peer like others, but
    /// no limit turns it away.
    pub fn take_seat(&mut self, name: &str, now: Now) -> PeerKey {
        self.now = now;
        self.limits.clients_max += 1;
        self.clients += 1;
        self.serial = self.serial.wrapping_add(1);
        let remote = SocketAddr::from(([127, 0, 0, 1], 0));
        let state = State::AwaitingNick { deadline: now.instant };
        let peer = Peer::new(remote, Dialect::Lines, self.serial, state);
        let key = self.peers.insert(peer);
        self.join_as(key, &Nickname::unchecked(name), 2);
        key
    }

    /// What somebody is sent whom [`connect`](Self::connect) would not take for this reason.
    #[must_use]
    pub fn farewell(&self, dialect: Dialect, reason: CloseReason) -> Vec<u8> {
        #[cfg(feature = "web")]
        if dialect == Dialect::Web {
            return crate::dialect::web::http::farewell(reason);
        }
        let mut bytes = Vec::new();
        let event = Event::Refused(Refusal::Closed(reason));
        dialect.encode(self.lang, &event, &mut bytes);
        bytes
    }

    /// `bytes` came from `key`; from a peer over UDP, one datagram. What cannot be heard now is
    /// kept; so do not read more from someone whose input is not wanted
    /// ([`wants_input`](Self::wants_input)). Where one socket is read for all, what one of them
    /// sends beyond 16 KiB and a line in that time is lost, as it would be in the socket.
    pub fn receive(&mut self, key: PeerKey, bytes: &[u8], now: Now) {
        self.now = now;
        self.counts.bytes_received += bytes.len() as u64;
        #[cfg(feature = "web")]
        self.note_alive(key);
        let held_bytes_max = HELD_BYTES_MAX + self.limits.line_bytes_max;
        let datagram = self.peers[key].dialect.framing() == Framing::Datagrams;
        let bytes = if datagram { Cow::Owned(as_line(bytes)) } else { Cow::Borrowed(bytes) };
        match &mut self.peers[key].waiting {
            Some(waiting) if datagram && waiting.held.len() + bytes.len() > held_bytes_max => {}
            Some(waiting) => extend_within(&mut waiting.held, &bytes, held_bytes_max),
            None => self.hear(key, &bytes),
        }
        if datagram {
            self.note_heard(key);
        }
        self.arm(key);
    }

    /// All that `key` has sent for now has been received.
    pub fn arrived(&mut self, key: PeerKey, now: Now) {
        self.now = now;
        if self.peers[key].dialect.framing() == Framing::Arrivals {
            match &mut self.peers[key].waiting {
                Some(waiting) => waiting.arrived = true,
                None => self.end_arrival(key, true),
            }
            self.arm(key);
        }
    }

    /// `key` will send no more. What it has said is still heard, then it leaves.
    pub fn end_of_input(&mut self, key: PeerKey, now: Now) {
        self.now = now;
        self.peers[key].input_ended = true;
        if self.peers[key].waiting.is_none() {
            self.leave_after_input(key);
            self.arm(key);
        }
    }

    /// The connection of `key` broke.
    pub fn disconnect(&mut self, key: PeerKey, now: Now) {
        self.now = now;
        self.close(key, CloseReason::ConnectionLost, "");
        self.arm(key);
    }

    /// The time is `now`: does what is due, and listens to those who had to wait.
    pub fn timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(key) = self.timers.due(now.instant) {
            self.expire(key);
            self.arm(key);
        }
        for _ in 0..self.runnable.len() {
            if self.room.is_full(now.instant) {
                break;
            }
            let Some(key) = self.runnable.pop_front() else { break };
            let wait = self.peers.get(key).and_then(Peer::wait);
            if matches!(wait, Some(Wait::Turn | Wait::Room)) {
                self.resume(key);
                self.arm(key);
            }
        }
    }

    /// `bytes` of what [`transmit`](Self::transmit) gave for `key` have been written. Returns
    /// whether there may be more for it.
    pub fn transmitted(&mut self, key: PeerKey, bytes: usize, now: Now) -> bool {
        self.counts.bytes_sent += bytes as u64;
        let peer = &mut self.peers[key];
        let manners = peer.dialect.manners();
        let journals = self.room.journals_mut();
        peer.outbox.advance(journals, bytes);
        if manners.separates {
            // The LF that was held back, after all that waited.
            peer.outbox.pass_last_lf(journals);
        }
        if let Some(habits) = &mut peer.habits
            && habits.gap.is_some()
            && !peer.outbox.is_within_insert()
        {
            habits.gap = Some(Gap::Sent(now.instant));
            self.arm(key);
        }
        let peer = &mut self.peers[key];
        if let Some(blocked) = &mut peer.blocked {
            blocked.progress = now.instant;
            if peer.outbox.is_empty(self.room.journals()) {
                peer.blocked = None;
            }
            self.arm(key);
        }
        self.hear_if_read(key);
        let peer = &self.peers[key];
        !peer.outbox.is_empty(self.room.journals())
    }

    /// If somebody has to read what waits for them first, and has: they are listened to again.
    fn hear_if_read(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        if peer.wait() != Some(Wait::Outbox) || is_owed_much(peer) {
            return;
        }
        if let Some(waiting) = &mut peer.waiting {
            waiting.why = Wait::Turn;
            self.runnable.push_back(key);
        }
    }

    /// The socket of `key` takes no more, although something waits.
    pub fn blocked(&mut self, key: PeerKey, now: Now) {
        let peer = &mut self.peers[key];
        match &mut peer.blocked {
            Some(blocked) => blocked.writable = false,
            None => {
                let (writable, progress) = (false, now.instant);
                peer.blocked = Some(Box::new(Blocked { writable, progress, waited_for: None }));
            }
        }
        self.arm(key);
    }

    /// The socket of `key` takes more again.
    pub fn unblocked(&mut self, key: PeerKey) {
        if let Some(blocked) = &mut self.peers[key].blocked {
            blocked.writable = true;
            self.peers.touch(key);
            self.arm(key);
        }
    }

    /// A turn of the loop is over that took so long. This is only counted.
    pub fn note_turn(&mut self, took: Duration) {
        self.counts.turns += 1;
        self.counts.slowest_turn = self.counts.slowest_turn.max(took);
    }

    /// The server stops: everyone is told, and closed when what waits for them has been sent.
    pub fn stop(&mut self, now: Now) {
        self.now = now;
        self.room.announce_stop(&mut self.peers);
        for key in self.peers.keys() {
            if let State::AwaitingNick { .. } | State::Entering(_) = self.peers[key].state {
                self.room.tell(&mut self.peers, key, &Event::Stopping);
            }
            self.close(key, CloseReason::Stopping, "");
            self.arm(key);
        }
    }

    // ── what to do ───────────────────────────────────────────────────────────────────────────────

    /// When [`timeout`](Self::timeout) must be called at the latest, if at all. It may have passed.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let now = self.now.instant;
        let at_once = self.room.is_unsettled() || self.peers.any_touched();
        let waiting = match (self.runnable.is_empty(), self.room.waits_until()) {
            (true, _) => None,
            (false, until) => Some(until.unwrap_or(now)),
        };
        [self.timers.next(), at_once.then_some(now), waiting].into_iter().flatten().min()
    }

    /// Whether `key` may be read now. If not, `key` comes out of [`resumed`](Self::resumed) when it
    /// may.
    pub fn wants_input(&mut self, key: PeerKey) -> bool {
        // Or else those who hold the room and those who fill it could keep it waiting for ever.
        let may_read = mem::take(&mut self.peers[key].may_read);
        if may_read && self.peers[key].waiting.is_none() {
            return true;
        }
        // Those who have been waiting for the room come first.
        let queue = !self.runnable.is_empty() && self.peers[key].member().is_some();
        if !self.must_wait(key, queue) {
            return true;
        }
        if let Some(waiting) = &mut self.peers[key].waiting {
            waiting.unread = true;
        }
        self.arm(key);
        false
    }

    /// Moves those to `keys` whose input is wanted again.
    pub fn resumed(&mut self, keys: &mut impl Extend<PeerKey>) {
        keys.extend(self.resumed.drain(..));
    }

    /// Puts into `keys` everyone to whom something is to be written, or who is to be asked about
    /// with [`finished`](Self::finished). Ends the hearing of this turn: what was gathered is told.
    pub fn pending(&mut self, keys: &mut Vec<PeerKey>, now: Now) {
        self.now = now;
        keys.clear();
        self.room.settle(&mut self.peers);
        for key in self.room.survey(&mut self.peers, now.instant) {
            self.close(key, CloseReason::TooSlow, "");
            self.arm(key);
        }
        self.room.settle(&mut self.peers);
        self.room.take_audience(&self.peers, keys);
        self.directory.end_turn();
        self.peers.take_touched(keys);
    }

    /// Fills `slices` with what to write to `key` next and returns how many it filled. 0 means that
    /// there is nothing.
    pub fn transmit<'a>(&'a mut self, key: PeerKey, slices: &mut [IoSlice<'a>]) -> usize {
        let Hub { peers, room, .. } = self;
        let peer = &mut peers[key];
        let journals = room.journals_mut();
        let alone = peer.outbox.is_solo(journals);
        let most = match &peer.habits {
            Some(habits) => match habits.gap {
                Some(Gap::Sent(_) | Gap::Until(_)) => 0,
                Some(Gap::Over) if alone => 1,
                _ => slices.len(),
            },
            None => slices.len(),
        };
        let most = most.min(slices.len());
        peer.outbox.slices(journals, &mut slices[..most], peer.dialect.manners().separates)
    }

    /// Whether `key` is closing and has got all that was for it. True once: the write side of its
    /// socket is to be shut now.
    pub fn finished(&mut self, key: PeerKey, now: Now) -> bool {
        let peer = &mut self.peers[key];
        let State::Closing { shut: shut @ false, deadline, .. } = &mut peer.state else {
            return false;
        };
        if !peer.outbox.is_empty(self.room.journals()) {
            return false;
        }
        *shut = true;
        *deadline = (now.instant + LINGER).min(*deadline);
        if peer.input_ended || peer.dialect.transport() == Transport::Udp {
            self.drop_peer(key);
        }
        self.arm(key);
        true
    }

    /// Puts the connections into `keys` that are gone; the server drops their sockets, in this
    /// order. Ends the turn.
    pub fn reap(&mut self, keys: &mut Vec<PeerKey>) {
        keys.clear();
        self.room.end_turn();
        keys.append(&mut self.closed);
        for key in keys.iter() {
            let Some(peer) = self.peers.remove(*key) else { continue };
            self.clients -= usize::from(!peer.turned_away);
            if let Some(address) = peer.address {
                self.addresses.leave(address, self.now.instant);
            }
        }
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.len() == 0
    }

    /// How many connections have been closed for each reason, by [`CloseReason::index`].
    #[must_use]
    pub fn closings(&self) -> &[u64; CloseReason::COUNT] {
        &self.closings
    }

    /// What has been counted until now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let (lines, deliveries) = self.room.said();
        Metrics {
            connections: self.clients,
            members: self.room.members_by_dialect(),
            lines,
            deliveries,
            closings: self.closings,
            journal_bytes: self.room.bytes_by_dialect(),
            ..self.counts.clone()
        }
    }

    /// How many are in the room.
    #[must_use]
    pub fn members(&self) -> usize {
        self.room.count()
    }

    /// The most bytes that are kept for what the room says in one dialect, and for one connection
    /// alone. What bounds them is in `docs/operations.md`.
    #[must_use]
    pub fn kept_bytes(&self) -> (usize, usize) {
        let own = self.peers.iter().map(|peer| peer.outbox.own_bytes()).max();
        (self.room.kept_bytes(), own.unwrap_or_default())
    }

    /// Bytes of long lists of names and of browsers' welcomes that somebody has not read yet; those
    /// that several share count once.
    #[must_use]
    pub fn list_bytes(&self) -> usize {
        self.room.list_bytes()
    }

    /// Whether nothing at all is left of all that happened: no connection, name, deadline or byte.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.is_empty()
            && self.clients == 0
            && self.room.is_at_rest()
            && self.directory.is_empty()
            && self.addresses.is_empty()
            && self.next_timeout().is_none()
    }
}

/// The name of somebody who has none. Without brackets, by which lines of `lines` can be told.
fn address_name(remote: SocketAddr) -> Nickname {
    Nickname::unchecked(&format!("{}:{}", remote.ip(), remote.port()))
}

/// A datagram as a line: a LF in it would make several messages of one.
fn as_line(datagram: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = datagram.iter().copied().filter(|byte| *byte != b'\n').collect();
    line.push(b'\n');
    line
}

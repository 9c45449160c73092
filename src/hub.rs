//! The hub: the whole chat as a state machine without sockets, clock, threads or dice. It is told
//! what happened, and asked what to do.
//!
//! # Handlers: what happened
//! [`connect`](Hub::connect), [`receive`](Hub::receive), [`end_of_input`](Hub::end_of_input),
//! [`disconnect`](Hub::disconnect), [`timeout`](Hub::timeout), [`blocked`](Hub::blocked),
//! [`unblocked`](Hub::unblocked), [`transmitted`](Hub::transmitted), [`stop`](Hub::stop).
//!
//! # Pollers: what to do
//! [`next_timeout`](Hub::next_timeout), [`wants_input`](Hub::wants_input),
//! [`resumed`](Hub::resumed), [`pending`](Hub::pending), [`transmit`](Hub::transmit),
//! [`finished`](Hub::finished), [`reap`](Hub::reap).
//!
//! # The order of a turn
//! 1. Wait, no longer than until `next_timeout`, for sockets to become ready; take the time.
//! 2. `connect` whoever came. Of those who can be read and whose input is wanted
//!    (`wants_input`), `receive` what they sent.
//! 3. `timeout`, and put those who are `resumed` back among those to read.
//! 4. For each who is `pending`: `transmit`, write, `transmitted`, until there is nothing more or
//!    the socket is full, which is `blocked`. If it is `finished`, shut its write side.
//! 5. `reap`: forget those connections.
//!
//! A key that was reaped must not be used again until `connect` returns it.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::config::{Config, Limits};
use crate::dialect::{Dialect, Frame, Lang, Stage};
use crate::directory::Directory;
use crate::event::{CloseReason, Command, Event, Parting, Refusal};
use crate::nickname::Nickname;
use crate::peer::{Blocked, Budget, LINGER, Peer, PeerKey, Peers, State, Wait, Waiting};
use crate::room::Room;
use crate::text;
use crate::timers::{Now, Timers};

/// Connections beyond `--max-clients` that may be there at once only to be told that the server is
/// full. Whoever comes when these are used up is told so by the server in passing.
pub const TURNED_AWAY_MAX: usize = 16;

/// Somebody who is owed more than this alone is not listened to until it has been read.
const OWN_BYTES_MAX: usize = 64 * 1024;

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
    /// Connections by address, of addresses that are counted.
    addresses: HashMap<IpAddr, usize>,
    /// Connections that are neither closing nor closed.
    clients: usize,
    /// Who is to be listened to again as soon as the room takes more.
    runnable: VecDeque<PeerKey>,
    /// Whom the server may read again.
    resumed: Vec<PeerKey>,
    closed: Vec<PeerKey>,
    closings: [u64; CloseReason::COUNT],
    serial: u32,
    now: Now,
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
            addresses: HashMap::new(),
            clients: 0,
            runnable: VecDeque::new(),
            resumed: Vec::new(),
            closed: Vec::new(),
            closings: [0; CloseReason::COUNT],
            serial: 0,
            now,
        }
    }

    // ── what happened ────────────────────────────────────────────────────────────────────────────

    /// Somebody came through a door. Returns the key under which it is known from now on, or
    /// nothing if there is not even room to turn it away properly: then the server may still send
    /// it [`turned_away`](Self::turned_away), and drops it.
    pub fn connect(&mut self, dialect: Dialect, remote: SocketAddr, now: Now) -> Option<PeerKey> {
        self.now = now;
        if self.peers.len() >= self.limits.clients_max + TURNED_AWAY_MAX {
            self.closings[CloseReason::ServerFull.index()] += 1;
            log::warn!("closed: {remote}: {}", CloseReason::ServerFull);
            return None;
        }
        let refused = self.count_in(remote);
        self.serial = self.serial.wrapping_add(1);
        let deadline = now.instant + self.limits.nick_timeout;
        let key = self.peers.insert(Peer::new(remote, dialect, self.serial, deadline));
        if let Some(reason) = refused {
            self.close(key, reason, "");
        } else {
            log::info!("connected: {remote} at {dialect} ({} connections)", self.clients);
            self.room.tell(&mut self.peers, key, &Event::Asked { motd: &self.motd });
        }
        self.arm(key);
        Some(key)
    }

    /// What somebody is sent whom [`connect`](Self::connect) would not take.
    #[must_use]
    pub fn turned_away(&self, dialect: Dialect) -> Vec<u8> {
        let mut bytes = Vec::new();
        let event = Event::Refused(Refusal::Closed(CloseReason::ServerFull));
        dialect.encode(self.lang, &event, &mut bytes);
        bytes
    }

    /// `bytes` came from `key`. What cannot be heard now is kept; so do not read more from someone
    /// whose input is not wanted ([`wants_input`](Self::wants_input)).
    pub fn receive(&mut self, key: PeerKey, bytes: &[u8], now: Now) {
        self.now = now;
        if let Some(waiting) = &mut self.peers[key].waiting {
            waiting.held.extend_from_slice(bytes);
        } else {
            self.hear(key, bytes);
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
            if self.peers.get(key).is_some_and(|peer| peer.wait() == Some(Wait::Room)) {
                self.resume(key);
                self.arm(key);
            }
        }
    }

    /// `bytes` of what [`transmit`](Self::transmit) gave for `key` have been written.
    pub fn transmitted(&mut self, key: PeerKey, bytes: usize, now: Now) {
        let peer = &mut self.peers[key];
        let journal = self.room.journal_mut(peer.dialect);
        peer.outbox.advance(journal, bytes);
        if let Some(blocked) = &mut peer.blocked {
            blocked.progress = now.instant;
            if peer.outbox.is_empty(journal) {
                peer.blocked = None;
            }
            self.arm(key);
        }
        let peer = &mut self.peers[key];
        if let Some(waiting) = &mut peer.waiting
            && waiting.why == Wait::Outbox
            && peer.outbox.own_bytes() <= OWN_BYTES_MAX
        {
            waiting.why = Wait::Room;
            self.runnable.push_back(key);
        }
    }

    /// The socket of `key` takes no more, although something waits.
    pub fn blocked(&mut self, key: PeerKey, now: Now) {
        let peer = &mut self.peers[key];
        match &mut peer.blocked {
            Some(blocked) => blocked.writable = false,
            None => {
                let mark = (now.instant, peer.outbox.place().unwrap_or_default());
                let blocked = Blocked { writable: false, progress: now.instant, mark };
                peer.blocked = Some(Box::new(blocked));
                self.arm(key);
            }
        }
    }

    /// The socket of `key` takes more again.
    pub fn unblocked(&mut self, key: PeerKey) {
        if let Some(blocked) = &mut self.peers[key].blocked {
            blocked.writable = true;
            self.peers.touch(key);
        }
    }

    /// The server stops: everyone is told, and closed when what waits for them has been sent.
    pub fn stop(&mut self, now: Now) {
        self.now = now;
        self.room.announce_stop(&mut self.peers);
        for key in self.peers.keys() {
            if let State::AwaitingNick { .. } = self.peers[key].state {
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
        self.peers.take_touched(keys);
    }

    /// Fills `slices` with what to write to `key` next and returns how many it filled. 0 means that
    /// there is nothing.
    pub fn transmit<'a>(&'a mut self, key: PeerKey, slices: &mut [IoSlice<'a>]) -> usize {
        let Hub { peers, room, .. } = self;
        let peer = &mut peers[key];
        peer.outbox.slices(room.journal_mut(peer.dialect), slices)
    }

    /// Whether `key` is closing and has got all that was for it. True once: the write side of its
    /// socket is to be shut now.
    pub fn finished(&mut self, key: PeerKey, now: Now) -> bool {
        let peer = &mut self.peers[key];
        let journal = self.room.journal(peer.dialect);
        let State::Closing { shut: shut @ false, deadline, .. } = &mut peer.state else {
            return false;
        };
        if !peer.outbox.is_empty(journal) {
            return false;
        }
        *shut = true;
        let until = now.instant + LINGER;
        *deadline = Some(deadline.map_or(until, |earlier| earlier.min(until)));
        if peer.input_ended {
            self.drop_peer(key);
        }
        self.arm(key);
        true
    }

    /// Puts the connections into `keys` that are gone; the server drops their sockets, in this
    /// order. Ends the turn.
    pub fn reap(&mut self, keys: &mut Vec<PeerKey>) {
        keys.clear();
        self.room.forget_read();
        keys.append(&mut self.closed);
        for key in keys.iter() {
            self.peers.remove(*key);
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

    /// How many are in the room.
    #[must_use]
    pub fn members(&self) -> usize {
        self.room.count()
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

    // ── hearing ──────────────────────────────────────────────────────────────────────────────────

    /// Hears what came, as far as it may be heard now, and holds the rest.
    fn hear(&mut self, key: PeerKey, mut input: &[u8]) {
        // The decoder stands aside while what it takes out of the input is acted upon.
        let aside = self.peers[key].dialect.decoder();
        let mut decoder = mem::replace(&mut self.peers[key].decoder, aside);
        while !input.is_empty() && self.peers[key].is_heard() && !self.must_wait(key, false) {
            match decoder.pull(&mut input, self.limits.line_bytes_max) {
                Some(frame) => self.obey(key, frame),
                None => break,
            }
        }
        let peer = &mut self.peers[key];
        peer.decoder = decoder;
        if let Some(waiting) = &mut peer.waiting {
            waiting.held.extend_from_slice(input);
        }
    }

    /// Goes on hearing somebody who had to wait.
    fn resume(&mut self, key: PeerKey) {
        let Some(before) = self.peers[key].waiting.take() else { return };
        self.hear(key, &before.held);
        let peer = &mut self.peers[key];
        if let Some(waiting) = &mut peer.waiting {
            waiting.unread = before.unread;
            return;
        }
        if before.unread {
            self.resumed.push(key);
        }
        if peer.input_ended {
            self.leave_after_input(key);
        }
    }

    /// Whether `key` is not to be heard now; if so, it is seen to that it will be.
    fn must_wait(&mut self, key: PeerKey, queue: bool) -> bool {
        let peer = &mut self.peers[key];
        if peer.waiting.is_some() {
            return true;
        }
        if !peer.is_heard() {
            return false;
        }
        let now = self.now.instant;
        let ready = self.limits.flood.and_then(|flood| peer.budget.ready(flood));
        let why = if ready.is_some_and(|ready| ready > now) {
            Some(Wait::Budget)
        } else if peer.outbox.own_bytes() > OWN_BYTES_MAX {
            Some(Wait::Outbox)
        } else if queue || peer.member().is_some() && self.room.is_full(now) {
            self.runnable.push_back(key);
            Some(Wait::Room)
        } else {
            None
        };
        peer.waiting = why.map(|why| Box::new(Waiting { why, held: Vec::new(), unread: false }));
        peer.waiting.is_some()
    }

    /// The input of `key` has ended and all of it but an unfinished line has been heard.
    fn leave_after_input(&mut self, key: PeerKey) {
        let aside = self.peers[key].dialect.decoder();
        let mut decoder = mem::replace(&mut self.peers[key].decoder, aside);
        if self.peers[key].is_heard()
            && let Some(frame) = decoder.finish()
        {
            self.obey(key, frame);
        }
        match &self.peers[key].state {
            State::AwaitingNick { .. } | State::Chatting(_) => {
                self.close(key, CloseReason::EndOfInput, "");
            }
            State::Closing { shut: true, .. } => self.drop_peer(key),
            State::Closing { .. } | State::Closed => {}
        }
    }

    /// Does what a message asks for.
    fn obey(&mut self, key: PeerKey, frame: Frame<'_>) {
        let peer = &mut self.peers[key];
        if let Some(flood) = self.limits.flood {
            peer.budget.spend(flood, self.now.instant);
        }
        let (dialect, max) = (peer.dialect, self.limits.line_bytes_max);
        let stage = if peer.member().is_some() { Stage::Chatting } else { Stage::Naming };
        let line = match frame {
            Frame::Line(line) => std::str::from_utf8(line).map_err(|_| Refusal::NotUtf8),
            Frame::TooLong => Err(Refusal::LineTooLong(max)),
            Frame::Unended => {
                let reason = CloseReason::Unended(crate::config::UNENDED_BYTES_MAX);
                return self.close(key, reason, "");
            }
            Frame::Foreign => return self.close(key, CloseReason::Foreign, ""),
        };
        let command = match line {
            Ok(line) => dialect.parse(stage, line),
            Err(refusal) => return self.room.refuse(&mut self.peers, key, refusal),
        };
        let Hub { peers, directory, room, now, .. } = self;
        match (stage, command) {
            (_, Command::Quit(words)) => {
                let words = text::clean(words);
                self.close(key, CloseReason::Quit, &words);
            }
            (_, Command::Foreign) => self.close(key, CloseReason::Foreign, ""),
            (Stage::Naming, Command::Help(topic)) => room.help(peers, key, topic),
            (Stage::Naming, Command::Rename(name)) => self.admit(key, name),
            (Stage::Naming, _) => {}
            (Stage::Chatting, command) => room.obey(peers, directory, key, command, *now),
        }
    }

    /// Lets somebody in under the name they ask for, if they can have it.
    fn admit(&mut self, key: PeerKey, name: &str) {
        let Hub { peers, directory, room, .. } = self;
        match Nickname::parse(name) {
            Err(error) => {
                room.refuse(peers, key, Refusal::Nickname(error, &text::clean(name)));
            }
            Ok(name) if !directory.claim(key, &name, None) => {
                room.refuse(peers, key, Refusal::Taken(name.as_str()));
            }
            Ok(name) => {
                let remote = peers[key].remote;
                // Asking for a name costs nobody a line of what they may say.
                peers[key].budget = Budget::default();
                room.join(peers, key, &name);
                log::info!("joined: {name} from {remote} ({} here)", room.count());
            }
        }
    }

    // ── closing ──────────────────────────────────────────────────────────────────────────────────

    /// Counts somebody in, unless there is a reason to close the connection at once.
    fn count_in(&mut self, remote: SocketAddr) -> Option<CloseReason> {
        let full = self.clients >= self.limits.clients_max;
        let block = block_of(remote);
        let of_block = block.map(|block| self.addresses.entry(block).or_default());
        self.clients += 1;
        match of_block {
            Some(of_block) => {
                *of_block += 1;
                let too_many = *of_block > self.limits.per_address_max;
                if full {
                    Some(CloseReason::ServerFull)
                } else {
                    too_many.then_some(CloseReason::AddressFull)
                }
            }
            None => full.then_some(CloseReason::ServerFull),
        }
    }

    /// Closes a connection: others are told if it was in the room, it is told why if that is of
    /// use, and what waits for it is still sent if it keeps pace. `words` are its own, if it has
    /// given any.
    fn close(&mut self, key: PeerKey, reason: CloseReason, words: &str) {
        let Hub { peers, directory, room, .. } = self;
        let peer = &mut peers[key];
        match &peer.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::AwaitingNick { .. } => log::info!("closed: {}: {reason}", peer.remote),
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
        let orderly = reason.is_orderly();
        let deadline = (!orderly).then(|| self.now.instant + LINGER);
        peer.state = State::Closing { shut: false, deadline };
        if reason == CloseReason::ConnectionLost {
            return self.drop_peer(key);
        }
        if !orderly {
            peer.outbox.cut(self.room.journal_mut(peer.dialect));
        }
        let farewell = match reason {
            CloseReason::Quit => Event::Goodbye,
            reason => Event::Refused(Refusal::Closed(reason)),
        };
        self.room.tell(&mut self.peers, key, &farewell);
    }

    /// Nothing more comes from `key` or goes to it. It is reaped at the end of the turn.
    fn drop_peer(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        if !matches!(peer.state, State::Closed) {
            peer.state = State::Closed;
            peer.outbox.abandon(self.room.journal_mut(peer.dialect));
            peer.blocked = None;
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

    /// A deadline of `key` has come.
    fn expire(&mut self, key: PeerKey) {
        let (now, limits) = (self.now.instant, self.limits);
        let peer = &mut self.peers[key];
        let stalled = peer
            .blocked
            .as_ref()
            .is_some_and(|blocked| blocked.progress + limits.stall_timeout <= now);
        match &peer.state {
            State::AwaitingNick { deadline } if *deadline <= now => {
                self.close(key, CloseReason::NickTimeout(limits.nick_timeout), "");
            }
            State::Closing { deadline: Some(deadline), .. } if *deadline <= now => {
                self.drop_peer(key);
            }
            _ if stalled => self.close(key, CloseReason::Stalled, ""),
            _ => {
                if let Some(waiting) = &mut peer.waiting
                    && waiting.why == Wait::Budget
                {
                    waiting.why = Wait::Room;
                    self.runnable.push_back(key);
                }
            }
        }
    }

    /// Notes when `key` must be looked at next.
    fn arm(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        let deadline = peer.deadline(&self.limits);
        self.timers.arm(key, &mut peer.armed, deadline);
    }
}

/// The address block that `--max-per-ip` counts: an IPv4 address, or an IPv6 /64. Loopback is not
/// counted.
fn block_of(remote: SocketAddr) -> Option<IpAddr> {
    match remote.ip().to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V6(ip) => Some(IpAddr::V6((ip.to_bits() >> 64 << 64).into())),
        ip => Some(ip),
    }
}

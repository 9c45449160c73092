//! The hub: the whole chat as a state machine without sockets, clock, threads or dice. It is told
//! what happened, and asked what to do.
//!
//! # Handlers: what happened
//! [`connect`](Hub::connect), [`receive`](Hub::receive), [`arrived`](Hub::arrived),
//! [`end_of_input`](Hub::end_of_input), [`disconnect`](Hub::disconnect), [`timeout`](Hub::timeout),
//! [`blocked`](Hub::blocked), [`unblocked`](Hub::unblocked), [`transmitted`](Hub::transmitted),
//! [`stop`](Hub::stop).
//!
//! # Pollers: what to do
//! [`next_timeout`](Hub::next_timeout), [`wants_input`](Hub::wants_input),
//! [`resumed`](Hub::resumed), [`pending`](Hub::pending), [`transmit`](Hub::transmit),
//! [`finished`](Hub::finished), [`reap`](Hub::reap).
//!
//! # The order of a turn
//! 1. Wait, no longer than until `next_timeout`, for sockets to become ready; take the time.
//! 2. `connect` whoever came. Of those who can be read and whose input is wanted
//!    (`wants_input`), `receive` what they sent, and when that is all for now, they have `arrived`.
//! 3. `timeout`, and put those who are `resumed` back among those to read.
//! 4. For each who is `pending`: `transmit`, write, `transmitted`, until there is nothing more or
//!    the socket is full, which is `blocked`. If it is `finished`, shut its write side.
//! 5. `reap`: forget those connections.
//!
//! A key that was reaped must not be used again until `connect` returns it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use log::Level;

use crate::config::{Config, Limits};
use crate::dialect::decoder::{Arrival, Decoder, Frame};
use crate::dialect::{Dialect, Framing, Lang, Naming, Stage, Transport};
use crate::directory::Directory;
use crate::event::{CloseReason, Command, Event, Parting, Refusal};
use crate::nickname::Nickname;
use crate::peer::{Blocked, Budget, Gap, LINGER, Peer, PeerKey, Peers, State, Wait, Waiting};
use crate::room::Room;
use crate::text;
use crate::timers::{Now, Timers};

/// Connections beyond `--max-clients` that may be there at once while they close. Whoever cannot
/// come in when there are so many is told so in passing.
pub const TURNED_AWAY_MAX: usize = 16;

/// Somebody who is owed more than this alone is not listened to until it has been read.
const OWN_BYTES_MAX: usize = 64 * 1024;

/// How long an arrival that ended in the middle of a character waits for its rest.
const REST: Duration = Duration::from_secs(1);

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
        let refused = self.refusal(remote);
        // Nobody who is only to be told that they cannot come in may take the place of others.
        let closing = self.peers.len() - self.clients;
        if let Some(reason) = refused
            && closing >= TURNED_AWAY_MAX
        {
            self.closings[reason.index()] += 1;
            log::log!(level(dialect), "closed: {remote}: {reason}");
            return Err(reason);
        }
        self.clients += 1;
        if let Some(block) = block_of(remote) {
            *self.addresses.entry(block).or_default() += 1;
        }
        self.serial = self.serial.wrapping_add(1);
        let deadline = now.instant + self.limits.nick_timeout;
        let key = self.peers.insert(Peer::new(remote, dialect, self.serial, deadline));
        match (refused, dialect.manners().naming) {
            (Some(reason), _) => self.close(key, reason, ""),
            (None, Naming::Asked | Naming::Once) => {
                let count = self.clients;
                log::log!(level(dialect), "connected: {remote} at {dialect} ({count} connections)");
                self.room.tell(&mut self.peers, key, &Event::Asked { motd: &self.motd });
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
        let peer = Peer::new(remote, Dialect::Lines, self.serial, now.instant);
        let key = self.peers.insert(peer);
        self.join_as(key, &Nickname::unchecked(name), 2);
        key
    }

    /// What somebody is sent whom [`connect`](Self::connect) would not take for this reason.
    #[must_use]
    pub fn farewell(&self, dialect: Dialect, reason: CloseReason) -> Vec<u8> {
        let mut bytes = Vec::new();
        let event = Event::Refused(Refusal::Closed(reason));
        dialect.encode(self.lang, &event, &mut bytes);
        bytes
    }

    /// `bytes` came from `key`; from a peer over UDP, one datagram. What cannot be heard now is
    /// kept; so do not read more from someone whose input is not wanted
    /// ([`wants_input`](Self::wants_input)). Where one socket is read for all, what one of them
    /// sends beyond 64 KiB in that time is lost, as it would be in the socket.
    pub fn receive(&mut self, key: PeerKey, bytes: &[u8], now: Now) {
        self.now = now;
        let datagram = self.peers[key].dialect.framing() == Framing::Datagrams;
        let bytes = if datagram { Cow::Owned(as_line(bytes)) } else { Cow::Borrowed(bytes) };
        match &mut self.peers[key].waiting {
            Some(waiting) if datagram && waiting.held.len() + bytes.len() > OWN_BYTES_MAX => {}
            Some(waiting) => waiting.held.extend_from_slice(&bytes),
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
            if self.peers.get(key).is_some_and(|peer| peer.wait() == Some(Wait::Room)) {
                self.resume(key);
                self.arm(key);
            }
        }
    }

    /// `bytes` of what [`transmit`](Self::transmit) gave for `key` have been written.
    pub fn transmitted(&mut self, key: PeerKey, bytes: usize, now: Now) {
        let peer = &mut self.peers[key];
        let manners = peer.dialect.manners();
        let journal = self.room.journal_mut(peer.dialect);
        peer.outbox.advance(journal, bytes);
        if manners.separates {
            // The LF that was held back, after all that waited.
            peer.outbox.pass_last_lf(journal);
        }
        if let Some(habits) = &mut peer.habits
            && habits.gap.is_some()
            && !peer.outbox.is_within_insert()
        {
            habits.gap = Some(Gap::Sent(now.instant));
            self.arm(key);
        }
        let peer = &mut self.peers[key];
        let journal = self.room.journal_mut(peer.dialect);
        if let Some(blocked) = &mut peer.blocked {
            blocked.progress = now.instant;
            if peer.outbox.is_empty(journal) {
                peer.blocked = None;
            }
            self.arm(key);
        }
        let peer = &mut self.peers[key];
        let own_bytes_max = own_bytes_max(peer);
        if let Some(waiting) = &mut peer.waiting
            && waiting.why == Wait::Outbox
            && peer.outbox.own_bytes() <= own_bytes_max
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
        let journal = room.journal_mut(peer.dialect);
        let alone = peer.outbox.begins_alone();
        let most = match &mut peer.habits {
            Some(habits) => match habits.gap {
                Some(Gap::Sent(_) | Gap::Until(_)) => 0,
                Some(Gap::Over) if alone => 1,
                _ => {
                    habits.gap = habits.gap.filter(|_| !matches!(peer.state, State::Chatting(_)));
                    slices.len()
                }
            },
            None => slices.len(),
        };
        let most = most.min(slices.len());
        peer.outbox.slices(journal, &mut slices[..most], peer.dialect.manners().separates)
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

    /// The most bytes that are kept for what the room says in one dialect, and for one connection
    /// alone. What bounds them is in the README.
    #[must_use]
    pub fn kept_bytes(&self) -> (usize, usize) {
        let own = self.peers.iter().map(|peer| peer.outbox.own_bytes()).max();
        (self.room.kept_bytes(), own.unwrap_or_default())
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
        let mut decoder = self.take_decoder(key);
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
        if before.arrived && self.peers[key].waiting.is_none() {
            self.end_arrival(key, !before.impatient);
        }
        let peer = &mut self.peers[key];
        if let Some(waiting) = &mut peer.waiting {
            waiting.unread = before.unread;
            (waiting.arrived, waiting.impatient) = (before.arrived, before.impatient);
            return;
        }
        if before.unread {
            self.resumed.push(key);
        }
        if peer.input_ended {
            self.leave_after_input(key);
        }
    }

    /// What has arrived from `key` for now ends here, and perhaps a message with it.
    fn end_arrival(&mut self, key: PeerKey, patient: bool) {
        if self.must_wait(key, false) {
            if let Some(waiting) = &mut self.peers[key].waiting {
                (waiting.arrived, waiting.impatient) = (true, !patient);
            }
            return;
        }
        let mut decoder = self.take_decoder(key);
        let mut cut = false;
        if self.peers[key].is_heard() {
            match decoder.arrived(self.limits.line_bytes_max, patient) {
                Arrival::Nothing => {}
                Arrival::Frame(frame) => self.obey(key, frame),
                Arrival::Cut => cut = true,
            }
        }
        let peer = &mut self.peers[key];
        peer.decoder = decoder;
        if cut {
            let until = self.now.instant + REST;
            peer.habits_mut().rest_until.get_or_insert(until);
        } else if let Some(habits) = &mut peer.habits {
            habits.rest_until = None;
        }
    }

    /// The decoder stands aside while what it takes out of the input is acted upon.
    fn take_decoder(&mut self, key: PeerKey) -> Decoder {
        let peer = &mut self.peers[key];
        mem::replace(&mut peer.decoder, Decoder::new(peer.dialect.framing()))
    }

    /// A datagram came from `key`: it lives on, if it is somebody.
    fn note_heard(&mut self, key: PeerKey) {
        let expires = self.now.instant + self.limits.udp_expiry;
        let peer = &mut self.peers[key];
        match peer.state {
            State::Chatting(_) => peer.habits_mut().expires = Some(expires),
            State::AwaitingNick { .. } => self.close(key, CloseReason::Foreign, ""),
            State::Closing { .. } | State::Closed => {}
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
        } else if peer.outbox.own_bytes() > own_bytes_max(peer) {
            Some(Wait::Outbox)
        } else if queue || peer.member().is_some() && self.room.is_full(now) {
            self.runnable.push_back(key);
            Some(Wait::Room)
        } else {
            None
        };
        peer.waiting = why.map(|why| Box::new(Waiting::new(why)));
        peer.waiting.is_some()
    }

    /// The input of `key` has ended and all of it but an unfinished line has been heard.
    fn leave_after_input(&mut self, key: PeerKey) {
        let mut decoder = self.take_decoder(key);
        if self.peers[key].is_heard()
            && let Some(frame) = decoder.finish(self.limits.line_bytes_max)
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
            Ok(line) => dialect.parse(stage, line, self.peers[key].given_name()),
            Err(_) if stage == Stage::Naming && self.must_take(key) => {
                return self.admit_as_guest(key, "");
            }
            Err(refusal) => return self.refuse(key, refusal),
        };
        let Hub { peers, directory, room, now, .. } = self;
        match (stage, command) {
            (_, Command::Quit(words)) => self.close(key, CloseReason::Quit, &text::clean(words)),
            (Stage::Naming, Command::Help(topic)) => room.help(peers, key, topic),
            (Stage::Naming, Command::Rename(name)) => self.admit(key, name),
            (Stage::Naming, Command::Introduce { name, text }) => {
                self.admit(key, name);
                let Hub { peers, directory, room, now, .. } = self;
                room.obey(peers, directory, key, Command::Say(text), *now);
            }
            (Stage::Naming, _) => {}
            (Stage::Chatting, command) => room.obey(peers, directory, key, command, *now),
        }
    }

    /// Tells somebody that something was not done; and what they are still asked.
    fn refuse(&mut self, key: PeerKey, refusal: Refusal<'_>) {
        let Hub { peers, room, .. } = self;
        let in_room = peers[key].member().is_some();
        if in_room {
            // What happened in the room before comes before.
            room.settle(peers);
        }
        room.refuse(peers, key, refusal);
        if !in_room {
            room.tell(peers, key, &Event::AskedAgain);
        }
    }

    /// Lets somebody in under the name they give, or asks again, or gives them another.
    fn admit(&mut self, key: PeerKey, given: &str) {
        if self.peers[key].dialect.manners().naming == Naming::Once {
            return self.admit_anyhow(key, given);
        }
        match Nickname::parse(given) {
            Ok(name) if self.directory.claim(key, &name, None) => self.join(key, &name),
            Ok(name) => self.refuse(key, Refusal::Taken(name.as_str())),
            Err(error) => self.refuse(key, Refusal::Nickname(error, &text::clean(given))),
        }
    }

    /// Lets somebody in who cannot be asked again: if the name they give is taken, with the lowest
    /// suffix that is free; if it cannot be a name, as a guest.
    fn admit_anyhow(&mut self, key: PeerKey, given: &str) {
        let wanted = given.trim();
        if text::is_blank(&text::clean(wanted)) {
            return;
        }
        match Nickname::parse(wanted) {
            Ok(name) => {
                self.peers[key].habits_mut().given = Some(given.into());
                self.join_as(key, &name, 2);
            }
            Err(_) => self.admit_as_guest(key, given),
        }
    }

    /// Lets somebody in who gave what cannot be a name. Clients put it before each line even so,
    /// whatever they are called here.
    fn admit_as_guest(&mut self, key: PeerKey, given: &str) {
        self.peers[key].habits_mut().given = Some(given.into());
        self.join_as(key, &Nickname::unchecked("guest"), 1);
    }

    /// Whether `key` can only give one name, whatever it is. A datagram without one is junk.
    fn must_take(&self, key: PeerKey) -> bool {
        let manners = self.peers[key].dialect.manners();
        manners.naming == Naming::Once && manners.transport == Transport::Tcp
    }

    /// Lets somebody in as `name`; or with the first suffix that is free, if that is taken or the
    /// first suffix is 1.
    fn join_as(&mut self, key: PeerKey, name: &Nickname, first_suffix: u32) {
        let bare = (first_suffix > 1).then(|| name.clone());
        let mut names = bare.into_iter().chain((first_suffix..).map(|n| name.with_suffix(n)));
        if let Some(name) = names.find(|name| self.directory.claim(key, name, None)) {
            self.join(key, &name);
        }
    }

    /// Lets somebody in under a name that the directory has given them.
    fn join(&mut self, key: PeerKey, name: &Nickname) {
        let Hub { peers, room, .. } = self;
        // Asking for a name costs nobody a line of what they may say.
        peers[key].budget = Budget::default();
        room.join(peers, key, name);
        log::info!("joined: {name} from {} ({} here)", peers[key].remote, room.count());
    }

    // ── closing ──────────────────────────────────────────────────────────────────────────────────

    /// Why somebody from `remote` cannot come in, if so.
    fn refusal(&self, remote: SocketAddr) -> Option<CloseReason> {
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
    fn close(&mut self, key: PeerKey, reason: CloseReason, words: &str) {
        let Hub { peers, directory, room, .. } = self;
        let peer = &mut peers[key];
        match &peer.state {
            State::Closing { .. } if reason.is_orderly() => return,
            State::Closing { .. } => return self.drop_peer(key),
            State::Closed => return,
            State::AwaitingNick { .. } => {
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
            (habits.rest_until, habits.expires) = (None, None);
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

    /// A deadline of `key` has come.
    fn expire(&mut self, key: PeerKey) {
        let (now, limits) = (self.now.instant, self.limits);
        let peer = &mut self.peers[key];
        let stalled = peer.stalls_at(&limits).is_some_and(|deadline| deadline <= now);
        match &peer.state {
            State::AwaitingNick { deadline } if *deadline <= now => {
                self.close(key, CloseReason::NickTimeout(limits.nick_timeout), "");
            }
            State::Closing { deadline: Some(deadline), .. } if *deadline <= now => {
                self.drop_peer(key);
            }
            _ if stalled => self.close(key, CloseReason::Stalled, ""),
            _ => self.go_on(key),
        }
    }

    /// A time has come for which `key` had to wait.
    fn go_on(&mut self, key: PeerKey) {
        let (now, limits) = (self.now.instant, self.limits);
        let peer = &mut self.peers[key];
        if let Some(waiting) = &mut peer.waiting
            && waiting.why == Wait::Budget
            && limits.flood.and_then(|f| peer.budget.ready(f)).is_none_or(|ready| ready <= now)
        {
            waiting.why = Wait::Room;
            self.runnable.push_back(key);
        }
        let Some(habits) = &mut peer.habits else { return };
        match habits.gap {
            Some(Gap::Sent(_)) => {
                habits.gap = peer.dialect.manners().gap.map(|gap| Gap::Until(now + gap));
            }
            Some(Gap::Until(until)) if until <= now => {
                habits.gap = Some(Gap::Over);
                self.peers.touch(key);
            }
            _ => {}
        }
        let Some(habits) = &mut self.peers[key].habits else { return };
        let (rest_until, expires) = (habits.rest_until, habits.expires);
        if rest_until.is_some_and(|until| until <= now) {
            habits.rest_until = None;
            match &mut self.peers[key].waiting {
                Some(waiting) => (waiting.arrived, waiting.impatient) = (true, true),
                None => self.end_arrival(key, false),
            }
        }
        if expires.is_some_and(|expires| expires <= now) {
            self.close(key, CloseReason::TimedOut, "");
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

/// How loud the log is about somebody without a name. Anyone can make datagrams come from anywhere;
/// that is not worth a line each.
fn level(dialect: Dialect) -> Level {
    match dialect.transport() {
        Transport::Tcp => Level::Info,
        Transport::Udp => Level::Debug,
    }
}

/// What may wait for somebody alone while they are listened to. In a handshake with gaps, each
/// answer is sent before the next is given.
fn own_bytes_max(peer: &Peer) -> usize {
    if peer.gap().is_some() { 0 } else { OWN_BYTES_MAX }
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

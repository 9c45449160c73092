//! The loop's body: one turn, over sockets that may be real or not. It decides who is read, how
//! much and when, what is written, who is let in and let go; what the system does for that is
//! behind [`Sockets`], and what people say to each other is the [`Hub`]'s.
//!
//! There is one such loop and several kinds of sockets: mio's (`server.rs`), those of the
//! simulation, and plain buffers for benches and other tests. So what is simulated is what runs.
//!
//! # The order of a turn
//! [`EventLoop::turn`] is the whole of it:
//! 1. Wait until a socket is ready or a deadline has come; take the time; note what is ready.
//! 2. Read those who have something, each within its budget, unless the hub does not want it.
//! 3. Do what is due by now, and put those back whose input is wanted again.
//!    Tell other servers that share the rooms what is proposed, and the hub what all have decided.
//! 4. Write to everyone for whom something waits, once for all that the turn brought.
//! 5. Forget those who are gone. Until then their keys are not free, so that nothing in a turn can
//!    meet a stranger under one of them.
//! 6. Let in those who wait for that, now that the places of those who have gone are free; and go
//!    on with those of whom something must come before their dialect is spoken.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::{Config, Prelude};
use crate::dialect::Dialect;
use crate::event::CloseReason;
use crate::hub::{Hub, JoinError};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::timers::Now;
use crate::token::TOKEN_BYTES;

/// The most that a datagram holds, and so the most that one read can bring.
pub const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// Pieces of one write, at most. A talker, whose own lines are left out, needs two; a newcomer one
/// for each line of the history.
pub const SLICES_MAX: usize = 16;

/// What a turn asks of the system. Sockets that are connections go by the key that the hub has
/// given them; listeners and sockets for datagrams are numbered from 0.
///
/// Calls do not wait, but for [`poll`](Self::poll). A key is not used any more after
/// [`close`](Self::close).
pub trait Sockets {
    /// A connection that was accepted and has no key yet.
    type Handle;

    /// The time at present.
    fn now(&self) -> Now;

    /// Bytes that nobody else can guess; `None` if there are none to be had.
    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]>;

    /// Waits until something is ready, at most for `timeout` if there is one, and tells what is.
    /// Returns how many sockets that were; if it is as many as one poll can tell of
    /// ([`Budgets::events_per_poll`]), there may be more at present. What is told of once is not
    /// told again before it has been used up: until a read says that there is nothing more, or a
    /// write that there is no room.
    ///
    /// # Errors
    /// If the system cannot tell; then the server cannot go on. To be interrupted is no error.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<PollEvent>)
    -> io::Result<usize>;

    /// Whether somebody may be waiting to be accepted, or a datagram to be read: then the next poll
    /// does not wait.
    fn is_ready(&self) -> bool;

    /// When to try again to accept, if that was not possible.
    fn retry_at(&self) -> Option<Instant> {
        None
    }

    /// How many sockets there are of all kinds.
    fn count(&self) -> usize;

    // ── listeners ────────────────────────────────────────────────────────────────────────────────

    /// How many listeners there are.
    fn listeners(&self) -> usize;

    /// The next one who waits at a listener.
    fn accept(&mut self, listener: usize, now: Instant) -> Option<Accepted<Self::Handle>>;

    /// The connection is `key` from now on, and is told of by polls; if something must come before
    /// its dialect is spoken, when that has come.
    ///
    /// # Errors
    /// If it cannot be watched. It is open all the same, until it is closed.
    fn open(&mut self, key: ConnectionKey, handle: Self::Handle) -> io::Result<()>;

    /// Goes on with those of whom something must come before their dialect is spoken, as far as
    /// that is done in one turn, and tells what came of it.
    fn prepare(&mut self, events: &mut Vec<PollEvent>) {
        let _ = events;
    }

    /// There is no place for this one: it is sent `farewell`, if it takes that, and dropped.
    fn turn_away(&mut self, handle: Self::Handle, farewell: &[u8]);

    /// The server stops: nobody is listened for any more.
    fn close_listeners(&mut self);

    // ── datagrams ────────────────────────────────────────────────────────────────────────────────

    /// How many sockets for datagrams there are.
    fn datagram_sockets(&self) -> usize {
        0
    }

    /// Reads the next datagram into `buffer`, which holds any.
    fn receive(&mut self, socket: usize, buffer: &mut [u8]) -> Option<Datagram> {
        let _ = (socket, buffer);
        None
    }

    /// Who sends from this address to this socket is `key` from now on.
    fn open_datagrams(&mut self, key: ConnectionKey, socket: usize, remote: SocketAddr) {
        let _ = (key, socket, remote);
    }

    // ── connections ──────────────────────────────────────────────────────────────────────────────

    /// Reads once into `buffer` and returns how many bytes that brought. 0 is the end of input.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now; `InvalidData` if the rules were broken of what
    /// carries the bytes; any other means that the connection is broken.
    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether `key` is read as soon as it has something. Sockets that tell each thing only once
    /// need not care.
    fn watch_readable(&mut self, key: ConnectionKey, wanted: bool) {
        let _ = (key, wanted);
    }

    /// Writes once and returns how many bytes that took.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room for now; any other means that the connection is broken.
    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether to tell when there is room to write to `key`.
    ///
    /// # Errors
    /// If that cannot be told; then the connection is broken.
    fn watch_writable(&mut self, key: ConnectionKey, wanted: bool) -> io::Result<()>;

    /// Whether all that was written has been handed to the system. If not, it will be told when
    /// there is room to write.
    ///
    /// # Errors
    /// The connection is broken.
    fn flush(&mut self, key: ConnectionKey) -> io::Result<bool> {
        let _ = key;
        Ok(true)
    }

    /// As [`flush`](Self::flush), when nothing more will be written: says that as well, if what
    /// carries the bytes has a word for it. It may be asked again.
    ///
    /// # Errors
    /// The connection is broken.
    fn finish(&mut self, key: ConnectionKey) -> io::Result<bool> {
        self.flush(key)
    }

    /// Tells the other side that there will be no more. Returns whether it can still send.
    fn shut(&mut self, key: ConnectionKey) -> bool;

    /// The connection is gone: lets go of its socket.
    fn close(&mut self, key: ConnectionKey);

    /// Where servers share their rooms: tells the hub what they have decided, and the others what
    /// is proposed here.
    fn relay(&mut self, hub: &mut Hub, now: Now) {
        let _ = (hub, now);
    }

    /// Whether something that was taken is still being written, for which a stop waits.
    fn is_writing(&self) -> bool {
        false
    }
}

/// What a poll tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollEvent {
    /// There may be something to read, or an end or an error to be found so.
    Readable(ConnectionKey),
    /// There may be room to write again.
    Writable(ConnectionKey),
    /// The PROXY header of a connection has come, and says from where that is, or nothing of it.
    Source(ConnectionKey, Option<SocketAddr>),
    /// All has come of it that must come before its dialect is spoken.
    Prepared(ConnectionKey),
    /// What came of it is something else; or its end.
    Failed(ConnectionKey, CloseReason),
    /// Somebody wants the server to stop.
    Stop,
}

/// Somebody who was accepted.
#[derive(Debug)]
pub struct Accepted<H> {
    /// The connection.
    pub handle: H,
    /// What is spoken at this listener.
    pub dialect: Dialect,
    /// What must come before that.
    pub prelude: Prelude,
    /// Where the connection comes from.
    pub remote: SocketAddr,
    /// Others can read on its way what goes over it.
    pub is_exposed: bool,
}

/// A datagram that was read.
#[derive(Debug)]
pub struct Datagram {
    /// Its length in bytes.
    pub bytes: usize,
    /// What is spoken at this socket.
    pub dialect: Dialect,
    /// Where it comes from.
    pub remote: SocketAddr,
    /// Who sends from there, if that is known.
    pub key: Option<ConnectionKey>,
}

/// How much is done in one turn before others have theirs.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// What one read can bring, in bytes; at most [`DATAGRAM_BYTES_MAX`]. Whoever must wait to be
    /// heard has at most this held for it.
    pub read_bytes: usize,
    /// Bytes that are read of one connection; the read with which they are used up may bring more.
    pub read_bytes_per_turn: usize,
    /// Connections that are accepted at one listener.
    pub accepts_per_turn: usize,
    /// Datagrams that are read of one socket: as many as Linux keeps in one by default, so that all
    /// that came in time are read before a deadline.
    pub datagrams_per_turn: usize,
    /// Sockets of which one poll can tell; at least 1.
    pub events_per_poll: usize,
    /// Pieces of one write; at least 1 and at most [`SLICES_MAX`].
    pub slices_per_write: usize,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets {
            read_bytes: 16 * 1024,
            read_bytes_per_turn: 64 * 1024,
            accepts_per_turn: 512,
            datagrams_per_turn: 256,
            events_per_poll: 4096,
            slices_per_write: SLICES_MAX,
        }
    }
}

/// The chat, and what is remembered from turn to turn of who is to be read.
#[derive(Debug)]
pub struct EventLoop {
    /// The chat.
    pub hub: Hub,
    /// They may be changed between turns.
    pub budgets: Budgets,
    /// The time of this turn.
    now: Now,
    /// Who has, or may have, something to read, and is to be read.
    ready: VecDeque<ConnectionKey>,
    /// What is known of each connection, by the index of its key.
    slots: Vec<Option<Slot>>,
    /// How long a stop may take.
    drain: Duration,
    stopping: Option<Stopping>,
    /// Reused from turn to turn.
    scratch: Box<[u8]>,
    keys: Vec<ConnectionKey>,
    events: Vec<PollEvent>,
}

/// What is known of a connection.
#[derive(Debug)]
struct Slot {
    key: ConnectionKey,
    /// There may be something to read: it is told once, and remembered until a read says that there
    /// is not.
    readable: bool,
    /// It is on the list of those to read.
    queued: bool,
}

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    /// What waits is being flushed, until then at the latest.
    By(Instant),
    /// Nothing more is waited for.
    AtOnce,
}

impl EventLoop {
    /// A loop that nobody has come to.
    #[must_use]
    pub fn new(config: &Config, budgets: Budgets, now: Now) -> EventLoop {
        EventLoop {
            hub: Hub::new(config, now),
            budgets,
            now,
            ready: VecDeque::new(),
            slots: Vec::with_capacity(config.limits.clients_max),
            drain: config.limits.drain,
            stopping: None,
            scratch: vec![0; DATAGRAM_BYTES_MAX].into(),
            keys: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The server's own terminal takes part as `name`. Its input is told of as that of others.
    pub fn add_console(&mut self, name: &str) -> ConnectionKey {
        let key = self.hub.add_console(name, self.now);
        self.add_slot(key);
        key
    }

    /// A bot comes into a room, between two turns ([`Hub::add_bot`]). Its input is told of as that
    /// of others. The connection is there in any case, and is closed if the bot cannot come in.
    pub fn add_bot(
        &mut self,
        name: &Nickname,
        room: &str,
    ) -> (ConnectionKey, Result<(), JoinError>) {
        let (key, come) = self.hub.add_bot(name, room, self.now);
        self.add_slot(key);
        (key, come)
    }

    /// What takes effect at once of `config` does so. It may be called between two turns.
    pub fn update(&mut self, config: &Config) {
        self.drain = config.limits.drain;
        self.hub.update(config, self.now);
    }

    /// One turn.
    ///
    /// # Errors
    /// If the poll fails; no peer can bring that about.
    pub fn turn<S: Sockets>(&mut self, sockets: &mut S) -> io::Result<()> {
        self.wait(sockets)?;
        self.read(sockets);
        self.supply_randomness(sockets);
        self.hub.handle_timeout(self.now);
        self.queue_resumed(sockets);
        sockets.relay(&mut self.hub, self.now);
        self.write(sockets);
        self.reap(sockets);
        self.accept(sockets);
        sockets.prepare(&mut self.events);
        self.note(sockets);
        self.hub.handle_turn_end(sockets.now().instant - self.now.instant);
        Ok(())
    }

    /// Whether the server was asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether there is nothing more to do after a stop.
    pub fn has_stopped<S: Sockets>(&self, sockets: &S) -> bool {
        match self.stopping {
            None => false,
            Some(Stopping::AtOnce) => true,
            Some(Stopping::By(deadline)) => {
                self.hub.is_empty() && !sockets.is_writing() || deadline <= self.now.instant
            }
        }
    }

    /// Whether somebody is to be read in the next turn, whatever the poll tells.
    pub fn has_ready<S: Sockets>(&mut self, sockets: &mut S) -> bool {
        self.queue_resumed(sockets);
        !self.ready.is_empty()
    }

    // ── waiting ──────────────────────────────────────────────────────────────────────────────────

    /// Waits until a socket is ready or a deadline has come, takes the time, and notes what is
    /// ready.
    fn wait<S: Sockets>(&mut self, sockets: &mut S) -> io::Result<()> {
        let ready = self.has_ready(sockets) || sockets.is_ready();
        let deadline = self.next_deadline(sockets);
        let timeout = match deadline {
            _ if ready => Some(Duration::ZERO),
            deadline => deadline.map(|at| at.saturating_duration_since(self.now.instant)),
        };
        sockets.poll(timeout, &mut self.events)?;
        self.now = sockets.now();
        self.note(sockets);
        if deadline.is_some_and(|deadline| deadline <= self.now.instant) {
            self.note_all(sockets)?;
        }
        Ok(())
    }

    /// When something is to be done, whatever the sockets bring.
    fn next_deadline<S: Sockets>(&self, sockets: &S) -> Option<Instant> {
        let stop = self.stopping.map(|stopping| match stopping {
            Stopping::By(deadline) => deadline,
            Stopping::AtOnce => self.now.instant,
        });
        [sockets.retry_at(), self.hub.poll_timeout(), stop].into_iter().flatten().min()
    }

    /// Notes all that is ready at the present, before what is due by then is done: a process that
    /// was stopped for a while must not let anybody go whose bytes came in time. Of a socket that
    /// is ready again and again it is told in turn with the others, so it can be known when all
    /// have been told of; of one socket there may be two things to tell.
    fn note_all<S: Sockets>(&mut self, sockets: &mut S) -> io::Result<()> {
        let most = self.budgets.events_per_poll;
        for _ in 0..=2 * sockets.count() / most {
            let told = sockets.poll(Some(Duration::ZERO), &mut self.events)?;
            self.note(sockets);
            if told < most {
                break;
            }
        }
        Ok(())
    }

    /// Notes what has become ready. Nothing is done yet: one event must not find a socket gone
    /// that another of the same poll has closed.
    fn note<S: Sockets>(&mut self, sockets: &mut S) {
        let mut events = mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                PollEvent::Readable(key) => self.note_readable(key),
                PollEvent::Writable(key) => self.hub.handle_writable(key),
                PollEvent::Source(key, source) => self.hub.handle_source(key, source, self.now),
                PollEvent::Prepared(key) => self.hub.handle_prepared(key, self.now),
                PollEvent::Failed(key, reason) => {
                    self.hub.handle_prelude_failed(key, reason, self.now);
                }
                PollEvent::Stop => self.stop(sockets),
            }
        }
        self.events = events;
    }

    fn note_readable(&mut self, key: ConnectionKey) {
        let Some(slot) = slot(&mut self.slots, key) else { return };
        slot.readable = true;
        if !mem::replace(&mut slot.queued, true) {
            self.ready.push_back(key);
        }
    }

    /// The server was asked to stop: the first time it says so to everyone, the second time it
    /// waits for nobody.
    fn stop<S: Sockets>(&mut self, sockets: &mut S) {
        if self.stopping.is_some() {
            log::info!("stopping at once");
            self.stopping = Some(Stopping::AtOnce);
            return;
        }
        log::info!("stopping");
        sockets.close_listeners();
        self.hub.handle_stop(self.now);
        self.stopping = Some(Stopping::By(self.now.instant + self.drain));
    }

    // ── reading ──────────────────────────────────────────────────────────────────────────────────

    /// Reads those who have something, in turn, each within its budget.
    fn read<S: Sockets>(&mut self, sockets: &mut S) {
        for socket in 0..sockets.datagram_sockets() {
            self.read_datagrams(sockets, socket);
        }
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            if slot(&mut self.slots, key).is_none() {
                continue; // whoever was to be read has gone
            }
            let again = self.read_from(sockets, key);
            if let Some(slot) = slot(&mut self.slots, key) {
                slot.queued = again;
            }
            if again {
                self.ready.push_back(key);
            }
        }
    }

    /// Reads what comes without a connection. Whoever is not known is a peer from now on.
    fn read_datagrams<S: Sockets>(&mut self, sockets: &mut S, socket: usize) {
        for _ in 0..self.budgets.datagrams_per_turn {
            let Some(datagram) = sockets.receive(socket, &mut self.scratch) else { break };
            let Datagram { bytes, dialect, remote, key } = datagram;
            let key = match key {
                Some(key) => key,
                None if self.stopping.is_some() => continue,
                None => {
                    let Ok(key) = self.hub.handle_connect(dialect, remote, self.now) else {
                        continue;
                    };
                    self.add_slot(key);
                    sockets.open_datagrams(key, socket, remote);
                    key
                }
            };
            self.hub.handle_input(key, &self.scratch[..bytes], self.now);
        }
    }

    /// Reads one until there is nothing more, it is not to be heard, or its budget is used up.
    /// Returns whether it is the last.
    fn read_from<S: Sockets>(&mut self, sockets: &mut S, key: ConnectionKey) -> bool {
        self.supply_randomness(sockets);
        let mut left = self.budgets.read_bytes_per_turn;
        while self.hub.wants_input(key) {
            if left == 0 {
                return true;
            }
            match sockets.read(key, &mut self.scratch[..self.budgets.read_bytes]) {
                Ok(bytes @ 1..) => {
                    left = left.saturating_sub(bytes);
                    self.hub.handle_input(key, &self.scratch[..bytes], self.now);
                    continue;
                }
                Ok(0) => self.hub.handle_end(key, self.now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.hub.handle_read_drained(key, self.now);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.hub.handle_broken(key, self.now);
                }
                Err(_) => self.hub.handle_disconnect(key, self.now),
            }
            if let Some(slot) = slot(&mut self.slots, key) {
                slot.readable = false;
            }
            return false;
        }
        self.hub.handle_unread(key);
        sockets.watch_readable(key, false);
        false
    }

    /// Gives the hub the random bytes that it may need now.
    fn supply_randomness<S: Sockets>(&mut self, sockets: &mut S) {
        for _ in 0..self.hub.poll_random() {
            sockets.random().into_iter().for_each(|bytes| self.hub.handle_random(bytes));
        }
    }

    /// Puts those back among the ready whom the hub would not hear before.
    fn queue_resumed<S: Sockets>(&mut self, sockets: &mut S) {
        let mut keys = mem::take(&mut self.keys);
        self.hub.poll_resumed(&mut keys);
        for key in keys.drain(..) {
            let Some(slot) = slot(&mut self.slots, key) else { continue };
            sockets.watch_readable(key, true);
            if slot.readable && !mem::replace(&mut slot.queued, true) {
                self.ready.push_back(key);
            }
        }
        self.keys = keys;
    }

    // ── writing ──────────────────────────────────────────────────────────────────────────────────

    /// Writes to everyone who has something waiting.
    fn write<S: Sockets>(&mut self, sockets: &mut S) {
        self.hub.handle_input_done(self.now);
        let mut keys = mem::take(&mut self.keys);
        self.hub.poll_writers(&mut keys);
        for key in keys.drain(..) {
            match self.write_to(sockets, key) {
                Err(_) => self.hub.handle_disconnect(key, self.now),
                Ok(true) if self.hub.is_finished(key) => {
                    self.hub.handle_shut(key, self.now);
                    if !sockets.shut(key) {
                        self.hub.handle_end(key, self.now);
                    }
                }
                Ok(_) => {}
            }
        }
        self.keys = keys;
        self.hub.handle_output_done();
    }

    /// Writes to one all that waits for it, or as much as its socket takes. Returns whether that is
    /// all.
    fn write_to<S: Sockets>(&mut self, sockets: &mut S, key: ConnectionKey) -> io::Result<bool> {
        let mut more = true;
        while more {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let slices = &mut slices[..self.budgets.slices_per_write];
            let filled = self.hub.poll_transmit(key, slices);
            if filled == 0 {
                break;
            }
            match sockets.write(key, &slices[..filled]) {
                Ok(bytes) => more = self.hub.handle_written(key, bytes, self.now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.hub.handle_blocked(key, self.now);
                    return sockets.watch_writable(key, true).map(|()| false);
                }
                Err(error) => return Err(error),
            }
        }
        let is_finished = self.hub.is_finished(key);
        let all = if is_finished { sockets.finish(key)? } else { sockets.flush(key)? };
        if all {
            self.hub.handle_flushed(key);
        } else {
            self.hub.handle_held_back(key, self.now);
        }
        sockets.watch_writable(key, !all).map(|()| all)
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    /// Drops the sockets of connections that are gone, and gives their keys back.
    fn reap<S: Sockets>(&mut self, sockets: &mut S) {
        let mut keys = mem::take(&mut self.keys);
        self.hub.poll_closed(&mut keys);
        for key in keys.drain(..) {
            sockets.close(key);
            self.slots[key.index()] = None;
            self.hub.handle_closed(key);
        }
        self.keys = keys;
    }

    /// Lets in those who wait to be accepted. It is the end of a turn, and may be done between two.
    pub fn accept<S: Sockets>(&mut self, sockets: &mut S) {
        for listener in 0..sockets.listeners() {
            for _ in 0..self.budgets.accepts_per_turn {
                let Some(accepted) = sockets.accept(listener, self.now.instant) else { break };
                self.take_in(sockets, accepted);
            }
        }
    }

    /// Gives a socket the key of the connection that the hub makes for it.
    fn take_in<S: Sockets>(&mut self, sockets: &mut S, accepted: Accepted<S::Handle>) {
        let Accepted { handle, dialect, prelude, remote, is_exposed } = accepted;
        match self.hub.handle_connect_after(prelude, dialect, remote, self.now) {
            Ok(key) => {
                self.add_slot(key);
                if is_exposed {
                    self.hub.note_exposed(key);
                }
                if let Err(error) = sockets.open(key, handle) {
                    log::warn!("{remote} cannot be watched: {error}");
                    self.hub.handle_disconnect(key, self.now);
                }
            }
            Err(reason) => sockets.turn_away(handle, &self.hub.farewell(dialect, reason)),
        }
    }

    fn add_slot(&mut self, key: ConnectionKey) {
        if self.slots.len() <= key.index() {
            self.slots.resize_with(key.index() + 1, || None);
        }
        self.slots[key.index()] = Some(Slot { key, readable: false, queued: false });
    }
}

/// The slot of a connection that is still there.
fn slot(slots: &mut [Option<Slot>], key: ConnectionKey) -> Option<&mut Slot> {
    slots.get_mut(key.index())?.as_mut().filter(|slot| slot.key == key)
}

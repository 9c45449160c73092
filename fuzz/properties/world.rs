//! A hub with sockets that are only buffers, driven in the order of turns that `hub/mod.rs`
//! prescribes. What the hub asks of a server is done here as a server does it, and checked.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::dialect::{Dialect, Transport};
use chinwag::hub::Hub;
use chinwag::{ConnectionKey, Now};

use super::words::is_forbidden;

/// Turns after which somebody who is never done is a bug.
const TURNS_MAX: usize = 20_000;

/// Turns in a row in which no byte moves: as many as messages that can be held, each heard in a
/// turn.
const IDLE_TURNS_MAX: usize = 4000;

/// What a client may send before it is read.
const INBOX_BYTES_MAX: usize = 64 * 1024;

/// A socket that takes whatever there is.
pub(crate) const UNLIMITED: usize = usize::MAX;

/// What comes after the bytes that a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// The end of its input.
    Fin,
    /// The connection is broken.
    Reset,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) dialect: Dialect,
    pub(crate) remote: SocketAddr,
    /// Sent by the client, not yet read.
    inbox: VecDeque<u8>,
    end: End,
    /// It is among those to be read.
    ready: bool,
    /// How much the socket takes: bytes, or datagrams.
    room: usize,
    /// The hub has been told that the socket is full.
    blocked: bool,
    /// The write side is shut.
    shut: bool,
    /// All that has been written. Where frames have no end on the wire, LF ends what was written
    /// when nothing more waited.
    received: Vec<u8>,
}

/// The hub and all who are connected to it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Now,
    seats: BTreeMap<ConnectionKey, Seat>,
    /// What one read brings at most, and what is read of one before the next has its turn.
    pub(crate) read_bytes: usize,
    pub(crate) read_bytes_per_turn: usize,
    /// Those whom the hub knows or has turned away.
    connects: u64,
    stopped: bool,
    /// What those were sent who have gone, by their keys.
    gone: Vec<(ConnectionKey, Vec<u8>)>,
    /// Something was read, written, opened or closed in this turn.
    moved: bool,
}

impl World {
    pub(crate) fn new(config: &Config) -> World {
        assert_eq!(config.check(), Ok(()));
        let now = Now { instant: Instant::now(), unix_seconds: 1_000_000_000 };
        World {
            hub: Hub::new(config, now),
            now,
            seats: BTreeMap::new(),
            read_bytes: 16 * 1024,
            read_bytes_per_turn: 64 * 1024,
            connects: 0,
            stopped: false,
            gone: Vec::new(),
            moved: false,
        }
    }

    /// Those who are connected.
    pub(crate) fn keys(&self) -> Vec<ConnectionKey> {
        self.seats.keys().copied().collect()
    }

    pub(crate) fn seat(&self, key: ConnectionKey) -> &Seat {
        self.seats.get(&key).unwrap_or_else(|| unreachable!("nobody has the key {key}"))
    }

    fn seat_mut(&mut self, key: ConnectionKey) -> &mut Seat {
        self.seats.get_mut(&key).unwrap_or_else(|| unreachable!("nobody has the key {key}"))
    }

    // ── what happens ─────────────────────────────────────────────────────────────────────────────

    /// Somebody comes, whose socket takes `room`.
    pub(crate) fn connect(
        &mut self,
        dialect: Dialect,
        remote: SocketAddr,
        room: usize,
    ) -> Option<ConnectionKey> {
        if self.stopped {
            return None; // the doors are closed
        }
        self.connects += 1;
        self.moved = true;
        let key = match self.hub.handle_connect(dialect, remote, self.now) {
            Ok(key) => key,
            Err(reason) => {
                let farewell = self.hub.farewell(dialect, reason);
                assert_eq!(farewell.is_empty(), dialect.transport() == Transport::Udp);
                return None;
            }
        };
        let seat = Seat {
            dialect,
            remote,
            inbox: VecDeque::new(),
            end: End::Open,
            ready: dialect.transport() == Transport::Tcp,
            room,
            blocked: false,
            shut: false,
            received: Vec::new(),
        };
        let before = self.seats.insert(key, seat);
        assert!(before.is_none(), "the key {key} is given out twice");
        Some(key)
    }

    /// A datagram comes from an address; whoever is not known there is a peer from now on.
    pub(crate) fn datagram(&mut self, remote: SocketAddr, bytes: &[u8], room: usize) {
        let is_there = |seat: &Seat| seat.dialect == Dialect::Datagram && seat.remote == remote;
        let known = self.keys().into_iter().find(|key| is_there(self.seat(*key)));
        let key = known.or_else(|| self.connect(Dialect::Datagram, remote, room));
        if let Some(key) = key {
            self.moved = true;
            self.hub.handle_input(key, bytes, self.now);
        }
    }

    /// A client sends something, unless it has ended or has sent too much already.
    pub(crate) fn send(&mut self, key: ConnectionKey, bytes: &[u8]) {
        let seat = self.seat_mut(key);
        if seat.dialect.transport() == Transport::Udp {
            let (remote, room) = (seat.remote, seat.room);
            self.datagram(remote, bytes, room);
        } else if seat.end == End::Open && seat.inbox.len() + bytes.len() <= INBOX_BYTES_MAX {
            seat.inbox.extend(bytes);
            seat.ready = true;
        }
    }

    /// A client ends its input, or the connection breaks.
    pub(crate) fn end(&mut self, key: ConnectionKey, end: End) {
        let seat = self.seat_mut(key);
        if seat.dialect.transport() == Transport::Tcp && seat.end != End::Reset {
            (seat.end, seat.ready) = (end, true);
        }
    }

    /// The socket takes so much more.
    pub(crate) fn make_room(&mut self, key: ConnectionKey, more: usize) {
        let seat = self.seat_mut(key);
        seat.room = seat.room.saturating_add(more);
        if mem::take(&mut seat.blocked) && more > 0 {
            self.hub.handle_writable(key);
        }
    }

    /// The operator stops the server.
    pub(crate) fn stop(&mut self) {
        if !mem::replace(&mut self.stopped, true) {
            self.hub.handle_stop(self.now);
        }
    }

    /// Somebody is read within this turn, and perhaps not for the last time.
    pub(crate) fn read_now(&mut self, key: ConnectionKey) {
        if mem::take(&mut self.seat_mut(key).ready) {
            self.read(key);
        }
    }

    // ── the server's turn ────────────────────────────────────────────────────────────────────────

    /// Reads, lets the hub do what is due, writes and reaps.
    pub(crate) fn turn(&mut self) {
        self.moved = false;
        for key in self.keys() {
            if mem::take(&mut self.seat_mut(key).ready) {
                self.read(key);
            }
        }
        self.hub.handle_timeout(self.now);
        let mut resumed: Vec<ConnectionKey> = Vec::new();
        self.hub.poll_resumed(&mut resumed);
        for key in resumed {
            // It may have gone since.
            if let Some(seat) = self.seats.get_mut(&key) {
                seat.ready = true;
                self.moved = true;
            }
        }
        self.write();
        self.reap();
        assert!(self.hub.members() <= self.keys().len());
        assert_eq!(self.hub.is_empty(), self.keys().is_empty());
    }

    fn read(&mut self, key: ConnectionKey) {
        let mut left = self.read_bytes_per_turn;
        while self.hub.wants_input(key) {
            let now = self.now;
            if left == 0 {
                self.seat_mut(key).ready = true;
                return;
            }
            let bytes = self.read_bytes.min(left);
            let seat = self.seat_mut(key);
            let read: Vec<u8> = seat.inbox.drain(..bytes.min(seat.inbox.len())).collect();
            if read.is_empty() {
                return match seat.end {
                    End::Open => self.hub.handle_read_drained(key, now),
                    End::Fin => self.hub.handle_end(key, now),
                    End::Reset => self.hub.handle_disconnect(key, now),
                };
            }
            left -= read.len();
            self.moved = true;
            self.hub.handle_input(key, &read, now);
        }
    }

    fn write(&mut self) {
        let mut keys = Vec::new();
        self.hub.poll_writers(&mut keys, self.now);
        for key in keys {
            self.write_to(key);
            if self.hub.poll_finished(key, self.now) {
                let shut = mem::replace(&mut self.seat_mut(key).shut, true);
                assert!(!shut, "{key} is finished twice");
                self.moved = true;
            }
        }
    }

    fn write_to(&mut self, key: ConnectionKey) {
        for written in 0..TURNS_MAX {
            let now = self.now;
            let seat = self.seats.get_mut(&key);
            let seat = seat.unwrap_or_else(|| unreachable!("nobody has the key {key}"));
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = self.hub.poll_transmit(key, &mut slices);
            if filled == 0 {
                if written > 0 && lf_separated(seat.dialect) && !seat.received.ends_with(b"\n") {
                    seat.received.push(b'\n');
                }
                return;
            }
            assert!(!seat.shut, "{key} is to be written to after its end");
            let bytes: Vec<u8> = slices[..filled].concat_bytes();
            assert!(!bytes.is_empty(), "{key} is to be sent nothing");
            if seat.end == End::Reset {
                return self.hub.handle_disconnect(key, now);
            }
            let most = match seat.dialect.transport() {
                Transport::Tcp => bytes.len().min(seat.room),
                Transport::Udp => {
                    let frames = bytes.split_inclusive(|byte| *byte == b'\n');
                    frames.take(seat.room).map(<[u8]>::len).sum()
                }
            };
            if most == 0 {
                seat.blocked = true;
                return self.hub.handle_blocked(key, now);
            }
            if seat.room != UNLIMITED {
                seat.room -= match seat.dialect.transport() {
                    Transport::Tcp => most,
                    Transport::Udp => bytes[..most].split_inclusive(|byte| *byte == b'\n').count(),
                };
            }
            seat.received.extend_from_slice(&bytes[..most]);
            self.moved = true;
            self.hub.handle_written(key, most, now);
        }
        unreachable!("there is no end of what {key} is to be sent");
    }

    fn reap(&mut self) {
        let mut keys = Vec::new();
        self.hub.poll_closed(&mut keys);
        for key in keys {
            let seat = self.seats.remove(&key);
            let seat = seat.unwrap_or_else(|| unreachable!("{key} is reaped twice"));
            check_received(&seat);
            self.gone.push((key, seat.received));
            self.moved = true;
        }
    }

    // ── until there is nothing more to do ────────────────────────────────────────────────────────

    /// Takes turns until only time can bring something new.
    pub(crate) fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..TURNS_MAX {
            let due = self.hub.poll_timeout().is_some_and(|at| at <= self.now.instant);
            let ready = self.keys().iter().any(|key| self.seat(*key).ready);
            if !due && !ready {
                return;
            }
            self.turn();
            idle = if self.moved { 0 } else { idle + 1 };
            // In a turn without bytes the hub may hear some of what it holds.
            assert!(idle < IDLE_TURNS_MAX, "the hub wants turns in which nothing happens");
        }
        unreachable!("there is no end of what is to be done");
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_seconds += time.as_secs();
    }

    /// Lets time pass until something is due. Returns whether anything will ever be.
    pub(crate) fn wait_for_next(&mut self) -> bool {
        let next = self.hub.poll_timeout();
        self.wait(next.map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now.instant)));
        next.is_some()
    }

    /// All go, at once or in peace, and then nothing must be left of them.
    pub(crate) fn come_to_rest(mut self, in_peace: bool) {
        for key in self.keys() {
            if in_peace {
                self.make_room(key, UNLIMITED);
                self.end(key, End::Fin);
            } else {
                self.hub.handle_disconnect(key, self.now);
            }
        }
        for turns in 0.. {
            self.turn();
            self.settle();
            if self.hub.is_at_rest() {
                break;
            }
            assert!(self.wait_for_next(), "not at rest, and nothing to wait for");
            assert!(turns < TURNS_MAX, "never at rest");
            assert!(in_peace || turns < 10, "those who are disconnected are gone");
        }
        assert_eq!(self.hub.closings().iter().sum::<u64>(), self.connects, "all are counted once");
    }

    /// Whether somebody is connected.
    pub(crate) fn is_connected(&self, key: ConnectionKey) -> bool {
        self.seats.contains_key(&key)
    }

    /// What somebody has been sent, who is connected or was the last to have this key.
    pub(crate) fn received(&self, key: ConnectionKey) -> String {
        let gone = self.gone.iter().rfind(|(other, _)| *other == key);
        let seat = self.seats.get(&key).map(|seat| &seat.received);
        let received = seat.or(gone.map(|(_, received)| received));
        received.map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Whether frames have no end on the wire.
fn lf_separated(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Nick | Dialect::Datagram | Dialect::Mention)
}

/// Nothing that anybody was sent may harm them.
fn check_received(seat: &Seat) {
    #[cfg(feature = "web")]
    if seat.dialect == Dialect::Web {
        return check_received_by_browser(&seat.received);
    }
    let received = match std::str::from_utf8(&seat.received) {
        Ok(received) => received,
        // Cut short, if the socket took no more.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&seat.received[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => unreachable!("{} was sent {error}", seat.dialect),
    };
    let may_be_cr = seat.dialect == Dialect::Anonymous;
    let harm = |c: char| is_forbidden(c) && c != '\n' && !(may_be_cr && c == '\r');
    assert!(!received.contains(harm), "{} was sent {received:?}", seat.dialect);
}

/// A browser gets one answer, and if that is to a request for a WebSocket, frames.
#[cfg(feature = "web")]
fn check_received_by_browser(received: &[u8]) {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else { return };
    let (head, rest) = received.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    if !head.starts_with("HTTP/1.1 101 ") {
        return assert!(!head.starts_with("HTTP/1.1 1"), "{head}");
    }
    for event in super::web::events(&super::web::frames(rest)) {
        assert!(!event.to_string().contains(is_forbidden), "a browser was sent {event}");
    }
}

/// The bytes of several slices.
trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for [IoSlice<'_>] {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

//! A hub in the server's own loop, over sockets that are only buffers (`benches/hub/memory.rs`),
//! and what must hold of it in every turn.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::dialect::{Dialect, Transport};
use chinwag::hub::Hub;
use chinwag::turn::{Budgets, EventLoop};
use chinwag::{ConnectionKey, Now};

pub(crate) use self::memory::{End, UNLIMITED};
use self::memory::{Memory, Socket};
use super::words::is_forbidden;

#[path = "../../benches/hub/memory.rs"]
mod memory;

/// Turns after which somebody who is never done is a bug.
const TURNS_MAX: usize = 20_000;

/// Turns in a row in which no byte moves: as many as messages that can be held, each heard in a
/// turn.
const IDLE_TURNS_MAX: usize = 4000;

/// What a client may send before it is read.
const INBOX_BYTES_MAX: usize = 64 * 1024;

/// The hub and all who are connected to it.
#[derive(Debug)]
pub(crate) struct World {
    event_loop: EventLoop,
    sockets: Memory,
    stopped: bool,
    /// What those were sent who have gone, by their keys.
    gone: Vec<(ConnectionKey, Vec<u8>)>,
    /// Something was read, written, opened or closed in this turn.
    moved: bool,
}

impl World {
    /// A world where one read brings so many bytes at most, and a turn so many of one connection.
    pub(crate) fn new(config: &Config, (read_bytes, read_bytes_per_turn): (usize, usize)) -> World {
        assert_eq!(config.check(), Ok(()));
        let now = Now { instant: Instant::now(), unix_seconds: 1_000_000_000 };
        let budgets =
            Budgets { read_bytes, read_bytes_per_turn, slices_per_write: 4, ..Budgets::default() };
        World {
            event_loop: EventLoop::new(config, budgets, now),
            sockets: Memory::new(0, true, now),
            stopped: false,
            gone: Vec::new(),
            moved: false,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.event_loop.hub
    }

    /// Those who are connected.
    pub(crate) fn keys(&self) -> Vec<ConnectionKey> {
        let mut keys: Vec<_> = self.sockets.iter().map(|socket| socket.key).collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) fn dialect(&self, key: ConnectionKey) -> Dialect {
        self.socket(key).dialect
    }

    fn socket(&self, key: ConnectionKey) -> &Socket {
        self.sockets.get(key).unwrap_or_else(|| unreachable!("nobody has the key {key}"))
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
            return None; // nobody is listened for
        }
        let key = self.sockets.connect(&mut self.event_loop, dialect, remote)?;
        self.sockets.set_room(key, room);
        Some(key)
    }

    /// A datagram comes from an address; whoever is not known there is a peer from now on.
    pub(crate) fn datagram(&mut self, remote: SocketAddr, bytes: &[u8], room: usize) {
        self.sockets.send_datagram(remote, bytes, room);
    }

    /// A client sends something, unless it has ended or has sent too much already. If `apart` from
    /// what it sent before, it is read so.
    pub(crate) fn send(&mut self, key: ConnectionKey, bytes: &[u8], apart: bool) {
        let Socket { dialect, remote, .. } = *self.socket(key);
        if dialect.transport() == Transport::Udp {
            self.datagram(remote, bytes, UNLIMITED);
        } else if self.sockets.unread(key) + bytes.len() <= INBOX_BYTES_MAX {
            self.sockets.send(key, bytes, apart);
        }
    }

    /// A client ends its input, or the connection breaks.
    pub(crate) fn end(&mut self, key: ConnectionKey, end: End) {
        self.sockets.end(key, end);
    }

    /// The socket takes so much more.
    pub(crate) fn make_room(&mut self, key: ConnectionKey, more: usize) {
        self.sockets.make_room(key, more);
    }

    /// The operator stops the server.
    pub(crate) fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.sockets.stop();
        }
    }

    // ── the server's turn ────────────────────────────────────────────────────────────────────────

    /// One turn, and what must hold after it.
    pub(crate) fn turn(&mut self) {
        let before = (self.sockets.moves, self.sockets.written);
        let turned = self.event_loop.turn(&mut self.sockets);
        turned.unwrap_or_else(|error| unreachable!("buffers can always be polled: {error}"));
        self.moved = before != (self.sockets.moves, self.sockets.written);
        for socket in self.sockets.closed.drain(..) {
            check_received(&socket);
            self.gone.push((socket.key, socket.received));
        }
        let connected = self.keys().len();
        assert!(self.hub().members() <= connected + self.hub().held());
        assert_eq!(self.hub().is_empty(), connected == 0);
    }

    // ── until there is nothing more to do ────────────────────────────────────────────────────────

    /// Whether a turn would begin at once.
    fn has_work(&mut self) -> bool {
        let due = self.hub().poll_timeout().is_some_and(|at| at <= self.sockets.now.instant);
        due || self.sockets.has_news() || self.event_loop.has_ready(&mut self.sockets)
    }

    /// Takes turns until only time can bring something new.
    pub(crate) fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..TURNS_MAX {
            if !self.has_work() {
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
        self.sockets.wait(time);
    }

    /// Lets time pass until something is due. Returns whether anything will ever be.
    pub(crate) fn wait_for_next(&mut self) -> bool {
        let (next, now) = (self.hub().poll_timeout(), self.sockets.now.instant);
        self.wait(next.map_or(Duration::ZERO, |at| at.saturating_duration_since(now)));
        next.is_some()
    }

    /// All go, at once or in peace, and then nothing must be left of them.
    pub(crate) fn come_to_rest(mut self, in_peace: bool) {
        for key in self.keys() {
            if in_peace {
                self.make_room(key, UNLIMITED);
                self.end(key, End::Fin);
            } else {
                self.event_loop.hub.handle_disconnect(key, self.sockets.now);
            }
        }
        for turns in 0.. {
            self.turn();
            self.settle();
            if self.hub().is_at_rest() {
                break;
            }
            assert!(self.wait_for_next(), "not at rest, and nothing to wait for");
            assert!(turns < TURNS_MAX, "never at rest");
            assert!(in_peace || turns < 10, "those who are disconnected are gone");
        }
        let closed = self.hub().closings().iter().sum::<u64>();
        assert_eq!(closed, self.sockets.comers, "all are counted once");
    }

    /// Whether somebody is connected.
    pub(crate) fn is_connected(&self, key: ConnectionKey) -> bool {
        self.sockets.get(key).is_some()
    }

    /// What somebody has been sent, who is connected or was the last to have this key.
    pub(crate) fn received(&self, key: ConnectionKey) -> String {
        let gone = self.gone.iter().rfind(|(other, _)| *other == key);
        let here = self.sockets.get(key).map(|socket| &socket.received);
        let received = here.or(gone.map(|(_, received)| received));
        received.map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Nothing that anybody was sent may harm them.
fn check_received(socket: &Socket) {
    #[cfg(feature = "web")]
    if socket.dialect == Dialect::Web {
        return check_received_by_browser(&socket.received);
    }
    let received = match std::str::from_utf8(&socket.received) {
        Ok(received) => received,
        // Cut short, if the socket took no more.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&socket.received[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => unreachable!("{} was sent {error}", socket.dialect),
    };
    let is_irc = matches!(socket.dialect, Dialect::Irc(_));
    let may_be_cr = is_irc || socket.dialect == Dialect::Anonymous;
    // What one does, and how it is written, is for IRC clients to show.
    let is_code =
        |c: char| is_irc && "\u{1}\u{2}\u{3}\u{4}\u{f}\u{11}\u{16}\u{1d}\u{1e}\u{1f}".contains(c);
    let harm = |c: char| is_forbidden(c) && c != '\n' && !(may_be_cr && c == '\r') && !is_code(c);
    assert!(!received.contains(harm), "{} was sent {received:?}", socket.dialect);
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

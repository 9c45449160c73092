//! A room without a network, for benchmarks of what the hub does itself, and for tests of turns and
//! bounds: the server's own loop (`src/turn.rs`) over sockets that are only buffers (`memory.rs`).
//! They take everything at once, or just as much as they are told to. Each turn is a millisecond
//! after the last. What somebody says can be [sent](Room::send), to be read in the next turn, or
//! the hub is told of it at once, where only that is of interest.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::panic, reason = "a bench that cannot go on has nobody to be polite to")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::dialect::Dialect;
use chinwag::hub::{Hub, TURNED_AWAY_MAX};
use chinwag::turn::{Budgets, EventLoop};
use chinwag::{ConnectionKey, Now};

use memory::{Memory, UNLIMITED};

#[path = "memory.rs"]
mod memory;
#[path = "../load/speech.rs"]
pub(crate) mod speech;

/// The length of a delivered line, name and LF included.
pub(crate) const LINE_BYTES: usize = 64;

/// As many bytes as the server reads at once.
const READ_BYTES: usize = 16 * 1024;

/// How many join in one turn.
const JOINING: usize = 100;

pub(crate) struct Room {
    event_loop: EventLoop,
    sockets: Memory,
    members: Vec<ConnectionKey>,
    /// The port from which the last one came.
    port: u16,
}

impl Room {
    /// A room with so many members, who all know of each other.
    pub(crate) fn of(count: usize) -> Self {
        let mut config = Config::default();
        config.limits.clients_max = count + 100;
        config.limits.flood = None;
        let mut room = Self::new(&config);
        while room.members.len() < count {
            for key in room.members.len()..count.min(room.members.len() + JOINING) {
                let key = room.join(&speech::name(key));
                room.members.push(key);
            }
            room.turn();
        }
        room
    }

    /// A room without anybody, which keeps nothing of what anybody takes.
    pub(crate) fn new(config: &Config) -> Self {
        Self::over(config, false)
    }

    /// A room without anybody, in which it can be seen what each has [taken](Self::takes).
    pub(crate) fn that_keeps(config: &Config) -> Self {
        Self::over(config, true)
    }

    fn over(config: &Config, keeps: bool) -> Self {
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let event_loop = EventLoop::new(config, Budgets::default(), now);
        let capacity = config.limits.clients_max + TURNED_AWAY_MAX;
        Self { event_loop, sockets: Memory::new(capacity, keeps, now), members: vec![], port: 1024 }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.event_loop.hub
    }

    pub(crate) fn hub_mut(&mut self) -> &mut Hub {
        &mut self.event_loop.hub
    }

    /// One of the members that the room began with.
    pub(crate) fn member(&self, number: usize) -> ConnectionKey {
        self.members[number]
    }

    /// Somebody comes in and gives a name.
    pub(crate) fn join(&mut self, name: &str) -> ConnectionKey {
        let key = self.connect(Dialect::Lines);
        self.hear(key, format!("{name}\n").as_bytes());
        key
    }

    /// Somebody comes in.
    pub(crate) fn connect(&mut self, dialect: Dialect) -> ConnectionKey {
        self.connect_from(Ipv4Addr::LOCALHOST, dialect)
    }

    /// Somebody comes in from this address.
    pub(crate) fn connect_from(&mut self, address: Ipv4Addr, dialect: Dialect) -> ConnectionKey {
        self.port = self.port.checked_add(1).unwrap_or(1024);
        let remote = SocketAddr::from((address, self.port));
        let key = self.sockets.connect(&mut self.event_loop, dialect, remote);
        key.unwrap_or_else(|| panic!("somebody is not let in"))
    }

    /// Somebody's connection is gone.
    pub(crate) fn lose(&mut self, key: ConnectionKey) {
        self.event_loop.hub.handle_disconnect(key, self.sockets.now);
    }

    /// Somebody sends something, which is read in the next turn.
    pub(crate) fn send(&mut self, key: ConnectionKey, bytes: &[u8]) {
        self.sockets.send(key, bytes, false);
    }

    /// The hub is told at once of what somebody has sent, whether it wants it or not.
    pub(crate) fn hear(&mut self, key: ConnectionKey, bytes: &[u8]) {
        self.event_loop.hub.handle_input(key, bytes, self.sockets.now);
    }

    /// The hub is told at once of what somebody has sent, of no more than it wants, and that this
    /// is all for now.
    pub(crate) fn read(&mut self, key: ConnectionKey, bytes: &[u8]) {
        for bytes in bytes.chunks(READ_BYTES) {
            if self.wants(key) {
                self.hear(key, bytes);
            }
        }
        if self.wants(key) {
            self.read_drained(key);
        }
    }

    /// The hub is told that it knows of all that somebody has sent.
    pub(crate) fn read_drained(&mut self, key: ConnectionKey) {
        self.event_loop.hub.handle_read_drained(key, self.sockets.now);
    }

    /// Whether somebody is listened to. If not, the hub knows that they wait for it.
    pub(crate) fn wants(&mut self, key: ConnectionKey) -> bool {
        let is_wanted = self.hub().wants_input(key);
        if !is_wanted {
            self.event_loop.hub.handle_unread(key);
        }
        is_wanted
    }

    /// Whether somebody's connection is still there.
    pub(crate) fn has(&mut self, key: ConnectionKey) -> bool {
        self.sockets.get_mut(key).is_some()
    }

    /// From now on somebody's socket takes so many bytes and no more.
    pub(crate) fn let_take(&mut self, key: ConnectionKey, bytes: usize) {
        self.sockets.set_room(key, bytes);
    }

    /// All that waits for somebody, and what they have taken before that nobody has seen. A turn
    /// passes; then they take nothing more.
    pub(crate) fn takes(&mut self, key: ConnectionKey) -> String {
        self.let_take(key, UNLIMITED);
        self.turn();
        self.let_take(key, 0);
        let socket = self.sockets.get_mut(key);
        let taken = socket.map(|socket| std::mem::take(&mut socket.received)).unwrap_or_default();
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.sockets.wait(time);
    }

    /// A turn, in which everybody takes what there is for them, as far as they do; returns how many
    /// bytes.
    pub(crate) fn turn(&mut self) -> usize {
        self.wait(Duration::from_millis(1));
        let before = self.sockets.written;
        let turned = self.event_loop.turn(&mut self.sockets);
        turned.unwrap_or_else(|error| panic!("buffers can always be polled: {error}"));
        self.sockets.written - before
    }
}

/// Lines as a talker sends them to chinwag.
pub(crate) fn lines(count: usize) -> Vec<u8> {
    let say = speech::CHINWAG.say;
    (0..count).flat_map(|number| say("", &speech::text(number, LINE_BYTES))).collect()
}

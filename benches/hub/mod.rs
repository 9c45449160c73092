//! A hub without sockets, for benchmarks of what it does itself, and for `tests/bounds.rs`: a
//! [`Room`] is a hub with members whose sockets take everything at once, or just as much as they
//! are told to. A turn is the server's (`src/server.rs`) without its system calls, and each is a
//! millisecond after the last. It keeps nothing of what anybody sends or takes.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::panic, reason = "a bench that cannot go on has nobody to be polite to")]

use std::hint::black_box;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::{ConnectionKey, Now};

#[path = "../load/speech.rs"]
pub(crate) mod speech;

/// The length of a delivered line, name and LF included.
pub(crate) const LINE_BYTES: usize = 64;

/// As many pieces as the server offers to a vectored write.
const SLICES: usize = 16;

/// As many bytes as the server reads at once.
const READ_BYTES: usize = 16 * 1024;

/// How many join in one turn.
const JOINING: usize = 100;

pub(crate) struct Room {
    pub(crate) hub: Hub,
    now: Now,
    keys: Vec<ConnectionKey>,
    members: Vec<ConnectionKey>,
    /// How many bytes each socket takes, by its key; one that is not here takes all.
    rooms: Vec<usize>,
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

    /// A room without anybody.
    pub(crate) fn new(config: &Config) -> Self {
        let now = Now { instant: Instant::now(), unix_seconds: 0 };
        let hub = Hub::new(config, now);
        Self { hub, now, keys: Vec::new(), members: Vec::new(), rooms: Vec::new(), port: 1024 }
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
        let key = self.hub.handle_connect(dialect, remote, self.now);
        key.unwrap_or_else(|reason| panic!("somebody is not let in: {reason:?}"))
    }

    /// Somebody's connection is gone.
    pub(crate) fn lose(&mut self, key: ConnectionKey) {
        self.hub.handle_disconnect(key, self.now);
    }

    pub(crate) fn hear(&mut self, key: ConnectionKey, bytes: &[u8]) {
        self.hub.handle_input(key, bytes, self.now);
    }

    /// Somebody's socket is read, and no more of it than the hub wants to hear.
    pub(crate) fn read(&mut self, key: ConnectionKey, bytes: &[u8]) {
        for bytes in bytes.chunks(READ_BYTES) {
            if self.hub.wants_input(key) {
                self.hear(key, bytes);
            }
        }
        if self.hub.wants_input(key) {
            self.hub.handle_read_drained(key, self.now);
        }
    }

    /// From now on somebody's socket takes so many bytes and no more.
    pub(crate) fn let_take(&mut self, key: ConnectionKey, bytes: usize) {
        if self.rooms.len() <= key.index() {
            self.rooms.resize(key.index() + 1, usize::MAX);
        }
        self.rooms[key.index()] = bytes;
        self.hub.handle_writable(key);
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.instant += time;
    }

    /// The rest of a turn, in which everybody takes what there is for them, as far as they do;
    /// returns how many bytes.
    pub(crate) fn turn(&mut self) -> usize {
        self.wait(Duration::from_millis(1));
        self.hub.handle_timeout(self.now);
        let mut keys = std::mem::take(&mut self.keys);
        // Whoever may be read again is read when there is something.
        self.hub.poll_resumed(&mut keys);
        self.hub.poll_writers(&mut keys, self.now);
        let mut taken = 0;
        for key in keys.drain(..) {
            let room = self.rooms.get(key.index()).copied().unwrap_or(usize::MAX);
            let bytes = self.write(key, room);
            if let Some(room) = self.rooms.get_mut(key.index()) {
                *room -= bytes;
            }
            taken += bytes;
        }
        self.hub.poll_closed(&mut keys);
        for key in &keys {
            if let Some(room) = self.rooms.get_mut(key.index()) {
                *room = usize::MAX;
            }
        }
        self.keys = keys;
        taken
    }

    /// Writes to a socket that has room for so many bytes.
    fn write(&mut self, key: ConnectionKey, mut room: usize) -> usize {
        let mut taken = 0;
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.hub.poll_transmit(key, &mut slices);
            if filled == 0 {
                self.hub.poll_finished(key, self.now);
                return taken;
            }
            let offered: usize = black_box(&slices[..filled]).iter().map(|slice| slice.len()).sum();
            if room == 0 {
                self.hub.handle_blocked(key, self.now);
                return taken;
            }
            let bytes = offered.min(room);
            self.hub.handle_written(key, bytes, self.now);
            (taken, room) = (taken + bytes, room - bytes);
        }
    }
}

/// Lines as a talker sends them to chinwag.
pub(crate) fn lines(count: usize) -> Vec<u8> {
    let say = speech::CHINWAG.say;
    (0..count).flat_map(|number| say("", &speech::text(number, LINE_BYTES))).collect()
}

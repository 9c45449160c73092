//! A hub without sockets, for benchmarks of what it does itself: a [`Room`] is a hub with members
//! whose sockets take everything at once, or just as much as they are told to. A turn is the
//! server's (`src/server.rs`) without its system calls, and each is a millisecond after the last.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::panic, reason = "a bench that cannot go on has nobody to be polite to")]

use std::hint::black_box;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::{Now, PeerKey};

#[path = "../load/speech.rs"]
pub(crate) mod speech;

/// The length of a delivered line, name and LF included.
pub(crate) const LINE_BYTES: usize = 64;

/// As many pieces as the server offers to a vectored write.
const SLICES: usize = 16;

/// How many join in one turn.
const JOINING: usize = 100;

pub(crate) struct Room {
    hub: Hub,
    now: Now,
    keys: Vec<PeerKey>,
    members: Vec<PeerKey>,
}

impl Room {
    /// A room with so many members, who all know of each other.
    pub(crate) fn of(count: usize) -> Self {
        let mut config = Config::default();
        config.limits.clients_max = count + 100;
        config.limits.flood = None;
        let now = Now { instant: Instant::now(), unix_seconds: 0 };
        let hub = Hub::new(&config, now);
        let mut room = Self { hub, now, keys: Vec::new(), members: Vec::new() };
        while room.members.len() < count {
            for key in room.members.len()..count.min(room.members.len() + JOINING) {
                let key = room.join(&speech::name(key));
                room.members.push(key);
            }
            room.turn();
        }
        room
    }

    /// One of the members that the room began with.
    pub(crate) fn member(&self, number: usize) -> PeerKey {
        self.members[number]
    }

    /// Somebody comes in and gives a name.
    pub(crate) fn join(&mut self, name: &str) -> PeerKey {
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 4321));
        let key = self.hub.connect(Dialect::Lines, remote, self.now);
        let key = key.unwrap_or_else(|reason| panic!("{name} is not let in: {reason:?}"));
        self.hear(key, format!("{name}\n").as_bytes());
        key
    }

    /// Somebody's connection is gone.
    pub(crate) fn lose(&mut self, key: PeerKey) {
        self.hub.disconnect(key, self.now);
    }

    pub(crate) fn hear(&mut self, key: PeerKey, bytes: &[u8]) {
        self.hub.receive(key, bytes, self.now);
    }

    /// The rest of a turn, in which everybody takes all there is for them; returns how many bytes.
    pub(crate) fn turn(&mut self) -> usize {
        self.turn_with_laggard(None)
    }

    /// As [`turn`](Self::turn), but for one whose socket takes no more than so many bytes.
    pub(crate) fn turn_with_laggard(&mut self, mut laggard: Option<(PeerKey, usize)>) -> usize {
        self.now.instant += Duration::from_millis(1);
        self.hub.timeout(self.now);
        if let Some((key, _)) = laggard {
            self.hub.unblocked(key);
        }
        let mut keys = std::mem::take(&mut self.keys);
        self.hub.pending(&mut keys, self.now);
        let mut taken = 0;
        for key in keys.drain(..) {
            taken += match &mut laggard {
                // A key may come twice in a turn.
                Some((slow, room)) if *slow == key => {
                    let bytes = self.write(key, *room);
                    *room -= bytes;
                    bytes
                }
                _ => self.write(key, usize::MAX),
            };
        }
        self.hub.reap(&mut keys);
        self.keys = keys;
        taken
    }

    /// Writes to a socket that has room for so many bytes.
    fn write(&mut self, key: PeerKey, mut room: usize) -> usize {
        let mut taken = 0;
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.hub.transmit(key, &mut slices);
            if filled == 0 {
                self.hub.finished(key, self.now);
                return taken;
            }
            let offered: usize = black_box(&slices[..filled]).iter().map(|slice| slice.len()).sum();
            if room == 0 {
                self.hub.blocked(key, self.now);
                return taken;
            }
            let bytes = offered.min(room);
            self.hub.transmitted(key, bytes, self.now);
            (taken, room) = (taken + bytes, room - bytes);
        }
    }
}

/// Lines as a talker sends them to chinwag.
pub(crate) fn lines(count: usize) -> Vec<u8> {
    let say = speech::CHINWAG.say;
    (0..count).flat_map(|number| say("", &speech::text(number, LINE_BYTES))).collect()
}

//! Browsers come, talk, are cut off and come back in any order, with tokens of anybody, in a hub
//! whose sockets are buffers. Whatever they do, the same entries give the same chat again, and in
//! the end nothing is left of them.

use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits};
use chinwag::dialect::Dialect;
use chinwag::turn::{Budgets, EventLoop};
use chinwag::{ConnectionKey, Now};
use fastrand::Rng;
use serde_json::{Value, json};

use super::memory::{End, Memory};
use super::speech;

/// Lives that are tried, and what happens in each.
const LIVES: u64 = 300;
const STEPS: usize = 200;

const ROOMS: [&str; 4] = ["#lobby", "#ops", "#new", "#!"];
const NAMES: [&str; 5] = ["alice", "bob", "carol", "Alice", "dave"];

struct Life {
    event_loop: EventLoop,
    sockets: Memory,
    rng: Rng,
}

impl Life {
    fn new(mut rng: Rng) -> Life {
        let limits = Limits {
            clients_max: rng.usize(4..20),
            per_address_max: rng.usize(1..10),
            rooms_max: rng.usize(2..5),
            history_lines_max: rng.usize(..6),
            resume_grace: Duration::from_secs(rng.u64(..20)),
            backlog_bytes_max: 1024 << rng.u32(..4),
            flood: None,
            connects: None,
            ..Limits::default()
        };
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let config = Config { limits, ..Config::default() };
        let mut event_loop = EventLoop::new(&config, Budgets::default(), now);
        event_loop.hub.record_entries();
        Life { event_loop, sockets: Memory::new(0, true, now), rng }
    }

    fn draw(&mut self, of: &[&'static str]) -> &'static str {
        of[self.rng.usize(..of.len())]
    }

    /// The token that was made as this one, or will be.
    fn token(&mut self) -> String {
        let number = self.rng.u64(1..40).to_ne_bytes();
        (0..32).map(|at| format!("{:02x}", number[at % 8])).collect()
    }

    fn somebody(&mut self) -> Option<ConnectionKey> {
        let keys: Vec<_> = self.sockets.iter().map(|socket| socket.key).collect();
        self.rng.choice(keys)
    }

    fn message(&mut self) -> Value {
        let (room, other) = (self.draw(&ROOMS), self.draw(&ROOMS));
        let (name, key, id) = (self.draw(&NAMES), self.rng.u8(..20), 1_782_579_200_000_000_u64);
        match self.rng.u8(..12) {
            0..3 => json!({ "type": "nick", "name": name }),
            3..6 => {
                let known = id + self.rng.u64(..200) * 1_000_000;
                let rooms = json!({ room: known, other: id });
                json!({ "type": "resume", "token": self.token(), "rooms": rooms })
            }
            6 => json!({ "type": "say", "room": room, "text": "hi", "key": key.to_string() }),
            7 => json!({ "type": "say", "text": "x".repeat(500) }),
            8 => json!({ "type": "msg", "to": name, "text": "psst", "key": key.to_string() }),
            9 => json!({ "type": "join", "room": room }),
            10 => json!({ "type": "part", "room": room }),
            _ => json!({ "type": self.draw(&["ignore", "invite", "topic"]), "name": name,
                         "text": "about", "room": room }),
        }
    }

    fn step(&mut self) {
        let address = self.rng.u8(1..4);
        match (self.rng.u8(..20), self.somebody()) {
            (0..3, _) => {
                let remote = ([192, 0, 2, address], 5000).into();
                let key = self.sockets.connect(&mut self.event_loop, Dialect::Web, remote);
                if let Some(key) = key {
                    self.sockets.send(key, speech::HANDSHAKE.as_bytes(), true);
                }
            }
            (3, Some(key)) => self.sockets.end(key, End::Reset),
            (4, Some(key)) => self.sockets.end(key, End::Fin),
            (5, Some(key)) => {
                let code = [1000_u16, 1001][self.rng.usize(..2)];
                self.sockets.send(key, &speech::frame(0x88, &code.to_be_bytes()), true);
            }
            (6, Some(key)) => {
                let room = self.rng.usize(..20_000);
                self.sockets.set_room(key, room);
            }
            (7, _) => self.sockets.wait(Duration::from_millis(self.rng.u64(..30_000))),
            (_, Some(key)) => {
                let message = self.message().to_string();
                self.sockets.send(key, &speech::frame(0x81, message.as_bytes()), true);
            }
            (_, None) => {}
        }
        self.turn();
    }

    fn turn(&mut self) {
        self.event_loop.turn(&mut self.sockets).unwrap();
        self.sockets.closed.clear();
    }

    /// All are cut off, and nobody comes back.
    fn ends(mut self) -> EventLoop {
        for _ in 0..1000 {
            for key in self.sockets.iter().map(|socket| socket.key).collect::<Vec<_>>() {
                self.sockets.end(key, End::Reset);
            }
            if self.event_loop.hub.is_at_rest() {
                break;
            }
            self.sockets.wait(Duration::from_secs(1));
            self.turn();
        }
        self.event_loop
    }
}

#[test]
fn whatever_order_it_happens_in_the_same_entries_give_the_same_chat_and_nothing_is_left() {
    let mut back = 0;
    for seed in 0..LIVES {
        let mut life = Life::new(Rng::with_seed(seed));
        for _ in 0..STEPS {
            life.step();
            let received = life.sockets.iter().map(|socket| &socket.received);
            let is_told = |bytes: &[u8]| bytes.windows(9).any(|part| part == b"\"resumed\"");
            back += received.filter(|bytes| is_told(bytes)).count().min(1);
        }
        let hub = life.ends().hub;
        if let Err(difference) = hub.replays_alike() {
            panic!("seed {seed}: {difference}");
        }
        assert!(hub.is_at_rest(), "seed {seed}: something is left: {hub:?}");
    }
    assert!(back > 1000, "too few come back: {back}");
}

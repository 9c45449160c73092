//! What many cost who do the same at once: come under one name, ask who is here, come with
//! browsers. A hub without sockets is told of them, and what it does and keeps is counted; nothing
//! here depends on how fast the machine is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits};
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::{Now, PeerKey};

/// A hub, whose connections come from the machine itself and take nothing unless they are asked to.
struct Crowd {
    hub: Hub,
    now: Now,
}

impl Crowd {
    fn new() -> Self {
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let limits = Limits { clients_max: 20_000, flood: None, ..Limits::default() };
        Self { hub: Hub::new(&Config { limits, ..Config::default() }, now), now }
    }

    fn comes(&mut self, dialect: Dialect) -> PeerKey {
        let remote = SocketAddr::from(([127, 0, 0, 1], 50_000));
        self.hub.connect(dialect, remote, self.now).unwrap()
    }

    /// One arrival from somebody.
    fn sends(&mut self, key: PeerKey, bytes: &[u8]) {
        self.hub.receive(key, bytes, self.now);
        self.hub.arrived(key, self.now);
    }

    /// The rest of a turn, in which nobody takes anything.
    fn turn(&mut self) {
        self.now.instant += Duration::from_millis(1);
        self.hub.timeout(self.now);
        self.hub.pending(&mut Vec::new(), self.now);
        self.hub.reap(&mut Vec::new());
    }

    /// What waits for somebody, who takes it.
    fn takes(&mut self, key: PeerKey) -> String {
        let mut all = Vec::new();
        loop {
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = self.hub.transmit(key, &mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            if bytes.is_empty() {
                return String::from_utf8_lossy(&all).into_owned();
            }
            self.hub.transmitted(key, bytes.len(), self.now);
            all.extend(bytes);
        }
    }
}

#[test]
fn a_crowd_of_one_name_comes_in_over_some_turns() {
    const PEOPLE: usize = 3000;
    let mut crowd = Crowd::new();
    let people: Vec<_> = (0..PEOPLE).map(|_| crowd.comes(Dialect::Nick)).collect();
    crowd.turn();
    let name = "\u{1ec7}\u{1edf}".repeat(16);
    for key in &people {
        crowd.sends(*key, name.as_bytes());
    }
    let at_once = crowd.hub.members();
    assert!((100..1000).contains(&at_once), "{at_once} were named in a turn");
    let mut turns = 0;
    while crowd.hub.members() < PEOPLE {
        crowd.turn();
        turns += 1;
        assert!(turns < 100, "{} are in after {turns} turns", crowd.hub.members());
    }
    let last = crowd.takes(people[PEOPLE - 1]);
    let cut = name.chars().take(32 - "_3000".len()).collect::<String>();
    assert!(last.contains(&format!("{cut}_{PEOPLE}")), "{last}");
}

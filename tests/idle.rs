//! A server that has nothing to do does nothing, whatever state its connections are in. Where
//! readiness is not asked for as each system wants it, the loop goes round and round, or nobody
//! hears any more of whoever waits: on Windows above all, where mio asks for everything anew at
//! each `WouldBlock`, and a listener that was left before that stays deaf.
//!
//! So the server runs in this process, and the turns of its loop are counted. That says more than
//! processor time would, and the same on every system.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use chinwag::config::{Config, Limits, ListenerSpec};
use chinwag::dialect::Dialect;
use chinwag::server::Server;

use common::{Person, WELCOME};

/// How long nothing is to happen: the pause is what this is about.
const PAUSE: Duration = Duration::from_millis(500);

/// Turns in which nothing happened that may still be: the last ones of what happened before.
const TURNS_MAX: usize = 10;

/// A server in a thread of this process, which ends with it.
struct Counted {
    address: SocketAddr,
    turns: Arc<AtomicUsize>,
}

impl Counted {
    fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            listeners: vec![ListenerSpec { address, ..ListenerSpec::usual(Dialect::Lines) }],
            limits: Limits {
                flood: None,
                backlog_bytes_max: 64 << 20,
                stall_timeout: Duration::from_secs(600),
                drain: Duration::from_secs(600),
                ..Limits::default()
            },
            ..Config::default()
        };
        let turns = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let counter = Arc::clone(&turns);
        thread::spawn(move || {
            let mut server = Server::bind(&config).unwrap();
            sender.send(server.listeners().next().unwrap().address).unwrap();
            while server.turn().is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address: receiver.recv().unwrap(), turns }
    }

    #[track_caller]
    fn join(&self, name: &str) -> Person {
        Person::join_at(self.address, name)
    }

    /// The loop stands still now.
    #[track_caller]
    fn rests(&self) {
        thread::sleep(PAUSE);
        let before = self.turns.load(Ordering::Relaxed);
        thread::sleep(PAUSE);
        let turns = self.turns.load(Ordering::Relaxed) - before;
        assert!(turns < TURNS_MAX, "{turns} turns in which nothing happened");
    }
}

/// `alice` says about so many bytes, all of which `bob` receives.
#[track_caller]
fn talk(alice: &mut Person, bob: &mut Person, bytes: usize) {
    const LINES: usize = 16;
    let line = "x".repeat(4000);
    let text = format!("{line}\n").repeat(LINES);
    for _ in 0..bytes / text.len() {
        alice.sends(text.as_bytes());
        (0..LINES).for_each(|_| bob.sees(&format!("alice: {line}")));
    }
}

/// In one test, since signals are the process's, and one server in it is enough.
#[test]
fn an_idle_server_does_nothing() {
    let server = Counted::start();
    server.rests();

    // Members who could be written to, and somebody who has not given a name.
    let mut alice = server.join("alice");
    let mut bob = server.join("bob");
    alice.sees("* bob joined (2 here)");
    let mut nameless = Person::connect_to(server.address);
    nameless.sees(WELCOME);
    server.rests();

    // Two who cannot be written to, since they do not read; one has no more to say either.
    let mut deaf = Person::connect_with_little_room(server.address);
    deaf.sees(WELCOME);
    deaf.takes_name("carol");
    alice.sees("* carol joined (3 here)");
    bob.sees("* carol joined (3 here)");
    let mut half_closed = Person::connect_with_little_room(server.address);
    half_closed.sees(WELCOME);
    half_closed.says("dave");
    half_closed.sees_prefix("* You are dave. ");
    alice.sees("* dave joined (4 here)");
    bob.sees("* dave joined (4 here)");
    talk(&mut alice, &mut bob, 16 << 20);
    server.rests();
    half_closed.half_closes();
    alice.sees("* dave left (3 here)");
    bob.sees("* dave left (3 here)");
    server.rests();

    // They read on, have everything, and can be written to again.
    talk(&mut alice, &mut bob, 64 << 10);
    alice.says("the end");
    assert!(deaf.sees_until("alice: the end").len() > (16 << 20) / 4096);
    half_closed.sees_until_eof();
    server.rests();

    // Many who came and were gone before they were let in, or soon after.
    for number in 0..200 {
        let mut person = Person::connect_to(server.address);
        if number % 2 == 0 {
            person.says("mallory");
        }
        person.resets();
    }
    alice.answers_to("/who");
    server.rests();
    let mut erin = server.join("erin");
    erin.says("is anybody here?");
    deaf.sees_until("erin: is anybody here?");
    nameless.says("frank");
    nameless.sees_prefix("* You are frank. ");
    server.rests();
}

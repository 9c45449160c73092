//! Worlds of the relay: two to four servers, the real loop, hub and link, and an engine that fails
//! in all ways, from one seed; people at terminals, and in browsers, who come back at any server.
//! At the end all servers agree, nobody has heard anything twice or in another order than others,
//! and who was there all the time has heard all.
//!
//! `CHINWAG_WORLDS=100000 cargo test --profile simulate --test relay_worlds` lives through more,
//! `CHINWAG_SEED=7` through one, and both through as many from that one on.

#![cfg(all(feature = "relay", feature = "web"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

#[path = "relay_worlds/browser.rs"]
mod browser;
#[path = "relay_worlds/engine.rs"]
mod engine;
#[path = "relay_worlds/links.rs"]
mod links;
#[path = "common/returner.rs"]
mod returner;
#[path = "relay_worlds/server.rs"]
mod server;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use browser::Browser;
use chinwag::Now;
use chinwag::dialect::Dialect;
use chinwag::relay::LogLength;
use fastrand::Rng;

use engine::Engine;
use server::{Client, Server};

/// Worlds in one run of the tests.
const WORLDS: u64 = 1000;

/// Steps of a world.
const STEPS: usize = 400;

/// Turns of 20 ms in which somebody who has gone is missed: after 12 s, or 14 where nobody has
/// been live for long.
const CALM_TURNS: usize = 800;

/// Somebody in a world.
struct Person {
    name: String,
    server: usize,
    client: Rc<RefCell<Client>>,
    /// They are in one.
    browser: Option<Browser>,
    /// When they were in, as a count of lines that had been said.
    came: Option<usize>,
    /// They have been in the lobby under their name all the time.
    is_steady: bool,
    /// The numbers of what they have said.
    said: Vec<usize>,
}

impl Person {
    /// Comes to a server, for the first time or again.
    fn connects(&mut self, place: usize, server: &mut Server) {
        let dialect = if self.browser.is_some() { Dialect::Web } else { Dialect::Lines };
        (self.server, self.client) = (place, server.connect(dialect));
        match &mut self.browser {
            Some(browser) => browser.connects(&self.client),
            None => self.sends(&self.name.clone()),
        }
    }

    /// Says the line of this number.
    fn says(&mut self, number: usize) {
        self.said.push(number);
        match &mut self.browser {
            Some(browser) => browser.says(&self.client, number),
            None => self.sends(&format!("line {number}")),
        }
    }

    fn sends(&mut self, text: &str) {
        let mut client = self.client.borrow_mut();
        client.input.extend(text.as_bytes());
        client.input.push_back(b'\n');
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.client.borrow().output).into_owned()
    }

    fn is_in(&self) -> bool {
        if let Some(browser) = &self.browser {
            return browser.memory.is_in && !self.client.borrow().closed;
        }
        self.text().contains("* You are ") && !self.client.borrow().closed
    }

    /// The numbers of the lines that they have heard, and by whom.
    fn heard(&self) -> Vec<(String, usize)> {
        if let Some(browser) = &self.browser {
            return browser.heard.clone();
        }
        let text = self.text();
        let lines = text.lines().filter(|line| !line.starts_with(['*', '!', '[']));
        let said = lines.filter_map(|line| line.split_once(": line "));
        said.map(|(by, number)| (by.to_owned(), number.parse().unwrap())).collect()
    }
}

/// What can go wrong in a world, and how often.
struct Faults {
    cuts: f64,
    stalls: f64,
    errors: f64,
    restarts: f64,
    lost_tails: f64,
    flushes: f64,
    freezes: f64,
    crashes: f64,
    away: f64,
}

struct World {
    rng: Rng,
    ms: u64,
    began: Instant,
    engine: Rc<RefCell<Engine>>,
    servers: Vec<Server>,
    /// Until when each server stands still.
    frozen: Vec<u64>,
    people: Vec<Person>,
    lines: usize,
    /// The engine has lost what it had confirmed. Who comes back at a server that has never seen
    /// that knows more than it does, which nobody can tell.
    has_lost_tail: bool,
    faults: Faults,
    log: LogLength,
    /// How soon what is left of a connection that was cut is executed.
    haste: f64,
    /// Something stands before the engine that may keep that until there is another engine.
    has_proxy: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        // Swarm testing: each world switches some faults off.
        let mut rate = |most: f64| if rng.bool() { rng.f64() * most } else { 0.0 };
        let faults = Faults {
            cuts: rate(0.1),
            stalls: rate(0.02),
            errors: rate(0.02),
            restarts: rate(0.02),
            lost_tails: rate(0.01),
            flushes: rate(0.005),
            freezes: rate(0.005),
            crashes: rate(0.01),
            away: rate(0.02),
        };
        // In some worlds who is away for long finds that the log has not waited.
        let log = match rng.bool() {
            true => LogLength { kept: 60, verified: 40, checkpoint_every: 8 },
            false => LogLength::default(),
        };
        let engine = Rc::default();
        let mut world = World {
            ms: 0,
            began: Instant::now(),
            engine,
            servers: Vec::new(),
            frozen: Vec::new(),
            people: Vec::new(),
            lines: 0,
            has_lost_tail: false,
            faults,
            log,
            haste: if rng.bool() { 1.0 } else { 0.01 },
            has_proxy: rng.bool(),
            rng,
        };
        for place in 0..world.rng.usize(2..=4) {
            world.start(place);
        }
        world
    }

    fn now(&self) -> Now {
        let instant = self.began + Duration::from_millis(self.ms);
        Now { instant, unix_seconds: 1_700_000_000 + self.ms / 1000 }
    }

    /// A server begins, perhaps in the place of one that has gone.
    fn start(&mut self, place: usize) {
        let seed = self.rng.u64(..);
        let engine = (&self.engine, self.log);
        let server = Server::new(&format!("s{place}"), seed, engine, self.now());
        match self.servers.get_mut(place) {
            Some(before) => *before = server,
            None => {
                self.servers.push(server);
                self.frozen.push(0);
            }
        }
    }

    // ── what happens ─────────────────────────────────────────────────────────────────────────────

    fn step(&mut self) {
        self.ms += if self.rng.f64() < 0.02 { self.rng.u64(0..3000) } else { self.rng.u64(0..20) };
        self.act();
        self.fail();
        self.run();
        self.browse();
        for person in self.people.iter_mut().filter(|person| person.came.is_none()) {
            person.came = person.is_in().then_some(self.lines);
        }
    }

    /// Everybody who can does something: the engine some commands, each server a turn.
    fn run(&mut self) {
        let now = self.now();
        for _ in 0..self.rng.usize(0..12) {
            let wires = self.engine.borrow().all_wires();
            // What somebody has sent who was cut off may be executed when they have long come back.
            if let Some(wire) = self.rng.choice(wires)
                && (self.engine.borrow().is_open(wire) || self.rng.f64() < self.haste)
            {
                self.engine.borrow_mut().step(wire, self.ms);
            }
        }
        for (place, server) in self.servers.iter_mut().enumerate() {
            if self.frozen[place] <= self.ms {
                server.turn(now);
            }
        }
    }

    /// Those in browsers read what has come, and come back if they are cut off.
    fn browse(&mut self) {
        for person in &mut self.people {
            let Some(browser) = &mut person.browser else { continue };
            browser.reads(&person.name, &person.client);
            person.is_steady &= !browser.memory.has_lost;
            let is_cut = person.client.borrow().closed || self.rng.f64() < self.faults.away;
            if is_cut && !browser.memory.is_out {
                // The server may see that they have gone, or not.
                person.client.borrow_mut().ended = self.rng.bool();
                let place = self.rng.usize(0..self.servers.len());
                person.connects(place, &mut self.servers[place]);
            }
        }
    }

    fn act(&mut self) {
        let draw = self.rng.u32(0..100);
        if draw < 10 && self.people.len() < 40 {
            let place = self.rng.usize(0..self.servers.len());
            // Some want a name that others want, too.
            let number = if self.rng.bool() { self.people.len() } else { self.rng.usize(0..6) };
            let mut person = Person {
                name: format!("p{number}"),
                server: place,
                client: Rc::default(),
                browser: self.rng.bool().then(Browser::default),
                came: None,
                is_steady: true,
                said: Vec::new(),
            };
            person.connects(place, &mut self.servers[place]);
            return self.people.push(person);
        }
        let here = (0..self.people.len()).filter(|place| self.people[*place].is_in());
        let Some(place) = self.rng.choice(here.collect::<Vec<_>>()) else { return };
        let person = &mut self.people[place];
        match draw {
            0..70 => {
                person.says(self.lines);
                self.lines += 1;
            }
            _ if person.browser.is_some() => {}
            70..74 => {
                person.is_steady = false;
                person.sends(&format!("/nick q{}", self.rng.u32(0..8)));
            }
            74..78 => {
                person.is_steady = false;
                person.sends(["/join ops", "/part", "/topic about"][self.rng.usize(0..3)]);
            }
            78..80 => {
                person.is_steady = false;
                person.client.borrow_mut().ended = true;
            }
            _ => {}
        }
    }

    fn fail(&mut self) {
        let mut draw = |rate: f64| self.rng.f64() < rate;
        let faults = &self.faults;
        let (cut, stall, error) = (draw(faults.cuts), draw(faults.stalls), draw(faults.errors));
        let (restart, tail) = (draw(faults.restarts), draw(faults.lost_tails));
        let (flush, freeze) = (draw(faults.flushes), draw(faults.freezes));
        let crash = draw(faults.crashes);
        let place = self.rng.usize(0..self.servers.len());
        let mut engine = self.engine.borrow_mut();
        if cut && let Some(wire) = self.rng.choice(engine.open_wires()) {
            engine.cut(wire, self.rng.bool());
        }
        if stall {
            engine.stalled_until = self.ms + self.rng.u64(0..6000);
        }
        if error {
            let all = ["READONLY no", "LOADING yet", "OOM no", "UNBLOCKED no", "NOREPLICAS no"];
            engine.error = self.rng.choice(all);
        } else if self.rng.f64() < 0.2 {
            engine.error = None;
        }
        // Who has read what is lost, and who has not, is what matters.
        let unread = engine.unread();
        if restart || tail {
            engine.restart(self.has_proxy && self.rng.bool());
        }
        self.has_lost_tail |= tail;
        if tail {
            engine.lose_tail(if self.rng.bool() { unread } else { self.rng.usize(1..20) });
        }
        if flush {
            engine.flush();
        }
        drop(engine);
        if freeze {
            self.frozen[place] = self.ms + self.rng.u64(0..20_000);
        }
        if crash {
            self.servers[place].crash(self.rng.bool());
            self.start(place);
        }
    }

    /// Nothing fails any more, until nothing happens any more.
    fn heal(&mut self) {
        self.engine.borrow_mut().error = None;
        self.engine.borrow_mut().stalled_until = 0;
        self.frozen.fill(0);
        self.faults.away = 0.0;
        self.haste = 1.0;
        if self.goes_on_until_calm(1500) {
            return;
        }
        // If the beginning of the log is gone, and nobody knows it any more, it must be deleted.
        let mut hubs = self.servers.iter().map(|server| &server.event_loop.hub);
        if !hubs.any(|hub| hub.relay_counts().is_some_and(|counts| counts.is_live)) {
            self.engine.borrow_mut().flush();
        }
        self.goes_on_until_calm(1500);
    }

    /// Returns whether nothing was written for so long that whoever has gone has been missed.
    fn goes_on_until_calm(&mut self, turns: usize) -> bool {
        let mut calm = 0;
        for _ in 0..turns {
            let top = self.engine.borrow().top();
            self.ms += 20;
            self.run();
            self.browse();
            let engine = self.engine.borrow();
            let is_calm = engine.top() == top
                && engine.all_wires() == engine.open_wires()
                && self.servers.iter().all(Server::is_done);
            calm = if is_calm { calm + 1 } else { 0 };
            if calm == CALM_TURNS {
                return true;
            }
        }
        false
    }

    // ── what must be so then ─────────────────────────────────────────────────────────────────────

    fn check(&self) {
        let states: Vec<_> =
            self.servers.iter().map(|server| server.event_loop.hub.relayed_state()).collect();
        for (place, server) in self.servers.iter().enumerate() {
            let counts = server.event_loop.hub.relay_counts();
            assert!(server.is_done(), "server {place}: {counts:?}");
        }
        for (place, state) in states.iter().enumerate() {
            let pairs = state.lines().zip(states[0].lines());
            let difference = pairs.enumerate().find(|(_, (one, other))| one != other);
            assert!(*state == states[0], "servers {place} and 0 differ, first in {difference:?}");
        }
        self.check_checkpoint(&states[0]);
        let heard: Vec<_> = self.people.iter().map(Person::heard).collect();
        let may_differ = |person: &Person| person.browser.is_some() && self.has_lost_tail;
        for (_, heard) in self.people.iter().zip(&heard).filter(|(it, _)| !may_differ(it)) {
            let numbers: HashSet<_> = heard.iter().map(|(_, number)| number).collect();
            assert_eq!(numbers.len(), heard.len(), "something was heard twice: {heard:?}");
        }
        // Who was told that the engine has lost lines may have heard some that then came otherwise;
        // and so may who had left before that showed.
        let lost = |person: &Person| match &person.browser {
            Some(browser) => browser.memory.has_lost || self.has_lost_tail,
            None if person.is_in() => false,
            None => self.has_lost_tail || person.text().contains("! The relay has lost"),
        };
        let kept = self.people.iter().zip(&heard).filter(|(person, _)| !lost(person));
        let kept: Vec<_> = kept.map(|(_, heard)| heard).collect();
        for one in &kept {
            kept.iter().for_each(|other| assert_same_order(one, other));
        }
        self.check_all_is_heard(&heard);
    }

    /// A server that begins with a checkpoint knows what those know that have read all.
    fn check_checkpoint(&self, state: &str) {
        let checkpoint = self.servers[0].event_loop.hub.relay_checkpoint();
        let engine = (&Rc::default(), self.log);
        let mut late = Server::new("late", 1, engine, self.now());
        late.event_loop.hub.handle_relay_reset(0, self.now());
        assert!(late.event_loop.hub.handle_relay_checkpoint(&checkpoint), "{checkpoint}");
        assert_eq!(late.event_loop.hub.relayed_state(), state, "{checkpoint}");
    }

    /// Who was in the lobby all the time has heard what others who were said there since.
    fn check_all_is_heard(&self, heard: &[Vec<(String, usize)>]) {
        let is_known = |person: &Person| person.browser.is_none() || !self.has_lost_tail;
        let steady = |person: &&Person| person.is_steady && person.is_in() && is_known(person);
        for person in self.people.iter().filter(steady) {
            let is_done = |browser: &Browser| browser.memory.is_done();
            assert!(person.browser.as_ref().is_none_or(is_done), "{:?}", person.browser);
        }
        for (listener, heard) in self.people.iter().zip(heard).filter(|(it, _)| steady(it)) {
            let heard: HashSet<_> = heard.iter().map(|(_, number)| *number).collect();
            let others = self.people.iter().filter(steady);
            for speaker in others.filter(|speaker| !Rc::ptr_eq(&speaker.client, &listener.client)) {
                let said = speaker.said.iter();
                for number in said.filter(|number| listener.came.is_some_and(|it| it <= **number)) {
                    assert!(
                        heard.contains(number),
                        "{} at {} has not heard line {number} of {} at {}:\n{}\n{}",
                        listener.name,
                        listener.server,
                        speaker.name,
                        speaker.server,
                        listener.text(),
                        speaker.text(),
                    );
                }
            }
        }
    }
}

/// What both have heard they have heard in the same order.
fn assert_same_order(one: &[(String, usize)], other: &[(String, usize)]) {
    let places: HashMap<_, _> =
        other.iter().enumerate().map(|(place, (_, number))| (number, place)).collect();
    let common: Vec<_> = one.iter().filter_map(|(_, number)| places.get(number)).collect();
    assert!(common.is_sorted(), "{one:?}\nbut {other:?}");
}

/// Returns how many entries the engine has dropped, and how often a checkpoint was read.
fn live(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.heal();
    world.check();
    let engine = world.engine.borrow();
    (engine.trimmed, engine.loads)
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[test]
fn servers_agree_whatever_the_engine_does() {
    let (first, count) = (number_of("CHINWAG_SEED"), number_of("CHINWAG_WORLDS"));
    let count = count.unwrap_or(if first.is_some() { 1 } else { WORLDS });
    let first = first.unwrap_or_default();
    let seeds = AtomicU64::new(first);
    let worker = || {
        let mut lived = Vec::new();
        loop {
            let seed = seeds.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return lived;
            }
            lived.push((seed, std::panic::catch_unwind(|| live(seed))));
        }
    };
    let lived: Vec<_> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let reached = |part: fn(&(usize, usize)) -> usize| {
        lived.iter().filter_map(|(_, lived)| lived.as_ref().ok()).map(part).sum::<usize>()
    };
    let (trimmed, loads) = (reached(|it| it.0), reached(|it| it.1));
    let failed = lived.iter().filter(|(_, lived)| lived.is_err()).map(|(seed, _)| *seed);
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "the worlds of CHINWAG_SEED={failed:?} have failed");
    eprintln!("{trimmed} entries were dropped, and {loads} checkpoints read");
    assert!(count < WORLDS || trimmed > 0 && loads > 0, "no log was too short");
}

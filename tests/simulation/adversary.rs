//! The second kind of world: some members cooperate against one pair that only talks and reads.
//!
//! The pair are alice and bob, each at an address of their own. All others come from one address
//! and follow a [`Plot`]. The limits are the defaults. What the pair is promised, and everybody
//! with it, is asserted after each turn; the constants say what it is. The time that a turn takes
//! is not simulated, so the work that is done in it is counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chinwag::Now;
use chinwag::dialect::{Dialect, Transport};
use chinwag::hub::TURNED_AWAY_MAX;
use fastrand::Rng;
use memchr::{memchr, memmem};

use super::client::{Client, Seeded};
use super::log;
use super::plot::{self, Plot, Scene};
use super::server::Server;
use super::socket::Socket;
use super::swarm::Swarm;
use super::world::Closings;

// ── what is promised, with the default limits ────────────────────────────────────────────────────

/// A line is heard this soon after it lies in the socket, not counting the time in which whoever
/// hears it reads what was said before.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Whoever reads so many bytes in each second is not closed.
const READER_BYTES_PER_SECOND: usize = 256 * 1024;

/// Bytes kept of what the room said, in each dialect: two backlogs, and what one turn adds.
const JOURNAL_BYTES_MAX: usize = (2 << 20) + (512 << 10);

/// Bytes kept for one connection alone: a backlog of private messages, and an answer.
const OWN_BYTES_MAX: usize = (1 << 20) + (64 << 10) + 50 * (4096 + 256);

/// Sockets that one address has, those included that are closing or are being turned away.
const SOCKETS_MAX: usize = 64 + TURNED_AWAY_MAX;

/// The socket of somebody who has left is gone after this time: `--drain`, and a second.
const GONE_WITHIN: Duration = Duration::from_secs(5 + 1);

/// Lines that are said in one turn: what 64 connections and the pair may say at once.
const LINES_PER_TURN_MAX: u64 = 30 * (64 + 2);

/// Frames of a browser, even those that say nothing, that are read of one connection: what may be
/// said at once, twice since a name costs nothing, and then so many in each second …
const FRAMES_AT_ONCE: usize = 2 * 30;
const FRAMES_PER_SECOND: usize = 10;

/// … and bytes that are read ahead of that. A frame that says nothing has the fewest there can be.
const READ_AHEAD_BYTES: usize = 64 * 1024;
const PING_BYTES: usize = 6;

// ── the world ────────────────────────────────────────────────────────────────────────────────────

/// How time passes when the adversary has gone.
const TICK_AT_THE_END: Duration = Duration::from_millis(100);

/// By this the pair's lines are found in whatever else comes. It is no part of a frame's head.
const MARK: &str = "###";

/// The mark, the name and the number of a line, at most.
const LINE_BYTES_MAX: usize = 32;

/// Turns for which one step of the time is enough.
const TURNS_PER_TICK_MAX: usize = 16;

/// A simulated world.
pub(crate) struct World {
    rng: Rng,
    swarm: Swarm,
    server: Server,
    clients: Vec<Client>,
    pair: [Friend; 2],
    plot: Plot,
    tick: Duration,
    /// How long the adversary goes on.
    time: Duration,
    /// Who has left, since when their sockets should be going.
    leaving: Vec<(usize, Instant)>,
    started: Instant,
    verbose: bool,
}

/// One of the pair.
#[derive(Debug)]
struct Friend {
    name: &'static str,
    id: usize,
    /// Bytes that it reads in a second; `None` for all that come.
    rate: Option<usize>,
    allowance: usize,
    /// Bytes that it has read, and what may be the beginning of a line among them.
    read: usize,
    unfinished: Vec<u8>,
    /// How often it speaks, when it does so next, and how many lines it has said.
    every: Duration,
    says: Instant,
    said: usize,
    /// What the other has said and it has not heard: the number of the line, when it was said, and
    /// how many bytes it had read then.
    unheard: VecDeque<(usize, Instant, usize)>,
    longest_wait: Duration,
}

/// A client that is driven here, at this address.
pub(crate) fn guest(
    id: usize,
    dialect: Dialect,
    address: [u8; 4],
    (rng, swarm): Seeded<'_>,
) -> Client {
    let mut client = Client::new(id, dialect, None, rng, swarm);
    client.socket = Socket::new(128 * 1024, 256 * 1024);
    client.remote = (address, 1024 + id as u16).into();
    client.browser = None;
    // What it says is not looked at, and it may be dropped whatever it does.
    (client.decoder_model.deaf, client.slow) = (true, true);
    client
}

impl World {
    /// A world in which much is drawn by lot.
    pub(crate) fn draw(seed: u64, verbose: bool) -> World {
        let mut rng = Rng::with_seed(seed);
        let (start, tick) = (Instant::now(), Duration::from_millis(20 << rng.u32(..3)));
        let rates = [Some(READER_BYTES_PER_SECOND), Some(500_000), Some(2_000_000), None];
        let rate = rates[rng.usize(..4)];
        let plot = Plot::draw(&mut rng, start);
        let mut world = World::new(start, tick, rng, rate, plot);
        world.time = Duration::from_millis(world.rng.u64(2000..12_000));
        world.verbose = verbose;
        world
    }

    fn new(start: Instant, tick: Duration, mut rng: Rng, rate: Option<usize>, plot: Plot) -> World {
        log::begin();
        let swarm = Swarm::calm(&mut rng);
        let now = Now { instant: start, unix_seconds: 1_000_000_000 };
        let mut clients = Vec::new();
        let mut server = Server::new(&swarm, now);
        let pair = ["alice", "bob"].map(|name| {
            let id = clients.len();
            let web = "web".parse::<Dialect>().ok().filter(|_| rng.bool());
            let dialect = web.unwrap_or(Dialect::Lines);
            let mut client = guest(id, dialect, [10, 0, 0, id as u8], (&mut rng, &swarm));
            client.socket.outbox_max = (64 * 1024) << rng.u32(..3);
            plot::introduce(&mut client, name, &mut rng);
            client.socket.send(&mut client.unsent);
            server.listener.push_back(id);
            clients.push(client);
            let every = plot::PACE + Duration::from_millis(rng.u64(5..1000));
            Friend::new(name, id, rate, (every, start + every))
        });
        // They are there before anybody else is.
        while server.has_work(&mut clients, &mut rng, &swarm) {
            server.turn(&mut clients, &mut rng, &swarm);
        }
        assert_eq!(server.hub().members(), 2, "the pair does not get in");
        World {
            rng,
            swarm,
            server,
            clients,
            pair,
            plot,
            tick,
            time: Duration::ZERO,
            leaving: Vec::new(),
            started: start,
            verbose: false,
        }
    }

    /// Lives through it. Returns how many connections were closed for each reason.
    pub(crate) fn run(mut self) -> Closings {
        if self.verbose {
            eprintln!("{:#?}", self.plot);
        }
        let end = self.started + self.time;
        while self.server.now.instant < end {
            self.step(true);
        }
        let mut scene = Scene {
            server: &mut self.server,
            clients: &mut self.clients,
            rng: &mut self.rng,
            swarm: &self.swarm,
            tick: self.tick,
        };
        self.plot.end(&mut scene);
        self.tick = TICK_AT_THE_END;
        let end = self.server.now.instant + HEARD_WITHIN + GONE_WITHIN;
        while self.server.now.instant < end {
            self.step(true);
        }
        // Those who come by datagrams have none, and may have said much that is still to be heard.
        let has_socket = |id: &usize| self.clients[*id].dialect.transport() == Transport::Tcp;
        let left: Vec<_> = self.server.holders().filter(has_socket).skip(2).collect();
        assert!(left.is_empty(), "GONE_WITHIN: {left:?} are left although they went");
        while self.pair.iter().any(|friend| !friend.unheard.is_empty()) {
            self.step(false);
        }
        if self.verbose {
            let waits = self.pair.each_ref().map(|friend| friend.longest_wait);
            eprintln!("the pair waited for {waits:?} at most");
        }
        *self.server.hub().closings()
    }

    /// Some time passes. Everyone does what they do, and then the server what it must.
    fn step(&mut self, speaks: bool) {
        self.server.now.instant += self.tick;
        let seconds = (self.server.now.instant - self.started).as_secs();
        self.server.now.unix_seconds = 1_000_000_000 + seconds;
        for friend in &mut self.pair {
            friend.allowance = friend.rate.map_or(usize::MAX, |rate| {
                let fresh = plot::bytes_in(rate, self.tick);
                // What was not there to be read is not made up for.
                friend.allowance.min(fresh) + fresh
            });
        }
        if speaks {
            self.pair_speaks();
        }
        let mut scene = Scene {
            server: &mut self.server,
            clients: &mut self.clients,
            rng: &mut self.rng,
            swarm: &self.swarm,
            tick: self.tick,
        };
        self.plot.step(&mut scene);
        for _ in 0..TURNS_PER_TICK_MAX {
            if !self.server.has_work(&mut self.clients, &mut self.rng, &self.swarm) {
                break;
            }
            self.turn();
        }
        self.check_waits();
        self.check_sockets();
        self.check_pace();
    }

    fn pair_speaks(&mut self) {
        let now = self.server.now.instant;
        for speaker in 0..2 {
            let friend = &mut self.pair[speaker];
            if friend.says > now {
                continue;
            }
            friend.says = now + friend.every;
            friend.said += 1;
            let number = friend.said;
            let text =
                format!("{MARK}{} {number}#{}", friend.name, "y".repeat(self.rng.usize(..200)));
            let client = &mut self.clients[friend.id];
            client.unsent.extend(plot::framed(client.dialect, &text, &mut self.rng));
            client.socket.send(&mut client.unsent);
            assert!(client.unsent.is_empty(), "HEARD_WITHIN: {}'s socket is full", friend.name);
            let other = &mut self.pair[1 - speaker];
            other.unheard.push_back((number, now, other.read));
        }
    }

    fn turn(&mut self) {
        let before = self.server.hub().metrics().lines;
        self.server.turn(&mut self.clients, &mut self.rng, &self.swarm);
        let said = self.server.hub().metrics().lines - before;
        assert!(said <= LINES_PER_TURN_MAX, "LINES_PER_TURN_MAX: {said} lines in a turn");
        let (journal, own) = self.server.hub().kept_bytes();
        assert!(journal <= JOURNAL_BYTES_MAX, "JOURNAL_BYTES_MAX: a journal of {journal} bytes");
        assert!(own <= OWN_BYTES_MAX, "OWN_BYTES_MAX: an outbox of {own} bytes");
        let now = self.server.now.instant;
        for friend in &mut self.pair {
            let socket = &mut self.clients[friend.id].socket;
            let (name, closed) = (friend.name, socket.shut || socket.dropped);
            let rate = friend.rate;
            let closings = self.server.hub().closings();
            assert!(
                !closed,
                "READER_BYTES_PER_SECOND: {name} is closed, who reads {rate:?} {closings:?}"
            );
            friend.read(socket, (now, self.tick));
        }
        while let Some(entry) = log::next_if(|_| true) {
            match entry {
                log::Entry::Named { name, from } => {
                    if let Some(id) = self.server.addresses.get(&from) {
                        self.clients[*id].name = name;
                    }
                }
                log::Entry::Left { name } => {
                    let client = self.clients.iter_mut().find(|client| client.name == name);
                    if let Some(client) = client {
                        client.name.clear();
                        self.leaving.push((client.id, now));
                    }
                }
                _ => {}
            }
        }
    }

    /// Nobody has waited too long for what they have not heard yet.
    fn check_waits(&mut self) {
        let now = self.server.now.instant;
        for friend in &mut self.pair {
            if let Some((number, at, read)) = friend.unheard.front().copied() {
                friend.check_wait(number, now - at, read, self.tick);
            }
        }
    }

    fn check_sockets(&mut self) {
        let is_behind = |id: &usize| self.plot.is_behind(self.clients[*id].remote);
        let sockets = self.server.holders().filter(is_behind).count();
        assert!(sockets <= SOCKETS_MAX, "SOCKETS_MAX: {sockets} sockets of one address");
        let now = self.server.now.instant;
        self.leaving.retain(|(id, since)| {
            let gone = self.clients[*id].socket.dropped;
            let time = now - *since;
            assert!(gone || time <= GONE_WITHIN, "GONE_WITHIN: {id} is still here after {time:?}");
            !gone
        });
    }

    /// No browser is read faster than it may talk, whatever its frames say.
    fn check_pace(&mut self) {
        for (id, since) in self.plot.pinging() {
            let seconds = (self.server.now.instant - since).as_secs() as usize;
            let frames = FRAMES_AT_ONCE + FRAMES_PER_SECOND * seconds;
            let (read, most) =
                (self.clients[id].decoder_model.total, READ_AHEAD_BYTES + frames * PING_BYTES);
            assert!(read <= most, "FRAMES_PER_SECOND: {read} bytes of frames in {seconds} s");
        }
    }
}

impl Friend {
    fn new(
        name: &'static str,
        id: usize,
        rate: Option<usize>,
        (every, says): (Duration, Instant),
    ) -> Friend {
        Friend {
            name,
            id,
            rate,
            allowance: 0,
            read: 0,
            unfinished: Vec::new(),
            every,
            says,
            said: 0,
            unheard: VecDeque::new(),
            longest_wait: Duration::ZERO,
        }
    }

    /// Reads what it may, and sees that it is what the other has said.
    fn read(&mut self, socket: &mut Socket, (now, tick): (Instant, Duration)) {
        let read = socket.receive(&mut self.unfinished, self.allowance);
        self.read += read;
        self.allowance -= read;
        let mut at = 0;
        while let Some(begin) = memmem::find(&self.unfinished[at..], MARK.as_bytes()) {
            at += begin;
            let after = &self.unfinished[at + MARK.len()..];
            let Some(length) = memchr(b'#', after) else { break };
            let line = String::from_utf8_lossy(&after[..length]).into_owned();
            at += MARK.len() + length;
            self.hear(&line, (now, tick));
        }
        // What comes next may be the rest of a mark, or of a line.
        let kept = at.max(self.unfinished.len().saturating_sub(LINE_BYTES_MAX));
        self.unfinished.drain(..kept);
    }

    fn hear(&mut self, line: &str, (now, tick): (Instant, Duration)) {
        let Some((from, number)) = line.split_once(' ') else { panic!("what is {line}?") };
        if from == self.name {
            return; // browsers are told what they say themselves
        }
        let Some((expected, at, read)) = self.unheard.pop_front() else {
            panic!("EXACTLY_ONCE: {} hears {line}, which was not said", self.name);
        };
        assert_eq!(number, expected.to_string(), "EXACTLY_ONCE: {} hears {line}", self.name);
        self.check_wait(expected, now - at, read, tick);
    }

    /// A line has waited so long, since which it has read what follows the first `read` bytes.
    fn check_wait(&mut self, number: usize, wait: Duration, read: usize, tick: Duration) {
        let reading = self.rate.map_or(0.0, |rate| (self.read - read) as f64 / rate as f64);
        // It reads, and the waits are looked at, once in each tick.
        let wait = wait.saturating_sub(Duration::from_secs_f64(reading) + tick * 2);
        let name = self.name;
        assert!(wait <= HEARD_WITHIN, "HEARD_WITHIN: line {number} to {name} waits for {wait:?}");
        self.longest_wait = self.longest_wait.max(wait);
    }
}

#[cfg(test)]
mod scenes {
    use super::super::plot::{Plan, Reads, Talk, Way};
    use super::*;

    /// Runs this against a pair that reads so many bytes in each second.
    fn stage(rate: Option<usize>, plans: Vec<Plan>, stagger: Duration, time: Duration) {
        let start = Instant::now();
        let plot = Plot::new(plans, start, stagger);
        let rng = Rng::with_seed(1);
        let mut world = World::new(start, Duration::from_millis(10), rng, rate, plot);
        world.time = time;
        world.run();
    }

    /// Whoever is to come back after that does not.
    const HOUR: Duration = Duration::from_secs(3600);

    fn lines() -> Plan {
        Plan::new(Dialect::Lines)
    }

    #[test]
    fn readers_who_are_slow_by_turns_keep_nobody_waiting() {
        // 42 are about half the backlog behind. Each has taken half of it at another time, which
        // makes it worth waiting for once more.
        let slow =
            Plan { reads: Reads::Behind(900 << 10, 26_000), buffer: 4096, back: HOUR, ..lines() };
        let talker = Plan { talk: Talk::Lines, length: 500, back: HOUR, ..lines() };
        let mut plans = vec![lines()];
        plans.extend(vec![talker; 20]);
        plans.extend(vec![slow; 42]);
        stage(None, plans, Duration::from_millis(100), Duration::from_secs(100));
    }

    #[test]
    fn who_has_quit_and_reads_a_byte_now_and_then_keeps_no_socket() {
        // One fills the history. The others quit before they have read it, and come again.
        let talker = Plan { talk: Talk::Lines, length: 4000, burst: 30, ..lines() };
        let quitter = Plan {
            reads: Reads::Nothing,
            buffer: 4096,
            stays: Duration::from_millis(100),
            way: Way::Quit,
            ..lines()
        };
        let mut plans = vec![talker];
        plans.extend(vec![quitter; 62]);
        stage(None, plans, Duration::from_millis(10), Duration::from_secs(30));
    }

    #[test]
    #[cfg(feature = "web")]
    fn who_does_not_read_the_page_it_asked_for_keeps_no_socket() {
        let visit = Plan {
            talk: Talk::Visit,
            reads: Reads::Nothing,
            buffer: 4096,
            stays: Duration::from_millis(100),
            way: Way::Fin,
            ..Plan::new(Dialect::Web)
        };
        stage(None, vec![visit; 63], Duration::ZERO, Duration::from_secs(30));
    }

    #[test]
    fn talkers_at_the_allowed_pace_throw_no_reader_out() {
        let talker = Plan { talk: Talk::Lines, length: 4000, burst: 30, ..lines() };
        for rate in [500_000, READER_BYTES_PER_SECOND] {
            let talkers = vec![talker.clone(); 63];
            stage(Some(rate), talkers, Duration::ZERO, Duration::from_secs(20));
        }
    }

    #[test]
    #[cfg(feature = "web")]
    fn frames_that_say_nothing_are_not_free() {
        for talk in [Talk::Pings, Talk::Fragments] {
            let plan = Plan {
                talk,
                length: 4096,
                every: Duration::from_millis(10),
                ..Plan::new(Dialect::Web)
            };
            stage(None, vec![plan; 63], Duration::ZERO, Duration::from_secs(5));
        }
    }

    #[test]
    fn private_lines_throw_no_reader_out() {
        let talk = Plan { talk: Talk::Private, length: 4000, burst: 30, ..lines() };
        let talkers = vec![talk; 63];
        stage(Some(READER_BYTES_PER_SECOND), talkers, Duration::ZERO, Duration::from_secs(20));
    }
}

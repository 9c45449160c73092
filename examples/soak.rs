//! A soak: thousands of members, some of whom come and go, talk or read slowly, for as long as you
//! like; and at the end the proof that every line reached everyone it should, once and in order,
//! and that the server's memory has not grown.
//!
//! ```sh
//! cargo build --release
//! cargo run --release --example soak -- --members 4000 --minutes 15
//! ```
//!
//! How it is checked: a *witness* that never leaves and always reads tells the one order of all
//! lines. Every other listener must get, from the first line that it hears, exactly the lines that
//! follow it in that order. Talkers are not listeners, since nobody hears their own lines.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a program that reports on stdout and ends when something is wrong"
)]

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Soaks a server of its own with members who come, talk, listen and go.
#[derive(Parser, Debug)]
struct Arguments {
    /// Listeners in the room.
    #[arg(long, default_value_t = 1000)]
    members: usize,
    /// Members who talk and are not checked.
    #[arg(long, default_value_t = 20)]
    talkers: usize,
    /// Lines that are said in a second, by all talkers together.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Listeners that leave in a minute and are replaced, in percent.
    #[arg(long, default_value_t = 5.0)]
    churn: f64,
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A line, by who said it and its number.
type Line = (u32, u32);

/// A connection.
struct Member {
    socket: TcpStream,
    /// What came after the last line end.
    rest: Vec<u8>,
    /// Lines that came and that the witness has not seen yet.
    ahead: VecDeque<Line>,
    /// The place in the order of the next line, once the first has come.
    next: Option<usize>,
    /// It does not read until then.
    asleep_until: Option<Instant>,
    /// It has been told its name.
    joined: bool,
}

/// Everyone, and the order of all lines as the witness saw it.
struct Crowd {
    poll: Poll,
    address: SocketAddr,
    /// The witness, the talkers, and the listeners, in this order.
    members: Vec<Member>,
    order: Vec<Line>,
    places: HashMap<Line, usize>,
    said: Vec<u32>,
    rng: fastrand::Rng,
    names: u64,
    deliveries: u64,
    departures: u64,
    buffer: Vec<u8>,
}

const WITNESS: usize = 0;

/// A name of letters that nobody confuses, never the same twice.
fn name(number: &mut u64) -> String {
    *number += 1;
    let mut rest = *number;
    let mut name = String::from("s");
    while rest > 0 {
        name.push(char::from(b"abcdefgh"[(rest % 8) as usize]));
        rest /= 8;
    }
    name
}

impl Crowd {
    fn connect(&mut self, at: usize) -> Member {
        let mut socket = TcpStream::connect(self.address).unwrap();
        let registry = self.poll.registry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut socket, Token(at), interest).unwrap();
        Member {
            socket,
            rest: Vec::new(),
            ahead: VecDeque::new(),
            next: None,
            asleep_until: None,
            joined: false,
        }
    }

    /// Lets everyone connect and take a name, a few at a time.
    fn gather(&mut self, count: usize) {
        while self.members.len() < count {
            for _ in 0..200.min(count - self.members.len()) {
                let member = self.connect(self.members.len());
                self.members.push(member);
            }
            let deadline = Instant::now() + Duration::from_secs(30);
            while !self.members.iter().all(|member| member.joined) {
                self.turn(Duration::from_millis(100));
                assert!(Instant::now() < deadline, "not everyone is let in within 30 s");
            }
        }
    }

    /// Reads what has come.
    fn turn(&mut self, wait: Duration) {
        let mut events = Events::with_capacity(4096);
        self.poll.poll(&mut events, Some(wait)).unwrap();
        // The witness first: what it has seen, others can be checked by.
        self.read(WITNESS);
        for event in &events {
            self.read(event.token().0);
        }
    }

    fn read(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        if member.asleep_until.is_some() {
            return;
        }
        loop {
            match member.socket.read(&mut self.buffer) {
                Ok(0) => panic!("the server closed member {at}"),
                Ok(bytes) => member.rest.extend_from_slice(&self.buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::NotConnected => break,
                Err(error) => panic!("member {at}: {error}"),
            }
        }
        let end = member.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |lf| lf + 1);
        let lines: Vec<u8> = member.rest.drain(..end).collect();
        for line in String::from_utf8(lines).unwrap().lines() {
            self.hear(at, line);
        }
        self.check(at);
    }

    /// One line came to a member.
    fn hear(&mut self, at: usize, line: &str) {
        if line.starts_with("* Welcome") {
            let name = name(&mut self.names);
            self.send(at, &name);
        } else if line.starts_with("* You are ") {
            self.members[at].joined = true;
        } else if let Some((_, said)) =
            line.split_once(": line ").filter(|_| !line.starts_with('['))
        {
            let (talker, number) = said.split_once(' ').unwrap();
            let line = (talker.parse().unwrap(), number.trim_end_matches('.').parse().unwrap());
            if at == WITNESS {
                assert_eq!(self.places.insert(line, self.order.len()), None, "{line:?} twice");
                self.order.push(line);
            } else if at > self.said.len() {
                self.members[at].ahead.push_back(line);
            }
        } else {
            assert!(line.starts_with(['*', '[']), "member {at} got {line:?}");
        }
    }

    /// Holds what came to a listener against the order, as far as that is known.
    fn check(&mut self, at: usize) {
        let Crowd { members, order, places, deliveries, .. } = self;
        let member = &mut members[at];
        while let Some(line) = member.ahead.front() {
            let Some(place) = places.get(line).copied() else { return };
            let next = member.next.unwrap_or(place);
            assert_eq!(place, next, "member {at} got {line:?} instead of {:?}", order.get(next));
            member.next = Some(place + 1);
            *deliveries += 1;
            member.ahead.pop_front();
        }
    }

    fn send(&mut self, at: usize, line: &str) {
        let text = format!("{line}\n");
        let written = self.members[at].socket.write(text.as_bytes());
        assert_eq!(written.ok(), Some(text.len()), "member {at} cannot send");
    }

    /// A random talker says its next line.
    fn talk(&mut self) {
        let talker = self.rng.usize(0..self.said.len());
        let number = self.said[talker];
        self.said[talker] += 1;
        let padding = ".".repeat(self.rng.usize(0..100));
        self.send(1 + talker, &format!("line {talker} {number}{padding}"));
    }

    /// A random listener goes, in one of the ways in which people go, and another comes.
    fn churn(&mut self) {
        let at = self.rng.usize(self.said.len() + 1..self.members.len());
        if self.members[at].asleep_until.is_some() {
            return;
        }
        if self.rng.bool() {
            let _ = self.members[at].socket.write(b"/quit\n");
        }
        self.departures += 1;
        // Dropping the old socket closes it; unread input makes that a reset.
        self.members[at] = self.connect(at);
    }

    /// Some listeners read nothing for a while.
    fn doze(&mut self, now: Instant) {
        let at = self.rng.usize(self.said.len() + 1..self.members.len());
        if self.members[at].joined {
            let pause = Duration::from_millis(self.rng.u64(100..5000));
            self.members[at].asleep_until.get_or_insert(now + pause);
        }
    }

    fn wake(&mut self, now: Instant) {
        for at in 0..self.members.len() {
            if self.members[at].asleep_until.is_some_and(|until| until <= now) {
                self.members[at].asleep_until = None;
                self.read(at);
            }
        }
    }

    /// Everything that was said reaches everyone who is there.
    fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let total: u32 = self.said.iter().sum();
        loop {
            self.turn(Duration::from_millis(50));
            self.wake(Instant::now() + Duration::from_secs(60));
            for at in 0..self.members.len() {
                self.check(at);
            }
            let listeners = &self.members[self.said.len() + 1..];
            let behind = |m: &&Member| m.next.is_some_and(|next| next < self.order.len());
            let behind = listeners.iter().filter(behind).count();
            if self.order.len() == total as usize && behind == 0 {
                return;
            }
            let seen = self.order.len();
            assert!(Instant::now() < deadline, "{seen} of {total} lines seen, {behind} are behind");
        }
    }
}

/// Starts the server that was built beside this example. Returns it and its address.
fn start(members: usize) -> (Child, SocketAddr) {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push(format!("chinwag{}", std::env::consts::EXE_SUFFIX));
    let clients = (members + 100).to_string();
    let mut child = Command::new(&path)
        .args(["--listen", "lines=127.0.0.1:0", "--flood", "0", "--max-clients", &clients])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; build the server first", path.display()));
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = log.by_ref().find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("listening: lines on ")?.1.trim().parse().unwrap())
    });
    thread::spawn(move || log.for_each(drop));
    (child, address.unwrap())
}

/// The server's resident memory in KiB, where the system tells.
fn resident_kib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Talk, churn and slow readers for the given time. Returns the memory after the first tenth.
fn soak(crowd: &mut Crowd, arguments: &Arguments, server: &Child) -> Option<u64> {
    let (begin, length) = (Instant::now(), Duration::from_secs_f64(arguments.minutes * 60.0));
    let churn_rate = arguments.members as f64 * arguments.churn / 100.0 / 60.0;
    let (mut said, mut gone, mut dozed, mut early) = (0.0, 0.0, 0.0, None);
    while begin.elapsed() < length {
        let seconds = begin.elapsed().as_secs_f64();
        while said < seconds * f64::from(arguments.rate) {
            crowd.talk();
            said += 1.0;
        }
        while gone < seconds * churn_rate {
            crowd.churn();
            gone += 1.0;
        }
        while dozed < seconds * 10.0 {
            crowd.doze(Instant::now());
            dozed += 1.0;
        }
        crowd.turn(Duration::from_millis(2));
        crowd.wake(Instant::now());
        if early.is_none() && begin.elapsed() > length / 10 {
            early = resident_kib(server);
        }
    }
    early
}

fn main() {
    let arguments = Arguments::parse();
    #[cfg(unix)]
    rlimit::increase_nofile_limit(arguments.members as u64 + 200).unwrap();
    let (mut server, address) = start(arguments.members + arguments.talkers);
    let mut crowd = Crowd {
        poll: Poll::new().unwrap(),
        address,
        members: Vec::new(),
        order: Vec::new(),
        places: HashMap::new(),
        said: vec![0; arguments.talkers],
        rng: fastrand::Rng::with_seed(arguments.seed),
        names: 0,
        deliveries: 0,
        departures: 0,
        buffer: vec![0; 1 << 16],
    };
    crowd.gather(1 + arguments.talkers + arguments.members);
    let early = soak(&mut crowd, &arguments, &server);
    crowd.settle();
    let late = resident_kib(&server);
    println!(
        "{} lines, {} deliveries to {} listeners, {} of whom left and were replaced: \
         every line once and in order",
        crowd.order.len(),
        crowd.deliveries,
        arguments.members,
        crowd.departures
    );
    if let (Some(early), Some(late)) = (early, late) {
        println!(
            "memory of the server: {early} KiB after a tenth of the time, {late} KiB at the end"
        );
        assert!(late <= early + early / 5 + 1024, "it has grown");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

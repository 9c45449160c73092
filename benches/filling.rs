//! A room that fills: thousands come in one by one over loopback TCP, each waiting for the welcome
//! before the next connects, while one member says a line every 200 ms and another measures how
//! long these lines are under way. Shown is how long that takes, what the server's CPU has to do,
//! and how late the lines are meanwhile.
//!
//! ```text
//! cargo bench --bench filling                # 9,000 members; gives up after 180 s
//! cargo bench --bench filling -- --quick     # 1,000
//! ```
//!
//! The server is the real program in its own process. On this side one thread lets the members in,
//! and three others talk, listen, and read what everybody else receives, so that they do not wait
//! for each other. A line that is sent late still counts from when it was due.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what they are for")]

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use load::process::{Listening, Pid, Server};
use load::speech;

mod load;

const MEMBERS: usize = 9_000;
const MEMBERS_QUICK: usize = 1_000;
const MEMBERS_TEST: usize = 50;

/// When the room is not full by then, it is given up.
const GIVE_UP: Duration = Duration::from_secs(180);

/// From one line to the next.
const PACE: Duration = Duration::from_millis(200);

/// How long lines may still be under way when the room is full or given up.
const LAST_LINES: Duration = Duration::from_secs(5);

/// How often the members' sockets are read.
const DRAINING: Duration = Duration::from_millis(50);

/// Of a delivered line, name and LF included.
const LINE_BYTES: usize = 64;

/// Rows of the table before the last one.
const STEPS: usize = 9;

/// What the threads know of each other.
struct Shared {
    begun: Instant,
    /// Lines that the talker has sent.
    said: AtomicU64,
    /// The room is full, or it is given up.
    over: AtomicBool,
    /// Members whose connection the server has closed.
    lost: AtomicU64,
    /// Microseconds under way, since this was last taken.
    latencies: Mutex<Histogram<u64>>,
}

/// Tells the other threads that it is over, however that comes.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn main() -> ExitCode {
    // In cargo bench -- FILTER, FILTER is meant for all benchmarks.
    let filters: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "filling".contains(filter)) {
        return ExitCode::SUCCESS;
    }
    let given = |flag| env::args().any(|word| word == flag);
    let members = match () {
        () if given("--test") => MEMBERS_TEST,
        () if given("--quick") => MEMBERS_QUICK,
        () => MEMBERS,
    };
    match run(members) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("filling: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a server, and fills its room while somebody talks.
fn run(members: usize) -> io::Result<()> {
    if !load::fit(members)? {
        let limit = load::raise_descriptors()?;
        return Err(io::Error::other(format!("{members} members need more than {limit} files")));
    }
    let server = Server::start(&mut chinwag(members), Listening::Says("listening: "))?;
    let shared = Shared {
        begun: Instant::now(),
        said: AtomicU64::new(0),
        over: AtomicBool::new(false),
        lost: AtomicU64::new(0),
        latencies: Mutex::new(no_latencies()),
    };
    meanwhile(&server, &shared, members)
}

/// Fills the room while the other threads do their part.
fn meanwhile(server: &Server, shared: &Shared, members: usize) -> io::Result<()> {
    let deadline = shared.begun + GIVE_UP;
    let talker = enter(server.address(), 0, deadline)?;
    let listener = enter(server.address(), 1, deadline)?;
    let (comes, coming) = mpsc::channel();
    // The talker receives as much as anybody.
    let _ = comes.send(talker.try_clone()?);
    let mut table = Table::new(server.pid());
    thread::scope(|scope| {
        let ending = Ending(shared);
        scope.spawn(move || drain(&coming, shared));
        let talking = scope.spawn(move || talk(talker, shared));
        let listening = scope.spawn(move || listen(listener, shared));
        let filled = (2..members).try_for_each(|key| {
            let comer = enter(server.address(), key, deadline);
            let is_in = key + usize::from(comer.is_ok());
            if is_in % members.div_ceil(STEPS) == 0 || is_in == members || comer.is_err() {
                table.print_row(shared, is_in);
            }
            let _ = comes.send(comer.map_err(|error| why_not_full(server, is_in, &error))?);
            match shared.lost.load(Ordering::Relaxed) {
                0 => Ok(()),
                lost => {
                    let words = server.last_words();
                    Err(io::Error::other(format!("the server has closed {lost} members\n{words}")))
                }
            }
        });
        drop(ending);
        // All stay until the last line has come.
        let talked = talking.join();
        let listened = listening.join();
        drop(comes);
        table.print_end(shared);
        let panicked = |_| Err(io::Error::other("a thread panicked"));
        filled.and(talked.map_or_else(panicked, |talked| talked.map(drop)))?;
        listened.unwrap_or_else(panicked)
    })
}

/// The server, with room for all and nobody throttled, and otherwise as it comes.
fn chinwag(members: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["--listen", "lines=127.0.0.1:0", "--flood", "0", "--log-level", "info"]);
    command.args(["--max-clients", &(members + 10).to_string()]);
    command
}

/// Comes in, and waits for the welcome.
fn enter(address: SocketAddr, key: usize, deadline: Instant) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("{}\n", speech::name(key)).as_bytes())?;
    let (mut heard, mut scratch) = (Vec::new(), [0; 4096]);
    while !speech::contains(&heard, b"* You are ") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut scratch)? {
            0 => return Err(io::Error::other(String::from_utf8_lossy(&heard).into_owned())),
            count => heard.extend_from_slice(&scratch[..count]),
        }
    }
    Ok(stream)
}

/// Why the room is not full.
fn why_not_full(server: &Server, members: usize, error: &io::Error) -> io::Error {
    // What a read says when its time is over differs from system to system.
    io::Error::other(match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let seconds = GIVE_UP.as_secs();
            format!("gave up: after {seconds} s, only {members} were in the room")
        }
        _ => {
            let words = server.last_words();
            format!("with {members} in the room, the next was not let in: {error}\n{words}")
        }
    })
}

/// Says a line whenever one is due, and returns the connection. The clone from which its input is
/// drained has made it nonblocking; but its send buffer has room for more than is said in all.
fn talk(mut stream: TcpStream, shared: &Shared) -> io::Result<TcpStream> {
    while !shared.over.load(Ordering::Relaxed) {
        let number = shared.said.load(Ordering::Relaxed);
        thread::sleep(due(shared, number).saturating_duration_since(Instant::now()));
        let line = speech::text(number as usize % speech::NUMBERS, LINE_BYTES) + "\n";
        stream.write_all(line.as_bytes())?;
        shared.said.fetch_add(1, Ordering::Relaxed);
    }
    Ok(stream)
}

/// When the talker is to say its line with this number.
fn due(shared: &Shared, number: u64) -> Instant {
    shared.begun + PACE * (number + 1) as u32
}

/// Receives all that the talker says, in its order, until it is over.
fn listen(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(LAST_LINES))?;
    let mut lines = BufReader::new(stream);
    let (mut line, mut heard, mut over) = (Vec::new(), 0, None);
    loop {
        if shared.over.load(Ordering::Relaxed) {
            let said = shared.said.load(Ordering::Relaxed);
            if heard >= said {
                return Ok(());
            }
            if over.get_or_insert_with(Instant::now).elapsed() > LAST_LINES {
                let missing = said - heard;
                return Err(io::Error::other(format!("{missing} lines have not come")));
            }
        }
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Err(io::Error::other("the server has closed the listener"));
        }
        let said = speech::parts_of(line.trim_ascii_end());
        let Some((_, text)) = said.filter(|(name, _)| speech::key_of(name) == Some(0)) else {
            continue;
        };
        if speech::number_of(text) != Some(heard as usize % speech::NUMBERS) {
            let line = String::from_utf8_lossy(&line);
            return Err(io::Error::other(format!("instead of line {heard} comes {line:?}")));
        }
        let late = Instant::now().saturating_duration_since(due(shared, heard));
        let mut latencies = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.saturating_record(late.as_micros() as u64);
        heard += 1;
    }
}

/// Reads what the members receive, so that nobody is a slow reader.
fn drain(coming: &Receiver<TcpStream>, shared: &Shared) {
    let (mut members, mut scratch) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match coming.try_recv() {
            Ok(member) => {
                if member.set_nonblocking(true).is_ok() {
                    members.push(member);
                }
                continue;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        members.retain_mut(|member: &mut TcpStream| {
            let closed = loop {
                match member.read(&mut scratch) {
                    Ok(0) => break true,
                    Ok(count) if count < scratch.len() => break false,
                    Ok(_) => {}
                    Err(error) => break error.kind() != ErrorKind::WouldBlock,
                }
            };
            shared.lost.fetch_add(u64::from(closed), Ordering::Relaxed);
            !closed
        });
        thread::sleep(DRAINING);
    }
}

/// What is shown: a row for each step, and one of all.
struct Table {
    server: Pid,
    /// What the server had spent before anybody came.
    spent: Option<Duration>,
    latencies: Histogram<u64>,
}

impl Table {
    fn new(server: Pid) -> Self {
        println!("A room that fills one by one while somebody says a line every {PACE:?}.");
        println!();
        println!("members   seconds   CPU seconds   lines   p50 ms   p99 ms   most ms");
        Self { server, spent: server.cpu(), latencies: no_latencies() }
    }

    /// How it is with so many in the room; the lines are those since the last row.
    fn print_row(&mut self, shared: &Shared, members: usize) {
        let mut latest = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let step = std::mem::replace(&mut *latest, no_latencies());
        drop(latest);
        let cpu = self.server.cpu().zip(self.spent).map(|(now, before)| now - before);
        let cpu = cpu.map_or("?".to_owned(), |cpu| format!("{:.2}", cpu.as_secs_f64()));
        let seconds = shared.begun.elapsed().as_secs_f64();
        println!("{members:>7} {seconds:>9.2} {cpu:>13} {}", show(&step));
        self.latencies += &step;
    }

    /// All lines, with those that came last.
    fn print_end(&mut self, shared: &Shared) {
        let latest = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        self.latencies += &*latest;
        println!("{:>31} {}", "all lines", show(&self.latencies));
    }
}

fn show(latencies: &Histogram<u64>) -> String {
    let ms = |microseconds: u64| microseconds as f64 / 1000.0;
    let at = |quantile| ms(latencies.value_at_quantile(quantile));
    let (median, p99, most) = (at(0.5), at(0.99), ms(latencies.max()));
    format!("{:>7} {median:>8.2} {p99:>8.2} {most:>9.2}", latencies.len())
}

/// Up to a minute of microseconds, to three digits.
fn no_latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|error| unreachable!("these bounds are well: {error}"))
}

//! What others notice of those who come as fast as they can, and what they cost the server.
//!
//! ```text
//! cargo bench --bench coming                # everything, about two minutes
//! cargo bench --bench coming -- address     # one address that connects 5,000 times a second
//! cargo bench --bench coming -- handshakes  # 10,000 who come over TLS
//! cargo bench --bench coming -- logins      # 1,000 wrong passwords a second
//! ```
//!
//! **One address** connects 5,000 times a second, and closes each connection at once or keeps it as
//! long as it may. It is this machine's own address that is not loopback, which has no limits.
//! Meanwhile somebody says 50 lines a second to 100 others. The latency of these lines is compared
//! with that of times of quiet between, and of times in which the same connects are made to a
//! process that does nothing but accept and close: what the machine itself is slowed down by.
//!
//! **Handshakes**: 10,000 come over TLS, as fast as they get in, and leave as soon as they are in;
//! or all stay. The server's CPU time is compared with that of as many handshakes alone, in memory.
//! While they come and leave, somebody talks to ten others.
//!
//! **Logins**: somebody on the machine itself, whom nothing paces, gives 1,000 wrong passwords a
//! second over 64 connections, while somebody else talks as above. All the passwords that one
//! thread can check are checked; whoever finds its queue full is told so.

// A bench has no peer to be polite to: what goes wrong ends it, with the reason. Its table is what
// stdout is for.
#![allow(clippy::panic, clippy::print_stdout)]

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use load::certificate::Certificate;
use load::process::{Listening, Server};
use load::speech;
use load::spread::Spread;
use load::{Crowd, Pace};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection, StreamOwned};

mod load;

/// Lines that are said in a second.
const RATE: f64 = 50.0;

/// The length of a delivered line, name and LF included.
const LINE_BYTES: usize = 64;

/// Connects of the one address in a second, and those that are tried at once.
const CONNECTS_PER_SECOND: u32 = 5_000;
const CONNECTS_AT_ONCE: u32 = 5;

/// Has this executable be the process that accepts and closes.
const FLOOR: &str = "--accept-and-close";

/// Rounds of quiet and of coming, in turn; odd, so that a median is a measured value.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(5);

/// Passwords that are tried in a second, and over how many connections.
const LOGINS_PER_SECOND: u32 = 1_000;
const GUESSERS: usize = 64;

/// The account whose password is guessed. It is given as the password too: so nobody has to know
/// what was asked for, as no name comes of it.
const ACCOUNT: &str = "headmaster";

const COMERS: usize = 10_000;

/// Those who come over TLS at the same time.
const COMING_AT_ONCE: usize = 64;

fn main() -> io::Result<()> {
    load::raise_descriptors()?;
    if env::args().any(|argument| argument == FLOOR) {
        return serve_floor();
    }
    let arguments: Vec<_> = env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|it| it == name);
    if env::args().any(|argument| argument == "--test") {
        return Ok(()); // all that is here takes its time
    }
    if wanted("address") {
        measure_address()?;
    }
    if wanted("handshakes") && cfg!(feature = "tls") {
        measure_handshakes()?;
    }
    if wanted("logins") && cfg!(feature = "data") {
        measure_logins()?;
    }
    Ok(())
}

// ── one address ──────────────────────────────────────────────────────────────────────────────────

fn measure_address() -> io::Result<()> {
    let Some(own) = own_address() else {
        println!("This machine has no address but loopback, which has no limits.");
        return Ok(());
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["--listen", "lines=0.0.0.0:0", "--flood", "0", "--max-clients", "1000"]);
    command.args(["--listen", "web=127.0.0.1:0"]);
    let server = Server::start(&mut command, Listening::Says("listening: lines"))?;
    let port = server.address().port();
    let mut crowd = Crowd::join(
        SocketAddr::from(([127, 0, 0, 1], port)),
        &speech::CHINWAG,
        1,
        100,
        LINE_BYTES,
    )?;
    let floor = Server::start(floor_command()?.arg(FLOOR), Listening::Says("listening: "))?;
    println!("{CONNECTS_PER_SECOND} connects a second of one address: latency in ms, p50 and p99,");
    println!("median (least-most) of {ROUNDS} rounds of {ROUND:?} each, in turn");
    for keeps in [false, true] {
        println!("{}:", if keeps { "connections are kept" } else { "connections are closed" });
        let (mut connects, mut most, mut cpu) = (0, 0, Duration::ZERO);
        let mut at_floor = || knock((own, floor.address().port()).into(), keeps).map(drop);
        let mut at_server = || {
            let before = server.pid().cpu().unwrap_or_default();
            let come = knock((own, port).into(), keeps)?;
            cpu += server.pid().cpu().unwrap_or_default() - before;
            (connects, most) = (connects + come.connects, come.most.max(most));
            Ok(())
        };
        let [quiet, least, ours] = compare(
            &mut crowd,
            [("quiet", &mut rest), ("elsewhere", &mut at_floor), ("here", &mut at_server)],
        )?;
        println!("  p99 × {:.2} of quiet, × {:.2} of elsewhere;", ours / quiet, ours / least);
        let each = cpu.as_micros() as f64 / connects as f64;
        println!("  {connects} connects, at most {most} were open at once; {each:.1} µs of the");
        println!("  server's CPU for each, talk included");
    }
    Ok(())
}

/// This executable once more, as a process that accepts and closes.
fn floor_command() -> io::Result<Command> {
    env::current_exe().map(Command::new)
}

/// Accepts and closes until it is killed.
fn serve_floor() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:0")?;
    eprintln!("listening: {}", listener.local_addr()?);
    loop {
        drop(listener.accept()?);
    }
}

/// What became of an address's connects.
struct Come {
    connects: usize,
    /// Connections that were open at once.
    most: usize,
}

/// Connects for the time of a round.
fn knock(address: SocketAddr, keeps: bool) -> io::Result<Come> {
    let begun = Instant::now();
    let mut come = Come { connects: 0, most: 0 };
    let mut open: Vec<TcpStream> = Vec::new();
    while begun.elapsed() < ROUND {
        for _ in 0..CONNECTS_AT_ONCE {
            let stream = TcpStream::connect(address)?;
            stream.set_nonblocking(true)?;
            come.connects += 1;
            if keeps {
                open.push(stream);
            }
        }
        if come.connects.is_multiple_of(CONNECTS_PER_SECOND as usize / 10) {
            open.retain(is_open);
            come.most = come.most.max(open.len());
        }
        let due = Duration::from_secs(1) / CONNECTS_PER_SECOND * come.connects as u32;
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(come)
}

/// Whether the server has not closed it, after all that it had to say.
fn is_open(mut stream: &TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 256]) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Ok(0) | Err(_) => return false,
        }
    }
}

/// This machine's address towards others. Nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

// ── handshakes ───────────────────────────────────────────────────────────────────────────────────

fn measure_handshakes() -> io::Result<()> {
    let cert = Certificate::make()?;
    let alone = Spread::of(
        (0..ROUNDS).map(|_| handshakes_alone(&cert)).collect::<io::Result<Vec<_>>>()?.into_iter(),
    );
    println!("{COMERS} come over TLS. A handshake alone is {} µs", show_spread(alone));
    for stays in [false, true] {
        let [mut each, mut p99s, mut took] = [vec![], vec![], vec![]];
        for _ in 0..ROUNDS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
            command.args(["--listen", "lines+tls=127.0.0.1:0", "--flood", "0"]);
            command.args(["--max-clients", "20000"]).args(cert.flags());
            command.args(["--history", "0", "--backlog", "16M", "--log-level", "info"]);
            let server = Server::start(&mut command, Listening::Says("listening: "))?;
            let destination = load::Destination::over_tls(server.address(), &cert)?;
            let mut crowd = Crowd::join(destination, &speech::CHINWAG, 1, 10, LINE_BYTES)?;
            let before = server.pid().cpu_at_rest();
            let begun = Instant::now();
            let come = || come_over_tls(server.address(), &cert.client()?, stays);
            let stayed = if stays {
                come()? // lines to all of them would be what costs most
            } else {
                let (stayed, latency) = meanwhile(&mut crowd, come)?;
                p99s.push(latency.value_at_quantile(0.99) as f64 / 1e6);
                stayed
            };
            took.push(begun.elapsed().as_secs_f64());
            if let (Some(before), Some(after)) = (before, server.pid().cpu_at_rest()) {
                each.push((after - before).as_micros() as f64 / COMERS as f64);
            }
            drop(stayed);
        }
        println!("{}:", if stays { "all stay" } else { "all leave again" });
        println!("  all were in after {} s", show_spread(Spread::of(took.into_iter())));
        if !each.is_empty() {
            let each = Spread::of(each.into_iter());
            let ratio = each.median / alone.median;
            println!("  {} µs of the server's CPU for each: × {ratio:.2}", show_spread(each));
        }
        if !p99s.is_empty() {
            let p99 = show_spread(Spread::of(p99s.into_iter()));
            println!("  p99 of the talker's lines meanwhile: {p99} ms");
        }
    }
    Ok(())
}

/// The server's part of a handshake, in µs, by the median of many.
fn handshakes_alone(cert: &Certificate) -> io::Result<f64> {
    let (server, client) = (cert.server()?, cert.client()?);
    let mut times = Vec::new();
    for _ in 0..COMERS / 10 {
        let mut time = Duration::ZERO;
        let mut client = session(&client)?;
        let begun = Instant::now();
        let mut server = ServerConnection::new(Arc::clone(&server)).map_err(io::Error::other)?;
        time += begun.elapsed();
        let mut wire = Vec::new();
        while server.is_handshaking() {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
            let (mut rest, begun) = (&wire[..], Instant::now());
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets().map_err(io::Error::other)?;
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            time += begun.elapsed();
            let mut rest = &answer[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets().map_err(io::Error::other)?;
            }
        }
        times.push(time.as_nanos() as f64 / 1e3);
    }
    Ok(Spread::of(times.into_iter()).median)
}

fn session(config: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let host = ServerName::try_from("localhost").map_err(io::Error::other)?;
    ClientConnection::new(Arc::clone(config), host).map_err(io::Error::other)
}

type Guest = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// All come. Returns those who stay.
fn come_over_tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    stays: bool,
) -> io::Result<Vec<Guest>> {
    let next = AtomicUsize::new(0);
    let come = || {
        let mut stayed = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= COMERS {
                return Ok(stayed);
            }
            let guest = come_in(address, config, number)?;
            if stays {
                stayed.push(guest);
            }
        }
    };
    let stayed = thread::scope(|scope| {
        let all: Vec<_> = (0..COMING_AT_ONCE).map(|_| scope.spawn(come)).collect();
        let all = all.into_iter().map(|one| one.join().unwrap_or_else(|_| panic!("panicked")));
        all.collect::<io::Result<Vec<_>>>()
    })?;
    Ok(stayed.into_iter().flatten().collect())
}

fn come_in(address: SocketAddr, config: &Arc<ClientConfig>, number: usize) -> io::Result<Guest> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut guest = BufReader::with_capacity(512, StreamOwned::new(session(config)?, socket));
    guest.get_mut().write_all(format!("guest{number}\n").as_bytes())?;
    let mut line = String::new();
    while !line.starts_with("* You are ") {
        line.clear();
        if guest.read_line(&mut line)? == 0 || line.starts_with('!') {
            return Err(io::Error::other(format!("guest{number} does not get in: {line:?}")));
        }
    }
    Ok(guest)
}

// ── logins ───────────────────────────────────────────────────────────────────────────────────────

fn measure_logins() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coming");
    fs::create_dir_all(&folder)?;
    let data = folder.join("logins.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["--listen", "lines=127.0.0.1:0", "--flood", "0", "--data"]).arg(&data);
    let server = Server::start(&mut command, Listening::Says("listening: lines"))?;
    add_account(&data)?;
    let mut crowd = Crowd::join(server.address(), &speech::CHINWAG, 1, 100, LINE_BYTES)?;
    println!("{LOGINS_PER_SECOND} wrong passwords a second: latency in ms, p50 and p99,");
    println!("median (least-most) of {ROUNDS} rounds of {ROUND:?}, quiet and not in turn");
    let mut all = Guesses::default();
    let mut try_all = || {
        let guesses = guess(server.address())?;
        all = Guesses { wrong: all.wrong + guesses.wrong, refused: all.refused + guesses.refused };
        Ok(())
    };
    let [quiet, ours] = compare(&mut crowd, [("quiet", &mut rest), ("meanwhile", &mut try_all)])?;
    let ratio = ours / quiet;
    let seconds = (ROUND * ROUNDS as u32).as_secs_f64();
    let [wrong, refused] = [all.wrong, all.refused].map(|count| count as f64 / seconds);
    println!("  p99 × {ratio:.2}; {wrong:.0} passwords a second were wrong, {refused:.0} too many");
    drop(server);
    fs::remove_dir_all(folder)
}

fn add_account(data: &Path) -> io::Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["account", "add", ACCOUNT, "--data"]).arg(data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(b"not to be guessed\n")?;
    }
    match child.wait()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("the account cannot be made")),
    }
}

/// What became of passwords.
#[derive(Clone, Copy, Default)]
struct Guesses {
    wrong: usize,
    /// Not checked, since too many were waiting.
    refused: usize,
}

/// Tries passwords for the time of a round.
fn guess(address: SocketAddr) -> io::Result<Guesses> {
    let mut guessers = Vec::new();
    for _ in 0..GUESSERS {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        guessers.push(stream);
    }
    let (begun, mut guesses) = (Instant::now(), Guesses::default());
    for tick in 1.. {
        let due = Duration::from_secs(1) / LOGINS_PER_SECOND * tick;
        thread::sleep(due.saturating_sub(begun.elapsed()));
        if begun.elapsed() >= ROUND {
            break;
        }
        // Whoever still waits for the last answer is passed over.
        let answered = guessers.iter_mut().enumerate().find_map(|(place, stream)| {
            let mut answer = [0; 1024];
            let bytes = stream.read(&mut answer).ok().filter(|bytes| *bytes > 0)?;
            Some((place, String::from_utf8_lossy(&answer[..bytes]).into_owned()))
        });
        let Some((place, answer)) = answered else { continue };
        guesses.wrong += usize::from(answer.contains("! That is not the password"));
        guesses.refused += usize::from(answer.contains("! The server has too many passwords"));
        guessers[place].write_all(format!("{ACCOUNT}\n").as_bytes())?;
        guessers.rotate_left(place + 1);
    }
    Ok(guesses)
}

// ── latencies ────────────────────────────────────────────────────────────────────────────────────

/// What is done in a round, and how it is called.
type Work<'a> = (&'a str, &'a mut dyn FnMut() -> io::Result<()>);

/// Nothing is done in a round.
fn rest() -> io::Result<()> {
    thread::sleep(ROUND);
    Ok(())
}

/// Shows how long lines take while each of these is done, in turn. Returns the medians of p99, in
/// ms.
fn compare<const N: usize>(crowd: &mut Crowd, mut works: [Work<'_>; N]) -> io::Result<[f64; N]> {
    let mut times = [const { [Vec::new(), Vec::new()] }; N];
    for _ in 0..ROUNDS {
        for ((_, work), times) in works.iter_mut().zip(&mut times) {
            let ((), latency) = meanwhile(crowd, work)?;
            note(times, &latency);
        }
    }
    let spreads = times.map(|of| of.map(|times| Spread::of(times.into_iter())));
    for ((name, _), [p50, p99]) in works.iter().zip(&spreads) {
        println!("  {name:<10} {} {}", show_spread(*p50), show_spread(*p99));
    }
    Ok(spreads.map(|[_, p99]| p99.median))
}

/// Does `work` while the crowd talks in a thread of its own. Returns also how long the lines took.
fn meanwhile<T>(
    crowd: &mut Crowd,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, Histogram<u64>)> {
    crowd.take_latency();
    let done = AtomicBool::new(false);
    // One line at least, however fast the work is done.
    let more = |said| if said > 0 && done.load(Ordering::Relaxed) { 0 } else { u64::MAX };
    let (worked, talked) = thread::scope(|scope| {
        let talking = scope.spawn(|| crowd.talk(Pace::PerSecond(RATE), more));
        let worked = work();
        done.store(true, Ordering::Relaxed);
        (worked, talking.join())
    });
    let worked = worked?;
    talked.map_err(|_| io::Error::other("the talker panicked"))??;
    Ok((worked, crowd.take_latency()))
}

/// Notes p50 and p99 in ms.
fn note([p50, p99]: &mut [Vec<f64>; 2], latency: &Histogram<u64>) {
    p50.push(latency.value_at_quantile(0.5) as f64 / 1e6);
    p99.push(latency.value_at_quantile(0.99) as f64 / 1e6);
}

fn show_spread(Spread { least, median, most }: Spread) -> String {
    format!("{median:.2} ({least:.2}-{most:.2})")
}

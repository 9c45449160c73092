//! The loop of the server with TLS below it, whose bytes come and go in pieces: single bytes, half
//! a record, several at once, as the seed says. The clients are real ones of rustls, all in memory.
//!
//! What is tested is `src/net/tls.rs` itself, over a simulated socket (`tls_pieces/stream.rs`), in
//! the loop of `src/turn.rs`. Only the handling of what comes before a dialect, which is
//! `src/server.rs`, stands here once more.
//!
//! Everybody must hear all that the others say, once and in order, and see the end in TLS; and the
//! server must never have taken more for a reader than it may.
//!
//! `CHINWAG_SEED=7` tries that one alone, `CHINWAG_SEEDS=100000` so many.

#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a simulation that cannot go on has found something, and says so by a panic"
)]

#[path = "tls_pieces/stream.rs"]
mod stream;
#[allow(dead_code, reason = "the server uses all of it")]
#[path = "../src/net/tls.rs"]
mod tls;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits, Prelude};
use chinwag::dialect::Dialect;
use chinwag::event::CloseReason;
use chinwag::token::TOKEN_BYTES;
use chinwag::turn::{Accepted, Budgets, EventLoop, PollEvent, Sockets};
use chinwag::{ConnectionKey, Now};
use fastrand::Rng;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use stream::{Pipe, Stream};
use tls::{Handshake, TlsStream};

const SEEDS: u64 = 30;

/// What may be encrypted and not taken by the socket, in bytes of text.
const AHEAD_BYTES_MAX: usize = 4 * 1024;

/// Pieces that a read looks at before it may leave the rest for the next turn.
const PIECES_PER_READ: usize = 16;

/// Turns in a row in which nothing may come of anything.
const IDLE_TURNS_MAX: usize = 1000;

fn setting(name: &str) -> Option<u64> {
    Some(env::var(name).ok()?.parse().unwrap())
}

#[test]
fn however_tls_is_cut_everybody_hears_everything_and_sees_the_end() {
    let configs = configs();
    let seeds = match setting("CHINWAG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("CHINWAG_TLS_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let world = || World::new(seed, &configs).run();
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(world)).is_err() {
            panic!("see it alone: CHINWAG_SEED={seed} cargo test --test tls_pieces");
        }
    }
}

/// What both sides go by, as `src/net/certificates.rs` has it for the server.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let mut server = server.with_single_cert(vec![made.cert.der().clone()], key.unwrap()).unwrap();
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

// ── the server's side ────────────────────────────────────────────────────────────────────────────

/// The sockets of the server: what `MioSockets` is in `src/server.rs`.
struct PieceSockets {
    now: Now,
    config: Arc<ServerConfig>,
    poll: mio::Poll,
    waiting: VecDeque<Rc<RefCell<Pipe>>>,
    links: Vec<Option<Link>>,
    preparing: VecDeque<ConnectionKey>,
    unread: Vec<ConnectionKey>,
}

struct Link {
    key: ConnectionKey,
    tls: TlsStream,
    pipe: Rc<RefCell<Pipe>>,
    /// Bytes of text that were taken, and what the handshake had cost by then.
    taken: usize,
    before: usize,
}

impl PieceSockets {
    fn link(&mut self, key: ConnectionKey) -> &mut Link {
        self.links[key.index()].as_mut().unwrap()
    }

    fn queue(&mut self, key: ConnectionKey) {
        if !mem::replace(&mut self.link(key).tls.queued, true) {
            self.preparing.push_back(key);
        }
    }

    /// Takes a step of a handshake.
    fn take_step(&mut self, key: ConnectionKey, told: &mut Vec<PollEvent>) {
        let Some(link) = &mut self.links[key.index()] else { return };
        link.tls.queued = false;
        if !link.tls.is_preparing() {
            return;
        }
        let step = link.tls.handshake();
        link.tls.watch_writable(false, self.poll.registry()).unwrap();
        let mut failed = |reason| told.push(PollEvent::Failed(key, reason));
        match step {
            Handshake::Waiting => {}
            Handshake::GoesOn { .. } => self.queue(key),
            Handshake::Done => {
                link.before = link.pipe.borrow().written;
                told.extend([PollEvent::Prepared(key), PollEvent::Readable(key)]);
            }
            Handshake::Ended => failed(CloseReason::EndOfInput),
            Handshake::Lost => failed(CloseReason::ConnectionLost),
            Handshake::Failed => failed(CloseReason::TlsFailed),
        }
    }
}

impl Sockets for PieceSockets {
    type Handle = Rc<RefCell<Pipe>>;

    fn now(&self) -> Now {
        self.now
    }

    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]> {
        Some([0; TOKEN_BYTES])
    }

    fn poll(&mut self, _: Option<Duration>, told: &mut Vec<PollEvent>) -> io::Result<usize> {
        let mut queued = Vec::new();
        for link in self.links.iter_mut().flatten() {
            let (readable, writable) = {
                let mut pipe = link.pipe.borrow_mut();
                (mem::take(&mut pipe.readable_edge), mem::take(&mut pipe.writable_edge))
            };
            if link.tls.is_preparing() {
                queued.extend((readable || writable).then_some(link.key));
                continue;
            }
            if writable {
                let _ = link.tls.flush();
                link.tls.watch_writable(false, self.poll.registry())?;
                told.push(PollEvent::Writable(link.key));
            }
            told.extend(readable.then_some(PollEvent::Readable(link.key)));
        }
        queued.into_iter().for_each(|key| self.queue(key));
        told.extend(self.unread.drain(..).map(PollEvent::Readable));
        Ok(told.len())
    }

    fn is_ready(&self) -> bool {
        true // nobody waits for anything here
    }

    fn count(&self) -> usize {
        self.links.len()
    }

    fn listeners(&self) -> usize {
        1
    }

    fn accept(&mut self, _: usize, _: Instant) -> Option<Accepted<Self::Handle>> {
        let remote = SocketAddr::from(([127, 0, 0, 1], 5000));
        let prelude = Prelude { tls: true, proxy: false };
        let handle = self.waiting.pop_front()?;
        Some(Accepted { handle, dialect: Dialect::Lines, prelude, remote, is_exposed: false })
    }

    fn open(&mut self, key: ConnectionKey, pipe: Self::Handle) -> io::Result<()> {
        let tls = TlsStream::connect(&self.config)?;
        let tls = TlsStream::new(Stream(Rc::clone(&pipe)), tls);
        if self.links.len() <= key.index() {
            self.links.resize_with(key.index() + 1, || None);
        }
        self.links[key.index()] = Some(Link { key, tls, pipe, taken: 0, before: 0 });
        self.queue(key);
        Ok(())
    }

    fn prepare(&mut self, told: &mut Vec<PollEvent>) {
        for _ in 0..self.preparing.len() {
            let Some(key) = self.preparing.pop_front() else { break };
            self.take_step(key, told);
        }
    }

    fn turn_away(&mut self, _: Self::Handle, _: &[u8]) {
        panic!("there is room for everybody");
    }

    fn close_listeners(&mut self) {}

    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize> {
        let link = self.links[key.index()].as_mut().unwrap();
        let reads = link.pipe.borrow().reads;
        let read = link.tls.read(buffer);
        if mem::take(&mut link.tls.unread) {
            let pieces = link.pipe.borrow().reads - reads;
            assert!(pieces >= PIECES_PER_READ, "a read has ended after {pieces} pieces");
            self.unread.push(key);
        }
        if read.is_err() {
            link.tls.flush()?;
            link.tls.watch_writable(false, self.poll.registry())?;
        }
        read
    }

    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let link = self.link(key);
        let written = link.tls.write(slices);
        link.taken += written.as_ref().copied().unwrap_or_default();
        // What the socket has taken is longer than its text, so this is not too strict.
        let ahead = (link.before + link.taken).saturating_sub(link.pipe.borrow().written);
        assert!(ahead <= AHEAD_BYTES_MAX, "{ahead} bytes are ahead of a socket that is full");
        written
    }

    fn watch_writable(&mut self, key: ConnectionKey, wanted: bool) -> io::Result<()> {
        let link = self.links[key.index()].as_mut().unwrap();
        link.tls.watch_writable(wanted, self.poll.registry())
    }

    fn flush(&mut self, key: ConnectionKey) -> io::Result<bool> {
        let link = self.link(key);
        let all = link.tls.flush()?;
        let pipe = link.pipe.borrow();
        assert_eq!(all, !pipe.is_short, "whether all is flushed");
        assert!(!all || !pipe.corked, "the system waits for what does not come");
        drop(pipe);
        Ok(all)
    }

    fn finish(&mut self, key: ConnectionKey) -> io::Result<bool> {
        self.link(key).tls.finish()
    }

    fn shut(&mut self, key: ConnectionKey) -> bool {
        let link = self.links[key.index()].as_mut().unwrap();
        link.tls.shut();
        link.tls.watch_writable(false, self.poll.registry()).unwrap();
        self.unread.push(key);
        true
    }

    fn close(&mut self, key: ConnectionKey) {
        self.links[key.index()] = None;
    }
}

// ── the clients' side ────────────────────────────────────────────────────────────────────────────

/// Somebody who speaks `lines`.
#[derive(Debug)]
struct Client {
    name: String,
    tls: ClientConnection,
    pipe: Rc<RefCell<Pipe>>,
    /// Encrypted and not sent.
    wire: VecDeque<u8>,
    /// What it still has to say, and how it ends.
    script: VecDeque<String>,
    quits: bool,
    /// All that has come, and whether it has ended in TLS.
    heard: String,
    partial: Vec<u8>,
    ended: bool,
}

impl Client {
    fn new(number: usize, rng: &mut Rng, config: &Arc<ClientConfig>) -> Client {
        let name = format!("client{number}");
        let lines = rng.usize(..30);
        let longest = if rng.bool() { 3000 } else { 50 };
        let line = |line| format!("{line} {}", "x".repeat(rng.usize(..longest)));
        let script = (0..lines).map(line).collect();
        let tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap());
        let mut client = Client {
            tls: tls.unwrap(),
            pipe: Rc::new(RefCell::new(Pipe::new(Rng::with_seed(rng.u64(..))))),
            wire: VecDeque::new(),
            script,
            quits: rng.bool(),
            heard: String::new(),
            partial: Vec::new(),
            ended: false,
            name,
        };
        let name = client.name.clone();
        client.says(&name);
        client
    }

    fn says(&mut self, line: &str) {
        self.tls.writer().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn is_in(&self) -> bool {
        self.heard.contains("* You are ")
    }

    /// Some bytes come, and some go. Returns whether there were any.
    fn moves(&mut self) -> bool {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire).unwrap();
        }
        let mut pipe = self.pipe.borrow_mut();
        let bytes = pipe.part(self.wire.len());
        pipe.inbox.extend(self.wire.drain(..bytes));
        pipe.readable_edge |= bytes > 0;
        let received = pipe.receive();
        let ends = pipe.shut && pipe.outbox.is_empty();
        drop(pipe);
        let mut rest = &received[..];
        loop {
            // What is not taken out fills the client's buffer.
            match self.tls.reader().read_to_end(&mut self.partial) {
                // The server has said so in TLS.
                Ok(_) => self.ended = true,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            if rest.is_empty() {
                break;
            }
            self.tls.read_tls(&mut rest).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        assert!(self.ended || !ends, "{} sees an end that TLS has not told", self.name);
        let text = String::from_utf8(mem::take(&mut self.partial)).unwrap();
        self.heard.push_str(&text);
        bytes > 0 || !received.is_empty()
    }

    /// Has no more to say, and says so.
    fn leaves(&mut self) {
        if self.quits {
            self.says("/quit");
        } else {
            self.tls.send_close_notify();
        }
    }

    /// What it has heard of somebody.
    fn heard_of<'a>(&'a self, name: &str) -> Vec<&'a str> {
        let prefix = format!("{name}: ");
        let lines = self.heard.split_inclusive('\n');
        lines.filter_map(|line| line.strip_suffix('\n')?.strip_prefix(&prefix)).collect()
    }
}

/// A server and its clients.
struct World {
    rng: Rng,
    event_loop: EventLoop,
    sockets: PieceSockets,
    clients: Vec<Client>,
    /// All are in, and talk.
    talking: bool,
}

impl World {
    fn new(seed: u64, (server, client): &(Arc<ServerConfig>, Arc<ClientConfig>)) -> World {
        let mut rng = Rng::with_seed(seed);
        let now = Now { instant: Instant::now(), unix_seconds: 0 };
        let limits = Limits { flood: None, history_lines_max: 0, ..Limits::default() };
        let config = Config { limits, ..Config::default() };
        let budgets = Budgets {
            read_bytes: if rng.bool() { rng.usize(1..200) } else { 16 * 1024 },
            read_bytes_per_turn: rng.usize(1..64 * 1024),
            ..Budgets::default()
        };
        let clients: Vec<_> =
            (0..rng.usize(2..5)).map(|number| Client::new(number, &mut rng, client)).collect();
        let sockets = PieceSockets {
            now,
            config: Arc::clone(server),
            poll: mio::Poll::new().unwrap(),
            waiting: clients.iter().map(|client| Rc::clone(&client.pipe)).collect(),
            links: Vec::new(),
            preparing: VecDeque::new(),
            unread: Vec::new(),
        };
        World {
            rng,
            event_loop: EventLoop::new(&config, budgets, now),
            sockets,
            clients,
            talking: false,
        }
    }

    fn run(mut self) {
        self.lives_until("all are in", |clients| clients.iter().all(Client::is_in));
        let said: Vec<Vec<String>> =
            self.clients.iter().map(|client| Vec::from(client.script.clone())).collect();
        self.talking = true;
        self.lives_until("all have heard all", |clients| {
            clients.iter().zip(&said).all(|(speaker, said)| {
                let others = clients.iter().filter(|client| client.name != speaker.name);
                let mut counts = others.map(|client| client.heard_of(&speaker.name).len());
                speaker.script.is_empty() && counts.all(|count| count >= said.len())
            })
        });
        for (speaker, said) in self.clients.iter().zip(&said) {
            for client in self.clients.iter().filter(|client| client.name != speaker.name) {
                assert_eq!(client.heard_of(&speaker.name), *said, "{}", client.name);
            }
        }
        for client in &mut self.clients {
            client.leaves();
        }
        self.lives_until("all have seen the end", |clients| {
            clients.iter().all(|client| client.ended && client.pipe.borrow().shut)
        });
        for client in &mut self.clients {
            let mut pipe = client.pipe.borrow_mut();
            (pipe.inbox_ended, pipe.readable_edge) = (true, true);
            assert!(!client.quits || client.heard.ends_with("* Goodbye.\n"), "{}", client.name);
        }
        for _ in 0..IDLE_TURNS_MAX {
            self.event_loop.turn(&mut self.sockets).unwrap();
        }
        assert!(self.sockets.links.iter().all(Option::is_none), "somebody is kept");
    }

    /// Goes on until that is so.
    fn lives_until(&mut self, what: &str, is_so: impl Fn(&[Client]) -> bool) {
        let mut idle = 0;
        while !is_so(&self.clients) {
            let mut moved = false;
            for client in &mut self.clients {
                // Some are slow.
                if self.rng.u8(..3) == 0 {
                    continue;
                }
                if self.talking
                    && self.rng.bool()
                    && let Some(line) = client.script.pop_front()
                {
                    client.says(&line);
                }
                moved |= client.moves();
            }
            self.event_loop.turn(&mut self.sockets).unwrap();
            // Who comes and goes is told a little later.
            self.sockets.now.instant += Duration::from_micros(100);
            idle = if moved { 0 } else { idle + 1 };
            assert!(
                idle < IDLE_TURNS_MAX,
                "nothing happens any more, before {what}: {:#?}",
                self.clients
            );
        }
    }
}

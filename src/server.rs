//! The server: the readiness loop. It moves bytes between sockets and the [`Hub`], and knows no
//! word of chat. [`Server::turn`] is the whole program.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

use crate::config::{CLIENTS_MIN, Config, LISTENERS_MAX, ListenerSpec};
use crate::dialect::{Dialect, Transport};
use crate::hub::{Hub, TURNED_AWAY_MAX};
use crate::key::ConnectionKey;
use crate::net::console::Console;
use crate::net::datagram::Datagrams;
use crate::net::descriptors;
use crate::net::listener::Listener;
use crate::net::signals::Signals;
use crate::net::stream::{Input, Stream};
use crate::timers::Now;

/// What is read of one connection before the next one has its turn.
const READ_BYTES_PER_TURN: usize = 64 * 1024;
/// What one read can bring. Whoever must wait to be heard has at most this held for it.
const READ_BYTES: usize = 16 * 1024;
/// Connections that are accepted before those who are in have their turn.
const ACCEPTS_PER_TURN: usize = 512;
/// Datagrams that are read of one socket in a turn: as many as Linux keeps in one by default, so
/// that all that came in time are read before a deadline.
const DATAGRAMS_PER_TURN: usize = 256;
/// Events that one poll can bring.
const EVENTS: usize = 4096;
/// Pieces of one write. A talker, whose own lines are left out, needs two; a newcomer one for each
/// line of the history.
const SLICES: usize = 16;
/// Descriptors for other things than connections and listeners: the standard streams, the poll,
/// signals, a spare one for each of a few listeners.
const OTHER_DESCRIPTORS: usize = 16;

/// The tokens of the signals and of what wakes the loop; those of the listeners are just below.
const SIGNALS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const FIRST_LISTENER: usize = usize::MAX - 2;
const FIRST_DATAGRAMS: usize = FIRST_LISTENER - LISTENERS_MAX;
/// A connection's token is a generation and, in this many low bits, its key.
const KEY_BITS: u32 = usize::BITS / 2 + 4;

/// A chat server.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    signals: Signals,
    listeners: Vec<(Dialect, Listener)>,
    datagrams: Vec<(Dialect, Datagrams)>,
    /// The server's own terminal and the peer that sits there.
    console: Option<(Console, ConnectionKey)>,
    /// What carries the bytes of each of the hub's peers, under the same key.
    links: Slab<Link>,
    hub: Hub,
    /// Who has, or may have, something to read.
    ready: VecDeque<ConnectionKey>,
    now: Now,
    drain: Duration,
    stopping: Option<Stopping>,
    /// Reused from turn to turn.
    scratch: Box<[u8]>,
    keys: Vec<ConnectionKey>,
}

/// What carries a peer's bytes.
#[derive(Debug)]
enum Link {
    Stream {
        stream: Stream,
        /// It is on the list of those to read.
        queued: bool,
        key: ConnectionKey,
    },
    /// The UDP socket with this index.
    Datagrams(u32),
    Console,
}

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    /// What waits is being flushed, until then at the latest.
    By(Instant),
    /// Nothing more is waited for.
    AtOnce,
}

/// Why a server could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened at.
    Bind(ListenerSpec, io::Error),
    /// The system's limit of open descriptors is too low (the limit).
    Descriptors(u64),
    /// The system does not give us what every server needs.
    System(io::Error),
}

impl Server {
    /// Opens all listeners of `config`, which must be sound ([`Config::check`]).
    ///
    /// # Errors
    /// If an address cannot be listened at, or the system is short of something.
    pub fn bind(config: &Config) -> Result<Server, StartError> {
        let mut config = config.clone();
        config.limits.clients_max = clients_within_descriptors(&config)?;
        let poll = Poll::new().map_err(StartError::System)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(StartError::System)?);
        let signals = Signals::register(poll.registry(), SIGNALS, &waker);
        let mut server = Server {
            signals: signals.map_err(StartError::System)?,
            listeners: Vec::new(),
            datagrams: Vec::new(),
            console: None,
            links: Slab::new(),
            now: present(),
            hub: Hub::new(&config, present()),
            ready: VecDeque::new(),
            drain: config.limits.drain,
            stopping: None,
            scratch: vec![0; READ_BYTES].into(),
            keys: Vec::new(),
            poll,
        };
        for spec in &config.listeners {
            server.listen(*spec).map_err(|error| StartError::Bind(*spec, error))?;
        }
        if let Some(name) = &config.console {
            let console = Console::open(&waker).map_err(StartError::System)?;
            let key = server.hub.add_console(name, server.now);
            server.console = Some((console, key));
            let same = server.links.insert(Link::Console);
            debug_assert_eq!(key.index(), same, "both slabs see the same history");
        }
        Ok(server)
    }

    fn listen(&mut self, spec: ListenerSpec) -> io::Result<()> {
        let ListenerSpec { dialect, address } = spec;
        let registry = self.poll.registry();
        let address = match dialect.transport() {
            Transport::Tcp => {
                let token = Token(FIRST_LISTENER - self.listeners.len());
                let listener = Listener::bind(address, registry, token)?;
                let address = listener.address();
                self.listeners.push((dialect, listener));
                address
            }
            Transport::Udp => {
                let token = Token(FIRST_DATAGRAMS - self.datagrams.len());
                let datagrams = Datagrams::bind(address, registry, token)?;
                let address = datagrams.address();
                self.datagrams.push((dialect, datagrams));
                address
            }
        };
        log::info!("listening: {dialect} on {address}");
        Ok(())
    }

    /// What is spoken where, with the ports that the listeners really have.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerSpec> {
        let listeners = self.listeners.iter().map(|(dialect, it)| (*dialect, it.address()));
        let datagrams = self.datagrams.iter().map(|(dialect, it)| (*dialect, it.address()));
        listeners.chain(datagrams).map(|(dialect, address)| ListenerSpec { dialect, address })
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// If the system's poll fails; no peer can bring that about.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.has_stopped() {
            self.turn(&mut events)?;
        }
        log::info!("stopped");
        Ok(())
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// See [`run`](Self::run).
    pub fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        self.wait(events)?;
        self.read();
        self.hub.handle_timeout(self.now);
        self.write();
        self.reap();
        self.accept();
        self.hub.handle_turn_end(present().instant - self.now.instant);
        Ok(())
    }

    /// Waits until a socket is ready or a deadline has come, takes the time, and notes what is
    /// ready.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.queue_resumed();
        let ready = !self.ready.is_empty()
            || self.listeners.iter().any(|(_, listener)| listener.is_ready())
            || self.datagrams.iter().any(|(_, datagrams)| datagrams.is_readable());
        let deadline = self.next_deadline();
        let timeout = match deadline {
            _ if ready => Some(Duration::ZERO),
            deadline => deadline.map(|at| at.saturating_duration_since(self.now.instant)),
        };
        self.ask(events, timeout)?;
        self.now = present();
        self.note(events);
        if deadline.is_some_and(|deadline| deadline <= self.now.instant) {
            self.note_all(events)?;
        }
        Ok(())
    }

    /// When something is to be done, whatever the sockets bring.
    fn next_deadline(&self) -> Option<Instant> {
        let stop = self.stopping.map(|stopping| match stopping {
            Stopping::By(deadline) => deadline,
            Stopping::AtOnce => self.now.instant,
        });
        let retries = self.listeners.iter().filter_map(|(_, listener)| listener.retry_at());
        retries.chain(self.hub.poll_timeout()).chain(stop).min()
    }

    /// Notes all that is ready at the present, before what is due by then is done: a process that
    /// was stopped for a while must not let anybody go whose bytes came in time. Of a socket that
    /// is ready again and again it is told in turn with the others, so it can be known when all
    /// have been told of; of one socket there may be two things to tell.
    fn note_all(&mut self, events: &mut Events) -> io::Result<()> {
        let sockets = self.links.len() + self.listeners.len() + self.datagrams.len() + 1;
        let most = events.capacity().max(1);
        for _ in 0..=2 * sockets / most {
            self.ask(events, Some(Duration::ZERO))?;
            self.note(events);
            if events.iter().count() < most {
                break;
            }
        }
        Ok(())
    }

    /// Asks the system what is ready.
    fn ask(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            // A signal: its event is there, or will be in the next turn. Or the process was
            // stopped, and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Notes what has become ready. Nothing is done yet: one event must not find a socket gone
    /// that another of the same batch has closed.
    fn note(&mut self, events: &Events) {
        for event in events {
            let token = event.token();
            let listener = FIRST_LISTENER.wrapping_sub(token.0);
            let datagrams = FIRST_DATAGRAMS.wrapping_sub(token.0);
            if let Some((_, listener)) = self.listeners.get_mut(listener) {
                listener.note_ready();
            } else if datagrams < self.datagrams.len() {
                self.note_datagrams(datagrams, event);
            } else if token != SIGNALS && token != WAKER {
                self.note_stream(token, event);
            }
        }
        // What these have to say is not in their events, and they are cheap to ask.
        for _ in 0..self.signals.received() {
            self.stop();
        }
    }

    fn note_datagrams(&mut self, index: usize, event: &Event) {
        let (_, datagrams) = &mut self.datagrams[index];
        if event.is_readable() || event.is_error() {
            datagrams.note_readable();
        }
        if event.is_writable() {
            // If the system cannot be asked to tell no more, it tells once more at worst.
            for key in datagrams.take_blocked(self.poll.registry()).unwrap_or_default() {
                self.hub.handle_writable(key);
            }
        }
    }

    fn note_stream(&mut self, token: Token, event: &Event) {
        let index = token.0 & ((1 << KEY_BITS) - 1);
        let Some(Link::Stream { stream, queued, key }) = self.links.get_mut(index) else { return };
        if stream.token() != token {
            return; // of a socket that had this place before
        }
        let key = *key;
        if event.is_writable() {
            self.hub.handle_writable(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            stream.note_readable();
            if !mem::replace(queued, true) {
                self.ready.push_back(key);
            }
        }
    }

    /// Lets in those who wait to be accepted.
    fn accept(&mut self) {
        let mut listeners = mem::take(&mut self.listeners);
        for (dialect, listener) in &mut listeners {
            for _ in 0..ACCEPTS_PER_TURN {
                let Some((socket, remote)) = listener.accept(self.now.instant) else { break };
                self.take_in(socket, *dialect, remote);
            }
        }
        self.listeners = listeners;
    }

    /// Gives a socket and the peer that the hub makes for it the same key.
    fn take_in(&mut self, socket: TcpStream, dialect: Dialect, remote: SocketAddr) {
        match self.hub.handle_connect(dialect, remote, self.now) {
            Ok(key) => {
                let token = token_of(key);
                let mut stream = Stream::new(socket, token);
                let watched = stream.watch(self.poll.registry());
                let same = self.links.insert(Link::Stream { stream, queued: false, key });
                debug_assert_eq!(key.index(), same, "both slabs see the same history");
                if let Err(error) = watched {
                    log::warn!("{remote} cannot be watched: {error}");
                    self.hub.handle_disconnect(key, self.now);
                }
            }
            Err(reason) => {
                let farewell = self.hub.farewell(dialect, reason);
                let mut stream = Stream::new(socket, WAKER); // it is never watched
                turn_away(&mut stream, &farewell, &mut self.scratch);
            }
        }
    }

    /// Reads those who have something, in turn, each within its budget.
    fn read(&mut self) {
        for index in 0..self.datagrams.len() {
            self.read_datagrams(index);
        }
        self.read_console();
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            if self.read_from(key) {
                self.ready.push_back(key);
            }
        }
    }

    /// Hears what comes without a connection. Whoever is not known is a peer from now on.
    fn read_datagrams(&mut self, index: usize) {
        let Server { datagrams, hub, links, now, stopping, .. } = self;
        let (dialect, datagrams) = &mut datagrams[index];
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some((bytes, remote)) = datagrams.receive() else { break };
            let known = datagrams.peer_at(remote);
            let key = match known {
                Some(key) => key,
                None if stopping.is_some() => continue,
                None => match hub.handle_connect(*dialect, remote, *now) {
                    Ok(key) => key,
                    Err(_) => continue,
                },
            };
            if known.is_none() {
                let same = links.insert(Link::Datagrams(index as u32));
                debug_assert_eq!(key.index(), same, "both slabs see the same history");
                datagrams.add(key, remote);
            }
            hub.handle_input(key, datagrams.received(bytes), *now);
        }
    }

    /// Asks the terminal, which has no event of its own: the loop was woken, perhaps by it.
    fn read_console(&mut self) {
        let Some((_, key)) = self.console else { return };
        if !matches!(self.links.get(key.index()), Some(Link::Console)) {
            return; // whoever sat there has left
        }
        if self.read_from(key) {
            self.ready.push_back(key);
        }
    }

    /// Reads one until there is nothing more, it is not to be heard, or its budget is used up.
    /// Returns whether it is the last.
    fn read_from(&mut self, key: ConnectionKey) -> bool {
        let Some(link) = self.links.get_mut(key.index()) else { return false };
        if let Link::Stream { key: here, .. } = link
            && *here != key
        {
            return false; // whoever was to be read has gone
        }
        let mut left = READ_BYTES_PER_TURN;
        let mut again = false;
        while self.hub.wants_input(key) {
            if left == 0 {
                again = true;
                break;
            }
            let buffer = &mut self.scratch[..];
            let input = match (&mut *link, &mut self.console) {
                (Link::Stream { stream, .. }, _) => stream.read(buffer),
                (Link::Console, Some((console, _))) => console.read(buffer),
                (Link::Console | Link::Datagrams(_), _) => Input::Nothing,
            };
            match input {
                Input::Bytes(bytes) => {
                    left = left.saturating_sub(bytes);
                    self.hub.handle_input(key, &self.scratch[..bytes], self.now);
                    continue;
                }
                Input::Nothing => self.hub.handle_read_drained(key, self.now),
                Input::End => self.hub.handle_end(key, self.now),
                Input::Broken => self.hub.handle_disconnect(key, self.now),
            }
            break;
        }
        if let Link::Stream { queued, .. } = link {
            *queued = again;
        }
        again
    }

    /// Puts those back among the ready whom the hub would not hear before.
    fn queue_resumed(&mut self) {
        let mut keys = mem::take(&mut self.keys);
        keys.clear();
        self.hub.poll_resumed(&mut keys);
        for key in keys.drain(..) {
            match self.links.get_mut(key.index()) {
                Some(Link::Stream { stream, queued, .. }) if stream.is_readable() && !*queued => {
                    *queued = true;
                    self.ready.push_back(key);
                }
                Some(Link::Console) => self.ready.push_back(key),
                _ => {}
            }
        }
        self.keys = keys;
    }

    /// Writes to everyone who has something waiting.
    fn write(&mut self) {
        let mut keys = mem::take(&mut self.keys);
        self.hub.poll_writers(&mut keys, self.now);
        for key in keys.drain(..) {
            let broken = self.write_to(key).is_err();
            if broken {
                self.hub.handle_disconnect(key, self.now);
            } else if self.hub.poll_finished(key, self.now) {
                match &self.links[key.index()] {
                    Link::Stream { stream, .. } => stream.shut(),
                    // There is no other side that could still send.
                    Link::Datagrams(_) | Link::Console => self.hub.handle_end(key, self.now),
                }
            }
        }
        self.keys = keys;
    }

    /// Writes to one all that waits for it, or as much as its socket takes.
    fn write_to(&mut self, key: ConnectionKey) -> io::Result<()> {
        let Server { hub, links, datagrams, console, poll, now, .. } = self;
        let (registry, link) = (poll.registry(), &mut links[key.index()]);
        let mut more = true;
        while more {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = hub.poll_transmit(key, &mut slices);
            let slices = &slices[..filled];
            if slices.is_empty() {
                break;
            }
            let written = match link {
                Link::Stream { stream, .. } => stream.write(slices),
                Link::Datagrams(index) => datagrams[*index as usize].1.send(key, slices),
                Link::Console => match console {
                    Some((console, _)) => Ok(console.write(slices)),
                    None => Err(io::ErrorKind::NotConnected.into()),
                },
            };
            match written {
                Ok(bytes) => more = hub.handle_written(key, bytes, *now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    hub.handle_blocked(key, *now);
                    return match link {
                        Link::Stream { stream, .. } => stream.watch_writable(true, registry),
                        Link::Datagrams(index) => {
                            datagrams[*index as usize].1.note_blocked(key, registry)
                        }
                        Link::Console => Ok(()),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        match link {
            Link::Stream { stream, .. } => stream.watch_writable(false, registry),
            Link::Datagrams(_) | Link::Console => Ok(()),
        }
    }

    /// Drops the sockets of connections that are gone. Until now their keys were not free, so
    /// nothing in this turn could meet a stranger under one of them.
    fn reap(&mut self) {
        self.hub.poll_closed(&mut self.keys);
        for key in self.keys.drain(..) {
            if let Link::Datagrams(index) = self.links.remove(key.index()) {
                self.datagrams[index as usize].1.remove(key);
            }
        }
    }

    /// The server was asked to stop: the first time it says so to everyone, the second time it
    /// waits for nobody.
    fn stop(&mut self) {
        if self.stopping.is_some() {
            log::info!("stopping at once");
            self.stopping = Some(Stopping::AtOnce);
            return;
        }
        log::info!("stopping");
        self.listeners.clear();
        self.hub.handle_stop(self.now);
        self.stopping = Some(Stopping::By(self.now.instant + self.drain));
    }

    fn has_stopped(&self) -> bool {
        match self.stopping {
            None => false,
            Some(Stopping::AtOnce) => true,
            Some(Stopping::By(deadline)) => {
                let writing = self.console.as_ref().is_some_and(|(c, _)| c.is_writing());
                self.hub.is_empty() && !writing || deadline <= self.now.instant
            }
        }
    }
}

impl fmt::Display for StartError {
    /// One sentence that says what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(ListenerSpec { dialect, address }, error) => {
                let (why, advice) = match error.kind() {
                    io::ErrorKind::AddrInUse => (
                        "another program has it".to_owned(),
                        "stop that one, or choose another port",
                    ),
                    io::ErrorKind::PermissionDenied => (
                        "this needs rights that you do not have".to_owned(),
                        "choose a port above 1023",
                    ),
                    io::ErrorKind::AddrNotAvailable => {
                        ("this machine has no such address".to_owned(), "choose one that it has")
                    }
                    _ => (error.to_string(), "choose another address"),
                };
                write!(
                    f,
                    "cannot listen on {address}: {why}; {advice}, as in --listen {dialect}="
                )?;
                write!(f, "{}", SocketAddr::from(([127, 0, 0, 1], dialect.port())))
            }
            StartError::Descriptors(limit) => write!(
                f,
                "the limit of {limit} open files leaves room for fewer than {CLIENTS_MIN} clients; \
                 raise it, as with ulimit -n 1024"
            ),
            StartError::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// The token of a connection's socket. What of the generation does not fit in is left out; it tells
/// a socket from those that had its place shortly before.
fn token_of(key: ConnectionKey) -> Token {
    Token(((key.generation() as usize) << KEY_BITS) | key.index())
}

/// The time, taken here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn present() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Now { instant: Instant::now(), unix_seconds: unix.unwrap_or_default().as_secs() }
}

/// Says goodbye to somebody for whom there is no place, as well as that can be done at once: what
/// they have already sent is read, for closing would otherwise discard what we write; but not
/// without end, for they may be faster than we are.
fn turn_away(stream: &mut Stream, farewell: &[u8], scratch: &mut [u8]) {
    if stream.write(&[IoSlice::new(farewell)]).is_ok() {
        stream.shut();
        let mut left = READ_BYTES_PER_TURN;
        while left > 0
            && let Input::Bytes(bytes) = stream.read(scratch)
        {
            left = left.saturating_sub(bytes);
        }
    }
}

/// Raises the limit of open descriptors to what the configuration needs. Returns how many clients
/// there can be: as many as were asked for, or fewer if the system allows no more.
fn clients_within_descriptors(config: &Config) -> Result<usize, StartError> {
    let wanted = config.limits.clients_max;
    let others = OTHER_DESCRIPTORS + config.listeners.len() + TURNED_AWAY_MAX;
    let limit = descriptors::limit((wanted + others) as u64);
    let possible = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(others);
    if possible >= wanted {
        return Ok(wanted);
    }
    if possible < CLIENTS_MIN {
        return Err(StartError::Descriptors(limit));
    }
    log::warn!(
        "--max-clients is lowered from {wanted} to {possible}: the limit of open files is {limit}"
    );
    Ok(possible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn whoever_is_turned_away_is_not_read_for_ever() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 18).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = Stream::new(TcpStream::from_std(socket), Token(0));
        // More than is read of it, and less than its socket holds.
        client.write_all(&vec![b'x'; READ_BYTES_PER_TURN + 2 * READ_BYTES]).unwrap();
        let mut scratch = vec![0; READ_BYTES];
        turn_away(&mut stream, b"no\n", &mut scratch);
        assert!(matches!(stream.read(&mut scratch), Input::Bytes(_)), "all of it was read");
        let mut told = Vec::new();
        client.read_to_end(&mut told).unwrap();
        assert_eq!(told, b"no\n");
    }
}

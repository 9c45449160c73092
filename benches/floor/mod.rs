//! The floor: what fan-out costs when nothing is done but moving bytes.
//!
//! A bare mio loop, in two manners ([`Manner`]). A turn reads every readable connection until it
//! would block and appends what came to one shared buffer; then, once for the whole turn or after
//! each that was read, it does one write for each connection. No line is looked for, nobody has a
//! name, nothing is copied for anyone. The hard things that a server cannot leave out are not
//! left out: a short write keeps the connection's place in the buffer and asks for WRITABLE until
//! it is drained, and nobody gets their own bytes back, since chinwag does not echo either.
//!
//! It is meant to run as a process of its own ([`ARGUMENT`]), so that its CPU can be told apart
//! from its clients'. It trusts those clients: a line whose bytes come in two reads may have
//! another talker's bytes in the middle, and a client that never reads makes the buffer grow.

use std::collections::VecDeque;
use std::env;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

/// The first argument with which the executable that holds this module becomes the floor server;
/// the second is a [`Manner`]'s.
pub(crate) const ARGUMENT: &str = "--floor-server";

/// When what came is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What a turn of the loop brought from all talkers together, in one write for each connection.
    Turn,
    /// What each talker said as it comes, as most servers do.
    AsItComes,
}

/// What a newcomer gets: the line by which clients know that they are in, worded as chinwag's.
const GREETING: &[u8] = b"* You are in.\n";

/// Room kept free behind the gathered bytes for one read: more than a talker's whole window.
const READ_BYTES: usize = 64 * 1024;

/// As many as chinwag lets wait to be accepted; the usual 128 make a crowd come in slowly.
const ACCEPT_QUEUE: i32 = 4096;

const LISTENER: Token = Token(usize::MAX);

/// One client: its socket and its place in the shared buffer.
struct Connection {
    stream: TcpStream,
    /// Offset of the first byte that it has not been sent.
    next: u64,
    /// What it said itself, ahead of `next`: left out. Neighbouring ranges are one.
    own: VecDeque<Range<u64>>,
    /// Its last write was short: it is registered for WRITABLE and gets nothing until then.
    blocked: bool,
}

/// The whole server. Offsets count every byte ever gathered; `buffer[0]` is the one at `start`.
struct Floor {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    start: u64,
    end: u64,
    manner: Manner,
}

/// Runs `executable`, which holds this module, as the floor.
pub(crate) fn command(executable: PathBuf, manner: Manner) -> Command {
    let mut command = Command::new(executable);
    command.args([ARGUMENT, manner.argument()]);
    command
}

/// Serves, if the arguments of this process say so, on a free port of 127.0.0.1 that is named on
/// stderr in chinwag's words, until all who came have gone: so it does not outlive the benchmark
/// that it serves, however that ends. `false` if the arguments say nothing of it.
pub(crate) fn serve_if_asked() -> io::Result<bool> {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return Ok(false);
    }
    let manner = arguments.next();
    let spec = [Manner::Turn, Manner::AsItComes];
    let manner = spec.into_iter().find(|known| manner.as_deref() == Some(known.argument()));
    serve(manner.ok_or(ErrorKind::InvalidInput)?)?;
    Ok(true)
}

fn serve(manner: Manner) -> io::Result<()> {
    let poll = Poll::new()?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(ACCEPT_QUEUE)?;
    socket.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    eprintln!("listening: floor on {}", listener.local_addr()?);
    let (connections, buffer) = (Vec::new(), Vec::new());
    let mut floor = Floor { poll, listener, connections, buffer, start: 0, end: 0, manner };
    let mut events = Events::with_capacity(1024);
    while floor.connections.is_empty() || floor.connections.iter().any(Option::is_some) {
        floor.turn(&mut events)?;
    }
    Ok(())
}

impl Manner {
    fn argument(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::AsItComes => "as-it-comes",
        }
    }
}

impl Floor {
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        let mut gathered = self.end;
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                Token(key) => {
                    if event.is_readable() {
                        self.read(key);
                        if self.manner == Manner::AsItComes {
                            self.deliver(&mut gathered);
                        }
                    }
                    if event.is_writable() {
                        self.write(key);
                    }
                }
            }
        }
        self.deliver(&mut gathered);
        Ok(())
    }

    /// Writes to everybody what has come since there were `gathered` bytes.
    fn deliver(&mut self, gathered: &mut u64) {
        if self.end > *gathered {
            *gathered = self.end;
            let mut slowest = self.end;
            for key in 0..self.connections.len() {
                slowest = slowest.min(self.write_unless_blocked(key));
            }
            self.forget(slowest);
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let token = Token(self.connections.len());
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            stream.write_all(GREETING)?;
            let (next, own) = (self.end, VecDeque::new());
            self.connections.push(Some(Connection { stream, next, own, blocked: false }));
        }
    }

    /// Gathers all that a connection has to say; one that ended or failed is dropped.
    fn read(&mut self, key: usize) {
        let Some(connection) = &mut self.connections[key] else { return };
        let from = self.end;
        let ended = loop {
            let used = (self.end - self.start) as usize;
            if self.buffer.len() < used + READ_BYTES {
                self.buffer.resize(used + READ_BYTES, 0);
            }
            match connection.stream.read(&mut self.buffer[used..]) {
                Ok(0) => break true,
                Ok(count) => self.end += count as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        match connection.own.back_mut() {
            Some(last) if last.end == from => last.end = self.end,
            _ if self.end > from => connection.own.push_back(from..self.end),
            _ => {}
        }
        if ended {
            self.connections[key] = None;
        }
    }

    /// Gives a connection its part of the turn, and tells how far it has got.
    fn write_unless_blocked(&mut self, key: usize) -> u64 {
        if self.connections[key].as_ref().is_some_and(|connection| !connection.blocked) {
            self.write(key);
        }
        self.connections[key].as_ref().map_or(self.end, |connection| connection.next)
    }

    /// One vectored write of all that a connection has not had, but for its own bytes.
    fn write(&mut self, key: usize) {
        let Some(connection) = &mut self.connections[key] else { return };
        match connection.write(&self.buffer, self.start, self.end) {
            Ok(drained) if drained != connection.blocked => {}
            Ok(drained) => {
                // WRITABLE is asked for after a short write alone and given up when drained, so
                // that a turn in which everybody keeps up costs no call beyond its writes.
                connection.blocked = !drained;
                let interest = if drained {
                    Interest::READABLE
                } else {
                    Interest::READABLE | Interest::WRITABLE
                };
                let registry = self.poll.registry();
                if registry.reregister(&mut connection.stream, Token(key), interest).is_err() {
                    self.connections[key] = None;
                }
            }
            Err(_) => self.connections[key] = None,
        }
    }

    /// Frees what everybody has had: at once if that is all, else when it is the larger part.
    fn forget(&mut self, slowest: u64) {
        let used = (self.end - self.start) as usize;
        let gone = (slowest - self.start) as usize;
        if gone > used / 2 {
            self.buffer.copy_within(gone..used, 0);
            self.start = slowest;
        }
    }
}

impl Connection {
    /// Writes from `next` to `end`; true if nothing is left. At most three pieces go into one
    /// write: a talker has one range of its own in a turn, two if it was blocked in the last one.
    fn write(&mut self, buffer: &[u8], start: u64, end: u64) -> io::Result<bool> {
        loop {
            self.skip_own();
            if self.next == end {
                return Ok(true);
            }
            let mut slices = [IoSlice::new(&[]); 3];
            let (mut from, mut offered, mut count) = (self.next, 0, 0);
            let gaps = self.own.iter().cloned().chain(iter::once(end..end));
            for (slice, gap) in slices.iter_mut().zip(gaps) {
                let piece = &buffer[(from - start) as usize..(gap.start - start) as usize];
                *slice = IoSlice::new(piece);
                (from, offered, count) = (gap.end, offered + piece.len(), count + 1);
            }
            // A send is cheaper than a writev, and most have only one piece.
            let outcome = match &slices[..count] {
                [whole] => self.stream.write(whole),
                pieces => self.stream.write_vectored(pieces),
            };
            let written = match outcome {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.advance(written as u64);
            if written < offered {
                return Ok(false);
            }
        }
    }

    /// Moves `next` over `written` bytes that were sent, and over its own between them.
    fn advance(&mut self, mut written: u64) {
        while written > 0 {
            self.skip_own();
            let until = self.own.front().map_or(u64::MAX, |range| range.start);
            let step = written.min(until - self.next);
            self.next += step;
            written -= step;
        }
    }

    fn skip_own(&mut self) {
        while self.own.front().is_some_and(|range| range.start == self.next) {
            self.next = self.own.pop_front().map_or(self.next, |range| range.end);
        }
    }
}

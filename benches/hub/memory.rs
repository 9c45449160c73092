//! Sockets that are only buffers, for the loop that runs in the server (`src/turn.rs`): what is
//! sent is there to be read in the next turn, and what is written is kept if somebody wants to see
//! it. They take as much as they are told to, and time passes only when somebody says so. Benches,
//! tests and fuzz targets that need a hub and its turns, and no simulation, use these.

#![allow(dead_code, reason = "everyone uses their own part of this")]
#![allow(clippy::panic, reason = "whoever cannot go on has found a bug, and says so by a panic")]

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chinwag::dialect::{Dialect, Transport};
use chinwag::token::TOKEN_BYTES;
use chinwag::turn::{Accepted, Datagram, EventLoop, PollEvent, Sockets};
use chinwag::{ConnectionKey, Now};

/// A socket that takes whatever there is.
pub(crate) const UNLIMITED: usize = usize::MAX;

/// What comes after the bytes that a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// The end of its input.
    Fin,
    /// The connection is broken.
    Reset,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) key: ConnectionKey,
    pub(crate) dialect: Dialect,
    pub(crate) remote: SocketAddr,
    /// Sent by the client, not yet read. What is sent apart is read apart.
    inbox: VecDeque<Vec<u8>>,
    end: End,
    /// How much the socket takes: bytes, or datagrams.
    room: usize,
    /// The loop is to be told when it takes more.
    is_full: bool,
    /// The write side is shut.
    shut: bool,
    /// All that has been written, if it is kept. Where frames have no end on the wire, LF ends what
    /// was written when nothing more waited.
    pub(crate) received: Vec<u8>,
    /// Something has been written in this turn.
    fresh: bool,
}

/// All sockets, by the indices of their keys.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) now: Now,
    sockets: Vec<Option<Socket>>,
    open: usize,
    /// Whether what is written is kept, and those who are closed.
    keeps: bool,
    pub(crate) closed: Vec<Socket>,
    /// Those who wait to be accepted, and who was accepted last.
    listener: VecDeque<(Dialect, SocketAddr)>,
    accepted: Option<ConnectionKey>,
    is_listening: bool,
    /// Those who wait to be read who have no connection, the dialect being `Datagram`; who is known
    /// of them; and how much those take who are not.
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    peers: HashMap<SocketAddr, ConnectionKey>,
    new_peers_room: HashMap<SocketAddr, usize>,
    /// What the next poll tells.
    events: Vec<PollEvent>,
    /// Bytes that were written.
    pub(crate) written: usize,
    /// How many tokens there have been.
    tokens: u64,
    /// How often anything was read, written, opened, shut or closed.
    pub(crate) moves: usize,
    /// Those of whom the hub was asked whether they may come in.
    pub(crate) comers: u64,
}

impl Memory {
    /// No sockets, at the time `now`; with the memory for so many, so that what the hub takes for
    /// each can be seen.
    pub(crate) fn new(capacity: usize, keeps: bool, now: Now) -> Memory {
        Memory {
            now,
            sockets: Vec::with_capacity(capacity),
            open: 0,
            keeps,
            closed: Vec::new(),
            listener: VecDeque::new(),
            accepted: None,
            is_listening: true,
            datagrams: VecDeque::new(),
            peers: HashMap::new(),
            new_peers_room: HashMap::new(),
            events: Vec::new(),
            written: 0,
            tokens: 0,
            moves: 0,
            comers: 0,
        }
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_seconds += time.as_secs();
    }

    /// Those who are connected, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().flatten()
    }

    pub(crate) fn get(&self, key: ConnectionKey) -> Option<&Socket> {
        self.sockets.get(key.index())?.as_ref().filter(|socket| socket.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Socket> {
        let socket = self.sockets.get_mut(key.index())?.as_mut();
        socket.filter(|socket| socket.key == key)
    }

    fn socket(&mut self, key: ConnectionKey) -> &mut Socket {
        self.get_mut(key).unwrap_or_else(|| panic!("nobody has the key {key}"))
    }

    /// Whether the next turn has something to read or to tell.
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty() || self.is_ready()
    }

    // ── the clients' side ────────────────────────────────────────────────────────────────────────

    /// Somebody comes. `None` if they are turned away, or nobody is let in any more.
    pub(crate) fn connect(
        &mut self,
        event_loop: &mut EventLoop,
        dialect: Dialect,
        remote: SocketAddr,
    ) -> Option<ConnectionKey> {
        self.listener.push_back((dialect, remote));
        event_loop.accept(self);
        self.accepted.take()
    }

    /// A client sends something, and if `apart` from what was sent before, it is read so. Whoever
    /// has ended sends nothing more.
    pub(crate) fn send(&mut self, key: ConnectionKey, bytes: &[u8], apart: bool) {
        let socket = self.socket(key);
        if socket.end != End::Open || bytes.is_empty() {
            return;
        }
        match socket.inbox.back_mut() {
            Some(last) if !apart => last.extend_from_slice(bytes),
            _ => socket.inbox.push_back(bytes.to_vec()),
        }
        self.events.push(PollEvent::Readable(key));
    }

    /// How much of what a client has sent is not read.
    pub(crate) fn unread(&self, key: ConnectionKey) -> usize {
        self.get(key).map_or(0, |socket| socket.inbox.iter().map(Vec::len).sum())
    }

    /// A datagram is sent from an address; if it makes a new peer of it, that one takes `room`.
    pub(crate) fn send_datagram(&mut self, remote: SocketAddr, bytes: &[u8], room: usize) {
        self.datagrams.push_back((remote, bytes.to_vec()));
        self.new_peers_room.insert(remote, room);
    }

    /// A client ends its input, or the connection breaks.
    pub(crate) fn end(&mut self, key: ConnectionKey, end: End) {
        let socket = self.socket(key);
        if socket.dialect.transport() == Transport::Tcp && socket.end != End::Reset {
            socket.end = end;
            self.events.push(PollEvent::Readable(key));
        }
    }

    /// From now on the socket takes so much: bytes, or datagrams.
    pub(crate) fn set_room(&mut self, key: ConnectionKey, room: usize) {
        let socket = self.socket(key);
        socket.room = room;
        if room > 0 && mem::take(&mut socket.is_full) {
            self.events.push(PollEvent::Writable(key));
        }
    }

    /// The socket takes so much more.
    pub(crate) fn make_room(&mut self, key: ConnectionKey, more: usize) {
        let room = self.socket(key).room;
        self.set_room(key, room.saturating_add(more));
    }

    /// The operator wants the server to stop.
    pub(crate) fn stop(&mut self) {
        self.events.push(PollEvent::Stop);
    }

    fn insert(&mut self, key: ConnectionKey, dialect: Dialect, remote: SocketAddr, room: usize) {
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        let socket = Socket {
            key,
            dialect,
            remote,
            inbox: VecDeque::new(),
            end: End::Open,
            room,
            is_full: false,
            shut: false,
            received: Vec::new(),
            fresh: false,
        };
        self.moves += 1;
        self.open += 1;
        let before = self.sockets[key.index()].replace(socket);
        assert!(before.is_none(), "the key {key} is given out twice");
    }
}

impl Sockets for Memory {
    type Handle = (Dialect, SocketAddr);

    fn now(&self) -> Now {
        self.now
    }

    /// Nobody guesses here.
    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]> {
        self.tokens += 1;
        Some(std::array::from_fn(|at| self.tokens.to_ne_bytes()[at % 8]))
    }

    fn poll(&mut self, _: Option<Duration>, events: &mut Vec<PollEvent>) -> io::Result<usize> {
        let told = self.events.len();
        events.append(&mut self.events);
        Ok(told)
    }

    fn is_ready(&self) -> bool {
        !self.listener.is_empty() || !self.datagrams.is_empty()
    }

    fn count(&self) -> usize {
        self.open + 2
    }

    fn listeners(&self) -> usize {
        usize::from(self.is_listening)
    }

    fn accept(&mut self, _: usize, _: Instant) -> Option<Accepted<Self::Handle>> {
        let (dialect, remote) = self.listener.pop_front()?;
        self.comers += 1;
        let (handle, prelude) = ((dialect, remote), Default::default());
        Some(Accepted { handle, dialect, prelude, remote, is_exposed: false })
    }

    fn open(
        &mut self,
        key: ConnectionKey,
        (dialect, remote): (Dialect, SocketAddr),
    ) -> io::Result<()> {
        self.insert(key, dialect, remote, UNLIMITED);
        self.accepted = Some(key);
        // As the system does when a socket is first watched.
        self.events.push(PollEvent::Readable(key));
        Ok(())
    }

    fn turn_away(&mut self, _: Self::Handle, farewell: &[u8]) {
        assert!(!farewell.is_empty(), "somebody is turned away without a word");
        self.moves += 1;
    }

    fn close_listeners(&mut self) {
        self.is_listening = false;
        self.listener.clear();
    }

    fn datagram_sockets(&self) -> usize {
        1
    }

    fn receive(&mut self, _: usize, buffer: &mut [u8]) -> Option<Datagram> {
        let (remote, datagram) = self.datagrams.pop_front()?;
        self.moves += 1;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        let key = self.peers.get(&remote).copied();
        self.comers += u64::from(key.is_none() && self.is_listening);
        Some(Datagram { bytes: datagram.len(), dialect: Dialect::Datagram, remote, key })
    }

    fn open_datagrams(&mut self, key: ConnectionKey, _: usize, remote: SocketAddr) {
        let room = self.new_peers_room.remove(&remote).unwrap_or(UNLIMITED);
        self.insert(key, Dialect::Datagram, remote, room);
        self.peers.insert(remote, key);
    }

    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = self.socket(key);
        let Some(sent) = socket.inbox.front_mut() else {
            return match socket.end {
                End::Open => Err(io::ErrorKind::WouldBlock.into()),
                End::Fin => Ok(0),
                End::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            };
        };
        let bytes = sent.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&sent[..bytes]);
        sent.drain(..bytes);
        if sent.is_empty() {
            socket.inbox.pop_front();
        }
        self.moves += 1;
        Ok(bytes)
    }

    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let keeps = self.keeps;
        let socket = self.socket(key);
        let offered = black_box(slices).iter().map(|slice| slice.len()).sum::<usize>();
        assert!(!socket.shut, "{key} is to be written to after its end");
        assert!(offered > 0, "{key} is to be sent nothing");
        if socket.end == End::Reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let (bytes, taken) = match socket.dialect.transport() {
            _ if socket.room == UNLIMITED => (offered, 0),
            Transport::Tcp => (offered.min(socket.room), offered.min(socket.room)),
            Transport::Udp => {
                let frames = slices.iter().flat_map(|slice| slice.split_inclusive(|b| *b == b'\n'));
                let taken = frames.take(socket.room).map(<[u8]>::len);
                taken.fold((0, 0), |(bytes, frames), frame| (bytes + frame, frames + 1))
            }
        };
        if bytes == 0 {
            socket.fresh = false; // the last frame may not be whole
            return Err(io::ErrorKind::WouldBlock.into());
        }
        socket.room -= taken;
        if keeps {
            let offered = slices.iter().flat_map(|slice| slice.iter().copied());
            socket.received.extend(offered.take(bytes));
            socket.fresh = true;
        }
        self.written += bytes;
        self.moves += 1;
        Ok(bytes)
    }

    fn watch_writable(&mut self, key: ConnectionKey, wanted: bool) -> io::Result<()> {
        let socket = self.socket(key);
        socket.is_full = wanted;
        if !wanted
            && mem::take(&mut socket.fresh)
            && lf_separated(socket.dialect)
            && !socket.received.ends_with(b"\n")
        {
            socket.received.push(b'\n');
        }
        Ok(())
    }

    fn shut(&mut self, key: ConnectionKey) -> bool {
        let socket = self.socket(key);
        let can_send = socket.dialect.transport() == Transport::Tcp;
        let shut = mem::replace(&mut socket.shut, true);
        assert!(!shut, "{key} is finished twice");
        self.moves += 1;
        can_send
    }

    fn close(&mut self, key: ConnectionKey) {
        let socket = self.sockets[key.index()].take().filter(|socket| socket.key == key);
        let Some(socket) = socket else { panic!("{key} is reaped twice") };
        self.open -= 1;
        if socket.dialect == Dialect::Datagram {
            self.peers.remove(&socket.remote);
        }
        if self.keeps {
            self.closed.push(socket);
        }
        self.moves += 1;
    }
}

/// Whether frames have no end on the wire.
fn lf_separated(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Nick | Dialect::Datagram | Dialect::Mention)
}

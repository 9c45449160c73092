//! The turn of `src/server.rs`, step by step the same, over simulated sockets; and of
//! `src/net/datagram.rs`.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use chinwag::ConnectionKey;
use chinwag::Now;
use chinwag::dialect::Dialect;
use chinwag::hub::{Hub, TURNED_AWAY_MAX};
use fastrand::Rng;

use super::client::Client;
use super::order::Addresses;
use super::socket::Input;
use super::swarm::{Swarm, happens};

const SLICES: usize = 4;

/// The hub, and what the server remembers of each socket.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Hub,
    streams: Vec<Option<Stream>>,
    ready: VecDeque<ConnectionKey>,
    /// Clients that wait to be accepted.
    pub(crate) listener: VecDeque<usize>,
    pub(crate) datagrams: Datagrams,
    /// Which client is at an address, the last one of several.
    pub(crate) addresses: Addresses,
    pub(crate) stopping: bool,
    pub(crate) now: Now,
    keys: Vec<ConnectionKey>,
    /// Who may be read again, and will be in the next turn.
    resumed: Vec<ConnectionKey>,
    /// Bytes moved and sockets opened or closed, to tell a turn that did something.
    pub(crate) moved: usize,
    /// Bytes read in this turn.
    pub(crate) read: usize,
    /// Who was not read to the end in this turn, although they were to be heard and read.
    overheard: Vec<usize>,
}

/// What the server knows of a peer: its socket, or that it comes by datagrams.
#[derive(Debug)]
struct Stream {
    key: ConnectionKey,
    client: usize,
    dialect: Dialect,
    readable: bool,
    queued: bool,
}

/// The one socket for all who come by datagrams.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    connections: HashMap<SocketAddr, ConnectionKey>,
    /// It takes no more at present, and who waits until it does.
    pub(crate) full: bool,
    blocked: Vec<ConnectionKey>,
    /// It takes more again, and the server has not been told.
    pub(crate) writable_edge: bool,
}

impl Stream {
    fn is_datagrams(&self) -> bool {
        self.dialect == Dialect::Datagram
    }
}

impl Server {
    pub(crate) fn new(swarm: &Swarm, now: Now) -> Server {
        Server {
            hub: recording(Hub::new(&swarm.config, now)),
            streams: Vec::new(),
            ready: VecDeque::new(),
            listener: VecDeque::new(),
            datagrams: Datagrams::default(),
            addresses: Addresses::new(),
            stopping: false,
            now,
            keys: Vec::new(),
            resumed: Vec::new(),
            moved: 0,
            read: 0,
            overheard: Vec::new(),
        }
    }

    /// Whether a poll would return at once.
    pub(crate) fn has_work(&mut self, clients: &mut [Client]) -> bool {
        self.queue_resumed(clients);
        !self.ready.is_empty()
            || !self.listener.is_empty()
            || self.datagrams.writable_edge
            || clients.iter().any(|client| !client.socket.datagrams_in.is_empty())
            || self.hub.poll_timeout().is_some_and(|at| at <= self.now.instant)
            || self.streams.iter().flatten().any(|stream| {
                let socket = &clients[stream.client].socket;
                socket.readable_edge || socket.writable_edge
            })
    }

    /// How many sockets there are.
    pub(crate) fn open(&self) -> usize {
        self.holders().count()
    }

    /// The clients whose sockets these are.
    pub(crate) fn holders(&self) -> impl Iterator<Item = usize> {
        self.streams.iter().flatten().map(|stream| stream.client)
    }

    /// One turn of the loop.
    pub(crate) fn turn(&mut self, clients: &mut Vec<Client>, rng: &mut Rng, swarm: &Swarm) {
        self.read = 0;
        self.queue_resumed(clients);
        let due = self.hub.poll_timeout().is_some_and(|at| at <= self.now.instant);
        self.note(swarm.events, clients, rng, swarm);
        if due {
            self.note(usize::MAX, clients, rng, swarm);
        }
        self.read_datagrams(clients, rng, swarm);
        self.read(clients, rng, swarm);
        self.hub.handle_timeout(self.now);
        let left = |stream: &&Stream| {
            let client = &clients[stream.client];
            let excused = client.unheard || client.slow || stream.queued;
            !excused && !client.socket.inbox.is_empty()
        };
        let overheard = self.streams.iter().flatten().filter(left);
        self.overheard = overheard.map(|stream| stream.client).collect();
        self.hub.poll_resumed(&mut self.resumed);
        for key in &self.resumed {
            if let Some(stream) = &self.streams[key.index()] {
                clients[stream.client].unheard = false;
            }
        }
        for client in clients.iter_mut().filter(|client| !client.unheard) {
            client.decoder_model.timeout(self.now.instant);
        }
        self.write(clients, rng, swarm);
        self.reap(clients, swarm);
        self.accept(clients, swarm);
    }

    /// Notes what has happened to at most `most` sockets.
    fn note(&mut self, most: usize, clients: &mut [Client], rng: &mut Rng, swarm: &Swarm) {
        if mem::take(&mut self.datagrams.writable_edge) {
            for key in mem::take(&mut self.datagrams.blocked) {
                self.hub.handle_writable(key);
            }
        }
        let mut keys: Vec<_> = self.streams.iter().flatten().map(|stream| stream.key).collect();
        rng.shuffle(&mut keys);
        let mut told = 0;
        for key in keys {
            let Some(stream) = &mut self.streams[key.index()] else { continue };
            let socket = &mut clients[stream.client].socket;
            if stream.is_datagrams() || told == most {
                continue;
            }
            told += usize::from(socket.readable_edge || socket.writable_edge);
            let spurious = happens(rng, swarm.spurious);
            let writable = mem::take(&mut socket.writable_edge);
            if writable || spurious && socket.watching_writable {
                self.hub.handle_writable(key);
            }
            if mem::take(&mut socket.readable_edge) || spurious {
                stream.readable = true;
                if !mem::replace(&mut stream.queued, true) {
                    self.ready.push_back(key);
                }
            }
        }
    }

    fn accept(&mut self, clients: &mut [Client], swarm: &Swarm) {
        while let Some(id) = self.listener.pop_front() {
            self.moved += 1;
            let dialect = clients[id].dialect;
            self.meet(id, clients);
            match self.hub.handle_connect(dialect, clients[id].remote, self.now) {
                Ok(key) => {
                    clients[id].socket.readable_edge = true;
                    self.insert(key, id, dialect);
                    self.check_places(clients, id, swarm);
                }
                Err(reason) => {
                    let farewell = self.hub.farewell(dialect, reason);
                    clients[id].socket.turn_away(&farewell);
                }
            }
        }
    }

    /// Sockets are bounded by the limits, whatever state their connections are in; but for a few
    /// who are only told that they cannot come in.
    fn check_places(&self, clients: &[Client], id: usize, swarm: &Swarm) {
        let (limits, block) = (&swarm.config.limits, clients[id].block);
        let open = self.streams.iter().flatten();
        let same = open.filter(|stream| clients[stream.client].block == block).count();
        assert!(self.open() <= limits.clients_max + TURNED_AWAY_MAX, "{} sockets", self.open());
        let full = block.is_some() && same > limits.per_address_max + TURNED_AWAY_MAX;
        assert!(!full, "{same} sockets of one address");
    }

    /// Notes who is there when a client comes.
    fn meet(&mut self, id: usize, clients: &mut [Client]) {
        let others = |same: fn(&Client, &Client) -> bool| {
            let open = self.streams.iter().flatten();
            open.filter(|stream| same(&clients[stream.client], &clients[id])).count()
        };
        let company = (others(|_, _| true), others(|one, other| one.block == other.block));
        self.addresses.insert(clients[id].remote, id);
        clients[id].company = company;
        clients[id].accepted_at = self.now.instant;
    }

    fn insert(&mut self, key: ConnectionKey, client: usize, dialect: Dialect) {
        if self.streams.len() <= key.index() {
            self.streams.resize_with(key.index() + 1, || None);
        }
        assert!(self.streams[key.index()].is_none(), "key {key} is given out twice");
        self.streams[key.index()] =
            Some(Stream { key, client, dialect, readable: false, queued: false });
    }

    /// Hears what comes without a connection. Whoever is not known is a peer from now on, and
    /// another client if the address has been used before.
    fn read_datagrams(&mut self, clients: &mut Vec<Client>, rng: &mut Rng, swarm: &Swarm) {
        let mut left = swarm.datagrams_per_turn;
        let waits = |client: &&Client| !client.socket.datagrams_in.is_empty();
        let mut ids: Vec<_> = clients.iter().filter(waits).map(|client| client.id).collect();
        rng.shuffle(&mut ids);
        for mut id in ids {
            while left > 0
                && let Some(datagram) = clients[id].socket.datagrams_in.pop_front()
            {
                left -= 1;
                self.moved += 1;
                self.read += datagram.len();
                id = self.hear_datagram(id, &datagram, clients, rng, swarm);
            }
        }
    }

    /// Returns who it was from, which may be somebody new.
    fn hear_datagram(
        &mut self,
        mut id: usize,
        datagram: &[u8],
        clients: &mut Vec<Client>,
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> usize {
        let remote = clients[id].remote;
        let key = match self.datagrams.connections.get(&remote) {
            Some(key) => *key,
            None if self.stopping => return id,
            None => {
                if clients[id].heard_at.is_some() {
                    let new = clients.len();
                    let heir = clients[id].heir(new, rng, swarm);
                    clients.push(heir);
                    id = new;
                }
                self.meet(id, clients);
                let Ok(key) = self.hub.handle_connect(Dialect::Datagram, remote, self.now) else {
                    return id;
                };
                self.insert(key, id, Dialect::Datagram);
                self.datagrams.connections.insert(remote, key);
                key
            }
        };
        clients[id].decoder_model.bytes(datagram);
        clients[id].heard_at = Some(self.now.instant);
        self.hub.handle_input(key, datagram, self.now);
        id
    }

    fn read(&mut self, clients: &mut [Client], rng: &mut Rng, swarm: &Swarm) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            let stream = self.streams[key.index()].as_ref().filter(|stream| stream.key == key);
            let Some(stream) = stream else { continue };
            let again = self.read_from(key, &mut clients[stream.client], rng, swarm);
            if let Some(stream) = &mut self.streams[key.index()] {
                stream.queued = again;
            }
            if again {
                self.ready.push_back(key);
            }
        }
    }

    /// Reads one; returns whether it is the last.
    fn read_from(
        &mut self,
        key: ConnectionKey,
        client: &mut Client,
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> bool {
        let mut scratch = vec![0; swarm.read_bytes];
        let mut left = swarm.read_bytes_per_turn;
        while self.hub.wants_input(key) {
            if left == 0 {
                return true;
            }
            let input = client.socket.read(&mut scratch, rng, swarm);
            if let Input::Bytes(bytes) = input {
                left = left.saturating_sub(bytes);
                self.moved += bytes;
                self.read += bytes;
                client.decoder_model.bytes(&scratch[..bytes]);
                self.hub.handle_input(key, &scratch[..bytes], self.now);
                continue;
            }
            if let Some(stream) = &mut self.streams[key.index()] {
                stream.readable = false;
            }
            match input {
                Input::End => {
                    client.decoder_model.end();
                    self.hub.handle_end(key, self.now);
                }
                Input::Broken => self.hub.handle_disconnect(key, self.now),
                Input::Bytes(_) | Input::Nothing => {
                    client.decoder_model.nothing(self.now.instant);
                    self.hub.handle_read_drained(key, self.now);
                }
            }
            return false;
        }
        client.unheard = true;
        false
    }

    fn queue_resumed(&mut self, clients: &mut [Client]) {
        let mut keys = mem::take(&mut self.keys);
        keys.clear();
        keys.append(&mut self.resumed);
        self.hub.poll_resumed(&mut keys);
        for key in keys.drain(..) {
            let Some(stream) = &mut self.streams[key.index()] else { continue };
            clients[stream.client].unheard = false;
            if stream.readable && !mem::replace(&mut stream.queued, true) {
                self.ready.push_back(key);
            }
        }
        self.keys = keys;
    }

    fn write(&mut self, clients: &mut [Client], rng: &mut Rng, swarm: &Swarm) {
        let mut keys = mem::take(&mut self.keys);
        self.hub.poll_writers(&mut keys, self.now);
        for key in keys.drain(..) {
            let Some(stream) = &self.streams[key.index()] else {
                panic!("asked to write to key {key}, which has no socket");
            };
            let (client, datagrams) = (&mut clients[stream.client], stream.is_datagrams());
            if self.overheard.contains(&client.id) {
                check_in_time(&mut self.hub, key);
            }
            if self.write_to(key, client, rng, swarm).is_err() {
                client.broke |= datagrams;
                self.hub.handle_disconnect(key, self.now);
            } else if self.hub.poll_finished(key, self.now) {
                assert!(!client.socket.shut, "key {key} is finished twice");
                client.socket.shut = true;
                client.shut_at = Some(self.now.instant);
                if datagrams {
                    self.hub.handle_end(key, self.now);
                }
            }
        }
        self.keys = keys;
    }

    fn write_to(
        &mut self,
        key: ConnectionKey,
        client: &mut Client,
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> io::Result<()> {
        let by_datagrams = client.dialect == Dialect::Datagram;
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.hub.poll_transmit(key, &mut slices);
            let slices = &slices[..filled];
            if filled == 0 {
                client.socket.watch_writable(false);
                client.socket.note_drained();
                return Ok(());
            }
            let written = match by_datagrams {
                true => self.datagrams.send(client, slices, rng, swarm),
                false => client.socket.write(slices, self.now.instant, (rng, swarm)),
            };
            match written {
                Ok(bytes) => {
                    self.moved += bytes;
                    self.hub.handle_written(key, bytes, self.now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.hub.handle_blocked(key, self.now);
                    match by_datagrams {
                        true => self.datagrams.blocked.push(key),
                        false => client.socket.watch_writable(true),
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn reap(&mut self, clients: &mut [Client], swarm: &Swarm) {
        self.hub.poll_closed(&mut self.keys);
        for key in self.keys.drain(..) {
            let stream = self.streams[key.index()].take();
            let Some(stream) = stream else { panic!("key {key} is reaped twice") };
            self.moved += 1;
            let client = &mut clients[stream.client];
            client.socket.dropped = true;
            if !client.socket.shut {
                // It was not told all, and what it was told last perhaps not to the end.
                client.socket.drained.retain(|at| *at < client.socket.written);
                // Perhaps because closing took too long. When that began is not known here.
                let age = self.now.instant.saturating_duration_since(client.accepted_at);
                client.cut_off |= age >= swarm.config.limits.drain;
            }
            if stream.is_datagrams() {
                client.eof = true;
                self.datagrams.connections.remove(&client.remote);
                self.datagrams.blocked.retain(|blocked| *blocked != key);
                continue;
            }
            // Closing with input unread resets the connection, and what was underway is lost.
            if !client.socket.inbox.is_empty() || !client.unsent.is_empty() {
                let lingered = client.shut_at.is_none_or(|at| {
                    self.now.instant.saturating_duration_since(at) >= Duration::from_secs(2)
                });
                assert!(
                    lingered || client.is_broken() || client.slow,
                    "client {} is dropped although it is still sending",
                    stream.client
                );
                client.lost |= !client.socket.outbox.is_empty();
                client.socket.outbox.clear();
            }
        }
    }
}

/// A hub that remembers all that became so, to be applied again in the end.
fn recording(mut hub: Hub) -> Hub {
    hub.record_entries();
    hub
}

/// Nobody is told that they gave no name in time who was overheard.
fn check_in_time(hub: &mut Hub, key: ConnectionKey) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = hub.poll_transmit(key, &mut slices);
    let told: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
    let told = String::from_utf8_lossy(&told);
    let late = ["You gave no nickname", "没有输入昵称"].iter().any(|words| told.contains(words));
    assert!(!late, "what key {key} said in time was not heard: {told}");
}

impl Datagrams {
    /// Sends each frame as a datagram; see `src/net/datagram.rs`.
    fn send(
        &mut self,
        client: &mut Client,
        slices: &[IoSlice<'_>],
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> io::Result<usize> {
        let mut sent = 0;
        for frame in slices.iter().flat_map(|slice| slice.split_inclusive(|byte| *byte == b'\n')) {
            self.full |= happens(rng, swarm.udp_full);
            if self.full {
                let error = Err(io::ErrorKind::WouldBlock.into());
                return if sent > 0 { Ok(sent) } else { error };
            }
            if happens(rng, swarm.udp_error) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let datagram = frame.strip_suffix(b"\n").unwrap_or(frame);
            client.socket.datagrams_out.push(datagram.to_vec());
            sent += frame.len();
        }
        Ok(sent)
    }

    /// The socket takes more again.
    pub(crate) fn drain(&mut self) {
        self.writable_edge |= mem::take(&mut self.full);
    }
}

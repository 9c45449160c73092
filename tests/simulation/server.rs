//! The turn of `src/server.rs`, step by step the same, over simulated sockets.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::time::Duration;

use chinwag::Now;
use chinwag::PeerKey;
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use fastrand::Rng;

use super::client::Client;
use super::socket::Input;
use super::swarm::{Swarm, happens};

const SLICES: usize = 4;

/// The hub, and what the server remembers of each socket.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Hub,
    streams: Vec<Option<Stream>>,
    ready: VecDeque<PeerKey>,
    /// Clients that wait to be accepted.
    pub(crate) listener: VecDeque<usize>,
    pub(crate) now: Now,
    keys: Vec<PeerKey>,
    /// Bytes moved and sockets opened or closed, to tell a turn that did something.
    pub(crate) moved: usize,
}

#[derive(Debug)]
struct Stream {
    client: usize,
    readable: bool,
    queued: bool,
}

impl Server {
    pub(crate) fn new(swarm: &Swarm, now: Now) -> Server {
        Server {
            hub: Hub::new(&swarm.config, now),
            streams: Vec::new(),
            ready: VecDeque::new(),
            listener: VecDeque::new(),
            now,
            keys: Vec::new(),
            moved: 0,
        }
    }

    /// Whether a poll would return at once.
    pub(crate) fn has_work(&mut self, clients: &[Client]) -> bool {
        self.queue_resumed();
        !self.ready.is_empty()
            || !self.listener.is_empty()
            || self.hub.next_timeout().is_some_and(|at| at <= self.now.instant)
            || self.streams.iter().flatten().any(|stream| {
                let socket = &clients[stream.client].socket;
                socket.readable_edge || socket.writable_edge
            })
    }

    /// How many sockets there are.
    pub(crate) fn open(&self) -> usize {
        self.streams.iter().flatten().count()
    }

    /// One turn of the loop.
    pub(crate) fn turn(&mut self, clients: &mut [Client], dice: &mut Rng, swarm: &Swarm) {
        self.queue_resumed();
        self.note(clients, dice, swarm);
        self.accept(clients);
        self.read(clients, dice, swarm);
        self.hub.timeout(self.now);
        self.write(clients, dice, swarm);
        self.reap(clients);
    }

    fn note(&mut self, clients: &mut [Client], dice: &mut Rng, swarm: &Swarm) {
        let mut keys: Vec<_> = (0..self.streams.len()).collect();
        dice.shuffle(&mut keys);
        for key in keys {
            let Some(stream) = &mut self.streams[key] else { continue };
            let socket = &mut clients[stream.client].socket;
            let spurious = happens(dice, swarm.spurious);
            let writable = mem::take(&mut socket.writable_edge);
            if writable || spurious && socket.watching_writable {
                self.hub.unblocked(key);
            }
            if mem::take(&mut socket.readable_edge) || spurious {
                stream.readable = true;
                if !mem::replace(&mut stream.queued, true) {
                    self.ready.push_back(key);
                }
            }
        }
    }

    fn accept(&mut self, clients: &mut [Client]) {
        while let Some(client) = self.listener.pop_front() {
            self.moved += 1;
            let remote = clients[client].remote;
            let others = |same: fn(&Client, &Client) -> bool| {
                let open = self.streams.iter().flatten();
                open.filter(|stream| same(&clients[stream.client], &clients[client])).count()
            };
            let company = (others(|_, _| true), others(|one, other| one.block == other.block));
            let accepted = self.hub.connect(Dialect::Lines, remote, self.now);
            let client_id = client;
            let client = &mut clients[client];
            client.company = company;
            client.accepted_at = self.now.instant;
            match accepted {
                Ok(key) => {
                    if self.streams.len() <= key {
                        self.streams.resize_with(key + 1, || None);
                    }
                    assert!(self.streams[key].is_none(), "key {key} is given out twice");
                    client.socket.readable_edge = true;
                    let stream = Stream { client: client_id, readable: false, queued: false };
                    self.streams[key] = Some(stream);
                }
                Err(reason) => {
                    let farewell = self.hub.farewell(Dialect::Lines, reason);
                    client.socket.outbox.extend(farewell);
                    client.socket.shut = true;
                    client.socket.dropped = true;
                }
            }
        }
    }

    fn read(&mut self, clients: &mut [Client], dice: &mut Rng, swarm: &Swarm) {
        let mut scratch = vec![0; swarm.read_bytes];
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            let Some(stream) = &mut self.streams[key] else { continue };
            let socket = &mut clients[stream.client].socket;
            stream.queued = false;
            let mut left = swarm.read_bytes_per_turn;
            while self.hub.wants_input(key) {
                if left == 0 {
                    stream.queued = true;
                    self.ready.push_back(key);
                    break;
                }
                let most = left.min(scratch.len());
                let input = socket.read(&mut scratch[..most], dice, swarm);
                if let Input::Bytes(bytes) = input {
                    left -= bytes;
                    self.moved += bytes;
                    self.hub.receive(key, &scratch[..bytes], self.now);
                    continue;
                }
                stream.readable = false;
                match input {
                    Input::End => self.hub.end_of_input(key, self.now),
                    Input::Broken => self.hub.disconnect(key, self.now),
                    Input::Bytes(_) | Input::Nothing => {}
                }
                break;
            }
        }
    }

    fn queue_resumed(&mut self) {
        let mut keys = mem::take(&mut self.keys);
        keys.clear();
        self.hub.resumed(&mut keys);
        for key in keys.drain(..) {
            if let Some(stream) = &mut self.streams[key]
                && stream.readable
                && !mem::replace(&mut stream.queued, true)
            {
                self.ready.push_back(key);
            }
        }
        self.keys = keys;
    }

    fn write(&mut self, clients: &mut [Client], dice: &mut Rng, swarm: &Swarm) {
        let mut keys = mem::take(&mut self.keys);
        self.hub.pending(&mut keys, self.now);
        for key in keys.drain(..) {
            let Some(stream) = &self.streams[key] else {
                panic!("asked to write to key {key}, which has no socket");
            };
            let client = &mut clients[stream.client];
            if self.write_to(key, client, dice, swarm).is_err() {
                self.hub.disconnect(key, self.now);
            } else if self.hub.finished(key, self.now) {
                assert!(!client.socket.shut, "key {key} is finished twice");
                client.socket.shut = true;
                client.shut_at = Some(self.now.instant);
            }
        }
        self.keys = keys;
    }

    fn write_to(
        &mut self,
        key: PeerKey,
        client: &mut Client,
        dice: &mut Rng,
        swarm: &Swarm,
    ) -> io::Result<()> {
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.hub.transmit(key, &mut slices);
            if filled == 0 {
                client.socket.watch_writable(false);
                return Ok(());
            }
            match client.socket.write(&slices[..filled], dice, swarm) {
                Ok(bytes) => {
                    self.moved += bytes;
                    self.hub.transmitted(key, bytes, self.now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.hub.blocked(key, self.now);
                    client.socket.watch_writable(true);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn reap(&mut self, clients: &mut [Client]) {
        self.hub.reap(&mut self.keys);
        for key in self.keys.drain(..) {
            let stream = self.streams[key].take();
            let Some(stream) = stream else { panic!("key {key} is reaped twice") };
            self.moved += 1;
            let client = &mut clients[stream.client];
            client.socket.dropped = true;
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

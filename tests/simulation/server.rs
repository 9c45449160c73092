//! The sockets of a simulated world, for the very loop that runs in the server (`src/turn.rs`):
//! what a poll tells and what it does not, how much a read or a write takes, and which datagram
//! comes next, is drawn from the seed. Here is also what is watched of each turn.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chinwag::ConnectionKey;
use chinwag::Now;
use chinwag::dialect::Dialect;
use chinwag::hub::{Hub, TURNED_AWAY_MAX};
use chinwag::token::TOKEN_BYTES;
use chinwag::turn::{Accepted, Budgets, Datagram, EventLoop, PollEvent, Sockets};
use fastrand::Rng;

use super::client::Client;
use super::order::Addresses;
use super::outlaw;
use super::socket::Input;
use super::swarm::{Swarm, happens};

const SLICES: usize = 4;

/// The loop, and what the system remembers of each socket.
#[derive(Debug)]
pub(crate) struct Server {
    event_loop: EventLoop,
    system: System,
}

/// All that lies between the loop and the clients.
#[derive(Debug)]
pub(crate) struct System {
    streams: Vec<Option<Stream>>,
    /// Clients that wait to be accepted.
    pub(crate) listener: VecDeque<usize>,
    pub(crate) datagrams: Datagrams,
    /// Which client is at an address, the last one of several.
    pub(crate) addresses: Addresses,
    /// The operator wants the server to stop, and it has not been told.
    pub(crate) wants_stop: bool,
    /// Nobody comes in any more.
    stopping: bool,
    pub(crate) now: Now,
    /// Bytes moved and sockets opened or closed, to tell a turn that did something.
    pub(crate) moved: usize,
    /// Bytes read in this turn.
    pub(crate) read: usize,
    /// How many tokens there have been.
    tokens: u64,
    /// Who was not read to the end in this turn, although they were to be heard and read. `None`
    /// until the first is written to.
    overheard: Option<Vec<usize>>,
}

/// What is known of a connection: its client, or that it comes by datagrams.
#[derive(Debug)]
struct Stream {
    key: ConnectionKey,
    client: usize,
    dialect: Dialect,
    /// Bytes read of it in this turn.
    read: usize,
    /// It was not wanted until after the reading of this turn.
    resumed: bool,
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
    /// The last that came from somebody who is not known: which client that is, and what it says.
    first: Option<(usize, Vec<u8>)>,
}

impl Stream {
    fn is_datagrams(&self) -> bool {
        self.dialect == Dialect::Datagram
    }
}

impl Server {
    pub(crate) fn new(swarm: &Swarm, now: Now) -> Server {
        let system = System {
            streams: Vec::new(),
            listener: VecDeque::new(),
            datagrams: Datagrams::default(),
            addresses: Addresses::new(),
            wants_stop: false,
            stopping: false,
            now,
            moved: 0,
            read: 0,
            tokens: 0,
            overheard: None,
        };
        let mut event_loop = EventLoop::new(&swarm.config, budgets(swarm), now);
        // All that becomes so is applied again in the end.
        event_loop.hub.record_entries();
        if swarm.outlaws {
            outlaw::sentence(&mut event_loop.hub, &swarm.config, now);
        }
        Server { event_loop, system }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.event_loop.hub
    }

    /// Whether a poll would return at once.
    pub(crate) fn has_work(
        &mut self,
        clients: &mut Vec<Client>,
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> bool {
        let Server { event_loop, system } = self;
        let ready = event_loop.has_ready(&mut World { system, clients, rng, swarm });
        ready
            || system.wants_stop
            || !system.listener.is_empty()
            || system.datagrams.writable_edge
            || clients.iter().any(|client| !client.socket.datagrams_in.is_empty())
            || event_loop.hub.poll_timeout().is_some_and(|at| at <= system.now.instant)
            || system.streams.iter().flatten().any(|stream| {
                let socket = &clients[stream.client].socket;
                socket.readable_edge || socket.writable_edge
            })
    }

    /// One turn of the loop.
    pub(crate) fn turn(&mut self, clients: &mut Vec<Client>, rng: &mut Rng, swarm: &Swarm) {
        let Server { event_loop, system } = self;
        (system.read, system.overheard) = (0, None);
        event_loop.budgets = budgets(swarm);
        let mut world = World { system, clients, rng, swarm };
        event_loop.turn(&mut world).unwrap();
        world.end_reading();
    }
}

/// What the loop has of each in a turn.
fn budgets(swarm: &Swarm) -> Budgets {
    Budgets {
        read_bytes: swarm.read_bytes,
        read_bytes_per_turn: swarm.read_bytes_per_turn,
        accepts_per_turn: usize::MAX,
        datagrams_per_turn: swarm.datagrams_per_turn,
        events_per_poll: swarm.events,
        slices_per_write: SLICES,
    }
}

impl std::ops::Deref for Server {
    type Target = System;

    fn deref(&self) -> &System {
        &self.system
    }
}

impl std::ops::DerefMut for Server {
    fn deref_mut(&mut self) -> &mut System {
        &mut self.system
    }
}

impl System {
    /// How many sockets there are.
    pub(crate) fn open(&self) -> usize {
        self.holders().count()
    }

    /// The clients whose sockets these are.
    pub(crate) fn holders(&self) -> impl Iterator<Item = usize> {
        self.streams.iter().flatten().map(|stream| stream.client)
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
        let stream = Stream { key, client, dialect, read: 0, resumed: false };
        self.streams[key.index()] = Some(stream);
    }

    fn stream(&mut self, key: ConnectionKey) -> &mut Stream {
        let stream = self.streams.get_mut(key.index()).and_then(Option::as_mut);
        let stream = stream.filter(|stream| stream.key == key);
        stream.unwrap_or_else(|| panic!("key {key} has no socket"))
    }
}

/// The sockets of one turn.
struct World<'a> {
    system: &'a mut System,
    clients: &'a mut Vec<Client>,
    rng: &'a mut Rng,
    swarm: &'a Swarm,
}

impl World<'_> {
    /// All have been read who are read in this turn, and its deadlines were seen to.
    fn end_reading(&mut self) {
        if self.system.overheard.is_some() {
            return;
        }
        let left = |stream: &&Stream| {
            let client = &self.clients[stream.client];
            let used_up = stream.read >= self.swarm.read_bytes_per_turn;
            let excused = client.unheard || stream.resumed || client.slow || used_up;
            !excused && !client.socket.inbox.is_empty()
        };
        let overheard = self.system.streams.iter().flatten().filter(left);
        self.system.overheard = Some(overheard.map(|stream| stream.client).collect());
        for client in self.clients.iter_mut().filter(|client| !client.unheard) {
            client.decoder_model.timeout(self.system.now.instant);
        }
    }
}

impl Sockets for World<'_> {
    type Handle = usize;

    fn now(&self) -> Now {
        self.system.now
    }

    /// Nobody guesses here.
    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]> {
        self.system.tokens += 1;
        Some(std::array::from_fn(|at| self.system.tokens.to_ne_bytes()[at % 8]))
    }

    /// Tells what has happened to some of the sockets, and of some that nothing has happened to.
    fn poll(&mut self, _: Option<Duration>, events: &mut Vec<PollEvent>) -> io::Result<usize> {
        let World { system, clients, rng, swarm } = self;
        if mem::take(&mut system.wants_stop) {
            events.push(PollEvent::Stop);
        }
        if mem::take(&mut system.datagrams.writable_edge) {
            events.extend(system.datagrams.blocked.drain(..).map(PollEvent::Writable));
        }
        let mut streams: Vec<_> = system.streams.iter_mut().flatten().collect();
        rng.shuffle(&mut streams);
        let mut told = 0;
        for stream in streams {
            (stream.read, stream.resumed) = (0, false);
            let socket = &mut clients[stream.client].socket;
            if stream.is_datagrams() || told == swarm.events {
                continue;
            }
            let spurious = happens(rng, swarm.spurious);
            told += usize::from(socket.readable_edge || socket.writable_edge);
            let writable = mem::take(&mut socket.writable_edge);
            if writable || spurious && socket.watching_writable {
                events.push(PollEvent::Writable(stream.key));
            }
            if mem::take(&mut socket.readable_edge) || spurious {
                events.push(PollEvent::Readable(stream.key));
            }
        }
        Ok(told)
    }

    fn is_ready(&self) -> bool {
        true // there is no time to wait in
    }

    fn count(&self) -> usize {
        self.system.open() + 2
    }

    fn listeners(&self) -> usize {
        usize::from(!self.system.stopping)
    }

    fn accept(&mut self, _: usize, _: Instant) -> Option<Accepted<usize>> {
        let handle = self.system.listener.pop_front()?;
        self.system.moved += 1;
        self.system.meet(handle, self.clients);
        let Client { dialect, remote, .. } = self.clients[handle];
        let prelude = Default::default();
        Some(Accepted { handle, dialect, prelude, remote, is_exposed: false })
    }

    fn open(&mut self, key: ConnectionKey, id: usize) -> io::Result<()> {
        self.clients[id].socket.readable_edge = true;
        self.system.insert(key, id, self.clients[id].dialect);
        self.system.check_places(self.clients, id, self.swarm);
        Ok(())
    }

    fn turn_away(&mut self, id: usize, farewell: &[u8]) {
        self.clients[id].socket.turn_away(farewell);
    }

    fn close_listeners(&mut self) {
        self.system.stopping = true;
        // Whoever waits there finds them closed.
        for id in self.system.listener.drain(..) {
            self.clients[id].end(super::socket::End::Reset);
        }
    }

    fn datagram_sockets(&self) -> usize {
        1
    }

    /// Whoever is not known is another client if the address has been used before.
    fn receive(&mut self, _: usize, buffer: &mut [u8]) -> Option<Datagram> {
        let World { system, clients, rng, swarm } = self;
        let waits = |client: &&Client| !client.socket.datagrams_in.is_empty();
        let waiting: Vec<_> = clients.iter().filter(waits).map(|client| client.id).collect();
        let mut id = rng.choice(waiting)?;
        let datagram = clients[id].socket.datagrams_in.pop_front()?;
        system.moved += 1;
        system.read += datagram.len();
        let remote = clients[id].remote;
        let key = system.datagrams.connections.get(&remote).copied();
        if key.is_some() {
            clients[id].decoder_model.bytes(&datagram);
            clients[id].heard_at = Some(system.now.instant);
        } else if !system.stopping {
            if clients[id].heard_at.is_some() {
                let heir = clients.len();
                let client = clients[id].heir(heir, rng, swarm);
                clients.push(client);
                id = heir;
            }
            system.meet(id, clients);
            system.datagrams.first = Some((id, datagram.clone()));
        }
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Some(Datagram { bytes: datagram.len(), dialect: Dialect::Datagram, remote, key })
    }

    fn open_datagrams(&mut self, key: ConnectionKey, _: usize, remote: SocketAddr) {
        let World { system, clients, .. } = self;
        let (id, datagram) = system.datagrams.first.take().unwrap();
        assert_eq!(clients[id].remote, remote);
        system.insert(key, id, Dialect::Datagram);
        system.datagrams.connections.insert(remote, key);
        clients[id].decoder_model.bytes(&datagram);
        clients[id].heard_at = Some(system.now.instant);
    }

    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = self.system.stream(key);
        let client = &mut self.clients[stream.client];
        match client.socket.read(buffer, self.rng, self.swarm) {
            Input::Bytes(bytes) => {
                client.decoder_model.bytes(&buffer[..bytes]);
                stream.read += bytes;
                self.system.moved += bytes;
                self.system.read += bytes;
                Ok(bytes)
            }
            Input::Nothing => {
                client.decoder_model.nothing(self.system.now.instant);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Input::End => {
                client.decoder_model.end();
                Ok(0)
            }
            Input::Broken => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn watch_readable(&mut self, key: ConnectionKey, wanted: bool) {
        let stream = self.system.stream(key);
        self.clients[stream.client].unheard = !wanted;
        stream.resumed = wanted;
    }

    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.end_reading();
        let World { system, clients, rng, swarm } = self;
        let (id, datagrams) = (system.stream(key).client, system.stream(key).is_datagrams());
        let client = &mut clients[id];
        if system.overheard.as_ref().is_some_and(|overheard| overheard.contains(&id)) {
            check_in_time(key, slices);
        }
        let written = match datagrams {
            true => system.datagrams.send(client, slices, rng, swarm),
            false => client.socket.write(slices, system.now.instant, (rng, swarm)),
        };
        match &written {
            Ok(bytes) => system.moved += bytes,
            Err(error) => client.broke |= datagrams && error.kind() != io::ErrorKind::WouldBlock,
        }
        written
    }

    /// A socket that was not full has been given all that waited.
    fn watch_writable(&mut self, key: ConnectionKey, wanted: bool) -> io::Result<()> {
        let stream = self.system.stream(key);
        let socket = &mut self.clients[stream.client].socket;
        if wanted && stream.is_datagrams() {
            self.system.datagrams.blocked.push(key);
            return Ok(());
        }
        socket.watch_writable(wanted);
        if !wanted {
            socket.note_drained();
        }
        Ok(())
    }

    fn shut(&mut self, key: ConnectionKey) -> bool {
        let stream = self.system.stream(key);
        let client = &mut self.clients[stream.client];
        assert!(!client.socket.shut, "key {key} is finished twice");
        client.socket.shut = true;
        let can_send = !stream.is_datagrams();
        client.shut_at = Some(self.system.now.instant);
        can_send
    }

    fn close(&mut self, key: ConnectionKey) {
        self.end_reading();
        let World { system, clients, swarm, .. } = self;
        let (id, by_datagrams) = (system.stream(key).client, system.stream(key).is_datagrams());
        system.streams[key.index()] = None;
        system.moved += 1;
        let (now, client) = (system.now.instant, &mut clients[id]);
        client.socket.dropped = true;
        // Closing has its time from when it began, which is not known here: not before it came.
        let age = now.saturating_duration_since(client.accepted_at);
        let drain = swarm.config.limits.drain;
        if !client.socket.shut {
            // It was not told all, and what it was told last perhaps not to the end.
            client.socket.drained.retain(|at| *at < client.socket.written);
            client.cut_off |= age >= drain;
        }
        if by_datagrams {
            client.eof = true;
            system.datagrams.connections.remove(&client.remote);
            system.datagrams.blocked.retain(|blocked| *blocked != key);
            return;
        }
        // Closing with input unread resets the connection, and what was underway is lost.
        if !client.socket.inbox.is_empty() || !client.unsent.is_empty() {
            let linger = Duration::from_secs(2);
            let is_over = |at| now.saturating_duration_since(at) >= linger;
            let lingered = client.shut_at.is_none_or(is_over) || age >= drain.max(linger);
            assert!(
                lingered || client.is_broken() || client.slow,
                "client {id} is dropped although it is still sending"
            );
            client.lost |= !client.socket.outbox.is_empty();
            client.socket.outbox.clear();
        }
    }
}

/// Nobody is told that they gave no name in time who was overheard.
fn check_in_time(key: ConnectionKey, slices: &[IoSlice<'_>]) {
    let told: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
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

//! A server in a world of the relay: the real loop, hub and link over sockets that are buffers.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use chinwag::config::{Config, Prelude};
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::relay::{Link, LinkSettings, LogLength, Side, exchange};
use chinwag::token::TOKEN_BYTES;
use chinwag::turn::{Accepted, Budgets, EventLoop, PollEvent, Sockets};
use chinwag::{ConnectionKey, Now};
use fastrand::Rng;

use super::engine::Engine;

/// What somebody at a server sends and gets.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) dialect: Dialect,
    pub(crate) input: VecDeque<u8>,
    pub(crate) output: Vec<u8>,
    /// It sends no more.
    pub(crate) ended: bool,
    /// The server has let go of it.
    pub(crate) closed: bool,
}

type Shared<T> = Rc<RefCell<T>>;

pub(crate) struct Server {
    pub(crate) event_loop: EventLoop,
    pub(crate) sockets: Buffers,
}

pub(crate) struct Buffers {
    now: Now,
    arriving: VecDeque<Shared<Client>>,
    clients: HashMap<ConnectionKey, Shared<Client>>,
    link: Link,
    wires: [Option<usize>; 2],
    engine: Shared<Engine>,
    port: u16,
    rng: Rng,
}

impl Server {
    pub(crate) fn new(
        label: &str,
        seed: u64,
        (engine, log): (&Shared<Engine>, LogLength),
        now: Now,
    ) -> Server {
        let mut config = Config::default();
        config.limits.flood = None;
        config.limits.connects = None;
        let mut event_loop = EventLoop::new(&config, Budgets::default(), now);
        event_loop.hub.share_as(label, seed);
        let (label, login, addresses) = (label.to_owned(), None, 1);
        let settings = LinkSettings { label, log, login, addresses, seed, secret: [7; 16] };
        let sockets = Buffers {
            now,
            arriving: VecDeque::new(),
            clients: HashMap::new(),
            link: Link::new(settings, now),
            wires: [None, None],
            engine: Rc::clone(engine),
            port: 1024,
            rng: Rng::with_seed(seed),
        };
        Server { event_loop, sockets }
    }

    pub(crate) fn connect(&mut self, dialect: Dialect) -> Shared<Client> {
        let client = Client { dialect, ..Client::default() };
        let client = Rc::new(RefCell::new(client));
        self.sockets.arriving.push_back(Rc::clone(&client));
        client
    }

    pub(crate) fn turn(&mut self, now: Now) {
        self.sockets.now = now;
        self.event_loop.turn(&mut self.sockets).unwrap();
    }

    /// Whether it can write, and all that it has written has come back.
    pub(crate) fn is_done(&self) -> bool {
        let counts = self.event_loop.hub.relay_counts();
        counts.is_some_and(|counts| counts.is_live && counts.pending == 0)
    }

    /// It is gone, and all who were there.
    pub(crate) fn crash(&mut self, late: bool) {
        self.sockets.cut(late);
        for client in self.sockets.clients.values().chain(&self.sockets.arriving) {
            client.borrow_mut().closed = true;
        }
    }
}

impl Buffers {
    /// Its connections to the engine are cut.
    pub(crate) fn cut(&mut self, late: bool) {
        for wire in self.wires.iter_mut().filter_map(Option::take) {
            self.engine.borrow_mut().cut(wire, late);
        }
    }

    fn client(&self, key: ConnectionKey) -> io::Result<&Shared<Client>> {
        self.clients.get(&key).ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn drop_if_wanted(&mut self) {
        if self.link.poll_drop() {
            self.cut(true);
        }
    }
}

impl Sockets for Buffers {
    type Handle = Shared<Client>;

    fn now(&self) -> Now {
        self.now
    }

    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]> {
        Some(std::array::from_fn(|_| self.rng.u8(..)))
    }

    fn poll(&mut self, _: Option<Duration>, events: &mut Vec<PollEvent>) -> io::Result<usize> {
        let has_more = |client: &Client| !client.input.is_empty() || client.ended;
        let ready = self.clients.iter().filter(|(_, client)| has_more(&client.borrow()));
        let mut ready: Vec<_> = ready.map(|(key, _)| *key).collect();
        ready.sort_unstable();
        let count = ready.len();
        events.extend(ready.into_iter().map(PollEvent::Readable));
        Ok(count)
    }

    fn is_ready(&self) -> bool {
        !self.arriving.is_empty()
    }

    fn count(&self) -> usize {
        self.clients.len() + 1
    }

    fn listeners(&self) -> usize {
        1
    }

    fn accept(&mut self, _: usize, _: Instant) -> Option<Accepted<Shared<Client>>> {
        let handle = self.arriving.pop_front()?;
        self.port = self.port.checked_add(1).unwrap_or(1024);
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let (dialect, prelude) = (handle.borrow().dialect, Prelude::default());
        Some(Accepted { handle, dialect, prelude, remote, is_exposed: false })
    }

    fn open(&mut self, key: ConnectionKey, handle: Shared<Client>) -> io::Result<()> {
        self.clients.insert(key, handle);
        Ok(())
    }

    fn turn_away(&mut self, handle: Shared<Client>, _: &[u8]) {
        handle.borrow_mut().closed = true;
    }

    fn close_listeners(&mut self) {}

    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize> {
        let mut client = self.client(key)?.borrow_mut();
        if client.input.is_empty() && !client.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        io::Read::read(&mut client.input, buffer)
    }

    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut client = self.client(key)?.borrow_mut();
        let before = client.output.len();
        slices.iter().for_each(|slice| client.output.extend_from_slice(slice));
        Ok(client.output.len() - before)
    }

    fn watch_writable(&mut self, _: ConnectionKey, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn shut(&mut self, key: ConnectionKey) -> bool {
        self.client(key).is_ok_and(|client| {
            client.borrow_mut().closed = true;
            false
        })
    }

    fn close(&mut self, key: ConnectionKey) {
        if let Some(client) = self.clients.remove(&key) {
            client.borrow_mut().closed = true;
        }
    }

    fn relay(&mut self, hub: &mut Hub, now: Now) {
        exchange(&mut self.link, hub, now);
        self.link.handle_timeout(now);
        self.drop_if_wanted();
        while let Some((side, _)) = self.link.poll_dial() {
            self.wires[side as usize] = Some(self.engine.borrow_mut().connect());
            self.link.handle_open(side, now);
        }
        for side in Side::BOTH {
            let Some(wire) = self.wires[side as usize] else { continue };
            let bytes = self.engine.borrow_mut().take_output(wire);
            if !bytes.is_empty() {
                self.link.handle_bytes(side, &bytes, now);
                exchange(&mut self.link, hub, now);
                self.drop_if_wanted();
            }
            if self.wires[side as usize].is_some() && !self.engine.borrow().is_open(wire) {
                self.link.handle_broken("cut", now);
                exchange(&mut self.link, hub, now);
                self.drop_if_wanted();
            }
        }
        for side in Side::BOTH {
            let bytes = self.link.poll_transmit(side);
            if let Some(wire) = self.wires[side as usize] {
                self.engine.borrow_mut().receive(wire, &bytes);
            }
        }
    }
}

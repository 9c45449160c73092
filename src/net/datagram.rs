//! A UDP socket: one for all who speak there. It knows which address is which peer, and that a
//! frame is a datagram.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::Type;

use super::inherited::Inherited;
use crate::key::ConnectionKey;

/// Ports below this are the system's: what comes from there is some service's answer to somebody
/// else's forgery, not a person.
const FIRST_USER_PORT: u16 = 1024;

/// Reads in a row that bring nothing, after which the others have their turn.
const FAILURES_MAX: usize = 1000;

/// A socket to which datagrams come.
#[derive(Debug)]
pub(crate) struct Datagrams {
    address: SocketAddr,
    socket: UdpSocket,
    token: Token,
    readable: bool,
    watching_writable: bool,
    peers: HashMap<SocketAddr, ConnectionKey>,
    addresses: HashMap<ConnectionKey, SocketAddr>,
    /// Who could not be written to when the socket was full.
    blocked: Vec<ConnectionKey>,
}

impl Datagrams {
    /// Opens a socket at `address`, or takes one that is there already.
    ///
    /// # Errors
    /// What the system says if the address cannot be had.
    pub(crate) fn bind(
        address: SocketAddr,
        inherited: &mut Inherited,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Datagrams> {
        let socket = match inherited.take_udp(address) {
            Some(socket) => socket,
            None => super::bind(address, Type::DGRAM)?.into(),
        };
        socket.set_nonblocking(true)?;
        let mut socket = UdpSocket::from_std(socket);
        let address = socket.local_addr()?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Datagrams {
            address,
            socket,
            token,
            readable: true,
            watching_writable: false,
            peers: HashMap::new(),
            addresses: HashMap::new(),
            blocked: Vec::new(),
        })
    }

    /// Where it is, with the port that it really has.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether there may be something to read.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// The system says that there is something to read.
    pub(crate) fn note_readable(&mut self) {
        self.readable = true;
    }

    /// Reads the next datagram into `buffer`: how many bytes, and where from. What cannot be from a
    /// person is passed over: another server's, above all, for two that answer each other never
    /// end.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        for _ in 0..if self.readable { FAILURES_MAX } else { 0 } {
            match self.socket.recv_from(buffer) {
                Ok(received) if self.may_be_a_person(received.1) => return Some(received),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return None;
                }
                // Somebody we have written to is not there any more (10054 on Windows). That is no
                // reason not to hear the others.
                Err(error) => log::debug!("datagrams at {}: {error}", self.address),
            }
        }
        None
    }

    /// Whether an answer to `from` would go to one program that is not a service of the system, nor
    /// a server as this one.
    fn may_be_a_person(&self, from: SocketAddr) -> bool {
        let ip = from.ip().to_canonical();
        let one = !ip.is_unspecified() && !ip.is_multicast() && ip != Ipv4Addr::BROADCAST;
        one && from.port() >= FIRST_USER_PORT && from.port() != self.address.port()
    }

    /// The peer at an address.
    pub(crate) fn peer_at(&self, address: SocketAddr) -> Option<ConnectionKey> {
        self.peers.get(&address).copied()
    }

    /// From now on the peer at `address` is `key`.
    pub(crate) fn add(&mut self, key: ConnectionKey, address: SocketAddr) {
        self.peers.insert(address, key);
        self.addresses.insert(key, address);
    }

    /// Forgets a peer.
    pub(crate) fn remove(&mut self, key: ConnectionKey) {
        if let Some(address) = self.addresses.remove(&key) {
            self.peers.remove(&address);
        }
        self.blocked.retain(|blocked| *blocked != key);
    }

    /// Sends the frames in `slices`, which end with LF (the last one need not), each as a datagram.
    /// Returns how many bytes that took; fewer than all if the socket is full.
    ///
    /// # Errors
    /// `WouldBlock` if it takes none at all; any other if it cannot be sent.
    pub(crate) fn send(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(address) = self.addresses.get(&key).copied() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut sent = 0;
        for frame in slices.iter().flat_map(|slice| slice.split_inclusive(|byte| *byte == b'\n')) {
            let datagram = frame.strip_suffix(b"\n").unwrap_or(frame);
            match self.socket.send_to(datagram, address) {
                Ok(_) => sent += frame.len(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// `key` waits until the socket takes more.
    ///
    /// # Errors
    /// What the system says if it cannot be asked to tell.
    pub(crate) fn note_blocked(
        &mut self,
        key: ConnectionKey,
        registry: &Registry,
    ) -> io::Result<()> {
        self.blocked.push(key);
        self.watch_writable(true, registry)
    }

    /// The system says that the socket takes more: those who waited.
    ///
    /// # Errors
    /// What the system says if it cannot be asked to tell no more.
    pub(crate) fn take_blocked(&mut self, registry: &Registry) -> io::Result<Vec<ConnectionKey>> {
        self.watch_writable(false, registry)?;
        Ok(std::mem::take(&mut self.blocked))
    }

    fn watch_writable(&mut self, wanted: bool, registry: &Registry) -> io::Result<()> {
        if self.watching_writable != wanted {
            self.watching_writable = wanted;
            let interest = super::interest(wanted);
            registry.reregister(&mut self.socket, self.token, interest)?;
        }
        Ok(())
    }
}

//! A listening socket: binding it, and accepting until there is nobody left, whatever goes wrong
//! with one of those who come.

use std::fs::File;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::Type;

use super::descriptors;
use super::inherited::Inherited;

/// Connections that the system keeps for us until we accept them.
const ACCEPT_QUEUE: i32 = 4096;

/// How long not to try again when descriptors have run out.
const RETRY: Duration = Duration::from_millis(100);

/// Failed accepts in a row after which something else than those who come must be wrong.
const FAILURES_MAX: usize = 1000;

/// A socket that is listened at.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    socket: TcpListener,
    /// Somebody may be waiting: the system says so once, and we remember until it says that nobody
    /// is.
    ready: bool,
    /// A descriptor to give up when there is no other, so that those who come can be accepted and
    /// closed. They would wait for ever otherwise, and wake us all the time.
    spare: Option<File>,
    retry_at: Option<Instant>,
    /// The log has been told that we cannot accept, and we could not since.
    in_need: bool,
}

impl Listener {
    /// Listens at `address`, perhaps with a socket that does so already.
    ///
    /// # Errors
    /// What the system says if the address cannot be listened at.
    pub(crate) fn bind(
        address: SocketAddr,
        inherited: &mut Inherited,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Listener> {
        let socket = match inherited.take_tcp(address) {
            Some(socket) => socket,
            None => {
                let socket = super::bind(address, Type::STREAM)?;
                socket.listen(ACCEPT_QUEUE)?;
                socket.into()
            }
        };
        socket.set_nonblocking(true)?;
        let mut socket = TcpListener::from_std(socket);
        let address = socket.local_addr()?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Listener {
            address,
            socket,
            ready: true,
            spare: descriptors::spare(),
            retry_at: None,
            in_need: false,
        })
    }

    /// Where it listens, with the port that it really has.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether somebody may be waiting.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// The system says that somebody is waiting.
    pub(crate) fn note_ready(&mut self) {
        self.ready = true;
    }

    /// When to try again, if descriptors have run out.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The next one who waits. `None` when nobody does, or when it must be tried again later.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.ready = true;
        }
        for _ in 0..if self.ready { FAILURES_MAX } else { 0 } {
            match self.socket.accept() {
                Ok((socket, remote)) => {
                    self.in_need = false;
                    return Some((socket, remote));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return None;
                }
                Err(error) if descriptors::is_shortage(&error) => match self.shed() {
                    Shed::One => {}
                    Shed::Nobody => {
                        self.ready = false;
                        return None;
                    }
                    Shed::Impossible => break,
                },
                // One of those who waited is gone (ECONNABORTED), or a signal came between.
                Err(error) => log::debug!("accept: {error}"),
            }
        }
        if self.ready {
            if !mem::replace(&mut self.in_need, true) {
                log::warn!("cannot accept at {}; trying again and again", self.address);
            }
            self.ready = false;
            self.retry_at = Some(now + RETRY);
        }
        None
    }

    /// Accepts one and closes it, with the spare descriptor.
    fn shed(&mut self) -> Shed {
        if self.spare.take().is_none() {
            self.spare = descriptors::spare();
            return Shed::Impossible;
        }
        let shed = self.socket.accept();
        let outcome = match &shed {
            Ok((_, remote)) => {
                log::warn!("closed: {remote}: no descriptor left for it");
                Shed::One
            }
            // Without a descriptor the system does not even look whether somebody waits.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Shed::Nobody,
            Err(_) => Shed::One,
        };
        drop(shed);
        self.spare = descriptors::spare();
        outcome
    }
}

/// What became of somebody for whom there is no descriptor.
enum Shed {
    One,
    Nobody,
    /// There is not even the spare one.
    Impossible,
}

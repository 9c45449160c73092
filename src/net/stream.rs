//! One TCP socket: reading and writing until it would block, and asking the system for just the
//! readiness that is needed.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

/// Linux's names for: there is more to come, and no signal if the other side has gone.
#[cfg(all(feature = "tls", target_os = "linux"))]
const MSG_MORE: i32 = 0x8000;
#[cfg(all(feature = "tls", target_os = "linux"))]
const MSG_NOSIGNAL: i32 = 0x4000;

/// A connection's socket.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    token: Token,
    /// The system has been asked to say when it takes more.
    watching_writable: bool,
}

impl Stream {
    /// Takes in a socket that has just been accepted, under the token by which the system will
    /// know it.
    pub(crate) fn new(socket: TcpStream, token: Token) -> Stream {
        Stream { socket, token, watching_writable: false }
    }

    /// Asks the system to say when there is something to read.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub(crate) fn watch(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.socket, self.token, Interest::READABLE)
    }

    /// Whether a socket that was told to connect has done so.
    ///
    /// # Errors
    /// Why it could not.
    #[cfg(feature = "relay")]
    pub(crate) fn is_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                // It was watched for this.
                self.watching_writable = true;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Chooses what every connection wants that is let in: what is written is sent at once (it is
    /// gathered already), and a peer that is dead is noticed. How often that is tried cannot be
    /// chosen on every Windows; there it is ten times.
    ///
    /// # Errors
    /// What the system says. Some systems mind if the other side is gone already, as reading would.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(60))
            .with_interval(Duration::from_secs(15));
        #[cfg(not(windows))]
        let keepalive = keepalive.with_retries(4);
        self.socket.set_nodelay(true)?;
        SockRef::from(&self.socket).set_tcp_keepalive(&keepalive)
    }

    /// By what the system knows it.
    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// Reads once and returns how many bytes that brought. 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now; any other means that it is broken.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Writes once.
    ///
    /// # Errors
    /// `WouldBlock` if the socket takes no more for now; any other means that it is broken.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let written = match slices {
                [one] => self.socket.write(one),
                several => self.socket.write_vectored(several),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    /// As [`write`](Self::write), but more comes at once: where the system can wait for that, it
    /// sends all together, which costs less.
    #[cfg(feature = "tls")]
    pub(crate) fn write_more(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        {
            let socket = SockRef::from(&self.socket);
            loop {
                let written = match slices {
                    [one] => socket.send_with_flags(one, MSG_MORE | MSG_NOSIGNAL),
                    several => socket.send_vectored_with_flags(several, MSG_MORE | MSG_NOSIGNAL),
                };
                match written {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    written => return written,
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        self.write(slices)
    }

    /// Asks the system to say when more can be written, or not to say it any more.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub(crate) fn watch_writable(&mut self, wanted: bool, registry: &Registry) -> io::Result<()> {
        if self.watching_writable != wanted {
            self.watching_writable = wanted;
            let interest = super::interest(wanted);
            registry.reregister(&mut self.socket, self.token, interest)?;
        }
        Ok(())
    }

    /// Tells the other side that there will be no more. If that cannot be told it is gone.
    pub(crate) fn shut(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

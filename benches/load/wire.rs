//! What carries a member's bytes: a socket that does not block, with TLS over it or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::certificate::Certificate;

/// Where a crowd goes, and whether over TLS.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// A connected socket. Handshakes are done when there is one.
pub(super) struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Destination {
        Destination { address, tls: None }
    }
}

impl Destination {
    /// A listener with TLS that has this certificate, for `localhost`.
    ///
    /// # Errors
    /// If the certificate cannot be used.
    pub(crate) fn over_tls(address: SocketAddr, cert: &Certificate) -> io::Result<Self> {
        Ok(Destination { address, tls: Some(cert.client()?) })
    }

    /// Connects, and does the handshake. Both block.
    pub(super) fn connect(&self) -> io::Result<Wire> {
        let address = self.address;
        let mut socket = net::TcpStream::connect(address)
            .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
        socket.set_nodelay(true)?;
        let mut tls = None;
        if let Some(config) = &self.tls {
            let host = ServerName::try_from("localhost").map_err(io::Error::other)?;
            let connection = ClientConnection::new(Arc::clone(config), host);
            let mut connection = connection.map_err(io::Error::other)?;
            while connection.is_handshaking() {
                connection.complete_io(&mut socket)?;
            }
            tls = Some(Box::new(connection));
        }
        socket.set_nonblocking(true)?;
        Ok(Wire { socket: TcpStream::from_std(socket), tls })
    }
}

impl Wire {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        // WRITABLE is edge-triggered and stays silent unless a write was short.
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.socket, token, interest)
    }

    /// Reads. If that is less than `buffer` holds, the socket is empty.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        let mut filled = 0;
        while filled < buffer.len() {
            match tls.reader().read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match tls.read_tls(&mut self.socket) {
                        Err(error) if filled > 0 && error.kind() == ErrorKind::WouldBlock => break,
                        read => read?,
                    };
                    tls.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes. `WouldBlock` if the socket still has to take what was written before.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let written = tls.writer().write(bytes)?;
        self.flush().map(|_| written)
    }

    /// Hands what TLS has taken to the socket. Returns whether that took all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                written => written?,
            };
        }
        Ok(true)
    }
}

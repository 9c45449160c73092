//! Sockets, signals and the terminal: all that differs from system to system, and no word of chat.

pub(crate) mod background;
#[cfg(feature = "tls")]
pub(crate) mod certificates;
pub(crate) mod console;
pub(crate) mod datagram;
pub(crate) mod descriptors;
pub(crate) mod header;
pub(crate) mod inherited;
pub(crate) mod listener;
pub(crate) mod process;
#[cfg(feature = "relay")]
pub(crate) mod relay;
#[cfg(all(feature = "relay", feature = "tls"))]
pub(crate) mod relay_tls;
pub(crate) mod signals;
pub(crate) mod stream;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use std::io;
use std::net::SocketAddr;

use mio::Interest;
use socket2::{Domain, Socket, Type};

/// A socket at `address` that does not block. One at `[::]` takes IPv4 as well, whatever the
/// system would have it do by itself.
fn bind(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // A port has connections for a while whose server has ended, and must be had again at once. On
    // Windows it can be without this, which would let another program take it away from us there.
    // (To refuse it to all programs, and not to other users' alone as the system does by itself,
    // takes SO_EXCLUSIVEADDRUSE, which nothing sets without unsafe code.)
    if kind == Type::STREAM && cfg!(not(windows)) {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What to ask the system to tell of a socket: that it can be read always, that it can be written
/// only while something waits. Standing interest in writing wakes the loop for nothing.
fn interest(writable: bool) -> Interest {
    let readable = Interest::READABLE;
    if writable { readable.add(Interest::WRITABLE) } else { readable }
}

//! Sockets that were open before the server began: whoever starts it may have bound them already,
//! as systemd does for a socket unit. One is taken instead of a new one where the server is to
//! listen at its very address.

use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Sockets that are there to be taken.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<(SocketAddr, TcpListener)>,
    udp: Vec<(SocketAddr, UdpSocket)>,
}

impl Inherited {
    /// Those that the variables `LISTEN_FDS` and `LISTEN_PID` tell of, which are taken away. So it
    /// must be called before there are other threads.
    #[cfg(unix)]
    #[must_use]
    pub fn from_env() -> Inherited {
        let mut inherited = Inherited::default();
        let mut sockets = listenfd::ListenFd::from_env();
        for place in 0..sockets.len() {
            if let Ok(Some(socket)) = sockets.take_tcp_listener(place)
                && let Ok(address) = socket.local_addr()
            {
                inherited.tcp.push((address, socket));
            } else if let Ok(Some(socket)) = sockets.take_udp_socket(place)
                && let Ok(address) = socket.local_addr()
            {
                inherited.udp.push((address, socket));
            }
        }
        inherited
    }

    /// There are none on this system.
    #[cfg(not(unix))]
    #[must_use]
    pub fn from_env() -> Inherited {
        Inherited::default()
    }

    /// The one that is listened at by TCP at this address.
    pub(crate) fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let place = self.tcp.iter().position(|(of_socket, _)| *of_socket == address)?;
        Some(self.tcp.swap_remove(place).1)
    }

    /// The one that has this address by UDP.
    pub(crate) fn take_udp(&mut self, address: SocketAddr) -> Option<UdpSocket> {
        let place = self.udp.iter().position(|(of_socket, _)| *of_socket == address)?;
        Some(self.udp.swap_remove(place).1)
    }

    /// The addresses of those that nobody has taken.
    pub(crate) fn left(&self) -> impl Iterator<Item = SocketAddr> {
        let tcp = self.tcp.iter().map(|(address, _)| *address);
        tcp.chain(self.udp.iter().map(|(address, _)| *address))
    }
}

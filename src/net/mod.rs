//! Sockets and signals: all that differs from system to system, and not a word of chat.

pub(crate) mod console;
pub(crate) mod datagram;
pub(crate) mod listener;
pub(crate) mod signals;
pub(crate) mod stream;

/// What to ask the system to tell of a socket: that it can be read always, that it can be written
/// only while something waits. Standing interest in writing wakes the loop for nothing.
fn interest(writable: bool) -> mio::Interest {
    let readable = mio::Interest::READABLE;
    if writable { readable.add(mio::Interest::WRITABLE) } else { readable }
}

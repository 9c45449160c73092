//! Sockets and signals: all that differs from system to system, and not a word of chat.

pub(crate) mod listener;
pub(crate) mod signals;
pub(crate) mod stream;

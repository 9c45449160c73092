//! The key of a connection, by which the hub, the server and the timers all know it; and how slabs
//! grow.

use std::fmt;

use slab::Slab;

/// A connection. `index` is its place in the slab, which is used again once the connection is gone;
/// `generation` tells it from all others that had the same place before or will have it later.
///
/// Order and hash have no meaning beyond being the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey {
    index: u32,
    generation: u32,
}

impl ConnectionKey {
    /// The connection at this place with this generation. No slab has more than `u32::MAX` places.
    pub(crate) fn new(index: usize, generation: u32) -> ConnectionKey {
        ConnectionKey { index: index as u32, generation }
    }

    /// The key of the connection that is the `n`th of all and has the place `n`.
    #[cfg(test)]
    pub(crate) fn nth(n: usize) -> ConnectionKey {
        ConnectionKey::new(n, n as u32 + 1)
    }

    /// The key as a number.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// The key with this number.
    #[must_use]
    pub fn from_bits(bits: u64) -> ConnectionKey {
        ConnectionKey { index: bits as u32, generation: (bits >> 32) as u32 }
    }

    /// Its place in the slab: small, and nobody else's as long as the connection is there.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Which of the connections at this place it is.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// As [`reserve`], in a list; there are many, and most are short.
pub(crate) fn reserve_in<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 8);
    }
}

/// Makes room for one more. What is large grows by an eighth: twice as much would lie idle.
pub(crate) fn reserve<T>(slab: &mut Slab<T>) {
    if slab.len() == slab.capacity() {
        slab.reserve_exact((slab.len() / 8).max(16));
    }
}

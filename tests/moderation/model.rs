//! A random life.

pub(crate) fn live(_seed: u64) {}

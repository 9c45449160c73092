//! IRC: everybody joins one channel.
//!
//! The server must let so many come from one address, and talk as fast as they are asked to.

use crate::load::speech::{self, Speech};

/// Most servers do keep one order, but the protocol does not ask for it.
pub(crate) static SPEECH: Speech = Speech { one_order: false, ..speech::IRC };

//! Lists: answers that hold many names, or the history, in one piece. They are the longest that
//! there are, so those who ask in the same state of the room share one, and what all of them
//! together may cost is bounded, also when nobody reads: past that, people are told a part.
//!
//! Nobody keeps a list for later. It goes with the last of those who were told it.

use std::sync::Arc;

use crate::dialect::Dialect;

/// A list that is not longer than this counts with all else that waits for whoever was told it.
const SHORT_BYTES_MAX: usize = 4 * 1024;

/// Bytes of lists that have not been read yet, after which no more are made.
const UNREAD_BYTES_MAX: usize = 8 << 20;

/// Bytes of lists that are made in a turn, after which no more are made in it.
const MADE_BYTES_PER_TURN: usize = 1 << 20;

/// To look at somebody who is not in a list costs as much as so many bytes of one.
const SEARCH_COST_BYTES: usize = 32;

/// All lists that somebody has not read yet.
///
/// Invariant: `bytes` is what those in `kept` have together, at most [`UNREAD_BYTES_MAX`] and one
/// list more.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    kept: Vec<List>,
    bytes: usize,
    made_bytes: usize,
}

#[derive(Debug)]
struct List {
    /// Of which room, and in which dialect, this tells who is here now; `None` if it does not, or
    /// not any more.
    here: Option<(usize, Dialect)>,
    bytes: Arc<[u8]>,
}

impl Lists {
    /// Who is in a room now, if somebody has been told so in this dialect.
    pub(crate) fn here(&self, room: usize, dialect: Dialect) -> Option<Arc<[u8]>> {
        let list = self.kept.iter().rev().find(|list| list.here == Some((room, dialect)));
        list.map(|list| Arc::clone(&list.bytes))
    }

    /// Takes in a list that has just been made, if it is long.
    pub(crate) fn share(&mut self, here: Option<(usize, Dialect)>, bytes: Vec<u8>) -> Arc<[u8]> {
        let bytes: Arc<[u8]> = bytes.into();
        if bytes.len() <= SHORT_BYTES_MAX {
            return bytes;
        }
        self.bytes += bytes.len();
        self.made_bytes += bytes.len();
        self.kept.push(List { here, bytes: Arc::clone(&bytes) });
        bytes
    }

    /// So many people were looked at for a list, whether or not they are in it.
    pub(crate) fn note_search(&mut self, people: usize) {
        self.made_bytes += people * SEARCH_COST_BYTES;
    }

    /// Somebody has come into a room, gone or taken another name.
    pub(crate) fn outdate(&mut self, room: usize) {
        for list in &mut self.kept {
            list.here.take_if(|(of, _)| *of == room);
        }
    }

    /// Whether no list should be made now.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes > UNREAD_BYTES_MAX || self.has_made_enough()
    }

    /// Whether no list should be made in this turn.
    pub(crate) fn has_made_enough(&self) -> bool {
        self.made_bytes > MADE_BYTES_PER_TURN
    }

    /// Bytes of all lists that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends a turn: forgets what everyone has got.
    pub(crate) fn end_turn(&mut self) {
        self.made_bytes = 0;
        self.kept.retain(|list| Arc::strong_count(&list.bytes) > 1);
        self.bytes = self.kept.iter().map(|list| list.bytes.len()).sum();
        if self.kept.is_empty() {
            self.kept = Vec::new();
        }
    }
}

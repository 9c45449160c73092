//! Delivery: how what a room says reaches its readers without a copy for each.
//!
//! An event is encoded once for each encoding that somebody in the room reads, and appended to the
//! [`journal`] of that room and encoding. Each connection has an [`outbox`]: one number, `next`,
//! says what it has got of all the rooms it is in, since every event takes the next number of one
//! sequence, in whichever room it happens.
//!
//! ```text
//! seq                 1    2    3    4    5    6    7
//! #lobby, lines   |  e1 | e2 |    | e4 |    |    | e7 |        each journal: one run of bytes, and
//! #ops,   lines   |     |    | e3 |    | e5 | e6 |    |        for each frame a mark (seq, end)
//!                           ▲              ▲            ▲
//!                      a laggard       in both rooms    everyone else
//!                      (next = 3)      (next = 5)       (next = 8)
//! ```
//!
//! Who is in one room and has read everything is written one slice, which is found without a
//! search. For who is in several rooms the journals are merged by number, so that there is one
//! order across rooms; what was told in several of them has one number, and is sent once.

mod budget;
mod journal;
mod outbox;

use std::mem;
use std::num::NonZeroU32;

use slab::Slab;

pub(crate) use self::budget::{HOLD_MAX, Hold};
pub(crate) use self::journal::{Journal, Seq};
pub(crate) use self::outbox::Outbox;

/// A journal among all: one more than its place in the slab, so that an `Option` of it is no
/// larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalKey(NonZeroU32);

impl JournalKey {
    fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All journals, and the one sequence that they share.
#[derive(Debug, Default)]
pub(crate) struct Journals {
    slab: Slab<Entry>,
    /// The number that the next event will have.
    next: Seq,
    /// Those to be looked at when the turn ends.
    touched: Vec<JournalKey>,
}

#[derive(Debug, Default)]
struct Entry {
    journal: Journal,
    /// It stands in [`Journals::touched`].
    touched: bool,
}

impl Journals {
    /// The number that the next event will have.
    pub(crate) fn next_seq(&self) -> Seq {
        self.next
    }

    /// Takes the next number for an event.
    pub(crate) fn take_seq(&mut self) -> Seq {
        self.next += 1;
        self.next - 1
    }

    /// Adds a journal.
    pub(crate) fn insert(&mut self) -> JournalKey {
        let place = self.slab.insert(Entry::default()) as u32;
        JournalKey(NonZeroU32::MIN.saturating_add(place))
    }

    /// Appends the frame of event `seq` to a journal, if anybody reads it. Returns how many bytes
    /// it has.
    pub(crate) fn append(
        &mut self,
        key: JournalKey,
        seq: Seq,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let Entry { journal, touched } = &mut self.slab[key.place()];
        if journal.is_unread() {
            return 0;
        }
        if !mem::replace(touched, true) {
            self.touched.push(key);
        }
        journal.append(seq, encode)
    }

    /// Ends a turn: forgets what everyone has got.
    pub(crate) fn end_turn(&mut self) {
        let slab = &mut self.slab;
        self.touched.retain(|key| {
            let Entry { journal, touched } = &mut slab[key.place()];
            journal.end_turn();
            *touched = !journal.is_idle();
            *touched
        });
    }

    pub(crate) fn get(&self, key: JournalKey) -> &Journal {
        &self.slab[key.place()].journal
    }

    pub(crate) fn get_mut(&mut self, key: JournalKey) -> &mut Journal {
        &mut self.slab[key.place()].journal
    }

    /// All journals.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Journal> {
        self.slab.iter().map(|(_, entry)| &entry.journal)
    }
}

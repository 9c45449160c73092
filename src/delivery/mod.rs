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
mod channel;
mod journal;
mod lists;
mod outbox;

use std::mem;
use std::num::NonZeroU32;

use slab::Slab;

pub(crate) use self::budget::HOLD_MAX;
pub(crate) use self::channel::{Channel, PresenceBatch, PresenceKind, presence_delay};
use self::journal::Journal;
pub(crate) use self::journal::Seq;
pub(crate) use self::lists::Lists;
use self::outbox::Gathered;
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
    /// All below this has been there to be written in this turn.
    offered: Seq,
    /// Those to be looked at when the turn ends.
    touched: Vec<JournalKey>,
    /// Those of rooms that are gone, which somebody still reads.
    orphans: Vec<JournalKey>,
    gathered: Gathered,
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

    /// The room of a journal is gone: it goes when nobody reads it any more.
    pub(crate) fn abandon(&mut self, key: JournalKey) {
        self.orphans.push(key);
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

    /// What there is now is written. What is said after that, since somebody turned out to be gone
    /// while it was written, is for the next turn.
    pub(crate) fn begin_output(&mut self) {
        self.offered = self.next;
    }

    /// Ends a turn: forgets what everyone has got.
    pub(crate) fn end_turn(&mut self) {
        let (slab, offered) = (&mut self.slab, self.offered);
        self.touched.retain(|key| {
            let Entry { journal, touched } = &mut slab[key.place()];
            journal.end_turn(offered);
            *touched = !journal.is_idle();
            *touched
        });
        let touched = &mut self.touched;
        self.orphans.retain(|key| {
            let is_read = !slab[key.place()].journal.is_unread();
            if !is_read {
                touched.retain(|other| other != key);
                slab.remove(key.place());
            }
            is_read
        });
    }

    /// Bytes of the longest journal, marks included.
    pub(crate) fn longest(&self) -> usize {
        self.in_use().map(|(_, journal)| journal.len()).max().unwrap_or_default()
    }

    /// Bytes of all journals together, marks included.
    pub(crate) fn bytes(&self) -> usize {
        self.in_use().map(|(_, journal)| journal.len()).sum()
    }

    /// The journals that have more than so many bytes, and from which event on they are needed by
    /// those who had read everything when the turn began.
    pub(crate) fn longer_than(&self, bytes: usize) -> Vec<(JournalKey, Seq)> {
        let long = self.in_use().filter(|(_, journal)| journal.len() > bytes);
        long.map(|(key, journal)| (key, journal.first_of_turn().unwrap_or(self.next))).collect()
    }

    /// Forgets the frames of a journal below `oldest`.
    pub(crate) fn trim(&mut self, key: JournalKey, oldest: Seq) {
        self.get_mut(key).trim(oldest);
    }

    /// The journals in which there is anything.
    fn in_use(&self) -> impl Iterator<Item = (JournalKey, &Journal)> {
        self.touched.iter().map(|key| (*key, self.get(*key)))
    }

    pub(crate) fn get(&self, key: JournalKey) -> &Journal {
        &self.slab[key.place()].journal
    }

    pub(crate) fn get_mut(&mut self, key: JournalKey) -> &mut Journal {
        &mut self.slab[key.place()].journal
    }

    /// Whether nobody reads anything.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.slab.iter().all(|(_, entry)| entry.journal.counts() == (0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_while_a_turn_is_written_is_needed_in_the_next() {
        let mut journals = Journals::default();
        let key = journals.insert();
        journals.get_mut(key).attach();
        for word in ["one", "two"] {
            let seq = journals.take_seq();
            journals.append(key, seq, |out| out.extend_from_slice(word.as_bytes()));
            if seq == 0 {
                journals.begin_output();
                journals.get_mut(key).moved(0, 1);
            }
        }
        journals.end_turn();
        assert_eq!(journals.longer_than(0), [(key, 1)], "nobody has read the second");
        journals.begin_output();
        journals.end_turn();
        assert_eq!(journals.longer_than(0), [(key, 2)], "who could has read both");
    }
}

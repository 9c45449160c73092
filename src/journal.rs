//! The journal: what a room said, encoded once for one dialect, however many listen.
//!
//! It is one contiguous run of bytes under absolute offsets that only grow. Readers do not get a
//! copy; each remembers its place (`outbox.rs`) and is handed slices from there on. The journal
//! counts who stands at its end, so that it knows without asking anyone when it may forget
//! everything, which is at the end of nearly every turn. When somebody stays behind it keeps what
//! they need, until the room closes them as too slow (`Room::survey`).

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memrchr};

/// A buffer that has been far larger than needed for about this many clearings is given back.
const SHRINK_AFTER: usize = 16;

/// Below this capacity there is nothing worth giving back.
const KEEP_BYTES: usize = 16 * 1024;

/// A buffer with more than this in it is not doubled any more: it grows by an eighth.
const LARGE_BYTES: usize = 512 * 1024;

/// One dialect's encoded events, in the order in which they happened.
///
/// Invariants: `start <= offset of any reader <= end()`; `caught_up <= readers`; a frame begins at
/// `base`, or `base < start`.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The bytes from offset `base` on.
    bytes: Vec<u8>,
    base: u64,
    /// Nobody needs what is before this; `base <= start`.
    start: u64,
    /// Outboxes with a place in this journal …
    readers: usize,
    /// … and how many of them stand at its end.
    caught_up: usize,
    /// Clearings since the buffer was last used to a good part.
    spacious: usize,
    /// Frames that were copied in this turn for readers who are given up, by their beginnings.
    copies: Vec<(u64, Arc<[u8]>)>,
}

impl Journal {
    /// The offset that the next byte will have.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Bytes that somebody may still need.
    pub(crate) fn len(&self) -> usize {
        (self.end() - self.start) as usize
    }

    /// Whether nobody reads this journal, so that nothing need be encoded for it.
    pub(crate) fn is_unread(&self) -> bool {
        self.readers == 0
    }

    /// Lets `encode` write one event at the end, and returns where it stands.
    pub(crate) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Range<u64> {
        let from = self.end();
        let length = self.bytes.len();
        if length > LARGE_BYTES && self.bytes.capacity() - length < LARGE_BYTES / 8 {
            self.bytes.reserve_exact(length / 8);
        }
        encode(&mut self.bytes);
        if self.end() > from {
            self.caught_up = 0;
        }
        from..self.end()
    }

    /// The bytes between two offsets.
    pub(crate) fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.base) as usize..(range.end - self.base) as usize]
    }

    /// The rest of the frame that contains the byte before `offset`: the frame, and how much of it
    /// is before `offset`. `None` if a frame begins there. Frames end with LF in every dialect.
    ///
    /// Many readers who are given up at once are in the middle of the same few frames, so they
    /// share one copy of each.
    pub(crate) fn rest_of_frame(&mut self, offset: u64) -> Option<(Arc<[u8]>, usize)> {
        let at = (offset - self.base) as usize;
        if at == 0 || self.bytes[at - 1] == b'\n' {
            return None;
        }
        let begin = memrchr(b'\n', &self.bytes[..at]).map_or(0, |lf| lf + 1);
        let end = memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |lf| at + lf + 1);
        let offset_of_begin = self.base + begin as u64;
        let known = self.copies.iter().find(|(of, _)| *of == offset_of_begin);
        let copy = match known {
            Some((_, copy)) => Arc::clone(copy),
            None => {
                let copy: Arc<[u8]> = self.bytes[begin..end].into();
                self.copies.push((offset_of_begin, Arc::clone(&copy)));
                copy
            }
        };
        Some((copy, at - begin))
    }

    /// Ends a turn: forgets everything if everyone has got it.
    pub(crate) fn end_turn(&mut self) {
        self.copies.clear();
        self.clear_if_read();
    }

    /// Takes in a reader, at the end; returns its place.
    pub(crate) fn attach(&mut self) -> u64 {
        self.readers += 1;
        self.caught_up += 1;
        self.end()
    }

    /// Lets go of a reader that stood at `place`.
    pub(crate) fn detach(&mut self, place: u64) {
        self.readers -= 1;
        if place == self.end() {
            self.caught_up -= 1;
        }
    }

    /// Notes that a reader went on from `from` to `to`.
    pub(crate) fn moved(&mut self, from: u64, to: u64) {
        if from < to && to == self.end() {
            self.caught_up += 1;
        }
    }

    /// Forgets everything if everyone has got it. Returns whether that was so.
    pub(crate) fn clear_if_read(&mut self) -> bool {
        if self.caught_up < self.readers {
            return false;
        }
        let used = self.bytes.len();
        self.base = self.end();
        self.start = self.base;
        self.bytes.clear();
        let idle = self.bytes.capacity() > KEEP_BYTES && used < self.bytes.capacity() / 8;
        self.spacious = if idle { self.spacious + 1 } else { 0 };
        if self.spacious > SHRINK_AFTER {
            self.bytes.shrink_to(KEEP_BYTES);
            self.spacious = 0;
        }
        true
    }

    /// Forgets what is before `oldest`, the place of the reader that is furthest behind.
    pub(crate) fn trim(&mut self, oldest: u64) {
        self.start = oldest.max(self.start);
        // One byte more is kept, by which `rest_of_frame` sees whether a frame begins there.
        let dead = ((self.start - self.base) as usize).saturating_sub(1);
        // Moving the rest down costs as much as it has bytes; waiting until the dead part is
        // a quarter of all keeps that a constant price per byte said.
        if dead > self.bytes.len() / 4 {
            self.bytes.drain(..dead);
            self.base += dead as u64;
        }
    }

    /// The counts, for checks: readers, and those at the end.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.readers, self.caught_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(journal: &mut Journal, line: &str) -> Range<u64> {
        journal.append(|out| out.extend_from_slice(line.as_bytes()))
    }

    #[test]
    fn what_everyone_has_read_is_forgotten_and_offsets_go_on() {
        let mut journal = Journal::default();
        let (a, b) = (journal.attach(), journal.attach());
        assert_eq!(say(&mut journal, "one\n"), 0..4);
        journal.moved(a, 4);
        assert!(!journal.clear_if_read(), "b has not read it");
        journal.moved(b, 4);
        assert!(journal.clear_if_read());
        assert_eq!((journal.len(), say(&mut journal, "two\n")), (0, 4..8));
        assert_eq!(journal.slice(4..8), b"two\n");
    }

    #[test]
    fn a_laggard_keeps_what_it_needs_and_no_more() {
        let mut journal = Journal::default();
        let slow = journal.attach();
        for _ in 0..100 {
            say(&mut journal, "0123456789abcde\n");
        }
        journal.moved(slow, 1500);
        journal.trim(1500);
        assert_eq!(journal.len(), 100);
        assert_eq!(journal.bytes.len(), 101, "the dead part was given back");
        assert_eq!(journal.slice(1500..1504), b"cde\n");
        let (first, second) = (journal.rest_of_frame(1501), journal.rest_of_frame(1502));
        let ((first, from), (second, _)) = (first.unwrap(), second.unwrap());
        assert_eq!(&first[from..], b"de\n");
        assert!(Arc::ptr_eq(&first, &second), "one copy for both");
        assert!(journal.rest_of_frame(1504).is_none(), "a frame begins there");
    }

    #[test]
    fn a_reader_that_leaves_in_the_middle_no_longer_counts() {
        let mut journal = Journal::default();
        let (stays, leaves) = (journal.attach(), journal.attach());
        say(&mut journal, "one\n");
        journal.moved(stays, 4);
        journal.detach(leaves);
        assert!(journal.clear_if_read());
        assert_eq!(journal.counts(), (1, 1));
    }

    #[test]
    fn a_large_buffer_is_hardly_larger_than_what_is_in_it() {
        for first in [1 << 10, 300 << 10, 500 << 10] {
            let mut journal = Journal::default();
            say(&mut journal, &"x".repeat(first));
            while journal.len() < 3 << 20 {
                say(&mut journal, "0123456789abcde\n");
                let (length, capacity) = (journal.len(), journal.bytes.capacity());
                let most = (length + length / 8).max(2 * LARGE_BYTES);
                assert!(capacity <= most, "{capacity} bytes for {length}");
            }
        }
    }

    #[test]
    fn a_burst_does_not_keep_its_buffer_for_ever() {
        let mut journal = Journal::default();
        say(&mut journal, &"x".repeat(1 << 20));
        for _ in 0..=SHRINK_AFTER + 1 {
            assert!(journal.clear_if_read());
        }
        assert!(journal.bytes.capacity() <= KEEP_BYTES);
    }
}

//! A journal: what one room said, encoded once for all who read the same encoding.
//!
//! It is one contiguous run of bytes. A *mark* for each frame says which sequence number the frame
//! has and where it ends, so nobody has to look for the ends of frames in the bytes. Readers get no
//! copy; each remembers its place (`outbox.rs`) and is handed slices from there on. The journal
//! counts who has read everything, so it knows without asking anyone when it may forget everything,
//! which is at the end of nearly every turn. When a reader stays behind, the journal keeps what it
//! needs, until it is closed as too slow.

use std::collections::VecDeque;
use std::sync::Arc;

/// The number of an event. All rooms share one sequence.
pub(crate) type Seq = u64;

/// A buffer that has been far larger than needed for about this many clearings is given back.
const SHRINK_AFTER: usize = 16;

/// Below this capacity there is nothing worth giving back.
const KEEP_BYTES: usize = 16 * 1024;

/// A buffer with more than this in it is not doubled any more: it grows by an eighth.
const LARGE_BYTES: usize = 512 * 1024;

/// What a mark takes.
const MARK_BYTES: usize = size_of::<Mark>();

/// Where a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    seq: Seq,
    /// Counted from the first byte that the journal ever had.
    end: u64,
}

/// The frames of one room in one encoding, in order.
///
/// Invariants: the marks ascend strictly in `seq`, and in `end`; `caught_up <= readers`;
/// `fresh <= marks.len()`; `base <= start`.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The bytes from offset `base` on.
    bytes: Vec<u8>,
    base: u64,
    /// The offset at which the first frame begins. What is before it is needed by nobody.
    start: u64,
    marks: VecDeque<Mark>,
    /// The first frame of this turn. Whoever had read everything goes on there.
    fresh: usize,
    /// Outboxes that read this journal …
    readers: usize,
    /// … and how many of them have read everything.
    caught_up: usize,
    /// Clearings since the buffer was last used to a good part.
    spacious: usize,
    /// Frames that were copied in this turn for readers who are given up.
    copies: Vec<(Seq, Arc<[u8]>)>,
}

impl Journal {
    /// Bytes of the frames that somebody may still need, and of their marks.
    pub(crate) fn len(&self) -> usize {
        (self.end() - self.start) as usize + self.marks.len() * MARK_BYTES
    }

    /// Whether nobody reads this journal, so that nothing need be encoded for it.
    pub(crate) fn is_unread(&self) -> bool {
        self.readers == 0
    }

    /// Whether the end of a turn may still give something back.
    pub(crate) fn is_idle(&self) -> bool {
        self.marks.is_empty() && self.bytes.capacity() <= KEEP_BYTES
    }

    /// Lets `encode` write the frame of the event `seq` at the end. Returns how many bytes it has;
    /// an empty one leaves no mark.
    pub(crate) fn append(&mut self, seq: Seq, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        debug_assert!(self.marks.back().is_none_or(|last| last.seq < seq));
        let from = self.end();
        let length = self.bytes.len();
        if length > LARGE_BYTES && self.bytes.capacity() - length < LARGE_BYTES / 8 {
            self.bytes.reserve_exact(length / 8);
        }
        encode(&mut self.bytes);
        let end = self.end();
        if end > from {
            self.marks.push_back(Mark { seq, end });
            self.caught_up = 0;
        }
        (end - from) as usize
    }

    // ── frames ───────────────────────────────────────────────────────────────────────────────────

    /// How many frames there are.
    pub(crate) fn frames(&self) -> usize {
        self.marks.len()
    }

    /// The first frame whose number is not below `seq`. Readers that had read everything when the
    /// turn began find theirs at once; only laggards search.
    pub(crate) fn first_from(&self, seq: Seq) -> usize {
        match self.fresh.checked_sub(1).map(|last| self.marks[last].seq) {
            Some(last) if last >= seq => self.marks.partition_point(|mark| mark.seq < seq),
            _ if self.marks.get(self.fresh).is_none_or(|first| first.seq >= seq) => self.fresh,
            _ => self.marks.partition_point(|mark| mark.seq < seq),
        }
    }

    /// The number of the first frame of this turn, if there is one.
    pub(crate) fn first_of_turn(&self) -> Option<Seq> {
        self.seq(self.fresh)
    }

    /// The number of a frame; `None` past the last one.
    pub(crate) fn seq(&self, frame: usize) -> Option<Seq> {
        self.marks.get(frame).map(|mark| mark.seq)
    }

    /// The bytes of the frames from `from` up to `to`, without `to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &[u8] {
        let [from, to] = [from, to].map(|frame| (self.offset(frame) - self.base) as usize);
        &self.bytes[from..to]
    }

    /// Which frame has the byte that is `bytes` behind the beginning of `from`, and where in it.
    pub(crate) fn frame_at(&self, from: usize, bytes: usize) -> (usize, usize) {
        let offset = self.offset(from) + bytes as u64;
        let frame = self.marks.partition_point(|mark| mark.end <= offset);
        (frame, (offset - self.offset(frame)) as usize)
    }

    /// A frame for readers who are given up in the middle of it. There may be many of them in the
    /// same few frames, so they share one copy of each.
    pub(crate) fn copy(&mut self, seq: Seq) -> Option<Arc<[u8]>> {
        if let Some((_, copy)) = self.copies.iter().find(|(of, _)| *of == seq) {
            return Some(Arc::clone(copy));
        }
        let frame = self.first_from(seq);
        self.seq(frame).filter(|found| *found == seq)?;
        let copy: Arc<[u8]> = self.slice(frame, frame + 1).into();
        self.copies.push((seq, Arc::clone(&copy)));
        Some(copy)
    }

    /// Bytes from the beginning of the first frame not below `seq`, with their marks.
    pub(crate) fn behind(&self, seq: Seq) -> usize {
        let frame = self.first_from(seq);
        let bytes = (self.end() - self.offset(frame)) as usize;
        bytes + (self.marks.len() - frame) * MARK_BYTES
    }

    // ── readers ──────────────────────────────────────────────────────────────────────────────────

    /// Takes in a reader that has read everything.
    pub(crate) fn attach(&mut self) {
        self.readers += 1;
        self.caught_up += 1;
    }

    /// Lets go of a reader that had read what is below `next`.
    pub(crate) fn detach(&mut self, next: Seq) {
        self.readers -= 1;
        if self.is_behind_of(next) {
            self.caught_up -= 1;
        }
    }

    /// Notes that a reader went on from `from` to `to`.
    pub(crate) fn moved(&mut self, from: Seq, to: Seq) {
        if !self.is_behind_of(from) && self.is_behind_of(to) {
            self.caught_up += 1;
        }
    }

    /// Whether a reader at `next` has read everything.
    pub(crate) fn is_behind_of(&self, next: Seq) -> bool {
        self.marks.back().is_none_or(|last| last.seq < next)
    }

    // ── forgetting ───────────────────────────────────────────────────────────────────────────────

    /// Ends a turn, in which all below `offered` was to be written: forgets everything if everyone
    /// has got it.
    pub(crate) fn end_turn(&mut self, offered: Seq) {
        self.copies.clear();
        if self.caught_up == self.readers {
            self.clear();
        }
        self.fresh = self.marks.partition_point(|mark| mark.seq < offered);
    }

    fn clear(&mut self) {
        let used = self.bytes.len();
        self.base = self.end();
        self.start = self.base;
        self.bytes.clear();
        self.marks.clear();
        let idle = self.bytes.capacity() > KEEP_BYTES && used < self.bytes.capacity() / 8;
        self.spacious = if idle { self.spacious + 1 } else { 0 };
        if self.spacious > SHRINK_AFTER {
            self.bytes.shrink_to(KEEP_BYTES);
            self.marks.shrink_to(KEEP_BYTES / MARK_BYTES);
            self.spacious = 0;
        }
    }

    /// Forgets the frames below `oldest`, the place of the reader that is furthest behind.
    pub(crate) fn trim(&mut self, oldest: Seq) {
        let frames = self.first_from(oldest);
        self.start = self.offset(frames);
        self.marks.drain(..frames);
        self.fresh = self.fresh.saturating_sub(frames);
        let dead = (self.start - self.base) as usize;
        // Moving the rest down costs as much as it has bytes; waiting until the dead part is
        // a quarter of all keeps that a constant price per byte said.
        if dead > self.bytes.len() / 4 {
            self.bytes.drain(..dead);
            self.base += dead as u64;
        }
    }

    /// The offset that the next byte will have.
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The offset at which a frame begins; the end, past the last one.
    fn offset(&self, frame: usize) -> u64 {
        frame.checked_sub(1).map_or(self.start, |before| self.marks[before].end)
    }

    /// The counts, for checks: readers, and those that have read everything.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.readers, self.caught_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(journal: &mut Journal, seq: Seq, line: &str) {
        journal.append(seq, |out| out.extend_from_slice(line.as_bytes()));
    }

    #[test]
    fn what_everyone_has_read_is_forgotten_and_numbers_go_on() {
        let mut journal = Journal::default();
        journal.attach();
        journal.attach();
        say(&mut journal, 3, "one\n");
        journal.moved(0, 4);
        journal.end_turn(Seq::MAX);
        assert_eq!(journal.frames(), 1, "the other has not read it");
        journal.moved(0, 4);
        journal.end_turn(Seq::MAX);
        assert_eq!((journal.frames(), journal.len()), (0, 0));
        say(&mut journal, 9, "two\n");
        let frame = journal.first_from(4);
        assert_eq!((journal.seq(frame), journal.slice(frame, frame + 1)), (Some(9), &b"two\n"[..]));
    }

    #[test]
    fn a_laggard_keeps_what_it_needs_and_no_more() {
        let mut journal = Journal::default();
        journal.attach();
        for seq in 0..100 {
            say(&mut journal, seq * 2, "0123456789abcde\n");
        }
        journal.end_turn(Seq::MAX);
        journal.trim(187);
        assert_eq!(journal.frames(), 6);
        assert_eq!(journal.bytes.len(), 96, "the dead part was given back");
        assert_eq!(journal.behind(188), 6 * (16 + MARK_BYTES));
        assert_eq!(journal.frame_at(0, 17), (1, 1));
        let [first, second] = [190, 190].map(|seq| journal.copy(seq).unwrap());
        assert!(Arc::ptr_eq(&first, &second), "one copy for both");
        assert_eq!(journal.copy(191), None);
    }

    #[test]
    fn a_reader_that_leaves_in_the_middle_no_longer_counts() {
        let mut journal = Journal::default();
        journal.attach();
        journal.attach();
        say(&mut journal, 0, "one\n");
        journal.moved(0, 1);
        journal.detach(0);
        assert_eq!(journal.counts(), (1, 1));
        journal.end_turn(Seq::MAX);
        assert_eq!(journal.len(), 0);
    }

    #[test]
    fn a_large_buffer_is_hardly_larger_than_what_is_in_it() {
        for first in [1 << 10, 300 << 10, 500 << 10] {
            let mut journal = Journal::default();
            say(&mut journal, 0, &"x".repeat(first));
            let mut seq = 1;
            while journal.bytes.len() < 3 << 20 {
                say(&mut journal, seq, "0123456789abcde\n");
                seq += 1;
                let (length, capacity) = (journal.bytes.len(), journal.bytes.capacity());
                let most = (length + length / 8).max(2 * LARGE_BYTES);
                assert!(capacity <= most, "{capacity} bytes for {length}");
            }
        }
    }

    #[test]
    fn a_burst_does_not_keep_its_buffer_for_ever() {
        let mut journal = Journal::default();
        say(&mut journal, 0, &"x".repeat(1 << 20));
        for _ in 0..=SHRINK_AFTER + 1 {
            journal.end_turn(Seq::MAX);
        }
        assert!(journal.bytes.capacity() <= KEEP_BYTES);
    }

    #[test]
    fn the_place_of_every_number_is_found_with_and_without_a_search() {
        let mut journal = Journal::default();
        journal.attach();
        for seq in [1, 4, 5] {
            say(&mut journal, seq, "x");
        }
        journal.end_turn(Seq::MAX);
        for seq in [7, 9] {
            say(&mut journal, seq, "x");
        }
        let found: Vec<_> = (0..12).map(|seq| journal.first_from(seq)).collect();
        assert_eq!(found, [0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 5, 5]);
    }
}

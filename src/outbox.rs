//! The outbox: what one connection is still owed, without a copy of what everyone is owed.
//!
//! It is a place in the journal of the connection's dialect (`next`), plus the few things that are
//! its own: *inserts*, bytes to send when a given offset is reached (answers, private messages,
//! prompts), and *skips*, ranges to leave out (its own lines, lines of those it ignores). The hub
//! asks it for slices, writes them, and tells it how many bytes went.
//!
//! An outbox has a place in a journal only while its owner is in the room, and after leaving until
//! what was said before that is sent. Before and after, it has inserts alone.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::journal::Journal;

/// About what an insert takes beside its bytes: the queue's entry and the allocator's share.
const INSERT_COST_BYTES: usize = 64;

/// An insert of so many bytes gets no more. What is sent of an insert is given back only with its
/// rest, so one that went on growing while it is read would do so for ever.
const INSERT_BYTES: usize = 4 * 1024;

/// Bytes of ranges to leave out, for somebody who does not read. The journal is everyone's, but
/// these are kept for each reader.
const SKIPS_BYTES_MAX: usize = 64 * 1024;

/// Bytes to be sent when `at` is reached.
#[derive(Debug)]
struct Insert {
    at: u64,
    bytes: Bytes,
    /// It must arrive alone, so nothing is added to it.
    alone: bool,
    /// It is the rest of the frame that the insert before it began.
    continues: bool,
}

/// Bytes that are for one connection, or for many at different times.
#[derive(Debug)]
enum Bytes {
    Own(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

/// What one connection is still owed.
///
/// Most members only ever listen, so what they do not need takes no room: an outbox without inserts
/// and with one skip (one talker's own lines of one turn) lives without an allocation.
///
/// Invariants: the `at`s and the skips are in ascending order, `skip` before those in `own`;
/// `next <= until`.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The first journal offset not yet sent.
    next: u64,
    /// The first journal offset that is not for this connection: `u64::MAX` while it is in a room.
    until: u64,
    attached: bool,
    /// The first range to leave out; empty if there is none.
    skip: Range<u64>,
    own: Option<Box<Own>>,
}

/// What is for one connection alone.
#[derive(Debug, Default)]
struct Own {
    inserts: VecDeque<Insert>,
    /// Bytes of the first insert that are already sent: less than its length.
    sent: usize,
    /// Bytes of all inserts together.
    bytes: usize,
    /// The ranges to leave out after the first.
    skips: VecDeque<Range<u64>>,
}

impl Outbox {
    /// Takes a place at the end of `journal`: from here on, all that is said is for us.
    pub(crate) fn enter(&mut self, journal: &mut Journal) {
        debug_assert!(!self.attached);
        (self.next, self.until, self.attached) = (journal.attach(), u64::MAX, true);
    }

    /// Ends with what has been said so far. Inserts may still follow.
    pub(crate) fn leave(&mut self, journal: &mut Journal) {
        if self.attached {
            self.until = self.until.min(journal.end());
            self.detach_at_end(journal);
        }
    }

    /// Forgets all that waits but the rest of the frame in transit, which would otherwise be cut in
    /// the middle; and needs the journal no more.
    pub(crate) fn cut(&mut self, journal: &mut Journal) {
        let mut own = self.own.take().unwrap_or_default();
        own.skips.clear();
        let continues = |insert: &&Insert| insert.continues;
        let in_transit = own.sent > 0 || own.inserts.front().is_some_and(|first| first.continues);
        let rest = own.inserts.iter().skip(1).take_while(continues).count();
        own.inserts.truncate(if in_transit { 1 + rest } else { 0 });
        if self.attached {
            if own.inserts.is_empty()
                && let Some((frame, sent)) = journal.rest_of_frame(self.next)
            {
                own.sent = sent;
                own.inserts.push_back(Insert {
                    at: self.next,
                    bytes: Bytes::Shared(frame),
                    alone: false,
                    continues: false,
                });
            }
            journal.detach(self.next);
        }
        own.bytes = own.inserts.iter().map(|insert| insert.bytes.len()).sum();
        *self = Outbox { next: self.next, own: Some(own), ..Outbox::default() };
        self.tidy();
    }

    /// Forgets everything: there is nobody left to send it to.
    pub(crate) fn abandon(&mut self, journal: &mut Journal) {
        if self.attached {
            journal.detach(self.next);
        }
        *self = Outbox::default();
    }

    /// Lets `encode` add bytes that are for this connection alone, after all that has been said. If
    /// `alone`, they must arrive alone.
    pub(crate) fn insert(
        &mut self,
        journal: &Journal,
        alone: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = self.end(journal);
        let own = self.own.get_or_insert_default();
        let before = own.bytes;
        match own.inserts.back_mut() {
            Some(Insert { at: last, bytes: Bytes::Own(bytes), alone: false, .. })
                if *last >= at && !alone && bytes.len() < INSERT_BYTES =>
            {
                own.bytes -= bytes.len();
                encode(bytes);
                own.bytes += bytes.len();
            }
            last => {
                if let Some(Insert { bytes: Bytes::Own(bytes), .. }) = last {
                    bytes.shrink_to_fit();
                }
                let mut bytes = Vec::new();
                encode(&mut bytes);
                own.bytes += bytes.len();
                let insert = Insert { at, bytes: Bytes::Own(bytes), alone, continues: false };
                own.inserts.extend((!insert.bytes.is_empty()).then_some(insert));
            }
        }
        if own.bytes == before {
            self.tidy();
        }
    }

    /// As [`insert`](Self::insert), but of bytes that others have a share in.
    pub(crate) fn insert_shared(&mut self, journal: &Journal, bytes: Arc<[u8]>) {
        self.share(journal, bytes, false);
    }

    /// As [`insert_shared`](Self::insert_shared), but of the rest of the frame that was last
    /// inserted.
    pub(crate) fn insert_shared_rest(&mut self, journal: &Journal, bytes: Arc<[u8]>) {
        self.share(journal, bytes, true);
    }

    fn share(&mut self, journal: &Journal, bytes: Arc<[u8]>, continues: bool) {
        if !bytes.is_empty() {
            let at = self.end(journal);
            let own = self.own.get_or_insert_default();
            own.bytes += bytes.len();
            let bytes = Bytes::Shared(bytes);
            own.inserts.push_back(Insert { at, bytes, alone: false, continues });
        }
    }

    /// Leaves out a range of the journal, which must not lie before an earlier one.
    pub(crate) fn skip(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let last = match &mut self.own {
            Some(own) if !own.skips.is_empty() => own.skips.back_mut(),
            _ => Some(&mut self.skip),
        };
        match last {
            Some(last) if last.is_empty() => *last = range,
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.own.get_or_insert_default().skips.push_back(range),
        }
    }

    /// Whether what comes next must arrive alone.
    pub(crate) fn begins_alone(&self) -> bool {
        let first = self.own.as_ref().and_then(|own| own.inserts.front());
        first.is_some_and(|insert| insert.alone && insert.at <= self.next)
    }

    /// Whether a part of what is for this connection alone has been sent, and its rest has not.
    pub(crate) fn is_within_insert(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.sent > 0)
    }

    /// Bytes of the journal that are still to go, those to be skipped included.
    pub(crate) fn behind(&self, journal: &Journal) -> u64 {
        self.end(journal) - self.next
    }

    /// Bytes that wait for this connection alone, and what it costs to keep them and to know what
    /// to leave out.
    pub(crate) fn own_bytes(&self) -> usize {
        let cost = |own: &Own| {
            own.bytes - own.sent + own.inserts.len() * INSERT_COST_BYTES + own.skips_bytes()
        };
        self.own.as_deref().map_or(0, cost)
    }

    /// Whether there is more to leave out than somebody may have who does not read.
    pub(crate) fn skips_too_much(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.skips_bytes() >= SKIPS_BYTES_MAX)
    }

    /// The place of an outbox that still needs the journal.
    pub(crate) fn place(&self) -> Option<u64> {
        self.attached.then_some(self.next)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self, journal: &Journal) -> bool {
        self.own.as_ref().is_none_or(|own| own.inserts.is_empty()) && self.behind(journal) == 0
    }

    /// Fills `slices` with what to send next, in order, and returns how many it filled. 0 means
    /// that nothing waits. If `separates`, a LF that ends all that waits is held back:
    /// [`pass_last_lf`](Self::pass_last_lf).
    pub(crate) fn slices<'a>(
        &'a mut self,
        journal: &'a mut Journal,
        slices: &mut [IoSlice<'a>],
        separates: bool,
    ) -> usize {
        if !self.only_follows() {
            // What is only skipped is not seen by `advance` after a write, for there is no write.
            self.advance(journal, 0);
        }
        let (this, journal) = (&*self, &*journal);
        let end = this.end(journal);
        if this.only_follows() {
            if this.next == end || slices.is_empty() {
                return 0;
            }
            let bytes = journal.slice(this.next..end);
            let frames = if separates { bytes.strip_suffix(b"\n") } else { None };
            slices[0] = IoSlice::new(frames.unwrap_or(bytes));
            return 1;
        }
        let own = this.own.as_deref();
        let mut inserts = own.into_iter().flat_map(|own| &own.inserts).peekable();
        let mut skips = own.into_iter().flat_map(|own| &own.skips);
        let mut skip = Some(&this.skip).filter(|skip| !skip.is_empty());
        let (mut next, mut sent) = (this.next, own.map_or(0, |own| own.sent));
        let (mut filled, mut last): (_, &'a [u8]) = (0, &[]);
        while filled < slices.len() {
            if let Some(insert) = inserts.next_if(|insert| insert.at <= next) {
                last = &insert.bytes[sent..];
                slices[filled] = IoSlice::new(last);
                (sent, filled) = (0, filled + 1);
            } else if let Some(range) = skip.filter(|range| range.start <= next) {
                next = next.max(range.end);
                skip = skips.next();
            } else {
                let insert = inserts.peek().map_or(u64::MAX, |insert| insert.at);
                let stop = end.min(insert).min(skip.map_or(u64::MAX, |range| range.start));
                if stop <= next {
                    break;
                }
                last = journal.slice(next..stop);
                slices[filled] = IoSlice::new(last);
                (next, filled) = (stop, filled + 1);
            }
        }
        let all = next >= end && inserts.peek().is_none();
        if separates && all && filled > 0 {
            slices[filled - 1] = IoSlice::new(last.strip_suffix(b"\n").unwrap_or(last));
        }
        filled
    }

    /// Takes a LF for sent if it is all that waits.
    pub(crate) fn pass_last_lf(&mut self, journal: &mut Journal) {
        let mut slices = [IoSlice::new(&[]); 2];
        if self.slices(journal, &mut slices, false) == 1 && *slices[0] == *b"\n" {
            self.advance(journal, 1);
        }
    }

    /// Takes note that the next `bytes` bytes of what [`slices`](Self::slices) gave are sent.
    pub(crate) fn advance(&mut self, journal: &mut Journal, mut bytes: usize) {
        let (from, end) = (self.next, self.end(journal));
        if self.only_follows() {
            self.next += (end - from).min(bytes as u64);
            return self.note_moved(journal, from);
        }
        loop {
            let insert = self.own.as_mut().filter(|own| !own.inserts.is_empty());
            let at = insert.as_ref().map_or(u64::MAX, |own| own.inserts[0].at);
            if let Some(own) = insert
                && at <= self.next
            {
                if !own.advance(&mut bytes) {
                    break;
                }
            } else if !self.skip.is_empty() && self.skip.start <= self.next {
                self.next = self.next.max(self.skip.end);
                let following = self.own.as_mut().and_then(|own| own.skips.pop_front());
                self.skip = following.unwrap_or_default();
            } else {
                let skip = if self.skip.is_empty() { u64::MAX } else { self.skip.start };
                let stop = end.min(at).min(skip);
                let step = bytes.min(stop.saturating_sub(self.next) as usize);
                self.next += step as u64;
                bytes -= step;
                if step == 0 || self.next < stop {
                    break;
                }
            }
        }
        self.tidy();
        self.note_moved(journal, from);
    }

    /// Whether all that waits is what everyone is owed: nothing is its own, or to be left out. It
    /// is so for nearly all members nearly all the time, and what a broadcast costs is decided by
    /// how fast that goes.
    fn only_follows(&self) -> bool {
        self.own.is_none() && self.skip.is_empty()
    }

    /// The end of what this connection is owed of the journal.
    fn end(&self, journal: &Journal) -> u64 {
        if self.attached { self.until.min(journal.end()) } else { self.next }
    }

    /// Tells the journal that this reader has gone on from `from`.
    fn note_moved(&mut self, journal: &mut Journal, from: u64) {
        if self.attached {
            journal.moved(from, self.next);
            self.detach_at_end(journal);
        }
    }

    /// Gives back what is not needed any more: most members are owed something of their own once,
    /// on joining, and then never again.
    fn tidy(&mut self) {
        if self.own.as_ref().is_some_and(|own| own.inserts.is_empty() && own.skips.is_empty()) {
            self.own = None;
        }
    }

    /// Who has left and got all that was said until then needs the journal no more.
    fn detach_at_end(&mut self, journal: &mut Journal) {
        if self.next >= self.until {
            journal.detach(self.next);
            self.attached = false;
            self.skip = 0..0;
        }
    }
}

impl Own {
    fn skips_bytes(&self) -> usize {
        self.skips.len() * size_of::<Range<u64>>()
    }

    /// Takes what it can of `bytes` sent bytes for the first insert. Returns whether that is sent
    /// whole now; then it is gone.
    fn advance(&mut self, bytes: &mut usize) -> bool {
        let length = self.inserts.front().map_or(0, |insert| insert.bytes.len());
        let step = (length - self.sent).min(*bytes);
        *bytes -= step;
        self.sent += step;
        if self.sent < length {
            return false;
        }
        self.inserts.pop_front();
        self.bytes -= length;
        self.sent = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(journal: &mut Journal, line: &str) -> Range<u64> {
        journal.append(|out| out.extend_from_slice(line.as_bytes()))
    }

    fn owe(outbox: &mut Outbox, journal: &Journal, line: &str) {
        outbox.insert(journal, false, |out| out.extend_from_slice(line.as_bytes()));
    }

    /// Sends what waits, at most `step` bytes at a time.
    fn sent(outbox: &mut Outbox, journal: &mut Journal, step: usize) -> String {
        let mut all = Vec::new();
        loop {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = outbox.slices(journal, &mut slices, false);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            if bytes.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            let n = bytes.len().min(step);
            all.extend_from_slice(&bytes[..n]);
            outbox.advance(journal, n);
        }
    }

    #[test]
    fn everything_comes_in_order_whatever_the_size_of_the_writes() {
        for step in 1..40 {
            let (mut journal, mut outbox) = (Journal::default(), Outbox::default());
            owe(&mut outbox, &journal, "name?\n");
            say(&mut journal, "before\n");
            outbox.enter(&mut journal);
            owe(&mut outbox, &journal, "welcome\n");
            say(&mut journal, "one\n");
            let own = say(&mut journal, "mine\n");
            outbox.skip(own);
            let own = say(&mut journal, "mine too\n");
            outbox.skip(own);
            say(&mut journal, "two\n");
            owe(&mut outbox, &journal, "private\n");
            let own = say(&mut journal, "mine again\n");
            outbox.skip(own);
            outbox.leave(&mut journal);
            owe(&mut outbox, &journal, "bye\n");
            say(&mut journal, "after\n");
            let all = sent(&mut outbox, &mut journal, step);
            assert_eq!(all, "name?\nwelcome\none\ntwo\nprivate\nbye\n", "in steps of {step}");
            assert!(outbox.is_empty(&journal));
            assert_eq!(journal.counts(), (0, 0));
        }
    }

    #[test]
    fn a_talker_alone_is_caught_up_without_a_write() {
        let (mut journal, mut outbox) = (Journal::default(), Outbox::default());
        outbox.enter(&mut journal);
        let own = say(&mut journal, "mine\n");
        outbox.skip(own);
        assert_eq!(sent(&mut outbox, &mut journal, 99), "");
        assert!(journal.clear_if_read());
    }

    #[test]
    fn a_cut_outbox_ends_with_the_frame_in_transit() {
        for step in 0..12 {
            let (mut journal, mut outbox) = (Journal::default(), Outbox::default());
            outbox.enter(&mut journal);
            say(&mut journal, "one\n");
            owe(&mut outbox, &journal, "two\n");
            say(&mut journal, "three\n");
            let mut slices = [IoSlice::new(&[]); 3];
            outbox.slices(&mut journal, &mut slices, false);
            outbox.advance(&mut journal, step);
            outbox.cut(&mut journal);
            owe(&mut outbox, &journal, "too slow\n");
            let all = "one\ntwo\nthree\n";
            let line_end = [0, 4, 4, 4, 4, 8, 8, 8, 8, 14, 14, 14][step];
            let expected = format!("{}too slow\n", &all[step..line_end]);
            assert_eq!(sent(&mut outbox, &mut journal, 5), expected, "cut after {step} bytes");
            assert_eq!(journal.counts(), (0, 0));
        }
    }

    #[test]
    fn a_frame_of_two_parts_is_not_cut_between_them() {
        for step in 0..12 {
            let (mut journal, mut outbox) = (Journal::default(), Outbox::default());
            outbox.enter(&mut journal);
            owe(&mut outbox, &journal, "We");
            outbox.insert_shared_rest(&journal, b"lcome\n".as_slice().into());
            outbox.insert_shared(&journal, b"list\n".as_slice().into());
            let mut slices = [IoSlice::new(&[]); 3];
            outbox.slices(&mut journal, &mut slices, false);
            outbox.advance(&mut journal, step);
            outbox.cut(&mut journal);
            owe(&mut outbox, &journal, "too slow\n");
            let line_end = [0, 8, 8, 8, 8, 8, 8, 8, 8, 13, 13, 13][step];
            let expected = format!("{}too slow\n", &"Welcome\nlist\n"[step..line_end.max(step)]);
            assert_eq!(sent(&mut outbox, &mut journal, 5), expected, "cut after {step} bytes");
        }
    }

    #[test]
    fn an_idle_outbox_holds_no_memory() {
        let (mut journal, mut outbox) = (Journal::default(), Outbox::default());
        outbox.enter(&mut journal);
        owe(&mut outbox, &journal, "welcome\n");
        sent(&mut outbox, &mut journal, 99);
        assert!(outbox.own.is_none());
        let own = say(&mut journal, "mine\n");
        outbox.skip(own);
        assert!(outbox.own.is_none());
        assert!(size_of::<Outbox>() <= 48, "{}", size_of::<Outbox>());
    }
}

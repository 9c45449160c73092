//! The outbox: what one connection is still owed, without a copy of what everyone is owed.
//!
//! It is a place in the sequence (`next`) and the journals that are read from there, plus the few
//! things that are the connection's own: *inserts*, bytes to send before the event of a given
//! number (answers, private messages, prompts), and *skips*, numbers to leave out (its own lines,
//! lines of those it ignores). The hub asks it for slices, writes them, and tells it how many bytes
//! went.
//!
//! Both go along one walk ([`Walk`]): what comes next, piece by piece.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::journal::{Journal, Seq};
use super::{JournalKey, Journals};

/// About what an insert takes beside its bytes: the queue's entry and the allocator's share.
const INSERT_COST_BYTES: usize = 64;

/// An insert of so many bytes gets no more. What is sent of an insert is given back only with its
/// rest, so one that went on growing while it is read would do so for ever.
const INSERT_BYTES: usize = 4 * 1024;

/// What a skip takes.
const SKIP_BYTES: usize = size_of::<Range<Seq>>();

/// Bytes of skips, for somebody who does not read. The journals are everyone's, but these are kept
/// for each reader.
const SKIPS_BYTES_MAX: usize = 64 * 1024;

/// How much is put together for one write.
const GATHERED_BYTES: usize = 64 * 1024;

/// What is owed of a journal: the events from `from` on, before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    journal: JournalKey,
    from: Seq,
    /// `Seq::MAX` while its owner is in that room.
    until: Seq,
}

impl Reading {
    /// Where it stands in its journal when all below `next` is sent.
    fn at(&self, next: Seq) -> Seq {
        next.max(self.from)
    }
}

/// Bytes to be sent before the event `at`.
#[derive(Debug)]
struct Insert {
    at: Seq,
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
/// Most members are in one room and only ever listen, so what they do not need takes no room: an
/// outbox of such a one, with one skip (one talker's own lines of one turn), lives without an
/// allocation.
///
/// Invariants: the `at`s and the skips ascend, `skip` before those in `own`; no skip begins below
/// `next`; of `reading` and the readings in `own`, at least one is not there.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The first event that has not been sent whole.
    next: Seq,
    /// Bytes that are sent already of what is in transit: the first insert, if its turn has come,
    /// or else the frame of `next`.
    sent: u32,
    /// The journal of the only room that it is in, of which all from `next` on is owed.
    reading: Option<JournalKey>,
    /// The first events to leave out; empty if there are none.
    skip: Range<Seq>,
    own: Option<Box<Own>>,
}

/// What is not everyone's.
#[derive(Debug, Default)]
struct Own {
    inserts: VecDeque<Insert>,
    /// Bytes of all inserts together.
    bytes: usize,
    /// The events to leave out after the first.
    skips: VecDeque<Range<Seq>>,
    /// The journals that are read, if not one alone to its end.
    readings: Vec<Reading>,
}

impl Outbox {
    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// From here on, all that is said in a journal is for us.
    pub(crate) fn attach(&mut self, journals: &mut Journals, key: JournalKey) {
        let from = journals.next_seq();
        journals.get_mut(key).attach();
        if self.reading.is_none() && !self.has_readings() {
            (self.next, self.reading) = (from, Some(key));
        } else {
            let first = self.reading.take().map(|key| self.whole(key));
            let readings = &mut self.own.get_or_insert_default().readings;
            // Many are in several rooms, and seldom go to one more.
            readings.reserve_exact(1 + usize::from(first.is_some()));
            readings.extend(first);
            readings.push(Reading { journal: key, from, until: Seq::MAX });
        }
    }

    /// Nothing that is said in a journal from here on is for us.
    pub(crate) fn detach(&mut self, journals: &mut Journals, key: JournalKey) {
        let until = journals.next_seq();
        if let Some(first) = self.reading.take_if(|reading| *reading == key) {
            let reading = self.whole(first);
            self.own.get_or_insert_default().readings.push(reading);
        }
        let readings = self.own.as_mut().map(|own| &mut own.readings);
        for reading in readings.into_iter().flatten() {
            if reading.journal == key && reading.until == Seq::MAX {
                reading.until = until;
            }
        }
        self.release(journals);
    }

    /// Forgets all that waits but the rest of what is in transit, which would otherwise be cut in
    /// the middle; and reads no journal any more.
    pub(crate) fn truncate_to_frame(&mut self, journals: &mut Journals) {
        let within_insert = self.is_within_insert();
        let frame = (self.sent > 0 && !within_insert).then(|| self.frame_in_transit(journals));
        self.leave_all(journals);
        let mut own = self.own.take().unwrap_or_default();
        let continues = |insert: &Insert| insert.continues;
        let in_transit = within_insert || own.inserts.front().is_some_and(continues);
        let rest = own.inserts.iter().skip(1).take_while(|insert| insert.continues).count();
        own.inserts.truncate(if in_transit { 1 + rest } else { 0 });
        let at = self.next;
        own.inserts.extend(frame.flatten().map(|frame| Insert {
            at,
            bytes: Bytes::Shared(frame),
            alone: false,
            continues: false,
        }));
        own.bytes = own.inserts.iter().map(|insert| insert.bytes.len()).sum();
        own.skips.clear();
        (self.skip, self.own) = (0..0, Some(own));
        self.release_own();
    }

    /// Forgets everything: there is nobody left to send it to.
    pub(crate) fn discard(&mut self, journals: &mut Journals) {
        self.leave_all(journals);
        *self = Outbox::default();
    }

    fn leave_all(&mut self, journals: &mut Journals) {
        let own = self.own.as_mut().map(|own| mem::take(&mut own.readings));
        let first = self.reading.take().map(|key| self.whole(key));
        for reading in first.into_iter().chain(own.into_iter().flatten()) {
            journals.get_mut(reading.journal).detach(reading.at(self.next));
        }
    }

    /// Lets go of journals of which nothing more is owed, and of what is not needed any more.
    fn release(&mut self, journals: &mut Journals) {
        let next = self.next;
        if let Some(own) = &mut self.own
            && !own.readings.is_empty()
        {
            own.readings.retain(|reading| {
                let owed = reading.until == Seq::MAX || {
                    let journal = journals.get(reading.journal);
                    let first = journal.seq(journal.first_from(reading.at(next)));
                    first.is_some_and(|first| first < reading.until)
                };
                if !owed {
                    journals.get_mut(reading.journal).detach(reading.at(next));
                }
                owed
            });
            if let [Reading { journal, from, until: Seq::MAX }] = own.readings[..]
                && from <= next
            {
                self.reading = Some(journal);
                own.readings = Vec::new();
            }
        }
        self.release_own();
    }

    /// Gives back what is not needed any more: most members are owed something of their own once,
    /// on joining, and then never again.
    fn release_own(&mut self) {
        let Some(own) = &mut self.own else { return };
        let is_empty = (own.inserts.is_empty(), own.skips.is_empty());
        match (is_empty, own.readings.is_empty()) {
            ((true, true), true) => self.own = None,
            ((true, _), _) if own.inserts.capacity() > 0 => own.inserts = VecDeque::new(),
            _ => {}
        }
    }

    fn whole(&self, journal: JournalKey) -> Reading {
        Reading { journal, from: self.next, until: Seq::MAX }
    }

    fn has_readings(&self) -> bool {
        self.own.as_ref().is_some_and(|own| !own.readings.is_empty())
    }

    /// The frame of which a part is sent.
    fn frame_in_transit(&self, journals: &mut Journals) -> Option<Arc<[u8]>> {
        let readings = self.own.as_ref().map_or(&[][..], |own| &own.readings);
        let keys = self.reading.into_iter().chain(readings.iter().map(|reading| reading.journal));
        keys.into_iter().find_map(|key| journals.get_mut(key).copy(self.next))
    }

    // ── what is its own ──────────────────────────────────────────────────────────────────────────

    /// Lets `encode` add bytes that are for this connection alone, after all that has been said. If
    /// `alone`, they must arrive alone.
    pub(crate) fn insert(
        &mut self,
        journals: &Journals,
        alone: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = journals.next_seq();
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
            self.release_own();
        }
    }

    /// As [`insert`](Self::insert), but of bytes that others have a share in.
    pub(crate) fn insert_shared(&mut self, journals: &Journals, bytes: Arc<[u8]>) {
        self.share(journals, bytes, false);
    }

    /// As [`insert_shared`](Self::insert_shared), but of the rest of the frame that was last
    /// inserted.
    pub(crate) fn insert_shared_rest(&mut self, journals: &Journals, bytes: Arc<[u8]>) {
        self.share(journals, bytes, true);
    }

    fn share(&mut self, journals: &Journals, bytes: Arc<[u8]>, continues: bool) {
        if !bytes.is_empty() {
            let at = journals.next_seq();
            let own = self.own.get_or_insert_default();
            own.bytes += bytes.len();
            let bytes = Bytes::Shared(bytes);
            own.inserts.push_back(Insert { at, bytes, alone: false, continues });
        }
    }

    /// Leaves out an event, which must not be before one that is left out already.
    pub(crate) fn skip(&mut self, seq: Seq) {
        let last = match &mut self.own {
            Some(own) if !own.skips.is_empty() => own.skips.back_mut(),
            _ => Some(&mut self.skip),
        };
        match last {
            Some(last) if last.is_empty() => *last = seq..seq + 1,
            Some(last) if last.end == seq => last.end = seq + 1,
            _ => self.own.get_or_insert_default().skips.push_back(seq..seq + 1),
        }
    }

    /// Whether what comes next must arrive alone.
    pub(crate) fn is_solo(&self, journals: &Journals) -> bool {
        let first = self.own.as_ref().and_then(|own| own.inserts.front());
        first.is_some_and(|insert| insert.alone)
            && Walk::new(self, journals).next().is_some_and(|piece| piece.journal.is_none())
    }

    /// Whether a part of what is for this connection alone has been sent, and its rest has not.
    pub(crate) fn is_within_insert(&self) -> bool {
        let first = self.own.as_ref().and_then(|own| own.inserts.front());
        self.sent > 0 && first.is_some_and(|insert| insert.at <= self.next)
    }

    /// Bytes that wait for this connection alone, and what it costs to keep them and to know what
    /// to leave out.
    pub(crate) fn own_bytes(&self) -> usize {
        let sent = if self.is_within_insert() { self.sent as usize } else { 0 };
        self.own.as_deref().map_or(0, |own| {
            let inserts = own.bytes - sent + own.inserts.len() * INSERT_COST_BYTES;
            inserts + own.skips.len() * SKIP_BYTES
        })
    }

    /// Bytes of what waits for the connection alone, sent or not.
    pub(crate) fn insert_bytes(&self) -> usize {
        self.own.as_deref().map_or(0, |own| own.bytes)
    }

    /// Takes back what was inserted since there were so many such bytes; nothing has been sent
    /// meanwhile.
    pub(crate) fn take_inserts(&mut self, since: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        let Some(own) = &mut self.own else { return taken };
        while own.bytes > since
            && let Some(mut last) = own.inserts.pop_back()
        {
            let excess = own.bytes - since;
            let kept = last.bytes.len().saturating_sub(excess);
            let piece = last.bytes[kept..].to_vec();
            own.bytes -= piece.len();
            if kept > 0 {
                if let Bytes::Own(bytes) = &mut last.bytes {
                    bytes.truncate(kept);
                }
                own.inserts.push_back(last);
            }
            taken.splice(..0, piece);
        }
        self.release_own();
        taken
    }

    /// Whether there is more to leave out than somebody may have who does not read.
    pub(crate) fn skips_too_much(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.skips.len() * SKIP_BYTES >= SKIPS_BYTES_MAX)
    }

    /// The journals that it reads, and from which event on.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (JournalKey, Seq)> {
        let readings = self.own.as_ref().map_or(&[][..], |own| &own.readings);
        let readings = readings.iter().map(|reading| (reading.journal, reading.at(self.next)));
        self.reading.map(|key| (key, self.next)).into_iter().chain(readings)
    }

    // ── sending ──────────────────────────────────────────────────────────────────────────────────

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self, journals: &Journals) -> bool {
        if let (None, Some(key)) = (&self.own, self.reading)
            // Or else there may be something before what it skips.
            && self.skip.start <= self.next
        {
            return journals.get(key).is_behind_of(self.next.max(self.skip.end));
        }
        if let Some(own) = &self.own
            && own.inserts.is_empty()
            && self.skip.is_empty()
            && own.readings.iter().all(|one| journals.get(one.journal).is_behind_of(self.next))
            && self.reading.is_none_or(|key| journals.get(key).is_behind_of(self.next))
        {
            return true;
        }
        Walk::new(self, journals).next().is_none()
    }

    /// Fills `slices` with what to send next, in order, and returns how many it filled. 0 means
    /// that nothing waits. If `lf_separated`, a LF that ends all that waits is held back:
    /// [`pass_last_lf`](Self::pass_last_lf).
    pub(crate) fn slices<'a>(
        &'a mut self,
        journals: &'a mut Journals,
        slices: &mut [IoSlice<'a>],
        lf_separated: bool,
    ) -> usize {
        // What was gathered for somebody else, and not taken, is nobody's any more.
        journals.gathered.to = None;
        if !self.skip.is_empty() {
            // What is only left out is not seen by `advance` after a write, for there is no write.
            self.advance(journals, 0);
        }
        // Where LF separates frames, nobody is in several rooms.
        if self.has_readings() && slices.len() > 1 && !lf_separated {
            return self.gather(journals, slices);
        }
        let (this, journals) = (&*self, &*journals);
        let mut walk = Walk::new(this, journals);
        let (mut filled, mut last): (usize, &'a [u8]) = (0, &[]);
        while filled < slices.len()
            && let Some(piece) = walk.next()
        {
            last = piece.bytes;
            slices[filled] = IoSlice::new(last);
            filled += 1;
        }
        if lf_separated && filled > 0 && walk.next().is_none() {
            slices[filled - 1] = IoSlice::new(last.strip_suffix(b"\n").unwrap_or(last));
        }
        filled
    }

    /// As [`slices`](Self::slices), for somebody who is in several rooms: what comes in turn from
    /// this room and that one would be more slices than a write takes, so it is put together.
    fn gather<'a>(&self, journals: &'a mut Journals, slices: &mut [IoSlice<'a>]) -> usize {
        let mut gathered = mem::take(&mut journals.gathered);
        gathered.bytes.clear();
        let mut walk = Walk::new(self, journals);
        let to = loop {
            let Some(piece) = walk.next() else { break walk.place };
            let room = GATHERED_BYTES - gathered.bytes.len();
            if piece.bytes.len() > room {
                gathered.bytes.extend_from_slice(&piece.bytes[..room]);
                break piece.part(room);
            }
            gathered.bytes.extend_from_slice(piece.bytes);
        };
        (gathered.from, gathered.to) = ((self.next, self.sent), Some(to));
        journals.gathered = gathered;
        slices[0] = IoSlice::new(&journals.gathered.bytes);
        usize::from(!journals.gathered.bytes.is_empty())
    }

    /// Takes a LF for sent if it is all that waits.
    pub(crate) fn pass_last_lf(&mut self, journals: &mut Journals) {
        let mut slices = [IoSlice::new(&[]); 2];
        if self.slices(journals, &mut slices, false) == 1 && *slices[0] == *b"\n" {
            self.advance(journals, 1);
        }
    }

    /// Takes note that the next `bytes` bytes of what [`slices`](Self::slices) gave are sent.
    pub(crate) fn advance(&mut self, journals: &mut Journals, mut bytes: usize) {
        let gathered = &mut journals.gathered;
        // Nearly always all that was gathered is written.
        if let Some(to) = gathered.to.take()
            && (self.next, self.sent) == gathered.from
            && bytes == gathered.bytes.len()
            && bytes > 0
        {
            return self.go_to(journals, to);
        }
        let mut walk = Walk::new(self, journals);
        let place = loop {
            match walk.next() {
                Some(piece) if bytes < piece.bytes.len() => break piece.part(bytes),
                Some(piece) => bytes -= piece.bytes.len(),
                None => break walk.place,
            }
        };
        self.go_to(journals, place);
    }

    /// Goes on to a place of the walk.
    fn go_to(&mut self, journals: &mut Journals, place: Place) {
        let from = self.next;
        (self.next, self.sent) = (place.next, place.sent as u32);
        if let Some(key) = self.reading {
            journals.get_mut(key).moved(from, self.next);
        }
        for _ in 0..place.skips {
            let following = self.own.as_mut().and_then(|own| own.skips.pop_front());
            self.skip = following.unwrap_or_default();
        }
        let Some(own) = &mut self.own else { return };
        for insert in own.inserts.drain(..place.inserts) {
            own.bytes -= insert.bytes.len();
        }
        for reading in &own.readings {
            let journal = journals.get_mut(reading.journal);
            journal.moved(reading.at(from), reading.at(self.next));
        }
        self.release(journals);
    }
}

/// What is written next to somebody who is in several rooms. The memory is everyone's, one after
/// the other.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// Where the walk began, by `next` and `sent`, and where it will be when all of this is sent;
    /// known until the next bytes are sent.
    from: (Seq, u32),
    to: Option<Place>,
}

/// A place on the walk.
#[derive(Clone, Copy, Debug)]
struct Place {
    next: Seq,
    /// Bytes of what is in transit there.
    sent: usize,
    /// How many inserts and skips of the outbox are behind it.
    inserts: usize,
    skips: usize,
}

/// What comes next for one connection, piece by piece. Nothing is changed by it.
struct Walk<'a> {
    outbox: &'a Outbox,
    journals: &'a Journals,
    place: Place,
    /// Nothing comes any more.
    is_over: bool,
    /// Of each reading in `Own` that has a frame, the next one.
    heads: Vec<Head<'a>>,
}

/// The next frame of one journal of many.
struct Head<'a> {
    journal: &'a Journal,
    frame: usize,
    /// Its number; `Seq::MAX` if there is none that is owed.
    seq: Seq,
    until: Seq,
}

impl<'a> Head<'a> {
    fn new(reading: &Reading, outbox: &Outbox, journals: &'a Journals) -> Option<Head<'a>> {
        let (journal, from) = (journals.get(reading.journal), reading.at(outbox.next));
        if journal.is_behind_of(from) {
            return None; // so it is with most rooms most of the time
        }
        let frame = journal.first_from(from);
        let mut head = Head { journal, frame, seq: 0, until: reading.until };
        head.look();
        Some(head)
    }

    fn step(&mut self) {
        self.frame += 1;
        self.look();
    }

    fn look(&mut self) {
        let seq = self.journal.seq(self.frame).filter(|seq| *seq < self.until);
        self.seq = seq.unwrap_or(Seq::MAX);
    }
}

/// Bytes that are sent in one go.
struct Piece<'a> {
    bytes: &'a [u8],
    /// Where it begins.
    place: Place,
    /// What it is a part of, and the first of its frames, if it is not an insert.
    journal: Option<(&'a Journal, usize)>,
}

impl Piece<'_> {
    /// The place after so many bytes of it, fewer than it has.
    fn part(&self, bytes: usize) -> Place {
        let sent = self.place.sent + bytes;
        match self.journal {
            None => Place { sent, ..self.place },
            Some((journal, first)) => {
                let (frame, sent) = journal.frame_at(first, sent);
                let next = journal.seq(frame).unwrap_or(self.place.next);
                Place { next, sent, ..self.place }
            }
        }
    }
}

impl<'a> Walk<'a> {
    fn new(outbox: &'a Outbox, journals: &'a Journals) -> Walk<'a> {
        let place = Place { next: outbox.next, sent: outbox.sent as usize, inserts: 0, skips: 0 };
        let readings = outbox.own.as_ref().map_or(&[][..], |own| &own.readings);
        let heads = readings.iter().filter_map(|one| Head::new(one, outbox, journals)).collect();
        Walk { outbox, journals, place, is_over: false, heads }
    }

    /// The next piece, which the walk then has gone past.
    fn next(&mut self) -> Option<Piece<'a>> {
        if self.is_over {
            return None;
        }
        let own = self.outbox.own.as_deref();
        loop {
            let insert = own.and_then(|own| own.inserts.get(self.place.inserts));
            if let Some(insert) = insert.filter(|insert| insert.at <= self.place.next) {
                let place = self.place;
                self.place = Place { sent: 0, inserts: place.inserts + 1, ..place };
                let bytes = &insert.bytes[place.sent..];
                return Some(Piece { bytes, place, journal: None });
            }
            let skip = match self.place.skips {
                0 => Some(&self.outbox.skip).filter(|skip| !skip.is_empty()),
                skips => own.and_then(|own| own.skips.get(skips - 1)),
            };
            if let Some(skip) = skip.filter(|skip| skip.start <= self.place.next) {
                self.place.next = self.place.next.max(skip.end);
                self.place.skips += 1;
                continue;
            }
            let at = insert.map_or(Seq::MAX, |insert| insert.at);
            let stop = at.min(skip.map_or(Seq::MAX, |skip| skip.start));
            let run = match self.outbox.reading {
                Some(key) => self.run_of_one(key, stop),
                None => self.run_of_many(stop),
            };
            if run.is_some() {
                return run;
            }
            if stop == Seq::MAX {
                return None;
            }
            self.place.next = stop;
        }
    }

    /// The frames of the only journal that come before `stop`.
    fn run_of_one(&mut self, key: JournalKey, stop: Seq) -> Option<Piece<'a>> {
        let journal = self.journals.get(key);
        let from = journal.first_from(self.place.next);
        // Nearly always nothing is its own, and this is all there is.
        self.is_over = stop == Seq::MAX;
        let to = if self.is_over { journal.frames() } else { journal.first_from(stop) };
        self.run(journal, from, to)
    }

    /// The frames that come next, of the one journal of many that has them, before `stop` and
    /// before any frame of another.
    fn run_of_many(&mut self, stop: Seq) -> Option<Piece<'a>> {
        let (mut first, mut second) = ((Seq::MAX, 0), Seq::MAX);
        for (i, head) in self.heads.iter_mut().enumerate() {
            // What was told in several rooms is sent once.
            while head.seq < self.place.next {
                head.step();
            }
            if head.seq < first.0 {
                (first, second) = ((head.seq, i), first.0);
            } else {
                second = second.min(head.seq);
            }
        }
        if first.0 >= stop {
            return None;
        }
        let (head, limit) = (&mut self.heads[first.1], second.min(stop));
        let (journal, from) = (head.journal, head.frame);
        head.step();
        while head.seq < limit {
            head.step();
        }
        let to = head.frame;
        self.run(journal, from, to)
    }

    /// Goes past a run of frames, if there is any in it.
    fn run(&mut self, journal: &'a Journal, from: usize, to: usize) -> Option<Piece<'a>> {
        let last = journal.seq(to.checked_sub(1)?).filter(|_| from < to)?;
        let place = Place { next: journal.seq(from)?, ..self.place };
        self.place = Place { next: last + 1, sent: 0, ..place };
        let bytes = &journal.slice(from, to)[place.sent..];
        Some(Piece { bytes, place, journal: Some((journal, from)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world of one journal or several, all of one encoding.
    #[derive(Default)]
    struct World {
        journals: Journals,
        rooms: Vec<JournalKey>,
    }

    impl World {
        fn of(rooms: usize) -> World {
            let mut world = World::default();
            world.rooms = (0..rooms).map(|_| world.journals.insert()).collect();
            world
        }

        fn say(&mut self, room: usize, line: &str) -> Seq {
            self.say_in(&[room], line)
        }

        fn say_in(&mut self, rooms: &[usize], line: &str) -> Seq {
            let seq = self.journals.take_seq();
            for room in rooms {
                self.journals.append(self.rooms[*room], seq, |out| out.extend(line.bytes()));
            }
            seq
        }

        fn owe(&self, outbox: &mut Outbox, line: &str) {
            outbox.insert(&self.journals, false, |out| out.extend(line.bytes()));
        }

        /// Sends what waits, at most `step` bytes at a time.
        fn sent(&mut self, outbox: &mut Outbox, step: usize) -> String {
            let mut all = Vec::new();
            loop {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = outbox.slices(&mut self.journals, &mut slices, false);
                let bytes: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
                assert_eq!(outbox.is_empty(&self.journals), bytes.is_empty(), "after {all:?}");
                if bytes.is_empty() {
                    return String::from_utf8(all).unwrap();
                }
                let n = bytes.len().min(step);
                all.extend_from_slice(&bytes[..n]);
                outbox.advance(&mut self.journals, n);
            }
        }

        fn is_unused(&self) -> bool {
            self.rooms.iter().all(|room| self.journals.get(*room).counts() == (0, 0))
        }
    }

    #[test]
    fn everything_comes_in_order_whatever_the_size_of_the_writes() {
        for step in 1..40 {
            let (mut world, mut outbox) = (World::of(1), Outbox::default());
            world.owe(&mut outbox, "name?\n");
            world.say(0, "before\n");
            outbox.attach(&mut world.journals, world.rooms[0]);
            world.owe(&mut outbox, "welcome\n");
            world.say(0, "one\n");
            for line in ["mine\n", "mine too\n"] {
                let own = world.say(0, line);
                outbox.skip(own);
            }
            world.say(0, "two\n");
            world.owe(&mut outbox, "private\n");
            let own = world.say(0, "mine again\n");
            outbox.skip(own);
            outbox.detach(&mut world.journals, world.rooms[0]);
            world.owe(&mut outbox, "bye\n");
            world.say(0, "after\n");
            let all = world.sent(&mut outbox, step);
            assert_eq!(all, "name?\nwelcome\none\ntwo\nprivate\nbye\n", "in steps of {step}");
            assert!(outbox.is_empty(&world.journals) && outbox.own.is_none());
            assert!(world.is_unused());
        }
    }

    #[test]
    fn rooms_are_merged_and_what_is_told_in_several_comes_once() {
        for step in 1..30 {
            let (mut world, mut outbox) = (World::of(3), Outbox::default());
            outbox.attach(&mut world.journals, world.rooms[0]);
            world.say(0, "a1\n");
            world.say(1, "not yet\n");
            outbox.attach(&mut world.journals, world.rooms[1]);
            world.say(1, "b1\n");
            world.say(0, "a2\n");
            world.say_in(&[0, 1, 2], "both\n");
            world.say(0, "a3\n");
            world.owe(&mut outbox, "mine\n");
            world.say(2, "elsewhere\n");
            world.say(1, "b2\n");
            world.say(1, "b3\n");
            outbox.detach(&mut world.journals, world.rooms[0]);
            world.say(0, "no more\n");
            world.say(1, "b4\n");
            let all = world.sent(&mut outbox, step);
            assert_eq!(all, "a1\nb1\na2\nboth\na3\nmine\nb2\nb3\nb4\n", "in steps of {step}");
            assert_eq!(outbox.reading, Some(world.rooms[1]), "it is in one room again");
            assert!(outbox.own.is_none());
            outbox.discard(&mut world.journals);
            assert!(world.is_unused());
        }
    }

    /// Somebody goes in and out of rooms, talks, is answered and reads now and then; whatever the
    /// order, everything that was said where they were comes once, in the order of all rooms.
    #[test]
    fn whatever_happens_all_that_is_owed_comes_once_and_in_order() {
        for seed in 0..2000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut world, mut outbox) = (World::of(4), Outbox::default());
            let (mut here, mut owed, mut sent) = ([false; 4], String::new(), String::new());
            for number in 0..rng.usize(1..80) {
                let (room, line) = (rng.usize(..4), format!("{number}\n"));
                match rng.u8(..10) {
                    0 | 1 if here[room] => {
                        outbox.detach(&mut world.journals, world.rooms[room]);
                        here[room] = false;
                    }
                    0 | 1 => {
                        outbox.attach(&mut world.journals, world.rooms[room]);
                        here[room] = true;
                    }
                    2 => {
                        world.owe(&mut outbox, &line);
                        owed.push_str(&line);
                    }
                    3 => world.journals.end_turn(),
                    4 => {
                        let mut slices = [IoSlice::new(&[]); 2];
                        let filled = outbox.slices(&mut world.journals, &mut slices, false);
                        let all: Vec<u8> =
                            slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
                        let bytes = rng.usize(..=all.len());
                        sent.push_str(std::str::from_utf8(&all[..bytes]).unwrap());
                        outbox.advance(&mut world.journals, bytes);
                    }
                    what => {
                        let rooms: Vec<_> =
                            (0..4).filter(|i| *i == room || rng.u8(..4) == 0).collect();
                        let seq = world.say_in(&rooms, &line);
                        if rooms.iter().any(|room| here[*room]) {
                            match what {
                                5 => outbox.skip(seq),
                                _ => owed.push_str(&line),
                            }
                        }
                    }
                }
            }
            sent.push_str(&world.sent(&mut outbox, rng.usize(1..20)));
            assert_eq!(sent, owed, "seed {seed}");
            assert!(outbox.is_empty(&world.journals));
            outbox.discard(&mut world.journals);
            assert!(world.is_unused());
        }
    }

    #[test]
    fn a_talker_alone_is_caught_up_without_a_write() {
        let (mut world, mut outbox) = (World::of(1), Outbox::default());
        outbox.attach(&mut world.journals, world.rooms[0]);
        let own = world.say(0, "mine\n");
        outbox.skip(own);
        assert_eq!(world.sent(&mut outbox, 99), "");
        world.journals.end_turn();
        assert_eq!(world.journals.get(world.rooms[0]).len(), 0);
    }

    #[test]
    fn what_came_before_ones_own_line_still_waits() {
        let (mut world, mut outbox) = (World::of(1), Outbox::default());
        outbox.attach(&mut world.journals, world.rooms[0]);
        world.say(0, "theirs\n");
        let own = world.say(0, "mine\n");
        outbox.skip(own);
        assert_eq!(world.sent(&mut outbox, 3), "theirs\n");
    }

    #[test]
    fn an_outbox_that_is_truncated_ends_with_the_frame_in_transit() {
        for step in 0..12 {
            let (mut world, mut outbox) = (World::of(1), Outbox::default());
            outbox.attach(&mut world.journals, world.rooms[0]);
            world.say(0, "one\n");
            world.owe(&mut outbox, "two\n");
            world.say(0, "three\n");
            outbox.advance(&mut world.journals, step);
            outbox.truncate_to_frame(&mut world.journals);
            world.owe(&mut outbox, "too slow\n");
            let all = "one\ntwo\nthree\n";
            let line_end = [0, 4, 4, 4, 4, 8, 8, 8, 8, 14, 14, 14][step];
            let expected = format!("{}too slow\n", &all[step..line_end]);
            assert_eq!(world.sent(&mut outbox, 5), expected, "truncated after {step} bytes");
            assert!(world.is_unused());
        }
    }

    #[test]
    fn a_frame_of_two_parts_is_not_truncated_between_them() {
        for step in 0..12 {
            let (mut world, mut outbox) = (World::of(1), Outbox::default());
            outbox.attach(&mut world.journals, world.rooms[0]);
            world.owe(&mut outbox, "We");
            outbox.insert_shared_rest(&world.journals, b"lcome\n".as_slice().into());
            outbox.insert_shared(&world.journals, b"list\n".as_slice().into());
            outbox.advance(&mut world.journals, step);
            outbox.truncate_to_frame(&mut world.journals);
            world.owe(&mut outbox, "too slow\n");
            let line_end = [0, 8, 8, 8, 8, 8, 8, 8, 8, 13, 13, 13][step];
            let expected = format!("{}too slow\n", &"Welcome\nlist\n"[step..line_end.max(step)]);
            assert_eq!(world.sent(&mut outbox, 5), expected, "truncated after {step} bytes");
        }
    }

    #[test]
    fn what_is_small_counts_with_what_it_takes_to_keep_it() {
        let (mut world, mut outbox) = (World::of(1), Outbox::default());
        outbox.attach(&mut world.journals, world.rooms[0]);
        for _ in 0..100 {
            world.owe(&mut outbox, "!\n");
            world.say(0, "one\n");
        }
        let least = 100 * (size_of::<Insert>() + "!\n".len());
        assert!(outbox.own_bytes() >= least, "{} bytes", outbox.own_bytes());
        world.sent(&mut outbox, 99);
        assert_eq!(outbox.own_bytes(), 0);
    }

    #[test]
    fn what_is_sent_counts_no_more_and_what_is_left_out_does() {
        let (mut world, mut outbox) = (World::of(1), Outbox::default());
        outbox.attach(&mut world.journals, world.rooms[0]);
        world.owe(&mut outbox, "private\n");
        let before = outbox.own_bytes();
        outbox.advance(&mut world.journals, 5);
        assert_eq!(outbox.own_bytes(), before - 5);
        for _ in 0..10 {
            let own = world.say(0, "mine\n");
            outbox.skip(own);
            world.say(0, "one\n");
        }
        // The first of them takes no more than the outbox has anyway.
        assert_eq!(outbox.own_bytes(), before - 5 + 9 * SKIP_BYTES);
    }

    #[test]
    fn an_idle_outbox_holds_no_memory() {
        let (mut world, mut outbox) = (World::of(1), Outbox::default());
        outbox.attach(&mut world.journals, world.rooms[0]);
        world.owe(&mut outbox, "welcome\n");
        world.sent(&mut outbox, 99);
        assert!(outbox.own.is_none());
        let own = world.say(0, "mine\n");
        outbox.skip(own);
        assert!(outbox.own.is_none());
        assert!(size_of::<Outbox>() <= 48, "{}", size_of::<Outbox>());
    }
}

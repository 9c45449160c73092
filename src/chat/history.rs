//! History: the last lines of a room, for those who come later. A line is encoded when somebody
//! first asks for it, and then for all.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::EntryId;
use super::user::UserKey;
use crate::archive::Before;
use crate::dialect::Dialect;
use crate::event::Said;

/// The last lines of a room, at most so many.
#[derive(Debug)]
pub(crate) struct History {
    lines: VecDeque<HistoryLine>,
    lines_max: usize,
    /// The highest number that a line may have had that is not here any more.
    forgotten: EntryId,
}

/// A line that was said.
#[derive(Debug)]
pub(crate) struct HistoryLine {
    pub(crate) said: Said,
    /// Who spoke, and may have gone since.
    pub(super) by: UserKey,
    encoded: Vec<(Dialect, Arc<[u8]>)>,
}

/// Puts a text in the place of another, whose memory it gets.
pub(super) fn refill(kept: &mut String, new: &str) {
    kept.clear();
    // Not twice as much as before, as it would grow by itself.
    kept.reserve_exact(new.len());
    kept.push_str(new);
}

/// A line that has just been said.
pub(super) struct NewLine<'a> {
    pub(super) id: EntryId,
    /// In seconds since 1970, and the milliseconds behind that.
    pub(super) at: (u64, u16),
    pub(super) by: UserKey,
    pub(super) from: &'a str,
    /// The `user@host` of whoever spoke.
    pub(super) mask: &'a str,
    pub(super) text: &'a str,
    pub(super) emote: bool,
    pub(super) notice: bool,
}

impl History {
    /// Lines up to `forgotten` are not known.
    pub(super) fn new(lines_max: usize, forgotten: EntryId) -> History {
        History { lines: VecDeque::new(), lines_max, forgotten }
    }

    /// There are at most so many lines.
    pub(super) fn lines_max(&self) -> usize {
        self.lines_max
    }

    /// From now on there are at most so many lines.
    pub(super) fn set_lines_max(&mut self, lines_max: usize) {
        self.lines_max = lines_max;
        while self.lines.len() > lines_max
            && let Some(oldest) = self.lines.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.said.id);
        }
    }

    /// A history as it was before a restart: lines up to `forgotten` are not known.
    pub(super) fn restored(
        lines_max: usize,
        forgotten: EntryId,
        lines: impl IntoIterator<Item = Said>,
    ) -> History {
        let mut history = History::new(lines_max, forgotten);
        lines.into_iter().for_each(|said| history.restore(said, UserKey::NOBODY));
        history
    }

    /// Drops the lines of a user. Returns how many there were.
    pub(super) fn forget(&mut self, by: UserKey) -> usize {
        let before = self.lines.len();
        self.lines.retain(|line| line.by != by);
        before - self.lines.len()
    }

    /// Lines up to this number may be missing.
    pub(super) fn set_forgotten(&mut self, forgotten: EntryId) {
        self.forgotten = forgotten;
    }

    /// Up to which number lines may be missing.
    pub(crate) fn forgotten(&self) -> EntryId {
        self.forgotten
    }

    /// The place of the first line after number `id`, of which `newest` is the highest there is;
    /// and whether there may have been others after it that are not here. A number that is not one
    /// of ours says nothing, so then all lines are after it.
    pub(crate) fn after(&self, id: EntryId, newest: EntryId) -> (usize, bool) {
        if id > newest {
            return (0, true);
        }
        (self.lines.partition_point(|line| line.said.id <= id), id < self.forgotten)
    }

    /// Before what all lines are older than these.
    pub(super) fn begins(&self) -> Before {
        self.lines.front().map_or(Before::Now, |line| Before::Id(line.said.id))
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line at a place, 0 for the oldest.
    pub(crate) fn line(&self, place: usize) -> &HistoryLine {
        &self.lines[place]
    }

    /// All lines, the oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &HistoryLine> {
        self.lines.iter()
    }

    /// Takes in a line that was said before, and by whom, if they are still here.
    pub(super) fn restore(&mut self, said: Said, by: UserKey) {
        if let Some(line) = self.next_line(said.id) {
            (line.said, line.by) = (said, by);
        }
    }

    /// Takes in a line. The oldest line gives its memory to the newest.
    pub(super) fn record(&mut self, new: &NewLine<'_>) {
        let Some(HistoryLine { said, by, .. }) = self.next_line(new.id) else { return };
        let texts =
            [(&mut said.from, new.from), (&mut said.mask, new.mask), (&mut said.text, new.text)];
        texts.into_iter().for_each(|(kept, new)| refill(kept, new));
        said.id = new.id;
        (said.unix_seconds, said.millis) = new.at;
        (said.emote, said.notice) = (new.emote, new.notice);
        *by = new.by;
    }

    /// Where the line with this number goes, if lines are kept at all. The oldest one is forgotten
    /// if there are enough.
    fn next_line(&mut self, id: EntryId) -> Option<&mut HistoryLine> {
        if self.lines_max == 0 {
            self.forgotten = id;
            return None;
        }
        if self.lines.len() < self.lines_max {
            let (said, encoded) = Default::default();
            self.lines.push_back(HistoryLine { said, by: UserKey::NOBODY, encoded });
        } else {
            // The oldest becomes the newest where it is: moving a line would cost more than all
            // else here.
            self.lines.rotate_left(1);
        }
        let line = self.lines.back_mut()?;
        self.forgotten = self.forgotten.max(line.said.id);
        line.encoded.clear();
        Some(line)
    }
}

impl History {
    /// The line at a place as `dialect` tells it; `encode` says it if nobody has asked before.
    pub(crate) fn replay(
        &mut self,
        place: usize,
        dialect: Dialect,
        encode: impl FnOnce(&Said, &mut Vec<u8>),
    ) -> Arc<[u8]> {
        let HistoryLine { said, encoded, .. } = &mut self.lines[place];
        if let Some((_, bytes)) = encoded.iter().find(|(spoken, _)| *spoken == dialect) {
            return Arc::clone(bytes);
        }
        let mut bytes = Vec::new();
        encode(said, &mut bytes);
        let bytes: Arc<[u8]> = bytes.into();
        encoded.push((dialect, Arc::clone(&bytes)));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_known_as_far_as_the_history_goes() {
        let mut history = History::new(2, 10);
        let says = |history: &mut History, id| {
            history.restore(Said { id, ..Said::default() }, UserKey::nth(0));
        };
        assert_eq!(history.after(9, 10), (0, true), "of before the room began");
        assert_eq!(history.after(10, 10), (0, false));
        assert_eq!(history.after(11, 10), (0, true), "of nothing that has happened");
        says(&mut history, 12);
        says(&mut history, 15);
        assert_eq!([10, 12, 14, 15].map(|id| history.after(id, 15).0), [0, 1, 1, 2]);
        assert!(!history.after(10, 15).1);
        says(&mut history, 17);
        assert_eq!(history.after(11, 17), (0, true), "the line 12 is gone");
        assert_eq!(history.after(12, 17), (0, false));
        history.set_lines_max(1);
        assert_eq!((history.len(), history.after(12, 17)), (1, (0, true)), "the line 15 is gone");
        let mut nothing = History::new(0, 10);
        says(&mut nothing, 12);
        assert_eq!((nothing.after(11, 12), nothing.after(12, 12)), ((0, true), (0, false)));
    }
}

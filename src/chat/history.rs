//! History: the last lines of a room, for those who come later. A line is encoded when somebody
//! first asks for it, and then for all.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::EntryId;
use super::user::UserKey;
use crate::dialect::Dialect;
use crate::event::Said;

/// The last lines of a room, at most so many.
#[derive(Debug)]
pub(crate) struct History {
    lines: VecDeque<HistoryLine>,
    lines_max: usize,
}

/// A line that was said.
#[derive(Debug)]
pub(crate) struct HistoryLine {
    pub(crate) said: Said,
    /// Who spoke, and may have gone since.
    pub(super) by: UserKey,
    encoded: Vec<(Dialect, Arc<[u8]>)>,
}

impl History {
    pub(super) fn new(lines_max: usize) -> History {
        History { lines: VecDeque::new(), lines_max }
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

    /// Takes in a line. The oldest line gives its memory to the newest.
    pub(super) fn record(
        &mut self,
        (id, at): (EntryId, u64),
        (by, from): (UserKey, &str),
        (text, emote): (&str, bool),
    ) {
        if self.lines_max == 0 {
            return;
        }
        let full = self.lines.len() == self.lines_max;
        let oldest = if full { self.lines.pop_front() } else { None };
        let oldest = oldest.map(|line| (line.said, line.encoded));
        let (mut said, mut encoded) = oldest.unwrap_or_default();
        encoded.clear();
        for (kept, new) in [(&mut said.from, from), (&mut said.text, text)] {
            kept.clear();
            // Not twice as much as before, as it would grow by itself.
            kept.reserve_exact(new.len());
            kept.push_str(new);
        }
        (said.id, said.unix_seconds, said.emote) = (id, at, emote);
        self.lines.push_back(HistoryLine { said, by, encoded });
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

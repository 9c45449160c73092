//! Which lines of a room somebody wants: a span of them, and from which end of it how many. It is
//! asked both of what a room remembers and of the archive. What happened between the lines is
//! wanted in the same way.

use crate::event::Said;

/// What lies among lines: a line, or something that happened between them.
pub trait Placed {
    /// Its number.
    fn id(&self) -> u64;

    /// When it was, in milliseconds since 1970-01-01 00:00 UTC.
    fn unix_millis(&self) -> u64;
}

impl Placed for Said {
    fn id(&self) -> u64 {
        self.id
    }

    fn unix_millis(&self) -> u64 {
        Said::unix_millis(self)
    }
}

/// A place among lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The line with that number.
    Id(u64),
    /// Lines of that millisecond, since 1970-01-01 00:00 UTC.
    Time(u64),
}

impl Place {
    /// Whether a line is before it.
    fn is_after(self, said: &impl Placed) -> bool {
        match self {
            Place::Id(id) => said.id() < id,
            Place::Time(at) => said.unix_millis() < at,
        }
    }

    /// Whether a line is after it.
    fn is_before(self, said: &impl Placed) -> bool {
        match self {
            Place::Id(id) => said.id() > id,
            Place::Time(at) => said.unix_millis() > at,
        }
    }
}

/// A number of lines that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// They are after it.
    pub after: Option<Place>,
    /// They are before it.
    pub before: Option<Place>,
    /// The oldest of them are wanted, and not the newest.
    pub oldest: bool,
    /// At most so many.
    pub count: usize,
}

impl Span {
    /// Of these lines, in order, those that are wanted.
    fn select<'l, T: Placed>(&self, lines: &'l [T]) -> &'l [T] {
        let first = self.after.map_or(0, |place| {
            lines.iter().position(|said| place.is_before(said)).unwrap_or(lines.len())
        });
        let end = self.before.map_or(lines.len(), |place| {
            lines.iter().rposition(|said| place.is_after(said)).map_or(0, |last| last + 1)
        });
        let lines = lines.get(first..end).unwrap_or_default();
        match self.oldest {
            true => &lines[..self.count.min(lines.len())],
            false => &lines[lines.len().saturating_sub(self.count)..],
        }
    }

    /// Whether something lies in it, and not farther out than these lines, beyond which there may
    /// be others.
    fn reaches(&self, lines: &[Said], it: &impl Placed) -> bool {
        let is_in = self.after.is_none_or(|place| place.is_before(it))
            && self.before.is_none_or(|place| place.is_after(it));
        let lines = self.select(lines);
        let is_beyond = match (self.oldest, lines) {
            (true, [.., last]) => lines.len() >= self.count && last.id < it.id(),
            (false, [first, ..]) => it.id() < first.id,
            (_, []) => false,
        };
        is_in && !is_beyond
    }
}

/// What is wanted: one span, or two of which the second follows the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(pub Vec<Span>);

impl Wanted {
    /// The lines around a place: those before it, and it and those after it.
    #[must_use]
    pub fn around(place: Place, count: usize) -> Wanted {
        let half = count / 2;
        let before = Span { after: None, before: Some(place), oldest: false, count: half };
        let from = match place {
            Place::Id(id) => Place::Id(id.saturating_sub(1)),
            Place::Time(at) => Place::Time(at.saturating_sub(1)),
        };
        let after = Span { after: Some(from), before: None, oldest: true, count: count - half };
        Wanted(vec![before, after])
    }

    /// Of these lines, in the order of their numbers, those that are wanted.
    #[must_use]
    pub fn select<T: Placed + Clone>(&self, lines: &[T]) -> Vec<T> {
        self.0.iter().flat_map(|span| span.select(lines)).cloned().collect()
    }

    /// Whether all that is wanted is among lines after that number, of which there are these.
    #[must_use]
    pub fn is_within(&self, forgotten: u64, lines: &[impl Placed]) -> bool {
        self.0.iter().all(|span| match span.after {
            Some(Place::Id(id)) if id >= forgotten => true,
            Some(Place::Time(at)) if lines.first().is_some_and(|it| it.unix_millis() <= at) => true,
            _ => !span.oldest && span.select(lines).len() >= span.count,
        })
    }

    /// Whether something is wanted that happened between lines, and no line that is not among these
    /// can lie between it and them. They are all that was found, of which at the near end nothing
    /// is missing.
    #[must_use]
    pub fn reaches(&self, lines: &[Said], it: &impl Placed) -> bool {
        self.0.iter().any(|span| span.reaches(lines, it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(ids: std::ops::RangeInclusive<u64>) -> Vec<Said> {
        ids.map(|id| Said { id, unix_seconds: 100 + id / 2, millis: 7, ..Said::default() })
            .collect()
    }

    fn ids(wanted: &Wanted, lines: &[Said]) -> Vec<u64> {
        wanted.select(lines).iter().map(|said| said.id).collect()
    }

    fn span(after: Option<Place>, before: Option<Place>, oldest: bool, count: usize) -> Wanted {
        Wanted(vec![Span { after, before, oldest, count }])
    }

    #[test]
    fn a_span_has_bounds_that_are_not_in_it_and_is_cut_at_one_end() {
        let lines = lines(1..=9);
        let id = |id| Some(Place::Id(id));
        assert_eq!(ids(&span(None, None, false, 3), &lines), [7, 8, 9]);
        assert_eq!(ids(&span(id(3), None, true, 2), &lines), [4, 5]);
        assert_eq!(ids(&span(id(3), id(7), false, 2), &lines), [5, 6]);
        assert!(ids(&span(id(7), id(3), false, 2), &lines).is_empty());
        assert_eq!(ids(&span(Some(Place::Time(101_007)), None, true, 2), &lines), [4, 5]);
        assert_eq!(ids(&span(None, Some(Place::Time(101_007)), false, 9), &lines), [1]);
        assert_eq!(ids(&span(None, Some(Place::Time(101_008)), false, 9), &lines), [1, 2, 3]);
        assert_eq!(ids(&Wanted::around(Place::Id(5), 4), &lines), [3, 4, 5, 6]);
        assert!(ids(&span(id(20), None, true, 2), &lines).is_empty());
    }

    #[test]
    fn what_is_remembered_is_enough_only_if_nothing_older_is_wanted() {
        let lines = lines(5..=9);
        assert!(span(None, None, false, 5).is_within(4, &lines));
        assert!(!span(None, None, false, 6).is_within(4, &lines));
        assert!(span(Some(Place::Id(4)), None, true, 9).is_within(4, &lines));
        assert!(!span(Some(Place::Id(3)), None, true, 9).is_within(4, &lines));
        assert!(!Wanted::around(Place::Id(6), 4).is_within(4, &lines));
        assert!(!Wanted::around(Place::Id(5), 2).is_within(4, &lines));
    }

    #[test]
    fn what_happened_is_told_only_up_to_where_no_line_can_be_missing() {
        let lines = lines(5..=9);
        let at = |id| Said { id, unix_seconds: 100 + id / 2, millis: 7, ..Said::default() };
        let reached = |wanted: &Wanted| -> Vec<u64> {
            (1..=13).filter(|id| wanted.reaches(&lines, &at(*id))).collect()
        };
        let id = |id| Some(Place::Id(id));
        assert_eq!(reached(&span(None, None, false, 9)), [5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(reached(&span(None, id(9), false, 2)), [7, 8]);
        assert_eq!(reached(&span(None, id(5), false, 2)), [1, 2, 3, 4], "there are no lines");
        assert_eq!(reached(&span(id(3), None, true, 3)), [4, 5, 6, 7]);
        assert_eq!(reached(&span(id(6), None, true, 4)), [7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(reached(&span(id(6), id(8), true, 4)), [7]);
        assert_eq!(reached(&Wanted::around(Place::Id(7), 4)), [5, 6, 7, 8]);
    }
}

//! A search as somebody types it: words, and `from:`, `in:`, `before:` and `after:`. It knows no
//! database.

use std::fmt;

use time::{Date, Month, Time};

use crate::nickname::Keys;

/// The longest search, in bytes.
pub const QUERY_BYTES_MAX: usize = 512;

/// The most words of a search, and other conditions.
pub const TERMS_MAX: usize = 16;

/// What lines must match to be found. All of it must be so of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    from: Option<String>,
    room: Option<String>,
    allowed: Vec<String>,
    before: Option<u64>,
    after: Option<u64>,
}

/// Why a text is no search. None carries more of the text than one word of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// There is nothing to look for.
    Empty,
    /// It has more than [`QUERY_BYTES_MAX`] bytes or [`TERMS_MAX`] words.
    TooLong,
    /// This word has neither letters nor digits.
    Word(String),
    /// This cannot be the name of anybody (after `from:`).
    From(String),
    /// This cannot be the name of a room (after `in:`).
    Room(String),
    /// This is no date (after `before:` or `after:`).
    Date(String),
    /// This can stand only once.
    Twice(&'static str),
}

impl Query {
    /// Takes a text for a search: words, `from:NAME`, `in:#ROOM`, `before:DATE` and `after:DATE`
    /// in any order, each but words at most once. A date is `2026-01-31` or `2026-01-31T13:45`, in
    /// UTC; `before` is earlier than it, `after` is at that time or later.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        if text.len() > QUERY_BYTES_MAX || text.split_whitespace().nth(TERMS_MAX).is_some() {
            return Err(QueryError::TooLong);
        }
        let mut query = Query::default();
        for term in text.split_whitespace() {
            query.add(term)?;
        }
        match text.split_whitespace().next() {
            _ if query != Query::default() => Ok(query),
            Some(sign) => Err(QueryError::Word(sign.to_owned())),
            None => Err(QueryError::Empty),
        }
    }

    fn add(&mut self, term: &str) -> Result<(), QueryError> {
        let (key, value) = term.split_once(':').unwrap_or(("", term));
        match &*key.to_ascii_lowercase() {
            "from" => {
                Keys::sought(value)
                    .filter(|_| !value.is_empty())
                    .ok_or_else(|| QueryError::From(value.to_owned()))?;
                once(&mut self.from, value.to_owned(), "from:")
            }
            "in" => {
                let name = value.strip_prefix('#').unwrap_or(value);
                Keys::sought(name)
                    .filter(|_| !name.is_empty())
                    .ok_or_else(|| QueryError::Room(value.to_owned()))?;
                once(&mut self.room, name.to_owned(), "in:")
            }
            "before" => once(&mut self.before, date_of(value)?, "before:"),
            "after" => once(&mut self.after, date_of(value)?, "after:"),
            // A sign that stands alone is passed over.
            _ => {
                self.words.extend(Some(term).filter(has_letters).map(str::to_owned));
                Ok(())
            }
        }
    }

    /// What must be in a line, as it was typed.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Who must have said it, in any spelling.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// In which room, without `#`, in any spelling.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// Rooms in which it looks although not everybody may know what is said there, without `#`.
    #[must_use]
    pub fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// Looks also in these rooms if they are private: whoever asks is in them. Without this it
    /// looks in no private room.
    pub fn allow(&mut self, rooms: Vec<String>) {
        self.allowed = rooms;
    }

    /// Earlier than that, in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn before(&self) -> Option<u64> {
        self.before
    }

    /// Then or later, in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn after(&self) -> Option<u64> {
        self.after
    }
}

fn once<T>(place: &mut Option<T>, value: T, key: &'static str) -> Result<(), QueryError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(QueryError::Twice(key)),
    }
}

fn has_letters(term: &&str) -> bool {
    term.chars().any(char::is_alphanumeric)
}

fn date_of(text: &str) -> Result<u64, QueryError> {
    parse_date(text).ok_or_else(|| QueryError::Date(text.to_owned()))
}

/// A date as `2026-01-31` or `2026-01-31T13:45`, perhaps with seconds and parts of them, in UTC; as
/// seconds since 1970-01-01 00:00. `None` if it is none, or of before 1970.
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => {
            let time = time.trim_end_matches(['Z', 'z']);
            (date, time.split_once('.').map_or(time, |(seconds, _)| seconds))
        }
        None => (text, "00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = match time.len() {
        5 => numbers(time, ':', [2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
        _ => numbers(time, ':', [2, 2, 2])?,
    };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let day = u8::try_from(day).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, day).ok()?;
    let [hour, minute, second] = [hour, minute, second].map(|part| u8::try_from(part).ok());
    let time = Time::from_hms(hour?, minute?, second?).ok()?;
    date.with_time(time).assume_utc().unix_timestamp().try_into().ok()
}

/// The same with its thousandths, in milliseconds since 1970-01-01 00:00.
pub(crate) fn parse_millis(text: &str) -> Option<u64> {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).chain(*b"000").take(3);
    let millis = digits.fold(0, |millis, digit| millis * 10 + u64::from(digit - b'0'));
    Some(parse_date(text)?.checked_mul(1000)? + millis)
}

/// The numbers in a text, each of so many digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u16; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(numbers)
}

impl fmt::Display for QueryError {
    /// One sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Empty => f.write_str("there is nothing to look for"),
            QueryError::TooLong => {
                write!(f, "a search has at most {QUERY_BYTES_MAX} bytes and {TERMS_MAX} words")
            }
            QueryError::Word(word) => write!(f, "{word} has neither letters nor digits"),
            QueryError::From(name) => write!(f, "from:{name} is nobody's name"),
            QueryError::Room(name) => write!(f, "in:{name} is no room"),
            QueryError::Date(date) => {
                write!(f, "{date} is no date; it must be like 2026-01-31 or 2026-01-31T13:45")
            }
            QueryError::Twice(key) => write!(f, "{key} can stand only once"),
        }
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_words_and_conditions_in_any_order() {
        let query =
            Query::parse("deploy FROM:Bob in:#ops  failed before:2026-01-01 after:1970-01-02");
        let query = query.unwrap();
        assert_eq!(query.words(), ["deploy", "failed"]);
        assert_eq!((query.from(), query.room()), (Some("Bob"), Some("ops")));
        assert_eq!((query.before(), query.after()), (Some(1_767_225_600), Some(86_400)));
        assert_eq!(Query::parse("http://example.com").unwrap().words(), ["http://example.com"]);
    }

    #[test]
    fn what_is_no_search_is_told_by_its_first_mistake() {
        let long = "a".repeat(QUERY_BYTES_MAX + 1);
        let many = "a ".repeat(TERMS_MAX + 1);
        for (text, error) in [
            ("", QueryError::Empty),
            (" \t ", QueryError::Empty),
            (&*long, QueryError::TooLong),
            (&*many, QueryError::TooLong),
            ("- ?!", QueryError::Word("-".to_owned())),
            ("from:", QueryError::From(String::new())),
            ("in:#", QueryError::Room("#".to_owned())),
            ("in:a in:b", QueryError::Twice("in:")),
            ("before:yesterday", QueryError::Date("yesterday".to_owned())),
            ("after:2026-02-30", QueryError::Date("2026-02-30".to_owned())),
        ] {
            assert_eq!(Query::parse(text), Err(error), "{text}");
        }
        assert_eq!(Query::parse("what - now").unwrap().words(), ["what", "now"]);
        assert!(Query::parse(&long[1..]).is_ok() && Query::parse(&many[2..]).is_ok());
    }

    #[test]
    fn dates_are_read_as_utc() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29T12:34", Some(951_827_640)),
            ("2000-02-29 12:34:56", Some(951_827_696)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("1969-12-31", None),
            ("2001-02-29", None),
            ("2000-2-9", None),
            ("2000-02-29T24:00", None),
            ("2000-02-29-01", None),
            ("+200-01-01", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text), seconds, "{text}");
        }
    }
}

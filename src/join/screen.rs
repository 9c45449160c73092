//! What is to be seen: the log of a room in rows, the status row, and the line that is typed.
//! Nothing here writes to a terminal.

use chinwag::client::veiled;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr as _;

use super::room::{Body, Item, Room};
use super::settings::Settings;
use super::words::Lang;
use super::wrap::wrap;

/// How something looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Dim,
    Refused,
    Private,
    PrivateToUs,
    Mention,
    /// A name, in the colour with this number.
    Name(usize),
    Status,
    Rule,
}

/// How many colours names have.
pub(super) const NAME_COLORS: usize = 9;

/// A piece of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) style: Style,
    pub(super) text: String,
}

pub(super) type Row = Vec<Span>;

/// All that is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) rows: Vec<Row>,
    /// The column and the row of the cursor.
    pub(super) cursor: (usize, usize),
}

pub(super) fn span(style: Style, text: impl Into<String>) -> Span {
    Span { style, text: text.into() }
}

/// How the log of a room is shown.
pub(super) struct Look<'a> {
    pub(super) lang: Lang,
    pub(super) settings: Settings,
    pub(super) zone: &'a TimeZone,
    pub(super) me: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// What is to be said of a connection that is lost.
    pub(super) outage: &'a str,
    /// What was typed, and waits until we are in the room that it is for.
    pub(super) waiting: &'a [String],
    pub(super) columns: usize,
}

/// A row of the log, and where it comes from: an item's number, and which of its rows it is.
type Placed = ((u64, usize), Row);

impl Look<'_> {
    /// The last rows of a room's log, of which so many are to be seen. If it was scrolled, that is
    /// up to the row where it stands.
    pub(super) fn log(&self, room: &Room, count: usize) -> Vec<Row> {
        let pending = match room.bottom {
            None => {
                let pending = room.pending.iter().flat_map(|one| self.pending(one));
                pending.chain(self.waiting.iter().flat_map(|line| self.waits(line))).collect()
            }
            Some(_) => Vec::new(),
        };
        let mut rows: Vec<Row> = pending;
        rows.reverse();
        for (place, row) in self.backwards(room) {
            if rows.len() >= count {
                break;
            }
            if room.bottom.is_none_or(|bottom| place <= bottom) {
                rows.push(row);
            }
        }
        rows.truncate(count);
        rows.reverse();
        rows
    }

    /// Where the log stands after so many rows down (up, if that is negative), if so many are seen
    /// at once; `None` is its end. Whether the beginning is to be seen is the second.
    pub(super) fn scrolled(
        &self,
        room: &Room,
        rows: isize,
        seen: usize,
    ) -> (Option<(u64, usize)>, bool) {
        let places: Vec<_> = self.backwards(room).map(|(place, _)| place).collect();
        let now = room.bottom.and_then(|bottom| places.iter().position(|it| *it <= bottom));
        let highest = places.len().saturating_sub(seen);
        let next = now.unwrap_or(0).saturating_add_signed(-rows).min(highest);
        ((next > 0).then(|| places[next]), next == highest)
    }

    /// All rows of a log, the last first.
    fn backwards<'b>(&'b self, room: &'b Room) -> impl Iterator<Item = Placed> + 'b {
        let items = &room.items;
        (0..items.len()).rev().flat_map(move |at| {
            let item = &items[at];
            let before = at.checked_sub(1).and_then(|at| items.get(at));
            let mut rows = Vec::new();
            if let Some(day) = self.day(before, item) {
                rows.push(self.rule(&day, Style::Dim));
            }
            if room.divider == Some(item.number) {
                rows.push(self.rule(self.lang.new_ones(), Style::Rule));
            }
            rows.extend(self.item(item));
            let placed = rows.into_iter().enumerate().rev();
            placed.map(move |(row, shown)| ((item.number, row), shown))
        })
    }

    /// The day, if an item is of another one than that before.
    fn day(&self, before: Option<&Item>, item: &Item) -> Option<String> {
        let date = |at: i64| Some(Timestamp::from_second(at).ok()?.to_zoned(self.zone.clone()));
        let zoned = date(item.at)?;
        let last = match before {
            Some(before) => date(before.at)?.date(),
            // Nobody needs to be told that it is today.
            None => date(self.now)?.date(),
        };
        let is_new = zoned.date() != last;
        let format = self.lang.pick("%A, %-d %B %Y", "%Y年%-m月%-d日");
        is_new.then(|| zoned.strftime(format).to_string())
    }

    /// The local time, as it stands before a line.
    pub(super) fn time(&self, at: i64) -> String {
        let zoned = Timestamp::from_second(at).map(|at| at.to_zoned(self.zone.clone()));
        zoned.map_or_else(|_| "--:--".to_owned(), |at| at.strftime("%H:%M").to_string())
    }

    fn rule(&self, text: &str, style: Style) -> Row {
        vec![span(style, format!("── {text} ──"))]
    }

    /// An item in rows.
    fn item(&self, item: &Item) -> Vec<Row> {
        let at = item.at;
        match &item.body {
            Body::Said { from, text, emote, mention, old } => {
                let style = match (mention, old) {
                    (true, _) => Style::Mention,
                    (false, true) => Style::Dim,
                    (false, false) => Style::Plain,
                };
                self.said(at, from, text, *emote, style)
            }
            Body::Private { who, text, is_ours: true } => {
                let you = self.lang.pick("you", "你");
                self.rows(
                    at,
                    vec![span(Style::Private, format!("[{you} -> {who}] "))],
                    text,
                    Style::Private,
                )
            }
            Body::Private { who, text, is_ours: false } => {
                let you = self.lang.pick("you", "你");
                let head = vec![span(Style::PrivateToUs, format!("[{who} -> {you}] "))];
                self.rows(at, head, text, Style::PrivateToUs)
            }
            Body::Notice(text) => self.notice(at, text),
            Body::Refused(text) => {
                self.rows(at, vec![span(Style::Refused, "! ")], text, Style::Refused)
            }
            Body::Presence(_) if !self.settings.presence.is_on() => Vec::new(),
            Body::Presence(presence) => self.notice(at, &presence.text(self.lang)),
            Body::Rule(text) => vec![self.rule(text, Style::Rule)],
            Body::Outage { until: None } => self.notice(at, self.outage),
            Body::Outage { until: Some(until) } => {
                let (from, until) = (self.time(at), self.time(*until));
                let text = self.lang.pick(
                    format!("There was no connection from {from} to {until}."),
                    format!("从 {from} 到 {until} 没有连接。"),
                );
                self.notice(at, &text)
            }
            Body::Unsure { text, emote } => self.unsure(at, text, *emote),
        }
    }

    fn said(&self, at: i64, from: &str, text: &str, emote: bool, style: Style) -> Vec<Row> {
        let name = span(Style::Name(color_of(from)), from);
        let head = match emote {
            true => vec![span(style, "** "), name, span(style, " ")],
            false => vec![name, span(Style::Plain, ": ")],
        };
        self.rows(at, head, text, style)
    }

    fn notice(&self, at: i64, text: &str) -> Vec<Row> {
        self.rows(at, vec![span(Style::Dim, "* ")], text, Style::Dim)
    }

    fn unsure(&self, at: i64, text: &str, emote: bool) -> Vec<Row> {
        let hint = self.lang.pick("not confirmed; /again says it again", "未确认;/again 重新发送");
        let head = if emote { "? /me " } else { "? " };
        let text = format!("{text} ({hint})");
        self.rows(at, vec![span(Style::Refused, head)], &text, Style::Refused)
    }

    /// What the server has not confirmed.
    fn pending(&self, one: &super::room::Pending) -> Vec<Row> {
        let text = format!("{} …", one.text);
        let head = match (&one.to, one.emote) {
            (Some(to), _) => format!("[{} -> {to}] ", self.lang.pick("you", "你")),
            (None, true) => format!("** {} ", self.me),
            (None, false) => format!("{}: ", self.me),
        };
        self.rows(one.at, vec![span(Style::Dim, head)], &text, Style::Dim)
    }

    fn waits(&self, line: &str) -> Vec<Row> {
        let line = veiled(line).unwrap_or_else(|| line.to_owned());
        self.rows(self.now, Vec::new(), &format!("{line} …"), Style::Dim)
    }

    /// A text behind its time and its head. What does not fit into the first row stands below, as
    /// far to the right as the text begins.
    fn rows(&self, at: i64, head: Row, text: &str, style: Style) -> Vec<Row> {
        let mut first = Row::new();
        if self.settings.time.is_on() {
            first.push(span(Style::Dim, format!("{} ", self.time(at))));
        }
        first.extend(head);
        let indent: usize = first.iter().map(|span| span.text.width()).sum();
        if indent > self.columns / 2 {
            // A narrow window: there is no place for that.
            let all: String = first.iter().map(|span| &*span.text).chain([text]).collect();
            return wrap(&all, self.columns)
                .into_iter()
                .map(|row| vec![span(style, row)])
                .collect();
        }
        let mut rows = Vec::new();
        for (number, part) in wrap(text, self.columns - indent).into_iter().enumerate() {
            let mut row = match number {
                0 => std::mem::take(&mut first),
                _ => vec![span(Style::Plain, " ".repeat(indent))],
            };
            row.push(span(style, part));
            rows.push(row);
        }
        rows
    }
}

/// The number of somebody's colour, which they have wherever they are seen.
fn color_of(name: &str) -> usize {
    // FNV-1a: it must not depend on the machine, or on who else is there.
    let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    name.bytes().fold(2_166_136_261, mix) as usize % NAME_COLORS
}

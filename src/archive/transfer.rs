//! What the program does with an archive besides serving: it writes it out, takes in what another
//! program has kept, and forgets. Export and forgetting also work while a server uses the file.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::forgetting::{Forgetting, Wanted};
use super::query::parse_date;
use super::queue::Rules;
use super::tables::{HOUR, Tables, int, number, room_of};
use super::writer::sentence;
use super::{OpenError, Record, file};
use crate::config::Keep;
use crate::event::Said;
use crate::nickname::Nickname;
use crate::text;

/// Lines that are read or written at once.
const CHUNK_LINES: usize = 1000;

/// Bytes of a line that is taken in, with all that is said of it.
pub const IMPORT_BYTES_MAX: usize = 1 << 20;

/// An archive that cannot be written out or taken in.
#[derive(Debug)]
pub enum TransferError {
    /// The file cannot be used.
    Open(OpenError),
    /// It could not be read or written any more; one sentence without its full stop.
    Archive(String),
    /// There is no such room (its name).
    Room(String),
    /// What was to be written out could not be, or what was to be taken in could not be read.
    Stream(io::Error),
    /// A line of what was to be taken in (its number, and what is wrong with it).
    Line(u64, String),
}

impl fmt::Display for TransferError {
    /// One sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::Open(error) => error.fmt(f),
            TransferError::Archive(sentence) => f.write_str(sentence),
            TransferError::Room(room) => write!(f, "there is no room {room} in the archive"),
            TransferError::Stream(error) => write!(f, "cannot read or write it all: {error}"),
            TransferError::Line(line, what) => {
                write!(f, "line {line} {what}; nothing of its thousand lines is taken in")
            }
        }
    }
}

impl std::error::Error for TransferError {}

impl From<OpenError> for TransferError {
    fn from(error: OpenError) -> TransferError {
        TransferError::Open(error)
    }
}

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    id: u64,
    at: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    millis: u16,
    room: String,
    kind: Kind,
    from: String,
    /// The number of the entry by which the author came.
    #[serde(default, skip_serializing_if = "is_zero")]
    author: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mask: String,
    text: String,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Said,
    Emote,
    Notice,
    Topic,
}

/// Looks at a file without changing anything: whether a server could use it, or make it.
///
/// # Errors
/// If it could not.
pub fn check(path: &Path) -> Result<(), OpenError> {
    file::is_usable(path, true)
}

/// Writes all lines and the topics as JSON Lines, the oldest first; only those of a room, if one is
/// given, and of a time (seconds since 1970) and later. Returns how many.
///
/// # Errors
/// If the file cannot be read, or `out` not be written.
pub fn export(
    path: &Path,
    room: Option<&str>,
    after: Option<u64>,
    out: &mut impl Write,
) -> Result<u64, TransferError> {
    let connection = file::open_beside(path)?;
    let failed = |error: rusqlite::Error| TransferError::Archive(sentence(path, &error));
    let room = match room {
        None => None,
        Some(room) => {
            let name = room.strip_prefix('#').unwrap_or(room);
            let found = room_of(&connection, name).map_err(failed)?;
            Some(found.ok_or_else(|| TransferError::Room(room.to_owned()))?)
        }
    };
    let after = after.map_or(0, int);
    let mut topics = topics(&connection, room, after).map_err(failed)?.into_iter().peekable();
    let (mut last, mut count) = (-1, 0);
    loop {
        // In pieces, so that a server can clear its log of changes between them.
        let lines = lines_after(&connection, last, room, after).map_err(failed)?;
        let is_end = lines.len() < CHUNK_LINES;
        for line in &lines {
            while let Some(topic) = topics.next_if(|topic| topic.id < line.id) {
                write_line(out, &topic)?;
                count += 1;
            }
            write_line(out, line)?;
            count += 1;
        }
        last = lines.last().map_or(last, |line| int(line.id));
        if is_end {
            break;
        }
    }
    for topic in topics {
        write_line(out, &topic)?;
        count += 1;
    }
    out.flush().map_err(TransferError::Stream)?;
    Ok(count)
}

fn write_line(out: &mut impl Write, line: &Exported) -> Result<(), TransferError> {
    let mut json = serde_json::to_vec(line).map_err(|e| TransferError::Stream(e.into()))?;
    json.push(b'\n');
    out.write_all(&json).map_err(TransferError::Stream)
}

fn topics(
    connection: &Connection,
    room: Option<i64>,
    after: i64,
) -> rusqlite::Result<Vec<Exported>> {
    let sql = "SELECT topic_id, topic_at, name, topic_by, topic FROM room \
               WHERE topic IS NOT NULL AND (?1 IS NULL OR id = ?1) AND topic_at >= ?2 \
               ORDER BY topic_id";
    let mut statement = connection.prepare(sql)?;
    let topics = statement.query_map((room, after), |row| {
        Ok(Exported {
            id: number(row.get(0)?),
            at: number(row.get(1)?),
            millis: 0,
            room: row.get(2)?,
            kind: Kind::Topic,
            from: row.get(3)?,
            author: 0,
            account: None,
            mask: String::new(),
            text: row.get(4)?,
        })
    })?;
    topics.collect()
}

fn lines_after(
    connection: &Connection,
    last: i64,
    room: Option<i64>,
    after: i64,
) -> rusqlite::Result<Vec<Exported>> {
    let of_room = if room.is_some() { "line.room = ?3" } else { "?3 IS NULL" };
    let sql = format!(
        "SELECT line.id, line.at, room.name, line.emote, author.shown, author.came, \
         author.account, line.text, line.notice, author.mask, \
         line.millis FROM line CROSS JOIN room ON room.id = line.room \
         CROSS JOIN author ON author.id = line.author \
         WHERE line.id > ?1 AND line.at >= ?2 AND {of_room} ORDER BY line.id LIMIT {CHUNK_LINES}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let lines = statement.query_map((last, after, room), |row| {
        Ok(Exported {
            id: number(row.get(0)?),
            at: number(row.get(1)?),
            millis: row.get(10)?,
            room: row.get(2)?,
            kind: match (row.get(3)?, row.get(8)?) {
                (true, _) => Kind::Emote,
                (_, true) => Kind::Notice,
                _ => Kind::Said,
            },
            from: row.get(4)?,
            author: number(row.get(5)?),
            account: row.get(6)?,
            text: row.get(7)?,
            mask: row.get(9)?,
        })
    })?;
    lines.collect()
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Lines and topics that were taken in.
    pub taken: u64,
    /// Those that were there already.
    pub known: u64,
    /// Lines that are nothing that was said to a room, as notices of who came.
    pub skipped: u64,
}

/// Takes in lines of an [`export`], or of a log of ssh-chat or weechat, into a file that no server
/// uses; it is made if there is none. They come after all that is there: what has a higher number
/// than that keeps it. `room` is where lines were said that do not tell it.
///
/// # Errors
/// If the file cannot be used, or a line is none of these. What was before it is taken in.
pub fn import(
    path: &Path,
    room: &Nickname,
    input: &mut impl BufRead,
) -> Result<Imported, TransferError> {
    let failed = |error: rusqlite::Error| TransferError::Archive(sentence(path, &error));
    let _lock = file::lock(path)?;
    let mut connection = file::open(path)?;
    let last = "SELECT max(last_id, coalesce((SELECT max(id) FROM line), 0)) FROM state";
    let last = connection.query_row(last, (), |row| row.get(0)).map_err(failed)?;
    let mut import =
        Import { room, last: number(last), tables: Tables::default(), done: Imported::default() };
    let (mut number, mut lines) = (0, Vec::new());
    loop {
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut *input, IMPORT_BYTES_MAX as u64 + 1);
        let length = limited.read_until(b'\n', &mut line).map_err(TransferError::Stream)?;
        number += 1;
        if length > IMPORT_BYTES_MAX {
            let what = format!("has more than {IMPORT_BYTES_MAX} bytes");
            return Err(TransferError::Line(number, what));
        }
        if length > 0 {
            match parse(&line, room).map_err(|what| TransferError::Line(number, what))? {
                Some(line) => lines.push(line),
                None => import.done.skipped += 1,
            }
        }
        if length == 0 || lines.len() == CHUNK_LINES {
            import.write(&mut connection, lines.drain(..)).map_err(failed)?;
        }
        if length == 0 {
            return Ok(import.done);
        }
    }
}

struct Import<'a> {
    room: &'a Nickname,
    last: u64,
    tables: Tables,
    done: Imported,
}

impl Import<'_> {
    fn write(
        &mut self,
        connection: &mut Connection,
        lines: impl Iterator<Item = Exported>,
    ) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut records = Vec::new();
        for line in lines {
            if is_known(&transaction, &line)? {
                self.done.known += 1;
                continue;
            }
            let id = if line.id > self.last { line.id } else { self.last + 1 };
            self.last = id;
            records.push(record(id, line));
        }
        let rules = Rules { keep: Keep::Forever, rooms: Vec::new() };
        self.tables.write(&transaction, &records, &rules)?;
        self.done.taken += records.len() as u64;
        transaction.commit()
    }
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("room", self.room).finish_non_exhaustive()
    }
}

/// The highest number of a line: JavaScript knows none above 2^53 for sure, and new ones must fit
/// above it.
const ID_MAX: u64 = 1 << 52;

/// The latest time of a line: the year 9999.
const AT_MAX: u64 = 253_402_300_799;

/// Whether the same is in the archive under the same number.
fn is_known(connection: &Connection, line: &Exported) -> rusqlite::Result<bool> {
    let sql = match line.kind {
        Kind::Topic => {
            "SELECT count(*) FROM room WHERE topic_id = ?1 AND topic_at = ?2 AND topic = ?3"
        }
        _ => "SELECT count(*) FROM line WHERE id = ?1 AND at = ?2 AND text = ?3",
    };
    let params = (int(line.id), int(line.at), &line.text);
    let count: i64 = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    Ok(count > 0)
}

fn record(id: u64, line: Exported) -> Record {
    let Exported { at, millis, room, kind, from, author, account, mask, text, .. } = line;
    match kind {
        Kind::Topic => Record::Topic { id, at, room, from, text },
        _ => {
            let (emote, notice) = (kind == Kind::Emote, kind == Kind::Notice);
            let (unix_seconds, millis) = (at, millis.min(999));
            let said = Said { id, unix_seconds, millis, from, text, emote, notice, mask };
            Record::Said { said, room, author, account }
        }
    }
}

/// A line of an export or a log; `None` if nothing was said by it.
fn parse(line: &[u8], room: &Nickname) -> Result<Option<Exported>, String> {
    let line = str::from_utf8(line).map_err(|_| "is not UTF-8 text".to_owned())?;
    let line = line.trim_end_matches(['\n', '\r']);
    if line.trim().is_empty() {
        return Ok(None);
    }
    let parsed = if line.starts_with('{') {
        Some(serde_json::from_str(line).map_err(|error| format!("is not of an export: {error}"))?)
    } else {
        let of_log = ssh_chat(line).or_else(|| weechat(line));
        let (at, said) = of_log.ok_or("is not of an export, of ssh-chat or of weechat")?;
        said.map(|(kind, from, text)| Exported {
            id: 0,
            at,
            millis: 0,
            room: room.as_str().to_owned(),
            kind,
            from: from.to_owned(),
            author: 0,
            account: None,
            mask: String::new(),
            text: text.to_owned(),
        })
    };
    let Some(mut line) = parsed else { return Ok(None) };
    for name in [&line.room, &line.from] {
        if name.is_empty() || name.len() > crate::nickname::BYTES_MAX || text::clean(name) != **name
        {
            return Err(format!("has a name that cannot be one: {name:?}"));
        }
    }
    let is_mask = !line.mask.contains(' ') && text::clean(&line.mask) == *line.mask;
    if !is_mask || line.mask.len() > crate::nickname::BYTES_MAX {
        return Err(format!("has a user and a host that cannot be: {:?}", line.mask));
    }
    if line.id > ID_MAX || line.at > AT_MAX {
        return Err("has a number that is too high".to_owned());
    }
    line.text = text::clean(&line.text).into_owned();
    let is_blank = text::is_blank(&line.text) && line.kind != Kind::Topic;
    Ok(Some(line).filter(|_| !is_blank))
}

/// A time, and who said what then, if anybody did.
type Logged<'a> = (u64, Option<(Kind, &'a str, &'a str)>);

/// A line of ssh-chat's log: `[2006-01-02 15:04:05] name: text`, or after the time `** name text`
/// or ` * notice`.
fn ssh_chat(line: &str) -> Option<Logged<'_>> {
    let (time, said) = line.strip_prefix('[')?.split_once("] ")?;
    let at = parse_date(time)?;
    if let Some(emote) = said.strip_prefix("** ") {
        let (from, text) = emote.split_once(' ')?;
        return Some((at, Some((Kind::Emote, from, text))));
    }
    let is_name = |name: &&str| !name.is_empty() && !name.contains([' ', '[']);
    let said = said.split_once(": ").filter(|(from, _)| is_name(from));
    Some((at, said.map(|(from, text)| (Kind::Said, from, text))))
}

/// A line of weechat's log: the time, who or which sign, and the text, with a TAB between each.
fn weechat(line: &str) -> Option<Logged<'_>> {
    let mut parts = line.splitn(3, '\t');
    let (at, who, text) = (parse_date(parts.next()?)?, parts.next()?.trim(), parts.next()?);
    let said = match who {
        "*" => text.split_once(' ').map(|(from, text)| (Kind::Emote, from, text)),
        "" | "--" | "-->" | "<--" | "=!=" => None,
        who => {
            // What the server says somebody is in a channel.
            let from = who.trim_start_matches(['@', '+', '%', '&', '~', '!']);
            Some((Kind::Said, from, text))
        }
    };
    Some((at, said.filter(|(_, from, _)| !from.is_empty())))
}

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// All that was said under a name, in any spelling of it.
    Name(String),
    /// All of before that time, in seconds since 1970-01-01 00:00 UTC.
    Before(u64),
}

/// Deletes lines, also from the index, and gives their place in the file back. Returns how many
/// there were. A server that uses the file goes on; what it remembers itself is not changed.
///
/// # Errors
/// If the file cannot be used.
pub fn forget(path: &Path, what: &Forget) -> Result<u64, TransferError> {
    let failed = |error: rusqlite::Error| TransferError::Archive(sentence(path, &error));
    let mut connection = file::open_beside(path)?;
    let wanted = match what {
        Forget::Name(name) => Wanted::name(&connection, name),
        Forget::Before(time) => Wanted::before(&connection, *time),
    };
    let wanted = wanted.map_err(failed)?;
    let forgotten = Forgetting::run(&mut connection, wanted).map_err(failed)?;
    if let Forget::Before(time) = what {
        let sql = "DELETE FROM hour WHERE hour < ?1 AND NOT EXISTS (SELECT 1 FROM line WHERE \
                   id BETWEEN first AND last)";
        connection.execute(sql, [int(time / HOUR)]).map_err(failed)?;
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let room = Nickname::unchecked("lobby");
        match parse(line.as_bytes(), &room) {
            Ok(Some(it)) => format!("{} {} {:?} {}: {}", it.at, it.room, it.kind, it.from, it.text),
            Ok(None) => "nothing".to_owned(),
            Err(what) => what,
        }
    }

    #[test]
    fn logs_of_others_are_read() {
        for (line, expected) in [
            ("[2000-02-29 12:34:00] al: hi: there", "951827640 lobby Said al: hi: there"),
            ("[2000-02-29 12:34:00] ** al waves twice", "951827640 lobby Emote al: waves twice"),
            ("[2000-02-29 12:34:00]  * al joined. (Connected: 3)", "nothing"),
            ("[2000-02-29 12:34:00] [PM from al] psst: x", "nothing"),
            ("2000-02-29 12:34:00\t@al\thi\tthere", "951827640 lobby Said al: hi\tthere"),
            ("2000-02-29 12:34:00\t *\tal waves\r\n", "951827640 lobby Emote al: waves"),
            ("2000-02-29 12:34:00\t-->\tal (al@host) has joined #lobby", "nothing"),
            ("", "nothing"),
            ("12:34 <al> hi", "is not of an export, of ssh-chat or of weechat"),
            ("[2000-02-30 12:34:00] al: hi", "is not of an export, of ssh-chat or of weechat"),
            (
                r#"{"id":1,"at":2,"room":"ops","kind":"said","from":"al","text":"hi\u001b[2J"}"#,
                "2 ops Said al: hi[2J",
            ),
            (
                r#"{"id":1,"at":2,"room":"","kind":"said","from":"al","text":"hi"}"#,
                "has a name that cannot be one: \"\"",
            ),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
        assert!(told("{}").starts_with("is not of an export: missing field"));
    }
}

//! The thread that reads: history and searches. A search asks the index, which knows words,
//! rooms and names, and looks at the lines that it names, the newest first, until it has enough.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Row};

use super::handle::Wake;
use super::queue::{Queue, Rules};
use super::tables::{HOUR, int, names_of, number, room_of};
use super::words::Words;
use super::writer::sentence;
use super::{Answer, Before, HITS_MAX, Hit, Kept, KeptRoom, KeptTopic, Query, Request, Settings};
use crate::event::Said;

/// Answers questions until the server stops.
pub(super) fn run(connection: &Connection, file: &Path, queue: &Arc<Queue>, wake: &Wake) {
    while let Some((ticket, request, _)) = queue.next_question() {
        let answer = match &request {
            Request::History { room, before, count } => history(connection, room, *before, *count),
            Request::Search { query, before } => search(connection, query, *before),
            Request::Forget { .. } | Request::Acts { .. } | Request::Account(_) => {
                Ok(Answer::Failed)
            }
        };
        let answer = answer.unwrap_or_else(|error| {
            if queue.is_stopping() || queue.is_cancelled(ticket) {
                return Answer::Failed;
            }
            log::error!("{}; a question is not answered", sentence(file, &error));
            Answer::Failed
        });
        queue.answer(ticket, answer);
        wake();
    }
}

/// Lines that are told at once have so many bytes at most, or are one.
const HISTORY_BYTES_MAX: usize = 64 * 1024;

/// The columns that [`said`] reads.
const SAID: &str = "line.id, line.at, line.emote, line.text, author.shown";

fn said(row: &Row<'_>) -> rusqlite::Result<Said> {
    Ok(Said {
        id: number(row.get(0)?),
        unix_seconds: number(row.get(1)?),
        emote: row.get(2)?,
        text: row.get(3)?,
        from: row.get(4)?,
    })
}

fn history(
    connection: &Connection,
    room: &str,
    before: Before,
    count: usize,
) -> rusqlite::Result<Answer> {
    let Some(room) = room_of(connection, room)? else {
        return Ok(Answer::History { lines: Vec::new(), more: false });
    };
    let (id, time) = match before {
        Before::Now => (i64::MAX, i64::MAX),
        Before::Id(id) => (int(id), i64::MAX),
        Before::Time(time) => (first_after(connection, time)?, int(time)),
    };
    let (mut lines, older) = last_lines(connection, room, (id, time, 0), count)?;
    let mut bytes = 0;
    let fits = |line: &&Said| {
        bytes += size_of::<Said>() + line.from.len() + line.text.len();
        bytes <= HISTORY_BYTES_MAX
    };
    // One line fits in any case.
    let told = lines.iter().rev().take_while(fits).count().clamp(1, lines.len().max(1));
    let left_out = lines.len().saturating_sub(told);
    lines.drain(..left_out);
    Ok(Answer::History { lines, more: older.is_some() || left_out > 0 })
}

/// The last `count` lines of a room with a smaller number, earlier than a time and not before
/// another; the oldest first. And the number of the one before them, if there is one.
fn last_lines(
    connection: &Connection,
    room: i64,
    (id, before, since): (i64, i64, i64),
    count: usize,
) -> rusqlite::Result<(Vec<Said>, Option<u64>)> {
    let sql = format!(
        "SELECT {SAID} FROM line CROSS JOIN author ON author.id = line.author \
         WHERE line.room = ?1 AND line.id < ?2 AND line.at < ?3 AND line.at >= ?4 \
         ORDER BY line.id DESC LIMIT ?5"
    );
    let limit = int(count as u64).saturating_add(1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((room, id, before, since, limit), said)?;
    let mut lines = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let older = if lines.len() > count { lines.pop().map(|line| line.id) } else { None };
    lines.reverse();
    Ok((lines, older))
}

/// A number above those of all lines of before that time.
fn first_after(connection: &Connection, time: u64) -> rusqlite::Result<i64> {
    // At the full hour, what is in it is not before it.
    let hour = time.checked_sub(1).map_or(-1, |before| int(before / HOUR));
    let sql = "SELECT max(last) FROM hour WHERE hour <= ?1";
    let last: Option<i64> = connection.prepare_cached(sql)?.query_row([hour], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last + 1))
}

/// A number not above those of all lines of that time and later.
fn first_since(connection: &Connection, time: u64) -> rusqlite::Result<i64> {
    let sql = "SELECT min(first) FROM hour WHERE hour >= ?1";
    let first: Option<i64> =
        connection.prepare_cached(sql)?.query_row([int(time / HOUR)], |row| row.get(0))?;
    Ok(first.unwrap_or(i64::MAX))
}

fn search(
    connection: &Connection,
    query: &Query,
    before_id: Option<u64>,
) -> rusqlite::Result<Answer> {
    let mut words = Words::new(query.words());
    if let Some(room) = query.room() {
        words.said_in(&room_of(connection, room)?.into_iter().collect::<Vec<_>>());
    }
    if let Some(name) = query.from() {
        words.said_by(&names_of(connection, name)?);
    }
    let mut excluded = Vec::new();
    for room in query.excluded() {
        excluded.extend(room_of(connection, room)?);
    }
    let (before, after) = (query.before(), query.after());
    let id = before.map_or(Ok(i64::MAX), |time| first_after(connection, time))?;
    let id = before_id.map_or(id, |before| id.min(int(before)));
    let first = after.map_or(Ok(0), |time| first_since(connection, time))?;
    let (before, after) = (before.map_or(i64::MAX, int), after.map_or(0, int));
    let sql = if words.is_empty() {
        let excluded = excluded.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        format!(
            "SELECT {SAID}, room.name FROM line CROSS JOIN author ON author.id = line.author \
             CROSS JOIN room ON room.id = line.room \
             WHERE ?1 = '' AND line.id < ?2 AND line.id >= ?3 AND line.at < ?4 AND line.at >= ?5 \
             AND line.room NOT IN ({excluded}) ORDER BY line.id DESC"
        )
    } else {
        format!(
            "SELECT {SAID}, room.name FROM word CROSS JOIN line ON line.id = word.rowid \
             CROSS JOIN author ON author.id = line.author CROSS JOIN room ON room.id = line.room \
             WHERE word MATCH ?1 AND word.rowid < ?2 AND word.rowid >= ?3 \
             AND line.at < ?4 AND line.at >= ?5 ORDER BY word.rowid DESC"
        )
    };
    let question = if words.is_empty() { String::new() } else { words.question(&excluded) };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((question, id, first, before, after))?;
    let mut hits = Vec::new();
    while let Some(row) = rows.next()? {
        if !words.are_in(row.get_ref(3)?.as_str()?) {
            continue;
        }
        if hits.len() == HITS_MAX {
            return Ok(Answer::Found { hits, more: true });
        }
        hits.push(Hit { room: row.get(5)?, said: said(row)? });
    }
    Ok(Answer::Found { hits, more: false })
}

/// What a chat that begins has to know.
pub(super) fn kept(
    connection: &Connection,
    settings: &Settings,
    rules: &Rules,
    now: u64,
) -> rusqlite::Result<Kept> {
    let last = "SELECT max(last_id, coalesce((SELECT max(id) FROM line), 0)) FROM state";
    let last_id = number(connection.query_row(last, (), |row| row.get(0))?);
    let sql = "SELECT id, name, topic, topic_by, topic_at FROM room \
               ORDER BY max(last, coalesce(topic_id, 0)) DESC LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([int(settings.rooms_max as u64)])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        let Some(since) = rules.of(&name).since(now) else { continue };
        let topic = row.get::<_, Option<String>>(2)?.map(|text| {
            Ok::<_, rusqlite::Error>(KeptTopic { text, by: row.get(3)?, at: number(row.get(4)?) })
        });
        let (topic, range) = (topic.transpose()?, (i64::MAX, i64::MAX, int(since)));
        let (lines, older) =
            last_lines(connection, row.get(0)?, range, settings.history_lines_max)?;
        if topic.is_some() || !lines.is_empty() || older.is_some() {
            let forgotten = older.unwrap_or_default();
            rooms.push(KeptRoom { name, topic, lines, forgotten, rights: None });
        }
    }
    Ok(Kept { last_id, rooms, sanctions: Vec::new(), accounts: Vec::new() })
}

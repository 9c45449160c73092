//! The thread that reads: history and searches. A search asks the index, which knows words,
//! rooms and names, and looks at the lines that it names, the newest first, until it has enough.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::handle::Wake;
use super::queue::{Queue, Rules};
use super::tables::{ACTS_MAX, HOUR, int, names_of, number, room_of, run};
use super::words::Words;
use super::writer::sentence;
use super::{Act, Answer, Before, HITS_MAX, Hit, Kept, KeptRoom, KeptTopic, Query, Request};
use super::{Settings, accounts};
use crate::event::Said;
use crate::nickname::Nickname;
use crate::rights::{Flag, Rank, Rights};
use crate::sanction::{Sanction, SanctionKind, Target};
use crate::span::{Place, Span, Wanted};

/// Answers questions until the server stops.
pub(super) fn answer(connection: &Connection, file: &Path, queue: &Arc<Queue>, wake: &Wake) {
    while let Some((ticket, request, _)) = queue.next_question() {
        let answer = match &request {
            Request::History { room, before, count } => history(connection, room, *before, *count),
            Request::Lines { room, wanted } => lines_of(connection, room, wanted),
            Request::Search { query, before } => search(connection, query, *before),
            Request::Acts { count } => acts(connection, *count),
            // They are asked elsewhere.
            Request::Forget { .. } | Request::Account(_) => Ok(Answer::Failed),
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

/// So many rooms can be left out by a question to the index.
const INDEX_ROOMS_MAX: usize = 64;

/// Lines that are told at once have so many bytes at most, or are one.
const HISTORY_BYTES_MAX: usize = 64 * 1024;

/// The columns that [`said`] reads.
const SAID: &str = "line.id, line.at, line.emote, line.text, author.shown, line.notice, \
                    author.mask, line.millis";

fn said(row: &Row<'_>) -> rusqlite::Result<Said> {
    Ok(Said {
        id: number(row.get(0)?),
        unix_seconds: number(row.get(1)?),
        emote: row.get(2)?,
        text: row.get(3)?,
        from: row.get(4)?,
        notice: row.get(5)?,
        mask: row.get(6)?,
        millis: row.get(7)?,
    })
}

/// About how many bytes a line takes.
fn bytes_of(said: &Said) -> usize {
    size_of::<Said>() + said.from.len() + said.mask.len() + said.text.len()
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
        bytes += bytes_of(line);
        bytes <= HISTORY_BYTES_MAX
    };
    // One line fits in any case.
    let told = lines.iter().rev().take_while(fits).count().clamp(1, lines.len().max(1));
    let left_out = lines.len().saturating_sub(told);
    lines.drain(..left_out);
    Ok(Answer::History { lines, more: older.is_some() || left_out > 0 })
}

/// The lines of a room that are wanted, and may be more than that; and whether others come behind
/// the last of them, since they are too many to be told at once.
fn lines_of(connection: &Connection, room: &str, wanted: &Wanted) -> rusqlite::Result<Answer> {
    let (mut lines, mut more) = (Vec::new(), false);
    if let Some(room) = room_of(connection, room)? {
        for span in &wanted.0 {
            let (found, is_cut) = lines_of_span(connection, room, span)?;
            lines.extend(found);
            more = is_cut && span.oldest;
        }
    }
    Ok(Answer::History { lines, more })
}

/// The lines of a span, the oldest first; and whether some are left out that lie farther from where
/// it is counted from.
fn lines_of_span(
    connection: &Connection,
    room: i64,
    span: &Span,
) -> rusqlite::Result<(Vec<Said>, bool)> {
    let (first, since) = match span.after {
        None => (-1, -1),
        Some(Place::Id(id)) => (int(id), -1),
        Some(Place::Time(at)) => (first_since(connection, at / 1000)?.saturating_sub(1), int(at)),
    };
    let (end, until) = match span.before {
        None => (i64::MAX, i64::MAX),
        Some(Place::Id(id)) => (int(id), i64::MAX),
        Some(Place::Time(at)) => (first_after(connection, at / 1000 + 1)?, int(at)),
    };
    let order = if span.oldest { "ASC" } else { "DESC" };
    let sql = format!(
        "SELECT {SAID} FROM line CROSS JOIN author ON author.id = line.author \
         WHERE line.room = ?1 AND line.id > ?2 AND line.id < ?3 \
         AND line.at * 1000 + line.millis > ?4 AND line.at * 1000 + line.millis < ?5 \
         ORDER BY line.id {order} LIMIT ?6"
    );
    let limit = int(span.count as u64);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((room, first, end, since, until, limit), said)?;
    let (mut lines, mut is_cut) = (Vec::new(), false);
    let mut bytes = 0;
    for said in rows {
        let said = said?;
        bytes += bytes_of(&said);
        if bytes > HISTORY_BYTES_MAX && !lines.is_empty() {
            is_cut = true;
            break;
        }
        lines.push(said);
    }
    if !span.oldest {
        lines.reverse();
    }
    Ok((lines, is_cut))
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
    let excluded = private_rooms(connection, query.allowed())?;
    let (before, after) = (query.before(), query.after());
    let id = before.map_or(Ok(i64::MAX), |time| first_after(connection, time))?;
    let id = before_id.map_or(id, |before| id.min(int(before)));
    let first = after.map_or(Ok(0), |time| first_since(connection, time))?;
    let (before, after) = (before.map_or(i64::MAX, int), after.map_or(0, int));
    let sql = if words.is_empty() {
        format!(
            "SELECT {SAID}, room.name, room.id FROM line \
             CROSS JOIN author ON author.id = line.author CROSS JOIN room ON room.id = line.room \
             WHERE ?1 = '' AND line.id < ?2 AND line.id >= ?3 AND line.at < ?4 AND line.at >= ?5 \
             ORDER BY line.id DESC"
        )
    } else {
        format!(
            "SELECT {SAID}, room.name, room.id FROM word \
             CROSS JOIN line ON line.id = word.rowid \
             CROSS JOIN author ON author.id = line.author CROSS JOIN room ON room.id = line.room \
             WHERE word MATCH ?1 AND word.rowid < ?2 AND word.rowid >= ?3 \
             AND line.at < ?4 AND line.at >= ?5 ORDER BY word.rowid DESC"
        )
    };
    // The index leaves out some, which is faster; all are left out below.
    let some = &excluded[..excluded.len().min(INDEX_ROOMS_MAX)];
    let question = if words.is_empty() { String::new() } else { words.question(some) };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((question, id, first, before, after))?;
    let mut hits = Vec::new();
    while let Some(row) = rows.next()? {
        if excluded.binary_search(&row.get(9)?).is_ok() || !words.are_in(row.get_ref(3)?.as_str()?)
        {
            continue;
        }
        if hits.len() == HITS_MAX {
            return Ok(Answer::Found { hits, more: true });
        }
        hits.push(Hit { room: row.get(8)?, said: said(row)? });
    }
    Ok(Answer::Found { hits, more: false })
}

/// The rooms of which not everybody may know what is said there, but for these. In order.
fn private_rooms(connection: &Connection, allowed: &[String]) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT id FROM room WHERE flags IS NOT NULL \
               AND (flags GLOB ?1 OR keyword IS NOT NULL) ORDER BY id";
    let letters = format!("*[{}{}]*", Flag::Secret.letter(), Flag::Invite.letter());
    let mut statement = connection.prepare_cached(sql)?;
    let rooms = statement.query_map([letters], |row| row.get(0))?;
    let mut rooms = rooms.collect::<rusqlite::Result<Vec<i64>>>()?;
    for room in allowed {
        let allowed = room_of(connection, room)?;
        rooms.retain(|room| Some(*room) != allowed);
    }
    Ok(rooms)
}

/// The last acts of operators, the newest first.
fn acts(connection: &Connection, count: usize) -> rusqlite::Result<Answer> {
    let sql = "SELECT at, event, actor, whom, room, why, until FROM act ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let acts = statement.query_map([int((count as u64).min(ACTS_MAX))], |row| {
        Ok(Act {
            at: number(row.get(0)?),
            event: row.get(1)?,
            by: row.get(2)?,
            whom: row.get(3)?,
            room: row.get(4)?,
            why: row.get(5)?,
            until: row.get::<_, Option<i64>>(6)?.map(number),
        })
    })?;
    Ok(Answer::Acts(acts.collect::<rusqlite::Result<_>>()?))
}

/// What is set for a room, if anything ever was.
fn rights(connection: &Connection, room: i64) -> rusqlite::Result<Option<Rights>> {
    let sql = "SELECT flags, keyword, places FROM room WHERE id = ?1 AND flags IS NOT NULL";
    let read = |row: &Row<'_>| {
        let mut rights = Rights::default();
        rights.set_letters(&row.get::<_, String>(0)?);
        rights.key = row.get::<_, Option<String>>(1)?.map(String::into_boxed_str);
        rights.limit = row.get(2)?;
        Ok(rights)
    };
    let found = connection.prepare_cached(sql)?.query_row([room], read).optional()?;
    let Some(mut rights) = found else { return Ok(None) };
    let sql = "SELECT account.name, rank.rank FROM rank CROSS JOIN account \
               ON account.id = rank.account WHERE rank.room = ?1 ORDER BY rank.place";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([room])?;
    while let Some(row) = rows.next()? {
        let name = Nickname::unchecked(&row.get::<_, String>(0)?);
        let letter = row.get::<_, String>(1)?;
        let rank = letter.chars().next().and_then(Rank::of_letter);
        rights.accounts.extend(rank.map(|rank| (name, rank)));
    }
    Ok(Some(rights))
}

/// The sanctions that hold; those that are over are deleted.
fn sanctions(connection: &Connection, now: u64) -> rusqlite::Result<Vec<Sanction>> {
    run(connection, "DELETE FROM sanction WHERE until <= ?1", [int(now)])?;
    let sql =
        "SELECT id, kind, room, target, actor, why, at, until, whom FROM sanction ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(())?;
    let mut sanctions = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, word, target) = (number(row.get(0)?), row.get_ref(1)?, row.get_ref(3)?);
        let word = word.as_str()?;
        let mut kinds = [SanctionKind::Ban, SanctionKind::Mute].into_iter();
        let (Some(kind), Some(target)) =
            (kinds.find(|kind| kind.word() == word), Target::parse(target.as_str()?))
        else {
            log::warn!("the archive has a sanction that nobody understands (number {id})");
            continue;
        };
        let (room, by, why) = (row.get(2)?, row.get(4)?, row.get(5)?);
        let (at, until) = (number(row.get(6)?), row.get::<_, Option<i64>>(7)?.map(number));
        let whom = row.get(8)?;
        sanctions.push(Sanction { id, kind, room, target, whom, by, why, at, until });
    }
    Ok(sanctions)
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
    // Rooms that belong to somebody are told in any case, and first.
    let sql = "SELECT id, name, topic, topic_by, topic_at FROM room ORDER BY flags IS NULL, \
               max(last, coalesce(topic_id, 0), coalesce(rights_id, 0)) DESC, id DESC \
               LIMIT max(?1, (SELECT count(*) FROM room WHERE flags IS NOT NULL))";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([int(settings.rooms_max as u64)])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let rights = rights(connection, id)?;
        let Some(since) = rules.of(&name).since(now) else {
            rooms.extend(rights.map(|it| KeptRoom { name, rights: Some(it), ..<_>::default() }));
            continue;
        };
        let topic = row.get::<_, Option<String>>(2)?.map(|text| {
            Ok::<_, rusqlite::Error>(KeptTopic { text, by: row.get(3)?, at: number(row.get(4)?) })
        });
        let (topic, range) = (topic.transpose()?, (i64::MAX, i64::MAX, int(since)));
        let (lines, older) = last_lines(connection, id, range, settings.history_lines_max)?;
        if topic.is_some() || !lines.is_empty() || older.is_some() || rights.is_some() {
            let forgotten = older.unwrap_or_default();
            rooms.push(KeptRoom { name, topic, lines, forgotten, rights });
        }
    }
    let accounts = accounts::list(connection)?.into_iter().map(|account| account.name).collect();
    Ok(Kept { last_id, rooms, sanctions: sanctions(connection, now)?, accounts })
}

//! What is written into the tables: lines and topics, with their rooms, names, authors and entries
//! of the index; rights of rooms, sanctions and acts. Everything here is part of a transaction of
//! somebody else.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Params};

use super::queue::Rules;
use super::words::index_entry;
use super::{Act, Record};
use crate::config::Keep;
use crate::event::Said;
use crate::nickname::{Keys, Nickname};
use crate::rights::Rights;
use crate::sanction::Sanction;

/// Seconds of an hour, by which lines are found by their time.
pub(super) const HOUR: u64 = 60 * 60;

/// Acts of operators that are kept; of more the oldest go.
pub(super) const ACTS_MAX: u64 = 10_000;

/// Rooms and authors that are remembered by their numbers.
const REMEMBERED_MAX: usize = 4096;

/// A number as the database has it. All of ours are far below the limit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// … and back.
pub(super) fn number(int: i64) -> u64 {
    u64::try_from(int).unwrap_or_default()
}

/// The number of the first row that a question gives.
pub(super) fn find(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Option<i64>> {
    let found = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?;
    Ok(found)
}

/// Does one thing.
pub(super) fn run(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// The room of that name in any spelling.
pub(super) fn room_of(connection: &Connection, room: &str) -> rusqlite::Result<Option<i64>> {
    let Some(keys) = Keys::sought(room) else { return Ok(None) };
    let sql = "SELECT id FROM room WHERE key IN (?1, ?2) OR key2 IN (?1, ?2)";
    find(connection, sql, both(&keys))
}

/// All names that are the same as that one.
pub(super) fn names_of(connection: &Connection, name: &str) -> rusqlite::Result<Vec<i64>> {
    let Some(keys) = Keys::sought(name) else { return Ok(Vec::new()) };
    let sql = "SELECT id FROM name WHERE key IN (?1, ?2) OR key2 IN (?1, ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(both(&keys), |row| row.get(0))?.collect()
}

/// Both keys; the first twice if there is one.
pub(super) fn both(keys: &Keys) -> [&str; 2] {
    [&keys.first, keys.second.as_ref().unwrap_or(&keys.first)]
}

/// Writes records. It remembers the numbers of rooms and authors; [`forget_numbers`] when somebody
/// else has written, or when what it wrote is taken back.
///
/// [`forget_numbers`]: Tables::forget_numbers
#[derive(Debug, Default)]
pub(super) struct Tables {
    rooms: HashMap<String, i64>,
    /// By the entry by which they came.
    authors: HashMap<u64, Vec<Author>>,
    authors_count: usize,
    entry: String,
}

#[derive(Debug)]
struct Author {
    shown: String,
    account: Option<String>,
    mask: String,
    id: i64,
    name: i64,
}

/// What a batch adds up to.
#[derive(Default)]
struct Sums {
    last_id: u64,
    /// Lines, and the number of the last one.
    rooms: HashMap<i64, (u64, u64)>,
    authors: HashMap<i64, u64>,
    /// The first and the last number.
    hours: BTreeMap<u64, (u64, u64)>,
}

impl Tables {
    pub(super) fn forget_numbers(&mut self) {
        self.rooms.clear();
        self.authors.clear();
        self.authors_count = 0;
    }

    /// Writes what is to be kept of these; returns how many lines are new.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        records: &[Record],
        rules: &Rules,
    ) -> rusqlite::Result<u64> {
        let mut sums = Sums::default();
        let mut lines = 0;
        let mut has_acts = false;
        for record in records {
            match record {
                Record::Said { said: Said { id, .. }, room, .. }
                | Record::Topic { id, room, .. } => {
                    sums.last_id = sums.last_id.max(*id);
                    if rules.of(room) != Keep::Days(0) {
                        let room = self.room(connection, room)?;
                        lines += u64::from(self.write_one(connection, record, room, &mut sums)?);
                    }
                }
                Record::Rights { room, rights } => {
                    let room = self.room(connection, room)?;
                    set_rights(connection, room, rights, sums.last_id)?;
                }
                Record::Sanction(sanction) => {
                    sums.last_id = sums.last_id.max(sanction.id);
                    set_sanction(connection, sanction)?;
                }
                Record::Lifted(id) => {
                    run(connection, "DELETE FROM sanction WHERE id = ?1", [int(*id)])?;
                }
                Record::Act(act) => {
                    write_act(connection, act)?;
                    has_acts = true;
                }
            }
        }
        if has_acts {
            let sql = "DELETE FROM act WHERE id <= (SELECT max(id) FROM act) - ?1";
            run(connection, sql, [int(ACTS_MAX)])?;
        }
        sums.write(connection)?;
        Ok(lines)
    }

    /// Whether it is a line, and is new.
    fn write_one(
        &mut self,
        connection: &Connection,
        record: &Record,
        room: i64,
        sums: &mut Sums,
    ) -> rusqlite::Result<bool> {
        match record {
            Record::Topic { id, at, from, text, .. } => {
                let none: &dyn ToSql = &None::<String>;
                let has_topic = !text.is_empty();
                let or_none = |it| if has_topic { it } else { none };
                let (id, at) = (int(*id), int(*at));
                let sql = "UPDATE room SET topic = ?2, topic_by = ?3, topic_id = ?4, topic_at = ?5 \
                           WHERE id = ?1 AND coalesce(topic_id, 0) <= ?4";
                run(connection, sql, (room, or_none(text), or_none(from), id, at))?;
                Ok(false)
            }
            Record::Said { said, author, account, .. } => {
                let who = (&*said.from, account.as_deref(), &*said.mask);
                let (author, name) = self.author(connection, *author, who)?;
                let Said { unix_seconds: at, millis, text, emote, notice, .. } = said;
                let (id, sql) = (
                    int(said.id),
                    "INSERT OR IGNORE INTO line VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                );
                let params = (id, room, author, int(*at), emote, text, notice, millis);
                if run(connection, sql, params)? == 0 {
                    return Ok(false);
                }
                index_entry(text, room, name, &mut self.entry);
                let sql = "INSERT INTO word (rowid, entry) VALUES (?1, ?2)";
                run(connection, sql, (id, &self.entry))?;
                sums.add(said.id, *at, room, author);
                Ok(true)
            }
            // The others are in no room's lines.
            _ => Ok(false),
        }
    }

    fn room(&mut self, connection: &Connection, room: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.rooms.get(room) {
            return Ok(*id);
        }
        let id = match room_of(connection, room)? {
            Some(id) => id,
            None => {
                let keys = Nickname::unchecked(room).keys();
                let sql = "INSERT INTO room (key, key2, name) VALUES (?1, ?2, ?3)";
                run(connection, sql, (&*keys.first, keys.second.as_deref(), room))?;
                connection.last_insert_rowid()
            }
        };
        if self.rooms.len() >= REMEMBERED_MAX {
            self.rooms.clear();
        }
        self.rooms.insert(room.to_owned(), id);
        Ok(id)
    }

    /// The numbers of an author and its name.
    fn author(
        &mut self,
        connection: &Connection,
        came: u64,
        (shown, account, mask): (&str, Option<&str>, &str),
    ) -> rusqlite::Result<(i64, i64)> {
        let is_it =
            |it: &&Author| it.shown == shown && it.account.as_deref() == account && it.mask == mask;
        if let Some(author) = self.authors.get(&came).and_then(|all| all.iter().find(is_it)) {
            return Ok((author.id, author.name));
        }
        let sql = "SELECT id, name FROM author \
                   WHERE came = ?1 AND shown = ?2 AND account IS ?3 AND mask = ?4";
        let params = (int(came), shown, account, mask);
        let found = connection
            .prepare_cached(sql)?
            .query_row(params, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (id, name) = match found {
            Some(found) => found,
            None => {
                let name = name(connection, shown)?;
                let sql = "INSERT INTO author (name, came, shown, account, mask) \
                           VALUES (?1, ?2, ?3, ?4, ?5)";
                run(connection, sql, (name, int(came), shown, account, mask))?;
                (connection.last_insert_rowid(), name)
            }
        };
        if self.authors_count >= REMEMBERED_MAX {
            self.authors.clear();
            self.authors_count = 0;
        }
        let (shown, account) = (shown.to_owned(), account.map(str::to_owned));
        let author = Author { shown, account, mask: mask.to_owned(), id, name };
        self.authors.entry(came).or_default().push(author);
        self.authors_count += 1;
        Ok((id, name))
    }
}

/// Sets all that is set for a room. `last_id` is the highest number of the batch so far.
fn set_rights(
    connection: &Connection,
    room: i64,
    rights: &Rights,
    last_id: u64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE room SET flags = ?2, keyword = ?3, places = ?4, \
               rights_id = max(?5, (SELECT last_id FROM state)) WHERE id = ?1";
    let (flags, key, limit) = (rights.letters(), rights.key.as_deref(), rights.limit);
    run(connection, sql, (room, flags, key, limit, int(last_id)))?;
    run(connection, "DELETE FROM rank WHERE room = ?1", [room])?;
    for (place, (name, rank)) in rights.accounts.iter().enumerate() {
        // Who is no account any more has no rank either.
        let Some(account) = account_of(connection, name)? else { continue };
        let sql = "INSERT OR IGNORE INTO rank VALUES (?1, ?2, ?3, ?4)";
        run(connection, sql, (room, account, int(place as u64), rank.letter().to_string()))?;
    }
    Ok(())
}

/// Writes a sanction in place of what there is for the same target. Others that are over by then
/// go.
fn set_sanction(connection: &Connection, sanction: &Sanction) -> rusqlite::Result<()> {
    let Sanction { id, kind, room, target, whom, by, why, at, until } = sanction;
    let (target, until) = (target.to_string(), until.map(int));
    let sql = "DELETE FROM sanction WHERE until <= ?1 \
               OR kind = ?2 AND room IS ?3 AND target = ?4";
    run(connection, sql, (int(*at), kind.word(), room, &target))?;
    let sql = "INSERT OR REPLACE INTO sanction VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let params = (int(*id), kind.word(), room, target, whom, by, why, int(*at), until);
    run(connection, sql, params).map(drop)
}

fn write_act(connection: &Connection, act: &Act) -> rusqlite::Result<()> {
    let Act { at, event, by, whom, room, why, until } = act;
    let sql = "INSERT INTO act (at, event, actor, whom, room, why, until) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    run(connection, sql, (int(*at), event, by, whom, room, why, until.map(int))).map(drop)
}

/// The account of that name in any spelling.
pub(super) fn account_of(
    connection: &Connection,
    name: &Nickname,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM account WHERE key IN (?1, ?2) OR key2 IN (?1, ?2)";
    find(connection, sql, both(&name.keys()))
}

/// The number of a name, which is given one if it has none.
fn name(connection: &Connection, shown: &str) -> rusqlite::Result<i64> {
    let keys = Nickname::unchecked(shown).keys();
    let params = (&*keys.first, keys.second.as_deref());
    let sql = "SELECT id FROM name WHERE key = ?1 AND key2 IS ?2";
    if let Some(id) = find(connection, sql, params)? {
        return Ok(id);
    }
    run(connection, "INSERT INTO name (key, key2) VALUES (?1, ?2)", params)?;
    Ok(connection.last_insert_rowid())
}

impl Sums {
    fn add(&mut self, id: u64, at: u64, room: i64, author: i64) {
        let room = self.rooms.entry(room).or_default();
        *room = (room.0 + 1, room.1.max(id));
        *self.authors.entry(author).or_default() += 1;
        let hour = self.hours.entry(at / HOUR).or_insert((id, id));
        *hour = (hour.0.min(id), hour.1.max(id));
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE state SET last_id = max(last_id, ?1)";
        run(connection, sql, [int(self.last_id)])?;
        for (room, (lines, last)) in &self.rooms {
            let sql = "UPDATE room SET lines = lines + ?2, last = max(last, ?3) WHERE id = ?1";
            run(connection, sql, (room, int(*lines), int(*last)))?;
        }
        for (author, lines) in &self.authors {
            let sql = "UPDATE author SET lines = lines + ?2 WHERE id = ?1";
            run(connection, sql, (author, int(*lines)))?;
        }
        for (hour, (first, last)) in &self.hours {
            let sql = "INSERT INTO hour VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
                       SET first = min(first, excluded.first), last = max(last, excluded.last)";
            run(connection, sql, (int(*hour), int(*first), int(*last)))?;
        }
        Ok(())
    }
}

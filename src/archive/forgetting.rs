//! What is deleted: lines that are too old, and what somebody asks to be forgotten. It is done in
//! steps that take some milliseconds each, between which lines can be written. The index forgets a
//! line at once, but its words leave the file only when parts of the index are merged; at last,
//! what is free in the file is given back to the disk.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Answer;
use super::queue::Rules;
use super::tables::{HOUR, find, int, names_of, number, room_of, run};
use crate::config::Keep;
use crate::nickname::Nickname;

/// Lines that are deleted at once.
const CHUNK_LINES: i64 = 256;

/// Pages of the index that are merged at once.
const MERGE_PAGES: i64 = 256;

/// Free pages that are given back to the disk at once.
const VACUUM_PAGES: i64 = 256;

/// If more than this part of all lines is deleted, the whole index is merged.
const MERGED_PART: u64 = 10;

/// How long the end of somebody's reading is waited for, to empty the log of changes.
const CHECKPOINT: Duration = Duration::from_millis(100);

/// How much is done, and what comes next.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    jobs: VecDeque<Job>,
    answers: VecDeque<(u64, Answer)>,
    phase: Phase,
    /// In which hour, and by which rules, all was deleted that was too old.
    finished: Option<(u64, Rules)>,
    /// Up to which hour that is so, by room; `None` for all that have no rule of their own.
    done: HashMap<Option<i64>, i64>,
    /// Lines that were deleted since the index was merged.
    deleted: u64,
    /// The index is to be merged, whatever it costs.
    must_merge: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Nothing,
    Deleting(Vec<Target>),
    Merging {
        is_begun: bool,
    },
    Vacuuming,
}

/// Lines of which those before an hour are deleted.
#[derive(Debug)]
struct Target {
    room: Option<i64>,
    /// For no room in particular: all but these.
    but: Vec<i64>,
    until: i64,
    /// The number of the last line that was looked at in this hour.
    at: i64,
}

#[derive(Debug)]
struct Job {
    ticket: Option<u64>,
    wanted: Wanted,
    at: i64,
    deleted: u64,
}

/// What is to be forgotten.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Which lines, as a question that gives their numbers after ?1.
    sql: Option<String>,
    topics: Topics,
}

#[derive(Debug)]
enum Topics {
    /// Of somebody who was called so since that number.
    Of(Vec<(String, u64)>),
    /// Of before that time.
    Before(u64),
}

impl Wanted {
    /// All of those who came by an entry, or with an account.
    pub(super) fn author(
        connection: &Connection,
        came: Option<u64>,
        account: Option<&str>,
    ) -> rusqlite::Result<Wanted> {
        let sql = "SELECT id, name, shown, came FROM author WHERE came = ?1 \
                   UNION SELECT id, name, shown, came FROM author WHERE account = ?2";
        Wanted::authors(connection, sql, (came.map(int), account))
    }

    /// All that was said under a name, in any spelling.
    pub(super) fn name(connection: &Connection, name: &str) -> rusqlite::Result<Wanted> {
        let names = list(&names_of(connection, name)?);
        let sql = format!("SELECT id, name, shown, 0 FROM author WHERE name IN ({names})");
        let mut wanted = Wanted::authors(connection, &sql, ())?;
        wanted.topics = Topics::Of(vec![(name.to_owned(), 0)]);
        Ok(wanted)
    }

    /// All that was said before a time.
    pub(super) fn before(connection: &Connection, time: u64) -> rusqlite::Result<Wanted> {
        let last = "SELECT max(last) FROM hour WHERE hour <= ?1";
        let last: Option<i64> = connection.query_row(last, [int(time / HOUR)], |row| row.get(0))?;
        let last = last.unwrap_or_default();
        let sql = format!(
            "SELECT id FROM line WHERE id > ?1 AND id <= {last} AND at < {} ORDER BY id \
             LIMIT {CHUNK_LINES}",
            int(time)
        );
        Ok(Wanted { sql: Some(sql), topics: Topics::Before(time) })
    }

    fn authors(
        connection: &Connection,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> rusqlite::Result<Wanted> {
        let (mut ids, mut names, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            ids.push(row.get(0)?);
            names.push(row.get::<_, i64>(1)?);
            topics.push((row.get(2)?, number(row.get(3)?)));
        }
        names.sort_unstable();
        names.dedup();
        let terms: Vec<_> = names.iter().map(|name| format!("\"¤{name}\"")).collect();
        let sql = (!ids.is_empty()).then(|| {
            format!(
                "SELECT line.id FROM word CROSS JOIN line ON line.id = word.rowid \
                 WHERE word MATCH '{}' AND word.rowid > ?1 AND line.author IN ({}) \
                 ORDER BY word.rowid LIMIT {CHUNK_LINES}",
                terms.join(" OR "),
                list(&ids)
            )
        });
        Ok(Wanted { sql, topics: Topics::Of(topics) })
    }
}

impl Forgetting {
    /// There is something to do.
    pub(super) fn has_work(&self) -> bool {
        self.is_asked() || !matches!(self.phase, Phase::Nothing)
    }

    /// There is something to do for which somebody waits.
    pub(super) fn is_asked(&self) -> bool {
        !self.jobs.is_empty()
    }

    pub(super) fn ask(&mut self, ticket: u64, wanted: Wanted) {
        self.jobs.push_back(Job { ticket: Some(ticket), wanted, at: -1, deleted: 0 });
    }

    pub(super) fn poll_answer(&mut self) -> Option<(u64, Answer)> {
        self.answers.pop_front()
    }

    /// Forgets something to the end, with nobody to wait for the answer. Returns how many lines
    /// are deleted.
    pub(super) fn run(connection: &mut Connection, wanted: Wanted) -> rusqlite::Result<u64> {
        let mut forgetting = Forgetting { must_merge: true, ..Forgetting::default() };
        let mut job = Job { ticket: None, wanted, at: -1, deleted: 0 };
        while !job.step(connection)? {}
        forgetting.phase = Phase::Merging { is_begun: false };
        while forgetting.has_work() {
            forgetting.step(connection, 0, &Rules::default())?;
        }
        Ok(job.deleted)
    }

    /// After an error: tries it again in an hour.
    pub(super) fn give_up(&mut self, now: u64) {
        for ticket in self.jobs.drain(..).filter_map(|job| job.ticket) {
            self.answers.push_back((ticket, Answer::Failed));
        }
        self.phase = Phase::Nothing;
        let rules = self.finished.take().map(|(_, rules)| rules);
        self.finished = Some((now / HOUR, rules.unwrap_or_default()));
    }

    /// Does a little. Returns how many lines are deleted.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        now: u64,
        rules: &Rules,
    ) -> rusqlite::Result<u64> {
        if let Some(job) = self.jobs.front_mut() {
            let before = job.deleted;
            let is_done = job.step(connection)?;
            let deleted = job.deleted - before;
            if is_done {
                let (ticket, lines) = (job.ticket, job.deleted);
                self.jobs.pop_front();
                let answer = ticket.map(|ticket| (ticket, Answer::Forgotten { lines }));
                self.answers.extend(answer);
                self.must_merge |= lines > 0;
                if matches!(self.phase, Phase::Nothing) && self.must_merge {
                    self.phase = Phase::Merging { is_begun: false };
                }
            }
            return Ok(deleted);
        }
        match &mut self.phase {
            Phase::Nothing => self.begin(connection, now, rules)?,
            Phase::Deleting(_) => return self.delete(connection, now, rules),
            Phase::Merging { is_begun } => {
                let is_first = !mem::replace(is_begun, true);
                if !merge(connection, is_first)? {
                    (self.deleted, self.must_merge) = (0, false);
                    self.phase = Phase::Vacuuming;
                }
            }
            Phase::Vacuuming => {
                if !vacuum(connection)? {
                    self.phase = Phase::Nothing;
                }
            }
        }
        Ok(0)
    }

    /// Looks whether it is time to look for old lines.
    fn begin(&mut self, connection: &Connection, now: u64, rules: &Rules) -> rusqlite::Result<()> {
        let is_as = |(hour, before): &(u64, Rules)| *hour == now / HOUR && before == rules;
        if self.finished.as_ref().is_some_and(is_as) {
            return Ok(());
        }
        if self.finished.as_ref().is_none_or(|(_, before)| before != rules) {
            self.done.clear();
        }
        let until = |keep: Keep| keep.since(now).map_or(i64::MAX, |since| int(since / HOUR));
        let mut targets = Vec::new();
        for (room, keep) in &rules.rooms {
            if let Some(room) = room_of(connection, room.as_str())? {
                let until = until(*keep);
                targets.push(Target { room: Some(room), but: Vec::new(), until, at: -1 });
            }
        }
        let but = targets.iter().filter_map(|target| target.room).collect();
        targets.push(Target { room: None, but, until: until(rules.keep), at: -1 });
        self.phase = Phase::Deleting(targets);
        Ok(())
    }

    fn delete(
        &mut self,
        connection: &mut Connection,
        now: u64,
        rules: &Rules,
    ) -> rusqlite::Result<u64> {
        let Phase::Deleting(targets) = &mut self.phase else { return Ok(0) };
        let Some(target) = targets.last_mut() else {
            forget_topics(connection, now, rules)?;
            self.finished = Some((now / HOUR, rules.clone()));
            let all = find(connection, "SELECT total(lines) FROM room", ());
            let all = all.ok().flatten().map_or(0, number);
            self.must_merge |= self.deleted > 0 && self.deleted >= all / MERGED_PART;
            self.phase = match (self.must_merge, self.deleted) {
                (true, _) => Phase::Merging { is_begun: false },
                (false, 0) => Phase::Nothing,
                (false, _) => Phase::Vacuuming,
            };
            return Ok(0);
        };
        let done = self.done.entry(target.room).or_default();
        let sql = "SELECT hour, first, last FROM hour WHERE hour >= ?1 AND hour < ?2 \
                   ORDER BY hour LIMIT 1";
        let hour = connection
            .prepare_cached(sql)?
            .query_map((*done, target.until), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .next();
        let Some(hour) = hour.transpose()? else {
            // With 0 days all hours are done, but others will come.
            *done = target.until.min(int(now / HOUR));
            targets.pop();
            return Ok(0);
        };
        let deleted = target.delete(connection, hour)?;
        if (deleted as i64) < CHUNK_LINES {
            *done = hour.0 + 1;
            target.at = -1;
        }
        self.deleted += deleted;
        Ok(deleted)
    }
}

impl Target {
    /// Deletes some lines of an hour (its number, and the first and last of its lines).
    fn delete(
        &mut self,
        connection: &mut Connection,
        (hour, first, last): (i64, i64, i64),
    ) -> rusqlite::Result<u64> {
        let transaction = immediate(connection)?;
        let of_room = match self.room {
            Some(room) => format!("room = {room}"),
            None => format!("room NOT IN ({})", list(&self.but)),
        };
        let sql = format!(
            "SELECT id FROM line WHERE {of_room} AND id > ?1 AND id BETWEEN ?2 AND ?3 \
             AND at / {HOUR} = ?4 ORDER BY id LIMIT {CHUNK_LINES}"
        );
        let ids = ids(&transaction, &sql, (self.at, first, last, hour))?;
        delete_lines(&transaction, &ids)?;
        if let Some(last) = ids.last() {
            self.at = *last;
        }
        let sql = format!(
            "DELETE FROM hour WHERE hour = ?1 AND NOT EXISTS (SELECT 1 FROM line \
             WHERE id BETWEEN first AND last AND at / {HOUR} = hour)"
        );
        run(&transaction, &sql, [hour])?;
        transaction.commit()?;
        Ok(ids.len() as u64)
    }
}

impl Job {
    /// Deletes some lines; `true` if there are no more.
    fn step(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let transaction = immediate(connection)?;
        let found = match &self.wanted.sql {
            Some(sql) => ids(&transaction, sql, [self.at])?,
            None => Vec::new(),
        };
        delete_lines(&transaction, &found)?;
        let is_done = (found.len() as i64) < CHUNK_LINES;
        if is_done {
            self.wanted.topics.clear(&transaction)?;
        }
        transaction.commit()?;
        self.deleted += found.len() as u64;
        self.at = found.last().copied().unwrap_or(self.at);
        Ok(is_done)
    }
}

impl Topics {
    fn clear(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT id, topic_by, topic_id, topic_at FROM room WHERE topic IS NOT NULL";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(())?;
        let mut rooms = Vec::new();
        while let Some(row) = rows.next()? {
            let by = Nickname::unchecked(&row.get::<_, String>(1)?);
            let (id, at) = (number(row.get(2)?), number(row.get(3)?));
            let is_meant = match self {
                Topics::Of(people) => people
                    .iter()
                    .any(|(name, since)| *since <= id && Nickname::unchecked(name).same_as(&by)),
                Topics::Before(time) => at < *time,
            };
            if is_meant {
                rooms.push(row.get(0)?);
            }
        }
        rooms.into_iter().try_for_each(|room| clear_topic(connection, room))
    }
}

fn clear_topic(connection: &Connection, room: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE room SET topic = NULL, topic_by = NULL, topic_id = NULL, topic_at = NULL \
               WHERE id = ?1";
    run(connection, sql, [room])?;
    // What is set for a room is not what was said there.
    let sql = "DELETE FROM room WHERE id = ?1 AND lines <= 0 AND flags IS NULL";
    run(connection, sql, [room]).map(drop)
}

/// Forgets old topics of rooms in which nothing else is kept.
fn forget_topics(connection: &mut Connection, now: u64, rules: &Rules) -> rusqlite::Result<()> {
    let transaction = immediate(connection)?;
    let rooms: Vec<(i64, String, Option<i64>)> = transaction
        .prepare(
            "SELECT id, name, topic_at FROM room \
             WHERE lines <= 0 AND (topic IS NOT NULL OR flags IS NULL)",
        )?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (room, name, at) in rooms {
        let since = rules.of(&name).since(now);
        if since.is_none_or(|since| at.is_none_or(|at| number(at) < since)) {
            clear_topic(&transaction, room)?;
        }
    }
    transaction.commit()
}

fn delete_lines(connection: &Connection, lines: &[i64]) -> rusqlite::Result<()> {
    let (mut rooms, mut authors) = (HashMap::<i64, i64>::new(), HashMap::<i64, i64>::new());
    for id in lines {
        let sql = "DELETE FROM line WHERE id = ?1 RETURNING room, author";
        let mut statement = connection.prepare_cached(sql)?;
        let (room, author) = statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        run(connection, "DELETE FROM word WHERE rowid = ?1", [id])?;
        *rooms.entry(room).or_default() += 1;
        *authors.entry(author).or_default() += 1;
    }
    for (room, count) in rooms {
        run(connection, "UPDATE room SET lines = lines - ?2 WHERE id = ?1", (room, count))?;
        let sql = "DELETE FROM room \
                   WHERE id = ?1 AND lines <= 0 AND topic IS NULL AND flags IS NULL";
        run(connection, sql, [room])?;
    }
    for (author, count) in authors {
        run(connection, "UPDATE author SET lines = lines - ?2 WHERE id = ?1", (author, count))?;
        let sql = "DELETE FROM author WHERE id = ?1 AND lines <= 0 RETURNING name";
        if let Some(name) = find(connection, sql, [author])? {
            let sql = "DELETE FROM name WHERE id = ?1 \
                       AND NOT EXISTS (SELECT 1 FROM author WHERE name = ?1)";
            run(connection, sql, [name])?;
        }
    }
    Ok(())
}

/// Merges a part of the index; `false` if there is nothing left to merge.
fn merge(connection: &Connection, is_first: bool) -> rusqlite::Result<bool> {
    let changes = || connection.query_row("SELECT total_changes()", (), |row| row.get(0));
    let before: i64 = changes()?;
    let pages = if is_first { -MERGE_PAGES } else { MERGE_PAGES };
    run(connection, "INSERT INTO word (word, rank) VALUES ('merge', ?1)", [pages])?;
    Ok(is_first || changes()? - before >= 2)
}

/// Gives free pages back to the disk; `false` if there are none left.
fn vacuum(connection: &Connection) -> rusqlite::Result<bool> {
    let free = "PRAGMA freelist_count";
    if connection.query_row(free, (), |row| row.get::<_, i64>(0))? > 0 {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        return Ok(true);
    }
    let patience: i64 = connection.query_row("PRAGMA busy_timeout", (), |row| row.get(0))?;
    connection.busy_timeout(CHECKPOINT)?;
    let checked = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    connection.busy_timeout(Duration::from_millis(patience.unsigned_abs()))?;
    checked.map(|()| false)
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn ids(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect()
}

/// Numbers with commas between.
fn list(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

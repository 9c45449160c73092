//! The file: whether it can be used, its tables, and how each thread opens it.
//!
//! A lock on a second file, with `-lock` behind its name, keeps other servers away; other
//! programs may read the file while the server runs. A number in its head (`user_version`) says
//! of which version its tables are. Older ones are brought forward step by step ([`STEPS`]), and
//! newer ones refused.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{OpenError, Unusable};

/// What marks a file as ours: `chin` in ASCII.
const APPLICATION: i32 = 0x6368_696e;

/// What makes of a file of version N, the place in this list, one of version N + 1. A step that
/// has been released is never changed.
///
/// Some columns: `state.accounts` counts the changes of accounts, so that a server sees those of
/// other programs; `room.flags` are letters, and NULL where nobody has ever set anything;
/// `room.rights_id` is the highest number of all when something was set.
const STEPS: &[&str] = &[
    "
    CREATE TABLE state (last_id INTEGER NOT NULL) STRICT;
    INSERT INTO state VALUES (0);
    CREATE TABLE room (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, key2 TEXT, name TEXT NOT NULL,
        lines INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0,
        topic TEXT, topic_by TEXT, topic_id INTEGER, topic_at INTEGER) STRICT;
    CREATE TABLE name (id INTEGER PRIMARY KEY, key TEXT NOT NULL, key2 TEXT) STRICT;
    CREATE INDEX name_key ON name (key);
    CREATE INDEX name_key2 ON name (key2) WHERE key2 IS NOT NULL;
    CREATE TABLE author (
        id INTEGER PRIMARY KEY, name INTEGER NOT NULL REFERENCES name, came INTEGER NOT NULL,
        shown TEXT NOT NULL, account TEXT, lines INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE INDEX author_name ON author (name);
    CREATE INDEX author_came ON author (came);
    CREATE INDEX author_account ON author (account) WHERE account IS NOT NULL;
    CREATE TABLE line (
        id INTEGER PRIMARY KEY, room INTEGER NOT NULL REFERENCES room,
        author INTEGER NOT NULL REFERENCES author, at INTEGER NOT NULL,
        emote INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
    CREATE INDEX line_room ON line (room);
    CREATE TABLE hour (
        hour INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
    CREATE VIRTUAL TABLE word USING fts5(
        entry, content='', contentless_delete=1, detail=none, tokenize='ascii');
    INSERT INTO word (word, rank) VALUES ('automerge', 8);
",
    "
    ALTER TABLE state ADD COLUMN accounts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE room ADD COLUMN flags TEXT;
    ALTER TABLE room ADD COLUMN keyword TEXT;
    ALTER TABLE room ADD COLUMN places INTEGER;
    ALTER TABLE room ADD COLUMN rights_id INTEGER;
    CREATE INDEX room_flags ON room (flags) WHERE flags IS NOT NULL;
    CREATE TABLE account (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, key2 TEXT, name TEXT NOT NULL,
        hash TEXT NOT NULL, since INTEGER NOT NULL) STRICT;
    CREATE UNIQUE INDEX account_key ON account (key);
    CREATE INDEX account_key2 ON account (key2) WHERE key2 IS NOT NULL;
    CREATE TABLE token (
        hash BLOB PRIMARY KEY, account INTEGER NOT NULL REFERENCES account,
        until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX token_account ON token (account);
    CREATE INDEX token_until ON token (until);
    CREATE TABLE rank (
        room INTEGER NOT NULL REFERENCES room, account INTEGER NOT NULL REFERENCES account,
        place INTEGER NOT NULL, rank TEXT NOT NULL,
        PRIMARY KEY (room, account)) STRICT, WITHOUT ROWID;
    CREATE INDEX rank_account ON rank (account);
    CREATE TABLE sanction (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, room TEXT, target TEXT NOT NULL,
        whom TEXT NOT NULL, actor TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
        until INTEGER) STRICT;
    CREATE TABLE act (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, event TEXT NOT NULL,
        actor TEXT NOT NULL, whom TEXT NOT NULL, room TEXT, why TEXT NOT NULL,
        until INTEGER) STRICT;
",
    "
    ALTER TABLE author ADD COLUMN mask TEXT NOT NULL DEFAULT '';
    ALTER TABLE line ADD COLUMN notice INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE line ADD COLUMN millis INTEGER NOT NULL DEFAULT 0;
",
];

/// Memory for pages of the file, for each thread, in KiB.
const CACHE_KIB: u32 = 2048;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;

/// What the log of changes is cut to when nothing in it is needed, in bytes.
const LOG_BYTES: u32 = 4 << 20;

/// How long one program waits for another one that writes. Each writes for much less.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The bytes of a file's head in which our marks are.
const HEAD_BYTES: usize = 100;

/// Keeps other servers away from a file as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Locks a file that is to be written by nobody else.
pub(super) fn lock(file: &Path) -> Result<Lock, OpenError> {
    is_usable(file, true)?;
    let opened =
        File::options().create(true).truncate(false).write(true).open(beside(file, "-lock"));
    let unusable = |error: &io::Error| OpenError { file: file.to_owned(), why: of_system(error) };
    let opened = opened.map_err(|error| unusable(&error))?;
    match opened.try_lock() {
        Ok(()) => Ok(Lock { _file: opened }),
        Err(TryLockError::WouldBlock) => {
            Err(OpenError { file: file.to_owned(), why: Unusable::Locked })
        }
        Err(TryLockError::Error(error)) => Err(unusable(&error)),
    }
}

/// What stands beside a file, whatever links lead to it.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut name = OsString::from(file);
    name.push(suffix);
    PathBuf::from(name)
}

/// Looks at a file without changing anything: whether it could be used. One that `may_be_made`
/// may be missing.
pub(super) fn is_usable(file: &Path, may_be_made: bool) -> Result<(), OpenError> {
    look(file, may_be_made).map_err(|why| OpenError { file: file.to_owned(), why })
}

fn look(file: &Path, may_be_made: bool) -> Result<(), Unusable> {
    let about = match file.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_made => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let is_there = folder.is_none_or(Path::is_dir);
            return if is_there { Ok(()) } else { Err(Unusable::Missing) };
        }
        Err(error) => return Err(of_system(&error)),
    };
    if !about.is_file() {
        return Err(Unusable::NotAFile);
    }
    let mut head = Vec::new();
    let mut opened = File::open(file).map_err(|error| of_system(&error))?;
    opened.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|e| of_system(&e))?;
    if about.permissions().readonly() {
        return Err(Unusable::ReadOnly);
    }
    match head.first_chunk() {
        // It was to be made, and the machine went down.
        None if head.is_empty() => return Ok(()),
        Some(MAGIC) => {}
        _ => return Err(Unusable::Foreign),
    }
    let number = |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    let (Some(version), Some(application)) = (number(60), number(68)) else {
        return Err(Unusable::Damaged("its head is cut off".to_owned()));
    };
    check_marks(i32::from_be_bytes(application), i32::from_be_bytes(version))?;
    // What is not there yet may be in the log of changes.
    let has_log = beside(file, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    if !has_log && about.len() % PAGE_BYTES != 0 {
        return Err(Unusable::Damaged("its end is cut off".to_owned()));
    }
    Ok(())
}

/// Whether the marks are those of a file that can be used; and its version.
fn check_marks(application: i32, version: i32) -> Result<usize, Unusable> {
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    match (application, version) {
        (APPLICATION, 1..) if version <= known => Ok(version.unsigned_abs() as usize),
        (APPLICATION, 1..) => Err(Unusable::Newer(version, known)),
        _ => Err(Unusable::Foreign),
    }
}

/// Opens a file that is [locked](lock), makes it if there is none, and brings it forward.
pub(super) fn open(file: &Path) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError { file: file.to_owned(), why: why(&error) };
    let mut connection = connect(file, OpenFlags::SQLITE_OPEN_CREATE).map_err(failed)?;
    prepare(&mut connection, STEPS).map_err(|why| OpenError { file: file.to_owned(), why })?;
    Ok(connection)
}

/// Opens a file of ours that is there, as one of several.
pub(super) fn open_beside(file: &Path) -> Result<Connection, OpenError> {
    is_usable(file, false)?;
    let open_error = |why| OpenError { file: file.to_owned(), why };
    let connection = connect(file, OpenFlags::empty()).map_err(|error| open_error(why(&error)))?;
    let marks = marks(&connection).map_err(|error| open_error(why(&error)))?;
    match check_marks(marks.0, marks.1).map_err(open_error)? {
        version if version == STEPS.len() => Ok(connection),
        _ => Err(open_error(Unusable::System(
            "it is of an older version; start the server with it once".to_owned(),
        ))),
    }
}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch(&format!(
        "PRAGMA cache_size = -{CACHE_KIB}; PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST;
         PRAGMA journal_size_limit = {LOG_BYTES}; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;"
    ))?;
    Ok(connection)
}

fn marks(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i32>(0));
    Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?))
}

/// Makes the tables, or brings them forward by these steps; all of it or nothing.
fn prepare(connection: &mut Connection, steps: &[&str]) -> Result<(), Unusable> {
    let failed = |error: rusqlite::Error| why(&error);
    if connection.is_readonly("main").map_err(failed)? {
        return Err(Unusable::ReadOnly);
    }
    let tables = "SELECT count(*) FROM sqlite_schema";
    let is_new = connection.query_row(tables, (), |row| row.get::<_, i64>(0)).map_err(failed)? == 0;
    let marks = marks(connection).map_err(failed)?;
    let version = if is_new && marks == (0, 0) {
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL"
            ))
            .map_err(failed)?;
        0
    } else {
        check_marks(marks.0, marks.1)?
    };
    if version < steps.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(failed)?;
        for step in &steps[version..] {
            transaction.execute_batch(step).map_err(failed)?;
        }
        let marks =
            format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}", steps.len());
        transaction.execute_batch(&marks).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    // Only now: a file that was to be made is never half made, even without its log of changes.
    let mode = "PRAGMA journal_mode = WAL";
    let mode = connection.query_row(mode, (), |row| row.get::<_, String>(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(Unusable::System(format!("its journal stays in mode {mode}")));
    }
    // Says whether it can be written at all.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT").map_err(failed)
}

fn of_system(error: &io::Error) -> Unusable {
    match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        io::ErrorKind::NotADirectory => Unusable::NotAFile,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Unusable::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Unusable::ReadOnly,
        _ => Unusable::System(error.to_string()),
    }
}

/// What an error says of the file.
pub(super) fn why(error: &rusqlite::Error) -> Unusable {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Unusable::Full,
        Some(ErrorCode::NotADatabase) => Unusable::Foreign,
        Some(ErrorCode::DatabaseCorrupt) => Unusable::Damaged(error.to_string()),
        Some(ErrorCode::ReadOnly) => Unusable::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unusable::Locked,
        _ => Unusable::System(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::kept;
    use super::super::{Settings, queue::Rules};
    use super::*;
    use crate::config::Keep;

    #[test]
    fn a_file_of_an_older_version_is_brought_forward_and_loses_nothing() {
        (1..STEPS.len()).for_each(bring_forward);
    }

    fn bring_forward(version: usize) {
        let name = format!("chinwag-{}-step-{version}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("chat.db");
        let mut first = connect(&file, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        prepare(&mut first, &STEPS[..version]).unwrap();
        first
            .execute_batch(
                "UPDATE state SET last_id = 9;
                 INSERT INTO room (id, key, name, lines, last) VALUES (3, 'ops', 'Ops', 1, 7);
                 INSERT INTO room (key, name, topic, topic_by, topic_id, topic_at)
                 VALUES ('lobby', 'lobby', 'tea', 'bob', 9, 90);
                 INSERT INTO name VALUES (4, 'alice', NULL);
                 INSERT INTO author (id, name, came, shown, lines) VALUES (5, 4, 1, 'alice', 1);
                 INSERT INTO line (id, room, author, at, emote, text)
                 VALUES (7, 3, 5, 70, 0, 'hi');
                 INSERT INTO hour VALUES (0, 7, 7);
                 INSERT INTO word (rowid, entry) VALUES (7, '\u{a7}3 \u{a4}4 hi');",
            )
            .unwrap();
        assert_eq!(marks(&first).unwrap(), (APPLICATION, version as i32));
        drop(first);
        let older = open_beside(&file).unwrap_err().to_string();
        assert!(older.contains("it is of an older version"), "{older}");
        let tables = |connection: &Connection| {
            let sql = "SELECT group_concat(sql, ';') FROM sqlite_schema";
            connection.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap()
        };
        let new = tables(&open(&folder.join("new.db")).unwrap());
        for _ in 0..2 {
            let now = open(&file).unwrap();
            assert_eq!(marks(&now).unwrap(), (APPLICATION, STEPS.len() as i32));
            assert_eq!(tables(&now), new, "it has become as a new one is");
            let (keep, keep_rooms) = (Keep::Forever, Vec::new());
            let settings = Settings {
                file: file.clone(),
                keep,
                keep_rooms,
                rooms_max: 9,
                history_lines_max: 9,
            };
            let kept = kept(&now, &settings, &Rules { keep, rooms: Vec::new() }, 100).unwrap();
            assert_eq!(kept.last_id, 9);
            let [lobby, ops] = &*kept.rooms else { panic!("{:?}", kept.rooms) };
            assert_eq!(lobby.topic.as_ref().map(|topic| &*topic.text), Some("tea"));
            assert_eq!((&*ops.name, &*ops.lines[0].text), ("Ops", "hi"));
            assert_eq!((&*ops.lines[0].mask, ops.lines[0].notice), ("", false));
            assert_eq!((&lobby.rights, &ops.rights), (&None, &None));
            assert!(kept.accounts.is_empty() && kept.sanctions.is_empty());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

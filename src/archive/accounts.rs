//! Accounts as they stand in the file, and their tokens; and what the command line does with them,
//! also while a server uses the file. Passwords and tokens are there as hashes alone.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::passwords::hash_password;
use super::tables::{both, find, int, number, run};
use super::writer::sentence;
use super::{OpenError, TOKEN_SECONDS, file};
use crate::nickname::Nickname;
use crate::token::Token;

/// The most accounts that there can be.
pub const ACCOUNTS_MAX: u64 = 100_000;

/// The most tokens of one account; of more the oldest go.
const TOKENS_MAX: u64 = 20;

/// An account, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number, which no other account ever gets.
    pub id: u64,
    /// Its name, as it is spelled.
    pub name: Nickname,
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    pub since: u64,
    /// By which it shows that it has another password.
    pub mark: u64,
}

/// What two passwords hardly have in common, by their hashes.
pub(super) fn mark_of(hash: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(hash)
}

/// An account, as one logs in there.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) name: Nickname,
    /// Of its password.
    pub(super) hash: String,
}

/// What came of making an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Its number.
    Done(i64),
    Taken,
    Full,
}

/// All accounts, the oldest first.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<Account>> {
    let sql = "SELECT id, name, since, hash FROM account ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let accounts = statement.query_map((), |row| {
        let name = Nickname::unchecked(&row.get::<_, String>(1)?);
        let (id, since) = (number(row.get(0)?), number(row.get(2)?));
        Ok(Account { id, name, since, mark: mark_of(row.get_ref(3)?.as_str()?) })
    })?;
    accounts.collect()
}

/// The account of that name in any spelling.
pub(super) fn entry(connection: &Connection, name: &Nickname) -> rusqlite::Result<Option<Entry>> {
    let sql =
        "SELECT id, name, hash FROM account WHERE key IN (?1, ?2) OR key2 IN (?1, ?2) LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        let name = Nickname::unchecked(&row.get::<_, String>(1)?);
        Ok(Entry { id: row.get(0)?, name, hash: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_row(both(&name.keys()), read).optional()
}

/// Whether a name could be an account now.
pub(super) fn is_free(connection: &Connection, name: &Nickname) -> rusqlite::Result<Option<Added>> {
    if entry(connection, name)?.is_some() {
        return Ok(Some(Added::Taken));
    }
    let count = find(connection, "SELECT count(*) FROM account", ())?.unwrap_or_default();
    Ok((number(count) >= ACCOUNTS_MAX).then_some(Added::Full))
}

/// Makes an account.
pub(super) fn add(
    connection: &mut Connection,
    name: &Nickname,
    hash: &str,
    now: u64,
) -> rusqlite::Result<Added> {
    let transaction = immediate(connection)?;
    if let Some(refused) = is_free(&transaction, name)? {
        return Ok(refused);
    }
    let keys = name.keys();
    let sql = "INSERT INTO account (key, key2, name, hash, since) VALUES (?1, ?2, ?3, ?4, ?5)";
    let params = (&*keys.first, keys.second.as_deref(), name.as_str(), hash, int(now));
    run(&transaction, sql, params)?;
    let id = transaction.last_insert_rowid();
    commit(transaction)?;
    Ok(Added::Done(id))
}

/// Whether an account is there, and has the same password.
fn is_still(connection: &Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let sql = "SELECT id FROM account WHERE id = ?1 AND hash = ?2";
    Ok(find(connection, sql, (entry.id, &entry.hash))?.is_some())
}

/// Gives an account another password, if it still has this one. Its tokens are good no more.
pub(super) fn set_hash(
    connection: &mut Connection,
    entry: &Entry,
    hash: &str,
) -> rusqlite::Result<bool> {
    let transaction = immediate(connection)?;
    if !is_still(&transaction, entry)? {
        return Ok(false);
    }
    run(&transaction, "UPDATE account SET hash = ?2 WHERE id = ?1", (entry.id, hash))?;
    logout(&transaction, entry.id)?;
    commit(transaction)?;
    Ok(true)
}

/// Deletes an account, if it still has this password, with its tokens and ranks.
pub(super) fn remove(connection: &mut Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let transaction = immediate(connection)?;
    if !is_still(&transaction, entry)? {
        return Ok(false);
    }
    logout(&transaction, entry.id)?;
    run(&transaction, "DELETE FROM rank WHERE account = ?1", [entry.id])?;
    run(&transaction, "DELETE FROM account WHERE id = ?1", [entry.id])?;
    commit(transaction)?;
    Ok(true)
}

/// The tokens of an account are good no more.
pub(super) fn logout(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    run(connection, "DELETE FROM token WHERE account = ?1", [id]).map(drop)
}

/// How often accounts were changed, by whatever program.
pub(super) fn changes(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(find(connection, "SELECT accounts FROM state", ())?.unwrap_or_default())
}

/// Keeps a new token of an account, if that still has this password.
pub(super) fn add_token(
    connection: &mut Connection,
    entry: &Entry,
    token: &Token,
    now: u64,
) -> rusqlite::Result<bool> {
    let transaction = immediate(connection)?;
    if !is_still(&transaction, entry)? {
        return Ok(false);
    }
    run(&transaction, "DELETE FROM token WHERE until <= ?1", [int(now)])?;
    let sql = "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE account = ?1 \
               ORDER BY until DESC LIMIT -1 OFFSET ?2)";
    run(&transaction, sql, (entry.id, int(TOKENS_MAX - 1)))?;
    let until = int(now.saturating_add(TOKEN_SECONDS));
    let sql = "INSERT OR REPLACE INTO token VALUES (?1, ?2, ?3)";
    run(&transaction, sql, (token.digest(), entry.id, until))?;
    transaction.commit()?;
    Ok(true)
}

/// Whether that is a token of the account.
pub(super) fn has_token(
    connection: &Connection,
    entry: &Entry,
    token: &Token,
    now: u64,
) -> rusqlite::Result<bool> {
    let sql = "SELECT account FROM token WHERE hash = ?1 AND account = ?2 AND until > ?3";
    Ok(find(connection, sql, (token.digest(), entry.id, int(now)))?.is_some())
}

/// A token of an account is good for thirty days from now.
pub(super) fn renew_token(
    connection: &Connection,
    token: &Token,
    now: u64,
) -> rusqlite::Result<()> {
    let until = int(now.saturating_add(TOKEN_SECONDS));
    run(connection, "UPDATE token SET until = ?2 WHERE hash = ?1", (token.digest(), until))
        .map(drop)
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Ends what has changed accounts.
fn commit(transaction: Transaction<'_>) -> rusqlite::Result<()> {
    run(&transaction, "UPDATE state SET accounts = accounts + 1", ())?;
    transaction.commit()
}

/// What the command line could not do with an account.
#[derive(Debug)]
pub enum AccountsError {
    /// The file cannot be used.
    Open(OpenError),
    /// It could not be read or written any more, or nobody knows whether it was; one sentence
    /// without its full stop.
    Archive(String),
    /// There is such an account already (as it is spelled).
    Taken(Nickname),
    /// There is no such account (as it was asked for).
    Missing(Nickname),
    /// There are [`ACCOUNTS_MAX`].
    Full,
    /// The system gives no randomness, or no memory to hash a password.
    System,
    /// The engine in which servers share accounts cannot be used; one sentence without its full
    /// stop.
    Engine(String),
    /// What is written there now may be lost, since no server has run for long.
    Unsaved,
}

impl fmt::Display for AccountsError {
    /// One sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountsError::Open(error) => error.fmt(f),
            AccountsError::Archive(sentence) | AccountsError::Engine(sentence) => {
                f.write_str(sentence)
            }
            AccountsError::Taken(name) => write!(f, "there is an account {name} already"),
            AccountsError::Missing(name) => write!(f, "there is no account {name}"),
            AccountsError::Full => write!(f, "there are {ACCOUNTS_MAX} accounts already"),
            AccountsError::System => f.write_str("the system has no memory or no random numbers"),
            AccountsError::Unsaved => f.write_str(
                "too much was written since a server ran last; start one, and try again",
            ),
        }
    }
}

impl std::error::Error for AccountsError {}

impl From<OpenError> for AccountsError {
    fn from(error: OpenError) -> AccountsError {
        AccountsError::Open(error)
    }
}

/// The accounts in a file, the oldest first. A server may use the file.
///
/// # Errors
/// If it cannot be read.
pub fn list_accounts(path: &Path) -> Result<Vec<Account>, AccountsError> {
    let connection = file::open_beside(path)?;
    list(&connection).map_err(|error| AccountsError::Archive(sentence(path, &error)))
}

/// Makes an account, at `now` in seconds since 1970. A server may use the file.
///
/// # Errors
/// If there is one of that name in any spelling, or it cannot be written.
pub fn add_account(
    path: &Path,
    name: &Nickname,
    password: &str,
    now: u64,
) -> Result<(), AccountsError> {
    let mut connection = file::open_beside(path)?;
    let failed = |error: rusqlite::Error| AccountsError::Archive(sentence(path, &error));
    let hash = hash_password(password).ok_or(AccountsError::System)?;
    match add(&mut connection, name, &hash, now).map_err(failed)? {
        Added::Done(_) => Ok(()),
        Added::Full => Err(AccountsError::Full),
        Added::Taken => {
            let taken = entry(&connection, name).map_err(failed)?;
            Err(AccountsError::Taken(taken.map_or_else(|| name.clone(), |taken| taken.name)))
        }
    }
}

/// Gives an account another password. Its tokens are good no more. A server may use the file.
/// Returns the name as it is spelled.
///
/// # Errors
/// If there is no such account, or it cannot be written.
pub fn reset_account(
    path: &Path,
    name: &Nickname,
    password: &str,
) -> Result<Nickname, AccountsError> {
    let hash = hash_password(password).ok_or(AccountsError::System)?;
    change(path, name, |connection, entry| set_hash(connection, entry, &hash))
}

/// Deletes an account, with its tokens and its ranks in rooms. A server may use the file. Returns
/// the name as it was spelled.
///
/// # Errors
/// If there is no such account, or it cannot be written.
pub fn delete_account(path: &Path, name: &Nickname) -> Result<Nickname, AccountsError> {
    change(path, name, remove)
}

/// Does something with an account as it is, however often somebody else changes it meanwhile.
fn change(
    path: &Path,
    name: &Nickname,
    does: impl Fn(&mut Connection, &Entry) -> rusqlite::Result<bool>,
) -> Result<Nickname, AccountsError> {
    let mut connection = file::open_beside(path)?;
    let failed = |error: rusqlite::Error| AccountsError::Archive(sentence(path, &error));
    while let Some(entry) = entry(&connection, name).map_err(failed)? {
        if does(&mut connection, &entry).map_err(failed)? {
            return Ok(entry.name);
        }
    }
    Err(AccountsError::Missing(name.clone()))
}

//! The keeper of accounts: a thread that tries passwords, which takes long on purpose, behind a
//! queue of its own, so that neither the loop nor the rest of the archive waits for it. It also
//! sees what other programs do with accounts in the file.
//!
//! All that changes is told by [`Keeper::poll_changes`], whoever did it; and before the answer to
//! whoever asked for it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::accounts::{self, Added, Entry};
use super::file;
use super::handle::Wake;
use super::passwords::{Hasher, NOBODYS};
use super::tables::int;
use super::writer::sentence;
use super::{AccountAnswer, AccountChange, AccountRequest, Answer, Proof};
use crate::nickname::Nickname;
use crate::token::{Secret, TOKEN_BYTES, Token};

/// Requests that may wait, and answers.
const REQUESTS_MAX: usize = 64;

/// How long it waits for requests before it looks whether another program has changed accounts, and
/// gives back the memory that hashing takes.
const IDLE: Duration = Duration::from_secs(5);

/// The keeper as the server holds it. Dropping it ends its thread, which is not waited for; what
/// waits is not done then.
pub struct Keeper {
    queue: Arc<Queue>,
    outside: Outside,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to do.
    asked: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    requests: VecDeque<(u64, AccountRequest)>,
    answers: VecDeque<(u64, Answer)>,
    changes: Vec<AccountChange>,
    outside: Outside,
    now: u64,
    is_stopping: bool,
    is_running: bool,
}

/// How many accounts other programs have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    added: usize,
    deleted: usize,
    reset: usize,
}

impl Outside {
    fn count(&mut self, change: &AccountChange) {
        match change {
            AccountChange::Added(_) => self.added += 1,
            AccountChange::Removed(_) => self.deleted += 1,
            AccountChange::Reset(_) => self.reset += 1,
        }
    }

    fn add(&mut self, more: Outside) {
        self.added += more.added;
        self.deleted += more.deleted;
        self.reset += more.reset;
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outside { added, deleted, reset } = self;
        write!(f, "{added} added, {deleted} deleted, {reset} reset")
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().is_stopping = true;
        self.asked.notify_one();
    }
}

impl Keeper {
    /// Starts the keeper of the accounts in a file that the archive has opened, or of none: then it
    /// answers [`AccountRequest::Oper`] and [`AccountRequest::Prove`] alone. `known` are the
    /// accounts of which the chat knows; if others are there, that is a change. `now` is in seconds
    /// since 1970; `wake` is called in another thread when there is something to poll.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn open(
        file: Option<&Path>,
        known: Vec<Nickname>,
        now: u64,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Keeper> {
        let queue = Arc::new(Queue::default());
        let mut state = queue.lock();
        (state.now, state.is_running) = (now, true);
        drop(state);
        let (shared, wake) = (Arc::clone(&queue), Arc::new(wake));
        let file = file.map(Path::to_owned);
        thread::Builder::new().name("accounts".to_owned()).spawn(move || {
            let ends = Arc::clone(&shared);
            let book = file.map(|file| Book { file, told: None, open: None, known });
            let (outside, hasher) = Default::default();
            Worker { queue: shared, wake, book, outside, hasher }.run();
            ends.lock().is_running = false;
            ends.ended.notify_all();
        })?;
        Ok(Keeper { queue, outside: Outside::default() })
    }

    /// Asks something.
    ///
    /// # Errors
    /// Too many wait already: the request comes back.
    pub fn ask(&mut self, ticket: u64, request: AccountRequest) -> Result<(), AccountRequest> {
        let mut state = self.queue.lock();
        if state.requests.len() + state.answers.len() >= REQUESTS_MAX {
            return Err(request);
        }
        state.requests.push_back((ticket, request));
        drop(state);
        self.queue.asked.notify_one();
        Ok(())
    }

    /// Nobody waits for the answer to what was asked under this any more. If that has not begun, it
    /// is not done.
    pub fn cancel(&mut self, ticket: u64) {
        self.queue.lock().requests.retain(|(other, _)| *other != ticket);
    }

    /// An answer that has come since, and what it was asked under.
    pub fn poll_answer(&mut self) -> Option<(u64, Answer)> {
        self.queue.lock().answers.pop_front()
    }

    /// Accounts that have come or gone since, in order.
    pub fn poll_changes(&mut self) -> Vec<AccountChange> {
        let mut state = self.queue.lock();
        self.outside = mem::take(&mut state.outside);
        mem::take(&mut state.changes)
    }

    /// How many of those that were polled last other programs have changed, if any.
    pub fn outside(&self) -> Option<Outside> {
        Some(self.outside).filter(|outside| *outside != Outside::default())
    }

    /// Tells the time, in seconds since 1970; once a turn is often enough.
    pub fn set_time(&mut self, now: u64) {
        let mut state = self.queue.lock();
        state.now = state.now.max(now);
    }

    /// Ends it when what has begun is done; what waits is not done. Waits at most so long.
    pub fn stop(self, within: Duration) {
        self.queue.stop();
        let is_running = |state: &mut State| state.is_running;
        drop(self.queue.ended.wait_timeout_while(self.queue.lock(), within, is_running));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// What the thread has.
struct Worker {
    queue: Arc<Queue>,
    wake: Wake,
    book: Option<Book>,
    /// What of the changes that are to be told is others' doing.
    outside: Outside,
    hasher: Hasher,
}

/// What comes next.
enum Next {
    /// A request, and the time.
    Request(u64, AccountRequest, u64),
    Idle,
    Stop,
}

impl Worker {
    fn run(mut self) {
        let mut changes = self.look();
        loop {
            self.tell(&mut changes, None);
            match self.next() {
                Next::Stop => break,
                Next::Idle => {
                    self.hasher.release();
                    changes = self.look();
                }
                Next::Request(ticket, request, now) => {
                    changes = self.look();
                    let answer = self.answer(request, now, &mut changes);
                    self.tell(&mut changes, Some((ticket, answer)));
                }
            }
        }
    }

    /// Waits for a request. It wakes up by itself only if there is something to look after.
    fn next(&self) -> Next {
        let nothing = |state: &mut State| state.requests.is_empty() && !state.is_stopping;
        let (asked, state) = (&self.queue.asked, self.queue.lock());
        let mut state = if self.book.is_some() || self.hasher.holds_memory() {
            let waited = asked.wait_timeout_while(state, IDLE, nothing);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            asked.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner)
        };
        if state.is_stopping {
            return Next::Stop;
        }
        match state.requests.pop_front() {
            Some((ticket, request)) => Next::Request(ticket, request, state.now),
            None => Next::Idle,
        }
    }

    fn tell(&mut self, changes: &mut Vec<AccountChange>, answer: Option<(u64, Answer)>) {
        if changes.is_empty() && answer.is_none() {
            return;
        }
        let mut state = self.queue.lock();
        state.changes.append(changes);
        state.outside.add(mem::take(&mut self.outside));
        state.answers.extend(answer);
        drop(state);
        (self.wake)();
    }

    /// What others have changed, which is counted.
    fn look(&mut self) -> Vec<AccountChange> {
        let changes = self.book.as_mut().map_or_else(Vec::new, Book::look);
        changes.iter().for_each(|change| self.outside.count(change));
        changes
    }

    fn answer(
        &mut self,
        request: AccountRequest,
        now: u64,
        changes: &mut Vec<AccountChange>,
    ) -> Answer {
        let Worker { book, hasher, .. } = self;
        if let AccountRequest::Oper { hash, password } = &request {
            return Answer::Account(match is_password(hasher, "an operator", hash, password) {
                true => AccountAnswer::Done(None, None),
                false => AccountAnswer::Wrong,
            });
        }
        if let AccountRequest::Prove { hash, password, new } = request {
            return prove(hasher, hash, &password, new.as_ref());
        }
        let Some(Book { file, open: Some(open), .. }) = book else { return Answer::Failed };
        let mut desk = Desk { open, hasher, now, changes };
        match desk.answer(request) {
            Ok(Some(answer)) => Answer::Account(answer),
            Ok(None) => not_hashed(),
            Err(error) => {
                log::error!("{}; a request about an account failed", sentence(file, &error));
                Answer::Failed
            }
        }
    }
}

/// Tries the password of an account that stands elsewhere, and hashes another one.
fn prove(
    hasher: &mut Hasher,
    hash: Option<String>,
    password: &Secret,
    new: Option<&Secret>,
) -> Answer {
    if let Some(hash) = &hash
        && !is_password(hasher, "an account", hash, password)
    {
        return Answer::Account(AccountAnswer::Wrong);
    }
    let new = match new.map(|new| hasher.hash(new.reveal())) {
        Some(None) => return not_hashed(),
        new => new.flatten(),
    };
    Answer::Account(AccountAnswer::Proved { old: hash.unwrap_or_default(), new })
}

/// The system does not give what hashing takes.
fn not_hashed() -> Answer {
    log::error!("no memory or no random numbers: a password cannot be hashed");
    Answer::Failed
}

/// Whether a hash is of that password. If there is no hash, it takes as long as if there were one.
fn is_password(hasher: &mut Hasher, whose: &str, hash: &str, password: &Secret) -> bool {
    let tried = if hash.is_empty() { NOBODYS } else { hash };
    let verified = hasher.verify(tried, password.reveal());
    verified.unwrap_or_else(|error| {
        log::error!("the password of {whose} cannot be tried: its hash {error}");
        false
    }) && !hash.is_empty()
}

/// The accounts in a file.
struct Book {
    file: PathBuf,
    /// The sentence that the log was told last, so that it is not told twice.
    told: Option<String>,
    open: Option<Open>,
    /// What the chat knows before the file is open.
    known: Vec<Nickname>,
}

/// The same, when the file is open.
struct Open {
    connection: Connection,
    /// By which it is seen that another program has written, and has changed accounts.
    version: i64,
    changes: i64,
    /// What the chat knows, by number; and the marks of the passwords.
    known: BTreeMap<i64, (Nickname, u64)>,
}

impl Book {
    /// What other programs have changed since. Opens the file if it is not open.
    fn look(&mut self) -> Vec<AccountChange> {
        let looked = match &mut self.open {
            Some(open) => open.look().map_err(|error| sentence(&self.file, &error)),
            None => self.begin(),
        };
        match looked {
            Ok(changes) => {
                self.told = None;
                changes
            }
            Err(error) => {
                if self.told.as_ref() != Some(&error) {
                    log::error!("{error}; nobody can log in");
                    self.told = Some(error);
                }
                Vec::new()
            }
        }
    }

    fn begin(&mut self) -> Result<Vec<AccountChange>, String> {
        let connection = file::open_beside(&self.file).map_err(|error| error.to_string())?;
        let (version, changes) = (-1, -1);
        let mut open = Open { connection, version, changes, known: BTreeMap::new() };
        let added = open.look().map_err(|error| sentence(&self.file, &error))?;
        // Only what the chat does not know already.
        let told = mem::take(&mut self.known);
        let names = |names: &mut dyn Iterator<Item = &Nickname>| {
            names.map(|name| name.as_str().to_owned()).collect::<HashSet<_>>()
        };
        let mut found = open.known.values().map(|(name, _)| name);
        let (told_names, found) = (names(&mut told.iter()), names(&mut found));
        let gone = told.into_iter().filter(|name| !found.contains(name.as_str()));
        let mut changes: Vec<_> = gone.map(AccountChange::Removed).collect();
        changes.extend(added.into_iter().filter(|change| match change {
            AccountChange::Added(name) => !told_names.contains(name.as_str()),
            AccountChange::Removed(_) | AccountChange::Reset(_) => true,
        }));
        self.open = Some(open);
        Ok(changes)
    }
}

impl Open {
    fn look(&mut self) -> rusqlite::Result<Vec<AccountChange>> {
        let version = "PRAGMA data_version";
        let version = self.connection.query_row(version, (), |row| row.get(0))?;
        if version == self.version {
            return Ok(Vec::new());
        }
        let changes = accounts::changes(&self.connection)?;
        if changes == self.changes {
            self.version = version;
            return Ok(Vec::new());
        }
        let found: BTreeMap<_, _> = accounts::list(&self.connection)?
            .into_iter()
            .map(|account| (int(account.id), (account.name, account.mark)))
            .collect();
        // If something comes in between, it is seen the next time.
        (self.version, self.changes) = (version, changes);
        let before = mem::replace(&mut self.known, found);
        let gone = before.iter().filter(|(id, _)| !self.known.contains_key(id));
        let come = self.known.iter().filter(|(id, _)| !before.contains_key(id));
        let mut told: Vec<_> =
            gone.map(|(_, (name, _))| AccountChange::Removed(name.clone())).collect();
        told.extend(come.map(|(_, (name, _))| AccountChange::Added(name.clone())));
        let is_reset = |(id, (_, mark)): &(&i64, &(Nickname, u64))| {
            before.get(*id).is_some_and(|(_, other)| other != mark)
        };
        let reset = self.known.iter().filter(is_reset);
        told.extend(reset.map(|(_, (name, _))| AccountChange::Reset(name.clone())));
        Ok(told)
    }
}

/// Where one request is answered.
struct Desk<'a> {
    open: &'a mut Open,
    hasher: &'a mut Hasher,
    now: u64,
    changes: &'a mut Vec<AccountChange>,
}

impl Desk<'_> {
    /// `None` if the system cannot give what hashing takes.
    fn answer(&mut self, request: AccountRequest) -> rusqlite::Result<Option<AccountAnswer>> {
        match request {
            AccountRequest::Register { name, password } => self.register(&name, &password),
            AccountRequest::Login { name, proof, wants_token } => {
                self.login(&name, &proof, wants_token)
            }
            AccountRequest::SetPassword { name, old, new } => {
                self.with_password(&name, &old, |desk, entry| {
                    let Some(hash) = desk.hasher.hash(new.reveal()) else { return Ok(None) };
                    let is_set = accounts::set_hash(&mut desk.open.connection, entry, &hash)?;
                    if is_set && let Some((_, mark)) = desk.open.known.get_mut(&entry.id) {
                        *mark = accounts::mark_of(&hash);
                    }
                    Ok(Some(is_set))
                })
            }
            AccountRequest::Unregister { name, password } => {
                self.with_password(&name, &password, |desk, entry| {
                    let is_removed = accounts::remove(&mut desk.open.connection, entry)?;
                    if is_removed {
                        desk.open.known.remove(&entry.id);
                        desk.changes.push(AccountChange::Removed(entry.name.clone()));
                    }
                    Ok(Some(is_removed))
                })
            }
            AccountRequest::Logout { name } => {
                let Some(entry) = accounts::entry(&self.open.connection, &name)? else {
                    return Ok(Some(AccountAnswer::Missing));
                };
                accounts::logout(&self.open.connection, entry.id)?;
                Ok(Some(AccountAnswer::Done(Some(entry.name), None)))
            }
            // It was answered without an account.
            AccountRequest::Oper { .. } | AccountRequest::Prove { .. } => {
                Ok(Some(AccountAnswer::Wrong))
            }
        }
    }

    fn register(
        &mut self,
        name: &Nickname,
        password: &Secret,
    ) -> rusqlite::Result<Option<AccountAnswer>> {
        // It is no secret which names are accounts: only passwords take long.
        let connection = &mut self.open.connection;
        let (added, hash) = match accounts::is_free(connection, name)? {
            Some(refused) => (refused, String::new()),
            None => {
                let Some(hash) = self.hasher.hash(password.reveal()) else { return Ok(None) };
                (accounts::add(connection, name, &hash, self.now)?, hash)
            }
        };
        Ok(Some(match added {
            Added::Taken => AccountAnswer::Taken,
            Added::Full => AccountAnswer::Full,
            Added::Done(id) => {
                self.open.known.insert(id, (name.clone(), accounts::mark_of(&hash)));
                self.changes.push(AccountChange::Added(name.clone()));
                AccountAnswer::Done(Some(name.clone()), None)
            }
        }))
    }

    fn login(
        &mut self,
        name: &Nickname,
        proof: &Proof,
        wants_token: bool,
    ) -> rusqlite::Result<Option<AccountAnswer>> {
        let now = self.now;
        let text = match proof {
            Proof::Password(password) => {
                return self.login_by_password(name, password, wants_token);
            }
            Proof::Token(text) => text,
        };
        let connection = &self.open.connection;
        let Some(entry) = accounts::entry(connection, name)? else {
            return Ok(Some(AccountAnswer::Missing));
        };
        let Some(token) = Token::parse(text.reveal()) else {
            return Ok(Some(AccountAnswer::Wrong));
        };
        if !accounts::has_token(connection, &entry, &token, now)? {
            return Ok(Some(AccountAnswer::Wrong));
        }
        // It stays the same one: several pages of one browser have it together.
        if wants_token {
            accounts::renew_token(connection, &token, now)?;
        }
        Ok(Some(AccountAnswer::Done(Some(entry.name), wants_token.then(|| text.clone()))))
    }

    fn login_by_password(
        &mut self,
        name: &Nickname,
        password: &Secret,
        wants_token: bool,
    ) -> rusqlite::Result<Option<AccountAnswer>> {
        let mut given = None;
        let answer = self.with_password(name, password, |desk, entry| {
            if !wants_token {
                return Ok(Some(true));
            }
            let mut random = [0; TOKEN_BYTES];
            if getrandom::fill(&mut random).is_err() {
                return Ok(None);
            }
            let token = Token::new(random);
            let connection = &mut desk.open.connection;
            let is_kept = accounts::add_token(connection, entry, &token, desk.now)?;
            given = Some(Secret::new(&token.to_string()));
            Ok(Some(is_kept))
        })?;
        Ok(answer.map(|answer| match answer {
            AccountAnswer::Done(name, _) => AccountAnswer::Done(name, given),
            other => other,
        }))
    }

    /// Does something for whoever knows the password of an account; `does` says whether the account
    /// was still as it was when the password was tried.
    fn with_password(
        &mut self,
        name: &Nickname,
        password: &Secret,
        does: impl FnOnce(&mut Self, &Entry) -> rusqlite::Result<Option<bool>>,
    ) -> rusqlite::Result<Option<AccountAnswer>> {
        let entry = accounts::entry(&self.open.connection, name)?;
        let hash = entry.as_ref().map_or("", |entry| &*entry.hash);
        let is_right = is_password(self.hasher, "an account", hash, password);
        let Some(entry) = entry else { return Ok(Some(AccountAnswer::Missing)) };
        if !is_right {
            return Ok(Some(AccountAnswer::Wrong));
        }
        Ok(does(self, &entry)?.map(|was_same| match was_same {
            true => AccountAnswer::Done(Some(entry.name), None),
            false => AccountAnswer::Wrong,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::super::{TOKEN_SECONDS, passwords};
    use super::*;

    const NOW: u64 = 1_767_225_600;

    const PATIENCE: Duration = Duration::from_secs(60);

    struct Open {
        keeper: Keeper,
        woken: Receiver<()>,
        folder: PathBuf,
    }

    impl Open {
        fn new(test: &str) -> Open {
            let folder =
                std::env::temp_dir().join(format!("chinwag-{}-{test}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            drop(file::open(&folder.join("chat.db")).unwrap());
            Open::again(folder, &[])
        }

        fn again(folder: PathBuf, known: &[&str]) -> Open {
            let (wake, woken) = channel();
            let wake = move || wake.send(()).unwrap_or_default();
            let known = known.iter().map(|known| name(known)).collect();
            let keeper = Keeper::open(Some(&folder.join("chat.db")), known, NOW, wake).unwrap();
            Open { keeper, woken, folder }
        }

        fn asks(&mut self, request: AccountRequest) -> AccountAnswer {
            self.keeper.ask(7, request).unwrap();
            match answer(&mut self.keeper, &self.woken) {
                (7, Answer::Account(answer)) => answer,
                other => panic!("{other:?}"),
            }
        }

        fn login(&mut self, account: &str, password: &str) -> AccountAnswer {
            let proof = Proof::Password(Secret::new(password));
            self.asks(AccountRequest::Login { name: name(account), proof, wants_token: false })
        }

        fn token(&mut self, account: &str, token: &Secret) -> AccountAnswer {
            let proof = Proof::Token(token.clone());
            self.asks(AccountRequest::Login { name: name(account), proof, wants_token: false })
        }

        fn gives_token(&mut self, account: &str, password: &str) -> Secret {
            let (name, proof) = (name(account), Proof::Password(Secret::new(password)));
            let answer = self.asks(AccountRequest::Login { name, proof, wants_token: true });
            let AccountAnswer::Done(_, Some(token)) = answer else { panic!("{answer:?}") };
            token
        }

        fn register(&mut self, account: &str, password: &str) -> AccountAnswer {
            let password = Secret::new(password);
            self.asks(AccountRequest::Register { name: name(account), password })
        }

        /// The changes, as soon as there are any.
        fn changes(&mut self) -> Vec<AccountChange> {
            loop {
                let changes = self.keeper.poll_changes();
                if !changes.is_empty() {
                    return changes;
                }
                self.woken.recv_timeout(PATIENCE).unwrap();
            }
        }

        fn path(&self) -> PathBuf {
            self.folder.join("chat.db")
        }

        fn end(self) {
            self.keeper.stop(PATIENCE);
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    fn answer(keeper: &mut Keeper, woken: &Receiver<()>) -> (u64, Answer) {
        loop {
            if let Some(answer) = keeper.poll_answer() {
                return answer;
            }
            woken.recv_timeout(PATIENCE).unwrap();
        }
    }

    fn name(name: &str) -> Nickname {
        Nickname::parse(name).unwrap()
    }

    fn done(account: &str) -> AccountAnswer {
        AccountAnswer::Done(Some(name(account)), None)
    }

    #[test]
    fn a_name_is_whose_password_is_known_in_whatever_spelling() {
        let mut open = Open::new("names");
        assert_eq!(open.login("alice", "correct horse"), AccountAnswer::Missing);
        assert_eq!(open.register("Alice", "correct horse"), done("Alice"));
        assert_eq!(open.keeper.poll_changes(), [AccountChange::Added(name("Alice"))]);
        for taken in ["alice", "ALICE", "a1ice"] {
            assert_eq!(open.register(taken, "another horse"), AccountAnswer::Taken, "{taken}");
            assert_eq!(open.login(taken, "correct horse"), done("Alice"), "{taken}");
            assert_eq!(open.login(taken, "correct hors"), AccountAnswer::Wrong, "{taken}");
        }
        let (old, new) = (Secret::new("wrong horse"), Secret::new("other horse"));
        let change = |old: &Secret| {
            let (old, new) = (old.clone(), new.clone());
            AccountRequest::SetPassword { name: name("alice"), old, new }
        };
        assert_eq!(open.asks(change(&old)), AccountAnswer::Wrong);
        assert_eq!(open.asks(change(&Secret::new("correct horse"))), done("Alice"));
        assert_eq!(open.login("alice", "correct horse"), AccountAnswer::Wrong);
        let bye = |password: &str| AccountRequest::Unregister {
            name: name("alice"),
            password: Secret::new(password),
        };
        assert_eq!(open.asks(bye("correct horse")), AccountAnswer::Wrong);
        assert_eq!(open.keeper.poll_changes(), []);
        assert_eq!(open.asks(bye("other horse")), done("Alice"));
        assert_eq!(open.keeper.poll_changes(), [AccountChange::Removed(name("Alice"))]);
        assert_eq!(open.asks(bye("other horse")), AccountAnswer::Missing);
        open.end();
    }

    #[test]
    fn a_token_is_good_for_thirty_days_and_not_after_another_password() {
        let mut open = Open::new("tokens");
        open.register("alice", "correct horse");
        open.register("bob", "correct horse");
        let first = open.gives_token("alice", "correct horse");
        assert_eq!(open.token("ALICE", &first), done("alice"));
        assert_eq!(open.token("bob", &first), AccountAnswer::Wrong);
        assert_eq!(open.token("carol", &first), AccountAnswer::Missing);
        for wrong in ["", "correct horse", &"0".repeat(64), &first.reveal()[1..]] {
            assert_eq!(open.token("alice", &Secret::new(wrong)), AccountAnswer::Wrong, "{wrong}");
        }
        // It is not in the file, in whatever form it is given.
        for file in std::fs::read_dir(&open.folder).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let random: Vec<_> = (0..TOKEN_BYTES)
                .map(|at| u8::from_str_radix(&first.reveal()[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            for form in [first.reveal().as_bytes(), &random, b"correct horse"] {
                assert!(!bytes.windows(form.len()).any(|part| part == form));
            }
        }
        // Of many the oldest goes.
        open.keeper.set_time(NOW + 1);
        let mut tokens: Vec<_> =
            (0..20).map(|_| open.gives_token("alice", "correct horse")).collect();
        assert_eq!(open.token("alice", &first), AccountAnswer::Wrong);
        assert!(tokens.iter().all(|token| open.token("alice", token) == done("alice")));
        // One that is used is good for thirty days again, if that is asked for.
        open.keeper.set_time(NOW + TOKEN_SECONDS);
        let used = tokens.pop().unwrap();
        let proof = Proof::Token(used.clone());
        let request = AccountRequest::Login { name: name("alice"), proof, wants_token: true };
        let given = AccountAnswer::Done(Some(name("alice")), Some(used.clone()));
        assert_eq!(open.asks(request), given);
        open.keeper.set_time(NOW + TOKEN_SECONDS + 1);
        assert_eq!(open.token("alice", &tokens[0]), AccountAnswer::Wrong);
        assert_eq!(open.token("alice", &used), done("alice"));
        assert_eq!(open.asks(AccountRequest::Logout { name: name("alice") }), done("alice"));
        assert_eq!(open.token("alice", &used), AccountAnswer::Wrong);
        let next = open.gives_token("alice", "correct horse");
        let old = Secret::new("correct horse");
        let new = Secret::new("other horse");
        open.asks(AccountRequest::SetPassword { name: name("alice"), old, new });
        assert_eq!(open.token("alice", &next), AccountAnswer::Wrong);
        let next = open.gives_token("alice", "other horse");
        let password = Secret::new("other horse");
        open.asks(AccountRequest::Unregister { name: name("alice"), password });
        open.register("alice", "correct horse");
        assert_eq!(open.token("alice", &next), AccountAnswer::Wrong);
        open.end();
    }

    #[test]
    fn what_other_programs_do_with_accounts_is_seen() {
        let mut open = Open::new("others");
        open.register("alice", "correct horse");
        open.register("carol", "correct horse");
        open.keeper.poll_changes();
        accounts::add_account(&open.path(), &name("bob"), "battery staple", NOW).unwrap();
        assert_eq!(open.changes(), [AccountChange::Added(name("bob"))]);
        assert_eq!(open.login("bob", "battery staple"), done("bob"));
        let taken = accounts::add_account(&open.path(), &name("BOB"), "battery staple", NOW);
        assert_eq!(taken.unwrap_err().to_string(), "there is an account bob already");
        // Whoever gets the name next is somebody else.
        let token = open.gives_token("alice", "correct horse");
        accounts::delete_account(&open.path(), &name("ALICE")).unwrap();
        accounts::add_account(&open.path(), &name("alice"), "battery staple", NOW).unwrap();
        // It looks before each request; perhaps it has looked between these two as well.
        assert_eq!(open.token("alice", &token), AccountAnswer::Wrong);
        let both = open.keeper.poll_changes();
        let expected = [AccountChange::Removed(name("alice")), AccountChange::Added(name("alice"))];
        assert_eq!(both, expected);
        let token = open.gives_token("alice", "battery staple");
        accounts::reset_account(&open.path(), &name("alice"), "correct horse").unwrap();
        assert_eq!(open.token("alice", &token), AccountAnswer::Wrong);
        assert_eq!(open.login("alice", "correct horse"), done("alice"));
        assert_eq!(open.keeper.poll_changes(), [AccountChange::Reset(name("alice"))]);
        let missing = accounts::delete_account(&open.path(), &name("dave")).unwrap_err();
        assert_eq!(missing.to_string(), "there is no account dave");
        // What happened while it was not there is told too.
        let folder = open.folder.clone();
        open.keeper.stop(PATIENCE);
        let mut open = Open::again(folder, &["alice", "dave"]);
        let mut changes = open.changes();
        changes.sort_by_key(|change| format!("{change:?}"));
        let expected = [
            AccountChange::Added(name("bob")),
            AccountChange::Added(name("carol")),
            AccountChange::Removed(name("dave")),
        ];
        assert_eq!(changes, expected);
        open.end();
    }

    #[test]
    fn operators_need_no_file_and_what_is_no_hash_is_nobodys() {
        let (wake, woken) = channel();
        let wake = move || wake.send(()).unwrap_or_default();
        let mut keeper = Keeper::open(None, Vec::new(), NOW, wake).unwrap();
        let hash = passwords::hash_password("open sesame").unwrap();
        let (done, wrong) = (AccountAnswer::Done(None, None), AccountAnswer::Wrong);
        for (hash, password, expected) in [
            (&*hash, "open sesame", &done),
            (&hash, "open barley", &wrong),
            ("sesame", "sesame", &wrong),
            ("", "", &wrong),
        ] {
            let (hash, password) = (hash.to_owned(), Secret::new(password));
            keeper.ask(1, AccountRequest::Oper { hash, password }).unwrap();
            assert_eq!(answer(&mut keeper, &woken), (1, Answer::Account(expected.clone())));
        }
        keeper.ask(2, AccountRequest::Logout { name: name("alice") }).unwrap();
        assert_eq!(answer(&mut keeper, &woken), (2, Answer::Failed));
        keeper.stop(PATIENCE);
    }

    #[test]
    fn no_more_wait_than_there_is_place_for_and_who_has_gone_is_not_waited_for() {
        let mut open = Open::new("bounds");
        open.register("alice", "correct horse");
        let other = file::open_beside(&open.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        // It cannot be done as long as another program writes.
        let logout = || AccountRequest::Logout { name: name("alice") };
        open.keeper.ask(1, logout()).unwrap();
        let mut asked = 1;
        while open.keeper.ask(asked + 1, logout()).is_ok() {
            asked += 1;
            assert!(asked <= 1 + REQUESTS_MAX as u64);
        }
        assert!(asked >= REQUESTS_MAX as u64, "{asked}");
        for ticket in 2..=asked {
            open.keeper.cancel(ticket);
        }
        open.keeper.ask(99, logout()).unwrap();
        other.execute_batch("COMMIT").unwrap();
        let mut tickets = Vec::new();
        while tickets.last() != Some(&99) {
            tickets.push(answer(&mut open.keeper, &open.woken).0);
        }
        // At most one had begun.
        assert!(tickets == [1, 99] || tickets == [99], "{tickets:?}");
        assert!(!format!("{:?} {:?}", Secret::new("horse"), open.keeper).contains("horse"));
        drop(other);
        open.end();
    }
}

//! The thread that writes. It waits for lines and writes many of them at once, since the disk takes
//! as long for one as for hundreds. What it cannot write it keeps and tries again; meanwhile
//! the queue fills, and what does not fit there is lost and counted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::file::{Lock, why};
use super::forgetting::{Forgetting, Wanted};
use super::handle::Wake;
use super::queue::{Queue, Work};
use super::tables::Tables;
use super::{Answer, OpenError, Record, Request};

/// How long it waits before it tries again to write.
const RETRY: Duration = Duration::from_secs(5);

/// How long it waits for lines before it looks whether something is to be forgotten.
const IDLE: Duration = Duration::from_secs(10);

/// The log is told of what is lost once in so many seconds.
const TELLING: u64 = 60;

/// As many batches are written between two chunks that are deleted, if there is no quiet moment.
const BATCHES: u32 = 8;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: Arc<Queue>,
    pub(super) wake: Wake,
    /// Held until the file is closed.
    pub(super) lock: Lock,
    tables: Tables,
    forgetting: Forgetting,
    /// What is told in the log of what is lost: until which count, and when.
    told: (u64, u64),
    /// By which it is seen that another program has written.
    version: i64,
}

impl Writer {
    pub(super) fn new(connection: Connection, queue: Arc<Queue>, wake: Wake, lock: Lock) -> Writer {
        let (tables, forgetting) = Default::default();
        Writer { connection, queue, wake, lock, tables, forgetting, told: (0, 0), version: 0 }
    }

    /// Works until the server stops.
    pub(super) fn run(mut self, file: &Path) {
        let mut batches = 0;
        loop {
            let idle = if self.forgetting.has_work() { Duration::ZERO } else { IDLE };
            match self.queue.next_work(idle) {
                Work::Stop => break,
                Work::Idle => self.forget_some(file),
                Work::Forget((ticket, request, _)) => self.begin_forgetting(file, ticket, &request),
                Work::Write(batch) => {
                    if !self.write_patiently(file, &batch) {
                        break;
                    }
                    self.tell_lost(file);
                    batches += 1;
                    let is_due = batches % BATCHES == 0 && self.forgetting.has_work();
                    if is_due || self.forgetting.is_asked() {
                        self.forget_some(file);
                    }
                }
            }
        }
        self.queue.wait_for_reader();
        // The last one who closes a file writes all changes to their places in it.
        drop(self.connection);
        drop(self.lock);
    }

    /// Writes a batch, however often it must be tried; `false` if the server stops before.
    fn write_patiently(&mut self, file: &Path, batch: &[Record]) -> bool {
        let mut failures = 0_u64;
        loop {
            let error = match self.write(batch) {
                Ok(()) => {
                    self.queue.batch_ends(true);
                    if failures > 0 {
                        let lost = self.queue.lost();
                        log::info!("the archive is written again; {lost} lines were lost so far");
                    }
                    return true;
                }
                Err(error) => sentence(file, &error),
            };
            // At first, and then once a minute.
            if (failures * RETRY.as_secs()).is_multiple_of(TELLING) {
                let lost = self.queue.lost();
                log::error!("{error}; chat goes on, {lost} lines are not kept so far");
                self.told = (lost, self.queue.now());
            }
            failures += 1;
            if !self.queue.wait_for_retry(&error, RETRY) {
                // Perhaps it can be written now.
                let is_written = self.write(batch).is_ok();
                if is_written {
                    self.queue.batch_ends(true);
                }
                return is_written;
            }
        }
    }

    fn write(&mut self, batch: &[Record]) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = transaction.query_row("PRAGMA data_version", (), |row| row.get(0))?;
        if version != self.version {
            self.version = version;
            self.tables.forget_numbers();
        }
        let written = self.tables.write(&transaction, batch, &self.queue.rules());
        let written = written.and_then(|_| transaction.commit());
        if written.is_err() {
            self.tables.forget_numbers();
        }
        written
    }

    /// Says so if lines were lost since the writer is too slow; at most once a minute.
    fn tell_lost(&mut self, file: &Path) {
        let (lost, now) = (self.queue.lost(), self.queue.now());
        if lost > self.told.0 && now >= self.told.1 + TELLING {
            let more = lost - self.told.0;
            let file = file.display();
            log::warn!("the archive {file} is too slow: {more} lines are not kept");
            self.told = (lost, now);
        }
    }

    /// Deletes a little of what is too old, or of what somebody wants to be forgotten.
    fn forget_some(&mut self, file: &Path) {
        let (now, rules) = (self.queue.now(), self.queue.rules());
        match self.forgetting.step(&mut self.connection, now, &rules) {
            // Rooms may have gone, also without lines.
            Ok(_) => self.tables.forget_numbers(),
            Err(error) => {
                log::error!("{}; what should be forgotten is not", sentence(file, &error));
                self.forgetting.give_up(now);
            }
        }
        let mut has_answers = false;
        while let Some((ticket, answer)) = self.forgetting.poll_answer() {
            self.queue.answer(ticket, answer);
            has_answers = true;
        }
        if has_answers {
            (self.wake)();
        }
    }

    fn begin_forgetting(&mut self, file: &Path, ticket: u64, request: &Request) {
        let Request::Forget { author, account } = request else { return };
        let author = Some(*author).filter(|author| *author != 0);
        let begun = Wanted::author(&self.connection, author, account.as_deref()).map(|wanted| {
            self.forgetting.ask(ticket, wanted);
        });
        if let Err(error) = begun {
            log::error!("{}; somebody is not forgotten", sentence(file, &error));
            self.queue.answer(ticket, Answer::Failed);
            (self.wake)();
        }
    }
}

/// An error as the log tells it.
pub(super) fn sentence(file: &Path, error: &rusqlite::Error) -> String {
    OpenError { file: file.to_owned(), why: why(error) }.to_string()
}

//! The archive as the server holds it: two threads, and the queues to them. Nothing here waits but
//! [`Archive::stop`].

use std::time::Duration;

use super::{Answer, Health, Kept, OpenError, Record, Request, Settings, Unusable};
use crate::config::Keep;
use crate::nickname::Nickname;

/// An open archive.
#[derive(Debug)]
pub struct Archive {}

impl Archive {
    /// Opens the file, or makes it, and says what is kept in it. `now` is in seconds since 1970;
    /// `wake` is called in another thread when there is an answer.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(
        settings: &Settings,
        _now: u64,
        _wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Archive, Kept), OpenError> {
        Err(OpenError { file: settings.file.clone(), why: Unusable::Missing })
    }

    /// Takes all of `records` to be written soon. What does not fit into the queue is lost, and
    /// counted.
    pub fn record(&mut self, records: &mut Vec<Record>) {
        records.clear();
    }

    /// Tells the time, in seconds since 1970; once a turn is often enough.
    pub fn set_time(&mut self, _now: u64) {}

    /// From now on it is kept for so long.
    pub fn set_keep(&mut self, _keep: Keep, _rooms: &[(Nickname, Keep)]) {}

    /// Asks something. What was recorded before is known to the answer.
    ///
    /// # Errors
    /// Too many questions wait already: the request comes back.
    pub fn ask(&mut self, _ticket: u64, request: Request) -> Result<(), Request> {
        Err(request)
    }

    /// An answer that has come since, and what it was asked under.
    pub fn poll_answer(&mut self) -> Option<(u64, Answer)> {
        None
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::default()
    }

    /// Writes what waits, and closes the file. Waits at most so long. Returns how many lines were
    /// not written.
    #[must_use]
    pub fn stop(self, _within: Duration) -> usize {
        0
    }
}

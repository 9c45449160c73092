//! The archive as the server holds it: two threads, and the queues to them. Nothing here waits but
//! [`Archive::open`] and [`Archive::stop`].

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::InterruptHandle;

use super::queue::{Queue, Rules};
use super::writer::Writer;
use super::{Answer, Health, Kept, OpenError, Record, Request, Settings, Unusable, file, reader};
use crate::config::Keep;
use crate::nickname::Nickname;

/// Called when there is an answer.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// An open archive. Dropping it ends its threads, which write what waits before that, but are not
/// waited for.
pub struct Archive {
    queue: Arc<Queue>,
    /// Ends a search that is running.
    interrupt: InterruptHandle,
}

impl Archive {
    /// Opens the file, or makes it, and says what is kept in it. `now` is in seconds since 1970;
    /// `wake` is called in another thread when there is an answer.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(
        settings: &Settings,
        now: u64,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Archive, Kept), OpenError> {
        Archive::open_limited(settings, now, wake, None)
    }

    /// The same, with a file of at most so many pages, as if the disk were full then.
    fn open_limited(
        settings: &Settings,
        now: u64,
        wake: impl Fn() + Send + Sync + 'static,
        pages_max: Option<u32>,
    ) -> Result<(Archive, Kept), OpenError> {
        let path = settings.file.clone();
        let failed = |why| OpenError { file: settings.file.clone(), why };
        let rules = Rules { keep: settings.keep, rooms: settings.keep_rooms.clone() };
        let lock = file::lock(&path)?;
        let writes = file::open(&path)?;
        let kept = reader::kept(&writes, settings, &rules, now);
        let kept = kept.map_err(|error| failed(file::why(&error)))?;
        if let Some(pages) = pages_max {
            let limited = writes.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
            limited.map_err(|error| failed(file::why(&error)))?;
        }
        let reads = file::open_beside(&path)?;
        let interrupt = reads.get_interrupt_handle();
        let wake: Wake = Arc::new(wake);
        let queue = Arc::new(Queue::new(rules, now));
        let archive = Archive { queue: Arc::clone(&queue), interrupt };
        let writer = Writer::new(writes, Arc::clone(&queue), Arc::clone(&wake), lock);
        let file = path.clone();
        archive.start("archive", move || writer.run(&file)).map_err(failed)?;
        let work = move || reader::answer(&reads, &path, &queue, &wake);
        archive.start("reader", work).map_err(failed)?;
        Ok((archive, kept))
    }

    fn start(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Unusable> {
        let queue = Arc::clone(&self.queue);
        queue.thread_starts();
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            work();
            queue.thread_ends();
        });
        started.map(drop).map_err(|error| {
            self.queue.thread_ends();
            Unusable::System(format!("cannot start a thread: {error}"))
        })
    }

    /// Takes all of `records` to be written soon. What does not fit into the queue is lost, and
    /// counted.
    pub fn record(&mut self, records: &mut Vec<Record>) {
        self.queue.record(records);
    }

    /// Tells the time, in seconds since 1970; once a turn is often enough.
    pub fn set_time(&mut self, now: u64) {
        self.queue.set_time(now);
    }

    /// From now on things are kept for so long.
    pub fn set_keep(&mut self, keep: Keep, rooms: &[(Nickname, Keep)]) {
        self.queue.set_rules(Rules { keep, rooms: rooms.to_vec() });
    }

    /// Asks something. What was recorded before is known to the answer.
    ///
    /// # Errors
    /// Too many questions wait already: the request comes back.
    #[expect(clippy::result_large_err, reason = "what comes back is what was given")]
    pub fn ask(&mut self, ticket: u64, request: Request) -> Result<(), Request> {
        self.queue.ask(ticket, request)
    }

    /// Nobody waits for the answer to what was asked under this any more.
    pub fn cancel(&mut self, ticket: u64) {
        self.queue.cancel(ticket, || self.interrupt.interrupt());
    }

    /// An answer that has come since, and what it was asked under.
    pub fn poll_answer(&mut self) -> Option<(u64, Answer)> {
        self.queue.poll_answer()
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.queue.health()
    }

    /// Writes what waits, and closes the file. Waits at most so long. Returns how many lines were
    /// not written.
    #[must_use]
    pub fn stop(self, within: Duration) -> usize {
        self.end();
        self.queue.wait_for_end(within)
    }

    fn end(&self) {
        self.queue.stop();
        self.interrupt.interrupt();
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Said;
    use std::path::Path;

    use super::super::transfer::{self, Forget};
    use super::super::{Before, Record};
    use super::*;

    fn lines(ids: std::ops::Range<u64>) -> Vec<Record> {
        let line = |id| Record::Said {
            said: Said {
                id,
                unix_seconds: 1_767_225_600,
                from: "alice".to_owned(),
                text: format!("this is line {id} {}", "x".repeat(300)),
                ..Said::default()
            },
            room: "lobby".to_owned(),
            author: 1,
            account: None,
        };
        ids.map(line).collect()
    }

    fn wait_until(archive: &Archive, is_so: impl Fn(&Health) -> bool) {
        for _ in 0..6000 {
            if is_so(&archive.health()) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not become so: {:?}", archive.health());
    }

    fn open(file: &Path, pages_max: Option<u32>) -> (Archive, Kept) {
        let settings = Settings {
            file: file.to_owned(),
            keep: Keep::Forever,
            keep_rooms: Vec::new(),
            rooms_max: 1,
            history_lines_max: 1,
        };
        Archive::open_limited(&settings, 1_767_225_600, || {}, pages_max).unwrap()
    }

    #[test]
    fn a_full_disk_costs_lines_but_no_file_and_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("chinwag-{}-full", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("chat.db");
        let (mut archive, _) = open(&file, Some(200));
        let mut last = 0;
        while archive.health().failing.is_none() {
            archive.record(&mut lines(last + 1..last + 11));
            last += 10;
            thread::sleep(Duration::from_millis(1));
        }
        let why = archive.health().failing.unwrap();
        assert!(why.contains("the disk is full"), "{why}");
        // Nothing that waits can be read, but what is written can.
        let room = "lobby".to_owned();
        let history = Request::History { room, before: Before::Now, count: 1 };
        archive.ask(7, history).unwrap();
        let answer = loop {
            if let Some(answer) = archive.poll_answer() {
                break answer;
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert!(matches!(answer, (7, Answer::History { lines, .. }) if lines.len() == 1));
        archive.record(&mut lines(last + 1..last + 20_001));
        last += 20_000;
        let health = archive.health();
        assert!(health.lost > 0 && health.written > 0, "{health:?}");
        assert_eq!(health.lost + health.waiting as u64 + health.written, last);
        // Somebody makes room. It is tried again by itself.
        transfer::forget(&file, &Forget::Name("alice".to_owned())).unwrap();
        wait_until(&archive, |now| now.written > health.written);
        wait_until(&archive, |now| now.failing.is_some());
        let (health, left) = (archive.health(), archive.stop(Duration::from_secs(60)));
        assert_eq!(left, health.waiting, "the stop tries it once more, and then gives up");
        let (archive, kept) = open(&file, None);
        assert_eq!(kept.rooms[0].lines.len(), 1);
        assert_eq!(archive.stop(Duration::from_secs(60)), 0);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! The log: lines on stderr that can never hold up or end the server.
//!
//! `simple_logger` writes them. It blocks when stderr is a pipe that nobody reads, so it does so in
//! a thread of its own, with a bounded queue before it. What does not fit into the queue is lost,
//! and counted. It panics when stderr is gone; [`Writer`] makes an error of that.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

/// Lines that may wait to be written. The thread keeps up with anything but a stderr that nobody
/// reads.
const QUEUE_LINES: usize = 8 * 1024;

/// Bytes that they may have together.
const QUEUE_BYTES: usize = 1 << 20;

/// The thread that writes. Only [`Writer`] can panic there.
const THREAD: &str = "log";

/// How long [`flush`] waits for somebody to read what stands in the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// Begins to log at `level` and above; panics too.
pub(crate) fn start(level: LevelFilter) {
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    let writer = Writer(SimpleLogger::new().with_level(level).with_utc_timestamps());
    let bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue { sender, bytes: Arc::clone(&bytes), lost: AtomicUsize::new(0) };
    let thread = thread::Builder::new().name(THREAD.to_owned());
    if thread.spawn(move || write(&writer, &receiver, &bytes)).is_err() {
        return; // A server without a log is better than none.
    }
    // Only a second logger could make this fail, and there is none.
    if log::set_boxed_logger(Box::new(queue)).is_ok() {
        log::set_max_level(level);
    }
    panic::set_hook(Box::new(|panic| {
        // Of the thread that writes, a panic is an error that is dealt with there.
        if thread::current().name() != Some(THREAD) {
            log::error!("{panic}");
        }
    }));
}

/// Waits until all that was logged is written, or it is clear that nobody reads it.
pub(crate) fn flush() {
    log::logger().flush();
}

/// What goes to the thread that writes.
enum Entry {
    Line { level: Level, target: String, text: String },
    Flush(SyncSender<()>),
}

/// The loop's end of the log.
struct Queue {
    sender: SyncSender<Entry>,
    /// Bytes of text in the queue.
    bytes: Arc<AtomicUsize>,
    lost: AtomicUsize,
}

impl Queue {
    fn push(&self, level: Level, target: &str, text: String) -> bool {
        let bytes = text.len();
        // Added before it is sent, so that the thread never takes off what was not added.
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let line = Entry::Line { level, target: target.to_owned(), text };
        let sent =
            if before + bytes > QUEUE_BYTES { None } else { Some(self.sender.try_send(line)) };
        if matches!(sent, Some(Ok(()))) {
            return true;
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        // If there is nobody who could write it, it is not missed.
        matches!(sent, Some(Err(TrySendError::Disconnected(_))))
    }
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} log lines were lost: nobody read stderr");
            if !self.push(Level::Warn, module_path!(), text) {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        if !self.push(record.level(), record.target(), record.args().to_string()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (written, wait) = sync_channel(1);
        if self.sender.try_send(Entry::Flush(written)).is_ok() {
            // If nobody reads stderr, the end of the server does not wait for it.
            let _ = wait.recv_timeout(FLUSH);
        }
    }
}

/// `simple_logger` as a writer that can fail.
struct Writer(SimpleLogger);

/// Nothing that is written to stderr will arrive any more.
struct StderrIsGone;

impl Writer {
    fn write(&self, level: Level, target: &str, text: &str) -> Result<(), StderrIsGone> {
        let write = || {
            let mut record = Record::builder();
            let record = record.level(level).target(target);
            self.0.log(&record.args(format_args!("{text}")).build());
        };
        panic::catch_unwind(AssertUnwindSafe(write)).map_err(|_| StderrIsGone)
    }
}

/// Writes what comes, until stderr is gone; then it only empties the queue.
fn write(writer: &Writer, entries: &Receiver<Entry>, bytes: &AtomicUsize) {
    let mut gone = false;
    for entry in entries {
        match entry {
            Entry::Line { level, target, text } => {
                bytes.fetch_sub(text.len(), Ordering::Relaxed);
                gone = gone || writer.write(level, &target, &text).is_err();
            }
            Entry::Flush(written) => drop(written.try_send(())),
        }
    }
}

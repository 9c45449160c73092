//! The log: lines on stderr that can never hold up or end the server.
//!
//! `simple_logger` writes them. It blocks when stderr is a pipe that nobody reads, so it does so in
//! a thread of its own, with a bounded queue before it. What does not fit into the queue is lost,
//! and counted. It panics when stderr is gone; [`Writer`] makes an error of that.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Lines that may wait to be written. The thread keeps up with anything but a stderr that nobody
/// reads.
const QUEUE_LINES: usize = 8 * 1024;

/// Bytes that they may have together.
const QUEUE_BYTES: usize = 1 << 20;

/// The thread that writes. Only [`Writer`] can panic there.
const THREAD: &str = "log";

/// How long [`flush`] waits for somebody to read what stands in the queue.
const FLUSH: Duration = Duration::from_secs(1);

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: a JSON object in each line.
    Json,
}

/// Lines that tell of the server's own addresses begin so.
const OF_OURS: [&str; 3] = ["listening: ", "cannot accept at ", "cannot listen on "];

/// Begins to log at `level` and above; panics too. Without `addresses`, those of others are left
/// out.
pub(crate) fn start(level: LevelFilter, format: LogFormat, addresses: bool) {
    let (sender, receiver) = sync_channel(QUEUE_LINES);
    // What is below the level does not get this far; it can be changed while the server runs.
    let text = SimpleLogger::new().with_level(LevelFilter::Trace).with_utc_timestamps();
    let writer = Writer { text, format, addresses };
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

/// Writes to stderr, and can fail.
struct Writer {
    text: SimpleLogger,
    format: LogFormat,
    addresses: bool,
}

/// Nothing that is written to stderr will arrive any more.
struct StderrIsGone;

impl Writer {
    fn write(&self, level: Level, target: &str, text: &str) -> Result<(), StderrIsGone> {
        let text = &*match self.addresses {
            true => Cow::Borrowed(text),
            false => without_addresses(text),
        };
        if self.format == LogFormat::Json {
            let line = json(OffsetDateTime::now_utc(), level, target, text);
            return io::stderr().write_all(line.as_bytes()).map_err(|_| StderrIsGone);
        }
        let write = || {
            let mut record = Record::builder();
            let record = record.level(level).target(target);
            self.text.log(&record.args(format_args!("{text}")).build());
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

/// A line of the log as a JSON object.
fn json(now: OffsetDateTime, level: Level, target: &str, text: &str) -> String {
    let mut out = format!("{{\"time\":\"{}\"", now.format(&Rfc3339).unwrap_or_default());
    for (name, value) in [("level", level.as_str()), ("target", target), ("message", text)] {
        // Writing to a String cannot fail.
        let _ = write!(out, ",\"{name}\":\"");
        for c in value.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push_str("}\n");
    out
}

/// A line of the log with `-` for each address in it, but for the server's own.
fn without_addresses(text: &str) -> Cow<'_, str> {
    if OF_OURS.iter().any(|begin| text.starts_with(begin)) {
        return Cow::Borrowed(text);
    }
    let words = text.split(' ').map(|word| {
        let value = word.split_once('=').map_or(word, |(_, value)| value);
        let begin = value.trim_start_matches(['(', '"']);
        let core = begin.trim_end_matches([':', ',', ';', '.', ')', '"']);
        // Whoever has an address for a name may have a number behind it.
        let digits = core.trim_end_matches(|c: char| c.is_ascii_digit());
        let bare = digits.strip_suffix('_').or(digits.strip_suffix('/')).unwrap_or(core);
        let is_address =
            |text: &str| text.parse::<SocketAddr>().is_ok() || text.parse::<IpAddr>().is_ok();
        if is_address(core) || is_address(bare) { word.replace(core, "-") } else { word.to_owned() }
    });
    Cow::Owned(words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_others_are_left_out() {
        for (line, expected) in [
            (
                "connected: 192.0.2.1:5000 at lines (3 connections)",
                "connected: - at lines (3 connections)",
            ),
            ("closed: [2001:db8::1]:5000: quit", "closed: -: quit"),
            ("joined: al from 192.0.2.1:5000 (1 here)", "joined: al from - (1 here)"),
            ("left: 127.0.0.1:5000_2: quit", "left: -: quit"),
            (
                r#"event=ban by=al whom="192.0.2.0/24" why="1/2""#,
                r#"event=ban by=al whom="-" why="1/2""#,
            ),
            ("event=login account=al from=[::1]:5000", "event=login account=al from=-"),
            ("said: ::1:5000: look at 10:30, al_2", "said: -: look at 10:30, al_2"),
            ("listening: lines on 127.0.0.1:7711", "listening: lines on 127.0.0.1:7711"),
        ] {
            assert_eq!(without_addresses(line), expected);
        }
    }

    #[test]
    fn a_line_of_json_is_one_line_whatever_is_in_it() {
        let line = json(OffsetDateTime::UNIX_EPOCH, Level::Warn, "a::b", "\"x\\\n\u{1b}é\"");
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:00Z","level":"WARN","target":"a::b","#,
            r#""message":"\"x\\\u000a\u001bé\""}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }
}

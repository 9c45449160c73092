//! The server's log, read along: it says at which address somebody is who came in under a name,
//! which nothing that goes over the wire does, and spells out all names of a notice of many.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Once;

/// Somebody came in or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Of somebody who came in, where from.
    pub(crate) joined_from: Option<SocketAddr>,
}

thread_local! {
    static ENTRIES: RefCell<VecDeque<Entry>> = const { RefCell::new(VecDeque::new()) };
}

#[derive(Debug)]
struct Reader;

impl log::Log for Reader {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        if let Some(entry) = read(&line) {
            ENTRIES.with_borrow_mut(|entries| entries.push_back(entry));
        }
    }

    fn flush(&self) {}
}

fn read(line: &str) -> Option<Entry> {
    if let Some(rest) = line.strip_prefix("joined: ") {
        // Of other rooms it does not say where somebody comes from.
        let (name, rest) = rest.split_once(" from ")?;
        let (remote, _) = rest.split_once(" (")?;
        Some(Entry { name: name.to_owned(), joined_from: Some(remote.parse().ok()?) })
    } else {
        let (name, _) = line.strip_prefix("left: ")?.split_once(": ")?;
        Some(Entry { name: name.to_owned(), joined_from: None })
    }
}

/// Begins to read, with nothing read yet.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Reader).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
    forget();
}

/// The next entry that says that this one has come in.
pub(crate) fn take_joined(name: &str) -> Option<Entry> {
    ENTRIES.with_borrow_mut(|entries| {
        let joined = |entry: &Entry| entry.name == name && entry.joined_from.is_some();
        let at = entries.iter().position(joined)?;
        entries.remove(at)
    })
}

/// The next entry.
pub(crate) fn next() -> Option<Entry> {
    ENTRIES.with_borrow_mut(VecDeque::pop_front)
}

/// Forgets what has not been asked for.
pub(crate) fn forget() {
    ENTRIES.with_borrow_mut(VecDeque::clear);
}

//! The server's log, read along: it says in which order everything became so in all rooms, which
//! may be before it is told; at which address somebody is who came in under a name; and all names
//! of a notice of many.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Once;

use super::order::ROOMS;

/// Something that became so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Somebody has a name, and is in no room yet.
    Named { name: String, from: SocketAddr },
    /// Whoever is at this address is closed before being in a room.
    Closed { from: SocketAddr },
    /// Somebody is in a room.
    Joined { name: String, room: String },
    /// Somebody is in a room no more.
    Parted { name: String, room: String },
    /// Somebody is gone.
    Left { name: String },
    /// Somebody has no connection any more, and is waited for.
    Cut { name: String },
    /// Somebody has another connection, from this address.
    Back { name: String, from: SocketAddr },
    /// Somebody has another name.
    Renamed { old: String, new: String },
    /// Somebody did something of which others are told at once: all, or `to` alone.
    Did { name: String, to: Option<String> },
}

thread_local! {
    static ENTRIES: RefCell<VecDeque<Entry>> = const { RefCell::new(VecDeque::new()) };
}

#[derive(Debug)]
struct Reader;

impl log::Log for Reader {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Debug
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
    let (kind, rest) = line.split_once(": ")?;
    let pair = |between: &str, end: &str| {
        let (one, rest) = rest.split_once(between)?;
        let (other, _) = rest.split_once(end)?;
        Some((one.to_owned(), other.to_owned()))
    };
    Some(match kind {
        "named" => {
            let (name, from) = rest.split_once(" from ")?;
            Entry::Named { name: name.to_owned(), from: from.parse().ok()? }
        }
        // It is nobody's any more.
        "closed" if rest.ends_with(": came back over another connection") => return None,
        "closed" => Entry::Closed { from: rest.split_once(": ")?.0.parse().ok()? },
        "joined" => {
            let in_lobby = || Some((rest.split_once(" from ")?.0.to_owned(), ROOMS[0].to_owned()));
            let (name, room) = pair(" in ", " (").or_else(in_lobby)?;
            Entry::Joined { name, room }
        }
        "parted" => {
            let (name, room) = rest.split_once(" from ")?;
            Entry::Parted { name: name.to_owned(), room: room.to_owned() }
        }
        // When the server stops, nobody is told.
        "left" if rest.contains(": server stopping") => return None,
        "left" => Entry::Left { name: rest.split_once(": ")?.0.to_owned() },
        "said" | "topic" => Entry::Did { name: rest.split_once(": ")?.0.to_owned(), to: None },
        "cut off" => Entry::Cut { name: rest.split_once(": ")?.0.to_owned() },
        "back" => {
            let (name, from) = rest.split_once(" from ")?;
            Entry::Back { name: name.to_owned(), from: from.parse().ok()? }
        }
        "renamed" => {
            let (old, new) = rest.split_once(" is now ")?;
            Entry::Renamed { old: old.to_owned(), new: new.to_owned() }
        }
        "told" | "invited" => {
            let (name, to) = pair(" -> ", ": ")?;
            Entry::Did { name, to: Some(to) }
        }
        _ => return None,
    })
}

/// Begins to read, with nothing read yet.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Reader).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
    ENTRIES.with_borrow_mut(VecDeque::clear);
}

/// The next entry, if it is such.
pub(crate) fn next_if(is_such: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
    ENTRIES.with_borrow_mut(|entries| match entries.front() {
        Some(first) if is_such(first) => entries.pop_front(),
        _ => None,
    })
}

//! What somebody can cost the server: the table under "What members cost" in `docs/operations.md`,
//! measured. For each row a hub is brought into the state that the row tells of, as bad as it gets,
//! and the bytes are counted that it has asked the heap for (`bounds/states.rs`). They must be at
//! most what the row says, and not far below. A row that nobody measures fails, too.
//!
//! There is but one test, for the heap is that of the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; what it measured is shown"
)]

use std::fs;
use std::path::Path;

use peak_alloc::PeakAlloc;

#[path = "../benches/hub/mod.rs"]
mod hub;
#[path = "bounds/log.rs"]
mod log_queue;
#[path = "../src/logger.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is a part of the program, and all is used there")]
mod logger;
#[path = "bounds/states.rs"]
mod states;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What was measured: each time in which situation, and how many bytes.
type Measured = Vec<(String, usize)>;

/// A row by its first cell, and what measures it.
type Row = (&'static str, fn() -> Measured);

const ROWS: &[Row] = &[
    ("a member who listens at `lines`", states::listening),
    ("a member who listens elsewhere", states::listening_elsewhere),
    ("the longest name", states::long_name),
    #[cfg(feature = "web")]
    ("the second room that a member is in", states::second_room),
    #[cfg(feature = "web")]
    ("each room after that", states::further_rooms),
    ("what the room said and somebody has not read yet", states::unread_room),
    ("a member who does not read it", states::not_reading),
    ("a member who asks and does not read the answers", states::unread_answers),
    #[cfg(feature = "web")]
    ("a member who asks for lines of the archive", states::unread_archive),
    (
        "lists of names above 4 KiB, and browsers' welcomes, that somebody has not read yet",
        states::unread_lists,
    ),
    ("private messages to a member who does not read", states::unread_messages),
    ("a member who talks faster than `--flood`", states::held_back),
    ("a line that has not come whole", states::unfinished_line),
    #[cfg(feature = "web")]
    ("a browser's message that has not come whole", states::unfinished_message),
    #[cfg(feature = "web")]
    ("a browser that is cut off and waited for, and private messages to it", states::cut_off),
    #[cfg(feature = "web")]
    ("a browser that has left and may come back", states::may_come_back),
    #[cfg(feature = "web")]
    ("the keys of what a browser has said", states::keys),
    ("the addresses of those who talked or came lately", states::addresses),
    ("the history", states::history),
    ("what happened in a room between the lines", states::happened),
    ("the history as it is told", states::told_history),
    ("an account of the longest name", states::account),
    ("a ban or a mute with the longest reason", states::sanction),
    ("the log, when nobody reads stderr", log_queue::unread),
];

/// Rows that are not measured here, but by the unit tests of `src/ignoring.rs`; and those of other
/// builds.
const UNMEASURED: &[&str] = &[
    "a list of 100 people, all of them here, whom a member ignores",
    "what a member who does not read need not hear: its own lines, and of those it ignores",
    // Nothing is encrypted without sockets: tests/tls_memory.rs.
    "a member over TLS, beside what it costs without",
    // It costs a browser twice as much.
    #[cfg(not(feature = "web"))]
    "a member who asks for lines of the archive",
    #[cfg(not(feature = "web"))]
    "the second room that a member is in",
    #[cfg(not(feature = "web"))]
    "each room after that",
    #[cfg(not(feature = "web"))]
    "a browser's message that has not come whole",
    #[cfg(not(feature = "web"))]
    "a browser that is cut off and waited for, and private messages to it",
    #[cfg(not(feature = "web"))]
    "a browser that has left and may come back",
    #[cfg(not(feature = "web"))]
    "the keys of what a browser has said",
];

/// The table's rows: what each is about, and its last cell.
fn table() -> Vec<(String, String)> {
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let operations = fs::read_to_string(operations).unwrap();
    let section = operations.split("## What members cost\n").nth(1).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        (cells.next().unwrap(), cells.next_back().unwrap())
    })
    .collect()
}

/// The bytes that a cell promises, as in `12.5 KiB`.
fn promised(cell: &str) -> usize {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, "bytes"));
    let number: f64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell:?}"));
    let unit = match unit {
        "bytes" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        _ => panic!("{cell:?} is not in bytes, KiB or MiB"),
    };
    (number * unit) as usize
}

#[test]
fn the_table_of_what_members_cost_is_true() {
    let mut flaws = Vec::new();
    let table = table();
    for (name, _) in ROWS {
        if !table.iter().any(|(row, _)| row == name) {
            flaws.push(format!("the table has no row {name:?}"));
        }
    }
    for (row, cell) in table.iter().filter(|(row, _)| !UNMEASURED.contains(&&**row)) {
        let Some((_, measure)) = ROWS.iter().find(|(name, _)| name == row) else {
            flaws.push(format!("nothing measures {row:?}"));
            continue;
        };
        let (bound, measured) = (promised(cell), measure());
        for (what, bytes) in &measured {
            println!("{row}: {what}: {bytes}");
            if *bytes > bound {
                flaws.push(format!("{row}: {bytes} bytes ({what}), and {bound} are promised"));
            }
        }
        let most = measured.iter().map(|(_, bytes)| *bytes).max().unwrap();
        if most < bound / 2 {
            flaws.push(format!("{row}: never more than {most} bytes, and {bound} are promised"));
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

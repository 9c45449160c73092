//! The log's queue, in a process of its own whose stderr is a pipe that nobody reads.

use std::env;
use std::process::{Command, Stdio};

use super::{HEAP, Measured, logger};

/// How long the lines are that the process logs.
const LENGTH: &str = "CHINWAG_TEST_LOG_LINE_BYTES";

/// What comes before the number of bytes.
const GROWN: &str = "grown by ";

pub(crate) fn unread() -> Measured {
    let of_length = |length: usize| {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "log_queue::a_process_logs", "--ignored", "--nocapture"])
            .env(LENGTH, length.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = std::io::read_to_string(process.stdout.take().unwrap()).unwrap();
        process.wait().unwrap();
        let bytes =
            stdout.lines().find_map(|line| Some(line.split_once(GROWN)?.1.parse().unwrap()));
        (format!("lines of {length}"), bytes.unwrap_or_else(|| panic!("{stdout}")))
    };
    [10, 128, 4096].map(of_length).to_vec()
}

#[test]
#[ignore = "it is what another test starts"]
fn a_process_logs() {
    let Some(length) = env::var(LENGTH).ok().and_then(|length| length.parse().ok()) else { return };
    let before = HEAP.current_usage();
    logger::start(log::LevelFilter::Info, logger::LogFormat::Text, true);
    let line = "x".repeat(length);
    for _ in 0..20_000 {
        log::info!(target: "chinwag::hub::hearing", "{line}");
    }
    println!("{GROWN}{}", HEAP.current_usage() - before);
}

//! The bots in `docs/bots.md` are what a reader copies, so they are taken out of that page as they
//! stand there and run against the server: they are short, come in, answer, and say when it ends.

#![cfg(all(target_os = "linux", feature = "web"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Person, Process, Server};

/// Lines of a bot, which is to be read at a glance; blank ones do not count.
const BOT_LINES_MAX: usize = 20;

/// The program that stands below this heading of the page.
fn program(heading: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bots.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = below.split("\n## ").next().unwrap().split_once("\n```").unwrap();
    let (_, block) = block.split_once('\n').unwrap();
    let program = block.split("```").next().unwrap().to_owned();
    let lines = program.lines().filter(|line| !line.trim().is_empty()).count();
    assert!((1..=BOT_LINES_MAX).contains(&lines), "{heading}: {lines} lines");
    program
}

/// Runs a bot against a server that speaks this dialect, with people who talk to it.
fn answers(dialect: &str, mut command: Command, args: &[&str]) {
    let mut server = Server::start_with_listeners(&["lines", "web", "irc"], &["--history", "9"]);
    let mut lena = Person::join(&server, "lena");
    lena.says("!echo too early");
    let port = server.address(dialect).port().to_string();
    command.args(args).arg(&port);
    let mut bot = Process::spawn(command);
    lena.sees("* echobot joined (2 here)");
    lena.says("hello");
    for words in ["hi there", "/nick fool", "quit", "你好"] {
        lena.says(&format!("!echo {words}"));
        lena.sees(&format!("echobot: lena: {words}"));
    }
    // Nobody forges a line, and it does not talk to itself.
    lena.says("/me eve: !echo forged");
    lena.says("!echo !echo twice");
    lena.sees("echobot: lena: !echo twice");
    lena.sees_nothing_more();
    server.terminate();
    server.wait();
    assert_eq!(bot.wait(), Some(1), "it says that the server has gone");
}

fn python_answers(heading: &str, dialect: &str) {
    let program = program(heading);
    answers(dialect, Command::new("python3"), &["-c", &program]);
}

#[test]
fn the_bot_in_python_at_lines_answers() {
    python_answers("Python, `lines`", "lines");
}

#[test]
fn the_bot_in_python_over_websocket_answers() {
    let found = Command::new("python3").args(["-c", "import websockets.sync.client"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found, "the Python package websockets is missing: python3 -m pip install websockets");
    python_answers("Python, WebSocket", "web");
}

#[test]
fn the_bot_in_python_by_irc_answers() {
    python_answers("Python, IRC", "irc");
}

/// The program in the page is `examples/bot.rs` without what that says of itself. Cargo builds the
/// examples before `cargo test` runs anything, and puts them beside the directory of the tests.
#[test]
fn the_bot_in_rust_answers() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bot.rs");
    let source = fs::read_to_string(source).unwrap();
    let source: Vec<_> = source.lines().skip_while(|line| !line.starts_with("use ")).collect();
    let program = program("Rust, `lines`");
    assert_eq!(source, program.lines().collect::<Vec<_>>(), "examples/bot.rs is not in the page");
    let test = std::env::current_exe().unwrap();
    let bot = test.parent().unwrap().parent().unwrap().join("examples/bot");
    assert!(bot.exists(), "{bot:?} is built by `cargo test` or `cargo build --example bot`");
    answers("lines", Command::new(bot), &[]);
}

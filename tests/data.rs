//! What outlives the real server: `--data`, a stop, a kill, a file that cannot be used.

#![cfg(feature = "data")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::fs;

use common::{Folder, Person, Process, Server, chinwag};

fn data(folder: &Folder) -> String {
    format!("--data={}", folder.file("chat.db").display())
}

/// The next line is one that was said some time ago.
#[track_caller]
fn sees_old(person: &mut Person, line: &str) {
    let seen = person.sees_a_line();
    assert!(seen.starts_with('['), "{seen}");
    assert_eq!(&seen["[HH:MM] ".len()..], line);
}

#[test]
fn rooms_are_as_they_were_after_a_stop_and_what_was_said_is_found() {
    let folder = Folder::new("data-stop");
    let mut server = Server::start(&[&data(&folder), "--history=2"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.sees("* bob joined (2 here)");
    for line in ["one", "two", "你好世界"] {
        bob.says(line);
        alice.sees(&format!("bob: {line}"));
    }
    alice.says("/topic tea");
    for person in [&mut alice, &mut bob] {
        person.sees("* alice says what #lobby is about: tea");
    }
    bob.says("/msg alice quagmire");
    alice.sees("[bob -> you] quagmire");
    #[cfg(unix)]
    {
        server.terminate();
        assert_eq!(server.wait(), Some(0));
    }
    #[cfg(windows)]
    {
        // A question is answered when all that was said before it is safe.
        alice.says("/search tea");
        alice.sees("* Nothing was found.");
        server.kill();
    }
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(8).any(|part| part == b"quagmire"), "private messages are not kept");
    }

    let server = Server::start(&[&data(&folder), "--history=2"]);
    let mut carol = Person::join(&server, "carol");
    ["bob: two", "bob: 你好世界"].iter().for_each(|line| sees_old(&mut carol, line));
    carol.says("/topic");
    carol.sees("* #lobby is about: tea");
    carol.says("/history 9");
    assert!(carol.sees_a_line().ends_with("(UTC)"));
    ["bob: one", "bob: two", "bob: 你好世界"].iter().for_each(|line| sees_old(&mut carol, line));
    carol.says("/search 世界 from:BOB in:#lobby");
    carol.sees("* Found, the newest first, in UTC:");
    assert!(carol.sees_a_line().ends_with("] bob: 你好世界"));
    carol.sees_nothing_more();
}

#[test]
fn a_kill_costs_nothing_that_was_safe() {
    let folder = Folder::new("data-kill");
    let mut said = 0;
    for round in 0..3 {
        let mut server = Server::start(&[&data(&folder), "--flood=0"]);
        let mut alice = Person::join(&server, &format!("alice{round}"));
        for _ in 0..50 {
            alice.says(&format!("line {said}"));
            said += 1;
        }
        // A question is answered when all that was said before it is safe.
        alice.says("/search before:1971-01-01");
        alice.sees_until("* Nothing was found.");
        server.kill();
    }
    let server = Server::start(&[&data(&folder), "--history=0"]);
    let mut bob = Person::join(&server, "bob");
    bob.says("/history 1000");
    assert!(bob.sees_a_line().ends_with("(UTC)"));
    for number in 0..said {
        sees_old(&mut bob, &format!("alice{}: line {number}", number / 50));
    }
    bob.sees_nothing_more();
}

#[test]
fn a_file_that_cannot_be_used_ends_the_start_with_a_sentence() {
    let folder = Folder::new("data-refused");
    fs::write(folder.file("chat.db"), "Dear diary, this is no database at all. ".repeat(200))
        .unwrap();
    let mut command = chinwag();
    command.args([&*data(&folder), "--listen=lines=127.0.0.1:0"]);
    let mut process = Process::spawn(command);
    assert_eq!(process.wait(), Some(3));
    let told = process.stderr.lines_at_the_end();
    assert!(told.iter().any(|line| line.contains("not a file of chinwag")), "{told:?}");
    assert!(!folder.file("chat.db-wal").exists());
}

//! Hazards of reading and writing: 1, 2, 9, 10 and 11.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::crowd::{Stranger, TCP_DIALECTS, deaf_member};
use crate::common::{Person, Server, WELCOME, room};

/// 1: the event for all of this comes once.
#[test]
fn a_megabyte_in_one_write_arrives_whole_although_nothing_follows() {
    const LINES: usize = 10_000;
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let line = |number: usize| format!("{number:.>104}");
    let text: String = (0..LINES).map(|number| line(number) + "\n").collect();
    assert!(text.len() > 1 << 20);
    // In one write, and so from another thread: who does not read meanwhile could be too slow.
    let thread = thread::spawn(move || {
        alice.sends(text.as_bytes());
        alice
    });
    for number in 0..LINES {
        bob.sees(&format!("alice: {}", line(number)));
    }
    bob.sees_nothing_more();
    thread.join().unwrap().sees_nothing_more();
}

/// 2: by progress and not by time. While everyone says a line, the flooder says no more than some
/// buffers hold; where it has the loop for itself, the round never ends.
#[test]
fn a_flooder_leaves_a_hundred_talkers_their_turn() {
    const TALKERS: usize = 100;
    const ROUNDS: usize = 5;
    /// What the kernel, the backlog and a few turns of the loop may hold of the flood.
    const FLOOD_MAX: usize = 64 << 20;
    let server = Server::start(&["--flood", "0", "--backlog", "8M"]);
    let mut reader = Person::join(&server, "hearer");
    let mut talkers: Vec<Stranger> = (0..TALKERS)
        .map(|number| Stranger::enters(&server, "lines", &format!("talker{number}"), &mut reader).0)
        .collect();
    let (flooder, _) = Stranger::enters(&server, "lines", "flooder", &mut reader);
    // Everyone reads what is said, lest they be too slow.
    for stranger in talkers.iter().chain([&flooder]) {
        let mut stream = stranger.stream().try_clone().unwrap();
        thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
    }
    let over = Arc::new(AtomicBool::new(false));
    let flood = thread::spawn({
        let (over, mut flooder) = (Arc::clone(&over), flooder);
        let lines = format!("{:x>1000}\n", "").repeat(64);
        move || {
            while !over.load(Ordering::Relaxed) {
                flooder.sends(lines.as_bytes());
            }
        }
    });
    reader.sees_prefix("flooder: ");
    for round in 0..ROUNDS {
        for talker in &mut talkers {
            talker.sends(format!("round {round}\n").as_bytes());
        }
        let mut heard = vec![0; TALKERS];
        let mut flooded = 0;
        while heard.iter().sum::<usize>() < TALKERS {
            let line = reader.sees_a_line();
            if line.starts_with("flooder: ") {
                flooded += line.len();
                assert!(flooded < FLOOD_MAX, "{} talkers were heard", heard.iter().sum::<usize>());
                continue;
            }
            let (name, text) = line.split_once(": ").unwrap();
            assert_eq!(text, format!("round {round}"));
            heard[name.strip_prefix("talker").unwrap().parse::<usize>().unwrap()] += 1;
        }
        assert!(heard.iter().all(|times| *times == 1), "{heard:?}");
    }
    assert!(!flood.is_finished(), "the flood is over");
    reader.sees_prefix("flooder: ");
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
}

/// 9: with more to flush than a socket holds.
#[test]
fn a_half_closed_client_gets_all_that_it_asked_for() {
    const QUESTIONS: usize = 1000;
    let server = Server::start(&["--flood", "0"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = deaf_member(&server, "bob");
    alice.sees("* bob joined (2 here)");
    bob.sends("/help\n".repeat(QUESTIONS).as_bytes());
    bob.sends(b"the last line has no end");
    bob.half_closes();
    // It begins to read only now; its line comes after the answers that it has room for.
    let (seen, orderly) = bob.reads_to_the_end();
    assert!(orderly, "no orderly end");
    let seen = String::from_utf8(seen).unwrap();
    let help = alice.answers_to("/help");
    // What bob says is among the answers.
    let (told, help): (Vec<_>, Vec<_>) = help.into_iter().partition(|line| line.contains("bob"));
    let answers: Vec<&str> = seen.lines().skip(2).collect();
    assert_eq!(answers.len(), help.len() * QUESTIONS);
    for answer in answers.chunks(help.len()) {
        assert_eq!(answer, help);
    }
    let mut told = told.into_iter();
    let mut next = || told.next().unwrap_or_else(|| alice.sees_a_line());
    assert_eq!(next(), "bob: the last line has no end");
    assert_eq!(next(), "* bob left (1 here)");
}

/// 10: at the end nobody waits to be written to, and the server does nothing. (What standing
/// interest in writing costs can only be seen on Windows.)
#[test]
fn readers_that_pause_have_everything_when_they_go_on_and_then_the_server_rests() {
    const READERS: usize = 16;
    const LINE: usize = 1000;
    const LINES: usize = 4000;
    // All of them stand still while one reads, however long that takes on a slow machine.
    const ROOMY: [&str; 3] = ["--flood=0", "--backlog=64M", "--stall-timeout=600"];
    #[cfg(target_os = "linux")]
    let watched = super::system::Watched::start(&ROOMY);
    #[cfg(target_os = "linux")]
    let server = &watched.server;
    #[cfg(not(target_os = "linux"))]
    let server = &Server::start(&ROOMY);
    let [mut alice, mut bob] = room(server, ["alice", "bob"]);
    let join = |number| {
        let reader = deaf_member(server, &format!("reader{number}"));
        for person in [&mut alice, &mut bob] {
            person.sees_prefix(&format!("* reader{number} joined"));
        }
        reader
    };
    let mut readers: Vec<Stranger> = (0..READERS).map(join).collect();
    let line = |number: usize| format!("{number:.>0$}", LINE - "alice: \n".len());
    for batch in (0..LINES).collect::<Vec<_>>().chunks(50) {
        let lines: String = batch.iter().map(|number| line(*number) + "\n").collect();
        alice.sends(lines.as_bytes());
        for number in batch {
            bob.sees(&format!("alice: {}", line(*number)));
        }
    }
    // They go on one after the other, not in the order in which they came.
    let expected: String = (0..LINES).map(|number| format!("alice: {}\n", line(number))).collect();
    for number in (0..READERS).map(|number| number * 5 % READERS) {
        let reader = &mut readers[number];
        if number + 1 < READERS {
            reader.waits_for(&format!("* reader{} joined ({} here)\n", READERS - 1, READERS + 2));
        }
        assert!(reader.reads(expected.len()) == expected.as_bytes(), "reader{number}");
    }
    alice.says("is all well?");
    for reader in &mut readers {
        reader.waits_for("alice: is all well?\n");
    }
    bob.sees("alice: is all well?");
    bob.sees_nothing_more();
    #[cfg(target_os = "linux")]
    {
        let load = watched.load();
        assert!(load < 0.1, "{load} of a processor for nothing");
    }
}

/// 11: the reason comes before the end although the server has not read all, whatever the reason.
#[test]
fn the_reason_comes_before_the_end_although_a_megabyte_is_unread() {
    let megabyte = vec![b'x'; 1 << 20];
    let listeners = TCP_DIALECTS.map(|dialect| format!("--listen={dialect}=127.0.0.1:0"));
    let server = Server::start(&listeners.each_ref().map(String::as_str));
    let mut alice = Person::join(&server, "alice");
    for dialect in TCP_DIALECTS {
        let (mut bob, name) = Stranger::enters(&server, dialect, "bob", &mut alice);
        bob.tries_to_send(&megabyte);
        let (seen, orderly) = bob.reads_to_the_end();
        let seen = String::from_utf8(seen).unwrap();
        assert!(orderly, "{dialect}: no orderly end after {seen:?}");
        assert!(seen.contains("64") || seen.contains("65536"), "{dialect}: no reason in {seen:?}");
        alice.sees_prefix(&format!("* {name} left: "));
        alice.sees_nothing_more();
    }

    let server = Server::start(&["--max-clients", "16"]);
    let mut crowd: Vec<Person> = (0..16).map(|_| Person::connect(&server)).collect();
    for person in &mut crowd {
        person.sees(WELCOME);
    }
    let mut late = Stranger::connect(server.address("lines"));
    late.tries_to_send(&megabyte);
    let (seen, orderly) = late.reads_to_the_end();
    assert_eq!(String::from_utf8_lossy(&seen), "! The server is full.\n");
    assert!(orderly, "no orderly end");
}

//! Hazards of coming and going: 3, 5 to 8, 30 and 32.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;

use super::crowd::{Stranger, as_many_as, callers};
use crate::common::{Notice, Person, Server, WELCOME, room};

/// 3
#[test]
fn two_thousand_who_come_at_once_are_all_greeted() {
    let server = Server::start(&[]);
    let count = at_once(as_many_as(2000));
    // For the loop they come in one turn; and when they have come, nothing happens any more.
    let mut people: Vec<Person> =
        while_paused(&server, || (0..count).map(|_| Person::connect(&server)).collect());
    for person in &mut people {
        person.sees(WELCOME);
    }
}

/// 7: whoever finds the queue full is let in a second later, or three, or seven, when its system
/// tries again. Here the queue is never full.
#[cfg(target_os = "linux")]
#[test]
fn thousands_fit_into_the_queue_before_the_door() {
    use std::net::TcpStream;
    use std::time::Duration;

    let server = Server::start(&[]);
    let most = at_once(as_many_as(4000));
    let address = server.address("lines");
    // The first second attempt would be after a second.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
    let queue: Vec<TcpStream> = while_paused(&server, || (0..most).map(|_| connect()).collect());
    for stream in queue {
        Stranger::from_stream(stream).waits_for(WELCOME);
    }
}

/// How many of `wanted` can wait to be accepted at once: no more than this system keeps for a
/// server that takes its time.
fn at_once(wanted: usize) -> usize {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
    somaxconn.and_then(|max| max.trim().parse().ok()).unwrap_or(wanted).min(wanted)
}

/// Does something of which the server sees nothing before all of it has happened. Elsewhere than on
/// Linux it may see it sooner.
fn while_paused<T>(server: &Server, happens: impl FnOnce() -> T) -> T {
    #[cfg(target_os = "linux")]
    server.pause();
    let result = happens();
    #[cfg(target_os = "linux")]
    server.resume();
    #[cfg(not(target_os = "linux"))]
    let _ = server;
    result
}

/// 5, 6: a connection that is dead before it is accepted. On Linux it is accepted all the same; on
/// macOS setting its options fails, on Windows accepting it does.
#[test]
fn ten_thousand_who_come_and_reset_keep_nobody_out() {
    // If any of them were still counted, the server would soon be full.
    let server = Server::start(&["--max-clients", "1000"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    for round in 0..10 {
        // Some are dead when they are accepted, and some die later.
        let storm = || {
            for number in 0..100 {
                let mut stranger = Stranger::connect(server.address("lines"));
                match number % 3 {
                    0 => {}
                    1 => stranger.tries_to_send(b"mallory\nhi\n"),
                    _ => stranger.tries_to_send(b"mall"),
                }
                stranger.resets();
            }
        };
        while_paused(&server, || (0..5).for_each(|_| storm()));
        (0..5).for_each(|_| storm());
        // A name is read before the reset is, or not; then there are a joining and a leaving.
        alice.says(&format!("round {round}"));
        let heard = bob.sees_until(&format!("alice: round {round}"));
        let others = alice.answers_to(&format!("/nothing{round}"));
        for line in heard.iter().chain(&others) {
            let ours = line.starts_with("! ") || line.starts_with("mallory: hi");
            assert!(ours || Notice::parse(line).is_some(), "{line:?}");
        }
    }
    Person::join(&server, "carol");
    let joined = |line: &str| line.starts_with("* carol joined");
    while !joined(&alice.sees_a_line()) {}
}

/// 8
#[test]
fn in_a_churn_of_sockets_no_line_is_under_a_wrong_name_and_no_fresh_socket_is_closed() {
    const THREADS: usize = 4;
    const EACH: usize = 250;
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let address = server.address("lines");
    let churn = |thread| thread::spawn(move || (0..EACH).for_each(|i| comes(address, thread, i)));
    let threads: Vec<_> = (0..THREADS).map(churn).collect();
    let mut seen = Vec::new();
    let mut round = 0;
    while !threads.iter().all(thread::JoinHandle::is_finished) {
        round += 1;
        alice.says(&format!("I am alice, {round}"));
        seen.extend(bob.sees_until(&format!("alice: I am alice, {round}")));
        bob.says(&format!("I am bob, {round}"));
        alice.sees_until(&format!("bob: I am bob, {round}"));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let mut said: HashMap<String, usize> = HashMap::new();
    let (mut joined, mut left) = (0, 0);
    let mut note = |line: &str| {
        if let Some(notice) = Notice::parse(line) {
            let count = notice.names.len() + notice.unnamed;
            *(if notice.what == "joined" { &mut joined } else { &mut left }) += count;
            return left;
        }
        let (name, text) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        assert_eq!(text, format!("I am {name}"));
        *said.entry(name.to_owned()).or_default() += 1;
        left
    };
    let mut gone = seen.iter().map(|line| note(line)).last().unwrap_or(0);
    while gone < THREADS * EACH {
        gone = note(&bob.sees_a_line());
    }
    assert_eq!((joined, left), (THREADS * EACH, THREADS * EACH));
    assert_eq!(said.len(), THREADS * EACH, "people who said who they are");
    assert!(said.values().all(|times| *times == 1), "lines were said twice");
    bob.sees_nothing_more();
}

/// Joins, says who it is, and goes away in one of four ways.
fn comes(address: SocketAddr, thread: usize, number: usize) {
    let name = format!("churn{thread}x{number}");
    let mut stranger = Stranger::connect(address);
    stranger.waits_for(WELCOME);
    stranger.sends(format!("{name}\n").as_bytes());
    stranger.waits_for(&format!("* You are {name}. "));
    stranger.sends(format!("I am {name}\n/known\n").as_bytes());
    // When this is answered the line has been said, whatever happens to the socket.
    stranger.waits_for("! There is no command /known.");
    match number % 4 {
        0 => drop(stranger),
        1 => stranger.resets(),
        2 => {
            stranger.sends(b"/quit\n");
            stranger.waits_for("* Goodbye.\n");
            assert!(stranger.reads_to_the_end().1, "no orderly end");
        }
        _ => {
            stranger.half_closes();
            assert!(stranger.reads_to_the_end().1, "no orderly end");
        }
    }
}

/// 30
#[test]
fn of_many_who_claim_a_name_at_once_one_gets_it() {
    const SPELLINGS: [&str; 4] = ["Alice", "ALICE", "Ａlice", "аlice"];
    let server = Server::start(&[]);
    let mut people = callers(&server, 40);
    while_paused(&server, || {
        for (number, person) in people.iter_mut().enumerate() {
            person.says(SPELLINGS[number % SPELLINGS.len()]);
        }
    });
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for mut person in people {
        let line = person.sees_a_line();
        if line.starts_with("* You are ") {
            winners.push(person);
        } else {
            assert!(line.starts_with("! ") && line.ends_with("Try another."), "{line:?}");
            losers.push(person);
        }
    }
    assert_eq!((winners.len(), losers.len()), (1, 39));
    let mut winner = winners.remove(0);
    winner.sees_nothing_more();

    // Whoever dies by a reset holds the name no longer. (A peer that is just gone is found out by
    // TCP keepalive, which `limits.rs` looks at.)
    let mut next = losers.remove(0);
    winner.resets();
    loop {
        next.says("alice");
        if !next.sees_a_line().starts_with("! ") {
            break;
        }
    }
    next.sees_nothing_more();
}

/// 32; on Windows there is nothing to be done for it, and another option would be harmful.
#[cfg(unix)]
#[test]
fn after_a_kill_the_same_port_is_free_at_once() {
    let mut server = Server::start(&[]);
    let listener = format!("lines={}", server.address("lines"));
    for _ in 0..3 {
        let [alice, mut bob] = room(&server, ["alice", "bob"]);
        // One connection was closed by the server and one by its client, and one is there still.
        let mut carol = Person::join(&server, "carol");
        carol.says("/quit");
        carol.sees_until_eof();
        alice.closes();
        server.kill();
        server = Server::start(&["--listen", &listener]);
        bob.sees_until_cut_off();
    }
    room(&server, ["alice", "bob"]);
}

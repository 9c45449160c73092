//! Each row of the table of limits in HAZARDS.md, as far as it concerns TCP: what happens past it,
//! to whom, and that it happens to nobody else. Small values are given by flags.
//!
//! Where time is measured, only a least time is: a slow machine makes no test fail. The one limit
//! that cannot be reached from a test is the four probes of TCP keepalive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, Person, Server, WELCOME, own_address, room};

// ---- Clients --------------------------------------------------------------------------------

#[test]
fn one_client_too_many_is_told_so_until_there_is_room_again() {
    let server = Server::start(&["--max-clients", "16"]);
    let mut alice = Person::join(&server, "alice");
    let mut crowd: Vec<Person> = (0..15).map(|_| Person::connect(&server)).collect();
    for person in &mut crowd {
        person.sees(WELCOME);
    }
    for _ in 0..3 {
        let mut late = Person::connect(&server);
        late.sees("! The server is full.");
        late.sees_eof();
    }
    crowd.remove(0).takes_name("bob");
    alice.sees("* bob joined (2 here)");
    alice.sees("* bob left (1 here)");

    // The place is free when the server has seen the last of bob, which may be a moment later.
    let deadline = Instant::now() + PATIENCE;
    let mut carol = loop {
        let mut late = Person::connect(&server);
        if late.sees_a_line() == WELCOME {
            break late;
        }
        assert!(Instant::now() < deadline, "the server stays full");
    };
    carol.takes_name("carol");
    alice.sees("* carol joined (2 here)");
    alice.sees_nothing_more();
}

#[cfg(unix)]
#[test]
fn a_low_limit_of_descriptors_lowers_the_number_of_clients() {
    let command = common::chinwag_with_descriptors(64);
    let server = Server::start_as(command, &["--max-clients", "1000"]);
    server.log().waits_for("WARN");
    let mut alice = Person::join(&server, "alice");
    let mut crowd: Vec<Person> = (0..200).map(|_| Person::connect(&server)).collect();
    // Who is too many is told so, or just closed if not even that can be done.
    let is_welcome = |person: &mut Person| person.sees_within(PATIENCE).as_deref() == Some(WELCOME);
    let welcome = crowd.iter_mut().map(is_welcome).filter(|is_welcome| *is_welcome).count();
    assert!((15..64).contains(&welcome), "{welcome} are welcome with 64 descriptors");
    alice.sees_nothing_more();
    drop(crowd);
    let start = Instant::now();
    while !is_welcome(&mut Person::connect(&server)) {
        assert!(start.elapsed() < PATIENCE, "the server stays full");
    }
}

#[cfg(unix)]
#[test]
fn too_few_descriptors_for_a_room_are_an_error() {
    let mut command = common::chinwag_with_descriptors(16);
    command.args(["--listen", "lines=127.0.0.1:0"]);
    let mut process = common::Process::spawn(command);
    let code = process.wait();
    assert!(matches!(code, Some(1..=3)), "exit code {code:?}");
    let log = process.stderr.lines_at_the_end();
    assert!(!log.is_empty() && !log.join(" ").contains("panicked"), "{log:#?}");
}

#[test]
fn connections_from_the_machine_itself_are_not_counted_by_address() {
    let server = Server::start(&["--max-per-ip", "2"]);
    let mut crowd: Vec<Person> = (0..70).map(|_| Person::connect(&server)).collect();
    for person in &mut crowd {
        person.sees(WELCOME);
    }
}

/// Who connects to an address of this machine that is not its loopback comes from that address.
#[test]
fn an_address_gets_no_more_connections_than_its_share() {
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but its loopback");
        return;
    };
    let server = Server::start(&["--max-per-ip", "2", "--listen", &format!("lines={address}:0")]);
    let mut first = Person::connect(&server);
    first.sees(WELCOME);
    let mut second = Person::join(&server, "second");
    for _ in 0..3 {
        let mut third = Person::connect(&server);
        third.sees_prefix("! ");
        third.sees_eof();
    }
    second.sees_nothing_more();
    second.says("/quit");
    second.sees("* Goodbye.");
    second.sees_eof();
    second.closes();
    let deadline = Instant::now() + PATIENCE;
    while Person::connect(&server).sees_a_line() != WELCOME {
        assert!(Instant::now() < deadline, "the address stays full");
    }
}

// ---- Lines ----------------------------------------------------------------------------------

#[test]
fn a_line_that_is_too_long_is_refused_whole() {
    let server = Server::start(&["--max-line", "20"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let refusal = "! That line is longer than 20 bytes and was not sent.";
    for line in ["20 bytes and no more", "20 bytes and a CR ..\r", "20 bytes: 🦀🦀 ."] {
        alice.says(line);
        bob.sees(&format!("alice: {}", line.trim_end()));
    }
    for line in
        ["21 bytes are too many", "/me has 21 bytes here", "21 bytes and /quit ..", "🦀🦀🦀🦀🦀!"]
    {
        alice.says(line);
        alice.sees(refusal);
    }
    // What comes after the limit within the line is not a line of its own.
    alice.sends(b"21 bytes are too many");
    bob.sees_nothing_more();
    alice.sends(b"/quit\nhi\n");
    alice.sees(refusal);
    bob.sees("alice: hi");
    alice.sees_nothing_more();
}

#[test]
fn a_line_may_be_as_long_as_said_by_default() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let longest = "x".repeat(4096);
    alice.says(&longest);
    bob.sees(&format!("alice: {longest}"));
    alice.says(&"x".repeat(4097));
    alice.sees("! That line is longer than 4096 bytes and was not sent.");
    alice.says(&"x".repeat(60 * 1024));
    alice.sees("! That line is longer than 4096 bytes and was not sent.");
    alice.says("hi");
    bob.sees("alice: hi");
}

#[test]
fn a_name_that_is_longer_than_a_line_may_be_is_no_name() {
    let server = Server::start(&[]);
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    newcomer.says(&"x".repeat(5000));
    newcomer.sees_prefix("! ");
    newcomer.takes_name("alice");
    newcomer.sees_nothing_more();
}

#[test]
fn whoever_never_ends_a_line_is_told_so_and_closed() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    for (length, has_joined) in [(65 * 1024, true), (1 << 20, true), (1 << 20, false)] {
        let mut bob = Person::connect(&server);
        bob.sees(WELCOME);
        if has_joined {
            bob.takes_name("bob");
            alice.sees("* bob joined (2 here)");
        }
        // All of it is taken, or else the end of the connection would be a reset, which may take
        // the reason away.
        bob.sends(&vec![b'x'; length]);
        let reasons = bob.sees_until_eof();
        assert!(!reasons.is_empty(), "no reason was given");
        assert!(reasons.iter().all(|line| line.starts_with("! ")), "{reasons:?}");
        if has_joined {
            alice.sees_a("that bob left", |line| {
                line.starts_with("* bob left") && line.ends_with("(1 here)")
            });
        }
        alice.sees_nothing_more();
    }
}

// ---- Time to give a name --------------------------------------------------------------------

#[test]
fn whoever_gives_no_name_in_time_is_told_so_and_closed() {
    let server = Server::start(&["--nick-timeout", "0.3"]);
    let start = Instant::now();
    let mut silent = Person::connect(&server);
    silent.sees(WELCOME);
    silent.sees_prefix("! ");
    silent.sees_eof();
    assert!(start.elapsed() >= Duration::from_millis(300), "too early: {:?}", start.elapsed());
}

#[test]
fn no_byte_puts_the_time_to_give_a_name_off() {
    let server = Server::start(&["--nick-timeout", "0.3"]);
    // A slow name, and many bad ones.
    for bytes in [&b"x"[..], b"-\n"] {
        let start = Instant::now();
        let mut slow = Person::connect(&server);
        slow.sees(WELCOME);
        loop {
            assert!(start.elapsed() < PATIENCE, "{bytes:?} puts the time off");
            let sent = slow.tries_to_send(bytes);
            let reason = slow.sees_within(Duration::from_millis(20));
            if sent.is_err() || reason.is_some_and(|line| !line.ends_with("Try another.")) {
                break;
            }
        }
        assert!(start.elapsed() >= Duration::from_millis(300), "too early: {:?}", start.elapsed());
    }
}

#[test]
fn whoever_has_a_name_may_be_silent_for_longer() {
    let server = Server::start(&["--nick-timeout", "2"]);
    let mut alice = Person::join(&server, "alice");
    let mut silent = Person::connect(&server);
    silent.sees(WELCOME);
    silent.sees_prefix("! ");
    silent.sees_eof();
    alice.sees_nothing_more();
}

// ---- Slow readers ---------------------------------------------------------------------------

/// More than the kernel's buffers of a connection hold, on any system, with what the server may
/// keep (see [`ROOMY`]) far off.
const MORE_THAN_A_SOCKET_HOLDS: usize = 16 << 20;

/// Arguments with which a reader may fall far behind.
const ROOMY: [&str; 4] = ["--flood", "0", "--backlog", "64M"];

#[test]
fn a_slow_reader_loses_only_its_own_place() {
    let server = Server::start(&["--flood", "0", "--backlog", "64K"]);
    let (mut alice, mut bob, mut carol) = two_and_a_slow_reader(&server);
    let notice = "* carol left: too slow (2 here)";
    let said = talk(&mut alice, &mut bob, notice, 8 * MORE_THAN_A_SOCKET_HOLDS);
    assert!(said.is_some_and(|count| count > 64), "nobody was too slow: {said:?}");
    alice.sees(notice);
    bob.says("where is carol?");
    alice.sees("bob: where is carol?");
    alice.sees_nothing_more();
    bob.sees_nothing_more();

    // What it got is what was said, up to where it was cut off.
    let mut lines = carol.sees_until_cut_off();
    if lines.last().is_some_and(|line| line.starts_with("! ")) {
        lines.pop();
    }
    assert!(lines.len() < said.unwrap(), "carol lost nothing");
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("alice: {}", long_line(number)));
    }
}

#[test]
fn a_reader_without_any_progress_loses_its_place() {
    let server = Server::start(&[&ROOMY[..], &["--stall-timeout", "0.5"]].concat());
    let (mut alice, mut bob, _carol) = two_and_a_slow_reader(&server);
    let notice = "* carol left: too slow (2 here)";
    if talk(&mut alice, &mut bob, notice, MORE_THAN_A_SOCKET_HOLDS).is_none() {
        // Nothing happens any more; the time alone does it.
        bob.sees(notice);
    }
    alice.sees(notice);
    alice.says("where is carol?");
    bob.sees("alice: where is carol?");
    bob.sees_nothing_more();
}

#[test]
fn a_reader_that_pauses_has_everything_when_it_goes_on() {
    let server = Server::start(&ROOMY);
    let (mut alice, mut bob, mut carol) = two_and_a_slow_reader(&server);
    let said = talk(&mut alice, &mut bob, "", MORE_THAN_A_SOCKET_HOLDS);
    assert_eq!(said, None, "bob was told something");
    for number in 0..MORE_THAN_A_SOCKET_HOLDS / LONG_LINE {
        carol.sees(&format!("alice: {}", long_line(number)));
    }
    carol.sees_nothing_more();
}

#[test]
fn private_messages_do_not_cost_their_reader_its_place() {
    let server = Server::start(&["--flood", "0", "--backlog", "64K"]);
    let (mut alice, mut bob, mut carol) = two_and_a_slow_reader(&server);
    let refusal = "! carol has too much to read already. Your message was not sent.";
    let (mut sent, mut refused) = (Vec::new(), 0);
    for number in 0..4 * MORE_THAN_A_SOCKET_HOLDS / LONG_LINE {
        let text = format!("{number:.<4000}");
        alice.says(&format!("/msg carol {text}"));
        let answer = alice.sees_a_line();
        if answer == refusal {
            refused += 1;
        } else {
            assert_eq!(answer, format!("[you -> carol] {text}"));
            sent.push(text);
        }
        if refused == 10 {
            break;
        }
    }
    assert_eq!(refused, 10, "{} messages were sent", sent.len());
    bob.says("carol is still here");
    alice.sees("bob: carol is still here");
    for text in &sent {
        carol.sees(&format!("[alice -> you] {text}"));
    }
    carol.sees("bob: carol is still here");
    alice.says("/msg carol and can be written to again");
    carol.sees("[alice -> you] and can be written to again");
    bob.sees_nothing_more();
}

/// Two who read and one who does not, but is there.
fn two_and_a_slow_reader(server: &Server) -> (Person, Person, Person) {
    let [mut alice, mut bob] = room(server, ["alice", "bob"]);
    let mut carol = Person::connect_with_little_room(server.address("lines"));
    carol.sees(WELCOME);
    carol.takes_name("carol");
    alice.sees("* carol joined (3 here)");
    bob.sees("* carol joined (3 here)");
    (alice, bob, carol)
}

/// `talker` says numbered long lines, and `listener` receives each of them, until the listener is
/// told `notice`; returns how many lines that took. `None` if `bytes_max` were said without the
/// notice. The two go hand in hand, so that the listener is never slow itself.
fn talk(
    talker: &mut Person,
    listener: &mut Person,
    notice: &str,
    bytes_max: usize,
) -> Option<usize> {
    let numbers: Vec<usize> = (0..bytes_max / LONG_LINE).collect();
    for batch in numbers.chunks(32) {
        let lines: String = batch.iter().map(|number| long_line(*number) + "\n").collect();
        talker.sends(lines.as_bytes());
        let mut told = false;
        for number in batch {
            let line = listener.sees_a_line();
            let line = if line == notice {
                told = true;
                listener.sees_a_line()
            } else {
                line
            };
            assert_eq!(line, format!("alice: {}", long_line(*number)));
        }
        if told {
            return batch.last().map(|last| last + 1);
        }
    }
    None
}

/// How long a long line is, with its LF.
const LONG_LINE: usize = 1024;

fn long_line(number: usize) -> String {
    format!("{number:.>0$}", LONG_LINE - 1)
}

// ---- Pace -----------------------------------------------------------------------------------

#[test]
fn a_flood_is_slowed_down_and_nothing_of_it_is_lost() {
    let server = Server::start(&["--flood", "3/0.3"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let start = Instant::now();
    alice.sends(numbered_lines(15).as_bytes());
    for number in 0..15 {
        bob.sees(&format!("alice: {number}"));
    }
    // Three at once, and the others one each tenth of a second: 1.2 s.
    assert!(start.elapsed() >= Duration::from_secs(1), "too fast: {:?}", start.elapsed());
    bob.sees_nothing_more();
    alice.sees_nothing_more();
}

#[test]
fn a_flood_holds_up_nobody_else() {
    let server = Server::start(&["--flood", "5/3600"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.sends(numbered_lines(100).as_bytes());
    for number in 0..5 {
        bob.sees(&format!("alice: {number}"));
    }
    bob.says("slowly, please");
    alice.sees("bob: slowly, please");
    bob.sees_nothing_more();
}

#[test]
fn what_was_said_before_going_is_heard_in_spite_of_the_pace() {
    let server = Server::start(&["--flood", "3/0.3"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.sends(numbered_lines(12).as_bytes());
    alice.half_closes();
    for number in 0..12 {
        bob.sees(&format!("alice: {number}"));
    }
    bob.sees("* alice left (1 here)");
    alice.sees_eof();
}

#[test]
fn a_paste_of_thirty_lines_goes_straight_through() {
    // As by default, but whatever is not straight would take hours.
    let server = Server::start(&["--flood", "30/36000"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.sends(numbered_lines(31).as_bytes());
    for number in 0..30 {
        bob.sees(&format!("alice: {number}"));
    }
    bob.sees_nothing_more();
}

#[test]
fn thirty_lines_are_a_burst_by_default() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let start = Instant::now();
    alice.sends(numbered_lines(60).as_bytes());
    for number in 0..60 {
        bob.sees(&format!("alice: {number}"));
    }
    // The second thirty take three seconds.
    assert!(start.elapsed() >= Duration::from_millis(2500), "too fast: {:?}", start.elapsed());
}

#[test]
fn the_pace_can_be_left_free() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let start = Instant::now();
    alice.sends(numbered_lines(1000).as_bytes());
    for number in 0..1000 {
        bob.sees(&format!("alice: {number}"));
    }
    // At the default pace these would take 97 s, each of them soon enough after the one before.
    assert!(start.elapsed() < Duration::from_secs(60), "held up: {:?}", start.elapsed());
}

fn numbered_lines(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

// ---- History --------------------------------------------------------------------------------

#[test]
fn the_history_keeps_as_many_lines_as_said() {
    for (flag, kept) in [("3", 3), ("0", 0)] {
        let server = Server::start(&["--history", flag]);
        let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
        alice.sends(numbered_lines(5).as_bytes());
        for number in 0..5 {
            bob.sees(&format!("alice: {number}"));
        }
        let mut carol = Person::join(&server, "carol");
        for number in 5 - kept..5 {
            let end = format!("] alice: {number}");
            carol.sees_a(&end, |line| line.starts_with('[') && line.ends_with(&end));
        }
        carol.sees_nothing_more();
        if kept > 0 {
            assert_eq!(carol.answers_to("/history 20").len(), kept);
        } else {
            carol.says("/history");
            carol.sees_prefix("* ");
        }
        carol.sees_nothing_more();
    }
}

#[test]
fn the_history_keeps_fifty_lines_by_default() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.sends(numbered_lines(60).as_bytes());
    for number in 0..60 {
        bob.sees(&format!("alice: {number}"));
    }
    let lines = bob.answers_to("/history");
    assert_eq!(lines.len(), 50);
    assert!(lines[0].ends_with("] alice: 10") && lines[49].ends_with("] alice: 59"), "{lines:?}");
}

// ---- Dead peers -----------------------------------------------------------------------------

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_watches_over_dead_peers() {
    let server = Server::start(&[]);
    let alice = Person::join(&server, "alice");
    let port = alice.local_address().port();
    let deadline = Instant::now() + PATIENCE;
    let hundredths = loop {
        let table = server.tcp_table();
        let row = table.iter().find(|row| row.remote_port == port);
        // Another timer runs until our kernel has acknowledged the last line.
        if let Some(hundredths) = row.and_then(|row| row.keepalive) {
            break hundredths;
        }
        assert!(Instant::now() < deadline, "no keepalive runs: {row:?}");
        std::thread::yield_now();
    };
    assert!((4000..=6000).contains(&hundredths), "{hundredths} hundredths of a second");
}

// ---- Stopping -------------------------------------------------------------------------------

#[cfg(unix)]
#[test]
fn a_hundred_people_are_told_that_the_server_stops() {
    let mut server = Server::start(&[]);
    let names: Vec<String> = (0..100).map(|number| format!("member{number}")).collect();
    let crowd: Vec<Person> = names.iter().map(|name| Person::join(&server, name)).collect();
    server.terminate();
    for (place, mut person) in crowd.into_iter().enumerate() {
        // Before that they saw those join who came later, and nothing else.
        let lines = person.sees_until("* The server is stopping.");
        assert_eq!(lines.len(), 99 - place, "{lines:?}");
        person.sees_eof();
    }
    assert_eq!(server.wait(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_stopping_server_gives_everyone_what_waits_for_them() {
    let mut server = Server::start(&[&ROOMY[..], &["--drain", "60"]].concat());
    let (mut alice, mut bob, mut carol) = two_and_a_slow_reader(&server);
    assert_eq!(talk(&mut alice, &mut bob, "", MORE_THAN_A_SOCKET_HOLDS), None);
    server.terminate();
    for person in [&mut alice, &mut bob] {
        person.sees("* The server is stopping.");
        person.sees_eof();
    }
    for number in 0..MORE_THAN_A_SOCKET_HOLDS / LONG_LINE {
        carol.sees(&format!("alice: {}", long_line(number)));
    }
    carol.sees("* The server is stopping.");
    carol.sees_eof();
    assert_eq!(server.wait(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_stopping_server_waits_for_nobody_longer_than_said() {
    let mut server = Server::start(&[&ROOMY[..], &["--drain", "0.5"]].concat());
    let (mut alice, mut bob, _carol) = two_and_a_slow_reader(&server);
    assert_eq!(talk(&mut alice, &mut bob, "", MORE_THAN_A_SOCKET_HOLDS), None);
    let start = Instant::now();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(500), "too early: {:?}", start.elapsed());
    bob.sees("* The server is stopping.");
    bob.sees_eof();
}

#[cfg(unix)]
#[test]
fn a_second_signal_stops_at_once_and_nobody_gets_in_meanwhile() {
    let mut server = Server::start(&[&ROOMY[..], &["--drain", "60"]].concat());
    let (mut alice, mut bob, _carol) = two_and_a_slow_reader(&server);
    assert_eq!(talk(&mut alice, &mut bob, "", MORE_THAN_A_SOCKET_HOLDS), None);
    server.terminate();
    bob.sees("* The server is stopping.");
    bob.sees_eof();
    // The kernel may let one in, but the server does not.
    let late = std::net::TcpStream::connect(server.address("lines"));
    server.terminate();
    server.wait();
    if let Ok(mut late) = late {
        let mut greeting = Vec::new();
        let _ = std::io::Read::read_to_end(&mut late, &mut greeting);
        assert_eq!(String::from_utf8_lossy(&greeting), "");
    }
}

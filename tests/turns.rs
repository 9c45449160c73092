//! Turns: who is listened to, and for how long anybody waits for others. A hub without sockets is
//! told how much each of its members takes; time passes only when a test says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::net::Ipv4Addr;
use std::time::Duration;

use chinwag::ConnectionKey;
use chinwag::config::Config;
use chinwag::dialect::Dialect;
use chinwag::event::CloseReason;
use chinwag::turn::Budgets;

#[path = "../benches/hub/mod.rs"]
mod hub;

use hub::Room;

/// Bytes of the room that a member may be behind in these tests.
const BACKLOG: usize = 64 * 1024;

/// Where somebody comes from who is not on this machine.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A room without limits but for `BACKLOG`, with these members, who have read all there is.
fn room<const N: usize>(names: [&str; N]) -> (Room, [ConnectionKey; N]) {
    let mut config = Config::default();
    (config.limits.backlog_bytes_max, config.limits.flood) = (BACKLOG, None);
    let mut room = Room::new(&config);
    let keys = names.map(|name| room.join(name));
    rest(&mut room);
    (room, keys)
}

/// Turns until everybody has read what there is.
fn rest(room: &mut Room) {
    for _ in 0..3 {
        room.turn();
    }
}

/// A line of so many bytes as it is sent.
fn line(bytes: usize) -> String {
    "x".repeat(bytes - 1) + "\n"
}

/// Says a line if it is listened to. Returns whether it was.
fn says(room: &mut Room, key: ConnectionKey, line: &str) -> bool {
    let is_heard = room.wants(key);
    if is_heard {
        room.hear(key, line.as_bytes());
    }
    is_heard
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

#[test]
fn nobody_is_read_for_longer_than_a_turn_gives_them() {
    let (mut room, [loud, quiet]) = room(["alice", "bob"]);
    // Blank lines are not told to anybody, so that nobody waits for the room.
    room.send(loud, &b"\n".repeat(1 << 20));
    room.send(quiet, b"hi\n");
    let before = room.hub().metrics();
    room.turn();
    let after = room.hub().metrics();
    assert_eq!(after.lines - before.lines, 1, "the quiet one is heard in the same turn");
    let budget = Budgets::default().read_bytes_per_turn as u64;
    assert_eq!(after.bytes_received - before.bytes_received, budget + 3);
    for _ in 0..(1 << 20) / budget {
        room.turn();
    }
    let all = room.hub().metrics().bytes_received - before.bytes_received;
    assert_eq!(all, (1 << 20) + 3, "the loud one in its turns");
}

#[test]
fn who_is_not_wanted_is_read_as_soon_as_they_are() {
    let (mut room, [talker, reader]) = room(["alice", "bob"]);
    room.let_take(reader, 0);
    talk_until_held(&mut room, talker);
    let lines = room.hub().metrics().lines;
    room.send(talker, b"hi\n");
    room.turn();
    assert_eq!(room.hub().metrics().lines, lines, "the room waits for the reader");
    room.let_take(reader, usize::MAX);
    // It reads, the room sees that it has, the talker may be read, and is.
    for _ in 0..4 {
        assert_eq!(room.hub().metrics().lines, lines);
        room.turn();
    }
    assert_eq!(room.hub().metrics().lines, lines + 1);
}

// ── waiting for readers ──────────────────────────────────────────────────────────────────────────

/// Says lines until the room waits for somebody. Returns how many bytes are kept then.
fn talk_until_held(room: &mut Room, talker: ConnectionKey) -> usize {
    for _ in 0..2 * BACKLOG / 1000 {
        if !says(room, talker, &line(1000)) {
            return room.hub().kept_bytes().0;
        }
        room.turn();
    }
    panic!("nobody is waited for")
}

/// In how many of so many turns, a hundredth of a second each, `key` is not listened to.
fn held(room: &mut Room, key: ConnectionKey, turns: usize) -> usize {
    let is_held = |_: &usize| {
        room.turn();
        room.wait(Duration::from_millis(9));
        !room.wants(key)
    };
    (0..turns).filter(is_held).count()
}

#[test]
fn who_is_behind_by_half_of_what_they_may_is_waited_for() {
    let (mut room, [talker, reader]) = room(["alice", "bob"]);
    room.let_take(reader, 0);
    let behind = talk_until_held(&mut room, talker);
    let half = BACKLOG / 2;
    assert!((half..half + 2000).contains(&behind), "{behind} bytes behind");
}

#[test]
fn who_was_waited_for_in_vain_must_catch_up_to_be_waited_for_again() {
    let (mut room, [talker, reader]) = room(["alice", "bob"]);
    room.let_take(reader, 0);
    let behind = talk_until_held(&mut room, talker);
    let turns = held(&mut room, talker, 2000);
    assert!((95..=101).contains(&turns), "held for {turns} hundredths of a second");
    // A little is not enough, all is.
    room.let_take(reader, 100);
    assert_eq!(held(&mut room, talker, 100), 0);
    room.let_take(reader, behind);
    room.turn();
    room.let_take(reader, 0);
    talk_until_held(&mut room, talker);
    let turns = held(&mut room, talker, 2000);
    assert!((95..=101).contains(&turns), "held for {turns} hundredths of a second");
}

#[test]
fn who_was_waited_for_in_vain_is_no_reason_against_waiting_for_others() {
    let (mut room, [talker, first, second]) = room(["alice", "bob", "carol"]);
    room.let_take(first, 0);
    room.let_take(second, BACKLOG / 4);
    talk_until_held(&mut room, talker);
    assert!(held(&mut room, talker, 1000) <= 101);
    let behind = talk_until_held(&mut room, talker);
    let half = BACKLOG / 4 + BACKLOG / 2;
    assert!((half..half + 2000).contains(&behind), "the first is {behind} bytes behind");
    let turns = held(&mut room, talker, 1000);
    assert!((95..=101).contains(&turns), "held for {turns} hundredths of a second");
}

/// How much is kept for one connection alone, at most, and whether it was closed, while two talk by
/// turns and somebody, who says `first`, does not read.
fn kept_for_a_slow_reader(first: &str) -> (usize, bool) {
    let mut config = Config::default();
    config.limits.flood = None;
    let mut room = Room::new(&config);
    let [bob, carol, slow] = ["b", "c", "slow"].map(|name| {
        let key = room.join(name);
        room.turn();
        key
    });
    room.hear(slow, first.as_bytes());
    room.let_take(slow, 0);
    let mut most = 0;
    for _ in 0..10_000 {
        room.hear(bob, b"x\n");
        room.hear(carol, b"y\n");
        room.turn();
        most = most.max(room.hub().kept_bytes().1);
    }
    (most, room.hub().closings()[CloseReason::TooSlow.index()] > 0)
}

#[test]
fn what_a_slow_reader_does_not_hear_is_bounded() {
    let (kept, closed) = kept_for_a_slow_reader("/ignore b\n");
    assert!(kept <= 65 * 1024, "{kept} bytes");
    assert!(closed, "the ranges to leave out were not counted");
    let (_, closed) = kept_for_a_slow_reader("/who\n");
    assert!(!closed, "100 KB behind is not too far");
}

// ── waiting for the room ─────────────────────────────────────────────────────────────────────────

#[test]
fn who_waits_for_the_room_is_heard_before_those_who_fill_it() {
    let (mut room, [loud, quiet]) = room(["alice", "bob"]);
    let fill = line(1000).repeat(BACKLOG / 4 / 1000 + 1);
    let (mut loud_turns, mut quiet_turns) = (0, 0);
    for _ in 0..30 {
        // The loud one is always read first.
        loud_turns += usize::from(says(&mut room, loud, &fill));
        quiet_turns += usize::from(says(&mut room, quiet, "hi\n"));
        room.turn();
    }
    assert!(quiet_turns >= 9 && loud_turns >= 9, "heard {quiet_turns} and {loud_turns} times");
}

#[test]
fn private_messages_fill_a_turn_as_lines_do() {
    let (mut room, [reader]) = room(["reader"]);
    let writers = (0..10).map(|number| room.join(&format!("writer{number}")));
    let mut unheard: Vec<_> = writers.collect();
    rest(&mut room);
    room.let_take(reader, 0);
    let message = format!("/msg reader {}", line(4000));
    let mut turns = Vec::new();
    while !unheard.is_empty() {
        let before = unheard.len();
        unheard.retain(|key| !says(&mut room, *key, &message));
        turns.push(before - unheard.len());
        room.turn();
        assert!(turns.len() < 20, "{turns:?} were heard");
    }
    // So many that a quarter of the backlog is full, and the one more with which it is.
    assert!(turns.iter().all(|heard| *heard <= BACKLOG / 4 / 4000 + 1), "{turns:?} were heard");
}

// ── the pace of an address ───────────────────────────────────────────────────────────────────────

#[test]
fn all_talkers_of_an_address_have_a_budget_together() {
    let mut room = Room::new(&Config::default());
    let talkers: Vec<_> = (0..20).map(|_| room.connect_from(FAR, Dialect::Lines)).collect();
    for (number, key) in talkers.iter().enumerate() {
        room.hear(*key, format!("talker{number}\n").as_bytes());
    }
    rest(&mut room);
    for key in &talkers {
        room.read(*key, "hi\n".repeat(40).as_bytes());
    }
    assert_eq!(room.hub().metrics().lines, 8 * 30, "at once");
    for _ in 0..100 {
        room.wait(Duration::from_millis(9));
        room.turn();
    }
    let more = room.hub().metrics().lines - 8 * 30;
    assert!((70..=82).contains(&more), "{more} lines in the next second");
}

// ── closing ──────────────────────────────────────────────────────────────────────────────────────

#[test]
fn who_is_closing_takes_up_a_place_until_the_socket_is_gone() {
    let mut config = Config::default();
    (config.limits.per_address_max, config.limits.clients_max) = (2, 3);
    let rows =
        [(FAR, 2, CloseReason::AddressFull), (Ipv4Addr::LOCALHOST, 3, CloseReason::ServerFull)];
    for (address, places, reason) in rows {
        let mut room = Room::new(&config);
        for _ in 0..places {
            let key = room.connect_from(address, Dialect::Lines);
            room.let_take(key, 0);
            room.turn();
            room.hear(key, b"/quit\n");
        }
        room.turn();
        assert_eq!(room.hub().metrics().connections, places, "they have not read their farewell");
        assert_eq!(room.hub().closings()[reason.index()], 0);
        room.connect_from(address, Dialect::Lines);
        assert_eq!(room.hub().closings()[reason.index()], 1, "there is no place");
    }
}

/// How many hundredths of a second somebody stays who has left, and takes `bytes` in each.
fn stays(bytes: usize) -> usize {
    let (mut room, [talker, leaves]) = room(["alice", "bob"]);
    room.let_take(leaves, 0);
    for _ in 0..20 {
        says(&mut room, talker, &line(1000));
        room.turn();
    }
    room.hear(leaves, b"/quit\n");
    let mut turns = 0;
    while room.hub().metrics().connections > 1 {
        assert!(turns < 2000, "still there");
        turns += 1;
        room.wait(Duration::from_millis(9));
        room.let_take(leaves, bytes);
        room.turn();
    }
    turns
}

#[test]
fn closing_ends_whatever_trickles() {
    // Very little is read; nearly all by the time it must be; all before; and all at once.
    for (bytes, expected) in [(1, 500), (48, 500), (100, 400), (usize::MAX, 200)] {
        let turns = stays(bytes);
        assert!((expected - 3..=expected + 10).contains(&turns), "{turns} hundredths: {bytes}");
    }
}

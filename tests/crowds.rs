//! What many cost who do the same at once: come under one name, ask who is here, come with
//! browsers. A hub without sockets is told of them, and what it does and keeps is counted; nothing
//! here depends on how fast the machine is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use chinwag::ConnectionKey;
use chinwag::config::{Config, Limits};
use chinwag::dialect::Dialect;

#[path = "../benches/hub/mod.rs"]
mod hub;

use hub::Room;

/// A room whose members take nothing unless they are asked to.
struct Crowd(Room);

impl Crowd {
    fn new() -> Self {
        let limits = Limits { clients_max: 20_000, flood: None, ..Limits::default() };
        Self(Room::that_keeps(&Config { limits, ..Config::default() }))
    }

    fn comes(&mut self, dialect: Dialect) -> ConnectionKey {
        let key = self.0.connect(dialect);
        self.0.let_take(key, 0);
        key
    }

    /// One arrival from somebody, whether they are listened to or not.
    fn sends(&mut self, key: ConnectionKey, bytes: &[u8]) {
        self.0.hear(key, bytes);
        self.0.read_drained(key);
    }

    fn turn(&mut self) {
        self.0.turn();
    }

    /// What waits for somebody, who takes it.
    fn takes(&mut self, key: ConnectionKey) -> String {
        self.0.takes(key)
    }
}

/// What says nothing must not be free, or many could keep the server busy with it.
#[test]
fn telnet_alone_costs_as_much_as_a_line() {
    let mut crowd = Crowd(Room::that_keeps(&Config::default()));
    let key = crowd.comes(Dialect::Nick);
    crowd.sends(key, b"alice");
    crowd.takes(key);
    let mut arrivals = 0;
    while crowd.0.wants(key) {
        crowd.sends(key, &[255, 241].repeat(1000));
        arrivals += 1;
        assert!(arrivals <= 30, "more than --flood allows at once");
    }
    assert_eq!(arrivals, 30);
}

#[test]
fn a_crowd_of_one_name_comes_in_over_some_turns() {
    const PEOPLE: usize = 3000;
    let mut crowd = Crowd::new();
    let people: Vec<_> = (0..PEOPLE).map(|_| crowd.comes(Dialect::Nick)).collect();
    crowd.turn();
    let name = "\u{1ec7}\u{1edf}".repeat(16);
    for key in &people {
        crowd.sends(*key, name.as_bytes());
    }
    let at_once = crowd.0.hub().members();
    assert!((100..1000).contains(&at_once), "{at_once} were named in a turn");
    let mut turns = 0;
    while crowd.0.hub().members() < PEOPLE {
        crowd.turn();
        turns += 1;
        assert!(turns < 100, "{} are in after {turns} turns", crowd.0.hub().members());
    }
    // In a large room, who came is told a little later.
    (0..250).for_each(|_| crowd.turn());
    let last = crowd.takes(people[PEOPLE - 1]);
    let cut = name.chars().take(32 - "_3000".len()).collect::<String>();
    assert!(last.contains(&format!("{cut}_{PEOPLE}")), "{last}");
}

/// So many members with long names, who have read what there was for them.
fn full_room(people: usize) -> (Crowd, Vec<ConnectionKey>) {
    let mut crowd = Crowd::new();
    let members: Vec<_> = (0..people).map(|_| crowd.comes(Dialect::Lines)).collect();
    for (number, key) in members.iter().enumerate() {
        crowd.sends(*key, format!("{number:x>32}\n").as_bytes());
    }
    crowd.turn();
    assert_eq!(crowd.0.hub().members(), people);
    for key in &members {
        crowd.takes(*key);
    }
    (crowd, members)
}

/// The list in what somebody was told.
fn list(told: &str) -> &str {
    told.lines().find(|line| line.contains(" here: ")).unwrap_or_else(|| panic!("no list: {told}"))
}

#[test]
fn all_who_ask_who_is_here_share_one_list() {
    const PEOPLE: usize = 1000;
    let (mut crowd, members) = full_room(PEOPLE);
    for (number, key) in members.iter().enumerate() {
        crowd.sends(*key, b"/who\n");
        if number % 100 == 0 {
            crowd.turn();
        }
    }
    crowd.turn();
    let first = crowd.takes(members[0]);
    assert_eq!(list(&first).split(", ").count(), PEOPLE);
    assert_eq!(crowd.0.hub().list_bytes(), list(&first).len() + 1, "one list, and its LF");
    for key in &members[1..] {
        assert_eq!(list(&crowd.takes(*key)), list(&first));
    }
    crowd.turn();
    assert_eq!(crowd.0.hub().list_bytes(), 0, "nobody needs it any more");
}

#[test]
fn lists_that_nobody_reads_are_bounded_whatever_the_room_does() {
    const LIST_BYTES: usize = 1000 * 34 + 20;
    let (mut crowd, members) = full_room(1000);
    let mut bounds = [1 << 20, 8 << 20].map(|bytes| bytes + LIST_BYTES);
    // Each but the first asks in another state of the room: all in one turn, then each in its own.
    for (turns, most) in [false, true].into_iter().zip(&mut bounds) {
        for (number, key) in members.iter().enumerate().skip(1) {
            let name = if turns { number } else { 1000 + number };
            crowd.sends(members[0], format!("/nick a{name}\n").as_bytes());
            crowd.sends(*key, b"/who\n");
            if turns {
                crowd.turn();
            }
            assert!(crowd.0.hub().list_bytes() <= *most, "{} bytes", crowd.0.hub().list_bytes());
        }
        assert!(crowd.0.hub().list_bytes() > *most - LIST_BYTES);
        crowd.turn();
        // The last is told what a person would read of it, at once.
        let told = crowd.takes(members[999]);
        assert!(list(&told).starts_with("* 1000 here: a"), "{told}");
        assert!(list(&told).ends_with(" and 980 more"), "{told}");
    }
    for key in &members {
        crowd.takes(*key);
    }
    crowd.turn();
    crowd.sends(members[999], b"/who\n");
    crowd.turn();
    assert_eq!(list(&crowd.takes(members[999])).split(", ").count(), 1000);
    crowd.turn();
    assert_eq!(crowd.0.hub().list_bytes(), 0);
}

//! Requests that are answered later, and what outlives a restart: a hub whose archive is the test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use chinwag::ConnectionKey;
use chinwag::archive::{Answer, Before, Hit, Kept, KeptRoom, KeptTopic, Record, Request};
use chinwag::config::Config;
use chinwag::event::Said;

#[path = "../benches/hub/mod.rs"]
mod hub;

use hub::Room;

/// 2023-11-14, 22:13 UTC, as in `hub`.
const NOW: u64 = 1_700_000_000;

fn said(id: u64, from: &str, text: &str) -> Said {
    let (from, text) = (from.into(), text.into());
    Said { id, unix_seconds: NOW - 86_400 + id, from, text, ..Said::default() }
}

/// A server with an archive in which this was kept of rooms, and these people in the lobby.
fn restarted<const N: usize>(kept: Vec<KeptRoom>, names: [&str; N]) -> (Room, [ConnectionKey; N]) {
    let mut config = Config::default();
    (config.limits.history_lines_max, config.limits.flood) = (3, None);
    let mut room = Room::that_keeps(&config);
    room.hub_mut().restore(Kept { last_id: 7, rooms: kept, ..Kept::default() });
    let keys = names.map(|name| room.join(name));
    keys.iter().for_each(|key| drop(room.takes(*key)));
    (room, keys)
}

fn kept(name: &str, lines: &[Said]) -> KeptRoom {
    let lines = lines.to_vec();
    KeptRoom { name: name.into(), lines, forgotten: 1, ..KeptRoom::default() }
}

/// Says something and returns what is told until then.
fn answer(room: &mut Room, key: ConnectionKey, line: &str) -> String {
    room.hear(key, format!("{line}\n").as_bytes());
    room.takes(key)
}

fn asked(room: &mut Room) -> (ConnectionKey, Request) {
    room.hub_mut().poll_request().unwrap()
}

#[test]
fn a_room_is_as_it_was_before_the_restart_and_its_numbers_go_on() {
    let topic = KeptTopic { text: "tea".into(), by: "bob".into(), at: NOW };
    let lobby = KeptRoom {
        topic: Some(topic),
        ..kept("Lobby", &[said(5, "bob", "one"), said(6, "carol", "two")])
    };
    let (mut room, [alice]) =
        restarted(vec![lobby, kept("ops", &[said(7, "bob", "three")])], ["alice"]);
    assert_eq!(answer(&mut room, alice, "/topic"), "* #lobby is about: tea\n");
    assert_eq!(answer(&mut room, alice, "/history"), "[22:13] bob: one\n[22:13] carol: two\n");
    let ops = answer(&mut room, alice, "/join ops");
    assert_eq!(ops, "* You are in #ops. Here now: alice.\n[22:13] bob: three\n");
    answer(&mut room, alice, "four");
    let records = std::mem::take(room.hub_mut().records());
    let [Record::Said { said, room: name, author, .. }] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((&**name, &*said.from, &*said.text), ("ops", "alice", "four"));
    assert!(said.id > *author && *author > 7, "{records:?}");
    // All leave the room, and it is remembered.
    answer(&mut room, alice, "/join lobby");
    let back = answer(&mut room, alice, "/join OPS");
    assert!(back.ends_with("[22:13] bob: three\n[22:13] alice: four\n"), "{back}");
}

#[test]
fn private_messages_are_not_kept_and_topics_are() {
    let (mut room, [alice, _]) = restarted(vec![], ["alice", "bob"]);
    answer(&mut room, alice, "/msg bob psst");
    answer(&mut room, alice, "/topic tea");
    answer(&mut room, alice, "/me waves");
    let records = room.hub_mut().records();
    let [Record::Topic { text, .. }, Record::Said { said: Said { emote: true, .. }, .. }] =
        &records[..]
    else {
        panic!("{records:?}")
    };
    assert_eq!(text, "tea");
}

#[test]
fn who_asks_is_not_listened_to_until_the_answer_is_there() {
    let lines = [said(5, "bob", "five"), said(6, "bob", "six")];
    let (mut room, [alice, bob]) = restarted(vec![kept("lobby", &lines)], ["alice", "bob"]);
    assert_eq!(answer(&mut room, alice, "/history 5\nthanks"), "");
    let (key, request) = asked(&mut room);
    assert_eq!(key, alice);
    let of_lobby = |before, count| Request::History { room: "lobby".into(), before, count };
    assert_eq!(request, of_lobby(Before::Id(5), 3));
    assert_eq!(answer(&mut room, bob, "hi"), "", "the others go on, and alice is silent");
    let lines = vec![said(2, "carol", "two"), said(3, "dora", "three")];
    room.hub_mut().handle_answer(alice, Answer::History { lines, more: true });
    let told = room.takes(alice);
    assert_eq!(
        told,
        "bob: hi\n* 2023-11-13 (UTC)\n[22:13] carol: two\n[22:13] dora: three\n[22:13] bob: five\n\
         [22:13] bob: six\n* There are older lines. Type /history more to see them.\n"
    );
    assert_eq!(room.takes(bob), "alice: thanks\n");
    // The room remembers all lines from the one of number 5 on; they are not told again.
    room.hear(alice, b"/history 1 before 2023-11-14\n");
    let (_, request) = asked(&mut room);
    assert_eq!(request, of_lobby(Before::Time(NOW - NOW % 86_400), 1));
    let lines = vec![said(2, "carol", "two")];
    room.hub_mut().handle_answer(alice, Answer::History { lines, more: true });
    assert!(room.takes(alice).starts_with("* 2023-11-13 (UTC)\n[22:13] carol: two\n* There are"));
    answer(&mut room, alice, "/history more");
    assert_eq!(asked(&mut room), (alice, of_lobby(Before::Id(2), 1)));
    room.hub_mut().handle_answer(alice, Answer::Failed);
    assert_eq!(room.takes(alice), "! The archive cannot answer now. Try again later.\n");
    room.hub_mut().handle_answer(alice, Answer::Failed);
    assert_eq!(room.takes(alice), "", "nobody has asked for that");
    answer(&mut room, alice, "/history 2000 before 2023-11-14");
    let (_, request) = asked(&mut room);
    assert_eq!(request, of_lobby(Before::Time(NOW - NOW % 86_400), 1000));
    room.hub_mut().handle_answer(alice, Answer::History { lines: vec![], more: false });
    assert_eq!(room.takes(alice), "* Nothing was found.\n");
}

#[test]
fn more_goes_on_before_what_was_shown_last() {
    let lines = [said(5, "bob", "five"), said(6, "bob", "six"), said(7, "bob", "seven")];
    let (mut room, [alice]) = restarted(vec![kept("lobby", &lines)], ["alice"]);
    let of_lobby =
        |id, count| Request::History { room: "lobby".into(), before: Before::Id(id), count };
    assert_eq!(answer(&mut room, alice, "/history 2").lines().count(), 2);
    answer(&mut room, alice, "/history more");
    assert_eq!(asked(&mut room).1, of_lobby(6, 2));
    room.hub_mut().handle_answer(alice, Answer::History { lines: vec![], more: false });
    room.takes(alice);
    answer(&mut room, alice, "/history 10");
    assert_eq!(asked(&mut room).1, of_lobby(5, 7));
    let lines = vec![said(3, "carol", "three")];
    room.hub_mut().handle_answer(alice, Answer::History { lines, more: true });
    room.takes(alice);
    answer(&mut room, alice, "/history more");
    assert_eq!(asked(&mut room).1, of_lobby(3, 10), "as many again");
}

#[test]
fn one_address_has_few_requests_on_the_way() {
    let (mut room, []) = restarted(vec![], []);
    let far = std::net::Ipv4Addr::new(192, 0, 2, 1);
    let join = |room: &mut Room, name: &str| {
        let key = room.connect_from(far, chinwag::dialect::Dialect::Lines);
        room.hear(key, format!("{name}\n").as_bytes());
        room.takes(key);
        key
    };
    let people = [0, 1, 2, 3, 4].map(|number| join(&mut room, &format!("alice{number}")));
    people.iter().for_each(|key| drop(room.takes(*key)));
    let told = people.map(|key| answer(&mut room, key, "/search tea"));
    let busy = "! The archive cannot answer now. Try again later.\n";
    assert_eq!(told, ["", "", "", "", busy]);
    room.lose(people[0]);
    let told = answer(&mut room, people[4], "/search tea");
    assert!(!told.contains('!'), "{told}");
    let waiting = std::iter::from_fn(|| room.hub_mut().poll_request());
    let waiting: Vec<_> = waiting.map(|(key, _)| key).collect();
    assert_eq!(waiting, people[1..], "who has gone needs no answer");
}

#[test]
fn who_has_gone_gets_no_answer() {
    let (mut room, [alice, bob]) = restarted(vec![], ["alice", "bob"]);
    answer(&mut room, alice, "/search tea");
    let (key, _) = asked(&mut room);
    room.lose(alice);
    room.turn();
    assert_eq!(room.hub_mut().poll_cancelled(), Some(alice));
    let carol = room.join("carol");
    room.takes(carol);
    room.hub_mut().handle_answer(key, Answer::Found { hits: vec![], more: false });
    assert_eq!(room.takes(carol), "", "who has the place now has not asked");
    assert!(!room.takes(bob).contains("found"));
}

#[test]
fn what_is_found_is_told_with_its_place_but_not_of_those_who_are_ignored() {
    let (mut room, [alice, _]) = restarted(vec![], ["alice", "bob"]);
    answer(&mut room, alice, "/ignore bob");
    answer(&mut room, alice, "/search tea from:carol");
    let (_, request) = asked(&mut room);
    let Request::Search { query, before: None } = request else { panic!("{request:?}") };
    let hit = |said| Hit { room: "ops".into(), said };
    let hits = vec![hit(said(6, "bob", "tea?")), hit(said(5, "carol", "tea!"))];
    room.hub_mut().handle_answer(alice, Answer::Found { hits, more: true });
    assert_eq!(
        room.takes(alice),
        "* Found, the newest first, in UTC:\n[2023-11-13 22:13 #ops 5] carol: tea!\n\
         * There are more. Type /search more to see them.\n"
    );
    answer(&mut room, alice, "/search MORE");
    assert_eq!(asked(&mut room).1, Request::Search { query, before: Some(5) });
    room.hub_mut().handle_answer(alice, Answer::Found { hits: vec![], more: false });
    assert_eq!(room.takes(alice), "* Nothing was found.\n");
    let no_more = "! There is nothing more to show.\n";
    let no_word = "! !!! has neither letters nor digits.\n";
    for (line, told) in
        [("/search more", no_more), ("/history more", no_more), ("/search !!!", no_word)]
    {
        assert_eq!(answer(&mut room, alice, line), told);
    }
}

#[test]
fn what_somebody_has_said_is_forgotten_here_and_in_the_archive() {
    let (mut room, [alice, bob]) = restarted(vec![], ["alice", "bob"]);
    answer(&mut room, alice, "one");
    answer(&mut room, bob, "two");
    let records = std::mem::take(room.hub_mut().records());
    let Record::Said { author: of_alice, .. } = &records[0] else { panic!("{records:?}") };
    assert_eq!(
        answer(&mut room, alice, "/forget"),
        "bob: two
! Usage: /forget me
"
    );
    answer(&mut room, alice, "/forget me");
    assert_eq!(asked(&mut room).1, Request::Forget { author: *of_alice, account: None });
    room.hub_mut().handle_answer(alice, Answer::Forgotten { lines: 4 });
    let told = "* Deleted: 4 of your lines.\n";
    assert_eq!(room.takes(alice), told);
    let left = answer(&mut room, bob, "/history");
    assert_eq!(left, "[22:13] bob: two\n");
}

#[test]
fn without_an_archive_nothing_is_looked_up() {
    let mut room = Room::that_keeps(&Config::default());
    let alice = room.join("alice");
    room.takes(alice);
    for line in ["/search tea", "/history before 2023-11-14", "/history more"] {
        assert_eq!(answer(&mut room, alice, line), "! This server does not keep what is said.\n");
    }
    answer(&mut room, alice, "one");
    let told = "* Deleted: 1 of your lines.\n";
    assert_eq!(answer(&mut room, alice, "/forget me"), told);
    assert_eq!(answer(&mut room, alice, "/history 9"), "* Nothing has been said yet.\n");
    assert!(room.hub_mut().records().is_empty() && room.hub_mut().poll_request().is_none());
}

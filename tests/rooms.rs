//! Rooms, as people at `lines` know them: transcripts of what they send to the real server and what
//! they see. What browsers see of rooms stands in `web.rs`.

mod common;

use common::{Caller, Person, Server, room};

#[test]
fn whoever_goes_to_another_room_leaves_one_and_joins_the_other() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    for other in [&mut bob, &mut carol] {
        other.sees("* alice left (2 here)");
    }
    bob.says("for the lobby");
    carol.sees("bob: for the lobby");
    alice.says("for nobody yet");
    bob.says("/JOIN #OPS");
    bob.sees("* You are in #ops. Here now: alice, bob.");
    bob.sees_a("the history of #ops", |line| line.ends_with("] alice: for nobody yet"));
    alice.sees("* bob joined (2 here)");
    carol.sees("* bob left (1 here)");
    alice.says("welcome");
    bob.sees("alice: welcome");
    carol.says("is anybody here?");
    for person in [&mut alice, &mut bob, &mut carol] {
        person.sees_nothing_more();
    }
    alice.says("/part");
    alice.sees("* You are in #lobby. Here now: alice, carol.");
    alice.sees_a("the history of the lobby", |line| line.ends_with("] bob: for the lobby"));
    alice.sees_a("the rest of it", |line| line.ends_with("] carol: is anybody here?"));
    carol.sees("* alice joined (2 here)");
    bob.sees("* alice left (1 here)");
    bob.says("/quit");
    bob.sees("* Goodbye.");
    alice.sees_nothing_more();
    carol.sees_nothing_more();
}

#[test]
fn a_room_comes_with_the_first_and_goes_with_the_last() {
    let server = Server::start(&["--rooms", "help"]);
    let mut alice = Person::join(&server, "alice");
    assert_eq!(alice.answers_to("/rooms"), ["* #lobby (1 here)", "* #help (0 here)"]);
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    alice.says("remember this");
    alice.says("/topic The deploy of tonight");
    alice.sees("* alice says what #ops is about: The deploy of tonight");
    let rooms = ["* #ops (1 here): The deploy of tonight", "* #help (0 here)", "* #lobby (0 here)"];
    assert_eq!(alice.answers_to("/rooms"), rooms);
    alice.says("/join help");
    alice.sees("* You are in #help. Here now: alice.");
    assert_eq!(alice.answers_to("/rooms"), ["* #help (1 here)", "* #lobby (0 here)"]);
    // Nothing was kept of it.
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    assert_eq!(alice.answers_to("/history"), ["* Nothing has been said yet."]);
    assert_eq!(alice.answers_to("/topic"), ["* #ops has no topic."]);
}

#[test]
fn the_room_in_which_all_begin_may_have_another_name() {
    let server = Server::start(&["--lobby", "#hall"]);
    let mut alice = Person::join(&server, "alice");
    assert_eq!(alice.answers_to("/join"), ["* You are in #hall."]);
    alice.says("/join lobby");
    alice.sees("* You are in #lobby. Here now: alice.");
    alice.says("/part");
    alice.sees("* You are in #hall. Here now: alice.");
}

#[test]
fn a_topic_is_set_asked_for_and_taken_away() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/topic lunch \u{1b}[31m at noon");
    for person in [&mut alice, &mut bob] {
        person.sees("* alice says what #lobby is about: lunch [31m at noon");
    }
    assert_eq!(bob.answers_to("/topic"), ["* #lobby is about: lunch [31m at noon"]);
    let long = "x".repeat(513);
    assert_eq!(bob.answers_to(&format!("/topic {long}")), ["! A topic has at most 512 bytes."]);
    bob.says("/join ops");
    bob.sees("* You are in #ops. Here now: bob.");
    bob.says("/join lobby");
    bob.sees("* You are in #lobby. Here now: alice, bob.");
    bob.sees("* #lobby is about: lunch [31m at noon");
    alice.sees("* bob left (1 here)");
    alice.sees("* bob joined (2 here)");
    bob.says("/topic \u{3164}");
    for person in [&mut alice, &mut bob] {
        person.sees("* bob says that #lobby is about nothing in particular");
    }
    assert_eq!(alice.answers_to("/topic"), ["* #lobby has no topic."]);
}

#[test]
fn people_in_different_rooms_can_write_invite_and_ignore() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    bob.sees("* alice left (1 here)");
    assert_eq!(bob.answers_to("/who #ops"), ["* 1 in #ops: alice"]);
    assert_eq!(alice.answers_to("/who"), ["* 1 here: alice"]);
    alice.says("/msg bob psst");
    alice.sees("[you -> bob] psst");
    bob.sees("[alice -> you] psst");
    bob.says("/r what?");
    bob.sees("[you -> alice] what?");
    alice.sees("[bob -> you] what?");
    alice.says("/invite BOB");
    alice.sees("* You have invited bob to #ops.");
    bob.sees("* alice invites you to #ops. Type /join #ops to go there.");
    assert_eq!(alice.answers_to("/nick bob"), ["! The nickname bob is taken. Try another."]);
    bob.says("/ignore alice");
    bob.sees("* You ignore: alice.");
    alice.says("/invite bob");
    alice.sees("* You have invited bob to #ops.");
    bob.says("/join ops");
    bob.sees("* You are in #ops. Here now: alice, bob.");
    alice.sees("* bob joined (2 here)");
    alice.says("can you hear me?");
    alice.says("/invite bob");
    alice.sees("! bob is there already.");
    bob.sees_nothing_more();
}

#[test]
fn what_cannot_be_is_said_in_one_sentence_and_changes_nothing() {
    let server = Server::start(&["--max-rooms", "2"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let no_name = "cannot be the name of a room: 1 to 32 letters and digits, with - _ . inside.";
    for (asked, answer) in [
        ("/join #", format!("! # {no_name}")),
        ("/join two words", format!("! two words {no_name}")),
        ("/join server", format!("! server {no_name}")),
        ("/join LOBBY", "! You are in #lobby already.".to_owned()),
        ("/join Iobby", "! You are in #lobby already.".to_owned()),
        ("/part", "! You are in #lobby already.".to_owned()),
        ("/who #nowhere", "! There is no room #nowhere.".to_owned()),
        ("/history #nowhere", "! There is no room #nowhere.".to_owned()),
        ("/invite", "! Usage: /invite NAME".to_owned()),
        ("/invite zed", "! Nobody here is called zed.".to_owned()),
    ] {
        assert_eq!(alice.answers_to(asked), [answer], "{asked}");
    }
    bob.says("/join ops");
    bob.sees("* You are in #ops. Here now: bob.");
    alice.sees("* bob left (1 here)");
    let full = ["! There are 2 rooms already. Join one of them: /rooms lists them."];
    assert_eq!(alice.answers_to("/join third"), full);
    assert_eq!(alice.answers_to("/history #ops"), ["! You are not in #ops."]);
    bob.sees_nothing_more();
}

#[test]
fn where_rooms_are_fixed_nobody_makes_one() {
    let server = Server::start(&["--rooms", "#help,ops", "--fixed-rooms"]);
    let mut alice = Person::join(&server, "alice");
    let fixed = ["! No other rooms can be made here. /rooms lists those that there are."];
    assert_eq!(alice.answers_to("/join mine"), fixed);
    alice.says("/join OPS");
    alice.sees("* You are in #ops. Here now: alice.");
}

#[cfg(unix)]
#[test]
fn a_server_stops_in_good_order_whoever_has_been_in_its_rooms() {
    for rooms in ["--rooms=ops", "--rooms=ops,help"] {
        let mut server = Server::start(&[rooms]);
        let mut alice = Person::join(&server, "alice");
        server.terminate();
        alice.sees("* The server is stopping.");
        alice.sees_eof();
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn at_most_fifty_rooms_are_listed() {
    let names: Vec<String> = (10..72).map(|number| format!("room{number}")).collect();
    let server = Server::start(&["--rooms", &names.join(",")]);
    let mut alice = Person::join(&server, "alice");
    let rooms = alice.answers_to("/rooms");
    assert_eq!(rooms.len(), 51);
    assert_eq!((&*rooms[0], &*rooms[50]), ("* #lobby (1 here)", "* and 13 more"));
}

#[test]
fn people_of_the_older_programs_stay_in_the_lobby() {
    let server = Server::start_with_listeners(&["lines", "nick"], &[]);
    let mut alice = Person::join(&server, "alice");
    let mut old = Caller::enters(&server, "nick", "old");
    alice.sees("* old joined (2 here)");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    old.sees("alice 退出了聊天");
    old.says("/join ops");
    alice.says("/part");
    alice.sees("* You are in #lobby. Here now: alice, old.");
    alice.sees_a("it was said", |line| line.ends_with("] old: /join ops"));
}

/// 33. How much a socket takes is only known here.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_who_stands_still_holds_nobody_in_another_room() {
    let server = Server::start(&["--flood", "0", "--backlog", "64K"]);
    let mut deaf = Person::connect_with_little_room(server.address("lines"));
    deaf.sees(common::WELCOME);
    deaf.takes_name("deaf");
    let mut flooder = Person::join(&server, "flooder");
    let mut alice = Person::join(&server, "alice");
    let mut bob = Person::join(&server, "bob");
    for person in [&mut alice, &mut bob] {
        person.says("/join quiet");
        while !person.sees_a_line().starts_with("* You are in #quiet.") {}
    }
    alice.sees("* bob joined (2 here)");
    // Far more than the reader's socket and the backlog take.
    let lines = format!("{}\n", "x".repeat(1000)).repeat(100);
    for number in 0..30 {
        flooder.tries_to_send(lines.as_bytes()).ok();
        alice.says(&format!("number {number}"));
        bob.sees(&format!("alice: number {number}"));
    }
    flooder.sees_within(std::time::Duration::from_secs(10));
}

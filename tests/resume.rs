//! Coming back over the WebSocket: who is cut off stays for a while, is told exactly what was
//! missed, and says nothing twice. That no line is lost or doubled whatever the network does is
//! counted in `resume/counting.rs`.

// How a cut looks to the server is only known here.
#![cfg(all(unix, feature = "web"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

#[path = "resume/anyhow.rs"]
mod anyhow;
#[path = "resume/browser.rs"]
mod browser;
mod common;
#[path = "resume/counting.rs"]
mod counting;
#[path = "../benches/hub/memory.rs"]
mod memory;
#[path = "resume/proxy.rs"]
mod proxy;
#[path = "../benches/load/speech.rs"]
#[allow(dead_code, reason = "only what browsers send first is wanted here")]
mod speech;

use std::time::SystemTime;

use browser::Browser;
use common::{Person, Server};
use serde_json::{Value, json};

const OPEN: [&str; 2] = ["lines", "web"];

fn start(args: &[&str]) -> Server {
    Server::start_with_listeners(&OPEN, args)
}

/// Alice at a terminal, and Bob in a browser.
fn alice_and_bob(server: &Server) -> (Person, Browser) {
    let mut alice = Person::join(server, "alice");
    let bob = Browser::joins(server, "bob");
    alice.sees("* bob joined (2 here)");
    (alice, bob)
}

/// What was said, of objects.
fn texts(history: &Value) -> Vec<&str> {
    history.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect()
}

// ---- While one is cut off -------------------------------------------------------------------

#[test]
fn a_cut_is_not_noticed_and_what_was_missed_is_told() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.says("before");
    bob.sees_said("before");
    let token = bob.token.clone();
    bob.is_cut();
    for line in ["one", "/me waves", "three"] {
        alice.says(line);
    }
    let resumed = bob.comes_back(&server);
    assert_eq!(resumed["name"], "bob");
    let room = &resumed["rooms"][0];
    assert_eq!((&room["room"], &room["gap"]), (&json!("#lobby"), &json!(false)));
    assert_eq!((&room["members"], &room["count"]), (&json!(["alice", "bob"]), &json!(2)));
    assert_eq!(texts(&room["history"]), ["one", "waves", "three"]);
    assert_eq!(room["history"][1]["type"], "me");
    assert!(room["id"].as_u64() >= room["history"][2]["id"].as_u64());
    assert_ne!(bob.token, token, "a token is good once");
    alice.says("and on");
    bob.sees_said("and on");
    bob.says("here I am");
    bob.sees_said("here I am");
    alice.sees("bob: here I am");
}

#[test]
fn any_end_but_a_farewell_is_waited_for() {
    let server = start(&["--resume-grace=60"]);
    let mut alice = Person::join(&server, "alice");
    type Ends = fn(Browser) -> Browser;
    let closes: [(&str, Ends); 5] = [
        ("reset", |mut bob| {
            bob.is_cut();
            bob
        }),
        ("end of input", |mut bob| {
            bob.ends();
            bob
        }),
        ("gone away", |mut bob| {
            bob.closes(Some(1001));
            bob
        }),
        ("no code", |mut bob| {
            bob.closes(None);
            bob
        }),
        ("not closed at all", |bob| bob),
    ];
    let mut bob = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    for (how, close) in closes {
        bob = close(bob);
        alice.says(how);
        let resumed = bob.comes_back(&server);
        assert_eq!(texts(&resumed["rooms"][0]["history"]), [how]);
    }
    alice.sees_nothing_more();
    bob.closes(Some(1000));
    alice.sees("* bob left (1 here)");
}

#[test]
fn who_says_so_leaves_at_once_and_does_not_come_back() {
    let server = start(&["--resume-grace=60"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.says("/quit lunch");
    alice.sees("* bob left: lunch (1 here)");
    assert_eq!(bob.tries_to_come_back(&server)["why"], "token");
}

#[test]
fn without_grace_all_leave_at_once() {
    let server = start(&["--resume-grace=0"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.is_cut();
    alice.sees(&format!("* bob {} (1 here)", common::left_by_reset()));
    alice.says("missed");
    let resumed = bob.comes_back(&server);
    alice.sees("* bob joined (2 here)");
    assert_eq!(texts(&resumed["rooms"][0]["history"]), ["missed"]);
}

#[test]
fn after_the_grace_one_leaves_and_may_come_back_as_the_same() {
    let server = start(&["--resume-grace=0.2"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.says("/join ops");
    bob.sees_a("welcome");
    bob.is_cut();
    alice.sees(&format!("* bob {} (1 here)", common::left_by_reset()));
    alice.says("missed");
    let mut eve = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    assert_eq!(bob.tries_to_come_back(&server)["why"], "taken", "the name is somebody else's");
    eve.says("/quit");
    alice.sees("* bob left (1 here)");
    let resumed = bob.comes_back(&server);
    alice.sees("* bob joined (2 here)");
    let rooms: Vec<_> =
        resumed["rooms"].as_array().unwrap().iter().map(|room| &room["room"]).collect();
    assert_eq!(rooms, ["#lobby", "#ops"]);
    assert_eq!(texts(&resumed["rooms"][0]["history"]), ["missed"]);
    assert_eq!(resumed["rooms"][0]["gap"], false);
    assert_eq!(resumed["rooms"][1]["gap"], true, "it was gone in between");
}

#[test]
fn private_messages_wait_for_whoever_is_cut_off_up_to_a_bound() {
    let server = start(&["--resume-grace=60", "--flood=0"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.is_cut();
    alice.says("/msg bob psst");
    alice.sees("[you -> bob] psst");
    bob.comes_back(&server);
    let told = bob.next();
    assert_eq!((&told["type"], &told["text"]), (&json!("msg"), &json!("psst")));
    bob.is_cut();
    let line = "x".repeat(4000);
    let mut sent = 0;
    let refusal = loop {
        alice.says(&format!("/msg bob {line}"));
        match alice.sees_a_line() {
            told if told.starts_with("[you -> bob]") => sent += 1,
            told => break told,
        }
    };
    assert_eq!(refusal, "! bob has too much to read already. Your message was not sent.");
    assert!((16..=17).contains(&sent), "{sent} messages");
    bob.comes_back(&server);
    for _ in 0..sent {
        assert_eq!(bob.next()["text"], line);
    }
}

// ---- Coming back ----------------------------------------------------------------------------

#[test]
fn the_old_connection_may_still_be_there() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut old = bob.leaves_its_connection();
    alice.says("missed");
    let resumed = bob.comes_back(&server);
    assert_eq!(texts(&resumed["rooms"][0]["history"]), ["missed"]);
    assert_eq!(browser::closed(&mut old), ("replaced".to_owned(), 1008));
    bob.says("hi");
    bob.sees_said("hi");
    alice.sees("bob: hi");
}

#[test]
fn a_token_is_good_until_it_shows_that_the_next_has_come() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let first = bob.token.clone();
    bob.comes_back(&server);
    // Its answer may have been lost on the way.
    bob.token = first.clone();
    bob.comes_back(&server);
    bob.says("hi");
    bob.sees_said("hi");
    bob.token = first;
    assert_eq!(bob.tries_to_come_back(&server)["why"], "token", "it was used");
    alice.sees("bob: hi");
}

#[test]
fn ten_wrong_tokens_are_the_end() {
    let server = start(&[]);
    let (mut alice, bob) = alice_and_bob(&server);
    let mut eve = Browser::connects(&server);
    eve.next();
    let wrong = ["", "abc", &"0".repeat(64), &bob.token.replace(&bob.token[..1], "x")];
    for token in wrong.iter().cycle().take(9) {
        eve.sends(json!({ "type": "resume", "token": token, "rooms": { "#lobby": 0 } }));
        let refused = eve.next();
        assert_eq!((&refused["type"], &refused["why"]), (&json!("refused"), &json!("token")));
    }
    eve.sends(json!({ "type": "resume" }));
    assert_eq!(browser::closed(&mut eve.socket), ("wrong_tokens".to_owned(), 1008));
    // Nine are not, and the name is still asked for.
    let mut carol = Browser::connects(&server);
    carol.next();
    carol.sends(json!({ "type": "resume", "token": "x" }));
    carol.next();
    carol.sends(json!({ "type": "nick", "name": "carol" }));
    assert_eq!(carol.next()["type"], "welcome");
    alice.sees("* carol joined (3 here)");
    carol.sends(json!({ "type": "resume", "token": bob.token }));
    assert_eq!(carol.next()["why"], "not_resumable", "she is somebody already");
}

#[test]
fn what_the_history_has_no_more_is_a_gap_and_so_is_what_never_was() {
    let server = start(&["--history=2"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut told = |bob: &mut Browser, lines: &[&str], known: Option<u64>| {
        bob.is_cut();
        lines.iter().for_each(|line| alice.says(line));
        alice.sees_nothing_more();
        bob.known.extend(known.map(|id| ("#lobby".to_owned(), id)));
        let resumed = bob.comes_back(&server);
        let room = &resumed["rooms"][0];
        (texts(&room["history"]).join(" "), room["gap"].as_bool().unwrap())
    };
    assert_eq!(told(&mut bob, &["a", "b"], None), ("a b".to_owned(), false));
    assert_eq!(told(&mut bob, &[], None), (String::new(), false));
    assert_eq!(told(&mut bob, &["c", "d", "e"], None), ("d e".to_owned(), true));
    assert_eq!(told(&mut bob, &[], Some(17)), ("d e".to_owned(), true), "of another server");
    assert_eq!(told(&mut bob, &[], Some(1 << 62)), ("d e".to_owned(), true), "of none");
}

#[test]
fn after_a_restart_nothing_is_matched_wrongly() {
    let mut server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.says("before");
    bob.sees_said("before");
    let known = bob.known["#lobby"];
    server.kill();
    // A server that begins in the same second has the same numbers.
    let second = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let before = second();
    while second() == before {
        std::thread::yield_now();
    }
    let server = start(&[]);
    let mut alice = Person::join(&server, "alice");
    alice.says("after");
    alice.sees_nothing_more();
    assert_eq!(bob.tries_to_come_back(&server)["why"], "token");
    let mut bob = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    assert!(bob.known["#lobby"] > known, "numbers only grow");
    // Who has a good token and numbers of before is told that there is a gap.
    bob.known.insert("#lobby".to_owned(), known);
    let resumed = bob.comes_back(&server);
    assert_eq!(resumed["rooms"][0]["gap"], true);
    assert_eq!(texts(&resumed["rooms"][0]["history"]), ["after"]);
}

#[test]
fn whom_one_ignores_is_not_heard_afterwards_either() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut carol = Person::join(&server, "carol");
    alice.sees("* carol joined (3 here)");
    bob.sees_a("join");
    bob.says("/ignore carol");
    bob.sees_a("ignoring");
    bob.is_cut();
    carol.says("me");
    alice.sees("carol: me");
    alice.says("not me");
    let resumed = bob.comes_back(&server);
    assert_eq!(texts(&resumed["rooms"][0]["history"]), ["not me"]);
}

#[test]
fn whom_one_ignores_is_not_in_the_history_of_a_room_that_one_comes_to() {
    let server = start(&[]);
    let mut alice = Person::join(&server, "alice");
    alice.says("/join ops");
    alice.sees_prefix("* You are in #ops.");
    alice.says("not this");
    let mut carol = Person::join(&server, "carol");
    carol.says("/join ops");
    carol.sees_prefix("* You are in #ops.");
    carol.sees_prefix("[");
    carol.says("but this");
    alice.sees_prefix("* carol joined");
    alice.sees("carol: but this");
    let mut bob = Browser::joins(&server, "bob");
    bob.says("/ignore alice");
    bob.sees_a("ignoring");
    bob.says("/join ops");
    assert_eq!(texts(&bob.sees_a("welcome")["history"]), ["but this"]);
}

#[test]
fn each_room_is_told_and_those_that_one_is_not_in_are_joined_if_that_can_be() {
    let server = start(&["--max-rooms=3"]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.says("/join ops");
    bob.sees_a("welcome");
    alice.says("in the lobby");
    bob.sees_said("in the lobby");
    bob.is_cut();
    alice.says("missed");
    alice.says("/join ops");
    alice.sees_prefix("* You are in #ops.");
    alice.says("there");
    for (name, id) in [("#new", 1), ("#too-many", 1), ("#!", 1)] {
        bob.known.insert(name.to_owned(), id);
    }
    let resumed = bob.comes_back(&server);
    let told: Vec<_> = resumed["rooms"].as_array().unwrap().iter().collect();
    let told = |at: usize| (told[at]["room"].as_str().unwrap(), texts(&told[at]["history"]));
    assert_eq!(told(0), ("#lobby", vec!["missed"]));
    assert_eq!(told(1), ("#ops", vec!["there"]));
    assert_eq!(told(2), ("#new", vec![]));
    assert_eq!(resumed["rooms"][2]["gap"], true);
    let whys = [bob.next(), bob.next()].map(|refused| refused["why"].clone());
    assert_eq!(whys, ["room_name", "rooms_full"]);
    alice.says("hi");
    assert_eq!(bob.next()["room"], "#ops");
}

// ---- Saying something again -----------------------------------------------------------------

#[test]
fn several_lines_are_one_message_which_forges_nothing_and_is_confirmed_once() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let mut carol = Browser::joins(&server, "carol");
    let lines = [" ", "```", "\tif x {", "", "* eve joined\nroot: hi\r", "/quit", "```", ""];
    let message = json!({ "type": "say", "lines": lines, "key": "m1" });
    let told = ["```", "\tif x {", "", "* eve joinedroot: hi", "/quit", "```"];
    bob.sees_a("join");
    alice.sees("* carol joined (3 here)");
    bob.sends(message.clone());
    let ids: Vec<u64> = told
        .iter()
        .map(|text| {
            let line = carol.sees_said(text);
            assert_eq!(line["from"], "bob");
            assert_eq!(bob.sees_said(text), line);
            alice.sees(&format!("bob: {text}"));
            line["id"].as_u64().unwrap()
        })
        .collect();
    assert!(ids.windows(2).all(|two| two[1] == two[0] + 1), "nothing comes between: {ids:?}");
    let ack = json!({ "type": "ack", "key": "m1", "id": ids.last() });
    assert_eq!(bob.next(), ack);
    bob.is_cut();
    let resumed = bob.comes_back(&server);
    assert_eq!(resumed["rooms"][0]["history"], json!([]));
    bob.sends(message);
    assert_eq!(bob.next(), ack, "it is not said again");

    // All or nothing.
    let behind_blank_ones = [vec![" "; 20], vec!["x"; 51]].concat();
    for (lines, why) in [
        (vec!["x"; 51], "too_many_lines"),
        (behind_blank_ones, "too_many_lines"),
        (vec!["x"; 50], "no_such_room"),
    ] {
        let room = if why == "no_such_room" { "#nowhere" } else { "#lobby" };
        bob.sends(json!({ "type": "say", "lines": lines, "room": room, "key": why }));
        let refused = bob.sees_a("refused");
        assert_eq!((&refused["why"], &refused["key"]), (&json!(why), &json!(why)));
    }
    bob.sends(json!({ "type": "say", "lines": [], "key": "m2" }));
    bob.says("the end");
    alice.sees("bob: the end");
    bob.sees_said("the end");
}

#[test]
fn what_has_a_key_is_said_once() {
    let server = start(&[]);
    let (mut alice, mut bob) = alice_and_bob(&server);
    let say = json!({ "type": "say", "text": "hi", "key": "k1" });
    bob.sends(say.clone());
    let said = bob.sees_said("hi");
    let ack = bob.next();
    assert_eq!(ack, json!({ "type": "ack", "key": "k1", "id": said["id"] }));
    for again in [false, true] {
        if again {
            bob.is_cut();
            bob.comes_back(&server);
        }
        bob.sends(say.clone());
        assert_eq!(bob.next(), ack);
    }
    bob.sends(json!({ "type": "me", "text": "waves", "key": "k2" }));
    bob.sees_said("waves");
    assert_eq!(bob.next()["key"], "k2");
    bob.sends(json!({ "type": "msg", "to": "alice", "text": "psst", "key": "k3" }));
    bob.sees_a("sent");
    assert_eq!(bob.next()["key"], "k3");
    bob.sends(json!({ "type": "msg", "to": "alice", "text": "psst", "key": "k3" }));
    assert_eq!(bob.next()["key"], "k3");
    for key in ["", &"x".repeat(65)] {
        bob.sends(json!({ "type": "say", "text": "no", "key": key }));
        assert_eq!(bob.next()["why"], "key");
    }
    // What was refused was not said, and may be tried again.
    for _ in 0..2 {
        bob.sends(json!({ "type": "say", "room": "#ops", "text": "no", "key": "k4" }));
        assert_eq!(bob.next()["why"], "no_such_room");
    }
    for expected in ["bob: hi", "** bob waves", "[bob -> you] psst"] {
        alice.sees(expected);
    }
    alice.sees_nothing_more();
}

#[test]
fn what_is_refused_is_told_with_its_key_and_its_room() {
    let server = start(&["--fixed-rooms"]);
    let mut bob = Browser::joins(&server, "bob");
    let mut refused = |message: Value| {
        bob.sends(message);
        let told = bob.sees_a("refused");
        [&told["why"], &told["key"], &told["room"]].map(|field| field.as_str().map(str::to_owned))
    };
    let of = |fields: [&str; 3]| fields.map(|field| (!field.is_empty()).then(|| field.to_owned()));
    let say = json!({"type": "say", "text": "x", "room": "#nope", "key": "k1"});
    assert_eq!(refused(say), of(["no_such_room", "k1", "#nope"]));
    let tell = json!({"type": "msg", "to": "nobody", "text": "x", "key": "k2"});
    assert_eq!(refused(tell), of(["nobody", "k2", "#lobby"]));
    let join = json!({"type": "join", "room": "mine"});
    assert_eq!(refused(join), of(["rooms_fixed", "", "#mine"]));
    let join = json!({"type": "join", "room": "#"});
    assert_eq!(refused(join), of(["room_name", "", "#"]));
}

#[test]
fn the_latest_thousand_keys_are_known() {
    let server = start(&["--flood=0"]);
    let mut bob = Browser::joins(&server, "bob");
    let say = |key: usize| json!({ "type": "say", "text": "hi", "key": key.to_string() });
    for key in 0..1001 {
        bob.sends(say(key));
        bob.sees_said("hi");
        bob.sees_a("ack");
    }
    bob.sends(say(1));
    assert_eq!(bob.next()["type"], "ack");
    bob.sends(say(0));
    assert_eq!(bob.next()["type"], "say", "the first is forgotten");
}

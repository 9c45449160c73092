//! Whoever was cut off at one server comes back at another one, and nobody notices.

use serde_json::{Value, json};

use super::browser::{Browser, closed};
use super::common::{Person, Server};
use super::{Engine, sees_in_time};

const OPEN: [&str; 3] =
    ["--listen=lines=127.0.0.1:0", "--listen=web=127.0.0.1:0", "--resume-grace=60"];

/// Two servers with one engine, for people and browsers.
fn two_servers(name: &str) -> (Engine, Server, Server) {
    let engine = Engine::start(name);
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &OPEN));
    (engine, one, two)
}

/// Alice at a terminal, and Bob in a browser.
fn alice_and_bob(alices: &Server, bobs: &Server) -> (Person, Browser) {
    let mut alice = Person::join(alices, "alice");
    let bob = Browser::joins(bobs, "bob");
    alice.sees("* bob joined (2 here)");
    (alice, bob)
}

/// What was missed in the first room.
fn missed(resumed: &Value) -> Vec<&str> {
    let lines = resumed["rooms"][0]["history"].as_array().unwrap();
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

#[test]
fn who_is_cut_off_comes_back_at_another_server_and_misses_nothing() {
    let (_engine, one, two) = two_servers("relay-elsewhere");
    let (mut alice, mut bob) = alice_and_bob(&one, &one);
    let mut carol = Person::join(&two, "carol");
    alice.sees("* carol joined (3 here)");
    for (place, server) in [&two, &one, &two].into_iter().enumerate() {
        let line = format!("line {place}");
        bob.is_cut();
        alice.says(&line);
        carol.sees(&format!("alice: {line}"));
        let resumed = bob.comes_back(server);
        assert_eq!((&resumed["name"], missed(&resumed)), (&json!("bob"), vec![&*line]));
        assert_eq!(resumed["rooms"][0]["gap"], false);
        bob.says("here I am");
        bob.sees_said("here I am");
        for person in [&mut alice, &mut carol] {
            person.sees("bob: here I am");
        }
        alice.says("/msg bob psst");
        alice.sees("[you -> bob] psst");
        assert_eq!(bob.sees_a("msg")["text"], "psst");
    }
    assert_eq!(alice.answers_to("/who"), ["* 3 here: alice, bob, carol"]);
    bob.closes(Some(1000));
    alice.sees("* bob left (2 here)");
    assert_eq!(bob.tries_to_come_back(&one)["why"], "token", "who has left does not come back");
}

#[test]
fn what_was_private_comes_after_who_comes_back_at_another_server() {
    let (_engine, one, two) = two_servers("relay-mail");
    let (mut alice, mut bob) = alice_and_bob(&two, &one);
    let mut carol = Person::join(&one, "carol");
    alice.sees("* carol joined (3 here)");
    bob.is_cut();
    one.log().waits_for("cut off: bob");
    alice.says("/msg bob psst");
    alice.sees("[you -> bob] psst");
    bob.comes_back(&two);
    let came = bob.sees_a("msg");
    assert_eq!((&came["from"], &came["text"]), (&json!("alice"), &json!("psst")));
    // It comes once: it is not kept anywhere. Who has read what was said after the return knows the
    // token.
    alice.says("on");
    carol.sees("alice: on");
    bob.is_cut();
    two.log().waits_for("cut off: bob");
    bob.comes_back(&one);
    alice.says("/msg bob once");
    alice.sees("[you -> bob] once");
    assert_eq!(bob.sees_a("msg")["text"], "once");
}

#[test]
fn who_has_too_much_to_read_is_told_no_more_by_anybody_at_another_server() {
    let engine = Engine::start("relay-undelivered");
    let unhurried = [&OPEN[..], &["--flood=0"]].concat();
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &unhurried));
    let (mut alice, mut bob) = alice_and_bob(&two, &one);
    bob.is_cut();
    one.log().waits_for("cut off: bob");
    let text = "x".repeat(900);
    let refusal = "! bob has too much to read already. Your message was not sent.";
    let told = (0..200).find(|_| {
        alice.says(&format!("/msg bob {text}"));
        alice.sees_a_line() == refusal
    });
    assert!(told.is_some_and(|told| told > 60), "{told:?} messages of 900 bytes");
}

#[test]
fn the_connection_before_is_closed_and_what_was_said_is_not_said_again() {
    let (_engine, one, two) = two_servers("relay-replaced");
    let (mut alice, mut bob) = alice_and_bob(&one, &one);
    let line = json!({ "type": "say", "text": "once", "key": "k1" });
    bob.sends(line.clone());
    let acked = loop {
        match bob.next() {
            event if event["type"] == "ack" => break event,
            event => assert_eq!(event["type"], "say", "{event}"),
        }
    };
    alice.sees("bob: once");
    let mut before = bob.leaves_its_connection();
    bob.comes_back(&two);
    let (why, _) = closed(&mut before);
    assert_eq!(why, "replaced");
    bob.sends(line);
    assert_eq!(bob.next(), acked);
    bob.says("twice");
    alice.sees("bob: twice");
}

#[test]
fn a_server_can_be_stopped_or_die_without_anybody_leaving() {
    let (engine, mut one, two) = two_servers("relay-rolling");
    let (mut alice, mut bob) = alice_and_bob(&two, &one);
    one.terminate();
    assert_eq!(one.wait(), Some(0));
    alice.says("while it stops");
    alice.answers_to("/who");
    assert_eq!(missed(&bob.comes_back(&two)), ["while it stops"]);
    let mut one = engine.server("one", &OPEN);
    bob.ends();
    bob.comes_back(&one);
    bob.says("at the first one again");
    bob.sees_said("at the first one again");
    alice.sees("bob: at the first one again");
    one.kill();
    alice.says("while it is dead");
    alice.answers_to("/who");
    assert_eq!(missed(&bob.comes_back(&two)), ["while it is dead"]);
    bob.says("and on");
    alice.sees("bob: and on");
    alice.sees_nothing_more();
}

#[test]
fn who_does_not_come_back_from_a_server_that_has_stopped_leaves() {
    let (_engine, mut one, two) = two_servers("relay-stopped");
    let (mut alice, mut bob) = alice_and_bob(&two, &one);
    one.terminate();
    assert_eq!(one.wait(), Some(0));
    sees_in_time(&mut alice, "* bob left: relay lost (1 here)");
    assert_eq!(bob.tries_to_come_back(&two)["why"], "token");
}

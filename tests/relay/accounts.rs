//! Accounts are the same at all servers, and outlive each of them.

use serde_json::json;

use super::browser::Browser;
use super::common::Person;
use super::{Engine, sees_in_time, two_servers};

const PASSWORD: &str = "correct-horse";
const OTHER: &str = "battery-staple";

/// Passes over what comes before a line that has this in it.
pub(crate) fn sees_among_others(person: &mut Person, part: &str) {
    while !person.sees_a_line().contains(part) {}
}

fn registers(person: &mut Person, name: &str) {
    person.says(&format!("/register {PASSWORD}"));
    sees_in_time(person, &format!("* {name} is your account now. You are logged in."));
}

#[test]
fn an_account_is_one_at_all_servers() {
    let (engine, mut one, two) = two_servers("relay-accounts");
    let mut alice = Person::join(&one, "alice");
    registers(&mut alice, "alice");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    // Whoever looks like her gives another name; who knows the password is her.
    let mut thief = Person::is_asked_for_password(&two, "alice");
    thief.says("wrong horse!");
    thief.sees("! That is not the password.");
    thief.sees("* alice is registered. Password?");
    thief.says("");
    thief.sees("* Welcome to chinwag. What is your nickname?");
    thief.takes_name("bob");
    thief.says("/join ops");
    thief.sees("* You are in #ops. Here now: alice, bob.");
    alice.sees("* bob joined (2 here)");
    let mut again = Person::is_asked_for_password(&two, "alice");
    again.says(PASSWORD);
    sees_among_others(&mut again, "* You are alice.");
    sees_among_others(&mut alice, "alice_2");
    again.says("/join ops");
    again.sees_prefix("* You are in #ops. Here now: ");
    // She is in charge there, as she opened it; also of who came by another server.
    again.says("/kick bob");
    sees_among_others(&mut thief, "! You were kicked out of #ops by alice");

    // Another password counts at once, everywhere.
    again.says(&format!("/password {PASSWORD} {OTHER}"));
    sees_among_others(&mut again, "* The password of alice is another one now.");
    again.says("done");
    sees_among_others(&mut alice, "alice: done");
    let mut late = Person::is_asked_for_password(&one, "alice");
    late.says(PASSWORD);
    late.sees("! That is not the password.");

    // It outlives all servers.
    one.kill();
    drop((alice, thief, again, late, two));
    let one = engine.server("one", &[]);
    let mut alice = Person::is_asked_for_password(&one, "alice");
    alice.says(OTHER);
    sees_among_others(&mut alice, "* You are alice.");
    alice.says(&format!("/unregister {OTHER}"));
    sees_among_others(&mut alice, "alice is no account any more.");
    let two = engine.server("two", &[]);
    let mut bob = Person::join(&two, "bob");
    bob.says("/nick alicia");
    bob.sees("* bob is now alicia");
}

#[test]
fn a_token_of_an_account_is_good_at_all_servers() {
    let open = ["--listen=lines=127.0.0.1:0", "--listen=web=127.0.0.1:0"];
    let engine = Engine::start("relay-token");
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &open));
    let mut alice = Person::join(&one, "alice");
    registers(&mut alice, "alice");
    alice.says("/quit");
    alice.sees("* Goodbye.");
    let mut carol = Person::join(&one, "carol");
    let mut browser = Browser::connects(&one);
    browser.sees_a("ask");
    browser.sends(json!({ "type": "nick", "name": "alice" }));
    browser.sees_a("login");
    browser.sends(json!({ "type": "password", "text": PASSWORD }));
    let token = browser.sees_a("account")["token"].clone();
    assert_eq!(token.as_str().unwrap().len(), 64);
    browser.sees_a("welcome");
    let mut other = Browser::connects(&two);
    other.sees_a("ask");
    other.sends(json!({ "type": "login", "name": "alice", "token": token }));
    assert_eq!(other.sees_a("account")["event"], "logged_in");
    assert_eq!(other.sees_a("welcome")["name"], "alice");
    other.sends(json!({ "type": "say", "text": "/logout" }));
    while other.next()["event"] != "logged_out" {}
    other.sends(json!({ "type": "say", "text": "out" }));
    sees_among_others(&mut carol, ": out");
    let mut third = Browser::connects(&one);
    third.sees_a("ask");
    third.sends(json!({ "type": "login", "name": "alice", "token": token }));
    assert_eq!(third.sees_a("refused")["why"], "wrong_password");
}

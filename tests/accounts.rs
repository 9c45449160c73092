//! Accounts and operators on the real server: passwords that are really tried, what outlives a
//! kill, and what is done about the file while the server runs.

#![cfg(feature = "data")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::fs;
use std::io::Write as _;

use common::{Folder, Person, Process, Server, chinwag, own_address};

const PASSWORD: &str = "correct horse";
const BOSS: &str = "battery staple";

fn data(folder: &Folder) -> String {
    format!("--data={}", folder.file("chat.db").display())
}

/// Runs the program with this input. Returns what it writes to standard output.
fn run(args: &[&str], input: &str) -> Vec<String> {
    let mut command = chinwag();
    command.args(args);
    let mut process = Process::spawn(command);
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert_eq!(process.wait(), Some(0), "{args:?}");
    process.stdout.lines_at_the_end()
}

/// A configuration with an operator called `boss`.
fn configured(folder: &Folder) -> String {
    let hash = run(&["hash-password"], BOSS).remove(0);
    let file = folder.file("chinwag.toml");
    fs::write(&file, format!("[operators]\nboss = \"{hash}\"\n")).unwrap();
    format!("--config={}", file.display())
}

#[test]
fn accounts_rights_bans_and_acts_outlive_a_kill_and_passwords_are_nowhere() {
    let folder = Folder::new("accounts-kill");
    let (data, config) = (data(&folder), configured(&folder));
    let args = [&*data, &*config, "--log-level=debug"];
    let mut server = Server::start(&args);
    let mut alice = Person::join(&server, "alice");
    alice.says(&format!("/register {PASSWORD}"));
    alice.sees("* alice is your account now. You are logged in.");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    for set in ["moderated on", "key sesame", "limit 20"] {
        alice.says(&format!("/room {set}"));
        alice.sees_prefix("* alice set #ops: ");
    }
    let mut bob = Person::join(&server, "bob");
    bob.says(&format!("/oper boss {PASSWORD}"));
    bob.sees("! That is not the password.");
    bob.says(&format!("/oper boss {BOSS}"));
    bob.sees("* You are an operator of the server.");
    bob.says("/ban 192.0.2.0/24 forever spam");
    bob.sees("* bob banned 192.0.2.0/24 forever: spam");
    bob.says("/mute 192.0.2.7 1s");
    bob.sees_prefix("* bob muted 192.0.2.7/32 until ");
    // What was asked last is answered when all that was done before is safe.
    bob.says("/audit");
    bob.sees_a("the last act", |line| line.contains("bob: mute 192.0.2.7/32 -> "));
    server.kill();
    let log = server.log().lines_at_the_end();

    let mut server = Server::start(&args);
    let mut alice = Person::is_asked_for_password(&server, "alice");
    alice.says("wrong horse");
    alice.sees("! That is not the password.");
    alice.sees("* alice is registered. Password?");
    alice.says(PASSWORD);
    alice.sees("* You are alice. Here now: alice. Type /help for help.");
    alice.sees("* You are logged in as alice.");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    alice.says("/room");
    let settings = alice.sees_a_line();
    for word in ["moderated", "it has a key", "at most 20"] {
        assert!(settings.contains(word), "{settings}");
    }
    alice.sees("* Operators: @alice");
    let mut bob = Person::join(&server, "bob");
    assert_eq!(bob.answers_to("/join ops"), ["! #ops has a key: /join ROOM KEY"]);
    bob.says(&format!("/oper boss {BOSS}"));
    bob.sees("* You are an operator of the server.");
    let bans = bob.answers_to("/bans");
    assert_eq!(bans.last().unwrap(), "* ban 192.0.2.0/24 forever, by bob: spam");
    let acts = bob.answers_to("/audit");
    assert!(acts.iter().any(|act| act.contains("bob: ban 192.0.2.0/24: spam")), "{acts:?}");
    assert!(acts.iter().any(|act| act.contains("alice: room key on #ops")), "{acts:?}");
    // The key is in the file, since it must be known; passwords are nowhere.
    server.kill();
    let all: Vec<_> = log.into_iter().chain(server.log().lines_at_the_end()).collect();
    for secret in [PASSWORD, BOSS, "wrong horse"] {
        assert!(!all.iter().any(|line| line.contains(secret)), "{secret} is in the log");
        for file in fs::read_dir(folder.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap_or_default();
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is in a file");
        }
    }
    assert!(!all.iter().any(|line| line.contains("sesame")), "a key is in the log");
}

#[test]
fn an_account_that_is_deleted_or_reset_outside_is_so_at_once() {
    let folder = Folder::new("accounts-outside");
    let data = data(&folder);
    let server = Server::start(&[&data]);
    run(&["account", "add", &data, "alice"], PASSWORD);
    server.log().waits_for("accounts changed outside");
    let mut alice = Person::is_asked_for_password(&server, "alice");
    run(&["account", "reset", &data, "alice"], BOSS);
    alice.says(PASSWORD);
    alice.sees("! That is not the password.");
    alice.sees("* alice is registered. Password?");
    alice.says(BOSS);
    alice.sees_prefix("* You are alice. ");
    alice.sees("* You are logged in as alice.");
    run(&["account", "reset", &data, "alice"], PASSWORD);
    server.log().waits_for("1 reset");
    alice.sees("* alice is now alice_2");
    alice.sees("* The nickname alice belongs to an account. You are alice_2 now.");
    alice.says(&format!("/login alice {PASSWORD}"));
    alice.sees("* alice_2 is now alice");
    alice.sees("* You are logged in as alice.");
    run(&["account", "delete", &data, "alice"], "");
    server.log().waits_for("1 deleted");
    alice.says("/logout");
    alice.sees("! You are not logged in.");
    alice.says("/quit");
    alice.sees("* Goodbye.");
    Person::join(&server, "alice");
}

#[test]
fn whoever_has_an_operators_account_is_an_operator_until_the_configuration_says_otherwise() {
    let folder = Folder::new("accounts-operator");
    let data = data(&folder);
    let file = folder.file("chinwag.toml");
    fs::write(&file, "operator = \"alice\"\n").unwrap();
    let config = format!("--config={}", file.display());
    run(&["import", &data], ""); // makes the file
    run(&["account", "add", &data, "alice"], PASSWORD);
    let server = Server::start(&[&data, &config]);
    let mut alice = Person::is_asked_for_password(&server, "alice");
    alice.says(PASSWORD);
    alice.sees_prefix("* You are alice. ");
    alice.sees("* You are logged in as alice.");
    alice.sees("* You are an operator of the server.");
    fs::write(&file, "history = 7\n").unwrap();
    alice.says("/reload");
    alice.sees("* The configuration is read again. The log says what comes of it.");
    server.log().waits_for("--history, --operator changed");
    assert_eq!(alice.answers_to("/reload"), ["! Only an operator of the server may do that."]);
}

#[test]
fn the_servers_own_terminal_is_an_operator() {
    let mut server = Server::start(&["--console"]);
    let mut terminal = server.terminal();
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* You are server. Here now: server. Type /help for help.");
    terminal.sees("* bob joined (2 here)");
    terminal.says("/kill bob enough");
    bob.sees("! You were removed from the server by server: enough");
    bob.sees_eof();
    terminal.sees("* bob was removed from the server by server: enough (1 here)");
}

#[test]
fn a_listener_that_others_can_reach_takes_no_password_in_plain_text() {
    let Some(address) = own_address() else { return };
    let folder = Folder::new("accounts-exposed");
    let data = data(&folder);
    let listener = format!("lines={}", std::net::SocketAddr::new(address, 0));
    let plain = "! Others could read a password here on its way: this address is not encrypted.";
    for (flag, told) in [
        ("--flood=30/3", plain),
        ("--insecure-passwords", "* alice is your account now. You are logged in."),
    ] {
        let server = Server::start(&[&data, flag, "--listen", &listener]);
        let mut alice = Person::join_at(server.address("lines"), "alice");
        alice.says(&format!("/register {PASSWORD}"));
        alice.sees(told);
    }
}

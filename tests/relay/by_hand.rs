//! `chinwag account --relay`: what an operator does with accounts that servers share, while they
//! run and while none does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use serde_json::json;

use super::accounts::sees_among_others;
use super::browser::Browser;
use super::common::{Person, Server};
use super::running::{PASSWORD, does, is_refused, run};
use super::{Engine, free_port, two_servers};

const OTHER: &str = "battery staple";

impl Engine {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// So many entries are written that say nothing.
    fn log_grows_by(&self, entries: usize) {
        let script = format!(
            "for i = 1, {entries} do redis.call('XADD', 'chinwag:{{main}}:log', \
             redis.call('GET', 'chinwag:{{main}}:epoch') .. '-*', \
             'n', 'x', 's', i, 't', '0', 'e', 'x') end"
        );
        assert_eq!(self.answers(&format!("EVAL \"{script}\" 0")), "$-1");
    }
}

/// The arguments of `chinwag account`, with an account or without.
fn account<'a>(task: &'a str, url: &'a str, name: &'a str) -> Vec<&'a str> {
    let all = ["account", task, "--relay", url, name];
    all.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Somebody who comes in with this name and this password.
fn comes_in(server: &Server, name: &str, password: &str) -> Person {
    let mut person = Person::is_asked_for_password(server, name);
    person.says(password);
    sees_among_others(&mut person, &format!("* You are {name}."));
    person
}

/// Somebody who gives this name, and then a password that is not that of the account.
fn is_kept_out(server: &Server, name: &str, password: &str) {
    let mut person = Person::is_asked_for_password(server, name);
    person.says(password);
    person.sees("! That is not the password.");
}

#[test]
fn what_an_operator_does_with_an_account_counts_at_all_servers_at_once() {
    let (engine, one, two) = two_servers("relay-by-hand");
    let url = engine.url();
    let mut bob = Person::join(&one, "bob");
    does(&account("list", &url, ""), "", "There are no accounts.");
    does(&account("add", &url, "Alice"), PASSWORD, "Alice is an account now.");
    is_refused(
        &account("add", &url, "A1ice"),
        PASSWORD.as_bytes(),
        1,
        "there is an account Alice already",
    );
    does(&account("list", &url, ""), "", "NAME\nAlice");
    let mut alice = comes_in(&two, "Alice", PASSWORD);
    sees_among_others(&mut bob, "* Alice joined");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: Alice.");

    // Whoever is logged in is not any more, and has lost the name.
    does(&account("reset", &url, "alice"), OTHER, "Alice has another password now.");
    sees_among_others(&mut alice, "* The nickname Alice belongs to an account. You are Alice_2");
    for server in [&one, &two] {
        is_kept_out(server, "Alice", PASSWORD);
    }
    let mut again = comes_in(&one, "Alice", OTHER);
    again.says("/join ops");
    again.sees("* You are in #ops. Here now: Alice, Alice_2.");
    alice.sees("* Alice joined (2 here)");
    again.says("/kick Alice_2");
    sees_among_others(&mut alice, "! You were kicked out of #ops by Alice");

    // Nobody is asked for a password any more.
    does(&account("delete", &url, "alice"), "", "Alice is no account any more.");
    is_refused(&account("delete", &url, "alice"), b"", 1, "there is no account alice");
    is_refused(
        &account("reset", &url, "alice"),
        PASSWORD.as_bytes(),
        1,
        "there is no account alice",
    );
    again.says("/quit");
    sees_among_others(&mut again, "* Goodbye.");
    Person::join(&one, "a1ice");

    // Whoever came for that was no server, and nobody misses it.
    for mut server in [one, two] {
        server.log().waits_for("relay: chinwag account has changed the account Alice");
        server.terminate();
        server.wait();
        let log = server.log().lines_at_the_end();
        let is_wrong = |line: &&String| line.contains("(account)") || line.contains("has gone");
        let wrong: Vec<_> = log.iter().filter(is_wrong).collect();
        assert!(wrong.iter().all(|line| line.contains(": one has gone")), "{wrong:?}");
    }
}

#[test]
fn a_reset_ends_the_tokens_of_browsers_and_is_no_server_in_the_metrics() {
    let engine = Engine::start("relay-by-hand-token");
    let open = ["--listen=web=127.0.0.1:0"];
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &open));
    let url = engine.url();
    does(&account("add", &url, "alice"), PASSWORD, "alice is an account now.");
    let comes = |server: &Server, message| {
        let mut browser = Browser::connects(server);
        browser.sees_a("ask");
        browser.sends(message);
        browser
    };
    let mut browser = comes(&one, json!({ "type": "nick", "name": "alice" }));
    browser.sees_a("login");
    browser.sends(json!({ "type": "password", "text": PASSWORD }));
    let token = browser.sees_a("account")["token"].clone();
    browser.sees_a("welcome");
    let login = json!({ "type": "login", "name": "alice", "token": token });
    let mut other = comes(&two, login.clone());
    assert_eq!(other.sees_a("account")["event"], "logged_in");
    does(&account("reset", &url, "alice"), OTHER, "alice has another password now.");
    for server in [&one, &two] {
        let mut third = comes(server, login.clone());
        assert_eq!(third.sees_a("refused")["why"], "wrong_password");
        let mut metrics = TcpStream::connect(server.address("web")).unwrap();
        write!(metrics, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut told = String::new();
        metrics.read_to_string(&mut told).unwrap();
        assert!(told.contains("\nchinwag_relay_servers 2\n"), "{told}");
        assert!(told.contains("\nchinwag_relay_pending 0\n"), "{told}");
    }
}

#[test]
fn what_an_operator_does_while_no_server_runs_is_known_to_those_that_start() {
    let engine = Engine::start("relay-by-hand-alone");
    let url = engine.url();
    for name in ["alice", "bob", "carol"] {
        does(&account("add", &url, name), PASSWORD, &format!("{name} is an account now."));
    }
    does(&account("reset", &url, "bob"), OTHER, "bob has another password now.");
    does(&account("delete", &url, "carol"), "", "carol is no account any more.");
    does(&account("list", &url, ""), "", "NAME\nalice\nbob");
    let one = engine.server("one", &[]);
    comes_in(&one, "alice", PASSWORD);
    is_kept_out(&one, "bob", PASSWORD);
    comes_in(&one, "bob", OTHER);
    Person::join(&one, "carol");
}

#[test]
fn of_operators_who_want_one_name_at_once_one_gets_it() {
    let (engine, _one, _two) = two_servers("relay-by-hand-race");
    let url = engine.url();
    let codes = thread::scope(|scope| {
        let add = || run(&account("add", &url, "zoe"), PASSWORD.as_bytes()).0;
        let all: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    let made = codes.iter().filter(|code| **code == Some(0)).count();
    let taken = codes.iter().filter(|code| **code == Some(1)).count();
    assert_eq!((made, taken), (1, 3), "{codes:?}");
}

#[test]
fn why_an_engine_cannot_be_used_is_said_in_one_sentence() {
    let away = format!("redis://127.0.0.1:{}", free_port());
    let engine = Engine::start_with("relay-by-hand-wrong", free_port(), &["--requirepass", "key"]);
    let wrong = format!("redis://:lock@127.0.0.1:{}", engine.port);
    for (url, task, name, words) in [
        (&away, "list", "", "Connection refused"),
        (&away, "add", "alice", "Connection refused"),
        (&wrong, "reset", "alice", "WRONGPASS"),
        (&engine.url(), "delete", "alice", "NOAUTH"),
    ] {
        let words = format!("cannot use the engine of --relay: {words}");
        is_refused(&account(task, url, name), PASSWORD.as_bytes(), 3, &words);
    }
    let url = format!("rediss://127.0.0.1:{}", engine.port);
    is_refused(&account("list", &url, ""), b"", 2, "--relay-ca");
    is_refused(&account("list", "localhost", ""), b"", 2, "redis://host:6379");
    let both = ["account", "list", "--relay", &away, "--data", "chat.db"];
    is_refused(&both, b"", 2, "cannot be used with");
}

#[test]
fn nobody_changes_accounts_of_which_nothing_is_known() {
    let engine = Engine::start("relay-by-hand-trimmed");
    let url = engine.url();
    does(&account("add", &url, "alice"), PASSWORD, "alice is an account now.");
    does(&account("add", &url, "bob"), PASSWORD, "bob is an account now.");
    assert_eq!(engine.answers("XTRIM chinwag:{main}:log MAXLEN 1"), ":2");
    let words = "the beginning of the log is gone";
    is_refused(&account("list", &url, ""), b"", 3, words);
    is_refused(&account("add", &url, "carol"), PASSWORD.as_bytes(), 3, words);
}

#[test]
fn whoever_knows_accounts_alone_saves_nothing_that_servers_would_begin_with() {
    let engine = Engine::start("relay-by-hand-place");
    let url = engine.url();
    does(&account("add", &url, "alice"), PASSWORD, "alice is an account now.");
    engine.log_grows_by(4094);
    does(&account("add", &url, "bob"), PASSWORD, "bob is an account now.");
    // The place at which whoever writes there saves a checkpoint.
    assert_eq!(engine.answers("XLEN chinwag:{main}:log"), ":4097");
    assert_eq!(engine.answers("EXISTS chinwag:{main}:state"), ":0");
    does(&account("list", &url, ""), "", "NAME\nalice\nbob");
}

#[test]
fn an_account_is_not_changed_where_nobody_has_saved_for_long_what_was_so() {
    let engine = Engine::start("relay-by-hand-long");
    let url = engine.url();
    does(&account("add", &url, "alice"), PASSWORD, "alice is an account now.");
    engine.log_grows_by(40_000);
    let add = account("add", &url, "bob");
    is_refused(&add, PASSWORD.as_bytes(), 1, "start one, and try again");
    does(&account("list", &url, ""), "", "NAME\nalice");
    // A server that has read so much sees that it is saved.
    let one = engine.server("one", &[]);
    comes_in(&one, "alice", PASSWORD);
    does(&add, PASSWORD, "bob is an account now.");
    comes_in(&one, "bob", PASSWORD);
}

//! Several servers that share their rooms through a real Redis: who is at one meets who is at
//! another, and loses nothing when the engine, a connection or a server does. The tests need the
//! program `redis-server`.

#![cfg(all(target_os = "linux", feature = "relay"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

#[cfg(all(feature = "web", feature = "data"))]
#[path = "relay/accounts.rs"]
mod accounts;
#[cfg(feature = "web")]
#[path = "resume/browser.rs"]
mod browser;
#[cfg(all(feature = "web", feature = "data"))]
#[path = "relay/by_hand.rs"]
mod by_hand;
mod common;
#[path = "irc/client.rs"]
mod irc;
#[cfg(feature = "web")]
#[path = "relay/returning.rs"]
mod returning;
#[cfg(all(feature = "web", feature = "data"))]
#[path = "common/running.rs"]
mod running;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Folder, Person, Server};
use irc::Irc;

/// How long something may take that waits for the engine, or for a server that is taken for gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Redis of one's own, which keeps what it has over a restart.
struct Engine {
    child: Child,
    port: u16,
    folder: Folder,
    /// What else it was told.
    args: Vec<String>,
}

/// A port on which nobody listens. Whoever wants it has to be quick.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Engine {
    fn start(name: &str) -> Engine {
        Engine::start_with(name, free_port(), &[])
    }

    fn start_with(name: &str, port: u16, args: &[&str]) -> Engine {
        let folder = Folder::new(name);
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Engine { child: Engine::spawn(port, &folder, &args), port, folder, args }
    }

    fn spawn(port: u16, folder: &Folder, args: &[String]) -> Child {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes"])
            .args(["--save", "", "--dir"])
            .arg(folder.path())
            .args(args)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed, version 7.0 or later");
        let is_there = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !is_there() {
            std::thread::yield_now();
        }
        child
    }

    /// It is gone at once, as when its machine loses power, but for what it had written.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn comes_back(&mut self) {
        self.child = Engine::spawn(self.port, &self.folder, &self.args);
    }

    /// Answers a command with one line.
    fn answers(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// A server that shares its rooms through it.
    fn server(&self, label: &str, args: &[&str]) -> Server {
        server_at(&format!("redis://127.0.0.1:{}", self.port), label, args)
    }
}

fn server_at(url: &str, label: &str, args: &[&str]) -> Server {
    let mut all = vec!["--relay", url, "--relay-name", label];
    all.extend(args);
    let server = Server::start(&all);
    server.log().waits_for("relay: connected");
    server
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two servers with one engine.
fn two_servers(name: &str) -> (Engine, Server, Server) {
    let engine = Engine::start(name);
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &[]));
    (engine, one, two)
}

/// Alice at one server and Bob at the other.
fn alice_and_bob(one: &Server, two: &Server) -> (Person, Person) {
    let mut alice = Person::join(one, "alice");
    let bob = Person::join(two, "bob");
    alice.sees("* bob joined (2 here)");
    (alice, bob)
}

/// Waits for a line that may take long.
#[track_caller]
fn sees_in_time(person: &mut Person, expected: &str) {
    assert_eq!(person.sees_within(PATIENCE).as_deref(), Some(expected));
}

// ---- What people see of each other --------------------------------------------------------------

#[test]
fn what_is_for_the_operators_of_a_room_reaches_them_at_all_servers() {
    let open = ["--listen=lines=127.0.0.1:0", "--listen=irc=127.0.0.1:0"];
    let engine = Engine::start("relay-ranks");
    let [one, two] = ["one", "two"].map(|label| engine.server(label, &open));
    let mut al = Irc::comes(&one, "al");
    al.joins("#ops");
    let mut bo = Irc::comes_with(&two, "bo", "echo-message");
    bo.joins("#ops");
    al.sees(":bo!bo@host JOIN #ops");
    let mut carol = Person::join(&two, "carol");
    carol.says("/join ops");
    carol.sees("* You are in #ops. Here now: al, bo, carol.");
    bo.sees(":carol!lines@host JOIN #ops");
    bo.says("NOTICE @#ops :only you");
    bo.sees(":bo!bo@host NOTICE @#ops :only you");
    bo.says("PRIVMSG #ops :all");
    carol.sees("bo: all");
    al.sees(":carol!lines@host JOIN #ops");
    al.sees(":bo!bo@host NOTICE @#ops :only you");
    al.sees(":bo!bo@host PRIVMSG #ops :all");
}

#[test]
fn who_is_at_one_server_meets_who_is_at_another() {
    let (_engine, one, two) = two_servers("relay-meets");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    assert_eq!(bob.answers_to("/who"), ["* 2 here: alice, bob"]);
    alice.says("hello");
    bob.sees("alice: hello");
    bob.says("/me waves");
    alice.sees("** bob waves");
    alice.says("/msg bob psst");
    alice.sees("[you -> bob] psst");
    bob.sees("[alice -> you] psst");
    bob.says("/r yes?");
    bob.sees("[you -> alice] yes?");
    alice.sees("[bob -> you] yes?");
    bob.says("/topic Tea");
    for person in [&mut alice, &mut bob] {
        person.sees("* bob says what #lobby is about: Tea");
    }
    bob.says("/nick rob");
    for person in [&mut alice, &mut bob] {
        person.sees("* bob is now rob");
    }
    bob.says("/quit");
    bob.sees("* Goodbye.");
    alice.sees("* rob left (1 here)");
    alice.sees_nothing_more();
}

#[test]
fn a_name_is_one_persons_whatever_the_server() {
    let (_engine, one, two) = two_servers("relay-names");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    let mut other = Person::connect(&two);
    other.sees("* Welcome to chinwag. What is your nickname?");
    other.says("ALICE");
    other.sees("! The nickname ALICE is taken. Try another.");
    bob.says("/nick Alice");
    bob.sees("! The nickname Alice is taken. Try another.");
    alice.says("/quit");
    alice.sees("* Goodbye.");
    bob.sees("* alice left (1 here)");
    other.says("ALICE");
    other.sees("* You are ALICE. Here now: ALICE, bob. Type /help for help.");
    bob.sees("* ALICE joined (2 here)");
}

#[test]
fn of_many_who_want_one_name_at_once_one_gets_it() {
    let (_engine, one, two) = two_servers("relay-race");
    let mut all: Vec<Person> =
        (0..20).map(|i| Person::connect(if i % 2 == 0 { &one } else { &two })).collect();
    for person in &mut all {
        person.sees("* Welcome to chinwag. What is your nickname?");
    }
    for person in &mut all {
        person.says("zoe");
    }
    let mut named = 0;
    for person in &mut all {
        let answer = person.sees_a_line();
        match answer.as_str() {
            "! The nickname zoe is taken. Try another." => {}
            _ => {
                assert_eq!(answer, "* You are zoe. Here now: zoe. Type /help for help.");
                named += 1;
            }
        }
    }
    assert_eq!(named, 1);
}

#[test]
fn what_is_typed_ahead_is_done_in_its_order() {
    let (_engine, one, two) = two_servers("relay-ahead");
    let mut bob = Person::join(&two, "bob");
    let mut alice = Person::connect(&one);
    alice.sees("* Welcome to chinwag. What is your nickname?");
    alice.sends(b"alice\nin the lobby\n/join ops\nin ops\n/nick al\n/part\nback\n/quit\n");
    alice.sees_until_eof();
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: in the lobby");
    bob.sees("* alice left (1 here)");
    bob.sees("* al joined (2 here)");
    bob.sees("al: back");
    bob.sees("* al left (1 here)");
    bob.sees_nothing_more();
}

#[test]
fn a_server_that_comes_later_knows_what_was_said_before() {
    let engine = Engine::start("relay-later");
    let one = engine.server("one", &[]);
    let mut alice = Person::join(&one, "alice");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
    alice.says("/topic Work");
    alice.sees("* alice says what #ops is about: Work");
    alice.says("remember this");
    let two = engine.server("two", &[]);
    let mut bob = Person::join(&two, "bob");
    assert_eq!(bob.answers_to("/rooms"), ["* #lobby (1 here)", "* #ops (1 here): Work"]);
    bob.says("/join ops");
    bob.sees("* You are in #ops. Here now: alice, bob.");
    bob.sees("* #ops is about: Work");
    bob.sees_a("the history", |line| line.ends_with("] alice: remember this"));
    alice.sees("* bob joined (2 here)");
}

#[test]
fn an_operator_at_one_server_keeps_order_at_another() {
    let engine = Engine::start("relay-order");
    let mut one = engine.server("one", &["--console"]);
    let mut terminal = one.terminal();
    terminal.sees("* You are server. Here now: server. Type /help for help.");
    let two = engine.server("two", &[]);
    let mut bob = Person::join(&two, "bob");
    // One server may have read that somebody came before another one has.
    terminal.sees("* bob joined (2 here)");
    let mut carol = Person::join(&two, "carol");
    terminal.sees("* carol joined (3 here)");
    bob.sees("* carol joined (3 here)");
    terminal.says("/kick bob Enough");
    bob.sees("! You were kicked out of #lobby by server: Enough");
    bob.sees_until_eof();
    carol.sees("* bob was kicked by server: Enough (2 here)");
    terminal.says("/announce Tea is ready");
    carol.sees_a("what is announced", |line| line.contains("Tea is ready"));
    terminal.says("/lock");
    carol.sees_prefix("* server locked the server");
    let mut dave = Person::connect(&two);
    dave.sees("* Welcome to chinwag. What is your nickname?");
    dave.says("dave");
    dave.sees_prefix("! The server is locked");
}

// ---- What may break -----------------------------------------------------------------------------

#[test]
fn an_engine_that_was_killed_and_comes_back_has_lost_nothing() {
    let (mut engine, one, two) = two_servers("relay-killed");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    alice.says("before");
    bob.sees("alice: before");
    engine.kill();
    for person in [&mut alice, &mut bob] {
        sees_in_time(person, "! The relay is away; what you say waits.");
    }
    alice.says("meanwhile");
    bob.says("meanwhile, too");
    engine.comes_back();
    // Who is back first may speak before the others are.
    for (person, said) in [(&mut alice, "bob: meanwhile, too"), (&mut bob, "alice: meanwhile")] {
        let mut seen = [(); 2].map(|()| person.sees_within(PATIENCE).unwrap());
        seen.sort_unstable();
        assert_eq!(seen, ["* The relay is back.", said]);
    }
    alice.says("after");
    bob.sees("alice: after");
    for person in [&mut alice, &mut bob] {
        person.sees_nothing_more();
    }
}

#[test]
fn connections_to_the_engine_may_be_cut_at_any_time() {
    let (engine, one, two) = two_servers("relay-cut");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    for round in 0..10 {
        for line in 0..20 {
            alice.says(&format!("{round} {line}"));
        }
        assert!(engine.answers("CLIENT KILL TYPE normal").starts_with(':'));
        for line in 0..20 {
            let expected = format!("alice: {round} {line}");
            let seen = bob.sees_a("a line", |line| line.starts_with("alice: "));
            assert_eq!(seen, expected, "each once, in order");
        }
    }
}

#[test]
fn who_was_at_a_server_that_died_leaves_once() {
    let (_engine, one, mut two) = two_servers("relay-died");
    let (mut alice, bob) = alice_and_bob(&one, &two);
    let mut carol = Person::join(&two, "carol");
    alice.sees("* carol joined (3 here)");
    carol.says("last words");
    alice.sees("carol: last words");
    two.kill();
    sees_in_time(&mut alice, "* bob and carol left: relay lost (1 here)");
    drop((bob, carol));
    let mut again = Person::join(&one, "bob");
    alice.sees("* bob joined (2 here)");
    again.says("here again");
    alice.sees("bob: here again");
    alice.sees_nothing_more();
}

#[test]
fn who_was_at_a_server_that_is_started_again_leaves_at_once() {
    let (engine, one, mut two) = two_servers("relay-again");
    let (mut alice, bob) = alice_and_bob(&one, &two);
    two.kill();
    let two = engine.server("two", &[]);
    alice.sees("* bob left: relay lost (1 here)");
    drop(bob);
    let mut bob = Person::join(&two, "bob");
    alice.sees("* bob joined (2 here)");
    bob.says("I am back");
    alice.sees("bob: I am back");
}

#[test]
fn a_server_that_stood_still_for_too_long_closes_its_people() {
    let (_engine, one, two) = two_servers("relay-still");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    two.pause();
    bob.says("in the socket of a server that stands still");
    sees_in_time(&mut alice, "* bob left: relay lost (1 here)");
    two.resume();
    let told = bob.sees_until_eof();
    assert!(told.iter().any(|line| line.starts_with("! The relay is lost.")), "{told:?}");
    let mut bob = Person::join(&two, "bob");
    alice.sees_a("bob again", |line| line == "* bob joined (2 here)");
    bob.says("and on");
    alice.sees("bob: and on");
    alice.sees_nothing_more();
}

#[test]
fn an_engine_that_has_lost_all_closes_everybody() {
    let (engine, one, two) = two_servers("relay-flushed");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    assert_eq!(engine.answers("FLUSHALL"), "+OK");
    // Whoever writes next finds out; the others, when they look again.
    alice.says("into the void");
    assert!(engine.answers("CLIENT KILL TYPE normal").starts_with(':'));
    for person in [&mut alice, &mut bob] {
        let told = person.sees_until_eof();
        assert!(told.iter().any(|line| line.starts_with("! The relay has lost")), "{told:?}");
    }
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    alice.says("anew");
    bob.sees("alice: anew");
}

#[test]
fn who_has_read_what_a_failover_has_lost_is_closed_and_told() {
    let [mut master, replica] = ["relay-master", "relay-replica"].map(Engine::start);
    let is_replica = replica.answers(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    assert_eq!(is_replica, "+OK");
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", master.port, replica.port);
    let [one, two] = ["one", "two"].map(|label| server_at(&url, label, &[]));
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    let mut carol = Person::join(&one, "carol");
    for person in [&mut alice, &mut bob] {
        person.sees("* carol joined (3 here)");
    }
    alice.says("kept");
    for person in [&mut bob, &mut carol] {
        person.sees("alice: kept");
    }
    while master.answers("WAIT 1 1000") != ":1" {}
    // It is told nothing more, and does not know that there was more.
    assert_eq!(replica.answers("REPLICAOF 127.0.0.1 1"), "+OK");
    alice.says("lost");
    // Until her own server has read it back it would write it again, and nothing would be lost.
    for person in [&mut bob, &mut carol] {
        person.sees("alice: lost");
    }
    master.kill();
    assert_eq!(replica.answers("REPLICAOF NO ONE"), "+OK");
    for person in [&mut alice, &mut bob, &mut carol] {
        let told = person.sees_until_eof();
        assert!(told.iter().any(|line| line.starts_with("! The relay has lost")), "{told:?}");
    }
    let mut alice = Person::join(&one, "alice");
    let said = alice.answers_to("/history");
    assert!(said.iter().any(|line| line.ends_with("] alice: kept")), "{said:?}");
    assert!(!said.iter().any(|line| line.ends_with("] alice: lost")), "{said:?}");
}

// ---- What an operator is told -------------------------------------------------------------------

#[test]
fn of_two_servers_of_one_name_the_first_stops() {
    let (engine, mut one, two) = two_servers("relay-label");
    let (mut alice, bob) = alice_and_bob(&one, &two);
    let again = engine.server("one", &[]);
    let told = alice.sees_until_eof();
    assert!(told.iter().any(|line| line.starts_with("! The relay is lost.")), "{told:?}");
    assert_eq!(one.wait(), Some(1));
    one.log().waits_for("another server shares the rooms under the name of this one");
    drop((bob, again));
}

/// The certificate that `make-cert` writes.
#[cfg(feature = "tls")]
const CERT: &str = "chinwag-cert.pem";

/// Makes a certificate for this machine in a folder.
#[cfg(feature = "tls")]
fn make_cert(folder: &Folder) {
    let mut command = common::chinwag();
    command.args(["make-cert", "127.0.0.1"]).current_dir(folder.path());
    let made = command.output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

#[cfg(feature = "tls")]
#[test]
fn an_engine_may_be_spoken_to_within_tls_if_it_is_the_right_one() {
    let folder = Folder::new("relay-tls");
    make_cert(&folder);
    let [cert, key] = [CERT, "chinwag-key.pem"].map(|name| folder.file(name));
    let [port, plain] = [(), ()].map(|()| free_port());
    let engine = Engine::start_with(
        "relay-tls-engine",
        plain,
        &[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            cert.to_str().unwrap(),
            "--tls-key-file",
            key.to_str().unwrap(),
            "--tls-ca-cert-file",
            cert.to_str().unwrap(),
            "--tls-auth-clients",
            "no",
            "--requirepass",
            "secret",
        ],
    );
    let url = format!("rediss://:secret@127.0.0.1:{port}");
    let ca = format!("--relay-ca={}", cert.display());
    let [one, two] = ["one", "two"].map(|label| server_at(&url, label, &[&ca]));
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    let long = "x".repeat(4000);
    for _ in 0..20 {
        alice.says(&long);
    }
    for _ in 0..20 {
        bob.sees(&format!("alice: {long}"));
    }
    #[cfg(all(feature = "web", feature = "data"))]
    running::does(&["account", "list", "--relay", &url, &ca], "", "There are no accounts.");

    // Whoever has another certificate is not the engine.
    let other = Folder::new("relay-tls-other");
    make_cert(&other);
    let ca = format!("--relay-ca={}", other.file(CERT).display());
    let args = ["--relay", &url, "--relay-name", "three", &ca];
    let three = Server::start(&args);
    three.log().waits_for("relay: the engine is away: invalid peer certificate");
    #[cfg(all(feature = "web", feature = "data"))]
    running::is_refused(
        &["account", "list", "--relay", &url, &ca],
        b"",
        3,
        "cannot use the engine of --relay: invalid peer certificate",
    );
    drop(engine);
}

#[test]
fn an_engine_that_does_not_come_back_closes_those_who_wait_for_it() {
    let (mut engine, one, two) = two_servers("relay-lost");
    let (mut alice, mut bob) = alice_and_bob(&one, &two);
    engine.kill();
    for person in [&mut alice, &mut bob] {
        sees_in_time(person, "! The relay is away; what you say waits.");
    }
    alice.says("does anybody hear me?");
    for person in [&mut alice, &mut bob] {
        let told = person.sees_within(PATIENCE).unwrap();
        assert!(told.starts_with("! The relay is lost."), "{told}");
        person.sees_eof();
    }
    // Who comes meanwhile waits, and is let in when it is back.
    let mut carol = Person::connect(&one);
    carol.says("carol");
    engine.comes_back();
    sees_in_time(&mut carol, "* Welcome to chinwag. What is your nickname?");
    // Bob may be there until the other server is back as well.
    let told = carol.sees_within(PATIENCE).unwrap();
    assert!(told.starts_with("* You are carol. Here now: "), "{told}");
}

//! The server's password over real sockets: who is asked for it, how, and what becomes of those who
//! do not know it. How it is compared stands in `config/password.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Caller, Person, Process, Server, WELCOME, chinwag, own_address};

const ASKED: &str = "* What is the password?";
const WRONG: &str = "! That is not the password. Try again.";

/// A file of this name with this text.
fn file(name: &str, text: &[u8]) -> PathBuf {
    let path = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path.into()
}

/// A server with the password `open sesame` and these listeners.
#[track_caller]
fn start(name: &str, dialects: &[&str], args: &[&str]) -> Server {
    let path = file(name, b"open sesame\n");
    let args = [args, &["--password-file", path.to_str().unwrap()]].concat();
    Server::start_with_listeners(dialects, &args)
}

#[test]
fn the_password_is_asked_for_before_the_nickname() {
    let motd = file("motd", b"Only for friends.\n");
    let args = ["--log-level=trace", "--motd", motd.to_str().unwrap()];
    let mut server = start("before", &["lines"], &args);
    let mut alice = Person::connect(&server);
    alice.sees(ASKED);
    alice.says("alice");
    alice.sees(WRONG);
    alice.says("/help");
    alice.sees(WRONG);
    alice.says("open sesame");
    alice.sees("* Only for friends.");
    alice.sees(WELCOME);
    alice.takes_name("alice");
    // What is sent in one go is taken in its order.
    let mut bob = Person::connect(&server);
    bob.sends(b"open sesame\nbob\nhi\n");
    bob.sees(ASKED);
    alice.sees("* bob joined (2 here)");
    alice.sees("bob: hi");
    alice.answers_to("/history").iter().for_each(|line| assert!(!line.contains("sesame")));
    drop((alice, bob));
    server.kill();
    for line in server.log().lines_at_the_end() {
        assert!(!line.contains("sesame") && !line.contains("/help"), "{line}");
    }
}

#[test]
fn three_wrong_passwords_are_the_end() {
    let server = start("three", &["lines"], &[]);
    let mut eve = Person::connect(&server);
    eve.sees(ASKED);
    for guess in ["open", "Open Sesame"] {
        eve.says(guess);
        eve.sees(WRONG);
    }
    eve.says("open sesame ");
    eve.sees("! You have given 3 wrong passwords.");
    eve.sees_eof();
    server.log().waits_for("3 wrong passwords");
    let mut late = Person::connect(&server);
    late.sees(ASKED);
    late.half_closes();
    late.sees_eof();
}

#[test]
fn wrong_passwords_count_for_the_address() {
    let Some(ip) = own_address() else {
        eprintln!("skipped: this machine has no address but its loopback");
        return;
    };
    let path = file("paced", b"open sesame");
    let path = path.to_str().unwrap();
    let args = ["--listen=lines=0.0.0.0:0", "--connects=4/3600", "--password-file", path];
    let server = Server::start(&args);
    let address = (ip, server.address("lines").port()).into();
    let mut eve = Person::connect_to(address);
    eve.sees(ASKED);
    for _ in 0..2 {
        eve.says("guess");
        eve.sees(WRONG);
    }
    eve.says("guess");
    eve.sees("! You have given 3 wrong passwords.");
    let mut again = Person::connect_to(address);
    again.sees("! Too many have come from your address at once. Try again in a minute.");
    again.sees_eof();
}

#[cfg(feature = "web")]
#[test]
fn a_browser_gives_it_as_an_object_or_shows_by_its_token_that_it_did() {
    use serde_json::{Value, json};
    use tungstenite::client::IntoClientRequest as _;

    let server = start("web", &["lines", "web"], &[]);
    let address = server.address("web");
    let connect = || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        let request = format!("ws://{address}/ws").into_client_request().unwrap();
        tungstenite::client(request, stream).unwrap().0
    };
    let read = |socket: &mut tungstenite::WebSocket<std::net::TcpStream>| -> Value {
        serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap()
    };
    let mut alice = connect();
    let mut say = |message: Value| alice.send(message.to_string().into()).unwrap();
    say(json!({ "type": "nick", "name": "alice" }));
    say(json!({ "type": "password", "text": "wrong" }));
    say(json!({ "type": "password", "text": "open sesame" }));
    say(json!({ "type": "nick", "name": "alice" }));
    assert_eq!(read(&mut alice), json!({ "type": "password" }));
    assert_eq!(read(&mut alice)["why"], "password_needed");
    assert_eq!(read(&mut alice)["why"], "password");
    assert_eq!(read(&mut alice)["type"], "ask");
    let welcome = read(&mut alice);
    assert_eq!(welcome["type"], "welcome");

    let mut again = connect();
    assert_eq!(read(&mut again), json!({ "type": "password" }));
    for (token, expected) in
        [("0".repeat(64).into(), "refused"), (welcome["token"].clone(), "resumed")]
    {
        let message = json!({ "type": "resume", "token": token, "rooms": {} });
        again.send(message.to_string().into()).unwrap();
        assert_eq!(read(&mut again)["type"], expected);
    }

    let mut eve = connect();
    for guess in ["", "x", &"x".repeat(200)] {
        let message = json!({ "type": "password", "text": guess });
        eve.send(message.to_string().into()).unwrap();
    }
    let told = [(); 4].map(|()| read(&mut eve)["why"].clone());
    assert_eq!(told, [Value::Null, json!("password"), json!("password"), json!("wrong_passwords")]);
}

#[test]
fn dialects_that_cannot_ask_are_opened_only_if_that_is_meant() {
    let path = file("classic", b"open sesame");
    let path = path.to_str().unwrap();
    let mut command = chinwag();
    command.args(["--listen=lines=127.0.0.1:0", "--listen=nick=127.0.0.1:0"]);
    command.args(["--password-file", path]);
    let mut process = Process::spawn(command);
    assert_eq!(process.wait(), Some(2));
    process.stderr.waits_for("--classic-open");

    let server = start("meant", &["lines", "nick"], &["--classic-open"]);
    let mut bob = Caller::enters(&server, "nick", "bob");
    let mut alice = Person::connect(&server);
    alice.sees(ASKED);
    alice.says("open sesame");
    alice.sees(WELCOME);
    alice.says("alice");
    alice.sees("* You are alice. Here now: alice, bob. Type /help for help.");
    bob.sees("alice 加入了聊天");
}

#[test]
fn a_file_that_holds_no_password_is_one_sentence_and_exit_code_3() {
    let directory = env!("CARGO_TARGET_TMPDIR").into();
    for (path, why) in [
        (file("empty", b"\n"), "1 to 128 bytes"),
        (file("long", &[b'x'; 129]), "1 to 128 bytes"),
        (file("huge", &[b'x'; 10_000]), "larger than 1024 bytes"),
        (file("lines", b"a\nb\n"), "more than one line"),
        (file("binary", b"\xff"), "not UTF-8"),
        (directory, "not a regular file"),
        ("no such file".into(), "no such file"),
    ] {
        let mut command = chinwag();
        command.args(["--listen=lines=127.0.0.1:0", "--password-file"]).arg(&path);
        let mut process = Process::spawn(command);
        assert_eq!(process.wait(), Some(3), "{path:?}");
        let line = process.stderr.waits_for("--password-file");
        assert!(line.contains(why), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let path = file("shared", b"open sesame");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let server = Server::start(&["--password-file", path.to_str().unwrap()]);
    let line = server.log().waits_for("can read the password");
    assert!(line.contains(path.to_str().unwrap()), "{line}");
}

//! `chinwag join` against the real server: driven through pipes as a script would do it, and (in
//! `client/`) by somebody who sits at a terminal. At the end, the example client over `lines`.

#![cfg(all(feature = "client", feature = "web"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[cfg(unix)]
#[path = "client/screen.rs"]
mod screen;
#[cfg(unix)]
#[path = "client/sitting.rs"]
mod sitting;

use std::env::{self, consts::EXE_SUFFIX};
use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Folder, Person, Process, Server, WELCOME, chinwag};

/// A server for the client, and for those who see what it says.
fn server(args: &[&str]) -> Server {
    Server::start_with_listeners(&["lines", "web"], args)
}

/// The client, about to connect to `address`, with no configuration of whoever runs the tests.
fn join(address: impl Display, args: &[&str]) -> Command {
    let mut command = chinwag();
    command.arg("join").arg(address.to_string()).args(args).env("XDG_CONFIG_HOME", "/nowhere");
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The client with a nickname, connected to the server.
fn joins(server: &Server, name: &str, args: &[&str]) -> Process {
    let args: Vec<&str> = ["--nick", name].iter().chain(args).copied().collect();
    Process::spawn(join(server.address("web"), &args))
}

/// Types this, and goes on holding standard input open.
fn types(process: &mut Process, text: &str) {
    process.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

/// Types this, and that is the end of the input.
fn pipes(process: &mut Process, text: &str) {
    types(process, text);
    drop(process.stdin.take());
}

/// The only line on standard error, after an end with this code.
#[track_caller]
fn fails(mut process: Process, code: i32) -> String {
    assert_eq!(process.wait(), Some(code));
    let stderr = process.stderr.lines_at_the_end();
    assert_eq!(stderr.len(), 1, "{stderr:#?}");
    stderr[0].clone()
}

#[test]
fn what_is_piped_in_is_said_and_what_comes_is_printed() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = Process::spawn(join(server.address("web"), &[]));
    pipes(&mut client, "alice\nhi\n\n/who\n//etc\n/me waves\nquit\n");
    bob.sees("* alice joined (2 here)");
    for line in ["alice: hi", "alice: /etc", "** alice waves", "alice: quit"] {
        bob.sees(line);
    }
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(
        client.stdout.lines_at_the_end(),
        ["* You are alice, in #lobby. Here now: alice, bob.", "* 2 here: alice, bob", "* Goodbye.",]
    );
    assert_eq!(client.stderr.lines_at_the_end(), [""; 0]);
}

#[test]
fn each_line_is_printed_as_soon_as_it_comes() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    bob.says("before");
    let mut client = joins(&server, "alice", &[]);
    client.stdout.waits_for("* You are alice");
    client.stdout.waits_for("] bob: before");
    bob.sees("* alice joined (2 here)");
    bob.says("hi 🦀");
    client.stdout.waits_for("bob: hi 🦀");
    types(&mut client, "hi bob\n");
    bob.sees("alice: hi bob");
    bob.says("/msg alice psst");
    client.stdout.waits_for("[bob -> you] psst");
}

#[test]
fn a_reporter_says_what_it_has_in_its_room_and_leaves() {
    let server = server(&["--rooms", "ops"]);
    let mut bob = Person::join(&server, "bob");
    bob.says("/join #ops");
    bob.sees_prefix("* You are in #ops");
    let mut client = joins(&server, "reporter", &["--room", "ops"]);
    pipes(&mut client, "The build is green.\n");
    bob.sees("* reporter joined (2 here)");
    bob.sees("reporter: The build is green.");
    bob.sees("* reporter left (1 here)");
    assert_eq!(client.wait(), Some(0));
    let printed = client.stdout.lines_at_the_end();
    assert_eq!(printed[0], "* You are reporter, in #ops. Here now: bob, reporter.");
}

#[test]
fn what_follows_a_join_is_said_in_that_room_alone() {
    let server = server(&["--fixed-rooms", "--rooms", "ops"]);
    let (mut bob, mut carol) = (Person::join(&server, "bob"), Person::join(&server, "carol"));
    bob.says("/join #ops");
    bob.sees_until("* You are in #ops. Here now: bob.");
    carol.sees("* bob left (1 here)");
    let mut client = joins(&server, "alice", &[]);
    pipes(&mut client, "one\n/join ops\ntwo\n/j lobby\nthree\n");
    carol.sees("* alice joined (2 here)");
    for line in ["alice: one", "alice: three", "* alice left (1 here)"] {
        carol.sees(line);
    }
    for line in ["* alice joined (2 here)", "alice: two", "* alice left (1 here)"] {
        bob.sees(line);
    }
    assert_eq!(client.wait(), Some(0));
    let mut client = joins(&server, "eve", &["--lang", "en"]);
    pipes(&mut client, "/join nowhere\nwhat is not for the lobby\n");
    carol.sees("* eve joined (2 here)");
    carol.sees_prefix("* eve left");
    assert!(fails(client, 1).starts_with("chinwag: line 1 was refused: "));
}

#[test]
fn a_large_input_is_said_whole_and_in_order() {
    let server = server(&["--flood", "0", "--backlog", "8M"]);
    let mut bob = Person::join(&server, "bob");
    let mut client = joins(&server, "alice", &[]);
    let text = "x".repeat(1000);
    let input: String = (0..1000).map(|number| format!("{number} {text}\n")).collect();
    pipes(&mut client, &input);
    bob.sees("* alice joined (2 here)");
    for number in 0..1000 {
        bob.sees(&format!("alice: {number} {text}"));
    }
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
}

#[cfg(unix)]
#[test]
fn it_ends_when_the_server_stops() {
    let server = server(&[]);
    let mut client = joins(&server, "alice", &[]);
    client.stdout.waits_for("* You are alice");
    server.terminate();
    assert_eq!(client.wait(), Some(0));
    let last = client.stdout.lines_at_the_end().pop();
    assert_eq!(last.as_deref(), Some("* The server is stopping."));
}

#[test]
fn an_exit_code_says_that_not_all_was_said() {
    let full = server(&["--max-clients", "1"]);
    let _bob = Person::join(&full, "bob");
    let mut client = joins(&full, "alice", &[]);
    pipes(&mut client, "hi\n");
    assert!(fails(client, 1).ends_with("does not let you in: The server is full."));

    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = joins(&server, "Bob", &[]);
    pipes(&mut client, "hi\n");
    assert_eq!(fails(client, 1), "chinwag: The nickname Bob is taken. Try another.");
    let mut client = joins(&server, "alice", &[]);
    pipes(&mut client, &format!("one\n{}\ntwo\n", "x".repeat(4097)));
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: one");
    bob.sees("alice: two");
    bob.sees("* alice left (1 here)");
    assert_eq!(fails(client, 1), "chinwag: line 2 has 4097 bytes, and may have 4096.");
    let mut client = joins(&server, "alice", &[]);
    pipes(&mut client, "/topic\n/nope\n");
    assert!(fails(client, 1).starts_with("chinwag: line 2 was refused: There is no command"));
    let mut client = Process::spawn(join(server.address("web"), &[]));
    pipes(&mut client, "");
    assert_eq!(fails(client, 1), "chinwag: no nickname was given; say --nick.");
    let told = "chinwag: invalid value 'loud' for '--bell <WHEN>' \
        [possible values: off, private, mention]. Try --help.";
    assert_eq!(fails(joins(&server, "alice", &["--bell", "loud"]), 2), told);
}

#[test]
fn a_lost_connection_is_no_clean_end() {
    let mut server = server(&[]);
    let client = joins(&server, "alice", &[]);
    client.stdout.waits_for("* You are alice");
    server.kill();
    assert!(fails(client, 1).starts_with("chinwag: the connection has ended"));
}

#[test]
fn a_wrong_port_says_what_is_there_instead() {
    let server = Server::start_with_listeners(&["lines", "web", "irc", "nick"], &[]);
    for (dialect, sentence) in [
        ("lines", "that is the `lines` listener, which is for nc; join wants the `web` listener."),
        ("nick", "that is the `nick` listener, for old programs; join wants the `web` one."),
        ("irc", "that is the `irc` listener, for IRC clients; join wants the `web` one."),
    ] {
        let address = server.address(dialect);
        let client = Process::spawn(join(address, &["--nick", "alice"]));
        assert_eq!(fails(client, 1), format!("chinwag: {address}: {sentence}"));
    }
    let (_socket, address) = common::deaf_address();
    let client = Process::spawn(join(address, &["--nick", "alice"]));
    assert!(fails(client, 1).contains(&format!("Cannot connect to {address}: ")));
    let client = Process::spawn(join("a b", &[]));
    assert!(fails(client, 2).contains("a b is no address"));
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    let server = server(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command = join(server.address("web"), &["--nick", "alice"]);
    let mut client = Process::spawn_writing_to(command, Stdio::from(writer));
    assert_eq!(client.wait(), Some(0));
    assert_eq!(client.stderr.lines_at_the_end(), [""; 0]);
}

#[test]
fn the_password_of_the_server_is_in_a_variable_or_the_first_line() {
    let folder = Folder::new("client-password");
    let file = folder.file("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let server = server(&["--password-file", file.to_str().unwrap()]);
    let command = || join(server.address("web"), &["--nick", "alice"]);
    let mut by_variable = command();
    by_variable.env("CHINWAG_PASSWORD", "open sesame");
    for (command, input, code) in [
        (by_variable, "/who\n", 0),
        (command(), "open sesame\n/who\n", 0),
        (command(), "sesame\n/who\n", 1),
    ] {
        let mut client = Process::spawn(command);
        pipes(&mut client, input);
        assert_eq!(client.wait(), Some(code));
        let printed = client.stdout.lines_at_the_end();
        assert_eq!(printed.contains(&"* 1 here: alice".to_owned()), code == 0, "{printed:?}");
    }
}

#[cfg(feature = "data")]
#[test]
fn an_account_is_shown_to_be_ours_by_its_password() {
    let folder = Folder::new("client-account");
    let data = folder.file("chat.db");
    let server = server(&["--data", data.to_str().unwrap()]);
    let mut client = joins(&server, "alice", &[]);
    pipes(&mut client, "/register correct horse\n");
    assert_eq!(client.wait(), Some(0));
    for (password, code) in [("correct horse", 0), ("wrong", 1)] {
        let mut command = join(server.address("web"), &["--nick", "alice"]);
        command.env("CHINWAG_PASSWORD", password);
        let mut client = Process::spawn(command);
        pipes(&mut client, "hi\n");
        assert_eq!(client.wait(), Some(code), "{:?}", client.stderr.lines_at_the_end());
    }
}

#[test]
fn what_is_always_so_stands_in_a_file() {
    let server = server(&[]);
    let folder = Folder::new("client-config");
    let file = folder.file("client.toml");
    let address = server.address("web");
    let text = format!("host = \"{address}\"\nnick = \"alice\"\nbell = \"off\"\n");
    std::fs::write(&file, text).unwrap();
    let mut bob = Person::join(&server, "bob");
    let run = || {
        let mut command = chinwag();
        command.args(["join", "--config"]).arg(&file);
        Process::spawn(command)
    };
    let mut client = run();
    pipes(&mut client, "hi\n");
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: hi");
    assert_eq!(client.wait(), Some(0));
    std::fs::write(&file, "nick = \"alice\"\nmood = \"good\"\n").unwrap();
    assert!(fails(run(), 2).contains("line 2, column 1: there is no key mood"));
    std::fs::write(&file, "bell = \"loud\"\n").unwrap();
    assert!(fails(run(), 2).contains("line 1, column 8"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_is_where_the_system_keeps_such_files() {
    let server = server(&[]);
    let folder = Folder::new("client-xdg");
    std::fs::create_dir_all(folder.file("chinwag")).unwrap();
    std::fs::write(folder.file("chinwag/client.toml"), "nick = \"carol\"\n").unwrap();
    let mut command = join(server.address("web"), &[]);
    command.env("XDG_CONFIG_HOME", folder.path());
    let mut client = Process::spawn(command);
    pipes(&mut client, "");
    assert_eq!(client.wait(), Some(0));
    assert!(client.stdout.lines_at_the_end()[0].starts_with("* You are carol"));
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_is_trusted_by_its_fingerprint_alone() {
    let folder = Folder::new("client-tls");
    let mut make = chinwag();
    make.args(["make-cert", "localhost"]).current_dir(folder.path());
    let made = make.output().unwrap();
    let told = String::from_utf8(made.stdout).unwrap();
    let is_fingerprint = |line: &&str| line.matches(':').count() == 31;
    let pin = told.lines().find(is_fingerprint).unwrap().trim().to_owned();
    let file = |name| folder.file(name).to_str().unwrap().to_owned();
    let (cert, key) = (file("chinwag-cert.pem"), file("chinwag-key.pem"));
    let args = ["--listen", "web+tls=127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let server = Server::start(&args);
    let address = server.address("web+tls");
    let run = |address: String, args: &[&str]| {
        let mut client = Process::spawn(join(address, &[&["--nick", "alice"], args].concat()));
        drop(client.stdin.take());
        client
    };
    let mut client = run(address.to_string(), &["--pin", &pin]);
    assert_eq!(client.wait(), Some(0), "{:?}", client.stderr.lines_at_the_end());
    let refused = fails(run(format!("wss://{address}"), &[]), 1);
    assert!(refused.contains("nobody vouches for it"), "{refused}");
    assert!(refused.contains(&format!("give --pin {pin}")), "{refused}");
    let other = pin.replace(&pin[..2], "00");
    let refused = fails(run(address.to_string(), &["--pin", &other]), 1);
    assert!(refused.contains("its certificate is another one"), "{refused}");
    let refused = fails(run(format!("ws://{address}"), &[]), 1);
    assert!(refused.contains("--tls"), "{refused}");
    let plain = crate::server(&[]);
    let refused = fails(run(plain.address("web").to_string(), &["--pin", &pin]), 1);
    assert!(refused.contains("speaks no TLS"), "{refused}");
}

/// Cargo builds the examples before `cargo test` runs anything, and puts them beside the directory
/// of the tests.
fn example(address: SocketAddr) -> Process {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path: PathBuf = target.join("examples").join(format!("client{EXE_SUFFIX}"));
    assert!(path.exists(), "{path:?} is built by `cargo test` or `cargo build --example client`");
    let mut command = Command::new(path);
    command.arg(address.to_string());
    Process::spawn(command)
}

#[test]
fn the_example_says_what_is_typed_and_prints_what_comes() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = example(server.address("lines"));
    client.stdout.waits_for(WELCOME);
    pipes(&mut client, "alice\nhi\nbye");
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: hi");
    bob.sees("alice: bye");
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
    let (_socket, address) = common::deaf_address();
    assert!(fails(example(address), 1).contains(&address.to_string()));
}

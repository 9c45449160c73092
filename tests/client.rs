//! The example client against the real server: driven through pipes as a script would do it, and
//! (in `client/`) by somebody who sits at a terminal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[cfg(unix)]
#[path = "client/screen.rs"]
mod screen;
#[cfg(unix)]
#[path = "client/sitting.rs"]
mod sitting;

use std::env::{self, consts::EXE_SUFFIX};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Person, Process, Server, WELCOME};

/// Cargo builds the examples before `cargo test` runs anything, and puts them beside the directory
/// of the tests.
fn client_path() -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path = target.join("examples").join(format!("client{EXE_SUFFIX}"));
    assert!(path.exists(), "{path:?} is built by `cargo test` or `cargo build --example client`");
    path
}

/// The client, about to connect to `address`.
fn client(address: SocketAddr) -> Command {
    let mut command = Command::new(client_path());
    command.arg(address.to_string()).env_remove("CHINWAG_NICK");
    command
}

/// The client, connected to the server.
fn client_of(server: &Server) -> Process {
    Process::spawn(client(server.address("lines")))
}

/// Types this, and goes on holding standard input open.
fn types(process: &mut Process, text: &str) {
    process.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn what_is_piped_in_is_said_and_what_comes_is_printed() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = client_of(&server);
    types(&mut client, "alice\nhi\n/who\n");
    drop(client.stdin.take());
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: hi");
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(
        client.stdout.lines_at_the_end(),
        [
            WELCOME,
            "* You are alice. Here now: alice, bob. Type /help for help.",
            "* 2 here: alice, bob",
        ]
    );
    assert_eq!(client.stderr.lines_at_the_end(), [""; 0]);
}

#[test]
fn each_line_is_printed_as_soon_as_it_comes() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = client_of(&server);
    client.stdout.waits_for(WELCOME);
    types(&mut client, "alice\n");
    client.stdout.waits_for("* You are alice.");
    bob.sees("* alice joined (2 here)");
    bob.says("hi 🦀");
    client.stdout.waits_for("bob: hi 🦀");
    types(&mut client, "hi bob\n");
    bob.sees("alice: hi bob");
    bob.says("bye");
    client.stdout.waits_for("bob: bye");
}

#[test]
fn the_last_line_needs_no_line_end() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = client_of(&server);
    types(&mut client, "alice\nhi\nbye");
    drop(client.stdin.take());
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: hi");
    bob.sees("alice: bye");
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
}

#[test]
fn it_ends_with_the_server_though_more_could_be_typed() {
    let server = Server::start(&[]);
    let mut client = client_of(&server);
    types(&mut client, "alice\n/quit\n");
    assert_eq!(client.wait(), Some(0));
    assert_eq!(client.stdout.lines_at_the_end().pop().as_deref(), Some("* Goodbye."));
    assert_eq!(client.stderr.lines_at_the_end(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn it_ends_when_the_server_stops() {
    let server = Server::start(&[]);
    let mut client = client_of(&server);
    types(&mut client, "alice\n");
    client.stdout.waits_for("* You are alice.");
    server.terminate();
    assert_eq!(client.wait(), Some(0));
    let last = client.stdout.lines_at_the_end().pop();
    assert_eq!(last.as_deref(), Some("* The server is stopping."));
}

#[test]
fn a_large_input_is_said_whole() {
    let server = Server::start(&["--flood", "0", "--backlog", "8M"]);
    let mut bob = Person::join(&server, "bob");
    let mut client = client_of(&server);
    let line = "x".repeat(1000);
    types(&mut client, "alice\n");
    for _ in 0..1000 {
        types(&mut client, &format!("{line}\n"));
    }
    drop(client.stdin.take());
    bob.sees("* alice joined (2 here)");
    for _ in 0..1000 {
        bob.sees(&format!("alice: {line}"));
    }
    bob.sees("* alice left (1 here)");
    assert_eq!(client.wait(), Some(0));
}

#[test]
fn nobody_there_is_one_sentence_and_exit_code_1() {
    let (_socket, address) = common::deaf_address();
    let mut client = Process::spawn(client(address));
    assert_eq!(client.wait(), Some(1));
    let stderr = client.stderr.lines_at_the_end();
    assert_eq!(stderr.len(), 1, "{stderr:#?}");
    assert!(stderr[0].contains(&address.to_string()), "{stderr:#?}");
    assert_eq!(client.stdout.lines_at_the_end(), [""; 0]);
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    let server = Server::start(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command = client(server.address("lines"));
    let mut client = Process::spawn_writing_to(command, Stdio::from(writer));
    assert_eq!(client.wait(), Some(0));
    assert_eq!(client.stderr.lines_at_the_end(), [""; 0]);
}

#[test]
fn a_nickname_comes_from_the_command_line_or_the_environment() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut by_option = client(server.address("lines"));
    by_option.args(["--nick", "alice"]);
    let mut by_variable = client(server.address("lines"));
    by_variable.env("CHINWAG_NICK", "alice");
    for command in [by_option, by_variable] {
        let mut client = Process::spawn(command);
        types(&mut client, "hi\n");
        drop(client.stdin.take());
        bob.sees("* alice joined (2 here)");
        bob.sees("alice: hi");
        bob.sees("* alice left (1 here)");
        assert_eq!(client.wait(), Some(0));
    }
}

#[test]
fn where_a_password_is_asked_for_the_first_line_is_that() {
    let file = format!("{}/client-password", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, "open sesame\n").unwrap();
    let server = Server::start(&["--password-file", &file]);
    for (password, status) in [("open sesame", 0), ("alice", 1)] {
        let mut command = client(server.address("lines"));
        command.args(["--nick", "alice"]);
        let mut client = Process::spawn(command);
        types(&mut client, &format!("{password}\n/who\n"));
        drop(client.stdin.take());
        assert_eq!(client.wait(), Some(status));
        let told = client.stdout.lines_at_the_end();
        assert_eq!(told[0], "* What is the password?");
        let last = ["* 1 here: alice", "! That is not the password. Try again."];
        assert_eq!(told.last().unwrap(), last[status as usize]);
    }
}

#[test]
fn where_the_nickname_is_refused_no_line_is_taken_for_another_one() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut command = client(server.address("lines"));
    command.args(["--nick", "Bob"]);
    let mut client = Process::spawn(command);
    types(&mut client, "hi\n");
    drop(client.stdin.take());
    assert_eq!(client.wait(), Some(1));
    let refusal = "! The nickname Bob is taken. Try another.";
    assert_eq!(client.stdout.lines_at_the_end(), [WELCOME, refusal]);
    assert_eq!(client.stderr.lines_at_the_end().len(), 1);
    bob.sees_nothing_more();
}

#[test]
fn the_address_may_be_an_option() {
    let server = Server::start(&[]);
    let mut command = Command::new(client_path());
    command.args(["--host", &server.address("lines").to_string()]);
    let mut client = Process::spawn(command);
    client.stdout.waits_for(WELCOME);
    drop(client.stdin.take());
    assert_eq!(client.wait(), Some(0));
}

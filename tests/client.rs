//! The example client, driven through pipes as a script would do it, against the real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::env::{self, consts::EXE_SUFFIX};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Person, Process, Server, WELCOME};

/// The client, about to connect to `address`. Cargo builds the examples before `cargo test` runs
/// anything, and puts them beside the directory of the tests.
fn client(address: SocketAddr) -> Command {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path = target.join("examples").join(format!("client{EXE_SUFFIX}"));
    assert!(path.exists(), "{path:?} is built by `cargo test` or `cargo build --example client`");
    let mut command = Command::new(path);
    command.arg(address.to_string());
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

//! What systemd and the server tell each other: that it is ready, that it reads its files again,
//! and sockets that were open before it began. No systemd is needed for that; these tests do what
//! it would do.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use common::{PATIENCE, Person, Server, WELCOME, chinwag};

#[test]
fn whoever_waits_is_told_when_the_server_is_ready_and_when_it_is_again() {
    // A socket's path must be short.
    let path = std::env::temp_dir().join(format!("chinwag-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut command = chinwag();
    command.env("NOTIFY_SOCKET", &path);
    let server = Server::start_as(command, &["--history=7"]);
    assert_eq!(told(), "READY=1\n");
    server.signal("HUP");
    let again = told();
    assert!(again.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{again}");
    assert_eq!(told(), "READY=1\n");
    server.log().waits_for("configuration read again: nothing has changed");
    fs::remove_file(&path).unwrap();
}

/// A process that is ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that begins with this socket as its descriptor 3, and listens at this address.
fn start_with(socket: TcpListener, listen: &str) -> Running {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg("exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --listen \"$1\" 2>&1");
    shell.arg(env!("CARGO_BIN_EXE_chinwag")).arg(listen);
    shell.stdin(OwnedFd::from(socket)).stdout(Stdio::null());
    Running(shell.spawn().unwrap())
}

#[test]
fn a_socket_that_was_open_before_is_taken_and_whoever_waits_there_is_let_in() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    // It is there before the server is.
    let mut early = Person::connect_to(address);
    let _server = start_with(socket, &format!("lines={address}"));
    early.sees(WELCOME);
    early.takes_name("early");
    let mut late = Person::join_at(address, "late");
    early.sees("* late joined (2 here)");
    early.says("hi");
    late.sees("early: hi");
}

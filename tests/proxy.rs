//! Behind a proxy, on real sockets: where a connection is from is told by a PROXY header, or by
//! X-Forwarded-For from a proxy that is trusted, and by nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::{PATIENCE, Person, Server, WELCOME};

/// A header of version 2 with an IPv4 address, and so many bytes more.
fn v2(source: [u8; 4], port: u16, more: usize) -> Vec<u8> {
    let addresses = [&source[..], &[10, 0, 0, 1], &port.to_be_bytes(), &[0, 80]].concat();
    let length = (addresses.len() + more) as u16;
    let fixed = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length.to_be_bytes()].concat();
    [fixed, addresses, vec![4; more]].concat()
}

fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn comes_from(server: &Server, header: &[u8]) -> Person {
    let mut person = Person::connect_to(server.address("lines+proxy"));
    person.sends(header);
    person
}

#[test]
fn a_connection_counts_for_the_address_in_its_header() {
    let server = Server::start(&["--listen=lines+proxy=127.0.0.1:0", "--max-per-ip=2"]);
    let v1 = |port| format!("PROXY TCP4 192.0.2.1 10.0.0.1 {port} 80\r\n").into_bytes();
    let mut alice = comes_from(&server, &[&v1(1001)[..], b"alice\n"].concat());
    alice.sees(WELCOME);
    alice.sees_prefix("* You are alice.");
    server.log().waits_for("joined: alice from 192.0.2.1:1001");
    let mut bob = comes_from(&server, &v2([192, 0, 2, 1], 1002, 0));
    bob.sees(WELCOME);
    bob.takes_name("bob");
    server.log().waits_for("joined: bob from 192.0.2.1:1002");
    let mut third = comes_from(&server, &v1(1003));
    third.sees("! There are too many connections from your address.");
    third.sees_eof();
    let mut other = comes_from(&server, b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
    other.sees(WELCOME);
    // A proxy that asks for itself has its own address, which has no limit here.
    let mut checks: Vec<_> = (0..3).map(|_| comes_from(&server, b"PROXY UNKNOWN\r\n")).collect();
    checks.iter_mut().for_each(|check| check.sees(WELCOME));
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let server = Server::start(&["--listen=lines+proxy=127.0.0.1:0"]);
    for (header, name) in [
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 1001 80\r\n".to_vec(), "alice"),
        (v2([192, 0, 2, 2], 1001, 40), "bob"),
    ] {
        let mut socket = dial(server.address("lines+proxy"));
        for byte in header.iter().chain(format!("{name}\n").as_bytes()) {
            socket.write_all(&[*byte]).unwrap();
        }
        server.log().waits_for(&format!("joined: {name} from 192.0.2."));
    }
}

#[test]
fn what_does_not_begin_with_a_header_is_closed_and_not_heard() {
    let args = ["--listen=lines+proxy=127.0.0.1:0", "--listen=lines=127.0.0.1:0"];
    let server = Server::start(&args);
    let mut alice = Person::join(&server, "alice");
    for input in [
        &b"bob\nhello\n"[..],
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PROXY TCP4 192.0.2.300 10.0.0.1 1 2\r\nbob\n",
        &[b'P'; 10 * 1024],
        &[b"PROXY TCP4 ", &[b' '; 10 * 1024][..]].concat(),
        &v2([192, 0, 2, 1], 1, 10 * 1024),
    ] {
        let mut socket = dial(server.address("lines+proxy"));
        let _ = socket.write_all(input);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert_eq!(answer, b"", "nothing is told to who is not known");
    }
    server.log().waits_for("no PROXY header");
    let start = Instant::now();
    let mut late = dial(server.address("lines+proxy"));
    late.write_all(b"PROXY TCP4 ").unwrap();
    late.read_to_end(&mut Vec::new()).unwrap();
    assert!(start.elapsed() > Duration::from_secs(4), "5 seconds are its time");
    server.log().waits_for("no TLS handshake or PROXY header in time");
    alice.sees_nothing_more();
}

#[cfg(feature = "web")]
mod forwarded {
    use super::*;

    /// Asks for a WebSocket, with this in X-Forwarded-For. Returns the status, and what to keep.
    fn upgrade(server: &Server, forwarded: &str) -> (String, TcpStream) {
        let mut socket = dial(server.address("web"));
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{forwarded}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        (String::from_utf8_lossy(&status[9..]).into_owned(), socket)
    }

    #[test]
    fn a_trusted_proxy_tells_for_whom_it_asks() {
        let server = Server::start(&[
            "--listen=web=127.0.0.1:0",
            "--max-per-ip=1",
            "--trusted-proxy=127.0.0.1",
            "--trusted-proxy=10.0.0.0/8",
        ]);
        let (status, _alice) = upgrade(&server, "X-Forwarded-For: 192.0.2.1\r\n");
        assert_eq!(status, "101");
        server.log().waits_for("connected: 192.0.2.1:");
        for again in [
            "X-Forwarded-For: 192.0.2.1\r\n",
            "x-forwarded-for: 198.51.100.7, 192.0.2.1, 10.1.2.3\r\n",
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 192.0.2.1\r\n",
        ] {
            assert_eq!(upgrade(&server, again).0, "429", "{again}");
        }
        let (status, _bob) = upgrade(&server, "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n");
        assert_eq!(status, "101", "the last one counts");
    }

    #[test]
    fn who_ends_before_asking_is_closed_at_once() {
        let server = Server::start(&["--listen=web=127.0.0.1:0", "--drain=60"]);
        let mut socket = dial(server.address("web"));
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let start = Instant::now();
        socket.read_to_end(&mut Vec::new()).unwrap();
        assert!(start.elapsed() < PATIENCE, "it is not kept for --drain");
    }

    #[test]
    fn from_elsewhere_it_changes_nothing() {
        let args = ["--listen=web=127.0.0.1:0", "--max-per-ip=1", "--trusted-proxy=10.0.0.0/8"];
        let server = Server::start(&args);
        let all: Vec<_> =
            (0..3).map(|_| upgrade(&server, "X-Forwarded-For: 192.0.2.1\r\n")).collect();
        assert!(all.iter().all(|(status, _)| status == "101"));
        server.log().waits_for("connected: 127.0.0.1:");
    }
}

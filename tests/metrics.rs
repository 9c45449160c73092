//! Who watches over the server: `/metrics`, `/healthz` and `/readyz`, where they are and for whom.
//! What is counted stands in `web.rs`, and who may see it from which address in `http.rs`.

#![cfg(feature = "web")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::{PATIENCE, Server, own_address};

/// The status, and the body.
#[track_caller]
fn get(address: SocketAddr, path: &str, field: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{field}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn metrics_have_an_address_of_their_own_where_there_is_no_page() {
    let server = Server::start_with_listeners(&["lines", "metrics"], &[]);
    let address = server.address("metrics");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(address, path, ""), (200, "ok".to_owned()), "{path}");
    }
    for path in ["/", "/page.js", "/ws"] {
        assert_eq!(get(address, path, "").0, 404, "{path}");
    }
    let (status, metrics) = get(address, "/metrics", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_eq!(status, 200);
    let version = format!("chinwag_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    assert!(metrics.contains(&version), "{metrics}");
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map(|value| value.parse::<f64>().unwrap())
    };
    let turns = value("chinwag_turn_seconds_count");
    assert_eq!(turns, value("chinwag_turns_total"), "{metrics}");
    assert_eq!(turns, value("chinwag_turn_seconds_bucket{le=\"+Inf\"}"), "{metrics}");
    if cfg!(target_os = "linux") {
        assert!(value("process_resident_memory_bytes").unwrap() > 100_000.0, "{metrics}");
        // Not every kernel tells.
        assert!(value("process_open_fds").is_none_or(|count| count > 4.0), "{metrics}");
    }
}

#[test]
fn metrics_are_not_for_everybody() {
    let usual = Server::start(&["--listen=web=0.0.0.0:0"]);
    let local = SocketAddr::from(([127, 0, 0, 1], usual.address("web").port()));
    assert_eq!(get(local, "/metrics", "").0, 200);
    let (status, why) = get(local, "/metrics", "X-Forwarded-For: 127.0.0.1\r\n");
    assert_eq!((status, why.contains("--metrics-from")), (403, true), "through a proxy: {why}");
    let Some(ip) = own_address() else {
        eprintln!("skipped: this machine has no address but its loopback");
        return;
    };
    let open = Server::start(&["--listen=web=0.0.0.0:0", "--metrics-from", &ip.to_string()]);
    let at = |server: &Server| SocketAddr::new(ip, server.address("web").port());
    assert_eq!(get(at(&usual), "/metrics", "").0, 403);
    assert_eq!(get(at(&usual), "/readyz", "").0, 200);
    assert_eq!(get(at(&open), "/metrics", "").0, 200);
}

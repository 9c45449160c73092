//! Hazards of UDP: 26 and 27.

use std::net::SocketAddr;

use super::crowd::Sender;
use crate::common::{Person, Server, own_address};

/// 26: over UDP an address may be a lie, so who is not understood is not answered; and two servers
/// that answer each other never end.
#[test]
fn junk_over_udp_is_met_with_silence_and_the_door_stays_open() {
    let server = Server::start_with_listeners(&["lines", "datagram"], &["--flood=0"]);
    let listener = server.address("datagram");
    let mut alice = Person::join(&server, "alice");
    let dora = Sender::to(listener);
    dora.sends(b"dora");
    alice.sees("* dora joined (2 here)");

    let long = vec![b'x'; 5000];
    let longest = vec![b'x'; 60_000];
    let junk: [&[u8]; 9] = [
        b"",
        b" \r\n",
        b"\xff\xff\xff\xff",
        b"exit",
        b"\x1b\x07",
        &long,
        &longest,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    let strangers: Vec<Sender> = junk.iter().map(|_| Sender::to(listener)).collect();
    // More than a socket holds is lost, so the server is given the time to read what there is.
    let mut is_read = || assert_eq!(alice.answers_to("/nothing").len(), 1);
    for (stranger, bytes) in strangers.iter().zip(junk) {
        for _ in 0..3 {
            stranger.sends(bytes);
            is_read();
        }
    }
    // Who has joined is not answered on these either.
    for n in (0..junk.len()).filter(|n| ![3, 8].contains(n)) {
        dora.sends(junk[n]);
        is_read();
    }
    dora.sends(b"are you there?");
    alice.sees("dora: are you there?");
    alice.says("yes");
    assert_eq!(dora.receives(), "alice : yes".as_bytes());
    alice.sees_nothing_more();
    for stranger in strangers {
        assert_eq!(stranger.has_received(), [b""; 0]);
    }
    assert_eq!(dora.has_received(), [b""; 0]);
}

/// 26
#[test]
fn a_server_or_a_service_of_the_system_is_no_peer() {
    let server = Server::start_with_listeners(&["lines", "datagram"], &[]);
    let listener = server.address("datagram");
    let mut alice = Person::join(&server, "alice");
    // Another chinwag, at the same port of another address; and an echo service.
    let mut servers = Vec::new();
    if cfg!(target_os = "linux") {
        servers.push(SocketAddr::from(([127, 0, 0, 2], listener.port())));
        servers.push(SocketAddr::from(([127, 0, 0, 2], 1023)));
    }
    for address in servers {
        // Only who may do anything may have a port below 1024.
        if address.port() > 1023 || std::net::UdpSocket::bind(address).is_ok() {
            let other = Sender::from(address, listener);
            other.sends(b"echo");
            other.sends(b"echo");
            alice.sees_nothing_more();
            assert_eq!(other.has_received(), [b""; 0]);
        }
    }
    // Somebody whose socket is gone: the system tells so when it is written to, and the others
    // are heard all the same.
    let dora = Sender::to(listener);
    dora.sends(b"dora");
    alice.sees("* dora joined (2 here)");
    let gone = Sender::to(listener);
    gone.sends(b"gone");
    alice.sees("* gone joined (3 here)");
    assert_eq!(dora.receives(), "gone 进入聊天室...".as_bytes());
    drop(gone);
    for number in 0..20 {
        alice.says(&format!("is anybody gone? {number}"));
        assert_eq!(dora.receives(), format!("alice : is anybody gone? {number}").as_bytes());
        dora.sends(b"no");
        alice.sees("dora: no");
    }
}

/// 27: the loopback, whose addresses are not counted otherwise, cannot fill the room by datagrams.
#[test]
fn the_machine_itself_gets_half_of_all_places_over_udp() {
    let args = ["--max-clients=8", "--max-per-ip=2"];
    let server = Server::start_with_listeners(&["lines", "datagram"], &args);
    let mut alice = Person::join(&server, "alice");
    let mut peers = Vec::new();
    for number in 0..4 {
        let peer = Sender::to(server.address("datagram"));
        peer.sends(format!("peer{number}").as_bytes());
        alice.sees(&format!("* peer{number} joined ({} here)", number + 2));
        peers.push(peer);
    }
    let fifth = Sender::to(server.address("datagram"));
    fifth.sends(b"fifth");
    alice.sees_nothing_more();
    // There is room for others; and for the fifth when one of the four has left.
    let mut bob = Person::join(&server, "bob");
    alice.sees("* bob joined (6 here)");
    peers[0].sends(b"exit");
    alice.sees("* peer0 left (5 here)");
    bob.sees("* peer0 left (5 here)");
    fifth.sends(b"fifth");
    alice.sees("* fifth joined (6 here)");
}

/// 27: whoever joins under a forged address makes the server flood that address, with a few peers
/// and not with thousands, and not for long.
#[test]
fn an_address_gets_no_more_peers_over_udp_than_its_share_and_they_expire() {
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but its loopback");
        return;
    };
    let listeners =
        [format!("--listen=datagram={address}:0"), "--listen=lines=127.0.0.1:0".to_owned()];
    let args = ["--max-per-ip=3", "--udp-expiry=1", &listeners[0], &listeners[1]];
    let server = Server::start(&args);
    let mut alice = Person::join(&server, "alice");
    let listener = server.address("datagram");
    let victims: Vec<Sender> = (0..10).map(|_| Sender::to(listener)).collect();
    for (number, victim) in victims.iter().enumerate() {
        victim.sends(format!("victim{number}").as_bytes());
    }
    let (mut joined, mut left) = (0, 0);
    while left < 3 {
        let line = alice.sees_a_line();
        let notice = crate::common::Notice::parse(&line).unwrap();
        let count = notice.names.len() + notice.unnamed;
        match &*notice.what {
            "joined" => joined += count,
            "left: timed out" => left += count,
            _ => panic!("{line:?}"),
        }
    }
    assert_eq!((joined, left), (3, 3));
    alice.sees_nothing_more();
    // Who had no place receives nothing of the room.
    alice.says("is this thing on?");
    alice.sees_nothing_more();
    let told = |victim: &Sender| {
        victim.has_received().iter().any(|bytes| bytes.ends_with("...".as_bytes()))
    };
    assert!(!victims[3..].iter().any(told));
}

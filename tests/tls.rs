//! TLS on real sockets: everything is as without it, and what is no TLS, or comes too slowly, or
//! never ends, is closed and counted.

#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

#[cfg(feature = "web")]
#[allow(dead_code, clippy::expect_used, reason = "tests/browser.rs uses all of it, and may")]
#[path = "browser/chromium.rs"]
mod chromium;
mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits, ListenerSpec, TlsFiles};
use common::{PATIENCE, Person, Process, Server, WELCOME, chinwag, own_address};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("chinwag-tls-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a certificate for `host` and its key, under this name.
    fn pair(&self, name: &str, host: &str) -> Pair {
        self.pair_until(name, host, 2090)
    }

    /// As [`Folder::pair`], but it ends with that year's beginning.
    fn pair_until(&self, name: &str, host: &str, year: i32) -> Pair {
        let mut params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let [cert_path, key_path] =
            ["cert", "key"].map(|kind| self.0.join(format!("{name}-{kind}.pem")));
        fs::write(&cert_path, cert.pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        Pair { cert: cert_path, key: key_path, der: cert.der().clone() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key.
struct Pair {
    cert: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

impl Pair {
    fn flags(&self) -> [String; 2] {
        [("--tls-cert", &self.cert), ("--tls-key", &self.key)]
            .map(|(flag, path)| format!("{flag}={}", path.display()))
    }

    /// What a client needs that trusts this certificate and no other.
    fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    fn session(&self, host: &str) -> ClientConnection {
        let config = self.client(rustls::ALL_VERSIONS);
        let host = ServerName::try_from(host.to_owned()).unwrap();
        ClientConnection::new(Arc::new(config), host).unwrap()
    }
}

/// A server with TLS at `lines` and without, for the host `localhost`.
fn start(pair: &Pair, more: &[&str]) -> Server {
    let flags = pair.flags();
    let listeners = ["--listen=lines+tls=127.0.0.1:0", "--listen=lines=127.0.0.1:0"];
    let flags = flags.iter().map(String::as_str).chain(listeners);
    Server::start(&flags.chain(more.iter().copied()).collect::<Vec<_>>())
}

fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Somebody who speaks `lines` over TLS.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn connect(address: SocketAddr, session: ClientConnection) -> Client {
        Client::over(dial(address), session)
    }

    fn over(socket: TcpStream, session: ClientConnection) -> Client {
        Client(BufReader::new(StreamOwned::new(session, socket)))
    }

    fn join(address: SocketAddr, pair: &Pair, name: &str) -> Client {
        let mut client = Client::connect(address, pair.session("localhost"));
        client.takes_name(name);
        client
    }

    #[track_caller]
    fn takes_name(&mut self, name: &str) {
        self.sees(WELCOME);
        self.says(name);
        assert!(self.line().starts_with(&format!("* You are {name}.")));
    }

    fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[track_caller]
    fn sees(&mut self, end: &str) {
        let line = self.line();
        assert!(line.ends_with(end), "{line:?} should end with {end:?}");
    }

    fn socket(&mut self) -> &mut TcpStream {
        &mut self.0.get_mut().sock
    }

    /// Has no more to say, and says so in TLS.
    fn half_closes(&mut self) {
        let stream = self.0.get_mut();
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }

    /// All that comes until the server says in TLS that there is no more.
    #[track_caller]
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

#[test]
fn a_member_over_tls_is_one_like_others() {
    let folder = Folder::new("member");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--history=0"]);
    let mut alice = Person::join(&server, "alice");
    let address = server.address("lines+tls");
    for version in [&version::TLS13, &version::TLS12] {
        let config = pair.client(&[version]);
        let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap());
        let mut bob = Client::connect(address, session.unwrap());
        bob.takes_name("bob");
        alice.sees("* bob joined (2 here)");
        bob.says("hello");
        alice.sees_a("what bob says", |line| line.ends_with("bob: hello"));
        alice.says("hello bob");
        bob.sees("alice: hello bob");
        bob.says("/quit");
        bob.sees("* Goodbye.");
        assert_eq!(bob.rest(), "", "the end is told in TLS");
        alice.sees("* bob left (1 here)");
    }
}

#[test]
fn irc_clients_are_told_who_came_over_tls() {
    let folder = Folder::new("whois");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--listen=irc=127.0.0.1:0"]);
    let _ann = Client::join(server.address("lines+tls"), &pair, "ann");
    let _bob = Person::join(&server, "bob");
    let mut cy = BufReader::new(dial(server.address("irc")));
    let asked = b"NICK cy\r\nUSER cy 0 * :Cy\r\nWHOIS bob\r\nWHOIS ann\r\nQUIT\r\n";
    cy.get_mut().write_all(asked).unwrap();
    let mut told = String::new();
    cy.read_to_string(&mut told).unwrap();
    assert!(told.contains(" 671 cy ann :is using a secure connection\r\n"), "{told}");
    assert!(told.contains(" 318 cy bob ") && !told.contains(" 671 cy bob "), "{told}");
}

#[test]
fn who_has_no_more_to_say_is_still_heard_and_told() {
    let folder = Folder::new("half");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &[]);
    let mut alice = Person::join(&server, "alice");
    let address = server.address("lines+tls");
    let mut bob = Client::join(address, &pair, "bob");
    alice.sees("* bob joined (2 here)");
    bob.0.get_mut().conn.writer().write_all(b"the last\n").unwrap();
    bob.half_closes();
    alice.sees_a("what bob says", |line| line.ends_with("bob: the last"));
    alice.sees("* bob left (1 here)");
    bob.rest();
    // And without a word of TLS.
    let mut carol = Client::join(address, &pair, "carol");
    alice.sees("* carol joined (2 here)");
    carol.says("the last");
    carol.socket().shutdown(Shutdown::Write).unwrap();
    alice.sees_a("what carol says", |line| line.ends_with("carol: the last"));
    alice.sees("* carol left (1 here)");
    carol.rest();
}

#[test]
fn records_may_come_in_pieces_of_one_byte() {
    let folder = Folder::new("pieces");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &[]);
    let mut socket = dial(server.address("lines+tls"));
    let mut session = pair.session("localhost");
    let mut out = Vec::new();
    session.writer().write_all(b"bob\nhello\n/quit\n").unwrap();
    let mut seen = Vec::new();
    loop {
        out.clear();
        while session.wants_write() {
            session.write_tls(&mut out).unwrap();
        }
        for byte in &out {
            socket.write_all(&[*byte]).unwrap();
        }
        if session.read_tls(&mut socket).unwrap() == 0 {
            break;
        }
        session.process_new_packets().unwrap();
        let _ = session.reader().read_to_end(&mut seen);
    }
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.starts_with(WELCOME) && seen.ends_with("* Goodbye.\n"), "{seen}");
}

#[test]
fn what_is_no_tls_is_closed_with_an_alert_and_counted() {
    let folder = Folder::new("none");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--listen=web=127.0.0.1:0"]);
    for input in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"alice\nhello\n", &[0; 64]] {
        let mut socket = dial(server.address("lines+tls"));
        socket.write_all(input).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.first(), Some(&0x15), "an alert");
    }
    // After the handshake, what is no ciphertext.
    let mut alice = Person::join(&server, "alice");
    let mut bob = Client::join(server.address("lines+tls"), &pair, "bob");
    alice.sees("* bob joined (2 here)");
    bob.socket().write_all(&[0x17, 3, 3, 0, 32]).unwrap();
    bob.socket().write_all(&[7; 32]).unwrap();
    alice.sees("* bob left: connection lost (1 here)");
    let mut socket = dial(server.address("web"));
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut metrics = String::new();
    socket.read_to_string(&mut metrics).unwrap();
    for count in [
        "chinwag_closes_total{reason=\"tls_failed\"} 4",
        "chinwag_tls_handshakes_total 1",
        "chinwag_certificate_end_seconds 3786912000", // 2090-01-01
    ] {
        assert!(metrics.contains(count), "{count} in {metrics}");
    }
    // And TLS where there is none.
    let mut session = pair.session("localhost");
    let mut socket = dial(server.address("lines"));
    session.write_tls(&mut socket).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    alice.sees_nothing_more();
}

#[test]
fn a_hello_that_never_ends_is_not_kept() {
    let folder = Folder::new("endless");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &[]);
    let start = Instant::now();
    let mut socket = dial(server.address("lines+tls"));
    // A handshake message of 64 KiB less one, in records of 4 KiB.
    let mut hello = vec![1, 0, 0xff, 0xff, 3, 3];
    hello.resize(64 * 1024, 0);
    for part in hello.chunks(4096) {
        let record = [&[0x16, 3, 1, 0x10, 0][..], part].concat();
        if socket.write_all(&record).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    server.log().waits_for("no TLS, or broken");
    assert!(start.elapsed() < Duration::from_secs(10), "it was not waited for");
}

#[test]
fn whoever_only_begins_handshakes_is_paced_too() {
    let Some(ip) = own_address() else {
        eprintln!("skipped: this machine has no address but its loopback");
        return;
    };
    let folder = Folder::new("knocks");
    let pair = folder.pair("a", "localhost");
    let listener = "--listen=lines+tls=0.0.0.0:0";
    let flags = pair.flags();
    let server = Server::start(&[&flags[0], &flags[1], listener, "--connects=2/3600"]);
    let address = (ip, server.address("lines+tls").port()).into();
    for _ in 0..16 {
        let mut socket = dial(address);
        pair.session("localhost").write_tls(&mut socket).unwrap();
        assert!(socket.read(&mut [0; 1]).unwrap() > 0, "the handshake goes on");
    }
    let mut socket = dial(address);
    assert!(!matches!(socket.read(&mut [0; 1]), Ok(1..)), "there is not even a handshake");
    server.log().waits_for("too many");
}

#[test]
fn a_handshake_has_its_time_and_takes_a_place() {
    let folder = Folder::new("late");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--max-clients=16"]);
    let start = Instant::now();
    let mut silent: Vec<_> = (0..16).map(|_| dial(server.address("lines+tls"))).collect();
    // Who has a place is known to the server; each of these is in or waits to be accepted.
    let mut late = Person::connect(&server);
    while late.sees_a_line() == WELCOME {
        late = Person::connect(&server);
    }
    for socket in &mut silent {
        socket.set_read_timeout(Some(3 * PATIENCE)).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(start.elapsed() > Duration::from_secs(9), "10 seconds are its time");
    }
    server.log().waits_for("no TLS handshake or PROXY header in time");
}

#[test]
fn all_of_much_arrives_at_who_reads_slowly() {
    const LINES: usize = 3000;
    let folder = Folder::new("much");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--flood=0", "--backlog=64M"]);
    let mut alice = Person::join(&server, "alice");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address("lines+tls").into()).unwrap();
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bob = Client::over(socket, pair.session("localhost"));
    bob.takes_name("bob");
    alice.sees("* bob joined (2 here)");
    let text = "x".repeat(1000);
    let sent: String = (0..LINES).map(|number| format!("{number} {text}\n")).collect();
    alice.sends(sent.as_bytes());
    alice.says("/quit");
    alice.sees("* Goodbye.");
    // All is said, and most of it waits for bob.
    for number in 0..LINES {
        bob.sees(&format!("alice: {number} {text}"));
    }
    bob.sees("* alice left (1 here)");
    // The end waits in order with the rest.
    bob.says("/quit");
    assert_eq!(bob.rest(), "* Goodbye.\n");
}

#[test]
fn a_certificate_that_cannot_be_used_is_one_sentence() {
    let folder = Folder::new("wrong");
    let good = folder.pair("good", "localhost");
    let other = folder.pair("other", "localhost");
    let old = folder.pair_until("old", "localhost", 2001);
    let empty = folder.0.join("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    let missing = folder.0.join("missing.pem");
    let [broken, garbage, huge] = [
        ("broken", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned()),
        ("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        ("huge", fs::read_to_string(&good.cert).unwrap() + &"\n".repeat(1 << 20)),
    ]
    .map(|(name, content)| {
        let path = folder.0.join(name);
        fs::write(&path, content).unwrap();
        path
    });
    let table: [(&Path, &Path, &str); 10] = [
        (&missing, &good.key, "there is no such file"),
        (&good.cert, &missing, "there is no such file"),
        (&folder.0, &good.key, "it is not a regular file"),
        (&empty, &good.key, "there is no certificate in it"),
        (&broken, &good.key, "it is not PEM"),
        (&garbage, &good.key, "its certificate cannot be read"),
        (&huge, &good.key, "it is larger than 1 MiB"),
        (&good.cert, &empty, "there is no private key in it"),
        (&good.cert, &other.key, "it is not the key of"),
        (&old.cert, &old.key, "it ended"),
    ];
    for (cert, key, why) in table {
        let mut command = chinwag();
        command.args(["--listen", "lines+tls=127.0.0.1:0", "--tls-cert"]).arg(cert);
        command.arg("--tls-key").arg(key);
        let mut process = Process::spawn(command);
        assert_eq!(process.wait(), Some(3), "{why}");
        let log = process.stderr.lines_at_the_end();
        let sentence = log.last().unwrap();
        assert!(sentence.contains(why) && sentence.ends_with('.'), "{why}: {log:?}");
    }
}

#[test]
fn a_client_gets_the_certificate_of_the_host_that_it_names() {
    let folder = Folder::new("names");
    let (a, b) = (folder.pair("a", "a.example"), folder.pair("b", "b.example"));
    let flags = [a.flags(), b.flags()].concat();
    let flags = flags.iter().map(String::as_str);
    let flags: Vec<_> = flags.chain(["--listen=lines+tls=127.0.0.1:0"]).collect();
    let server = Server::start(&flags);
    let address = server.address("lines+tls");
    for (pair, host) in [(&a, "a.example"), (&b, "b.example")] {
        let mut client = Client::connect(address, pair.session(host));
        client.sees(WELCOME);
    }
    // Others get the first, which is not theirs.
    for (pair, is_first) in [(&a, true), (&b, false)] {
        let refused = pair.session("c.example").complete_io(&mut dial(address)).unwrap_err();
        let why = refused.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(why)) = why else { panic!("{refused:?}") };
        let is_for_others = matches!(why, rustls::CertificateError::NotValidForNameContext { .. });
        assert_eq!(is_for_others, is_first, "{why:?}");
    }
}

#[test]
fn a_new_certificate_is_taken_without_a_closed_connection() {
    let folder = Folder::new("new");
    let old = folder.pair("a", "localhost");
    let config = Config {
        listeners: vec!["lines+tls=127.0.0.1:0".parse::<ListenerSpec>().unwrap()],
        tls: TlsFiles {
            certs: vec![old.cert.clone()],
            keys: vec![old.key.clone()],
            checked_every: Duration::from_millis(20),
        },
        limits: Limits { flood: None, ..Limits::default() },
        ..Config::default()
    };
    let (tells, told) = mpsc::channel();
    thread::spawn(move || {
        let mut server = chinwag::server::Server::bind(&config).unwrap();
        tells.send(server.listeners().next().unwrap().address).unwrap();
        server.run()
    });
    let address = told.recv_timeout(PATIENCE).unwrap();
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| Client::join(address, &old, name));
    alice.sees("* bob joined (2 here)");
    let accepts = |pair: &Pair| {
        let mut session = pair.session("localhost");
        session.complete_io(&mut dial(address)).is_ok()
    };
    assert!(accepts(&old) && !accepts(&folder.pair("other", "localhost")));
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Two who talk all the while.
        let talk = scope.spawn(|| {
            let mut lines = 0;
            while !is_done.load(Ordering::Relaxed) {
                alice.says(&format!("line {lines}"));
                bob.sees(&format!("alice: line {lines}"));
                bob.says("yes");
                alice.sees("bob: yes");
                lines += 1;
            }
            lines
        });
        for _ in 0..3 {
            let new = folder.pair("a", "localhost");
            let deadline = Instant::now() + PATIENCE;
            while !accepts(&new) && !talk.is_finished() {
                assert!(Instant::now() < deadline, "the new certificate is not taken");
            }
            assert!(talk.is_finished() || !accepts(&old), "the old one is not given any more");
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(talk.join().unwrap() > 0, "they talked");
    });
    alice.says("/quit");
    alice.sees("* Goodbye.");
}

#[cfg(unix)]
#[test]
fn a_new_certificate_that_cannot_be_used_changes_nothing() {
    let folder = Folder::new("useless");
    let good = folder.pair("a", "localhost");
    let server = start(&good, &[]);
    let address = server.address("lines+tls");
    let mut alice = Client::join(address, &good, "alice");
    let kept = fs::read(&good.cert).unwrap();
    let other = folder.pair("other", "localhost");
    for (useless, why) in [
        (b"nothing".to_vec(), "there is no certificate in it"),
        (fs::read(other.cert).unwrap(), "it is not the key of"),
    ] {
        fs::write(&good.cert, useless).unwrap();
        server.signal("HUP");
        assert!(server.log().waits_for(why).ends_with("the certificates from before stay"));
        Client::connect(address, good.session("localhost")).sees(WELCOME);
    }
    fs::write(&good.cert, kept).unwrap();
    server.signal("HUP");
    server.log().waits_for("the certificates were read again");
    Client::connect(address, good.session("localhost")).sees(WELCOME);
    alice.says("/quit");
    alice.sees("* Goodbye.");
}

#[cfg(feature = "web")]
#[test]
fn browsers_are_told_which_http_it_is() {
    let folder = Folder::new("http");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--listen=web+tls=127.0.0.1:0"]);
    let mut config = pair.client(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap());
    let mut browser = Client::connect(server.address("web+tls"), session.unwrap());
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    browser.0.get_mut().write_all(request).unwrap();
    let answer = browser.rest();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"));
    assert_eq!(browser.0.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[cfg(feature = "web")]
#[test]
fn a_browser_chats_over_wss() {
    let Some(chromium) = chromium::Chromium::start("en-US") else { return };
    let folder = Folder::new("wss");
    let pair = folder.pair("a", "localhost");
    let server = start(&pair, &["--listen=web+tls=127.0.0.1:0"]);
    let mut bob = Client::join(server.address("lines+tls"), &pair, "bob");
    let alice = chromium.open(&format!("https://{}/", server.address("web+tls")));
    assert_eq!(alice.finds("location.protocol"), "https:");
    alice.joins_as("alice");
    bob.sees("* alice joined (2 here)");
    alice.says("good morning");
    bob.sees("alice: good morning");
    bob.says("hello");
    alice.sees("hello");
    // More than one record holds, in both directions.
    let long = "x".repeat(3000);
    for number in 0..20 {
        bob.says(&format!("{number} {long}"));
    }
    alice.sees(&format!("19 {long}"));
    alice.says(&long);
    bob.sees(&format!("alice: {long}"));
    alice.says("/quit");
    bob.sees("* alice left (1 here)");
}

#[test]
fn make_cert_writes_a_pair_once() {
    let folder = Folder::new("make");
    let make = || {
        let mut command = chinwag();
        command.args(["make-cert", "localhost", "127.0.0.1"]).current_dir(&folder.0);
        command.output().unwrap()
    };
    let told = String::from_utf8(make().stdout).unwrap();
    let kept = fs::read(folder.0.join("chinwag-cert.pem")).unwrap();
    let again = make();
    assert_eq!(again.status.code(), Some(3));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not written over"));
    let key = folder.0.join("chinwag-key.pem");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let cert = folder.0.join("chinwag-cert.pem");
    assert_eq!(fs::read(&cert).unwrap(), kept);
    let der = <CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_file(&cert);
    let pair = Pair { cert, key, der: der.unwrap() };
    let digest = ring::digest::digest(&ring::digest::SHA256, &pair.der);
    let digest: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(told.lines().any(|line| line == digest.join(":")), "the fingerprint in {told}");
    let server = start(&pair, &[]);
    let address = server.address("lines+tls");
    Client::connect(address, pair.session("127.0.0.1")).sees(WELCOME);
    let mut alice = Client::join(address, &pair, "alice");
    alice.says("/quit");
    alice.sees("* Goodbye.");
}

//! The dialect of browsers over real sockets: HTTP requests and their answers, the handshake, and
//! the frames, as a browser's side of them sees them. The page itself is tried in `browser.rs`.

#![cfg(feature = "web")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::collections::BTreeSet;
use std::io::{IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chinwag::config::{Config, Limits};
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::{ConnectionKey, Now};
use common::{Caller, DIALECTS, PATIENCE, Person, Server};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

const OPEN: [&str; 2] = ["lines", "web"];

fn start(args: &[&str]) -> Server {
    Server::start_with_listeners(&OPEN, args)
}

fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

// ---- HTTP -----------------------------------------------------------------------------------

/// Sends a request as it stands, and returns all that comes until EOF.
#[track_caller]
fn answer(server: &Server, request: &str) -> String {
    let mut stream = stream(server.address("web"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The status, and the body.
#[track_caller]
fn get(server: &Server, path: &str) -> (u16, String) {
    let answer = answer(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (status(head), body.to_owned())
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.unwrap_or_else(|| panic!("no status: {answer}")).parse().unwrap()
}

#[test]
fn each_path_has_its_answer_and_the_connection_ends() {
    let server = start(&[]);
    let (status, page) = get(&server, "/");
    assert!(status == 200 && page.starts_with("<!doctype html>"), "{page}");
    for path in ["/page.css", "/page.js"] {
        assert!(page.contains(&format!("\"{path}\"")), "the page asks for {path}");
        assert_eq!(get(&server, path).0, 200, "{path}");
        assert_eq!(get(&server, &format!("{path}on")).0, 404, "{path}on");
    }
    assert_eq!(get(&server, "/healthz"), (200, "ok".to_owned()));
    assert_eq!(get(&server, "/nowhere").0, 404);
    assert_eq!(get(&server, "/ws").0, 426);
    let head = answer(&server, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.contains("Content-Length: 2\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn the_page_is_told_of_each_module_that_its_script_imports() {
    let server = start(&[]);
    let page = get(&server, "/").1;
    assert!(page.contains("<script type=\"module\" src=\"/page.js\">"), "{page}");
    // So that they are all fetched at once, and not one after the other has come.
    let listed: BTreeSet<_> =
        page.split('"').filter(|word| word.ends_with(".js")).map(str::to_owned).collect();
    // Browsers open six connections at a time, and each of these, and the style, is one of its own:
    // they come in two rounds.
    assert!((2..=11).contains(&listed.len()), "{listed:?}");
    let mut imported = BTreeSet::from(["/page.js".to_owned()]);
    for path in &listed {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = answer(&server, &request);
        let (head, script) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(status(head), 200, "{path}");
        for field in [
            "Content-Type: text/javascript; charset=utf-8",
            "X-Content-Type-Options: nosniff",
            "script-src 'self';",
        ] {
            assert!(head.contains(field), "{path}: {field}: {head}");
        }
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(self::answer(&server, &request), format!("{head}\r\n\r\n"), "{path}");
        let folder = &path[..=path.rfind('/').unwrap()];
        for name in script.split(" from \"./").skip(1) {
            let name = name.split('"').next().unwrap();
            imported.insert(format!("{folder}{name}"));
        }
    }
    assert_eq!(listed, imported);
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let server = start(&[]);
    let mut stream = stream(server.address("web"));
    stream.set_nodelay(true).unwrap();
    for byte in b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn what_is_no_request_is_answered_all_the_same() {
    let server = start(&[]);
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(100));
    for (expected, request) in [
        (400, "hello\n"),
        (400, "\x16\x03\x01"),
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (403, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        (405, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"),
        (405, "PUT /ws HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (431, &huge),
        (431, &many),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        assert_eq!(status(&answer(&server, request)), expected, "{request:.40}");
    }
    assert_eq!(get(&server, "/healthz").0, 200, "and the listener stays open");
}

#[test]
fn a_browser_at_lines_is_told_in_one_line_where_the_page_is() {
    let server = start(&[]);
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /x HTTP/1.0\n"] {
        let mut stream = stream(server.address("lines"));
        stream.write_all(request.as_bytes()).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        let told = told.strip_prefix(&format!("{}\n", common::WELCOME)).expect("the question");
        let line = told.strip_suffix("\r\n\r\n").expect("the end of a head");
        assert!(line.starts_with("HTTP/1.0 400 ") && !line.contains('\n'), "{told:?}");
        let page = format!("http://{}/", server.address("web"));
        assert!(line.ends_with(&page), "{told:?}");
    }
    let mut stream = stream(server.address("lines"));
    stream.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert_eq!(told, format!("{}\n", common::WELCOME), "and TLS is not answered");
}

#[test]
fn when_the_server_is_full_a_browser_is_told_in_its_own_words() {
    let server = start(&["--max-clients=1"]);
    let _alice = Person::join(&server, "alice");
    let answer = answer(&server, "");
    assert_eq!(status(&answer), 503, "{answer}");
}

#[test]
fn what_the_server_counts_can_be_read() {
    let server = start(&[]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    alice.says("hi");
    bob.sees(json!({ "type": "say", "from": "alice", "text": "hi" }));
    bob.says("ho");
    bob.sees(json!({ "type": "say", "from": "bob", "text": "ho" }));
    alice.sees("bob: ho");
    let (status, metrics) = get(&server, "/metrics");
    assert_eq!(status, 200);
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("chinwag_{name} ")));
        line.unwrap_or_else(|| panic!("no {name}: {metrics}")).parse::<f64>().unwrap()
    };
    assert_eq!(value("members{dialect=\"lines\"}"), 1.0);
    assert_eq!(value("members{dialect=\"web\"}"), 1.0);
    assert_eq!((value("connections"), value("lines_total")), (3.0, 2.0));
    assert_eq!(value("deliveries_total"), 3.0, "alice to bob; bob to alice and himself");
    assert_eq!(value("closes_total{reason=\"quit\"}"), 0.0);
    assert_eq!(value("journal_bytes{dialect=\"lines\"}"), 0.0);
    for grows in ["received_bytes_total", "sent_bytes_total", "turns_total", "slowest_turn_seconds"]
    {
        assert!(value(grows) > 0.0, "{grows}");
    }
    for line in metrics.lines().filter(|line| !line.starts_with("# HELP ")) {
        let words = line.split(' ').count();
        assert_eq!(words, if line.starts_with("# TYPE ") { 4 } else { 2 }, "{line}");
    }
    alice.says("/quit");
    alice.sees("* Goodbye.");
    alice.sees_eof();
    let (_, metrics) = get(&server, "/metrics");
    assert!(metrics.contains("chinwag_closes_total{reason=\"quit\"} 1\n"), "{metrics}");
}

// ---- Who may come ---------------------------------------------------------------------------

/// The status of a handshake.
#[track_caller]
fn handshake(server: &Server, host: &str, origin: &str) -> u16 {
    let mut stream = stream(server.address("web"));
    let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    write!(
        stream,
        "GET /ws HTTP/1.1\r\nHost: {host}\r\n{origin}Upgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    status(str::from_utf8(&first).unwrap())
}

#[test]
fn pages_of_other_sites_may_not_join_unless_they_are_allowed() {
    let usual = start(&[]);
    let open = start(&[
        "--allow-host=chat.example",
        "--allow-host=Talk.example",
        "--allow-origin=https://friends.example",
    ]);
    for (host, origin, by_default, allowed) in [
        ("localhost:7780", "", 101, 101),
        ("localhost:7780", "http://localhost:7780", 101, 101),
        ("127.0.0.1", "http://evil.example", 403, 403),
        ("127.0.0.1", "null", 403, 403),
        ("127.0.0.1", "ftp://127.0.0.1", 403, 403),
        ("127.0.0.1", "https://friends.example", 403, 101),
        ("evil.example", "http://evil.example", 403, 403),
        ("chat.example", "https://chat.example", 403, 101),
        ("talk.example:8443", "https://talk.example:8443", 403, 101),
    ] {
        assert_eq!(handshake(&usual, host, origin), by_default, "{host}, {origin}");
        assert_eq!(handshake(&open, host, origin), allowed, "{host}, {origin}, allowed");
    }
}

// ---- Talking --------------------------------------------------------------------------------

/// A browser's side of a WebSocket.
struct Browser {
    name: String,
    socket: WebSocket<TcpStream>,
}

impl Browser {
    #[track_caller]
    fn connects(server: &Server) -> Self {
        let address = server.address("web");
        let request = format!("ws://{address}/ws").into_client_request().unwrap();
        let (socket, _) = tungstenite::client(request, stream(address)).unwrap();
        Self { name: "the newcomer".to_owned(), socket }
    }

    /// Connects, and is in the room.
    #[track_caller]
    fn joins(server: &Server, name: &str) -> Self {
        let mut browser = Self::connects(server);
        browser.sees(json!({ "type": "ask", "motd": [], "line_bytes_max": 4096 }));
        browser.sends(json!({ "type": "nick", "name": name }));
        browser.name = name.to_owned();
        let welcome = browser.next();
        assert_eq!((&welcome["type"], &welcome["name"]), (&"welcome".into(), &name.into()));
        browser
    }

    #[allow(clippy::needless_pass_by_value, reason = "callers make it on the spot")]
    fn sends(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    fn sends_bytes(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).unwrap();
    }

    fn says(&mut self, text: &str) {
        self.sends(json!({ "type": "say", "text": text }));
    }

    /// The next event, which must come.
    #[track_caller]
    fn next(&mut self) -> Value {
        match self.socket.read() {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{} should see an event, not {other:?}", self.name),
        }
    }

    /// The next event is this, whenever it happened.
    #[allow(clippy::needless_pass_by_value, reason = "callers make it on the spot")]
    #[track_caller]
    fn sees(&mut self, expected: Value) {
        let mut event = self.next();
        let fields = event.as_object_mut().unwrap();
        // What these tests do not ask for: numbers, and that it is the lobby.
        fields.remove("id");
        fields.remove("room").iter().for_each(|room| assert_eq!(room, "#lobby"));
        let at = fields.remove("at");
        assert!(at.is_none_or(|at| at.as_u64() > Some(1_700_000_000)), "{event}");
        assert_eq!(event, expected, "{} should see it", self.name);
    }

    /// The connection is closed with this code, and nothing comes before; then the socket ends.
    #[track_caller]
    fn is_closed(&mut self, code: u16) {
        let told = match self.socket.read() {
            Ok(Message::Close(Some(frame))) => frame.code,
            other => panic!("{} should be closed, but: {other:?}", self.name),
        };
        assert_eq!(told, CloseCode::from(code), "{}", self.name);
        // The answer to the close frame may find the socket gone already.
        let end = self.socket.read();
        assert!(matches!(end, Err(Error::ConnectionClosed | Error::Io(_))), "{end:?}");
    }
}

#[test]
fn browsers_and_terminals_share_a_room() {
    let server = start(&["--history=2"]);
    let mut alice = Person::join(&server, "alice");
    for line in ["one", "two", "/me waves"] {
        alice.says(line);
    }
    alice.sees_nothing_more();
    let mut bob = Browser::connects(&server);
    bob.sees(json!({ "type": "ask", "motd": [], "line_bytes_max": 4096 }));
    bob.sends(json!({ "type": "nick", "name": "bob" }));
    let mut welcome = bob.next();
    for past in welcome["history"].as_array_mut().unwrap() {
        let fields = past.as_object_mut().unwrap();
        assert!(fields.remove("at").unwrap().is_u64() && fields.remove("id").unwrap().is_u64());
        assert_eq!(fields.remove("room").unwrap(), "#lobby");
    }
    let history = json!([
        { "type": "say", "from": "alice", "text": "two" },
        { "type": "me", "from": "alice", "text": "waves" },
    ]);
    let expected = json!({
        "type": "welcome", "name": "bob", "count": 2, "members": ["alice", "bob"],
        "history": history,
    });
    let fields = welcome.as_object_mut().unwrap();
    assert!(fields.remove("id").unwrap().is_u64());
    assert_eq!(fields.remove("room").unwrap(), "#lobby");
    fields.remove("token");
    assert_eq!(welcome, expected);
    alice.sees("* bob joined (2 here)");

    bob.says("hi from a browser");
    alice.sees("bob: hi from a browser");
    bob.sees(json!({ "type": "say", "from": "bob", "text": "hi from a browser" }));
    bob.sends(json!({ "type": "me", "text": "smiles" }));
    alice.sees("** bob smiles");
    bob.sees(json!({ "type": "me", "from": "bob", "text": "smiles" }));
    alice.says("<b>\"hi\"\\</b>");
    bob.sees(json!({ "type": "say", "from": "alice", "text": "<b>\"hi\"\\</b>" }));
    alice.says("/nick eve");
    alice.sees("* alice is now eve");
    bob.sees(json!({ "type": "nick", "old": "alice", "new": "eve" }));
    alice.says("/quit lunch");
    bob.sees(json!({ "type": "leave", "names": ["eve"], "count": 1, "words": "lunch" }));
}

#[test]
fn what_is_private_is_for_one() {
    let server = start(&[]);
    let mut alice = Browser::joins(&server, "alice");
    let mut bob = Person::join(&server, "bob");
    let mut carol = Browser::joins(&server, "carol");
    alice.sees(json!({ "type": "join", "names": ["bob"], "count": 2 }));
    alice.sees(json!({ "type": "join", "names": ["carol"], "count": 3 }));
    bob.sees("* carol joined (3 here)");
    alice.sends(json!({ "type": "msg", "to": "BOB", "text": "psst" }));
    bob.sees("[alice -> you] psst");
    alice.sees(json!({ "type": "sent", "to": "bob", "text": "psst" }));
    bob.says("/r yes?");
    alice.sees(json!({ "type": "msg", "from": "bob", "text": "yes?" }));
    alice.sends(json!({ "type": "reply", "text": "no" }));
    bob.sees("[you -> alice] yes?");
    bob.sees("[alice -> you] no");
    carol.says("hi");
    carol.sees(json!({ "type": "say", "from": "carol", "text": "hi" }));
}

#[test]
fn commands_work_as_at_a_terminal() {
    let server = start(&[]);
    let mut alice = Browser::joins(&server, "alice");
    let mut bob = Person::join(&server, "bob");
    alice.sees(json!({ "type": "join", "names": ["bob"], "count": 2 }));
    alice.says("/who");
    alice.sees(json!({ "type": "who", "members": ["alice", "bob"], "count": 2 }));
    alice.says("//who");
    bob.sees("alice: /who");
    alice.sees(json!({ "type": "say", "from": "alice", "text": "/who" }));
    alice.says("quit");
    bob.sees("alice: quit");
    alice.sees(json!({ "type": "say", "from": "alice", "text": "quit" }));
    alice.says("/history 1");
    alice.sees(json!({ "type": "say", "from": "alice", "text": "quit", "again": true }));
    alice.says("/ignore bob");
    assert_eq!(alice.next()["names"], json!(["bob"]));
    bob.says("are you there?");
    bob.sees_nothing_more();
    alice.says("/msg");
    let refused = alice.next();
    assert_eq!(refused["why"], "usage");
    assert_eq!(refused["text"]["en"], "Usage: /msg NAME TEXT");
    assert_eq!(refused["text"]["zh"], "用法: /msg 昵称 文本");
    alice.says("/help me");
    assert_eq!(alice.next()["commands"][0]["form"]["en"], "/me TEXT");
    alice.sends(json!({ "type": "dance", "text": "x" }));
    assert_eq!(alice.next()["why"], "unknown_command");
    alice.says("/quit so long");
    alice.sees(json!({ "type": "goodbye" }));
    alice.is_closed(1000);
    bob.sees("* alice left: so long (1 here)");
}

#[test]
fn a_name_is_asked_for_until_it_will_do() {
    let server = start(&[]);
    let _alice = Person::join(&server, "alice");
    let mut bob = Browser::connects(&server);
    assert_eq!(bob.next()["type"], "ask");
    bob.says("nothing is said before there is a name");
    for (name, why) in [("ALICE", "taken"), ("root", "nickname"), ("a b", "nickname")] {
        bob.sends(json!({ "type": "nick", "name": name }));
        let refused = bob.next();
        assert_eq!((&refused["type"], &refused["why"]), (&"refused".into(), &why.into()));
    }
    bob.sends(json!({ "type": "nick", "name": "bob" }));
    let welcome = bob.next();
    assert_eq!((&welcome["count"], &welcome["history"]), (&2.into(), &json!([])));
}

#[test]
fn people_of_every_dialect_hear_a_browser_and_are_heard() {
    let server = Server::start_with_listeners(&[&DIALECTS[..], &["web"]].concat(), &[]);
    let mut web = Browser::joins(&server, "web");
    for dialect in DIALECTS {
        let mut caller = Caller::enters(&server, dialect, &format!("by-{dialect}"));
        let joined = web.next();
        assert_eq!(joined["type"], "join", "{dialect}");
        let name = joined["names"][0].as_str().unwrap().to_owned();
        caller.says("hi");
        web.sees(json!({ "type": "say", "from": name, "text": "hi" }));
        if ["nick", "mention"].contains(&dialect) {
            caller.sees_a(|echo| echo.contains("hi"));
        }
        web.says("ho");
        web.sees(json!({ "type": "say", "from": "web", "text": "ho" }));
        caller.sees_a(|line| line.contains("web") && line.contains("ho"));
        if dialect == "datagram" {
            caller.says("exit");
        } else {
            drop(caller);
        }
        assert_eq!(web.next()["names"][0], name, "{dialect}");
    }
}

#[test]
fn the_same_bytes_go_to_every_browser() {
    let server = start(&[]);
    let mut alice = Person::join(&server, "alice");
    let mut browsers = [Browser::joins(&server, "bob"), Browser::joins(&server, "carol")];
    alice.sees("* bob joined (2 here)");
    alice.sees("* carol joined (3 here)");
    assert_eq!(browsers[0].next()["type"], "join");
    alice.says("hi");
    let event = "{\"type\":\"say\",\"from\":\"alice\",\"text\":\"hi\",\"at\":";
    let came = browsers.each_mut().map(|browser| {
        let mut frame = vec![0; 2 + event.len()];
        browser.socket.get_mut().read_exact(&mut frame).unwrap();
        assert_eq!(frame[0], 0x81, "one text frame");
        assert_eq!(frame[2..], *event.as_bytes());
        let mut rest = vec![0; usize::from(frame[1]) - event.len()];
        browser.socket.get_mut().read_exact(&mut rest).unwrap();
        [frame, rest].concat()
    });
    assert_eq!(came[0], came[1]);
}

// ---- Frames ---------------------------------------------------------------------------------

/// A frame as a browser sends it, of at most 65,535 bytes.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = match u8::try_from(length) {
        Ok(short @ ..126) => vec![first, 0x80 | short],
        _ => [&[first, 0xfe][..], &length.to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn what_breaks_the_protocol_is_closed_with_the_code_that_says_so() {
    let server = start(&["--flood=0"]);
    let mut alice = Person::join(&server, "alice");
    let unmasked = b"\x81\x02{}".to_vec();
    let huge = b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec();
    let table = [
        (1002, unmasked),
        (1002, masked(0x91, b"{}")),
        (1002, masked(0x09, b"")),
        (1002, masked(0x80, b"{}")),
        (1002, masked(0x85, b"{}")),
        (1003, masked(0x82, b"{}")),
        (1007, masked(0x81, b"{\"type\":\"say\",\"text\":\"\xff\"}")),
        (1007, masked(0x81, b"hello")),
        (1009, huge),
    ];
    for (number, (code, bytes)) in table.into_iter().enumerate() {
        let name = format!("b{number}");
        let mut bob = Browser::joins(&server, &name);
        alice.sees(&format!("* {name} joined (2 here)"));
        bob.sends_bytes(&bytes);
        let refused = bob.next();
        assert_eq!((&refused["type"], &refused["why"]), (&"refused".into(), &"violation".into()));
        bob.is_closed(code);
        alice.sees(&format!("* {name} left: protocol error (1 here)"));
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit_whatever_its_escapes_and_not_longer() {
    let server = start(&["--max-line=64"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Browser::connects(&server);
    bob.sees(json!({ "type": "ask", "motd": [], "line_bytes_max": 64 }));
    bob.sends(json!({ "type": "nick", "name": "bob" }));
    assert_eq!(bob.next()["type"], "welcome");
    alice.sees("* bob joined (2 here)");
    let longest = "\"".repeat(64);
    bob.says(&longest);
    alice.sees(&format!("bob: {longest}"));
    assert_eq!(bob.next()["text"], longest);
    bob.says(&"x".repeat(65));
    assert_eq!(bob.next()["why"], "violation");
    bob.is_closed(1009);
}

#[test]
fn pings_are_answered_and_fragments_are_one_message() {
    let server = start(&[]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    bob.sends_bytes(&masked(0x01, b"{\"type\":\"say\","));
    bob.sends_bytes(&masked(0x89, b"are you there?"));
    assert_eq!(bob.socket.read().unwrap(), Message::Pong("are you there?".into()));
    bob.sends_bytes(&masked(0x80, b"\"text\":\"yes\"}"));
    alice.sees("bob: yes");
    bob.sees(json!({ "type": "say", "from": "bob", "text": "yes" }));
}

#[test]
fn whoever_closes_is_answered_and_has_left() {
    let server = start(&["--resume-grace=1"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Browser::joins(&server, "bob");
    alice.sees("* bob joined (2 here)");
    bob.socket.close(None).unwrap();
    bob.is_closed(1000);
    alice.sees("* bob left (1 here)");
}

#[test]
#[cfg(unix)]
fn when_the_server_stops_browsers_are_told() {
    let mut server = start(&[]);
    let mut alice = Browser::joins(&server, "alice");
    let mut asked = Browser::connects(&server);
    assert_eq!(asked.next()["type"], "ask");
    server.terminate();
    for browser in [&mut alice, &mut asked] {
        browser.sees(json!({ "type": "stopping" }));
        browser.is_closed(1001);
    }
    assert_eq!(server.wait(), Some(0));
}

// ---- Time -----------------------------------------------------------------------------------

/// A hub whose clock stands still unless it is told to go on.
struct Clockwork {
    hub: Hub,
    now: Now,
}

impl Clockwork {
    fn new(limits: Limits) -> Self {
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let hub = Hub::new(&Config { limits, ..Config::default() }, now);
        Self { hub, now }
    }

    fn comes(&mut self) -> ConnectionKey {
        let remote = SocketAddr::from(([192, 0, 2, 1], 50_000));
        self.hub.handle_connect(Dialect::Web, remote, self.now).unwrap()
    }

    /// Somebody has become a WebSocket.
    fn upgrades(&mut self) -> ConnectionKey {
        let key = self.comes();
        let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.hub.handle_input(key, request.as_bytes(), self.now);
        assert_eq!(status(&String::from_utf8_lossy(&self.sent(key))), 101);
        key
    }

    /// Lets time pass, and whatever is due happen when it is due.
    fn waits(&mut self, seconds: f64) {
        let end = self.now.instant + Duration::from_secs_f64(seconds);
        while let Some(next) = self.hub.poll_timeout().filter(|next| *next <= end) {
            self.now.instant = self.now.instant.max(next);
            self.hub.handle_timeout(self.now);
            self.end_turn();
        }
        self.now.instant = end;
    }

    fn names(&mut self, key: ConnectionKey, name: &str) {
        let message = format!("{{\"type\":\"nick\",\"name\":\"{name}\"}}");
        self.hub.handle_input(key, &masked(0x81, message.as_bytes()), self.now);
    }

    /// Somebody says as long a line as there may be, in pieces, and reads.
    fn hears_a_long_line(&mut self, from: ConnectionKey) {
        self.hub.handle_input(from, &masked(0x01, b"{\"type\":\"say\",\"text\":\""), self.now);
        for _ in 0..40 {
            self.hub.handle_input(from, &masked(0x00, "\\\"".repeat(50).as_bytes()), self.now);
        }
        self.hub.handle_input(from, &masked(0x80, b"\"}"), self.now);
        self.end_turn();
        self.sent(from);
        self.end_turn();
    }

    fn end_turn(&mut self) {
        self.hub.handle_input_done(self.now);
        self.hub.poll_writers(&mut Vec::new());
        self.hub.handle_output_done();
        let mut closed = Vec::new();
        self.hub.poll_closed(&mut closed);
        closed.into_iter().for_each(|key| self.hub.handle_closed(key));
    }

    /// What there is to send to somebody.
    fn sent(&mut self, key: ConnectionKey) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = self.hub.poll_transmit(key, &mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            if bytes.is_empty() {
                return all;
            }
            self.hub.handle_written(key, bytes.len(), self.now);
            all.extend(bytes);
        }
    }
}

#[test]
fn a_request_has_ten_seconds_whatever_comes_of_it() {
    let mut clock = Clockwork::new(Limits::default());
    let key = clock.comes();
    for byte in b"GET / HTT" {
        clock.hub.handle_input(key, &[*byte], clock.now);
        clock.waits(1.0);
    }
    assert!(clock.sent(key).is_empty());
    clock.waits(0.999);
    assert!(clock.sent(key).is_empty(), "not yet");
    clock.waits(0.001);
    assert_eq!(status(&String::from_utf8(clock.sent(key)).unwrap()), 408);
    assert!(clock.hub.is_finished(key), "and that is all");
}

#[test]
fn whoever_misses_two_pings_is_gone_and_whoever_answers_stays() {
    const PING: &[u8] = b"\x89\0";
    let limits = Limits { nick_timeout: Duration::from_secs(1000), ..Limits::default() };
    let mut clock = Clockwork::new(limits);
    let key = clock.upgrades();
    for _ in 0..3 {
        clock.waits(29.999);
        assert!(clock.sent(key).is_empty(), "not yet");
        clock.waits(0.001);
        assert_eq!(clock.sent(key), PING);
        clock.hub.handle_input(key, &masked(0x8a, b""), clock.now);
    }
    clock.waits(30.0);
    assert_eq!(clock.sent(key), PING, "the first that is missed");
    clock.waits(30.0);
    assert_eq!(clock.sent(key), PING, "the second");
    clock.waits(29.999);
    assert!(clock.sent(key).is_empty(), "it may still answer");
    clock.waits(0.001);
    assert_eq!(closed(&clock.sent(key)), 1008);
    assert!(clock.hub.is_finished(key));
}

#[test]
fn whoever_gives_no_name_is_told_why() {
    let mut clock = Clockwork::new(Limits::default());
    let key = clock.upgrades();
    clock.hub.handle_input(key, &masked(0x8a, b""), clock.now);
    clock.waits(60.0);
    let sent = clock.sent(key);
    assert!(String::from_utf8_lossy(&sent).contains("\"why\":\"nick_timeout\""));
    assert_eq!(closed(&sent), 1008);
}

#[test]
fn an_address_with_too_many_connections_is_told_so() {
    let mut clock = Clockwork::new(Limits { per_address_max: 1, ..Limits::default() });
    let first = clock.comes();
    let second = clock.comes();
    assert_eq!(status(&String::from_utf8(clock.sent(second)).unwrap()), 429);
    assert!(clock.sent(first).is_empty());
}

/// So many browsers have come to a room whose history has as long lines as there may be, and in
/// which alice reads.
fn browsers_before_a_long_history(count: usize) -> (Clockwork, ConnectionKey, Vec<ConnectionKey>) {
    let mut clock = Clockwork::new(Limits {
        flood: None,
        connects: None,
        per_address_max: 1000,
        ..Limits::default()
    });
    let alice = clock.upgrades();
    clock.names(alice, "alice");
    for _ in 0..50 {
        clock.hears_a_long_line(alice);
    }
    let browsers = (0..count).map(|_| clock.upgrades()).collect();
    (clock, alice, browsers)
}

/// What is told in one text frame.
fn told(frame: &[u8]) -> Value {
    let begin = frame.iter().position(|byte| *byte == b'{').unwrap();
    let value = serde_json::Deserializer::from_slice(&frame[begin..]).into_iter().next();
    value.unwrap().unwrap()
}

#[test]
fn when_all_come_back_at_once_they_share_one_welcome() {
    const BROWSERS: usize = 100;
    let (mut clock, _, browsers) = browsers_before_a_long_history(BROWSERS);
    for (number, key) in browsers.iter().enumerate() {
        clock.names(*key, &format!("b{number}"));
    }
    clock.waits(0.0);
    let shared = clock.hub.list_bytes();
    assert!((200_000..600_000).contains(&shared), "{shared} bytes for all");
    for (number, key) in browsers.iter().enumerate() {
        let welcome = clock.sent(*key);
        assert!(welcome.len() - shared < 100, "{} bytes are its own", welcome.len() - shared);
        let welcome = told(&welcome);
        assert_eq!(welcome["name"], format!("b{number}"));
        assert_eq!(welcome["members"].as_array().unwrap().len(), 1 + BROWSERS);
        assert_eq!(welcome["history"].as_array().unwrap().len(), 50);
    }
    clock.end_turn();
    assert_eq!(clock.hub.list_bytes(), 0);
}

#[test]
fn welcomes_that_nobody_reads_are_bounded_whatever_the_room_does() {
    const WELCOME_BYTES_MAX: usize = 600_000;
    let (mut clock, alice, browsers) = browsers_before_a_long_history(100);
    for (number, key) in browsers.iter().enumerate() {
        clock.hears_a_long_line(alice);
        clock.names(*key, &format!("b{number:02}"));
        if number % 2 > 0 {
            clock.waits(0.0);
        }
        let bytes = clock.hub.list_bytes();
        assert!(bytes <= (8 << 20) + WELCOME_BYTES_MAX, "{bytes} bytes");
    }
    clock.waits(0.0);
    assert_eq!(clock.hub.members(), 101, "nobody waits for those who do not read");
    assert!(clock.hub.list_bytes() > 8 << 20);
    // The last is welcomed as in other dialects: the first names, and the history line by line.
    let welcome = clock.sent(browsers[99]);
    let (welcome, again) = (told(&welcome), String::from_utf8_lossy(&welcome));
    assert_eq!((&welcome["name"], &welcome["count"]), (&json!("b99"), &json!(101)));
    assert_eq!(welcome["members"].as_array().unwrap().len(), 20);
    assert_eq!(welcome["history"].as_array().unwrap().len(), 0);
    assert_eq!(again.matches("\"again\":true").count(), 50);
    for key in &browsers {
        clock.sent(*key);
    }
    clock.end_turn();
    assert_eq!(clock.hub.list_bytes(), 0);
}

#[test]
fn whoever_waits_for_the_room_is_not_gone_for_being_silent() {
    let mut clock = Clockwork::new(Limits { flood: None, ..Limits::default() });
    let bob = clock.upgrades();
    clock.hub.handle_input(bob, &masked(0x81, b"{\"type\":\"nick\",\"name\":\"bob\"}"), clock.now);
    clock.waits(60.0);
    let alice =
        clock.hub.handle_connect(Dialect::Lines, ([192, 0, 2, 2], 50_000).into(), clock.now);
    clock.hub.handle_input(alice.unwrap(), b"alice\n", clock.now);
    clock.sent(bob);
    clock.now.instant += Duration::from_secs(30);
    // She says more than anybody else is heard with in the same turn.
    let line = [&[b'x'; 4000][..], b"\n"].concat();
    clock.hub.handle_input(alice.unwrap(), &line.repeat(80), clock.now);
    assert!(!clock.hub.wants_input(bob));
    clock.hub.handle_unread(bob);
    clock.hub.handle_timeout(clock.now);
    assert_eq!(clock.hub.members(), 2, "it may have answered");
}

// ---- Pace -----------------------------------------------------------------------------------

#[test]
fn every_frame_costs() {
    let pong = b"\x8a\0";
    let pongs = |sent: Vec<u8>| {
        assert!(sent.chunks(2).all(|frame| frame == pong), "only pongs: {sent:?}");
        sent.len() / 2
    };
    let mut clock = Clockwork::new(Limits::default());
    let bob = clock.upgrades();
    clock.hub.handle_input(bob, &masked(0x81, b"{\"type\":\"nick\",\"name\":\"bob\"}"), clock.now);
    clock.waits(0.0);
    clock.sent(bob);
    clock.hub.handle_input(bob, &masked(0x89, b"").repeat(10_000), clock.now);
    assert!(!clock.hub.wants_input(bob));
    assert_eq!(pongs(clock.sent(bob)), 30, "the burst");
    clock.waits(1.0);
    assert_eq!(pongs(clock.sent(bob)), 10, "and then the pace");

    // What has no answer: a ping behind it waits as long as it would behind lines.
    let begun = [masked(0x01, b""), masked(0x00, b"").repeat(28)].concat();
    for before in [masked(0x8a, b"").repeat(29), begun] {
        let carol = clock.upgrades();
        clock.hub.handle_input(carol, &masked(0x81, b"{\"type\":\"who\"}"), clock.now);
        clock.waits(3.0);
        clock.hub.handle_input(carol, &before, clock.now);
        clock.hub.handle_input(carol, &masked(0x89, b"").repeat(2), clock.now);
        assert_eq!(pongs(clock.sent(carol)), 1);
        clock.waits(0.1);
        assert_eq!(pongs(clock.sent(carol)), 1);
    }
}

#[test]
fn a_message_of_many_lines_goes_at_once_and_what_comes_next_waits_for_each_of_them() {
    let mut clock = Clockwork::new(Limits::default());
    let bob = clock.upgrades();
    clock.names(bob, "bob");
    let address = ([192, 0, 2, 2], 50_000).into();
    let alice = clock.hub.handle_connect(Dialect::Lines, address, clock.now).unwrap();
    clock.hub.handle_input(alice, b"alice\n", clock.now);
    // Until the whole burst is there again.
    clock.waits(10.0);
    clock.sent(alice);
    let heard = |clock: &mut Clockwork| {
        let sent = String::from_utf8(clock.sent(alice)).unwrap();
        sent.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines: Vec<_> = (1..=50).map(|number| number.to_string()).collect();
    for message in [json!({ "type": "say", "lines": lines }), json!({ "type": "say", "text": "!" })]
    {
        clock.hub.handle_input(bob, &masked(0x81, message.to_string().as_bytes()), clock.now);
    }
    clock.end_turn();
    let expected: Vec<_> = lines.iter().map(|line| format!("bob: {line}")).collect();
    assert_eq!(heard(&mut clock), expected);
    // 20 more than the burst, at 10 a second.
    clock.waits(1.9);
    assert_eq!(heard(&mut clock), [""; 0], "not yet");
    clock.waits(0.3);
    assert_eq!(heard(&mut clock), ["bob: !"]);
}

/// The code of the close frame at the end of what was sent.
fn closed(sent: &[u8]) -> u16 {
    let at = sent.iter().rposition(|byte| *byte == 0x88).expect("a close frame");
    u16::from_be_bytes([sent[at + 2], sent[at + 3]])
}

//! The dialect `web` as browsers know it, written down a second time: requests, frames and JSON. It
//! says the same things as `lines`, so what comes is told here in the words of `lines`, and then
//! the same walk ([`super::lines_checker`]) holds it against the order.

use chinwag::dialect::Dialect;
use fastrand::Rng;
use serde_json::{Value, json};

use super::lines::{self, Heard, Line, Naming, Wish};
use super::order::{self, Rooms, What};
use super::swarm::{Swarm, happens};

pub(crate) const REQUEST_TIMEOUT: &str = "! The request took too long.";
pub(crate) const STOPPING: &str = "! The server is stopping.";
pub(crate) const UNRESPONSIVE: &str = "! Nothing was heard of you for too long.";

pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What those ask for who do not want to come in, and what they are answered; nothing if they never
/// ask to the end.
const VISITS: [(&str, &str); 5] = [
    ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
    ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
    ("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
    ("nothing of the kind\n", "400"),
    ("GET / HTTP/1.1\r\nHost: loc", ""),
];

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// Whether this is the dialect of browsers. Its name says it, for the crate may be without it.
pub(crate) fn speaks(dialect: Dialect) -> bool {
    dialect.name() == "web"
}

/// What there is to know of a client that is a browser.
#[derive(Debug)]
pub(crate) struct Browser {
    /// Which of [`VISITS`] it came for, if it does not want to come in.
    visit: Option<usize>,
    /// It answers pings.
    pub(crate) answers: bool,
    /// How much of what has come was looked at for pings, and how many of them there were.
    seen: usize,
    pub(crate) pings: usize,
}

impl Browser {
    pub(crate) fn new(rng: &mut Rng) -> Browser {
        let visit = (rng.u8(..5) == 0).then(|| rng.usize(..VISITS.len()));
        Browser { visit, answers: rng.u8(..8) > 0, seen: 0, pings: 0 }
    }

    /// One who comes in, and always answers pings.
    pub(crate) fn steady() -> Browser {
        Browser { visit: None, answers: true, seen: 0, pings: 0 }
    }

    /// Whether it only asks something, and does not want to come in.
    pub(crate) fn is_visitor(&self) -> bool {
        self.visit.is_some()
    }

    /// What it sends at first.
    pub(crate) fn request(&self) -> &'static str {
        self.visit.map_or(HANDSHAKE, |visit| VISITS[visit].0)
    }

    /// The answers to the pings among what has come.
    pub(crate) fn pongs(&mut self, received: &[u8], rng: &mut Rng) -> Vec<u8> {
        if self.seen == 0 {
            self.seen = upgraded(received);
        }
        let mut pongs = Vec::new();
        while self.seen > 0
            && let Some((opcode, payload, length)) = frame(&received[self.seen..])
        {
            self.seen += length;
            if opcode == PING {
                self.pings += 1;
                if self.answers {
                    pongs.extend(masked(0x8a, payload, rng));
                }
            }
        }
        pongs
    }

    /// Somebody who only asked something must have been answered it, as far as they read it.
    pub(crate) fn check_visit(&self, received: &[u8], whole: bool) {
        let Some((_, status)) = self.visit.map(|visit| VISITS[visit]) else { return };
        let text = String::from_utf8_lossy(received);
        match text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) {
            // No place, too slow, or the server stopped meanwhile.
            Some(told) => assert!([status, "408", "429", "503"].contains(&told), "{text}"),
            None => assert!(!whole || status.is_empty(), "not answered: {text:?}"),
        }
    }
}

// ── what is sent ─────────────────────────────────────────────────────────────────────────────────

/// What a line of `lines` is to a browser, and its frames. `None` if a browser cannot mean it.
pub(crate) fn convert(
    line: Line,
    bytes: &[u8],
    (rng, swarm): (&mut Rng, &Swarm),
) -> Option<(Line, Vec<u8>)> {
    let Line { mut wish, mut naming } = line;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= swarm.config.limits.line_bytes_max => text,
        unfit => {
            let code = if unfit.is_ok() { 1009 } else { 1007 };
            // Often would be too often, for it is the end.
            let payload = [b"{\"type\":\"say\",\"text\":\"", bytes, b"\"}"].concat();
            let line = Line { wish: Wish::Violation(code), naming: Naming::AsChatting };
            return happens(rng, 100).then(|| (line, masked(0x81, &payload, rng)));
        }
    };
    let mut message = json!({ "type": "say", "text": text });
    match (&wish, &naming) {
        (_, Naming::WrongProtocol)
        | (Wish::Endless | Wish::Join(_) | Wish::Part | Wish::AskTopic, _) => return None,
        (Wish::Say(_), Naming::Attempt(name)) => {
            message = json!({ "type": "nick", "name": text });
            wish = Wish::Nick(name.clone());
        }
        (Wish::Say(_), Naming::Refused(why)) if !text.is_empty() => {
            message = json!({ "type": "nick", "name": text });
            wish = Wish::BadNick(why.clone());
        }
        (Wish::Nick(name), _) => naming = Naming::Attempt(name.clone()),
        (Wish::BadNick(why), _) => naming = Naming::Refused(why.clone()),
        (Wish::Who, _) => {
            message = json!({ "type": "who" });
            naming = Naming::Ignored;
        }
        (Wish::Help(None), _) => {
            message = json!({ "type": "help" });
            naming = Naming::AsChatting;
        }
        (Wish::Quit(_), _) if !text.starts_with('/') => message = json!({ "type": "quit" }),
        (Wish::Quit(_) | Wish::Help(_), _) => {}
        (Wish::Refused(_), _) if text == "/nick" => naming = Naming::Ignored,
        _ => naming = Naming::Ignored,
    }
    let payload = message.to_string();
    Some((Line { wish, naming }, pieces(payload.as_bytes(), rng)))
}

/// A message in one frame or in several, perhaps with a ping somewhere.
fn pieces(mut payload: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut opcode = TEXT;
    while rng.u8(..6) == 0 {
        if rng.bool() {
            frames.extend(masked(0x89, b"hello?", rng));
        }
        let (piece, rest) = payload.split_at(rng.usize(..=payload.len()));
        frames.extend(masked(opcode, piece, rng));
        (payload, opcode) = (rest, 0);
    }
    frames.extend(masked(0x80 | opcode, payload, rng));
    frames
}

/// What gives a name, and what joins a room.
pub(crate) fn introduce(name: &str, rng: &mut Rng) -> Vec<u8> {
    message(&json!({ "type": "nick", "name": name }), rng)
}

pub(crate) fn join(room: &str, rng: &mut Rng) -> Vec<u8> {
    message(&json!({ "type": "join", "room": room }), rng)
}

/// A message in one frame.
pub(crate) fn message(message: &Value, rng: &mut Rng) -> Vec<u8> {
    masked(0x81, message.to_string().as_bytes(), rng)
}

/// A close frame.
pub(crate) fn farewell(rng: &mut Rng) -> Vec<u8> {
    masked(0x88, b"\x03\xe8", rng)
}

/// A frame as browsers send it, beginning with this byte.
pub(crate) fn masked(first: u8, payload: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mask = rng.u32(..).to_be_bytes();
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

// ── what comes ───────────────────────────────────────────────────────────────────────────────────

/// All that has come, in the words of `lines`; and what came after the last whole frame.
pub(crate) fn heard(received: &[u8]) -> (Vec<String>, String) {
    let Some(head) = head(received) else { return (Vec::new(), String::new()) };
    let mut rest = &received[head.len()..];
    let head = String::from_utf8_lossy(head);
    if !head.starts_with("HTTP/1.1 101 ") {
        let (line, _) = std::str::from_utf8(rest).unwrap().split_once('\n').unwrap_or_default();
        return (Vec::from_iter((!line.is_empty()).then(|| format!("! {line}"))), String::new());
    }
    // As RFC 6455 has it for this key.
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    let (mut lines, mut closed) = (Vec::new(), None);
    while let Some((opcode, payload, length)) = frame(rest) {
        assert!(closed.is_none(), "something comes after {closed:?}");
        match opcode {
            TEXT => tell(&serde_json::from_slice(payload).unwrap(), &mut lines),
            CLOSE => closed = Some(payload.to_vec()),
            _ => {}
        }
        rest = &rest[length..];
    }
    (lines, if rest.is_empty() { String::new() } else { "half a frame".to_owned() })
}

/// The events that have come after the first `seen` bytes.
pub(crate) fn events(received: &[u8], seen: &mut usize) -> Vec<Value> {
    if *seen == 0 {
        *seen = upgraded(received);
    }
    let mut all = Vec::new();
    while *seen > 0
        && let Some((opcode, payload, length)) = frame(&received[*seen..])
    {
        *seen += length;
        if opcode == TEXT {
            all.push(serde_json::from_slice(payload).unwrap());
        }
    }
    all
}

/// What an event says, in which rooms it was told (in all, if it does not say), and the number that
/// a line has.
pub(crate) fn heard_in_rooms(event: &Value) -> (Rooms, Heard, Option<u64>) {
    let rooms = event["room"].as_str().map_or(Rooms::MAX, order::room_called);
    let is_line = event["type"] == "say" || event["type"] == "me";
    (rooms, hear(event), event["id"].as_u64().filter(|_| is_line))
}

/// What an event says, with all names of those who come or go.
fn hear(event: &Value) -> Heard {
    let names = || event["names"].as_array().unwrap().iter();
    let count = event["count"].as_u64().map(|count| count as usize);
    let mut lines = Vec::new();
    match event["type"].as_str().unwrap() {
        "welcome" => {
            let joined = What::Joined(event["name"].as_str().unwrap().to_owned());
            return Heard::Room(vec![joined], 0, count);
        }
        "join" => {
            let joined = names().map(|name| What::Joined(name.as_str().unwrap().to_owned()));
            return Heard::Room(joined.collect(), 0, count);
        }
        "leave" => {
            let why = event["words"].as_str().or(event["why"]["en"].as_str());
            let left = names().map(|name| What::Left {
                name: name.as_str().unwrap().to_owned(),
                why: why.map(str::to_owned),
            });
            return Heard::Room(left.collect(), 0, count);
        }
        _ => tell(event, &mut lines),
    }
    lines.first().map_or(Heard::Own, |line| lines::hear(line))
}

/// The head of the server's answer, if it has come.
fn head(received: &[u8]) -> Option<&[u8]> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&received[..end + 4])
}

/// How long the head is, if it says that WebSocket is spoken from now on; if not, 0.
fn upgraded(received: &[u8]) -> usize {
    let head = head(received).filter(|head| head.starts_with(b"HTTP/1.1 101 "));
    head.map_or(0, <[u8]>::len)
}

/// The first frame: its opcode, its payload, and how long it is altogether.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    assert_eq!(first & 0xf0, 0x80, "a server sends whole messages");
    let (length, at) = match (*second, rest) {
        (length @ 0..=125, _) => (usize::from(length), 2),
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [_, _, _, _, a, b, c, d, ..]) => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, 10),
        (126 | 127, _) => return None,
        _ => panic!("a server does not mask"),
    };
    Some((first & 0x0f, bytes.get(at..at + length)?, at + length))
}

/// An event in the words of `lines`.
fn tell(event: &Value, lines: &mut Vec<String>) {
    let text = |key: &str| event[key].as_str().unwrap_or_else(|| panic!("no {key}: {event}"));
    let strings = |key: &str| -> Vec<String> {
        let values = event[key].as_array().unwrap_or_else(|| panic!("no {key}: {event}"));
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let english = |of: &Value| of["en"].as_str().unwrap().to_owned();
    match text("type") {
        "ask" => {
            lines.extend(strings("motd").iter().map(|line| format!("* {line}")));
            lines.push(lines::ASKED.to_owned());
        }
        "welcome" => {
            let members = strings("members");
            assert_eq!(members.len() as u64, event["count"].as_u64().unwrap(), "{event}");
            lines.push(lines::welcome(text("name"), &members));
            let history = event["history"].as_array().unwrap();
            lines.extend(history.iter().map(recalled));
        }
        "say" | "me" if event["again"] == true => lines.push(recalled(event)),
        "say" => lines.push(format!("{}: {}", text("from"), text("text"))),
        "me" => lines.push(format!("** {} {}", text("from"), text("text"))),
        "msg" => lines.push(format!("[{} -> you] {}", text("from"), text("text"))),
        "sent" => lines.push(format!("[you -> {}] {}", text("to"), text("text"))),
        kind @ ("join" | "leave") => {
            let why = match (event["words"].as_str(), &event["why"]) {
                (Some(words), _) => format!(": {words}"),
                (None, Value::Null) => String::new(),
                (None, why) => format!(": {}", english(why)),
            };
            let verb = if kind == "join" { "joined" } else { "left" };
            let names = together(&strings("names"));
            lines.push(format!("* {names} {verb}{why} ({} here)", event["count"]));
        }
        "nick" => lines.push(format!("* {} is now {}", text("old"), text("new"))),
        "who" => {
            lines.push(format!("* {} here: {}", event["count"], strings("members").join(", ")));
        }
        "help" => {
            for command in event["commands"].as_array().unwrap() {
                let (form, purpose) = (english(&command["form"]), english(&command["purpose"]));
                lines.push(format!("* {form} - {purpose}"));
            }
        }
        "topic" => {
            let room = text("room");
            lines.push(match (event["by"].as_str(), text("text")) {
                (None, _) => format!("* {room} has no topic."),
                (Some(by), "") => format!("* {by} says that {room} is about nothing in particular"),
                (Some(by), topic) => format!("* {by} says what {room} is about: {topic}"),
            });
        }
        "rooms" => lines.extend(event["rooms"].as_array().unwrap().iter().map(|room| {
            let topic = room["topic"].as_str().map_or(String::new(), |topic| format!(": {topic}"));
            format!("* {} ({} here){topic}", room["room"].as_str().unwrap(), room["count"])
        })),
        "invite" => {
            let (from, room) = (text("from"), text("room"));
            lines.push(format!("* {from} invites you to {room}. Type /join {room} to go there."));
        }
        "ignoring" | "notice" => lines.push(format!("* {}", english(&event["text"]))),
        "refused" => lines.push(format!("! {}", english(&event["text"]))),
        "goodbye" => lines.push(lines::GOODBYE.to_owned()),
        "stopping" => lines.push(lines::STOPPING.to_owned()),
        _ => panic!("what is {event}?"),
    }
}

/// A line of the history.
fn recalled(event: &Value) -> String {
    let minutes = event["at"].as_u64().unwrap() / 60;
    let (from, text) = (event["from"].as_str().unwrap(), event["text"].as_str().unwrap());
    let line =
        if event["type"] == "me" { format!("** {from} {text}") } else { format!("{from}: {text}") };
    format!("[{:02}:{:02}] {line}", minutes / 60 % 24, minutes % 60)
}

/// Names that come or go together.
fn together(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [some @ .., last] if names.len() <= 8 => format!("{} and {last}", some.join(", ")),
        _ => format!("{} and {} more", names[..8].join(", "), names.len() - 8),
    }
}

//! Whatever the network does, nothing is lost and nothing is doubled: people in two rooms talk
//! through a [`Proxy`] that cuts them off again and again. They come back by their tokens and say
//! again what was not confirmed. In the end each has heard each line once, and in the same order.
//! `CHINWAG_CUTS` says how many cuts there are.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::browser::open;
use super::proxy::Proxy;
use super::start;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const ROOMS: [&str; 2] = ["#lobby", "#ops"];

/// Cuts in an ordinary test run.
const CUTS: usize = 200;

/// Lines that one has said and that are not confirmed yet, at most.
const PENDING_MAX: usize = 4;

/// Whoever hears nothing for so long asks whether anybody is there, and then gives up.
const QUIET: Duration = Duration::from_millis(150);

/// How long all of it may take for each cut, at most, and besides.
const TIME_PER_CUT: Duration = Duration::from_millis(300);
const TIME: Duration = Duration::from_secs(60);

/// What somebody heard in a room: the number, who said it, and what.
type Heard = (u64, String, String);

/// Somebody who talks, is cut off, and comes back.
struct Talker<'a> {
    name: &'static str,
    proxy: &'a Proxy,
    socket: Option<WebSocket<TcpStream>>,
    /// It is in on this connection: nothing is said before that is known.
    is_in: bool,
    token: Option<String>,
    /// The last number that is known of each room.
    known: BTreeMap<String, u64>,
    heard: BTreeMap<String, Vec<Heard>>,
    /// What is not confirmed: its key, the room and the text.
    pending: VecDeque<(String, &'static str, String)>,
    said: usize,
    /// How often it has come back.
    returns: usize,
    asked_at: Option<Instant>,
    rng: Rng,
}

impl Talker<'_> {
    fn new<'p>(name: &'static str, proxy: &'p Proxy, rng: Rng) -> Talker<'p> {
        let heard = ROOMS.iter().map(|room| ((*room).to_owned(), Vec::new())).collect();
        let (known, pending) = (BTreeMap::new(), VecDeque::new());
        let (socket, is_in, token, asked_at) = (None, false, None, None);
        let (said, returns) = (0, 0);
        Talker {
            name,
            proxy,
            socket,
            is_in,
            token,
            known,
            heard,
            pending,
            said,
            returns,
            asked_at,
            rng,
        }
    }

    /// Whether all has been said and confirmed.
    fn is_done(&self) -> bool {
        self.proxy.left() == 0 && self.pending.is_empty()
    }

    fn sends(&mut self, message: &Value) {
        let Some(socket) = &mut self.socket else { return };
        if socket.send(Message::text(message.to_string())).is_err() {
            self.socket = None;
        }
    }

    /// Says something, if there is something to say and not too much of it is underway.
    fn says(&mut self) {
        if self.proxy.left() == 0 || self.pending.len() == PENDING_MAX || self.rng.bool() {
            return;
        }
        self.said += 1;
        let (key, room) = (format!("key {}", self.said), ROOMS[self.rng.usize(..2)]);
        let text = format!("{} {}", self.said, "x".repeat(self.rng.usize(..200)));
        self.pending.push_back((key, room, text));
        if self.is_in {
            self.say(self.pending.len() - 1);
        }
    }

    fn say(&mut self, place: usize) {
        let (key, room, text) = &self.pending[place];
        let message = json!({ "type": "say", "room": room, "text": text, "key": key });
        self.sends(&message);
    }

    /// Hears what comes next, or that the connection is gone.
    fn hears(&mut self) {
        if self.socket.is_none() {
            (self.asked_at, self.is_in) = (None, false);
            self.socket = open(self.proxy.address, QUIET).ok();
        }
        let Some(socket) = &mut self.socket else { return };
        match socket.read() {
            Ok(Message::Text(text)) => {
                self.asked_at = None;
                self.is_told(&serde_json::from_str(&text).unwrap());
            }
            Ok(Message::Close(_)) => self.socket = None,
            Ok(_) => self.asked_at = None,
            Err(tungstenite::Error::Io(error))
                if self.asked_at.is_none()
                    && [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut]
                        .contains(&error.kind()) =>
            {
                self.asked_at = Some(Instant::now());
                if socket.send(Message::Ping(Vec::new().into())).is_err() {
                    self.socket = None;
                }
            }
            Err(_) => self.socket = None,
        }
    }

    fn is_told(&mut self, event: &Value) {
        match event["type"].as_str().unwrap() {
            "ask" => match &self.token {
                Some(token) => {
                    let known = &self.known;
                    self.sends(&json!({ "type": "resume", "token": token, "rooms": known }));
                }
                None => self.sends(&json!({ "type": "nick", "name": self.name })),
            },
            "welcome" => {
                self.is_in = true;
                assert!(self.known.len() < ROOMS.len(), "{} comes in again", self.name);
                if let Some(token) = event["token"].as_str() {
                    self.token = Some(token.to_owned());
                    self.sends(&json!({ "type": "join", "room": ROOMS[1] }));
                }
                self.knows(event);
            }
            "resumed" => {
                self.returns += 1;
                self.is_in = true;
                self.token = Some(event["token"].as_str().unwrap().to_owned());
                for room in event["rooms"].as_array().unwrap() {
                    assert_eq!(room["gap"], false, "{}: {room}", self.name);
                    room["history"].as_array().unwrap().iter().for_each(|said| self.line(said));
                    self.knows(room);
                }
                for place in 0..self.pending.len() {
                    self.say(place);
                }
            }
            "say" => self.line(event),
            "ack" => {
                let key = event["key"].as_str().unwrap();
                self.pending.retain(|(pending, ..)| pending != key);
            }
            "refused" => panic!("{}: {event}", self.name),
            _ => {}
        }
    }

    fn knows(&mut self, room: &Value) {
        let name = room["room"].as_str().unwrap().to_owned();
        self.known.insert(name, room["id"].as_u64().unwrap());
    }

    fn line(&mut self, said: &Value) {
        let room = said["room"].as_str().unwrap();
        let id = said["id"].as_u64().unwrap();
        assert!(id > self.known[room], "{} is told again: {said}", self.name);
        self.known.insert(room.to_owned(), id);
        let word = |name: &str| said[name].as_str().unwrap().to_owned();
        self.heard.get_mut(room).unwrap().push((id, word("from"), word("text")));
    }
}

#[test]
fn no_line_is_lost_or_doubled_whatever_the_network_does() {
    let cuts = env::var("CHINWAG_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("a number"));
    let seed = env::var("CHINWAG_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    eprintln!("{cuts} cuts, CHINWAG_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let server = start(&["--history=100000", "--flood=0", "--resume-grace=60"]);
    let proxy = Proxy::new(server.address("web"), cuts, rng.fork());
    let (all_are_in, all_has_been_said) = (Barrier::new(NAMES.len()), AtomicUsize::new(0));
    let said = AtomicUsize::new(0);
    let until = Instant::now() + TIME + TIME_PER_CUT * cuts as u32;
    let (heard, returns) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    thread::scope(|scope| {
        for name in NAMES {
            let mut talker = Talker::new(name, &proxy, rng.fork());
            let (all_are_in, all_has_been_said) = (&all_are_in, &all_has_been_said);
            let (said, heard, returns) = (&said, &heard, &returns);
            scope.spawn(move || {
                while talker.known.len() < ROOMS.len() {
                    talker.hears();
                }
                all_are_in.wait();
                talker.proxy.begins();
                let mut is_done = false;
                loop {
                    talker.says();
                    talker.hears();
                    if !is_done && talker.is_done() {
                        is_done = true;
                        said.fetch_add(talker.said, Ordering::SeqCst);
                        all_has_been_said.fetch_add(1, Ordering::SeqCst);
                    }
                    let count: usize = talker.heard.values().map(Vec::len).sum();
                    let is_all = all_has_been_said.load(Ordering::SeqCst) == NAMES.len();
                    if is_all && count >= said.load(Ordering::SeqCst) {
                        break;
                    }
                    let what = (&talker.pending, talker.proxy.left(), count);
                    assert!(Instant::now() < until, "{name} waits in vain: {what:?}");
                }
                returns.fetch_add(talker.returns, Ordering::SeqCst);
                heard.lock().unwrap().push(talker.heard);
            });
        }
    });
    let (heard, said) = (heard.into_inner().unwrap(), said.into_inner());
    eprintln!("{said} lines were said, and they came back {returns:?} times");
    assert!(said >= cuts && returns.into_inner() >= cuts / 8);
    let first = &heard[0];
    assert_eq!(first.values().map(Vec::len).sum::<usize>(), said);
    for (room, lines) in first {
        assert!(heard.iter().all(|heard| heard[room] == *lines), "not the same for all");
        for name in NAMES {
            let own = lines.iter().filter(|(_, from, _)| from == name);
            let numbers = own.map(|(.., text)| text.split(' ').next().unwrap().parse().unwrap());
            let numbers: Vec<usize> = numbers.collect();
            assert!(numbers.is_sorted_by(|one, next| one < next), "{name}: {numbers:?}");
        }
    }
}

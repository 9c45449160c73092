//! Somebody in a browser in a world of the relay: whoever is cut off comes back, at any server, and
//! says again what was not confirmed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Cursor;
use std::rc::Rc;

use serde_json::{Value, json};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::server::Client;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What somebody in a browser knows.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    token: Option<String>,
    /// The number of the last thing that is known of the lobby.
    known: u64,
    /// What was said and not confirmed, by its key.
    unacked: VecDeque<(String, String)>,
    /// So much of what has come was read.
    taken: usize,
    pub(crate) is_in: bool,
    /// The lines that were heard: by whom, and their numbers.
    pub(crate) heard: Vec<(String, usize)>,
    /// They have come in anew, or have missed something.
    pub(crate) has_lost: bool,
    /// They cannot come in any more.
    pub(crate) is_out: bool,
}

impl Browser {
    /// Connects, by that client.
    pub(crate) fn connects(&mut self, client: &Rc<RefCell<Client>>) {
        (self.taken, self.is_in) = (0, false);
        client.borrow_mut().input.extend(HANDSHAKE.as_bytes());
    }

    /// Whether all that was said is confirmed.
    pub(crate) fn is_done(&self) -> bool {
        self.is_in && self.unacked.is_empty()
    }

    pub(crate) fn says(&mut self, client: &Rc<RefCell<Client>>, number: usize) {
        let (key, text) = (format!("k{number}"), format!("line {number}"));
        if self.is_in {
            send(client, &json!({ "type": "say", "text": text, "key": key }));
        }
        self.unacked.push_back((key, text));
    }

    /// Reads what has come, and answers it.
    pub(crate) fn reads(&mut self, name: &str, client: &Rc<RefCell<Client>>) {
        loop {
            let event = self.next_event(&client.borrow());
            let Some(event) = event else { return };
            self.handle(&event, name, client);
        }
    }

    fn next_event(&mut self, client: &Client) -> Option<Value> {
        if self.taken == 0 {
            let head = client.output.windows(4).position(|four| four == b"\r\n\r\n")?;
            // It stood still for too long, perhaps, and is closed.
            if !client.output.starts_with(b"HTTP/1.1 101 ") {
                return None;
            }
            self.taken = head + 4;
        }
        loop {
            let mut rest = Cursor::new(&client.output[self.taken..]);
            let (header, length) = FrameHeader::parse(&mut rest).unwrap()?;
            let (start, length) = (self.taken + rest.position() as usize, length as usize);
            let payload = client.output.get(start..start + length)?;
            self.taken = start + length;
            if u8::from(header.opcode) == 1 {
                return Some(serde_json::from_slice(payload).unwrap());
            }
        }
    }

    fn handle(&mut self, event: &Value, name: &str, client: &Rc<RefCell<Client>>) {
        match event["type"].as_str().unwrap() {
            "ask" => match &self.token {
                Some(token) => {
                    let rooms = json!({ "#lobby": self.known });
                    send(client, &json!({ "type": "resume", "token": token, "rooms": rooms }));
                }
                None => send(client, &json!({ "type": "nick", "name": name })),
            },
            "welcome" => {
                self.token = event["token"].as_str().map(str::to_owned).or(self.token.take());
                self.comes_in(event);
            }
            "resumed" => {
                self.token = event["token"].as_str().map(str::to_owned);
                let rooms = event["rooms"].as_array().unwrap();
                let lobby = rooms.iter().find(|room| room["room"] == "#lobby").unwrap();
                self.has_lost |= lobby["gap"] == true;
                self.comes_in(lobby);
                for (key, text) in &self.unacked {
                    send(client, &json!({ "type": "say", "text": text, "key": key }));
                }
            }
            "refused" if event["why"] == "token" => {
                // What was not confirmed may have been said, which nobody can tell any more.
                (self.token, self.has_lost) = (None, true);
                self.unacked.clear();
                send(client, &json!({ "type": "nick", "name": name }));
            }
            "refused" if event["why"] == "taken" => self.is_out = true,
            "say" => self.hears(event),
            "ack" => self.unacked.retain(|(key, _)| event["key"] != **key),
            _ => {}
        }
    }

    fn comes_in(&mut self, room: &Value) {
        self.is_in = true;
        let history = room["history"].as_array();
        history.into_iter().flatten().for_each(|line| self.hears(line));
        self.known = self.known.max(room["id"].as_u64().unwrap());
    }

    fn hears(&mut self, line: &Value) {
        let id = line["id"].as_u64().unwrap();
        if id > self.known {
            self.known = id;
            let number = line["text"].as_str().unwrap().strip_prefix("line ").unwrap();
            let from = line["from"].as_str().unwrap().to_owned();
            self.heard.push((from, number.parse().unwrap()));
        }
    }
}

fn send(client: &Rc<RefCell<Client>>, message: &Value) {
    let payload = message.to_string();
    let opcode = OpCode::Data(Data::Text);
    // With these digits a mask leaves all as it is.
    let header = FrameHeader { opcode, mask: Some([0; 4]), ..FrameHeader::default() };
    let mut frame = Vec::new();
    header.format(payload.len() as u64, &mut frame).unwrap();
    frame.extend_from_slice(payload.as_bytes());
    client.borrow_mut().input.extend(frame);
}

//! Somebody in a browser in a world of the relay: whoever is cut off comes back, at any server, and
//! says again what was not confirmed.

use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;

use serde_json::{Value, json};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::returner::Returner;
use super::server::Client;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What somebody in a browser knows.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    pub(crate) memory: Returner,
    /// So much of what has come was read.
    taken: usize,
    /// The lines that were heard: by whom, and their numbers.
    pub(crate) heard: Vec<(String, usize)>,
}

impl Browser {
    /// Connects, by that client.
    pub(crate) fn connects(&mut self, client: &Rc<RefCell<Client>>) {
        self.taken = 0;
        self.memory.connects();
        client.borrow_mut().input.extend(HANDSHAKE.as_bytes());
    }

    pub(crate) fn says(&mut self, client: &Rc<RefCell<Client>>, number: usize) {
        let message = json!({ "type": "say", "text": format!("line {number}") });
        if let Some(message) = self.memory.says(&format!("k{number}"), message) {
            send(client, &message);
        }
    }

    /// Reads what has come, and answers it.
    pub(crate) fn reads(&mut self, name: &str, client: &Rc<RefCell<Client>>) {
        loop {
            let event = self.next_event(&client.borrow());
            let Some(event) = event else { return };
            self.hears(&event);
            self.memory.is_told(&event, name).iter().for_each(|answer| send(client, answer));
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

    /// Takes the lines that are told there, but for those that were known before.
    fn hears(&mut self, event: &Value) {
        let rooms = event["rooms"].as_array().into_iter().flatten();
        let histories = rooms.chain([event]).filter_map(|room| room["history"].as_array());
        let said = (event["type"] == "say").then_some(event);
        for line in histories.flatten().chain(said) {
            let known = self.memory.known.get(line["room"].as_str().unwrap());
            if line["id"].as_u64().as_ref() > known {
                let number = line["text"].as_str().unwrap().strip_prefix("line ").unwrap();
                let from = line["from"].as_str().unwrap().to_owned();
                self.heard.push((from, number.parse().unwrap()));
            }
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

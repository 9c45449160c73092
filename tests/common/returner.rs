//! What somebody in a browser remembers who may be cut off, and how they come back: by their token,
//! with the number of the last thing that they know of each room; and then they say again what was
//! not confirmed. Messages come and go as JSON; what carries them is another's business.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

/// What they remember.
#[derive(Debug, Default)]
pub(crate) struct Returner {
    token: Option<String>,
    /// The number of the last thing that is known of each room.
    pub(crate) known: BTreeMap<String, u64>,
    /// What was said and not confirmed, by its key.
    unacked: VecDeque<(String, Value)>,
    /// They are in at least one room.
    pub(crate) is_in: bool,
    /// They have come in anew, or have missed something.
    pub(crate) has_lost: bool,
    /// Their name is somebody else's.
    pub(crate) is_out: bool,
}

impl Returner {
    /// They have another connection, on which nothing has come yet.
    pub(crate) fn connects(&mut self) {
        self.is_in = false;
    }

    /// Whether all that was said is confirmed.
    pub(crate) fn is_done(&self) -> bool {
        self.is_in && self.unacked.is_empty()
    }

    /// They say something, under a key that they have not used before. Returns what is to be sent
    /// now; if they are cut off, they send it when they are back.
    pub(crate) fn says(&mut self, key: &str, mut message: Value) -> Option<Value> {
        message["key"] = json!(key);
        self.unacked.push_back((key.to_owned(), message.clone()));
        self.is_in.then_some(message)
    }

    /// Takes what they are told. Returns what they send in answer; they are called so if they come
    /// in anew.
    pub(crate) fn is_told(&mut self, event: &Value, name: &str) -> Vec<Value> {
        match event["type"].as_str().unwrap() {
            "ask" => vec![match &self.token {
                Some(token) => json!({ "type": "resume", "token": token, "rooms": self.known }),
                None => json!({ "type": "nick", "name": name }),
            }],
            "welcome" => {
                self.token = event["token"].as_str().map(str::to_owned).or(self.token.take());
                self.comes_into(event);
                Vec::new()
            }
            "resumed" => {
                self.token = event["token"].as_str().map(str::to_owned);
                for room in event["rooms"].as_array().unwrap() {
                    self.has_lost |= room["gap"] == true;
                    self.comes_into(room);
                }
                self.unacked.iter().map(|(_, message)| message.clone()).collect()
            }
            "refused" if event["why"] == "token" => {
                // What was not confirmed may have been said, which nobody can tell any more.
                (self.token, self.has_lost) = (None, true);
                self.unacked.clear();
                vec![json!({ "type": "nick", "name": name })]
            }
            "refused" if event["why"] == "taken" => {
                self.is_out = true;
                Vec::new()
            }
            "say" | "me" => {
                self.learns(event["room"].as_str().unwrap(), event["id"].as_u64().unwrap());
                Vec::new()
            }
            "part" => {
                self.known.remove(event["room"].as_str().unwrap());
                Vec::new()
            }
            "ack" | "refused" => {
                self.unacked.retain(|(key, _)| event["key"] != **key);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn comes_into(&mut self, room: &Value) {
        self.is_in = true;
        self.learns(room["room"].as_str().unwrap(), room["id"].as_u64().unwrap());
    }

    fn learns(&mut self, room: &str, id: u64) {
        let known = self.known.entry(room.to_owned()).or_default();
        *known = id.max(*known);
    }
}

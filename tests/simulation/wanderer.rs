//! Somebody in a browser who is in several rooms at once, is cut off, and comes back with their
//! token over another connection. What they have been told over all of them is kept here, and held
//! against the order in [`super::wanderer_checker`].

use std::collections::VecDeque;

use fastrand::Rng;
use serde_json::{Value, json};

use super::browser::{self, Browser};
use super::client::Client;
use super::order::ROOMS;
use super::returner::Returner;
use super::socket::End;
use super::swarm::{Swarm, happens};

/// So often they try to come back when nothing fails any more; there may be no place.
const LAST_TRIES: usize = 3;

/// What a wanderer needs to do something.
pub(crate) struct Scene<'a> {
    pub(crate) clients: &'a mut Vec<Client>,
    /// Clients that wait to be accepted.
    pub(crate) listener: &'a mut VecDeque<usize>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) swarm: &'a Swarm,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Wanderer {
    place: usize,
    pub(crate) memory: Returner,
    /// Their connections, by the numbers of the clients, one after the other.
    pub(crate) connections: Vec<usize>,
    /// How much of what has come over the last of them was read.
    seen: usize,
    /// They have that connection no more, or none yet.
    is_away: bool,
    tries: usize,
    /// All events that they were told, and over which connection.
    pub(crate) told: Vec<(usize, Value)>,
    /// All that they have sent, likewise, and how many things to say were in it.
    pub(crate) sent: Vec<(usize, Value)>,
    said: usize,
}

impl Wanderer {
    pub(crate) fn new(place: usize) -> Wanderer {
        Wanderer {
            place,
            memory: Returner::default(),
            connections: Vec::new(),
            seen: 0,
            is_away: true,
            tries: LAST_TRIES,
            told: Vec::new(),
            sent: Vec::new(),
            said: 0,
        }
    }

    /// They do not come back any more.
    pub(crate) fn gives_up(&mut self) {
        self.tries = 0;
    }

    /// Whether they have a connection over which they are told everything.
    pub(crate) fn is_here(&self, clients: &[Client]) -> bool {
        let client = self.connections.last().map(|id| &clients[*id]);
        let is_open = |it: &Client| !it.gone && !it.eof && !it.broke && it.ending == End::Open;
        !self.is_away && self.memory.is_in && client.is_some_and(is_open)
    }

    /// They read, and do something; if all is `calm`, nothing but come back. Returns whether there
    /// was anything to do.
    pub(crate) fn step(&mut self, scene: &mut Scene<'_>, calm: bool) -> bool {
        let read = self.read(scene);
        if !self.is_away {
            if !calm {
                self.act(scene);
            }
            return read;
        }
        let comes = if calm { self.tries > 0 } else { happens(scene.rng, scene.swarm.come_back) };
        if comes {
            self.tries -= usize::from(calm);
            self.connect(scene);
        }
        comes || read
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        let id = scene.clients.len();
        let dialect = "web".parse().unwrap();
        let mut client = Client::new(id, dialect, None, scene.rng, scene.swarm);
        client.browser = Some(Browser::steady());
        (client.is_wanderer, client.silent) = (true, true);
        client.greet();
        scene.clients.push(client);
        scene.listener.push_back(id);
        self.connections.push(id);
        self.memory.connects();
        (self.seen, self.is_away) = (0, false);
    }

    /// Reads what has come, and answers it. Returns whether there was anything.
    fn read(&mut self, scene: &mut Scene<'_>) -> bool {
        let Some(id) = self.connections.last().copied().filter(|_| !self.is_away) else {
            return false;
        };
        let client = &mut scene.clients[id];
        let events = browser::events(&client.received, &mut self.seen);
        let is_any = !events.is_empty();
        for event in events {
            // Nobody else ever has this name.
            for answer in self.memory.is_told(&event, &format!("nomad{id}")) {
                client.unsent.extend(browser::message(&answer, scene.rng));
                self.sent.push((id, answer));
            }
            self.told.push((id, event));
        }
        self.is_away = client.gone || client.eof || client.ending != End::Open;
        is_any
    }

    fn act(&mut self, scene: &mut Scene<'_>) {
        let Some(id) = self.connections.last().copied() else { return };
        if happens(scene.rng, scene.swarm.cut) {
            self.is_away = true;
            // If it is still open, the server does not know.
            let ends = [End::Reset, End::Closed, End::Fin, End::Open];
            scene.clients[id].end(ends[scene.rng.usize(..4)]);
        } else if self.memory.is_in && happens(scene.rng, scene.swarm.talk) {
            let message = self.draw_message(id, scene);
            let client = &mut scene.clients[id];
            client.unsent.extend(message.iter().flat_map(|it| browser::message(it, scene.rng)));
            self.sent.extend(message.map(|message| (id, message)));
        }
    }

    /// Something to say or to ask for.
    fn draw_message(&mut self, id: usize, scene: &mut Scene<'_>) -> Option<Value> {
        let any = ROOMS[scene.rng.usize(..scene.swarm.rooms)];
        let here = scene.rng.choice(self.memory.known.keys());
        let here = here.map_or_else(|| any.to_owned(), String::clone);
        match scene.rng.u8(..10) {
            0..=2 => Some(json!({ "type": "join", "room": any })),
            3 if scene.rng.bool() => Some(json!({ "type": "part", "room": here })),
            3 => {
                let name = format!("nomad{id}x{}", self.told.len());
                Some(json!({ "type": "nick", "name": name }))
            }
            kind => {
                // It may be that they are not there.
                let room = if scene.rng.u8(..8) == 0 { any } else { &here };
                // That is also its key.
                let text = format!("wander{}.{}", self.place, self.said);
                self.said += 1;
                let kind = if kind == 4 { "me" } else { "say" };
                self.memory.says(&text, json!({ "type": kind, "room": room, "text": text }))
            }
        }
    }
}

//! What a [`Wanderer`] must have been told over all their connections: of each room that they are
//! in every line, once and in order, those too that were said while they were cut off, as far as
//! the room's history goes back; over all rooms in one order; who comes and goes where they are,
//! and nowhere else. And what they have said was said once.
//!
//! Lines have numbers, and the witness was told them too, so here is no place in the order to be
//! guessed.

use std::collections::{BTreeMap, BTreeSet};

use chinwag::config::Limits;
use serde_json::Value;

use super::client::Client;
use super::lines;
use super::lines_checker::{Findings, Letter, invitation};
use super::order::{self, Order, Rooms, What, title};
use super::wanderer::Wanderer;

/// A room in which they are, as they were told of it.
#[derive(Debug, Default)]
struct Room {
    members: Vec<String>,
    topic: String,
    /// The number of the last thing that they know of it.
    last: u64,
}

/// The walk along what they were told.
struct WandererChecker<'a> {
    order: &'a Order,
    limits: &'a Limits,
    /// The connection.
    id: usize,
    rooms: BTreeMap<Rooms, Room>,
    /// What they know of each room, whether they are in it or not.
    known: BTreeMap<Rooms, u64>,
    /// The number of the last line over this connection.
    last: u64,
    heard: usize,
    got: Vec<Letter>,
}

/// Checks all of it. `here` says that nothing is underway.
pub(crate) fn check(
    wanderer: &Wanderer,
    (clients, here): (&[Client], bool),
    (order, limits): (&Order, &Limits),
    findings: &mut [Findings],
) {
    let mut checker = WandererChecker {
        order,
        limits,
        id: usize::MAX,
        rooms: BTreeMap::new(),
        known: BTreeMap::new(),
        last: 0,
        heard: 0,
        got: Vec::new(),
    };
    let here = here && wanderer.is_here(clients);
    for id in &wanderer.connections {
        checker.begin(*id);
        let told = wanderer.told.iter().filter(|(over, _)| over == id);
        for (_, event) in told {
            checker.see(event, wanderer);
        }
        let is_last = here && wanderer.connections.last() == Some(id);
        let found = &mut findings[order.owner(*id)];
        found.heard += checker.heard;
        found.got.append(&mut checker.got);
        // Of whoever was never cut off, nothing is missing.
        found.whole = is_last && order.owner(*id) == *id;
        found.at = if found.whole { order.events.len() } else { 0 };
    }
    if here {
        checker.see_nothing_more();
        assert!(wanderer.memory.is_done(), "not confirmed: {:?}", wanderer.memory);
    }
    check_said(wanderer, order);
}

impl WandererChecker<'_> {
    /// Another connection begins.
    fn begin(&mut self, id: usize) {
        (self.id, self.last, self.heard) = (id, 0, 0);
        self.rooms.clear();
    }

    fn see(&mut self, event: &Value, wanderer: &Wanderer) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap() {
            "welcome" => self.come_into(event, None),
            "resumed" => {
                for room in event["rooms"].as_array().unwrap() {
                    self.come_into(room, Some(room["gap"] == true));
                }
            }
            "say" | "me" => self.hear(event),
            kind @ ("join" | "leave") => {
                let room = self.room(event);
                for name in strings(&event["names"]) {
                    let place = room.members.iter().position(|other| *other == name);
                    match (kind, place) {
                        ("join", None) => room.members.push(name),
                        ("leave", Some(place)) => drop(room.members.remove(place)),
                        _ => panic!("{event}, but there were {:?}", room.members),
                    }
                }
                assert_eq!(event["count"], room.members.len(), "{event}, but {room:?}");
            }
            "nick" => {
                let members = self.rooms.values_mut().flat_map(|room| &mut room.members);
                let renamed = members.filter(|name| **name == text("old"));
                let count = renamed.map(|name| *name = text("new")).count();
                assert!(count > 0, "{event}, who is in none of the rooms");
            }
            "topic" => self.room(event).topic = text("text"),
            "rank" | "set" => drop(self.room(event).last),
            "part" => {
                let room = order::room_called(&text("room"));
                assert!(self.rooms.remove(&room).is_some(), "{event}, but was not there");
                self.known.remove(&room);
            }
            "msg" => self.take_letter(&text("from"), text("text")),
            "invite" => {
                let invitation = invitation(order::room_called(&text("room")));
                self.take_letter(&text("from"), invitation);
            }
            "ack" => {
                let number = event["id"].as_u64().unwrap();
                let is_it = |place: usize| said(self.order, place).1 == text("key");
                let all = self.order.numbers.iter();
                let place = all.clone().find(|(other, _)| *other == number).map(|(_, at)| *at);
                assert!(place.is_some_and(is_it), "{event}, but that is {place:?}");
            }
            "refused" => {
                let whys = ["not_in_room", "already_in", "rooms_full", "rooms_fixed", "token"];
                let is_known = whys.contains(&text("why").as_str());
                assert!(is_known || event["key"].is_null(), "{event} for {wanderer:?}");
            }
            _ => {}
        }
    }

    /// The room in which something is told: they must be there.
    fn room(&mut self, event: &Value) -> &mut Room {
        let room = order::room_called(event["room"].as_str().unwrap());
        self.rooms.get_mut(&room).unwrap_or_else(|| panic!("{event}, but is not there"))
    }

    /// They are in a room, for the first time over this connection: with all that was said there,
    /// or with what they have missed. `gap` says that there was more.
    fn come_into(&mut self, event: &Value, gap: Option<bool>) {
        let room = order::room_called(event["room"].as_str().unwrap());
        let number = event["id"].as_u64().unwrap();
        let known = match gap {
            Some(_) => self.known.get(&room).copied().unwrap_or_default(),
            None => 0,
        };
        let missed = |(line, _): &(u64, usize)| *line > known && *line <= number;
        let missed: Vec<_> = self.order.said_in(room).filter(missed).collect();
        let first = missed.len().saturating_sub(self.limits.history_lines_max);
        let told = event["history"].as_array().unwrap();
        let same = told.iter().zip(&missed[first..]).all(|(line, at)| self.is_line(line, *at));
        assert!(same && told.len() == missed.len() - first, "{event}, but {missed:?} were missed");
        // Of a room that they do not know they may have missed what nobody knows.
        let fits = gap.is_none_or(|gap| known == 0 || gap == (first > 0));
        assert!(fits, "{event}, but {first} lines are forgotten since {known}");
        let members = strings(&event["members"]);
        assert_eq!(event["count"], members.len(), "{event}");
        let topic = event["topic"]["text"].as_str().unwrap_or_default().to_owned();
        let before = self.rooms.insert(room, Room { members, topic, last: number });
        assert!(before.is_none(), "{event}, but was there");
        self.know(room, number);
    }

    fn know(&mut self, room: Rooms, number: u64) {
        let known = self.known.entry(room).or_default();
        *known = number.max(*known);
    }

    /// A line that is said: the next one in its room, and later than all others.
    fn hear(&mut self, event: &Value) {
        let (title, number) = (event["room"].as_str().unwrap(), event["id"].as_u64().unwrap());
        assert!(number > self.last, "{event} after {}", self.last);
        let last = self.room(event).last;
        let room = order::room_called(title);
        let next = self.order.said_in(room).find(|(line, _)| *line > last);
        let is_next = next.is_some_and(|next| self.is_line(event, next));
        assert!(is_next, "{event} instead of {:?}", next.map(|(_, at)| said(self.order, at)));
        (self.last, self.room(event).last) = (number, number);
        self.know(room, number);
        self.heard += 1;
    }

    /// Whether this is what was said at that place.
    fn is_line(&self, line: &Value, (number, at): (u64, usize)) -> bool {
        let (from, text, emote) = said(self.order, at);
        let kind = if emote { "me" } else { "say" };
        line["id"] == number && line["type"] == kind && line["from"] == from && line["text"] == text
    }

    fn take_letter(&mut self, from: &str, text: String) {
        let from = self.order.first_called(from);
        let (to, span) = (self.order.owner(self.id), (0, self.order.events.len()));
        self.got.push(Letter { from, to, text, span, sure: true });
    }

    /// All is quiet: nothing is missing, and all is as it is.
    fn see_nothing_more(&mut self) {
        let rooms = self.rooms.keys().fold(0, |rooms, room| rooms | room);
        assert_eq!(rooms, self.order.rooms_of_client(self.id), "the rooms they are in");
        for (room, seen) in &self.rooms {
            let lost = self.order.said_in(*room).find(|(line, _)| *line > seen.last);
            assert_eq!(lost.map(|(_, at)| said(self.order, at)), None, "was lost");
            let members = lines::sorted(self.order.roster_of(*room));
            assert_eq!(lines::sorted(&seen.members), members, "who is in {}", title(*room));
            assert_eq!(seen.topic, self.order.topic_of(*room), "the topic of {}", title(*room));
        }
    }
}

/// What they have said was said once, and in each room in the order in which they have sent it. Of
/// what was not confirmed, which they have sent again, either time can be the one.
fn check_said(wanderer: &Wanderer, order: &Order) {
    let (mut all, mut places) = (BTreeSet::new(), BTreeMap::new());
    for (_, at) in &order.numbers {
        let (from, text, _) = said(order, *at);
        let is_it = |(over, message): &(usize, Value)| {
            message["key"] == text && order.owner(*over) == order.by[*at]
        };
        if !wanderer.sent.iter().any(is_it) {
            continue;
        }
        assert!(all.insert(text), "said twice: {text}");
        let place = places.entry((order.by[*at], order.rooms[*at])).or_default();
        let Some(later) = wanderer.sent[*place..].iter().position(is_it) else {
            panic!("{from} said {text} before what they had sent before");
        };
        *place += later + 1;
    }
}

/// By whom and what was said at a place, and whether as an emote.
fn said(order: &Order, at: usize) -> (&str, &str, bool) {
    match &order.events[at].0 {
        What::Said { from, text, emote } => (from, text, *emote),
        what => panic!("{what:?} has a number"),
    }
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

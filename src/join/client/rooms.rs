//! The rooms one is in, and which of them is shown.

use serde_json::json;

use super::super::room::{Body, Room};
use super::{Act, Client};

impl Client {
    pub(super) fn active_room(&mut self) -> &mut Room {
        match self.rooms.get_mut(self.active) {
            Some(room) => room,
            None => &mut self.nowhere,
        }
    }

    pub(super) fn room_mut(&mut self, name: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == name)
    }

    /// A sentence in a room that is there, or else in the one that is shown.
    pub(super) fn notice(&mut self, room: Option<&str>, text: &str) {
        let (at, text) = (self.unix(), text.to_owned());
        let logged = format!("* {text}");
        let name = room.filter(|name| self.rooms.iter().any(|room| room.name == *name));
        match name.map(str::to_owned) {
            Some(name) => {
                if let Some(room) = self.room_mut(&name) {
                    room.push(at, Body::Notice(text));
                }
                self.log(Some(&name), at, logged);
            }
            None => {
                self.active_room().push(at, Body::Notice(text));
            }
        }
    }

    pub(super) fn refusal(&mut self, room: Option<&str>, text: &str) {
        let (at, text) = (self.unix(), text.to_owned());
        let place = match room.and_then(|name| self.rooms.iter().position(|it| it.name == name)) {
            Some(at) => &mut self.rooms[at],
            None => self.active_room(),
        };
        place.push(at, Body::Refused(text));
    }

    pub(super) fn log(&mut self, room: Option<&str>, at: i64, text: String) {
        self.acts.push(Act::Log { room: room.map(str::to_owned), at, text });
    }

    /// A file for the log cannot be written any more.
    pub(in super::super) fn handle_log_failure(&mut self, why: &str) {
        self.refusal(None, why);
    }

    pub(super) fn remove(&mut self, name: &str) {
        let Some(at) = self.rooms.iter().position(|room| room.name == name) else { return };
        self.store_draft();
        self.rooms.remove(at);
        if at < self.active || self.active == self.rooms.len() {
            self.active = self.active.saturating_sub(1);
        }
        self.look();
    }

    /// Shows this room.
    pub(super) fn show(&mut self, at: usize) {
        self.store_draft();
        if at != self.active {
            // What was new there has been seen.
            self.active_room().divider = None;
        }
        self.active = at;
        self.look();
    }

    pub(super) fn store_draft(&mut self) {
        let line = match self.question {
            Some(_) => std::mem::take(&mut self.held),
            None => self.editor.take(),
        };
        self.active_room().draft = line;
    }

    /// The room that is shown is looked at.
    pub(super) fn look(&mut self) {
        let draft = std::mem::take(&mut self.active_room().draft);
        match self.question {
            Some(_) => self.held = draft,
            None => self.editor.set(draft),
        }
        self.active_room().read();
    }

    /// What was not said stands in the room's input again, if nothing else does.
    pub(super) fn give_back(&mut self, room: &str, line: String) {
        let is_shown = self.active_room().name == room;
        if is_shown && self.question.is_none() {
            if self.editor.is_empty() {
                self.editor.set(line);
            }
            return;
        }
        let draft = match is_shown {
            true => Some(&mut self.held),
            false => self.room_mut(room).map(|room| &mut room.draft),
        };
        if let Some(draft) = draft.filter(|draft| draft.is_empty()) {
            *draft = line;
        }
    }

    pub(super) fn join(&mut self, name: &str, key: Option<&str>) {
        self.asked.push(name.to_owned());
        let mut message = json!({"type": "join", "room": name});
        if let Some(key) = key {
            message["text"] = json!(key);
        }
        self.send(message);
    }

    /// The window of the terminal is looked at, or not any more.
    pub(in super::super) fn handle_focus(&mut self, has_focus: bool) {
        self.has_focus = Some(has_focus);
        if has_focus {
            self.active_room().read();
        } else {
            self.active_room().divider = None;
        }
    }
}

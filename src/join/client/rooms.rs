//! The rooms one is in, and which of them is shown.

use serde_json::{Value, json};

use super::super::room::{Body, Room};
use super::{Act, Client};

/// A room that we want to be in, and the server has not let us into.
pub(super) struct Asked {
    room: String,
    /// What opens it.
    opener: Option<String>,
    /// If it is to be shown: the room that was shown when that was asked for, or nothing if there
    /// was none.
    pub(super) from: Option<String>,
    /// What was typed there since then.
    pub(super) waiting: Vec<String>,
}

impl Asked {
    pub(super) fn new(room: String, opener: Option<String>, from: Option<String>) -> Asked {
        Asked { room, opener, from, waiting: Vec::new() }
    }

    pub(super) fn is_for(&self, room: &str) -> bool {
        self.room.to_lowercase() == room.to_lowercase()
    }

    /// By which a refusal is known.
    fn key(&self) -> String {
        format!("join {}", self.room)
    }

    fn message(&self) -> Value {
        let Asked { room, opener, .. } = self;
        let mut message = json!({"type": "join", "room": room, "key": self.key()});
        if let Some(opener) = opener {
            message["text"] = json!(opener);
        }
        message
    }
}

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

    // ── where one wants to be ──

    pub(super) fn join(&mut self, asked: Asked) {
        self.send(asked.message());
        self.asked.push(asked);
    }

    /// Asks for all rooms that we want to be in.
    pub(super) fn join_all(&mut self) {
        let shown = self.active_room().name.clone();
        for mut asked in std::mem::take(&mut self.asked) {
            // It was asked for before we were anywhere.
            if asked.from.as_ref().is_some_and(String::is_empty) {
                asked.from = Some(shown.clone());
            }
            self.join(asked);
        }
    }

    /// What we have asked to join, now that we have come into this room. A name that looks like
    /// another leads to that one's room; answers have the order of questions.
    pub(super) fn let_in(&mut self, room: &str) -> Option<Asked> {
        let at = self.asked.iter().position(|asked| asked.is_for(room)).unwrap_or(0);
        (at < self.asked.len()).then(|| self.asked.remove(at))
    }

    /// What we may not join, by the key or the room of a refusal.
    pub(super) fn not_let_in(&mut self, key: Option<&str>, room: Option<&str>) {
        let is_it = |asked: &Asked| match key {
            Some(key) => asked.key() == key,
            None => room.is_some_and(|room| asked.is_for(room)),
        };
        let Some(at) = self.asked.iter().position(is_it) else { return };
        let asked = self.asked.remove(at);
        let from = asked.from.unwrap_or_default();
        let left = asked.waiting.len().saturating_sub(1);
        if let Some(first) = asked.waiting.into_iter().next() {
            self.give_back(&from, first);
        }
        if left > 0 {
            let told = self.lang.not_said(left);
            self.refusal(Some(&from), &told);
        }
    }

    /// Keeps a line for the room to which one goes until we are in it: it would be said in the one
    /// before. Whether that is so.
    pub(super) fn waits(&mut self, line: &str) -> bool {
        let is_quit = |line: &str| line.split(' ').next().is_some_and(|it| it == "/quit");
        let shown = self.active_room().name.clone();
        let is_it = |asked: &&mut Asked| asked.from.as_ref() == Some(&shown);
        let Some(asked) = self.asked.iter_mut().find(is_it) else { return false };
        // Whoever leaves is held up only where something would be lost, and once.
        if is_quit(line) && asked.waiting.last().is_none_or(|last| is_quit(last)) {
            return false;
        }
        asked.waiting.push(line.to_owned());
        true
    }

    /// What waits in the room that is shown.
    pub(super) fn waiting(&self) -> &[String] {
        let shown = self.rooms.get(self.active).unwrap_or(&self.nowhere);
        let asked = self.asked.iter().find(|asked| asked.from.as_ref() == Some(&shown.name));
        asked.map_or(&[], |asked| &asked.waiting)
    }

    /// Shows the room to which one went, and says there what was typed since.
    pub(super) fn arrive(&mut self, at: usize, asked: Asked) {
        let is_from_here = asked.from.as_ref() == Some(&self.active_room().name);
        let half = (self.editor.value().to_owned(), self.editor.cursor());
        if is_from_here {
            // What is half typed is for it as well.
            self.editor.set(String::new());
        }
        self.show(at);
        if is_from_here {
            self.editor.set_with_cursor(half.0, half.1);
        }
        for line in asked.waiting {
            if !self.waits(&line) && !self.process(&line) {
                let shown = self.active_room().name.clone();
                self.give_back(&shown, line);
            }
        }
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

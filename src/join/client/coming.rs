//! How one comes in, is asked who one is, and comes back after a cut.

use std::time::Duration;

use chinwag::client::is_mentioned;
use serde_json::json;

use super::super::message::{Entered, ServerMessage};
use super::super::room::{Body, Room, Rules};
use super::super::settings::Call;
use super::rooms::Asked;
use super::{Act, Client, Question, line_of};

/// How often a name is asked for again that our own lost connection may still have.
const TAKEN_MAX: usize = 14;

impl Client {
    /// Asks whoever sits there. What they were typing waits.
    pub(super) fn ask(&mut self, question: Question) {
        if self.question.is_none() {
            self.pasted = None;
            self.held = self.editor.take();
        }
        self.editor.set(String::new());
        self.question = Some(question);
    }

    /// Nothing is asked any more.
    pub(super) fn unask(&mut self) {
        if self.question.take().is_some() {
            let held = std::mem::take(&mut self.held);
            self.editor.set(held);
        }
    }

    /// Answers with what was typed.
    pub(super) fn answer(&mut self) {
        let answer = self.editor.take();
        let Some(question) = self.question.clone() else { return };
        if question == Question::Nickname {
            if answer.trim() == "/quit" {
                return self.leave("");
            }
            if answer.trim().is_empty() {
                return;
            }
        }
        self.unask();
        match question {
            Question::Nickname => {
                self.identity.nick = Some(answer.trim().to_owned());
                self.give_name();
            }
            Question::Password => {
                self.send(json!({"type": "password", "text": answer}));
                self.identity.server_password = Some(answer);
            }
            Question::Account(_) => {
                self.was_token_given = false;
                self.send(json!({"type": "password", "text": answer}));
            }
        }
    }

    pub(super) fn give_name(&mut self) {
        match self.identity.nick.clone() {
            Some(name) => self.send(json!({"type": "nick", "name": name})),
            None => self.ask(Question::Nickname),
        }
    }

    pub(super) fn give_token(&mut self, token: &str) {
        let rooms = self.rooms.iter().map(|room| (room.name.clone(), json!(room.last_id)));
        let rooms: serde_json::Map<_, _> = rooms.collect();
        self.send(json!({"type": "resume", "token": token, "rooms": rooms}));
    }

    /// The server asks for its own password. A token shows as well that we were let in.
    pub(super) fn password_asked(&mut self) {
        match (self.token.clone(), self.identity.server_password.clone()) {
            (Some(token), _) => self.give_token(&token),
            (None, Some(text)) => self.send(json!({"type": "password", "text": text})),
            (None, None) => self.ask(Question::Password),
        }
    }

    pub(super) fn account_asked(&mut self, name: String) {
        match &self.account_token {
            Some((account, token)) if account.to_lowercase() == name.to_lowercase() => {
                let login = json!({"type": "login", "name": name, "token": token});
                self.was_token_given = true;
                self.send(login);
            }
            _ => match self.identity.password.take() {
                Some(text) => self.send(json!({"type": "password", "text": text})),
                None => self.ask(Question::Account(name)),
            },
        }
    }

    /// We have this name, and are in.
    pub(super) fn come_in(&mut self, name: String) {
        self.unask();
        self.identity.nick = Some(name.clone());
        self.me = Some(name);
        (self.tries, self.taken_times, self.was_in) = (0, 0, true);
        let at = self.unix();
        for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
            room.outage_ends(at);
        }
    }

    pub(super) fn welcome(&mut self, name: &str, token: Option<String>, entered: &Entered) {
        let is_first = self.me.is_none();
        let answered = if is_first { None } else { self.let_in(&entered.room) };
        let before: Vec<_> = self.rooms.iter().map(|room| room.name.clone()).collect();
        if is_first {
            self.token = token;
            self.come_in(name.to_owned());
        }
        let is_back = before.contains(&entered.room);
        let had_left = is_first && !before.is_empty() && !is_back;
        if !had_left {
            // Of what an archive has, the newcomer is told the last lines. If none of them is
            // known, there may be others before.
            let last = self.room_mut(&entered.room).map_or(0, |room| room.last_id);
            let first = entered.first_id().unwrap_or(entered.id);
            let gap = entered.kept && last > 0 && first > last;
            let at = self.enter(&Entered { gap, ..entered.clone() });
            // What was typed while there was no connection nobody has heard.
            let mut sends = self.rooms[at].unsent();
            sends.extend(self.nowhere.unsent());
            sends.into_iter().for_each(|message| self.send(message));
            if !is_back {
                let told = self.lang.welcome(name, &entered.room, &entered.members);
                let motd = if is_first { std::mem::take(&mut self.motd) } else { Vec::new() };
                let topic = entered.topic.as_ref().map(|it| self.lang.topic(&it.text, None));
                for text in motd.into_iter().chain([told]).chain(topic) {
                    self.notice(Some(&entered.room), &text);
                }
                self.show_new(&entered.room, answered);
            }
        }
        if is_first {
            self.asked.retain(|asked| !asked.is_for(&entered.room));
            self.join_all();
            for room in before.into_iter().filter(|room| *room != entered.room) {
                self.join(Asked::new(room, None, None));
            }
            if had_left {
                self.send(json!({"type": "part", "room": entered.room}));
            }
        }
    }

    /// Shows a room that we have just come into, if we wanted to see it.
    pub(super) fn show_new(&mut self, name: &str, answered: Option<Asked>) {
        let at = self.rooms.iter().position(|room| room.name == name).unwrap_or(self.active);
        match answered {
            Some(asked) if asked.from.is_some() => self.arrive(at, asked),
            Some(_) if self.rooms.len() > 1 => {}
            _ => self.show(at),
        }
    }

    /// We are in a room now, or again.
    pub(super) fn enter(&mut self, told: &Entered) -> usize {
        let at = match self.rooms.iter().position(|room| room.name == told.room) {
            Some(at) => at,
            None => {
                self.rooms.push(Room::new(&told.room));
                self.rooms.len() - 1
            }
        };
        let me = self.me.clone().unwrap_or_default();
        let is_mention = |text: &str| is_mentioned(&me, text);
        let rules = Rules { lang: self.lang, now: self.unix(), is_mention: &is_mention };
        let room = &mut self.rooms[at];
        let numbers = room.enter(told, &me, &rules);
        self.tell_missed(at, &numbers);
        at
    }

    /// The server has told what we have missed in a room, or a part of that.
    pub(super) fn missed(&mut self, at: usize, lines: &[ServerMessage], more: bool) {
        let me = self.me.clone().unwrap_or_default();
        let is_mention = |text: &str| is_mentioned(&me, text);
        let rules = Rules { lang: self.lang, now: self.unix(), is_mention: &is_mention };
        let numbers = self.rooms[at].fill(lines, more, &me, &rules);
        self.tell_missed(at, &numbers);
    }

    /// Lines with these numbers were missed: they are logged, counted, and if they mean us we are
    /// called. What is still missing is asked for.
    fn tell_missed(&mut self, at: usize, numbers: &[u64]) {
        let is_active = at == self.active;
        let room = &mut self.rooms[at];
        let mut called = Vec::new();
        let mut logged = Vec::new();
        for item in room.items.iter().filter(|item| numbers.contains(&item.number)) {
            if let Body::Said { from, text, emote, mention, .. } = &item.body {
                logged.push((item.at, line_of(from, text, *emote)));
                if *mention {
                    called.push((from.clone(), text.clone()));
                }
                if !is_active {
                    room.unread += 1;
                    room.mentions += usize::from(*mention);
                }
            }
        }
        let name = room.name.clone();
        let question = room.missed_question();
        for (at, text) in logged {
            self.acts.push(Act::Log { room: Some(name.clone()), at, text });
        }
        for (from, text) in called {
            self.call(Call::Mention, &from, &text, is_active);
        }
        question.into_iter().for_each(|question| self.send(question));
    }

    /// The server knows who we are, and tells what we have missed. What it has not confirmed is
    /// sent again; it knows by the key what it has said already.
    pub(super) fn resumed(&mut self, name: String, token: String, rooms: &[Entered]) {
        self.token = Some(token);
        self.come_in(name);
        for told in rooms {
            self.enter(told);
        }
        let gone: Vec<_> =
            self.rooms.iter().filter(|it| !it.is_in).map(|it| it.name.clone()).collect();
        gone.iter().for_each(|name| self.remove(name));
        let mut sends = Vec::new();
        for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
            room.pending.iter_mut().for_each(|pending| pending.was_sent = false);
            sends.extend(room.unsent());
        }
        sends.into_iter().for_each(|message| self.send(message));
        self.join_all();
    }

    /// Something was not done.
    pub(super) fn refused(&mut self, why: &str, text: &str, key: Option<&str>, room: Option<&str>) {
        if self.me.is_some() {
            return self.refused_inside(text, key, room);
        }
        match why {
            "password" | "wrong_passwords" => {
                self.identity.server_password = None;
                self.refusal(None, text);
                self.ask(Question::Password);
            }
            "wrong_password" if self.was_token_given => {
                // It is too old; that is no mistake of whoever sits here.
                self.was_token_given = false;
                self.account_token = None;
            }
            "wrong_password" => self.refusal(None, text),
            _ if self.token.take().is_some() => {
                // It is too late to come back as who we were; but the name may be free.
                for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
                    room.give_up_pending();
                }
                self.give_name();
            }
            "taken" if self.was_in && self.taken_times < TAKEN_MAX => {
                self.taken_times += 1;
                let pause = (2 + self.taken_times as u64).min(9);
                self.rename_at = Some(self.now.instant + Duration::from_secs(pause));
            }
            _ => {
                self.refusal(None, text);
                self.identity.nick = None;
                self.ask(Question::Nickname);
            }
        }
    }

    pub(super) fn refused_inside(&mut self, text: &str, key: Option<&str>, room: Option<&str>) {
        if let Some(key) = key {
            if let Some(room) = self.rooms.iter_mut().find(|room| room.is_about_missed(key)) {
                return room.give_up_missed();
            }
            let was_asked = self.rooms.iter_mut().find(|room| key == room.older_key());
            if let Some(room) = was_asked {
                (room.is_asking, room.has_older) = (false, false);
                return;
            }
            let unsaid = {
                let mut rooms = self.rooms.iter_mut().chain([&mut self.nowhere]);
                rooms.find_map(|room| Some((room.refuse(key)?, room.name.clone())))
            };
            if let Some((line, room)) = unsaid {
                self.give_back(&room, line);
            }
        }
        self.not_let_in(key, room);
        // A room that we were in before a cut, and may not come back into.
        let lost = room.and_then(|name| {
            let is_it = |one: &&Room| one.name.to_lowercase() == name.to_lowercase() && !one.is_in;
            self.rooms.iter().find(is_it).map(|one| one.name.clone())
        });
        if let Some(lost) = lost {
            self.remove(&lost);
        }
        self.refusal(room, text);
    }
}

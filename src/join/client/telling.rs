//! What the server tells of rooms and people, and what we have asked it.

use chinwag::client::is_mentioned;
use serde_json::json;

use super::super::message::{Found, Help, Line, ServerMessage};
use super::super::room::Body;
use super::super::settings::{Call, Notify};
use super::{Act, Client, line_of};

/// Lines that are asked for at once when one goes back.
const OLDER_COUNT: usize = 100;

/// A command of the client's own.
pub(super) struct Own {
    form: &'static str,
    /// In English and Chinese.
    purpose: [&'static str; 2],
}

pub(super) const OWN: [Own; 2] = [
    Own {
        form: "/set [NAME VALUE]",
        purpose: ["show or set colours, times, alerts", "显示或设置颜色、时间和提醒"],
    },
    Own {
        form: "/again", purpose: ["say again what was not confirmed", "重新发送未确认的内容"]
    },
];

impl Own {
    /// Whether it is this command, with or without its slash.
    pub(super) fn is(&self, command: &str) -> bool {
        let name = self.form.split(' ').next().unwrap_or_default();
        name[1..].eq_ignore_ascii_case(command.trim_start_matches('/'))
    }
}

impl Client {
    /// What is told of rooms and people.
    pub(super) fn told(&mut self, message: ServerMessage) {
        let (lang, at) = (self.lang, self.unix());
        match message {
            ServerMessage::Say(line) => self.heard(&line, false),
            ServerMessage::Me(line) => self.heard(&line, true),
            ServerMessage::Msg(line) => self.heard_private(&line),
            ServerMessage::Sent { to, text, at } => self.sent(&to, &text, at),
            ServerMessage::Ack { key, id } => {
                for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
                    room.acknowledge(&key, id);
                }
            }
            ServerMessage::Join { names, count, room } => {
                self.log(Some(&room), at, format!("* {}", lang.came(&lang.listed(&names))));
                if let Some(room) = self.room_mut(&room) {
                    room.come(&names, count, at);
                }
            }
            ServerMessage::Leave { names, count, room, words, why } => {
                self.log(Some(&room), at, format!("* {}", lang.went(&lang.listed(&names))));
                let why = words.or_else(|| why.map(|why| why.of(lang).to_owned()));
                if let Some(room) = self.room_mut(&room) {
                    room.go(&names, &why.unwrap_or_default(), count, at);
                }
            }
            ServerMessage::Removed { room, name, count, text } => {
                if let Some(room) = self.room_mut(&room) {
                    room.people.retain(|one| *one != name);
                    room.count = count;
                }
                self.notice(Some(&room), text.of(lang));
            }
            ServerMessage::Out { room: Some(room), text } => {
                self.remove(&room);
                self.refusal(None, text.of(lang));
                self.call(Call::Mention, &room, text.of(lang), true);
            }
            ServerMessage::Nick { old, new } => self.renamed(&old, &new),
            ServerMessage::Part { room } => {
                // Who was put out knows.
                if self.room_mut(&room).is_some() {
                    self.remove(&room);
                    self.notice(None, &lang.parted(&room));
                }
            }
            ServerMessage::Invite { from, room } => {
                let text = lang.invited(&from, &room);
                self.notice(None, &text);
                self.call(Call::Mention, &from, &text, true);
            }
            ServerMessage::Notice { text, answer } => {
                self.confirmation = answer;
                self.notice(None, text.of(lang));
            }
            other => self.answered(other),
        }
    }

    /// An answer to something that we asked.
    pub(super) fn answered(&mut self, message: ServerMessage) {
        let lang = self.lang;
        match message {
            ServerMessage::Rank { room, text } | ServerMessage::Set { room, text } => {
                self.notice(room.as_deref(), text.of(lang));
            }
            ServerMessage::Settings { text } | ServerMessage::Ignoring { text } => {
                self.notice(None, text.of(lang));
            }
            ServerMessage::Topic { text, by, room } => {
                self.notice(room.as_deref(), &lang.topic(&text, by.as_deref()));
            }
            ServerMessage::Who { members, count, room } => {
                if let Some(room) = room.as_deref().and_then(|room| self.room_mut(room)) {
                    room.count = count;
                    let new: Vec<_> =
                        members.iter().filter(|it| !room.people.contains(it)).cloned().collect();
                    room.people.retain(|it| members.contains(it));
                    room.people.splice(0..0, new);
                }
                self.notice(room.as_deref(), &lang.members(&members, count));
            }
            ServerMessage::Rooms { rooms, more } => {
                rooms.iter().for_each(|listed| self.notice(None, &listed.text()));
                if more > 0 {
                    self.notice(None, lang.and_others(more).trim());
                }
            }
            ServerMessage::Help { commands } => self.help(&commands),
            ServerMessage::Found { lines, more } => self.found(&lines, more),
            ServerMessage::History { room, lines, more, key } => {
                self.history(room.as_deref(), &lines, more, key.as_deref());
            }
            _ => {}
        }
    }

    /// What the server can do, and if that is not one command, what the client can besides.
    pub(super) fn help(&mut self, commands: &[Help]) {
        commands.iter().for_each(|help| self.notice(None, &help.text(self.lang)));
        if commands.len() > 1 {
            self.help_own("");
        }
    }

    /// What a command of the client's own is for; all of them, if none is named.
    pub(super) fn help_own(&mut self, command: &str) {
        for own in OWN.iter().filter(|own| command.is_empty() || own.is(command)) {
            let purpose = self.lang.pick(own.purpose[0], own.purpose[1]);
            let told = format!("{}: {purpose}", own.form);
            self.notice(None, &told);
        }
    }

    /// What `/search` has found, the newest first: it is shown in the order of time.
    pub(super) fn found(&mut self, lines: &[Found], more: bool) {
        let lang = self.lang;
        if lines.is_empty() {
            self.notice(None, lang.nothing_found());
        }
        for found in lines.iter().rev() {
            let at = jiff::Timestamp::from_second(found.at).unwrap_or_default();
            let at = at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M");
            let line = line_of(&found.from, &found.text, found.me);
            self.notice(None, &format!("{at} {} {line}", found.room));
        }
        if more {
            let hint = lang.pick("There is more: /search more", "还有更多:/search more");
            self.notice(None, hint);
        }
    }

    pub(super) fn history(
        &mut self,
        room: Option<&str>,
        lines: &[ServerMessage],
        more: bool,
        key: Option<&str>,
    ) {
        let active = self.active;
        let at = room.and_then(|name| self.rooms.iter().position(|room| room.name == name));
        let at = at.unwrap_or(active);
        let Some(room) = self.rooms.get_mut(at) else { return };
        if key.is_some_and(|key| room.is_about_missed(key)) {
            self.missed(at, lines, more);
        } else if key == Some(&*room.older_key()) {
            room.prepend(lines, more);
        } else if lines.is_empty() {
            let nothing = self.lang.nothing_found();
            self.notice(None, nothing);
        } else {
            lines.iter().for_each(|line| room.recall(line));
        }
    }

    /// Asks for lines that are older than those that we have, when one sees the first.
    pub(super) fn want_older(&mut self) {
        let Some(room) = self.rooms.get_mut(self.active) else { return };
        if room.is_asking || !room.has_older || !room.is_in {
            return;
        }
        let Some(before) = room.first_id() else { return };
        room.is_asking = true;
        let (name, key) = (room.name.clone(), room.older_key());
        let count = OLDER_COUNT;
        self.send(json!({
            "type": "history", "room": name, "before": before, "count": count, "key": key,
        }));
    }

    // ── lines ──

    pub(super) fn heard(&mut self, line: &Line, emote: bool) {
        let me = self.me.clone().unwrap_or_default();
        let name = line.room.clone().unwrap_or_default();
        let Some(at) = self.rooms.iter().position(|room| room.name == name) else { return };
        let is_seen = at == self.active && self.has_focus != Some(false);
        let is_ours = line.from == me;
        let is_mention = !is_ours && is_mentioned(&me, &line.text);
        let room = &mut self.rooms[at];
        if line.again {
            let again = line.clone();
            room.recall(&if emote { ServerMessage::Me(again) } else { ServerMessage::Say(again) });
            return;
        }
        let Some(number) = room.say(line, emote, &me, is_mention) else { return };
        if !is_ours && !is_seen {
            room.note(number, is_mention);
        }
        self.log(Some(&name), line.at, line_of(&line.from, &line.text, emote));
        if is_mention {
            self.call(Call::Mention, &line.from, &line.text, at == self.active);
        }
    }

    pub(super) fn heard_private(&mut self, line: &Line) {
        let (who, text) = (line.from.clone(), line.text.clone());
        let is_away = self.has_focus == Some(false);
        let room = self.active_room();
        let number = room.push(line.at, Body::Private { who, text, is_ours: false });
        if is_away {
            room.note(number, true);
        }
        self.log(None, line.at, format!("[{} -> you] {}", line.from, line.text));
        self.call(Call::Private, &line.from, &line.text, true);
    }

    /// A private message of ours has gone out. It stands where it was typed.
    pub(super) fn sent(&mut self, to: &str, text: &str, at: i64) {
        let place = self.rooms.iter().position(|room| room.has_pending_to(to, text));
        match place.and_then(|at| self.rooms.get_mut(at)) {
            Some(room) => room.sent(to, text, at),
            None => self.active_room().sent(to, text, at),
        };
        self.log(None, at, format!("[you -> {to}] {text}"));
    }

    pub(super) fn renamed(&mut self, old: &str, new: &str) {
        if self.me.as_deref() == Some(old) {
            self.me = Some(new.to_owned());
            self.identity.nick = Some(new.to_owned());
        }
        let text = self.lang.renamed(old, new);
        let (at, mut told) = (self.unix(), Vec::new());
        for room in &mut self.rooms {
            if room.rename(old, new) {
                room.push(at, Body::Notice(text.clone()));
                told.push(room.name.clone());
            }
        }
        for name in told {
            self.log(Some(&name), at, format!("* {text}"));
        }
    }

    /// Tells whoever sits there that they are meant.
    pub(super) fn call(&mut self, what: Call, from: &str, text: &str, is_shown: bool) {
        if what <= self.settings.bell {
            self.acts.push(Act::Ring);
        }
        let is_looking = self.has_focus == Some(true) && is_shown;
        if self.settings.notify != Notify::Off && !is_looking {
            self.acts.push(Act::Notify { title: from.to_owned(), text: text.to_owned() });
        }
    }
}

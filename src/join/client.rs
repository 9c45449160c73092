//! The client at a terminal, without a socket, a terminal or a clock: it is told what has come and
//! which keys were pressed, and says in [`Act`]s what is to be done, and in a [`Frame`] what is to
//! be seen.
//!
//! Here is how one comes in, is cut off and comes back, and what the server tells. What is typed
//! is in `typing`.

use std::time::{Duration, Instant};

use chinwag::Now;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Identity;
use super::complete::Completer;
use super::editor::Editor;
use super::link::End;
use super::message::{Entered, Line, ServerMessage};
use super::pulse::Pulse;
use super::room::{Body, Room, Rules};
use super::settings::{Call, Notify, Settings};
use super::words::Lang;

mod typing;
mod view;

pub(super) use view::OTHER_ROWS;

/// Pauses between attempts to connect again, in milliseconds. For the first minute they are short,
/// so that after a restart of the server everybody is back within 5 seconds.
const PAUSES: [u64; 4] = [500, 1000, 2000, 3000];
const PAUSE_FIRST_MINUTE: u64 = 4000;
const PAUSES_LATER: [u64; 3] = [10_000, 20_000, 30_000];
const SHORT_PAUSES: usize = 19;

/// How often a name is asked for again that our own lost connection may still have.
const TAKEN_MAX: usize = 14;

/// How long the server may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// Lines that are asked for at once when one goes back.
const OLDER_COUNT: usize = 100;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Connect,
    /// The connection is given up.
    Drop,
    Send(Value),
    Ping(u64),
    Ring,
    Notify {
        title: String,
        text: String,
    },
    /// This belongs into the log file of the room, or of none.
    Log {
        room: Option<String>,
        at: i64,
        text: String,
    },
    /// The shell gets the terminal back for a while.
    Suspend,
    /// The screen is to be drawn anew.
    Redraw,
    /// It is over, well or for this reason.
    End(Result<(), String>),
}

/// What the server waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Nickname,
    Password,
    /// Of this account.
    Account(String),
}

/// The client.
pub(super) struct Client {
    lang: Lang,
    pub(super) settings: Settings,
    zone: TimeZone,
    now: Now,
    acts: Vec<Act>,

    // Who we are.
    identity: Identity,
    me: Option<String>,
    /// What shows who we are after a cut.
    token: Option<String>,
    /// What shows that the account is ours, and which that is.
    account_token: Option<(String, String)>,
    /// What was given last to show that.
    was_token_given: bool,
    question: Option<Question>,
    line_bytes_max: usize,
    motd: Vec<String>,

    // The connection.
    pulse: Option<Pulse>,
    /// We were in, so that we come back by ourselves.
    was_in: bool,
    tries: usize,
    retry_at: Option<Instant>,
    taken_times: usize,
    rename_at: Option<Instant>,
    leaving_until: Option<Instant>,
    /// Dice for pauses, so that not all come back at once.
    dice: u64,
    keys: u64,

    // The rooms.
    rooms: Vec<Room>,
    nowhere: Room,
    active: usize,
    to_join: Vec<String>,
    /// The room that is to be shown when we are in it.
    to_show: Option<String>,
    /// Rooms that we have asked to join, and the server has not answered.
    asked: Vec<String>,
    has_focus: Option<bool>,

    // What is typed.
    editor: Editor,
    /// What was being typed when a question came.
    held: String,
    completer: Completer,
    /// What was pasted, and is said only if that is wanted.
    pasted: Option<Vec<String>>,
    /// What the server wants to hear before it does something.
    confirmation: Option<String>,
}

impl Client {
    pub(super) fn new(
        lang: Lang,
        settings: Settings,
        identity: Identity,
        rooms: Vec<String>,
        (zone, now, dice): (TimeZone, Now, u64),
    ) -> Client {
        let hashed = |room: String| if room.starts_with('#') { room } else { format!("#{room}") };
        let to_join: Vec<_> = rooms.into_iter().map(hashed).collect();
        Client {
            lang,
            settings,
            zone,
            now,
            acts: vec![Act::Connect],
            identity,
            me: None,
            token: None,
            account_token: None,
            was_token_given: false,
            question: None,
            line_bytes_max: usize::MAX,
            motd: Vec::new(),
            pulse: None,
            was_in: false,
            tries: 0,
            retry_at: None,
            taken_times: 0,
            rename_at: None,
            leaving_until: None,
            dice: dice | 1,
            keys: 0,
            rooms: Vec::new(),
            nowhere: Room::default(),
            active: 0,
            to_show: to_join.first().cloned(),
            to_join,
            asked: Vec::new(),
            has_focus: None,
            editor: Editor::default(),
            held: String::new(),
            completer: Completer::default(),
            pasted: None,
            confirmation: None,
        }
    }

    /// What is to be done, in order.
    pub(super) fn poll_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    fn send(&mut self, message: Value) {
        self.acts.push(Act::Send(message));
    }

    fn unix(&self) -> i64 {
        self.now.unix_seconds.cast_signed()
    }

    // ── time ──

    /// When [`handle_time`](Self::handle_time) is to be called at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let pulse = self.pulse.map(|pulse| pulse.deadline());
        // What is shown of a pause counts down.
        let second = self.retry_at.map(|_| self.now.instant + Duration::from_secs(1));
        [pulse, self.retry_at, second, self.rename_at, self.leaving_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed.
    pub(super) fn handle_time(&mut self, now: Now) {
        self.now = now;
        let now = now.instant;
        if self.leaving_until.is_some_and(|at| at <= now) {
            return self.acts.push(Act::End(Ok(())));
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.acts.push(Act::Connect);
        }
        if self.rename_at.is_some_and(|at| at <= now) {
            self.rename_at = None;
            self.give_name();
        }
        if let Some(number) = self.pulse.as_mut().and_then(|pulse| pulse.poll(now)) {
            self.acts.push(Act::Ping(number));
        }
        if self.pulse.is_some_and(|pulse| pulse.is_dead(now)) {
            self.acts.push(Act::Drop);
            let why = self.lang.pick("the server does not answer any more", "服务器不再应答");
            self.handle_end(End::Lost(why.to_owned()), self.now);
        }
    }

    /// We were stopped for a while, and go on.
    pub(super) fn handle_resume(&mut self, now: Now) {
        self.now = now;
        if let Some(pulse) = &mut self.pulse {
            pulse.resume(now.instant);
        }
    }

    // ── the connection ──

    pub(super) fn handle_open(&mut self, now: Now) {
        self.now = now;
        self.pulse = Some(Pulse::new(now.instant));
    }

    pub(super) fn handle_pong(&mut self, number: u64, now: Now) {
        self.now = now;
        if let Some(pulse) = &mut self.pulse {
            pulse.answered(number, now.instant);
        }
    }

    /// The connection is over, or has never been.
    pub(super) fn handle_end(&mut self, end: End, now: Now) {
        self.now = now;
        self.pulse = None;
        if self.leaving_until.is_some() {
            return self.acts.push(Act::End(Ok(())));
        }
        if !self.was_in {
            let lang = self.lang;
            let why = match end {
                End::Unreachable(why) => format!("{why}."),
                End::Wrong(sentence) => sentence,
                End::Lost(why) if !why.is_empty() => lang.pick(
                    format!("The connection has ended: {why}."),
                    format!("连接已断开:{why}。"),
                ),
                End::Lost(_) | End::Code(_) => lang
                    .pick("The server has closed the connection.", "服务器关闭了连接。")
                    .to_owned(),
            };
            return self.acts.push(Act::End(Err(why)));
        }
        self.unask();
        self.me = None;
        self.rename_at = None;
        self.asked.clear();
        let at = self.unix();
        for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
            room.is_in = false;
            room.is_asking = false;
            room.outage(at);
        }
        self.retry_at = Some(self.now.instant + self.next_pause());
    }

    fn next_pause(&mut self) -> Duration {
        let pause = match self.tries {
            few if few < PAUSES.len() => PAUSES[few],
            some if some < SHORT_PAUSES => PAUSE_FIRST_MINUTE,
            many => PAUSES_LATER[(many - SHORT_PAUSES).min(PAUSES_LATER.len() - 1)],
        };
        self.tries += 1;
        // A xorshift is good enough not to come all at once.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        Duration::from_millis(pause * (60 + self.dice % 50) / 100)
    }

    /// Leaves the server, at once if it is not there or this is asked twice.
    fn leave(&mut self, words: &str) {
        let is_twice = self.leaving_until.is_some();
        if self.pulse.is_none() || is_twice {
            return self.acts.push(Act::End(Ok(())));
        }
        self.leaving_until = Some(self.now.instant + GOODBYE_MAX);
        if self.me.is_some() {
            self.send(json!({"type": "quit", "text": words}));
        } else {
            self.acts.push(Act::End(Ok(())));
        }
    }

    /// Whoever runs us wants us to end.
    pub(super) fn handle_terminate(&mut self, now: Now) {
        self.now = now;
        self.leave("");
    }

    // ── questions ──

    /// Asks whoever sits there. What they were typing waits.
    fn ask(&mut self, question: Question) {
        if self.question.is_none() {
            self.pasted = None;
            self.held = self.editor.take();
        }
        self.editor.set(String::new());
        self.question = Some(question);
    }

    /// Nothing is asked any more.
    fn unask(&mut self) {
        if self.question.take().is_some() {
            let held = std::mem::take(&mut self.held);
            self.editor.set(held);
        }
    }

    /// Answers with what was typed.
    fn answer(&mut self) {
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

    fn give_name(&mut self) {
        match self.identity.nick.clone() {
            Some(name) => self.send(json!({"type": "nick", "name": name})),
            None => self.ask(Question::Nickname),
        }
    }

    fn give_token(&mut self, token: &str) {
        let rooms = self.rooms.iter().map(|room| (room.name.clone(), json!(room.last_id)));
        let rooms: serde_json::Map<_, _> = rooms.collect();
        self.send(json!({"type": "resume", "token": token, "rooms": rooms}));
    }

    /// The server asks for its own password. A token shows as well that we were let in.
    fn password_asked(&mut self) {
        match (self.token.clone(), self.identity.server_password.clone()) {
            (Some(token), _) => self.give_token(&token),
            (None, Some(text)) => self.send(json!({"type": "password", "text": text})),
            (None, None) => self.ask(Question::Password),
        }
    }

    fn account_asked(&mut self, name: String) {
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

    // ── what the server tells ──

    pub(super) fn handle_message(&mut self, message: ServerMessage, now: Now) {
        self.now = now;
        if let Some(pulse) = &mut self.pulse {
            pulse.heard(now.instant);
        }
        let lang = self.lang;
        match message {
            ServerMessage::Password => self.password_asked(),
            ServerMessage::Ask { motd, line_bytes_max } => {
                (self.motd, self.line_bytes_max) = (motd, line_bytes_max);
                match self.token.clone() {
                    Some(token) => self.give_token(&token),
                    None => self.give_name(),
                }
            }
            ServerMessage::Login { name } => self.account_asked(name),
            ServerMessage::Account { event, name, token, text } => {
                match (&*event, token) {
                    (_, Some(token)) => self.account_token = Some((name, token)),
                    ("logged_out" | "unregistered" | "password_set", None) => {
                        self.account_token = None;
                    }
                    _ => {}
                }
                self.notice(None, text.of(lang));
            }
            ServerMessage::Welcome { name, token, entered } => self.welcome(name, token, &entered),
            ServerMessage::Resumed { name, token, rooms } => self.resumed(name, token, &rooms),
            ServerMessage::Refused { why, text, key, room } => {
                self.refused(&why, text.of(lang), key.as_deref(), room.as_deref());
            }
            ServerMessage::Out { room: None, text } => {
                self.acts.push(Act::End(Err(text.of(lang).to_owned())));
            }
            ServerMessage::Goodbye => self.acts.push(Act::End(Ok(()))),
            ServerMessage::Stopping => self.notice(None, lang.stopping()),
            other => self.told(other),
        }
    }

    /// We have this name, and are in.
    fn come_in(&mut self, name: String) {
        self.unask();
        self.identity.nick = Some(name.clone());
        self.me = Some(name);
        (self.tries, self.taken_times, self.was_in) = (0, 0, true);
        let at = self.unix();
        for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
            room.outage_ends(at);
        }
    }

    fn welcome(&mut self, name: String, token: Option<String>, entered: &Entered) {
        let is_first = self.me.is_none();
        let before: Vec<_> = self.rooms.iter().map(|room| room.name.clone()).collect();
        if is_first {
            self.token = token;
            self.come_in(name.clone());
        }
        let is_back = before.contains(&entered.room);
        let had_left = is_first && !before.is_empty() && !is_back;
        if !had_left {
            self.enter(entered);
            if !is_back {
                let told = self.lang.welcome(&name, &entered.room, &entered.members);
                let motd = if is_first { std::mem::take(&mut self.motd) } else { Vec::new() };
                for text in motd.into_iter().chain([told]) {
                    self.notice(Some(&entered.room), &text);
                }
                self.show_new(&entered.room);
            }
        }
        if is_first {
            let to_join = std::mem::take(&mut self.to_join);
            let others = before.into_iter().chain(to_join);
            for room in others.filter(|room| room.to_lowercase() != entered.room.to_lowercase()) {
                self.join(&room, None);
            }
            if had_left {
                self.send(json!({"type": "part", "room": entered.room}));
            }
        }
    }

    /// Shows a room that we have just come into, if we wanted to see it.
    fn show_new(&mut self, name: &str) {
        let is_wanted =
            self.to_show.as_ref().is_none_or(|it| it.to_lowercase() == name.to_lowercase());
        if is_wanted || self.rooms.len() == 1 {
            if is_wanted {
                self.to_show = None;
            }
            let at = self.rooms.iter().position(|room| room.name == name);
            self.show(at.unwrap_or(self.active));
        }
    }

    /// We are in a room now, or again.
    fn enter(&mut self, told: &Entered) -> usize {
        let at = match self.rooms.iter().position(|room| room.name == told.room) {
            Some(at) => at,
            None => {
                self.rooms.push(Room::new(&told.room));
                self.rooms.len() - 1
            }
        };
        self.asked.retain(|one| one.to_lowercase() != told.room.to_lowercase());
        let me = self.me.clone().unwrap_or_default();
        let is_mention = |text: &str| is_mentioned(&me, text);
        let rules = Rules { lang: self.lang, now: self.unix(), is_mention: &is_mention };
        let is_active = at == self.active;
        let room = &mut self.rooms[at];
        let numbers = room.enter(told, &me, &rules);
        let mut called = Vec::new();
        let mut logged = Vec::new();
        for number in &numbers {
            let Some(item) = room.items.iter().rev().find(|item| item.number == *number) else {
                continue;
            };
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
        for (at, text) in logged {
            self.acts.push(Act::Log { room: Some(name.clone()), at, text });
        }
        for (from, text) in called {
            self.call(Call::Mention, &from, &text, is_active);
        }
        at
    }

    /// The server knows who we are, and tells what we have missed. What it has not confirmed is
    /// sent again; it knows by the key what it has said already.
    fn resumed(&mut self, name: String, token: String, rooms: &[Entered]) {
        self.token = Some(token);
        self.come_in(name);
        for told in rooms {
            self.enter(told);
        }
        let gone: Vec<_> =
            self.rooms.iter().filter(|it| !it.is_in).map(|it| it.name.clone()).collect();
        gone.iter().for_each(|name| self.remove(name));
        let mut sends = Vec::new();
        for room in self.rooms.iter().chain([&self.nowhere]) {
            sends.extend(room.pending.iter().map(|pending| pending.message(&room.name)));
        }
        sends.into_iter().for_each(|message| self.send(message));
    }

    /// Something was not done.
    fn refused(&mut self, why: &str, text: &str, key: Option<&str>, room: Option<&str>) {
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

    fn refused_inside(&mut self, text: &str, key: Option<&str>, room: Option<&str>) {
        if let Some(key) = key {
            let was_asked = self.rooms.iter_mut().find(|room| key == room.older_key());
            if let Some(room) = was_asked {
                (room.is_asking, room.has_older) = (false, false);
                return;
            }
            for room in self.rooms.iter_mut().chain([&mut self.nowhere]) {
                room.refuse(key);
            }
        }
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

    /// What is told of rooms and people.
    fn told(&mut self, message: ServerMessage) {
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
    fn answered(&mut self, message: ServerMessage) {
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
                for one in rooms {
                    let told = format!("{} ({}) {}", one.room, one.count, one.topic);
                    self.notice(None, told.trim_end());
                }
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

    fn help(&mut self, commands: &[super::message::Help]) {
        let lang = self.lang;
        let own = [
            (
                "/set [NAME VALUE]",
                lang.pick("how this client looks and calls", "本客户端的显示与提醒"),
            ),
            ("/again", lang.pick("says again what was not confirmed", "重新发送未确认的内容")),
        ];
        let own = own.map(|(form, purpose)| (form.to_owned(), purpose.to_owned()));
        let told = commands
            .iter()
            .map(|help| (help.form.of(lang).to_owned(), help.purpose.of(lang).to_owned()));
        let all: Vec<_> = told.chain(own).collect();
        for (form, purpose) in all {
            self.notice(None, &format!("{form}: {purpose}"));
        }
    }

    /// What `/search` has found, the newest first: it is shown in the order of time.
    fn found(&mut self, lines: &[super::message::Found], more: bool) {
        let lang = self.lang;
        if lines.is_empty() {
            self.notice(None, lang.pick("Nothing was found.", "没有找到。"));
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

    fn history(
        &mut self,
        room: Option<&str>,
        lines: &[ServerMessage],
        more: bool,
        key: Option<&str>,
    ) {
        let active = self.active;
        let at = room.and_then(|name| self.rooms.iter().position(|room| room.name == name));
        let Some(room) = self.rooms.get_mut(at.unwrap_or(active)) else { return };
        if key == Some(&*room.older_key()) {
            room.prepend(lines, more);
        } else {
            lines.iter().for_each(|line| room.recall(line));
        }
    }

    /// Asks for lines that are older than those that we have, when one sees the first.
    fn want_older(&mut self) {
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

    fn heard(&mut self, line: &Line, emote: bool) {
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

    fn heard_private(&mut self, line: &Line) {
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
    fn sent(&mut self, to: &str, text: &str, at: i64) {
        let place = self.rooms.iter().position(|room| room.has_pending_to(to, text));
        match place.and_then(|at| self.rooms.get_mut(at)) {
            Some(room) => room.sent(to, text, at),
            None => self.active_room().sent(to, text, at),
        };
        self.log(None, at, format!("[you -> {to}] {text}"));
    }

    fn renamed(&mut self, old: &str, new: &str) {
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
    fn call(&mut self, what: Call, from: &str, text: &str, is_shown: bool) {
        if what <= self.settings.bell {
            self.acts.push(Act::Ring);
        }
        let is_looking = self.has_focus == Some(true) && is_shown;
        if self.settings.notify != Notify::Off && !is_looking {
            self.acts.push(Act::Notify { title: from.to_owned(), text: text.to_owned() });
        }
    }

    // ── rooms ──

    fn active_room(&mut self) -> &mut Room {
        match self.rooms.get_mut(self.active) {
            Some(room) => room,
            None => &mut self.nowhere,
        }
    }

    fn room_mut(&mut self, name: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == name)
    }

    /// A sentence in a room that is there, or else in the one that is shown.
    fn notice(&mut self, room: Option<&str>, text: &str) {
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

    fn refusal(&mut self, room: Option<&str>, text: &str) {
        let (at, text) = (self.unix(), text.to_owned());
        let place = match room.and_then(|name| self.rooms.iter().position(|it| it.name == name)) {
            Some(at) => &mut self.rooms[at],
            None => self.active_room(),
        };
        place.push(at, Body::Refused(text));
    }

    fn log(&mut self, room: Option<&str>, at: i64, text: String) {
        self.acts.push(Act::Log { room: room.map(str::to_owned), at, text });
    }

    /// A file for the log cannot be written any more.
    pub(super) fn handle_log_failure(&mut self, why: &str) {
        self.refusal(None, why);
    }

    fn remove(&mut self, name: &str) {
        let Some(at) = self.rooms.iter().position(|room| room.name == name) else { return };
        self.store_draft();
        self.rooms.remove(at);
        if at < self.active || self.active == self.rooms.len() {
            self.active = self.active.saturating_sub(1);
        }
        self.look();
    }

    /// Shows this room.
    fn show(&mut self, at: usize) {
        self.store_draft();
        if at != self.active {
            // What was new there has been seen.
            self.active_room().divider = None;
        }
        self.active = at;
        self.look();
    }

    fn store_draft(&mut self) {
        let line = match self.question {
            Some(_) => std::mem::take(&mut self.held),
            None => self.editor.take(),
        };
        self.active_room().draft = line;
    }

    /// The room that is shown is looked at.
    fn look(&mut self) {
        let draft = std::mem::take(&mut self.active_room().draft);
        match self.question {
            Some(_) => self.held = draft,
            None => self.editor.set(draft),
        }
        self.active_room().read();
    }

    fn join(&mut self, name: &str, key: Option<&str>) {
        self.asked.push(name.to_owned());
        let mut message = json!({"type": "join", "room": name});
        if let Some(key) = key {
            message["text"] = json!(key);
        }
        self.send(message);
    }

    /// The window of the terminal is looked at, or not any more.
    pub(super) fn handle_focus(&mut self, has_focus: bool) {
        self.has_focus = Some(has_focus);
        if has_focus {
            self.active_room().read();
        } else {
            self.active_room().divider = None;
        }
    }
}

/// A line as plain text.
fn line_of(from: &str, text: &str, emote: bool) -> String {
    if emote { format!("** {from} {text}") } else { format!("{from}: {text}") }
}

/// Whether `text` has this name in it, in any case and not within a longer word. Only ASCII
/// letters, digits and `_` make a word longer, since not every script has spaces between words.
fn is_mentioned(me: &str, text: &str) -> bool {
    let (me, text) = (me.to_lowercase(), text.to_lowercase());
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !me.is_empty()
        && text.match_indices(&me).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + me.len()..]);
            !goes_on(before.chars().next_back()) && !goes_on(after.chars().next())
        })
}

//! The client in a pipe: each line of the input is said, what others say is printed, and the exit
//! code tells whether all was said.
//!
//! [`Pipe`] is what that means, without a socket; [`run`] is what carries it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc;
use std::thread;

use chinwag::server::present;
use chinwag::text::is_blank;
use serde_json::{Value, json};

use super::link::{End, Happened, Link, Target};
use super::message::{Entered, Line, ServerMessage};
use super::pulse::Pulse;
use super::words::Lang;
use super::{Identity, LONG};
use crate::Failure;

/// Lines that are on their way at once. What comes faster waits in the pipe.
const UNCONFIRMED_MAX: usize = 64;

/// What a key of ours begins with; the rest is a number.
const KEY: &str = "p";

/// What the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Password,
    Account,
    Nickname,
}

/// A conversation in a pipe.
#[derive(Debug)]
struct Pipe {
    lang: Lang,
    identity: Identity,
    /// The rooms to be in besides the one in which all begin, with their `#`; lines are said in the
    /// first.
    rooms: Vec<String>,
    /// Those of them that are still to be joined.
    to_join: Vec<String>,
    me: Option<String>,
    question: Option<Question>,
    /// The room in which lines are said.
    room: String,
    /// The key of a `/join` to another, while that is not answered, and the lines behind it with
    /// their numbers: they are for that room.
    going: Option<String>,
    waiting: VecDeque<(u64, String)>,
    line_bytes_max: usize,
    /// Lines that came from the input, and those that were asked for.
    lines: u64,
    asked: u64,
    has_ended: bool,
    is_leaving: bool,
    /// The numbers of lines that are not confirmed, by their keys.
    unconfirmed: BTreeMap<String, u64>,
    /// Why a line was not said, that is the first.
    refused: Option<String>,
    sends: Vec<Value>,
    prints: Vec<String>,
    end: Option<Result<(), String>>,
}

impl Pipe {
    fn new(lang: Lang, identity: Identity, rooms: Vec<String>) -> Pipe {
        Pipe {
            lang,
            identity,
            to_join: rooms.clone(),
            rooms,
            me: None,
            question: None,
            room: String::new(),
            going: None,
            waiting: VecDeque::new(),
            line_bytes_max: usize::MAX,
            lines: 0,
            asked: 0,
            has_ended: false,
            is_leaving: false,
            unconfirmed: BTreeMap::new(),
            refused: None,
            sends: Vec::new(),
            prints: Vec::new(),
            end: None,
        }
    }

    fn is_ready(&self) -> bool {
        self.is_in() && self.going.is_none()
    }

    /// Whether we are in all rooms that were wanted from the beginning.
    fn is_in(&self) -> bool {
        self.me.is_some() && self.to_join.is_empty()
    }

    /// How many lines of the input are wanted besides those that were asked for.
    fn poll_wanted(&mut self) -> u64 {
        let open = self.asked - self.lines;
        let most = match self.question {
            _ if self.has_ended || self.end.is_some() => 0,
            Some(_) => 1,
            None if self.is_ready() => {
                UNCONFIRMED_MAX.saturating_sub(self.unconfirmed.len()) as u64
            }
            None => 0,
        };
        let wanted = most.saturating_sub(open);
        self.asked += wanted;
        wanted
    }

    /// A line of the input.
    fn line(&mut self, line: &str) {
        self.lines += 1;
        match self.question.take() {
            Some(question) => self.answer(question, line),
            None if self.has_ended => {}
            None => {
                self.waiting.push_back((self.lines, line.to_owned()));
                self.say_waiting();
            }
        }
    }

    fn answer(&mut self, question: Question, answer: &str) {
        self.sends.push(match question {
            Question::Password | Question::Account => json!({"type": "password", "text": answer}),
            Question::Nickname => json!({"type": "nick", "name": answer}),
        });
    }

    /// Says lines, up to one that goes to another room.
    fn say_waiting(&mut self) {
        while self.going.is_none()
            && let Some((number, line)) = self.waiting.pop_front()
        {
            self.say(number, &line);
        }
    }

    fn say(&mut self, number: u64, line: &str) {
        // The server does not answer to what says nothing.
        if is_blank(line) {
            return;
        }
        if line.len() > self.line_bytes_max {
            let (count, max) = (line.len(), self.line_bytes_max);
            self.refuse(format!("line {number} has {count} bytes, and may have {max}"));
            return;
        }
        let key = format!("{KEY}{number}");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut message = match &*word.to_ascii_lowercase() {
            "/quit" => {
                self.has_ended = true;
                return self.leave(rest);
            }
            "/me" if !rest.trim().is_empty() => json!({"type": "me", "text": rest}),
            "/join" | "/j" if !rest.trim().is_empty() && self.rooms.is_empty() => {
                self.going = Some(key.clone());
                json!({"type": "say", "text": line})
            }
            _ => json!({"type": "say", "text": line}),
        };
        if !line.starts_with('/') || line.starts_with("//") || message["type"] == "me" {
            self.unconfirmed.insert(key.clone(), number);
        }
        message["room"] = json!(self.room);
        message["key"] = json!(key);
        self.sends.push(message);
    }

    /// The input has ended.
    fn end_of_input(&mut self) {
        self.has_ended = true;
        if self.question.is_some() {
            self.end = Some(Err(match self.question {
                Some(Question::Nickname) => "no nickname was given; say --nick".to_owned(),
                _ => "no password was given; set CHINWAG_PASSWORD".to_owned(),
            }));
        }
        self.leave("");
    }

    /// Takes leave as soon as we are in; the server answers everything before that.
    fn leave(&mut self, words: &str) {
        if self.is_ready() && self.has_ended && !self.is_leaving {
            self.is_leaving = true;
            self.sends.push(json!({"type": "quit", "text": words}));
        }
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// The connection is over.
    fn closed(&mut self, end: End) {
        let unsaid = self.unconfirmed.len();
        let ended = match end {
            End::Unreachable(why) => Err(why),
            End::Wrong(sentence) => Err(sentence.trim_end_matches('.').to_owned()),
            End::Code(1000 | 1001) if unsaid == 0 && self.me.is_some() => Ok(()),
            _ if self.me.is_none() => Err("the server has closed the connection".to_owned()),
            End::Lost(_) | End::Code(_) if unsaid > 0 => {
                Err(format!("the connection has ended, and {unsaid} lines are not confirmed"))
            }
            End::Lost(why) => Err(format!("the connection has ended: {why}")),
            End::Code(_) => Err("the server has closed the connection".to_owned()),
        };
        let ended = ended.and(self.refused.take().map_or(Ok(()), Err));
        self.end.get_or_insert(ended);
    }

    /// The server tells something.
    fn message(&mut self, message: ServerMessage) {
        let lang = self.lang;
        match message {
            ServerMessage::Password => self.ask(Question::Password),
            ServerMessage::Login { .. } => self.ask(Question::Account),
            ServerMessage::Ask { motd, line_bytes_max } => {
                self.line_bytes_max = line_bytes_max;
                motd.iter().for_each(|text| self.notice(None, text));
                self.ask(Question::Nickname);
            }
            ServerMessage::Welcome { name, entered, .. } => self.enter(name, entered),
            ServerMessage::Ack { key, .. } => drop(self.unconfirmed.remove(&key)),
            ServerMessage::Refused { why, room: Some(room), key, .. }
                if why == "already_in" && key.is_some() && key == self.going =>
            {
                self.going = None;
                self.room = room;
                self.say_waiting();
                self.leave("");
            }
            ServerMessage::Refused { text, key, .. } => self.refused(text.of(lang), key),
            ServerMessage::Out { text, room: None } => {
                self.end = Some(Err(text.of(lang).trim_end_matches('.').to_owned()));
            }
            ServerMessage::Goodbye => self.notice(None, lang.goodbye()),
            ServerMessage::Stopping => self.notice(None, lang.stopping()),
            other => self.told(other),
        }
    }

    fn ask(&mut self, question: Question) {
        let answer = match question {
            Question::Password => self.identity.server_password.take(),
            Question::Account => self.identity.password.take(),
            Question::Nickname => self.identity.nick.clone(),
        };
        match answer {
            Some(answer) => self.answer(question, &answer),
            None => self.question = Some(question),
        }
        if self.has_ended {
            self.end_of_input();
        }
    }

    fn enter(&mut self, name: String, entered: Entered) {
        let is_first = self.me.is_none();
        self.me = Some(name);
        self.question = None;
        let is_it = |room: &String| room.to_lowercase() == entered.room.to_lowercase();
        if is_first {
            self.to_join.retain(|room| !is_it(room));
            for room in &self.to_join {
                self.sends.push(json!({"type": "join", "room": room}));
            }
        } else {
            self.to_join.retain(|room| !is_it(room));
        }
        let is_ours = self.rooms.is_empty() || self.rooms.iter().any(is_it);
        if is_ours {
            let is_main = self.rooms.first().is_none_or(is_it);
            if is_main {
                self.room.clone_from(&entered.room);
            }
            let me = self.me.clone().unwrap_or_default();
            let here = self.lang.welcome(&me, &entered.room, &entered.members);
            self.notice(None, &here);
            for line in entered.history {
                self.again(&line);
            }
        }
        self.going = None;
        self.say_waiting();
        self.leave("");
    }

    /// A line of the history, behind its time.
    fn again(&mut self, message: &ServerMessage) {
        let (ServerMessage::Say(line) | ServerMessage::Me(line)) = message else { return };
        let minutes = line.at.div_euclid(60).rem_euclid(24 * 60);
        let time = format!("[{:02}:{:02}] ", minutes / 60, minutes % 60);
        let emote = matches!(message, ServerMessage::Me(_));
        self.said(line, emote, &time);
    }

    fn refused(&mut self, text: &str, key: Option<String>) {
        let why = text.trim_end_matches('.');
        if !self.is_in() {
            self.end = Some(Err(why.to_owned()));
        } else if let Some(key) = key {
            let is_of_join = self.going.as_ref() == Some(&key);
            let number = self.unconfirmed.remove(&key);
            let number = number.or_else(|| key.strip_prefix(KEY)?.parse().ok());
            self.refuse(match number {
                Some(number) => format!("line {number} was refused: {why}"),
                None => why.to_owned(),
            });
            if is_of_join {
                // What is behind it is for no other room.
                (self.going, self.has_ended) = (None, true);
                self.waiting.clear();
                self.leave("");
            }
        }
        self.prints.push(format!("! {text}"));
    }

    /// What is only printed.
    fn told(&mut self, message: ServerMessage) {
        let lang = self.lang;
        match message {
            ServerMessage::Say(line) if self.is_others(&line) => self.said(&line, false, ""),
            ServerMessage::Me(line) if self.is_others(&line) => self.said(&line, true, ""),
            ServerMessage::Msg(line) => {
                self.print(None, &format!("[{} -> you] ", line.from), &line.text);
            }
            ServerMessage::Sent { to, text, .. } => {
                self.print(None, &format!("[you -> {to}] "), &text);
            }
            ServerMessage::Join { names, count, room } => {
                let told = format!("{} {}", lang.came(&lang.listed(&names)), lang.here(count));
                self.notice(Some(&room), &told);
            }
            ServerMessage::Leave { names, count, room, .. } => {
                let told = format!("{} {}", lang.went(&lang.listed(&names)), lang.here(count));
                self.notice(Some(&room), &told);
            }
            ServerMessage::Nick { old, new } => {
                if self.me.as_ref() == Some(&old) {
                    self.me = Some(new.clone());
                }
                self.notice(None, &lang.renamed(&old, &new));
            }
            ServerMessage::Out { room: Some(room), text } => {
                if room == self.room {
                    self.end = Some(Err(text.of(lang).trim_end_matches('.').to_owned()));
                }
                self.notice(None, text.of(lang));
            }
            other => self.answered(other),
        }
    }

    /// An answer to a command.
    fn answered(&mut self, message: ServerMessage) {
        let lang = self.lang;
        match message {
            ServerMessage::Who { members, count, room } => {
                self.notice(room.as_deref(), &lang.members(&members, count));
            }
            ServerMessage::Topic { text, by, room } => {
                self.notice(room.as_deref(), &lang.topic(&text, by.as_deref()));
            }
            ServerMessage::Invite { from, room } => self.notice(None, &lang.invited(&from, &room)),
            ServerMessage::Part { room } if room == self.room => {
                self.end = Some(Err(lang.parted(&room).trim_end_matches(['.', '。']).to_owned()));
            }
            ServerMessage::Rooms { rooms, .. } => {
                rooms.iter().for_each(|listed| self.notice(None, &listed.text()));
            }
            ServerMessage::History { lines, .. } if lines.is_empty() => {
                self.notice(None, lang.nothing_found());
            }
            ServerMessage::History { lines, .. } => {
                lines.iter().for_each(|line| self.again(line));
            }
            ServerMessage::Found { lines, .. } if lines.is_empty() => {
                self.notice(None, lang.nothing_found());
            }
            ServerMessage::Found { lines, .. } => {
                for found in lines {
                    self.print(None, &format!("{} {}: ", found.room, found.from), &found.text);
                }
            }
            ServerMessage::Help { commands } => {
                commands.iter().for_each(|help| self.notice(None, &help.text(lang)));
            }
            ServerMessage::Removed { room, text, .. } => self.notice(Some(&room), text.of(lang)),
            ServerMessage::Rank { room, text } | ServerMessage::Set { room, text } => {
                self.notice(room.as_deref(), text.of(lang));
            }
            ServerMessage::Account { text, .. }
            | ServerMessage::Settings { text }
            | ServerMessage::Notice { text, .. }
            | ServerMessage::Ignoring { text } => self.notice(None, text.of(lang)),
            _ => {}
        }
    }

    fn is_others(&self, line: &Line) -> bool {
        line.again || self.me.as_ref() != Some(&line.from)
    }

    fn said(&mut self, line: &Line, emote: bool, time: &str) {
        let Line { from, text, room, .. } = line;
        let head = if emote { format!("{time}** {from} ") } else { format!("{time}{from}: ") };
        self.print(room.as_deref(), &head, text);
    }

    fn notice(&mut self, room: Option<&str>, text: &str) {
        self.print(room, "* ", text);
    }

    /// A text in a room, or in none, behind its head. Each line of it has that head, so that none
    /// looks as if somebody else had said it.
    fn print(&mut self, room: Option<&str>, head: &str, text: &str) {
        let is_ours = |room: &str| {
            self.rooms.is_empty()
                || self.rooms.iter().any(|ours| ours.to_lowercase() == room.to_lowercase())
        };
        let Some(room) = room else {
            return self.prints.extend(text.lines().map(|line| format!("{head}{line}")));
        };
        if is_ours(room) {
            let place = if self.rooms.len() > 1 { format!("{room} ") } else { String::new() };
            self.prints.extend(text.lines().map(|line| format!("{place}{head}{line}")));
        }
    }
}

enum Event {
    Link(Happened),
    Line(String),
    EndOfInput,
    InputFailed(io::Error),
}

/// Passes lines on until all is said, or the connection ends, or nobody reads what is printed.
///
/// # Errors
/// Why not all was said.
pub(crate) fn run(
    target: Target,
    lang: Lang,
    identity: Identity,
    rooms: Vec<String>,
) -> Result<(), Failure> {
    let (events, happened) = mpsc::sync_channel(1000);
    let permits = read_input(events.clone());
    let link = Link::open(target, move |it| events.send(Event::Link(it)).is_ok());
    let mut pipe = Pipe::new(lang, identity, rooms);
    let mut pulse: Option<Pulse> = None;
    loop {
        let timeout =
            pulse.map_or(LONG, |it| it.deadline().saturating_duration_since(present().instant));
        let event = happened.recv_timeout(timeout);
        let now = present().instant;
        if let (Ok(Event::Link(_)), Some(pulse)) = (&event, &mut pulse) {
            pulse.heard(now);
        }
        match event {
            Ok(Event::Link(Happened::Open)) => pulse = Some(Pulse::new(now)),
            Ok(Event::Link(Happened::Text(text))) => {
                ServerMessage::parse(&text).into_iter().for_each(|it| pipe.message(it));
            }
            Ok(Event::Link(Happened::Pong(_))) | Err(_) => {}
            Ok(Event::Link(Happened::Closed(end))) => pipe.closed(end),
            Ok(Event::Line(line)) => pipe.line(&line),
            Ok(Event::EndOfInput) => pipe.end_of_input(),
            Ok(Event::InputFailed(error)) => {
                pipe.refuse(format!("cannot read the input: {error}"));
                pipe.end_of_input();
            }
        }
        if let Some(number) = pulse.as_mut().and_then(|pulse| pulse.poll(now)) {
            link.ping(number);
        }
        if pulse.is_some_and(|pulse| pulse.is_dead(now)) {
            pipe.closed(End::Lost("the server does not answer any more".to_owned()));
        }
        if !pass_on(&mut pipe, &link, &permits) {
            return Ok(());
        }
        if let Some(end) = pipe.end.take() {
            return end.map_err(|why| (crate::FAILED, format!("{why}.")));
        }
    }
}

/// Does what the pipe wants; `false` if nobody reads what is printed any more.
fn pass_on(pipe: &mut Pipe, link: &Link, permits: &mpsc::Sender<()>) -> bool {
    pipe.sends.drain(..).for_each(|message| link.send(message.to_string()));
    for _ in 0..pipe.poll_wanted() {
        // If the thread has ended, it has said so.
        let _ = permits.send(());
    }
    let mut stdout = io::stdout().lock();
    let printed = pipe.prints.drain(..).try_for_each(|line| writeln!(stdout, "{line}"));
    printed.and_then(|()| stdout.flush()).is_ok()
}

/// Reads a line of the input for each permit. This thread is not waited for: it may stand in a
/// read when all is over.
fn read_input(events: mpsc::SyncSender<Event>) -> mpsc::Sender<()> {
    let (permits, permitted) = mpsc::channel();
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        for () in permitted {
            let mut line = Vec::new();
            let event = match input.read_until(b'\n', &mut line) {
                Ok(0) => Event::EndOfInput,
                Ok(_) => {
                    let line = String::from_utf8_lossy(&line);
                    Event::Line(line.trim_end_matches(['\r', '\n']).to_owned())
                }
                Err(error) => Event::InputFailed(error),
            };
            let is_last = !matches!(event, Event::Line(_));
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    });
    permits
}

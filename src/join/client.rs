//! The client at a terminal, without a socket, a terminal or a clock: it is told what has come and
//! which keys were pressed, and says in [`Act`]s what is to be done, and in a [`Frame`] what is to
//! be seen.
//!
//! Here is the connection: how it is made, lost and made again. How one comes in is in `coming`,
//! what the server tells in `telling`, what is typed in `typing`, what is seen in `view`.

use std::time::{Duration, Instant};

use chinwag::Now;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Identity;
use super::complete::Completer;
use super::editor::Editor;
use super::link::End;
use super::message::ServerMessage;
use super::pulse::Pulse;
use super::room::Room;
use super::settings::Settings;
use super::words::Lang;
use rooms::Asked;

mod coming;
mod rooms;
mod telling;
#[cfg(test)]
mod tests;
mod typing;
mod view;

pub(super) use view::OTHER_ROWS;

/// Pauses between attempts to connect again, in milliseconds. For the first minute they are short,
/// so that after a restart of the server everybody is back within 5 seconds.
const PAUSES: [u64; 4] = [500, 1000, 2000, 3000];
const PAUSE_FIRST_MINUTE: u64 = 4000;
const PAUSES_LATER: [u64; 3] = [10_000, 20_000, 30_000];
const SHORT_PAUSES: usize = 19;

/// How long the server may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

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
    /// The shell gets the terminal back for a while, and those who were started with us stop as
    /// well, unless we are to stop alone.
    Suspend {
        alone: bool,
    },
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
    /// Rooms that we want to be in, and the server has not let us into.
    asked: Vec<Asked>,
    has_focus: Option<bool>,

    // What is typed.
    editor: Editor,
    /// What was being typed when a question came.
    held: String,
    completer: Completer,
    /// What was pasted, and is said only if that is wanted.
    pasted: Option<typing::Paste>,
    /// What the server wants to hear before it does something.
    confirmation: Option<String>,
}

impl Client {
    /// A client that has not connected, and wants to be in these rooms, whose names have their `#`.
    pub(super) fn new(
        lang: Lang,
        settings: Settings,
        identity: Identity,
        to_join: Vec<String>,
        (zone, now, dice): (TimeZone, Now, u64),
    ) -> Client {
        let asked = to_join.into_iter().enumerate();
        // The first of them is to be seen.
        let asked = asked.map(|(at, room)| Asked::new(room, None, (at == 0).then(String::new)));
        let asked = asked.collect();
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
            asked,
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
    #[cfg_attr(not(unix), allow(dead_code, reason = "no other system stops a program"))]
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
        // Where we were we come back to anyway.
        let rooms = &self.rooms;
        self.asked.retain(|asked| !rooms.iter().any(|room| asked.is_for(&room.name)));
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

    /// Somebody else wants us to be stopped for a while.
    #[cfg(unix)]
    pub(super) fn handle_stop(&mut self, now: Now) {
        self.now = now;
        self.acts.push(Act::Suspend { alone: true });
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
            ServerMessage::Welcome { name, token, entered } => self.welcome(&name, token, &entered),
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
}

/// A line as plain text.
fn line_of(from: &str, text: &str, emote: bool) -> String {
    if emote { format!("** {from} {text}") } else { format!("{from}: {text}") }
}

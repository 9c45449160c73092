//! What IRC clients ask for, and no others: each line is taken apart here, and either does what a
//! command does that all dialects have, or is answered at once.
//!
//! How somebody comes in is in `coming.rs`, what they do in rooms in `acts.rs`, what they say in
//! `lines.rs`, what they ask about others in `queries.rs` and about themselves and the server in
//! `facts.rs`, what was said before in `history.rs` and what happened in `happened.rs`, up to where
//! they have read in `markers.rs`, whom they watch in `monitor.rs`, and messages of several lines
//! in `multiline.rs`. The bytes are in `dialect/irc/`.

mod acts;
mod coming;
mod facts;
mod happened;
mod history;
mod lines;
mod markers;
mod monitor;
mod multiline;
mod queries;

use std::borrow::Cow;
use std::collections::VecDeque;

use self::markers::Markers;
use self::monitor::Watchers;
use super::Hub;
use crate::author::Person;
use crate::chat::{RoomKey, UserKey};
use crate::dialect::Dialect;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::message::{Message, escape};
use crate::dialect::irc::numeric::{
    ERR_NEEDMOREPARAMS, ERR_NOTREGISTERED, ERR_UNKNOWNCOMMAND, Replies, one_word,
};
use crate::dialect::irc::{SERVER, Session, Verb};
use crate::dialect::phrases::WELCOME_MAX;
use crate::event::CloseReason;
use crate::hub::connection::{Connection, State, Wait, Waiting};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::rights::Setting;
use crate::text;

/// So many who have gone are remembered, for WHOWAS.
const GONE_MAX: usize = 500;

/// The longest label of an answer, in bytes.
const LABEL_BYTES_MAX: usize = 64;

/// What is known for IRC clients alone.
#[derive(Debug, Default)]
pub(super) struct Irc {
    /// When the server began, in seconds since 1970.
    pub(super) began: u64,
    /// Who has gone, the last at the end.
    gone: VecDeque<Gone>,
    /// Who wants to know when somebody comes or goes.
    watchers: Watchers,
    /// Long answers that wait until others have been read.
    late: VecDeque<Late>,
    /// How many people there were at most, as far as anybody has asked.
    most: usize,
    /// How many batches there have been.
    batches: u64,
    /// While something with a label is done: what somebody says to themselves, which comes to them
    /// without the label, and is no part of the answer.
    apart: Option<Vec<u8>>,
    /// While a MODE is done: what it has set until now.
    set: Option<Vec<Setting>>,
    /// Up to where people have read.
    markers: Markers,
}

/// Somebody who has gone.
#[derive(Debug)]
struct Gone {
    name: Nickname,
    person: Person,
    at: u64,
}

/// A long answer that waits.
#[derive(Debug)]
struct Late {
    key: ConnectionKey,
    what: Listed,
    label: Option<String>,
}

/// What is long.
#[derive(Clone, Debug)]
enum Listed {
    /// Who is in a room; and the end of it, with what was asked for, if no other room comes.
    Names(Option<RoomKey>, Option<String>),
    /// Who may not come into a room.
    Bans(RoomKey),
    /// WHO, with these parameters.
    Who(Vec<String>),
}

impl Irc {
    pub(super) fn new(began: u64) -> Irc {
        Irc { began, ..Irc::default() }
    }
}

impl Hub {
    /// Does what a line asks for.
    pub(super) fn execute_irc(&mut self, key: ConnectionKey, line: &str) {
        let Some(message) = Message::parse(line) else { return };
        let label = self.label_of(key, &message);
        // What begins with a batch is answered when that has ended.
        let begins = Verb::of(message.command) == Verb::Batch
            && message.parameter(0).is_some_and(|it| it.starts_with('+'));
        let Some(label) = label.filter(|_| !begins) else {
            return self.execute_parsed(key, &message);
        };
        let waits = self.begin_answer(key);
        self.irc.apart = Some(Vec::new());
        self.execute_parsed(key, &message);
        // What it is told about its own coming belongs to the answer.
        if let Some(user) = self.connections[key].user() {
            self.flush_presence_of(user);
        }
        self.label(key, &label, waits);
    }

    /// What the answer to a message is to be labeled with; a label that is too long is none.
    fn label_of<'m>(&self, key: ConnectionKey, message: &Message<'m>) -> Option<Cow<'m, str>> {
        let has_labels = self.caps_of(key).has(Caps::LABELED_RESPONSE);
        let label = message.tag("label").filter(|_| has_labels)?;
        (1..=LABEL_BYTES_MAX).contains(&label.len()).then_some(label)
    }

    /// Puts a label on all that `key` is told since so many bytes waited for it.
    fn label(&mut self, key: ConnectionKey, label: &str, waits: usize) {
        let apart = self.irc.apart.take().unwrap_or_default();
        let answer = self.connections[key].outbox.take_inserts(waits);
        self.send(key, &apart);
        if answer.is_empty()
            && let Some(waiting) = &mut self.connections[key].waiting
        {
            // The answer comes later.
            if let Some(asked) = &mut waiting.asked {
                asked.key = Some(label.to_owned());
                return;
            }
            if let Some(late) = self.irc.late.iter_mut().find(|late| late.key == key) {
                late.label = Some(label.to_owned());
                return;
            }
        }
        self.irc.batches += 1;
        let answer = labeled(&answer, label, self.irc.batches);
        self.send(key, &answer);
    }

    /// If something with a label is being done, what `key` was told since so many bytes waited for
    /// it does not belong to the answer.
    pub(super) fn set_apart(&mut self, key: ConnectionKey, waits: usize) {
        if let Some(apart) = &mut self.irc.apart {
            apart.extend(self.connections[key].outbox.take_inserts(waits));
        }
    }

    /// The answer to something that `key` has asked for earlier begins; returns what
    /// [`end_answer`](Self::end_answer) needs.
    pub(super) fn begin_answer(&self, key: ConnectionKey) -> usize {
        self.connections[key].outbox.insert_bytes()
    }

    /// It is over, and had this label.
    pub(super) fn end_answer(&mut self, key: ConnectionKey, label: Option<&str>, waits: usize) {
        if let Some(label) = label
            && self.connections[key].session.irc().is_some()
        {
            self.label(key, label, waits);
        }
    }

    fn execute_parsed(&mut self, key: ConnectionKey, message: &Message<'_>) {
        let verb = Verb::of(message.command);
        if let Some(session) = self.connections[key].session.irc_mut() {
            session.asked = verb;
        }
        let user = self.connections[key].user();
        if let Some(user) = user.filter(|_| verb != Verb::Join) {
            self.flush_presence_of(user);
        }
        let needed = message.parameters().iter().take(verb.parameters_min());
        let is_short = message.parameters().len() < verb.parameters_min();
        match user {
            None if !verb.is_before_name() => {
                self.reply(key, |replies| replies.tell(ERR_NOTREGISTERED, &[]));
            }
            _ if verb == Verb::Unknown => {
                let word = text::clean(message.command);
                self.reply(key, |replies| replies.tell(ERR_UNKNOWNCOMMAND, &[&word]));
            }
            _ if is_short || needed.clone().any(|it| it.is_empty()) && verb != Verb::User => {
                self.reply(key, |replies| replies.tell(ERR_NEEDMOREPARAMS, &[verb.name()]));
            }
            None => self.execute_before_name(key, verb, message),
            Some(user) => self.execute_named((key, user), verb, message),
        }
    }

    fn execute_named(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        verb: Verb,
        message: &Message<'_>,
    ) {
        let who = (key, user);
        let given = message.parameters();
        match verb {
            Verb::Privmsg | Verb::Notice | Verb::TagMsg => self.irc_message(who, message),
            Verb::Batch => self.irc_batch(who, message),
            Verb::Join => self.irc_join(who, given),
            Verb::Part => self.irc_part(who, given),
            Verb::Topic => self.irc_topic(key, given),
            Verb::Invite => self.irc_invite(who, given),
            Verb::Kick => self.irc_kick(key, given),
            Verb::Mode => self.irc_mode(who, given),
            Verb::Names => self.irc_names(who, given),
            Verb::List => self.irc_list(who, given),
            Verb::Who => self.irc_who(who, given),
            Verb::Whois => self.irc_whois(who, given),
            Verb::Whowas => self.irc_whowas(key, given),
            Verb::UserHost => self.irc_userhost(who, given),
            Verb::Ison => self.irc_ison(key, given),
            Verb::Monitor => self.irc_monitor(key, given),
            Verb::ChatHistory => self.irc_chathistory(who, given),
            Verb::MarkRead => self.irc_markread(who, given),
            Verb::NickServ | Verb::Ns => self.irc_services(key, &given.join(" ")),
            Verb::Authenticate => self.irc_authenticate(key, given[0]),
            Verb::Ping | Verb::Cap => self.reply_in_session(key, message),
            Verb::Quit => {
                let words = given.first().copied().unwrap_or_default();
                self.execute_command(key, None, crate::event::Command::Quit(words));
            }
            _ => self.irc_of_itself(who, verb, given),
        }
    }

    // ── answering ────────────────────────────────────────────────────────────────────────────────

    /// What `key` has asked for of the protocol.
    pub(super) fn caps_of(&self, key: ConnectionKey) -> Caps {
        self.connections[key].session.irc().map(Session::caps).unwrap_or_default()
    }

    /// Has the session answer what is its own business, when the answer has a label.
    fn reply_in_session(&mut self, key: ConnectionKey, message: &Message<'_>) {
        let Hub { connections, chat, settings, .. } = self;
        let connection = &mut connections[key];
        let name = connection.any_user().map_or("", |user| chat.name(user));
        let Some(session) = connection.session.irc_mut() else { return };
        let mut out = Vec::new();
        session.reply(message, name, settings.has_accounts, &mut out);
        self.send(key, &out);
        self.note_encoding(key);
    }

    /// What `key` is called, or `*`.
    fn nick_of(&self, key: ConnectionKey) -> String {
        let user = self.connections[key].any_user();
        user.map_or("*", |user| self.chat.name(user)).to_owned()
    }

    /// Answers `key`.
    pub(super) fn reply(&mut self, key: ConnectionKey, write: impl FnOnce(&mut Replies<'_>)) {
        let nick = self.nick_of(key);
        let mut out = Vec::new();
        write(&mut Replies { nick: &nick, out: &mut out });
        self.send(key, &out);
    }

    /// Tells that something failed, as standard replies have it, with what that is about.
    fn fail(
        &mut self,
        key: ConnectionKey,
        verb: Verb,
        code: &str,
        (context, why): (&[&str], &str),
    ) {
        let context = context.iter().map(|word| text::clean(word));
        let context: String = context.map(|word| format!(" {}", one_word(&word))).collect();
        self.reply(key, |replies| {
            replies.server(&["FAIL ", verb.name(), " ", code, &context, " :", why]);
        });
    }

    /// If somebody wants what all are told to be written otherwise than before, so it is from here
    /// on.
    pub(super) fn note_encoding(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        let Some(session) = connection.session.irc() else { return };
        let dialect = Dialect::Irc(session.encoding());
        if connection.dialect == dialect {
            return;
        }
        let rooms = connection.user().map(|user| self.rooms_of(user)).unwrap_or_default();
        let reading = rooms.into_iter();
        let reading = reading.filter(|room| !self.channels[room.place()].is_unannounced(key));
        let reading: Vec<_> = reading.collect();
        reading.iter().for_each(|room| self.detach(key, *room));
        self.connections[key].dialect = dialect;
        reading.iter().for_each(|room| self.attach(key, *room));
    }

    // ── long answers ─────────────────────────────────────────────────────────────────────────────

    /// Tells `key` something long at once; or, if enough of that kind has been made in this turn,
    /// in a later one, until which it is not listened to.
    fn tell_listed(&mut self, key: ConnectionKey, what: Listed) {
        if !self.lists.has_made_enough() {
            return self.tell_list(key, &what);
        }
        self.irc.late.push_back(Late { key, what, label: None });
        let waiting = &mut self.connections[key].waiting;
        waiting.get_or_insert_with(|| Box::new(Waiting::new(Wait::Answer)));
    }

    fn tell_list(&mut self, key: ConnectionKey, what: &Listed) {
        let Some(user) = self.connections[key].user() else { return };
        // If too much waits to be read, it is a part of it.
        let max = if self.lists.is_full() { WELCOME_MAX } else { usize::MAX };
        let bytes = match what {
            Listed::Names(room, end) => self.names_of((key, user), (*room, end.as_deref()), max),
            Listed::Bans(room) if self.chat.has_room(*room) => self.bans_of(key, *room),
            Listed::Bans(_) => return,
            Listed::Who(given) => {
                self.lists.note_search(self.searched_by(given));
                self.who_of((key, user), given, max)
            }
        };
        let list = self.lists.share(None, bytes);
        self.connections[key].outbox.insert_shared(&self.journals, list);
        self.connections.touch(key);
    }

    /// Whether anybody waits for something long.
    pub(super) fn has_late_answers(&self) -> bool {
        !self.irc.late.is_empty()
    }

    /// Tells what waits, as long as it is not too much.
    pub(super) fn tell_late(&mut self) {
        for _ in 0..self.irc.late.len() {
            if self.lists.has_made_enough() {
                return;
            }
            let Some(Late { key, what, label }) = self.irc.late.pop_front() else { return };
            if self.connections.get(key).and_then(Connection::user).is_none() {
                continue;
            }
            let waits = self.begin_answer(key);
            self.tell_list(key, &what);
            self.end_answer(key, label.as_deref(), waits);
            let is_last = self.irc.late.iter().all(|late| late.key != key);
            if let Some(waiting) = &mut self.connections[key].waiting
                && is_last
                && waiting.why == Wait::Answer
                && waiting.asked.is_none()
            {
                waiting.why = Wait::Turn;
                self.await_turn(key);
            }
        }
    }

    // ── who has gone ─────────────────────────────────────────────────────────────────────────────

    /// Somebody has gone, or has another name now: they may be asked for by the one they had.
    pub(super) fn note_gone(&mut self, name: &Nickname, person: Person) {
        if !self.has_irc() {
            return;
        }
        self.irc.gone.push_back(Gone { name: name.clone(), person, at: self.now.unix_seconds });
        if self.irc.gone.len() > GONE_MAX {
            self.irc.gone.pop_front();
        }
    }

    /// Whether somebody who is asked for more before they come in is still there to be asked.
    fn is_registering(&self, key: ConnectionKey) -> bool {
        matches!(self.connections[key].state, State::AwaitingNick { .. })
    }

    fn quit_before_name(&mut self, key: ConnectionKey) {
        self.close(key, CloseReason::Quit, "");
    }
}

/// An answer with its label: on its only line, or around its lines.
fn labeled(answer: &[u8], label: &str, batch: u64) -> Vec<u8> {
    let (answer, label) = (String::from_utf8_lossy(answer), escape(label));
    let lines: Vec<_> = answer.split_terminator("\r\n").collect();
    match lines[..] {
        [] => format!("@label={label} :{SERVER} ACK\r\n").into_bytes(),
        [only] => format!("{}\r\n", tagged(only, &format!("label={label}"))).into_bytes(),
        // It is a batch already.
        [first, ref rest @ .., last] if is_batch(first, last) => {
            let mut out = tagged(first, &format!("label={label}"));
            for line in rest.iter().chain([&last]) {
                out += "\r\n";
                out += line;
            }
            (out + "\r\n").into_bytes()
        }
        _ => {
            let mut out = format!("@label={label} :{SERVER} BATCH +{batch} labeled-response\r\n");
            for line in lines {
                out += &tagged(line, &format!("batch={batch}"));
                out += "\r\n";
            }
            out += &format!(":{SERVER} BATCH -{batch}\r\n");
            out.into_bytes()
        }
    }
}

/// Whether a batch begins with this line and ends with that.
fn is_batch(first: &str, last: &str) -> bool {
    let reference = |line: &str, sign: &str| {
        let (_, behind) = line.split_once(" BATCH ")?;
        let reference = behind.split(' ').next()?.strip_prefix(sign)?;
        Some(reference.to_owned())
    };
    let begun = reference(first, "+");
    begun.is_some() && begun == reference(last, "-")
}

/// A line with one tag more, unless it is part of a batch within.
fn tagged(line: &str, tag: &str) -> String {
    match line.strip_prefix('@') {
        Some(rest) if rest.split(' ').next().is_some_and(|tags| tags.contains("batch=")) => {
            line.to_owned()
        }
        Some(rest) => format!("@{tag};{rest}"),
        None => format!("@{tag} {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_on_one_line_or_around_several() {
        let told = |answer: &str| String::from_utf8(labeled(answer.as_bytes(), "x", 7)).unwrap();
        assert_eq!(told(""), "@label=x :irc.chinwag ACK\r\n");
        assert_eq!(told("PONG\r\n"), "@label=x PONG\r\n");
        assert_eq!(told("@time=1 PONG\r\n"), "@label=x;time=1 PONG\r\n");
        assert_eq!(
            told("A\r\n@time=1 B\r\n@batch=3 C\r\n"),
            "@label=x :irc.chinwag BATCH +7 labeled-response\r\n@batch=7 A\r\n\
             @batch=7;time=1 B\r\n@batch=3 C\r\n:irc.chinwag BATCH -7\r\n"
        );
    }
}

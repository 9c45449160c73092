//! What IRC clients say: to rooms, to those in them who have a rank, to somebody alone, and to the
//! services that other IRC networks have.

use crate::author::Extra;
use crate::chat::{EntryId, Fact, MaybeExtra, RoomKey, UserKey};
use crate::dialect::Dialect;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::encode::mark_of;
use crate::dialect::irc::message::Message;
use crate::dialect::irc::numeric::{
    ERR_CANNOTSENDTOCHAN, ERR_NORECIPIENT, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_NOTEXTTOSEND,
    ERR_TOOMANYTARGETS, RPL_AWAY,
};
use crate::dialect::irc::{LINE_BYTES_MAX, Verb, format};
use crate::event::{Change, Command, Event, Refusal};
use crate::hub::Hub;
use crate::key::ConnectionKey;
use crate::order::AccountCommand;
use crate::rights::Rank;
use crate::text;

/// So many can be spoken to at once.
pub(super) const TARGETS_MAX: usize = 4;

/// What other networks call those who look after accounts.
const SERVICES: &str = "NickServ";

/// Somebody who asks, and who they are.
type Who = (ConnectionKey, UserKey);

/// What somebody says, and how.
pub(super) struct Said<'a> {
    /// As it came.
    raw: &'a str,
    /// Without formatting codes, and without what makes an action of it.
    plain: String,
    is_action: bool,
    /// It is for the other program, and not for people.
    is_ctcp: bool,
    extra: Option<Box<Extra>>,
}

impl<'a> Said<'a> {
    pub(super) fn new(raw: &'a str, tags: String, is_notice: bool) -> Said<'a> {
        let ctcp =
            raw.strip_prefix('\x01').map(|inside| inside.strip_suffix('\x01').unwrap_or(inside));
        let action = ctcp.and_then(|inside| {
            let inside = inside.strip_prefix("ACTION").filter(|_| !is_notice)?;
            Some(inside.strip_prefix(' ').unwrap_or(inside))
        });
        let said = action.unwrap_or(raw);
        let plain = format::plain(said);
        let formatted = if *plain == *said { String::new() } else { format::cleaned(said) };
        let is_ctcp = ctcp.is_some() && action.is_none();
        let formatted = match ctcp.filter(|_| is_ctcp) {
            Some(inside) => in_ctcp(inside),
            None => formatted,
        };
        let has_extra = is_notice || !tags.is_empty() || !formatted.is_empty();
        let (formatted, tags) = (formatted.into(), tags.into());
        let extra = Extra { formatted, tags, is_notice, part: None };
        let extra = has_extra.then(|| Box::new(extra));
        Said { raw, plain: plain.into_owned(), is_action: action.is_some(), is_ctcp, extra }
    }

    /// Whether nothing of it would be seen.
    fn is_blank(&self) -> bool {
        !self.is_ctcp && text::is_blank(&text::clean(&self.plain))
    }
}

/// The room in a target that is for those alone who have a rank in it, such as `@#room`, and the
/// least such rank; `None` if it is for all, or for somebody.
fn ranked(target: &str) -> Option<(&str, Rank)> {
    let room = target.trim_start_matches(['@', '+']);
    let marks = &target[..target.len() - room.len()];
    let least = if marks.contains('+') { Rank::Voice } else { Rank::Operator };
    (room.starts_with('#') && !marks.is_empty()).then_some((room, least))
}

/// What goes from one program to another, without what would steer a terminal.
fn in_ctcp(inside: &str) -> String {
    format!("\x01{}\x01", format::cleaned(inside))
}

impl Hub {
    /// `PRIVMSG`, `NOTICE` and `TAGMSG`.
    pub(super) fn irc_message(&mut self, who: Who, message: &Message<'_>) {
        let verb = Verb::of(message.command);
        let is_silent = verb.is_silent();
        let tags = message.client_tags();
        if self.keep_in_batch(who.0, verb, message) {
            return;
        }
        let Some(targets) = message.parameter(0) else {
            let text = ERR_NORECIPIENT;
            return self.reply_unless(is_silent, who.0, |replies| replies.tell(text, &[]));
        };
        let text = message.parameters().get(1).copied().unwrap_or_default();
        let said = Said::new(text, tags.clone(), verb == Verb::Notice);
        if verb != Verb::TagMsg && said.is_blank() {
            let none = ERR_NOTEXTTOSEND;
            return self.reply_unless(is_silent, who.0, |replies| replies.tell(none, &[]));
        }
        let targets = targets.split(',').filter(|target| !target.is_empty());
        for (place, target) in targets.enumerate() {
            if verb == Verb::Privmsg && !self.fits_line(who.1, (verb, target), text) {
                return self.refuse(who.0, Refusal::LineTooLong(LINE_BYTES_MAX));
            }
            if place == TARGETS_MAX {
                let target = text::clean(target);
                self.reply_unless(is_silent, who.0, |replies| {
                    replies.tell(ERR_TOOMANYTARGETS, &[&target]);
                });
                return;
            }
            if self.connections[who.0].user().is_none() {
                return;
            }
            // To say it to several costs as much as to say it several times.
            if place > 0 {
                self.spend(who.0, 1, text.len());
            }
            match verb {
                Verb::TagMsg => self.irc_tags(who, target, &tags),
                _ => self.irc_say(who, target, &said),
            }
        }
    }

    /// Whether others can be told that in one line. Whoever says too much is told so, and not cut
    /// off without their knowledge; but nothing is ever answered to a NOTICE.
    fn fits_line(&self, user: UserKey, (verb, target): (Verb, &str), text: &str) -> bool {
        let Some(author) = self.chat.user(user).map(|user| self.chat.author(user)) else {
            return false;
        };
        let author = match author.mask {
            Some(mask) => author.name.len() + "!".len() + mask.len(),
            None => author.to_string().len(),
        };
        let around = ":".len() + "   :".len() + "\r\n".len();
        around + author + verb.name().len() + target.len() + text.len() <= LINE_BYTES_MAX
    }

    pub(super) fn irc_say(&mut self, who: Who, target: &str, said: &Said<'_>) {
        if target.eq_ignore_ascii_case(SERVICES) {
            return self.irc_services(who.0, said.raw);
        }
        let ranked = ranked(target);
        let room = ranked.map_or(target, |(room, _)| room);
        match ranked {
            _ if !room.starts_with('#') => self.say_to_one(who, target, said),
            _ if said.is_ctcp => self.refuse_ctcp(who.0, room, said),
            Some(ranked) => self.say_to_ranks(who, ranked, said),
            None => self.say_to_room(who.0, room, said),
        }
    }

    fn say_to_room(&mut self, key: ConnectionKey, room: &str, said: &Said<'_>) {
        let command = match said.is_action {
            true => Command::Emote(&said.plain),
            false => Command::Say(&said.plain),
        };
        self.saying.clone_from(&said.extra);
        self.execute_command(key, Some(room), command);
        self.saying = None;
    }

    fn refuse_ctcp(&mut self, key: ConnectionKey, room: &str, said: &Said<'_>) {
        let (room, text) = (text::clean(room), "CTCP goes from one client to another only");
        let is_silent = said.extra.as_ref().is_some_and(|extra| extra.is_notice);
        self.reply_unless(is_silent, key, |replies| {
            replies.say(ERR_CANNOTSENDTOCHAN, &[&room], text);
        });
    }

    fn say_to_one(&mut self, (key, user): Who, target: &str, said: &Said<'_>) {
        let is_silent = said.extra.as_ref().is_some_and(|extra| extra.is_notice);
        let Some(to) = self.chat.find(target) else {
            let target = text::clean(target);
            return self.reply_unless(is_silent, key, |replies| {
                replies.tell(ERR_NOSUCHNICK, &[&target]);
            });
        };
        if said.is_ctcp && !self.speaks_irc(to) {
            return; // no program is there that would answer
        }
        let mut extra = said.extra.clone();
        let mut text = said.plain.clone();
        if said.is_action {
            // Whoever has no actions in private sees what it is.
            let raw = said.raw.trim_matches('\x01');
            extra.get_or_insert_default().formatted = in_ctcp(raw).into();
            text = format!("* {text}");
        }
        if to == user {
            let text = text::clean(&text).into_owned().into();
            self.propose(Fact::Told { user, to, text, extra });
        } else {
            self.saying = extra;
            self.execute_command(key, None, Command::Tell { to: target, text: &text });
            self.saying = None;
        }
        let away = self.chat.user(to).and_then(|of| self.chat.author(of).away.map(str::to_owned));
        if let Some(why) = away {
            let name = self.chat.name(to).to_owned();
            self.reply_unless(is_silent, key, |replies| replies.say(RPL_AWAY, &[&name], &why));
        }
    }

    /// Says something to those alone who have a rank in a room.
    fn say_to_ranks(&mut self, (key, user): Who, (room, least): (&str, Rank), said: &Said<'_>) {
        let Some(room) = self.room_to_write_to((key, user), room) else { return };
        let text = text::clean(&said.plain);
        if !self.send_to_ranks((key, user), (room, least), (&text, &said.extra)) {
            self.last_entry += 1;
            let when = (self.last_entry, self.now.unix_seconds);
            self.tell_ranks((user, room, least), (&text, said.extra.clone()), when);
        }
    }

    /// Somebody has said something to those alone who have a rank in a room.
    pub(in crate::hub) fn tell_ranks(
        &mut self,
        (user, room, least): (UserKey, RoomKey, Rank),
        (text, extra): (&str, MaybeExtra),
        (id, at): (EntryId, u64),
    ) {
        let readers = self.ranked_readers(user, room, least);
        let from = self.chat.name(user).to_owned();
        let title = self.ranked_title(room, least);
        self.extra = extra.map(|extra| *extra);
        self.acting = Some(user);
        for of in readers {
            let origin = self.chat.user(of).and_then(|of| of.origin);
            match origin.filter(|_| self.speaks_irc(of)) {
                Some(origin) => {
                    let event = Event::Said { from: &from, text, at, id };
                    self.tell_titled(origin, Some(&title), &event);
                }
                None => {
                    let text = format!("{title}: {text}");
                    let event = Event::Told { from: &from, text: &text, at, id };
                    self.tell_user(of, origin, None, &event);
                }
            }
        }
        let origin = self.chat.user(user).and_then(|user| user.origin);
        if let Some(key) = origin.filter(|key| self.caps_of(*key).wants_echo()) {
            let event = Event::Said { from: &from, text, at, id };
            self.tell_titled(key, Some(&title), &event);
        }
        (self.extra, self.acting) = (None, None);
    }

    /// What a room is called in what is for those alone who have at least that rank there.
    fn ranked_title(&self, room: RoomKey, least: Rank) -> String {
        format!("{}{}", mark_of(Some(least), false), self.chat[room].title())
    }

    /// Those besides somebody who have at least that rank in a room, and do not ignore them.
    fn ranked_readers(&self, user: UserKey, room: RoomKey, least: Rank) -> Vec<UserKey> {
        let ranks = self.chat.ranked_in(room);
        let readers = ranks.filter(|(of, rank)| *rank >= least && *of != user);
        let readers = readers.map(|(of, _)| of);
        readers.filter(|of| !self.chat.is_deaf_to(*of, user)).collect()
    }

    /// The room that somebody wants to write to without saying a line there, if they may.
    fn room_to_write_to(&mut self, (key, user): Who, channel: &str) -> Option<RoomKey> {
        let Some(room) = self.known_room(user, channel) else {
            let channel = text::clean(channel);
            self.reply(key, |replies| replies.tell(ERR_NOSUCHCHANNEL, &[&channel]));
            return None;
        };
        if !self.chat.may_write(user, room, self.now.unix_seconds) {
            let title = self.chat[room].title().to_string();
            self.reply(key, |replies| replies.tell(ERR_CANNOTSENDTOCHAN, &[&title]));
            return None;
        }
        Some(room)
    }

    /// Sends tags without a text.
    fn irc_tags(&mut self, (key, user): Who, target: &str, tags: &str) {
        if !self.caps_of(key).has(Caps::MESSAGE_TAGS) || tags.is_empty() {
            return;
        }
        self.last_entry += 1;
        let id = self.last_entry;
        let extra = Extra { tags: tags.into(), ..Extra::default() };
        if let Some((room, least)) = ranked(target) {
            let Some(room) = self.room_to_write_to((key, user), room) else { return };
            let title = self.ranked_title(room, least);
            let event = Event::Changed(Change::Tagged { to: &title, id });
            (self.extra, self.acting) = (Some(extra), Some(user));
            let readers = self.ranked_readers(user, room, least).into_iter();
            let readers = readers.filter_map(|of| self.chat.user(of)?.origin);
            let own = Some(key).filter(|key| self.caps_of(*key).wants_echo());
            let readers: Vec<_> = readers.chain(own).collect();
            readers.into_iter().for_each(|key| self.tell(key, None, &event));
        } else if target.starts_with('#') {
            let Some(room) = self.room_to_write_to((key, user), target) else { return };
            let title = self.chat[room].title().to_string();
            let change = Change::Tagged { to: &title, id };
            (self.extra, self.acting) = (Some(extra), Some(user));
            let seq = self.publish_silently(&[room], &Event::Changed(change));
            if self.chat.is_in(user, room) {
                self.leave_out(key, seq);
            }
            if self.caps_of(key).wants_echo() {
                self.tell(key, Some(room), &Event::Changed(change));
            }
        } else {
            let Some(to) = self.chat.find(target) else {
                let target = text::clean(target);
                return self.reply(key, |replies| replies.tell(ERR_NOSUCHNICK, &[&target]));
            };
            let silence = self.chat.silence_of(user, self.now.unix_seconds);
            if let Some(refusal) = silence.filter(|_| !self.chat.is_operator(to)) {
                return self.refuse(key, refusal);
            }
            let name = self.chat.name(to).to_owned();
            let event = Event::Changed(Change::Tagged { to: &name, id });
            (self.extra, self.acting) = (Some(extra), Some(user));
            let origin = self.chat.user(to).and_then(|of| of.origin);
            if let Some(origin) = origin.filter(|_| !self.chat.is_deaf_to(to, user)) {
                let waits = self.begin_answer(origin);
                self.tell(origin, None, &event);
                if to == user {
                    self.set_apart(key, waits);
                }
            }
            if self.caps_of(key).wants_echo() {
                self.tell(key, None, &event);
            }
        }
        (self.extra, self.acting) = (None, None);
    }

    /// Whether somebody came by IRC.
    pub(super) fn speaks_irc(&self, user: UserKey) -> bool {
        let user = self.chat.user(user);
        user.is_some_and(|user| matches!(user.came_by(), Dialect::Irc(_)))
    }

    fn reply_unless(
        &mut self,
        is_silent: bool,
        key: ConnectionKey,
        write: impl FnOnce(&mut crate::dialect::irc::numeric::Replies<'_>),
    ) {
        if !is_silent {
            self.reply(key, write);
        }
    }

    // ── services ─────────────────────────────────────────────────────────────────────────────────

    /// What other networks have NickServ for: the same commands that all dialects have.
    pub(super) fn irc_services(&mut self, key: ConnectionKey, words: &str) {
        if let Some(session) = self.connections[key].session.irc_mut() {
            session.asked = Verb::NickServ;
        }
        let (command, rest) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
        let rest = rest.trim();
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        let own = self.nick_of(key);
        let is = |word: &str| command.eq_ignore_ascii_case(word);
        let asked = if is("REGISTER") && !first.is_empty() {
            AccountCommand::Register(first)
        } else if is("IDENTIFY") && !first.is_empty() {
            match second.is_empty() {
                true => AccountCommand::Login { name: &own, password: first },
                false => AccountCommand::Login { name: first, password: second.trim() },
            }
        } else if is("LOGOUT") {
            AccountCommand::Logout
        } else {
            for line in [
                "REGISTER password: the nickname that you have is your account from now on.",
                "IDENTIFY [account] password: shows that an account is yours.",
                "LOGOUT: you are not logged in any more.",
            ] {
                self.reply(key, |replies| replies.notice(line));
            }
            return;
        };
        self.execute_command(key, None, Command::Account(asked));
    }
}

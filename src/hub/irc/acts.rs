//! What IRC clients do in rooms: come, go, set modes and topics, invite and kick; and what they are
//! told when they come.

use crate::author::Author;
use crate::chat::{AccountFact, Fact, RoomKey, UserKey, commands};
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::encode::{mark_of, modes_of, names};
use crate::dialect::irc::numeric::{
    ERR_BADCHANMASK, ERR_INVALIDKEY, ERR_INVALIDMODEPARAM, ERR_NEEDMOREPARAMS, ERR_NOSUCHCHANNEL,
    ERR_NOSUCHNICK, ERR_NOTONCHANNEL, ERR_TOOMANYTARGETS, ERR_UMODEUNKNOWNFLAG, ERR_UNKNOWNMODE,
    ERR_USERSDONTMATCH, RPL_BANLIST, RPL_CREATIONTIME, RPL_ENDOFBANLIST, RPL_ENDOFINVITELIST,
    RPL_ENDOFNAMES, RPL_INVITELIST, RPL_UMODEIS, Replies, one_word,
};
use crate::event::{Change, Command, Event};
use crate::hub::Hub;
use crate::hub::irc::Listed;
use crate::hub::irc::lines::TARGETS_MAX;
use crate::key::ConnectionKey;
use crate::order::Moderation;
use crate::rights::{Flag, KEY_BYTES_MAX, Rank, Setting};
use crate::text;

/// The longest topic, in bytes, so that it fits into a line with all around it.
pub(super) const TOPIC_BYTES_MAX: usize = 300;

/// The longest name of a channel, in characters, with its sign.
pub(super) const CHANNEL_CHARS_MAX: usize = 33;

/// So many settings are told in one line.
const SET_MAX: usize = 5;

/// The longest mask of those who may not come in, in bytes.
const MASK_BYTES_MAX: usize = 200;

/// Somebody who asks, and who they are.
type Who = (ConnectionKey, UserKey);

impl Hub {
    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_join(&mut self, (key, user): Who, given: &[&str]) {
        if given[0] == "0" {
            for room in self.rooms_of(user) {
                let title = self.chat[room].title().to_string();
                self.execute_command(key, Some(&title), Command::Part(""));
            }
            return;
        }
        let mut keys = given.get(1).copied().unwrap_or_default().split(',');
        let channels = given[0].split(',').filter(|channel| !channel.is_empty());
        for (place, channel) in channels.enumerate() {
            if place > 0 {
                self.spend(key, 1, channel.len());
            }
            let with = keys.next().unwrap_or_default();
            self.flush_small_presence_of(user);
            if self.is_channel(key, channel) {
                // What is not there yet has no key.
                let room = commands::parse_room(channel);
                let is_open = room.is_some_and(|name| self.chat.room_called(&name).is_some());
                let has_key = is_open || self.chat.is_asleep(channel);
                let wanted = format!("{channel} {}", if has_key { with } else { "" });
                self.execute_command(key, None, Command::Join(Some(&wanted)));
            }
        }
    }

    /// Whether that can be the name of a channel; if not, `key` is told so.
    fn is_channel(&mut self, key: ConnectionKey, channel: &str) -> bool {
        let numeric = match channel.strip_prefix('#') {
            None => ERR_NOSUCHCHANNEL,
            // As others have it, whose clients know CHANNELLEN.
            Some(_) if channel.chars().count() > CHANNEL_CHARS_MAX => ERR_NOSUCHCHANNEL,
            Some(name) if commands::parse_room(name).is_none() || name.starts_with('#') => {
                ERR_BADCHANMASK
            }
            Some(_) => return true,
        };
        let channel = text::clean(channel);
        self.reply(key, |replies| replies.tell(numeric, &[&channel]));
        false
    }

    /// Whether that is the name of a channel and not of somebody; if not, `key` is told that there
    /// is no such channel.
    fn begins_as_channel(&mut self, key: ConnectionKey, channel: &str) -> bool {
        let begins = channel.starts_with('#');
        if !begins {
            let channel = text::clean(channel);
            self.reply(key, |replies| replies.tell(ERR_NOSUCHCHANNEL, &[&channel]));
        }
        begins
    }

    pub(super) fn irc_part(&mut self, (key, _): Who, given: &[&str]) {
        let why = given.get(1).copied().unwrap_or_default();
        for channel in given[0].split(',').filter(|channel| !channel.is_empty()) {
            if self.begins_as_channel(key, channel) {
                self.execute_command(key, Some(channel), Command::Part(why));
            }
        }
    }

    /// Somebody has come into a room, and is told what there is.
    pub(in crate::hub) fn welcome_irc(&mut self, key: ConnectionKey, room: RoomKey) {
        let Some(user) = self.connections[key].user() else { return };
        self.attach(key, room);
        let Some(of) = self.chat.user(user) else { return };
        let (name, person) = (of.name.clone(), of.person());
        // They know that they are away.
        let own = Author { away: None, ..person.author(name.as_str(), self.chat.cloak()) };
        let event = Event::Joined { names: std::slice::from_ref(&name), count: 0 };
        self.tell_of_authors(key, room, &[own], &event);
        let Hub { chat, .. } = self;
        let title = chat[room].title().to_string();
        let topic = chat[room].topic();
        if let Some(topic) = topic {
            let (text, by) = (topic.text.to_owned(), topic.by.to_owned());
            let topic = crate::event::TopicView { text: &text, by: &by, at: topic.at };
            self.tell(key, Some(room), &Event::TopicIs(Some(topic)));
        }
        let caps = self.caps_of(key);
        if caps.has(Caps::READ_MARKER) {
            self.tell_marker(key, &title);
        }
        self.tell_listed(key, Listed::Names(Some(room), Some(title)));
        if caps.has(Caps::SERVER_TIME) && !caps.has(Caps::CHATHISTORY) {
            self.tell_history(key, room);
        }
    }

    // ── who is there ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_names(&mut self, (key, user): Who, given: &[&str]) {
        let Some(channels) = given.first().filter(|channels| !channels.is_empty()) else {
            return self.reply(key, |replies| replies.tell(RPL_ENDOFNAMES, &["*"]));
        };
        // However many are asked for, there is one end.
        let (mut rooms, mut asked) = (Vec::new(), Vec::new());
        for channel in channels.split(',').filter(|channel| !channel.is_empty()) {
            let room = self.known_room(user, channel);
            asked.push(match room {
                Some(room) => self.chat[room].title().to_string(),
                None => text::clean(channel).into_owned(),
            });
            rooms.extend(room);
        }
        let last = rooms.pop();
        rooms.into_iter().for_each(|room| self.tell_listed(key, Listed::Names(Some(room), None)));
        self.tell_listed(key, Listed::Names(last, Some(asked.join(","))));
    }

    /// The room of that name, if somebody may know of it.
    pub(super) fn known_room(&self, user: UserKey, channel: &str) -> Option<RoomKey> {
        let name = channel.strip_prefix('#').and_then(commands::parse_room)?;
        let room = self.chat.room_called(&name)?;
        let is_there = self.chat[room].count() > 0 || self.chat[room].is_permanent();
        (is_there && self.chat.may_know(user, &self.chat[room], room)).then_some(room)
    }

    /// The first names of those who are in a room, at most so many; and the end, if it is there.
    pub(super) fn names_of(
        &self,
        (key, user): Who,
        (room, end): (Option<RoomKey>, Option<&str>),
        max: usize,
    ) -> Vec<u8> {
        let (caps, nick) = (self.caps_of(key), self.nick_of(key));
        let mut out = Vec::new();
        let may_see = |room: &RoomKey| {
            let is_open = || !self.chat[*room].rights.is_private();
            self.chat.is_in(user, *room) || self.chat.is_operator(user) || is_open()
        };
        if let Some(room) = room.filter(|room| self.chat.has_room(*room)).filter(may_see) {
            let it = &self.chat[room];
            let symbol = if it.rights.has(Flag::Secret) { "@" } else { "=" };
            let all = self.chat.users_in(room).take(max).map(|(member, of)| {
                let mark = mark_of(self.chat.rank_in(member, room), caps.has(Caps::MULTI_PREFIX));
                match caps.has(Caps::USERHOST_IN_NAMES) {
                    true => format!("{mark}{}", self.chat.author(of)),
                    false => format!("{mark}{}", of.name),
                }
            });
            names(&mut out, (&nick, symbol, it.title()), all);
        }
        if let Some(asked) = end {
            Replies { nick: &nick, out: &mut out }.tell(RPL_ENDOFNAMES, &[asked]);
        }
        out
    }

    // ── in a room ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_topic(&mut self, key: ConnectionKey, given: &[&str]) {
        let text = given.get(1).map(|text| {
            let (text, _) = crate::dialect::irc::encode::cut(text, TOPIC_BYTES_MAX);
            text
        });
        let text = text.map(crate::dialect::irc::format::plain);
        if self.begins_as_channel(key, given[0]) {
            self.execute_command(key, Some(given[0]), Command::Topic(text.as_deref()));
        }
    }

    pub(super) fn irc_invite(&mut self, (key, user): Who, given: &[&str]) {
        if given.is_empty() {
            return self.tell_invitations((key, user));
        }
        let ([nick, channel], _) = given.split_first_chunk().unwrap_or((&["", ""], &[]));
        if nick.is_empty() || channel.is_empty() {
            return self.reply(key, |replies| replies.tell(ERR_NEEDMOREPARAMS, &["INVITE"]));
        }
        if !self.begins_as_channel(key, channel) {
            return;
        }
        let before = self.last_entry;
        self.execute_command(key, Some(channel), Command::Invite(nick));
        let room = commands::parse_room(channel).and_then(|name| self.chat.room_called(&name));
        let invited = self.chat.find(nick);
        if let (Some(room), Some(invited)) = (room, invited)
            && self.last_entry > before
            && self.has_irc()
        {
            let name = self.chat.name(invited).to_owned();
            self.acting = Some(user);
            self.publish(&[room], &Event::Changed(Change::Invited(&name)));
            self.acting = None;
        }
    }

    /// The channels that somebody was told of and has not come into.
    fn tell_invitations(&mut self, (key, user): Who) {
        let rooms = self.chat.invitations_of(user);
        let titles: Vec<_> = rooms.map(|room| room.title().to_string()).collect();
        self.reply(key, |replies| {
            titles.iter().for_each(|title| replies.tell(RPL_INVITELIST, &[title]));
            replies.tell(RPL_ENDOFINVITELIST, &[]);
        });
    }

    pub(super) fn irc_kick(&mut self, key: ConnectionKey, given: &[&str]) {
        let why = given.get(2).copied().unwrap_or_default();
        let (why, _) = crate::dialect::irc::encode::cut(why, crate::sanction::REASON_BYTES_MAX);
        // Out of one channel, or each out of their own.
        let channels: Vec<_> = given[0].split(',').filter(|it| !it.is_empty()).collect();
        let names = given[1].split(',').filter(|name| !name.is_empty());
        for (place, name) in names.enumerate() {
            if place == TARGETS_MAX {
                let name = text::clean(name);
                return self.reply(key, |replies| replies.tell(ERR_TOOMANYTARGETS, &[&name]));
            }
            let Some(&channel) = channels.get(place).or(channels.last()) else { return };
            if self.is_inside(key, channel) {
                let asked = Command::Moderate(Moderation::Kick { name, why });
                self.execute_command(key, Some(channel), asked);
            }
        }
    }

    /// Whether `key` is in that channel, so that it makes sense to ask what it may do there; if
    /// not, it is told so.
    fn is_inside(&mut self, key: ConnectionKey, channel: &str) -> bool {
        let Some(user) = self.connections[key].user() else { return false };
        let numeric = match self.known_room(user, channel) {
            Some(room) if self.chat.is_in(user, room) || self.chat.is_operator(user) => {
                return true;
            }
            Some(_) => ERR_NOTONCHANNEL,
            None => ERR_NOSUCHCHANNEL,
        };
        let channel = text::clean(channel);
        self.reply(key, |replies| replies.tell(numeric, &[&channel]));
        false
    }

    // ── modes ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_mode(&mut self, who: Who, given: &[&str]) {
        match given[0].starts_with('#') {
            true => self.channel_mode(who, given),
            false => self.user_mode(who, given),
        }
    }

    fn user_mode(&mut self, (key, user): Who, given: &[&str]) {
        let Some(of) = self.chat.find(given[0]) else {
            let name = text::clean(given[0]);
            return self.reply(key, |replies| replies.tell(ERR_NOSUCHNICK, &[&name]));
        };
        if of != user {
            return self.reply(key, |replies| replies.tell(ERR_USERSDONTMATCH, &[]));
        }
        let Some(changes) = given.get(1) else {
            let modes = self.user_modes((key, user));
            return self.reply(key, |replies| replies.tell(RPL_UMODEIS, &[&modes]));
        };
        let (mut on, mut done, mut sign) = (true, String::new(), None);
        let mut unknown = false;
        for letter in changes.chars() {
            let Some(session) = self.connections[key].session.irc_mut() else { return };
            let changed = match letter {
                '+' | '-' => {
                    on = letter == '+';
                    continue;
                }
                'i' => std::mem::replace(&mut session.is_invisible, on) != on,
                'w' => std::mem::replace(&mut session.wants_wallops, on) != on,
                'o' => !on && self.resign(user),
                _ => {
                    unknown = true;
                    false
                }
            };
            if changed {
                if sign.replace(on) != Some(on) {
                    done.push(if on { '+' } else { '-' });
                }
                done.push(letter);
            }
        }
        if !done.is_empty()
            && let Some(of) = self.chat.user(user)
        {
            let line = format!(":{} MODE {} :{done}\r\n", self.chat.author(of), of.name);
            self.send(key, line.as_bytes());
        }
        if unknown {
            self.reply(key, |replies| replies.tell(ERR_UMODEUNKNOWNFLAG, &[]));
        }
    }

    /// Somebody is no operator of the server any more. Returns whether they were one.
    fn resign(&mut self, user: UserKey) -> bool {
        let is_operator = self.chat.is_operator(user);
        if is_operator {
            self.propose(Fact::Account(AccountFact::Operator { user, by: None }));
        }
        is_operator
    }

    fn user_modes(&self, (key, user): Who) -> String {
        let session = self.connections[key].session.irc();
        let has = |is: bool, letter: &'static str| if is { letter } else { "" };
        let (invisible, wallops) =
            session.map_or((false, false), |it| (it.is_invisible, it.wants_wallops));
        let operator = self.chat.is_operator(user);
        format!("+{}{}{}", has(invisible, "i"), has(operator, "o"), has(wallops, "w"))
    }

    fn channel_mode(&mut self, (key, user): Who, given: &[&str]) {
        let channel = given[0];
        let Some(room) = self.known_room(user, channel) else {
            let channel = text::clean(channel);
            return self.reply(key, |replies| replies.tell(ERR_NOSUCHCHANNEL, &[&channel]));
        };
        let Some(changes) = given.get(1) else { return self.tell_modes((key, user), room) };
        self.irc.set = Some(Vec::new());
        self.change_modes((key, user), room, (changes, &given[2..]));
        self.tell_what_is_set(user, room);
        self.irc.set = None;
    }

    fn change_modes(
        &mut self,
        (key, user): Who,
        room: RoomKey,
        (changes, values): (&str, &[&str]),
    ) {
        let title = self.chat[room].title().to_string();
        let mut values = values.iter().copied();
        let (mut on, mut lists_bans) = (true, false);
        for letter in changes.chars() {
            let may = self.is_in_charge(key, room);
            let mut wants = true;
            if matches!(letter, 'b' | 'o' | 'v') {
                self.tell_what_is_set(user, room);
            }
            let known = match letter {
                '+' | '-' => {
                    (on, wants) = (letter == '+', false);
                    true
                }
                'b' => {
                    match values.next().filter(|mask| !mask.is_empty()) {
                        Some(mask) if is_mask(mask) => {
                            self.order(key, &title, Moderation::Mask { mask, on });
                        }
                        Some(mask) => self.invalid_mode(key, &title, letter, mask),
                        // However often it is asked for, once is enough.
                        None => (lists_bans, wants) = (true, false),
                    }
                    true
                }
                'k' | 'l' => {
                    let value = if on || letter == 'k' { values.next() } else { None };
                    self.set_value(key, (room, &title), (letter, on), value);
                    true
                }
                'o' | 'v' => {
                    if let (Some(rank), Some(name)) = (Rank::of_letter(letter), values.next()) {
                        let beside = true;
                        self.order(key, &title, Moderation::Rank { name, rank, on, beside });
                    } else {
                        self.invalid_mode(key, &title, letter, "");
                    }
                    true
                }
                _ => self.set_flag(key, (room, &title), letter, on),
            };
            if !known {
                let letter = letter.to_string();
                self.reply(key, |replies| replies.tell(ERR_UNKNOWNMODE, &[&letter]));
            }
            if !self.chat.has_room(room) || self.connections[key].user().is_none() {
                return;
            }
            // Who may not is told so once.
            if wants && known && !may {
                break;
            }
        }
        if lists_bans {
            self.tell_listed(key, Listed::Bans(room));
        }
    }

    /// Something is set for a room: IRC clients are told it with what else one MODE sets.
    pub(in crate::hub) fn tell_irc_set(&mut self, room: RoomKey, setting: &Setting) {
        match &mut self.irc.set {
            Some(set) => set.push(setting.clone()),
            None => self.publish_set(room, std::slice::from_ref(setting)),
        }
    }

    /// Tells what a MODE has set until now, before anything else that it does.
    fn tell_what_is_set(&mut self, user: UserKey, room: RoomKey) {
        let set = self.irc.set.as_mut().map(std::mem::take).unwrap_or_default();
        if !set.is_empty() && self.chat.has_room(room) {
            self.acting = Some(user);
            // So many fit into a line, whatever they are.
            set.chunks(SET_MAX).for_each(|set| self.publish_set(room, set));
            self.acting = None;
        }
    }

    fn publish_set(&mut self, room: RoomKey, set: &[Setting]) {
        if self.has_irc() {
            self.publish(&[room], &Event::Changed(Change::Set(set)));
        }
    }

    /// Has something done that only those may do who are in charge.
    fn order(&mut self, key: ConnectionKey, channel: &str, asked: Moderation<'_>) {
        if self.is_inside(key, channel) {
            self.execute_command(key, Some(channel), Command::Moderate(asked));
        }
    }

    /// Sets a flag, if there is one of that letter, and it is not so already. Returns whether there
    /// is one.
    fn set_flag(
        &mut self,
        key: ConnectionKey,
        (room, channel): (RoomKey, &str),
        letter: char,
        on: bool,
    ) -> bool {
        let Some(flag) = Flag::of_letter(letter) else { return false };
        if self.chat[room].rights.has(flag) != on || !self.is_in_charge(key, room) {
            let value = if on { "on" } else { "off" };
            self.order(key, channel, Moderation::Set { what: flag.word(), value });
        }
        true
    }

    fn is_in_charge(&self, key: ConnectionKey, room: RoomKey) -> bool {
        self.connections[key].user().is_some_and(|user| self.chat.is_in_charge(user, room))
    }

    fn set_value(
        &mut self,
        key: ConnectionKey,
        (room, channel): (RoomKey, &str),
        (letter, on): (char, bool),
        value: Option<&str>,
    ) {
        let rights = &self.chat[room].rights;
        let (what, is_set) = match letter {
            'k' => ("key", rights.key.is_some()),
            _ => ("limit", rights.limit.is_some()),
        };
        let may = self.is_in_charge(key, room);
        match value {
            None if on => self.invalid_mode(key, channel, letter, ""),
            // It is so already.
            _ if !on && !is_set && may => {}
            _ if !on => self.order(key, channel, Moderation::Set { what, value: "off" }),
            Some(value) if letter == 'k' && may && !is_key(value) => {
                self.reply(key, |replies| replies.tell(ERR_INVALIDKEY, &[channel]));
            }
            Some(value) if letter == 'l' && may && !is_limit(value) => {
                self.invalid_mode(key, channel, letter, value);
            }
            value => {
                let value = value.unwrap_or_default();
                self.order(key, channel, Moderation::Set { what, value });
            }
        }
    }

    fn invalid_mode(&mut self, key: ConnectionKey, channel: &str, letter: char, value: &str) {
        let (letter, value) = (letter.to_string(), text::clean(value));
        self.reply(key, |replies| {
            let text = "This mode needs another parameter";
            replies.say(ERR_INVALIDMODEPARAM, &[channel, &letter, &value], text);
        });
    }

    fn tell_modes(&mut self, (key, user): Who, room: RoomKey) {
        let it = &self.chat[room];
        let modes = modes_of(&it.rights, self.chat.is_in(user, room));
        let opened_at = it.opened_at().unwrap_or(self.irc.began).to_string();
        let title = it.title().to_string();
        self.reply(key, |replies| {
            replies.modes(&title, &modes);
            replies.tell(RPL_CREATIONTIME, &[&title, &opened_at]);
        });
    }

    /// The masks that may not come into a room, the oldest first.
    pub(super) fn bans_of(&self, key: ConnectionKey, room: RoomKey) -> Vec<u8> {
        let (title, nick) = (self.chat[room].title(), self.nick_of(key));
        let mut out = Vec::new();
        let mut replies = Replies { nick: &nick, out: &mut out };
        for ban in self.chat.sanctions(Some(room), self.now.unix_seconds).iter().rev() {
            let at = ban.at.to_string();
            replies.tell(RPL_BANLIST, &[title, &ban.mask(), &ban.by, &at]);
        }
        replies.tell(RPL_ENDOFBANLIST, &[title]);
        out
    }
}

fn is_key(value: &str) -> bool {
    let is_word = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
    let is_off = value.eq_ignore_ascii_case("off");
    !value.is_empty() && value.len() <= KEY_BYTES_MAX && value.chars().all(is_word) && !is_off
}

/// Whether that is one word, and short enough to be listed.
fn is_mask(value: &str) -> bool {
    one_word(value) == value && value.len() <= MASK_BYTES_MAX
}

fn is_limit(value: &str) -> bool {
    value.parse().is_ok_and(|limit: u32| (1..=1_000_000).contains(&limit))
}

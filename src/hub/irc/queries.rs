//! What IRC clients ask about others.

use crate::chat::{RoomKey, UserKey};
use crate::dialect::irc::SERVER;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::encode::mark_of;
use crate::dialect::irc::mask;
use crate::dialect::irc::numeric::{
    ERR_NONICKNAMEGIVEN, ERR_NOSUCHNICK, ERR_WASNOSUCHNICK, Lines, RPL_AWAY, RPL_ENDOFWHO,
    RPL_ENDOFWHOIS, RPL_ENDOFWHOWAS, RPL_ISON, RPL_LIST, RPL_LISTEND, RPL_LISTSTART, RPL_USERHOST,
    RPL_WHOISACCOUNT, RPL_WHOISCHANNELS, RPL_WHOISHOST, RPL_WHOISIDLE, RPL_WHOISOPERATOR,
    RPL_WHOISSECURE, RPL_WHOISSERVER, RPL_WHOISUSER, RPL_WHOREPLY, RPL_WHOSPCRPL, RPL_WHOWASUSER,
    Replies,
};
use crate::hub::Hub;
use crate::hub::irc::{Gone, Listed};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::rights::Flag;
use crate::text;

/// The fields that WHO can tell, in the order in which it does.
const FIELDS: &str = "tcuihsnfdlaor";

/// Masks and bounds that one LIST may have: each room is held against all of them.
const LISTED_MAX: usize = 10;

/// Somebody who asks, and who they are.
type Who = (ConnectionKey, UserKey);

impl Hub {
    // ── who ──────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_who(&mut self, (key, _): Who, given: &[&str]) {
        let given = given.iter().map(|&it| it.to_owned()).collect();
        self.tell_listed(key, Listed::Who(given));
    }

    /// The answer to WHO: all in a room, somebody, or all whose names match.
    pub(super) fn who_of(&self, (key, user): Who, given: &[String], max: usize) -> Vec<u8> {
        let wanted = given.first().map_or("*", String::as_str);
        let wanted = if wanted.is_empty() || wanted == "0" { "*" } else { wanted };
        let options = given.get(1).map(String::as_str).unwrap_or_default();
        let (options, fields) = options.split_once('%').map_or((options, None), |(before, it)| {
            (before, Some(it.split_once(',').unwrap_or((it, "0"))))
        });
        let only_operators = options.contains('o');
        let nick = self.nick_of(key);
        let mut out = Vec::new();
        let mut replies = Replies { nick: &nick, out: &mut out };
        let mut tell = |hub: &Hub, of: UserKey, room: Option<RoomKey>| {
            if !only_operators || hub.chat.is_operator(of) {
                hub.who_line(&mut replies, (key, of, room), fields);
            }
        };
        if wanted.starts_with('#') {
            let room = self.known_room(user, wanted);
            let may = |room: &RoomKey| {
                self.chat.is_in(user, *room)
                    || self.chat.is_operator(user)
                    || !self.chat[*room].rights.is_private()
            };
            if let Some(room) = room.filter(may) {
                let all = self.chat.users_in(room).take(max);
                all.for_each(|(of, _)| tell(self, of, Some(room)));
            }
        } else if let Some(of) = self.chat.find(wanted) {
            tell(self, of, self.shared_room(user, of));
        } else {
            let mut all: Vec<_> = self
                .chat
                .all_users()
                .filter(|(of, it)| {
                    let author = self.chat.author(it);
                    let is_it = [author.name, author.user, author.real_name]
                        .iter()
                        .any(|text| mask::matches(wanted, text))
                        || wanted.contains('.') && mask::matches(wanted, &author.host.to_string());
                    is_it && self.is_visible(user, *of)
                })
                .collect();
            all.sort_by(|(_, one), (_, other)| one.name.as_str().cmp(other.name.as_str()));
            for (of, _) in all.into_iter().take(max) {
                tell(self, of, self.shared_room(user, of));
            }
        }
        let shown = text::clean(wanted);
        replies.tell(RPL_ENDOFWHO, &[&shown]);
        out
    }

    /// How many people must be looked at for that.
    pub(super) fn searched_by(&self, given: &[String]) -> usize {
        let is_one = |wanted: &String| wanted.starts_with('#') || self.chat.find(wanted).is_some();
        if given.first().is_some_and(is_one) { 0 } else { self.members() }
    }

    /// Whether somebody is found by whoever does not know their name.
    fn is_visible(&self, asker: UserKey, of: UserKey) -> bool {
        let origin = self.chat.user(of).and_then(|user| user.origin);
        let session = origin.and_then(|key| self.connections[key].session.irc());
        let is_invisible = session.is_some_and(|session| session.is_invisible);
        let is_known = self.chat.find(self.chat.name(of)) == Some(of);
        is_known
            && (!is_invisible
                || asker == of
                || self.chat.is_operator(asker)
                || self.shared_room(asker, of).is_some())
    }

    /// A room that both are in, of those that the asker may know of.
    fn shared_room(&self, asker: UserKey, of: UserKey) -> Option<RoomKey> {
        self.chat.user(of)?.rooms().find(|room| self.chat.is_in(asker, *room))
    }

    fn who_line(
        &self,
        replies: &mut Replies<'_>,
        (key, of, room): (ConnectionKey, UserKey, Option<RoomKey>),
        fields: Option<(&str, &str)>,
    ) {
        let Some(it) = self.chat.user(of) else { return };
        let author = self.chat.author(it);
        let rank = room.and_then(|room| self.chat.rank_in(of, room));
        let all_marks = self.caps_of(key).has(Caps::MULTI_PREFIX);
        let here = if author.away.is_some() { "G" } else { "H" };
        let star = if self.chat.is_operator(of) { "*" } else { "" };
        let flags = format!("{here}{star}{}", mark_of(rank, all_marks));
        let channel = room.map_or("*", |room| self.chat[room].title());
        let host = author.host.to_string();
        let Some((wanted, token)) = fields else {
            let hops = format!("0 {}", author.real_name);
            let row = [channel, author.user, &host, SERVER, author.name, &flags];
            return replies.say(RPL_WHOREPLY, &row, &hops);
        };
        let idle = self.idle_of(of).to_string();
        let value = |field: char| match field {
            't' => token,
            'c' => channel,
            'u' => author.user,
            // Nobody's address is told.
            'i' => "255.255.255.255",
            'h' => &host,
            's' => SERVER,
            'n' => author.name,
            'f' => &flags,
            'd' => "0",
            'l' => &idle,
            'a' => author.account.unwrap_or("0"),
            _ => "n/a",
        };
        let row = FIELDS.chars().filter(|field| *field != 'r' && wanted.contains(*field));
        let row: Vec<_> = row.map(value).collect();
        match wanted.contains('r') {
            true => replies.say(RPL_WHOSPCRPL, &row, author.real_name),
            false => replies.tell(RPL_WHOSPCRPL, &row),
        }
    }

    /// For how many seconds nothing has come from somebody.
    fn idle_of(&self, of: UserKey) -> u32 {
        let origin = self.chat.user(of).and_then(|of| of.origin);
        let heard_at = origin.map(|key| self.connections[key].heard_at);
        heard_at.map_or(0, |heard_at| (self.now.unix_seconds as u32).wrapping_sub(heard_at))
    }

    // ── whois ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_whois(&mut self, (key, user): Who, given: &[&str]) {
        // With two, the first is a server.
        let Some(name) = given.get(1).or(given.first()).filter(|name| !name.is_empty()) else {
            return self.reply(key, |replies| replies.tell(ERR_NONICKNAMEGIVEN, &[]));
        };
        if given.len() > 1 && !self.is_server(key, given[0]) {
            return;
        }
        let name = name.split(',').next().unwrap_or_default();
        let Some(of) = self.chat.find(name) else {
            let name = text::clean(name);
            return self.reply(key, |replies| {
                replies.tell(ERR_NOSUCHNICK, &[&name]);
                replies.tell(RPL_ENDOFWHOIS, &[&name]);
            });
        };
        let (nick, mut out) = (self.nick_of(key), Vec::new());
        self.write_whois(&mut Replies { nick: &nick, out: &mut out }, user, of);
        self.send(key, &out);
    }

    fn write_whois(&self, replies: &mut Replies<'_>, asker: UserKey, of: UserKey) {
        let Some(it) = self.chat.user(of) else { return };
        let author = self.chat.author(it);
        let host = author.host.to_string();
        let name = author.name;
        replies.say(RPL_WHOISUSER, &[name, author.user, &host, "*"], author.real_name);
        let known = it.rooms().filter(|room| {
            let shares = self.chat.is_in(asker, *room) || self.chat.is_operator(asker);
            shares || !self.chat[*room].rights.has(Flag::Secret)
        });
        let known = known.map(|room| {
            let mark = mark_of(self.chat.rank_in(of, room), false);
            format!("{mark}{}", self.chat[room].title())
        });
        let head = format!(":{SERVER} {} {} {name} :", RPL_WHOISCHANNELS.0, replies.nick);
        let mut lines = Lines::new(|_| head.clone());
        known.for_each(|room| lines.push(&room, replies.out));
        lines.finish_unless_empty(replies.out);
        replies.tell(RPL_WHOISSERVER, &[name, SERVER]);
        if self.chat.is_operator(of) {
            replies.tell(RPL_WHOISOPERATOR, &[name]);
        }
        if it.origin.is_some_and(|key| self.connections[key].is_secure) {
            replies.tell(RPL_WHOISSECURE, &[name]);
        }
        if let Some(account) = author.account {
            replies.tell(RPL_WHOISACCOUNT, &[name, account]);
        }
        if asker == of || self.chat.is_operator(asker) {
            let address = it.address.to_canonical();
            replies.say(
                RPL_WHOISHOST,
                &[name],
                &format!("is connecting from *@{address} {address}"),
            );
        }
        let (idle, since) = (self.idle_of(of).to_string(), it.came_at().to_string());
        replies.tell(RPL_WHOISIDLE, &[name, &idle, &since]);
        if let Some(why) = author.away {
            replies.say(RPL_AWAY, &[name], why);
        }
        replies.tell(RPL_ENDOFWHOIS, &[name]);
    }

    pub(super) fn irc_whowas(&mut self, key: ConnectionKey, given: &[&str]) {
        let Some(name) = given.first().filter(|name| !name.is_empty()) else {
            return self.reply(key, |replies| replies.tell(ERR_NONICKNAMEGIVEN, &[]));
        };
        let count = given.get(1).and_then(|count| count.parse::<usize>().ok());
        let count = count.filter(|count| *count > 0).unwrap_or(usize::MAX);
        let wanted = Nickname::parse(name).ok();
        let is_it = |gone: &&Gone| wanted.as_ref().is_some_and(|name| name.same_as(&gone.name));
        let cloak = self.chat.cloak();
        let (nick, mut out) = (self.nick_of(key), Vec::new());
        let mut replies = Replies { nick: &nick, out: &mut out };
        let mut found = false;
        for Gone { name, person, at } in self.irc.gone.iter().rev().filter(is_it).take(count) {
            let author = person.author(name.as_str(), cloak);
            let host = author.host.to_string();
            let row = [author.name, author.user, &host, "*"];
            replies.say(RPL_WHOWASUSER, &row, author.real_name);
            let when = super::facts::time_text(*at);
            replies.say(RPL_WHOISSERVER, &[author.name, SERVER], &when);
            found = true;
        }
        let shown = text::clean(name);
        if !found {
            replies.tell(ERR_WASNOSUCHNICK, &[&shown]);
        }
        replies.tell(RPL_ENDOFWHOWAS, &[&shown]);
        self.send(key, &out);
    }

    // ── short answers about several ──────────────────────────────────────────────────────────────

    pub(super) fn irc_userhost(&mut self, (key, _): Who, given: &[&str]) {
        let of = |name: &&str| {
            let user = self.chat.find(name)?;
            let author = self.chat.author(self.chat.user(user)?);
            let star = if self.chat.is_operator(user) { "*" } else { "" };
            let here = if author.away.is_some() { '-' } else { '+' };
            Some(format!("{}{star}={here}{}@{}", author.name, author.user, author.host))
        };
        let told: Vec<_> = given.iter().take(5).filter_map(of).collect();
        self.reply(key, |replies| replies.say(RPL_USERHOST, &[], &told.join(" ")));
    }

    pub(super) fn irc_ison(&mut self, key: ConnectionKey, given: &[&str]) {
        let names = given.iter().flat_map(|names| names.split(' '));
        let here = names.filter_map(|name| Some(self.chat.name(self.chat.find(name)?)));
        let here: Vec<_> = here.collect();
        let here = here.join(" ");
        self.reply(key, |replies| replies.say(RPL_ISON, &[], &here));
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// LIST: rooms with people, all or those that match.
    pub(super) fn irc_list(&mut self, (key, user): Who, given: &[&str]) {
        // Names may come first and bounds behind them, or all at once.
        let wanted = given.iter().take(2).flat_map(|it| it.split(','));
        let wanted = wanted.filter(|it| !it.is_empty());
        let wanted: Vec<_> = wanted.take(LISTED_MAX).collect();
        let matches = |title: &str, count: usize| {
            let is = |wanted: &&str| match wanted.as_bytes().first() {
                Some(b'>') => wanted[1..].parse().is_ok_and(|least: usize| count > least),
                Some(b'<') => wanted[1..].parse().is_ok_and(|most: usize| count < most),
                Some(b'!') => !mask::matches(&wanted[1..], title),
                _ => mask::matches(wanted, title),
            };
            let is_bound = |wanted: &&&str| wanted.starts_with(['>', '<', '!']);
            let (bounds, names): (Vec<_>, Vec<_>) = wanted.iter().partition(is_bound);
            bounds.into_iter().all(is) && (names.is_empty() || names.into_iter().any(is))
        };
        let (nick, mut out) = (self.nick_of(key), Vec::new());
        let mut replies = Replies { nick: &nick, out: &mut out };
        replies.tell(RPL_LISTSTART, &["Channel"]);
        let mut rooms: Vec<_> = self
            .chat
            .rooms()
            .filter(|(of, room)| room.count() > 0 && self.chat.may_know(user, room, *of))
            .map(|(_, room)| room)
            .filter(|room| matches(room.title(), room.count()))
            .collect();
        rooms.sort_by_key(|room| std::cmp::Reverse(room.count()));
        for room in rooms {
            let topic = room.topic().map_or("", |topic| topic.text);
            replies.say(RPL_LIST, &[room.title(), &room.count().to_string()], topic);
        }
        replies.tell(RPL_LISTEND, &[]);
        let list = self.lists.share(None, out);
        self.connections[key].outbox.insert_shared(&self.journals, list);
        self.connections.touch(key);
    }
}

//! What IRC clients say and ask about themselves, and about the server.

use super::coming::{REAL_NAME_BYTES_MAX, VERSION, real_name, tell_isupport};
use crate::chat::{Fact, UserKey};
use crate::dialect::irc::encode::cut;
use crate::dialect::irc::mask;
use crate::dialect::irc::numeric::{
    ERR_ALREADYREGISTERED, ERR_HELPNOTFOUND, ERR_NOADMININFO, ERR_NOMOTD, ERR_NONICKNAMEGIVEN,
    ERR_NOOPERHOST, ERR_NOPRIVILEGES, ERR_NOSUCHSERVER, RPL_ENDOFHELP, RPL_ENDOFINFO,
    RPL_ENDOFLINKS, RPL_ENDOFMOTD, RPL_ENDOFSTATS, RPL_GLOBALUSERS, RPL_HELPSTART, RPL_HELPTXT,
    RPL_INFO, RPL_LINKS, RPL_LOCALUSERS, RPL_LUSERCHANNELS, RPL_LUSERCLIENT, RPL_LUSERME,
    RPL_LUSEROP, RPL_LUSERUNKNOWN, RPL_MOTD, RPL_MOTDSTART, RPL_NOWAWAY, RPL_STATSUPTIME, RPL_TIME,
    RPL_UNAWAY, RPL_VERSION,
};
use crate::dialect::irc::{SERVER, Verb};
use crate::event::Command;
use crate::hub::Hub;
use crate::hub::connection::State;
use crate::key::ConnectionKey;
use crate::order::{AccountCommand, Moderation};
use crate::text;

/// Why somebody is away, in bytes at most.
pub(super) const AWAY_BYTES_MAX: usize = 200;

/// What can be asked for, in short.
const HELP: &[(&str, &str)] = &[
    ("JOIN", "JOIN #channel [key] goes into a channel; it comes into being if there is none."),
    ("PART", "PART #channel [:why] leaves a channel."),
    ("PRIVMSG", "PRIVMSG #channel|nick :text says something; also NOTICE."),
    ("TOPIC", "TOPIC #channel [:text] shows or sets what a channel is about."),
    ("MODE", "MODE #channel [+-imnstklobv ...] shows or sets modes; +b keeps people out."),
    ("KICK", "KICK #channel nick [:why] puts somebody out."),
    ("INVITE", "INVITE nick #channel tells somebody of a channel, and lets them in once."),
    ("NICK", "NICK name takes another nickname."),
    ("AWAY", "AWAY [:why] says that you are away; without a reason, that you are back."),
    ("WHOIS", "WHOIS nick tells who somebody is; also WHO, WHOWAS, USERHOST, ISON, MONITOR."),
    ("LIST", "LIST [mask] shows the channels; NAMES #channel who is there."),
    ("CHATHISTORY", "CHATHISTORY LATEST #channel * 50 shows what was said."),
    ("NICKSERV", "NICKSERV REGISTER|IDENTIFY|LOGOUT is about accounts; SASL PLAIN works too."),
    ("OPER", "OPER name password makes you an operator of the server."),
    ("QUIT", "QUIT [:why] leaves."),
];

impl Hub {
    /// Does what somebody asks for who has come in, about themselves or the server.
    pub(super) fn irc_of_itself(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        verb: Verb,
        given: &[&str],
    ) {
        let first = given.first().copied().unwrap_or_default();
        let server = if verb == Verb::Stats { given.get(1).copied() } else { Some(first) };
        if verb.may_name_server() && !self.is_server(key, server.unwrap_or_default()) {
            return;
        }
        match verb {
            Verb::Nick if first.is_empty() => {
                self.reply(key, |replies| replies.tell(ERR_NONICKNAMEGIVEN, &[]));
            }
            Verb::Nick => self.execute_command(key, None, Command::Rename(first)),
            Verb::User | Verb::Pass => {
                self.reply(key, |replies| replies.tell(ERR_ALREADYREGISTERED, &[]));
            }
            Verb::Away => self.irc_away((key, user), first),
            Verb::SetName => self.irc_setname((key, user), first),
            Verb::Lusers => self.irc_lusers((key, user)),
            Verb::Motd => self.irc_motd(key),
            Verb::Version => self.reply(key, |replies| {
                replies.say(RPL_VERSION, &[VERSION, SERVER], "a chat that browsers share");
                tell_isupport(replies);
            }),
            Verb::Time => {
                let now = time_text(self.now.unix_seconds);
                self.reply(key, |replies| replies.say(RPL_TIME, &[SERVER], &now));
            }
            Verb::Info => self.reply(key, |replies| {
                replies.say(RPL_INFO, &[], VERSION);
                replies.say(RPL_INFO, &[], "Rooms that browsers, telnet and IRC clients share.");
                replies.tell(RPL_ENDOFINFO, &[]);
            }),
            Verb::Admin => self.reply(key, |replies| replies.tell(ERR_NOADMININFO, &[SERVER])),
            Verb::Links => self.reply(key, |replies| {
                replies.tell(RPL_LINKS, &[SERVER, SERVER]);
                replies.tell(RPL_ENDOFLINKS, &["*"]);
            }),
            Verb::Stats => self.irc_stats(key, first),
            Verb::Help | Verb::HelpOp => self.irc_help(key, given),
            Verb::Oper if self.operator_passwords.is_empty() => {
                self.reply(key, |replies| replies.tell(ERR_NOOPERHOST, &[]));
            }
            Verb::Oper => {
                let (name, password) = (first, given[1]);
                let asked = AccountCommand::Oper { name, password };
                self.execute_command(key, None, Command::Account(asked));
            }
            Verb::Kill => {
                let (name, why) = (first, given.get(1).copied().unwrap_or_default());
                let asked = Moderation::Kill { name, why };
                self.execute_command(key, None, Command::Moderate(asked));
            }
            Verb::Rehash => {
                self.execute_command(key, None, Command::Moderate(Moderation::Reload));
            }
            Verb::Wallops => self.irc_wallops((key, user), first),
            _ => {}
        }
    }

    /// Whether that names this server, by its name, a mask or somebody who is here; if not, `key`
    /// is told that there is none.
    pub(super) fn is_server(&mut self, key: ConnectionKey, named: &str) -> bool {
        let is =
            named.is_empty() || mask::matches(named, SERVER) || self.chat.find(named).is_some();
        if !is {
            let named = text::clean(named);
            self.reply(key, |replies| replies.tell(ERR_NOSUCHSERVER, &[&named]));
        }
        is
    }

    /// For how long the server is there; there are no other statistics for IRC clients.
    fn irc_stats(&mut self, key: ConnectionKey, query: &str) {
        let up = self.now.unix_seconds.saturating_sub(self.irc.began);
        let query = text::clean(query);
        self.reply(key, |replies| {
            if query.eq_ignore_ascii_case("u") {
                let (days, seconds) = (up / 86_400, up % 86_400);
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                let second = seconds % 60;
                let text = format!("Server Up {days} days {hours}:{minutes:02}:{second:02}");
                replies.say(RPL_STATSUPTIME, &[], &text);
            }
            replies.tell(RPL_ENDOFSTATS, &[&query]);
        });
    }

    fn irc_away(&mut self, (key, user): (ConnectionKey, UserKey), why: &str) {
        let why = text::clean(why);
        let (why, _) = cut(&why, AWAY_BYTES_MAX);
        let why = (!text::is_blank(why)).then(|| why.to_owned().into());
        let silence = self.chat.silence_of(user, self.now.unix_seconds);
        if let Some(refusal) = silence.filter(|_| why.is_some()) {
            return self.refuse(key, refusal);
        }
        let numeric = if why.is_some() { RPL_NOWAWAY } else { RPL_UNAWAY };
        self.propose(Fact::Away { user, why });
        self.reply(key, |replies| replies.tell(numeric, &[]));
    }

    fn irc_setname(&mut self, (key, user): (ConnectionKey, UserKey), text: &str) {
        if text.len() > REAL_NAME_BYTES_MAX || text::is_blank(&text::clean(text)) {
            let is_long = text.len() > REAL_NAME_BYTES_MAX;
            let why = if is_long { "That name is too long" } else { "That is no name" };
            return self.fail(key, Verb::SetName, "INVALID_REALNAME", (&[], why));
        }
        if self.chat.silence_of(user, self.now.unix_seconds).is_some() {
            let why = "You are muted";
            return self.fail(key, Verb::SetName, "CANNOT_CHANGE_REALNAME", (&[], why));
        }
        let text = real_name(text).into();
        self.propose(Fact::RealName { user, text });
    }

    fn irc_wallops(&mut self, (key, user): (ConnectionKey, UserKey), text: &str) {
        if !self.chat.is_operator(user) {
            return self.reply(key, |replies| replies.tell(ERR_NOPRIVILEGES, &[]));
        }
        let Some(of) = self.chat.user(user) else { return };
        let text = crate::dialect::irc::format::cleaned(text);
        let line = format!(":{} WALLOPS :{text}\r\n", self.chat.author(of));
        let wants = |key: &ConnectionKey| {
            let connection = &self.connections[*key];
            let is_operator = connection.user().is_some_and(|user| self.chat.is_operator(user));
            connection.session.irc().is_some_and(|it| it.wants_wallops || is_operator)
        };
        let keys: Vec<_> = self.connections.keys().into_iter().filter(wants).collect();
        keys.into_iter().for_each(|key| self.send(key, line.as_bytes()));
    }

    // ── the server ───────────────────────────────────────────────────────────────────────────────

    pub(super) fn irc_lusers(&mut self, (key, user): (ConnectionKey, UserKey)) {
        let users = self.members();
        self.irc.most = self.irc.most.max(users);
        let max = self.irc.most.to_string();
        let operators = self.chat.all_users().filter(|(user, _)| self.chat.is_operator(*user));
        let operators = operators.count().to_string();
        let is_unknown = |state: &State| matches!(state, State::AwaitingNick { .. });
        let unknown = self.connections.iter().filter(|it| is_unknown(&it.state)).count();
        let unknown = unknown.to_string();
        let rooms = self
            .chat
            .rooms()
            .filter(|(of, room)| room.count() > 0 && self.chat.may_know(user, room, *of));
        let rooms = rooms.count().to_string();
        let users = users.to_string();
        self.reply(key, |replies| {
            let text = format!("There are {users} users and 0 invisible on 1 servers");
            replies.say(RPL_LUSERCLIENT, &[], &text);
            replies.tell(RPL_LUSEROP, &[&operators]);
            replies.tell(RPL_LUSERUNKNOWN, &[&unknown]);
            replies.tell(RPL_LUSERCHANNELS, &[&rooms]);
            replies.say(RPL_LUSERME, &[], &format!("I have {users} clients and 0 servers"));
            let text = format!("Current local users {users}, max {max}");
            replies.say(RPL_LOCALUSERS, &[&users, &max], &text);
            let text = format!("Current global users {users}, max {max}");
            replies.say(RPL_GLOBALUSERS, &[&users, &max], &text);
        });
    }

    pub(super) fn irc_motd(&mut self, key: ConnectionKey) {
        let motd = std::mem::take(&mut self.motd);
        self.reply(key, |replies| {
            if motd.is_empty() {
                return replies.tell(ERR_NOMOTD, &[]);
            }
            replies.say(RPL_MOTDSTART, &[], &format!("- {SERVER} Message of the day -"));
            for line in &motd {
                let mut rest = line.as_str();
                loop {
                    let (piece, left) = cut(rest, 400);
                    replies.say(RPL_MOTD, &[], &format!("- {piece}"));
                    rest = left;
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            replies.tell(RPL_ENDOFMOTD, &[]);
        });
        self.motd = motd;
    }

    pub(super) fn irc_help(&mut self, key: ConnectionKey, given: &[&str]) {
        let wanted = given.first().copied().unwrap_or_default();
        let subject = if wanted.is_empty() { "*".into() } else { text::clean(wanted) };
        let is_index = wanted.is_empty() || wanted == "*";
        let found = |(name, _): &&(&str, &str)| is_index || name.eq_ignore_ascii_case(wanted);
        let lines: Vec<_> = HELP.iter().filter(found).collect();
        self.reply(key, |replies| {
            if lines.is_empty() {
                return replies.tell(ERR_HELPNOTFOUND, &[&subject]);
            }
            replies.say(RPL_HELPSTART, &[&subject], "What you can do");
            // The line below the title is empty, as clients know it.
            replies.say(RPL_HELPTXT, &[&subject], "");
            for (_, text) in lines {
                replies.say(RPL_HELPTXT, &[&subject], text);
            }
            replies.tell(RPL_ENDOFHELP, &[&subject]);
        });
    }
}

/// A time as people read it.
pub(super) fn time_text(unix_seconds: u64) -> String {
    let seconds = unix_seconds % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", text::day_of(unix_seconds))
}

//! How an IRC client comes in: what it says of itself, which password it gives, and what it is told
//! then.

use data_encoding::BASE64;

use crate::archive::{AccountRequest, Proof};
use crate::author::Profile;
use crate::chat::{Authority, Conflict, Standing, UserKey};
use crate::config::HISTORY_LINES_MAX;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::message::Message;
use crate::dialect::irc::numeric::{
    ERR_ALREADYREGISTERED, ERR_NEEDMOREPARAMS, ERR_NONICKNAMEGIVEN, ERR_PASSWDMISMATCH,
    ERR_SASLABORTED, ERR_SASLALREADY, ERR_SASLFAIL, ERR_SASLTOOLONG, RPL_CREATED, RPL_ISUPPORT,
    RPL_LOGGEDIN, RPL_MYINFO, RPL_SASLMECHS, RPL_SASLSUCCESS, RPL_UMODEIS, RPL_WELCOME,
    RPL_YOURHOST, Replies,
};
use crate::dialect::irc::{Registering, SERVER, Verb};
use crate::event::{CloseReason, Refusal};
use crate::hub::Hub;
use crate::hub::connection::State;
use crate::hub::input::Came;
use crate::hub::next::Next;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::text;
use crate::token::Secret;

/// The longest user name, in bytes, and the longest real name.
pub(super) const USER_BYTES_MAX: usize = 18;
pub(super) const REAL_NAME_BYTES_MAX: usize = 128;

/// Bytes of one piece of SASL, and of all of them.
const SASL_PIECE_BYTES: usize = 400;
const SASL_BYTES_MAX: usize = 1600;

/// The version, as clients are told it.
pub(super) const VERSION: &str = concat!("chinwag-", env!("CARGO_PKG_VERSION"));

impl Hub {
    /// Does what somebody asks for who has no name yet.
    pub(super) fn execute_before_name(
        &mut self,
        key: ConnectionKey,
        verb: Verb,
        message: &Message<'_>,
    ) {
        let given = message.parameters();
        match verb {
            Verb::Ping | Verb::Cap => self.reply_in_session(key, message),
            Verb::Pass => {
                let password = given[0].to_owned();
                if let Some(registering) = self.registering(key) {
                    registering.password = Some(password);
                }
            }
            Verb::Nick => self.want_nick(key, given.first().copied().unwrap_or_default()),
            Verb::User => self.note_user(key, given),
            Verb::Authenticate => self.irc_authenticate(key, given[0]),
            Verb::Quit => return self.quit_before_name(key),
            Verb::Help | Verb::HelpOp => self.irc_help(key, given),
            _ => {}
        }
        self.register(key);
    }

    /// What `key` has said of itself until now.
    fn registering(&mut self, key: ConnectionKey) -> Option<&mut Registering> {
        self.connections[key].session.irc_mut()?.registering.as_deref_mut()
    }

    /// Somebody without a name wants this one.
    fn want_nick(&mut self, key: ConnectionKey, name: &str) {
        if name.is_empty() {
            return self.reply(key, |replies| replies.tell(ERR_NONICKNAMEGIVEN, &[]));
        }
        match Nickname::parse(name) {
            Err(error) => self.refuse(key, Refusal::Nickname(error, &text::clean(name))),
            // Whose account it is shows when it is known who comes.
            Ok(nick) if self.is_held(&nick) => self.refuse(key, Refusal::Taken(name)),
            Ok(_) => {
                let name = name.to_owned();
                if let Some(registering) = self.registering(key) {
                    registering.nick = Some(name);
                }
            }
        }
    }

    /// Whether somebody has this name who is not to be taken for gone.
    fn is_held(&self, name: &Nickname) -> bool {
        self.chat.holder_of(name).is_some() && self.chat.account_called(name).is_none()
    }

    fn note_user(&mut self, key: ConnectionKey, given: &[&str]) {
        if given[0].is_empty() || given[3].is_empty() {
            return self.reply(key, |replies| replies.tell(ERR_NEEDMOREPARAMS, &["USER"]));
        }
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let user: String = given[0].chars().filter(is_plain).take(USER_BYTES_MAX).collect();
        let user = if user.is_empty() { "user".to_owned() } else { user };
        let real_name = real_name(given[3]);
        let Some(registering) = self.registering(key) else { return };
        if registering.user.is_some() {
            return self.reply(key, |replies| replies.tell(ERR_ALREADYREGISTERED, &[]));
        }
        (registering.user, registering.real_name) = (Some(user), real_name);
    }

    /// Lets somebody in who has said all that must be said.
    pub(in crate::hub) fn register(&mut self, key: ConnectionKey) {
        let waiting = self.connections[key].waiting.as_ref();
        let is_waiting = waiting.is_some_and(|waiting| waiting.asked.is_some());
        if !self.is_registering(key) || is_waiting {
            return;
        }
        let Some(registering) = self.registering(key) else { return };
        let (Some(nick), Some(user)) = (&registering.nick, &registering.user) else { return };
        if registering.negotiating {
            return;
        }
        let (nick, user) = (nick.clone(), user.clone());
        let (account, password) = (registering.account.clone(), registering.password.take());
        let was_proving = registering.proof.take().is_some();
        let real_name = registering.real_name.clone();
        if was_proving {
            self.reply(key, |replies| replies.tell(ERR_SASLABORTED, &[]));
        }
        if self.connections[key].awaits_password() {
            let given = password.as_deref().unwrap_or_default();
            if !self.password.as_ref().is_none_or(|known| known.is(given)) {
                self.reply(key, |replies| replies.tell(ERR_PASSWDMISMATCH, &[]));
                self.pace_address(key);
                return self.close(key, CloseReason::WrongPasswords(1), "");
            }
            if let State::AwaitingNick { wrong_passwords, .. } = &mut self.connections[key].state {
                *wrong_passwords = None;
            }
        } else if account.is_none()
            && let Some((name, proof)) = password.as_deref().and_then(|it| it.split_once(':'))
            && self.settings.has_accounts
        {
            return self.prove(key, (name, proof), Verb::Pass);
        }
        let Ok(name) = Nickname::parse(&nick) else { return };
        if self.chat.has_accounts() && self.chat.needs_account() && account.is_none() {
            self.refuse(key, Refusal::AccountNeeded);
            return self.close(key, CloseReason::Locked, "");
        }
        let profile = Profile { user: user.into(), real_name: real_name.into(), away: None };
        self.come_in(key, &name, (account, profile));
    }

    fn come_in(
        &mut self,
        key: ConnectionKey,
        name: &Nickname,
        (account, profile): (Option<Nickname>, Profile),
    ) {
        let is_operator = account.as_ref().is_some_and(|account| self.chat.is_operators(account));
        if account.is_some() && self.chat.account_called(name) == account.as_ref() {
            // Whoever has it has only lent it.
            self.free_name(name);
        }
        let authority = is_operator.then_some(Authority::Account);
        let (profile, at_once) = (Some(profile), true);
        let standing = Standing { account, authority, profile, at_once, ..Standing::default() };
        match self.name_connection(key, name, &standing) {
            Ok(Came::Now) => {}
            Ok(Came::Later) => self.then(key, Next::NamedIrc { name: name.clone() }),
            Err(conflict) => {
                self.refuse_irc_name(key, name, (conflict, standing.account.as_ref()));
            }
        }
    }

    /// An IRC client cannot have a nickname, and may give another; or cannot come in at all.
    pub(in crate::hub) fn refuse_irc_name(
        &mut self,
        key: ConnectionKey,
        name: &Nickname,
        (conflict, account): (Conflict, Option<&Nickname>),
    ) {
        let refusal = match conflict {
            Conflict::Registered => Refusal::Registered(name.as_str()),
            Conflict::NameTaken => Refusal::Taken(name.as_str()),
            conflict => return self.keep_out(key, account, conflict),
        };
        if let Some(registering) = self.registering(key) {
            registering.nick = None;
        }
        self.refuse(key, refusal);
    }

    /// Somebody has come in, and is told all that clients want to know at once.
    pub(in crate::hub) fn greet_irc(&mut self, key: ConnectionKey, user: UserKey) {
        if let Some(session) = self.connections[key].session.irc_mut() {
            session.registering = None;
        }
        self.note_encoding(key);
        let Some(of) = self.chat.user(user) else { return };
        let mask = self.chat.author(of).to_string();
        let began = super::facts::time_text(self.irc.began);
        self.reply(key, |replies| {
            replies.say(RPL_WELCOME, &[], &format!("Welcome to chinwag, {mask}"));
            replies.say(RPL_YOURHOST, &[], &format!("Your host is {SERVER}, running {VERSION}"));
            replies.say(RPL_CREATED, &[], &format!("This server has been here since {began}"));
            replies.tell(RPL_MYINFO, &[SERVER, VERSION, "iow", "biklmnostv", "bklov"]);
            tell_isupport(replies);
        });
        self.irc_lusers((key, user));
        self.irc_motd(key);
        self.reply(key, |replies| replies.tell(RPL_UMODEIS, &["+"]));
    }

    // ── accounts ─────────────────────────────────────────────────────────────────────────────────

    /// A piece of SASL, or what begins or ends it.
    pub(super) fn irc_authenticate(&mut self, key: ConnectionKey, piece: &str) {
        if !self.caps_of(key).has(Caps::SASL) {
            return self.reply(key, |replies| replies.tell(ERR_SASLFAIL, &[]));
        }
        let user = self.connections[key].user();
        let before = self.registering(key).map(|it| (it.account.clone(), it.proof.take()));
        let (account, proof) = before.unwrap_or_default();
        let account = account.or(user.and_then(|user| self.chat.account_of(user).cloned()));
        if account.is_some() {
            return self.reply(key, |replies| replies.tell(ERR_SASLALREADY, &[]));
        }
        match proof {
            _ if piece == "*" => self.reply(key, |replies| replies.tell(ERR_SASLABORTED, &[])),
            None if piece.eq_ignore_ascii_case("PLAIN") => {
                self.keep_proof(key, String::new());
                self.send(key, b"AUTHENTICATE +\r\n");
            }
            None => self.reply(key, |replies| {
                replies.tell(RPL_SASLMECHS, &["PLAIN"]);
                replies.tell(ERR_SASLFAIL, &[]);
            }),
            Some(_) if piece.len() > SASL_PIECE_BYTES => {
                self.reply(key, |replies| replies.tell(ERR_SASLTOOLONG, &[]));
            }
            Some(mut proof) => {
                proof.push_str(if piece == "+" { "" } else { piece });
                if proof.len() > SASL_BYTES_MAX {
                    return self.reply(key, |replies| replies.tell(ERR_SASLTOOLONG, &[]));
                }
                if piece.len() == SASL_PIECE_BYTES {
                    return self.keep_proof(key, proof);
                }
                match plain(&proof) {
                    Some((name, password)) => {
                        self.prove(key, (&name, &password), Verb::Authenticate);
                    }
                    None => self.reply(key, |replies| replies.tell(ERR_SASLFAIL, &[])),
                }
            }
        }
    }

    fn keep_proof(&mut self, key: ConnectionKey, proof: String) {
        if let Some(session) = self.connections[key].session.irc_mut() {
            session.registering.get_or_insert_default().proof = Some(proof);
        }
    }

    /// Somebody says that an account is theirs, and with what they show it.
    fn prove(&mut self, key: ConnectionKey, (name, password): (&str, &str), asked: Verb) {
        if let Some(session) = self.connections[key].session.irc_mut() {
            session.asked = asked;
        }
        if self.connections[key].is_exposed && !self.insecure_passwords {
            return self.disproved(key, Some(Refusal::Insecure));
        }
        let Some(name) = self.chat.account_given(name).cloned() else {
            return self.disproved(key, None);
        };
        let proof = Proof::Password(Secret::new(password));
        self.ask_keeper(key, AccountRequest::Login { name, proof, wants_token: false });
        if self.connections[key].waiting.is_none() && self.is_registering(key) {
            // It was refused; that has been told.
            self.disproved_for_good(key);
        }
    }

    /// Somebody who has no name yet has shown that an account is theirs.
    pub(in crate::hub) fn proved(&mut self, key: ConnectionKey, account: &Nickname) {
        let asked = self.connections[key].session.asked();
        let nick = self.registering(key).and_then(|it| it.nick.clone());
        if let Some(registering) = self.registering(key) {
            registering.account = Some(account.clone());
        }
        log::info!("event=login account={account} from={}", self.connections[key].remote);
        let mask = format!("{}!*@*", nick.as_deref().unwrap_or("*"));
        let text = format!("You are now logged in as {account}");
        self.reply(key, |replies| {
            replies.say(RPL_LOGGEDIN, &[&mask, account.as_str()], &text);
            if asked == Verb::Authenticate {
                replies.tell(RPL_SASLSUCCESS, &[]);
            }
        });
        self.register(key);
    }

    /// Somebody has not shown that an account is theirs.
    pub(in crate::hub) fn disproved(&mut self, key: ConnectionKey, why: Option<Refusal<'_>>) {
        match why {
            Some(refusal) => self.refuse(key, refusal),
            None if self.connections[key].session.asked() == Verb::Authenticate => {
                self.reply(key, |replies| replies.tell(ERR_SASLFAIL, &[]));
            }
            None => self.reply(key, |replies| replies.tell(ERR_PASSWDMISMATCH, &[])),
        }
        self.disproved_for_good(key);
    }

    /// Who gave a wrong PASS is closed, since it cannot be asked again.
    fn disproved_for_good(&mut self, key: ConnectionKey) {
        self.pace_address(key);
        if self.connections[key].session.asked() == Verb::Pass && self.is_registering(key) {
            self.close(key, CloseReason::WrongPasswords(1), "");
        }
    }
}

/// Tells what the server can, with at most 13 words a line.
pub(super) fn tell_isupport(replies: &mut Replies<'_>) {
    for tokens in isupport().chunks(13) {
        let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
        replies.tell(RPL_ISUPPORT, &tokens);
    }
}

/// What the server can, as clients read it.
fn isupport() -> Vec<String> {
    let numbers = [
        ("AWAYLEN", super::facts::AWAY_BYTES_MAX),
        ("CHANNELLEN", super::acts::CHANNEL_CHARS_MAX),
        ("CHATHISTORY", HISTORY_LINES_MAX.min(super::history::LINES_MAX)),
        ("HOSTLEN", 64),
        ("KICKLEN", crate::sanction::REASON_BYTES_MAX),
        ("MODES", 4),
        ("MONITOR", super::monitor::WATCHED_MAX),
        ("NAMELEN", REAL_NAME_BYTES_MAX),
        ("NICKLEN", 32),
        ("TOPICLEN", super::acts::TOPIC_BYTES_MAX),
        ("USERLEN", USER_BYTES_MAX),
    ];
    let words = [
        "CASEMAPPING=ascii",
        "CHANLIMIT=#:50",
        "CHANMODES=b,k,l,imnst",
        "CHANTYPES=#",
        "ELIST=MU",
        "MAXLIST=b:1000",
        "MSGREFTYPES=msgid,timestamp",
        "NETWORK=chinwag",
        "PREFIX=(ov)@+",
        "STATUSMSG=@+",
        "TARGMAX=JOIN:,KICK:4,LIST:10,NAMES:,NOTICE:4,PART:,PRIVMSG:4,TAGMSG:4,WHOIS:1",
        "UTF8ONLY",
        "WHOX",
    ];
    let numbers = numbers.iter().map(|(name, number)| format!("{name}={number}"));
    numbers.chain(words.map(str::to_owned)).collect()
}

/// The name and the password in what SASL PLAIN sends (RFC 4616). Nobody acts for somebody else.
fn plain(proof: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(BASE64.decode(proof.as_bytes()).ok()?).ok()?;
    let mut parts = decoded.split('\0');
    let (acts_for, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && !name.is_empty();
    let is_own = acts_for.is_empty() || acts_for == name;
    (is_whole && is_own).then(|| (name.to_owned(), password.to_owned()))
}

/// What somebody calls themselves, fit to be shown.
pub(super) fn real_name(given: &str) -> String {
    let clean = text::clean(given);
    let (name, _) = crate::dialect::irc::encode::cut(&clean, REAL_NAME_BYTES_MAX);
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sasl_plain_is_a_name_and_a_password_of_ones_own() {
        let encoded = |text: &str| BASE64.encode(text.as_bytes());
        let own = Some(("bob".to_owned(), "pass word".to_owned()));
        assert_eq!(plain(&encoded("\0bob\0pass word")), own);
        assert_eq!(plain(&encoded("bob\0bob\0pass word")), own);
        for wrong in ["alice\0bob\0x", "\0bob", "bob", "\0\0x", "\0bob\0x\0y"] {
            assert_eq!(plain(&encoded(wrong)), None, "{wrong:?}");
        }
        assert_eq!(plain("!"), None);
    }

    #[test]
    fn no_line_of_isupport_is_too_long() {
        for tokens in isupport().chunks(13) {
            assert!(tokens.join(" ").len() < 400, "{tokens:?}");
        }
    }
}

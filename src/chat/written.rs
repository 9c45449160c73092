//! Entries as text: how facts stand in the log that several servers share. Each is a line of words;
//! what people said stands last, as it is. What is read is not believed: texts are cleaned again,
//! and what nobody could have written is nothing.
//!
//! Users are known by their server and their number there, rooms by their names. So a line says the
//! same to every server that has read the log up to it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use super::Chat;
use super::entry::{AccountFact, Authority, EntryId, Fact, Leaving, MaybeExtra, Order, Standing};
use super::room::RoomKey;
use super::user::UserKey;
use crate::author::{Extra, Part, Profile};
use crate::dialect::Dialect;
use crate::event::CloseReason;
use crate::nickname::{BYTES_MAX, Nickname};
use crate::order::Removal;
use crate::rights::{Flag, KEY_BYTES_MAX, Rank, Setting};
use crate::sanction::{REASON_BYTES_MAX, Sanction, SanctionKind, Target};
use crate::text;

/// The version of this format.
pub(crate) const VERSION: u32 = 1;

/// The bytes of a server's name in the log, at most.
const NODE_BYTES_MAX: usize = 96;

/// The bytes of a line, at most; no server takes so long a one from anybody.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// The bytes of what somebody says of themselves, at most.
const PROFILE_BYTES_MAX: usize = 512;

/// The bytes of what a password hashes to, at most.
pub(crate) const HASH_BYTES_MAX: usize = 256;

/// Who is who in the log.
pub(crate) trait Members {
    /// The server of a user, and their number there.
    fn member_of(&self, user: UserKey) -> Option<(&str, u64)>;

    /// The number of a user who is at this server.
    fn own_number_of(&self, user: UserKey) -> Option<u64>;

    /// The user with this number at this server.
    fn user_of(&self, node: &str, number: u64) -> Option<UserKey>;

    /// The same for whom somebody else writes about, perhaps without knowing yet that they have
    /// come back at another server.
    fn whom(&self, node: &str, number: u64) -> Option<UserKey> {
        self.user_of(node, number)
    }
}

/// What a line of the log says.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// Its server begins, with this version of the format, under this label, in the place of that
    /// server, or of none (`-`).
    Up { version: u32, label: &'a str, instead_of: &'a str },
    /// Another server has gone.
    Down { node: &'a str },
    /// Somebody has a token, which hashes to this.
    Pass { user: UserKey, hash: u128 },
    /// Somebody who was at another server is at this one from now on, with that number.
    Taken { user: UserKey, number: u64 },
    /// Somebody has a name, with this number at its server.
    Came { number: u64, fact: Fact<'a> },
    /// Something has become of an account.
    Account(AccountLine<'a>),
    /// Somebody says something, under a key that hashes to this.
    Keyed { user: UserKey, fact: Fact<'a>, key: u64 },
    /// Somebody says something to those alone who have at least that rank in a room.
    ToRanks { user: UserKey, room: RoomKey, least: Rank, text: Cow<'a, str>, extra: MaybeExtra },
    /// What somebody was written in private, or an invitation, has not reached them, since they
    /// have too much to read.
    Undelivered { user: UserKey, author: UserKey },
    /// Something private has waited for somebody at the server of the entry, and they have come
    /// back at another one.
    Mail { to: UserKey, mail: Mail<'a> },
    /// Somebody gets another name, since the one that they have is an account.
    Lost { user: UserKey, name: Nickname },
    /// Anything else.
    Fact(Fact<'a>),
}

/// What somebody has been written in private: its number, when, by whom, and the text.
#[derive(Debug)]
pub(crate) struct Mail<'a> {
    pub id: EntryId,
    pub at: u64,
    pub from: Cow<'a, str>,
    pub text: Cow<'a, str>,
}

impl Mail<'_> {
    /// As words.
    pub(crate) fn write(&self) -> String {
        format!("{} {} {} {}", self.id, self.at, word_of(&self.from), self.text)
    }

    fn read<'a>(words: &mut Words<'a>) -> Option<Mail<'a>> {
        let (id, at) = (words.number()?, words.number()?);
        Some(Mail { id, at, from: words.text(BYTES_MAX * 2)?.into(), text: words.rest() })
    }
}

/// What a line says of an account.
#[derive(Debug)]
pub(crate) struct AccountLine<'a> {
    /// Its name.
    pub name: Nickname,
    /// What has become of it.
    pub change: AccountChange<'a>,
}

/// What has become of an account. A mark is that of the password that it must still have.
#[derive(Debug)]
pub(crate) enum AccountChange<'a> {
    /// It is there, with a password that hashes to this.
    Added { hash: &'a str },
    /// It has another password, and no token any more.
    Password { mark: u64, hash: &'a str },
    /// The same by an operator, and nobody is logged in any more.
    Reset { mark: u64, hash: &'a str },
    /// It is none any more.
    Removed { mark: u64 },
    /// It has a token that hashes to this, until then.
    Token { mark: u64, token: u128, until: u64 },
    /// It has no token any more.
    LoggedOut,
}

impl AccountChange<'_> {
    /// The mark of the password that the account must still have, if one is wanted.
    pub(crate) fn mark(&self) -> Option<u64> {
        match self {
            AccountChange::Password { mark, .. }
            | AccountChange::Reset { mark, .. }
            | AccountChange::Removed { mark }
            | AccountChange::Token { mark, .. } => Some(*mark),
            AccountChange::Added { .. } | AccountChange::LoggedOut => None,
        }
    }
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

/// Writes what happens at a server as a line, without its end. `None` if it cannot be told to
/// others, since one of those whom it is about has gone.
pub(crate) fn write(chat: &Chat, members: &impl Members, fact: &Fact<'_>) -> Option<String> {
    let number = |user: &UserKey| members.own_number_of(*user);
    let whom = |user: &UserKey| {
        let (node, number) = members.member_of(*user)?;
        Some(format!("{node} {number}"))
    };
    let name_of = |room: &RoomKey| chat.rooms.get(room.place()).map(|room| room.name().as_str());
    Some(match fact {
        Fact::Connected { origin, name, address, standing } => {
            let number = origin.as_ref()?.to_bits();
            format!("come {number} {name} {address} {}", write_standing(standing))
        }
        Fact::Joined { user, room, key } => format!("join {} {room} {key}", number(user)?),
        Fact::Parted { user, room, words } => {
            format!("part {} {} {words}", number(user)?, name_of(room)?)
        }
        Fact::Left { user, why } => format!("leave {} {}", number(user)?, write_leaving(why)),
        Fact::Renamed { user, name } => format!("nick {} {name}", number(user)?),
        Fact::Said { user, room, text, emote, extra } => {
            let verb = if *emote { "me" } else { "say" };
            let (extra, room) = (write_extra(extra), name_of(room)?);
            format!("{verb}{extra} {} {room} {text}", number(user)?)
        }
        Fact::Told { user, to, text, extra } => {
            format!("tell{} {} {} {text}", write_extra(extra), number(user)?, whom(to)?)
        }
        Fact::Away { user, why: Some(why) } => format!("away {} {why}", number(user)?),
        Fact::Away { user, why: None } => format!("back {}", number(user)?),
        Fact::RealName { user, text } => format!("realname {} {text}", number(user)?),
        Fact::Invited { user, to, room } => {
            format!("invite {} {} {}", number(user)?, whom(to)?, name_of(room)?)
        }
        Fact::Forgot { user } => format!("forget {}", number(user)?),
        Fact::Topic { user, room, text } => {
            format!("topic {} {} {text}", number(user)?, name_of(room)?)
        }
        Fact::Account(AccountFact::Operator { user, by }) => {
            format!("oper {} {}", number(user)?, write_authority(by.as_ref()))
        }
        Fact::Account(AccountFact::LoggedIn { user, account, operator }) => {
            format!("login {} {account} {}", number(user)?, u8::from(*operator))
        }
        Fact::Account(AccountFact::LoggedOut { user }) => format!("logout {}", number(user)?),
        // Those have lines of their own, with what their passwords hash to; and where somebody's
        // bytes go is their server's business.
        Fact::Account(AccountFact::Registered { .. } | AccountFact::Unregistered { .. })
        | Fact::Moved { .. } => return None,
        Fact::Order { by, order } => {
            let room = order.room().as_ref().map(name_of).unwrap_or(Some("-"))?;
            write_order(number(by)?, room, order, whom)?
        }
    })
}

/// What somebody says to those who have at least that rank in a room, as a line.
pub(crate) fn write_to_ranks(
    number: u64,
    (room, least): (&Nickname, Rank),
    text: &str,
    extra: &MaybeExtra,
) -> String {
    format!("ranks{} {number} {room} {} {text}", write_extra(extra), least.letter())
}

/// Adds to a line by which somebody says something that they do so under this key.
pub(crate) fn add_key(line: &mut String, key: u64) {
    let verb = line.find(['/', ' ']).unwrap_or(line.len());
    line.insert_str(verb, &format!("={key:x}"));
}

fn write_order(
    by: u64,
    room: &str,
    order: &Order,
    whom: impl Fn(&UserKey) -> Option<String>,
) -> Option<String> {
    Some(match order {
        Order::Ranked { user, rank, .. } => {
            let letter = rank.map_or('-', Rank::letter);
            format!("rank {by} {room} {} {letter}", whom(user)?)
        }
        Order::Unranked { account, .. } => format!("unrank {by} {room} {account}"),
        Order::Set { setting: Setting::Flag(flag, on), .. } => {
            format!("flag {by} {room} {} {}", flag.letter(), u8::from(*on))
        }
        Order::Set { setting: Setting::Key(key), .. } => {
            format!("key {by} {room} {}", key.as_deref().unwrap_or_default())
        }
        Order::Set { setting: Setting::Limit(limit), .. } => {
            format!("limit {by} {room} {}", or_dash(*limit))
        }
        Order::Kicked { user, how, why, .. } => {
            format!("kick {by} {room} {} {} {why}", whom(user)?, how.word())
        }
        Order::Removed { user, how, why } => {
            format!("kill {by} {} {} {why}", whom(user)?, how.word())
        }
        Order::Sanctioned { sanction, .. } => {
            format!("sanction {by} {room} {}", write_sanction(sanction))
        }
        Order::Lifted { sanction, .. } => format!("lift {by} {room} {}", write_sanction(sanction)),
        Order::Locked { age } => format!("lock {by} {}", or_dash(*age)),
        Order::Unlocked => format!("unlock {by}"),
        Order::Slowed { seconds } => format!("slow {by} {}", or_dash(*seconds)),
        Order::Announced { text } => format!("announce {by} {text}"),
    })
}

pub(super) fn write_standing(standing: &Standing) -> String {
    let Standing { account, authority, known, came_by, profile, at_once } = standing;
    let authority = write_authority(authority.as_ref());
    let account = account.as_ref().map_or("-", Nickname::as_str);
    let flags = format!("{}{}", u8::from(*known), u8::from(*at_once));
    let mut words = format!("{came_by} {flags} {account} {authority}");
    if let Some(Profile { user, real_name, away }) = profile {
        let away = away.as_deref().map_or("-".to_owned(), word_of);
        let _ = write!(words, " {} {} {away}", word_of(user), word_of(real_name));
    }
    words
}

fn write_authority(authority: Option<&Authority>) -> String {
    match authority {
        None => "-".to_owned(),
        Some(Authority::Console) => "console".to_owned(),
        Some(Authority::Account) => "account".to_owned(),
        Some(Authority::Password(name)) => format!("password:{name}"),
    }
}

fn write_leaving(why: &Leaving<'_>) -> String {
    match why {
        // Others go on without them.
        Leaving::Plain | Leaving::Reason(CloseReason::Stopping) => "plain".to_owned(),
        Leaving::Words(words) => format!("words {words}"),
        Leaving::Reason(reason) => format!("reason {}", reason.label()),
    }
}

/// What an IRC client said besides the text, behind the verb.
fn write_extra(extra: &MaybeExtra) -> String {
    let Some(extra) = extra else { return String::new() };
    let Extra { formatted, tags, is_notice, part } = &**extra;
    let part = part.map_or_else(String::new, |Part { message, is_first, is_last }| {
        format!("/{message}/{}/{}", u8::from(is_first), u8::from(is_last))
    });
    format!("/{}/{}/{}{part}", u8::from(*is_notice), word_of(tags), word_of(formatted))
}

pub(super) fn write_sanction(sanction: &Sanction) -> String {
    let Sanction { id, kind, target, whom, by, why, at, until, room: _ } = sanction;
    let (kind, until) = (kind.word(), or_dash(*until));
    let target = word_of(&target.to_string());
    format!("{id} {kind} {target} {} {} {at} {until} {why}", word_of(whom), word_of(by))
}

pub(super) fn or_dash(number: Option<impl ToString>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// Any text as one word: what would end it, or be taken for nothing, is written by its number.
pub(super) fn word_of(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | ' ' | '/' | '-' => drop(write!(word, "%{:02x}", c as u32)),
            c if c.is_control() && c.is_ascii() => drop(write!(word, "%{:02x}", c as u32)),
            c => word.push(c),
        }
    }
    if word.is_empty() { "%".to_owned() } else { word }
}

/// What [`word_of`] made a word of.
fn text_of(word: &str) -> Option<String> {
    let mut text = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((plain, escaped)) = rest.split_once('%') {
        text.push_str(plain);
        if escaped.is_empty() {
            return (word == "%").then(String::new);
        }
        let (code, after) = escaped.split_at_checked(2)?;
        text.push(char::from(u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?));
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

/// A line, word by word.
pub(super) struct Words<'a>(pub(super) &'a str);

impl<'a> Words<'a> {
    /// The next word, which is not empty.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.next()?.parse().ok()
    }

    /// A number in hexadecimal digits.
    pub(super) fn hex<N: TryFrom<u128>>(&mut self) -> Option<N> {
        u128::from_str_radix(self.next()?, 16).ok()?.try_into().ok()
    }

    /// A number, or `-` for none.
    pub(super) fn maybe<N: FromStr>(&mut self) -> Option<Option<N>> {
        match self.next()? {
            "-" => Some(None),
            number => number.parse().ok().map(Some),
        }
    }

    /// The letter of a rank, or `-` for none.
    pub(super) fn rank(&mut self) -> Option<Option<Rank>> {
        match self.next()? {
            "-" => Some(None),
            letter => Some(Some(Rank::of_letter(letter.parse().ok()?)?)),
        }
    }

    /// A word that stands for a text of at most so many bytes.
    pub(super) fn text(&mut self, bytes_max: usize) -> Option<String> {
        let text = text_of(self.next()?)?;
        (text.len() <= bytes_max).then(|| text::clean(&text).into_owned())
    }

    /// All that is left, cleaned.
    pub(super) fn rest(&mut self) -> Cow<'a, str> {
        text::clean(std::mem::take(&mut self.0))
    }

    /// The same, not longer than that.
    pub(super) fn rest_within(&mut self, bytes_max: usize) -> Option<Cow<'a, str>> {
        Some(self.rest()).filter(|rest| rest.len() <= bytes_max)
    }

    /// The name of a person. Not all names there are can be given: some are made by a server.
    pub(super) fn name(&mut self) -> Option<Nickname> {
        let name = self.next()?;
        let is_sound = name.len() <= BYTES_MAX && text::clean(name) == name;
        is_sound.then(|| Nickname::unchecked(name))
    }

    pub(super) fn room(&mut self) -> Option<Nickname> {
        Nickname::parse(self.next()?).ok()
    }

    pub(super) fn node(&mut self) -> Option<&'a str> {
        self.next().filter(|node| is_node(node))
    }
}

/// Whether a server can have this name in the log.
pub(crate) fn is_node(name: &str) -> bool {
    name.len() <= NODE_BYTES_MAX && text::clean(name) == name
}

/// Reads a line of the server `node`. `None` if it says nothing that can be so here.
pub(crate) fn read<'a>(
    chat: &Chat,
    members: &impl Members,
    node: &str,
    line: &'a str,
) -> Option<Line<'a>> {
    (line.len() <= LINE_BYTES_MAX).then_some(())?;
    let mut words = Words(line);
    let (verb, key, extra) = read_verb(words.next()?)?;
    match verb {
        "up" | "down" | "take" | "lose" | "come" | "mail" => {
            return read_of_server(members, (node, verb), &mut words);
        }
        "account" | "password" | "reset" | "unaccount" | "token" | "untoken" => {
            return read_account(verb, &mut words).map(Line::Account);
        }
        _ => {}
    }
    let user = members.user_of(node, words.number()?)?;
    let room_of = |words: &mut Words<'a>| {
        let name = words.next()?;
        chat.own_room(user, name).or_else(|| chat.room_called(&Nickname::parse(name).ok()?))
    };
    let whom = |words: &mut Words<'a>| members.whom(words.node()?, words.number()?);
    let fact = match verb {
        "pass" => return Some(Line::Pass { user, hash: words.hex()? }),
        "undelivered" => return Some(Line::Undelivered { user, author: whom(&mut words)? }),
        "ranks" => {
            let (room, least) = (room_of(&mut words)?, words.rank()??);
            return Some(Line::ToRanks { user, room, least, text: words.rest(), extra });
        }
        "join" => {
            let room = words.room()?;
            Fact::Joined { user, room, key: words.rest_within(KEY_BYTES_MAX)? }
        }
        "part" => Fact::Parted { user, room: room_of(&mut words)?, words: words.rest() },
        "leave" => Fact::Left { user, why: read_leaving(&mut words)? },
        "nick" => Fact::Renamed { user, name: words.name()? },
        "say" | "me" => {
            let (room, text) = (room_of(&mut words)?, words.rest());
            let emote = verb == "me";
            // Only within a message of several lines one may be blank.
            let is_part = extra.as_ref().is_some_and(|extra| extra.part.is_some());
            (is_part || !text::is_blank(&text)).then_some(())?;
            Fact::Said { user, room, text, emote, extra }
        }
        "tell" => Fact::Told { user, to: whom(&mut words)?, text: words.rest(), extra },
        "away" => Fact::Away { user, why: words.rest_within(PROFILE_BYTES_MAX).map(Some)? },
        "back" => Fact::Away { user, why: None },
        "realname" => Fact::RealName { user, text: words.rest_within(PROFILE_BYTES_MAX)? },
        "invite" => Fact::Invited { user, to: whom(&mut words)?, room: room_of(&mut words)? },
        "forget" => Fact::Forgot { user },
        "topic" => Fact::Topic { user, room: room_of(&mut words)?, text: words.rest() },
        "login" => {
            let (account, operator) = (words.room()?, words.next()? == "1");
            Fact::Account(AccountFact::LoggedIn { user, account, operator })
        }
        "logout" => Fact::Account(AccountFact::LoggedOut { user }),
        "oper" => {
            let by = read_authority(words.next()?)?;
            Fact::Account(AccountFact::Operator { user, by })
        }
        order => {
            let order = read_order(chat, order, &mut words, whom)?;
            Fact::Order { by: user, order }
        }
    };
    Some(match key {
        Some(key) => Line::Keyed { user, fact, key },
        None => Line::Fact(fact),
    })
}

/// Reads a line of which the server, and no user of it, is the author.
fn read_of_server<'a>(
    members: &impl Members,
    (node, verb): (&str, &str),
    words: &mut Words<'a>,
) -> Option<Line<'a>> {
    Some(match verb {
        "up" => {
            let version = words.number()?.try_into().ok()?;
            let (label, instead_of) = (words.node()?, words.node()?);
            Line::Up { version, label, instead_of }
        }
        "down" => Line::Down { node: words.node()? },
        "take" => {
            let user = members.user_of(words.node()?, words.number()?)?;
            Line::Taken { user, number: free_number(members, node, words)? }
        }
        "mail" => {
            let to = members.whom(words.node()?, words.number()?)?;
            Line::Mail { to, mail: Mail::read(words)? }
        }
        "lose" => {
            let user = members.whom(words.node()?, words.number()?)?;
            Line::Lost { user, name: words.name()? }
        }
        "come" => {
            let (number, name) = (free_number(members, node, words)?, words.name()?);
            let address: IpAddr = words.next()?.parse().ok()?;
            let standing = Box::new(read_standing(words)?);
            let fact = Fact::Connected { origin: None, name, address, standing };
            Line::Came { number, fact }
        }
        _ => return None,
    })
}

/// A number that is nobody's at this server yet.
fn free_number(members: &impl Members, node: &str, words: &mut Words<'_>) -> Option<u64> {
    words.number().filter(|number| members.user_of(node, *number).is_none())
}

fn read_account<'a>(verb: &str, words: &mut Words<'a>) -> Option<AccountLine<'a>> {
    let name = words.room()?;
    let is_hash = |hash: &&str| hash.len() <= HASH_BYTES_MAX && text::clean(hash) == **hash;
    let hash = |words: &mut Words<'a>| words.next().filter(is_hash);
    let change = match verb {
        "account" => AccountChange::Added { hash: hash(words)? },
        "password" => AccountChange::Password { mark: words.hex()?, hash: hash(words)? },
        "reset" => AccountChange::Reset { mark: words.hex()?, hash: hash(words)? },
        "unaccount" => AccountChange::Removed { mark: words.hex()? },
        "token" => {
            let (mark, token) = (words.hex()?, words.hex()?);
            AccountChange::Token { mark, token, until: words.number()? }
        }
        _ => AccountChange::LoggedOut,
    };
    Some(AccountLine { name, change })
}

/// A verb, the key under which something is said, and what an IRC client said besides the text.
fn read_verb(word: &str) -> Option<(&str, Option<u64>, MaybeExtra)> {
    let (word, extra) = match word.split_once('/') {
        Some((word, extra)) => (word, Some(extra)),
        None => (word, None),
    };
    let (verb, key) = match word.split_once('=') {
        Some((verb @ ("say" | "me" | "tell"), key)) => (verb, Some(key)),
        Some(_) => return None,
        None => (word, None),
    };
    let key = key.map(|key| u64::from_str_radix(key, 16)).transpose().ok()?;
    let extra = match extra {
        Some(extra) => Some(Box::new(read_extra(extra)?)),
        None => None,
    };
    Some((verb, key, extra))
}

fn read_extra(extra: &str) -> Option<Extra> {
    let mut parts = extra.split('/');
    let is_notice = parts.next()? == "1";
    let mut cleaned = || Some(text_of(parts.next()?)?.into_boxed_str());
    let (tags, formatted) = (cleaned()?, cleaned()?);
    let is_sound = |text: &str| !text.contains(['\r', '\n', '\0']);
    let is_one_word = tags.is_empty() || !tags.contains(' ');
    (is_sound(&tags) && is_sound(&formatted) && is_one_word).then_some(())?;
    let part = match parts.next() {
        None => None,
        Some(message) => Some(Part {
            message: message.parse().ok()?,
            is_first: parts.next()? == "1",
            is_last: parts.next()? == "1",
        }),
    };
    Some(Extra { formatted, tags, is_notice, part })
}

pub(super) fn read_standing(words: &mut Words<'_>) -> Option<Standing> {
    let came_by: Dialect = words.next()?.parse().unwrap_or_default();
    let flags = words.next()?;
    let account = Some(words.next()?).filter(|word| *word != "-");
    let account = account.map(Nickname::parse).transpose().ok()?;
    let authority = read_authority(words.next()?)?;
    let profile = if words.0.is_empty() {
        None
    } else {
        let (user, real_name) = (words.text(PROFILE_BYTES_MAX)?, words.text(PROFILE_BYTES_MAX)?);
        let away = match words.0 {
            "-" => None,
            _ => Some(words.text(PROFILE_BYTES_MAX)?.into()),
        };
        Some(Profile { user: user.into(), real_name: real_name.into(), away })
    };
    let (known, at_once) = (flags.starts_with('1'), flags.ends_with('1'));
    Some(Standing { account, authority, known, came_by, profile, at_once })
}

fn read_authority(word: &str) -> Option<Option<Authority>> {
    Some(match word {
        "-" => None,
        "console" => Some(Authority::Console),
        "account" => Some(Authority::Account),
        other => {
            let name = other.strip_prefix("password:")?;
            Some(Authority::Password(Nickname::parse(name).ok()?))
        }
    })
}

fn read_leaving<'a>(words: &mut Words<'a>) -> Option<Leaving<'a>> {
    Some(match words.next()? {
        "plain" => Leaving::Plain,
        "words" => Leaving::Words(words.rest()),
        "reason" => Leaving::Reason(CloseReason::of_label(words.next()?)?),
        _ => return None,
    })
}

fn read_order<'a>(
    chat: &Chat,
    verb: &str,
    words: &mut Words<'a>,
    whom: impl Fn(&mut Words<'a>) -> Option<UserKey>,
) -> Option<Order> {
    let of_server = match verb {
        "kill" => {
            let (user, how) = (whom(words)?, read_removal(words.next()?)?);
            Order::Removed { user, how, why: words.rest_within(REASON_BYTES_MAX)?.into_owned() }
        }
        "lock" => Order::Locked { age: words.maybe()? },
        "unlock" => Order::Unlocked,
        "slow" => Order::Slowed { seconds: words.maybe()? },
        "announce" => Order::Announced { text: words.rest().into_owned() },
        _ => return read_order_of_room(chat, verb, words, whom),
    };
    Some(of_server)
}

fn read_order_of_room<'a>(
    chat: &Chat,
    verb: &str,
    words: &mut Words<'a>,
    whom: impl Fn(&mut Words<'a>) -> Option<UserKey>,
) -> Option<Order> {
    let maybe_room = match words.next()? {
        "-" => None,
        name => Some(chat.room_called(&Nickname::parse(name).ok()?)?),
    };
    if let "sanction" | "lift" = verb {
        let name = maybe_room.map(|room| chat[room].name().as_str().to_owned());
        let (room, sanction) = (maybe_room, Box::new(read_sanction(words, name)?));
        return Some(match verb {
            "lift" => Order::Lifted { room, sanction },
            _ => Order::Sanctioned { room, sanction },
        });
    }
    let room = maybe_room?;
    Some(match verb {
        "rank" => Order::Ranked { room, user: whom(words)?, rank: words.rank()? },
        "unrank" => Order::Unranked { room, account: Nickname::parse(words.next()?).ok()? },
        "flag" => {
            let flag = Flag::of_letter(words.next()?.parse().ok()?)?;
            let setting = Setting::Flag(flag, words.next()? == "1");
            Order::Set { room, setting }
        }
        "key" => {
            let key = words.rest_within(KEY_BYTES_MAX)?;
            let setting = Setting::Key((!key.is_empty()).then(|| key.into_owned()));
            Order::Set { room, setting }
        }
        "limit" => Order::Set { room, setting: Setting::Limit(words.maybe()?) },
        "kick" => {
            let (user, how) = (whom(words)?, read_removal(words.next()?)?);
            let why = words.rest_within(REASON_BYTES_MAX)?.into_owned();
            Order::Kicked { room, user, how, why }
        }
        _ => return None,
    })
}

pub(super) fn read_removal(word: &str) -> Option<Removal> {
    [Removal::Kick, Removal::Kill, Removal::Ban].into_iter().find(|how| how.word() == word)
}

pub(super) fn read_sanction(words: &mut Words<'_>, room: Option<String>) -> Option<Sanction> {
    let id = words.number()?;
    let kind = match words.next()? {
        "ban" => SanctionKind::Ban,
        // Nobody is mute in one room only.
        "mute" if room.is_none() => SanctionKind::Mute,
        _ => return None,
    };
    let target = Target::parse(&text_of(words.next()?)?)?;
    let (whom, by) = (words.text(REASON_BYTES_MAX)?, words.text(BYTES_MAX * 2)?);
    let (at, until) = (words.number()?, words.maybe()?);
    let why = words.rest_within(REASON_BYTES_MAX)?.into_owned();
    Some(Sanction { id, kind, room, target, whom, by, why, at, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::LOBBY;
    use crate::config::Limits;

    /// Everybody is at one server, under the number of their key.
    struct All;

    impl Members for All {
        fn member_of(&self, user: UserKey) -> Option<(&str, u64)> {
            let number = (0..10).find(|number| UserKey::nth(*number) == user)?;
            Some(("one.1.1", number as u64))
        }

        fn own_number_of(&self, user: UserKey) -> Option<u64> {
            Some(self.member_of(user)?.1)
        }

        fn user_of(&self, node: &str, number: u64) -> Option<UserKey> {
            (node == "one.1.1" && number < 10).then(|| UserKey::nth(number as usize))
        }
    }

    fn chat() -> Chat {
        Chat::new(&Limits::default(), 0, &Nickname::unchecked("lobby"), &[])
    }

    fn sanction() -> Box<Sanction> {
        Box::new(Sanction {
            id: 0,
            kind: SanctionKind::Ban,
            room: Some("lobby".to_owned()),
            target: Target::network("192.0.2.0/24").unwrap(),
            whom: "*!*@a host-name/%".to_owned(),
            by: "alice (al)".to_owned(),
            why: "too loud, twice".to_owned(),
            at: 17,
            until: None,
        })
    }

    fn facts() -> Vec<Fact<'static>> {
        let [user, to] = [1, 2].map(UserKey::nth);
        let part = Some(Part { message: 7, is_first: true, is_last: false });
        let (formatted, tags) = ("\u{2}b\u{2} -/%".into(), "+a=b".into());
        let extra = Extra { formatted, tags, is_notice: true, part };
        let extra = Some(Box::new(extra));
        let room = LOBBY;
        let order = |order| Fact::Order { by: user, order };
        let said = |text: &'static str, emote, extra| Fact::Said {
            user,
            room,
            text: text.into(),
            emote,
            extra,
        };
        vec![
            Fact::Joined { user, room: Nickname::unchecked("ops"), key: "a key".into() },
            Fact::Joined { user, room: Nickname::unchecked("ops"), key: "".into() },
            Fact::Parted { user, room, words: "so long".into() },
            Fact::Left { user, why: Leaving::Plain },
            Fact::Left { user, why: Leaving::Words("bye - all".into()) },
            Fact::Left { user, why: Leaving::Reason(CloseReason::TooSlow) },
            Fact::Renamed { user, name: Nickname::unchecked("[::1]:77") },
            said("hello  there ", false, None),
            said("waves", true, extra.clone()),
            said("", false, extra.clone()),
            Fact::Told { user, to, text: "-".into(), extra },
            Fact::Away { user, why: Some("tea".into()) },
            Fact::Away { user, why: None },
            Fact::RealName { user, text: "Al I.".into() },
            Fact::Invited { user, to, room },
            Fact::Forgot { user },
            Fact::Topic { user, room, text: "".into() },
            Fact::Account(AccountFact::Operator { user, by: Some(Authority::Console) }),
            Fact::Account(AccountFact::LoggedIn {
                user,
                account: Nickname::unchecked("alice"),
                operator: true,
            }),
            Fact::Account(AccountFact::LoggedOut { user }),
            order(Order::Ranked { room, user: to, rank: Some(Rank::Voice) }),
            order(Order::Ranked { room, user: to, rank: None }),
            order(Order::Set { room, setting: Setting::Flag(Flag::Moderated, true) }),
            order(Order::Set { room, setting: Setting::Key(Some("k e y".to_owned())) }),
            order(Order::Set { room, setting: Setting::Key(None) }),
            order(Order::Set { room, setting: Setting::Limit(Some(7)) }),
            order(Order::Kicked { room, user: to, how: Removal::Kick, why: String::new() }),
            order(Order::Removed { user: to, how: Removal::Ban, why: "why not".to_owned() }),
            order(Order::Sanctioned { room: Some(room), sanction: sanction() }),
            order(Order::Lifted { room: Some(room), sanction: sanction() }),
            order(Order::Locked { age: Some(60) }),
            order(Order::Unlocked),
            order(Order::Slowed { seconds: None }),
            order(Order::Announced { text: "tea is ready".to_owned() }),
        ]
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let chat = chat();
        for fact in facts() {
            let line = write(&chat, &All, &fact).unwrap();
            assert!(!line.contains('\n'), "{line}");
            match read(&chat, &All, "one.1.1", &line) {
                Some(Line::Fact(read)) => assert_eq!(format!("{read:?}"), format!("{fact:?}")),
                read => panic!("{line:?} of {fact:?} is read as {read:?}"),
            }
        }
    }

    #[test]
    fn what_is_said_may_have_a_key() {
        for fact in facts() {
            let mut line = write(&chat(), &All, &fact).unwrap();
            add_key(&mut line, 0xabc);
            let is_said = matches!(fact, Fact::Said { .. } | Fact::Told { .. });
            match read(&chat(), &All, "one.1.1", &line) {
                Some(Line::Keyed { fact: read, key: 0xabc, .. }) if is_said => {
                    assert_eq!(format!("{read:?}"), format!("{fact:?}"));
                }
                read => assert!(read.is_none() && !is_said, "{line:?} is read as {read:?}"),
            }
        }
    }

    #[test]
    fn who_comes_is_known_with_all_that_they_say_of_themselves() {
        let profile = Profile { user: "al".into(), real_name: "".into(), away: Some("a b".into()) };
        for (profile, authority) in [(None, Some(Authority::Console)), (Some(profile), None)] {
            let standing = Standing { profile, authority, known: true, ..Standing::default() };
            let key = crate::key::ConnectionKey::nth(13);
            let origin = Some(key);
            let (name, address) = (Nickname::unchecked("alice"), IpAddr::from([192, 0, 2, 1]));
            let standing = Box::new(standing);
            let fact = Fact::Connected { origin, name, address, standing };
            let line = write(&chat(), &All, &fact).unwrap();
            let read = read(&chat(), &All, "one.1.1", &line);
            let Some(Line::Came { number, fact: read }) = read else { panic!("{line}") };
            assert_eq!(number, key.to_bits());
            let expected = format!("{fact:?}").replace(&format!("{origin:?}"), "None");
            assert_eq!(format!("{read:?}"), expected);
        }
    }

    #[test]
    fn what_nobody_could_have_written_is_nothing() {
        let mut rng = fastrand::Rng::with_seed(1);
        let lines: Vec<_> =
            facts().iter().map(|fact| write(&chat(), &All, fact).unwrap()).collect();
        for _ in 0..50_000 {
            let mut line: Vec<char> = rng.choice(&lines).unwrap().chars().collect();
            for _ in 0..rng.usize(1..4) {
                let place = rng.usize(..line.len());
                match rng.u32(..3) {
                    0 => drop(line.remove(place)),
                    1 => line.insert(
                        place,
                        rng.choice([' ', '-', '%', '/', '0', '\u{1b}', '\u{202e}', '\t']).unwrap(),
                    ),
                    _ => line[place] = rng.char(..),
                }
                if line.is_empty() {
                    break;
                }
            }
            let line: String = line.into_iter().collect();
            if let Some(Line::Fact(Fact::Said { text, .. })) = read(&chat(), &All, "one.1.1", &line)
            {
                assert_eq!(text::clean(&text), text, "of {line:?}");
            }
        }
        for line in ["say 1 lobby a\u{1b}[2Jb", "me 1 lobby \u{202e}x"] {
            let Some(Line::Fact(Fact::Said { text, .. })) = read(&chat(), &All, "one.1.1", line)
            else {
                panic!("{line}");
            };
            assert!(!text.contains(['\u{1b}', '\u{202e}']));
        }
        for line in ["", "say", "say 1 nowhere hi", "say 11 lobby hi", "say 1 lobby \u{2800}"] {
            assert!(read(&chat(), &All, "one.1.1", line).is_none(), "{line}");
        }
    }
}

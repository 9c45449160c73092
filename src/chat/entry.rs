//! Entries: what was decided. An entry says everything that is needed to make it true: who, what,
//! in which room, when, and which number it has.

use std::borrow::Cow;
use std::net::IpAddr;

use super::room::RoomKey;
use super::user::UserKey;
use crate::author::{Extra, Profile};
use crate::dialect::Dialect;
use crate::event::CloseReason;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::order::Removal;
use crate::rights::{Rank, Setting};
use crate::sanction::Sanction;

/// The number of an entry. It only grows, and is the same for everybody.
pub(crate) type EntryId = u64;

/// One fact in its place among all others.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: EntryId,
    /// When, in seconds since 1970-01-01 00:00 UTC.
    pub(crate) at: u64,
    pub(crate) fact: Fact<'a>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(id: EntryId, at: u64, fact: Fact<'a>) -> Entry<'a> {
        Entry { id, at, fact }
    }
}

/// Tells lines of one second apart: IRC clients ask by a time for what was said before and after,
/// and would miss what has the same. It goes by entries alone, so it is the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineClock {
    /// The second of the last line, since 1970.
    pub(super) at: u64,
    pub(super) millis: u16,
    /// The milliseconds of the line with which the last message began.
    pub(super) begun: u16,
}

impl LineClock {
    /// Another line is said in that second, which may go on with the message of the last one. From
    /// the 1,000th on, lines of a second are not told apart.
    pub(super) fn tick(&mut self, at: u64, goes_on: bool) {
        let millis = if at == self.at { self.millis.saturating_add(1).min(999) } else { 0 };
        let begun = if goes_on && at == self.at { self.begun } else { millis };
        *self = LineClock { at, millis, begun };
    }

    /// The milliseconds of the last line, and of what happens after it in that second.
    pub(super) fn millis(&self, at: u64) -> u16 {
        if at == self.at { self.millis } else { 0 }
    }
}

/// What is so from now on. Texts are clean and not blank.
#[derive(Clone, Debug)]
pub(crate) enum Fact<'a> {
    /// Somebody has a name. They are in no room yet. What is for them goes there, if they are here.
    Connected {
        origin: Option<ConnectionKey>,
        name: Nickname,
        address: IpAddr,
        standing: Box<Standing>,
    },
    /// Where what is for a user goes from now on, and from where they come; nowhere, while they are
    /// cut off.
    Moved { user: UserKey, origin: Option<(ConnectionKey, IpAddr)> },
    /// A user is in one room more, with its key if they gave one. The room comes into being if
    /// there is none of that name.
    Joined { user: UserKey, room: Nickname, key: Cow<'a, str> },
    /// A user is in one room less, with these words or none.
    Parted { user: UserKey, room: RoomKey, words: Cow<'a, str> },
    /// A user is gone, and so is their name.
    Left { user: UserKey, why: Leaving<'a> },
    /// A user has another name.
    Renamed { user: UserKey, name: Nickname },
    /// A user says something in a room, or does it (`emote`).
    Said { user: UserKey, room: RoomKey, text: Cow<'a, str>, emote: bool, extra: MaybeExtra },
    /// A user says something to another alone.
    Told { user: UserKey, to: UserKey, text: Cow<'a, str>, extra: MaybeExtra },
    /// A user is away, and why; or not any more.
    Away { user: UserKey, why: Option<Cow<'a, str>> },
    /// A user calls themselves so.
    RealName { user: UserKey, text: Cow<'a, str> },
    /// A user tells another of a room.
    Invited { user: UserKey, to: UserKey, room: RoomKey },
    /// What a user has said since they came is not shown again to anybody.
    Forgot { user: UserKey },
    /// A user says what a room is about; nothing, if the text is empty.
    Topic { user: UserKey, room: RoomKey, text: Cow<'a, str> },
    /// Something about accounts.
    Account(AccountFact),
    /// An operator keeps order.
    Order { by: UserKey, order: Order },
}

/// How an IRC client said something, if there is more to it.
pub(crate) type MaybeExtra = Option<Box<Extra>>;

/// What is known of somebody who comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// The account that they are logged in to.
    pub(crate) account: Option<Nickname>,
    /// What makes them an operator of the server, if anything.
    pub(crate) authority: Option<Authority>,
    /// They have shown that they were here before.
    pub(crate) known: bool,
    /// What is spoken where they came in.
    pub(crate) came_by: Dialect,
    /// What they say of themselves, if they can.
    pub(crate) profile: Option<Profile>,
    /// They are here at once, in whatever room, or in none.
    pub(crate) at_once: bool,
}

/// What makes somebody an operator of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// It is the server's own terminal.
    Console,
    /// The account that they are logged in to.
    Account,
    /// The password of this operator.
    Password(Nickname),
}

/// What is so of accounts from now on.
#[derive(Clone, Debug)]
pub(crate) enum AccountFact {
    /// A name is an account.
    Registered { name: Nickname },
    /// It is none any more, and who was logged in is not.
    Unregistered { name: Nickname },
    /// A user is logged in; and is an operator of the server by that, if the account's owner is
    /// one.
    LoggedIn { user: UserKey, account: Nickname, operator: bool },
    /// A user is not logged in any more.
    LoggedOut { user: UserKey },
    /// A user is an operator of the server by this, or is none any more.
    Operator { user: UserKey, by: Option<Authority> },
}

/// What an operator has decided. What has no room is for operators of the server.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// A user has this rank in a room, or none.
    Ranked { room: RoomKey, user: UserKey, rank: Option<Rank> },
    /// An account has no rank in a room any more.
    Unranked { room: RoomKey, account: Nickname },
    /// Something is set for a room.
    Set { room: RoomKey, setting: Setting },
    /// A user is put out of a room.
    Kicked { room: RoomKey, user: UserKey, how: Removal, why: String },
    /// A user is put off the server.
    Removed { user: UserKey, how: Removal, why: String },
    /// Somebody may not do something any more. Its number is that of the entry.
    Sanctioned { room: Option<RoomKey>, sanction: Box<Sanction> },
    /// They may again.
    Lifted { room: Option<RoomKey>, sanction: Box<Sanction> },
    /// Those who have no account may only come in if they were here; or, with an age in seconds,
    /// only speak when they have been here for so long.
    Locked { age: Option<u64> },
    /// That is over.
    Unlocked,
    /// Everybody may speak once in so many seconds, or as they like.
    Slowed { seconds: Option<u32> },
    /// Everybody is told something.
    Announced { text: String },
}

impl Order {
    /// Who is off the server by it, if anybody is.
    pub(crate) fn removed(&self) -> Option<UserKey> {
        match self {
            Order::Removed { user, .. } => Some(*user),
            _ => None,
        }
    }

    /// The room that it is about, if it is about one: then its operators may decide that.
    pub(super) fn room(&self) -> Option<RoomKey> {
        match self {
            Order::Ranked { room, .. }
            | Order::Unranked { room, .. }
            | Order::Set { room, .. }
            | Order::Kicked { room, .. } => Some(*room),
            Order::Sanctioned { room, .. } | Order::Lifted { room, .. } => *room,
            Order::Removed { .. }
            | Order::Locked { .. }
            | Order::Unlocked
            | Order::Slowed { .. }
            | Order::Announced { .. } => None,
        }
    }
}

/// How somebody goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaving<'a> {
    /// Just so.
    Plain,
    /// With words of their own.
    Words(Cow<'a, str>),
    /// For a reason of the server's.
    Reason(CloseReason),
}

impl Leaving<'_> {
    fn into_owned(self) -> Leaving<'static> {
        match self {
            Leaving::Plain => Leaving::Plain,
            Leaving::Words(words) => Leaving::Words(Cow::Owned(words.into_owned())),
            Leaving::Reason(reason) => Leaving::Reason(reason),
        }
    }
}

/// Entries that were recorded, to be applied again.
pub(crate) type Recorded = Vec<Entry<'static>>;

impl Entry<'_> {
    /// The same, which needs nothing but itself.
    pub(crate) fn into_owned(self) -> Entry<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let fact = match self.fact {
            Fact::Connected { origin, name, address, standing } => {
                Fact::Connected { origin, name, address, standing }
            }
            Fact::Account(fact) => Fact::Account(fact),
            Fact::Order { by, order } => Fact::Order { by, order },
            Fact::Moved { user, origin } => Fact::Moved { user, origin },
            Fact::Joined { user, room, key } => Fact::Joined { user, room, key: owned(key) },
            Fact::Parted { user, room, words } => Fact::Parted { user, room, words: owned(words) },
            Fact::Left { user, why } => Fact::Left { user, why: why.into_owned() },
            Fact::Renamed { user, name } => Fact::Renamed { user, name },
            Fact::Said { user, room, text, emote, extra } => {
                Fact::Said { user, room, text: owned(text), emote, extra }
            }
            Fact::Told { user, to, text, extra } => {
                Fact::Told { user, to, text: owned(text), extra }
            }
            Fact::Away { user, why } => Fact::Away { user, why: why.map(owned) },
            Fact::RealName { user, text } => Fact::RealName { user, text: owned(text) },
            Fact::Invited { user, to, room } => Fact::Invited { user, to, room },
            Fact::Forgot { user } => Fact::Forgot { user },
            Fact::Topic { user, room, text } => Fact::Topic { user, room, text: owned(text) },
        };
        Entry { id: self.id, at: self.at, fact }
    }
}

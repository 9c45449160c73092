//! Entries: what was decided. An entry says everything that is needed to make it true: who, what,
//! in which room, when, and which number it has.

use std::borrow::Cow;

use super::room::RoomKey;
use super::user::UserKey;
use crate::event::CloseReason;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;

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

/// What is so from now on. Texts are clean and not blank.
#[derive(Clone, Debug)]
pub(crate) enum Fact<'a> {
    /// Somebody has a name. They are in no room yet.
    Connected { origin: ConnectionKey, name: Nickname },
    /// Where what is for a user goes from now on; nowhere, while they are cut off.
    Moved { user: UserKey, origin: Option<ConnectionKey> },
    /// A user is in one room more. The room comes into being if there is none of that name.
    Joined { user: UserKey, room: Nickname },
    /// A user is in one room less.
    Parted { user: UserKey, room: RoomKey },
    /// A user is gone, and so is their name.
    Left { user: UserKey, why: Leaving<'a> },
    /// A user has another name.
    Renamed { user: UserKey, name: Nickname },
    /// A user says something in a room, or does it (`emote`).
    Said { user: UserKey, room: RoomKey, text: Cow<'a, str>, emote: bool },
    /// A user says something to another alone.
    Told { user: UserKey, to: UserKey, text: Cow<'a, str> },
    /// A user tells another of a room.
    Invited { user: UserKey, to: UserKey, room: RoomKey },
    /// What a user has said since they came is not shown again to anybody.
    Forgot { user: UserKey },
    /// A user says what a room is about; nothing, if the text is empty.
    Topic { user: UserKey, room: RoomKey, text: Cow<'a, str> },
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
            Fact::Connected { origin, name } => Fact::Connected { origin, name },
            Fact::Moved { user, origin } => Fact::Moved { user, origin },
            Fact::Joined { user, room } => Fact::Joined { user, room },
            Fact::Parted { user, room } => Fact::Parted { user, room },
            Fact::Left { user, why } => Fact::Left { user, why: why.into_owned() },
            Fact::Renamed { user, name } => Fact::Renamed { user, name },
            Fact::Said { user, room, text, emote } => {
                Fact::Said { user, room, text: owned(text), emote }
            }
            Fact::Told { user, to, text } => Fact::Told { user, to, text: owned(text) },
            Fact::Invited { user, to, room } => Fact::Invited { user, to, room },
            Fact::Forgot { user } => Fact::Forgot { user },
            Fact::Topic { user, room, text } => Fact::Topic { user, room, text: owned(text) },
        };
        Entry { id: self.id, at: self.at, fact }
    }
}

//! The vocabulary of order: what people ask for about their accounts, what operators ask for, and
//! what is told of it. It is part of that in [`event`](crate::event); what it means is the chat's
//! business.

use std::net::IpAddr;

use crate::nickname::Nickname;
use crate::rights::{Flag, Rank, Rights, Setting};
use crate::sanction::{Sanction, SanctionKind, Target};

/// What somebody asks for about an account. The words are as they came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AccountCommand<'a> {
    /// The nickname that one has is to be one's account, with this password.
    Register(&'a str),
    /// Says that an account is one's own.
    Login {
        /// Its name.
        name: &'a str,
        /// Its password.
        password: &'a str,
    },
    /// Says so by a token.
    LoginAgain {
        /// Its name.
        name: &'a str,
        /// The token.
        token: &'a str,
    },
    /// The account gets another password.
    SetPassword {
        /// The one that it has.
        old: &'a str,
        /// The one that it gets.
        new: &'a str,
    },
    /// The account is to be none any more; with its password.
    Unregister(&'a str),
    /// One is not logged in any more, and no token is good any more.
    Logout,
    /// Says that one is an operator of the server.
    Oper {
        /// The name in the configuration.
        name: &'a str,
        /// Its password.
        password: &'a str,
    },
}

impl std::fmt::Debug for AccountCommand<'_> {
    /// Passwords are not to be seen in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AccountCommand::Register(_) => "Register",
            AccountCommand::Login { .. } => "Login",
            AccountCommand::LoginAgain { .. } => "LoginAgain",
            AccountCommand::SetPassword { .. } => "SetPassword",
            AccountCommand::Unregister(_) => "Unregister",
            AccountCommand::Logout => "Logout",
            AccountCommand::Oper { .. } => "Oper",
        })
    }
}

/// What somebody asks for that keeps order. The words are as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moderation<'a> {
    /// Asks what is set for the room.
    Settings,
    /// Sets something for the room.
    Set {
        /// What, in a word or a letter.
        what: &'a str,
        /// `on`, `off`, or a value.
        value: &'a str,
    },
    /// Keeps those out of the room whose names, users and hosts have this form, or lets them in
    /// again.
    Mask {
        /// The form, with `*` and `?`.
        mask: &'a str,
        /// They are kept out.
        on: bool,
    },
    /// Gives somebody a rank in the room, or takes it.
    Rank {
        /// Who.
        name: &'a str,
        /// Which.
        rank: Rank,
        /// They get it.
        on: bool,
        /// It may stand beside another, as it does in IRC.
        beside: bool,
    },
    /// Puts somebody out of the room.
    Kick {
        /// Who.
        name: &'a str,
        /// Why; perhaps empty.
        why: &'a str,
    },
    /// Bans or mutes somebody.
    Sanction {
        /// Which of both.
        kind: SanctionKind,
        /// Only in the room, as was said.
        of_room: bool,
        /// A name, an address or a network.
        whom: &'a str,
        /// For how long, and why; perhaps empty.
        rest: &'a str,
    },
    /// Ends that.
    Lift {
        /// Which of both.
        kind: SanctionKind,
        /// Only in the room, as was said.
        of_room: bool,
        /// As it was given.
        whom: &'a str,
    },
    /// Asks who is banned or muted.
    Sanctions {
        /// Only in the room, as was said.
        of_room: bool,
    },
    /// Removes somebody from the server.
    Kill {
        /// Who.
        name: &'a str,
        /// Why; perhaps empty.
        why: &'a str,
    },
    /// Lets only those come in who were here or have an account, or only those speak who have been
    /// here for a while (if not empty), or ends that (`off`).
    Lock(&'a str),
    /// Lets everybody speak only once in so many seconds; or ends that (`off`).
    Slow(&'a str),
    /// Says something to everybody.
    Announce(&'a str),
    /// Asks what operators did.
    Acts,
    /// Asks who somebody is.
    Whois(&'a str),
    /// Has the configuration read again.
    Reload,
}

/// What an operator says who has been asked whether they mean it, and does.
#[must_use]
pub fn confirmation(is_dangerous: bool) -> &'static str {
    if is_dangerous { "yes, really" } else { "yes" }
}

/// How somebody is put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Out of a room.
    Kick,
    /// Off the server, or out of a room, and may not come again.
    Ban,
    /// Off the server.
    Kill,
}

impl Removal {
    /// The word for it, as programs are told it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Removal::Kick => "kick",
            Removal::Ban => "ban",
            Removal::Kill => "kill",
        }
    }
}

/// What is told of an account to whom it belongs.
#[derive(Clone, Copy, Debug)]
pub enum AccountEvent<'a> {
    /// They have registered it, and are logged in.
    Registered,
    /// They are logged in.
    LoggedIn,
    /// They are not logged in any more.
    LoggedOut,
    /// It has another password.
    PasswordSet,
    /// It is none any more.
    Unregistered,
    /// They are an operator of the server now.
    Operator,
    /// They had a name that is somebody's who has logged in (the name they had).
    NameLost(&'a str),
}

/// What is known of somebody.
#[derive(Clone, Copy, Debug)]
pub struct WhoisView<'a> {
    /// Their nickname.
    pub name: &'a str,
    /// The account that they are logged in to.
    pub account: Option<&'a str>,
    /// They are an operator of the server.
    pub is_operator: bool,
    /// The rooms that they are in and that the asker may know of, with `#`, and a mark before it if
    /// they have a rank there.
    pub rooms: &'a [String],
    /// What only operators are told.
    pub private: Option<WhoisPrivate>,
}

/// What only operators of the server are told of somebody.
#[derive(Clone, Copy, Debug)]
pub struct WhoisPrivate {
    /// From where they come.
    pub address: IpAddr,
    /// What is spoken where they came in.
    pub listener: &'static str,
    /// For how many seconds nothing has come from them.
    pub idle: u64,
}

/// What an operator did, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct ActView<'a> {
    /// When, in seconds since 1970-01-01 00:00 UTC.
    pub at: u64,
    /// The name of it.
    pub event: &'a str,
    /// Who did it.
    pub by: &'a str,
    /// To whom or what; perhaps empty.
    pub whom: &'a str,
    /// In which room, without `#`, if in one.
    pub room: Option<&'a str>,
    /// Why; perhaps empty.
    pub why: &'a str,
    /// Until when, if there is an end.
    pub until: Option<u64>,
}

/// What has happened that is about order, or is known of it.
#[derive(Clone, Copy, Debug)]
pub enum Occurrence<'a> {
    /// Something about the reader's account.
    Account {
        /// Its name; of an operator with a password, theirs.
        name: &'a str,
        /// What.
        event: AccountEvent<'a>,
        /// By which they can log in the next time, if they wanted one.
        token: Option<&'a str>,
    },
    /// Somebody has another rank in the room.
    Ranked {
        /// Who.
        name: &'a str,
        /// The rank that they have now, if any.
        rank: Option<Rank>,
        /// The rank that they had.
        before: Option<Rank>,
        /// Who gave it; empty if that was the room, since their account has it.
        by: &'a str,
    },
    /// Something was set for the room.
    Set {
        /// What.
        setting: &'a Setting,
        /// By whom.
        by: &'a str,
    },
    /// What is set for the room.
    Settings {
        /// All of it.
        rights: &'a Rights,
        /// Those who have a rank there.
        ranks: &'a [(Nickname, Rank)],
    },
    /// Somebody was put out of the room.
    Removed {
        /// Who.
        name: &'a str,
        /// How.
        how: Removal,
        /// By whom.
        by: &'a str,
        /// Why; perhaps empty.
        why: &'a str,
        /// How many are here now.
        count: usize,
        /// They are not on the server any more.
        is_gone: bool,
    },
    /// The reader was put out of the room, or off the server.
    YouRemoved {
        /// What the reader is called, or was.
        whom: &'a str,
        /// How.
        how: Removal,
        /// By whom.
        by: &'a str,
        /// Why; perhaps empty.
        why: &'a str,
    },
    /// The reader is banned.
    YouBanned(&'a Sanction),
    /// Somebody was banned or muted.
    Sanctioned(&'a Sanction, &'a str),
    /// That is over; and who has decided so.
    Lifted {
        /// Which of both.
        kind: SanctionKind,
        /// Who may again.
        whom: &'a str,
        /// For whom it was.
        target: &'a Target,
        /// By whom.
        by: &'a str,
    },
    /// Bans and mutes, the newest first.
    Sanctions {
        /// The first of them.
        told: &'a [&'a Sanction],
        /// The reader may see addresses.
        with_targets: bool,
    },
    /// Whom a ban or a mute would hit besides, and what the asker must say then.
    Hits {
        /// The first names.
        names: &'a [Nickname],
        /// How many that are.
        count: usize,
        /// Everybody, or the asker too.
        is_dangerous: bool,
    },
    /// Only those may come in who were here or have an account; or, with seconds, only those speak
    /// who have been here for so long.
    Locked(&'a str, Option<u64>),
    /// That is over.
    Unlocked(&'a str),
    /// Everybody may speak once in so many seconds.
    Slowed(&'a str, u32),
    /// As fast as they like.
    Unslowed(&'a str),
    /// An operator says something to all.
    Announced {
        /// Who.
        by: &'a str,
        /// What.
        text: &'a str,
    },
    /// What operators did, the newest first.
    Acts(&'a [ActView<'a>]),
    /// Who somebody is.
    Whois(WhoisView<'a>),
    /// The configuration is read again.
    Reloading,
    /// Something that operators must know.
    Alarm(&'a str),
}

/// What a word or a letter says that can be set for a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A flag.
    Flag(Flag),
    /// The key.
    Key,
    /// The limit.
    Limit,
}

impl What {
    /// Reads a word such as `moderated`, or its letter.
    #[must_use]
    pub fn parse(word: &str) -> Option<What> {
        let is = |known: &str, letter: char| {
            word.eq_ignore_ascii_case(known) || word.trim_start_matches('+') == letter.to_string()
        };
        let flag = Flag::ALL.into_iter().find(|flag| is(flag.word(), flag.letter()));
        match flag {
            Some(flag) => Some(What::Flag(flag)),
            None if is("key", 'k') => Some(What::Key),
            None => is("limit", 'l').then_some(What::Limit),
        }
    }
}

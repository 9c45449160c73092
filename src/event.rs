//! The vocabulary between the dialects and the room: a [`Command`] is what somebody asks for, an
//! [`Event`] is what somebody is told. Neither knows bytes; a dialect turns the one kind of bytes
//! into commands and events into the other.

use std::fmt;
use std::time::Duration;

use crate::nickname::{Nickname, NicknameError};
use crate::order::{AccountCommand, Moderation, Occurrence};
use crate::query::QueryError;
use crate::rights::{Rank, Setting};
use crate::token::Token;

/// What a line asks for. The text in it is as it came: not yet cleaned, not yet judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Says a line to the room.
    Say(&'a str),
    /// Says several lines to the room as one message: nobody else's line comes between them.
    Lines(&'a [String]),
    /// Says what one does (`/me waves`).
    Emote(&'a str),
    /// Says something to one person.
    Tell {
        /// The name that was given.
        to: &'a str,
        /// What to say.
        text: &'a str,
    },
    /// Says something to the last person who told us something.
    Reply(&'a str),
    /// Takes another name, or a name at all.
    Rename(&'a str),
    /// Gives the server's password.
    Password(&'a str),
    /// Is somebody again who was cut off; instead of a name.
    Resume {
        /// What shows who that is.
        token: &'a str,
        /// Rooms, each with the number of the last thing in it that is known already.
        rooms: &'a [(String, u64)],
    },
    /// Asks who is in the room.
    Who,
    /// Asks for lines of the room.
    History(Lines),
    /// Looks for lines that were said anywhere.
    Search(&'a str),
    /// Wants what one has said to be shown to nobody any more.
    Forget,
    /// Goes to a room, or into one room more, perhaps with the room's key behind its name; without
    /// a name, asks where one is.
    Join(Option<&'a str>),
    /// Leaves the room, not the server, perhaps with a reason.
    Part(&'a str),
    /// Asks which rooms there are.
    Rooms,
    /// Says what the room is about (nothing, if blank); without a text, asks for it.
    Topic(Option<&'a str>),
    /// Tells somebody of the room.
    Invite(&'a str),
    /// Hears no more of somebody; without a name, asks who that is.
    Ignore(Option<&'a str>),
    /// Hears somebody again.
    Unignore(&'a str),
    /// Something about one's account.
    Account(AccountCommand<'a>),
    /// Something that keeps order.
    Moderate(Moderation<'a>),
    /// Asks what one can do; all of it, or one command.
    Help(Option<Topic>),
    /// Leaves, perhaps with a reason.
    Quit(&'a str),
    /// Used a command in a form that it does not have.
    Misuse(Topic),
    /// Used a command that does not exist; its name as it was written.
    Unknown(&'a str),
}

/// Which lines of a room somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// The last ones: those that the room remembers, or so many.
    Last(Option<usize>),
    /// The last before that number; so many, or as many as the room remembers.
    BeforeId(u64, Option<usize>),
    /// The last before that time, in seconds since 1970-01-01 00:00 UTC.
    BeforeTime(u64, Option<usize>),
    /// Those before the ones that were shown last.
    More,
}

/// A command as a subject of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the command of that name
pub enum Topic {
    Me,
    Msg,
    Reply,
    Nick,
    Who,
    Whois,
    History,
    Search,
    Forget,
    Join,
    Part,
    Rooms,
    Topic,
    Invite,
    Room,
    Ignore,
    Unignore,
    Register,
    Login,
    Password,
    Logout,
    Unregister,
    Oper,
    Op,
    Deop,
    Voice,
    Devoice,
    Kick,
    Ban,
    Unban,
    Bans,
    Mute,
    Unmute,
    Kill,
    Lock,
    Slow,
    Announce,
    Audit,
    Reload,
    Help,
    Quit,
}

/// Who may do what a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    All,
    /// Everybody, where there are accounts.
    Accounts,
    /// Everybody, where there are operators with passwords.
    Oper,
    /// Operators of the room.
    Room,
    /// Operators of the server.
    Server,
}

impl Topic {
    /// All of them, in the order in which they are explained.
    pub const ALL: [Topic; 41] = [
        Topic::Me,
        Topic::Msg,
        Topic::Reply,
        Topic::Nick,
        Topic::Who,
        Topic::Whois,
        Topic::History,
        Topic::Search,
        Topic::Forget,
        Topic::Join,
        Topic::Part,
        Topic::Rooms,
        Topic::Topic,
        Topic::Invite,
        Topic::Room,
        Topic::Ignore,
        Topic::Unignore,
        Topic::Register,
        Topic::Login,
        Topic::Password,
        Topic::Logout,
        Topic::Unregister,
        Topic::Oper,
        Topic::Op,
        Topic::Deop,
        Topic::Voice,
        Topic::Devoice,
        Topic::Kick,
        Topic::Ban,
        Topic::Unban,
        Topic::Bans,
        Topic::Mute,
        Topic::Unmute,
        Topic::Kill,
        Topic::Lock,
        Topic::Slow,
        Topic::Announce,
        Topic::Audit,
        Topic::Reload,
        Topic::Help,
        Topic::Quit,
    ];

    /// Who may do it.
    #[must_use]
    pub fn audience(self) -> Audience {
        match self {
            Topic::Register
            | Topic::Login
            | Topic::Password
            | Topic::Logout
            | Topic::Unregister => Audience::Accounts,
            Topic::Oper => Audience::Oper,
            Topic::Op
            | Topic::Deop
            | Topic::Voice
            | Topic::Devoice
            | Topic::Kick
            | Topic::Ban
            | Topic::Unban
            | Topic::Bans => Audience::Room,
            Topic::Mute
            | Topic::Unmute
            | Topic::Kill
            | Topic::Lock
            | Topic::Slow
            | Topic::Announce
            | Topic::Audit
            | Topic::Reload => Audience::Server,
            _ => Audience::All,
        }
    }
}

/// What somebody is told. Every text in it is fit to be shown.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A newcomer is asked for a nickname, after the operator's message.
    Asked {
        /// The operator's lines.
        motd: &'a [String],
        /// Bytes of the longest line that may be said.
        line_bytes_max: usize,
    },
    /// A newcomer is asked for the server's password.
    PasswordAsked,
    /// A newcomer gave a name that is an account, and is asked for its password.
    AccountAsked(&'a str),
    /// A newcomer is asked once more, after a refusal.
    AskedAgain,
    /// A newcomer's name will do; it comes in.
    Welcomed {
        /// The name it has now.
        name: &'a str,
        /// The first names of those who are here, sorted, its own among them.
        here: &'a [Nickname],
        /// How many are here.
        count: usize,
    },
    /// Somebody who was here already comes into another room.
    InRoom(RoomView<'a>),
    /// In which room the asker is.
    Where,
    /// The asker is not in the room any more.
    Parted,
    /// Rooms that there are, those with most people first, and how many there are besides.
    Rooms(&'a [RoomInfo<'a>], usize),
    /// Somebody says what the room is about; that it is about nothing, if the text is empty.
    TopicSet(TopicView<'a>),
    /// What the room is about, if anything.
    TopicIs(Option<TopicView<'a>>),
    /// Somebody tells of a room.
    Invited {
        /// Who.
        from: &'a str,
    },
    /// Somebody has been told of the room.
    InviteSent {
        /// Who.
        to: &'a str,
    },
    /// A newcomer is in, and the others have been told.
    Entered {
        /// The name it has now.
        name: &'a str,
        /// Whether that is the one it gave.
        as_given: bool,
    },
    /// Somebody who was cut off is who they were.
    Resumed(Resumed<'a>),
    /// What was said under a key has been said.
    Acked {
        /// The key, as it was given.
        key: &'a str,
        /// Its number, as in [`Said::id`].
        id: u64,
    },
    /// A line said to the room.
    Said {
        /// Who spoke.
        from: &'a str,
        /// What was said.
        text: &'a str,
        /// When, as in [`Said::unix_seconds`].
        at: u64,
        /// Its number, as in [`Said::id`].
        id: u64,
    },
    /// What somebody does.
    Emoted {
        /// Who.
        from: &'a str,
        /// What they do.
        text: &'a str,
        /// When, as in [`Said::unix_seconds`].
        at: u64,
        /// Its number, as in [`Said::id`].
        id: u64,
    },
    /// Some have come.
    Joined {
        /// Who, in order.
        names: &'a [Nickname],
        /// How many are here now.
        count: usize,
    },
    /// Some have gone.
    Left {
        /// Who, in order.
        names: &'a [Nickname],
        /// Why.
        why: Parting<'a>,
        /// How many are here now.
        count: usize,
        /// They are not in any other room either.
        is_gone: bool,
    },
    /// Something is so of somebody that only IRC clients are told.
    Changed(Change<'a>),
    /// Somebody has another name.
    Renamed {
        /// The name until now.
        old: &'a str,
        /// The name from now on.
        new: &'a str,
    },
    /// A private message has come.
    Told {
        /// From whom.
        from: &'a str,
        /// What it says.
        text: &'a str,
        /// When, as in [`Said::unix_seconds`].
        at: u64,
        /// Its number, as in [`Said::id`].
        id: u64,
    },
    /// A private message has been sent.
    Sent {
        /// To whom.
        to: &'a str,
        /// What it says.
        text: &'a str,
        /// When, as in [`Said::unix_seconds`].
        at: u64,
        /// Its number, as in [`Said::id`].
        id: u64,
    },
    /// Who is here.
    Here {
        /// The first names, sorted; all of them, unless too much waits to be read.
        names: &'a [Nickname],
        /// How many are here.
        count: usize,
        /// Those who have a rank there.
        ranks: Ranks<'a>,
        /// That is another room than the asker's.
        elsewhere: bool,
    },
    /// A line of the history.
    Recalled(&'a Said),
    /// There is no history.
    NothingSaid,
    /// Lines of the archive, the oldest first, and whether there are older ones.
    Past(&'a [&'a Said], bool),
    /// Lines of the archive that were looked for, the newest first, and whether there are older
    /// ones.
    Found(&'a [Hit], bool),
    /// So many lines of the asker's are shown to nobody any more.
    Forgotten(usize),
    /// Whom the asker ignores.
    Ignoring(&'a [Nickname]),
    /// Something has happened that is about order, or is known of it.
    Order(Occurrence<'a>),
    /// What some commands do.
    Helped(&'a [Topic]),
    /// Farewell to somebody who leaves by their own wish.
    Goodbye,
    /// The server stops.
    Stopping,
    /// The engine that servers share their rooms through is away, or is back.
    Relay {
        /// It is.
        is_back: bool,
    },
    /// Something was not done, and why.
    Refused(Refusal<'a>),
}

/// What is so of somebody from now on, or what they do, and only IRC clients are told.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// They are away, and why; or not any more.
    Away(Option<&'a str>),
    /// They are logged in there, or nowhere.
    Account(Option<&'a str>),
    /// They call themselves so.
    RealName(&'a str),
    /// They have told somebody of the room (whom).
    Invited(&'a str),
    /// They have set this for the room.
    Set(&'a [Setting]),
    /// They have set these modes, as IRC knows them.
    Mode(&'a str),
    /// They have sent tags without a text.
    Tagged {
        /// To whom, or to which room.
        to: &'a str,
        /// Their number, as in [`Said::id`].
        id: u64,
    },
    /// They have gone, out of several rooms at once.
    Gone(Parting<'a>),
    /// They have been put off the server, and so are out of all rooms at once: how that is said.
    Removed(&'a str),
}

/// A room, as somebody finds it who comes into it.
#[derive(Clone, Copy, Debug)]
pub struct RoomView<'a> {
    /// The first names of those who are there, sorted.
    pub here: &'a [Nickname],
    /// How many are there.
    pub count: usize,
    /// Those who have a rank there.
    pub ranks: Ranks<'a>,
    /// What it is about, if anything.
    pub topic: Option<TopicView<'a>>,
    /// The last lines, if they are told with it, the oldest first.
    pub history: &'a [&'a Said],
    /// The number of the last thing that happened anywhere.
    pub id: u64,
    /// What is said there is kept, and can be asked for.
    pub is_kept: bool,
}

/// Those who have a rank in a room, in the order of their names.
pub type Ranks<'a> = &'a [(Nickname, Rank)];

/// What somebody has missed who was cut off.
#[derive(Clone, Copy, Debug)]
pub struct Resumed<'a> {
    /// The name it has.
    pub name: &'a str,
    /// By which it may come back the next time.
    pub token: &'a Token,
    /// The rooms that it is in.
    pub rooms: &'a [Missed<'a>],
}

/// What somebody has missed in a room.
#[derive(Clone, Copy, Debug)]
pub struct Missed<'a> {
    /// The room's name, with `#`.
    pub title: &'a str,
    /// How it is now. Of the history, what was missed.
    pub view: RoomView<'a>,
    /// There may be more that was missed and is not known any more.
    pub gap: bool,
}

/// What a room is about.
#[derive(Clone, Copy, Debug)]
pub struct TopicView<'a> {
    /// The words.
    pub text: &'a str,
    /// Who said so.
    pub by: &'a str,
    /// When, as in [`Said::unix_seconds`].
    pub at: u64,
}

/// A room in a list of rooms.
#[derive(Clone, Copy, Debug)]
pub struct RoomInfo<'a> {
    /// Its name, with `#`.
    pub name: &'a str,
    /// How many are there.
    pub count: usize,
    /// What it is about; empty if nothing.
    pub topic: &'a str,
}

/// A line of the room as the history keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its number among all that happened: it only grows, and is the same for everybody.
    pub id: u64,
    /// When, in seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: u64,
    /// Which line of that second it was, at most 999: milliseconds, so that few are alike.
    pub millis: u16,
    /// Who spoke.
    pub from: String,
    /// What.
    pub text: String,
    /// Whether it was an emote.
    pub emote: bool,
    /// Whether an IRC client said it as a NOTICE, to which no program answers.
    pub notice: bool,
    /// The speaker's `user@host`, as IRC clients were told it; empty if nobody knows it any more.
    pub mask: String,
}

impl Said {
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        self.unix_seconds.saturating_mul(1000).saturating_add(self.millis.into())
    }
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its room, without `#`.
    pub room: String,
    /// The line.
    pub said: Said,
}

/// How somebody has gone, as others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting<'a> {
    /// Just gone.
    Plain,
    /// With words of their own.
    Words(&'a str),
    /// For a reason of the server's.
    Reason(CloseReason),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Somebody has that nickname, or one that looks the same.
    Taken(&'a str),
    /// That cannot be a nickname; the name itself is told only if it is a reserved one.
    Nickname(NicknameError, &'a str),
    /// One is called so already.
    SameName(&'a str),
    /// There is nobody of that name.
    Nobody(&'a str),
    /// A private message to oneself.
    TellSelf,
    /// A private message to somebody who has not read enough of those before it.
    TellTooMuch(&'a str),
    /// A reply, before any private message came.
    NothingToReply,
    /// To ignore oneself.
    IgnoreSelf,
    /// To ignore more people than one can (the bound).
    IgnoreTooMany(usize),
    /// To hear somebody again who is not ignored.
    NotIgnored(&'a str),
    /// There is no such room (its name, with `#`).
    NoSuchRoom(&'a str),
    /// That cannot be the name of a room.
    RoomName(&'a str),
    /// One is not in that room.
    NotInRoom(&'a str),
    /// One is in that room already.
    AlreadyIn(&'a str),
    /// One is in as many rooms as one can be (the bound).
    TooManyRooms(usize),
    /// There are as many rooms as there can be (the bound).
    RoomsFull(usize),
    /// No rooms can be made but those that are always there.
    RoomsFixed,
    /// That somebody is in the room already whom one tells of it.
    IsThere(&'a str),
    /// A topic longer than this many bytes.
    TopicTooLong(usize),
    /// There is no archive.
    NoArchive,
    /// The archive has too much to do, or cannot be read.
    ArchiveFailed,
    /// There is nothing more to show of what was asked last.
    NoMore,
    /// That cannot be looked for.
    Query(&'a QueryError),
    /// A token that is nobody's, or not any more.
    Token,
    /// That is not the server's password.
    Password,
    /// Something else than the server's password, which is asked for.
    PasswordNeeded,
    /// To be somebody again, when one is somebody already.
    NotResumable,
    /// There are no accounts here.
    NoAccounts,
    /// That nickname is somebody's account.
    Registered(&'a str),
    /// There is no such account.
    NoAccount(&'a str),
    /// Only who has an account may come in.
    AccountNeeded,
    /// One is not logged in.
    NotLoggedIn,
    /// One is logged in already.
    IsLoggedIn,
    /// That is not the password of the account.
    WrongPassword,
    /// A password of fewer or more bytes than these.
    PasswordBytes(usize, usize),
    /// A password that is the nickname.
    PasswordIsName,
    /// A password where others could read it on its way.
    Insecure,
    /// Too many passwords were tried from there.
    TooManyTries,
    /// There are too many passwords to be tried now, or it failed.
    Busy,
    /// There are as many accounts as there can be.
    AccountsFull,
    /// That name is an operator's, and only who runs the server can make it an account.
    OperatorsName,
    /// Only an operator of the room may do that (its name, with `#`).
    RoomOperatorOnly(&'a str),
    /// Only an operator of the server may do that.
    OperatorOnly,
    /// That is against an operator of the server.
    IsOperator(&'a str),
    /// That is against oneself.
    Yourself,
    /// That cannot be for the room in which everybody begins.
    NotForLobby,
    /// Somebody has that rank in the room already, or a higher one, or has none.
    HasRank(&'a str, Option<Rank>),
    /// Somebody is not in that room (their name).
    NotThere(&'a str),
    /// Nobody is banned or muted by that.
    NoSanction(&'a str),
    /// There are as many bans and mutes as there can be (the bound).
    TooManySanctions(usize),
    /// That is no time (what was written).
    Span(&'a str),
    /// A reason longer than this many bytes.
    ReasonTooLong(usize),
    /// One may not say anything any more, until then.
    Muted(Option<u64>),
    /// The room is moderated.
    Moderated,
    /// One has said something less than so many seconds ago and has to wait for these.
    Slow(u64),
    /// One is too new here to speak while the server is locked.
    TooNew,
    /// Nobody comes in who was not here and has no account.
    Locked,
    /// Only who was invited may come into the room.
    InviteOnly(&'a str),
    /// The room has a key, and that is not it.
    RoomKey(&'a str),
    /// There are as many in the room as there may be.
    RoomFull(&'a str),
    /// One is banned from the room.
    RoomBanned(&'a str),
    /// A key that is empty or longer than this many bytes.
    Key(usize),
    /// A command in a form that it does not have.
    Usage(Topic),
    /// Something was not done, since one may not do it any more.
    NotSaid,
    /// What one was asked about is too long ago.
    TooLate,
    /// There is no such command.
    UnknownCommand(&'a str),
    /// A line longer than this many bytes.
    LineTooLong(usize),
    /// A message of more than so many lines.
    TooManyLines(usize),
    /// A line that is not UTF-8.
    NotUtf8,
    /// The connection is closed, and why.
    Closed(CloseReason),
}

/// Why a connection is closed. Each closing is logged once with its reason, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// By its own wish (`/quit`).
    Quit,
    /// It sent its end of input.
    EndOfInput,
    /// The connection broke: reset, keepalive, an error of the system.
    ConnectionLost,
    /// It fell further behind the room than `--backlog`.
    TooSlow,
    /// It took no byte for `--stall-timeout` while bytes waited for it.
    Stalled,
    /// It gave no nickname in the time it had.
    NickTimeout(Duration),
    /// It sent this many bytes without a line end.
    Unterminated(usize),
    /// It spoke HTTP or TLS.
    WrongProtocol,
    /// There are `--max-clients` already.
    ServerFull,
    /// Nothing has been heard of it for `--udp-expiry`.
    TimedOut,
    /// Its address has `--max-per-ip` connections already.
    AddressFull,
    /// Connections come from its address faster than `--connects` allows.
    AddressTooFast,
    /// The server stops.
    Stopping,
    /// Its HTTP request was answered.
    Answered,
    /// Its HTTP request was not whole in the time it had.
    RequestTimeout,
    /// What it sent over its WebSocket broke the protocol, or was more than is taken (the close
    /// code of RFC 6455).
    Violation(u16),
    /// It did not answer two pings.
    Unresponsive,
    /// Who it was has come back over another connection.
    Replaced,
    /// It gave this many tokens that are nobody's.
    WrongTokens(u8),
    /// It gave this many passwords that are not the server's.
    WrongPasswords(u8),
    /// Its TLS was none, or broke its rules.
    TlsFailed,
    /// It did not begin with the PROXY header that is wanted there.
    WrongProxyHeader,
    /// Its PROXY header, or its TLS handshake, did not come to an end in time.
    PreludeTimeout,
    /// It is banned.
    Banned,
    /// An operator has removed it from the server.
    Killed,
    /// It was removed from the only room that it could be in.
    Kicked,
    /// It may not come in while the server is locked, or without an account.
    Locked,
    /// The servers that share the rooms have done without this one; so many lines of its own were
    /// not said.
    RelayLost(u32),
    /// What was said last on all servers is lost.
    RelayRewound,
}

impl CloseReason {
    /// How many reasons there are: the length of an array of counts by [`index`](Self::index).
    pub const COUNT: usize = 29;

    /// The names by which programs are told the reasons, by [`index`](Self::index).
    pub const LABELS: [&str; CloseReason::COUNT] = [
        "quit",
        "end_of_input",
        "connection_lost",
        "too_slow",
        "stalled",
        "nick_timeout",
        "unended",
        "foreign",
        "server_full",
        "address_full",
        "stopping",
        "timed_out",
        "address_too_fast",
        "answered",
        "request_timeout",
        "violation",
        "unresponsive",
        "replaced",
        "wrong_tokens",
        "wrong_passwords",
        "tls_failed",
        "wrong_proxy_header",
        "prelude_timeout",
        "banned",
        "killed",
        "kicked",
        "locked",
        "relay_lost",
        "relay_rewound",
    ];

    /// The name by which programs are told the reason.
    #[must_use]
    pub fn label(self) -> &'static str {
        CloseReason::LABELS[self.index()]
    }

    /// The reason with that label, as others are told it: numbers are not known.
    pub(crate) fn of_label(label: &str) -> Option<CloseReason> {
        let second = Duration::from_secs(0);
        let all: [CloseReason; CloseReason::COUNT] = [
            CloseReason::Quit,
            CloseReason::EndOfInput,
            CloseReason::ConnectionLost,
            CloseReason::TooSlow,
            CloseReason::Stalled,
            CloseReason::NickTimeout(second),
            CloseReason::Unterminated(0),
            CloseReason::WrongProtocol,
            CloseReason::ServerFull,
            CloseReason::TimedOut,
            CloseReason::AddressFull,
            CloseReason::AddressTooFast,
            CloseReason::Stopping,
            CloseReason::Answered,
            CloseReason::RequestTimeout,
            CloseReason::Violation(0),
            CloseReason::Unresponsive,
            CloseReason::Replaced,
            CloseReason::WrongTokens(0),
            CloseReason::WrongPasswords(0),
            CloseReason::TlsFailed,
            CloseReason::WrongProxyHeader,
            CloseReason::PreludeTimeout,
            CloseReason::Banned,
            CloseReason::Killed,
            CloseReason::Kicked,
            CloseReason::Locked,
            CloseReason::RelayLost(0),
            CloseReason::RelayRewound,
        ];
        all.into_iter().find(|reason| reason.label() == label)
    }

    /// A small number for each reason, below [`COUNT`](Self::COUNT).
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            CloseReason::Quit => 0,
            CloseReason::EndOfInput => 1,
            CloseReason::ConnectionLost => 2,
            CloseReason::TooSlow => 3,
            CloseReason::Stalled => 4,
            CloseReason::NickTimeout(_) => 5,
            CloseReason::Unterminated(_) => 6,
            CloseReason::WrongProtocol => 7,
            CloseReason::ServerFull => 8,
            CloseReason::AddressFull => 9,
            CloseReason::Stopping => 10,
            CloseReason::TimedOut => 11,
            CloseReason::AddressTooFast => 12,
            CloseReason::Answered => 13,
            CloseReason::RequestTimeout => 14,
            CloseReason::Violation(_) => 15,
            CloseReason::Unresponsive => 16,
            CloseReason::Replaced => 17,
            CloseReason::WrongTokens(_) => 18,
            CloseReason::WrongPasswords(_) => 19,
            CloseReason::TlsFailed => 20,
            CloseReason::WrongProxyHeader => 21,
            CloseReason::PreludeTimeout => 22,
            CloseReason::Banned => 23,
            CloseReason::Killed => 24,
            CloseReason::Kicked => 25,
            CloseReason::Locked => 26,
            CloseReason::RelayLost(_) => 27,
            CloseReason::RelayRewound => 28,
        }
    }

    /// Whether it may still be sent what waits: the peer is there and keeps pace.
    pub(crate) fn is_orderly(self) -> bool {
        !matches!(
            self,
            CloseReason::ConnectionLost
                | CloseReason::TlsFailed
                | CloseReason::TooSlow
                | CloseReason::Stalled
                | CloseReason::Replaced
        )
    }

    /// Whether it may be that nobody wanted it, so that who it was comes back.
    pub(crate) fn is_mishap(self) -> bool {
        !self.is_orderly() || matches!(self, CloseReason::EndOfInput | CloseReason::Unresponsive)
    }
}

impl fmt::Display for CloseReason {
    /// As the log says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Quit => f.write_str("quit"),
            CloseReason::EndOfInput => f.write_str("end of input"),
            CloseReason::ConnectionLost => f.write_str("connection lost"),
            CloseReason::TooSlow => f.write_str("too slow (--backlog)"),
            CloseReason::Stalled => f.write_str("too slow (--stall-timeout)"),
            CloseReason::NickTimeout(limit) => {
                write!(f, "no nickname within {} s (--nick-timeout)", limit.as_secs_f64())
            }
            CloseReason::Unterminated(bytes) => write!(f, "{bytes} bytes without a line end"),
            CloseReason::WrongProtocol => f.write_str("spoke another protocol"),
            CloseReason::ServerFull => f.write_str("server full (--max-clients)"),
            CloseReason::AddressFull => f.write_str("too many from its address (--max-per-ip)"),
            CloseReason::AddressTooFast => {
                f.write_str("too many at once from its address (--connects)")
            }
            CloseReason::Stopping => f.write_str("server stopping"),
            CloseReason::TimedOut => f.write_str("timed out (--udp-expiry)"),
            CloseReason::Answered => f.write_str("request answered"),
            CloseReason::RequestTimeout => f.write_str("no whole request in time"),
            CloseReason::Violation(code) => write!(f, "broke the WebSocket protocol ({code})"),
            CloseReason::Unresponsive => f.write_str("answered no ping"),
            CloseReason::Replaced => f.write_str("came back over another connection"),
            CloseReason::WrongTokens(count) => write!(f, "{count} wrong tokens"),
            CloseReason::WrongPasswords(count) => write!(f, "{count} wrong passwords"),
            CloseReason::TlsFailed => f.write_str("no TLS, or broken"),
            CloseReason::WrongProxyHeader => f.write_str("no PROXY header"),
            CloseReason::PreludeTimeout => f.write_str("no TLS handshake or PROXY header in time"),
            CloseReason::Banned => f.write_str("banned"),
            CloseReason::Killed => f.write_str("removed by an operator"),
            CloseReason::Kicked => f.write_str("kicked out of its only room"),
            CloseReason::Locked => f.write_str("locked (--accounts, /lock)"),
            CloseReason::RelayLost(unsaid) => write!(f, "relay lost ({unsaid} lines not said)"),
            CloseReason::RelayRewound => f.write_str("the relay has lost what was said last"),
        }
    }
}

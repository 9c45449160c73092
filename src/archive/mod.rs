//! The archive: what must outlive the server, in one SQLite file behind threads of its own.
//!
//! Here are the types by which the rest of the program speaks with it; they need no database. With
//! the feature `data` there is [`Archive`], which the server holds: what was said is
//! [recorded](Archive::record), questions are [asked](Archive::ask), and their answers are
//! [polled](Archive::poll_answer) later. [`Keeper`] does the same for accounts. None of this ever
//! waits.
//!
//! | file | what it is |
//! |---|---|
//! | `handle` | the archive as the server holds it |
//! | `queue` | what waits for the threads |
//! | `writer`, `tables` | the thread that writes, and what it writes |
//! | `forgetting` | what is deleted, little by little |
//! | `reader` | the thread that reads |
//! | `query`, `words` | a search as somebody types it, and what of a text stands in the index |
//! | `keeper` | the thread that tries passwords, for accounts and operators |
//! | `accounts`, `passwords` | accounts in the file, and how passwords are hashed |
//! | `transfer` | export, import and forgetting by hand |
//! | `file` | opens a file, or says why it cannot be used; its tables |

#[cfg(feature = "data")]
pub mod accounts;
#[cfg(feature = "data")]
mod file;
#[cfg(feature = "data")]
mod forgetting;
#[cfg(feature = "data")]
mod handle;
#[cfg(feature = "data")]
mod keeper;
#[cfg(feature = "data")]
pub mod passwords;
#[cfg(feature = "data")]
mod queue;
#[cfg(feature = "data")]
mod reader;
#[cfg(feature = "data")]
mod tables;
#[cfg(feature = "data")]
pub mod transfer;
#[cfg(feature = "data")]
mod words;
#[cfg(feature = "data")]
mod writer;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::Keep;
pub use crate::event::Hit;
use crate::event::Said;
use crate::nickname::Nickname;
pub use crate::query::{self, Query, QueryError};
use crate::rights::Rights;
use crate::sanction::Sanction;
use crate::span::Wanted;
use crate::token::Secret;
#[cfg(feature = "data")]
pub use handle::Archive;
#[cfg(feature = "data")]
pub use keeper::{Keeper, Outside};

/// The most hits of a search that are told at once.
pub const HITS_MAX: usize = 20;

/// Something to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A line.
    Said {
        /// The line itself.
        said: Said,
        /// The room, without `#`.
        room: String,
        /// The number of the entry by which the author came.
        author: u64,
        /// The author's account, if there is one.
        account: Option<String>,
    },
    /// What a room is about from now on.
    Topic {
        /// Its number, as in [`Said::id`].
        id: u64,
        /// When, as in [`Said::unix_seconds`].
        at: u64,
        /// The room, without `#`.
        room: String,
        /// Who says so.
        from: String,
        /// Empty: about nothing.
        text: String,
    },
    /// What is set for a room from now on.
    Rights {
        /// The room, without `#`.
        room: String,
        /// All of it.
        rights: Rights,
    },
    /// Somebody may not do something any more.
    Sanction(Sanction),
    /// A sanction is over (the number of its entry).
    Lifted(u64),
    /// What an operator did.
    Act(Act),
}

/// What an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When, as in [`Said::unix_seconds`].
    pub at: u64,
    /// The name of it, such as `ban`.
    pub event: String,
    /// Who did it.
    pub by: String,
    /// To whom or what; perhaps empty.
    pub whom: String,
    /// In which room, without `#`, if in one.
    pub room: Option<String>,
    /// Why; perhaps empty.
    pub why: String,
    /// Until when, as in [`Sanction::until`].
    pub until: Option<u64>,
}

impl Record {
    /// About how many bytes it takes while it waits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = match self {
            Record::Said { said, room, account, .. } => {
                let account = account.as_ref().map_or(0, String::len);
                said.from.len() + said.text.len() + said.mask.len() + room.len() + account
            }
            Record::Topic { room, from, text, .. } => room.len() + from.len() + text.len(),
            Record::Rights { room, rights } => {
                room.len() + rights.accounts.len() * 2 * size_of::<Nickname>()
            }
            Record::Sanction(it) => it.by.len() + it.why.len(),
            Record::Lifted(_) => 0,
            Record::Act(it) => it.by.len() + it.whom.len() + it.why.len(),
        };
        size_of::<Record>() + texts
    }

    /// When, as in [`Said::unix_seconds`], if that is told.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        match self {
            Record::Said { said, .. } => Some(said.unix_seconds),
            Record::Topic { at, .. } => Some(*at),
            Record::Sanction(Sanction { at, .. }) | Record::Act(Act { at, .. }) => Some(*at),
            Record::Rights { .. } | Record::Lifted(_) => None,
        }
    }
}

/// Up to where lines are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// The newest.
    Now,
    /// Those with a smaller number.
    Id(u64),
    /// Those of before that time, in seconds since 1970-01-01 00:00 UTC.
    Time(u64),
}

/// What can be asked of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Lines of a room.
    History {
        /// Without `#`, in any spelling.
        room: String,
        /// Up to where.
        before: Before,
        /// At most so many, the newest of them.
        count: usize,
    },
    /// Lines of a room that lie in some span.
    Lines {
        /// Without `#`, in any spelling.
        room: String,
        /// Which.
        wanted: Wanted,
    },
    /// Lines that match.
    Search {
        /// What they must match.
        query: Query,
        /// Only lines with a smaller number: the last one that was told before.
        before: Option<u64>,
    },
    /// All that one author has said is to be deleted.
    Forget {
        /// As in [`Record::Said`]; 0 is nobody.
        author: u64,
        /// Also all that was said with this account.
        account: Option<String>,
    },
    /// The last acts of operators.
    Acts {
        /// At most so many.
        count: usize,
    },
    /// Something about an account.
    Account(AccountRequest),
}

/// What can be asked about accounts. It takes long on purpose to try a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRequest {
    /// A name is to be an account, with this password.
    Register {
        /// The name.
        name: Nickname,
        /// The password.
        password: Secret,
    },
    /// Somebody says that an account is theirs.
    Login {
        /// Its name, in any spelling.
        name: Nickname,
        /// What shows it.
        proof: Proof,
        /// They want a token by which they can show it the next time.
        wants_token: bool,
    },
    /// An account gets another password. Its tokens are good no more.
    SetPassword {
        /// Its name.
        name: Nickname,
        /// The one that it has.
        old: Secret,
        /// The one that it gets.
        new: Secret,
    },
    /// An account is to be none any more.
    Unregister {
        /// Its name.
        name: Nickname,
        /// Its password.
        password: Secret,
    },
    /// The tokens of an account are good no more.
    Logout {
        /// Its name.
        name: Nickname,
    },
    /// The password of an account that stands elsewhere is to be tried, and another one hashed.
    Prove {
        /// What it hashes to; empty, if there is no such account. `None`: there is nothing to try.
        hash: Option<String>,
        /// What they gave.
        password: Secret,
        /// The one that is to be hashed, if one is.
        new: Option<Secret>,
    },
    /// Somebody says that they know the password of an operator.
    Oper {
        /// The password, hashed, in the form that starts with `$argon2id$`.
        hash: String,
        /// What they gave.
        password: Secret,
    },
}

/// By what somebody shows that an account is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its password.
    Password(Secret),
    /// A token from the last [thirty days](TOKEN_SECONDS).
    Token(Secret),
}

/// For so long a token of an account is good, in seconds: thirty days.
pub const TOKEN_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The bytes of an account's password.
pub const ACCOUNT_PASSWORD_BYTES: RangeInclusive<usize> = 8..=128;

/// What is told of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountAnswer {
    /// It is so: registered, logged in, changed. The account as it is spelled, where there is one;
    /// and a token, if one was wanted.
    Done(Option<Nickname>, Option<Secret>),
    /// To [`AccountRequest::Prove`]: it is the password of `old`, and `new` is what the other one
    /// hashes to.
    Proved {
        /// The hash that was tried, if one was.
        old: String,
        /// The hash that was made, if one was.
        new: Option<String>,
    },
    /// That is not the password, or the token.
    Wrong,
    /// There is such an account already.
    Taken,
    /// There is no such account.
    Missing,
    /// There are as many accounts as there can be.
    Full,
}

/// An account that has come or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// This name is an account now.
    Added(Nickname),
    /// This one is none any more.
    Removed(Nickname),
    /// This one has another password, which its owner did not give it: whoever is logged in is not
    /// any more.
    Reset(Nickname),
}

/// What the archive answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::History`] and [`Request::Lines`].
    History {
        /// The oldest first.
        lines: Vec<Said>,
        /// There are older ones.
        more: bool,
    },
    /// To [`Request::Search`].
    Found {
        /// The newest first, at most [`HITS_MAX`].
        hits: Vec<Hit>,
        /// There are older ones.
        more: bool,
    },
    /// To [`Request::Forget`]: it is done.
    Forgotten {
        /// How many lines are deleted.
        lines: u64,
    },
    /// To [`Request::Acts`]: the newest first.
    Acts(Vec<Act>),
    /// To [`Request::Account`].
    Account(AccountAnswer),
    /// It cannot be answered; the log says why.
    Failed,
}

/// What a chat that begins has to know of what was before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The highest number of all that was ever kept; new ones must be higher.
    pub last_id: u64,
    /// The rooms in which something is kept, the most recent first.
    pub rooms: Vec<KeptRoom>,
    /// All sanctions that still hold.
    pub sanctions: Vec<Sanction>,
    /// All accounts.
    pub accounts: Vec<Nickname>,
}

/// A room of which something is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptRoom {
    /// Its name, without `#`.
    pub name: String,
    /// What it is about, if anything.
    pub topic: Option<KeptTopic>,
    /// Its last lines, the oldest first.
    pub lines: Vec<Said>,
    /// The number of the newest line that is older than these; 0 if there is none.
    pub forgotten: u64,
    /// What is set for it, if somebody has ever set anything.
    pub rights: Option<Rights>,
}

/// What a room is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptTopic {
    /// The words.
    pub text: String,
    /// Who said so.
    pub by: String,
    /// When, as in [`Said::unix_seconds`].
    pub at: u64,
}

/// How the archive is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Lines that are not kept, since there was no place for them to wait.
    pub lost: u64,
    /// Lines that wait to be written.
    pub waiting: usize,
    /// Lines that are safe on the disk, of those recorded since the start.
    pub written: u64,
    /// If nothing can be written now: why, as a sentence without its full stop.
    pub failing: Option<String>,
}

/// What the archive goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file. It is made if there is none.
    pub file: PathBuf,
    /// For how long what was said is kept.
    pub keep: Keep,
    /// Rooms for which that is different.
    pub keep_rooms: Vec<(Nickname, Keep)>,
    /// How many rooms are told in [`Kept`].
    pub rooms_max: usize,
    /// How many lines are told of each.
    pub history_lines_max: usize,
}

/// A file that cannot be the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: Unusable,
}

/// Why a file cannot be the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none (and none is to be made), or no folder for it.
    Missing,
    /// It is a folder, or something else that is no file.
    NotAFile,
    /// It is of another program.
    Foreign,
    /// It is of a newer version of this program: that of the file, and the newest that is known.
    Newer(i32, i32),
    /// Another server has it open.
    Locked,
    /// It cannot be written.
    ReadOnly,
    /// The disk is full.
    Full,
    /// It has been damaged: how it shows.
    Damaged(String),
    /// The system refuses: how it says so.
    System(String),
}

impl fmt::Display for OpenError {
    /// One sentence without its full stop, which names the file and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match &self.why {
            Unusable::ReadOnly | Unusable::Full => "write",
            _ => "open",
        };
        write!(f, "cannot {does} the archive {}: ", self.file.display())?;
        match &self.why {
            Unusable::Missing => f.write_str("there is no such file or folder; check --data"),
            Unusable::NotAFile => f.write_str("it is not a regular file; check --data"),
            Unusable::Foreign => {
                f.write_str("it is not a file of chinwag; check --data, or move it away")
            }
            Unusable::Newer(version, known) => write!(
                f,
                "a newer chinwag has written it (version {version}, and this one knows {known}); \
                 use the newer program"
            ),
            Unusable::Locked => f.write_str(
                "another server uses it; stop that one, or give this one another --data",
            ),
            Unusable::ReadOnly => {
                f.write_str("it is read-only; check its rights and those of its folder")
            }
            Unusable::Full => f.write_str("the disk is full; make room on it"),
            Unusable::Damaged(how) => {
                write!(f, "it is damaged ({how}); move it away, or put back a copy")
            }
            Unusable::System(how) => write!(f, "{how}; check --data"),
        }
    }
}

impl std::error::Error for OpenError {}

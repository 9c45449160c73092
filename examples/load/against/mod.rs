//! The servers that can be driven: what they speak, where they listen unless told otherwise, and
//! how each is started for the purpose, with its limits out of the way.

use std::env::{self, consts::EXE_SUFFIX};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::floor::{self, Manner};
use crate::load::process::{Listening, Server};
use crate::load::speech::{self, Speech};

pub(crate) mod engine;
mod irc;
mod nats;
mod redis;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The server of this crate, in its dialect `lines`.
    Chinwag,
    /// The same, in its dialect `irc`.
    ChinwagIrc,
    /// Redis or Valkey: one channel.
    Redis,
    /// nats-server: one subject.
    Nats,
    /// Any IRC server: one channel.
    Irc,
    /// A bare loop that writes each talker's lines as they come.
    Floor,
    /// A bare loop that gathers what a turn brings, and then writes once to each member.
    FloorTurn,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chinwag => "chinwag",
            Self::ChinwagIrc => "chinwag-irc",
            Self::Redis => "redis",
            Self::Nats => "nats-server",
            Self::Irc => "irc",
            Self::Floor => "floor",
            Self::FloorTurn => "floor-turn",
        }
    }

    pub(crate) fn speech(self) -> &'static Speech {
        match self {
            Self::Chinwag => &speech::CHINWAG,
            Self::ChinwagIrc => &speech::IRC,
            Self::Redis => &redis::SPEECH,
            Self::Nats => &nats::SPEECH,
            Self::Irc => &irc::SPEECH,
            Self::Floor | Self::FloorTurn => &speech::FLOOR,
        }
    }

    /// Where such a server usually listens; `None` for a floor, which runs for nothing else.
    pub(crate) fn usual_address(self) -> Option<SocketAddr> {
        let port = match self {
            Self::Chinwag => 7711,
            Self::Redis => 6379,
            Self::Nats => 4222,
            Self::ChinwagIrc | Self::Irc => 6667,
            Self::Floor | Self::FloorTurn => return None,
        };
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// A sentence: it is not installed, cannot be started so, or does not listen.
    pub(crate) fn start(self) -> io::Result<Server> {
        let server = match self {
            Self::Chinwag => announced(chinwag("lines")?),
            Self::ChinwagIrc => announced(chinwag("irc")?),
            Self::Floor => announced(floor::command(env::current_exe()?, Manner::AsItComes)),
            Self::FloorTurn => announced(floor::command(env::current_exe()?, Manner::Turn)),
            Self::Redis => redis::start(free_address()?),
            Self::Nats => nats::start(),
            Self::Irc => {
                return Err(io::Error::other("start an IRC server yourself, and give --address"));
            }
        };
        server.map_err(|error| self.explain(&error))
    }

    fn explain(self, error: &io::Error) -> io::Error {
        io::Error::other(match error.kind() {
            ErrorKind::NotFound => format!("{self} is not installed"),
            _ => format!("{self} does not start: {error}"),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Starts servers that share their room through an engine.
///
/// # Errors
/// As [`Kind::start`].
pub(crate) fn start_sharing(relay: &str, count: u64) -> io::Result<Vec<Server>> {
    let start = |number| {
        let mut command = chinwag("lines")?;
        command.args(["--relay", relay, "--relay-name", &format!("load-{number}")]);
        announced(command).map_err(|error| Kind::Chinwag.explain(&error))
    };
    (1..=count).map(start).collect()
}

/// Starts a server that says where it listens.
fn announced(mut command: Command) -> io::Result<Server> {
    Server::start(&mut command, Listening::Says("listening: "))
}

/// The server that cargo built beside this example, which throttles nobody.
fn chinwag(dialect: &str) -> io::Result<Command> {
    let example = env::current_exe()?;
    let built = example.parent().and_then(|examples| examples.parent());
    let path = built.map(|folder| folder.join(format!("chinwag{EXE_SUFFIX}")));
    let path = path.filter(|path: &PathBuf| path.exists()).ok_or_else(|| {
        io::Error::other("there is no server beside this example; build it: cargo build --release")
    })?;
    let mut command = Command::new(path);
    let listener = format!("{dialect}=127.0.0.1:0");
    command.args(["--listen", &listener, "--flood", "0", "--max-clients", "20000"]);
    Ok(command)
}

/// A port that nobody listens on, for a server that must be given one.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

//! `chinwag join`: a client at a terminal, or in a pipe, for the dialect `web`.
//!
//! `link` is the connection, and `message` what comes over it. What that means is told without a
//! socket or a terminal: by `pipe`, where the input is lines, and by `client`, where it is keys.

mod address;
mod client;
mod complete;
mod editor;
mod link;
mod log_files;
mod message;
mod pipe;
mod pulse;
mod room;
mod screen;
mod settings;
mod terminal;
mod tls;
mod words;
mod wrap;

use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use address::Address;
use chinwag::server::present;
use clap::Args;
use client::Client;
use jiff::tz::TimeZone;
use link::Target;
use log_files::LogFiles;
use settings::{Call, Notify, Settings, Switch};
use words::Lang;

use crate::fingerprint::Fingerprint;
use crate::{Failure, config_file};

/// The word that asks for the client.
const TASK: &str = "join";

/// The client's file, in the folder in which the system keeps those of a user.
const FILE: &str = "chinwag/client.toml";

/// When nothing is due.
const LONG: Duration = Duration::from_secs(60 * 60);

/// Joins a chat: at a terminal to sit in it, in a pipe to say what comes.
///
/// At a terminal only /quit leaves, and /help tells what can be typed. In a pipe each line is
/// said, what others say is printed, and the exit code is 0 if all was said.
#[derive(Args, Debug)]
#[command(max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where the server listens for the dialect `web`; a link to a room will do.
    ///
    /// The port is 7780 unless it is given; with TLS 7781. With wss:// or https:// in front there
    /// is TLS, at port 443. [default: 127.0.0.1]
    #[arg(value_name = "HOST[:PORT]")]
    address: Option<Address>,
    /// The same, as it can stand in the file; what stands without a flag counts more.
    #[arg(long, value_name = "HOST[:PORT]")]
    host: Option<Address>,
    /// Takes this nickname.
    ///
    /// If it is an account, the password is asked for, or is in the variable CHINWAG_PASSWORD.
    #[arg(long, value_name = "NAME", env = "CHINWAG_NICK")]
    nick: Option<String>,
    /// Goes into these rooms besides the first; what is piped in is said in the first of them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    room: Vec<String>,
    /// Uses TLS.
    #[arg(long)]
    tls: bool,
    /// Uses TLS, and trusts the certificate with this SHA-256 fingerprint, and no other.
    #[arg(long, value_name = "FINGERPRINT")]
    pin: Option<Fingerprint>,
    /// Keeps what is said in plain text: a file for each room, whose name is in that of the file.
    ///
    /// With chat.log what is said in #ops goes to chat.ops.log, and private messages to chat.log.
    /// In a pipe there is none, for what is said is printed.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// When to ring the terminal's bell.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    bell: Call,
    /// How to have the desktop tell of mentions and private messages.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    notify: Notify,
    /// Whether to show who comes and goes.
    #[arg(long, value_name = "on|off", value_enum, default_value_t)]
    presence: Switch,
    /// Shows no colours, as if NO_COLOR were set.
    #[arg(long)]
    no_color: bool,
    /// Shows no time before each line.
    #[arg(long)]
    no_time: bool,
    /// A file with these flags in it, as in nick = "alice"; otherwise client.toml where the system
    /// keeps such files.
    #[arg(short, long, value_name = "FILE", env = "CHINWAG_CLIENT_CONFIG")]
    config: Option<PathBuf>,
    /// The language of what is not said by people; otherwise that of the environment.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// The command line with the values in the client's file as defaults of this task.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn with_defaults(command: clap::Command, path: &Path) -> Result<clap::Command, Failure> {
    let Some(task) = command.find_subcommand(TASK).cloned() else { return Ok(command) };
    let (task, _) = config_file::defaults(task, path)?;
    Ok(command.mut_subcommand(TASK, |_| task))
}

/// By what we are known to the server.
#[derive(Clone, Debug, Default)]
struct Identity {
    nick: Option<String>,
    /// Of the account.
    password: Option<String>,
    /// Of the server.
    server_password: Option<String>,
}

impl Arguments {
    /// The file with what is always so: the one that was given, or the usual one if there is one.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let usual = || dirs::config_dir().map(|folder| folder.join(FILE)).filter(|it| it.is_file());
        self.config.clone().or_else(usual)
    }

    /// Joins, until one leaves.
    ///
    /// # Errors
    /// An exit code, and one sentence.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let is_set = |value: &String| !value.is_empty();
        let variable = |name: &str| env::var(name).ok().filter(is_set);
        let lang = self.lang.unwrap_or_else(|| Lang::of(variable));
        let mut address = match self.address.or(self.host) {
            Some(address) => address,
            None => "127.0.0.1".parse().map_err(|why| (crate::WRONG_USAGE, why))?,
        };
        address.tls |= self.tls || self.pin.is_some();
        let password = variable("CHINWAG_PASSWORD");
        let identity = Identity {
            nick: self.nick.filter(is_set),
            server_password: password.clone(),
            password,
        };
        let hashed = |room: String| if room.starts_with('#') { room } else { format!("#{room}") };
        let rooms = self.room.into_iter().chain(address.room.take()).map(hashed).collect();
        let target = Target { address, pin: self.pin };
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            let has_color = !self.no_color && variable("NO_COLOR").is_none();
            let switch = |on| if on { Switch::On } else { Switch::Off };
            let settings = Settings {
                color: switch(has_color),
                time: switch(!self.no_time),
                presence: self.presence,
                bell: self.bell,
                notify: self.notify,
            };
            let zone = TimeZone::system();
            let logs = LogFiles::open(self.log.clone(), zone.clone()).map_err(|error| {
                let file = self.log.unwrap_or_default();
                (
                    crate::CANNOT_OPEN,
                    format!("cannot write the --log file {}: {error}.", file.display()),
                )
            })?;
            let dice = RandomState::new().hash_one(0);
            let sitter = (zone, present(), dice);
            let client = Client::new(lang, settings, identity, rooms, sitter);
            terminal::run(target, client, logs)
        } else {
            pipe::run(target, lang, identity, rooms)
        }
    }
}

//! The program: the command line becomes a `Config`, the log goes to stderr, and an error becomes
//! one sentence and an exit code.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

#[cfg(feature = "data")]
mod account_tasks;
#[cfg(feature = "data")]
mod archive_tasks;
mod config_file;
#[cfg(any(feature = "client", feature = "tls"))]
mod fingerprint;
#[cfg(feature = "client")]
mod join;
mod logger;
#[cfg(feature = "tls")]
mod make_cert;
mod system;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;
#[cfg(feature = "tls")]
use std::time::Duration;

#[cfg(feature = "data")]
use chinwag::archive::transfer;
#[cfg(feature = "tls")]
use chinwag::config::TlsFiles;
#[cfg(feature = "web")]
use chinwag::config::Web;
use chinwag::config::values::{KeepRule, Network, Pace, RoomName, Seconds, Size};
use chinwag::config::{
    Accounts, CONSOLE_NAME, Config, Data, Engine, Keep, Limits, ListenerSpec, Password, Relay,
};
use chinwag::dialect::{Dialect, Lang};
use chinwag::nickname::Nickname;
use chinwag::server::{Inherited, Server};
#[cfg(feature = "tls")]
use chinwag::server::{check_certificates, present};
use clap::builder::{PossibleValue, Resettable};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use log::LevelFilter;
use logger::LogFormat;
use system::State;

/// The word that asks to read everything and open nothing.
const CHECK_CONFIG: &str = "check-config";

/// An exit code, and one sentence.
type Failure = (u8, String);

/// Exit codes: 0 is a clean end.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const CANNOT_OPEN: u8 = 3;

/// Every newcomer is sent all of it.
const MOTD_BYTES_MAX: u64 = 64 * 1024;

/// A password and the end of its line, and then some: what is too long is said by its length.
const PASSWORD_FILE_BYTES_MAX: u64 = 1024;

/// A group-chat server: many rooms, many dialects, one thread.
///
/// Start it, then join from another terminal with `nc 127.0.0.1 7711`, or with a browser at
/// http://127.0.0.1:7780: give a nickname, then talk. Type /help in the room for its commands.
#[derive(Parser, Debug)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// A TOML file whose keys are these flags without their dashes, as in history = 100.
    ///
    /// Flags and variables count more than what it says. It is read again on SIGHUP.
    #[arg(short, long, value_name = "FILE", env = "CHINWAG_CONFIG")]
    config: Option<PathBuf>,

    /// Listens for a dialect, at an address.
    ///
    /// May be given several times; then only these are open. The dialects are lines, web, irc,
    /// nick, register, datagram, anonymous and mention; metrics (9711) is for what watches the
    /// server. Without an address a dialect listens at its own port on 127.0.0.1 (lines: 7711, web:
    /// 7780, irc: 6667). After the dialect may stand +tls, for TLS (at the port above; irc: 6697),
    /// and +proxy, if a proxy sends a PROXY header first, as in lines+tls+proxy.
    /// An IPv6 address is in brackets, as in lines=[::1]:7711; [::]:7711 takes IPv4 as well.
    /// Port 0 takes a free port, which the log shows.
    #[arg(short, long, value_name = "DIALECT[+tls][+proxy][=ADDR]", env = "CHINWAG_LISTEN")]
    #[arg(value_delimiter = ',', default_value = usual_listeners())]
    listen: Vec<ListenerSpec>,

    /// Allows browsers to reach the server under this name, besides localhost and addresses.
    ///
    /// May be given several times. Other names are refused, since a page of another site could
    /// otherwise reach the server through a name of that site.
    #[cfg(feature = "web")]
    #[arg(long, value_name = "NAME", env = "CHINWAG_ALLOW_HOST", value_delimiter = ',')]
    allow_host: Vec<String>,

    /// Allows pages of this origin to join, besides the server's own page.
    ///
    /// May be given several times, as in https://chat.example.com.
    #[cfg(feature = "web")]
    #[arg(long, value_name = "ORIGIN", env = "CHINWAG_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,

    /// A certificate, and those that vouch for it, in a PEM file; for listeners with +tls.
    ///
    /// May be given several times, each with its --tls-key: a client gets the one for the host that
    /// it names, or else the first. Files that change are read again within a minute. chinwag
    /// make-cert makes one to begin with.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", env = "CHINWAG_TLS_CERT", value_delimiter = ',')]
    tls_cert: Vec<PathBuf>,

    /// The private key of the certificate, in a PEM file.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", env = "CHINWAG_TLS_KEY", value_delimiter = ',')]
    tls_key: Vec<PathBuf>,

    /// Believes what requests from there say of where they were forwarded from (X-Forwarded-For).
    ///
    /// May be given several times, as in 127.0.0.1/32 or 10.0.0.0/8; an address alone is one. The
    /// connection counts for the last address that is not of a trusted proxy.
    #[arg(long, value_name = "CIDR", env = "CHINWAG_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,

    /// Shows /metrics to these addresses too, besides the machine itself.
    ///
    /// May be given several times, as in 10.0.0.0/8 or 192.0.2.7. Whoever reaches the address of
    /// the dialect metrics is shown them in any case.
    #[cfg(feature = "web")]
    #[arg(long, value_name = "CIDR", env = "CHINWAG_METRICS_FROM", value_delimiter = ',')]
    metrics_from: Vec<Network>,

    /// Listens for the five older chat programs too, each at its own port on 127.0.0.1.
    ///
    /// nick 32768, register 4567, anonymous 21567 and mention 4568 over TCP, datagram 9999 over
    /// UDP; a dialect for which --listen gives an address listens only there.
    #[arg(long, env = "CHINWAG_CLASSIC", value_parser = clap::builder::BoolishValueParser::new())]
    classic: bool,

    /// Makes the server's own terminal a member of the room.
    ///
    /// What is typed there is said, what is said is printed on standard output, and commands work.
    #[arg(long, value_name = "NAME", env = "CHINWAG_CONSOLE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = CONSOLE_NAME)]
    console: Option<String>,

    /// The room in which everybody begins.
    #[arg(long, value_name = "NAME", env = "CHINWAG_LOBBY", default_value = "lobby")]
    lobby: RoomName,

    /// Other rooms that are always there.
    #[arg(long, value_name = "NAME", env = "CHINWAG_ROOMS", value_delimiter = ',')]
    rooms: Vec<RoomName>,

    /// Nobody can make rooms: there are only the lobby and those of --rooms.
    #[arg(long, env = "CHINWAG_FIXED_ROOMS")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    fixed_rooms: bool,

    /// How many rooms there can be at once.
    #[arg(long, value_name = "N", env = "CHINWAG_MAX_ROOMS")]
    #[arg(default_value_t = Limits::default().rooms_max)]
    max_rooms: usize,

    /// How many can be connected at once, at all addresses together; others are turned away.
    ///
    /// The limit of open files is raised to what this needs. If the system does not allow that,
    /// the number is lowered, with a warning in the log.
    #[arg(long, value_name = "N", env = "CHINWAG_MAX_CLIENTS")]
    #[arg(default_value_t = Limits::default().clients_max)]
    max_clients: usize,

    /// How long a line may be; a longer one is refused, with the reason.
    #[arg(long, value_name = "BYTES", env = "CHINWAG_MAX_LINE")]
    #[arg(default_value_t = Size(Limits::default().line_bytes_max))]
    max_line: Size,

    /// How long a newcomer may take to give a nickname.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_NICK_TIMEOUT")]
    #[arg(default_value_t = Seconds(Limits::default().nick_timeout))]
    nick_timeout: Seconds,

    /// How far a reader may fall behind the room before it is closed as too slow.
    ///
    /// Each room may have to remember as much, once and not for each reader.
    #[arg(long, value_name = "BYTES", env = "CHINWAG_BACKLOG")]
    #[arg(default_value_t = Size(Limits::default().backlog_bytes_max))]
    backlog: Size,

    /// How much all rooms together may have to remember for readers who are behind.
    ///
    /// Past it, those who are furthest behind are closed as too slow.
    #[arg(long, value_name = "BYTES", env = "CHINWAG_MEMORY")]
    #[arg(default_value_t = Size(Limits::default().memory_bytes_max))]
    memory: Size,

    /// How long a reader may take nothing while something waits for it.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_STALL_TIMEOUT")]
    #[arg(default_value_t = Seconds(Limits::default().stall_timeout))]
    stall_timeout: Seconds,

    /// How fast one may talk: so many lines at once, and as many again in so many seconds.
    ///
    /// What comes faster is read later; nothing is lost. 0 is no limit.
    #[arg(long, value_name = "LINES/SECONDS", env = "CHINWAG_FLOOD")]
    #[arg(default_value_t = Pace(Limits::default().flood))]
    flood: Pace,

    /// How fast connections may come from one address: so many at once, and as many again in so
    /// many seconds.
    ///
    /// Who comes faster waits, at most 5 seconds, and is turned away otherwise. 0 is no limit;
    /// loopback has none.
    #[arg(long, value_name = "NUMBER/SECONDS", env = "CHINWAG_CONNECTS")]
    #[arg(default_value_t = Pace(Limits::default().connects))]
    connects: Pace,

    /// How many can be connected from one address (IPv4, or an IPv6 /64); loopback is exempt.
    ///
    /// But UDP peers that seem to come from the machine itself get at most half of --max-clients,
    /// all of them together, since anybody can forge the source of a datagram.
    #[arg(long, value_name = "N", env = "CHINWAG_MAX_PER_IP")]
    #[arg(default_value_t = Limits::default().per_address_max)]
    max_per_ip: usize,

    /// How long a UDP peer may be silent before it counts as gone.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_UDP_EXPIRY")]
    #[arg(default_value_t = Seconds(Limits::default().udp_expiry))]
    udp_expiry: Seconds,

    /// How many chat lines to remember for those who come later.
    #[arg(long, value_name = "LINES", env = "CHINWAG_HISTORY")]
    #[arg(default_value_t = Limits::default().history_lines_max)]
    history: usize,

    /// How long to go on sending what waits when the server stops.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_DRAIN")]
    #[arg(default_value_t = Seconds(Limits::default().drain))]
    drain: Seconds,

    /// How long somebody who was cut off stays, so that they can come back unnoticed.
    ///
    /// Only the dialect `web` can do that. With 0 they leave at once.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_RESUME_GRACE")]
    #[arg(default_value_t = Seconds(Limits::default().resume_grace))]
    resume_grace: Seconds,

    /// A regular text file of at most 64 KiB whose lines newcomers see first.
    #[arg(long, value_name = "FILE", env = "CHINWAG_MOTD")]
    motd: Option<PathBuf>,

    /// A file with the password that everybody must know who comes in: one line, at most 128 bytes.
    ///
    /// It is asked for before the nickname, at lines and web. Three wrong tries, and one is
    /// closed; each counts for --connects like a connection more.
    #[arg(long, value_name = "FILE", env = "CHINWAG_PASSWORD_FILE")]
    password_file: Option<PathBuf>,

    /// Keeps what is said in this file, so that it outlives the server; it is made if need be.
    ///
    /// The rooms come back with their topics and last lines, and /search finds the rest. Private
    /// messages are never kept.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA")]
    data: Option<PathBuf>,

    /// Shares the rooms with other servers through this Redis (7.0 or later) or Valkey.
    ///
    /// Such as redis://host:6379 or redis://user:password@host1,host2, which are tried in turn;
    /// with rediss:// within TLS.
    #[arg(long, value_name = "URL", env = "CHINWAG_RELAY", hide_env_values = true)]
    relay: Option<Engine>,

    /// What this server is called among those that share the rooms; each has another name.
    #[arg(long, value_name = "LABEL", env = "CHINWAG_RELAY_NAME", requires = "relay")]
    relay_name: Option<String>,

    /// Whom to trust to be the engine of --relay rediss://…, or to vouch for it: certificates, in
    /// PEM.
    #[arg(long, value_name = "FILE", env = "CHINWAG_RELAY_CA", requires = "relay")]
    relay_ca: Option<PathBuf>,

    /// For how many days what is said is kept; 0 keeps nothing, forever everything.
    ///
    /// May be given several times, also for one room, as in 90,ops=30,news=forever.
    #[arg(long, value_name = "[ROOM=]DAYS", env = "CHINWAG_KEEP", value_delimiter = ',')]
    #[arg(default_value = usual_keep())]
    keep: Vec<KeepRule>,

    /// Whether nicknames can be accounts, which have a password, or must be. They need --data or
    /// --relay.
    ///
    /// With required only who has an account may come in; the older dialects then need
    /// --classic-open. With off there are none.
    #[arg(long, value_name = "off|optional|required", env = "CHINWAG_ACCOUNTS", value_enum)]
    #[arg(hide_possible_values = true, default_value_t = AccountsChoice(Accounts::default()))]
    accounts: AccountsChoice,

    /// Whoever is logged in to this account is an operator of the server.
    ///
    /// May be given several times. Operators with a password of their own stand in the table
    /// [operators] of the --config file; chinwag hash-password makes what is to stand there.
    #[arg(long, value_name = "NAME", env = "CHINWAG_OPERATOR", value_delimiter = ',')]
    #[arg(value_parser = nickname)]
    operator: Vec<Nickname>,

    /// Takes passwords of accounts and operators also where others could read them on their way.
    ///
    /// Otherwise only listeners with TLS and those of the machine itself take any.
    #[arg(long, env = "CHINWAG_INSECURE_PASSWORDS")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    insecure_passwords: bool,

    /// Whether IRC clients are told a made-up host for everybody, and no address.
    #[arg(long, value_name = "on|off", env = "CHINWAG_CLOAK", default_value = "on")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new(), action = ArgAction::Set)]
    cloak: bool,

    /// Opens the older dialects although they cannot ask for the password.
    #[arg(long, env = "CHINWAG_CLASSIC_OPEN")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    classic_open: bool,

    /// What goes to the log on stderr; only debug and trace log what people say.
    #[arg(long, value_name = "LEVEL", env = "CHINWAG_LOG_LEVEL", default_value = "info")]
    #[arg(value_parser = parse_level)]
    log_level: LevelFilter,

    /// How lines of the log are written: for people, or as one JSON object each.
    #[arg(long, value_name = "FORMAT", env = "CHINWAG_LOG_FORMAT", value_enum)]
    #[arg(default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    /// Whether the log tells people's addresses; with off there is a - instead of each.
    #[arg(long, value_name = "on|off", env = "CHINWAG_LOG_ADDRESSES", default_value = "on")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new(), action = ArgAction::Set)]
    log_addresses: bool,

    /// The language of the server's own messages in the dialect `lines`.
    #[arg(long, env = "CHINWAG_LANG", value_enum, default_value_t = Language(Lang::default()))]
    lang: Language,

    /// Of the table [operators] in the --config file.
    #[arg(skip)]
    operator_passwords: config_file::Operators,
}

/// What to do instead of serving.
#[derive(Subcommand, Debug)]
enum Task {
    #[cfg(feature = "client")]
    Join(join::Arguments),
    /// Makes a certificate that nobody vouches for, and its key, in the current directory.
    #[cfg(feature = "tls")]
    MakeCert {
        /// The hosts that it is for: names and IP addresses.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Writes an archive (--data) to standard output as JSON Lines, also while a server uses it.
    #[cfg(feature = "data")]
    Export(archive_tasks::Export),
    /// Takes what was exported, or a log of ssh-chat or weechat, into an archive.
    #[cfg(feature = "data")]
    Import(archive_tasks::Import),
    /// Deletes what was said under a name, or before a date, from an archive.
    #[cfg(feature = "data")]
    Forget(archive_tasks::ForgetArguments),
    /// Lists, adds, resets and deletes accounts, also while servers use them.
    #[cfg(feature = "data")]
    #[command(subcommand)]
    Account(account_tasks::Account),
    /// Writes the hash of a password (standard input), for [operators] in a --config file.
    #[cfg(feature = "data")]
    HashPassword,
}

const AFTER_HELP: &str = "\
Let colleagues in: chinwag -l lines=0.0.0.0:7711 -l web=0.0.0.0:7780
Another port for browsers: chinwag -l lines -l web=8080
Encrypted: chinwag make-cert chat.example.com, and chinwag -l web+tls=0.0.0.0:7781 --tls-cert \
chinwag-cert.pem --tls-key chinwag-key.pem
Other rooms, and only those: chinwag --rooms help,ops --fixed-rooms

Read everything and say what would be so: chinwag check-config --config chinwag.toml

Sizes are bytes and take K and M (64K, 1M); seconds may be fractions (0.5). Each flag can also be \
given by the environment variable shown as [env: …]; CHINWAG_LISTEN takes several values with \
commas between.

SIGTERM or SIGINT (Ctrl-C) stops the server: everyone gets a notice, what waits is sent, and the \
exit code is 0. A second signal stops it at once. SIGHUP does the same if the server was started \
from a terminal; elsewhere it has the files read again. Other exit codes: 1 failed while \
running, 2 wrong usage, 3 could not open an address or a file.";

/// What `--listen` is unless it is given.
fn usual_listeners() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let listeners = Config::default().listeners;
        listeners.iter().map(ListenerSpec::to_string).collect::<Vec<_>>().join(",")
    });
    &TEXT
}

/// What `--keep` is unless it is given.
fn usual_keep() -> String {
    KeepRule { room: None, keep: Keep::default() }.to_string()
}

/// `--accounts`.
#[derive(Clone, Copy, Debug)]
struct AccountsChoice(Accounts);

impl ValueEnum for AccountsChoice {
    fn value_variants<'a>() -> &'a [AccountsChoice] {
        &[
            AccountsChoice(Accounts::Off),
            AccountsChoice(Accounts::Optional),
            AccountsChoice(Accounts::Required),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            Accounts::Off => "off",
            Accounts::Optional => "optional",
            Accounts::Required => "required",
        }))
    }
}

/// `--lang`.
#[derive(Clone, Copy, Debug)]
struct Language(Lang);

impl ValueEnum for Language {
    fn value_variants<'a>() -> &'a [Language] {
        &[Language(Lang::En), Language(Lang::Zh)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            Lang::En => "en",
            Lang::Zh => "zh",
        }))
    }
}

fn main() -> ExitCode {
    let ended = run();
    logger::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            // Perhaps nobody reads stderr; the exit code still says it.
            let _ = writeln!(io::stderr(), "chinwag: {sentence}");
            ExitCode::from(code)
        }
    }
}

/// Runs the server. An error is an exit code and one sentence.
fn run() -> Result<(), Failure> {
    if env::args_os().nth(1).is_some_and(|first| first == CHECK_CONFIG) {
        return check_config();
    }
    // Before there are other threads.
    let inherited = Inherited::from_env();
    let Some(arguments) = Arguments::read(env::args_os())? else { return Ok(()) };
    if let Some(task) = arguments.task {
        let told = task.run()?;
        // Perhaps nobody reads it; the exit code still says it.
        let _ = io::stdout().write_all(told.as_bytes());
        return Ok(());
    }
    arguments.start_log();
    let config = arguments.into_config()?;
    let server = Server::bind_inherited(&config, inherited);
    let mut server = server.map_err(|error| (CANNOT_OPEN, format!("{error}.")))?;
    // Whose terminal goes away wants the server to go too.
    server.reread_with(read_again, || system::notify(State::Ready), !has_terminal());
    system::notify(State::Ready);
    say_how_to_join(&server);
    // A bug ends the server, but with a line in the log and an exit code.
    let served = panic::catch_unwind(panic::AssertUnwindSafe(|| server.run()));
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((FAILED, format!("failed: {error}."))),
        Err(_) => Err((FAILED, "failed: this is a bug; what is above tells where.".to_owned())),
    }
}

impl Task {
    /// Does it, and says what came of it.
    fn run(self) -> Result<String, Failure> {
        match self {
            #[cfg(feature = "client")]
            Task::Join(arguments) => arguments.run().map(|()| String::new()),
            #[cfg(feature = "tls")]
            Task::MakeCert { names } => {
                let now = Duration::from_secs(present().unix_seconds);
                make_cert::run(&names, now).map_err(|why| (CANNOT_OPEN, format!("{why}.")))
            }
            #[cfg(feature = "data")]
            Task::Export(export) => export.run().map(|()| String::new()),
            #[cfg(feature = "data")]
            Task::Import(import) => import.run(),
            #[cfg(feature = "data")]
            Task::Forget(forget) => forget.run(),
            #[cfg(feature = "data")]
            Task::Account(task) => task.run(),
            #[cfg(feature = "data")]
            Task::HashPassword => account_tasks::hash_password_of_stdin(),
        }
    }
}

/// Whether somebody at a terminal has started the server.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// All that the operator has decided, as it stands there now.
fn read_again() -> Result<Config, String> {
    system::notify(State::Reloading);
    let read = Arguments::read(env::args_os()).and_then(|read| match read {
        Some(arguments) => arguments.into_config(),
        None => Err((WRONG_USAGE, "there is nothing to read.".to_owned())),
    });
    read.map_err(|(_, sentence)| sentence.trim_end_matches('.').to_owned())
}

/// Reads everything, and says what would be so; nothing is opened.
fn check_config() -> Result<(), Failure> {
    let words = env::args_os().take(1).chain(env::args_os().skip(2));
    let Some(arguments) = Arguments::read(words)? else { return Ok(()) };
    arguments.start_log();
    let config = arguments.into_config()?;
    #[cfg(feature = "tls")]
    check_certificates(&config).map_err(|error| (CANNOT_OPEN, format!("{error}.")))?;
    #[cfg(feature = "data")]
    if let Some(data) = &config.data {
        transfer::check(&data.file).map_err(|error| (CANNOT_OPEN, format!("{error}.")))?;
    }
    let mut told = String::new();
    for listener in &config.listeners {
        told += &format!("It would listen for {} on {}.\n", listener.protocol(), listener.address);
    }
    let changes = Config::default().changes(&config);
    let changed: Vec<_> = changes.live.into_iter().chain(changes.restart).collect();
    if !changed.is_empty() {
        told += &format!("Not as usual: {}.\n", changed.join(", "));
    }
    if config.password.is_some() {
        told += "Everybody would be asked for the password.\n";
    }
    told += "The configuration is sound.\n";
    // Perhaps nobody reads it; the exit code still says it.
    let _ = io::stdout().write_all(told.as_bytes());
    Ok(())
}

impl Arguments {
    fn start_log(&self) {
        logger::start(self.log_level, self.log_format, self.log_addresses);
    }

    /// What they say together. The files that they name are read.
    fn into_config(self) -> Result<Config, Failure> {
        let config = self.config_unchecked()?;
        config.check().map_err(|error| (WRONG_USAGE, format!("{error}. Try --help.")))?;
        Ok(config)
    }

    fn config_unchecked(self) -> Result<Config, Failure> {
        let arguments = self;
        let mut listeners = arguments.listen;
        if arguments.classic {
            let is_missing = |dialect: &Dialect| !listeners.iter().any(|it| it.dialect == *dialect);
            let classic: Vec<_> = Dialect::CLASSIC.into_iter().filter(is_missing).collect();
            listeners.extend(classic.into_iter().map(ListenerSpec::usual));
        }
        Ok(Config {
            motd: arguments.motd.as_deref().map_or(Ok(Vec::new()), read_motd)?,
            password: arguments.password_file.as_deref().map(read_password).transpose()?,
            classic_open: arguments.classic_open,
            listeners,
            console: arguments.console,
            #[cfg(feature = "web")]
            web: Web { hosts: arguments.allow_host, origins: arguments.allow_origin },
            #[cfg(feature = "web")]
            metrics_from: arguments.metrics_from.into_iter().map(|network| network.0).collect(),
            #[cfg(feature = "tls")]
            tls: TlsFiles {
                certs: arguments.tls_cert,
                keys: arguments.tls_key,
                ..TlsFiles::default()
            },
            #[cfg(not(feature = "tls"))]
            tls: Default::default(),
            trusted_proxies: arguments.trusted_proxy.into_iter().map(|network| network.0).collect(),
            limits: Limits {
                clients_max: arguments.max_clients,
                line_bytes_max: arguments.max_line.0,
                nick_timeout: arguments.nick_timeout.0,
                backlog_bytes_max: arguments.backlog.0,
                stall_timeout: arguments.stall_timeout.0,
                flood: arguments.flood.0,
                connects: arguments.connects.0,
                per_address_max: arguments.max_per_ip,
                udp_expiry: arguments.udp_expiry.0,
                history_lines_max: arguments.history,
                drain: arguments.drain.0,
                resume_grace: arguments.resume_grace.0,
                memory_bytes_max: arguments.memory.0,
                rooms_max: arguments.max_rooms,
                rooms_fixed: arguments.fixed_rooms,
            },
            lang: arguments.lang.0,
            lobby: arguments.lobby.0,
            rooms: arguments.rooms.into_iter().map(|room| room.0).collect(),
            log_level: arguments.log_level,
            data: arguments.data.map(|file| data(file, arguments.keep)),
            accounts: arguments.accounts.0,
            operators: arguments.operator,
            operator_passwords: arguments.operator_passwords,
            insecure_passwords: arguments.insecure_passwords,
            cloak: arguments.cloak,
            relay: arguments.relay.map(|engine| {
                let (label, ca) = (arguments.relay_name.unwrap_or_default(), arguments.relay_ca);
                Relay { engine, label, ca }
            }),
        })
    }

    /// The command line, and what it leaves to variables and to the file; `None` if it only wanted
    /// help or the version, which is printed.
    fn read(words: impl Iterator<Item = OsString>) -> Result<Option<Arguments>, Failure> {
        let words: Vec<_> = words.collect();
        let command = without_empty_variables(Arguments::command());
        let Some(arguments) = Arguments::parse_with(command.clone(), &words)? else {
            return Ok(None);
        };
        #[cfg(feature = "client")]
        if let Some(Task::Join(join)) = &arguments.task {
            let Some(path) = join.config_file() else { return Ok(Some(arguments)) };
            let command = join::with_defaults(command, &path)?;
            return Arguments::parse_with(command, &words);
        }
        match arguments.config {
            None => Ok(Some(arguments)),
            Some(path) => {
                let (command, operators) = config_file::defaults(command, &path)?;
                let read = Arguments::parse_with(command, &words)?;
                Ok(read.map(|read| Arguments { operator_passwords: operators, ..read }))
            }
        }
    }

    fn parse_with(
        command: clap::Command,
        words: &[OsString],
    ) -> Result<Option<Arguments>, Failure> {
        let matches = command.try_get_matches_from(words);
        match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
            Ok(arguments) => Ok(Some(arguments)),
            Err(error) if error.use_stderr() => {
                Err((WRONG_USAGE, format!("{}. Try --help.", sentence_of(&error))))
            }
            Err(help) => {
                // It may be piped to a pager that has ended.
                let _ = help.print();
                Ok(None)
            }
        }
    }
}

/// What is wrong with a command line, without the full stop.
fn sentence_of(error: &clap::Error) -> String {
    let text = error.to_string();
    let sentence = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let sentence = sentence.collect::<Vec<_>>().join(" ");
    sentence.trim_start_matches("error: ").trim_end_matches('.').to_owned()
}

/// A variable that is empty counts as one that is not set, since that is how people unset them in
/// unit files and compose files.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    let empty: Vec<_> = command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some_and(is_empty))
        .map(|argument| argument.get_id().clone())
        .collect();
    let command = empty.into_iter().fold(command, |command, id| {
        command.mut_arg(id, |argument| argument.env(Resettable::Reset))
    });
    command.mut_subcommands(without_empty_variables)
}

/// On a terminal, says how to come in.
fn say_how_to_join(server: &Server) {
    let mut stderr = io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let reachable = |listener: ListenerSpec| {
        let mut address = listener.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        address
    };
    let listener_of = |dialect| {
        let is_direct = |it: &ListenerSpec| it.dialect == dialect && !it.prelude.proxy;
        server.listeners().find(is_direct)
    };
    #[cfg(feature = "web")]
    if let Some(listener) = listener_of(Dialect::Web) {
        let scheme = if listener.prelude.tls { "https" } else { "http" };
        let address = reachable(listener);
        let _ = writeln!(stderr, "To join with a browser, open  {scheme}://{address}");
    }
    if let Some(listener) = listener_of(Dialect::Lines) {
        let address = reachable(listener);
        let (ip, port) = (address.ip(), address.port());
        let program = if listener.prelude.tls { "ncat --ssl" } else { "nc" };
        let _ = writeln!(stderr, "To join, type this in another terminal:  {program} {ip} {port}");
    }
    let _ = writeln!(stderr, "To stop the server, press Ctrl-C here.");
}

/// What is kept where; of several rules for the same, the last one counts.
fn data(file: PathBuf, rules: Vec<KeepRule>) -> Data {
    let mut data = Data { file, keep: Keep::default(), keep_rooms: Vec::new() };
    for KeepRule { room, keep } in rules {
        match room {
            None => data.keep = keep,
            Some(room) => {
                data.keep_rooms.retain(|(other, _)| !other.same_as(&room));
                data.keep_rooms.push((room, keep));
            }
        }
    }
    data
}

/// The lines of the `--motd` file.
fn read_motd(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read_file("--motd", path, MOTD_BYTES_MAX)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(_) => Err(cannot_read("--motd", path, "it is not UTF-8 text")),
    }
}

/// The password in the `--password-file`.
fn read_password(path: &Path) -> Result<Password, Failure> {
    const FLAG: &str = "--password-file";
    let bytes = read_file(FLAG, path, PASSWORD_FILE_BYTES_MAX)?;
    let password = Password::from_file(&bytes);
    let password = password.map_err(|error| cannot_read(FLAG, path, &error.to_string()))?;
    #[cfg(unix)]
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
        let path = path.display();
        log::warn!("everybody on this machine can read the password in {path}; chmod o-r it");
    }
    Ok(password)
}

/// The content of a file that a flag names, if it has at most so many bytes.
pub(crate) fn read_file(flag: &str, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let why = match read_regular(path, bytes_max) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "there is no such file".to_owned(),
        Err(error) => error.to_string(),
        Ok(bytes) if bytes.len() as u64 > bytes_max => {
            format!("it is larger than {bytes_max} bytes")
        }
        Ok(bytes) => return Ok(bytes),
    };
    Err(cannot_read(flag, path, &why))
}

/// The content of a file, up to one byte more than is allowed. Opening a FIFO would wait for a
/// writer.
fn read_regular(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn cannot_read(flag: &str, path: &Path, why: &str) -> Failure {
    let path = path.display();
    (CANNOT_OPEN, format!("cannot read the {flag} file {path}: {why}; check {flag}."))
}

fn nickname(text: &str) -> Result<Nickname, String> {
    Nickname::parse(text).map_err(|error| error.to_string())
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "the level is off, error, warn, info, debug or trace".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_config() {
        let arguments = Arguments::parse_from(["chinwag"]);
        assert_eq!(arguments.listen, Config::default().listeners);
        let arguments = Arguments::parse_from(["chinwag", "--listen=nick"]);
        assert_eq!(arguments.listen, [ListenerSpec::usual(Dialect::Nick)]);
    }

    #[test]
    fn the_help_tells_the_port_of_each_dialect() {
        let help = Arguments::command().render_long_help().to_string();
        for dialect in Dialect::ALL {
            assert!(help.contains(&dialect.port().to_string()), "{dialect}");
        }
    }
}

//! The program: the command line becomes a `Config`, the log goes to stderr, and what went wrong
//! becomes one sentence and an exit code.

mod logger;

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[cfg(feature = "web")]
use chinwag::config::Web;
use chinwag::config::{CONSOLE_NAME, Config, Door, Flood, Limits};
use chinwag::dialect::{Dialect, Lang};
use chinwag::server::Server;
use clap::{Parser, ValueEnum};
use log::LevelFilter;

/// Exit codes: 0 is a clean end.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const CANNOT_OPEN: u8 = 3;

/// Every newcomer is sent all of it.
const MOTD_BYTES_MAX: u64 = 64 * 1024;

/// A group-chat server: one room, many doors, one thread.
///
/// Start it, then join from another terminal with `nc 127.0.0.1 7711`, or with a browser at
/// http://127.0.0.1:7780: give a nickname, then talk. Type /help in the room to see what else one
/// can do there.
#[derive(Parser, Debug)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
struct Arguments {
    /// Opens a door: a dialect, and the address where it is spoken.
    ///
    /// May be given several times; then only these are opened. The dialects are lines, web, nick,
    /// register, datagram, anonymous and mention. Without an address a dialect is spoken at its own
    /// port on 127.0.0.1 (lines: 7711, web: 7780).
    /// An IPv6 address stands in brackets, as in lines=[::1]:7711; [::]:7711 takes IPv4 as well.
    /// Port 0 takes a free port, which the log tells.
    #[arg(short, long, value_name = "DIALECT[=ADDR]", env = "CHINWAG_LISTEN")]
    #[arg(value_parser = parse_door, value_delimiter = ',', default_value = DEFAULT_DOORS)]
    listen: Vec<Door>,

    /// Allows browsers to find the server under this name, beside localhost and addresses.
    ///
    /// May be given several times. A page of another site could otherwise reach the server through
    /// a name of that site's.
    #[cfg(feature = "web")]
    #[arg(long, value_name = "NAME", env = "CHINWAG_ALLOW_HOST", value_delimiter = ',')]
    allow_host: Vec<String>,

    /// Allows pages of this origin to join, beside the server's own page.
    ///
    /// May be given several times, as in https://chat.example.com.
    #[cfg(feature = "web")]
    #[arg(long, value_name = "ORIGIN", env = "CHINWAG_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,

    /// Opens the doors of the five older chat programs too, each at its own port on 127.0.0.1.
    ///
    /// nick 32768, register 4567, anonymous 21567 and mention 4568 over TCP, datagram 9999 over
    /// UDP; a dialect for which --listen gives an address is spoken there alone.
    #[arg(long, env = "CHINWAG_CLASSIC", value_parser = clap::builder::BoolishValueParser::new())]
    classic: bool,

    /// Gives the server's own terminal a seat in the room.
    ///
    /// What is typed there is said, what is said is printed on standard output, and commands work.
    #[arg(long, value_name = "NAME", env = "CHINWAG_CONSOLE")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = CONSOLE_NAME)]
    console: Option<String>,

    /// How many can be connected at once, all doors together; whoever comes then is told so.
    ///
    /// The limit of open files is raised to what this needs. If the system does not allow that,
    /// the number is lowered, with a warning in the log.
    #[arg(long, value_name = "N", env = "CHINWAG_MAX_CLIENTS", default_value = "10000")]
    max_clients: usize,

    /// How long a line may be; a longer one is refused, and its sender told.
    #[arg(long, value_name = "BYTES", env = "CHINWAG_MAX_LINE", default_value = "4096")]
    #[arg(value_parser = parse_size)]
    max_line: usize,

    /// How long a newcomer may take to give a nickname.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_NICK_TIMEOUT", default_value = "60")]
    #[arg(value_parser = parse_seconds)]
    nick_timeout: Duration,

    /// How far a reader may fall behind the room before it is closed as too slow.
    ///
    /// This is also what the room may have to remember, once and not for each reader.
    #[arg(long, value_name = "BYTES", env = "CHINWAG_BACKLOG", default_value = "1M")]
    #[arg(value_parser = parse_size)]
    backlog: usize,

    /// How long a reader may take nothing at all while something waits for it.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_STALL_TIMEOUT", default_value = "30")]
    #[arg(value_parser = parse_seconds)]
    stall_timeout: Duration,

    /// How fast one may talk: so many lines at once, and as many again in so many seconds.
    ///
    /// Who talks faster is heard later; nothing is lost. 0 is no limit.
    #[arg(long, value_name = "LINES/SECONDS", env = "CHINWAG_FLOOD", default_value = "30/3")]
    #[arg(value_parser = parse_flood)]
    flood: Pace,

    /// How many can be connected from one address (IPv4, or an IPv6 /64); loopback is exempt.
    ///
    /// But peers over UDP that seem to come from the machine itself get at most half of
    /// --max-clients, all of them together, for anybody can forge where a datagram comes from.
    #[arg(long, value_name = "N", env = "CHINWAG_MAX_PER_IP", default_value = "64")]
    max_per_ip: usize,

    /// How long a peer over UDP may be silent before it is taken to have left.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_UDP_EXPIRY", default_value = "300")]
    #[arg(value_parser = parse_seconds)]
    udp_expiry: Duration,

    /// How many chat lines are kept for those who come later.
    #[arg(long, value_name = "LINES", env = "CHINWAG_HISTORY", default_value = "50")]
    history: usize,

    /// How long to go on sending what waits when the server is told to stop.
    #[arg(long, value_name = "SECONDS", env = "CHINWAG_DRAIN", default_value = "5")]
    #[arg(value_parser = parse_seconds)]
    drain: Duration,

    /// A regular text file of at most 64 KiB whose lines newcomers see first.
    #[arg(long, value_name = "FILE", env = "CHINWAG_MOTD")]
    motd: Option<PathBuf>,

    /// What goes to the log on stderr. What people say is only logged at debug.
    #[arg(long, value_name = "LEVEL", env = "CHINWAG_LOG_LEVEL", default_value = "info")]
    #[arg(value_parser = parse_level)]
    log_level: LevelFilter,

    /// The language of the server's own words at the door `lines`.
    #[arg(long, env = "CHINWAG_LANG", value_enum, default_value = "en")]
    lang: Language,
}

/// As [`Dialect::USUAL`] has them.
const DEFAULT_DOORS: &str = if cfg!(feature = "web") {
    "lines=127.0.0.1:7711,web=127.0.0.1:7780"
} else {
    "lines=127.0.0.1:7711"
};

const AFTER_HELP: &str = "\
Sizes are bytes and take K and M (64K, 1M); seconds may be fractions (0.5). Each flag can also be \
given by the variable shown as [env: …]; CHINWAG_LISTEN takes several doors with commas between.

SIGTERM, SIGINT (Ctrl-C) or SIGHUP stops the server: everyone is told, what waits is sent, and \
the exit code is 0. A second one stops it at once. Other exit codes: 1 failed while running, \
2 wrong usage, 3 could not bind or open what it was told to.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    En,
    Zh,
}

/// `--flood`; a type of its own because clap would take an `Option` for a flag that may be absent.
#[derive(Clone, Copy, Debug)]
struct Pace(Option<Flood>);

fn main() -> ExitCode {
    let ended = run();
    logger::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            // Nobody may be listening at stderr; the exit code still tells.
            let _ = writeln!(io::stderr(), "chinwag: {sentence}");
            ExitCode::from(code)
        }
    }
}

/// Everything, with the exit code and the sentence of what went wrong.
fn run() -> Result<(), (u8, String)> {
    let Some(arguments) = parse_arguments()? else { return Ok(()) };
    logger::start(arguments.log_level);
    let mut doors = arguments.listen;
    if arguments.classic {
        let closed = |dialect: &Dialect| !doors.iter().any(|door| door.dialect == *dialect);
        let classic: Vec<_> = Dialect::CLASSIC.into_iter().filter(closed).collect();
        doors.extend(classic.into_iter().map(Door::usual));
    }
    let config = Config {
        motd: arguments.motd.as_deref().map_or(Ok(Vec::new()), read_motd)?,
        doors,
        console: arguments.console,
        #[cfg(feature = "web")]
        web: Web { hosts: arguments.allow_host, origins: arguments.allow_origin },
        limits: Limits {
            clients_max: arguments.max_clients,
            line_bytes_max: arguments.max_line,
            nick_timeout: arguments.nick_timeout,
            backlog_bytes_max: arguments.backlog,
            stall_timeout: arguments.stall_timeout,
            flood: arguments.flood.0,
            per_address_max: arguments.max_per_ip,
            udp_expiry: arguments.udp_expiry,
            history_lines_max: arguments.history,
            drain: arguments.drain,
        },
        lang: match arguments.lang {
            Language::En => Lang::En,
            Language::Zh => Lang::Zh,
        },
    };
    config.check().map_err(|flaw| (WRONG_USAGE, format!("{flaw}. Try --help.")))?;
    let mut server = Server::bind(&config).map_err(|error| (CANNOT_OPEN, format!("{error}.")))?;
    say_how_to_join(&server);
    // A bug of ours ends the server, but not without a word in the log and an exit code.
    let served = panic::catch_unwind(panic::AssertUnwindSafe(|| server.run()));
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((FAILED, format!("failed: {error}."))),
        Err(_) => Err((FAILED, "failed: this is a bug; what is above tells where.".to_owned())),
    }
}

/// The command line; `None` if it only asked for help or the version, which is printed.
fn parse_arguments() -> Result<Option<Arguments>, (u8, String)> {
    let error = match Arguments::try_parse() {
        Ok(arguments) => return Ok(Some(arguments)),
        Err(error) => error,
    };
    if !error.use_stderr() {
        // Help may be piped to a pager that has ended.
        let _ = error.print();
        return Ok(None);
    }
    let text = error.to_string();
    let sentence = text.lines().take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>();
    let sentence = sentence.join(" ");
    let sentence = sentence.trim_start_matches("error: ").trim_end_matches('.');
    Err((WRONG_USAGE, format!("{sentence}. Try --help.")))
}

/// On a terminal, says how to come in.
fn say_how_to_join(server: &Server) {
    let mut stderr = io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let reachable = |door: Door| {
        let mut address = door.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        address
    };
    #[cfg(feature = "web")]
    if let Some(door) = server.doors().find(|door| door.dialect == Dialect::Web) {
        let _ = writeln!(stderr, "To join with a browser, open  http://{}", reachable(door));
    }
    if let Some(door) = server.doors().find(|door| door.dialect == Dialect::Lines) {
        let address = reachable(door);
        let (ip, port) = (address.ip(), address.port());
        let _ = writeln!(stderr, "To join, type this in another terminal:  nc {ip} {port}");
    }
    let _ = writeln!(stderr, "To stop the server, press Ctrl-C here.");
}

/// The lines of the `--motd` file.
fn read_motd(path: &Path) -> Result<Vec<String>, (u8, String)> {
    let why = match read_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "there is no such file".to_owned(),
        Err(error) => error.to_string(),
        Ok(bytes) if bytes.len() as u64 > MOTD_BYTES_MAX => {
            format!("it is larger than {MOTD_BYTES_MAX} bytes")
        }
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(text.lines().map(str::to_owned).collect()),
            Err(_) => "it is not UTF-8 text".to_owned(),
        },
    };
    let path = path.display();
    Err((CANNOT_OPEN, format!("cannot read the --motd file {path}: {why}; check --motd.")))
}

/// What is in a file, up to one byte more than may be. To open a FIFO would wait for whoever writes
/// to it.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOTD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────

fn parse_door(text: &str) -> Result<Door, String> {
    let (dialect, address) = match text.split_once('=') {
        Some((dialect, address)) => (dialect.parse::<Dialect>()?, Some(address)),
        None => (text.parse::<Dialect>()?, None),
    };
    let Some(address) = address else { return Ok(Door::usual(dialect)) };
    let address = address.parse::<SocketAddr>();
    address
        .map(|address| Door { dialect, address })
        .map_err(|_| "the address must be IP:PORT, as in 127.0.0.1:7711 or [::1]:7711".to_owned())
}

fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let size = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(unit));
    size.ok_or_else(|| "a size is a number of bytes, as in 4096, 64K or 1M".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a time is a number of seconds, as in 30 or 0.5".to_owned())
}

fn parse_flood(text: &str) -> Result<Pace, String> {
    if text == "0" {
        return Ok(Pace(None));
    }
    let flood = text.split_once('/').and_then(|(lines, seconds)| {
        Some(Flood { lines: lines.parse().ok()?, per: parse_seconds(seconds).ok()? })
    });
    flood
        .map(|flood| Pace(Some(flood)))
        .ok_or_else(|| "a pace is LINES/SECONDS, as in 30/3, or just 0 for none".to_owned())
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "the level is off, error, warn, info, debug or trace".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_usual_doors_are_open_unless_others_are_named() {
        let doors = |arguments: &[&str]| Arguments::parse_from(arguments).listen;
        assert_eq!(doors(&["chinwag"]), Config::default().doors);
        assert_eq!(doors(&["chinwag", "--listen=nick"]), [Door::usual(Dialect::Nick)]);
    }

    #[test]
    fn sizes_times_and_paces_are_read_as_people_write_them() {
        assert_eq!(parse_size("64K"), Ok(65536));
        assert_eq!(parse_size("1m"), Ok(1 << 20));
        for wrong in ["", "K", "-1", "1G", "1.5M", "99999999999999999M"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "-1", "nan", "inf", "5s", "1e99"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
        assert!(parse_flood("0").unwrap().0.is_none());
        assert_eq!(
            parse_flood("30/1.5").unwrap().0,
            Some(Flood { lines: 30, per: Duration::from_millis(1500) })
        );
        for wrong in ["", "30", "/", "x/3", "30/", "-1/3"] {
            assert!(parse_flood(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_door_is_a_dialect_and_perhaps_an_address() {
        assert_eq!(parse_door("lines"), Ok(Door::usual(Dialect::Lines)));
        let v6 = parse_door("lines=[::1]:0").unwrap();
        assert_eq!(v6.address, "[::1]:0".parse().unwrap());
        for wrong in ["", "=", "lines=", "lines=7711", "lines=localhost:7711", "irc", "Lines"] {
            assert!(parse_door(wrong).is_err(), "{wrong}");
        }
    }
}

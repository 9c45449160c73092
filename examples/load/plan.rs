//! What to do: the command line, and whether it makes sense.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::against::Kind;
use crate::load::{AHEAD_MAX, Pace};

/// Puts a chat server under load, and says what each delivered line costs it.
///
/// Members talk and listen in one room, over TCP. Every line is compared for everyone who gets it,
/// and one that is missing, altered or out of order ends the run with an error.
///
/// Start the server with its limits out of the way, as in `chinwag --flood 0 --max-clients 20000`
/// (and with --max-per-ip, if it is not on this machine); or let this program start it: --start.
#[derive(Parser, Clone, Debug)]
#[command(name = "load", max_term_width = 100)]
pub(crate) struct Plan {
    /// What kind of server it is.
    #[arg(long, value_enum, default_value_t = Kind::Chinwag)]
    pub(crate) against: Kind,
    /// Where the server listens [default: where such a server usually does]; a floor is started.
    #[arg(long, value_name = "IP:PORT", conflicts_with = "start")]
    pub(crate) address: Option<SocketAddr>,
    /// The server's process, if it runs here: its CPU time and memory are told (Linux).
    #[arg(long, conflicts_with = "start")]
    pub(crate) pid: Option<u32>,
    /// Starts the server for this run, if it is installed, with its limits out of the way.
    #[arg(long)]
    pub(crate) start: bool,
    /// Starts so many chinwags that share their room through --relay. The members come to each of
    /// them in turn.
    #[arg(long, value_name = "N", requires = "relay", value_parser = count(1, 16))]
    pub(crate) servers: Option<u64>,
    /// The engine through which --servers share their room, as in redis://127.0.0.1:6379. It is
    /// best one of its own: what is said stays in it.
    #[arg(long, value_name = "URL", requires = "servers")]
    #[arg(conflicts_with_all = ["against", "address", "pid", "start", "what", "plot"])]
    pub(crate) relay: Option<String>,
    /// Members who listen.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = count(1, 200_000))]
    pub(crate) members: u64,
    /// Members who talk, and hear each other too if the server allows that (Redis does not).
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = count(1, 10_000))]
    pub(crate) talkers: u64,
    /// The length of a delivered line in bytes, its speaker's name and line end included.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = count(32, 4096))]
    pub(crate) line: u64,
    /// Lines that all talkers together have under way, that not everybody has got.
    #[arg(long, value_name = "LINES", default_value_t = 256, conflicts_with = "rate")]
    #[arg(value_parser = count(1, 1_000_000))]
    pub(crate) ahead: u64,
    /// Lines that all talkers together say in a second, instead of as many as can be.
    #[arg(long, value_name = "LINES")]
    #[arg(value_parser = count(1, 1_000_000))]
    pub(crate) rate: Option<u64>,
    /// How long.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Lets --members come as fast as they are let in, and half of them leave at once, while one
    /// goes on talking.
    #[arg(long, group = "what")]
    pub(crate) storm: bool,
    /// Lets so many more come who never read, and says 64 MiB.
    #[arg(long, group = "what", value_name = "N", value_parser = count(1, 200_000))]
    pub(crate) never_read: Option<u64>,
    /// Starts chinwag, the floors, Redis and nats-server, puts them under several loads in turns,
    /// and prints how they compare, as Markdown.
    #[arg(long, group = "what")]
    pub(crate) table: bool,
    /// Draws what a delivery costs chinwag, a floor and Redis against how many members there are.
    #[arg(long, value_name = "FILE.svg", conflicts_with_all = ["storm", "never_read"])]
    pub(crate) plot: Option<PathBuf>,
    /// Makes --table and --plot less exact, and faster.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Prints the result as JSON.
    #[arg(long, conflicts_with_all = ["table", "plot"])]
    pub(crate) json: bool,
}

impl Plan {
    /// How the talkers talk.
    ///
    /// # Errors
    /// A sentence if that is more than they can.
    pub(crate) fn pace(&self) -> Result<Pace, String> {
        let most = AHEAD_MAX * self.talkers;
        match self.rate {
            Some(rate) => Ok(Pace::PerSecond(rate as f64)),
            None if self.ahead <= most => Ok(Pace::Ahead(self.ahead)),
            None => Err(format!("--ahead must be at most {AHEAD_MAX} for each of --talkers")),
        }
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn count(least: u64, most: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=most)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "a time is a number of seconds up to a day, as in 10 or 0.5".to_owned())
}

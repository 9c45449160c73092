//! What TLS costs the server, beside the same without: its CPU time for each line that is delivered
//! to 1,000 members, over loopback.
//!
//! ```text
//! cargo bench --bench tls                # about a minute
//! cargo bench --bench tls -- bursts      # one of the loads
//! cargo bench --bench tls -- --test      # each load once: does everybody get every line?
//! ```
//!
//! Both are the server that this crate builds, each a process of its own, driven by the same crowd
//! (`load/mod.rs`) in turn (A B A B …), since a machine that has other things to do may be slower
//! for one than for the other. The table shows medians.

// A bench has no peer to be polite to: what goes wrong ends it, with the reason. Its table is what
// stdout is for.
#![allow(clippy::panic, clippy::print_stdout)]

use std::env;
use std::io;
use std::process::Command;
use std::time::Instant;

use load::certificate::Certificate;
use load::process::{Listening, Pid, Server};
use load::speech;
use load::spread::Spread;
use load::{Crowd, Destination};

mod load;

/// How one talker talks, who waits after each burst until everybody has all of it.
struct Load {
    name: &'static str,
    /// Lines that are said at once, and so are written at once to each member.
    burst: u64,
    /// Bursts in one round.
    bursts: u64,
}

const LOADS: [Load; 3] = [
    Load { name: "single_lines", burst: 1, bursts: 100 },
    Load { name: "bursts", burst: 20, bursts: 50 },
    Load { name: "floods", burst: 256, bursts: 10 },
];

const RECEIVERS: usize = 1_000;

/// The length of a delivered line, name and LF included.
const LINE_BYTES: usize = 64;

/// Odd, so that a median is a measured value.
const ROUNDS: usize = 15;

fn main() -> io::Result<()> {
    load::raise_descriptors()?;
    if !cfg!(feature = "tls") {
        return Ok(());
    }
    let arguments: Vec<_> = env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let wanted = |load: &&Load| {
        let mut names = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|name| load.name.contains(name.as_str()))
    };
    let cert = Certificate::make()?;
    let mut plain = Rig::start("lines", &cert)?;
    let mut tls = Rig::start("lines+tls", &cert)?;
    let time = if Pid::own().cpu().is_some() { "server CPU" } else { "WALL TIME, not CPU," };
    println!("{time} in ns per line of {LINE_BYTES} bytes, delivered to {RECEIVERS} members:");
    println!("median (least-most) of all rounds, both servers in turn");
    println!();
    println!("load         lines at once {:>26} {:>26}  ratio", "plain", "TLS");
    for load in LOADS.iter().filter(wanted) {
        let rounds = if is_test { 1 } else { ROUNDS };
        let mut costs = [vec![], vec![]];
        for _ in 0..rounds {
            costs[0].push(plain.cost_of(load)?);
            costs[1].push(tls.cost_of(load)?);
        }
        let [plain, tls] = costs.map(|costs| Spread::of(costs.into_iter()));
        println!(
            "{:<12} {:>13} {:>26} {:>26} {:>6.2}",
            load.name,
            load.burst,
            show(plain),
            show(tls),
            tls.median / plain.median
        );
    }
    Ok(())
}

fn show(Spread { least, median, most }: Spread) -> String {
    format!("{median:.1} ({least:.1}-{most:.1})")
}

/// A server and the crowd that is in its room.
struct Rig {
    server: Server,
    crowd: Crowd,
}

impl Rig {
    fn start(listener: &str, cert: &Certificate) -> io::Result<Rig> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
        command.args(["--listen", &format!("{listener}=127.0.0.1:0")]);
        command.args(["--flood", "0", "--backlog", "16M", "--log-level", "info"]);
        command.args(cert.flags());
        let server = Server::start(&mut command, Listening::Says("listening: "))?;
        let destination = match listener {
            "lines" => Destination::from(server.address()),
            _ => Destination::over_tls(server.address(), cert)?,
        };
        let crowd = Crowd::join(destination, &speech::CHINWAG, 1, RECEIVERS, LINE_BYTES);
        let crowd = crowd.map_err(|error| {
            io::Error::other(format!("{listener}: {error}\n{}", server.last_words()))
        })?;
        Ok(Rig { server, crowd })
    }

    /// What the server spends for each delivered line, in nanoseconds.
    fn cost_of(&mut self, load: &Load) -> io::Result<f64> {
        let begun = Instant::now();
        let before = self.server.pid().cpu_at_rest();
        for _ in 0..load.bursts {
            self.crowd.deliver(load.burst, load.burst)?;
        }
        let wall = begun.elapsed();
        let after = self.server.pid().cpu_at_rest();
        let cost = before.zip(after).map_or(wall, |(before, after)| after - before);
        let deliveries = load.bursts * load.burst * self.crowd.deliveries_per_line();
        Ok(cost.as_nanos() as f64 / deliveries as f64)
    }
}

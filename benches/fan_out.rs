//! What a line to a room costs the server, beside what it must cost: its CPU time for each
//! delivered line, for four loads and four sizes of room, over loopback TCP; and for one of them
//! with browsers.
//!
//! ```text
//! cargo bench --bench fan_out                # everything, about six minutes
//! cargo bench --bench fan_out -- flood       # criterion's filters: fan_out/flood/1000/chinwag
//! cargo bench --bench fan_out -- --quick     # less exact, faster
//! cargo bench --bench fan_out -- --test      # each load once: does everybody get every line?
//! ```
//!
//! With `FAN_OUT_FLOOR_TWICE=1` the floor is measured against itself: that is the machine's noise.
//!
//! Each case is measured with chinwag and with the floor (`floor/mod.rs`: a bare loop that gathers
//! one turn and does one write for each connection), driven by the same crowd (`load/mod.rs`). Both
//! servers are processes of their own with one thread, so that the system tells their CPU time;
//! where it does not, the time on the wall stands in, and the output says so.
//!
//! Criterion has the statistics and remembers the last run; its time is that of one *batch* of
//! lines, its throughput is deliveries per second of the server's CPU. It measures one server after
//! the other, and a machine that has other things to do may be faster for one than for the other:
//! so the table at the end comes from rounds of its own, both servers in turn (A B A B …), and
//! shows medians.

// A bench has no peer to be polite to: what goes wrong ends it, with the reason. Its table is what
// stdout is for.
#![allow(clippy::panic, clippy::print_stdout)]

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};

use load::Crowd;
use load::process::{Listening, Pid, Server};
use load::speech;
use load::spread::Spread;

mod floor;
mod load;

/// How the talkers talk.
struct Load {
    name: &'static str,
    talkers: usize,
    /// Lines that all talkers together may have under way.
    ahead: u64,
    /// Lines in one iteration of criterion's.
    batch: u64,
    /// What is spoken. The floor moves lines as long as those that it tells.
    dialect: &'static str,
}

/// A hundred talkers come twice. With 256 lines under way among them all, two or three of each, a
/// server that writes each talker's lines as they come pays for it, and one that gathers does not.
/// With 256 lines of each, the calls hardly count and what is left is the copying of bytes.
const LOADS: [Load; 6] = [
    Load { name: "one_at_a_time", talkers: 1, ahead: 1, batch: 1, dialect: "lines" },
    Load { name: "flood", talkers: 1, ahead: 256, batch: 4 * 256, dialect: "lines" },
    HUNDRED_TALKERS,
    Load { name: "hundred_floods", talkers: 100, ahead: 25_600, batch: 25_600, dialect: "lines" },
    Load { name: "browsers", dialect: "web", ..HUNDRED_TALKERS },
    Load { name: "irc", dialect: "irc", ..HUNDRED_TALKERS },
];

const HUNDRED_TALKERS: Load =
    Load { name: "hundred_talkers", talkers: 100, ahead: 256, batch: 4 * 256, dialect: "lines" };

/// The length of a delivered line, name and LF included.
const LINE_BYTES: usize = 64;

/// The length of the frame in which a browser gets the same: with the room and the line's number.
const FRAME_BYTES: usize = 154;

/// The length of the line in which an IRC client gets it: with the author's user and host.
const IRC_BYTES: usize = 99;

const RECEIVERS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Rounds of the table, each with both servers; odd, so that a median is a measured value.
const ROUNDS: usize = 15;
/// … and where two rooms do not fit side by side, and are filled anew in each round.
const ROUNDS_ALONE: usize = 5;

/// How long each server is under load in a round: about, and at least one batch.
const ROUND: Duration = Duration::from_millis(200);
const ROUND_QUICK: Duration = Duration::from_millis(50);

/// Set to anything: the floor stands in for chinwag, so that the ratios show noise alone.
const FLOOR_TWICE: &str = "FAN_OUT_FLOOR_TWICE";

/// Deliveries of one batch that take too long to be repeated.
const DELIVERIES_MAX: u64 = 100_000_000;

fn main() -> io::Result<()> {
    load::raise_descriptors()?;
    if floor::serve_if_asked()? {
        return Ok(());
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .nresamples(10_000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut rows = Vec::new();
    for load in &LOADS {
        for receivers in RECEIVERS {
            // There are no browsers if the feature is left out.
            let is_there = load.dialect != "web" || cfg!(feature = "web");
            let is_open = is_there && (load.dialect == "lines" || receivers == 1_000);
            if is_open && load.batch * receivers as u64 <= DELIVERIES_MAX {
                rows.extend(bench(&mut criterion, load, receivers));
            }
        }
    }
    criterion.final_summary();
    if !rows.is_empty() {
        print_table(&rows);
    }
    Ok(())
}

/// Which server; the same crowd drives both.
#[derive(Clone, Copy)]
enum Kind {
    Chinwag,
    Floor,
}

/// One of the two servers in a case. It is started when it is first needed, so that a filter costs
/// nothing.
struct Side {
    kind: Kind,
    load: &'static Load,
    receivers: usize,
    /// There are not enough descriptors for the other one beside it.
    alone: bool,
    started: bool,
    rig: Option<Rig>,
}

/// A server and the crowd that is in its room.
struct Rig {
    kind: Kind,
    server: Server,
    crowd: Crowd,
    ahead: u64,
}

/// A line of the table: one sample for each round and server.
struct Row {
    load: &'static str,
    receivers: usize,
    chinwag: Vec<Sample>,
    floor: Vec<Sample>,
}

/// What one round has shown of one server.
struct Sample {
    /// For each delivered line.
    nanoseconds: f64,
    /// How many lines a receiver found at once: how much the server, or the kernel, had gathered.
    lines_a_read: f64,
}

/// One case: criterion's samples of both servers and then, unless this is only a test or a filter
/// has left one of them out, the rounds of the table.
fn bench(criterion: &mut Criterion, load: &'static Load, receivers: usize) -> Option<Row> {
    let alone = !load::fit(2 * (receivers + load.talkers)).unwrap_or(true);
    let side = |kind| Side { kind, load, receivers, alone, started: false, rig: None };
    let sides = [Kind::Chinwag, Kind::Floor].map(|kind| RefCell::new(side(kind)));
    let mut group = criterion.benchmark_group(format!("fan_out/{}/{receivers}", load.name));
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(load.batch * (receivers + load.talkers - 1) as u64));
    for side in &sides {
        let name = side.borrow().kind.to_string();
        group.bench_function(name, |bencher| {
            let mut side = side.borrow_mut();
            bencher.iter_custom(|batches| side.rig().cost_of(batches * load.batch));
        });
        side.borrow_mut().give_way();
    }
    group.finish();
    let [mut chinwag, mut floor] = sides.map(RefCell::into_inner);
    let round = round_length().filter(|_| chinwag.started && floor.started)?;

    let rig = floor.rig();
    let begun = Instant::now();
    rig.cost_of(load.batch);
    let batches = round.as_secs_f64() / begun.elapsed().as_secs_f64();
    floor.give_way();
    let lines = load.batch * (batches as u64).max(1);
    let mut row = Row { load: load.name, receivers, chinwag: vec![], floor: vec![] };
    for _ in 0..if alone { ROUNDS_ALONE } else { ROUNDS } {
        row.chinwag.push(chinwag.sample(lines));
        row.floor.push(floor.sample(lines));
    }
    Some(row)
}

/// How long a server is under load in a round; `None` if criterion was asked for something else
/// than to measure, for which it has no public question.
fn round_length() -> Option<Duration> {
    let given = |flag| env::args().any(|argument| argument == flag);
    let measures = given("--bench") && !given("--test") && !given("--profile-time");
    measures.then_some(if given("--quick") { ROUND_QUICK } else { ROUND })
}

impl Side {
    fn rig(&mut self) -> &mut Rig {
        self.started = true;
        self.rig.get_or_insert_with(|| Rig::start(self.kind, self.load, self.receivers))
    }

    fn sample(&mut self, lines: u64) -> Sample {
        let sample = self.rig().sample(lines);
        self.give_way();
        sample
    }

    /// Stops if the other one needs the descriptors.
    fn give_way(&mut self) {
        if self.alone {
            self.rig = None;
        }
    }
}

impl Rig {
    fn start(kind: Kind, load: &Load, receivers: usize) -> Self {
        let (mut command, speech, line_bytes) = match (kind.is_floor(), load.dialect) {
            (true, "web") => (floor_server(), &speech::FLOOR, FRAME_BYTES),
            (true, "irc") => (floor_server(), &speech::FLOOR, IRC_BYTES),
            (true, _) => (floor_server(), &speech::FLOOR, LINE_BYTES),
            (false, "web") => (chinwag("web"), &speech::BROWSER, LINE_BYTES),
            (false, "irc") => (chinwag("irc"), &speech::IRC, LINE_BYTES),
            (false, _) => (chinwag("lines"), &speech::CHINWAG, LINE_BYTES),
        };
        let server = Server::start(&mut command, Listening::Says("listening: "))
            .unwrap_or_else(|error| panic!("{kind} does not start: {error}"));
        match Crowd::join(server.address(), speech, load.talkers, receivers, line_bytes) {
            Ok(crowd) => Self { kind, server, crowd, ahead: load.ahead },
            Err(error) => panic!("{kind}, while joining: {error}\n{}", server.last_words()),
        }
    }

    /// What the server spends, from quiet to quiet, until everybody has `lines` lines more.
    fn cost_of(&mut self, lines: u64) -> Duration {
        let before = self.server.pid().cpu_at_rest();
        let begun = Instant::now();
        if let Err(error) = self.crowd.deliver(lines, self.ahead) {
            panic!("{}: {error}\n{}", self.kind, self.server.last_words());
        }
        let wall = begun.elapsed();
        before.zip(self.server.pid().cpu_at_rest()).map_or(wall, |(before, after)| after - before)
    }

    fn sample(&mut self, lines: u64) -> Sample {
        let reads = self.crowd.reads();
        let cost = self.cost_of(lines).as_nanos() as f64;
        let deliveries = (lines * self.crowd.deliveries_per_line()) as f64;
        let reads = (self.crowd.reads() - reads) as f64;
        Sample { nanoseconds: cost / deliveries, lines_a_read: deliveries / reads }
    }
}

/// The server that this crate builds, with its limits out of the way: nobody is throttled, and the
/// room may fall behind by all that a hundred talkers have under way, which is 1.6 MiB.
fn chinwag(dialect: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    let listener = format!("{dialect}=127.0.0.1:0");
    command.args(["--listen", &listener, "--flood", "0", "--max-clients", "20000"]);
    command.args(["--backlog", "16M", "--history", "50", "--log-level", "info"]);
    command
}

/// This executable once more, as the floor.
fn floor_server() -> Command {
    let executable = env::current_exe().unwrap_or_else(|error| panic!("who am I? {error}"));
    floor::command(executable, floor::Manner::Turn)
}

impl Kind {
    fn is_floor(self) -> bool {
        matches!(self, Self::Floor) || env::var_os(FLOOR_TWICE).is_some()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chinwag => "chinwag",
            Self::Floor => "floor",
        })
    }
}

fn print_table(rows: &[Row]) {
    let time = if Pid::own().cpu().is_some() { "server CPU" } else { "WALL TIME, not CPU," };
    println!("{time} in ns per delivered line of {LINE_BYTES} bytes: median (least-most) of all");
    println!("rounds, both servers in turn. lines/read: how many a receiver finds at once.");
    println!();
    let (load, floor) = ("load", "floor");
    println!("{load:<16} receivers {:>24} {floor:>24}  ratio   lines/read of both", "chinwag");
    for Row { load, receivers, chinwag, floor } in rows {
        let of = |samples: &[Sample], quantity: fn(&Sample) -> f64| {
            Spread::of(samples.iter().map(quantity))
        };
        let [ours, least] = [chinwag, floor].map(|samples| of(samples, |s| s.nanoseconds));
        let [our_reads, floor_reads] =
            [chinwag, floor].map(|samples| of(samples, |s| s.lines_a_read).median);
        println!(
            "{load:<16} {receivers:>9} {:>24} {:>24} {:>6.2} {our_reads:>10.1} {floor_reads:>9.1}",
            show(ours),
            show(least),
            ours.median / least.median,
        );
    }
}

fn show(Spread { least, median, most }: Spread) -> String {
    format!("{median:.1} ({least:.1}-{most:.1})")
}

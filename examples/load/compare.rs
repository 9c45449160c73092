//! The comparison: the same load for several servers, in turns, so that whatever else the machine
//! has to do falls upon all of them; as the table of the README, and as a plot.

use std::io;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::against::Kind;
use crate::load::spread::Spread;
use crate::load::{self, Pace};
use crate::measure::{Room, Sample, Target};
use crate::plan::Plan;
use crate::plot::{self, Curve, thousands};
use crate::report::{duration, latency_at};

/// The measure of all: a ratio is one to this server in the same round.
const MEASURE: Kind = Kind::FloorTurn;
const TABLE: [Kind; 5] = [Kind::Chinwag, MEASURE, Kind::Floor, Kind::Redis, Kind::Nats];
const PLOT: [Kind; 3] = [Kind::Chinwag, MEASURE, Kind::Redis];
/// Whose memory is told: a floor has nothing to keep.
const WITH_MEMORY: [Kind; 3] = [Kind::Chinwag, Kind::Redis, Kind::Nats];

const LINE_BYTES: u64 = 64;
const MEMBERS: u64 = 1000;
const SILENT_MEMBERS: u64 = 10_000;
const PLOTTED_MEMBERS: [u64; 4] = [10, 100, 1_000, 10_000];

/// How long a server warms up.
const WARM_UP: Duration = Duration::from_millis(100);

/// How the talkers talk, and for how many.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    talkers: u64,
    members: u64,
    pace: Pace,
}

const LOADS: [Load; 3] = [
    Load { name: "one line at a time", talkers: 1, members: MEMBERS, pace: Pace::Ahead(1) },
    FLOOD,
    Load { name: "100 talkers", talkers: 100, members: MEMBERS, pace: Pace::Ahead(256) },
];
const FLOOD: Load =
    Load { name: "flood from one talker", talkers: 1, members: MEMBERS, pace: Pace::Ahead(256) };
const STEADY: Load =
    Load { name: "50 lines a second", talkers: 1, members: MEMBERS, pace: Pace::PerSecond(50.0) };

/// How exact it is to be.
pub(crate) struct Effort {
    rounds: usize,
    /// How long each server is under load in a round.
    time: Duration,
    silent_members: u64,
}

/// What all rounds have shown of one server.
struct Rounds {
    kind: Kind,
    samples: Vec<Sample>,
}

impl Effort {
    fn of(plan: &Plan) -> Self {
        if plan.quick {
            Self { rounds: 3, time: Duration::from_millis(200), silent_members: 1_000 }
        } else {
            Self { rounds: 5, time: Duration::from_secs(1), silent_members: SILENT_MEMBERS }
        }
    }

    /// Latencies suffer most from what else the machine has to do, so they want more rounds.
    fn steady(&self) -> Self {
        Self { rounds: 3 * self.rounds, ..*self }
    }
}

/// Prints the table, as Markdown.
pub(crate) fn table(plan: &Plan, bar: &ProgressBar) -> io::Result<()> {
    let effort = Effort::of(plan);
    let (kinds, skipped) = installed(&TABLE)?;
    let loads = LOADS.iter().map(|load| compare(&kinds, load, &effort, bar));
    let loads = loads.collect::<io::Result<Vec<_>>>()?;
    let steady = compare(&kinds, &STEADY, &effort.steady(), bar)?;
    let mut memory = Vec::new();
    for kind in &kinds {
        bar.set_message(format!("silent members: {kind}"));
        memory.push(if WITH_MEMORY.contains(kind) {
            room_of(*kind, 1, effort.silent_members)?.memory_per_member
        } else {
            None
        });
    }
    bar.finish_and_clear();

    println!(
        "Lines of {LINE_BYTES} bytes to {MEMBERS} members: ratios to {MEASURE} in the same round, \
         medians of {} rounds (of {} for latencies).\n",
        effort.rounds,
        effort.steady().rounds,
    );
    print_head(&kinds);
    let ratio = |ratio: Spread| format!("{:.2}", ratio.median);
    for (load, rounds) in LOADS.iter().zip(&loads) {
        print_row([load.name, "CPU"], ratios(rounds, cost).map(ratio));
    }
    for (name, of) in LATENCIES {
        print_row([STEADY.name, name], ratios(&steady, of).map(ratio));
    }
    let silent = format!("{} silent members", thousands(effort.silent_members as f64));
    let bytes = |bytes: &Option<f64>| bytes.map_or("–".to_owned(), thousands);
    print_row([&silent, "bytes each"], memory.iter().map(bytes));
    println!("\nWhat the ratios are of, with the least and the most of all rounds:\n");
    print_head(&kinds);
    for (load, rounds) in LOADS.iter().zip(&loads) {
        print_row([load.name, "ns a delivery"], spreads(rounds, cost, nanoseconds));
        print_row(["", "the load itself"], spreads(rounds, own_cost, nanoseconds));
    }
    for (name, of) in LATENCIES {
        print_row([STEADY.name, name], spreads(&steady, of, duration));
    }
    for reason in skipped {
        println!("\nLeft out: {reason}.");
    }
    Ok(())
}

/// Draws what a delivery costs against how many members there are.
pub(crate) fn plot(plan: &Plan, bar: &ProgressBar) -> io::Result<String> {
    let effort = Effort::of(plan);
    let (kinds, _) = installed(&PLOT)?;
    let mut curves: Vec<Curve> =
        kinds.iter().map(|kind| Curve { name: kind.name(), points: Vec::new() }).collect();
    for members in PLOTTED_MEMBERS {
        let rounds = compare(&kinds, &Load { members, ..FLOOD }, &effort, bar)?;
        for (curve, rounds) in curves.iter_mut().zip(&rounds) {
            curve.points.push((members as f64, rounds.spread(cost).median));
        }
    }
    bar.finish_and_clear();
    Ok(plot::svg(&curves))
}

/// Those of `kinds` that can be started here, and why others cannot.
fn installed(kinds: &[Kind]) -> io::Result<(Vec<Kind>, Vec<String>)> {
    let (mut there, mut skipped) = (Vec::new(), Vec::new());
    for kind in kinds {
        match kind.start() {
            Ok(_) => there.push(*kind),
            Err(error) if [Kind::Redis, Kind::Nats].contains(kind) => {
                skipped.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok((there, skipped))
}

/// Puts all of `kinds` under the same load, in turns, and in another order in each round.
fn compare(
    kinds: &[Kind],
    load: &Load,
    effort: &Effort,
    bar: &ProgressBar,
) -> io::Result<Vec<Rounds>> {
    let count = kinds.len();
    let together = load::fit(count * (load.members + load.talkers) as usize)?;
    let mut rooms: Vec<Option<Room>> = kinds.iter().map(|_| None).collect();
    let mut all: Vec<Rounds> =
        kinds.iter().map(|kind| Rounds { kind: *kind, samples: Vec::new() }).collect();
    for round in 0..effort.rounds {
        for step in 0..count {
            let at = (round + step) % count;
            let Load { name, members, .. } = load;
            bar.set_message(format!("{name}, {members} members: {}", kinds[at]));
            bar.tick();
            let mut room = match rooms[at].take() {
                Some(room) => room,
                None => {
                    let mut room = room_of(kinds[at], load.talkers, load.members)?;
                    room.talk(load.pace, WARM_UP, |_| {})?;
                    room
                }
            };
            all[at].samples.push(room.talk(load.pace, effort.time, |_| bar.tick())?);
            // A room that would not fit beside the others is filled anew in each round.
            rooms[at] = together.then_some(room);
        }
    }
    Ok(all)
}

fn room_of(kind: Kind, talkers: u64, members: u64) -> io::Result<Room> {
    Room::fill(Target::started(kind)?, talkers, members, LINE_BYTES)
}

type Quantity = fn(&Sample) -> f64;

const LATENCIES: [(&str, Quantity); 2] = [
    ("latency, p50", |sample| latency_at(&sample.latency, 50.0)),
    ("latency, p99", |sample| latency_at(&sample.latency, 99.0)),
];

fn own_cost(sample: &Sample) -> f64 {
    sample.own_cost().unwrap_or(f64::NAN)
}

/// What a delivery costs the server; where the system does not tell its CPU time, the time on the
/// wall stands in.
fn cost(sample: &Sample) -> f64 {
    sample.server_cost().unwrap_or_else(|| 1e9 / sample.per_second())
}

impl Rounds {
    fn spread(&self, of: Quantity) -> Spread {
        Spread::of(self.samples.iter().map(of))
    }
}

/// Each server's ratios to the measure of all.
fn ratios(rounds: &[Rounds], of: Quantity) -> impl Iterator<Item = Spread> {
    let measure = rounds.iter().find(|rounds| rounds.kind == MEASURE);
    rounds.iter().map(move |of_server| {
        let of_measure = measure.into_iter().flat_map(|rounds| &rounds.samples).map(of);
        Spread::of(of_server.samples.iter().map(of).zip(of_measure).map(|(a, b)| a / b))
    })
}

fn spreads(
    rounds: &[Rounds],
    of: Quantity,
    show: fn(f64) -> String,
) -> impl Iterator<Item = String> {
    rounds.iter().map(move |rounds| {
        let Spread { least, median, most } = rounds.spread(of);
        format!("{} ({}–{})", show(median), show(least), show(most))
    })
}

fn nanoseconds(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn print_head(kinds: &[Kind]) {
    print_row(["load", ""], kinds.iter().map(Kind::to_string));
    print_row(["---", "---"], kinds.iter().map(|_| "---:".to_owned()));
}

fn print_row(names: [&str; 2], cells: impl Iterator<Item = String>) {
    let names = names.into_iter().map(str::to_owned);
    println!("| {} |", names.chain(cells).collect::<Vec<_>>().join(" | "));
}

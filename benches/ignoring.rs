//! What a line costs in a room of 1,000 whose members ignore others, beside the same room where
//! nobody does: all of it, from the bytes that come to the last member's bytes that go, without
//! sockets.
//!
//! ```text
//! cargo bench --bench ignoring                # the table
//! cargo bench --bench ignoring -- --quick     # less exact, faster
//! ```
//!
//! The rooms take turns (A B C A B C …), so that whatever else the machine has to do meets all of
//! them; the table shows medians of the rounds, and the median of each round's ratio.

#![allow(clippy::print_stdout, reason = "the table is what stdout is for")]

use std::env;
use std::time::{Duration, Instant};

use hub::{Room, lines, speech};
use spread::Spread;

mod hub;
#[path = "load/spread.rs"]
mod spread;

const MEMBERS: usize = 1_000;

/// How many others each member ignores. The first is what the others are compared with.
const IGNORED: [usize; 3] = [0, 3, 100];

/// Odd, so that a median is a measured value.
const ROUNDS: usize = 31;
const ROUNDS_QUICK: usize = 5;

/// Lines in a round, said by one member after the other.
const LINES: usize = 1_000;

/// How many members speak in one turn where many do.
const TALKERS: usize = 100;

/// What a line took in one round, in nanoseconds.
#[derive(Clone, Copy)]
struct Sample {
    /// Until it is published: it is judged, encoded and kept, and left out for some.
    published: f64,
    /// Until everybody has it, if it is the only one in its turn.
    alone: f64,
    /// … and if [`TALKERS`] speak in a turn.
    gathered: f64,
}

fn main() {
    // In cargo bench -- FILTER, FILTER is meant for all benchmarks.
    let filters: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "ignoring".contains(filter)) {
        return;
    }
    let rounds = match env::args().any(|word| word == "--quick" || word == "--test") {
        true => ROUNDS_QUICK,
        false => ROUNDS,
    };
    let mut rooms = IGNORED.map(room);
    for room in &mut rooms {
        sample(room);
    }
    let samples: Vec<_> = (0..rounds).map(|_| rooms.each_mut().map(sample)).collect();
    print_table(&samples);
}

/// A room in which everybody ignores the next `ignored` members, and so is ignored by as many.
fn room(ignored: usize) -> Room {
    let mut room = Room::of(MEMBERS);
    for number in 0..MEMBERS {
        for next in 1..=ignored {
            let name = speech::name((number + next) % MEMBERS);
            room.hear(room.member(number), format!("/ignore {name}\n").as_bytes());
        }
        room.turn();
    }
    room
}

fn sample(room: &mut Room) -> Sample {
    let (published, alone) = cost(room, 1);
    let (_, gathered) = cost(room, TALKERS);
    Sample { published, alone, gathered }
}

/// Nanoseconds of a line until it is published, and until everybody has it.
fn cost(room: &mut Room, lines_per_turn: usize) -> (f64, f64) {
    let line = lines(1);
    let mut published = Duration::ZERO;
    let begun = Instant::now();
    for turn in 0..LINES / lines_per_turn {
        let said = Instant::now();
        for talker in turn * lines_per_turn..(turn + 1) * lines_per_turn {
            room.hear(room.member(talker % MEMBERS), &line);
        }
        published += said.elapsed();
        room.turn();
    }
    let of_a_line = |time: Duration| time.as_nanos() as f64 / LINES as f64;
    (of_a_line(published), of_a_line(begun.elapsed()))
}

fn print_table(rounds: &[[Sample; IGNORED.len()]]) {
    println!(
        "A line in a room of {MEMBERS}, in ns: median (least-most) of {} rounds,",
        rounds.len()
    );
    println!("and the ratio to the room in which nobody is ignored.");
    println!();
    let columns = ["until published", "delivered, 1 a turn", "delivered, 100 a turn"];
    let [published, alone, gathered] = columns.map(|column| format!("{column:>22}  ratio"));
    println!("each ignores {published} {alone} {gathered}");
    for (case, ignored) in IGNORED.iter().enumerate() {
        let of = |quantity: fn(&Sample) -> f64| {
            let times = Spread::of(rounds.iter().map(|round| quantity(&round[case])));
            let ratios = rounds.iter().map(|round| quantity(&round[case]) / quantity(&round[0]));
            format!("{:>22} {:>6.2}", show(times), Spread::of(ratios).median)
        };
        let [published, alone, gathered] =
            [of(|s| s.published), of(|s| s.alone), of(|s| s.gathered)];
        println!("{ignored:>12} {published} {alone} {gathered}");
    }
}

fn show(Spread { least, median, most }: Spread) -> String {
    format!("{median:.0} ({least:.0}-{most:.0})")
}

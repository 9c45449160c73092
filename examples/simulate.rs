//! The simulation of `tests/simulation.rs` for as long as one likes: one seed after the other, each
//! a world of its own.
//!
//! ```sh
//! cargo run --profile simulate --example simulate -- --seed 1000000 --minutes 10 --threads 2
//! ```
//!
//! A seed that fails is told at once; in the end, with the command that replays it and the least
//! number of steps before all comes to rest with which it still fails. The exit code is then 1.
//! With `--adversary` it is the other kind of world, in which nothing fails but some cooperate
//! against a pair.

#![allow(clippy::expect_used, reason = "a simulation that cannot go on has failed")]

#[path = "../tests/simulation/mod.rs"]
mod simulation;

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use chinwag::event::CloseReason;
use clap::Parser;

/// Seeds that may fail before it is time to look at them.
const FAILURES_MAX: usize = 5;

/// Simulates the chat, seed after seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long to go on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many seeds to try at most.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
    /// How many seeds to try at once.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Instead of faults, there is an adversary.
    #[arg(long)]
    adversary: bool,
    /// Tells what happens in each world.
    #[arg(long)]
    verbose: bool,
}

/// What has come of it so far.
struct Results {
    start: Instant,
    /// When the pace was told last.
    told: Instant,
    tried: u64,
    failed: Vec<u64>,
    closings: [u64; CloseReason::COUNT],
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (start, closings) = (Instant::now(), [0; CloseReason::COUNT]);
    let results = Results { start, told: start, tried: 0, failed: Vec::new(), closings };
    let results = Mutex::new(results);
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| while try_next(&arguments, &results) {});
        }
    });
    let results = results.into_inner().expect("no thread has panicked");
    results.tell_pace();
    eprintln!("connections closed, by reason: {:?}", results.closings);
    eprintln!("seeds that failed: {:?}", results.failed);
    // Now nobody else panics, who would not be seen meanwhile.
    for seed in &results.failed {
        match arguments.adversary {
            true => simulation::tell_how_to_withstand(*seed),
            false => simulation::tell_how_to_replay(*seed),
        }
    }
    ExitCode::from(u8::from(!results.failed.is_empty()))
}

/// Lives through the world of the next seed. Returns whether there was one.
fn try_next(arguments: &Arguments, results: &Mutex<Results>) -> bool {
    let lock = || results.lock().expect("no thread has panicked");
    let Some(seed) = lock().next_seed(arguments) else { return false };
    let lived = match arguments.adversary {
        true => simulation::withstand(seed, arguments.verbose),
        false => simulation::attempt(seed, usize::MAX, arguments.verbose),
    };
    lock().note(seed, lived);
    true
}

impl Results {
    /// The seed that is tried next, unless it is time to stop.
    fn next_seed(&mut self, arguments: &Arguments) -> Option<u64> {
        let time = Duration::from_secs_f64(arguments.minutes * 60.0);
        let is_over = self.start.elapsed() >= time || self.failed.len() >= FAILURES_MAX;
        if is_over || self.tried >= arguments.seeds {
            return None;
        }
        self.tried += 1;
        Some(arguments.seed.wrapping_add(self.tried - 1))
    }

    fn note(&mut self, seed: u64, lived: Option<[u64; CloseReason::COUNT]>) {
        match lived {
            Some(closings) => {
                self.closings.iter_mut().zip(closings).for_each(|(all, some)| *all += some);
            }
            None => {
                eprintln!("seed {seed} failed");
                self.failed.push(seed);
            }
        }
        if self.told.elapsed() > Duration::from_secs(60) {
            self.told = Instant::now();
            self.tell_pace();
        }
    }

    fn tell_pace(&self) {
        let seconds = self.start.elapsed().as_secs_f64();
        let pace = self.tried as f64 / seconds;
        eprintln!("{} seeds in {seconds:.0} s, {pace:.0} a second", self.tried);
    }
}

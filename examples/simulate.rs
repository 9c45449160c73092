//! The simulation of `tests/simulation.rs` for as long as one likes: one seed after the other, each
//! a world of its own.
//!
//! ```sh
//! cargo run --profile simulate --example simulate -- --seed 1000000 --minutes 10
//! ```
//!
//! A seed that fails is told with the command that replays it and the least number of steps before
//! all comes to rest with which it still fails. The exit code is then 1. With `--adversary` it is
//! the other kind of world, in which nothing fails but some cooperate against a pair.

#![allow(clippy::expect_used, reason = "a simulation that cannot go on has failed")]

#[path = "../tests/simulation/mod.rs"]
mod simulation;

use std::process::ExitCode;
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
    /// Instead of faults, there is an adversary.
    #[arg(long)]
    adversary: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (start, time) = (Instant::now(), Duration::from_secs_f64(arguments.minutes * 60.0));
    let (mut failures, mut tried, mut closings) = (0, 0, [0; CloseReason::COUNT]);
    let mut told = start;
    while start.elapsed() < time && tried < arguments.seeds && failures < FAILURES_MAX {
        let seed = arguments.seed.wrapping_add(tried);
        tried += 1;
        let lived = match arguments.adversary {
            true => simulation::withstand(seed, false),
            false => simulation::attempt(seed, usize::MAX, false),
        };
        match lived {
            Some(of_seed) => closings.iter_mut().zip(of_seed).for_each(|(all, some)| *all += some),
            None => {
                failures += 1;
                match arguments.adversary {
                    true => simulation::tell_how_to_withstand(seed),
                    false => simulation::tell_how_to_replay(seed),
                }
            }
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            tell_pace(tried, start);
        }
    }
    tell_pace(tried, start);
    eprintln!("connections closed, by reason: {closings:?}");
    eprintln!("seeds that failed: {failures}");
    ExitCode::from(u8::from(failures > 0))
}

fn tell_pace(tried: u64, start: Instant) {
    let pace = tried as f64 / start.elapsed().as_secs_f64();
    eprintln!("{tried} seeds in {:.0} s, {pace:.0} a second", start.elapsed().as_secs_f64());
}

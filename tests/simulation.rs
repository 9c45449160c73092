//! The hub under simulated clients, sockets and time, thousands of times over, each time from
//! another seed. What is simulated and what is checked is told in `simulation/mod.rs`.
//!
//! `CHINWAG_SEEDS=100000` tries so many seeds, `CHINWAG_SEED=7` tries that one alone and tells
//! what happens; `CHINWAG_STEPS=30` ends the faults after so many steps. A seed that fails is told
//! with the least such number with which it still fails. For long runs there is
//! `examples/simulate.rs`. The seeds of worlds with an adversary are others.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "simulation/mod.rs"]
mod simulation;

use std::env;

use chinwag::dialect::Dialect;
use chinwag::event::CloseReason;

/// The reasons to close that only browsers have. After them come those that belong to what carries
/// bytes, which is only known to real sockets; and those of operators: see tests/moderation.rs.
const BROWSERS_REASONS: usize = 7;
const CARRIERS_REASONS: usize = 3;
const OPERATORS_REASONS: usize = 4;
/// Those of a relay: see tests/relay_worlds.rs.
const RELAY_REASONS: usize = 2;

/// Seeds in an ordinary test run.
const SEEDS: u64 = 10_000;

fn setting(name: &str) -> Option<u64> {
    Some(env::var(name).ok()?.parse().expect("a number"))
}

#[test]
fn whatever_happens_everyone_hears_everything_once_and_in_order() {
    let steps = setting("CHINWAG_STEPS").map_or(usize::MAX, |steps| steps as usize);
    let (seeds, verbose) = match setting("CHINWAG_SEED") {
        Some(seed) => (seed..seed + 1, true),
        None => (0..setting("CHINWAG_SEEDS").unwrap_or(SEEDS), false),
    };
    let (mut failed, mut closings) = (Vec::new(), [0; CloseReason::COUNT]);
    let all = seeds.end - seeds.start >= SEEDS;
    for seed in seeds {
        if let Some(of_seed) = simulation::attempt(seed, steps, verbose) {
            closings.iter_mut().zip(of_seed).for_each(|(all, some)| *all += some);
        } else {
            simulation::tell_how_to_replay(seed);
            failed.push(seed);
            if failed.len() == 3 {
                break;
            }
        }
    }
    eprintln!("connections closed, by reason: {closings:?}");
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
    let closings =
        &closings[..closings.len() - CARRIERS_REASONS - OPERATORS_REASONS - RELAY_REASONS];
    let has_browsers = "web".parse::<Dialect>().is_ok();
    let reasons = closings.len() - if has_browsers { 0 } else { BROWSERS_REASONS };
    // Only an adversary comes as fast as that; and nobody comes back here, or is asked for a
    // password: see tests/resume.rs and tests/password.rs.
    let elsewhere = [
        CloseReason::AddressTooFast,
        CloseReason::Replaced,
        CloseReason::WrongTokens(0),
        CloseReason::WrongPasswords(0),
    ];
    let elsewhere = elsewhere.map(CloseReason::index);
    let mut counted = closings[..reasons].iter().enumerate();
    let all_reasons = counted.all(|(reason, n)| *n > 0 || elsewhere.contains(&reason));
    assert!(!all || all_reasons, "no seed got at some reason to close: {closings:?}");
}

/// Seeds of the other kind of world in an ordinary test run.
const ADVERSARYS_SEEDS: u64 = 1_000;

#[test]
fn whatever_an_adversary_does_a_pair_is_heard_and_loses_nothing() {
    let (seeds, verbose) = match setting("CHINWAG_SEED") {
        Some(seed) => (seed..seed + 1, true),
        None => (0..setting("CHINWAG_SEEDS").unwrap_or(ADVERSARYS_SEEDS), false),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        if simulation::withstand(seed, verbose).is_none() {
            simulation::tell_how_to_withstand(seed);
            failed.push(seed);
            if failed.len() == 3 {
                break;
            }
        }
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

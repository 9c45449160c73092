//! A simulation of the hub: simulated clients, sockets and time, all from one seed.
//!
//! [`attempt`] is what is used from outside. It draws a [`swarm`] (limits, faults, rates), lets
//! clients ([`client`], [`script`]) talk over simulated [`socket`]s to the hub, which [`server`]
//! drives as `src/server.rs` does, and in the end stops all faults and lets everything come to
//! rest ([`world`]). Then it is checked what everyone received ([`walk`], [`reckoning`]) against
//! the one [`order`] in which things happened.
//!
//! The model shares nothing with the crate: it knows names by rules of its own ([`names`]) and the
//! dialects by a second implementation: `lines` in [`lines`], `web` in [`browser`], and the five
//! older ones in
//! [`chatter`] (what they send), [`ear`] (where their messages end), [`tongue`] (what is said) and
//! [`stroll`], which is their walk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a simulation that cannot go on has found something, and says so by a panic"
)]

pub(crate) mod browser;
pub(crate) mod chatter;
pub(crate) mod client;
pub(crate) mod ear;
pub(crate) mod lines;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod reckoning;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stroll;
pub(crate) mod swarm;
pub(crate) mod tongue;
pub(crate) mod walk;
pub(crate) mod world;

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A world takes milliseconds; one that takes this long does not end.
const ENDLESS: Duration = Duration::from_secs(60);

/// Steps that no world has.
const STEPS_MAX: usize = 1000;

/// Lives through the world of `seed`, with at most `steps_max` steps of it before the faults stop.
/// With `verbose`, tells on stderr what happens. Returns how many connections were closed for each
/// reason, to see what the seeds get at; `None` if something was wrong, which the panic told.
pub(crate) fn attempt(seed: u64, steps_max: usize, verbose: bool) -> Option<world::Closings> {
    let world = || {
        let _watched = Watched::new(seed);
        world::World::new(seed, verbose).run(steps_max)
    };
    catch_unwind(world).ok()
}

/// Tells how a seed that failed is seen again: with as few steps as possible.
pub(crate) fn tell_how_to_replay(seed: u64) {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let steps = (0..STEPS_MAX).find(|steps| attempt(seed, *steps, false).is_none());
    set_hook(hook);
    let steps = steps.map_or_else(String::new, |steps| format!("CHINWAG_STEPS={steps} "));
    eprintln!("seed {seed} failed. To see it alone:");
    eprintln!("    {steps}CHINWAG_SEED={seed} cargo test --test simulation -- --nocapture\n");
}

/// Which seed is being tried, and how many have been; the latter is 0 when none is.
static SEED: AtomicU64 = AtomicU64::new(0);
static RUN: AtomicU64 = AtomicU64::new(0);

/// There while a world is being lived through, which must not go on for ever. There is only one at
/// a time.
struct Watched;

impl Watched {
    fn new(seed: u64) -> Watched {
        static ONCE: Once = Once::new();
        static RUNS: AtomicU64 = AtomicU64::new(1);
        SEED.store(seed, Ordering::Relaxed);
        RUN.store(RUNS.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        ONCE.call_once(|| drop(thread::spawn(watch)));
        Watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        RUN.store(0, Ordering::Relaxed);
    }
}

/// Ends the process if a world does not end, and says which it was.
fn watch() {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        thread::sleep(Duration::from_secs(1));
        let run = RUN.load(Ordering::Relaxed);
        if run != last || run == 0 {
            (last, since) = (run, Instant::now());
        } else if since.elapsed() > ENDLESS {
            eprintln!("seed {} does not end", SEED.load(Ordering::Relaxed));
            std::process::abort();
        }
    }
}

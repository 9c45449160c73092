//! A simulation of the hub: simulated clients, sockets and time, all from one seed.
//!
//! [`attempt`] is what is used from outside. It draws a [`swarm`] (limits, faults, rates), lets
//! clients ([`client`], [`script`]) talk over simulated [`socket`]s to the hub, in the very loop
//! that runs in the server ([`server`]), and in the end stops all faults and lets everything come
//! to rest ([`world`]). Then it is checked what everyone received ([`lines_checker`], [`verdict`])
//! against the one [`order`] in which things happened.
//!
//! Whoever is in several rooms at once, is cut off and comes back is a [`wanderer`]; what they have
//! been told over all their connections is held against the order by [`wanderer_checker`].
//!
//! Some come from addresses that are banned or muted ([`outlaw`]).
//!
//! [`withstand`] is a second kind of world, without faults and with the default limits, in which an
//! [`adversary`] follows a [`plot`] against a pair of the others.
//!
//! The model shares nothing with the crate: it knows names by rules of its own ([`names`]) and the
//! dialects by a second implementation: `lines` in [`lines`], `web` in [`browser`], `irc` in
//! [`irc`] (whose walk is [`irc_checker`]), and the five older ones in [`chatter`] (what they
//! send), [`decoder_model`] (where their messages end), [`codec_model`] (what is said) and
//! [`classic_checker`], which is their walk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a simulation that cannot go on has found something, and says so by a panic"
)]

pub(crate) mod adversary;
pub(crate) mod browser;
pub(crate) mod chatter;
pub(crate) mod classic_checker;
pub(crate) mod client;
pub(crate) mod codec_model;
pub(crate) mod decoder_model;
pub(crate) mod irc;
pub(crate) mod irc_checker;
pub(crate) mod known;
pub(crate) mod lines;
pub(crate) mod lines_checker;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod outlaw;
pub(crate) mod plot;
#[path = "../common/returner.rs"]
pub(crate) mod returner;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod swarm;
pub(crate) mod verdict;
pub(crate) mod wanderer;
pub(crate) mod wanderer_checker;
pub(crate) mod world;

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, Once};
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

/// As [`attempt`], in a world where some cooperate against the others.
pub(crate) fn withstand(seed: u64, verbose: bool) -> Option<world::Closings> {
    let world = || {
        let _watched = Watched::new(seed);
        adversary::World::draw(seed, verbose).run()
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
    eprintln!(
        "    {steps}CHINWAG_SEED={seed} cargo test --test simulation happens -- --nocapture\n"
    );
}

/// As [`tell_how_to_replay`], of a world with an adversary.
pub(crate) fn tell_how_to_withstand(seed: u64) {
    eprintln!("seed {seed} failed. To see it alone:");
    eprintln!(
        "    CHINWAG_SEED={seed} cargo test --test simulation adversary_does -- --nocapture\n"
    );
}

/// The worlds that are being lived through: their seeds, and since when.
static WATCHED: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

/// There while a world is being lived through, which must not go on for ever.
struct Watched((u64, Instant));

impl Watched {
    fn new(seed: u64) -> Watched {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| drop(thread::spawn(watch)));
        let world = (seed, Instant::now());
        WATCHED.lock().unwrap().push(world);
        Watched(world)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.lock().unwrap().retain(|world| *world != self.0);
    }
}

/// Ends the process if a world does not end, and says which it was.
fn watch() {
    loop {
        thread::sleep(Duration::from_secs(1));
        let endless =
            WATCHED.lock().unwrap().iter().find(|(_, since)| since.elapsed() > ENDLESS).copied();
        if let Some((seed, _)) = endless {
            eprintln!("seed {seed} does not end");
            std::process::abort();
        }
    }
}

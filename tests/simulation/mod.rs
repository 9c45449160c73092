//! A simulation of the hub: simulated clients, sockets and time, all from one seed.
//!
//! [`run`] is all that is used from outside. A run draws a [`swarm`] (limits, faults, rates), lets
//! clients ([`client`], [`script`]) talk over simulated [`socket`]s to the hub, which [`server`]
//! drives as `src/server.rs` does, and in the end stops all faults and lets everything come to
//! rest ([`world`]). Then it is checked what everyone received ([`walk`], [`reckoning`]) against
//! the one [`order`] in which things happened.
//!
//! The model shares nothing with the crate: it knows names by a table ([`names`]) and the dialect
//! by a second implementation ([`lines`]). Another dialect is another file like `lines`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a simulation that cannot go on has found something, and says so by a panic"
)]

pub(crate) mod client;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod reckoning;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod swarm;
pub(crate) mod walk;
pub(crate) mod world;

/// Lives through the world of `seed`, with at most `steps_max` steps of it before the faults stop.
/// Panics if something is wrong. With `verbose`, tells on stderr what happens. Returns how many
/// connections were closed for each reason, to see what the seeds get at.
pub(crate) fn run(seed: u64, steps_max: usize, verbose: bool) -> world::Closings {
    world::World::new(seed, verbose).run(steps_max)
}

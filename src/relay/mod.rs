//! The relay: how several servers share their rooms through one ordered log, a stream of Redis
//! (7.0 or later) or Valkey. Here is what is said to the engine and what its answers mean, without
//! sockets, clock or threads: bytes and times in, bytes and times out. The sockets are in
//! `net/relay.rs`; what stands in the log is the hub's business (`hub/relaying.rs`).
//!
//! - [`resp`]: bytes to replies, and commands to bytes;
//! - [`link`]: the states of the two connections, what is sent again, and what is verified.

pub mod link;
pub mod resp;

pub use link::{Link, LinkEvent, LinkSettings, LogLength, Side};

use crate::author::Cloak;
use crate::hub::Hub;
use crate::timers::Now;

/// The link tells the hub what stands in the log, and the hub gives it what is to be written.
pub fn exchange(link: &mut Link, hub: &mut Hub, now: Now) {
    while let Some(event) = link.poll_event() {
        match event {
            LinkEvent::Reset { began_ms, checkpoint } => {
                hub.handle_relay_reset(began_ms, now);
                if checkpoint.is_some_and(|state| !hub.handle_relay_checkpoint(&state)) {
                    link.handle_broken("its checkpoint cannot be read", now);
                    link.forget();
                }
            }
            LinkEvent::Entry(entry) => hub.handle_relayed(&entry.relayed(), now),
            // It knows accounts alone. A checkpoint that is missed does no harm: the log reaches
            // back over many of them.
            LinkEvent::Checkpoint { .. } if hub.is_visitor() => {}
            LinkEvent::Checkpoint { place, stands } => {
                link.save((place, &stands), &hub.relay_checkpoint());
            }
            LinkEvent::Secret(secret) => hub.set_cloak(Cloak::new(secret)),
            LinkEvent::Live(is_live) => hub.handle_relay_live(is_live, now),
            LinkEvent::Missing(node) => hub.handle_relay_missing(&node),
        }
    }
    if let Some(node) = hub.poll_relay_name() {
        link.write_as(node);
    }
    while link.wants_lines()
        && let Some(lines) = hub.poll_relay()
    {
        link.submit(lines, now);
    }
    hub.note_link(link.resent(), link.lag());
    if link.wants_others(now) {
        link.note_others(hub.relayed_nodes());
    }
}

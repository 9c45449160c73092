//! Outlaws: who comes from an address that is banned or muted. What they themselves are told is not
//! looked at; but nobody from a banned one ever has a name, and nothing that somebody from a muted
//! one says reaches anybody.

use std::net::{IpAddr, Ipv4Addr};

use chinwag::Now;
use chinwag::config::Config;
use chinwag::hub::Hub;

use super::client::Client;
use super::lines;
use super::lines_checker::Findings;
use super::log;
use super::order::{Order, What};

/// The blocks of addresses of outlaws, beside those of others.
pub(crate) const BANNED: usize = 3;
pub(crate) const MUTED: usize = 4;

/// Where those of a block come from.
pub(crate) fn address(block: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, block as u8).into()
}

/// An operator comes, bans the one address and mutes the other, and goes, before anybody is there.
pub(crate) fn sentence(hub: &mut Hub, config: &Config, now: Now) {
    let operator = hub.add_console("boss", now);
    for (word, block) in [("ban", BANNED), ("mute", MUTED)] {
        let line = format!("/{word} {} forever\n", address(block));
        hub.handle_input(operator, line.as_bytes(), now);
    }
    hub.handle_disconnect(operator, now);
    hub.handle_input_done(now);
    hub.handle_output_done();
    let mut closed = Vec::new();
    hub.poll_closed(&mut closed);
    closed.into_iter().for_each(|key| hub.handle_closed(key));
    assert!(hub.is_empty(), "the operator is still there");
    // Of the terminal's place nothing is left.
    hub.update(config, now);
    log::begin();
}

/// Nothing has come of what an outlaw wanted.
pub(crate) fn check(client: &Client, order: &Order, findings: &[Findings]) {
    let acts = order.events.iter().zip(&order.by).filter(|(_, by)| **by == client.id);
    for ((what, _), _) in acts {
        assert!(client.block == Some(MUTED), "{what:?} by somebody who is banned");
        let is_silent = match what {
            What::Said { .. } | What::Topic { .. } => false,
            What::Left { why, .. } => {
                why.as_ref().is_none_or(|why| lines::REASONS.contains(&why.as_str()))
            }
            _ => true,
        };
        assert!(is_silent, "{what:?} by somebody who is muted");
    }
    let mut got = findings.iter().flat_map(|found| &found.got);
    let letter = got.find(|letter| letter.from == client.id);
    assert!(letter.is_none(), "{letter:?} of an outlaw");
}

//! Members who never read: how much memory they cost the server while others go on talking.

use std::io;

use crate::guests::Guests;
use crate::load::{AHEAD_MAX, Crowd, Pace};
use crate::measure::Target;
use crate::plan::Plan;

/// So much is said, in bytes of delivered lines.
pub(crate) const SAID_BYTES: u64 = 64 << 20;

/// The memory is looked at whenever so much more has been said.
const STEP_BYTES: u64 = 256 << 10;

/// What each member's system keeps for it, so that it is the server who has to.
const RECEIVE_BUFFER_BYTES: usize = 16 << 10;

/// By how many bytes the server's memory has grown.
pub(crate) struct Growth {
    pub(crate) most: u64,
    pub(crate) at_the_end: u64,
}

/// Lets `count` come in who then never read, and says [`SAID_BYTES`] to somebody who does.
pub(crate) fn run(plan: &Plan, target: &Target, count: usize) -> io::Result<Growth> {
    let speech = target.kind.speech();
    let mut crowd = Crowd::join(target.address, speech, 1, 1, plan.line as usize)?;
    let guests = Guests::come(target.address, speech, count, Some(RECEIVE_BUFFER_BYTES))?;
    // What the server had to tell about the guests is behind everybody.
    crowd.deliver(1, 1)?;
    let memory = || target.memory().ok_or_else(|| io::Error::other("memory is not told: --pid"));
    let before = memory()?;
    let (mut most, mut looked_at) = (before, 0);
    crowd.talk(Pace::Ahead(plan.ahead.min(AHEAD_MAX)), |said| {
        if said * plan.line >= looked_at + STEP_BYTES {
            looked_at = said * plan.line;
            most = most.max(target.memory().unwrap_or(0));
        }
        (SAID_BYTES / plan.line).saturating_sub(said)
    })?;
    let after = memory()?;
    drop(guests);
    Ok(Growth {
        most: most.max(after).saturating_sub(before),
        at_the_end: after.saturating_sub(before),
    })
}

//! Deadlines: which connection must be looked at next, and when.
//!
//! Each connection has at most one deadline here, the earliest of its own. It is exact: a deadline
//! that no longer holds is taken out at once, so that an idle server has nothing to wake up for.
//! What is due then is its [`Timer`].

use std::collections::BTreeSet;
use std::time::Instant;

use crate::key::ConnectionKey;

/// The present, as the loop saw it at the beginning of a turn. Deadlines go by `instant`; the wall
/// clock may jump and is only shown to people.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For all deadlines.
    pub instant: Instant,
    /// Seconds since 1970-01-01 00:00 UTC, for the times in the history.
    pub unix_seconds: u64,
}

/// What is due at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// It may say more: its budget, or that of its address, has some again.
    Pace,
    /// Its PROXY header, or its TLS handshake, has had its time.
    Prelude,
    /// It has not given a nickname in time.
    Nickname,
    /// It has had its time to close.
    Closing,
    /// It has taken nothing for too long.
    Stall,
    /// Something is due in its session: a handshake, a keepalive, a character that is not whole.
    Session,
}

/// A set of deadlines, ordered by time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    ordered: BTreeSet<(Instant, ConnectionKey)>,
}

impl Timers {
    /// Moves the deadline of `key` from what is in `armed` to `deadline`, and notes it there.
    pub(crate) fn arm(
        &mut self,
        key: ConnectionKey,
        armed: &mut Option<Instant>,
        deadline: Option<Instant>,
    ) {
        if *armed == deadline {
            return;
        }
        if let Some(old) = *armed {
            self.ordered.remove(&(old, key));
        }
        if let Some(new) = deadline {
            self.ordered.insert((new, key));
        }
        *armed = deadline;
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.ordered.first().map(|(deadline, _)| *deadline)
    }

    /// A connection whose deadline has come, if there is one. It stays armed: the caller deals with
    /// it and arms it anew.
    pub(crate) fn due(&self, now: Instant) -> Option<ConnectionKey> {
        self.ordered.first().filter(|(deadline, _)| *deadline <= now).map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moved_deadline_leaves_nothing_behind() {
        let start = Instant::now();
        let later = |s| Some(start + Duration::from_secs(s));
        let (mut timers, mut armed) = (Timers::default(), None);
        timers.arm(ConnectionKey::nth(7), &mut armed, later(10));
        timers.arm(ConnectionKey::nth(7), &mut armed, later(5));
        assert_eq!(timers.next(), later(5));
        assert_eq!(timers.due(start), None);
        assert_eq!(timers.due(start + Duration::from_secs(5)), Some(ConnectionKey::nth(7)));
        timers.arm(ConnectionKey::nth(7), &mut armed, None);
        assert_eq!((timers.next(), armed), (None, None));
    }
}

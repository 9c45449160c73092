//! Deadlines: what is to be done because time has passed, and when that will be.

use std::time::Instant;

use super::Hub;
use crate::event::CloseReason;
use crate::peer::{Gap, PeerKey, State, Wait};

impl Hub {
    /// A deadline of `key` has come.
    pub(super) fn expire(&mut self, key: PeerKey) {
        // What was said in time is heard first, if it may be.
        if self.has_budget_again(key) {
            return self.runnable.push_back(key);
        }
        let (now, limits) = (self.now.instant, self.limits);
        let peer = &mut self.peers[key];
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let (ended, stalled) = (is_due(peer.ends_at()), is_due(peer.stalls_at(&limits)));
        match &peer.state {
            State::AwaitingNick { .. } if ended => {
                self.close(key, CloseReason::NickTimeout(limits.nick_timeout), "");
            }
            State::Requesting { .. } if ended => self.close(key, CloseReason::RequestTimeout, ""),
            State::Closing { .. } if ended => self.drop_peer(key),
            _ if stalled => self.close(key, CloseReason::Stalled, ""),
            _ => self.go_on(key),
        }
    }

    /// Whether `key` had to wait for its pace, and from now on only waits for the room. What its
    /// pace would not have let it say in time comes too late.
    fn has_budget_again(&mut self, key: PeerKey) -> bool {
        let peer = &mut self.peers[key];
        let now = self.now.instant;
        let by = peer.ends_at().map_or(now, |end| end.min(now));
        let Some(waiting) = &mut peer.waiting else { return false };
        let again = matches!(waiting.why, Wait::Budget(ready) if ready <= by);
        if again {
            waiting.why = Wait::Room;
        }
        again
    }

    /// A time has come for which `key` had to wait.
    fn go_on(&mut self, key: PeerKey) {
        let now = self.now.instant;
        let peer = &mut self.peers[key];
        let Some(habits) = &mut peer.habits else { return };
        match habits.gap {
            Some(Gap::Sent(_)) => {
                habits.gap = peer.dialect.manners().gap.map(|gap| Gap::Until(now + gap));
            }
            Some(Gap::Until(until)) if until <= now => {
                habits.gap = Some(Gap::Over);
                self.peers.touch(key);
                self.enter_if_told(key);
            }
            _ => {}
        }
        let Some(habits) = &mut self.peers[key].habits else { return };
        let (rest_until, expires) = (habits.rest_until, habits.expires);
        if rest_until.is_some_and(|until| until <= now) {
            habits.rest_until = None;
            match &mut self.peers[key].waiting {
                Some(waiting) => (waiting.arrived, waiting.impatient) = (true, true),
                None => self.end_arrival(key, false),
            }
        }
        if expires.is_some_and(|expires| expires <= now) {
            self.close(key, CloseReason::TimedOut, "");
        }
        #[cfg(feature = "web")]
        self.ping(key);
    }

    /// A gap is over. Whoever has been told by the last frame that they come in does so now.
    fn enter_if_told(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        if peer.outbox.own_bytes() == 0
            && let State::Entering(name) = &peer.state
        {
            let name = name.clone();
            peer.habits_mut().gap = None;
            self.enter(key, &name);
            self.hear_if_read(key);
        }
    }

    /// Notes when `key` must be looked at next.
    pub(super) fn arm(&mut self, key: PeerKey) {
        let peer = &mut self.peers[key];
        let deadline = peer.deadline(&self.limits);
        self.timers.arm(key, &mut peer.armed, deadline);
    }
}

//! Deadlines: what is to be done because time has passed, and when that will be.

use std::time::Instant;

use super::Hub;
use crate::connection::{Gap, State, Wait};
use crate::event::CloseReason;
use crate::key::ConnectionKey;

impl Hub {
    /// A deadline of `key` has come.
    pub(super) fn expire(&mut self, key: ConnectionKey) {
        // What was said in time is heard first, if it may be.
        if self.has_budget_again(key) {
            return self.awaiting_turn.push_back(key);
        }
        let (now, limits) = (self.now.instant, self.limits);
        let connection = &mut self.connections[key];
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let (ended, stalled) =
            (is_due(connection.ends_at()), is_due(connection.stalls_at(&limits)));
        match &connection.state {
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
    fn has_budget_again(&mut self, key: ConnectionKey) -> bool {
        let connection = &mut self.connections[key];
        let now = self.now.instant;
        let by = connection.ends_at().map_or(now, |end| end.min(now));
        let Some(waiting) = &mut connection.waiting else { return false };
        let again = matches!(waiting.why, Wait::Budget(ready) if ready <= by);
        if again {
            waiting.why = Wait::Room;
        }
        again
    }

    /// A time has come for which `key` had to wait.
    fn go_on(&mut self, key: ConnectionKey) {
        let now = self.now.instant;
        let connection = &mut self.connections[key];
        let Some(session) = &mut connection.session else { return };
        match session.gap {
            Some(Gap::Sent(_)) => {
                session.gap = connection.dialect.spec().gap.map(|gap| Gap::Until(now + gap));
            }
            Some(Gap::Until(until)) if until <= now => {
                session.gap = Some(Gap::Over);
                self.connections.touch(key);
                self.enter_if_told(key);
            }
            _ => {}
        }
        let Some(session) = &mut self.connections[key].session else { return };
        let (rest_until, expires) = (session.rest_until, session.expires);
        if rest_until.is_some_and(|until| until <= now) {
            session.rest_until = None;
            match &mut self.connections[key].waiting {
                Some(waiting) => (waiting.read_drained, waiting.give_up) = (true, true),
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
    fn enter_if_told(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.outbox.own_bytes() == 0
            && let State::Entering(name) = &connection.state
        {
            let name = name.clone();
            connection.session_mut().gap = None;
            self.enter(key, &name);
            self.process_if_read(key);
        }
    }

    /// Notes when `key` must be looked at next.
    pub(super) fn arm(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        let deadline = connection.deadline(&self.limits);
        self.timers.arm(key, &mut connection.armed, deadline);
    }
}

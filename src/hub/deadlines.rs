//! Deadlines: what is to be done because time has passed, and when that will be.

use std::time::Instant;

use super::Hub;
use crate::connection::{State, Wait};
use crate::dialect::session::Due;
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
            State::Closing { .. } if ended => self.drop_peer(key),
            _ if stalled => self.close(key, CloseReason::Stalled, ""),
            State::Opening if !ended => {}
            _ => self.time_session(key),
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

    /// Does what is due in the session of `key`.
    fn time_session(&mut self, key: ConnectionKey) {
        let now = self.now.instant;
        loop {
            let connection = &mut self.connections[key];
            let is_listened_to = connection.waiting.is_none();
            match connection.session.handle_timeout(now, is_listened_to) {
                Some(Due::ArrivalEnded) => match &mut connection.waiting {
                    Some(waiting) => waiting.read_drained = true,
                    None => self.end_arrival(key),
                },
                Some(Due::GapOver) => {
                    self.connections.touch(key);
                    self.enter_if_told(key);
                }
                Some(Due::Received(received)) => self.do_received(key, received),
                None => return,
            }
        }
    }

    /// A gap is over. Whoever has been told by the last frame that they come in does so now.
    fn enter_if_told(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.outbox.own_bytes() == 0
            && let State::Entering(name) = &connection.state
        {
            let name = name.clone();
            connection.session.end_gaps();
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

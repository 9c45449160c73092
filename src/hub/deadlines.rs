//! Deadlines: what is to be done because time has passed, and when that will be. Each connection
//! has one deadline among the timers, its earliest, and knows which [`Timer`] that is.

use super::Hub;
use crate::connection::{Gap, State, Wait};
use crate::event::CloseReason;
use crate::key::ConnectionKey;
use crate::timers::Timer;

impl Hub {
    /// A deadline of `key` has come.
    pub(super) fn expire(&mut self, key: ConnectionKey) {
        match self.connections[key].timer {
            Timer::Pace => self.pace_is_over(key),
            Timer::Nickname => {
                self.close(key, CloseReason::NickTimeout(self.limits.nick_timeout), "");
            }
            Timer::Request => self.close(key, CloseReason::RequestTimeout, ""),
            Timer::Closing => self.drop_peer(key),
            Timer::Stall => self.close(key, CloseReason::Stalled, ""),
            Timer::Gap => self.gap_is_over(key),
            Timer::PartialChar => self.give_up_partial_char(key),
            Timer::Expiry => self.close(key, CloseReason::TimedOut, ""),
            #[cfg(feature = "web")]
            Timer::Ping => self.ping(key),
        }
    }

    /// `key` had to wait for its pace, and from now on only waits for its room.
    fn pace_is_over(&mut self, key: ConnectionKey) {
        if let Some(waiting) = &mut self.connections[key].waiting {
            waiting.why = Wait::Room;
            self.await_turn(key);
        }
    }

    /// The time after a frame that had to arrive alone has begun, or is over.
    fn gap_is_over(&mut self, key: ConnectionKey) {
        let now = self.now.instant;
        let connection = &mut self.connections[key];
        let Some(session) = &mut connection.session else { return };
        match session.gap {
            Some(Gap::Sent(_)) => {
                session.gap = connection.dialect.spec().gap.map(|gap| Gap::Until(now + gap));
            }
            Some(Gap::Until(_)) => {
                session.gap = Some(Gap::Over);
                self.connections.touch(key);
                self.enter_if_told(key);
            }
            Some(Gap::Over) | None => {}
        }
    }

    /// The rest of a character has not come: what there is ends the message.
    fn give_up_partial_char(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if let Some(session) = &mut connection.session {
            session.rest_until = None;
        }
        match &mut connection.waiting {
            Some(waiting) => (waiting.read_drained, waiting.give_up) = (true, true),
            None => self.end_arrival(key, false),
        }
    }

    /// A gap is over. Whoever has been told by the last frame that they come in does so now.
    fn enter_if_told(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.outbox.own_bytes() == 0
            && let State::Entering(user) = connection.state
        {
            connection.session_mut().gap = None;
            self.enter(key, user);
            self.process_if_read(key);
        }
    }

    /// Notes when `key` must be looked at next.
    pub(super) fn arm(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        let deadline = connection.deadline(&self.limits);
        if let Some((_, timer)) = deadline {
            connection.timer = timer;
        }
        self.timers.arm(key, &mut connection.armed, deadline.map(|(at, _)| at));
    }
}

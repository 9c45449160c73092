//! Deadlines: what is to be done because time has passed, and when that will be. Each connection
//! has one deadline among the timers, its earliest, and knows which [`Timer`] that is.

use super::Hub;
use super::connection::{State, Wait};
use crate::dialect::session::Due;
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
            Timer::Prelude => self.close(key, CloseReason::PreludeTimeout, ""),
            Timer::Session => self.time_session(key),
            Timer::Closing => self.drop_peer(key),
            Timer::Stall => self.close(key, CloseReason::Stalled, ""),
        }
    }

    /// `key` had to wait for its pace, and from now on only waits for its room.
    fn pace_is_over(&mut self, key: ConnectionKey) {
        if let Some(waiting) = &mut self.connections[key].waiting {
            waiting.why = Wait::Room;
            self.await_turn(key);
        }
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
                Some(Due::Received(received)) => self.do_received(key, &received),
                None => return,
            }
        }
    }

    /// A gap is over. Whoever has been told by the last frame that they come in does so now.
    fn enter_if_told(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.outbox.own_bytes() == 0
            && let State::Entering(user) = connection.state
        {
            connection.session.end_gaps();
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

//! Whether the other side is still there. It is asked now and then, since a connection can die
//! without a word: a router forgets it, or a cable is pulled.

use std::time::{Duration, Instant};

/// How often it is asked.
const PAUSE: Duration = Duration::from_secs(8);

/// It is gone if nothing has come for so long; with the pause that is less than 30 seconds.
const QUIET_MAX: Duration = Duration::from_secs(20);

/// What is known of one connection's other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    heard_at: Instant,
    asked_at: Instant,
    number: u64,
    /// How long the last answer has taken.
    pub(crate) lag: Option<Duration>,
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Pulse {
        // It is asked at once, so that the lag is known.
        Pulse {
            heard_at: now,
            asked_at: now.checked_sub(PAUSE).unwrap_or(now),
            number: 0,
            lag: None,
        }
    }

    /// Something has come.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The ping with this number is answered.
    pub(crate) fn answered(&mut self, number: u64, now: Instant) {
        if number == self.number {
            self.lag = Some(now.saturating_duration_since(self.asked_at));
        }
        self.heard(now);
    }

    /// We were stopped ourselves, and could not hear anything.
    #[cfg_attr(not(unix), allow(dead_code, reason = "no other system stops a program"))]
    pub(crate) fn resume(&mut self, now: Instant) {
        *self = Pulse { lag: self.lag, number: self.number, ..Pulse::new(now) };
    }

    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) >= QUIET_MAX
    }

    /// The number of the ping that is to be sent now, if one is.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.asked_at) < PAUSE {
            return None;
        }
        self.asked_at = now;
        self.number += 1;
        Some(self.number)
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Instant {
        (self.asked_at + PAUSE).min(self.heard_at + QUIET_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_link_is_noticed_within_30_seconds_and_a_live_one_is_left_alone() {
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let mut pulse = Pulse::new(start);
        for n in 0..100 {
            if let Some(number) = pulse.poll(second(n)) {
                pulse.answered(number, second(n) + Duration::from_millis(30));
            }
            assert!(!pulse.is_dead(second(n)), "{n}");
        }
        assert_eq!(pulse.lag, Some(Duration::from_millis(30)));
        let noticed = (100..).find(|n| pulse.is_dead(second(*n))).unwrap();
        assert!(noticed <= 127, "{noticed}");
        pulse.resume(second(1000));
        assert!(!pulse.is_dead(second(1001)));
        assert!(pulse.poll(second(1001)).is_some());
        assert!(pulse.deadline() > second(1001));
    }

    #[test]
    fn an_old_answer_tells_nothing_of_the_lag() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let first = pulse.poll(start).unwrap();
        let later = start + Duration::from_secs(9);
        assert!(pulse.poll(later).is_some());
        pulse.answered(first, later);
        assert_eq!(pulse.lag, None);
    }
}

//! The hold: for how long talkers wait because a reader is slow. It is a budget of the room: any
//! number of slow readers together hold it no longer than one does.

use std::time::{Duration, Instant};

/// How long talkers wait for readers in each period, all waits together.
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(1);

/// From the beginning of one period to the earliest beginning of the next. A period can only hold
/// in its first `HOLD_MAX`, so no 5 seconds see more of it, wherever they begin.
const HOLD_PERIOD: Duration = Duration::from_secs(5);

/// Whether talkers wait, and whether they may be made to.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// The beginning of the last period.
    began: Option<Instant>,
    until: Option<Instant>,
}

impl Hold {
    /// Holds until `wanted`, or as much of that as the budget allows; holds no more if `None`.
    pub(crate) fn set(&mut self, wanted: Option<Instant>, now: Instant) {
        self.until = wanted.filter(|wanted| *wanted > now).and_then(|wanted| {
            let began = self.began.filter(|began| now < *began + HOLD_PERIOD).unwrap_or(now);
            self.began = Some(began);
            Some(wanted.min(began + HOLD_MAX)).filter(|until| *until > now)
        });
    }

    /// Until when talkers wait.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether they wait now.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_five_seconds_have_more_than_one_of_holding() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut hold = Hold::default();
        // A reader is always a reason, with pauses of a length that fits into nothing.
        let mut held = Vec::new();
        for ms in 0..30_000 {
            let wanted = (ms % 700 < 650).then(|| at(ms) + HOLD_MAX);
            hold.set(wanted, at(ms));
            held.push(hold.is_on(at(ms)));
        }
        for five_seconds in held.windows(5000) {
            assert!(five_seconds.iter().filter(|held| **held).count() <= 1000);
        }
        assert!(held.iter().filter(|held| **held).count() > 5000, "and it does hold");
    }

    #[test]
    fn a_hold_ends_when_nobody_is_a_reason_any_more() {
        let (start, mut hold) = (Instant::now(), Hold::default());
        hold.set(Some(start + HOLD_MAX / 2), start);
        assert_eq!(hold.until(), Some(start + HOLD_MAX / 2));
        hold.set(None, start);
        assert!(!hold.is_on(start));
    }
}

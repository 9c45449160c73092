//! The load: a crowd of clients that drives one server, all in one thread and one mio poll loop.
//!
//! A [`Crowd`] is some talkers and some listeners in one room. [`Crowd::talk`] has the talkers say
//! lines, at a [`Pace`], and returns when everybody has every one of them. What differs from server
//! to server is in a [`speech::Speech`].
//!
//! - **Who gets a line**: everybody but the speaker. Talkers get each other's, so that a line costs
//!   `listeners + talkers - 1` deliveries ([`Crowd::deliveries_per_line`]).
//! - **Lines ahead**: the talkers together have at most so many lines under way that the *slowest*
//!   listener has not got, dealt to them in turn.
//! - **All is checked**: every line is compared, for everyone who gets it (see `room.rs`), and one
//!   too few or too many is an error.
//! - **Nothing waits for ever**: silence of 20 s while something is owed is an error that says who
//!   has had how much.

#![allow(dead_code, reason = "benches and the load example use their own parts of it")]

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll};

use member::Member;
use room::Room;
use speech::NUMBERS;

pub(crate) mod certificate;
pub(crate) mod gathering;
mod member;
pub(crate) mod process;
mod room;
pub(crate) mod speech;
pub(crate) mod spread;
mod wire;

pub(crate) use wire::Destination;

/// How long nothing at all may arrive while something is owed.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// More than a socket's receive buffer usually holds, so that one read empties it.
const READ_BYTES: usize = 256 * 1024;

/// Lines that one talker may have under way: what it then says is told from what it said before.
pub(crate) const AHEAD_MAX: u64 = NUMBERS as u64 / 4;

/// More descriptors than this no room needs; the system may allow fewer.
const DESCRIPTORS_MAX: u64 = 1 << 20;

/// Descriptors that are open whatever a crowd does.
const DESCRIPTORS_SPARE: usize = 100;

/// Raises the limit of open descriptors as far as the system lets us; returns it.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    rlimit::increase_nofile_limit(DESCRIPTORS_MAX)
}

/// Whether so many members can be connected at once, of whatever crowds.
pub(crate) fn fit(members: usize) -> io::Result<bool> {
    Ok((members + DESCRIPTORS_SPARE) as u64 <= raise_descriptors()?)
}

/// How the talkers talk, all together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as they can with so many lines under way.
    Ahead(u64),
    /// So many lines a second. A line that is late still counts from when it was due.
    PerSecond(f64),
}

/// All clients of one server: the first `talkers` of `members` talk, the others listen.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    members: Vec<Member>,
    room: Room,
    talkers: usize,
    /// Lines dealt.
    said: u64,
    /// Whose turn it is to be dealt lines.
    next_talker: usize,
    /// A listener that has had the fewest lines, and how many: `members[slowest].lines` may be more
    /// by now, no other listener's is less than `slowest_lines`.
    slowest: usize,
    slowest_lines: u64,
    /// Reads that brought something: lines delivered for each of them tell how much was gathered.
    reads: u64,
}

impl Crowd {
    /// How many members get a line.
    pub(crate) fn deliveries_per_line(&self) -> u64 {
        let listeners = self.members.len() - self.talkers;
        let others = if self.room.speech.talkers_listen { self.talkers - 1 } else { 0 };
        (listeners + others) as u64
    }

    /// Reads that brought something since the crowd was complete.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// How long lines were under way, in nanoseconds, for each listener and line since this was
    /// last asked.
    pub(crate) fn take_latency(&mut self) -> Histogram<u64> {
        std::mem::replace(&mut self.room.latency, room::no_latencies())
    }

    /// Has `lines` lines said, never more than `ahead` of them under way, and waits until everybody
    /// has them all.
    pub(crate) fn deliver(&mut self, lines: u64, ahead: u64) -> io::Result<()> {
        self.talk(Pace::Ahead(ahead), |said| lines - said).map(|_| ())
    }

    /// Has lines said until `more`, told how many have been, says that there shall be no more, and
    /// waits until everybody has them all. Returns how many lines that was.
    pub(crate) fn talk(&mut self, pace: Pace, mut more: impl FnMut(u64) -> u64) -> io::Result<u64> {
        let (begin, begun) = (self.said, Instant::now());
        let mut heard_at = begun;
        loop {
            let said = self.said - begin;
            let left = more(said);
            let wait = match pace {
                Pace::Ahead(ahead) => self.deal_ahead(left, ahead),
                Pace::PerSecond(rate) => self.deal_due(left, begin, begun, rate),
            };
            for talker in &mut self.members[..self.talkers] {
                talker.flush()?;
            }
            if left == 0 && self.slowest_lines == self.said && self.nothing_is_owed()? {
                return Ok(said);
            }
            if self.turn(wait.min(SILENCE_MAX))? {
                heard_at = Instant::now();
                self.find_slowest();
                self.room.log.forget(self.slowest_lines);
            } else if self.slowest_lines < self.said && heard_at.elapsed() >= SILENCE_MAX {
                return Err(self.silence());
            }
        }
    }

    /// Deals what the window has room for; returns how long there is nothing more to deal.
    fn deal_ahead(&mut self, left: u64, ahead: u64) -> Duration {
        // What a talker is dealt at once: little enough that all have something to say.
        let share = ahead.div_ceil(8 * self.talkers as u64);
        let mut room = (self.slowest_lines + ahead).saturating_sub(self.said);
        let mut left = left;
        let now = Instant::now();
        while left.min(share) > 0 && room >= left.min(share) {
            let lines = left.min(share);
            self.deal(lines, now);
            (left, room) = (left - lines, room - lines);
        }
        SILENCE_MAX
    }

    /// Deals what is due of `rate` lines a second since `begun`, when `begin` lines had been said;
    /// returns how long it is until the next one is.
    fn deal_due(&mut self, left: u64, begin: u64, begun: Instant, rate: f64) -> Duration {
        for _ in 0..left {
            let due = begun + Duration::from_secs_f64((self.said - begin) as f64 / rate);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                // The system counts milliseconds, and rounds up: the last one is spent awake.
                return Duration::from_millis(wait.as_millis() as u64);
            }
            if self.said - self.slowest_lines >= AHEAD_MAX * self.talkers as u64 {
                break;
            }
            self.deal(1, due);
        }
        SILENCE_MAX
    }

    fn deal(&mut self, lines: u64, now: Instant) {
        self.members[self.next_talker].deal(lines, &mut self.room, now);
        self.said += lines;
        self.next_talker = (self.next_talker + 1) % self.talkers;
    }

    /// Lines that a member must have got by now: everybody's but its own.
    fn due(&self, key: usize) -> u64 {
        if key < self.talkers && !self.room.speech.talkers_listen {
            return 0;
        }
        self.said - self.members[key].said
    }

    /// True if everybody has all that is due; an error if somebody has more.
    fn nothing_is_owed(&self) -> io::Result<bool> {
        let mut all = true;
        for (key, member) in self.members.iter().enumerate() {
            let (due, lines) = (self.due(key), member.lines);
            if lines > due {
                let name = &member.name;
                let problem = format!("{name} got {lines} lines, but only {due} were said");
                return Err(io::Error::other(problem));
            }
            all &= lines == due;
        }
        Ok(all)
    }

    /// Moves on from a listener that is the slowest no more. The search goes round, so that a
    /// line to N listeners costs about N steps in all and not N for each turn.
    fn find_slowest(&mut self) {
        if self.members[self.slowest].lines == self.slowest_lines {
            return;
        }
        let listeners = self.members.len() - self.talkers;
        let mut least = u64::MAX;
        let begin = self.slowest - self.talkers;
        for step in 0..listeners {
            let key = self.talkers + (begin + step) % listeners;
            let lines = self.members[key].lines;
            if lines < least {
                (self.slowest, least) = (key, lines);
                if least == self.slowest_lines {
                    return;
                }
            }
        }
        self.slowest_lines = least;
    }

    /// Waits for readiness, no longer than `wait`, and reads what there is. False if there was
    /// nothing.
    fn turn(&mut self, wait: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            outcome => outcome?,
        }
        for event in &self.events {
            let member = &mut self.members[event.token().0];
            let moved = if event.is_readable() {
                member.read(&mut self.scratch, &mut self.room).map(|bytes| {
                    self.reads += u64::from(bytes > 0);
                })
            } else {
                Ok(())
            };
            let moved = moved.and_then(|()| member.flush());
            moved.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", member.name))
            })?;
        }
        // On Windows a poll may also end early, for nothing.
        Ok(!self.events.is_empty() || begun.elapsed() < wait)
    }

    fn silence(&self) -> io::Error {
        let owed = |key: usize| self.due(key).saturating_sub(self.members[key].lines);
        let keys = || 0..self.members.len();
        let waiting = keys().filter(|key| owed(*key) > 0).count();
        let worst = keys().max_by_key(|key| owed(*key)).unwrap_or(0);
        let (name, lines) = (&self.members[worst].name, self.members[worst].lines);
        let unsent: usize = self.members.iter().map(|member| member.unsent).sum();
        io::Error::other(format!(
            "nothing has arrived for {} s, and {waiting} of {} members wait for lines ({unsent} \
             bytes are still to be sent); {name} has {lines} of {}",
            SILENCE_MAX.as_secs(),
            self.members.len(),
            self.due(worst),
        ))
    }
}

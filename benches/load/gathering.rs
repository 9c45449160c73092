//! How a crowd comes together: all of them enter, and then each talker says a few lines, so that
//! whatever the server had to tell about who came is behind everybody.

use std::io;

use mio::{Events, Poll, Token};

use super::member::Member;
use super::room::Room;
use super::speech::{self, Speech};
use super::{Crowd, Destination, READ_BYTES, SILENCE_MAX};

/// So many connect at once. More than a listener's backlog would have to try again a second later,
/// and notices of who came would pile up in the sockets.
pub(crate) const CONNECTING_MAX: usize = 1000;

/// Lines that each talker says before anything is measured.
const REHEARSED_LINES: u64 = 3;

impl Crowd {
    /// Brings `talkers` and `listeners` (at least one of each) into the room at `destination`,
    /// which is an address or [`Destination::over_tls`].
    ///
    /// # Errors
    /// What the system says, or in what the server is not as it should be.
    pub(crate) fn join(
        destination: impl Into<Destination>,
        speech: &'static Speech,
        talkers: usize,
        listeners: usize,
        line_bytes: usize,
    ) -> io::Result<Self> {
        Self::join_each(&[destination.into()], speech, talkers, listeners, line_bytes)
    }

    /// The same for a room that several servers share: the members come to each of them in turn.
    ///
    /// # Errors
    /// As [`Crowd::join`].
    pub(crate) fn join_each(
        destinations: &[Destination],
        speech: &'static Speech,
        talkers: usize,
        listeners: usize,
        line_bytes: usize,
    ) -> io::Result<Self> {
        let mut crowd = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            scratch: vec![0; READ_BYTES],
            members: Vec::with_capacity(talkers + listeners),
            room: Room::new(speech, talkers, line_bytes),
            talkers,
            said: 0,
            next_talker: 0,
            slowest: talkers,
            slowest_lines: 0,
            reads: 0,
        };
        for (key, destination) in (0..talkers + listeners).zip(destinations.iter().cycle()) {
            crowd.connect(key, destination)?;
            if key % CONNECTING_MAX == CONNECTING_MAX - 1 {
                crowd.wait_until_in()?;
            }
        }
        crowd.wait_until_in()?;
        crowd.deliver(REHEARSED_LINES * talkers as u64, talkers as u64)?;
        crowd.room.latency.reset();
        crowd.reads = 0;
        Ok(crowd)
    }

    fn connect(&mut self, key: usize, destination: &Destination) -> io::Result<()> {
        let mut wire = destination.connect()?;
        wire.register(self.poll.registry(), Token(key))?;
        let talks = key < self.talkers;
        self.members.push(Member::new(wire, key, speech::name(key), talks, &self.room));
        self.members[key].enter(&self.room)
    }

    fn wait_until_in(&mut self) -> io::Result<()> {
        // Those before the last few who connect are in already.
        let first = self.members.len().saturating_sub(CONNECTING_MAX);
        for key in first..self.members.len() {
            while !self.members[key].is_in() {
                if !self.turn(SILENCE_MAX)? {
                    let (name, heard) = (&self.members[key].name, self.members[key].heard());
                    let (seconds, heard) = (SILENCE_MAX.as_secs(), String::from_utf8_lossy(heard));
                    return Err(io::Error::other(format!(
                        "{name} was not let in for {seconds} s, and has heard {heard:?}"
                    )));
                }
            }
        }
        Ok(())
    }
}

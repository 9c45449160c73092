//! The load: a crowd of clients that drives one server, all in one thread and one mio poll loop.
//!
//! A [`Crowd`] is some talkers and some receivers in one room. [`Crowd::deliver`] has the talkers
//! say a number of lines and returns when everybody has every byte of them. It speaks to chinwag
//! and to the bare floor with the same code; what differs is in [`Speech`].
//!
//! - **A line** is 64 bytes ([`LINE_BYTES`]) as it is delivered, LF and the speaker's name
//!   included: `tabcdef: ` + text + LF. To chinwag a talker sends the text alone (54 bytes and LF),
//!   to the floor the whole 64, so that both deliver the same bytes.
//! - **Who hears it**: everybody but the speaker. Talkers hear each other, so that a line costs
//!   `receivers + talkers - 1` deliveries ([`Crowd::deliveries_per_line`]).
//! - **Lines ahead**: the talkers together have at most `ahead` lines under way that the *slowest*
//!   receiver has not got, dealt to them in turn. The bound is on all together, since to know
//!   whose lines have come every line would have to be read, and to count bytes is what keeps the
//!   crowd cheap.
//! - **Every byte is accounted for**: all lines have one length, so that counting bytes counts
//!   lines, and one byte too few or too many at the end is an error. What they say is compared
//!   byte for byte when the crowd comes together.
//! - **Nothing waits for ever**: silence of 20 s while something is owed is an error that says who
//!   has had how much.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

pub(crate) mod process;

/// The length of a delivered line, name and LF included.
pub(crate) const LINE_BYTES: usize = 64;

/// How long nothing at all may arrive while something is owed.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// More than a socket's receive buffer usually holds, so that one read empties it.
const READ_BYTES: usize = 256 * 1024;

/// Lines that a talker can say with one write.
const SCRIPT_LINES: usize = 256;

/// Lines that each talker says, and everybody compares, before anything is measured.
const REHEARSED_LINES: usize = 3;

/// What a server wants to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speech {
    /// Asks for a nickname, and puts it before each line.
    Chinwag,
    /// Greets, and passes on what comes as it is.
    Floor,
}

/// One client. Talkers and receivers differ only in whether lines are dealt to them.
struct Member {
    stream: TcpStream,
    name: String,
    /// Bytes of lines that have come since the crowd was complete.
    received: u64,
    /// What came while the crowd was coming together; later only counted.
    heard: Vec<u8>,
    /// Lines as they are sent, to be said over and over; empty for a receiver.
    script: Vec<u8>,
    /// Lines that it was dealt.
    said: u64,
    /// Bytes of its script, over and over, that the kernel has not taken yet.
    unsent: usize,
    /// Where in its script it goes on.
    cursor: usize,
}

/// All clients of one server: the first `talkers` of `members` talk, the others listen.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    members: Vec<Member>,
    talkers: usize,
    /// The length of a line as it is sent to the server, LF included.
    sent_bytes: usize,
    /// Lines dealt since the crowd was complete.
    said: u64,
    /// Whose turn it is to be dealt lines.
    next_talker: usize,
    /// A receiver that has had the fewest bytes, and how many: `members[slowest].received` may be
    /// more by now, no other receiver's is less than `slowest_received`.
    slowest: usize,
    slowest_received: u64,
    /// The crowd is coming together: what arrives is kept in `heard`.
    listens: bool,
    /// Reads that brought something: bytes delivered for each of them tell how much was gathered.
    reads: u64,
}

impl Crowd {
    /// Brings `talkers` and `receivers` (at least one of each) into the room at `address`, waits
    /// until all of them know of all the others, and rehearses: everybody must get, once and in the
    /// same order, exactly the bytes that the talkers say.
    pub(crate) fn join(
        address: SocketAddr,
        speech: Speech,
        talkers: usize,
        receivers: usize,
    ) -> io::Result<Self> {
        let mut crowd = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            scratch: vec![0; READ_BYTES],
            members: Vec::with_capacity(talkers + receivers),
            talkers,
            sent_bytes: sent(&line(&name(0), ""), speech).len(),
            said: 0,
            next_talker: 0,
            slowest: talkers,
            slowest_received: 0,
            listens: true,
            reads: 0,
        };
        for key in 0..talkers + receivers {
            crowd.enter(address, speech)?;
            if key % 64 == 63 {
                // Until this one is greeted: more than a listener's backlog at once would have to
                // knock again a second later, and the notices would pile up in the sockets.
                crowd.wait_for(key, |heard| !heard.is_empty())?;
            }
        }
        crowd.settle(speech)?;
        crowd.rehearse(speech)?;
        crowd.listens = false;
        for member in &mut crowd.members {
            member.heard = Vec::new();
            member.received = 0;
        }
        crowd.reads = 0;
        Ok(crowd)
    }

    /// How many members hear a line.
    pub(crate) fn deliveries_per_line(&self) -> u64 {
        self.members.len() as u64 - 1
    }

    /// Reads that brought something since the crowd was complete.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Has `lines` lines said, never more than `ahead` of them under way, and waits until everybody
    /// has them all.
    pub(crate) fn deliver(&mut self, lines: u64, ahead: u64) -> io::Result<()> {
        // What a talker is dealt at once: little enough that all have something to say.
        let share = ahead.div_ceil(8 * self.talkers as u64);
        let goal = self.said + lines;
        loop {
            let got = self.slowest_received / LINE_BYTES as u64;
            let allowed = goal.min(got + ahead);
            while self.said < allowed && (self.said + share <= allowed || allowed == goal) {
                self.deal(share.min(allowed - self.said));
            }
            for key in 0..self.talkers {
                self.members[key].flush()?;
            }
            if got >= goal && self.nothing_is_owed()? {
                return Ok(());
            }
            self.turn()?;
            self.find_slowest();
        }
    }

    fn deal(&mut self, lines: u64) {
        let member = &mut self.members[self.next_talker];
        member.said += lines;
        member.unsent += lines as usize * self.sent_bytes;
        self.said += lines;
        self.next_talker = (self.next_talker + 1) % self.talkers;
    }

    /// Bytes that a member must have got by now: everybody's lines but its own.
    fn due(&self, member: &Member) -> u64 {
        (self.said - member.said) * LINE_BYTES as u64
    }

    /// True if everybody has all that is due; an error if somebody has more.
    fn nothing_is_owed(&self) -> io::Result<bool> {
        let mut all = true;
        for member in &self.members {
            let (due, received) = (self.due(member), member.received);
            if received > due {
                let name = &member.name;
                let problem = format!("{name} got {received} bytes, but only {due} were said");
                return Err(io::Error::other(problem));
            }
            all &= received == due;
        }
        Ok(all)
    }

    /// Moves on from a receiver that is the slowest no more. The search goes round, so that a
    /// line to N receivers costs about N steps in all and not N for each turn.
    fn find_slowest(&mut self) {
        if self.members[self.slowest].received == self.slowest_received {
            return;
        }
        let receivers = self.members.len() - self.talkers;
        let mut least = u64::MAX;
        let begin = self.slowest - self.talkers;
        for step in 0..receivers {
            let key = self.talkers + (begin + step) % receivers;
            let received = self.members[key].received;
            if received < least {
                (self.slowest, least) = (key, received);
                if least == self.slowest_received {
                    return;
                }
            }
        }
        self.slowest_received = least;
    }

    /// Waits for readiness and reads what there is. An error if nothing happens for too long.
    fn turn(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        if self.events.is_empty() {
            return Err(self.silence());
        }
        for event in &self.events {
            let member = &mut self.members[event.token().0];
            if event.is_readable() {
                let heard = self.listens.then_some(&mut member.heard);
                let before = member.received;
                member.received +=
                    read(&mut member.stream, &mut self.scratch, heard).map_err(|error| {
                        io::Error::new(error.kind(), format!("{}: {error}", member.name))
                    })?;
                self.reads += u64::from(member.received > before);
            }
            if event.is_writable() {
                member.flush()?;
            }
        }
        Ok(())
    }

    fn silence(&self) -> io::Error {
        let seconds = SILENCE_MAX.as_secs();
        let owed = |member: &Member| self.due(member).saturating_sub(member.received);
        let waiting = self.members.iter().filter(|member| owed(member) > 0).count();
        let worst = self.members.iter().max_by_key(|member| owed(member));
        let worst = worst.map_or(String::new(), |member| {
            let (name, received, due) = (&member.name, member.received, self.due(member));
            format!("; {name} has {received} of {due} bytes")
        });
        let unsent: usize = self.members.iter().map(|member| member.unsent).sum();
        io::Error::other(format!(
            "nothing has arrived for {seconds} s, and {waiting} of {} members wait for lines \
             ({unsent} bytes are still to be sent){worst}",
            self.members.len()
        ))
    }
}

/// Coming together.
impl Crowd {
    fn enter(&mut self, address: SocketAddr, speech: Speech) -> io::Result<()> {
        let key = self.members.len();
        let name = name(key);
        let mut stream = net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        if speech == Speech::Chinwag {
            stream.write_all(format!("{name}\n").as_bytes())?;
        }
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        // WRITABLE is edge-triggered and stays silent unless a write was short.
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(key), interest)?;
        let lines = if key < self.talkers { SCRIPT_LINES } else { 0 };
        let script = sent(&line(&name, "all that one says the others hear"), speech).repeat(lines);
        let (heard, cursor) = (Vec::new(), 0);
        self.members.push(Member {
            stream,
            name,
            received: 0,
            heard,
            script,
            said: 0,
            unsent: 0,
            cursor,
        });
        Ok(())
    }

    /// Waits until everybody is in, and has heard that everybody else is: whatever the server has
    /// to tell about that comes before a line that is said later.
    fn settle(&mut self, speech: Speech) -> io::Result<()> {
        for key in 0..self.members.len() {
            self.wait_for(key, |heard| contains(heard, b"* You are "))?;
        }
        // Two lines, for nobody hears their own.
        for speaker in [0, 1] {
            let line = line(&self.members[speaker].name, "is everybody here?");
            self.members[speaker].say(&sent(&line, speech))?;
            for key in (0..self.members.len()).filter(|&key| key != speaker) {
                self.wait_for(key, |heard| heard.ends_with(&line))?;
            }
        }
        Ok(())
    }

    /// Each talker says some lines, no two alike, and everybody compares.
    fn rehearse(&mut self, speech: Speech) -> io::Result<()> {
        for member in &mut self.members {
            member.heard.clear();
        }
        let mut all = Vec::new();
        for number in 0..REHEARSED_LINES {
            for member in &mut self.members[..self.talkers] {
                let line = line(&member.name, &format!("this is my line number {number}"));
                member.say(&sent(&line, speech))?;
                all.push(line);
            }
        }
        all.sort();
        for key in 0..self.members.len() {
            let name = self.members[key].name.clone();
            let foreign = all.iter().filter(|line| !line.starts_with(name.as_bytes()));
            let due: Vec<Vec<u8>> = foreign.cloned().collect();
            self.wait_for(key, |heard| heard.len() >= due.len() * LINE_BYTES)?;
            let heard = &self.members[key].heard;
            let mut lines: Vec<_> = heard.split_inclusive(|&byte| byte == b'\n').collect();
            lines.sort_unstable();
            if lines != due {
                let (name, heard) = (&self.members[key].name, String::from_utf8_lossy(heard));
                return Err(io::Error::other(format!(
                    "{name} did not hear what was said: {heard}"
                )));
            }
        }
        let mut receivers = self.members[self.talkers..].windows(2);
        if receivers.any(|two| two[0].heard != two[1].heard) {
            return Err(io::Error::other("two receivers saw the same lines in different orders"));
        }
        Ok(())
    }

    fn wait_for(&mut self, key: usize, enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        while !enough(&self.members[key].heard) {
            self.turn().map_err(|error| {
                let Member { name, heard, .. } = &self.members[key];
                let last = &heard[heard.len().saturating_sub(4 * LINE_BYTES)..];
                let last = String::from_utf8_lossy(last);
                io::Error::other(format!("{error}\n  {name} waits, and heard last: {last:?}"))
            })?;
        }
        Ok(())
    }
}

impl Member {
    /// Hands as much of what it was dealt to the kernel as that takes now.
    fn flush(&mut self) -> io::Result<()> {
        while self.unsent > 0 {
            let piece = self.unsent.min(self.script.len() - self.cursor);
            match self.stream.write(&self.script[self.cursor..self.cursor + piece]) {
                Ok(count) => {
                    self.unsent -= count;
                    self.cursor = (self.cursor + count) % self.script.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says one line outside the script. One line always fits: nothing else is under way.
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        self.stream.write_all(line)
    }
}

/// Reads all that a socket has, and returns how much that was. An error if the server has closed.
fn read(
    stream: &mut TcpStream,
    scratch: &mut [u8],
    mut heard: Option<&mut Vec<u8>>,
) -> io::Result<u64> {
    let mut total = 0;
    loop {
        match stream.read(scratch) {
            Ok(0) => return Err(io::Error::other("the server closed this connection")),
            Ok(count) => {
                total += count as u64;
                if let Some(heard) = &mut heard {
                    heard.extend_from_slice(&scratch[..count]);
                }
                // A short read has emptied the socket, and what comes next is a new event. Windows
                // has to be asked until it would block, or it does not tell of what comes next.
                if count < scratch.len() && !cfg!(windows) {
                    return Ok(total);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A name of seven letters, the same length for all, so that all lines are equally long. The
/// letters are such that no two names look alike to a server that minds (no l, 1, I, 0, O, m, rn).
fn name(key: usize) -> String {
    let digit = |place: u32| b"abcdefgh"[key / 8_usize.pow(place) % 8];
    let digits = (0..6).rev().map(digit).map(char::from);
    std::iter::once('t').chain(digits).collect()
}

/// A line as it is delivered: `name: text`, filled up to its length.
fn line(name: &str, text: &str) -> Vec<u8> {
    let mut line = format!("{name}: {text} ").into_bytes();
    line.resize(LINE_BYTES - 1, b'.');
    line.push(b'\n');
    line
}

/// What its speaker has to send, that `line` may be delivered.
fn sent(line: &[u8], speech: Speech) -> Vec<u8> {
    match speech {
        Speech::Floor => line.to_vec(),
        Speech::Chinwag => line.iter().copied().skip_while(|&byte| byte != b' ').skip(1).collect(),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

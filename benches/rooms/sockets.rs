//! The same over loopback TCP: what a delivered line costs the server's process, system calls and
//! all. Browsers that are sockets and little else: they read all that comes and count the lines.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use mio::net::TcpStream as Readable;
use mio::{Events, Interest, Poll, Token};

use super::Case;
use super::hub::speech::{self, Frame};
use super::process::{Listening, Server};

/// How long the crowd waits for the next bytes before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everybody of a case, and the server to which they talk.
pub(crate) struct Crowd {
    case: &'static Case,
    server: Server,
    poll: Poll,
    members: Vec<Member>,
    /// Lines that have been said.
    said: usize,
}

struct Member {
    stream: Readable,
    /// The beginning of a frame that is not whole yet.
    partial: Vec<u8>,
}

impl Crowd {
    /// Everybody comes in, goes to their rooms, and leaves the lobby if they have others.
    pub(crate) fn join(case: &'static Case) -> io::Result<Crowd> {
        rlimit::increase_nofile_limit(16 * 1024)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
        command.args(["--listen", "web=127.0.0.1:0", "--flood", "0", "--max-clients", "4000"]);
        let server = Server::start(&mut command, Listening::Says("listening: "))?;
        let (poll, mut members) = (Poll::new()?, Vec::new());
        for number in 0..case.members {
            let (stream, partial) = enter(server.address(), case, number)?;
            let mut stream = Readable::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            members.push(Member { stream, partial });
        }
        let mut crowd = Crowd { case, server, poll, members, said: 0 };
        // Until all have been told of all the others.
        while crowd.read(Duration::from_millis(500))?.is_some() {}
        Ok(crowd)
    }

    /// Nanoseconds of the server's CPU that a delivery takes: each talker says its lines at once,
    /// and the next when everybody has got them, until `deliveries` are made.
    pub(crate) fn cost(&mut self, deliveries: usize) -> io::Result<f64> {
        let rounds = deliveries.div_ceil(self.case.lines * self.case.room_size());
        let before = self.server.pid().cpu_at_rest();
        for _ in 0..rounds {
            self.say_lines()?;
            let mut missing = self.case.lines * self.case.room_size();
            while missing > 0 {
                let lines = self.read(PATIENCE)?.ok_or(io::ErrorKind::TimedOut)?;
                missing = missing.checked_sub(lines).ok_or(io::ErrorKind::InvalidData)?;
            }
        }
        let costs = before.zip(self.server.pid().cpu_at_rest()).map(|(from, to)| to - from);
        let made = rounds * self.case.lines * self.case.room_size();
        costs.map(|costs| costs.as_nanos() as f64 / made as f64).ok_or(io::ErrorKind::Other.into())
    }

    fn say_lines(&mut self) -> io::Result<()> {
        let mut all: Vec<Vec<u8>> = vec![Vec::new(); self.members.len()];
        for _ in 0..self.case.lines {
            let (talker, line) = self.case.line(self.said);
            all[talker].extend_from_slice(&speech::masked(&line));
            self.said += 1;
        }
        for (member, bytes) in self.members.iter_mut().zip(all) {
            member.stream.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Reads what has come, and returns how many lines that were; `None` if nothing comes in time.
    fn read(&mut self, patience: Duration) -> io::Result<Option<usize>> {
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, Some(patience))?;
        let mut lines = None;
        for event in &events {
            lines = Some(lines.unwrap_or(0) + self.members[event.token().0].read()?);
        }
        Ok(lines)
    }
}

impl Member {
    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 64 * 1024];
        let mut lines = 0;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => lines += self.count(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(lines),
                Err(error) => return Err(error),
            }
        }
    }

    /// How many lines end in `bytes`.
    fn count(&mut self, bytes: &[u8]) -> usize {
        self.partial.extend_from_slice(bytes);
        let (mut at, mut lines) = (0, 0);
        loop {
            at += match (speech::BROWSER.frame)(&self.partial[at..]) {
                Frame::Part => break,
                Frame::Line { bytes, .. } => {
                    lines += 1;
                    bytes
                }
                Frame::Other { bytes } | Frame::Question { bytes, .. } => bytes,
                Frame::Refusal { .. } => panic!("refused: {:?}", self.partial.get(at..)),
            };
        }
        self.partial.drain(..at);
        lines
    }
}

/// Comes in as one member of a case, and waits until it is where it wants to be. Returns what it
/// was told, too, for that may end within a frame.
fn enter(address: SocketAddr, case: &Case, number: usize) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut all = speech::HANDSHAKE.as_bytes().to_vec();
    let wishes = case.wishes(number);
    all.extend(wishes.iter().flat_map(|wish| speech::masked(wish)));
    // The answer to this is the last that comes.
    all.extend(speech::masked(r#"{"type":"say","text":"/ignore"}"#));
    stream.write_all(&all)?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    while !speech::contains(&heard, br#"{"type":"ignoring""#) {
        let bytes = stream.read(&mut buffer)?;
        heard.extend_from_slice(&buffer[..bytes]);
        if bytes == 0 || speech::contains(&heard, br#"{"type":"refused""#) {
            return Err(io::Error::other(String::from_utf8_lossy(&heard).into_owned()));
        }
    }
    stream.set_nonblocking(true)?;
    Ok((stream, heard))
}

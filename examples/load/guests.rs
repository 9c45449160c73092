//! Guests: members who do nothing but be there. They come as fast as they are let in, and it is
//! known when each is welcomed; what is said in the room they read and forget, or do not read.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::load::gathering::CONNECTING_MAX;
use crate::load::speech::{self, Entry, Newcomer, Speech, contains};

/// Keys below this are for those who talk meanwhile.
const FIRST_KEY: usize = 1000;

/// How long nothing at all may happen.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Of what has come, so much is kept to find a notice that came in two pieces.
const TAIL_BYTES: usize = 64;

pub(crate) struct Guests {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    speech: &'static Speech,
    guests: Vec<Guest>,
    welcomed: usize,
}

struct Guest {
    stream: TcpStream,
    name: String,
    step: usize,
    is_in: bool,
    /// All that came until it was in, and later the end of what came.
    heard: Vec<u8>,
    is_told: bool,
}

impl Guests {
    /// Lets `count` guests in. With a `receive_buffer` their systems keep about so many bytes for
    /// each, where it is usually some MiB.
    pub(crate) fn come(
        address: SocketAddr,
        speech: &'static Speech,
        count: usize,
        receive_buffer: Option<usize>,
    ) -> io::Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        let (scratch, guests) = (vec![0; 64 * 1024], Vec::with_capacity(count));
        let mut all = Self { poll, events, scratch, speech, guests, welcomed: 0 };
        while all.welcomed < count {
            let connecting = count.min(all.welcomed + CONNECTING_MAX);
            while all.guests.len() < connecting {
                all.connect(address, receive_buffer)?;
            }
            all.turn(|_| {})?;
        }
        Ok(all)
    }

    /// All but the first `stay` leave at once.
    pub(crate) fn leave(&mut self, stay: usize) {
        self.guests.truncate(stay);
    }

    /// Reads until everybody has been told one of `notices`.
    pub(crate) fn wait_until_told(&mut self, notices: &[String]) -> io::Result<()> {
        let mut untold = self.guests.len();
        while untold > 0 {
            self.turn(|guest| {
                let hears = |notice: &String| contains(&guest.heard, notice.as_bytes());
                let is_told = guest.is_told || notices.iter().any(hears);
                untold -= usize::from(is_told && !guest.is_told);
                guest.is_told = is_told;
            })?;
        }
        Ok(())
    }

    fn connect(&mut self, address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(&address.into())?;
        socket.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(socket.into());
        let token = Token(self.guests.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
        let name = speech::name(FIRST_KEY + token.0);
        let mut guest =
            Guest { stream, name, step: 0, is_in: false, heard: Vec::new(), is_told: false };
        self.welcomed += usize::from(guest.enter(self.speech)?);
        self.guests.push(guest);
        Ok(())
    }

    /// Waits for something to read, and reads it; lets `look` see each guest who has got something.
    fn turn(&mut self, mut look: impl FnMut(&mut Guest)) -> io::Result<()> {
        let begun = Instant::now();
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        // On Windows a poll may also end early, for nothing.
        if self.events.is_empty() && begun.elapsed() >= SILENCE_MAX {
            let problem = format!("{} guests have been welcomed, and then nothing", self.welcomed);
            return Err(io::Error::other(problem));
        }
        for event in &self.events {
            let Some(guest) = self.guests.get_mut(event.token().0) else { continue };
            guest.read(&mut self.scratch)?;
            if !guest.is_in {
                self.welcomed += usize::from(guest.enter(self.speech)?);
            }
            look(guest);
            guest.forget();
        }
        Ok(())
    }
}

impl Guest {
    /// Takes the next steps on the way in, and tells whether it has come in now.
    fn enter(&mut self, speech: &Speech) -> io::Result<bool> {
        loop {
            let Self { name, step, heard, .. } = self;
            match (speech.enter)(&Newcomer { name, talks: false, step: *step, heard }) {
                Entry::Says(words) => self.stream.write_all(&words)?,
                Entry::Waits => return Ok(false),
                Entry::IsIn => {
                    self.is_in = true;
                    return Ok(true);
                }
            }
            self.step += 1;
        }
    }

    fn read(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(io::Error::other("the server closed a guest's connection")),
                Ok(count) => self.heard.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn forget(&mut self) {
        if self.is_in {
            self.heard.drain(..self.heard.len().saturating_sub(TAIL_BYTES));
        }
    }
}

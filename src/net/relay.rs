//! The two connections to the engine through which servers share their rooms: non-blocking sockets,
//! and a thread that looks up names, since that may take long. What is said over them is decided
//! elsewhere (`relay/link.rs`).

use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, Waker};

#[cfg(feature = "tls")]
use super::relay_tls::Tls;
use super::stream::Stream;

/// What a read brings at most, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// A host whose addresses are wanted, and what is to be opened there.
#[derive(Debug)]
struct Question {
    side: usize,
    attempt: u64,
    host: String,
    port: u16,
}

/// What was found.
type Found = (Question, io::Result<Vec<SocketAddr>>);

/// The connections, by their sides.
#[derive(Debug)]
pub(crate) struct RelaySockets {
    tokens: [Token; 2],
    lines: [Line; 2],
    questions: Sender<Question>,
    found: Receiver<Found>,
    attempt: u64,
    buffer: Box<[u8]>,
    trust: Trust,
}

/// Whom to trust, if TLS is wanted.
#[cfg(feature = "tls")]
pub(crate) type Trust = Option<Arc<rustls::ClientConfig>>;
/// There is no TLS.
#[cfg(not(feature = "tls"))]
pub(crate) type Trust = Option<std::convert::Infallible>;

/// One connection, or none yet.
#[derive(Debug, Default)]
struct Line {
    stream: Option<Stream>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    is_open: bool,
    /// Something may have come of it.
    is_ready: bool,
    /// What the system has not taken.
    out: Vec<u8>,
}

/// What has come of a connection.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// It is open.
    Open,
    /// These bytes have come.
    Bytes(&'a [u8]),
    /// It is broken, or could not be opened.
    Broken(String),
    /// Nothing more for now.
    Nothing,
}

impl RelaySockets {
    /// No connections yet. `waker` wakes the loop when a name has been looked up.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn new(
        tokens: [Token; 2],
        trust: Trust,
        waker: &Arc<Waker>,
    ) -> io::Result<RelaySockets> {
        let (questions, asked) = channel::<Question>();
        let (answer, found) = channel();
        let waker = Arc::clone(waker);
        thread::Builder::new().name("resolver".into()).spawn(move || {
            while let Ok(question) = asked.recv() {
                let host = (question.host.as_str(), question.port);
                let addresses = host.to_socket_addrs().map(Iterator::collect);
                if answer.send((question, addresses)).is_err() {
                    return;
                }
                // If the loop cannot be woken, it looks at its next turn.
                let _ = waker.wake();
            }
        })?;
        let (lines, attempt) = Default::default();
        let buffer = vec![0; READ_BYTES].into();
        Ok(RelaySockets { tokens, lines, questions, found, attempt, buffer, trust })
    }

    /// Drops both connections.
    pub(crate) fn drop_all(&mut self) {
        self.attempt += 1;
        self.lines = Default::default();
    }

    /// Opens a connection to the host.
    pub(crate) fn dial(&mut self, side: usize, (host, port): &(String, u16)) {
        let (host, port, attempt) = (host.clone(), *port, self.attempt);
        // The thread is there as long as this is.
        let _ = self.questions.send(Question { side, attempt, host, port });
    }

    /// Something may have come of the connection with this token. Returns whether it is one.
    pub(crate) fn note_ready(&mut self, token: Token) -> bool {
        let side = self.tokens.iter().position(|other| *other == token);
        side.into_iter().for_each(|side| self.lines[side].is_ready = true);
        side.is_some()
    }

    /// Opens connections to what has been looked up. Returns why one could not be.
    pub(crate) fn connect(&mut self, registry: &Registry) -> Option<String> {
        while let Ok((question, addresses)) = self.found.try_recv() {
            let Question { side, attempt, host, .. } = question;
            if attempt != self.attempt {
                continue;
            }
            let opened = addresses.and_then(|all| {
                let address = all.first().copied();
                let address = address.ok_or_else(|| io::Error::other("it has no address"))?;
                let mut socket = TcpStream::connect(address)?;
                socket.set_nodelay(true)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut socket, self.tokens[side], interest)?;
                Ok(Stream::new(socket, self.tokens[side]))
            });
            match opened {
                Ok(stream) => {
                    self.lines[side] = Line { stream: Some(stream), ..Line::default() };
                }
                Err(error) => return Some(error.to_string()),
            }
            if let Err(error) = self.secure(side, &host) {
                return Some(error.to_string());
            }
        }
        None
    }

    /// What is said over a connection is within TLS, if that is wanted.
    #[cfg(feature = "tls")]
    fn secure(&mut self, side: usize, host: &str) -> io::Result<()> {
        let tls = self.trust.as_ref().map(|trust| Tls::connect(trust, host));
        self.lines[side].tls = tls.transpose()?;
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    fn secure(&mut self, _: usize, _: &str) -> io::Result<()> {
        self.trust.map_or(Ok(()), |never| match never {})
    }

    /// What has come of a connection; to be asked until there is nothing.
    pub(crate) fn next(&mut self, side: usize) -> Outcome<'_> {
        let line = &mut self.lines[side];
        let Some(stream) = line.stream.as_mut().filter(|_| line.is_ready) else {
            return Outcome::Nothing;
        };
        if !line.is_open {
            match stream.is_connected() {
                Ok(true) => {
                    line.is_open = true;
                    return Outcome::Open;
                }
                Ok(false) => {
                    line.is_ready = false;
                    return Outcome::Nothing;
                }
                Err(error) => return Outcome::Broken(error.to_string()),
            }
        }
        #[cfg(feature = "tls")]
        let read = match &mut line.tls {
            Some(tls) => tls.read(stream, &mut self.buffer),
            None => stream.read(&mut self.buffer),
        };
        #[cfg(not(feature = "tls"))]
        let read = stream.read(&mut self.buffer);
        match read {
            Ok(0) => Outcome::Broken("it has closed the connection".to_owned()),
            Ok(bytes) => Outcome::Bytes(&self.buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                line.is_ready = false;
                Outcome::Nothing
            }
            Err(error) => Outcome::Broken(error.to_string()),
        }
    }

    /// Sends bytes, after those that still wait.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(crate) fn send(
        &mut self,
        side: usize,
        bytes: &[u8],
        registry: &Registry,
    ) -> io::Result<()> {
        let line = &mut self.lines[side];
        line.out.extend_from_slice(bytes);
        let Some(stream) = line.stream.as_mut().filter(|_| line.is_open) else { return Ok(()) };
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut line.tls {
            let taken = tls.write(stream, &line.out)?;
            line.out.drain(..taken);
            return stream.watch_writable(tls.wants_write(), registry);
        }
        let mut sent = 0;
        while sent < line.out.len() {
            match stream.write(&[IoSlice::new(&line.out[sent..])]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        line.out.drain(..sent);
        stream.watch_writable(!line.out.is_empty(), registry)
    }
}

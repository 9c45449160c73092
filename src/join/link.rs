//! The connection to the server: a WebSocket, with TLS or without, in a thread of its own that
//! waits for the socket and for us at once. What it brings are [`Happened`]s; what they mean is
//! not known here.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};
use rustls::{ClientConnection, StreamOwned};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::address::Address;
use super::message::cleaned;
use super::tls;
use crate::fingerprint::Fingerprint;

/// How long it may take until an address answers, and then until that is a WebSocket.
const PATIENCE: Duration = Duration::from_secs(10);

const SOCKET: Token = Token(0);
const ORDERS: Token = Token(1);

/// Messages that are read before somebody looks whether there is something to send.
const READS: usize = 64;

/// Bytes by which one knows what listens at a port.
const FIRST_BYTES: usize = 512;

/// What has happened to a connection.
#[derive(Debug)]
pub(crate) enum Happened {
    Open,
    Text(String),
    /// A ping is answered, with the number that it had.
    Pong(u64),
    /// It is over, or has never been.
    Closed(End),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody answers. A sentence without its full stop.
    Unreachable(String),
    /// Somebody answers, but does not let us in, or is something else. A whole sentence.
    Wrong(String),
    /// It was open.
    Lost(String),
    /// It was open, and the server has closed it with this code.
    Code(u16),
}

enum Order {
    Text(String),
    Ping(u64),
}

/// A connection that is there, or is being made. Dropping it ends it.
pub(crate) struct Link {
    orders: mpsc::Sender<Order>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Link {
    /// Begins to connect, and tells `happened` of all that comes, in order; `Closed` is the last.
    /// If that returns `false`, nobody wants to know any more.
    pub(crate) fn open(
        to: Target,
        mut happened: impl FnMut(Happened) -> bool + Send + 'static,
    ) -> Link {
        let (orders, received) = mpsc::channel();
        let waker = Arc::<Mutex<Option<Waker>>>::default();
        let for_thread = Arc::clone(&waker);
        thread::spawn(move || {
            let end = live(&to, &received, &for_thread, &mut happened);
            happened(Happened::Closed(end));
        });
        Link { orders, waker }
    }

    pub(crate) fn send(&self, text: String) {
        self.order(Order::Text(text));
    }

    pub(crate) fn ping(&self, number: u64) {
        self.order(Order::Ping(number));
    }

    fn order(&self, order: Order) {
        // Whoever is told that it is over need not be told again.
        let _ = self.orders.send(order);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = waker.wake();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.orders = mpsc::channel().0;
        self.wake();
    }
}

/// Where to, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) pin: Option<Fingerprint>,
}

/// The socket, with TLS or without.
enum Stream {
    Plain(mio::net::TcpStream),
    Tls(Box<StreamOwned<ClientConnection, mio::net::TcpStream>>),
}

/// A stream that remembers how what came over it began.
struct Watched {
    stream: Stream,
    first: Arc<Mutex<Vec<u8>>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.stream {
            Stream::Plain(socket) => socket.read(buffer)?,
            Stream::Tls(stream) => stream.read(buffer)?,
        };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FIRST_BYTES - first.len();
        first.extend(&buffer[..count.min(room)]);
        Ok(count)
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// One connection, from its beginning to its end.
fn live(
    to: &Target,
    orders: &mpsc::Receiver<Order>,
    waker: &Mutex<Option<Waker>>,
    happened: &mut impl FnMut(Happened) -> bool,
) -> End {
    let Target { address, pin } = to;
    let socket = match connect(address) {
        Ok(socket) => socket,
        Err(error) => return End::Unreachable(format!("Cannot connect to {address}: {error}")),
    };
    let trust = match tls::trust(address, pin.as_ref()) {
        Ok(trust) => trust,
        Err(error) => return End::Wrong(error),
    };
    let begun = (|| -> io::Result<_> {
        let poll = Poll::new()?;
        socket.set_nonblocking(true)?;
        let _ = socket.set_nodelay(true);
        let mut socket = mio::net::TcpStream::from_std(socket);
        poll.registry().register(&mut socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        *waker.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Waker::new(poll.registry(), ORDERS)?);
        Ok((poll, socket))
    })();
    let (mut poll, socket) = match begun {
        Ok(begun) => begun,
        Err(error) => return End::Unreachable(format!("Cannot connect to {address}: {error}")),
    };
    let stream = match &trust {
        None => Stream::Plain(socket),
        Some(trust) => match trust.connect(&address.host) {
            Ok(tls) => Stream::Tls(Box::new(StreamOwned::new(tls, socket))),
            Err(error) => return End::Wrong(format!("No TLS with {address}: {error}.")),
        },
    };
    let first = Arc::<Mutex<Vec<u8>>>::default();
    let watched = Watched { stream, first: Arc::clone(&first) };
    let mut socket = match shake_hands(address, watched, &mut poll) {
        Ok(socket) => socket,
        Err(failure) => {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return End::Wrong(wrong(address, failure, &first, trust.as_ref()));
        }
    };
    if !happened(Happened::Open) {
        return End::Lost(String::new());
    }
    talk(&mut socket, &mut poll, orders, happened)
}

/// Connects to the first of the host's addresses that answers.
fn connect(address: &Address) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no such host");
    for one in (&*address.host, address.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&one, PATIENCE) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Why there is no WebSocket.
enum Failure {
    Silent,
    Error(Box<Error>),
}

/// Makes a WebSocket of the connection.
fn shake_hands(
    address: &Address,
    stream: Watched,
    poll: &mut Poll,
) -> Result<WebSocket<Watched>, Failure> {
    let failed = |error| Failure::Error(Box::new(error));
    let request = address.url().into_client_request().map_err(failed)?;
    let mut step = tungstenite::client(request, stream);
    let mut events = Events::with_capacity(8);
    // Whoever sends a byte now and then does not hold us up for ever.
    let mut steps = 0;
    loop {
        match step {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Failure(error)) => return Err(failed(error)),
            Err(HandshakeError::Interrupted(_)) if steps > 1000 => return Err(Failure::Silent),
            Err(HandshakeError::Interrupted(middle)) => {
                poll.poll(&mut events, Some(PATIENCE)).map_err(|error| failed(error.into()))?;
                if events.is_empty() {
                    return Err(Failure::Silent);
                }
                steps += 1;
                step = middle.handshake();
            }
        }
    }
}

/// A sentence that says why there is no WebSocket, and what to do.
fn wrong(address: &Address, failure: Failure, first: &[u8], trust: Option<&tls::Trust>) -> String {
    let error = match failure {
        Failure::Silent if first.is_empty() => {
            return format!("{address} answers nothing: that is no chinwag, or not its port.");
        }
        Failure::Silent => None,
        Failure::Error(error) => Some(*error),
    };
    if let Some(Error::Http(response)) = &error {
        let body = response.body().as_deref().unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let told = cleaned(body.lines().next().unwrap_or_default().trim());
        let is_ours = matches!(response.status().as_u16(), 403 | 408 | 429 | 503);
        return if is_ours && !told.is_empty() && told.len() < 200 {
            format!("{address} does not let you in: {told}")
        } else {
            format!("At {address} is a web server, but no chinwag ({}).", response.status())
        };
    }
    if let Some(Error::Io(error)) = &error
        && let Some(told) = trust.and_then(|trust| trust.explain(error))
    {
        return format!("No TLS with {address}: {told}.");
    }
    if let Some(what) = known(first) {
        return format!("{address}: {what}.");
    }
    match error {
        Some(Error::Io(error)) if trust.is_none() => {
            format!("{address} has closed the connection ({error}). If it wants TLS, say --tls.")
        }
        Some(Error::Io(error)) => format!("{address} has closed the connection ({error})."),
        _ => format!("What listens at {address} is no chinwag."),
    }
}

/// What listens where this came first.
fn known(first: &[u8]) -> Option<&'static str> {
    const ADVICE: [(&[u8], &str); 7] = [
        (b"* ", "that is the `lines` listener, which is for nc; join wants the `web` listener"),
        (b"! ", "that is the `lines` listener, which is for nc; join wants the `web` listener"),
        (b":", "that is the `irc` listener, which is for IRC clients; join wants the `web` one"),
        (b"ERROR ", "that is the `irc` listener, for IRC clients; join wants the `web` one"),
        (b"NICK", "that is the `nick` listener, for old programs; join wants the `web` one"),
        (b"SSH-", "that is an SSH server"),
        (b"\x15\x03", "there one speaks TLS; say --tls"),
    ];
    ADVICE.iter().find(|(start, _)| first.starts_with(start)).map(|(_, what)| *what)
}

/// Carries messages both ways until the connection is over.
fn talk(
    socket: &mut WebSocket<Watched>,
    poll: &mut Poll,
    orders: &mpsc::Receiver<Order>,
    happened: &mut impl FnMut(Happened) -> bool,
) -> End {
    let mut events = Events::with_capacity(8);
    let mut code = None;
    let lost = |error: Error, code: Option<u16>| match (code, error) {
        (Some(code), _) => End::Code(code),
        (None, Error::Io(error)) => End::Lost(error.to_string()),
        (None, error) => End::Lost(error.to_string()),
    };
    loop {
        match take_orders(socket, orders) {
            Ok(true) => {}
            Ok(false) => return End::Lost(String::new()),
            Err(error) => return lost(error, code),
        }
        let mut is_read = false;
        for _ in 0..READS {
            let told = match socket.read() {
                Ok(Message::Text(text)) => happened(Happened::Text(text.as_str().to_owned())),
                Ok(Message::Pong(bytes)) => match bytes.as_ref().try_into() {
                    Ok(bytes) => happened(Happened::Pong(u64::from_be_bytes(bytes))),
                    Err(_) => true,
                },
                Ok(Message::Close(frame)) => {
                    code = Some(frame.map_or(CloseCode::Status.into(), |it| it.code.into()));
                    true
                }
                Ok(_) => true,
                Err(error) if would_block(&error) => {
                    is_read = true;
                    break;
                }
                Err(error) => return lost(error, code),
            };
            if !told {
                return End::Lost(String::new());
            }
        }
        // What is owed, such as an answer to a ping, is sent by a flush.
        if let Err(error) = socket.flush()
            && !would_block(&error)
        {
            return lost(error, code);
        }
        let timeout = (!is_read).then_some(Duration::ZERO);
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return End::Lost(error.to_string());
            }
            _ => {}
        }
    }
}

/// Does what was ordered; `false` if nobody will order anything any more.
fn take_orders(
    socket: &mut WebSocket<Watched>,
    orders: &mpsc::Receiver<Order>,
) -> Result<bool, Error> {
    loop {
        let done = match orders.try_recv() {
            Ok(Order::Text(text)) => socket.write(Message::text(text)),
            Ok(Order::Ping(number)) => {
                socket.write(Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())))
            }
            Err(TryRecvError::Empty) => return Ok(true),
            Err(TryRecvError::Disconnected) => return Ok(false),
        };
        match done {
            Err(error) if !would_block(&error) => return Err(error),
            _ => {}
        }
    }
}

/// What could not be written at once is kept, and written later.
fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

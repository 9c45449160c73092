//! The server: sockets, listeners, datagrams, the terminal and signals, as mio knows them, for the
//! loop in [`turn`](crate::turn). It moves bytes, and knows no word of chat.

#[cfg(feature = "relay")]
mod relay;
#[cfg(all(feature = "data", feature = "relay"))]
pub mod visit;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

#[cfg(feature = "relay")]
use self::relay::Relay;
#[cfg(feature = "data")]
use crate::archive::{Answer, Archive, Keeper, Request, Settings};
use crate::author::Cloak;
#[cfg(feature = "tls")]
use crate::config::TlsFiles;
use crate::config::{CLIENTS_MIN, Changes, Config, LISTENERS_MAX, ListenerSpec, Prelude};
use crate::dialect::{Dialect, Transport};
use crate::event::CloseReason;
use crate::handle::{BotLink, Handle, Handles, Wanted};
#[cfg(feature = "relay")]
use crate::hub::Hub;
use crate::hub::TURNED_AWAY_MAX;
use crate::key::ConnectionKey;
use crate::net::background::Background;
#[cfg(feature = "tls")]
use crate::net::certificates::{Certificates, Files};
use crate::net::console::Console;
use crate::net::datagram::Datagrams;
use crate::net::descriptors;
use crate::net::header::{HeaderRead, HeaderReader};
pub use crate::net::inherited::Inherited;
use crate::net::listener::Listener;
use crate::net::process;
use crate::net::signals::{Received, Signals};
use crate::net::stream::Stream;
#[cfg(feature = "tls")]
use crate::net::tls::{Handshake, TlsStream};
#[cfg(feature = "data")]
use crate::nickname::Nickname;
use crate::timers::Now;
use crate::token::TOKEN_BYTES;
use crate::turn::{Accepted, Budgets, Datagram, EventLoop, PollEvent, Sockets};

/// What is read of somebody who is turned away.
const TURNED_AWAY_BYTES: usize = 64 * 1024;
/// Descriptors for other things than connections and listeners: the standard streams, the poll,
/// signals, a spare one for each of a few listeners.
const OTHER_DESCRIPTORS: usize = 16;

/// Handshakes of which the dear part is done in one turn, each about 0.1 ms.
const HELLOS_PER_TURN: usize = 16;

/// How long the keeper of accounts has to end what it has begun when the server stops.
#[cfg(feature = "data")]
const KEEPER_END: Duration = Duration::from_millis(500);

/// How long others are waited for to be told that everybody here has left.
#[cfg(feature = "relay")]
const FAREWELL_TO_OTHERS: Duration = Duration::from_secs(1);

/// Steps before a dialect that are taken in one turn.
const STEPS_PER_TURN: usize = 256;
/// Ports that are tried to find one that is free.
const PORTS_TRIED: u16 = 100;

/// The tokens of the signals and of what wakes the loop; those of the listeners are just below.
const SIGNALS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Those of the two connections to the engine through which rooms are shared.
#[cfg(feature = "relay")]
const RELAY: [Token; 2] = [Token(usize::MAX - 2), Token(usize::MAX - 3)];
const FIRST_LISTENER: usize = usize::MAX - 4;
const FIRST_DATAGRAMS: usize = FIRST_LISTENER - LISTENERS_MAX;
/// A connection's token is a generation and, in this many low bits, the index of its key.
const KEY_BITS: u32 = usize::BITS / 2 + 4;

/// A chat server.
#[derive(Debug)]
pub struct Server {
    event_loop: EventLoop,
    sockets: MioSockets,
    /// What it goes by, apart from what the system does not allow.
    config: Config,
    waker: Arc<Waker>,
    /// The program in which it is embedded has clones of this.
    handle: Handle,
    /// Keeps what is said, if that is wanted.
    #[cfg(feature = "data")]
    archive: Option<Archive>,
    /// Tries passwords of accounts and operators, if there are any.
    #[cfg(feature = "data")]
    keeper: Option<Keeper>,
    /// Reads the configuration again, if that can be done.
    reading: Option<Background<Result<Config, String>>>,
}

/// All that the system gives us.
#[derive(Debug)]
struct MioSockets {
    poll: Poll,
    events: Events,
    signals: Signals,
    listeners: Vec<(ListenerSpec, Listener)>,
    datagrams: Vec<(Dialect, Datagrams)>,
    /// The server's own terminal and the connection that it is.
    console: Option<(Console, ConnectionKey)>,
    /// What other threads want of the server, and the bots that have come in.
    handles: Handles,
    bots: Vec<ConnectionKey>,
    /// What carries the bytes of each connection, by the index of its key.
    links: Slab<Link>,
    /// Those of whom something must come before their dialect is spoken, and may have.
    preparing: VecDeque<ConnectionKey>,
    /// Those of whom the next poll tells, for something may be left of which the system is silent.
    unread: Vec<ConnectionKey>,
    #[cfg(feature = "tls")]
    certificates: Option<Certificates>,
    /// What is said to the engine through which rooms are shared, if they are.
    #[cfg(feature = "relay")]
    relay: Option<Relay>,
    /// SIGHUP asks for the configuration to be read again, and not for a stop.
    rereads: bool,
    /// It was asked for.
    hung_up: bool,
}

/// What carries a connection's bytes.
#[derive(Debug)]
enum Link {
    Stream(Stream, ConnectionKey),
    /// A PROXY header must come, and then perhaps TLS.
    Header(Box<(Stream, HeaderReader, ListenerSpec)>, ConnectionKey),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>, ConnectionKey),
    /// The UDP socket with this index.
    Datagrams(u32),
    Console,
    /// A bot of the program in which the server is embedded.
    Bot(Box<BotLink>),
}

/// Somebody who was accepted, and at which listener.
#[derive(Debug)]
struct Comer {
    socket: TcpStream,
    spec: ListenerSpec,
}

/// Why a server could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened at.
    Bind {
        /// Where that is.
        listener: ListenerSpec,
        /// Why not.
        error: io::Error,
        /// All listeners, with one that can be opened, as it seems, instead of this one.
        instead: Vec<ListenerSpec>,
    },
    /// A certificate cannot be used (the sentence that says why).
    Certificate(String),
    /// The archive cannot be used (the sentence that says why).
    Archive(String),
    /// The system's limit of open descriptors is too low (the limit).
    Descriptors(u64),
    /// The system does not give us what every server needs.
    System(io::Error),
}

impl Server {
    /// Opens all listeners of `config`, which must be sound ([`Config::check`]).
    ///
    /// # Errors
    /// If an address cannot be listened at, or the system is short of something.
    pub fn bind(config: &Config) -> Result<Server, StartError> {
        Server::bind_with(config, Budgets::default())
    }

    /// As [`bind`](Self::bind); where a listener's address is that of a socket which was open
    /// before, that is taken.
    ///
    /// # Errors
    /// As there.
    pub fn bind_inherited(config: &Config, inherited: Inherited) -> Result<Server, StartError> {
        Server::open(config, Budgets::default(), inherited)
    }

    /// As [`bind`](Self::bind), with other budgets than the usual ones.
    ///
    /// # Errors
    /// As there.
    pub fn bind_with(config: &Config, budgets: Budgets) -> Result<Server, StartError> {
        Server::open(config, budgets, Inherited::default())
    }

    fn open(
        config: &Config,
        budgets: Budgets,
        mut inherited: Inherited,
    ) -> Result<Server, StartError> {
        config.listeners.iter().for_each(|listener| listener.dialect.prepare());
        let asked = config.clone();
        let mut config = config.clone();
        config.limits.clients_max = clients_within_descriptors(&config)?;
        let poll = Poll::new().map_err(StartError::System)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(StartError::System)?);
        let signals = Signals::register(poll.registry(), SIGNALS, &waker);
        let line_bytes_max = config.limits.line_bytes_max;
        let (handle, handles) = Handles::new(wake_with(&waker), line_bytes_max);
        let mut sockets = MioSockets {
            signals: signals.map_err(StartError::System)?,
            events: Events::with_capacity(budgets.events_per_poll),
            listeners: Vec::new(),
            datagrams: Vec::new(),
            console: None,
            handles,
            bots: Vec::new(),
            links: Slab::new(),
            preparing: VecDeque::new(),
            unread: Vec::new(),
            #[cfg(feature = "tls")]
            certificates: open_certificates(&config, &waker)?,
            #[cfg(feature = "relay")]
            relay: None,
            rereads: false,
            hung_up: false,
            poll,
        };
        let mut event_loop = EventLoop::new(&config, budgets, present());
        event_loop.hub.measure_with(process::measure);
        let mut secret = [0; Cloak::SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| StartError::System(error.into()))?;
        event_loop.hub.set_cloak(Cloak::new(secret));
        #[cfg(feature = "data")]
        let (archive, keeper) = open_archive(&config, &mut event_loop, &waker)?;
        #[cfg(feature = "relay")]
        if let Some(relay) = &config.relay {
            sockets.relay = Some(Relay::open(relay, &mut event_loop.hub, &waker)?);
        }
        #[cfg(feature = "tls")]
        if let Some(certificates) = &sockets.certificates {
            event_loop.hub.note_certificates_end(certificates.ends());
        }
        for spec in &config.listeners {
            let listened = sockets.listen(*spec, &mut inherited);
            listened.map_err(|error| cannot_bind(&config.listeners, *spec, error))?;
        }
        for address in inherited.left() {
            log::warn!("{address} was opened for the server, but no --listen names it");
        }
        #[cfg(feature = "web")]
        event_loop.hub.show_page_at(sockets.address_of(Dialect::Web));
        if let Some(name) = &config.console {
            let console = Console::open(&waker).map_err(StartError::System)?;
            let key = event_loop.add_console(name);
            sockets.console = Some((console, key));
            sockets.add(key, Link::Console);
        }
        Ok(Server {
            event_loop,
            sockets,
            config: asked,
            waker,
            handle,
            #[cfg(feature = "data")]
            archive,
            #[cfg(feature = "data")]
            keeper,
            reading: None,
        })
    }

    /// From now on the configuration can be read again: when an operator wants it, and, with
    /// `on_hangup`, by SIGHUP, which does not stop the server then. `read` is called, in a thread
    /// of its own, and what takes effect at once of its result does so. `after` is called when it
    /// has, or when there was an error, which is a sentence and changes nothing.
    pub fn reread_with(
        &mut self,
        read: impl Fn() -> Result<Config, String> + Send + Sync + 'static,
        after: fn(),
        on_hangup: bool,
    ) {
        self.sockets.rereads = on_hangup;
        self.reading = Some(Background::new(read, after, Arc::clone(&self.waker)));
    }

    /// By which other threads can stop the server, and have bots in its rooms.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What is spoken where, with the ports that the listeners really have.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerSpec> {
        let MioSockets { listeners, datagrams, .. } = &self.sockets;
        let datagrams = datagrams.iter().map(|(dialect, it)| ListenerSpec {
            address: it.address(),
            ..ListenerSpec::usual(*dialect)
        });
        listeners.iter().map(|(spec, _)| *spec).chain(datagrams)
    }

    /// Has the certificates read again, soon and by another thread. If they are sound, new
    /// connections get them; if not, the log says why, and those from before stay.
    #[cfg(feature = "tls")]
    pub fn reload_certificates(&self) {
        if let Some(certificates) = &self.sockets.certificates {
            certificates.reload();
        }
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// If the system's poll fails, which no peer can bring about; or if another server shares the
    /// rooms under the name of this one.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.event_loop.has_stopped(&self.sockets) {
            self.turn()?;
            if self.event_loop.hub.is_usurped() {
                return Err(io::Error::other(
                    "another server shares the rooms under the name of this one; each needs a \
                     --relay-name of its own",
                ));
            }
        }
        #[cfg(feature = "relay")]
        self.tell_others_of_the_end()?;
        // The archive is the last one who closes the file.
        #[cfg(feature = "data")]
        if let Some(keeper) = self.keeper.take() {
            keeper.stop(KEEPER_END);
        }
        #[cfg(feature = "data")]
        if let Some(archive) = self.archive.take()
            && let lost @ 1.. = archive.stop(self.config.limits.drain)
        {
            log::warn!("the archive was not done in time (--drain): {lost} lines are not kept");
        }
        log::info!("stopped");
        Ok(())
    }

    /// The others are told that everybody here has left, unless that takes long: they would find
    /// out by themselves, only later.
    #[cfg(feature = "relay")]
    fn tell_others_of_the_end(&mut self) -> io::Result<()> {
        let deadline = present().instant + FAREWELL_TO_OTHERS;
        while let Some(counts) = self.event_loop.hub.relay_counts()
            && counts.is_live
            && counts.pending > 0
            && present().instant < deadline
        {
            self.turn()?;
        }
        Ok(())
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// See [`run`](Self::run).
    pub fn turn(&mut self) -> io::Result<()> {
        self.event_loop.turn(&mut self.sockets)?;
        self.let_bots_in();
        #[cfg(feature = "data")]
        self.serve();
        #[cfg(feature = "tls")]
        if let Some(certificates) = &mut self.sockets.certificates
            && certificates.refresh()
        {
            self.event_loop.hub.note_certificates_end(certificates.ends());
        }
        let is_asked = self.event_loop.hub.poll_reload();
        let hung_up = mem::take(&mut self.sockets.hung_up) || is_asked;
        #[cfg(feature = "tls")]
        if hung_up {
            self.reload_certificates();
        }
        if let Some(reading) = &mut self.reading {
            if hung_up {
                reading.start();
            }
            if let Some(finished) = reading.poll() {
                self.update(&finished.result);
            }
        }
        Ok(())
    }

    /// Lets those bots in that want to come; none any more once the server stops.
    fn let_bots_in(&mut self) {
        let Server { event_loop, sockets, .. } = self;
        if event_loop.is_stopping() {
            return sockets.handles.close();
        }
        while let Some(Wanted { name, room, link, answer }) = sockets.handles.poll_wanted() {
            let (key, come) = event_loop.add_bot(&name, &room);
            sockets.add(key, Link::Bot(Box::new(link)));
            sockets.bots.push(key);
            // If nobody waits for that any more, the bot is dropped, and leaves.
            let _ = answer.send(come);
        }
    }

    /// Hands the archive what is to be kept, it and the keeper of accounts what they are asked, and
    /// the hub what they have answered.
    #[cfg(feature = "data")]
    fn serve(&mut self) {
        let Server { event_loop, archive, keeper, .. } = self;
        let hub = &mut event_loop.hub;
        if let Some(keeper) = keeper {
            keeper.set_time(hub.unix_seconds());
        }
        match archive {
            Some(archive) => {
                archive.set_time(hub.unix_seconds());
                archive.record(hub.records());
            }
            None => hub.records().clear(),
        }
        while let Some(key) = hub.poll_cancelled() {
            if let Some(archive) = archive {
                archive.cancel(key.to_bits());
            }
            if let Some(keeper) = keeper {
                keeper.cancel(key.to_bits());
            }
        }
        while let Some((key, request)) = hub.poll_request() {
            let ticket = key.to_bits();
            let is_asked = match (request, &mut *archive, &mut *keeper) {
                (Request::Account(request), _, Some(keeper)) => keeper.ask(ticket, request).is_ok(),
                (Request::Account(_), _, None) | (_, None, _) => false,
                (request, Some(archive), _) => archive.ask(ticket, request).is_ok(),
            };
            if !is_asked {
                hub.handle_answer(key, Answer::Failed);
            }
        }
        if let Some(keeper) = keeper {
            // The answers are taken first and told last: what has changed is known before whoever
            // has changed it goes on.
            let answers: Vec<_> = std::iter::from_fn(|| keeper.poll_answer()).collect();
            let changes = keeper.poll_changes();
            if !changes.is_empty() {
                hub.handle_accounts(changes);
            }
            // Whoever reads the log finds it so.
            if let Some(outside) = keeper.outside() {
                log::info!("accounts changed outside: {outside}");
            }
            for (ticket, answer) in answers {
                hub.handle_answer(ConnectionKey::from_bits(ticket), answer);
            }
        }
        if let Some(archive) = archive {
            while let Some((ticket, answer)) = archive.poll_answer() {
                hub.handle_answer(ConnectionKey::from_bits(ticket), answer);
            }
            hub.note_archive(archive.health());
        }
    }

    /// The configuration was read again, or could not be: all of it counts, or nothing.
    fn update(&mut self, read: &Result<Config, String>) {
        match read.as_ref().map_err(Clone::clone).and_then(|config| self.take_over(config)) {
            Ok(changes) => log::info!("configuration read again: {changes}"),
            Err(why) => log::error!("configuration not read again: {why}; nothing has changed"),
        }
    }

    fn take_over(&mut self, config: &Config) -> Result<Changes, String> {
        let changes = self.config.changes(config);
        let updated = self.config.updated(config);
        // What needs a restart stays as it is, and must fit to the rest.
        updated.check().map_err(|error| error.to_string())?;
        let mut possible = updated.clone();
        possible.limits.clients_max =
            clients_within_descriptors(&possible).map_err(|error| error.to_string())?;
        #[cfg(feature = "data")]
        if let (Some(archive), Some(data)) = (&mut self.archive, &updated.data) {
            archive.set_keep(data.keep, &data.keep_rooms);
        }
        #[cfg(feature = "data")]
        if self.keeper.is_none() {
            // The chat knows of no account as long as nobody keeps them.
            self.keeper = start_keeper(&updated, Vec::new(), &self.waker)
                .map_err(|error| format!("cannot start a thread: {error}"))?;
        }
        log::set_max_level(possible.log_level);
        self.event_loop.update(&possible);
        self.config = updated;
        Ok(changes)
    }
}

impl MioSockets {
    fn listen(&mut self, spec: ListenerSpec, inherited: &mut Inherited) -> io::Result<()> {
        let ListenerSpec { dialect, address, .. } = spec;
        let registry = self.poll.registry();
        let address = match dialect.transport() {
            Transport::Tcp => {
                let token = Token(FIRST_LISTENER - self.listeners.len());
                let listener = Listener::bind(address, inherited, registry, token)?;
                let address = listener.address();
                self.listeners.push((ListenerSpec { address, ..spec }, listener));
                address
            }
            Transport::Udp => {
                let token = Token(FIRST_DATAGRAMS - self.datagrams.len());
                let datagrams = Datagrams::bind(address, inherited, registry, token)?;
                let address = datagrams.address();
                self.datagrams.push((dialect, datagrams));
                address
            }
        };
        log::info!("listening: {} on {address}", spec.protocol());
        warn_of_exposure(ListenerSpec { address, ..spec });
        Ok(())
    }

    /// Where the first listener of a dialect listens for which nothing else must come first.
    #[cfg(feature = "web")]
    fn address_of(&self, dialect: Dialect) -> Option<SocketAddr> {
        let listener = self
            .listeners
            .iter()
            .find(|(spec, _)| (spec.dialect, spec.prelude) == (dialect, Prelude::default()));
        listener.map(|(_, listener)| listener.address())
    }

    fn add(&mut self, key: ConnectionKey, link: Link) {
        let same = self.links.insert(link);
        debug_assert_eq!(key.index(), same, "both slabs see the same history");
    }

    /// Tells the loop what an event means for it; what it means for a listener or a socket for
    /// datagrams is noted there.
    fn tell(&mut self, event: &Event, told: &mut Vec<PollEvent>) {
        let token = event.token();
        let listener = FIRST_LISTENER.wrapping_sub(token.0);
        let datagrams = FIRST_DATAGRAMS.wrapping_sub(token.0);
        if let Some((_, listener)) = self.listeners.get_mut(listener) {
            listener.note_ready();
        } else if let Some((_, datagrams)) = self.datagrams.get_mut(datagrams) {
            if event.is_readable() || event.is_error() {
                datagrams.note_readable();
            }
            if event.is_writable() {
                // If the system cannot be asked to tell no more, it tells once more at worst.
                let blocked = datagrams.take_blocked(self.poll.registry()).unwrap_or_default();
                told.extend(blocked.into_iter().map(PollEvent::Writable));
            }
        } else if self.note_relay(token) {
            // It is looked at in this turn.
        } else if token != SIGNALS && token != WAKER {
            self.tell_of_stream(token, event, told);
        }
    }

    /// Something may have come of a connection to the engine. Returns whether it is one.
    fn note_relay(&mut self, token: Token) -> bool {
        #[cfg(feature = "relay")]
        let is_one = self.relay.as_mut().is_some_and(|relay| relay.note_ready(token));
        #[cfg(not(feature = "relay"))]
        let is_one = {
            let _ = token;
            false
        };
        is_one
    }

    fn tell_of_stream(&mut self, token: Token, event: &Event, told: &mut Vec<PollEvent>) {
        let index = token.0 & ((1 << KEY_BITS) - 1);
        let key = match self.links.get_mut(index) {
            // If not, it is of a socket that had this place before.
            Some(Link::Stream(stream, key)) if stream.token() == token => key,
            Some(Link::Header(header, key)) if header.0.token() == token => {
                return queue(&mut self.preparing, &mut header.1.queued, *key);
            }
            #[cfg(feature = "tls")]
            Some(Link::Tls(stream, key)) if stream.token() == token => {
                if stream.is_preparing() {
                    return queue(&mut self.preparing, &mut stream.queued, *key);
                }
                if event.is_writable() {
                    // What is wrong with it is found by the next read or write.
                    let _ = stream.flush();
                    let _ = stream.watch_writable(false, self.poll.registry());
                }
                key
            }
            _ => return,
        };
        if event.is_writable() {
            told.push(PollEvent::Writable(*key));
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            told.push(PollEvent::Readable(*key));
        }
    }
}

/// What comes before a dialect.
impl MioSockets {
    /// What carries the bytes of a socket on which nothing or TLS comes next.
    #[cfg_attr(not(feature = "tls"), expect(clippy::unused_self, reason = "it has certificates"))]
    fn link(
        &mut self,
        stream: Stream,
        spec: ListenerSpec,
        key: ConnectionKey,
    ) -> (Link, io::Result<()>) {
        #[cfg(feature = "tls")]
        if spec.prelude.tls {
            let certificates = self.certificates.as_ref();
            let config = certificates.map(|it| it.config(is_http(spec.dialect)));
            let tls = config.map(TlsStream::connect);
            return match tls.unwrap_or_else(|| Err(io::ErrorKind::Unsupported.into())) {
                Ok(tls) => {
                    let mut stream = Box::new(TlsStream::new(stream, tls));
                    queue(&mut self.preparing, &mut stream.queued, key);
                    (Link::Tls(stream, key), Ok(()))
                }
                Err(error) => (Link::Stream(stream, key), Err(error)),
            };
        }
        let _ = spec;
        (Link::Stream(stream, key), Ok(()))
    }

    /// Goes on with somebody of whom something must come before their dialect is spoken. Returns
    /// whether that was the dear part of a handshake.
    fn take_step(&mut self, key: ConnectionKey, told: &mut Vec<PollEvent>) -> bool {
        match self.links.get_mut(key.index()) {
            Some(Link::Header(header, same)) if *same == key => {
                header.1.queued = false;
                let read = header.1.read(&mut header.0);
                self.pass_header(key, read, told);
                false
            }
            #[cfg(feature = "tls")]
            Some(Link::Tls(stream, same)) if *same == key => {
                stream.queued = false;
                if !stream.is_preparing() {
                    return false; // it is being closed
                }
                let step = stream.handshake();
                let _ = stream.watch_writable(false, self.poll.registry());
                match step {
                    Handshake::Waiting => {}
                    Handshake::GoesOn { was_dear } => {
                        queue(&mut self.preparing, &mut stream.queued, key);
                        return was_dear;
                    }
                    // There may be more than the handshake in what has come.
                    Handshake::Done => {
                        told.extend([PollEvent::Prepared(key), PollEvent::Readable(key)]);
                    }
                    Handshake::Ended => told.push(PollEvent::Failed(key, CloseReason::EndOfInput)),
                    Handshake::Lost => {
                        told.push(PollEvent::Failed(key, CloseReason::ConnectionLost));
                    }
                    Handshake::Failed => {
                        told.push(PollEvent::Failed(key, CloseReason::TlsFailed));
                        return true;
                    }
                }
                false
            }
            // Whoever it was has gone.
            _ => false,
        }
    }

    /// Something has come of a PROXY header.
    fn pass_header(&mut self, key: ConnectionKey, read: HeaderRead, told: &mut Vec<PollEvent>) {
        let failed = match read {
            HeaderRead::Waiting => return,
            HeaderRead::Whole(source) => {
                told.push(PollEvent::Source(key, source));
                None
            }
            HeaderRead::Wrong => Some(CloseReason::WrongProxyHeader),
            HeaderRead::Ended => Some(CloseReason::EndOfInput),
            HeaderRead::Lost => Some(CloseReason::ConnectionLost),
        };
        let link = mem::replace(&mut self.links[key.index()], Link::Console);
        let Link::Header(header, _) = link else { return };
        let (stream, _, spec) = *header;
        let prelude = Prelude { tls: spec.prelude.tls && failed.is_none(), proxy: false };
        let (link, linked) = self.link(stream, ListenerSpec { prelude, ..spec }, key);
        self.links[key.index()] = link;
        let failed = failed.or(linked.err().map(|_| CloseReason::ConnectionLost));
        match failed {
            Some(reason) => told.push(PollEvent::Failed(key, reason)),
            None if prelude.tls => {}
            None => told.push(PollEvent::Prepared(key)),
        }
        // What came with the header, or instead of one, is still to be read.
        if !prelude.tls {
            told.push(PollEvent::Readable(key));
        }
    }
}

/// Puts somebody on the list of those of whom something may have come, once.
fn queue(list: &mut VecDeque<ConnectionKey>, queued: &mut bool, key: ConnectionKey) {
    if !mem::replace(queued, true) {
        list.push_back(key);
    }
}

/// Whether browsers speak it, who like to be told which HTTP it is.
#[cfg(feature = "tls")]
fn is_http(dialect: Dialect) -> bool {
    dialect.name() == "web"
}

/// Reads the certificates, if any listener needs them or any are given.
#[cfg(feature = "tls")]
fn open_certificates(
    config: &Config,
    waker: &Arc<Waker>,
) -> Result<Option<Certificates>, StartError> {
    let Some(files) = certificate_files(config) else { return Ok(None) };
    let clock = || present().unix_seconds;
    let opened = Certificates::open(files, config.tls.checked_every, clock, waker);
    opened.map(Some).map_err(|error| StartError::Certificate(error.to_string()))
}

#[cfg(feature = "tls")]
fn certificate_files(config: &Config) -> Option<Files> {
    let TlsFiles { certs, keys, .. } = &config.tls;
    (!certs.is_empty()).then(|| Files { certs: certs.clone(), keys: keys.clone() })
}

/// Reads the certificates of `config`, as a server would that starts.
///
/// # Errors
/// If one cannot be used.
#[cfg(feature = "tls")]
pub fn check_certificates(config: &Config) -> Result<(), StartError> {
    let checked = certificate_files(config)
        .map_or(Ok(()), |files| Certificates::check(&files, present().unix_seconds));
    checked.map_err(|error| StartError::Certificate(error.to_string()))?;
    #[cfg(feature = "relay")]
    config.relay.as_ref().map(relay::trust_of).transpose()?;
    Ok(())
}

/// Whether only the machine itself can reach that.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Says what is known of who can read what is said there, and who can pretend to come from
/// somewhere else.
fn warn_of_exposure(spec: ListenerSpec) {
    let ListenerSpec { dialect, prelude, address } = spec;
    if is_loopback(address) {
        return;
    }
    if !prelude.tls {
        let with = match dialect.transport() {
            Transport::Tcp => format!("; --listen {dialect}+tls=… encrypts it"),
            Transport::Udp => String::new(),
        };
        log::warn!("{dialect} on {address} is not encrypted, and others can reach it{with}");
    }
    if prelude.proxy {
        log::warn!(
            "whoever reaches {address} can say that they come from anywhere (+proxy): \
             only the proxy should"
        );
    }
}

impl Sockets for MioSockets {
    type Handle = Comer;

    fn now(&self) -> Now {
        present()
    }

    fn random(&mut self) -> Option<[u8; TOKEN_BYTES]> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).ok().map(|()| bytes)
    }

    fn poll(&mut self, timeout: Option<Duration>, told: &mut Vec<PollEvent>) -> io::Result<usize> {
        match self.poll.poll(&mut self.events, timeout) {
            // A signal: its event is there, or will be in the next turn. Or the process was
            // stopped, and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        let mut count = 0;
        for event in &events {
            self.tell(event, told);
            count += 1;
        }
        self.events = events;
        // What these have to say is not in their events, and they are cheap to ask. The loop was
        // woken, perhaps by one of them.
        if let Some((_, key)) = self.console
            && let Some(Link::Console) = self.links.get(key.index())
        {
            told.push(PollEvent::Readable(key));
        }
        told.extend(self.bots.iter().copied().map(PollEvent::Readable));
        let Received { mut stops, hangups } = self.signals.received();
        stops += usize::from(self.handles.poll_stop());
        if self.rereads {
            self.hung_up |= hangups > 0;
        } else {
            stops += hangups;
        }
        told.extend((0..stops).map(|_| PollEvent::Stop));
        told.extend(self.unread.drain(..).map(PollEvent::Readable));
        Ok(count)
    }

    fn is_ready(&self) -> bool {
        self.listeners.iter().any(|(_, listener)| listener.is_ready())
            || self.datagrams.iter().any(|(_, datagrams)| datagrams.is_readable())
            || !self.preparing.is_empty()
            || !self.unread.is_empty()
    }

    fn retry_at(&self) -> Option<Instant> {
        let listeners = self.listeners.iter().filter_map(|(_, listener)| listener.retry_at());
        #[cfg(feature = "relay")]
        let listeners = {
            let relay = self.relay.as_ref().and_then(Relay::poll_timeout);
            listeners.chain(relay)
        };
        listeners.min()
    }

    #[cfg(feature = "relay")]
    fn relay(&mut self, hub: &mut Hub, now: Now) {
        if let Some(relay) = &mut self.relay {
            relay.run(hub, self.poll.registry(), now);
        }
    }

    fn count(&self) -> usize {
        self.links.len() + self.listeners.len() + self.datagrams.len() + 1
    }

    fn listeners(&self) -> usize {
        self.listeners.len()
    }

    fn accept(&mut self, listener: usize, now: Instant) -> Option<Accepted<Comer>> {
        let (spec, listener) = &mut self.listeners[listener];
        let (socket, remote) = listener.accept(now)?;
        let (dialect, prelude) = (spec.dialect, spec.prelude);
        let is_exposed = !prelude.tls && !is_loopback(spec.address);
        let handle = Comer { socket, spec: *spec };
        Some(Accepted { handle, dialect, prelude, remote, is_exposed })
    }

    fn open(&mut self, key: ConnectionKey, Comer { socket, spec }: Comer) -> io::Result<()> {
        let mut stream = Stream::new(socket, token_of(key));
        if let Err(error) = stream.prepare() {
            log::debug!("a connection is gone already: {error}");
        }
        let watched = stream.watch(self.poll.registry());
        let (link, linked) = if spec.prelude.proxy {
            (Link::Header(Box::new((stream, HeaderReader::default(), spec)), key), Ok(()))
        } else {
            self.link(stream, spec, key)
        };
        self.add(key, link);
        watched.and(linked)
    }

    fn prepare(&mut self, told: &mut Vec<PollEvent>) {
        let mut hellos = 0;
        for _ in 0..self.preparing.len().min(STEPS_PER_TURN) {
            let Some(key) = self.preparing.pop_front() else { break };
            hellos += usize::from(self.take_step(key, told));
            if hellos == HELLOS_PER_TURN {
                break;
            }
        }
    }

    fn turn_away(&mut self, Comer { socket, spec }: Comer, farewell: &[u8]) {
        if spec.prelude.is_empty() {
            turn_away(&mut Stream::new(socket, WAKER), farewell); // it is never watched
        }
    }

    fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    fn datagram_sockets(&self) -> usize {
        self.datagrams.len()
    }

    fn receive(&mut self, socket: usize, buffer: &mut [u8]) -> Option<Datagram> {
        let (dialect, datagrams) = &mut self.datagrams[socket];
        let (bytes, remote) = datagrams.receive(buffer)?;
        Some(Datagram { bytes, dialect: *dialect, remote, key: datagrams.peer_at(remote) })
    }

    fn open_datagrams(&mut self, key: ConnectionKey, socket: usize, remote: SocketAddr) {
        self.datagrams[socket].1.add(key, remote);
        self.add(key, Link::Datagrams(socket as u32));
    }

    fn read(&mut self, key: ConnectionKey, buffer: &mut [u8]) -> io::Result<usize> {
        match (&mut self.links[key.index()], &mut self.console) {
            (Link::Stream(stream, _), _) => stream.read(buffer),
            #[cfg(feature = "tls")]
            (Link::Tls(stream, key), _) => {
                let read = stream.read(buffer);
                if mem::take(&mut stream.unread) {
                    self.unread.push(*key);
                }
                if read.is_err() {
                    // What came may have been answered by TLS itself.
                    stream.flush()?;
                    stream.watch_writable(false, self.poll.registry())?;
                }
                read
            }
            (Link::Console, Some((console, _))) => console.read(buffer),
            (Link::Bot(bot), _) => bot.read(buffer),
            (Link::Console | Link::Datagrams(_) | Link::Header(..), _) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    fn write(&mut self, key: ConnectionKey, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&mut self.links[key.index()], &mut self.console) {
            (Link::Stream(stream, _), _) => stream.write(slices),
            #[cfg(feature = "tls")]
            (Link::Tls(stream, _), _) => stream.write(slices),
            (Link::Datagrams(index), _) => self.datagrams[*index as usize].1.send(key, slices),
            (Link::Console, Some((console, _))) => Ok(console.write(slices)),
            (Link::Bot(bot), _) => Ok(bot.write(slices)),
            (Link::Console, None) | (Link::Header(..), _) => {
                Err(io::ErrorKind::NotConnected.into())
            }
        }
    }

    fn watch_writable(&mut self, key: ConnectionKey, wanted: bool) -> io::Result<()> {
        let registry = self.poll.registry();
        match &mut self.links[key.index()] {
            Link::Stream(stream, _) => stream.watch_writable(wanted, registry),
            #[cfg(feature = "tls")]
            Link::Tls(stream, _) => stream.watch_writable(wanted, registry),
            Link::Datagrams(index) if wanted => {
                self.datagrams[*index as usize].1.note_blocked(key, registry)
            }
            Link::Datagrams(_) | Link::Console | Link::Bot(_) | Link::Header(..) => Ok(()),
        }
    }

    fn flush(&mut self, key: ConnectionKey) -> io::Result<bool> {
        match &mut self.links[key.index()] {
            #[cfg(feature = "tls")]
            Link::Tls(stream, _) => stream.flush(),
            _ => Ok(true),
        }
    }

    fn finish(&mut self, key: ConnectionKey) -> io::Result<bool> {
        match &mut self.links[key.index()] {
            #[cfg(feature = "tls")]
            Link::Tls(stream, _) => stream.finish(),
            _ => Ok(true),
        }
    }

    fn shut(&mut self, key: ConnectionKey) -> bool {
        match &mut self.links[key.index()] {
            Link::Stream(stream, _) => {
                stream.shut();
                true
            }
            // What comes now is nobody's, but must be read.
            Link::Header(header, _) => {
                header.0.shut();
                let socket = mem::replace(&mut self.links[key.index()], Link::Console);
                if let Link::Header(header, _) = socket {
                    self.links[key.index()] = Link::Stream(header.0, key);
                }
                self.unread.push(key);
                true
            }
            #[cfg(feature = "tls")]
            Link::Tls(stream, _) => {
                stream.shut();
                // If that cannot be told, the linger ends it.
                let _ = stream.watch_writable(false, self.poll.registry());
                self.unread.push(key);
                true
            }
            // There is no other side that could still send.
            Link::Datagrams(_) | Link::Console | Link::Bot(_) => false,
        }
    }

    fn close(&mut self, key: ConnectionKey) {
        match self.links.remove(key.index()) {
            Link::Datagrams(index) => self.datagrams[index as usize].1.remove(key),
            Link::Bot(_) => self.bots.retain(|bot| *bot != key),
            _ => {}
        }
    }

    fn is_writing(&self) -> bool {
        self.console.as_ref().is_some_and(|(console, _)| console.is_writing())
    }
}

impl fmt::Display for StartError {
    /// One sentence that says what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Certificate(sentence) | StartError::Archive(sentence) => {
                f.write_str(sentence)
            }
            StartError::Bind { listener, error, instead } => {
                let (why, advice) = match error.kind() {
                    io::ErrorKind::AddrInUse => (
                        "another program has it".to_owned(),
                        "stop that one, or choose another port",
                    ),
                    io::ErrorKind::PermissionDenied => (
                        "this needs rights that you do not have".to_owned(),
                        "choose a port above 1023",
                    ),
                    io::ErrorKind::AddrNotAvailable => {
                        ("this machine has no such address".to_owned(), "choose one that it has")
                    }
                    _ => (error.to_string(), "choose another address"),
                };
                let instead: Vec<_> = instead.iter().map(|it| format!("-l {it}")).collect();
                let (address, instead) = (listener.address, instead.join(" "));
                write!(f, "cannot listen on {address}: {why}; {advice}, as in {instead}")
            }
            StartError::Descriptors(limit) => write!(
                f,
                "the limit of {limit} open files leaves room for fewer than {CLIENTS_MIN} clients; \
                 raise it, as with ulimit -n 1024"
            ),
            StartError::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What to say of a listener that cannot be opened. If its port is in use, one of those after it
/// that is free is named.
fn cannot_bind(all: &[ListenerSpec], listener: ListenerSpec, error: io::Error) -> StartError {
    let wanted = listener.address;
    let is_free = |address: SocketAddr| match listener.dialect.transport() {
        Transport::Tcp => std::net::TcpListener::bind(address).is_ok(),
        Transport::Udp => std::net::UdpSocket::bind(address).is_ok(),
    };
    let address = if error.kind() == io::ErrorKind::AddrInUse {
        let ports = (1..PORTS_TRIED).filter_map(|more| wanted.port().checked_add(more));
        let mut addresses = ports.map(|port| SocketAddr::new(wanted.ip(), port));
        let is_ours = |address| all.iter().any(|other| other.address == address);
        addresses.find(|address| !is_ours(*address) && is_free(*address))
    } else {
        None
    };
    let address =
        address.unwrap_or(ListenerSpec::usual_after(listener.dialect, listener.prelude).address);
    let other = |it: &ListenerSpec| match *it == listener {
        true => ListenerSpec { address, ..listener },
        false => *it,
    };
    StartError::Bind { listener, error, instead: all.iter().map(other).collect() }
}

/// The token of a connection's socket. What of the generation does not fit in is left out; it tells
/// a socket from those that had its place shortly before.
fn token_of(key: ConnectionKey) -> Token {
    Token(((key.generation() as usize) << KEY_BITS) | key.index())
}

/// Opens the archive, if one is wanted, and has the chat go on where it ended; and starts the
/// keeper of accounts.
#[cfg(feature = "data")]
fn open_archive(
    config: &Config,
    event_loop: &mut EventLoop,
    waker: &Arc<Waker>,
) -> Result<(Option<Archive>, Option<Keeper>), StartError> {
    let (mut archive, mut known) = (None, Vec::new());
    if let Some(data) = &config.data {
        let settings = Settings {
            file: data.file.clone(),
            keep: data.keep,
            keep_rooms: data.keep_rooms.clone(),
            rooms_max: config.limits.rooms_max,
            history_lines_max: config.limits.history_lines_max,
        };
        let opened = Archive::open(&settings, present().unix_seconds, wake_with(waker));
        let (opened, mut kept) = opened.map_err(|error| StartError::Archive(error.to_string()))?;
        // What nobody looks after, the chat is not told of.
        if !needs_keeper(config) {
            kept.accounts.clear();
        }
        known.clone_from(&kept.accounts);
        event_loop.hub.restore(kept);
        archive = Some(opened);
    }
    let keeper = start_keeper(config, known, waker).map_err(StartError::System)?;
    Ok((archive, keeper))
}

/// Whether there can be accounts, or operators with a password.
#[cfg(feature = "data")]
fn needs_keeper(config: &Config) -> bool {
    config.has_accounts() || !config.operator_passwords.is_empty()
}

/// Starts the keeper of accounts, if it is needed. The chat knows of these accounts.
#[cfg(feature = "data")]
fn start_keeper(
    config: &Config,
    known: Vec<Nickname>,
    waker: &Arc<Waker>,
) -> io::Result<Option<Keeper>> {
    if !needs_keeper(config) {
        return Ok(None);
    }
    let file = config.data.as_ref().map(|data| &*data.file);
    Keeper::open(file, known, present().unix_seconds, wake_with(waker)).map(Some)
}

/// Wakes the loop from another thread. If it cannot be woken, it looks at its next turn.
fn wake_with(waker: &Arc<Waker>) -> impl Fn() + Send + Sync + 'static {
    let waker = Arc::clone(waker);
    move || drop(waker.wake())
}

/// The time, taken here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn present() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Now { instant: Instant::now(), unix_seconds: unix.unwrap_or_default().as_secs() }
}

/// Says goodbye to somebody for whom there is no place, as well as that can be done at once: what
/// they have already sent is read, for closing would otherwise discard what we write; but not
/// without end, for they may be faster than we are.
fn turn_away(stream: &mut Stream, farewell: &[u8]) {
    if stream.write(&[IoSlice::new(farewell)]).is_ok() {
        stream.shut();
        let mut scratch = [0; 16 * 1024];
        let mut left = TURNED_AWAY_BYTES;
        while left > 0
            && let Ok(bytes @ 1..) = stream.read(&mut scratch)
        {
            left = left.saturating_sub(bytes);
        }
    }
}

/// Raises the limit of open descriptors to what the configuration needs. Returns how many clients
/// there can be: as many as were asked for, or fewer if the system allows no more.
fn clients_within_descriptors(config: &Config) -> Result<usize, StartError> {
    let wanted = config.limits.clients_max;
    let others = OTHER_DESCRIPTORS + config.listeners.len() + TURNED_AWAY_MAX;
    let limit = descriptors::limit((wanted + others) as u64);
    let possible = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(others);
    if possible >= wanted {
        return Ok(wanted);
    }
    if possible < CLIENTS_MIN {
        return Err(StartError::Descriptors(limit));
    }
    log::warn!(
        "--max-clients is lowered from {wanted} to {possible}: the limit of open files is {limit}"
    );
    Ok(possible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn whoever_is_turned_away_is_not_read_for_ever() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 18).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut stream = Stream::new(TcpStream::from_std(socket), Token(0));
        // More than is read of it, and less than its socket holds.
        client.write_all(&vec![b'x'; TURNED_AWAY_BYTES + 32 * 1024]).unwrap();
        turn_away(&mut stream, b"no\n");
        assert!(matches!(stream.read(&mut [0; 1024]), Ok(1..)), "all of it was read");
        let mut told = Vec::new();
        client.read_to_end(&mut told).unwrap();
        assert_eq!(told, b"no\n");
    }
}

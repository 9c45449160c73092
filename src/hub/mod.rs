//! The hub: the whole chat as a state machine without sockets, clock, threads or randomness. It is
//! told what happened, and asked what to do. In which order, stands in [`turn`](crate::turn), which
//! does both.
//!
//! # Handlers: what happened
//! - to a connection: [`Hub::handle_connect`], [`Hub::handle_connect_after`],
//!   [`Hub::handle_source`], [`Hub::handle_prepared`], [`Hub::handle_prelude_failed`],
//!   [`Hub::handle_input`], [`Hub::handle_broken`], [`Hub::handle_read_drained`],
//!   [`Hub::handle_unread`], [`Hub::handle_end`], [`Hub::handle_disconnect`],
//!   [`Hub::handle_written`], [`Hub::handle_held_back`], [`Hub::handle_flushed`],
//!   [`Hub::handle_blocked`], [`Hub::handle_writable`], [`Hub::handle_shut`],
//!   [`Hub::handle_closed`];
//! - to all: [`Hub::handle_timeout`], [`Hub::handle_input_done`], [`Hub::handle_output_done`],
//!   [`Hub::handle_turn_end`], [`Hub::handle_stop`], [`Hub::handle_random`];
//! - in a log that servers share: [`Hub::handle_relayed`], [`Hub::handle_relay_reset`],
//!   [`Hub::handle_relay_live`], [`Hub::handle_relay_missing`].
//!
//! # Pollers: what to do
//! They change nothing but what they hand out.
//! - Questions, which may be asked again: [`Hub::poll_timeout`], [`Hub::wants_input`],
//!   [`Hub::is_finished`], [`Hub::poll_random`]; and [`Hub::poll_transmit`], until
//!   [`Hub::handle_written`].
//! - Lists, of which each key is handed out once: [`Hub::poll_resumed`], [`Hub::poll_writers`],
//!   [`Hub::poll_closed`].
//!
//! Handlers and pollers are here. A connection is in `connection.rs`. What becomes of input is in
//! `input.rs`, whom that is told in `telling.rs` and `presence.rs`, what comes before a dialect and
//! from behind proxies in `preparing.rs`, who is too far behind in `backlog.rs`, how connections
//! end in `closing.rs`, who comes back in `returning.rs`, what is answered later in `requests.rs`,
//! whose a name is in `accounts.rs`, what is shared with other servers in `relaying.rs` (what
//! follows in `next.rs`, who comes back at another one in `passes.rs`, whose a name is in
//! `shared_accounts.rs`, how the command line changes that in `visiting.rs`), who is put out and
//! kept out in `moderation.rs`, and what time brings in `deadlines.rs`. How the bytes of a
//! connection are to be understood is its session's business (`dialect/session.rs`).

mod accounts;
mod addresses;
mod backlog;
mod bots;
mod closing;
mod connection;
mod deadlines;
mod input;
mod irc;
mod moderation;
mod next;
mod passes;
mod preparing;
mod presence;
mod relaying;
mod requests;
mod returning;
mod shared_accounts;
mod telling;
mod tickets;
#[cfg(all(feature = "data", feature = "relay"))]
mod visiting;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use self::addresses::{AddressKey, Addresses};
pub use self::bots::JoinError;
use self::closing::{TurnedAway, level};
use self::connection::{Connection, Connections, LINGER, State, Wait};
use self::input::is_owed_much;
use self::irc::Irc;
use self::relaying::Relaying;
pub use self::relaying::{Relayed, VISITOR};
use self::returning::Keyed;
use self::tickets::Tickets;
#[cfg(all(feature = "data", feature = "relay"))]
pub use self::visiting::{Visit, Wish};
use crate::archive::{Record, Request};
use crate::author::{Cloak, Extra};
use crate::chat::{
    AccountFact, Authority, Chat, EntryId, Fact, Policy, Recorded, Room, RoomKey, Standing, User,
    UserKey,
};
use crate::config::{Config, Limits, Password, Prelude};
use crate::delivery::{Channel, Journals, Lists};
use crate::dialect::decoder::extend_within;
use crate::dialect::{Dialect, Framing, Gap, Lang, Naming, Session, Settings, Transport};
use crate::event::{CloseReason, Event};
use crate::key::ConnectionKey;
use crate::metrics::{BUSIEST_ROOMS, Metrics, Process, RoomMetrics};
use crate::nickname::Nickname;
use crate::rights::Flag;
use crate::text;
use crate::timers::{Now, Timers};

/// Connections beyond `--max-clients` that may be there at once to be told that they cannot come
/// in. Whoever comes when there are so many is told so in passing.
pub const TURNED_AWAY_MAX: usize = 16;

/// Somebody who is owed more than this alone is not listened to until it has been read.
const OWN_BYTES_MAX: usize = 64 * 1024;

/// Datagrams of somebody who is not listened to are kept up to this and a line.
const HELD_BYTES_MAX: usize = 16 * 1024;

/// Whoever has given so many wrong passwords of the server is closed; of an account, asked for
/// another name.
const WRONG_PASSWORDS_MAX: u8 = 3;

/// Entries are numbered from the time when the server began, in seconds, with so many bits behind
/// it: no server has that many entries a second, so one that begins later goes on higher.
const ENTRIES_PER_SECOND_BITS: u32 = 20;

/// The chat.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    lang: Lang,
    motd: Vec<String>,
    connections: Connections,
    /// Users, names and rooms.
    chat: Chat,
    /// The number of the last entry.
    last_entry: EntryId,
    /// All entries until now, if they are wanted.
    recorded: Option<Recorded>,
    /// What everybody must know who comes in, if anything.
    password: Option<Password>,
    /// All that was said and somebody has not got.
    journals: Journals,
    /// How each room is delivered, by its place.
    channels: Vec<Channel>,
    /// Rooms for which something is to be done, in this turn or later.
    active: Vec<RoomKey>,
    /// Answers that many share.
    lists: Lists,
    /// Some who do not read have more ranges to leave out than they may.
    skips_abound: bool,
    /// Bytes of private messages since everyone was last written to.
    private_bytes: usize,
    /// How many are in rooms, by dialect.
    members: [usize; Dialect::COUNT],
    timers: Timers,
    /// Who may come back after being cut off.
    tickets: Tickets,
    /// Who is coming back just now.
    returning: Option<ConnectionKey>,
    /// The key of what is being done.
    keyed: Option<Keyed>,
    /// Who does what is being told.
    acting: Option<UserKey>,
    /// How an IRC client says what it says now, if there is more to it.
    saying: Option<Box<Extra>>,
    /// How an IRC client said it, if there is more to it.
    extra: Option<Extra>,
    /// What IRC clients alone can ask for.
    irc: Irc,
    /// What is shared with other servers, if anything.
    relay: Option<Box<Relaying>>,
    addresses: Addresses,
    /// Connections that were let in and whose sockets are not gone.
    clients: usize,
    /// Newcomers who wait until more can be let in. Who waits for a room is in its channel.
    awaiting_turn: VecDeque<ConnectionKey>,
    /// Whom the server may read again.
    resumed: Vec<ConnectionKey>,
    closed: Vec<ConnectionKey>,
    /// What is to be kept, and has not been taken out yet.
    records: Vec<Record>,
    /// What is to be looked up, and for whom.
    requests: VecDeque<(ConnectionKey, Request)>,
    /// Who waits for an answer, and for which address they count.
    asking: Vec<(ConnectionKey, Option<AddressKey>)>,
    /// Those of them who have gone.
    cancelled: Vec<ConnectionKey>,
    closings: [u64; CloseReason::COUNT],
    /// Of whom the log is told.
    turned_away: TurnedAway,
    /// What is counted here; the rest of it is asked for when it is wanted.
    counts: Metrics,
    now: Now,
    /// What sessions go by.
    settings: Settings,
    /// From where a request may say for whom it was forwarded.
    trusted_proxies: Vec<IpNet>,
    /// Operators of the server who have a password, and what it gives when it is hashed.
    operator_passwords: Vec<(Nickname, String)>,
    /// Passwords are also taken where others can read them on their way.
    insecure_passwords: bool,
    /// An operator wants the configuration to be read again.
    wants_reload: bool,
    /// Asks the system how the process is, for the metrics alone.
    measure: Option<fn() -> Process>,
}

impl Hub {
    /// An empty room, at the time `now`.
    #[must_use]
    pub fn new(config: &Config, now: Now) -> Hub {
        // Numbers of before a restart are never met again.
        let last_entry = now.unix_seconds << ENTRIES_PER_SECOND_BITS;
        let mut chat = Chat::new(&config.limits, last_entry, &config.lobby, &config.rooms);
        chat.set_policy(policy(config));
        chat.set_cloak(config.cloak.then_some(Cloak::default()));
        Hub {
            limits: config.limits,
            lang: config.lang,
            motd: cleaned(&config.motd),
            connections: Connections::default(),
            channels: chat.rooms().map(|_| Channel::default()).collect(),
            chat,
            last_entry,
            recorded: None,
            password: config.password.clone(),
            journals: Journals::default(),
            active: Vec::new(),
            lists: Lists::default(),
            skips_abound: false,
            private_bytes: 0,
            members: [0; Dialect::COUNT],
            timers: Timers::default(),
            tickets: Tickets::default(),
            returning: None,
            keyed: None,
            acting: None,
            saying: None,
            extra: None,
            irc: Irc::new(now.unix_seconds),
            relay: None,
            addresses: Addresses::default(),
            clients: 0,
            awaiting_turn: VecDeque::new(),
            resumed: Vec::new(),
            closed: Vec::new(),
            records: Vec::new(),
            requests: VecDeque::new(),
            asking: Vec::new(),
            cancelled: Vec::new(),
            closings: [0; CloseReason::COUNT],
            turned_away: TurnedAway::default(),
            counts: Metrics::default(),
            now,
            settings: config.session_settings(),
            trusted_proxies: config.trusted_proxies.clone(),
            operator_passwords: config.operator_passwords.clone(),
            insecure_passwords: config.insecure_passwords,
            wants_reload: false,
            measure: None,
        }
    }

    /// What takes effect at once of `config` does so; the rest of it is not looked at.
    pub fn update(&mut self, config: &Config, now: Now) {
        self.now = now;
        // The console is a client that no limit turns away.
        let consoles = usize::from(config.console.is_some());
        self.limits = Limits { clients_max: config.limits.clients_max + consoles, ..config.limits };
        self.motd = cleaned(&config.motd);
        self.password = config.password.clone();
        let page = self.settings.page.take();
        let is_away = self.settings.is_away;
        self.settings = Settings { page, is_away, ..config.session_settings() };
        self.chat.set_limits(&config.limits);
        self.operator_passwords.clone_from(&config.operator_passwords);
        self.insecure_passwords = config.insecure_passwords;
        self.chat.set_policy(policy(config));
        self.update_operators();
        // Those who wait for something may have to wait for less.
        for key in self.connections.keys() {
            self.arm(key);
        }
    }

    /// Whoever is an operator by an account or a password is one no more if that is none any more;
    /// and who is logged in to an account is one if its owner is.
    fn update_operators(&mut self) {
        let authority_of = |user: &User| match user.authority() {
            Some(Authority::Password(name))
                if !self.operator_passwords.iter().any(|(known, _)| known == name) =>
            {
                None
            }
            Some(Authority::Account) | None => {
                let is_operator = user.account().is_some_and(|it| self.chat.is_operators(it));
                is_operator.then_some(Authority::Account)
            }
            Some(authority) => Some(authority.clone()),
        };
        let users = self.chat.all_users();
        let now = users.map(|(key, user)| (key, user.authority().cloned(), authority_of(user)));
        let changed: Vec<_> = now.filter(|(_, before, now)| before != now).collect();
        for (user, _, by) in changed {
            self.propose(Fact::Account(AccountFact::Operator { user, by }));
        }
    }

    /// Whether an operator wants the configuration to be read again; told once.
    pub fn poll_reload(&mut self) -> bool {
        std::mem::take(&mut self.wants_reload)
    }

    /// From now on this hides from where people come, if they are to be hidden.
    pub fn set_cloak(&mut self, cloak: Cloak) {
        let is_on = self.chat.cloak().is_some();
        self.chat.set_cloak(is_on.then_some(cloak));
    }

    /// There is a page for browsers at this address; or none.
    pub fn show_page_at(&mut self, address: Option<SocketAddr>) {
        self.settings.page = address;
    }

    /// From now on the metrics tell what `measure` says too.
    pub fn measure_with(&mut self, measure: fn() -> Process) {
        self.measure = Some(measure);
    }

    // ── what happened ────────────────────────────────────────────────────────────────────────────

    /// Somebody came through a door. Returns the key under which it is known from now on.
    ///
    /// # Errors
    /// The reason, if it cannot come in and there are many such already: then the server may still
    /// send it its [`farewell`](Self::farewell), and drops it.
    pub fn handle_connect(
        &mut self,
        dialect: Dialect,
        remote: SocketAddr,
        now: Now,
    ) -> Result<ConnectionKey, CloseReason> {
        self.now = now;
        let refused = self.refusal(dialect, remote, Prelude::default());
        // Nobody who is only to be told that they cannot come in may take the place of others.
        let turned_away = self.connections.len() - self.clients;
        if let Some(reason) = refused
            && turned_away >= TURNED_AWAY_MAX
        {
            self.note_turned_away(dialect, remote, reason);
            return Err(reason);
        }
        let session = Session::new(dialect, &self.settings, now.instant);
        let state = self.first_state(dialect, &session);
        let new = |key| Connection::new(key, remote, dialect, session, state);
        let key = self.connections.insert(new);
        if refused.is_none() {
            self.clients += 1;
            self.enter_address(key);
            if self.connections[key].session.is_open() {
                self.pace_connect(key);
            }
        }
        self.connections[key].turned_away = refused.is_some();
        match (refused, dialect.spec().naming) {
            (Some(reason), _) => self.close(key, reason, ""),
            (None, Naming::Asked | Naming::Once) => {
                let count = self.clients;
                log::log!(level(dialect), "connected: {remote} at {dialect} ({count} connections)");
                if let State::AwaitingNick { .. } = self.connections[key].state {
                    self.ask(key);
                }
            }
            (None, Naming::Address) => self.join_by_address(key),
        }
        self.arm(key);
        Ok(key)
    }

    /// Lets somebody in who is called by their address.
    fn join_by_address(&mut self, key: ConnectionKey) {
        let name = address_name(self.connections[key].remote);
        self.join_as(key, &name, 2);
    }

    /// What `key` sends can be read by others on its way, and what it is sent.
    pub fn note_exposed(&mut self, key: ConnectionKey) {
        self.connections[key].is_exposed = true;
    }

    /// The server's own terminal takes a seat in the room as `name`. It is a peer like others, but
    /// no limit turns it away.
    pub fn add_console(&mut self, name: &str, now: Now) -> ConnectionKey {
        self.now = now;
        self.limits.clients_max += 1;
        self.clients += 1;
        let remote = SocketAddr::from(([127, 0, 0, 1], 0));
        let state = awaiting_nick(now.instant, None);
        let session = Session::new(Dialect::Lines, &self.settings, now.instant);
        let new = |key| Connection::new(key, remote, Dialect::Lines, session, state);
        let key = self.connections.insert(new);
        self.name_console(key, name);
        self.note_console(key, name);
        key
    }

    /// The server's own terminal has this name, or one with a suffix.
    fn name_console(&mut self, key: ConnectionKey, name: &str) {
        let standing = Standing { authority: Some(Authority::Console), ..Standing::default() };
        self.join_with(key, (&Nickname::unchecked(name), 2), &standing);
    }

    /// What somebody is sent whom [`handle_connect`](Self::handle_connect) would not take for this
    /// reason.
    #[must_use]
    pub fn farewell(&self, dialect: Dialect, reason: CloseReason) -> Vec<u8> {
        dialect.closed_unopened(self.lang, reason)
    }

    /// `bytes` came from `key`; from a peer over UDP, one datagram. What cannot be heard now is
    /// kept; so do not read more from someone whose input is not wanted
    /// ([`wants_input`](Self::wants_input)). Where one socket is read for all, what one of them
    /// sends beyond 16 KiB and a line in that time is lost, as it would be in the socket.
    pub fn handle_input(&mut self, key: ConnectionKey, bytes: &[u8], now: Now) {
        self.now = now;
        self.connections[key].may_read = false;
        self.counts.bytes_received += bytes.len() as u64;
        self.connections[key].session.note_alive(&self.settings, now.instant);
        let held_bytes_max = HELD_BYTES_MAX + self.limits.line_bytes_max;
        let datagram = self.connections[key].dialect.framing() == Framing::Datagrams;
        let bytes = if datagram { Cow::Owned(as_line(bytes)) } else { Cow::Borrowed(bytes) };
        match &mut self.connections[key].waiting {
            Some(waiting) if datagram && waiting.held.len() + bytes.len() > held_bytes_max => {}
            Some(waiting) => extend_within(&mut waiting.held, &bytes, held_bytes_max),
            None => self.process(key, &bytes),
        }
        if datagram
            && matches!(self.connections[key].state, State::AwaitingNick { .. })
            && self.connections[key].wait() != Some(Wait::Relay)
        {
            // The first datagram gave no name.
            self.close(key, CloseReason::WrongProtocol, "");
        }
        self.arm(key);
    }

    /// All that `key` has sent for now has been received.
    pub fn handle_read_drained(&mut self, key: ConnectionKey, now: Now) {
        self.now = now;
        self.connections[key].may_read = false;
        if self.connections[key].dialect.framing() == Framing::Arrivals {
            match &mut self.connections[key].waiting {
                Some(waiting) => waiting.read_drained = true,
                None => self.end_arrival(key),
            }
            self.arm(key);
        }
    }

    /// `key` is not read, for its input is not wanted ([`wants_input`](Self::wants_input)). It
    /// comes out of [`poll_resumed`](Self::poll_resumed) when it is.
    pub fn handle_unread(&mut self, key: ConnectionKey) {
        self.connections[key].may_read = false;
        self.must_wait(key, self.is_awaited(key));
        match &mut self.connections[key].waiting {
            Some(waiting) => waiting.resume_reading = true,
            None => self.resumed.push(key),
        }
        self.arm(key);
    }

    /// `key` will send no more. What it has said is still heard, then it leaves.
    pub fn handle_end(&mut self, key: ConnectionKey, now: Now) {
        self.now = now;
        self.connections[key].may_read = false;
        self.connections[key].input_ended = true;
        if self.connections[key].waiting.is_none() {
            self.leave_after_input(key);
            self.arm(key);
        }
    }

    /// The connection of `key` broke.
    pub fn handle_disconnect(&mut self, key: ConnectionKey, now: Now) {
        self.now = now;
        self.close(key, CloseReason::ConnectionLost, "");
        self.arm(key);
    }

    /// What came from `key` broke the rules of what carries its bytes.
    pub fn handle_broken(&mut self, key: ConnectionKey, now: Now) {
        self.now = now;
        self.close(key, CloseReason::TlsFailed, "");
        self.arm(key);
    }

    /// The time is `now`: does what is due, and listens to those who had to wait.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(key) = self.timers.due(now.instant) {
            self.expire(key);
            self.arm(key);
        }
        self.wait_no_longer();
        self.handle_relay_timeout();
        self.tell_late();
        self.resume_newcomers();
        // Whoever goes on may leave a room, which is then gone.
        let mut place = 0;
        while let Some(room) = self.active.get(place).copied() {
            self.resume_talkers(room);
            place += 1;
        }
    }

    /// All have been read who are read in this turn: what was gathered is told, and who is too far
    /// behind is closed.
    pub fn handle_input_done(&mut self, now: Now) {
        self.now = now;
        self.flush_due_presence();
        self.check_backlog();
        // Who is closed there is told of at once.
        self.flush_due_presence();
        self.journals.begin_output();
        self.chat.end_turn();
    }

    /// `bytes` of what [`poll_transmit`](Self::poll_transmit) gave for `key` have been written.
    /// Returns whether there may be more for it.
    pub fn handle_written(&mut self, key: ConnectionKey, bytes: usize, now: Now) -> bool {
        self.counts.bytes_sent += bytes as u64;
        let connection = &mut self.connections[key];
        let spec = connection.dialect.spec();
        let journals = &mut self.journals;
        connection.outbox.advance(journals, bytes);
        if spec.lf_separated {
            // The LF that was held back, after all that waited.
            connection.outbox.pass_last_lf(journals);
        }
        if !connection.outbox.is_within_insert() && connection.session.begin_gap(now.instant) {
            self.arm(key);
        }
        let connection = &mut self.connections[key];
        if let Some(blocked) = &mut connection.blocked {
            blocked.progress = now.instant;
            if connection.outbox.is_empty(&self.journals) {
                self.connections.unblock(key);
            }
            self.arm(key);
        }
        self.process_if_read(key);
        let connection = &self.connections[key];
        !connection.outbox.is_empty(&self.journals)
    }

    /// If somebody has to read what waits for them first, and has: they are listened to again.
    fn process_if_read(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.wait() != Some(Wait::Outbox) || is_owed_much(connection) {
            return;
        }
        if let Some(waiting) = &mut connection.waiting {
            waiting.why = Wait::Turn;
            self.await_turn(key);
        }
    }

    /// The socket of `key` takes no more, although something waits.
    pub fn handle_blocked(&mut self, key: ConnectionKey, now: Now) {
        self.connections.block(key, now.instant);
        self.arm(key);
    }

    /// Nothing waits for `key`, but what carries its bytes holds some back.
    pub fn handle_held_back(&mut self, key: ConnectionKey, now: Now) {
        self.connections.block(key, now.instant);
        if let Some(blocked) = &mut self.connections[key].blocked {
            blocked.below = true;
        }
        self.arm(key);
    }

    /// What carries the bytes of `key` holds none back any more.
    pub fn handle_flushed(&mut self, key: ConnectionKey) {
        if self.connections[key].blocked.as_ref().is_some_and(|blocked| blocked.below) {
            self.connections.unblock(key);
            self.arm(key);
        }
    }

    /// The socket of `key` takes more again.
    pub fn handle_writable(&mut self, key: ConnectionKey) {
        if let Some(blocked) = &mut self.connections[key].blocked {
            blocked.writable = true;
            self.connections.touch(key);
            self.arm(key);
        }
    }

    /// The write side of the socket of `key`, which was [finished](Self::is_finished), is shut.
    pub fn handle_shut(&mut self, key: ConnectionKey, now: Now) {
        let connection = &mut self.connections[key];
        if let State::Closing { shut, deadline, .. } = &mut connection.state {
            *shut = true;
            *deadline = (now.instant + LINGER).min(*deadline);
            if connection.input_ended || connection.dialect.transport() == Transport::Udp {
                self.drop_peer(key);
            }
        }
        self.arm(key);
    }

    /// All have been written to for whom there was something: what everyone has got is forgotten.
    pub fn handle_output_done(&mut self) {
        self.journals.end_turn();
        self.lists.end_turn();
        let channels = &mut self.channels;
        self.active.retain(|room| channels[room.place()].stays_active());
    }

    /// The socket of `key` is dropped, which was [gone](Self::poll_closed). The key must not be
    /// used again.
    pub fn handle_closed(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.remove(key) else { return };
        self.forget_watcher(key);
        self.forget_markers(key);
        self.clients -= usize::from(!connection.turned_away);
        if let Some(address) = connection.address {
            self.addresses.leave(address, self.now.instant);
        }
    }

    /// A turn of the loop is over that took so long. This is only counted.
    pub fn handle_turn_end(&mut self, took: Duration) {
        self.counts.turns.add(took);
    }

    /// How long the last turn took.
    #[must_use]
    pub fn last_turn(&self) -> Duration {
        self.counts.turns.last()
    }

    /// The server stops: everyone is told, and closed when what waits for them has been sent.
    pub fn handle_stop(&mut self, now: Now) {
        self.now = now;
        let rooms: Vec<_> = self.chat.rooms().map(|(room, _)| room).collect();
        for room in &rooms {
            self.flush_presence(*room);
        }
        self.publish(&rooms, &Event::Stopping);
        self.wait_for_nobody();
        for key in self.connections.keys() {
            if let State::AwaitingNick { .. }
            | State::Proving(_)
            | State::Entering(_)
            | State::Named(_) = self.connections[key].state
            {
                self.tell(key, None, &Event::Stopping);
            }
            self.close(key, CloseReason::Stopping, "");
            self.arm(key);
        }
    }

    // ── what to do ───────────────────────────────────────────────────────────────────────────────

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest, if at all. It
    /// may have passed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let now = self.now.instant;
        let at_once = self.connections.any_touched().then_some(now);
        let is_late = self.has_late_answers();
        let newcomers = (is_late || !self.awaiting_turn.is_empty()).then_some(now);
        let rooms = self.active.iter().filter_map(|room| self.channels[room.place()].due(now));
        [self.timers.next(), self.tickets.due(), self.relay_due(), at_once, newcomers]
            .into_iter()
            .flatten()
            .chain(rooms)
            .min()
    }

    /// Whether `key` may be read now. Whoever may not is to be told so with
    /// [`handle_unread`](Self::handle_unread).
    #[must_use]
    pub fn wants_input(&self, key: ConnectionKey) -> bool {
        let connection = &self.connections[key];
        // Or else those who hold the room and those who fill it could keep it waiting for ever.
        let may_read = connection.may_read && connection.waiting.is_none();
        // Those come first who have been waiting for the room.
        may_read || !self.would_wait(key, self.is_awaited(key))
    }

    /// Moves those to `keys` whose input is wanted again.
    pub fn poll_resumed(&mut self, keys: &mut impl Extend<ConnectionKey>) {
        keys.extend(self.resumed.drain(..));
    }

    /// Puts into `keys` everyone to whom something is to be written, or who is to be asked about
    /// with [`is_finished`](Self::is_finished).
    pub fn poll_writers(&mut self, keys: &mut Vec<ConnectionKey>) {
        keys.clear();
        self.collect_readers(keys);
        self.connections.take_touched(keys);
    }

    /// Fills `slices` with what to write to `key` next and returns how many it filled. 0 means that
    /// there is nothing.
    pub fn poll_transmit<'a>(
        &'a mut self,
        key: ConnectionKey,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        let Hub { connections, journals, .. } = self;
        let connection = &mut connections[key];
        let alone = connection.outbox.is_solo(journals);
        let most = match connection.gap() {
            Some(Gap::Sent(_) | Gap::Until(_)) => 0,
            Some(Gap::Over) if alone => 1,
            _ => slices.len(),
        };
        let most = most.min(slices.len());
        connection.outbox.slices(
            journals,
            &mut slices[..most],
            connection.dialect.spec().lf_separated,
        )
    }

    /// Whether `key` is closing and has got all that was for it: then the write side of its socket
    /// is to be shut, which is [`handle_shut`](Self::handle_shut).
    #[must_use]
    pub fn is_finished(&self, key: ConnectionKey) -> bool {
        let connection = &self.connections[key];
        matches!(connection.state, State::Closing { shut: false, .. })
            && connection.outbox.is_empty(&self.journals)
    }

    /// Puts the connections into `keys` that are gone. When its socket is dropped, each is to have
    /// [`handle_closed`](Self::handle_closed), in this order.
    pub fn poll_closed(&mut self, keys: &mut Vec<ConnectionKey>) {
        keys.clear();
        keys.append(&mut self.closed);
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.len() == 0
    }

    /// How many connections have been closed for each reason, by [`CloseReason::index`].
    #[must_use]
    pub fn closings(&self) -> &[u64; CloseReason::COUNT] {
        &self.closings
    }

    /// What has been counted until now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let Hub { chat, channels, journals, clients, members, closings, counts, .. } = self;
        counted((chat, channels, journals), (*clients, *members), closings, counts)
    }

    /// The first of the server's certificates ends then, in seconds since 1970.
    pub fn note_certificates_end(&mut self, end: u64) {
        self.counts.certificates_end = Some(end);
    }

    /// How many are in rooms.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.iter().sum()
    }

    /// How many of those are cut off and waited for.
    #[must_use]
    pub fn held(&self) -> usize {
        self.tickets.held()
    }

    /// The most bytes that are kept for what one room says in one dialect, and for one connection
    /// alone. What bounds them is in `docs/operations.md`.
    #[must_use]
    pub fn kept_bytes(&self) -> (usize, usize) {
        let own = self.connections.iter().map(|connection| connection.outbox.own_bytes()).max();
        (self.journals.longest(), own.unwrap_or_default())
    }

    /// Bytes of long lists of names and of browsers' welcomes that somebody has not read yet; those
    /// that several share count once.
    #[must_use]
    pub fn list_bytes(&self) -> usize {
        self.lists.bytes()
    }

    /// From now on, all that becomes so is recorded, for [`replays_alike`](Self::replays_alike).
    /// For tests: the record only grows.
    pub fn record_entries(&mut self) {
        self.recorded = Some(Recorded::new());
    }

    /// Whether what was recorded gives the same users, rooms and history when it is applied again.
    ///
    /// # Errors
    /// What there is, and what there should be, if they differ.
    pub fn replays_alike(&self) -> Result<(), String> {
        let Some(recorded) = &self.recorded else { return Ok(()) };
        let mut again = self.chat.anew();
        // What becomes so while somebody is told of something else is recorded before that.
        let mut recorded: Vec<_> = recorded.iter().collect();
        recorded.sort_by_key(|entry| entry.id);
        for entry in recorded {
            again.apply(entry);
        }
        let (here, there) = (self.chat.snapshot(), again.snapshot());
        if here == there { Ok(()) } else { Err(format!("{here:#?}\nbut again:\n{there:#?}")) }
    }

    /// Whether nothing at all is left of all that happened: no connection, name, deadline or byte.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.is_empty()
            && self.clients == 0
            && self.lists.bytes() == 0
            && self.chat.is_at_rest()
            && self.channels.iter().all(Channel::is_at_rest)
            && self.journals.is_at_rest()
            && self.addresses.is_empty()
            && self.tickets.is_at_rest()
            && self.watches_nobody()
            && self.marks_nothing()
            && !self.has_late_answers()
            && self.poll_timeout().is_none()
    }
}

/// What has been counted until now, here and there.
fn counted(
    (chat, channels, journals): (&Chat, &[Channel], &Journals),
    (connections, members): (usize, [usize; Dialect::COUNT]),
    closings: &[u64; CloseReason::COUNT],
    counts: &Metrics,
) -> Metrics {
    let mut journal_bytes = [0; Dialect::COUNT];
    for readers in channels.iter().flat_map(Channel::readers) {
        journal_bytes[readers.dialect.index()] += journals.get(readers.journal).len();
    }
    let of_room = |(key, room): (RoomKey, &Room)| RoomMetrics {
        name: room.title().to_string(),
        members: room.count(),
        lines: channels.get(key.place()).map_or(0, |channel| channel.said.0),
    };
    let is_secret = |room: &Room| room.rights.has(Flag::Secret);
    let shown = chat.rooms().filter(|(_, room)| !is_secret(room));
    let mut busiest: Vec<_> = shown.map(of_room).collect();
    let (rooms, closings) = (chat.rooms().count(), *closings);
    busiest.sort_by_key(|room| std::cmp::Reverse((room.members, room.lines)));
    busiest.truncate(BUSIEST_ROOMS);
    Metrics { connections, members, rooms, busiest, closings, journal_bytes, ..counts.clone() }
}

/// What is decided about accounts and operators.
fn policy(config: &Config) -> Policy {
    Policy {
        accounts: config.accounts,
        operators: config.operators.clone(),
        has_oper: !config.operator_passwords.is_empty(),
    }
}

/// The operator's lines, fit to be shown.
fn cleaned(motd: &[String]) -> Vec<String> {
    motd.iter().map(|line| text::clean(line).into_owned()).collect()
}

/// The state of somebody who is asked for the server's password, if so many were wrong, or for a
/// nickname.
fn awaiting_nick(deadline: Instant, wrong_passwords: Option<u8>) -> State {
    State::AwaitingNick { deadline, wrong_tokens: 0, wrong_passwords }
}

/// The name of somebody who has none. Without brackets, by which lines of `lines` can be told.
fn address_name(remote: SocketAddr) -> Nickname {
    Nickname::unchecked(&format!("{}:{}", remote.ip(), remote.port()))
}

/// A datagram as a line: a LF in it would make several messages of one.
fn as_line(datagram: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = datagram.iter().copied().filter(|byte| *byte != b'\n').collect();
    line.push(b'\n');
    line
}

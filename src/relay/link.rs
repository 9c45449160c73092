//! The link to the engine: two connections, one for commands and one that reads the log. It is a
//! state machine: it is told what has come and what time it is, and asked what to send, where to
//! connect and what stands in the log.
//!
//! What is to be written is written in order, one entry at a time, and stays here until it has been
//! *read back*: a reply says only that one engine has it. After each loss all that has not come
//! back is sent again, with the numbers that it had; whoever reads it twice knows that by these.
//!
//! An engine that comes back may have lost what it had confirmed, and use its places again. So when
//! it is another one, or has been started anew, the last entries are compared with what was read
//! before. If they differ, all is forgotten and read from the beginning.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;

use super::resp::{Replies, Reply, command};
use crate::author::Cloak;
use crate::hub::Relayed;
use crate::timers::Now;

/// Entries that are read at once.
const READ_ENTRIES: usize = 128;

/// The author of what no server says: that the log begins, and that a checkpoint is wanted.
const NOBODY: &str = "-";
/// What says that a checkpoint is wanted.
const WANT: &str = "want";

/// How long a connection and its greeting may take.
const GREETING_TIME: Duration = Duration::from_secs(2);
/// How long the engine may leave a command without an answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// The same for a read, which waits for [`BLOCK_MS`] by itself.
const READ_TIME: Duration = Duration::from_secs(4);
const BLOCK_MS: &str = "2000";

/// How often a server says that it is there, and looks at the others.
const LEASE_EVERY: Duration = Duration::from_secs(2);
/// How long that is good for, in milliseconds.
const LEASE_MS: &str = "10000";
/// So long the link must be live before others may be taken for gone.
const OBSERVER_AFTER: Duration = Duration::from_secs(10);

/// Waits between two attempts to connect.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Under load the log is read once in so much time: from one read to the next it is as long as
/// eight turns take that tell what was read, within these bounds. To write several lines to each
/// reader at once takes less than to write to all of them for each line, so all hear it earlier.
const READ_PACE_MIN: Duration = Duration::from_millis(1);
const READ_PACE_MAX: Duration = Duration::from_millis(5);
const READ_PACE_TURNS: u32 = 8;

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one for commands.
    Commands,
    /// The one that reads the log.
    Reader,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Commands, Side::Reader];
}

/// How long the log is, in entries. All servers must agree on that.
#[derive(Clone, Copy, Debug)]
pub struct LogLength {
    /// So many it keeps, about.
    pub kept: u64,
    /// So many are compared after a restart of the engine, at most.
    pub verified: usize,
    /// A checkpoint is saved by whoever wrote an entry whose place is a multiple of this.
    pub checkpoint_every: u64,
}

impl Default for LogLength {
    fn default() -> LogLength {
        LogLength { kept: 65_536, verified: 4096, checkpoint_every: 4096 }
    }
}

/// What the link goes by.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// The label of this server.
    pub label: String,
    /// How long the log is.
    pub log: LogLength,
    /// With what it shows the engine who it is, if it must: a user, who may be the usual one, and
    /// the password.
    pub login: Option<(Option<String>, String)>,
    /// How many addresses the engine has.
    pub addresses: usize,
    /// Different for each server: not all come back at the same moment.
    pub seed: u64,
    /// What hides from where people come, if this server is the first of all.
    pub secret: [u8; Cloak::SECRET_BYTES],
}

/// What the link tells.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The log is another one than before, or this is the first. It began at that time, in
    /// milliseconds since 1970. What follows is all of it after the checkpoint, or all, if there is
    /// none.
    Reset {
        /// When the log began.
        began_ms: u64,
        /// What was so at the place where the reading goes on.
        checkpoint: Option<String>,
    },
    /// With this all servers hide from where people come.
    Secret([u8; Cloak::SECRET_BYTES]),
    /// The next entry.
    Entry(Entry),
    /// A checkpoint of all up to here, where the log has this place, is to be
    /// [saved](Link::save). More entries may have been read by then.
    Checkpoint {
        /// Its number in the log.
        place: u64,
        /// What stands there: who wrote it, and which of theirs it is.
        stands: String,
    },
    /// The log can be read and written; or cannot, from now on.
    Live(bool),
    /// The server of this name has gone.
    Missing(String),
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    node: String,
    seq: u64,
    at_ms: u64,
    lines: String,
}

impl Entry {
    /// The same, as the hub takes it.
    #[must_use]
    pub fn relayed(&self) -> Relayed<'_> {
        let Entry { node, seq, at_ms, lines } = self;
        Relayed { node, seq: *seq, at_ms: *at_ms, lines }
    }

    /// What tells it from all others, as words …
    fn stands(&self) -> String {
        format!("{} {}", self.node, self.seq)
    }

    /// … and as a number.
    fn print(&self) -> u64 {
        print_of(&self.node, self.seq)
    }
}

/// How far the link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It tries again then.
    Waiting { until: Instant },
    /// The connections open and greet.
    Greeting { until: Instant },
    /// It finds out which log there is.
    Opening,
    /// It compares what it has read with what is there.
    Verifying,
    /// It reads what was so at some place.
    Loading,
    /// It reads what it has missed.
    CatchingUp,
    /// It reads what comes, and writes.
    Live { since: Instant },
}

/// What a reply answers.
#[derive(Debug, PartialEq, Eq)]
enum Ask {
    Login,
    Name,
    Role,
    About,
    SetSecret,
    Secret,
    SetEpoch,
    Epoch,
    Begin,
    Beginning,
    State,
    Verify,
    Check,
    Read,
    Add { last: u64 },
    Lease,
    Leases(Vec<String>),
    Save,
    Want,
}

/// One connection.
#[derive(Debug, Default)]
struct Wire {
    is_open: bool,
    replies: Replies,
    out: Vec<u8>,
    asked: VecDeque<Ask>,
    /// When the oldest question was asked, or the last answer came.
    since: Option<Instant>,
    /// What the engine says of itself.
    identity: Option<String>,
    is_greeted: bool,
}

/// Lines that have not been read back.
#[derive(Debug)]
struct Batch {
    seq: u64,
    lines: String,
    /// When it was to be written first. It says so also when it is written again, or whoever has
    /// read it before the engine lost it would know another time than others.
    at_ms: u64,
    since: Instant,
}

/// The link.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    phase: Phase,
    wires: [Wire; 2],
    address: usize,
    backoff: Duration,
    rng: u64,
    /// Sides that the sockets are to connect, and whether what they have is to be dropped.
    to_dial: Vec<Side>,
    to_drop: bool,
    events: VecDeque<LinkEvent>,
    /// The name under which this server writes.
    node: Arc<str>,
    last_seq: u64,
    batches: VecDeque<Batch>,
    /// So many of them have been sent over this connection.
    sent: usize,
    is_adding: bool,
    /// The log that is read: when it began, in milliseconds since 1970.
    epoch: Option<u64>,
    /// By what it is known from one that was begun at the same time by what came late, unless its
    /// beginning has been dropped.
    beginning: Option<u64>,
    /// The place of the last entry that was read.
    last: u64,
    /// The place after which it was begun to read, until the link is live.
    begun_after: Option<u64>,
    /// When that was so, what is kept of the log reached hardly further back.
    is_unsaved: bool,
    /// What the last entries were.
    prints: VecDeque<u64>,
    /// So many of them are being compared with what is there.
    to_verify: usize,
    /// What must stand at the next place, if a checkpoint says so that was read.
    expected: Option<u64>,
    /// What stood at the place that is looked at now and then.
    checked_print: Option<u64>,
    /// Of which engine it is known that it has them.
    verified: Option<String>,
    /// The next read is not before this.
    read_at: Option<Instant>,
    read_before: Option<Instant>,
    /// How long after the one before, under load.
    read_pace: Duration,
    /// Entries were read in this turn.
    has_entries: bool,
    lease_at: Instant,
    /// The other servers that are there, with their labels.
    others: Vec<(String, String)>,
    now: Now,
    /// Why the link was lost last, as the log was told.
    last_loss: String,
    /// How often it was, since it was live.
    losses: usize,
    /// Entries that were sent again.
    resent: u64,
    /// How long the last one took to come back.
    lag: Duration,
}

impl Link {
    /// A link that has no connection yet.
    #[must_use]
    pub fn new(settings: LinkSettings, now: Now) -> Link {
        let rng = settings.seed | 1;
        Link {
            settings,
            phase: Phase::Waiting { until: now.instant },
            wires: [Wire::default(), Wire::default()],
            address: 0,
            backoff: BACKOFF_FIRST,
            rng,
            to_dial: Vec::new(),
            to_drop: false,
            events: VecDeque::new(),
            node: Arc::from(""),
            last_seq: 0,
            batches: VecDeque::new(),
            sent: 0,
            is_adding: false,
            epoch: None,
            beginning: None,
            last: 0,
            begun_after: None,
            is_unsaved: false,
            prints: VecDeque::new(),
            to_verify: 0,
            expected: None,
            checked_print: None,
            verified: None,
            read_at: None,
            read_before: None,
            read_pace: READ_PACE_MIN,
            has_entries: false,
            lease_at: now.instant,
            others: Vec::new(),
            now,
            last_loss: String::new(),
            losses: 0,
            resent: 0,
            lag: Duration::ZERO,
        }
    }

    // ── what happened ────────────────────────────────────────────────────────────────────────────

    /// A connection is open.
    pub fn handle_open(&mut self, side: Side, now: Now) {
        self.now = now;
        self.wires[side as usize].is_open = true;
        let name = format!("chinwag-{}", self.settings.label);
        match self.settings.login.clone() {
            Some((Some(user), password)) => self.ask(side, Ask::Login, &["AUTH", &user, &password]),
            Some((None, password)) => self.ask(side, Ask::Login, &["AUTH", &password]),
            None => {}
        }
        self.ask(side, Ask::Name, &["CLIENT", "SETNAME", &name]);
        self.ask(side, Ask::Role, &["ROLE"]);
        self.ask(side, Ask::About, &["INFO"]);
    }

    /// Bytes have come.
    pub fn handle_bytes(&mut self, side: Side, bytes: &[u8], now: Now) {
        self.now = now;
        self.wires[side as usize].replies.extend(bytes);
        loop {
            let wire = &mut self.wires[side as usize];
            if !wire.is_open {
                return;
            }
            match wire.replies.next_reply() {
                Ok(Some(reply)) => {
                    let Some(asked) = wire.asked.pop_front() else {
                        return self.lose("it answers what was not asked");
                    };
                    wire.since = (!wire.asked.is_empty()).then_some(now.instant);
                    self.handle_reply(side, asked, &reply);
                }
                Ok(None) => return,
                Err(_) => return self.lose("what it says is not RESP2"),
            }
        }
    }

    /// A connection could not be opened, or has ended.
    pub fn handle_broken(&mut self, why: &str, now: Now) {
        self.now = now;
        if !matches!(self.phase, Phase::Waiting { .. }) {
            self.lose(why);
        }
    }

    /// The time is `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        match self.phase {
            Phase::Waiting { until } if until <= now.instant => {
                self.phase = Phase::Greeting { until: now.instant + GREETING_TIME };
                self.to_dial.extend(Side::BOTH);
                return;
            }
            Phase::Waiting { .. } => return,
            Phase::Greeting { until } if until <= now.instant => {
                return self.lose("it cannot be reached, or does not answer");
            }
            _ => {}
        }
        if self.silence_ends().is_some_and(|end| end <= now.instant) {
            return self.lose("it does not answer");
        }
        if self.read_at.is_some_and(|at| at <= now.instant) {
            self.read();
        }
        if self.has_log() && self.lease_at <= now.instant {
            self.lease();
        }
    }

    /// The last turn took so long.
    pub fn note_turn(&mut self, took: Duration) {
        if mem::take(&mut self.has_entries) {
            self.read_pace = (took * READ_PACE_TURNS).clamp(READ_PACE_MIN, READ_PACE_MAX);
        }
    }

    /// This server writes under that name. If it is another than before, what was to be written
    /// under that one is not any more.
    pub fn write_as(&mut self, node: &Arc<str>) {
        if self.node != *node {
            self.node = Arc::clone(node);
            self.last_seq = 0;
            self.batches.clear();
            self.sent = 0;
        }
    }

    /// Whether lines can be written at once.
    #[must_use]
    pub fn wants_lines(&self) -> bool {
        self.is_live() && !self.is_adding && self.sent == self.batches.len()
    }

    /// These lines are to be written.
    pub fn submit(&mut self, lines: String, now: Now) {
        self.now = now;
        self.last_seq += 1;
        let (since, at_ms) = (self.now.instant, self.now.unix_seconds * 1000);
        self.batches.push_back(Batch { seq: self.last_seq, lines, at_ms, since });
        self.add();
    }

    /// Whether it is to be told which other servers are there.
    #[must_use]
    pub fn wants_others(&self, now: Now) -> bool {
        self.is_live() && self.lease_at <= now.instant
    }

    /// The other servers that are there: their names, and their labels.
    pub fn note_others<'a>(&mut self, others: impl Iterator<Item = (&'a str, &'a str)>) {
        self.others.clear();
        self.others.extend(others.map(|(node, label)| (node.to_owned(), label.to_owned())));
    }

    /// Saves what is so after the entry of this place, which is that one.
    pub fn save(&mut self, (place, stands): (u64, &str), state: &str) {
        if let Some(epoch) = self.epoch
            && self.has_log()
        {
            let state = format!("{epoch} {place} {stands}\n{state}");
            let key = self.key("state");
            self.ask(Side::Commands, Ask::Save, &["SET", &key, &state]);
        }
    }

    // ── what to do ───────────────────────────────────────────────────────────────────────────────

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } | Phase::Greeting { until } => Some(until),
            _ => {
                let lease = self.has_log().then_some(self.lease_at);
                [self.silence_ends(), self.read_at, lease].into_iter().flatten().min()
            }
        }
    }

    /// Whether both connections are to be dropped, if there are any. Told once.
    pub fn poll_drop(&mut self) -> bool {
        mem::take(&mut self.to_drop)
    }

    /// A connection that is to be opened, and which of the addresses to.
    pub fn poll_dial(&mut self) -> Option<(Side, usize)> {
        Some((self.to_dial.pop()?, self.address % self.settings.addresses.max(1)))
    }

    /// What is to be sent over a connection. It is not told again.
    pub fn poll_transmit(&mut self, side: Side) -> Vec<u8> {
        mem::take(&mut self.wires[side as usize].out)
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Whether the log can be written.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    /// Why the link was lost last, and how often, since it was live.
    #[must_use]
    pub fn losses(&self) -> (&str, usize) {
        (&self.last_loss, self.losses)
    }

    /// Whether the log was so long after the last checkpoint, when it had been read, that what is
    /// written before there is another one may be lost.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.is_unsaved
    }

    /// Entries that were sent again.
    #[must_use]
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// How long the last entry of this server took to come back.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.lag
    }

    // ── asking ───────────────────────────────────────────────────────────────────────────────────

    fn key(&self, what: &str) -> String {
        format!("chinwag:{{main}}:{what}")
    }

    fn ask(&mut self, side: Side, ask: Ask, words: &[&str]) {
        let wire = &mut self.wires[side as usize];
        if wire.asked.is_empty() {
            wire.since = Some(self.now.instant);
        }
        wire.asked.push_back(ask);
        command(words, &mut wire.out);
    }

    fn has_log(&self) -> bool {
        matches!(self.phase, Phase::CatchingUp | Phase::Live { .. })
    }

    /// When one of the connections has been silent for too long.
    fn silence_ends(&self) -> Option<Instant> {
        let [commands, reader] = &self.wires;
        let commands = commands.since.map(|since| since + ANSWER_TIME);
        let reader = reader.since.map(|since| since + READ_TIME);
        [commands, reader].into_iter().flatten().min()
    }

    /// Writes the next entry, if none is on its way.
    fn add(&mut self) {
        let (true, false, Some(epoch)) = (self.is_live(), self.is_adding, self.epoch) else {
            return;
        };
        let Some(batch) = self.batches.get(self.sent) else { return };
        let (lines, seq) = (batch.lines.clone(), batch.seq.to_string());
        let (node, at) = (Arc::clone(&self.node), batch.at_ms.to_string());
        self.append(epoch, Ask::Add { last: self.last }, [&node, &seq, &at, &lines]);
        self.sent += 1;
        self.is_adding = true;
    }

    /// Appends an entry to the log that began then, if it is still there.
    fn append(&mut self, epoch: u64, ask: Ask, [node, seq, at, lines]: [&str; 4]) {
        let (key, kept) = (self.key("log"), self.settings.log.kept.to_string());
        let id = format!("{epoch}-*");
        let words = ["XADD", &key, "NOMKSTREAM", "MAXLEN", "~", &kept, &id];
        let fields = ["n", node, "s", seq, "t", at, "e", lines];
        self.ask(Side::Commands, ask, &[&words[..], &fields].concat());
    }

    /// Reads on: what there is, or, if all has been read, what comes.
    fn read(&mut self) {
        let Some(epoch) = self.epoch else { return };
        self.read_at = None;
        let (key, from) = (self.key("log"), format!("{epoch}-{}", self.last));
        let count = READ_ENTRIES.to_string();
        let mut words = vec!["XREAD", "COUNT", &count];
        if self.is_live() {
            words.extend(["BLOCK", BLOCK_MS]);
        }
        words.extend(["STREAMS", &key, &from]);
        self.ask(Side::Reader, Ask::Read, &words);
    }

    /// Says that this server is there, and asks whether the others are.
    fn lease(&mut self) {
        self.lease_at = self.now.instant + LEASE_EVERY;
        let (key, node) = (self.key(&format!("node:{}", self.settings.label)), self.node.clone());
        self.ask(Side::Commands, Ask::Lease, &["SET", &key, &node, "PX", LEASE_MS]);
        let Phase::Live { since } = self.phase else { return };
        if let (Some(print), Some(epoch)) = (self.prints.back(), self.epoch) {
            self.checked_print = Some(*print);
            let (key, last) = (self.key("log"), format!("{epoch}-{}", self.last));
            self.ask(Side::Commands, Ask::Check, &["XRANGE", &key, &last, &last]);
            self.look_for_beginning(epoch);
        }
        if self.others.is_empty() || self.now.instant < since + OBSERVER_AFTER {
            return;
        }
        let keys = self.others.iter().map(|(_, label)| self.key(&format!("node:{label}")));
        let keys: Vec<_> = keys.collect();
        let words: Vec<_> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        let asked = self.others.iter().map(|(node, _)| node.clone()).collect();
        self.ask(Side::Commands, Ask::Leases(asked), &words);
    }

    // ── answers ──────────────────────────────────────────────────────────────────────────────────

    fn handle_reply(&mut self, side: Side, asked: Ask, reply: &Reply) {
        if let Reply::Error(error) = reply
            && asked != Ask::Begin
        {
            let error = error.clone();
            return self.lose(&error);
        }
        match asked {
            Ask::Login | Ask::Name | Ask::SetSecret | Ask::SetEpoch | Ask::Lease | Ask::Save => {}
            Ask::Role => {
                let role = reply.many().and_then(|parts| parts.first()).and_then(Reply::text);
                if role != Some("master") {
                    self.lose("it is a replica, and takes nothing");
                }
            }
            Ask::About => self.greeted(side, reply.text().unwrap_or_default()),
            Ask::Secret => match reply.text().and_then(secret_of) {
                Some(secret) => self.events.push_back(LinkEvent::Secret(secret)),
                None => self.lose("its secret is none"),
            },
            Ask::Epoch => match reply.text().and_then(|text| text.parse().ok()) {
                Some(epoch) => self.opened(epoch),
                None => self.lose("it does not say when the log began"),
            },
            Ask::Begin => self.begun(reply),
            Ask::Beginning => self.found_beginning(reply),
            Ask::Verify => self.verified(reply),
            Ask::State => self.loaded(reply),
            Ask::Read => self.has_read(reply),
            Ask::Check => self.checked(reply),
            Ask::Add { last } => self.added(reply, last),
            Ask::Want => self.lose(
                "the beginning of the log is gone, and the other servers are asked what was in it; \
                 if none of them knows, all begins anew once chinwag:{main}:log is deleted",
            ),
            Ask::Leases(asked) => self.looked_at(asked, reply),
        }
    }

    /// An engine has said who it is.
    fn greeted(&mut self, side: Side, about: &str) {
        let field = |name: &str| {
            let mut lines = about.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
        };
        let version = field("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            return self.lose(&format!("it is too old ({version}): Redis 7.0 or Valkey is needed"));
        }
        let policy = field("maxmemory_policy");
        if policy.starts_with("allkeys-") {
            let why = "it may throw the log away when its memory is full";
            return self.lose(&format!("{why} (maxmemory-policy {policy})"));
        }
        if side == Side::Commands && self.verified.is_none() && field("aof_enabled") == "0" {
            log::warn!(
                "relay: the engine keeps nothing over a restart; appendonly yes would (see \
                 docs/scaling.md)"
            );
        }
        let identity = format!("{} {}", field("run_id"), field("master_replid"));
        let wire = &mut self.wires[side as usize];
        wire.identity = Some(identity);
        wire.is_greeted = true;
        let [commands, reader] = &self.wires;
        if !commands.is_greeted || !reader.is_greeted {
            return;
        }
        if commands.identity != reader.identity {
            return self.lose("its two connections lead to two engines");
        }
        self.phase = Phase::Opening;
        // Two logs that begin in one second are two.
        let now = self.now.unix_seconds * 1000 + self.draw() % 1000;
        let (key, now) = (self.key("epoch"), now.to_string());
        let secret = HEXLOWER.encode(&self.settings.secret);
        let secret_key = self.key("secret");
        self.ask(Side::Commands, Ask::SetSecret, &["SET", &secret_key, &secret, "NX"]);
        self.ask(Side::Commands, Ask::Secret, &["GET", &secret_key]);
        self.ask(Side::Commands, Ask::SetEpoch, &["SET", &key, &now, "NX"]);
        self.ask(Side::Commands, Ask::Epoch, &["GET", &key]);
    }

    /// It is known when the log began. If there is none, it begins; and one of those who would
    /// begin it at once does.
    fn opened(&mut self, epoch: u64) {
        if self.epoch.is_some_and(|before| before != epoch) {
            self.forget_log("the log has begun anew");
        }
        self.epoch = Some(epoch);
        let (key, id) = (self.key("log"), format!("{epoch}-0"));
        let seq = (self.draw() << 31 | self.draw()).to_string();
        let words = ["XADD", &key, &id, "n", NOBODY, "s", &seq, "t", "0", "e", "begin"];
        self.ask(Side::Commands, Ask::Begin, &words);
        self.look_for_beginning(epoch);
    }

    fn look_for_beginning(&mut self, epoch: u64) {
        let (key, id) = (self.key("log"), format!("{epoch}-0"));
        self.ask(Side::Commands, Ask::Beginning, &["XRANGE", &key, &id, &id]);
    }

    fn begun(&mut self, reply: &Reply) {
        let is_new = !matches!(reply, Reply::Error(_));
        if let Reply::Error(error) = reply
            && !error.contains("equal or smaller")
        {
            return self.lose(error);
        }
        if is_new && self.last > 0 {
            self.forget_log("the log was gone");
        }
    }

    /// The beginning of the log is known, or has been dropped.
    fn found_beginning(&mut self, reply: &Reply) {
        let found = reply.many().and_then(|entries| parse_entry(entries.first()?));
        let found = found.map(|(_, entry)| entry.seq);
        let is_other = self.last > 0 && found.is_some() && found != self.beginning;
        if self.phase != Phase::Opening {
            if is_other {
                self.lose_log("the log has begun anew");
            }
            return;
        }
        if is_other {
            self.forget_log("the log has begun anew");
        }
        self.beginning = found.or(self.beginning);
        if self.prints.is_empty() {
            self.load();
        } else {
            self.phase = Phase::Verifying;
            let epoch = self.epoch.unwrap_or_default();
            // Of an engine that was not started anew the last one is enough.
            let is_same = self.verified.is_some() && self.verified == self.wires[0].identity;
            self.to_verify = if is_same { 1 } else { self.prints.len() };
            let first = self.last + 1 - self.to_verify as u64;
            let (first, last) = (format!("{epoch}-{first}"), format!("{epoch}-{}", self.last));
            let key = self.key("log");
            self.ask(Side::Reader, Ask::Verify, &["XRANGE", &key, &first, &last]);
        }
    }

    /// The engine has said what stands where entries were read.
    fn verified(&mut self, reply: &Reply) {
        let entries = reply.many().unwrap_or_default();
        let prints = entries.iter().map(|entry| parse_entry(entry).map(|(_, it)| it.print()));
        let known = self.prints.iter().skip(self.prints.len() - self.to_verify);
        let are_same = prints.eq(known.map(|print| Some(*print)));
        if are_same {
            return self.catch_up();
        }
        self.forget_log("what was read last does not stand in the log any more");
        self.load();
    }

    fn load(&mut self) {
        self.phase = Phase::Loading;
        let key = self.key("state");
        self.ask(Side::Commands, Ask::State, &["GET", &key]);
    }

    /// What was so at some place is known, or that nobody has kept it. What stood there must still:
    /// a checkpoint of what the engine has lost may have come late, and be taken for one of this
    /// log. So it is read from that place on.
    fn loaded(&mut self, reply: &Reply) {
        let text = reply.text().unwrap_or_default();
        let kept = text.split_once('\n').and_then(|(head, state)| {
            let words: Vec<_> = head.split(' ').collect();
            let [epoch, place, node, seq] = words[..] else { return None };
            let is_ours = epoch.parse().ok() == self.epoch;
            // A place near the end of all numbers is no log's.
            let place = place.parse::<u64>().ok().filter(|place| *place <= u64::MAX / 2)?;
            let print = print_of(node, seq.parse().ok()?);
            Some((place.checked_sub(1)?, print, state)).filter(|_| is_ours)
        });
        let Some((last, print, state)) = kept else { return self.begin_after(0, None) };
        self.begin_after(last, Some(state.to_owned()));
        self.expected = Some(print);
    }

    /// All that follows this place is read, and nothing before it.
    fn begin_after(&mut self, last: u64, checkpoint: Option<String>) {
        let Some(began_ms) = self.epoch else { return };
        self.last = last;
        self.begun_after = Some(last);
        self.expected = None;
        self.prints.clear();
        self.events.push_back(LinkEvent::Reset { began_ms, checkpoint });
        self.catch_up();
    }

    fn catch_up(&mut self) {
        self.verified.clone_from(&self.wires[0].identity);
        self.phase = Phase::CatchingUp;
        self.lease_at = self.now.instant;
        self.lease();
        self.read();
    }

    /// What was told of the log is not known any more: all is read anew.
    pub fn forget(&mut self) {
        self.prints.clear();
        self.verified = None;
    }

    /// The log is not the one that was read.
    fn forget_log(&mut self, why: &str) {
        log::error!("relay: {why}; all who are here are closed, and it is read anew");
        self.last = 0;
        self.beginning = None;
        self.prints.clear();
        self.verified = None;
        // It goes on under another name.
        self.batches.clear();
        self.sent = 0;
    }

    fn has_read(&mut self, reply: &Reply) {
        // Of the one stream, its entries.
        let stream = reply.many().and_then(|streams| streams.first()).and_then(Reply::many);
        let entries = stream.and_then(|stream| stream.get(1)).and_then(Reply::many);
        let entries = entries.unwrap_or_default();
        for entry in entries {
            let Some((place, entry)) = parse_entry(entry) else {
                return self.lose("what stands in the log is no entry");
            };
            let (epoch, place) = place;
            if Some(epoch) != self.epoch {
                return self.follow_log(epoch);
            }
            if place != self.last + 1 && self.prints.is_empty() {
                // Whoever reads on may find that the log has begun anew.
                let last = entries.last().and_then(parse_entry);
                return match last {
                    Some(((later, _), _)) if later != epoch => self.follow_log(later),
                    _ => self.want_checkpoint(Ask::Want),
                };
            }
            if place != self.last + 1 {
                let (from, to) = (self.last + 1, place);
                self.forget_log(&format!("entries {from} to {to} of the log are gone"));
                return self.load();
            }
            if *entry.node == *self.node
                && self.batches.front().is_some_and(|it| it.seq < entry.seq)
            {
                return self.lose_log("the engine has lost what it had confirmed");
            }
            match self.expected.take() {
                None => self.take(place, entry),
                // It is in the checkpoint.
                Some(print) if print == entry.print() => self.note(place, print),
                Some(_) => return self.begin_after(0, None),
            }
        }
        if self.expected.is_some() {
            return self.begin_after(0, None);
        }
        if self.phase == Phase::CatchingUp && entries.len() < READ_ENTRIES {
            self.become_live();
        }
        let now = self.now.instant;
        let is_busy = !entries.is_empty()
            && self.read_before.is_some_and(|before| before + self.read_pace > now)
            && entries.len() < READ_ENTRIES;
        if !entries.is_empty() {
            self.read_before = Some(now);
            self.has_entries = true;
        }
        if is_busy { self.read_at = Some(now + self.read_pace) } else { self.read() }
    }

    /// The log has begun anew, and later than the engine says when it is asked: that was said by
    /// somebody whose clock is behind, or who was cut off. What stands in the log counts.
    fn follow_log(&mut self, epoch: u64) {
        self.phase = Phase::Opening;
        let (key, text) = (self.key("epoch"), epoch.to_string());
        self.ask(Side::Commands, Ask::SetEpoch, &["SET", &key, &text]);
        self.opened(epoch);
    }

    /// The last checkpoint is too old, or older than what is left of the log: whoever was to save
    /// the next one had gone, or what somebody sent who was cut off came late and took the place of
    /// a newer one. All who know more save one when they read that it is wanted.
    fn want_checkpoint(&mut self, ask: Ask) {
        if let Some(epoch) = self.epoch {
            self.append(epoch, ask, [NOBODY, "0", "0", WANT]);
        }
    }

    /// At this place stands that.
    fn note(&mut self, place: u64, print: u64) {
        self.last = place;
        self.prints.push_back(print);
        if self.prints.len() > self.settings.log.verified {
            self.prints.pop_front();
        }
    }

    fn take(&mut self, place: u64, entry: Entry) {
        self.note(place, entry.print());
        if entry.node == NOBODY {
            let stands = entry.stands();
            return self.events.push_back(LinkEvent::Checkpoint { place, stands });
        }
        let is_own = *entry.node == *self.node;
        if is_own {
            while let Some(batch) = self.batches.front().filter(|batch| batch.seq <= entry.seq) {
                self.lag = self.now.instant.saturating_duration_since(batch.since);
                self.batches.pop_front();
                self.sent = self.sent.saturating_sub(1);
            }
        }
        let is_due = is_own && place.is_multiple_of(self.settings.log.checkpoint_every);
        let stands = is_due.then(|| entry.stands());
        self.events.push_back(LinkEvent::Entry(entry));
        self.events.extend(stands.map(|stands| LinkEvent::Checkpoint { place, stands }));
    }

    fn become_live(&mut self) {
        self.phase = Phase::Live { since: self.now.instant };
        self.backoff = BACKOFF_FIRST;
        self.last_loss.clear();
        self.losses = 0;
        self.resent += self.batches.len().min(self.sent) as u64;
        self.sent = 0;
        self.is_adding = false;
        log::info!("relay: connected; {} entries of the log are known", self.last);
        self.events.push_back(LinkEvent::Live(true));
        self.look_how_far_it_was();
        self.add();
    }

    /// All has been read that came after the last checkpoint. If that was much, nobody has saved
    /// one who should have, and all are asked to.
    fn look_how_far_it_was(&mut self) {
        let Some(begun_after) = self.begun_after.take() else { return };
        let read = self.last.saturating_sub(begun_after);
        self.is_unsaved = read > self.settings.log.kept / 2;
        if read > 2 * self.settings.log.checkpoint_every {
            self.want_checkpoint(Ask::Save);
        }
    }

    fn added(&mut self, reply: &Reply, last: u64) {
        self.is_adding = false;
        let place = reply.text().and_then(|id| id.split_once('-')?.1.parse::<u64>().ok());
        match place {
            Some(place) if place > last => self.add(),
            Some(_) => self.lose_log("the engine uses places of the log again"),
            None => self.lose("the log is gone"),
        }
    }

    /// The last entry that was read stands where it stood, or the log is another: a log that has
    /// lost its end, or was made anew, says nothing by itself to whoever waits for what comes.
    fn checked(&mut self, reply: &Reply) {
        let entries = reply.many().unwrap_or_default();
        let print = entries.first().and_then(|entry| Some(parse_entry(entry)?.1.print()));
        if print.is_none() || print != self.checked_print {
            self.lose_log("the engine has lost what was said last");
        }
    }

    /// Whatever is known of the log is not so.
    fn lose_log(&mut self, why: &str) {
        self.forget_log(why);
        self.lose(why);
    }

    fn looked_at(&mut self, asked: Vec<String>, reply: &Reply) {
        let found = reply.many().unwrap_or_default();
        for (node, found) in asked.into_iter().zip(found) {
            if found.text() != Some(&node) {
                self.events.push_back(LinkEvent::Missing(node));
            }
        }
    }

    // ── losing ───────────────────────────────────────────────────────────────────────────────────

    /// A number below 2^31.
    fn draw(&mut self) -> u64 {
        self.rng = self.rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.rng >> 33
    }

    fn lose(&mut self, why: &str) {
        let was_live = self.is_live();
        self.losses += 1;
        if self.last_loss != why {
            self.last_loss = why.to_owned();
            log::warn!("relay: the engine is away: {why}");
        }
        // Not all come back at the same moment.
        let jitter = self.backoff.mul_f64(self.draw() as f64 / (1_u64 << 32) as f64);
        self.phase = Phase::Waiting { until: self.now.instant + self.backoff / 2 + jitter };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.address += 1;
        self.wires = [Wire::default(), Wire::default()];
        self.read_at = None;
        self.to_dial.clear();
        self.to_drop = true;
        if was_live {
            self.events.push_back(LinkEvent::Live(false));
        }
    }
}

/// The secret that these digits say.
fn secret_of(digits: &str) -> Option<[u8; Cloak::SECRET_BYTES]> {
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// An entry and its place: when its log began, and its number there.
fn parse_entry(reply: &Reply) -> Option<((u64, u64), Entry)> {
    let [id, fields] = reply.many()? else { return None };
    let (epoch, place) = id.text()?.split_once('-')?;
    let place = (epoch.parse().ok()?, place.parse().ok()?);
    let mut entry = Entry { node: String::new(), seq: 0, at_ms: 0, lines: String::new() };
    for pair in fields.many()?.chunks_exact(2) {
        let value = pair[1].text()?;
        match pair[0].text()? {
            "n" => value.clone_into(&mut entry.node),
            "s" => entry.seq = value.parse().ok()?,
            "t" => entry.at_ms = value.parse().ok()?,
            "e" => value.clone_into(&mut entry.lines),
            _ => {}
        }
    }
    Some((place, entry))
}

/// What tells an entry from others.
fn print_of(node: &str, seq: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, seq).hash(&mut hasher);
    hasher.finish()
}

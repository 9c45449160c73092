//! Relaying: several servers share their rooms through one ordered log. What is proposed here is a
//! line for the log and becomes so when it has come back in the log's order, as what others propose
//! does. Who has asked for something goes on then: that is a [`Next`].
//!
//! The log itself is somebody else's business ([`relay`](crate::relay)): the hub hands out lines
//! ([`Hub::poll_relay`]) and is told what stands in the log ([`Hub::handle_relayed`]). Every server
//! applies the same lines in the same order, so all agree on who has a name and who has gone.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, State, Wait, Waiting};
use super::next::Next;
use super::passes::Passes;
use super::shared_accounts::SharedAccounts;
use super::{Hub, awaiting_nick};
use crate::chat::written::{self, AccountLine, Line, Members, VERSION};
use crate::chat::{Applied, Conflict, Entry, EntryId, Fact, Leaving, MaybeExtra, RoomKey, UserKey};
use crate::event::{CloseReason, Event, Refusal};
use crate::key::ConnectionKey;
use crate::metrics::RelayCounts;
use crate::rights::Rank;
use crate::timers::Now;

/// Lines that are handed out at once, in bytes: one entry of the log.
const BATCH_BYTES_MAX: usize = 16 * 1024;

/// Lines that have not come back, in bytes; talkers wait when there are more.
const PENDING_BYTES_MAX: usize = 1024 * 1024;

/// How long the engine may be away before people are told …
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// … and before they are closed.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// Servers that have gone and are remembered, so that what they wrote late is nothing.
const GONE_MAX: usize = 1024;

/// Where users were who have come back at another server, as far as it is remembered.
const MOVED_MAX: usize = 1024;

/// The label of whoever comes for the time of one entry, to change an account. No server can be
/// called so.
pub const VISITOR: &str = "(account)";

/// An entry of the log, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Relayed<'a> {
    /// The server that wrote it.
    pub node: &'a str,
    /// Which of its entries it is, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The lines.
    pub lines: &'a str,
}

/// What is known of the other servers, and what is on its way to them.
#[derive(Debug)]
pub(super) struct Relaying {
    label: String,
    secret: u64,
    /// How many names this server has had.
    incarnation: u32,
    /// The name under which it writes now.
    node: Arc<str>,
    /// Servers that are there, by their names.
    nodes: BTreeMap<Arc<str>, Node>,
    /// Those that have gone.
    gone: VecDeque<Arc<str>>,
    /// The server of each user, and the number there.
    members: HashMap<UserKey, (Arc<str>, u64)>,
    /// Where those were who have moved. Others write about them so until they have read that.
    moved: VecDeque<(Arc<str>, u64, UserKey)>,
    /// Accounts, which are not of one server.
    pub(super) accounts: SharedAccounts,
    /// By what they can come back at another server.
    pub(super) passes: Passes,
    /// Lines that were not handed out.
    lines: VecDeque<String>,
    /// What follows from each line that has not come back.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Lines until now.
    pushed: u64,
    /// There are lines that nobody has asked for yet.
    has_news: bool,
    /// What was proposed last changes what its author may do next.
    is_deciding: bool,
    is_live: bool,
    /// Since when it is not, if people are here who should know.
    away_since: Option<Instant>,
    /// They do.
    is_told: bool,
    /// The server's own terminal, and its name.
    console: Option<(ConnectionKey, String)>,
    /// Who waits until there is place for what they say.
    waiting: Vec<ConnectionKey>,
    /// Another process writes under the same label.
    is_usurped: bool,
    /// What this visitor wrote last has become so.
    is_wish_true: bool,
    ignored: u64,
    resets: u64,
}

/// A server that is there.
#[derive(Debug)]
struct Node {
    label: Box<str>,
    /// The number of its last entry.
    seq: u64,
    /// Its people, by their numbers there.
    members: BTreeMap<u64, UserKey>,
}

/// A line that has not come back.
#[derive(Debug)]
struct Pending {
    bytes: usize,
    next: Option<(ConnectionKey, Next)>,
    /// Whose line it is, if somebody has said it.
    said_by: Option<ConnectionKey>,
    /// Who is listened to again when it has come back.
    resumes: Option<ConnectionKey>,
}

impl Members for Relaying {
    fn member_of(&self, user: UserKey) -> Option<(&str, u64)> {
        self.members.get(&user).map(|(node, number)| (&**node, *number))
    }

    fn own_number_of(&self, user: UserKey) -> Option<u64> {
        let (node, number) = self.members.get(&user)?;
        (*node == self.node).then_some(*number)
    }

    fn user_of(&self, node: &str, number: u64) -> Option<UserKey> {
        self.nodes.get(node)?.members.get(&number).copied()
    }

    fn whom(&self, node: &str, number: u64) -> Option<UserKey> {
        let was_there = |(of, it, _): &&(Arc<str>, u64, _)| **of == *node && *it == number;
        let moved = || self.moved.iter().find(was_there).map(|(_, _, user)| *user);
        self.user_of(node, number).or_else(moved)
    }
}

impl Relaying {
    fn new(label: &str, secret: u64) -> Relaying {
        let mut relaying = Relaying {
            label: label.to_owned(),
            secret,
            incarnation: 0,
            node: Arc::from(""),
            nodes: BTreeMap::new(),
            gone: VecDeque::new(),
            members: HashMap::new(),
            moved: VecDeque::new(),
            accounts: SharedAccounts::default(),
            passes: Passes::default(),
            lines: VecDeque::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            pushed: 0,
            has_news: false,
            is_deciding: false,
            is_live: false,
            away_since: None,
            is_told: false,
            console: None,
            waiting: Vec::new(),
            is_usurped: false,
            is_wish_true: false,
            ignored: 0,
            resets: 0,
        };
        relaying.begin_anew();
        relaying
    }

    /// Whatever was on its way is nothing any more, and the server writes under another name.
    fn begin_anew(&mut self) {
        self.incarnation += 1;
        let Relaying { label, secret, incarnation, .. } = self;
        self.node = format!("{label}.{secret:016x}.{incarnation}").into();
        self.lines.clear();
        self.pending.clear();
        self.pending_bytes = 0;
        // Two who take each other's place in turn would let nobody in. A visitor comes when it has
        // something to say.
        if !self.is_usurped && !self.is_visitor() {
            self.push(format!("up {VERSION} {}", self.label), None);
        }
    }

    fn is_visitor(&self) -> bool {
        self.label == VISITOR
    }

    /// Whether all that stands in the log is known, and nothing is on its way there.
    #[cfg(all(feature = "data", feature = "relay"))]
    pub(super) fn is_idle(&self) -> bool {
        self.is_live && self.pending.is_empty()
    }

    /// Whether what this visitor wrote last has become so.
    #[cfg(all(feature = "data", feature = "relay"))]
    pub(super) fn is_wish_true(&self) -> bool {
        self.is_wish_true
    }

    /// This visitor comes, says something of an account, and goes, in one entry.
    #[cfg(all(feature = "data", feature = "relay"))]
    pub(super) fn visit(&mut self, line: String) {
        self.is_wish_true = false;
        self.push(format!("up {VERSION} {}", self.label), None);
        self.push(line, None);
        self.push(format!("down {}", self.node), None);
    }

    /// Whether an entry is of a visitor, be it this one or another.
    fn is_of_visitor(&self, entry: &Relayed<'_>) -> bool {
        self.nodes.get(entry.node).is_some_and(|node| *node.label == *VISITOR)
    }

    /// A number for a message of several lines, which no other has, here or elsewhere.
    pub(super) fn next_message(&self) -> u64 {
        self.secret.wrapping_add(self.pushed)
    }

    /// Proposes what decides what its author may do next.
    pub(super) fn decide(&mut self, line: String) {
        self.is_deciding = true;
        self.push(line, None);
    }

    /// A user is at that server from now on, with that number. Returns at which they were.
    fn move_member(&mut self, user: UserKey, node: &str, number: u64) -> Option<Arc<str>> {
        let (to, _) = self.nodes.get_key_value(node)?;
        let (from, before) = self.members.insert(user, (Arc::clone(to), number))?;
        self.nodes.get_mut(&from)?.members.remove(&before);
        self.nodes.get_mut(node)?.members.insert(number, user);
        self.note_moved(Arc::clone(&from), before, user);
        Some(from)
    }

    fn note_moved(&mut self, from: Arc<str>, number: u64, user: UserKey) {
        self.moved.push_back((from, number, user));
        if self.moved.len() > MOVED_MAX {
            self.moved.pop_front();
        }
    }

    /// A user has left.
    fn forget(&mut self, user: UserKey) {
        self.passes.forget(user);
        self.moved.retain(|(_, _, moved)| *moved != user);
        if let Some((node, number)) = self.members.remove(&user)
            && let Some(node) = self.nodes.get_mut(&node)
        {
            node.members.remove(&number);
        }
    }

    pub(super) fn push(&mut self, line: String, said_by: Option<ConnectionKey>) {
        let bytes = line.len() + 1;
        self.pushed += 1;
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { bytes, next: None, said_by, resumes: None });
        self.lines.push_back(line);
        self.has_news = true;
    }

    /// A server has gone, and what it writes late is nothing.
    fn note_gone(&mut self, node: &str) {
        self.gone.push_back(node.into());
        if self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
    }

    fn has_gone(&self, node: &str) -> bool {
        self.gone.iter().any(|gone| **gone == *node)
    }

    fn is_full(&self) -> bool {
        !self.is_live || self.pending_bytes > PENDING_BYTES_MAX
    }

    /// Whether an entry is to be applied: not if it was before, nor if its server has gone.
    fn admit(&mut self, entry: &Relayed<'_>) -> bool {
        let is_new = match self.nodes.get_mut(entry.node) {
            Some(node) if entry.seq <= node.seq => false,
            Some(node) => {
                node.seq = entry.seq;
                true
            }
            None => {
                entry.lines.starts_with("up ")
                    && written::is_node(entry.node)
                    && !self.has_gone(entry.node)
            }
        };
        self.ignored += u64::from(!is_new);
        is_new
    }
}

impl Hub {
    // ── what happened ────────────────────────────────────────────────────────────────────────────

    /// From now on the rooms are shared with other servers, among which this one has a label, and
    /// writes under a name that is made of it and a number that nobody else has. Nobody has come
    /// yet.
    pub fn share_as(&mut self, label: &str, secret: u64) {
        self.relay = Some(Box::new(Relaying::new(label, secret)));
        self.chat.share();
        self.settings.is_away = true;
    }

    /// The log that is read from now on begins at this time, in milliseconds since 1970, and
    /// nothing of it is known here. Whoever is here has lost what was said, and is closed.
    pub fn handle_relay_reset(&mut self, began_ms: u64, now: Now) {
        self.now = now;
        let Some(relay) = &mut self.relay else { return };
        let is_first = relay.resets == 0;
        relay.resets += 1;
        // Who waits at the beginning has lost nothing.
        if !is_first {
            self.give_up(|_| CloseReason::RelayRewound);
        }
        let users: Vec<_> = self.chat.all_users().map(|(key, _)| key).collect();
        for user in users {
            let why = Leaving::Reason(CloseReason::RelayRewound);
            self.commit_here(Fact::Left { user, why });
        }
        let rooms: Vec<_> = self.chat.rooms().map(|(room, _)| room).collect();
        rooms.iter().for_each(|room| self.flush_presence(*room));
        self.outdate_lists(&rooms);
        let begins = (began_ms / 1000) << super::ENTRIES_PER_SECOND_BITS;
        self.chat = self.chat.anew_from(begins);
        self.last_entry = begins;
        if let Some(recorded) = &mut self.recorded {
            recorded.clear();
        }
        let Some(relay) = &mut self.relay else { return };
        (relay.nodes, relay.gone, relay.members, relay.passes) = Default::default();
        relay.moved.clear();
        relay.accounts = SharedAccounts::default();
        relay.is_wish_true = false;
    }

    /// All that the log has decided until now, for servers that come later.
    #[must_use]
    pub fn relay_checkpoint(&self) -> String {
        let Some(relay) = &self.relay else { return String::new() };
        let mut out = format!("id {}\n", self.last_entry);
        for gone in &relay.gone {
            let _ = writeln!(out, "gone {gone}");
        }
        for (name, Node { label, seq, .. }) in &relay.nodes {
            let _ = writeln!(out, "node {name} {label} {seq}");
        }
        for (user, (node, number)) in &relay.members {
            relay.passes.write(*user, (node, *number), &mut out);
        }
        for (from, before, user) in &relay.moved {
            if let Some((node, number)) = relay.members.get(user) {
                let _ = writeln!(out, "moved {from} {before} {node} {number}");
            }
        }
        relay.passes.write_said(&mut out);
        relay.accounts.write(&mut out);
        out.push('\n');
        self.chat.write_checkpoint(&**relay, &mut out);
        out
    }

    /// What was so at the place of the log from which it is read. It is told after
    /// [`handle_relay_reset`](Self::handle_relay_reset). Returns whether it could be read; if not,
    /// this server knows nothing that it could go on with.
    pub fn handle_relay_checkpoint(&mut self, checkpoint: &str) -> bool {
        self.read_checkpoint(checkpoint).is_some()
    }

    fn read_checkpoint(&mut self, checkpoint: &str) -> Option<()> {
        let relay = self.relay.as_mut()?;
        let (servers, state) = checkpoint.split_once("\n\n")?;
        let (mut passes, mut moved) = (Vec::new(), Vec::new());
        for line in servers.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["id", id] => {
                    let id = id.parse().ok().filter(|id| *id <= EntryId::MAX / 2);
                    self.last_entry = id?;
                }
                ["gone", node] => relay.note_gone(node),
                ["node", name, label, seq] => {
                    let (label, seq) = (label.into(), seq.parse().ok()?);
                    let node = Node { label, seq, members: BTreeMap::new() };
                    relay.nodes.insert(name.into(), node);
                }
                ["pass", node, number, id, hash] => {
                    passes.push(((node.to_owned(), number.parse().ok()?), (id, hash)));
                }
                ["moved", from, before, node, number] => {
                    let member = (node.to_owned(), number.parse().ok()?);
                    moved.push((Arc::from(from), before.parse().ok()?, member));
                }
                ["account", name, hash] => {
                    let name = relay.accounts.read(name, hash)?;
                    self.chat.add_account(&name);
                }
                ["token", name, token, until] => relay.accounts.read_token((name, token, until))?,
                ["said", pass, key, said] => relay.passes.read_said((pass, key, said))?,
                _ => return None,
            }
        }
        let known = self.chat.read_checkpoint(state)?;
        for (member, pass) in &passes {
            relay.passes.read(*known.get(member)?, *pass)?;
        }
        for (from, before, member) in moved {
            relay.note_moved(from, before, *known.get(&member)?);
        }
        for ((node, number), user) in known {
            let (name, _) = relay.nodes.get_key_value(&*node)?;
            relay.members.insert(user, (Arc::clone(name), number));
            relay.nodes.get_mut(&*node)?.members.insert(number, user);
        }
        let rooms: Vec<_> = self.chat.rooms().map(|(room, it)| (room, it.count())).collect();
        for (room, count) in rooms {
            self.channel_mut(room).cut_off = count;
        }
        Some(())
    }

    /// The next entry of the log.
    pub fn handle_relayed(&mut self, entry: &Relayed<'_>, now: Now) {
        self.now = now;
        let Some(relay) = &mut self.relay else { return };
        if !relay.admit(entry) {
            return;
        }
        let is_own = *relay.node == *entry.node;
        for line in entry.lines.split('\n') {
            self.last_entry += 1;
            let applied = self.apply_line(entry, line);
            // A line may be what ends this server's name.
            let relay = self.relay.as_mut().filter(|relay| is_own && *relay.node == *entry.node);
            if let Some(pending) = relay.and_then(|relay| relay.pending.pop_front()) {
                self.has_come_back(pending, &applied);
            }
        }
    }

    /// Whether the log can be read and written, from now on.
    pub fn handle_relay_live(&mut self, is_live: bool, now: Now) {
        self.now = now;
        let Some(relay) = &mut self.relay else { return };
        if std::mem::replace(&mut relay.is_live, is_live) == is_live {
            return;
        }
        self.settings.is_away = !is_live;
        if !is_live {
            relay.away_since = Some(now.instant);
            return;
        }
        relay.away_since = None;
        if std::mem::take(&mut relay.is_told) {
            self.tell_of_relay(true);
        }
        self.resume_relayed();
    }

    /// The server's own terminal is that connection.
    pub(super) fn note_console(&mut self, key: ConnectionKey, name: &str) {
        if let Some(relay) = &mut self.relay {
            relay.console = Some((key, name.to_owned()));
        }
    }

    /// A server has not been heard of for so long that it is taken for gone.
    pub fn handle_relay_missing(&mut self, node: &str) {
        if let Some(relay) = &mut self.relay
            && relay.nodes.contains_key(node)
        {
            relay.push(format!("down {node}"), None);
        }
    }

    // ── what to do ───────────────────────────────────────────────────────────────────────────────

    /// The name under which this server writes. If it is another than before, nothing that was
    /// written under that is to be written again. Lines that there are already are known of now.
    pub fn poll_relay_name(&mut self) -> Option<&Arc<str>> {
        let relay = self.relay.as_mut()?;
        relay.has_news = false;
        Some(&relay.node)
    }

    /// The lines of the next entry that is to be written, with LF between them.
    pub fn poll_relay(&mut self) -> Option<String> {
        let relay = self.relay.as_mut()?;
        let mut lines = relay.lines.pop_front()?;
        if lines.starts_with("up ") {
            // Whose place this server takes is known when all has been read.
            let same = |(_, of): &(&Arc<str>, &Node)| *of.label == *relay.label;
            let before = relay.nodes.iter().find(same).map_or("-", |(node, _)| node);
            lines = format!("{lines} {before}");
        }
        while let Some(next) = relay.lines.front()
            && lines.len() + 1 + next.len() <= BATCH_BYTES_MAX
        {
            lines.push('\n');
            lines.push_str(next);
            relay.lines.pop_front();
        }
        Some(lines)
    }

    /// The names and labels of the other servers that are there.
    pub fn relayed_nodes(&self) -> impl Iterator<Item = (&str, &str)> {
        let relay = self.relay.iter();
        relay.flat_map(|relay| {
            let others = relay.nodes.iter().filter(|(node, _)| **node != relay.node);
            others.map(|(node, of)| (&**node, &*of.label))
        })
    }

    /// Whether this is no server, and knows nothing of rooms that others could go by.
    #[must_use]
    pub fn is_visitor(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.is_visitor())
    }

    /// Whether another process shares the rooms under the label of this one, which must stop.
    #[must_use]
    pub fn is_usurped(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.is_usurped)
    }

    /// The link has sent so many entries again, and the last one took so long to come back. What is
    /// counted goes to the metrics.
    pub fn note_link(&mut self, resent: u64, lag: Duration) {
        let counts = self.relay_counts();
        self.counts.relay = counts.map(|counts| RelayCounts { resent, lag, ..counts });
    }

    /// What was counted of the relay, if there is one.
    #[must_use]
    pub fn relay_counts(&self) -> Option<RelayCounts> {
        let relay = self.relay.as_ref()?;
        let (resent, lag) =
            self.counts.relay.map_or_else(Default::default, |counts| (counts.resent, counts.lag));
        Some(RelayCounts {
            resent,
            lag,
            pending: relay.pending.len(),
            ignored: relay.ignored,
            resets: relay.resets,
            servers: relay.nodes.len(),
            is_live: relay.is_live,
        })
    }

    /// All that the log has decided, to be compared with another server's.
    #[must_use]
    pub fn relayed_state(&self) -> String {
        format!("{} {:#?}", self.last_entry, self.chat.snapshot_of_shared())
    }

    // ── proposing ────────────────────────────────────────────────────────────────────────────────

    /// Proposes a fact to all servers. What becomes of it shows later.
    pub(super) fn propose_to_all(&mut self, fact: &Fact<'_>) -> Applied {
        // Where somebody's bytes go is nobody else's business.
        if let Fact::Moved { user, origin } = *fact {
            // Everywhere else they still come from where they came from first.
            let address = self.chat.user(user).map(|user| user.address);
            let origin = origin.map(|(key, from)| (key, address.unwrap_or(from)));
            return self.commit_here(Fact::Moved { user, origin });
        }
        // Whoever leaves is not told any more what happens until all know it.
        if let Fact::Left { user, .. } = fact
            && self.chat.user(*user).is_some_and(|user| user.origin.is_some())
        {
            self.commit_here(Fact::Moved { user: *user, origin: None });
        }
        let Some(relay) = &mut self.relay else { return Applied::Refused(Conflict::OutOfDate) };
        let Some(mut line) = written::write(&self.chat, &**relay, fact) else {
            return Applied::Refused(Conflict::OutOfDate);
        };
        let said_by = match fact {
            Fact::Said { user, .. } | Fact::Told { user, .. } => {
                self.chat.user(*user).and_then(|user| user.origin)
            }
            _ => None,
        };
        relay.is_deciding |= said_by.is_none();
        let is_last = match fact {
            Fact::Said { extra: Some(extra), .. } => extra.part.is_none_or(|part| part.is_last),
            _ => true,
        };
        let keyed = self.keyed.as_mut().zip(said_by);
        if let Some(key) = keyed.and_then(|(keyed, by)| keyed.hash_of_line(by, is_last)) {
            written::add_key(&mut line, key);
        }
        relay.push(line, said_by);
        Applied::Later
    }

    /// Whether somebody who is at this server has too much to read to be told something in private.
    /// That is known here alone, so all are told.
    pub(super) fn is_undelivered(&mut self, author: UserKey, to: UserKey) -> bool {
        let Some(relay) = &self.relay else { return false };
        let (Some(number), Some((node, by))) = (relay.own_number_of(to), relay.member_of(author))
        else {
            return false;
        };
        let line = format!("undelivered {number} {node} {by}");
        let is_so = self.has_much_to_read(to);
        if let Some(relay) = self.relay.as_mut().filter(|_| is_so) {
            relay.push(line, None);
        }
        is_so
    }

    /// What somebody has written to a user in private has not reached them.
    fn tell_undelivered(&mut self, user: UserKey, author: UserKey) {
        let origin = self.chat.user(author).and_then(|author| author.origin);
        let name = self.chat.name(user).to_owned();
        self.tell_user(author, origin, None, &Event::Refused(Refusal::TellTooMuch(&name)));
    }

    /// What somebody says to those alone who have a rank in a room goes to all servers, if rooms
    /// are shared. Returns whether that is so.
    pub(super) fn send_to_ranks(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        (room, least): (RoomKey, Rank),
        (text, extra): (&str, &MaybeExtra),
    ) -> bool {
        let Some(relay) = &mut self.relay else { return false };
        if let Some(number) = relay.own_number_of(user) {
            let room = self.chat[room].name();
            let line = written::write_to_ranks(number, (room, least), text, extra);
            relay.push(line, Some(key));
        }
        true
    }

    /// What follows when what was proposed last has come back.
    pub(super) fn then(&mut self, key: ConnectionKey, next: Next) {
        let pending = self.relay.as_mut().and_then(|relay| relay.pending.back_mut());
        if let Some(pending) = pending {
            pending.next = Some((key, next));
        }
    }

    /// Something is about to be done for somebody.
    pub(super) fn begin_deciding(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.is_deciding = false;
        }
    }

    /// If what was done for `key` shows later, and decides what it may do next, it waits for that.
    pub(super) fn await_relay(&mut self, key: ConnectionKey) {
        let Some(relay) = &mut self.relay else { return };
        let connection = &mut self.connections[key];
        if !relay.is_deciding || !connection.is_heard() {
            return;
        }
        let Some(pending) = relay.pending.back_mut() else { return };
        pending.resumes = Some(key);
        let waiting = connection.waiting.get_or_insert_with(|| Box::new(Waiting::new(Wait::Relay)));
        waiting.why = Wait::Relay;
    }

    /// Whether people must wait until more can be proposed.
    pub(super) fn is_relay_full(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.is_full())
    }

    /// `key` goes on when more can be proposed.
    pub(super) fn await_relay_turn(&mut self, key: ConnectionKey) {
        if let Some(relay) = &mut self.relay {
            relay.waiting.push(key);
        }
    }

    fn resume_relayed(&mut self) {
        let Some(relay) = &mut self.relay else { return };
        if relay.is_full() {
            return;
        }
        for key in std::mem::take(&mut relay.waiting) {
            self.resume_from_relay(key);
        }
    }

    fn resume_from_relay(&mut self, key: ConnectionKey) {
        let waiting = self.connections.get_mut(key).and_then(|it| it.waiting.as_mut());
        if let Some(waiting) = waiting.filter(|waiting| waiting.why == Wait::Relay) {
            waiting.why = Wait::Turn;
            self.await_turn(key);
            self.arm(key);
        }
    }

    // ── applying ─────────────────────────────────────────────────────────────────────────────────

    /// A fact that concerns this server alone becomes so.
    pub(super) fn commit_here(&mut self, fact: Fact<'_>) -> Applied {
        let entry = Entry::new(self.last_entry, self.now.unix_seconds, fact);
        self.commit(entry)
    }

    fn apply_line(&mut self, entry: &Relayed<'_>, line: &str) -> Applied {
        let nothing = Applied::Refused(Conflict::OutOfDate);
        let Some(relay) = &self.relay else { return nothing };
        // It may have gone by a line before this, or not have come by that.
        if !relay.nodes.contains_key(entry.node) && !line.starts_with("up ") {
            return nothing;
        }
        let Some(line) = written::read(&self.chat, &**relay, entry.node, line) else {
            return nothing;
        };
        let (id, at) = (self.last_entry, entry.at_ms / 1000);
        match line {
            Line::Up { version, label, instead_of } => {
                self.begin_node(entry, (version, label, instead_of));
            }
            Line::Down { node } => self.end_node(node, at),
            Line::Came { number, fact } => {
                let is_own = *relay.node == *entry.node;
                let fact = if is_own { self.with_origin(number, fact) } else { fact };
                let applied = self.commit(Entry::new(id, at, fact));
                if let (Applied::Connected(user), Some(relay)) = (&applied, &mut self.relay)
                    && let Some((name, _)) = relay.nodes.get_key_value(entry.node)
                {
                    relay.members.insert(*user, (Arc::clone(name), number));
                    if let Some(node) = relay.nodes.get_mut(entry.node) {
                        node.members.insert(number, *user);
                    }
                }
                return applied;
            }
            Line::Pass { user, hash } => {
                if let Some(relay) = &mut self.relay {
                    relay.passes.add(user, hash, id);
                }
            }
            Line::Account(line) => return self.apply_account_of(entry, line),
            Line::Lost { user, name } => return self.apply_lost((id, at), user, name),
            Line::ToRanks { user, room, least, text, extra } => {
                self.tell_ranks((user, room, least), (&text, extra), (id, at));
                return Applied::Said;
            }
            Line::Undelivered { user, author } => self.tell_undelivered(user, author),
            Line::Mail { to, mail } => self.has_come_after(to, &mail),
            Line::Taken { user, number } => return self.apply_taken(entry, user, number),
            Line::Keyed { user, fact, key } => {
                // They were cut off before this showed, and have said it again.
                if relay.passes.said(user, key).is_some() {
                    return nothing;
                }
                let applied = self.commit(Entry::new(id, at, fact));
                if let (Applied::Said, Some(relay)) = (&applied, &mut self.relay) {
                    relay.passes.note_said(user, key, id);
                }
                return applied;
            }
            Line::Fact(fact) => {
                let gone = match &fact {
                    Fact::Left { user, .. } => Some(*user),
                    Fact::Order { order, .. } => order.removed(),
                    _ => None,
                };
                let applied = self.commit(Entry::new(id, at, fact));
                if let (Some(user), Applied::Left(_), Some(relay)) =
                    (gone, &applied, &mut self.relay)
                {
                    relay.forget(user);
                }
                return applied;
            }
        }
        nothing
    }

    /// Makes a line about an account true. The log tells of what an operator has done by hand.
    fn apply_account_of(&mut self, entry: &Relayed<'_>, line: AccountLine<'_>) -> Applied {
        let by_hand = self.relay.as_ref().is_some_and(|relay| relay.is_of_visitor(entry));
        let changed = by_hand.then(|| line.name.clone());
        let applied = self.apply_account((self.last_entry, entry.at_ms / 1000), line);
        if let (Some(name), false) = (changed, matches!(applied, Applied::Refused(_))) {
            log::info!("relay: chinwag account has changed the account {name}");
            if let Some(relay) = self.relay.as_mut().filter(|relay| *relay.node == *entry.node) {
                relay.is_wish_true = true;
            }
        }
        applied
    }

    /// Somebody has the name that they wanted here; perhaps they have gone meanwhile.
    fn with_origin<'a>(&self, number: u64, fact: Fact<'a>) -> Fact<'a> {
        let key = ConnectionKey::from_bits(number);
        let is_waiting = |it: &&Connection| it.is_heard() && it.any_user().is_none();
        let origin = self.connections.get(key).filter(is_waiting).map(|_| key);
        match fact {
            Fact::Connected { name, address, standing, .. } => {
                Fact::Connected { origin, name, address, standing }
            }
            fact => fact,
        }
    }

    /// Somebody has come back at the server that wrote the entry.
    fn apply_taken(&mut self, entry: &Relayed<'_>, user: UserKey, number: u64) -> Applied {
        let Some(relay) = &mut self.relay else { return Applied::Refused(Conflict::OutOfDate) };
        let Some(from) = relay.move_member(user, entry.node, number) else {
            return Applied::Refused(Conflict::OutOfDate);
        };
        if from == relay.node {
            self.send_after(user, (entry.node, number));
            self.let_go_of(user);
        }
        Applied::Moved { from: None }
    }

    fn begin_node(&mut self, entry: &Relayed<'_>, (version, label, instead_of): (u32, &str, &str)) {
        if version != VERSION {
            log::error!("relay: {label} is of another version ({version}), and not listened to");
            return;
        }
        let Some(relay) = &mut self.relay else { return };
        // A server comes once under a name.
        if relay.nodes.contains_key(entry.node) || relay.has_gone(entry.node) {
            return;
        }
        let same = |(node, of): &(&Arc<str>, &Node)| *of.label == *label && ***node != *entry.node;
        let before = relay.nodes.iter().find(same).map(|(node, _)| Arc::clone(node));
        // It was written when another had the label, and is executed late: whoever has it by now
        // began after that.
        if before.as_deref().unwrap_or("-") != instead_of {
            relay.note_gone(entry.node);
            if *relay.node == *entry.node {
                self.give_up(CloseReason::RelayLost);
            }
            return;
        }
        if let Some(before) = before {
            if let Some(relay) = &mut self.relay
                && relay.node == before
            {
                relay.is_usurped = true;
            }
            self.end_node(&before, entry.at_ms / 1000);
        }
        let Some(relay) = &mut self.relay else { return };
        if *relay.node != *entry.node && label != VISITOR {
            log::info!("relay: {label} is here");
        }
        let node = Node { label: label.into(), seq: entry.seq, members: BTreeMap::new() };
        relay.nodes.insert(entry.node.into(), node);
    }

    /// A server has gone, and with it all who came there: at the same time for all servers.
    fn end_node(&mut self, name: &str, at: u64) {
        let Some(relay) = &self.relay else { return };
        if !relay.nodes.contains_key(name) {
            return;
        }
        if *relay.node == *name && !relay.is_usurped && !relay.is_visitor() {
            log::error!("relay: this server was taken for gone; those who are here are closed");
        }
        if *relay.node == *name {
            self.give_up(CloseReason::RelayLost);
        }
        let Some(relay) = &mut self.relay else { return };
        let Some(node) = relay.nodes.remove(name) else { return };
        relay.note_gone(name);
        if *node.label != *VISITOR {
            log::info!("relay: {} has gone, with {} people", node.label, node.members.len());
        }
        for user in node.members.into_values() {
            if let Some(relay) = &mut self.relay {
                relay.forget(user);
            }
            let why = Leaving::Reason(CloseReason::RelayLost(0));
            self.commit(Entry::new(self.last_entry, at, Fact::Left { user, why }));
        }
    }

    // ── what follows ─────────────────────────────────────────────────────────────────────────────

    /// A line of this server has come back.
    fn has_come_back(&mut self, pending: Pending, applied: &Applied) {
        let Pending { bytes, next, resumes, .. } = pending;
        if let Some(relay) = &mut self.relay {
            relay.pending_bytes -= bytes;
            relay.is_deciding = false;
        }
        if let Some(next) = next {
            self.go_on(next, applied);
        }
        if let Some(key) = resumes {
            let is_deciding = self.relay.as_ref().is_some_and(|relay| relay.is_deciding);
            match is_deciding && self.connections.get(key).is_some() {
                true => self.await_relay(key),
                false => self.resume_from_relay(key),
            }
        }
        if self.relay.as_ref().is_some_and(|relay| !relay.waiting.is_empty()) {
            self.resume_relayed();
        }
    }

    // ── while the engine is away ─────────────────────────────────────────────────────────────────

    /// When people must be told that the engine is away, or closed.
    pub(super) fn relay_due(&self) -> Option<Instant> {
        let relay = self.relay.as_ref()?;
        if relay.has_news {
            return Some(self.now.instant);
        }
        let since = relay.away_since?;
        Some(since + if relay.is_told { LOST_AFTER } else { TOLD_AFTER })
    }

    pub(super) fn handle_relay_timeout(&mut self) {
        let Some(relay) = &mut self.relay else { return };
        let wait = if relay.is_told { LOST_AFTER } else { TOLD_AFTER };
        if relay.away_since.is_none_or(|since| since + wait > self.now.instant) {
            return;
        }
        if relay.is_told {
            log::error!("relay: away for too long; those who are here are closed");
            relay.away_since = None;
            relay.is_told = false;
            return self.give_up(CloseReason::RelayLost);
        }
        relay.is_told = true;
        self.tell_of_relay(false);
    }

    fn tell_of_relay(&mut self, is_back: bool) {
        for key in self.connections.keys() {
            if self.connections[key].user().is_some() {
                self.tell(key, None, &Event::Relay { is_back });
            }
        }
    }

    /// All who are here are closed and told why, each with the number of lines of theirs that were
    /// not said; and nothing that was on its way will be so any more.
    fn give_up(&mut self, reason: impl Fn(u32) -> CloseReason) {
        let Some(relay) = &self.relay else { return };
        let mut unsaid: HashMap<ConnectionKey, u32> = HashMap::new();
        for key in relay.pending.iter().filter_map(|pending| pending.said_by) {
            *unsaid.entry(key).or_default() += 1;
        }
        let asking = relay.pending.iter().filter_map(|pending| pending.resumes);
        let asking: HashSet<ConnectionKey> = asking.collect();
        let console = relay.console.clone();
        for key in self.connections.keys() {
            if console.as_ref().is_some_and(|(console, _)| *console == key) {
                self.take_out(key);
                continue;
            }
            let connection = &self.connections[key];
            if asking.contains(&key) || connection.any_user().is_some() {
                // Nobody is waited for who could only come back to what is lost.
                if let Some(user) = connection.any_user() {
                    self.tickets.forget(user);
                }
                self.close(key, reason(unsaid.get(&key).copied().unwrap_or_default()), "");
                self.arm(key);
            }
        }
        for (user, dialect) in self.tickets.forget_all() {
            self.depart(user, dialect, reason(0), "");
        }
        if let Some(relay) = &mut self.relay {
            relay.begin_anew();
        }
        // Nobody but the server itself closes its terminal.
        if let Some((key, name)) = console.filter(|(key, _)| self.connections.get(*key).is_some()) {
            self.name_console(key, &name);
            self.arm(key);
        }
    }

    /// The server's own terminal is nobody until it has a name again.
    fn take_out(&mut self, key: ConnectionKey) {
        if let State::Chatting(user) = self.connections[key].state {
            self.commit_here(Fact::Moved { user, origin: None });
            self.members[self.connections[key].dialect.index()] -= 1;
            self.connections[key].state = awaiting_nick(self.now.instant, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;
    use crate::config::Config;
    use crate::dialect::Dialect;
    use crate::nickname::Nickname;

    /// A server that has read nothing, and can write.
    fn server() -> (Hub, Now) {
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let mut hub = Hub::new(&Config::default(), now);
        hub.share_as("one", 1);
        hub.handle_relay_reset(1_700_000_000_000, now);
        hub.handle_relay_live(true, now);
        (hub, now)
    }

    /// What the server has written stands in the log. Returns it.
    fn comes_back(hub: &mut Hub, seq: u64, now: Now) -> String {
        let lines = hub.poll_relay().unwrap();
        let node = "one.0000000000000001.1";
        hub.handle_relayed(&Relayed { node, seq, at_ms: 1_700_000_001_000, lines: &lines }, now);
        lines
    }

    /// Whether somebody has this name.
    fn has(hub: &Hub, name: &str) -> bool {
        hub.chat.holder_of(&Nickname::unchecked(name)).is_some()
    }

    #[test]
    fn who_is_closed_before_all_know_that_they_come_in_leaves() {
        let (mut hub, now) = server();
        let remote = "192.0.2.1:77".parse().unwrap();
        let key = hub.handle_connect(Dialect::Lines, remote, now).unwrap();
        hub.handle_input(key, b"alice\n", now);
        let came = comes_back(&mut hub, 1, now);
        assert!(came.contains("\ncome "), "{came}");
        let joining = hub.poll_relay().unwrap();
        assert!(joining.starts_with("join "), "{joining}");
        hub.handle_stop(now);
        hub.handle_closed(key);
        let node = "one.0000000000000001.1";
        let entry = Relayed { node, seq: 2, at_ms: 1_700_000_002_000, lines: &joining };
        hub.handle_relayed(&entry, now);
        assert!(has(&hub, "alice"));
        assert!(comes_back(&mut hub, 3, now).starts_with("leave "));
        assert!(!has(&hub, "alice"));
    }

    #[test]
    fn nobody_comes_by_a_server_that_could_not_come_itself() {
        let (mut hub, now) = server();
        let lines = "up 1 two three.1.1\ncome 1 bob 192.0.2.1 lines 00 - -\njoin 1 lobby ";
        let entry = Relayed { node: "two.1.1", seq: 1, at_ms: 1_700_000_001_000, lines };
        hub.handle_relayed(&entry, now);
        assert!(!has(&hub, "bob"));
        // Where another had no label either, they do.
        let lines = lines.replace("three.1.1", "-");
        let entry = Relayed { node: "two.1.2", lines: &lines, ..entry };
        hub.handle_relayed(&entry, now);
        assert!(has(&hub, "bob"));
    }

    #[test]
    fn who_has_gone_does_not_come_again_by_what_was_written_before() {
        let (mut hub, now) = server();
        let mut read = |node, seq, lines| {
            let entry = Relayed { node, seq, at_ms: 1_700_000_001_000, lines };
            hub.handle_relayed(&entry, now);
            has(&hub, "bob")
        };
        let come = "come 1 bob 192.0.2.1 lines 00 - -\njoin 1 lobby ";
        assert!(!read("two.1.1", 1, "up 1 two -"));
        assert!(read("two.1.1", 2, come));
        assert!(!read("three.1.1", 1, "up 1 three -\ndown two.1.1"));
        // The same once more, by connections that were cut.
        assert!(!read("two.1.1", 1, "up 1 two -"));
        assert!(!read("two.1.1", 2, come));
    }

    #[test]
    fn whom_somebody_writes_about_is_found_where_they_have_come_back_meanwhile() {
        let [(mut hub, now), (mut late, _)] = [server(), server()];
        let read = |hub: &mut Hub, node, seq, lines| {
            let entry = Relayed { node, seq, at_ms: 1_700_000_001_000, lines };
            hub.handle_relayed(&entry, now);
        };
        read(&mut hub, "two.1.1", 1, "up 1 two -\ncome 1 bob 192.0.2.1 web 00 - -\npass 1 abc");
        read(&mut hub, "three.1.1", 1, "up 1 three -\ntake two.1.1 1 7");
        assert!(late.handle_relay_checkpoint(&hub.relay_checkpoint()));
        let lines = "come 8 al 192.0.2.1 lines 00 - console\nkill 8 two.1.1 1 kick why";
        for hub in [&mut hub, &mut late] {
            // What is written in the name of who is not there any more is nothing.
            read(hub, "two.1.1", 2, "leave 1 plain");
            assert!(has(hub, "bob"));
            read(hub, "three.1.1", 2, lines);
            assert!(!has(hub, "bob"));
        }
    }

    #[test]
    fn in_a_large_room_too_somebody_from_elsewhere_has_come_before_they_speak() {
        let (mut hub, now) = server();
        let remote = "192.0.2.1:77".parse().unwrap();
        let key = hub.handle_connect(Dialect::Lines, remote, now).unwrap();
        hub.handle_input(key, b"alice\n", now);
        let node = "one.0000000000000001.1";
        for seq in 1..=2 {
            let lines = hub.poll_relay().unwrap();
            let entry = Relayed { node, seq, at_ms: 1_700_000_001_000, lines: &lines };
            hub.handle_relayed(&entry, now);
        }
        let come = |number| {
            format!("come {number} p{number} 192.0.2.2 lines 00 - -\njoin {number} lobby ")
        };
        let crowd: Vec<_> = (0..2000).map(come).collect();
        let last = "say 1999 lobby hello";
        let lines = format!("up 1 two -\n{}\n{last}", crowd.join("\n"));
        let entry = Relayed { node: "two.1.1", seq: 1, at_ms: 1_700_000_002_000, lines: &lines };
        hub.handle_relayed(&entry, now);
        let mut slices = [IoSlice::new(&[]); 64];
        let count = hub.poll_transmit(key, &mut slices);
        let told = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let told = String::from_utf8(told).unwrap();
        let places = ["1992 more joined", "p1999: hello"].map(|text| told.find(text).expect(text));
        assert!(places[0] < places[1], "{told}");
    }
}

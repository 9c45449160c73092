//! Passes: where servers share their rooms, somebody who was cut off can come back at another one
//! than before. All servers know a hash of each token, and under which keys its owner has said
//! something; so nothing is said twice. Who comes with a token of somebody who is at another server
//! takes them from there by a line of the log. Nobody else notices anything.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use super::Hub;
use super::next::Next;
use super::returning::Known;
use super::tickets::{Held, TOKENS_MAX};
use crate::chat::written::{Mail, Members as _};
use crate::chat::{EntryId, Fact, UserKey};
use crate::dialect::Dialect;
use crate::event::{CloseReason, Event};
use crate::key::ConnectionKey;
use crate::token::{Token, key_hash};

/// Keys that are remembered for all: of the latest 44 s if 1,500 lines are said a second, which is
/// longer than anybody waits for the engine and for who is cut off.
const KEYS_MAX: usize = 65_536;

/// What all servers know of those who may come back at another one.
#[derive(Debug, Default)]
pub(super) struct Passes {
    by_hash: HashMap<u128, UserKey>,
    by_user: HashMap<UserKey, Pass>,
    /// The numbers of what was said under a key, which is hashed, by the owner of that pass …
    said: HashMap<(EntryId, u64), EntryId>,
    /// … in the order in which it was said.
    keys: VecDeque<(EntryId, u64)>,
}

/// What is known of one.
#[derive(Debug)]
struct Pass {
    /// That of the line that told the first token. Nobody else has it, before or after.
    id: EntryId,
    /// Hashes of the latest tokens.
    tokens: VecDeque<u128>,
}

impl Passes {
    /// A user has one more token, as the line of this number says.
    pub(super) fn add(&mut self, user: UserKey, hash: u128, id: EntryId) {
        let new = || Pass { id, tokens: VecDeque::new() };
        let tokens = &mut self.by_user.entry(user).or_insert_with(new).tokens;
        if tokens.len() == TOKENS_MAX
            && let Some(oldest) = tokens.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
        tokens.push_back(hash);
        self.by_hash.insert(hash, user);
    }

    /// A user has said something under a key. Who cannot come back does not say it again.
    pub(super) fn note_said(&mut self, user: UserKey, key: u64, said: EntryId) {
        if let Some(pass) = self.by_user.get(&user) {
            self.remember((pass.id, key), said);
        }
    }

    fn remember(&mut self, key: (EntryId, u64), said: EntryId) {
        if self.keys.len() == KEYS_MAX
            && let Some(oldest) = self.keys.pop_front()
        {
            self.said.remove(&oldest);
        }
        self.keys.push_back(key);
        self.said.insert(key, said);
    }

    /// What a user has said under a key that hashes to this.
    pub(super) fn said(&self, user: UserKey, key: u64) -> Option<EntryId> {
        self.said.get(&(self.by_user.get(&user)?.id, key)).copied()
    }

    /// Whose token that is.
    fn owner(&self, token: &Token) -> Option<UserKey> {
        self.by_hash.get(&token.hash()).copied()
    }

    /// A user has left.
    pub(super) fn forget(&mut self, user: UserKey) {
        for hash in self.by_user.remove(&user).into_iter().flat_map(|pass| pass.tokens) {
            self.by_hash.remove(&hash);
        }
    }

    /// Appends what is known of a user, who has this number at that server.
    pub(super) fn write(&self, user: UserKey, (node, number): (&str, u64), out: &mut String) {
        let Some(Pass { id, tokens }) = self.by_user.get(&user) else { return };
        for hash in tokens {
            let _ = writeln!(out, "pass {node} {number} {id} {hash:x}");
        }
    }

    /// Appends what was said under a key.
    pub(super) fn write_said(&self, out: &mut String) {
        for (pass, key) in &self.keys {
            let said = self.said.get(&(*pass, *key)).copied().unwrap_or_default();
            let _ = writeln!(out, "said {pass} {key:x} {said}");
        }
    }

    /// Reads what [`write`](Self::write) has written behind a user's number.
    pub(super) fn read(&mut self, user: UserKey, (id, hash): (&str, &str)) -> Option<()> {
        self.add(user, u128::from_str_radix(hash, 16).ok()?, id.parse().ok()?);
        Some(())
    }

    /// Reads what [`write_said`](Self::write_said) has written.
    pub(super) fn read_said(&mut self, (pass, key, said): (&str, &str, &str)) -> Option<()> {
        let key = (pass.parse().ok()?, u64::from_str_radix(key, 16).ok()?);
        self.remember(key, said.parse().ok()?);
        Some(())
    }
}

impl Hub {
    /// A user who is here can come back at any server by their latest token.
    pub(super) fn pass_on(&mut self, user: UserKey) {
        if let Some(relay) = &mut self.relay
            && let Some(token) = self.tickets.token(user)
            && let Some(number) = relay.own_number_of(user)
        {
            relay.push(format!("pass {number} {:x}", token.hash()), None);
        }
    }

    /// Who has this token and is at another server, or was until it went.
    pub(super) fn is_elsewhere(&self, token: &Token) -> Option<UserKey> {
        let relay = self.relay.as_ref()?;
        relay.passes.owner(token).filter(|user| relay.own_number_of(*user).is_none())
    }

    /// What somebody has said under a key, perhaps at another server.
    pub(super) fn said_elsewhere(&self, user: UserKey, key: &str) -> Option<EntryId> {
        self.relay.as_ref()?.passes.said(user, key_hash(key))
    }

    /// Somebody takes who they were from another server.
    pub(super) fn take(
        &mut self,
        key: ConnectionKey,
        user: UserKey,
        (token, known): (Token, &[Known]),
    ) {
        let Some(relay) = &mut self.relay else { return };
        let Some((node, number)) = relay.member_of(user) else { return };
        let line = format!("take {node} {number} {}", key.to_bits());
        relay.decide(line);
        let (known, dialect) = (known.into(), self.connections[key].dialect);
        self.then(key, Next::Took { user, token, known, dialect });
        self.await_relay(key);
    }

    /// A user who was here has come back at another server.
    pub(super) fn let_go_of(&mut self, user: UserKey) {
        if let Some(key) = self.let_go(user) {
            self.put_off(key, CloseReason::Replaced);
        }
    }

    /// What somebody who is cut off is told in private is kept also for the case that they come
    /// back at another server.
    pub(super) fn keep_for_elsewhere(&mut self, to: UserKey, mail: impl FnOnce() -> String) {
        if self.relay.is_some()
            && let Some(told) = self.tickets.told(to)
        {
            told.push(mail());
        }
    }

    /// A user has come back at that server, with that number. What has waited for them here goes
    /// there.
    pub(super) fn send_after(&mut self, user: UserKey, (node, number): (&str, u64)) {
        let told = self.tickets.told(user).map(std::mem::take).unwrap_or_default();
        if let Some(relay) = &mut self.relay {
            told.iter().for_each(|told| relay.push(format!("mail {node} {number} {told}"), None));
        }
    }

    /// Something private has come after somebody from the server where they were before.
    pub(super) fn has_come_after(&mut self, to: UserKey, mail: &Mail<'_>) {
        let Some(origin) = self.chat.user(to).map(|user| user.origin) else { return };
        if origin.is_none() {
            self.keep_for_elsewhere(to, || mail.write());
        }
        let Mail { id, at, from, text } = mail;
        let event = Event::Told { from, text, at: *at, id: *id };
        self.private_bytes += self.tell_user(to, origin, None, &event);
    }

    /// What is for a user goes nowhere here from now on, but they have not left. Returns the
    /// connection that they had.
    fn let_go(&mut self, user: UserKey) -> Option<ConnectionKey> {
        let origin = self.chat.user(user)?.origin;
        let dialect = match origin {
            Some(key) => Some(self.connections[key].dialect),
            None => self.tickets.dialect(user),
        };
        if let Some(dialect) = dialect {
            self.members[dialect.index()] -= 1;
        }
        self.tickets.forget(user);
        if origin.is_some() {
            self.commit_here(Fact::Moved { user, origin: None });
        }
        origin
    }

    /// This server stops. Whoever can come back does so at another one, which they are waited for
    /// until it shows that this one has gone. Returns whether that is so.
    pub(super) fn leave_to_others(&mut self, user: UserKey, reason: CloseReason) -> bool {
        let is_waited_for = reason == CloseReason::Stopping
            && self.relay.is_some()
            && !self.limits.resume_grace.is_zero()
            && self.tickets.of(user).is_some();
        if is_waited_for {
            self.let_go(user);
        }
        is_waited_for
    }

    /// Somebody has taken who they were from another server.
    pub(super) fn took(
        &mut self,
        (key, dialect): (ConnectionKey, Dialect),
        user: UserKey,
        (token, known): (&Token, &[Known]),
    ) {
        let ticket = self.tickets.issue_by(token, user, dialect);
        self.members[dialect.index()] += 1;
        match self.connections.get(key).filter(|connection| connection.is_heard()) {
            Some(connection) => {
                let address = connection.remote.ip();
                self.propose(Fact::Moved { user, origin: Some((key, address)) });
                self.is_back((key, user), (ticket, token), (Vec::new(), known));
            }
            // They were cut off again meanwhile.
            None => {
                let (since, until) =
                    (self.now.instant, self.now.instant + self.limits.resume_grace);
                let (reason, (mail, told)) = (CloseReason::ConnectionLost, Default::default());
                self.tickets.hold(ticket, Held { until, since, reason, address: None, mail, told });
            }
        }
    }
}

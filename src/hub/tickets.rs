//! Tickets: for everybody who may come back after being cut off, what is to be known then. Each has
//! a token, by which it is found; what is remembered of keys, by which nothing is said twice; and
//! how its owner is: here, cut off and waited for, or gone.
//!
//! Who is cut off costs something although nobody is there, so all of it is bounded.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::chat::{EntryId, UserKey};
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::event::CloseReason;
use crate::nickname::Nickname;
use crate::token::Token;

/// How long a token is good after the connection has ended.
const TOKEN_TIME: Duration = Duration::from_secs(600);

/// Tokens that are kept ready; each that comes in takes one.
const STOCK: usize = 16;

/// Tokens that are good for one owner at the same time.
pub(super) const TOKENS_MAX: usize = 4;

/// Keys that are remembered for one.
const KEYS_MAX: usize = 1000;

/// Keys that are remembered for all, after which each has the fewer.
const KEYS_OF_ALL_MAX: usize = 1 << 20;
const KEYS_FEW: usize = 16;

/// Bytes of private messages that are kept for somebody who is waited for, and one message more.
const MAIL_BYTES_MAX: usize = 64 * 1024;

/// A ticket among all: its place in the slab, and so only good as long as the ticket is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TicketKey(u32);

/// All tickets.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    slab: Slab<Ticket>,
    by_token: HashMap<Token, TicketKey>,
    by_user: HashMap<UserKey, TicketKey>,
    /// Until when those are waited for who are cut off.
    held: BTreeSet<(Instant, TicketKey)>,
    /// How many of them came from each address.
    held_by_address: HashMap<IpAddr, usize>,
    /// When those are forgotten who are gone.
    gone: BTreeSet<(Instant, TicketKey)>,
    /// Tokens that are nobody's yet.
    stock: Vec<Token>,
    /// Keys that are remembered.
    keys: usize,
    hasher: RandomState,
}

/// What is to be known of somebody who may come back.
#[derive(Debug)]
struct Ticket {
    token: Token,
    /// Tokens of before, the oldest first. They are good until it shows that their owner was told
    /// the new one: connections may have been cut off before that, one after the other.
    before: Vec<Token>,
    /// They have been told the first one.
    is_told: bool,
    user: UserKey,
    dialect: Dialect,
    state: State,
    /// The latest keys, hashed, and the numbers of what was said.
    said: VecDeque<(u64, EntryId)>,
}

#[derive(Debug)]
enum State {
    /// They have a connection.
    Here,
    Held(Box<Held>),
    Gone(Box<Gone>),
}

/// Somebody who is cut off, and waited for.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) until: Instant,
    pub(super) since: Instant,
    /// Why they were.
    pub(super) reason: CloseReason,
    /// The address that they came from, if those are counted.
    pub(super) address: Option<IpAddr>,
    /// What came for them alone, as they will be told it.
    pub(super) mail: Vec<u8>,
    /// What of it goes along if they come back at another server.
    pub(super) told: Vec<String>,
}

/// Somebody who has left.
#[derive(Debug)]
pub(super) struct Gone {
    /// When the token is good no more.
    pub(super) until: Instant,
    /// What they were called.
    pub(super) name: Nickname,
    /// The account that they were logged in to.
    pub(super) account: Option<Nickname>,
    /// The rooms that they were in.
    pub(super) rooms: Vec<Nickname>,
}

/// How the owner of a ticket is.
#[derive(Debug)]
pub(super) enum Owner<'a> {
    /// A user still, with or without a connection.
    User(UserKey),
    Gone(&'a Gone),
}

impl Tickets {
    // ── tokens ───────────────────────────────────────────────────────────────────────────────────

    /// How many tokens are to be put in stock before so many may come in.
    pub(super) fn wanted(&self, newcomers: usize) -> usize {
        (newcomers + STOCK).saturating_sub(self.stock.len())
    }

    /// Puts a token in stock.
    pub(super) fn supply(&mut self, token: Token) {
        self.stock.push(token);
    }

    /// A token that is nobody's, if there is one.
    pub(super) fn take_token(&mut self) -> Option<Token> {
        self.stock.pop()
    }

    /// Gives somebody who has come in a ticket, if there is a token for it.
    pub(super) fn issue(&mut self, user: UserKey, dialect: Dialect) {
        if let Some(token) = self.stock.pop() {
            self.issue_by(&token, user, dialect);
        }
    }

    /// Gives somebody a ticket for a token that is theirs.
    pub(super) fn issue_by(&mut self, token: &Token, user: UserKey, dialect: Dialect) -> TicketKey {
        let (state, said) = (State::Here, VecDeque::new());
        let ticket = Ticket {
            token: token.clone(),
            before: Vec::new(),
            is_told: false,
            user,
            dialect,
            state,
            said,
        };
        let key = TicketKey(self.slab.insert(ticket) as u32);
        self.by_token.insert(token.clone(), key);
        self.by_user.insert(user, key);
        key
    }

    /// The latest token of a user.
    pub(super) fn token(&self, user: UserKey) -> Option<&Token> {
        Some(&self.slab[self.of(user)?.0 as usize].token)
    }

    /// The token of somebody who has not been told it.
    pub(super) fn tell(&mut self, user: UserKey) -> Option<Token> {
        let ticket = self.ticket_of(user)?;
        (!mem::replace(&mut ticket.is_told, true)).then(|| ticket.token.clone())
    }

    /// Whose token that is.
    pub(super) fn find(&self, token: &Token) -> Option<TicketKey> {
        self.by_token.get(token).copied()
    }

    /// The owner has come back as `user` by this token, and has another one from now on.
    pub(super) fn renew(&mut self, key: TicketKey, user: UserKey, by: &Token) -> Token {
        self.settle(key, State::Here);
        let token = self.stock.pop();
        let Tickets { slab, by_token, by_user, .. } = self;
        let ticket = &mut slab[key.0 as usize];
        by_user.remove(&ticket.user);
        by_user.insert(user, key);
        (ticket.user, ticket.is_told) = (user, true);
        if let Some(token) = token {
            by_token.insert(token.clone(), key);
            ticket.before.push(mem::replace(&mut ticket.token, token));
            if ticket.before.len() == TOKENS_MAX {
                // They certainly have the one that they gave.
                let oldest = usize::from(ticket.before[0] == *by);
                by_token.remove(&ticket.before.remove(oldest));
            }
        }
        ticket.token.clone()
    }

    /// Somebody has the token that they were told last: those before are used up.
    pub(super) fn confirm(&mut self, user: UserKey) {
        let before = self.ticket_of(user).map(|ticket| mem::take(&mut ticket.before));
        for token in before.into_iter().flatten() {
            self.by_token.remove(&token);
        }
    }

    // ── owners ───────────────────────────────────────────────────────────────────────────────────

    /// The ticket of a user.
    pub(super) fn of(&self, user: UserKey) -> Option<TicketKey> {
        self.by_user.get(&user).copied()
    }

    fn ticket_of(&mut self, user: UserKey) -> Option<&mut Ticket> {
        let key = self.of(user)?;
        self.slab.get_mut(key.0 as usize)
    }

    /// How the owner of a ticket is.
    pub(super) fn owner(&self, key: TicketKey) -> Owner<'_> {
        let ticket = &self.slab[key.0 as usize];
        match &ticket.state {
            State::Here | State::Held(_) => Owner::User(ticket.user),
            State::Gone(gone) => Owner::Gone(gone),
        }
    }

    /// The owner is from now on as `state` says. Returns how they were.
    fn settle(&mut self, key: TicketKey, state: State) -> State {
        match &state {
            State::Here => {}
            State::Held(held) => {
                self.held.insert((held.until, key));
                held.address.iter().for_each(|address| {
                    *self.held_by_address.entry(*address).or_default() += 1;
                });
            }
            State::Gone(gone) => drop(self.gone.insert((gone.until, key))),
        }
        let before = mem::replace(&mut self.slab[key.0 as usize].state, state);
        match &before {
            State::Here => {}
            State::Held(held) => {
                self.held.remove(&(held.until, key));
                if let Some(address) = held.address
                    && let Some(count) = self.held_by_address.get_mut(&address)
                {
                    *count -= 1;
                    if *count == 0 {
                        self.held_by_address.remove(&address);
                    }
                }
            }
            State::Gone(gone) => drop(self.gone.remove(&(gone.until, key))),
        }
        before
    }

    /// How many are waited for.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether one more can be waited for who came from there.
    pub(super) fn can_hold(&self, address: Option<IpAddr>, limits: &Limits) -> bool {
        let same = address.and_then(|address| self.held_by_address.get(&address));
        self.held.len() < limits.clients_max
            && same.is_none_or(|same| *same < limits.per_address_max)
    }

    /// The owner is cut off, and waited for.
    pub(super) fn hold(&mut self, key: TicketKey, held: Held) {
        self.settle(key, State::Held(Box::new(held)));
    }

    /// Somebody who is waited for no more: who, in which dialect, and why they were cut off.
    pub(super) fn overdue(&self, now: Instant) -> Option<(UserKey, Dialect, CloseReason)> {
        let (_, key) = self.held.first().filter(|(until, _)| *until <= now)?;
        let ticket = &self.slab[key.0 as usize];
        match &ticket.state {
            State::Held(held) => Some((ticket.user, ticket.dialect, held.reason)),
            State::Here | State::Gone(_) => None,
        }
    }

    /// A user leaves who was called so, had this account and was in these rooms. If they left on
    /// purpose they do not come back.
    pub(super) fn leave(
        &mut self,
        user: UserKey,
        (name, account, rooms): (Nickname, Option<Nickname>, Vec<Nickname>),
        on_purpose: bool,
        (now, owners_max): (Instant, usize),
    ) {
        let Some(key) = self.by_user.remove(&user) else { return };
        let since = match &self.slab[key.0 as usize].state {
            State::Held(held) => held.since,
            State::Here | State::Gone(_) => now,
        };
        let until = since + TOKEN_TIME;
        if on_purpose || until <= now {
            self.settle(key, State::Here);
            return self.remove(key);
        }
        self.settle(key, State::Gone(Box::new(Gone { until, name, account, rooms })));
        if self.gone.len() > owners_max
            && let Some((_, oldest)) = self.gone.pop_first()
        {
            self.remove(oldest);
        }
    }

    /// Whoever comes back is not logged in to this account.
    pub(super) fn forget_account(&mut self, name: &Nickname) {
        for (_, ticket) in &mut self.slab {
            if let State::Gone(gone) = &mut ticket.state
                && gone.account.as_ref() == Some(name)
            {
                gone.account = None;
            }
        }
    }

    /// A user is gone and does not come back.
    pub(super) fn forget(&mut self, user: UserKey) {
        let Some(key) = self.by_user.remove(&user) else { return };
        self.settle(key, State::Here);
        self.remove(key);
    }

    /// Forgets those whose tokens are good no more.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while let Some((_, key)) = self.gone.first().copied().filter(|(until, _)| *until <= now) {
            self.gone.pop_first();
            self.remove(key);
        }
    }

    /// All who are waited for.
    pub(super) fn all_held(&self) -> Vec<UserKey> {
        self.held.iter().map(|(_, key)| self.slab[key.0 as usize].user).collect()
    }

    /// Nobody comes back any more. Returns those who were waited for.
    pub(super) fn forget_all(&mut self) -> Vec<(UserKey, Dialect)> {
        let held = self.held.iter().map(|(_, key)| &self.slab[key.0 as usize]);
        let held = held.map(|ticket| (ticket.user, ticket.dialect)).collect();
        *self = Tickets::default();
        held
    }

    fn remove(&mut self, key: TicketKey) {
        let ticket = self.slab.remove(key.0 as usize);
        self.keys -= ticket.said.len();
        for token in ticket.before.iter().chain([&ticket.token]) {
            self.by_token.remove(token);
        }
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        let firsts = [self.held.first(), self.gone.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Whether nobody is waited for or may come back.
    pub(super) fn is_at_rest(&self) -> bool {
        self.slab.is_empty()
            && self.by_token.is_empty()
            && self.by_user.is_empty()
            && self.held_by_address.is_empty()
            && self.keys == 0
    }

    // ── mail ─────────────────────────────────────────────────────────────────────────────────────

    /// The dialect in which a user is told something.
    pub(super) fn dialect(&self, user: UserKey) -> Option<Dialect> {
        Some(self.slab[self.of(user)?.0 as usize].dialect)
    }

    /// What is kept for a user who is waited for.
    pub(super) fn mail(&mut self, user: UserKey) -> Option<&mut Vec<u8>> {
        Some(&mut self.held_of(user)?.mail)
    }

    /// What of it goes along if they come back at another server.
    pub(super) fn told(&mut self, user: UserKey) -> Option<&mut Vec<String>> {
        Some(&mut self.held_of(user)?.told)
    }

    fn held_of(&mut self, user: UserKey) -> Option<&mut Held> {
        match &mut self.ticket_of(user)?.state {
            State::Held(held) => Some(held),
            State::Here | State::Gone(_) => None,
        }
    }

    /// Whether no more is kept for them.
    pub(super) fn has_much_mail(&mut self, user: UserKey) -> bool {
        self.mail(user).is_none_or(|mail| mail.len() > MAIL_BYTES_MAX)
    }

    // ── keys ─────────────────────────────────────────────────────────────────────────────────────

    /// The number of what a user has said under a key.
    pub(super) fn said(&mut self, user: UserKey, key: &str) -> Option<EntryId> {
        let hash = self.hasher.hash_one(key);
        let said = &self.ticket_of(user)?.said;
        said.iter().rev().find(|(other, _)| *other == hash).map(|(_, id)| *id)
    }

    /// A user has said something under a key.
    pub(super) fn note_said(&mut self, user: UserKey, key: &str, id: EntryId) {
        let hash = self.hasher.hash_one(key);
        let max = if self.keys < KEYS_OF_ALL_MAX { KEYS_MAX } else { KEYS_FEW };
        let Some(ticket) = self.ticket_of(user) else { return };
        let before = ticket.said.len();
        ticket.said.drain(..(before + 1).saturating_sub(max));
        if ticket.said.len() == ticket.said.capacity() {
            ticket.said.reserve_exact((before / 4).max(4));
        }
        ticket.said.push_back((hash, id));
        let after = ticket.said.len();
        self.keys = self.keys + after - before;
    }
}

//! Accounts: which nicknames belong to somebody also when they are not here. Passwords are not
//! known here; whoever is said to be logged in is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Chat;
use super::apply::{Applied, Conflict};
use super::entry::{AccountFact, Authority, Standing};
use super::room::RoomKey;
use super::user::UserKey;
use crate::nickname::{Keys, Nickname};
use crate::rights::{Rank, Rights};
use crate::sanction::Target;

/// In so many rooms an account can stay in charge.
const ROOMS_OF_ACCOUNT_MAX: usize = 50;

/// Names that are accounts, by each of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts {
    names: HashMap<Arc<str>, Nickname>,
}

impl Accounts {
    /// The account of that name, or of one that looks like it.
    pub(super) fn find(&self, keys: &Keys) -> Option<&Nickname> {
        keys.iter().find_map(|key| self.names.get(key))
    }

    pub(super) fn insert(&mut self, name: &Nickname) {
        let keys = name.keys();
        if self.find(&keys).is_none() {
            for key in keys.iter() {
                self.names.insert(Arc::clone(key), name.clone());
            }
        }
    }

    fn remove(&mut self, name: &Nickname) {
        self.names.retain(|_, other| !other.same_as(name));
    }
}

impl Chat {
    /// From now on a name is an account, as it was before.
    pub(crate) fn add_account(&mut self, name: &Nickname) {
        self.accounts.insert(name);
    }

    /// The account of that name, if it is one.
    pub(crate) fn account_called(&self, name: &Nickname) -> Option<&Nickname> {
        if self.accounts.names.is_empty() || !self.has_accounts() {
            return None;
        }
        self.accounts.find(&name.keys())
    }

    /// The same, of a name as somebody gave it.
    pub(crate) fn account_given(&self, name: &str) -> Option<&Nickname> {
        self.account_called(&Nickname::parse(name).ok()?)
    }

    /// The account that somebody is logged in to.
    pub(crate) fn account_of(&self, user: UserKey) -> Option<&Nickname> {
        self.users.get(user)?.account()
    }

    /// Whether a name belongs to somebody else than who is logged in there.
    pub(super) fn is_anothers(&self, name: &Nickname, account: Option<&Nickname>) -> bool {
        let owner = self.account_called(name);
        owner.is_some_and(|owner| account.is_none_or(|account| account != owner))
    }

    pub(super) fn apply_account(&mut self, fact: &AccountFact) -> Option<Applied> {
        match fact {
            AccountFact::Registered { name } => self.accounts.insert(name),
            AccountFact::Unregistered { name } => {
                self.accounts.remove(name);
                let owners = self.users.entries().filter(|(_, user)| user.account() == Some(name));
                for key in owners.map(|(key, _)| key).collect::<Vec<_>>() {
                    self.log_out(key);
                }
                // Whoever has the name next has done nothing.
                let target = Target::Account(name.clone());
                self.moderation.bans.remove(&target);
                self.moderation.mutes.remove(&target);
                for (_, room) in &mut self.rooms {
                    room.rights.set_rank(name, None);
                }
                self.asleep.rights_mut().for_each(|rights| rights.set_rank(name, None));
            }
            AccountFact::LoggedIn { user, account, operator } => {
                return self.apply_logged_in(*user, account, *operator);
            }
            AccountFact::LoggedOut { user } => self.log_out(*user)?,
            AccountFact::Operator { user, by } => {
                self.users.get_mut(*user)?.set_authority(by.clone());
            }
        }
        Some(Applied::Said)
    }

    /// Somebody is not logged in any more, and has no rank that their account had.
    fn log_out(&mut self, key: UserKey) -> Option<()> {
        let user = self.users.get_mut(key)?;
        let account = user.account()?.clone();
        user.set_account(None);
        for room in user.rooms().collect::<Vec<_>>() {
            let room = &mut self.rooms[room.place()];
            if room.rights.rank_of(&account).is_some() {
                room.set_rank(key, None);
            }
        }
        Some(())
    }

    /// Somebody is logged in, and has the ranks that their account has in the rooms that they are
    /// in.
    fn apply_logged_in(
        &mut self,
        key: UserKey,
        account: &Nickname,
        operator: bool,
    ) -> Option<Applied> {
        if self.account_called(account) != Some(account) {
            return None;
        }
        self.log_out(key);
        let user = self.users.get_mut(key)?;
        user.set_account(Some(account.clone()));
        if operator && !user.operator {
            user.set_authority(Some(Authority::Account));
        }
        let mut ranks = Vec::new();
        for room in user.rooms().collect::<Vec<_>>() {
            let rank = self[room].rights.rank_of(account);
            if rank > self.rank_in(key, room) {
                self.rooms[room.place()].set_rank(key, rank);
                ranks.extend(rank.map(|rank| (room, rank)));
            }
        }
        Some(Applied::LoggedIn { ranks })
    }

    /// Why somebody cannot come in under this name, if so.
    pub(super) fn conflict_of(
        &self,
        name: &Nickname,
        (standing, address): (&Standing, IpAddr),
        now: u64,
    ) -> Option<Conflict> {
        let account = standing.account.as_ref();
        if self.is_anothers(name, account) {
            return Some(Conflict::Registered);
        }
        if standing.authority.is_some() {
            return None;
        }
        if self.ban_of((account, address), now).is_some() {
            return Some(Conflict::Banned);
        }
        let lock = self.moderation.lock.as_ref().filter(|_| account.is_none());
        let is_out = lock.is_some_and(|lock| !standing.known && lock.keeps_out(name, address));
        is_out.then_some(Conflict::Locked)
    }

    /// The rank that somebody has from the beginning who comes into a room, which they have opened
    /// if it `is_new`.
    pub(super) fn rank_on_joining(
        &mut self,
        key: UserKey,
        room: RoomKey,
        is_new: bool,
    ) -> Option<Rank> {
        let account = self.account_of(key).cloned();
        let of_account = account.as_ref().and_then(|it| self[room].rights.rank_of(it));
        if !is_new || self[room].is_permanent() || self[room].rights.has_operator() {
            return of_account;
        }
        // Nobody is in charge: whoever comes first is.
        if let Some(account) = account
            && self.rooms_in_charge_of(&account) < ROOMS_OF_ACCOUNT_MAX
        {
            self.rooms[room.place()].rights.set_rank(&account, Some(Rank::Operator));
        }
        Some(Rank::Operator)
    }

    /// In how many rooms an account is in charge whenever it comes.
    fn rooms_in_charge_of(&self, account: &Nickname) -> usize {
        let awake = self.rooms.iter().map(|(_, room)| &room.rights);
        let asleep = self.asleep.rights();
        let is_in_charge =
            |rights: &&Rights| rights.rank_of(account).is_some_and(Rank::is_operator);
        awake.chain(asleep).filter(is_in_charge).count()
    }
}

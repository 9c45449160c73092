//! Bans and mutes that hold, found by whom they are for without looking at all of them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::dialect::irc::mask;
use crate::nickname::Nickname;
use crate::sanction::{Sanction, Target};

/// Sanctions of one kind that hold for one room, or everywhere. There is one for each target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sanctions {
    by_account: HashMap<Arc<str>, Sanction>,
    by_network: HashMap<IpNet, Sanction>,
    by_mask: Vec<Sanction>,
    /// How many networks there are of each length, longest last; of IPv6, and then how long.
    lengths: BTreeMap<(bool, u8), usize>,
}

impl Sanctions {
    pub(crate) fn len(&self) -> usize {
        self.by_account.len() + self.by_network.len() + self.by_mask.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one, in place of what there is for the same target.
    pub(super) fn insert(&mut self, sanction: Sanction) {
        match &sanction.target {
            Target::Account(name) => drop(self.by_account.insert(name.sort_key(), sanction)),
            Target::Network(network) => {
                let length = length(network);
                if self.by_network.insert(*network, sanction).is_none() {
                    *self.lengths.entry(length).or_default() += 1;
                }
            }
            Target::Mask(_) => {
                self.by_mask.retain(|other| other.target != sanction.target);
                self.by_mask.push(sanction);
            }
        }
    }

    pub(super) fn remove(&mut self, target: &Target) -> Option<Sanction> {
        match target {
            Target::Account(name) => self.by_account.remove(&name.sort_key()),
            Target::Network(network) => {
                let removed = self.by_network.remove(network)?;
                let length = length(network);
                if let Some(count) = self.lengths.get_mut(&length) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&length);
                    }
                }
                Some(removed)
            }
            Target::Mask(_) => {
                let place = self.by_mask.iter().position(|other| other.target == *target)?;
                Some(self.by_mask.remove(place))
            }
        }
    }

    /// Forgets what is over. Returns the numbers of those.
    pub(super) fn expire(&mut self, now: u64) -> Vec<u64> {
        let over: Vec<_> = self.iter().filter(|it| !it.is_on(now)).cloned().collect();
        over.iter().for_each(|it| drop(self.remove(&it.target)));
        over.iter().map(|it| it.id).collect()
    }

    /// The one that holds for whoever is logged in there and comes from there.
    pub(crate) fn find(
        &self,
        (account, address): (Option<&Nickname>, IpAddr),
        now: u64,
    ) -> Option<&Sanction> {
        if self.is_empty() {
            return None;
        }
        let address = address.to_canonical();
        let by_account = account.and_then(|name| self.by_account.get(&name.sort_key()));
        let networks = self.lengths.keys().filter_map(|(_, length)| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.by_network.get(&network)
        });
        by_account.into_iter().chain(networks).find(|it| it.is_on(now))
    }

    /// The one that holds for whoever has a name, user and host that match its mask. `text` gives
    /// those, and is only asked if there are masks.
    pub(crate) fn find_mask(&self, text: impl FnOnce() -> String, now: u64) -> Option<&Sanction> {
        if self.by_mask.is_empty() {
            return None;
        }
        let text = text();
        let is_it = |it: &&Sanction| match &it.target {
            Target::Mask(mask) => mask::matches(mask, &text),
            _ => false,
        };
        self.by_mask.iter().filter(|it| it.is_on(now)).find(is_it)
    }

    /// The newest that was given for somebody of this name, or for just this target.
    pub(super) fn given_for(&self, whom: &str, now: u64) -> Option<&Sanction> {
        let is_mask = whom.contains('!');
        let target = if is_mask { Target::parse(whom) } else { Target::network(whom) };
        let name = Nickname::parse(whom).ok();
        let is_it = |it: &&Sanction| match (&target, &name) {
            (Some(target), _) => it.target == *target || is_mask && it.whom == whom,
            (None, Some(name)) => it.is_for(name),
            (None, None) => false,
        };
        self.iter().filter(|it| it.is_on(now)).filter(is_it).max_by_key(|it| it.id)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sanction> {
        self.by_account.values().chain(self.by_network.values()).chain(&self.by_mask)
    }
}

fn length(network: &IpNet) -> (bool, u8) {
    (matches!(network, IpNet::V6(_)), network.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sanction::SanctionKind;

    fn ban(id: u64, target: &str, until: Option<u64>) -> Sanction {
        Sanction {
            id,
            kind: SanctionKind::Ban,
            room: None,
            target: Target::parse(target).unwrap(),
            whom: format!("n{id}"),
            by: "op".to_owned(),
            why: String::new(),
            at: 1,
            until,
        }
    }

    #[test]
    fn who_is_banned_is_found_by_account_and_by_each_network() {
        let mut sanctions = Sanctions::default();
        for (id, target) in [(1, "alice"), (2, "192.0.2.0/24"), (3, "2001:db8::/64")] {
            sanctions.insert(ban(id, target, Some(100)));
        }
        let name = Nickname::parse("Alice").unwrap();
        let found = |sanctions: &Sanctions, account, address: &str, now| {
            let address = address.parse::<IpAddr>().unwrap();
            sanctions.find((account, address), now).map(|it| it.id)
        };
        assert_eq!(found(&sanctions, Some(&name), "198.51.100.1", 1), Some(1));
        assert_eq!(found(&sanctions, None, "198.51.100.1", 1), None);
        assert_eq!(found(&sanctions, None, "::ffff:192.0.2.9", 1), Some(2));
        assert_eq!(found(&sanctions, None, "2001:db8::9", 99), Some(3));
        assert_eq!(found(&sanctions, None, "2001:db8::9", 100), None, "it is over");
        // A shorter one holds when the longer is over.
        sanctions.insert(ban(4, "192.0.2.9/32", Some(10)));
        assert_eq!(found(&sanctions, None, "192.0.2.9", 50), Some(2));
        assert_eq!(sanctions.expire(50), [4]);
        assert_eq!(sanctions.given_for("N2", 50).map(|it| it.id), Some(2));
        assert_eq!(sanctions.given_for("192.0.2.1/24", 50).map(|it| it.id), Some(2));
        assert_eq!(sanctions.given_for("192.0.2.1", 50).map(|it| it.id), None);
        assert_eq!(sanctions.given_for("alice", 50).map(|it| it.id), Some(1));
        for target in ["alice", "192.0.2.0/24", "2001:db8::/64"] {
            assert!(sanctions.remove(&Target::parse(target).unwrap()).is_some());
        }
        assert_eq!(sanctions, Sanctions::default());
    }
}

//! Addresses: how many connections each one has, and how much its talkers may say together. The
//! budget of an address outlives its connections for as long as it is not full again, so that
//! nobody gets a new one by connecting anew.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use slab::Slab;

use super::connection::Budget;
use crate::config::{Flood, Limits};
use crate::dialect::{Dialect, Transport};

/// The talkers of one address may say this many times what one talker may.
const TALKERS: u32 = 8;

/// A line costs its address one for each part of `--max-line` that it has begun. So an address may
/// say as many short lines as `TALKERS` talkers, but no more than two talkers' longest ones, and
/// cannot outrun a reader of 256 KB/s. One talker alone never meets this budget, since
/// `LINE_PARTS <= TALKERS`.
const LINE_PARTS: usize = 4;

/// Who comes too fast waits so long at most.
pub(super) const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Wrong passwords of accounts that may come from one address, and new accounts: five, and as many
/// again each minute.
const PASSWORDS: Flood = Flood { lines: 5, per: Duration::from_secs(60) };

/// Addresses without a connection whose budget is remembered.
const IDLE_MAX: usize = 10_000;

/// The block of all addresses of the machine itself. Its talkers have no budget together.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address in the table: one more than its place in the slab, so that an `Option` of it is no
/// larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressKey(NonZeroU32);

impl AddressKey {
    fn new(place: usize) -> AddressKey {
        AddressKey(NonZeroU32::MIN.saturating_add(place as u32))
    }

    fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The addresses that are counted.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    keys: HashMap<IpAddr, AddressKey>,
    slab: Slab<Address>,
    /// Those whose last connection has gone while their budget was not full, oldest first.
    idle: VecDeque<AddressKey>,
}

/// What is known of one.
#[derive(Debug)]
struct Address {
    block: IpAddr,
    connections: usize,
    budget: Budget,
    /// How much of `--connects` has been used up.
    connects: Budget,
    /// How much of what may come from it, whatever becomes of that.
    sockets: Budget,
    /// How much of [`PASSWORDS`].
    passwords: Budget,
    /// It stands in [`Addresses::idle`].
    idle: bool,
}

impl Address {
    /// How long it takes until all its budgets are full again.
    fn debt(&self, now: Instant) -> Duration {
        let all = [&self.budget, &self.connects, &self.sockets, &self.passwords];
        all.into_iter().map(|budget| budget.debt(now)).max().unwrap_or_default()
    }
}

impl Addresses {
    /// Whether no more may come from the address of `remote`.
    pub(super) fn is_full(&self, dialect: Dialect, remote: SocketAddr, limits: &Limits) -> bool {
        let Some(block) = block_of(dialect, remote) else { return false };
        let max = match block {
            LOOPBACK => (limits.clients_max / 2).max(1),
            _ => limits.per_address_max,
        };
        let key = self.keys.get(&block);
        key.is_some_and(|key| self.slab[key.place()].connections >= max)
    }

    /// Counts a connection from `remote`, if its address is counted.
    pub(super) fn enter(
        &mut self,
        dialect: Dialect,
        remote: SocketAddr,
        now: Instant,
    ) -> Option<AddressKey> {
        self.forget_idle(now);
        let block = block_of(dialect, remote)?;
        let slab = &mut self.slab;
        let key = *self.keys.entry(block).or_insert_with(|| {
            let [budget, connects, sockets, passwords] = [(); 4].map(|()| Budget::default());
            let (connections, idle) = (0, false);
            let address =
                Address { block, connections, budget, connects, sockets, passwords, idle };
            AddressKey::new(slab.insert(address))
        });
        slab[key.place()].connections += 1;
        Some(key)
    }

    /// A connection from this address is gone.
    pub(super) fn leave(&mut self, key: AddressKey, now: Instant) {
        let address = &mut self.slab[key.place()];
        address.connections -= 1;
        if address.connections > 0 || address.idle {
            return;
        }
        if address.debt(now).is_zero() {
            self.forget(key);
        } else {
            address.idle = true;
            self.idle.push_back(key);
        }
    }

    /// What is known of where somebody comes from, if it is known and that has a pace.
    fn paced(&self, dialect: Dialect, remote: SocketAddr) -> Option<&Address> {
        let block = block_of(dialect, remote).filter(|block| *block != LOOPBACK)?;
        Some(&self.slab[self.keys.get(&block)?.place()])
    }

    /// When one more may come from this address; `None` if at once.
    pub(super) fn next_connect(
        &self,
        dialect: Dialect,
        remote: SocketAddr,
        pace: Flood,
        now: Instant,
    ) -> Option<Instant> {
        let address = self.paced(dialect, remote)?;
        address.connects.ready(pace).filter(|ready| *ready > now)
    }

    /// When one more may be accepted from this address, whatever becomes of it: a handshake that
    /// is not finished, a page that is asked for. A browser has several connections, and so this is
    /// a multiple of who may come in. `None` if at once.
    pub(super) fn next_socket(
        &self,
        dialect: Dialect,
        remote: SocketAddr,
        pace: Flood,
        now: Instant,
    ) -> Option<Instant> {
        let address = self.paced(dialect, remote)?;
        address.sockets.ready(together(pace)).filter(|ready| *ready > now)
    }

    /// One was accepted from this address.
    pub(super) fn note_socket(&mut self, key: AddressKey, pace: Flood, now: Instant) {
        self.slab[key.place()].sockets.spend(together(pace), 1, now);
    }

    /// One has come from this address.
    pub(super) fn note_connect(&mut self, key: AddressKey, pace: Flood, now: Instant) {
        self.slab[key.place()].connects.spend(pace, 1, now);
    }

    /// Whether a password may be tried from this address.
    pub(super) fn may_try_password(&self, key: AddressKey, now: Instant) -> bool {
        let address = &self.slab[key.place()];
        address.passwords.ready(PASSWORDS).is_none_or(|ready| ready <= now)
    }

    /// A password from this address was wrong, or was to be kept.
    pub(super) fn note_password(&mut self, key: AddressKey, now: Instant) {
        self.slab[key.place()].passwords.spend(PASSWORDS, 1, now);
    }

    /// When the talkers of this address may say the next line, if they ever said any.
    pub(super) fn ready(&self, key: AddressKey, flood: Flood) -> Option<Instant> {
        let address = &self.slab[key.place()];
        address.budget.ready(together(flood)).filter(|_| address.block != LOOPBACK)
    }

    /// A talker of this address says a line of `bytes`, which may have `bytes_max`.
    pub(super) fn spend(
        &mut self,
        key: AddressKey,
        flood: Flood,
        (lines, bytes, bytes_max): (usize, usize, usize),
        now: Instant,
    ) {
        let parts = (bytes * LINE_PARTS).div_ceil(bytes_max).clamp(lines, LINE_PARTS * lines);
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        self.slab[key.place()].budget.spend(together(flood), parts, now);
    }

    /// Whether nobody is connected from any address. What is left of budgets is forgotten later.
    pub(super) fn is_empty(&self) -> bool {
        self.slab.iter().all(|(_, address)| address.connections == 0)
    }

    /// Forgets those whose budget is full again, and the oldest of too many.
    fn forget_idle(&mut self, now: Instant) {
        while let Some(key) = self.idle.front().copied() {
            let address = &mut self.slab[key.place()];
            let full = address.debt(now).is_zero();
            if !full && address.connections == 0 && self.idle.len() <= IDLE_MAX {
                break;
            }
            self.idle.pop_front();
            address.idle = false;
            if address.connections == 0 {
                self.forget(key);
            }
        }
    }

    fn forget(&mut self, key: AddressKey) {
        let address = self.slab.remove(key.place());
        self.keys.remove(&address.block);
    }
}

/// What all of an address may say, or knock, together.
fn together(flood: Flood) -> Flood {
    Flood { lines: flood.lines.saturating_mul(TALKERS), per: flood.per }
}

/// The address block that `--max-per-ip` counts: an IPv4 address, or an IPv6 /64. The machine
/// itself may have as many connections as it likes; but what comes from it by datagrams may be
/// anybody's forgery, so that has a share as well.
pub(super) fn block_of(dialect: Dialect, remote: SocketAddr) -> Option<IpAddr> {
    match remote.ip().to_canonical() {
        ip if ip.is_loopback() => (dialect.transport() == Transport::Udp).then_some(LOOPBACK),
        IpAddr::V6(ip) => Some(IpAddr::V6((ip.to_bits() >> 64 << 64).into())),
        ip => Some(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: Flood = Flood { lines: 30, per: Duration::from_secs(3) };

    fn remote(number: u32) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 5000))
    }

    /// How many lines of so many bytes an address may say at once.
    fn burst(addresses: &mut Addresses, key: AddressKey, bytes: usize, now: Instant) -> usize {
        let mut lines = 0;
        while addresses.ready(key, FLOOD).is_none_or(|ready| ready <= now) {
            addresses.spend(key, FLOOD, (1, bytes, 4096), now);
            lines += 1;
        }
        lines
    }

    #[test]
    fn an_address_may_say_eight_times_what_one_talker_may_or_twice_its_longest_lines() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        let [short, long, empty] = [1, 2, 3].map(|number| {
            let key = addresses.enter(Dialect::Lines, remote(number), now);
            key.unwrap()
        });
        assert_eq!(burst(&mut addresses, short, 1024, now), 240);
        assert_eq!(burst(&mut addresses, long, 4096, now), 60);
        assert_eq!(burst(&mut addresses, empty, 0, now), 240);
        let second = now + Duration::from_secs(1);
        assert_eq!(burst(&mut addresses, short, 1024, second), 80, "and then so many a second");
        assert_eq!(burst(&mut addresses, long, 4096, second), 20);
    }

    #[test]
    fn who_comes_too_fast_has_to_wait_whatever_was_left() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        let pace = Flood { lines: 40, per: Duration::from_secs(60) };
        let next = |addresses: &Addresses, number, now| {
            addresses.next_connect(Dialect::Lines, remote(number), pace, now)
        };
        for _ in 0..40 {
            assert_eq!(next(&addresses, 1, now), None, "a class comes at once");
            let key = addresses.enter(Dialect::Lines, remote(1), now).unwrap();
            addresses.note_connect(key, pace, now);
            addresses.leave(key, now);
        }
        assert_eq!(next(&addresses, 1, now), Some(now + Duration::from_millis(1500)));
        assert_eq!(next(&addresses, 2, now), None, "others do not notice");
        let later = now + Duration::from_secs(60);
        assert_eq!(next(&addresses, 1, later), None);
        let key = addresses.enter(Dialect::Lines, remote(2), later).unwrap();
        addresses.leave(key, later);
        assert!(addresses.slab.is_empty(), "what is full again is forgotten");
    }

    #[test]
    fn eight_times_as_many_may_knock_as_come_in() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        let pace = Flood { lines: 4, per: Duration::from_secs(60) };
        let next = |addresses: &Addresses, number, now| {
            addresses.next_socket(Dialect::Lines, remote(number), pace, now)
        };
        for _ in 0..32 {
            assert_eq!(next(&addresses, 1, now), None);
            let key = addresses.enter(Dialect::Lines, remote(1), now).unwrap();
            addresses.note_socket(key, pace, now);
            addresses.leave(key, now);
        }
        assert_eq!(next(&addresses, 1, now), Some(now + Duration::from_millis(1875)));
        assert_eq!(next(&addresses, 2, now), None, "others do not notice");
        assert_eq!(next(&addresses, 1, now + Duration::from_secs(60)), None);
    }

    #[test]
    fn who_connects_anew_gets_no_new_budget() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        let mut said = 0;
        for _ in 0..100 {
            let key = addresses.enter(Dialect::Lines, remote(1), now).unwrap();
            said += burst(&mut addresses, key, 10, now);
            addresses.leave(key, now);
        }
        assert_eq!(said, 240);
        assert!(addresses.is_empty() && addresses.slab.len() == 1, "only the budget is left");
        let later = now + Duration::from_secs(4);
        let other = addresses.enter(Dialect::Lines, remote(2), later).unwrap();
        assert_eq!(addresses.slab.len(), 1, "what is full again is forgotten");
        addresses.leave(other, later);
        assert!(addresses.slab.is_empty() && addresses.keys.is_empty());
    }

    #[test]
    fn no_more_budgets_are_remembered_than_the_bound() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        for number in 0..2 * IDLE_MAX as u32 {
            let key = addresses.enter(Dialect::Lines, remote(number), now).unwrap();
            burst(&mut addresses, key, 10, now);
            addresses.leave(key, now);
        }
        assert!(addresses.slab.len() <= IDLE_MAX + 1);
        assert_eq!(addresses.slab.len(), addresses.keys.len());
    }

    #[test]
    fn an_ipv6_address_is_its_64_and_loopback_is_not_counted() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        let mut enter = |text: &str| {
            let remote = text.parse().unwrap();
            let key = addresses.enter(Dialect::Lines, remote, now);
            key.map(|key| addresses.slab[key.place()].connections)
        };
        assert_eq!(enter("[2001:db8::1]:9"), Some(1));
        assert_eq!(enter("[2001:db8::ffff:1]:9"), Some(2));
        assert_eq!(enter("[2001:db8:0:1::1]:9"), Some(1));
        assert_eq!(enter("10.0.0.1:9"), Some(1));
        assert_eq!(enter("[::ffff:10.0.0.1]:9"), Some(2));
        assert_eq!(enter("127.0.0.1:9"), None);
        assert_eq!(enter("[::ffff:127.0.0.1]:9"), None);
    }
}

//! Preparing: connections of which something must come before their dialect is spoken, and those
//! that come from somewhere else than their socket says. What comes is read elsewhere; here it is
//! only known that it is awaited, and whose it is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Hub;
use super::closing::level;
use super::connection::{Connection, State};
use crate::config::Prelude;
use crate::dialect::{Dialect, Naming, Session};
use crate::event::CloseReason;
use crate::key::ConnectionKey;
use crate::proxy::forwarded_for;
use crate::timers::Now;

/// How long a PROXY header may take to come.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// How long the handshake of TLS may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

impl Hub {
    /// As [`handle_connect`](Self::handle_connect), for somebody of whom `prelude` must come before
    /// it is spoken to: until [`handle_prepared`](Self::handle_prepared).
    ///
    /// # Errors
    /// The reason, if it cannot come in. It cannot be told so, and is dropped.
    pub fn handle_connect_after(
        &mut self,
        prelude: Prelude,
        dialect: Dialect,
        remote: SocketAddr,
        now: Now,
    ) -> Result<ConnectionKey, CloseReason> {
        if prelude.is_empty() {
            return self.handle_connect(dialect, remote, now);
        }
        self.now = now;
        if let Some(reason) = self.refusal(dialect, remote, prelude) {
            self.note_turned_away(dialect, remote, reason);
            return Err(reason);
        }
        let time = if prelude.proxy { HEADER_TIME } else { HANDSHAKE_TIME };
        let state = State::Preparing { deadline: now.instant + time, prelude };
        let session = Session::new(dialect, &self.settings, now.instant);
        let new = |key| Connection {
            is_secure: prelude.tls,
            ..Connection::new(key, remote, dialect, session, state)
        };
        let key = self.connections.insert(new);
        self.clients += 1;
        if !prelude.proxy {
            self.enter_address(key);
        }
        self.arm(key);
        Ok(key)
    }

    /// The PROXY header of `key` is there. If it says from where the connection comes, it counts
    /// for that address from now on.
    pub fn handle_source(&mut self, key: ConnectionKey, source: Option<SocketAddr>, now: Now) {
        self.now = now;
        let State::Preparing { prelude, .. } = self.connections[key].state else { return };
        if let Some(source) = source {
            self.comes_from(key, source);
        }
        if prelude.tls {
            let Connection { dialect, remote, .. } = self.connections[key];
            // Nobody should have a handshake for nothing.
            match self.refusal_of_proxied(dialect, remote) {
                Some(reason) => self.close(key, reason, ""),
                None => {
                    self.enter_address(key);
                    let prelude = Prelude { proxy: false, ..prelude };
                    let deadline = now.instant + HANDSHAKE_TIME;
                    self.connections[key].state = State::Preparing { deadline, prelude };
                }
            }
        }
        self.arm(key);
    }

    /// All has come of `key` that must come before its dialect is spoken.
    pub fn handle_prepared(&mut self, key: ConnectionKey, now: Now) {
        self.now = now;
        let Connection { dialect, remote, ref state, .. } = self.connections[key];
        let State::Preparing { prelude, .. } = *state else { return };
        self.counts.handshakes += u64::from(prelude.tls);
        let session = Session::new(dialect, &self.settings, now.instant);
        let is_open = session.is_open();
        let state = self.first_state(dialect, &session);
        let connection = &mut self.connections[key];
        (connection.session, connection.state) = (session, state);
        let refused = if prelude.proxy {
            self.refusal_of_proxied(dialect, remote)
        } else {
            self.refusal_of_address(dialect, remote, false)
        };
        if let Some(reason) = refused {
            self.close(key, reason, "");
            return self.arm(key);
        }
        if prelude.proxy {
            self.enter_address(key);
        }
        let count = self.clients;
        log::log!(level(dialect), "connected: {remote} at {dialect} ({count} connections)");
        if is_open {
            self.pace_connect(key);
        }
        match (&self.connections[key].state, dialect.spec().naming) {
            (State::AwaitingNick { .. }, Naming::Address) => self.join_by_address(key),
            (State::AwaitingNick { .. }, _) => self.ask(key),
            _ => {}
        }
        self.arm(key);
    }

    /// What came of `key` is not what must come before its dialect is spoken, or does not come.
    pub fn handle_prelude_failed(&mut self, key: ConnectionKey, reason: CloseReason, now: Now) {
        self.now = now;
        if let State::Preparing { .. } = self.connections[key].state {
            self.close(key, reason, "");
            self.arm(key);
        }
    }

    /// Whether what comes from there may say for whom it is forwarded, in a request that comes
    /// before its session opens.
    pub(super) fn is_trusted_proxy(&self, dialect: Dialect, remote: SocketAddr) -> bool {
        dialect.spec().closed_unopened.is_some() && self.is_trusted(remote.ip())
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// The session of `key` is about to open. If its request came from a trusted proxy, it counts
    /// for the address for which it was forwarded. Returns why it cannot come from there, if so.
    pub(super) fn note_forwarded(&mut self, key: ConnectionKey) -> Option<CloseReason> {
        let forwarded = self.connections[key].session.take_forwarded();
        let Connection { dialect, remote, .. } = self.connections[key];
        if !self.is_trusted_proxy(dialect, remote) {
            return None;
        }
        let source = forwarded_for(&forwarded.unwrap_or_default(), |it| self.is_trusted(it));
        if let Some(source) = source {
            self.comes_from(key, SocketAddr::new(source, remote.port()));
        }
        let Connection { remote, .. } = self.connections[key];
        let refused = self.refusal_of_address(dialect, remote, true);
        if refused.is_none() {
            self.connections[key].address = self.addresses.enter(dialect, remote, self.now.instant);
        }
        refused
    }

    /// The connection comes from there. Another machine's loopback is not ours, and has none of its
    /// rights.
    fn comes_from(&mut self, key: ConnectionKey, source: SocketAddr) {
        let remote = &mut self.connections[key].remote;
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if !is_loopback(&source) || is_loopback(remote) {
            *remote = source;
        }
    }

    /// As [`refusal_of_address`](Self::refusal_of_address), of an address that a header has told.
    fn refusal_of_proxied(&self, dialect: Dialect, remote: SocketAddr) -> Option<CloseReason> {
        if self.is_trusted_proxy(dialect, remote) {
            return None;
        }
        self.refusal_of_address(dialect, remote, true)
    }
}

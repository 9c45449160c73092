//! The engine through which rooms are shared, as the loop knows it: two sockets, what is said over
//! them ([`Link`]), and the hub, which has what stands in the log.

use std::sync::Arc;
use std::time::Instant;

use mio::{Registry, Token, Waker};

use super::{RELAY, StartError, present};
use crate::author::Cloak;
use crate::config;
use crate::hub::Hub;
use crate::net::relay::{Outcome, RelaySockets, Trust};
#[cfg(feature = "tls")]
use crate::net::relay_tls;
use crate::relay::{Link, LinkSettings, LogLength, Side, exchange};
use crate::timers::Now;

/// The engine: what is said to it, and over what.
#[derive(Debug)]
pub(super) struct Relay {
    link: Link,
    sockets: RelaySockets,
    hosts: Vec<(String, u16)>,
}

impl Relay {
    /// The hub shares its rooms from now on.
    ///
    /// # Errors
    /// If the system gives no randomness or no thread, or a certificate cannot be used.
    pub(super) fn open(
        config: &config::Relay,
        hub: &mut Hub,
        waker: &Arc<Waker>,
    ) -> Result<Relay, StartError> {
        let mut random = [0; 8 + Cloak::SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|error| StartError::System(error.into()))?;
        let (mut seed, mut secret) = ([0; 8], [0; Cloak::SECRET_BYTES]);
        seed.copy_from_slice(&random[..8]);
        secret.copy_from_slice(&random[8..]);
        let seed = u64::from_ne_bytes(seed);
        let config::Relay { engine, label, .. } = config;
        hub.share_as(label, seed);
        let settings = LinkSettings {
            label: label.clone(),
            log: LogLength::default(),
            login: engine.login.clone(),
            addresses: engine.hosts.len(),
            seed,
            secret,
        };
        let sockets = RelaySockets::new(RELAY, trust_of(config)?, waker);
        let sockets = sockets.map_err(StartError::System)?;
        Ok(Relay { link: Link::new(settings, present()), sockets, hosts: engine.hosts.clone() })
    }

    /// Hands over what has come from the engine and what is for it.
    pub(super) fn run(&mut self, hub: &mut Hub, registry: &Registry, now: Now) {
        let Relay { link, sockets, hosts } = self;
        link.note_turn(hub.last_turn());
        // Nothing more may be written of what the hub has given up.
        exchange(link, hub, now);
        link.handle_timeout(now);
        if link.poll_drop() {
            sockets.drop_all();
        }
        while let Some((side, host)) = link.poll_dial() {
            sockets.dial(side as usize, &hosts[host]);
        }
        if let Some(why) = sockets.connect(registry) {
            link.handle_broken(&why, now);
        }
        for side in Side::BOTH {
            loop {
                match sockets.next(side as usize) {
                    Outcome::Open => link.handle_open(side, now),
                    Outcome::Bytes(bytes) => link.handle_bytes(side, bytes, now),
                    Outcome::Broken(why) => link.handle_broken(&why, now),
                    Outcome::Nothing => break,
                }
                exchange(link, hub, now);
                if link.poll_drop() {
                    sockets.drop_all();
                }
            }
        }
        for side in Side::BOTH {
            let bytes = link.poll_transmit(side);
            if let Err(error) = sockets.send(side as usize, &bytes, registry) {
                link.handle_broken(&error.to_string(), now);
            }
        }
    }

    /// Something may have come of the connection with this token. Returns whether it is one of the
    /// two.
    pub(super) fn note_ready(&mut self, token: Token) -> bool {
        self.sockets.note_ready(token)
    }

    /// When [`run`](Self::run) is to be called, although nothing has come.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    /// Whether what is written now may be lost, since nobody has saved a checkpoint for long.
    #[cfg(feature = "data")]
    pub(super) fn is_unsaved(&self) -> bool {
        self.link.is_unsaved()
    }

    /// Why the link was lost last, and how often, since it was live.
    #[cfg(feature = "data")]
    pub(super) fn losses(&self) -> (&str, usize) {
        self.link.losses()
    }
}

/// Whom to trust to be the engine.
///
/// # Errors
/// If the file cannot be used.
#[cfg(feature = "tls")]
pub(super) fn trust_of(relay: &config::Relay) -> Result<Trust, StartError> {
    let trust = relay.ca.as_deref().map(relay_tls::trust).transpose();
    trust.map_err(|error| StartError::Certificate(error.to_string()))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "with TLS it may fail")]
pub(super) fn trust_of(_: &config::Relay) -> Result<Trust, StartError> {
    Ok(None)
}

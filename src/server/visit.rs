//! A visit: what `chinwag account` does with accounts that servers share. It reads the checkpoint
//! and the log as a server does, over the same two connections, writes one entry, and waits until
//! it has read that back. It serves nobody, so it may wait.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};

use super::relay::Relay;
use super::{StartError, WAKER, present};
use crate::archive::accounts::AccountsError;
use crate::config::{self, Config};
pub use crate::hub::Wish;
use crate::hub::{Hub, VISITOR, Visit};
use crate::nickname::Nickname;

/// How long all of it may take.
const VISIT_TIME: Duration = Duration::from_secs(10);

/// How often each host of the engine is tried, as long as nothing was written. The other servers
/// have time to say what was so, if the log does not reach back to its beginning.
const TRIES: usize = 5;

/// Who waits for something of the engine.
struct Visitor {
    poll: Poll,
    hub: Hub,
    relay: Relay,
    tries: usize,
    deadline: Instant,
}

/// All accounts that servers share through this engine, by their names. Its label does not matter.
///
/// # Errors
/// If the engine cannot be used, or nobody knows what was in the log.
pub fn list_accounts(relay: &config::Relay) -> Result<Vec<Nickname>, AccountsError> {
    Visitor::connect(relay)?.wait(|hub, _| (hub.shared_accounts(), false))
}

/// Changes an account that servers share through this engine, whose label does not matter. It
/// counts at all of them at once. Returns the name as it is spelled.
///
/// # Errors
/// If there is no such account, or one already; or if the engine cannot be used.
pub fn change_account(
    relay: &config::Relay,
    name: &Nickname,
    wish: Wish,
) -> Result<Nickname, AccountsError> {
    let mut visit = Visit::new(name.clone(), wish);
    Visitor::connect(relay)?.wait(|hub, relay| match relay.is_unsaved() {
        true => (Some(Err(AccountsError::Unsaved)), false),
        false => (hub.poll_visit(&mut visit), visit.has_written()),
    })?
}

impl Visitor {
    fn connect(relay: &config::Relay) -> Result<Visitor, AccountsError> {
        let opened = || {
            let poll = Poll::new().map_err(StartError::System)?;
            let waker = Waker::new(poll.registry(), WAKER).map_err(StartError::System)?;
            let now = present();
            let mut hub = Hub::new(&Config::default(), now);
            let tries = TRIES * relay.engine.hosts.len();
            let relay = config::Relay { label: VISITOR.to_owned(), ..relay.clone() };
            let relay = Relay::open(&relay, &mut hub, &Arc::new(waker))?;
            Ok(Visitor { poll, hub, relay, tries, deadline: now.instant + VISIT_TIME })
        };
        opened().map_err(|error: StartError| cannot_begin(&error))
    }

    /// Waits for what `done` wants of the hub. It also says whether something was written for that.
    fn wait<T>(
        mut self,
        mut done: impl FnMut(&mut Hub, &Relay) -> (Option<T>, bool),
    ) -> Result<T, AccountsError> {
        let mut events = Events::with_capacity(8);
        loop {
            let now = present();
            self.relay.run(&mut self.hub, self.poll.registry(), now);
            let (result, has_written) = done(&mut self.hub, &self.relay);
            if let Some(result) = result {
                return Ok(result);
            }
            // What is to be written goes at once.
            self.relay.run(&mut self.hub, self.poll.registry(), now);
            let (why, losses) = self.relay.losses();
            if now.instant >= self.deadline || losses >= self.tries && !has_written {
                return Err(gave_up(why, has_written));
            }
            let next = self.relay.poll_timeout().map_or(self.deadline, |at| at.min(self.deadline));
            let wait = next.saturating_duration_since(now.instant);
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled.map_err(|error| cannot_begin(&StartError::System(error)))?,
            }
            for event in &events {
                self.relay.note_ready(event.token());
            }
        }
    }
}

fn cannot_begin(error: &StartError) -> AccountsError {
    AccountsError::Engine(error.to_string())
}

/// The engine was waited for in vain, which was lost for that reason, if it was.
fn gave_up(why: &str, has_written: bool) -> AccountsError {
    let why = if why.is_empty() { "it takes too long to answer" } else { why };
    let why = why.trim_end_matches(['.', '?']);
    match has_written {
        true => AccountsError::Archive(format!(
            "the engine is away ({why}); it is not known whether that was done: try again"
        )),
        false => AccountsError::Engine(format!("cannot use the engine of --relay: {why}")),
    }
}

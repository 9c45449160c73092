//! Visiting: how `chinwag account` changes accounts that servers share. The command is a replica of
//! its own, without people. It has a name in the log for one entry alone, which says that it comes,
//! what has become of the account, and that it goes: so nobody ever waits for it. Whether that is
//! so is known when the entry has come back, as with all that stands in the log; if somebody else
//! was faster, it is looked at anew.

use super::Hub;
use crate::archive::accounts::AccountsError;
use crate::nickname::Nickname;
use crate::token::key_hash;

/// What is to become of an account.
#[derive(Clone, Debug)]
pub enum Wish {
    /// It is made, with a password that hashes to this.
    Added(String),
    /// It has another password, which hashes to this, and nobody is logged in any more.
    Reset(String),
    /// It is none any more.
    Deleted,
}

/// A wish, and how far it is.
#[derive(Debug)]
pub struct Visit {
    name: Nickname,
    wish: Wish,
    /// The account about which something was written, as it is spelled.
    written: Option<Nickname>,
}

impl Visit {
    /// For an account, in whatever spelling.
    #[must_use]
    pub fn new(name: Nickname, wish: Wish) -> Visit {
        Visit { name, wish, written: None }
    }

    /// Whether something was written. If so, it may become true later, whatever happens here.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.written.is_some()
    }
}

impl Hub {
    /// All accounts that servers share, by their names; nothing while the log is not known.
    #[must_use]
    pub fn shared_accounts(&self) -> Option<Vec<Nickname>> {
        let relay = self.relay.as_ref().filter(|relay| relay.is_idle())?;
        let mut names: Vec<_> = relay.accounts.names().collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        Some(names)
    }

    /// Goes on with a wish, as far as that can be done now. Returns what has come of it, and how
    /// the account is spelled; nothing while that is not known.
    pub fn poll_visit(&mut self, visit: &mut Visit) -> Option<Result<Nickname, AccountsError>> {
        let relay = self.relay.as_mut().filter(|relay| relay.is_idle())?;
        let written = visit.written.take();
        let account = self.chat.account_called(&visit.name).cloned();
        let hash = account.as_ref().and_then(|name| relay.accounts.hash_of(name));
        // If the log was read anew, what was so at its beginning shows it as well.
        let is_done = match &visit.wish {
            Wish::Added(wanted) | Wish::Reset(wanted) => hash == Some(wanted),
            Wish::Deleted => account.is_none(),
        };
        if let Some(name) = written.filter(|_| is_done || relay.is_wish_true()) {
            return Some(Ok(name));
        }
        let mark = hash.map(key_hash).unwrap_or_default();
        let (name, line) = match (&visit.wish, account) {
            (Wish::Added(_), Some(taken)) => return Some(Err(AccountsError::Taken(taken))),
            (Wish::Added(_), None) if relay.accounts.are_full() => {
                return Some(Err(AccountsError::Full));
            }
            (Wish::Added(hash), None) => {
                (visit.name.clone(), format!("account {} {hash}", visit.name))
            }
            (_, None) => return Some(Err(AccountsError::Missing(visit.name.clone()))),
            (Wish::Reset(hash), Some(name)) => {
                let line = format!("reset {name} {mark:x} {hash}");
                (name, line)
            }
            (Wish::Deleted, Some(name)) => {
                let line = format!("unaccount {name} {mark:x}");
                (name, line)
            }
        };
        relay.visit(line);
        visit.written = Some(name);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::hub::{Relayed, VISITOR};
    use crate::timers::Now;

    fn now() -> Now {
        Now { instant: Instant::now(), unix_seconds: 1_700_000_000 }
    }

    /// Who has read that the log has begun, and can write.
    fn hub(label: &str) -> Hub {
        let mut hub = Hub::new(&Config::default(), now());
        hub.share_as(label, 1);
        hub.handle_relay_reset(1_700_000_000_000, now());
        hub.handle_relay_live(true, now());
        hub
    }

    fn reads(hub: &mut Hub, node: &str, seq: u64, lines: &str) {
        let entry = Relayed { node, seq, at_ms: 1_700_000_001_000, lines };
        hub.handle_relayed(&entry, now());
    }

    fn visit(wish: Wish) -> Visit {
        Visit::new(Nickname::unchecked("alice"), wish)
    }

    /// The visitor goes on with what it has written, which stands in the log now.
    fn comes_back(hub: &mut Hub) -> String {
        let node = hub.poll_relay_name().unwrap().clone();
        let lines = hub.poll_relay().unwrap();
        reads(hub, &node, 1, &lines);
        lines
    }

    fn is_done(result: Option<Result<Nickname, AccountsError>>) -> bool {
        result.is_some_and(|result| result.is_ok_and(|name| name.as_str() == "alice"))
    }

    #[test]
    fn a_visitor_comes_and_goes_in_one_entry_and_alone_when_it_has_a_wish() {
        let (mut hub, mut visit) = (hub(VISITOR), visit(Wish::Added("$x".to_owned())));
        assert_eq!(hub.poll_relay(), None);
        assert!(hub.poll_visit(&mut visit).is_none() && visit.has_written());
        assert!(hub.poll_visit(&mut visit).is_none(), "it has not come back");
        let lines = comes_back(&mut hub);
        let node = "(account).0000000000000001.1";
        assert_eq!(lines, format!("up 1 (account) -\naccount alice $x\ndown {node}"));
        assert!(is_done(hub.poll_visit(&mut visit)));
        assert_eq!(hub.poll_relay(), None);
        assert_eq!(hub.relay_counts().unwrap().servers, 0);
        // By a connection that was cut it may come once more, when the account is none any more.
        reads(&mut hub, "one.1.1", 1, &format!("up 1 one -\nunaccount alice {:x}", key_hash("$x")));
        reads(&mut hub, node, 1, &lines);
        assert!(hub.shared_accounts().unwrap().is_empty());
    }

    #[test]
    fn if_somebody_else_was_faster_it_is_looked_at_anew() {
        let mut hub = hub(VISITOR);
        reads(&mut hub, "one.1.1", 1, "up 1 one -\naccount alice $x");
        let mut visit = visit(Wish::Reset("$z".to_owned()));
        assert!(hub.poll_visit(&mut visit).is_none());
        let other = format!("password alice {:x} $y", key_hash("$x"));
        reads(&mut hub, "one.1.1", 2, &other);
        assert!(comes_back(&mut hub).contains(&format!("reset alice {:x} $z", key_hash("$x"))));
        assert!(hub.poll_visit(&mut visit).is_none());
        assert!(comes_back(&mut hub).contains(&format!("reset alice {:x} $z", key_hash("$y"))));
        assert!(is_done(hub.poll_visit(&mut visit)));
    }

    #[test]
    fn what_the_engine_has_lost_is_written_once_more() {
        let (mut hub, mut visit) = (hub(VISITOR), visit(Wish::Added("$x".to_owned())));
        assert!(hub.poll_visit(&mut visit).is_none());
        comes_back(&mut hub);
        hub.handle_relay_live(false, now());
        assert!(hub.poll_visit(&mut visit).is_none(), "nobody knows");
        hub.handle_relay_reset(1_700_000_000_000, now());
        hub.handle_relay_live(true, now());
        assert!(hub.poll_visit(&mut visit).is_none());
        comes_back(&mut hub);
        assert!(is_done(hub.poll_visit(&mut visit)));
    }

    #[test]
    fn what_was_written_and_stands_in_a_checkpoint_is_done() {
        for (before, after, wish) in [
            ("", "account alice $x", Wish::Added("$x".to_owned())),
            ("account alice $y", "account alice $x", Wish::Reset("$x".to_owned())),
            ("account alice $y", "", Wish::Deleted),
        ] {
            let (mut hub, mut other) = (hub(VISITOR), hub("one"));
            reads(&mut hub, "one.1.1", 1, &format!("up 1 one -\n{before}"));
            reads(&mut other, "one.1.1", 1, &format!("up 1 one -\n{after}"));
            let mut visit = visit(wish);
            assert!(hub.poll_visit(&mut visit).is_none());
            hub.handle_relay_reset(1_700_000_000_000, now());
            assert!(hub.handle_relay_checkpoint(&other.relay_checkpoint()));
            assert!(is_done(hub.poll_visit(&mut visit)), "{after}");
        }
    }

    #[test]
    fn whoever_is_logged_in_is_not_any_more_when_an_operator_sets_the_password() {
        let mut hubs = [hub("one"), hub("two")];
        let node = hubs[0].poll_relay_name().unwrap().clone();
        let mark = key_hash("$x");
        let up = hubs[0].poll_relay().unwrap();
        let lines = format!(
            "{up}\naccount alice $x\ncome 1 alice 192.0.2.1 web 00 alice account\njoin 1 ops "
        );
        let visitor = "(account).2.1";
        let reset = format!("up 1 (account) -\nreset alice {mark:x} $y\ndown {visitor}");
        for hub in &mut hubs {
            reads(hub, &node, 1, &lines);
            assert!(hub.relay_checkpoint().contains(" alice account\n"));
            reads(hub, visitor, 1, &reset);
            let checkpoint = hub.relay_checkpoint();
            assert!(checkpoint.contains("account alice $y\n"), "{checkpoint}");
            assert!(!checkpoint.contains(" alice account\n"), "{checkpoint}");
        }
        assert_eq!(hubs[0].relayed_state(), hubs[1].relayed_state());
        // She has another name by a line of her own server, and of no other.
        assert_eq!(hubs[0].poll_relay().as_deref(), Some(&*format!("lose {node} 1 alice_2")));
        assert!(hubs[1].poll_relay().unwrap().starts_with("up "));
        assert_eq!(hubs[1].poll_relay(), None);
    }
}

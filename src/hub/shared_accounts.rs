//! Shared accounts: where servers share their rooms, accounts stand in the log, with what their
//! passwords and tokens hash to, and are the same at all servers. Passwords are still tried in a
//! thread of each server; what comes of that is a line of the log, and so whoever was first counts.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Hub;
use super::connection::Asked;
use super::next::Next;
use crate::archive::{AccountAnswer, AccountRequest, Answer, Proof, Request, TOKEN_SECONDS};
use crate::chat::written::{AccountChange, AccountLine, HASH_BYTES_MAX, Members as _};
use crate::chat::{AccountFact, Applied, Conflict, Entry, Fact, UserKey};
use crate::event::Refusal;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::token::{Secret, Token, key_hash};

/// The most accounts that there can be.
const ACCOUNTS_MAX: usize = 100_000;

/// The most tokens of one account; of more the oldest go.
const TOKENS_MAX: usize = 20;

/// All accounts, by their names as they are spelled.
#[derive(Debug, Default)]
pub(super) struct SharedAccounts(HashMap<String, SharedAccount>);

#[derive(Debug)]
struct SharedAccount {
    /// Of its password.
    hash: String,
    /// Hashes of its tokens, and until when they are good, in seconds since 1970.
    tokens: Vec<(u128, u64)>,
}

impl SharedAccounts {
    /// The names of all, in no order.
    #[cfg(all(feature = "data", feature = "relay"))]
    pub(super) fn names(&self) -> impl Iterator<Item = Nickname> {
        self.0.keys().filter_map(|name| Nickname::parse(name).ok())
    }

    /// Whether there can be no more.
    pub(super) fn are_full(&self) -> bool {
        self.0.len() >= ACCOUNTS_MAX
    }

    /// What the password of an account hashes to.
    pub(super) fn hash_of(&self, name: &Nickname) -> Option<&str> {
        self.0.get(name.as_str()).map(|account| &*account.hash)
    }

    fn has_token(&self, name: &Nickname, token: &Secret, now: u64) -> bool {
        let token = Token::parse(token.reveal()).map(|token| token.hash());
        let tokens = self.0.get(name.as_str()).map(|account| &account.tokens);
        tokens.into_iter().flatten().any(|(hash, until)| Some(*hash) == token && *until > now)
    }

    /// Makes a change to an account true, at that time; unless it has another password by now.
    fn apply(&mut self, name: &Nickname, change: &AccountChange<'_>, now: u64) -> Option<()> {
        let wanted = change.mark();
        if wanted.is_some() && wanted != self.hash_of(name).map(key_hash) {
            return None;
        }
        match change {
            AccountChange::Added { hash }
            | AccountChange::Password { hash, .. }
            | AccountChange::Reset { hash, .. } => self.set(name.as_str(), hash),
            AccountChange::Removed { .. } => drop(self.0.remove(name.as_str())),
            AccountChange::Token { token, until, .. } => {
                let tokens = &mut self.0.get_mut(name.as_str())?.tokens;
                tokens.retain(|(_, until)| *until > now);
                tokens.truncate(TOKENS_MAX - 1);
                tokens.insert(0, (*token, *until));
            }
            AccountChange::LoggedOut => self.0.get_mut(name.as_str())?.tokens.clear(),
        }
        Some(())
    }

    /// An account has a password that hashes to this from now on, and no token.
    fn set(&mut self, name: &str, hash: &str) {
        let account = SharedAccount { hash: hash.to_owned(), tokens: Vec::new() };
        self.0.insert(name.to_owned(), account);
    }

    /// Appends all of them.
    pub(super) fn write(&self, out: &mut String) {
        for (name, SharedAccount { hash, tokens }) in &self.0 {
            let _ = writeln!(out, "account {name} {hash}");
            for (token, until) in tokens.iter().rev() {
                let _ = writeln!(out, "token {name} {token:x} {until}");
            }
        }
    }

    /// Reads an account that [`write`](Self::write) has written.
    pub(super) fn read(&mut self, name: &str, hash: &str) -> Option<Nickname> {
        (hash.len() <= HASH_BYTES_MAX).then_some(())?;
        self.set(name, hash);
        Nickname::parse(name).ok()
    }

    /// The same of a token.
    pub(super) fn read_token(&mut self, (name, token, until): (&str, &str, &str)) -> Option<()> {
        let token = (u128::from_str_radix(token, 16).ok()?, until.parse().ok()?);
        self.0.get_mut(name)?.tokens.insert(0, token);
        Some(())
    }
}

impl Hub {
    // ── asking ───────────────────────────────────────────────────────────────────────────────────

    /// What is to be tried for a request about an account; or if it needs no try where accounts are
    /// shared, what comes of it, if that shows at once.
    fn shared_request(
        &mut self,
        key: ConnectionKey,
        request: &AccountRequest,
    ) -> Result<AccountRequest, Option<AccountAnswer>> {
        let Some(relay) = &mut self.relay else { return Ok(request.clone()) };
        let hash_of = |name: &Nickname| {
            let account = self.chat.account_called(name);
            let hash = account.and_then(|account| relay.accounts.hash_of(account));
            hash.unwrap_or_default().to_owned()
        };
        let prove = |hash: Option<String>, password: &Secret, new: Option<&Secret>| {
            Ok(AccountRequest::Prove { hash, password: password.clone(), new: new.cloned() })
        };
        match request {
            AccountRequest::Register { name, .. } if self.chat.account_called(name).is_some() => {
                Err(Some(AccountAnswer::Taken))
            }
            AccountRequest::Register { password, .. } => prove(None, password, Some(password)),
            AccountRequest::Login { name, proof: Proof::Password(password), .. }
            | AccountRequest::Unregister { name, password } => {
                prove(Some(hash_of(name)), password, None)
            }
            AccountRequest::SetPassword { name, old, new } => {
                prove(Some(hash_of(name)), old, Some(new))
            }
            AccountRequest::Login { name, proof: Proof::Token(token), .. } => {
                let account = self.chat.account_called(name).cloned();
                let now = self.now.unix_seconds;
                Err(Some(match account.filter(|it| relay.accounts.has_token(it, token, now)) {
                    Some(account) => AccountAnswer::Done(Some(account), Some(token.clone())),
                    None => AccountAnswer::Wrong,
                }))
            }
            AccountRequest::Logout { name } => {
                relay.decide(format!("untoken {name}"));
                self.then(key, Next::Account { request: Box::new(request.clone()) });
                self.await_relay(key);
                Err(None)
            }
            AccountRequest::Oper { .. } | AccountRequest::Prove { .. } => Ok(request.clone()),
        }
    }

    /// Asks the thread that tries passwords. If it has nothing to try, the answer is there at once.
    pub(super) fn ask_to_try(
        &mut self,
        key: ConnectionKey,
        request: AccountRequest,
    ) -> Option<Asked> {
        match self.shared_request(key, &request) {
            Ok(tried) => {
                self.requests.push_back((key, Request::Account(tried)));
                Some(Asked::new(Request::Account(request)))
            }
            Err(Some(answer)) => {
                self.handle_account_answer(key, request, Answer::Account(answer));
                None
            }
            Err(None) => None,
        }
    }

    // ── answers ──────────────────────────────────────────────────────────────────────────────────

    /// Somebody has given the password that hashes to `old`, and wants something for it. Returns
    /// what comes of it, if that shows at once.
    pub(super) fn proved_to_all(
        &mut self,
        key: ConnectionKey,
        request: &AccountRequest,
        (old, new): (&str, Option<&str>),
    ) -> Option<AccountAnswer> {
        let Some(relay) = &mut self.relay else { return Some(AccountAnswer::Wrong) };
        let (mark, new) = (key_hash(old), new.unwrap_or_default());
        let line = match request {
            AccountRequest::Login { name, wants_token, .. } => {
                let Some(account) = self.chat.account_called(name).cloned() else {
                    return Some(AccountAnswer::Missing);
                };
                let token = wants_token.then(|| self.tickets.take_token()).flatten();
                if let Some(token) = &token {
                    let until = self.now.unix_seconds + TOKEN_SECONDS;
                    let hash = token.hash();
                    relay.push(format!("token {account} {mark:x} {hash:x} {until}"), None);
                }
                let token = token.map(|token| Secret::new(&token.to_string()));
                return Some(AccountAnswer::Done(Some(account), token));
            }
            AccountRequest::Register { name, .. } => format!("account {name} {new}"),
            AccountRequest::SetPassword { name, .. } => format!("password {name} {mark:x} {new}"),
            AccountRequest::Unregister { name, .. } => format!("unaccount {name} {mark:x}"),
            AccountRequest::Logout { .. }
            | AccountRequest::Oper { .. }
            | AccountRequest::Prove { .. } => return Some(AccountAnswer::Wrong),
        };
        relay.decide(line);
        self.then(key, Next::Account { request: Box::new(request.clone()) });
        self.await_relay(key);
        None
    }

    /// An account is as somebody wanted it.
    pub(super) fn account_is_shared(&mut self, key: ConnectionKey, request: AccountRequest) {
        if let Some(user) = self.connections[key].user() {
            self.account_is_so((key, user), request, (None, None));
        }
    }

    /// An account is not as somebody wanted it.
    pub(super) fn account_is_not_shared(
        &mut self,
        key: ConnectionKey,
        request: &AccountRequest,
        conflict: Conflict,
    ) {
        match (request, conflict) {
            (AccountRequest::Register { name, .. }, Conflict::Registered) => {
                self.refuse(key, Refusal::Registered(name.as_str()));
            }
            (AccountRequest::Register { .. }, _) => self.refuse(key, Refusal::AccountsFull),
            _ => self.refuse(key, Refusal::WrongPassword),
        }
    }

    /// Whoever has a name that is an account gets another by a line of the log, wherever they are.
    pub(super) fn take_name_of(&mut self, holder: UserKey, account: &Nickname) {
        let number = self.chat.lowest_free_suffix(account, 2);
        let name = account.with_suffix(number);
        if let Some(relay) = &mut self.relay
            && let Some((node, number)) = relay.member_of(holder)
        {
            let line = format!("lose {node} {number} {name}");
            relay.decide(line);
        }
    }

    // ── applying ─────────────────────────────────────────────────────────────────────────────────

    /// Somebody has another name from now on, if theirs is an account.
    pub(super) fn apply_lost(
        &mut self,
        (id, at): (u64, u64),
        user: UserKey,
        name: Nickname,
    ) -> Applied {
        let old = self.chat.nickname(user).cloned();
        let Some(old) = old.filter(|old| self.chat.account_called(old).is_some()) else {
            return Applied::Refused(Conflict::OutOfDate);
        };
        let applied = self.commit(Entry::new(id, at, Fact::Renamed { user, name }));
        if let Applied::Renamed { .. } = applied {
            self.tell_name_lost(user, &old);
        }
        applied
    }

    /// Makes a line of the log about an account true.
    pub(super) fn apply_account(
        &mut self,
        (id, at): (u64, u64),
        AccountLine { name, change }: AccountLine<'_>,
    ) -> Applied {
        let Some(relay) = &mut self.relay else { return Applied::Refused(Conflict::OutOfDate) };
        if let AccountChange::Added { .. } = change {
            if self.chat.account_called(&name).is_some() {
                return Applied::Refused(Conflict::Registered);
            }
            if relay.accounts.are_full() {
                return Applied::Refused(Conflict::NotAllowed);
            }
        }
        if relay.accounts.apply(&name, &change, at).is_none() {
            return Applied::Refused(Conflict::OutOfDate);
        }
        let fact = match change {
            AccountChange::Added { .. } => AccountFact::Registered { name },
            AccountChange::Removed { .. } => {
                self.forget_account(&name);
                AccountFact::Unregistered { name }
            }
            AccountChange::Reset { .. } => {
                self.log_out_everywhere((id, at), &name);
                return Applied::Said;
            }
            _ => return Applied::Said,
        };
        self.commit(Entry::new(id, at, Fact::Account(fact)))
    }

    /// Nobody is logged in to an account any more, at whatever server, nor will be by having been
    /// here before. Whoever has its name gets another, by a line of their server.
    fn log_out_everywhere(&mut self, (id, at): (u64, u64), account: &Nickname) {
        self.tickets.forget_account(account);
        for user in self.owners_of(account) {
            let fact = AccountFact::LoggedOut { user };
            self.commit(Entry::new(id, at, Fact::Account(fact)));
            let number = self.relay.as_ref().and_then(|relay| relay.own_number_of(user));
            if number.is_some() && self.chat.holder_of(account) == Some(user) {
                self.take_name_of(user, account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::config::Config;
    use crate::hub::{Hub, Relayed};
    use crate::timers::Now;

    fn server(label: &str) -> (Hub, Now) {
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let mut hub = Hub::new(&Config::default(), now);
        hub.share_as(label, 1);
        hub.handle_relay_reset(1_700_000_000_000, now);
        (hub, now)
    }

    /// The lines of a checkpoint, in an order that is always the same.
    fn sorted(checkpoint: &str) -> Vec<&str> {
        let mut lines: Vec<_> = checkpoint.lines().collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_checkpoint_has_accounts_ranks_and_tokens_and_who_is_logged_in() {
        let lines = "up 1 a -\n\
                     account alice $argon2id$x\n\
                     come 1 alice 192.0.2.1 web 00 alice account\n\
                     pass 1 abc\n\
                     join 1 ops \n\
                     say=77 1 ops hello\n\
                     token alice 0 1 1800000000\n\
                     account bob $argon2id$y\n\
                     come 2 bob_2 192.0.2.2 lines 00 - -\n\
                     login 2 bob 0\n\
                     unaccount alice 0";
        let mark = crate::token::key_hash("$argon2id$x");
        let lines = lines.replace("token alice 0", &format!("token alice {mark:x}"));
        let (mut hub, now) = server("b");
        let entry = Relayed { node: "a.1.1", seq: 1, at_ms: 1_700_000_001_000, lines: &lines };
        hub.handle_relayed(&entry, now);
        let checkpoint = hub.relay_checkpoint();
        for line in [
            "account alice $argon2id$x",
            "token alice 1 1800000000",
            "ranked ops o alice",
            "account bob $argon2id$y",
        ] {
            assert!(checkpoint.lines().any(|it| it == line), "no {line:?} in {checkpoint}");
        }
        let (mut late, now) = server("c");
        assert!(late.handle_relay_checkpoint(&checkpoint));
        assert_eq!(late.relayed_state(), hub.relayed_state());
        assert_eq!(sorted(&late.relay_checkpoint()), sorted(&checkpoint));
        // From there both go on alike.
        let lines = format!("password alice {mark:x} $argon2id$z\nlogout 2\nunaccount bob 1");
        let entry = Relayed { node: "a.1.1", seq: 2, at_ms: 1_700_000_002_000, lines: &lines };
        for hub in [&mut hub, &mut late] {
            hub.handle_relayed(&entry, now);
            let checkpoint = hub.relay_checkpoint();
            assert!(checkpoint.contains("account alice $argon2id$z\n"), "{checkpoint}");
            assert!(!checkpoint.contains("token "), "a new password ends all tokens");
            assert!(checkpoint.contains("account bob $argon2id$y\n"), "the mark is wrong");
        }
        assert_eq!(late.relayed_state(), hub.relayed_state());
    }
}

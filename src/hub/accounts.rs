//! Accounts: how somebody shows that a name is theirs, before they come in or later. Passwords are
//! tried elsewhere, since that takes long on purpose ([`requests`](super::requests)); here is who
//! may give one, and what becomes of the answer.

use super::connection::{Asked, Proving, State, Wait, Waiting};
use super::input::Came;
use super::next::Next;
use super::{Hub, WRONG_PASSWORDS_MAX};
use crate::archive::{
    ACCOUNT_PASSWORD_BYTES, AccountAnswer, AccountChange, AccountRequest, Answer, Proof, Record,
};
use crate::chat::{AccountFact, Applied, Authority, Conflict, Fact, Standing, UserKey};
use crate::dialect::Naming;
use crate::event::{CloseReason, Command, Event, Refusal};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::order::{AccountCommand, AccountEvent, Occurrence};
use crate::text;
use crate::token::Secret;

/// Passwords and the like of one address that may wait for their answers at once, and of the
/// machine itself.
const TRIES_PER_ADDRESS: usize = 4;
const TRIES_OF_LOOPBACK: usize = 32;

impl Hub {
    /// Accounts have come or gone by other ways than through the hub.
    pub fn handle_accounts(&mut self, changes: Vec<AccountChange>) {
        for change in changes {
            match change {
                AccountChange::Added(name) => {
                    self.propose(Fact::Account(AccountFact::Registered { name }));
                }
                AccountChange::Removed(name) => self.unregister(&name),
                AccountChange::Reset(name) => self.log_out_all(&name),
            }
        }
    }

    /// A name is no account any more.
    fn unregister(&mut self, name: &Nickname) {
        for id in self.chat.sanctions_of_account(name) {
            self.records.push(Record::Lifted(id));
        }
        self.forget_account(name);
        let name = name.clone();
        self.propose(Fact::Account(AccountFact::Unregistered { name }));
    }

    /// What is kept for the owner of an account is nobody's any more.
    pub(super) fn forget_account(&mut self, name: &Nickname) {
        self.tickets.forget_account(name);
        self.forget_markers_of_account(name);
    }

    /// Nobody is logged in to an account any more, nor will be by having been here before.
    fn log_out_all(&mut self, name: &Nickname) {
        self.tickets.forget_account(name);
        for user in self.owners_of(name) {
            self.propose(Fact::Account(AccountFact::LoggedOut { user }));
            if self.chat.holder_of(name) == Some(user) {
                self.free_name(name);
            }
        }
    }

    /// Who is logged in to an account.
    pub(super) fn owners_of(&self, account: &Nickname) -> Vec<UserKey> {
        let users = self.chat.all_users();
        let owners = users.filter(|(_, user)| user.account() == Some(account));
        owners.map(|(key, _)| key).collect()
    }

    // ── before somebody comes in ─────────────────────────────────────────────────────────────────

    /// Somebody gave a name that is an account, and is asked for its password.
    pub(super) fn ask_account(&mut self, key: ConnectionKey, name: &Nickname) {
        let State::AwaitingNick { deadline, .. } = self.connections[key].state else { return };
        if self.connections[key].is_exposed && !self.insecure_passwords {
            // It would be typed before it is refused.
            return self.refuse_input(key, Refusal::Insecure);
        }
        let proving = Proving { deadline, name: name.clone(), tries: 0 };
        self.connections[key].state = State::Proving(Box::new(proving));
        self.tell(key, None, &Event::AccountAsked(name.as_str()));
    }

    /// Does what somebody asks for who must show that a name is theirs, or give another.
    pub(super) fn execute_proving(&mut self, key: ConnectionKey, command: Command<'_>) {
        let State::Proving(proving) = &self.connections[key].state else { return };
        let name = proving.name.clone();
        match command {
            Command::Password(given) if given.trim().is_empty() => self.ask_another(key),
            Command::Password(given) => {
                self.try_login(key, name, Proof::Password(Secret::new(given)));
            }
            Command::Account(AccountCommand::Login { password, .. }) => {
                self.try_login(key, name, Proof::Password(Secret::new(password)));
            }
            Command::Account(AccountCommand::LoginAgain { token, .. }) => {
                self.try_login(key, name, Proof::Token(Secret::new(token)));
            }
            Command::Rename(other) => {
                self.end_proving(key);
                self.admit(key, other);
            }
            Command::Resume { token, rooms } => {
                self.end_proving(key);
                self.come_back(key, token, rooms);
            }
            Command::Quit(_) => self.close(key, CloseReason::Quit, ""),
            _ => self.refuse(key, Refusal::Registered(name.as_str())),
        }
    }

    /// Somebody who is asked for a name gives the proof that one is theirs with it.
    pub(super) fn log_in_first(&mut self, key: ConnectionKey, name: &str, proof: Proof) {
        let State::AwaitingNick { deadline, .. } = self.connections[key].state else { return };
        let Some(name) = self.chat.account_given(name).cloned() else {
            return self.refuse_input(key, Refusal::NoAccount(&text::clean(name)));
        };
        let proving = Proving { deadline, name: name.clone(), tries: 0 };
        self.connections[key].state = State::Proving(Box::new(proving));
        self.try_login(key, name, proof);
    }

    /// Asks for a nickname again. A page knows that it may give one.
    fn ask_another(&mut self, key: ConnectionKey) {
        self.end_proving(key);
        let line_bytes_max = self.limits.line_bytes_max;
        if !self.connections[key].dialect.spec().can_resume {
            self.tell(key, None, &Event::Asked { motd: &[], line_bytes_max });
        }
    }

    fn end_proving(&mut self, key: ConnectionKey) {
        if let State::Proving(proving) = &self.connections[key].state {
            self.connections[key].state = super::awaiting_nick(proving.deadline, None);
        }
    }

    // ── what somebody asks for ───────────────────────────────────────────────────────────────────

    /// Does what somebody asks for who is in.
    pub(super) fn execute_account(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        command: AccountCommand<'_>,
    ) {
        match self.account_request(user, command) {
            Ok(Some(request)) => self.ask_keeper(key, request),
            Ok(None) => self.log_out(key, user),
            Err(refusal) => self.refuse(key, refusal),
        }
    }

    /// What is to be asked for a command; nothing, to log out.
    fn account_request<'a>(
        &self,
        user: UserKey,
        command: AccountCommand<'a>,
    ) -> Result<Option<AccountRequest>, Refusal<'a>> {
        let account = self.chat.account_of(user).cloned();
        let own = || account.clone().ok_or(Refusal::NotLoggedIn);
        let Some(name) = self.chat.nickname(user) else { return Err(Refusal::NotLoggedIn) };
        Ok(Some(match command {
            AccountCommand::Register(_) if account.is_some() => return Err(Refusal::IsLoggedIn),
            AccountCommand::Register(_)
                if self.chat.is_locked() && !self.chat.is_operator(user) =>
            {
                return Err(Refusal::Locked);
            }
            AccountCommand::Register(password) => {
                // Guests and those who are called by their addresses have no names of their own.
                let named = Nickname::parse(name.as_str());
                let name = named.map_err(|error| Refusal::Nickname(error, ""))?;
                // Whoever is on the machine itself could make it an account anyhow.
                let address = self.chat.user(user).map(|user| user.address.to_canonical());
                let is_here = address.is_some_and(|address| address.is_loopback());
                if self.chat.is_operators(&name) && !is_here {
                    return Err(Refusal::OperatorsName);
                }
                let password = new_password(password, &name)?;
                AccountRequest::Register { name, password }
            }
            AccountCommand::Login { name, .. } | AccountCommand::LoginAgain { name, .. } => {
                let wanted = self.chat.account_given(name).cloned();
                let name = wanted.ok_or(Refusal::NoAccount(name))?;
                if account.as_ref() == Some(&name) {
                    return Err(Refusal::IsLoggedIn);
                }
                let proof = match command {
                    AccountCommand::LoginAgain { token, .. } => Proof::Token(Secret::new(token)),
                    AccountCommand::Login { password, .. } => {
                        Proof::Password(Secret::new(password))
                    }
                    _ => return Err(Refusal::NotLoggedIn),
                };
                AccountRequest::Login { name, proof, wants_token: false }
            }
            AccountCommand::SetPassword { old, new } => {
                let name = own()?;
                let (old, new) = (Secret::new(old), new_password(new, &name)?);
                AccountRequest::SetPassword { name, old, new }
            }
            AccountCommand::Unregister(password) => {
                AccountRequest::Unregister { name: own()?, password: Secret::new(password) }
            }
            AccountCommand::Logout => return own().map(|_| None),
            AccountCommand::Oper { name, password } => {
                let wanted = Nickname::parse(name).ok();
                let is_it = |it: &Nickname| wanted.as_ref().is_some_and(|name| it.same_as(name));
                let known = self.operator_passwords.iter().find(|(it, _)| is_it(it));
                // Where there is no such operator, it takes as long to find that out.
                let hash = known.map(|(_, hash)| hash.clone()).unwrap_or_default();
                AccountRequest::Oper { hash, password: Secret::new(password) }
            }
        }))
    }

    fn try_login(&mut self, key: ConnectionKey, name: Nickname, proof: Proof) {
        let wants_token = self.connections[key].dialect.spec().can_resume;
        self.ask_keeper(key, AccountRequest::Login { name, proof, wants_token });
    }

    /// Has a password tried, or something else done about an account. Until the answer is there,
    /// `key` is not listened to.
    pub(super) fn ask_keeper(&mut self, key: ConnectionKey, request: AccountRequest) {
        let connection = &self.connections[key];
        let is_free = matches!(request, AccountRequest::Logout { .. });
        if connection.is_exposed && !self.insecure_passwords && !is_free {
            return self.refuse_proof(key, Refusal::Insecure);
        }
        let address = connection.address;
        let is_password =
            !is_free && !matches!(request, AccountRequest::Login { proof: Proof::Token(_), .. });
        if let Some(address) = address
            && is_password
            && !self.addresses.may_try_password(address, self.now.instant)
        {
            return self.refuse_proof(key, Refusal::TooManyTries);
        }
        // The machine itself counts as one address, which may be a proxy's.
        let max = if address.is_some() { TRIES_PER_ADDRESS } else { TRIES_OF_LOOPBACK };
        let same = self.asking.iter().filter(|(_, other)| *other == address).count();
        if same >= max || self.asking.iter().any(|(asker, _)| *asker == key) {
            return self.refuse_proof(key, Refusal::Busy);
        }
        if let AccountRequest::Register { .. } = request {
            self.note_try(key);
        }
        let Some(asked) = self.ask_to_try(key, request) else { return };
        let asked = Asked { key: self.take_key(key), ..asked };
        self.asking.push((key, address));
        let waiting = &mut self.connections[key].waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::new(Wait::Answer)));
        waiting.asked = Some(Box::new(asked));
    }

    /// Takes one off the passwords that may be tried from where `key` comes.
    fn note_try(&mut self, key: ConnectionKey) {
        if let Some(address) = self.connections[key].address {
            self.addresses.note_password(address, self.now.instant);
        }
    }

    /// A proof was not even tried. Who is not in yet is asked again.
    fn refuse_proof(&mut self, key: ConnectionKey, refusal: Refusal<'_>) {
        self.refuse(key, refusal);
        if let State::Proving(proving) = &self.connections[key].state {
            let name = proving.name.clone();
            self.tell(key, None, &Event::AccountAsked(name.as_str()));
        }
    }

    // ── answers ──────────────────────────────────────────────────────────────────────────────────

    /// What came of a request about an account.
    pub(super) fn handle_account_answer(
        &mut self,
        key: ConnectionKey,
        request: AccountRequest,
        answer: Answer,
    ) {
        let answer = match answer {
            Answer::Account(AccountAnswer::Proved { old, new }) => {
                match self.proved_to_all(key, &request, (&old, new.as_deref())) {
                    Some(answer) => answer,
                    None => return,
                }
            }
            Answer::Account(answer) => answer,
            _ => return self.refuse_proof(key, Refusal::Busy),
        };
        if answer == AccountAnswer::Wrong || answer == AccountAnswer::Missing {
            self.note_try(key);
            let what = match &request {
                AccountRequest::Oper { .. } | AccountRequest::Prove { .. } => "oper".to_owned(),
                AccountRequest::Login { name, .. }
                | AccountRequest::SetPassword { name, .. }
                | AccountRequest::Unregister { name, .. }
                | AccountRequest::Register { name, .. }
                | AccountRequest::Logout { name } => name.to_string(),
            };
            log::info!("event=refused account={what} from={}", self.connections[key].remote);
        }
        let is_irc = self.connections[key].session.irc().is_some();
        match (answer, self.connections[key].user()) {
            (AccountAnswer::Done(Some(name), _), None) if is_irc => self.proved(key, &name),
            (_, None) if is_irc => self.disproved(key, None),
            (AccountAnswer::Done(name, token), Some(user)) => {
                self.note_account(&request);
                self.account_is_so((key, user), request, (name, token));
            }
            (AccountAnswer::Done(Some(name), token), None) => {
                self.log_in(key, &name, token.as_ref());
            }
            (AccountAnswer::Done(None, _), None) | (AccountAnswer::Proved { .. }, _) => {}
            (AccountAnswer::Wrong | AccountAnswer::Missing, Some(_)) => {
                self.refuse(key, Refusal::WrongPassword);
            }
            (AccountAnswer::Wrong, None) => self.wrong_proof(key),
            (AccountAnswer::Taken, _) => match request {
                AccountRequest::Register { name, .. } => {
                    self.refuse(key, Refusal::Registered(name.as_str()));
                }
                _ => self.refuse(key, Refusal::Busy),
            },
            (AccountAnswer::Missing, None) => {
                self.refuse(key, Refusal::WrongPassword);
                self.ask_another(key);
            }
            (AccountAnswer::Full, _) => self.refuse(key, Refusal::AccountsFull),
        }
    }

    /// Somebody who is not in has given a wrong proof. After three they are asked for another name.
    fn wrong_proof(&mut self, key: ConnectionKey) {
        self.pace_address(key);
        let State::Proving(proving) = &mut self.connections[key].state else { return };
        proving.tries += 1;
        let (tries, name) = (proving.tries, proving.name.clone());
        self.refuse(key, Refusal::WrongPassword);
        match tries {
            WRONG_PASSWORDS_MAX.. => self.ask_another(key),
            _ => self.tell(key, None, &Event::AccountAsked(name.as_str())),
        }
    }

    /// Somebody has shown that an account is theirs, and comes in under its name.
    fn log_in(&mut self, key: ConnectionKey, account: &Nickname, token: Option<&Secret>) {
        if !matches!(self.connections[key].state, State::Proving(_)) {
            return;
        }
        let operator = self.chat.is_operators(account);
        let authority = operator.then_some(Authority::Account);
        let account_of = Some(account.clone());
        let standing = Standing { account: account_of, authority, ..Standing::default() };
        let who = (Some(account), self.connections[key].remote.ip());
        if !operator && self.chat.ban_of(who, self.now.unix_seconds).is_some() {
            return self.keep_out(key, Some(account), Conflict::Banned);
        }
        self.free_name(account);
        match self.name_connection(key, account, &standing) {
            Ok(came) => {
                if let Came::Later = came {
                    self.end_proving(key);
                    self.then(key, Next::Named { name: account.clone() });
                }
                log::info!("event=login account={account} from={}", self.connections[key].remote);
                self.tell_account(key, account, (AccountEvent::LoggedIn, token));
                if operator {
                    self.tell_account(key, account, (AccountEvent::Operator, None));
                }
            }
            Err(Conflict::NameTaken | Conflict::Registered) => {
                self.end_proving(key);
                self.refuse_input(key, Refusal::Taken(account.as_str()));
            }
            Err(conflict) => self.keep_out(key, Some(account), conflict),
        }
    }

    /// Whoever has a name that is somebody's account gets another.
    pub(super) fn free_name(&mut self, account: &Nickname) {
        let Some(holder) = self.chat.holder_of(account) else { return };
        if self.relay.is_some() {
            return self.take_name_of(holder, account);
        }
        let Some(old) = self.chat.nickname(holder).cloned() else { return };
        let mut number = 2;
        loop {
            number = self.chat.lowest_free_suffix(account, number);
            let name = account.with_suffix(number);
            match self.propose(Fact::Renamed { user: holder, name }) {
                Applied::Refused(Conflict::NameTaken | Conflict::Registered) => number += 1,
                _ => break,
            }
        }
        self.tell_name_lost(holder, &old);
    }

    /// Somebody had a name that is somebody else's account, and has another one now.
    pub(super) fn tell_name_lost(&mut self, holder: UserKey, old: &Nickname) {
        let origin = self.chat.user(holder).and_then(|user| user.origin);
        let name = self.chat.name(holder).to_owned();
        let event = AccountEvent::NameLost(old.as_str());
        let event = Occurrence::Account { name: &name, event, token: None };
        self.tell_user(holder, origin, None, &Event::Order(event));
        if let Some(key) = origin
            && self.connections[key].dialect.spec().naming == Naming::Once
        {
            // Its client goes on believing in the old name.
            self.connections[key].session.note_given(old.as_str());
        }
    }

    /// An account has come or gone in the archive. Where accounts are shared that is a line of the
    /// log, and not told so.
    fn note_account(&mut self, request: &AccountRequest) {
        match request {
            AccountRequest::Register { name, .. } => {
                let name = name.clone();
                self.propose(Fact::Account(AccountFact::Registered { name }));
            }
            AccountRequest::Unregister { name, .. } => self.unregister(name),
            _ => {}
        }
    }

    /// What somebody asked for who is in is so.
    pub(super) fn account_is_so(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        request: AccountRequest,
        (name, token): (Option<Nickname>, Option<Secret>),
    ) {
        let token = token.as_ref();
        match request {
            AccountRequest::Register { name, .. } => {
                self.become_account(user, &name);
                self.tell_account(key, &name, (AccountEvent::Registered, token));
                log::info!("event=register account={name}");
            }
            AccountRequest::Login { name: asked, .. } => {
                let account = name.unwrap_or(asked);
                let who = (Some(&account), self.connections[key].remote.ip());
                let is_banned = self.chat.ban_of(who, self.now.unix_seconds).is_some();
                if is_banned && !self.chat.is_operators(&account) && !self.chat.is_operator(user) {
                    return self.keep_out(key, Some(&account), Conflict::Banned);
                }
                // An IRC client may have another name than its account.
                let is_renamed = self.connections[key].session.irc().is_none();
                if is_renamed && self.chat.holder_of(&account) != Some(user) {
                    self.free_name(&account);
                }
                self.become_account(user, &account);
                let name = account.clone();
                if is_renamed && self.chat.nickname(user) != Some(&account) {
                    self.propose(Fact::Renamed { user, name });
                }
                log::info!("event=login account={account}");
                self.tell_account(key, &account, (AccountEvent::LoggedIn, token));
                if self.chat.is_operators(&account) || self.chat.is_operator(user) {
                    self.tell_account(key, &account, (AccountEvent::Operator, None));
                }
            }
            AccountRequest::SetPassword { name, .. } => {
                log::info!("event=password account={name}");
                self.tell_account(key, &name, (AccountEvent::PasswordSet, token));
            }
            AccountRequest::Unregister { name, .. } => {
                log::info!("event=unregister account={name}");
                self.tell_account(key, &name, (AccountEvent::Unregistered, None));
                self.leave_without_account(key);
            }
            AccountRequest::Oper { hash, .. } => {
                let known = self.operator_passwords.iter().find(|(_, other)| *other == hash);
                let Some((name, _)) = known.cloned() else {
                    return self.refuse(key, Refusal::WrongPassword);
                };
                let by = Some(Authority::Password(name.clone()));
                self.propose(Fact::Account(AccountFact::Operator { user, by }));
                self.note_act(user, ("oper", name.as_str()), None, ("", None));
                self.tell_account(key, &name, (AccountEvent::Operator, None));
            }
            AccountRequest::Prove { .. } => {}
            AccountRequest::Logout { name } => {
                self.tell_account(key, &name, (AccountEvent::LoggedOut, None));
                self.leave_without_account(key);
            }
        }
    }

    /// Where only those may be who have an account, somebody who has none any more is closed.
    fn leave_without_account(&mut self, key: ConnectionKey) {
        if self.chat.has_accounts() && self.chat.needs_account() {
            self.refuse(key, Refusal::AccountNeeded);
            self.close(key, CloseReason::Locked, "");
        }
    }

    /// Somebody is logged in from now on.
    fn become_account(&mut self, user: UserKey, account: &Nickname) {
        let operator = self.chat.is_operators(account);
        let account = account.clone();
        self.propose(Fact::Account(AccountFact::LoggedIn { user, account, operator }));
    }

    /// Somebody does not want to be logged in any more, and loses the name of the account.
    fn log_out(&mut self, key: ConnectionKey, user: UserKey) {
        let Some(account) = self.chat.account_of(user).cloned() else { return };
        self.propose(Fact::Account(AccountFact::LoggedOut { user }));
        if self.chat.holder_of(&account) == Some(user) {
            self.free_name(&account);
        }
        self.ask_keeper(key, AccountRequest::Logout { name: account });
    }

    pub(super) fn tell_account(
        &mut self,
        key: ConnectionKey,
        account: &Nickname,
        (event, token): (AccountEvent<'_>, Option<&Secret>),
    ) {
        let token = token.map(Secret::reveal);
        let event = Occurrence::Account { name: account.as_str(), event, token };
        let before = std::mem::replace(&mut self.acting, self.connections[key].any_user());
        self.tell(key, None, &Event::Order(event));
        self.acting = before;
    }
}

/// A password that somebody can have for this account.
fn new_password(password: &str, name: &Nickname) -> Result<Secret, Refusal<'static>> {
    if !ACCOUNT_PASSWORD_BYTES.contains(&password.len()) {
        let (least, most) = (*ACCOUNT_PASSWORD_BYTES.start(), *ACCOUNT_PASSWORD_BYTES.end());
        return Err(Refusal::PasswordBytes(least, most));
    }
    if Nickname::parse(password).is_ok_and(|password| password.same_as(name)) {
        return Err(Refusal::PasswordIsName);
    }
    Ok(Secret::new(password))
}

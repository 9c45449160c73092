//! People in a hub without a network, and what each of them has been told.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use chinwag::ConnectionKey;
use chinwag::archive::{AccountAnswer, AccountRequest, Answer, Request};
use chinwag::config::Config;
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
use chinwag::nickname::Nickname;

use super::hub::Room;

/// 2023-11-14, 22:13 UTC, when it begins.
pub(crate) const NOW: u64 = 1_700_000_000;

/// From where people come if nothing else is said.
pub(crate) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

pub(crate) fn name(name: &str) -> Nickname {
    Nickname::parse(name).unwrap()
}

pub(crate) struct People {
    room: Room,
    /// Lines that came for each and were not looked at.
    told: HashMap<ConnectionKey, Vec<String>>,
    /// Who said what, to be shown if something is wrong.
    script: Vec<String>,
}

impl Drop for People {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was said: {:#?}", self.script);
        }
    }
}

impl People {
    pub(crate) fn new(config: &Config) -> People {
        let mut config = config.clone();
        config.limits.flood = None;
        config.limits.connects = None;
        let (told, script) = Default::default();
        People { room: Room::that_keeps(&config), told, script }
    }

    /// A server with an operator called `boss`.
    pub(crate) fn with_operator() -> People {
        let operator_passwords = vec![(name("boss"), "$argon2id$".to_owned())];
        People::new(&Config { operator_passwords, ..Config::default() })
    }

    pub(crate) fn hub(&mut self) -> &mut Hub {
        self.room.hub_mut()
    }

    pub(crate) fn update(&mut self, config: &Config) {
        let unix_seconds = self.room.hub().unix_seconds();
        let now = chinwag::Now { instant: std::time::Instant::now(), unix_seconds };
        self.room.hub_mut().update(config, now);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.room.wait(time);
        self.room.turn();
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    /// These come into the lobby.
    pub(crate) fn join<const N: usize>(&mut self, names: [&str; N]) -> [ConnectionKey; N] {
        let keys = names.map(|name| self.join_from(HERE, name));
        self.forget();
        keys
    }

    /// Somebody comes into the lobby.
    pub(crate) fn join_from(&mut self, address: Ipv4Addr, name: &str) -> ConnectionKey {
        let key = self.comes_from(address, Dialect::Lines, name);
        self.sees(key, &format!("* You are {name}."));
        key
    }

    /// Somebody comes and gives a name, if it is not empty.
    pub(crate) fn comes_from(
        &mut self,
        address: Ipv4Addr,
        dialect: Dialect,
        name: &str,
    ) -> ConnectionKey {
        let key = self.room.connect_from(address, dialect);
        self.script.push(format!("{key} from {address}: {name}"));
        self.told.insert(key, Vec::new());
        if !name.is_empty() {
            self.room.hear(key, format!("{name}\n").as_bytes());
        }
        self.gather();
        if let Some(told) = self.told.get_mut(&key) {
            told.retain(|line| !line.starts_with("* Welcome to chinwag"));
        }
        key
    }

    /// Somebody comes in who has this account.
    pub(crate) fn logs_in(&mut self, account: &str) -> ConnectionKey {
        let key = self.comes_from(HERE, Dialect::Lines, account);
        self.tries(key, "sesame123", AccountAnswer::Done(Some(name(account)), None));
        self.sees(key, &format!("* You are {account}."));
        self.forget();
        key
    }

    pub(crate) fn becomes_operator(&mut self, key: ConnectionKey) {
        let asked = self.tries(key, "/oper Boss sesame123", AccountAnswer::Done(None, None));
        assert!(matches!(asked, AccountRequest::Oper { hash, .. } if hash == "$argon2id$"));
        self.sees(key, "* You are an operator of the server.");
    }

    /// Somebody who has not come in goes.
    pub(crate) fn leaves(&mut self, key: ConnectionKey) {
        if self.room.has(key) {
            self.room.lose(key);
        }
        self.told.remove(&key);
        self.room.turn();
    }

    /// Somebody's connection is being closed, or is gone.
    pub(crate) fn is_gone(&mut self, key: ConnectionKey) {
        self.says(key, "is anybody there?");
        for (other, told) in &self.told {
            assert!(!told.iter().any(|line| line.contains("is anybody there")), "{other}");
        }
    }

    // ── saying something ─────────────────────────────────────────────────────────────────────────

    /// Somebody sends a line.
    pub(crate) fn says(&mut self, key: ConnectionKey, line: &str) {
        self.script.push(format!("{key}: {line}"));
        if self.room.has(key) {
            self.room.send(key, format!("{line}\n").as_bytes());
        }
        self.room.turn();
        self.gather();
    }

    /// Somebody of an older dialect sends a message.
    pub(crate) fn arrives(&mut self, key: ConnectionKey, message: &str) {
        self.room.send(key, message.as_bytes());
        self.room.turn();
        self.gather();
    }

    /// Somebody sends a line by which a password is tried, or the like. Returns what was asked.
    pub(crate) fn tries(
        &mut self,
        key: ConnectionKey,
        line: &str,
        answer: AccountAnswer,
    ) -> AccountRequest {
        self.says(key, line);
        let Some((asker, Request::Account(request))) = self.hub().poll_request() else {
            panic!("{line} asks nothing: {:?}", self.told[&key]);
        };
        assert_eq!(asker, key);
        self.hub().handle_answer(key, Answer::Account(answer));
        self.room.turn();
        self.gather();
        request
    }

    /// What somebody is told from this line on.
    pub(crate) fn asks(&mut self, key: ConnectionKey, line: &str) -> Vec<String> {
        self.gather();
        self.told.get_mut(&key).unwrap().clear();
        self.says(key, line);
        std::mem::take(self.told.get_mut(&key).unwrap())
    }

    // ── being told something ─────────────────────────────────────────────────────────────────────

    /// Everybody takes what waits for them.
    fn gather(&mut self) {
        for (key, told) in &mut self.told {
            if self.room.has(*key) {
                told.extend(self.room.takes(*key).lines().map(str::to_owned));
            }
        }
    }

    /// What was told until now does not matter.
    pub(crate) fn forget(&mut self) {
        self.gather();
        self.told.values_mut().for_each(Vec::clear);
    }

    /// Somebody has been told a line that begins so; what came before it does not matter.
    #[track_caller]
    pub(crate) fn sees(&mut self, key: ConnectionKey, line: &str) {
        self.room.turn();
        self.gather();
        let told = self.told.get_mut(&key).unwrap();
        let at = told.iter().position(|told| told.starts_with(line));
        let at = at.unwrap_or_else(|| panic!("{line:?} is not in {told:#?}"));
        told.drain(..=at);
    }

    /// Somebody sends a line and is told just these then.
    #[track_caller]
    pub(crate) fn answers(&mut self, key: ConnectionKey, line: &str, lines: &[&str]) {
        let told = self.asks(key, line);
        let is_same = told.len() == lines.len() && told.iter().zip(lines).all(|(a, b)| a == b);
        assert!(is_same, "{line}: told {told:#?}, but expected {lines:#?}");
    }

    /// Nothing that somebody has been told has these words.
    pub(crate) fn sees_nothing_of(&mut self, key: ConnectionKey, words: &str) {
        assert!(!self.told[&key].iter().any(|line| line.contains(words)), "{:?}", self.told[&key]);
    }
}

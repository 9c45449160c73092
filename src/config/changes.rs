//! What changes when the configuration is read again: what of it takes effect at once, and what
//! only when the server is started anew.

use std::path::Path;

use super::{Config, Data, Keep, Limits};
use crate::nickname::Nickname;

/// The flags whose values differ between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that take effect at once.
    pub live: Vec<&'static str>,
    /// Those that need a restart.
    pub restart: Vec<&'static str>,
}

/// A flag, and whether its value differs.
type Difference = (&'static str, fn(&Config, &Config) -> bool);

/// What takes effect at once.
const LIVE: &[Difference] = &[
    ("--max-clients", |a, b| a.limits.clients_max != b.limits.clients_max),
    ("--nick-timeout", |a, b| a.limits.nick_timeout != b.limits.nick_timeout),
    ("--backlog", |a, b| a.limits.backlog_bytes_max != b.limits.backlog_bytes_max),
    ("--memory", |a, b| a.limits.memory_bytes_max != b.limits.memory_bytes_max),
    ("--stall-timeout", |a, b| a.limits.stall_timeout != b.limits.stall_timeout),
    ("--flood", |a, b| a.limits.flood != b.limits.flood),
    ("--connects", |a, b| a.limits.connects != b.limits.connects),
    ("--max-per-ip", |a, b| a.limits.per_address_max != b.limits.per_address_max),
    ("--udp-expiry", |a, b| a.limits.udp_expiry != b.limits.udp_expiry),
    ("--history", |a, b| a.limits.history_lines_max != b.limits.history_lines_max),
    ("--drain", |a, b| a.limits.drain != b.limits.drain),
    ("--resume-grace", |a, b| a.limits.resume_grace != b.limits.resume_grace),
    ("--max-rooms", |a, b| a.limits.rooms_max != b.limits.rooms_max),
    ("--fixed-rooms", |a, b| a.limits.rooms_fixed != b.limits.rooms_fixed),
    ("--motd", |a, b| a.motd != b.motd),
    ("--password-file", |a, b| a.password != b.password),
    ("--classic-open", |a, b| a.classic_open != b.classic_open),
    ("--accounts", |a, b| a.accounts != b.accounts),
    ("--operator", |a, b| a.operators != b.operators),
    ("[operators]", |a, b| a.operator_passwords != b.operator_passwords),
    ("--insecure-passwords", |a, b| a.insecure_passwords != b.insecure_passwords),
    ("--keep", |a, b| keep(a) != keep(b)),
    ("--log-level", |a, b| a.log_level != b.log_level),
    #[cfg(feature = "web")]
    ("--allow-host", |a, b| a.web.hosts != b.web.hosts),
    #[cfg(feature = "web")]
    ("--allow-origin", |a, b| a.web.origins != b.web.origins),
    #[cfg(feature = "web")]
    ("--metrics-from", |a, b| a.metrics_from != b.metrics_from),
];

/// What needs a restart.
const RESTART: &[Difference] = &[
    ("--listen", |a, b| a.listeners != b.listeners),
    ("--cloak", |a, b| a.cloak != b.cloak),
    // Lines may have come in part, and clients were told how long they may be.
    ("--max-line", |a, b| a.limits.line_bytes_max != b.limits.line_bytes_max),
    ("--tls-cert", |a, b| a.tls.certs != b.tls.certs),
    ("--tls-key", |a, b| a.tls.keys != b.tls.keys),
    ("--trusted-proxy", |a, b| a.trusted_proxies != b.trusted_proxies),
    ("--console", |a, b| a.console != b.console),
    ("--lobby", |a, b| a.lobby != b.lobby),
    ("--rooms", |a, b| a.rooms != b.rooms),
    ("--lang", |a, b| a.lang != b.lang),
    ("--data", |a, b| file(a) != file(b)),
    ("--relay", |a, b| a.relay != b.relay),
];

fn file(config: &Config) -> Option<&Path> {
    config.data.as_ref().map(|data| &*data.file)
}

/// For how long things are kept, if anything is.
fn keep(config: &Config) -> Option<(Keep, &[(Nickname, Keep)])> {
    config.data.as_ref().map(|data| (data.keep, &*data.keep_rooms))
}

impl Config {
    /// What differs in `other`.
    #[must_use]
    pub fn changes(&self, other: &Config) -> Changes {
        let of = |table: &[Difference]| {
            let changed = table.iter().filter(|(_, differs)| differs(self, other));
            changed.map(|(flag, _)| *flag).collect()
        };
        Changes { live: of(LIVE), restart: of(RESTART) }
    }

    /// This configuration with what takes effect at once of `other`.
    #[must_use]
    pub fn updated(&self, other: &Config) -> Config {
        Config {
            limits: Limits { line_bytes_max: self.limits.line_bytes_max, ..other.limits },
            listeners: self.listeners.clone(),
            tls: self.tls.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            console: self.console.clone(),
            lobby: self.lobby.clone(),
            rooms: self.rooms.clone(),
            lang: self.lang,
            relay: self.relay.clone(),
            data: self.data.clone().map(|data| match &other.data {
                Some(other) => Data { file: data.file, ..other.clone() },
                None => data,
            }),
            ..other.clone()
        }
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.live.join(", "), self.restart.join(", ")) {
            (live, restart) if live.is_empty() && restart.is_empty() => {
                f.write_str("nothing has changed")
            }
            (live, restart) if restart.is_empty() => write!(f, "{live} changed"),
            (live, restart) if live.is_empty() => write!(f, "{restart} only by a restart"),
            (live, restart) => write!(f, "{live} changed; {restart} only by a restart"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Accounts, ListenerSpec, Password};
    use crate::dialect::{Dialect, Lang};

    #[test]
    fn how_long_things_are_kept_changes_at_once_but_the_file_does_not() {
        let with = |file: &str, keep| {
            let data = Data { file: file.into(), keep, keep_rooms: Vec::new() };
            Config { data: Some(data), ..Config::default() }
        };
        let before = with("a.db", Keep::Days(90));
        let after = with("b.db", Keep::Forever);
        assert_eq!(before.changes(&after).to_string(), "--keep changed; --data only by a restart");
        assert_eq!(before.updated(&after).data, with("a.db", Keep::Forever).data);
        assert_eq!(before.updated(&Config::default()).data, before.data);
        assert_eq!(Config::default().updated(&after).data, None);
    }

    #[test]
    fn who_may_what_changes_at_once() {
        let name = |name: &str| Nickname::parse(name).unwrap();
        let before = Config::default();
        let after = Config {
            accounts: Accounts::Off,
            operators: vec![name("alice")],
            operator_passwords: vec![(name("bob"), "$argon2id$".to_owned())],
            insecure_passwords: true,
            ..Config::default()
        };
        let told = "--accounts, --operator, [operators], --insecure-passwords changed";
        assert_eq!(before.changes(&after).to_string(), told);
        assert_eq!(before.updated(&after).changes(&after), Changes::default());
    }

    #[test]
    fn what_takes_effect_at_once_is_taken_over_and_the_rest_is_told() {
        let before = Config::default();
        let mut after = Config::default();
        assert_eq!(before.changes(&after).to_string(), "nothing has changed");
        after.limits.history_lines_max = 7;
        after.password = Password::from_file(b"sesame").ok();
        assert_eq!(before.changes(&after).to_string(), "--history, --password-file changed");
        after.listeners = vec![ListenerSpec::usual(Dialect::Nick)];
        after.limits.line_bytes_max = 99;
        after.lang = Lang::Zh;
        let told = "--history, --password-file changed; --listen, --max-line, --lang only by a \
                    restart";
        assert_eq!(before.changes(&after).to_string(), told);
        let updated = before.updated(&after);
        assert_eq!(before.changes(&updated).restart, [""; 0]);
        assert_eq!(updated.changes(&after).live, [""; 0]);
        assert_eq!(
            updated.changes(&after).to_string(),
            "--listen, --max-line, --lang only by a restart"
        );
    }
}

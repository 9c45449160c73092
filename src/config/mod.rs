//! What an operator can decide: [`Config`], [`Limits`] and [`ListenerSpec`], as plain data.
//!
//! The defaults are here and nowhere else. [`Config::check`] finds values that make no sense, alone
//! or together, and [`ConfigError`] says which. [`values`] parses and formats them. `main.rs` knows
//! where they come from (flags, environment), the hub and the server what they do.

mod changes;
mod error;
pub mod file;
mod password;
pub mod relay;
pub mod values;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

pub use self::changes::Changes;
pub use self::error::ConfigError;
pub use self::password::{PASSWORD_BYTES_MAX, Password, PasswordError};
pub use self::relay::{Engine, Relay};
use crate::dialect::decoder::UNTERMINATED_BYTES_MAX;
#[cfg(feature = "web")]
pub use crate::dialect::web::origin::Web;
#[cfg(feature = "web")]
use crate::dialect::web::origin::{Origin, is_host_name};
use crate::dialect::{Dialect, Lang, Settings, Transport};
use crate::nickname::{Nickname, NicknameError};

/// The name of the server's own terminal; nobody else can have it.
pub const CONSOLE_NAME: &str = "server";

/// The least that a line may be limited to, in bytes; the most is [`UNTERMINATED_BYTES_MAX`].
pub const LINE_BYTES_MIN: usize = 16;

/// A line must fit into a datagram with its speaker's name: this is the most where UDP is spoken.
pub const DATAGRAM_LINE_BYTES_MAX: usize = 65_000;

/// If the system's limit of open descriptors leaves room for fewer clients than this, and the
/// operator wants more, the server refuses to start.
pub const CLIENTS_MIN: usize = 16;

/// Nobody needs more listeners than this.
pub const LISTENERS_MAX: usize = 1000;

/// One process cannot serve more clients than this.
pub const CLIENTS_MAX: usize = 1_000_000;

/// How far a reader may be allowed to fall behind, in bytes: 1 KiB to 1 GiB.
pub const BACKLOG_BYTES: RangeInclusive<usize> = 1 << 10..=1 << 30;

/// The longest history, in lines.
pub const HISTORY_LINES_MAX: usize = 100_000;

/// The longest time for which what was said can be kept, in days: a hundred years.
pub const KEEP_DAYS_MAX: u32 = 36_500;

/// The longest time any flag takes, in seconds: a year. It keeps deadlines from overflowing.
pub const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Everything a server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, 1 to [`LISTENERS_MAX`].
    pub listeners: Vec<ListenerSpec>,
    /// How much of everything the server allows.
    pub limits: Limits,
    /// The room in which everybody begins.
    pub lobby: Nickname,
    /// Other rooms that are always there.
    pub rooms: Vec<Nickname>,
    /// Lines shown to a newcomer before the first question.
    pub motd: Vec<String>,
    /// What everybody must know who comes in, if anything.
    pub password: Option<Password>,
    /// The older dialects are open although they cannot ask for the password.
    pub classic_open: bool,
    /// What goes to the log.
    pub log_level: LevelFilter,
    /// The language of the dialect `lines`.
    pub lang: Lang,
    /// Under which names browsers may reach the server.
    #[cfg(feature = "web")]
    pub web: Web,
    /// Who may see what the server counts, besides those on the machine itself.
    #[cfg(feature = "web")]
    pub metrics_from: Vec<IpNet>,
    /// The nickname of the server's own terminal, if that is in the room.
    pub console: Option<String>,
    /// The certificates of listeners with TLS.
    pub tls: TlsFiles,
    /// From where a request may say for whom it was forwarded.
    pub trusted_proxies: Vec<IpNet>,
    /// What outlives the server, and where; without it nothing does.
    pub data: Option<Data>,
    /// Whether nicknames can be accounts, or must be.
    pub accounts: Accounts,
    /// Accounts whose owners are operators of the server.
    pub operators: Vec<Nickname>,
    /// Operators of the server who show it by a password: their names, and the hashes of these.
    pub operator_passwords: Vec<(Nickname, String)>,
    /// Passwords of accounts and operators are also taken where others can read them on their way.
    pub insecure_passwords: bool,
    /// Nobody is told from where others come.
    pub cloak: bool,
    /// Other servers share the rooms, and how.
    pub relay: Option<Relay>,
}

/// Whether there are accounts; they need an archive, or servers that share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accounts {
    /// There are none.
    Off,
    /// Who wants may have one.
    #[default]
    Optional,
    /// Only who has one may come in.
    Required,
}

/// What is kept in a file, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The file. It is made if there is none.
    pub file: PathBuf,
    /// For how long what was said is kept.
    pub keep: Keep,
    /// Rooms for which that is different.
    pub keep_rooms: Vec<(Nickname, Keep)>,
}

/// For how long what was said is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For so many days, at most [`KEEP_DAYS_MAX`]. With 0 it is not kept at all.
    Days(u32),
    /// It is never forgotten by itself.
    Forever,
}

impl Keep {
    /// The time before which things are forgotten, if it is `now`; both in seconds since 1970.
    /// `None` if nothing is kept at all.
    #[must_use]
    pub fn since(self, now: u64) -> Option<u64> {
        match self {
            Keep::Days(0) => None,
            Keep::Days(days) => Some(now.saturating_sub(u64::from(days) * 24 * 60 * 60)),
            Keep::Forever => Some(0),
        }
    }
}

impl Default for Keep {
    fn default() -> Keep {
        Keep::Days(90)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listeners: Dialect::USUAL.iter().copied().map(ListenerSpec::usual).collect(),
            limits: Limits::default(),
            lobby: Nickname::unchecked("lobby"),
            rooms: Vec::new(),
            motd: Vec::new(),
            password: None,
            classic_open: false,
            log_level: LevelFilter::Info,
            lang: Lang::default(),
            #[cfg(feature = "web")]
            web: Web::default(),
            #[cfg(feature = "web")]
            metrics_from: Vec::new(),
            console: None,
            tls: TlsFiles::default(),
            trusted_proxies: Vec::new(),
            data: None,
            accounts: Accounts::default(),
            operators: Vec::new(),
            operator_passwords: Vec::new(),
            insecure_passwords: false,
            cloak: true,
            relay: None,
        }
    }
}

impl Config {
    /// Says what is wrong with these values, if anything is.
    ///
    /// # Errors
    /// The first setting whose value makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let year = Duration::from_secs(SECONDS_MAX);
        let is_no_timeout = |time: Duration| time.is_zero() || time > year;
        Err(if !(1..=LISTENERS_MAX).contains(&self.listeners.len()) {
            ConfigError::Listeners
        } else if !(1..=CLIENTS_MAX).contains(&limits.clients_max) {
            ConfigError::ClientsMax
        } else if !(LINE_BYTES_MIN..=UNTERMINATED_BYTES_MAX).contains(&limits.line_bytes_max) {
            ConfigError::LineBytesMax
        } else if limits.line_bytes_max > DATAGRAM_LINE_BYTES_MAX
            && self.listeners.iter().any(|listener| listener.dialect.transport() == Transport::Udp)
        {
            ConfigError::DatagramLineBytesMax
        } else if !BACKLOG_BYTES.contains(&limits.backlog_bytes_max) {
            ConfigError::BacklogBytesMax
        } else if is_no_timeout(limits.nick_timeout) {
            ConfigError::NickTimeout
        } else if is_no_timeout(limits.stall_timeout) {
            ConfigError::StallTimeout
        } else if is_no_timeout(limits.udp_expiry) {
            ConfigError::UdpExpiry
        } else if limits.drain > year {
            ConfigError::Drain
        } else if limits.resume_grace > year {
            ConfigError::ResumeGrace
        } else if let Some(error) = self.console_name_error() {
            ConfigError::ConsoleName(error)
        } else if let Some(error) = self.web_error() {
            error
        } else if let Some(error) = self.prelude_error() {
            error
        } else if let Some(error) = self.access_error() {
            error
        } else if let Some(error) = self.relay_error() {
            error
        } else if self.password.as_ref().is_some_and(|it| it.bytes() > limits.line_bytes_max) {
            ConfigError::PasswordBytes
        } else if self.data.is_some() && !cfg!(feature = "data") {
            ConfigError::DataNotBuilt
        } else if limits.per_address_max == 0 {
            ConfigError::PerAddressMax
        } else if limits.history_lines_max > HISTORY_LINES_MAX {
            ConfigError::HistoryLinesMax
        } else if limits.rooms_max < 1 + self.rooms.len() {
            ConfigError::RoomsMax
        } else if limits.connects.is_some_and(|it| it.lines == 0 || is_no_timeout(it.per)) {
            ConfigError::Connects
        } else if limits.flood.is_some_and(|flood| flood.lines == 0 || is_no_timeout(flood.per)) {
            ConfigError::Flood
        } else {
            return Ok(());
        })
    }

    /// Whether nicknames can be accounts: they are kept in the archive, or shared.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        let are_kept = self.data.is_some() || cfg!(feature = "data") && self.relay.is_some();
        are_kept && self.accounts != Accounts::Off
    }

    /// What of this the conversation with a connection goes by.
    #[must_use]
    pub fn session_settings(&self) -> Settings {
        Settings {
            line_bytes_max: self.limits.line_bytes_max,
            udp_expiry: self.limits.udp_expiry,
            page: None,
            has_accounts: self.has_accounts(),
            is_away: false,
            #[cfg(feature = "web")]
            web: self.web.clone(),
            #[cfg(feature = "web")]
            metrics_from: self.metrics_from.clone(),
        }
    }

    /// What is wrong with who may come in, and as whom.
    fn access_error(&self) -> Option<ConfigError> {
        // A dialect that can ask for nothing, if that is not allowed.
        let mut dialects = self.listeners.iter().map(|listener| listener.dialect);
        let is_classic = |dialect: &Dialect| Dialect::CLASSIC.contains(dialect);
        let classic = dialects.find(is_classic).filter(|_| !self.classic_open);
        let needs_account = self.accounts == Accounts::Required;
        if let Some(dialect) = classic.filter(|_| self.password.is_some()) {
            Some(ConfigError::ClassicOpen(dialect))
        } else if let Some(dialect) = classic.filter(|_| needs_account) {
            Some(ConfigError::ClassicAccounts(dialect))
        } else if needs_account && !self.has_accounts() {
            Some(ConfigError::AccountsWithoutData)
        } else if !self.operator_passwords.is_empty() && !cfg!(feature = "data") {
            Some(ConfigError::OperatorsNotBuilt)
        } else {
            None
        }
    }

    /// What is wrong with how rooms are shared.
    fn relay_error(&self) -> Option<ConfigError> {
        let relay = self.relay.as_ref()?;
        if !cfg!(feature = "relay") {
            Some(ConfigError::RelayNotBuilt)
        } else if !relay::is_label(&relay.label) {
            Some(ConfigError::RelayName)
        } else if relay.engine.tls && !cfg!(feature = "tls") {
            Some(ConfigError::TlsNotBuilt)
        } else if relay.engine.tls != relay.ca.is_some() {
            Some(ConfigError::RelayCa)
        } else {
            self.data.is_some().then_some(ConfigError::RelayWithData)
        }
    }

    /// What is wrong with the names under which browsers may reach the server.
    #[cfg(feature = "web")]
    fn web_error(&self) -> Option<ConfigError> {
        let Web { hosts, origins } = &self.web;
        if let Some(host) = hosts.iter().find(|host| !is_host_name(host)) {
            return Some(ConfigError::AllowedHost(host.clone()));
        }
        let origin = origins.iter().find(|origin| Origin::parse(origin).is_none())?;
        Some(ConfigError::AllowedOrigin(origin.clone()))
    }

    #[cfg(not(feature = "web"))]
    fn web_error(&self) -> Option<ConfigError> {
        None
    }

    /// What is wrong with listeners that need TLS, or with what they need.
    fn prelude_error(&self) -> Option<ConfigError> {
        let TlsFiles { certs, keys, .. } = &self.tls;
        let with_tls = self.listeners.iter().any(|listener| listener.prelude.tls);
        let is_udp = |listener: &&ListenerSpec| listener.dialect.transport() == Transport::Udp;
        if self.listeners.iter().filter(is_udp).any(|listener| !listener.prelude.is_empty()) {
            Some(ConfigError::DatagramPrelude)
        } else if !cfg!(feature = "tls") && (with_tls || !certs.is_empty()) {
            Some(ConfigError::TlsNotBuilt)
        } else if certs.len() != keys.len() {
            Some(ConfigError::TlsPairs)
        } else {
            (with_tls && certs.is_empty()).then_some(ConfigError::NoCertificate)
        }
    }

    fn console_name_error(&self) -> Option<NicknameError> {
        let name = self.console.as_deref().filter(|name| *name != CONSOLE_NAME)?;
        Nickname::parse(name).err()
    }
}

/// A listening address and the dialect spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// The dialect.
    pub dialect: Dialect,
    /// What comes before it.
    pub prelude: Prelude,
    /// Where to listen; port 0 takes a free port.
    pub address: SocketAddr,
}

impl ListenerSpec {
    /// Where a dialect listens by default: its own port on 127.0.0.1.
    #[must_use]
    pub fn usual(dialect: Dialect) -> ListenerSpec {
        ListenerSpec::usual_after(dialect, Prelude::default())
    }

    /// Where a dialect listens by default after `prelude`: with TLS, at the port above its own.
    #[must_use]
    pub fn usual_after(dialect: Dialect, prelude: Prelude) -> ListenerSpec {
        let port = if prelude.tls { dialect.tls_port() } else { dialect.port() };
        ListenerSpec { dialect, prelude, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// What is spoken there, as `--listen` names it: `web+tls`.
    #[must_use]
    pub fn protocol(&self) -> String {
        let Prelude { tls, proxy } = self.prelude;
        let tls = if tls { "+tls" } else { "" };
        let proxy = if proxy { "+proxy" } else { "" };
        format!("{}{tls}{proxy}", self.dialect)
    }
}

/// What must come at a listener before its dialect can be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prelude {
    /// The handshake of TLS, which carries the rest.
    pub tls: bool,
    /// Before everything else, the PROXY header of a proxy that tells where a connection is from.
    pub proxy: bool,
}

impl Prelude {
    /// Whether nothing comes before.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Prelude::default()
    }
}

/// Certificates and their keys, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Each is a certificate and those that vouch for it, in PEM. The first is for those who name
    /// no host, or another than any certificate is for.
    pub certs: Vec<PathBuf>,
    /// The key of each certificate, in the same order.
    pub keys: Vec<PathBuf>,
    /// How often it is looked whether a file has changed.
    pub checked_every: Duration,
}

impl Default for TlsFiles {
    fn default() -> TlsFiles {
        TlsFiles { certs: Vec::new(), keys: Vec::new(), checked_every: Duration::from_secs(60) }
    }
}

/// How much of everything the server allows. The README says what happens past each limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, all listeners together, 1 to [`CLIENTS_MAX`].
    pub clients_max: usize,
    /// Bytes of one line without its line end, [`LINE_BYTES_MIN`] to [`UNTERMINATED_BYTES_MAX`].
    pub line_bytes_max: usize,
    /// Time to give a nickname, counted from accept.
    pub nick_timeout: Duration,
    /// Bytes of room lines a blocked reader may be behind, within [`BACKLOG_BYTES`].
    pub backlog_bytes_max: usize,
    /// Time a connection may go without taking a byte while bytes wait for it.
    pub stall_timeout: Duration,
    /// The pace of one talker; `None` for no limit.
    pub flood: Option<Flood>,
    /// How fast connections may come from one address; `None` for no limit.
    pub connects: Option<Flood>,
    /// Connections from one address (IPv4 /32, IPv6 /64), at least 1. Loopback is exempt, except
    /// for its UDP peers: all of them together may be half of `clients_max`.
    pub per_address_max: usize,
    /// Time after which a silent UDP peer has left.
    pub udp_expiry: Duration,
    /// Chat lines that newcomers can see, at most [`HISTORY_LINES_MAX`].
    pub history_lines_max: usize,
    /// Time to send what waits when the server stops.
    pub drain: Duration,
    /// Time that somebody who was cut off is waited for, if they can come back.
    pub resume_grace: Duration,
    /// Bytes that all rooms together keep for readers who are behind.
    pub memory_bytes_max: usize,
    /// Rooms at once, at least 1.
    pub rooms_max: usize,
    /// No rooms can be made but those that are always there.
    pub rooms_fixed: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            clients_max: 10_000,
            line_bytes_max: 4096,
            nick_timeout: Duration::from_secs(60),
            backlog_bytes_max: 1 << 20,
            stall_timeout: Duration::from_secs(30),
            flood: Some(Flood { lines: 30, per: Duration::from_secs(3) }),
            connects: Some(Flood { lines: 64, per: Duration::from_secs(60) }),
            per_address_max: 64,
            udp_expiry: Duration::from_secs(300),
            history_lines_max: 50,
            drain: Duration::from_secs(5),
            resume_grace: Duration::from_secs(10),
            memory_bytes_max: 256 << 20,
            rooms_max: 1000,
            rooms_fixed: false,
        }
    }
}

/// `lines` may come at once, and come back at the rate of `lines` in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// The burst, at least 1.
    pub lines: u32,
    /// The time in which an emptied budget is full again, more than zero.
    pub per: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of mistakes")]
    fn each_error_names_its_flag() {
        type Spoil = fn(&mut Config);
        let cases: &[(&str, ConfigError, Spoil)] = &[
            #[cfg(feature = "web")]
            ("--allow-host", ConfigError::AllowedHost("*.example".to_owned()), |c| {
                c.web.hosts = vec!["chat.example".to_owned(), "*.example".to_owned()];
            }),
            #[cfg(feature = "web")]
            ("--allow-origin", ConfigError::AllowedOrigin("ftp://localhost".to_owned()), |c| {
                c.web.origins = vec!["http://localhost".to_owned(), "ftp://localhost".to_owned()];
            }),
            ("--listen", ConfigError::Listeners, |c| c.listeners.clear()),
            ("--max-clients", ConfigError::ClientsMax, |c| c.limits.clients_max = 0),
            ("--console", ConfigError::ConsoleName(NicknameError::Reserved), |c| {
                c.console = Some("system".to_owned());
            }),
            ("--max-line", ConfigError::DatagramLineBytesMax, |c| {
                c.listeners.push(ListenerSpec::usual(Dialect::Datagram));
                c.limits.line_bytes_max = DATAGRAM_LINE_BYTES_MAX + 1;
            }),
            ("--max-line", ConfigError::LineBytesMax, |c| {
                c.limits.line_bytes_max = UNTERMINATED_BYTES_MAX + 1;
            }),
            ("--max-line", ConfigError::LineBytesMax, |c| {
                c.limits.line_bytes_max = LINE_BYTES_MIN - 1;
            }),
            ("between 1K and 1024M", ConfigError::BacklogBytesMax, |c| {
                c.limits.backlog_bytes_max = 1023;
            }),
            ("--nick-timeout", ConfigError::NickTimeout, |c| {
                c.limits.nick_timeout = Duration::ZERO;
            }),
            ("--stall-timeout", ConfigError::StallTimeout, |c| {
                c.limits.stall_timeout = Duration::MAX;
            }),
            ("--udp-expiry", ConfigError::UdpExpiry, |c| c.limits.udp_expiry = Duration::ZERO),
            ("--drain", ConfigError::Drain, |c| c.limits.drain = Duration::MAX),
            ("--resume-grace", ConfigError::ResumeGrace, |c| {
                c.limits.resume_grace = Duration::MAX;
            }),
            ("--classic-open", ConfigError::ClassicOpen(Dialect::Nick), |c| {
                c.listeners.push(ListenerSpec::usual(Dialect::Nick));
                c.password = Password::from_file(b"sesame").ok();
            }),
            ("--max-line", ConfigError::PasswordBytes, |c| {
                c.limits.line_bytes_max = LINE_BYTES_MIN;
                c.password = Password::from_file(&[b'x'; LINE_BYTES_MIN + 1]).ok();
            }),
            ("--max-per-ip", ConfigError::PerAddressMax, |c| c.limits.per_address_max = 0),
            ("+proxy", ConfigError::DatagramPrelude, |c| {
                let prelude = Prelude { proxy: true, tls: false };
                c.listeners.push(ListenerSpec::usual_after(Dialect::Datagram, prelude));
            }),
            #[cfg(feature = "tls")]
            ("--tls-cert", ConfigError::NoCertificate, |c| {
                let prelude = Prelude { proxy: false, tls: true };
                c.listeners.push(ListenerSpec::usual_after(Dialect::Lines, prelude));
            }),
            #[cfg(feature = "tls")]
            ("--tls-key", ConfigError::TlsPairs, |c| c.tls.certs.push("cert.pem".into())),
            #[cfg(not(feature = "tls"))]
            ("--features tls", ConfigError::TlsNotBuilt, |c| c.tls.certs.push("cert.pem".into())),
            ("--classic-open", ConfigError::ClassicAccounts(Dialect::Nick), |c| {
                c.accounts = Accounts::Required;
                c.listeners.push(ListenerSpec::usual(Dialect::Nick));
            }),
            #[cfg(all(feature = "relay", feature = "tls"))]
            ("--relay-ca", ConfigError::RelayCa, |c| {
                let engine = "rediss://one".parse().unwrap();
                c.relay = Some(Relay { engine, label: "one".to_owned(), ca: None });
            }),
            ("needs --data", ConfigError::AccountsWithoutData, |c| {
                c.accounts = Accounts::Required;
            }),
            #[cfg(not(feature = "data"))]
            ("--features data", ConfigError::OperatorsNotBuilt, |c| {
                c.operator_passwords.push((Nickname::unchecked("alice"), String::new()));
            }),
            #[cfg(not(feature = "data"))]
            ("--features data", ConfigError::DataNotBuilt, |c| {
                let (file, keep_rooms) = ("chat.db".into(), Vec::new());
                c.data = Some(Data { file, keep: Keep::Forever, keep_rooms });
            }),
            ("--history", ConfigError::HistoryLinesMax, |c| c.limits.history_lines_max = 100_001),
            ("--flood", ConfigError::Flood, |c| {
                c.limits.flood = Some(Flood { lines: 0, per: Duration::MAX });
            }),
        ];
        for (words, error, spoil) in cases {
            let mut config = Config::default();
            spoil(&mut config);
            assert_eq!(config.check().as_ref(), Err(error));
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }
}

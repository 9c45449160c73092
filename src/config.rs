//! What an operator can decide: [`Config`], [`Limits`] and [`Door`], as plain data.
//!
//! The defaults are here, and so is the judgement which values make no sense, alone or together
//! ([`Config::check`]). Where values come from (flags, environment) is the business of `main.rs`;
//! what they do is the business of the hub and the server.

use std::net::SocketAddr;
use std::time::Duration;

use crate::dialect::{Dialect, Lang, Transport};
use crate::nickname::{Nickname, NicknameError};

/// Bytes that may come in without a line end before the connection is closed. Fixed, because it
/// also bounds `--max-line`.
pub const UNENDED_BYTES_MAX: usize = 64 * 1024;

/// The name that is kept for the server's own terminal.
pub const CONSOLE_NAME: &str = "server";

/// A line must fit into a datagram with its speaker's name: this is the most where UDP is spoken.
pub const DATAGRAM_LINE_BYTES_MAX: usize = 65_000;

/// If the system's limit of open descriptors leaves room for fewer clients than this, and more
/// were asked for, the server refuses to start.
pub const CLIENTS_MIN: usize = 16;

/// More doors than this nobody needs.
pub const DOORS_MAX: usize = 1000;

/// More clients than this one process is not asked to carry.
pub const CLIENTS_MAX: usize = 1_000_000;

/// The longest time any flag takes, in seconds: a year. It keeps deadlines from overflowing.
pub const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Everything a server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The doors to open, at least one.
    pub doors: Vec<Door>,
    /// What may be asked of the server, and what happens past it.
    pub limits: Limits,
    /// Lines shown to a newcomer before the first question.
    pub motd: Vec<String>,
    /// The language of the dialect `lines`.
    pub lang: Lang,
    /// Under what names browsers may find the server.
    #[cfg(feature = "web")]
    pub web: Web,
    /// The name of the seat that the server's own terminal has in the room, if it has one.
    pub console: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            doors: Dialect::USUAL.iter().copied().map(Door::usual).collect(),
            limits: Limits::default(),
            motd: Vec::new(),
            lang: Lang::default(),
            #[cfg(feature = "web")]
            web: Web::default(),
            console: None,
        }
    }
}

impl Config {
    /// Says what is wrong with these values, in one sentence, if anything is.
    ///
    /// # Errors
    /// A sentence for the operator that names the flag and its bounds.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let year = Duration::from_secs(SECONDS_MAX);
        let flaw = if self.doors.is_empty() || self.doors.len() > DOORS_MAX {
            format!("--listen must be given at least once, and at most {DOORS_MAX} times")
        } else if limits.clients_max == 0 || limits.clients_max > CLIENTS_MAX {
            format!("--max-clients must be between 1 and {CLIENTS_MAX}")
        } else if !(16..=UNENDED_BYTES_MAX).contains(&limits.line_bytes_max) {
            format!("--max-line must be between 16 and {UNENDED_BYTES_MAX} bytes")
        } else if limits.line_bytes_max > DATAGRAM_LINE_BYTES_MAX
            && self.doors.iter().any(|door| door.dialect.transport() == Transport::Udp)
        {
            format!("--max-line must be at most {DATAGRAM_LINE_BYTES_MAX} where UDP is spoken")
        } else if !(1024..=1 << 30).contains(&limits.backlog_bytes_max) {
            "--backlog must be between 1K and 1024M".to_owned()
        } else if limits.nick_timeout.is_zero() || limits.nick_timeout > year {
            format!("--nick-timeout must be more than 0 and at most {SECONDS_MAX} seconds")
        } else if limits.stall_timeout.is_zero() || limits.stall_timeout > year {
            format!("--stall-timeout must be more than 0 and at most {SECONDS_MAX} seconds")
        } else if limits.udp_expiry.is_zero() || limits.udp_expiry > year {
            format!("--udp-expiry must be more than 0 and at most {SECONDS_MAX} seconds")
        } else if limits.drain > year {
            format!("--drain must be at most {SECONDS_MAX} seconds")
        } else if let Some(error) = self.console_name_error() {
            format!("--console cannot have that name: {error}")
        } else if let Some(flaw) = self.web_flaw() {
            flaw
        } else if limits.per_address_max == 0 {
            "--max-per-ip must be at least 1".to_owned()
        } else if limits.history_lines_max > 100_000 {
            "--history must be at most 100000 lines".to_owned()
        } else if limits.flood.is_some_and(|f| f.lines == 0 || f.per.is_zero() || f.per > year) {
            "--flood must be LINES/SECONDS, both more than 0, or just 0 for none".to_owned()
        } else {
            return Ok(());
        };
        Err(flaw)
    }

    /// What is wrong with the names by which browsers may find the server.
    #[cfg(feature = "web")]
    fn web_flaw(&self) -> Option<String> {
        let is_host = |text: &str| {
            let is_part =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !text.is_empty() && text.bytes().all(is_part)
        };
        let is_origin = |text: &str| {
            let is_scheme =
                |text: &str| ["http", "https"].iter().any(|s| text.eq_ignore_ascii_case(s));
            text.split_once("://").is_some_and(|(scheme, host)| {
                is_scheme(scheme) && !host.is_empty() && !host.contains('/')
            })
        };
        if let Some(host) = self.web.hosts.iter().find(|host| !is_host(host)) {
            return Some(format!(
                "--allow-host must be a name, as in chat.example.com, not {host}"
            ));
        }
        let origin = self.web.origins.iter().find(|origin| !is_origin(origin))?;
        Some(format!(
            "--allow-origin must be http or https, a host and perhaps a port, as in \
             https://chat.example.com or http://chat.example.com:8080, not {origin}"
        ))
    }

    #[cfg(not(feature = "web"))]
    fn web_flaw(&self) -> Option<String> {
        None
    }

    fn console_name_error(&self) -> Option<NicknameError> {
        let name = self.console.as_deref().filter(|name| *name != CONSOLE_NAME)?;
        Nickname::parse(name).err()
    }
}

/// A listening address and the dialect spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// What is spoken.
    pub dialect: Dialect,
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
}

impl Door {
    /// The door a dialect has unless told otherwise: its own port on 127.0.0.1.
    #[must_use]
    pub fn usual(dialect: Dialect) -> Door {
        Door { dialect, address: SocketAddr::from(([127, 0, 0, 1], dialect.port())) }
    }
}

/// Under what names browsers may find the server, beside `localhost` and addresses.
#[cfg(feature = "web")]
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// Names of hosts, without ports.
    pub hosts: Vec<String>,
    /// Origins (`https://chat.example.com`) whose pages may join although they are not the server's
    /// own.
    pub origins: Vec<String>,
}

/// What may be asked of the server. What happens past each limit is told in the README.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, all doors together, 1 to [`CLIENTS_MAX`].
    pub clients_max: usize,
    /// Bytes of one line without its line end, 16 to [`UNENDED_BYTES_MAX`].
    pub line_bytes_max: usize,
    /// Time to give a nickname, counted from accept.
    pub nick_timeout: Duration,
    /// Bytes of room lines a blocked reader may be behind, 1 KiB to 1 GiB.
    pub backlog_bytes_max: usize,
    /// Time a connection may go without taking a byte while bytes wait for it.
    pub stall_timeout: Duration,
    /// The pace of one talker; `None` for any.
    pub flood: Option<Flood>,
    /// Connections from one address (IPv4 /32, IPv6 /64), at least 1. The loopback is exempt, but
    /// for its UDP peers: all of them together may be half of `clients_max`.
    pub per_address_max: usize,
    /// Time after which a UDP peer that is not heard from leaves.
    pub udp_expiry: Duration,
    /// Chat lines that are kept for newcomers, at most 100,000.
    pub history_lines_max: usize,
    /// Time to flush what waits when the server stops.
    pub drain: Duration,
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
            per_address_max: 64,
            udp_expiry: Duration::from_secs(300),
            history_lines_max: 50,
            drain: Duration::from_secs(5),
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
    fn each_bound_is_told_by_the_name_of_its_flag() {
        type Spoil = fn(&mut Config);
        let cases: &[(&str, Spoil)] = &[
            #[cfg(feature = "web")]
            ("--allow-host", |c| c.web.hosts = vec!["http://localhost".to_owned()]),
            #[cfg(feature = "web")]
            ("--allow-origin", |c| c.web.origins = vec!["localhost".to_owned()]),
            #[cfg(feature = "web")]
            ("--allow-origin", |c| c.web.origins = vec!["ftp://localhost".to_owned()]),
            ("--listen", |c| c.doors.clear()),
            ("--max-clients", |c| c.limits.clients_max = 0),
            ("--console", |c| c.console = Some("system".to_owned())),
            ("--max-line", |c| {
                c.doors.push(Door::usual(Dialect::Datagram));
                c.limits.line_bytes_max = DATAGRAM_LINE_BYTES_MAX + 1;
            }),
            ("--max-line", |c| c.limits.line_bytes_max = UNENDED_BYTES_MAX + 1),
            ("--backlog", |c| c.limits.backlog_bytes_max = 1023),
            ("--nick-timeout", |c| c.limits.nick_timeout = Duration::ZERO),
            ("--stall-timeout", |c| c.limits.stall_timeout = Duration::MAX),
            ("--udp-expiry", |c| c.limits.udp_expiry = Duration::ZERO),
            ("--drain", |c| c.limits.drain = Duration::MAX),
            ("--max-per-ip", |c| c.limits.per_address_max = 0),
            ("--history", |c| c.limits.history_lines_max = 100_001),
            ("--flood", |c| c.limits.flood = Some(Flood { lines: 0, per: Duration::MAX })),
        ];
        for (flag, spoil) in cases {
            let mut config = Config::default();
            spoil(&mut config);
            let flaw = config.check().expect_err(flag);
            assert!(flaw.contains(flag), "{flag}: {flaw}");
        }
    }
}

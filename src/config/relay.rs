//! Where the engine is through which servers share their rooms, as `--relay` says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest label of a server, in bytes.
pub const LABEL_BYTES_MAX: usize = 32;

/// Hosts of the engine, at most.
const HOSTS_MAX: usize = 16;

/// The engine's usual port.
const PORT: u16 = 6379;

/// An engine: Redis 7.0 or later, or Valkey.
#[derive(Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its hosts and ports, which are tried in turn; 1 to 16.
    pub hosts: Vec<(String, u16)>,
    /// What is said is within TLS.
    pub tls: bool,
    /// With what the server shows who it is, if it must: a user, or the usual one, and the
    /// password.
    pub login: Option<(Option<String>, String)>,
}

/// How rooms are shared with other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Through what.
    pub engine: Engine,
    /// What this server is called among them, 1 to [`LABEL_BYTES_MAX`] letters, digits, `-` and
    /// `_`.
    pub label: String,
    /// Whom it trusts to be the engine, or to vouch for it, in PEM; needed for TLS.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for Engine {
    /// The password is not to be seen in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({:?})", self.hosts)
    }
}

/// What is wrong with the address of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// It does not begin with `redis://` or `rediss://`.
    Scheme,
    /// There is no host, or there are more than 16, or one cannot be a host.
    Host,
    /// This is no port.
    Port,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineError::Scheme | EngineError::Host => {
                "it must be as redis://host:6379 or rediss://user:password@host1,host2"
            }
            EngineError::Port => "a port is a number from 1 to 65535",
        })
    }
}

impl std::error::Error for EngineError {}

impl FromStr for Engine {
    type Err = EngineError;

    fn from_str(url: &str) -> Result<Engine, EngineError> {
        let (scheme, rest) = url.split_once("://").ok_or(EngineError::Scheme)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(EngineError::Scheme),
        };
        let rest = rest.trim_end_matches('/');
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, rest),
        };
        let login = login.map(|login| match login.split_once(':') {
            Some(("", password)) => (None, password.to_owned()),
            Some((user, password)) => (Some(user.to_owned()), password.to_owned()),
            None => (None, login.to_owned()),
        });
        let hosts: Vec<_> = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        match hosts.len() {
            0..=HOSTS_MAX => Ok(Engine { hosts, tls, login }),
            _ => Err(EngineError::Host),
        }
    }
}

/// A host, and perhaps a port behind it. An IPv6 address stands in brackets.
fn host(text: &str) -> Result<(String, u16), EngineError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(EngineError::Host)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(EngineError::Host);
    }
    let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| EngineError::Port))?;
    if port == 0 { Err(EngineError::Port) } else { Ok((host.to_owned(), port)) }
}

/// Whether a server can be called so.
pub(super) fn is_label(label: &str) -> bool {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.chars().all(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_hosts_and_perhaps_a_login() {
        let engine = |url: &str| url.parse::<Engine>();
        let host = |host: &str, port| (host.to_owned(), port);
        assert_eq!(engine("redis://one").unwrap().hosts, [host("one", 6379)]);
        assert_eq!(
            ["redis", "rediss"].map(|it| engine(&format!("{it}://one")).unwrap().tls),
            [false, true]
        );
        let several = engine("redis://chat:p@ss:w@one:1,[::1]:2,[::2]/").unwrap();
        assert_eq!(several.hosts, [host("one", 1), host("::1", 2), host("::2", 6379)]);
        assert_eq!(several.login, Some((Some("chat".to_owned()), "p@ss:w".to_owned())));
        assert!(!format!("{several:?}").contains("p@ss"));
        let usual = engine("redis://:secret@one").unwrap();
        assert_eq!(usual.login, Some((None, "secret".to_owned())));
        for (url, error) in [
            ("one:6379", EngineError::Scheme),
            ("redis://", EngineError::Host),
            ("redis://one,,two", EngineError::Host),
            ("redis://o ne", EngineError::Host),
            ("redis://one:0", EngineError::Port),
            ("redis://one:70000", EngineError::Port),
        ] {
            assert_eq!(engine(url), Err(error), "{url}");
        }
    }
}

//! Which names lead to this server, and whose pages may join: what `Host` and `Origin` say, and
//! what the operator allows.
//!
//! A browser that another site has brought here must not get anything. So `Host` must be an
//! address, `localhost`, or a name that the operator allows (a name of the attacker's that leads
//! here is none of these), and `Origin`, where a WebSocket is asked for, must be the same host or
//! allowed. A program that is no browser sends no `Origin`, and needs none.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

/// Under what names browsers may find the server, beside `localhost` and addresses.
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// Names of hosts, without ports.
    pub hosts: Vec<String>,
    /// Origins (`https://chat.example.com`) whose pages may join although they are not the server's
    /// own.
    pub origins: Vec<String>,
}

impl Web {
    /// Whether a `Host` is a name that only somebody can have given to us who may.
    pub(super) fn is_ours(&self, host: &Host) -> bool {
        let name = host.name();
        if let Some(ip) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return ip.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    /// Whether a page of `origin` may join the server that it knows as `host`.
    pub(super) fn may_join(&self, origin: &str, host: &Host) -> bool {
        Origin::parse(origin).is_some_and(|origin| origin.is_at(host))
            || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// Whether a text is a name as `--allow-host` takes it. An [`Authority`] may be more, also
/// `*.example.com`, which would allow nothing.
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(is_part)
}

/// A name or an address, and perhaps a port.
#[derive(Debug)]
pub(crate) struct Host(Authority);

impl Host {
    /// `None` if it is something else, or more: an authority may also have a user before its host,
    /// and something between an address in brackets and its port.
    pub(super) fn parse(text: &str) -> Option<Host> {
        let host = Host(text.parse().ok()?);
        let rest = text.strip_prefix(host.name())?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_number)).then_some(host)
    }

    /// Without the port; an IPv6 address stands in brackets.
    fn name(&self) -> &str {
        self.0.host()
    }

    /// The port, or `usual` if there is none.
    fn port_or<'a>(&'a self, usual: &'a str) -> &'a str {
        let port = self.0.as_str()[self.name().len()..].trim_start_matches(':');
        if port.is_empty() { usual } else { port }
    }
}

/// Where a page came from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The port of its scheme.
    usual_port: &'static str,
    host: Host,
}

impl Origin {
    /// `None` if it is none, or not of `http` or `https`.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let (scheme, host) = text.split_once("://")?;
        let usual_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => "80",
            "https" => "443",
            _ => return None,
        };
        Some(Origin { usual_port, host: Host::parse(host)? })
    }

    /// Whether its pages come from `host`.
    fn is_at(&self, host: &Host) -> bool {
        self.host.name().eq_ignore_ascii_case(host.name())
            && self.host.port_or(self.usual_port) == host.port_or(self.usual_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for (text, name, port) in [
            ("localhost", "localhost", "80"),
            ("localhost:", "localhost", "80"),
            ("localhost:7780", "localhost", "7780"),
            ("[::1]", "[::1]", "80"),
            ("[1:2:3:4:5:6:7::]:7780", "[1:2:3:4:5:6:7::]", "7780"),
        ] {
            let host = Host::parse(text).unwrap();
            assert_eq!((host.name(), host.port_or("80")), (name, port), "{text}");
        }
        for text in [
            "",
            "[::1",
            "[::1]x",
            "[::1]x:80",
            "evil@localhost",
            "localhost:80@localhost",
            "localhost:x",
            "localhost:+80",
            "localhost:80:80",
            "localhost/",
            "localhost evil",
            "localhost%2f",
        ] {
            assert!(Host::parse(text).is_none(), "{text}");
        }
        // No name, which is nobody's.
        assert!(Host::parse(":80").is_none_or(|host| !Web::default().is_ours(&host)));
    }

    #[test]
    fn an_origin_is_a_scheme_of_the_web_and_a_host() {
        for text in ["http://localhost", "HTTPS://chat.example:8443", "http://[::1]:80"] {
            assert!(Origin::parse(text).is_some(), "{text}");
        }
        for text in ["null", "localhost", "://localhost", "ftp://localhost", "http://", "http://a/"]
        {
            assert!(Origin::parse(text).is_none(), "{text}");
        }
    }
}

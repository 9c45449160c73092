//! Where the server is: `HOST[:PORT]`, or what one copies out of a browser.

use std::str::FromStr;

/// The path of the WebSocket.
const PATH: &str = "/ws";

/// Where the dialect `web` listens, which the library knows only with the feature `web`.
#[cfg(feature = "web")]
fn usual_ports() -> (u16, u16) {
    use chinwag::dialect::Dialect;
    (Dialect::Web.port(), Dialect::Web.tls_port())
}

#[cfg(not(feature = "web"))]
fn usual_ports() -> (u16, u16) {
    (7780, 7781)
}

/// Where a server is, as somebody has written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    port: Option<u16>,
    /// Whether TLS was asked for by the scheme.
    pub(crate) tls: bool,
    /// The room that a link leads to, without `#`.
    pub(crate) room: Option<String>,
}

impl Address {
    pub(crate) fn port(&self) -> u16 {
        let (plain, tls) = usual_ports();
        self.port.unwrap_or(if self.tls { tls } else { plain })
    }

    /// As it stands in a URL: an IPv6 address is in brackets.
    fn authority(&self) -> String {
        let Address { host, .. } = self;
        let port = self.port();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}{PATH}", self.authority())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.authority())
    }
}

impl FromStr for Address {
    type Err = String;

    /// # Errors
    /// What an address is.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no address; it is HOST, HOST:PORT or wss://HOST");
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (tls, scheme_port) = match scheme.as_deref() {
            None => (false, None),
            Some("ws" | "http") => (false, Some(80)),
            Some("wss" | "https") => (true, Some(443)),
            Some(_) => return Err(wrong()),
        };
        let (place, room) = rest.split_once('#').map_or((rest, None), |(a, b)| (a, Some(b)));
        let place = place.strip_suffix(PATH).unwrap_or(place);
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                (host, if port.is_empty() { None } else { port.strip_prefix(':') })
            }
            None if place.matches(':').count() > 1 => (place, None),
            None => place.split_once(':').map_or((place, None), |(a, b)| (a, Some(b))),
        };
        let is_host = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?),
            None => scheme_port,
        };
        let room = room.filter(|room| !room.is_empty()).map(str::to_owned);
        Ok(Address { host: host.to_owned(), port, tls, room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_one_would_write() {
        for (text, url) in [
            ("127.0.0.1", "ws://127.0.0.1:7780/ws"),
            ("chat.example.com:80", "ws://chat.example.com:80/ws"),
            ("[::1]:9", "ws://[::1]:9/ws"),
            ("[::1]", "ws://[::1]:7780/ws"),
            ("::1", "ws://[::1]:7780/ws"),
            ("wss://chat.example.com", "wss://chat.example.com:443/ws"),
            ("https://chat.example.com/", "wss://chat.example.com:443/ws"),
            ("http://localhost:7780/#ops", "ws://localhost:7780/ws"),
            ("ws://localhost/ws", "ws://localhost:80/ws"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().url(), url, "{text}");
        }
        let linked: Address = "http://localhost:7780/#ops".parse().unwrap();
        assert_eq!(linked.room.as_deref(), Some("ops"));
        let tls = Address { tls: true, ..linked };
        assert_eq!(tls.url(), "wss://localhost:7780/ws");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":80", "a b", "a:0", "a:70000", "a:b", "ftp://a", "a/b", "[::1", "a\x1b"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}

//! HTTP without I/O: what a request asks for, and the whole answer to it. Every connection gets one
//! answer and is closed, but for the one that becomes a WebSocket.
//! Who may ask is in `origin.rs`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use httparse::Status::{Complete, Partial};
use tungstenite::handshake::derive_accept_key;

use super::origin::Host;
#[cfg(test)]
use super::origin::Web;
use crate::dialect::session::Context;
use crate::event::CloseReason;

/// Bytes of a request's head, the empty line at its end included.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Header fields of a request.
const FIELDS_MAX: usize = 64;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const ICON: &str = "image/svg+xml";
const PNG: &str = "image/png";
const MANIFEST: &str = "application/manifest+json";

/// What the page is made of: the path, type and bytes of each file. Each is a request of its own,
/// and a connection, so there are few.
const FILES: [(&str, &str, &[u8]); 17] = [
    ("/", HTML, include_bytes!("page.html")),
    ("/page.css", CSS, include_bytes!("page.css")),
    ("/page.js", SCRIPT, include_bytes!("page.js")),
    ("/page/alerts.js", SCRIPT, include_bytes!("page/alerts.js")),
    ("/page/archive.js", SCRIPT, include_bytes!("page/archive.js")),
    ("/page/complete.js", SCRIPT, include_bytes!("page/complete.js")),
    ("/page/connection.js", SCRIPT, include_bytes!("page/connection.js")),
    ("/page/lines.js", SCRIPT, include_bytes!("page/lines.js")),
    ("/page/order.js", SCRIPT, include_bytes!("page/order.js")),
    ("/page/rooms.js", SCRIPT, include_bytes!("page/rooms.js")),
    ("/page/text.js", SCRIPT, include_bytes!("page/text.js")),
    ("/page/words.js", SCRIPT, include_bytes!("page/words.js")),
    ("/worker.js", SCRIPT, include_bytes!("page/worker.js")),
    ("/manifest.webmanifest", MANIFEST, include_bytes!("page/manifest.webmanifest")),
    ("/icon.svg", ICON, include_bytes!("page/icon.svg")),
    ("/icon-192.png", PNG, include_bytes!("page/icon-192.png")),
    ("/icon-512.png", PNG, include_bytes!("page/icon-512.png")),
];

/// The files in gzip, in the same order; nothing for those that would not get smaller. Made once,
/// before the loop begins ([`prepare`]): it takes some milliseconds.
static PACKED: LazyLock<[Vec<u8>; FILES.len()]> = LazyLock::new(|| {
    FILES.map(|(_, kind, bytes)| {
        if kind == PNG {
            return Vec::new();
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to a Vec cannot fail.
        let _ = packed.write_all(bytes);
        packed.finish().unwrap_or_default()
    })
});

/// Does what takes longer than a request may.
pub(in crate::dialect) fn prepare() {
    LazyLock::force(&PACKED);
}

/// Goes with every answer: nothing but what comes from here is shown or run or connected to, and
/// nobody shows it in a frame.
const SAFETY: &str = "\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
    base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    X-Frame-Options: DENY\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n";

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus asks for.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// To send, and then to close.
    Whole(Vec<u8>),
    /// To send; what follows is WebSocket.
    Upgrade(Vec<u8>),
}

/// Why a request is not answered with what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpError {
    Malformed,
    TooLarge,
    Version,
    Host,
    Origin,
    Metrics,
    NotFound,
    Method,
    NotAnUpgrade,
    Timeout,
    TooMany,
    Full,
    Stopping,
    /// Other servers that share the rooms cannot be told of anybody who would come in.
    Away,
}

impl HttpError {
    /// The status, what else the head must say, and a sentence for people.
    fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            HttpError::Malformed => ("400 Bad Request", "", "This is not an HTTP request."),
            HttpError::Host => (
                "403 Forbidden",
                "",
                "The server is not known by this name; its operator can allow it: --allow-host.",
            ),
            HttpError::Origin => (
                "403 Forbidden",
                "",
                "Pages of this origin may not join; the operator can allow it: --allow-origin.",
            ),
            HttpError::Metrics => (
                "403 Forbidden",
                "",
                "Metrics are not for your address; the operator can allow it: --metrics-from.",
            ),
            HttpError::NotFound => {
                ("404 Not Found", "", "There is nothing here. The page is at /.")
            }
            HttpError::Method => {
                ("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Only GET and HEAD.")
            }
            HttpError::Timeout => ("408 Request Timeout", "", "The request took too long."),
            HttpError::NotAnUpgrade => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                "This is for WebSocket, version 13.",
            ),
            HttpError::TooMany => (
                "429 Too Many Requests",
                "Retry-After: 10\r\n",
                "There are too many connections from your address.",
            ),
            HttpError::TooLarge => {
                ("431 Request Header Fields Too Large", "", "The request is too large.")
            }
            HttpError::Full => {
                ("503 Service Unavailable", "Retry-After: 10\r\n", "The server is full.")
            }
            HttpError::Stopping => {
                ("503 Service Unavailable", "Retry-After: 10\r\n", "The server is stopping.")
            }
            HttpError::Away => {
                ("503 Service Unavailable", "Retry-After: 2\r\n", "The relay is away.")
            }
            HttpError::Version => ("505 HTTP Version Not Supported", "", "Only HTTP/1.1 and 1.0."),
        }
    }

    fn answer(self, with_body: bool) -> Vec<u8> {
        let (status, head, sentence) = self.told();
        answer(status, head, TEXT, format!("{sentence}\n").as_bytes(), with_body)
    }
}

/// Bytes of the head at the front of `input`, if it has come to its end, or is none at all and need
/// not be waited for.
pub(crate) fn head_length(input: &[u8]) -> Option<usize> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    match httparse::Request::new(&mut fields).parse(input) {
        Ok(Complete(length)) => Some(length),
        Ok(Partial) => None,
        Err(_) => Some(input.len()),
    }
}

/// The answer to the request with this head; where it is `for_metrics`, there is no page.
pub(crate) fn respond(head: &[u8], for_metrics: bool, context: &Context<'_>) -> Response {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let fault = match request.parse(head) {
        Ok(Complete(_)) if head.len() <= HEAD_BYTES_MAX => {
            match serve(&Request(&request), for_metrics, context) {
                Ok(answer) => return answer,
                Err(fault) => fault,
            }
        }
        Ok(_) | Err(httparse::Error::TooManyHeaders) => HttpError::TooLarge,
        Err(httparse::Error::Version) if head.windows(5).any(|five| five == b"HTTP/") => {
            HttpError::Version
        }
        Err(_) => HttpError::Malformed,
    };
    Response::Whole(fault.answer(request.method != Some("HEAD")))
}

/// What is sent to somebody who is closed before a request was answered; perhaps nothing.
pub(crate) fn farewell(reason: CloseReason) -> Vec<u8> {
    let fault = match reason {
        CloseReason::RequestTimeout => HttpError::Timeout,
        CloseReason::ServerFull => HttpError::Full,
        CloseReason::AddressFull => HttpError::TooMany,
        CloseReason::Stopping => HttpError::Stopping,
        _ => return Vec::new(),
    };
    fault.answer(true)
}

/// The addresses for which the request with this head was forwarded, from all fields that tell.
pub(crate) fn forwarded(head: &[u8]) -> Option<String> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).ok()?;
    let fields = request.headers.iter();
    let fields = fields.filter(|field| field.name.eq_ignore_ascii_case("x-forwarded-for"));
    // What is no text is no address, either; but it must not be passed over.
    let lists: Vec<_> = fields.map(|field| String::from_utf8_lossy(field.value)).collect();
    (!lists.is_empty()).then(|| lists.join(","))
}

fn serve(
    request: &Request<'_, '_>,
    for_metrics: bool,
    context: &Context<'_>,
) -> Result<Response, HttpError> {
    let web = &context.settings.web;
    let host =
        Host::parse(request.host()?).filter(|host| web.is_ours(host)).ok_or(HttpError::Host)?;
    let path = request.path();
    let file = FILES.iter().position(|(of_file, ..)| *of_file == path && !for_metrics);
    let known = file.is_some()
        || ["/healthz", "/readyz", "/metrics"].contains(&path)
        || path == "/ws" && !for_metrics;
    let with_body = match request.0.method {
        _ if !known => return Err(HttpError::NotFound),
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return Err(HttpError::Method),
    };
    let ok = |kind, body: &[u8]| {
        let head = "Cache-Control: no-store\r\n";
        Ok(Response::Whole(answer("200 OK", head, kind, body, with_body)))
    };
    match (file, path) {
        (Some(file), _) => {
            let (_, kind, bytes) = FILES[file];
            let packed = &PACKED[file];
            let is_packed = !packed.is_empty() && request.has_token("accept-encoding", "gzip");
            let encoding = if is_packed { "Content-Encoding: gzip\r\n" } else { "" };
            let head = format!("Cache-Control: no-cache\r\nVary: Accept-Encoding\r\n{encoding}");
            let body = if is_packed { packed } else { bytes };
            Ok(Response::Whole(answer("200 OK", &head, kind, body, with_body)))
        }
        // While the server stops it takes no requests, and while the relay is away nobody can come
        // in; that is all that differs between the two.
        (None, "/readyz") if context.settings.is_away => Err(HttpError::Away),
        (None, "/healthz" | "/readyz") => ok(TEXT, b"ok"),
        (None, "/metrics") if for_metrics || may_see_metrics(request, context) => {
            ok(METRICS, (context.metrics)().as_bytes())
        }
        (None, "/metrics") => Err(HttpError::Metrics),
        (None, _) => upgrade(request, &host, context),
    }
}

/// Whether the server's counts are for whoever asks. What a proxy on this machine passes on does
/// not come from this machine, and says so.
fn may_see_metrics(request: &Request<'_, '_>, context: &Context<'_>) -> bool {
    let remote = context.remote.to_canonical();
    let mut passed_on = ["x-forwarded-for", "forwarded", "via"].into_iter();
    remote.is_loopback() && !passed_on.any(|name| request.has(name))
        || context.settings.metrics_from.iter().any(|net| net.contains(&remote))
}

/// Makes a WebSocket of the connection.
fn upgrade(
    request: &Request<'_, '_>,
    host: &Host,
    context: &Context<'_>,
) -> Result<Response, HttpError> {
    let asks = request.0.method == Some("GET")
        && request.0.version == Some(1)
        && request.has_token("upgrade", "websocket")
        && request.has_token("connection", "upgrade")
        && request.one("sec-websocket-version")? == Some("13");
    if !asks {
        return Err(HttpError::NotAnUpgrade);
    }
    if let Some(origin) = request.one("origin")?
        && !context.settings.web.may_join(origin, host)
    {
        return Err(HttpError::Origin);
    }
    let key =
        request.one("sec-websocket-key")?.filter(|key| is_key(key)).ok_or(HttpError::Malformed)?;
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    Ok(Response::Upgrade(head.into_bytes()))
}

/// A whole answer. `head` is what is in its head beside what every answer has.
fn answer(status: &str, head: &str, kind: &str, body: &[u8], with_body: bool) -> Vec<u8> {
    let mut out = String::with_capacity(1024);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "HTTP/1.1 {status}\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\
         {head}{SAFETY}\r\n",
        body.len()
    );
    let mut out = out.into_bytes();
    if with_body {
        out.extend_from_slice(body);
    }
    out
}

/// A request whose head was read.
struct Request<'r, 'b>(&'r httparse::Request<'r, 'b>);

impl<'b> Request<'_, 'b> {
    /// What is asked for, without a query; also if it is asked for in a proxy's form.
    fn path(&self) -> &'b str {
        let target = self.0.path.unwrap_or_default();
        let target = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => {
                rest.find('/').map_or("/", |slash| &rest[slash..])
            }
            _ => target,
        };
        target.split(['?', '#']).next().unwrap_or_default()
    }

    /// The values of a field that may come several times, those that are text.
    fn all(&self, name: &str) -> impl Iterator<Item = &'b str> {
        let fields = self.0.headers.iter();
        fields
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .filter_map(|field| str::from_utf8(field.value).ok())
            .map(str::trim)
    }

    /// The value of a field that must not come twice, and must be text.
    fn one(&self, name: &str) -> Result<Option<&'b str>, HttpError> {
        let fields = self.0.headers.iter();
        let mut fields = fields.filter(|field| field.name.eq_ignore_ascii_case(name));
        match (fields.next(), fields.next()) {
            (None, _) => Ok(None),
            (Some(field), None) => {
                let text = str::from_utf8(field.value).map_err(|_| HttpError::Malformed);
                text.map(|text| Some(text.trim()))
            }
            (Some(_), Some(_)) => Err(HttpError::Malformed),
        }
    }

    /// Whether there is such a field.
    fn has(&self, name: &str) -> bool {
        self.0.headers.iter().any(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The host and perhaps port by which the client knows us. In HTTP/1.0, which proxies speak
    /// when they look whether we are there, and no browser, it need not be said.
    fn host(&self) -> Result<&'b str, HttpError> {
        match self.one("host")? {
            Some("") => Err(HttpError::Malformed),
            None if self.0.version == Some(0) => Ok("localhost"),
            host => host.ok_or(HttpError::Malformed),
        }
    }

    /// Whether a word is in a field that is a list of words.
    fn has_token(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.all(name).flat_map(|value| value.split(','));
        tokens.any(|value| value.trim().eq_ignore_ascii_case(token))
    }
}

/// Whether this is Base64 of 16 bytes.
fn is_key(key: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.strip_suffix("==").is_some_and(|key| key.bytes().all(is_base64))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::dialect::Settings;

    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn answer_to(head: &[u8], remote: &str, for_metrics: bool) -> Vec<u8> {
        let hosts = vec!["chat.example".into()];
        let web = Web { hosts, origins: vec!["https://other.example".into()] };
        let metrics_from = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/64".parse().unwrap()];
        let settings = Config::default().session_settings();
        let settings = Settings { web, metrics_from, ..settings };
        let metrics = || "chinwag_lines_total 7\n".to_owned();
        let (now, remote) = (Instant::now(), remote.parse().unwrap());
        let context = Context { now, remote, name: "", settings: &settings, metrics: &metrics };
        match respond(head, for_metrics, &context) {
            Response::Whole(bytes) | Response::Upgrade(bytes) => bytes,
        }
    }

    fn answered(head: &str) -> String {
        String::from_utf8(answer_to(head.as_bytes(), "127.0.0.1", false)).unwrap()
    }

    fn status(head: &str) -> u16 {
        let answer = answered(head);
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn each_request_has_the_status_that_http_gives_it() {
        let many = "X: y\r\n".repeat(FIELDS_MAX);
        let long = "x".repeat(HEAD_BYTES_MAX);
        let table = [
            (200, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (200, "GET /?from=mail HTTP/1.1\r\nHost: localhost:7780\r\n\r\n"),
            (200, "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (200, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"),
            (200, "HEAD /page.js HTTP/1.1\r\nHost: [::1]:7780\r\n\r\n"),
            (200, "GET /page.css HTTP/1.1\r\nHost: CHAT.example.\r\n\r\n"),
            (200, "GET /metrics HTTP/1.1\nHost: 10.1.2.3:80\n\n"),
            (200, "GET /readyz HTTP/1.0\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
            (400, "hello\r\n\r\n"),
            (400, "hello to you\r\n\r\n"),
            (400, "\x16\x03\x01"),
            (400, "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
            (403, "GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: localhost:x@evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: [::1]evil.example\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: evil.example@localhost\r\n\r\n"),
            (403, "GET / HTTP/1.1\r\nHost: 017700000001\r\n\r\n"),
            (404, "GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (404, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (404, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (405, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (405, "DELETE /ws HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (426, "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            (431, &format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")),
            (431, &format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}")),
            (505, "GET / HTTP/2.0\r\n\r\n"),
        ];
        for (expected, head) in table {
            assert_eq!(status(head), expected, "{head}");
        }
    }

    #[test]
    fn metrics_are_for_the_machine_itself_and_those_who_are_allowed() {
        let status = |remote, for_metrics, path, field| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
            let answer = answer_to(head.as_bytes(), remote, for_metrics);
            str::from_utf8(&answer[9..12]).unwrap().parse::<u16>().unwrap()
        };
        for remote in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.9", "::ffff:192.0.2.9"] {
            assert_eq!(status(remote, false, "/metrics", ""), 200, "{remote}");
        }
        for remote in ["192.0.3.9", "2001:db8:0:1::", "::"] {
            assert_eq!(status(remote, false, "/metrics", ""), 403, "{remote}");
            assert_eq!(status(remote, false, "/readyz", ""), 200, "{remote}");
            assert_eq!(status(remote, true, "/metrics", ""), 200, "at an address of its own");
        }
        for field in ["X-Forwarded-For: 127.0.0.1\r\n", "forwarded: x\r\n", "Via: 1.1 x\r\n"] {
            assert_eq!(status("127.0.0.1", false, "/metrics", field), 403, "{field}");
            assert_eq!(status("192.0.2.9", false, "/metrics", field), 200, "{field}");
        }
        for path in ["/", "/ws", "/page.js"] {
            assert_eq!(status("127.0.0.1", true, path, UPGRADE), 404, "{path}");
        }
    }

    #[test]
    fn a_websocket_needs_all_that_makes_one() {
        let head =
            |fields: &str| format!("GET /ws HTTP/1.1\r\nHost: localhost:7780\r\n{fields}\r\n");
        let accepted = answered(&head(UPGRADE));
        assert!(accepted.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{accepted}");
        // The example of RFC 6455, section 1.3.
        assert!(accepted.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        for (expected, fields) in [
            (426, UPGRADE.replace("Upgrade: websocket", "Upgrade: h2c")),
            (426, UPGRADE.replace("keep-alive, Upgrade", "close")),
            (426, UPGRADE.replace("13", "8")),
            (400, UPGRADE.replace("dGhl", "")),
            (400, UPGRADE.replace("==", "=!")),
            (400, format!("{UPGRADE}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        ] {
            assert_eq!(status(&head(&fields)), expected, "{fields}");
        }
        assert_eq!(status(&head(UPGRADE).replace("GET", "HEAD")), 426);
        assert_eq!(status(&head(UPGRADE).replace("HTTP/1.1", "HTTP/1.0")), 426);
    }

    #[test]
    fn a_page_of_another_origin_may_not_join() {
        for (expected, host, origin) in [
            (101, "localhost:7780", "http://localhost:7780"),
            (101, "LOCALHOST:7780", "HTTP://localhost:7780"),
            (101, "[::1]:7780", "http://[::1]:7780"),
            (101, "chat.example", "https://chat.example"),
            (101, "chat.example:443", "https://chat.example"),
            (101, "127.0.0.1", "http://127.0.0.1:80"),
            (101, "localhost:7780", "https://other.example"),
            (403, "localhost:7780", "http://localhost"),
            (403, "localhost:7780", "http://127.0.0.1:7780"),
            (403, "localhost:7780", "http://evil.example"),
            (403, "localhost:7780", "http://evil.example@localhost:7780"),
            (403, "localhost:7780", "http://localhost:7780/"),
            (403, "localhost:7780", "http://localhost:7780:80"),
            (403, "localhost:7780", "http://localhost:7780.evil.example"),
            (403, "localhost:7780", "https://other.example.evil.example"),
            (403, "localhost:7780", "ftp://localhost:7780"),
            (403, "localhost:7780", "://localhost:7780"),
            (403, "localhost:7780", "null"),
            (403, "localhost:7780", ""),
        ] {
            let origin = format!("{UPGRADE}Origin: {origin}\r\n");
            let head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n");
            assert_eq!(status(&head), expected, "{head}");
        }
    }

    #[test]
    fn a_field_that_decides_is_text_and_comes_once() {
        for fields in ["Origin: \u{e9}", "Host: \u{e9}", "Host: localhost"] {
            let head = format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{fields}\r\n\r\n");
            // As bytes that are not UTF-8.
            let head: Vec<u8> = head.chars().map(|c| c as u8).collect();
            let bytes = answer_to(&head, "127.0.0.1", false);
            assert!(bytes.starts_with(b"HTTP/1.1 400 "), "{fields:?}");
        }
    }

    #[test]
    fn a_head_is_the_whole_answer_without_its_body() {
        let whole = answered("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = answered("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (_, _, page) = FILES[0];
        assert_eq!(whole.strip_prefix(&*head).map(str::as_bytes), Some(page));
        assert!(head.contains(&format!("Content-Length: {}\r\n", page.len())), "{head}");
        for field in [
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "frame-ancestors 'none'",
            "default-src 'none'",
            "Connection: close",
        ] {
            assert!(head.contains(field), "{field}: {head}");
        }
        assert!(answered("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n").ends_with("\r\n\r\n"));
    }

    #[test]
    fn the_page_is_small_on_its_way() {
        const BYTES_MAX: usize = 60 * 1024;
        let files = FILES.iter().zip(PACKED.iter());
        let files = files.filter(|((_, kind, _), _)| ![ICON, PNG].contains(kind));
        let bytes: usize = files.map(|(_, packed)| packed.len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes} bytes");
        let whole = answered("GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(whole.ends_with(str::from_utf8(FILES[2].2).unwrap()), "it is as it is");
        let head = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br, gzip\r\n\r\n";
        let packed = answer_to(head, "127.0.0.1", false);
        assert!(packed.ends_with(&PACKED[2]) && packed.len() < whole.len() / 2);
        let head = String::from_utf8_lossy(&packed[..packed.len() - PACKED[2].len()]).into_owned();
        assert!(head.contains("\r\nContent-Encoding: gzip\r\n"), "{head}");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_makes_no_html_of_text() {
        for (path, kind, bytes) in FILES {
            if [ICON, PNG].contains(&kind) {
                continue;
            }
            let text = str::from_utf8(bytes).unwrap();
            for word in
                ["http://", "https://", "src=\"//", "@import", "innerHTML", "insertAdjacent"]
            {
                assert!(!text.contains(word), "{path}: {word}");
            }
        }
    }
}

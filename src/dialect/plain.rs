//! The session of a dialect that is text and nothing else. What most connections need is the
//! decoder alone; what only some dialects need is kept beside it (`Extra`), so that a silent member
//! of `lines` has no allocation for its session.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::decoder::{Arrival, Decoder, Frame, TLS_HANDSHAKE, UNTERMINATED_BYTES_MAX};
use super::session::{Context, Due, Message, Received, Settings};
use super::{Dialect, Framing, Transport};
use crate::event::{CloseReason, Refusal};
use crate::nickname;

/// How long an arrival that ended in the middle of a character waits for its rest.
const PARTIAL_CHAR_TIMEOUT: Duration = Duration::from_secs(1);

/// A conversation in text.
#[derive(Debug)]
pub(super) struct Plain {
    decoder: Decoder,
    /// There if the dialect, or what has happened, needs it.
    extra: Option<Box<Extra>>,
}

/// What only some dialects need to know of a connection.
#[derive(Debug, Default)]
struct Extra {
    /// The name that it gave and still believes to have, if it got another; empty if that is longer
    /// than any name.
    given: Option<Box<str>>,
    /// There while an arrival has ended in the middle of a character.
    partial_char: Option<PartialChar>,
    /// There as long as each frame must arrive alone: how far apart, and whether the next may go.
    gap: Option<(Duration, Gap)>,
    /// When it is given up if nothing is heard of it.
    expires: Option<Instant>,
}

/// Whether the rest of a character is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartialChar {
    Until(Instant),
    GivenUp,
}

/// Whether the next frame may go out, to somebody to whom each must go alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// It may.
    Over,
    /// A frame was written in the turn that began then. When exactly is not known, so the gap is
    /// counted from the next turn.
    Sent(Instant),
    /// Not before this.
    Until(Instant),
}

impl Plain {
    pub(super) fn new(dialect: Dialect, settings: &Settings, now: Instant) -> Plain {
        let gap = dialect.spec().gap.map(|length| (length, Gap::Over));
        let is_udp = dialect.transport() == Transport::Udp;
        let expires = is_udp.then(|| now + settings.udp_expiry);
        let needs_extra = gap.is_some() || expires.is_some();
        let extra = needs_extra.then(|| Box::new(Extra { gap, expires, ..Extra::default() }));
        Plain { decoder: Decoder::new(dialect.framing()), extra }
    }

    /// For a connection that is gone.
    pub(super) fn empty() -> Plain {
        Plain { decoder: Decoder::new(Framing::Lines), extra: None }
    }

    // ── what came ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn receive<'i>(
        &mut self,
        input: &mut &'i [u8],
        context: &Context<'_>,
    ) -> Option<Received<'i>> {
        let max = context.settings.line_bytes_max;
        let is_tls = input.first() == Some(&TLS_HANDSHAKE);
        Some(match (self.decoder.pull(input, max)?, context.settings.page) {
            (Frame::WrongProtocol, Some(page)) if !is_tls => {
                Received::Close(CloseReason::WrongProtocol, not_here(page).into())
            }
            (frame, _) => received(frame, max),
        })
    }

    /// The end of an arrival is the end of a message, unless it would be in the middle of a
    /// character; the rest of that is waited for once.
    pub(super) fn end_arrival(&mut self, context: &Context<'_>) -> Option<Received<'static>> {
        let max = context.settings.line_bytes_max;
        let before = self.extra.as_ref().and_then(|extra| extra.partial_char);
        let patient = before != Some(PartialChar::GivenUp);
        let arrival = self.decoder.read_drained(max, patient);
        if arrival == Arrival::Cut {
            let until = PartialChar::Until(context.now + PARTIAL_CHAR_TIMEOUT);
            self.extra.get_or_insert_default().partial_char.get_or_insert(until);
        } else if let Some(extra) = &mut self.extra {
            extra.partial_char = None;
        }
        match arrival {
            Arrival::Nothing | Arrival::Cut => None,
            Arrival::Blank => Some(Received::Nothing),
            Arrival::Frame(frame) => Some(received(frame, max)),
        }
    }

    pub(super) fn finish(&mut self, context: &Context<'_>) -> Option<Received<'static>> {
        let max = context.settings.line_bytes_max;
        self.decoder.finish(max).map(|frame| received(frame, max))
    }

    pub(super) fn note_alive(&mut self, settings: &Settings, now: Instant) {
        if let Some(extra) = &mut self.extra
            && let Some(expires) = &mut extra.expires
        {
            *expires = now + settings.udp_expiry;
        }
    }

    // ── time ─────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn deadline(&self) -> Option<Instant> {
        let extra = self.extra.as_ref()?;
        let gap = match extra.gap {
            Some((_, Gap::Sent(at) | Gap::Until(at))) => Some(at),
            _ => None,
        };
        let partial_char = match extra.partial_char {
            Some(PartialChar::Until(until)) => Some(until),
            _ => None,
        };
        [gap, partial_char, extra.expires].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        let extra = self.extra.as_mut()?;
        if let Some((length, gap)) = &mut extra.gap {
            match *gap {
                Gap::Sent(_) => *gap = Gap::Until(now + *length),
                Gap::Until(until) if until <= now => {
                    *gap = Gap::Over;
                    return Some(Due::GapOver);
                }
                Gap::Until(_) | Gap::Over => {}
            }
        }
        match extra.partial_char {
            Some(PartialChar::Until(until)) if until <= now => {
                extra.partial_char = Some(PartialChar::GivenUp);
                return Some(Due::ArrivalEnded);
            }
            _ => {}
        }
        extra.expires.take_if(|expires| *expires <= now)?;
        Some(Due::Received(Received::Close(CloseReason::TimedOut, Vec::new())))
    }

    /// Frames that must arrive alone must do so to the end.
    pub(super) fn close(&mut self) {
        if let Some(extra) = &mut self.extra {
            (extra.partial_char, extra.expires) = (None, None);
        }
    }

    // ── what only some dialects need ─────────────────────────────────────────────────────────────

    pub(super) fn given_name(&self) -> Option<&str> {
        self.extra.as_ref().and_then(|extra| extra.given.as_deref())
    }

    /// What is longer than any name is not kept: the client's own lines then still begin with it.
    pub(super) fn note_given(&mut self, name: &str) {
        let kept = if name.len() > nickname::BYTES_MAX { "" } else { name };
        self.extra.get_or_insert_default().given = Some(kept.into());
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        self.extra.as_ref().and_then(|extra| extra.gap).map(|(_, gap)| gap)
    }

    pub(super) fn begin_gap(&mut self, now: Instant) -> bool {
        let gap = self.extra.as_mut().and_then(|extra| extra.gap.as_mut());
        gap.map(|(_, gap)| *gap = Gap::Sent(now)).is_some()
    }

    pub(super) fn end_gaps(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.gap = None;
        }
    }
}

/// The answer to an HTTP request: one line that says where there is a page.
fn not_here(page: SocketAddr) -> String {
    let place = match page.ip().is_unspecified() {
        true => format!("port {}", page.port()),
        false => format!("http://{page}/"),
    };
    format!("HTTP/1.0 400 This is for nc and telnet; browsers find a page at {place}\r\n\r\n")
}

/// What a frame is to the hub.
fn received(frame: Frame<'_>, max: usize) -> Received<'_> {
    match frame {
        Frame::Line(Cow::Borrowed(line)) => match str::from_utf8(line) {
            Ok(line) => Received::Message(Message::Line(Cow::Borrowed(line))),
            Err(_) => Received::Refused(Refusal::NotUtf8, line.len()),
        },
        Frame::Line(Cow::Owned(line)) => {
            let bytes = line.len();
            match String::from_utf8(line) {
                Ok(line) => Received::Message(Message::Line(Cow::Owned(line))),
                Err(_) => Received::Refused(Refusal::NotUtf8, bytes),
            }
        }
        Frame::TooLong => Received::Refused(Refusal::LineTooLong(max), max),
        Frame::Unterminated => {
            Received::Close(CloseReason::Unterminated(UNTERMINATED_BYTES_MAX), Vec::new())
        }
        Frame::WrongProtocol => Received::Close(CloseReason::WrongProtocol, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_member_of_lines_has_nothing_beside_its_decoder() {
        let settings = Settings {
            line_bytes_max: 4096,
            udp_expiry: Duration::from_secs(300),
            page: None,
            has_accounts: false,
            is_away: false,
            #[cfg(feature = "web")]
            web: Default::default(),
            #[cfg(feature = "web")]
            metrics_from: Vec::new(),
        };
        let now = Instant::now();
        let needs = |dialect| Plain::new(dialect, &settings, now).extra.is_some();
        let those = [Dialect::Lines, Dialect::Nick, Dialect::Anonymous, Dialect::Mention];
        assert!(those.into_iter().all(|dialect| !needs(dialect)));
        assert!(needs(Dialect::Register) && needs(Dialect::Datagram));
        assert!(size_of::<Plain>() <= 40, "{} bytes", size_of::<Plain>());
    }
}

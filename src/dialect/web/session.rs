//! The session of a browser: an HTTP request first, which is answered; and if that makes a
//! WebSocket of the connection, frames from then on. Pings and pongs end here.

use std::mem;
use std::time::{Duration, Instant};

use memchr::memrchr;

use super::http::{self, HEAD_BYTES_MAX, Response};
use super::websocket::{self, Decoder, Frame};
use crate::dialect::decoder::extend_within;
use crate::dialect::session::{Context, Message, Received};
use crate::event::CloseReason;

/// How long a request may take to come.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How often a WebSocket is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The close code of somebody who has no more to say.
const NORMAL: u16 = 1000;

/// A WebSocket that has left so many pings unanswered is gone.
const PINGS_MISSED_MAX: u8 = 2;

/// A conversation with a browser.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    decoder: Decoder,
    /// For whom the request that has been answered last says that it was forwarded.
    forwarded: Option<String>,
    /// There is no page here, only what the server counts.
    for_metrics: bool,
}

#[derive(Debug)]
enum Phase {
    /// A request is to come to its end until then. Its head so far.
    Requesting { until: Instant, head: Vec<u8> },
    /// It is a WebSocket: when to ping next, and pings since anything was heard.
    Open { ping_at: Instant, missed: u8 },
    /// Nothing is awaited any more.
    Over,
}

impl Session {
    pub(crate) fn new(now: Instant) -> Session {
        let phase = Phase::Requesting { until: now + REQUEST_TIME, head: Vec::new() };
        let decoder = Decoder::default();
        Session { phase, decoder, forwarded: None, for_metrics: false }
    }

    /// The session of somebody who can only ask how the server is.
    pub(crate) fn for_metrics(now: Instant) -> Session {
        Session { for_metrics: true, ..Session::new(now) }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    pub(crate) fn receive(
        &mut self,
        input: &mut &[u8],
        context: &Context<'_>,
    ) -> Option<Received<'static>> {
        match &mut self.phase {
            Phase::Requesting { head, .. } => {
                let head = pull_head(head, input)?;
                Some(self.respond(&head, context))
            }
            Phase::Open { .. } => {
                let frame = self.decoder.pull(input, context.settings.line_bytes_max)?;
                Some(received(frame))
            }
            Phase::Over => {
                *input = &[];
                None
            }
        }
    }

    /// Answers the request with this head. Unless it makes a WebSocket of the connection, that is
    /// all.
    fn respond(&mut self, head: &[u8], context: &Context<'_>) -> Received<'static> {
        match http::respond(head, self.for_metrics, context) {
            Response::Whole(answer) => {
                self.phase = Phase::Over;
                Received::Close(CloseReason::Answered, answer)
            }
            Response::Upgrade(answer) => {
                self.forwarded = http::forwarded(head);
                self.phase = Phase::Open { ping_at: context.now + PING_INTERVAL, missed: 0 };
                Received::Opened(answer)
            }
        }
    }

    pub(crate) fn take_forwarded(&mut self) -> Option<String> {
        self.forwarded.take()
    }

    /// Whatever was sent, whoever sent it is there.
    pub(crate) fn note_alive(&mut self) {
        if let Phase::Open { missed, .. } = &mut self.phase {
            *missed = 0;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Requesting { until, .. } => Some(until),
            Phase::Open { ping_at, .. } => Some(ping_at),
            Phase::Over => None,
        }
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        is_listened_to: bool,
    ) -> Option<Received<'static>> {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        match &mut self.phase {
            Phase::Requesting { .. } => {
                self.phase = Phase::Over;
                Some(Received::Close(CloseReason::RequestTimeout, Vec::new()))
            }
            Phase::Open { ping_at, missed } => {
                *ping_at = now + PING_INTERVAL;
                if !is_listened_to {
                    return None; // no answer could be heard
                }
                if *missed >= PINGS_MISSED_MAX {
                    return Some(Received::Close(CloseReason::Unresponsive, Vec::new()));
                }
                *missed += 1;
                Some(Received::Reply(websocket::ping()))
            }
            Phase::Over => None,
        }
    }

    pub(crate) fn close(&mut self) {
        self.phase = Phase::Over;
    }
}

/// Gathers the head of a request in `head`, and hands it out when it is whole, or can never be.
fn pull_head(head: &mut Vec<u8>, input: &mut &[u8]) -> Option<Vec<u8>> {
    let before = head.len();
    let room = HEAD_BYTES_MAX + 1 - before;
    let come = &input[..input.len().min(room)];
    extend_within(head, come, HEAD_BYTES_MAX + 1);
    // A line at a time, for looking at all of it after each byte would cost the square of its
    // length; but another protocol shows by its first byte, and may have no lines.
    let lines = memrchr(b'\n', come).map(|at| before + at + 1);
    let seen = lines.or((before == 0).then_some(1)).unwrap_or_default();
    let Some(length) = http::head_length(&head[..seen]) else {
        *input = &input[come.len()..];
        return (head.len() > HEAD_BYTES_MAX).then(|| mem::take(head));
    };
    *input = &input[length - before..];
    head.truncate(length);
    Some(mem::take(head))
}

/// What a frame is to the hub.
fn received(frame: Frame) -> Received<'static> {
    match frame {
        Frame::Message(message) => Received::Message(Message::Web(Box::new(message))),
        Frame::Ping(payload) => Received::Reply(websocket::pong(&payload)),
        // That it came at all is the answer; and before the end of a message nothing is to be done.
        Frame::Pong | Frame::Fragment => Received::Nothing,
        Frame::Close(Some(NORMAL)) => Received::Farewell,
        // As a page that is loaded again, or that takes its connection for dead.
        Frame::Close(_) => Received::Close(CloseReason::EndOfInput, Vec::new()),
        Frame::Violation(code) => Received::Close(CloseReason::Violation(code), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::dialect::Settings;

    const HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn settings() -> Settings {
        Settings { line_bytes_max: 64, ..crate::config::Config::default().session_settings() }
    }

    fn context(now: Instant, settings: &Settings) -> Context<'_> {
        let remote = Ipv4Addr::LOCALHOST.into();
        Context { now, remote, name: "", settings, metrics: &String::new }
    }

    /// A session that is a WebSocket since `now`.
    fn open(now: Instant) -> Session {
        let mut session = Session::new(now);
        let settings = settings();
        let context = context(now, &settings);
        let opened = session.receive(&mut &HEAD[..], &context);
        assert!(matches!(opened, Some(Received::Opened(_))), "{opened:?}");
        session
    }

    #[test]
    fn a_request_ends_with_an_empty_line_and_frames_follow() {
        let pong = [0x8a, 0x80, 1, 2, 3, 4];
        let input = [HEAD, &pong].concat();
        let (now, settings) = (Instant::now(), settings());
        let context = context(now, &settings);
        for step in 1..=input.len() {
            let mut session = Session::new(now);
            let mut came = Vec::new();
            for mut piece in input.chunks(step) {
                while let Some(received) = session.receive(&mut piece, &context) {
                    came.push(received);
                }
            }
            let expected = matches!(came[..], [Received::Opened(_), Received::Nothing]);
            assert!(expected, "{came:?} in pieces of {step}");
        }
    }

    #[test]
    fn a_request_is_waited_for_until_its_deadline() {
        let now = Instant::now();
        let mut session = Session::new(now);
        let deadline = session.deadline().unwrap();
        assert!(session.handle_timeout(deadline - Duration::from_millis(1), true).is_none());
        let due = session.handle_timeout(deadline, true);
        assert!(matches!(due, Some(Received::Close(CloseReason::RequestTimeout, _))), "{due:?}");
        assert_eq!(session.deadline(), None);
    }

    #[test]
    fn two_pings_without_an_answer_are_the_end_unless_none_could_be_heard() {
        let mut session = open(Instant::now());
        let ping = |session: &mut Session, is_listened_to| {
            let now = session.deadline().unwrap();
            session.handle_timeout(now, is_listened_to)
        };
        for _ in 0..3 {
            assert!(matches!(ping(&mut session, true), Some(Received::Reply(_))));
            session.note_alive();
        }
        for _ in 0..3 {
            assert!(ping(&mut session, false).is_none());
        }
        assert!(matches!(ping(&mut session, true), Some(Received::Reply(_))));
        assert!(matches!(ping(&mut session, true), Some(Received::Reply(_))));
        let last = ping(&mut session, true);
        assert!(matches!(last, Some(Received::Close(CloseReason::Unresponsive, _))), "{last:?}");
    }
}

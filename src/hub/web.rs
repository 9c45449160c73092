//! What is peculiar to a connection from a browser: it begins with an HTTP request, and a WebSocket
//! has frames of its own that are not chat.

use std::time::Duration;

use super::Hub;
use crate::connection::{Ping, State};
use crate::dialect::decoder::Frame;
use crate::dialect::web::http::{self, Response};
use crate::dialect::web::websocket;
use crate::event::CloseReason;
use crate::key::ConnectionKey;

/// How often a WebSocket is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// A WebSocket that has left so many pings unanswered is gone.
const PINGS_MISSED_MAX: u8 = 2;

impl Hub {
    /// Does what a frame asks for that is not a line.
    pub(super) fn process_control(&mut self, key: ConnectionKey, frame: Frame<'_>) {
        match frame {
            Frame::Request(head) => self.respond(key, head),
            Frame::Ping(payload) => self.send(key, |out| websocket::pong(out, payload)),
            Frame::Close => self.close(key, CloseReason::EndOfInput, ""),
            Frame::Violation(code) => self.close(key, CloseReason::Violation(code), ""),
            // That it came at all is the answer.
            Frame::Pong => {}
            // There is nothing to do before its end.
            Frame::Fragment => {}
            Frame::Line(_) | Frame::TooLong | Frame::Unterminated | Frame::WrongProtocol => {}
        }
    }

    /// Answers the HTTP request with this head.
    fn respond(&mut self, key: ConnectionKey, head: &[u8]) {
        match http::respond(head, &self.web, || self.metrics().to_string()) {
            Response::Whole(answer) => {
                self.send(key, |out| out.extend_from_slice(&answer));
                self.close(key, CloseReason::Answered, "");
            }
            Response::Upgrade(answer) => {
                self.send(key, |out| out.extend_from_slice(&answer));
                let now = self.now.instant;
                let connection = &mut self.connections[key];
                connection.state = State::AwaitingNick { deadline: now + self.limits.nick_timeout };
                connection.session_mut().ping = Some(Ping { at: now + PING_INTERVAL, missed: 0 });
                log::info!(
                    "connected: {} at {} ({} connections)",
                    connection.remote,
                    connection.dialect,
                    self.clients
                );
                self.ask(key);
            }
        }
    }

    /// Tells somebody who has asked for nothing yet that they are closed, in the words of HTTP.
    pub(super) fn refuse_request(&mut self, key: ConnectionKey, reason: CloseReason) {
        self.send(key, |out| out.extend_from_slice(&http::farewell(reason)));
    }

    /// `key` has sent something, whatever it is.
    pub(super) fn note_alive(&mut self, key: ConnectionKey) {
        if let Some(session) = &mut self.connections[key].session
            && let Some(ping) = &mut session.ping
        {
            ping.missed = 0;
        }
    }

    /// Asks whether `key` is still there, if it is time to; lets it go if it has not answered.
    pub(super) fn ping(&mut self, key: ConnectionKey) {
        let now = self.now.instant;
        let connection = &mut self.connections[key];
        let is_listened_to = connection.waiting.is_none();
        let Some(session) = &mut connection.session else { return };
        let Some(ping) = session.ping.as_mut().filter(|ping| ping.at <= now) else { return };
        ping.at = now + PING_INTERVAL;
        if !is_listened_to {
            return; // no answer could be heard
        }
        if ping.missed >= PINGS_MISSED_MAX {
            return self.close(key, CloseReason::Unresponsive, "");
        }
        ping.missed += 1;
        self.send(key, websocket::ping);
    }

    /// Sends bytes that are no event.
    fn send(&mut self, key: ConnectionKey, write: impl FnOnce(&mut Vec<u8>)) {
        let connection = &mut self.connections[key];
        connection.outbox.insert(&self.journals, false, write);
        self.connections.touch(key);
    }
}

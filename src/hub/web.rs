//! What is peculiar to a connection from a browser: it begins with an HTTP request, and a WebSocket
//! has frames of its own that are not chat.

use std::time::Duration;

use super::Hub;
use crate::dialect::decoder::Frame;
use crate::dialect::web::http::{self, Answer};
use crate::dialect::web::websocket;
use crate::event::CloseReason;
use crate::peer::{PeerKey, Ping, State};

/// How often a WebSocket is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// A WebSocket that has left so many pings unanswered is gone.
const PINGS_MISSED_MAX: u8 = 2;

impl Hub {
    /// Does what a frame asks for that is not a line.
    pub(super) fn attend(&mut self, key: PeerKey, frame: Frame<'_>) {
        match frame {
            Frame::Request(head) => self.respond(key, head),
            Frame::Ping(payload) => self.send(key, |out| websocket::pong(out, payload)),
            Frame::Farewell => self.close(key, CloseReason::EndOfInput, ""),
            Frame::Violation(code) => self.close(key, CloseReason::Violation(code), ""),
            // That it came at all is the answer.
            Frame::Pong => {}
            // There is nothing to do before its end.
            Frame::Fragment => {}
            Frame::Line(_) | Frame::TooLong | Frame::Unended | Frame::Foreign => {}
        }
    }

    /// Answers the HTTP request with this head.
    fn respond(&mut self, key: PeerKey, head: &[u8]) {
        match http::respond(head, &self.web, || self.metrics().to_string()) {
            Answer::Whole(answer) => {
                self.send(key, |out| out.extend_from_slice(&answer));
                self.close(key, CloseReason::Answered, "");
            }
            Answer::Upgrade(answer) => {
                self.send(key, |out| out.extend_from_slice(&answer));
                let now = self.now.instant;
                let peer = &mut self.peers[key];
                peer.state = State::AwaitingNick { deadline: now + self.limits.nick_timeout };
                peer.habits_mut().ping = Some(Ping { at: now + PING_INTERVAL, missed: 0 });
                log::info!(
                    "connected: {} at {} ({} connections)",
                    peer.remote,
                    peer.dialect,
                    self.clients
                );
                self.ask(key);
            }
        }
    }

    /// Tells somebody who has asked for nothing yet that they are closed, in the words of HTTP.
    pub(super) fn refuse_request(&mut self, key: PeerKey, reason: CloseReason) {
        self.send(key, |out| out.extend_from_slice(&http::farewell(reason)));
    }

    /// `key` has sent something, whatever it is.
    pub(super) fn note_alive(&mut self, key: PeerKey) {
        if let Some(habits) = &mut self.peers[key].habits
            && let Some(ping) = &mut habits.ping
        {
            ping.missed = 0;
        }
    }

    /// Asks whether `key` is still there, if it is time to; lets it go if it has not answered.
    pub(super) fn ping(&mut self, key: PeerKey) {
        let now = self.now.instant;
        let peer = &mut self.peers[key];
        let is_listened_to = peer.waiting.is_none();
        let Some(habits) = &mut peer.habits else { return };
        let Some(ping) = habits.ping.as_mut().filter(|ping| ping.at <= now) else { return };
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
    fn send(&mut self, key: PeerKey, write: impl FnOnce(&mut Vec<u8>)) {
        let peer = &mut self.peers[key];
        peer.outbox.insert(self.room.journals(), false, write);
        self.peers.touch(key);
    }
}

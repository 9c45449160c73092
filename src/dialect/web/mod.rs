//! `web` is for browsers: an address to open, and one is in the room with everyone else.
//!
//! Peculiar: it begins as HTTP. A request is answered and its connection closed (`http.rs`); only
//! one for `/ws` becomes a WebSocket (`websocket.rs`), and only from then on is it a dialect like
//! the others: JSON objects come in and go out, one for each message and event (`json.rs`). Frames
//! from a server are not masked, so that the same bytes are for everyone, the speaker too.

pub(crate) mod http;
mod json;
pub(crate) mod websocket;

use tungstenite::protocol::frame::coding::CloseCode;

use self::json::{Sentence, Told};
use super::phrases::Phrases;
use super::{Framing, Manners, Naming, Stage, Transport};
use crate::event::{CloseReason, Command, Event, Refusal};

pub(super) const MANNERS: Manners = Manners {
    name: "web",
    port: 7780,
    transport: Transport::Tcp,
    framing: Framing::Web,
    naming: Naming::Asked,
    echoes: true,
    hears_own_joining: false,
    whole_welcome: true,
    separates: false,
    gap: None,
    parse,
    encode,
};

fn parse<'a>(_: Stage, line: &'a str, _given: &str) -> Command<'a> {
    json::command(line)
}

fn encode(_: &Phrases, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Goodbye => {
            tell(out, event);
            websocket::close(out, CloseCode::Normal, "");
        }
        Event::Refused(Refusal::Closed(reason)) => {
            let words = Sentence::refusal(Refusal::Closed(reason)).en;
            // Not every reason is worth words.
            if !words.is_empty() {
                tell(out, event);
            }
            websocket::close(out, close_code(reason), &words);
        }
        _ => tell(out, event),
    }
}

fn tell(out: &mut Vec<u8>, event: &Event<'_>) {
    if let Some(told) = Told::of(event) {
        // Writing to a Vec cannot fail, and what is told has nothing that JSON has not.
        websocket::text(out, |out| drop(serde_json::to_writer(out, &told)));
    }
}

/// By what code a program can tell why its connection is closed.
fn close_code(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::Quit | CloseReason::EndOfInput => CloseCode::Normal,
        CloseReason::Stopping => CloseCode::Away,
        CloseReason::Violation(code) => CloseCode::from(code),
        _ => CloseCode::Policy,
    }
}

//! `web` is for browsers: an address to open, and one is in the room with everyone else.
//!
//! Peculiar: it begins as HTTP. A request is answered and its connection closed (`http.rs`); only
//! one for `/ws` becomes a WebSocket (`websocket.rs`), and only from then on is it a dialect like
//! the others: JSON objects come in and go out, one for each message and event (`json.rs`). The
//! course of all that is in `session.rs`. Frames from a server are not masked, so that the same
//! bytes are for everyone, the speaker too.

mod http;
mod json;
pub(crate) mod origin;
mod session;
mod websocket;

use std::io::Write as _;

use tungstenite::protocol::frame::coding::CloseCode;

pub(super) use self::http::prepare;
pub(super) use self::json::ClientMessage;
use self::json::{Company, Localized, ServerMessage};
pub(super) use self::session::Session;
use super::lines;
use super::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, WholeWelcome};
use crate::event::{CloseReason, Event, Refusal, RoomView};
use crate::token::Token;

pub(super) const SPEC: DialectSpec = DialectSpec {
    name: "web",
    port: 7780,
    tls_port: 7781,
    transport: Transport::Tcp,
    framing: Framing::Web,
    naming: Naming::Asked,
    told_alone: false,
    roomless: false,
    asks_password: true,
    echoes: true,
    many_rooms: true,
    can_resume: true,
    hears_own_joining: false,
    whole_welcome: Some(WholeWelcome { company, greeting }),
    lf_separated: false,
    gap: None,
    // A page is fetched in several requests.
    is_casual: true,
    closed_unopened: Some(http::farewell),
    parse,
    encode,
};

/// The address for whoever watches over the server. It begins as HTTP, and stays so.
pub(super) const METRICS_SPEC: DialectSpec =
    DialectSpec { name: "metrics", port: 9711, tls_port: 9712, ..SPEC };

fn parse<'a>(_: Stage, line: &'a str, _given: &str) -> Commands<'a> {
    // What somebody says may be a command, as in `lines`.
    lines::say(line, None)
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Goodbye => {
            tell(reader, out, event);
            websocket::close(out, CloseCode::Normal, "");
        }
        Event::Refused(Refusal::Closed(reason)) => {
            let words = Localized::refusal(Refusal::Closed(reason)).en;
            // Not every reason is worth words.
            if !words.is_empty() {
                tell(reader, out, event);
            }
            websocket::close(out, close_code(reason), &words);
        }
        Event::Welcomed { name, here, count } => {
            let mut shared = Vec::new();
            let view = RoomView {
                here,
                count,
                ranks: &[],
                topic: None,
                history: &[],
                id: 0,
                is_kept: false,
            };
            company(reader.room(), &view, &mut shared);
            greeting(name, None, shared.len(), out);
            out.extend_from_slice(&shared);
        }
        _ => tell(reader, out, event),
    }
}

/// The part of a welcome that is for all: the end of an object.
fn company(room: &str, view: &RoomView<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    // Writing to a Vec cannot fail.
    drop(serde_json::to_writer(&mut *out, &Company::of(room, view)));
    out.remove(begin);
}

/// The part before it: the beginning of the object.
fn greeting(name: &str, token: Option<&Token>, company_bytes: usize, out: &mut Vec<u8>) {
    websocket::begin_text(out, company_bytes, |out| {
        out.extend_from_slice(br#"{"type":"welcome","name":"#);
        drop(serde_json::to_writer(&mut *out, name));
        if let Some(token) = token {
            drop(write!(out, r#","token":"{token}""#));
        }
        out.push(b',');
    });
}

fn tell(reader: &Reader<'_>, out: &mut Vec<u8>, event: &Event<'_>) {
    if let Some(told) = ServerMessage::of(event, reader.about) {
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

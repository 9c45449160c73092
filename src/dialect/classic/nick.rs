//! `nick` serves the clients of a small Python chat in which the server asks `NICK` and the client
//! answers with its name, by itself and always with the same one: so it cannot be asked again, and
//! gets another name if that is taken.
//!
//! Peculiar: neither side ends its messages. An arrival is one message. A client puts `NAME: `
//! before each line it sends and prints what comes back, so it hears itself.

use super::{frame, without_own_name};
use crate::dialect::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, phrases};
use crate::event::{Command, Event};

pub(in crate::dialect) const SPEC: DialectSpec = DialectSpec {
    name: "nick",
    port: 32768,
    tls_port: 32769,
    transport: Transport::Tcp,
    framing: Framing::Arrivals,
    naming: Naming::Once,
    told_alone: false,
    roomless: false,
    asks_password: false,
    echoes: true,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: true,
    whole_welcome: None,
    lf_separated: true,
    gap: None,
    is_casual: false,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(stage: Stage, line: &'a str, given: &str) -> Commands<'a> {
    Commands::One(match stage {
        Stage::Naming => Command::Rename(line),
        Stage::Chatting => Command::Say(without_own_name(line, given, ": ")),
    })
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Asked { .. } => frame(out, &["NICK"], "\n"),
        Event::Entered { name, as_given } => {
            frame(out, &["已连接至聊天服务器"], "\n");
            phrases::renamed_on_entry(out, name, as_given, "\n");
        }
        Event::Said { from, text, .. } => frame(out, &[from, ": ", text], "\n"),
        Event::Joined { names, .. } => {
            frame(out, &[&phrases::together(names), " 加入了聊天"], "\n");
        }
        Event::Left { names, .. } => frame(out, &[&phrases::together(names), " 退出了聊天"], "\n"),
        Event::Told { from, text, .. } => frame(out, &[from, " (私聊): ", text], "\n"),
        _ => phrases::tell_in_chinese(reader, event, "", "\n", out),
    }
}

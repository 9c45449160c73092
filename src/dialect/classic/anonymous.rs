//! `anonymous` serves the clients of a small Python chat without names: one is in the room as soon
//! as one is connected, and is known by one's address.
//!
//! Peculiar: lines come in and CRLF goes out. A blank line leaves.

use super::frame;
use crate::dialect::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, phrases};
use crate::event::{Command, Event};
use crate::text;

pub(in crate::dialect) const SPEC: DialectSpec = DialectSpec {
    name: "anonymous",
    port: 21567,
    tls_port: 21568,
    transport: Transport::Tcp,
    framing: Framing::Lines,
    naming: Naming::Address,
    told_alone: false,
    roomless: false,
    asks_password: false,
    echoes: false,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: true,
    whole_welcome: None,
    lf_separated: false,
    gap: None,
    is_casual: false,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(_stage: Stage, line: &'a str, _given: &str) -> Commands<'a> {
    let is_blank = text::is_blank(&text::clean(line));
    Commands::One(if is_blank { Command::Quit("") } else { Command::Say(line) })
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Said { from, text, .. } => frame(out, &["[ ", from, " ]: ", text], "\r\n"),
        Event::Joined { names, .. } => {
            frame(out, &["[ ", &phrases::together(names), " ]加入聊天室"], "\r\n");
        }
        Event::Left { names, .. } => {
            frame(out, &["[ ", &phrases::together(names), " ]退出了"], "\r\n");
        }
        Event::Told { from, text, .. } => frame(out, &["[ ", from, " ](私聊): ", text], "\r\n"),
        // Nobody can be called so: the name is reserved.
        _ => phrases::tell_in_chinese(reader, event, "[ 系统 ]: ", "\r\n", out),
    }
}

//! `datagram` serves the clients of a small Python chat over UDP: one datagram is one message, and
//! whoever sends from an address is a peer until it says `exit` or is not heard from for long.
//!
//! Peculiar: the first datagram is the name, which cannot be asked for again. A client puts
//! `NAME : ` before each line it sends. If the first datagram looks like that, it is from a client
//! whose peer had expired: it gets its name again and the line is said. Bad datagrams are met with
//! silence, since their sender's address may be somebody else's.

use super::{frame, without_own_name};
use crate::dialect::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, phrases};
use crate::event::{Command, Event};

pub(in crate::dialect) const SPEC: DialectSpec = DialectSpec {
    name: "datagram",
    port: 9999,
    tls_port: 10000,
    transport: Transport::Udp,
    framing: Framing::Datagrams,
    naming: Naming::Once,
    told_alone: false,
    roomless: false,
    asks_password: false,
    echoes: false,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: false,
    whole_welcome: None,
    lf_separated: true,
    gap: None,
    is_casual: true,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(stage: Stage, line: &'a str, given: &str) -> Commands<'a> {
    let text = without_own_name(line, given, " : ");
    let leaves = |text: &str| text.trim().eq_ignore_ascii_case("exit");
    Commands::One(match stage {
        Stage::Naming => match line.split_once(" : ") {
            _ if leaves(line) => Command::Quit(""),
            Some((_, text)) if leaves(text) => Command::Quit(""),
            Some((name, text)) => {
                return Commands::many(vec![Command::Rename(name), Command::Say(text)]);
            }
            None => Command::Rename(line),
        },
        Stage::Chatting if leaves(text) => Command::Quit(""),
        Stage::Chatting => Command::Say(text),
    })
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Entered { name, as_given } => phrases::renamed_on_entry(out, name, as_given, "\n"),
        Event::Said { from, text, .. } => frame(out, &[from, " : ", text], "\n"),
        Event::Joined { names, .. } => {
            frame(out, &[&phrases::together(names), " 进入聊天室..."], "\n");
        }
        Event::Left { names, .. } => {
            frame(out, &[&phrases::together(names), " 离开了聊天室..."], "\n");
        }
        Event::Told { from, text, .. } => frame(out, &[from, " (私聊) : ", text], "\n"),
        Event::Refused(_) => {}
        _ => phrases::tell_in_chinese(reader, event, "", "\n", out),
    }
}

//! `register` serves the clients of a small Python chat in which one registers with a nickname that
//! nobody else has, and is asked until one is found.
//!
//! Peculiar: the client compares what a whole `recv()` brings with `请输入昵称:` and with
//! `昵称设置成功⏎`, so each of those must arrive alone. Until somebody is in, frames go out one by
//! one with a gap between them, and the room waits as long. What comes in has no end; what goes out
//! ends with LF, but for the question and the farewell.

use std::time::Duration;

use super::frame;
use crate::dialect::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, phrases};
use crate::event::{Command, Event, Refusal};

pub(in crate::dialect) const SPEC: DialectSpec = DialectSpec {
    name: "register",
    port: 4567,
    tls_port: 4568,
    transport: Transport::Tcp,
    framing: Framing::Arrivals,
    naming: Naming::Asked,
    told_alone: false,
    roomless: false,
    asks_password: false,
    echoes: false,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: true,
    whole_welcome: None,
    lf_separated: false,
    gap: Some(Duration::from_millis(100)),
    is_casual: false,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(stage: Stage, line: &'a str, _given: &str) -> Commands<'a> {
    Commands::One(match stage {
        Stage::Naming => Command::Rename(line),
        Stage::Chatting if line.trim().eq_ignore_ascii_case("quit") => Command::Quit(""),
        Stage::Chatting => Command::Say(line),
    })
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Asked { .. } | Event::AskedAgain => frame(out, &["请输入昵称:"], ""),
        Event::Refused(Refusal::Taken(_)) => frame(out, &["当前昵称已经存在，请重新输入"], "\n"),
        Event::Welcomed { .. } => frame(out, &["昵称设置成功"], "\n"),
        Event::Said { from, text, .. } => frame(out, &[from, ":", text], "\n"),
        Event::Joined { names, .. } => {
            frame(out, &["系统消息", &phrases::together(names), "进入了聊天室"], "\n");
        }
        Event::Left { names, .. } => {
            frame(out, &["系统消息", &phrases::together(names), "退出了聊天室"], "\n");
        }
        Event::Told { from, text, .. } => frame(out, &[from, "(私聊):", text], "\n"),
        Event::Goodbye => frame(out, &["退出"], ""),
        _ => phrases::tell_in_chinese(reader, event, "系统消息", "\n", out),
    }
}

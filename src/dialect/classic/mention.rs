//! `mention` serves the clients of a small Python chat in which `text@name` is for that person
//! alone, `#` lists who is here and `&` helps.
//!
//! Peculiar: neither side ends its messages. The client's first arrival is its name behind a `!`,
//! unasked, so it cannot be asked again. It hears itself. Any line with an `@` is meant for
//! somebody: if there is nobody of that name, nobody hears it.

use super::frame;
use crate::dialect::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, phrases};
use crate::event::{Command, Event, Refusal, Topic};

pub(in crate::dialect) const SPEC: DialectSpec = DialectSpec {
    name: "mention",
    port: 4568,
    tls_port: 4569,
    transport: Transport::Tcp,
    framing: Framing::Arrivals,
    naming: Naming::Once,
    told_alone: false,
    roomless: false,
    asks_password: false,
    echoes: true,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: false,
    whole_welcome: None,
    lf_separated: true,
    gap: None,
    is_casual: false,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(stage: Stage, line: &'a str, _given: &str) -> Commands<'a> {
    Commands::One(match (stage, line.trim()) {
        (Stage::Naming, _) => Command::Rename(line.strip_prefix('!').unwrap_or(line)),
        (_, "#") => Command::Who,
        (_, "&") => Command::Help(None),
        (_, exit) if exit.eq_ignore_ascii_case("exit") => Command::Quit(""),
        _ => match line.rsplit_once('@') {
            None => Command::Say(line),
            Some((text, name)) if text.trim().is_empty() || name.trim().is_empty() => {
                Command::Misuse(Topic::Msg)
            }
            Some((text, name)) => Command::Tell { to: name.trim(), text },
        },
    })
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    match *event {
        Event::Entered { name, as_given } => phrases::renamed_on_entry(out, name, as_given, "\n"),
        Event::Said { from, text, .. } => frame(out, &[from, " say: ", text], "\n"),
        Event::Joined { names, .. } => {
            frame(out, &[&phrases::together(names), " 加入了聊天室"], "\n");
        }
        Event::Left { names, .. } => {
            frame(out, &[&phrases::together(names), " 离开了聊天室"], "\n");
        }
        Event::Told { from, text, .. } => frame(out, &[from, " 对你说: ", text], "\n"),
        Event::Here { .. } => phrases::tell_in_chinese(reader, event, "", "\n", out),
        Event::Helped(_) => {
            let help = "输入 # 查看在线成员，输入 内容@昵称 私聊某人 (text@name)，输入 exit 退出";
            frame(out, &[help, "，输入 & 查看本帮助"], "\n");
        }
        Event::Refused(Refusal::Usage(_)) => frame(out, &["用法: 内容@昵称"], "\n"),
        _ => phrases::tell_in_chinese(reader, event, "", "\n", out),
    }
}

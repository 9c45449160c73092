//! Every dialect with every other, in one room: what somebody at one door does is heard at each
//! door in that door's own words, as the tables in WIRE.md have it. What is peculiar to a dialect
//! stands in `dialects.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Caller, DIALECTS, Server};

/// Who sits in the room at each door, in the order of [`DIALECTS`]. At `anonymous` one is called by
/// one's address.
const HEARERS: [&str; 6] = ["lara", "nina", "rosa", "dora", "", "mina"];

/// What `dialect` makes of somebody joining.
fn joined(dialect: &str, name: &str, here: usize) -> String {
    match dialect {
        "lines" => format!("* {name} joined ({here} here)\n"),
        "nick" => format!("{name} 加入了聊天"),
        "register" => format!("系统消息{name}进入了聊天室\n"),
        "datagram" => format!("{name} 进入聊天室..."),
        "anonymous" => format!("[ {name} ]加入聊天室\r\n"),
        _ => format!("{name} 加入了聊天室"),
    }
}

/// What `dialect` makes of a line.
fn said(dialect: &str, name: &str, text: &str) -> String {
    match dialect {
        "lines" => format!("{name}: {text}\n"),
        "nick" => format!("{name}: {text}"),
        "register" => format!("{name}:{text}\n"),
        "datagram" => format!("{name} : {text}"),
        "anonymous" => format!("[ {name} ]: {text}\r\n"),
        _ => format!("{name} say: {text}"),
    }
}

/// What `dialect` makes of a private message.
fn told(dialect: &str, name: &str, text: &str) -> String {
    match dialect {
        "lines" => format!("[{name} -> you] {text}\n"),
        "nick" => format!("{name} (私聊): {text}"),
        "register" => format!("{name}(私聊):{text}\n"),
        "datagram" => format!("{name} (私聊) : {text}"),
        "anonymous" => format!("[ {name} ](私聊): {text}\r\n"),
        _ => format!("{name} 对你说: {text}"),
    }
}

/// What `dialect` makes of somebody leaving.
fn left(dialect: &str, name: &str, here: usize) -> String {
    match dialect {
        "lines" => format!("* {name} left ({here} here)\n"),
        "nick" => format!("{name} 退出了聊天"),
        "register" => format!("系统消息{name}退出了聊天室\n"),
        "datagram" => format!("{name} 离开了聊天室..."),
        "anonymous" => format!("[ {name} ]退出了\r\n"),
        _ => format!("{name} 离开了聊天室"),
    }
}

/// What the clients of `dialect` send when `name` says `text`.
fn as_its_client_sends(dialect: &str, name: &str, text: &str) -> String {
    match dialect {
        "nick" => format!("{name}: {text}"),
        "datagram" => format!("{name} : {text}"),
        _ => text.to_owned(),
    }
}

/// `from` says something to `to` alone, if there is a way to do that in the dialect of `from`.
#[track_caller]
fn messages(from: (&str, &mut Caller), to: (&str, &mut Caller), text: &str) {
    let ((from_dialect, from), (to_dialect, to)) = (from, to);
    match from_dialect {
        "lines" => {
            from.says(&format!("/msg {} {text}", to.name()));
            from.sees(&format!("[you -> {}] {text}\n", to.name()));
        }
        "mention" => from.says(&format!("{text}@{}", to.name())),
        _ => return,
    }
    to.sees(&told(to_dialect, from.name(), text));
}

/// The last thing that whoever speaks `dialect` sends and sees.
#[track_caller]
fn leaves(dialect: &str, mut caller: Caller) {
    match dialect {
        "lines" => {
            caller.says("/quit");
            caller.sees("* Goodbye.\n");
            caller.sees_eof();
        }
        "register" => {
            caller.says("quit");
            caller.sees("退出");
            caller.sees_eof();
        }
        "datagram" => {
            let exit = as_its_client_sends(dialect, caller.name(), "EXIT");
            caller.says(&exit);
        }
        "anonymous" => {
            caller.says("");
            caller.sees_eof();
        }
        _ => caller.closes(),
    }
}

/// One hearer at each door; each has seen those come that came later.
#[track_caller]
fn seat_hearers(server: &Server) -> Vec<Caller> {
    let mut hearers: Vec<Caller> = Vec::new();
    for (dialect, name) in DIALECTS.into_iter().zip(HEARERS) {
        let newcomer = Caller::enters(server, dialect, name);
        let here = hearers.len() + 1;
        for (dialect, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
            hearer.sees(&joined(dialect, newcomer.name(), here));
        }
        hearers.push(newcomer);
    }
    hearers
}

/// Somebody at a door of `dialect` joins, talks, whispers and leaves; all others are at all doors.
#[track_caller]
fn is_heard_at_every_door(dialect: &str) {
    let server = Server::start_with_doors(&DIALECTS, &["--flood", "0"]);
    let mut hearers = seat_hearers(&server);
    let mut sam = Caller::enters(&server, dialect, "sam");
    for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
        hearer.sees(&joined(door, sam.name(), 7));
    }

    let text = "hi, 你好 ☕";
    sam.says(&as_its_client_sends(dialect, sam.name(), text));
    for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
        hearer.sees(&said(door, sam.name(), text));
    }
    if matches!(dialect, "nick" | "mention") {
        let echo = said(dialect, sam.name(), text);
        sam.sees(&echo);
    }

    for at in 0..DIALECTS.len() {
        let (door, hearer) = (DIALECTS[at], &mut hearers[at]);
        messages((dialect, &mut sam), (door, hearer), "just for you");
        messages((door, hearer), (dialect, &mut sam), "and for you");
    }

    // Nobody has heard what was not for them: what each of them says is the next thing heard.
    for at in 0..DIALECTS.len() {
        let text = format!("over at {}", DIALECTS[at]);
        let name = hearers[at].name().to_owned();
        hearers[at].says(&as_its_client_sends(DIALECTS[at], &name, &text));
        sam.sees(&said(dialect, &name, &text));
        for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
            if door != DIALECTS[at] || matches!(door, "nick" | "mention") {
                hearer.sees(&said(door, &name, &text));
            }
        }
    }

    let name = sam.name().to_owned();
    leaves(dialect, sam);
    for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
        hearer.sees(&left(door, &name, 6));
    }
}

#[test]
fn who_speaks_lines_is_heard_at_every_door() {
    is_heard_at_every_door("lines");
}

#[test]
fn who_speaks_nick_is_heard_at_every_door() {
    is_heard_at_every_door("nick");
}

#[test]
fn who_speaks_register_is_heard_at_every_door() {
    is_heard_at_every_door("register");
}

#[test]
fn who_speaks_datagram_is_heard_at_every_door() {
    is_heard_at_every_door("datagram");
}

#[test]
fn who_speaks_anonymous_is_heard_at_every_door() {
    is_heard_at_every_door("anonymous");
}

#[test]
fn who_speaks_mention_is_heard_at_every_door() {
    is_heard_at_every_door("mention");
}

#[test]
fn a_line_that_breaks_or_steers_is_one_plain_line_at_every_door() {
    let server = Server::start_with_doors(&DIALECTS, &["--flood", "0"]);
    let mut hearers = seat_hearers(&server);
    for speaker in 0..DIALECTS.len() {
        let dialect = DIALECTS[speaker];
        let name = hearers[speaker].name().to_owned();
        let forged = "hi\r\u{b}\u{85}\u{2028}bob: \u{1b}[31mhi\u{202e}\u{feff}";
        hearers[speaker].says(&as_its_client_sends(dialect, &name, forged));
        for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
            if door != dialect || matches!(door, "nick" | "mention") {
                hearer.sees(&said(door, &name, "hibob: [31mhi"));
            }
        }
    }
}

#[test]
fn a_blank_message_says_nothing_at_any_door_but_anonymous() {
    let server = Server::start_with_doors(&DIALECTS, &["--flood", "0"]);
    let mut hearers = seat_hearers(&server);
    for speaker in (0..DIALECTS.len()).filter(|at| DIALECTS[*at] != "anonymous") {
        let dialect = DIALECTS[speaker];
        let name = hearers[speaker].name().to_owned();
        let with_no_text = as_its_client_sends(dialect, &name, "");
        let blanks = ["", " ", "\u{1b}\t", "\r", &with_no_text];
        if dialect == "datagram" {
            for blank in blanks {
                hearers[speaker].sends(blank.as_bytes());
            }
            hearers[speaker].sends(b"dora : at last");
        } else {
            hearers[speaker].sends(format!("{}\nat last\n", blanks.join("\n")).as_bytes());
        }
        for (door, hearer) in DIALECTS.into_iter().zip(&mut hearers) {
            if door != dialect || matches!(door, "nick" | "mention") {
                hearer.sees(&said(door, &name, "at last"));
            }
        }
    }
}

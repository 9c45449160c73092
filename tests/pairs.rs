//! Every dialect with every other, in one room: what somebody does in one dialect reaches everybody
//! in their own dialect's words. What only one dialect has is in `dialects.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Caller, DIALECTS, Server};

/// Who is in the room with each dialect, in the order of [`DIALECTS`]. In `anonymous` the name is
/// the address.
const READERS: [&str; 6] = ["lara", "nina", "rosa", "dora", "", "mina"];

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

/// One reader in each dialect; each has seen those join who came later.
#[track_caller]
fn enter_readers(server: &Server) -> Vec<Caller> {
    let mut readers: Vec<Caller> = Vec::new();
    for (dialect, name) in DIALECTS.into_iter().zip(READERS) {
        let newcomer = Caller::enters(server, dialect, name);
        let here = readers.len() + 1;
        for (dialect, reader) in DIALECTS.into_iter().zip(&mut readers) {
            reader.sees(&joined(dialect, newcomer.name(), here));
        }
        readers.push(newcomer);
    }
    readers
}

/// Somebody in `dialect` joins, talks, writes privately and leaves; readers in all dialects see it.
#[track_caller]
fn reaches_every_dialect(dialect: &str) {
    let server = Server::start_with_listeners(&DIALECTS, &["--flood", "0"]);
    let mut readers = enter_readers(&server);
    let mut sam = Caller::enters(&server, dialect, "sam");
    for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
        reader.sees(&joined(spoken, sam.name(), 7));
    }

    let text = "hi, 你好 ☕";
    sam.says(&as_its_client_sends(dialect, sam.name(), text));
    for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
        reader.sees(&said(spoken, sam.name(), text));
    }
    if matches!(dialect, "nick" | "mention") {
        let echo = said(dialect, sam.name(), text);
        sam.sees(&echo);
    }

    for at in 0..DIALECTS.len() {
        let (spoken, reader) = (DIALECTS[at], &mut readers[at]);
        messages((dialect, &mut sam), (spoken, reader), "just for you");
        messages((spoken, reader), (dialect, &mut sam), "and for you");
    }

    // Nobody received what was not for them: what each of them says comes next.
    for at in 0..DIALECTS.len() {
        let text = format!("over at {}", DIALECTS[at]);
        let name = readers[at].name().to_owned();
        readers[at].says(&as_its_client_sends(DIALECTS[at], &name, &text));
        sam.sees(&said(dialect, &name, &text));
        for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
            if spoken != DIALECTS[at] || matches!(spoken, "nick" | "mention") {
                reader.sees(&said(spoken, &name, &text));
            }
        }
    }

    let name = sam.name().to_owned();
    leaves(dialect, sam);
    for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
        reader.sees(&left(spoken, &name, 6));
    }
}

#[test]
fn a_speaker_of_lines_reaches_every_dialect() {
    reaches_every_dialect("lines");
}

#[test]
fn a_speaker_of_nick_reaches_every_dialect() {
    reaches_every_dialect("nick");
}

#[test]
fn a_speaker_of_register_reaches_every_dialect() {
    reaches_every_dialect("register");
}

#[test]
fn a_speaker_of_datagram_reaches_every_dialect() {
    reaches_every_dialect("datagram");
}

#[test]
fn a_speaker_of_anonymous_reaches_every_dialect() {
    reaches_every_dialect("anonymous");
}

#[test]
fn a_speaker_of_mention_reaches_every_dialect() {
    reaches_every_dialect("mention");
}

#[test]
fn a_line_that_breaks_or_steers_is_one_plain_line_in_every_dialect() {
    let server = Server::start_with_listeners(&DIALECTS, &["--flood", "0"]);
    let mut readers = enter_readers(&server);
    for speaker in 0..DIALECTS.len() {
        let dialect = DIALECTS[speaker];
        let name = readers[speaker].name().to_owned();
        let forged = "hi\r\u{b}\u{85}\u{2028}bob: \u{1b}[31mhi\u{202e}\u{feff}";
        readers[speaker].says(&as_its_client_sends(dialect, &name, forged));
        for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
            if spoken != dialect || matches!(spoken, "nick" | "mention") {
                reader.sees(&said(spoken, &name, "hibob: [31mhi"));
            }
        }
    }
}

#[test]
fn a_blank_message_says_nothing_in_any_dialect_but_anonymous() {
    let server = Server::start_with_listeners(&DIALECTS, &["--flood", "0"]);
    let mut readers = enter_readers(&server);
    for speaker in (0..DIALECTS.len()).filter(|at| DIALECTS[*at] != "anonymous") {
        let dialect = DIALECTS[speaker];
        let name = readers[speaker].name().to_owned();
        let with_no_text = as_its_client_sends(dialect, &name, "");
        let blanks = ["", " ", "\u{1b}\t", "\r", &with_no_text];
        if dialect == "datagram" {
            for blank in blanks {
                readers[speaker].sends(blank.as_bytes());
            }
            readers[speaker].sends(b"dora : at last");
        } else {
            readers[speaker].sends(format!("{}\nat last\n", blanks.join("\n")).as_bytes());
        }
        for (spoken, reader) in DIALECTS.into_iter().zip(&mut readers) {
            if spoken != dialect || matches!(spoken, "nick" | "mention") {
                reader.sees(&said(spoken, &name, "at last"));
            }
        }
    }
}

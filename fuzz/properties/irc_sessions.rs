//! What must hold of several IRC clients in a hub, whatever they ask for: each line that they are
//! told is one of the protocol, batches begin before they are used and end, and no label is
//! answered twice. Somebody at `lines` sits among them.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use chinwag::config::{Config, Limits};
use chinwag::dialect::{Dialect, Encoding};

use super::input::Input;
use super::world::{UNLIMITED, World};

/// How many there are, and what each asks for first.
const CLIENTS: [&str; 4] = [
    "CAP REQ :server-time message-tags batch labeled-response echo-message draft/multiline",
    "CAP REQ :batch labeled-response extended-join away-notify setname draft/chathistory",
    "CAP REQ :multi-prefix userhost-in-names invite-notify draft/read-marker extended-monitor",
    "CAP LS 302",
];

const COMMANDS: [&str; 47] = [
    "PRIVMSG",
    "NOTICE",
    "TAGMSG",
    "PING",
    "PONG",
    "CAP",
    "PASS",
    "NICK",
    "USER",
    "AUTHENTICATE",
    "QUIT",
    "ERROR",
    "JOIN",
    "PART",
    "TOPIC",
    "NAMES",
    "LIST",
    "INVITE",
    "KICK",
    "MODE",
    "WHO",
    "WHOIS",
    "WHOWAS",
    "USERHOST",
    "ISON",
    "MONITOR",
    "AWAY",
    "SETNAME",
    "LUSERS",
    "MOTD",
    "VERSION",
    "TIME",
    "INFO",
    "ADMIN",
    "LINKS",
    "STATS",
    "HELP",
    "OPER",
    "KILL",
    "REHASH",
    "WALLOPS",
    "CHATHISTORY",
    "MARKREAD",
    "BATCH",
    "NS",
    "privmsg",
    "X",
];

/// What may stand behind a command.
const WORDS: [&str; 64] = [
    "a0",
    "a1",
    "a2",
    "A3",
    "lena",
    "nobody",
    "a9",
    "#a",
    "#b",
    "#A",
    "#lobby",
    "#none",
    "@#a",
    "+#a",
    "@+#b",
    "#a,#b",
    "a0,a1,#a",
    "a,b,c,d,e,f",
    ",",
    "*",
    "0",
    "+",
    "-",
    "C",
    "L",
    "S",
    "o",
    "+o",
    "-o",
    "+v",
    "+b",
    "b",
    "+bb-b",
    "+imnst",
    "-imnst",
    "+k",
    "-k",
    "+l",
    "-l",
    "5",
    "key",
    "a*!*@*",
    "a?",
    "%tcuihsnfdlaor,7",
    "LS",
    "302",
    "LIST",
    "END",
    "REQ",
    "LATEST",
    "BEFORE",
    "TARGETS",
    "BETWEEN",
    "msgid=3",
    "timestamp=2001-09-09T01:46:40.000Z",
    "+m",
    "draft/multiline",
    "-m",
    "PLAIN",
    "irc.chinwag",
    "u",
    ">1",
    "\u{1}ACTION x\u{1}",
    "é",
];

/// What a command may end with.
const ENDS: [&str; 10] = [
    "",
    "",
    " :",
    " :hello there",
    " ::",
    " :  ",
    " :\u{1}ACTION waves\u{1}",
    " :\u{2}b\u{3}04,1c",
    " :batch -echo-message cap-notify",
    " :-batch",
];

/// What may stand before one.
const TAGS: [&str; 6] = ["", "", "@+x=y ", "@batch=m ", "@batch=m;draft/multiline-concat ", ":a "];

/// Clients ask for anything, and go.
pub fn irc_sessions(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = Limits { flood: None, connects: None, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let mut world = World::new(&config, (16 * 1024, 64 * 1024));
    let mut clients = Vec::new();
    let mut connect = |world: &mut World, dialect, first: &str| {
        let key = world.connect(dialect, (Ipv4Addr::LOCALHOST, 50_000).into(), UNLIMITED);
        let key = key.unwrap_or_else(|| unreachable!("there is room"));
        world.send(key, first.as_bytes(), false);
        world.settle();
        clients.push(key);
    };
    for (number, caps) in CLIENTS.iter().enumerate() {
        let names = format!("NICK a{number}\r\nUSER a{number} 0 * :A {number}");
        let first = format!("{caps}\r\n{names}\r\nCAP END\r\nJOIN #a\r\n");
        connect(&mut world, Dialect::Irc(Encoding::PLAIN), &first);
    }
    connect(&mut world, Dialect::Lines, "lena\n/join a\n");
    let mut labels = 0;
    while !input.is_used_up() {
        let key = input.one_of(&clients);
        if !world.is_connected(key) {
            continue;
        }
        let line = line(&mut input, &mut labels);
        world.send(key, line.as_bytes(), false);
        if input.byte() < 200 {
            world.settle();
        }
    }
    world.settle();
    for key in clients.iter().take(CLIENTS.len()) {
        check(&world.received(*key), world.is_connected(*key));
    }
    world.come_to_rest(true);
}

/// A line that somebody sends.
fn line(input: &mut Input<'_>, labels: &mut usize) -> String {
    let kind = input.byte();
    if kind >= 240 {
        return format!("{}\r\n", input.text().replace("label", ""));
    }
    let mut line = input.one_of(&TAGS).to_owned();
    if kind >= 160 {
        *labels += 1;
        let rest = line.strip_prefix('@').map_or(format!(" {line}"), |rest| format!(";{rest}"));
        line = format!("@label=l{labels}{rest}");
    }
    let command = input.one_of(&COMMANDS);
    // Who has gone asks for nothing more.
    line += if command == "QUIT" && input.byte() < 240 { "JOIN" } else { command };
    for _ in 0..input.below(5) {
        line += " ";
        line += input.one_of(&WORDS);
    }
    line + input.one_of(&ENDS) + "\r\n"
}

/// What an IRC client was told is made of lines of the protocol.
fn check(received: &str, is_connected: bool) {
    let (mut open, mut labels) = (HashSet::new(), HashSet::new());
    for line in received.split_inclusive('\n') {
        let Some(line) = line.strip_suffix("\r\n") else {
            assert!(!is_connected, "{line:?} has no end");
            return;
        };
        let (tags, rest) = match line.strip_prefix('@') {
            Some(tagged) => tagged.split_once(' ').unwrap_or((tagged, "")),
            None => ("", line),
        };
        let is_answer_to_caps = rest.contains(" CAP ");
        assert!(rest.len() <= 510 || is_answer_to_caps, "{} bytes: {line:?}", rest.len());
        let head = rest.split_once(" :").map_or(rest, |(head, _)| head);
        let head = head.strip_prefix(':').unwrap_or(head);
        assert!(head.split(' ').all(|word| !word.is_empty()), "{line:?} has an empty word");
        for tag in tags.split(';') {
            match tag.split_once('=') {
                Some(("batch", of)) => assert!(open.contains(of), "no such batch: {line:?}"),
                Some(("label", of)) => assert!(labels.insert(of), "answered twice: {line:?}"),
                _ => {}
            }
        }
        let mut words = head.split(' ').skip_while(|word| *word != "BATCH").skip(1);
        if let Some(reference) = words.next() {
            match reference.split_at(1) {
                ("+", of) => assert!(open.insert(of), "it is open: {line:?}"),
                ("-", of) => assert!(open.remove(of), "it is not open: {line:?}"),
                _ => {}
            }
        }
    }
    assert!(!is_connected || open.is_empty(), "a batch has no end: {open:?}");
}

//! The dialect `lines` as its clients know it, written down a second time and independent of the
//! crate's: how a wish is typed, how an answer is worded, and what a line from the room says.

use fastrand::Rng;
use unicode_width::UnicodeWidthChar as _;

use super::names::{self, Name};
use super::order::{self, Rooms, What};
use super::swarm::{Swarm, happens};

pub(crate) const ASKED: &str = "* Welcome to chinwag. What is your nickname?";
pub(crate) const GOODBYE: &str = "* Goodbye.";
pub(crate) const STOPPING: &str = "* The server is stopping.";
pub(crate) const TOO_SLOW: &str = "! You are too far behind the room and have been disconnected.";
pub(crate) const SERVER_FULL: &str = "! The server is full.";
pub(crate) const ADDRESS_FULL: &str = "! There are too many connections from your address.";
pub(crate) const UNENDED: &str = "! 65536 bytes came without a line end.";
pub(crate) const NOT_UTF8: &str = "! That line is not UTF-8 text and was not sent.";
pub(crate) const NOTHING_SAID: &str = "* Nothing has been said yet.";
pub(crate) const NOTHING_TO_REPLY: &str = "! Nobody has messaged you yet.";
pub(crate) const TELL_SELF: &str = "! You cannot message yourself.";
pub(crate) const IGNORE_SELF: &str = "! You cannot ignore yourself.";

/// What others are told when somebody leaves not with words of their own.
pub(crate) const REASONS: [&str; 5] =
    ["connection lost", "too slow", "no line end", "timed out", "protocol error"];

/// Why a browser is closed that did what it must not.
pub(crate) fn violation(code: u16) -> String {
    format!("! What your program sent is against the protocol, or too long ({code}).")
}

/// Why a private message to somebody did not go out.
pub(crate) fn too_much(name: &str) -> String {
    format!("! {name} has too much to read already. Your message was not sent.")
}

/// The longest topic.
pub(crate) const TOPIC_BYTES_MAX: usize = 512;

/// Why somebody cannot say what a room is about that another has opened.
pub(crate) fn operator_only(title: &str) -> String {
    format!("! Only an operator of {title} may do that.")
}

/// What is answered to a longer one.
pub(crate) const TOPIC_TOO_LONG: &str = "! A topic has at most 512 bytes.";

/// The commands, in the order in which `/help` tells them.
pub(crate) const HELP: [(&str, &str); 19] = [
    ("me", "* /me TEXT - say what you do: ** alice waves"),
    ("msg", "* /msg NAME TEXT - say something to one person alone; also /tell"),
    ("reply", "* /reply TEXT - answer the last person who messaged you; also /r"),
    ("nick", "* /nick NAME - take another nickname"),
    ("who", "* /who [#ROOM] - list who is here, or in another room; also /names, /list and #"),
    ("whois", "* /whois NAME - say who somebody is: account and rooms"),
    (
        "history",
        "* /history [COUNT] - show the last lines again, in UTC; also /history #ROOM, before DATE, \
         more",
    ),
    (
        "search",
        "* /search WORDS [from:NAME] [in:#ROOM] [before:DATE] [after:DATE] - look for what was \
         said; /search more shows older lines",
    ),
    ("forget", "* /forget me - let nobody see again what you have said since you came"),
    (
        "join",
        "* /join [ROOM [KEY]] - go to a room, which is made if there is none; or say where you are",
    ),
    ("part", "* /part - leave the room; where one is in one room at a time, go back to the first"),
    ("rooms", "* /rooms - list the rooms, with how many are there and what they are about"),
    ("topic", "* /topic [TEXT] - say what the room is about, or ask for it"),
    ("invite", "* /invite NAME - tell somebody of the room that you are in"),
    (
        "room",
        "* /room [SETTING VALUE] - show or set topic, moderated, invite, secret, members (on, \
         off), key and limit",
    ),
    ("ignore", "* /ignore [NAME] - hear no more of somebody, or list whom you ignore"),
    ("unignore", "* /unignore NAME - hear somebody again"),
    ("help", "* /help [COMMAND] - show this, or one command; also &"),
    ("quit", "* /quit [REASON] - leave; also /exit, quit and exit. //text says /text"),
];

/// What cannot be said so, and the answer.
pub(crate) const MISUSES: [(&str, &str); 8] = [
    ("/me", "! Usage: /me TEXT"),
    ("/me  ", "! Usage: /me TEXT"),
    ("/msg", "! Usage: /msg NAME TEXT"),
    ("/tell pankhurst", "! Usage: /msg NAME TEXT"),
    ("/reply", "! Usage: /reply TEXT"),
    ("/nick", "! Usage: /nick NAME"),
    ("/history x", "! Usage: /history [COUNT]"),
    ("/UNIGNORE", "! Usage: /unignore NAME"),
];

/// What a client means by a line, once it is in the room.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// To say this; what is said of it is left when it has been cleaned.
    Say(String),
    Emote(String),
    Tell(String, String),
    Reply(String),
    Nick(Name),
    /// To be called something impossible; the refusal.
    BadNick(String),
    Who,
    History(Option<usize>),
    Ignore(String),
    Unignore(String),
    Ignoring,
    /// Help on one command, or on all.
    Help(Option<usize>),
    /// Something that is answered by this line, whatever else is so.
    Refused(String),
    Quit(String),
    /// To go to a room, or into one more.
    Join(Rooms),
    Part,
    /// To be told in which room it is.
    Where,
    Rooms,
    /// Who is in another room; the answer, if there is no such room.
    WhoIn(Result<Rooms, String>),
    /// To say what the room is about, or to ask for it.
    Topic(String),
    AskTopic,
    Invite(String),
    /// So much without a line end that the connection is closed.
    Endless,
    /// What a browser must not send, and the code with which it is closed for that.
    Violation(u16),
}

/// A line that a client has sent.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) wish: Wish,
    pub(crate) naming: Naming,
}

/// What the same line means to somebody who is asked for a name.
#[derive(Clone, Debug)]
pub(crate) enum Naming {
    Attempt(Name),
    Refused(String),
    /// One of the refusals of a name that has bad characters and is perhaps too long.
    Impossible,
    /// The same as later.
    AsChatting,
    /// Nothing, and it is not answered.
    Ignored,
    /// Another protocol.
    WrongProtocol,
}

impl Line {
    /// The line and its bytes, without a line end.
    pub(crate) fn plain(text: &str, wish: Wish) -> (Line, Vec<u8>) {
        (Line { wish, naming: Naming::Impossible }, text.as_bytes().to_vec())
    }

    pub(crate) fn say(text: &str) -> (Line, Vec<u8>) {
        Line::plain(text, Wish::Say(clean(text.strip_prefix("/").unwrap_or(text))))
    }

    pub(crate) fn command(word: &str, rest: &str, wish: Wish) -> (Line, Vec<u8>) {
        let text = if rest.is_empty() { format!("/{word}") } else { format!("/{word} {rest}") };
        Line::plain(&text, wish)
    }

    pub(crate) fn name(name: Name) -> (Line, Vec<u8>) {
        let (mut line, bytes) = Line::say(&name.typed);
        line.naming = Naming::Attempt(name);
        (line, bytes)
    }

    pub(crate) fn bad_name(name: &str, why: &str) -> (Line, Vec<u8>) {
        let (mut line, bytes) = Line::say(name);
        line.naming = Naming::Refused(format!("! {why}"));
        (line, bytes)
    }

    /// A line that is too long to mean anything.
    pub(crate) fn plain_bytes(bytes: &[u8]) -> (Line, Vec<u8>) {
        (Line { wish: Wish::Say(String::new()), naming: Naming::Impossible }, bytes.to_vec())
    }

    /// A line that means the same before and after giving a name.
    pub(crate) fn always(bytes: &[u8], wish: Wish) -> (Line, Vec<u8>) {
        (Line { wish, naming: Naming::AsChatting }, bytes.to_vec())
    }
}

/// Makes a line ready to be sent: with its end, and with telnet bytes wherever they may be.
pub(crate) fn frame(bytes: &[u8], ended: bool, rng: &mut Rng, swarm: &Swarm) -> Vec<u8> {
    let mut framed = Vec::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        // Not between the two halves of an escaped 255.
        if framed.last() != Some(&255) && happens(rng, swarm.telnet / 8) {
            framed.extend_from_slice(telnet(rng));
        }
        framed.push(byte);
    }
    if ended {
        if framed.last() != Some(&255) && happens(rng, swarm.telnet / 8) {
            framed.extend_from_slice(telnet(rng));
        }
        if happens(rng, swarm.crlf) {
            framed.push(b'\r');
        }
        framed.push(b'\n');
    }
    framed
}

fn telnet(rng: &mut Rng) -> &'static [u8] {
    const SEQUENCES: [&[u8]; 5] = [
        b"\xff\xfd\x01",
        b"\xff\xf4",
        b"\xff\xfb\xff",
        b"\xff\xfa\x18\x00\n\xff\xff\xff\xf0",
        b"\xff\xf1\xff\xfe\x0a",
    ];
    SEQUENCES[rng.usize(..SEQUENCES.len())]
}

/// What is left of a text: HAZARDS.md, "Text". Of marks and of what is blank without being white
/// space, it knows only those that are said here.
pub(crate) fn clean(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !steers(*c)) {
        if !is_mark(c) && !is_space(c) {
            left.push(c);
            continue;
        }
        let end = |part: &dyn Fn(char) -> bool| &left[left.trim_end_matches(part).len()..];
        let marks = end(&is_mark).chars().count();
        let gap = end(&|c| is_mark(c) || is_space(c));
        let columns = |c: char| match c {
            '\t' => 8,
            '\u{3000}' | '\u{3164}' => 2,
            c => usize::from(is_space(c)),
        };
        let most = if gap == left { 32 } else { 8 };
        let taken: usize = gap.chars().map(columns).sum();
        if if is_mark(c) { marks < 4 } else { taken < most } {
            left.push(c);
        }
    }
    left
}

/// Whether a character takes no column of its own. Any may come of random bytes.
fn is_mark(c: char) -> bool {
    c.width() == Some(0) && !is_space(c) && !steers(c)
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{3164}' || c == '\u{2800}'
}

/// Whether nothing of a text is to be seen, once it has been cleaned.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| is_space(c) || is_mark(c) || steers(c))
}

/// Whether nothing in a text steers a terminal.
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(steers)
}

fn steers(c: char) -> bool {
    c.is_control() && c != '\t'
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
        || c == '\u{feff}'
        || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// A line that has come from the server.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Told to the room; how many more of the last kind there were; and the number of people that
    /// a notice ends with.
    Room(Vec<What>, usize, Option<usize>),
    /// A private message.
    Private { from: String, text: String },
    /// An invitation to a room.
    Invited { from: String, room: Rooms },
    /// Anything else is for this client alone.
    Own,
}

/// Understands a line that has come.
pub(crate) fn hear(line: &str) -> Heard {
    assert!(is_harmless(line), "a line that steers the terminal: {line:?}");
    if line == STOPPING {
        return Heard::Room(vec![What::Stopping], 0, None);
    }
    if let Some(rest) = line.strip_prefix("** ") {
        let (from, text) = rest.split_once(' ').unwrap();
        return said(from, text, true);
    }
    if let Some(rest) = line.strip_prefix("* ") {
        return about_room(rest).or_else(|| notice(rest)).unwrap_or(Heard::Own);
    }
    if let Some(rest) = line.strip_prefix('[') {
        let told = rest.split_once("] ").and_then(|(who, text)| {
            Some(Heard::Private {
                from: who.strip_suffix(" -> you")?.to_owned(),
                text: text.to_owned(),
            })
        });
        return told.unwrap_or(Heard::Own);
    }
    if line.starts_with("! ") {
        return Heard::Own;
    }
    let Some((from, text)) = line.split_once(": ") else { panic!("not a line: {line:?}") };
    said(from, text, false)
}

fn said(from: &str, text: &str, emote: bool) -> Heard {
    let what = What::Said { from: from.to_owned(), text: text.to_owned(), emote };
    Heard::Room(vec![what], 0, None)
}

/// `alice says what #ops is about: TEXT` and its like.
fn about_room(line: &str) -> Option<Heard> {
    let (name, rest) = line.split_once(' ')?;
    let topic = |text: &str| {
        let what = What::Topic { by: name.to_owned(), text: text.to_owned() };
        Some(Heard::Room(vec![what], 0, None))
    };
    if let Some(rest) = rest.strip_prefix("says what #") {
        let (_, text) = rest.split_once(" is about: ")?;
        return topic(text);
    }
    if rest.starts_with("says that #") && rest.ends_with(" is about nothing in particular") {
        return topic("");
    }
    let (title, rest) = rest.strip_prefix("invites you to ")?.split_once(". Type /join ")?;
    assert_eq!(rest, format!("{title} to go there."));
    Some(Heard::Invited { from: name.to_owned(), room: order::room_called(title) })
}

/// `alice, bob and carol joined (3 here)` and its like.
fn notice(line: &str) -> Option<Heard> {
    let (mut names, mut rest) = (Vec::new(), line);
    loop {
        let (word, after) = rest.split_once(' ')?;
        rest = after;
        match word.strip_suffix(',') {
            Some(word) => names.push(word.to_owned()),
            None => {
                names.push(word.to_owned());
                match rest.strip_prefix("and ") {
                    Some(after) => rest = after,
                    None => break,
                }
            }
        }
    }
    let mut more = 0;
    if let Some(after) = rest.strip_prefix("more ") {
        rest = after;
        more = names.pop()?.parse().ok()?;
        assert!(names.len() == 8 && more > 0, "not so many names: {line:?}");
    }
    if let Some(new) = rest.strip_prefix("is now ") {
        let (old, new) = (names.pop()?, new.to_owned());
        return Some(Heard::Room(vec![What::Renamed { old, new }], 0, None));
    }
    let (rest, count) = rest.strip_suffix(" here)")?.rsplit_once(" (")?;
    let whats = if rest == "joined" {
        names.into_iter().map(What::Joined).collect()
    } else {
        let why = match rest {
            "left" => None,
            rest => Some(rest.strip_prefix("left: ")?.to_owned()),
        };
        names.into_iter().map(|name| What::Left { name, why: why.clone() }).collect()
    };
    Some(Heard::Room(whats, more, Some(count.parse().ok()?)))
}

/// The line by which somebody is let in.
pub(crate) fn welcome(name: &str, roster: &[String]) -> String {
    let sorted = sorted(roster);
    let mut here = sorted[..sorted.len().min(20)].join(", ");
    if sorted.len() > 20 {
        here += &format!(" and {} more", sorted.len() - 20);
    }
    format!("* You are {name}. Here now: {here}. Type /help for help.")
}

/// What somebody is told who comes into another room.
pub(crate) fn in_room(title: &str, roster: &[String]) -> String {
    let welcome = welcome("", roster);
    let here = welcome.strip_prefix("* You are . ").unwrap();
    format!("* You are in {title}. {}", here.strip_suffix(" Type /help for help.").unwrap())
}

/// What a room is about, as somebody is told who asks or comes in.
pub(crate) fn topic(title: &str, topic: &str) -> String {
    match topic {
        "" => format!("* {title} has no topic."),
        topic => format!("* {title} is about: {topic}"),
    }
}

/// The answer to `/who`.
pub(crate) fn who(roster: &[String]) -> String {
    format!("* {} here: {}", roster.len(), sorted(roster).join(", "))
}

/// The same of another room.
pub(crate) fn who_is_in(title: &str, roster: &[String]) -> String {
    format!("* {} in {title}: {}", roster.len(), sorted(roster).join(", "))
}

pub(crate) fn sorted(roster: &[String]) -> Vec<&str> {
    let mut names: Vec<_> = roster.iter().map(String::as_str).collect();
    names.sort_by_key(|name| names::fold(name));
    names
}

/// The answer to `/ignore`.
pub(crate) fn ignoring(names: &[String]) -> String {
    match names {
        [] => "* You ignore nobody.".to_owned(),
        names => format!("* You ignore: {}.", names.join(", ")),
    }
}

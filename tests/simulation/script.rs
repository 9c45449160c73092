//! What clients say: for each kind of wish, its bytes and what they mean.

use std::fmt::Write as _;

use fastrand::Rng;

use super::client::Client;
use super::lines::{self, HELP, Line, MISUSES, NOT_UTF8, Naming, Wish};
use super::names::{INVALID, Name, Names};
use super::order::ROOMS;
use super::socket::End;
use super::swarm::{Kind, Swarm, happens};

/// What a client knows of the world when it says something.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) swarm: &'a Swarm,
    pub(crate) names: &'a mut Names,
    pub(crate) roster: &'a [String],
}

/// Sends one line of a kind that the seed has; at first mostly names.
pub(crate) fn write(client: &mut Client, scene: &mut Scene<'_>, last: bool) {
    let max = scene.swarm.config.limits.line_bytes_max;
    let nameless = client.name.is_empty();
    let kind = match pick(scene) {
        _ if nameless && scene.rng.u8(..4) > 0 => Kind::Name,
        // As lines of chat these would be said more than once.
        Kind::BadName if !nameless => Kind::Text,
        kind => kind,
    };
    let (mut line, bytes) = draft(kind, client, scene);
    if client.is_browser() || client.is_irc() {
        return client.send(line, &bytes, last, (scene.rng, scene.swarm));
    }
    if matches!(line.wish, Wish::Endless) {
        // First it is too long; nothing after it is ever heard.
        client.lines.push(too_long(max));
        client.ending = if scene.rng.bool() { End::Fin } else { End::Open };
        client.silent = true;
    } else if bytes.len() > max && !matches!(line.naming, Naming::WrongProtocol) {
        line = too_long(max);
    }
    if last && (bytes.is_empty() || matches!(line.naming, Naming::WrongProtocol)) {
        return;
    }
    client.send(line, &bytes, last, (scene.rng, scene.swarm));
}

fn too_long(max: usize) -> Line {
    let why = format!("! That line is longer than {max} bytes and was not sent.");
    Line { wish: Wish::Refused(why), naming: Naming::AsChatting }
}

pub(crate) fn pick(scene: &mut Scene<'_>) -> Kind {
    let wishes = &scene.swarm.wishes;
    let all: u32 = wishes.iter().map(|(_, weight)| weight).sum();
    let mut at = scene.rng.u32(..all);
    let found = wishes.iter().find(|(_, weight)| {
        let found = at < *weight;
        at = at.saturating_sub(*weight);
        found
    });
    found.unwrap().0
}

fn draft(kind: Kind, client: &mut Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    let max = scene.swarm.config.limits.line_bytes_max;
    match kind {
        Kind::Text => Line::say(&text(client, scene)),
        Kind::Emote => {
            let text = text(client, scene);
            Line::command(
                pick_of(scene, &["me", "ME"]),
                &text,
                Wish::Emote(lines::clean(text.trim_start())),
            )
        }
        Kind::Tell => {
            let (to, text) = (somebody(scene), text(client, scene));
            let wish = Wish::Tell(to.clone(), lines::clean(text.trim_start()));
            Line::command(pick_of(scene, &["msg", "tell", "MSG"]), &format!("{to} {text}"), wish)
        }
        Kind::Reply => {
            let text = text(client, scene);
            Line::command(
                pick_of(scene, &["reply", "r"]),
                &text,
                Wish::Reply(lines::clean(text.trim_start())),
            )
        }
        Kind::Name => Line::name(fresh(client, scene)),
        Kind::Nick => nick(client, scene),
        Kind::BadName => {
            let (name, why) = INVALID[scene.rng.usize(..INVALID.len())];
            Line::bad_name(name, why)
        }
        Kind::Ignore | Kind::Unignore => {
            let name = somebody(scene);
            match kind {
                Kind::Ignore => Line::command("ignore", &name.clone(), Wish::Ignore(name)),
                _ => Line::command("unignore", &name.clone(), Wish::Unignore(name)),
            }
        }
        Kind::TooLong => Line::plain_bytes(&vec![b'y'; max + 1 + scene.rng.usize(..50)]),
        Kind::Noise => noise(client, scene),
        Kind::NotUtf8 => {
            const BYTES: [&[u8]; 4] = [b"hi\xff\xff", b"\xc3(", b"\xf0\x9f\x98", b"\xffx"];
            let bytes = BYTES[scene.rng.usize(..BYTES.len())];
            Line::always(bytes, Wish::Refused(NOT_UTF8.to_owned()))
        }
        Kind::WrongProtocol => foreign(client, scene),
        Kind::Endless if scene.swarm.short_read < 100 => {
            Line::always(&vec![b'z'; 65536 + scene.rng.usize(..9)], Wish::Endless)
        }
        Kind::Quit => quit(client, scene),
        Kind::Join => join(scene),
        Kind::Topic => topic(client, scene),
        Kind::Invite => {
            let name = somebody(scene);
            Line::command("invite", &name.clone(), Wish::Invite(name))
        }
        // What two histories in a row have brought could not be told apart.
        Kind::History if has_asked_for_history(client) => simple(Kind::Who, scene),
        _ => simple(kind, scene),
    }
}

/// Whether the last thing that it asked for and that was answered was the history.
fn has_asked_for_history(client: &Client) -> bool {
    let answered = |wish: &&Wish| !matches!(wish, Wish::Say(_) | Wish::Emote(_));
    let last = client.lines.iter().rev().map(|line| &line.wish).find(answered);
    matches!(last, Some(Wish::History(_)))
}

/// Another room, or the one that it is in; as it is called, or nearly so.
fn join(scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    let room = scene.rng.usize(..scene.swarm.rooms);
    let mut typed = match scene.rng.u8(..4) {
        0 => ROOMS[room].to_ascii_uppercase(),
        1 => ROOMS[room].replace('#', ""),
        _ => ROOMS[room].to_owned(),
    };
    if !scene.swarm.witness && scene.rng.bool() {
        typed = format!("room{}", scene.rng.u8(..9));
    }
    if scene.rng.u8(..16) == 0 {
        let why = "! -x cannot be the name of a room: 1 to 32 letters and digits, with - _ . \
            inside.";
        return Line::plain("/join -x", Wish::Refused(why.to_owned()));
    }
    Line::command(pick_of(scene, &["join", "JOIN", "j"]), &typed, Wish::Join(1 << room))
}

fn topic(client: &Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    if scene.rng.u8(..6) == 0 {
        return Line::command("topic", "\u{7}", Wish::Topic(String::new()));
    }
    let text = text(client, scene);
    let wish = match lines::clean(text.trim()) {
        topic if topic.len() > lines::TOPIC_BYTES_MAX => {
            Wish::Refused(lines::TOPIC_TOO_LONG.to_owned())
        }
        topic => Wish::Topic(topic),
    };
    Line::command("topic", &text, wish)
}

/// The wishes that have no text of their own.
fn simple(kind: Kind, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    match kind {
        Kind::Who => {
            Line::plain(pick_of(scene, &["/who", "/NAMES", "/list", "#", " # "]), Wish::Who)
        }
        Kind::History => match scene.rng.u8(..6) {
            0 => Line::plain("/history", Wish::History(None)),
            n => Line::plain(&format!("/history {}", n - 1), Wish::History(Some((n - 1).into()))),
        },
        Kind::Ignoring => Line::plain("/ignore", Wish::Ignoring),
        Kind::Part => Line::plain("/part", Wish::Part),
        Kind::Where => Line::plain(pick_of(scene, &["/join", "/J "]), Wish::Where),
        Kind::Rooms => Line::plain("/rooms", Wish::Rooms),
        Kind::AskTopic => Line::plain("/topic", Wish::AskTopic),
        Kind::WhoIn => match scene.rng.usize(..=scene.swarm.rooms) {
            room if room < scene.swarm.rooms => {
                Line::plain(&format!("/who {}", ROOMS[room]), Wish::WhoIn(Ok(1 << room)))
            }
            _ => {
                let why = "! There is no room #nowhere.".to_owned();
                Line::plain("/names #nowhere", Wish::WhoIn(Err(why)))
            }
        },
        Kind::Help => match scene.rng.usize(..14) {
            10 => Line::plain(" & ", Wish::Help(None)),
            11.. => Line::always(b"/Help", Wish::Help(None)),
            i => Line::always(format!("/help /{}", HELP[i].0).as_bytes(), Wish::Help(Some(i))),
        },
        Kind::Misuse => {
            let (text, why) = MISUSES[scene.rng.usize(..MISUSES.len())];
            Line::plain(text, Wish::Refused(why.to_owned()))
        }
        Kind::Unknown => {
            let word = pick_of(scene, &["", "nope", "WHOWAS", "\u{1b}[2J"]);
            let why =
                format!("! There is no command /{}. Type /help for help.", lines::clean(word));
            Line::plain(&format!("/{word} x"), Wish::Refused(why))
        }
        _ => {
            let text = pick_of(scene, &["", "  ", "\t", "\u{3000}", "\u{3164}", " \u{202e} "]);
            let (mut line, bytes) = Line::plain(text, Wish::Say(String::new()));
            if text.is_empty() {
                line.naming = Naming::Refused(format!("! {}", INVALID[0].1));
            }
            (line, bytes)
        }
    }
}

fn pick_of<'a>(scene: &mut Scene<'_>, these: &[&'a str]) -> &'a str {
    these[scene.rng.usize(..these.len())]
}

/// A text that nobody else says.
pub(crate) fn text(client: &Client, scene: &mut Scene<'_>) -> String {
    let id = format!("{}#{}", client.id, client.lines.len() + client.said);
    let max = scene.swarm.config.limits.line_bytes_max;
    if happens(scene.rng, scene.swarm.long_text) {
        let most = max.saturating_sub(id.len()).min(1000);
        return format!("{id}{}", filler(&id, scene.rng.usize(..=most)));
    }
    match scene.rng.u8(..22) {
        20 => format!("{}{id}{}x: y", gap(scene), gap(scene)),
        21 => format!("{id} a{}b", "\u{301}\u{302}".repeat(scene.rng.usize(..4))),
        0 => format!("{id} \u{1b}[31m\ta\u{202e}b\r\u{2028}c\u{85}"),
        1 => format!("{id} \u{1f469}\u{200d}\u{1f467} \u{5e9}\u{5dc}\u{5d5}\u{5dd}  "),
        2 => format!("  {id}: * joined"),
        3 => format!("//{id}"),
        4 => format!("{id}{}", filler(&id, max.saturating_sub(id.len()))),
        5 => format!("{id}{}", filler(&id, scene.rng.usize(..max))),
        6 => format!("[you -> {id}] x"),
        7..=12 => format!("{id} so it is, is it not?"),
        _ => id,
    }
}

/// White space of several kinds and what looks like it, narrow or wide.
fn gap(scene: &mut Scene<'_>) -> String {
    let blanks = [" ", " ", " ", "\t", "\u{3000}", "\u{3164}", "\u{2800}", "\u{200b}"];
    let count = scene.rng.usize(..50);
    (0..count).map(|_| pick_of(scene, &blanks)).collect()
}

/// So many bytes, of which no part comes twice unless it is very short.
pub(crate) fn filler(id: &str, length: usize) -> String {
    let mut text = String::with_capacity(length + id.len() + 8);
    for i in 0.. {
        if text.len() >= length {
            break;
        }
        write!(text, "w{i}w{id}").unwrap();
    }
    text.truncate(length);
    text
}

/// Somebody to write to or not to hear: often, but not always, there.
pub(crate) fn somebody(scene: &mut Scene<'_>) -> String {
    if scene.roster.is_empty() || scene.rng.u8(..10) == 0 {
        return "nobody_7".to_owned();
    }
    if scene.rng.u8(..40) == 0 {
        return "\u{fdfa}".repeat(scene.rng.usize(1..100));
    }
    let name = &scene.roster[scene.rng.usize(..scene.roster.len())];
    // Names without capitals in their family can be written in any.
    if scene.rng.u8(..4) == 0 && name.is_ascii() && name.len() > 6 {
        return name.to_ascii_uppercase();
    }
    name.clone()
}

pub(crate) fn fresh(client: &mut Client, scene: &mut Scene<'_>) -> Name {
    let name = scene.names.fresh(scene.rng);
    client.name.clone_from(&name.shown);
    name
}

/// Sometimes, the name of somebody it ignores, who may have left.
fn ignored(client: &mut Client, scene: &mut Scene<'_>) -> Option<Name> {
    let whom = client.lines.iter().rev().find_map(|line| match &line.wish {
        Wish::Ignore(name) => Some(name),
        _ => None,
    });
    let name = scene.names.fresh_like(whom.filter(|_| scene.rng.u8(..3) == 0)?)?;
    client.name.clone_from(&name.shown);
    Some(name)
}

fn nick(client: &mut Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    match scene.rng.u8(..8) {
        0 => {
            // An empty name is not a name but a misuse.
            let (name, why) = INVALID[scene.rng.usize(2..INVALID.len())];
            Line::command("nick", name, Wish::BadNick(format!("! {why}")))
        }
        1 if !client.name.is_empty() => {
            let name = Name { typed: client.name.clone(), shown: client.name.clone() };
            Line::command("nick", &name.typed.clone(), Wish::Nick(name))
        }
        _ => {
            let before = client.name.clone();
            let name = ignored(client, scene).unwrap_or_else(|| fresh(client, scene));
            if before.is_empty() {
                // It has not been let in yet, and still has to give a name.
                client.name = before;
            }
            Line::command("nick", &name.typed.clone(), Wish::Nick(name))
        }
    }
}

fn noise(client: &Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    let mut bytes = format!("!{}#{}", client.id, client.lines.len()).into_bytes();
    let top = if scene.rng.bool() { 0x7f } else { 0xfe };
    let noise = (0..scene.rng.usize(..20)).map(|_| scene.rng.u8(..=top));
    bytes.extend(noise.filter(|byte| !matches!(byte, b'\n' | b'\r')));
    match std::str::from_utf8(&bytes) {
        Ok(text) => Line::say(text),
        Err(_) => Line::always(&bytes, Wish::Refused(NOT_UTF8.to_owned())),
    }
}

fn foreign(client: &Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    let id = format!("{}.{}", client.id, client.lines.len());
    let text = match scene.rng.u8(..3) {
        0 => "\u{16}\u{3}\u{1}\u{2}".to_owned(),
        1 => format!("GET /{id} HTTP/1.1"),
        _ => format!("POST /a-long-way-to-go-to/{id} HTTP/1.1"),
    };
    let text = text.as_str();
    let (mut line, mut bytes) = Line::plain(text, Wish::Say(lines::clean(text)));
    if client.lines.is_empty() {
        line.naming = Naming::WrongProtocol;
        bytes.extend_from_slice(b"\r\nHost: x\r\n\r\n");
    }
    (line, bytes)
}

fn quit(client: &Client, scene: &mut Scene<'_>) -> (Line, Vec<u8>) {
    if client.name.is_empty() && !happens(scene.rng, 200) {
        return Line::plain("/who", Wish::Who);
    }
    let why = pick_of(scene, &["", "", "so long", "(9 here)", "a and b joined (3 here)", "\u{7}"]);
    let line = match why {
        "" => pick_of(scene, &["quit", "EXIT", " Quit ", "/quit", "/Exit "]).to_owned(),
        why => format!("/quit {why}"),
    };
    Line::always(line.as_bytes(), Wish::Quit(lines::clean(why)))
}

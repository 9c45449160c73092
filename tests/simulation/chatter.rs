//! What clients of the older dialects say. They only send bytes; what these ask for follows from
//! how they are read (`decoder_model.rs`, `codec_model.rs`).

use chinwag::dialect::{Dialect, Framing};
use fastrand::Rng;

use super::client::Client;
use super::lines;
use super::names::INVALID;
use super::script::{Scene, filler, fresh, pick, somebody, text};
use super::socket::End;
use super::swarm::{Kind, SURE, Swarm, happens};

/// Sends one message of a kind that the seed has; at first names.
pub(crate) fn write(client: &mut Client, scene: &mut Scene<'_>, last: bool) {
    let nameless = client.name.is_empty() && client.dialect != Dialect::Anonymous;
    let kind = match pick(scene) {
        Kind::BadName | Kind::Blank | Kind::TooLong | Kind::NotUtf8 | Kind::WrongProtocol
            if nameless && happens(scene.rng, SURE / 2) =>
        {
            Kind::BadName
        }
        kind @ (Kind::TooLong | Kind::NotUtf8 | Kind::Blank | Kind::Endless) => kind,
        Kind::WrongProtocol if client.decoder_model.total == 0 && client.unsent.is_empty() => {
            Kind::WrongProtocol
        }
        _ if nameless => Kind::Name,
        kind => kind,
    };
    let bytes = draft(kind, client, scene);
    client.said += 1;
    if kind == Kind::Endless {
        client.ending = if scene.rng.bool() { End::Fin } else { End::Open };
        client.silent = true;
    }
    if client.dialect == Dialect::Datagram {
        client.socket.datagrams_in.push_back(bytes);
        return;
    }
    let bytes = match kind {
        Kind::Endless | Kind::WrongProtocol => bytes,
        _ => frame(client, &bytes, !last, scene.rng, scene.swarm),
    };
    client.unsent.extend(bytes);
}

/// Makes a message ready to be sent.
fn frame(client: &Client, bytes: &[u8], ended: bool, rng: &mut Rng, swarm: &Swarm) -> Vec<u8> {
    let lines = client.dialect.framing() == Framing::Lines;
    let ended = ended && (lines || happens(rng, swarm.lf));
    lines::frame(bytes, ended, rng, swarm)
}

fn draft(kind: Kind, client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let max = scene.swarm.config.limits.line_bytes_max;
    let mention = client.dialect == Dialect::Mention;
    let line = match kind {
        Kind::Name if client.name.is_empty() && client.dialect != Dialect::Anonymous => {
            return name(client, scene);
        }
        Kind::BadName if client.name.is_empty() => bad_name(client, scene),
        Kind::Tell | Kind::Reply => {
            let (to, text) = (addressee(client, scene), text(client, scene));
            let space = if scene.rng.bool() { "" } else { " " };
            format!("{text}.{}@{space}{to}", client.said)
        }
        Kind::Who if mention => "#".to_owned(),
        Kind::Help if mention => " & ".to_owned(),
        Kind::Misuse if mention => " @pankhurst".to_owned(),
        Kind::Unknown => format!("me{}@example.org", client.said),
        Kind::Blank => ["", " ", "\u{7}", "\u{3000}"][scene.rng.usize(..4)].to_owned(),
        Kind::Quit => quit(client, scene),
        Kind::TooLong => return long(client, max + 1 + scene.rng.usize(..50)),
        Kind::NotUtf8 => {
            // Half a character is not among them: its rest is waited for from when the message is
            // heard, and where a pace or a full room keeps it, that cannot be seen from outside.
            const BYTES: [&[u8]; 3] = [b"hi\xff\xff", b"\xc3(", b"\xffx"];
            return BYTES[scene.rng.usize(..BYTES.len())].to_vec();
        }
        Kind::Noise => return noise(client, scene.rng),
        Kind::WrongProtocol => {
            let (id, said) = (client.id, client.said);
            return format!("POST /{id} HTTP/1.1\r\nHost: {id}#{said}\r\n\r\n").into_bytes();
        }
        Kind::Endless if client.dialect != Dialect::Datagram => {
            return long(client, 65536 + scene.rng.usize(..9));
        }
        _ => text(client, scene),
    };
    let prefix = match client.dialect {
        Dialect::Nick if scene.rng.bool() => format!("{}: ", of(client, scene)),
        Dialect::Datagram if scene.rng.bool() => format!("{} : ", of(client, scene)),
        _ => String::new(),
    };
    let prefix = if client.name.is_empty() { "" } else { &prefix };
    format!("{prefix}{line}").into_bytes()
}

/// Somebody to write to in private. If the same spelling is never used twice, it can be told which
/// message a refusal is about.
fn addressee(client: &mut Client, scene: &mut Scene<'_>) -> String {
    let to = somebody(scene);
    let letters = to.bytes().filter(u8::is_ascii_alphabetic).count();
    if letters > 7 && to.is_ascii() && !to.contains(':') {
        return spelled(&to, client.said);
    }
    if client.addressees.contains(&to) {
        return format!("nobody_{}", client.said);
    }
    client.addressees.push(to.clone());
    to
}

/// To leave, or to say something that looks like it.
fn quit(client: &Client, scene: &mut Scene<'_>) -> String {
    let word = match client.dialect {
        Dialect::Register => "quit",
        Dialect::Datagram | Dialect::Mention => "exit",
        _ => return format!("exit {}#{}", client.id, client.said),
    };
    match scene.rng.u8(..4) {
        0 => format!("let us {word} now {}#{}", client.id, client.said),
        1 => word.to_ascii_uppercase(),
        2 => format!(" {word} "),
        _ => word.to_owned(),
    }
}

/// A name to put before a line: nearly always one's own.
fn of(client: &Client, scene: &mut Scene<'_>) -> String {
    if scene.rng.u8(..6) == 0 { somebody(scene) } else { client.name.clone() }
}

/// The first message, as the original clients have it and otherwise.
fn name(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let name = fresh(client, scene).typed;
    if client.dialect == Dialect::Register {
        // It may be taken.
        client.name.clear();
    }
    let name = match (client.dialect, scene.rng.u8(..8)) {
        (Dialect::Mention, 0..6) => format!("!{name}"),
        (Dialect::Datagram, 0) => format!("{name} : {}", text(client, scene)),
        (Dialect::Nick | Dialect::Datagram, 1) => format!("{name} "),
        _ => name,
    };
    name.into_bytes()
}

fn bad_name(client: &mut Client, scene: &mut Scene<'_>) -> String {
    let name = INVALID[scene.rng.usize(..INVALID.len())].0;
    if client.dialect != Dialect::Register && !name.trim().is_empty() {
        // It will be called something, but does not know what.
        name.clone_into(&mut client.name);
    }
    name.to_owned()
}

fn long(client: &Client, length: usize) -> Vec<u8> {
    filler(&format!("{}#{}", client.id, client.said), length).into_bytes()
}

fn noise(client: &Client, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = format!("!{}#{}", client.id, client.said).into_bytes();
    let top = if rng.bool() { 0x7f } else { 0xff };
    bytes.extend((0..rng.usize(..20)).map(|_| rng.u8(..=top)));
    bytes
}

/// The name with other capitals for each number.
fn spelled(name: &str, number: usize) -> String {
    let spell = |(i, c): (usize, char)| match number >> i & 1 {
        1 => c.to_ascii_uppercase(),
        _ => c.to_ascii_lowercase(),
    };
    name.chars().enumerate().map(spell).collect()
}

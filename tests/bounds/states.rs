//! The states that the table of bounds in `docs/operations.md` tells of: in each of them is what a
//! hub keeps, counted.

use std::net::Ipv4Addr;
use std::time::Duration;

use chinwag::ConnectionKey;
#[cfg(feature = "web")]
use chinwag::archive::Answer;
use chinwag::archive::{AccountChange, Kept};
use chinwag::config::{Config, Flood, SECONDS_MAX};
use chinwag::dialect::{Dialect, Framing};
#[cfg(feature = "web")]
use chinwag::event::Said;
use chinwag::nickname::Nickname;
use chinwag::sanction::{REASON_BYTES_MAX, Sanction, SanctionKind, Target};

use super::hub::{Room, speech};
use super::{HEAP, Measured};

/// How many are in the same state, where what is for one is measured.
const CROWD: usize = 100;

/// The longest topic.
const TOPIC_BYTES: usize = 512;

/// An eighth of `--max-clients`. What grows by doubling is then just as full, and each costs as
/// much, as if all were there.
const FULL: usize = 1250;

/// As many bytes as the server reads at once.
const READ_BYTES: usize = 16 * 1024;

/// The longest line.
const LINE_BYTES: usize = 4096;

/// The defaults, but that nobody has to wait.
fn patient() -> Config {
    let mut config = Config::default();
    config.limits.flood = None;
    config
}

/// What is kept more after `happens` than before.
fn growth(room: &mut Room, happens: impl FnOnce(&mut Room)) -> usize {
    let before = HEAP.current_usage();
    happens(room);
    HEAP.current_usage().saturating_sub(before)
}

/// As `growth`, of each of a crowd.
fn each(
    room: &mut Room,
    crowd: &[ConnectionKey],
    mut happens: impl FnMut(&mut Room, ConnectionKey),
) -> usize {
    let bytes = growth(room, |room| {
        crowd.iter().for_each(|key| happens(room, *key));
        // The room gives back what it does not need any more.
        for _ in 0..20 {
            room.turn();
        }
    });
    bytes / crowd.len()
}

/// The most that is kept more than before while `step` happens again and again, as long as it says.
fn highest(room: &mut Room, mut step: impl FnMut(&mut Room) -> bool) -> usize {
    let before = HEAP.current_usage();
    let mut most = 0;
    while step(room) {
        most = most.max(HEAP.current_usage().saturating_sub(before));
        room.turn();
        most = most.max(HEAP.current_usage().saturating_sub(before));
    }
    most
}

// ── people ───────────────────────────────────────────────────────────────────────────────────────

/// So many come in, whose names are `name`'s, and have read all that is for them.
fn crowd(room: &mut Room, dialect: Dialect, count: usize, name: Names) -> Vec<ConnectionKey> {
    let (before, mut members) = (room.hub().members(), Vec::new());
    while members.len() < count {
        let first = members.len();
        let comers = first..count.min(first + CROWD);
        let comers: Vec<_> = comers.map(|_| room.connect(dialect)).collect();
        rest(room);
        for (number, key) in comers.iter().enumerate() {
            #[cfg(feature = "web")]
            if dialect == Dialect::Web {
                room.read(*key, speech::HANDSHAKE.as_bytes());
            }
            if dialect != Dialect::Anonymous {
                let name = name(before + first + number);
                room.read(*key, &introduce(dialect, &name));
            }
        }
        members.extend(comers);
        rest(room);
    }
    assert_eq!(room.hub().members(), before + count, "all are in");
    members
}

/// Turns until all is sent, those frames too that must arrive alone.
fn rest(room: &mut Room) {
    for _ in 0..4 {
        room.turn();
        room.wait(Duration::from_millis(100));
    }
    room.turn();
}

/// How members are called, by their numbers.
type Names = fn(usize) -> String;

/// A name of seven bytes.
fn short_name(number: usize) -> String {
    speech::name(number)
}

/// A name that takes as much as a name can: of 128 bytes, and known by three other forms of it.
fn longest_name(number: usize) -> String {
    let capitals = ["\u{1eac}\u{301}".repeat(23), "\u{1eac}".repeat(2)].concat();
    format!("{capitals}{}", speech::name(number).to_uppercase())
}

/// A short name that is given in many bytes.
fn padded_name(number: usize) -> String {
    format!("{:LINE_BYTES$}", speech::name(number))
}

/// What a client sends to give its name.
fn introduce(dialect: Dialect, name: &str) -> Vec<u8> {
    #[cfg(feature = "web")]
    if dialect == Dialect::Web {
        return frame(format!(r#"{{"type":"nick","name":"{name}"}}"#).as_bytes(), true);
    }
    if dialect.framing() == Framing::Irc {
        return format!("NICK {name}\r\nUSER u 0 * :u\r\nJOIN #lobby\r\n").into_bytes();
    }
    say(dialect, name)
}

/// What a client sends to say a line.
fn say(dialect: Dialect, line: &str) -> Vec<u8> {
    match dialect.framing() {
        #[cfg(feature = "web")]
        Framing::Web => {
            let text = line.replace('"', "\\\"");
            frame(format!(r#"{{"type":"say","text":"{text}"}}"#).as_bytes(), true)
        }
        Framing::Irc => format!("PRIVMSG #lobby :{line}\r\n").into_bytes(),
        Framing::Lines => format!("{line}\n").into_bytes(),
        Framing::Arrivals | Framing::Datagrams => line.as_bytes().to_vec(),
    }
}

/// A text frame as a browser sends it; not `is_final` if more of it follows.
#[cfg(feature = "web")]
fn frame(payload: &[u8], is_final: bool) -> Vec<u8> {
    speech::frame(u8::from(is_final) << 7 | 1, payload)
}

/// Somebody's socket is read as soon as they are listened to.
fn read_in_time(room: &mut Room, key: ConnectionKey, bytes: &[u8]) {
    while !room.wants(key) {
        room.turn();
    }
    room.read(key, bytes);
}

/// What comes in pieces of so many bytes.
fn in_pieces(room: &mut Room, key: ConnectionKey, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        room.hear(key, piece);
    }
}

// ── who listens ──────────────────────────────────────────────────────────────────────────────────

/// What each of a full server costs who has come in, and has said the longest line there is in two
/// pieces.
fn listening_at(dialect: Dialect, name: Names) -> usize {
    let (mut room, mut members) = (Room::new(&patient()), Vec::with_capacity(FULL));
    // What the room remembers of those who came is the room's.
    let first = crowd(&mut room, Dialect::Lines, 1, short_name)[0];
    fill_happened(&mut room, first, TOPIC_BYTES);
    room.lose(first);
    rest(&mut room);
    let bytes = growth(&mut room, |room| members.extend(crowd(room, dialect, FULL, name)));
    let line = say(dialect, &"x".repeat(LINE_BYTES));
    fill_history(&mut room, members[0], dialect);
    let pieces = line.len() / if dialect == Dialect::Datagram { 1 } else { 2 };
    let more = each(&mut room, &members[..CROWD / 10], |room, key| {
        in_pieces(room, key, &line, pieces);
        room.read(key, b"");
        room.turn();
    });
    bytes / FULL + more
}

pub(crate) fn listening() -> Measured {
    vec![("lines".to_owned(), listening_at(Dialect::Lines, short_name))]
}

pub(crate) fn listening_elsewhere() -> Measured {
    let others = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Lines);
    let plain = others.map(|dialect| (dialect.to_string(), listening_at(dialect, short_name)));
    let padded = [Dialect::Nick, Dialect::Mention, Dialect::Datagram].into_iter().map(|dialect| {
        (format!("{dialect}, a long name given"), listening_at(dialect, padded_name))
    });
    plain.chain(padded).collect()
}

pub(crate) fn long_name() -> Measured {
    let more = |dialect| {
        let short = listening_at(dialect, short_name);
        (dialect.to_string(), listening_at(dialect, longest_name).saturating_sub(short))
    };
    vec![more(Dialect::Lines), more(Dialect::Nick)]
}

/// What it costs each of a crowd to be in so many rooms more than the lobby.
#[cfg(feature = "web")]
fn rooms_more(rooms: usize) -> usize {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, Dialect::Web, FULL, short_name);
    let mut join = |members: &[ConnectionKey]| {
        for number in 0..rooms {
            let join = format!(r##"{{"type":"join","room":"r{number}"}}"##);
            members.iter().for_each(|key| room.read(*key, &frame(join.as_bytes(), true)));
            rest(&mut room);
        }
        // The room gives back what it does not need any more.
        (0..5).for_each(|_| rest(&mut room));
    };
    // The rooms are there before the others come.
    let (first, others) = members.split_at(CROWD);
    join(first);
    let before = HEAP.current_usage();
    join(others);
    (HEAP.current_usage() - before) / others.len()
}

#[cfg(feature = "web")]
pub(crate) fn second_room() -> Measured {
    vec![("web".to_owned(), rooms_more(1))]
}

#[cfg(feature = "web")]
pub(crate) fn further_rooms() -> Measured {
    let of = |rooms| {
        let more = rooms_more(1 + rooms).saturating_sub(rooms_more(1));
        (format!("{rooms} more"), more / rooms)
    };
    [2, 8].map(of).to_vec()
}

/// The longest lines are said until the history has forgotten whatever else was said.
fn fill_history(room: &mut Room, key: ConnectionKey, dialect: Dialect) {
    for _ in 0..Config::default().limits.history_lines_max {
        room.read(key, &say(dialect, &"\"".repeat(LINE_BYTES)));
        room.turn();
    }
}

// ── who does not read ────────────────────────────────────────────────────────────────────────────

/// Nobody but the talker reads what is said until they are closed. Returns the most that is kept
/// then.
fn unread_by(dialect: Dialect, count: usize, length: usize) -> usize {
    let mut room = Room::new(&patient());
    let talker = crowd(&mut room, dialect, 1, short_name)[0];
    let silent = crowd(&mut room, dialect, count, short_name);
    fill_history(&mut room, talker, dialect);
    for key in silent {
        room.let_take(key, 0);
    }
    let line = say(dialect, &"\"".repeat(length));
    highest(&mut room, |room| {
        (0..READ_BYTES / line.len()).for_each(|_| room.read(talker, &line));
        room.hub().members() > 1
    })
}

/// The longest line that one can say.
fn longest(dialect: Dialect) -> usize {
    if dialect.framing() == Framing::Irc { 450 } else { LINE_BYTES }
}

pub(crate) fn unread_room() -> Measured {
    let of_length =
        |dialect, length| (format!("{dialect}, lines of {length}"), unread_by(dialect, 1, length));
    let dialects = Dialect::ALL.into_iter();
    dialects.flat_map(|dialect| [40, longest(dialect)].map(|it| of_length(dialect, it))).collect()
}

pub(crate) fn not_reading() -> Measured {
    let of_each = |dialect: Dialect| {
        let more = unread_by(dialect, FULL, 1000).saturating_sub(unread_by(dialect, 1, 1000));
        (dialect.to_string(), more / FULL)
    };
    Dialect::USUAL.iter().copied().map(of_each).collect()
}

/// A crowd asks again and again and reads nothing.
fn unread_answers_to(dialect: Dialect, questions: &[&str]) -> (String, usize) {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, dialect, CROWD, short_name);
    fill_history(&mut room, members[0], dialect);
    room.read(members[0], &say(dialect, "hi"));
    room.read(members[0], &say(dialect, "/history"));
    rest(&mut room);
    let bytes = each(&mut room, &members, |room, key| {
        room.let_take(key, 0);
        for question in questions.iter().cycle() {
            room.hear(key, &say(dialect, question));
            if !room.wants(key) {
                break;
            }
        }
        room.turn();
    });
    (format!("{dialect}: {questions:?}"), bytes)
}

pub(crate) fn unread_answers() -> Measured {
    let questions: [&[&str]; 4] = [&["/help"], &["/nope"], &["/history"], &["/history 1", "/x"]];
    let dialects = Dialect::USUAL.iter();
    dialects.flat_map(|dialect| questions.map(|ask| unread_answers_to(*dialect, ask))).collect()
}

/// Somebody asks for more lines than the room remembers, and does not read the answer.
#[cfg(feature = "web")]
fn unread_archive_at(dialect: Dialect) -> (String, usize) {
    let mut room = Room::new(&patient());
    room.hub_mut().restore(Kept::default());
    let talker = crowd(&mut room, Dialect::Lines, 1, longest_name)[0];
    let asker = crowd(&mut room, dialect, 1, short_name)[0];
    fill_history(&mut room, talker, Dialect::Lines);
    room.hub_mut().records().clear();
    room.let_take(asker, 0);
    let bytes = growth(&mut room, |room| {
        room.read(asker, &say(dialect, "/history 1000"));
        let (key, _) = room.hub_mut().poll_request().unwrap();
        // The archive tells 64 KiB at once.
        let line = Said { from: "bob".into(), text: "\"".repeat(4000), ..Said::default() };
        let lines = vec![line; 16];
        room.hub_mut().handle_answer(key, Answer::History { lines, more: true });
        rest(room);
    });
    (dialect.to_string(), bytes)
}

#[cfg(feature = "web")]
pub(crate) fn unread_archive() -> Measured {
    Dialect::USUAL.iter().map(|dialect| unread_archive_at(*dialect)).collect()
}

/// Many ask who is here, and nobody reads the answer; each time somebody has another name.
pub(crate) fn unread_lists() -> Measured {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, Dialect::Lines, FULL, longest_name);
    members.iter().for_each(|key| room.let_take(*key, 0));
    let mut askers = members[1..100].iter();
    let most = highest(&mut room, |room| {
        let Some(asker) = askers.next() else { return false };
        room.read(members[0], format!("/nick x{asker}\n").as_bytes());
        room.read(*asker, b"/who\n");
        true
    });
    vec![("the list of a full room".to_owned(), most)]
}

/// Somebody writes to a crowd that does not read, perhaps with other lines between.
fn unread_messages_at(dialect: Dialect, length: usize, between: bool) -> (String, usize) {
    let mut room = Room::new(&patient());
    let readers = crowd(&mut room, dialect, CROWD / 10, short_name);
    let writer = crowd(&mut room, Dialect::Lines, 1, short_name)[0];
    fill_history(&mut room, writer, Dialect::Lines);
    let text = "\"".repeat(length);
    let to = |number| say(Dialect::Lines, &format!("/msg {} {text}", short_name(number)));
    let messages = (0..readers.len()).map(to).collect::<Vec<_>>();
    for key in &readers {
        room.let_take(*key, 0);
    }
    let mut rounds = (1 << 20) / if between { 64 } else { length } + 100;
    let most = highest(&mut room, |room| {
        for message in &messages {
            // The writer is told each time that it was sent, and has to read that.
            read_in_time(room, writer, message);
        }
        if between {
            room.read(writer, b".\n");
        }
        rounds -= 1;
        rounds > 0
    });
    (format!("{length} bytes at {dialect}, lines between: {between}"), most / readers.len())
}

/// Somebody is written to for long who reads just as fast, but never all.
fn messages_at_a_pace() -> (String, usize) {
    let mut room = Room::new(&patient());
    let reader = crowd(&mut room, Dialect::Lines, 1, short_name)[0];
    let writer = crowd(&mut room, Dialect::Lines, 1, short_name)[0];
    let message = say(Dialect::Lines, &format!("/msg {} {}", short_name(0), "x".repeat(1000)));
    let ahead = "[taaaaaab -> you] ".len() + 1000;
    room.let_take(reader, 0);
    room.read(writer, &message);
    room.turn();
    let mut rounds = 4000;
    let most = highest(&mut room, |room| {
        room.read(writer, &message);
        room.let_take(reader, ahead);
        rounds -= 1;
        rounds > 0
    });
    ("as fast as they are read".to_owned(), most)
}

pub(crate) fn unread_messages() -> Measured {
    let of_length = |length| {
        let at = |dialect: &Dialect| unread_messages_at(*dialect, length, false);
        Dialect::USUAL.iter().map(at).collect::<Vec<_>>()
    };
    let mut measured: Measured = [4000, 300].into_iter().flat_map(of_length).collect();
    measured.push(unread_messages_at(Dialect::Lines, 20, false));
    measured.push(unread_messages_at(Dialect::Lines, 20, true));
    measured.push(messages_at_a_pace());
    measured
}

// ── who talks ────────────────────────────────────────────────────────────────────────────────────

/// A crowd says a long line in two pieces, and with the second come as many more as are read.
fn held_back_at(dialect: Dialect) -> (String, usize) {
    let mut room = Room::new(&Config::default());
    let members = crowd(&mut room, dialect, CROWD + 1, short_name);
    fill_history(&mut room, members[CROWD], dialect);
    let long = say(dialect, &"x".repeat(LINE_BYTES));
    let bytes = each(&mut room, &members[..CROWD], |room, key| {
        if dialect == Dialect::Datagram {
            (0..100).for_each(|_| room.hear(key, &long[..1000]));
        } else {
            let (first, second) = long.split_at(long.len() - 10);
            let line_end = if dialect.framing() == Framing::Arrivals { &b"\n"[..] } else { b"" };
            let more = [&say(dialect, "hi"), line_end].concat().repeat(READ_BYTES / 3);
            room.hear(key, first);
            room.hear(key, &[second, line_end, &more].concat()[..READ_BYTES]);
        }
        room.turn();
    });
    (dialect.to_string(), bytes)
}

pub(crate) fn held_back() -> Measured {
    Dialect::ALL.into_iter().map(held_back_at).collect()
}

/// A crowd sends all of `bytes` in pieces of each of these lengths, and then nothing.
fn unfinished(what: &str, dialect: Dialect, greeting: &[u8], bytes: &[u8]) -> Measured {
    let of_pieces = |piece: usize| {
        let mut room = Room::new(&Config::default());
        let members = (0..CROWD).map(|_| room.connect(dialect)).collect::<Vec<_>>();
        for key in &members {
            room.read(*key, greeting);
        }
        rest(&mut room);
        let bytes = each(&mut room, &members, |room, key| {
            in_pieces(room, key, bytes, piece);
            room.read(key, b"");
        });
        (format!("{what} in pieces of {piece}"), bytes)
    };
    [1, 500, 1000, 5000].map(of_pieces).to_vec()
}

pub(crate) fn unfinished_line() -> Measured {
    let line = [&[b'x'; LINE_BYTES - 2], "\u{4f60}".as_bytes()].concat();
    let mut measured = unfinished("line", Dialect::Lines, b"", &[b'x'; LINE_BYTES]);
    measured.extend(unfinished("arrival", Dialect::Nick, b"", &line[..LINE_BYTES]));
    measured
}

#[cfg(feature = "web")]
pub(crate) fn unfinished_message() -> Measured {
    let greeting = speech::HANDSHAKE.as_bytes();
    let payload = [b' '; 3 * LINE_BYTES + 512];
    let message = frame(&payload, true);
    let (first, second) = payload.split_at(payload.len() / 2);
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b' '; 124]].concat();
    let second = frame(second, false)[2..].to_vec();
    let fragments = [frame(first, false), vec![0, 0xfe], second, ping];
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(8000));
    let mut measured = unfinished("message", Dialect::Web, greeting, &message[..message.len() - 1]);
    measured.extend(unfinished("fragments", Dialect::Web, greeting, &fragments.concat()));
    measured.extend(unfinished("request", Dialect::Web, b"", head.as_bytes()));
    measured
}

/// As many as can be here say a line and go, and then others come. Each has an address of its own,
/// or none that is counted. Returns what is kept in the end.
fn come_and_go(counted: bool) -> usize {
    let mut config = Config::default();
    // Nobody's budget is full again.
    config.limits.flood = Some(Flood { lines: 1, per: Duration::from_secs(SECONDS_MAX) });
    let (mut room, count) = (Room::new(&config), config.limits.clients_max as u32);
    let address = |number: u32| match counted {
        true => Ipv4Addr::from_bits(number),
        false => Ipv4Addr::LOCALHOST,
    };
    growth(&mut room, |room| {
        for number in 0..count {
            let key = room.connect_from(address(number), Dialect::Lines);
            room.read(key, &introduce(Dialect::Lines, &short_name(number as usize)));
            room.read(key, &say(Dialect::Lines, "hi"));
            room.lose(key);
            room.turn();
        }
        for number in count..2 * count {
            room.connect_from(address(number), Dialect::Lines);
            room.turn();
        }
    })
}

// ── who is cut off ───────────────────────────────────────────────────────────────────────────────

/// A crowd is cut off and waited for, and is written to as long as that can be.
#[cfg(feature = "web")]
pub(crate) fn cut_off() -> Measured {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, Dialect::Web, CROWD / 10, short_name);
    let writer = crowd(&mut room, Dialect::Lines, 1, short_name)[0];
    members.iter().for_each(|key| room.lose(*key));
    room.turn();
    let text = "\"".repeat(4000);
    let mut rounds = 40;
    let most = highest(&mut room, |room| {
        for number in 0..members.len() {
            let message = format!("/msg {} {text}", short_name(number));
            read_in_time(room, writer, &say(Dialect::Lines, &message));
        }
        rounds -= 1;
        rounds > 0
    });
    assert_eq!(room.hub().members(), members.len() + 1, "they are waited for");
    vec![("the longest messages".to_owned(), most / members.len())]
}

/// A crowd with the longest names is cut off and not waited for any more.
#[cfg(feature = "web")]
pub(crate) fn may_come_back() -> Measured {
    let mut room = Room::new(&patient());
    let bytes = growth(&mut room, |room| {
        let members = crowd(room, Dialect::Web, FULL, longest_name);
        members.iter().for_each(|key| room.lose(*key));
        for _ in 0..20 {
            room.turn();
            room.wait(Duration::from_secs(1));
        }
        assert_eq!(room.hub().members(), 0, "they are gone");
    });
    vec![("the longest names".to_owned(), bytes / FULL)]
}

/// A crowd says more under keys than are remembered.
#[cfg(feature = "web")]
pub(crate) fn keys() -> Measured {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, Dialect::Web, CROWD / 10, short_name);
    fill_history(&mut room, members[0], Dialect::Web);
    let bytes = each(&mut room, &members, |room, key| {
        for number in 0..1100 {
            let said = format!(r#"{{"type":"say","text":"x","key":"{number:64}"}}"#);
            read_in_time(room, key, &frame(said.as_bytes(), true));
            room.turn();
        }
    });
    vec![("as many as are remembered".to_owned(), bytes)]
}

pub(crate) fn addresses() -> Measured {
    let more = come_and_go(true).saturating_sub(come_and_go(false));
    vec![("as many as can be, twice".to_owned(), more)]
}

// ── what is for those who come later ─────────────────────────────────────────────────────────────

pub(crate) fn history() -> Measured {
    let mut room = Room::new(&patient());
    let talker = crowd(&mut room, Dialect::Lines, 1, longest_name)[0];
    let bytes = growth(&mut room, |room| {
        for _ in 0..50 {
            // Twice as much as this is more than the next ones need.
            room.read(talker, &say(Dialect::Lines, &"x".repeat(LINE_BYTES * 3 / 4)));
            room.turn();
        }
        fill_history(room, talker, Dialect::Lines);
        rest(room);
    });
    vec![("the longest lines".to_owned(), bytes)]
}

/// Topics of this length are set until the room has forgotten whatever else happened.
fn fill_happened(room: &mut Room, key: ConnectionKey, length: usize) {
    for _ in 0..Config::default().limits.history_lines_max {
        room.read(key, &say(Dialect::Lines, &format!("/topic {}", "x".repeat(length))));
        room.turn();
    }
}

pub(crate) fn happened() -> Measured {
    let mut room = Room::new(&patient());
    let talker = crowd(&mut room, Dialect::Lines, 1, longest_name)[0];
    let bytes = growth(&mut room, |room| {
        // Twice as much as this is more than the next ones need.
        fill_happened(room, talker, TOPIC_BYTES * 3 / 4);
        fill_happened(room, talker, TOPIC_BYTES);
        rest(room);
    });
    vec![("the longest topics".to_owned(), bytes)]
}

/// What is kept of the history as it was told at a dialect, once to all, and in the end to somebody
/// who came later.
fn told_at(dialect: Dialect) -> (String, usize) {
    let mut room = Room::new(&patient());
    let talker = crowd(&mut room, Dialect::Lines, 1, longest_name)[0];
    let asker = crowd(&mut room, dialect, 1, short_name)[0];
    fill_history(&mut room, talker, Dialect::Lines);
    let bytes = growth(&mut room, |room| {
        room.read(asker, &say(dialect, "/history"));
        crowd(room, dialect, 1, short_name);
    });
    (dialect.to_string(), bytes)
}

/// A crowd does not read, and in turn each of them may ask for the history, which is another by
/// then. Returns the most that is kept until they are closed.
fn told_in_vain(dialect: Dialect, asks: bool) -> usize {
    let mut room = Room::new(&patient());
    let members = crowd(&mut room, dialect, CROWD, short_name);
    let talker = crowd(&mut room, Dialect::Lines, 1, longest_name)[0];
    fill_history(&mut room, talker, Dialect::Lines);
    for key in &members {
        room.let_take(*key, 0);
    }
    let line = say(Dialect::Lines, &"\"".repeat(LINE_BYTES));
    let mut askers = members.iter();
    highest(&mut room, |room| {
        for _ in 0..5 {
            read_in_time(room, talker, &line);
            room.turn();
        }
        if asks && let Some(asker) = askers.next() {
            read_in_time(room, *asker, &say(dialect, "/history"));
        }
        room.hub().members() > CROWD
    })
}

pub(crate) fn told_history() -> Measured {
    let unread = |dialect: &Dialect| {
        let bytes = told_in_vain(*dialect, true).saturating_sub(told_in_vain(*dialect, false));
        (format!("{dialect}, unread"), bytes)
    };
    let read = Dialect::ALL.into_iter().map(told_at);
    read.chain(Dialect::USUAL.iter().map(unread)).collect()
}

/// A name among those that belong to somebody.
pub(crate) fn account() -> Measured {
    const ACCOUNTS: usize = 10_000;
    let mut room = Room::new(&patient());
    room.hub_mut().restore(Kept::default());
    let account = |number| AccountChange::Added(Nickname::parse(&longest_name(number)).unwrap());
    let bytes = growth(&mut room, |room| {
        room.hub_mut().handle_accounts((0..ACCOUNTS).map(account).collect());
    });
    vec![(format!("{ACCOUNTS} of them"), bytes / ACCOUNTS)]
}

/// Somebody who may not come in, or not speak.
pub(crate) fn sanction() -> Measured {
    const SANCTIONS: usize = 10_000;
    let mut room = Room::new(&patient());
    let sanction = |number: usize| Sanction {
        id: number as u64,
        kind: SanctionKind::Ban,
        room: None,
        target: Target::of_address(Ipv4Addr::from(number as u32).into()),
        whom: longest_name(number),
        by: longest_name(number),
        why: "x".repeat(REASON_BYTES_MAX),
        at: 1,
        until: None,
    };
    let bytes = growth(&mut room, |room| {
        let sanctions = (0..SANCTIONS).map(sanction).collect();
        room.hub_mut().restore(Kept { sanctions, ..Kept::default() });
    });
    vec![(format!("{SANCTIONS} of them"), bytes / SANCTIONS)]
}

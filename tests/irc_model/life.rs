//! One life: what the clients do, what the model expects, and what the hub has told them.

use std::collections::{BTreeMap, BTreeSet};

use chinwag::ConnectionKey;
use chinwag::config::Config;
use chinwag::dialect::{Dialect, Encoding};
use fastrand::Rng;

use crate::hub::Room;

/// Names that somebody can have; as many clients as that are there at most.
const NAMES: [&str; 8] = ["ann", "bob", "cy", "dan", "eve", "flo", "gus", "hal"];
const CLIENTS: usize = 6;
const ROOMS: [&str; 3] = ["#one", "#two", "#three"];

/// Kinds of acts.
pub(crate) const KINDS: usize = 13;

/// So much of what was said or happened in a room is asked for at once, at most.
const PAST_MAX: usize = 20;

/// What somebody has asked for beyond the plain protocol.
#[derive(Clone, Copy, Default)]
struct Caps {
    echo: bool,
    extended_join: bool,
    away_notify: bool,
    multi_prefix: bool,
    playback: bool,
}

/// What was said or happened in a room, as it is told again: with `extended-join`, and without.
#[derive(Clone)]
struct Past {
    plain: String,
    extended: String,
    /// Only those with `draft/event-playback` are told of it.
    is_event: bool,
}

/// A client as the model knows it.
struct Client {
    key: ConnectionKey,
    name: &'static str,
    /// What it gave as its user name when it came.
    user: &'static str,
    caps: Caps,
    away: bool,
    /// Lines that it must be told and has not read.
    expected: Vec<String>,
    /// It reads nothing at present.
    is_slow: bool,
}

/// A room as the model knows it.
#[derive(Default)]
struct Model {
    /// Who is there, by their keys; with `@` and `+`.
    members: BTreeMap<ConnectionKey, (bool, bool)>,
    topic: Option<(String, String)>,
    moderated: bool,
    open_topic: bool,
    past: Vec<Past>,
}

pub(crate) struct Life {
    seed: u64,
    rng: Rng,
    room: Room,
    clients: Vec<Client>,
    rooms: BTreeMap<&'static str, Model>,
    /// How often it was asked what was said.
    asked: u64,
    /// What was done, to be shown if something is wrong.
    script: Vec<String>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let first = self.script.len().saturating_sub(25);
            eprintln!("CHINWAG_IRC_SEED={}: {:#?}", self.seed, &self.script[first..]);
        }
    }
}

impl Life {
    pub(crate) fn new(seed: u64) -> Life {
        let mut config = Config::default();
        config.limits.flood = None;
        config.limits.connects = None;
        let room = Room::that_keeps(&config);
        let (rng, asked) = (Rng::with_seed(seed), 0);
        let (clients, rooms, script) = Default::default();
        let mut life = Life { seed, rng, room, clients, rooms, asked, script };
        for _ in 0..3 {
            life.comes();
        }
        life
    }

    /// Somebody does something. Returns what kind of thing it was.
    pub(crate) fn act(&mut self) -> usize {
        if self.clients.is_empty() {
            self.comes();
        }
        let kind = self.rng.usize(..KINDS);
        let at = self.rng.usize(..self.clients.len());
        match kind {
            0 => self.comes(),
            1 | 2 => self.joins(at),
            3 => self.parts(at),
            4 => self.says(at),
            5 => self.tells(at),
            6 => self.renames(at),
            7 => self.sets_topic(at),
            8 => self.sets_mode(at),
            9 => self.kicks(at),
            10 if self.rng.u8(..3) == 0 => self.quits(at),
            10 => self.goes_away(at),
            11 => self.asks_what_was(at),
            _ => self.clients[at].is_slow ^= true,
        }
        self.room.turn();
        self.check();
        kind
    }

    /// All read what they must be told, and go; then nothing is left of anybody.
    pub(crate) fn ends(&mut self) {
        for client in &mut self.clients {
            client.is_slow = false;
        }
        self.check();
        while !self.clients.is_empty() {
            self.quits(0);
            self.room.turn();
            self.check();
        }
        for _ in 0..10 {
            self.room.wait(std::time::Duration::from_secs(3));
            self.room.turn();
        }
        assert!(self.room.hub().is_at_rest(), "something is left");
    }

    // ── what is told ─────────────────────────────────────────────────────────────────────────────

    /// Whoever reads has been told what they must be told, and nothing else.
    fn check(&mut self) {
        for client in self.clients.iter_mut().filter(|client| !client.is_slow) {
            let told = self.room.takes(client.key);
            let told: Vec<_> = told.split_terminator("\r\n").map(without_host).collect();
            assert_eq!(told, client.expected, "{}", client.name);
            client.expected.clear();
        }
    }

    fn send(&mut self, at: usize, line: &str) {
        let Client { key, name, .. } = self.clients[at];
        self.script.push(format!("{name}: {line}"));
        let bytes = format!("{line}\r\n").into_bytes();
        let piece = self.rng.usize(1..=bytes.len());
        for piece in bytes.chunks(piece) {
            self.room.hear(key, piece);
        }
    }

    fn mask(&self, at: usize) -> String {
        let Client { name, user, .. } = self.clients[at];
        format!(":{name}!{user}@host")
    }

    fn expect(&mut self, at: usize, line: String) {
        self.clients[at].expected.push(line);
    }

    /// A numeric for somebody.
    fn expect_number(&mut self, at: usize, number: &str, rest: &str) {
        let name = self.clients[at].name;
        self.expect(at, format!(":irc.chinwag {number} {name} {rest}"));
    }

    /// All in a room are told the same, which happens there.
    fn expect_all(&mut self, room: &str, line: &str) {
        for at in self.inside(room) {
            self.expect(at, line.to_owned());
        }
        self.happens(room, line);
    }

    /// Something happens in a room that may be told again.
    fn happens(&mut self, room: &str, line: &str) {
        self.passes(room, (line.to_owned(), line.to_owned()), true);
    }

    fn passes(&mut self, room: &str, (plain, extended): (String, String), is_event: bool) {
        if let Some(model) = self.rooms.get_mut(room) {
            model.past.push(Past { plain, extended, is_event });
        }
    }

    /// The rooms that somebody is in.
    fn rooms_of(&self, at: usize) -> Vec<&'static str> {
        ROOMS.into_iter().filter(|room| self.rank(at, room).is_some()).collect()
    }

    // ── who is where ─────────────────────────────────────────────────────────────────────────────

    fn a_room(&mut self) -> &'static str {
        ROOMS[self.rng.usize(..ROOMS.len())]
    }

    /// The places of those who are in a room.
    fn inside(&self, room: &str) -> Vec<usize> {
        let Some(model) = self.rooms.get(room) else { return Vec::new() };
        let is_in = |at: &usize| model.members.contains_key(&self.clients[*at].key);
        (0..self.clients.len()).filter(is_in).collect()
    }

    fn rank(&self, at: usize, room: &str) -> Option<(bool, bool)> {
        self.rooms.get(room)?.members.get(&self.clients[at].key).copied()
    }

    /// Those who share a room with somebody, each once; not they themselves.
    fn neighbours(&self, at: usize) -> BTreeSet<usize> {
        let rooms = self.rooms_of(at).into_iter();
        rooms.flat_map(|room| self.inside(room)).filter(|other| *other != at).collect()
    }

    fn leave(&mut self, key: ConnectionKey, room: &str) {
        let model = self.rooms.get_mut(room).unwrap();
        model.members.remove(&key);
        if model.members.is_empty() {
            self.rooms.remove(room);
        }
    }

    /// Whether somebody is in a room; if not, they are told so.
    fn is_inside(&mut self, at: usize, room: &str) -> bool {
        let (number, why) = match (self.rooms.contains_key(room), self.rank(at, room)) {
            (_, Some(_)) => return true,
            (true, None) => ("442", "You are not on that channel"),
            (false, _) => ("403", "No such channel"),
        };
        self.expect_number(at, number, &format!("{room} :{why}"));
        false
    }

    // ── acts ─────────────────────────────────────────────────────────────────────────────────────

    fn comes(&mut self) {
        let is_free = |name: &&str| !self.clients.iter().any(|client| client.name == *name);
        let free: Vec<_> = NAMES.into_iter().filter(is_free).collect();
        if self.clients.len() == CLIENTS {
            return;
        }
        let name = free[self.rng.usize(..free.len())];
        let rng = &mut self.rng;
        let caps = Caps {
            echo: rng.bool(),
            extended_join: rng.bool(),
            away_notify: rng.bool(),
            multi_prefix: rng.bool(),
            playback: rng.bool(),
        };
        let key = self.room.connect(Dialect::Irc(Encoding::PLAIN));
        let expected = Vec::new();
        let client = Client { key, name, user: name, caps, away: false, expected, is_slow: false };
        self.clients.push(client);
        let at = self.clients.len() - 1;
        let words = [
            (caps.echo, "echo-message"),
            (caps.extended_join, "extended-join"),
            (caps.away_notify, "away-notify"),
            (caps.multi_prefix, "multi-prefix"),
            (true, "batch draft/chathistory"),
            (caps.playback, "draft/event-playback"),
        ];
        let words: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        self.send(at, &format!("CAP REQ :{}", words.join(" ")));
        for line in [format!("NICK {name}"), format!("USER {name} 0 * :{name} here")] {
            self.send(at, &line);
        }
        self.send(at, "CAP END");
        self.room.turn();
        let welcome = self.room.takes(key);
        assert!(welcome.contains(&format!(" 001 {name} :")), "{welcome}");
        assert!(welcome.ends_with(&format!(" 221 {name} +\r\n")), "{welcome}");
    }

    fn joins(&mut self, at: usize) {
        let room = self.a_room();
        self.send(at, &format!("JOIN {room}"));
        if self.rank(at, room).is_some() {
            return;
        }
        let key = self.clients[at].key;
        let is_new = !self.rooms.contains_key(room);
        self.rooms.entry(room).or_default().members.insert(key, (is_new, false));
        let (mask, name) = (self.mask(at), self.clients[at].name);
        let user = self.clients[at].user;
        let plain = format!("{mask} JOIN {room}");
        let extended = format!("{mask} JOIN {room} * :{user} here");
        for other in self.inside(room) {
            let Caps { extended_join, away_notify, .. } = self.clients[other].caps;
            let line = if extended_join { &extended } else { &plain };
            self.expect(other, line.clone());
            if self.clients[at].away && away_notify && other != at {
                self.expect(other, format!("{mask} AWAY :busy"));
            }
        }
        let rank =
            if is_new { format!("\r\n:irc.chinwag MODE {room} +o {name}") } else { String::new() };
        self.passes(room, (plain + &rank, extended + &rank), true);
        if let Some((text, by)) = self.rooms[room].topic.clone() {
            self.expect_number(at, "332", &format!("{room} :{text}"));
            self.expect_number(at, "333", &format!("{room} {by} TIME"));
        }
        let mut names: Vec<_> = self.inside(room).into_iter().collect();
        names.sort_by_key(|other| self.clients[*other].name);
        let names: Vec<_> = names.into_iter().map(|other| self.marked(other, room, at)).collect();
        self.expect(at, format!(":irc.chinwag 353 {name} = {room} :{}", names.join(" ")));
        self.expect_number(at, "366", &format!("{room} :End of NAMES list"));
    }

    /// A name with its marks, as somebody is told it.
    fn marked(&self, of: usize, room: &str, to: usize) -> String {
        let marks = match (self.rank(of, room).unwrap(), self.clients[to].caps.multi_prefix) {
            ((true, true), true) => "@+",
            ((true, _), _) => "@",
            ((false, true), _) => "+",
            ((false, false), _) => "",
        };
        format!("{marks}{}", self.clients[of].name)
    }

    fn parts(&mut self, at: usize) {
        let (room, has_words) = (self.a_room(), self.rng.bool());
        let words = if has_words { " :to work" } else { "" };
        self.send(at, &format!("PART {room}{words}"));
        if self.is_inside(at, room) {
            let words = if self.is_mute(at, room) { "" } else { words };
            let line = format!("{} PART {room}{words}", self.mask(at));
            self.expect_all(room, &line);
            self.leave(self.clients[at].key, room);
        }
    }

    fn says(&mut self, at: usize) {
        let (room, number) = (self.a_room(), self.rng.u16(..));
        let (word, is_notice) = if self.rng.bool() { ("PRIVMSG", false) } else { ("NOTICE", true) };
        let action = !is_notice && self.rng.u8(..4) == 0;
        let text = match action {
            true => format!("\x01ACTION does {number}\x01"),
            false => format!("\x02says\x02 {number}"),
        };
        self.send(at, &format!("{word} {room} :{text}"));
        let refusal = match (self.rooms.get(room), self.rank(at, room)) {
            (None, _) => Some(("403", "No such channel")),
            (_, None) => Some(("404", "Cannot send to channel")),
            (Some(model), Some((false, false))) if model.moderated => {
                Some(("404", "This room is moderated: only operators and the voiced may speak."))
            }
            _ => None,
        };
        if let Some((code, why)) = refusal {
            if !is_notice {
                self.expect_number(at, code, &format!("{room} :{why}"));
            }
            return;
        }
        let line = format!("{} {word} {room} :{text}", self.mask(at));
        for other in self.inside(room) {
            if other != at || self.clients[at].caps.echo {
                self.expect(other, line.clone());
            }
        }
        let again = line.replace('\x02', "");
        self.passes(room, (again.clone(), again), false);
    }

    fn asks_what_was(&mut self, at: usize) {
        let (room, count) = (self.a_room(), self.rng.usize(1..=PAST_MAX));
        self.send(at, &format!("CHATHISTORY LATEST {room} * {count}"));
        if self.rank(at, room).is_none() {
            let why = "Messages could not be retrieved";
            let code = "INVALID_TARGET LATEST";
            return self.expect(at, format!(":irc.chinwag FAIL CHATHISTORY {code} {room} :{why}"));
        }
        self.asked += 1;
        let (batch, Caps { playback, extended_join, .. }) = (self.asked, self.clients[at].caps);
        self.expect(at, format!(":irc.chinwag BATCH +h{batch} chathistory {room}"));
        let past = self.rooms[room].past.iter().filter(|it| playback || !it.is_event);
        let mut past: Vec<_> = past.cloned().collect();
        for it in past.split_off(past.len().saturating_sub(count)) {
            let told = if extended_join { it.extended } else { it.plain };
            for line in told.split("\r\n") {
                self.expect(at, format!("@batch=h{batch} {line}"));
            }
        }
        self.expect(at, format!(":irc.chinwag BATCH -h{batch}"));
    }

    fn tells(&mut self, at: usize) {
        let (name, number) = (NAMES[self.rng.usize(..NAMES.len())], self.rng.u16(..));
        self.send(at, &format!("PRIVMSG {name} :psst {number}"));
        let Some(to) = self.clients.iter().position(|client| client.name == name) else {
            return self.expect_number(at, "401", &format!("{name} :No such nick"));
        };
        let line = format!("{} PRIVMSG {name} :psst {number}", self.mask(at));
        self.expect(to, line.clone());
        if self.clients[at].caps.echo {
            self.expect(at, line);
        }
        if self.clients[to].away {
            self.expect_number(at, "301", &format!("{name} :busy"));
        }
    }

    fn renames(&mut self, at: usize) {
        let name = NAMES[self.rng.usize(..NAMES.len())];
        self.send(at, &format!("NICK {name}"));
        match self.clients.iter().position(|client| client.name == name) {
            Some(other) if other == at => {}
            Some(_) => {
                self.expect_number(at, "433", &format!("{name} :Nickname is already in use"));
            }
            None => {
                let line = format!("{} NICK {name}", self.mask(at));
                let told = self.neighbours(at);
                for other in told.into_iter().chain([at]) {
                    self.expect(other, line.clone());
                }
                self.rooms_of(at).into_iter().for_each(|room| self.happens(room, &line));
                self.clients[at].name = name;
            }
        }
    }

    /// Whether somebody in a room is in charge of it; if not, they are told so.
    fn is_in_charge(&mut self, at: usize, room: &str) -> bool {
        let is = self.rank(at, room).is_some_and(|(operator, _)| operator);
        if !is {
            let why = "You are not an operator of that channel";
            self.expect_number(at, "482", &format!("{room} :{why}"));
        }
        is
    }

    fn sets_topic(&mut self, at: usize) {
        let (room, number) = (self.a_room(), self.rng.u16(..));
        let text = if self.rng.bool() { format!("topic {number}") } else { String::new() };
        self.send(at, &format!("TOPIC {room} :{text}"));
        if self.is_inside(at, room)
            && !self.is_silenced(at, room)
            && (self.rooms[room].open_topic || self.is_in_charge(at, room))
        {
            let line = format!("{} TOPIC {room} :{text}", self.mask(at));
            self.expect_all(room, &line);
            let by = self.clients[at].name.to_owned();
            let topic = (!text.is_empty()).then_some((text, by));
            self.rooms.get_mut(room).unwrap().topic = topic;
        }
    }

    /// Whether somebody is in a room and may not speak there.
    fn is_mute(&self, at: usize, room: &str) -> bool {
        let is_moderated = self.rooms.get(room).is_some_and(|model| model.moderated);
        is_moderated && self.rank(at, room) == Some((false, false))
    }

    /// Whether somebody may not speak in a room, which they are told then.
    fn is_silenced(&mut self, at: usize, room: &str) -> bool {
        let is = self.is_mute(at, room);
        if is {
            let why = "This room is moderated: only operators and the voiced may speak.";
            self.expect_number(at, "482", &format!("{room} :{why}"));
        }
        is
    }

    fn sets_mode(&mut self, at: usize) {
        let (room, on) = (self.a_room(), self.rng.bool());
        let sign = if on { '+' } else { '-' };
        let letter = ['m', 't', 'o', 'v'][self.rng.usize(..4)];
        let whom = self.rng.usize(..self.clients.len());
        let name = self.clients[whom].name;
        let is_rank = matches!(letter, 'o' | 'v');
        let change = match is_rank {
            true => format!("{sign}{letter} {name}"),
            false => format!("{sign}{letter}"),
        };
        self.send(at, &format!("MODE {room} {change}"));
        if !self.rooms.contains_key(room) {
            return self.expect_number(at, "403", &format!("{room} :No such channel"));
        }
        // What is so already is not even judged, if they are in charge.
        if !self.is_inside(at, room) || !self.is_in_charge(at, room) {
            return;
        }
        if is_rank && self.rank(whom, room).is_none() {
            let why = "They are not on that channel";
            return self.expect_number(at, "441", &format!("{name} {room} :{why}"));
        }
        let key = self.clients[whom].key;
        let model = self.rooms.get_mut(room).unwrap();
        let rank = model.members.entry(key);
        let before = match letter {
            'm' => std::mem::replace(&mut model.moderated, on),
            't' => !std::mem::replace(&mut model.open_topic, !on),
            'o' => rank.or_default().0,
            _ => rank.or_default().1,
        };
        if is_rank {
            let rank = model.members.get_mut(&key).unwrap();
            *(if letter == 'o' { &mut rank.0 } else { &mut rank.1 }) = on;
        }
        if before != on {
            let line = format!("{} MODE {room} {change}", self.mask(at));
            self.expect_all(room, &line);
        }
    }

    fn kicks(&mut self, at: usize) {
        let room = self.a_room();
        let whom = self.rng.usize(..self.clients.len());
        let name = self.clients[whom].name;
        if whom == at {
            return;
        }
        self.send(at, &format!("KICK {room} {name} :out"));
        if !self.is_inside(at, room) || !self.is_in_charge(at, room) {
            return;
        }
        if self.rank(whom, room).is_none() {
            let why = "They are not on that channel";
            return self.expect_number(at, "441", &format!("{name} {room} :{why}"));
        }
        let line = format!("{} KICK {room} {name} :out", self.mask(at));
        self.expect_all(room, &line);
        self.leave(self.clients[whom].key, room);
    }

    fn goes_away(&mut self, at: usize) {
        let away = self.rng.bool();
        self.send(at, if away { "AWAY :busy" } else { "AWAY" });
        self.clients[at].away = away;
        let line = format!("{} AWAY{}", self.mask(at), if away { " :busy" } else { "" });
        for other in self.neighbours(at) {
            if self.clients[other].caps.away_notify {
                self.expect(other, line.clone());
            }
        }
        match away {
            true => self.expect_number(at, "306", ":You are marked as away"),
            false => self.expect_number(at, "305", ":You are not marked as away any more"),
        }
    }

    fn quits(&mut self, at: usize) {
        let breaks = self.rng.bool();
        // Whoever may not speak has no last words either.
        let is_mute = ROOMS.into_iter().any(|room| self.is_mute(at, room));
        let why = match (breaks, is_mute) {
            (true, _) => "connection lost",
            (false, true) => "Quit",
            (false, false) => "Quit: bye",
        };
        let line = format!("{} QUIT :{why}", self.mask(at));
        for other in self.neighbours(at) {
            self.expect(other, line.clone());
        }
        self.rooms_of(at).into_iter().for_each(|room| self.happens(room, &line));
        if breaks {
            self.script.push(format!("{} is cut off", self.clients[at].name));
            self.room.lose(self.clients[at].key);
        } else {
            self.send(at, "QUIT :bye");
        }
        let client = self.clients.remove(at);
        for room in ROOMS {
            if self.rooms.get(room).is_some_and(|it| it.members.contains_key(&client.key)) {
                self.leave(client.key, room);
            }
        }
    }
}

/// A line with `host` for what hides an address, and `TIME` for when a topic was set.
fn without_host(line: &str) -> String {
    if let Some((tags, rest)) = line.split_once(' ').filter(|(tags, _)| tags.starts_with('@')) {
        return format!("{tags} {}", without_host(rest));
    }
    let line = match line.split_once(' ') {
        Some((source, rest)) if source.ends_with(".ip") => {
            let at = source.find('@').unwrap();
            format!("{}@host {rest}", &source[..at])
        }
        _ => line.to_owned(),
    };
    match line.rsplit_once(' ') {
        Some((rest, _)) if line.split(' ').nth(1) == Some("333") => format!("{rest} TIME"),
        _ => line,
    }
}

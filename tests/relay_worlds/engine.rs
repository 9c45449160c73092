//! An engine as far as the relay needs one: it speaks RESP2, keeps texts and one stream, and fails
//! in all the ways in which Redis does.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Where the checkpoint is.
const STATE: &str = "chinwag:{main}:state";
/// When the log began.
const EPOCH: &str = "chinwag:{main}:epoch";

/// A connection to the engine.
#[derive(Debug, Default)]
struct Wire {
    /// What has come and was not executed.
    input: VecDeque<Vec<String>>,
    /// What is for the other side.
    output: Vec<u8>,
    /// Waits for entries after this place, until that time.
    blocked: Option<(Place, u64)>,
    /// Up to here its other side has read.
    read: Option<Place>,
    /// Its other side has gone; what came before is executed all the same.
    is_cut: bool,
}

pub(crate) type Place = (u64, u64);

/// The engine.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    wires: HashMap<usize, Wire>,
    next_wire: usize,
    texts: HashMap<String, (String, Option<u64>)>,
    /// The stream, if there is one; and the place of its last entry, also of those that are gone.
    stream: Option<BTreeMap<Place, Vec<String>>>,
    top: Place,
    run: u64,
    /// It answers all commands with this.
    pub(crate) error: Option<&'static str>,
    /// It does nothing until then, in milliseconds.
    pub(crate) stalled_until: u64,
    /// The checkpoints before the one that there is.
    states: Vec<String>,
    /// So many entries were dropped, since the stream was to have no more.
    pub(crate) trimmed: usize,
    /// So often was a checkpoint read.
    pub(crate) loads: usize,
}

impl Engine {
    pub(crate) fn connect(&mut self) -> usize {
        self.next_wire += 1;
        self.wires.insert(self.next_wire, Wire::default());
        self.next_wire
    }

    /// The other side has gone. What it has sent is executed later, if it is `late`; or never.
    pub(crate) fn cut(&mut self, wire: usize, late: bool) {
        match self.wires.get_mut(&wire) {
            Some(wire) if late || wire.is_cut => (wire.is_cut, wire.blocked) = (true, None),
            _ => drop(self.wires.remove(&wire)),
        }
    }

    pub(crate) fn is_open(&self, wire: usize) -> bool {
        self.wires.get(&wire).is_some_and(|wire| !wire.is_cut)
    }

    /// All wires that somebody still has.
    pub(crate) fn open_wires(&self) -> Vec<usize> {
        let open = self.wires.iter().filter(|(_, wire)| !wire.is_cut);
        let mut open: Vec<_> = open.map(|(key, _)| *key).collect();
        open.sort_unstable();
        open
    }

    /// It is another process from now on, with what was kept of the one before. What was sent to
    /// that is executed by this one later, if it is `late`: something between held it back.
    pub(crate) fn restart(&mut self, late: bool) {
        self.run += 1;
        let all = self.all_wires();
        all.into_iter().for_each(|wire| self.cut(wire, late));
    }

    /// The place of the last entry.
    pub(crate) fn top(&self) -> Place {
        self.top
    }

    /// How many entries at the end not all have read.
    pub(crate) fn unread(&self) -> usize {
        let open = self.wires.values().filter(|wire| !wire.is_cut);
        let least = open.filter_map(|wire| wire.read).min();
        let (Some(least), Some(stream)) = (least, &self.stream) else { return 0 };
        stream.keys().rev().take_while(|place| **place > least).count()
    }

    /// The last entries are lost, and what was written after them, and their places are used again.
    pub(crate) fn lose_tail(&mut self, count: usize) {
        let Some(stream) = &mut self.stream else { return };
        for _ in 0..count.min(stream.len().saturating_sub(1)) {
            stream.pop_last();
        }
        self.top = stream.last_key_value().map_or(self.top, |(place, _)| *place);
        while let Some((state, _)) = self.texts.get(STATE)
            && saved_at(state) > Some(self.top)
        {
            self.texts.remove(STATE);
            self.texts.extend(self.states.pop().map(|state| (STATE.to_owned(), (state, None))));
        }
    }

    /// As if a command of long ago came now: the log is said to have begun then. Returns when it
    /// was said to have begun before.
    pub(crate) fn say_begun(&mut self, epoch: u64) -> Option<u64> {
        let before = self.texts.insert(EPOCH.to_owned(), (epoch.to_string(), None));
        before.and_then(|(epoch, _)| epoch.parse().ok())
    }

    pub(crate) fn flush(&mut self) {
        self.texts.clear();
        self.states.clear();
        self.stream = None;
        self.top = (0, 0);
    }

    /// Bytes of whole commands; a command is never cut, since it is the parser's business alone.
    pub(crate) fn receive(&mut self, wire: usize, bytes: &[u8]) {
        let Some(wire) = self.wires.get_mut(&wire) else { return };
        let text = str::from_utf8(bytes).unwrap();
        let mut rest = text;
        while let Some(after) = rest.strip_prefix('*') {
            let (count, after) = after.split_once("\r\n").unwrap();
            rest = after;
            let mut words = Vec::new();
            for _ in 0..count.parse().unwrap() {
                let (length, after) = rest[1..].split_once("\r\n").unwrap();
                let length: usize = length.parse().unwrap();
                words.push(after[..length].to_owned());
                rest = &after[length + 2..];
            }
            wire.input.push_back(words);
        }
    }

    pub(crate) fn take_output(&mut self, wire: usize) -> Vec<u8> {
        self.wires.get_mut(&wire).map(|wire| std::mem::take(&mut wire.output)).unwrap_or_default()
    }

    /// Executes one command of a wire, if there is one. Returns whether there was.
    pub(crate) fn step(&mut self, key: usize, now: u64) -> bool {
        if now < self.stalled_until {
            return false;
        }
        self.unblock(key, now);
        let Some(wire) = self.wires.get_mut(&key).filter(|wire| wire.blocked.is_none()) else {
            return false;
        };
        let Some(words) = wire.input.pop_front() else {
            if wire.is_cut {
                self.wires.remove(&key);
            }
            return false;
        };
        let reply = match self.error {
            Some(error) => format!("-{error}\r\n"),
            None => self.execute(key, &words, now),
        };
        if let Some(wire) = self.wires.get_mut(&key).filter(|wire| !wire.is_cut) {
            wire.output.extend_from_slice(reply.as_bytes());
        }
        true
    }

    /// All wires, those too whose other side has gone.
    pub(crate) fn all_wires(&self) -> Vec<usize> {
        let mut all: Vec<_> = self.wires.keys().copied().collect();
        all.sort_unstable();
        all
    }

    fn unblock(&mut self, key: usize, now: u64) {
        let blocked = self.wires.get(&key).and_then(|wire| wire.blocked);
        let Some((after, until)) = blocked else { return };
        let reply = self.entries_after(after, 128);
        let Some(wire) = self.wires.get_mut(&key) else { return };
        if let Some(reply) = reply {
            wire.blocked = None;
            wire.output.extend_from_slice(reply.as_bytes());
        } else if until <= now {
            wire.blocked = None;
            wire.output.extend_from_slice(b"*-1\r\n");
        }
    }

    fn execute(&mut self, key: usize, words: &[String], now: u64) -> String {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["CLIENT", ..] | ["AUTH", ..] => "+OK\r\n".to_owned(),
            ["ROLE"] => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_owned(),
            ["INFO"] => bulk(&format!(
                "redis_version:7.2.0\r\nrun_id:{}\r\nmaster_replid:x\r\naof_enabled:1\r\n",
                self.run
            )),
            ["SET", name, value, "NX"] => {
                if self.texts.contains_key(name) {
                    return "$-1\r\n".to_owned();
                }
                self.texts.insert(name.to_owned(), (value.to_owned(), None));
                "+OK\r\n".to_owned()
            }
            ["SET", name, value, "PX", ms] => {
                let until = now + ms.parse::<u64>().unwrap();
                self.texts.insert(name.to_owned(), (value.to_owned(), Some(until)));
                "+OK\r\n".to_owned()
            }
            ["SET", name, value] => {
                let before = self.texts.insert(name.to_owned(), (value.to_owned(), None));
                self.states.extend(before.map(|(state, _)| state).filter(|_| name == STATE));
                "+OK\r\n".to_owned()
            }
            ["GET", name] => {
                let text = self.text(name, now);
                self.loads += usize::from(name == STATE && !text.starts_with("$-1"));
                text
            }
            ["MGET", ref names @ ..] => {
                let found: String = names.iter().map(|name| self.text(name, now)).collect();
                format!("*{}\r\n{found}", names.len())
            }
            ["XADD", _, ref rest @ ..] => self.add(rest),
            ["XRANGE", _, first, last] => {
                let (first, last) = (place(first), place(last));
                let stream = self.stream.as_ref();
                let entries: Option<Vec<String>> =
                    stream.map(|stream| stream.range(first..=last).map(entry).collect());
                many(&entries.unwrap_or_default())
            }
            ["XREAD", "COUNT", count, "STREAMS", _, after] => {
                self.note_read(key, place(after));
                let reply = self.entries_after(place(after), count.parse().unwrap());
                reply.unwrap_or_else(|| "*-1\r\n".to_owned())
            }
            ["XREAD", "COUNT", _, "BLOCK", ms, "STREAMS", _, after] => {
                self.note_read(key, place(after));
                let until = now + ms.parse::<u64>().unwrap();
                if let Some(wire) = self.wires.get_mut(&key) {
                    wire.blocked = Some((place(after), until));
                }
                String::new()
            }
            _ => panic!("the engine is asked {words:?}"),
        }
    }

    fn note_read(&mut self, key: usize, after: Place) {
        if let Some(wire) = self.wires.get_mut(&key) {
            wire.read = Some(after);
        }
    }

    fn text(&self, name: &str, now: u64) -> String {
        let alive = |until: &Option<u64>| until.is_none_or(|until| now < until);
        match self.texts.get(name).filter(|(_, until)| alive(until)) {
            Some((text, _)) => bulk(text),
            None => "$-1\r\n".to_owned(),
        }
    }

    fn add(&mut self, words: &[&str]) -> String {
        let (mut words, mut entries_max) = (words, usize::MAX);
        if let ["NOMKSTREAM", "MAXLEN", "~", count, rest @ ..] = words {
            (words, entries_max) = (rest, count.parse().unwrap());
            if self.stream.is_none() {
                return "$-1\r\n".to_owned();
            }
        }
        let (time, number) = words[0].split_once('-').unwrap();
        let time: u64 = time.parse().unwrap();
        let number = match number {
            "*" if self.top.0 == time => self.top.1 + 1,
            "*" => 0,
            number => number.parse().unwrap(),
        };
        let is_higher = (time, number) > self.top;
        if self.top != (0, 0) && !is_higher {
            return "-ERR The ID specified in XADD is equal or smaller than the target stream top \
                    item\r\n"
                .to_owned();
        }
        self.top = (time, number);
        let fields = words[1..].iter().map(|word| (*word).to_owned()).collect();
        let stream = self.stream.get_or_insert_default();
        stream.insert(self.top, fields);
        while stream.len() > entries_max {
            stream.pop_first();
            self.trimmed += 1;
        }
        bulk(&format!("{time}-{number}"))
    }

    fn entries_after(&self, after: Place, count: usize) -> Option<String> {
        use std::ops::Bound::{Excluded, Unbounded};
        let stream = self.stream.as_ref()?;
        let entries: Vec<String> =
            stream.range((Excluded(after), Unbounded)).take(count).map(entry).collect();
        (!entries.is_empty()).then(|| many(&[many(&[bulk("log"), many(&entries)])]))
    }
}

fn place(text: &str) -> Place {
    let (time, number) = text.split_once('-').unwrap();
    (time.parse().unwrap(), number.parse().unwrap())
}

/// Of which place a checkpoint is.
fn saved_at(state: &str) -> Option<Place> {
    let mut words = state.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn entry((place, fields): (&Place, &Vec<String>)) -> String {
    let fields: Vec<_> = fields.iter().map(|field| bulk(field)).collect();
    many(&[bulk(&format!("{}-{}", place.0, place.1)), many(&fields)])
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn many(parts: &[String]) -> String {
    format!("*{}\r\n{}", parts.len(), parts.concat())
}

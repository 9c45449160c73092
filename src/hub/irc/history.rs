//! CHATHISTORY: what was said before, from what a room remembers and from the archive.

use crate::archive::Request;
use crate::chat::{Happening, RoomKey, UserKey};
use crate::dialect::About;
use crate::dialect::irc::SERVER;
use crate::dialect::irc::Verb;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::numeric::write_time;
use crate::event::{Event, Said};
use crate::hub::Hub;
use crate::hub::connection::Asked;
use crate::hub::irc::happened::{self, Past, past};
use crate::key::ConnectionKey;
use crate::query::parse_millis;
use crate::span::{Place, Span, Wanted};
use crate::text;

/// Lines that are told at once at most.
pub(super) const LINES_MAX: usize = 1000;

/// Somebody who asks, and who they are.
type Who = (ConnectionKey, UserKey);

impl Hub {
    pub(super) fn irc_chathistory(&mut self, who: Who, given: &[&str]) {
        let key = who.0;
        let what = given.first().copied().unwrap_or_default().to_ascii_uppercase();
        if what.is_empty() {
            let why = "Missing parameters";
            return self.fail(key, Verb::ChatHistory, "NEED_MORE_PARAMS", (&[], why));
        }
        let fail = |hub: &mut Hub, code: &str, why: &str| {
            hub.fail(key, Verb::ChatHistory, code, (&[&what], why));
        };
        if what == "TARGETS" {
            return self.tell_targets(who, &given[1..]);
        }
        let is_known = ["LATEST", "BEFORE", "AFTER", "AROUND", "BETWEEN"].contains(&&*what);
        if !is_known {
            return fail(self, "INVALID_PARAMS", "Unknown command");
        }
        let needed = if what == "BETWEEN" { 5 } else { 4 };
        if given.len() < needed {
            return fail(self, "NEED_MORE_PARAMS", "Missing parameters");
        }
        let count = given[needed - 1].parse::<usize>().ok().map(|count| count.min(LINES_MAX));
        let places: Option<Vec<_>> = given[2..needed - 1].iter().map(|it| place(it)).collect();
        let (Some(count), Some(places)) = (count, places) else {
            return fail(self, "INVALID_PARAMS", "That is no place or no number");
        };
        let Some(wanted) = wanted(&what, &places, count) else {
            return fail(self, "INVALID_PARAMS", "That is no place");
        };
        let room = self.known_room(who.1, given[1]).filter(|room| self.may_read(who.1, *room));
        match room {
            Some(room) => self.look_up(who, room, wanted),
            // What was said in private is kept nowhere.
            None if !given[1].starts_with('#') && self.chat.find(given[1]).is_some() => {
                let name = text::clean(given[1]).into_owned();
                self.tell_past(key, &name, &[]);
            }
            None => {
                let why = "Messages could not be retrieved";
                self.fail(key, Verb::ChatHistory, "INVALID_TARGET", (&[&what, given[1]], why));
            }
        }
    }

    fn may_read(&self, user: UserKey, room: RoomKey) -> bool {
        self.chat.is_in(user, room) || self.chat.is_operator(user)
    }

    fn look_up(&mut self, (key, user): Who, room: RoomKey, wanted: Wanted) {
        let history = &self.chat[room].history;
        let places = 0..history.len();
        let heard = places.filter(|place| !self.chat.is_deaf_to_line(user, room, *place));
        let known: Vec<Said> = heard.map(|place| history.line(place).said.clone()).collect();
        let happened = match self.wants_happenings(key) {
            true => self.chat.happened_for(user, room),
            false => Vec::new(),
        };
        let title = self.chat[room].title().clone();
        // Where there is an archive, lines may be missing among what happened before that.
        let forgotten = if self.chat.remembers() { history.forgotten() } else { 0 };
        let recent = happened.iter().filter(|it| it.id > forgotten).cloned();
        let past = past(known, recent);
        if !self.chat.remembers() || wanted.is_within(forgotten, &past) {
            return self.tell_past(key, &title, &wanted.select(&past));
        }
        let name = self.chat[room].name().as_str().to_owned();
        let request = Request::Lines { room: name, wanted };
        let (room, tail) = (Some(title), past.into_iter().filter_map(Past::line).collect());
        self.ask_archive(key, Asked { room, tail, happened, ..Asked::new(request) });
    }

    /// What the archive knows of what was asked for, and whether more comes behind it; and what the
    /// room remembered, which may be newer than that. Of what happened, only that is told of which
    /// it is known that no line is missing between it and the lines: a client that goes on from
    /// there finds the rest.
    pub(in crate::hub) fn tell_wanted(
        &mut self,
        (key, user): Who,
        (room, wanted): (&str, &Wanted),
        (mut lines, more): (Vec<Said>, bool),
        (mut known, mut happened): (Vec<Said>, Vec<Happening>),
    ) {
        let last = lines.last().map(|said| said.id);
        if let Some(last) = last.filter(|_| more) {
            // Nobody would ask for what lies between.
            known.retain(|said| said.id <= last);
            happened.retain(|it| it.id <= last);
        }
        if !happened.is_empty() {
            let all = in_order(lines.iter().chain(&known).cloned().collect());
            happened.retain(|it| wanted.reaches(&all, it));
        }
        lines.retain(|said| !self.chat.is_deaf_to_name(user, &said.from));
        lines.extend(known);
        let past = past(in_order(lines), happened);
        self.tell_past(key, room, &wanted.select(&past));
    }

    /// Tells lines of a room, and what happened between them, in one batch.
    fn tell_past(&mut self, key: ConnectionKey, target: &str, past: &[Past]) {
        let (dialect, lang) = (self.connections[key].dialect, self.lang);
        let about = About { room: Some(target), ..About::default() };
        let mut all = Vec::new();
        for it in past {
            match it {
                Past::Said(said) => {
                    dialect.encode_about(lang, &about, &Event::Recalled(said), &mut all);
                }
                Past::Happened(it) => happened::encode((dialect, lang), target, it, &mut all),
            }
        }
        let all = String::from_utf8(all).unwrap_or_default();
        let all = all.split_terminator("\r\n").map(str::to_owned);
        self.tell_batch(key, &format!("chathistory {target}"), all);
    }

    fn tell_batch(&mut self, key: ConnectionKey, kind: &str, lines: impl Iterator<Item = String>) {
        let with_batch = self.caps_of(key).has(Caps::BATCH);
        self.irc.batches += 1;
        let batch = format!("h{}", self.irc.batches);
        let mut out = String::new();
        if with_batch {
            out += &format!(":{SERVER} BATCH +{batch} {kind}\r\n");
        }
        for line in lines {
            match with_batch {
                true => out += &super::tagged(&line, &format!("batch={batch}")),
                false => out += &line,
            }
            out += "\r\n";
        }
        if with_batch {
            out += &format!(":{SERVER} BATCH -{batch}\r\n");
        }
        let list = self.lists.share(None, out.into_bytes());
        self.connections[key].outbox.insert_shared(&self.journals, list);
        self.connections.touch(key);
    }

    /// Tells in which of their rooms something was said in a time.
    fn tell_targets(&mut self, (key, user): Who, given: &[&str]) {
        let [from, to, count] = *given else {
            let why = "Missing parameters";
            return self.fail(key, Verb::ChatHistory, "NEED_MORE_PARAMS", (&["TARGETS"], why));
        };
        let time = |given: &str| given.strip_prefix("timestamp=").and_then(parse_millis);
        let (Some(from), Some(to), Ok(count)) = (time(from), time(to), count.parse::<usize>())
        else {
            let why = "That is no time or no number";
            return self.fail(key, Verb::ChatHistory, "INVALID_PARAMS", (&["TARGETS"], why));
        };
        let (from, to) = (from.min(to), from.max(to));
        let last = |room: &RoomKey| self.chat[*room].history.lines().last();
        let rooms = self.rooms_of(user).into_iter();
        let rooms = rooms.filter_map(|room| Some((last(&room)?.said.unix_millis(), room)));
        let mut rooms: Vec<_> = rooms.filter(|(at, _)| (from..=to).contains(at)).collect();
        rooms.sort();
        rooms.truncate(count);
        let lines = rooms.into_iter().map(|(at, room)| {
            let mut line = format!(":{SERVER} CHATHISTORY TARGETS {} ", self.chat[room].title());
            write_time(&mut line, at / 1000, (at % 1000) as u16);
            line
        });
        let lines: Vec<_> = lines.collect();
        self.tell_batch(key, "draft/chathistory-targets", lines.into_iter());
    }
}

/// Lines in the order of their numbers, each once.
fn in_order(mut lines: Vec<Said>) -> Vec<Said> {
    lines.sort_by_key(|said| said.id);
    lines.dedup_by_key(|said| said.id);
    lines
}

/// A place as clients write it: `msgid=…`, `timestamp=…`, or `*` for none.
fn place(given: &str) -> Option<Option<Place>> {
    if given == "*" {
        return Some(None);
    }
    let (kind, value) = given.split_once('=')?;
    Some(Some(match kind {
        "msgid" => Place::Id(value.parse().ok()?),
        "timestamp" => Place::Time(parse_millis(value)?),
        _ => return None,
    }))
}

fn wanted(what: &str, places: &[Option<Place>], count: usize) -> Option<Wanted> {
    let span = |after, before, oldest| Wanted(vec![Span { after, before, oldest, count }]);
    Some(match (what, places) {
        ("LATEST", [after]) => span(*after, None, false),
        ("BEFORE", [Some(before)]) => span(None, Some(*before), false),
        ("AFTER", [Some(after)]) => span(Some(*after), None, true),
        ("AROUND", [Some(place)]) => Wanted::around(*place, count),
        ("BETWEEN", [Some(one), Some(other)]) => match is_later(*one, *other) {
            true => span(Some(*other), Some(*one), false),
            false => span(Some(*one), Some(*other), true),
        },
        _ => return None,
    })
}

/// Whether a place is later than another of the same kind.
fn is_later(one: Place, other: Place) -> bool {
    match (one, other) {
        (Place::Id(one), Place::Id(other)) | (Place::Time(one), Place::Time(other)) => one > other,
        _ => false,
    }
}

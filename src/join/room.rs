//! One room as it is remembered: what was said, who is there, what is new, and what we have said
//! that the server has not confirmed.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::message::{Entered, Line, ServerMessage};
use super::words::Lang;

/// Lines that are remembered. A long session takes no more.
const ITEMS_MAX: usize = 5000;

/// Names in one line about who came and went.
const NAMES_MAX: usize = 8;

/// Lines of what was missed that are asked for at once, and how often that is done: what is more
/// than that is for whoever asks for it.
const MISSED_COUNT: usize = 100;
const MISSED_QUESTIONS_MAX: usize = 20;

/// Who came and went longer ago is told in a line of its own, in seconds.
const TOGETHER_MAX: i64 = 60 * 60;

/// One thing in a room's log.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its number in the log, by which it is found when others are gone.
    pub(super) number: u64,
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) id: Option<u64>,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Said {
        from: String,
        text: String,
        emote: bool,
        /// It means us.
        mention: bool,
        /// It was told again, out of the history.
        old: bool,
    },
    /// A private message.
    Private {
        who: String,
        text: String,
        is_ours: bool,
    },
    Notice(String),
    Refused(String),
    Presence(Presence),
    /// A line across, as `── 3 missed ──`.
    Rule(String),
    /// There was no connection, until then.
    Outage {
        until: Option<i64>,
    },
    /// What we said, and nobody knows whether it was heard.
    Unsure {
        text: String,
        emote: bool,
    },
}

/// Who came and went, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    came: Vec<String>,
    went: Vec<(String, String)>,
    both: Vec<String>,
    back: Vec<String>,
    count: usize,
}

impl Presence {
    fn join(&mut self, name: &str) {
        if self.went.iter().any(|(gone, _)| gone == name) {
            self.went.retain(|(gone, _)| gone != name);
            self.back.push(name.to_owned());
        } else if self.both.iter().any(|gone| gone == name) {
            self.both.retain(|gone| gone != name);
            self.came.push(name.to_owned());
        } else {
            self.came.push(name.to_owned());
        }
    }

    fn leave(&mut self, name: &str, why: &str) {
        if self.came.iter().any(|here| here == name) {
            self.came.retain(|here| here != name);
            self.both.push(name.to_owned());
        } else {
            self.back.retain(|here| here != name);
            self.went.push((name.to_owned(), why.to_owned()));
        }
    }

    /// All of it, in one line.
    pub(super) fn text(&self, lang: Lang) -> String {
        let listed = |names: Vec<String>| {
            let more = names.len().saturating_sub(NAMES_MAX);
            let mut told = lang.listed(&names[..names.len() - more]);
            if more > 0 {
                told += &lang.and_others(more);
            }
            told
        };
        let went = self.went.iter().map(|(name, why)| match &**why {
            "" => name.clone(),
            why => format!("{name} ({why})"),
        });
        let went: Vec<_> = went.collect();
        let mut parts = Vec::new();
        if !self.came.is_empty() {
            parts.push(lang.came(&listed(self.came.clone())));
        }
        if !went.is_empty() {
            parts.push(lang.went(&listed(went)));
        }
        if !self.both.is_empty() {
            parts.push(lang.came_and_went(&listed(self.both.clone())));
        }
        if !self.back.is_empty() {
            parts.push(lang.went_and_came(&listed(self.back.clone())));
        }
        format!("{} {}", parts.join(lang.pick("; ", ";")), lang.here(self.count))
    }
}

/// What we have said, and the server has not confirmed.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) emote: bool,
    /// Whom it is for, if that is one person.
    pub(super) to: Option<String>,
    pub(super) at: i64,
    /// It was sent, in this connection or one before.
    pub(super) was_sent: bool,
    /// It is among what comes after this number.
    after: u64,
    /// Its number, if that is known before the line has come.
    id: Option<u64>,
}

/// A room.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// With its `#`; nothing, if it is the place of who is in no room.
    pub(super) name: String,
    pub(super) items: VecDeque<Item>,
    next: u64,
    /// Who is there, as far as we know; who talked last stands last.
    pub(super) people: Vec<String>,
    pub(super) count: usize,
    /// The number of the last thing that we were told of the room.
    pub(super) last_id: u64,
    /// The server knows that we are in it, since we are connected.
    pub(super) is_in: bool,
    pub(super) is_kept: bool,
    pub(super) unread: usize,
    pub(super) mentions: usize,
    /// The number of the first item that was not seen.
    pub(super) divider: Option<u64>,
    pub(super) pending: Vec<Pending>,
    /// The last row that is shown, as an item's number and a row of it; the last of all if `None`.
    pub(super) bottom: Option<(u64, usize)>,
    /// What is typed there and not sent.
    pub(super) draft: String,
    /// Lines that are older than all of these were asked for.
    pub(super) is_asking: bool,
    pub(super) has_older: bool,
    /// Where lines are missing that the server has kept.
    gap: Option<Gap>,
}

/// A place where lines are missing, while the server is asked for them.
#[derive(Debug)]
struct Gap {
    /// The number of the rule that stands there.
    rule: u64,
    /// What is missing is above this number, and below that one.
    after: u64,
    before: u64,
    /// Lines of others that were missed, as far as they are known.
    others: usize,
    /// How often the server may still be asked.
    questions: usize,
}

/// A key of a line in a history, by which the same is known again where it has no number.
fn parts(message: &ServerMessage) -> Option<(&Line, bool)> {
    match message {
        ServerMessage::Say(line) => Some((line, false)),
        ServerMessage::Me(line) => Some((line, true)),
        _ => None,
    }
}

impl Room {
    pub(super) fn new(name: &str) -> Room {
        Room { name: name.to_owned(), ..Room::default() }
    }

    pub(super) fn push(&mut self, at: i64, body: Body) -> u64 {
        self.push_item(at, None, body)
    }

    fn push_item(&mut self, at: i64, id: Option<u64>, body: Body) -> u64 {
        let number = self.next;
        self.next += 1;
        self.items.push_back(Item { number, at, id, body });
        if self.items.len() > ITEMS_MAX {
            self.items.pop_front();
            self.has_older = self.is_kept;
        }
        number
    }

    /// Somebody says something; `None` if that is here already.
    pub(super) fn say(&mut self, line: &Line, emote: bool, me: &str, mention: bool) -> Option<u64> {
        if line.id.is_some_and(|id| id <= self.last_id) {
            return None;
        }
        self.last_id = line.id.unwrap_or(self.last_id);
        if line.from == me {
            self.confirm(line, emote);
        }
        self.talked(&line.from);
        Some(self.add(line, emote, mention))
    }

    fn add(&mut self, line: &Line, emote: bool, mention: bool) -> u64 {
        self.push_item(line.at, line.id, said(line, emote, mention))
    }

    /// A line that was asked for again.
    pub(super) fn recall(&mut self, message: &ServerMessage) {
        if let Some((line, emote)) = parts(message) {
            let again = Line { again: true, ..line.clone() };
            self.push(line.at, said(&again, emote, false));
        }
    }

    fn talked(&mut self, name: &str) {
        if let Some(at) = self.people.iter().position(|one| one == name) {
            let name = self.people.remove(at);
            self.people.push(name);
        }
    }

    // ── who is there ──

    pub(super) fn come(&mut self, names: &[String], count: usize, at: i64) {
        self.people.retain(|one| !names.contains(one));
        self.people.splice(0..0, names.iter().cloned());
        self.count = count;
        let presence = self.presence(at, count);
        names.iter().for_each(|name| presence.join(name));
    }

    pub(super) fn go(&mut self, names: &[String], why: &str, count: usize, at: i64) {
        self.people.retain(|one| !names.contains(one));
        self.count = count;
        let presence = self.presence(at, count);
        names.iter().for_each(|name| presence.leave(name, why));
    }

    /// The line about who came and went to which more can be added.
    fn presence(&mut self, at: i64, count: usize) -> &mut Presence {
        let is_open =
            |item: &Item| matches!(item.body, Body::Presence(_)) && at - item.at < TOGETHER_MAX;
        if !self.items.back().is_some_and(is_open) {
            self.push(at, Body::Presence(Presence::default()));
        }
        let last = self.items.back_mut().map(|item| &mut item.body);
        let Some(Body::Presence(presence)) = last else { unreachable!("it was pushed just now") };
        presence.count = count;
        presence
    }

    /// Whether it was somebody here.
    pub(super) fn rename(&mut self, old: &str, new: &str) -> bool {
        let mut found = false;
        for name in self.people.iter_mut().filter(|name| *name == old) {
            new.clone_into(name);
            found = true;
        }
        found
    }

    // ── coming and coming back ──

    /// We are in it now, or again. Returns how many lines are new, and shows them below a rule if
    /// we were here before.
    pub(super) fn enter(&mut self, told: &Entered, me: &str, rules: &Rules<'_>) -> Vec<u64> {
        let was_here = self.last_id > 0;
        self.is_in = true;
        self.is_kept = told.kept;
        self.people.clone_from(&told.members);
        self.count = told.count;
        if !was_here {
            self.has_older = told.kept;
        }
        let lines: Vec<_> = told.history.iter().filter_map(parts).collect();
        let missed: Vec<_> =
            lines.iter().filter(|(line, _)| line.id.is_none_or(|id| id > self.last_id)).collect();
        for (line, emote) in &missed {
            if was_here && line.from == me {
                self.confirm(line, *emote);
            }
        }
        let others = missed.iter().filter(|(line, _)| line.from != me).count();
        if was_here && told.gap {
            let rule = self.push(rules.now, Body::Rule(rules.lang.gap(told.kept).to_owned()));
            let (after, before) = (self.last_id, told.first_id().unwrap_or(told.id + 1));
            let gap = Gap { rule, after, before, others, questions: MISSED_QUESTIONS_MAX };
            self.gap = Some(gap).filter(|_| told.kept);
        } else if was_here && others > 0 {
            self.push(rules.now, Body::Rule(rules.lang.missed(others)));
        }
        let mut shown = Vec::new();
        for (line, emote) in missed {
            let mention = was_here && line.from != me && (rules.is_mention)(&line.text);
            let line = Line { again: !was_here, ..(*line).clone() };
            self.talked(&line.from);
            let number = self.add(&line, *emote, mention);
            if was_here && line.from != me {
                shown.push(number);
            }
        }
        self.last_id = told.id.max(self.last_id);
        shown
    }

    /// How the server is asked for what is missing, if it has kept that.
    pub(super) fn missed_question(&self) -> Option<Value> {
        let before = self.gap.as_ref()?.before;
        Some(json!({
            "type": "history", "room": self.name, "before": before, "count": MISSED_COUNT,
            "key": self.missed_key()?,
        }))
    }

    /// By which an answer with what was missed is known.
    fn missed_key(&self) -> Option<String> {
        self.gap.as_ref().map(|gap| format!("missed {}", gap.before))
    }

    /// Whether the answer with this key is about what is missing.
    pub(super) fn is_about_missed(&self, key: &str) -> bool {
        self.missed_key().is_some_and(|it| it == key)
    }

    /// The server does not tell what is missing; the rule says how to ask for it.
    pub(super) fn give_up_missed(&mut self) {
        self.gap = None;
    }

    /// Shows lines that were missed below the rule. `more` is whether there are older ones. Returns
    /// those of others.
    pub(super) fn fill(
        &mut self,
        lines: &[ServerMessage],
        more: bool,
        me: &str,
        rules: &Rules<'_>,
    ) -> Vec<u64> {
        let Some(mut gap) = self.gap.take() else { return Vec::new() };
        let Some(at) = self.items.iter().position(|item| item.number == gap.rule) else {
            return Vec::new();
        };
        let all = lines.iter().filter_map(parts);
        let missed = all.filter(|(line, _)| line.id.is_some_and(|id| id > gap.after));
        let missed: Vec<_> = missed.collect();
        let is_whole = missed.len() < lines.len() || !more;
        self.make_place(at + 1, missed.len() as u64);
        let mut shown = Vec::new();
        for (place, number, (line, emote)) in
            missed.iter().enumerate().map(|(n, it)| (at + 1 + n, gap.rule + 1 + n as u64, it))
        {
            let is_ours = line.from == me;
            if is_ours {
                self.confirm(line, *emote);
            } else {
                shown.push(number);
            }
            let body = said(line, *emote, !is_ours && (rules.is_mention)(&line.text));
            self.items.insert(place, Item { number, at: line.at, id: line.id, body });
        }
        gap.others += shown.len();
        gap.questions -= 1;
        gap.before = missed.first().and_then(|(line, _)| line.id).unwrap_or(gap.before);
        if !is_whole {
            self.gap = Some(gap).filter(|gap| gap.questions > 0);
        } else if gap.others > 0 {
            self.items[at].body = Body::Rule(rules.lang.missed(gap.others));
        } else {
            self.items.remove(at);
        }
        while self.items.len() > ITEMS_MAX {
            self.items.pop_front();
            self.has_older = true;
        }
        shown
    }

    /// Counts what stands at `at` and behind it anew, so that there is place for so many before it.
    fn make_place(&mut self, at: usize, count: u64) {
        let from = self.items.get(at).map_or(self.next, |item| item.number);
        self.items.iter_mut().skip(at).for_each(|item| item.number += count);
        self.next += count;
        let moved = |it: u64| if it >= from { it + count } else { it };
        self.divider = self.divider.map(moved);
        self.bottom = self.bottom.map(|(it, row)| (moved(it), row));
    }

    /// Older lines than the first; returns how many there were.
    pub(super) fn prepend(&mut self, lines: &[ServerMessage], more: bool) {
        self.is_asking = false;
        self.has_older = more;
        // Numbers count up from the first, which is never 0.
        let Some(first) = self.items.front().map(|item| item.number) else { return };
        let lines: Vec<_> = lines.iter().filter_map(parts).collect();
        let count = lines.len() as u64;
        if first < count {
            // What is there is counted anew, so that there is place before it.
            let shift = count - first;
            self.items.iter_mut().for_each(|item| item.number += shift);
            self.next += shift;
            self.divider = self.divider.map(|it| it + shift);
            self.bottom = self.bottom.map(|(it, row)| (it + shift, row));
            if let Some(gap) = &mut self.gap {
                gap.rule += shift;
            }
        }
        let Some(first) = self.items.front().map(|item| item.number) else { return };
        for (back, (line, emote)) in (1..).zip(lines.into_iter().rev()) {
            let line = Line { again: true, ..line.clone() };
            let body = said(&line, emote, false);
            self.items.push_front(Item { number: first - back, at: line.at, id: line.id, body });
        }
    }

    /// By which an answer with older lines is known.
    pub(super) fn older_key(&self) -> String {
        format!("older {}", self.first_id().unwrap_or_default())
    }

    /// The number of the first line that has one.
    pub(super) fn first_id(&self) -> Option<u64> {
        self.items.iter().find_map(|item| item.id)
    }

    // ── what we say ourselves ──

    pub(super) fn pend(&mut self, key: String, text: String, how: How, at: i64) {
        let How { emote, to } = how;
        let after = self.last_id;
        self.pending.push(Pending { key, text, emote, to, at, was_sent: false, after, id: None });
    }

    /// What was not sent yet, to be sent now.
    pub(super) fn unsent(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        for one in self.pending.iter_mut().filter(|one| !one.was_sent) {
            one.was_sent = true;
            messages.push(one.message(&self.name));
        }
        messages
    }

    /// The line with this key has this number.
    pub(super) fn acknowledge(&mut self, key: &str, id: u64) {
        let last = self.last_id;
        let Some(pending) = self.pending.iter_mut().find(|one| one.key == key) else { return };
        // A private message has no line in the room: `sent` shows it.
        if pending.to.is_some() {
            return;
        }
        pending.id = Some(id);
        self.pending.retain(|one| one.key != key || id > last);
    }

    /// What was refused was not said. Returns how it was typed.
    pub(super) fn refuse(&mut self, key: &str) -> Option<String> {
        let at = self.pending.iter().position(|one| one.key == key)?;
        Some(self.pending.remove(at).typed())
    }

    /// This line is ours.
    fn confirm(&mut self, line: &Line, emote: bool) {
        let id = line.id.unwrap_or(0);
        let is_it = |one: &Pending| {
            let is_alike = one.text == line.text && one.emote == emote && one.after < id;
            one.to.is_none() && (one.id == line.id || one.id.is_none() && is_alike)
        };
        if let Some(at) = self.pending.iter().position(is_it) {
            self.pending.remove(at);
        }
    }

    /// A private message of ours has gone out.
    pub(super) fn sent(&mut self, to: &str, text: &str, at: i64) -> u64 {
        if let Some(at) = self.pending.iter().position(|one| one.is_to(to, text)) {
            self.pending.remove(at);
        }
        let (who, text) = (to.to_owned(), text.to_owned());
        self.push(at, Body::Private { who, text, is_ours: true })
    }

    /// Nobody can tell any more whether what was sent was said: it is left to us to say it again.
    pub(super) fn give_up_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let (sent, unsent): (Vec<_>, _) = pending.into_iter().partition(|one| one.was_sent);
        self.pending = unsent;
        for Pending { text, emote, to, at, .. } in sent {
            let text = match to {
                Some(to) => format!("/msg {to} {text}"),
                None => text,
            };
            self.push(at, Body::Unsure { text, emote });
        }
    }

    /// What nobody knows whether it was said, taken out of the log.
    pub(super) fn take_unsure(&mut self) -> Vec<(String, bool)> {
        let mut taken = Vec::new();
        self.items.retain(|item| match &item.body {
            Body::Unsure { text, emote } => {
                taken.push((text.clone(), *emote));
                false
            }
            _ => true,
        });
        taken
    }

    // ── what is new ──

    /// Something came that nobody has seen.
    pub(super) fn note(&mut self, number: u64, is_mention: bool) {
        self.unread += 1;
        self.mentions += usize::from(is_mention);
        self.divider.get_or_insert(number);
    }

    /// It is looked at.
    pub(super) fn read(&mut self) {
        (self.unread, self.mentions) = (0, 0);
    }

    /// There is no connection. That is told in one line, however often one tries.
    pub(super) fn outage(&mut self, at: i64) {
        if self.open_outage().is_none() {
            self.push(at, Body::Outage { until: None });
        }
    }

    /// There is a connection again; the line about it is rewritten.
    pub(super) fn outage_ends(&mut self, at: i64) {
        if let Some(until) = self.open_outage() {
            *until = Some(at);
        }
    }

    /// The end of the last outage, if it goes on.
    fn open_outage(&mut self) -> Option<&mut Option<i64>> {
        let ends = self.items.iter_mut().rev().filter_map(|item| match &mut item.body {
            Body::Outage { until } => Some(until),
            _ => None,
        });
        ends.take(1).find(|until| until.is_none())
    }

    /// Whether a private message of ours has not been confirmed.
    pub(super) fn has_pending_to(&self, to: &str, text: &str) -> bool {
        self.pending.iter().any(|one| one.is_to(to, text))
    }
}

impl Pending {
    fn is_to(&self, to: &str, text: &str) -> bool {
        let is_to = |it: &String| it.to_lowercase() == to.to_lowercase();
        self.text == text && self.to.as_ref().is_some_and(is_to)
    }

    /// What one types to say it.
    fn typed(&self) -> String {
        let text = &self.text;
        match &self.to {
            Some(to) => format!("/msg {to} {text}"),
            None if self.emote => format!("/me {text}"),
            None => as_text(text),
        }
    }

    /// As it is sent, also again.
    pub(super) fn message(&self, room: &str) -> Value {
        let Pending { key, text, .. } = self;
        if let Some(to) = &self.to {
            return json!({"type": "msg", "to": to, "text": text, "key": key});
        }
        if self.emote {
            return json!({"type": "me", "text": text, "room": room, "key": key});
        }
        json!({"type": "say", "text": as_text(text), "room": room, "key": key})
    }
}

/// A line that is text, whatever it begins with: a slash with another one in front.
pub(super) fn as_text(text: &str) -> String {
    let slash = if text.starts_with('/') { "/" } else { "" };
    format!("{slash}{text}")
}

/// How something is said.
pub(super) struct How {
    pub(super) emote: bool,
    pub(super) to: Option<String>,
}

/// What is needed to come back.
pub(super) struct Rules<'a> {
    pub(super) lang: Lang,
    pub(super) now: i64,
    pub(super) is_mention: &'a dyn Fn(&str) -> bool,
}

fn said(line: &Line, emote: bool, mention: bool) -> Body {
    let (from, text, old) = (line.from.clone(), line.text.clone(), line.again);
    Body::Said { from, text, emote, mention, old }
}

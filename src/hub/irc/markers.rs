//! Read markers (MARKREAD): up to where people have read what was said in rooms and in private.
//! They belong to an account, if its owner is logged in, and all of its clients are told of them;
//! otherwise to the connection. They last as long as the server runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::chat::{UserKey, commands};
use crate::dialect::irc::Verb;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::numeric::write_time;
use crate::hub::Hub;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::text;

/// Rooms and people for which one reader has markers, and markers of all readers together.
const TARGETS_MAX: usize = 100;
const MARKERS_MAX: usize = 20_000;

/// A time as clients write it. Such times are in order as texts are.
const TIME_FORM: &str = "0000-00-00T00:00:00.000Z";

/// Whose markers they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// An account's, by its place in a sorted list.
    Account(Arc<str>),
    Connection(ConnectionKey),
}

/// What one reader has read.
#[derive(Debug, Default)]
struct Read {
    /// When something was marked last, as a number that only grows.
    turn: u64,
    /// Each room or person, and up to when; what was marked last is at the end.
    targets: Vec<(Arc<str>, String)>,
}

/// All read markers.
#[derive(Debug, Default)]
pub(super) struct Markers {
    of: HashMap<Whose, Read>,
    /// Those who have any, by when they marked something last.
    by_turn: BTreeMap<u64, Whose>,
    turn: u64,
    count: usize,
}

impl Markers {
    fn find(&self, whose: &Whose, target: &str) -> Option<&str> {
        let mut targets = self.of.get(whose)?.targets.iter();
        targets.find(|(of, _)| **of == *target).map(|(_, time)| time.as_str())
    }

    /// Marks something as read up to a time. Returns whether that is later than before: what was
    /// read is not unread again.
    fn set(&mut self, whose: &Whose, target: &str, time: &str) -> bool {
        if self.find(whose, target).is_some_and(|before| before >= time) {
            return false;
        }
        self.turn += 1;
        let read = self.of.entry(whose.clone()).or_default();
        self.by_turn.remove(&read.turn);
        read.turn = self.turn;
        self.by_turn.insert(self.turn, whose.clone());
        let before = read.targets.len();
        read.targets.retain(|(of, _)| **of != *target);
        read.targets.push((target.into(), time.to_owned()));
        let excess = read.targets.len().saturating_sub(TARGETS_MAX);
        read.targets.drain(..excess);
        self.count = self.count + read.targets.len() - before;
        while self.count > MARKERS_MAX
            && let Some((_, oldest)) = self.by_turn.pop_first()
        {
            self.forget(&oldest);
        }
        true
    }

    fn forget(&mut self, whose: &Whose) {
        if let Some(read) = self.of.remove(whose) {
            self.by_turn.remove(&read.turn);
            self.count -= read.targets.len();
        }
    }
}

impl Hub {
    pub(super) fn irc_markread(&mut self, (key, user): (ConnectionKey, UserKey), given: &[&str]) {
        let target = text::clean(given.first().copied().unwrap_or_default());
        if target.is_empty() {
            let why = "Missing parameters";
            return self.fail(key, Verb::MarkRead, "NEED_MORE_PARAMS", (&[], why));
        }
        let Some(fold) = fold(&target) else {
            let why = "That is neither a channel nor a nickname";
            return self.fail(key, Verb::MarkRead, "INVALID_PARAMS", (&[&target], why));
        };
        let whose = self.whose_markers(key);
        let mut is_new = false;
        if let Some(marker) = given.get(1) {
            let Some(time) = marker.strip_prefix("timestamp=").filter(|time| is_time(time)) else {
                let why = "That is no time";
                return self.fail(key, Verb::MarkRead, "INVALID_PARAMS", (&[&target], why));
            };
            // Nobody has read what is not said yet.
            let mut now = String::new();
            write_time(&mut now, self.now.unix_seconds, 999);
            is_new = self.irc.markers.set(&whose, &fold, time.min(&now));
        }
        self.tell_marker(key, &target);
        if is_new && let Whose::Account(_) = whose {
            let account = self.chat.account_of(user).cloned();
            let clients = self.chat.all_users().filter(|(_, of)| of.account() == account.as_ref());
            let clients = clients.filter_map(|(_, of)| of.origin).filter(|other| *other != key);
            let asked = |other: &ConnectionKey| self.caps_of(*other).has(Caps::READ_MARKER);
            let clients: Vec<_> = clients.filter(asked).collect();
            clients.into_iter().for_each(|other| self.tell_marker(other, &target));
        }
    }

    /// Tells up to where somebody has read what was said there.
    pub(super) fn tell_marker(&mut self, key: ConnectionKey, target: &str) {
        let fold = fold(target).unwrap_or_default();
        let marker = self.irc.markers.find(&self.whose_markers(key), &fold);
        let marker = marker.map_or("*".to_owned(), |time| format!("timestamp={time}"));
        self.reply(key, |replies| replies.server(&["MARKREAD ", target, " ", &marker]));
    }

    fn whose_markers(&self, key: ConnectionKey) -> Whose {
        let user = self.connections[key].user();
        let account = user.and_then(|user| self.chat.account_of(user));
        account.map_or(Whose::Connection(key), |account| Whose::Account(account.sort_key()))
    }

    /// There is no such account any more: whoever has the name next has read nothing.
    pub(in crate::hub) fn forget_markers_of_account(&mut self, name: &Nickname) {
        self.irc.markers.forget(&Whose::Account(name.sort_key()));
    }

    /// `key` has gone.
    pub(in crate::hub) fn forget_markers(&mut self, key: ConnectionKey) {
        self.irc.markers.forget(&Whose::Connection(key));
    }

    /// Whether no connection has a marker.
    pub(in crate::hub) fn marks_nothing(&self) -> bool {
        self.irc.markers.of.keys().all(|whose| matches!(whose, Whose::Account(_)))
    }
}

/// A room or a person as one finds it; `None` if it can be neither.
fn fold(target: &str) -> Option<String> {
    match target.strip_prefix('#') {
        Some(room) => commands::parse_room(room).map(|room| format!("#{}", room.sort_key())),
        None => Nickname::parse(target).ok().map(|name| name.sort_key().as_ref().to_owned()),
    }
}

fn is_time(text: &str) -> bool {
    let is_alike = |(one, form): (u8, u8)| match form {
        b'0' => one.is_ascii_digit(),
        form => one == form,
    };
    text.len() == TIME_FORM.len()
        && text.bytes().zip(TIME_FORM.bytes()).all(is_alike)
        && crate::query::parse_date(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_markers_are_kept_and_those_that_were_set_last() {
        let mut markers = Markers::default();
        let whose = |number: usize| Whose::Connection(ConnectionKey::nth(number));
        for number in 0..=TARGETS_MAX {
            assert!(markers.set(&whose(0), &format!("#{number}"), "1"));
        }
        assert_eq!(markers.find(&whose(0), "#0"), None);
        assert_eq!(markers.find(&whose(0), "#1"), Some("1"));
        assert!(!markers.set(&whose(0), "#1", "0"), "earlier");
        assert_eq!(markers.count, TARGETS_MAX);
        let readers = MARKERS_MAX / TARGETS_MAX;
        for reader in 1..readers {
            for number in 0..TARGETS_MAX {
                markers.set(&whose(reader), &format!("#{number}"), "1");
            }
        }
        assert_eq!(markers.count, MARKERS_MAX);
        assert!(markers.set(&whose(0), "#1", "2"));
        assert!(markers.set(&whose(readers), "#1", "2"), "one too many");
        assert_eq!(markers.find(&whose(1), "#1"), None, "the one who has marked nothing since");
        assert_eq!(markers.find(&whose(0), "#1"), Some("2"));
        assert_eq!((markers.of.len(), markers.by_turn.len()), (readers, readers));
        (0..=readers).for_each(|reader| markers.forget(&whose(reader)));
        assert_eq!((markers.count, markers.of.len(), markers.by_turn.len()), (0, 0, 0));
    }

    #[test]
    fn a_time_is_as_in_the_tags_of_the_server() {
        assert!(is_time("2026-11-27T14:05:09.000Z"));
        for other in ["", "*", "2026-11-27", "2026-11-27T14:05:09Z", "2026-13-27T14:05:09.000Z"] {
            assert!(!is_time(other), "{other}");
        }
    }
}

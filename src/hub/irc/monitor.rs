//! MONITOR: who wants to know when somebody comes or goes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chat::UserKey;
use crate::dialect::irc::SERVER;
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::numeric::{
    ERR_MONLISTFULL, Lines, Numeric, RPL_ENDOFMONLIST, RPL_MONLIST, RPL_MONOFFLINE, RPL_MONONLINE,
};
use crate::event::{Change, Event};
use crate::hub::Hub;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::text;

/// How many one client can watch.
pub(super) const WATCHED_MAX: usize = 100;

/// Who watches whom. Nobody is in it who watches nobody.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// By the name's place in a sorted list.
    by_name: HashMap<Arc<str>, Vec<ConnectionKey>>,
    /// Whom a connection watches, as it has written the names.
    watched: HashMap<ConnectionKey, Vec<Nickname>>,
}

impl Watchers {
    fn of(&self, name: &Nickname) -> Vec<ConnectionKey> {
        match self.by_name.is_empty() {
            true => Vec::new(),
            false => self.by_name.get(&name.sort_key()).cloned().unwrap_or_default(),
        }
    }

    fn watched_by(&self, key: ConnectionKey) -> &[Nickname] {
        self.watched.get(&key).map_or(&[], |names| names)
    }

    /// Returns whether it watches that name now, or did already: it may not watch too many.
    fn add(&mut self, key: ConnectionKey, name: &Nickname) -> bool {
        let fold = name.sort_key();
        if self.watched_by(key).iter().any(|other| other.sort_key() == fold) {
            return true;
        }
        if self.watched_by(key).len() >= WATCHED_MAX {
            return false;
        }
        self.watched.entry(key).or_default().push(name.clone());
        self.by_name.entry(fold).or_default().push(key);
        true
    }

    fn remove(&mut self, key: ConnectionKey, name: &Nickname) {
        let fold = name.sort_key();
        if let Some(names) = self.watched.get_mut(&key) {
            names.retain(|other| other.sort_key() != fold);
            if names.is_empty() {
                self.watched.remove(&key);
            }
        }
        if let Some(keys) = self.by_name.get_mut(&fold) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_name.remove(&fold);
            }
        }
    }

    /// Somebody watches nobody any more.
    pub(super) fn clear(&mut self, key: ConnectionKey) {
        for name in self.watched.remove(&key).unwrap_or_default() {
            self.remove(key, &name);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.watched.is_empty()
    }
}

impl Hub {
    pub(super) fn irc_monitor(&mut self, key: ConnectionKey, given: &[&str]) {
        let given_names = given.get(1).copied().unwrap_or_default();
        let names = given_names.split(',').filter_map(|name| Nickname::parse(name).ok());
        match given[0] {
            "+" => {
                self.watch(key, &names.collect::<Vec<_>>());
                // Nobody will ever be called so.
                let is_other = |name: &&str| !name.is_empty() && Nickname::parse(name).is_err();
                let others = given_names.split(',').filter(is_other);
                let others = others.map(|name| text::clean(name).into_owned());
                self.tell_names(key, RPL_MONOFFLINE, others.collect::<Vec<_>>().into_iter());
            }
            "-" => names.for_each(|name| self.irc.watchers.remove(key, &name)),
            "C" | "c" => self.irc.watchers.clear(key),
            "L" | "l" => {
                let names = self.irc.watchers.watched_by(key).to_vec();
                self.tell_names(key, RPL_MONLIST, names.iter().map(ToString::to_string));
                self.reply(key, |replies| replies.tell(RPL_ENDOFMONLIST, &[]));
            }
            "S" | "s" => {
                let names = self.irc.watchers.watched_by(key).to_vec();
                self.tell_presence(key, &names);
            }
            _ => {}
        }
    }

    fn watch(&mut self, key: ConnectionKey, names: &[Nickname]) {
        let (watched, refused): (Vec<_>, Vec<_>) =
            names.iter().cloned().partition(|name| self.irc.watchers.add(key, name));
        self.tell_presence(key, &watched);
        let max = WATCHED_MAX.to_string();
        // So few fit into a line with all around them.
        for names in refused.chunks(10) {
            let names: Vec<_> = names.iter().map(Nickname::as_str).collect();
            let names = names.join(",");
            self.reply(key, |replies| replies.tell(ERR_MONLISTFULL, &[&max, &names]));
        }
    }

    /// Tells who of these is here, and who is not.
    fn tell_presence(&mut self, key: ConnectionKey, names: &[Nickname]) {
        let here = |name: &Nickname| {
            let of = self.chat.user(self.chat.find(name.as_str())?)?;
            // Whoever only looks alike is watched by another name.
            (of.name.sort_key() == name.sort_key()).then(|| self.chat.author(of).to_string())
        };
        let online: Vec<_> = names.iter().filter_map(here).collect();
        let offline = names.iter().filter(|name| here(name).is_none());
        let offline: Vec<_> = offline.map(Nickname::to_string).collect();
        self.tell_names(key, RPL_MONONLINE, online.into_iter());
        self.tell_names(key, RPL_MONOFFLINE, offline.into_iter());
    }

    fn tell_names(
        &mut self,
        key: ConnectionKey,
        numeric: Numeric,
        names: impl Iterator<Item = String>,
    ) {
        let (nick, mut out) = (self.nick_of(key), Vec::new());
        let head = format!(":{SERVER} {} {nick} :", numeric.0);
        let mut lines = Lines::new(|_| head.clone()).between(',');
        names.for_each(|name| lines.push(&name, &mut out));
        lines.finish_unless_empty(&mut out);
        self.send(key, &out);
    }

    // ── what happens ─────────────────────────────────────────────────────────────────────────────

    /// Somebody has come, or has this name now.
    pub(in crate::hub) fn tell_watchers_online(&mut self, user: UserKey) {
        let Some(of) = self.chat.user(user) else { return };
        let watchers = self.irc.watchers.of(&of.name);
        if !watchers.is_empty() {
            let mask = self.chat.author(of).to_string();
            for key in watchers {
                self.reply(key, |replies| replies.say(RPL_MONONLINE, &[], &mask));
            }
        }
    }

    /// Nobody has this name any more.
    pub(in crate::hub) fn tell_watchers_offline(&mut self, name: &Nickname) {
        for key in self.irc.watchers.of(name) {
            self.reply(key, |replies| replies.say(RPL_MONOFFLINE, &[], name.as_str()));
        }
    }

    /// Somebody who acts is away, logged in or called otherwise now: who watches them and has asked
    /// for that is told, unless it was told in a room that both are in.
    pub(in crate::hub) fn tell_watchers_of_change(&mut self, user: UserKey, change: Change<'_>) {
        let Some(of) = self.chat.user(user) else { return };
        let (watchers, own) = (self.irc.watchers.of(&of.name), of.origin);
        if watchers.is_empty() {
            return;
        }
        let rooms = self.rooms_of(user);
        for key in watchers {
            let shares = self.connections[key]
                .user()
                .is_some_and(|watcher| rooms.iter().any(|room| self.chat.is_in(watcher, *room)));
            let wants = self.caps_of(key).has(Caps::EXTENDED_MONITOR);
            if wants && !shares && Some(key) != own {
                self.tell(key, None, &Event::Changed(change));
            }
        }
    }

    /// `key` has gone, and watches nobody any more.
    pub(in crate::hub) fn forget_watcher(&mut self, key: ConnectionKey) {
        self.irc.watchers.clear(key);
    }

    /// Whether nobody watches anybody.
    pub(in crate::hub) fn watches_nobody(&self) -> bool {
        self.irc.watchers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_who_watches_nobody() {
        let mut watchers = Watchers::default();
        let (one, other) = (ConnectionKey::nth(0), ConnectionKey::nth(1));
        let name = |name: &str| Nickname::parse(name).unwrap();
        for key in [one, other] {
            watchers.add(key, &name("Alice"));
            watchers.add(key, &name("alice"));
        }
        watchers.add(one, &name("bob"));
        assert_eq!(watchers.of(&name("ALICE")), [one, other]);
        assert_eq!(watchers.watched_by(one).len(), 2);
        watchers.remove(one, &name("alice"));
        watchers.clear(other);
        assert!(!watchers.is_empty());
        watchers.clear(one);
        assert!(watchers.is_empty());
    }
}

//! The room: its members, its history and its journals. A [`Command`] comes in, [`Event`]s go out
//! to everyone or to one; what a connection is and how it comes and goes is the hub's business.
//!
//! What happens to everyone is encoded once for each dialect that is spoken in the room
//! (`publish`), whoever caused it. Joining and leaving are gathered first: those that follow each
//! other directly within a turn become one notice (`flush_presence`), so that a thousand people who
//! come at once cost a line, not a million.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Limits;
use crate::connection::{Connection, Connections, LastSender, Member, State};
use crate::delivery::{HOLD_MAX, Hold};
use crate::delivery::{Journal, JournalKey, Journals, Seq};
use crate::dialect::phrases::{WELCOME_MAX, WHOLE_WELCOME_MAX};
use crate::dialect::{Dialect, Lang};
use crate::directory::Directory;
use crate::event::{CloseReason, Command, Event, Parting, Refusal, Said, Topic};
use crate::ignoring::Ignoring;
use crate::key::ConnectionKey;
use crate::lists::Lists;
use crate::nickname::Nickname;
use crate::text;
use crate::timers::Now;

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    lang: Lang,
    backlog_bytes_max: usize,
    history_lines_max: usize,
    /// Who is here, by the dialect they speak. A member knows its seat in the list.
    slots: [Vec<ConnectionKey>; Dialect::COUNT],
    /// The names of all members by their folds, so that they come out sorted as people expect.
    names: BTreeMap<Arc<str>, ConnectionKey>,
    history: VecDeque<HistoryLine>,
    /// All that was said and somebody has not got, and of it the journal of each dialect.
    journals: Journals,
    keys: [JournalKey; Dialect::COUNT],
    /// Answers that many share.
    lists: Lists,
    /// Coming and going that has not been told yet.
    presence: Option<PresenceBatch>,
    ignoring: Ignoring,
    /// Some who do not read have more ranges to leave out than they may.
    skips_abound: bool,
    /// Bytes that have been said since everyone was last written to.
    turn_bytes: usize,
    /// Talkers wait for readers that are slow but alive.
    hold: Hold,
    /// Bytes of private messages in the same time.
    turn_private_bytes: usize,
    /// Lines that were said, and each times those it was for.
    said: (u64, u64),
}

/// People who came, or who went for the same reason, directly one after the other.
#[derive(Debug)]
struct PresenceBatch {
    kind: PresenceKind,
    names: Vec<Nickname>,
    /// Of those who came, the connections.
    keys: Vec<ConnectionKey>,
}

#[derive(Debug, PartialEq, Eq)]
enum PresenceKind {
    Joined,
    Left,
    /// … which those do not hear who ignore them.
    LeftWithWords(String, Vec<ConnectionKey>),
    LeftFor(CloseReason),
}

/// A line of the history. It is encoded when somebody first asks for it, and then for all.
#[derive(Debug)]
struct HistoryLine {
    said: Said,
    /// Who spoke, and may have gone since.
    by: ConnectionKey,
    encoded: Vec<(Dialect, Arc<[u8]>)>,
}

impl Room {
    pub(crate) fn new(lang: Lang, limits: &Limits) -> Room {
        let mut journals = Journals::default();
        let keys = Dialect::ALL.map(|_| journals.insert());
        Room {
            lang,
            backlog_bytes_max: limits.backlog_bytes_max,
            history_lines_max: limits.history_lines_max,
            slots: Default::default(),
            names: BTreeMap::new(),
            history: VecDeque::new(),
            journals,
            keys,
            lists: Lists::default(),
            presence: None,
            ignoring: Ignoring::default(),
            skips_abound: false,
            turn_bytes: 0,
            hold: Hold::default(),
            turn_private_bytes: 0,
            said: (0, 0),
        }
    }

    /// How many lines were said, and for how many members together.
    pub(crate) fn said(&self) -> (u64, u64) {
        self.said
    }

    /// How many are here, by dialect.
    pub(crate) fn members_by_dialect(&self) -> [usize; Dialect::COUNT] {
        std::array::from_fn(|dialect| self.slots[dialect].len())
    }

    /// What waits in the journals, by dialect.
    pub(crate) fn bytes_by_dialect(&self) -> [usize; Dialect::COUNT] {
        self.keys.map(|key| self.journals.get(key).len())
    }

    /// How many are here.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// The first names in the order of a list.
    fn first_names(&self, connections: &Connections, max: usize) -> Vec<Nickname> {
        let members = self.names.values().filter_map(|key| connections[*key].member());
        members.take(max).map(|member| member.name.clone()).collect()
    }

    pub(crate) fn journals(&self) -> &Journals {
        &self.journals
    }

    pub(crate) fn journals_mut(&mut self) -> &mut Journals {
        &mut self.journals
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    /// Lets somebody in under a name that the directory has given them, and welcomes them unless
    /// that was done before.
    pub(crate) fn join(
        &mut self,
        connections: &mut Connections,
        key: ConnectionKey,
        name: &Nickname,
    ) {
        self.add_to_presence(connections, PresenceKind::Joined);
        if let Some(presence) = &mut self.presence {
            presence.names.push(name.clone());
            presence.keys.push(key);
        }
        let connection = &mut connections[key];
        connection.outbox.attach(&mut self.journals, self.keys[connection.dialect.index()]);
        let slots = &mut self.slots[connection.dialect.index()];
        let slot = slots.len() as u32;
        slots.push(key);
        self.names.insert(sort_key(name), key);
        self.lists.outdate();
        let member = Member { name: name.clone(), slot, social: None };
        let whole = connection.dialect.spec().whole_welcome.is_some();
        let before = mem::replace(&mut connection.state, State::Chatting(member));
        self.ignoring.join(connections, key, name);
        // The others are welcomed when those who come with them are there, too.
        if !whole {
            if !matches!(before, State::Entering(_)) {
                self.welcome(connections, key, name);
            }
            self.tell_history(connections, key);
        }
    }

    /// Tells a newcomer who is here.
    pub(crate) fn welcome(
        &mut self,
        connections: &mut Connections,
        key: ConnectionKey,
        name: &Nickname,
    ) {
        let (here, count) = (self.first_names(connections, WELCOME_MAX), self.count());
        let event = Event::Welcomed { name: name.as_str(), here: &here, count };
        self.tell(connections, key, &event);
    }

    fn tell_history(&mut self, connections: &mut Connections, key: ConnectionKey) {
        for place in 0..self.history.len() {
            self.replay(connections, key, place);
        }
    }

    /// Tells those of `newcomers` who are told all at once who is here and what was said last. If
    /// there is too much of that kind already, they are told as much as others are.
    fn welcome_wholly(&mut self, connections: &mut Connections, newcomers: &[ConnectionKey]) {
        let is_full = self.lists.is_full();
        let mut shared: Option<(Dialect, Arc<[u8]>)> = None;
        for key in newcomers.iter().copied() {
            let dialect = connections[key].dialect;
            let Some(whole) = &dialect.spec().whole_welcome else { continue };
            let company = match &shared {
                Some((of, company)) if *of == dialect => Arc::clone(company),
                _ => {
                    let max = if is_full { WELCOME_MAX } else { WHOLE_WELCOME_MAX };
                    let here = self.first_names(connections, max);
                    let lines = self.history.iter().take_while(|_| !is_full);
                    let history: Vec<_> = lines.map(|kept| &kept.said).collect();
                    let mut company = Vec::new();
                    (whole.company)(&here, self.count(), &history, &mut company);
                    self.lists.share(None, company)
                }
            };
            let connection = &mut connections[key];
            let Some(name) = connection.member().map(|member| member.name.clone()) else {
                continue;
            };
            let greet = |out: &mut Vec<u8>| (whole.greeting)(name.as_str(), company.len(), out);
            connection.outbox.insert(&self.journals, false, greet);
            connection.outbox.insert_shared_rest(&self.journals, Arc::clone(&company));
            connections.touch(key);
            shared = Some((dialect, company));
            if is_full {
                self.tell_history(connections, key);
            }
        }
    }

    /// Lets somebody go. What was said until now is still theirs; their name and seat are not.
    pub(crate) fn leave(
        &mut self,
        connections: &mut Connections,
        directory: &mut Directory,
        key: ConnectionKey,
        why: Parting<'_>,
    ) {
        let kind = match why {
            Parting::Reason(CloseReason::Stopping) => {
                self.remove(connections, directory, key);
                return;
            }
            Parting::Plain => PresenceKind::Left,
            Parting::Words(words) => {
                let deaf =
                    connections[key].member().map_or(&[][..], |who| self.ignoring.deaf_to(who));
                PresenceKind::LeftWithWords(words.to_owned(), deaf.to_vec())
            }
            Parting::Reason(reason) => PresenceKind::LeftFor(reason),
        };
        self.add_to_presence(connections, kind);
        let Some(member) = self.remove(connections, directory, key) else { return };
        if let Some(presence) = &mut self.presence {
            presence.names.push(member.name);
        }
    }

    /// Says a last word to everyone. Who goes after it is not told any more.
    pub(crate) fn announce_stop(&mut self, connections: &mut Connections) {
        self.flush_presence(connections);
        self.publish(&Event::Stopping);
    }

    /// Takes a member out of all that knows it. Its connection is left for the hub to close.
    fn remove(
        &mut self,
        connections: &mut Connections,
        directory: &mut Directory,
        key: ConnectionKey,
    ) -> Option<Member> {
        let dialect = connections[key].dialect;
        let State::Chatting(mut member) = mem::replace(&mut connections[key].state, State::Closed)
        else {
            return None;
        };
        let slots = &mut self.slots[dialect.index()];
        slots.swap_remove(member.slot as usize);
        if let Some(moved) = slots.get(member.slot as usize).copied()
            && let Some(moved) = connections[moved].member_mut()
        {
            moved.slot = member.slot;
        }
        self.names.remove(&*member.name.fold());
        self.lists.outdate();
        directory.release(&member.name);
        self.ignoring.leave(connections, directory, key, &mut member);
        connections[key].outbox.detach(&mut self.journals, self.keys[dialect.index()]);
        Some(member)
    }

    /// Makes sure that the notice being gathered is of this kind; tells the one before if not.
    fn add_to_presence(&mut self, connections: &mut Connections, kind: PresenceKind) {
        if self.presence.as_ref().is_some_and(|presence| presence.kind != kind) {
            self.flush_presence(connections);
        }
        if self.presence.is_none() {
            self.presence = Some(PresenceBatch { kind, names: Vec::new(), keys: Vec::new() });
        }
    }

    /// Tells who has come or gone, if that has not been told yet.
    pub(crate) fn flush_presence(&mut self, connections: &mut Connections) {
        let Some(PresenceBatch { kind, names, keys }) = self.presence.take() else { return };
        let count = self.count();
        let why = match &kind {
            PresenceKind::Joined => {
                let seq = self.publish(&Event::Joined { names: &names, count });
                self.tell_those_who_joined(connections, &names, &keys, seq);
                return self.welcome_wholly(connections, &keys);
            }
            PresenceKind::Left => Parting::Plain,
            PresenceKind::LeftWithWords(words, _) => Parting::Words(words),
            PresenceKind::LeftFor(reason) => Parting::Reason(*reason),
        };
        let seq = self.publish(&Event::Left { names: &names, why, count });
        if let PresenceKind::LeftWithWords(_, deaf) = &kind {
            let event = Event::Left { names: &names, why: Parting::Plain, count };
            for key in deaf.iter().copied() {
                if connections.get(key).is_some_and(|connection| connection.member().is_some()) {
                    self.skips_abound |= leave_out(connections, key, seq);
                    self.tell(connections, key, &event);
                }
            }
        }
    }

    /// Of a notice of many who joined, each of them is told only those who came after it, for it
    /// found the others there; and itself, if its dialect is such. Who is welcomed only now finds
    /// them all.
    fn tell_those_who_joined(
        &self,
        connections: &mut Connections,
        names: &[Nickname],
        keys: &[ConnectionKey],
        seq: Seq,
    ) {
        let count = self.count();
        for (i, key) in keys.iter().copied().enumerate() {
            let connection = &mut connections[key];
            let spec = connection.dialect.spec();
            let known = match &spec.whole_welcome {
                Some(_) => names.len(),
                None => i + usize::from(!spec.hears_own_joining),
            };
            let as_given = connection.given_name() == names[i].as_str();
            if known > 0 {
                connection.outbox.skip(seq);
                if known < names.len() {
                    self.tell(connections, key, &Event::Joined { names: &names[known..], count });
                }
            }
            self.tell(connections, key, &Event::Entered { name: names[i].as_str(), as_given });
        }
    }

    // ── saying things ────────────────────────────────────────────────────────────────────────────

    /// Does what a member asks for. Leaving is not among it: that is the hub's.
    pub(crate) fn execute(
        &mut self,
        connections: &mut Connections,
        directory: &mut Directory,
        key: ConnectionKey,
        command: Command<'_>,
        now: Now,
    ) {
        self.flush_presence(connections);
        match command {
            Command::Say(text) => self.say(connections, key, text, false, now),
            Command::Emote(text) => self.say(connections, key, text, true, now),
            // Who has a name may still be on the way in.
            Command::Tell { to, text } => match directory.find(to) {
                Some(target) if connections[target].member().is_some() => {
                    self.tell_privately(connections, key, target, text, now);
                }
                _ => self.refuse(connections, key, Refusal::Nobody(&text::clean(to))),
            },
            Command::Reply(text) => self.reply(connections, key, text, now),
            Command::Rename(name) => self.rename(connections, directory, key, name),
            Command::Who => self.tell_who_is_here(connections, key),
            Command::History(count) => self.recall(connections, directory, key, count),
            Command::Ignore(None) => self.tell_ignored(connections, key),
            Command::Ignore(Some(name)) => self.ignore(connections, directory, key, name),
            Command::Unignore(name) => self.unignore(connections, directory, key, name),
            Command::Help(topic) => self.help(connections, key, topic),
            Command::Misuse(topic) => self.refuse(connections, key, Refusal::Usage(topic)),
            Command::Unknown(word) => {
                self.refuse(connections, key, Refusal::UnknownCommand(&text::clean(word)));
            }
            Command::Quit(_) => {}
        }
    }

    /// Tells all names; or the first of them, if too many lists wait to be read.
    fn tell_who_is_here(&mut self, connections: &mut Connections, key: ConnectionKey) {
        let dialect = connections[key].dialect;
        let list = match self.lists.here(dialect) {
            Some(list) => list,
            None => {
                let max = if self.lists.is_full() { WELCOME_MAX } else { usize::MAX };
                let names = self.first_names(connections, max);
                let event = Event::Here { names: &names, count: self.count() };
                let mut list = Vec::new();
                dialect.encode(self.lang, &event, &mut list);
                self.lists.share(Some(dialect), list)
            }
        };
        connections[key].outbox.insert_shared(&self.journals, list);
        connections.touch(key);
    }

    /// Says a line to everyone else who wants to hear it.
    fn say(
        &mut self,
        connections: &mut Connections,
        key: ConnectionKey,
        text: &str,
        emote: bool,
        now: Now,
    ) {
        let text = text::clean(text);
        let Some(member) = connections[key].member() else { return };
        if text::is_blank(&text) {
            return;
        }
        let (from, text, at) = (member.name.as_str(), &*text, now.unix_seconds);
        log::debug!("said: {from}: {text}");
        let event = match emote {
            true => Event::Emoted { from, text, at },
            false => Event::Said { from, text, at },
        };
        let seq = self.publish(&event);
        self.record(key, from, text, emote, now);
        let deaf = self.ignoring.deaf_to(member);
        // Who does not hear it is one set, the speaker among them.
        let own = (!connections[key].dialect.spec().echoes).then_some(key);
        let own = own.filter(|own| deaf.binary_search(own).is_err());
        for key in own.into_iter().chain(deaf.iter().copied()) {
            self.skips_abound |= leave_out(connections, key, seq);
        }
        self.said.0 += 1;
        self.said.1 += (self.names.len() - deaf.len() - usize::from(own.is_some())) as u64;
    }

    /// Keeps a line for those who come later. The oldest line gives its memory to the newest.
    fn record(&mut self, by: ConnectionKey, from: &str, text: &str, emote: bool, now: Now) {
        if self.history_lines_max == 0 {
            return;
        }
        let full = self.history.len() == self.history_lines_max;
        let oldest = if full { self.history.pop_front() } else { None };
        let oldest = oldest.map(|line| (line.said, line.encoded));
        let (mut said, mut encoded) = oldest.unwrap_or_default();
        encoded.clear();
        for (kept, new) in [(&mut said.from, from), (&mut said.text, text)] {
            kept.clear();
            // Not twice as much as before, as it would grow by itself.
            kept.reserve_exact(new.len());
            kept.push_str(new);
        }
        (said.unix_seconds, said.emote) = (now.unix_seconds, emote);
        self.history.push_back(HistoryLine { said, by, encoded });
    }

    /// Tells one the line at a place of the history.
    fn replay(&mut self, connections: &mut Connections, key: ConnectionKey, place: usize) {
        let HistoryLine { said, encoded, .. } = &mut self.history[place];
        let connection = &mut connections[key];
        let (lang, dialect) = (self.lang, connection.dialect);
        let bytes = match encoded.iter().find(|(spoken, _)| *spoken == dialect) {
            Some((_, bytes)) => Arc::clone(bytes),
            None => {
                let mut bytes = Vec::new();
                dialect.encode(lang, &Event::Recalled(said), &mut bytes);
                let bytes: Arc<[u8]> = bytes.into();
                encoded.push((dialect, Arc::clone(&bytes)));
                bytes
            }
        };
        connection.outbox.insert_shared(&self.journals, bytes);
        connections.touch(key);
    }

    fn tell_privately(
        &mut self,
        connections: &mut Connections,
        key: ConnectionKey,
        target: ConnectionKey,
        text: &str,
        now: Now,
    ) {
        let (text, at) = (text::clean(text), now.unix_seconds);
        let (Some(from), Some(to)) = (connections[key].member(), connections[target].member())
        else {
            return;
        };
        if key == target {
            return self.refuse(connections, key, Refusal::TellSelf);
        }
        if text::is_blank(&text) {
            return self.refuse(connections, key, Refusal::Usage(Topic::Msg));
        }
        let deaf = self.ignoring.is_deaf_to(target, from);
        let (from, to, text) = (from.name.clone(), to.name.clone(), &*text);
        log::debug!("told: {from} -> {to}: {text}");
        if !deaf {
            let waits = connections[target].outbox.own_bytes();
            if waits > self.backlog_bytes_max {
                return self.refuse(connections, key, Refusal::TellTooMuch(to.as_str()));
            }
            self.tell(connections, target, &Event::Told { from: from.as_str(), text, at });
            self.turn_private_bytes += connections[target].outbox.own_bytes() - waits;
            if let Some(member) = connections[target].member_mut() {
                member.social_mut().last_sender = Some(LastSender { key, name: from });
            }
        }
        self.tell(connections, key, &Event::Sent { to: to.as_str(), text, at });
    }

    fn reply(&mut self, connections: &mut Connections, key: ConnectionKey, text: &str, now: Now) {
        let social = connections[key].member().and_then(|member| member.social.as_ref());
        let last_sender = social.and_then(|social| social.last_sender.clone());
        let Some(LastSender { key: target, name }) = &last_sender else {
            return self.refuse(connections, key, Refusal::NothingToReply);
        };
        let is_here = |connection: &Connection| connection.member().is_some();
        if connections.get(*target).is_some_and(is_here) {
            self.tell_privately(connections, key, *target, text, now);
        } else {
            self.refuse(connections, key, Refusal::Nobody(name.as_str()));
        }
    }

    fn rename(
        &mut self,
        connections: &mut Connections,
        directory: &mut Directory,
        key: ConnectionKey,
        name: &str,
    ) {
        let Some(old) = connections[key].member().map(|member| member.name.clone()) else { return };
        let new = match Nickname::parse(name) {
            Ok(new) => new,
            Err(error) => {
                return self.refuse(connections, key, Refusal::Nickname(error, &text::clean(name)));
            }
        };
        if new == old {
            return self.refuse(connections, key, Refusal::SameName(old.as_str()));
        }
        if !directory.claim(key, &new, Some(&old)) {
            return self.refuse(connections, key, Refusal::Taken(new.as_str()));
        }
        self.names.remove(&*old.fold());
        self.names.insert(sort_key(&new), key);
        self.lists.outdate();
        self.ignoring.rename(connections, key, &new);
        if let Some(member) = connections[key].member_mut() {
            member.name = new.clone();
        }
        log::info!("renamed: {old} is now {new}");
        let event = Event::Renamed { old: old.as_str(), new: new.as_str() };
        self.publish(&event);
    }

    /// Shows the last lines, but for those of people who are ignored.
    fn recall(
        &mut self,
        connections: &mut Connections,
        directory: &Directory,
        key: ConnectionKey,
        count: Option<usize>,
    ) {
        let all = self.history.len();
        let mut shown = false;
        for place in all - count.unwrap_or(all).min(all)..all {
            if !self.is_deaf_to_line(connections, directory, key, place) {
                self.replay(connections, key, place);
                shown = true;
            }
        }
        if !shown {
            self.tell(connections, key, &Event::NothingSaid);
        }
    }

    /// Whether `key` ignores whoever said the line at a place of the history. Of those who have
    /// left, only the name is known.
    fn is_deaf_to_line(
        &self,
        connections: &Connections,
        directory: &Directory,
        key: ConnectionKey,
        place: usize,
    ) -> bool {
        if connections[key].member().is_none_or(|member| member.ignoring().is_empty()) {
            return false;
        }
        let HistoryLine { said, by: speaker, .. } = &self.history[place];
        let speaker = connections.get(*speaker);
        match speaker.and_then(Connection::member) {
            Some(speaker) => self.ignoring.is_deaf_to(key, speaker),
            None => self.ignoring.is_deaf_to_name(connections, directory, key, &said.from),
        }
    }

    pub(crate) fn help(
        &self,
        connections: &mut Connections,
        key: ConnectionKey,
        topic: Option<Topic>,
    ) {
        let one = topic.as_ref().map(std::slice::from_ref);
        self.tell(connections, key, &Event::Helped(one.unwrap_or(&Topic::ALL)));
    }

    // ── not hearing somebody ─────────────────────────────────────────────────────────────────────

    fn ignore(
        &mut self,
        connections: &mut Connections,
        directory: &Directory,
        key: ConnectionKey,
        name: &str,
    ) {
        let target = directory.find(name).filter(|target| connections[*target].member().is_some());
        let Some(target) = target else {
            return self.refuse(connections, key, Refusal::Nobody(&text::clean(name)));
        };
        match self.ignoring.ignore(connections, key, target) {
            Ok(()) => self.tell_ignored(connections, key),
            Err(refusal) => self.refuse(connections, key, refusal),
        }
    }

    fn unignore(
        &mut self,
        connections: &mut Connections,
        directory: &Directory,
        key: ConnectionKey,
        name: &str,
    ) {
        if self.ignoring.unignore(connections, directory, key, name) {
            self.tell_ignored(connections, key);
        } else {
            self.refuse(connections, key, Refusal::NotIgnored(&text::clean(name)));
        }
    }

    fn tell_ignored(&self, connections: &mut Connections, key: ConnectionKey) {
        let Some(member) = connections[key].member() else { return };
        let names = self.ignoring.ignored_names(member);
        self.tell(connections, key, &Event::Ignoring(&names));
    }

    // ── telling ──────────────────────────────────────────────────────────────────────────────────

    /// Tells the room: one encode for each dialect that somebody reads. Returns the number of the
    /// event.
    fn publish(&mut self, event: &Event<'_>) -> Seq {
        let (lang, seq) = (self.lang, self.journals.take_seq());
        let mut longest = 0;
        for dialect in Dialect::ALL {
            let key = self.keys[dialect.index()];
            let bytes = self.journals.append(key, seq, |out| dialect.encode(lang, event, out));
            longest = longest.max(bytes);
        }
        self.turn_bytes += longest;
        seq
    }

    /// Tells one.
    pub(crate) fn tell(
        &self,
        connections: &mut Connections,
        key: ConnectionKey,
        event: &Event<'_>,
    ) {
        let connection = &mut connections[key];
        let (lang, dialect) = (self.lang, connection.dialect);
        // In a handshake each frame must arrive alone, up to the one that ends it.
        let alone = connection.gap().is_some();
        let Connection { state, outbox, .. } = connection;
        let name = state.name().map(Nickname::as_str);
        outbox.insert(&self.journals, alone, |out| dialect.encode_for(lang, name, event, out));
        connections.touch(key);
    }

    /// Tells one that something was not done.
    pub(crate) fn refuse(
        &self,
        connections: &mut Connections,
        key: ConnectionKey,
        refusal: Refusal<'_>,
    ) {
        self.tell(connections, key, &Event::Refused(refusal));
    }

    // ── pace ─────────────────────────────────────────────────────────────────────────────────────

    /// Whether no more should be said in this turn: either there is enough to write already, or a
    /// reader is slow but alive. Talkers then wait, and nothing is lost.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.turn_bytes + self.turn_private_bytes > self.backlog_bytes_max / 4
            || self.hold.is_on(now)
    }

    /// Whether no more should be let in in this turn: it might take another list to welcome them.
    pub(crate) fn has_listed_enough(&self) -> bool {
        self.lists.has_made_enough()
    }

    /// Until when talkers wait for a reader.
    pub(crate) fn waits_until(&self) -> Option<Instant> {
        self.hold.until()
    }

    /// Whether something has been said since everyone was last written to.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.turn_bytes > 0 || self.presence.is_some()
    }

    /// Looks after those who have fallen behind. Returns who is too far behind to be waited for
    /// (until they are closed, they keep what they need); sets how long to wait for others; forgets
    /// what nobody needs any more.
    pub(crate) fn check_backlog(
        &mut self,
        connections: &mut Connections,
        now: Instant,
    ) -> Vec<ConnectionKey> {
        let (mut too_slow, mut wanted) = (Vec::new(), None);
        let skips_abound = mem::take(&mut self.skips_abound);
        for dialect in Dialect::ALL {
            let key = self.keys[dialect.index()];
            let max = self.backlog_bytes_max;
            if self.journals.get(key).len() <= max / 2 && !skips_abound {
                continue;
            }
            let mut oldest = self.journals.next_seq();
            for (key, connection) in
                connections.iter_mut().filter(|(_, connection)| connection.dialect == dialect)
            {
                let Some((next, behind)) = connection.outbox.behind(&self.journals) else {
                    continue;
                };
                match &mut connection.blocked {
                    // Who is about to be written to may make up for what this turn has brought.
                    Some(blocked) if behind > max + usize::from(blocked.writable) * (max / 4) => {
                        too_slow.push(key);
                    }
                    Some(blocked) if !blocked.writable && connection.outbox.skips_too_much() => {
                        too_slow.push(key);
                    }
                    Some(blocked) if behind > max / 2 => {
                        let until = *blocked.waited_for.get_or_insert(now + HOLD_MAX);
                        wanted = wanted.max(Some(until));
                    }
                    _ => {}
                }
                oldest = oldest.min(next);
            }
            self.journals.get_mut(key).trim(oldest);
        }
        self.hold.set(wanted, now);
        too_slow
    }

    /// Whom to write to because something has been said; those who cannot take it are left out.
    pub(crate) fn collect_readers(
        &mut self,
        connections: &Connections,
        keys: &mut Vec<ConnectionKey>,
    ) {
        self.turn_private_bytes = 0;
        if mem::take(&mut self.turn_bytes) > 0 {
            for slots in &self.slots {
                keys.extend(slots.iter().copied().filter(|key| !connections[*key].is_blocked()));
            }
        }
    }

    /// Ends a turn: forgets what everyone has got.
    pub(crate) fn end_turn(&mut self) {
        self.journals.end_turn();
        self.lists.end_turn();
    }

    /// Bytes of lists that somebody has not read yet.
    pub(crate) fn list_bytes(&self) -> usize {
        self.lists.bytes()
    }

    /// The most bytes that are kept in one journal.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.journals.iter().map(Journal::len).max().unwrap_or_default()
    }

    /// Whether nobody is here and nothing waits.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.presence.is_none()
            && self.lists.bytes() == 0
            && self.ignoring.is_at_rest()
            && self.names.is_empty()
            && self.slots.iter().all(Vec::is_empty)
            && self.journals.iter().all(|journal| journal.counts() == (0, 0))
    }
}

/// The name as its place in a sorted list. A plain name is its own, and shares its memory with it.
fn sort_key(name: &Nickname) -> Arc<str> {
    let fold = name.fold();
    if *fold == *name.as_str() { name.shared() } else { Arc::from(fold) }
}

/// Keeps somebody from hearing an event. Returns whether they do not read, and have more to leave
/// out than they may.
fn leave_out(connections: &mut Connections, key: ConnectionKey, seq: Seq) -> bool {
    let connection = &mut connections[key];
    connection.outbox.skip(seq);
    connection.outbox.skips_too_much() && connection.is_blocked()
}

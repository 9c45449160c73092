//! The room: its members, its history and its journals. A [`Command`] comes in, [`Event`]s go out
//! to everyone or to one; what a connection is and how it comes and goes is the hub's business.
//!
//! What happens to everyone is encoded once for each dialect that is spoken in the room
//! (`publish`), whoever caused it. Joining and leaving are gathered first: those that follow each
//! other directly within a turn become one notice (`settle`), so that a thousand people who come
//! at once cost a line, not a million.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Limits;
use crate::delivery::{Journal, JournalKey, Journals, Seq};
use crate::dialect::phrases::{WELCOME_MAX, WHOLE_WELCOME_MAX};
use crate::dialect::{Dialect, Lang};
use crate::directory::Directory;
use crate::event::{CloseReason, Command, Event, Parting, Refusal, Said, Topic};
use crate::hold::{HOLD_MAX, Hold};
use crate::ignoring::Ignoring;
use crate::lists::Lists;
use crate::nickname::Nickname;
use crate::peer::{Confidant, Member, Peer, PeerKey, Peers, State};
use crate::text;
use crate::timers::Now;

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    lang: Lang,
    backlog_bytes_max: usize,
    history_lines_max: usize,
    /// Who is here, by the dialect they speak. A member knows its seat in the list.
    seats: [Vec<PeerKey>; Dialect::COUNT],
    /// The names of all members by their folds, so that they come out sorted as people expect.
    names: BTreeMap<Arc<str>, PeerKey>,
    history: VecDeque<Kept>,
    /// All that was said and somebody has not got, and of it the journal of each dialect.
    journals: Journals,
    keys: [JournalKey; Dialect::COUNT],
    /// Answers that many share.
    lists: Lists,
    /// Coming and going that has not been told yet.
    notice: Option<Notice>,
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
struct Notice {
    kind: NoticeKind,
    names: Vec<Nickname>,
    /// Of those who came, the connections.
    keys: Vec<PeerKey>,
}

#[derive(Debug, PartialEq, Eq)]
enum NoticeKind {
    Joined,
    Left,
    /// … which those do not hear who ignore them.
    LeftWithWords(String, Vec<PeerKey>),
    LeftFor(CloseReason),
}

/// A line of the history. It is encoded when somebody first asks for it, and then for all.
#[derive(Debug, Default)]
struct Kept {
    said: Said,
    /// Who spoke, as in [`Confidant`].
    by: (PeerKey, u32),
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
            seats: Default::default(),
            names: BTreeMap::new(),
            history: VecDeque::new(),
            journals,
            keys,
            lists: Lists::default(),
            notice: None,
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
        std::array::from_fn(|dialect| self.seats[dialect].len())
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
    fn first_names(&self, peers: &Peers, max: usize) -> Vec<Nickname> {
        let members = self.names.values().filter_map(|key| peers[*key].member());
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
    pub(crate) fn join(&mut self, peers: &mut Peers, key: PeerKey, name: &Nickname) {
        self.add_to_notice(peers, NoticeKind::Joined);
        if let Some(notice) = &mut self.notice {
            notice.names.push(name.clone());
            notice.keys.push(key);
        }
        let peer = &mut peers[key];
        peer.outbox.attach(&mut self.journals, self.keys[peer.dialect.index()]);
        let seats = &mut self.seats[peer.dialect.index()];
        let seat = seats.len() as u32;
        seats.push(key);
        self.names.insert(sort_key(name), key);
        self.lists.outdate();
        let member = Member { name: name.clone(), seat, ties: None };
        let whole = peer.dialect.manners().whole_welcome.is_some();
        let before = mem::replace(&mut peer.state, State::Chatting(member));
        self.ignoring.join(peers, key, name);
        // The others are welcomed when those who come with them are there, too.
        if !whole {
            if !matches!(before, State::Entering(_)) {
                self.welcome(peers, key, name);
            }
            self.tell_history(peers, key);
        }
    }

    /// Tells a newcomer who is here.
    pub(crate) fn welcome(&mut self, peers: &mut Peers, key: PeerKey, name: &Nickname) {
        let (here, count) = (self.first_names(peers, WELCOME_MAX), self.count());
        let event = Event::Welcomed { name: name.as_str(), here: &here, count };
        self.tell(peers, key, &event);
    }

    fn tell_history(&mut self, peers: &mut Peers, key: PeerKey) {
        for place in 0..self.history.len() {
            self.tell_again(peers, key, place);
        }
    }

    /// Tells those of `newcomers` who are told all at once who is here and what was said last. If
    /// there is too much of that kind already, they are told as much as others are.
    fn welcome_wholly(&mut self, peers: &mut Peers, newcomers: &[PeerKey]) {
        let is_full = self.lists.is_full();
        let mut shared: Option<(Dialect, Arc<[u8]>)> = None;
        for key in newcomers.iter().copied() {
            let dialect = peers[key].dialect;
            let Some(whole) = &dialect.manners().whole_welcome else { continue };
            let company = match &shared {
                Some((of, company)) if *of == dialect => Arc::clone(company),
                _ => {
                    let max = if is_full { WELCOME_MAX } else { WHOLE_WELCOME_MAX };
                    let here = self.first_names(peers, max);
                    let lines = self.history.iter().take_while(|_| !is_full);
                    let history: Vec<_> = lines.map(|kept| &kept.said).collect();
                    let mut company = Vec::new();
                    (whole.company)(&here, self.count(), &history, &mut company);
                    self.lists.share(None, company)
                }
            };
            let peer = &mut peers[key];
            let Some(name) = peer.member().map(|member| member.name.clone()) else { continue };
            let greet = |out: &mut Vec<u8>| (whole.greeting)(name.as_str(), company.len(), out);
            peer.outbox.insert(&self.journals, false, greet);
            peer.outbox.insert_shared_rest(&self.journals, Arc::clone(&company));
            peers.touch(key);
            shared = Some((dialect, company));
            if is_full {
                self.tell_history(peers, key);
            }
        }
    }

    /// Lets somebody go. What was said until now is still theirs; their name and seat are not.
    pub(crate) fn leave(
        &mut self,
        peers: &mut Peers,
        directory: &mut Directory,
        key: PeerKey,
        why: Parting<'_>,
    ) {
        let kind = match why {
            Parting::Reason(CloseReason::Stopping) => {
                self.remove(peers, directory, key);
                return;
            }
            Parting::Plain => NoticeKind::Left,
            Parting::Words(words) => {
                let deaf = peers[key].member().map_or(&[][..], |who| self.ignoring.deaf_to(who));
                NoticeKind::LeftWithWords(words.to_owned(), deaf.to_vec())
            }
            Parting::Reason(reason) => NoticeKind::LeftFor(reason),
        };
        self.add_to_notice(peers, kind);
        let Some(member) = self.remove(peers, directory, key) else { return };
        if let Some(notice) = &mut self.notice {
            notice.names.push(member.name);
        }
    }

    /// Says a last word to everyone. Who goes after it is not told any more.
    pub(crate) fn announce_stop(&mut self, peers: &mut Peers) {
        self.settle(peers);
        self.publish(&Event::Stopping);
    }

    /// Takes a member out of all that knows it. Its connection is left for the hub to close.
    fn remove(
        &mut self,
        peers: &mut Peers,
        directory: &mut Directory,
        key: PeerKey,
    ) -> Option<Member> {
        let dialect = peers[key].dialect;
        let State::Chatting(mut member) = mem::replace(&mut peers[key].state, State::Closed) else {
            return None;
        };
        let seats = &mut self.seats[dialect.index()];
        seats.swap_remove(member.seat as usize);
        if let Some(moved) = seats.get(member.seat as usize).copied()
            && let Some(moved) = peers[moved].member_mut()
        {
            moved.seat = member.seat;
        }
        self.names.remove(&*member.name.fold());
        self.lists.outdate();
        directory.release(&member.name);
        self.ignoring.leave(peers, directory, key, &mut member);
        peers[key].outbox.detach(&mut self.journals, self.keys[dialect.index()]);
        Some(member)
    }

    /// Makes sure that the notice being gathered is of this kind; tells the one before if not.
    fn add_to_notice(&mut self, peers: &mut Peers, kind: NoticeKind) {
        if self.notice.as_ref().is_some_and(|notice| notice.kind != kind) {
            self.settle(peers);
        }
        if self.notice.is_none() {
            self.notice = Some(Notice { kind, names: Vec::new(), keys: Vec::new() });
        }
    }

    /// Tells who has come or gone, if that has not been told yet.
    pub(crate) fn settle(&mut self, peers: &mut Peers) {
        let Some(Notice { kind, names, keys }) = self.notice.take() else { return };
        let count = self.count();
        let why = match &kind {
            NoticeKind::Joined => {
                let seq = self.publish(&Event::Joined { names: &names, count });
                self.tell_those_who_joined(peers, &names, &keys, seq);
                return self.welcome_wholly(peers, &keys);
            }
            NoticeKind::Left => Parting::Plain,
            NoticeKind::LeftWithWords(words, _) => Parting::Words(words),
            NoticeKind::LeftFor(reason) => Parting::Reason(*reason),
        };
        let seq = self.publish(&Event::Left { names: &names, why, count });
        if let NoticeKind::LeftWithWords(_, deaf) = &kind {
            let event = Event::Left { names: &names, why: Parting::Plain, count };
            for key in deaf.iter().copied() {
                if peers.get(key).is_some_and(|peer| peer.member().is_some()) {
                    self.skips_abound |= leave_out(peers, key, seq);
                    self.tell(peers, key, &event);
                }
            }
        }
    }

    /// Of a notice of many who joined, each of them is told only those who came after it, for it
    /// found the others there; and itself, if its dialect is such. Who is welcomed only now finds
    /// them all.
    fn tell_those_who_joined(
        &self,
        peers: &mut Peers,
        names: &[Nickname],
        keys: &[PeerKey],
        seq: Seq,
    ) {
        let count = self.count();
        for (i, key) in keys.iter().copied().enumerate() {
            let peer = &mut peers[key];
            let manners = peer.dialect.manners();
            let known = match &manners.whole_welcome {
                Some(_) => names.len(),
                None => i + usize::from(!manners.hears_own_joining),
            };
            let as_given = peer.given_name() == names[i].as_str();
            if known > 0 {
                peer.outbox.skip(seq);
                if known < names.len() {
                    self.tell(peers, key, &Event::Joined { names: &names[known..], count });
                }
            }
            self.tell(peers, key, &Event::Entered { name: names[i].as_str(), as_given });
        }
    }

    // ── saying things ────────────────────────────────────────────────────────────────────────────

    /// Does what a member asks for. Leaving is not among it: that is the hub's.
    pub(crate) fn obey(
        &mut self,
        peers: &mut Peers,
        directory: &mut Directory,
        key: PeerKey,
        command: Command<'_>,
        now: Now,
    ) {
        self.settle(peers);
        match command {
            Command::Say(text) => self.say(peers, key, text, false, now),
            Command::Emote(text) => self.say(peers, key, text, true, now),
            // Who has a name may still be on the way in.
            Command::Tell { to, text } => match directory.find(to) {
                Some(target) if peers[target].member().is_some() => {
                    self.tell_privately(peers, key, target, text, now);
                }
                _ => self.refuse(peers, key, Refusal::Nobody(&text::clean(to))),
            },
            Command::Reply(text) => self.reply(peers, key, text, now),
            Command::Rename(name) => self.rename(peers, directory, key, name),
            Command::Who => self.tell_who_is_here(peers, key),
            Command::History(count) => self.recall(peers, directory, key, count),
            Command::Ignore(None) => self.tell_ignored(peers, key),
            Command::Ignore(Some(name)) => self.ignore(peers, directory, key, name),
            Command::Unignore(name) => self.unignore(peers, directory, key, name),
            Command::Help(topic) => self.help(peers, key, topic),
            Command::Misuse(topic) => self.refuse(peers, key, Refusal::Usage(topic)),
            Command::Unknown(word) => {
                self.refuse(peers, key, Refusal::UnknownCommand(&text::clean(word)));
            }
            Command::Introduce { .. } | Command::Quit(_) => {}
        }
    }

    /// Tells all names; or the first of them, if too many lists wait to be read.
    fn tell_who_is_here(&mut self, peers: &mut Peers, key: PeerKey) {
        let dialect = peers[key].dialect;
        let list = match self.lists.here(dialect) {
            Some(list) => list,
            None => {
                let max = if self.lists.is_full() { WELCOME_MAX } else { usize::MAX };
                let names = self.first_names(peers, max);
                let event = Event::Here { names: &names, count: self.count() };
                let mut list = Vec::new();
                dialect.encode(self.lang, &event, &mut list);
                self.lists.share(Some(dialect), list)
            }
        };
        peers[key].outbox.insert_shared(&self.journals, list);
        peers.touch(key);
    }

    /// Says a line to everyone else who wants to hear it.
    fn say(&mut self, peers: &mut Peers, key: PeerKey, text: &str, emote: bool, now: Now) {
        let text = text::clean(text);
        let Some(member) = peers[key].member() else { return };
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
        self.keep((key, peers[key].serial), from, text, emote, now);
        let deaf = self.ignoring.deaf_to(member);
        // Who does not hear it is one set, the speaker among them.
        let own = (!peers[key].dialect.manners().echoes).then_some(key);
        let own = own.filter(|own| deaf.binary_search(own).is_err());
        for key in own.into_iter().chain(deaf.iter().copied()) {
            self.skips_abound |= leave_out(peers, key, seq);
        }
        self.said.0 += 1;
        self.said.1 += (self.names.len() - deaf.len() - usize::from(own.is_some())) as u64;
    }

    /// Keeps a line for those who come later. The oldest line gives its memory to the newest.
    fn keep(&mut self, by: (PeerKey, u32), from: &str, text: &str, emote: bool, now: Now) {
        if self.history_lines_max == 0 {
            return;
        }
        let full = self.history.len() == self.history_lines_max;
        let oldest = if full { self.history.pop_front() } else { None };
        let Kept { mut said, mut encoded, .. } = oldest.unwrap_or_default();
        encoded.clear();
        for (kept, new) in [(&mut said.from, from), (&mut said.text, text)] {
            kept.clear();
            // Not twice as much as before, as it would grow by itself.
            kept.reserve_exact(new.len());
            kept.push_str(new);
        }
        (said.unix_seconds, said.emote) = (now.unix_seconds, emote);
        self.history.push_back(Kept { said, by, encoded });
    }

    /// Tells one the line at a place of the history.
    fn tell_again(&mut self, peers: &mut Peers, key: PeerKey, place: usize) {
        let Kept { said, encoded, .. } = &mut self.history[place];
        let peer = &mut peers[key];
        let (lang, dialect) = (self.lang, peer.dialect);
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
        peer.outbox.insert_shared(&self.journals, bytes);
        peers.touch(key);
    }

    fn tell_privately(
        &mut self,
        peers: &mut Peers,
        key: PeerKey,
        target: PeerKey,
        text: &str,
        now: Now,
    ) {
        let (text, at) = (text::clean(text), now.unix_seconds);
        let (Some(from), Some(to)) = (peers[key].member(), peers[target].member()) else { return };
        if key == target {
            return self.refuse(peers, key, Refusal::TellSelf);
        }
        if text::is_blank(&text) {
            return self.refuse(peers, key, Refusal::Usage(Topic::Msg));
        }
        let deaf = self.ignoring.is_deaf_to(target, from);
        let (from, to, text) = (from.name.clone(), to.name.clone(), &*text);
        log::debug!("told: {from} -> {to}: {text}");
        let serial = peers[key].serial;
        if !deaf {
            let waits = peers[target].outbox.own_bytes();
            if waits > self.backlog_bytes_max {
                return self.refuse(peers, key, Refusal::TellTooMuch(to.as_str()));
            }
            self.tell(peers, target, &Event::Told { from: from.as_str(), text, at });
            self.turn_private_bytes += peers[target].outbox.own_bytes() - waits;
            if let Some(member) = peers[target].member_mut() {
                member.ties_mut().confidant = Some(Confidant { key, serial, name: from });
            }
        }
        self.tell(peers, key, &Event::Sent { to: to.as_str(), text, at });
    }

    fn reply(&mut self, peers: &mut Peers, key: PeerKey, text: &str, now: Now) {
        let ties = peers[key].member().and_then(|member| member.ties.as_ref());
        let confidant = ties.and_then(|ties| ties.confidant.clone());
        let Some(Confidant { key: target, serial, name }) = &confidant else {
            return self.refuse(peers, key, Refusal::NothingToReply);
        };
        let is_here = |peer: &Peer| peer.serial == *serial && peer.member().is_some();
        if peers.get(*target).is_some_and(is_here) {
            self.tell_privately(peers, key, *target, text, now);
        } else {
            self.refuse(peers, key, Refusal::Nobody(name.as_str()));
        }
    }

    fn rename(&mut self, peers: &mut Peers, directory: &mut Directory, key: PeerKey, name: &str) {
        let Some(old) = peers[key].member().map(|member| member.name.clone()) else { return };
        let new = match Nickname::parse(name) {
            Ok(new) => new,
            Err(error) => {
                return self.refuse(peers, key, Refusal::Nickname(error, &text::clean(name)));
            }
        };
        if new == old {
            return self.refuse(peers, key, Refusal::SameName(old.as_str()));
        }
        if !directory.claim(key, &new, Some(&old)) {
            return self.refuse(peers, key, Refusal::Taken(new.as_str()));
        }
        self.names.remove(&*old.fold());
        self.names.insert(sort_key(&new), key);
        self.lists.outdate();
        self.ignoring.rename(peers, key, &new);
        if let Some(member) = peers[key].member_mut() {
            member.name = new.clone();
        }
        log::info!("renamed: {old} is now {new}");
        let event = Event::Renamed { old: old.as_str(), new: new.as_str() };
        self.publish(&event);
    }

    /// Shows the last lines, but for those of people who are ignored.
    fn recall(
        &mut self,
        peers: &mut Peers,
        directory: &Directory,
        key: PeerKey,
        count: Option<usize>,
    ) {
        let all = self.history.len();
        let mut shown = false;
        for place in all - count.unwrap_or(all).min(all)..all {
            if !self.is_deaf_to_line(peers, directory, key, place) {
                self.tell_again(peers, key, place);
                shown = true;
            }
        }
        if !shown {
            self.tell(peers, key, &Event::NothingSaid);
        }
    }

    /// Whether `key` ignores whoever said the line at a place of the history. Of those who have
    /// left, only the name is known.
    fn is_deaf_to_line(
        &self,
        peers: &Peers,
        directory: &Directory,
        key: PeerKey,
        place: usize,
    ) -> bool {
        if peers[key].member().is_none_or(|member| member.ignoring().is_empty()) {
            return false;
        }
        let Kept { said, by: (speaker, serial), .. } = &self.history[place];
        let speaker = peers.get(*speaker).filter(|peer| peer.serial == *serial);
        match speaker.and_then(Peer::member) {
            Some(speaker) => self.ignoring.is_deaf_to(key, speaker),
            None => self.ignoring.is_deaf_to_name(peers, directory, key, &said.from),
        }
    }

    pub(crate) fn help(&self, peers: &mut Peers, key: PeerKey, topic: Option<Topic>) {
        let one = topic.as_ref().map(std::slice::from_ref);
        self.tell(peers, key, &Event::Helped(one.unwrap_or(&Topic::ALL)));
    }

    // ── not hearing somebody ─────────────────────────────────────────────────────────────────────

    fn ignore(&mut self, peers: &mut Peers, directory: &Directory, key: PeerKey, name: &str) {
        let target = directory.find(name).filter(|target| peers[*target].member().is_some());
        let Some(target) = target else {
            return self.refuse(peers, key, Refusal::Nobody(&text::clean(name)));
        };
        match self.ignoring.ignore(peers, key, target) {
            Ok(()) => self.tell_ignored(peers, key),
            Err(refusal) => self.refuse(peers, key, refusal),
        }
    }

    fn unignore(&mut self, peers: &mut Peers, directory: &Directory, key: PeerKey, name: &str) {
        if self.ignoring.unignore(peers, directory, key, name) {
            self.tell_ignored(peers, key);
        } else {
            self.refuse(peers, key, Refusal::NotIgnored(&text::clean(name)));
        }
    }

    fn tell_ignored(&self, peers: &mut Peers, key: PeerKey) {
        let Some(member) = peers[key].member() else { return };
        let names = self.ignoring.ignored_names(member);
        self.tell(peers, key, &Event::Ignoring(&names));
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
    pub(crate) fn tell(&self, peers: &mut Peers, key: PeerKey, event: &Event<'_>) {
        let peer = &mut peers[key];
        let (lang, dialect) = (self.lang, peer.dialect);
        // In a handshake each frame must arrive alone, up to the one that ends it.
        let alone = peer.gap().is_some();
        peer.outbox.insert(&self.journals, alone, |out| dialect.encode(lang, event, out));
        peers.touch(key);
    }

    /// Tells one that something was not done.
    pub(crate) fn refuse(&self, peers: &mut Peers, key: PeerKey, refusal: Refusal<'_>) {
        self.tell(peers, key, &Event::Refused(refusal));
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
        self.turn_bytes > 0 || self.notice.is_some()
    }

    /// Looks after those who have fallen behind. Returns who is too far behind to be waited for
    /// (until they are closed, they keep what they need); sets how long to wait for others; forgets
    /// what nobody needs any more.
    pub(crate) fn survey(&mut self, peers: &mut Peers, now: Instant) -> Vec<PeerKey> {
        let (mut too_slow, mut wanted) = (Vec::new(), None);
        let skips_abound = mem::take(&mut self.skips_abound);
        for dialect in Dialect::ALL {
            let key = self.keys[dialect.index()];
            let max = self.backlog_bytes_max;
            if self.journals.get(key).len() <= max / 2 && !skips_abound {
                continue;
            }
            let mut oldest = self.journals.next_seq();
            for (key, peer) in peers.iter_mut().filter(|(_, peer)| peer.dialect == dialect) {
                let Some((next, behind)) = peer.outbox.behind(&self.journals) else { continue };
                match &mut peer.blocked {
                    // Who is about to be written to may make up for what this turn has brought.
                    Some(blocked) if behind > max + usize::from(blocked.writable) * (max / 4) => {
                        too_slow.push(key);
                    }
                    Some(blocked) if !blocked.writable && peer.outbox.skips_too_much() => {
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
    pub(crate) fn take_audience(&mut self, peers: &Peers, keys: &mut Vec<PeerKey>) {
        self.turn_private_bytes = 0;
        if mem::take(&mut self.turn_bytes) > 0 {
            for seats in &self.seats {
                keys.extend(seats.iter().copied().filter(|key| !peers[*key].is_blocked()));
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
        self.notice.is_none()
            && self.lists.bytes() == 0
            && self.ignoring.is_at_rest()
            && self.names.is_empty()
            && self.seats.iter().all(Vec::is_empty)
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
fn leave_out(peers: &mut Peers, key: PeerKey, seq: Seq) -> bool {
    let peer = &mut peers[key];
    peer.outbox.skip(seq);
    peer.outbox.skips_too_much() && peer.is_blocked()
}

//! What happened in a room between its lines: who came and went, what they are called, and what was
//! set. IRC clients can ask for it with the lines (`draft/event-playback`).
//!
//! It stands beside the history, so that no line is forgotten since somebody came. It reaches back
//! as far as the room remembers it and no further: it is in no archive, and ends with the room.

use std::collections::VecDeque;

use slab::Slab;

use super::Chat;
use super::apply::Applied;
use super::entry::{AccountFact, Entry, EntryId, Fact, Leaving, Order};
use super::history::refill;
use super::room::{Room, RoomKey};
use super::user::{User, UserKey};
use crate::author::Cloak;
use crate::dialect::irc::encode::{cut, mode_words, rank_words};
use crate::event::CloseReason;
use crate::order::Removal;
use crate::rights::{Rank, Setting};
use crate::sanction::SanctionKind;
use crate::span::Placed;

/// So much of it is remembered of one room at most, however many lines are.
const HAPPENINGS_MAX: usize = 1000;

/// Of the words of whoever goes, and of a topic, so many bytes are kept: more of them does not fit
/// into a line of IRC.
const TEXT_BYTES_MAX: usize = 512;

/// The last that happened in a room: as many happenings as the room remembers lines, but at most
/// [`HAPPENINGS_MAX`].
#[derive(Debug)]
pub(crate) struct Happened {
    ring: VecDeque<(Happening, UserKey)>,
    max: usize,
}

/// Something that happened in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happening {
    /// The number of its entry.
    pub(crate) id: EntryId,
    /// When, in seconds since 1970, and the milliseconds of the last line that was said anywhere
    /// before it in that second, or 0: the time with which it was told.
    pub(crate) at: (u64, u16),
    pub(crate) what: What,
    /// Who did it, as they were called then; empty if nobody did.
    pub(crate) from: String,
    /// Their `user@host`, as others were told it.
    pub(crate) mask: String,
    /// Whom or what it is about; what that is depends on what happened.
    pub(crate) whom: String,
    /// At most [`TEXT_BYTES_MAX`] bytes.
    pub(crate) text: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum What {
    /// They came, with that rank, logged in as `whom`; `text` is their real name, if they have one.
    Joined(Option<Rank>),
    /// They went, with the words in `text`.
    #[default]
    Parted,
    /// They left the server, with the words in `text` or for a reason of the server's.
    Left(Option<CloseReason>),
    /// They were put off the server by `whom`, for the reason in `text`.
    Removed(Removal),
    /// They put `whom` out of the room, for the reason in `text`.
    Kicked,
    /// They are called `whom` from now on.
    Renamed,
    /// They said that the room is about `text`.
    Topic,
    /// They set modes of the room, which are in `text` as IRC knows them.
    Mode,
}

/// Something that has just happened.
struct NewHappening<'a> {
    id: EntryId,
    at: (u64, u16),
    by: UserKey,
    what: What,
    from: &'a str,
    mask: &'a str,
    whom: &'a str,
    text: &'a str,
}

impl Placed for Happening {
    fn id(&self) -> u64 {
        self.id
    }

    fn unix_millis(&self) -> u64 {
        self.at.0.saturating_mul(1000).saturating_add(self.at.1.into())
    }
}

impl Happening {
    /// Whether `text` is what somebody says who goes.
    fn has_words(&self) -> bool {
        matches!(self.what, What::Parted | What::Left(_))
    }
}

impl Happened {
    /// Of a room that remembers so many lines.
    pub(super) fn new(lines_max: usize) -> Happened {
        Happened { ring: VecDeque::new(), max: lines_max.min(HAPPENINGS_MAX) }
    }

    /// From now on the room remembers so many lines.
    pub(super) fn set_lines_max(&mut self, lines_max: usize) {
        self.max = lines_max.min(HAPPENINGS_MAX);
        self.ring.drain(..self.ring.len().saturating_sub(self.max));
    }

    /// All of it with whoever did it, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Happening, UserKey)> {
        self.ring.iter()
    }

    /// Forgets what a user said when they went.
    pub(super) fn forget_words(&mut self, by: UserKey) {
        let own = self.ring.iter_mut().filter(|(it, of)| *of == by && it.has_words());
        own.for_each(|(it, _)| it.text.clear());
    }

    /// Takes in what happened before, and who did it, if they are still here.
    pub(super) fn restore(&mut self, mut happening: Happening, by: UserKey) {
        happening.text.truncate(cut(&happening.text, TEXT_BYTES_MAX).0.len());
        if let Some(place) = self.next_place() {
            *place = (happening, by);
        }
    }

    /// Takes in what has just happened. The oldest happening gives its memory to the newest.
    fn record(&mut self, new: &NewHappening<'_>) {
        let Some((it, by)) = self.next_place() else { return };
        (it.id, it.at, it.what, *by) = (new.id, new.at, new.what, new.by);
        let (text, _) = cut(new.text, TEXT_BYTES_MAX);
        let texts = [(&mut it.from, new.from), (&mut it.mask, new.mask)];
        let texts = texts.into_iter().chain([(&mut it.whom, new.whom), (&mut it.text, text)]);
        texts.for_each(|(kept, new)| refill(kept, new));
    }

    /// Where the next happening goes, if any are kept.
    fn next_place(&mut self) -> Option<&mut (Happening, UserKey)> {
        if self.ring.len() < self.max {
            self.ring.push_back((Happening::default(), UserKey::NOBODY));
        } else if self.max > 0 {
            self.ring.rotate_left(1);
        }
        self.ring.back_mut()
    }
}

// ── what an entry has changed ────────────────────────────────────────────────────────────────────

/// What happens by one entry, and the rooms that remember it.
struct Notes<'c> {
    rooms: &'c mut Slab<Room>,
    cloak: Option<Cloak>,
    id: EntryId,
    at: (u64, u16),
}

impl Notes<'_> {
    /// Somebody, who is called `from` in it, has done that in those rooms that are still there.
    fn add(
        &mut self,
        rooms: impl IntoIterator<Item = RoomKey>,
        (by, from, user): (UserKey, &str, &User),
        (what, whom, text): (What, &str, &str),
    ) {
        let mask = user.mask(self.cloak);
        let (id, at, mask) = (self.id, self.at, &*mask);
        let new = NewHappening { id, at, by, what, from, mask, whom, text };
        for room in rooms {
            if let Some(room) = self.rooms.get_mut(room.place()) {
                room.happened.record(&new);
            }
        }
    }

    /// Nobody in particular has set that in a room.
    fn add_mode(&mut self, room: RoomKey, modes: &str) {
        let (id, at, by) = (self.id, self.at, UserKey::NOBODY);
        let (what, from, mask, whom, text) = (What::Mode, "", "", "", modes);
        let new = NewHappening { id, at, by, what, from, mask, whom, text };
        if let Some(room) = self.rooms.get_mut(room.place()) {
            room.happened.record(&new);
        }
    }
}

impl Chat {
    /// Remembers what an entry has changed in rooms, as far as those who are there see it. Lines
    /// are in the history.
    pub(super) fn note_happening(&mut self, entry: &Entry<'_>, applied: &Applied) {
        if self.limits.history_lines_max == 0 {
            return;
        }
        let Chat { users, rooms, cloak, line_clock, .. } = self;
        let at = (entry.at, line_clock.millis(entry.at));
        let mut notes = Notes { rooms, cloak: *cloak, id: entry.id, at };
        let who = |key: &UserKey| users.get(*key).map(|user| (*key, user.name.as_str(), user));
        match (&entry.fact, applied) {
            (Fact::Joined { user, .. }, Applied::Joined(room)) => {
                let Some(who @ (_, _, of)) = who(user) else { return };
                let rank = notes.rooms.get(room.place()).and_then(|room| room.rank_of(*user));
                let account = of.account().map_or("", |name| name.as_str());
                let real_name = of.profile().map_or("", |profile| &profile.real_name);
                notes.add([*room], who, (What::Joined(rank), account, real_name));
            }
            (Fact::Parted { user, room, words }, Applied::Parted { .. }) => {
                let Some(who) = who(user) else { return };
                notes.add([*room], who, (What::Parted, "", words));
            }
            (Fact::Left { user, why }, Applied::Left(gone)) => {
                let (reason, words) = match why {
                    // That is told to nobody.
                    Leaving::Reason(CloseReason::Stopping) => return,
                    Leaving::Plain => (None, ""),
                    Leaving::Words(words) => (None, &**words),
                    // Numbers in it are not told to other servers.
                    Leaving::Reason(reason) => (CloseReason::of_label(reason.label()), ""),
                };
                let who = (*user, gone.name.as_str(), &**gone);
                notes.add(gone.rooms(), who, (What::Left(reason), "", words));
            }
            (Fact::Renamed { user, name }, Applied::Renamed { old }) => {
                let Some((_, _, of)) = who(user) else { return };
                let who = (*user, old.as_str(), of);
                notes.add(of.rooms(), who, (What::Renamed, name.as_str(), ""));
            }
            (Fact::Topic { user, room, text }, Applied::Said) => {
                let Some(who) = who(user) else { return };
                notes.add([*room], who, (What::Topic, "", text));
            }
            (Fact::Account(AccountFact::LoggedIn { user, .. }), Applied::LoggedIn { ranks }) => {
                let Some((_, name, _)) = who(user) else { return };
                for (room, rank) in ranks {
                    let modes = rank_words(name, None, Some(*rank));
                    modes.iter().for_each(|modes| notes.add_mode(*room, modes));
                }
            }
            (Fact::Order { by, order }, applied) => notes.add_order((who, by), order, applied),
            _ => {}
        }
    }

    /// What happened in a room, the oldest first, as `user` may be told it: without the words of
    /// those whom they ignore.
    pub(crate) fn happened_for(&self, user: UserKey, room: RoomKey) -> Vec<Happening> {
        let told = |(it, by): &(Happening, UserKey)| {
            let mut it = it.clone();
            if it.has_words() && self.is_deaf_to_author(user, *by, &it.from) {
                it.text.clear();
            }
            it
        };
        self[room].happened.iter().map(told).collect()
    }
}

impl Notes<'_> {
    /// The same of what an operator has decided.
    fn add_order<'u>(
        &mut self,
        (who, by): (impl Fn(&UserKey) -> Option<(UserKey, &'u str, &'u User)>, &UserKey),
        order: &Order,
        applied: &Applied,
    ) {
        if let (Order::Removed { user, how, why }, Applied::Left(gone)) = (order, applied) {
            let by = who(by).map_or(gone.name.as_str(), |(_, name, _)| name);
            let gone_as = (*user, gone.name.as_str(), &**gone);
            return self.add(gone.rooms(), gone_as, (What::Removed(*how), by, why));
        }
        let Some(by) = who(by) else { return };
        let (room, modes) = match (order, applied) {
            (Order::Kicked { room, user, why, .. }, Applied::Parted { .. }) => {
                let Some((_, name, _)) = who(user) else { return };
                return self.add([*room], by, (What::Kicked, name, why));
            }
            (Order::Ranked { room, user, rank }, Applied::Ranked { before }) => {
                let Some((_, name, _)) = who(user) else { return };
                let Some(modes) = rank_words(name, *before, *rank) else { return };
                (*room, modes)
            }
            (Order::Set { room, setting }, Applied::Said) => {
                (*room, mode_words(&[without_key(setting)]))
            }
            (Order::Sanctioned { room: Some(room), sanction }, Applied::Said)
                if sanction.kind == SanctionKind::Ban && sanction.is_for_a_name() =>
            {
                (*room, format!("+b {}", sanction.mask()))
            }
            (Order::Lifted { room: Some(room), sanction }, Applied::Said)
                if sanction.kind == SanctionKind::Ban && sanction.is_for_a_name() =>
            {
                (*room, format!("-b {}", sanction.mask()))
            }
            _ => return,
        };
        self.add([room], by, (What::Mode, "", &modes));
    }
}

/// What is set, as whoever comes later may know it: a key that the room had is not for them.
fn without_key(setting: &Setting) -> Setting {
    match setting {
        Setting::Key(Some(_)) => Setting::Key(Some("*".to_owned())),
        setting => setting.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{Authority, LOBBY, Standing};
    use super::*;
    use crate::config::Limits;
    use crate::key::ConnectionKey;
    use crate::nickname::Nickname;
    use crate::sanction::{Sanction, Target};

    /// A chat of which as much is remembered, and in whose lobby are these people, of whom the
    /// first is an operator.
    fn chat(lines_max: usize, names: &[&str]) -> Chat {
        let limits = Limits { history_lines_max: lines_max, ..Limits::default() };
        let mut chat = Chat::new(&limits, 0, &Nickname::unchecked("lobby"), &[]);
        for (place, name) in names.iter().enumerate() {
            let (user, name) = (UserKey::nth(place), Nickname::unchecked(name));
            let origin = Some(ConnectionKey::nth(place));
            let authority = (place == 0).then_some(Authority::Console);
            let standing = Box::new(Standing { authority, ..Standing::default() });
            let address = Ipv4Addr::LOCALHOST.into();
            happens(&mut chat, Fact::Connected { origin, name, address, standing });
            let (room, key) = (Nickname::unchecked("lobby"), "".into());
            happens(&mut chat, Fact::Joined { user, room, key });
        }
        chat
    }

    /// Something becomes so, under a number of its own.
    fn happens(chat: &mut Chat, fact: Fact<'_>) {
        let last = chat[LOBBY].happened.iter().last().map_or(0, |(it, _)| it.id);
        let last = chat[LOBBY].history.lines().last().map_or(last, |line| last.max(line.said.id));
        let applied = chat.apply(&Entry::new(last + 1, 70, fact));
        assert!(!matches!(applied, Applied::Refused(_)), "{applied:?}");
    }

    fn topic(number: usize) -> Fact<'static> {
        let text = format!("topic {number}").into();
        Fact::Topic { user: UserKey::nth(0), room: LOBBY, text }
    }

    fn texts(chat: &Chat) -> Vec<&str> {
        chat[LOBBY].happened.iter().map(|(it, _)| it.text.as_str()).collect()
    }

    #[test]
    fn only_the_last_is_remembered_and_no_line_is_forgotten_for_it() {
        let mut chat = chat(3, &["al"]);
        let said = "hello".into();
        let (user, room, emote, extra) = (UserKey::nth(0), LOBBY, false, None);
        happens(&mut chat, Fact::Said { user, room, text: said, emote, extra });
        (0..9).for_each(|number| happens(&mut chat, topic(number)));
        assert_eq!(texts(&chat), ["topic 6", "topic 7", "topic 8"]);
        assert_eq!(chat[LOBBY].history.len(), 1);
        let long = "é".repeat(TEXT_BYTES_MAX).into();
        happens(&mut chat, Fact::Topic { user, room, text: long });
        assert_eq!(texts(&chat)[2].len(), TEXT_BYTES_MAX);
        chat.set_limits(&Limits { history_lines_max: 1, ..Limits::default() });
        assert_eq!(texts(&chat).len(), 1);
        chat.set_limits(&Limits { history_lines_max: 0, ..Limits::default() });
        happens(&mut chat, topic(9));
        assert!(texts(&chat).is_empty());
        let most = Happened::new(usize::MAX).max;
        assert_eq!(most, HAPPENINGS_MAX, "however many lines there are");
    }

    #[test]
    fn it_has_the_time_of_the_line_before_it() {
        let mut chat = chat(9, &["al"]);
        for number in 0..3 {
            let (user, room, emote, extra) = (UserKey::nth(0), LOBBY, false, None);
            happens(&mut chat, Fact::Said { user, room, text: "hi".into(), emote, extra });
            happens(&mut chat, topic(number));
        }
        let lines = chat[LOBBY].history.lines().map(|line| line.said.unix_millis());
        let happened = chat[LOBBY].happened.iter().skip(1).map(|(it, _)| it.unix_millis());
        assert!(lines.eq(happened), "{chat:?}");
        let (coming, _) = chat[LOBBY].happened.iter().next().unwrap();
        assert_eq!((coming.at, coming.what), ((70, 0), What::Joined(None)));
        assert_eq!((&*coming.from, &*coming.mask), ("al", "lines@127.0.0.1"));
    }

    #[test]
    fn who_is_kept_out_by_address_is_not_told_of_again() {
        let mut chat = chat(9, &["al"]);
        for whom in ["bo", "192.0.2.1", "*!*@host"] {
            let sanction = Box::new(Sanction {
                id: 0,
                kind: SanctionKind::Ban,
                room: Some("lobby".to_owned()),
                target: Target::network("192.0.2.1").unwrap(),
                whom: whom.to_owned(),
                by: "al".to_owned(),
                why: String::new(),
                at: 70,
                until: None,
            });
            let room = Some(LOBBY);
            let given = Order::Sanctioned { room, sanction: sanction.clone() };
            for order in [given, Order::Lifted { room, sanction }] {
                happens(&mut chat, Fact::Order { by: UserKey::nth(0), order });
            }
        }
        let told = ["", "+b bo!*@*", "-b bo!*@*", "+b *!*@host", "-b *!*@host"];
        assert_eq!(texts(&chat), told);
    }

    #[test]
    fn words_are_not_for_those_who_ignore_them_nor_for_anybody_when_they_are_forgotten() {
        let mut chat = chat(9, &["al", "bo", "cy", "di"]);
        let [al, bo, cy, di] = [0, 1, 2, 3].map(UserKey::nth);
        let Chat { ignoring, users, .. } = &mut chat;
        ignoring.ignore(users, al, bo).unwrap();
        ignoring.ignore(users, al, cy).unwrap();
        let words = || "so long".into();
        happens(&mut chat, Fact::Parted { user: bo, room: LOBBY, words: words() });
        happens(&mut chat, Fact::Left { user: cy, why: Leaving::Words(words()) });
        let told = |chat: &Chat, to: UserKey| -> Vec<_> {
            let last = chat.happened_for(to, LOBBY).into_iter().skip(4);
            last.map(|it| (it.from, it.text)).collect()
        };
        let of = |texts: [&str; 2]| {
            let told = ["bo", "cy"].into_iter().zip(texts);
            told.map(|(from, text)| (from.to_owned(), text.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(told(&chat, di), of(["so long"; 2]));
        assert_eq!(told(&chat, al), of([""; 2]));
        happens(&mut chat, Fact::Forgot { user: bo });
        assert_eq!(told(&chat, di), of(["", "so long"]));
    }
}

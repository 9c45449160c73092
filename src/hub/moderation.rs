//! Order, as far as connections have to do with it: who is put out is closed, who is kept out is
//! told why, and each act of an operator is told, logged and kept.

use super::Hub;
use super::connection::State;
use super::next::Next;
use super::telling::time_of;
use crate::archive::{Act, Record};
use crate::chat::{
    Applied, Chat, Conflict, Entry, Fact, LOBBY, Order, Proposed, RoomKey, User, UserKey,
};
use crate::event::{Change, CloseReason, Command, Event, Refusal};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::order::{Occurrence, Removal, WhoisPrivate, WhoisView, confirmation};
use crate::rights::{Rank, Setting};
use crate::sanction::{Sanction, SanctionKind};

/// So long somebody is asked whether they mean it.
const ANSWER_SECONDS: u64 = 60;

impl Hub {
    // ── bans and mutes ───────────────────────────────────────────────────────────────────────────

    /// Somebody may ban or mute somebody. If that would hit others as well, they are told whom, and
    /// must say that they mean it.
    pub(super) fn propose_sanction(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        mut proposed: Box<Proposed>,
    ) {
        let mut hits = self.chat.hits(user, &proposed);
        if hits.names.is_empty() && !hits.is_dangerous {
            return self.sanction((key, user), &proposed);
        }
        proposed.is_dangerous = hits.is_dangerous;
        let room = proposed.room;
        self.chat.note_proposed(user, proposed);
        let count = hits.names.len();
        if !self.chat.is_operator(user) {
            // Who shares an address is nobody else's business.
            hits.names.clear();
        }
        let names = &hits.names[..hits.names.len().min(crate::dialect::phrases::WELCOME_MAX)];
        let occurrence = Occurrence::Hits { names, count, is_dangerous: hits.is_dangerous };
        self.tell(key, room, &Event::Order(occurrence));
    }

    /// If somebody has been asked whether they mean it, and says so, that is done. Returns whether
    /// this was an answer. Whatever else they say means no.
    pub(super) fn confirm_sanction(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        command: &Command<'_>,
    ) -> bool {
        let Command::Say(said) = command else { return false };
        let Some(proposed) = self.chat.take_proposed(user) else { return false };
        let is = |word: &str| said.trim().eq_ignore_ascii_case(word);
        if !is(confirmation(false)) && !is(confirmation(true)) {
            return false;
        }
        let room = proposed.room.filter(|room| self.chat.has_room(*room));
        let name = room.map(|room| self.chat[room].name().as_str());
        let is_late = self.now.unix_seconds > proposed.sanction.at + ANSWER_SECONDS;
        if is_late || name != proposed.sanction.room.as_deref() {
            self.refuse(key, Refusal::TooLate);
        } else if proposed.is_dangerous && !is(confirmation(true)) {
            self.propose_sanction((key, user), proposed);
        } else {
            self.sanction((key, user), &proposed);
        }
        true
    }

    fn sanction(&mut self, (key, by): (ConnectionKey, UserKey), proposed: &Proposed) {
        let Proposed { sanction, room, .. } = proposed;
        let (room, sanction) = (*room, Box::new(sanction.clone()));
        let order = Order::Sanctioned { room, sanction: sanction.clone() };
        match self.propose(Fact::Order { by, order }) {
            Applied::Later => {
                let proposed = Box::new(proposed.clone());
                self.then(key, Next::Sanctioned { by, proposed });
            }
            Applied::Said => self.put_out_hit(by, proposed),
            _ => self.refuse(key, Refusal::NotSaid),
        }
    }

    /// Those whom a new sanction hits are put out.
    pub(super) fn put_out_hit(&mut self, by: UserKey, proposed: &Proposed) {
        let Proposed { sanction, room, meant, .. } = proposed;
        let room = *room;
        if sanction.kind == SanctionKind::Mute {
            return;
        }
        let is_there = |user: &UserKey| room.is_none_or(|room| self.chat.is_in(*user, room));
        let mut hit = self.chat.hit_by(&sanction.target, room);
        if let Some(meant) = meant.filter(is_there)
            && !hit.contains(&meant)
        {
            hit.push(meant);
        }
        for user in hit {
            let (how, why) = (Removal::Ban, sanction.why.clone());
            let order = match room {
                Some(room) => Order::Kicked { room, user, how, why },
                None => Order::Removed { user, how, why },
            };
            self.propose(Fact::Order { by, order });
        }
    }

    /// Somebody cannot come in, is told why, and is closed.
    pub(super) fn keep_out(
        &mut self,
        key: ConnectionKey,
        account: Option<&Nickname>,
        conflict: Conflict,
    ) {
        let address = self.connections[key].remote.ip();
        let ban = self.chat.ban_of((account, address), self.now.unix_seconds).cloned();
        match (conflict, ban) {
            (Conflict::Banned, Some(ban)) => {
                self.tell(key, None, &Event::Order(Occurrence::YouBanned(&ban)));
                self.close(key, CloseReason::Banned, "");
            }
            _ => {
                self.refuse(key, Refusal::Locked);
                self.close(key, CloseReason::Locked, "");
            }
        }
    }

    // ── what is told ─────────────────────────────────────────────────────────────────────────────

    /// Tells what must be told before an order, while what was so before it still is.
    pub(super) fn prepare_order(&mut self, order: &Order) {
        let rooms = match order {
            Order::Kicked { room, .. } | Order::Ranked { room, .. } | Order::Set { room, .. } => {
                vec![*room]
            }
            Order::Removed { user, .. } => self.rooms_of(*user),
            _ => return,
        };
        rooms.into_iter().for_each(|room| self.flush_presence(room));
    }

    /// Tells whom it concerns what an operator has decided, and keeps that.
    pub(super) fn tell_order(
        &mut self,
        entry: &Entry<'_>,
        (by, order): (UserKey, &Order),
        applied: &Applied,
    ) {
        let by_name = self.name_of_decider(by, (order, applied)).to_owned();
        let by_name = by_name.as_str();
        match (order, applied) {
            (Order::Ranked { room, user, rank }, Applied::Ranked { before }) => {
                self.tell_ranked((*room, *user), (*before, *rank), by_name);
                let name = self.chat.name(*user).to_owned();
                self.note_act(by, (rank_act(*rank), &name), Some(*room), ("", None));
                self.keep_rights(*room);
            }
            (Order::Unranked { room, account }, _) => {
                let name = account.as_str();
                let occurrence = Occurrence::Ranked { name, rank: None, before: None, by: by_name };
                self.publish(&[*room], &Event::Order(occurrence));
                self.note_act(by, ("unrank", name), Some(*room), ("", None));
                self.keep_rights(*room);
            }
            (Order::Set { room, setting }, _) => {
                let occurrence = Occurrence::Set { setting, by: by_name };
                self.publish(&[*room], &Event::Order(occurrence));
                self.tell_irc_set(*room, setting);
                self.note_act(by, ("room", &set_words(setting)), Some(*room), ("", None));
                self.keep_rights(*room);
            }
            (Order::Kicked { room, user, how, why }, Applied::Parted { title }) => {
                let name = self.chat.name(*user).to_owned();
                if *how == Removal::Kick {
                    let room = self.chat.has_room(*room).then_some(*room);
                    self.note_act(by, ("kick", &name), room, (why, None));
                }
                self.put_out((*user, &name), (*room, title), (*how, by_name, why));
            }
            (Order::Removed { user: gone, how, why }, Applied::Left(user)) => {
                if *how == Removal::Kill {
                    self.note_act(by, ("kill", user.name.as_str()), None, (why, None));
                }
                self.remove((*gone, user), (*how, by_name, why));
            }
            (Order::Sanctioned { room, sanction }, _) => {
                let sanction = Sanction { id: entry.id, ..(**sanction).clone() };
                self.tell_sanctioned(by, *room, &sanction);
            }
            (Order::Lifted { room, sanction }, _) => {
                self.tell_lifted(by, *room, sanction);
            }
            (Order::Locked { age }, _) => {
                self.publish_to_all(&Occurrence::Locked(by_name, *age));
                let until = age.map(|age| format!("{age}s")).unwrap_or_default();
                self.note_act(by, ("lock", &until), None, ("", None));
            }
            (Order::Unlocked, _) => {
                self.publish_to_all(&Occurrence::Unlocked(by_name));
                self.note_act(by, ("unlock", ""), None, ("", None));
            }
            (Order::Slowed { seconds }, _) => {
                let occurrence = match seconds {
                    Some(seconds) => Occurrence::Slowed(by_name, *seconds),
                    None => Occurrence::Unslowed(by_name),
                };
                self.publish_to_all(&occurrence);
                let seconds = seconds.map(|it| it.to_string());
                self.note_act(by, ("slow", seconds.as_deref().unwrap_or("off")), None, ("", None));
            }
            (Order::Announced { text }, _) => {
                self.publish_to_all(&Occurrence::Announced { by: by_name, text });
                self.note_act(by, ("announce", ""), None, (text, None));
            }
            _ => {}
        }
    }

    /// What an operator is called who has decided something, which may be that they are gone.
    fn name_of_decider<'n>(
        &'n self,
        by: UserKey,
        (order, applied): (&Order, &'n Applied),
    ) -> &'n str {
        match (order, applied) {
            (Order::Removed { user, .. }, Applied::Left(gone)) if *user == by => gone.name.as_str(),
            _ => self.chat.name(by),
        }
    }

    /// Tells all rooms. Whoever is in several of them is told once.
    fn publish_to_all(&mut self, occurrence: &Occurrence<'_>) {
        let rooms: Vec<_> = self.chat.rooms().map(|(room, _)| room).collect();
        self.publish(&rooms, &Event::Order(*occurrence));
    }

    /// Tells a room that somebody has another rank there.
    pub(super) fn tell_ranked(
        &mut self,
        (room, user): (RoomKey, UserKey),
        (before, rank): (Option<Rank>, Option<Rank>),
        by: &str,
    ) {
        let name = self.chat.name(user).to_owned();
        self.outdate_lists(&[room]);
        let occurrence = Occurrence::Ranked { name: &name, rank, before, by };
        self.publish(&[room], &Event::Order(occurrence));
    }

    fn tell_sanctioned(&mut self, by: UserKey, room: Option<RoomKey>, sanction: &Sanction) {
        let word = sanction.kind.word();
        let whom = sanction.whom.as_str();
        self.note_act(by, (word, whom), room, (&sanction.why, sanction.until));
        // An account that is banned from a room has no rank there any more.
        room.into_iter().for_each(|room| self.keep_rights(room));
        if self.chat.remembers() {
            self.records.push(Record::Sanction(sanction.clone()));
        }
        let name = self.chat.name(by).to_owned();
        let event = Event::Order(Occurrence::Sanctioned(sanction, &name));
        self.tell_of_sanction(by, room, sanction, &event);
    }

    /// Tells of a ban or a mute, or of its end, whom it concerns: the room that it is of, the rooms
    /// of who is muted, and in any case the operator who has decided so. Of a ban nobody is told
    /// who sees that somebody is put out; and addresses are for operators alone.
    fn tell_of_sanction(
        &mut self,
        by: UserKey,
        room: Option<RoomKey>,
        sanction: &Sanction,
        event: &Event<'_>,
    ) {
        let rooms = match (room, sanction.kind) {
            _ if !sanction.is_for_a_name() => Vec::new(),
            (Some(room), _) => vec![room],
            (None, SanctionKind::Ban) => Vec::new(),
            (None, SanctionKind::Mute) => self.rooms_hit_by(sanction),
        };
        if !rooms.is_empty() {
            self.publish(&rooms, event);
        }
        let origin = self.chat.user(by).and_then(|user| user.origin);
        if !rooms.iter().any(|room| self.chat.is_in(by, *room)) {
            self.tell_user(by, origin, None, event);
        }
    }

    /// The rooms in which somebody is whom it hits.
    fn rooms_hit_by(&self, sanction: &Sanction) -> Vec<RoomKey> {
        let hit = self.chat.hit_by(&sanction.target, None);
        let mut rooms: Vec<_> = hit.into_iter().flat_map(|user| self.rooms_of(user)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    fn tell_lifted(&mut self, by: UserKey, room: Option<RoomKey>, sanction: &Sanction) {
        let event = match sanction.kind {
            SanctionKind::Ban => "unban",
            SanctionKind::Mute => "unmute",
        };
        let whom = sanction.whom.as_str();
        self.note_act(by, (event, whom), room, ("", None));
        if self.chat.remembers() {
            self.records.push(Record::Lifted(sanction.id));
        }
        let name = self.chat.name(by).to_owned();
        let (kind, target) = (sanction.kind, &sanction.target);
        let event = Occurrence::Lifted { kind, whom, target, by: &name };
        self.tell_of_sanction(by, room, sanction, &Event::Order(event));
    }

    // ── being put out ────────────────────────────────────────────────────────────────────────────

    /// Somebody is not in a room any more, since an operator wanted it so. Who can be in one room
    /// only goes back to the lobby; out of that, they are closed.
    fn put_out(
        &mut self,
        (user, name): (UserKey, &str),
        (room, title): (RoomKey, &str),
        (how, by, why): (Removal, &str, &str),
    ) {
        let origin = self.chat.user(user).and_then(|user| user.origin);
        log::info!("parted: {name} from {title}: {}", how.word());
        self.tell_removed(room, (name, origin), (how, by, why, false));
        let Some(key) = origin else { return };
        let occurrence = Occurrence::YouRemoved { whom: name, how, by, why };
        self.tell_titled(key, Some(title), &Event::Order(occurrence));
        let spec = self.connections[key].dialect.spec();
        if spec.many_rooms && spec.told_alone {
            // That was said already.
        } else if spec.many_rooms {
            self.tell_titled(key, Some(title), &Event::Parted);
        } else if room == LOBBY || self.connections[key].is_bot {
            self.close(key, CloseReason::Kicked, "");
            self.arm(key);
        } else {
            let lobby = self.chat[LOBBY].name().clone();
            self.propose(Fact::Joined { user, room: lobby, key: "".into() });
        }
    }

    /// Tells a room that somebody was put out of it, who reads it no more.
    fn tell_removed(
        &mut self,
        room: RoomKey,
        (name, origin): (&str, Option<ConnectionKey>),
        (how, by, why, is_gone): (Removal, &str, &str, bool),
    ) {
        match origin {
            Some(key) => self.detach(key, room),
            None => self.channels[room.place()].cut_off -= 1,
        }
        if self.chat.has_room(room) {
            self.outdate_lists(&[room]);
            let count = self.chat[room].count();
            let occurrence = Occurrence::Removed { name, how, by, why, count, is_gone };
            self.publish(&[room], &Event::Order(occurrence));
        }
        self.close_channel_if_gone(room);
    }

    /// Somebody is not on the server any more, since an operator wanted it so.
    fn remove(&mut self, (gone, user): (UserKey, &User), (how, by, why): (Removal, &str, &str)) {
        let name = user.name.as_str();
        log::info!("left: {name}: {}", how.word());
        if let Some(origin) = user.origin {
            user.rooms().for_each(|room| self.detach(origin, room));
        }
        self.tell_gone(user, Change::Removed(&removal_words(how, by, why)));
        self.note_gone(&user.name, user.person());
        self.tell_watchers_offline(&user.name);
        for room in user.rooms() {
            self.tell_removed(room, (name, user.origin), (how, by, why, true));
        }
        let reason = if how == Removal::Ban { CloseReason::Banned } else { CloseReason::Killed };
        let key = user.origin;
        let dialect = key.map_or_else(
            || self.tickets.dialect(gone),
            |key| {
                let connection = &self.connections[key];
                matches!(connection.state, State::Chatting(_)).then_some(connection.dialect)
            },
        );
        dialect.iter().for_each(|dialect| self.members[dialect.index()] -= 1);
        self.tickets.forget(gone);
        let Some(key) = key else { return };
        self.tell(key, None, &Event::Order(Occurrence::YouRemoved { whom: name, how, by, why }));
        self.put_off(key, reason);
    }

    // ── what is known ────────────────────────────────────────────────────────────────────────────

    /// Tells who somebody is: to operators, also from where they come.
    pub(super) fn tell_whois(&mut self, (key, asker): (ConnectionKey, UserKey), user: UserKey) {
        let Hub { chat, connections, now, .. } = self;
        let Some(of) = chat.user(user) else { return };
        let marked = |room: RoomKey| {
            let mark = chat.rank_in(user, room).map(|rank| rank.mark().to_string());
            format!("{}{}", mark.unwrap_or_default(), chat[room].title())
        };
        let known = of.rooms().filter(|room| chat.may_know(asker, &chat[*room], *room));
        let rooms: Vec<_> = known.map(marked).collect();
        let connection = of.origin.and_then(|key| connections.get(key));
        let is_shown = chat.is_operator(asker);
        let private = connection.filter(|_| is_shown).map(|connection| WhoisPrivate {
            address: of.address.to_canonical(),
            listener: connection.dialect.name(),
            idle: u64::from((now.unix_seconds as u32).wrapping_sub(connection.heard_at)),
        });
        let (name, account) = (of.name.clone(), of.account().cloned());
        let view = WhoisView {
            name: name.as_str(),
            account: account.as_ref().map(Nickname::as_str),
            is_operator: chat.is_operator(user),
            rooms: &rooms,
            private,
        };
        self.tell(key, None, &Event::Order(Occurrence::Whois(view)));
    }

    /// Tells all operators of the server something that they must know.
    pub(super) fn alarm(&mut self, what: &str) {
        let is_operator = |chat: &Chat, key| chat.is_operator(key);
        let all: Vec<_> = self.chat.all_users().map(|(key, user)| (key, user.origin)).collect();
        for (user, origin) in all {
            if is_operator(&self.chat, user) {
                self.tell_user(user, origin, None, &Event::Order(Occurrence::Alarm(what)));
            }
        }
    }

    /// Logs an act of an operator, and keeps it.
    pub(super) fn note_act(
        &mut self,
        by: UserKey,
        (event, whom): (&str, &str),
        room: Option<RoomKey>,
        (why, until): (&str, Option<u64>),
    ) {
        let account = self.chat.account_of(by).map(Nickname::as_str);
        let by = match (self.chat.name(by), account) {
            (name, Some(account)) if account != name => format!("{name} ({account})"),
            (name, _) => name.to_owned(),
        };
        let room = room.map(|room| self.chat[room].name().as_str().to_owned());
        let in_room = room.as_ref().map(|room| format!(" room=#{room}")).unwrap_or_default();
        let until_when = until.map(|at| format!(" until={}", time_of(at))).unwrap_or_default();
        log::info!("event={event} by={by} whom={whom:?}{in_room}{until_when} why={why:?}");
        if self.chat.remembers() {
            let (event, whom, why) = (event.to_owned(), whom.to_owned(), why.to_owned());
            let at = self.now.unix_seconds;
            self.records.push(Record::Act(Act { at, event, by, whom, room, why, until }));
        }
    }

    /// What is set for a room is kept.
    pub(super) fn keep_rights(&mut self, room: RoomKey) {
        if self.chat.remembers() && self.chat.has_room(room) {
            let room = &self.chat[room];
            let (name, rights) = (room.name().as_str().to_owned(), room.rights.clone());
            self.records.push(Record::Rights { room: name, rights });
        }
    }
}

/// What those are told who only hear that somebody is gone.
pub(super) fn removal_words(how: Removal, by: &str, why: &str) -> String {
    let what = if how == Removal::Ban { "Banned" } else { "Killed" };
    let because = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{what} by {by}{because}")
}

/// The name of the act by which somebody got a rank.
fn rank_act(rank: Option<Rank>) -> &'static str {
    match rank {
        Some(Rank::Operator | Rank::VoicedOperator) => "op",
        Some(Rank::Voice) => "voice",
        None => "unrank",
    }
}

/// What was set, as the log and the audit say it. A key is nobody's business there.
fn set_words(setting: &Setting) -> String {
    let on_off = |on: bool| if on { "on" } else { "off" };
    match setting {
        Setting::Flag(flag, on) => format!("{} {}", flag.word(), on_off(*on)),
        Setting::Key(key) => format!("key {}", on_off(key.is_some())),
        Setting::Limit(None) => "limit off".to_owned(),
        Setting::Limit(Some(limit)) => format!("limit {limit}"),
    }
}

//! Order: who may do what to whom, what is banned, muted and locked, and how that becomes so.
//!
//! Whoever asks for something is judged here first ([`Chat::judge_moderation`]), and what is
//! proposed then is looked at once more when it is applied ([`Chat::apply_order`]): who has lost
//! their rank in between has done nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Chat;
use super::apply::{Applied, Conflict};
use super::commands::{Answers, Asker, Judged};
use super::entry::{Entry, Fact, Order};
use super::room::{LOBBY, Room, RoomKey};
use super::sanctions::Sanctions;
use super::user::{User, UserKey};
use crate::archive::Request;
use crate::dialect::Dialect;
use crate::dialect::irc::mask;
use crate::event::{Event, Refusal, Topic};
use crate::nickname::Nickname;
use crate::order::{Moderation, Occurrence, Removal, What};
use crate::rights::{Flag, KEY_BYTES_MAX, Rank, Rights, Setting};
use crate::sanction::{
    REASON_BYTES_MAX, Sanction, SanctionKind, Span, Target, USUAL_SECONDS, parse_span,
};
use crate::text;

/// Bans and mutes of the server, and bans of one room.
const SANCTIONS_MAX: usize = 10_000;
const ROOM_BANS_MAX: usize = 1000;

/// The longest time that `/slow` takes, in seconds.
const SLOW_MAX: u32 = 3600;

/// The most that a room can be limited to.
const LIMIT_MAX: u32 = 1_000_000;

/// Acts that are shown at once, and bans and mutes.
const ACTS_SHOWN: usize = 50;
const SANCTIONS_SHOWN: usize = 100;

/// Order on the server as a whole.
#[derive(Debug, Default)]
pub(crate) struct OrderState {
    /// Somebody is muted, or perhaps; or the server is locked or slowed. If not, there is nothing
    /// to look at before each line.
    is_restless: bool,
    pub(super) bans: Sanctions,
    pub(super) mutes: Sanctions,
    pub(super) lock: Option<Lock>,
    /// So many seconds lie between two lines of one person.
    pub(super) slow: Option<u32>,
}

/// The server is locked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// Whoever has no account may only speak when they have been here for so many seconds; without
    /// it, they may only come in if they were here.
    age: Option<u64>,
    /// Who was here: the folds of their names, and from where they came.
    present: HashMap<Arc<str>, IpAddr>,
}

impl Lock {
    /// Nobody was here.
    pub(super) fn new(age: Option<u64>) -> Lock {
        Lock { age, present: HashMap::new() }
    }

    /// Somebody was here, under a name with this fold.
    pub(super) fn add(&mut self, fold: &str, address: IpAddr) {
        self.present.insert(fold.into(), address);
    }

    /// The age, and who was here.
    pub(super) fn parts(&self) -> (Option<u64>, impl Iterator<Item = (&str, IpAddr)>) {
        let present = self.present.iter().map(|(fold, address)| (&**fold, *address));
        (self.age, present)
    }

    /// Whether somebody without an account may not come in.
    pub(super) fn keeps_out(&self, name: &Nickname, address: IpAddr) -> bool {
        self.age.is_none() && self.present.get(&name.sort_key()) != Some(&address)
    }
}

/// A ban or a mute that somebody asks for.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    /// Its number is not known yet.
    pub(crate) sanction: Sanction,
    /// The room for which it is, if it is for one.
    pub(crate) room: Option<RoomKey>,
    /// Who is meant, if they are here.
    pub(crate) meant: Option<UserKey>,
    /// It would hit everybody, or the asker too, and must be confirmed in other words.
    pub(crate) is_dangerous: bool,
}

/// What keeps somebody out of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barrier {
    Ban,
    Invite,
    Key,
}

impl Barrier {
    /// As it is told of the room of this name.
    fn of(self, title: &str) -> Refusal<'_> {
        match self {
            Barrier::Ban => Refusal::RoomBanned(title),
            Barrier::Invite => Refusal::InviteOnly(title),
            Barrier::Key => Refusal::RoomKey(title),
        }
    }
}

/// Whom a ban or a mute would hit besides the one who is meant.
#[derive(Debug)]
pub(crate) struct Hits {
    pub(crate) names: Vec<Nickname>,
    /// It is for everybody, or for the asker too.
    pub(crate) is_dangerous: bool,
}

impl OrderState {
    /// Whether everybody may say what they like, wherever that is not a room's business.
    fn is_calm(&self) -> bool {
        !self.is_restless
    }

    fn note_change(&mut self) {
        self.is_restless = !self.mutes.is_empty() || self.slow.is_some() || self.lock.is_some();
    }
}

// ── who may do what ──────────────────────────────────────────────────────────────────────────────

impl Chat {
    /// Whether somebody is an operator of the server.
    pub(crate) fn is_operator(&self, user: UserKey) -> bool {
        self.users.get(user).is_some_and(|user| user.operator)
    }

    /// The rank that somebody has in a room.
    pub(crate) fn rank_in(&self, user: UserKey, room: RoomKey) -> Option<Rank> {
        self.users.get(user).and_then(|_| self[room].rank_of(user))
    }

    /// Whether somebody may do all that operators of a room may.
    pub(crate) fn is_in_charge(&self, user: UserKey, room: RoomKey) -> bool {
        self.is_operator(user) || self.rank_in(user, room).is_some_and(Rank::is_operator)
    }

    /// Whether somebody may know of a room, and who is there.
    pub(crate) fn may_know(&self, user: UserKey, room: &Room, key: RoomKey) -> bool {
        !room.rights.has(Flag::Secret) || self.is_in(user, key) || self.is_operator(user)
    }

    /// The mute that holds for somebody.
    fn mute_of(&self, user: &User, now: u64) -> Option<&Sanction> {
        if user.operator {
            return None;
        }
        self.moderation.mutes.find((user.accountable(), user.address), now)
    }

    /// Why somebody may not say anything that others are told, wherever that is.
    pub(crate) fn silence_of(&self, key: UserKey, now: u64) -> Option<Refusal<'static>> {
        if self.moderation.is_calm() {
            return None;
        }
        let user = self.users.get(key)?;
        if let Some(mute) = self.mute_of(user, now) {
            return Some(Refusal::Muted(mute.until));
        }
        let age = self.moderation.lock.as_ref()?.age?;
        let is_new =
            user.came_at().saturating_add(age) > now && user.account().is_none() && !user.operator;
        is_new.then_some(Refusal::TooNew)
    }

    /// Whether nobody may make a name their own now.
    pub(crate) fn is_locked(&self) -> bool {
        self.moderation.lock.is_some()
    }

    /// Whether somebody may say something that others are told, wherever they are.
    pub(super) fn may_be_heard(&self, key: UserKey, now: u64) -> bool {
        let mut rooms = self.users.get(key).into_iter().flat_map(User::rooms);
        rooms.all(|room| self.line_refusal(key, room, now).is_none())
    }

    /// Why somebody may not say a line in a room, if so.
    #[inline]
    pub(super) fn line_refusal(
        &self,
        key: UserKey,
        room: RoomKey,
        now: u64,
    ) -> Option<Refusal<'static>> {
        let is_calm = self.moderation.is_calm() && !self[room].rights.has(Flag::Moderated);
        if is_calm { None } else { self.refusal_by_order(key, room, now) }
    }

    /// The same where something is set that can forbid it.
    fn refusal_by_order(&self, key: UserKey, room: RoomKey, now: u64) -> Option<Refusal<'static>> {
        if let Some(refusal) = self.silence_of(key, now) {
            return Some(refusal);
        }
        if self.is_in_charge(key, room) {
            return None;
        }
        let user = self.users.get(key)?;
        if self[room].rights.has(Flag::Moderated) && self.rank_in(key, room).is_none() {
            return Some(Refusal::Moderated);
        }
        // Who comes anew has to wait as well, or would not have to wait at all.
        let spoke_at = user.order().and_then(|order| order.spoke_at).unwrap_or(user.came_at());
        let ready = spoke_at + u64::from(self.moderation.slow?);
        (ready > now).then(|| Refusal::Slow(ready - now))
    }

    /// Whether somebody may say only one line at a time in a room.
    pub(super) fn is_slow_for(&self, user: UserKey, room: RoomKey) -> bool {
        self.moderation.slow.is_some() && !self.is_in_charge(user, room)
    }

    /// Whether somebody may say a line in a room.
    pub(crate) fn may_write(&self, user: UserKey, room: RoomKey, now: u64) -> bool {
        let is_inside = self.is_in(user, room) || !self[room].rights.has(Flag::Members);
        is_inside && self.line_refusal(user, room, now).is_none()
    }

    /// A line was said: with `/slow` it counts.
    pub(super) fn note_line(&mut self, user: UserKey, at: u64) {
        if self.moderation.slow.is_some()
            && let Some(user) = self.users.get_mut(user)
        {
            user.order_mut().spoke_at = Some(at);
        }
    }

    /// Why somebody may not come into a room, if so.
    pub(super) fn entry_refusal<'a>(
        &'a self,
        user: UserKey,
        room: RoomKey,
        given: &str,
        now: u64,
    ) -> Option<Refusal<'a>> {
        if room == LOBBY {
            return None;
        }
        let it = &self[room];
        let is_invited = it.is_invited(user);
        if let Some(refusal) = self.barrier(user, (&it.rights, it.bans.as_deref()), given, now) {
            let is_ban = refusal == Barrier::Ban;
            return (is_ban || !is_invited).then(|| refusal.of(it.title()));
        }
        let is_full = it.rights.limit.is_some_and(|limit| it.count() >= limit as usize);
        let is_refused = is_full && !is_invited && !self.has_rank_or_is_operator(user, &it.rights);
        is_refused.then(|| Refusal::RoomFull(it.title()))
    }

    /// The same of a room that is remembered and nobody is in, which is called `title`.
    pub(super) fn asleep_refusal<'t>(
        &self,
        user: UserKey,
        (name, title): (&Nickname, &'t str),
        given: &str,
        now: u64,
    ) -> Option<Refusal<'t>> {
        let (_, room) = self.asleep.get(name)?;
        let barrier = self.barrier(user, (&room.rights, room.bans.as_deref()), given, now);
        barrier.map(|barrier| barrier.of(title))
    }

    fn has_rank_or_is_operator(&self, user: UserKey, rights: &Rights) -> bool {
        self.users.get(user).is_some_and(|user| {
            user.operator || user.account().is_some_and(|name| rights.rank_of(name).is_some())
        })
    }

    /// What keeps somebody out of a room who was not invited, but for that it is full.
    fn barrier(
        &self,
        user: UserKey,
        (rights, bans): (&Rights, Option<&Sanctions>),
        given: &str,
        now: u64,
    ) -> Option<Barrier> {
        let newcomer = self.users.get(user)?;
        let rank = newcomer.account().and_then(|name| rights.rank_of(name));
        if newcomer.operator || rank.is_some_and(Rank::is_operator) {
            None
        } else if bans.is_some_and(|bans| self.is_banned_by(bans, newcomer, now)) {
            Some(Barrier::Ban)
        } else if rank.is_some() {
            None
        } else if rights.has(Flag::Invite) {
            Some(Barrier::Invite)
        } else {
            let is_wrong = rights.key.as_ref().is_some_and(|key| **key != *given);
            is_wrong.then_some(Barrier::Key)
        }
    }

    fn is_banned_by(&self, bans: &Sanctions, user: &User, now: u64) -> bool {
        let who = (user.accountable(), user.address);
        let mask = || self.author(user).to_string();
        bans.find(who, now).or_else(|| bans.find_mask(mask, now)).is_some()
    }

    /// The ban that keeps somebody from coming in who is logged in there and comes from there.
    pub(crate) fn ban_of(&self, who: (Option<&Nickname>, IpAddr), now: u64) -> Option<&Sanction> {
        self.moderation.bans.find(who, now)
    }

    /// All bans and mutes that hold, of a room or of the server, the newest first.
    pub(crate) fn sanctions(&self, room: Option<RoomKey>, now: u64) -> Vec<&Sanction> {
        let mut all: Vec<_> = match room {
            Some(room) => self[room].bans.iter().flat_map(|bans| bans.iter()).collect(),
            None => self.moderation.bans.iter().chain(self.moderation.mutes.iter()).collect(),
        };
        all.retain(|it| it.is_on(now));
        all.sort_by_key(|it| std::cmp::Reverse(it.id));
        all
    }

    /// The numbers of the bans and mutes of an account on the server.
    pub(crate) fn sanctions_of_account(&self, account: &Nickname) -> Vec<u64> {
        let target = Target::Account(account.clone());
        let all = self.moderation.bans.iter().chain(self.moderation.mutes.iter());
        all.filter(|it| it.target == target).map(|it| it.id).collect()
    }

    /// Whom a ban or a mute hits who is here now; operators never, be they of the server or of the
    /// room that it is for.
    pub(crate) fn hit_by(&self, target: &Target, room: Option<RoomKey>) -> Vec<UserKey> {
        let is_exempt = |key: UserKey, user: &User| {
            let is_in_charge = |room| self.rank_in(key, room).is_some_and(Rank::is_operator);
            user.operator || room.is_some_and(is_in_charge)
        };
        let is_hit = |(key, user): &(UserKey, &User)| {
            !is_exempt(*key, user)
                && room.is_none_or(|room| user.is_in(room))
                && target.hits(user.accountable(), user.address)
        };
        self.users.entries().filter(is_hit).map(|(key, _)| key).collect()
    }

    /// Whom what is proposed would hit besides.
    pub(crate) fn hits(&self, asker: UserKey, proposed: &Proposed) -> Hits {
        let Proposed { sanction, room, meant, .. } = proposed;
        let hit = self.hit_by(&sanction.target, *room).into_iter();
        let others = hit.filter(|key| Some(*key) != *meant && *key != asker);
        // When they come again they are no operator yet.
        let hits_asker = self
            .users
            .get(asker)
            .is_some_and(|user| sanction.target.hits(user.accountable(), user.address));
        let others = others.chain((hits_asker && room.is_none()).then_some(asker));
        let mut names: Vec<_> = others.filter_map(|key| self.nickname(key).cloned()).collect();
        names.sort_by_cached_key(Nickname::sort_key);
        let is_given = meant.is_none();
        let is_everybody = matches!(sanction.target, Target::Network(net) if net.prefix_len() == 0);
        let is_dangerous = is_everybody || is_given && hits_asker;
        Hits { names, is_dangerous }
    }
}

// ── judging ──────────────────────────────────────────────────────────────────────────────────────

/// What somebody asks for, or why not. Words in it are as they came.
type Verdict<'r> = Result<Judged<'static>, Refusal<'r>>;

impl Chat {
    /// Judges what somebody asks for that keeps order, in `room` if it is about one.
    pub(super) fn judge_moderation(
        &self,
        asker: Asker,
        room: RoomKey,
        asked: Moderation<'_>,
        answers: &mut Answers<'_>,
    ) -> Judged<'static> {
        let verdict = match asked {
            Moderation::Settings => Ok(self.tell_settings(room, answers)),
            Moderation::Sanctions { of_room } => {
                self.tell_sanctions(asker, (of_room, room), answers)
            }
            Moderation::Set { what, value } => self.judge_setting(asker, room, (what, value)),
            Moderation::Mask { mask, on } => self.judge_mask(asker, room, (mask, on)),
            Moderation::Rank { name, rank, on, beside } => {
                self.judge_rank(asker, room, name, (rank, on, beside))
            }
            Moderation::Kick { name, why } => self.judge_kick(asker, room, name, why),
            Moderation::Sanction { kind, of_room, whom, rest } => {
                self.judge_sanction(asker, (kind, of_room, room), whom, rest)
            }
            Moderation::Lift { kind, of_room, whom } => {
                self.judge_lift(asker, (kind, of_room, room), whom)
            }
            Moderation::Kill { name, why } => self.judge_kill(asker, name, why),
            Moderation::Whois(name) => self.somebody(name).map(Judged::Whois),
            Moderation::Lock(_)
            | Moderation::Slow(_)
            | Moderation::Announce(_)
            | Moderation::Acts
            | Moderation::Reload => self.judge_for_all(asker, asked),
        };
        verdict.unwrap_or_else(|refusal| match refusal {
            Refusal::Nobody(name) => answers.refuse(Refusal::Nobody(&text::clean(name))),
            Refusal::Span(span) => answers.refuse(Refusal::Span(&text::clean(span))),
            Refusal::NoSanction(whom) => answers.refuse(Refusal::NoSanction(&text::clean(whom))),
            refusal => answers.refuse(refusal),
        })
    }

    /// What only operators of the server may ask for, and is about everybody.
    fn judge_for_all<'r>(&self, asker: Asker, asked: Moderation<'r>) -> Verdict<'r> {
        if !self.is_operator(asker.user) {
            return Err(Refusal::OperatorOnly);
        }
        let is_off = |text: &str| text.eq_ignore_ascii_case("off");
        let order = match asked {
            Moderation::Lock(text) if is_off(text) => Order::Unlocked,
            Moderation::Lock("") => Order::Locked { age: None },
            Moderation::Lock(text) => match parse_span(text) {
                Some(Span::Seconds(age)) => Order::Locked { age: Some(age) },
                _ => return Err(Refusal::Span(text)),
            },
            Moderation::Slow(text) if is_off(text) => Order::Slowed { seconds: None },
            Moderation::Slow(text) => match text.trim_end_matches('s').parse() {
                Ok(seconds @ 1..=SLOW_MAX) => Order::Slowed { seconds: Some(seconds) },
                _ => return Err(Refusal::Usage(Topic::Slow)),
            },
            Moderation::Announce(words) => {
                let words = text::clean(words);
                if text::is_blank(&words) {
                    return Err(Refusal::Usage(Topic::Announce));
                }
                Order::Announced { text: words.into_owned() }
            }
            Moderation::Reload => return Ok(Judged::Reload),
            _ if self.remembers => {
                let request = Box::new(Request::Acts { count: ACTS_SHOWN });
                return Ok(Judged::Ask { request, recent: false });
            }
            _ => return Err(Refusal::NoArchive),
        };
        Ok(propose(asker, order))
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    /// Tells what is set for a room, but not its key.
    fn tell_settings(&self, room: RoomKey, answers: &mut Answers<'_>) -> Judged<'static> {
        let (rights, ranks) = (&self[room].rights, self.ranks_in(room));
        answers.tell(&Event::Order(Occurrence::Settings { rights, ranks: &ranks }))
    }

    /// Those who have a rank in a room, in no order.
    pub(crate) fn ranked_in(&self, room: RoomKey) -> impl Iterator<Item = (UserKey, Rank)> {
        self[room].ranks.iter().copied()
    }

    /// Those who have a rank in a room, in the order of their names.
    pub(crate) fn ranks_in(&self, room: RoomKey) -> Vec<(Nickname, Rank)> {
        let ranks = self[room].ranks.iter();
        let mut ranks: Vec<_> =
            ranks.filter_map(|(key, rank)| Some((self.nickname(*key)?.clone(), *rank))).collect();
        ranks.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        ranks
    }

    fn require_charge(&self, asker: Asker, room: RoomKey) -> Result<(), Refusal<'_>> {
        match self.is_in_charge(asker.user, room) {
            true => Ok(()),
            false => Err(Refusal::RoomOperatorOnly(self[room].title())),
        }
    }

    fn judge_setting<'r>(
        &'r self,
        asker: Asker,
        room: RoomKey,
        (what, value): (&str, &str),
    ) -> Verdict<'r> {
        self.require_charge(asker, room)?;
        let setting = parse_setting(what, value).ok_or(Refusal::Usage(Topic::Room))?;
        let keeps_out = match setting {
            Setting::Flag(flag, _) => flag == Flag::Invite,
            Setting::Key(_) | Setting::Limit(_) => true,
        };
        if room == LOBBY && keeps_out {
            return Err(Refusal::NotForLobby);
        }
        Ok(propose(asker, Order::Set { room, setting }))
    }

    /// Somebody of this name, in whatever rooms, or in none.
    fn somebody<'r>(&self, name: &'r str) -> Result<UserKey, Refusal<'r>> {
        self.directory.find(name).ok_or(Refusal::Nobody(name))
    }

    /// Somebody of this name who is in a room.
    fn member<'r>(&'r self, room: RoomKey, name: &'r str) -> Result<UserKey, Refusal<'r>> {
        let user = self.somebody(name)?;
        if self.is_in(user, room) { Ok(user) } else { Err(Refusal::NotThere(self.name(user))) }
    }

    fn judge_rank<'r>(
        &'r self,
        asker: Asker,
        room: RoomKey,
        name: &'r str,
        (rank, on, beside): (Rank, bool, bool),
    ) -> Verdict<'r> {
        self.require_charge(asker, room)?;
        // Whoever is not here may have a rank all the same.
        if self.find(name).is_none()
            && let Some(account) =
                Nickname::parse(name).ok().and_then(|it| self.account_called(&it))
            && let Some(has) = self[room].rights.rank_of(account)
        {
            return match !on && has.includes(rank) {
                true => Ok(propose(asker, Order::Unranked { room, account: account.clone() })),
                false => Err(Refusal::HasRank(account.as_str(), on.then_some(has))),
            };
        }
        let user = self.member(room, name)?;
        let has = self.rank_in(user, room);
        let includes = has.is_some_and(|has| has.includes(rank));
        match on {
            true if includes || has > Some(rank) && !beside => {
                Err(Refusal::HasRank(self.name(user), has))
            }
            false if !includes => Err(Refusal::HasRank(self.name(user), None)),
            _ => {
                let rank = match on && !beside {
                    true => Some(rank),
                    false => Rank::changed(has, rank, on),
                };
                Ok(propose(asker, Order::Ranked { room, user, rank }))
            }
        }
    }

    fn judge_kick<'r>(
        &'r self,
        asker: Asker,
        room: RoomKey,
        name: &'r str,
        why: &str,
    ) -> Verdict<'r> {
        self.require_charge(asker, room)?;
        let user = self.member(room, name)?;
        self.require_removable(asker, user)?;
        let (how, why) = (Removal::Kick, reason(why)?);
        Ok(propose(asker, Order::Kicked { room, user, how, why }))
    }

    /// Whether somebody can be put out by the asker: from IRC also themselves, as everywhere there.
    fn require_removable(&self, asker: Asker, user: UserKey) -> Result<(), Refusal<'_>> {
        let speaks_irc = |user: &User| matches!(user.came_by(), Dialect::Irc(_));
        match user == asker.user && self.user(user).is_some_and(speaks_irc) {
            true => Ok(()),
            false => self.require_victim(asker, user),
        }
    }

    /// Whether somebody can be put out or silenced by the asker.
    fn require_victim(&self, asker: Asker, user: UserKey) -> Result<(), Refusal<'_>> {
        let account = self.account_of(user);
        if user == asker.user || account.is_some() && account == self.account_of(asker.user) {
            Err(Refusal::Yourself)
        } else if self.is_operator(user) {
            Err(Refusal::IsOperator(self.name(user)))
        } else {
            Ok(())
        }
    }

    fn judge_kill<'r>(&'r self, asker: Asker, name: &'r str, why: &str) -> Verdict<'r> {
        if !self.is_operator(asker.user) {
            return Err(Refusal::OperatorOnly);
        }
        let user = self.somebody(name)?;
        self.require_removable(asker, user)?;
        Ok(propose(asker, Order::Removed { user, how: Removal::Kill, why: reason(why)? }))
    }

    // ── bans and mutes ───────────────────────────────────────────────────────────────────────────

    /// For which room a ban is, if for one; who is in charge of no more than a room has bans for
    /// that one alone.
    fn scope_of(
        &self,
        asker: Asker,
        (kind, of_room, room): (SanctionKind, bool, RoomKey),
    ) -> Result<Option<RoomKey>, Refusal<'_>> {
        match (kind, self.is_operator(asker.user)) {
            (_, true) if !of_room => Ok(None),
            (SanctionKind::Mute, true) => Err(Refusal::Usage(Topic::Mute)),
            (SanctionKind::Mute, false) => Err(Refusal::OperatorOnly),
            (SanctionKind::Ban, _) => {
                self.require_charge(asker, room)?;
                if room == LOBBY { Err(Refusal::NotForLobby) } else { Ok(Some(room)) }
            }
        }
    }

    fn judge_sanction<'r>(
        &'r self,
        asker: Asker,
        (kind, of_room, room): (SanctionKind, bool, RoomKey),
        whom: &'r str,
        rest: &'r str,
    ) -> Verdict<'r> {
        let room = self.scope_of(asker, (kind, of_room, room))?;
        let all = self.sanctions_of(kind, room);
        let count = all.map_or(0, |all| all.iter().filter(|it| it.is_on(asker.now)).count());
        let max = if room.is_some() { ROOM_BANS_MAX } else { SANCTIONS_MAX };
        if count >= max {
            return Err(Refusal::TooManySanctions(max));
        }
        let (span, why) = span_and_reason(rest)?;
        let (target, meant, whom) = self.target_of(asker, whom)?;
        let sanction = Sanction {
            id: 0,
            kind,
            room: room.map(|room| self[room].name().as_str().to_owned()),
            target,
            whom,
            by: self.name(asker.user).to_owned(),
            why,
            at: asker.now,
            until: span.end(asker.now),
        };
        Ok(Judged::Sanction(Box::new(Proposed { sanction, room, meant, is_dangerous: false })))
    }

    /// For whom a ban or a mute is that names `whom`: an account, an address, or the block of
    /// somebody who has no account. Also who is meant, if they are here, and what to call them.
    fn target_of<'r>(
        &'r self,
        asker: Asker,
        whom: &'r str,
    ) -> Result<(Target, Option<UserKey>, String), Refusal<'r>> {
        if let Some(target) = Target::network(whom) {
            if !self.is_operator(asker.user) {
                return Err(Refusal::OperatorOnly);
            }
            let whom = target.to_string();
            return Ok((target, None, whom));
        }
        if let Some(key) = self.directory.find(whom)
            && let Some(user) = self.users.get(key)
        {
            self.require_victim(asker, key)?;
            let account = user.accountable().cloned().map(Target::Account);
            let target = account.unwrap_or_else(|| Target::of_address(user.address));
            return Ok((target, Some(key), user.name.as_str().to_owned()));
        }
        let name = Nickname::parse(whom).map_err(|_| Refusal::Nobody(whom))?;
        let account = self.account_called(&name).ok_or(Refusal::Nobody(whom))?;
        if self.is_operators(account) {
            return Err(Refusal::IsOperator(account.as_str()));
        }
        Ok((Target::Account(account.clone()), None, account.as_str().to_owned()))
    }

    /// Keeps those out of a room for whom a mask is, or lets them in again.
    fn judge_mask<'r>(
        &'r self,
        asker: Asker,
        room: RoomKey,
        (mask, on): (&'r str, bool),
    ) -> Verdict<'r> {
        self.require_charge(asker, room)?;
        if room == LOBBY {
            return Err(Refusal::NotForLobby);
        }
        let mask = mask::whole(&text::clean(mask)).to_ascii_lowercase();
        let bans = self.sanctions(Some(room), asker.now);
        let known = bans.iter().find(|ban| ban.mask().eq_ignore_ascii_case(&mask));
        match (on, known) {
            (false, Some(ban)) => {
                let sanction = Box::new((*ban).clone());
                Ok(propose(asker, Order::Lifted { room: Some(room), sanction }))
            }
            (true, None) if bans.len() >= ROOM_BANS_MAX => {
                Err(Refusal::TooManySanctions(ROOM_BANS_MAX))
            }
            (true, None) => {
                let sanction = Box::new(Sanction {
                    id: 0,
                    kind: SanctionKind::Ban,
                    room: Some(self[room].name().as_str().to_owned()),
                    target: self.target_of_mask(&mask),
                    whom: mask,
                    by: self.name(asker.user).to_owned(),
                    why: String::new(),
                    at: asker.now,
                    until: None,
                });
                Ok(propose(asker, Order::Sanctioned { room: Some(room), sanction }))
            }
            // It is so already.
            _ => Ok(Judged::Done),
        }
    }

    /// For whom a mask is. If it names nothing but the host of somebody who is here, their address
    /// is meant, however they come from there.
    fn target_of_mask(&self, mask: &str) -> Target {
        let host = mask.strip_prefix("*!*@").filter(|host| !host.contains(['*', '?']));
        let cloak = self.cloak;
        let is_it =
            |user: &&User| host.is_some_and(|host| user.author(cloak).host.to_string() == *host);
        match host.and_then(|_| self.users.iter().find(is_it)) {
            Some(user) => Target::of_address(user.address),
            None => Target::Mask(mask.to_owned()),
        }
    }

    fn judge_lift<'r>(
        &'r self,
        asker: Asker,
        (kind, of_room, room): (SanctionKind, bool, RoomKey),
        whom: &'r str,
    ) -> Verdict<'r> {
        let room = self.scope_of(asker, (kind, of_room, room))?;
        let sanctions = self.sanctions_of(kind, room);
        let found = sanctions.and_then(|all| all.given_for(whom, asker.now));
        let sanction = found.ok_or(Refusal::NoSanction(whom))?.clone();
        Ok(propose(asker, Order::Lifted { room, sanction: Box::new(sanction) }))
    }

    fn sanctions_of(&self, kind: SanctionKind, room: Option<RoomKey>) -> Option<&Sanctions> {
        match (kind, room) {
            (SanctionKind::Ban, Some(room)) => self[room].bans.as_deref(),
            (SanctionKind::Ban, None) => Some(&self.moderation.bans),
            (SanctionKind::Mute, _) => Some(&self.moderation.mutes),
        }
    }

    /// Tells which bans and mutes there are; addresses only to operators of the server.
    fn tell_sanctions<'r>(
        &'r self,
        asker: Asker,
        (of_room, room): (bool, RoomKey),
        answers: &mut Answers<'_>,
    ) -> Verdict<'r> {
        let room = self.scope_of(asker, (SanctionKind::Ban, of_room, room))?;
        let told = self.sanctions(room, asker.now);
        let told = &told[..told.len().min(SANCTIONS_SHOWN)];
        let with_targets = self.is_operator(asker.user);
        Ok(answers.tell(&Event::Order(Occurrence::Sanctions { told, with_targets })))
    }
}

fn propose(asker: Asker, order: Order) -> Judged<'static> {
    Judged::Propose(Fact::Order { by: asker.user, order })
}

/// What is to be set, if it makes sense.
fn parse_setting(what: &str, value: &str) -> Option<Setting> {
    let is_off = value.eq_ignore_ascii_case("off");
    Some(match What::parse(what)? {
        What::Flag(flag) if value.eq_ignore_ascii_case("on") => Setting::Flag(flag, true),
        What::Flag(flag) if is_off => Setting::Flag(flag, false),
        What::Flag(_) => return None,
        What::Key if is_off => Setting::Key(None),
        What::Key => {
            let key = text::clean(value);
            let is_word = !text::is_blank(&key) && !key.contains(char::is_whitespace);
            let fits = is_word && key.len() <= KEY_BYTES_MAX;
            Setting::Key(Some(fits.then(|| key.into_owned())?))
        }
        What::Limit if is_off => Setting::Limit(None),
        What::Limit => {
            let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            Setting::Limit(Some(limit?))
        }
    })
}

/// A reason as it is shown.
fn reason(why: &str) -> Result<String, Refusal<'static>> {
    let why = text::clean(why);
    if why.len() > REASON_BYTES_MAX {
        return Err(Refusal::ReasonTooLong(REASON_BYTES_MAX));
    }
    Ok(if text::is_blank(&why) { String::new() } else { why.trim().to_owned() })
}

/// How long, and why. What begins with a digit is meant as a time.
fn span_and_reason(rest: &str) -> Result<(Span, String), Refusal<'_>> {
    let (word, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match parse_span(word) {
        Some(span) => Ok((span, reason(why)?)),
        None if word.starts_with(|c: char| c.is_ascii_digit()) => Err(Refusal::Span(word)),
        None => Ok((Span::Seconds(USUAL_SECONDS), reason(rest)?)),
    }
}

// ── applying ─────────────────────────────────────────────────────────────────────────────────────

impl Chat {
    /// Makes an order true, if whoever gave it may still give it.
    pub(super) fn apply_order(
        &mut self,
        entry: &Entry<'_>,
        by: UserKey,
        order: &Order,
    ) -> Option<Applied> {
        let room = order.room();
        let may = match room {
            Some(room) if !self.has_room(room) => return None,
            Some(room) => self.is_in_charge(by, room),
            None => self.is_operator(by),
        };
        if !may {
            return Some(Applied::Refused(Conflict::NotAllowed));
        }
        match order {
            Order::Ranked { room, user, rank } => {
                if !self.is_in(*user, *room) {
                    return None;
                }
                let account = self.account_of(*user).cloned();
                let room = &mut self.rooms[room.place()];
                let before = room.rank_of(*user);
                room.set_rank(*user, *rank);
                account.iter().for_each(|account| room.rights.set_rank(account, *rank));
                return Some(Applied::Ranked { before });
            }
            Order::Unranked { room, account } => {
                self.rooms[room.place()].rights.set_rank(account, None);
            }
            Order::Set { room, setting } => {
                let room = &mut self.rooms[room.place()];
                room.rights.set(setting);
                if *setting == Setting::Flag(Flag::Invite, true) {
                    room.forget_invitations();
                }
            }
            Order::Kicked { room, user, .. } => {
                let is_exempt = self.is_operator(*user) && *user != by;
                return if is_exempt { None } else { self.apply_parted(*user, *room) };
            }
            Order::Removed { user, .. } => {
                let is_exempt = self.is_operator(*user) && *user != by;
                return if is_exempt { None } else { self.apply_left(*user) };
            }
            Order::Sanctioned { room, sanction } => {
                let sanction = Sanction { id: entry.id, ..(**sanction).clone() };
                if let (Some(room), Target::Account(account)) = (room, &sanction.target) {
                    self.rooms[room.place()].rights.set_rank(account, None);
                }
                let sanctions = self.sanctions_mut(sanction.kind, *room);
                sanctions.expire(entry.at);
                sanctions.insert(sanction);
            }
            Order::Lifted { room, sanction } => {
                let lifted = self.sanctions_mut(sanction.kind, *room).remove(&sanction.target);
                if let Some(room) = room {
                    self.rooms[room.place()].bans.take_if(|bans| bans.is_empty());
                }
                lifted?;
            }
            Order::Locked { age } => {
                let here = self.users.iter();
                let present = here.map(|user| (Arc::clone(&user.fold), user.address)).collect();
                self.moderation.lock = Some(Lock { age: *age, present });
            }
            Order::Unlocked => self.moderation.lock = None,
            Order::Slowed { seconds } => self.moderation.slow = *seconds,
            Order::Announced { .. } => {}
        }
        self.moderation.note_change();
        Some(Applied::Said)
    }

    fn sanctions_mut(&mut self, kind: SanctionKind, room: Option<RoomKey>) -> &mut Sanctions {
        match (kind, room) {
            (SanctionKind::Ban, Some(room)) => {
                self.rooms[room.place()].bans.get_or_insert_default()
            }
            (SanctionKind::Ban, None) => &mut self.moderation.bans,
            (SanctionKind::Mute, _) => &mut self.moderation.mutes,
        }
    }

    /// What held before a restart holds again.
    pub(super) fn restore_sanctions(&mut self, kept: Vec<Sanction>) {
        for sanction in kept {
            let room = sanction.room.as_deref().map(Nickname::unchecked);
            match room {
                None => self.sanctions_mut(sanction.kind, None).insert(sanction),
                Some(name) => match self.room_called(&name) {
                    Some(room) => self.sanctions_mut(sanction.kind, Some(room)).insert(sanction),
                    None => {
                        if let Some(room) = self.asleep.get_mut(&name) {
                            room.bans.get_or_insert_default().insert(sanction);
                        }
                    }
                },
            }
        }
        self.moderation.note_change();
    }
}

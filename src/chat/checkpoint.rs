//! Checkpoints: all that entries have decided, as text. A server that begins to share the rooms of
//! others reads one and then only the entries after it. Lines are as in `written.rs`: words, and
//! free text last.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Chat;
use super::entry::{EntryId, LineClock};
use super::happened::{Happening, What};
use super::moderation::Lock;
use super::room::{Room, RoomKey, Topic};
use super::user::{User, UserKey};
use super::written::{
    Members, Words, or_dash, read_removal, read_sanction, read_standing, word_of, write_sanction,
    write_standing,
};
use crate::chat::Standing;
use crate::event::{CloseReason, Said};
use crate::rights::Rank;
use crate::text;

/// A name, or a `user@host`, has fewer bytes, also if another server has let it in.
const WORD_BYTES_MAX: usize = 1024;

/// Users of whom a checkpoint tells: their server and their number there, and their key here.
pub(crate) type Known = HashMap<(String, u64), UserKey>;

impl Chat {
    /// Appends all that entries have decided.
    pub(crate) fn write_checkpoint(&self, members: &impl Members, out: &mut String) {
        let LineClock { at, millis, begun } = self.line_clock;
        let _ = writeln!(out, "clock {at} {millis} {begun}");
        for (_, room) in self.rooms() {
            self.write_room(room, members, out);
        }
        for (key, user) in self.users.entries() {
            if let Some((node, number)) = members.member_of(key) {
                self.write_user((key, user), (node, number), out);
            }
        }
        for (_, room) in self.rooms() {
            let past = room.history.lines();
            for line in past {
                let by = members.member_of(line.by);
                let by = by.map_or("- 0".to_owned(), |(node, number)| format!("{node} {number}"));
                let said = &line.said;
                let Said { id, unix_seconds: at, millis, text, mask, .. } = said;
                let (name, from) = (room.name(), word_of(&said.from));
                // An older server takes a line with more than how it was said for plain.
                let how = if said.notice { 2 } else { u8::from(said.emote) };
                let _ =
                    writeln!(out, "past {name} {id} {at} {by} {how}/{millis}/{mask} {from} {text}");
            }
            let forgotten = room.history.forgotten();
            let _ = writeln!(out, "forgotten {} {forgotten}", room.name());
            for (it, by) in room.happened.iter() {
                let by = members.member_of(*by);
                let by = by.map_or("- 0".to_owned(), |(node, number)| format!("{node} {number}"));
                let (name, it) = (room.name(), write_happening(it));
                let _ = writeln!(out, "happened {name} {by} {it}");
            }
            for sanction in room.bans.iter().flat_map(|bans| bans.iter()) {
                let _ = writeln!(out, "sanction {} {}", room.name(), write_sanction(sanction));
            }
        }
        for sanction in self.moderation.bans.iter().chain(self.moderation.mutes.iter()) {
            let _ = writeln!(out, "sanction - {}", write_sanction(sanction));
        }
        if let Some(lock) = &self.moderation.lock {
            let (age, present) = lock.parts();
            let _ = writeln!(out, "lock {}", or_dash(age));
            for (fold, address) in present {
                let _ = writeln!(out, "present {address} {}", word_of(fold));
            }
        }
        if let Some(seconds) = self.moderation.slow {
            let _ = writeln!(out, "slow {seconds}");
        }
    }

    fn write_room(&self, room: &Room, members: &impl Members, out: &mut String) {
        let (name, rights) = (room.name(), &room.rights);
        let key = rights.key.as_deref().map_or("-".to_owned(), word_of);
        let (opened_at, limit) = (or_dash(room.opened_at()), or_dash(rights.limit));
        let _ =
            writeln!(out, "room {name} {opened_at} {} {limit} {key}", word_of(&rights.letters()));
        for (account, rank) in &rights.accounts {
            let _ = writeln!(out, "ranked {name} {} {account}", rank.letter());
        }
        if let Some(topic) = room.topic() {
            let _ = writeln!(out, "topic {name} {} {} {}", topic.at, word_of(topic.by), topic.text);
        }
        for invited in room.invited().iter().filter_map(|user| members.member_of(*user)) {
            let _ = writeln!(out, "invited {name} {} {}", invited.0, invited.1);
        }
    }

    fn write_user(
        &self,
        (key, user): (UserKey, &User),
        (node, number): (&str, u64),
        out: &mut String,
    ) {
        let standing = Standing {
            account: user.account().cloned(),
            authority: user.authority().cloned(),
            known: false,
            came_by: user.came_by(),
            profile: user.profile().cloned(),
            at_once: user.is_here,
        };
        let spoke_at = or_dash(user.order().and_then(|order| order.spoke_at));
        let User { name, since, address, .. } = user;
        let (came_at, standing) = (user.came_at(), write_standing(&standing));
        let _ = writeln!(
            out,
            "user {node} {number} {since} {came_at} {spoke_at} {name} {address} {standing}"
        );
        for room in user.rooms() {
            let rank = or_dash(self[room].rank_of(key).map(Rank::letter));
            let _ = writeln!(out, "in {node} {number} {} {rank}", self[room].name());
        }
    }

    /// Makes true what a checkpoint says, in a chat to which nobody has come. Returns who is there;
    /// `None` if it cannot be read.
    pub(crate) fn read_checkpoint(&mut self, lines: &str) -> Option<Known> {
        let mut known = Known::new();
        let (mut invited, mut sanctions) = (Vec::new(), Vec::new());
        for line in lines.lines() {
            let mut words = Words(line);
            match words.next()? {
                "room" => self.read_room(&mut words)?,
                "user" => {
                    let (node, number, user) = self.read_user(&mut words)?;
                    known.insert((node, number), user).is_none().then_some(())?;
                }
                "invited" => invited.push((words.room()?, words.node()?, words.number()?)),
                "in" => {
                    let user = user_of(&known, words.node()?, words.number()?)?;
                    self.read_membership(user, &mut words)?;
                }
                "topic" => {
                    let room = self.room_called(&words.room()?)?;
                    let (at, by) = (words.number()?, words.text(128)?);
                    let text = words.rest().into_owned();
                    self.rooms[room.place()].topic = Some(Box::new(Topic { text, by, at }));
                }
                "ranked" => {
                    let room = self.room_called(&words.room()?)?;
                    let (rank, account) = (words.rank()?, words.room()?);
                    self.rooms[room.place()].rights.set_rank(&account, rank);
                }
                "clock" => {
                    let (at, millis, begun) = (words.number()?, words.number()?, words.number()?);
                    let (millis, begun) = (millis.try_into().ok()?, begun.try_into().ok()?);
                    self.line_clock = LineClock { at, millis, begun };
                }
                "past" => self.read_past(&known, &mut words)?,
                "happened" => {
                    let room = self.room_called(&words.room()?)?;
                    let by = user_of(&known, words.next()?, words.number()?);
                    let happening = read_happening(&mut words)?;
                    let by = by.unwrap_or(UserKey::NOBODY);
                    self.rooms[room.place()].happened.restore(happening, by);
                }
                "forgotten" => {
                    let room = self.room_called(&words.room()?)?;
                    let forgotten: EntryId = words.number()?;
                    self.rooms[room.place()].history.set_forgotten(forgotten);
                }
                "sanction" => {
                    let room = words.next()?;
                    let name = (room != "-").then(|| room.to_owned());
                    sanctions.push(read_sanction(&mut words, name)?);
                }
                "lock" => self.moderation.lock = Some(Lock::new(words.maybe()?)),
                "present" => {
                    let address = words.next()?.parse().ok()?;
                    let fold = words.text(512)?;
                    self.moderation.lock.as_mut()?.add(&fold, address);
                }
                "slow" => self.moderation.slow = Some(words.number()?.try_into().ok()?),
                _ => return None,
            }
        }
        for (room, node, number) in invited {
            let (room, user) = (self.room_called(&room)?, user_of(&known, node, number)?);
            self.rooms[room.place()].invite(user);
        }
        self.restore_sanctions(sanctions);
        Some(known)
    }

    fn read_room(&mut self, words: &mut Words<'_>) -> Option<()> {
        let (name, opened_at) = (words.room()?, words.maybe()?);
        let room = match self.room_called(&name) {
            Some(room) => room,
            None => self.open_room(&name, (0, opened_at)),
        };
        let flags = words.text(16)?;
        let rights = &mut self.rooms[room.place()].rights;
        rights.set_letters(&flags);
        rights.limit = words.maybe()?;
        rights.key = match words.0 {
            "-" => None,
            _ => Some(words.text(512)?.into()),
        };
        Some(())
    }

    fn read_user(&mut self, words: &mut Words<'_>) -> Option<(String, u64, UserKey)> {
        let (node, number) = (words.node()?.to_owned(), words.number()?);
        let (since, came_at, spoke_at) = (words.number()?, words.number()?, words.maybe()?);
        let (name, address) = (words.name()?, words.next()?.parse().ok()?);
        let standing = read_standing(words)?;
        self.directory.claim(self.users.next_key(), &name, None).then_some(())?;
        let key = self.users.insert((since, came_at), name, (None, address));
        let user = self.users.get_mut(key)?;
        user.came_by = standing.came_by;
        user.is_here = standing.at_once;
        user.set_profile(standing.profile);
        user.set_account(standing.account);
        user.set_authority(standing.authority);
        if spoke_at.is_some() {
            user.order_mut().spoke_at = spoke_at;
        }
        Some((node, number, key))
    }

    fn read_membership(&mut self, key: UserKey, words: &mut Words<'_>) -> Option<()> {
        let room = self.room_called(&words.room()?)?;
        let rank = words.rank()?;
        self.users.get_mut(key)?.add_room(room);
        let joined = &mut self.rooms[room.place()];
        joined.add(&self.users, key);
        joined.set_rank(key, rank);
        Some(())
    }

    fn read_past(&mut self, known: &Known, words: &mut Words<'_>) -> Option<()> {
        let room: RoomKey = self.room_called(&words.room()?)?;
        let (id, unix_seconds) = (words.number()?, words.number()?);
        let (node, number) = (words.next()?, words.number()?);
        let by = user_of(known, node, number).unwrap_or(UserKey::NOBODY);
        let (how, from) = (words.next()?, words.text(256)?);
        let (how, more) = how.split_once('/').unwrap_or((how, ""));
        let (emote, notice) = (how == "1", how == "2");
        let (millis, mask) = more.split_once('/').unwrap_or_default();
        let millis = millis.parse().unwrap_or_default();
        let (text, mask) = (text::clean(words.0).into_owned(), text::clean(mask).into_owned());
        let said = Said { id, unix_seconds, millis, from, text, emote, notice, mask };
        self.rooms[room.place()].history.restore(said, by);
        Some(())
    }
}

fn write_happening(it: &Happening) -> String {
    let Happening { id, at: (at, millis), what, from, mask, whom, text } = it;
    let what = match what {
        What::Joined(rank) => format!("join/{}", or_dash(rank.map(Rank::letter))),
        What::Parted => "part/-".to_owned(),
        What::Left(reason) => format!("leave/{}", or_dash(reason.map(CloseReason::label))),
        What::Removed(how) => format!("kill/{}", how.word()),
        What::Kicked => "kick/-".to_owned(),
        What::Renamed => "nick/-".to_owned(),
        What::Topic => "topic/-".to_owned(),
        What::Mode => "mode/-".to_owned(),
    };
    let [from, mask, whom] = [from, mask, whom].map(|word| word_of(word));
    format!("{id} {at}/{millis} {what} {from} {mask} {whom} {text}")
}

fn read_happening(words: &mut Words<'_>) -> Option<Happening> {
    let (id, (at, millis)) = (words.number()?, words.next()?.split_once('/')?);
    let at = (at.parse().ok()?, millis.parse().ok()?);
    let what = match words.next()?.split_once('/')? {
        ("join", rank) => What::Joined(Words(rank).rank()?),
        ("part", _) => What::Parted,
        ("leave", "-") => What::Left(None),
        ("leave", reason) => What::Left(Some(CloseReason::of_label(reason)?)),
        ("kill", how) => What::Removed(read_removal(how)?),
        ("kick", _) => What::Kicked,
        ("nick", _) => What::Renamed,
        ("topic", _) => What::Topic,
        ("mode", _) => What::Mode,
        _ => return None,
    };
    let (from, mask) = (words.text(WORD_BYTES_MAX)?, words.text(WORD_BYTES_MAX)?);
    // Nobody has no host, and somebody has one.
    (from.is_empty() == mask.is_empty()).then_some(())?;
    let (whom, text) = (words.text(WORD_BYTES_MAX)?, words.rest().into_owned());
    Some(Happening { id, at, what, from, mask, whom, text })
}

fn user_of(known: &Known, node: &str, number: u64) -> Option<UserKey> {
    known.get(&(node.to_owned(), number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::LOBBY;
    use crate::config::Limits;
    use crate::nickname::Nickname;

    /// Nobody is known to others.
    struct Nobody;

    impl Members for Nobody {
        fn member_of(&self, _: UserKey) -> Option<(&str, u64)> {
            None
        }

        fn own_number_of(&self, _: UserKey) -> Option<u64> {
            None
        }

        fn user_of(&self, _: &str, _: u64) -> Option<UserKey> {
            None
        }
    }

    #[test]
    fn what_happened_is_in_it_as_it_was() {
        let chat = || Chat::new(&Limits::default(), 0, &Nickname::unchecked("lobby"), &[]);
        let happened = "happened lobby - 0 5 70/0 join/o bob bob@host % Bob B.\n\
                        happened lobby - 0 6 70/3 part/- bob bob@host % so long \n\
                        happened lobby - 0 7 70/3 leave/- bob bob@host % - all\n\
                        happened lobby - 0 8 70/3 leave/too_slow bob bob@host % \n\
                        happened lobby - 0 9 71/0 kill/ban bob bob@host al why not\n\
                        happened lobby - 0 10 71/0 kick/- al al@host bob enough\n\
                        happened lobby - 0 11 71/0 nick/- al al@host al%2d1 \n\
                        happened lobby - 0 12 71/0 topic/- al al@host % tea\n\
                        happened lobby - 0 13 71/0 mode/- % % % +o al\n";
        let mut first = chat();
        assert!(first.read_checkpoint(happened).is_some());
        let mut checkpoint = String::new();
        first.write_checkpoint(&Nobody, &mut checkpoint);
        assert!(checkpoint.ends_with(happened), "{checkpoint}");
        let mut second = chat();
        assert!(second.read_checkpoint(&checkpoint).is_some());
        assert_eq!(second.snapshot(), first.snapshot());
        for wrong in ["1 70/0 go/- b b@h % ", "1 70 part/- b b@h % ", "1 70/0 part/- b % % "] {
            let wrong = format!("happened lobby - 0 {wrong}");
            assert!(chat().read_checkpoint(&wrong).is_none(), "{wrong}");
        }
        let unclean = "happened lobby - 0 5 70/0 topic/- b b@h % a\u{1b}[2Jb\n";
        assert!(first.read_checkpoint(unclean).is_some());
        let (last, _) = first[LOBBY].happened.iter().last().unwrap();
        assert!(!last.text.contains('\u{1b}'), "{last:?}");
    }

    #[test]
    fn what_was_said_is_in_it_as_it_was_also_in_one_of_an_older_server() {
        let chat = || Chat::new(&Limits::default(), 0, &Nickname::unchecked("lobby"), &[]);
        let older = "past lobby 5 70 - 0 1 bob waves\n";
        let newer = "past lobby 6 70 - 0 0/1/bob@host bob says\n\
                     past lobby 7 70 - 0 2/2/bob@host bob notes\n\
                     past lobby 8 71 - 0 1/0/bob@host bob nods\nforgotten lobby 0\n";
        let mut first = chat();
        assert!(first.read_checkpoint(&format!("{older}{newer}")).is_some());
        let lines = |chat: &Chat| {
            let lines = chat[LOBBY].history.lines();
            lines.map(|line| line.said.clone()).collect::<Vec<_>>()
        };
        let told = lines(&first);
        let how = |said: &Said| (said.millis, said.emote, said.notice);
        let all: Vec<_> = told.iter().map(how).collect();
        assert_eq!(all, [(0, true, false), (1, false, false), (2, false, true), (0, true, false)]);
        assert_eq!((&*told[0].mask, &*told[3].mask), ("", "bob@host"));
        let mut checkpoint = String::new();
        first.write_checkpoint(&Nobody, &mut checkpoint);
        assert!(checkpoint.contains(newer), "{checkpoint}");
        let mut second = chat();
        assert!(second.read_checkpoint(&checkpoint).is_some());
        assert_eq!(lines(&second), told);
    }
}

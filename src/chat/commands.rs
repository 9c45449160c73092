//! Judging: what somebody asks for, looked at with what is so now. It either gives a fact to
//! propose, or is answered at once, to the asker alone. Nothing changes here but whom the asker
//! ignores, which is nobody else's business.

use std::borrow::Cow;

use super::Chat;
use super::entry::Fact;
use super::room::{LOBBY, Room, RoomKey};
use super::user::{User, UserKey};
use crate::config::Limits;
use crate::event::{Command, Event, Refusal, RoomInfo, Topic};
use crate::nickname::Nickname;
use crate::text;

/// Rooms that one user can be in.
const ROOMS_OF_ONE_MAX: usize = 50;

/// Rooms that somebody is told of at once.
const ROOMS_TOLD_MAX: usize = 50;

/// The longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 512;

/// What becomes of a command.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    /// It is to become true.
    Propose(Fact<'a>),
    /// The asker wants to be told something long, which others may share.
    List(Listing),
    /// The asker goes to a room: into one more, or from the one that they are in.
    Join { from: Option<RoomKey>, room: Nickname },
    /// The asker leaves, with these words or none.
    Quit(Cow<'a, str>),
    /// The asker has been answered, or there is nothing to do.
    Done,
}

/// A long answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Who is in the room.
    Members,
    /// What was said there: all that is known, or so many lines.
    History(Option<usize>),
}

impl Chat {
    /// Judges what `user` asks for in `room`; they may be in several at once if `many_rooms`. What
    /// the asker is told is given to `answer`.
    pub(crate) fn judge<'a>(
        &mut self,
        (user, many_rooms): (UserKey, bool),
        room: RoomKey,
        command: Command<'a>,
        answer: &mut dyn FnMut(&Event<'_>),
    ) -> Judged<'a> {
        if is_for_members(&command) && !self.is_in(user, room) {
            return done(answer(&Event::Refused(Refusal::NotInRoom(self[room].title()))));
        }
        let mut refuse = |refusal: Refusal<'_>| answer(&Event::Refused(refusal));
        match command {
            Command::Say(text) => say(user, room, text, false),
            Command::Emote(text) => say(user, room, text, true),
            Command::Tell { to, text } => match self.find(to) {
                Some(to) => self.judge_private(user, to, text, &mut refuse),
                None => done(refuse(Refusal::Nobody(&text::clean(to)))),
            },
            Command::Reply(text) => self.judge_reply(user, text, &mut refuse),
            Command::Rename(name) => self.judge_rename(user, name, &mut refuse),
            Command::Who => Judged::List(Listing::Members),
            Command::History(count) => Judged::List(Listing::History(count)),
            Command::Join(None) => done(answer(&Event::Where)),
            Command::Join(Some(name)) => self.judge_join((user, many_rooms), name, &mut refuse),
            Command::Part if many_rooms => Judged::Propose(Fact::Parted { user, room }),
            Command::Part if room == LOBBY => done(refuse(Refusal::AlreadyIn(self[LOBBY].title()))),
            Command::Part => Judged::Join { from: Some(room), room: self[LOBBY].name().clone() },
            Command::Rooms => done(self.tell_rooms(answer)),
            Command::Topic(None) => done(answer(&Event::TopicIs(self[room].topic()))),
            Command::Topic(Some(text)) => judge_topic(user, room, text, &mut refuse),
            Command::Invite(name) => self.judge_invite(user, room, name, &mut refuse),
            Command::Ignore(None) => done(self.tell_ignored(user, answer)),
            Command::Ignore(Some(name)) => done(self.ignore(user, name, answer)),
            Command::Unignore(name) => done(self.unignore(user, name, answer)),
            Command::Help(topic) => done(help(topic, answer)),
            Command::Misuse(topic) => done(refuse(Refusal::Usage(topic))),
            Command::Unknown(word) => done(refuse(Refusal::UnknownCommand(&text::clean(word)))),
            Command::Quit(words) => Judged::Quit(last_words(words)),
        }
    }

    fn judge_private<'a>(
        &self,
        user: UserKey,
        to: UserKey,
        text: &'a str,
        refuse: &mut dyn FnMut(Refusal<'_>),
    ) -> Judged<'a> {
        let text = text::clean(text);
        if user == to {
            refuse(Refusal::TellSelf);
        } else if text::is_blank(&text) {
            refuse(Refusal::Usage(Topic::Msg));
        } else {
            return Judged::Propose(Fact::Told { user, to, text });
        }
        Judged::Done
    }

    fn judge_reply<'a>(
        &self,
        user: UserKey,
        text: &'a str,
        refuse: &mut dyn FnMut(Refusal<'_>),
    ) -> Judged<'a> {
        let social = self.users.get(user).and_then(|user| user.social.as_ref());
        let Some((sender, name)) = social.and_then(|social| social.last_sender.as_ref()) else {
            return done(refuse(Refusal::NothingToReply));
        };
        if self.users.get(*sender).is_none() {
            return done(refuse(Refusal::Nobody(name.as_str())));
        }
        self.judge_private(user, *sender, text, refuse)
    }

    fn judge_rename<'a>(
        &self,
        user: UserKey,
        name: &str,
        refuse: &mut dyn FnMut(Refusal<'_>),
    ) -> Judged<'a> {
        match Nickname::parse(name) {
            Err(error) => refuse(Refusal::Nickname(error, &text::clean(name))),
            Ok(new) if new.as_str() == self.name(user) => {
                refuse(Refusal::SameName(new.as_str()));
            }
            // Whether it is taken shows when the entry is applied.
            Ok(name) => return Judged::Propose(Fact::Renamed { user, name }),
        }
        Judged::Done
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    fn judge_join<'a>(
        &self,
        (user, many_rooms): (UserKey, bool),
        name: &str,
        refuse: &mut dyn FnMut(Refusal<'_>),
    ) -> Judged<'a> {
        let Some(room) = parse_room(name) else {
            return done(refuse(Refusal::RoomName(&text::clean(name))));
        };
        let known = self.room_called(&room);
        let rooms = self.users.get(user).map_or(0, |user| user.rooms().count());
        let Limits { rooms_fixed, rooms_max, .. } = self.limits;
        match known {
            Some(known) if self.is_in(user, known) => {
                done(refuse(Refusal::AlreadyIn(self[known].title())))
            }
            _ if many_rooms && rooms >= ROOMS_OF_ONE_MAX => {
                done(refuse(Refusal::TooManyRooms(ROOMS_OF_ONE_MAX)))
            }
            None if rooms_fixed => done(refuse(Refusal::RoomsFixed)),
            None if self.rooms.len() >= rooms_max => done(refuse(Refusal::RoomsFull(rooms_max))),
            _ => {
                let room = known.map_or(room, |known| self[known].name().clone());
                let from = self.users.get(user).and_then(User::room).filter(|_| !many_rooms);
                Judged::Join { from, room }
            }
        }
    }

    fn judge_invite<'a>(
        &self,
        user: UserKey,
        room: RoomKey,
        name: &str,
        refuse: &mut dyn FnMut(Refusal<'_>),
    ) -> Judged<'a> {
        match self.find(name) {
            None => refuse(Refusal::Nobody(&text::clean(name))),
            Some(to) if self.is_in(to, room) => refuse(Refusal::IsThere(self.name(to))),
            Some(to) => return Judged::Propose(Fact::Invited { user, to, room }),
        }
        Judged::Done
    }

    /// Tells which rooms there are, those with most people first.
    fn tell_rooms(&self, answer: &mut dyn FnMut(&Event<'_>)) {
        let mut rooms: Vec<_> = self.rooms.iter().map(|(_, room)| room).collect();
        rooms.sort_by(|one, other| {
            let by_count = other.count().cmp(&one.count());
            by_count.then_with(|| one.title().cmp(other.title()))
        });
        let more = rooms.len().saturating_sub(ROOMS_TOLD_MAX);
        rooms.truncate(ROOMS_TOLD_MAX);
        let told: Vec<_> = rooms.into_iter().map(info).collect();
        answer(&Event::Rooms(&told, more));
    }

    // ── not hearing somebody ─────────────────────────────────────────────────────────────────────

    fn ignore(&mut self, user: UserKey, name: &str, answer: &mut dyn FnMut(&Event<'_>)) {
        let Some(target) = self.find(name) else {
            return answer(&Event::Refused(Refusal::Nobody(&text::clean(name))));
        };
        match self.ignoring.ignore(&mut self.users, user, target) {
            Ok(()) => self.tell_ignored(user, answer),
            Err(refusal) => answer(&Event::Refused(refusal)),
        }
    }

    fn unignore(&mut self, user: UserKey, name: &str, answer: &mut dyn FnMut(&Event<'_>)) {
        if self.ignoring.unignore(&mut self.users, &self.directory, user, name) {
            self.tell_ignored(user, answer);
        } else {
            answer(&Event::Refused(Refusal::NotIgnored(&text::clean(name))));
        }
    }

    fn tell_ignored(&self, user: UserKey, answer: &mut dyn FnMut(&Event<'_>)) {
        let Some(user) = self.users.get(user) else { return };
        answer(&Event::Ignoring(&self.ignoring.ignored_names(user)));
    }
}

/// Tells what commands there are, or what one of them does.
pub(crate) fn help(topic: Option<Topic>, answer: &mut dyn FnMut(&Event<'_>)) {
    let one = topic.as_ref().map(std::slice::from_ref);
    answer(&Event::Helped(one.unwrap_or(&Topic::ALL)));
}

/// The words with which somebody leaves; empty if they say nothing.
pub(crate) fn last_words(words: &str) -> Cow<'_, str> {
    let words = text::clean(words);
    if text::is_blank(&words) { Cow::Borrowed("") } else { words }
}

fn say(user: UserKey, room: RoomKey, text: &str, emote: bool) -> Judged<'_> {
    let text = text::clean(text);
    if text::is_blank(&text) {
        return Judged::Done;
    }
    Judged::Propose(Fact::Said { user, room, text, emote })
}

/// A room in a list of rooms.
fn info(room: &Room) -> RoomInfo<'_> {
    let topic = room.topic().map_or("", |topic| topic.text);
    RoomInfo { name: room.title(), count: room.count(), topic }
}

/// What a room is to be about.
fn judge_topic<'a>(
    user: UserKey,
    room: RoomKey,
    text: &'a str,
    refuse: &mut dyn FnMut(Refusal<'_>),
) -> Judged<'a> {
    let text = text::clean(text);
    if text.len() > TOPIC_BYTES_MAX {
        return done(refuse(Refusal::TopicTooLong(TOPIC_BYTES_MAX)));
    }
    let text = if text::is_blank(&text) { Cow::Borrowed("") } else { text };
    Judged::Propose(Fact::Topic { user, room, text })
}

/// The name of a room, with or without its `#`.
pub(crate) fn parse_room(name: &str) -> Option<Nickname> {
    let name = name.trim();
    Nickname::parse(name.strip_prefix('#').unwrap_or(name)).ok()
}

/// Whether somebody must be in a room to ask for this there.
fn is_for_members(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Say(_)
            | Command::Emote(_)
            | Command::History(_)
            | Command::Join(None)
            | Command::Part
            | Command::Topic(_)
            | Command::Invite(_)
    )
}

/// The asker has been answered.
fn done<'a>((): ()) -> Judged<'a> {
    Judged::Done
}

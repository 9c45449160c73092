//! Judging: what somebody asks for, looked at with what is so now. It either gives a fact to
//! propose, or is answered at once, to the asker alone. Nothing changes here.

use std::borrow::Cow;

use super::Chat;
use super::entry::Fact;
use super::room::{LOBBY, Room, RoomKey};
use super::user::{User, UserKey};
use crate::archive::{Before, Query, Request};
use crate::config::Limits;
use crate::event::{Command, Event, Lines, Refusal, RoomInfo, Topic};
use crate::nickname::Nickname;
use crate::text;

/// Rooms that one user can be in.
const ROOMS_OF_ONE_MAX: usize = 50;

/// Rooms that somebody is told of at once.
const ROOMS_TOLD_MAX: usize = 50;

/// Lines of the archive that are shown at once unless somebody says how many …
const LINES_ASKED: usize = 50;
/// … and at most.
const LINES_ASKED_MAX: usize = 1000;

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
    /// The asker does not want to hear somebody any more. That is nobody else's business.
    Ignore(UserKey),
    /// The asker wants to hear somebody of this name again.
    Unignore(&'a str),
    /// The asker wants to know what only the archive knows; and then what the room remembers, if
    /// `recent`.
    Ask { request: Box<Request>, recent: bool },
    /// What the asker has said is to be shown to nobody any more.
    Forget,
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

/// To whom the asker's answers are given.
pub(crate) struct Answers<'f>(pub(crate) &'f mut dyn FnMut(&Event<'_>));

impl Answers<'_> {
    /// The asker is told this, and that is all.
    fn tell(&mut self, event: &Event<'_>) -> Judged<'static> {
        (self.0)(event);
        Judged::Done
    }

    /// The asker is told that it cannot be.
    fn refuse(&mut self, refusal: Refusal<'_>) -> Judged<'static> {
        self.tell(&Event::Refused(refusal))
    }
}

impl Chat {
    /// Judges what `user` asks for in `room`; they may be in several at once if `many_rooms`. What
    /// the asker is told is given to `answers`.
    pub(crate) fn judge<'a>(
        &self,
        (user, many_rooms): (UserKey, bool),
        room: RoomKey,
        command: Command<'a>,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        // What the archive keeps can be read from elsewhere.
        let is_kept = self.remembers && matches!(command, Command::History(_));
        if is_for_members(&command) && !is_kept && !self.is_in(user, room) {
            return answers.refuse(Refusal::NotInRoom(self[room].title()));
        }
        match command {
            Command::Say(text) => say(user, room, text, false),
            Command::Emote(text) => say(user, room, text, true),
            Command::Tell { to, text } => match self.find(to) {
                Some(to) => self.judge_private(user, to, text, answers),
                None => answers.refuse(Refusal::Nobody(&text::clean(to))),
            },
            Command::Reply(text) => self.judge_reply(user, text, answers),
            Command::Rename(name) => self.judge_rename(user, name, answers),
            // It was given, or none was asked for.
            Command::Password(_) => Judged::Done,
            Command::Resume { .. } => answers.refuse(Refusal::NotResumable),
            Command::Who => Judged::List(Listing::Members),
            Command::History(lines) => self.judge_history(user, room, lines, answers),
            Command::Search(words) => self.judge_search(user, words, answers),
            Command::Forget => Judged::Forget,
            Command::Join(None) => answers.tell(&Event::Where),
            Command::Join(Some(name)) => self.judge_join((user, many_rooms), name, answers),
            Command::Part if many_rooms => Judged::Propose(Fact::Parted { user, room }),
            Command::Part if room == LOBBY => {
                answers.refuse(Refusal::AlreadyIn(self[LOBBY].title()))
            }
            Command::Part => Judged::Join { from: Some(room), room: self[LOBBY].name().clone() },
            Command::Rooms => self.tell_rooms(answers),
            Command::Topic(None) => answers.tell(&Event::TopicIs(self[room].topic())),
            Command::Topic(Some(text)) => judge_topic(user, room, text, answers),
            Command::Invite(name) => self.judge_invite(user, room, name, answers),
            Command::Ignore(None) => answers.tell(&Event::Ignoring(&self.ignored_by(user))),
            Command::Ignore(Some(name)) => match self.find(name) {
                Some(target) => Judged::Ignore(target),
                None => answers.refuse(Refusal::Nobody(&text::clean(name))),
            },
            Command::Unignore(name) => Judged::Unignore(name),
            Command::Help(topic) => help(topic, answers),
            Command::Misuse(topic) => answers.refuse(Refusal::Usage(topic)),
            Command::Unknown(word) => answers.refuse(Refusal::UnknownCommand(&text::clean(word))),
            Command::Quit(words) => Judged::Quit(last_words(words)),
        }
    }

    fn judge_private<'a>(
        &self,
        user: UserKey,
        to: UserKey,
        text: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let text = text::clean(text);
        if user == to {
            answers.refuse(Refusal::TellSelf)
        } else if text::is_blank(&text) {
            answers.refuse(Refusal::Usage(Topic::Msg))
        } else {
            Judged::Propose(Fact::Told { user, to, text })
        }
    }

    fn judge_reply<'a>(
        &self,
        user: UserKey,
        text: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let social = self.users.get(user).and_then(|user| user.social.as_ref());
        let Some((sender, name)) = social.and_then(|social| social.last_sender.as_ref()) else {
            return answers.refuse(Refusal::NothingToReply);
        };
        if self.users.get(*sender).is_none() {
            return answers.refuse(Refusal::Nobody(name.as_str()));
        }
        self.judge_private(user, *sender, text, answers)
    }

    fn judge_rename<'a>(&self, user: UserKey, name: &str, answers: &mut Answers<'_>) -> Judged<'a> {
        match Nickname::parse(name) {
            Err(error) => answers.refuse(Refusal::Nickname(error, &text::clean(name))),
            Ok(new) if new.as_str() == self.name(user) => {
                answers.refuse(Refusal::SameName(new.as_str()))
            }
            // Whether it is taken shows when the entry is applied.
            Ok(name) => Judged::Propose(Fact::Renamed { user, name }),
        }
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    fn judge_join<'a>(
        &self,
        (user, many_rooms): (UserKey, bool),
        name: &str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let Some(room) = parse_room(name) else {
            return answers.refuse(Refusal::RoomName(&text::clean(name)));
        };
        let known = self.room_called(&room);
        let rooms = self.users.get(user).map_or(0, |user| user.rooms().count());
        let Limits { rooms_fixed, rooms_max, .. } = self.limits;
        match known {
            Some(known) if self.is_in(user, known) => {
                answers.refuse(Refusal::AlreadyIn(self[known].title()))
            }
            _ if many_rooms && rooms >= ROOMS_OF_ONE_MAX => {
                answers.refuse(Refusal::TooManyRooms(ROOMS_OF_ONE_MAX))
            }
            None if rooms_fixed => answers.refuse(Refusal::RoomsFixed),
            None if self.rooms.len() >= rooms_max => answers.refuse(Refusal::RoomsFull(rooms_max)),
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
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        match self.find(name) {
            None => answers.refuse(Refusal::Nobody(&text::clean(name))),
            Some(to) if self.is_in(to, room) => answers.refuse(Refusal::IsThere(self.name(to))),
            Some(to) => Judged::Propose(Fact::Invited { user, to, room }),
        }
    }

    /// Tells which rooms there are, those with most people first.
    fn tell_rooms(&self, answers: &mut Answers<'_>) -> Judged<'static> {
        let mut rooms: Vec<_> = self.rooms.iter().map(|(_, room)| room).collect();
        rooms.sort_by(|one, other| {
            let by_count = other.count().cmp(&one.count());
            by_count.then_with(|| one.title().cmp(other.title()))
        });
        let more = rooms.len().saturating_sub(ROOMS_TOLD_MAX);
        rooms.truncate(ROOMS_TOLD_MAX);
        let told: Vec<_> = rooms.into_iter().map(info).collect();
        answers.tell(&Event::Rooms(&told, more))
    }

    // ── what was said ────────────────────────────────────────────────────────────────────────────

    /// What the room remembers is shown at once; what was said before that is asked for.
    fn judge_history<'a>(
        &self,
        user: UserKey,
        room: RoomKey,
        lines: Lines,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let history = &self[room].history;
        let recent = matches!(lines, Lines::Last(_));
        let (before, count) = match lines {
            Lines::Last(None) => return Judged::List(Listing::History(None)),
            Lines::Last(Some(count)) if count <= history.len() || !self.remembers => {
                return Judged::List(Listing::History(Some(count)));
            }
            _ if !self.remembers => return answers.refuse(Refusal::NoArchive),
            Lines::Last(Some(count)) => (history.begins(), Some(count - history.len())),
            Lines::BeforeId(id, count) => (Before::Id(id), count),
            Lines::BeforeTime(at, count) => (Before::Time(at), count),
            Lines::More => match self.more(user) {
                Some(more @ Request::History { .. }) => return ask(more.clone()),
                _ => return answers.refuse(Refusal::NoMore),
            },
        };
        let count = count.unwrap_or(LINES_ASKED).clamp(1, LINES_ASKED_MAX);
        let room = self[room].name().as_str().to_owned();
        let request = Box::new(Request::History { room, before, count });
        Judged::Ask { request, recent }
    }

    fn judge_search<'a>(
        &self,
        user: UserKey,
        words: &str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        if !self.remembers {
            return answers.refuse(Refusal::NoArchive);
        }
        if words.trim().eq_ignore_ascii_case("more") {
            return match self.more(user) {
                Some(more @ Request::Search { .. }) => ask(more.clone()),
                _ => answers.refuse(Refusal::NoMore),
            };
        }
        match Query::parse(&text::clean(words)) {
            Ok(query) => ask(Request::Search { query, before: None }),
            Err(error) => answers.refuse(Refusal::Query(&error)),
        }
    }

    /// What is to be asked for more of what `user` asked last.
    fn more(&self, user: UserKey) -> Option<&Request> {
        self.users.get(user)?.social.as_ref()?.more.as_deref()
    }

    /// With this, `user` gets more of what they asked last.
    pub(crate) fn note_more(&mut self, user: UserKey, more: Option<Request>) {
        let Some(user) = self.users.get_mut(user) else { return };
        if more.is_some() || user.social.is_some() {
            user.social_mut().more = more.map(Box::new);
        }
    }

    // ── not hearing somebody ─────────────────────────────────────────────────────────────────────

    /// Keeps `user` from hearing `target`.
    pub(crate) fn ignore(
        &mut self,
        user: UserKey,
        target: UserKey,
    ) -> Result<(), Refusal<'static>> {
        self.ignoring.ignore(&mut self.users, user, target)
    }

    /// Lets `user` hear whoever they ignore under this name. Returns whether there was one.
    pub(crate) fn unignore(&mut self, user: UserKey, name: &str) -> bool {
        self.ignoring.unignore(&mut self.users, &self.directory, user, name)
    }

    /// Whom somebody does not hear.
    pub(crate) fn ignored_by(&self, user: UserKey) -> Vec<Nickname> {
        self.users.get(user).map_or_else(Vec::new, |user| self.ignoring.ignored_names(user))
    }
}

fn ask(request: Request) -> Judged<'static> {
    Judged::Ask { request: Box::new(request), recent: false }
}

/// Tells what commands there are, or what one of them does.
pub(crate) fn help(topic: Option<Topic>, answers: &mut Answers<'_>) -> Judged<'static> {
    let one = topic.as_ref().map(std::slice::from_ref);
    answers.tell(&Event::Helped(one.unwrap_or(&Topic::ALL)))
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
    answers: &mut Answers<'_>,
) -> Judged<'a> {
    let text = text::clean(text);
    if text.len() > TOPIC_BYTES_MAX {
        return answers.refuse(Refusal::TopicTooLong(TOPIC_BYTES_MAX));
    }
    let text = if text::is_blank(&text) { Cow::Borrowed("") } else { text };
    Judged::Propose(Fact::Topic { user, room, text })
}

/// A room's name as it is shown, from one with or without its `#`.
pub(crate) fn title(name: &str) -> String {
    format!("#{}", name.strip_prefix('#').unwrap_or(name))
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

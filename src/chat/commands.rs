//! Judging: what somebody asks for, looked at with what is so now. It either gives a fact to
//! propose, or is answered at once, to the asker alone. Nothing changes here.

use std::borrow::Cow;

use super::Chat;
use super::entry::Fact;
use super::moderation::Proposed;
use super::room::{LOBBY, Room, RoomKey};
use super::user::{User, UserKey};
use crate::archive::{Before, Query, Request};
use crate::config::Limits;
use crate::event::{Audience, Command, Event, Lines, Refusal, RoomInfo, Topic};
use crate::nickname::Nickname;
use crate::order::{AccountCommand, Moderation};
use crate::rights::Flag;
use crate::text;

/// Rooms that one user can be in.
const ROOMS_OF_ONE_MAX: usize = 50;

/// Lines that one message can have.
const MESSAGE_LINES_MAX: usize = 50;

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
    /// The asker says this line, clean, or does it (`emote`).
    Line { room: RoomKey, text: Cow<'a, str>, emote: bool },
    /// The asker says these lines, clean, as one message.
    Lines { room: RoomKey, lines: Vec<Cow<'a, str>> },
    /// The asker wants to be told something long, which others may share.
    List(Listing),
    /// The asker goes to a room, with its key: into one more, or from the one that they are in.
    Join { from: Option<RoomKey>, room: Nickname, key: Cow<'a, str> },
    /// The asker wants something about an account.
    Account(AccountCommand<'a>),
    /// The asker wants to ban or to mute somebody, and may.
    Sanction(Box<Proposed>),
    /// The asker wants to know who somebody is.
    Whois(UserKey),
    /// The asker wants the configuration to be read again, and may.
    Reload,
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

/// Who asks for something, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) user: UserKey,
    /// They may be in several rooms at once.
    pub(crate) many_rooms: bool,
    /// The time, in seconds since 1970.
    pub(crate) now: u64,
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
    pub(super) fn tell(&mut self, event: &Event<'_>) -> Judged<'static> {
        (self.0)(event);
        Judged::Done
    }

    /// The asker is told that it cannot be.
    pub(super) fn refuse(&mut self, refusal: Refusal<'_>) -> Judged<'static> {
        self.tell(&Event::Refused(refusal))
    }
}

impl Chat {
    /// Judges what somebody asks for in `room`. What the asker is told is given to `answers`.
    pub(crate) fn judge<'a>(
        &self,
        asker: Asker,
        room: RoomKey,
        command: Command<'a>,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let Asker { user, many_rooms, now } = asker;
        if !self.is_in(user, room)
            && let Some(refusal) = self.refusal_from_outside(user, room, &command)
        {
            return answers.refuse(refusal);
        }
        let silence = match command {
            Command::Topic(Some(_)) => self.line_refusal(user, room, now),
            _ if others_are_told(&command) => self.silence_of(user, now),
            _ => None,
        };
        if let Some(refusal) = silence {
            return answers.refuse(refusal);
        }
        match command {
            Command::Say(text) => self.judge_line(asker, room, (text, false), answers),
            Command::Lines(lines) => self.judge_lines(asker, room, lines, answers),
            Command::Emote(text) => self.judge_line(asker, room, (text, true), answers),
            Command::Tell { to, text } => match self.find(to) {
                Some(to) => self.judge_private(asker, to, text, answers),
                None => answers.refuse(Refusal::Nobody(&text::clean(to))),
            },
            Command::Reply(text) => self.judge_reply(asker, text, answers),
            Command::Account(_) if !self.has_accounts() && !is_oper(&command) => {
                answers.refuse(Refusal::NoAccounts)
            }
            Command::Account(command) => Judged::Account(command),
            Command::Moderate(asked) => self.judge_moderation(asker, room, asked, answers),
            Command::Rename(name) => self.judge_rename(user, name, answers),
            // It was given, or none was asked for.
            Command::Password(_) => Judged::Done,
            Command::Resume { .. } => answers.refuse(Refusal::NotResumable),
            Command::Who => Judged::List(Listing::Members),
            Command::History(lines) => self.judge_history(user, room, lines, answers),
            Command::Search(words) => self.judge_search(user, words, answers),
            Command::Forget => Judged::Forget,
            Command::Join(None) => answers.tell(&Event::Where),
            Command::Join(Some(name)) => self.judge_join(asker, name, answers),
            Command::Part(words) if many_rooms => {
                let is_heard = self.line_refusal(user, room, now).is_none();
                let words = if is_heard { last_words(words) } else { Cow::Borrowed("") };
                Judged::Propose(Fact::Parted { user, room, words })
            }
            Command::Part(_) if room == LOBBY => {
                answers.refuse(Refusal::AlreadyIn(self[LOBBY].title()))
            }
            Command::Part(_) => {
                let lobby = self[LOBBY].name().clone();
                Judged::Join { from: Some(room), room: lobby, key: Cow::Borrowed("") }
            }
            Command::Rooms => self.tell_rooms(user, answers),
            Command::Topic(None) => answers.tell(&Event::TopicIs(self[room].topic())),
            Command::Topic(Some(text)) => self.judge_topic(user, room, text, answers),
            Command::Invite(name) => self.judge_invite(user, room, name, answers),
            Command::Ignore(None) => answers.tell(&Event::Ignoring(&self.ignored_by(user))),
            Command::Ignore(Some(name)) => match self.find(name) {
                Some(target) => Judged::Ignore(target),
                None => answers.refuse(Refusal::Nobody(&text::clean(name))),
            },
            Command::Unignore(name) => Judged::Unignore(name),
            Command::Help(Some(topic)) => help(&[topic], answers),
            Command::Help(None) => help(&self.topics_for(user, room), answers),
            Command::Misuse(topic) => answers.refuse(Refusal::Usage(topic)),
            Command::Unknown(word) => answers.refuse(Refusal::UnknownCommand(&text::clean(word))),
            Command::Quit(_) if !self.may_be_heard(user, now) => Judged::Quit("".into()),
            Command::Quit(words) => Judged::Quit(last_words(words)),
        }
    }

    /// Why somebody cannot ask for this of a room that they are not in, if so.
    fn refusal_from_outside(
        &self,
        user: UserKey,
        room: RoomKey,
        command: &Command<'_>,
    ) -> Option<Refusal<'_>> {
        let (title, rights) = (self[room].title(), &self[room].rights);
        let is_operator = self.is_operator(user);
        let may = match command {
            Command::Say(_) | Command::Lines(_) | Command::Emote(_) => !rights.has(Flag::Members),
            // What the archive keeps can be read from elsewhere.
            Command::History(_) => self.remembers && (!rights.is_private() || is_operator),
            Command::Who => !rights.is_private() || is_operator,
            Command::Join(None) | Command::Part(_) | Command::Topic(_) | Command::Invite(_) => {
                false
            }
            Command::Moderate(Moderation::Settings) => true,
            // Everything else is judged by itself, or is not about the room.
            _ => return None,
        };
        (!may).then_some(Refusal::NotInRoom(title))
    }

    /// What somebody can do there.
    fn topics_for(&self, user: UserKey, room: RoomKey) -> Vec<Topic> {
        let may = |topic: &Topic| match topic.audience() {
            Audience::All => true,
            Audience::Accounts => self.has_accounts(),
            Audience::Oper => self.policy.has_oper,
            Audience::Room => self.is_in_charge(user, room),
            Audience::Server => self.is_operator(user),
        };
        Topic::ALL.into_iter().filter(may).collect()
    }

    fn judge_line<'a>(
        &self,
        asker: Asker,
        room: RoomKey,
        (text, emote): (&'a str, bool),
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let text = text::clean(text);
        if text::is_blank(&text) {
            return Judged::Done;
        }
        match self.line_refusal(asker.user, room, asker.now) {
            Some(refusal) => answers.refuse(refusal),
            None => Judged::Line { room, text, emote },
        }
    }

    /// As [`judge_line`](Self::judge_line): all lines of a message are judged before one is said.
    /// Blank ones between others stay, for they part what is written in blocks.
    fn judge_lines<'a>(
        &self,
        asker: Asker,
        room: RoomKey,
        lines: &'a [String],
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let lines = &lines[text::seen(lines)];
        if lines.is_empty() {
            return Judged::Done;
        }
        let lines_max = if self.is_slow_for(asker.user, room) { 1 } else { MESSAGE_LINES_MAX };
        let clean = |line: &'a String| match text::clean(line) {
            line if text::is_blank(&line) => Cow::Borrowed(""),
            line => line,
        };
        match self.line_refusal(asker.user, room, asker.now) {
            Some(refusal) => answers.refuse(refusal),
            None if lines.len() > lines_max => answers.refuse(Refusal::TooManyLines(lines_max)),
            None => Judged::Lines { room, lines: lines.iter().map(clean).collect() },
        }
    }

    fn judge_private<'a>(
        &self,
        Asker { user, now, .. }: Asker,
        to: UserKey,
        text: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let text = text::clean(text);
        // Who is muted can still ask why.
        if !self.is_operator(to)
            && let Some(refusal) = self.silence_of(user, now)
        {
            return answers.refuse(refusal);
        }
        if user == to {
            answers.refuse(Refusal::TellSelf)
        } else if text::is_blank(&text) {
            answers.refuse(Refusal::Usage(Topic::Msg))
        } else {
            Judged::Propose(Fact::Told { user, to, text, extra: None })
        }
    }

    fn judge_reply<'a>(
        &self,
        asker: Asker,
        text: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let social = self.users.get(asker.user).and_then(|user| user.social.as_ref());
        let Some((sender, name)) = social.and_then(|social| social.last_sender.as_ref()) else {
            return answers.refuse(Refusal::NothingToReply);
        };
        if self.users.get(*sender).is_none() {
            return answers.refuse(Refusal::Nobody(name.as_str()));
        }
        self.judge_private(asker, *sender, text, answers)
    }

    fn judge_rename<'a>(&self, user: UserKey, name: &str, answers: &mut Answers<'_>) -> Judged<'a> {
        match Nickname::parse(name) {
            Err(error) => answers.refuse(Refusal::Nickname(error, &text::clean(name))),
            Ok(new) if new.as_str() == self.name(user) => {
                answers.refuse(Refusal::SameName(new.as_str()))
            }
            Ok(new) if self.is_anothers(&new, self.account_of(user)) => {
                answers.refuse(Refusal::Registered(new.as_str()))
            }
            // Whether it is taken shows when the entry is applied.
            Ok(name) => Judged::Propose(Fact::Renamed { user, name }),
        }
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    fn judge_join<'a>(
        &self,
        Asker { user, many_rooms, now }: Asker,
        wanted: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let (name, key) = name_and_key(wanted);
        let known = parse_room(name).and_then(|room| self.room_called(&room));
        // Only a room that is there can have a key.
        let name = if known.is_none() && !self.is_asleep(name) { wanted } else { name };
        let Some(room) = parse_room(name) else {
            return answers.refuse(Refusal::RoomName(&text::clean(name)));
        };
        let is_asleep = self.asleep.get(&room).is_some();
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
            // Those that belong to somebody are never forgotten to make place.
            None if !is_asleep && self.asleep.guarded() >= rooms_max => {
                answers.refuse(Refusal::RoomsFull(rooms_max))
            }
            _ => {
                let title = title(room.as_str());
                let refusal = match known {
                    Some(known) => self.entry_refusal(user, known, key, now),
                    None if is_asleep => self.asleep_refusal(user, (&room, &title), key, now),
                    // The name of a new room would be a word of theirs.
                    None => self.silence_of(user, now),
                };
                if let Some(refusal) = refusal {
                    return answers.refuse(refusal);
                }
                let room = known.map_or(room, |known| self[known].name().clone());
                let from = self.users.get(user).and_then(User::room).filter(|_| !many_rooms);
                Judged::Join { from, room, key: Cow::Borrowed(key) }
            }
        }
    }

    /// What a room is to be about.
    fn judge_topic<'a>(
        &self,
        user: UserKey,
        room: RoomKey,
        text: &'a str,
        answers: &mut Answers<'_>,
    ) -> Judged<'a> {
        let text = text::clean(text);
        if text.len() > TOPIC_BYTES_MAX {
            return answers.refuse(Refusal::TopicTooLong(TOPIC_BYTES_MAX));
        }
        if self[room].rights.has(Flag::Topic) && !self.is_in_charge(user, room) {
            return answers.refuse(Refusal::RoomOperatorOnly(self[room].title()));
        }
        let text = if text::is_blank(&text) { Cow::Borrowed("") } else { text };
        Judged::Propose(Fact::Topic { user, room, text })
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
            Some(_) if self[room].rights.has(Flag::Invite) && !self.is_in_charge(user, room) => {
                answers.refuse(Refusal::RoomOperatorOnly(self[room].title()))
            }
            Some(to) => Judged::Propose(Fact::Invited { user, to, room }),
        }
    }

    /// Tells which rooms there are, those with most people first.
    fn tell_rooms(&self, user: UserKey, answers: &mut Answers<'_>) -> Judged<'static> {
        let known = self.rooms().filter(|(key, room)| self.may_know(user, room, *key));
        let mut rooms: Vec<_> = known.map(|(_, room)| room).collect();
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
                Some(more @ Request::History { room, .. }) if self.may_read(user, room) => {
                    return ask(more.clone());
                }
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
                Some(Request::Search { query, before }) => {
                    let mut query = query.clone();
                    query.allow(self.room_names_of(user));
                    ask(Request::Search { query, before: *before })
                }
                _ => answers.refuse(Refusal::NoMore),
            };
        }
        match Query::parse(&text::clean(words)) {
            Ok(mut query) => {
                query.allow(self.room_names_of(user));
                ask(Request::Search { query, before: None })
            }
            Err(error) => answers.refuse(Refusal::Query(&error)),
        }
    }

    /// Whether somebody may see what was said in the room of this name.
    fn may_read(&self, user: UserKey, name: &str) -> bool {
        self.room_called(&Nickname::unchecked(name)).is_none_or(|room| {
            let is_private = self[room].rights.is_private();
            !is_private || self.is_in(user, room) || self.is_operator(user)
        })
    }

    /// The names of the rooms that somebody is in.
    fn room_names_of(&self, user: UserKey) -> Vec<String> {
        let rooms = self.users.get(user).into_iter().flat_map(User::rooms);
        rooms.map(|room| self[room].name().as_str().to_owned()).collect()
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

/// Tells what some commands do.
pub(crate) fn help(topics: &[Topic], answers: &mut Answers<'_>) -> Judged<'static> {
    answers.tell(&Event::Helped(topics))
}

/// The words with which somebody leaves; empty if they say nothing.
pub(crate) fn last_words(words: &str) -> Cow<'_, str> {
    let words = text::clean(words);
    if text::is_blank(&words) { Cow::Borrowed("") } else { words }
}

/// A room in a list of rooms.
fn info(room: &Room) -> RoomInfo<'_> {
    let topic = room.topic().map_or("", |topic| topic.text);
    RoomInfo { name: room.title(), count: room.count(), topic }
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

/// The name of a room that somebody wants to go to, and its key.
pub(crate) fn name_and_key(wanted: &str) -> (&str, &str) {
    let wanted = wanted.trim();
    let (name, key) = wanted.split_once(char::is_whitespace).unwrap_or((wanted, ""));
    (name, key.trim())
}

/// Whether others are told the words of it, wherever they are. Lines are judged by themselves, and
/// so are private messages.
fn others_are_told(command: &Command<'_>) -> bool {
    match command {
        Command::Rename(_) | Command::Invite(_) => true,
        Command::Account(asked) => matches!(asked, AccountCommand::Unregister(_)),
        Command::Moderate(asked) => !matches!(
            asked,
            Moderation::Settings | Moderation::Sanctions { .. } | Moderation::Whois(_)
        ),
        _ => false,
    }
}

fn is_oper(command: &Command<'_>) -> bool {
    matches!(command, Command::Account(AccountCommand::Oper { .. }))
}

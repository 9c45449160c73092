//! Judging: what somebody asks for, looked at with what is so now. It either gives a fact to
//! propose, or is answered at once, to the asker alone. Nothing changes here but whom the asker
//! ignores, which is nobody else's business.

use std::borrow::Cow;

use super::Chat;
use super::entry::Fact;
use super::room::RoomKey;
use super::user::UserKey;
use crate::event::{Command, Event, Refusal, Topic};
use crate::nickname::Nickname;
use crate::text;

/// What becomes of a command.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    /// It is to become true.
    Propose(Fact<'a>),
    /// The asker wants to be told something long, which others may share.
    List(Listing),
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
    /// Judges what `user` asks for in `room`, where they are. What the asker is told is given to
    /// `answer`.
    pub(crate) fn judge<'a>(
        &mut self,
        user: UserKey,
        room: RoomKey,
        command: Command<'a>,
        answer: &mut dyn FnMut(&Event<'_>),
    ) -> Judged<'a> {
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

/// The asker has been answered.
fn done<'a>((): ()) -> Judged<'a> {
    Judged::Done
}

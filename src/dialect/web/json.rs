//! What travels to and from browsers, as types: [`ServerMessage`] is what somebody is told, and
//! [`ClientMessage`] what somebody asks for. Both are documented in `docs/websocket.md`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dialect::phrases::{self, Part, Phrases, WHOLE_WELCOME_MAX};
use crate::dialect::{About, Commands, Dialect, Lang, Reader, lines, order};
use crate::event::{
    self as command, CloseReason, Command, Event, Hit, Lines, Missed, Parting, Ranks, Refusal,
    Resumed, RoomInfo, RoomView, Said, TopicView,
};
use crate::nickname::Nickname;
use crate::order::{AccountCommand, AccountEvent, Occurrence, confirmation};
use crate::rights::{Rank, Setting};

/// What somebody is told, one object for each event. Sentences are there in each language, because
/// the same bytes go to everyone.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ServerMessage<'a> {
    Password,
    /// The name is an account, and its password is wanted.
    Login {
        name: &'a str,
    },
    Account {
        event: &'static str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
        text: Localized,
    },
    Rank {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        name: &'a str,
        rank: Option<&'static str>,
        #[serde(skip_serializing_if = "str::is_empty")]
        by: &'a str,
        text: Localized,
    },
    Set {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        by: &'a str,
        what: &'static str,
        value: String,
        text: Localized,
    },
    Settings {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        flags: String,
        has_key: bool,
        limit: Option<u32>,
        #[serde(flatten)]
        ranks: Ranked<'a>,
        text: Localized,
    },
    /// Somebody was put out of a room.
    Removed {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        name: &'a str,
        how: &'static str,
        by: &'a str,
        why: &'a str,
        count: usize,
        text: Localized,
    },
    /// The reader was put out, or may not come in.
    Out {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        how: &'static str,
        text: Localized,
    },
    Ask {
        motd: &'a [String],
        line_bytes_max: usize,
    },
    Say(Line<'a>),
    Me(Line<'a>),
    Msg(Line<'a>),
    Sent {
        to: &'a str,
        text: &'a str,
        at: u64,
    },
    Join {
        names: Vec<&'a str>,
        count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Leave {
        names: Vec<&'a str>,
        count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        words: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Localized>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Nick {
        old: &'a str,
        new: &'a str,
    },
    Who {
        members: Vec<&'a str>,
        count: usize,
        #[serde(flatten)]
        ranks: Ranked<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Ignoring {
        names: Vec<&'a str>,
        text: Localized,
    },
    Help {
        commands: Vec<Help>,
    },
    Notice {
        text: Localized,
        /// What is to be said for it to be done, if that is what is asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<&'static str>,
    },
    Rooms {
        rooms: Vec<Room<'a>>,
        more: usize,
    },
    Topic {
        #[serde(flatten)]
        topic: Topic<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Part {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Invite {
        from: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    Refused {
        why: &'static str,
        text: Localized,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
    },
    /// Lines of the archive, the oldest first.
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        lines: Vec<ServerMessage<'a>>,
        more: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
    },
    /// Lines of the archive that were looked for, the newest first.
    Found {
        lines: Vec<FoundLine<'a>>,
        more: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
    },
    Resumed {
        name: &'a str,
        token: String,
        rooms: Vec<Back<'a>>,
    },
    Ack {
        key: &'a str,
        id: u64,
    },
    Goodbye,
    Stopping,
    /// The engine that servers share their rooms through is away, or is `back`.
    Relay {
        back: bool,
    },
}

/// What all are told who come: an object but for its beginning, which is each newcomer's own.
#[derive(Serialize)]
pub(super) struct Company<'a> {
    members: Vec<&'a str>,
    count: usize,
    #[serde(flatten)]
    ranks: Ranked<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<Topic<'a>>,
    history: Vec<ServerMessage<'a>>,
    /// The number of the last thing that happened.
    id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    room: &'a str,
    /// What is said there is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept: bool,
}

/// Those who have a rank in a room.
#[derive(Serialize)]
pub(super) struct Ranked<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operators: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    voiced: Vec<&'a str>,
}

impl<'a> Ranked<'a> {
    fn of(ranks: Ranks<'a>) -> Ranked<'a> {
        let names = |wanted| {
            let is_wanted = |rank: Rank| rank.is_operator() == (wanted == Rank::Operator);
            let ranks = ranks.iter().filter(|(_, rank)| is_wanted(*rank));
            ranks.take(WHOLE_WELCOME_MAX).map(|(name, _)| name.as_str()).collect()
        };
        Ranked { operators: names(Rank::Operator), voiced: names(Rank::Voice) }
    }
}

/// A room that somebody was cut off from, with what they have missed there.
#[derive(Serialize)]
pub(super) struct Back<'a> {
    /// More was missed than the history has.
    gap: bool,
    #[serde(flatten)]
    company: Company<'a>,
}

/// A room in a list of rooms.
#[derive(Serialize)]
pub(super) struct Room<'a> {
    room: &'a str,
    count: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    topic: &'a str,
}

/// What a room is about; nothing, if the text is empty.
#[derive(Serialize)]
pub(super) struct Topic<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
}

impl<'a> Topic<'a> {
    fn of(topic: TopicView<'a>) -> Topic<'a> {
        Topic { text: topic.text, by: topic.by, at: Some(topic.at) }
    }
}

/// Something that somebody said.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    from: &'a str,
    text: &'a str,
    /// Seconds since 1970-01-01 00:00 UTC.
    at: u64,
    /// It is told again, out of the history.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    again: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// Its number; private messages have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

/// A line that was looked for.
#[derive(Serialize)]
pub(super) struct FoundLine<'a> {
    /// The room's name, with `#`.
    room: String,
    from: &'a str,
    text: &'a str,
    at: u64,
    id: u64,
    /// That is what somebody did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    me: bool,
}

/// What one command does.
#[derive(Serialize)]
pub(super) struct Help {
    form: Localized,
    purpose: Localized,
}

/// The same in each language.
#[derive(Serialize)]
pub(super) struct Localized {
    pub(super) en: String,
    zh: String,
}

impl Localized {
    /// What `write` appends in each language.
    fn new(write: impl Fn(&'static Phrases, &mut Vec<u8>)) -> Localized {
        let in_language = |lang| {
            let mut out = Vec::new();
            write(phrases::of(lang), &mut out);
            // Phrases and what fills them are UTF-8.
            String::from_utf8(out).unwrap_or_default()
        };
        Localized { en: in_language(Lang::En), zh: in_language(Lang::Zh) }
    }

    /// A phrase without places to fill.
    fn plain(phrase: impl Fn(&Phrases) -> &'static str) -> Localized {
        Localized {
            en: phrase(phrases::of(Lang::En)).into(),
            zh: phrase(phrases::of(Lang::Zh)).into(),
        }
    }

    /// Whom somebody does not hear.
    fn ignoring(ignored: &[Nickname]) -> Localized {
        Localized::new(|phrases, out| match ignored {
            [] => phrases::fill(out, phrases.ignoring_nobody, &[]),
            _ => {
                let listed = Part::Listed(phrases, ignored, ignored.len());
                phrases::fill(out, phrases.ignoring, &[listed]);
            }
        })
    }

    /// Why something was not done.
    pub(super) fn refusal(refusal: Refusal<'_>) -> Localized {
        Localized::new(|phrases, out| phrases.refuse(refusal, "", "", out))
    }
}

impl<'a> Company<'a> {
    /// The room as a newcomer finds it.
    pub(super) fn of(room: &'a str, view: &RoomView<'a>) -> Company<'a> {
        let RoomView { here, count, ranks, topic, history, id, is_kept: kept } = *view;
        let line = |said: &&'a Said| ServerMessage::line(said, Some(room), false);
        let history = history.iter().map(line).collect();
        let (members, ranks, topic) = (names(here), Ranked::of(ranks), topic.map(Topic::of));
        Company { room, members, count, ranks, topic, history, id, kept }
    }
}

impl<'a> FoundLine<'a> {
    fn of(hit: &'a Hit) -> FoundLine<'a> {
        let Said { id, unix_seconds, from, text, emote, .. } = &hit.said;
        let room = format!("#{}", hit.room);
        FoundLine { room, from, text, at: *unix_seconds, id: *id, me: *emote }
    }
}

impl<'a> ServerMessage<'a> {
    /// An event as browsers are told it; `None` if they are not.
    pub(super) fn of(event: &'a Event<'a>, about: &'a About<'a>) -> Option<ServerMessage<'a>> {
        let room = about.room;
        let said = |from, text, at, id| Line { room, id: Some(id), from, text, at, again: false };
        Some(match *event {
            Event::Changed(_) => return None,
            Event::PasswordAsked => ServerMessage::Password,
            Event::Asked { motd, line_bytes_max } => ServerMessage::Ask { motd, line_bytes_max },
            Event::Said { from, text, at, id } => ServerMessage::Say(said(from, text, at, id)),
            Event::Emoted { from, text, at, id } => ServerMessage::Me(said(from, text, at, id)),
            Event::Told { from, text, at, .. } => {
                ServerMessage::Msg(Line { room: None, id: None, from, text, at, again: false })
            }
            Event::Sent { to, text, at, .. } => ServerMessage::Sent { to, text, at },
            Event::Recalled(said) => ServerMessage::line(said, room, true),
            Event::Joined { names: new, count } => {
                ServerMessage::Join { room, names: names(new), count }
            }
            Event::Left { names: gone, why, count, .. } => {
                let (words, why) = match why {
                    Parting::Plain => (None, None),
                    Parting::Words(words) => (Some(words), None),
                    Parting::Reason(reason) => (None, parting(reason)),
                };
                ServerMessage::Leave { room, names: names(gone), count, words, why }
            }
            Event::Renamed { old, new } => ServerMessage::Nick { old, new },
            Event::Here { names: here, count, ranks, .. } => {
                ServerMessage::Who { room, members: names(here), count, ranks: Ranked::of(ranks) }
            }
            Event::AccountAsked(name) => ServerMessage::Login { name },
            Event::Order(ref occurrence) => ServerMessage::of_order(occurrence, about),
            Event::Ignoring(ignored) => ServerMessage::Ignoring {
                names: names(ignored),
                text: Localized::ignoring(ignored),
            },
            Event::Helped(topics) => {
                let help = |topic: &command::Topic| Help {
                    form: Localized::plain(|phrases| phrases.form(*topic)),
                    purpose: Localized::plain(|phrases| phrases.purpose(*topic)),
                };
                ServerMessage::Help { commands: topics.iter().map(help).collect() }
            }
            Event::NothingSaid | Event::Past(..) | Event::Found(..) | Event::Forgotten(_) => {
                return ServerMessage::of_archive(event, about);
            }
            Event::Refused(refusal) => ServerMessage::Refused {
                room,
                why: label(refusal),
                text: Localized::refusal(refusal),
                key: about.key,
            },
            Event::Rooms(..)
            | Event::TopicSet(_)
            | Event::TopicIs(_)
            | Event::Parted
            | Event::Invited { .. }
            | Event::Where
            | Event::InviteSent { .. } => return ServerMessage::of_room(event, room),
            Event::Resumed(resumed) => ServerMessage::resumed(&resumed),
            Event::Acked { key, id } => ServerMessage::Ack { key, id },
            Event::Goodbye => ServerMessage::Goodbye,
            Event::Stopping => ServerMessage::Stopping,
            Event::Relay { is_back: back } => ServerMessage::Relay { back },
            Event::AskedAgain
            | Event::Welcomed { .. }
            | Event::InRoom(_)
            | Event::Entered { .. } => return None,
        })
    }

    /// As [`of`](Self::of), but of what is about order.
    fn of_order(occurrence: &Occurrence<'a>, about: &About<'a>) -> ServerMessage<'a> {
        let text = Localized::new(|phrases, out| {
            let reader = Reader { phrases, dialect: Dialect::Web, about };
            if !order::tell_reader(&reader, occurrence, ("", ""), out) {
                order::tell(&reader, occurrence, ("", "\n"), out);
                out.pop();
            }
        });
        let room = about.room;
        match *occurrence {
            Occurrence::Account { name, event, token } => {
                ServerMessage::Account { event: account_label(event), name, token, text }
            }
            Occurrence::Ranked { name, rank, by, .. } => {
                ServerMessage::Rank { room, name, rank: rank.map(rank_label), by, text }
            }
            Occurrence::Set { setting, by } => {
                let (what, value) = setting_words(setting);
                ServerMessage::Set { room, by, what, value, text }
            }
            Occurrence::Settings { rights, ranks } => ServerMessage::Settings {
                room,
                flags: rights.letters(),
                has_key: rights.key.is_some(),
                limit: rights.limit,
                ranks: Ranked::of(ranks),
                text,
            },
            Occurrence::Removed { name, how, by, why, count, .. } => {
                ServerMessage::Removed { room, name, how: how.word(), by, why, count, text }
            }
            Occurrence::YouRemoved { how, .. } => {
                ServerMessage::Out { room, how: how.word(), text }
            }
            Occurrence::YouBanned(_) => ServerMessage::Out { room, how: "ban", text },
            Occurrence::Hits { is_dangerous, .. } => {
                ServerMessage::Notice { text, answer: Some(confirmation(is_dangerous)) }
            }
            _ => ServerMessage::notice(text),
        }
    }

    /// As [`of`](Self::of), but of what the archive has told.
    fn of_archive(event: &'a Event<'a>, about: &About<'a>) -> Option<ServerMessage<'a>> {
        let About { room, key, .. } = *about;
        Some(match *event {
            Event::Past(lines, more) => {
                let line = |said: &&'a Said| ServerMessage::line(said, None, false);
                ServerMessage::History { room, lines: lines.iter().map(line).collect(), more, key }
            }
            Event::Found(hits, more) => {
                ServerMessage::Found { lines: hits.iter().map(FoundLine::of).collect(), more, key }
            }
            Event::NothingSaid => {
                ServerMessage::notice(Localized::plain(|phrases| phrases.nothing_said))
            }
            Event::Forgotten(lines) => ServerMessage::notice(Localized::new(|phrases, out| {
                phrases::fill(out, phrases.forgotten, &[Part::Count(lines)]);
            })),
            _ => return None,
        })
    }

    /// What somebody missed who is back.
    fn resumed(resumed: &Resumed<'a>) -> ServerMessage<'a> {
        let back = |missed: &'a Missed<'a>| {
            let company = Company::of(missed.title, &missed.view);
            Back { gap: missed.gap, company }
        };
        let rooms = resumed.rooms.iter().map(back).collect();
        let token = resumed.token.to_string();
        ServerMessage::Resumed { name: resumed.name, token, rooms }
    }

    /// As [`of`](Self::of), but of what is about a room itself.
    fn of_room(event: &'a Event<'a>, room: Option<&'a str>) -> Option<ServerMessage<'a>> {
        Some(match *event {
            Event::Rooms(rooms, more) => {
                let room = |info: &RoomInfo<'a>| {
                    let RoomInfo { name, count, topic } = *info;
                    Room { room: name, count, topic }
                };
                ServerMessage::Rooms { rooms: rooms.iter().map(room).collect(), more }
            }
            Event::TopicSet(topic) | Event::TopicIs(Some(topic)) => {
                ServerMessage::Topic { room, topic: Topic::of(topic) }
            }
            Event::TopicIs(None) => {
                ServerMessage::Topic { room, topic: Topic { text: "", by: "", at: None } }
            }
            Event::Parted => ServerMessage::Part { room },
            Event::Invited { from } => ServerMessage::Invite { from, room },
            Event::Where | Event::InviteSent { .. } => {
                let about = About { room, ..About::default() };
                let text = Localized::new(|phrases, out| {
                    phrases::tell_of_room(
                        &Reader { phrases, dialect: Dialect::Web, about: &about },
                        event,
                        "",
                        "",
                        out,
                    );
                });
                ServerMessage::notice(text)
            }
            _ => return None,
        })
    }

    fn notice(text: Localized) -> ServerMessage<'a> {
        ServerMessage::Notice { text, answer: None }
    }

    fn line(said: &'a Said, room: Option<&'a str>, again: bool) -> ServerMessage<'a> {
        let Said { from, text, .. } = said;
        let (id, at) = (Some(said.id), said.unix_seconds);
        let line = Line { room, id, from, text, at, again };
        if said.emote { ServerMessage::Me(line) } else { ServerMessage::Say(line) }
    }
}

/// Names, as many as are told at once.
fn names(names: &[Nickname]) -> Vec<&str> {
    names.iter().take(WHOLE_WELCOME_MAX).map(Nickname::as_str).collect()
}

fn rank_label(rank: Rank) -> &'static str {
    match rank {
        Rank::Operator | Rank::VoicedOperator => "operator",
        Rank::Voice => "voice",
    }
}

fn account_label(event: AccountEvent<'_>) -> &'static str {
    match event {
        AccountEvent::Registered => "registered",
        AccountEvent::LoggedIn => "logged_in",
        AccountEvent::LoggedOut => "logged_out",
        AccountEvent::PasswordSet => "password_set",
        AccountEvent::Unregistered => "unregistered",
        AccountEvent::Operator => "operator",
        AccountEvent::NameLost(_) => "name_lost",
    }
}

/// What was set, and to what; but not which key.
fn setting_words(setting: &Setting) -> (&'static str, String) {
    let on_off = |on| if on { "on" } else { "off" }.to_owned();
    match setting {
        Setting::Flag(flag, on) => (flag.word(), on_off(*on)),
        Setting::Key(key) => ("key", on_off(key.is_some())),
        Setting::Limit(limit) => ("limit", limit.map_or_else(|| on_off(false), |n| n.to_string())),
    }
}

fn parting(reason: CloseReason) -> Option<Localized> {
    phrases::of(Lang::En).parting(reason)?;
    Some(Localized::plain(|phrases| phrases.parting(reason).unwrap_or_default()))
}

/// Why something was not done, for programs.
#[expect(clippy::too_many_lines, reason = "a table of all refusals")]
fn label(refusal: Refusal<'_>) -> &'static str {
    match refusal {
        Refusal::Taken(_) => "taken",
        Refusal::Nickname(..) => "nickname",
        Refusal::SameName(_) => "same_name",
        Refusal::Nobody(_) => "nobody",
        Refusal::TellSelf => "tell_self",
        Refusal::TellTooMuch(_) => "tell_too_much",
        Refusal::NothingToReply => "nothing_to_reply",
        Refusal::IgnoreSelf => "ignore_self",
        Refusal::IgnoreTooMany(_) => "ignore_too_many",
        Refusal::NotIgnored(_) => "not_ignored",
        Refusal::NoSuchRoom(_) => "no_such_room",
        Refusal::RoomName(_) => "room_name",
        Refusal::NotInRoom(_) => "not_in_room",
        Refusal::AlreadyIn(_) => "already_in",
        Refusal::TooManyRooms(_) => "too_many_rooms",
        Refusal::RoomsFull(_) => "rooms_full",
        Refusal::RoomsFixed => "rooms_fixed",
        Refusal::IsThere(_) => "is_there",
        Refusal::TopicTooLong(_) => "topic_too_long",
        Refusal::NoArchive => "no_archive",
        Refusal::ArchiveFailed => "archive_failed",
        Refusal::NoMore => "no_more",
        Refusal::Query(_) => "query",
        Refusal::Token => "token",
        Refusal::Password => "password",
        Refusal::PasswordNeeded => "password_needed",
        Refusal::NotResumable => "not_resumable",
        Refusal::Key(_) => "key",
        Refusal::NoAccounts => "no_accounts",
        Refusal::Registered(_) => "registered",
        Refusal::NoAccount(_) => "no_account",
        Refusal::AccountNeeded => "account_needed",
        Refusal::NotLoggedIn => "not_logged_in",
        Refusal::IsLoggedIn => "is_logged_in",
        Refusal::WrongPassword => "wrong_password",
        Refusal::PasswordBytes(..) => "password_bytes",
        Refusal::PasswordIsName => "password_is_name",
        Refusal::Insecure => "insecure",
        Refusal::TooManyTries => "too_many_tries",
        Refusal::Busy => "busy",
        Refusal::AccountsFull => "accounts_full",
        Refusal::OperatorsName => "operators_name",
        Refusal::RoomOperatorOnly(_) => "room_operator_only",
        Refusal::OperatorOnly => "operator_only",
        Refusal::IsOperator(_) => "is_operator",
        Refusal::Yourself => "yourself",
        Refusal::NotForLobby => "not_for_lobby",
        Refusal::HasRank(..) => "has_rank",
        Refusal::NotThere(_) => "not_there",
        Refusal::NoSanction(_) => "no_sanction",
        Refusal::TooManySanctions(_) => "too_many_sanctions",
        Refusal::Span(_) => "span",
        Refusal::ReasonTooLong(_) => "reason_too_long",
        Refusal::Muted(_) => "muted",
        Refusal::Moderated => "moderated",
        Refusal::Slow(_) => "slow",
        Refusal::TooNew => "too_new",
        Refusal::Locked => "locked",
        Refusal::InviteOnly(_) => "invite_only",
        Refusal::RoomKey(_) => "room_key",
        Refusal::RoomFull(_) => "room_full",
        Refusal::RoomBanned(_) => "room_banned",
        Refusal::NotSaid => "not_said",
        Refusal::TooLate => "too_late",
        Refusal::Usage(_) => "usage",
        Refusal::UnknownCommand(_) => "unknown_command",
        Refusal::LineTooLong(_) => "line_too_long",
        Refusal::TooManyLines(_) => "too_many_lines",
        Refusal::NotUtf8 => "not_utf8",
        Refusal::Closed(reason) => reason.label(),
    }
}

// ── what comes in ────────────────────────────────────────────────────────────────────────────────

/// What somebody asks for.
///
/// Its words are its own, because JSON has escapes: in what was received they do not yet stand as
/// they are meant. Commands borrow from it.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientMessage {
    kind: Kind,
    /// In which room, if that is said.
    room: Option<String>,
    /// To or of whom.
    name: String,
    /// What is said; of what is unknown, what it is called.
    text: String,
    /// How many.
    count: Option<usize>,
    /// Before which number.
    before: Option<u64>,
    /// The lines of a message that has several, instead of a text.
    lines: Vec<String>,
    /// By what it is known if it comes again.
    key: Option<String>,
    /// Rooms, each with the number of the last thing that is known of it.
    rooms: Vec<(String, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Login,
    LoginAgain,
    Password,
    Resume,
    Say,
    Lines,
    Me,
    Msg,
    Reply,
    Nick,
    Who,
    History,
    Search,
    Forget,
    Join,
    Part,
    Rooms,
    Topic,
    SetTopic,
    Invite,
    Ignore,
    Unignore,
    Help,
    Quit,
    Unknown,
}

/// The object as it comes. Other members of it are passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    lines: Option<Vec<String>>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    to: Cow<'a, str>,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    before: Option<u64>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(default)]
    rooms: Value,
}

impl ClientMessage {
    /// Reads a message. Returns with it how many bytes the longest thing in it has; `None` if it is
    /// not such an object.
    pub(super) fn parse(message: &str) -> Option<(ClientMessage, usize)> {
        if !message.trim_start().starts_with('{') {
            return None; // An array of the values in their order would be taken for them.
        }
        let fields: Fields<'_> = serde_json::from_str(message).ok()?;
        let Fields { kind, room, text, lines, name, to, count, before, key, token, rooms } = fields;
        let has_text = text.is_some();
        let text = text.unwrap_or_default();
        let room = room.map(Cow::into_owned);
        let parts = [&*kind, room.as_deref().unwrap_or_default(), &text, &name, &to];
        let longest = parts.into_iter().map(str::len);
        let longest = longest.chain(lines.iter().flatten().map(String::len)).max();
        let (known, name, text) = match &*kind {
            "say" if lines.is_some() => (Kind::Lines, "".into(), "".into()),
            "say" => (Kind::Say, "".into(), text),
            "me" => (Kind::Me, "".into(), text),
            "reply" => (Kind::Reply, "".into(), text),
            "quit" => (Kind::Quit, "".into(), text),
            // A name with an LF in it is nobody's; without it, it will be told as it is.
            "msg" => (Kind::Msg, to.replace('\n', " ").into(), text),
            "nick" => (Kind::Nick, name, "".into()),
            "password" => (Kind::Password, "".into(), text),
            "login" => match token {
                Some(token) => (Kind::LoginAgain, name, token),
                None => (Kind::Login, name, text),
            },
            "resume" => (Kind::Resume, "".into(), token.unwrap_or_default()),
            // The room's key stands behind its name.
            "join" => (Kind::Join, "".into(), text),
            "part" => (Kind::Part, "".into(), "".into()),
            "rooms" => (Kind::Rooms, "".into(), "".into()),
            "topic" if has_text => (Kind::SetTopic, "".into(), text),
            "topic" => (Kind::Topic, "".into(), "".into()),
            "invite" => (Kind::Invite, name, "".into()),
            "ignore" => (Kind::Ignore, name, "".into()),
            "unignore" => (Kind::Unignore, name, "".into()),
            "who" => (Kind::Who, "".into(), "".into()),
            "history" => (Kind::History, "".into(), "".into()),
            "search" => (Kind::Search, "".into(), text),
            "forget" => (Kind::Forget, "".into(), "".into()),
            "help" => (Kind::Help, "".into(), "".into()),
            _ => (Kind::Unknown, "".into(), kind),
        };
        let (name, text) = (name.into_owned(), text.into_owned());
        let room = match (known, room) {
            (Kind::Join, Some(room)) if !text.is_empty() => Some(format!("{room} {text}")),
            (_, room) => room,
        };
        let (key, rooms) = (key.map(Cow::into_owned), known_rooms(known, &rooms));
        let lines = lines.filter(|_| known == Kind::Lines).unwrap_or_default();
        let message =
            ClientMessage { kind: known, room, name, text, lines, count, before, key, rooms };
        Some((message, longest.unwrap_or_default()))
    }

    /// By what it is known if it comes again.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What it asks for.
    pub(crate) fn commands(&self) -> Commands<'_> {
        let room = self.room.as_deref();
        match (self.kind, room) {
            (Kind::Say, room) => lines::say(&self.text, room),
            (Kind::Join, _) => Commands::One(self.command()),
            (_, Some(room)) => Commands::In(room, self.command()),
            (_, None) => Commands::One(self.command()),
        }
    }

    fn command(&self) -> Command<'_> {
        let ClientMessage { name, text, .. } = self;
        let required = |words: &str, command, topic| {
            if words.trim().is_empty() { Command::Misuse(topic) } else { command }
        };
        match self.kind {
            Kind::Say => Command::Say(text),
            Kind::Lines => Command::Lines(&self.lines),
            Kind::Me => required(text, Command::Emote(text), command::Topic::Me),
            Kind::Msg if name.is_empty() => Command::Misuse(command::Topic::Msg),
            Kind::Msg => required(text, Command::Tell { to: name, text }, command::Topic::Msg),
            Kind::Reply => required(text, Command::Reply(text), command::Topic::Reply),
            Kind::Nick => Command::Rename(name),
            Kind::Login => Command::Account(AccountCommand::Login { name, password: text }),
            Kind::LoginAgain => Command::Account(AccountCommand::LoginAgain { name, token: text }),
            Kind::Password => Command::Password(text),
            Kind::Resume => Command::Resume { token: text, rooms: &self.rooms },
            Kind::Who => Command::Who,
            Kind::History => Command::History(match self.before {
                Some(id) => Lines::BeforeId(id, self.count),
                None => Lines::Last(self.count),
            }),
            Kind::Search => required(text, Command::Search(text), command::Topic::Search),
            Kind::Forget => Command::Forget,
            Kind::Join => Command::Join(self.room.as_deref()),
            Kind::Part => Command::Part(text),
            Kind::Rooms => Command::Rooms,
            Kind::Topic => Command::Topic(None),
            Kind::SetTopic => Command::Topic(Some(text)),
            Kind::Invite => required(name, Command::Invite(name), command::Topic::Invite),
            Kind::Ignore => Command::Ignore((!name.trim().is_empty()).then_some(name)),
            Kind::Unignore => required(name, Command::Unignore(name), command::Topic::Unignore),
            Kind::Help => Command::Help(None),
            Kind::Quit => Command::Quit(text.trim()),
            Kind::Unknown => Command::Unknown(text),
        }
    }

    /// Bytes of its words.
    pub(crate) fn bytes(&self) -> usize {
        self.name.len() + self.text.len() + self.lines.iter().map(String::len).sum::<usize>()
    }

    /// How many lines it counts for.
    pub(crate) fn line_count(&self) -> usize {
        self.lines.len().max(1)
    }
}

/// The rooms that somebody was in, and what they know of each. What is no number is none of ours.
fn known_rooms(kind: Kind, rooms: &Value) -> Vec<(String, u64)> {
    let rooms = rooms.as_object().filter(|_| kind == Kind::Resume);
    let known = |(name, id): (&String, &Value)| (name.clone(), id.as_u64().unwrap_or_default());
    rooms.map_or_else(Vec::new, |rooms| rooms.iter().map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_command_that_the_page_means() {
        let table: [(&str, Command<'_>); 19] = [
            (r#"{"type":"say","text":"hi"}"#, Command::Say("hi")),
            (r#"{"type":"say","text":"a\nb \"\u4f60"}"#, Command::Say("a\nb \"你")),
            (r#"{"type":"say","text":"/me waves"}"#, Command::Emote("waves")),
            (r#"{"type":"say","text":"//me"}"#, Command::Say("/me")),
            (r#"{"type":"me","text":" "}"#, Command::Misuse(command::Topic::Me)),
            (r#"{"type":"msg","to":"a\nb","text":"x"}"#, Command::Tell { to: "a b", text: "x" }),
            (r#"{"type":"msg","to":"bob","text":""}"#, Command::Misuse(command::Topic::Msg)),
            (r#"{"type":"msg","text":"x"}"#, Command::Misuse(command::Topic::Msg)),
            (r#"{"type":"nick","name":"al","text":"x"}"#, Command::Rename("al")),
            (r#" {"more":[{}],"type":"who"} "#, Command::Who),
            (r#"{"type":"history","count":3}"#, Command::History(Lines::Last(Some(3)))),
            (r#"{"type":"history"}"#, Command::History(Lines::Last(None))),
            (r#"{"type":"history","before":9}"#, Command::History(Lines::BeforeId(9, None))),
            (r#"{"type":"search","text":"a b"}"#, Command::Search("a b")),
            (r#"{"type":"forget"}"#, Command::Forget),
            (r#"{"type":"ignore","name":" "}"#, Command::Ignore(None)),
            (r#"{"type":"unignore","name":"al"}"#, Command::Unignore("al")),
            (r#"{"type":"quit","text":" so long "}"#, Command::Quit("so long")),
            (r#"{"type":"dance\nall"}"#, Command::Unknown("dance\nall")),
        ];
        for (message, command) in table {
            let read = ClientMessage::parse(message);
            let read = read.as_ref().and_then(|(read, _)| read.commands().next());
            assert_eq!(read, Some(command), "{message}");
        }
        for junk in ["", "[]", r#"["say","hi","",""]"#, r#"{"text":"hi"}"#, r#"{"type":1}"#] {
            assert_eq!(ClientMessage::parse(junk), None, "{junk}");
        }
    }
}

//! What the server says in words, in each language of `lines`, and how words are put together. The
//! older dialects have their own phrases with them; what they have no phrase for they say as
//! `lines` says it in Chinese ([`tell_in_chinese`]).
//!
//! All phrases of a language stand together in one [`Phrases`]; one that is missing does not
//! compile. `{}` in a phrase is the place of a name, a number or a list.

use std::io::Write as _;

use super::order::{self, OrderPhrases};
use super::{Lang, Reader};
use crate::event::{CloseReason, Event, Refusal, RoomInfo, RoomView, Topic, TopicView};
use crate::nickname::{Nickname, NicknameError};
use crate::query::{QUERY_BYTES_MAX, QueryError};

/// So many names are told when some come or go together …
const JOINT_MAX: usize = 8;
/// … and so many of a newcomer's company, or of those who are here when too much waits unread.
pub(crate) const WELCOME_MAX: usize = 20;
/// As many names as programs are told at once, who keep a list of them.
pub(crate) const WHOLE_WELCOME_MAX: usize = 1000;

/// What fills a place in a phrase.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Count(usize),
    /// A duration in seconds, perhaps a fraction.
    Seconds(f64),
    /// `a, b, c`, or `a, b, c and 980 more` when they are fewer than the given count.
    Listed(&'a Phrases, &'a [Nickname], usize),
    /// `a, b and c`, or the first few `and 56 more`.
    Joint(&'a Phrases, &'a [Nickname]),
}

/// The phrases of one language.
#[derive(Debug)]
pub(crate) struct Phrases {
    pub(crate) password_asked: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) welcomed: &'static str,
    pub(crate) joined: &'static str,
    pub(crate) left: &'static str,
    pub(crate) left_because: &'static str,
    pub(crate) renamed: &'static str,
    pub(crate) you: &'static str,
    pub(crate) here: &'static str,
    pub(crate) there: &'static str,
    pub(crate) nothing_said: &'static str,
    pub(crate) day: &'static str,
    pub(crate) older_lines: &'static str,
    pub(crate) found: &'static str,
    pub(crate) nothing_found: &'static str,
    pub(crate) more_found: &'static str,
    pub(crate) forgotten: &'static str,
    no_archive: &'static str,
    archive_failed: &'static str,
    no_more: &'static str,
    query_empty: &'static str,
    query_too_long: &'static str,
    query_word: &'static str,
    query_name: &'static str,
    query_room: &'static str,
    query_date: &'static str,
    query_twice: &'static str,
    pub(crate) ignoring: &'static str,
    pub(crate) ignoring_nobody: &'static str,
    pub(crate) in_room: &'static str,
    pub(crate) where_you_are: &'static str,
    pub(crate) parted: &'static str,
    pub(crate) room: &'static str,
    pub(crate) room_about: &'static str,
    pub(crate) more_rooms: &'static str,
    pub(crate) topic_set: &'static str,
    pub(crate) topic_gone: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) no_topic: &'static str,
    pub(crate) invited: &'static str,
    pub(crate) invite_sent: &'static str,
    no_such_room: &'static str,
    room_name: &'static str,
    not_in_room: &'static str,
    already_in: &'static str,
    too_many_rooms: &'static str,
    rooms_full: &'static str,
    rooms_fixed: &'static str,
    is_there: &'static str,
    topic_too_long: &'static str,
    token: &'static str,
    password: &'static str,
    password_needed: &'static str,
    not_resumable: &'static str,
    key: &'static str,
    no_accounts: &'static str,
    name_registered: &'static str,
    no_account: &'static str,
    account_needed: &'static str,
    not_logged_in: &'static str,
    is_logged_in: &'static str,
    wrong_password: &'static str,
    password_bytes: &'static str,
    password_is_name: &'static str,
    insecure: &'static str,
    too_many_tries: &'static str,
    busy: &'static str,
    accounts_full: &'static str,
    operators_name: &'static str,
    room_operator_only: &'static str,
    operator_only: &'static str,
    is_operator: &'static str,
    yourself: &'static str,
    not_for_lobby: &'static str,
    has_rank: &'static str,
    has_no_rank: &'static str,
    not_there: &'static str,
    no_sanction: &'static str,
    too_many_sanctions: &'static str,
    span: &'static str,
    reason_too_long: &'static str,
    muted: &'static str,
    muted_until: &'static str,
    moderated: &'static str,
    slow: &'static str,
    too_new: &'static str,
    locked: &'static str,
    invite_only: &'static str,
    room_key: &'static str,
    room_full: &'static str,
    room_banned: &'static str,
    not_said: &'static str,
    too_late: &'static str,
    /// What is told of order.
    pub(crate) order: OrderPhrases,
    pub(crate) goodbye: &'static str,
    pub(crate) stopping: &'static str,
    pub(crate) relay_away: &'static str,
    pub(crate) relay_back: &'static str,
    closed_relay_lost: &'static str,
    closed_relay_rewound: &'static str,
    left_relay_lost: &'static str,
    taken: &'static str,
    same_name: &'static str,
    nobody: &'static str,
    tell_self: &'static str,
    tell_too_much: &'static str,
    nothing_to_reply: &'static str,
    ignore_self: &'static str,
    ignore_too_many: &'static str,
    not_ignored: &'static str,
    usage: &'static str,
    unknown_command: &'static str,
    line_too_long: &'static str,
    too_many_lines: &'static str,
    not_utf8: &'static str,
    name_empty: &'static str,
    name_too_long: &'static str,
    name_start: &'static str,
    name_character: &'static str,
    name_reserved: &'static str,
    closed_too_slow: &'static str,
    closed_nick_timeout: &'static str,
    closed_unended: &'static str,
    closed_server_full: &'static str,
    closed_address_full: &'static str,
    closed_address_too_fast: &'static str,
    closed_violation: &'static str,
    closed_unresponsive: &'static str,
    closed_replaced: &'static str,
    closed_wrong_tokens: &'static str,
    closed_wrong_passwords: &'static str,
    left_connection_lost: &'static str,
    left_too_slow: &'static str,
    left_unended: &'static str,
    left_timed_out: &'static str,
    left_violation: &'static str,
    comma: &'static str,
    and: &'static str,
    more: &'static str,
    /// The form of each command and what it does, in the order of [`Topic::ALL`].
    help: [(&'static str, &'static str); Topic::ALL.len()],
}

/// The phrases of a language.
pub(crate) fn of(lang: Lang) -> &'static Phrases {
    match lang {
        Lang::En => &EN,
        Lang::Zh => &ZH,
    }
}

impl Phrases {
    /// How a command is written.
    pub(crate) fn form(&self, topic: Topic) -> &'static str {
        self.help[topic as usize].0
    }

    /// What a command does.
    pub(crate) fn purpose(&self, topic: Topic) -> &'static str {
        self.help[topic as usize].1
    }

    /// Appends why something was not done, between `start` and `end`; nothing, if there is nothing
    /// to be said about it.
    #[expect(clippy::too_many_lines, reason = "a table of all refusals")]
    pub(crate) fn refuse(&self, refusal: Refusal<'_>, start: &str, end: &str, out: &mut Vec<u8>) {
        use Part::{Count, Text};
        let (phrase, part) = match refusal {
            Refusal::Taken(name) => (self.taken, Text(name)),
            Refusal::Nickname(error, name) => (self.nickname(error), Text(name)),
            Refusal::SameName(name) => (self.same_name, Text(name)),
            Refusal::Nobody(name) => (self.nobody, Text(name)),
            Refusal::TellSelf => (self.tell_self, Text("")),
            Refusal::TellTooMuch(name) => (self.tell_too_much, Text(name)),
            Refusal::NothingToReply => (self.nothing_to_reply, Text("")),
            Refusal::IgnoreSelf => (self.ignore_self, Text("")),
            Refusal::IgnoreTooMany(max) => (self.ignore_too_many, Count(max)),
            Refusal::NotIgnored(name) => (self.not_ignored, Text(name)),
            Refusal::NoSuchRoom(room) => (self.no_such_room, Text(room)),
            Refusal::RoomName(room) => (self.room_name, Text(room)),
            Refusal::NotInRoom(room) => (self.not_in_room, Text(room)),
            Refusal::AlreadyIn(room) => (self.already_in, Text(room)),
            Refusal::TooManyRooms(max) => (self.too_many_rooms, Count(max)),
            Refusal::RoomsFull(max) => (self.rooms_full, Count(max)),
            Refusal::RoomsFixed => (self.rooms_fixed, Text("")),
            Refusal::IsThere(name) => (self.is_there, Text(name)),
            Refusal::TopicTooLong(max) => (self.topic_too_long, Count(max)),
            Refusal::NoArchive => (self.no_archive, Text("")),
            Refusal::ArchiveFailed => (self.archive_failed, Text("")),
            Refusal::NoMore => (self.no_more, Text("")),
            Refusal::Query(error) => self.query(error),
            Refusal::Token => (self.token, Text("")),
            Refusal::Password => (self.password, Text("")),
            Refusal::PasswordNeeded => (self.password_needed, Text("")),
            Refusal::NotResumable => (self.not_resumable, Text("")),
            Refusal::Key(max) => (self.key, Count(max)),
            Refusal::NoAccounts => (self.no_accounts, Text("")),
            Refusal::Registered(name) => (self.name_registered, Text(name)),
            Refusal::NoAccount(name) => (self.no_account, Text(name)),
            Refusal::AccountNeeded => (self.account_needed, Text("")),
            Refusal::NotLoggedIn => (self.not_logged_in, Text("")),
            Refusal::IsLoggedIn => (self.is_logged_in, Text("")),
            Refusal::WrongPassword => (self.wrong_password, Text("")),
            Refusal::PasswordBytes(..) => (self.password_bytes, Text("")),
            Refusal::PasswordIsName => (self.password_is_name, Text("")),
            Refusal::Insecure => (self.insecure, Text("")),
            Refusal::TooManyTries => (self.too_many_tries, Text("")),
            Refusal::Busy => (self.busy, Text("")),
            Refusal::AccountsFull => (self.accounts_full, Text("")),
            Refusal::OperatorsName => (self.operators_name, Text("")),
            Refusal::RoomOperatorOnly(room) => (self.room_operator_only, Text(room)),
            Refusal::OperatorOnly => (self.operator_only, Text("")),
            Refusal::IsOperator(name) => (self.is_operator, Text(name)),
            Refusal::Yourself => (self.yourself, Text("")),
            Refusal::NotForLobby => (self.not_for_lobby, Text("")),
            Refusal::HasRank(name, Some(_)) => (self.has_rank, Text(name)),
            Refusal::HasRank(name, None) => (self.has_no_rank, Text(name)),
            Refusal::NotThere(name) => (self.not_there, Text(name)),
            Refusal::NoSanction(whom) => (self.no_sanction, Text(whom)),
            Refusal::TooManySanctions(max) => (self.too_many_sanctions, Count(max)),
            Refusal::Span(span) => (self.span, Text(span)),
            Refusal::ReasonTooLong(max) => (self.reason_too_long, Count(max)),
            Refusal::Muted(None) => (self.muted, Text("")),
            Refusal::Muted(Some(until)) => {
                let until = order::when(until);
                return self.write(start, end, (self.muted_until, Text(&until)), out);
            }
            Refusal::Moderated => (self.moderated, Text("")),
            Refusal::Slow(seconds) => (self.slow, Count(seconds.try_into().unwrap_or(usize::MAX))),
            Refusal::TooNew => (self.too_new, Text("")),
            Refusal::Locked => (self.locked, Text("")),
            Refusal::InviteOnly(room) => (self.invite_only, Text(room)),
            Refusal::RoomKey(room) => (self.room_key, Text(room)),
            Refusal::RoomFull(room) => (self.room_full, Text(room)),
            Refusal::RoomBanned(room) => (self.room_banned, Text(room)),
            Refusal::NotSaid => (self.not_said, Text("")),
            Refusal::TooLate => (self.too_late, Text("")),
            Refusal::Usage(topic) => (self.usage, Text(self.form(topic))),
            Refusal::UnknownCommand(word) => (self.unknown_command, Text(word)),
            Refusal::LineTooLong(max) => (self.line_too_long, Count(max)),
            Refusal::TooManyLines(max) => (self.too_many_lines, Count(max)),
            Refusal::NotUtf8 => (self.not_utf8, Text("")),
            Refusal::Closed(reason) => match self.closing(reason) {
                Some(told) => told,
                None => return,
            },
        };
        self.write(start, end, (phrase, part), out);
    }

    /// Appends a phrase, of which each place is filled by the same, between `start` and `end`.
    fn write(&self, start: &str, end: &str, (phrase, part): (&str, Part<'_>), out: &mut Vec<u8>) {
        out.extend_from_slice(start.as_bytes());
        fill(out, phrase, &[part, part]);
        out.extend_from_slice(end.as_bytes());
    }

    /// The names in a list that was written with [`fill`]; `None` if it is none, since no name has
    /// a space in it.
    pub(crate) fn names(&self, list: &str) -> Option<Vec<String>> {
        let (list, last) = list.rsplit_once(self.and).map_or((list, None), |(l, r)| (l, Some(r)));
        let last = last.filter(|last| places::<1>(self.more, last).is_none());
        let names = list.split(self.comma).chain(last);
        names.map(|name| (!name.contains(' ')).then(|| name.to_owned())).collect()
    }

    /// Why something cannot be looked for.
    fn query<'a>(&self, error: &'a QueryError) -> (&'static str, Part<'a>) {
        match error {
            QueryError::Empty => (self.query_empty, Part::Text("")),
            QueryError::TooLong => (self.query_too_long, Part::Count(QUERY_BYTES_MAX)),
            QueryError::Word(word) => (self.query_word, Part::Text(word)),
            QueryError::From(name) => (self.query_name, Part::Text(name)),
            QueryError::Room(name) => (self.query_room, Part::Text(name)),
            QueryError::Date(date) => (self.query_date, Part::Text(date)),
            QueryError::Twice(key) => (self.query_twice, Part::Text(key)),
        }
    }

    /// Why something cannot be a nickname.
    fn nickname(&self, error: NicknameError) -> &'static str {
        match error {
            NicknameError::Empty => self.name_empty,
            NicknameError::TooLong => self.name_too_long,
            NicknameError::BadStart => self.name_start,
            NicknameError::BadCharacter | NicknameError::BadEnd => self.name_character,
            NicknameError::Reserved => self.name_reserved,
        }
    }

    /// What somebody is told whose connection is closed, if they can be told anything.
    fn closing(&self, reason: CloseReason) -> Option<(&'static str, Part<'static>)> {
        let told = match reason {
            CloseReason::TooSlow | CloseReason::Stalled => (self.closed_too_slow, Part::Text("")),
            CloseReason::NickTimeout(limit) => {
                (self.closed_nick_timeout, Part::Seconds(limit.as_secs_f64()))
            }
            CloseReason::Unterminated(bytes) => (self.closed_unended, Part::Count(bytes)),
            CloseReason::ServerFull => (self.closed_server_full, Part::Text("")),
            CloseReason::AddressFull => (self.closed_address_full, Part::Text("")),
            CloseReason::AddressTooFast => (self.closed_address_too_fast, Part::Text("")),
            CloseReason::Violation(code) => (self.closed_violation, Part::Count(code.into())),
            CloseReason::Unresponsive => (self.closed_unresponsive, Part::Text("")),
            CloseReason::Replaced => (self.closed_replaced, Part::Text("")),
            CloseReason::WrongTokens(count) => {
                (self.closed_wrong_tokens, Part::Count(count.into()))
            }
            CloseReason::WrongPasswords(count) => {
                (self.closed_wrong_passwords, Part::Count(count.into()))
            }
            CloseReason::RelayLost(unsaid) => {
                (self.closed_relay_lost, Part::Count(unsaid as usize))
            }
            CloseReason::RelayRewound => (self.closed_relay_rewound, Part::Text("")),
            CloseReason::Quit
            | CloseReason::EndOfInput
            | CloseReason::ConnectionLost
            | CloseReason::WrongProtocol
            | CloseReason::TimedOut
            | CloseReason::Answered
            | CloseReason::RequestTimeout
            | CloseReason::TlsFailed
            | CloseReason::WrongProxyHeader
            | CloseReason::PreludeTimeout
            // They are told before that.
            | CloseReason::Banned
            | CloseReason::Killed
            | CloseReason::Kicked
            | CloseReason::Locked
            | CloseReason::Stopping => return None,
        };
        Some(told)
    }

    /// What is said of the relay when it is back, or is away.
    pub(crate) fn relay(&self, is_back: bool) -> &'static str {
        if is_back { self.relay_back } else { self.relay_away }
    }

    /// What others are told of why somebody has gone, if it is worth a word.
    pub(crate) fn parting(&self, reason: CloseReason) -> Option<&'static str> {
        match reason {
            CloseReason::ConnectionLost | CloseReason::TlsFailed => Some(self.left_connection_lost),
            CloseReason::TooSlow | CloseReason::Stalled => Some(self.left_too_slow),
            CloseReason::Unterminated(_) => Some(self.left_unended),
            CloseReason::TimedOut | CloseReason::Unresponsive => Some(self.left_timed_out),
            CloseReason::Violation(_) => Some(self.left_violation),
            CloseReason::RelayLost(_) | CloseReason::RelayRewound => Some(self.left_relay_lost),
            CloseReason::Quit
            | CloseReason::EndOfInput
            | CloseReason::NickTimeout(_)
            | CloseReason::WrongProtocol
            | CloseReason::ServerFull
            | CloseReason::AddressFull
            | CloseReason::AddressTooFast
            | CloseReason::Answered
            | CloseReason::RequestTimeout
            | CloseReason::Replaced
            | CloseReason::WrongTokens(_)
            | CloseReason::WrongProxyHeader
            | CloseReason::PreludeTimeout
            | CloseReason::WrongPasswords(_)
            | CloseReason::Banned
            | CloseReason::Killed
            | CloseReason::Kicked
            | CloseReason::Locked
            | CloseReason::Stopping => None,
        }
    }
}

/// Appends `phrase` with its places filled by `parts`, in order.
pub(crate) fn fill(out: &mut Vec<u8>, phrase: &str, parts: &[Part<'_>]) {
    let mut pieces = phrase.split("{}");
    out.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for (piece, part) in pieces.zip(parts) {
        // Writing to a Vec cannot fail.
        match *part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Count(count) => drop(write!(out, "{count}")),
            Part::Seconds(seconds) => drop(write!(out, "{seconds}")),
            Part::Joint(phrases, names) => joint(out, phrases, names),
            Part::Listed(phrases, names, count) => {
                list(out, names, phrases.comma, None);
                if count > names.len() {
                    out.extend_from_slice(phrases.and.as_bytes());
                    fill(out, phrases.more, &[Part::Count(count - names.len())]);
                }
            }
        }
        out.extend_from_slice(piece.as_bytes());
    }
}

/// What stands in the places of `phrase` if `text` is that phrase, filled: the reverse of [`fill`].
/// Each but the last is as short as it can be.
pub(crate) fn places<'a, const N: usize>(phrase: &str, text: &'a str) -> Option<[&'a str; N]> {
    let mut pieces = phrase.splitn(N + 1, "{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut places = [""; N];
    for (i, place) in places.iter_mut().enumerate() {
        let piece = pieces.next()?;
        (*place, rest) = match i + 1 == N {
            true => (rest.strip_suffix(piece)?, ""),
            false => rest.split_once(piece)?,
        };
    }
    Some(places)
}

/// Names that come or go together, as the older dialects tell them.
pub(crate) fn together(names: &[Nickname]) -> String {
    let mut out = Vec::new();
    list(&mut out, &names[..names.len().min(JOINT_MAX)], "、", None);
    if names.len() > JOINT_MAX {
        fill(&mut out, " 和另外 {} 人", &[Part::Count(names.len() - JOINT_MAX)]);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Tells a newcomer of an older dialect who could not be asked again what it is called now.
pub(crate) fn renamed_on_entry(out: &mut Vec<u8>, name: &str, as_given: bool, end: &str) {
    if !as_given {
        fill(out, "您的昵称是 {}", &[Part::Text(name)]);
        out.extend_from_slice(end.as_bytes());
    }
}

/// Tells, between `start` and `end`, those events for which the older dialects have no phrase of
/// their own.
pub(crate) fn tell_in_chinese(
    reader: &Reader<'_>,
    event: &Event<'_>,
    start: &str,
    end: &str,
    out: &mut Vec<u8>,
) {
    use Part::{Count, Listed, Text};
    let (phrase, parts): (_, &[Part<'_>]) = match *event {
        Event::Refused(refusal) => return ZH.refuse(refusal, start, end, out),
        Event::Renamed { old, new } => (ZH.renamed, &[Text(old), Text(new)]),
        Event::Here { names, count, .. } => (ZH.here, &[Count(count), Listed(&ZH, names, count)]),
        Event::Order(occurrence) => {
            let reader = Reader { phrases: &ZH, ..*reader };
            if !order::tell_reader(&reader, &occurrence, (start, end), out) {
                order::tell(&reader, &occurrence, (start, end), out);
            }
            return;
        }
        Event::Stopping => (ZH.stopping, &[]),
        Event::Relay { is_back: false } => (ZH.relay_away, &[]),
        Event::Relay { is_back: true } => (ZH.relay_back, &[]),
        Event::Emoted { from, text, .. } => {
            // Not even with `start`: these two bytes are what no line of chat begins with.
            fill(out, "** {} {}", &[Text(from), Text(text)]);
            return out.extend_from_slice(end.as_bytes());
        }
        _ => {
            let reader = Reader { phrases: &ZH, ..*reader };
            return tell_of_room(&reader, event, start, end, out);
        }
    };
    out.extend_from_slice(start.as_bytes());
    fill(out, phrase, parts);
    out.extend_from_slice(end.as_bytes());
}

/// Tells, between `start` and `end` for each line, the events that are about rooms themselves.
pub(crate) fn tell_of_room(
    reader: &Reader<'_>,
    event: &Event<'_>,
    start: &str,
    end: &str,
    out: &mut Vec<u8>,
) {
    use Part::{Count, Listed, Text};
    let (phrases, room) = (reader.phrases, Text(reader.room()));
    let mut line = |phrase: &str, parts: &[Part<'_>]| {
        out.extend_from_slice(start.as_bytes());
        fill(out, phrase, parts);
        out.extend_from_slice(end.as_bytes());
    };
    match *event {
        Event::InRoom(RoomView { here, count, topic, .. }) => {
            line(phrases.in_room, &[room, Listed(phrases, here, count)]);
            if let Some(topic) = topic {
                line(phrases.topic, &[room, Text(topic.text)]);
            }
        }
        Event::Where => line(phrases.where_you_are, &[room]),
        Event::Parted => line(phrases.parted, &[room]),
        Event::Rooms(rooms, more) => {
            for RoomInfo { name, count, topic } in rooms {
                match topic.is_empty() {
                    true => line(phrases.room, &[Text(name), Count(*count)]),
                    false => line(phrases.room_about, &[Text(name), Count(*count), Text(topic)]),
                }
            }
            if more > 0 {
                line(phrases.more_rooms, &[Count(more)]);
            }
        }
        Event::TopicSet(TopicView { text: "", by, .. }) => {
            line(phrases.topic_gone, &[Text(by), room]);
        }
        Event::TopicSet(TopicView { text, by, .. }) => {
            line(phrases.topic_set, &[Text(by), room, Text(text)]);
        }
        Event::TopicIs(None) => line(phrases.no_topic, &[room]),
        Event::TopicIs(Some(topic)) => line(phrases.topic, &[room, Text(topic.text)]),
        Event::Invited { from } => line(phrases.invited, &[Text(from), room, room]),
        Event::InviteSent { to } => line(phrases.invite_sent, &[Text(to), room]),
        _ => {}
    }
}

/// Names that come or go together.
fn joint(out: &mut Vec<u8>, phrases: &Phrases, names: &[Nickname]) {
    if names.len() <= JOINT_MAX {
        list(out, names, phrases.comma, Some(phrases.and));
    } else {
        list(out, &names[..JOINT_MAX], phrases.comma, None);
        out.extend_from_slice(phrases.and.as_bytes());
        fill(out, phrases.more, &[Part::Count(names.len() - JOINT_MAX)]);
    }
}

/// Names with `comma` between them, or `last` before the last one.
fn list(out: &mut Vec<u8>, names: &[Nickname], comma: &str, last: Option<&str>) {
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            let separator = if i + 1 == names.len() { last.unwrap_or(comma) } else { comma };
            out.extend_from_slice(separator.as_bytes());
        }
        out.extend_from_slice(name.as_str().as_bytes());
    }
}

static EN: Phrases = Phrases {
    password_asked: "What is the password?",
    asked: "Welcome to chinwag. What is your nickname?",
    welcomed: "You are {}. Here now: {}. Type /help for help.",
    joined: "{} joined ({} here)",
    left: "{} left ({} here)",
    left_because: "{} left: {} ({} here)",
    renamed: "{} is now {}",
    you: "you",
    here: "{} here: {}",
    there: "{} in {}: {}",
    nothing_said: "Nothing has been said yet.",
    day: "{} (UTC)",
    older_lines: "There are older lines. Type /history more to see them.",
    found: "Found, the newest first, in UTC:",
    nothing_found: "Nothing was found.",
    more_found: "There are more. Type /search more to see them.",
    forgotten: "Deleted: {} of your lines.",
    no_archive: "This server does not keep what is said.",
    archive_failed: "The archive cannot answer now. Try again later.",
    query_empty: "Say what to look for: a word, or from:NAME.",
    query_too_long: "A search has at most {} bytes and 16 words.",
    query_word: "{} has neither letters nor digits.",
    query_name: "{} cannot be anybody's name.",
    query_room: "{} cannot be the name of a room.",
    query_date: "{} is no date. Write it as 2026-01-31 or 2026-01-31T13:45.",
    query_twice: "{} can stand only once in a search.",
    no_more: "There is nothing more to show.",
    ignoring: "You ignore: {}.",
    ignoring_nobody: "You ignore nobody.",
    in_room: "You are in {}. Here now: {}.",
    where_you_are: "You are in {}.",
    parted: "You have left {}.",
    room: "{} ({} here)",
    room_about: "{} ({} here): {}",
    more_rooms: "and {} more",
    topic_set: "{} says what {} is about: {}",
    topic_gone: "{} says that {} is about nothing in particular",
    topic: "{} is about: {}",
    no_topic: "{} has no topic.",
    invited: "{} invites you to {}. Type /join {} to go there.",
    invite_sent: "You have invited {} to {}.",
    no_such_room: "There is no room {}.",
    room_name: "{} cannot be the name of a room: 1 to 32 letters and digits, with - _ . inside.",
    not_in_room: "You are not in {}.",
    already_in: "You are in {} already.",
    too_many_rooms: "You cannot be in more than {} rooms.",
    rooms_full: "There are {} rooms already. Join one of them: /rooms lists them.",
    rooms_fixed: "No other rooms can be made here. /rooms lists those that there are.",
    is_there: "{} is there already.",
    topic_too_long: "A topic has at most {} bytes.",
    token: "It is too late to go on where you were, or that was not you.",
    password: "That is not the password. Try again.",
    password_needed: "The password comes first.",
    not_resumable: "You are here already.",
    key: "A key has 1 to {} bytes.",
    no_accounts: "There are no accounts on this server.",
    name_registered: "The nickname {} is registered. If it is yours: /login {} PASSWORD",
    no_account: "There is no account {}.",
    account_needed: "Only people with an account may come in. Ask whoever runs this server.",
    not_logged_in: "You are not logged in.",
    is_logged_in: "You are logged in already.",
    wrong_password: "That is not the password.",
    password_bytes: "A password has 8 to 128 bytes.",
    password_is_name: "The password cannot be the nickname.",
    insecure: "Others could read a password here on its way: this address is not encrypted.",
    too_many_tries: "Too many passwords have been tried from your address. Wait a minute.",
    busy: "The server has too many passwords to check now. Try again.",
    accounts_full: "There are as many accounts as there can be.",
    operators_name: "That name is for an operator: only who runs the server can register it.",
    room_operator_only: "Only an operator of {} may do that.",
    operator_only: "Only an operator of the server may do that.",
    is_operator: "{} is an operator of the server.",
    yourself: "That would be you.",
    not_for_lobby: "Everybody begins in this room, so nobody can be kept out of it.",
    has_rank: "{} has that rank already, or a higher one.",
    has_no_rank: "{} does not have that rank.",
    not_there: "{} is not in this room.",
    no_sanction: "Nothing is decided against {}.",
    too_many_sanctions: "There are {} of those already. Lift some first.",
    span: "{} is no time. Write it as 30m, 1h, 2d or forever.",
    reason_too_long: "A reason has at most {} bytes.",
    muted: "You are muted.",
    muted_until: "You are muted until {}.",
    moderated: "This room is moderated: only operators and the voiced may speak.",
    slow: "Slow mode: you may speak again in {} seconds.",
    too_new: "The server is locked: you are too new to speak here without an account.",
    locked: "The server is locked: only who has an account or was here may come in.",
    invite_only: "{} is only for those who are invited.",
    room_key: "{} has a key: /join ROOM KEY",
    room_full: "{} is full.",
    room_banned: "You are banned from {}.",
    too_late: "That was too long ago, and nothing was done. Ask for it again.",
    not_said: "That was not done: you may not do it any more.",
    order: order::EN,
    goodbye: "Goodbye.",
    stopping: "The server is stopping.",
    relay_away: "The relay is away; what you say waits.",
    relay_back: "The relay is back.",
    closed_relay_lost: "The relay is lost. Lines of yours that were read but not said: {}. \
                        Nothing after them was said.",
    closed_relay_rewound: "The relay has lost what was said last. Come again.",
    left_relay_lost: "relay lost",
    taken: "The nickname {} is taken. Try another.",
    same_name: "You are already called {}.",
    nobody: "Nobody here is called {}.",
    tell_self: "You cannot message yourself.",
    tell_too_much: "{} has too much to read already. Your message was not sent.",
    nothing_to_reply: "Nobody has messaged you yet.",
    ignore_self: "You cannot ignore yourself.",
    ignore_too_many: "You cannot ignore more than {} people.",
    not_ignored: "You do not ignore {}.",
    usage: "Usage: {}",
    unknown_command: "There is no command /{}. Type /help for help.",
    line_too_long: "That line is longer than {} bytes and was not sent.",
    too_many_lines: "No more lines than {} can be said at once here. Nothing was sent.",
    not_utf8: "That line is not UTF-8 text and was not sent.",
    name_empty: "A nickname cannot be empty. Try another.",
    name_too_long: "A nickname has at most 32 characters and 128 bytes. Try another.",
    name_start: "A nickname begins with a letter, a digit or _. Try another.",
    name_character: "A nickname is made of letters and digits, with - _ . inside. Try another.",
    name_reserved: "The nickname {} is reserved. Try another.",
    closed_too_slow: "You are too far behind the room and have been disconnected.",
    closed_nick_timeout: "You gave no nickname within {} seconds.",
    closed_unended: "{} bytes came without a line end.",
    closed_server_full: "The server is full.",
    closed_address_full: "There are too many connections from your address.",
    closed_address_too_fast: "Too many have come from your address at once. Try again in a minute.",
    closed_violation: "What your program sent is against the protocol, or too long ({}).",
    closed_unresponsive: "Nothing was heard of you for too long.",
    closed_replaced: "You have come back over another connection.",
    closed_wrong_tokens: "Your program has given {} wrong tokens.",
    closed_wrong_passwords: "You have given {} wrong passwords.",
    left_connection_lost: "connection lost",
    left_too_slow: "too slow",
    left_unended: "no line end",
    left_timed_out: "timed out",
    left_violation: "protocol error",
    comma: ", ",
    and: " and ",
    more: "{} more",
    help: [
        ("/me TEXT", "say what you do: ** alice waves"),
        ("/msg NAME TEXT", "say something to one person alone; also /tell"),
        ("/reply TEXT", "answer the last person who messaged you; also /r"),
        ("/nick NAME", "take another nickname"),
        ("/who [#ROOM]", "list who is here, or in another room; also /names, /list and #"),
        ("/whois NAME", "say who somebody is: account and rooms"),
        (
            "/history [COUNT]",
            "show the last lines again, in UTC; also /history #ROOM, before DATE, more",
        ),
        (
            "/search WORDS [from:NAME] [in:#ROOM] [before:DATE] [after:DATE]",
            "look for what was said; /search more shows older lines",
        ),
        ("/forget me", "let nobody see again what you have said since you came"),
        (
            "/join [ROOM [KEY]]",
            "go to a room, which is made if there is none; or say where you are",
        ),
        ("/part", "leave the room; where one is in one room at a time, go back to the first"),
        ("/rooms", "list the rooms, with how many are there and what they are about"),
        ("/topic [TEXT]", "say what the room is about, or ask for it"),
        ("/invite NAME", "tell somebody of the room that you are in"),
        (
            "/room [SETTING VALUE]",
            "show or set topic, moderated, invite, secret, members (on, off), key and limit",
        ),
        ("/ignore [NAME]", "hear no more of somebody, or list whom you ignore"),
        ("/unignore NAME", "hear somebody again"),
        ("/register PASSWORD", "make your nickname your account"),
        ("/login NAME PASSWORD", "log in to your account"),
        ("/password OLD NEW", "give your account another password"),
        ("/logout", "log out, here and on every page that remembers you"),
        ("/unregister PASSWORD", "give up your account"),
        ("/oper NAME PASSWORD", "become an operator of the server"),
        ("/op NAME", "make somebody an operator of the room"),
        ("/deop NAME", "take that back"),
        ("/voice NAME", "let somebody speak in a moderated room"),
        ("/devoice NAME", "take that back"),
        ("/kick NAME [WHY]", "put somebody out of the room"),
        (
            "/ban [#ROOM] NAME [TIME] [WHY]",
            "keep somebody out, for 1h unless you say 30m, 2d, forever; also an address",
        ),
        ("/unban [#ROOM] NAME", "let somebody in again"),
        ("/bans [#ROOM]", "list who is banned or muted"),
        ("/mute NAME [TIME] [WHY]", "let somebody say nothing, as with /ban"),
        ("/unmute NAME", "let somebody speak again"),
        ("/kill NAME [WHY]", "put somebody off the server"),
        ("/lock [AGE]", "let nobody new in without an account, or speak before 10m; /lock off"),
        ("/slow SECONDS", "let everybody say one line in so many seconds; /slow off"),
        ("/announce TEXT", "say something in all rooms"),
        ("/audit", "show what operators did last"),
        ("/reload", "read the configuration again"),
        ("/help [COMMAND]", "show this, or one command; also &"),
        ("/quit [REASON]", "leave; also /exit, quit and exit. //text says /text"),
    ],
};

static ZH: Phrases = Phrases {
    password_asked: "请输入密码:",
    asked: "欢迎来到 chinwag。请输入您的昵称:",
    welcomed: "您的昵称是 {}。在线: {}。输入 /help 查看帮助。",
    joined: "{} 加入了聊天 (在线 {} 人)",
    left: "{} 离开了聊天 (在线 {} 人)",
    left_because: "{} 离开了聊天: {} (在线 {} 人)",
    renamed: "{} 改名为 {}",
    you: "你",
    here: "在线 {} 人: {}",
    there: "{} 人在 {}: {}",
    nothing_said: "还没有人说过话。",
    day: "{} (UTC)",
    older_lines: "还有更早的记录。输入 /history more 查看。",
    found: "找到以下记录，从新到旧 (UTC 时间):",
    nothing_found: "没有找到。",
    more_found: "还有更多。输入 /search more 查看。",
    forgotten: "已删除您的 {} 条记录。",
    no_archive: "本服务器不保存聊天记录。",
    archive_failed: "现在无法查询记录，请稍后再试。",
    query_empty: "请说明要找什么: 一个词，或 from:昵称。",
    query_too_long: "搜索最多 {} 字节、16 个词。",
    query_word: "{} 里没有字母或数字。",
    query_name: "{} 不能是昵称。",
    query_room: "{} 不能是房间名。",
    query_date: "{} 不是日期。请写成 2026-01-31 或 2026-01-31T13:45。",
    query_twice: "搜索中 {} 只能出现一次。",
    no_more: "没有更多了。",
    ignoring: "您屏蔽了: {}。",
    ignoring_nobody: "您没有屏蔽任何人。",
    in_room: "您在 {}。这里有: {}。",
    where_you_are: "您在 {}。",
    parted: "您已离开 {}。",
    room: "{} ({} 人)",
    room_about: "{} ({} 人): {}",
    more_rooms: "还有 {} 个房间",
    topic_set: "{} 设定了 {} 的主题: {}",
    topic_gone: "{} 取消了 {} 的主题",
    topic: "{} 的主题: {}",
    no_topic: "{} 没有主题。",
    invited: "{} 邀请您去 {}。输入 /join {} 前往。",
    invite_sent: "您已邀请 {} 来 {}。",
    no_such_room: "没有房间 {}。",
    room_name: "{} 不能作房间名: 1 到 32 个字母或数字，中间可有 - _ .。",
    not_in_room: "您不在 {}。",
    already_in: "您已经在 {}。",
    too_many_rooms: "您最多可以在 {} 个房间。",
    rooms_full: "已经有 {} 个房间了。请加入其中一个: /rooms 列出房间。",
    rooms_fixed: "这里不能再开房间。/rooms 列出现有的房间。",
    is_there: "{} 已经在那里了。",
    topic_too_long: "主题最多 {} 字节。",
    token: "无法继续之前的会话，请重新加入。",
    password: "密码不对，请重试。",
    password_needed: "请先输入密码。",
    not_resumable: "您已经在这里了。",
    key: "key 须为 1 到 {} 字节。",
    no_accounts: "本服务器没有账号功能。",
    name_registered: "昵称 {} 已注册。如果是您的: /login {} 密码",
    no_account: "没有账号 {}。",
    account_needed: "只有有账号的人可以进入。请向服务器的主人申请。",
    not_logged_in: "您没有登录。",
    is_logged_in: "您已经登录了。",
    wrong_password: "密码不对。",
    password_bytes: "密码须为 8 到 128 字节。",
    password_is_name: "密码不能与昵称相同。",
    insecure: "此地址没有加密，密码可能被别人看到，所以不接受。",
    too_many_tries: "您的地址试密码太多次了，请等一分钟。",
    busy: "服务器现在太忙，请稍后再试。",
    accounts_full: "账号数量已满。",
    operators_name: "这是管理员的名字，只有服务器的主人可以注册。",
    room_operator_only: "只有 {} 的管理员可以这样做。",
    operator_only: "只有服务器管理员可以这样做。",
    is_operator: "{} 是服务器管理员。",
    yourself: "那是您自己。",
    not_for_lobby: "大家都从这个房间开始，所以不能禁止进入。",
    has_rank: "{} 已经有这个或更高的级别。",
    has_no_rank: "{} 没有这个级别。",
    not_there: "{} 不在这个房间。",
    no_sanction: "没有针对 {} 的处罚。",
    too_many_sanctions: "已经有 {} 条了，请先解除一些。",
    span: "{} 不是时间。请写成 30m、1h、2d 或 forever。",
    reason_too_long: "理由最多 {} 字节。",
    muted: "您已被禁言。",
    muted_until: "您已被禁言，直到 {}。",
    moderated: "这个房间只有管理员和有发言权的人可以说话。",
    slow: "慢速模式: {} 秒后可以再说。",
    too_new: "服务器已锁定: 没有账号的新人暂时不能说话。",
    locked: "服务器已锁定: 只有有账号的人和在线过的人可以进入。",
    invite_only: "{} 只有受邀的人可以进入。",
    room_key: "{} 有口令: /join 房间 口令",
    room_full: "{} 已满。",
    room_banned: "您被禁止进入 {}。",
    too_late: "时间过久，没有执行。请重新输入命令。",
    not_said: "没有执行: 您不再有此权限。",
    order: order::ZH,
    goodbye: "再见。",
    stopping: "服务器即将停止。",
    relay_away: "中继暂时不可用，你说的话会稍后送出。",
    relay_back: "中继已恢复。",
    closed_relay_lost: "中继已断开。你有 {} 行已读取但没有送出，之后写的也都没有送出。",
    closed_relay_rewound: "中继丢失了最近的内容，请重新进入。",
    left_relay_lost: "中继断开",
    taken: "昵称 {} 已被使用，请换一个。",
    same_name: "您的昵称已经是 {}。",
    nobody: "这里没有人叫 {}。",
    tell_self: "不能给自己发私信。",
    tell_too_much: "{} 未读的消息太多，您的私信没有发送。",
    nothing_to_reply: "还没有人给您发过私信。",
    ignore_self: "不能屏蔽自己。",
    ignore_too_many: "最多只能屏蔽 {} 人。",
    not_ignored: "您没有屏蔽 {}。",
    usage: "用法: {}",
    unknown_command: "没有 /{} 这个命令。输入 /help 查看帮助。",
    line_too_long: "这一行超过 {} 字节，没有发送。",
    too_many_lines: "这里一次最多可以发 {} 行，没有发送。",
    not_utf8: "这一行不是 UTF-8 文本，没有发送。",
    name_empty: "昵称不能为空，请换一个。",
    name_too_long: "昵称最多 32 个字符、128 字节，请换一个。",
    name_start: "昵称须以字母、数字或 _ 开头，请换一个。",
    name_character: "昵称只能由字母和数字组成，中间可以有 - _ .，请换一个。",
    name_reserved: "昵称 {} 是保留的，请换一个。",
    closed_too_slow: "您落后太多，连接已断开。",
    closed_nick_timeout: "您在 {} 秒内没有输入昵称。",
    closed_unended: "收到 {} 字节却没有换行。",
    closed_server_full: "服务器已满。",
    closed_address_full: "来自您的地址的连接太多。",
    closed_address_too_fast: "您的地址一下子来了太多连接。请过一分钟再试。",
    closed_violation: "您的程序发送的内容不符合协议或太长 ({})。",
    closed_unresponsive: "太久没有收到您的响应。",
    closed_replaced: "您已通过另一个连接回来。",
    closed_wrong_tokens: "您的程序给出了 {} 个错误的令牌。",
    closed_wrong_passwords: "您输入了 {} 次错误的密码。",
    left_connection_lost: "连接中断",
    left_too_slow: "接收太慢",
    left_unended: "没有换行",
    left_timed_out: "超时",
    left_violation: "协议错误",
    comma: ", ",
    and: " 和 ",
    more: "另外 {} 人",
    help: [
        ("/me 文本", "描述您的动作: ** alice 挥手"),
        ("/msg 昵称 文本", "给一个人发私信; 也可用 /tell"),
        ("/reply 文本", "回复最后给您发私信的人; 也可用 /r"),
        ("/nick 昵称", "换一个昵称"),
        ("/who [#房间]", "列出在线的人，或另一个房间里的人; 也可用 /names、/list 和 #"),
        ("/whois 昵称", "查看某人的账号和房间"),
        (
            "/history [条数]",
            "再看一遍最近的聊天记录 (UTC 时间); 也可用 /history #房间、before 日期、more",
        ),
        (
            "/search 词 [from:昵称] [in:#房间] [before:日期] [after:日期]",
            "查找说过的话; /search more 看更早的",
        ),
        ("/forget me", "让别人再也看不到您这次进来后说过的话"),
        ("/join [房间]", "去一个房间，没有就新开一个; 或告诉您在哪里"),
        ("/part", "离开房间; 一次只在一个房间时，回到大厅"),
        ("/rooms", "列出房间、人数和主题"),
        ("/topic [文本]", "设定房间的主题，或查看主题"),
        ("/invite 昵称", "告诉某人您所在的房间"),
        (
            "/room [设置 值]",
            "查看或更改 topic、moderated、invite、secret、members (on, off)、key、limit",
        ),
        ("/ignore [昵称]", "屏蔽某人，或列出您屏蔽的人"),
        ("/unignore 昵称", "不再屏蔽某人"),
        ("/register 密码", "把您的昵称注册为账号"),
        ("/login 昵称 密码", "登录您的账号"),
        ("/password 旧密码 新密码", "更改密码"),
        ("/logout", "退出登录，所有记住您的网页也一样"),
        ("/unregister 密码", "注销账号"),
        ("/oper 名字 密码", "成为服务器管理员"),
        ("/op 昵称", "让某人成为房间管理员"),
        ("/deop 昵称", "取消房间管理员"),
        ("/voice 昵称", "让某人可以在受管制的房间说话"),
        ("/devoice 昵称", "取消发言权"),
        ("/kick 昵称 [理由]", "把某人踢出房间"),
        (
            "/ban [#房间] 昵称 [时间] [理由]",
            "禁止某人进入，默认 1h，也可写 30m、2d、forever; 也可用地址",
        ),
        ("/unban [#房间] 昵称", "解除封禁"),
        ("/bans [#房间]", "列出封禁和禁言"),
        ("/mute 昵称 [时间] [理由]", "禁言某人，写法同 /ban"),
        ("/unmute 昵称", "解除禁言"),
        ("/kill 昵称 [理由]", "把某人移出服务器"),
        ("/lock [时长]", "不让没有账号的新人进入; 或如 10m，进来这么久后才能说话; /lock off"),
        ("/slow 秒数", "每人隔这么多秒才能说一句; /slow off"),
        ("/announce 文本", "在所有房间宣布"),
        ("/audit", "查看管理员最近的操作"),
        ("/reload", "重新读取配置"),
        ("/help [命令]", "显示帮助，或一个命令的帮助; 也可用 &"),
        ("/quit [原因]", "离开; 也可用 /exit、quit 和 exit。//文本 即发送 /文本"),
    ],
};

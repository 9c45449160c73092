//! What must hold of [`chinwag::dialect::Dialect::encode`]: an event is told in whole frames, each
//! a line of its own, with nothing in it that was not fit to be shown.

use std::time::Duration;

use chinwag::dialect::{About, Dialect, Lang};
use chinwag::event::{CloseReason, Event, Parting, Refusal, Said, Topic, TopicView};
use chinwag::nickname::{Nickname, NicknameError};
use chinwag::text;

use super::input::Input;
use super::words::is_forbidden;

/// What events are made of.
#[derive(Debug)]
struct Parts {
    one: String,
    other: String,
    motd: Vec<String>,
    names: Vec<Nickname>,
    topics: Vec<Topic>,
    count: usize,
    flag: bool,
    reason: CloseReason,
    error: NicknameError,
    said: Said,
}

/// How many kinds of events [`Parts::event`] makes, and of refusals [`Parts::refusal`].
const EVENTS: usize = 26;
const REFUSALS: usize = 17;

/// Tells everybody everything that can be made of these parts.
pub fn encode(data: &[u8]) {
    let parts = Parts::draw(&mut Input::new(data));
    for dialect in Dialect::ALL {
        for lang in [Lang::En, Lang::Zh] {
            for kind in 0..EVENTS {
                check(dialect, lang, &parts.event(kind));
            }
            for kind in 0..REFUSALS {
                check(dialect, lang, &Event::Refused(parts.refusal(kind)));
            }
        }
    }
}

impl Parts {
    fn draw(input: &mut Input<'_>) -> Parts {
        let number = input.byte();
        let names = (0..input.below(12)).map(|_| name(input)).collect();
        let line = |input: &mut Input<'_>| text::clean(&input.text()).into_owned();
        let (one, other) = (line(input), line(input));
        let motd = (0..input.below(3)).map(|_| line(input)).collect();
        let said = Said {
            id: 0,
            unix_seconds: u64::from_le_bytes([(); 8].map(|()| input.byte())),
            from: line(input),
            text: line(input),
            emote: input.flag(),
            ..Said::default()
        };
        let limit = Duration::from_millis(u64::from(number) * 100);
        let reason = input.one_of(&[
            CloseReason::Quit,
            CloseReason::EndOfInput,
            CloseReason::ConnectionLost,
            CloseReason::TooSlow,
            CloseReason::Stalled,
            CloseReason::NickTimeout(limit),
            CloseReason::Unterminated(number.into()),
            CloseReason::WrongProtocol,
            CloseReason::ServerFull,
            CloseReason::TimedOut,
            CloseReason::AddressFull,
            CloseReason::Stopping,
            CloseReason::Answered,
            CloseReason::RequestTimeout,
            CloseReason::Violation(number.into()),
            CloseReason::Unresponsive,
        ]);
        let error = input.one_of(&[
            NicknameError::Empty,
            NicknameError::TooLong,
            NicknameError::BadCharacter,
            NicknameError::BadStart,
            NicknameError::BadEnd,
            NicknameError::Reserved,
        ]);
        let topics = (0..1 + input.below(4)).map(|_| input.one_of(&Topic::ALL)).collect();
        let (count, flag) = (number.into(), input.flag());
        Parts { one, other, motd, names, topics, count, flag, reason, error, said }
    }

    fn event(&self, kind: usize) -> Event<'_> {
        let Parts { names, count, .. } = self;
        let at = self.said.unix_seconds;
        let (one, other) = (&*self.one, &*self.other);
        let parting = match self.flag {
            _ if self.count.is_multiple_of(3) => Parting::Plain,
            true => Parting::Words(one),
            false => Parting::Reason(self.reason),
        };
        match kind {
            0 => Event::Asked { motd: &self.motd, line_bytes_max: *count },
            1 => Event::AskedAgain,
            2 => Event::Welcomed { name: one, here: names, count: *count },
            3 => Event::Entered { name: one, as_given: self.flag },
            4 => Event::Said { from: one, text: other, at, id: *count as u64 },
            5 => Event::Emoted { from: one, text: other, at, id: *count as u64 },
            6 => Event::Joined { names, count: *count },
            7 => Event::Left { names, why: parting, count: *count, is_gone: self.flag },
            8 => Event::Renamed { old: one, new: other },
            9 => Event::Told { from: one, text: other, at, id: *count as u64 },
            10 => Event::Sent { to: one, text: other, at, id: *count as u64 },
            11 => Event::Here { names, count: *count, ranks: &[], elsewhere: false },
            12 => Event::Recalled(&self.said),
            13 => Event::NothingSaid,
            14 => Event::Ignoring(names),
            15 => Event::Helped(&self.topics),
            16 => Event::Goodbye,
            17 => Event::Stopping,
            18 => Event::Refused(Refusal::Closed(self.reason)),
            19 => Event::TopicSet(TopicView { text: other, by: one, at }),
            20 => Event::TopicIs(None),
            21 => Event::Where,
            22 => Event::Parted,
            23 => Event::Invited { from: one },
            24 => Event::InviteSent { to: one },
            _ => Event::Ignoring(&[]),
        }
    }

    fn refusal(&self, kind: usize) -> Refusal<'_> {
        match kind {
            0 => Refusal::Taken(&self.one),
            1 => Refusal::Nickname(self.error, &self.one),
            2 => Refusal::SameName(&self.one),
            3 => Refusal::Nobody(&self.one),
            4 => Refusal::TellSelf,
            5 => Refusal::NothingToReply,
            6 => Refusal::IgnoreSelf,
            7 => Refusal::IgnoreTooMany(self.count),
            8 => Refusal::NotIgnored(&self.one),
            9 => Refusal::Usage(self.topics[0]),
            10 => Refusal::UnknownCommand(&self.one),
            11 => Refusal::LineTooLong(self.count),
            12 => Refusal::NotUtf8,
            13 => Refusal::TellTooMuch(&self.one),
            14 => Refusal::NoSuchRoom(&self.one),
            15 => Refusal::TooManyRooms(self.count),
            _ => Refusal::Closed(self.reason),
        }
    }
}

/// A name: that which is drawn, if it can be one.
fn name(input: &mut Input<'_>) -> Nickname {
    let drawn = Nickname::parse(&input.text());
    let parsed = drawn.or_else(|_| Nickname::parse(input.one_of(&["al", "王芳", "Émile", "o"])));
    parsed.unwrap_or_else(|error| unreachable!("a plain name: {error}"))
}

fn check(dialect: Dialect, lang: Lang, event: &Event<'_>) {
    const BEFORE: &[u8] = b"before\n";
    let mut out = BEFORE.to_vec();
    dialect.encode(lang, event, &mut out);
    assert!(out.starts_with(BEFORE), "what was there stays");
    if let Dialect::Irc(_) = dialect {
        return check_irc(event, &out[BEFORE.len()..]);
    }
    let mut alone = BEFORE.to_vec();
    let about = About { name: Some("al"), ..About::default() };
    dialect.encode_about(lang, &about, event, &mut alone);
    assert_eq!(alone, out, "no dialect so far tells its only reader how they are called");
    #[cfg(feature = "web")]
    if dialect == Dialect::Web {
        return check_web(event, &out[BEFORE.len()..]);
    }
    let told = String::from_utf8_lossy(&out[BEFORE.len()..]);
    assert!(!told.contains('\u{fffd}') || format!("{event:?}").contains('\u{fffd}'), "{told:?}");

    let without_end = dialect == Dialect::Register
        && matches!(event, Event::Asked { .. } | Event::AskedAgain | Event::Goodbye);
    let end = match dialect {
        _ if without_end => "",
        Dialect::Anonymous => "\r\n",
        _ => "\n",
    };
    let lines = match told.strip_suffix(end) {
        _ if told.is_empty() => Vec::new(),
        Some(lines) if !end.is_empty() => lines.split(end).collect(),
        Some(line) => vec![line],
        None => unreachable!("{dialect}: {told:?} has no end"),
    };
    for line in &lines {
        assert!(!line.contains(is_forbidden), "{dialect}: {line:?} of {event:?}");
    }
    if let Some(count) = count(dialect, event) {
        assert_eq!(lines.len(), count, "{dialect}: {told:?} of {event:?}");
    }
    for part in shown(dialect, event) {
        assert!(told.contains(part), "{dialect}: {part:?} is not in {told:?}");
    }
}

/// IRC clients are told lines of at most 512 bytes, in which nothing is that could be another line.
fn check_irc(event: &Event<'_>, out: &[u8]) {
    let told = std::str::from_utf8(out).unwrap_or_else(|error| unreachable!("{error}"));
    assert!(told.is_empty() || told.ends_with("\r\n"), "{told:?} has no end");
    for line in told.split_terminator("\r\n") {
        let without_action = line.replace('\u{1}', "");
        assert!(!without_action.contains(is_forbidden), "{line:?} of {event:?}");
        let is_whole = line.len() <= 510 || line.split(' ').nth(1) != Some("PRIVMSG");
        assert!(is_whole, "{} bytes: {line:?}", line.len());
    }
}

/// To browsers an event is told in one object, and the end in a close frame.
#[cfg(feature = "web")]
fn check_web(event: &Event<'_>, out: &[u8]) {
    let frames = super::web::frames(out);
    let events = super::web::events(&frames);
    let ends = matches!(event, Event::Goodbye | Event::Refused(Refusal::Closed(_)));
    assert_eq!(frames.iter().filter(|(opcode, _)| *opcode == 8).count(), usize::from(ends));
    assert_eq!(frames.last().is_some_and(|(opcode, _)| *opcode == 8), ends, "it is the last");
    assert!(frames.iter().all(|(_, payload)| !payload.contains(&b'\n')), "JSON and no more");
    let silent = matches!(event, Event::AskedAgain | Event::Entered { .. });
    assert!(ends && events.len() <= 1 || events.len() == usize::from(!silent), "{event:?}");
    let Some(told) = events.first() else { return };
    assert!(told["type"].is_string(), "{told}");
    for part in shown(Dialect::Web, event) {
        assert!(holds(told, part), "{part:?} is not in {told}");
    }
}

/// Whether a string is `part`.
#[cfg(feature = "web")]
fn holds(told: &serde_json::Value, part: &str) -> bool {
    match told {
        serde_json::Value::String(text) => text == part,
        serde_json::Value::Array(values) => values.iter().any(|value| holds(value, part)),
        serde_json::Value::Object(fields) => fields.values().any(|value| holds(value, part)),
        _ => false,
    }
}

/// How many lines it takes to tell an event, where that is certain.
fn count(dialect: Dialect, event: &Event<'_>) -> Option<usize> {
    let lines = dialect == Dialect::Lines;
    match event {
        Event::Said { .. }
        | Event::Emoted { .. }
        | Event::Joined { .. }
        | Event::Left { .. }
        | Event::Renamed { .. }
        | Event::Told { .. }
        | Event::Here { .. }
        | Event::Stopping => Some(1),
        Event::Asked { motd, .. } if lines => Some(motd.len() + 1),
        Event::Helped(topics) if lines => Some(topics.len()),
        Event::AskedAgain | Event::Entered { .. } if lines => Some(0),
        Event::Refused(Refusal::Closed(_)) => None,
        // It may be somebody else's address.
        Event::Refused(_) => Some(usize::from(dialect != Dialect::Datagram)),
        _ if lines => Some(1),
        _ => None,
    }
}

/// The texts that must be told just as they are.
fn shown<'a>(dialect: Dialect, event: &Event<'a>) -> Vec<&'a str> {
    match *event {
        Event::Said { from, text, .. }
        | Event::Emoted { from, text, .. }
        | Event::Told { from, text, .. } => vec![from, text],
        Event::Renamed { old, new } => vec![old, new],
        Event::Here { names, .. } => names.iter().map(Nickname::as_str).collect(),
        Event::Joined { names, .. } | Event::Left { names, .. } => {
            names.iter().take(8).map(Nickname::as_str).collect()
        }
        _ if dialect != Dialect::Lines => Vec::new(),
        Event::Sent { to, text, .. } => vec![to, text],
        Event::Welcomed { name, .. } => vec![name],
        Event::Recalled(said) => vec![&said.from, &said.text],
        Event::Ignoring(names) => names.iter().map(Nickname::as_str).collect(),
        Event::Refused(Refusal::Nobody(text) | Refusal::UnknownCommand(text)) => vec![text],
        _ => Vec::new(),
    }
}

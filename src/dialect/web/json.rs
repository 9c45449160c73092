//! What travels to and from browsers, as types: [`ServerMessage`] is what somebody is told, and
//! [`ClientMessage`] what somebody asks for. Both are documented in `docs/websocket.md`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::dialect::Lang;
use crate::dialect::phrases::{self, Part, Phrases, WHOLE_WELCOME_MAX};
use crate::event::{CloseReason, Command, Event, Parting, Refusal, Said, Topic};
use crate::nickname::Nickname;

/// What somebody is told, one object for each event. Sentences are there in each language, because
/// the same bytes go to everyone.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ServerMessage<'a> {
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
    },
    Leave {
        names: Vec<&'a str>,
        count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        words: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Localized>,
    },
    Nick {
        old: &'a str,
        new: &'a str,
    },
    Who {
        members: Vec<&'a str>,
        count: usize,
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
    },
    Refused {
        why: &'static str,
        text: Localized,
    },
    Goodbye,
    Stopping,
}

/// What all are told who come: an object but for its beginning, which is each newcomer's own.
#[derive(Serialize)]
pub(super) struct Company<'a> {
    members: Vec<&'a str>,
    count: usize,
    history: Vec<ServerMessage<'a>>,
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
    fn new(write: impl Fn(&Phrases, &mut Vec<u8>)) -> Localized {
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

    /// Why something was not done.
    pub(super) fn refusal(refusal: Refusal<'_>) -> Localized {
        Localized::new(|phrases, out| phrases.refuse(refusal, "", "", out))
    }
}

impl<'a> Company<'a> {
    /// The first of those who are here, how many are, and what was said last.
    pub(super) fn of(here: &'a [Nickname], count: usize, history: &[&'a Said]) -> Company<'a> {
        let history = history.iter().map(|said| ServerMessage::line(said, false)).collect();
        Company { members: names(here), count, history }
    }
}

impl<'a> ServerMessage<'a> {
    /// An event as browsers are told it; `None` if they are not.
    pub(super) fn of(event: &'a Event<'a>) -> Option<ServerMessage<'a>> {
        let again = false;
        Some(match *event {
            Event::Asked { motd, line_bytes_max } => ServerMessage::Ask { motd, line_bytes_max },
            Event::Said { from, text, at } => ServerMessage::Say(Line { from, text, at, again }),
            Event::Emoted { from, text, at } => ServerMessage::Me(Line { from, text, at, again }),
            Event::Told { from, text, at } => ServerMessage::Msg(Line { from, text, at, again }),
            Event::Sent { to, text, at } => ServerMessage::Sent { to, text, at },
            Event::Recalled(said) => ServerMessage::line(said, true),
            Event::Joined { names: new, count } => ServerMessage::Join { names: names(new), count },
            Event::Left { names: gone, why, count } => {
                let (words, why) = match why {
                    Parting::Plain => (None, None),
                    Parting::Words(words) => (Some(words), None),
                    Parting::Reason(reason) => (None, parting(reason)),
                };
                ServerMessage::Leave { names: names(gone), count, words, why }
            }
            Event::Renamed { old, new } => ServerMessage::Nick { old, new },
            Event::Here { names: here, count } => {
                ServerMessage::Who { members: names(here), count }
            }
            Event::Ignoring(ignored) => ServerMessage::Ignoring {
                names: names(ignored),
                text: Localized::new(|phrases, out| match ignored {
                    [] => phrases::fill(out, phrases.ignoring_nobody, &[]),
                    _ => phrases::fill(
                        out,
                        phrases.ignoring,
                        &[Part::Listed(phrases, ignored, ignored.len())],
                    ),
                }),
            },
            Event::Helped(topics) => {
                let help = |topic: &Topic| Help {
                    form: Localized::plain(|phrases| phrases.form(*topic)),
                    purpose: Localized::plain(|phrases| phrases.purpose(*topic)),
                };
                ServerMessage::Help { commands: topics.iter().map(help).collect() }
            }
            Event::NothingSaid => {
                ServerMessage::Notice { text: Localized::plain(|phrases| phrases.nothing_said) }
            }
            Event::Refused(refusal) => {
                ServerMessage::Refused { why: label(refusal), text: Localized::refusal(refusal) }
            }
            Event::Goodbye => ServerMessage::Goodbye,
            Event::Stopping => ServerMessage::Stopping,
            Event::AskedAgain | Event::Welcomed { .. } | Event::Entered { .. } => return None,
        })
    }

    fn line(said: &'a Said, again: bool) -> ServerMessage<'a> {
        let line = Line { from: &said.from, text: &said.text, at: said.unix_seconds, again };
        if said.emote { ServerMessage::Me(line) } else { ServerMessage::Say(line) }
    }
}

/// Names, as many as are told at once.
fn names(names: &[Nickname]) -> Vec<&str> {
    names.iter().take(WHOLE_WELCOME_MAX).map(Nickname::as_str).collect()
}

fn parting(reason: CloseReason) -> Option<Localized> {
    phrases::of(Lang::En).parting(reason)?;
    Some(Localized::plain(|phrases| phrases.parting(reason).unwrap_or_default()))
}

/// Why something was not done, for programs.
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
        Refusal::Usage(_) => "usage",
        Refusal::UnknownCommand(_) => "unknown_command",
        Refusal::LineTooLong(_) => "line_too_long",
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
    /// To or of whom.
    name: String,
    /// What is said; of what is unknown, what it is called.
    text: String,
    /// How many.
    count: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Say,
    Me,
    Msg,
    Reply,
    Nick,
    Who,
    History,
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
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    to: Cow<'a, str>,
    #[serde(default)]
    count: Option<usize>,
}

impl ClientMessage {
    /// Reads a message. Returns with it how many bytes the longest thing in it has; `None` if it is
    /// not such an object.
    pub(super) fn parse(message: &str) -> Option<(ClientMessage, usize)> {
        if !message.trim_start().starts_with('{') {
            return None; // An array of the values in their order would be taken for them.
        }
        let Fields { kind, text, name, to, count } = serde_json::from_str(message).ok()?;
        let longest = [&kind, &text, &name, &to].into_iter().map(|part| part.len()).max();
        let (known, name, text) = match &*kind {
            "say" => (Kind::Say, "".into(), text),
            "me" => (Kind::Me, "".into(), text),
            "reply" => (Kind::Reply, "".into(), text),
            "quit" => (Kind::Quit, "".into(), text),
            // A name with an LF in it is nobody's; without it, it will be told as it is.
            "msg" => (Kind::Msg, to.replace('\n', " ").into(), text),
            "nick" => (Kind::Nick, name, "".into()),
            "ignore" => (Kind::Ignore, name, "".into()),
            "unignore" => (Kind::Unignore, name, "".into()),
            "who" => (Kind::Who, "".into(), "".into()),
            "history" => (Kind::History, "".into(), "".into()),
            "help" => (Kind::Help, "".into(), "".into()),
            _ => (Kind::Unknown, "".into(), kind),
        };
        let (name, text) = (name.into_owned(), text.into_owned());
        Some((ClientMessage { kind: known, name, text, count }, longest.unwrap_or_default()))
    }

    /// What it asks for.
    pub(crate) fn command(&self) -> Command<'_> {
        let ClientMessage { name, text, .. } = self;
        let required = |words: &str, command, topic| {
            if words.trim().is_empty() { Command::Misuse(topic) } else { command }
        };
        match self.kind {
            Kind::Say => super::say(text),
            Kind::Me => required(text, Command::Emote(text), Topic::Me),
            Kind::Msg if name.is_empty() => Command::Misuse(Topic::Msg),
            Kind::Msg => required(text, Command::Tell { to: name, text }, Topic::Msg),
            Kind::Reply => required(text, Command::Reply(text), Topic::Reply),
            Kind::Nick => Command::Rename(name),
            Kind::Who => Command::Who,
            Kind::History => Command::History(self.count),
            Kind::Ignore => Command::Ignore((!name.trim().is_empty()).then_some(name)),
            Kind::Unignore => required(name, Command::Unignore(name), Topic::Unignore),
            Kind::Help => Command::Help(None),
            Kind::Quit => Command::Quit(text.trim()),
            Kind::Unknown => Command::Unknown(text),
        }
    }

    /// Bytes of its words.
    pub(crate) fn bytes(&self) -> usize {
        self.name.len() + self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_command_that_the_page_means() {
        let table: [(&str, Command<'_>); 16] = [
            (r#"{"type":"say","text":"hi"}"#, Command::Say("hi")),
            (r#"{"type":"say","text":"a\nb \"\u4f60"}"#, Command::Say("a\nb \"你")),
            (r#"{"type":"say","text":"/me waves"}"#, Command::Emote("waves")),
            (r#"{"type":"say","text":"//me"}"#, Command::Say("/me")),
            (r#"{"type":"me","text":" "}"#, Command::Misuse(Topic::Me)),
            (r#"{"type":"msg","to":"a\nb","text":"x"}"#, Command::Tell { to: "a b", text: "x" }),
            (r#"{"type":"msg","to":"bob","text":""}"#, Command::Misuse(Topic::Msg)),
            (r#"{"type":"msg","text":"x"}"#, Command::Misuse(Topic::Msg)),
            (r#"{"type":"nick","name":"al","text":"x"}"#, Command::Rename("al")),
            (r#" {"more":[{}],"type":"who"} "#, Command::Who),
            (r#"{"type":"history","count":3}"#, Command::History(Some(3))),
            (r#"{"type":"history"}"#, Command::History(None)),
            (r#"{"type":"ignore","name":" "}"#, Command::Ignore(None)),
            (r#"{"type":"unignore","name":"al"}"#, Command::Unignore("al")),
            (r#"{"type":"quit","text":" so long "}"#, Command::Quit("so long")),
            (r#"{"type":"dance\nall"}"#, Command::Unknown("dance\nall")),
        ];
        for (message, command) in table {
            let read = ClientMessage::parse(message);
            assert_eq!(read.as_ref().map(|(read, _)| read.command()), Some(command), "{message}");
        }
        for junk in ["", "[]", r#"["say","hi","",""]"#, r#"{"text":"hi"}"#, r#"{"type":1}"#] {
            assert_eq!(ClientMessage::parse(junk), None, "{junk}");
        }
    }
}

//! What comes from the server, as types: the JSON objects that `docs/websocket.md` describes.
//!
//! Whatever anybody wrote is cleaned here, at the only way in: what is in a [`ServerMessage`]
//! cannot steer a terminal, whoever sent it.

use chinwag::text;
use serde::Deserialize;
use serde_json::Value;

use super::words::Lang;

/// What we are told. Types and fields that are not here are passed over.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ServerMessage {
    Password,
    Ask {
        #[serde(default)]
        motd: Vec<String>,
        line_bytes_max: usize,
    },
    Login {
        name: String,
    },
    Account {
        event: String,
        name: String,
        token: Option<String>,
        text: Localized,
    },
    Welcome {
        name: String,
        token: Option<String>,
        #[serde(flatten)]
        entered: Entered,
    },
    Resumed {
        name: String,
        token: String,
        rooms: Vec<Entered>,
    },
    Say(Line),
    Me(Line),
    Msg(Line),
    Sent {
        to: String,
        text: String,
        at: i64,
    },
    Ack {
        key: String,
        id: u64,
    },
    Join {
        names: Vec<String>,
        count: usize,
        room: String,
    },
    Leave {
        names: Vec<String>,
        count: usize,
        words: Option<String>,
        why: Option<Localized>,
        room: String,
    },
    Removed {
        room: String,
        name: String,
        count: usize,
        text: Localized,
    },
    Out {
        room: Option<String>,
        text: Localized,
    },
    Rank {
        room: Option<String>,
        text: Localized,
    },
    Set {
        room: Option<String>,
        text: Localized,
    },
    Settings {
        text: Localized,
    },
    Notice {
        text: Localized,
        answer: Option<String>,
    },
    Ignoring {
        text: Localized,
    },
    Nick {
        old: String,
        new: String,
    },
    Topic {
        text: String,
        by: Option<String>,
        room: Option<String>,
    },
    Part {
        room: String,
    },
    Invite {
        from: String,
        room: String,
    },
    Rooms {
        rooms: Vec<Listed>,
        more: usize,
    },
    Who {
        members: Vec<String>,
        count: usize,
        room: Option<String>,
    },
    History {
        room: Option<String>,
        lines: Vec<ServerMessage>,
        key: Option<String>,
        #[serde(default)]
        more: bool,
    },
    Found {
        lines: Vec<Found>,
        #[serde(default)]
        more: bool,
    },
    Help {
        commands: Vec<Help>,
    },
    Refused {
        why: String,
        text: Localized,
        key: Option<String>,
        room: Option<String>,
    },
    Goodbye,
    Stopping,
    #[serde(other)]
    Unknown,
}

/// Something that somebody said.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Line {
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) at: i64,
    /// It is told again, out of the history.
    #[serde(default)]
    pub(crate) again: bool,
    pub(crate) room: Option<String>,
    pub(crate) id: Option<u64>,
}

/// A room as one finds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Entered {
    pub(crate) room: String,
    pub(crate) members: Vec<String>,
    pub(crate) count: usize,
    pub(crate) history: Vec<ServerMessage>,
    pub(crate) id: u64,
    pub(crate) topic: Option<Topic>,
    /// More was missed than the history has.
    #[serde(default)]
    pub(crate) gap: bool,
    /// What is said there is kept.
    #[serde(default)]
    pub(crate) kept: bool,
}

impl Entered {
    /// The number of the first line of the history.
    pub(crate) fn first_id(&self) -> Option<u64> {
        match self.history.first()? {
            ServerMessage::Say(line) | ServerMessage::Me(line) => line.id,
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Topic {
    pub(crate) text: String,
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Listed {
    pub(crate) room: String,
    pub(crate) count: usize,
    #[serde(default)]
    pub(crate) topic: String,
}

impl Listed {
    /// As it is told in one line.
    pub(crate) fn text(&self) -> String {
        format!("{} ({}) {}", self.room, self.count, self.topic).trim_end().to_owned()
    }
}

/// A line that was looked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Found {
    pub(crate) room: String,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) at: i64,
    #[serde(default)]
    pub(crate) me: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Help {
    pub(crate) form: Localized,
    pub(crate) purpose: Localized,
}

impl Help {
    /// As it is told in one line. What only `lines` understands would be said aloud here.
    pub(crate) fn text(&self, lang: Lang) -> String {
        let purpose = match self.form.en.split(' ').next() {
            Some("/who") => lang
                .pick("list who is here, or in another room", "列出在线的人，或另一个房间里的人"),
            Some("/history") => lang.pick(
                "show the last lines again; also /history #ROOM, before DATE, more",
                "再看一遍最近的聊天记录; 也可用 /history #房间、before 日期、more",
            ),
            Some("/help") => lang.pick("show this, or one command", "显示命令，或一个命令的说明"),
            Some("/quit") => lang.pick("leave. //text says /text", "离开。//文本 即发送 /文本"),
            _ => self.purpose.of(lang),
        };
        format!("{}: {purpose}", self.form.of(lang))
    }
}

/// A sentence in each language.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Localized {
    en: String,
    zh: String,
}

impl Localized {
    pub(crate) fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

impl ServerMessage {
    /// What a text frame says; `None` if that is nothing we could know.
    pub(crate) fn parse(frame: &str) -> Option<ServerMessage> {
        let mut value = serde_json::from_str(frame).ok()?;
        clean(&mut value);
        serde_json::from_value(value).ok()
    }
}

/// Takes out of each text in it what could steer a terminal. Line ends and TABs stay.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = cleaned(text),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without what could steer a terminal.
pub(crate) fn cleaned(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(text::without_controls).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_cannot_steer_the_terminal_wherever_it_stands() {
        let frame = r##"{"type":"welcome","name":"a\u001b[2J","room":"#l","members":["\u009b1mb"],
            "count":1,"id":7,"topic":{"text":"\u001b]0;x\u0007"},"history":[{"type":"say",
            "from":"b\r","text":"\tx\u202e\ny\u0008","at":1,"id":7}]}"##;
        let message = ServerMessage::parse(frame).unwrap();
        let shown = format!("{message:?}");
        assert!(shown.contains(r#""a[2J""#) && shown.contains(r#""1mb""#), "{shown}");
        assert!(shown.contains(r#""]0;x""#), "{shown}");
        assert!(shown.contains(r#""\tx\ny""#) && shown.contains(r#"from: "b""#), "{shown}");
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let unknown = ServerMessage::parse(r#"{"type":"dance","to":[1]}"#);
        assert_eq!(unknown, Some(ServerMessage::Unknown));
        let more = r#"{"type":"ack","key":"k","id":3,"mood":"good"}"#;
        let ack = ServerMessage::Ack { key: "k".to_owned(), id: 3 };
        assert_eq!(ServerMessage::parse(more), Some(ack));
        for frame in ["", "x", "[]", "{}", r#"{"type":"ack"}"#] {
            assert_eq!(ServerMessage::parse(frame), None, "{frame}");
        }
    }
}

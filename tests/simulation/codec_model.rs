//! The five older dialects as their clients know them, written down a second time: what a message
//! asks for, how each thing is told, and what a frame that has come says. What the dialects have in
//! common is here; where one is alone with something, the function says which.

use chinwag::dialect::Dialect;

use super::decoder_model::Message;
use super::lines::{clean, is_blank, is_harmless, sorted};
use super::names;
use super::order::{self, Order, Rooms, What};

pub(crate) const QUESTION: &str = "请输入昵称:";
pub(crate) const ACCEPTED: &str = "昵称设置成功";
pub(crate) const REGISTER_TAKEN: &str = "当前昵称已经存在，请重新输入";
pub(crate) const REGISTER_GOODBYE: &str = "退出";
pub(crate) const NICK_ENTERED: &str = "已连接至聊天服务器";
pub(crate) const SERVER_FULL: &str = "服务器已满。";
pub(crate) const ADDRESS_FULL: &str = "来自您的地址的连接太多。";
pub(crate) const TOO_SLOW: &str = "您落后太多，连接已断开。";
pub(crate) const UNENDED: &str = "收到 65536 字节却没有换行。";
pub(crate) const TELL_SELF: &str = "不能给自己发私信。";
pub(crate) const MENTION_USAGE: &str = "用法: 内容@昵称";
pub(crate) const MENTION_HELP: &str = "输入 # 查看在线成员，输入 内容@昵称 私聊某人 (text@name)，\
     输入 exit 退出，输入 & 查看本帮助";
const STOPPING: &str = "服务器即将停止。";

/// Why something is no name, but for one that is reserved.
pub(crate) const NO_NAME: [&str; 4] = [
    "昵称不能为空，请换一个。",
    "昵称最多 32 个字符、128 字节，请换一个。",
    "昵称须以字母、数字或 _ 开头，请换一个。",
    "昵称只能由字母和数字组成，中间可以有 - _ .，请换一个。",
];

/// How a dialect is spoken.
#[derive(Debug)]
pub(crate) struct CodecModel {
    pub(crate) dialect: Dialect,
    /// Whether a speaker hears itself, and whether it hears of its own coming.
    pub(crate) echoes: bool,
    pub(crate) hears_own_joining: bool,
    /// What is before a name.
    pub(crate) open: &'static str,
    /// What is between a name and a line, and a private one.
    said: &'static str,
    told: &'static str,
    /// What is before those who come or go, and behind them.
    notice: &'static str,
    joined: &'static str,
    left: &'static str,
    /// What is before the server's own words.
    system: &'static str,
}

static NICK: CodecModel = CodecModel {
    dialect: Dialect::Nick,
    echoes: true,
    hears_own_joining: true,
    open: "",
    said: ": ",
    told: " (私聊): ",
    notice: "",
    joined: " 加入了聊天",
    left: " 退出了聊天",
    system: "",
};

static REGISTER: CodecModel = CodecModel {
    dialect: Dialect::Register,
    echoes: false,
    hears_own_joining: true,
    open: "",
    said: ":",
    told: "(私聊):",
    notice: "系统消息",
    joined: "进入了聊天室",
    left: "退出了聊天室",
    system: "系统消息",
};

static DATAGRAM: CodecModel = CodecModel {
    dialect: Dialect::Datagram,
    echoes: false,
    hears_own_joining: false,
    open: "",
    said: " : ",
    told: " (私聊) : ",
    notice: "",
    joined: " 进入聊天室...",
    left: " 离开了聊天室...",
    system: "",
};

static ANONYMOUS: CodecModel = CodecModel {
    dialect: Dialect::Anonymous,
    echoes: false,
    hears_own_joining: true,
    open: "[ ",
    said: " ]: ",
    told: " ](私聊): ",
    notice: "[ ",
    joined: " ]加入聊天室",
    left: " ]退出了",
    system: "[ 系统 ]: ",
};

static MENTION: CodecModel = CodecModel {
    dialect: Dialect::Mention,
    echoes: true,
    hears_own_joining: false,
    open: "",
    said: " say: ",
    told: " 对你说: ",
    notice: "",
    joined: " 加入了聊天室",
    left: " 离开了聊天室",
    system: "",
};

/// How an older dialect is spoken.
pub(crate) fn of(dialect: Dialect) -> &'static CodecModel {
    match dialect {
        Dialect::Nick => &NICK,
        Dialect::Register => &REGISTER,
        Dialect::Datagram => &DATAGRAM,
        Dialect::Anonymous => &ANONYMOUS,
        Dialect::Mention => &MENTION,
        dialect => panic!("{dialect} is not an older dialect"),
    }
}

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To be called this, which it believes to be called from now on.
    Name(String),
    /// The same, and to say this.
    Introduce(String, String),
    Say(String),
    Tell(String, String),
    Who,
    Help,
    Misuse,
    Quit,
    /// Nothing.
    Blank,
    /// It cannot be understood, and its sender is told this.
    Refused(String),
    /// It is closed for this.
    Unterminated,
    WrongProtocol,
}

impl CodecModel {
    /// What a message means to somebody who is or is not in the room, and gave `given` as a name.
    pub(crate) fn understand(
        &self,
        message: &Message,
        inside: bool,
        given: &str,
        max: usize,
    ) -> Ask {
        match message {
            Message::Text(text) if inside => self.understand_line(text, given),
            Message::Text(text) => self.understand_name(text),
            // Its one message is its name, whatever it is.
            Message::TooLong | Message::NotUtf8
                if !inside && matches!(self.dialect, Dialect::Nick | Dialect::Mention) =>
            {
                Ask::Name(String::new())
            }
            Message::TooLong => Ask::Refused(format!("这一行超过 {max} 字节，没有发送。")),
            Message::NotUtf8 => Ask::Refused("这一行不是 UTF-8 文本，没有发送。".to_owned()),
            Message::Unterminated => Ask::Unterminated,
            Message::WrongProtocol => Ask::WrongProtocol,
        }
    }

    fn understand_name(&self, text: &str) -> Ask {
        let exit = |text: &str| text.trim().eq_ignore_ascii_case("exit");
        match self.dialect {
            Dialect::Register => Ask::Name(text.to_owned()),
            Dialect::Datagram if exit(text) => Ask::Quit,
            Dialect::Datagram => match text.split_once(" : ") {
                Some((_, line)) if exit(line) => Ask::Quit,
                Some((name, _)) if is_blank(name) => Ask::Blank,
                Some((name, line)) => Ask::Introduce(name.to_owned(), clean(line)),
                None if is_blank(text) => Ask::Blank,
                None => Ask::Name(text.to_owned()),
            },
            Dialect::Mention => match text.strip_prefix('!').unwrap_or(text) {
                name if is_blank(name) => Ask::Blank,
                name => Ask::Name(name.to_owned()),
            },
            _ if is_blank(text) => Ask::Blank,
            _ => Ask::Name(text.to_owned()),
        }
    }

    fn understand_line(&self, text: &str, given: &str) -> Ask {
        let own = match self.dialect {
            // No name is so long that this is remembered.
            _ if given.is_empty() || given.len() > 128 => String::new(),
            Dialect::Nick => format!("{given}: "),
            Dialect::Datagram => format!("{given} : "),
            _ => String::new(),
        };
        let text = text.strip_prefix(&own).unwrap_or(text);
        let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
        match self.dialect {
            Dialect::Register if is("quit") => return Ask::Quit,
            Dialect::Datagram | Dialect::Mention if is("exit") => return Ask::Quit,
            Dialect::Anonymous if is_blank(text) => return Ask::Quit,
            Dialect::Mention if is("#") => return Ask::Who,
            Dialect::Mention if is("&") => return Ask::Help,
            _ => {}
        }
        if self.dialect == Dialect::Mention
            && let Some(at) = text.rfind('@')
        {
            let (said, to) = (clean(&text[..at]), text[at + 1..].trim().to_owned());
            return match text[..at].trim().is_empty() || to.is_empty() {
                true => Ask::Misuse,
                false => Ask::Tell(to, said),
            };
        }
        if is_blank(text) { Ask::Blank } else { Ask::Say(clean(text)) }
    }

    /// The server's own words, as they are told.
    pub(crate) fn words(&self, words: &str) -> String {
        format!("{}{words}", self.system)
    }

    /// What a frame that has come says.
    pub(crate) fn hear(&self, frame: &str, order: &Order) -> Heard {
        assert!(is_harmless(frame), "a frame that steers the terminal: {frame:?}");
        if frame == self.words(STOPPING) {
            return Heard::Room(vec![What::Stopping], 0);
        }
        if let Some(rest) = frame.strip_prefix("** ") {
            let (from, text) = rest.split_once(' ').unwrap();
            return said(from, text, true);
        }
        if let Some(heard) = frame.strip_prefix(self.system).and_then(|rest| about(rest, order)) {
            return heard;
        }
        if let Some((old, new)) =
            frame.strip_prefix(self.system).and_then(|rest| rest.split_once(" 改名为 "))
            && order.known.contains(old)
            && order.known.contains(new)
        {
            return Heard::Room(
                vec![What::Renamed { old: old.to_owned(), new: new.to_owned() }],
                0,
            );
        }
        if let Some(names) = frame.strip_prefix(self.notice) {
            let came = names.strip_suffix(self.joined).and_then(|names| several(names, order));
            if let Some((names, more)) = came {
                return Heard::Room(names.into_iter().map(What::Joined).collect(), more);
            }
            let went = names.strip_suffix(self.left).and_then(|names| several(names, order));
            if let Some((names, more)) = went {
                let left = |name| What::Left { name, why: None };
                return Heard::Room(names.into_iter().map(left).collect(), more);
            }
        }
        if let Some((from, text)) = self.attributed(frame, self.told, order) {
            return Heard::Private { from: from.to_owned(), text: text.to_owned() };
        }
        match self.attributed(frame, self.said, order) {
            Some((from, text)) => said(from, text, false),
            None => Heard::Own,
        }
    }

    /// Who says what, if it is said so.
    fn attributed<'a>(
        &self,
        frame: &'a str,
        separator: &str,
        order: &Order,
    ) -> Option<(&'a str, &'a str)> {
        let frame = frame.strip_prefix(self.open)?;
        let mut places = frame.match_indices(separator);
        let at = places.find(|(at, _)| order.known.contains(&frame[..*at]))?.0;
        Some((&frame[..at], &frame[at + separator.len()..]))
    }
}

/// What a frame tells.
#[derive(Debug)]
pub(crate) enum Heard {
    /// To the room, and how many more of the same kind.
    Room(Vec<What>, usize),
    Private {
        from: String,
        text: String,
    },
    /// An invitation to a room.
    Invited {
        from: String,
        room: Rooms,
    },
    /// To this client alone.
    Own,
}

/// What is told about a room, by somebody whose name is known.
fn about(line: &str, order: &Order) -> Option<Heard> {
    let by = |name: &str| order.known.contains(name).then(|| name.to_owned());
    let topic = |name: &str, text: &str| {
        let what = What::Topic { by: by(name)?, text: text.to_owned() };
        Some(Heard::Room(vec![what], 0))
    };
    if let Some((name, text)) = line.split_once(" 设定了 #lobby 的主题: ") {
        return topic(name, text);
    }
    if let Some(name) = line.strip_suffix(" 取消了 #lobby 的主题") {
        return topic(name, "");
    }
    let (name, rest) = line.split_once(" 邀请您去 ")?;
    let (title, rest) = rest.split_once("。输入 /join ")?;
    (rest == format!("{title} 前往。")).then_some(())?;
    Some(Heard::Invited { from: by(name)?, room: order::room_called(title) })
}

fn said(from: &str, text: &str, emote: bool) -> Heard {
    let (from, text) = (from.to_owned(), text.to_owned());
    Heard::Room(vec![What::Said { from, text, emote }], 0)
}

/// `a、b` or `a、b、…、h 和另外 5 人`.
fn several(names: &str, order: &Order) -> Option<(Vec<String>, usize)> {
    let (names, more) = match names.split_once(" 和另外 ") {
        Some((names, more)) => (names, more.strip_suffix(" 人")?.parse().ok()?),
        None => (names, 0),
    };
    let names: Vec<_> = names.split('、').map(str::to_owned).collect();
    assert!(names.len() <= 8 && (more == 0 || names.len() == 8), "too many names: {names:?}");
    names.iter().all(|name| order.known.contains(name)).then_some((names, more))
}

/// The answer to `#`.
pub(crate) fn who(roster: &[String]) -> String {
    format!("在线 {} 人: {}", roster.len(), sorted(roster).join(", "))
}

/// What somebody is told who got another name than the given one.
pub(crate) fn renamed(name: &str) -> String {
    format!("您的昵称是 {name}")
}

/// The name that somebody gets who gives one and cannot be asked again.
pub(crate) fn entering(given: &str, roster: &[String]) -> String {
    names::given(&names::shown(given.trim()), roster)
}

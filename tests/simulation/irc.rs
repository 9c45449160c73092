//! The dialect `irc` as its clients know it, written down a second time: what they send, and how a
//! line that comes is taken apart. What they must be told is another thing
//! ([`super::irc_checker`]).
//!
//! They ask for `message-tags`, so that of a text that needs several lines it can be told where it
//! begins; some ask for `echo-message`. Plain clients are in `tests/irc_model.rs`.

use chinwag::dialect::Dialect;
use fastrand::Rng;

use super::lines::{self, Line, Naming, Wish};
use super::order::{ROOMS, Rooms};
use super::swarm::Swarm;

/// The longest line without its end, in bytes.
const LINE_BYTES_MAX: usize = 510;

/// No author before a line has more bytes.
const AUTHOR_BYTES_MAX: usize = 200;

/// What a client tells its readers by formatting: texts with any of it are tried elsewhere.
const FORMATTING: &str = "\0\u{1}\u{2}\u{3}\u{4}\u{f}\u{11}\u{16}\u{1d}\u{1e}\u{1f}\r";

/// Whether this is the dialect of IRC clients.
pub(crate) fn speaks(dialect: Dialect) -> bool {
    dialect.name() == "irc"
}

/// What there is to know of an IRC client.
#[derive(Debug)]
pub(crate) struct Irc {
    /// It is told what it says itself.
    pub(crate) echo: bool,
    /// All that it has asked for, in order.
    pub(crate) asks: Vec<Ask>,
    /// The channel that it has asked to join last, as a place among [`ROOMS`].
    room: usize,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// To have this name.
    Nick(String),
    /// To have a name that nobody can have.
    BadNick,
    /// To say something in one channel, or in two.
    Say {
        room: Rooms,
        also: Option<Rooms>,
        text: String,
        emote: bool,
    },
    Tell {
        to: String,
        text: String,
    },
    Join(Rooms),
    Part(Rooms),
    Topic {
        room: Rooms,
        text: String,
    },
    /// To be answered this.
    Ping(String),
    Quit,
    Unknown,
    TooLong,
    NotUtf8,
}

impl Irc {
    pub(crate) fn new(rng: &mut Rng) -> Irc {
        Irc { echo: rng.bool(), asks: Vec::new(), room: 0 }
    }

    /// What it sends before all else.
    pub(crate) fn greeting(&self) -> String {
        let echo = if self.echo { " echo-message" } else { "" };
        format!("CAP REQ :message-tags{echo}\r\nUSER user 0 * :Somebody\r\nCAP END\r\n")
    }

    /// What a line of `lines` is to an IRC client, and its bytes. `None` if it cannot mean it.
    pub(crate) fn convert(
        &mut self,
        line: Line,
        bytes: &[u8],
        (rng, swarm): (&mut Rng, &Swarm),
    ) -> Option<(Line, Vec<u8>)> {
        let Line { mut wish, mut naming } = line;
        let (title, asked) = (ROOMS[self.room], self.asks.len());
        if let Wish::Nick(name) = &wish {
            naming = Naming::Attempt(name.clone());
        }
        let mut sent = match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(|c| FORMATTING.contains(c)) => {
                self.ask(text, (&mut wish, &naming), (rng, swarm))?
            }
            Ok(_) => return None,
            Err(_) => {
                self.asks.push(Ask::NotUtf8);
                [format!("PRIVMSG {title} :").as_bytes(), bytes].concat()
            }
        };
        if sent.len() > LINE_BYTES_MAX {
            self.asks.truncate(asked);
            self.asks.push(Ask::TooLong);
            wish = Wish::Refused(String::new());
            naming = Naming::Ignored;
        } else if let Some(Ask::Say { .. } | Ask::Tell { .. }) = self.asks[asked..].last()
            && sent.len() + AUTHOR_BYTES_MAX > LINE_BYTES_MAX
        {
            // Whether that fits into a line depends on the name of the moment; tests/irc/ says it.
            self.asks.truncate(asked);
            return None;
        }
        sent.extend(if rng.u8(..4) == 0 { &b"\n"[..] } else { &b"\r\n"[..] });
        Some((Line { wish, naming }, sent))
    }

    fn ask(
        &mut self,
        text: &str,
        (wish, naming): (&mut Wish, &Naming),
        (rng, swarm): (&mut Rng, &Swarm),
    ) -> Option<Vec<u8>> {
        let room = 1 << self.room;
        let title = ROOMS[self.room];
        let (ask, sent) = match (&*wish, naming) {
            (_, Naming::Attempt(name)) | (Wish::Nick(name), _) => {
                (Ask::Nick(name.shown.clone()), format!("NICK {}", name.typed))
            }
            (Wish::Say(_), Naming::Refused(_)) => {
                let is_word = !text.is_empty() && !text.contains(' ');
                (Ask::BadNick, is_word.then(|| format!("NICK {text}"))?)
            }
            (Wish::Say(_), _) => {
                let said = lines::clean(text);
                if lines::is_blank(&said) {
                    return None;
                }
                let other = rng.usize(..swarm.rooms);
                let other = Some(other).filter(|it| *it != self.room && rng.u8(..3) == 0);
                let also = other.map(|other| 1 << other);
                let ask = Ask::Say { room, also, text: said.clone(), emote: false };
                *wish = Wish::Say(said);
                let other = other.map_or_else(String::new, |other| format!(",{}", ROOMS[other]));
                (ask, format!("PRIVMSG {title}{other} :{text}"))
            }
            (Wish::Emote(said), _) => {
                let is_seen = !lines::is_blank(said);
                let ask = Ask::Say { room, also: None, text: said.clone(), emote: true };
                (ask, is_seen.then(|| format!("PRIVMSG {title} :\u{1}ACTION {said}\u{1}"))?)
            }
            // Of those without a name of their own, some have one that no line of IRC can name.
            (Wish::Tell(to, said), _) if !lines::is_blank(said) && !to.starts_with(':') => {
                let ask = Ask::Tell { to: to.clone(), text: said.clone() };
                (ask, format!("PRIVMSG {to} :{said}"))
            }
            (Wish::Join(_) | Wish::Who, _) => {
                self.room = rng.usize(..swarm.rooms);
                (Ask::Join(1 << self.room), format!("JOIN {}", ROOMS[self.room]))
            }
            (Wish::Part, _) => (Ask::Part(room), format!("PART {title}")),
            (Wish::Topic(about), _) if about.len() < 300 => {
                let ask = Ask::Topic { room, text: about.clone() };
                (ask, format!("TOPIC {title} :{about}"))
            }
            (Wish::Quit(_), _) => (Ask::Quit, format!("QUIT{}", quoted(text))),
            (Wish::Help(_), _) => {
                let token = format!("token{}", self.asks.len());
                (Ask::Ping(token.clone()), format!("PING {token}"))
            }
            (Wish::History(_), _) => (Ask::Unknown, "RECALL it".to_owned()),
            _ => return None,
        };
        self.asks.push(ask);
        Some(sent.into_bytes())
    }
}

/// The words of `/quit words`.
fn quoted(text: &str) -> String {
    let words = text.strip_prefix("/quit ").unwrap_or_default();
    if words.is_empty() { String::new() } else { format!(" :{words}") }
}

/// A line that has come.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The number of what is said, if it has one.
    pub(crate) id: Option<String>,
    /// Who does it; of the server, its name.
    pub(crate) source: String,
    pub(crate) command: String,
    pub(crate) parameters: Vec<String>,
}

impl Message {
    pub(crate) fn read(line: &str) -> Message {
        let whole = line;
        assert!(line.len() <= LINE_BYTES_MAX + 512, "too long: {line}");
        let (tags, line) = match line.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("", line),
        };
        let id = tags.split(';').find_map(|tag| tag.strip_prefix("msgid=")).map(str::to_owned);
        let (source, line) = match line.strip_prefix(':') {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("", line),
        };
        assert!(line.len() + source.len() + 2 <= LINE_BYTES_MAX, "too long: {whole}");
        let source = source.split('!').next().unwrap().to_owned();
        let (words, last) = match line.split_once(" :") {
            Some((words, last)) => (words, Some(last)),
            None => (line, None),
        };
        let mut words = words.split(' ').map(str::to_owned);
        let command = words.next().unwrap();
        let parameters = words.chain(last.map(str::to_owned)).collect();
        Message { id, source, command, parameters }
    }

    /// A parameter, which must be there.
    pub(crate) fn parameter(&self, place: usize) -> &str {
        self.parameters.get(place).unwrap_or_else(|| panic!("{self:?} is too short"))
    }
}

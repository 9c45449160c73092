//! What a client can know from the lines that come to it: the other end of the dialect `lines`,
//! without a socket, a terminal or a clock.
//!
//! Here live [`ServerLine`], what a line is, and [`Room`], what can be learnt from one after the
//! other: our own nickname, who is here, who talked last. Both understand either language of the
//! server. How lines are sent and shown is up to the client; `examples/client.rs` is one, and bots
//! are others. What people sit in, `chinwag join`, talks the WebSocket instead.
//!
//! ```
//! use chinwag::client::{Room, ServerLine};
//!
//! let mut room = Room::default();
//! room.hear("* You are alice. Here now: alice, bob. Type /help for help.");
//! assert_eq!(room.me(), Some("alice"));
//! assert_eq!(room.hear("bob: hi"), ServerLine::Said { from: "bob", text: "hi" });
//! assert!(room.is_mentioned("hi Alice"));
//! ```

use std::io::{self, BufRead, Read as _};

use crate::dialect::phrases::{self, Phrases};
use crate::dialect::{Dialect, Lang, Stage};
use crate::event::Command;
use crate::text;

/// Bytes of a line that are kept together; a server sends no longer ones.
const LINE_BYTES_MAX: u64 = 128 * 1024;

/// The next line from a server, without its line end, as text that cannot steer a terminal,
/// whatever its bytes are; `None` when there are no more. After 128 KiB without a line end, it is
/// what has come.
///
/// # Errors
/// Those of the reader.
pub fn read_line(server: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let count = server.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok((count > 0).then(|| text::without_controls(&String::from_utf8_lossy(&line)).into_owned()))
}

/// Whether the server will take `line` as a farewell.
#[must_use]
pub fn is_farewell(line: &str) -> bool {
    let mut commands = Dialect::Lines.parse(Stage::Chatting, line, "");
    commands.any(|command| matches!(command, Command::Quit(_)))
}

/// What a line from the server is. Its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerLine<'a> {
    /// `* …`: the server tells something. So is taken what no chinwag sends.
    Notice(&'a str),
    /// `! …`: the server refuses something.
    Refused(&'a str),
    /// `alice: hi`
    Said {
        /// Who said it.
        from: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `** alice waves`
    Emoted {
        /// Who does it.
        from: &'a str,
        /// What is done.
        text: &'a str,
    },
    /// `[alice -> you] hi`: a private message to us.
    Told {
        /// Who says it to us.
        from: &'a str,
        /// What is said.
        text: &'a str,
    },
    /// `[you -> alice] hi`: a private message of ours.
    Sent {
        /// To whom it went.
        to: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// `[14:05] alice: hi`: something that was said or done earlier.
    Recalled {
        /// When that was, in minutes after midnight UTC.
        minutes: u16,
        /// What was seen then, such as `alice: hi` or `** alice waves`.
        text: &'a str,
    },
}

impl<'a> ServerLine<'a> {
    /// What `line` is, which has no line end.
    #[must_use]
    pub fn parse(line: &'a str) -> Self {
        if let Some(text) = line.strip_prefix("* ") {
            return Self::Notice(text);
        }
        if let Some(text) = line.strip_prefix("! ") {
            return Self::Refused(text);
        }
        let emote = line.strip_prefix("** ").and_then(|emote| emote.split_once(' '));
        if let Some((from, text)) = emote {
            return Self::Emoted { from, text };
        }
        let bracketed = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        if let Some((head, text)) = bracketed {
            return Self::parse_bracketed(head, text).unwrap_or(Self::Notice(line));
        }
        match line.split_once(": ") {
            // No nickname has a space in it.
            Some((from, text)) if !from.contains(' ') => Self::Said { from, text },
            _ => Self::Notice(line),
        }
    }

    fn parse_bracketed(head: &'a str, text: &'a str) -> Option<Self> {
        if let Some((from, to)) = head.split_once(" -> ") {
            let is_you = |name: &str| languages().iter().any(|phrases| phrases.you == name);
            let heard =
                if is_you(to) { Self::Told { from, text } } else { Self::Sent { to, text } };
            return Some(heard);
        }
        let (hours, minutes) = head.split_once(':')?;
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        let in_a_day = hours < 24 && minutes < 60;
        in_a_day.then_some(Self::Recalled { minutes: hours * 60 + minutes, text })
    }
}

/// What the server waits for before it lets anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Its password: what is typed now is not to be shown.
    Password,
    /// The password of the account whose name was given; it is not to be shown either.
    Account,
    /// A nickname.
    Nickname,
}

/// A line as it may be shown, if there is a password in it: with `*` for each character of what
/// stands behind the command. `None` if there is none.
#[must_use]
pub fn veiled(line: &str) -> Option<String> {
    let (command, rest) = line.split_once(' ')?;
    let is_secret = ["register", "login", "password", "unregister", "oper"]
        .iter()
        .any(|word| command.strip_prefix('/').is_some_and(|it| it.eq_ignore_ascii_case(word)));
    is_secret.then(|| format!("{command} {}", "*".repeat(rest.chars().count())))
}

/// What is known of the room from one connection's lines. Each connection begins with a
/// `Room::default()`.
#[derive(Clone, Debug, Default)]
pub struct Room {
    me: Option<String>,
    question: Option<Question>,
    /// Who is here, as far as we know; who talked last stands last.
    people: Vec<String>,
}

impl Room {
    /// Our nickname; `None` until the server has given us one.
    #[must_use]
    pub fn me(&self) -> Option<&str> {
        self.me.as_deref()
    }

    /// What the server has asked for last; `None` if it has not asked yet, or has let us in.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        self.question
    }

    /// Learns from the next line, which has no line end, and says what it is.
    pub fn hear<'a>(&mut self, line: &'a str) -> ServerLine<'a> {
        let heard = ServerLine::parse(line);
        match heard {
            ServerLine::Said { from, .. }
            | ServerLine::Emoted { from, .. }
            | ServerLine::Told { from, .. } => {
                self.people.retain(|person| person != from);
                self.people.push(from.to_owned());
            }
            ServerLine::Notice(text) => {
                // The first language in which it means something is the server's.
                let _ = languages().iter().find_map(|phrases| self.learn(phrases, text));
            }
            ServerLine::Refused(_) | ServerLine::Sent { .. } | ServerLine::Recalled { .. } => {}
        }
        heard
    }

    /// Learns from a notice who is here; `None` if it tells nothing of that in this language.
    fn learn(&mut self, phrases: &Phrases, text: &str) -> Option<()> {
        if self.me.is_none() && text == phrases.password_asked {
            self.question = Some(Question::Password);
            return Some(());
        } else if self.me.is_none() && text == phrases.asked {
            self.question = Some(Question::Nickname);
            return Some(());
        } else if self.me.is_none()
            && let Some([_name]) = phrases::places(phrases.order.account_asked, text)
        {
            self.question = Some(Question::Account);
            return Some(());
        }
        // A reason is in the leaver's own words, which must not be taken for the server's.
        let left = phrases::places(phrases.left, text).map(|[who, _count]| who);
        let because = phrases::places(phrases.left_because, text);
        if let Some(who) = because.map(|[who, _reason, _count]| who).or(left) {
            let gone = phrases.names(who)?;
            self.people.retain(|person| !gone.contains(person));
        } else if let Some([me, here]) = phrases::places(phrases.welcomed, text) {
            self.people = phrases.names(here)?;
            (self.me, self.question) = (Some(me.to_owned()), None);
        } else if let Some([who, _count]) = phrases::places(phrases.joined, text) {
            let come = phrases.names(who)?;
            self.people.retain(|person| !come.contains(person));
            self.people.splice(0..0, come);
        } else if let Some([old, new]) = phrases::places(phrases.renamed, text) {
            let new = phrases.names(new)?.concat();
            let names = self.people.iter_mut().chain(&mut self.me);
            names.filter(|name| *name == old).for_each(|name| name.clone_from(&new));
        } else if let Some([count, here]) = phrases::places(phrases.here, text) {
            count.parse::<usize>().ok()?;
            self.people = phrases.names(here)?;
        } else {
            return None;
        }
        Some(())
    }

    /// The line that others get when we send `line`, which the server does not send to us; `None`
    /// if they get none, as of a command.
    #[must_use]
    pub fn say(&self, line: &str) -> Option<String> {
        let from = self.me()?;
        Dialect::Lines.parse(Stage::Chatting, line, "").find_map(|command| match command {
            Command::Say(text) if !text::is_blank(text) => Some(format!("{from}: {text}")),
            Command::Emote(text) => Some(format!("** {from} {text}")),
            _ => None,
        })
    }

    /// Who is here, as far as we know, ourselves among them; who talked last stands last.
    #[must_use]
    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// Whether `text` has our nickname in it, as [`is_mentioned`] tells.
    #[must_use]
    pub fn is_mentioned(&self, text: &str) -> bool {
        self.me().is_some_and(|me| is_mentioned(me, text))
    }
}

/// Whether `text` has this nickname in it, in any case and not within a longer word.
///
/// Only ASCII letters, digits and `_` make a word longer, since not every script has spaces between
/// words.
#[must_use]
pub fn is_mentioned(name: &str, text: &str) -> bool {
    let (name, text) = (name.to_lowercase(), text.to_lowercase());
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !name.is_empty()
        && text.match_indices(&name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            !goes_on(before.chars().next_back()) && !goes_on(after.chars().next())
        })
}

/// The phrases in all languages, English first.
fn languages() -> [&'static Phrases; 2] {
    [phrases::of(Lang::En), phrases::of(Lang::Zh)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::event::{Event, Parting, Refusal, Said};
    use crate::nickname::Nickname;

    /// The line by which the server tells `event`, without its line end.
    fn line(lang: Lang, event: &Event<'_>) -> String {
        let mut line = Vec::new();
        Dialect::Lines.encode(lang, event, &mut line);
        String::from_utf8(line).unwrap().trim_end_matches('\n').to_owned()
    }

    fn nicknames(names: &[&str]) -> Vec<Nickname> {
        names.iter().map(|name| Nickname::parse(name).unwrap()).collect()
    }

    /// Hears `events` after having been welcomed as alice, with bob and carol there.
    fn room_after(lang: Lang, events: &[Event<'_>]) -> Room {
        let here = nicknames(&["alice", "bob", "carol"]);
        let welcome = Event::Welcomed { name: "alice", here: &here, count: 3 };
        let mut room = Room::default();
        for event in [&welcome].into_iter().chain(events) {
            room.hear(&line(lang, event));
        }
        room
    }

    #[test]
    fn it_is_known_what_the_server_waits_for() {
        for lang in [Lang::En, Lang::Zh] {
            let mut room = Room::default();
            assert_eq!(room.question(), None);
            room.hear(&line(lang, &Event::AccountAsked("alice")));
            assert_eq!(room.question(), Some(Question::Account));
            room.hear(&line(lang, &Event::PasswordAsked));
            assert_eq!(room.question(), Some(Question::Password));
            room.hear(&line(lang, &Event::Refused(Refusal::Password)));
            room.hear("* a message of the day");
            assert_eq!(room.question(), Some(Question::Password));
            room.hear(&line(lang, &Event::Asked { motd: &[], line_bytes_max: 4096 }));
            assert_eq!(room.question(), Some(Question::Nickname));
            let here = nicknames(&["alice"]);
            room.hear(&line(lang, &Event::Welcomed { name: "alice", here: &here, count: 1 }));
            assert_eq!(room.question(), None);
            room.hear(&line(lang, &Event::PasswordAsked));
            assert_eq!(room.question(), None, "who is in is asked for nothing");
        }
    }

    #[test]
    fn what_the_server_says_is_heard_as_that() {
        let said = |emote| Said {
            id: 0,
            unix_seconds: 14 * 3600 + 5 * 60 + 59,
            from: "bob".to_owned(),
            text: "a: b".to_owned(),
            emote,
            ..Said::default()
        };
        for lang in [Lang::En, Lang::Zh] {
            let said = [said(false), said(true)];
            let (from, to, text) = ("bob", "bob", "[x] a: b");
            let (at, minutes) = (said[0].unix_seconds, 14 * 60 + 5);
            let table = [
                (Event::Said { from, text, at, id: 0 }, ServerLine::Said { from, text }),
                (Event::Emoted { from, text, at, id: 0 }, ServerLine::Emoted { from, text }),
                (Event::Told { from, text, at, id: 1 }, ServerLine::Told { from, text }),
                (Event::Sent { to, text, at, id: 1 }, ServerLine::Sent { to, text }),
                (Event::Recalled(&said[0]), ServerLine::Recalled { minutes, text: "bob: a: b" }),
                (Event::Recalled(&said[1]), ServerLine::Recalled { minutes, text: "** bob a: b" }),
            ];
            for (event, heard) in table {
                assert_eq!(ServerLine::parse(&line(lang, &event)), heard);
            }
            let refused = line(lang, &Event::Refused(Refusal::NotUtf8));
            assert_eq!(ServerLine::parse(&refused), ServerLine::Refused(&refused[2..]));
            let notice = line(lang, &Event::Goodbye);
            assert_eq!(ServerLine::parse(&notice), ServerLine::Notice(&notice[2..]));
        }
    }

    #[test]
    fn any_line_is_heard_as_something() {
        for line in ["", "x", "*", "* ", "**", "** x", "[", "[x", "[x] ", "[1:2:3] x", "[24:00] x"]
        {
            assert!(matches!(ServerLine::parse(line), ServerLine::Notice(_)), "{line:?}");
        }
        assert_eq!(
            ServerLine::parse("[23:59] x"),
            ServerLine::Recalled { minutes: 1439, text: "x" }
        );
    }

    #[test]
    fn bytes_become_lines_that_are_fit_to_be_shown() {
        let mut bytes: &[u8] = b"hi\r\n\x1b[2Jhi\n\nhi\xff\nal: \t         hi\nhi";
        let mut next = || read_line(&mut bytes).unwrap();
        for line in ["hi", "[2Jhi", "", "hi\u{fffd}", "al: \t         hi", "hi"] {
            assert_eq!(next().as_deref(), Some(line));
        }
        assert_eq!(next(), None);
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        let line = read_line(&mut endless).unwrap();
        assert_eq!(line.map(|line| line.len() as u64), Some(LINE_BYTES_MAX));
    }

    #[test]
    fn what_others_hear_of_us_is_known() {
        let room = room_after(Lang::En, &[]);
        let others_get = |line| room.say(line).unwrap_or_default();
        assert_eq!(others_get("hi"), "alice: hi");
        assert_eq!(others_get("//hi"), "alice: /hi");
        assert_eq!(others_get("/ME waves"), "** alice waves");
        for line in ["/msg bob hi", "/who", "#", "/me", "/nope", "/quit", "exit", "", " "] {
            assert_eq!(others_get(line), "", "{line:?}");
            assert_eq!(is_farewell(line), ["/quit", "exit"].contains(&line), "{line:?}");
        }
        assert_eq!(Room::default().say("hi"), None, "nobody hears who has no name");
    }

    #[test]
    fn who_is_here_is_learnt_in_either_language() {
        let (dave, both) = (nicknames(&["dave"]), nicknames(&["bob", "carol"]));
        let crowd = nicknames(&["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10"]);
        let plain = Parting::Plain;
        for lang in [Lang::En, Lang::Zh] {
            let here = |events: &[Event<'_>]| room_after(lang, events).people.join(" ");
            assert_eq!(room_after(lang, &[]).me(), Some("alice"));
            assert_eq!(here(&[]), "alice bob carol");
            assert_eq!(here(&[Event::Joined { names: &dave, count: 4 }]), "dave alice bob carol");
            assert_eq!(here(&[Event::Joined { names: &both, count: 3 }]), "bob carol alice");
            let joined = here(&[Event::Joined { names: &crowd, count: 13 }]);
            assert_eq!(joined, "a1 a2 a3 a4 a5 a6 a7 a8 alice bob carol");
            assert_eq!(
                here(&[Event::Left { names: &both, why: plain, count: 1, is_gone: true }]),
                "alice"
            );
            assert_eq!(
                here(&[Event::Here { names: &crowd, count: 10, ranks: &[], elsewhere: false }]),
                "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10"
            );
            assert_eq!(here(&[Event::Renamed { old: "bob", new: "eve" }]), "alice eve carol");
            let renamed = room_after(lang, &[Event::Renamed { old: "alice", new: "eve" }]);
            assert_eq!((renamed.me(), &*renamed.people[0]), (Some("eve"), "eve"));
        }
    }

    #[test]
    fn a_company_of_which_the_newcomer_is_told_a_part_is_learnt_in_part() {
        let here = nicknames(&["alice", "bob"]);
        for lang in [Lang::En, Lang::Zh] {
            let mut room = Room::default();
            let welcome = Event::Welcomed { name: "alice", here: &here, count: 982 };
            room.hear(&line(lang, &welcome));
            assert_eq!(room.people, ["alice", "bob"]);
        }
    }

    #[test]
    fn nobodys_words_are_taken_for_the_servers() {
        let bob = nicknames(&["bob"]);
        let words = ["x joined (3 here)", "x is now y", "2 here: x", "x left (1 here)"];
        for lang in [Lang::En, Lang::Zh] {
            for words in words {
                let why = Parting::Words(words);
                let room =
                    room_after(lang, &[Event::Left { names: &bob, why, count: 2, is_gone: true }]);
                assert_eq!(room.people, ["alice", "carol"], "{words}");
                let said = [Event::Said { from: "bob", text: words, at: 0, id: 0 }];
                assert_eq!(room_after(lang, &said).people, ["alice", "carol", "bob"]);
            }
        }
        let mut room = room_after(Lang::En, &[]);
        for motd in ["* Rules here: kindness", "* 3 here: be nice", "* A joined (B here)"] {
            room.hear(motd);
        }
        assert_eq!(room.people, ["A", "alice", "bob", "carol"], "what cannot be told apart");
    }

    #[test]
    fn who_talked_last_stands_last() {
        let carla = Event::Said { from: "Carla", text: "", at: 0, id: 0 };
        let mut room = room_after(Lang::En, &[carla]);
        room.hear("** carol waves");
        room.hear("[bob -> you] hi");
        room.hear("[you -> carol] hi");
        assert_eq!(room.people(), ["alice", "Carla", "carol", "bob"]);
    }

    #[test]
    fn one_is_mentioned_by_ones_name_alone() {
        let room = room_after(Lang::En, &[]);
        for text in ["alice", "Alice: hi", "hi,ALICE!", "@alice", "你好alice你好", "alice's"] {
            assert!(room.is_mentioned(text), "{text}");
        }
        for text in ["", "malice", "alice_2", "alices", "al ice"] {
            assert!(!room.is_mentioned(text), "{text}");
        }
        assert!(!Room::default().is_mentioned("alice"));
        let renamed = room_after(Lang::Zh, &[Event::Renamed { old: "alice", new: "王芳" }]);
        assert!(renamed.is_mentioned("你好王芳你好"));
    }

    #[test]
    fn a_line_with_a_password_is_shown_without_it() {
        for (line, shown) in [
            ("/register two words", Some("/register *********")),
            ("/LOGIN al \u{e9}", Some("/LOGIN ****")),
            ("/password ", Some("/password ")),
            ("/oper", None),
            ("/me /login al x", None),
            ("/registered x", None),
            ("//login al x", None),
        ] {
            assert_eq!(veiled(line).as_deref(), shown, "{line}");
        }
    }
}

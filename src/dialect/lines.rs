//! `lines`, the default dialect: UTF-8 lines over TCP, for `nc`, `telnet`, scripts and the bundled
//! client. LF or CRLF come in, LF goes out, and telnet's option bytes are swallowed wherever the
//! reads split them. What kind of line it is can be told by its first bytes: `* ` a notice, `** `
//! an emote, `! ` a refusal, `[` a private message or history, anything else is `NAME: text`.

use std::io::Write as _;

use super::phrases::{self, Part};
use super::{Commands, DialectSpec, Framing, Naming, Reader, Stage, Transport, order};
use crate::event::{Audience, Command, Event, Hit, Lines, Parting, Said, Topic};
use crate::order::{AccountCommand, Moderation};
use crate::query::parse_date;
use crate::rights::Rank;
use crate::sanction::SanctionKind;
use crate::text::day_of;

pub(super) const SPEC: DialectSpec = DialectSpec {
    name: "lines",
    port: 7711,
    tls_port: 7712,
    transport: Transport::Tcp,
    framing: Framing::Lines,
    naming: Naming::Asked,
    told_alone: false,
    roomless: false,
    asks_password: true,
    echoes: false,
    many_rooms: false,
    can_resume: false,
    hears_own_joining: false,
    whole_welcome: None,
    lf_separated: false,
    gap: None,
    is_casual: false,
    closed_unopened: None,
    parse,
    encode,
};

fn parse<'a>(stage: Stage, line: &'a str, _given: &str) -> Commands<'a> {
    let trimmed = line.trim();
    let is = |word: &str| trimmed.eq_ignore_ascii_case(word);
    if is("quit") || is("exit") {
        return Commands::One(Command::Quit(""));
    }
    match stage {
        Stage::Naming => Commands::One(match parse_slash(line) {
            Some((_, known @ (Command::Help(_) | Command::Quit(_)))) => known,
            Some((_, known @ Command::Account(AccountCommand::Login { .. }))) => known,
            _ => Command::Rename(line),
        }),
        Stage::Chatting if trimmed == "#" => Commands::One(Command::Who),
        Stage::Chatting if trimmed == "&" => Commands::One(Command::Help(None)),
        Stage::Chatting => say(line, None),
    }
}

/// What somebody says in a room, the one that they are in if it is not given: a line, or a command.
pub(super) fn say<'a>(line: &'a str, room: Option<&'a str>) -> Commands<'a> {
    let (elsewhere, command) = parse_slash(line).unwrap_or((None, Command::Say(line)));
    match elsewhere.or(room) {
        Some(room) => Commands::In(room, command),
        None => Commands::One(command),
    }
}

/// A line that begins with one slash is a command, known or not. Some name the room that they are
/// about.
fn parse_slash(line: &str) -> Option<(Option<&str>, Command<'_>)> {
    let line = line.strip_prefix('/')?;
    if line.starts_with('/') {
        return Some((None, Command::Say(line)));
    }
    let (word, rest) = cut_word(line);
    let Some(topic) = topic(word) else {
        return Some((None, Command::Unknown(word)));
    };
    let (room, rest) = match (topic, cut_word(rest)) {
        (Topic::Who | Topic::History | Topic::Part | Topic::Room, (room, rest))
            if room.starts_with('#') =>
        {
            (Some(room), rest)
        }
        (topic, (room, rest)) if is_about_room(topic) && room.starts_with('#') => {
            (Some(room), rest)
        }
        _ => (None, rest),
    };
    let command = parse_command(topic, (rest, room.is_some()));
    Some((room, command.unwrap_or_else(|instead| instead)))
}

/// Whether it is for operators of a room, and that room can be named.
fn is_about_room(topic: Topic) -> bool {
    topic.audience() == Audience::Room
}

/// What a command asks for, with what stands behind its name; or what is said of its form.
/// The room may have been named before that.
fn parse_command(topic: Topic, (rest, of_room): (&str, bool)) -> Result<Command<'_>, Command<'_>> {
    let argument = rest.trim();
    let optional = (!argument.is_empty()).then_some(argument);
    let required = optional.ok_or(Command::Misuse(topic));
    match topic {
        Topic::Me => required.map(|_| Command::Emote(rest)),
        Topic::Msg => required.and_then(|_| match cut_word(rest) {
            (_, text) if text.trim().is_empty() => Err(Command::Misuse(topic)),
            (to, text) => Ok(Command::Tell { to, text }),
        }),
        Topic::Reply => required.map(|_| Command::Reply(rest)),
        Topic::Nick => required.map(Command::Rename),
        Topic::Who => Ok(Command::Who),
        Topic::History => match which_lines(argument) {
            Some(lines) => Ok(Command::History(lines)),
            None => Err(Command::Misuse(topic)),
        },
        Topic::Search => required.map(Command::Search),
        Topic::Forget if argument.eq_ignore_ascii_case("me") => Ok(Command::Forget),
        Topic::Forget => Err(Command::Misuse(topic)),
        Topic::Join => Ok(Command::Join(optional)),
        Topic::Part => Ok(Command::Part(argument)),
        Topic::Rooms => Ok(Command::Rooms),
        Topic::Topic => Ok(Command::Topic(optional)),
        Topic::Invite => required.map(Command::Invite),
        Topic::Ignore => Ok(Command::Ignore(optional)),
        Topic::Unignore => required.map(Command::Unignore),
        Topic::Help => match optional.map(|word| word.strip_prefix('/').unwrap_or(word)) {
            None => Ok(Command::Help(None)),
            Some(word) => self::topic(word)
                .map(|topic| Command::Help(Some(topic)))
                .ok_or(Command::Unknown(word)),
        },
        Topic::Quit => Ok(Command::Quit(argument)),
        Topic::Register | Topic::Login | Topic::Password | Topic::Logout => {
            parse_account(topic, argument).map(Command::Account).ok_or(Command::Misuse(topic))
        }
        Topic::Unregister | Topic::Oper => {
            parse_account(topic, argument).map(Command::Account).ok_or(Command::Misuse(topic))
        }
        _ => {
            let asked = parse_moderation(topic, argument, of_room);
            asked.map(Command::Moderate).ok_or(Command::Misuse(topic))
        }
    }
}

/// What somebody wants of an account, if they say all that is needed. A password may have spaces.
fn parse_account(topic: Topic, argument: &str) -> Option<AccountCommand<'_>> {
    let (first, second) = cut_word(argument);
    let is_whole = !first.is_empty();
    let two = || Some((first, second)).filter(|_| is_whole && !second.is_empty());
    match topic {
        Topic::Register if is_whole => Some(AccountCommand::Register(argument)),
        Topic::Unregister if is_whole => Some(AccountCommand::Unregister(argument)),
        Topic::Logout => Some(AccountCommand::Logout),
        Topic::Login => two().map(|(name, password)| AccountCommand::Login { name, password }),
        Topic::Oper => two().map(|(name, password)| AccountCommand::Oper { name, password }),
        Topic::Password => two().map(|(old, new)| AccountCommand::SetPassword { old, new }),
        _ => None,
    }
}

/// What somebody wants that keeps order, if they say all that is needed.
fn parse_moderation(topic: Topic, argument: &str, of_room: bool) -> Option<Moderation<'_>> {
    let (name, rest) = cut_word(argument);
    let named = |asked| Some(asked).filter(|_| !name.is_empty());
    let rank = |rank, on| named(Moderation::Rank { name, rank, on, beside: false });
    let sanction = |kind| named(Moderation::Sanction { kind, of_room, whom: name, rest });
    let lift = |kind| named(Moderation::Lift { kind, of_room, whom: name });
    match topic {
        Topic::Room if name.is_empty() => Some(Moderation::Settings),
        Topic::Room => {
            Some(Moderation::Set { what: name, value: rest }).filter(|_| !rest.is_empty())
        }
        Topic::Op => rank(Rank::Operator, true),
        Topic::Deop => rank(Rank::Operator, false),
        Topic::Voice => rank(Rank::Voice, true),
        Topic::Devoice => rank(Rank::Voice, false),
        Topic::Kick => named(Moderation::Kick { name, why: rest }),
        Topic::Kill => named(Moderation::Kill { name, why: rest }),
        Topic::Ban => sanction(SanctionKind::Ban),
        Topic::Mute => sanction(SanctionKind::Mute),
        Topic::Unban => lift(SanctionKind::Ban),
        Topic::Unmute => lift(SanctionKind::Mute),
        Topic::Bans => Some(Moderation::Sanctions { of_room }),
        Topic::Whois => named(Moderation::Whois(name)),
        Topic::Lock => Some(Moderation::Lock(argument)),
        Topic::Slow => named(Moderation::Slow(argument)),
        Topic::Announce => named(Moderation::Announce(argument)),
        Topic::Audit => Some(Moderation::Acts),
        Topic::Reload => Some(Moderation::Reload),
        _ => None,
    }
}

/// `20`, `before 2026-11-01`, both or neither; or `more`.
fn which_lines(argument: &str) -> Option<Lines> {
    if argument.eq_ignore_ascii_case("more") {
        return Some(Lines::More);
    }
    let (count, rest) = match cut_word(argument) {
        (word, rest) if word.starts_with(|c: char| c.is_ascii_digit()) => {
            (Some(word.parse().ok()?), rest)
        }
        _ => (None, argument),
    };
    match cut_word(rest) {
        ("", _) => Some(Lines::Last(count)),
        (word, day) if word.eq_ignore_ascii_case("before") => {
            Some(Lines::BeforeTime(parse_date(day.trim())?, count))
        }
        _ => None,
    }
}

/// The word at the front, and what follows the white space behind it.
fn cut_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The command of that name, in any case; several have a second name.
fn topic(word: &str) -> Option<Topic> {
    const NAMES: [(&str, Topic); 47] = [
        ("me", Topic::Me),
        ("msg", Topic::Msg),
        ("tell", Topic::Msg),
        ("reply", Topic::Reply),
        ("r", Topic::Reply),
        ("nick", Topic::Nick),
        ("who", Topic::Who),
        ("names", Topic::Who),
        ("list", Topic::Who),
        ("history", Topic::History),
        ("search", Topic::Search),
        ("forget", Topic::Forget),
        ("join", Topic::Join),
        ("j", Topic::Join),
        ("part", Topic::Part),
        ("whois", Topic::Whois),
        ("room", Topic::Room),
        ("register", Topic::Register),
        ("login", Topic::Login),
        ("password", Topic::Password),
        ("logout", Topic::Logout),
        ("unregister", Topic::Unregister),
        ("oper", Topic::Oper),
        ("op", Topic::Op),
        ("deop", Topic::Deop),
        ("voice", Topic::Voice),
        ("devoice", Topic::Devoice),
        ("kick", Topic::Kick),
        ("ban", Topic::Ban),
        ("unban", Topic::Unban),
        ("bans", Topic::Bans),
        ("mute", Topic::Mute),
        ("unmute", Topic::Unmute),
        ("kill", Topic::Kill),
        ("lock", Topic::Lock),
        ("slow", Topic::Slow),
        ("announce", Topic::Announce),
        ("audit", Topic::Audit),
        ("reload", Topic::Reload),
        ("rooms", Topic::Rooms),
        ("topic", Topic::Topic),
        ("invite", Topic::Invite),
        ("ignore", Topic::Ignore),
        ("unignore", Topic::Unignore),
        ("help", Topic::Help),
        ("quit", Topic::Quit),
        ("exit", Topic::Quit),
    ];
    NAMES.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, topic)| topic)
}

fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    let phrases = reader.phrases;
    match *event {
        // What travels a thousand times a second is written without a detour.
        Event::Said { from, text, .. } => line(out, &[from, ": ", text]),
        Event::Emoted { from, text, .. } => line(out, &["** ", from, " ", text]),
        Event::Told { from, text, .. } => line(out, &["[", from, " -> ", phrases.you, "] ", text]),
        Event::Sent { to, text, .. } => line(out, &["[", phrases.you, " -> ", to, "] ", text]),
        Event::Recalled(said) => recalled(said, None, out),
        Event::Past([], false) => notice(out, phrases.nothing_found, &[]),
        Event::Past(lines, more) => {
            let mut day = None;
            for said in lines {
                let of_line = day_of(said.unix_seconds);
                if day.replace(of_line) != Some(of_line) {
                    notice(out, phrases.day, &[Part::Text(&of_line.to_string())]);
                }
                recalled(said, None, out);
            }
            if more {
                notice(out, phrases.older_lines, &[]);
            }
        }
        Event::Found([], _) => notice(out, phrases.nothing_found, &[]),
        Event::Found(hits, more) => {
            notice(out, phrases.found, &[]);
            hits.iter().for_each(|hit| recalled(&hit.said, Some(hit), out));
            if more {
                notice(out, phrases.more_found, &[]);
            }
        }
        Event::Forgotten(lines) => notice(out, phrases.forgotten, &[Part::Count(lines)]),
        Event::Asked { motd, .. } => {
            for text in motd {
                line(out, &["* ", text]);
            }
            notice(out, phrases.asked, &[]);
        }
        Event::PasswordAsked => notice(out, phrases.password_asked, &[]),
        Event::AccountAsked(name) => {
            notice(out, phrases.order.account_asked, &[Part::Text(name)]);
        }
        Event::Order(occurrence) => {
            if !order::tell_reader(reader, &occurrence, ("! ", "\n"), out) {
                order::tell(reader, &occurrence, ("* ", "\n"), out);
            }
        }
        Event::Helped(topics) => {
            for topic in topics {
                line(out, &["* ", phrases.form(*topic), " - ", phrases.purpose(*topic)]);
            }
        }
        Event::Refused(refusal) => phrases.refuse(refusal, "! ", "\n", out),
        _ => announce(reader, event, out),
    }
}

/// A line that was said: `[14:05] bob: hi`. Of one that was looked for, also when and where that
/// was, and its number: `[2026-11-01 14:05 #ops 7] bob: hi`.
fn recalled(said: &Said, hit: Option<&Hit>, out: &mut Vec<u8>) {
    let Said { id, unix_seconds, from, text, emote, .. } = said;
    let (hour, minute) = (unix_seconds / 3600 % 24, unix_seconds / 60 % 60);
    // Writing to a Vec cannot fail.
    let _ = match hit {
        None => write!(out, "[{hour:02}:{minute:02}] "),
        Some(Hit { room, .. }) => {
            let day = day_of(*unix_seconds);
            write!(out, "[{day} {hour:02}:{minute:02} #{room} {id}] ")
        }
    };
    match emote {
        true => line(out, &["** ", from, " ", text]),
        false => line(out, &[from, ": ", text]),
    }
}

/// The events that are told by a line beginning with `* `.
fn announce(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    use Part::{Count, Joint, Listed, Text};
    let phrases = reader.phrases;
    match *event {
        Event::Welcomed { name, here, count } => {
            notice(out, phrases.welcomed, &[Text(name), Listed(phrases, here, count)]);
        }
        Event::Joined { names, count } => {
            notice(out, phrases.joined, &[Joint(phrases, names), Count(count)]);
        }
        Event::Left { names, why, count, .. } => {
            let who = Joint(phrases, names);
            let why = match why {
                Parting::Plain => None,
                Parting::Words(words) => Some(words),
                Parting::Reason(reason) => phrases.parting(reason),
            };
            match why {
                None => notice(out, phrases.left, &[who, Count(count)]),
                Some(why) => notice(out, phrases.left_because, &[who, Text(why), Count(count)]),
            }
        }
        Event::Renamed { old, new } => notice(out, phrases.renamed, &[Text(old), Text(new)]),
        Event::Here { names, count, elsewhere, .. } => {
            let listed = Listed(phrases, names, count);
            match elsewhere {
                true => notice(out, phrases.there, &[Count(count), Text(reader.room()), listed]),
                false => notice(out, phrases.here, &[Count(count), listed]),
            }
        }
        Event::NothingSaid => notice(out, phrases.nothing_said, &[]),
        Event::Ignoring([]) => notice(out, phrases.ignoring_nobody, &[]),
        Event::Ignoring(names) => {
            notice(out, phrases.ignoring, &[Listed(phrases, names, names.len())]);
        }
        Event::Goodbye => notice(out, phrases.goodbye, &[]),
        Event::Stopping => notice(out, phrases.stopping, &[]),
        Event::Relay { is_back: true } => notice(out, phrases.relay_back, &[]),
        Event::Relay { is_back: false } => {
            out.extend_from_slice(b"! ");
            out.extend_from_slice(phrases.relay_away.as_bytes());
            out.push(b'\n');
        }
        _ => phrases::tell_of_room(reader, event, "* ", "\n", out),
    }
}

/// A line beginning with `* `.
fn notice(out: &mut Vec<u8>, phrase: &str, parts: &[Part<'_>]) {
    out.extend_from_slice(b"* ");
    phrases::fill(out, phrase, parts);
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::About;

    #[test]
    fn commands_are_what_they_look_like() {
        let table: [(&str, Command<'_>); 31] = [
            ("hi", Command::Say("hi")),
            (" /who", Command::Say(" /who")),
            ("//who", Command::Say("/who")),
            ("///", Command::Say("//")),
            ("/", Command::Unknown("")),
            ("/nope x", Command::Unknown("nope")),
            ("/me  waves ", Command::Emote("waves ")),
            ("/me ", Command::Misuse(Topic::Me)),
            ("/MSG bob  hi", Command::Tell { to: "bob", text: "hi" }),
            ("/tell bob", Command::Misuse(Topic::Msg)),
            ("/msg", Command::Misuse(Topic::Msg)),
            ("/r ok", Command::Reply("ok")),
            ("/nick  eve ", Command::Rename("eve")),
            ("/names", Command::Who),
            ("#", Command::Who),
            ("# 1", Command::Say("# 1")),
            ("/history", Command::History(Lines::Last(None))),
            ("/history 20", Command::History(Lines::Last(Some(20)))),
            ("/history 5 before 1970-01-02", Command::History(Lines::BeforeTime(86_400, Some(5)))),
            ("/history #ops MORE", Command::History(Lines::More)),
            ("/history before noon", Command::Misuse(Topic::History)),
            ("/search  a b ", Command::Search("a b")),
            ("/search", Command::Misuse(Topic::Search)),
            ("/forget ME", Command::Forget),
            ("/forget bob", Command::Misuse(Topic::Forget)),
            ("/history x", Command::Misuse(Topic::History)),
            ("/ignore", Command::Ignore(None)),
            ("&", Command::Help(None)),
            ("/help /TELL", Command::Help(Some(Topic::Msg))),
            ("/quit so long", Command::Quit("so long")),
            ("Exit", Command::Quit("")),
        ];
        for (line, command) in table {
            assert_eq!(parse(Stage::Chatting, line, "").next(), Some(command), "{line}");
        }
        for topic in Topic::ALL {
            assert_eq!(Topic::ALL[topic as usize], topic, "phrases are found by this order");
        }
    }

    #[test]
    fn whoever_is_asked_for_a_name_gives_one_or_leaves() {
        for (line, command) in [
            ("alice", Command::Rename("alice")),
            ("/who", Command::Rename("/who")),
            ("//x", Command::Rename("//x")),
            ("quit", Command::Quit("")),
            ("/exit", Command::Quit("")),
            ("/help", Command::Help(None)),
        ] {
            assert_eq!(parse(Stage::Naming, line, "").next(), Some(command), "{line}");
        }
    }

    #[test]
    fn many_names_are_told_by_the_first_few() {
        let names: Vec<_> =
            (0..64).map(|i| crate::nickname::Nickname::unchecked(&format!("n{i}"))).collect();
        let told = |names, count| {
            let mut out = Vec::new();
            let reader = Reader {
                phrases: phrases::of(crate::dialect::Lang::En),
                dialect: crate::dialect::Dialect::Lines,
                about: &About::default(),
            };
            encode(&reader, &Event::Joined { names, count }, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(told(&names[..1], 3), "* n0 joined (3 here)\n");
        assert_eq!(told(&names[..3], 5), "* n0, n1 and n2 joined (5 here)\n");
        let eight = "n0, n1, n2, n3, n4, n5, n6";
        assert_eq!(told(&names[..8], 8), format!("* {eight} and n7 joined (8 here)\n"));
        assert_eq!(told(&names, 64), format!("* {eight}, n7 and 56 more joined (64 here)\n"));
    }
}

//! Events as IRC clients are told them. What is told to all who are in a channel is written once
//! for each [`Encoding`], so it names no reader.

use super::caps::Caps;
use super::numeric::{self, Lines, Numeric, Replies};
use super::{LINE_BYTES_MAX, SERVER, Verb};
use crate::author::{Author, Extra, Part};
use crate::dialect::{About, Dialect, Encoding, Lang, Reader, phrases};
use crate::event::{Change, Event, Parting, Refusal, Said, TopicView};
use crate::nickname::Nickname;
use crate::order::{AccountEvent, Occurrence, Removal};
use crate::rights::{Rank, Rights, Setting};
use crate::sanction::{SanctionKind, mask_of};

/// The user and the host of those of whom no more is known than their names.
const NOBODY: &str = "chinwag@irc.chinwag";

/// The tag of what goes on with the line before it.
const GOES_ON: &str = ";draft/multiline-concat";

/// What comes before and behind what one does (`/me`).
const ACTION: (&str, &str) = ("\x01ACTION ", "\x01");

pub(super) fn encode(reader: &Reader<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    encode_numbered(reader, event, None, out);
}

/// Tells again what happened before, with its number.
pub(crate) fn encode_again(
    (dialect, lang): (Dialect, Lang),
    about: &About<'_>,
    (event, id): (&Event<'_>, u64),
    out: &mut Vec<u8>,
) {
    let reader = Reader { phrases: phrases::of(lang), dialect, about };
    encode_numbered(&reader, event, Some(id), out);
}

fn encode_numbered(reader: &Reader<'_>, event: &Event<'_>, id: Option<u64>, out: &mut Vec<u8>) {
    let mut writer = Writer { reader, out, recalled: None, id };
    match *event {
        Event::Said { from, text, at, id } => {
            writer.said(from, reader.room(), (at, Some(id)), (text, ("", "")));
        }
        Event::Emoted { from, text, at, id } => {
            writer.said(from, reader.room(), (at, Some(id)), (text, ACTION));
        }
        Event::Told { from, text, at, id } => {
            writer.said(from, reader.nick(), (at, Some(id)), (text, ("", "")));
        }
        Event::Sent { to, text, at, id } => {
            writer.said(reader.nick(), to, (at, Some(id)), (text, ("", "")));
        }
        Event::Recalled(said) => writer.recalled(said),
        Event::Joined { names, .. } => writer.joined(names),
        Event::Left { names, why, is_gone, .. } => writer.left(names, why, is_gone),
        Event::Renamed { old, new } => writer.line(0, old, &["NICK ", new]),
        Event::Changed(change) => writer.changed(change),
        Event::TopicSet(topic) => {
            writer.line(0, topic.by, &["TOPIC ", reader.room(), " :", topic.text]);
        }
        Event::TopicIs(topic) => writer.topic(topic),
        Event::Invited { from } => {
            writer.line(0, from, &["INVITE ", reader.nick(), " ", reader.room()]);
        }
        Event::InviteSent { to } => {
            writer.replies().tell(numeric::RPL_INVITING, &[to, reader.room()]);
        }
        Event::Refused(refusal) => writer.refused(refusal),
        Event::Order(occurrence) => writer.order(&occurrence, event),
        Event::Goodbye => writer.error("Quit"),
        Event::Stopping => writer.replies().server(&["NOTICE * :", reader.phrases.stopping]),
        Event::Relay { is_back } => {
            writer.replies().server(&["NOTICE * :", reader.phrases.relay(is_back)]);
        }
        // What answers these is not written here; and whoever comes has asked before being asked.
        Event::Asked { .. }
        | Event::AskedAgain
        | Event::PasswordAsked
        | Event::AccountAsked(_)
        | Event::Welcomed { .. }
        | Event::InRoom(_)
        | Event::Parted
        | Event::Entered { .. }
        | Event::Acked { .. }
        | Event::Here { .. } => {}
        _ => writer.notices(event),
    }
}

impl<'a> Reader<'a> {
    /// What the only reader is called, or `*`.
    fn nick(&self) -> &'a str {
        self.about.name.filter(|name| !name.is_empty()).unwrap_or("*")
    }
}

struct Writer<'r, 'a> {
    reader: &'r Reader<'a>,
    out: &'r mut Vec<u8>,
    /// The line that is told again.
    recalled: Option<&'r Said>,
    /// The number of what is told, for its first line.
    id: Option<u64>,
}

impl<'r, 'a> Writer<'r, 'a> {
    fn replies(&mut self) -> Replies<'_> {
        Replies { nick: self.reader.nick(), out: self.out }
    }

    fn write(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    fn encoding(&self) -> Encoding {
        match self.reader.dialect {
            Dialect::Irc(encoding) => encoding,
            _ => Encoding::PLAIN,
        }
    }

    /// The author at a place, if more is known of them than the name.
    fn author(&self, place: usize) -> Option<&'a Author<'a>> {
        self.reader.about.authors.get(place)
    }

    // ── lines ────────────────────────────────────────────────────────────────────────────────────

    /// The tags before a line, if the reader wants any.
    fn tags(&mut self, place: usize, (at, id): (u64, Option<u64>)) {
        let encoding = self.encoding();
        if encoding == Encoding::PLAIN {
            return;
        }
        let mut tags = String::new();
        let mut add = |tag: &str, value: &dyn Fn(&mut String)| {
            tags.push(if tags.is_empty() { '@' } else { ';' });
            tags.push_str(tag);
            value(&mut tags);
        };
        if encoding.has(Caps::SERVER_TIME) {
            let millis = self.recalled.map_or(self.reader.about.millis, |said| said.millis);
            add("time=", &|tags| numeric::write_time(tags, at, millis));
        }
        if let Some(id) = id.filter(|_| encoding.has(Caps::MESSAGE_TAGS)) {
            add("msgid=", &|tags| tags.push_str(&id.to_string()));
        }
        let account = self.reader.about.authors.get(place).and_then(|author| author.account);
        if let Some(account) = account.filter(|_| encoding.has(Caps::ACCOUNT_TAG)) {
            add("account=", &|tags| tags.push_str(account));
        }
        let own = self.reader.about.extra.map_or("", |extra| &extra.tags);
        if !own.is_empty() && encoding.has(Caps::MESSAGE_TAGS) {
            add(own, &|_| {});
        }
        if !tags.is_empty() {
            tags.push(' ');
            self.write(&[&tags]);
        }
    }

    /// `:name!user@host ` of the author at a place. Returns how many bytes that are.
    fn source(&mut self, place: usize, name: &str) -> usize {
        let before = self.out.len();
        self.out.push(b':');
        match self.reader.about.authors.get(place) {
            Some(Author { mask: Some(mask), .. }) => self.write(&[name, "!", mask, " "]),
            Some(author) => {
                self.write(&[name, "!", author.user, "@"]);
                // Writing to a Vec cannot fail.
                let _ = std::io::Write::write_fmt(self.out, format_args!("{} ", author.host));
            }
            None if name.is_empty() => self.write(&[SERVER, " "]),
            None => {
                let mask = self.recalled.map_or("", |said| &said.mask);
                self.write(&[name, "!", or(mask, NOBODY), " "]);
            }
        }
        self.out.len() - before
    }

    /// A line about the author at a place.
    fn line(&mut self, place: usize, name: &str, words: &[&str]) {
        let id = self.id.take();
        self.tags(place, (self.reader.about.at, id));
        let start = self.out.len();
        self.source(place, name);
        self.write(words);
        numeric::end_line(self.out, start);
    }

    /// What somebody says to somebody, in as many lines as it needs.
    fn said(
        &mut self,
        from: &str,
        to: &str,
        (at, id): (u64, Option<u64>),
        (text, (before, behind)): (&str, (&str, &str)),
    ) {
        let extra = self.reader.about.extra;
        let is_notice = extra.is_some_and(|extra| extra.is_notice)
            || self.recalled.is_some_and(|said| said.notice);
        let command = if is_notice { "NOTICE " } else { "PRIVMSG " };
        let formatted = extra.map_or("", |extra: &Extra| &extra.formatted);
        let text = if formatted.is_empty() { text } else { formatted };
        let part = extra.and_then(|extra| extra.part);
        let batch = part.filter(|_| self.encoding().has(Caps::MULTILINE));
        if part.is_some() && batch.is_none() && text.is_empty() {
            return; // only those who can take it are told of blank lines
        }
        if let Some(Part { message, is_first: true, .. }) = batch {
            self.tags(0, (at, id));
            self.source(0, from);
            self.write(&["BATCH +", &message.to_string(), " draft/multiline ", to, "\r\n"]);
        }
        let mut id = id.filter(|_| part.is_none_or(|part| part.is_first));
        let begins = text.trim_start_matches(Extra::BLANK);
        let blank = if batch.is_some() { text.len() - begins.len() } else { 0 };
        let blank = std::iter::repeat_n(("", ""), blank);
        let pieces = begins.split(Extra::PIECE).enumerate();
        let pieces = pieces.map(|(place, piece)| (piece, if place > 0 { GOES_ON } else { "" }));
        for (mut rest, mut goes_on) in blank.chain(pieces) {
            loop {
                match batch {
                    Some(Part { message, .. }) => {
                        self.write(&["@batch=", &message.to_string(), goes_on, " "]);
                        goes_on = GOES_ON;
                    }
                    // Only one of them has the number.
                    None => self.tags(0, (at, id.take())),
                }
                let head = self.source(0, from);
                self.write(&[command, to, " :", before]);
                let taken = head + command.len() + to.len() + 2 + before.len() + behind.len() + 2;
                let (piece, left) = cut(rest, LINE_BYTES_MAX.saturating_sub(taken));
                self.write(&[piece, behind, "\r\n"]);
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
        }
        if let Some(Part { message, is_last: true, .. }) = batch {
            self.source(0, from);
            self.write(&["BATCH -", &message.to_string(), "\r\n"]);
        }
    }

    /// A line that was said before.
    fn recalled(&mut self, said: &'r Said) {
        let Said { id, unix_seconds: at, from, text, emote, .. } = said;
        let around = if *emote { ACTION } else { ("", "") };
        self.recalled = Some(said);
        self.said(from, self.reader.room(), (*at, Some(*id)), (text, around));
    }

    // ── coming and going ─────────────────────────────────────────────────────────────────────────

    fn joined(&mut self, names: &[Nickname]) {
        let (encoding, room) = (self.encoding(), self.reader.room());
        for (place, name) in names.iter().enumerate() {
            let name = name.as_str();
            let author = self.author(place).copied();
            match author.filter(|_| encoding.has(Caps::EXTENDED_JOIN)) {
                Some(Author { account, real_name, .. }) => {
                    let account = account.unwrap_or("*");
                    self.line(place, name, &["JOIN ", room, " ", account, " :", real_name]);
                }
                None => self.line(place, name, &["JOIN ", room]),
            }
            if let Some(letters) = author.and_then(|author| author.rank).map(letter_of) {
                let server = &[":", SERVER, " MODE ", room, " +", letters, " ", name, "\r\n"];
                self.tags(place, (self.reader.about.at, None));
                self.write(server);
            }
            let away = author.and_then(|author| author.away);
            if let Some(why) = away.filter(|_| encoding.has(Caps::AWAY_NOTIFY)) {
                self.line(place, name, &["AWAY :", why]);
            }
        }
    }

    fn left(&mut self, names: &[Nickname], why: Parting<'_>, is_gone: bool) {
        let room = self.reader.room();
        for (place, name) in names.iter().enumerate() {
            let name = name.as_str();
            match (is_gone, why) {
                _ if self.author(place).is_some_and(|author| author.told_apart) => {}
                (true, why) => self.quit(place, name, why),
                (false, Parting::Words(words)) => {
                    self.line(place, name, &["PART ", room, " :", words]);
                }
                (false, _) => self.line(place, name, &["PART ", room]),
            }
        }
    }

    fn quit(&mut self, place: usize, name: &str, why: Parting<'_>) {
        let phrases = phrases::of(Lang::En);
        match why {
            Parting::Plain => self.line(place, name, &["QUIT :Quit"]),
            Parting::Words(words) => self.line(place, name, &["QUIT :Quit: ", words]),
            Parting::Reason(reason) => {
                let words = phrases.parting(reason).unwrap_or("Quit");
                self.line(place, name, &["QUIT :", words]);
            }
        }
    }

    fn changed(&mut self, change: Change<'_>) {
        let encoding = self.encoding();
        let name = self.author(0).map_or("", |author| author.name).to_owned();
        let name = name.as_str();
        let is_own = self.reader.about.name == Some(name);
        let has = |cap| encoding.has(cap);
        match change {
            Change::Away(why) if has(Caps::AWAY_NOTIFY) && !is_own => match why {
                Some(why) => self.line(0, name, &["AWAY :", why]),
                None => self.line(0, name, &["AWAY"]),
            },
            Change::Account(account) if has(Caps::ACCOUNT_NOTIFY) && !is_own => {
                self.line(0, name, &["ACCOUNT ", account.unwrap_or("*")]);
            }
            Change::RealName(text) if has(Caps::SETNAME) => {
                self.line(0, name, &["SETNAME :", text]);
            }
            Change::Invited(whom) if has(Caps::INVITE_NOTIFY) && !is_own => {
                self.line(0, name, &["INVITE ", whom, " ", self.reader.room()]);
            }
            Change::Tagged { to, id } if has(Caps::MESSAGE_TAGS) => {
                self.tags(0, (self.reader.about.at, Some(id)));
                self.source(0, name);
                self.write(&["TAGMSG ", to, "\r\n"]);
            }
            Change::Set(settings) => {
                self.line(0, name, &["MODE ", self.reader.room(), " ", &mode_words(settings)]);
            }
            Change::Mode(modes) => {
                self.line(0, name, &["MODE ", self.reader.room(), " ", modes]);
            }
            Change::Gone(why) => self.quit(0, name, why),
            Change::Removed(how) => self.line(0, name, &["QUIT :", how]),
            _ => {}
        }
    }

    // ── rooms ────────────────────────────────────────────────────────────────────────────────────

    fn topic(&mut self, topic: Option<TopicView<'_>>) {
        let room = self.reader.room();
        let mut replies = self.replies();
        match topic {
            Some(TopicView { text, by, at }) => {
                replies.say(numeric::RPL_TOPIC, &[room], text);
                replies.tell(numeric::RPL_TOPICWHOTIME, &[room, by, &at.to_string()]);
            }
            None => replies.tell(numeric::RPL_NOTOPIC, &[room]),
        }
    }

    fn order(&mut self, occurrence: &Occurrence<'_>, event: &Event<'_>) {
        let room = self.reader.room();
        match *occurrence {
            Occurrence::Ranked { name, rank, before, by } => {
                if let Some(modes) = rank_words(name, before, rank) {
                    self.line(0, by, &["MODE ", room, " ", &modes]);
                }
            }
            // That is told with all else that was set at once.
            Occurrence::Set { .. } => {}
            Occurrence::Settings { rights, .. } => {
                self.replies().modes(room, &modes_of(rights, true));
            }
            // Whoever was put off the server is told of in other words.
            Occurrence::Removed { is_gone: true, .. } => {}
            Occurrence::Removed { name, by, why, .. } => {
                self.line(0, by, &["KICK ", room, " ", name, " :", or(why, by)]);
            }
            Occurrence::YouRemoved { whom, how, by, why } => match how {
                Removal::Kick | Removal::Ban if !room.is_empty() => {
                    self.line(0, by, &["KICK ", room, " ", whom, " :", or(why, by)]);
                }
                _ => self.line(0, by, &["KILL ", whom, " :", or(why, by)]),
            },
            Occurrence::Sanctioned(sanction, by) if sanction.kind == SanctionKind::Ban => {
                if sanction.room.is_some() && !room.is_empty() {
                    self.line(0, by, &["MODE ", room, " +b ", &sanction.mask()]);
                } else {
                    self.notices(event);
                }
            }
            Occurrence::Lifted { kind: SanctionKind::Ban, whom, target, by }
                if !room.is_empty() =>
            {
                self.line(0, by, &["MODE ", room, " -b ", &mask_of(target, whom)]);
            }
            Occurrence::YouBanned(sanction) => {
                let why = or(&sanction.why, "You are banned").to_owned();
                self.replies().say(numeric::ERR_YOUREBANNEDCREEP, &[], &why);
            }
            Occurrence::Account { name, event: of_account, .. } => {
                self.account(name, of_account, event);
            }
            Occurrence::Reloading => {
                self.replies().tell(numeric::RPL_REHASHING, &["chinwag.toml"]);
            }
            Occurrence::Announced { by, text } => {
                self.line(0, by, &["NOTICE * :", text]);
            }
            Occurrence::Alarm(text) => self.replies().notice(text),
            Occurrence::Whois(_) => {}
            _ => self.notices(event),
        }
    }

    fn account(&mut self, name: &str, of_account: AccountEvent<'_>, event: &Event<'_>) {
        match of_account {
            AccountEvent::LoggedIn | AccountEvent::Registered => {
                let mask = self.author(0).map(ToString::to_string).unwrap_or_default();
                let text = format!("You are now logged in as {name}");
                self.replies().say(numeric::RPL_LOGGEDIN, &[&mask, name], &text);
                if self.reader.about.asked == Verb::Authenticate {
                    self.replies().tell(numeric::RPL_SASLSUCCESS, &[]);
                }
            }
            AccountEvent::LoggedOut | AccountEvent::Unregistered => {
                let mask = self.author(0).map(ToString::to_string).unwrap_or_default();
                self.replies().tell(numeric::RPL_LOGGEDOUT, &[&mask]);
            }
            AccountEvent::Operator => {
                self.replies().tell(numeric::RPL_YOUREOPER, &[]);
                let nick = self.reader.nick();
                self.replies().server(&["MODE ", nick, " :+o"]);
            }
            AccountEvent::PasswordSet | AccountEvent::NameLost(_) => self.notices(event),
        }
    }

    // ── refusals ─────────────────────────────────────────────────────────────────────────────────

    fn refused(&mut self, refusal: Refusal<'_>) {
        match refusal {
            Refusal::Closed(reason) => {
                let others_are_told = phrases::of(Lang::En).parting(reason);
                let words = others_are_told.map_or_else(|| self.sentence(refusal), str::to_owned);
                self.error(or(&words, reason.label()));
            }
            _ if self.reader.about.asked.is_silent() => {}
            refusal => self.not_done(refusal),
        }
    }

    /// Something was not done that may be answered.
    fn not_done(&mut self, refusal: Refusal<'_>) {
        let asked = self.reader.about.asked;
        let room = self.reader.room();
        let (numeric, parameters): (Numeric, &[&str]) = match refusal {
            Refusal::Taken(name) => (numeric::ERR_NICKNAMEINUSE, &[name]),
            Refusal::Registered(name) => {
                let text = "Nickname is registered; log in with SASL or PASS name:password";
                return self.replies().say(numeric::ERR_NICKNAMEINUSE, &[name], text);
            }
            Refusal::Nickname(error, name) => {
                let text = error.to_string();
                return self.replies().say(numeric::ERR_ERRONEUSNICKNAME, &[name], &text);
            }
            // It is so already.
            Refusal::SameName(_) | Refusal::AlreadyIn(_) | Refusal::HasRank(..) => return,
            Refusal::Nobody(name) => (numeric::ERR_NOSUCHNICK, &[name]),
            Refusal::NoSuchRoom(_) | Refusal::RoomsFixed | Refusal::RoomsFull(_) => {
                (numeric::ERR_NOSUCHCHANNEL, &[room])
            }
            Refusal::RoomName(_) => (numeric::ERR_BADCHANMASK, &[room]),
            Refusal::NotInRoom(_) if asked.is_message() => (numeric::ERR_CANNOTSENDTOCHAN, &[room]),
            Refusal::NotInRoom(_) => (numeric::ERR_NOTONCHANNEL, &[room]),
            Refusal::TooManyRooms(_) => (numeric::ERR_TOOMANYCHANNELS, &[room]),
            Refusal::IsThere(name) => (numeric::ERR_USERONCHANNEL, &[name, room]),
            Refusal::NotThere(name) => (numeric::ERR_USERNOTINCHANNEL, &[name, room]),
            Refusal::RoomOperatorOnly(_) => (numeric::ERR_CHANOPRIVSNEEDED, &[room]),
            Refusal::OperatorOnly => (numeric::ERR_NOPRIVILEGES, &[]),
            Refusal::InviteOnly(_) => (numeric::ERR_INVITEONLYCHAN, &[room]),
            Refusal::RoomKey(_) => (numeric::ERR_BADCHANNELKEY, &[room]),
            Refusal::RoomFull(_) => (numeric::ERR_CHANNELISFULL, &[room]),
            Refusal::RoomBanned(_) => (numeric::ERR_BANNEDFROMCHAN, &[room]),
            Refusal::Muted(_)
            | Refusal::Moderated
            | Refusal::Slow(_)
            | Refusal::TooNew
            | Refusal::TooManyLines(_)
                if !room.is_empty() =>
            {
                let text = self.sentence(refusal);
                let is_topic = asked == Verb::Topic;
                let needs_rank = is_topic.then_some(numeric::ERR_CHANOPRIVSNEEDED);
                let numeric = needs_rank.unwrap_or(numeric::ERR_CANNOTSENDTOCHAN);
                return self.replies().say(numeric, &[room], &text);
            }
            Refusal::TooManySanctions(_) if asked == Verb::Mode => {
                (numeric::ERR_BANLISTFULL, &[room, "b"])
            }
            Refusal::LineTooLong(_) => (numeric::ERR_INPUTTOOLONG, &[]),
            Refusal::NotUtf8 => {
                let text = "Messages must be UTF-8";
                return self.replies().server(&["FAIL ", asked.name(), " INVALID_UTF8 :", text]);
            }
            Refusal::Usage(_) if asked.is_message() => (numeric::ERR_NOTEXTTOSEND, &[]),
            Refusal::Usage(_) => (numeric::ERR_NEEDMOREPARAMS, &[asked.name()]),
            Refusal::UnknownCommand(word) => (numeric::ERR_UNKNOWNCOMMAND, &[word]),
            Refusal::Password | Refusal::PasswordNeeded => (numeric::ERR_PASSWDMISMATCH, &[]),
            Refusal::WrongPassword if asked == Verb::Oper => (numeric::ERR_PASSWDMISMATCH, &[]),
            refusal if asked == Verb::Authenticate => {
                let text = self.sentence(refusal);
                return self.replies().say(numeric::ERR_SASLFAIL, &[], &text);
            }
            refusal => {
                let text = self.sentence(refusal);
                return self.replies().notice(&text);
            }
        };
        self.replies().tell(numeric, parameters);
    }

    /// A refusal as people are told it elsewhere.
    fn sentence(&self, refusal: Refusal<'_>) -> String {
        let mut text = Vec::new();
        self.reader.phrases.refuse(refusal, "", "", &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn error(&mut self, why: &str) {
        self.write(&["ERROR :Closing link: ", why, "\r\n"]);
    }

    /// What has no form of its own in IRC is told in the words of `lines`, each line as a notice.
    fn notices(&mut self, event: &Event<'_>) {
        let mut text = Vec::new();
        let reader = Reader { dialect: Dialect::Lines, ..*self.reader };
        (Dialect::Lines.spec().encode)(&reader, event, &mut text);
        let text = String::from_utf8(text).unwrap_or_default();
        let target = self.reader.about.name.or(self.reader.about.room).unwrap_or("*");
        for line in text.lines() {
            let line = line.trim_start_matches(['*', '!']).trim_start();
            let head = format!(":{SERVER} NOTICE {target} :");
            let mut rest = line;
            while !rest.is_empty() {
                let (piece, left) = cut(rest, LINE_BYTES_MAX - 2 - head.len());
                self.write(&[&head, piece, "\r\n"]);
                rest = left;
            }
        }
    }
}

/// A text, or another if it is empty.
fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// As much of a text as has at most so many bytes, and the rest; never nothing, nor a part of a
/// character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> (&str, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let most = bytes_max.min(text.len());
    let boundary = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let end = boundary.max(first);
    text.split_at(end)
}

/// The modes by which the rank of somebody becomes another one, with their name for each; `None` if
/// they have it already.
pub(crate) fn rank_words(name: &str, before: Option<Rank>, now: Option<Rank>) -> Option<String> {
    let (before, now) = (letters_of(before), letters_of(now));
    let of = |sign: char, letters: &str, without: &str| {
        let new: String = letters.chars().filter(|letter| !without.contains(*letter)).collect();
        if new.is_empty() { (new, 0) } else { (format!("{sign}{new}"), new.len()) }
    };
    let (taken, fewer) = of('-', before, now);
    let (given, more) = of('+', now, before);
    let names = [name].repeat(fewer + more).join(" ");
    (fewer + more > 0).then(|| format!("{taken}{given} {names}"))
}

/// The letter of the rank with which somebody comes.
fn letter_of(rank: Rank) -> &'static str {
    if rank.is_operator() { "o" } else { "v" }
}

fn letters_of(rank: Option<Rank>) -> &'static str {
    match rank {
        None => "",
        Some(Rank::Voice) => "v",
        Some(Rank::Operator) => "o",
        Some(Rank::VoicedOperator) => "ov",
    }
}

/// What stands before the name of somebody with a rank: the higher of two, or both.
pub(crate) fn mark_of(rank: Option<Rank>, both: bool) -> &'static str {
    match rank {
        None => "",
        Some(Rank::Voice) => "+",
        Some(Rank::VoicedOperator) if both => "@+",
        Some(Rank::Operator | Rank::VoicedOperator) => "@",
    }
}

/// What is set, as a change of modes with its parameters behind it.
pub(crate) fn mode_words(settings: &[Setting]) -> String {
    let (mut letters, mut values, mut sign) = (String::new(), String::new(), None);
    for setting in settings {
        let (on, letter, value) = match setting {
            Setting::Flag(flag, on) => (*on, flag.letter(), None),
            Setting::Key(key) => {
                (key.is_some(), 'k', Some(key.clone().unwrap_or_else(|| "*".to_owned())))
            }
            Setting::Limit(limit) => (limit.is_some(), 'l', limit.map(|limit| limit.to_string())),
        };
        if sign.replace(on) != Some(on) {
            letters.push(if on { '+' } else { '-' });
        }
        letters.push(letter);
        values += &value.map(|value| format!(" {value}")).unwrap_or_default();
    }
    letters + &values
}

/// What is set for a room, as a mode with its parameters; the key only for those who know it.
pub(crate) fn modes_of(rights: &Rights, with_key: bool) -> String {
    let mut modes = format!("+{}", rights.letters());
    let mut parameters = String::new();
    if let Some(key) = &rights.key {
        modes.push('k');
        parameters += &format!(" {}", if with_key { key } else { "*" });
    }
    if let Some(limit) = rights.limit {
        modes.push('l');
        parameters += &format!(" {limit}");
    }
    modes + &parameters
}

/// The names of those who are in a room, in as many lines as they need.
pub(crate) fn names(
    out: &mut Vec<u8>,
    (nick, symbol, room): (&str, &str, &str),
    names: impl Iterator<Item = String>,
) {
    let numeric = numeric::RPL_NAMREPLY.0;
    let head = format!(":{SERVER} {numeric} {nick} {symbol} {room} :");
    let mut lines = Lines::new(|_| head.clone());
    names.for_each(|name| lines.push(&name, out));
    lines.finish_unless_empty(out);
}

//! Bots: members that live in the server's own process, as programs have them that embed it. They
//! come in without being asked for anything, straight into their room, and are then members like
//! all others at `lines`.

use std::fmt;
use std::net::SocketAddr;

use super::connection::Connection;
use super::{Hub, awaiting_nick};
use crate::chat::commands::Answers;
use crate::chat::{Applied, Asker, Conflict, Fact, Judged, LOBBY, Leaving, Standing, commands};
use crate::dialect::{Dialect, Lang, Session};
use crate::event::{CloseReason, Command, Event, Refusal};
use crate::key::ConnectionKey;
use crate::nickname::{Nickname, NicknameError};
use crate::timers::Now;

/// Why a bot cannot come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// It cannot be called so.
    Nickname(NicknameError),
    /// Somebody has that nickname, or one that looks the same.
    Taken,
    /// The server lets it not in, or not into that room: the sentence that anybody would be told,
    /// in the server's language.
    Refused(String),
    /// The server has stopped, or is about to.
    Stopped,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Nickname(error) => error.fmt(f),
            JoinError::Taken => f.write_str("the nickname is taken"),
            JoinError::Refused(sentence) => f.write_str(sentence),
            JoinError::Stopped => f.write_str("the server has stopped"),
        }
    }
}

impl std::error::Error for JoinError {}

impl Hub {
    /// A bot comes into the room of that name, with or without its `#`. It takes the place of a
    /// client. It needs no password, for its program has the server in its hands anyway.
    ///
    /// The connection is there in any case. If the bot cannot come in, it is being closed.
    pub fn add_bot(
        &mut self,
        name: &Nickname,
        room: &str,
        now: Now,
    ) -> (ConnectionKey, Result<(), JoinError>) {
        self.now = now;
        let remote = SocketAddr::from(([127, 0, 0, 1], 0));
        let is_full = self.clients >= self.limits.clients_max;
        let state = awaiting_nick(now.instant, None);
        let session = Session::new(Dialect::Lines, &self.settings, now.instant);
        let new = |key| Connection::new(key, remote, Dialect::Lines, session, state);
        let key = self.connections.insert(new);
        self.connections[key].is_bot = true;
        self.clients += 1;
        let come = match is_full {
            true => Err(self.sentence(&Refusal::Closed(CloseReason::ServerFull))),
            false => self.bring_in(key, name, room),
        };
        if come.is_err() {
            self.close(key, CloseReason::Quit, "");
        }
        self.arm(key);
        (key, come)
    }

    /// Gives a bot its name, and lets it into the room, if both can be.
    fn bring_in(
        &mut self,
        key: ConnectionKey,
        name: &Nickname,
        room: &str,
    ) -> Result<(), JoinError> {
        if self.relay.is_some() {
            // Whether it has its name would be known later than its program waits for.
            let why = "A program's own bots cannot come in where servers share their rooms.";
            return Err(JoinError::Refused(why.to_owned()));
        }
        let address = self.connections[key].remote.ip();
        let standing = Box::new(Standing::default());
        let fact = Fact::Connected { origin: Some(key), name: name.clone(), address, standing };
        let user = match self.propose(fact) {
            Applied::Connected(user) => user,
            Applied::Refused(Conflict::Registered) => {
                return Err(self.sentence(&Refusal::Registered(name.as_str())));
            }
            Applied::Refused(Conflict::Locked) => return Err(self.sentence(&Refusal::Locked)),
            Applied::Refused(Conflict::Banned) => {
                return Err(self.sentence(&Refusal::Closed(CloseReason::Banned)));
            }
            _ => return Err(JoinError::Taken),
        };
        let mut why = None;
        let asker = Asker { user, many_rooms: false, now: self.now.unix_seconds };
        let lang = self.lang;
        let mut note = |event: &Event<'_>| why = Some(sentence(lang, event));
        let wanted = Command::Join(Some(room));
        let judged = self.chat.judge(asker, LOBBY, wanted, &mut Answers(&mut note));
        let joined = match judged {
            Judged::Join { room, key: given, .. } => {
                self.propose(Fact::Joined { user, room, key: given.into_owned().into() })
            }
            _ => Applied::Refused(Conflict::NotAllowed),
        };
        if !matches!(joined, Applied::Joined(_)) {
            self.propose(Fact::Left { user, why: Leaving::Plain });
            let title = commands::title(room);
            return Err(why.unwrap_or_else(|| self.sentence(&Refusal::InviteOnly(&title))));
        }
        self.tell_watchers_online(user);
        Ok(())
    }

    /// A refusal, as who is refused would read it.
    fn sentence(&self, refusal: &Refusal<'_>) -> JoinError {
        sentence(self.lang, &Event::Refused(*refusal))
    }
}

fn sentence(lang: Lang, event: &Event<'_>) -> JoinError {
    let mut line = Vec::new();
    Dialect::Lines.encode(lang, event, &mut line);
    let line = String::from_utf8_lossy(&line);
    JoinError::Refused(line.trim_start_matches("! ").trim_end().to_owned())
}

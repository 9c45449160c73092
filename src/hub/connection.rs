//! A peer: one connection as the hub sees it. Its state, what is unfinished of its input, what it
//! is still owed, and the pace at which it may talk. What happens to it is decided in `hub/` and
//! `chat/`.

use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::AddressKey;
use crate::archive::Request;
use crate::author::Extra;
use crate::chat::{Happening, RoomKey, UserKey};
use crate::config::{Flood, Limits, Prelude};
use crate::delivery::Outbox;
use crate::dialect::{Dialect, Gap, Session};
use crate::event::Said;
use crate::key::{ConnectionKey, reserve};
use crate::nickname::Nickname;
use crate::timers::Timer;

/// How long a connection that is being closed may still send before it is cut off. Closing with
/// input unread would make the system discard what the peer has not yet read from us.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) remote: SocketAddr,
    pub(super) dialect: Dialect,
    pub(super) state: State,
    /// Its own key.
    pub(super) key: ConnectionKey,
    pub(super) session: Session,
    /// There while its input is not listened to.
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) outbox: Outbox,
    pub(super) budget: Budget,
    /// The address that it counts for, if that is counted.
    pub(super) address: Option<AddressKey>,
    /// There while its socket has not taken all that waits.
    pub(super) blocked: Option<Box<Blocked>>,
    /// What `Timers` holds for it.
    pub(super) armed: Option<Instant>,
    /// … and what is due then.
    pub(super) timer: Timer,
    /// Its input has ended; what is held of it is still to be heard.
    pub(super) input_ended: bool,
    /// What it sends can be read by others on its way.
    pub(super) is_exposed: bool,
    /// It came over TLS.
    pub(super) is_secure: bool,
    /// It is a bot of the server's own program, and stays in the room that it came into.
    pub(super) is_bot: bool,
    /// When something was asked for last, in seconds since 1970, of which the high bits are left
    /// out.
    pub(super) heard_at: u32,
    /// It came when there was no place, and is only told so.
    pub(super) turned_away: bool,
    /// It had to wait, and is now read once whatever the room says.
    pub(super) may_read: bool,
    /// It is on the list of those to be written to although the room may be silent.
    pub(super) touched: bool,
}

/// How far a connection has come, and what belongs to that state alone.
#[derive(Debug)]
pub(super) enum State {
    /// Its PROXY header, or its TLS handshake, has not come to its end.
    Preparing { deadline: Instant, prelude: Prelude },
    /// Its session has not opened, so it cannot be asked for anything; and has its own deadline.
    Opening,
    /// Asked for the server's password, or for a nickname.
    AwaitingNick {
        deadline: Instant,
        /// Tokens that it has given and that are nobody's.
        wrong_tokens: u8,
        /// Passwords that it has given and that are not the server's; `None` if none is asked for
        /// any more.
        wrong_passwords: Option<u8>,
    },
    /// Asked for the password of the account whose name it gave.
    Proving(Box<Proving>),
    /// It has a name that nobody else can take, and comes in under it when it has been told so and
    /// the gap after that is over.
    Entering(UserKey),
    /// It has a name, and comes in under it when all servers know that, which it is not told yet.
    Named(UserKey),
    /// In at least one room.
    Chatting(UserKey),
    /// Nothing it sends is heard any more. First what waits for it is sent, then the write side is
    /// shut (`shut`), then its input is dropped until it ends or the deadline comes.
    Closing { shut: bool, deadline: Instant },
    /// To be reaped at the end of the turn.
    Closed,
}

/// What belongs to somebody who is asked for the password of an account.
#[derive(Debug)]
pub(super) struct Proving {
    pub(super) deadline: Instant,
    /// The account.
    pub(super) name: Nickname,
    /// Passwords and tokens that were wrong.
    pub(super) tries: u8,
}

/// Input that is not listened to yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) why: Wait,
    /// What has come already.
    pub(super) held: Vec<u8>,
    /// It has asked the archive for this, and what is held came after it.
    pub(super) asked: Option<Box<Asked>>,
    /// What it said in rooms that took no more; what is held came after it.
    pub(super) parked: Vec<Parked>,
    /// The server was told not to read, and is to be told when it may.
    pub(super) resume_reading: bool,
    /// What is held ends with an arrival.
    pub(super) read_drained: bool,
}

/// What somebody has asked the archive for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// The room that it is about, with `#`, if it is about one.
    pub(super) room: Option<Arc<str>>,
    /// Lines that come after those of the archive.
    pub(super) tail: Vec<Said>,
    /// What happened between lines, if that is wanted.
    pub(super) happened: Vec<Happening>,
    /// Lines that the rooms have forgotten already.
    pub(super) forgotten: usize,
    /// Under which key it has asked.
    pub(super) key: Option<String>,
}

impl Asked {
    /// This alone.
    pub(super) fn new(request: Request) -> Asked {
        let (room, tail, happened, key) = Default::default();
        Asked { request, room, tail, happened, forgotten: 0, key }
    }
}

/// A message for one of several rooms, which takes no more now.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) room: RoomKey,
    pub(super) lines: Vec<String>,
    pub(super) emote: bool,
    /// How it was said, if there is more to it.
    pub(super) extra: Option<Box<Extra>>,
    /// Under which key that is to be confirmed.
    pub(super) key: Option<String>,
}

impl Waiting {
    /// Nothing has come yet that is not heard.
    pub(super) fn new(why: Wait) -> Waiting {
        let (held, asked, parked) = Default::default();
        Waiting { why, held, asked, parked, resume_reading: false, read_drained: false }
    }
}

/// Why input is not listened to yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It, or its address, has said more than `--flood` allows before this.
    Budget(Instant),
    /// It has asked for more than it has read.
    Outbox,
    /// It has asked for something that is looked up.
    Answer,
    /// What it has asked for, or what it would say, must be known to all servers first.
    Relay,
    /// It has read that since, or has its answer, and comes in its turn.
    Turn,
    /// The room takes no more in this turn, or waits for a slow reader.
    Room,
}

/// The trail of a connection whose socket is full.
#[derive(Debug)]
pub(super) struct Blocked {
    /// The socket has said that it takes more.
    pub(super) writable: bool,
    /// Nothing waits here, but what carries its bytes has not handed all of them to the system.
    pub(super) below: bool,
    /// When it last took a byte.
    pub(super) progress: Instant,
    /// Until when it is a reason for talkers to wait, if it has become one. It must catch up
    /// before it can be one again.
    pub(super) waited_for: Option<Instant>,
    /// Its place among all that are blocked.
    place: u32,
}

impl Connection {
    /// A connection that has just come.
    pub(super) fn new(
        key: ConnectionKey,
        remote: SocketAddr,
        dialect: Dialect,
        session: Session,
        state: State,
    ) -> Connection {
        Connection {
            key,
            remote,
            dialect,
            state,
            session,
            waiting: None,
            outbox: Outbox::default(),
            budget: Budget::default(),
            address: None,
            blocked: None,
            armed: None,
            timer: Timer::Closing,
            input_ended: false,
            is_exposed: false,
            is_secure: false,
            is_bot: false,
            heard_at: 0,
            turned_away: false,
            may_read: false,
            touched: false,
        }
    }

    /// Whether what it sends is still heard.
    pub(super) fn is_heard(&self) -> bool {
        matches!(
            self.state,
            State::Opening
                | State::AwaitingNick { .. }
                | State::Proving(_)
                | State::Entering(_)
                | State::Named(_)
                | State::Chatting(_)
        )
    }

    /// Whether it must give the server's password first.
    pub(super) fn awaits_password(&self) -> bool {
        matches!(self.state, State::AwaitingNick { wrong_passwords: Some(_), .. })
    }

    /// Who it is, once it is in a room.
    pub(super) fn user(&self) -> Option<UserKey> {
        match self.state {
            State::Chatting(user) => Some(user),
            _ => None,
        }
    }

    /// Who it is, once it has a name.
    pub(super) fn any_user(&self) -> Option<UserKey> {
        match self.state {
            State::Entering(user) | State::Named(user) | State::Chatting(user) => Some(user),
            _ => None,
        }
    }

    /// Why it is not listened to, if it is not.
    pub(super) fn wait(&self) -> Option<Wait> {
        self.waiting.as_ref().map(|waiting| waiting.why)
    }

    /// Whether there is no point in writing to it now.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| !blocked.writable)
    }

    /// Whether the next frame may go out, if each must arrive alone.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.session.gap()
    }

    /// The name that its client believes to have, if that is another than it has.
    pub(super) fn given_name(&self) -> Option<&str> {
        self.session.given_name()
    }

    /// When it has taken nothing for too long. Who may be written to is given that chance first.
    pub(super) fn stalls_at(&self, limits: &Limits) -> Option<Instant> {
        let blocked = self.blocked.as_ref().filter(|blocked| !blocked.writable)?;
        Some(blocked.progress + limits.stall_timeout)
    }

    /// When it has been in its state for too long. Who only waits for the room, with what it may
    /// have sent in time, is heard first.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitingNick { .. } if self.wait() == Some(Wait::Relay) => None,
            _ if self.wait() == Some(Wait::Room) => None,
            State::Opening => self.session.deadline(),
            State::Preparing { deadline, .. }
            | State::AwaitingNick { deadline, .. }
            | State::Closing { deadline, .. } => Some(*deadline),
            State::Proving(proving) => Some(proving.deadline),
            State::Entering(_) | State::Named(_) | State::Chatting(_) | State::Closed => None,
        }
    }

    /// Its earliest deadline, and what is due then. Of several that fall together, what it has said
    /// in time comes first, and the end of its state second.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Timer)> {
        let of_budget = match self.wait() {
            Some(Wait::Budget(ready)) => Some((ready, Timer::Pace)),
            _ => None,
        };
        let of_state = self.ends_at().map(|at| (at, self.end_of_state()));
        let of_stall = self.stalls_at(limits).map(|at| (at, Timer::Stall));
        let is_opening = matches!(self.state, State::Preparing { .. } | State::Opening);
        let of_session = self.session.deadline().filter(|_| !is_opening);
        let of_session = of_session.map(|at| (at, Timer::Session));
        let all = [of_budget, of_state, of_stall, of_session];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What ends when it has been in its state for too long.
    fn end_of_state(&self) -> Timer {
        match self.state {
            State::Preparing { .. } => Timer::Prelude,
            State::Opening => Timer::Session,
            State::Closing { .. } => Timer::Closing,
            _ => Timer::Nickname,
        }
    }
}

/// How much of its pace a talker has used up (the "generic cell rate algorithm": one instant says
/// it all).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// When the budget will be full again; `None` if it never was touched.
    full_again: Option<Instant>,
}

impl Budget {
    /// When there is budget for the next line; `None` if there has always been.
    pub(super) fn ready(&self, flood: Flood) -> Option<Instant> {
        let burst = (flood.per / flood.lines) * (flood.lines - 1);
        self.full_again.and_then(|full| full.checked_sub(burst))
    }

    /// Takes so many lines off the budget.
    pub(super) fn spend(&mut self, flood: Flood, lines: u32, now: Instant) {
        let from = self.full_again.map_or(now, |full| full.max(now));
        self.full_again = Some(from + flood.per / flood.lines * lines);
    }

    /// How long it takes until the budget is full again.
    pub(super) fn debt(&self, now: Instant) -> Duration {
        self.full_again.map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
    }
}

/// All connections, and those among them that are owed something of their own.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slab: Slab<Connection>,
    /// How many connections there have been, by which each has a generation of its own.
    generation: u32,
    touched: Vec<ConnectionKey>,
    /// Those whose sockets are full.
    blocked: Vec<ConnectionKey>,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Takes in the connection that is made for its key.
    pub(super) fn insert(
        &mut self,
        make: impl FnOnce(ConnectionKey) -> Connection,
    ) -> ConnectionKey {
        self.generation = self.generation.wrapping_add(1);
        reserve(&mut self.slab);
        let entry = self.slab.vacant_entry();
        let key = ConnectionKey::new(entry.key(), self.generation);
        entry.insert(make(key));
        key
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) -> Option<Connection> {
        self.get(key)?;
        self.slab.try_remove(key.index())
    }

    pub(super) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        let connection = self.slab.get_mut(key.index());
        connection.filter(|connection| connection.key == key)
    }

    pub(super) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        self.slab.get(key.index()).filter(|connection| connection.key == key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().map(|(_, connection)| connection)
    }

    pub(super) fn keys(&self) -> Vec<ConnectionKey> {
        self.iter().map(|connection| connection.key).collect()
    }

    /// Sees to it that `key` is looked at when this turn is written out.
    pub(super) fn touch(&mut self, key: ConnectionKey) {
        let connection = &mut self[key];
        if !connection.touched {
            connection.touched = true;
            self.touched.push(key);
        }
    }

    /// Those whose sockets are full, or were when they were last written to.
    pub(super) fn blocked(&self) -> &[ConnectionKey] {
        &self.blocked
    }

    /// The socket of `key` is full now.
    pub(super) fn block(&mut self, key: ConnectionKey, now: Instant) {
        match &mut self.slab[key.index()].blocked {
            Some(blocked) => blocked.writable = false,
            blocked => {
                let (writable, progress, place) = (false, now, self.blocked.len() as u32);
                let blocked_now =
                    Blocked { writable, below: false, progress, waited_for: None, place };
                *blocked = Some(Box::new(blocked_now));
                self.blocked.push(key);
            }
        }
    }

    /// `key` has got all that waited for it, or gets nothing more.
    pub(super) fn unblock(&mut self, key: ConnectionKey) {
        let Some(blocked) = self[key].blocked.take() else { return };
        let place = blocked.place as usize;
        self.blocked.swap_remove(place);
        if let Some(moved) = self.blocked.get(place).copied()
            && let Some(blocked) = &mut self[moved].blocked
        {
            blocked.place = place as u32;
        }
        if self.blocked.is_empty() {
            self.blocked = Vec::new();
        }
        if blocked.waited_for.is_some() {
            // Those who wait for it need wait no more: there is another turn at once.
            self.touch(key);
        }
    }

    pub(super) fn any_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Moves those that were touched to `keys`.
    pub(super) fn take_touched(&mut self, keys: &mut Vec<ConnectionKey>) {
        for key in self.touched.drain(..) {
            let connection = self.slab.get_mut(key.index());
            if let Some(connection) = connection.filter(|connection| connection.key == key) {
                connection.touched = false;
                if !connection.is_blocked() {
                    keys.push(key);
                }
            }
        }
    }
}

/// A key that is in use. Every caller has it from this same slab and from the same turn; a key
/// that is not in use is a bug of ours, and no peer can bring it about.
impl Index<ConnectionKey> for Connections {
    type Output = Connection;

    fn index(&self, key: ConnectionKey) -> &Connection {
        let connection = &self.slab[key.index()];
        debug_assert_eq!(connection.key, key, "a key of a connection that is gone");
        connection
    }
}

impl IndexMut<ConnectionKey> for Connections {
    fn index_mut(&mut self, key: ConnectionKey) -> &mut Connection {
        let connection = &mut self.slab[key.index()];
        debug_assert_eq!(connection.key, key, "a key of a connection that is gone");
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_a_burst_and_then_the_pace() {
        let flood = Flood { lines: 3, per: Duration::from_secs(3) };
        let (start, mut budget) = (Instant::now(), Budget::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert!(budget.ready(flood).is_none_or(|ready| ready <= start));
            budget.spend(flood, 1, start);
        }
        assert_eq!(budget.ready(flood), Some(at(1)), "three at once, the fourth a second later");
        budget.spend(flood, 1, at(1));
        assert_eq!(budget.ready(flood), Some(at(2)));
        budget.spend(flood, 1, at(100));
        assert!(budget.ready(flood).unwrap() <= at(100), "and full again after a while");
    }

    #[test]
    fn a_peer_is_small() {
        assert!(size_of::<Connection>() <= 224, "{} bytes", size_of::<Connection>());
    }
}

//! Hearing: from bytes that came to what is done about them, and whom not to listen to for now.

use std::mem;
use std::time::{Duration, Instant};

use super::{Hub, OWN_BYTES_MAX};
use crate::connection::{Budget, Connection, State, Wait, Waiting};
use crate::dialect::decoder::{Arrival, Decoder, Frame, UNTERMINATED_BYTES_MAX};
use crate::dialect::{Dialect, Framing, Naming, Stage, Transport};
use crate::event::{CloseReason, Command, Event, Refusal};
use crate::key::ConnectionKey;
use crate::nickname::{self, Nickname};
use crate::text;

/// How long an arrival that ended in the middle of a character waits for its rest.
const PARTIAL_CHAR_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an HTTP request may take to come.
#[cfg(feature = "web")]
const REQUEST_TIME: Duration = Duration::from_secs(10);

impl Hub {
    /// Hears what came, as far as it may be heard now, and holds the rest.
    pub(super) fn process(&mut self, key: ConnectionKey, mut input: &[u8]) {
        let mut decoder = self.take_decoder(key);
        while !input.is_empty() && self.connections[key].is_heard() && !self.must_wait(key, false) {
            match decoder.pull(&mut input, self.limits.line_bytes_max) {
                Some(frame) => self.execute(key, frame),
                None => break,
            }
        }
        decoder.release();
        let connection = &mut self.connections[key];
        connection.decoder = decoder;
        if let Some(waiting) = &mut connection.waiting {
            waiting.held.extend_from_slice(input);
        }
    }

    /// Goes on hearing somebody who had to wait.
    pub(super) fn resume(&mut self, key: ConnectionKey) {
        let Some(before) = self.connections[key].waiting.take() else { return };
        self.process(key, &before.held);
        if before.read_drained && self.connections[key].waiting.is_none() {
            self.end_arrival(key, !before.give_up);
        }
        let connection = &mut self.connections[key];
        if let Some(waiting) = &mut connection.waiting {
            waiting.resume_reading = before.resume_reading;
            (waiting.read_drained, waiting.give_up) = (before.read_drained, before.give_up);
            return;
        }
        if before.resume_reading {
            connection.may_read = true;
            self.resumed.push(key);
        }
        if connection.input_ended {
            self.leave_after_input(key);
        }
    }

    /// What has arrived from `key` for now ends here, and perhaps a message with it.
    pub(super) fn end_arrival(&mut self, key: ConnectionKey, patient: bool) {
        if self.must_wait(key, false) {
            if let Some(waiting) = &mut self.connections[key].waiting {
                (waiting.read_drained, waiting.give_up) = (true, !patient);
            }
            return;
        }
        let mut decoder = self.take_decoder(key);
        let mut cut = false;
        if self.connections[key].is_heard() {
            match decoder.read_drained(self.limits.line_bytes_max, patient) {
                Arrival::Nothing => {}
                Arrival::Blank => self.spend(key, 0),
                Arrival::Frame(frame) => self.execute(key, frame),
                Arrival::Cut => cut = true,
            }
        }
        decoder.release();
        let connection = &mut self.connections[key];
        connection.decoder = decoder;
        if cut {
            let until = self.now.instant + PARTIAL_CHAR_TIMEOUT;
            connection.session_mut().rest_until.get_or_insert(until);
        } else if let Some(session) = &mut connection.session {
            session.rest_until = None;
        }
    }

    /// The decoder stands aside while what it takes out of the input is acted upon.
    fn take_decoder(&mut self, key: ConnectionKey) -> Decoder {
        // Any other will do in its place; this one costs nothing.
        mem::replace(&mut self.connections[key].decoder, Decoder::new(Framing::Lines))
    }

    /// A datagram came from `key`: it lives on, if it is somebody.
    pub(super) fn note_datagram(&mut self, key: ConnectionKey) {
        let expires = self.now.instant + self.limits.udp_expiry;
        let connection = &mut self.connections[key];
        match connection.state {
            State::Chatting(_) => connection.session_mut().expires = Some(expires),
            State::AwaitingNick { .. } => self.close(key, CloseReason::WrongProtocol, ""),
            State::Requesting { .. }
            | State::Entering(_)
            | State::Closing { .. }
            | State::Closed => {}
        }
    }

    /// Whether `key` is not to be heard now; if so, it is seen to that it will be.
    pub(super) fn must_wait(&mut self, key: ConnectionKey, queue: bool) -> bool {
        if self.connections[key].waiting.is_some() {
            return true;
        }
        let why = self.wait_reason(key, queue);
        if why == Some(Wait::Room) {
            self.awaiting_turn.push_back(key);
        }
        self.connections[key].waiting = why.map(|why| Box::new(Waiting::new(why)));
        why.is_some()
    }

    /// Whether `key` [must wait](Self::must_wait).
    pub(super) fn would_wait(&self, key: ConnectionKey, queue: bool) -> bool {
        self.connections[key].waiting.is_some() || self.wait_reason(key, queue).is_some()
    }

    /// Why `key`, who does not wait yet, must.
    fn wait_reason(&self, key: ConnectionKey, queue: bool) -> Option<Wait> {
        let connection = &self.connections[key];
        if !connection.is_heard() {
            return None;
        }
        let now = self.now.instant;
        if let Some(ready) = self.next_line_at(key).filter(|ready| *ready > now) {
            Some(Wait::Budget(ready))
        } else if is_owed_much(connection) {
            Some(Wait::Outbox)
        } else if queue
            || connection.member().is_some() && self.room.is_full(now)
            || connection.member().is_none()
                && (self.room.has_listed_enough() || self.directory.has_compared_enough())
        {
            Some(Wait::Room)
        } else {
            None
        }
    }

    /// When `key` may say its next line, if it and its address have said any. Of those who wait for
    /// the same address, who has said less goes first.
    fn next_line_at(&self, key: ConnectionKey) -> Option<Instant> {
        let (connection, now) = (&self.connections[key], self.now.instant);
        let flood = self.limits.flood?;
        let own = connection.budget.ready(flood);
        let Some(address) = connection.address.filter(|_| connection.member().is_some()) else {
            return own;
        };
        let together = self.addresses.ready(address, flood).filter(|ready| *ready > now);
        own.max(together.map(|ready| ready + connection.budget.debt(now) / 32))
    }

    /// Takes a message of so many bytes off the budgets.
    fn spend(&mut self, key: ConnectionKey, bytes: usize) {
        let (Some(flood), now) = (self.limits.flood, self.now.instant) else { return };
        let connection = &mut self.connections[key];
        connection.budget.spend(flood, 1, now);
        if let Some(address) = connection.address.filter(|_| connection.member().is_some()) {
            let bytes_max = self.limits.line_bytes_max;
            self.addresses.spend(address, flood, (bytes, bytes_max), now);
        }
    }

    /// The input of `key` has ended and all of it but an unfinished line has been heard.
    pub(super) fn leave_after_input(&mut self, key: ConnectionKey) {
        let mut decoder = self.take_decoder(key);
        if self.connections[key].is_heard()
            && let Some(frame) = decoder.finish(self.limits.line_bytes_max)
        {
            self.execute(key, frame);
        }
        match &self.connections[key].state {
            State::Closing { shut: true, .. } => self.drop_peer(key),
            State::Closing { .. } | State::Closed => {}
            _ => self.close(key, CloseReason::EndOfInput, ""),
        }
    }

    /// Does what a message asks for.
    fn execute(&mut self, key: ConnectionKey, frame: Frame<'_>) {
        let max = self.limits.line_bytes_max;
        let bytes = match frame {
            Frame::Line(line) => line.len(),
            Frame::TooLong => max,
            _ => 0,
        };
        self.spend(key, bytes);
        #[cfg(feature = "web")]
        if frame.is_browsers() {
            return self.process_control(key, frame);
        }
        let connection = &self.connections[key];
        let dialect = connection.dialect;
        let stage = if connection.member().is_some() { Stage::Chatting } else { Stage::Naming };
        let line = match frame {
            Frame::Line(line) => std::str::from_utf8(line).map_err(|_| Refusal::NotUtf8),
            Frame::TooLong => Err(Refusal::LineTooLong(max)),
            Frame::Unterminated => {
                let reason = CloseReason::Unterminated(UNTERMINATED_BYTES_MAX);
                return self.close(key, reason, "");
            }
            Frame::WrongProtocol => return self.close(key, CloseReason::WrongProtocol, ""),
            // These were attended to.
            _ => return,
        };
        let command = match line {
            Ok(line) => dialect.parse(stage, line, self.connections[key].given_name()),
            Err(_) if stage == Stage::Naming && self.must_take(key) => {
                return self.admit_as_guest(key, "");
            }
            Err(refusal) => return self.refuse(key, refusal),
        };
        let Hub { connections, directory, room, now, .. } = self;
        match (stage, command) {
            (_, Command::Quit(words)) => {
                let words = text::clean(words);
                let words = if text::is_blank(&words) { "" } else { &words };
                self.close(key, CloseReason::Quit, words);
            }
            (Stage::Naming, Command::Help(topic)) => room.help(connections, key, topic),
            (Stage::Naming, Command::Rename(name)) => self.admit(key, name),
            (Stage::Naming, Command::Introduce { name, text }) => {
                self.admit(key, name);
                let Hub { connections, directory, room, now, .. } = self;
                room.execute(connections, directory, key, Command::Say(text), *now);
            }
            (Stage::Naming, _) => {}
            (Stage::Chatting, command) => room.execute(connections, directory, key, command, *now),
        }
    }

    /// How a connection begins.
    pub(super) fn first_state(&self, dialect: Dialect) -> State {
        let now = self.now.instant;
        match dialect.framing() {
            #[cfg(feature = "web")]
            Framing::Web => State::Requesting { deadline: now + REQUEST_TIME },
            _ => State::AwaitingNick { deadline: now + self.limits.nick_timeout },
        }
    }

    /// Asks a newcomer for a nickname.
    pub(super) fn ask(&mut self, key: ConnectionKey) {
        let line_bytes_max = self.limits.line_bytes_max;
        let event = Event::Asked { motd: &self.motd, line_bytes_max };
        self.room.tell(&mut self.connections, key, &event);
    }

    /// Tells somebody that something was not done; and what they are still asked.
    fn refuse(&mut self, key: ConnectionKey, refusal: Refusal<'_>) {
        let Hub { connections, room, .. } = self;
        let in_room = connections[key].member().is_some();
        if in_room {
            // What happened in the room before comes before.
            room.flush_presence(connections);
        }
        room.refuse(connections, key, refusal);
        if !in_room {
            room.tell(connections, key, &Event::AskedAgain);
        }
    }

    /// Lets somebody in under the name they give, or asks again, or gives them another.
    fn admit(&mut self, key: ConnectionKey, given: &str) {
        if self.connections[key].dialect.spec().naming == Naming::Once {
            return self.admit_anyhow(key, given);
        }
        match Nickname::parse(given) {
            Ok(name) if self.directory.claim(key, &name, None) => self.join(key, &name),
            Ok(name) => self.refuse(key, Refusal::Taken(name.as_str())),
            Err(error) => self.refuse(key, Refusal::Nickname(error, &text::clean(given))),
        }
    }

    /// Lets somebody in who cannot be asked again: if the name they give is taken, with the lowest
    /// suffix that is free; if it cannot be a name, as a guest.
    fn admit_anyhow(&mut self, key: ConnectionKey, given: &str) {
        let wanted = given.trim();
        if text::is_blank(&text::clean(wanted)) {
            return;
        }
        match Nickname::parse(wanted) {
            Ok(name) => {
                self.join_as(key, &name, 2);
                self.note_given(key, given);
            }
            Err(_) => self.admit_as_guest(key, given),
        }
    }

    /// Lets somebody in who gave what cannot be a name. Clients put it before each line even so,
    /// whatever they are called here.
    fn admit_as_guest(&mut self, key: ConnectionKey, given: &str) {
        self.join_as(key, &Nickname::unchecked("guest"), 1);
        self.note_given(key, given);
    }

    /// Keeps what somebody gave as a name who got another. What is longer than any name is not
    /// kept: the client's own lines then still begin with it.
    fn note_given(&mut self, key: ConnectionKey, given: &str) {
        let connection = &mut self.connections[key];
        if connection.given_name() != given {
            let kept = if given.len() > nickname::BYTES_MAX { "" } else { given };
            connection.session_mut().given = Some(kept.into());
        }
    }

    /// Whether `key` can only give one name, whatever it is. A datagram without one is junk.
    fn must_take(&self, key: ConnectionKey) -> bool {
        let spec = self.connections[key].dialect.spec();
        spec.naming == Naming::Once && spec.transport == Transport::Tcp
    }

    /// Lets somebody in as `name`; or with the first suffix that is free, if that is taken or the
    /// first suffix is 1.
    pub(super) fn join_as(&mut self, key: ConnectionKey, name: &Nickname, first_suffix: u32) {
        if first_suffix > 1 && self.directory.claim(key, name, None) {
            return self.join(key, name);
        }
        let name = self.directory.claim_suffixed(key, name, first_suffix);
        self.join(key, &name);
    }

    /// Lets somebody in under a name that the directory has given them. Where each frame must go
    /// alone, they come in when they have been told so, and the room does not wait for them.
    fn join(&mut self, key: ConnectionKey, name: &Nickname) {
        let Hub { connections, room, .. } = self;
        // Asking for a name costs nobody a line of what they may say.
        connections[key].budget = Budget::default();
        if connections[key].gap().is_some() {
            room.welcome(connections, key, name);
            connections[key].state = State::Entering(name.clone());
        } else {
            self.enter(key, name);
        }
    }

    /// Somebody is in the room from now on.
    pub(super) fn enter(&mut self, key: ConnectionKey, name: &Nickname) {
        let Hub { connections, room, .. } = self;
        room.join(connections, key, name);
        log::info!("joined: {name} from {} ({} here)", connections[key].remote, room.count());
    }
}

/// Whether somebody must read what waits for them before they are listened to again. In a handshake
/// with gaps, each answer is sent before the next is given.
pub(super) fn is_owed_much(connection: &Connection) -> bool {
    let own_bytes_max = if connection.gap().is_some() { 0 } else { OWN_BYTES_MAX };
    connection.outbox.own_bytes() > own_bytes_max || matches!(connection.state, State::Entering(_))
}

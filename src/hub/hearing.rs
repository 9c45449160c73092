//! Hearing: from bytes that came to what is done about them, and whom not to listen to for now.

use std::mem;
use std::time::{Duration, Instant};

use super::{Hub, OWN_BYTES_MAX};
use crate::dialect::decoder::{Arrival, Decoder, Frame, UNENDED_BYTES_MAX};
use crate::dialect::{Dialect, Framing, Naming, Stage, Transport};
use crate::event::{CloseReason, Command, Event, Refusal};
use crate::nickname::{self, Nickname};
use crate::peer::{Budget, Peer, PeerKey, State, Wait, Waiting};
use crate::text;

/// How long an arrival that ended in the middle of a character waits for its rest.
const REST: Duration = Duration::from_secs(1);

/// How long an HTTP request may take to come.
#[cfg(feature = "web")]
const REQUEST_TIME: Duration = Duration::from_secs(10);

impl Hub {
    /// Hears what came, as far as it may be heard now, and holds the rest.
    pub(super) fn hear(&mut self, key: PeerKey, mut input: &[u8]) {
        let mut decoder = self.take_decoder(key);
        while !input.is_empty() && self.peers[key].is_heard() && !self.must_wait(key, false) {
            match decoder.pull(&mut input, self.limits.line_bytes_max) {
                Some(frame) => self.obey(key, frame),
                None => break,
            }
        }
        decoder.release();
        let peer = &mut self.peers[key];
        peer.decoder = decoder;
        if let Some(waiting) = &mut peer.waiting {
            waiting.held.extend_from_slice(input);
        }
    }

    /// Goes on hearing somebody who had to wait.
    pub(super) fn resume(&mut self, key: PeerKey) {
        let Some(before) = self.peers[key].waiting.take() else { return };
        self.hear(key, &before.held);
        if before.arrived && self.peers[key].waiting.is_none() {
            self.end_arrival(key, !before.impatient);
        }
        let peer = &mut self.peers[key];
        if let Some(waiting) = &mut peer.waiting {
            waiting.unread = before.unread;
            (waiting.arrived, waiting.impatient) = (before.arrived, before.impatient);
            return;
        }
        if before.unread {
            peer.may_read = true;
            self.resumed.push(key);
        }
        if peer.input_ended {
            self.leave_after_input(key);
        }
    }

    /// What has arrived from `key` for now ends here, and perhaps a message with it.
    pub(super) fn end_arrival(&mut self, key: PeerKey, patient: bool) {
        if self.must_wait(key, false) {
            if let Some(waiting) = &mut self.peers[key].waiting {
                (waiting.arrived, waiting.impatient) = (true, !patient);
            }
            return;
        }
        let mut decoder = self.take_decoder(key);
        let mut cut = false;
        if self.peers[key].is_heard() {
            match decoder.arrived(self.limits.line_bytes_max, patient) {
                Arrival::Nothing => {}
                Arrival::Blank => self.spend(key, 0),
                Arrival::Frame(frame) => self.obey(key, frame),
                Arrival::Cut => cut = true,
            }
        }
        decoder.release();
        let peer = &mut self.peers[key];
        peer.decoder = decoder;
        if cut {
            let until = self.now.instant + REST;
            peer.habits_mut().rest_until.get_or_insert(until);
        } else if let Some(habits) = &mut peer.habits {
            habits.rest_until = None;
        }
    }

    /// The decoder stands aside while what it takes out of the input is acted upon.
    fn take_decoder(&mut self, key: PeerKey) -> Decoder {
        // Any other will do in its place; this one costs nothing.
        mem::replace(&mut self.peers[key].decoder, Decoder::new(Framing::Lines))
    }

    /// A datagram came from `key`: it lives on, if it is somebody.
    pub(super) fn note_heard(&mut self, key: PeerKey) {
        let expires = self.now.instant + self.limits.udp_expiry;
        let peer = &mut self.peers[key];
        match peer.state {
            State::Chatting(_) => peer.habits_mut().expires = Some(expires),
            State::AwaitingNick { .. } => self.close(key, CloseReason::Foreign, ""),
            State::Requesting { .. }
            | State::Entering(_)
            | State::Closing { .. }
            | State::Closed => {}
        }
    }

    /// Whether `key` is not to be heard now; if so, it is seen to that it will be.
    pub(super) fn must_wait(&mut self, key: PeerKey, queue: bool) -> bool {
        let peer = &mut self.peers[key];
        if peer.waiting.is_some() {
            return true;
        }
        if !peer.is_heard() {
            return false;
        }
        let now = self.now.instant;
        let ready = self.next_line_at(key).filter(|ready| *ready > now);
        let peer = &mut self.peers[key];
        let why = if let Some(ready) = ready {
            Some(Wait::Budget(ready))
        } else if is_owed_much(peer) {
            Some(Wait::Outbox)
        } else if queue
            || peer.member().is_some() && self.room.is_full(now)
            || peer.member().is_none()
                && (self.room.has_listed_enough() || self.directory.has_compared_enough())
        {
            self.runnable.push_back(key);
            Some(Wait::Room)
        } else {
            None
        };
        peer.waiting = why.map(|why| Box::new(Waiting::new(why)));
        peer.waiting.is_some()
    }

    /// When `key` may say its next line, if it and its address have said any. Of those who wait for
    /// the same address, who has said less goes first.
    fn next_line_at(&self, key: PeerKey) -> Option<Instant> {
        let (peer, now) = (&self.peers[key], self.now.instant);
        let flood = self.limits.flood?;
        let own = peer.budget.ready(flood);
        let Some(address) = peer.address.filter(|_| peer.member().is_some()) else { return own };
        let together = self.addresses.ready(address, flood).filter(|ready| *ready > now);
        own.max(together.map(|ready| ready + peer.budget.debt(now) / 32))
    }

    /// Takes a message of so many bytes off the budgets.
    fn spend(&mut self, key: PeerKey, bytes: usize) {
        let (Some(flood), now) = (self.limits.flood, self.now.instant) else { return };
        let peer = &mut self.peers[key];
        peer.budget.spend(flood, 1, now);
        if let Some(address) = peer.address.filter(|_| peer.member().is_some()) {
            let bytes_max = self.limits.line_bytes_max;
            self.addresses.spend(address, flood, (bytes, bytes_max), now);
        }
    }

    /// The input of `key` has ended and all of it but an unfinished line has been heard.
    pub(super) fn leave_after_input(&mut self, key: PeerKey) {
        let mut decoder = self.take_decoder(key);
        if self.peers[key].is_heard()
            && let Some(frame) = decoder.finish(self.limits.line_bytes_max)
        {
            self.obey(key, frame);
        }
        match &self.peers[key].state {
            State::Closing { shut: true, .. } => self.drop_peer(key),
            State::Closing { .. } | State::Closed => {}
            _ => self.close(key, CloseReason::EndOfInput, ""),
        }
    }

    /// Does what a message asks for.
    fn obey(&mut self, key: PeerKey, frame: Frame<'_>) {
        let max = self.limits.line_bytes_max;
        let bytes = match frame {
            Frame::Line(line) => line.len(),
            Frame::TooLong => max,
            _ => 0,
        };
        self.spend(key, bytes);
        #[cfg(feature = "web")]
        if frame.is_browsers() {
            return self.attend(key, frame);
        }
        let peer = &self.peers[key];
        let dialect = peer.dialect;
        let stage = if peer.member().is_some() { Stage::Chatting } else { Stage::Naming };
        let line = match frame {
            Frame::Line(line) => std::str::from_utf8(line).map_err(|_| Refusal::NotUtf8),
            Frame::TooLong => Err(Refusal::LineTooLong(max)),
            Frame::Unended => {
                let reason = CloseReason::Unended(UNENDED_BYTES_MAX);
                return self.close(key, reason, "");
            }
            Frame::Foreign => return self.close(key, CloseReason::Foreign, ""),
            // These were attended to.
            _ => return,
        };
        let command = match line {
            Ok(line) => dialect.parse(stage, line, self.peers[key].given_name()),
            Err(_) if stage == Stage::Naming && self.must_take(key) => {
                return self.admit_as_guest(key, "");
            }
            Err(refusal) => return self.refuse(key, refusal),
        };
        let Hub { peers, directory, room, now, .. } = self;
        match (stage, command) {
            (_, Command::Quit(words)) => {
                let words = text::clean(words);
                let words = if text::is_blank(&words) { "" } else { &words };
                self.close(key, CloseReason::Quit, words);
            }
            (Stage::Naming, Command::Help(topic)) => room.help(peers, key, topic),
            (Stage::Naming, Command::Rename(name)) => self.admit(key, name),
            (Stage::Naming, Command::Introduce { name, text }) => {
                self.admit(key, name);
                let Hub { peers, directory, room, now, .. } = self;
                room.obey(peers, directory, key, Command::Say(text), *now);
            }
            (Stage::Naming, _) => {}
            (Stage::Chatting, command) => room.obey(peers, directory, key, command, *now),
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
    pub(super) fn ask(&mut self, key: PeerKey) {
        let line_bytes_max = self.limits.line_bytes_max;
        let event = Event::Asked { motd: &self.motd, line_bytes_max };
        self.room.tell(&mut self.peers, key, &event);
    }

    /// Tells somebody that something was not done; and what they are still asked.
    fn refuse(&mut self, key: PeerKey, refusal: Refusal<'_>) {
        let Hub { peers, room, .. } = self;
        let in_room = peers[key].member().is_some();
        if in_room {
            // What happened in the room before comes before.
            room.settle(peers);
        }
        room.refuse(peers, key, refusal);
        if !in_room {
            room.tell(peers, key, &Event::AskedAgain);
        }
    }

    /// Lets somebody in under the name they give, or asks again, or gives them another.
    fn admit(&mut self, key: PeerKey, given: &str) {
        if self.peers[key].dialect.manners().naming == Naming::Once {
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
    fn admit_anyhow(&mut self, key: PeerKey, given: &str) {
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
    fn admit_as_guest(&mut self, key: PeerKey, given: &str) {
        self.join_as(key, &Nickname::unchecked("guest"), 1);
        self.note_given(key, given);
    }

    /// Keeps what somebody gave as a name who got another. What is longer than any name is not
    /// kept: the client's own lines then still begin with it.
    fn note_given(&mut self, key: PeerKey, given: &str) {
        let peer = &mut self.peers[key];
        if peer.given_name() != given {
            let kept = if given.len() > nickname::BYTES_MAX { "" } else { given };
            peer.habits_mut().given = Some(kept.into());
        }
    }

    /// Whether `key` can only give one name, whatever it is. A datagram without one is junk.
    fn must_take(&self, key: PeerKey) -> bool {
        let manners = self.peers[key].dialect.manners();
        manners.naming == Naming::Once && manners.transport == Transport::Tcp
    }

    /// Lets somebody in as `name`; or with the first suffix that is free, if that is taken or the
    /// first suffix is 1.
    pub(super) fn join_as(&mut self, key: PeerKey, name: &Nickname, first_suffix: u32) {
        if first_suffix > 1 && self.directory.claim(key, name, None) {
            return self.join(key, name);
        }
        let name = self.directory.claim_suffixed(key, name, first_suffix);
        self.join(key, &name);
    }

    /// Lets somebody in under a name that the directory has given them. Where each frame must go
    /// alone, they come in when they have been told so, and the room does not wait for them.
    fn join(&mut self, key: PeerKey, name: &Nickname) {
        let Hub { peers, room, .. } = self;
        // Asking for a name costs nobody a line of what they may say.
        peers[key].budget = Budget::default();
        if peers[key].gap().is_some() {
            room.welcome(peers, key, name);
            peers[key].state = State::Entering(name.clone());
        } else {
            self.enter(key, name);
        }
    }

    /// Somebody is in the room from now on.
    pub(super) fn enter(&mut self, key: PeerKey, name: &Nickname) {
        let Hub { peers, room, .. } = self;
        room.join(peers, key, name);
        log::info!("joined: {name} from {} ({} here)", peers[key].remote, room.count());
    }
}

/// Whether somebody must read what waits for them before they are listened to again. In a handshake
/// with gaps, each answer is sent before the next is given.
pub(super) fn is_owed_much(peer: &Peer) -> bool {
    let own_bytes_max = if peer.gap().is_some() { 0 } else { OWN_BYTES_MAX };
    peer.outbox.own_bytes() > own_bytes_max || matches!(peer.state, State::Entering(_))
}

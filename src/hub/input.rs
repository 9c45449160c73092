//! Hearing: from bytes that came to what is done about them, and whom not to listen to for now.

use std::borrow::Cow;
use std::time::Instant;
use std::{iter, mem};

use super::connection::{Budget, Connection, Parked, State, Wait, Waiting};
use super::next::Next;
use super::returning::Keyed;
use super::telling::tell;
use super::{Hub, OWN_BYTES_MAX, WRONG_PASSWORDS_MAX, awaiting_nick, counted};
use crate::archive::Proof;
use crate::author::Extra;
use crate::chat::commands::Answers;
use crate::chat::{
    Applied, Asker, Conflict, Fact, Judged, LOBBY, MaybeExtra, RoomKey, Standing, User, UserKey,
    commands,
};
use crate::dialect::session::{Context, Message, Received};
use crate::dialect::{About, Dialect, Naming, Session, Stage, Transport};
use crate::event::{Audience, CloseReason, Command, Event, Refusal, Topic};
use crate::key::ConnectionKey;
use crate::metrics::Metrics;
use crate::nickname::Nickname;
use crate::order::{AccountCommand, Occurrence};
use crate::text;
use crate::token::Secret;

impl Hub {
    /// Hears what came, as far as it may be heard now, and holds the rest.
    pub(super) fn process(&mut self, key: ConnectionKey, mut input: &[u8]) {
        while !input.is_empty() && self.connections[key].is_heard() && !self.must_wait(key, false) {
            let received = self.ask_session(key, |session, context: &Context<'_>| {
                session.receive(&mut input, context)
            });
            match received {
                Some(received) => self.execute(key, &received),
                None => break,
            }
        }
        if let Some(waiting) = &mut self.connections[key].waiting {
            waiting.held.extend_from_slice(input);
        }
    }

    /// Lets the session of `key` do something, with what it may have to know for that.
    fn ask_session<T>(
        &mut self,
        key: ConnectionKey,
        ask: impl FnOnce(&mut Session, &Context<'_>) -> T,
    ) -> T {
        let Hub { connections, settings, now, counts, measure, .. } = self;
        let Hub { chat, channels, journals, clients, members, closings, .. } = self;
        let counted =
            || counted((chat, channels, journals), (*clients, *members), closings, counts);
        let process = || measure.map(|measure| measure()).unwrap_or_default();
        let metrics = || Metrics { process: process(), ..counted() }.to_string();
        let connection = &mut connections[key];
        let remote = connection.remote.ip();
        let name = connection.any_user().map_or("", |user| chat.name(user));
        let context = Context { now: now.instant, remote, name, settings, metrics: &metrics };
        ask(&mut connection.session, &context)
    }

    /// Goes on hearing somebody who had to wait.
    pub(super) fn resume(&mut self, key: ConnectionKey) {
        let Some(mut before) = self.connections[key].waiting.take() else { return };
        let mut parked = mem::take(&mut before.parked).into_iter();
        if let Some(first) = parked.next() {
            self.say_parked(key, first);
        }
        // What else it said may be for other rooms, which take no more either.
        while let Some(next) = parked.next() {
            if self.is_full(next.room) {
                let room = next.room;
                before.parked = iter::once(next).chain(parked).collect();
                self.connections[key].waiting = Some(before);
                return self.await_room(key, room);
            }
            self.say_parked(key, next);
        }
        self.process(key, &before.held);
        if before.read_drained && self.connections[key].waiting.is_none() {
            self.end_arrival(key);
        }
        let connection = &mut self.connections[key];
        if let Some(waiting) = &mut connection.waiting {
            waiting.resume_reading = before.resume_reading;
            waiting.read_drained = before.read_drained;
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

    /// Says what had to wait for a room.
    fn say_parked(&mut self, key: ConnectionKey, parked: Parked) {
        let Some(user) = self.connections[key].user() else { return };
        let Parked { room, lines, emote, extra, key: given } = parked;
        // Meanwhile others may have come and gone.
        self.flush_presence_of(user);
        self.keyed = given.map(|given| Keyed::new(key, given));
        let lines = lines.into_iter().map(Cow::Owned);
        let applied = self.propose_lines((user, room), lines, (emote, extra));
        self.note_asked(key, &applied, (None, true));
        self.keyed = None;
    }

    /// What has arrived from `key` for now ends here, and perhaps a message with it.
    pub(super) fn end_arrival(&mut self, key: ConnectionKey) {
        if self.must_wait(key, false) {
            if let Some(waiting) = &mut self.connections[key].waiting {
                waiting.read_drained = true;
            }
        } else if self.connections[key].is_heard()
            && let Some(received) = self.ask_session(key, Session::end_arrival)
        {
            self.execute(key, &received);
        }
    }

    /// Whether `key` is not to be processed now; if so, it is seen to that it will be.
    pub(super) fn must_wait(&mut self, key: ConnectionKey, queue: bool) -> bool {
        if self.connections[key].waiting.is_some() {
            return true;
        }
        let why = self.wait_reason(key, queue);
        match why {
            Some(Wait::Room) => self.await_turn(key),
            Some(Wait::Relay) => self.await_relay_turn(key),
            _ => {}
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
        } else if self.is_relay_full() {
            Some(Wait::Relay)
        } else if queue || self.is_full_for(key) {
            Some(Wait::Room)
        } else {
            None
        }
    }

    /// Whether what `key` may want takes no more in this turn: the room that it is in, or, if it
    /// has not come in, the number of newcomers. Of several rooms it shows later which one is
    /// meant.
    fn is_full_for(&self, key: ConnectionKey) -> bool {
        match self.connections[key].user() {
            Some(_) => self.only_room_of(key).is_some_and(|room| self.is_full(room)),
            None => self.lists.has_made_enough() || self.chat.has_compared_enough(),
        }
    }

    /// When `key` may say its next line, if it and its address have said any. Of those who wait for
    /// the same address, who has said less goes first.
    fn next_line_at(&self, key: ConnectionKey) -> Option<Instant> {
        let (connection, now) = (&self.connections[key], self.now.instant);
        let flood = self.limits.flood?;
        let own = connection.budget.ready(flood);
        let Some(address) = connection.address.filter(|_| connection.user().is_some()) else {
            return own;
        };
        let together = self.addresses.ready(address, flood).filter(|ready| *ready > now);
        own.max(together.map(|ready| ready + connection.budget.debt(now) / 32))
    }

    /// Takes a message of so many lines and bytes off the budgets.
    pub(super) fn spend(&mut self, key: ConnectionKey, lines: usize, bytes: usize) {
        let connection = &mut self.connections[key];
        connection.heard_at = self.now.unix_seconds as u32;
        let (Some(flood), now) = (self.limits.flood, self.now.instant) else { return };
        connection.budget.spend(flood, u32::try_from(lines).unwrap_or(u32::MAX), now);
        if let Some(address) = connection.address.filter(|_| connection.user().is_some()) {
            let bytes_max = self.limits.line_bytes_max;
            self.addresses.spend(address, flood, (lines, bytes, bytes_max), now);
        }
    }

    /// The input of `key` has ended and all of it but an unfinished line has been heard.
    pub(super) fn leave_after_input(&mut self, key: ConnectionKey) {
        if self.connections[key].is_heard()
            && let Some(received) = self.ask_session(key, Session::finish)
        {
            self.execute(key, &received);
        }
        match &self.connections[key].state {
            State::Closing { shut: true, .. } => self.drop_peer(key),
            State::Closing { .. } | State::Closed => {}
            _ => self.close(key, CloseReason::EndOfInput, ""),
        }
    }

    /// Does what somebody has asked for, at the cost that it has.
    fn execute(&mut self, key: ConnectionKey, received: &Received<'_>) {
        self.spend(key, received.line_count(), received.bytes());
        self.do_received(key, received);
    }

    /// Does what has come of input, or of a deadline.
    pub(super) fn do_received(&mut self, key: ConnectionKey, received: &Received<'_>) {
        match received {
            Received::Message(message) => self.execute_message(key, message),
            Received::Refused(..) if self.must_take_name(key) => self.admit_as_guest(key, ""),
            Received::Refused(refusal, _) => self.refuse_input(key, *refusal),
            Received::Reply(bytes) => {
                // What happened before comes before.
                if let Some(user) = self.connections[key].user() {
                    self.flush_presence_of(user);
                }
                self.send(key, bytes);
                self.note_encoding(key);
            }
            Received::Opened(bytes) => self.open(key, bytes),
            Received::Farewell => self.close_for_good(key),
            Received::Close(reason, bytes) => {
                self.send(key, bytes);
                self.close(key, *reason, "");
            }
            Received::Nothing => {}
        }
    }

    /// Does what a message asks for. It may ask for several things; who has left has no more.
    fn execute_message(&mut self, key: ConnectionKey, message: &Message<'_>) {
        if let Message::Irc(line) = message {
            return self.execute_irc(key, line);
        }
        if let Some(user) = self.connections[key].user()
            && self.connections[key].dialect.spec().can_resume
        {
            self.tickets.confirm(user);
        }
        match self.connections[key].state {
            State::AwaitingNick { wrong_passwords: Some(_), .. } => {
                return message
                    .before_password()
                    .for_each(|asked| self.execute_outside(key, asked));
            }
            State::Proving(_) => {
                return message
                    .before_password()
                    .for_each(|asked| self.execute_proving(key, asked));
            }
            _ => {}
        }
        if message.key().is_some_and(|given| !self.begin_keyed(key, given)) {
            return;
        }
        let connection = &self.connections[key];
        let commands =
            message.commands(connection.dialect, stage(connection), self.given_name(key));
        let room = commands.room();
        for command in commands {
            let connection = &mut self.connections[key];
            let is_heard = connection.is_heard();
            match (&mut connection.waiting, message) {
                // What it gave with its name is said when it has that.
                (Some(waiting), Message::Line(line)) if waiting.why == Wait::Relay => {
                    waiting.held.extend_from_slice(line.as_bytes());
                    waiting.held.push(b'\n');
                }
                _ if is_heard => self.execute_command(key, room, command),
                _ => {}
            }
        }
        self.keyed = None;
    }

    /// Does what somebody asks for who must give the server's password first. A token shows as
    /// well that they gave it, since nobody else has ever been told it.
    fn execute_outside(&mut self, key: ConnectionKey, command: Command<'_>) {
        match command {
            Command::Password(given) => self.check_password(key, given),
            Command::Resume { token, rooms } => self.come_back(key, token, rooms),
            Command::Quit(_) => self.close(key, CloseReason::Quit, ""),
            _ => self.refuse(key, Refusal::PasswordNeeded),
        }
    }

    /// Asks for a nickname if this is the server's password. If not, it costs the address as much
    /// as a connection more, so that nobody can try many.
    fn check_password(&mut self, key: ConnectionKey, given: &str) {
        let is_right = self.password.as_ref().is_none_or(|password| password.is(given));
        let State::AwaitingNick { wrong_passwords, .. } = &mut self.connections[key].state else {
            return;
        };
        if is_right {
            *wrong_passwords = None;
            return self.ask(key);
        }
        let wrong = wrong_passwords.unwrap_or_default() + 1;
        *wrong_passwords = Some(wrong);
        if wrong == WRONG_PASSWORDS_MAX {
            self.pace_address(key);
            return self.close(key, CloseReason::WrongPasswords(wrong), "");
        }
        self.refuse(key, Refusal::Password);
        self.pace_connect(key);
    }

    pub(super) fn execute_command(
        &mut self,
        key: ConnectionKey,
        room: Option<&str>,
        command: Command<'_>,
    ) {
        self.begin_deciding();
        self.decide(key, room, command);
        self.await_relay(key);
    }

    fn decide(&mut self, key: ConnectionKey, room: Option<&str>, command: Command<'_>) {
        match (stage(&self.connections[key]), command) {
            (Stage::Chatting, command) => self.execute_in_room(key, room, command),
            (Stage::Naming, Command::Quit(words)) => {
                self.close(key, CloseReason::Quit, &commands::last_words(words));
            }
            (Stage::Naming, Command::Help(topic)) => {
                let for_all = |topic: &Topic| topic.audience() == Audience::All;
                let topics = topic.map_or_else(
                    || Topic::ALL.into_iter().filter(for_all).collect(),
                    |topic| vec![topic],
                );
                commands::help(&topics, &mut Answers(&mut |event| self.tell(key, None, event)));
            }
            (Stage::Naming, Command::Account(AccountCommand::Login { name, password })) => {
                self.log_in_first(key, name, Proof::Password(Secret::new(password)));
            }
            (Stage::Naming, Command::Account(AccountCommand::LoginAgain { name, token })) => {
                self.log_in_first(key, name, Proof::Token(Secret::new(token)));
            }
            (Stage::Naming, Command::Rename(name)) => self.admit(key, name),
            (Stage::Naming, Command::Resume { token, rooms }) => self.come_back(key, token, rooms),
            (Stage::Naming, _) => {}
        }
    }

    /// Does what somebody asks for who has come in: in the room of this name, or in the one that
    /// they are in.
    fn execute_in_room(&mut self, key: ConnectionKey, name: Option<&str>, command: Command<'_>) {
        let Some(user) = self.connections[key].user() else { return };
        // An IRC client that goes to one room more is told so when the others are.
        let is_late =
            matches!(command, Command::Join(_)) && self.connections[key].dialect.spec().told_alone;
        if !is_late {
            self.flush_presence_of(user);
        }
        // Of a secret room nobody is told that it is there.
        let may_know = |room: &RoomKey| self.chat.may_know(user, &self.chat[*room], *room);
        let found = self.find_room(user, name).filter(|room| name.is_none() || may_know(room));
        let Some(room) = found else {
            let name = text::clean(name.unwrap_or_default());
            let refused = Event::Refused(Refusal::NoSuchRoom(&name));
            return self.tell_titled(key, Some(&commands::title(&name)), &refused);
        };
        if self.confirm_sanction((key, user), &command) {
            return;
        }
        let many_rooms = self.connections[key].dialect.spec().many_rooms;
        let asker = Asker { user, many_rooms, now: self.now.unix_seconds };
        let Hub { chat, connections, journals, lang, keyed, .. } = self;
        // Most that is asked for is not answered.
        let mut answer = |event: &Event<'_>| {
            // Who wants to go somewhere is answered about that.
            let wanted = match command {
                Command::Join(Some(wanted)) => {
                    Some(commands::title(&text::clean(commands::name_and_key(wanted).0)))
                }
                _ => None,
            };
            let room = wanted.as_deref().unwrap_or(chat[room].title());
            let key_given = Keyed::of(keyed.as_ref(), key);
            let asked = connections[key].session.asked();
            let name = Some(chat.name(user));
            let about = About { room: Some(room), name, key: key_given, asked, ..About::default() };
            tell(&mut connections[key], journals, (*lang, &about), event);
            connections.touch(key);
        };
        let judged = chat.judge(asker, room, command, &mut Answers(&mut answer));
        match judged {
            Judged::Propose(fact) => self.propose_for(key, fact),
            Judged::Line { room, text, emote } => {
                self.say((key, user), room, [text].into_iter(), emote);
            }
            Judged::Lines { room, lines } => {
                self.say((key, user), room, lines.into_iter(), false);
            }
            Judged::List(listing) => self.list(key, room, listing),
            Judged::Ignore(target) => match self.chat.ignore(user, target) {
                Ok(()) => self.tell_ignored(key, user),
                Err(refusal) => self.refuse(key, refusal),
            },
            Judged::Unignore(name) if self.chat.unignore(user, name) => {
                self.tell_ignored(key, user);
            }
            Judged::Unignore(name) => self.refuse(key, Refusal::NotIgnored(&text::clean(name))),
            Judged::Join { from, room, key: given } => {
                self.go_to((key, user), from, (room, &given));
            }
            Judged::Account(command) => self.execute_account((key, user), command),
            Judged::Sanction(proposed) => self.propose_sanction((key, user), proposed),
            Judged::Whois(of) => self.tell_whois((key, user), of),
            Judged::Reload => {
                self.wants_reload = true;
                self.tell(key, None, &Event::Order(Occurrence::Reloading));
            }
            Judged::Ask { request, recent } => self.ask_for((key, user), room, *request, recent),
            Judged::Forget => self.forget(key, user),
            Judged::Quit(words) => self.close(key, CloseReason::Quit, &words),
            Judged::Done => {}
        }
    }

    /// Somebody goes to a room: out of the one that they are in, if so.
    fn go_to(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        from: Option<RoomKey>,
        (room, given): (Nickname, &str),
    ) {
        let back = from.map(|from| self.chat[from].name().clone());
        if let Some(from) = from {
            self.propose(Fact::Parted { user, room: from, words: "".into() });
        }
        let fact = Fact::Joined { user, room: room.clone(), key: given.into() };
        match self.propose(fact) {
            Applied::Refused(_) => self.could_not_go(key, &room, back),
            Applied::Later => self.then(key, Next::Went { room, back }),
            _ => {}
        }
    }

    /// Somebody could not go to a room, and goes back to the one that they were in. It is one of
    /// before, and they may not come into it.
    pub(super) fn could_not_go(
        &mut self,
        key: ConnectionKey,
        room: &Nickname,
        back: Option<Nickname>,
    ) {
        let title = commands::title(room.as_str());
        let refused = Event::Refused(Refusal::InviteOnly(&title));
        self.tell_titled(key, Some(&title), &refused);
        if let (Some(room), Some(user)) = (back, self.connections[key].user()) {
            self.propose(Fact::Joined { user, room, key: "".into() });
        }
    }

    /// Tells somebody whom they do not hear.
    fn tell_ignored(&mut self, key: ConnectionKey, user: UserKey) {
        let names = self.chat.ignored_by(user);
        self.tell(key, None, &Event::Ignoring(&names));
    }

    /// Keeps a line for a room that takes no more now; what comes after it waits as well.
    fn park(&mut self, key: ConnectionKey, parked: Parked) {
        let room = parked.room;
        let waiting = &mut self.connections[key].waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::new(Wait::Room)));
        waiting.why = Wait::Room;
        waiting.parked.push(parked);
        if waiting.parked.len() == 1 {
            self.await_room(key, room);
        }
    }

    fn await_room(&mut self, key: ConnectionKey, room: RoomKey) {
        self.channels[room.place()].awaiting_turn.push_back(key);
        self.note_active(room);
    }

    /// The room of this name, or the one that somebody is in.
    pub(super) fn find_room(&self, user: UserKey, name: Option<&str>) -> Option<RoomKey> {
        let own = |title: &str| self.chat.own_room(user, title.strip_prefix('#')?);
        match name {
            Some(name) => own(name).or_else(|| self.chat.room_called(&commands::parse_room(name)?)),
            None => Some(self.chat.user(user).and_then(User::room).unwrap_or(LOBBY)),
        }
    }

    /// Proposes what somebody asked for, who is told if it cannot be so.
    fn propose_for(&mut self, key: ConnectionKey, mut fact: Fact<'_>) {
        if let Fact::Told { extra, .. } = &mut fact {
            *extra = self.saying.take();
        }
        if let Fact::Told { user, to, .. } | Fact::Invited { user, to, .. } = &fact
            && !self.chat.is_deaf_to(*to, *user)
            && self.has_much_to_read(*to)
        {
            let name = self.chat.name(*to).to_owned();
            return self.refuse(key, Refusal::TellTooMuch(&name));
        }
        let wanted = match &fact {
            Fact::Renamed { name, .. } => Some(name.clone()),
            _ => None,
        };
        let is_line = matches!(fact, Fact::Told { .. });
        let applied = self.propose(fact);
        self.note_asked(key, &applied, (wanted, is_line));
    }

    /// Tells somebody what has become of what they asked for: now, or when that shows.
    fn note_asked(
        &mut self,
        key: ConnectionKey,
        applied: &Applied,
        (wanted, is_line): (Option<Nickname>, bool),
    ) {
        if let Applied::Later = applied {
            let given = self.take_key(key);
            return self.then(key, Next::Asked { wanted, is_line, given });
        }
        self.answer_asked(key, applied, (wanted.as_ref(), is_line));
    }

    /// Tells somebody what has become of what they asked for, if they would not see it otherwise.
    pub(super) fn answer_asked(
        &mut self,
        key: ConnectionKey,
        applied: &Applied,
        (wanted, is_line): (Option<&Nickname>, bool),
    ) {
        match (applied, wanted) {
            (Applied::Refused(Conflict::NameTaken), Some(name)) => {
                self.refuse(key, Refusal::Taken(name.as_str()));
            }
            (Applied::Refused(Conflict::NotAllowed), _) => {
                self.refuse(key, Refusal::NotSaid);
            }
            (Applied::Said, _) if is_line => {
                if let Some(user) = self.connections[key].user()
                    && let Some(given) = self.take_key(key)
                {
                    self.confirm(key, user, &given);
                }
            }
            _ => {}
        }
    }

    /// Somebody says lines as one message, which is confirmed once.
    fn say<'a>(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        room: RoomKey,
        lines: impl ExactSizeIterator<Item = Cow<'a, str>>,
        emote: bool,
    ) {
        let extra = self.saying.take();
        // Who is in one room only would not have been processed while that is full.
        if self.is_full(room) && self.only_room_of(key).is_none() {
            let lines = lines.map(Cow::into_owned).collect();
            let parked = Parked { room, lines, emote, extra, key: self.take_key(key) };
            return self.park(key, parked);
        }
        let applied = self.propose_lines((user, room), lines, (emote, extra));
        // Whoever reads what is said is told nothing more, unless they gave a key.
        if self.keyed.is_some() || !matches!(applied, Applied::Said) {
            self.note_asked(key, &applied, (None, true));
        }
    }

    /// Lines of one message, one after the other. If one cannot be said, none after it is; but
    /// what forbids it was so before the first.
    fn propose_lines<'a>(
        &mut self,
        (user, room): (UserKey, RoomKey),
        lines: impl ExactSizeIterator<Item = Cow<'a, str>>,
        (emote, mut extra): (bool, MaybeExtra),
    ) -> Applied {
        let (mut last, count) = (Applied::Said, lines.len());
        let message = self.relay.as_ref().map_or(self.last_entry + 1, |relay| relay.next_message());
        let is_several = count > 1 || extra.as_ref().is_some_and(|it| it.is_in_pieces());
        let is_told_apart = is_several && (self.has_irc() || self.relay.is_some());
        let whole = is_told_apart.then(|| extra.take().map_or_else(Extra::default, |it| *it));
        for (place, text) in lines.enumerate() {
            let extra = match &whole {
                Some(whole) => Some(Box::new(whole.of_line(message, place, count))),
                // There is one line, or nobody whom more could be told.
                None => extra.take(),
            };
            last = self.propose(Fact::Said { user, room, text, emote, extra });
            if !matches!(last, Applied::Said | Applied::Later) {
                break;
            }
        }
        last
    }

    /// Sends bytes that are no event.
    pub(super) fn send(&mut self, key: ConnectionKey, bytes: &[u8]) {
        if !bytes.is_empty() {
            let outbox = &mut self.connections[key].outbox;
            outbox.insert(&self.journals, false, |out| out.extend_from_slice(bytes));
            self.connections.touch(key);
        }
    }

    /// How a connection with this session begins.
    pub(super) fn first_state(&self, dialect: Dialect, session: &Session) -> State {
        if session.is_open() { self.asking_state(dialect) } else { State::Opening }
    }

    /// The state of somebody who can be asked from now on.
    fn asking_state(&self, dialect: Dialect) -> State {
        let deadline = self.now.instant + self.limits.nick_timeout;
        let asks_password = dialect.spec().asks_password && self.password.is_some();
        awaiting_nick(deadline, asks_password.then_some(0))
    }

    /// The session of `key` has opened: after `bytes`, it is asked for a nickname.
    fn open(&mut self, key: ConnectionKey, bytes: &[u8]) {
        if let Some(reason) = self.note_forwarded(key) {
            return self.close(key, reason, "");
        }
        self.send(key, bytes);
        let Connection { remote, dialect, .. } = self.connections[key];
        self.connections[key].state = self.asking_state(dialect);
        log::info!("connected: {remote} at {dialect} ({} connections)", self.clients);
        self.ask(key);
        self.pace_connect(key);
    }

    /// Asks a newcomer for the server's password, or for a nickname.
    pub(super) fn ask(&mut self, key: ConnectionKey) {
        if self.connections[key].awaits_password() {
            return self.tell(key, None, &Event::PasswordAsked);
        }
        let line_bytes_max = self.limits.line_bytes_max;
        let Hub { connections, journals, lang, motd, .. } = self;
        let event = Event::Asked { motd, line_bytes_max };
        tell(&mut connections[key], journals, (*lang, &About::default()), &event);
        connections.touch(key);
    }

    /// Tells somebody that something was not done; and what they are still asked.
    pub(super) fn refuse_input(&mut self, key: ConnectionKey, refusal: Refusal<'_>) {
        // What happened in the room before comes before.
        if let Some(user) = self.connections[key].user() {
            self.flush_presence_of(user);
            return self.refuse(key, refusal);
        }
        self.refuse(key, refusal);
        self.tell(key, None, &Event::AskedAgain);
    }

    /// Lets somebody in under the name they give, or asks again, or gives them another.
    pub(super) fn admit(&mut self, key: ConnectionKey, given: &str) {
        if self.connections[key].dialect.spec().naming == Naming::Once {
            return self.admit_anyhow(key, given);
        }
        match Nickname::parse(given) {
            Ok(name) => self.admit_as(key, &name),
            Err(error) => {
                self.refuse_input(key, Refusal::Nickname(error, &text::clean(given)));
            }
        }
    }

    /// Lets somebody in under a name that is one, unless it is taken or somebody's account.
    fn admit_as(&mut self, key: ConnectionKey, name: &Nickname) {
        if self.chat.has_accounts() {
            match self.chat.account_called(name).cloned() {
                Some(account) => return self.ask_account(key, &account),
                None if self.chat.needs_account() => {
                    return self.refuse_input(key, Refusal::AccountNeeded);
                }
                None => {}
            }
        }
        match self.name_connection(key, name, &Standing::default()) {
            Ok(Came::Now) => {}
            Ok(Came::Later) => self.then(key, Next::Named { name: name.clone() }),
            Err(conflict) => self.refuse_name(key, name, conflict),
        }
    }

    /// Somebody cannot have a name, and is asked for another.
    pub(super) fn refuse_name(&mut self, key: ConnectionKey, name: &Nickname, conflict: Conflict) {
        match conflict {
            Conflict::Banned => self.keep_out(key, None, Conflict::Banned),
            Conflict::Locked => self.refuse_input(key, Refusal::Locked),
            Conflict::Registered => self.refuse_input(key, Refusal::Registered(name.as_str())),
            _ => self.refuse_input(key, Refusal::Taken(name.as_str())),
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

    /// Keeps what somebody gave as a name who got another.
    fn note_given(&mut self, key: ConnectionKey, given: &str) {
        if self.given_name(key) != given {
            self.connections[key].session.note_given(given);
        }
    }

    /// Whether `key` gives a name now, can only give one, and gets one whatever it is. A datagram
    /// without one is junk.
    fn must_take_name(&self, key: ConnectionKey) -> bool {
        let connection = &self.connections[key];
        let spec = connection.dialect.spec();
        let is_naming = connection.user().is_none();
        is_naming && spec.naming == Naming::Once && spec.transport == Transport::Tcp
    }

    /// Lets somebody in as `name`; or with the first suffix that is free, if that is taken or the
    /// first suffix is 1.
    pub(super) fn join_as(&mut self, key: ConnectionKey, name: &Nickname, first_suffix: u32) {
        self.join_with(key, (name, first_suffix), &Standing::default());
    }

    /// The same, for somebody of whom more is known. Who may not come in is closed.
    pub(super) fn join_with(
        &mut self,
        key: ConnectionKey,
        (name, first_suffix): (&Nickname, u32),
        standing: &Standing,
    ) {
        let mut number = first_suffix;
        let mut wanted = (first_suffix > 1).then(|| name.clone());
        loop {
            let given = wanted.take().unwrap_or_else(|| {
                number = self.chat.lowest_free_suffix(name, number);
                number += 1;
                name.with_suffix(number - 1)
            });
            match self.name_connection(key, &given, standing) {
                Err(Conflict::NameTaken | Conflict::Registered) => {}
                Err(conflict) => return self.keep_out(key, None, conflict),
                Ok(Came::Now) => return,
                Ok(Came::Later) => {
                    let (name, standing) = (name.clone(), Box::new(standing.clone()));
                    return self.then(key, Next::Suffixed { name, number, standing });
                }
            }
        }
    }

    /// Gives somebody a name and lets them in, unless that cannot be. Where each frame must go
    /// alone, they come in when they have been told so, and the room does not wait for them.
    pub(super) fn name_connection(
        &mut self,
        key: ConnectionKey,
        name: &Nickname,
        standing: &Standing,
    ) -> Result<Came, Conflict> {
        let address = self.connections[key].remote.ip();
        let came_by = self.connections[key].dialect;
        let standing = Box::new(Standing { came_by, ..standing.clone() });
        let name = name.clone();
        let fact = Fact::Connected { origin: Some(key), name, address, standing };
        match self.propose(fact) {
            Applied::Connected(user) => self.named(key, user),
            Applied::Refused(conflict) => return Err(conflict),
            Applied::Later => {
                self.await_relay(key);
                return Ok(Came::Later);
            }
            _ => return Err(Conflict::OutOfDate),
        }
        Ok(Came::Now)
    }

    /// Somebody has a name from now on.
    pub(super) fn named(&mut self, key: ConnectionKey, user: UserKey) {
        let Some(name) = self.chat.nickname(user).cloned() else { return };
        let dialect = self.connections[key].dialect;
        if dialect.spec().can_resume {
            self.tickets.issue(user, dialect);
            self.pass_on(user);
        }
        // Asking for a name costs nobody a line of what they may say.
        self.connections[key].budget = Budget::default();
        if self.connections[key].gap().is_some() {
            self.welcome(key, LOBBY, &name);
            self.connections[key].state = State::Entering(user);
        } else {
            self.enter(key, user);
        }
    }

    /// Somebody is in the lobby from now on.
    pub(super) fn enter(&mut self, key: ConnectionKey, user: UserKey) {
        let dialect = self.connections[key].dialect;
        if dialect.spec().roomless {
            self.members[dialect.index()] += 1;
            self.connections[key].state = State::Chatting(user);
            log::info!("came: {} from {}", self.chat.name(user), self.connections[key].remote);
            self.greet_irc(key, user);
            return self.tell_watchers_online(user);
        }
        let room = self.chat[LOBBY].name().clone();
        if let Applied::Later = self.propose(Fact::Joined { user, room, key: "".into() }) {
            self.then(key, Next::Entered);
            let state = &mut self.connections[key].state;
            if !matches!(state, State::Entering(_)) {
                *state = State::Named(user);
            }
        }
        self.tell_watchers_online(user);
    }

    // ── waiting for a turn ───────────────────────────────────────────────────────────────────────

    /// `key` comes in its turn, when its room takes more, or when more can be let in.
    pub(super) fn await_turn(&mut self, key: ConnectionKey) {
        match self.only_room_of(key) {
            Some(room) => self.await_room(key, room),
            None => self.awaiting_turn.push_back(key),
        }
    }

    /// Whether others wait for the room of `key`. They come first.
    pub(super) fn is_awaited(&self, key: ConnectionKey) -> bool {
        let room = self.only_room_of(key);
        room.is_some_and(|room| !self.channels[room.place()].awaiting_turn.is_empty())
    }

    /// The room that `key` is in, if it is in one and no other.
    fn only_room_of(&self, key: ConnectionKey) -> Option<RoomKey> {
        self.chat.user(self.connections[key].user()?)?.only_room()
    }

    /// Whether no more should be said in a room in this turn: either there is enough to write
    /// already, or a reader is slow but alive. Talkers then wait, and nothing is lost.
    fn is_full(&self, room: RoomKey) -> bool {
        let channel = &self.channels[room.place()];
        channel.turn_bytes + self.private_bytes > self.limits.backlog_bytes_max / 4
            || channel.hold.is_on(self.now.instant)
    }

    /// Goes on with the talkers who wait for a room.
    pub(super) fn resume_talkers(&mut self, room: RoomKey) {
        for _ in 0..self.channels[room.place()].awaiting_turn.len() {
            if self.is_full(room) {
                break;
            }
            let next = self.channels[room.place()].awaiting_turn.pop_front();
            next.into_iter().for_each(|key| self.resume_in_turn(key));
        }
    }

    /// Goes on with newcomers who wait.
    pub(super) fn resume_newcomers(&mut self) {
        for _ in 0..self.awaiting_turn.len() {
            let next = self.awaiting_turn.pop_front();
            next.into_iter().for_each(|key| self.resume_in_turn(key));
        }
    }

    fn resume_in_turn(&mut self, key: ConnectionKey) {
        let wait = self.connections.get(key).and_then(Connection::wait);
        if matches!(wait, Some(Wait::Turn | Wait::Room)) {
            self.resume(key);
            self.arm(key);
        }
    }
}

/// When somebody who has been given a name has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// At once.
    Now,
    /// When all servers know of it, or not.
    Later,
}

/// How far a connection has come.
fn stage(connection: &Connection) -> Stage {
    if connection.user().is_some() { Stage::Chatting } else { Stage::Naming }
}

/// Whether somebody must read what waits for them before they are listened to again. In a handshake
/// with gaps, each answer is sent before the next is given.
pub(super) fn is_owed_much(connection: &Connection) -> bool {
    let own_bytes_max = if connection.gap().is_some() { 0 } else { OWN_BYTES_MAX };
    connection.outbox.own_bytes() > own_bytes_max || matches!(connection.state, State::Entering(_))
}

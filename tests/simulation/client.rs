//! A simulated client: what it sends, when it reads, how it goes, and what it has received.

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use chinwag::config::Limits;
use chinwag::dialect::{Dialect, Framing};
use fastrand::Rng;

use super::browser::{self, Browser};
use super::chatter;
use super::decoder_model::DecoderModel;
use super::irc::{self, Irc};
use super::lines::{self, Line};
use super::lines_checker::Findings;
use super::outlaw;
use super::script;
use super::socket::{End, Socket};
use super::swarm::{Kind, Swarm, happens};

/// One client, from its connecting on. It connects once.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) dialect: Dialect,
    pub(crate) socket: Socket,
    /// What the server has read of it.
    pub(crate) decoder_model: DecoderModel,
    /// The server has been told not to read it.
    pub(crate) unheard: bool,
    /// Over UDP, when the server last heard it.
    pub(crate) heard_at: Option<Instant>,
    /// How many messages it has sent.
    pub(crate) said: usize,
    /// To whom it has written in private, in spellings that it cannot vary.
    pub(crate) addressees: Vec<String>,
    /// It sends the next message only when the last has been read.
    pub(crate) waits: bool,
    pub(crate) remote: SocketAddr,
    /// The block of addresses that it counts in, if it is counted.
    pub(crate) block: Option<usize>,
    /// Sockets that the server had when this one came: all, and those of the same block.
    pub(crate) company: (usize, usize),
    pub(crate) accepted_at: Instant,
    /// How much had happened in the room by then.
    pub(crate) events_before: usize,
    /// What it has sent: over `lines` as lines, and what its kernel has not taken yet as bytes.
    pub(crate) lines: Vec<Line>,
    pub(crate) unsent: VecDeque<u8>,
    /// What it has received.
    pub(crate) received: Vec<u8>,
    /// It does not read at present.
    pub(crate) stalled: bool,
    /// It was not always ready to take all that came, so that it may be closed for that.
    pub(crate) slow: bool,
    /// It goes on after the server has ended the conversation.
    pub(crate) impolite: bool,
    /// It only came to be there.
    pub(crate) silent: bool,
    /// How it will go when it has sent everything.
    pub(crate) ending: End,
    /// It has seen the end of what the server sends.
    pub(crate) eof: bool,
    /// It broke the connection itself before that.
    pub(crate) broke: bool,
    /// Some of what the server sent was lost with the connection.
    pub(crate) lost: bool,
    /// The server dropped it before it had got all, which it may do when closing takes too long.
    pub(crate) cut_off: bool,
    /// When the server shut its side of the connection.
    pub(crate) shut_at: Option<Instant>,
    /// It has no more to do with anything.
    pub(crate) gone: bool,
    /// The last name that it asked for.
    pub(crate) name: String,
    /// It is a connection of somebody who may be cut off and come back.
    pub(crate) is_wanderer: bool,
    /// There if it is a browser.
    pub(crate) browser: Option<Browser>,
    /// There if it is an IRC client.
    pub(crate) irc: Option<Irc>,
}

impl Client {
    pub(crate) fn new(
        id: usize,
        dialect: Dialect,
        block: Option<usize>,
        rng: &mut Rng,
        swarm: &Swarm,
    ) -> Client {
        let narrow = happens(rng, swarm.narrow);
        let size = |rng: &mut Rng| {
            if narrow { 1 << rng.u32(..14) } else { usize::MAX }
        };
        // Pieces of messages look alike, and from whom one hears again it must be told which.
        let cuts = dialect.framing() != Framing::Arrivals || !swarm.has(Kind::Unignore);
        let (host, port) = (rng.u8(..), 1024 + id as u16);
        let remote: SocketAddr = match block {
            None if rng.bool() => ([127, 0, 0, host], port).into(),
            None => (std::net::Ipv6Addr::LOCALHOST, port).into(),
            Some(0) => ([10, 0, 0, 1], port).into(),
            // The same as an IPv6 address.
            Some(1) if rng.bool() => ([10, 0, 0, 2], port).into(),
            Some(1) => ([0, 0, 0, 0, 0, 0xffff, 0x0a00, 2], port).into(),
            Some(outlaws @ (outlaw::BANNED | outlaw::MUTED)) => {
                (outlaw::address(outlaws), port).into()
            }
            Some(_) => ([0x2001, 0xdb8, 0, 1, 0, 0, 0, u16::from(host)], port).into(),
        };
        Client {
            id,
            dialect,
            socket: Socket::new(if cuts { size(rng) } else { usize::MAX }, size(rng)),
            decoder_model: DecoderModel::new(dialect.framing(), swarm.config.limits.line_bytes_max),
            unheard: false,
            heard_at: None,
            said: 0,
            addressees: Vec::new(),
            waits: rng.bool(),
            remote,
            block,
            company: (0, 0),
            accepted_at: Instant::now(),
            events_before: 0,
            lines: Vec::new(),
            unsent: VecDeque::new(),
            received: Vec::new(),
            stalled: false,
            slow: narrow || dialect == Dialect::Datagram,
            impolite: happens(rng, swarm.impolite),
            silent: false,
            ending: End::Open,
            eof: false,
            broke: false,
            lost: false,
            cut_off: false,
            shut_at: None,
            gone: false,
            name: String::new(),
            is_wanderer: false,
            browser: browser::speaks(dialect).then(|| Browser::new(rng)),
            irc: irc::speaks(dialect).then(|| Irc::new(rng)),
        }
    }

    /// What a program sends before all else. Whoever only visits has no more to say.
    pub(crate) fn greet(&mut self) {
        if let Some(irc) = &self.irc {
            self.decoder_model.deaf = true;
            self.unsent.extend(irc.greeting().bytes());
        }
        if let Some(browser) = &self.browser {
            self.decoder_model.deaf = true;
            self.silent |= browser.is_visitor();
            self.unsent.extend(browser.request().bytes());
        }
    }

    /// How much has come but for pings, which never cease.
    pub(crate) fn heard_bytes(&self) -> usize {
        self.received.len() - self.browser.as_ref().map_or(0, |browser| 2 * browser.pings)
    }

    /// Whether it is a browser.
    pub(crate) fn is_browser(&self) -> bool {
        self.browser.is_some()
    }

    /// Whether it is an IRC client.
    pub(crate) fn is_irc(&self) -> bool {
        self.irc.is_some()
    }

    /// Whether it comes from an address from which nobody may come or say anything.
    pub(crate) fn is_outlaw(&self) -> bool {
        matches!(self.block, Some(outlaw::BANNED | outlaw::MUTED))
    }

    /// Whether it only asks something by HTTP.
    pub(crate) fn is_visitor(&self) -> bool {
        self.browser.as_ref().is_some_and(Browser::is_visitor)
    }

    /// Whether it can say whatever one can say in `lines`.
    pub(crate) fn has_commands(&self) -> bool {
        self.dialect == Dialect::Lines || self.is_browser() || self.is_irc()
    }

    /// How many of its block there may be, if they are counted.
    pub(crate) fn block_max(&self, limits: &Limits) -> Option<usize> {
        let by_datagrams = self.dialect == Dialect::Datagram;
        match self.block {
            Some(_) => Some(limits.per_address_max),
            None => by_datagrams.then_some((limits.clients_max / 2).max(1)),
        }
    }

    /// What came of a visit.
    pub(crate) fn visited(&self, here: bool) -> Findings {
        let whole = self.has_all(here);
        if let Some(browser) = &self.browser {
            browser.check_visit(&self.received, whole && self.eof);
        }
        Findings { whole, ..Findings::default() }
    }

    /// It was closed because it did not answer pings.
    pub(crate) fn check_unresponsive(&self) {
        let answers = self.browser.as_ref().is_some_and(|browser| browser.answers);
        assert!(!answers || self.slow, "it has always answered");
    }

    /// Somebody who sends from the same address after having been forgotten there.
    pub(crate) fn heir(&mut self, id: usize, rng: &mut Rng, swarm: &Swarm) -> Client {
        let mut heir = Client::new(id, self.dialect, self.block, rng, swarm);
        heir.remote = self.remote;
        heir.name.clone_from(&self.name);
        heir.ending = self.ending;
        heir.silent = self.silent;
        mem::swap(&mut heir.socket.datagrams_in, &mut self.socket.datagrams_in);
        self.gone = true;
        heir
    }

    /// Whether it got all that was for it. `here` says that it is still there and has had time to.
    pub(crate) fn has_all(&self, here: bool) -> bool {
        let ended = self.eof || self.dialect == Dialect::Datagram;
        here || ended && self.socket.shut && !self.lost
    }

    /// Whether it may be too slow for the room: because it does not read, or must not be told all
    /// at once.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow || self.dialect == Dialect::Register
    }

    /// Whether it must be told each thing alone, because it has not yet been told that it is in.
    pub(crate) fn is_held_back(&self) -> bool {
        let joined = "进入了聊天室".as_bytes();
        self.dialect == Dialect::Register
            && !self.received.windows(joined.len()).any(|bytes| bytes == joined)
    }

    /// Whether some of what it said may have been lost: the server keeps no more than 16 KiB and a
    /// line of what comes by datagrams and cannot be heard yet. A message has an end there.
    pub(crate) fn is_lossy(&self) -> bool {
        self.dialect == Dialect::Datagram
            && self.decoder_model.total + self.decoder_model.messages.len() > 16 * 1024
    }

    /// Whether nothing that the server sends need reach it any more.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.socket.end, End::Reset | End::Closed)
    }

    /// Whether it has said that it will send no more.
    pub(crate) fn ended_input(&self) -> bool {
        self.ending != End::Open
    }

    /// Whether it has asked to go to another room, or may have.
    pub(crate) fn moves(&self) -> bool {
        if self.is_irc() {
            return true;
        }
        let is_move = |line: &Line| matches!(line.wish, lines::Wish::Join(_) | lines::Wish::Part);
        self.lines.iter().any(is_move)
    }

    /// Whether it may still say something.
    pub(crate) fn talks(&self) -> bool {
        !self.gone && !self.silent && self.ending == End::Open && self.socket.end == End::Open
    }

    /// Tells on stderr what it said and what it received.
    pub(crate) fn print(&self) {
        eprintln!("client {} at {}, {}, said:", self.id, self.dialect, self.name);
        eprintln!("{:?}\n{:?}", self.lines, self.decoder_model.messages);
        eprintln!("and received:");
        let datagrams = self.socket.datagrams_out.join(&b'\n');
        eprintln!(
            "{}{}",
            String::from_utf8_lossy(&self.received),
            String::from_utf8_lossy(&datagrams)
        );
    }

    /// Sends a line, with its end unless it is to be the last.
    pub(crate) fn send(&mut self, line: Line, bytes: &[u8], last: bool, (rng, swarm): Seeded<'_>) {
        if self.has_asked_for(&line) && (self.is_irc() || self.is_browser()) {
            return;
        }
        let seeded = (&mut *rng, swarm);
        let is_browser = self.is_browser();
        let converted = match &mut self.irc {
            Some(irc) => irc.convert(line, bytes, seeded),
            None if is_browser => browser::convert(line, bytes, seeded),
            None => return self.send_line(line, bytes, last, (rng, swarm)),
        };
        if let Some((line, bytes)) = converted {
            self.unsent.extend(bytes);
            self.lines.push(line);
        }
    }

    fn send_line(&mut self, line: Line, bytes: &[u8], last: bool, (rng, swarm): Seeded<'_>) {
        let foreign = matches!(line.naming, lines::Naming::WrongProtocol);
        let endless = matches!(line.wish, lines::Wish::Endless);
        if foreign || endless {
            self.unsent.extend(bytes);
        } else {
            self.unsent.extend(lines::frame(bytes, !last, rng, swarm));
        }
        self.lines.push(line);
    }

    /// Whether a line asks for a name that it has asked for before: of two answers it could not be
    /// told whose they are.
    fn has_asked_for(&self, line: &Line) -> bool {
        let name = |line: &Line| match (&line.naming, &line.wish) {
            (lines::Naming::Attempt(name), _) | (_, lines::Wish::Nick(name)) => {
                Some(name.shown.clone())
            }
            _ => None,
        };
        name(line)
            .is_some_and(|asked| self.lines.iter().any(|line| name(line).as_ref() == Some(&asked)))
    }

    /// Goes in one of the ways.
    pub(crate) fn end(&mut self, ending: End) {
        self.ending = ending;
        if ending == End::Reset {
            self.broke |= !self.eof;
            self.unsent.clear();
            self.socket.finish(End::Reset);
            self.gone = true;
        }
    }

    /// Lets its kernel work: sends and receives what it can.
    pub(crate) fn step(&mut self, rng: &mut Rng, swarm: &Swarm) -> usize {
        if self.gone || self.dialect == Dialect::Datagram {
            return 0;
        }
        let before = self.unsent.len();
        if !self.socket.dropped {
            self.socket.send(&mut self.unsent);
        }
        let mut moved = before - self.unsent.len();
        if self.unsent.is_empty() && self.ending != End::Open && self.socket.end == End::Open {
            self.socket.finish(self.ending);
            moved += 1;
            if self.ending == End::Closed {
                self.broke |= !self.eof;
                self.gone = true;
                return moved;
            }
        }
        if !self.stalled {
            let most = if happens(rng, swarm.short_read) && self.slow { 1 } else { usize::MAX };
            moved += self.socket.receive(&mut self.received, most);
            if let Some(browser) = &mut self.browser
                && self.ending == End::Open
            {
                self.unsent.extend(browser.pongs(&self.received, rng));
            }
            let ended = self.socket.shut || self.socket.dropped;
            if ended && self.socket.outbox.is_empty() {
                self.see_the_end();
            }
        }
        moved
    }

    /// The server has no more to say. Whoever is polite closes then.
    fn see_the_end(&mut self) {
        self.eof = true;
        if !self.impolite || self.socket.dropped {
            self.unsent.clear();
            if self.socket.end != End::Reset {
                self.socket.finish(End::Closed);
            }
            self.gone = true;
        }
    }

    /// The whole lines that have come, and what came after the last of them.
    pub(crate) fn heard(&self) -> (Vec<String>, String) {
        if self.is_browser() {
            return browser::heard(&self.received);
        }
        let text = match std::str::from_utf8(&self.received) {
            Ok(text) => text,
            // Cut in the middle of a character.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&self.received[..error.valid_up_to()]).unwrap()
            }
            Err(error) => panic!("what came is not UTF-8: {error}"),
        };
        let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
        let rest = lines.pop().map(|mut rest| mem::take(&mut rest)).unwrap_or_default();
        (lines, rest)
    }

    /// Reads no more for now.
    pub(crate) fn stall(&mut self) {
        (self.stalled, self.slow) = (true, true);
    }

    /// Draws something to do, and does it.
    pub(crate) fn act(&mut self, scene: &mut script::Scene<'_>) {
        let (rng, swarm) = (&mut *scene.rng, scene.swarm);
        let swizzled = swarm.swizzle > 0;
        if !swizzled && self.stalled && happens(rng, swarm.resume) {
            self.stalled = false;
        } else if !swizzled && !self.stalled && happens(rng, swarm.stall) {
            self.stall();
        }
        if self.gone || self.ending != End::Open {
            return;
        }
        if self.dialect == Dialect::Datagram {
            return self.talk(scene);
        }
        if happens(rng, swarm.reset) {
            self.end(End::Reset);
        } else if self.talks() && happens(rng, swarm.half_close) {
            if rng.bool() {
                self.write(scene, true);
            }
            self.end(End::Fin);
        } else if happens(rng, swarm.close) {
            self.end(End::Closed);
        } else if self.talks() && self.dialect == Dialect::Lines && happens(rng, swarm.greed) {
            for _ in 0..150 {
                let (line, bytes) = Line::always(b"/help", lines::Wish::Help(None));
                self.send(line, &bytes, false, (rng, swarm));
            }
        } else {
            self.talk(scene);
        }
    }

    fn talk(&mut self, scene: &mut script::Scene<'_>) {
        if !self.talks() || !happens(scene.rng, scene.swarm.talk) {
            return;
        }
        let unread = !self.unsent.is_empty() || self.socket.is_unread();
        let waits = self.waits && self.dialect.framing() == Framing::Arrivals;
        let messages = match (waits, unread) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 1 + scene.rng.usize(..scene.swarm.burst),
        };
        for _ in 0..messages {
            if self.talks() {
                self.write(scene, false);
            }
        }
    }

    fn write(&mut self, scene: &mut script::Scene<'_>, last: bool) {
        match self.dialect {
            _ if self.has_commands() => script::write(self, scene, last),
            _ => chatter::write(self, scene, last),
        }
    }
}

/// The seed's random numbers, and what they are drawn for.
pub(crate) type Seeded<'a> = (&'a mut Rng, &'a Swarm);

//! A simulated client: what it sends, when it reads, how it goes, and what it has received.

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use fastrand::Rng;

use super::lines::{self, Line};
use super::script;
use super::socket::{End, Socket};
use super::swarm::{Swarm, happens};

/// One client, from its connecting on. It connects once.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) socket: Socket,
    pub(crate) remote: SocketAddr,
    /// The block of addresses that it counts in, if it is counted.
    pub(crate) block: Option<usize>,
    /// Sockets that the server had when this one came: all, and those of the same block.
    pub(crate) company: (usize, usize),
    pub(crate) accepted_at: Instant,
    /// How much had happened in the room by then.
    pub(crate) events_before: usize,
    /// What it has sent, as lines and as bytes that its kernel has not taken yet.
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
    pub(crate) shut_at: Option<Instant>,
    /// It has no more to do with anything.
    pub(crate) gone: bool,
    /// The last name that it asked for.
    pub(crate) name: String,
}

impl Client {
    pub(crate) fn new(id: usize, block: Option<usize>, dice: &mut Rng, swarm: &Swarm) -> Client {
        let narrow = happens(dice, swarm.narrow);
        let size = |dice: &mut Rng| {
            if narrow { 1 << dice.u32(..14) } else { usize::MAX }
        };
        let host = dice.u8(..);
        let remote: SocketAddr = match block {
            None if dice.bool() => ([127, 0, 0, host], 1000).into(),
            None => (std::net::Ipv6Addr::LOCALHOST, 1000).into(),
            Some(0) => ([10, 0, 0, 1], 1000).into(),
            // The same as an IPv6 address.
            Some(1) if dice.bool() => ([10, 0, 0, 2], 1000).into(),
            Some(1) => ([0, 0, 0, 0, 0, 0xffff, 0x0a00, 2], 1000).into(),
            Some(_) => ([0x2001, 0xdb8, 0, 1, 0, 0, 0, u16::from(host)], 1000).into(),
        };
        Client {
            id,
            socket: Socket::new(size(dice), size(dice)),
            remote,
            block,
            company: (0, 0),
            accepted_at: Instant::now(),
            events_before: 0,
            lines: Vec::new(),
            unsent: VecDeque::new(),
            received: Vec::new(),
            stalled: false,
            slow: narrow,
            impolite: happens(dice, swarm.impolite),
            silent: false,
            ending: End::Open,
            eof: false,
            broke: false,
            lost: false,
            shut_at: None,
            gone: false,
            name: String::new(),
        }
    }

    /// Whether nothing that the server sends need reach it any more.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.socket.end, End::Reset | End::Closed)
    }

    /// Whether it has said that it will send no more.
    pub(crate) fn ended_input(&self) -> bool {
        self.ending != End::Open
    }

    /// Whether it may still say something.
    pub(crate) fn talks(&self) -> bool {
        !self.gone && !self.silent && self.ending == End::Open && self.socket.end == End::Open
    }

    /// Sends a line, with its end unless it is to be the last.
    pub(crate) fn send(&mut self, line: Line, bytes: &[u8], last: bool, (dice, swarm): Dice<'_>) {
        let foreign = matches!(line.naming, lines::Naming::Foreign);
        let endless = matches!(line.wish, lines::Wish::Endless);
        if foreign || endless {
            self.unsent.extend(bytes);
        } else {
            self.unsent.extend(lines::frame(bytes, !last, dice, swarm));
        }
        self.lines.push(line);
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
    pub(crate) fn step(&mut self, dice: &mut Rng, swarm: &Swarm) -> usize {
        if self.gone {
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
            let most = if happens(dice, swarm.short_read) && self.slow { 1 } else { usize::MAX };
            moved += self.socket.receive(&mut self.received, most);
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

    /// Draws something to do, and does it.
    pub(crate) fn act(&mut self, scene: &mut script::Scene<'_>) {
        let (dice, swarm) = (&mut *scene.dice, scene.swarm);
        if self.stalled && happens(dice, swarm.resume) {
            self.stalled = false;
        } else if !self.stalled && happens(dice, swarm.stall) {
            (self.stalled, self.slow) = (true, true);
        }
        if self.gone || self.ending != End::Open {
            return;
        }
        if happens(dice, swarm.reset) {
            self.end(End::Reset);
        } else if self.talks() && happens(dice, swarm.half_close) {
            if dice.bool() {
                script::write(self, scene, true);
            }
            self.end(End::Fin);
        } else if happens(dice, swarm.close) {
            self.end(End::Closed);
        } else if self.talks() && happens(dice, swarm.greed) {
            for _ in 0..150 {
                let (line, bytes) = Line::always(b"/help", lines::Wish::Help(None));
                self.send(line, &bytes, false, (dice, swarm));
            }
        } else if self.talks() && happens(dice, swarm.talk) {
            for _ in 0..1 + dice.usize(..swarm.burst) {
                script::write(self, scene, false);
            }
        }
    }
}

/// The seed's dice, and what they are rolled for.
pub(crate) type Dice<'a> = (&'a mut Rng, &'a Swarm);

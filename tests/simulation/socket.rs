//! A simulated TCP connection: two kernel buffers of limited size, ends of input, resets, and the
//! edges by which a server hears of them. The server's half is called as a mio socket would be.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::time::Instant;

use fastrand::Rng;

use super::swarm::{Swarm, happens};

/// What comes after the bytes that a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing yet.
    Open,
    /// The end of input. The client still reads.
    Fin,
    /// The end of input, and whatever is written from now on is answered by a reset.
    Closed,
    /// The connection is broken.
    Reset,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Bytes(usize),
    Nothing,
    End,
    Broken,
}

/// A connection between a client and the server.
#[derive(Debug)]
pub(crate) struct Socket {
    /// On its way to the server.
    pub(crate) inbox: VecDeque<u8>,
    pub(crate) inbox_max: usize,
    pub(crate) end: End,
    /// On its way to the client.
    pub(crate) outbox: VecDeque<u8>,
    pub(crate) outbox_max: usize,
    /// Likewise, to a client that never looks at what it gets: only how many bytes it is. `None` if
    /// it does look.
    pub(crate) unseen: Option<usize>,
    /// The server has said that there will be no more.
    pub(crate) shut: bool,
    /// The server has let go of it.
    pub(crate) dropped: bool,
    /// Something has become readable, or writable, that the server has not been told of.
    pub(crate) readable_edge: bool,
    pub(crate) writable_edge: bool,
    pub(crate) watching_writable: bool,
    /// How many bytes the server has written, at which of them it had nothing more to write, and
    /// where each write ended when.
    pub(crate) written: usize,
    pub(crate) drained: Vec<usize>,
    pub(crate) writes: Vec<(Instant, usize)>,
    /// It was told why there is no place for it, and dropped.
    pub(crate) turned_away: bool,
    /// Over UDP, what is on its way to the server, and what has come from there.
    pub(crate) datagrams_in: VecDeque<Vec<u8>>,
    pub(crate) datagrams_out: Vec<Vec<u8>>,
}

impl Socket {
    pub(crate) fn new(inbox_max: usize, outbox_max: usize) -> Socket {
        Socket {
            inbox: VecDeque::new(),
            inbox_max,
            end: End::Open,
            outbox: VecDeque::new(),
            outbox_max,
            unseen: None,
            shut: false,
            dropped: false,
            readable_edge: false,
            writable_edge: false,
            watching_writable: false,
            written: 0,
            drained: Vec::new(),
            writes: Vec::new(),
            turned_away: false,
            datagrams_in: VecDeque::new(),
            datagrams_out: Vec::new(),
        }
    }

    // ── the client's side ────────────────────────────────────────────────────────────────────────

    /// Takes of `bytes` what there is room for.
    pub(crate) fn send(&mut self, bytes: &mut VecDeque<u8>) {
        let room = self.inbox_max.saturating_sub(self.inbox.len()).min(bytes.len());
        if room > 0 {
            let rest = bytes.split_off(room);
            self.inbox.append(bytes);
            *bytes = rest;
            self.readable_edge = true;
        }
    }

    /// Ends the client's input in this way.
    pub(crate) fn finish(&mut self, end: End) {
        self.end = end;
        self.readable_edge = true;
        if matches!(end, End::Reset | End::Closed) {
            // Nobody will read it; what is written next finds room, and an error.
            self.outbox.clear();
            self.unseen = self.unseen.map(|_| 0);
            self.writable_edge |= self.watching_writable;
        }
    }

    /// Moves at most `most` bytes that have come to `received`. Returns how many.
    pub(crate) fn receive(&mut self, received: &mut Vec<u8>, most: usize) -> usize {
        let bytes = self.underway().min(most);
        match &mut self.unseen {
            Some(unseen) => *unseen -= bytes,
            None => {
                let (first, second) = self.outbox.as_slices();
                let of_first = bytes.min(first.len());
                received.extend_from_slice(&first[..of_first]);
                received.extend_from_slice(&second[..bytes - of_first]);
                self.outbox.drain(..bytes);
            }
        }
        if bytes > 0 && self.watching_writable {
            self.writable_edge = true;
        }
        bytes
    }

    /// How many bytes are on their way to the client.
    pub(crate) fn underway(&self) -> usize {
        self.unseen.unwrap_or(self.outbox.len())
    }

    /// Whether the server has not yet read all that was sent, and seen that it was all.
    pub(crate) fn is_unread(&self) -> bool {
        self.readable_edge || !self.inbox.is_empty()
    }

    // ── the server's side ────────────────────────────────────────────────────────────────────────

    pub(crate) fn read(&mut self, buffer: &mut [u8], rng: &mut Rng, swarm: &Swarm) -> Input {
        let mut most = buffer.len().min(self.inbox.len());
        if most == 0 {
            return match self.end {
                End::Open => Input::Nothing,
                End::Fin | End::Closed => Input::End,
                End::Reset => Input::Broken,
            };
        }
        if happens(rng, swarm.short_read) {
            most = if rng.bool() { 1 } else { rng.usize(1..=most) };
        }
        self.inbox.read_exact(&mut buffer[..most]).unwrap();
        Input::Bytes(most)
    }

    pub(crate) fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        now: Instant,
        (rng, swarm): (&mut Rng, &Swarm),
    ) -> io::Result<usize> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "asked to write nothing");
        assert!(!self.shut, "asked to write after the end");
        match self.end {
            End::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            End::Closed => {
                // It goes out; what comes back is a reset.
                self.end = End::Reset;
                self.readable_edge = true;
                return Ok(offered);
            }
            End::Open | End::Fin => {}
        }
        let room = self.outbox_max.saturating_sub(self.underway());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut most = offered.min(room);
        if happens(rng, swarm.short_write) {
            most = if rng.bool() { 1 } else { rng.usize(1..=most) };
        }
        if let Some(unseen) = &mut self.unseen {
            *unseen += most;
        } else {
            let mut left = most;
            for slice in slices {
                let taken = left.min(slice.len());
                self.outbox.extend(&slice[..taken]);
                left -= taken;
            }
        }
        self.written += most;
        self.writes.push((now, self.written));
        Ok(most)
    }

    /// The server has nothing more to write.
    pub(crate) fn note_drained(&mut self) {
        // What is written to whoever has closed goes nowhere.
        let goes = matches!(self.end, End::Open | End::Fin);
        if goes && self.written > self.drained.last().copied().unwrap_or_default() {
            self.drained.push(self.written);
        }
    }

    /// The server tells it something and drops it.
    pub(crate) fn turn_away(&mut self, farewell: &[u8]) {
        self.outbox.extend(farewell);
        self.written = farewell.len();
        self.drained.push(self.written);
        (self.shut, self.dropped, self.turned_away) = (true, true, true);
    }

    pub(crate) fn watch_writable(&mut self, wanted: bool) {
        if wanted && !self.watching_writable && self.underway() < self.outbox_max {
            self.writable_edge = true;
        }
        self.watching_writable = wanted;
        self.writable_edge &= wanted;
    }
}

//! A simulated TCP connection in the place of `src/net/stream.rs`: two buffers of limited size that
//! give and take as much at once as a seed says, and tell of each change only once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _};
use std::rc::Rc;

use fastrand::Rng;
use mio::{Registry, Token};

/// The server's end, in the words of the real one.
#[derive(Debug)]
pub(crate) struct Stream(pub(crate) Rc<RefCell<Pipe>>);

/// Both directions.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) rng: Rng,
    /// Each read brings the server one byte.
    trickles: bool,
    /// On its way to the server, and whether that is all.
    pub(crate) inbox: VecDeque<u8>,
    pub(crate) inbox_ended: bool,
    /// On its way to the client, at most so much.
    pub(crate) outbox: VecDeque<u8>,
    pub(crate) outbox_max: usize,
    /// The server has said that this is all.
    pub(crate) shut: bool,
    /// What the server has not been told of.
    pub(crate) readable_edge: bool,
    pub(crate) writable_edge: bool,
    watching_writable: bool,
    /// How often something was read.
    pub(crate) reads: usize,
    /// How many bytes the server has written, and whether the last of them were all that it would.
    pub(crate) written: usize,
    pub(crate) is_short: bool,
    /// The last of them may wait for more.
    pub(crate) corked: bool,
}

impl Pipe {
    pub(crate) fn new(mut rng: Rng) -> Pipe {
        let outbox_max = if rng.bool() { rng.usize(1..100) } else { rng.usize(1..20_000) };
        Pipe {
            trickles: rng.u8(..4) == 0,
            rng,
            inbox: VecDeque::new(),
            inbox_ended: false,
            outbox: VecDeque::new(),
            outbox_max,
            shut: false,
            readable_edge: true,
            writable_edge: false,
            watching_writable: false,
            reads: 0,
            written: 0,
            is_short: false,
            corked: false,
        }
    }

    /// A part of so many bytes, which may be one or all.
    pub(crate) fn part(&mut self, bytes: usize) -> usize {
        match self.rng.u8(..4) {
            0 => bytes.min(1),
            1 => self.rng.usize(..=bytes).max(bytes.min(1)),
            _ => bytes,
        }
    }

    /// Some of what has come to the client.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let bytes = self.part(self.outbox.len());
        self.writable_edge |= bytes > 0 && self.watching_writable;
        self.outbox.drain(..bytes).collect()
    }
}

impl Stream {
    pub(crate) fn token(&self) -> Token {
        Token(0)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let most = buffer.len().min(pipe.inbox.len());
        if most == 0 && !pipe.inbox_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.reads += 1;
        let bytes = if pipe.trickles { most.min(1) } else { pipe.part(most) };
        pipe.inbox.read(&mut buffer[..bytes])
    }

    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        assert!(!pipe.shut, "written after the end");
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = pipe.outbox_max.saturating_sub(pipe.outbox.len());
        let bytes = pipe.part(offered.min(room));
        pipe.is_short = bytes < offered;
        if bytes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        (pipe.written, pipe.corked) = (pipe.written + bytes, false);
        pipe.outbox.extend(slices.iter().flat_map(|slice| slice.iter()).take(bytes));
        Ok(bytes)
    }

    pub(crate) fn write_more(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.write(slices)?;
        self.0.borrow_mut().corked = true;
        Ok(written)
    }

    pub(crate) fn watch_writable(&mut self, wanted: bool, _: &Registry) -> io::Result<()> {
        let mut pipe = self.0.borrow_mut();
        let has_room = pipe.outbox.len() < pipe.outbox_max;
        pipe.writable_edge |= wanted && !pipe.watching_writable && has_room;
        pipe.writable_edge &= wanted;
        pipe.watching_writable = wanted;
        Ok(())
    }

    pub(crate) fn shut(&self) {
        self.0.borrow_mut().shut = true;
    }
}

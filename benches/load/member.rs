//! One client: what it still has to send, and what has come. Talkers and listeners differ only in
//! whether lines are dealt to them.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Instant;

use super::room::{Order, Room};
use super::speech::{Entry, Frame, Newcomer};
use super::wire::Wire;

pub(super) struct Member {
    wire: Wire,
    key: usize,
    pub(super) name: String,
    /// Lines of others that it has got.
    pub(super) lines: u64,
    /// If lines are checked one by one. Otherwise it follows the log.
    order: Option<Order>,
    /// What came of a frame that was not whole.
    rest: Vec<u8>,
    /// Lines as they are sent, to be said over and over; empty for a listener.
    script: Vec<u8>,
    /// The length of a line as it is sent.
    sent_bytes: usize,
    /// Lines that it was dealt.
    pub(super) said: u64,
    /// Bytes of its script, over and over, that the kernel has not taken yet.
    pub(super) unsent: usize,
    /// Where in its script it goes on.
    cursor: usize,
    /// To be sent before the next line: what lets it in, and answers.
    aside: Vec<u8>,
    entering: Option<Entering>,
}

/// What a member remembers until it is in.
#[derive(Default)]
struct Entering {
    step: usize,
    heard: Vec<u8>,
}

impl Member {
    pub(super) fn new(wire: Wire, key: usize, name: String, talks: bool, room: &Room) -> Self {
        let script = if talks { room.script(&name) } else { Vec::new() };
        let follows = room.speech.one_order && !talks;
        Self {
            wire,
            key,
            lines: 0,
            order: (!follows).then(|| room.order()),
            rest: Vec::new(),
            sent_bytes: script.len() / super::speech::NUMBERS,
            script,
            name,
            said: 0,
            unsent: 0,
            cursor: 0,
            aside: Vec::new(),
            entering: Some(Entering::default()),
        }
    }

    pub(super) fn is_in(&self) -> bool {
        self.entering.is_none()
    }

    /// What the server has told it so far, if it is not in yet.
    pub(super) fn heard(&self) -> &[u8] {
        self.entering.as_ref().map_or(&[], |entering| &entering.heard)
    }

    /// Takes the next steps on the way in.
    pub(super) fn enter(&mut self, room: &Room) -> io::Result<()> {
        while let Some(Entering { step, heard }) = &mut self.entering {
            let talks = !self.script.is_empty();
            let newcomer = Newcomer { name: &self.name, talks, step: *step, heard };
            match (room.speech.enter)(&newcomer) {
                Entry::Says(words) => {
                    *step += 1;
                    self.aside.extend(words);
                }
                Entry::IsIn => self.entering = None,
                Entry::Waits => break,
            }
        }
        self.flush()
    }

    /// Is to say so many lines more.
    pub(super) fn deal(&mut self, lines: u64, room: &mut Room, now: Instant) {
        for number in self.said..self.said + lines {
            room.note_said(self.key, number, now);
        }
        self.said += lines;
        self.unsent += lines as usize * self.sent_bytes;
    }

    /// Hands as much of what it has to send to the kernel as that takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.wire.flush()? {
            return Ok(());
        }
        loop {
            // An answer must not come into the middle of a line.
            let of_line = if self.sent_bytes > 0 { self.cursor % self.sent_bytes } else { 0 };
            let aside = !self.aside.is_empty() && of_line == 0;
            let piece = if aside {
                &self.aside[..]
            } else {
                let until_answer =
                    if self.aside.is_empty() { usize::MAX } else { self.sent_bytes - of_line };
                let piece = self.unsent.min(self.script.len() - self.cursor).min(until_answer);
                &self.script[self.cursor..self.cursor + piece]
            };
            if piece.is_empty() {
                return Ok(());
            }
            match self.wire.write(piece) {
                Ok(count) if aside => drop(self.aside.drain(..count)),
                Ok(count) => {
                    self.unsent -= count;
                    self.cursor = (self.cursor + count) % self.script.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads all that the socket has, checks it, and returns how many bytes it was. An error if the
    /// server has closed, or has sent what it should not.
    pub(super) fn read(&mut self, scratch: &mut [u8], room: &mut Room) -> io::Result<usize> {
        let mut total = 0;
        loop {
            match self.wire.read(scratch) {
                Ok(0) => return Err(io::Error::other("the server closed this connection")),
                Ok(count) => {
                    total += count;
                    self.take(&scratch[..count], room)?;
                    // A short read has emptied the socket, and what comes next is a new event.
                    // Windows has to be asked until it would block, or it does not tell of that.
                    if count < scratch.len() && !cfg!(windows) {
                        return Ok(total);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, input: &[u8], room: &mut Room) -> io::Result<()> {
        let now = Instant::now();
        if let Some(entering) = &mut self.entering {
            entering.heard.extend_from_slice(input);
        }
        if self.rest.is_empty() {
            let used = self.take_frames(input, room, now)?;
            self.rest.extend_from_slice(&input[used..]);
        } else {
            self.rest.extend_from_slice(input);
            let mut rest = mem::take(&mut self.rest);
            let used = self.take_frames(&rest, room, now)?;
            rest.drain(..used);
            self.rest = rest;
        }
        self.enter(room)
    }

    /// Takes whole frames off the front of `input`, and returns how many bytes they were.
    fn take_frames(&mut self, input: &[u8], room: &mut Room, now: Instant) -> io::Result<usize> {
        let mut used = 0;
        loop {
            if self.order.is_none() {
                let (lines, bytes) = room.follow(&input[used..], self.lines, now);
                self.lines += lines;
                used += bytes;
            }
            let input = &input[used..];
            match (room.speech.frame)(input) {
                Frame::Part => return Ok(used),
                Frame::Other { bytes } => used += bytes,
                Frame::Question { bytes, answer } => {
                    self.aside.extend(answer);
                    used += bytes;
                }
                Frame::Refusal { bytes } => {
                    let words = String::from_utf8_lossy(&input[..bytes]);
                    return Err(io::Error::other(format!(
                        "the server says {:?}",
                        words.trim_end()
                    )));
                }
                Frame::Line { bytes, name, text } => {
                    let line = room.judge(name, text)?;
                    if line.is_of(self.key) {
                        if !room.speech.echoes {
                            return Err(io::Error::other("it hears itself"));
                        }
                        used += bytes;
                        continue;
                    }
                    match &mut self.order {
                        Some(order) => order.check(line)?,
                        None => room.check_in_log(&input[..bytes], line, self.lines)?,
                    }
                    // A talker is busy with its own lines; those who listen are what counts.
                    if self.script.is_empty() {
                        room.note_latency(room.said_at(line), now, 1);
                    }
                    self.lines += 1;
                    used += bytes;
                }
            }
        }
    }
}

//! A server's handle: how the program that embeds it stops it from another thread, and has bots in
//! its rooms. What is done here never waits for the loop but to come in, and the loop never waits
//! for a bot: between them are queues with a bound.
//!
//! A bot is a connection like others, at `lines`; only that two queues carry it, and no socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{
    Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};

use crate::client::ServerLine;
pub use crate::hub::JoinError;
use crate::nickname::Nickname;
use crate::text;

/// Lines that a bot has said and the server has not taken yet, at most.
pub const UNREAD_LINES_MAX: usize = 64;

/// What is not said by anybody: [`clean`](text::clean) takes it out, and a line that begins with it
/// is none of the few that mean something else than they say.
const NOTHING: &str = "\u{feff}";

/// The server, for other threads. All clones of it are the same.
#[derive(Clone)]
pub struct Handle {
    wanted: Sender<Wanted>,
    stop: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
    line_bytes_max: usize,
}

/// A member of a room who is this program: it says lines there under its name. When the last clone
/// is dropped, it leaves.
#[derive(Clone)]
pub struct Bot(Arc<Speaker>);

struct Speaker {
    /// There until it is dropped.
    lines: Option<SyncSender<String>>,
    wake: Arc<dyn Fn() + Send + Sync>,
    line_bytes_max: usize,
}

/// What a bot is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Somebody says a line in the room. What the bot says itself is not told to it.
    Line {
        /// Who.
        from: String,
        /// What.
        text: String,
    },
    /// Somebody does something there (`/me`).
    Emote {
        /// Who.
        from: String,
        /// What.
        text: String,
    },
    /// Somebody says something to the bot alone (`/msg`).
    Private {
        /// Who.
        from: String,
        /// What.
        text: String,
    },
    /// The server tells something, such as who has come, in its own language.
    Notice(String),
    /// The server has refused a line of the bot, and says why in its own language: it is muted, for
    /// example.
    Refused(String),
    /// So many of these are lost, for the channel was full.
    Missed(u64),
}

/// Why a line is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SayError {
    /// There is nothing to be seen in it.
    Blank,
    /// It has a line end in it: say each line by itself.
    SeveralLines,
    /// It has more bytes than a line may have (the bound, `--max-line`).
    TooLong(usize),
    /// [`UNREAD_LINES_MAX`] lines wait already, for the bot says more than it may (`--flood`), or
    /// its room takes no more for now. The line can be said later.
    TooFast,
    /// The bot is in the room no more: it was removed, or the server has stopped.
    Gone,
}

impl Handle {
    /// Stops the server: everybody is told, and what waits is sent, for `--drain` at most. Then
    /// `Server::run` returns. To call it again changes nothing.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        (self.wake)();
    }

    /// A bot comes into the room of this name, with or without its `#`; if there is none, it is
    /// made. Others are told of it as of everybody, and its name is taken until it leaves.
    ///
    /// What is said there from then on comes out of the receiver, which holds `told_max`, and one
    /// at least. The server does not wait for it: when it is full, what comes is lost and counted,
    /// and [`Said::Missed`] comes before the next for which there is room. Who wants to hear
    /// nothing drops it. It ends when the bot is in the room no more.
    ///
    /// This waits until the server has answered in its next turn, and so for ever if no other
    /// thread is to run it.
    ///
    /// # Errors
    /// The reason why it cannot come in.
    pub fn join(
        &self,
        name: &str,
        room: &str,
        told_max: usize,
    ) -> Result<(Bot, Receiver<Said>), JoinError> {
        let name = Nickname::parse(name).map_err(JoinError::Nickname)?;
        let (lines, unread) = sync_channel(UNREAD_LINES_MAX);
        let (told, heard) = sync_channel(told_max.max(1));
        let (answer, answered) = channel();
        let link = BotLink::new(unread, told);
        let wanted = Wanted { name, room: room.to_owned(), link, answer };
        self.wanted.send(wanted).map_err(|_| JoinError::Stopped)?;
        (self.wake)();
        answered.recv().map_err(|_| JoinError::Stopped)??;
        let (wake, line_bytes_max) = (Arc::clone(&self.wake), self.line_bytes_max);
        Ok((Bot(Arc::new(Speaker { lines: Some(lines), wake, line_bytes_max })), heard))
    }
}

impl Bot {
    /// Says a line in the room. It is no command, whatever it looks like. As of all lines,
    /// what could forge, break or cover others is [taken out](text::clean).
    ///
    /// It does not wait. The server takes the line in its next turn, or when the bot may say one
    /// more (`--flood`).
    ///
    /// # Errors
    /// The reason why it is not said.
    pub fn say(&self, text: &str) -> Result<(), SayError> {
        if text.contains(['\n', '\r']) {
            return Err(SayError::SeveralLines);
        }
        let text = text::clean(text);
        if text::is_blank(&text) {
            return Err(SayError::Blank);
        }
        let is_word =
            ["#", "&", "quit", "exit"].iter().any(|word| text.trim().eq_ignore_ascii_case(word));
        let before = match text.starts_with('/') {
            true => "/",
            false if is_word => NOTHING,
            false => "",
        };
        if before.len() + text.len() > self.0.line_bytes_max {
            return Err(SayError::TooLong(self.0.line_bytes_max));
        }
        let lines = self.0.lines.as_ref().ok_or(SayError::Gone)?;
        lines.try_send(format!("{before}{text}\n")).map_err(|error| match error {
            TrySendError::Full(_) => SayError::TooFast,
            TrySendError::Disconnected(_) => SayError::Gone,
        })?;
        (self.0.wake)();
        Ok(())
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // The loop finds the end of input.
        self.lines = None;
        (self.wake)();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").finish_non_exhaustive()
    }
}

impl fmt::Display for SayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SayError::Blank => f.write_str("the line is blank"),
            SayError::SeveralLines => f.write_str("there is a line end in the line"),
            SayError::TooLong(max) => write!(f, "the line has more than {max} bytes"),
            SayError::TooFast => write!(f, "{UNREAD_LINES_MAX} lines wait already"),
            SayError::Gone => f.write_str("the bot is in the room no more"),
        }
    }
}

impl std::error::Error for SayError {}

// ── the server's side ────────────────────────────────────────────────────────────────────────────

/// A bot that wants to come in.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: Nickname,
    pub(crate) room: String,
    pub(crate) link: BotLink,
    pub(crate) answer: Sender<Result<(), JoinError>>,
}

/// What comes from all handles of a server.
#[derive(Debug)]
pub(crate) struct Handles {
    /// There until the server stops.
    wanted: Option<Receiver<Wanted>>,
    stop: Arc<AtomicBool>,
    /// The stop was told.
    has_told: bool,
}

impl Handles {
    /// The two ends. `wake` wakes the loop.
    pub(crate) fn new(
        wake: impl Fn() + Send + Sync + 'static,
        line_bytes_max: usize,
    ) -> (Handle, Handles) {
        let (wanted, receiver) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let handles = Handles { wanted: Some(receiver), stop: Arc::clone(&stop), has_told: false };
        (Handle { wanted, stop, wake: Arc::new(wake), line_bytes_max }, handles)
    }

    /// Whether a handle wants the server to stop; told once.
    pub(crate) fn poll_stop(&mut self) -> bool {
        let stops = !self.has_told && self.stop.load(Ordering::Acquire);
        self.has_told |= stops;
        stops
    }

    /// The next bot that wants to come in.
    pub(crate) fn poll_wanted(&mut self) -> Option<Wanted> {
        self.wanted.as_ref()?.try_recv().ok()
    }

    /// Nobody comes in any more, those who wait for that included.
    pub(crate) fn close(&mut self) {
        self.wanted = None;
    }
}

/// What carries the bytes of a bot.
#[derive(Debug)]
pub(crate) struct BotLink {
    lines: Receiver<String>,
    /// What is left of the line that is being read.
    unread: VecDeque<u8>,
    told: SyncSender<Said>,
    /// The beginning of a line.
    begun: Vec<u8>,
    missed: u64,
}

impl BotLink {
    fn new(lines: Receiver<String>, told: SyncSender<Said>) -> BotLink {
        let (unread, begun) = (VecDeque::new(), Vec::new());
        BotLink { lines, unread, told, begun, missed: 0 }
    }

    /// Reads once: a line, or as much of it as `buffer` holds. 0 is the end of input: the bot was
    /// dropped.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            match self.lines.try_recv() {
                Ok(line) => self.unread = line.into_bytes().into(),
                Err(TryRecvError::Disconnected) => return Ok(0),
                Err(TryRecvError::Empty) => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
        io::Read::read(&mut self.unread, buffer)
    }

    /// Writes. Returns how many bytes that were, which is all of them: what the bot has no room
    /// for is lost.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> usize {
        for piece in slices.iter().flat_map(|slice| slice.split_inclusive(|byte| *byte == b'\n')) {
            self.begun.extend_from_slice(piece);
            if self.begun.pop_if(|last| *last == b'\n').is_some() {
                let line = std::mem::take(&mut self.begun);
                self.tell(&String::from_utf8_lossy(&line));
            }
        }
        slices.iter().map(|slice| slice.len()).sum()
    }

    fn tell(&mut self, line: &str) {
        let owned = |(from, text): (&str, &str)| (from.to_owned(), text.to_owned());
        let said = match ServerLine::parse(line) {
            ServerLine::Said { from, text } => {
                let (from, text) = owned((from, text));
                Said::Line { from, text }
            }
            ServerLine::Emoted { from, text } => {
                let (from, text) = owned((from, text));
                Said::Emote { from, text }
            }
            ServerLine::Told { from, text } => {
                let (from, text) = owned((from, text));
                Said::Private { from, text }
            }
            ServerLine::Notice(text) => Said::Notice(text.to_owned()),
            ServerLine::Refused(text) => Said::Refused(text.to_owned()),
            // What was said before it came.
            ServerLine::Recalled { .. } | ServerLine::Sent { .. } => return,
        };
        // What was missed is told first, in its place.
        if self.missed > 0 && self.told.try_send(Said::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || matches!(self.told.try_send(said), Err(TrySendError::Full(_))) {
            self.missed += 1;
        }
    }
}

//! What is said in the room, and whether everybody gets it: each line, once, whole, in order.
//!
//! All that talkers say is known beforehand: texts by number, each talker saying them in turn. So a
//! line can be checked by itself ([`Room::judge`]) and each talker's lines be counted through
//! ([`Order`]). To do that for each delivery would cost more than a good server does. So where all
//! get the same lines in the same order, whoever is the first to get a line checks it and puts it
//! in the [`Log`], and everybody else just compares bytes.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::speech::{self, NUMBERS, Speech};

/// Latencies are told from each other from this to the other bound, at one part in a hundred.
const LATENCY_MIN: Duration = Duration::from_micros(1);
const LATENCY_MAX: Duration = Duration::from_secs(100);

pub(super) struct Room {
    pub(super) speech: &'static Speech,
    /// By their numbers.
    texts: Vec<Vec<u8>>,
    talkers: usize,
    /// When each talker has last said each text.
    said_at: Vec<Instant>,
    pub(super) log: Log,
    /// In nanoseconds, from saying to receipt.
    pub(super) latency: Histogram<u64>,
}

/// Who said a line, and its number.
#[derive(Clone, Copy)]
pub(super) struct Line {
    talker: usize,
    number: usize,
}

/// Each talker's next line.
pub(super) struct Order(Vec<usize>);

/// The lines that somebody has got and not everybody, in the one order of all.
pub(super) struct Log {
    frames: Vec<u8>,
    /// The length of each.
    frame_bytes: usize,
    said_at: Vec<Instant>,
    /// Lines that are forgotten.
    begin: u64,
    order: Order,
}

impl Room {
    pub(super) fn new(speech: &'static Speech, talkers: usize, line_bytes: usize) -> Self {
        let text = |number| speech::text(number, line_bytes).into_bytes();
        Self {
            speech,
            texts: (0..NUMBERS).map(text).collect(),
            talkers,
            said_at: vec![Instant::now(); talkers * NUMBERS],
            log: Log {
                frames: Vec::new(),
                frame_bytes: 1,
                said_at: Vec::new(),
                begin: 0,
                order: Order::new(talkers),
            },
            latency: no_latencies(),
        }
    }

    /// A check of each line by itself.
    pub(super) fn order(&self) -> Order {
        Order::new(self.talkers)
    }

    /// All that the talker of this name will say, over and over, as it is sent.
    pub(super) fn script(&self, name: &str) -> Vec<u8> {
        let texts = self.texts.iter().map(|text| String::from_utf8_lossy(text));
        texts.flat_map(|text| (self.speech.say)(name, &text)).collect()
    }

    /// A talker says its line with this number, counted from its first, now.
    pub(super) fn note_said(&mut self, talker: usize, number: u64, now: Instant) {
        self.said_at[talker * NUMBERS + number as usize % NUMBERS] = now;
    }

    /// Which line this is; an error if it is not one that somebody says.
    pub(super) fn judge(&self, name: &[u8], text: &[u8]) -> io::Result<Line> {
        let talker = speech::key_of(name).filter(|talker| *talker < self.talkers);
        let number = speech::number_of(text).filter(|number| *number < NUMBERS);
        match (talker, number) {
            (Some(talker), Some(number)) if self.texts[number] == text => {
                Ok(Line { talker, number })
            }
            _ => {
                let [name, text] = [name, text].map(String::from_utf8_lossy);
                Err(io::Error::other(format!("nobody has said {name:?}: {text:?}")))
            }
        }
    }

    pub(super) fn said_at(&self, line: Line) -> Instant {
        self.said_at[line.talker * NUMBERS + line.number]
    }

    /// Notes how old some lines are that were said at the same time.
    pub(super) fn note_latency(&mut self, said_at: Instant, now: Instant, lines: u64) {
        let nanoseconds = now.saturating_duration_since(said_at).as_nanos() as u64;
        self.latency.saturating_record_n(nanoseconds, lines);
    }

    /// A listener has got `frame`, which is `line`, as its line number `place`: the log has the
    /// same there, or ends there and goes on with it.
    pub(super) fn check_in_log(&mut self, frame: &[u8], line: Line, place: u64) -> io::Result<()> {
        if let Some(known) = self.log.frames_from(place).get(..self.log.frame_bytes) {
            let same = known == frame;
            let problem = "two listeners got the same lines in different orders";
            return if same { Ok(()) } else { Err(io::Error::other(problem)) };
        }
        let said_at = self.said_at(line);
        self.log.order.check(line)?;
        if self.log.frames.is_empty() {
            self.log.frame_bytes = frame.len();
        } else if self.log.frame_bytes != frame.len() {
            return Err(io::Error::other("not all lines have the same length"));
        }
        self.log.frames.extend_from_slice(frame);
        self.log.said_at.push(said_at);
        Ok(())
    }

    /// A listener who has got `place` lines finds in `input` as many more as the log knows, and
    /// they are the same. Returns how many lines and how many bytes that is.
    pub(super) fn follow(&mut self, input: &[u8], place: u64, now: Instant) -> (u64, usize) {
        let log = &self.log;
        let (first, known) = ((place - log.begin) as usize, log.frames_from(place));
        let lines = known.len().min(input.len()) / log.frame_bytes;
        let bytes = lines * log.frame_bytes;
        if lines == 0 || known[..bytes] != input[..bytes] {
            return (0, 0);
        }
        // Lines that were said together were said at the same time: they are noted together.
        let mut at = first;
        while at < first + lines {
            let said_at = self.log.said_at[at];
            let rest = &self.log.said_at[at..first + lines];
            let together = rest.iter().take_while(|other| **other == said_at).count();
            self.note_latency(said_at, now, together as u64);
            at += together;
        }
        (lines as u64, bytes)
    }
}

impl Log {
    fn end(&self) -> u64 {
        self.begin + self.said_at.len() as u64
    }

    /// What came after the first `place` lines.
    fn frames_from(&self, place: u64) -> &[u8] {
        &self.frames[(place - self.begin) as usize * self.frame_bytes..]
    }

    /// Everybody has got so many lines: those are forgotten when they are the larger part.
    pub(super) fn forget(&mut self, lines: u64) {
        let gone = (lines.min(self.end()) - self.begin) as usize;
        if gone > self.said_at.len() / 2 {
            self.said_at.drain(..gone);
            self.frames.drain(..gone * self.frame_bytes);
            self.begin += gone as u64;
        }
    }
}

impl Order {
    fn new(talkers: usize) -> Self {
        Self(vec![0; talkers])
    }

    /// Is this the line that its talker says next?
    pub(super) fn check(&mut self, line: Line) -> io::Result<()> {
        let next = &mut self.0[line.talker];
        if line.number != *next {
            let Line { talker, number } = line;
            let (name, next) = (speech::name(talker), *next);
            let problem = format!("line {number} of {name} came, where {next} should have");
            return Err(io::Error::other(problem));
        }
        *next = (*next + 1) % NUMBERS;
        Ok(())
    }
}

impl Line {
    pub(super) fn is_of(self, key: usize) -> bool {
        self.talker == key
    }
}

/// A histogram without an entry.
pub(super) fn no_latencies() -> Histogram<u64> {
    let [min, max] = [LATENCY_MIN, LATENCY_MAX].map(|latency| latency.as_nanos() as u64);
    #[allow(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_bounds(min, max, 2).expect("bounds that make sense")
}

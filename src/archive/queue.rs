//! What the loop's thread and the archive's threads tell each other: one lock, held for moments,
//! and bounded queues. The loop never waits for anything but that lock.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Add, Sub};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Answer, Health, Record, Request};
use crate::config::Keep;
use crate::nickname::Nickname;

/// Lines that may wait to be written.
pub(super) const LINES_MAX: usize = 8192;

/// Bytes that they may have together.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// Bytes of what operators did that may wait, beside the lines: no talk of others can crowd it out.
const ACTS_BYTES_MAX: usize = 16 << 20;

/// Questions that may wait.
pub(super) const REQUESTS_MAX: usize = 256;

/// How long the writer waits for the reader in the end.
const ENDING: Duration = Duration::from_secs(5);

/// How long lines wait for others, so that they are written together.
const GATHERING: Duration = Duration::from_millis(250);

/// So many lines wait for no others.
const ENOUGH_LINES: usize = 512;

/// Lines that are written at once at most.
const BATCH_LINES: usize = 2048;

/// For how long things are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules {
    pub(super) keep: Keep,
    pub(super) rooms: Vec<(Nickname, Keep)>,
}

impl Rules {
    /// For how long a room's lines are kept.
    pub(super) fn of(&self, room: &str) -> Keep {
        if self.rooms.is_empty() {
            return self.keep;
        }
        let room = Nickname::unchecked(room);
        let rule = self.rooms.iter().find(|(name, _)| name.same_as(&room));
        rule.map_or(self.keep, |(_, keep)| *keep)
    }
}

/// A question under its ticket, and how many records had been taken when it was asked.
pub(super) type Ticket = (u64, Request, u64);

/// What all of them know of.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something for the writer.
    writes: Condvar,
    /// There is something for the reader.
    reads: Condvar,
    /// Something has been done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    /// Of what waits, and of what the writer has taken and not written yet: lines (with topics),
    /// and all else.
    lines: Load,
    acts: Load,
    lines_taken: Load,
    acts_taken: Load,
    /// Records that were ever taken in, and of these those that the writer has done with.
    recorded: u64,
    processed: u64,
    written: u64,
    lost: u64,
    forgets: VecDeque<Ticket>,
    questions: VecDeque<Ticket>,
    /// The question that the reader looks at.
    answering: Option<u64>,
    answers: VecDeque<(u64, Answer)>,
    /// What waits is to be written without waiting for more.
    is_urgent: bool,
    is_stopping: bool,
    /// Threads that still run.
    threads: usize,
    failing: Option<String>,
    now: u64,
    rules: Arc<Rules>,
}

/// How much something is.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    count: usize,
    bytes: usize,
}

impl Load {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Load {
        records.fold(Load::default(), |load, record| load + Load::one(record))
    }

    fn one(record: &Record) -> Load {
        Load { count: 1, bytes: record.bytes() }
    }
}

impl Add for Load {
    type Output = Load;

    fn add(self, other: Load) -> Load {
        Load { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Load {
    type Output = Load;

    fn sub(self, other: Load) -> Load {
        Load { count: self.count - other.count, bytes: self.bytes - other.bytes }
    }
}

/// Whether it counts as a line: all that comes at the pace at which people talk.
fn is_line(record: &Record) -> bool {
    matches!(record, Record::Said { .. } | Record::Topic { .. })
}

/// What the writer is to do.
pub(super) enum Work {
    Write(Vec<Record>),
    Forget(Ticket),
    /// Nothing waits: there is time for what can wait.
    Idle,
    Stop,
}

impl Queue {
    pub(super) fn new(rules: Rules, now: u64) -> Queue {
        let queue = Queue::default();
        let mut state = queue.lock();
        (state.rules, state.now) = (Arc::new(rules), now);
        drop(state);
        queue
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the loop does.

    /// Takes in what fits, and counts the rest as lost.
    pub(super) fn record(&self, records: &mut Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let mut state = self.lock();
        let before = state.records.len();
        for record in records.drain(..) {
            state.now = state.now.max(record.at().unwrap_or_default());
            let one = Load::one(&record);
            let fits = if is_line(&record) {
                let all = state.lines + state.lines_taken + one;
                let fits = all.count <= LINES_MAX && all.bytes <= BYTES_MAX;
                state.lines = if fits { state.lines + one } else { state.lines };
                fits
            } else {
                let fits = (state.acts + state.acts_taken + one).bytes <= ACTS_BYTES_MAX;
                state.acts = if fits { state.acts + one } else { state.acts };
                fits
            };
            if fits {
                state.recorded += 1;
                state.records.push(record);
            } else {
                state.lost += 1;
            }
        }
        let is_enough = before < ENOUGH_LINES && state.records.len() >= ENOUGH_LINES;
        let wakes = (before == 0 && !state.records.is_empty()) || is_enough;
        drop(state);
        if wakes {
            self.writes.notify_one();
        }
    }

    pub(super) fn set_time(&self, now: u64) {
        let mut state = self.lock();
        state.now = state.now.max(now);
    }

    pub(super) fn set_rules(&self, rules: Rules) {
        self.lock().rules = Arc::new(rules);
        self.writes.notify_one();
    }

    #[expect(clippy::result_large_err, reason = "what comes back is what was given")]
    pub(super) fn ask(&self, ticket: u64, request: Request) -> Result<(), Request> {
        let mut state = self.lock();
        let is_write = matches!(request, Request::Forget { .. });
        if state.forgets.len() + state.questions.len() + state.answers.len() >= REQUESTS_MAX {
            return Err(request);
        }
        let asked = (ticket, request, state.recorded);
        let (queue, wakes) = match is_write {
            true => (&mut state.forgets, &self.writes),
            false => (&mut state.questions, &self.reads),
        };
        queue.push_back(asked);
        drop(state);
        wakes.notify_one();
        Ok(())
    }

    pub(super) fn poll_answer(&self) -> Option<(u64, Answer)> {
        self.lock().answers.pop_front()
    }

    pub(super) fn health(&self) -> Health {
        let state = self.lock();
        Health {
            lost: state.lost,
            waiting: (state.lines + state.lines_taken).count,
            written: state.written,
            failing: state.failing.clone(),
        }
    }

    /// Asks the threads to end; the writer writes what waits before that.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.writes.notify_one();
        self.reads.notify_one();
        self.done.notify_all();
    }

    /// Waits at most so long for the threads to end. Returns how many records are not written.
    pub(super) fn wait_for_end(&self, within: Duration) -> usize {
        let state = self.lock();
        let waited = self.done.wait_timeout_while(state, within, |state| state.threads > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.records.len() + (state.lines_taken + state.acts_taken).count
    }

    // What the threads do.

    pub(super) fn thread_starts(&self) {
        self.lock().threads += 1;
    }

    pub(super) fn thread_ends(&self) {
        self.lock().threads -= 1;
        self.done.notify_all();
    }

    /// Whether the threads are to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Nobody wants the answer any more. If the question is being answered just now, that is
    /// interrupted; the next one has not begun then.
    pub(super) fn cancel(&self, ticket: u64, interrupt: impl FnOnce()) {
        let mut state = self.lock();
        state.questions.retain(|(other, ..)| *other != ticket);
        if state.answering == Some(ticket) {
            state.answering = None;
            interrupt();
        }
    }

    /// Whether it was the question that was answered last, and nobody wants the answer.
    pub(super) fn is_cancelled(&self, ticket: u64) -> bool {
        self.lock().answering != Some(ticket)
    }

    /// Waits for the reader to end, so that the writer is the last one who closes the file.
    pub(super) fn wait_for_reader(&self) {
        let waited = self.done.wait_timeout_while(self.lock(), ENDING, |state| state.threads > 1);
        drop(waited);
    }

    pub(super) fn answer(&self, ticket: u64, answer: Answer) {
        let mut state = self.lock();
        state.answering = None;
        state.answers.push_back((ticket, answer));
    }

    pub(super) fn now(&self) -> u64 {
        self.lock().now
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.lock().rules)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Waits for something to write, at most for `idle`; if there is something, until it is worth
    /// it.
    pub(super) fn next_work(&self, idle: Duration) -> Work {
        let nothing = |state: &mut State| {
            state.records.is_empty() && state.forgets.is_empty() && !state.is_stopping
        };
        let waited = self.writes.wait_timeout_while(self.lock(), idle, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if nothing(&mut state) {
            return Work::Idle;
        }
        let gathers = |state: &mut State| {
            let waits = state.is_urgent || state.is_stopping || !state.forgets.is_empty();
            !waits && state.records.len() < ENOUGH_LINES
        };
        let waited = self.writes.wait_timeout_while(state, GATHERING, gathers);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // What was said before somebody asked to forget it is written first, and then forgotten.
        if state.records.is_empty() {
            state.is_urgent = false;
            return match state.forgets.pop_front() {
                Some(forget) => Work::Forget(forget),
                None => Work::Stop,
            };
        }
        let batch = if state.records.len() <= BATCH_LINES {
            state.is_urgent = false;
            mem::take(&mut state.records)
        } else {
            let rest = state.records.split_off(BATCH_LINES);
            mem::replace(&mut state.records, rest)
        };
        state.lines_taken = Load::of(batch.iter().filter(|record| is_line(record)));
        state.acts_taken = Load::of(batch.iter().filter(|record| !is_line(record)));
        state.lines = state.lines - state.lines_taken;
        state.acts = state.acts - state.acts_taken;
        Work::Write(batch)
    }

    /// What was taken is safe, if `is_written`, or given up.
    pub(super) fn batch_ends(&self, is_written: bool) {
        let mut state = self.lock();
        let (lines, acts) = (mem::take(&mut state.lines_taken), mem::take(&mut state.acts_taken));
        if is_written {
            state.written += lines.count as u64;
            state.failing = None;
        }
        state.processed += (lines + acts).count as u64;
        self.done.notify_all();
    }

    /// Nothing can be written now, for this reason. Waits until it is time to try again; `false` if
    /// the server stops instead.
    pub(super) fn wait_for_retry(&self, why: &str, pause: Duration) -> bool {
        let mut state = self.lock();
        state.failing = Some(why.to_owned());
        self.done.notify_all();
        let waited = self.writes.wait_timeout_while(state, pause, |state| {
            while let Some((ticket, ..)) = state.forgets.pop_front() {
                state.answers.push_back((ticket, Answer::Failed));
            }
            !state.is_stopping
        });
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_stopping
    }

    /// The next question, when what was recorded before it can be read; `None` at the end.
    pub(super) fn next_question(&self) -> Option<Ticket> {
        let nothing = |state: &mut State| state.questions.is_empty() && !state.is_stopping;
        let waited = self.reads.wait_while(self.lock(), nothing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let question = state.questions.pop_front().filter(|_| !state.is_stopping)?;
        state.answering = Some(question.0);
        if state.processed < question.2 {
            state.is_urgent = true;
            self.writes.notify_one();
            let waits = |state: &mut State| {
                state.processed < question.2 && state.failing.is_none() && !state.is_stopping
            };
            drop(self.done.wait_while(state, waits));
        }
        Some(question)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

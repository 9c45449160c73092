//! A channel: how what is said in one room reaches those who are in it. It knows who reads which
//! encoding, gathers who comes and goes, and paces the talkers of this room and of no other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::budget::Hold;
use super::{JournalKey, Journals, Seq};
use crate::author::Person;
use crate::dialect::Dialect;
use crate::event::CloseReason;
use crate::key::{ConnectionKey, reserve_in};
use crate::nickname::Nickname;

/// In a room of up to so many members, presence is told in the turn in which it comes about: that
/// costs a few milliseconds at most.
const SMALL_ROOM: usize = 1024;

/// In a larger one, presence may be gathered for a millisecond for each so many members.
const MEMBERS_PER_MS: usize = 40;

/// Presence is told after this time at the latest.
const PRESENCE_DELAY_MAX: Duration = Duration::from_millis(250);

/// Delivery in one room.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// Who is here, by what they read. There is one of each encoding that somebody here reads.
    readers: Vec<Readers>,
    /// How many are here who read nothing, for they are cut off.
    pub(crate) cut_off: usize,
    /// Coming and going that has not been told yet.
    pub(crate) presence: Option<PresenceBatch>,
    /// It stands on the list of those for which something is to be done.
    pub(crate) is_active: bool,
    /// Bytes that have been said since everyone was last written to.
    pub(crate) turn_bytes: usize,
    /// Talkers wait for readers that are slow but alive.
    pub(crate) hold: Hold,
    /// Until when they should, as far as is known in this turn.
    pub(crate) wanted_hold: Option<Instant>,
    /// Talkers who wait until the room takes more.
    pub(crate) awaiting_turn: VecDeque<ConnectionKey>,
    /// Lines that were said, and each times those it was for.
    pub(crate) said: (u64, u64),
}

/// Those who read one encoding, and their journal.
#[derive(Debug)]
pub(crate) struct Readers {
    pub(crate) dialect: Dialect,
    pub(crate) journal: JournalKey,
    /// In ascending order.
    pub(crate) keys: Vec<ConnectionKey>,
}

/// People who came, or who went for the same reason, directly one after the other.
#[derive(Debug)]
pub(crate) struct PresenceBatch {
    pub(crate) kind: PresenceKind,
    pub(crate) names: Vec<Nickname>,
    /// What else is told of each.
    pub(crate) people: Vec<Person>,
    /// Of those who came, the connections.
    pub(crate) keys: Vec<ConnectionKey>,
    /// When it must be told.
    pub(crate) due: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PresenceKind {
    Joined,
    /// Out of the room, or off the server (`is_gone`).
    Left {
        is_gone: bool,
    },
    /// … with words, which those do not hear who ignore them.
    LeftWithWords {
        words: String,
        deaf: Vec<ConnectionKey>,
        is_gone: bool,
    },
    /// Off the server, for a reason of the server's.
    LeftFor(CloseReason),
}

impl PresenceKind {
    /// Whether they have left the room alone, and not the server.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(
            self,
            PresenceKind::Left { is_gone: false }
                | PresenceKind::LeftWithWords { is_gone: false, .. }
        )
    }
}

impl Channel {
    /// Takes in a reader. Returns the journal that they read from now on.
    pub(crate) fn add(
        &mut self,
        journals: &mut Journals,
        dialect: Dialect,
        key: ConnectionKey,
    ) -> JournalKey {
        let place = self.readers.iter().position(|readers| readers.dialect == dialect);
        let place = place.unwrap_or_else(|| {
            let journal = journals.insert();
            self.readers.push(Readers { dialect, journal, keys: Vec::new() });
            self.readers.len() - 1
        });
        let Readers { journal, keys, .. } = &mut self.readers[place];
        if let Err(at) = keys.binary_search(&key) {
            reserve_in(keys);
            keys.insert(at, key);
        }
        *journal
    }

    /// Lets go of a reader. Returns the journal that they read, if they were here.
    pub(crate) fn remove(&mut self, dialect: Dialect, key: ConnectionKey) -> Option<JournalKey> {
        let readers = self.readers.iter_mut().find(|readers| readers.dialect == dialect)?;
        let at = readers.keys.binary_search(&key).ok()?;
        readers.keys.remove(at);
        Some(readers.journal)
    }

    /// Those who are here, by what they read.
    pub(crate) fn readers(&self) -> &[Readers] {
        &self.readers
    }

    /// Appends an event to each journal that somebody reads. `encode` says it in a dialect.
    pub(crate) fn publish(
        &mut self,
        journals: &mut Journals,
        seq: Seq,
        encode: impl Fn(Dialect, &mut Vec<u8>),
    ) {
        let mut longest = 0;
        for Readers { dialect, journal, .. } in &self.readers {
            let bytes = journals.append(*journal, seq, |out| encode(*dialect, out));
            longest = longest.max(bytes);
        }
        self.turn_bytes += longest;
    }

    /// Whether `key` has come, and the others have not been told.
    pub(crate) fn is_unannounced(&self, key: ConnectionKey) -> bool {
        self.presence.as_ref().is_some_and(|batch| batch.keys.contains(&key))
    }

    /// Whether somebody of this name has come, and those who are here have not been told.
    pub(crate) fn has_newcomer(&self, name: &Nickname) -> bool {
        let batch = self.presence.as_ref();
        batch.is_some_and(|it| it.kind == PresenceKind::Joined && it.names.contains(name))
    }

    /// When something is to be done for this room, if at all.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let said = (self.turn_bytes > 0).then_some(now);
        let presence = self.presence.as_ref().map(|batch| batch.due);
        let waits = !self.awaiting_turn.is_empty();
        let talkers = waits.then(|| self.hold.until().unwrap_or(now));
        [said, presence, talkers].into_iter().flatten().min()
    }

    /// Whether anything is to be done for this room, now or later. If not, it leaves the list of
    /// those for which that is so.
    pub(crate) fn stays_active(&mut self) -> bool {
        self.is_active = self.turn_bytes > 0
            || self.presence.is_some()
            || !self.awaiting_turn.is_empty()
            || self.hold.until().is_some();
        self.is_active
    }

    /// Whether nobody is here and nothing waits.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.presence.is_none()
            && self.cut_off == 0
            && self.readers.iter().all(|readers| readers.keys.is_empty())
    }
}

/// How long presence may be gathered in a room of so many members: not at all in a small one.
pub(crate) fn presence_delay(members: usize) -> Duration {
    if members <= SMALL_ROOM {
        return Duration::ZERO;
    }
    let delay = Duration::from_micros((members * 1000 / MEMBERS_PER_MS) as u64);
    delay.min(PRESENCE_DELAY_MAX)
}

//! The backlog: who has fallen behind, for whom talkers wait, and who must go. Only connections
//! whose sockets are full can be behind, so only those are looked at.

use super::Hub;
use crate::chat::RoomKey;
use crate::delivery::{HOLD_MAX, JournalKey, Seq};
use crate::event::CloseReason;
use crate::key::ConnectionKey;

/// How far one connection is behind.
struct Lag {
    key: ConnectionKey,
    /// Bytes in the journal in which that is most, and in all together.
    most: usize,
    all: usize,
}

impl Hub {
    /// Whom to write to because something has been said where they are; those who cannot take it
    /// are left out.
    pub(super) fn collect_readers(&mut self, keys: &mut Vec<ConnectionKey>) {
        let Hub { connections, channels, active, .. } = self;
        self.private_bytes = 0;
        let mut rooms = 0;
        for room in active {
            let channel = &mut channels[room.place()];
            if std::mem::take(&mut channel.turn_bytes) > 0 {
                rooms += 1;
                for readers in channel.readers() {
                    let can_take = |key: &ConnectionKey| !connections[*key].is_blocked();
                    keys.extend(readers.keys.iter().copied().filter(can_take));
                }
            }
        }
        // Whoever is in several of them is written to once.
        if rooms > 1 {
            keys.sort_unstable();
            keys.dedup();
        }
    }

    /// Looks after those who have fallen behind: closes who is too far behind to be waited for,
    /// sets how long talkers wait for others, and forgets what nobody needs any more.
    pub(super) fn check_backlog(&mut self) {
        let max = self.limits.backlog_bytes_max;
        let skips_abound = std::mem::take(&mut self.skips_abound);
        let is_long = self.journals.longest() > max / 2;
        if !is_long && !skips_abound && !self.is_over_memory() {
            return self.release_holds();
        }
        let mut lags = Vec::new();
        for key in self.connections.blocked() {
            if self.is_too_slow(key, &mut lags) {
                self.close(key, CloseReason::TooSlow, "");
                self.arm(key);
            }
        }
        self.trim_journals();
        self.shed(lags);
        self.release_holds();
    }

    /// Whether `key` is too far behind. If not, but far, talkers wait for it where it is.
    fn is_too_slow(&mut self, key: ConnectionKey, lags: &mut Vec<Lag>) -> bool {
        let Hub { connections, journals, limits, now, .. } = self;
        let (max, connection) = (limits.backlog_bytes_max, &mut connections[key]);
        let behind = connection.outbox.readings();
        let behind: Vec<_> =
            behind.map(|(key, from)| (key, journals.get(key).behind(from))).collect();
        let lag = Lag {
            key,
            most: behind.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default(),
            all: behind.iter().map(|(_, bytes)| *bytes).sum(),
        };
        let skips_too_much = connection.outbox.skips_too_much();
        let Some(blocked) = &mut connection.blocked else { return false };
        // Who is about to be written to may make up for what this turn has brought.
        let grace = usize::from(blocked.writable) * (max / 4);
        if lag.most > max + grace || !blocked.writable && skips_too_much {
            return !behind.is_empty();
        }
        if lag.most > max / 2 {
            let until = *blocked.waited_for.get_or_insert(now.instant + HOLD_MAX);
            for (journal, bytes) in behind {
                if bytes > max / 2 {
                    self.want_hold(journal, until);
                }
            }
        }
        lags.push(lag);
        false
    }

    /// Talkers of the room that has this journal are to wait until then.
    fn want_hold(&mut self, journal: JournalKey, until: std::time::Instant) {
        let has = |room: &RoomKey| {
            let readers = self.channels[room.place()].readers();
            readers.iter().any(|readers| readers.journal == journal)
        };
        let room = self.active.iter().copied().find(has);
        let room = room.or_else(|| self.chat.rooms().map(|(room, _)| room).find(has));
        if let Some(room) = room {
            let channel = &mut self.channels[room.place()];
            channel.wanted_hold = channel.wanted_hold.max(Some(until));
            self.note_active(room);
        }
    }

    /// Sets for each room how long its talkers wait.
    fn release_holds(&mut self) {
        for room in &self.active {
            let channel = &mut self.channels[room.place()];
            let wanted = channel.wanted_hold.take();
            channel.hold.set(wanted, self.now.instant);
        }
    }

    /// Forgets what no reader needs any more, in the journals that are long.
    fn trim_journals(&mut self) {
        let max = self.limits.backlog_bytes_max;
        let mut needed: Vec<(JournalKey, Seq)> = self.journals.longer_than(max / 4);
        for key in self.connections.blocked() {
            for (journal, from) in self.connections[key].outbox.readings() {
                if let Some((_, oldest)) = needed.iter_mut().find(|(key, _)| *key == journal) {
                    *oldest = from.min(*oldest);
                }
            }
        }
        for (journal, oldest) in needed {
            self.journals.trim(journal, oldest);
        }
    }

    fn is_over_memory(&self) -> bool {
        self.journals.bytes() > self.limits.memory_bytes_max
    }

    /// If all journals together hold too much, those go who are furthest behind.
    fn shed(&mut self, mut lags: Vec<Lag>) {
        lags.sort_unstable_by_key(|lag| lag.all);
        while self.is_over_memory()
            && let Some(furthest) = lags.pop()
        {
            let near = furthest.all - furthest.all / 8;
            let others = lags.split_off(lags.partition_point(|lag| lag.all < near));
            for lag in others.into_iter().chain([furthest]) {
                self.close(lag.key, CloseReason::TooSlow, "");
                self.arm(lag.key);
            }
            self.trim_journals();
        }
    }
}

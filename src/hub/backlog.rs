//! The backlog: who has fallen behind, for whom talkers wait, and who must go. Only connections
//! whose sockets are full can be behind, so only those are looked at.

use super::Hub;
use crate::chat::RoomKey;
use crate::delivery::{HOLD_MAX, JournalKey, Seq};
use crate::event::CloseReason;
use crate::key::ConnectionKey;

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
        let mut too_slow = Vec::new();
        for place in 0..self.connections.blocked().len() {
            let key = self.connections.blocked()[place];
            if self.is_too_slow(key) {
                too_slow.push(key);
            }
        }
        self.trim_journals();
        self.close_too_slow(too_slow);
        self.shed();
        self.release_holds();
    }

    fn close_too_slow(&mut self, keys: Vec<ConnectionKey>) {
        for key in keys {
            self.close(key, CloseReason::TooSlow, "");
            self.arm(key);
        }
    }

    /// Whether `key` is too far behind. If not, but far, talkers wait for it where it is.
    fn is_too_slow(&mut self, key: ConnectionKey) -> bool {
        let Hub { connections, journals, limits, now, .. } = self;
        let (max, connection) = (limits.backlog_bytes_max, &mut connections[key]);
        let mut readings = connection.outbox.readings();
        let behind = |(journal, from)| journals.get(journal).behind(from);
        let Some(most) = readings.by_ref().map(behind).max() else { return false };
        drop(readings);
        let skips_too_much = connection.outbox.skips_too_much();
        let Some(blocked) = &mut connection.blocked else { return false };
        // Who is about to be written to may make up for what this turn has brought.
        let grace = usize::from(blocked.writable) * (max / 4);
        if most > max + grace || !blocked.writable && skips_too_much {
            return true;
        }
        if most > max / 2 {
            let until = *blocked.waited_for.get_or_insert(now.instant + HOLD_MAX);
            let is_far = |reading: &(JournalKey, Seq)| behind(*reading) > max / 2;
            let far: Vec<_> = connection.outbox.readings().filter(is_far).collect();
            far.into_iter().for_each(|(journal, _)| self.want_hold(key, journal, until));
        }
        false
    }

    /// Talkers of the room that has this journal are to wait for `key` until then. They do not for
    /// who has left, and only reads what was said before.
    fn want_hold(&mut self, key: ConnectionKey, journal: JournalKey, until: std::time::Instant) {
        let has = |room: &RoomKey| {
            let readers = self.channels[room.place()].readers();
            readers.iter().any(|readers| readers.journal == journal)
        };
        let room = self.active.iter().copied().find(has);
        let room = room.or_else(|| self.chat.rooms().map(|(room, _)| room).find(has));
        if let Some(room) = room.filter(|room| self.is_reading(key, *room)) {
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
            for (journal, from) in self.connections[*key].outbox.readings() {
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
    fn shed(&mut self) {
        while self.is_over_memory() {
            let behind = |key: &ConnectionKey| {
                let readings = self.connections[*key].outbox.readings();
                readings.map(|(key, from)| self.journals.get(key).behind(from)).sum::<usize>()
            };
            let blocked = self.connections.blocked().iter().copied();
            let mut lags: Vec<_> = blocked.map(|key| (behind(&key), key)).collect();
            lags.retain(|(bytes, _)| *bytes > 0);
            let Some((most, _)) = lags.iter().max() else { return };
            let near = most - most / 8;
            lags.retain(|(bytes, _)| *bytes >= near);
            self.close_too_slow(lags.into_iter().map(|(_, key)| key).collect());
            self.trim_journals();
        }
    }
}

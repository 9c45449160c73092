//! What the server counts, for whoever watches over it.

use std::fmt;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::event::CloseReason;

/// As many rooms are told of one by one. A label for each would be unbounded.
pub const BUSIEST_ROOMS: usize = 10;

/// What is counted of one room.
#[derive(Clone, Debug, Default)]
pub struct RoomMetrics {
    /// Its name, with `#`.
    pub name: String,
    /// How many are there.
    pub members: usize,
    /// Lines that were said there since it came into being.
    pub lines: u64,
}

/// What the server counts. Counts begin with the server and only grow.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Connections that are neither closing nor closed.
    pub connections: usize,
    /// Users who are in rooms by [`Dialect::index`].
    pub members: [usize; Dialect::COUNT],
    /// Rooms that there are.
    pub rooms: usize,
    /// The rooms with most members, at most [`BUSIEST_ROOMS`].
    pub busiest: Vec<RoomMetrics>,
    /// Lines said in rooms.
    pub lines: u64,
    /// Members for whom those lines were, one for each line and member.
    pub deliveries: u64,
    /// Bytes that came in.
    pub bytes_received: u64,
    /// Bytes that went out.
    pub bytes_sent: u64,
    /// Connections that were closed, by [`CloseReason::index`].
    pub closings: [u64; CloseReason::COUNT],
    /// Bytes that wait in each journal, by [`Dialect::index`].
    pub journal_bytes: [usize; Dialect::COUNT],
    /// Turns of the loop.
    pub turns: u64,
    /// What the slowest of them took.
    pub slowest_turn: Duration,
}

impl fmt::Display for Metrics {
    /// The text format of Prometheus, version 0.0.4.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialects = Dialect::ALL.map(Dialect::name);
        let slowest = self.slowest_turn.as_secs_f64();
        head(f, "connections", "gauge", "Open connections.")?;
        writeln!(f, "chinwag_connections {}", self.connections)?;
        head(f, "members", "gauge", "People who are in, each once.")?;
        by(f, "members", "dialect", dialects, self.members)?;
        head(f, "rooms", "gauge", "Rooms.")?;
        writeln!(f, "chinwag_rooms {}", self.rooms)?;
        head(f, "room_members", "gauge", "Members of the busiest rooms.")?;
        for RoomMetrics { name, members, .. } in &self.busiest {
            writeln!(f, "chinwag_room_members{{room=\"{name}\"}} {members}")?;
        }
        head(f, "room_lines_total", "counter", "Lines said in the busiest rooms.")?;
        for RoomMetrics { name, lines, .. } in &self.busiest {
            writeln!(f, "chinwag_room_lines_total{{room=\"{name}\"}} {lines}")?;
        }
        head(f, "lines_total", "counter", "Lines said in rooms.")?;
        writeln!(f, "chinwag_lines_total {}", self.lines)?;
        head(f, "deliveries_total", "counter", "Lines, times the members they were for.")?;
        writeln!(f, "chinwag_deliveries_total {}", self.deliveries)?;
        head(f, "received_bytes_total", "counter", "Bytes that came in.")?;
        writeln!(f, "chinwag_received_bytes_total {}", self.bytes_received)?;
        head(f, "sent_bytes_total", "counter", "Bytes that went out.")?;
        writeln!(f, "chinwag_sent_bytes_total {}", self.bytes_sent)?;
        head(f, "closes_total", "counter", "Connections that were closed.")?;
        by(f, "closes_total", "reason", CloseReason::LABELS, self.closings)?;
        head(f, "journal_bytes", "gauge", "Bytes that wait in a journal.")?;
        by(f, "journal_bytes", "dialect", dialects, self.journal_bytes)?;
        head(f, "turns_total", "counter", "Turns of the loop.")?;
        writeln!(f, "chinwag_turns_total {}", self.turns)?;
        head(f, "slowest_turn_seconds", "gauge", "What the slowest turn of the loop took.")?;
        writeln!(f, "chinwag_slowest_turn_seconds {slowest}")
    }
}

/// What opens each metric.
fn head(f: &mut fmt::Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# HELP chinwag_{name} {help}\n# TYPE chinwag_{name} {kind}")
}

/// A metric with one value for each of some labels.
fn by<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    label: &str,
    of: [&str; N],
    values: [impl fmt::Display; N],
) -> fmt::Result {
    let mut pairs = of.into_iter().zip(values);
    pairs.try_for_each(|(of, value)| writeln!(f, "chinwag_{name}{{{label}=\"{of}\"}} {value}"))
}

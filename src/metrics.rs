//! What the server counts, for whoever watches over it.

use std::fmt;
use std::time::Duration;

use crate::archive::Health;
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

/// What the system says of the process, as far as it does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Bytes of memory that it really has.
    pub resident_bytes: Option<u64>,
}

/// Upper bounds of the buckets in which turns are counted, in microseconds and as it is told.
const TURN_BUCKETS: [(u64, &str); 9] = [
    (100, "0.0001"),
    (300, "0.0003"),
    (1_000, "0.001"),
    (3_000, "0.003"),
    (10_000, "0.01"),
    (30_000, "0.03"),
    (100_000, "0.1"),
    (300_000, "0.3"),
    (1_000_000, "1"),
];

/// How long turns of the loop took.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Those within each bucket, and at last those beyond all.
    buckets: [u64; TURN_BUCKETS.len() + 1],
    /// What all of them took.
    sum: Duration,
    /// What the slowest took.
    slowest: Duration,
    /// What the last one took.
    last: Duration,
}

impl Turns {
    /// Counts a turn that took so long.
    pub fn add(&mut self, took: Duration) {
        let bucket = TURN_BUCKETS.iter().position(|(most, _)| took.as_micros() <= (*most).into());
        self.buckets[bucket.unwrap_or(TURN_BUCKETS.len())] += 1;
        self.sum += took;
        self.slowest = self.slowest.max(took);
        self.last = took;
    }

    /// How long the last turn took.
    #[must_use]
    pub fn last(&self) -> Duration {
        self.last
    }
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
    /// TLS handshakes that were done. Those that failed are among the closings.
    pub handshakes: u64,
    /// When the first certificate ends, in seconds since 1970; `None` without TLS.
    pub certificates_end: Option<u64>,
    /// How the relay is, if the rooms are shared with other servers.
    pub relay: Option<RelayCounts>,
    /// How the archive is, if there is one.
    pub archive: Option<Health>,
    /// Turns of the loop.
    pub turns: Turns,
    /// What the system says of the process.
    pub process: Process,
}

/// What the relay has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounts {
    /// Lines of this server that have not come back.
    pub pending: usize,
    /// Entries that were written again, since they had not come back.
    pub resent: u64,
    /// Entries that were in the log more than once, or of servers that had gone.
    pub ignored: u64,
    /// Times that all was forgotten, since the log was another.
    pub resets: u64,
    /// How long the last entry of this server took to come back.
    pub lag: Duration,
    /// Servers that share the rooms, this one among them.
    pub servers: usize,
    /// Whether the engine can be reached.
    pub is_live: bool,
}

impl fmt::Display for RelayCounts {
    /// As the metrics have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RelayCounts { pending, resent, ignored, resets, lag, servers, is_live } = self;
        head(f, "relay_live", "gauge", "Whether the engine can be read and written (1).")?;
        writeln!(f, "chinwag_relay_live {}", u8::from(*is_live))?;
        head(f, "relay_servers", "gauge", "Servers that share the rooms.")?;
        writeln!(f, "chinwag_relay_servers {servers}")?;
        head(f, "relay_pending", "gauge", "Lines of this server that have not come back.")?;
        writeln!(f, "chinwag_relay_pending {pending}")?;
        let what = "How long the last entry of this server took to come back.";
        head(f, "relay_lag_seconds", "gauge", what)?;
        writeln!(f, "chinwag_relay_lag_seconds {}", lag.as_secs_f64())?;
        head(f, "relay_resent_total", "counter", "Entries that were written again.")?;
        writeln!(f, "chinwag_relay_resent_total {resent}")?;
        head(f, "relay_ignored_total", "counter", "Entries that were there already, or late.")?;
        writeln!(f, "chinwag_relay_ignored_total {ignored}")?;
        head(f, "relay_resets_total", "counter", "Times that the log was read anew.")?;
        writeln!(f, "chinwag_relay_resets_total {resets}")
    }
}

impl fmt::Display for Metrics {
    /// The text format of Prometheus, version 0.0.4.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialects = Dialect::ALL.map(Dialect::name);
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
        if let Some(relay) = &self.relay {
            relay.fmt(f)?;
        }
        head(f, "closes_total", "counter", "Connections that were closed.")?;
        by(f, "closes_total", "reason", CloseReason::LABELS, self.closings)?;
        head(f, "journal_bytes", "gauge", "Bytes that wait in a journal.")?;
        by(f, "journal_bytes", "dialect", dialects, self.journal_bytes)?;
        if let Some(end) = self.certificates_end {
            head(f, "tls_handshakes_total", "counter", "TLS handshakes that were done.")?;
            writeln!(f, "chinwag_tls_handshakes_total {}", self.handshakes)?;
            head(f, "certificate_end_seconds", "gauge", "When the first certificate ends.")?;
            writeln!(f, "chinwag_certificate_end_seconds {end}")?;
        }
        if let Some(archive) = &self.archive {
            head(f, "archived_lines_total", "counter", "Lines that are safe on the disk.")?;
            writeln!(f, "chinwag_archived_lines_total {}", archive.written)?;
            head(f, "archive_lost_lines_total", "counter", "Lines that could not be kept.")?;
            writeln!(f, "chinwag_archive_lost_lines_total {}", archive.lost)?;
            head(f, "archive_waiting_lines", "gauge", "Lines that wait to be written.")?;
            writeln!(f, "chinwag_archive_waiting_lines {}", archive.waiting)?;
            head(f, "archive_failing", "gauge", "1 while nothing can be written.")?;
            writeln!(f, "chinwag_archive_failing {}", u8::from(archive.failing.is_some()))?;
        }
        self.turns.fmt(f)?;
        self.process.fmt(f)?;
        head(f, "build_info", "gauge", "Always 1; the version is a label.")?;
        writeln!(f, "chinwag_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u64 = self.buckets.iter().sum();
        head(f, "turns_total", "counter", "Turns of the loop.")?;
        writeln!(f, "chinwag_turns_total {count}")?;
        head(f, "slowest_turn_seconds", "gauge", "What the slowest turn of the loop took.")?;
        writeln!(f, "chinwag_slowest_turn_seconds {}", self.slowest.as_secs_f64())?;
        head(f, "turn_seconds", "histogram", "What turns of the loop took.")?;
        let mut within = 0;
        for ((_, most), turns) in TURN_BUCKETS.iter().zip(self.buckets) {
            within += turns;
            writeln!(f, "chinwag_turn_seconds_bucket{{le=\"{most}\"}} {within}")?;
        }
        writeln!(f, "chinwag_turn_seconds_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(f, "chinwag_turn_seconds_sum {}", self.sum.as_secs_f64())?;
        writeln!(f, "chinwag_turn_seconds_count {count}")
    }
}

impl fmt::Display for Process {
    /// Under the names that all programs have for these.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            ("open_fds", "Open file descriptors.", self.descriptors),
            ("resident_memory_bytes", "Bytes of memory in use.", self.resident_bytes),
        ];
        for (name, help, value) in told {
            let Some(value) = value else { continue };
            writeln!(f, "# HELP process_{name} {help}\n# TYPE process_{name} gauge")?;
            writeln!(f, "process_{name} {value}")?;
        }
        Ok(())
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

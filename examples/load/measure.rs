//! One measurement: a crowd comes into a server's room, and its talkers talk for a while.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::against::{self, Kind, engine};
use crate::load::process::{Pid, Server};
use crate::load::{Crowd, Destination, Pace};

/// A server that runs, whoever started it.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<Pid>,
    /// Those that were started for this, at most one unless they share a room.
    servers: Vec<Server>,
    /// The engine through which they do.
    relay: Option<String>,
}

/// A crowd in a server's room.
pub(crate) struct Room {
    pub(crate) target: Target,
    crowd: Crowd,
    /// Bytes of memory that each member has cost the server so far.
    pub(crate) memory_per_member: Option<f64>,
}

/// What a while of talking has shown. CPU times are told for a process, where the system does.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) lines: u64,
    pub(crate) deliveries: u64,
    pub(crate) wall: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) own_cpu: Option<Duration>,
    pub(crate) engine_cpu: Option<Duration>,
    /// From saying to receipt, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Target {
    pub(crate) fn started(kind: Kind) -> io::Result<Self> {
        let server = kind.start()?;
        let (address, pid) = (server.address(), Some(server.pid()));
        Ok(Self { kind, address, pid, servers: vec![server], relay: None })
    }

    /// Servers that share their room through an engine.
    pub(crate) fn sharing(relay: &str, count: u64) -> io::Result<Self> {
        let servers = against::start_sharing(relay, count)?;
        let first = servers.first().ok_or(io::ErrorKind::InvalidInput)?;
        let (kind, address, pid) = (Kind::Chinwag, first.address(), Some(first.pid()));
        Ok(Self { kind, address, pid, servers, relay: Some(relay.to_owned()) })
    }

    pub(crate) fn running(kind: Kind, address: SocketAddr, pid: Option<u32>) -> Self {
        Self { kind, address, pid: pid.map(Pid), servers: Vec::new(), relay: None }
    }

    /// Puts what the server said last behind an error.
    pub(crate) fn explain(&self, error: &io::Error) -> io::Error {
        let words: String = self.servers.iter().map(Server::last_words).collect();
        io::Error::other(format!("{}: {error}\n{words}", self.kind).trim_end().to_owned())
    }

    pub(crate) fn memory(&self) -> Option<u64> {
        self.pids().into_iter().map(Pid::memory).sum::<Option<u64>>().filter(|bytes| *bytes > 0)
    }

    /// All processes whose costs can be told.
    fn pids(&self) -> Vec<Pid> {
        match &self.servers[..] {
            [] => Vec::from_iter(self.pid),
            servers => servers.iter().map(Server::pid).collect(),
        }
    }

    fn cpu(&self) -> Option<Duration> {
        let spent = self.pids().into_iter().map(Pid::cpu_at_rest);
        spent.sum::<Option<Duration>>().filter(|spent| !spent.is_zero())
    }

    fn engine_cpu(&self) -> Option<Duration> {
        engine::cpu(self.relay.as_ref()?).ok()
    }

    fn destinations(&self) -> Vec<Destination> {
        match &self.servers[..] {
            [] => vec![self.address.into()],
            servers => servers.iter().map(|server| server.address().into()).collect(),
        }
    }
}

impl Room {
    pub(crate) fn fill(target: Target, talkers: u64, members: u64, line: u64) -> io::Result<Self> {
        let before = target.memory();
        let speech = target.kind.speech();
        let [talking, listening, line] = [talkers, members, line].map(|count| count as usize);
        let crowd = Crowd::join_each(&target.destinations(), speech, talking, listening, line)
            .map_err(|error| target.explain(&error))?;
        let grown = before.zip(target.memory());
        let memory_per_member = grown.map(|(before, after)| {
            after.saturating_sub(before) as f64 / (talkers + members) as f64
        });
        Ok(Self { target, crowd, memory_per_member })
    }

    /// Has lines said for a while. `watch` is told now and then how long it has been.
    pub(crate) fn talk(
        &mut self,
        pace: Pace,
        time: Duration,
        mut watch: impl FnMut(Duration),
    ) -> io::Result<Sample> {
        self.crowd.take_latency();
        let spent = |target: &Target| [target.cpu(), Pid::own().cpu_at_rest(), target.engine_cpu()];
        let before = spent(&self.target);
        let begun = Instant::now();
        let lines = self.crowd.talk(pace, |_| {
            let passed = begun.elapsed();
            watch(passed);
            if passed < time { u64::MAX } else { 0 }
        });
        let lines = lines.map_err(|error| self.target.explain(&error))?;
        let wall = begun.elapsed();
        let after = spent(&self.target);
        let [server_cpu, own_cpu, engine_cpu] = std::array::from_fn(|of| {
            before[of].zip(after[of]).map(|(before, after)| after.saturating_sub(before))
        });
        Ok(Sample {
            lines,
            deliveries: lines * self.crowd.deliveries_per_line(),
            wall,
            own_cpu,
            server_cpu,
            engine_cpu,
            latency: self.crowd.take_latency(),
        })
    }
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.deliveries as f64 / self.wall.as_secs_f64()
    }

    /// Nanoseconds of the server's CPU time for each delivery.
    pub(crate) fn server_cost(&self) -> Option<f64> {
        self.cost(self.server_cpu)
    }

    /// Nanoseconds of our own CPU time for each delivery.
    pub(crate) fn own_cost(&self) -> Option<f64> {
        self.cost(self.own_cpu)
    }

    fn cost(&self, cpu: Option<Duration>) -> Option<f64> {
        cpu.map(|cpu| cpu.as_nanos() as f64 / self.deliveries.max(1) as f64)
    }
}

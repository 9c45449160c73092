//! One measurement: a crowd comes into a server's room, and its talkers talk for a while.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::against::Kind;
use crate::load::process::{Pid, Server};
use crate::load::{Crowd, Pace};

/// A server that runs, whoever started it.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<Pid>,
    server: Option<Server>,
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
    /// From saying to receipt, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Target {
    pub(crate) fn started(kind: Kind) -> io::Result<Self> {
        let server = kind.start()?;
        let (address, pid) = (server.address(), Some(server.pid()));
        Ok(Self { kind, address, pid, server: Some(server) })
    }

    pub(crate) fn running(kind: Kind, address: SocketAddr, pid: Option<u32>) -> Self {
        Self { kind, address, pid: pid.map(Pid), server: None }
    }

    /// Puts what the server said last behind an error.
    pub(crate) fn explain(&self, error: &io::Error) -> io::Error {
        let words = self.server.as_ref().map_or(String::new(), Server::last_words);
        io::Error::other(format!("{}: {error}\n{words}", self.kind).trim_end().to_owned())
    }

    pub(crate) fn memory(&self) -> Option<u64> {
        self.pid.and_then(Pid::memory)
    }
}

impl Room {
    pub(crate) fn fill(target: Target, talkers: u64, members: u64, line: u64) -> io::Result<Self> {
        let before = target.memory();
        let speech = target.kind.speech();
        let [talking, listening, line] = [talkers, members, line].map(|count| count as usize);
        let crowd = Crowd::join(target.address, speech, talking, listening, line)
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
        let server = self.target.pid;
        let before = [server, Some(Pid::own())].map(|pid| pid.and_then(Pid::cpu_at_rest));
        let begun = Instant::now();
        let lines = self.crowd.talk(pace, |_| {
            let passed = begun.elapsed();
            watch(passed);
            if passed < time { u64::MAX } else { 0 }
        });
        let lines = lines.map_err(|error| self.target.explain(&error))?;
        let wall = begun.elapsed();
        let spent = |before: Option<Duration>, pid: Option<Pid>| {
            before.zip(pid.and_then(Pid::cpu_at_rest)).map(|(before, after)| after - before)
        };
        let [server_before, own_before] = before;
        Ok(Sample {
            lines,
            deliveries: lines * self.crowd.deliveries_per_line(),
            wall,
            own_cpu: spent(own_before, Some(Pid::own())),
            server_cpu: spent(server_before, server),
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

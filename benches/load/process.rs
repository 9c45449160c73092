//! A server under load: a child process, where it listens, and the CPU time that it has used.
//!
//! Knows nothing of what the server speaks. A server says on stderr where it listens, in a line
//! that holds `listening: ` and ends in the address.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it says where it listens.
const STARTING_MAX: Duration = Duration::from_secs(20);

/// How long [`Server::cpu`] waits for a server to fall asleep.
const SETTLING_MAX: Duration = Duration::from_millis(200);

/// How many of the server's last lines on stderr are kept, to be shown when something goes wrong.
const LAST_WORDS_MAX: usize = 8;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts `command` and waits until it listens. Its stderr is read as long as it lives, for a
    /// server that logs into a full pipe would stand still.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let (found, address) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let last_words = Arc::clone(&last_words);
            thread::spawn(move || follow(BufReader::new(stderr), &found, &last_words));
        }
        // Made before the wait, so that a server which never listens is killed as well.
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), last_words };
        match address.recv_timeout(STARTING_MAX) {
            Ok(address) => server.address = address,
            Err(_) => {
                let words = server.last_words();
                return Err(io::Error::other(format!("it never said where it listens\n{words}")));
            }
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The last lines that it wrote to stderr.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  its stderr: {line}\n")).collect()
    }

    /// The CPU time that its main thread has used, user and system, once that thread is asleep:
    /// Linux books the time of a running thread only at the next tick. `None` where the system does
    /// not tell it in nanoseconds (`getrusage` counts children only when they have ended).
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let deadline = Instant::now() + SETTLING_MAX;
        while !is_asleep(self.child.id())? && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(100));
        }
        cpu_time(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this system tells [`Server::cpu`].
pub(crate) fn tells_cpu_time() -> bool {
    cpu_time(std::process::id()).is_some()
}

/// Reads a server's stderr to its end.
fn follow(stderr: impl BufRead, found: &Sender<SocketAddr>, last_words: &Mutex<VecDeque<String>>) {
    for line in stderr.lines().map_while(Result::ok) {
        if line.contains("listening: ") {
            let address = line.rsplit(' ').next().and_then(|word| word.parse().ok());
            // Nobody waits for the address of a second door.
            address.map(|address| found.send(address));
        }
        let mut lines = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// `/proc/PID/stat` is `PID (NAME) STATE …`, and NAME may hold anything.
#[cfg(target_os = "linux")]
fn is_asleep(pid: u32) -> Option<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(!rest.trim_start().starts_with('R'))
}

/// The first field of `/proc/PID/schedstat` is the nanoseconds spent on a CPU.
#[cfg(target_os = "linux")]
fn cpu_time(pid: u32) -> Option<Duration> {
    let schedstat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    Some(Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?))
}

#[cfg(not(target_os = "linux"))]
fn is_asleep(_pid: u32) -> Option<bool> {
    None
}

#[cfg(not(target_os = "linux"))]
fn cpu_time(_pid: u32) -> Option<Duration> {
    None
}

//! A server under load: a child process ([`Server`]), where it listens, and what it costs
//! ([`Pid`]). Knows nothing of what the server speaks.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it says where it listens.
const STARTING_MAX: Duration = Duration::from_secs(20);

/// How long [`Pid::cpu`] waits for a server to fall asleep.
const SETTLING_MAX: Duration = Duration::from_millis(200);

/// How many of the server's last lines on stderr are kept, to be shown when something goes wrong.
const LAST_WORDS_MAX: usize = 8;

/// How a server tells where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listening<'a> {
    /// By a line on stderr that holds this and ends in the address.
    Says(&'a str),
    /// Not at all: it was told to listen there, and does when a connection is accepted.
    Known(SocketAddr),
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

/// A running process, of which the system may tell what it costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pid(pub(crate) u32);

impl Server {
    /// Starts `command` and waits until it listens. Its stderr is read as long as it lives, for a
    /// server that logs into a full pipe would stand still.
    pub(crate) fn start(command: &mut Command, listening: Listening<'_>) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let (found, address) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let last_words = Arc::clone(&last_words);
            let says = if let Listening::Says(says) = listening { says } else { "" }.to_owned();
            let stderr = BufReader::new(stderr);
            thread::spawn(move || follow(stderr, &says, &found, &last_words));
        }
        // Made before the wait, so that a server which never listens is killed as well.
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), last_words };
        let address = match listening {
            Listening::Says(_) => address.recv_timeout(STARTING_MAX).ok(),
            Listening::Known(address) => is_accepted(address).then_some(address),
        };
        let Some(address) = address else {
            let words = server.last_words();
            return Err(io::Error::other(format!("it does not listen\n{words}")));
        };
        server.address = address;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of what the system may tell the costs.
    pub(crate) fn pid(&self) -> Pid {
        Pid(self.child.id())
    }

    /// The last lines that it wrote to stderr.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  its stderr: {line}\n")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pid {
    /// This process.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The CPU time that all its threads have used, user and system, once they are asleep: Linux
    /// books the time of a running thread only at the next tick. `None` where the system does not
    /// tell it in nanoseconds (`getrusage` counts children only when they have ended).
    pub(crate) fn cpu_at_rest(self) -> Option<Duration> {
        let deadline = Instant::now() + SETTLING_MAX;
        while !self.is_asleep()? && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(100));
        }
        self.cpu()
    }

    /// As [`cpu_at_rest`](Self::cpu_at_rest), without waiting: the last few milliseconds of a
    /// running thread may be missing.
    pub(crate) fn cpu(self) -> Option<Duration> {
        // The first field is the nanoseconds spent on a CPU.
        let of_thread = |schedstat: String| schedstat.split(' ').next()?.parse::<u64>().ok();
        let times = self.of_threads("schedstat")?.into_iter().map(of_thread);
        times.sum::<Option<_>>().map(Duration::from_nanos)
    }

    /// Bytes of memory that it has written to and that no file backs, where the system tells.
    pub(crate) fn memory(self) -> Option<u64> {
        let status = fs::read_to_string(self.directory()?.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// `stat` is `PID (NAME) STATE …`, and NAME may hold anything.
    fn is_asleep(self) -> Option<bool> {
        let runs = |stat: &String| {
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
        };
        Some(!self.of_threads("stat")?.iter().any(runs))
    }

    /// The file of this name of each thread. A thread may end before it is read.
    fn of_threads(self, file: &str) -> Option<Vec<String>> {
        let threads = fs::read_dir(self.directory()?.join("task")).ok()?;
        let files: Vec<String> = threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join(file)).ok())
            .collect();
        (!files.is_empty()).then_some(files)
    }

    /// Where Linux tells of it. Wine shows a program Linux's `/proc`, but under the number that
    /// Windows gives to it there is somebody else.
    fn directory(self) -> Option<PathBuf> {
        cfg!(target_os = "linux").then(|| PathBuf::from(format!("/proc/{}", self.0)))
    }
}

/// Whether a connection is accepted there soon.
fn is_accepted(address: SocketAddr) -> bool {
    let deadline = Instant::now() + STARTING_MAX;
    while TcpStream::connect(address).is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Reads a server's stderr to its end.
fn follow(
    stderr: impl BufRead,
    says: &str,
    found: &Sender<SocketAddr>,
    last_words: &Mutex<VecDeque<String>>,
) {
    for line in stderr.lines().map_while(Result::ok) {
        if line.contains(says) {
            let address = line.rsplit(' ').next().and_then(|word| word.parse().ok());
            // Nobody waits for the address of a second listener.
            address.map(|address| found.send(address));
        }
        let mut lines = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

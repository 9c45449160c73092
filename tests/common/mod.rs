//! What the tests of behaviour stand on: the real binary in a process of its own ([`Server`]) and
//! somebody who connects to it, so that a test reads as a transcript of who says what and who sees
//! what. A [`Person`] speaks `lines`; a [`Caller`] speaks any dialect, and for it bytes are all
//! there is; a [`Terminal`] is the server's own. [`Process`] is what both the server and the
//! example client are run in.
//!
//! Nothing here sleeps. Whoever waits, waits for something that must come, up to [`PATIENCE`]; and
//! that nothing comes is shown by a question whose answer is then the next thing that comes.

#![allow(dead_code, reason = "each test file uses its own part of this one")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

use std::collections::VecDeque;
use std::env;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// How long anything may take before a test gives up on it. Much longer than anything here needs,
/// since no test may fail because a machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A folder that no other test has, if none has one of that name.
    pub(crate) fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("chinwag-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first line that a newcomer sees in the dialect `lines`.
pub(crate) const WELCOME: &str = "* Welcome to chinwag. What is your nickname?";

/// The dialects, as `--listen` names them.
pub(crate) const DIALECTS: [&str; 6] =
    ["lines", "nick", "register", "datagram", "anonymous", "mention"];

/// The binary under test, without anything that the environment of whoever runs the tests says.
pub(crate) fn chinwag() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_chinwag")))
}

/// The binary under test under a limit of `count` open descriptors.
#[cfg(unix)]
pub(crate) fn chinwag_with_descriptors(count: usize) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {count} && exec \"$0\" \"$@\""));
    shell.arg(env!("CARGO_BIN_EXE_chinwag"));
    without_settings(shell)
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CHINWAG_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whether this is wine, which has this program of its own where Windows has none.
///
/// What differs under wine from Windows, and what the tests therefore do not expect or try there:
/// - a reset looks like an orderly end ([`left_by_reset`]), since wine's poll takes the error off
///   the socket before anybody can read it;
/// - two sockets cannot have the same UDP port at two addresses of the loopback.
///
/// What is left out on Windows, wine or not, is so marked where it stands, by `cfg(unix)`: signals,
/// since nothing safe sends Ctrl-C to another process there, and descriptor limits, since sockets
/// are no files there. What only Linux tells or does is marked by `cfg(target_os = "linux")`: what
/// stands in `/proc`, pausing a process, and all addresses of 127.0.0.0/8 being this machine's.
pub(crate) fn is_wine() -> bool {
    cfg!(windows) && Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

/// What a notice says of somebody whose connection was reset.
pub(crate) fn left_by_reset() -> &'static str {
    if is_wine() { "left" } else { "left: connection lost" }
}

/// A child process whose outputs are collected while it runs. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_writing_to(command, Stdio::piped())
    }

    /// As [`Process::spawn`], with another standard output than a pipe of ours.
    pub(crate) fn spawn_writing_to(mut command: Command, stdout: Stdio) -> Self {
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map_or_else(Output::none, Output::collect),
            stderr: child.stderr.take().map_or_else(Output::none, Output::collect),
            child,
        }
    }

    /// Waits for the end of the process and returns its exit code (`None`: a signal ended it).
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        // A process that has closed its outputs has ended or is about to; that is what can be
        // waited for with a limit.
        self.stdout.lines_at_the_end();
        self.stderr.lines_at_the_end();
        self.child.wait().unwrap().code()
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a process has written to one of its outputs so far. A thread collects it, so that the
/// process never waits for us.
#[derive(Clone)]
pub(crate) struct Output(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn none() -> Self {
        Self(Arc::new((Mutex::new(Written { lines: Vec::new(), ended: true }), Condvar::new())))
    }

    fn collect(source: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::default());
        let shared = Arc::clone(&output.0);
        thread::spawn(move || {
            let (written, changed) = &*shared;
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                written.lock().unwrap().lines.push(line);
                changed.notify_all();
            }
            written.lock().unwrap().ended = true;
            changed.notify_all();
        });
        output
    }

    /// The line with this number, counted from 0, as soon as there is one.
    #[track_caller]
    fn line(&self, number: usize) -> String {
        match self.wait_until(|written| written.lines.get(number).cloned()) {
            Ok(line) => line,
            Err(lines) => panic!("only {number} lines have been written: {lines:#?}"),
        }
    }

    /// The first line that contains `part`, as soon as there is one.
    #[track_caller]
    pub(crate) fn waits_for(&self, part: &str) -> String {
        let line = |written: &Written| written.lines.iter().find(|l| l.contains(part)).cloned();
        match self.wait_until(line) {
            Ok(line) => line,
            Err(lines) => panic!("`{part}` was never written, only {lines:#?}"),
        }
    }

    /// All lines, when the process has closed this output.
    #[track_caller]
    pub(crate) fn lines_at_the_end(&self) -> Vec<String> {
        match self.wait_until(|written| written.ended.then(|| written.lines.clone())) {
            Ok(lines) => lines,
            Err(lines) => panic!("the process goes on, and has written {lines:#?}"),
        }
    }

    /// What `look` finds, as soon as it finds something; all lines if that does not happen.
    fn wait_until<T>(&self, look: impl Fn(&Written) -> Option<T>) -> Result<T, Vec<String>> {
        let (written, changed) = &*self.0;
        let deadline = Instant::now() + PATIENCE;
        let mut written = written.lock().unwrap();
        loop {
            if let Some(found) = look(&written) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || written.ended {
                return Err(written.lines.clone());
            }
            (written, _) = changed.wait_timeout(written, left).unwrap();
        }
    }
}

/// A running chinwag and the addresses where it listens.
pub(crate) struct Server {
    process: Process,
    listeners: Vec<(String, SocketAddr)>,
}

impl Server {
    /// Starts the server with these arguments, on a free port if they say nothing of `--listen`.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_as(chinwag(), args)
    }

    /// As [`Server::start`], with a listener on a free port for each of these dialects.
    #[track_caller]
    pub(crate) fn start_with_listeners(dialects: &[&str], args: &[&str]) -> Self {
        let listener = |dialect: &&str| format!("--listen={dialect}=127.0.0.1:0");
        let listeners: Vec<String> = dialects.iter().map(listener).collect();
        let listeners = listeners.iter().map(String::as_str);
        Self::start(&args.iter().copied().chain(listeners).collect::<Vec<_>>())
    }

    /// As [`Server::start`], where `command` is more than the bare binary.
    #[track_caller]
    pub(crate) fn start_as(command: Command, args: &[&str]) -> Self {
        Self::start_writing_to(command, args, Stdio::piped())
    }

    /// As [`Server::start_as`], with another standard output than a pipe of ours. Returns when each
    /// listener has been reported open, so `--log-level` must be left at `info` or below.
    #[track_caller]
    pub(crate) fn start_writing_to(mut command: Command, args: &[&str], stdout: Stdio) -> Self {
        command.args(args);
        let is_listen = |arg: &&&str| arg.starts_with("--listen") || arg.starts_with("-l");
        let mut expected = args.iter().filter(is_listen).count();
        if expected == 0 {
            command.args(["--listen", "lines=127.0.0.1:0"]);
            expected = 1;
        }
        let process = Process::spawn_writing_to(command, stdout);
        let listeners = process.stderr.wait_until(|written| {
            let listeners: Vec<_> =
                written.lines.iter().filter_map(|line| listener(line)).collect();
            (listeners.len() == expected).then_some(listeners)
        });
        match listeners {
            Ok(listeners) => Self { process, listeners },
            Err(log) => panic!("not {expected} listeners were opened; the log: {log:#?}"),
        }
    }

    /// The address of the first listener of `dialect`.
    #[track_caller]
    pub(crate) fn address(&self, dialect: &str) -> SocketAddr {
        *self.addresses(dialect).first().unwrap_or_else(|| panic!("no listener for {dialect}"))
    }

    /// The addresses of all listeners of `dialect`, in the order in which they were opened.
    pub(crate) fn addresses(&self, dialect: &str) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter(|(name, _)| name == dialect)
            .map(|(_, address)| *address)
            .collect()
    }

    /// The server's own terminal, which can be had once.
    #[track_caller]
    pub(crate) fn terminal(&mut self) -> Terminal {
        let keyboard = Some(self.process.stdin.take().expect("the terminal is had once"));
        Terminal { keyboard, screen: self.process.stdout.clone(), seen: 0 }
    }

    /// The server's log, which is its standard error.
    pub(crate) fn log(&self) -> &Output {
        &self.process.stderr
    }

    /// Sends SIGTERM.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the signal of this name, such as `INT`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        // By the shell, since `kill` is built into each of them and need not be a program.
        let kill = format!("kill -{name} {}", self.process.child.id());
        assert!(Command::new("sh").arg("-c").arg(&kill).status().unwrap().success(), "{kill}");
    }

    /// Stops the server's clock, as it were: what has [arrived](Server::awaits_arrival_at) until
    /// [`Server::resume`] happens, for the server, in one turn of its loop.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn pause(&self) {
        self.signal("STOP");
        let deadline = Instant::now() + PATIENCE;
        let stat = format!("/proc/{}/stat", self.process.child.id());
        while !fs::read_to_string(&stat).unwrap().contains(") T ") {
            assert!(Instant::now() < deadline, "the server does not stop at SIGSTOP");
            thread::yield_now();
        }
    }

    /// As [`awaits_arrival`], at the first listener of `lines` of a paused server.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn awaits_arrival_at(&self, count: usize) {
        awaits_arrival(self.address("lines").port(), count);
    }

    /// What the kernel tells of the connections of the first listener of `lines`, which must be at
    /// an IPv4 address.
    #[cfg(target_os = "linux")]
    pub(crate) fn tcp_table(&self) -> Vec<TcpRow> {
        tcp_table(self.address("lines").port())
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for the end of the server and returns its exit code.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let written = self.process.stderr.0.0.lock().unwrap();
            eprintln!("the end of the server's log:");
            for line in written.lines.iter().rev().take(20).rev() {
                eprintln!("    {line:?}");
            }
        }
    }
}

/// Waits until on so many connections to a port something has arrived, bytes or their end, that was
/// not read. On a busy machine the kernel takes its time for that.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn awaits_arrival(port: u16, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    let has_arrived = |row: &&TcpRow| row.has_unread || row.has_ended;
    while tcp_table(port).iter().filter(has_arrived).count() < count {
        assert!(Instant::now() < deadline, "not {count} connections brought something");
        thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
fn tcp_table(port: u16) -> Vec<TcpRow> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).map(TcpRow::parse).filter(|row| row.local_port == port).collect()
}

/// One connection in `/proc/net/tcp`, seen from the server's side.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct TcpRow {
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    /// There are bytes that the server has not read.
    pub(crate) has_unread: bool,
    /// The other side has sent its last byte.
    pub(crate) has_ended: bool,
    /// The keepalive timer runs, and ends in so many hundredths of a second.
    pub(crate) keepalive: Option<u64>,
}

#[cfg(target_os = "linux")]
impl TcpRow {
    /// `  0: 0100007F:9C40 0100007F:1E1F 01 00000000:00000000 02:00001770 …`: the two addresses,
    /// the state (8 is `CLOSE_WAIT`), the bytes in the two queues, and which timer runs how long.
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let port = |address: &str| number(address.split_once(':').unwrap().1) as u16;
        Self {
            local_port: port(columns[1]),
            remote_port: port(columns[2]),
            has_unread: columns[3] == "01" && !columns[4].ends_with(":00000000"),
            has_ended: columns[3] == "08",
            keepalive: columns[5].strip_prefix("02:").map(number),
        }
    }
}

/// The dialect and the address in `… listening: lines on 127.0.0.1:7711`. Where standard output is
/// the same pipe, what the console shows may follow before the line's end is written.
pub(crate) fn listener(log_line: &str) -> Option<(String, SocketAddr)> {
    let (dialect, rest) = log_line.split_once("listening: ")?.1.split_once(" on ")?;
    let is_address = |c: char| c.is_ascii_hexdigit() || "[.:]".contains(c);
    let address = rest.split(|c| !is_address(c)).next()?;
    Some((dialect.to_owned(), address.parse().ok()?))
}

/// An address where nobody listens, as long as the socket that holds it lives.
pub(crate) fn deaf_address() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// The address from which this machine would speak to the rest of the world. Nothing is sent.
pub(crate) fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

/// The first people of a room, who have joined one after the other and have seen each other come.
#[track_caller]
pub(crate) fn room<const N: usize>(server: &Server, names: [&str; N]) -> [Person; N] {
    let mut people: Vec<Person> = Vec::new();
    for name in names {
        let newcomer = Person::join(server, name);
        let here = people.len() + 1;
        for person in &mut people {
            person.sees(&format!("* {name} joined ({here} here)"));
        }
        people.push(newcomer);
    }
    people.try_into().unwrap_or_else(|_| unreachable!())
}

/// Who said and saw what lately, for the message of a failing test.
#[derive(Default)]
struct Transcript(VecDeque<String>);

impl Transcript {
    fn note(&mut self, who: &str, verb: &str, what: &[u8]) {
        if self.0.len() == 20 {
            self.0.pop_front();
        }
        let what: String = String::from_utf8_lossy(what).chars().take(200).collect();
        self.0.push_back(format!("\n    {who} {verb} {what:?}"));
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " What happened:")?;
        self.0.iter().try_for_each(|line| f.write_str(line))
    }
}

/// Somebody connected over TCP, for whom a line is what ends with LF.
pub(crate) struct Person {
    /// What messages of failing tests call this one.
    name: String,
    reader: BufReader<TcpStream>,
    /// The beginning of a line whose end has not come yet.
    unfinished: Vec<u8>,
    transcript: Transcript,
    /// How many questions [`Person::sees_nothing_more`] has asked.
    questions: usize,
}

/// What came next.
enum Came {
    Line(String),
    Eof,
    /// EOF within a line.
    EofAfter(String),
    Error(ErrorKind),
    Nothing,
}

impl Person {
    /// Connects to the first listener of the dialect `lines`.
    #[track_caller]
    pub(crate) fn connect(server: &Server) -> Self {
        Self::connect_to(server.address("lines"))
    }

    #[track_caller]
    pub(crate) fn connect_to(address: SocketAddr) -> Self {
        Self::from_stream(TcpStream::connect(address).unwrap())
    }

    /// Comes with a receive buffer of a few KiB, so that what this one does not read is soon the
    /// server's to keep.
    #[track_caller]
    pub(crate) fn connect_with_little_room(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from_stream(socket.into())
    }

    fn from_stream(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // What a test writes in two pieces shall travel in two.
        stream.set_nodelay(true).unwrap();
        Self {
            name: "the newcomer".to_owned(),
            reader: BufReader::new(stream),
            unfinished: Vec::new(),
            transcript: Transcript::default(),
            questions: 0,
        }
    }

    /// Connects, and is in the room as `name`. What the others are told of it is theirs to see.
    #[track_caller]
    pub(crate) fn join(server: &Server, name: &str) -> Self {
        Self::join_at(server.address("lines"), name)
    }

    /// The same at any listener of `lines`, whoever has opened it.
    #[track_caller]
    pub(crate) fn join_at(address: SocketAddr, name: &str) -> Self {
        let mut person = Self::connect_to(address);
        person.sees(WELCOME);
        person.takes_name(name);
        person
    }

    /// Connects, gives a name that is an account, and is asked for its password.
    #[track_caller]
    pub(crate) fn is_asked_for_password(server: &Server, name: &str) -> Self {
        let mut person = Self::connect(server);
        person.sees(WELCOME);
        person.says(name);
        person.sees(&format!("* {name} is registered. Password?"));
        person
    }

    /// Answers the question for a name, and is accepted.
    #[track_caller]
    pub(crate) fn takes_name(&mut self, name: &str) {
        self.says(name);
        name.clone_into(&mut self.name);
        self.sees_prefix(&format!("* You are {name}. Here now: "));
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.reader.get_ref().local_addr().unwrap()
    }

    /// Sends a line.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\n").as_bytes());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        if let Err(error) = self.tries_to_send(bytes) {
            panic!("{} could not send: {error}.{}", self.name, self.transcript);
        }
    }

    /// Sends bytes to a server that may have had enough of them.
    pub(crate) fn tries_to_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.transcript.note(&self.name, "says", line);
        }
        self.reader.get_mut().write_all(bytes)
    }

    /// Sends each byte by itself, and sees to it that the server has read it before the next one
    /// goes out: it has answered `other`, who asked later.
    #[track_caller]
    pub(crate) fn sends_byte_by_byte(&mut self, bytes: &[u8], other: &mut Self) {
        for (place, byte) in bytes.iter().enumerate() {
            if place > 0 {
                other.sees_nothing_more();
            }
            self.sends(&[*byte]);
        }
    }

    /// The next line, which must come, is this one.
    #[track_caller]
    pub(crate) fn sees(&mut self, expected: &str) {
        self.sees_a(&format!("{expected:?}"), |line| line == expected);
    }

    #[track_caller]
    pub(crate) fn sees_prefix(&mut self, prefix: &str) -> String {
        self.sees_a(&format!("a line that begins with {prefix:?}"), |line| line.starts_with(prefix))
    }

    /// The next line, which must come, is of the kind that `fits`; `what` says what that is.
    #[track_caller]
    pub(crate) fn sees_a(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        match self.next() {
            Came::Line(line) if fits(&line) => line,
            came => panic!("{} should see {what}, but {came}.{}", self.name, self.transcript),
        }
    }

    /// The next line, whatever it is.
    #[track_caller]
    pub(crate) fn sees_a_line(&mut self) -> String {
        self.sees_a("a line", |_| true)
    }

    /// The next line, which must come, is a notice of who `joined`, who `left`, or who left for a
    /// reason, as in `left: connection lost`.
    #[track_caller]
    pub(crate) fn sees_notice(&mut self, what: &str) -> Notice {
        let fits = |line: &str| Notice::parse(line).is_some_and(|notice| notice.what == what);
        let line = self.sees_a(&format!("a notice of people who {what}"), fits);
        Notice::parse(&line).unwrap()
    }

    /// Nothing has come that was not seen. The server is asked something, and the answer is the
    /// next line; so whatever the server did before is known to this one, and nothing else.
    #[track_caller]
    pub(crate) fn sees_nothing_more(&mut self) {
        let answer = self.asks();
        self.sees_a("nothing more", |line| line == answer);
    }

    /// What comes in answer to `line`, however many lines that is.
    #[track_caller]
    pub(crate) fn answers_to(&mut self, line: &str) -> Vec<String> {
        self.says(line);
        let answer = self.asks();
        self.sees_until(&answer)
    }

    /// Types a command that does not exist and that was not typed before. Returns the answer.
    fn asks(&mut self) -> String {
        self.questions += 1;
        let word = format!("/ask{}", self.questions);
        self.says(&word);
        format!("! There is no command {word}. Type /help for help.")
    }

    /// The lines that come before `last`, which must come.
    #[track_caller]
    pub(crate) fn sees_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Came::Line(line) if line == last => return lines,
                Came::Line(line) => lines.push(line),
                came => panic!("{} should see {last:?}, but {came}.{}", self.name, self.transcript),
            }
        }
    }

    /// The server has ended the connection in an orderly way, and says nothing before.
    #[track_caller]
    pub(crate) fn sees_eof(&mut self) {
        match self.next() {
            Came::Eof => {}
            came => panic!("{} should see EOF, but {came}.{}", self.name, self.transcript),
        }
    }

    /// The lines that come before the server ends the connection in an orderly way.
    #[track_caller]
    pub(crate) fn sees_until_eof(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Came::Eof => return lines,
                Came::Line(line) => lines.push(line),
                came => panic!("{} should see EOF, but {came}.{}", self.name, self.transcript),
            }
        }
    }

    /// The whole lines that come before the connection is over, in whatever way that happens.
    #[track_caller]
    pub(crate) fn sees_until_cut_off(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Came::Line(line) => lines.push(line),
                Came::Eof | Came::EofAfter(_) | Came::Error(_) => return lines,
                Came::Nothing => panic!("{} is still connected.{}", self.name, self.transcript),
            }
        }
    }

    /// A line if one comes within this time.
    pub(crate) fn sees_within(&mut self, time: Duration) -> Option<String> {
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
        let came = self.next();
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        if let Came::Line(line) = came { Some(line) } else { None }
    }

    /// Has no more to say, and listens on.
    pub(crate) fn half_closes(&mut self) {
        self.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Goes away in an orderly way. Who has something left to read would go by a reset instead.
    pub(crate) fn closes(self) {
        drop(self);
    }

    /// Goes away by a reset, as people do whose program crashes.
    pub(crate) fn resets(self) {
        SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn next(&mut self) -> Came {
        let came = match self.reader.read_until(b'\n', &mut self.unfinished) {
            Ok(_) if self.unfinished.last() == Some(&b'\n') => {
                let line = std::mem::take(&mut self.unfinished);
                self.transcript.note(&self.name, "sees", &line);
                Came::Line(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
            }
            Ok(_) if self.unfinished.is_empty() => Came::Eof,
            Ok(_) => Came::EofAfter(String::from_utf8_lossy(&self.unfinished).into_owned()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Came::Nothing,
                kind => Came::Error(kind),
            },
        };
        if let Came::Eof = came {
            self.transcript.note(&self.name, "sees", b"EOF");
        }
        came
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "saw {line:?}"),
            Self::Eof => write!(f, "saw EOF"),
            Self::EofAfter(part) => write!(f, "saw EOF after {part:?} without a line end"),
            Self::Error(kind) => write!(f, "lost the connection ({kind})"),
            Self::Nothing => write!(f, "saw nothing for {} s", PATIENCE.as_secs()),
        }
    }
}

/// `* alice, bob and carol joined (5 here)`, taken apart. Names that people in the room share with
/// others through one turn of the loop are told together, and which ones is a matter of chance.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) names: Vec<String>,
    /// How many more there are than `names`.
    pub(crate) unnamed: usize,
    /// `joined`, `left`, `left: connection lost`.
    pub(crate) what: String,
    pub(crate) here: usize,
}

impl Notice {
    /// `None` if the line is not in the exact form of such a notice.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (text, here) = line.strip_prefix("* ")?.strip_suffix(" here)")?.rsplit_once(" (")?;
        let here = here.parse().ok()?;
        let verb = [" joined", " left"].iter().find_map(|verb| text.find(verb))?;
        let (names, what) = (&text[..verb], text[verb + 1..].to_owned());
        let Some((first, last)) = names.split_once(" and ") else {
            let names = vec![names.to_owned()];
            return Some(Self { names, unnamed: 0, what, here });
        };
        let mut names: Vec<String> = first.split(", ").map(str::to_owned).collect();
        let mut unnamed = 0;
        match last.strip_suffix(" more") {
            Some(more) => unnamed = more.parse().ok()?,
            None => names.push(last.to_owned()),
        }
        if names.iter().any(|name| name.is_empty() || name.contains([' ', ','])) {
            return None;
        }
        Some(Self { names, unnamed, what, here })
    }
}

/// Somebody in any dialect, for whom bytes are all there is: what one `recv` brings is
/// compared whole, as the older clients print it whole. Two frames without an end of their own can
/// meet in a socket, so whoever tests such a dialect waits for each before causing the next.
pub(crate) struct Caller {
    name: String,
    dialect: String,
    wire: Wire,
    /// What came together with what was seen before it.
    came: Vec<u8>,
    transcript: Transcript,
}

/// What carries a caller's bytes.
enum Wire {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

impl Caller {
    /// Connects to the first listener of `dialect`, and says nothing yet.
    #[track_caller]
    pub(crate) fn connect(server: &Server, dialect: &str) -> Self {
        let address = server.address(dialect);
        if dialect == "datagram" {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
            return Self::with_socket(socket, address);
        }
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(dialect, Wire::Stream(stream))
    }

    /// Speaks `datagram` to a listener at `address` from a socket that is there already.
    pub(crate) fn with_socket(socket: UdpSocket, address: SocketAddr) -> Self {
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new("datagram", Wire::Datagrams(socket))
    }

    fn new(dialect: &str, wire: Wire) -> Self {
        Self {
            name: "the newcomer".to_owned(),
            dialect: dialect.to_owned(),
            wire,
            came: Vec::new(),
            transcript: Transcript::default(),
        }
    }

    /// Connects to the first listener of `dialect` and does there, and sees, what puts one in the
    /// room as `name` (in `anonymous`, as one's address). In `mention` and `datagram` nothing tells
    /// the newcomer that it is in: there others must have seen it join before it says anything.
    #[track_caller]
    pub(crate) fn enters(server: &Server, dialect: &str, name: &str) -> Self {
        let mut caller = Self::connect(server, dialect);
        caller.name = if dialect == "anonymous" {
            caller.local_address().to_string()
        } else {
            name.to_owned()
        };
        match dialect {
            "lines" => {
                caller.sees(&format!("{WELCOME}\n"));
                caller.says(name);
                caller.sees_a(|frame| frame.starts_with(&format!("* You are {name}. Here now: ")));
            }
            "nick" => {
                caller.sees("NICK");
                caller.says(name);
                caller.sees(&format!("{name} 加入了聊天\n已连接至聊天服务器"));
            }
            "register" => {
                caller.sees("请输入昵称:");
                caller.says(name);
                caller.sees_first("昵称设置成功\n");
                caller.sees(&format!("系统消息{name}进入了聊天室\n"));
            }
            "datagram" => caller.says(name),
            "anonymous" => {
                let joined = format!("[ {} ]加入聊天室\r\n", caller.name);
                caller.sees(&joined);
            }
            "mention" => caller.says(&format!("!{name}")),
            _ => panic!("there is no dialect {dialect}"),
        }
        caller
    }

    /// The name by which others know this one, if it got the one it gave.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Stream(stream) => stream.local_addr().unwrap(),
            Wire::Datagrams(socket) => socket.local_addr().unwrap(),
        }
    }

    /// Sends a message, with the line end that its dialect's clients put there, if they do.
    #[track_caller]
    pub(crate) fn says(&mut self, message: &str) {
        let end = match self.dialect.as_str() {
            "lines" => "\n",
            "anonymous" => "\r\n",
            _ => "",
        };
        self.sends(format!("{message}{end}").as_bytes());
    }

    /// Sends bytes as they are, in one piece.
    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        self.transcript.note(&self.name, "says", bytes);
        let sent = match &mut self.wire {
            Wire::Stream(stream) => stream.write_all(bytes),
            Wire::Datagrams(socket) => socket.send(bytes).map(|_| ()),
        };
        if let Err(error) = sent {
            panic!("{} could not send: {error}.{}", self.name, self.transcript);
        }
    }

    /// What comes next, which must come, is this and nothing more; on UDP, one datagram.
    #[track_caller]
    pub(crate) fn sees(&mut self, expected: &str) {
        self.sees_first(expected);
        let more = String::from_utf8_lossy(&self.came);
        let (name, past) = (&self.name, &self.transcript);
        assert!(more.is_empty(), "{name} should see {expected:?} alone, not {more:?} too.{past}");
    }

    /// What comes next, which must come, is this; more may have come with it. That is for frames of
    /// which the server sends the next one by itself after a while, however slow we are.
    #[track_caller]
    pub(crate) fn sees_first(&mut self, expected: &str) {
        let mut came = self.receives();
        while matches!(self.wire, Wire::Stream(_)) && came.len() < expected.len() {
            let more = self.receives();
            if more.is_empty() {
                break;
            }
            came.extend(more);
        }
        let is_stream = matches!(self.wire, Wire::Stream(_));
        match came.strip_prefix(expected.as_bytes()) {
            Some(more) if more.is_empty() || is_stream => self.came = more.to_vec(),
            _ => {
                let came = String::from_utf8_lossy(&came);
                let (name, past) = (&self.name, &self.transcript);
                panic!("{name} should see {expected:?}, but saw {came:?}.{past}");
            }
        }
    }

    /// What one `recv` brings next, which must come, is such as `fits`.
    #[track_caller]
    pub(crate) fn sees_a(&mut self, fits: impl Fn(&str) -> bool) -> String {
        let came = String::from_utf8(self.receives()).unwrap();
        assert!(fits(&came), "{} saw {came:?}.{}", self.name, self.transcript);
        came
    }

    /// The server has ended the connection in an orderly way, and says nothing before.
    #[track_caller]
    pub(crate) fn sees_eof(&mut self) {
        let came = self.receives();
        let saw = String::from_utf8_lossy(&came);
        assert!(came.is_empty(), "{} saw {saw:?}, not EOF.{}", self.name, self.transcript);
    }

    /// What one `recv` brings, which must come; nothing is EOF.
    #[track_caller]
    pub(crate) fn receives(&mut self) -> Vec<u8> {
        if !self.came.is_empty() {
            return std::mem::take(&mut self.came);
        }
        let mut buffer = vec![0; 64 * 1024];
        let came = match &mut self.wire {
            Wire::Stream(stream) => stream.read(&mut buffer),
            Wire::Datagrams(socket) => socket.recv(&mut buffer),
        };
        match came {
            Ok(bytes) => buffer.truncate(bytes),
            Err(error) => panic!("{} saw nothing: {error}.{}", self.name, self.transcript),
        }
        let what: &[u8] = if buffer.is_empty() { b"EOF" } else { &buffer };
        self.transcript.note(&self.name, "sees", what);
        buffer
    }

    /// Has no more to say, and listens on.
    pub(crate) fn half_closes(&mut self) {
        if let Wire::Stream(stream) = &self.wire {
            stream.shutdown(Shutdown::Write).unwrap();
        }
    }

    /// Goes away in an orderly way, and nothing had come that was not seen.
    #[track_caller]
    pub(crate) fn closes(mut self) {
        self.half_closes();
        self.sees_eof();
    }
}

/// The server's own terminal: what is typed there, and what is shown.
pub(crate) struct Terminal {
    keyboard: Option<ChildStdin>,
    screen: Output,
    /// How many lines of the screen have been seen.
    seen: usize,
}

impl Terminal {
    /// Types a line.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\n").as_bytes());
    }

    /// Types bytes as they are.
    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        let keyboard = self.keyboard.as_mut().expect("the keyboard is still there");
        keyboard.write_all(bytes).unwrap();
        keyboard.flush().unwrap();
    }

    /// The next line, which must be shown, is this one.
    #[track_caller]
    pub(crate) fn sees(&mut self, expected: &str) {
        let line = self.screen.line(self.seen);
        assert_eq!(line, expected, "shown at the server's terminal");
        self.seen += 1;
    }

    /// Nobody types any more; what is said is still shown.
    pub(crate) fn ends_input(&mut self) {
        self.keyboard = None;
    }

    /// Nothing more is shown, and nothing was that was not seen.
    #[track_caller]
    pub(crate) fn sees_the_end(&self) {
        let lines = self.screen.lines_at_the_end();
        assert_eq!(lines[self.seen..], [""; 0], "shown at the server's terminal");
    }
}

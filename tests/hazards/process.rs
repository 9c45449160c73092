//! Hazards of the whole process: 28 and 31.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use super::crowd::{Sender, Stranger, TCP_DIALECTS};
use crate::common::{DIALECTS, Person, Server, chinwag, listener};

/// A server whose standard output and standard error are one pipe of ours. Dropping it kills it.
struct Piped {
    child: Child,
    address: SocketAddr,
}

impl Piped {
    /// Starts it and reads the first line of its log, which tells where it listens. What becomes of
    /// the pipe is up to the caller.
    fn start(args: &[&str]) -> (Self, BufReader<PipeReader>) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = chinwag();
        command.args(["--listen", "lines=127.0.0.1:0", "--log-level", "debug"]).args(args);
        command.stdin(Stdio::piped());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = command.spawn().unwrap();
        drop(command); // which holds the pipe too
        let mut reader = BufReader::with_capacity(1, reader);
        // What the console shows may come before it.
        let address = loop {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the log ends");
            if let Some((_, address)) = listener(&line) {
                break address;
            }
        };
        (Self { child, address }, reader)
    }

    #[track_caller]
    fn join(&self, name: &str) -> Person {
        Person::join_at(self.address, name)
    }

    /// People come and go and say more than any pipe holds, and more lines than any queue before it
    /// may; and each of them is logged.
    #[track_caller]
    fn bears_load(&self) {
        const ROUNDS: usize = 40;
        const LINES: usize = 1000;
        let mut alice = self.join("alice");
        let mut bob = self.join("bob");
        alice.sees_prefix("* bob joined (");
        for round in 0..ROUNDS {
            alice.sends(format!("{round}\n").repeat(LINES).as_bytes());
            for _ in 0..LINES {
                bob.sees(&format!("alice: {round}"));
            }
            let carol = self.join("carol");
            alice.sees_prefix("* carol joined");
            bob.sees_prefix("* carol joined");
            carol.closes();
            alice.sees_prefix("* carol left");
            bob.sees_prefix("* carol left");
        }
    }

    /// Told to stop, it does.
    #[cfg(unix)]
    #[track_caller]
    fn stops(mut self) {
        use crate::common::PATIENCE;

        let kill = format!("kill -TERM {}", self.child.id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let start = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return;
            }
            assert!(start.elapsed() < PATIENCE, "it does not stop");
            std::thread::yield_now();
        }
    }

    #[cfg(not(unix))]
    fn stops(self) {}
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// 28: as `chinwag 2>&1 | head -1` does.
#[test]
fn a_server_whose_outputs_are_gone_serves_on() {
    for args in [&["--flood=0"][..], &["--flood=0", "--console=console"]] {
        let (server, reader) = Piped::start(args);
        drop(reader);
        server.bears_load();
        server.stops();
    }
}

/// 28: as `chinwag 2>&1 | less` does when nobody turns the page.
#[test]
fn a_server_whose_outputs_nobody_reads_serves_on() {
    for args in [&["--flood=0"][..], &["--flood=0", "--console=console"]] {
        let (server, reader) = Piped::start(args);
        server.bears_load();
        server.stops();
        drop(reader);
    }
}

/// 31
#[test]
fn random_bytes_at_every_door_end_nobodys_chat() {
    const CONNECTIONS: usize = 200;
    let args = ["--flood=0", "--log-level=debug", "--nick-timeout=5"];
    let browsers: &[&str] = if cfg!(feature = "web") { &["web"] } else { &[] };
    let mut server = Server::start_with_listeners(&[&DIALECTS, browsers].concat(), &args);
    let mut alice = Person::join(&server, "alice");
    for (dialect, seed) in TCP_DIALECTS.iter().chain(browsers).zip(1..) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for number in 0..CONNECTIONS {
            let mut stranger = Stranger::connect(server.address(dialect));
            for _ in 0..rng.usize(1..4) {
                stranger.tries_to_send(&babble(&mut rng));
            }
            match rng.u8(0..3) {
                0 => stranger.resets(),
                1 => stranger.half_closes(),
                _ => {}
            }
            // Alice keeps up with what they say.
            if number % 20 == 0 {
                alice.answers_to("/nothing");
            }
        }
    }
    let mut rng = fastrand::Rng::with_seed(6);
    for number in 0..CONNECTIONS {
        let sender = Sender::to(server.address("datagram"));
        for _ in 0..rng.usize(1..4) {
            let bytes = babble(&mut rng);
            sender.sends(&bytes[..bytes.len().min(60_000)]);
        }
        if number % 20 == 0 {
            alice.answers_to("/nothing");
        }
    }
    alice.answers_to("/nothing");
    let mut bob = Person::join(&server, "bob");
    bob.says("we are still here");
    alice.sees_until("bob: we are still here");
    #[cfg(unix)]
    {
        server.terminate();
        assert_eq!(server.wait(), Some(0));
        let log = server.log().lines_at_the_end().join("\n");
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }
    server.kill();
}

/// Random bytes, random characters, and words that mean something, in any order.
fn babble(rng: &mut fastrand::Rng) -> Vec<u8> {
    const WORDS: [&[u8]; 26] = [
        b"\n",
        b"\r\n",
        b" ",
        b"@",
        b"!",
        b"#",
        b"&",
        b"/",
        b"//",
        b"/me ",
        b"/msg ",
        b"/nick ",
        b"/ignore ",
        b"/unignore ",
        b"/history ",
        b"/help ",
        b"/who",
        b"/r ",
        b"/quit ",
        b"exit",
        b"quit",
        b"alice",
        b"\xff\xfa",
        b"\xff\xf0",
        b"\xff\xff",
        b"99999999999999999999",
    ];
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(0..60) {
        match rng.u8(0..4) {
            0 => bytes.extend((0..rng.usize(0..40)).map(|_| rng.u8(..))),
            1 => bytes.extend(rng.char(..).to_string().bytes()),
            2 => bytes.extend((0..rng.usize(0..10)).map(|_| rng.alphanumeric() as u8)),
            _ => bytes.extend(WORDS[rng.usize(..WORDS.len())]),
        }
    }
    // Now and then more than a line may have, or than is read without its end.
    if rng.u8(0..20) == 0 {
        let more = rng.usize(0..100_000);
        bytes.extend(std::iter::repeat_n(b'x', more));
    }
    bytes
}

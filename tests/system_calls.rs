//! What a line costs in system calls: one write for each receiver, and a handful. Counted with
//! strace, which must be installed and allowed to trace; without it there is nothing to see.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use common::{Person, Server};

const LISTENERS: usize = 20;

/// All that a turn may call besides its writes: it reads the line, finds that there is no more, and
/// asks for nothing else.
const HANDFUL: usize = 4;

/// A server under strace. strace ends what it has started when it is told to end (`-I2`), not when
/// it is killed.
struct Traced {
    server: Server,
    calls: PathBuf,
}

impl Traced {
    /// `None` if nothing can be traced here.
    fn start(name: &str) -> Option<Self> {
        let traces = |calls: &Path| {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-I2", "-qq", "-s", "100", "-o"]).arg(calls);
            strace
        };
        let mut attempt = traces(Path::new("/dev/null"));
        let attempt = attempt.arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !attempt.is_ok_and(|status| status.success()) {
            eprintln!("strace is not installed, or may not trace: nothing was counted");
            return None;
        }
        let calls = std::env::temp_dir().join(format!("chinwag-{name}-{}", process::id()));
        let mut strace = traces(&calls);
        strace.arg(env!("CARGO_BIN_EXE_chinwag"));
        Some(Self { server: Server::start_as(strace, &["--flood", "0"]), calls })
    }

    fn end(&mut self) {
        self.server.terminate();
        self.server.wait();
    }

    /// Ends the server; returns what its main thread has called.
    fn calls(&mut self) -> Vec<String> {
        self.end();
        let calls = fs::read_to_string(&self.calls).unwrap();
        fs::remove_file(&self.calls).unwrap();
        let thread = calls.split(' ').next().unwrap();
        let of_thread = |line: &&str| line.starts_with(thread);
        calls.lines().filter(of_thread).map(str::to_owned).collect()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.calls.exists() {
            self.end();
            let _ = fs::remove_file(&self.calls);
        }
    }
}

#[test]
fn a_line_costs_one_write_for_each_who_hears_it_and_a_handful() {
    let Some(mut traced) = Traced::start("one-line") else { return };
    let mut alice = Person::join(&traced.server, "alice");
    let name = |number: usize| format!("listener{number}");
    let mut listeners: Vec<_> =
        (0..LISTENERS).map(|number| Person::join(&traced.server, &name(number))).collect();
    alice.says("just one line");
    for listener in &mut listeners {
        listener.sees_until("alice: just one line");
    }
    let calls = traced.calls();
    let begin = calls.iter().position(|call| call.contains("\"just one line"));
    let turn = calls[begin.unwrap()..].iter().take_while(|call| !call.contains("epoll_"));
    let is_write = |call: &&String| call.contains("alice: just one line");
    let (writes, others): (Vec<_>, Vec<_>) = turn.partition(is_write);
    assert_eq!(writes.len(), LISTENERS, "{writes:#?}");
    assert!(others.len() <= HANDFUL, "{others:#?}");
}

//! A program in a pseudo-terminal: what is typed, and what is to be seen.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize};
use vt100::Parser;

use crate::common::PATIENCE;

/// A terminal of 120 columns and 40 rows, and what runs in it.
pub(crate) struct Terminal {
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<Parser>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Runs a program, which must be installed.
    #[track_caller]
    pub(crate) fn run(program: &str, args: &[&str]) -> Terminal {
        let size = PtySize { rows: 40, cols: 120, ..PtySize::default() };
        let pair = portable_pty::native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command);
        let child = child.unwrap_or_else(|error| panic!("{program} is not installed? {error}"));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (rows, columns) = (size.rows.try_into().unwrap(), size.cols.try_into().unwrap());
        let screen = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                seen.lock().unwrap().process(&buffer[..count]);
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        Terminal { keyboard, child, screen, _master: pair.master }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\r").as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until this is to be seen.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap().screen().contents();
            if screen.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not to be seen:\n{screen}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    /// Ends the program and all that it has started: it leads a group of its own. To hang up is not
    /// enough, since WeeChat only reads its settings again then.
    fn drop(&mut self) {
        if let Some(group) = self.child.process_id() {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
        }
        let _ = self.child.wait();
    }
}

//! Somebody who sits before the client in a pseudo-terminal: what they type, and what they see,
//! which is what a terminal makes of the bytes that it gets.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use portable_pty::{ChildKiller, CommandBuilder, ExitStatus, MasterPty, PtyPair, PtySize};
use vt100::{Callbacks, Cell, Parser};

use crate::common::PATIENCE;

/// A client at a terminal of 80 columns and 24 rows.
pub(crate) struct Sitter {
    keyboard: Box<dyn Write + Send>,
    terminal: PtyPair,
    killer: Box<dyn ChildKiller + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    pub(crate) process_id: Option<u32>,
    /// The [settings](Sitter::settings) of the terminal before the client came.
    pub(crate) settings_before: String,
}

/// What has come to the terminal, and the end of the client.
pub(crate) struct Seen {
    parser: Parser<Bells>,
    bytes: Vec<u8>,
    ended: Option<ExitStatus>,
}

/// How often the bell has rung.
#[derive(Default)]
struct Bells(usize);

impl Callbacks for Bells {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0 += 1;
    }
}

impl Sitter {
    /// Starts the client with these arguments behind the address, and these variables.
    #[track_caller]
    pub(crate) fn start(address: SocketAddr, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_chinwag"));
        command.args(["join", &address.to_string()]);
        command.args(args);
        Self::run(command, variables)
    }

    /// Starts a command in a terminal, with these variables.
    #[track_caller]
    pub(crate) fn run(mut command: CommandBuilder, variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, ..PtySize::default() };
        let terminal = portable_pty::native_pty_system().openpty(size).unwrap();
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env("XDG_CONFIG_HOME", "/nowhere");
        let unwanted = ["NO_COLOR", "CHINWAG_NICK", "CHINWAG_PASSWORD", "CHINWAG_CLIENT_CONFIG"];
        unwanted.into_iter().for_each(|name| command.env_remove(name));
        for (name, value) in variables {
            command.env(name, value);
        }
        let settings_before = settings(&*terminal.master);
        let mut child = terminal.slave.spawn_command(command).unwrap();
        let (rows, columns) = (size.rows.try_into().unwrap(), size.cols.try_into().unwrap());
        let parser = Parser::new_with_callbacks(rows, columns, 1000, Bells::default());
        let seen = Seen { parser, bytes: Vec::new(), ended: None };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let sitter = Self {
            keyboard: terminal.master.take_writer().unwrap(),
            killer: child.clone_killer(),
            process_id: child.process_id(),
            settings_before,
            seen: Arc::clone(&seen),
            terminal,
        };
        let mut reader = sitter.terminal.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut seen = shared.0.lock().unwrap();
                seen.parser.process(&buffer[..count]);
                seen.bytes.extend(&buffer[..count]);
                shared.1.notify_all();
            }
        });
        thread::spawn(move || {
            let status = child.wait().unwrap();
            seen.0.lock().unwrap().ended = Some(status);
            seen.1.notify_all();
        });
        sitter
    }

    /// Starts the client with a nickname and more arguments, and waits until it is in the room.
    #[track_caller]
    pub(crate) fn join(address: SocketAddr, name: &str, args: &[&str]) -> Self {
        let args: Vec<&str> = ["--nick", name].iter().chain(args).copied().collect();
        let sitter = Self::start(address, &args, &[]);
        sitter.sees(&format!("* You are {name}, in #lobby."));
        sitter
    }

    /// Presses keys, as the bytes that a terminal sends for them.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Types a line.
    pub(crate) fn says(&mut self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    /// Makes the window so large.
    pub(crate) fn resizes(&self, rows: u16, columns: u16) {
        let size = PtySize { rows, cols: columns, ..PtySize::default() };
        let mut seen = self.seen.0.lock().unwrap();
        seen.parser.set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
        drop(seen);
        self.terminal.master.resize(size).unwrap();
    }

    /// Waits until a row has this text in it.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        let found = |seen: &Seen| seen.rows().iter().any(|row| row.contains(text)).then_some(());
        self.waits_for(text, found);
    }

    /// Waits until the row with the cursor is this one, and the cursor is in this column.
    #[track_caller]
    pub(crate) fn sees_input(&self, row: &str, column: u16) {
        let what = format!("the input {row:?} with the cursor in column {column}");
        self.waits_for(&what, |seen| {
            let (at, column_now) = seen.parser.screen().cursor_position();
            let row_now = seen.rows().get(usize::from(at))?.clone();
            (row_now == row && column_now == column).then_some(())
        });
    }

    /// What `look` finds, as soon as it finds something.
    #[track_caller]
    pub(crate) fn waits_for<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let (seen, changed) = &*self.seen;
        let deadline = Instant::now() + PATIENCE;
        let mut seen = seen.lock().unwrap();
        loop {
            if let Some(found) = look(&seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let rows = seen.rows();
            assert!(!left.is_zero(), "{what} was never there, but {rows:#?}");
            (seen, _) = changed.wait_timeout(seen, left).unwrap();
        }
    }

    /// All that is on the screen now, row by row.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().rows()
    }

    /// All bytes that came to the terminal so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().bytes.clone()
    }

    /// How often the bell has rung so far.
    pub(crate) fn bells(&self) -> usize {
        self.seen.0.lock().unwrap().parser.callbacks().0
    }

    /// The first cell of the first such text on the screen, which must be there.
    #[track_caller]
    pub(crate) fn cell(&self, text: &str) -> Cell {
        self.waits_for(text, |seen| {
            let screen = seen.parser.screen();
            let found = |row: &String| row.find(text).map(|at| row[..at].chars().count());
            let mut rows = seen.rows().into_iter().enumerate();
            let (row, column) = rows.find_map(|(number, row)| Some((number, found(&row)?)))?;
            screen.cell(row as u16, column as u16).cloned()
        })
    }

    /// Sends the client the signal of this name, such as `TERM`.
    pub(crate) fn signals(&self, name: &str) {
        signals(&self.process_id.unwrap().to_string(), name);
    }

    /// Waits until the client has ended, and returns its exit code.
    #[track_caller]
    pub(crate) fn ends(&self) -> u32 {
        self.waits_for("the end of the client", |seen| seen.ended.clone()).exit_code()
    }

    /// How the terminal is set: whether it echoes, whether it waits for whole lines, and so on.
    pub(crate) fn settings(&self) -> String {
        settings(&*self.terminal.master)
    }
}

/// Sends a process the signal of this name.
pub(crate) fn signals(process_id: &str, name: &str) {
    let kill = format!("kill -{name} {process_id}");
    let done = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(done.success(), "{kill}");
}

fn settings(terminal: &dyn MasterPty) -> String {
    format!("{:?}", terminal.get_termios().unwrap())
}

impl Drop for Sitter {
    fn drop(&mut self) {
        let _ = self.killer.kill();
    }
}

impl Seen {
    /// The cursor is at the beginning of an empty row, and pasted text is nothing special.
    pub(crate) fn is_ready_for_others(&self) -> bool {
        let screen = self.parser.screen();
        let (row, column) = screen.cursor_position();
        let is_clean = column == 0 && self.rows()[usize::from(row)].is_empty();
        is_clean && !screen.bracketed_paste() && !screen.alternate_screen()
    }

    /// The screen is that of the shell.
    pub(crate) fn is_plain(&self) -> bool {
        !self.parser.screen().alternate_screen()
    }

    /// What is on the screen, row by row, without the blanks behind it.
    pub(crate) fn rows(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let (_, columns) = screen.size();
        screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }
}

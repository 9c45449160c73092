//! The terminal: keys come from it, frames go to it, and whatever happens it is as before when
//! the client ends or sleeps.

use std::io::{self, Write as _};
use std::sync::mpsc;
#[cfg(unix)]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::thread;

use chinwag::Now;
use chinwag::server::present;
use crossterm::cursor::MoveTo;
use crossterm::event as keys;
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{execute, queue};

use super::LONG;
use super::client::{Act, Client, OTHER_ROWS};
use super::link::{Happened, Link, Target};
use super::log_files::LogFiles;
use super::message::ServerMessage;
use super::screen::{Frame, Row, Style};
use super::settings::Notify;
use crate::{FAILED, Failure};

/// Events that wait; what comes meanwhile waits in the socket.
const EVENTS_MAX: usize = 1000;

/// How long it takes at most until we are stopped, if we can be.
#[cfg(unix)]
const STOPPED_AFTER: std::time::Duration = std::time::Duration::from_millis(500);

/// Columns and rows where the terminal does not tell.
const USUAL_SIZE: (u16, u16) = (80, 24);

enum Event {
    Terminal(keys::Event),
    /// Of the connection with this number.
    Link(u64, Happened),
    Terminate,
    /// Somebody else wants us to be stopped, as the shell would by `kill -TSTP`.
    #[cfg(unix)]
    Stop,
}

/// The terminal as we need it, until this is dropped, by a panic if need be.
struct RawTerminal;

impl RawTerminal {
    fn enter() -> io::Result<RawTerminal> {
        terminal::enable_raw_mode()?;
        let terminal = RawTerminal;
        // What the terminal shows wider than we think must not go into the next row.
        execute!(
            io::stdout(),
            terminal::EnterAlternateScreen,
            terminal::DisableLineWrap,
            keys::EnableBracketedPaste,
            keys::EnableFocusChange,
        )?;
        Ok(terminal)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = execute!(
            io::stdout(),
            keys::DisableFocusChange,
            keys::DisableBracketedPaste,
            terminal::EnableLineWrap,
            terminal::LeaveAlternateScreen,
        );
        let _ = terminal::disable_raw_mode();
    }
}

/// What is seen, so that only what has changed is written.
#[derive(Default)]
struct Screen {
    frame: Frame,
    size: (u16, u16),
}

/// Sits at the terminal until whoever does so leaves.
///
/// # Errors
/// Why it has ended otherwise.
pub(super) fn run(target: Target, client: Client, logs: LogFiles) -> Result<(), Failure> {
    let failed = |error: io::Error| (FAILED, format!("the terminal fails: {error}."));
    let (events, happened) = mpsc::sync_channel(EVENTS_MAX);
    #[cfg(unix)]
    let stopping = watch_signals(&events).map_err(failed)?;
    let raw = RawTerminal::enter().map_err(failed)?;
    read_keys(events.clone());
    let mut sitting = Sitting {
        target,
        client,
        logs,
        events,
        link: None,
        links: 0,
        screen: Screen::default(),
        raw: Some(raw),
        #[cfg(unix)]
        stopping,
    };
    let ended = sitting.go_on(&happened);
    drop(sitting);
    ended.map_err(failed)?.map_err(|why| (FAILED, why))
}

struct Sitting {
    target: Target,
    client: Client,
    logs: LogFiles,
    events: mpsc::SyncSender<Event>,
    link: Option<Link>,
    /// How many there were; what an old one still tells is for nobody.
    links: u64,
    screen: Screen,
    /// It is as it was when this is dropped.
    #[cfg_attr(not(unix), allow(dead_code, reason = "no other system stops a program"))]
    raw: Option<RawTerminal>,
    #[cfg(unix)]
    stopping: Stopping,
}

/// How we are stopped and go on.
#[cfg(unix)]
struct Stopping {
    /// Tells when we are let go on.
    continued: mpsc::Receiver<()>,
    /// The signal to stop that comes next is our own.
    is_ours: Arc<AtomicBool>,
}

impl Sitting {
    /// Lives until the client ends, well or for a reason.
    fn go_on(&mut self, happened: &mpsc::Receiver<Event>) -> io::Result<Result<(), String>> {
        loop {
            for act in self.client.poll_acts() {
                if let Act::End(end) = act {
                    return Ok(end);
                }
                self.act(act)?;
            }
            self.draw()?;
            let now = present();
            let wait = self.client.deadline().map(|at| at.saturating_duration_since(now.instant));
            let first = happened.recv_timeout(wait.unwrap_or(LONG)).ok();
            let now = present();
            // All that has happened by now is shown at once.
            for event in first.into_iter().chain(happened.try_iter().take(EVENTS_MAX)) {
                self.handle(event, now);
            }
            self.client.handle_time(now);
        }
    }

    fn handle(&mut self, event: Event, now: Now) {
        let (columns, rows) = size();
        let client = &mut self.client;
        match event {
            Event::Terminal(keys::Event::Key(key)) => {
                let seen = (columns.into(), usize::from(rows).saturating_sub(OTHER_ROWS));
                client.handle_key(key, seen, now);
            }
            Event::Terminal(keys::Event::Paste(text)) => client.handle_paste(&text, now),
            Event::Terminal(keys::Event::FocusGained) => client.handle_focus(true),
            Event::Terminal(keys::Event::FocusLost) => client.handle_focus(false),
            Event::Terminal(_) => {} // A new size: all is drawn anew.
            Event::Link(number, _) if number != self.links || self.link.is_none() => {}
            Event::Link(_, Happened::Open) => client.handle_open(now),
            Event::Link(_, Happened::Text(text)) => {
                let message = ServerMessage::parse(&text);
                message.into_iter().for_each(|message| client.handle_message(message, now));
            }
            Event::Link(_, Happened::Pong(number)) => client.handle_pong(number, now),
            Event::Link(_, Happened::Closed(end)) => {
                self.link = None;
                client.handle_end(end, now);
            }
            Event::Terminate => client.handle_terminate(now),
            #[cfg(unix)]
            Event::Stop => client.handle_stop(now),
        }
    }

    fn act(&mut self, act: Act) -> io::Result<()> {
        match act {
            Act::Connect => {
                self.links += 1;
                let (number, events) = (self.links, self.events.clone());
                let tell = move |it| events.send(Event::Link(number, it)).is_ok();
                self.link = Some(Link::open(self.target.clone(), tell));
            }
            Act::Drop => self.link = None,
            Act::Send(message) => {
                self.link.iter().for_each(|link| link.send(message.to_string()));
            }
            Act::Ping(number) => self.link.iter().for_each(|link| link.ping(number)),
            Act::Ring => queue!(io::stdout(), Print('\x07'))?,
            Act::Notify { title, text } => {
                let known = notification(self.client.settings.notify, &title, &text);
                queue!(io::stdout(), Print(known))?;
            }
            Act::Log { room, at, text } => {
                if let Err(why) = self.logs.write(room.as_deref(), at, &text) {
                    self.client.handle_log_failure(&why);
                }
            }
            Act::Suspend { alone } => self.suspend(alone)?,
            Act::Redraw => self.screen = Screen::default(),
            Act::End(_) => {}
        }
        Ok(())
    }

    /// Gives the terminal back to the shell, until it wants us to go on. Where there is no such
    /// thing nothing happens.
    #[cfg(unix)]
    fn suspend(&mut self, alone: bool) -> io::Result<()> {
        use rustix::process::{self, Signal};
        // A shell gives each job a group of its own; in the first of a session nobody could let us
        // go on.
        if process::getpgrp() == process::getsid(None)? {
            return Ok(());
        }
        self.raw = None;
        if !alone {
            // What started us, as cargo, is stopped with us, or the shell would not notice.
            self.stopping.is_ours.store(true, Ordering::SeqCst);
            process::kill_current_process_group(Signal::TSTP)?;
        }
        self.stopping.continued.try_iter().for_each(drop);
        process::kill_process(process::getpid(), Signal::STOP)?;
        // Another thread may be the one that is stopped first.
        let _ = self.stopping.continued.recv_timeout(STOPPED_AFTER);
        self.raw = Some(RawTerminal::enter()?);
        self.screen = Screen::default();
        self.client.handle_resume(present());
        Ok(())
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as where it can be done")]
    fn suspend(&mut self, _alone: bool) -> io::Result<()> {
        Ok(())
    }

    /// Writes the rows that have changed.
    fn draw(&mut self) -> io::Result<()> {
        let size = size();
        let (columns, rows) = size;
        let frame = self.client.frame(columns.into(), rows.into());
        let mut out = io::stdout().lock();
        let is_new = size != self.screen.size;
        if is_new {
            queue!(out, Clear(ClearType::All))?;
        }
        for (number, row) in frame.rows.iter().enumerate() {
            if is_new || self.screen.frame.rows.get(number) != Some(row) {
                // Behind a full row the cursor stands on its last column: to clear from there on
                // would take that away.
                queue!(out, MoveTo(0, number as u16), Clear(ClearType::UntilNewLine))?;
                queue!(out, Print(self.painted(row)))?;
            }
        }
        queue!(out, MoveTo(frame.cursor.0 as u16, frame.cursor.1 as u16))?;
        self.screen = Screen { frame, size };
        out.flush()
    }

    /// A row as the terminal takes it. Whatever is in a text, only we steer the terminal.
    fn painted(&self, row: &Row) -> String {
        let has_color = self.client.settings.color.is_on();
        let piece = |span: &super::screen::Span| {
            let text: String = span.text.chars().filter(|c| !c.is_control()).collect();
            match style(span.style).filter(|_| has_color) {
                Some(style) => format!("\x1b[{style}m{text}\x1b[0m"),
                None => text,
            }
        };
        row.iter().map(piece).collect()
    }
}

fn size() -> (u16, u16) {
    let (columns, rows) = terminal::size().unwrap_or(USUAL_SIZE);
    (columns.max(1), rows.max(1))
}

/// The numbers that terminals have for a style (SGR).
fn style(style: Style) -> Option<&'static str> {
    const NAMES: [&str; super::screen::NAME_COLORS] =
        ["32", "33", "34", "36", "92", "93", "94", "95", "96"];
    Some(match style {
        Style::Plain => return None,
        Style::Dim => "2",
        Style::Refused => "31",
        Style::Private => "35",
        Style::PrivateToUs => "1;35",
        Style::Mention => "1;33",
        Style::Name(number) => NAMES[number % NAMES.len()],
        Style::Status => "7",
        Style::Rule => "33",
    })
}

/// The escape sequence by which a terminal shows a notification on the desktop.
fn notification(how: Notify, title: &str, text: &str) -> String {
    let plain = |text: &str| -> String {
        // A semicolon would end the title; a notification is one line.
        text.chars().map(|c| if c.is_control() || c == ';' { ' ' } else { c }).take(200).collect()
    };
    let (title, text) = (plain(title), plain(text));
    let is_known = |name: &str, words: &[&str]| {
        let value = std::env::var(name).unwrap_or_default();
        words.iter().any(|word| value.contains(word))
    };
    let by_777 = match how {
        Notify::Off => return String::new(),
        Notify::Osc9 => false,
        Notify::Osc777 => true,
        Notify::Auto => {
            is_known("TERM", &["foot", "rxvt"]) || is_known("TERM_PROGRAM", &["ghostty"])
        }
    };
    if by_777 {
        format!("\x1b]777;notify;{title};{text}\x07")
    } else {
        format!("\x1b]9;{title}: {text}\x07")
    }
}

/// Tells of keys, until the terminal has gone.
fn read_keys(events: mpsc::SyncSender<Event>) {
    thread::spawn(move || {
        while keys::read().is_ok_and(|event| events.send(Event::Terminal(event)).is_ok()) {}
        events.send(Event::Terminate)
    });
}

/// Tells of signals; those that let us go on come by a way of their own.
#[cfg(unix)]
fn watch_signals(events: &mpsc::SyncSender<Event>) -> io::Result<Stopping> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    let (continue_us, continued) = mpsc::channel();
    let is_ours = Arc::new(AtomicBool::new(false));
    let (events, is_next_ours) = (events.clone(), Arc::clone(&is_ours));
    let wanted = [SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let is_told = match signal {
                SIGCONT => continue_us.send(()).is_ok(),
                SIGTSTP if is_next_ours.swap(false, Ordering::SeqCst) => true,
                SIGTSTP => events.send(Event::Stop).is_ok(),
                _ => events.send(Event::Terminate).is_ok(),
            };
            if !is_told {
                return;
            }
        }
    });
    Ok(Stopping { continued, is_ours })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_one_sequence_whatever_is_in_it() {
        let by_9 = notification(Notify::Osc9, "bob", "hi\x07\x1b]0;x\n");
        assert_eq!(by_9, "\x1b]9;bob: hi  ]0 x \x07");
        let by_777 = notification(Notify::Osc777, "b;b", "a;b");
        assert_eq!(by_777, "\x1b]777;notify;b b;a b\x07");
        assert_eq!(notification(Notify::Off, "bob", "hi"), "");
    }
}

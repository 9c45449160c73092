//! A client to sit in: what you type survives what arrives. In pipes it passes lines on as nc does.
//!
//! All there is to know about talking to the server:
//! - What is said is a line, UTF-8 that ends with LF, both ways. TCP itself knows no lines: a read
//!   may bring half of one, or three. So what comes is read up to each LF, whatever the reads are.
//! - The first line that is sent answers the question for a nickname; where the server asks for a
//!   password first, that is the first. A line that begins with `/` is a command.
//!   `chinwag::client` says what the lines that come mean, and how they may look.
//! - Both sides talk whenever they like, so one thread waits for the user, another for the server.
//! - Who has no more to say closes only its own half. The server delivers what was said, sends what
//!   it owes, and closes the other half; that is when it is over.

use std::io::{self, BufReader, IsTerminal, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, iter, mem, sync::mpsc, thread};

use chinwag::client::{
    Bell, InputHistory, LocalTime, Question, Room, ServerLine, Theme, is_farewell, read_line,
    veiled,
};
use clap::Parser;
use crossterm::event::{self as keys, KeyCode::*, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{cursor::MoveToColumn, execute, queue, style::Print};
use jiff::Zoned;
use socket2::{SockRef, TcpKeepalive};
use tui_input::{Input, backend::crossterm::EventHandler};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How long it waits before it connects again: at first, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
const PROMPT: &str = "> ";

/// Talks to a chinwag. Tab completes nicknames and commands; Ctrl-C, Ctrl-D and /quit leave.
#[derive(Parser)]
struct Arguments {
    /// Where the server is
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:7711")]
    address: String,
    /// The same
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "address")]
    host: Option<String>,
    /// Takes this nickname
    #[arg(long, value_name = "NAME", env = "CHINWAG_NICK")]
    nick: Option<String>,
    /// When to ring: off, private (messages), or mention (of you, and private messages)
    #[arg(long, value_name = "WHEN", default_value = "mention")]
    bell: Bell,
    /// Shows no colours, as if NO_COLOR were set
    #[arg(long)]
    no_color: bool,
    /// Shows no time before each line
    #[arg(long)]
    no_time: bool,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    arguments.address = arguments.host.take().unwrap_or(arguments.address);
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let talk: fn(_, _) -> _ = if is_terminal { sit_at_terminal } else { pass_lines };
    let sentence = match TcpStream::connect(&arguments.address) {
        Err(error) => format!("Cannot connect to {}: {error}.", arguments.address),
        Ok(server) => match talk(server, arguments) {
            Err(error) => format!("The connection has ended: {error}."),
            Ok(()) => return ExitCode::SUCCESS,
        },
    };
    eprintln!("{sentence}");
    ExitCode::FAILURE
}

/// Passes lines on, from standard input to the server and from there to standard output, until the
/// server has closed its half or nobody reads what is printed.
fn pass_lines(server: TcpStream, arguments: Arguments) -> io::Result<()> {
    let (answering, mut sending) = (server.try_clone()?, Some(server.try_clone()?));
    let mut nick = arguments.nick;
    let (mut lines, mut room) = (BufReader::new(server), Room::default());
    loop {
        // A line that is sent while a question is open would be taken for another answer.
        if let Some(mut server) = sending.take_if(|_| nick.is_none()) {
            // This thread is not waited for: it may stand in a read when the server says goodbye.
            thread::spawn(move || {
                let _ = io::copy(&mut io::stdin().lock(), &mut server);
                server.shutdown(Shutdown::Write)
            });
        }
        let Some(line) = read_line(&mut lines)? else { return Ok(()) };
        // `println!` would panic if nobody reads the pipe any more. That is no error.
        if writeln!(io::stdout(), "{line}").is_err() {
            return Ok(());
        }
        let before = room.question();
        let heard = room.hear(&line);
        match (room.question(), &nick) {
            _ if matches!(heard, ServerLine::Refused(_)) && sending.is_some() => {
                let is_name = before.is_none_or(|before| before == Question::Nickname);
                let what = if is_name { "nickname" } else { "password" };
                return Err(io::Error::other(format!("the {what} is refused")));
            }
            (question, _) if question == before && room.me().is_none() => {}
            (Some(Question::Password | Question::Account), Some(_)) => {
                let mut password = String::new();
                io::stdin().read_line(&mut password)?;
                send_line(&answering, password.trim_end_matches(['\r', '\n']))?;
            }
            (Some(Question::Nickname), Some(nick)) => send_line(&answering, nick)?,
            _ => nick = nick.filter(|_| room.me().is_none()),
        }
    }
}

/// Sends a line in one piece, so that it does not wait for the other side to confirm the first.
fn send_line(mut server: &TcpStream, line: &str) -> io::Result<()> {
    server.write_all(format!("{line}\n").as_bytes())
}

enum Event {
    Terminal(keys::Event),
    Connected(TcpStream),
    Line(String),
    Disconnected(Duration), // The next try is after this pause.
    Leave,
}

#[derive(Default)]
struct Client {
    theme: Theme,
    sender: Option<mpsc::Sender<String>>, // To a thread that may have to wait for the server.
    room: Room,
    /// Our nickname, or the one that we hope for; and whether it has been ours before.
    nick: Option<String>,
    is_back: bool,
    /// The passwords that were given last, of the server and of our account, for when the
    /// connection is lost.
    password: Option<String>,
    account_password: Option<String>,
    is_leaving: bool,
    /// New lines, and below them the one that is being typed.
    shown: String,
    input: Input,
    input_history: InputHistory,
}

/// The terminal in raw mode until this is dropped, by a panic if need be.
struct RawMode;

impl Drop for RawMode {
    fn drop(&mut self) {
        let clear = Clear(ClearType::FromCursorDown);
        let _ = execute!(io::stdout(), MoveToColumn(0), clear, keys::DisableBracketedPaste);
        let _ = terminal::disable_raw_mode();
    }
}

/// Sits at the terminal until the user leaves.
fn sit_at_terminal(server: TcpStream, arguments: Arguments) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    let _raw_mode = RawMode;
    execute!(io::stdout(), keys::EnableBracketedPaste)?;
    let (events, happened) = mpsc::sync_channel(1000);
    #[cfg(unix)]
    {
        let events = events.clone();
        let mut signals = signal_hook::iterator::Signals::new(signal_hook::consts::TERM_SIGNALS)?;
        thread::spawn(move || signals.forever().try_for_each(|_| events.send(Event::Leave)));
    }
    let input_history = events.clone();
    thread::spawn(move || {
        while keys::read().is_ok_and(|event| input_history.send(Event::Terminal(event)).is_ok()) {}
        input_history.send(Event::Leave) // The terminal has gone.
    });
    thread::spawn(move || listen(&arguments.address, server, &events));
    let color = !arguments.no_color && env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let theme = Theme { color, time: !arguments.no_time, bell: arguments.bell };
    let mut client = Client { theme, nick: arguments.nick, ..Client::default() };
    for first in &happened {
        // All that has happened by now is shown at once.
        let mut all = iter::once(first).chain(happened.try_iter().take(1000));
        let is_over = !all.all(|event| client.handle(event));
        client.draw()?;
        if is_over {
            break;
        }
    }
    Ok(())
}

/// Tells what the server says, and connects again each time that the connection is lost.
fn listen(address: &str, server: TcpStream, events: &mpsc::SyncSender<Event>) {
    let (mut connected, mut pause) = (Ok(server), PAUSE_MIN);
    loop {
        let since = Instant::now();
        if let Ok(server) = connected {
            let _ = server.try_clone().map(|server| events.send(Event::Connected(server)));
            let mut lines = BufReader::new(server);
            while let Ok(Some(line)) = read_line(&mut lines) {
                let _ = events.send(Event::Line(line));
            }
        }
        pause = if since.elapsed() > PAUSE_MAX { PAUSE_MIN } else { pause };
        let _ = events.send(Event::Disconnected(pause));
        thread::sleep(pause);
        pause = PAUSE_MAX.min(pause * 2);
        connected = TcpStream::connect(address);
    }
}

impl Client {
    /// Does what has to be done; `false` if that was the last.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Terminal(keys::Event::Key(key)) => return self.press(key),
            Event::Terminal(keys::Event::Paste(text)) => {
                return text.chars().all(|c| match c {
                    '\r' | '\n' if self.sender.is_some() => self.send(),
                    c => self.press(Char(if c.is_control() { ' ' } else { c }).into()),
                });
            }
            Event::Terminal(_) => {} // A new size: all is drawn anew.
            Event::Leave => return false,
            Event::Connected(server) => {
                // A server that vanishes without a word is noticed after a while.
                let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
                let _ = SockRef::from(&server).set_tcp_keepalive(&keepalive);
                let (sender, lines) = mpsc::channel::<String>();
                self.sender = Some(sender);
                thread::spawn(move || {
                    let _ = lines.iter().try_for_each(|line| send_line(&server, &line));
                    server.shutdown(Shutdown::Write)
                });
            }
            Event::Line(line) => self.hear(&line),
            Event::Disconnected(_) if self.is_leaving => return false,
            Event::Disconnected(pause) => {
                if self.is_typing_password() {
                    self.input.reset(); // Nobody asks for it now, and it would be shown.
                }
                (self.sender, self.room) = (None, Room::default());
                self.show(&format!("* There is no connection. Next try in {pause:?}."));
            }
        }
        true
    }

    /// Hears a line, and answers a question if the answer is known.
    fn hear(&mut self, line: &str) {
        let before = self.room.question();
        let is_refused = matches!(self.room.hear(line), ServerLine::Refused(_));
        self.show(line);
        let question = self.room.question();
        let answer = match question {
            _ if question == before => None,
            Some(Question::Password) => self.password.clone(),
            Some(Question::Account) => self.account_password.clone(),
            Some(Question::Nickname) => self.nick.clone(),
            None => None,
        };
        if let (Some(answer), Some(sender)) = (answer, &self.sender) {
            let _ = sender.send(answer);
        }
        if let Some(me) = self.room.me() {
            (self.nick, self.is_back) = (Some(me.to_owned()), true);
        } else if is_refused && self.answered().is_some_and(|answered| answered.take().is_some()) {
            // It is asked for again.
        } else if is_refused && self.is_back {
            // The lost connection still has our nickname. After some time it will not.
            self.sender = None;
        }
    }

    /// The password that answers the question, if one is asked for.
    fn answered(&mut self) -> Option<&mut Option<String>> {
        match self.room.question()? {
            Question::Password => Some(&mut self.password),
            Question::Account => Some(&mut self.account_password),
            Question::Nickname => None,
        }
    }

    /// Whether what is being typed is a password.
    fn is_typing_password(&self) -> bool {
        match self.room.question() {
            Some(Question::Password) => self.password.is_none(),
            Some(Question::Account) => self.account_password.is_none(),
            Some(Question::Nickname) | None => false,
        }
    }

    /// Ends when the server has said its last, or at once if there is none or this is asked twice.
    fn leave(&mut self) -> bool {
        !mem::replace(&mut self.is_leaving, true) && self.sender.take().is_some()
    }

    /// Does what a key is for; `false` if that was the last.
    fn press(&mut self, key: KeyEvent) -> bool {
        let is_empty = self.input.value().is_empty();
        match (key.code, key.modifiers) {
            _ if key.kind == KeyEventKind::Release => {}
            (Enter, _) => return self.send(),
            (Char('c' | 'd'), KeyModifiers::CONTROL) if is_empty => return self.leave(),
            (Char('c'), KeyModifiers::CONTROL) => self.input.reset(),
            (Up | Down | Tab, _) if self.is_typing_password() => {}
            (Up, _) => self.input = self.input_history.earlier(self.input.value_and_reset()).into(),
            (Down, _) => self.input = self.input_history.later(self.input.value_and_reset()).into(),
            (Tab, _) => {
                let completed = self.room.complete(self.input.value(), self.input.cursor());
                if let Some((line, cursor)) = completed {
                    self.input = Input::new(line).with_cursor(cursor);
                }
            }
            _ => drop(self.input.handle_event(&keys::Event::Key(key))),
        }
        true
    }

    /// Sends what was typed and shows it as others see it, since the server does not.
    fn send(&mut self) -> bool {
        let line = self.input.value_and_reset();
        if self.is_typing_password() {
            let _ = self.sender.as_ref().map(|sender| sender.send(line.clone()));
            self.answered().into_iter().for_each(|answered| *answered = Some(line.clone()));
            return true;
        }
        // After we are back, a line must not be taken for another nickname.
        let sender = self.sender.as_ref().filter(|_| self.room.me().is_some() || !self.is_back);
        let is_sent = sender.is_some_and(|sender| sender.send(line.clone()).is_ok());
        if is_farewell(&line) {
            return self.leave();
        } else if !is_sent {
            self.show("* There is no connection. This is not sent yet.");
            self.input = line.into();
        } else if !line.trim().is_empty() {
            let veiled = veiled(&line);
            let shown = veiled.as_ref().unwrap_or(&line);
            self.show(&self.room.say(&line).unwrap_or_else(|| format!("{PROMPT}{shown}")));
            if veiled.is_none() {
                self.input_history.push(line);
            }
        }
        true
    }

    fn show(&mut self, line: &str) {
        let (now, offset) = (Zoned::now().timestamp().as_second(), Zoned::now().offset().seconds());
        let now = LocalTime { unix_seconds: now, ahead_seconds: offset };
        self.shown += &(self.theme.show(&self.room, line, now) + "\r\n");
    }

    /// Shows the new lines, and below them as much of the input as fits into one row.
    fn draw(&mut self) -> io::Result<()> {
        let columns = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let width = columns.saturating_sub(PROMPT.len() + 1);
        let mut input = self.input.clone();
        if self.is_typing_password() {
            let stars = "*".repeat(input.value().chars().count());
            input = Input::new(stars).with_cursor(input.cursor());
        } else if let Some(veiled) = veiled(input.value()) {
            input = Input::new(veiled).with_cursor(input.cursor());
        }
        let (scroll, mut end) = (input.visual_scroll(width), 0);
        let is_visible = |grapheme: &&str| {
            end += grapheme.width();
            end > scroll && end <= scroll + width
        };
        let visible: String = input.value().graphemes(true).filter(is_visible).collect();
        let cursor = PROMPT.len() + input.visual_cursor() - scroll;
        let (shown, mut out) = (mem::take(&mut self.shown), io::stdout().lock());
        queue!(out, MoveToColumn(0), Clear(ClearType::FromCursorDown), Print(shown))?;
        queue!(out, Print(PROMPT), Print(visible), MoveToColumn(cursor as u16))?;
        out.flush()
    }
}

//! What keys do, and what becomes of a line that was typed or pasted.

use chinwag::Now;
use chinwag::client::veiled;
use chinwag::text::is_blank;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::json;

use super::super::complete::Known;
use super::super::room::{How, as_text};
use super::rooms::Asked;
use super::telling::OWN;
use super::{Act, Client, Question};

/// Lines of a paste that are said without asking.
const PASTED_MAX: usize = 5;

/// Lines that were pasted, the first behind what was typed before it, and what follows the last.
pub(super) struct Paste {
    lines: Vec<String>,
    rest: String,
    /// Characters of that before the cursor.
    cursor: usize,
}

impl Paste {
    /// How many of them say something.
    pub(super) fn count(&self) -> usize {
        self.lines.iter().filter(|line| !line.trim().is_empty()).count()
    }
}

/// Ctrl-J, a line feed, is Enter as in readline: so what is not typed by hand often ends its lines.
fn as_enter(key: KeyEvent) -> KeyEvent {
    match (key.code, key.modifiers) {
        (KeyCode::Char('j'), KeyModifiers::CONTROL) => {
            KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)
        }
        _ => key,
    }
}

impl Client {
    /// A key was pressed, while so many rows of a log were to be seen.
    pub(in super::super) fn handle_key(&mut self, key: KeyEvent, seen: (usize, usize), now: Now) {
        self.now = now;
        if key.kind == KeyEventKind::Release {
            return;
        }
        let key = as_enter(key);
        let is_empty = self.editor.is_empty();
        let control = key.modifiers == KeyModifiers::CONTROL;
        match key.code {
            KeyCode::Char('z') if control => {
                return self.acts.push(Act::Suspend { alone: false });
            }
            KeyCode::Char('l') if control => return self.acts.push(Act::Redraw),
            KeyCode::Char('c') if control => return self.interrupt(),
            KeyCode::Char('d') if control && is_empty => return self.interrupt(),
            _ if self.pasted.is_some() => return self.decide(key),
            _ => {}
        }
        if self.move_rooms(key) || self.scroll(key, seen) {
            return;
        }
        match (key.code, &self.question) {
            (KeyCode::Enter, Some(_)) => self.answer(),
            (_, Some(_)) => self.editor.press_plain(key),
            (KeyCode::Enter, None) => self.enter_line(),
            (KeyCode::Tab, None) => self.complete(),
            (_, None) => drop(self.editor.press(key)),
        }
    }

    /// Ctrl-C clears; nothing but `/quit` leaves, once one is in.
    fn interrupt(&mut self) {
        if self.pasted.take().is_some() {
            return;
        }
        if !self.editor.is_empty() || self.editor.searched().is_some() {
            return self.editor.set(String::new());
        }
        if !self.was_in {
            return self.leave("");
        }
        let hint = self.lang.pick("/quit leaves.", "输入 /quit 离开。");
        self.notice(None, hint);
    }

    /// Alt with a number, or with an arrow, shows another room. Whether it was that.
    fn move_rooms(&mut self, key: KeyEvent) -> bool {
        if key.modifiers != KeyModifiers::ALT {
            return false;
        }
        let count = self.rooms.len();
        let to = match key.code {
            KeyCode::Char(digit @ '1'..='9') => digit as usize - '1' as usize,
            KeyCode::Left if count > 0 => (self.active + count - 1) % count,
            KeyCode::Right if count > 0 => (self.active + 1) % count,
            KeyCode::Left | KeyCode::Right => return true,
            _ => return false,
        };
        if to < count && to != self.active {
            self.show(to);
        }
        true
    }

    /// Goes back and forth in the log. Whether it was a key for that.
    fn scroll(&mut self, key: KeyEvent, (columns, rows): (usize, usize)) -> bool {
        let page = rows.saturating_sub(1).max(1).cast_signed();
        let by = match key.code {
            KeyCode::PageUp => -page,
            KeyCode::PageDown => page,
            _ => return false,
        };
        let outage = self.outage();
        let look = self.look_of(columns, &outage);
        let room = self.rooms.get(self.active).unwrap_or(&self.nowhere);
        let (bottom, is_at_top) = look.scrolled(room, by, rows);
        self.active_room().bottom = bottom;
        if is_at_top && by < 0 {
            self.want_older();
        }
        true
    }

    fn complete(&mut self) {
        let me = self.me.clone().unwrap_or_default();
        let room = self.rooms.get(self.active).unwrap_or(&self.nowhere);
        let rooms = self.rooms.iter().map(|room| &*room.name).collect();
        let known = Known { me: &me, people: &room.people, rooms };
        let (line, cursor) = (self.editor.value().to_owned(), self.editor.cursor());
        if let Some((line, cursor)) = self.completer.complete(&line, cursor, &known) {
            self.editor.set_with_cursor(line, cursor);
        }
    }

    // ── pasting ──

    /// Something was pasted. What comes in whole lines is said; much of it only if that is wanted.
    pub(in super::super) fn handle_paste(&mut self, text: &str, now: Now) {
        self.now = now;
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = super::super::message::cleaned(&text);
        let is_command = self.editor.value().starts_with('/');
        if self.question.is_some() || is_command || self.pasted.is_some() {
            // A name is one line, and so is what a command takes: nothing of it goes elsewhere.
            let line = text.trim_end_matches('\n').replace('\n', " ");
            return self.editor.insert(&line);
        }
        let Some((lines, rest)) = text.rsplit_once('\n') else {
            return self.editor.insert(&text);
        };
        let (before, behind) =
            super::super::editor::split_at(self.editor.value(), self.editor.cursor());
        let lines = format!("{before}{lines}").split('\n').map(str::to_owned).collect();
        let paste = Paste { lines, rest: format!("{rest}{behind}"), cursor: rest.chars().count() };
        if paste.count() + usize::from(!rest.trim().is_empty()) > PASTED_MAX {
            // What was typed stays, should it not be wanted.
            self.pasted = Some(paste);
        } else {
            self.say_all(paste);
        }
    }

    /// What was pasted is said, or not.
    fn decide(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('y' | 'Y') => {
                let pasted = self.pasted.take();
                pasted.into_iter().for_each(|paste| self.say_all(paste));
            }
            KeyCode::Char('n' | 'N') | KeyCode::Esc => self.pasted = None,
            _ => {}
        }
    }

    /// What was pasted is text, whatever it begins with. What is behind its last line end stays to
    /// be typed on.
    fn say_all(&mut self, Paste { lines, rest, cursor }: Paste) {
        self.editor.set_with_cursor(rest, cursor);
        let mut lines = lines.iter().filter(|line| !line.trim().is_empty());
        while let Some(line) = lines.next() {
            if self.waits(&as_text(line)) || self.say(line, How { emote: false, to: None }) {
                continue;
            }
            self.editor.insert(line);
            let left = lines.count();
            if left > 0 {
                let told = self.lang.not_said(left);
                self.refusal(None, &told);
            }
            return;
        }
    }

    // ── lines ──

    fn enter_line(&mut self) {
        let line = self.editor.take();
        if line.trim().is_empty() {
            return;
        }
        if !self.waits(&line) && !self.process(&line) {
            return self.editor.set(line);
        }
        let room = self.active_room();
        (room.bottom, room.divider) = (None, None);
        if veiled(&line).is_none() {
            self.editor.keep(line);
        }
    }

    /// Does what a line asks for, or says it; `false` if that cannot be, and the line is to stay.
    pub(super) fn process(&mut self, line: &str) -> bool {
        let confirmation = self.confirmation.take();
        if confirmation.is_some_and(|answer| line.trim().eq_ignore_ascii_case(&answer)) {
            return self.command(line);
        }
        if !line.starts_with('/') || line.starts_with("//") {
            let text = line.strip_prefix('/').unwrap_or(line);
            return self.say(text, How { emote: false, to: None });
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        match &*word.to_ascii_lowercase() {
            "/quit" => self.leave(rest),
            "/set" => self.set(rest),
            "/again" => return self.again(),
            "/help" | "/h" if OWN.iter().any(|own| own.is(rest)) => self.help_own(rest),
            "/me" if !rest.is_empty() => {
                return self.say(rest, How { emote: true, to: None });
            }
            "/msg" | "/tell" if rest.contains(' ') => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let to = Some(to.to_owned());
                return self.say(text.trim_start(), How { emote: false, to });
            }
            "/join" | "/j" if !rest.is_empty() => return self.go(rest),
            _ => return self.command(line),
        }
        true
    }

    /// Has the server do what a line says.
    fn command(&mut self, line: &str) -> bool {
        if self.me.is_none() {
            let why = self
                .lang
                .pick("There is no connection. This is not done yet.", "没有连接。尚未执行。");
            self.refusal(None, why);
            return false;
        }
        if !self.fits(line) {
            return false;
        }
        let mut message = json!({"type": "say", "text": line});
        if let Some(room) = self.rooms.get(self.active) {
            message["room"] = json!(room.name);
        }
        self.send(message);
        true
    }

    fn fits(&mut self, text: &str) -> bool {
        let (count, max) = (text.len(), self.line_bytes_max);
        if count > max {
            let why = self.lang.pick(
                format!("This line has {count} bytes, and may have {max}."),
                format!("这一行有 {count} 字节,最多 {max} 字节。"),
            );
            self.refusal(None, &why);
        }
        count <= max
    }

    /// Says something in the room that is shown, or to one person. Without a connection it is said
    /// when there is one again.
    fn say(&mut self, text: &str, how: How) -> bool {
        // The server does not answer to what says nothing.
        if is_blank(text) || !self.fits(text) {
            return is_blank(text);
        }
        if !self.was_in {
            return false;
        }
        if self.rooms.is_empty() && how.to.is_none() {
            let why =
                self.lang.pick("You are in no room. /join one.", "您不在任何房间。请 /join 一个。");
            self.refusal(None, why);
            return false;
        }
        self.keys += 1;
        let (key, at) = (format!("c{}", self.keys), self.unix());
        let is_connected = self.me.is_some();
        let room = self.active_room();
        room.pend(key, text.to_owned(), how, at);
        if is_connected {
            let messages = room.unsent();
            messages.into_iter().for_each(|message| self.send(message));
        }
        true
    }

    /// Says again what nobody knows whether it was heard.
    fn again(&mut self) -> bool {
        if self.me.is_none() {
            return self.command("/again");
        }
        for (text, emote) in self.active_room().take_unsure() {
            match text.strip_prefix("/msg ").and_then(|rest| rest.split_once(' ')) {
                Some((to, text)) => self.say(text, How { emote, to: Some(to.to_owned()) }),
                None => self.say(&text, How { emote, to: None }),
            };
        }
        true
    }

    /// Shows a room, which is joined if need be.
    fn go(&mut self, rest: &str) -> bool {
        let (name, key) = rest.split_once(' ').map_or((rest, None), |(a, b)| (a, Some(b.trim())));
        let name = if name.starts_with('#') { name.to_owned() } else { format!("#{name}") };
        let is_it = |room: &super::Room| room.name.to_lowercase() == name.to_lowercase();
        if let Some(at) = self.rooms.iter().position(is_it) {
            self.show(at);
            return true;
        }
        if self.me.is_none() {
            return self.command("/join");
        }
        let (opener, from) = (key.map(str::to_owned), self.active_room().name.clone());
        self.join(Asked::new(name, opener, Some(from)));
        true
    }

    fn set(&mut self, rest: &str) {
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let done = if rest.is_empty() { Ok(()) } else { self.settings.set(name, value.trim()) };
        match done {
            Ok(()) => {
                let now = self.settings.to_string();
                self.notice(None, &now);
                self.acts.push(Act::Redraw);
            }
            Err(why) => self.refusal(None, &why),
        }
    }

    /// Whether what is typed is not to be seen.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.question, Some(Question::Password | Question::Account(_)))
    }
}

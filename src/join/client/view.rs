//! What is to be seen of the client: the log, the status row, the line that is typed.

use chinwag::client::veiled;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::super::editor::split_at;
use super::super::room::Room;
use super::super::screen::{Frame, Look, Row, Style, span};
use super::super::wrap::{TAB_COLUMNS, window};
use super::{Client, Question};

/// Rows that are not of the log.
pub(in super::super) const OTHER_ROWS: usize = 2;

impl Client {
    /// The screen, of so many columns and rows.
    pub(in super::super) fn frame(&self, columns: usize, rows: usize) -> Frame {
        let outage = self.outage();
        let look = self.look_of(columns, &outage);
        let room = self.rooms.get(self.active).unwrap_or(&self.nowhere);
        let count = rows.saturating_sub(OTHER_ROWS);
        let mut shown = look.log(room, count);
        // The log begins above the status row, and grows upwards.
        let blank = count - shown.len();
        shown.splice(0..0, std::iter::repeat_n(Row::new(), blank));
        if rows >= OTHER_ROWS {
            shown.push(vec![span(Style::Status, self.status(columns))]);
        }
        let (input, cursor) = self.input(columns);
        shown.push(input);
        Frame { cursor: (cursor, shown.len() - 1), rows: shown }
    }

    pub(super) fn look_of<'a>(&'a self, columns: usize, outage: &'a str) -> Look<'a> {
        Look {
            lang: self.lang,
            settings: self.settings,
            zone: &self.zone,
            me: self.identity.nick.as_deref().unwrap_or_default(),
            now: self.unix(),
            outage,
            waiting: self.waiting(),
            columns,
        }
    }

    /// What is to be said while there is no connection.
    pub(super) fn outage(&self) -> String {
        match self.retry_at {
            Some(at) => {
                let left =
                    at.saturating_duration_since(self.now.instant).as_millis().div_ceil(1000);
                self.lang.pick(
                    format!("There is no connection. Next try in {left} s."),
                    format!("没有连接。{left} 秒后重试。"),
                )
            }
            None => self
                .lang
                .pick("There is no connection. Trying …", "没有连接。正在重试 …")
                .to_owned(),
        }
    }

    /// Name, room, how many are there, the rooms with what is new in them, and the connection.
    fn status(&self, columns: usize) -> String {
        let lang = self.lang;
        let mut parts = Vec::new();
        parts.extend(self.me.clone());
        if let Some(room) = self.rooms.get(self.active) {
            parts.push(format!("{} {}", room.name, lang.here(room.count)));
        }
        if self.rooms.len() > 1 {
            let all = self.rooms.iter().enumerate().map(|(at, room)| self.tab(at, room));
            parts.push(all.collect::<Vec<_>>().join(" "));
        }
        parts.push(match self.pulse {
            None if self.was_in => lang.pick("no connection", "没有连接").to_owned(),
            None => lang.pick("connecting …", "正在连接 …").to_owned(),
            Some(pulse) => match pulse.lag {
                Some(lag) => format!("{} ms", lag.as_millis()),
                None => lang.pick("connected", "已连接").to_owned(),
            },
        });
        let room = self.rooms.get(self.active).unwrap_or(&self.nowhere);
        if room.bottom.is_some() {
            parts.push(lang.pick("PageDown: more below", "PageDown:下面还有").to_owned());
        }
        let text = window(&format!(" {} ", parts.join(" · ")), 0, columns);
        let blank = columns.saturating_sub(text.width());
        text + &" ".repeat(blank)
    }

    /// A room in the list: its number, its name, and how much is new; `!` if we are meant.
    fn tab(&self, at: usize, room: &Room) -> String {
        let number = at + 1;
        let new = match (room.unread, room.mentions) {
            (0, _) => String::new(),
            (unread, 0) => format!("({unread})"),
            (unread, _) => format!("({unread}!)"),
        };
        let name = &room.name;
        if at == self.active {
            format!("[{number}:{name}{new}]")
        } else {
            format!("{number}:{name}{new}")
        }
    }

    /// The row in which one types, and the column of the cursor.
    fn input(&self, columns: usize) -> (Row, usize) {
        let prompt = self.prompt();
        let value = self.editor.value();
        let veiled = veiled(value);
        let value = match self.is_secret() || self.pasted.is_some() {
            true => "",
            false => veiled.as_deref().unwrap_or(value),
        };
        let (before, behind) = split_at(value, self.editor.cursor());
        let before = expanded(before, 0);
        let cursor = before.width();
        let all = format!("{before}{}", expanded(behind, cursor));
        let prompt = window(&prompt, 0, columns.saturating_sub(1));
        let width = columns.saturating_sub(prompt.width() + 1);
        let scroll = cursor.saturating_sub(width);
        let column = prompt.width() + cursor - scroll;
        (vec![span(Style::Plain, prompt), span(Style::Plain, window(&all, scroll, width))], column)
    }

    fn prompt(&self) -> String {
        let lang = self.lang;
        if let Some(pasted) = &self.pasted {
            let count = pasted.count();
            return lang
                .pick(format!("Say these {count} lines? y/n "), format!("发送这 {count} 行?y/n "));
        }
        match &self.question {
            Some(Question::Nickname) => lang.pick("Nickname: ", "昵称:").to_owned(),
            Some(Question::Password) => {
                lang.pick("Password of the server: ", "服务器密码:").to_owned()
            }
            Some(Question::Account(name)) => {
                lang.pick(format!("Password of {name}: "), format!("{name} 的密码:"))
            }
            None => match self.editor.searched() {
                Some(words) => {
                    lang.pick(format!("(search '{words}') "), format!("(查找“{words}”)"))
                }
                None => "> ".to_owned(),
            },
        }
    }
}

/// A text with blanks where TABs are, as it stands from this column on.
fn expanded(text: &str, mut column: usize) -> String {
    let mut shown = String::new();
    for grapheme in text.graphemes(true) {
        if grapheme == "\t" {
            let count = TAB_COLUMNS - column % TAB_COLUMNS;
            shown += &" ".repeat(count);
            column += count;
        } else {
            shown += grapheme;
            column += grapheme.width();
        }
    }
    shown
}

//! The line that is being typed, with the keys of readline, what was typed before, and a search
//! in that.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Lines that can be had again.
const LINES_MAX: usize = 1000;

/// The line editor.
#[derive(Debug, Default)]
pub(super) struct Editor {
    input: Input,
    typed: Vec<String>,
    /// How many steps we are back from the line that was being typed, which waits here.
    back: usize,
    draft: String,
    search: Option<Search>,
}

/// A search for what was typed.
#[derive(Debug, Default)]
struct Search {
    words: String,
    /// The line in which they were found.
    found: Option<usize>,
    /// The line that was being typed.
    before: String,
}

impl Editor {
    pub(super) fn value(&self) -> &str {
        match self.search.as_ref().and_then(|search| search.found) {
            Some(found) => &self.typed[found],
            None => self.input.value(),
        }
    }

    /// How many characters stand before the cursor.
    pub(super) fn cursor(&self) -> usize {
        if self.search.is_some() { self.value().chars().count() } else { self.input.cursor() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.value().is_empty()
    }

    /// What is searched for, if something is.
    pub(super) fn searched(&self) -> Option<&str> {
        self.search.as_ref().map(|search| &*search.words)
    }

    pub(super) fn set(&mut self, line: String) {
        self.search = None;
        self.input = Input::new(line);
    }

    pub(super) fn set_with_cursor(&mut self, line: String, cursor: usize) {
        self.search = None;
        self.input = Input::new(line).with_cursor(cursor);
    }

    /// Takes the line away, to be sent.
    pub(super) fn take(&mut self) -> String {
        let line = self.value().to_owned();
        self.set(String::new());
        (self.back, self.draft) = (0, String::new());
        line
    }

    /// Puts text at the cursor.
    pub(super) fn insert(&mut self, text: &str) {
        self.accept();
        let at = self.input.cursor();
        let (before, after) = split_at(self.input.value(), at);
        let line = format!("{before}{text}{after}");
        self.set_with_cursor(line, at + text.chars().count());
    }

    /// Keeps a line that was sent, unless it is the last one again.
    pub(super) fn keep(&mut self, line: String) {
        if self.typed.last() != Some(&line) {
            self.typed.push(line);
        }
        if self.typed.len() > LINES_MAX {
            self.typed.remove(0);
        }
    }

    fn earlier(&mut self) {
        let Some(at) = self.typed.len().checked_sub(self.back + 1) else { return };
        if self.back == 0 {
            self.draft = self.input.value().to_owned();
        }
        self.back += 1;
        self.set(self.typed[at].clone());
    }

    fn later(&mut self) {
        let Some(back) = self.back.checked_sub(1) else { return };
        self.back = back;
        let line = match back {
            0 => std::mem::take(&mut self.draft),
            _ => self.typed[self.typed.len() - back].clone(),
        };
        self.set(line);
    }

    /// Does what a key is for in a line; whether it is for anything there.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        if self.search.is_some() && self.press_in_search(key) {
            return true;
        }
        let control = key.modifiers == KeyModifiers::CONTROL;
        match key.code {
            KeyCode::Up => self.earlier(),
            KeyCode::Down => self.later(),
            KeyCode::Char('p') if control => self.earlier(),
            KeyCode::Char('n') if control => self.later(),
            KeyCode::Char('r') if control => self.begin_search(),
            _ => {
                let Some(request) = request(key) else { return false };
                self.input.handle(request);
            }
        }
        true
    }

    /// Only what can be read back: a password is never searched for, nor kept.
    pub(super) fn press_plain(&mut self, key: KeyEvent) {
        request(key).map(|request| self.input.handle(request));
    }

    fn begin_search(&mut self) {
        let before = self.input.value().to_owned();
        self.search = Some(Search { before, ..Search::default() });
    }

    fn press_in_search(&mut self, key: KeyEvent) -> bool {
        let Some(search) = &mut self.search else { return false };
        match (key.code, key.modifiers) {
            (KeyCode::Char('r'), KeyModifiers::CONTROL) => {
                let from = search.found.unwrap_or(self.typed.len());
                let found = find(&self.typed[..from], &search.words);
                search.found = found.or(search.found);
            }
            (KeyCode::Char('g'), KeyModifiers::CONTROL) | (KeyCode::Esc, _) => {
                let before = std::mem::take(&mut search.before);
                self.set(before);
            }
            (KeyCode::Backspace, _) => {
                search.words.pop();
                search.found = find(&self.typed, &search.words);
            }
            (KeyCode::Char(letter), KeyModifiers::NONE | KeyModifiers::SHIFT) => {
                search.words.push(letter);
                search.found = find(&self.typed, &search.words);
            }
            _ => {
                // Any other key goes on with what was found.
                self.accept();
                return false;
            }
        }
        true
    }

    /// What was found is the line that is typed.
    fn accept(&mut self) {
        if self.search.is_some() {
            let line = self.value().to_owned();
            self.set(line);
        }
    }
}

/// The last line that has these words in it.
fn find(lines: &[String], words: &str) -> Option<usize> {
    if words.is_empty() {
        return None;
    }
    let words = words.to_lowercase();
    lines.iter().rposition(|line| line.to_lowercase().contains(&words))
}

/// A text before and behind so many characters.
pub(super) fn split_at(text: &str, characters: usize) -> (&str, &str) {
    let at = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// What a key does in a line, as in readline.
fn request(key: KeyEvent) -> Option<InputRequest> {
    use InputRequest::*;
    let (none, control, alt) = (
        key.modifiers - KeyModifiers::SHIFT == KeyModifiers::NONE,
        key.modifiers == KeyModifiers::CONTROL,
        key.modifiers == KeyModifiers::ALT,
    );
    Some(match key.code {
        KeyCode::Char(letter) if none => InsertChar(letter),
        KeyCode::Char('a') if control => GoToStart,
        KeyCode::Char('e') if control => GoToEnd,
        KeyCode::Char('b') if control => GoToPrevChar,
        KeyCode::Char('f') if control => GoToNextChar,
        KeyCode::Char('h') if control => DeletePrevChar,
        KeyCode::Char('d') if control => DeleteNextChar,
        KeyCode::Char('w') if control => DeletePrevWord,
        KeyCode::Char('u') if control => DeleteFromStart,
        KeyCode::Char('k') if control => DeleteTillEnd,
        KeyCode::Char('y') if control => Yank,
        KeyCode::Char('b') if alt => GoToPrevWord,
        KeyCode::Char('f') if alt => GoToNextWord,
        KeyCode::Char('d') if alt => DeleteNextWord,
        KeyCode::Backspace if alt || control => DeletePrevWord,
        KeyCode::Left if control => GoToPrevWord,
        KeyCode::Right if control => GoToNextWord,
        KeyCode::Delete if control => DeleteNextWord,
        KeyCode::Left if none => GoToPrevChar,
        KeyCode::Right if none => GoToNextChar,
        KeyCode::Home => GoToStart,
        KeyCode::End => GoToEnd,
        KeyCode::Backspace => DeletePrevChar,
        KeyCode::Delete => DeleteNextChar,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    fn types(editor: &mut Editor, text: &str) {
        for letter in text.chars() {
            editor.press(key(KeyCode::Char(letter), KeyModifiers::NONE));
        }
    }

    fn control(editor: &mut Editor, letter: char) {
        editor.press(key(KeyCode::Char(letter), KeyModifiers::CONTROL));
    }

    fn alt(editor: &mut Editor, letter: char) {
        editor.press(key(KeyCode::Char(letter), KeyModifiers::ALT));
    }

    #[test]
    fn the_keys_are_those_of_readline() {
        let mut editor = Editor::default();
        types(&mut editor, "one two three");
        alt(&mut editor, 'b');
        assert_eq!(editor.cursor(), 8);
        alt(&mut editor, 'b');
        assert_eq!(editor.cursor(), 4);
        alt(&mut editor, 'f');
        assert_eq!(editor.cursor(), 8);
        control(&mut editor, 'w');
        assert_eq!(editor.value(), "one three");
        control(&mut editor, 'a');
        alt(&mut editor, 'd');
        assert_eq!(editor.value(), "three");
        control(&mut editor, 'e');
        control(&mut editor, 'u');
        assert_eq!(editor.value(), "");
        control(&mut editor, 'y');
        assert_eq!(editor.value(), "three");
    }

    #[test]
    fn what_was_typed_is_found_again_and_what_is_being_typed_too() {
        let mut editor = Editor::default();
        for line in ["a", "b", "b"] {
            editor.keep(line.to_owned());
        }
        types(&mut editor, "half");
        for (code, value) in [
            (KeyCode::Up, "b"),
            (KeyCode::Up, "a"),
            (KeyCode::Up, "a"),
            (KeyCode::Down, "b"),
            (KeyCode::Down, "half"),
            (KeyCode::Down, "half"),
        ] {
            editor.press(key(code, KeyModifiers::NONE));
            assert_eq!(editor.value(), value);
        }
    }

    #[test]
    fn a_search_finds_what_was_typed_the_latest_first() {
        let mut editor = Editor::default();
        for line in ["make tea", "make coffee", "drink Tea"] {
            editor.keep(line.to_owned());
        }
        types(&mut editor, "half");
        control(&mut editor, 'r');
        types(&mut editor, "tea");
        assert_eq!((editor.value(), editor.searched()), ("drink Tea", Some("tea")));
        control(&mut editor, 'r');
        assert_eq!(editor.value(), "make tea");
        control(&mut editor, 'r');
        assert_eq!(editor.value(), "make tea", "there is no other");
        control(&mut editor, 'g');
        assert_eq!((editor.value(), editor.searched()), ("half", None));
        control(&mut editor, 'r');
        types(&mut editor, "cof");
        editor.press(key(KeyCode::Left, KeyModifiers::NONE));
        assert_eq!((editor.value(), editor.cursor()), ("make coffee", 10));
        assert_eq!(editor.take(), "make coffee");
    }
}

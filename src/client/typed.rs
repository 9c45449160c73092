//! What was typed, to be taken up again.

/// Lines that were typed, and the one that was being typed when an earlier one was taken up.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    lines: Vec<String>,
    draft: String,
    /// How many steps we are back from the draft.
    back: usize,
}

impl Typed {
    /// The line before the one that is taken up now, instead of `line`, which is being typed;
    /// `line` itself if there is none.
    #[must_use]
    pub fn earlier(&mut self, line: String) -> String {
        let Some(at) = self.lines.len().checked_sub(self.back + 1) else { return line };
        if self.back == 0 {
            self.draft = line;
        }
        self.back += 1;
        self.lines[at].clone()
    }

    /// The line after the one that is taken up now, instead of `line`, which is being typed;
    /// `line` itself if there is none.
    #[must_use]
    pub fn later(&mut self, line: String) -> String {
        let Some(back) = self.back.checked_sub(1) else { return line };
        self.back = back;
        match back {
            0 => std::mem::take(&mut self.draft),
            _ => self.lines[self.lines.len() - back].clone(),
        }
    }

    /// Keeps `line`, which has been sent, as the last one, unless it was that already.
    pub fn push(&mut self, line: String) {
        (self.back, self.draft) = (0, String::new());
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(lines: &[&str]) -> Typed {
        let mut typed = Typed::default();
        lines.iter().for_each(|line| typed.push((*line).to_owned()));
        typed
    }

    #[test]
    fn what_was_typed_is_found_again_and_what_is_being_typed_too() {
        let mut typed = typed(&["a", "b"]);
        let mut line = "half".to_owned();
        for earlier in ["b", "a", "a"] {
            line = typed.earlier(line);
            assert_eq!(line, earlier);
        }
        for later in ["b", "half", "half"] {
            line = typed.later(line);
            assert_eq!(line, later);
        }
        assert_eq!(typed.earlier(line), "b");
    }

    #[test]
    fn after_a_line_was_sent_it_is_the_last() {
        let mut typed = typed(&["a", "b", "b"]);
        assert_eq!(typed.earlier("half".to_owned()), "b");
        assert_eq!(typed.earlier("b".to_owned()), "a");
        typed.push("c".to_owned());
        assert_eq!(typed.later(String::new()), "");
        for earlier in ["c", "b", "a"] {
            assert_eq!(typed.earlier(String::new()), earlier);
        }
    }

    #[test]
    fn where_nothing_was_typed_nothing_is_found() {
        let mut typed = Typed::default();
        assert_eq!(typed.earlier("half".to_owned()), "half");
        assert_eq!(typed.later("half".to_owned()), "half");
    }
}

//! What was typed, to be taken up again.

/// Lines that were typed, and the one that was being typed when an earlier one was taken up.
#[derive(Clone, Debug, Default)]
pub struct InputHistory {
    lines: Vec<String>,
    draft: String,
    /// How many steps we are back from the draft.
    back: usize,
}

impl InputHistory {
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

    fn input_history(lines: &[&str]) -> InputHistory {
        let mut input_history = InputHistory::default();
        lines.iter().for_each(|line| input_history.push((*line).to_owned()));
        input_history
    }

    #[test]
    fn what_was_typed_is_found_again_and_what_is_being_typed_too() {
        let mut input_history = input_history(&["a", "b"]);
        let mut line = "half".to_owned();
        for earlier in ["b", "a", "a"] {
            line = input_history.earlier(line);
            assert_eq!(line, earlier);
        }
        for later in ["b", "half", "half"] {
            line = input_history.later(line);
            assert_eq!(line, later);
        }
        assert_eq!(input_history.earlier(line), "b");
    }

    #[test]
    fn after_a_line_was_sent_it_is_the_last() {
        let mut input_history = input_history(&["a", "b", "b"]);
        assert_eq!(input_history.earlier("half".to_owned()), "b");
        assert_eq!(input_history.earlier("b".to_owned()), "a");
        input_history.push("c".to_owned());
        assert_eq!(input_history.later(String::new()), "");
        for earlier in ["c", "b", "a"] {
            assert_eq!(input_history.earlier(String::new()), earlier);
        }
    }

    #[test]
    fn where_nothing_was_typed_nothing_is_found() {
        let mut input_history = InputHistory::default();
        assert_eq!(input_history.earlier("half".to_owned()), "half");
        assert_eq!(input_history.later("half".to_owned()), "half");
    }
}

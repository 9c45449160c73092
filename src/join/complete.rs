//! What Tab makes of a line: names, rooms and commands.

use chinwag::event::Topic;

use super::editor::split_at;

/// What the client does itself.
const OWN: [&str; 2] = ["set", "again"];

/// What is behind a name that was completed, if it stands at the beginning of the line.
const BEHIND_FIRST: &str = ": ";

/// Completes, and goes on to the next that fits if it is asked again.
#[derive(Debug, Default)]
pub(super) struct Completer {
    /// What has been completed, as it is now, and then what else could be made of it.
    found: Vec<String>,
}

/// What there is to complete: names, the best last, and rooms.
pub(super) struct Known<'a> {
    pub(super) me: &'a str,
    pub(super) people: &'a [String],
    pub(super) rooms: Vec<&'a str>,
}

impl Completer {
    /// The line, and where the cursor is then; `None` if there is nothing that the word before the
    /// cursor could become.
    pub(super) fn complete(
        &mut self,
        line: &str,
        cursor: usize,
        known: &Known<'_>,
    ) -> Option<(String, usize)> {
        let (before, rest) = split_at(line, cursor);
        match self.found.first() {
            Some(completed) if completed == before => self.found.rotate_left(1),
            _ => self.found = candidates(before, known),
        }
        let completed = self.found.first()?;
        Some((format!("{completed}{rest}"), completed.chars().count()))
    }
}

fn candidates(before: &str, known: &Known<'_>) -> Vec<String> {
    let begins_word = |c: char| c.is_whitespace() || "@(\u{ff08}".contains(c);
    let start = before
        .char_indices()
        .rfind(|(_, c)| begins_word(*c))
        .map_or(0, |(at, c)| at + c.len_utf8());
    let (head, word) = before.split_at(start);
    let wanted = word.to_lowercase();
    let fits = |candidate: &str| candidate.to_lowercase().starts_with(&wanted);
    if let Some(command) = wanted.strip_prefix('/').filter(|_| head.is_empty()) {
        let all = Topic::ALL.into_iter().map(|topic| format!("{topic:?}").to_lowercase());
        let all = all.chain(OWN.map(str::to_owned));
        let all = all.filter(|name| name.starts_with(command));
        return all.map(|name| format!("/{name} ")).collect();
    }
    if word.starts_with('#') {
        let rooms = known.rooms.iter().filter(|room| fits(room));
        return rooms.map(|room| format!("{head}{room} ")).collect();
    }
    let behind = match head.chars().next_back() {
        None => BEHIND_FIRST,
        // What is in brackets may end there.
        Some('(' | '\u{ff08}') => "",
        Some(_) => " ",
    };
    let names = known.people.iter().rev().filter(|name| *name != known.me && fits(name));
    names.map(|name| format!("{head}{name}{behind}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(lines: &[&str]) -> Vec<String> {
        let people = ["Barbara", "alice", "bob", "王芳"].map(str::to_owned);
        let known = Known { me: "alice", people: &people, rooms: vec!["#lobby", "#ops"] };
        let mut completer = Completer::default();
        let mut complete = |line: &&str| completer.complete(line, line.chars().count(), &known);
        lines.iter().map(|line| complete(line).map_or_else(String::new, |it| it.0)).collect()
    }

    #[test]
    fn names_are_completed_at_the_beginning_elsewhere_and_behind_signs() {
        assert_eq!(completed(&["b"]), ["bob: "]);
        assert_eq!(completed(&["b", "bob: ", "Barbara: "]), ["bob: ", "Barbara: ", "bob: "]);
        assert_eq!(completed(&["and BAR"]), ["and Barbara "]);
        assert_eq!(completed(&["@b"]), ["@bob "]);
        assert_eq!(completed(&["hi (b"]), ["hi (bob"]);
        assert_eq!(completed(&["hi (@b"]), ["hi (@bob "]);
        assert_eq!(completed(&["王"]), ["王芳: "]);
        assert_eq!(completed(&["al"]), [""]);
    }

    #[test]
    fn commands_and_rooms_are_completed_too() {
        assert_eq!(completed(&["/se"]), ["/search "]);
        assert_eq!(completed(&["/se", "/search "]), ["/search ", "/set "]);
        assert_eq!(completed(&["/join #o"]), ["/join #ops "]);
        assert_eq!(completed(&["/msg b"]), ["/msg bob "]);
    }
}

//! A message of IRC, taken apart without a copy: tags, a source, a command and its parameters.
//!
//! The grammar is that of Modern IRC (modern.ircdocs.horse, "Message Format"). Several spaces are
//! one, as in RFC 1459. What a client says of its own source means nothing and is left out.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr;

/// Parameters of one message; the last takes all that is left.
const PARAMETERS_MAX: usize = 15;

/// A message that has come. All of it is borrowed from its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Its tags as they came, without `@`; empty if there are none.
    pub(crate) tags: &'a str,
    /// What it asks for, as it is spelled.
    pub(crate) command: &'a str,
    parameters: [&'a str; PARAMETERS_MAX],
    count: usize,
}

impl<'a> Message<'a> {
    /// Takes a line apart, which has no line end any more. `None` if there is no command in it.
    pub(crate) fn parse(line: &'a str) -> Option<Message<'a>> {
        let (tags, rest) = match line.strip_prefix('@') {
            Some(tagged) => cut(tagged),
            None => ("", line),
        };
        let rest = rest.trim_start_matches(' ');
        let rest = if rest.starts_with(':') { cut(rest).1 } else { rest };
        let (command, mut rest) = cut(rest);
        if command.is_empty() {
            return None;
        }
        let mut message = Message { tags, command, ..Message::default() };
        while !rest.is_empty() {
            let is_last = message.count + 1 == PARAMETERS_MAX;
            let parameter = match rest.strip_prefix(':') {
                Some(trailing) => {
                    rest = "";
                    trailing
                }
                None if is_last => std::mem::take(&mut rest),
                None => {
                    let (middle, left) = cut(rest);
                    rest = left;
                    middle
                }
            };
            message.parameters[message.count] = parameter;
            message.count += 1;
        }
        Some(message)
    }

    /// Its parameters, in order.
    pub(crate) fn parameters(&self) -> &[&'a str] {
        &self.parameters[..self.count]
    }

    /// The parameter at a place, unless it is missing or empty.
    pub(crate) fn parameter(&self, place: usize) -> Option<&'a str> {
        self.parameters().get(place).copied().filter(|parameter| !parameter.is_empty())
    }

    /// Whether it has a tag, whatever its value.
    pub(crate) fn has_tag(&self, name: &str) -> bool {
        !self.tags.is_empty() && self.tag(name).is_some()
    }

    /// The tags that are the clients' own business, without what would steer a terminal. If one
    /// comes twice, the last one counts.
    pub(crate) fn client_tags(&self) -> String {
        let name = |tag: &'a str| tag.split_once('=').map_or(tag, |(name, _)| name);
        let tags: Vec<_> = self.tags.split(';').filter(|tag| tag.starts_with('+')).collect();
        let last: HashMap<_, _> =
            tags.iter().enumerate().map(|(place, tag)| (name(tag), place)).collect();
        let tags = tags.iter().enumerate().filter(|(place, tag)| last[name(tag)] == *place);
        let tags: Vec<_> = tags.map(|(_, tag)| *tag).collect();
        crate::text::clean(&tags.join(";")).into_owned()
    }

    /// The value of a tag, empty if it has none. If a tag comes twice, the last one counts.
    pub(crate) fn tag(&self, name: &str) -> Option<Cow<'a, str>> {
        let tags = self.tags.split(';').map(|tag| tag.split_once('=').unwrap_or((tag, "")));
        tags.rev().find(|(key, _)| *key == name).map(|(_, value)| unescape(value))
    }
}

/// The first word of a text, and what comes behind it and its spaces.
fn cut(text: &str) -> (&str, &str) {
    match memchr(b' ', text.as_bytes()) {
        Some(end) => (&text[..end], text[end..].trim_start_matches(' ')),
        None => (text, ""),
    }
}

/// A tag's value as it is meant.
fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut meant = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            meant.push(character);
            continue;
        }
        match characters.next() {
            Some(':') => meant.push(';'),
            Some('s') => meant.push(' '),
            Some('r') => meant.push('\r'),
            Some('n') => meant.push('\n'),
            Some(other) => meant.push(other),
            None => {}
        }
    }
    Cow::Owned(meant)
}

/// A tag's value as it is written.
pub(crate) fn escape(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            ';' => written.push_str("\\:"),
            ' ' => written.push_str("\\s"),
            '\\' => written.push_str("\\\\"),
            '\r' => written.push_str("\\r"),
            '\n' => written.push_str("\\n"),
            other => written.push(other),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_is_read() {
        for value in ["", "plain", "a b;c\\d\r\ne", "\\s", "中 文"] {
            assert!(!escape(value).contains([' ', ';', '\r', '\n']), "{value:?}");
            assert_eq!(unescape(&escape(value)), value);
        }
    }

    fn parsed(line: &str) -> (&str, Vec<&str>) {
        let message = Message::parse(line).unwrap();
        (message.command, message.parameters().to_vec())
    }

    /// The cases of `msg-split.yaml` in ircdocs/parser-tests (CC0).
    #[test]
    fn messages_are_taken_apart_as_others_do() {
        for (line, command, parameters) in [
            ("foo bar baz asdf", "foo", &["bar", "baz", "asdf"][..]),
            (":coolguy foo bar baz asdf", "foo", &["bar", "baz", "asdf"]),
            ("foo bar baz :asdf quux", "foo", &["bar", "baz", "asdf quux"]),
            ("foo bar baz :", "foo", &["bar", "baz", ""]),
            ("foo bar baz ::asdf", "foo", &["bar", "baz", ":asdf"]),
            (":coolguy foo bar baz :asdf quux", "foo", &["bar", "baz", "asdf quux"]),
            (":coolguy foo bar baz :  asdf quux ", "foo", &["bar", "baz", "  asdf quux "]),
            (":coolguy PRIVMSG bar :lol :) ", "PRIVMSG", &["bar", "lol :) "]),
            (":coolguy foo bar baz :  ", "foo", &["bar", "baz", "  "]),
            ("@c;h=;a=b :quux ab cd", "ab", &["cd"]),
            (":src JOIN #chan", "JOIN", &["#chan"]),
            (":src JOIN :#chan", "JOIN", &["#chan"]),
            (":src AWAY", "AWAY", &[]),
            (":src AWAY ", "AWAY", &[]),
            (":cool\tguy foo bar baz", "foo", &["bar", "baz"]),
            ("COMMAND", "COMMAND", &[]),
            (
                ":gravel.mozilla.org 432  #momo :Erroneous: Illegal",
                "432",
                &["#momo", "Erroneous: Illegal"],
            ),
            (":gravel.mozilla.org MODE #tckk +n ", "MODE", &["#tckk", "+n"]),
            (
                ":services.esper.net MODE #foo-bar +o foobar  ",
                "MODE",
                &["#foo-bar", "+o", "foobar"],
            ),
        ] {
            assert_eq!(parsed(line), (command, parameters.to_vec()), "{line:?}");
        }
    }

    #[test]
    fn tags_are_read_as_they_are_meant() {
        for (line, name, value) in [
            ("@a=b;c=32;k;rt=ql7 foo", "c", Some("32")),
            ("@a=b;c=32;k;rt=ql7 foo", "k", Some("")),
            ("@a=b;c=32;k;rt=ql7 foo", "r", None),
            (r"@a=b\\and\nk;c=72\s45;d=gh\:764 foo", "a", Some("b\\and\nk")),
            (r"@a=b\\and\nk;c=72\s45;d=gh\:764 foo", "c", Some("72 45")),
            (r"@a=b\\and\nk;c=72\s45;d=gh\:764 foo", "d", Some("gh;764")),
            (r"@foo=\\\\\:\\s\s\r\n COMMAND", "foo", Some("\\\\;\\s \r\n")),
            (r"@tag1=value\\ntest COMMAND", "tag1", Some("value\\ntest")),
            (r"@tag1=value\1 COMMAND", "tag1", Some("value1")),
            (r"@tag1=value1\ COMMAND", "tag1", Some("value1")),
            ("@tag1=1;tag2=3;tag1=5 COMMAND", "tag1", Some("5")),
            ("COMMAND", "", Some("")),
        ] {
            let message = Message::parse(line).unwrap();
            assert_eq!(message.tag(name).as_deref(), value, "{line:?}");
        }
    }

    #[test]
    fn what_has_no_command_is_no_message() {
        for line in ["", " ", "@a=b", "@a=b ", ":source", ":source ", "@a :source"] {
            assert_eq!(Message::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn the_last_parameter_takes_all_that_is_left() {
        let line = format!("X {}", (1..=20).map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
        let message = Message::parse(&line).unwrap();
        assert_eq!(message.parameters().len(), PARAMETERS_MAX);
        assert_eq!(message.parameter(14), Some("15 16 17 18 19 20"));
        assert_eq!(
            (message.parameter(15), Message::parse("JOIN :").unwrap().parameter(0)),
            (None, None)
        );
    }
}

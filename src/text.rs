//! What may be a line of chat.
//!
//! Here lives the one rule by which text from a peer is made harmless before it is stored, logged
//! or sent on: what steers a terminal, breaks a line or turns the order of letters round is taken
//! out, and everything else stays. Finding line ends, telling UTF-8 from other bytes and limits on
//! length belong to the dialects; what may be a name is in [`crate::nickname`].
//!
//! Every dialect gives each line to [`clean`] first and then asks [`is_blank`] whether it says
//! anything.

use std::borrow::Cow;

/// How many bytes are looked at before asking whether to look on: enough for the compiler to turn
/// the loop into a few vector instructions, few enough that one `é` early in a line ends it soon.
const CHUNK_BYTES: usize = 32;

/// Takes out of `line` what could forge, break or reorder lines on somebody's terminal.
///
/// Removed are C0 and C1 controls, DEL, U+2028 and U+2029, bidi overrides and isolates
/// (U+202A–202E, U+2066–2069), U+FEFF and the tag characters (U+E0000–E007F); a TAB becomes a
/// space. Emoji with their zero-width joiners and letters that run from right to left stay.
///
/// Nearly every line needs nothing of this. Such a line is borrowed, and nothing is allocated.
pub fn clean(line: &str) -> Cow<'_, str> {
    if !line.as_bytes().chunks(CHUNK_BYTES).any(may_need_cleaning) {
        return Cow::Borrowed(line);
    }
    let Some(first) = line.find(|c| cleaned(c) != Some(c)) else {
        return Cow::Borrowed(line);
    };
    let (kept, rest) = line.split_at(first);
    let mut clean = String::with_capacity(line.len());
    clean.push_str(kept);
    clean.extend(rest.chars().filter_map(cleaned));
    Cow::Owned(clean)
}

/// Whether `line` says nothing: it is empty, or Unicode white space and no more.
pub fn is_blank(line: &str) -> bool {
    line.chars().all(char::is_whitespace)
}

/// Whether a byte of `chunk` belongs to a character that [`cleaned`] changes, or could.
///
/// Above ASCII those characters begin with one of only four bytes, so that most text of any
/// script is passed without being decoded. There is no early exit: that is what makes it fast.
fn may_need_cleaning(chunk: &[u8]) -> bool {
    chunk.iter().fold(false, |found, &byte| {
        let ascii_control = (byte < b' ') | (byte == 0x7f);
        let c1_control = byte == 0xc2;
        let separator_or_bidi = byte == 0xe2;
        let byte_order_mark = byte == 0xef;
        let tag = byte == 0xf3;
        found | ascii_control | c1_control | separator_or_bidi | byte_order_mark | tag
    })
}

/// What of `c` goes into a line: itself, a space in its place, or nothing.
fn cleaned(c: char) -> Option<char> {
    match c {
        '\t' => Some(' '),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => None,
        '\u{2028}' | '\u{2029}' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        '\u{feff}' => None,
        '\u{e0000}'..='\u{e007f}' => None,
        _ => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_borrowed(line: &str) -> bool {
        matches!(clean(line), Cow::Borrowed(same) if same == line)
    }

    #[test]
    fn a_line_with_nothing_to_remove_is_not_copied() {
        let lines = [
            "",
            "hi",
            " ~",
            "a line of plain words that is longer than one chunk of bytes is",
            "你好，世界",
            "“so” – he said…",
            "café ñ £5",
            "שלום عليكم",
            "👩‍👩‍👧‍👦 👍🏽 ☺️",
            "e\u{301}",
        ];
        for line in lines {
            assert!(is_borrowed(line), "{line:?}");
        }
    }

    #[test]
    fn what_steers_a_terminal_or_forges_a_line_is_removed() {
        let lines = [
            ("\x1b[2Jgone", "[2Jgone"),
            ("\x1b]52;c;aGk=\x07", "]52;c;aGk="),
            ("\u{9b}31mred", "31mred"),
            ("hi\rbob: hi", "hibob: hi"),
            ("hi\nbob: hi", "hibob: hi"),
            ("a\u{85}b\x0bc\x0cd\0e", "abcde"),
            ("a\u{2028}b\u{2029}c", "abc"),
            ("a\x7fb", "ab"),
            ("\u{202e}gnitfil\u{202c}", "gnitfil"),
            ("\u{2066}a\u{2067}b\u{2068}c\u{2069}", "abc"),
            ("\u{feff}hi", "hi"),
            ("🏴\u{e0067}\u{e0062}\u{e007f}", "🏴"),
            ("\r\n", ""),
            ("你好\x07，世界", "你好，世界"),
        ];
        for (line, expected) in lines {
            assert_eq!(clean(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_tab_becomes_a_space() {
        assert_eq!(clean("\ta\t\tb\t"), " a  b ");
    }

    #[test]
    fn exactly_the_listed_characters_are_changed_wherever_they_stand() {
        // The list once more, in numbers, so that a slip in either is seen.
        let listed = |c: char| {
            let c = u32::from(c);
            c < 0x20
                || (0x7f..0xa0).contains(&c)
                || (0x2028..0x202f).contains(&c)
                || (0x2066..0x206a).contains(&c)
                || c == 0xfeff
                || (0xe0000..0xe0080).contains(&c)
        };
        let mut line = String::new();
        for c in '\0'..=char::MAX {
            for before in ["", "a line in which it stands at the end of a chunk"] {
                line.clear();
                line.push_str(before);
                line.push(c);
                assert_eq!(is_borrowed(&line), !listed(c), "{c:?}");
                if listed(c) {
                    let instead = if c == '\t' { " " } else { "" };
                    assert_eq!(clean(&line), format!("{before}{instead}"), "{c:?}");
                }
            }
        }
    }

    #[test]
    fn cleaning_twice_is_cleaning_once() {
        let line = "a\u{202e}\x1b\tb\u{2028}\u{e0041}c";
        let once = clean(line).into_owned();
        assert!(is_borrowed(&once));
    }

    #[test]
    fn a_line_of_white_space_is_blank() {
        for line in ["", " ", "  \t ", "\u{3000}\u{a0}\u{2003}"] {
            assert!(is_blank(line), "{line:?}");
        }
        for line in ["a", " a ", ".", "\u{3000}你", "👍"] {
            assert!(!is_blank(line), "{line:?}");
        }
    }
}

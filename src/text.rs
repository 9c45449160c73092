//! What may be a line of chat.
//!
//! Here lives the one rule by which text from a peer is made harmless before it is stored, logged
//! or sent on: what steers a terminal, breaks a line or turns the order of letters round is taken
//! out, and so is what would let a line reach over others: wide gaps, by which its end becomes a
//! row of its own that looks like somebody else's line, and piles of marks. Everything else stays.
//! Finding line ends, telling UTF-8 from other bytes and limits on length belong to the dialects;
//! what may be a name is in [`crate::nickname`].
//!
//! Every dialect gives each line to [`clean`] first and then asks [`is_blank`] whether it says
//! anything.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// How many bytes are looked at before asking whether to look on: enough for a loop without exits,
/// few enough that one `é` early in a line ends it soon. The end of a line is filled up.
const CHUNK_BYTES: usize = 32;

/// Columns of white space with which a line may begin: code is indented.
const INDENT_COLUMNS_MAX: usize = 32;

/// Columns of white space that may stand anywhere else.
const GAP_COLUMNS_MAX: usize = 8;

/// What a TAB counts. It takes no more on any terminal, and at the end of a row it takes less.
const TAB_COLUMNS: usize = 8;

/// Marks that stay on one letter. Burmese needs as many, as do Hebrew and Tibetan.
const MARKS_MAX: usize = 4;

/// Takes out of `line` what could forge, break, reorder or cover lines on somebody's screen.
///
/// Removed are C0 and C1 controls but TAB, DEL, U+2028 and U+2029, bidi overrides and isolates
/// (U+202A–202E, U+2066–2069), U+FEFF and the tag characters (U+E0000–E007F). Of white space and
/// other blanks in a row those stay that begin within 32 columns at the beginning of the line, and
/// within 8 elsewhere; a TAB counts 8 columns. On each character at most 4 stay of those that take
/// no column of their own, as accents. Emoji with their zero-width joiners and letters that run
/// from right to left stay.
///
/// Cleaning what is clean changes nothing. Nearly every line needs nothing of this. Such a line is
/// borrowed, and nothing is allocated.
pub fn clean(line: &str) -> Cow<'_, str> {
    let (chunks, rest) = line.as_bytes().as_chunks();
    let mut last = [b'.'; CHUNK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    if !chunks.iter().chain([&last]).any(may_need_cleaning) {
        return Cow::Borrowed(line);
    }
    let mut layout = Layout::default();
    filtered(line, |c| !steers(c) && layout.takes(c))
}

/// Takes out of `line` only the characters that [`clean`] takes out wherever they stand. That
/// is for what has been laid out already, such as a whole line from a server.
#[must_use]
pub fn without_controls(line: &str) -> Cow<'_, str> {
    filtered(line, |c| !steers(c))
}

/// Whether `line` says nothing: no character of it shows. White space does not, nor does what is
/// blank under another name (U+2800, U+3164), nor what only changes the character before it.
pub fn is_blank(line: &str) -> bool {
    line.chars().all(|c| blank_columns(c).is_some() || is_mark(c))
}

/// The places from the first to the last of these lines in which, once clean, something is to be
/// seen.
pub(crate) fn seen(lines: &[String]) -> Range<usize> {
    let is_seen = |line: &String| !is_blank(&clean(line));
    let first = lines.iter().position(is_seen).unwrap_or_default();
    first..lines.iter().rposition(is_seen).map_or(first, |last| last + 1)
}

/// Whether `chunk` has part of a character that must be looked at, or could: of one that
/// [`steers`], of a blank or of a mark. Single spaces need not be, only four in a row: more than
/// eight always fill four bytes whose place is a multiple of four.
///
/// Above ASCII, most letters of Latin, Greek, Cyrillic and Han begin with a byte that none of those
/// begins with, and are passed without being decoded. No loop has an early exit: that is what makes
/// it fast.
fn may_need_cleaning(chunk: &[u8; CHUNK_BYTES]) -> bool {
    let (mut is_wide, mut odd) = (false, 0);
    for eight in chunk.as_chunks().0.iter().map(|eight| u64::from_ne_bytes(*eight)) {
        let but_spaces = eight ^ each(b' ');
        is_wide |= (but_spaces as u32 == 0) | (but_spaces >> 32 == 0);
        // The highest bit of a byte is set by what is above ASCII, below a space, or DEL. If it is
        // carried over into the next byte, one of these was there as well.
        odd |= eight | eight.wrapping_sub(each(b' ')) | eight.wrapping_add(each(1));
    }
    if odd & each(0x80) == 0 {
        return is_wide;
    }
    is_wide
        | chunk.iter().fold(false, |found, &byte| {
            let ascii_control = (byte < b' ') | (byte == 0x7f);
            let c1_control_or_blank = byte == 0xc2;
            let accent = byte & 0xfe == 0xcc;
            let cyrillic_mark_to_kana = byte.wrapping_sub(0xd2) < 0x12;
            let hangul_and_up = byte >= 0xea;
            found
                | ascii_control
                | c1_control_or_blank
                | accent
                | cyrillic_mark_to_kana
                | hangul_and_up
        })
}

/// Eight times that byte.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// `line` with those of its characters that stay, which are asked for in turn.
fn filtered(line: &str, mut stays: impl FnMut(char) -> bool) -> Cow<'_, str> {
    let Some(first) = line.find(|c| !stays(c)) else { return Cow::Borrowed(line) };
    let (kept, rest) = line.split_at(first);
    let mut filtered = String::with_capacity(line.len());
    filtered.push_str(kept);
    filtered.extend(rest.chars().skip(1).filter(|c| stays(*c)));
    Cow::Owned(filtered)
}

/// Whether `c` steers a terminal, breaks a line or turns the order of letters round.
fn steers(c: char) -> bool {
    matches!(c,
        '\0'..='\x08' | '\x0a'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{2028}' | '\u{2029}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The columns of a blank: of white space, or of what only looks like it.
fn blank_columns(c: char) -> Option<usize> {
    match c {
        ' ' => Some(1),
        '\t' => Some(TAB_COLUMNS),
        // The blank of Braille, the fillers of Hangul, a note without a head, blank hieroglyphs.
        '\u{2800}' | '\u{ffa0}' | '\u{1d159}' | '\u{13442}' => Some(1),
        '\u{115f}' | '\u{3164}' | '\u{13441}' => Some(2),
        c if c.is_whitespace() => Some(c.width().unwrap_or(1)),
        _ => None,
    }
}

/// Whether `c`, which is no blank, takes no column of its own: marks that stand above or below a
/// letter, joiners, and what is invisible. Marks that stand beside a letter pile up nowhere.
fn is_mark(c: char) -> bool {
    c.width() == Some(0)
}

/// Whether `c` is one of those that most lines are made of and that are certainly neither blanks
/// nor marks: ASCII, kana, Han or Hangul. It spares looking into tables.
fn is_letter(c: char) -> bool {
    matches!(c,
        '!'..='~' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// What stands at the end of a line so far, and with that, what it still takes.
#[derive(Default)]
struct Layout {
    /// Something that shows has come.
    begun: bool,
    /// Columns of the blanks at the end. Marks among them make no difference, so that nothing
    /// that could be invisible parts a wide gap.
    blank_columns: usize,
    /// Marks since the last character that is none.
    marks: usize,
}

impl Layout {
    /// Whether `c` stays. What does not leaves no trace: so it is that the rest is clean.
    fn takes(&mut self, c: char) -> bool {
        if is_letter(c) {
            *self = Layout { begun: true, ..Layout::default() };
        } else if let Some(columns) = blank_columns(c) {
            let max = if self.begun { GAP_COLUMNS_MAX } else { INDENT_COLUMNS_MAX };
            if self.blank_columns >= max {
                return false;
            }
            self.blank_columns += columns;
            self.marks = 0;
        } else if is_mark(c) {
            if self.marks == MARKS_MAX {
                return false;
            }
            self.marks += 1;
        } else {
            *self = Layout { begun: true, ..Layout::default() };
        }
        true
    }
}

/// A day in UTC. It is shown as `2026-11-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day(time::Date);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

/// The day of a time, in seconds since 1970-01-01 00:00 UTC; the first of all, if that is none.
pub(crate) fn day_of(unix_seconds: u64) -> Day {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    let time = time::OffsetDateTime::from_unix_timestamp(seconds);
    Day(time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH).date())
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
            "👩‍👩‍👧‍👦 👍🏽 ☺️ 🏳️‍🌈 1️⃣",
            "e\u{301}",
            "\tif x {\t// indented",
            "可以。  안녕하세요  ありがとう\u{3000}",
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
            assert_eq!(without_controls(line), expected, "{line:?}");
        }
    }

    /// `count` times `c`.
    fn many(c: char, count: usize) -> String {
        c.to_string().repeat(count)
    }

    #[test]
    fn gaps_are_as_wide_as_code_needs_at_the_beginning_and_narrow_elsewhere() {
        let columns = [(' ', 1), ('\u{a0}', 1), ('\u{2003}', 1), ('\u{2800}', 1), ('\u{ffa0}', 1)]
            .into_iter()
            .chain([('\u{3000}', 2), ('\u{3164}', 2), ('\u{115f}', 2), ('\t', 8)]);
        for (blank, columns) in columns {
            let line = |indent, gap, end| {
                format!("{}a{}b{}", many(blank, indent), many(blank, gap), many(blank, end))
            };
            let (indent, gap) = (32 / columns, 8 / columns);
            assert!(is_borrowed(&line(indent, gap, gap)), "{blank:?}");
            assert_eq!(clean(&line(99, 99, 99)), line(indent, gap, gap), "{blank:?}");
            assert_eq!(clean(&line(indent + 1, gap, 0)), line(indent, gap, 0), "{blank:?}");
            assert_eq!(clean(&line(0, gap + 1, 0)), line(0, gap, 0), "{blank:?}");
            assert_eq!(without_controls(&line(99, 99, 99)), line(99, 99, 99), "laid out already");
        }
    }

    #[test]
    fn blanks_of_several_kinds_are_one_gap_and_nothing_unseen_parts_it() {
        let lines = [
            ("a  \u{3000}\u{2800}\u{3164} \u{2003} b", "a  \u{3000}\u{2800}\u{3164} b"),
            ("a \tb\t\tc", "a \tb\tc"),
            ("a       \t b", "a       \tb"),
            (" \t\t\t\t\tb", " \t\t\t\tb"),
        ];
        for (line, expected) in lines {
            assert_eq!(clean(line), expected, "{line:?}");
        }
        for part in "\u{200b}\u{200d}\u{2060}\u{ad}\u{34f}\u{180e}\u{17b4}\u{fe0f}\u{301}".chars() {
            let gap = format!("        {part}").repeat(9);
            let cleaned = clean(&format!("a{gap}b")).into_owned();
            assert_eq!(cleaned.matches(' ').count(), 8, "{part:?}");
            assert!(cleaned.ends_with('b') && is_borrowed(&cleaned), "{part:?}");
        }
    }

    #[test]
    fn four_marks_stay_on_a_letter() {
        let lines = [
            ("a\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}b", "a\u{301}\u{302}\u{303}\u{304}b"),
            ("ก\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}", "ก\u{e47}\u{e47}\u{e47}\u{e47}"),
        ];
        for (line, expected) in lines {
            assert_eq!(clean(line), expected, "{line:?}");
        }
        // A joiner or a selector is no letter for more of them.
        for joiner in ['\u{200d}', '\u{fe0f}', '\u{34f}'] {
            let cleaned = clean(&format!("a{}", format!("\u{301}{joiner}").repeat(9))).into_owned();
            assert_eq!(cleaned.chars().count(), 5, "{cleaned:?}");
        }
    }

    #[test]
    fn what_is_written_with_many_marks_stays() {
        let words = [
            // Hebrew, with vowels and cantillation.
            "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
            // Thai.
            "ที่นี่ น้ำ ผู้ใหญ่",
            // Tibetan, up to four below one another.
            "རྒྱལ་མཚན་ ལཀྵྨཱི ཧཱུྃ",
            // Burmese: four that pile up, and those beside them.
            "လျှို့ဝှက် မြို့ လျှော့",
            // Vietnamese, decomposed.
            "Tie\u{302}\u{301}ng Vie\u{323}\u{302}t",
            // Korean, decomposed.
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}",
            "ക്‍ श्री र‍्य ස්‍ර می‌خواهم",
            "👩‍❤️‍💋‍👨 🏴‍☠️ 👁️‍🗨️ #️⃣ 葛\u{e0100}城",
        ];
        for word in words {
            assert!(is_borrowed(word), "{word:?} becomes {:?}", clean(word));
        }
    }

    #[test]
    fn exactly_the_listed_characters_are_removed_wherever_they_stand() {
        // The list once more, in numbers, so that a slip in either is seen.
        let listed = |c: char| {
            let c = u32::from(c);
            c < 0x20 && c != 9
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
                    assert_eq!(clean(&line), before, "{c:?}");
                }
            }
        }
    }

    #[test]
    fn no_line_is_passed_unseen_that_has_too_much_of_anything() {
        // Every character, where it is one too many, at every place of a chunk.
        for c in ('\0'..=char::MAX).filter(|c| !steers(*c)) {
            let Some(columns) = blank_columns(c).or(is_mark(c).then_some(0)) else { continue };
            let most = GAP_COLUMNS_MAX.checked_div(columns).unwrap_or(MARKS_MAX);
            for place in 1..=CHUNK_BYTES {
                let line = |count| many('a', place) + &many(c, count) + "b";
                assert_eq!(clean(&line(most + 1)), line(most), "{c:?} at {place}");
            }
        }
    }

    #[test]
    fn cleaning_twice_is_cleaning_once() {
        let lines = [
            "a\u{202e}\x1b\tb\u{2028}\u{e0041}c",
            "          \t    \t\t \u{301}\t  a      \u{3000}\u{3000}\u{3000}\t  \u{301}\t b",
        ];
        for line in lines {
            let once = clean(line).into_owned();
            assert!(is_borrowed(&once), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_shows_nothing_is_blank() {
        let blank = [
            "",
            " ",
            "  \t ",
            "\u{3000}\u{a0}\u{2003}",
            "\u{3164}",
            " \u{2800}\u{115f}\u{1160}\u{ffa0} ",
            "\u{200b}\u{2060}\u{2064}\u{ad}\u{34f}\u{61c}\u{180e}\u{17b5}\u{200d}\u{fe0f}",
            "\u{1d159}\u{13441}\u{13442}",
        ];
        for line in blank {
            assert!(is_blank(line), "{line:?}");
        }
        for line in ["a", " a ", ".", "\u{3000}你", "👍", "\u{3164}\u{2801}", "☺️", "´"] {
            assert!(!is_blank(line), "{line:?}");
        }
    }
}

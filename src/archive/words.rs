//! What of a text stands in the index, and what of it is looked for there.
//!
//! Words are folded: without case, and Latin and Greek ones without accents. Chinese, Japanese and
//! Korean have no spaces to tell words by, so of them stand all pairs of neighbours in the index,
//! and the last character alone: `中国人` is `中国`, `国人` and `人`. So any two characters are
//! one entry, one alone is the beginning of an entry, and of more the text itself must be looked
//! at ([`Words::are_in`]), since their pairs could stand apart from each other.
//!
//! The index's own tokenizer only splits at spaces: were it to split a word further, that word
//! would be looked for as a phrase, which an index without positions does not have. That an index
//! knows no positions makes it half as large.

use std::mem;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Of longer words the rest is not in the index.
const WORD_CHARS_MAX: usize = 64;

/// Before the number of a room, as an entry of the index; no word has it.
const ROOM: char = '§';

/// Before the number of a name.
const NAME: char = '¤';

/// What the index is told of a line: its words, and where and by whom it was said.
pub(super) fn index_entry(text: &str, room: i64, name: i64, entry: &mut String) {
    use std::fmt::Write as _;
    entry.clear();
    // Writing to a text cannot fail.
    let _ = write!(entry, "{ROOM}{room} {NAME}{name}");
    split(text, |part| match part {
        Part::Word(word) => {
            entry.push(' ');
            entry.push_str(word);
        }
        Part::Run(run) => {
            for pair in pairs(run) {
                entry.push(' ');
                entry.push_str(pair);
            }
        }
    });
}

/// What is looked for in the index, and then in the texts that it names.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// In the language of the index.
    terms: Vec<String>,
    /// Runs of three characters and more.
    runs: Vec<String>,
}

impl Words {
    pub(super) fn new(words: &[String]) -> Words {
        let mut found = Words::default();
        for word in words {
            split(word, |part| match part {
                Part::Word(word) => found.terms.push(format!("\"{word}\"")),
                Part::Run(run) => found.add_run(run),
            });
        }
        found
    }

    fn add_run(&mut self, run: &str) {
        let mut chars = run.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (_, None, _) => self.terms.push(format!("\"{run}\" *")),
            (_, _, third) => {
                let count = run.chars().count();
                let pairs = pairs(run).take(count - 1);
                self.terms.extend(pairs.map(|pair| format!("\"{pair}\"")));
                self.runs.extend(third.map(|_| run.to_owned()));
            }
        }
    }

    /// Only what is in one of these rooms.
    pub(super) fn said_in(&mut self, rooms: &[i64]) {
        self.terms.push(any_of(ROOM, rooms));
    }

    /// Only what was said under one of these names.
    pub(super) fn said_by(&mut self, names: &[i64]) {
        self.terms.push(any_of(NAME, names));
    }

    /// Whether the index cannot help.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The question to the index, for what is not in certain rooms.
    pub(super) fn question(&self, rooms_excluded: &[i64]) -> String {
        let wanted = self.terms.join(" AND ");
        match rooms_excluded {
            [] => wanted,
            rooms => format!("({wanted}) NOT {}", any_of(ROOM, rooms)),
        }
    }

    /// Whether a line that the index names has all that was looked for.
    pub(super) fn are_in(&self, text: &str) -> bool {
        if self.runs.is_empty() {
            return true;
        }
        let mut left: Vec<_> = self.runs.iter().collect();
        split(text, |part| {
            if let Part::Run(run) = part {
                left.retain(|wanted| !run.contains(&***wanted));
            }
        });
        left.is_empty()
    }
}

fn any_of(sign: char, numbers: &[i64]) -> String {
    let terms: Vec<_> = numbers.iter().map(|number| format!("\"{sign}{number}\"")).collect();
    // Nothing is called 0.
    if terms.is_empty() { format!("\"{sign}0\"") } else { format!("({})", terms.join(" OR ")) }
}

/// All two neighbours in a run, and the last character alone.
fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let ends = run.char_indices().map(|(at, c)| at + c.len_utf8());
    let pair_ends = ends.skip(1).chain([run.len()]);
    run.char_indices().zip(pair_ends).map(|((start, _), end)| &run[start..end])
}

/// A part of a text, folded.
enum Part<'a> {
    /// Letters and digits with something else before and after.
    Word(&'a str),
    /// The same of Chinese, Japanese or Korean.
    Run(&'a str),
}

/// Tells each part of a text.
fn split(text: &str, mut tell: impl FnMut(Part<'_>)) {
    let mut splitter = Splitter::default();
    if text.is_ascii() {
        for c in text.chars() {
            let kind = if c.is_ascii_alphanumeric() { Kind::Letter } else { Kind::Other };
            splitter.add(kind, c.to_ascii_lowercase(), &mut tell);
        }
    } else {
        for c in text.nfc() {
            splitter.add_any(c, &mut tell);
        }
    }
    splitter.end(&mut tell);
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Other,
    Letter,
    Cjk,
}

#[derive(Default)]
struct Splitter {
    kind: Kind,
    part: String,
    chars: usize,
}

impl Splitter {
    fn add_any(&mut self, c: char, tell: &mut impl FnMut(Part<'_>)) {
        if is_cjk(c) {
            return self.add(Kind::Cjk, c, tell);
        }
        if !c.is_alphanumeric() && !is_combining_mark(c) {
            return self.add(Kind::Other, c, tell);
        }
        let mut has_plain_base = false;
        decompose_canonical(c, |part| {
            for small in part.to_lowercase() {
                if ('\u{300}'..='\u{36f}').contains(&small) && (has_plain_base || small == c) {
                    continue;
                }
                has_plain_base = matches!(small, ..'\u{250}' | '\u{370}'..'\u{400}');
                self.add(Kind::Letter, if small == 'ς' { 'σ' } else { small }, tell);
            }
        });
    }

    fn add(&mut self, kind: Kind, c: char, tell: &mut impl FnMut(Part<'_>)) {
        if kind != self.kind {
            self.end(tell);
            self.kind = kind;
        }
        if kind == Kind::Cjk || (kind == Kind::Letter && self.chars < WORD_CHARS_MAX) {
            self.part.push(c);
            self.chars += 1;
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(Part<'_>)) {
        match mem::take(&mut self.kind) {
            Kind::Letter if !self.part.is_empty() => tell(Part::Word(&self.part)),
            Kind::Cjk => tell(Part::Run(&self.part)),
            _ => {}
        }
        self.part.clear();
        self.chars = 0;
    }
}

/// Whether `c` is of a script that puts no spaces between words: Han, kana, bopomofo, hangul.
fn is_cjk(c: char) -> bool {
    let is_there = matches!(c,
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{3029}'
        | '\u{3031}'..='\u{3035}'
        | '\u{3038}'..='\u{318f}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'
        | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}');
    is_there && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> String {
        let mut entry = String::new();
        index_entry(text, 1, 2, &mut entry);
        entry.strip_prefix("§1 ¤2").unwrap().trim_start().to_owned()
    }

    #[test]
    fn words_are_folded_and_others_stand_in_pairs() {
        for (text, expected) in [
            ("Hello, WORLD-wide 42", "hello world wide 42"),
            ("", ""),
            ("?! \"*", ""),
            ("Café E\u{301}cole ÄÖ", "cafe ecole ao"),
            ("Йод ΆΣ Ίς", "и\u{306}од ασ ισ"),
            ("中国人", "中国 国人 人"),
            ("人", "人"),
            ("v2版本ok。好", "v2 版本 本 ok 好"),
            ("カ\u{3099}ス", "ガス ス"),
            ("हिन्दी में", "हिन्दी में"),
            ("\u{301}x", "x"),
            ("§1 ¤2", "1 2"),
            ("\u{e000}a", "a"),
        ] {
            assert_eq!(entry(text), expected, "{text}");
        }
        assert_eq!(entry(&"a".repeat(100)), "a".repeat(WORD_CHARS_MAX));
    }

    #[test]
    fn a_search_asks_for_pairs_and_looks_at_longer_runs_itself() {
        let words = |text: &str| Words::new(&[text.to_owned()]);
        assert_eq!(words("Don't").question(&[]), "\"don\" AND \"t\"");
        assert_eq!(words("中").question(&[]), "\"中\" *");
        assert_eq!(words("中国").question(&[7]), "(\"中国\") NOT (\"§7\")");
        let three = words("中国人");
        assert_eq!(three.question(&[]), "\"中国\" AND \"国人\"");
        assert!(three.are_in("是中国人吗") && !three.are_in("中国 国人"));
        let mut bob = Words::default();
        assert!(bob.is_empty());
        bob.said_by(&[3, 4]);
        bob.said_in(&[]);
        assert_eq!(bob.question(&[]), "(\"¤3\" OR \"¤4\") AND \"§0\"");
    }
}

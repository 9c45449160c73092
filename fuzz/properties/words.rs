//! What must hold of [`chinwag::text`]: what may be a line. The list of what may not be in one
//! stands here a second time, in other words, for all of these properties.

use std::borrow::Cow;

use chinwag::text::{clean, is_blank};

/// Whether `c`, which may be a TAB, must not reach anybody's terminal or log.
pub(crate) fn is_forbidden(c: char) -> bool {
    let listed = [
        0x2028..=0x2029,   // line and paragraph separator
        0x202a..=0x202e,   // bidi embeddings and overrides
        0x2066..=0x2069,   // bidi isolates
        0xfeff..=0xfeff,   // byte order mark
        0xe0000..=0xe007f, // tags
    ];
    c.is_control() && c != '\t' || listed.iter().any(|range| range.contains(&u32::from(c)))
}

/// Cleaning a line takes out what must not be in it and what is too much, leaves the rest as it
/// is, and is done once.
pub fn text(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let cleaned = clean(&line);
    let borrowed = matches!(cleaned, Cow::Borrowed(_));
    assert_eq!(borrowed, *cleaned == *line, "copied if it was changed, and only then");
    assert!(matches!(clean(&cleaned), Cow::Borrowed(again) if again == cleaned), "clean is clean");

    // What may not be in it is not; and whatever shows by itself and is no TAB stays, in order.
    assert!(!cleaned.contains(is_forbidden));
    let shown = |text: &str| -> String { text.chars().filter(|c| !may_be_left_out(*c)).collect() };
    let allowed: String = line.chars().filter(|c| !is_forbidden(*c)).collect();
    assert_eq!(shown(&cleaned), shown(&allowed));
    assert_eq!(is_blank(&cleaned), shown(&allowed).is_empty());
    assert!(is_blank(&cleaned) || !cleaned.trim().is_empty(), "white space shows nothing");
    let mut rest = allowed.chars();
    assert!(cleaned.chars().all(|c| rest.any(|other| other == c)), "nothing is put in");
    if is_modest(&allowed) {
        assert_eq!(cleaned, allowed);
    }
    assert!(is_narrow(&cleaned), "{cleaned:?}");
}

/// Whether there can be too much of `c`.
fn may_be_left_out(c: char) -> bool {
    is_blank(c.encode_utf8(&mut [0; 4]))
}

/// Whether there is certainly nothing too much in `line`: no two characters in a row of which there
/// can be too much.
fn is_modest(line: &str) -> bool {
    let mut before = false;
    line.chars().all(|c| {
        let is = may_be_left_out(c);
        !(std::mem::replace(&mut before, is) && is)
    })
}

/// Whether `line` has no more spaces in a row than it may, nor TABs, nor accents.
fn is_narrow(line: &str) -> bool {
    let inside = line.trim_start_matches(may_be_left_out);
    let indent = &line[..line.len() - inside.len()];
    let accent = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
    indent.chars().filter(|c| c.is_whitespace()).count() <= 32
        && indent.matches('\t').count() <= 4
        && inside.split(|c| c != ' ').all(|spaces| spaces.len() <= 8)
        && !inside.contains("\t\t")
        && line.split(|c| !accent(c)).all(|accents| accents.chars().count() <= 4)
}

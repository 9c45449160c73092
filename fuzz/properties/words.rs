//! What must hold of [`chinwag::text`]: what may be a line. The list of what may not be in one
//! stands here a second time, in other words, for all of these properties.

use std::borrow::Cow;

use chinwag::text::{clean, is_blank};

/// Whether `c` must not reach anybody's terminal or log.
pub(crate) fn is_forbidden(c: char) -> bool {
    let listed = [
        0x2028..=0x2029,   // line and paragraph separator
        0x202a..=0x202e,   // bidi embeddings and overrides
        0x2066..=0x2069,   // bidi isolates
        0xfeff..=0xfeff,   // byte order mark
        0xe0000..=0xe007f, // tags
    ];
    c.is_control() || listed.iter().any(|range| range.contains(&u32::from(c)))
}

/// Cleaning a line takes out what must not be in it, leaves the rest as it is, and is done once.
pub fn text(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let cleaned = clean(&line);
    let expected: String = line
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|c| !is_forbidden(*c))
        .collect();
    assert_eq!(cleaned, expected);
    let borrowed = matches!(cleaned, Cow::Borrowed(_));
    assert_eq!(borrowed, *cleaned == *line, "copied if it was changed, and only then");
    assert!(matches!(clean(&cleaned), Cow::Borrowed(again) if again == cleaned), "clean is clean");
    assert_eq!(is_blank(&cleaned), cleaned.trim().is_empty());

    // It judges characters, so it does not matter where in a line they stand.
    let middle = line.char_indices().nth(line.chars().count() / 2).map_or(0, |(at, _)| at);
    let (front, back) = line.split_at(middle);
    assert_eq!(cleaned, clean(front).into_owned() + &clean(back));
}

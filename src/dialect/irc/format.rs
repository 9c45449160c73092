//! Formatting codes of IRC (modern.ircdocs.horse/formatting), which readers that are no IRC clients
//! would see as odd characters and digits.

use std::borrow::Cow;

/// Bold, colour, hexadecimal colour, reset, monospace, reverse, italic, strikethrough, underline.
const CODES: [char; 9] = ['\x02', '\x03', '\x04', '\x0f', '\x11', '\x16', '\x1d', '\x1e', '\x1f'];

/// A text without its formatting codes, and without the numbers of colours that belong to them.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(CODES) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(CODES) {
        plain.push_str(&rest[..at]);
        let (code, behind) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = match code {
            3 => without_colours(behind, |text| digits(text, 1..=2, u8::is_ascii_digit)),
            4 => without_colours(behind, |text| digits(text, 6..=6, u8::is_ascii_hexdigit)),
            _ => behind,
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// A text with its formatting codes, without all else that is not to be shown.
pub(crate) fn cleaned(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(CODES) {
        cleaned += &crate::text::clean(&rest[..at]);
        cleaned += &rest[at..=at];
        rest = &rest[at + 1..];
    }
    cleaned += &crate::text::clean(rest);
    cleaned
}

/// What comes behind one colour or two with a comma between.
fn without_colours(text: &str, colour: impl Fn(&str) -> Option<&str>) -> &str {
    let Some(rest) = colour(text) else { return text };
    rest.strip_prefix(',').and_then(colour).unwrap_or(rest)
}

/// What comes behind as many digits as there may be, if there are enough.
fn digits(
    text: &str,
    count: std::ops::RangeInclusive<usize>,
    is_digit: fn(&u8) -> bool,
) -> Option<&str> {
    let found = text.bytes().take(*count.end()).take_while(is_digit).count();
    (found >= *count.start()).then(|| &text[found..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_with_their_numbers_and_nothing_else_does() {
        for (text, expected) in [
            ("plain, 04 red", "plain, 04 red"),
            ("\x0304red\x03 and", "red and"),
            ("\x034,12red", "red"),
            ("\x034,red", ",red"),
            ("\x0304123", "123"),
            ("\x0304,0123", "23"),
            ("\x03,4", ",4"),
            ("\x04ff0000red", "red"),
            ("\x04ff0000,00ff00red", "red"),
            ("\x04ff00red", "ff00red"),
            (
                "\x02bold\x02 \x1dit\x1d \x1fun\x1f \x1est\x1e \x11mo\x11 \x16re\x16\x0f",
                "bold it un st mo re",
            ),
            ("\x03", ""),
            ("中\x0304文", "中文"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }
}

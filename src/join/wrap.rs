//! Text in rows of so many columns: words stay whole where they can, and TABs reach to where they
//! would.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns from one stop of a TAB to the next.
pub(super) const TAB_COLUMNS: usize = 8;

/// Fewer columns than that are not worth the trouble.
const COLUMNS_MIN: usize = 4;

/// The rows of `text`, of at most so many columns each. A line end in the text ends a row.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(COLUMNS_MIN);
    text.split('\n').flat_map(|line| wrap_line(line, columns)).collect()
}

fn wrap_line(line: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut row, mut width) = (String::new(), 0);
    // Where the row may end: so many bytes of it.
    let mut breakable = None;
    for grapheme in line.graphemes(true) {
        let (shown, count) = shown(grapheme, width);
        let is_blank = matches!(grapheme, " " | "\t");
        if width + count > columns {
            if is_blank {
                // Between words nothing stands at the end of a row, or at the beginning.
                rows.push(std::mem::take(&mut row));
                (width, breakable) = (0, None);
                continue;
            }
            let is_wide = count > 1;
            let end = breakable.filter(|_| !is_wide || ends_blank(&row)).unwrap_or(row.len());
            let rest = row.split_off(end);
            rows.push(row.trim_end_matches(' ').to_owned());
            (width, breakable) = (rest.width(), None);
            row = rest;
        }
        row += &shown;
        width += count;
        // Letters that are wide belong to scripts that have no spaces between words.
        if is_blank && !row.trim().is_empty() || count > 1 {
            breakable = Some(row.len());
        }
    }
    rows.push(row);
    rows
}

fn ends_blank(row: &str) -> bool {
    row.ends_with(' ')
}

/// What is to be seen of a grapheme in this column, and how many columns it takes.
fn shown(grapheme: &str, column: usize) -> (String, usize) {
    if grapheme == "\t" {
        let count = TAB_COLUMNS - column % TAB_COLUMNS;
        return (" ".repeat(count), count);
    }
    (grapheme.to_owned(), grapheme.width())
}

/// What of a text stands in columns from `from` on, at most so many; a wide character that is in
/// there by half only is not.
pub(super) fn window(text: &str, from: usize, columns: usize) -> String {
    let mut end = 0;
    let is_in = |grapheme: &&str| {
        let start = end;
        end += grapheme.width();
        start >= from && end <= from + columns
    };
    text.graphemes(true).filter(is_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("the quick", 9), ["the quick"]);
        assert_eq!(wrap("the quicksilver", 8), ["the", "quicksil", "ver"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("a\nb", 8), ["a", "b"]);
        assert_eq!(wrap("abcdefgh", 0), ["abcd", "efgh"]);
    }

    #[test]
    fn tabs_and_blanks_at_the_beginning_stay() {
        assert_eq!(wrap("\tx\ty", 80), ["        x       y"]);
        assert_eq!(wrap("    return x", 12), ["    return x"]);
        assert_eq!(wrap("  aaaa bbbb", 7), ["  aaaa", "bbbb"]);
    }

    #[test]
    fn wide_letters_take_two_columns_and_need_no_spaces() {
        assert_eq!(wrap("你好世界", 5), ["你好", "世界"]);
        assert_eq!(wrap("hi 你好世界", 6), ["hi 你", "好世界"]);
        assert_eq!(wrap("🦀🦀🦀", 4), ["🦀🦀", "🦀"]);
    }

    #[test]
    fn no_row_is_wider_than_it_may_be() {
        let text = "ab 你好\tworld e\u{301}e\u{301} 👩\u{200d}💻 https://example.com/a/b  end";
        for columns in 4..40 {
            for row in wrap(text, columns) {
                assert!(row.width() <= columns, "{columns}: {row:?}");
            }
        }
    }

    #[test]
    fn a_window_shows_whole_characters() {
        assert_eq!(window("a你好b", 0, 3), "a你");
        assert_eq!(window("a你好b", 1, 3), "你");
        assert_eq!(window("a你好b", 2, 4), "好b");
    }
}

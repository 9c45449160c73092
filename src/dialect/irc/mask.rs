//! Masks: `nick!user@host` in which `*` stands for any text and `?` for any one character.

/// Whether a mask is of that text. Case does not matter among the letters of ASCII. It takes at
/// most as many steps as the mask has characters, for each character of the text.
pub(crate) fn matches(mask: &str, text: &str) -> bool {
    let (mut mask, mut text) = (mask.chars(), text.chars());
    // Behind the last `*`, and from where on the text behind it was tried.
    let mut tried = None;
    loop {
        let mut ahead = mask.clone();
        match (ahead.next(), text.clone().next()) {
            (Some('*'), _) => {
                mask = ahead;
                tried = Some((mask.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted.eq_ignore_ascii_case(&found) => {
                mask = ahead;
                text.next();
            }
            (None, None) => return true,
            _ => {
                // What the `*` stands for must be longer by one.
                let Some((behind, from)) = &mut tried else { return false };
                if from.next().is_none() {
                    return false;
                }
                (mask, text) = (behind.clone(), from.clone());
            }
        }
    }
}

/// A mask with all its parts: what is missing stands for anything.
pub(crate) fn whole(mask: &str) -> String {
    match (mask.contains('!'), mask.contains('@')) {
        (true, true) => mask.to_owned(),
        (true, false) => format!("{mask}@*"),
        (false, true) => format!("*!{mask}"),
        (false, false) => format!("{mask}!*@*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of `mask-match.yaml` in ircdocs/parser-tests (CC0), and some of ours.
    #[test]
    fn a_mask_is_of_all_texts_that_it_stands_for() {
        for (mask, text, is) in [
            ("*@127.0.0.1", "coolguy!ab@127.0.0.1", true),
            ("*@127.0.0.1", "coolguy!ab@127.0.0.5", false),
            ("cool*@*", "cool132!ab@example.com", true),
            ("cool*@*", "koolguy!ab@127.0.0.5", false),
            ("cool!*@*", "cool!~dudebc@127.0.0.1", true),
            ("cool!*@*", "coolguy!ab@127.0.0.1", false),
            ("cool!?username@*", "cool!~username@127.0.0.1", true),
            ("cool!?username@*", "cool!username@127.0.0.1", false),
            ("cool!a?*@*", "cool!abc@127.0.0.1", true),
            ("cool!a?*@*", "cool!a@127.0.0.1", false),
            ("cool[guy]!*@*", "cool[guy]!guy@127.0.0.1", true),
            ("cool[guy]!*@*", "coolg!ab@127.0.0.1", false),
            ("COOL!*@*", "cool!a@b", true),
            ("é?", "éé", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "abbbcbc", true),
            ("a*b*c", "abbbcb", false),
        ] {
            assert_eq!(matches(mask, text), is, "{mask} {text}");
        }
    }

    /// As a definition, and not as a program: it takes forever.
    fn naive(mask: &[u8], text: &[u8]) -> bool {
        match (mask.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => naive(rest, text),
            (Some((b'*', rest)), Some((_, left))) => naive(rest, text) || naive(mask, left),
            (Some((b'?', rest)), Some((_, left))) => naive(rest, left),
            (Some((wanted, rest)), Some((found, left))) => wanted == found && naive(rest, left),
            _ => false,
        }
    }

    #[test]
    fn masks_are_what_their_definition_says() {
        let mut dice = fastrand::Rng::with_seed(1);
        let mut word = |letters: &[u8], length: usize| {
            let length = dice.usize(..=length);
            (0..length).map(|_| letters[dice.usize(..letters.len())]).collect::<Vec<_>>()
        };
        for _ in 0..20_000 {
            let (mask, text) = (word(b"ab*?", 8), word(b"ab", 10));
            let [mask, text] = [mask, text].map(|word| String::from_utf8(word).unwrap());
            let expected = naive(mask.as_bytes(), text.as_bytes());
            assert_eq!(matches(&mask, &text), expected, "{mask} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_their_number() {
        let (mask, text) = ("a*".repeat(200) + "b", "a".repeat(500));
        assert!(!matches(&mask, &text));
    }

    #[test]
    fn missing_parts_stand_for_anything() {
        let all = ["a", "a!b", "b@c", "a!b@c"].map(whole);
        assert_eq!(all, ["a!*@*", "a!b@*", "*!b@c", "a!b@c"]);
    }
}

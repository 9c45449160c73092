//! What may be a name, and which two names are the same.
//!
//! Here live [`Nickname`], a name that has passed the rules, and [`Keys`], by which names are
//! compared. Who has which name at the moment is the directory's business, the words of a refusal
//! are the dialects', and what may be a line is in [`crate::text`].
//!
//! What a peer gives as its name goes through [`Nickname::parse`] once; from there on only
//! `Nickname`s are passed around. To give names out, keep a map from each of a name's
//! [`keys`](Nickname::keys) to its owner: a name is free if none of its keys is in the map. To
//! list names, sort them by their [`fold`](Nickname::fold).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use caseless::Caseless;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_security::GeneralSecurityProfile;
use unicode_segmentation::UnicodeSegmentation;

/// The longest name in characters as people count them (extended grapheme clusters).
pub const CLUSTERS_MAX: usize = 32;

/// The longest name in bytes of UTF-8, in the form in which it is stored (NFC). A cluster may have
/// any number of marks, so a limit on clusters alone would be none.
pub const BYTES_MAX: usize = 128;

/// Names that would let their owner speak as the server, or as the one who reads.
const RESERVED: [&str; 7] = ["server", "system", "admin", "root", "you", "系统", "系统消息"];

/// The keys of all reserved names.
///
/// They are taken in small letters, in capitals and with one capital, since look-alikes are
/// listed for each form: Cyrillic `М` looks like `M`, but `м` does not look like `m`, so that only
/// the capitals tell that `АDМIN` is to be taken for `ADMIN`.
static RESERVED_KEYS: LazyLock<HashSet<Arc<str>>> = LazyLock::new(|| {
    let mut keys = HashSet::new();
    for name in RESERVED {
        let capitals = name.to_uppercase();
        let one_capital = capitals.chars().take(1).chain(name.chars().skip(1)).collect::<String>();
        for form in [name, &capitals, &one_capital] {
            keys.extend(Nickname::unchecked(form).keys().iter().cloned());
        }
    }
    keys
});

/// What the digits are in keys. Some look like letters.
static DIGITS: LazyLock<[char; 10]> = LazyLock::new(|| {
    let of_digit = |digit: usize| Nickname::unchecked(&digit.to_string()).keys().first;
    std::array::from_fn(|digit| of_digit(digit).chars().next().unwrap_or_default())
});

/// The highest number in a suffix that is told from the rest of a name. There are never as many
/// people, so it is never reached.
const SUFFIX_MAX: u32 = 99_999_999;

/// A name that somebody may have: spelled as its owner spelled it, in NFC.
///
/// Cloning one copies no text. Two are `==` if they are spelled alike; whether they are one name
/// to the people in the room is asked with [`same_as`](Self::same_as).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nickname(Arc<str>);

/// Why something cannot be a name. It never carries the text that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicknameError {
    /// There is nothing.
    Empty,
    /// It has more than [`CLUSTERS_MAX`] characters or [`BYTES_MAX`] bytes.
    TooLong,
    /// It has a character that no name may have: not a letter, mark or digit that UTS 39 allows
    /// for identifiers, nor `-`, `_` or `.`. White space, controls, invisible characters,
    /// other punctuation and emoji are refused so.
    BadCharacter,
    /// It begins with `-`, `.` or a combining mark.
    BadStart,
    /// It ends with `-` or `.`.
    BadEnd,
    /// It is one of the names that the server keeps for itself, or would be taken for one.
    Reserved,
}

/// By what a name is known: each name has one key or two, and two names are the same if they have
/// a key in common. They are made by [`Nickname::keys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The skeleton of the name's fold.
    pub first: Arc<str>,
    /// The skeleton of the name as it is spelled, where that is not the first.
    pub second: Option<Arc<str>>,
}

impl Nickname {
    /// Takes `name` for a name if it keeps the rules. Nothing but its normal form (NFC) is
    /// repaired: white space around a name is not trimmed, it is refused.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of the variants of [`NicknameError`].
    pub fn parse(name: &str) -> Result<Self, NicknameError> {
        let name = nfc(name);
        if name.is_empty() {
            return Err(NicknameError::Empty);
        }
        if name.len() > BYTES_MAX || name.graphemes(true).count() > CLUSTERS_MAX {
            return Err(NicknameError::TooLong);
        }
        if !name.chars().all(is_allowed) {
            return Err(NicknameError::BadCharacter);
        }
        if name.starts_with(|c| matches!(c, '-' | '.') || is_combining_mark(c)) {
            return Err(NicknameError::BadStart);
        }
        // A mark on a final dot does not put the dot inside.
        if name.trim_end_matches(is_combining_mark).ends_with(['-', '.']) {
            return Err(NicknameError::BadEnd);
        }
        let nickname = Self(Arc::from(name));
        // People without names are known by their addresses; `127.0.0.1` saying `50412: hi` would
        // look just like one of them.
        let is_address = nickname.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
            && nickname.0.contains('.');
        if is_address || nickname.keys().iter().any(|key| RESERVED_KEYS.contains(key)) {
            return Err(NicknameError::Reserved);
        }
        Ok(nickname)
    }

    /// A name that the server gives by itself and that need not keep the rules, such as
    /// `127.0.0.1:50412`, which nobody can then take. It has keys like any other.
    pub(crate) fn unchecked(name: &str) -> Self {
        Self(Arc::from(nfc(name)))
    }

    /// The name with `_n` behind it, for somebody who cannot be asked for another one. A name that
    /// would get too long by that is cut between two characters first.
    ///
    /// What [`parse`](Self::parse) has accepted stays what it would accept.
    pub fn with_suffix(&self, n: u32) -> Self {
        let suffix = format!("_{n}");
        Self(Arc::from(format!("{}{suffix}", self.stem(suffix.len()))))
    }

    /// What a suffix of so many bytes leaves of the name.
    pub(crate) fn stem(&self, suffix_bytes: usize) -> Self {
        let (clusters_max, bytes_max) = (CLUSTERS_MAX - suffix_bytes, BYTES_MAX - suffix_bytes);
        match shortened(&self.0, clusters_max, bytes_max) {
            whole if whole.len() == self.0.len() => self.clone(),
            stem => Self(Arc::from(stem)),
        }
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name's text, shared.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name without its case and its compatibility forms (NFKC case fold). Names are sorted
    /// by this, so that `alice` and `Bob` stand where people look for them.
    pub fn fold(&self) -> Cow<'_, str> {
        fold(&self.0)
    }

    /// The one or two keys by which the name is compared with others.
    ///
    /// Two names are to be the same if their folds are equal, or if their UTS 39 skeletons are, of
    /// the names or of the folds. Equal folds have equal skeletons, so the fold needs no key of its
    /// own; and a skeleton's skeleton is itself, so there is nothing more to apply. (The tests hold
    /// the crates to both, over all of Unicode.)
    ///
    /// A key in common says a little more than comparing fold with fold and spelling with
    /// spelling: `Ian` and `Lan` are the same, by the first's spelling and the second's fold. That
    /// is meant. `lan` looks like the one and is the other, so only one of the three can be here.
    pub fn keys(&self) -> Keys {
        let fold = self.fold();
        let first = self.key(skeleton(&fold));
        // The common case: the name is its own fold, so that its skeleton is known already.
        if *fold == *self.0 {
            return Keys { first, second: None };
        }
        let second = skeleton(&self.0);
        let second = (*second != *first).then(|| self.key(second));
        Keys { first, second }
    }

    /// Whether the two are one name to the people in the room: alike but for case and width, or
    /// easily taken for each other by eye. See [`keys`](Self::keys).
    pub fn same_as(&self, other: &Self) -> bool {
        self.keys().meet(&other.keys())
    }

    /// `skeleton` as a key. A plain name is its own skeleton, and shares its memory with its key.
    fn key(&self, skeleton: String) -> Arc<str> {
        if *skeleton == *self.0 { Arc::clone(&self.0) } else { Arc::from(skeleton) }
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Keys {
    /// The keys one after the other, the first first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Whether the two have a key in common.
    pub fn meet(&self, other: &Self) -> bool {
        self.iter().any(|mine| other.iter().any(|theirs| mine == theirs))
    }
}

/// The stem and the number of a key, if a name with a suffix has it: each key of such a name is
/// that of its stem, `_`, and the number's digits as keys have them. Numbers beyond all that are
/// ever given out are none.
pub(crate) fn suffix_of(key: &Arc<str>) -> Option<(&str, u32)> {
    let (stem, digits) = key.rsplit_once('_')?;
    let mut number = 0;
    for digit in digits.chars() {
        let digit = DIGITS.iter().position(|of_digit| *of_digit == digit)? as u32;
        number = number * 10 + digit;
        // Nor is one with zeros before it, or without a digit.
        if number == 0 || number > SUFFIX_MAX {
            return None;
        }
    }
    (number > 0).then_some((stem, number))
}

impl fmt::Display for NicknameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a nickname cannot be empty",
            Self::TooLong => "a nickname is too long",
            Self::BadCharacter => "a nickname has a character that is not allowed in one",
            Self::BadStart => "a nickname does not begin with a letter, a digit or _",
            Self::BadEnd => "a nickname ends with - or .",
            Self::Reserved => "a nickname is reserved",
        })
    }
}

impl std::error::Error for NicknameError {}

/// Whether a name may have `c` somewhere.
///
/// UTS 39 allows some punctuation besides, for languages that write words with it; here that would
/// let a name end in what looks like the `:` behind a name, or begin with a quotation mark.
fn is_allowed(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    }
    (c.is_alphanumeric() || is_combining_mark(c)) && c.identifier_allowed()
}

fn nfc(name: &str) -> Cow<'_, str> {
    match is_nfc_quick(name.chars()) {
        IsNormalized::Yes => Cow::Borrowed(name),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(name.nfc().collect()),
    }
}

/// The NFKC case fold of `name`.
fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
    }
    // Folding can bring out what is not in normal form, and a compatibility form can hide a
    // capital: hence twice (Unicode 3.13, D146).
    Cow::Owned(name.nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect())
}

/// The UTS 39 skeleton of `name`: what it looks like, so that names that look alike have equal
/// ones. It is for comparing alone, never for showing.
fn skeleton(name: &str) -> String {
    if !name.chars().all(|c| c.is_ascii() && is_allowed(c)) {
        return unicode_security::skeleton(name).collect();
    }
    // The same, without the tables: in a plain name these four are all there is to replace.
    let mut skeleton = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '0' => skeleton.push('O'),
            '1' | 'I' => skeleton.push('l'),
            'm' => skeleton.push_str("rn"),
            _ => skeleton.push(c),
        }
    }
    skeleton
}

/// As much of the beginning of `name` as is within both limits, cut between two clusters.
fn shortened(name: &str, clusters_max: usize, bytes_max: usize) -> &str {
    let fits = |end: &usize| *end <= bytes_max;
    let clusters = name.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
    let end = clusters.take(clusters_max).take_while(fits).last().unwrap_or_else(|| {
        // The first cluster alone is too long: a letter below sixty marks. It loses some.
        let chars = name.char_indices().map(|(start, c)| start + c.len_utf8());
        chars.take_while(fits).last().unwrap_or(0)
    });
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_char() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    #[test]
    fn the_plain_way_to_a_skeleton_agrees_with_the_tables() {
        for c in every_char().take(128) {
            let name = format!("a{c}");
            assert_eq!(skeleton(&name), unicode_security::skeleton(&name).collect::<String>());
        }
    }

    #[test]
    fn a_skeleton_is_its_own_skeleton() {
        // Of every character of it, so that it holds for whatever they are put together to.
        for c in every_char() {
            for part in skeleton(c.encode_utf8(&mut [0; 4])).chars() {
                assert_eq!(skeleton(part.encode_utf8(&mut [0; 4])), part.to_string(), "{c:?}");
            }
        }
    }

    #[test]
    fn a_fold_is_its_own_fold() {
        for c in every_char() {
            let once = fold(c.encode_utf8(&mut [0; 4])).into_owned();
            assert_eq!(fold(&once), once, "{c:?}");
        }
    }

    #[test]
    fn the_keys_of_a_name_with_a_suffix_tell_both() {
        let check = |stem: &Nickname, number| {
            let suffixed = stem.with_suffix(number).keys();
            let suffixed = suffixed.iter().map(|key| suffix_of(key).unwrap());
            let stem = stem.keys();
            let expected = stem.iter().map(|key| (&**key, number));
            assert!(suffixed.eq(expected), "{stem:?} {number}");
        };
        for c in every_char() {
            check(&Nickname::unchecked(&format!("a{c}")), 23);
        }
        for number in (1..1000).chain([1_234_567, 10_000_000, SUFFIX_MAX]) {
            check(&Nickname::unchecked("Ian"), number);
        }
        for key in ["alice", "alice_", "alice_x", "alice_O", "alice_O2", "_", "alice_999999999"] {
            assert_eq!(suffix_of(&Arc::from(key)), None, "{key}");
        }
    }

    #[test]
    fn a_plain_name_shares_its_memory_with_its_key() {
        let name = Nickname::parse("alice").unwrap();
        let keys = name.keys();
        assert!(Arc::ptr_eq(&keys.first, &name.0));
        assert_eq!(keys.second, None);
    }

    #[test]
    fn a_name_has_a_second_key_only_if_it_looks_unlike_its_fold() {
        let keys = |name| {
            let keys = Nickname::unchecked(name).keys();
            keys.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(keys("tom"), ["torn"]);
        assert_eq!(keys("Alice"), ["alice", "Alice"]);
        assert_eq!(keys("Ian"), ["ian", "lan"]);
        assert_eq!(keys("Ａlice"), ["alice", "Alice"]);
        assert_eq!(keys("ﬁona"), ["fiona"]);
        assert_eq!(keys("\u{435}van"), ["evan"]);
        assert_eq!(keys("王芳"), ["王芳"]);
    }

    #[test]
    fn a_name_of_the_servers_own_is_compared_like_any_other() {
        let alice = Nickname::parse("alice").unwrap();
        assert!(Nickname::unchecked("Ａlice").same_as(&alice));
        assert!(Nickname::unchecked("ﬁona").same_as(&Nickname::parse("Fiona").unwrap()));
        let address = Nickname::unchecked("127.0.0.1:50412");
        assert_eq!(Nickname::parse(address.as_str()), Err(NicknameError::BadCharacter));
        assert_eq!(address.with_suffix(2).as_str(), "127.0.0.1:50412_2");
        // A name may have the Devanagari sign that looks like a colon; it is not free then.
        assert!(Nickname::parse("127.0.0.1\u{903}50412").unwrap().same_as(&address));
    }
}

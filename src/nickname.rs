//! What may be a name, and which two names are the same.
//!
//! Here live [`Nickname`], a name that has passed the rules, and [`Keys`], by which names are
//! compared. Who has which name at the moment is the directory's business, the words of a refusal
//! are the dialects', and what may be a line is in [`crate::text`].
//!
//! What a peer gives as its name goes through [`Nickname::parse`] once; from there on only
//! `Nickname`s are passed around. To give names out, keep a map from each of a name's
//! [`keys`](Nickname::keys) to its owner: a name is free if none of its keys is in the map. To
//! list names, sort them by their [`fold`](Nickname::fold). What a peer gives as the name of
//! somebody else goes through `Keys::sought`.
//!
//! Both judge the length first: what is longer than a name can be is never compared.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use caseless::Caseless;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};
use unicode_security::GeneralSecurityProfile;
use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// The longest name in characters as people count them (extended grapheme clusters).
pub const CLUSTERS_MAX: usize = 32;

/// The longest name in bytes of UTF-8, in the form in which it is stored (NFC). A cluster may have
/// any number of marks, so a limit on clusters alone would be none.
pub const BYTES_MAX: usize = 128;

/// The longest text, in bytes of UTF-8, of which the normal form is looked at. NFC makes no
/// text shorter than by 3.5 (which it does to U+1FBE U+0308 U+0301).
const RAW_BYTES_MAX: usize = 4 * BYTES_MAX;

/// Names that would let their owner speak as the server, or as the one who reads; also with
/// anything of `-`, `_`, `.` and digits at their ends.
const RESERVED: [&str; 11] = [
    "server",
    "system",
    "admin",
    "root",
    "nickserv",
    "chanserv",
    "irc.chinwag",
    "you",
    "你",
    "系统",
    "系統",
];

/// What no name may have in it: the words of the notices that the older dialects put right beside
/// a name. To `register`, `bob退出了聊天室alice` would leave and come as two people.
const NOTICES: [&str; 8] = [
    "系统消息",
    "系統消息",
    "进入聊天",
    "进入了聊天",
    "加入聊天",
    "加入了聊天",
    "离开了聊天",
    "退出了",
];

/// What the reserved names look like.
static RESERVED_LOOKS: LazyLock<[String; 11]> = LazyLock::new(|| RESERVED.map(look));

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
    /// other punctuation and emoji are refused so, and what no line may have; also a mark that
    /// comes twice in a row, since the second is not to be seen.
    BadCharacter,
    /// It begins with `-`, `.` or a combining mark.
    BadStart,
    /// It ends with `-` or `.`.
    BadEnd,
    /// It is one of the names that the server keeps for itself, or would be taken for one or for
    /// a notice.
    Reserved,
}

/// By what a name is known: each name has one key or two, and two names are the same if they have
/// a key in common. They are made by [`Nickname::keys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What the name's fold looks like.
    pub first: Arc<str>,
    /// What the name looks like as it is spelled, where that is not the first.
    pub second: Option<Arc<str>>,
}

impl Nickname {
    /// Takes `name` for a name if it keeps the rules. Nothing but its normal form (NFC) is
    /// repaired: white space around a name is not trimmed, it is refused.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of the variants of [`NicknameError`].
    pub fn parse(name: &str) -> Result<Self, NicknameError> {
        if name.is_empty() {
            return Err(NicknameError::Empty);
        }
        let name = fitting(name, nfc).ok_or(NicknameError::TooLong)?;
        if name.graphemes(true).count() > CLUSTERS_MAX {
            return Err(NicknameError::TooLong);
        }
        if !name.chars().all(is_allowed) || has_mark_twice(&name) || text::clean(&name) != name {
            return Err(NicknameError::BadCharacter);
        }
        if name.starts_with(|c| matches!(c, '-' | '.') || is_combining_mark(c)) {
            return Err(NicknameError::BadStart);
        }
        // A mark on a final dot does not put the dot inside.
        if name.trim_end_matches(is_combining_mark).ends_with(['-', '.']) {
            return Err(NicknameError::BadEnd);
        }
        if is_reserved(&name) {
            return Err(NicknameError::Reserved);
        }
        Ok(Self(Arc::from(name)))
    }

    /// A name that the server gives by itself and that need not keep the rules, such as
    /// `127.0.0.1:50412`, which nobody can then take. It has keys like any other.
    pub(crate) fn unchecked(name: &str) -> Self {
        Self(Arc::from(nfc(name)))
    }

    /// The name with `_n` behind it, for somebody who cannot be asked for another one. A name that
    /// would get too long by that is cut between two characters first; if what is left is
    /// reserved, it is `guest_n`.
    ///
    /// What [`parse`](Self::parse) has accepted stays what it would accept.
    pub fn with_suffix(&self, n: u32) -> Self {
        let suffix = format!("_{n}");
        Self(Arc::from(format!("{}{suffix}", self.stem(suffix.len()))))
    }

    /// What a suffix of so many bytes leaves of the name. If that is reserved, a guest's.
    pub(crate) fn stem(&self, suffix_bytes: usize) -> Self {
        let (clusters_max, bytes_max) = (CLUSTERS_MAX - suffix_bytes, BYTES_MAX - suffix_bytes);
        match shortened(&self.0, clusters_max, bytes_max) {
            whole if whole.len() == self.0.len() => self.clone(),
            stem if is_reserved(stem) => Self(Arc::from("guest")),
            stem => Self(Arc::from(stem)),
        }
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as its place in a sorted list. A plain name is its own, and shares its memory with
    /// it.
    pub(crate) fn sort_key(&self) -> Arc<str> {
        let fold = self.fold();
        if *fold == *self.0 { Arc::clone(&self.0) } else { Arc::from(fold) }
    }

    /// The name without its case and its compatibility forms (NFKC case fold). Names are sorted
    /// by this, so that `alice` and `Bob` stand where people look for them.
    pub fn fold(&self) -> Cow<'_, str> {
        fold(&self.0)
    }

    /// The one or two keys by which the name is compared with others.
    ///
    /// Two names are the same if what they look like (`look`) is the same: of both their folds, of
    /// both as they are spelled, or of one's fold and the other's spelling. So names with equal
    /// folds are the same; and what something looks like looks like itself (the tests hold the
    /// tables to it), so there is nothing more to apply.
    ///
    /// A plain name has one key. Two are needed where a capital looks like another letter than the
    /// small one does: Greek `Ν` looks like `n`, and its fold `ν` like `v`. Whoever has a name of
    /// that is both to the others.
    pub fn keys(&self) -> Keys {
        let fold = self.fold();
        let first = self.key(look(&fold));
        // The common case: the name is its own fold, so that its look is known already.
        if *fold == *self.0 {
            return Keys { first, second: None };
        }
        let second = look(&self.0);
        let second = (*second != *first).then(|| self.key(second));
        Keys { first, second }
    }

    /// Whether the two are one name to the people in the room: alike but for case and width, or
    /// easily taken for each other by eye. See [`keys`](Self::keys).
    pub fn same_as(&self, other: &Self) -> bool {
        self.keys().meet(&other.keys())
    }

    /// `look` as a key. Many a name looks like itself, and shares its memory with its key.
    fn key(&self, look: String) -> Arc<str> {
        if *look == *self.0 { Arc::clone(&self.0) } else { Arc::from(look) }
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Keys {
    /// The keys of a name that somebody looks for: anything that may be the name of somebody here,
    /// also one that the server has given and nobody could take. `None` for what is longer than a
    /// name can be, without folding it.
    ///
    /// It may be written in compatibility forms, as full-width letters are easily typed. They can
    /// be 18 times as long when they are written out, so the length is that of the NFKC form.
    pub(crate) fn sought(name: &str) -> Option<Self> {
        Some(Nickname(Arc::from(fitting(name, nfkc)?)).keys())
    }

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

/// Whether the same mark comes twice in a row, in whatever order they were written.
fn has_mark_twice(name: &str) -> bool {
    let mut before = None;
    let is_again = |c| before.replace(c) == Some(c) && is_combining_mark(c);
    !name.is_ascii() && name.nfd().any(is_again)
}

/// Whether the server keeps `name` for itself.
fn is_reserved(name: &str) -> bool {
    // People without names are known by their addresses; `127.0.0.1` saying `50412: hi` would
    // look just like one of them.
    let is_address =
        name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) && name.contains('.');
    let looks = [name, without_ends(name)].map(|name| Nickname::unchecked(name).keys());
    let is_known = |key: &Arc<str>| RESERVED_LOOKS.iter().any(|look| **look == **key);
    is_address
        || NOTICES.iter().any(|words| name.contains(words))
        || looks.iter().any(|keys| keys.iter().any(is_known))
}

/// `name` without signs and digits, and marks on them, at its ends.
fn without_ends(name: &str) -> &str {
    let is_end = |c: char| matches!(c, '-' | '_' | '.') || c.is_numeric();
    let name = name.trim_start_matches(|c| is_end(c) || is_combining_mark(c));
    let ends = name.rfind(|c| !is_end(c) && !is_combining_mark(c));
    let ends = ends.and_then(|last| name[last..].find(is_end).map(|end| last + end));
    &name[..ends.unwrap_or(name.len())]
}

/// `name` in a normal form, if it is no longer in bytes than a name can be.
fn fitting(name: &str, form: fn(&str) -> Cow<'_, str>) -> Option<Cow<'_, str>> {
    if name.len() > RAW_BYTES_MAX {
        return None;
    }
    Some(form(name)).filter(|name| name.len() <= BYTES_MAX)
}

fn nfc(name: &str) -> Cow<'_, str> {
    match is_nfc_quick(name.chars()) {
        IsNormalized::Yes => Cow::Borrowed(name),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(name.nfc().collect()),
    }
}

/// The NFKC form of `name`; no more of it than shows that it is too long.
fn nfkc(name: &str) -> Cow<'_, str> {
    match is_nfkc_quick(name.chars()) {
        IsNormalized::Yes => Cow::Borrowed(name),
        IsNormalized::No | IsNormalized::Maybe => {
            Cow::Owned(name.nfkc().take(BYTES_MAX + 1).collect())
        }
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

/// What `name` looks like, so that names that look alike have equal looks. It is for comparing
/// alone, never for showing.
///
/// It is the UTS 39 skeleton in small letters, whose skeleton is taken again (`M` looks like
/// itself, and `m` like `rn`). Beyond UTS 39, `0` is `o`, `1`, `l` and `i` are one letter, and the
/// dot above an `i` or `j` does not count: they have one already. Of what a name may have, all that
/// Unicode calls soft-dotted has the skeleton of an `i` or a `j`.
fn look(name: &str) -> String {
    let mut look = String::with_capacity(name.len() + 4);
    if name.chars().all(|c| c.is_ascii() && is_allowed(c)) {
        // The same, without the tables: in a plain name there is nothing else to replace.
        for c in name.chars() {
            match c.to_ascii_lowercase() {
                '0' => look.push('o'),
                '1' | 'i' => look.push('l'),
                'm' => look.push_str("rn"),
                c => look.push(c),
            }
        }
        return look;
    }
    let mut skeleton = unicode_security::skeleton(name).collect::<String>();
    let small = skeleton.chars().flat_map(char::to_lowercase).collect::<String>();
    if small != skeleton {
        skeleton = unicode_security::skeleton(&small).collect();
    }
    let mut is_dotted = false;
    for c in skeleton.chars() {
        is_dotted = matches!(c, 'i' | 'j') || (is_dotted && is_combining_mark(c));
        match c {
            '\u{307}' if is_dotted => {}
            'i' => look.push('l'),
            c => look.push(c),
        }
    }
    look
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
    use crate::dialect::{Dialect, Lang};
    use crate::event::{Event, Parting};

    fn every_char() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    fn keys(name: &str) -> Vec<String> {
        Nickname::unchecked(name).keys().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_plain_way_to_a_look_agrees_with_the_tables() {
        for c in every_char().take(128) {
            assert_eq!(look(&format!("a{c}王")), format!("{}王", look(&format!("a{c}"))), "{c:?}");
        }
    }

    #[test]
    fn a_look_looks_like_itself() {
        // Of every character of it, so that it holds for whatever they are put together to.
        for c in every_char().filter(|c| is_allowed(*c)) {
            let name = c.to_string();
            for once in [look(&name), look(&fold(&name))] {
                assert_eq!(look(&once), once, "{c:?}");
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
    fn no_form_of_a_name_is_longer_than_what_is_looked_at() {
        // A character can come in another form of its parts, and each of these in yet another.
        let parts = |c: char| c.to_string().nfd().collect::<Vec<_>>();
        let mut longest = std::collections::HashMap::new();
        for c in every_char() {
            if let [part] = parts(c)[..] {
                let longest = longest.entry(part).or_default();
                *longest = c.len_utf8().max(*longest);
            }
        }
        for c in every_char() {
            let raw: usize = parts(c).iter().map(|part| longest[part]).sum();
            assert!(raw * BYTES_MAX <= c.len_utf8() * RAW_BYTES_MAX, "{c:?}: {raw} bytes");
        }
        let name = Nickname::parse(&"\u{1112}\u{1161}\u{11ab}".repeat(32)).unwrap();
        assert_eq!(Keys::sought(&"\u{1112}\u{1161}\u{11ab}".repeat(32)), Some(name.keys()));
    }

    #[test]
    fn what_is_longer_than_a_name_is_not_compared() {
        let rows = [
            ("a".repeat(BYTES_MAX), true),
            ("a".repeat(BYTES_MAX + 1), false),
            ("王".repeat(42), true),
            ("王".repeat(43), false),
            // 33 bytes each if they are written out, in 18 characters.
            ("\u{fdfa}".repeat(3), true),
            ("\u{fdfa}".repeat(4), false),
            ("\u{fdfa}".repeat(42), false),
            ("\u{fdfa}".repeat(1360), false),
            (format!("q{}", "\u{301}\u{302}".repeat(1000)), false),
        ];
        for (text, is_sought) in rows {
            assert_eq!(Keys::sought(&text).is_some(), is_sought, "{} bytes: {text}", text.len());
            assert!(nfkc(&text).chars().count() <= BYTES_MAX + 1);
        }
    }

    #[test]
    fn a_name_is_found_in_any_form_of_it() {
        let alice = Nickname::parse("Alice").unwrap().keys();
        for form in ["alice", "ALICE", "ａｌｉｃｅ", "𝒜lice", "a1ice", "\u{430}lice"] {
            assert!(Keys::sought(form).unwrap().meet(&alice), "{form}");
        }
        for given in ["server", "127.0.0.1:50412", "2001:db8:1111:2222:3333:4444:5555:6666:65535"] {
            assert_eq!(Keys::sought(given), Some(Nickname::unchecked(given).keys()));
        }
    }

    #[test]
    fn a_name_that_looks_like_itself_shares_its_memory_with_its_key() {
        let name = Nickname::parse("bob").unwrap();
        let keys = name.keys();
        assert!(Arc::ptr_eq(&keys.first, &name.0));
        assert_eq!(keys.second, None);
    }

    #[test]
    fn a_name_has_a_second_key_only_if_it_looks_unlike_its_fold() {
        assert_eq!(keys("tom"), ["torn"]);
        assert_eq!(keys("Alice"), ["allce"]);
        assert_eq!(keys("TOM10"), ["tornlo"]);
        assert_eq!(keys("Ａlice"), ["allce"]);
        assert_eq!(keys("ﬁona"), ["flona"]);
        assert_eq!(keys("\u{435}van"), ["evan"]);
        assert_eq!(keys("\u{415}VAN"), ["evan"]);
        assert_eq!(keys("王芳"), ["王芳"]);
        // Greek and Cyrillic capitals, of which the small letters look like others or like none.
        assert_eq!(keys("\u{39d}"), ["v", "n"]);
        assert_eq!(keys("\u{412}o\u{412}"), ["\u{299}o\u{299}", "bob"]);
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

    #[test]
    fn no_name_has_the_words_of_a_notice_in_it() {
        let names = [Nickname::unchecked("\u{1}")];
        let mut words = 0;
        for dialect in Dialect::ALL {
            let joined = Event::Joined { names: &names, count: 2 };
            for event in [
                joined,
                Event::Left { names: &names, count: 2, why: Parting::Plain, is_gone: true },
            ] {
                let mut frame = Vec::new();
                dialect.encode(Lang::Zh, &event, &mut frame);
                let frame = String::from_utf8_lossy(&frame);
                for part in frame.split(|c: char| !c.is_alphabetic()) {
                    // `在线 2 人` and the words of JSON are not beside a name.
                    if part.is_ascii() || matches!(part, "在线" | "人") {
                        continue;
                    }
                    words += 1;
                    let name = format!("bob{part}alice");
                    assert_eq!(Nickname::parse(&name), Err(NicknameError::Reserved), "{name}");
                }
            }
        }
        assert!(words > 10, "only {words}");
        // No other character that a name may have looks like one of theirs.
        for c in every_char().filter(|c| is_allowed(*c)) {
            let (c, alike) = (c.to_string(), look(c.encode_utf8(&mut [0; 4])));
            assert!(c == alike || !NOTICES.concat().contains(&alike), "{c} looks like {alike}");
        }
    }
}

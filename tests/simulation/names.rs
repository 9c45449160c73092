//! Names for simulated clients, and a naive idea of which of them are the same.
//!
//! A spelling is never given to two connections in one run, so that whatever the room tells of a
//! name is known to be about one connection. Most names are of a few families that differ in
//! capitals alone, so that they are taken all the time.

use fastrand::Rng;

/// None has a letter that looks like another one (`I`, `l`, `O`, `m`).
const FAMILIES: [&str; 6] =
    ["pankhurst", "gertrude", "kuznetsev", "habakkuk", "beaufertz", "vanderaa"];

/// What is typed, what is shown, and under which keys it is known.
const SPECIAL: [(&str, &str, &[&str]); 9] = [
    ("evan", "evan", &["evan"]),
    ("\u{435}van", "\u{435}van", &["evan"]),
    ("EvAn", "EvAn", &["evan"]),
    ("Ian", "Ian", &["ian", "lan"]),
    ("lan", "lan", &["lan"]),
    ("1an", "1an", &["lan"]),
    ("e\u{301}tude", "\u{e9}tude", &["\u{e9}tude"]),
    ("陈_-.x", "陈_-.x", &["陈_-.x"]),
    ("\u{ac00}n", "\u{ac00}n", &["\u{ac00}n"]),
];

/// What cannot be a name, and the refusal of it.
pub(crate) const INVALID: [(&str, &str); 11] = [
    ("", "A nickname cannot be empty. Try another."),
    ("   ", BAD_CHARACTER),
    ("two words", BAD_CHARACTER),
    ("-dash", BAD_START),
    (".dot", BAD_START),
    ("dot.", BAD_CHARACTER),
    ("smile\u{1f600}", BAD_CHARACTER),
    ("a\u{200b}b", BAD_CHARACTER),
    ("SYSTEM", "The nickname SYSTEM is reserved. Try another."),
    ("you", "The nickname you is reserved. Try another."),
    ("123456789012345678901234567890123", TOO_LONG),
];
pub(crate) const BAD_CHARACTER: &str =
    "A nickname is made of letters and digits, with - _ . inside. Try another.";
const BAD_START: &str = "A nickname begins with a letter, a digit or _. Try another.";
pub(crate) const TOO_LONG: &str =
    "A nickname has at most 32 characters and 128 bytes. Try another.";

/// A name as it is typed and as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) typed: String,
    pub(crate) shown: String,
}

/// The spellings that have not been used yet.
#[derive(Debug)]
pub(crate) struct Names {
    used: [u32; FAMILIES.len()],
    special: Vec<usize>,
    families: usize,
}

impl Names {
    pub(crate) fn new(dice: &mut Rng) -> Names {
        let mut special: Vec<_> = (0..SPECIAL.len()).collect();
        dice.shuffle(&mut special);
        Names { used: [0; FAMILIES.len()], special, families: dice.usize(1..=FAMILIES.len()) }
    }

    /// A spelling that nobody has had.
    pub(crate) fn fresh(&mut self, dice: &mut Rng) -> Name {
        if dice.u8(..5) == 0
            && let Some(i) = self.special.pop()
        {
            let (typed, shown, _) = SPECIAL[i];
            return Name { typed: typed.to_owned(), shown: shown.to_owned() };
        }
        let family = dice.usize(..self.families);
        let bits = self.used[family];
        self.used[family] += 1;
        // Beyond 256 spellings a digit is put behind; that is another name, and as good.
        let capital =
            |i: usize, c: char| if bits >> i & 1 == 1 { c.to_ascii_uppercase() } else { c };
        let mut typed: String =
            FAMILIES[family].chars().take(8).enumerate().map(|(i, c)| capital(i, c)).collect();
        if bits >= 256 {
            typed.push_str(&format!("{}", 22 * (bits / 256)));
        }
        Name { shown: typed.clone(), typed }
    }
}

/// Whether two names are the same to the people in the room.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (keys(one), keys(other));
    one.iter().any(|key| other.contains(key))
}

/// Who of `names` is called by `name`, in whatever spelling.
pub(crate) fn find<'a>(names: &'a [String], name: &str) -> Option<&'a String> {
    keys(name).iter().find_map(|key| names.iter().find(|other| keys(other).contains(key)))
}

/// By what names are sorted.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}

fn keys(name: &str) -> Vec<String> {
    match SPECIAL.iter().find(|(_, shown, _)| *shown == name) {
        Some((_, _, keys)) => keys.iter().map(|key| (*key).to_owned()).collect(),
        None => vec![name.to_lowercase()],
    }
}

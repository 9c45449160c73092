//! Names for simulated clients, and a naive idea of which of them are the same.
//!
//! A spelling is never asked for by two connections in one run unless input is cut or merged on its
//! way. Most names are of a few families that differ in capitals alone, so that they are taken all
//! the time.

use fastrand::Rng;

/// None has a letter that looks like another one (`I`, `l`, `O`, `m`).
const FAMILIES: [&str; 6] =
    ["pankhurst", "gertrude", "kuznetsev", "habakkuk", "beaufertz", "vanderaa"];

/// What is typed; all but one are shown so.
const SPECIAL: [&str; 9] =
    ["evan", "\u{435}van", "EvAn", "Ian", "lan", "1an", "e\u{301}tude", "陈_-.x", "\u{ac00}n"];

/// What the server keeps for itself.
const RESERVED: [&str; 5] = ["server", "system", "admin", "root", "you"];

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
            return Name { typed: SPECIAL[i].to_owned(), shown: shown(SPECIAL[i]) };
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

/// The keys by which names are compared: what the name looks like as it is, and in small letters.
fn keys(name: &str) -> [String; 2] {
    [skeleton(&fold(name)), skeleton(name)]
}

fn skeleton(name: &str) -> String {
    let looks = |c: char| match c {
        '0' => "O".to_owned(),
        '1' | 'I' => "l".to_owned(),
        'm' => "rn".to_owned(),
        '\u{435}' => "e".to_owned(),
        c => c.to_string(),
    };
    name.chars().map(looks).collect()
}

/// How a name is shown: composed.
pub(crate) fn shown(typed: &str) -> String {
    typed.replace("e\u{301}", "\u{e9}")
}

/// Whether something, composed, can be a name. Of letters that are not plain it knows those above.
pub(crate) fn is_name(name: &str) -> bool {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || "-_.\u{435}\u{e9}\u{301}陈\u{ac00}".contains(c);
    let reserved = || RESERVED.iter().any(|other| same(name, other));
    (1..=32).contains(&name.chars().count())
        && name.chars().all(fits)
        && !name.starts_with(['-', '.', '\u{301}'])
        && !name.trim_end_matches('\u{301}').ends_with(['-', '.'])
        && !reserved()
}

/// The name that somebody gets who asks for `wanted` and cannot be asked again.
pub(crate) fn given(wanted: &str, roster: &[String]) -> String {
    let free = |name: &String| !roster.iter().any(|other| same(other, name));
    let (base, first) = match is_name(wanted) {
        true if free(&wanted.to_owned()) => return wanted.to_owned(),
        true => (wanted, 2),
        false => ("guest", 1),
    };
    let suffixed = |n: u32| {
        let suffix = format!("_{n}");
        base.chars().take(32 - suffix.len()).collect::<String>() + &suffix
    };
    (first..).map(suffixed).find(free).unwrap()
}

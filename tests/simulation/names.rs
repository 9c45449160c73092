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
const SPECIAL: [&str; 15] = [
    "evan",
    "\u{435}van",
    "EvAn",
    "Ian",
    "lan",
    "1an",
    "e\u{301}tude",
    "陈_-.x",
    "\u{ac00}n",
    "bob",
    "b0B",
    "\u{412}o\u{412}",
    "alice",
    "ali\u{307}ce",
    "Al1ce",
];

/// What the server keeps for itself, also with signs and digits around it …
const RESERVED: [&str; 8] = ["server", "system", "admin", "root", "you", "你", "系统", "系統"];
/// … and what no name may have in it.
const NOTICES: [&str; 6] = ["系统消息", "系統消息", "入聊天", "入了聊天", "离开了聊天", "退出了"];

/// What cannot be a name, and the refusal of it.
pub(crate) const INVALID: [(&str, &str); 17] = [
    ("", "A nickname cannot be empty. Try another."),
    ("   ", BAD_CHARACTER),
    ("two words", BAD_CHARACTER),
    ("-dash", BAD_START),
    (".dot", BAD_START),
    ("dot.", BAD_CHARACTER),
    ("smile\u{1f600}", BAD_CHARACTER),
    ("a\u{200b}b", BAD_CHARACTER),
    ("ali\u{307}\u{307}ce", BAD_CHARACTER),
    ("SYSTEM", "The nickname SYSTEM is reserved. Try another."),
    ("you", "The nickname you is reserved. Try another."),
    ("r00t", "The nickname r00t is reserved. Try another."),
    ("admi\u{307}n", "The nickname admi\u{307}n is reserved. Try another."),
    ("_Server-2", "The nickname _Server-2 is reserved. Try another."),
    ("系統", "The nickname 系統 is reserved. Try another."),
    ("bob退出了聊天室alice", "The nickname bob退出了聊天室alice is reserved. Try another."),
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
    pub(crate) fn new(rng: &mut Rng) -> Names {
        let mut special: Vec<_> = (0..SPECIAL.len()).collect();
        rng.shuffle(&mut special);
        Names { used: [0; FAMILIES.len()], special, families: rng.usize(1..=FAMILIES.len()) }
    }

    /// A spelling that nobody has had.
    pub(crate) fn fresh(&mut self, rng: &mut Rng) -> Name {
        if rng.u8(..5) == 0
            && let Some(i) = self.special.pop()
        {
            return Name { typed: SPECIAL[i].to_owned(), shown: shown(SPECIAL[i]) };
        }
        self.fresh_of(rng.usize(..self.families))
    }

    /// Another spelling of `name`, if it is of a family.
    pub(crate) fn fresh_like(&mut self, name: &str) -> Option<Name> {
        let of = |family: &&str| fold(name) == family.chars().take(8).collect::<String>();
        let family = FAMILIES.iter().position(of)?;
        (self.used[family] < 256).then(|| self.fresh_of(family))
    }

    fn fresh_of(&mut self, family: usize) -> Name {
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

/// The keys by which names are compared: what they look like in small letters, once these are made
/// first and once last.
fn keys(name: &str) -> [String; 2] {
    [look(&fold(name)), look(name)]
}

fn look(name: &str) -> String {
    let mut look = String::with_capacity(2 * name.len());
    for c in name.chars() {
        match c {
            '0' | 'O' => look.push('o'),
            '1' | 'I' | 'i' => look.push('l'),
            'M' | 'm' => look.push_str("rn"),
            '\u{412}' => look.push('b'),
            '\u{432}' => look.push('\u{299}'),
            '\u{435}' => look.push('e'),
            // Of what can be typed only an i has this, and has a dot already.
            '\u{307}' => {}
            // Which are not to be seen; in no name, but where one is looked for.
            '\u{200b}' | '\u{3164}' => {}
            c if c.is_ascii() => look.push(c.to_ascii_lowercase()),
            c => look.extend(c.to_lowercase()),
        }
    }
    look
}

/// How a name is shown: composed.
pub(crate) fn shown(typed: &str) -> String {
    typed.replace("e\u{301}", "\u{e9}")
}

/// Whether something, composed, can be a name. Of letters that are not plain it knows those above.
pub(crate) fn is_name(name: &str) -> bool {
    let others = "-_.\u{435}\u{e9}陈\u{ac00}\u{412}你系统統退出了聊天室";
    let fits = |c: char| c.is_ascii_alphanumeric() || is_mark(c) || others.contains(c);
    let around = |c: char| c.is_ascii_digit() || "-_.".contains(c);
    let core = name.trim_matches(around);
    let reserved = || RESERVED.iter().any(|other| same(core, other));
    !name.is_empty()
        && letters(name).count() <= 32
        && name.chars().all(fits)
        && !name.starts_with(|c| "-.".contains(c) || is_mark(c))
        && !name.trim_end_matches(is_mark).ends_with(['-', '.'])
        && !["\u{e9}\u{301}", "\u{301}\u{301}", "\u{307}\u{307}"].iter().any(|m| name.contains(m))
        && !NOTICES.iter().any(|words| name.contains(words))
        && !reserved()
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{301}' | '\u{307}')
}

/// The letters of a name, each with its marks.
fn letters(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.char_indices().skip(1).filter(|(_, c)| !is_mark(*c)).map(|(at, _)| at);
    let mut start = 0;
    ends.chain(std::iter::once(name.len())).map(move |end| {
        let letter = &name[start..end];
        start = end;
        letter
    })
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
        let name = letters(base).take(32 - suffix.len()).collect::<String>() + &suffix;
        // What is left of it may be the server's.
        if is_name(&name) { name } else { format!("guest{suffix}") }
    };
    (first..).map(suffixed).find(free).unwrap()
}

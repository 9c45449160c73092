//! The directory: which name is whose, across all rooms.
//!
//! Two names are the same if they fold alike or look alike (`nickname.rs`), so a name is held
//! under each of its keys, and is free only if none of them is held by somebody else.
//!
//! Thousands may come under one name, so the lowest suffix that is free is not searched for: of the
//! keys that end in a number, the numbers that are taken are known as runs.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

use super::user::UserKey;
use crate::nickname::{Keys, Nickname, suffix_of};

/// Bytes of names that are compared in a turn, after which newcomers wait for the next one. With
/// the costliest letters it takes about 5 ms.
const COMPARED_BYTES_PER_TURN: usize = 64 * 1024;

/// Who is called what.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    owners: HashMap<Arc<str>, UserKey>,
    suffixes: Suffixes,
    /// Bytes of names that have been compared in this turn.
    compared_bytes: usize,
}

/// The numbers that are taken behind each stem, as runs: the stem and the first number of a run,
/// and the number behind its last.
///
/// Invariant: no run ends where another of the same stem begins.
#[derive(Debug, Default)]
struct Suffixes(BTreeMap<(Arc<str>, u32), u32>);

impl Directory {
    /// Gives `name` to `owner`, in place of the name that it had. Returns whether it was free;
    /// if not, nothing has changed. One's own name in another spelling is free.
    pub(crate) fn claim(
        &mut self,
        owner: UserKey,
        name: &Nickname,
        instead_of: Option<&Nickname>,
    ) -> bool {
        let keys = self.compared(name);
        if keys.iter().any(|key| self.owners.get(key).is_some_and(|holder| *holder != owner)) {
            return false;
        }
        if let Some(old) = instead_of {
            self.release(old);
        }
        for key in keys.iter() {
            if self.owners.insert(Arc::clone(key), owner).is_none()
                && let Some((stem, number)) = suffix_of(key)
            {
                self.suffixes.insert(&Arc::from(stem), number);
            }
        }
        true
    }

    /// The lowest number from `first` on that is not known as taken behind `name`.
    pub(crate) fn lowest_free(&mut self, name: &Nickname, first: u32) -> u32 {
        let mut number = first;
        loop {
            // All numbers of as many digits leave as much of the name.
            let digits = number.ilog10() + 1;
            let stem = name.stem(1 + digits as usize);
            let keys = self.compared(&stem);
            let longer = 10_u32.pow(digits);
            while number < longer {
                let ends = keys.iter().filter_map(|key| self.suffixes.run(key, number));
                let Some(end) = ends.map(|run| run.1).max() else { return number };
                self.compared_bytes += stem.as_str().len();
                number = end;
            }
            number = longer;
        }
    }

    /// Whether no more names should be compared in this turn than already have been.
    pub(crate) fn has_compared_enough(&self) -> bool {
        self.compared_bytes > COMPARED_BYTES_PER_TURN
    }

    /// Ends a turn. Returns how many bytes of names were compared in it.
    pub(crate) fn end_turn(&mut self) -> usize {
        mem::take(&mut self.compared_bytes)
    }

    /// The keys of a name, which cost something.
    fn compared(&mut self, name: &Nickname) -> Keys {
        self.compared_bytes += name.as_str().len();
        name.keys()
    }

    /// Frees a name.
    pub(crate) fn release(&mut self, name: &Nickname) {
        for key in name.keys().iter() {
            if self.owners.remove(key).is_some()
                && let Some((stem, number)) = suffix_of(key)
            {
                self.suffixes.remove(&Arc::from(stem), number);
            }
        }
    }

    /// Who is called `name`, in any spelling of it. Of two who could be meant, it is the one
    /// whose name differs only in case. What is longer than a name can be is nobody's.
    pub(crate) fn find(&self, name: &str) -> Option<UserKey> {
        let keys = Keys::sought(name)?;
        keys.iter().find_map(|key| self.owners.get(key).copied())
    }

    /// Whether nobody has a name.
    pub(crate) fn is_empty(&self) -> bool {
        self.owners.is_empty() && self.suffixes.0.is_empty()
    }
}

impl Suffixes {
    /// The run in which a number stands: its first number, and the one behind its last.
    fn run(&self, stem: &Arc<str>, number: u32) -> Option<(u32, u32)> {
        let here = (Arc::clone(stem), number);
        let ((of, first), end) = self.0.range(..=here).next_back()?;
        (of == stem && number < *end).then_some((*first, *end))
    }

    /// Takes a number that is free.
    fn insert(&mut self, stem: &Arc<str>, number: u32) {
        let before = self.run(stem, number - 1);
        let behind = self.0.remove(&(Arc::clone(stem), number + 1));
        let first = before.map_or(number, |run| run.0);
        self.0.insert((Arc::clone(stem), first), behind.unwrap_or(number + 1));
    }

    /// Frees a number that is taken.
    fn remove(&mut self, stem: &Arc<str>, number: u32) {
        let Some((first, end)) = self.run(stem, number) else { return };
        self.0.remove(&(Arc::clone(stem), first));
        for (first, end) in [(first, number), (number + 1, end)] {
            if first < end {
                self.0.insert((Arc::clone(stem), first), end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nth(n: usize) -> UserKey {
        UserKey::nth(n)
    }

    fn name(name: &str) -> Nickname {
        Nickname::parse(name).unwrap()
    }

    #[test]
    fn a_name_is_taken_in_every_spelling_until_it_is_released() {
        let mut directory = Directory::default();
        assert!(directory.claim(nth(1), &name("Evan"), None));
        assert!(!directory.claim(nth(2), &name("evan"), None));
        assert!(!directory.claim(nth(2), &name("\u{435}van"), None), "with a Cyrillic e");
        assert_eq!(directory.find("EVAN"), Some(nth(1)));
        let long = format!("Evan{}", "\u{200b}".repeat(100));
        assert_eq!(directory.find(&long), None, "that cannot be a name");
        directory.release(&name("Evan"));
        assert!(directory.is_empty());
        assert!(directory.claim(nth(2), &name("evan"), None));
    }

    #[test]
    fn a_refused_new_name_leaves_the_old_one() {
        let mut directory = Directory::default();
        directory.claim(nth(1), &name("alice"), None);
        directory.claim(nth(2), &name("bob"), None);
        assert!(!directory.claim(nth(2), &name("ALICE"), Some(&name("bob"))));
        assert_eq!((directory.find("alice"), directory.find("bob")), (Some(nth(1)), Some(nth(2))));
        assert!(
            directory.claim(nth(2), &name("BOB"), Some(&name("bob"))),
            "one's own, in capitals"
        );
        assert!(directory.claim(nth(2), &name("eve"), Some(&name("BOB"))));
        assert_eq!((directory.find("bob"), directory.find("eve")), (None, Some(nth(2))));
    }
    /// Gives somebody the name with the lowest suffix from `first` on that is free.
    fn claim_suffixed(
        directory: &mut Directory,
        owner: UserKey,
        name: &Nickname,
        first: u32,
    ) -> Nickname {
        let mut number = first;
        loop {
            number = directory.lowest_free(name, number);
            let suffixed = name.with_suffix(number);
            if directory.claim(owner, &suffixed, None) {
                return suffixed;
            }
            number += 1;
        }
    }

    /// The bytes of names that are compared when `count` people who give the same name come, the
    /// last of them, and what they are called.
    fn crowd(directory: &mut Directory, given: &Nickname, count: usize) -> (usize, Vec<Nickname>) {
        directory.end_turn();
        let mut names = Vec::new();
        for owner in 0..count {
            names.push(claim_suffixed(directory, nth(owner), given, 2));
        }
        (directory.end_turn(), names)
    }

    #[test]
    fn a_crowd_of_one_name_costs_each_the_same() {
        for given in ["x".repeat(32), "\u{1ec7}X".repeat(16)] {
            let (mut directory, given) = (Directory::default(), name(&given));
            let (bytes, names) = crowd(&mut directory, &given, 10_000);
            assert!(bytes < 10_000 * 8 * given.as_str().len(), "{bytes} bytes compared");
            for (i, suffixed) in names.iter().enumerate() {
                assert_eq!(*suffixed, given.with_suffix(2 + i as u32));
            }
            assert!(directory.suffixes.0.len() < 20, "few runs");
            // Some leave, in no order, and others come.
            for number in [7000, 12, 4711, 13, 9999] {
                directory.release(&given.with_suffix(number));
            }
            for (owner, number) in [(12, 12), (13, 13), (14, 4711), (15, 7000), (16, 9999)] {
                let suffixed = claim_suffixed(&mut directory, nth(owner), &given, 2);
                assert_eq!(suffixed, given.with_suffix(number));
            }
            assert_eq!(
                claim_suffixed(&mut directory, nth(17), &given, 2),
                given.with_suffix(10_002)
            );
            assert!(directory.end_turn() < 8 * 11 * given.as_str().len());
            (2..=10_002).for_each(|number| directory.release(&given.with_suffix(number)));
            assert!(directory.is_empty());
        }
    }

    #[test]
    fn a_suffix_may_be_taken_by_another_name() {
        let mut directory = Directory::default();
        // By hand, and by a name that only looks like it. The last two are not in the way.
        for given in ["alice_2", "aLice_3", "AIice_4", "ALICE_l0", "alice_011", "alice_"] {
            assert!(directory.claim(nth(0), &name(given), None), "{given}");
        }
        let suffixed = ["5", "6", "7", "8", "9", "11", "12"].map(|n| format!("Alice_{n}"));
        for expected in suffixed {
            assert_eq!(
                claim_suffixed(&mut directory, nth(1), &name("Alice"), 2).as_str(),
                expected
            );
        }
        let long = name(&"y".repeat(32));
        assert!(directory.claim(nth(2), &long.with_suffix(3), None));
        assert_eq!(claim_suffixed(&mut directory, nth(3), &long, 2), long.with_suffix(2));
        // One that is cut to the same by a longer suffix.
        assert!(directory.claim(nth(4), &name(&format!("{}_10", "y".repeat(29))), None));
        for number in (4..=9).chain([11]) {
            assert_eq!(claim_suffixed(&mut directory, nth(3), &long, 2), long.with_suffix(number));
        }
    }
}

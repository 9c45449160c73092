//! The directory: which name is whose, across all rooms.
//!
//! Two names are the same if they fold alike or look alike (`nickname.rs`), so a name is held
//! under each of its keys, and is free only if none of them is held by somebody else.

use std::collections::HashMap;
use std::sync::Arc;

use crate::nickname::Nickname;
use crate::peer::PeerKey;

/// Who is called what.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    owners: HashMap<Arc<str>, PeerKey>,
}

impl Directory {
    /// Gives `name` to `owner`, in place of the name that it had. Returns whether it was free;
    /// if not, nothing has changed. One's own name in another spelling is free.
    pub(crate) fn claim(
        &mut self,
        owner: PeerKey,
        name: &Nickname,
        instead_of: Option<&Nickname>,
    ) -> bool {
        let keys = name.keys();
        if keys.iter().any(|key| self.owners.get(key).is_some_and(|holder| *holder != owner)) {
            return false;
        }
        if let Some(old) = instead_of {
            self.release(old);
        }
        for key in keys.iter() {
            self.owners.insert(Arc::clone(key), owner);
        }
        true
    }

    /// Frees a name.
    pub(crate) fn release(&mut self, name: &Nickname) {
        for key in name.keys().iter() {
            self.owners.remove(key);
        }
    }

    /// Who is called `name`, in any spelling of it. Of two who could be meant, it is the one
    /// whose name differs only in case.
    pub(crate) fn find(&self, name: &str) -> Option<PeerKey> {
        let keys = Nickname::unchecked(name).keys();
        keys.iter().find_map(|key| self.owners.get(key).copied())
    }

    /// Whether nobody has a name.
    pub(crate) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Nickname {
        Nickname::parse(name).unwrap()
    }

    #[test]
    fn a_name_is_taken_in_every_spelling_until_it_is_released() {
        let mut directory = Directory::default();
        assert!(directory.claim(1, &name("Evan"), None));
        assert!(!directory.claim(2, &name("evan"), None));
        assert!(!directory.claim(2, &name("\u{435}van"), None), "with a Cyrillic e");
        assert_eq!(directory.find("EVAN"), Some(1));
        directory.release(&name("Evan"));
        assert!(directory.is_empty());
        assert!(directory.claim(2, &name("evan"), None));
    }

    #[test]
    fn a_refused_new_name_leaves_the_old_one() {
        let mut directory = Directory::default();
        directory.claim(1, &name("alice"), None);
        directory.claim(2, &name("bob"), None);
        assert!(!directory.claim(2, &name("ALICE"), Some(&name("bob"))));
        assert_eq!((directory.find("alice"), directory.find("bob")), (Some(1), Some(2)));
        assert!(directory.claim(2, &name("BOB"), Some(&name("bob"))), "one's own, in capitals");
        assert!(directory.claim(2, &name("eve"), Some(&name("BOB"))));
        assert_eq!((directory.find("bob"), directory.find("eve")), (None, Some(2)));
    }
}

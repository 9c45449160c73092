//! Rights in a room: what is set for it, and which ranks there are. Who has them at the moment, and
//! what they allow, is the chat's business.

use crate::nickname::Nickname;

/// The longest key of a room, in bytes.
pub const KEY_BYTES_MAX: usize = 64;

/// What somebody is in a room. A higher rank may all that a lower one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// May speak where not everybody may.
    Voice,
    /// Is in charge.
    Operator,
    /// Is in charge, and may still speak when that ends. Only IRC clients can give that.
    VoicedOperator,
}

impl Rank {
    /// What stands before the name of somebody who has it.
    #[must_use]
    pub fn mark(self) -> char {
        match self {
            Rank::Voice => '+',
            Rank::Operator | Rank::VoicedOperator => '@',
        }
    }

    /// A letter for each: of the first two, that by which IRC knows it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Rank::Voice => 'v',
            Rank::Operator => 'o',
            Rank::VoicedOperator => 'b',
        }
    }

    /// Whether somebody with it is in charge.
    #[must_use]
    pub fn is_operator(self) -> bool {
        self >= Rank::Operator
    }

    /// Whether it is that rank, or that rank and another.
    #[must_use]
    pub fn includes(self, rank: Rank) -> bool {
        self == rank || self == Rank::VoicedOperator
    }

    /// What somebody has who gets a rank beside the one they have, or loses it.
    #[must_use]
    pub fn changed(has: Option<Rank>, rank: Rank, on: bool) -> Option<Rank> {
        let is = |of: Rank| if rank == of { on } else { has.is_some_and(|it| it.includes(of)) };
        match (is(Rank::Operator), is(Rank::Voice)) {
            (true, true) => Some(Rank::VoicedOperator),
            (true, false) => Some(Rank::Operator),
            (false, true) => Some(Rank::Voice),
            (false, false) => None,
        }
    }

    /// The rank with that letter.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Rank> {
        let all = [Rank::Voice, Rank::Operator, Rank::VoicedOperator];
        all.into_iter().find(|rank| rank.letter() == letter)
    }
}

/// What is so of a room or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Only operators say what it is about.
    Topic,
    /// Only those with a rank may speak.
    Moderated,
    /// Only those may come in who were invited.
    Invite,
    /// Others than those in it are not told of it.
    Secret,
    /// Only those in it may speak into it.
    Members,
}

impl Flag {
    /// All of them, in the order of their letters.
    pub const ALL: [Flag; 5] =
        [Flag::Invite, Flag::Moderated, Flag::Members, Flag::Secret, Flag::Topic];

    /// The letter that IRC knows it by.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Flag::Topic => 't',
            Flag::Moderated => 'm',
            Flag::Invite => 'i',
            Flag::Secret => 's',
            Flag::Members => 'n',
        }
    }

    /// The flag with that letter.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Flag> {
        Flag::ALL.into_iter().find(|flag| flag.letter() == letter)
    }

    /// The word for it, as in `/room moderated on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Flag::Topic => "topic",
            Flag::Moderated => "moderated",
            Flag::Invite => "invite",
            Flag::Secret => "secret",
            Flag::Members => "members",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// One thing that is set for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// That is so, or is not.
    Flag(Flag, bool),
    /// Who comes in must know this.
    Key(Option<String>),
    /// So many may be in it, if there is a limit.
    Limit(Option<u32>),
}

/// All that is set for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    flags: u8,
    /// What somebody must know who comes in, at most [`KEY_BYTES_MAX`].
    pub key: Option<Box<str>>,
    /// How many may be in it.
    pub limit: Option<u32>,
    /// Accounts that have a rank whenever they come, in the order in which they got it. They are
    /// spelled as they were registered.
    pub accounts: Vec<(Nickname, Rank)>,
}

impl Default for Rights {
    /// Those of a room that nobody is in charge of.
    fn default() -> Rights {
        let (key, limit, accounts) = Default::default();
        Rights { flags: Flag::Members.bit(), key, limit, accounts }
    }
}

impl Rights {
    /// Those of a room that somebody has just opened.
    #[must_use]
    pub fn of_new_room() -> Rights {
        let mut rights = Rights::default();
        rights.set_flag(Flag::Topic, true);
        rights
    }

    /// Whether that is so.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag.bit() != 0
    }

    /// From now on that is so, or is not.
    pub fn set_flag(&mut self, flag: Flag, on: bool) {
        self.flags = if on { self.flags | flag.bit() } else { self.flags & !flag.bit() };
    }

    /// Sets one thing.
    pub fn set(&mut self, setting: &Setting) {
        match setting {
            Setting::Flag(flag, on) => self.set_flag(*flag, *on),
            Setting::Key(key) => self.key = key.as_deref().map(Box::from),
            Setting::Limit(limit) => self.limit = *limit,
        }
    }

    /// Whether not everybody may know what is said there.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.has(Flag::Secret) || self.has(Flag::Invite) || self.key.is_some()
    }

    /// The letters of all flags that are set, as in `nt`.
    #[must_use]
    pub fn letters(&self) -> String {
        Flag::ALL.into_iter().filter(|flag| self.has(*flag)).map(Flag::letter).collect()
    }

    /// Sets just the flags with these letters. Other letters are passed over.
    pub fn set_letters(&mut self, letters: &str) {
        for flag in Flag::ALL {
            self.set_flag(flag, letters.contains(flag.letter()));
        }
    }

    /// The rank that an account has whenever it comes.
    #[must_use]
    pub fn rank_of(&self, account: &Nickname) -> Option<Rank> {
        let mut accounts = self.accounts.iter();
        accounts.find(|(name, _)| name == account).map(|(_, rank)| *rank)
    }

    /// From now on an account has this rank whenever it comes.
    pub fn set_rank(&mut self, account: &Nickname, rank: Option<Rank>) {
        match self.accounts.iter_mut().position(|(name, _)| name == account) {
            Some(place) => match rank {
                Some(rank) => self.accounts[place].1 = rank,
                None => drop(self.accounts.remove(place)),
            },
            None => self.accounts.extend(rank.map(|rank| (account.clone(), rank))),
        }
    }

    /// Without anybody in charge whenever they come, nobody could be invited when all have left, so
    /// then nobody needs to be.
    pub(crate) fn open_if_nobodys(&mut self) {
        if !self.has_operator() {
            self.set_flag(Flag::Invite, false);
        }
    }

    /// Whether an account is in charge whenever it comes.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.accounts.iter().any(|(_, rank)| rank.is_operator())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_changes_no_other_and_its_letter_stands_for_it() {
        let mut rights = Rights::of_new_room();
        assert_eq!(rights.letters(), "nt");
        for flag in Flag::ALL {
            let before = rights.letters();
            let was = rights.has(flag);
            rights.set_flag(flag, !was);
            assert_ne!(rights.letters(), before);
            assert_eq!(rights.letters().contains(flag.letter()), !was);
            rights.set_flag(flag, was);
            assert_eq!(rights.letters(), before);
        }
        rights.set_letters("smx");
        assert_eq!(rights.letters(), "ms");
        assert!(rights.is_private() && !Rights::of_new_room().is_private());
    }

    #[test]
    fn only_what_somebody_is_in_charge_of_stays_closed() {
        let mut rights = Rights::of_new_room();
        rights.set_flag(Flag::Invite, true);
        let mut owned = rights.clone();
        owned.set_rank(&Nickname::parse("alice").unwrap(), Some(Rank::Operator));
        for rights in [&mut rights, &mut owned] {
            rights.open_if_nobodys();
        }
        assert!(!rights.has(Flag::Invite) && owned.has(Flag::Invite));
    }

    #[test]
    fn an_account_has_one_rank() {
        let name = |name: &str| Nickname::parse(name).unwrap();
        let mut rights = Rights::default();
        rights.set_rank(&name("alice"), Some(Rank::Voice));
        assert!(!rights.has_operator());
        rights.set_rank(&name("alice"), Some(Rank::Operator));
        assert_eq!(rights.rank_of(&name("alice")), Some(Rank::Operator));
        assert_eq!(rights.rank_of(&name("bob")), None);
        assert!(rights.has_operator() && rights.accounts.len() == 1);
        rights.set_rank(&name("alice"), None);
        assert_eq!(rights, Rights::default());
        assert!(Rank::Voice < Rank::Operator);
        let both = Rank::changed(Some(Rank::Operator), Rank::Voice, true);
        assert_eq!(both, Some(Rank::VoicedOperator));
        assert_eq!(Rank::changed(both, Rank::Operator, false), Some(Rank::Voice));
        assert_eq!(Rank::changed(Some(Rank::Voice), Rank::Voice, false), None);
        assert_eq!(Rank::of_letter('o'), Some(Rank::Operator));
    }
}

//! Who does something, with more of them than the name: what IRC clients are told of everybody
//! (`name!user@host`), and nobody else needs.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use blake2::{Blake2s256, Digest as _};
use data_encoding::BASE32_DNSSEC;

use crate::dialect::Dialect;
use crate::nickname::Nickname;
use crate::rights::Rank;

/// What stands for a person's host if their address is to be told to nobody: it is made of the
/// address with a secret, so that it is the same whenever they come, and nobody can find the
/// address by trying all.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Cloak([u8; Cloak::SECRET_BYTES]);

/// Bytes of the hash that are shown, in eight letters and digits: two addresses have the same cloak
/// by chance once in 2^40. Each line that IRC clients are told has it, so it is short.
const SHOWN_BYTES: usize = 5;

impl Cloak {
    /// Bytes of the secret.
    pub const SECRET_BYTES: usize = 16;

    /// With this secret, which others must not be able to guess.
    #[must_use]
    pub fn new(secret: [u8; Cloak::SECRET_BYTES]) -> Cloak {
        Cloak(secret)
    }
}

impl fmt::Debug for Cloak {
    /// The secret is not to be seen in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloak")
    }
}

/// From where somebody comes, as others are told.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Their address.
    pub address: IpAddr,
    /// What hides it; with nothing, it is told as it is.
    pub cloak: Option<Cloak>,
}

impl fmt::Display for Host {
    /// Eight letters and digits, and `.ip`; of an IPv6 address, those of its /64, since that is one
    /// household's. Without a cloak, the address, with a `0` before a `:` at its beginning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.to_canonical();
        let Some(Cloak(secret)) = self.cloak else {
            if address.is_ipv6() && address.to_string().starts_with(':') {
                f.write_char('0')?;
            }
            return write!(f, "{address}");
        };
        let hash = Blake2s256::new().chain_update(secret);
        let hash = match address {
            IpAddr::V4(address) => hash.chain_update(address.octets()),
            IpAddr::V6(address) => hash.chain_update(&address.octets()[..8]),
        };
        let hash = hash.finalize();
        write!(f, "{}.ip", BASE32_DNSSEC.encode_display(&hash[..SHOWN_BYTES]))
    }
}

/// Who does something.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// Their nickname.
    pub name: &'a str,
    /// What they say that they are called on their machine; of those who cannot say so, what is
    /// spoken where they came in.
    pub user: &'a str,
    /// From where they come.
    pub host: Host,
    /// User and host as `user@host`, if that was made before: a cloak is a hash.
    pub mask: Option<&'a str>,
    /// The account that they are logged in to.
    pub account: Option<&'a str>,
    /// What they say that they are called.
    pub real_name: &'a str,
    /// Why they are away, if they say that they are.
    pub away: Option<&'a str>,
    /// The rank with which they have come into the room.
    pub rank: Option<Rank>,
    /// What others are told of their going is told at once for all rooms, and not for each.
    pub told_apart: bool,
}

impl<'a> Author<'a> {
    /// Somebody who is called so, came in by this dialect and says that of themselves.
    pub(crate) fn new(
        name: &'a str,
        (came_by, profile): (Dialect, Option<&'a Profile>),
        address: IpAddr,
        cloak: Option<Cloak>,
    ) -> Author<'a> {
        Author {
            name,
            user: profile.map_or(came_by.name(), |profile| &profile.user),
            host: Host { address, cloak },
            mask: None,
            account: None,
            real_name: profile.map_or(name, |profile| &profile.real_name),
            away: profile.and_then(|profile| profile.away.as_deref()),
            rank: None,
            told_apart: false,
        }
    }
}

impl fmt::Display for Author<'_> {
    /// `name!user@host`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}@{}", self.name, self.user, self.host)
    }
}

/// What somebody says of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What they are called on their machine.
    pub(crate) user: Box<str>,
    /// What they are called otherwise.
    pub(crate) real_name: Box<str>,
    /// Why they are away, if they are.
    pub(crate) away: Option<Box<str>>,
}

/// The same as an [`Author`] without the name, kept until it is told.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) came_by: Dialect,
    pub(crate) profile: Option<Box<Profile>>,
    pub(crate) address: IpAddr,
    pub(crate) account: Option<Nickname>,
    /// The rank with which they came into the room.
    pub(crate) rank: Option<Rank>,
    /// See [`Author::told_apart`].
    pub(crate) told_apart: bool,
}

impl Person {
    /// What is told of them, who are called so.
    pub(crate) fn author<'a>(&'a self, name: &'a str, cloak: Option<Cloak>) -> Author<'a> {
        let account = self.account.as_ref().map(Nickname::as_str);
        let author =
            Author::new(name, (self.came_by, self.profile.as_deref()), self.address, cloak);
        Author { account, rank: self.rank, told_apart: self.told_apart, ..author }
    }
}

/// What an IRC client said besides the text, and only IRC clients are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// The text with its formatting codes, if it has any; otherwise empty. If an IRC client has
    /// sent it in pieces, U+000B is between them, and each U+000C before it stands for a blank line
    /// with which the message begins.
    pub formatted: Box<str>,
    /// Tags of its own, each with `+` before it, as they came; perhaps empty.
    pub tags: Box<str>,
    /// It is a NOTICE, to which nobody answers by a program.
    pub is_notice: bool,
    /// It is one line of a message of several.
    pub part: Option<Part>,
}

/// Which line of a message of several this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// By what the lines of one message are known.
    pub message: u64,
    /// Nothing of it was told before.
    pub is_first: bool,
    /// Nothing of it comes after this.
    pub is_last: bool,
}

impl Extra {
    /// No text has these in it.
    pub(crate) const PIECE: char = '\u{b}';
    pub(crate) const BLANK: char = '\u{c}';

    /// Whether the text is more than one line to IRC clients that can take it.
    pub(crate) fn is_in_pieces(&self) -> bool {
        self.formatted.contains([Extra::PIECE, Extra::BLANK])
    }

    /// What belongs to one line of a message of `count`: of the text with formatting codes, that
    /// line.
    pub(crate) fn of_line(&self, message: u64, place: usize, count: usize) -> Extra {
        let formatted = self.formatted.split('\n').nth(place).unwrap_or_default();
        let (is_first, is_last) = (place == 0, place + 1 == count);
        let part = Some(Part { message, is_first, is_last });
        Extra { formatted: formatted.into(), part, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str, cloak: Option<[u8; 16]>) -> String {
        Host { address: address.parse().unwrap(), cloak: cloak.map(Cloak::new) }.to_string()
    }

    #[test]
    fn a_cloak_is_the_same_for_one_household_and_tells_no_address() {
        let one = shown("192.0.2.1", Some([1; 16]));
        assert_eq!(one.len(), 8 + 3);
        assert_eq!(one, shown("::ffff:192.0.2.1", Some([1; 16])));
        assert_ne!(one, shown("192.0.2.2", Some([1; 16])));
        assert_ne!(one, shown("192.0.2.1", Some([2; 16])), "with another secret");
        let household = |last| shown(&format!("2001:db8::{last}"), Some([1; 16]));
        assert_eq!(household(1), household(2));
    }

    #[test]
    fn without_a_cloak_the_address_is_told() {
        assert_eq!(shown("192.0.2.1", None), "192.0.2.1");
        assert_eq!(shown("::1", None), "0::1");
    }
}

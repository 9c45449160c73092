//! Tokens: by which somebody who was cut off shows that it is them.
//!
//! They are looked up in a hash table. Where one stands there follows from a hash that nobody knows
//! outside, and two that stand in the same place are compared in constant time: how long a look-up
//! takes tells nothing of the tokens that there are.

use std::array;
use std::fmt;
use std::hash::{Hash, Hasher};

use blake2::{Blake2s256, Digest as _};
use subtle::ConstantTimeEq as _;

/// What a token has, in bytes.
pub const TOKEN_BYTES: usize = 32;

/// A secret that nobody can guess. It goes over the wire as hexadecimal digits.
#[derive(Clone)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A token of random bytes.
    #[must_use]
    pub fn new(random: [u8; TOKEN_BYTES]) -> Token {
        Token(random)
    }

    /// By what other servers know it, to whom the token itself is not told.
    pub(crate) fn hash(&self) -> u128 {
        let digest = self.digest();
        u128::from_be_bytes(array::from_fn(|place| digest[place]))
    }

    /// What stands in a file in its place. A token is as random as can be: it needs no salt, and
    /// nobody can guess it however fast that would be.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_string()).into()
    }

    /// Reads what a [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        let digits = text.as_bytes();
        if digits.len() != 2 * TOKEN_BYTES {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Some(Token(bytes))
    }
}

/// A number that is the same at all servers for a key under which something is said.
pub(crate) fn key_hash(key: &str) -> u64 {
    let digest = Blake2s256::digest(key);
    u64::from_be_bytes(array::from_fn(|place| digest[place]))
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A secret is not to be seen in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What somebody gave to show who they are: a password, or a token of their account. It is not to
/// be seen in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// That text.
    #[must_use]
    pub fn new(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    /// What it is.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_not_shown_otherwise() {
        let token = Token::new(array::from_fn(|place| place as u8 * 7));
        let text = token.to_string();
        assert_eq!((text.len(), Token::parse(&text)), (64, Some(token.clone())));
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_ne!(Token::parse(&text.replacen("07", "17", 1)), Some(token));
        for junk in ["", "00", &text[1..], &format!("{text}0"), &text.replacen('0', "g", 1)] {
            assert_eq!(Token::parse(junk), None, "{junk}");
        }
    }
}

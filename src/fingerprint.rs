//! The fingerprint of a certificate: `make-cert` shows it, and the client compares it with the one
//! that it was given.

use std::fmt::{self, Display, Formatter, Write as _};
#[cfg(feature = "client")]
use std::str::FromStr;

use ring::digest::{SHA256, digest};

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of this certificate, as DER has it.
    pub(crate) fn of(certificate: &[u8]) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(':')?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "client")]
impl FromStr for Fingerprint {
    type Err = String;

    /// # Errors
    /// What a fingerprint is.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a fingerprint is 64 hexadecimal digits, as in AB:CD:…".to_owned();
        let digits: Vec<_> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|two| two.iter().fold(0, |all, d| all << 4 | *d as u8)).collect();
        let is_whole = digits.len() == 64;
        bytes.try_into().ok().filter(|_| is_whole).map(Fingerprint).ok_or_else(wrong)
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown() {
        let text = ["0A"; 32].join(":");
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(fingerprint, Fingerprint([10; 32]));
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!("0a".repeat(32).parse(), Ok(fingerprint));
        for wrong in ["", "0A", &"0A".repeat(33), &"0G".repeat(32), &"0".repeat(63)] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}

//! The server's password. It is compared in a time that tells nothing of it, and is never shown.

use std::fmt;

use subtle::{Choice, ConstantTimeEq as _};

/// Bytes of the longest password.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// What everybody must know who comes in.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// With zeros behind it, so that all are equally long.
    bytes: [u8; PASSWORD_BYTES_MAX],
    length: u8,
}

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// It has no byte, or more than [`PASSWORD_BYTES_MAX`].
    Length,
    /// It has several lines, of which only one could be typed.
    Lines,
    /// It is not UTF-8, as all that is typed is.
    NotUtf8,
}

impl Password {
    /// The password in a file: all of it but the line end.
    ///
    /// # Errors
    /// If nobody could type it.
    pub fn from_file(content: &[u8]) -> Result<Password, PasswordError> {
        let text = str::from_utf8(content).map_err(|_| PasswordError::NotUtf8)?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.trim_end_matches('\r'));
        if text.contains(['\n', '\r']) {
            return Err(PasswordError::Lines);
        }
        Password::padded(text).filter(|it| it.length > 0).ok_or(PasswordError::Length)
    }

    /// Whether that is the password.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        // What is too long is compared as well.
        let (given, fits) = match Password::padded(given) {
            Some(given) => (given, Choice::from(1)),
            None => (self.clone(), Choice::from(0)),
        };
        let is_same = self.bytes.ct_eq(&given.bytes) & self.length.ct_eq(&given.length) & fits;
        is_same.into()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.length.into()
    }

    fn padded(text: &str) -> Option<Password> {
        let mut bytes = [0; PASSWORD_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Password { bytes, length: text.len() as u8 })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordError::Length => write!(f, "it must have 1 to {PASSWORD_BYTES_MAX} bytes"),
            PasswordError::Lines => f.write_str("it has more than one line"),
            PasswordError::NotUtf8 => f.write_str("it is not UTF-8 text"),
        }
    }
}

impl std::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_of_the_file_is_not_of_the_password() {
        for file in ["sesame", "sesame\n", "sesame\r\n"] {
            let password = Password::from_file(file.as_bytes()).unwrap();
            assert!(password.is("sesame"), "{file:?}");
            for wrong in ["", "sesam", "sesame ", "Sesame", "sesame\0", &"x".repeat(129)] {
                assert!(!password.is(wrong), "{file:?}, {wrong:?}");
            }
        }
        let longest = "y".repeat(PASSWORD_BYTES_MAX);
        assert!(Password::from_file(longest.as_bytes()).unwrap().is(&longest));
        assert!(!format!("{:?}", Password::from_file(b"sesame")).contains("sesame"));
    }

    #[test]
    fn what_nobody_could_type_is_no_password() {
        let long = [b'x'; PASSWORD_BYTES_MAX + 1];
        for (file, error) in [
            (&b""[..], PasswordError::Length),
            (b"\n", PasswordError::Length),
            (&long, PasswordError::Length),
            (b"a\nb\n", PasswordError::Lines),
            (b"a\n\n", PasswordError::Lines),
            (b"\xff", PasswordError::NotUtf8),
        ] {
            assert_eq!(Password::from_file(file), Err(error), "{file:?}");
        }
    }
}

//! Passwords are kept as argon2id hashes, in the text form that starts with `$argon2id$`. To make
//! one, or to try a password, takes tens of milliseconds and 19 MiB on purpose: so nothing here
//! runs on the loop's thread.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;

/// What a hash costs: KiB of memory, passes over it, and lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// A hash from elsewhere may cost so much at most, in KiB and passes: everybody waits for it.
const COST_MAX: (u32, u32) = (256 << 10, 16);

const SALT_BYTES: usize = 16;

const HASH_BYTES: usize = 32;

/// What the passwords of those are tried with who have no account: it takes as long.
pub(super) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz\
                                  $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a text is no hash of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsound(&'static str);

impl std::fmt::Display for Unsound {
    /// Part of a sentence. Nothing of the hash is in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unsound {}

/// Hashes passwords, and keeps the memory for that from one to the next.
#[derive(Default)]
pub(super) struct Hasher {
    blocks: Vec<Block>,
}

impl Hasher {
    /// The hash of a password, with a salt that no other has; `None` if the system gives neither
    /// randomness nor memory.
    pub(super) fn hash(&mut self, password: &str) -> Option<String> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).ok()?;
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).ok()?;
        let mut out = [0; HASH_BYTES];
        let params_text = ParamsString::try_from(&params).ok()?;
        self.run(Version::V0x13, params, password, &salt, &mut out)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: params_text,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&out).ok()?),
        };
        Some(hash.to_string())
    }

    /// Whether a hash is of that password.
    ///
    /// # Errors
    /// If it is no hash.
    pub(super) fn verify(&mut self, hash: &str, password: &str) -> Result<bool, Unsound> {
        let Parts { version, params, salt, hash } = read(hash)?;
        let mut out = [0; Output::MAX_LENGTH];
        let out = &mut out[..hash.len()];
        self.run(version, params, password, &salt, out).ok_or(Unsound("needs too much memory"))?;
        Ok(out.ct_eq(hash.as_bytes()).into())
    }

    fn run(
        &mut self,
        version: Version,
        params: Params,
        password: &str,
        salt: &[u8],
        out: &mut [u8],
    ) -> Option<()> {
        let count = params.block_count();
        if self.blocks.len() < count {
            self.blocks.try_reserve_exact(count - self.blocks.len()).ok()?;
            self.blocks.resize(count, Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
        let blocks = &mut self.blocks[..count];
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks).ok()
    }

    /// Whether it holds memory.
    pub(super) fn holds_memory(&self) -> bool {
        self.blocks.capacity() > 0
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.blocks = Vec::new();
    }
}

/// What a hash says of itself.
struct Parts {
    version: Version,
    params: Params,
    salt: Salt,
    hash: Output,
}

fn read(hash: &str) -> Result<Parts, Unsound> {
    let parsed = PasswordHash::new(hash).map_err(|_| Unsound("is no password hash"))?;
    if parsed.algorithm != ARGON2ID_IDENT {
        return Err(Unsound("is of another kind than argon2id"));
    }
    let params = Params::try_from(&parsed).map_err(|_| Unsound("has costs that cannot be"))?;
    if params.m_cost() > COST_MAX.0 || params.t_cost() > COST_MAX.1 {
        return Err(Unsound("is too dear to be tried"));
    }
    let version = parsed.version.map_or(Ok(Version::V0x10), Version::try_from);
    let version = version.map_err(|_| Unsound("is of a version that is not known"))?;
    let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
        return Err(Unsound("has no salt or no hash"));
    };
    Ok(Parts { version, params, salt, hash })
}

/// The hash of a password as it stands in the configuration; `None` if the system gives neither
/// randomness nor memory. It takes tens of milliseconds.
#[must_use]
pub fn hash_password(password: &str) -> Option<String> {
    Hasher::default().hash(password)
}

/// Says whether a text is a hash that passwords can be tried with. No password is.
///
/// # Errors
/// If it is not, or would cost more than 256 MiB or 16 passes.
pub fn check_hash(hash: &str) -> Result<(), Unsound> {
    read(hash).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let mut hasher = Hasher::default();
        let hashes = [0, 1].map(|_| hasher.hash("correct horse").unwrap());
        assert_ne!(hashes[0], hashes[1], "each has a salt of its own");
        for hash in &hashes {
            assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
            assert_eq!(check_hash(hash), Ok(()));
            assert_eq!(hasher.verify(hash, "correct horse"), Ok(true));
            for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
                assert_eq!(hasher.verify(hash, wrong), Ok(false), "{wrong:?}");
            }
        }
        assert_eq!(hasher.verify(NOBODYS, ""), Ok(false));
        let (cost, salt) = (Params::try_from(&PasswordHash::new(NOBODYS).unwrap()).unwrap(), 16);
        assert_eq!((cost.m_cost(), cost.t_cost(), cost.p_cost()), COST, "it takes as long");
        assert_eq!(read(NOBODYS).unwrap().salt.len(), salt - 1);
    }

    #[test]
    fn hashes_of_other_programs_are_taken_as_well() {
        // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 4 -l 24
        let hash = "$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$\
                    GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo";
        let mut hasher = Hasher::default();
        assert_eq!(hasher.verify(hash, "password"), Ok(true));
        assert_eq!(hasher.verify(hash, "passwort"), Ok(false));
    }

    #[test]
    fn what_is_no_hash_is_said() {
        for (hash, why) in [
            ("", "is no password hash"),
            ("sesame", "is no password hash"),
            ("$2b$12$abcdefghijklmnopqrstuv", "is no password hash"),
            ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "another kind"),
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", "no salt or no hash"),
            ("$argon2id$v=7$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "a version"),
            ("$argon2id$v=19$m=1,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "costs"),
            ("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "too dear"),
            ("$argon2id$v=19$m=65536,t=99,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "too dear"),
        ] {
            let told = check_hash(hash).unwrap_err().to_string();
            assert!(told.contains(why), "{hash}: {told}");
            assert!(Hasher::default().verify(hash, "x").is_err(), "{hash}");
        }
    }
}

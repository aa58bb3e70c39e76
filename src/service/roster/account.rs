//! An account that was issued to a pile: its password's hash, and whether it was used.

use std::{
    fs::File,
    io::{self, Read as _},
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::service::config::Secret;

/// Bytes of chance in a password and in a salt. A password of 128 bits cannot be found by trying,
/// so a fast hash is enough to keep a stolen file from being a key.
const CHANCE_BYTES: usize = 16;

/// Bytes that nobody can foresee.
pub fn chance() -> io::Result<[u8; CHANCE_BYTES]> {
    let mut bytes = [0; CHANCE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A password that nobody can guess: 32 characters.
///
/// # Errors
///
/// If the system gives no randomness.
pub fn new_password() -> io::Result<Secret> {
    Ok(Secret::new(data_encoding::HEXLOWER.encode(&chance()?)))
}

/// Whether an issued account was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The answer may never have arrived: the pile may ask again.
    Never,
    /// The pile has it; first seen at that time, unix seconds, if a clock knew it.
    Since(Option<i64>),
}

/// An account that was issued to a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub(super) salt: [u8; CHANCE_BYTES],
    pub(super) hash: [u8; 32],
    /// When it was issued, unix seconds; `None` if no clock knew.
    pub issued_s: Option<i64>,
    /// Whether it was used.
    pub used: Use,
}

impl Account {
    /// An account nobody has used yet.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn issue(password: &Secret, now_s: Option<i64>) -> io::Result<Self> {
        let salt = chance()?;
        let hash = hash(&salt, password.expose().as_bytes());
        Ok(Self { salt, hash, issued_s: now_s, used: Use::Never })
    }

    /// Whether this is its password; takes the same time either way.
    pub fn is_password(&self, given: &[u8]) -> bool {
        self.hash.ct_eq(&hash(&self.salt, given)).into()
    }
}

fn hash(salt: &[u8], password: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_account_knows_its_password_and_does_not_tell_it() {
        let password = new_password().unwrap();
        let account = Account::issue(&password, Some(7)).unwrap();
        assert!(account.is_password(password.expose().as_bytes()));
        for wrong in [&b""[..], b"x", &password.expose().as_bytes()[1..]] {
            assert!(!account.is_password(wrong));
        }
        assert_ne!(account.hash, Account::issue(&password, Some(7)).unwrap().hash, "salted");
        assert_ne!(password, new_password().unwrap());
    }
}

//! Secrets, and what is kept of them: never the secret itself.

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

/// SHA-256 of parts, each led by its length, so that no two lists of parts are taken for each other.
pub fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// [`digest`] in hexadecimal. With the installation's secret as the first part, only this installation can make it.
pub fn hash(parts: &[&str]) -> String {
    hex::encode(digest(parts))
}

/// What is stored of one random secret: its plain SHA-256 in hexadecimal.
pub fn kept(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// A secret of 256 random bits, in hexadecimal.
pub fn fresh() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Letters and digits that nobody can guess, almost six bits each.
pub fn letters(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_keep_their_bounds_and_secrets_their_length() {
        assert_ne!(super::hash(&["ab", ""]), super::hash(&["a", "b"]));
        // FIPS 180-2, appendix B.1.
        assert_eq!(super::kept("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((super::fresh().len(), super::letters(32).len()), (64, 32));
    }
}

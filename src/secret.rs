//! Values that must not be seen: environment values, passwords, the content of secrets.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A value that prints and serialises as a digest, never in clear.
///
/// A value read back from a journal or version file is *sealed*: it has only its digest
/// until [`Secret::unseal`] gives the text back from the file kept beside the journal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret {
    text: Option<Arc<str>>,
    digest: Arc<str>,
}

/// The server's digest key; without it a digest of a short password could be guessed.
#[derive(Clone)]
pub struct DigestKey(pub [u8; 32]);

impl DigestKey {
    /// The keyed digest of `text`, 32 hexadecimal digits.
    pub fn digest(&self, text: &str) -> Arc<str> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(text.as_bytes());
        // Every variable has a digest: a formatter for each of its bytes would be most of the work.
        let mut out = [0; 32];
        for (byte, pair) in hash.finalize().iter().zip(out.chunks_exact_mut(2)) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]));
        }
        // Digits are ASCII.
        std::str::from_utf8(&out).unwrap_or_default().into()
    }
}

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<Arc<str>>, key: &DigestKey) -> Self {
        let text = text.into();
        let digest = key.digest(&text);
        Self { text: Some(text), digest }
    }

    /// The clear text; `None` while sealed.
    pub fn expose(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The keyed digest, equal for equal texts under one key.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Gives a sealed value its text back.
    pub fn unseal(&mut self, text: String) {
        self.text = Some(text.into());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.digest)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("secret:{}", self.digest))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("secret:") {
            Some(digest) => Ok(Self { text: None, digest: digest.into() }),
            None => Err(serde::de::Error::custom("expected secret:<digest>")),
        }
    }
}

/// Whether a variable's name says that its value is secret.
pub fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "SECRET", "TOKEN", "KEY", "PWD", "CREDENTIAL", "AUTH", "PRIVATE", "DSN", "SALT"]
        .iter()
        .any(|word| name.contains(word))
}

/// The password in a URL, if there is one.
pub fn url_password(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls() {
        assert_eq!(url_password("postgres://app:s3cr3t@db:5432/app"), Some("s3cr3t"));
        assert_eq!(url_password("redis://cache:6379"), None);
    }
}

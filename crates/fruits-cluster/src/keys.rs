//! Names that another process chose: keys in a cache, and digests. Nothing is opened, written or removed under a name that
//! did not go through here.

use std::fmt;

use fruits::storage::cache::{CLUSTER, is_part};
use fruits::store::{Shard, keys};
use fruits::{Error, Result};
use serde::{Deserialize, Serialize};

/// A key in a cache: `cluster/...`, or the file or receipt of a shard. Its parts hold letters, digits, `.`, `-` and `_`, and
/// begin with no `.`, so that no key leads out of a cache. One that is read from a task begins with `cluster/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// A key below `cluster/`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is none.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let mut parts = text.split('/');
        let is_ours = parts.next() == Some(CLUSTER);
        match is_ours && text != CLUSTER && parts.all(is_part) {
            true => Ok(Self(text)),
            false => Err(Error::Invalid(format!(
                "`{}` is no key of a cluster; this is a fault of whoever wrote it",
                text.escape_debug()
            ))),
        }
    }

    /// The receipt of a shard, whose fingerprint is a [`Fingerprint`] or was made here.
    pub fn of_receipt(shard: &Shard) -> Self {
        Self(keys(shard).receipt)
    }

    /// A key below this one.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn below(&self, rest: impl fmt::Display) -> Result<Self> {
        Self::new(format!("{self}/{rest}"))
    }

    /// The receipt of the piece under this key.
    pub fn receipt(&self) -> Self {
        Self(format!("{self}.json"))
    }

    /// The part behind the last `/`.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// A SHA-256: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match text.len() == 64 && text.chars().all(is_digit) {
            true => Ok(Self(text)),
            false => Err(Error::Invalid(format!(
                "`{}` is no SHA-256; this is a fault of whoever wrote it",
                text.escape_debug()
            ))),
        }
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_a_cache() {
        for good in ["cluster/pieces/1f/pass-01.bin", "cluster/a", "cluster/a..b"] {
            assert_eq!(Key::new(good).unwrap().as_str(), good);
        }
        let long = format!("cluster/{}", "a".repeat(161));
        let bad = [
            "",
            "cluster",
            "cluster/",
            "cluster//a",
            "cluster/.",
            "cluster/..",
            "cluster/../x",
            "cluster/a/../../x",
            "cluster/.ssh",
            "/cluster/a",
            "//cluster/a",
            "clusters/a",
            "features/a",
            "cluster/a b",
            "cluster/a\0",
            "cluster/a\n",
            "cluster/a\\b",
            "cluster/ä",
            "s3://cluster/a",
            &long,
        ];
        for bad in bad {
            assert!(Key::new(bad).is_err(), "{bad:?}");
            let read: Result<Key, _> = serde_json::from_value(serde_json::json!(bad));
            assert!(read.is_err(), "{bad:?} is read from a task");
        }
        let folder = Key::new("cluster/pieces").unwrap();
        assert!(folder.below("../x").is_err());
        assert!(folder.below("").is_err());
    }

    #[test]
    fn a_fingerprint_has_64_hexadecimal_digits() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(Fingerprint::try_from(digits.clone()).is_ok());
        for bad in ["", "0123", &digits[1..], &digits.replace('a', "A")] {
            assert!(Fingerprint::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Fingerprint::try_from(digits.replace("01", "..")).is_err());
    }
}

use crate::canonical_json;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, io, str::FromStr};

/// A BLAKE3 digest of content: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a digest of 64 hexadecimal digits")]
pub struct DigestError(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of all that `content` yields, of which little is in memory at a time.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(content: impl io::Read) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(content)?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// The digest of the [canonical JSON](canonical_json) of `value`.
    pub fn of_json(value: &impl Serialize) -> Self {
        Self::of(canonical_json(value).as_bytes())
    }

    /// Takes over a digest that was computed elsewhere, for instance while streaming a file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits: enough for a person to distinguish two digests.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refuse = || DigestError(text.to_owned());
        let canonical = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let hash = canonical.then(|| blake3::Hash::from_hex(text)).ok_or_else(refuse)?;
        hash.map(|hash| Self(*hash.as_bytes())).map_err(|_| refuse())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_change_the_digest() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a": 1, "b": {"d": 0.1, "c": 2}}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"b": {"c": 2, "d": 0.1}, "a": 1}"#).unwrap();
        assert_eq!(Digest::of_json(&one), Digest::of_json(&two));
        assert_eq!(canonical_json(&one), r#"{"a":1,"b":{"c":2,"d":0.1}}"#);
    }

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Digest::of_json(&json!({"recipe": "ties"}));
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("xyz".parse::<Digest>().is_err());
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
    }
}

//! Versions of stored documents and of messages: each is read where the document is, and one that is not known is
//! refused.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A document is of a version that this program does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownVersion {
    /// The document's version.
    pub found: u32,
    /// The oldest version that is read here.
    pub oldest: u32,
    /// The newest version that is read here.
    pub newest: u32,
}

/// What the message of the parser's error begins with: the parser keeps a text of an error and not the error.
const BEGINNING: &str = "it has version ";
const MIDDLE: &str = ", and this program reads versions ";

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{}{MIDDLE}{} to {}", self.found, self.oldest, self.newest)
    }
}

impl UnknownVersion {
    /// What a parser found, if that was a version that is not known.
    pub fn in_error(error: &serde_json::Error) -> Option<Self> {
        let text = error.to_string();
        let (found, rest) = text.strip_prefix(BEGINNING)?.split_once(MIDDLE)?;
        let (oldest, rest) = rest.split_once(" to ")?;
        let newest: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { found: found.parse().ok()?, oldest: oldest.parse().ok()?, newest: newest.parse().ok()? })
    }
}

/// Reads the version of a document, and refuses one outside `OLDEST..=NEWEST`.
///
/// It is the first field of every document: what else a later version holds is not looked at.
pub fn known<'de, D, const OLDEST: u32, const NEWEST: u32>(deserializer: D) -> Result<u32, D::Error>
where
    D: Deserializer<'de>,
{
    let found = u32::deserialize(deserializer)?;
    if (OLDEST..=NEWEST).contains(&found) {
        return Ok(found);
    }
    Err(de::Error::custom(UnknownVersion { found, oldest: OLDEST, newest: NEWEST }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cancellation, Digest, Finish, Goal, Metric, Objective, Outcome, Progress, RestedFile, WorkerStatus};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn read<T: DeserializeOwned>(document: &Value) -> Result<T, serde_json::Error> {
        serde_json::from_str(&document.to_string())
    }

    /// Fails unless a document is read in its own version and in those before, and in no other, and only without what
    /// is unknown.
    fn check<T: DeserializeOwned>(document: &Value, newest: u32) {
        for version in 1..=newest {
            let mut document = document.clone();
            document["version"] = version.into();
            assert!(read::<T>(&document).is_ok(), "{document}");
        }
        let mut later = document.clone();
        later["version"] = (newest + 1).into();
        later["added_later"] = 1.into();
        let error = serde_json::from_str::<T>(&first(&later, "version")).err().expect("refused");
        let unknown = UnknownVersion { found: newest + 1, oldest: 1, newest };
        assert_eq!(UnknownVersion::in_error(&error), Some(unknown), "{error}");
        let mut unknown = document.clone();
        unknown["colour"] = "red".into();
        let error = read::<T>(&unknown).err().expect("refused");
        assert!(error.to_string().contains("unknown field `colour`"), "{error}");
        assert_eq!(UnknownVersion::in_error(&error), None);
    }

    /// The document as programs write it: `key` comes first.
    fn first(document: &Value, key: &str) -> String {
        let mut rest = document.clone();
        let value = rest.as_object_mut().and_then(|fields| fields.remove(key)).expect("there");
        rest.to_string().replacen('{', &format!("{{\"{key}\":{value},"), 1)
    }

    #[test]
    fn every_document_is_read_in_its_own_versions_alone_and_without_unknown_fields() {
        let status = WorkerStatus::fresh("w", "cpu", 1);
        check::<WorkerStatus>(&serde_json::to_value(status).unwrap(), WorkerStatus::VERSION);
        check::<Cancellation>(&serde_json::to_value(Cancellation::new(1, true, 1)).unwrap(), Cancellation::VERSION);
        check::<Finish>(&serde_json::to_value(Finish::new(1, 1)).unwrap(), Finish::VERSION);
        let digest = Digest::of(b"state");
        let rested = RestedFile::new(digest.to_string().parse().unwrap(), digest, 1);
        check::<RestedFile>(&serde_json::to_value(rested).unwrap(), RestedFile::VERSION);
        let progress = json!({
            "version": 2, "bound": 1, "run": 1, "reused": 0, "failed": 0, "outstanding": 0, "started_ms": 1, "updated_ms": 1,
        });
        check::<Progress>(&progress, Progress::VERSION);
        let objective = Objective { metric: Metric::MeanAccuracy, goal: Goal::Maximize };
        let outcome = json!({
            "version": 2, "sweep": "s", "objective": objective, "select": "a", "report": "b", "tasks": [], "rows": [],
        });
        check::<Outcome>(&outcome, Outcome::VERSION);
    }

    #[test]
    fn the_parts_of_documents_refuse_unknown_fields_as_well() {
        let job = "0".repeat(64);
        let in_hand = json!({"job": job, "sweep": "s", "attempt": 1, "since_ms": 1, "colour": "red"});
        let kind = json!({"errors": [], "jobs": 1, "example": job, "colour": "red"});
        let progress = json!({
            "version": 2, "bound": 1, "run": 1, "reused": 0, "failed": 0, "outstanding": 0, "started_ms": 1,
            "updated_ms": 1, "failures": [kind],
        });
        for error in [read::<crate::JobInHand>(&in_hand).unwrap_err(), read::<Progress>(&progress).unwrap_err()] {
            assert!(error.to_string().contains("unknown field `colour`"), "{error}");
        }
    }
}

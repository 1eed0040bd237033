use super::manifest::first_revision;
use crate::{Finish, version::known};
use serde::{Deserialize, Serialize};

/// A request to end searches as it is stored. Version 1 knows no revisions, and is read as a request for a first
/// revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredFinish {
    #[serde(deserialize_with = "known::<_, 1, { Finish::VERSION }>")]
    version: u32,
    #[serde(default = "first_revision")]
    revision: u32,
    #[serde(rename = "wished_ms")]
    requested_ms: u64,
}

impl From<Finish> for StoredFinish {
    fn from(Finish { revision, requested_ms }: Finish) -> Self {
        Self { version: Finish::VERSION, revision, requested_ms }
    }
}

impl From<StoredFinish> for Finish {
    fn from(StoredFinish { version: _, revision, requested_ms }: StoredFinish) -> Self {
        Self { revision, requested_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_stored_as_before_and_one_of_version_1_is_for_the_first_revision() {
        let text = r#"{"version":2,"revision":3,"wished_ms":7}"#;
        assert_eq!(serde_json::to_string(&Finish::new(3, 7)).unwrap(), text);
        assert_eq!(serde_json::from_str::<Finish>(text).unwrap(), Finish::new(3, 7));
        let older = r#"{"version":1,"wished_ms":7}"#;
        assert_eq!(serde_json::from_str::<Finish>(older).unwrap(), Finish::new(1, 7));
    }
}

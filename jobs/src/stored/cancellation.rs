use super::manifest::first_revision;
use crate::{Cancellation, version::known};
use serde::{Deserialize, Serialize};

/// A cancellation as it is stored. Version 1 knows no revisions, and is read as the cancellation of a first revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredCancellation {
    #[serde(deserialize_with = "known::<_, 1, { Cancellation::VERSION }>")]
    version: u32,
    #[serde(default = "first_revision")]
    revision: u32,
    stops_running: bool,
    cancelled_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_finished: bool,
}

impl From<Cancellation> for StoredCancellation {
    fn from(cancellation: Cancellation) -> Self {
        Self {
            version: Cancellation::VERSION,
            revision: cancellation.revision,
            stops_running: cancellation.stops_running,
            cancelled_ms: cancellation.cancelled_ms,
            stopped: cancellation.stopped,
            is_finished: cancellation.is_finished,
        }
    }
}

impl From<StoredCancellation> for Cancellation {
    fn from(stored: StoredCancellation) -> Self {
        Self {
            revision: stored.revision,
            stops_running: stored.stops_running,
            cancelled_ms: stored.cancelled_ms,
            stopped: stored.stopped,
            is_finished: stored.is_finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_is_stored_as_before_and_one_of_version_1_cancels_the_first_revision() {
        let by_person = Cancellation::new(2, true, 7);
        let text = r#"{"version":2,"revision":2,"stops_running":true,"cancelled_ms":7}"#;
        assert_eq!(serde_json::to_string(&by_person).unwrap(), text);
        assert_eq!(serde_json::from_str::<Cancellation>(text).unwrap(), by_person);

        let finished = Cancellation::finished(3, 8);
        let text = r#"{"version":2,"revision":3,"stops_running":false,"cancelled_ms":8,"stopped":"the sweep has finished","is_finished":true}"#;
        assert_eq!(serde_json::to_string(&finished).unwrap(), text);
        assert_eq!(serde_json::from_str::<Cancellation>(text).unwrap(), finished);

        let older = r#"{"version":1,"stops_running":false,"cancelled_ms":7}"#;
        assert_eq!(serde_json::from_str::<Cancellation>(older).unwrap(), Cancellation::new(1, false, 7));
    }
}

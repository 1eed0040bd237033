use super::{OtherLayout, StoredSpec};
use crate::{InputLocations, Job, JobSpec, Meaning, version::known};
use serde::{Deserialize, Serialize};

/// A job as messages hold it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredJob {
    #[serde(deserialize_with = "known::<_, 1, { Job::VERSION }>")]
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec: Option<JobSpec>,
    places: InputLocations,
}

impl From<Job> for StoredJob {
    fn from(Job { spec, places }: Job) -> Self {
        let StoredSpec { version, meaning, spec } = spec.into();
        Self { version, meaning, spec, places }
    }
}

impl TryFrom<StoredJob> for Job {
    type Error = OtherLayout;

    fn try_from(StoredJob { version, meaning, spec, places }: StoredJob) -> Result<Self, OtherLayout> {
        Ok(Self { spec: StoredSpec { version, meaning, spec }.try_into()?, places })
    }
}

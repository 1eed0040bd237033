use super::{OtherLayout, StoredSpec};
use crate::{InputLocations, Job, JobSpec, Meaning, Precision, version::known};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A job as messages hold it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredJob<'a> {
    #[serde(deserialize_with = "known::<_, 1, { Job::VERSION }>")]
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<Cow<'a, Meaning>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec: Option<Cow<'a, JobSpec>>,
    places: Cow<'a, InputLocations>,
}

impl<'a> From<&'a Job> for StoredJob<'a> {
    fn from(job: &'a Job) -> Self {
        let is_newest = !job.places.slices.is_empty() || job.places.has_trained() || has_images_in_16_bits(job);
        let StoredSpec { version, meaning, spec } =
            if is_newest { StoredSpec::newest(job.spec()) } else { job.spec().into() };
        Self { version, meaning, spec, places: Cow::Borrowed(&job.places) }
    }
}

impl TryFrom<StoredJob<'_>> for Job {
    type Error = OtherLayout;

    fn try_from(StoredJob { version, meaning, spec, places }: StoredJob<'_>) -> Result<Self, OtherLayout> {
        let spec = JobSpec::try_from(StoredSpec { version, meaning, spec })?;
        Ok(Self::new(spec, places.into_owned()))
    }
}

/// Whether it evaluates images in a precision that older programs have for texts alone: they would refuse the job for good.
fn has_images_in_16_bits(job: &Job) -> bool {
    let precision = job.spec().as_evaluation().map(|meaning| meaning.precision);
    precision.is_some_and(|precision| precision != Precision::F32)
        && job.places.data.values().any(|data| data.text.is_none())
}

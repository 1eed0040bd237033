use super::recipe_age::Age;
use crate::{Artefact, ArtefactFile, ArtefactResult, JobId, JobSpec, RunFacts, Timings, version::known};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An artefact as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredArtefact {
    #[serde(deserialize_with = "known::<_, 1, { ArtefactResult::VERSION }>")]
    version: u32,
    job: JobId,
    spec: JobSpec,
    files: Vec<ArtefactFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, f64>,
    timings: Timings,
    run: RunFacts,
}

impl From<ArtefactResult> for StoredArtefact {
    fn from(ArtefactResult { job, spec, artefact, timings, run }: ArtefactResult) -> Self {
        let Artefact { files, facts } = artefact;
        let version = if spec.is_newer() { ArtefactResult::VERSION } else { 1 };
        Self { version, job, spec, files, facts, timings, run }
    }
}

impl From<StoredArtefact> for ArtefactResult {
    fn from(StoredArtefact { version: _, job, spec, files, facts, timings, run }: StoredArtefact) -> Self {
        Self { job, spec, artefact: Artefact { files, facts }, timings, run }
    }
}

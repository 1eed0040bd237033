//! Jobs that write a merge.

use super::{
    adapters::read_adapters,
    attempt::{Attempt, CheckedInput, Stage},
    memory::check_merge,
    statistics::FoundStatistics,
};
use crate::{JobError, OutputFiles};
use files::FilesInUse;
use jobs::{InputLocations, MergeNames, WriteFormat, WriteSpec};
use merging::{Aligned, BaseHeader, Card, MergedUpdate, UpdateFacts};
use std::collections::BTreeMap;
use tracing::info_span;

/// A write job and the locations of its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteJob<'a> {
    pub(super) spec: &'a WriteSpec,
    pub(super) places: &'a InputLocations,
}

/// Merges by the recipe of the job, and writes the merge into a new folder.
///
/// Of the base, only the headers are read, unless a whole model is written; then its weights pass through memory one by
/// one. A merge that takes more than `free` bytes is refused.
pub(super) fn files(attempt: &mut Attempt<'_, WriteJob<'_>>, free: Option<u64>) -> Result<OutputFiles, JobError> {
    let WriteJob { spec, places } = attempt.job;
    let base = attempt.loading(open_base)?;
    let adapters = attempt.loading(|attempt| read_adapters(attempt, &spec.adapters, places, &base.header))?;
    attempt.check_cancelled()?;
    let stage = Stage::begin(info_span!("align"));
    let aligned = Aligned::for_recipe(&adapters, &spec.recipe)?;
    attempt.timings.align_s += stage.seconds();
    drop(stage);
    check_merge(&spec.recipe, &aligned, free)?;
    attempt.check_cancelled()?;
    let statistics = attempt.loading(|attempt| FoundStatistics::fetch(attempt, &spec.statistics))?;
    let stage = Stage::begin(info_span!("merge", step = "combine"));
    let update = statistics.merge(attempt, &aligned, &spec.recipe)?;
    let facts = facts(&aligned, &update);
    attempt.timings.merge_s += stage.seconds();
    drop(stage);
    attempt.check_cancelled()?;
    let stage = Stage::begin(info_span!("merge", step = "write"));
    // Writing a whole model reads the base's weights.
    let files = attempt.read(&base.files, || write(spec, &base.header, &update, facts))?;
    attempt.timings.merge_s += stage.seconds();
    Ok(files)
}

/// The base's headers, and the files that they were read from.
struct Base {
    header: BaseHeader,
    files: FilesInUse,
}

fn open_base(attempt: &mut Attempt<'_, WriteJob<'_>>) -> Result<Base, JobError> {
    let WriteJob { spec, places } = attempt.job;
    let located = attempt.inputs.expecting(spec.base).model(&places.base)?;
    let CheckedInput { path, files } = attempt.checked(&places.base, located, spec.base)?;
    let header = attempt.read(&files, || Ok(BaseHeader::open(&path)?))?;
    Ok(Base { header, files })
}

fn write(
    spec: &WriteSpec,
    base: &BaseHeader,
    update: &MergedUpdate,
    facts: BTreeMap<String, f64>,
) -> Result<OutputFiles, JobError> {
    let scratch = |source| JobError::Scratch { path: std::env::temp_dir(), source };
    let folder = tempfile::Builder::new().prefix("bowline-write-").tempdir().map_err(scratch)?;
    let MergeNames { base_model, revision, adapters } = spec.names.clone();
    let card = Card { base_model, revision, adapters, notes: String::new() };
    match spec.format {
        WriteFormat::Adapter => merging::write_adapter(update, &card, folder.path())?,
        WriteFormat::Model => merging::write_full(update, base, &card, folder.path())?,
    }
    OutputFiles::of(folder, facts).map_err(scratch)
}

/// Facts about a merge, for the record of its files.
fn facts(aligned: &Aligned, update: &MergedUpdate) -> BTreeMap<String, f64> {
    let mut facts = BTreeMap::from([("matrices".to_owned(), aligned.facts().matrices as f64)]);
    let ranks = update.modules.values().map(|matrix| matrix.rank()).collect::<Option<Vec<_>>>();
    if let Some(rank) = ranks.and_then(|ranks| ranks.into_iter().max()) {
        facts.insert("rank".to_owned(), rank as f64);
    }
    let UpdateFacts { lost_energy, condition, residual } = update.facts;
    for (name, number) in [("lost_energy", lost_energy), ("condition", condition), ("residual", residual)] {
        facts.extend(number.filter(|number| number.is_finite()).map(|number| (name.to_owned(), number)));
    }
    facts
}

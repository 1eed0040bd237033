//! Statistics that a run has measured: whether they are those of a merge.

use crate::failure::{Failure, MergeFailure};
use jobs::{AdapterInput, ArtefactResult, Digest, JobSpec, LayerwiseSpec, Recipe, StatisticsNeed, StatisticsSpec};
use merging::TaskStatistics;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The record of an artefact, in the folder above that of its files.
const RECORD: &str = "artefact.json";

/// Statistics that are named for a task, with the job that made them.
pub(super) struct MeasuredStatistics {
    pub(super) statistics: TaskStatistics,
    folder: PathBuf,
    spec: JobSpec,
}

impl MeasuredStatistics {
    /// Reads the index of a folder `artefacts/JOB/DIGEST` and the record beside it.
    ///
    /// # Errors
    /// One of them cannot be read; the record is that of other files.
    pub(super) fn open(task: &str, folder: &Path) -> Result<Self, Failure> {
        // Two paths may lead to one folder.
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let statistics = TaskStatistics::open(task, &folder)
            .map_err(|source| MergeFailure::Statistics { task: task.to_owned(), source })?;
        let other = |problem| Failure::from(other(task, &folder, problem));
        let record = folder.parent().map(|above| above.join(RECORD)).unwrap_or_default();
        let text = fs::read(&record).map_err(|error| {
            other(format!("`{}`, the record of the job that made them, cannot be read: {error}", record.display()))
        })?;
        let result: ArtefactResult = serde_json::from_slice(&text)
            .map_err(|error| other(format!("`{}` is no record of a job: {error}", record.display())))?;
        let digest = result.artefact.digest().short();
        if result.spec.id() != result.job || folder.file_name().is_none_or(|name| name != digest.as_str()) {
            return Err(other(format!("`{}` is the record of other files", record.display())));
        }
        result.spec.check_semantics().map_err(|error| other(error.to_string()))?;
        Ok(Self { statistics, folder, spec: result.spec })
    }
}

/// A merge that takes statistics.
pub(super) struct Merging<'a> {
    pub(super) base: Digest,
    pub(super) adapters: &'a [AdapterInput],
    pub(super) recipe: &'a Recipe,
}

impl Merging<'_> {
    /// Refuses statistics that are not those of the merge: of another base or adapter, by other settings, for a task that is not
    /// merged, or for a task that has some already.
    pub(super) fn check(&self, statistics: &[MeasuredStatistics]) -> Result<(), MergeFailure> {
        for (place, MeasuredStatistics { statistics: of_task, folder, spec }) in statistics.iter().enumerate() {
            let task = of_task.task();
            let problem = if statistics[..place].iter().any(|earlier| earlier.statistics.task() == task) {
                Some(format!("`--statistics` names `{task}` twice"))
            } else {
                match (self.adapters.iter().find(|adapter| adapter.task == task), spec) {
                    (None, _) => Some(format!("no `--adapter` has the name `{task}`")),
                    (Some(adapter), JobSpec::Statistics(spec)) => self.differs(adapter, spec),
                    (Some(_), JobSpec::Layerwise(spec)) => self.differs_layerwise(spec),
                    (Some(_), JobSpec::Evaluate(_) | JobSpec::Write(_) | JobSpec::Tune(_) | JobSpec::Train(_)) => {
                        Some("the job that made the folder measures none".to_owned())
                    }
                }
            };
            if let Some(problem) = problem {
                return Err(other(task, folder, problem));
            }
        }
        Ok(())
    }

    /// In what the statistics of a task are others than the merge needs.
    fn differs(&self, adapter: &AdapterInput, spec: &StatisticsSpec) -> Option<String> {
        let found = StatisticsNeed { what: spec.what, examples: spec.examples };
        let named = |need: StatisticsNeed| format!("{} over {} examples", need.what.name(), need.examples);
        if spec.base != self.base {
            return Some("they are of another base model".to_owned());
        }
        if spec.adapter.digest != adapter.digest {
            return Some(format!("they are of another adapter, that of `{}` in its sweep", spec.adapter.task));
        }
        match self.recipe.statistics() {
            Some(need) if need == found => None,
            Some(need) => Some(format!("they are {}, and the recipe merges by {}", named(found), named(need))),
            None => {
                Some(format!("they are {}, and the recipe takes a merge that was made layer by layer", named(found)))
            }
        }
    }

    /// In what a merge that was made layer by layer is another one.
    fn differs_layerwise(&self, spec: &LayerwiseSpec) -> Option<String> {
        let Some(settings) = self.recipe.layerwise() else {
            return Some(
                "they are a merge that was made layer by layer, and the recipe merges by those of each task".to_owned(),
            );
        };
        if spec.base != self.base {
            return Some("they are of another base model".to_owned());
        }
        if !spec.adapters.iter().map(|adapter| adapter.digest).eq(self.adapters.iter().map(|adapter| adapter.digest)) {
            return Some("they are of other adapters, or of these in another order".to_owned());
        }
        // The names of the tasks may differ.
        let weights = spec.adapters.iter().map(|adapter| spec.settings.weight(&adapter.task));
        let is_weighted_so = weights.eq(self.adapters.iter().map(|adapter| settings.weight(&adapter.task)));
        let found = &spec.settings;
        let are_numbers_same = found.examples == settings.examples
            && found.off_diagonal.total_cmp(&settings.off_diagonal).is_eq()
            && found.ridge.total_cmp(&settings.ridge).is_eq();
        (!is_weighted_so || !are_numbers_same).then(|| {
            format!(
                "they were made with examples {}, off_diagonal {}, ridge {} and weights {:?}, and the recipe has {}, {}, {} \
                 and {:?}",
                found.examples,
                found.off_diagonal,
                found.ridge,
                found.weights,
                settings.examples,
                settings.off_diagonal,
                settings.ridge,
                settings.weights
            )
        })
    }
}

fn other(task: &str, folder: &Path, problem: String) -> MergeFailure {
    MergeFailure::OtherStatistics { task: task.to_owned(), folder: folder.to_owned(), problem }
}

use super::{attempt::Attempt, base::Base, recent::Recent};
use crate::JobError;
use evaluation::{Delta, Deltas, ImageModel};
use jobs::{Digest, MergeFacts, Preset, Recipe, Subject};
use merging::{Adapter, Aligned, MergedUpdate, UpdateMatrix};
use std::{sync::Arc, time::Instant};

/// Sets of adapters, alignments and merges that the last jobs used.
#[derive(Debug)]
pub(super) struct Merges {
    adapters: Recent<Vec<Adapter>>,
    aligned: Recent<Aligned>,
    merged: Recent<Merged>,
}

/// A merge at λ = 1, laid out for the model.
struct Merged {
    deltas: Deltas,
    facts: MergeFacts,
}

/// The model that a job is about.
pub(super) struct Made {
    pub(super) model: ImageModel,
    pub(super) facts: Option<MergeFacts>,
}

impl Default for Merges {
    fn default() -> Self {
        Self { adapters: Recent::new(2), aligned: Recent::new(4), merged: Recent::new(2) }
    }
}

impl Merges {
    /// Makes the model of the job's subject: the base, one adapter at its own scale, or a merge.
    pub(super) fn model(&mut self, attempt: &mut Attempt<'_>, base: &Base) -> Result<Made, JobError> {
        let single;
        let (recipe, is_merge) = match &attempt.job.meaning.subject {
            Subject::Base => return Ok(Made { model: base.model.clone(), facts: None }),
            // The sum of one update is that update, held in factors with its scale.
            Subject::Adapter { .. } => {
                single = Preset::TaskArithmetic.recipe();
                (&single, false)
            }
            Subject::Merge { recipe } => (recipe, true),
        };
        let merged = self.merged(attempt, base, recipe)?;
        let start = Instant::now();
        let model = base.model.patched(&merged.deltas, recipe.scaling)?;
        attempt.timings.merge_s += start.elapsed().as_secs_f64();
        Ok(Made { model, facts: is_merge.then(|| merged.facts.clone()) })
    }

    fn merged(&mut self, attempt: &mut Attempt<'_>, base: &Base, recipe: &Recipe) -> Result<Arc<Merged>, JobError> {
        let Self { adapters, aligned, merged } = self;
        let inputs = &attempt.job.meaning.adapters;
        let unscaled = recipe.with_scaling(1.0);
        merged.get_or_make(Digest::of_json(&(inputs, &unscaled)), || {
            let aligned = aligned.get_or_make(Digest::of_json(&(inputs, recipe.space)), || {
                let adapters = adapters
                    .get_or_make(Digest::of_json(inputs), || attempt.loading(|attempt| read_adapters(attempt, base)))?;
                let start = Instant::now();
                let aligned = Aligned::new(&adapters, recipe.space)?;
                attempt.timings.align_s += start.elapsed().as_secs_f64();
                Ok::<_, JobError>(aligned)
            })?;
            let start = Instant::now();
            let update = aligned.merge(&unscaled)?;
            let facts = facts(&aligned, &update);
            let deltas = base.model.deltas(update.modules.iter().map(|(module, matrix)| (module, delta(matrix))))?;
            attempt.timings.merge_s += start.elapsed().as_secs_f64();
            Ok(Merged { deltas, facts })
        })
    }
}

fn read_adapters(attempt: &mut Attempt<'_>, base: &Base) -> Result<Vec<Adapter>, JobError> {
    let job = attempt.job;
    let mut adapters = Vec::with_capacity(job.meaning.adapters.len());
    for input in &job.meaning.adapters {
        let missing = || JobError::Incomplete(format!("it says nothing of the adapter of `{}`", input.task));
        let place = job.places.adapters.get(&input.task).ok_or_else(missing)?;
        let located = attempt.inputs.expecting(input.digest).adapter(place)?;
        let folder = attempt.checked(place, located, input.digest)?;
        let adapter = Adapter::read(&input.task, &folder, &base.header);
        adapters.push(adapter.map_err(|source| JobError::Adapter { task: input.task.clone(), source })?);
    }
    Ok(adapters)
}

fn facts(aligned: &Aligned, update: &MergedUpdate) -> MergeFacts {
    let ranks = update.modules.values().map(|matrix| matrix.rank().map(|rank| rank as u64));
    MergeFacts {
        matrices: aligned.facts().matrices as u64,
        rank: ranks.collect::<Option<Vec<_>>>().and_then(|ranks| ranks.into_iter().max()),
        smallest_gap: aligned.facts().smallest_gap.as_ref().map(|gap| gap.relative),
    }
}

fn delta(matrix: &UpdateMatrix) -> Delta<'_> {
    match matrix {
        UpdateMatrix::LowRank { b, a } => Delta::LowRank { b: b.data(), a: a.data(), rank: a.rows() },
        UpdateMatrix::Dense(matrix) => Delta::Dense(matrix.data()),
    }
}

use super::{
    adapters,
    attempt::{Attempt, EvaluateJob, Stage},
    factors::Factors,
    memory::check_merge,
    recent::Recent,
    statistics::FoundStatistics,
};
use crate::{JobError, Metrics, metrics::Cache};
use evaluation::{Delta, Model};
use jobs::{Digest, MergeFacts, Preset, Recipe, Subject};
use merging::{Adapter, Aligned, BaseHeader, MergedUpdate, UpdateMatrix};
use std::{collections::BTreeSet, sync::Arc};
use tracing::info_span;

/// Sets of adapters, alignments and merges that the last jobs used.
pub(super) struct Merges<M: Model> {
    adapters: Recent<Vec<Adapter>>,
    aligned: Recent<Aligned>,
    merged: Recent<Merged<M::Deltas>>,
    /// Bytes that a merge may take, if there is a limit.
    free: Option<u64>,
}

/// A merge at λ = 1, in the layout of the model.
struct Merged<D> {
    deltas: D,
    facts: MergeFacts,
}

/// The model that a job evaluates.
pub(super) struct PatchedModel<M> {
    pub(super) model: M,
    pub(super) facts: Option<MergeFacts>,
}

impl<M: Model> Merges<M> {
    /// Keeps the last `merges`, in the layout of the model.
    pub(super) fn with_capacity(merges: usize, metrics: &Metrics) -> Self {
        Self {
            adapters: Recent::new(2, Cache::Adapters, metrics),
            aligned: Recent::new(4, Cache::Alignment, metrics),
            merged: Recent::new(merges, Cache::Merge, metrics),
            free: None,
        }
    }

    /// The same, which refuses merges that take more than `free` bytes.
    pub(super) fn within(self, free: Option<u64>) -> Self {
        Self { free, ..self }
    }

    /// Makes the model of the job's subject: the base, one adapter at its own scale, or a merge. `header` is the
    /// base's.
    pub(super) fn model(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
    ) -> Result<PatchedModel<M>, JobError> {
        match &attempt.job.meaning.subject {
            Subject::Base => Ok(PatchedModel { model: base.clone(), facts: None }),
            // The sum of one update is that update, kept in factors with its scale.
            Subject::Adapter { .. } => {
                let (model, _) = self.patched(attempt, base, header, &Preset::TaskArithmetic.recipe())?;
                Ok(PatchedModel { model, facts: None })
            }
            Subject::Ensemble { .. } => {
                Err(JobError::Incomplete("an ensemble is no single model, and needs the joint benchmark".to_owned()))
            }
            Subject::Merge { recipe } => {
                let (model, facts) = self.patched(attempt, base, header, recipe)?;
                Ok(PatchedModel { model, facts: Some(facts) })
            }
        }
    }

    /// The model of one of the job's adapters alone, at its own scale. It is not kept.
    pub(super) fn expert(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
        adapter: usize,
    ) -> Result<M, JobError> {
        let adapters = self.adapters(attempt, base, header)?;
        let stage = Stage::begin(info_span!("merge", step = "add"));
        let factors = Factors::of(&adapters[adapter]);
        let model = base.patched(&base.deltas(Factors::deltas(&factors))?, 1.0)?;
        attempt.timings.merge_s += stage.seconds();
        Ok(model)
    }

    fn patched(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
        recipe: &Recipe,
    ) -> Result<(M, MergeFacts), JobError> {
        let merged = self.merged(attempt, base, header, recipe)?;
        let stage = Stage::begin(info_span!("merge", step = "add"));
        let model = base.patched(&merged.deltas, recipe.scaling)?;
        attempt.timings.merge_s += stage.seconds();
        Ok((model, merged.facts.clone()))
    }

    /// The modules that the job's adapters update.
    pub(super) fn adapted(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
    ) -> Result<BTreeSet<String>, JobError> {
        let adapters = self.adapters(attempt, base, header)?;
        Ok(adapters.iter().flat_map(|adapter| adapter.modules.keys().cloned()).collect())
    }

    /// The job's adapters.
    pub(super) fn adapters(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
    ) -> Result<Arc<Vec<Adapter>>, JobError> {
        let key = Digest::of_json(&attempt.job.meaning.adapters);
        self.adapters.get_or_make(key, || attempt.loading(|attempt| read_adapters(attempt, base, header)))
    }

    fn merged(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &M,
        header: &BaseHeader,
        recipe: &Recipe,
    ) -> Result<Arc<Merged<M::Deltas>>, JobError> {
        let Self { adapters, aligned, merged, free } = self;
        let inputs = &attempt.job.meaning.adapters;
        let statistics = &attempt.job.meaning.statistics;
        let unscaled = recipe.with_scaling(1.0);
        merged.get_or_make(Digest::of_json(&(inputs, &unscaled, statistics)), || {
            let alignment = Digest::of_json(&(inputs, recipe.alignment(), Aligned::keeps_exact(recipe)));
            let aligned = aligned.get_or_make(alignment, || {
                let adapters = adapters.get_or_make(Digest::of_json(inputs), || {
                    attempt.loading(|attempt| read_adapters(attempt, base, header))
                })?;
                let stage = Stage::begin(info_span!("align"));
                let aligned = Aligned::for_recipe(&adapters, recipe)?;
                attempt.timings.align_s += stage.seconds();
                Ok::<_, JobError>(aligned)
            })?;
            check_merge(recipe, &aligned, *free)?;
            let statistics = attempt.loading(|attempt| FoundStatistics::fetch(attempt, statistics))?;
            let stage = Stage::begin(info_span!("merge", step = "combine"));
            let update = statistics.merge(attempt, &aligned, &unscaled)?;
            let facts = facts(&aligned, &update);
            let updates = update.modules.iter().map(|(module, matrix)| (module.as_str(), delta(matrix)));
            let deltas = base.deltas(updates)?;
            attempt.timings.merge_s += stage.seconds();
            Ok(Merged { deltas, facts })
        })
    }
}

/// The job's adapters, which update modules that the model has.
fn read_adapters<M: Model>(attempt: &mut Attempt<'_>, base: &M, header: &BaseHeader) -> Result<Vec<Adapter>, JobError> {
    let EvaluateJob { meaning, places } = attempt.job;
    let adapters = adapters::read_adapters(attempt, &meaning.adapters, places, header)?;
    for adapter in &adapters {
        let checked = adapter.modules.keys().try_for_each(|module| base.check_module(module));
        checked.map_err(|source| JobError::AdapterModule { task: adapter.name.clone(), source })?;
    }
    Ok(adapters)
}

/// What an alignment and a merge found.
pub(super) fn facts(aligned: &Aligned, update: &MergedUpdate) -> MergeFacts {
    let ranks = update.modules.values().map(|matrix| matrix.rank().map(|rank| rank as u64));
    MergeFacts {
        matrices: aligned.facts().matrices as u64,
        rank: ranks.collect::<Option<Vec<_>>>().and_then(|ranks| ranks.into_iter().max()),
        // Updates that are all zero have no such gap.
        smallest_gap: aligned.facts().smallest_gap.as_ref().map(|gap| gap.relative).filter(|gap| gap.is_finite()),
        lost_energy: update.facts.lost_energy,
        condition: update.facts.condition.filter(|condition| condition.is_finite()),
        residual: update.facts.residual.filter(|residual| residual.is_finite()),
    }
}

pub(super) fn delta(matrix: &UpdateMatrix) -> Delta<'_> {
    match matrix {
        UpdateMatrix::LowRank { b, a } => Delta::LowRank { b: b.data(), a: a.data(), rank: a.rows() },
        UpdateMatrix::Dense(matrix) => Delta::Dense(matrix.data()),
    }
}

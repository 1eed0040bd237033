//! Jobs that merge layer by layer, by the inputs that modules take after the layers before them are merged.

use super::{
    attempt::Attempt,
    factors::Factors,
    family::FamilySession,
    memory::{check_states, check_statistics},
    merges::delta,
    statistics::{LayerSums, count_examples},
};
use crate::{JobError, OutputFiles};
use evaluation::{HostBytes, Model, ModelError, ModelFamily, Observed, Watch, gram_memory};
use jobs::{LayerwiseSpec, Space, StatisticsKind};
use merging::{Adapter, Aligned, LAYER_ENTRY_BYTES, SolvedModule, StatisticsWriter};
use std::collections::{BTreeMap, BTreeSet};

/// A task whose examples go through the merged layers.
struct TaskRun<F: ModelFamily> {
    /// What the examples are after the layers that are merged so far.
    states: <F::Model as Model>::States,
}

/// What was found in all layers.
#[derive(Default)]
struct Found {
    modules: usize,
    /// The most inputs of a module, over all tasks.
    tokens: u64,
    condition: f64,
    residual: f64,
}

impl<F: ModelFamily> FamilySession<F> {
    /// Merges the adapters layer by layer, and writes the solution.
    ///
    /// In memory are the states of all examples of all tasks, those of one task once more, and the sums of one layer.
    pub(super) fn merge_layerwise(
        &mut self,
        attempt: &mut Attempt<'_>,
        spec: &LayerwiseSpec,
    ) -> Result<OutputFiles, JobError> {
        check_tasks(spec)?;
        let adapters = self.merges.adapters(attempt, self.base.model(), &self.header)?;
        let updated: BTreeSet<String> = adapters.iter().flat_map(|adapter| adapter.modules.keys().cloned()).collect();
        check_statistics(StatisticsKind::Grams, gram_memory(&self.sites, &updated, LAYER_ENTRY_BYTES), self.free)?;
        let aligned = Aligned::new(&adapters, Space::Full)?;
        let mut tasks = self.task_runs(attempt, spec)?;
        let scratch = |source| JobError::Scratch { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("bowline-layerwise-").tempdir().map_err(scratch)?;
        let mut writer = StatisticsWriter::new(folder.path());
        let mut found = Found::default();
        let layers = self.base.model().layers();
        for layer in 0..layers {
            attempt.check_cancelled()?;
            let of_layer = self.sites.iter().filter(|site| site.layer == layer).flat_map(|site| &site.modules);
            let modules: BTreeSet<String> = of_layer.filter(|module| updated.contains(*module)).cloned().collect();
            let merged = Layer { spec, layer, modules, adapters: &adapters, aligned: &aligned };
            let solved = self.merge_layer(attempt, merged, &tasks, &mut found)?;
            writer.solutions(layer, &solved)?;
            if layer + 1 < layers {
                self.run_merged(attempt, layer, &solved, &mut tasks)?;
            }
        }
        writer.finish(spec.settings.examples)?;
        OutputFiles::of(folder, found.facts(spec)).map_err(scratch)
    }

    /// The examples of every task, as the first layer takes them.
    fn task_runs(&mut self, attempt: &mut Attempt<'_>, spec: &LayerwiseSpec) -> Result<Vec<TaskRun<F>>, JobError> {
        let job = attempt.job;
        let mut runs = Vec::with_capacity(job.meaning.tasks.len());
        let mut held = 0;
        let mut largest = 0;
        for task in &job.meaning.tasks {
            let examples = self.splits.first(attempt, &self.base, task, spec.settings.examples)?;
            let states = attempt.evaluating(|watch| self.base.model().states(&examples, watch))?;
            count_examples(attempt, &examples);
            held += states.host_bytes();
            largest = largest.max(states.host_bytes());
            // One task's states are copied while its own layer runs.
            check_states(held + largest, self.free)?;
            runs.push(TaskRun { states });
        }
        Ok(runs)
    }

    /// Merges a layer by what its modules take in every task's own layer.
    fn merge_layer(
        &self,
        attempt: &mut Attempt<'_>,
        layer: Layer<'_>,
        tasks: &[TaskRun<F>],
        found: &mut Found,
    ) -> Result<Vec<SolvedModule>, JobError> {
        let Layer { spec, layer: number, modules, adapters, aligned } = layer;
        let names: Vec<String> = modules.iter().cloned().collect();
        let mut merge = aligned.begin_layer(&spec.settings, &names)?;
        if merge.is_empty() {
            return Ok(Vec::new());
        }
        for (task, (run, adapter)) in tasks.iter().zip(adapters).enumerate() {
            let factors = Factors::of_modules(adapter, &modules);
            let own = self.patched(Factors::deltas(&factors))?;
            let mut sums = LayerSums::default();
            attempt.evaluating(|watch| {
                // The states are needed again: the merged layer takes them as well.
                let mut states = run.states.clone();
                let observed = Observed { modules: &modules, observer: &mut sums };
                own.run_layer(number, &mut states, Some(observed), watch)
            })?;
            // Sums and solutions of a large layer take minutes, in which nothing else looks.
            attempt.check_cancelled()?;
            let inputs = sums.into_statistics();
            found.tokens = inputs.iter().map(|inputs| inputs.tokens).fold(found.tokens, u64::max);
            merge.add(task, &inputs)?;
        }
        attempt.check_cancelled()?;
        let solved = merge.solve()?;
        found.modules += solved.len();
        for SolvedModule { condition, residual, .. } in &solved {
            found.condition = found.condition.max(*condition);
            found.residual = found.residual.max(*residual);
        }
        Ok(solved)
    }

    /// Runs the merged layer over the examples of all tasks.
    fn run_merged(
        &self,
        attempt: &mut Attempt<'_>,
        layer: usize,
        solved: &[SolvedModule],
        tasks: &mut [TaskRun<F>],
    ) -> Result<(), JobError> {
        let merged = self.patched(solved.iter().map(|solved| (solved.module.as_str(), delta(&solved.update))))?;
        for run in tasks {
            attempt.evaluating(|watch: &Watch<'_>| merged.run_layer(layer, &mut run.states, None, watch))?;
        }
        Ok(())
    }

    /// The base with these updates at λ = 1.
    fn patched<'a>(
        &self,
        updates: impl IntoIterator<Item = (&'a str, evaluation::Delta<'a>)>,
    ) -> Result<F::Model, ModelError> {
        let base = self.base.model();
        base.patched(&base.deltas(updates)?, 1.0)
    }
}

/// A layer, and what is merged there.
struct Layer<'a> {
    spec: &'a LayerwiseSpec,
    layer: usize,
    modules: BTreeSet<String>,
    adapters: &'a [Adapter],
    aligned: &'a Aligned,
}

impl Found {
    fn facts(&self, spec: &LayerwiseSpec) -> BTreeMap<String, f64> {
        BTreeMap::from([
            ("examples".to_owned(), spec.settings.examples as f64),
            ("modules".to_owned(), self.modules as f64),
            ("tokens".to_owned(), self.tokens as f64),
            ("condition".to_owned(), self.condition),
            ("residual".to_owned(), self.residual),
        ])
    }
}

/// Adapters and tasks have to be the same, in the same order: each adapter runs on its own task.
fn check_tasks(spec: &LayerwiseSpec) -> Result<(), JobError> {
    let adapters = spec.adapters.iter().map(|adapter| &adapter.task);
    if !spec.adapters.is_empty() && adapters.eq(spec.tasks.iter().map(|task| &task.name)) {
        return Ok(());
    }
    Err(JobError::Incomplete("its adapters are not those of its tasks, in their order".to_owned()))
}

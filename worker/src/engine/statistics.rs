//! Jobs that make statistics of a task's own model.

use super::{
    attempt::{Attempt, CheckedInput},
    factors::Factors,
    family::FamilySession,
    memory::check_statistics,
};
use crate::{JobError, OutputFiles};
use evaluation::{
    ExampleCount, Examples, Fisher, InputObserver, Model, ModelError, ModelFamily, ModuleInputs, Observed, gram_memory,
};
use files::FilesInUse;
use jobs::{InputRef, StatisticsInput, StatisticsKind, StatisticsSpec, TaskInput};
use merging::{Aligned, InputStatistics, MergedUpdate, StatisticsWriter, TaskStatistics, fisher_memory};
use std::collections::{BTreeMap, BTreeSet};

impl<F: ModelFamily> FamilySession<F> {
    /// Runs the task's own model over the first examples of the split, layer by layer, and writes what it learns.
    ///
    /// The statistics of one layer are in memory at a time, and the states of all examples.
    pub(super) fn make_statistics(
        &mut self,
        attempt: &mut Attempt<'_>,
        spec: &StatisticsSpec,
    ) -> Result<OutputFiles, JobError> {
        let task = &attempt.job.meaning.tasks[0];
        let examples = self.splits.first(attempt, &self.base, task, spec.examples)?;
        let scratch = |source| JobError::Scratch { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("bowline-statistics-").tempdir().map_err(scratch)?;
        let mut facts = BTreeMap::from([("examples".to_owned(), spec.examples as f64)]);
        let mut writer = StatisticsWriter::new(folder.path());
        match spec.what {
            StatisticsKind::Grams => {
                let modules: BTreeSet<String> = self.merges.adapted(attempt, self.base.model(), &self.header)?;
                check_statistics(spec.what, gram_memory(&self.sites, &modules, 0), self.free)?;
                let made = self.merges.model(attempt, self.base.model(), &self.header)?;
                let run = Run { model: &made.model, examples: &examples, modules };
                let Observations { inputs, tokens } = write_grams::<F>(attempt, run, &mut writer)?;
                facts.insert("inputs".to_owned(), inputs as f64);
                facts.insert("tokens".to_owned(), tokens as f64);
            }
            StatisticsKind::Fisher => {
                let modules = self.merges.adapted(attempt, self.base.model(), &self.header)?;
                check_statistics(spec.what, fisher_memory(&self.header, &modules), self.free)?;
                let fisher = self.fisher(attempt, task, &examples)?;
                facts.insert("modules".to_owned(), fisher.len() as f64);
                for (module, values) in &fisher {
                    writer.fisher(module, self.shape_of(module)?, values)?;
                }
            }
        }
        writer.finish(spec.examples)?;
        count_examples(attempt, &examples);
        OutputFiles::of(folder, facts).map_err(scratch)
    }

    /// The Fisher information of every adapted module in the task's own model.
    ///
    /// It is computed on the processor, in `f32`, whatever the device: the base is held once more for it.
    fn fisher(
        &mut self,
        attempt: &mut Attempt<'_>,
        task: &TaskInput,
        examples: &F::Examples,
    ) -> Result<Fisher, JobError> {
        let head = attempt.loading(|attempt| self.heads.of_task(attempt, &mut self.base, &self.header, task))?;
        examples.check_head(&head).map_err(|source| attempt.unscored(task, source.into()))?;
        let adapters = self.merges.adapters(attempt, self.base.model(), &self.header)?;
        let factors: Vec<Vec<Factors<'_>>> = adapters.iter().map(Factors::of).collect();
        let deltas: Vec<_> = factors.iter().map(|task| Factors::deltas(task)).collect();
        let tower = attempt.loading(|_| self.base.gradient_tower().and_then(|tower| tower.with_tasks(&deltas)))?;
        let sequences = attempt.evaluating(|watch| self.base.sequences(examples, watch))?;
        attempt.evaluating(|watch| tower.fisher(0, &sequences, &examples.readout(&head), watch))
    }

    /// The shape `[outputs, inputs]` of a module's weight.
    fn shape_of(&self, module: &str) -> Result<[usize; 2], JobError> {
        self.base.model().check_module(module)?;
        let found = self.base.model().modules().into_iter().find(|known| known.name == module);
        Ok(found.map(|module| [module.outputs, module.inputs]).expect("the model has the module"))
    }
}

/// Counts examples that a model ran over.
pub(super) fn count_examples(attempt: &Attempt<'_>, examples: &impl Examples) {
    match examples.count() {
        ExampleCount::Images(images) => attempt.metrics.images(images as u64),
        ExampleCount::Texts { texts, tokens } => attempt.metrics.texts(texts as u64, tokens as u64),
    }
}

/// What is run, and whose inputs are observed.
struct Run<'a, F: ModelFamily> {
    model: &'a F::Model,
    examples: &'a F::Examples,
    modules: BTreeSet<String>,
}

/// What was written of a model's layers.
#[derive(Default)]
struct Observations {
    /// Sites whose inputs were observed.
    inputs: usize,
    /// The most tokens of a site.
    tokens: u64,
}

fn write_grams<F: ModelFamily>(
    attempt: &mut Attempt<'_>,
    run: Run<'_, F>,
    writer: &mut StatisticsWriter,
) -> Result<Observations, JobError> {
    let Run { model, examples, modules } = run;
    let mut written = Observations::default();
    let mut states = attempt.evaluating(|watch| model.states(examples, watch))?;
    for layer in 0..model.layers() {
        let mut sums = LayerSums::default();
        let observed = Observed { modules: &modules, observer: &mut sums };
        attempt.evaluating(|watch| model.run_layer(layer, &mut states, Some(observed), watch))?;
        let inputs = sums.into_statistics();
        written.inputs += inputs.len();
        written.tokens = inputs.iter().map(|inputs| inputs.tokens).fold(written.tokens, u64::max);
        writer.layer(layer, &inputs)?;
    }
    Ok(written)
}

/// Sums over the inputs of one layer's modules.
#[derive(Default)]
pub(super) struct LayerSums(Vec<Sums>);

struct Sums {
    modules: Vec<String>,
    tokens: u64,
    sum: Vec<f64>,
    gram: Vec<f64>,
}

impl InputObserver for LayerSums {
    fn observe(&mut self, inputs: &ModuleInputs<'_>) -> Result<(), ModelError> {
        let known = self.0.iter().position(|sums| sums.modules == inputs.modules());
        let place = known.unwrap_or_else(|| {
            let width = inputs.width();
            self.0.push(Sums {
                modules: inputs.modules().to_vec(),
                tokens: 0,
                sum: vec![0.0; width],
                gram: vec![0.0; width * width],
            });
            self.0.len() - 1
        });
        let sums = &mut self.0[place];
        sums.tokens += inputs.rows() as u64;
        inputs.add_sum(&mut sums.sum)?;
        inputs.add_gram(&mut sums.gram)
    }
}

impl LayerSums {
    pub(super) fn into_statistics(self) -> Vec<InputStatistics> {
        let statistics = |Sums { modules, tokens, sum, gram }| InputStatistics::new(modules, tokens, sum, &gram);
        self.0.into_iter().map(statistics).collect()
    }
}

/// Statistics that other jobs made, and the files that they lie in.
pub(super) struct FoundStatistics {
    tasks: Vec<TaskStatistics>,
    files: FilesInUse,
}

impl FoundStatistics {
    /// Fetches the artefacts that a merge needs; none for most recipes.
    pub(super) fn fetch<J>(attempt: &mut Attempt<'_, J>, inputs: &[StatisticsInput]) -> Result<Self, JobError> {
        let mut found = Self { tasks: Vec::with_capacity(inputs.len()), files: FilesInUse::default() };
        for StatisticsInput { task, job } in inputs {
            let place = InputRef::Artefact(*job);
            let located = attempt.inputs.statistics(&place).map_err(JobError::Artefact)?;
            let digest = located.digest;
            let CheckedInput { path, files } = attempt.checked(&place, located, digest)?;
            let statistics = attempt.read(&files, || Ok(TaskStatistics::open(task, &path)?))?;
            found.tasks.push(statistics);
            found.files.extend(&files);
        }
        Ok(found)
    }

    /// Merges by these statistics, or without any if the recipe needs none.
    pub(super) fn merge<J>(
        &self,
        attempt: &Attempt<'_, J>,
        aligned: &Aligned,
        recipe: &jobs::Recipe,
    ) -> Result<MergedUpdate, JobError> {
        if !recipe.merges_by_data() {
            return Ok(aligned.merge(recipe)?);
        }
        // Statistics are read while the merge goes on.
        attempt.read(&self.files, || Ok(aligned.merge_by_statistics(recipe, &self.tasks)?))
    }
}

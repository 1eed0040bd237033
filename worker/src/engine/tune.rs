//! Jobs that learn coefficients.

use super::{attempt::Attempt, family::FamilySession};
use crate::{Checkpoints, JobError, OutputFiles};
use evaluation::{
    Coefficient, CoefficientPlace, Delta, Examples, GradientTower, ModelError, ModelFamily, TuneError, TuneState,
    TuneTask, Tuner, Watch,
};
use jobs::{LEARNED_FILE, LearnedCoefficients, TuneCheck, TuneObjective, TuneSettings, TuneSpec};
use merging::{Aligned, TaskFactors};
use std::{collections::BTreeMap, sync::Arc};

/// Steps after which the state is kept. Where a worker is lost, those since the last state that was stored are made again.
const CHECKPOINT_STEPS: usize = 5;

impl<F: ModelFamily> FamilySession<F> {
    /// Tunes on the examples of the job, and writes the coefficients with how it went.
    ///
    /// It runs on the processor, in `f32`, whatever the device: the base is held once more for it.
    pub(super) fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<OutputFiles, JobError> {
        check_tasks(spec)?;
        let adapters = self.merges.adapters(attempt, self.base.model(), &self.header)?;
        let tasks = self.tune_tasks(attempt, spec)?;
        let aligned = attempt.loading(|_| Aligned::new(&adapters, spec.settings.basis.space()))?;
        let factors: Vec<Vec<TaskFactors>> = (0..adapters.len()).map(|task| aligned.task_factors(task)).collect();
        let deltas: Vec<Vec<_>> = factors.iter().map(|task| task.iter().map(delta).collect()).collect();
        let tower = attempt.loading(|_| self.base.gradient_tower().and_then(|tower| tower.with_tasks(&deltas)))?;
        let settings = spec.settings.clone();
        let checkpoints = attempt.checkpoints();
        let tuned = attempt.evaluating(|watch| Ok(tuned(tower, tasks, settings, watch, &checkpoints)))?;
        let Tuned { coefficients, state } = tuned.map_err(|error| match error {
            TuneError::Model(ModelError::Cancelled) => JobError::Interrupted,
            TuneError::Model(error) => JobError::Model(error),
            error => JobError::Tune(error),
        })?;
        let learned = learned(spec, &coefficients, &state);
        let scratch = |source| JobError::Scratch { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("bowline-tune-").tempdir().map_err(scratch)?;
        std::fs::write(folder.path().join(LEARNED_FILE), learned.to_json()).map_err(scratch)?;
        let facts = facts(&coefficients, &state).into_iter().chain(learned.facts()).collect();
        OutputFiles::of(folder, facts).map_err(scratch)
    }

    /// The examples of every task, with its head.
    fn tune_tasks(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<Vec<TuneTask>, JobError> {
        let job = attempt.job;
        let mut tasks = Vec::with_capacity(job.meaning.tasks.len());
        for task in &job.meaning.tasks {
            let head = attempt.loading(|attempt| self.heads.of_task(attempt, &mut self.base, &self.header, task))?;
            let examples = match spec.examples {
                Some(count) => Arc::new(self.splits.first(attempt, &self.base, task, count)?),
                None => self.splits.get_for_gradients(attempt, &self.base, task)?,
            };
            examples.check_head(&head).map_err(|source| attempt.unscored(task, source.into()))?;
            let classes = match spec.settings.objective {
                TuneObjective::Labels => {
                    let rows = examples.class_rows(&head);
                    Some(rows.map_err(|source| attempt.unscored(task, source))?)
                }
                TuneObjective::Entropy | TuneObjective::Agreement => None,
            };
            let sequences = attempt.evaluating(|watch| self.base.sequences(&examples, watch))?;
            tasks.push(TuneTask { name: task.name.clone(), sequences, readout: examples.readout(&head), classes });
        }
        Ok(tasks)
    }
}

/// Factors as a model takes them.
fn delta(factors: &TaskFactors) -> (&str, Delta<'_>) {
    let TaskFactors { module, b, a } = factors;
    (module, Delta::LowRank { b: b.data(), a: a.data(), rank: a.rows() })
}

/// Adapters and tasks have to be the same, in the same order: each adapter is tuned on its own task.
fn check_tasks(spec: &TuneSpec) -> Result<(), JobError> {
    let adapters = spec.adapters.iter().map(|adapter| &adapter.task);
    if adapters.eq(spec.tasks.iter().map(|task| &task.name)) {
        return Ok(());
    }
    Err(JobError::Incomplete("its adapters are not those of its tasks, in their order".to_owned()))
}

/// What a run has come to.
struct Tuned {
    coefficients: Vec<Coefficient>,
    state: TuneState,
}

fn tuned(
    tower: GradientTower<f32>,
    tasks: Vec<TuneTask>,
    settings: TuneSettings,
    watch: &Watch<'_>,
    checkpoints: &Checkpoints,
) -> Result<Tuned, TuneError> {
    let tuner = Tuner::new(tower, tasks, settings, watch)?;
    let mut state = last_state(&tuner, checkpoints).unwrap_or_else(|| tuner.start());
    tuner.run(&mut state, watch, &mut |state| {
        if state.steps().is_multiple_of(CHECKPOINT_STEPS)
            && let Ok(text) = serde_json::to_string(state)
        {
            checkpoints.keep(text);
        }
    })?;
    Ok(Tuned { coefficients: tuner.learned(&state), state })
}

/// The state that an earlier attempt kept, if this run can have come to it.
fn last_state(tuner: &Tuner, checkpoints: &Checkpoints) -> Option<TuneState> {
    let state = serde_json::from_str::<TuneState>(checkpoints.last()?).ok().filter(|state| tuner.accepts(state));
    match &state {
        Some(state) => tracing::info!(steps = state.steps(), "tuning continues"),
        None => tracing::warn!("the checkpoint of the job is of another run; tuning starts from the beginning"),
    }
    state
}

/// The coefficients as recipes state them.
fn learned(spec: &TuneSpec, coefficients: &[Coefficient], state: &TuneState) -> LearnedCoefficients {
    let checks = state.checks.iter().map(|check| TuneCheck { step: check.step, agreement: check.agreement });
    let mut learned = LearnedCoefficients::new(state.losses.clone(), checks.collect(), state.is_stopped);
    for Coefficient { task, place, value } in coefficients {
        let task = spec.adapters[*task].task.clone();
        let part = match place {
            CoefficientPlace::Task => {
                learned.weights.insert(task, *value);
                continue;
            }
            CoefficientPlace::Layer(layer) => layer.to_string(),
            CoefficientPlace::Module(module) => module.clone(),
            // The directions of a module come in their order.
            CoefficientPlace::Direction(module, _) => {
                learned.push_direction(&task, module, *value);
                continue;
            }
        };
        learned.layer_weights.entry(task).or_default().insert(part, (*value).into());
    }
    learned
}

/// What is known of a run beside its file.
fn facts(coefficients: &[Coefficient], state: &TuneState) -> BTreeMap<String, f64> {
    let mut facts = BTreeMap::from([
        ("coefficients".to_owned(), coefficients.len() as f64),
        ("steps".to_owned(), state.steps() as f64),
    ]);
    let losses = [("first_loss", state.losses.first()), ("last_loss", state.losses.last())];
    facts.extend(losses.into_iter().filter_map(|(name, loss)| Some((name.to_owned(), *loss?))));
    if let Some(agreement) = state.checks.iter().map(|check| check.agreement).max_by(f64::total_cmp) {
        facts.insert("agreement".to_owned(), agreement);
    }
    facts
}

//! A run: what it learns from, and its steps.

use super::{
    Check, Coefficient, Readout, TuneError, TuneState,
    adam::{self, Moments},
    coefficients::Coefficients,
    guard::{has_fallen, is_due},
    loss::{Target, loss, shares},
    order::batch,
};
use crate::{GradientTower, ModuleGradient, Real, Scales, Sequences, Watch};
use jobs::{TuneObjective, TuneSettings};
use rayon::prelude::*;

/// The examples of one task that coefficients are tuned on.
pub struct TuneTask {
    /// Its name, for messages.
    pub name: String,
    /// The examples.
    pub sequences: Sequences,
    /// Its head.
    pub readout: Readout,
    /// The row of the head of each example's class, if it is known and wanted.
    pub classes: Option<Vec<usize>>,
}

/// Learns coefficients.
///
/// # Numerics
/// Passes are in `f32`, losses, sums over examples and Adam in `f64`. The numbers do not depend on the threads of the
/// current rayon pool. As a [`Trainer`](crate::Trainer), it is compiled with this crate.
pub struct Tuner {
    tower: GradientTower<f32>,
    tasks: Vec<TuneTask>,
    settings: TuneSettings,
    coefficients: Coefficients,
    /// By task and example, the shares that the task's own model gives the classes; empty where nothing needs them.
    own: Vec<Vec<Vec<f64>>>,
}

/// A group of examples of one task that a thread takes through the tower.
struct Group<'a> {
    task: usize,
    examples: &'a [usize],
    /// What each example's loss counts.
    weight: f64,
}

/// The loss of a group, and its gradient by the coefficients.
struct GroupLoss {
    task: usize,
    value: f64,
    gradients: Vec<f64>,
}

impl Tuner {
    /// Prepares a run. What the tasks' own models predict is computed here, if the objective or the guard needs it.
    ///
    /// # Errors
    /// Settings that cannot be followed, no tasks or examples, no labels where these are needed, heads of another
    /// width, or the caller cancels.
    pub fn new(
        tower: GradientTower<f32>,
        tasks: Vec<TuneTask>,
        settings: TuneSettings,
        watch: &Watch<'_>,
    ) -> Result<Self, TuneError> {
        settings.check()?;
        if tasks.is_empty() || tower.modules().is_empty() {
            return Err(TuneError::Nothing(if tasks.is_empty() { "task" } else { "adapted module" }));
        }
        tasks.iter().try_for_each(|task| task.check(&tower, settings.objective))?;
        let coefficients = Coefficients::new(tower.modules(), tasks.len(), settings.per);
        let mut tuner = Self { tower, tasks, settings, coefficients, own: Vec::new() };
        if tuner.settings.guard.is_some() || tuner.settings.objective == TuneObjective::Agreement {
            let own = (0..tuner.tasks.len()).map(|task| tuner.predictions(task, &tuner.tower.own(task), 0, watch));
            tuner.own = own.collect::<Result<_, _>>()?;
        }
        Ok(tuner)
    }

    /// The state before the first step.
    pub fn start(&self) -> TuneState {
        TuneState::new(self.coefficients.len(), self.settings.start)
    }

    /// True if this run can have come to the state: it is not one of another run, and all its numbers are finite.
    pub fn accepts(&self, state: &TuneState) -> bool {
        let is_whole = |numbers: &[f64]| {
            numbers.len() == self.coefficients.len() && numbers.iter().all(|number| number.is_finite())
        };
        let TuneState { coefficients, means, squares, losses, checks, is_stopped } = state;
        let has_guard = self.settings.guard.is_some();
        [coefficients, means, squares].into_iter().all(|numbers| is_whole(numbers))
            && checks.iter().all(|check| is_whole(&check.coefficients) && check.agreement.is_finite())
            && losses.iter().all(|loss| loss.is_finite())
            && losses.len() <= self.settings.steps
            && (has_guard || checks.is_empty() && !is_stopped)
    }

    /// True if a run has no further step to make.
    pub fn is_done(&self, state: &TuneState) -> bool {
        state.is_stopped || state.steps() >= self.settings.steps
    }

    /// Makes all steps that are left. `after` sees the state after each of them, to keep it for example.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(
        &self,
        state: &mut TuneState,
        watch: &Watch<'_>,
        after: &mut dyn FnMut(&TuneState),
    ) -> Result<(), TuneError> {
        while !self.is_done(state) {
            self.step(state, watch)?;
            after(state);
        }
        Ok(())
    }

    /// Makes one step, with the checks of the guard before the first and after each.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; then the state stays as it was before the step. The state is one of
    /// another run, or the caller cancels.
    pub fn step(&self, state: &mut TuneState, watch: &Watch<'_>) -> Result<(), TuneError> {
        let expected = self.coefficients.len();
        if [&state.coefficients, &state.means, &state.squares].iter().any(|part| part.len() != expected) {
            return Err(TuneError::State { found: state.coefficients.len(), expected });
        }
        if state.steps() == 0 && state.checks.is_empty() {
            self.check_agreement(state, watch)?;
        }
        let (value, gradients) = self.loss(state.steps(), &state.coefficients, watch)?;
        state.losses.push(value);
        let moments = Moments { means: &mut state.means, squares: &mut state.squares };
        adam::step(&mut state.coefficients, &gradients, moments, self.settings.rate, state.losses.len());
        self.check_agreement(state, watch)
    }

    /// The coefficients that a run has learned, with their places.
    pub fn learned(&self, state: &TuneState) -> Vec<Coefficient> {
        self.coefficients.named(state.learned())
    }

    /// The loss of a step's batches, and its gradient.
    fn loss(&self, step: usize, values: &[f64], watch: &Watch<'_>) -> Result<(f64, Vec<f64>), TuneError> {
        let scales = self.scales(values);
        let TuneSettings { batch: size, seed, .. } = self.settings;
        let batches: Vec<Vec<usize>> =
            (0..self.tasks.len()).map(|task| batch(step, size, self.tasks[task].sequences.len(), task, seed)).collect();
        let groups: Vec<Group<'_>> = (0..self.tasks.len()).flat_map(|task| self.groups(task, &batches[task])).collect();
        let run = |group: &Group<'_>| {
            if watch.is_cancelled() {
                return Err(crate::ModelError::Cancelled);
            }
            Ok(self.group_loss(group, &scales))
        };
        let parts: Vec<GroupLoss> = groups.par_iter().with_max_len(1).map(run).collect::<Result<_, _>>()?;
        let mut value = 0.0;
        let mut gradients = vec![0.0; self.coefficients.len()];
        for part in parts {
            if !(part.value.is_finite() && part.gradients.iter().all(|gradient| gradient.is_finite())) {
                return Err(self.not_finite(part.task, step + 1));
            }
            value += part.value;
            gradients.iter_mut().zip(&part.gradients).for_each(|(sum, gradient)| *sum += gradient);
        }
        Ok((value, gradients))
    }

    fn groups<'a>(&self, task: usize, examples: &'a [usize]) -> Vec<Group<'a>> {
        let weight = 1.0 / examples.len() as f64;
        let groups = self.tower.groups(&self.tasks[task].sequences, examples);
        groups.into_iter().map(|examples| Group { task, examples, weight }).collect()
    }

    fn group_loss(&self, group: &Group<'_>, scales: &Scales<f32>) -> GroupLoss {
        let task = &self.tasks[group.task];
        let recorded = self.tower.record(&task.sequences, group.examples, scales);
        let features = recorded.features();
        let mut value = 0.0;
        let mut by_features = Vec::with_capacity(features.len());
        let rows = features.chunks_exact(task.readout.width()).zip(task.readout.logits(features));
        for ((features, logits), example) in rows.zip(group.examples) {
            let mut loss = loss(&logits, self.target(group.task, *example));
            value += group.weight * loss.value;
            loss.by_logits.iter_mut().for_each(|delta| *delta *= group.weight);
            by_features.extend(task.readout.backward(features, &loss.by_logits));
        }
        let mut gradients = vec![0.0; self.coefficients.len()];
        recorded.backward(&by_features, scales, &mut |module| self.add(&mut gradients, &module));
        GroupLoss { task: group.task, value, gradients }
    }

    /// Adds what a module contributes to the gradient by the coefficients.
    fn add(&self, gradients: &mut [f64], module: &ModuleGradient<'_, f32>) {
        let directions = self.tower.modules()[module.module].directions();
        let mut sums = vec![0.0f32; directions];
        let rows = module.projected.chunks_exact(directions).zip(module.pulled.chunks_exact(directions));
        for (projected, pulled) in rows {
            sums.iter_mut().zip(projected).zip(pulled).for_each(|((sum, p), g)| *sum += *p * *g);
        }
        for (direction, sum) in sums.into_iter().enumerate() {
            gradients[self.coefficients.of(module.module, direction)] += sum.wide();
        }
    }

    fn target(&self, task: usize, example: usize) -> Target<'_> {
        match self.settings.objective {
            TuneObjective::Entropy => Target::Sure,
            TuneObjective::Agreement => Target::Shares(&self.own[task][example]),
            TuneObjective::Labels => {
                Target::Class(self.tasks[task].classes.as_ref().expect("`new` checked that there are labels")[example])
            }
        }
    }

    /// The shares that a merge gives the classes of every example of a task.
    fn predictions(
        &self,
        task: usize,
        scales: &Scales<f32>,
        step: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<Vec<f64>>, TuneError> {
        let TuneTask { sequences, readout, .. } = &self.tasks[task];
        let all: Vec<usize> = (0..sequences.len()).collect();
        // Progress counts steps, so that the caller does not hear of these examples.
        let quiet = Watch { progress: None, ..*watch };
        let features = self.tower.features(sequences, &all, scales, &quiet)?;
        let predictions: Vec<Vec<f64>> = readout.logits(&features).iter().map(|logits| shares(logits)).collect();
        if predictions.iter().flatten().all(|share| share.is_finite()) {
            Ok(predictions)
        } else {
            Err(self.not_finite(task, step))
        }
    }

    /// Lets the guard look, if it is due.
    fn check_agreement(&self, state: &mut TuneState, watch: &Watch<'_>) -> Result<(), TuneError> {
        let step = state.steps();
        let Some(guard) = self.settings.guard.filter(|guard| is_due(*guard, step, self.settings.steps)) else {
            return Ok(());
        };
        let scales = self.scales(&state.coefficients);
        let mut total = 0.0;
        for (task, own) in self.own.iter().enumerate() {
            let predictions = self.predictions(task, &scales, step, watch)?;
            let same = predictions.iter().zip(own).filter(|(merged, own)| first_largest(merged) == first_largest(own));
            total += same.count() as f64 / own.len() as f64;
        }
        let agreement = total / self.own.len() as f64;
        state.checks.push(Check { step, agreement, coefficients: state.coefficients.clone() });
        state.is_stopped = has_fallen(guard, &state.checks);
        Ok(())
    }

    fn scales(&self, values: &[f64]) -> Scales<f32> {
        self.tower.scales(|module, direction| values[self.coefficients.of(module, direction)])
    }

    fn not_finite(&self, task: usize, step: usize) -> TuneError {
        TuneError::NotFinite { task: self.tasks[task].name.clone(), step, rate: self.settings.rate }
    }
}

impl TuneTask {
    fn check(&self, tower: &GradientTower<f32>, objective: TuneObjective) -> Result<(), TuneError> {
        let refuse = |source| Err(TuneError::Head { task: self.name.clone(), source });
        if self.sequences.is_empty() {
            return Err(TuneError::NoExamples { task: self.name.clone() });
        }
        let head = self.readout.width();
        let features = tower.width();
        if head != features {
            return refuse(crate::ScoreError::Width { head, features });
        }
        match &self.classes {
            Some(classes) => match classes.iter().enumerate().find(|(_, class)| **class >= self.readout.classes()) {
                Some((example, class)) => {
                    let label = u32::try_from(*class).unwrap_or(u32::MAX);
                    let classes = self.readout.classes();
                    refuse(crate::ScoreError::Label { example, label, classes })
                }
                None => Ok(()),
            },
            None if objective == TuneObjective::Labels => Err(TuneError::NoLabels { task: self.name.clone() }),
            None => Ok(()),
        }
    }
}

/// The first of the largest numbers.
fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (n, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = n;
        }
    }
    best
}

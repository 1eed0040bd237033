//! A run: what it learns from, and its steps.

use super::{
    StepAugmentation, TrainError, TrainExamples, TrainMemory, TrainState, TrainStep, TrainedAdapter, TrainedModule,
    TrainedTensor, Validation,
    adamw::AdamW,
    balanced::ExamplesByClass,
    groups::{Group, groups},
    initial::Target,
    memory::TrainShape,
    source::Taken,
    targets,
};
use crate::{
    Delta, Dropout, FactorGradients, GradientTower, ModelError, Readout, Real, Recording, Scales, ScoreError, Watch,
    tune::{self, Loss},
};
use jobs::TrainSettings;
use rayon::prelude::*;

/// What clipping adds to a norm before it divides by it, as torch does.
const CLIP_EPS: f64 = 1e-6;

/// Groups whose gradients are held at once, before they are added in their order.
pub(super) const HELD_GROUPS: usize = 16;

/// The name of the head among the trained tensors.
const HEAD: &str = "head";

/// The examples that an adapter is trained on.
pub struct TrainTask {
    /// The examples.
    pub examples: TrainExamples,
    /// The head: fixed, or what its training starts from.
    pub readout: Readout,
    /// The row of the head of each example's class.
    pub classes: Vec<usize>,
}

/// Trains an adapter.
///
/// # Numerics
/// Passes are in `f32`; losses, sums over groups of examples and AdamW are in `f64`; what is trained is kept in `f32`. The numbers do
/// not depend on the threads of the current rayon pool.
///
/// It is not generic in the number format, so that it is compiled with this crate: a crate that names `Trainer<f32>` would compile its
/// steps again, and without optimisation where that crate has none.
pub struct Trainer {
    pub(super) tower: GradientTower<f32>,
    pub(super) scales: Scales<f32>,
    examples: TrainExamples,
    pub(super) readout: Readout,
    classes: Vec<usize>,
    by_class: ExamplesByClass,
    pub(super) settings: TrainSettings,
    initial: TrainedAdapter,
    is_recomputed: bool,
    pub(super) validation: Option<Validation>,
}

/// A part of a step, which is held at once.
struct Part<'a> {
    step: usize,
    /// The place in the step of its first example.
    first: usize,
    /// Examples of the whole step.
    step_examples: usize,
    /// Its examples, by their places in the split.
    examples: &'a [usize],
}

/// The loss of a group, and its gradients.
struct GroupLoss {
    value: f64,
    factors: FactorGradients<f32>,
    head: Option<Vec<f32>>,
}

impl GroupLoss {
    /// The gradient by a trained tensor: A and B of every module, then the head.
    fn tensor(&self, place: usize, modules: usize) -> &[f32] {
        let module = place / 2;
        if module >= modules {
            return self.head.as_deref().unwrap_or_default();
        }
        if place.is_multiple_of(2) { self.factors.a(module) } else { self.factors.b(module) }
    }
}

impl Trainer {
    /// Prepares a run on a tower without updates. It starts from `initial`, or from factors that the seed chooses.
    ///
    /// # Errors
    /// Settings that cannot be followed, targets that the model does not have, a rank above that of a matrix, no examples, labels
    /// beyond the head, an adapter to start from that does not fit.
    pub fn new(
        tower: GradientTower<f32>,
        task: TrainTask,
        settings: TrainSettings,
        initial: Option<TrainedAdapter>,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        task.check(&tower)?;
        settings.check_steps(task.classes.len())?;
        let targets = targets::pick(tower.linears(), &settings.targets)?;
        check_ranks(&targets, settings.rank)?;
        let mut initial = match initial {
            Some(given) => given,
            None => {
                let modules = targets.iter().map(|target| target.initial(settings.rank, settings.seed)).collect();
                TrainedAdapter { modules, head: None }
            }
        };
        let head = task.readout.weight();
        if settings.trains_head && initial.head.is_none() {
            initial.head = Some(head.to_vec());
        }
        check_initial(&initial, &targets, &settings, head.len())?;
        let TrainTask { examples, readout, classes } = task;
        let rank = settings.rank;
        let mut updates = Vec::with_capacity(initial.modules.len());
        for TrainedModule { name, a, b } in &initial.modules {
            updates.push((name.as_str(), Delta::LowRank { b, a, rank }));
        }
        let tower = tower.with_tasks(&[updates])?;
        let scaling = settings.scaling();
        let scales = tower.scales(|_, _| scaling);
        let by_class = ExamplesByClass::of(&classes);
        Ok(Self {
            tower,
            scales,
            examples,
            readout,
            classes,
            by_class,
            settings,
            initial,
            is_recomputed: false,
            validation: None,
        })
    }

    /// The same run with less memory: blocks run once more on the way back instead of being kept. The numbers are the same.
    #[must_use]
    pub fn recomputing(self, is_recomputed: bool) -> Self {
        Self { is_recomputed, ..self }
    }

    /// Bytes that the run takes with so many threads, by its longest examples.
    pub fn memory(&self, threads: usize) -> TrainMemory {
        let mut tokens: Vec<usize> = (0..self.classes.len()).map(|example| self.examples.tokens(example)).collect();
        tokens.sort_unstable_by(|one, other| other.cmp(one));
        let longest = tokens.first().copied().unwrap_or(0);
        let step_examples = self.settings.examples_per_step_of(tokens.len());
        // With balanced classes, a step may take an example several times.
        let is_balanced = self.settings.class_balanced;
        let step_rows = if is_balanced { step_examples * longest } else { tokens.iter().take(step_examples).sum() };
        let shapes = (0..self.initial.modules.len()).map(|module| self.tower.module_shape(module));
        let trained: usize = self.initial.modules.iter().map(|module| module.a.len() + module.b.len()).sum();
        let shape = TrainShape {
            blocks: self.tower.block_shape(),
            matrices: self.tower.linears().map(|(_, [outputs, inputs])| outputs * inputs).sum(),
            trained: trained + self.initial.head.as_ref().map_or(0, Vec::len),
            masked: shapes.map(|[_, inputs]| inputs).sum(),
            longest,
            step_examples,
            step_rows,
            threads,
            validation: self.validation.as_ref().map_or(0, |validation| validation.bytes),
        };
        shape.memory(&self.settings)
    }

    /// The settings.
    pub fn settings(&self) -> &TrainSettings {
        &self.settings
    }

    /// The steps of the whole run.
    pub fn steps(&self) -> usize {
        self.settings.steps(self.classes.len())
    }

    /// The state before the first step.
    pub fn start(&self) -> TrainState {
        let rank = self.settings.rank;
        let mut tensors = Vec::with_capacity(2 * self.initial.modules.len() + 1);
        for (n, TrainedModule { name, a, b }) in self.initial.modules.iter().enumerate() {
            let [outputs, inputs] = self.tower.module_shape(n);
            tensors.push(TrainedTensor::new(format!("{name}.lora_A"), [rank, inputs], a.clone()));
            tensors.push(TrainedTensor::new(format!("{name}.lora_B"), [outputs, rank], b.clone()));
        }
        if let Some(head) = &self.initial.head {
            let shape = [self.readout.classes(), self.readout.width()];
            tensors.push(TrainedTensor::new(HEAD.to_owned(), shape, head.clone()));
        }
        TrainState { tensors, trace: Vec::new(), evaluations: Vec::new(), kept: Vec::new(), begun: None }
    }

    /// The adapter that a state has come to: with early stopping that of the best evaluation, once there is one, else that of the
    /// last step.
    pub fn adapter(&self, state: &TrainState) -> TrainedAdapter {
        if state.kept.is_empty() { self.last_adapter(state) } else { self.adapter_of(|n| state.kept[n].clone()) }
    }

    /// The adapter after the last step that was made.
    pub fn last_adapter(&self, state: &TrainState) -> TrainedAdapter {
        self.adapter_of(|n| state.tensors[n].values.clone())
    }

    /// The adapter whose tensors have these numbers.
    fn adapter_of(&self, values: impl Fn(usize) -> Vec<f32>) -> TrainedAdapter {
        let modules = self.initial.modules.iter().enumerate();
        let modules = modules.map(|(n, module)| TrainedModule {
            name: module.name.clone(),
            a: values(2 * n),
            b: values(2 * n + 1),
        });
        TrainedAdapter {
            modules: modules.collect(),
            head: self.settings.trains_head.then(|| values(self.head_place())),
        }
    }

    /// The examples of a step, counted from 0: pass after pass over all of them, each in an order of its own, which depends on the
    /// seed alone. With balanced classes, every class has the same share of them.
    pub fn batch(&self, step: usize) -> Vec<usize> {
        let TrainSettings { seed, class_balanced, .. } = self.settings;
        let size = self.settings.examples_per_step();
        if class_balanced {
            let size = self.settings.examples_per_step_of(self.classes.len());
            return self.by_class.batch(step, size, seed);
        }
        tune::batch(step, size, self.classes.len(), 0, Some(seed))
    }

    /// Makes the next step.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; then the state stays as it was before the step. The state is one of another run, or
    /// the caller cancels.
    pub fn step(&mut self, state: &mut TrainState, watch: &Watch<'_>) -> Result<TrainStep, TrainError> {
        let batch = self.batch(state.steps());
        self.step_on(state, &batch, watch)
    }

    /// Makes the next step on these examples.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_on(
        &mut self,
        state: &mut TrainState,
        batch: &[usize],
        watch: &Watch<'_>,
    ) -> Result<TrainStep, TrainError> {
        self.check_state(state)?;
        self.take_values(state);
        let step = state.steps();
        let rate = self.settings.rate_of(step, self.steps());
        let not_finite = |what| TrainError::NotFinite { what, step: step + 1, rate };
        let (loss, mut gradients) = self.loss(step, batch, watch)?;
        if !loss.is_finite() {
            return Err(not_finite("the loss"));
        }
        let gradient_norm = gradients.iter().flatten().map(|x| x * x).sum::<f64>().sqrt();
        if !gradient_norm.is_finite() {
            return Err(not_finite("the gradient"));
        }
        if let Some(clip) = self.settings.clip {
            let factor = (clip / (gradient_norm + CLIP_EPS)).min(1.0);
            gradients.iter_mut().flatten().for_each(|x| *x *= factor);
        }
        let adamw = AdamW::new(&self.settings, rate, step + 1);
        let mut moved = state.tensors.clone();
        moved.par_iter_mut().zip(&gradients).for_each(|(tensor, gradient)| adamw.step(tensor, gradient));
        if !moved.iter().all(TrainedTensor::is_finite) {
            return Err(not_finite("a trained number"));
        }
        state.tensors = moved;
        // What was begun was of the adapter before.
        state.begun = None;
        let made = TrainStep { loss, gradient_norm, rate };
        state.trace.push(made);
        Ok(made)
    }

    /// Checks that this run can have come to a state.
    ///
    /// # Errors
    /// Names what differs.
    pub fn check_state(&self, state: &TrainState) -> Result<(), TrainError> {
        let differs = |problem| Err(TrainError::State { problem });
        let start = self.start();
        if start.tensors.len() != state.tensors.len() {
            return differs(format!("it has {} tensors, expected {}", state.tensors.len(), start.tensors.len()));
        }
        for (tensor, expected) in state.tensors.iter().zip(&start.tensors) {
            let lengths = [&tensor.values, &tensor.means, &tensor.squares].map(Vec::len);
            let is_same = tensor.name == expected.name && tensor.shape == expected.shape;
            if !is_same || lengths != [expected.values.len(); 3] {
                return differs(format!("it has `{}`, expected `{}`", tensor.name, expected.name));
            }
            if !tensor.is_finite() {
                return differs(format!("`{}` holds a number that is not finite", tensor.name));
            }
        }
        if state.steps() > self.steps() {
            return differs(format!("it has made {} steps, of {}", state.steps(), self.steps()));
        }
        self.evaluation_problem(state).map_or(Ok(()), differs)
    }

    fn head_place(&self) -> usize {
        2 * self.initial.modules.len()
    }

    /// Puts the numbers of a state into the tower and the head.
    pub(super) fn take_values(&mut self, state: &TrainState) {
        for (module, [a, b]) in state.tensors.as_chunks::<2>().0.iter().enumerate() {
            self.tower.set_factors(module, &a.values, &b.values);
        }
        if self.settings.trains_head {
            self.readout.set_weight(&state.tensors[self.head_place()].values);
        }
    }

    /// The mean loss of examples, and its gradients by the trained tensors in their order.
    fn loss(&self, step: usize, batch: &[usize], watch: &Watch<'_>) -> Result<(f64, Vec<Vec<f64>>), ModelError> {
        let groups = groups(|example| self.examples.tokens(example), batch, self.settings.micro_batch);
        let mut value = 0.0;
        let mut gradients = self.zeros();
        let modules = self.initial.modules.len();
        // A fixed number of groups at a time, added in their order: memory is bounded, and bits do not depend on threads.
        for held in groups.chunks(HELD_GROUPS) {
            let start = held.first().map_or(0, |group| group.places.start);
            let end = held.last().map_or(0, |group| group.places.end);
            let part = Part { step, first: start, step_examples: batch.len(), examples: &batch[start..end] };
            let taken = self.examples.take(part.examples, self.augmentation(&part))?;
            let run = |group: &Group| {
                if watch.is_cancelled() {
                    return Err(ModelError::Cancelled);
                }
                Ok(self.group_loss(&part, &taken, group))
            };
            let losses: Vec<GroupLoss> = held.par_iter().with_max_len(1).map(run).collect::<Result<_, _>>()?;
            value += losses.iter().map(|loss| loss.value).sum::<f64>();
            gradients.par_iter_mut().enumerate().for_each(|(place, total)| {
                for loss in &losses {
                    total.iter_mut().zip(loss.tensor(place, modules)).for_each(|(sum, x)| *sum += x.wide());
                }
            });
        }
        Ok((value, gradients))
    }

    /// Gradients of zero by the trained tensors in their order.
    fn zeros(&self) -> Vec<Vec<f64>> {
        let factors = self.initial.modules.iter().flat_map(|module| [module.a.len(), module.b.len()]);
        factors.chain(self.initial.head.as_ref().map(Vec::len)).map(|numbers| vec![0.0; numbers]).collect()
    }

    fn augmentation(&self, part: &Part<'_>) -> StepAugmentation<'_> {
        let TrainSettings { augmentation: kinds, seed, .. } = &self.settings;
        StepAugmentation { kinds, seed: *seed, step: part.step, first: part.first }
    }

    fn group_loss(&self, part: &Part<'_>, taken: &Taken<'_>, group: &Group) -> GroupLoss {
        let inside = group.places.start - part.first..group.places.end - part.first;
        let examples = &taken.places[inside.clone()];
        let TrainSettings { dropout: rate, seed, .. } = self.settings;
        let dropout = (rate > 0.0).then_some(Dropout { rate, seed, step: part.step as u64 });
        let recording = Recording {
            dropout,
            tokens_before: group.tokens_before,
            examples_before: group.places.start,
            is_recomputed: self.is_recomputed,
        };
        let recorded = self.tower.record_as(&taken.sequences, examples, &self.scales, recording);
        let features = recorded.features();
        let weight = 1.0 / part.step_examples as f64;
        let mut value = 0.0;
        let mut by_logits = Vec::with_capacity(examples.len() * self.readout.classes());
        for (logits, example) in self.readout.logits(features).iter().zip(&part.examples[inside]) {
            let loss = self.example_loss(logits, self.classes[*example]);
            value += weight * loss.value;
            by_logits.extend(loss.by_logits.iter().map(|delta| weight * delta));
        }
        let head = self.settings.trains_head.then(|| self.readout.by_head(features, &by_logits));
        let by_features = self.readout.backward_all(features, &by_logits);
        let mut factors = FactorGradients::zeros(&self.tower);
        recorded.backward(&by_features, &self.scales, &mut |module| factors.add(&module, &self.scales));
        GroupLoss { value, factors, head }
    }

    /// The cross-entropy of one example against its class; a share of the target is spread over all classes that the task has.
    fn example_loss(&self, logits: &[f64], class: usize) -> Loss {
        let smoothing = self.settings.label_smoothing;
        if smoothing <= 0.0 {
            return tune::loss(logits, tune::Target::Class(class));
        }
        let spread = smoothing / (logits.len() - self.readout.masked().len()) as f64;
        let mut wanted = vec![spread; logits.len()];
        self.readout.masked().iter().for_each(|masked| wanted[*masked] = 0.0);
        wanted[class] += 1.0 - smoothing;
        tune::loss(logits, tune::Target::Shares(&wanted))
    }
}

impl TrainTask {
    fn check(&self, tower: &GradientTower<f32>) -> Result<(), TrainError> {
        let head = self.readout.width();
        let features = tower.width();
        if head != features {
            return Err(TrainError::Head(ScoreError::Width { head, features }));
        }
        check_classes(&self.classes, &self.readout)
    }
}

/// Checks that there are examples, and that each is of a class that the head has and that is not masked.
pub(super) fn check_classes(of_examples: &[usize], readout: &Readout) -> Result<(), TrainError> {
    if of_examples.is_empty() {
        return Err(TrainError::NoExamples);
    }
    let classes = readout.classes();
    for (example, class) in of_examples.iter().enumerate() {
        let label = u32::try_from(*class).unwrap_or(u32::MAX);
        if *class >= classes {
            return Err(TrainError::Head(ScoreError::Label { example, label, classes }));
        }
        if readout.masked().contains(class) {
            return Err(TrainError::Head(ScoreError::Masked { example, label }));
        }
    }
    Ok(())
}

pub(super) fn check_ranks(targets: &[Target], rank: usize) -> Result<(), TrainError> {
    // The smallest one, and the first of several, so that the rank that is named then fits all.
    match targets.iter().min_by_key(|target| target.outputs.min(target.inputs)) {
        None => Err(TrainError::NoTarget),
        Some(Target { name, outputs, inputs }) if rank > *outputs.min(inputs) => {
            Err(TrainError::Rank { rank, module: name.clone(), outputs: *outputs, inputs: *inputs })
        }
        Some(_) => Ok(()),
    }
}

/// A given adapter has to be one of the settings: the same modules and shapes.
fn check_initial(
    initial: &TrainedAdapter,
    targets: &[Target],
    settings: &TrainSettings,
    head: usize,
) -> Result<(), TrainError> {
    let refuse = |problem| Err(TrainError::Initial { problem });
    let names = initial.modules.iter().map(|module| &module.name);
    if !names.eq(targets.iter().map(|target| &target.name)) {
        let found = initial.modules.len();
        return refuse(format!("it has {found} modules, and the targets are {} others", targets.len()));
    }
    for (module, target) in initial.modules.iter().zip(targets) {
        let Target { name, outputs, inputs } = target;
        if module.a.len() != settings.rank * inputs || module.b.len() != outputs * settings.rank {
            return refuse(format!("the factors of `{name}` have not rank {}", settings.rank));
        }
    }
    match &initial.head {
        Some(_) if !settings.trains_head => refuse("it has a head, which is not trained".to_owned()),
        Some(given) if given.len() != head => refuse(format!("its head has {} numbers, not {head}", given.len())),
        Some(_) | None => Ok(()),
    }
}

//! A whole tower: forward with a tape, backward from its features.

use super::{
    Scales, Sequences,
    block::{Block, Layout, Pass, Tape, gather},
    factors::{AdaptedModule, Factors, TaskFactors},
    linear::{BackwardStep, Linear, ModuleGradient},
    norm::Norm,
};
use crate::{
    Delta, ModelError, ModuleProblem, Watch,
    decoder::{DecoderConfig, Rope},
    model::host::real::Real,
};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Tokens that one thread takes through the tower at once.
const GROUP_ROWS: usize = 256;

/// The linear layer of a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    Query(usize),
    Key(usize),
    Value(usize),
    Out(usize),
    Up(usize),
    Gate(usize),
    Down(usize),
    Projection,
}

/// An image tower or a decoder with the low-rank updates of several tasks, `W + Σ_j c_j b_j a_jᵀ`, and its gradients.
///
/// The scales c of all directions come with each call, so that one tower serves every merge of the tasks, and each
/// task's own model as well. A clone shares every matrix.
///
/// # Numerics
/// In `T`, `f32` or `f64`, whatever the base is stored in. A group of examples runs on one thread, and groups do not
/// depend on the number of threads.
#[derive(Clone)]
pub struct GradientTower<T> {
    pub(super) blocks: Vec<Block<T>>,
    pub(super) last_norm: Norm<T>,
    /// What the pooled token is multiplied by at the end, if anything.
    pub(super) projection: Option<Linear<T>>,
    pub(super) slots: Vec<(String, Slot)>,
    /// The configuration of a decoder, for the angles of positions.
    pub(super) decoder: Option<Arc<DecoderConfig>>,
    pub(super) modules: Vec<AdaptedModule>,
    pub(super) tasks: usize,
    /// The lowest block that a gradient is wanted of.
    pub(super) lowest: usize,
}

/// A forward pass of a group of examples, ready for backward passes.
pub struct Recorded<'a, T> {
    tower: &'a GradientTower<T>,
    layout: Layout,
    tapes: Vec<Tape<T>>,
    /// What the last norm took and gave, `[examples, width]`.
    pooled: Vec<T>,
    normed: Vec<T>,
    projected: Vec<T>,
    features: Vec<T>,
}

impl<T: Real> GradientTower<T> {
    /// The same tower with these updates: of each task, pairs of a module's name and its factors.
    ///
    /// # Errors
    /// [`ModelError::Module`]: a module that the tower does not have or that comes twice in a task, factors of another
    /// shape, values that are not finite, an update that is no product of factors.
    pub fn with_tasks<'a>(mut self, tasks: &[Vec<(&'a str, Delta<'a>)>]) -> Result<Self, ModelError> {
        let mut by_name: BTreeMap<&str, Vec<Option<TaskFactors<'_>>>> = BTreeMap::new();
        for (task, updates) in tasks.iter().enumerate() {
            for (name, delta) in updates {
                let factors = self.checked(name, *delta)?;
                let row = by_name.entry(name).or_insert_with(|| tasks.iter().map(|_| None).collect());
                if row[task].replace(factors).is_some() {
                    return Err(ModelError::Module { module: (*name).to_owned(), problem: ModuleProblem::Twice });
                }
            }
        }
        self.modules.clear();
        self.lowest = self.blocks.len();
        for (name, slot) in self.slots.clone() {
            let linear = self.linear_mut(slot);
            linear.factors = None;
            let Some(tasks) = by_name.get(name.as_str()) else { continue };
            let outputs = linear.outputs();
            let (factors, tasks) = Factors::stacked(self.modules.len(), outputs, tasks);
            self.linear_mut(slot).factors = Some(Arc::new(factors));
            self.lowest = self.lowest.min(slot.block().unwrap_or(self.blocks.len()));
            self.modules.push(AdaptedModule { name, tasks });
        }
        self.tasks = tasks.len();
        Ok(self)
    }

    /// The adapted modules, in the model's order.
    pub fn modules(&self) -> &[AdaptedModule] {
        &self.modules
    }

    /// Number of tasks whose updates the tower has.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// The scales of each task's own model: 1 for its own directions and 0 for all others.
    pub fn own(&self, task: usize) -> Scales<T> {
        self.scales(|module, direction| {
            let is_own = self.modules[module].tasks[task].contains(&direction);
            if is_own { 1.0 } else { 0.0 }
        })
    }

    /// The scales that `scale` gives for a module's place among the adapted ones and a direction of it.
    pub fn scales(&self, scale: impl Fn(usize, usize) -> f64) -> Scales<T> {
        let scale = &scale;
        let module = |(n, module): (usize, &AdaptedModule)| {
            (0..module.directions()).map(move |direction| T::of(scale(n, direction))).collect()
        };
        Scales::new(self.modules.iter().enumerate().map(module).collect())
    }

    /// Divides examples into groups that are recorded at once.
    pub fn groups<'a>(&self, sequences: &Sequences, examples: &'a [usize]) -> Vec<&'a [usize]> {
        sequences.groups(examples, GROUP_ROWS)
    }

    /// Runs a group of examples through the tower on the current thread, and keeps what backward passes need.
    pub fn record(&self, sequences: &Sequences, examples: &[usize], scales: &Scales<T>) -> Recorded<'_, T> {
        let mut tapes = Vec::with_capacity(self.blocks.len());
        self.run(sequences, examples, scales, &mut |tape| tapes.push(tape)).with(tapes)
    }

    /// The features of examples, `[examples, width]`, on the threads of the current rayon pool.
    ///
    /// # Errors
    /// The caller cancels.
    pub fn features(
        &self,
        sequences: &Sequences,
        examples: &[usize],
        scales: &Scales<T>,
        watch: &Watch<'_>,
    ) -> Result<Vec<T>, ModelError> {
        let groups = self.groups(sequences, examples);
        let run = |group: &&[usize]| {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let features = self.run(sequences, group, scales, &mut drop).features;
            watch.done(group.len());
            Ok(features)
        };
        Ok(groups.par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Numbers of one example's features.
    pub fn width(&self) -> usize {
        self.projection.as_ref().map_or_else(|| self.last_norm.width(), Linear::outputs)
    }

    fn run(
        &self,
        sequences: &Sequences,
        examples: &[usize],
        scales: &Scales<T>,
        keep: &mut dyn FnMut(Tape<T>),
    ) -> Recorded<'_, T> {
        let layout = self.layout(sequences, examples);
        let wide = |x: &f32| T::of(f64::from(*x));
        let mut x: Vec<T> = examples.iter().flat_map(|n| sequences.states(*n)).map(wide).collect();
        for (n, block) in self.blocks.iter().enumerate() {
            let (y, tape) = block.forward(x, n + 1 == self.blocks.len(), &layout, scales);
            keep(tape);
            x = y;
        }
        // Without a block, nothing has picked the pooled rows yet.
        let pooled = if self.blocks.is_empty() { gather(&x, &layout.pooled, self.last_norm.width()) } else { x };
        let normed = self.last_norm.forward(&pooled);
        let (features, projected) = match &self.projection {
            Some(projection) => projection.forward(&normed, scales),
            None => (normed.clone(), Vec::new()),
        };
        Recorded { tower: self, layout, tapes: Vec::new(), pooled, normed, projected, features }
    }

    fn layout(&self, sequences: &Sequences, examples: &[usize]) -> Layout {
        let mut end = 0;
        let rows = |n: &usize| {
            end += sequences.tokens(*n);
            end - sequences.tokens(*n)..end
        };
        let examples: Vec<_> = examples.iter().map(rows).collect();
        let is_causal = self.blocks.first().is_some_and(|block| block.heads.causal);
        let pooled = examples.iter().map(|rows| if is_causal { rows.end - 1 } else { rows.start }).collect();
        let singles = (0..examples.len()).map(|n| n..n + 1).collect();
        let longest = examples.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let rope = self.decoder.as_ref().map(|config| Rope::new(config, longest));
        Layout { examples, pooled, singles, rope }
    }

    fn checked<'a>(&self, name: &str, delta: Delta<'a>) -> Result<TaskFactors<'a>, ModelError> {
        let refuse = |problem| ModelError::Module { module: name.to_owned(), problem };
        let slot = self.slots.iter().find(|(known, _)| known == name).map(|(_, slot)| *slot);
        let example = self.slots.first().map_or_else(String::new, |(name, _)| name.clone());
        let slot = slot.ok_or_else(|| refuse(ModuleProblem::Unknown { model: "model", example }))?;
        let linear = self.linear(slot);
        delta.check(linear.outputs(), linear.inputs()).map_err(refuse)?;
        match delta {
            Delta::LowRank { b, a, rank } => Ok(TaskFactors { b, a, rank }),
            Delta::Dense(_) => Err(refuse(ModuleProblem::Dense)),
        }
    }

    pub(super) fn linear(&self, slot: Slot) -> &Linear<T> {
        match slot {
            Slot::Query(n) => &self.blocks[n].query,
            Slot::Key(n) => &self.blocks[n].key,
            Slot::Value(n) => &self.blocks[n].value,
            Slot::Out(n) => &self.blocks[n].out,
            Slot::Up(n) => &self.blocks[n].up,
            Slot::Gate(n) => self.blocks[n].gate.as_ref().expect("only a block with a gate has a slot for it"),
            Slot::Down(n) => &self.blocks[n].down,
            Slot::Projection => self.projection.as_ref().expect("only a tower with a projection has a slot for it"),
        }
    }

    fn linear_mut(&mut self, slot: Slot) -> &mut Linear<T> {
        match slot {
            Slot::Query(n) => &mut self.blocks[n].query,
            Slot::Key(n) => &mut self.blocks[n].key,
            Slot::Value(n) => &mut self.blocks[n].value,
            Slot::Out(n) => &mut self.blocks[n].out,
            Slot::Up(n) => &mut self.blocks[n].up,
            Slot::Gate(n) => self.blocks[n].gate.as_mut().expect("only a block with a gate has a slot for it"),
            Slot::Down(n) => &mut self.blocks[n].down,
            Slot::Projection => self.projection.as_mut().expect("only a tower with a projection has a slot for it"),
        }
    }
}

impl Slot {
    fn block(self) -> Option<usize> {
        match self {
            Self::Query(n)
            | Self::Key(n)
            | Self::Value(n)
            | Self::Out(n)
            | Self::Up(n)
            | Self::Gate(n)
            | Self::Down(n) => Some(n),
            Self::Projection => None,
        }
    }
}

impl<T: Real> Recorded<'_, T> {
    fn with(self, tapes: Vec<Tape<T>>) -> Self {
        Self { tapes, ..self }
    }

    /// The features, `[examples, width]`.
    pub fn features(&self) -> &[T] {
        &self.features
    }

    /// Runs the tower backward, given the gradient of a loss by the features, and hands every adapted module to `see`,
    /// from the last to the first.
    ///
    /// `scales` are those of the forward pass. The gradient of the loss by a direction's scale is the sum over rows of
    /// [`projected`](ModuleGradient::projected) · [`pulled`](ModuleGradient::pulled); that by the whole matrix would be
    /// `deltasᵀ · inputs`. May be called several times.
    pub fn backward(&self, deltas: &[T], scales: &Scales<T>, see: &mut dyn FnMut(ModuleGradient<'_, T>)) {
        let tower = self.tower;
        let mut by_normed = vec![T::ZERO; self.normed.len()];
        match &tower.projection {
            Some(projection) => {
                let inputs = &*self.normed;
                let projected = &*self.projected;
                let examples = &*self.layout.singles;
                let step = BackwardStep { inputs, deltas, projected, examples };
                projection.backward(Some(&mut by_normed), step, scales, see);
            }
            None => by_normed.copy_from_slice(deltas),
        }
        let mut by_x = vec![T::ZERO; self.pooled.len()];
        tower.last_norm.backward(&mut by_x, &by_normed, &self.pooled);
        let mut pass = Pass { layout: &self.layout, scales, see };
        for (n, (block, tape)) in tower.blocks.iter().zip(&self.tapes).enumerate().skip(tower.lowest).rev() {
            let Some(below) = block.backward(by_x, tape, n > tower.lowest, &mut pass) else { return };
            by_x = below;
        }
    }
}

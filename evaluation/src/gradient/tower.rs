//! A whole tower: forward with a tape, backward from its features.

use super::{
    Scales, Sequences,
    block::{Block, Layout, gather},
    branch::Branch,
    dropout::PlacedDropout,
    factors::{AdaptedModule, Factors, TaskFactors},
    linear::{Linear, Projected},
    norm::Norm,
    recorded::{Keeping, Kept, Recorded, Recording},
};
use crate::{
    BlockShape, Delta, ModelError, ModuleProblem, Watch,
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

    /// Replaces the factors of an adapted module of a tower with one task: `a` `[rank, inputs]`, `b` `[outputs, rank]`.
    ///
    /// # Panics
    /// The factors have another shape than those that the tower was made with.
    pub fn set_factors(&mut self, module: usize, a: &[f32], b: &[f32]) {
        let linear = self.linear_mut(self.slot_of(module));
        let old = linear.factors.as_ref().expect("an adapted module has factors");
        assert!(a.len() == old.a.len() && b.len() == old.b.len(), "factors keep their shape");
        let wide = |x: &f32| T::of(f64::from(*x));
        let directions = old.directions;
        let factors = Factors { module, directions, a: a.iter().map(wide).collect(), b: b.iter().map(wide).collect() };
        linear.factors = Some(Arc::new(factors));
    }

    /// Outputs and inputs of an adapted module.
    pub fn module_shape(&self, module: usize) -> [usize; 2] {
        let linear = self.linear(self.slot_of(module));
        [linear.outputs(), linear.inputs()]
    }

    /// Every linear layer of the tower, with its outputs and inputs, in the model's order.
    pub fn linears(&self) -> impl Iterator<Item = (&str, [usize; 2])> {
        self.slots.iter().map(|(name, slot)| {
            let linear = self.linear(*slot);
            (name.as_str(), [linear.outputs(), linear.inputs()])
        })
    }

    /// The shapes of the blocks.
    pub fn block_shape(&self) -> BlockShape {
        let none = BlockShape {
            layers: 0,
            width: self.last_norm.width(),
            query_width: 0,
            kv_width: 0,
            heads: 0,
            mlp_width: 0,
            is_gated: false,
        };
        self.blocks.first().map_or(none, |block| block.shape(self.blocks.len()))
    }

    fn slot_of(&self, module: usize) -> Slot {
        let name = &self.modules[module].name;
        let slot = self.slots.iter().find(|(known, _)| known == name).map(|(_, slot)| *slot);
        slot.expect("an adapted module has a slot")
    }

    /// Runs a group of examples through the tower on the current thread, and keeps what backward passes need.
    pub fn record(&self, sequences: &Sequences, examples: &[usize], scales: &Scales<T>) -> Recorded<'_, T> {
        self.record_as(sequences, examples, scales, Recording::default())
    }

    /// The same, as `recording` says.
    pub fn record_as(
        &self,
        sequences: &Sequences,
        examples: &[usize],
        scales: &Scales<T>,
        recording: Recording,
    ) -> Recorded<'_, T> {
        let Recording { dropout, tokens_before, examples_before, is_recomputed } = recording;
        let dropout = dropout.map(|dropout| PlacedDropout { dropout, tokens_before, examples_before });
        let branch = Branch { scales, dropout };
        let keeping = if is_recomputed { Keeping::Inputs } else { Keeping::Tapes };
        self.run(sequences, examples, &branch, keeping)
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
            let features = self.run(sequences, group, &Branch { scales, dropout: None }, Keeping::Nothing).features;
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
        branch: &Branch<'_, T>,
        keeping: Keeping,
    ) -> Recorded<'_, T> {
        let layout = self.layout(sequences, examples);
        let wide = |x: &f32| T::of(f64::from(*x));
        let mut x: Vec<T> = examples.iter().flat_map(|n| sequences.states(*n)).map(wide).collect();
        let mut kept = Vec::new();
        for (n, block) in self.blocks.iter().enumerate() {
            let input = (keeping == Keeping::Inputs && n >= self.lowest).then(|| x.clone());
            let (y, tape) = block.forward(x, self.is_last(n), &layout, branch);
            match input {
                Some(input) => kept.push(Kept::Input(input)),
                None if keeping == Keeping::Tapes && n >= self.lowest => kept.push(Kept::Tape(Box::new(tape))),
                None => {}
            }
            x = y;
        }
        // Without a block, nothing has picked the pooled rows yet.
        let pooled = if self.blocks.is_empty() { gather(&x, &layout.pooled, self.last_norm.width()) } else { x };
        let normed = self.last_norm.forward(&pooled);
        let (features, projected) = match &self.projection {
            Some(projection) => projection.forward(&normed, true, branch),
            None => (normed.clone(), Projected::default()),
        };
        Recorded { tower: self, layout, dropout: branch.dropout, kept, pooled, normed, projected, features }
    }

    /// Whether only the pooled rows come out of a block.
    pub(super) fn is_last(&self, block: usize) -> bool {
        block + 1 == self.blocks.len()
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

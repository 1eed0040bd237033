mod blocks;
mod budget;
mod calibration;
mod cart;
mod coefficients;
mod combination;
mod drop;
mod election;
mod elementwise;
mod entries;
mod factorwise;
mod gram;
mod mask;
mod matrixwise;
mod post;
mod rescale;
mod threshold;

use crate::{
    Aligned, InputMergeError, Matrix, MergeError, MergedUpdate, TaskStatistics, UpdateFacts, UpdateMatrix,
    align::{AlignedMatrix, Form},
    fisher::{self, FisherOptions},
    linalg::NoConvergence,
    regmean::{self, GramOptions, InputMerge, SolveQuality},
};
pub(crate) use budget::triplets;
use combination::Combination;
pub use entries::working_memory;
pub(crate) use entries::{fisher_bytes, groups};
use jobs::{Combine, Recipe, Space, Trim, TrimCount};
use post::{Context, Energy, Finished};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Whether a trim selects among the products of the factors as other tools do, which form them in one piece.
///
/// An entry next to a threshold falls on one side or the other by its rounding, and the bulk of an update lies close
/// together. Other trims keep the `f32` entries that results of earlier programs were made with.
fn needs_exact_entries(recipe: &Recipe) -> bool {
    let is_exact = |trim: Trim| trim.count == TrimCount::Floor || trim.outliers > 0.0;
    recipe.alignment() == Space::Full && recipe.trim.is_some_and(is_exact)
}

/// The updates of all weights, in order.
struct Merged {
    updates: Vec<UpdateMatrix>,
    facts: UpdateFacts,
}

/// The weight with the largest of some numbers.
struct Worst<'a> {
    module: &'a str,
    number: f64,
}

impl From<Vec<UpdateMatrix>> for Merged {
    fn from(updates: Vec<UpdateMatrix>) -> Self {
        Self { updates, facts: UpdateFacts::default() }
    }
}

impl Aligned {
    /// Merges the tasks as `recipe` says: drop, trim, weights, elect, combine, the steps after that. λ is kept apart.
    ///
    /// Task arithmetic in the `full` space stays low-rank (the factors are stacked); other elementwise merges there
    /// are dense.
    ///
    /// # Shapes
    /// Per weight `[O, I]` one [`UpdateMatrix`] of that shape.
    ///
    /// # Numerics
    /// Elementwise steps work in `f32`, matrix-wise ones in `f64`. In the `full` space dense updates are formed a
    /// block of rows at a time, so memory stays flat. Results do not depend on the number of threads.
    ///
    /// # Errors
    /// A recipe for another space, a weight for an unknown task, a matrix-wise method in the `full` space, `tsv` of
    /// more tasks than a weight has directions, an SVD that does not converge.
    ///
    /// # Source
    /// TIES (arXiv:2306.01708), DARE (arXiv:2311.03099), KnOTS (arXiv:2410.19735) with the trim and the election of
    /// its reference implementation, which ignores per-task weights and loses the sign of `max`; here both are
    /// honoured. `docs/methods.md` says where each method equals which code.
    pub fn merge(&self, recipe: &Recipe) -> Result<MergedUpdate, MergeError> {
        self.check(recipe)?;
        if recipe.merges_by_data() {
            return Err(MergeError::NeedsStatistics);
        }
        let calibrated = recipe.calibrate.map(|rule| calibration::calibrated(self, rule));
        let exact = needs_exact_entries(recipe).then(|| self.rounded_once());
        let source = calibrated.as_ref().or(exact.as_ref()).unwrap_or(self);
        let Merged { updates, facts } = match Combination::from(recipe.combine) {
            Combination::MatrixWise(method) => {
                let combined = matrixwise::merge(source, recipe, method)?;
                let quality: Vec<_> = combined.iter().map(|combined| combined.quality).collect();
                let mut merged =
                    self.finished(recipe, combined, |context, combined| context.finish(combined.matrix))?;
                self.note_quality(recipe, &quality, &mut merged.facts);
                merged
            }
            Combination::EntryWise(_) if self.space == Space::Full && recipe.is_linear() => {
                self.matrices.par_iter().map(|matrix| self.stacked(matrix, recipe)).collect::<Vec<_>>().into()
            }
            Combination::EntryWise(_) if !recipe.layer_weights.is_empty() => {
                self.matrices.par_iter().map(|matrix| self.weighed(matrix, recipe)).collect::<Vec<_>>().into()
            }
            Combination::EntryWise(rule) => self.with_post_steps(recipe, elementwise::merge(source, recipe, rule))?,
            Combination::Entries(method) => self.with_post_steps(recipe, entries::merge(source, recipe, method))?,
            Combination::ByStatistics => return Err(MergeError::NeedsStatistics),
            Combination::FactorWise(method) => {
                let merged = factorwise::merge(self, recipe, method)?;
                if recipe.post.is_empty() {
                    merged.into()
                } else {
                    self.finished(recipe, merged, |context, update| match update {
                        UpdateMatrix::LowRank { b, a } => context.finish_factors(b.to_f64(), a.transposed_to_f64()),
                        UpdateMatrix::Dense(matrix) => context.finish(matrix.to_f64()),
                    })?
                }
            }
        };
        Ok(self.merged(recipe, Merged { updates, facts }))
    }

    /// The bytes that [`merge`](Self::merge) by `recipe` takes beside what it is given and what it makes.
    pub fn working_memory(&self, recipe: &Recipe) -> u64 {
        working_memory(recipe, self.matrices.iter().map(|matrix| matrix.shape))
    }

    /// Merges the tasks by statistics of their own models.
    ///
    /// `gram: inputs` (RegMean) merges by the inputs of the modules, and stays in factors: its rank is the sum of the adapters'
    /// ranks. `gram: merged_inputs` (RegMean++) takes the merge that a job has made [layer by layer](Self::begin_layer), in
    /// factors as well; all tasks name that one. `combine: fisher` weighs entries by their Fisher
    /// information, and is dense unless a step after it truncates.
    ///
    /// # Errors
    /// As [`merge`](Self::merge); another recipe; statistics that are not there or cannot be read; Gram matrices whose sum
    /// has no inverse.
    pub fn merge_by_statistics(
        &self,
        recipe: &Recipe,
        statistics: &[TaskStatistics],
    ) -> Result<MergedUpdate, InputMergeError> {
        self.check(recipe)?;
        let weights: Vec<f64> = self.tasks.iter().map(|task| recipe.weight(task)).collect();
        if let Some(options) = FisherOptions::of(recipe) {
            let merged = fisher::merge_all(self, &weights, options, statistics)?;
            return Ok(self.merged(recipe, self.with_post_steps(recipe, merged)?));
        }
        let InputMerge { updates, quality } = if recipe.layerwise().is_some() {
            regmean::merge_solved(self, statistics)?
        } else {
            let options = GramOptions::of(recipe).ok_or(InputMergeError::OtherRecipe)?;
            regmean::merge_all(self, &weights, options, statistics)?
        };
        let quality: Vec<_> = quality.into_iter().map(Some).collect();
        let mut facts = UpdateFacts::default();
        self.note_quality(recipe, &quality, &mut facts);
        Ok(self.merged(recipe, Merged { updates, facts }))
    }

    /// Keeps the worst of the numbers that say how the systems of all weights were solved, and warns of noise.
    fn note_quality(&self, recipe: &Recipe, quality: &[Option<SolveQuality>], facts: &mut UpdateFacts) {
        let worst = |number: fn(&SolveQuality) -> f64| {
            let solved = quality.iter().zip(&self.matrices).filter_map(|(quality, matrix)| {
                let number = number(quality.as_ref()?);
                Some(Worst { module: &matrix.name, number })
            });
            solved.max_by(|one, other| one.number.total_cmp(&other.number))
        };
        let condition = worst(|quality| quality.condition);
        let residual = worst(|quality| quality.residual);
        let limit = recipe.condition_limit().unwrap_or(f64::INFINITY);
        if let Some(Worst { module, number }) = condition.as_ref().filter(|worst| worst.number > limit) {
            tracing::warn!(
                matrix = %module, condition = number,
                "the Gram matrices are close to singular, so that rounding decides a part of the merge: {}",
                if recipe.merges_by_data() { "lower `off_diagonal` or set a `ridge`" } else { "set a `ridge`" },
            );
        }
        if let Some(Worst { module, number }) = residual.as_ref().filter(|worst| worst.number > jobs::RESIDUAL_LIMIT) {
            tracing::warn!(
                matrix = %module, residual = number,
                "the solution of the equations of `gram_merge` does not fulfil them: the merge is noise; set a `ridge`",
            );
        }
        facts.condition = condition.map(|worst| worst.number);
        facts.residual = residual.map(|worst| worst.number);
    }

    fn merged(&self, recipe: &Recipe, merged: Merged) -> MergedUpdate {
        let Merged { updates, facts } = merged;
        let names = self.matrices.iter().map(|matrix| matrix.name.clone());
        let modules: BTreeMap<_, _> = names.zip(updates).collect();
        let sources = self.matrices.iter().map(|matrix| (matrix.name.clone(), matrix.source.clone())).collect();
        MergedUpdate {
            modules: Arc::new(modules),
            scaling: recipe.scaling,
            recipe: recipe.clone(),
            tasks: self.tasks.clone(),
            facts,
            sources: Arc::new(sources),
            layout: self.layout.clone(),
        }
    }

    /// The updates that merged entries stand for, after the steps that follow the combination.
    fn with_post_steps(&self, recipe: &Recipe, merged: Vec<Matrix>) -> Result<Merged, MergeError> {
        if !recipe.post.is_empty() {
            return self.finished(recipe, merged, |context, merged| context.finish(merged.to_f64()));
        }
        let updates = self.matrices.par_iter().zip(merged).map(|(matrix, merged)| matrix.update(merged));
        Ok(updates.collect::<Vec<_>>().into())
    }

    /// The steps after the combination, on every matrix. `finish` forms what it needs in `f64` for one matrix: in the
    /// `full` space all of them at once would not fit into memory.
    fn finished<M: Send>(
        &self,
        recipe: &Recipe,
        matrices: Vec<M>,
        finish: impl Fn(&Context<'_>, M) -> Result<Finished, NoConvergence> + Sync,
    ) -> Result<Merged, MergeError> {
        let weights: Vec<f64> = self.tasks.iter().map(|task| recipe.weight(task)).collect();
        let finished = self.matrices.par_iter().zip(matrices).map(|(matrix, merged)| {
            let directions = matrix.directions(recipe.space);
            let context = Context { steps: &recipe.post, matrix, weights: &weights, directions };
            finish(&context, merged).map_err(|_| MergeError::NoConvergence { module: matrix.name.clone() })
        });
        let finished: Vec<Finished> = finished.collect::<Result<_, _>>()?;
        let lost: f64 = finished.iter().map(|Finished { energy: Energy { lost, .. }, .. }| lost).sum();
        let all: f64 = finished.iter().map(|Finished { energy: Energy { all, .. }, .. }| all).sum();
        let lost_energy = recipe.post.output_rank.map(|_| if all > 0.0 { (lost / all).max(0.0) } else { 0.0 });
        let updates = finished.into_iter().map(|finished| finished.update).collect();
        Ok(Merged { updates, facts: UpdateFacts { lost_energy, ..UpdateFacts::default() } })
    }

    fn check(&self, recipe: &Recipe) -> Result<(), MergeError> {
        if recipe.alignment() != self.space {
            return Err(MergeError::OtherSpace { recipe: recipe.alignment(), aligned: self.space });
        }
        // A recipe of a message was not resolved from a sweep file, so its parts may not belong together.
        let only_space = if recipe.calibrate.is_some() {
            Some(Space::Core)
        } else if recipe.combine.is_factor_wise() || matches!(recipe.combine, Combine::Fisher { .. }) {
            Some(Space::Full)
        } else {
            None
        };
        if let Some(space) = only_space.filter(|space| *space != self.space) {
            return Err(MergeError::OtherSpace { recipe: space, aligned: self.space });
        }
        if let Some(task) = recipe.weights.keys().find(|task| !self.tasks.contains(task)) {
            return Err(MergeError::UnknownTask { task: task.clone(), tasks: self.tasks.clone() });
        }
        self.check_layer_weights(recipe)?;
        if self.space == Space::Full && recipe.combine.is_matrix_wise() && !recipe.merges_by_data() {
            return Err(MergeError::MatrixWiseInFull);
        }
        if let Some(expected) = recipe.combine.task_count()
            && expected != self.tasks.len()
        {
            let tasks = self.tasks.clone();
            return Err(MergeError::TaskCount { method: recipe.combine.name(), expected, found: tasks.len(), tasks });
        }
        let weights: Vec<f64> = self.tasks.iter().map(|task| recipe.weight(task)).collect();
        let is_negative_or_nothing =
            weights.iter().any(|weight| *weight < 0.0) || weights.iter().all(|weight| *weight <= 0.0);
        if recipe.combine.weights_are_places() && is_negative_or_nothing {
            return Err(MergeError::MeanWeights { method: recipe.combine.name(), found: weights });
        }
        if matches!(recipe.combine, Combine::GramMerge { .. }) && is_negative_or_nothing {
            return Err(MergeError::GramWeights { found: weights });
        }
        Ok(())
    }

    /// A part that no module lies in would be left out without a word.
    fn check_layer_weights(&self, recipe: &Recipe) -> Result<(), MergeError> {
        if !(recipe.layer_weights.is_empty() || recipe.takes_part_weights()) {
            return Err(MergeError::PartWeights { method: recipe.combine.name(), space: recipe.space });
        }
        for (task, parts) in &recipe.layer_weights {
            if !self.tasks.contains(task) {
                return Err(MergeError::UnknownTask { task: task.clone(), tasks: self.tasks.clone() });
            }
            let is_there = |part: &str| {
                self.matrices.iter().any(|matrix| {
                    let layer = jobs::layer_of(&matrix.name).map(|layer| layer.to_string());
                    matrix.name == part || layer.as_deref() == Some(part)
                })
            };
            if let Some(part) = parts.keys().find(|part| !is_there(part)) {
                let example = self.matrices.first().map_or_else(String::new, |matrix| matrix.name.clone());
                return Err(MergeError::UnknownPart { task: task.clone(), part: part.clone(), example });
            }
            self.check_directions(recipe, task)?;
        }
        Ok(())
    }

    /// A list of weights has one for each direction that the adapter has there.
    fn check_directions(&self, recipe: &Recipe, task: &str) -> Result<(), MergeError> {
        let place = self.tasks.iter().position(|known| known == task);
        for matrix in &self.matrices {
            let rank = place.map_or(0, |place| self.weighed_directions(matrix, place));
            if let Some(weights) = recipe.direction_weights(task, &matrix.name)
                && weights.len() != rank
            {
                let module = matrix.name.clone();
                return Err(MergeError::Directions {
                    task: task.to_owned(),
                    module,
                    found: weights.len(),
                    expected: rank,
                });
            }
        }
        Ok(())
    }

    /// The number of directions of a task's update that can have weights: the adapter's own, or those that all tasks share.
    fn weighed_directions(&self, matrix: &AlignedMatrix, task: usize) -> usize {
        let own = matrix.ranks[task];
        if own == 0 || self.space == Space::Full {
            return own;
        }
        let [shared, _] = matrix.entry_shape();
        shared
    }

    /// The sum of the task matrices, the rows of each times the weights of its directions: Σ_t w_t·diag(c_t)·P_t.
    fn weighed(&self, matrix: &AlignedMatrix, recipe: &Recipe) -> UpdateMatrix {
        let [rows, cols] = matrix.entry_shape();
        let mut sum = Matrix::zeros(rows, cols);
        let present = (0..self.tasks.len()).filter(|task| matrix.ranks[*task] > 0 && cols > 0);
        for task in present {
            let name = &self.tasks[task];
            let weight = recipe.weight_on(name, &matrix.name);
            let directions = recipe.direction_weights(name, &matrix.name);
            let entries = matrix.entries(task);
            let lines = sum.data_mut().chunks_mut(cols).zip(entries.data().chunks(cols));
            for (direction, (sum, entries)) in lines.enumerate() {
                let factor = (weight * directions.map_or(1.0, |directions| directions[direction])) as f32;
                sum.iter_mut().zip(entries).for_each(|(sum, entry)| *sum += factor * entry);
            }
        }
        matrix.update(sum)
    }

    /// What the weights of an average are multiplied with, so that they add up to 1; 1 for other combinations.
    fn average_factor(&self, recipe: &Recipe) -> f64 {
        if recipe.combine != Combine::Average {
            return 1.0;
        }
        1.0 / self.tasks.iter().map(|task| recipe.weight(task)).sum::<f64>()
    }

    /// The weighted sum of low-rank updates as one pair of factors: [w₁B₁ … wₙBₙ]·[A₁; …; Aₙ], where wₜ may be a diagonal
    /// matrix:
    /// a weight for each direction.
    fn stacked(&self, matrix: &AlignedMatrix, recipe: &Recipe) -> UpdateMatrix {
        let [rows, cols] = matrix.shape;
        let Form::Full(factors) = &matrix.form else { unreachable!("only the full space keeps factors") };
        let present = factors.iter().zip(&self.tasks).filter_map(|(factors, task)| Some((factors.as_ref()?, task)));
        let factor = self.average_factor(recipe);
        let weight = |task: &str| factor * recipe.weight_on(task, &matrix.name);
        let weights = |task: &str, rank: usize| match recipe.direction_weights(task, &matrix.name) {
            Some(directions) => directions.iter().map(|direction| (weight(task) * direction) as f32).collect(),
            None => vec![weight(task) as f32; rank],
        };
        let present: Vec<_> = present.map(|((b, a), task)| (b, a, weights(task, b.cols()))).collect();
        let rank = present.iter().map(|(b, ..)| b.cols()).sum();
        let mut b = Vec::with_capacity(rows * rank);
        for row in 0..rows {
            for (part, _, weights) in &present {
                b.extend(part.row_block(row..row + 1).iter().zip(weights).map(|(entry, weight)| weight * entry));
            }
        }
        let a = present.iter().flat_map(|(_, a, _)| a.data().iter().copied()).collect();
        UpdateMatrix::LowRank { b: Matrix::new(rows, rank, b).into(), a: Matrix::new(rank, cols, a).into() }
    }
}

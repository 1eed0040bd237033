//! Linear CKA between what the tasks' updates make of the same inputs, before and after an alignment.

use crate::{
    Adapter, Aligned, InputMergeError, InputStatistics, MergeError, TaskStatistics,
    align::{AlignedMatrix, Factors, Form},
    linalg,
};
use faer::{Mat, MatRef};
use jobs::{Axis, Sigma, SigmaCut, Space};
use serde::Serialize;

/// The alignment that updates are compared after: KnOTS, whose task matrices are V_t without Σ.
///
/// With Σ folded into V, ΔW_t = U·P_t with a common U, and CKA does not change under U: before and after would be the same.
const ALIGNMENT: Space =
    Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute: 1e-5, relative: 0.0 }, sigma: Sigma::After };

/// How alike the tasks' updates act on the same inputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpdateSimilarity {
    /// The tasks, in the order of the adapters.
    pub tasks: Vec<String>,
    /// The examples of every task that the inputs are of.
    pub examples: Vec<u64>,
    /// CKA of the updates, `[task][task]`: the mean over the modules that both tasks update, `null` where there is none.
    pub before: Vec<Vec<Option<f64>>>,
    /// CKA of the aligned task matrices (KnOTS, V without Σ), in the same way.
    pub after: Vec<Vec<Option<f64>>>,
    /// The modules that the means are over, in order.
    pub modules: Vec<ModuleSimilarity>,
}

/// How alike the tasks' updates of one weight act on the same inputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleSimilarity {
    /// The base's module.
    pub module: String,
    /// How many inputs there were, of all tasks.
    pub inputs: u64,
    /// CKA of the updates, `[task][task]`; `null` where a task does not update the weight.
    pub before: Vec<Vec<Option<f64>>>,
    /// CKA of the aligned task matrices.
    pub after: Vec<Vec<Option<f64>>>,
}

impl UpdateSimilarity {
    /// Compares the updates of `adapters` on the inputs that `statistics` are of: those of all tasks together, each in its own
    /// model, centred by their common mean.
    ///
    /// # Numerics
    /// The Gram matrices of one module are in memory at a time, of two tasks at most.
    ///
    /// # Errors
    /// Those of [`Aligned::new`]; statistics that cannot be read, that have no inputs of a module, or inputs of another width.
    pub fn new(adapters: &[Adapter], statistics: &[TaskStatistics]) -> Result<Self, InputMergeError> {
        let updates = Aligned::new(adapters, Space::Full)?;
        let aligned = Aligned::new(adapters, ALIGNMENT)?;
        let found = crate::regmean::of_tasks(&updates, statistics)?;
        let mut modules = Vec::with_capacity(updates.matrices.len());
        for (before, after) in updates.matrices.iter().zip(&aligned.matrices) {
            let inputs = pooled(before, &found)?;
            modules.push(ModuleSimilarity {
                module: before.name.clone(),
                inputs: inputs.tokens,
                before: of_matrix(before, &inputs)?,
                after: of_matrix(after, &inputs)?,
            });
        }
        let mean = |of: fn(&ModuleSimilarity) -> &Vec<Vec<Option<f64>>>| means(&modules, adapters.len(), of);
        Ok(Self {
            before: mean(|module| &module.before),
            after: mean(|module| &module.after),
            tasks: updates.tasks.clone(),
            examples: found.iter().map(|statistics| statistics.examples()).collect(),
            modules,
        })
    }

    /// The mean over all pairs of two tasks; `None` where no pair has a value.
    pub fn mean_of_pairs(cells: &[Vec<Option<f64>>]) -> Option<f64> {
        let pairs = cells.iter().enumerate().flat_map(|(row, cells)| cells[..row].iter().flatten());
        mean(pairs.copied())
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

fn means(
    modules: &[ModuleSimilarity],
    tasks: usize,
    of: fn(&ModuleSimilarity) -> &Vec<Vec<Option<f64>>>,
) -> Vec<Vec<Option<f64>>> {
    let cell = |row: usize, col: usize| mean(modules.iter().filter_map(|module| of(module)[row][col]));
    (0..tasks).map(|row| (0..tasks).map(|col| cell(row, col)).collect()).collect()
}

/// The inputs of a module in the models of all tasks that update it.
fn pooled(matrix: &AlignedMatrix, statistics: &[&TaskStatistics]) -> Result<InputStatistics, InputMergeError> {
    let mut sum: Option<InputStatistics> = None;
    let updating = statistics.iter().zip(&matrix.ranks).filter(|(_, rank)| **rank > 0);
    for (statistics, _) in updating {
        let inputs = crate::regmean::inputs_of(matrix, statistics)?;
        match &mut sum {
            Some(sum) => sum.add(&inputs),
            None => sum = Some(inputs),
        }
    }
    // Of a weight that all updates leave as it is, no input is needed.
    Ok(sum.unwrap_or_else(|| InputStatistics::nothing(matrix.shape[1])))
}

fn of_matrix(matrix: &AlignedMatrix, inputs: &InputStatistics) -> Result<Vec<Vec<Option<f64>>>, MergeError> {
    let parts: Vec<Option<Factors>> = match &matrix.form {
        Form::Full(parts) => parts
            .iter()
            .map(|part| part.as_ref().map(|(b, a)| Factors { b: b.to_f64(), at: a.transposed_to_f64() }))
            .collect(),
        Form::Columns { parts, .. } => parts
            .iter()
            .map(|part| Some(Factors { b: Mat::identity(part.rows(), part.rows()), at: part.transposed_to_f64() }))
            .collect(),
        Form::Rows { .. } | Form::Core { .. } => {
            return Err(MergeError::OtherSpace { recipe: Space::Full, aligned: Space::Core });
        }
    };
    let is_there = |task: usize| matrix.ranks[task] > 0;
    let parts: Vec<Option<&Factors>> =
        parts.iter().enumerate().map(|(task, part)| part.as_ref().filter(|_| is_there(task))).collect();
    let cka = cka(&parts, inputs);
    let cell = |row: usize, col: usize| (is_there(row) && is_there(col)).then(|| cka[(row, col)]);
    Ok((0..parts.len()).map(|row| (0..parts.len()).map(|col| cell(row, col)).collect()).collect())
}

/// Linear CKA between what the tasks' updates make of the same inputs, for every pair of tasks.
///
/// With the inputs X `[n, I]` and `Z_t = X·ΔW_tᵀ`: `CKA(i, j) = ‖Z_iᵀHZ_j‖² / (‖Z_iᵀHZ_i‖·‖Z_jᵀHZ_j‖)`, where H subtracts the
/// mean row. The centred Gram matrix `G = XᵀHX` is all that is needed of X: `Z_iᵀHZ_j = B_i·(A_i·G·A_jᵀ)·B_jᵀ`, whose norm
/// follows from `B_iᵀB_i`, `B_jᵀB_j` and the small core.
///
/// # Shapes
/// `B_t` `[O, r_t]`, `A_t` `[r_t, I]`, G `[I, I]`; the result is `[T, T]`, symmetric, with ones on the diagonal.
///
/// # Numerics
/// `f64`; O(T·r·I² + T²·r²·(I + r)). A task without an update, or whose outputs do not vary, has CKA 0 with all others.
///
/// # Source
/// Kornblith et al. (arXiv:1905.00414), section 3. CKA does not change when all `Z_t` are multiplied by one orthonormal
/// matrix: that of the aligned task matrices `P_t` with `ΔW_t = U·P_t` is the same as that of the updates.
pub(crate) fn cka(tasks: &[Option<&Factors>], inputs: &InputStatistics) -> Mat<f64> {
    let gram = inputs.centred_gram();
    let parts: Vec<Option<Part<'_>>> = tasks.iter().map(|task| task.map(|factors| Part::new(factors, &gram))).collect();
    let own: Vec<f64> = parts.iter().map(|part| part.as_ref().map_or(0.0, |part| part.square(part).sqrt())).collect();
    Mat::from_fn(tasks.len(), tasks.len(), |i, j| match (&parts[i], &parts[j]) {
        (Some(_), Some(_)) if i == j && own[i] > 0.0 => 1.0,
        (Some(left), Some(right)) if own[i] > 0.0 && own[j] > 0.0 => left.square(right) / (own[i] * own[j]),
        _ => 0.0,
    })
}

/// What is needed of one task.
struct Part<'a> {
    at: MatRef<'a, f64>,
    /// `G·A_tᵀ`
    seen: Mat<f64>,
    /// `B_tᵀ·B_t`
    outputs: Mat<f64>,
}

impl<'a> Part<'a> {
    fn new(factors: &'a Factors, gram: &Mat<f64>) -> Self {
        let seen = linalg::product(gram.as_ref(), factors.at.as_ref());
        let outputs = linalg::product(factors.b.transpose(), factors.b.as_ref());
        Self { at: factors.at.as_ref(), seen, outputs }
    }

    /// `‖Z_iᵀHZ_j‖²` = `tr(Kᵀ·(B_iᵀB_i)·K·(B_jᵀB_j))` with `K = A_i·G·A_jᵀ`.
    fn square(&self, other: &Self) -> f64 {
        let core = linalg::product(self.at.transpose(), other.seen.as_ref());
        let left = linalg::product(self.outputs.as_ref(), core.as_ref());
        let right = linalg::product(core.as_ref(), other.outputs.as_ref());
        let columns = 0..left.ncols();
        columns.map(|col| left.col(col).iter().zip(right.col(col).iter()).map(|(x, y)| x * y).sum::<f64>()).sum()
    }
}

#[cfg(test)]
mod tests;

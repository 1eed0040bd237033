use crate::{
    Aligned, InputMergeError, InputStatistics, Matrix, MergeError, TaskStatistics,
    align::{Factors, Form},
    linalg,
};
use faer::{Mat, MatRef};
use jobs::Space;

/// How alike the tasks' updates act on the same inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarity {
    /// The base's module.
    pub module: String,
    /// Linear CKA of every pair of tasks, `[tasks, tasks]`, in the order of the adapters.
    pub cka: Matrix,
}

impl Aligned {
    /// Linear CKA between what the tasks' updates make of the inputs in `statistics`, for every module: of the updates in the
    /// `full` space, and of the aligned task matrices in `knots` with `axis: columns`.
    ///
    /// Both are the same up to rounding where Σ is folded into V, since CKA does not change under the common basis U: what an
    /// alignment changes shows in other measures.
    ///
    /// # Errors
    /// Another space; a module that the statistics do not hold.
    pub fn similarity(&self, statistics: &TaskStatistics) -> Result<Vec<Similarity>, InputMergeError> {
        let one = |matrix: &crate::align::AlignedMatrix| {
            let parts: Vec<Option<Factors>> = match &matrix.form {
                Form::Full(parts) => parts
                    .iter()
                    .map(|part| part.as_ref().map(|(b, a)| Factors { b: b.to_f64(), at: a.transposed_to_f64() }))
                    .collect(),
                Form::Columns { parts, .. } => parts
                    .iter()
                    .map(|part| {
                        Some(Factors { b: Mat::identity(part.rows(), part.rows()), at: part.transposed_to_f64() })
                    })
                    .collect(),
                Form::Rows { .. } | Form::Core { .. } => {
                    return Err(MergeError::OtherSpace { recipe: Space::Full, aligned: self.space }.into());
                }
            };
            let inputs = crate::regmean::inputs_of(matrix, statistics)?;
            let parts: Vec<Option<&Factors>> = parts.iter().map(Option::as_ref).collect();
            let cka = Matrix::from_f64(cka(&parts, &inputs).as_ref());
            Ok(Similarity { module: matrix.name.clone(), cka })
        };
        self.matrices.iter().map(one).collect()
    }
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

use crate::{
    LoraModule, Matrix, UpdateMatrix,
    matrix::{multiply, multiply_in_f64},
};
use faer::Mat;
use jobs::Space;
use std::{ops::Range, sync::Arc};

/// All tasks' updates of one weight, in the coordinates of a space.
#[derive(Debug, Clone)]
pub(crate) struct AlignedMatrix {
    /// The base's module.
    pub(crate) name: String,
    /// The module's name in the adapters.
    pub(crate) source: String,
    /// `[O, I]`.
    pub(crate) shape: [usize; 2],
    /// The rank of every task's update; 0 where an adapter lacks the module.
    pub(crate) ranks: Vec<usize>,
    /// What turns a merge of the task matrices into one in the coordinates of the bases.
    pub(crate) lift: Lift,
    /// The norms of the tasks' updates, where the task matrices have others.
    pub(crate) norms: Option<Vec<f64>>,
    /// The singular values of the stacked B that belong to the left basis of the core space; none elsewhere.
    pub(crate) output_sigma: Vec<f64>,
    /// Whether entries of the `full` space are formed in `f64` and rounded once, rather than in `f32`.
    pub(crate) is_rounded_once: bool,
    /// The task matrices before they are rounded to `f32`, where a recipe compares entries with quantiles.
    pub(crate) exact: Option<Arc<Vec<Mat<f64>>>>,
    pub(crate) form: Form,
}

/// Steps of a space on the merged matrix.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lift {
    /// Factors of the rows, where these are no part of the task matrices: σ of `sigma: after`.
    pub(crate) row_scale: Option<Vec<f32>>,
    /// Where the blocks on the diagonal begin that stay of a merge, and the size at the end: `mask: block` of `dc`.
    pub(crate) blocks: Option<Vec<usize>>,
}

impl Lift {
    /// What entry (row, col) is multiplied with.
    fn factor(&self, row: usize, col: usize) -> f32 {
        let is_masked = self.blocks.as_ref().is_some_and(|bounds| block_of(bounds, row) != block_of(bounds, col));
        if is_masked {
            return 0.0;
        }
        self.row_scale.as_ref().map_or(1.0, |factors| factors[row])
    }

    fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    fn on_entries(&self, matrix: &mut Matrix) {
        if self.is_idle() {
            return;
        }
        let cols = matrix.cols().max(1);
        for (row, entries) in matrix.data_mut().chunks_mut(cols).enumerate() {
            entries.iter_mut().enumerate().for_each(|(col, entry)| *entry *= self.factor(row, col));
        }
    }

    /// The merge in the coordinates of the bases.
    pub(crate) fn on_matrix(&self, matrix: &mut Mat<f64>) {
        if self.is_idle() {
            return;
        }
        for (col, entries) in matrix.col_iter_mut().enumerate() {
            entries.iter_mut().enumerate().for_each(|(row, entry)| *entry *= f64::from(self.factor(row, col)));
        }
    }
}

/// The block that an index lies in.
fn block_of(bounds: &[usize], index: usize) -> usize {
    bounds.partition_point(|bound| *bound <= index)
}

/// The coordinates, and what leads back to the weight.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// ΔWᵢ = b·a; the entries are formed when they are asked for.
    Full(Arc<Vec<Option<(Matrix, Matrix)>>>),
    /// ΔWᵢ = basis · partᵢ.
    Columns { basis: Arc<Matrix>, parts: Vec<Matrix> },
    /// ΔWᵢ = partᵢᵀ · basis, with the basis stored `[k, I]`.
    Rows { basis: Arc<Matrix>, parts: Vec<Matrix> },
    /// ΔWᵢ = left · partᵢ · right.
    Core { left: Arc<Matrix>, right: Arc<Matrix>, parts: Vec<Matrix> },
}

/// The form of the `full` space, with the scale in b.
pub(super) fn full(modules: &[Option<&LoraModule>]) -> Form {
    let factors = |module: &LoraModule| {
        let b = Matrix::from_fn(module.lora_b.rows(), module.lora_b.cols(), |row, col| {
            (module.scale * f64::from(module.lora_b.data()[row * module.lora_b.cols() + col])) as f32
        });
        (b, module.lora_a.clone())
    };
    Form::Full(Arc::new(modules.iter().map(|module| module.map(factors)).collect()))
}

impl AlignedMatrix {
    /// Rows and columns of the task matrices.
    pub(crate) fn entry_shape(&self) -> [usize; 2] {
        match &self.form {
            Form::Full(_) => self.shape,
            Form::Columns { basis, .. } => [basis.cols(), self.shape[1]],
            Form::Rows { basis, .. } => [basis.rows(), self.shape[0]],
            Form::Core { left, right, .. } => [left.cols(), right.rows()],
        }
    }

    /// How many directions a matrix has room for in `space`, which may be `full` for a matrix in core coordinates.
    pub(crate) fn directions(&self, space: Space) -> usize {
        let [rows, cols] = if space == Space::Full { self.shape } else { self.entry_shape() };
        rows.min(cols)
    }

    /// Whether task matrices are on transposes of the weight.
    pub(crate) fn is_transposed(&self) -> bool {
        match self.form {
            Form::Rows { .. } => true,
            Form::Full(_) | Form::Columns { .. } | Form::Core { .. } => false,
        }
    }

    /// The number of entries of a task matrix.
    pub(crate) fn entry_count(&self) -> usize {
        let [rows, cols] = self.entry_shape();
        rows * cols
    }

    /// Some rows of a task matrix; `None` means that they are zero. `scratch` holds them where they must be computed.
    pub(crate) fn block<'a>(&'a self, task: usize, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Option<&'a [f32]> {
        match &self.form {
            Form::Columns { parts, .. } | Form::Rows { parts, .. } | Form::Core { parts, .. } => {
                (self.ranks[task] > 0).then(|| parts[task].row_block(rows))
            }
            Form::Full(_) => self.fill_block(task, rows, scratch).then_some(&**scratch),
        }
    }

    /// Some rows of a task matrix as a copy in `out`; `false` means that they are zero, and `out` is not touched.
    pub(crate) fn fill_block(&self, task: usize, rows: Range<usize>, out: &mut Vec<f32>) -> bool {
        match &self.form {
            Form::Columns { parts, .. } | Form::Rows { parts, .. } | Form::Core { parts, .. } => {
                if self.ranks[task] > 0 {
                    out.clear();
                    out.extend_from_slice(parts[task].row_block(rows));
                }
                self.ranks[task] > 0
            }
            Form::Full(factors) => {
                let Some((b, a)) = &factors[task] else { return false };
                out.resize(rows.len() * a.cols(), 0.0);
                let multiply = if self.is_rounded_once { multiply_in_f64 } else { multiply };
                multiply(out, b.row_block(rows.clone()), [rows.len(), b.cols()], a);
                true
            }
        }
    }

    /// A whole task matrix.
    pub(crate) fn entries(&self, task: usize) -> Matrix {
        let [rows, cols] = self.entry_shape();
        let mut scratch = Vec::new();
        match self.block(task, 0..rows, &mut scratch) {
            Some(entries) => Matrix::new(rows, cols, entries.to_vec()),
            None => Matrix::zeros(rows, cols),
        }
    }

    /// The update that merged entries stand for.
    pub(crate) fn update(&self, mut merged: Matrix) -> UpdateMatrix {
        self.lift.on_entries(&mut merged);
        self.lift(merged)
    }

    /// A matrix in the coordinates of orthonormal bases, as an update.
    pub(crate) fn lift(&self, merged: Matrix) -> UpdateMatrix {
        match &self.form {
            Form::Full(_) => UpdateMatrix::Dense(Arc::new(merged)),
            Form::Columns { basis, .. } => UpdateMatrix::LowRank { b: basis.clone(), a: merged.into() },
            Form::Rows { basis, .. } => UpdateMatrix::LowRank { b: merged.transposed().into(), a: basis.clone() },
            Form::Core { left, right, .. } if left.cols() <= right.rows() => {
                UpdateMatrix::LowRank { b: left.clone(), a: merged.times(right).into() }
            }
            Form::Core { left, right, .. } => UpdateMatrix::LowRank { b: left.times(&merged).into(), a: right.clone() },
        }
    }

    /// The product of two factors in the coordinates of orthonormal bases, as an update of their inner size.
    pub(crate) fn lift_factors(&self, left: Matrix, right: Matrix) -> UpdateMatrix {
        let factors = |b: Matrix, a: Matrix| UpdateMatrix::LowRank { b: b.into(), a: a.into() };
        match &self.form {
            Form::Full(_) => factors(left, right),
            Form::Columns { basis, .. } => factors(basis.times(&left), right),
            Form::Rows { basis, .. } => factors(right.transposed(), left.transposed().times(basis)),
            Form::Core { left: outputs, right: inputs, .. } => factors(outputs.times(&left), right.times(inputs)),
        }
    }

    /// A task's update in the coordinates of orthonormal bases.
    pub(crate) fn coordinates(&self, task: usize) -> Matrix {
        let mut entries = self.entries(task);
        self.lift.on_entries(&mut entries);
        entries
    }

    /// ‖ΔW‖ of a task.
    pub(crate) fn norm(&self, task: usize) -> f64 {
        self.norms.as_ref().map_or_else(|| self.coordinates(task).frobenius(), |norms| norms[task])
    }
}

mod coordinates;
mod core;
mod input;
mod knots;
mod matrix;
mod naming;

pub(crate) use matrix::{AlignedMatrix, Form, Lift};

use crate::{Adapter, Matrix, MergeError, layout::Layout};
use faer::Mat;
use input::inputs;
use jobs::{Combine, Recipe, Space};
use naming::Names;
use rayon::prelude::*;
use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

/// Singular values closer than this leave their directions to rounding.
const COINCIDE: f64 = 1e-9;

/// How many entries have which upper (or lower) bits.
pub(crate) type Histogram = Vec<u64>;

/// Adapters in the coordinates of one space, ready to be merged any number of times.
///
/// The costly part of a merge that no recipe of the same space has to repeat.
#[derive(Debug)]
pub struct Aligned {
    pub(crate) space: Space,
    pub(crate) tasks: Vec<String>,
    pub(crate) matrices: Vec<AlignedMatrix>,
    pub(crate) layout: Layout,
    facts: AlignmentFacts,
    /// Of every task, how many entries have which upper bits. The search for a threshold starts there; it does not
    /// depend on the density, so it is counted once for all recipes.
    pub(crate) upper_histograms: OnceLock<Vec<Histogram>>,
}

/// A task's update of one weight as a product of factors: ΔW = `b · a`, a direction for each column of `b` and row of `a`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFactors {
    /// The base's module.
    pub module: String,
    /// `[O, k]`; in `knots` the same for all tasks.
    pub b: Arc<Matrix>,
    /// `[k, I]`
    pub a: Matrix,
}

/// What an alignment found out about its adapters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlignmentFacts {
    /// The number of weights that at least one adapter updates.
    pub matrices: usize,
    /// Directions kept, over all matrices; 0 in the `full` space.
    pub directions: usize,
    /// Directions left out by the cut on σ, over all matrices.
    pub dropped: usize,
    /// Where two neighbouring singular values are closest. Equal values leave a rotation of their directions free, on
    /// which elementwise merges depend.
    pub smallest_gap: Option<Gap>,
}

/// The smallest relative distance between neighbouring singular values.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The matrix in which it occurs.
    pub matrix: String,
    /// (σⱼ − σⱼ₊₁)/σⱼ.
    pub relative: f64,
}

/// Directions and spectrum of one aligned matrix.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spectrum {
    pub(crate) kept: usize,
    pub(crate) dropped: usize,
    pub(crate) gap: Option<f64>,
}

/// One task's factors of one matrix in `f64`: ΔW = `b · atᵀ`, with the scale in `b`.
pub(crate) struct Factors {
    pub(crate) b: Mat<f64>,
    pub(crate) at: Mat<f64>,
}

impl Aligned {
    /// Brings the updates of `adapters` into the coordinates of `space`.
    ///
    /// - `full`: nothing happens, the factors are kept.
    /// - `knots`: [ΔW₁ … ΔWₙ] = U Σ [V₁ᵀ … Vₙᵀ] without forming it, and Pᵢ = ΣVᵢᵀ. With the thin QR [s₁B₁ … sₙBₙ] = Q·R_B
    ///   and Aᵢ = LᵢQᵢᵀ, the core C = R_B·blkdiag(Lᵢ) = ŨΣṼᵀ is small, U = QŨ and Vᵢ = QᵢṼᵢ. With `axis: rows` the same on the
    ///   transposes.
    ///   With `sigma: after` the task matrices are Vᵢᵀ, and a merge is multiplied by Σ.
    /// - `core`: Mᵢ = U_BᵀΔWᵢV_A, where U_B and V_A are the left singular vectors of [s₁B₁ … sₙBₙ] and of [A₁ᵀ … Aₙᵀ].
    /// - `core_geodesic`: LᵀΔWᵢR in the geodesic means L, R of the tasks' bases, all of one rank.
    /// - `compressed`: Cᵢ = ÛᵀMᵢV̂ in the two bases of a given rank that keep the most of all tasks.
    /// - `dc`: ŨᵀDᵢṼ, where Dᵢ has a smoothed spectrum, in the whitened bases of all tasks' directions.
    /// - `core_qr`: the same as `core`, where U_B and V_A are the Q of thin QRs of these stacks, in the order of the tasks.
    ///
    /// # Shapes
    /// A weight is `[O, I]`, adapter i has rank rᵢ, R = Σrᵢ; k ≤ R directions. Pᵢ is `[k, I]` (`rows`: `[k, O]`), Mᵢ is
    /// `[≤ R, ≤ R]`. Ranks may differ, and a module that an adapter does not have is a zero update.
    ///
    /// # Numerics
    /// Householder QR and SVD in `f64`, one thread per matrix, so that results do not depend on the number of
    /// threads. U, σ and V are rounded to `f32` before σ is multiplied in, as in the reference. Every direction has
    /// the sign that makes the largest entry of U positive. Costs O((O+I)R² + nIr² + R³) per matrix. Core bases keep
    /// the directions above 1e-12 of the largest.
    ///
    /// # Errors
    /// No adapters, two of the same name, two that give one weight different shapes, an SVD that does not converge.
    ///
    /// # Source
    /// KnOTS (arXiv:2410.19735), with its reference's rounding and absolute cut on σ; Core Space (arXiv:2509.17786),
    /// whose authors leave α/r out of the bases, while here it is part of B.
    pub fn new(adapters: &[Adapter], space: Space) -> Result<Self, MergeError> {
        Self::in_space(adapters, space, false)
    }

    /// Brings the updates of `adapters` into the space that `recipe` merges in, with all that it needs there: recipes that
    /// compare entries with quantiles (`pcb`, `sce`) read cores in `f64`, which take twice the memory of those in `f32`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn for_recipe(adapters: &[Adapter], recipe: &Recipe) -> Result<Self, MergeError> {
        Self::in_space(adapters, recipe.alignment(), Self::keeps_exact(recipe))
    }

    /// Whether [`for_recipe`](Self::for_recipe) keeps more than [`new`](Self::new), so that another alignment is needed.
    pub fn keeps_exact(recipe: &Recipe) -> bool {
        let is_plain = recipe.drop.is_none() && recipe.trim.is_none();
        is_plain && matches!(recipe.combine, Combine::Pcb { .. } | Combine::Sce { .. })
    }

    fn in_space(adapters: &[Adapter], space: Space, keeps_exact: bool) -> Result<Self, MergeError> {
        let tasks = task_names(adapters)?;
        let names = Names::of(adapters);
        let inputs = inputs(adapters, &names)?;
        let aligned = inputs.into_par_iter().map(|input| input.align(space, keeps_exact));
        let (matrices, spectra): (Vec<_>, Vec<_>) = aligned.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let facts = facts(&matrices, &spectra);
        if let Some(Gap { matrix, relative }) = facts.smallest_gap.as_ref().filter(|gap| gap.relative < COINCIDE) {
            tracing::warn!(%matrix, relative, "singular values coincide, so elementwise merges depend on rounding");
        }
        Ok(Self { space, tasks, matrices, layout: layout(adapters, &names), facts, upper_histograms: OnceLock::new() })
    }

    /// The same tasks and space with other matrices.
    pub(crate) fn with_matrices(&self, matrices: Vec<AlignedMatrix>) -> Self {
        Self {
            space: self.space,
            tasks: self.tasks.clone(),
            matrices,
            layout: self.layout.clone(),
            facts: self.facts.clone(),
            upper_histograms: OnceLock::new(),
        }
    }

    /// The same tasks, whose entries in the `full` space are formed in `f64` and rounded once. The factors are shared.
    pub(crate) fn rounded_once(&self) -> Self {
        let matrices = self.matrices.iter().cloned();
        self.with_matrices(matrices.map(|matrix| AlignedMatrix { is_rounded_once: true, ..matrix }).collect())
    }

    /// The space that the adapters were brought into.
    pub fn space(&self) -> Space {
        self.space
    }

    /// The tasks, in the order of the adapters.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// What the alignment found out.
    pub fn facts(&self) -> &AlignmentFacts {
        &self.facts
    }

    /// The task matrix of `task` for the base's module `module`: Pᵢ in `knots`, Mᵢ in `core`, ΔWᵢ in `full`.
    pub fn task_matrix(&self, module: &str, task: usize) -> Option<Matrix> {
        let matrix = self.matrices.iter().find(|matrix| matrix.name == module)?;
        (task < self.tasks.len()).then(|| matrix.entries(task))
    }

    /// The update of every weight of `task` as a product, whose directions a recipe in this space can weigh: the adapter's own
    /// factors in `full`, and U and ΣVᵢᵀ in `knots` with `axis: columns`. Weights that the task leaves as they are have none,
    /// and the other spaces have no such product.
    pub fn task_factors(&self, task: usize) -> Vec<TaskFactors> {
        let of_matrix = |matrix: &AlignedMatrix| {
            if *matrix.ranks.get(task)? == 0 {
                return None;
            }
            let module = matrix.name.clone();
            match &matrix.form {
                Form::Full(factors) => {
                    let (b, a) = factors[task].as_ref()?;
                    Some(TaskFactors { module, b: Arc::new(b.clone()), a: a.clone() })
                }
                Form::Columns { basis, parts } if matrix.lift.row_scale.is_none() => {
                    Some(TaskFactors { module, b: Arc::clone(basis), a: parts[task].clone() })
                }
                Form::Columns { .. } | Form::Rows { .. } | Form::Core { .. } => None,
            }
        };
        self.matrices.iter().filter_map(of_matrix).collect()
    }

    /// The update that a task matrix of `module` stands for, as a dense `[O, I]` matrix.
    pub fn lift(&self, module: &str, entries: &Matrix) -> Option<Matrix> {
        let matrix = self.matrices.iter().find(|matrix| matrix.name == module)?;
        (entries.shape() == matrix.entry_shape()).then(|| matrix.update(entries.clone()).to_dense())
    }
}

fn task_names(adapters: &[Adapter]) -> Result<Vec<String>, MergeError> {
    if adapters.is_empty() {
        return Err(MergeError::NoAdapters);
    }
    let mut seen = BTreeSet::new();
    match adapters.iter().find(|adapter| !seen.insert(&adapter.name)) {
        Some(adapter) => Err(MergeError::SameName { task: adapter.name.clone() }),
        None => Ok(adapters.iter().map(|adapter| adapter.name.clone()).collect()),
    }
}

fn layout(adapters: &[Adapter], names: &Names) -> Layout {
    let like = names.like.iter().filter_map(|index| adapters.get(*index));
    let naming_one = adapters.iter().filter(|adapter| adapter.base_model.is_some());
    let base_model = common(naming_one, |adapter| &adapter.base_model);
    let heads = adapters.iter().filter(|adapter| !adapter.saved.is_empty());
    Layout {
        // Short names of targets stand for the same modules only where all adapters name their modules alike.
        target_modules: common(adapters.iter(), |adapter| &adapter.target_modules)
            .filter(|_| names.like.len() == adapters.len()),
        task_type: common(adapters.iter(), |adapter| &adapter.task_type),
        auto_mapping: common(like, |adapter| &adapter.auto_mapping),
        revision: common(adapters.iter(), |adapter| &adapter.revision).filter(|_| base_model.is_some()),
        base_model,
        heads: Arc::new(heads.map(|adapter| (adapter.name.clone(), adapter.saved.clone())).collect()),
        fan_in_fan_out: adapters.iter().flat_map(|adapter| adapter.fan_in_fan_out.clone()).collect(),
    }
}

/// What `adapters` say alike.
fn common<'a, T: Clone + PartialEq + 'a>(
    adapters: impl Iterator<Item = &'a Adapter>,
    of: impl Fn(&'a Adapter) -> &'a Option<T>,
) -> Option<T> {
    let mut values = adapters.map(of);
    let first = values.next()?;
    if values.all(|value| value == first) { first.clone() } else { None }
}

fn facts(matrices: &[AlignedMatrix], spectra: &[Spectrum]) -> AlignmentFacts {
    let gaps = matrices.iter().zip(spectra).filter_map(|(matrix, spectrum)| Some((&matrix.name, spectrum.gap?)));
    let smallest = gaps.min_by(|(_, left), (_, right)| left.total_cmp(right));
    AlignmentFacts {
        matrices: matrices.len(),
        directions: spectra.iter().map(|spectrum| spectrum.kept).sum(),
        dropped: spectra.iter().map(|spectrum| spectrum.dropped).sum(),
        smallest_gap: smallest.map(|(matrix, relative)| Gap { matrix: matrix.clone(), relative }),
    }
}

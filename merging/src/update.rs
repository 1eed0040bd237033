use crate::{Matrix, layout::Layout};
use jobs::Recipe;
use std::{collections::BTreeMap, sync::Arc};

/// What a merge adds to a base model: one update per weight, times the scaling coefficient.
///
/// The updates are shared: copies, also at another λ, cost nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedUpdate {
    /// The updates at λ = 1, by the base's module (`vision_model.encoder.layers.0.self_attn.q_proj`).
    pub modules: Arc<BTreeMap<String, UpdateMatrix>>,
    /// The scaling coefficient λ, not yet multiplied in.
    pub scaling: f64,
    /// The recipe that was followed; its λ is `scaling`.
    pub recipe: Recipe,
    /// The merged tasks, in order.
    pub tasks: Vec<String>,
    /// What the steps found out.
    pub facts: UpdateFacts,
    /// What the adapters call each of the base's modules.
    pub(crate) sources: Arc<BTreeMap<String, String>>,
    pub(crate) layout: Layout,
}

/// What the steps of a merge found out about themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UpdateFacts {
    /// The share of the squared norm that `output_rank` cut off, over all matrices together.
    pub lost_energy: Option<f64>,
    /// The largest condition number of the systems that `gram_merge` solved.
    pub condition: Option<f64>,
    /// The largest relative residual of the same: `‖X·S − N‖ / ‖N‖` of the solution X of `X·S = N`.
    pub residual: Option<f64>,
}

/// The update of one weight `[O, I]`, at λ = 1.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateMatrix {
    /// `b · a`, exactly.
    LowRank {
        /// `[O, k]`.
        b: Arc<Matrix>,
        /// `[k, I]`.
        a: Arc<Matrix>,
    },
    /// All entries.
    Dense(Arc<Matrix>),
}

impl MergedUpdate {
    /// The same merge at another scaling coefficient; nothing is computed again.
    pub fn with_scaling(&self, scaling: f64) -> Self {
        Self { scaling, recipe: self.recipe.with_scaling(scaling), ..self.clone() }
    }

    /// The update of one of the base's modules as a dense `[O, I]` matrix, with λ multiplied in.
    pub fn dense(&self, module: &str) -> Option<Matrix> {
        self.modules.get(module).map(|update| update.to_dense().scaled(self.scaling as f32))
    }

    /// What the adapters call the base's module `module`.
    pub fn source(&self, module: &str) -> Option<&str> {
        self.sources.get(module).map(String::as_str)
    }

    /// The same merge with other matrices for the same modules.
    pub(crate) fn with_modules(&self, modules: BTreeMap<String, UpdateMatrix>) -> Self {
        Self { modules: Arc::new(modules), ..self.clone() }
    }
}

impl UpdateMatrix {
    /// `[O, I]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::LowRank { b, a } => [b.rows(), a.cols()],
            Self::Dense(matrix) => matrix.shape(),
        }
    }

    /// The number of rank-one parts, if the update is held in factors.
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::LowRank { a, .. } => Some(a.rows()),
            Self::Dense(_) => None,
        }
    }

    /// All entries.
    pub fn to_dense(&self) -> Matrix {
        match self {
            Self::LowRank { b, a } => b.times(a),
            Self::Dense(matrix) => matrix.as_ref().clone(),
        }
    }
}

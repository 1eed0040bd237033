//! Gradients through the towers, in the space of the factors.
//!
//! A [`GradientTower`] holds a frozen base and the low-rank updates of several tasks. Of a matrix `W + Σ_j c_j b_j a_jᵀ` with
//! inputs x and gradients δ by its outputs, the gradient by c_j is the sum over tokens of `(b_jᵀ δ)(a_jᵀ x)`: a pass costs one
//! forward and the backward of activations, and no gradient of a matrix is ever made. The gradients by the factors themselves,
//! which training takes, come from the same rows: that by b_j is `c_j · Σ δ (a_jᵀ x)`, that by a_j `c_j · Σ (b_jᵀ δ) x`. One
//! block serves all families; they differ in the parts that they have.

mod activation;
mod attention;
mod block;
mod branch;
mod clip;
mod decoder;
mod dropout;
mod factor_gradients;
mod factors;
mod fisher;
mod linear;
mod norm;
mod recorded;
mod sequences;
mod tower;
mod turn;

pub use crate::model::host::real::Real;
pub use dropout::Dropout;
pub use factor_gradients::FactorGradients;
pub use factors::{AdaptedModule, Scales};
pub use fisher::Fisher;
pub use linear::ModuleGradient;
pub use recorded::{Recorded, Recording};
pub use sequences::Sequences;
pub use tower::GradientTower;

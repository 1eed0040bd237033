//! The mathematics of merge methods, as pure functions on the task matrices of one weight.
//!
//! Functions know no recipe and no space. What depends on a basis says so.

mod compress;
mod dc;
mod pcb;
mod quantile;
mod ranked_drop;
mod sce;
#[cfg(test)]
mod tests;

pub(crate) use compress::compress;
pub(crate) use dc::{Cover, DcMerge, Smoothing};
pub(crate) use pcb::{Pcb, pcb};
pub(crate) use quantile::{TrimCount, kept_ranks};
pub(crate) use ranked_drop::{RankedDrop, RowOrder, l1_factor};
pub(crate) use sce::sce;

/// Singular values below this share of the largest are rounding noise of `f32` task matrices.
pub(crate) const NUMERICALLY_THERE: f64 = 1e-6;

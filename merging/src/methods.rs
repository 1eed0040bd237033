//! The mathematics of merge methods, as pure functions on the task matrices of one weight.
//!
//! Functions know no recipe and no space. What depends on a basis says so.

mod compress;
mod dc;
mod entries;
mod geodesic;
mod inner_products;
mod karcher;
mod kmeans;
mod lego;
mod model_stock;
mod pcb;
mod pico;
mod quantile;
mod ranked_drop;
mod robust_merge;
mod sce;
mod slerp;
#[cfg(test)]
mod tests;

pub(crate) use compress::compress;
pub(crate) use dc::{Cover, DcMerge, Smoothing};
pub(crate) use entries::Entries;
pub(crate) use geodesic::{MeanBases, NoMean, geodesic_mean};
pub(crate) use inner_products::InnerProducts;
pub(crate) use karcher::{Stop, karcher};
pub(crate) use lego::{Lego, lego};
pub(crate) use model_stock::model_stock;
pub(crate) use pcb::{BUFFERS as PCB_BUFFERS, Pcb, pcb};
pub(crate) use pico::pico;
pub(crate) use ranked_drop::{RankedDrop, RowOrder, l1_factor};
pub(crate) use robust_merge::{RobustMerge, robust_merge};
pub(crate) use sce::{ENTRY_BYTES as SCE_ENTRY_BYTES, sce};
pub(crate) use slerp::{Collinear, Pair, slerp};

/// Singular values below this share of the largest are rounding noise of `f32` task matrices.
pub(crate) const NUMERICALLY_THERE: f64 = 1e-6;

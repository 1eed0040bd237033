//! Updates on the device: factors stay factors there, and a patched matrix is made of them by one product for each module.

use super::super::patch::{Arrangement, TowerMatrix, UpdatePart};
use crate::{Delta, device::Accelerator};
use candle_core::{D, Result, Tensor};
use std::collections::BTreeMap;

/// The updates of a merge on a device.
pub(crate) type PlacedUpdates = BTreeMap<TowerMatrix, Vec<PlacedPart>>;

/// The update of one module: of some columns of a matrix `[inputs, columns]`.
pub(crate) struct PlacedPart {
    column: usize,
    outputs: usize,
    update: PlacedUpdate,
}

enum PlacedUpdate {
    LowRank {
        /// `[outputs, rank]`
        b: Tensor,
        /// `[rank, inputs]`
        a: Tensor,
    },
    /// `[outputs, inputs]`
    Dense(Tensor),
}

/// Copies updates to the device as they are: of a low-rank update, only its factors, unless the last merge had the same.
pub(super) fn place(updates: &Arrangement<'_>, on: &Accelerator) -> Result<PlacedUpdates> {
    let mut factors = on.placing();
    let mut part = |part: &UpdatePart<'_>| {
        let UpdatePart { column, columns: _, outputs, inputs, delta } = *part;
        let update = match delta {
            Delta::LowRank { b, a, rank } => {
                PlacedUpdate::LowRank { b: factors.put(b, outputs, rank)?, a: factors.put(a, rank, inputs)? }
            }
            Delta::Dense(values) => PlacedUpdate::Dense(on.put(values.to_vec(), (outputs, inputs))?),
        };
        Ok(PlacedPart { column, outputs, update })
    };
    let placed = |(id, parts): (&TowerMatrix, &Vec<UpdatePart<'_>>)| {
        Ok((*id, parts.iter().map(&mut part).collect::<Result<Vec<_>>>()?))
    };
    updates.iter().map(placed).collect()
}

/// `W + λ · Δ` for a matrix `[inputs, columns]`, in a buffer of its own. The parts are in the order of their columns.
pub(super) fn added(base: &Tensor, parts: &[PlacedPart], scaling: f32, on: &Accelerator) -> Result<Tensor> {
    let columns = base.dim(D::Minus1)?;
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    let mut next = 0;
    for PlacedPart { column, outputs, update } in parts {
        if *column > next {
            pieces.push(base.narrow(D::Minus1, next, column - next)?);
        }
        let turned = match update {
            PlacedUpdate::LowRank { b, a } => on.product(&a.t()?, &b.t()?)?,
            PlacedUpdate::Dense(values) => values.t()?,
        };
        let own = base.narrow(D::Minus1, *column, *outputs)?;
        pieces.push((own + turned.affine(f64::from(scaling), 0.0)?)?);
        next = column + outputs;
    }
    if next < columns {
        pieces.push(base.narrow(D::Minus1, next, columns - next)?);
    }
    if pieces.len() == 1 { Ok(pieces.swap_remove(0)) } else { Tensor::cat(&pieces, 1) }
}

//! The updates of a merge, checked against the model and kept as they came.

use super::{DecoderConfig, module};
use crate::{Delta, ModelError, ModuleProblem};
use std::collections::BTreeMap;

/// The update of one matrix, low-rank updates as their factors.
pub(crate) enum Update<T> {
    LowRank {
        /// `[outputs, rank]`
        b: T,
        /// `[rank, inputs]`
        a: T,
        rank: usize,
    },
    /// `[outputs, inputs]`
    Dense(T),
}

/// Updates by the matrix that they are for.
pub(crate) type Updates<T> = BTreeMap<module::ModuleId, Update<T>>;

/// Checks names, shapes and numbers, and copies what the updates hold.
pub(crate) fn check<'a, S: AsRef<str>>(
    config: &DecoderConfig,
    updates: impl IntoIterator<Item = (S, Delta<'a>)>,
) -> Result<Updates<Vec<f32>>, ModelError> {
    let mut checked = Updates::new();
    for (name, delta) in updates {
        let name: &str = name.as_ref();
        let refuse = |problem| ModelError::Module { module: name.to_owned(), problem };
        let id = module::find(config, name)?;
        let [outputs, inputs] = id.1.shape(config);
        delta.check(outputs, inputs).map_err(refuse)?;
        let update = match delta {
            Delta::LowRank { b, a, rank } => Update::LowRank { b: b.to_vec(), a: a.to_vec(), rank },
            Delta::Dense(values) => Update::Dense(values.to_vec()),
        };
        if checked.insert(id, update).is_some() {
            return Err(refuse(ModuleProblem::Twice));
        }
    }
    Ok(checked)
}

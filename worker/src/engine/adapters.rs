//! Reading the adapters of a job.

use super::attempt::{Attempt, CheckedInput};
use crate::JobError;
use jobs::{AdapterInput, InputLocations};
use merging::{Adapter, BaseHeader};

/// The adapters of a job, matched to the base.
pub(super) fn read_adapters<J>(
    attempt: &mut Attempt<'_, J>,
    inputs: &[AdapterInput],
    places: &InputLocations,
    base: &BaseHeader,
) -> Result<Vec<Adapter>, JobError> {
    let mut adapters = Vec::with_capacity(inputs.len());
    for input in inputs {
        let missing = || JobError::Incomplete(format!("it does not locate the adapter of `{}`", input.task));
        let place = places.adapters.get(&input.task).ok_or_else(missing)?;
        let CheckedInput { path, files } = attempt.adapter(place, input.digest)?;
        let adapter = attempt.read(&files, || {
            Adapter::read(&input.task, &path, base)
                .map_err(|source| JobError::Adapter { task: input.task.clone(), source })
        });
        adapters.push(adapter?);
    }
    Ok(adapters)
}

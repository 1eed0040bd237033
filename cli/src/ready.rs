//! From a checked sweep file to a sweep that can run.

use crate::{args::ComputeArgs, failure::Failure, local::free_memory, sweep_file::SweepFile, terminal};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::Sweep;
use preflight::{Checked, Computing, check_inputs};

/// Checks the inputs, fetches missing ones, and takes digests.
///
/// `compute` says how this process computes the jobs; without it, workers elsewhere do.
pub(crate) fn ready(
    sweep: Sweep,
    file: &SweepFile,
    inputs: &Inputs,
    compute: Option<&ComputeArgs>,
) -> Result<Frozen, Failure> {
    let mut checked = check(&sweep, file, inputs, compute)?;
    let is_here = checked.is_here();
    let frozen = coordinator::freeze(sweep, inputs)?;
    if !is_here {
        checked = check(frozen.sweep(), file, inputs, compute)?;
    }
    terminal::notes(checked.notes);
    checked.unchecked.iter().for_each(|what| terminal::note(format_args!("not checked: {what}")));
    Ok(frozen)
}

/// Fails with all problems, and for a model that does not fit into memory. The memory of other devices is not known.
fn check(sweep: &Sweep, file: &SweepFile, inputs: &Inputs, compute: Option<&ComputeArgs>) -> Result<Checked, Failure> {
    let computing = match compute {
        Some(compute) => Computing::Here { threads: compute.threads },
        None => Computing::Elsewhere,
    };
    let checked = check_inputs(sweep, file.lines(), inputs, computing)?.passed()?;
    if compute.is_some_and(|compute| compute.device == "cpu") {
        checked.fits(free_memory())?;
    }
    Ok(checked)
}

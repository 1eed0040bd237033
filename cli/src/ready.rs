//! From a checked sweep file to a sweep that can run.

use crate::{args::ComputeArgs, failure::Failure, local::free_memory, sweep_file::SweepFile, terminal};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::Sweep;
use preflight::{Checked, Computing, check_inputs};

/// Checks the inputs, fetches those that are not here, and takes digests: what is left is to compute.
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
    checked.unchecked.iter().for_each(|what| terminal::note(format_args!("not looked at: {what}")));
    Ok(frozen)
}

/// Fails on everything that is wrong, and on a model that does not fit into memory. What another device has is not
/// known.
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

//! From a checked sweep file to sweeps that can run.

use crate::{
    args::ComputeArgs,
    failure::{Failure, InputFailure},
    local::{device, device_kind, free_memory},
    sweep_file::SweepFile,
    terminal,
};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::Sweep;
use preflight::{CheckError, Checked, Computing, ImageRoom, check_inputs};

/// Checks the inputs of a sweep, fetches missing ones, and takes digests.
///
/// `compute` says how this process computes the jobs; without it, workers elsewhere do.
pub(crate) fn ready(
    sweep: Sweep,
    file: &SweepFile,
    inputs: &Inputs,
    compute: Option<&ComputeArgs>,
) -> Result<Frozen, Failure> {
    let sweep = stated(sweep, file, compute)?;
    let checked = check(&sweep, file, inputs, compute)?.passed()?;
    ready_after(checked, sweep, file, inputs, compute)
}

/// The same for the variants of a sweep file. The inputs of all of them are checked before one is fetched.
pub(crate) fn ready_all(
    sweeps: Vec<Sweep>,
    file: &SweepFile,
    inputs: &Inputs,
    compute: Option<&ComputeArgs>,
) -> Result<Vec<Frozen>, Failure> {
    let sweeps = sweeps.into_iter().map(|sweep| stated(sweep, file, compute)).collect::<Result<Vec<_>, _>>()?;
    let checked: Vec<Checked> =
        sweeps.iter().map(|sweep| check(sweep, file, inputs, compute)).collect::<Result<_, Failure>>()?;
    if checked.iter().any(|checked| !checked.problems.is_empty()) {
        let problems = checked.into_iter().map(|checked| checked.problems).reduce(preflight::Problems::and);
        return Err(CheckError::Problems(problems.expect("there is a sweep with problems")).into());
    }
    let of_sweep = |(sweep, checked)| ready_after(checked, sweep, file, inputs, compute);
    sweeps.into_iter().zip(checked).map(of_sweep).collect()
}

/// The sweep with the precision that suits the device of this process, if its file leaves it open.
pub(crate) fn stated(sweep: Sweep, file: &SweepFile, compute: Option<&ComputeArgs>) -> Result<Sweep, Failure> {
    let kind = |compute: &ComputeArgs| device(&compute.device).map(device_kind);
    sweep.with_stated_precision(compute.map(kind).transpose()?).map_err(|source| file.wrong(source))
}

/// Fetches what is missing of a sweep that was checked, and checks that as well.
fn ready_after(
    mut checked: Checked,
    sweep: Sweep,
    file: &SweepFile,
    inputs: &Inputs,
    compute: Option<&ComputeArgs>,
) -> Result<Frozen, Failure> {
    let is_here = checked.is_here();
    let mut frozen = coordinator::freeze(checked.completed(sweep), inputs)?;
    // The second check sees the sweep without them.
    let left_out = std::mem::take(&mut checked.left_out_presets);
    if !is_here {
        checked = check(frozen.sweep(), file, inputs, compute)?.passed()?;
        // How many examples a split has may be known only now.
        let sweep = checked.completed(frozen.sweep().clone());
        if sweep != *frozen.sweep() {
            frozen = coordinator::freeze(sweep, inputs)?;
        }
    }
    let notes = left_out.into_iter().filter(|note| !is_here && !checked.notes.contains(note)).collect::<Vec<_>>();
    terminal::notes(notes);
    terminal::notes(checked.notes);
    checked.unchecked.iter().for_each(|what| terminal::note(format_args!("not checked: {what}")));
    Ok(frozen)
}

/// Refuses a sweep with a command if this process would run it and nobody has allowed that.
pub(crate) fn check_commands(sweep: &Sweep, compute: &ComputeArgs) -> Result<(), Failure> {
    match sweep.evaluation.benchmark.command() {
        Some(command) if !compute.allow_commands => {
            let command = jobs::escaped(&command.argv.join(" ")).into_owned();
            Err(InputFailure::CommandNotAllowed { sweep: sweep.name.clone(), command }.into())
        }
        Some(_) | None => Ok(()),
    }
}

fn image_room(compute: &ComputeArgs) -> ImageRoom {
    if compute.example_cache.is_some() {
        ImageRoom::Files
    } else {
        ImageRoom::Memory(compute.image_memory.saturating_mul(1 << 20))
    }
}

/// Checks the inputs. Fails for a model that does not fit into memory. The memory of other devices is not known.
fn check(sweep: &Sweep, file: &SweepFile, inputs: &Inputs, compute: Option<&ComputeArgs>) -> Result<Checked, Failure> {
    if let Some(compute) = compute {
        check_commands(sweep, compute)?;
    }
    let computing = match compute {
        Some(compute) => Computing::Here { threads: compute.threads, images: image_room(compute) },
        None => Computing::Elsewhere,
    };
    let checked = check_inputs(sweep, file.lines(), inputs, computing)?;
    if checked.problems.is_empty() && compute.is_some_and(|compute| compute.device == "cpu") {
        checked.fits(free_memory())?;
    }
    Ok(checked)
}

mod checkpoint;
mod output;
mod progress;
mod session;
mod splits;

use crate::{
    args,
    failure::{Failure, FinetuneFailure, InputFailure},
    interrupt::Interrupts,
    local,
    sweep_file::{FinetuneFile, read_finetune},
    terminal,
};
use checkpoint::Checkpoint;
use evaluation::ModelKind;
use session::Session;
use std::{fs, path::Path};

/// `bowline finetune`: trains the adapter of one task, on this machine and without a store.
pub(crate) fn run(args: &args::Finetune) -> Result<(), Failure> {
    let file = read_finetune(&args.sweep)?;
    let FinetuneFile { sweep, .. } = &file;
    let task = sweep.task(&args.task).ok_or_else(|| FinetuneFailure::UnknownTask {
        task: args.task.clone(),
        sweep: args.sweep.sweep.clone(),
        known: sweep.tasks.iter().map(|task| task.name.clone()).collect(),
    })?;
    let training = task.training().map_err(|error| file.wrong(error))?;
    if args.compute.device != "cpu" {
        return Err(FinetuneFailure::Device { device: args.compute.device.clone() }.into());
    }
    // Nobody should train for hours to learn this at the end.
    refuse_taken(&args.out)?;
    let pool = local::pool(args.compute.threads)?;
    let inputs = local::inputs(&args.s3);
    let base = inputs
        .model(&sweep.base)
        .map_err(|source| InputFailure::Argument { argument: sweep.base.to_string(), source })?;
    let kind = ModelKind::of(&base.path)?;
    let checkpoint = Checkpoint::beside(&args.out);
    let runtime = local::runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let trained = interrupts.graceful(1, |signals| {
        let session =
            Session { args, file: &file, task, training: &training, inputs: &inputs, base, checkpoint, signals };
        pool.install(|| kind.visit(session))
    })?;
    terminal::note(trained);
    Ok(())
}

/// Fails if there is something at the place of the output.
fn refuse_taken(out: &Path) -> Result<(), Failure> {
    let is_empty = || fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if out.symlink_metadata().is_ok() && !(out.is_dir() && is_empty()) {
        return Err(FinetuneFailure::Taken { path: out.to_owned() }.into());
    }
    Ok(())
}

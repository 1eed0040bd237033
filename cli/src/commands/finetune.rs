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
use merging::check_output;
use session::Session;

/// `bowline finetune`: trains the adapter of one task, on this machine and without a store.
pub(crate) fn run(args: &args::Finetune) -> Result<(), Failure> {
    local::without_device_memory(&args.compute)?;
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
    // Before the training, which may take hours, and not after it.
    check_output(&args.out).map_err(FinetuneFailure::Output)?;
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

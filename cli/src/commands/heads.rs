use crate::{
    args,
    check::check_prompts,
    failure::{Failure, FileFailure, InputFailure},
    local,
    sweep_file::read_sweep,
    terminal,
};
use evaluation::{Head, TextModel, prompts};
use jobs::HeadSpec;
use std::fs;

/// `bowline heads`: class vectors of every task that has class names and templates.
pub(crate) fn run(args: &args::Heads) -> Result<(), Failure> {
    let (sweep, file) = read_sweep(&args.sweep)?;
    let inputs = local::inputs(&args.s3);
    for note in check_prompts(&sweep, &file, &inputs)? {
        terminal::note(format_args!("note: {note}"));
    }
    let base = inputs.model(&sweep.base);
    let base =
        base.map_err(|source| Failure::Input(InputFailure::Argument { argument: sweep.base.to_string(), source }))?;
    let text = TextModel::open(&base.path)?;
    fs::create_dir_all(&args.out)
        .map_err(|source| Failure::File(FileFailure::Write { path: args.out.clone(), source }))?;
    for task in &sweep.tasks {
        let Some(HeadSpec::Prompts { classes, templates }) = &task.head else { continue };
        let wrong = |source| Failure::Input(InputFailure::Head { task: task.name.clone(), source });
        let head = Head::from_prompts(&text, &prompts(classes, templates)).and_then(|head| head.named(classes));
        let head = head.map_err(wrong)?;
        let path = args.out.join(format!("{}.safetensors", task.name));
        head.write(&path).map_err(wrong)?;
        terminal::data(format_args!("{}: {} classes × {}", path.display(), head.classes(), head.width()));
    }
    Ok(())
}

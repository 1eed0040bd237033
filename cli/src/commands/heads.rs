use crate::{
    args::{self, VariantArgs},
    failure::{Failure, FileFailure, InputFailure},
    local,
    sweep_file::read_sweeps,
    terminal,
};
use evaluation::{Head, TextModel, prompts};
use files::FilesInUse;
use inputs::Inputs;
use jobs::{HeadSpec, InputRef};
use preflight::check_prompts;
use std::fs;

/// `bowline heads`: class vectors of every task that has class names and templates.
pub(crate) fn run(args: &args::Heads) -> Result<(), Failure> {
    let (sweeps, file) = read_sweeps(&args.sweep, &VariantArgs::default())?;
    // Variants differ in their adapters alone.
    let Some(sweep) = sweeps.into_iter().next() else { return Ok(()) };
    let inputs = local::inputs(&args.s3);
    terminal::notes(check_prompts(&sweep, file.lines(), &inputs)?);
    let tower = Tower::open(&inputs, &sweep.base)?;
    fs::create_dir_all(&args.out)
        .map_err(|source| Failure::File(FileFailure::Write { path: args.out.clone(), source }))?;
    for task in &sweep.tasks {
        let Some(HeadSpec::Prompts { classes, templates }) = &task.head else { continue };
        let head = tower.head(&task.name, classes, templates)?;
        let path = args.out.join(format!("{}.safetensors", task.name));
        head.write(&path).map_err(|source| Failure::Input(InputFailure::Head { task: task.name.clone(), source }))?;
        terminal::data(format_args!("{}: {} classes × {}", path.display(), head.classes(), head.width()));
    }
    Ok(())
}

/// The text tower of a base, and the files that it is read from.
struct Tower {
    text: TextModel,
    files: FilesInUse,
}

impl Tower {
    fn open(inputs: &Inputs, base: &InputRef) -> Result<Self, Failure> {
        let located = inputs
            .model(base)
            .map_err(|source| Failure::Input(InputFailure::Argument { argument: base.to_string(), source }))?;
        let text = TextModel::open(&located.path);
        located.files_in_use.check()?;
        Ok(Self { text: text?, files: located.files_in_use })
    }

    /// The head of a task. It fails if a file of the base has changed meanwhile: weights may be mapped.
    fn head(&self, task: &str, classes: &[String], templates: &[String]) -> Result<Head, Failure> {
        let head = Head::from_prompts(&self.text, &prompts(classes, templates)).and_then(|head| head.named(classes));
        self.files.check()?;
        head.map_err(|source| Failure::Input(InputFailure::Head { task: task.to_owned(), source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ChangedFile;

    #[test]
    fn no_head_is_made_of_a_base_that_was_written_to_after_it_was_opened() {
        let base = ChangedFile::in_copy_of("examples/mini8/base", "model.safetensors");
        let inputs = Inputs::new(inputs::Settings::default());
        let tower = Tower::open(&inputs, &InputRef::Path(base.folder())).unwrap();
        let head = || tower.head("digits", &["one".to_owned(), "two".to_owned()], &["a {}".to_owned()]);
        head().unwrap();
        base.change();
        let failure = head().unwrap_err();
        assert_eq!(failure.exit_code(), 69, "{failure:?}");
        assert!(base.is_named_in(&failure), "{failure:?}");
    }
}

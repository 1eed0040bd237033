use crate::{
    args::{SweepArgs, VariantArgs},
    failure::{Failure, FileFailure, InputFailure},
};
use jobs::{Finetune, Lines, PublishedFigures, RecipeSpec, Sweep, SweepError};
use preflight::SweepLines;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Reads and checks the sweep file: one sweep, or that of each variant that is wanted.
pub(crate) fn read_sweeps(args: &SweepArgs, wanted: &VariantArgs) -> Result<(Vec<Sweep>, SweepFile), Failure> {
    let text = read(&args.sweep, "sweep file")?;
    let folder = absolute(args.sweep.parent().unwrap_or(Path::new("")))?;
    let overrides = with_reference(args, &text)?;
    let mut sweeps = Sweep::all_from_yaml(&text, &folder, &overrides).map_err(|source| wrong(args, &text, source))?;
    if let Some(value) = &wanted.variant {
        let values = values_of(&sweeps);
        sweeps.retain(|sweep| sweep.variant.as_ref().is_some_and(|variant| variant.value.is_named(value)));
        if sweeps.is_empty() {
            let sweep = args.sweep.clone();
            return Err(InputFailure::UnknownVariant { sweep, value: value.clone(), values }.into());
        }
    }
    Ok((sweeps, SweepFile { path: args.sweep.clone(), text, overrides: args.overrides.clone() }))
}

/// Reads and checks a sweep file of which one sweep is wanted.
pub(crate) fn read_sweep(args: &SweepArgs, wanted: &VariantArgs) -> Result<(Sweep, SweepFile), Failure> {
    let (mut sweeps, file) = read_sweeps(args, wanted)?;
    match sweeps.pop() {
        Some(sweep) if sweeps.is_empty() => Ok((sweep, file)),
        last => {
            sweeps.extend(last);
            Err(InputFailure::SeveralVariants { sweep: args.sweep.clone(), values: values_of(&sweeps) }.into())
        }
    }
}

/// Refuses a sweep whose adapters are trained by its jobs.
pub(crate) fn refuse_trained(sweep: &Sweep) -> Result<(), Failure> {
    match sweep.tasks.iter().find(|task| task.adapter.training().is_some()) {
        Some(task) => Err(InputFailure::Trained { task: task.name.clone() }.into()),
        None => Ok(()),
    }
}

/// The values of the variants.
fn values_of(sweeps: &[Sweep]) -> Vec<String> {
    sweeps.iter().filter_map(|sweep| sweep.variant.as_ref()).map(|variant| variant.value.to_string()).collect()
}

/// A sweep file as fine-tuning reads it.
pub(crate) struct FinetuneFile {
    pub(crate) sweep: Finetune,
    path: PathBuf,
    text: String,
    overrides: Vec<String>,
}

/// Reads a sweep file for fine-tuning, which needs no search.
pub(crate) fn read_finetune(args: &SweepArgs) -> Result<FinetuneFile, Failure> {
    let text = read(&args.sweep, "sweep file")?;
    let folder = absolute(args.sweep.parent().unwrap_or(Path::new("")))?;
    let sweep = Finetune::from_yaml(&text, &folder, &args.overrides).map_err(|source| wrong(args, &text, source))?;
    Ok(FinetuneFile { sweep, path: args.sweep.clone(), text, overrides: args.overrides.clone() })
}

impl FinetuneFile {
    /// The failure of a file with something wrong in it.
    pub(crate) fn wrong(&self, source: SweepError) -> Failure {
        let lines = Lines::of(&self.text, &self.overrides);
        FileFailure::invalid("sweep file", &self.path, &lines, source).into()
    }
}

/// The sweep file that a sweep came from.
#[derive(Debug)]
pub(crate) struct SweepFile {
    path: PathBuf,
    text: String,
    overrides: Vec<String>,
}

impl SweepFile {
    /// The failure of a file with something wrong in it.
    pub(crate) fn wrong(&self, source: SweepError) -> Failure {
        let lines = Lines::of(&self.text, &self.overrides);
        FileFailure::invalid("sweep file", &self.path, &lines, source).into()
    }

    /// Where its keys stand.
    pub(crate) fn lines(&self) -> SweepLines {
        SweepLines { path: self.path.clone(), lines: Lines::of(&self.text, &self.overrides) }
    }
}

/// A sweep file as text, and what it says.
pub(crate) struct SweepText {
    /// The file as it is, or, with overrides or published figures, the same with them in plain YAML.
    pub(crate) text: String,
    /// The sweep, or that of each variant; at least one.
    pub(crate) sweeps: Vec<Sweep>,
}

/// Reads and checks the sweep file as one that lies in `folder`.
pub(crate) fn read_sweep_text(args: &SweepArgs, folder: &Path) -> Result<SweepText, Failure> {
    let text = read(&args.sweep, "sweep file")?;
    let wrong = |source| wrong(args, &text, source);
    let overrides = with_reference(args, &text)?;
    let sweeps = Sweep::all_from_yaml(&text, folder, &overrides).map_err(wrong)?;
    if overrides.is_empty() {
        return Ok(SweepText { text, sweeps });
    }
    let text = jobs::overridden(&text, &overrides).map_err(wrong)?;
    // The written text must mean what was checked.
    let sweeps = Sweep::all_from_yaml(&text, folder, &[]).map_err(wrong)?;
    Ok(SweepText { text, sweeps })
}

/// The overrides of the command line, and one more with the published figures in place of the file that `reference` names.
fn with_reference(args: &SweepArgs, text: &str) -> Result<Vec<String>, Failure> {
    let mut overrides = args.overrides.clone();
    let named = jobs::reference_file(text, &overrides).map_err(|source| wrong(args, text, source))?;
    let Some(file) = named else { return Ok(overrides) };
    let path = args.sweep.parent().unwrap_or(Path::new("")).join(file);
    let published = read(&path, "file of published figures")?;
    let figures = PublishedFigures::from_yaml(&published).map_err(|source| {
        FileFailure::invalid("file of published figures", &path, &Lines::of(&published, &[]), source)
    })?;
    // JSON is YAML.
    let figures = serde_json::to_string(&figures).expect("published figures are plain data");
    overrides.push(format!("reference={figures}"));
    Ok(overrides)
}

/// Reads a recipe from a YAML or JSON file.
pub(crate) fn read_recipe(path: &Path) -> Result<RecipeSpec, Failure> {
    let text = read(path, "recipe file")?;
    let wrong = |source| FileFailure::invalid("recipe file", path, &Lines::of(&text, &[]), source);
    Ok(RecipeSpec::from_yaml(&text).map_err(wrong)?)
}

fn wrong(args: &SweepArgs, text: &str, source: SweepError) -> Failure {
    FileFailure::invalid("sweep file", &args.sweep, &Lines::of(text, &args.overrides), source).into()
}

/// The path from the root, without touching the disk.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let folder = env::current_dir()
        .map_err(|source| Failure::File(FileFailure::Read { what: "folder", path: ".".into(), source }))?;
    Ok(if path.as_os_str().is_empty() { folder } else { folder.join(path) })
}

fn read(path: &Path, what: &'static str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File(FileFailure::Read { what, path: path.to_owned(), source }))
}

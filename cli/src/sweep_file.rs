use crate::{
    args::SweepArgs,
    failure::{Failure, FileFailure},
};
use jobs::{Lines, RecipeSpec, Sweep, SweepError};
use preflight::SweepLines;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Reads and checks the sweep file.
pub(crate) fn read_sweep(args: &SweepArgs) -> Result<(Sweep, SweepFile), Failure> {
    let text = read(&args.sweep, "sweep file")?;
    let folder = absolute(args.sweep.parent().unwrap_or(Path::new("")))?;
    let wrong = |source| wrong(args, &text, source);
    let sweep = Sweep::from_yaml(&text, &folder, &args.overrides).map_err(wrong)?;
    Ok((sweep, SweepFile { path: args.sweep.clone(), text, overrides: args.overrides.clone() }))
}

/// The sweep file that a sweep came from.
#[derive(Debug)]
pub(crate) struct SweepFile {
    path: PathBuf,
    text: String,
    overrides: Vec<String>,
}

impl SweepFile {
    /// Where its keys stand.
    pub(crate) fn lines(&self) -> SweepLines {
        SweepLines { path: self.path.clone(), lines: Lines::of(&self.text, &self.overrides) }
    }
}

/// A sweep file as text, and what it says.
pub(crate) struct SweepText {
    /// The file as it is, or, with overrides, the same in plain YAML.
    pub(crate) text: String,
    pub(crate) sweep: Sweep,
}

/// Reads and checks the sweep file as one that lies in `folder`.
pub(crate) fn read_sweep_text(args: &SweepArgs, folder: &Path) -> Result<SweepText, Failure> {
    let text = read(&args.sweep, "sweep file")?;
    let wrong = |source| wrong(args, &text, source);
    let sweep = Sweep::from_yaml(&text, folder, &args.overrides).map_err(wrong)?;
    if args.overrides.is_empty() {
        return Ok(SweepText { text, sweep });
    }
    let text = jobs::overridden(&text, &args.overrides).map_err(wrong)?;
    // The written text must mean what was checked.
    let sweep = Sweep::from_yaml(&text, folder, &[]).map_err(wrong)?;
    Ok(SweepText { text, sweep })
}

/// Reads a recipe from a YAML or JSON file.
pub(crate) fn read_recipe(path: &Path) -> Result<RecipeSpec, Failure> {
    let text = read(path, "recipe file")?;
    RecipeSpec::from_yaml(&text)
        .map_err(|source| Failure::File(FileFailure::Recipe { path: path.to_owned(), source: Box::new(source) }))
}

fn wrong(args: &SweepArgs, text: &str, source: SweepError) -> Failure {
    let line = source.key().and_then(|key| Lines::of(text, &args.overrides).line(key));
    Failure::File(FileFailure::Sweep { path: args.sweep.clone(), line, source: Box::new(source) })
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

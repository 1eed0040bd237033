mod measured;

use crate::{
    adapters::ReadAdapters,
    args::{self, Format},
    failure::{Failure, FileFailure, MergeFailure},
    local,
    sweep_file::{absolute, read_recipe},
    terminal,
};
use files::FilesInUse;
use inputs::Inputs;
use jobs::{HubKind, InputRef, Recipe};
use measured::{MeasuredStatistics, Merging};
use merging::{Aligned, BaseHeader, Card, MergedUpdate, TaskStatistics};
use std::{fs, path::Path};

/// `bowline merge`: adapters and a recipe in, an adapter or a model out.
pub(crate) fn run(args: &args::Merge) -> Result<(), Failure> {
    let recipe = read_recipe(&args.recipe)?;
    terminal::notes(recipe.notes());
    let recipe = recipe.resolve().expect("the recipe was resolved when it was read");
    let folder = absolute(Path::new(""))?;
    let inputs = local::inputs(&args.s3);
    let base = reference("--base", &args.base, &folder)?;
    let adapters = args.adapters.iter().map(|text| named(text, &folder)).collect::<Result<Vec<_>, _>>()?;
    let statistics = statistics(&args.statistics, &recipe)?;
    let merge = Merged::new(&inputs, &base, &adapters, &recipe, &statistics)?;
    merge.notes.iter().for_each(|note| terminal::note(format_args!("note: {note}")));
    let merge = match args.rank {
        Some(rank) => merge.truncated(rank)?,
        None => merge,
    };
    merge.write(args.format, &args.out)?;
    terminal::note(format_args!("wrote {}", args.out.display()));
    Ok(())
}

/// A merge that is written to a folder.
struct Merged {
    update: MergedUpdate,
    base: BaseHeader,
    /// The files of the base: the weights of a whole model are read while it is written.
    base_files: FilesInUse,
    card: Card,
    /// Notes on the adapters.
    notes: Vec<String>,
}

impl Merged {
    /// Reads the adapters and merges them as `recipe` says.
    ///
    /// A file that changed between hashing and the end of reading is refused.
    fn new(
        inputs: &Inputs,
        base: &InputRef,
        adapters: &[(String, InputRef)],
        recipe: &Recipe,
        statistics: &[MeasuredStatistics],
    ) -> Result<Self, Failure> {
        let read = ReadAdapters::new(inputs, base, adapters)?;
        Merging { base: read.base_digest, adapters: &read.named, recipe }.check(statistics)?;
        let aligned = Aligned::for_recipe(&read.adapters, recipe)?;
        let update = if statistics.is_empty() {
            aligned.merge(recipe)?
        } else {
            let statistics: Vec<TaskStatistics> = statistics.iter().map(|of_task| of_task.statistics.clone()).collect();
            aligned.merge_by_statistics(recipe, &statistics).map_err(MergeFailure::ByStatistics)?
        };
        let hub = match base {
            InputRef::Hub(hub) => Some(hub),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        let card = Card {
            base_model: hub.map(|hub| hub.repository.clone()),
            revision: hub.and_then(|hub| hub.revision.clone()),
            adapters: adapters.iter().map(|(_, reference)| reference.short_name()).collect(),
            notes: String::new(),
        };
        Ok(Self { update, base: read.base, base_files: read.base_files, card, notes: read.notes })
    }

    /// The nearest merge of rank at most `rank`; prints the loss.
    fn truncated(mut self, rank: usize) -> Result<Self, Failure> {
        if rank == 0 {
            return Err(Failure::Argument { argument: "--rank", value: "0".to_owned(), expected: "a positive number" });
        }
        let (update, lost) = merging::truncate(&self.update, rank)?;
        let worst = lost.modules.iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let worst = worst.map(|(module, share)| format!("; most in `{module}`: {:.3} %", share * 100.0));
        let text =
            format!("rank {rank} loses {:.3} % of the squared norm{}", lost.overall * 100.0, worst.unwrap_or_default());
        terminal::note(&text);
        self.card.notes = format!("{}\n\nTruncated: {text}.", self.card.notes).trim().to_owned();
        self.update = update;
        Ok(self)
    }

    /// Writes it into `folder`. Nothing stays there if a file of the base changed while its weights were read.
    fn write(&self, format: Format, folder: &Path) -> Result<(), Failure> {
        match format {
            Format::Peft => merging::write_adapter(&self.update, &self.card, folder)?,
            Format::Full => {
                merging::write_full(&self.update, &self.base, &self.card, folder)?;
                if let Err(changed) = self.base_files.check() {
                    // The folder did not exist before, or was empty.
                    fs::remove_dir_all(folder)
                        .map_err(|source| Failure::File(FileFailure::Write { path: folder.to_owned(), source }))?;
                    return Err(changed.into());
                }
            }
        }
        Ok(())
    }
}

/// The statistics that a run has measured of the tasks' own models. A recipe that merges by the adapters alone has no use
/// for them.
fn statistics(named: &[String], recipe: &Recipe) -> Result<Vec<MeasuredStatistics>, Failure> {
    if let Some(first) = named.first().filter(|_| !recipe.merges_by_data()) {
        let expected = "left out: the recipe merges by the adapters alone";
        return Err(Failure::Argument { argument: "--statistics", value: first.clone(), expected });
    }
    let open = |text: &String| {
        let wrong =
            || Failure::Argument { argument: "--statistics", value: text.clone(), expected: "of the form NAME=DIR" };
        let (name, folder) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        MeasuredStatistics::open(name, Path::new(folder))
    };
    named.iter().map(open).collect()
}

fn reference(argument: &'static str, text: &str, folder: &Path) -> Result<InputRef, Failure> {
    InputRef::parse(text, folder, HubKind::Model).map_err(|_| Failure::Argument {
        argument,
        value: text.to_owned(),
        expected: "a folder, `hf://owner/name[@revision]` or `s3://bucket/folder`",
    })
}

fn named(text: &str, folder: &Path) -> Result<(String, InputRef), Failure> {
    let wrong =
        || Failure::Argument { argument: "--adapter", value: text.to_owned(), expected: "of the form NAME=DIR" };
    let (name, place) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    Ok((name.to_owned(), reference("--adapter", place, folder)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ChangedFile, example};

    /// A merge of one adapter into the base at `base`.
    fn merged(base: &ChangedFile, adapter: InputRef) -> Result<Merged, Failure> {
        let recipe = jobs::Preset::Ties.recipe();
        let inputs = Inputs::new(inputs::Settings::default());
        Merged::new(&inputs, &InputRef::Path(base.folder()), &[("mnist".to_owned(), adapter)], &recipe, &[])
    }

    #[test]
    fn a_model_is_not_written_with_weights_that_changed_after_they_were_hashed() {
        let base = ChangedFile::in_copy_of("examples/mini8/base", "model.safetensors");
        let merge = merged(&base, InputRef::Path(example("examples/mini8/adapters/mnist"))).unwrap();
        let out = tempfile::tempdir().unwrap();
        merge.write(Format::Full, &out.path().join("before")).unwrap();
        base.change();
        let after = out.path().join("after");
        let failure = merge.write(Format::Full, &after).unwrap_err();
        assert_eq!(failure.exit_code(), 69, "{failure:?}");
        assert!(base.is_named_in(&failure), "{failure:?}");
        assert!(!after.exists());
    }
}

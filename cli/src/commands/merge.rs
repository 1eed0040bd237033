use crate::{
    args::{self, Format},
    failure::{Failure, InputFailure},
    local,
    sweep_file::{absolute, read_recipe},
    terminal,
};
use inputs::Inputs;
use jobs::{HubKind, InputRef, Recipe};
use merging::{Adapter, Aligned, BaseHeader, Card, MergedUpdate, origin_notes};
use std::path::Path;

/// `bowline merge`: adapters and a recipe in, an adapter or a model out.
pub(crate) fn run(args: &args::Merge) -> Result<(), Failure> {
    let recipe = read_recipe(&args.recipe)?;
    terminal::notes(recipe.notes());
    let recipe = recipe.resolve().expect("the recipe was resolved when it was read");
    let folder = absolute(Path::new(""))?;
    let inputs = local::inputs(&args.s3);
    let base = reference("--base", &args.base, &folder)?;
    let adapters = args.adapters.iter().map(|text| named(text, &folder)).collect::<Result<Vec<_>, _>>()?;
    let merge = Merged::new(&inputs, &base, &adapters, &recipe)?;
    merge.notes.iter().for_each(|note| terminal::note(format_args!("note: {note}")));
    let merge = match args.rank {
        Some(rank) => merge.truncated(rank)?,
        None => merge,
    };
    merge.write(args.format, &args.out)?;
    terminal::note(format_args!("wrote {}", args.out.display()));
    Ok(())
}

/// A merge on its way to a folder.
pub(crate) struct Merged {
    update: MergedUpdate,
    base: BaseHeader,
    card: Card,
    /// What a person should know of the adapters.
    notes: Vec<String>,
}

impl Merged {
    /// Reads the adapters and merges them as `recipe` says.
    pub(crate) fn new(
        inputs: &Inputs,
        base: &InputRef,
        adapters: &[(String, InputRef)],
        recipe: &Recipe,
    ) -> Result<Self, Failure> {
        let input = |reference: &InputRef| {
            let argument = reference.to_string();
            move |source| Failure::Input(InputFailure::Argument { argument, source })
        };
        let located = inputs.model(base).map_err(input(base))?;
        let header = BaseHeader::open(&located.path)?;
        let read = |(name, reference): &(String, InputRef)| {
            let folder = inputs.adapter(reference).map_err(input(reference))?.path;
            Adapter::read(name, &folder, &header).map_err(|source| {
                Failure::Input(InputFailure::Adapter { name: name.clone(), source: Box::new(source) })
            })
        };
        let read = adapters.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let hub = match base {
            InputRef::Hub(hub) => Some(hub),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        let origins: Vec<_> = read.iter().map(Adapter::origin).collect();
        let notes = origin_notes(&origins, hub.map(|hub| hub.repository.as_str()));
        let update = Aligned::new(&read, recipe.alignment())?.merge(recipe)?;
        let card = Card {
            base_model: hub.map(|hub| hub.repository.clone()),
            revision: hub.and_then(|hub| hub.revision.clone()),
            adapters: adapters.iter().map(|(_, reference)| reference.short_name()).collect(),
            notes: String::new(),
        };
        Ok(Self { update, base: header, card, notes })
    }

    /// The nearest merge of rank at most `rank`; says what is lost.
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

    /// Writes it into `folder`.
    pub(crate) fn write(&self, format: Format, folder: &Path) -> Result<(), Failure> {
        match format {
            Format::Peft => merging::write_adapter(&self.update, &self.card, folder)?,
            Format::Full => merging::write_full(&self.update, &self.base, &self.card, folder)?,
        }
        Ok(())
    }
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

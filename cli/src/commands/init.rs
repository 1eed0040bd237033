//! `bowline init`: drafts a sweep file from a base, adapters and data sets, or a recipe where only a merge is possible.

mod answers;
mod base;
mod columns;
mod command;
mod comment;
mod dataset;
mod file;
mod from;
mod images;
mod labels;
mod merge;
mod recipe;
mod splits;
mod sweep;
mod task;
mod texts;
mod yaml;

use crate::{
    args,
    failure::{Failure, InitFailure},
    local::inputs_at_hand,
    terminal,
};
use answers::{Answers, Ask, Folders, Translation};
use base::{Base, Evaluated, LookedAdapter};
use evaluation::{Configuration, ExampleKind};
use file::{check_free, write_new};
use from::{Translated, translate};
use inputs::Inputs;
use jobs::{InputRef, Lines, Method, Preset, Sweep, SweepError};
use merge::NamedMerge;
use preflight::{CheckError, Computing, ImageRoom, SweepLines, check_inputs};
use recipe::RecipeDraft;
use std::path::Path;
use sweep::{EvaluatorDraft, SearchDraft, SweepDraft};
use task::{Drafting, TaskDraft};

/// The file of the schema of sweep files, beside the draft.
const SCHEMA: &str = "sweep.schema.json";

pub(crate) fn run(args: &args::Init) -> Result<(), Failure> {
    draft(args, &mut |question| terminal::ask(question))
}

fn draft(args: &args::Init, ask: &mut Ask<'_>) -> Result<(), Failure> {
    let Some(from) = &args.from else {
        return draft_inputs(args, Translation::default(), SearchDraft::Portfolio { beside: None }, ask);
    };
    match translate(from)? {
        Translated::Merge(merge) => {
            let merge = NamedMerge::of(merge, args, from)?;
            terminal::notes(merge.remarks().to_vec());
            if args.data.is_empty() {
                draft_merge(args, &merge, from)
            } else {
                let inputs = merge.inputs.clone();
                draft_inputs(args, inputs, SearchDraft::Portfolio { beside: Some(merge.baseline()) }, ask)
            }
        }
        Translated::Search(search) => {
            terminal::notes(search.remarks.all());
            draft_inputs(args, Translation::default(), SearchDraft::Translated(search), ask)
        }
    }
}

/// Writes the recipe of another tool.
fn draft_merge(args: &args::Init, merge: &NamedMerge, from: &Path) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| "recipe.yaml".into());
    check_free(&out)?;
    let text = merge.text(args, from, &out);
    jobs::RecipeSpec::from_yaml(&text).map_err(|source| InitFailure::Draft { source: Box::new(source) })?;
    write_with_schema(&out, &text, recipe::SCHEMA, &jobs::recipe_schema())?;
    terminal::note(format_args!(
        "next: the command `bowline merge` at the top of {}; with `--data`, `init` drafts a sweep that compares this recipe with others",
        out.display()
    ));
    Ok(())
}

/// Drafts from the base and the adapters.
fn draft_inputs(
    args: &args::Init,
    of_file: Translation,
    search: SearchDraft,
    ask: &mut Ask<'_>,
) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| "sweep.yaml".into());
    check_free(&out)?;
    let answers = Answers::of(args, Folders::of(&out)?, of_file)?;
    let inputs = inputs_at_hand(&args.s3);
    let base = Base::look(&inputs, answers.base(ask)?)?;
    let named = answers.adapters(ask)?;
    let adapters = named
        .into_iter()
        .map(|named| LookedAdapter::look(&inputs, named, &base.header))
        .collect::<Result<Vec<_>, _>>()?;
    terminal::notes(adapter_notes(&base, &adapters));
    let folder = answers.folders.draft.clone();
    let (evaluator, tasks) = match &base.evaluated {
        Evaluated::Yes(configuration) if generates(args, configuration.as_ref(), &adapters) => {
            let description = command::GENERATES.to_owned();
            (EvaluatorDraft::Command { description }, command::tasks(adapters, &answers))
        }
        Evaluated::Yes(configuration) => {
            let drafting = Drafting { inputs: &inputs, answers: &answers, configuration: configuration.as_ref() };
            let tasks = adapters.into_iter().map(|adapter| drafting.task(adapter, ask)).collect::<Result<_, _>>()?;
            (EvaluatorDraft::Bowline(Configuration::kind(configuration.as_ref())), tasks)
        }
        Evaluated::No(model_type) if wants_sweep(args, &search) => {
            if !args.heads.is_empty() {
                terminal::note("note: `--head` is not used: a program of yours evaluates the merges of this base");
            }
            let description = command::description(&base, model_type);
            (EvaluatorDraft::Command { description }, command::tasks(adapters, &answers))
        }
        Evaluated::No(model_type) => {
            let out = args.out.clone().unwrap_or_else(|| "recipe.yaml".into());
            write_recipe(&RecipeDraft { base: &base, model_type, adapters: &adapters, out: &out })?;
            if !args.heads.is_empty() {
                terminal::note("note: `--head` is not used: merges of this base are not evaluated");
            }
            return Ok(());
        }
    };
    let draft = SweepDraft {
        name: answers.name(search.method())?,
        base: base.written.text.clone(),
        evaluator,
        is_large: base.is_large(),
        tasks,
        search,
        presets: None,
        out,
        schema: SCHEMA,
    };
    write_sweep(&inputs, &folder, draft)
}

/// Whether the adapters of a language model generate text: those of a classifier bring heads, or the command line names them.
fn generates(args: &args::Init, configuration: &dyn Configuration, adapters: &[LookedAdapter]) -> bool {
    let reads_texts = configuration.kind().reads() == ExampleKind::Texts;
    let has_heads = !args.heads.is_empty() || adapters.iter().any(|adapter| adapter.has_head);
    reads_texts && !has_heads && !args.data.is_empty()
}

/// Whether what is given says more than what a merge needs.
fn wants_sweep(args: &args::Init, search: &SearchDraft) -> bool {
    !args.data.is_empty() || matches!(search, SearchDraft::Translated(_))
}

/// What adapters say of their bases and tasks, where they disagree.
fn adapter_notes(base: &Base, adapters: &[LookedAdapter]) -> Vec<String> {
    let repository = match &base.written.reference {
        InputRef::Hub(hub) => Some(hub.repository.as_str()),
        InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
    };
    let origins: Vec<_> = adapters.iter().map(|adapter| adapter.origin.clone()).collect();
    merging::origin_notes(&origins, repository)
}

/// Writes a sweep file, and checks it as `bowline plan` does.
fn write_sweep(inputs: &Inputs, folder: &Path, mut draft: SweepDraft) -> Result<(), Failure> {
    let read = |text: &str| {
        let invalid = |source: SweepError| InitFailure::Draft { source: Box::new(source) };
        Sweep::from_yaml(text, folder, &[]).map_err(invalid)
    };
    let first = read(&draft.text(None))?;
    if !draft.is_large && draft.tasks.iter().filter_map(TaskDraft::search_rows).any(|rows| rows < sweep::EXAMPLES) {
        draft.presets = presets_without_data(&first);
    }
    let jobs = coordinator::bound(&read(&draft.text(None))?)?;
    let text = draft.text(Some(jobs));
    let sweep = read(&text)?;
    write_with_schema(&draft.out, &text, SCHEMA, &jobs::sweep_schema())?;
    match &draft.evaluator {
        EvaluatorDraft::Bowline(_) => {}
        EvaluatorDraft::Command { description } => {
            terminal::note(format_args!("note: {description}"));
            command::write_program(&draft.out)?;
        }
    }
    for task in &draft.tasks {
        let caveats = task.caveats().iter().map(|caveat| format!("task `{}`: {caveat}", task.name));
        terminal::notes(caveats);
    }
    let lines = SweepLines { path: draft.out.clone(), lines: Lines::of(&text, &[]) };
    let computing = Computing::Here { threads: None, images: ImageRoom::Usual };
    let checked = check_inputs(&sweep, lines, inputs, computing)?;
    terminal::notes(checked.notes);
    checked.unchecked.iter().for_each(|what| terminal::note(format_args!("not checked: {what}")));
    if !checked.problems.is_empty() {
        return Err(CheckError::Problems(checked.problems).into());
    }
    let shown = comment::shell_word(&draft.out.to_string_lossy());
    let allowed = draft.evaluator.allowed();
    terminal::note(format_args!("next: bowline plan {shown}, then bowline run {shown}{allowed} (at most {jobs} jobs)"));
    Ok(())
}

/// The presets of a portfolio that merge by the adapters alone; `None` of another search.
fn presets_without_data(sweep: &Sweep) -> Option<Vec<String>> {
    let search = sweep.searches.first().filter(|_| sweep.method == Method::Portfolio)?;
    let presets = search.parameters.first()?.values.listed()?;
    let names = presets.iter().filter_map(serde_json::Value::as_str);
    let is_without = |name: &&str| name.parse::<Preset>().is_ok_and(|preset| !preset.recipe().merges_by_data());
    Some(names.filter(is_without).map(str::to_owned).collect())
}

/// Writes a recipe.
fn write_recipe(draft: &RecipeDraft<'_>) -> Result<(), Failure> {
    check_free(draft.out)?;
    let text = draft.text();
    jobs::RecipeSpec::from_yaml(&text).map_err(|source| InitFailure::Draft { source: Box::new(source) })?;
    write_with_schema(draft.out, &text, recipe::SCHEMA, &jobs::recipe_schema())?;
    terminal::note(format_args!("note: {}", recipe::not_evaluated(draft.model_type)));
    terminal::note(format_args!("next: the command `bowline merge` at the top of {}", draft.out.display()));
    Ok(())
}

/// Writes the draft, and beside it the schema that its first line names, unless one is there.
fn write_with_schema(out: &Path, text: &str, schema: &str, content: &serde_json::Value) -> Result<(), Failure> {
    write_new(out, text)?;
    terminal::note(format_args!("wrote {}", out.display()));
    let path = out.with_file_name(schema);
    if check_free(&path).is_ok() {
        write_new(&path, &format!("{content:#}\n"))?;
        terminal::note(format_args!("wrote {}, by which editors complete and check it", path.display()));
    }
    Ok(())
}

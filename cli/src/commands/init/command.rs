//! The draft of a program that evaluates the models of a base that Bowline does not evaluate itself.

use super::{
    answers::Answers,
    base::{Base, LookedAdapter},
    comment::comment,
    dataset::DataDraft,
    file::{check_free, write_new},
    task::TaskDraft,
};
use crate::{failure::Failure, terminal};
use std::path::Path;

/// The file of the program, beside the draft.
const PROGRAM: &str = "evaluate.py";

/// What is in it: all but what the examples are, and how one is scored.
const TEXT: &str = include_str!("command/evaluate.py");

/// Why a program evaluates a language model that Bowline evaluates as a classifier.
pub(super) const GENERATES: &str = "The adapters bring no heads, so that they generate text: Bowline merges them, and your \
    program evaluates the merges. If they are classifiers, name their heads with `--head`.";

/// The key `evaluation` of the sweep file.
pub(super) fn evaluation() -> String {
    let mut text = comment(
        "",
        &format!(
            "Your program evaluates each model: {PROGRAM} beside this file, in which you say what the examples are and how one \
             is scored. It gets a merge as a PEFT adapter, and answers which examples are right. The search sees the split \
             `validation` alone. What it chooses is evaluated once on `test`, and no choice depends on that."
        ),
    );
    text.push_str("evaluation:\n");
    text.push_str(&format!("  command: [python3, {PROGRAM}]\n  files: [{PROGRAM}]\n"));
    text.push_str(&comment("  ", "The longest time of one call; a limit of memory is `memory: 16GiB`."));
    text.push_str("  timeout: 20m\n  select: validation\n  report: test\n");
    text
}

/// The tasks of adapters, whose data only the program reads.
pub(super) fn tasks(adapters: Vec<LookedAdapter>, answers: &Answers<'_>) -> Vec<TaskDraft> {
    let draft = |adapter: LookedAdapter| {
        let data = answers.given_data(&adapter.task);
        let data = data.map(|data| DataDraft::of(&data.text)).unwrap_or_default();
        TaskDraft::of_command(adapter, data)
    };
    adapters.into_iter().map(draft).collect()
}

/// What is found of the base, in a sentence.
pub(super) fn description(base: &Base, model_type: &str) -> String {
    let found = if model_type.is_empty() { "of no `model_type`".to_owned() } else { format!("a `{model_type}`") };
    let size = if base.is_large() { ", and large" } else { "" };
    format!("The base is {found}{size}: Bowline merges its adapters, and your program evaluates the merges.")
}

/// Writes the program beside `out`, unless one is there.
pub(super) fn write_program(out: &Path) -> Result<(), Failure> {
    let path = out.with_file_name(PROGRAM);
    if check_free(&path).is_ok() {
        write_new(&path, TEXT)?;
        terminal::note(format_args!(
            "wrote {}: say there what the examples are and how one is scored, before you run",
            path.display()
        ));
    } else {
        terminal::note(format_args!("note: {} is there already, and evaluates the models", path.display()));
    }
    Ok(())
}

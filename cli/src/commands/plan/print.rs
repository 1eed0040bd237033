//! A plan for people.

use super::{Plan, TrainingPlan};
use crate::{local::free_memory, revised, terminal};
use coordinator::SweepRevision;
use jobs::ByteSize;
use preflight::{Download, MemoryNeeds, Residency};

/// Prints a plan. Its problems are an error, which is printed by itself.
pub(super) fn print(plan: &Plan, revised: Option<&SweepRevision>) {
    let verdict = match plan.problems.list().len() {
        0 => "the sweep file is valid".to_owned(),
        1 => "its inputs have a problem".to_owned(),
        problems => format!("its inputs have {problems} problems"),
    };
    terminal::data(format_args!("{}: {verdict}", plan.sweep));
    terminal::data(format_args!(
        "  {}, {}",
        counted(plan.tasks, "task", "tasks"),
        counted(plan.searches, "search", "searches")
    ));
    for (adapter, matrices) in &plan.matrices {
        terminal::data(format_args!("  adapter {adapter}: {matrices} matrices, all of them in the base"));
    }
    if let Some(MemoryNeeds { processor, device }) = &plan.memory {
        let free = ByteSize(free_memory());
        terminal::data(format_args!("  memory on the processor: {}; {free} are free", processor.in_words()));
        if let Some(device) = device {
            terminal::data(format_args!("  memory on a GPU: {}", device.in_words()));
        }
    }
    for line in plan.residency.iter().flat_map(Residency::in_words) {
        terminal::data(format_args!("  {line}"));
    }
    plan.training.iter().for_each(print_training);
    plan.statistics.iter().for_each(|what| terminal::data(format_args!("  measured first: {what}")));
    plan.notes.iter().for_each(|note| terminal::data(format_args!("  note: {note}")));
    for line in revised.map(revised::in_lines).unwrap_or_default() {
        terminal::data(format_args!("  {line}"));
    }
    let stored = plan.jobs_stored.map(|stored| format!(", {stored} of them stored")).unwrap_or_default();
    terminal::data(format_args!("  at most {}{stored}", counted(plan.jobs_at_most, "job", "jobs")));
    print_downloads(plan);
    if !plan.unchecked.is_empty() {
        terminal::data("  not checked:");
        plan.unchecked.iter().for_each(|what| terminal::data(format_args!("    {what}")));
    }
}

fn print_training(plan: &TrainingPlan) {
    let TrainingPlan { task, split, steps, jobs, least_memory_bytes, memory_bytes, memory_threads } = plan;
    let jobs = counted(*jobs, "job", "jobs, one after the other");
    terminal::data(format_args!("  trained first: the adapter of {task}, {steps} steps on `{split}` in {jobs}"));
    if let (Some(all), Some(least), Some(threads)) = (memory_bytes, least_memory_bytes, memory_threads) {
        terminal::data(format_args!(
            "    in {} of memory beside the model on {}, or {} where blocks are computed twice",
            ByteSize(*all),
            counted(*threads, "thread", "threads"),
            ByteSize(*least)
        ));
    }
}

fn print_downloads(plan: &Plan) {
    if plan.downloads.is_empty() {
        return;
    }
    let known = plan.downloads.iter().filter(|download| download.bytes.is_some()).count();
    let total = match (known, plan.downloads.len()) {
        (0, _) => String::new(),
        (known, all) if known == all => format!(", {}", ByteSize(plan.download_bytes)),
        _ => format!(", at least {}", ByteSize(plan.download_bytes)),
    };
    let what = match plan.downloads.len() {
        1 => "1 input is not on this machine; a run downloads it".to_owned(),
        inputs => format!("{inputs} inputs are not on this machine; a run downloads them"),
    };
    terminal::data(format_args!("  {what}{total}:"));
    for Download { input, files, bytes } in &plan.downloads {
        match (files, bytes) {
            (Some(files), Some(bytes)) => {
                terminal::data(format_args!(
                    "    {input}: {} in {}",
                    ByteSize(*bytes),
                    counted(*files, "file", "files")
                ));
            }
            _ => terminal::data(format_args!("    {input}: its size is not known")),
        }
    }
}

fn counted<N: std::fmt::Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let word = if count == N::from(1) { one } else { many };
    format!("{count} {word}")
}

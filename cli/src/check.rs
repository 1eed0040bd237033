//! What the jobs of a sweep would fail on, told before anything is computed or fetched.
//!
//! All that is on this machine is looked at: of the base the headers, of adapters and heads all they hold, of data all labels and
//! the formats of images. Of what is elsewhere, small files and headers are read. What is wrong is collected, so that one look
//! tells all of it.

mod adapters;
mod base;
mod classes;
mod data;
mod heads;
mod joint;
mod notes;
mod problems;
mod prompts;
mod sources;
mod splits;
mod texts;

pub(crate) use problems::Problems;
pub(crate) use prompts::check_prompts;
pub(crate) use sources::Download;
pub(crate) use splits::check_other_splits;

use crate::{
    args::ComputeArgs,
    failure::{Failure, InputFailure},
    local::free_memory,
    needs::{Needs, needs, sized},
    sweep_file::SweepFile,
    terminal,
};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::{Benchmark, Sweep};
use problems::Place;
use sources::Sources;
use std::collections::BTreeSet;

/// What the inputs of a sweep are like.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The number of adapted matrices of each adapter.
    pub(crate) matrices: Vec<(String, usize)>,
    /// Memory that models of texts take.
    pub(crate) memory: Option<Needs>,
    /// What a person should know, though jobs do not fail on it.
    pub(crate) notes: Vec<String>,
    /// What a run fetches.
    pub(crate) downloads: Vec<Download>,
    /// What nobody could look at, and why.
    pub(crate) unchecked: Vec<String>,
    /// What jobs would fail on.
    pub(crate) problems: Problems,
}

impl Checked {
    /// Whether all of it is on this machine.
    pub(crate) fn is_here(&self) -> bool {
        self.downloads.is_empty()
    }

    /// Fails with all problems, if there are any.
    pub(crate) fn passed(self) -> Result<Self, Failure> {
        if self.problems.is_empty() { Ok(self) } else { Err(Failure::Input(InputFailure::Problems(self.problems))) }
    }
}

/// Who computes the jobs of a sweep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Computing<'a> {
    /// This process, with these arguments; `None` where nothing is computed yet.
    Here(Option<&'a ComputeArgs>),
    /// Workers elsewhere. What they have of memory is not known here, and a coordinator has little of its own.
    Elsewhere,
}

/// Looks at the inputs of `sweep`, which came from `file`.
pub(crate) fn check_inputs(
    sweep: &Sweep,
    file: &SweepFile,
    inputs: &Inputs,
    computing: Computing<'_>,
) -> Result<Checked, Failure> {
    let mut check = Check::new(sweep, file, inputs, computing);
    let base = check.base();
    let joint = check.joint_rows(base.as_ref());
    let mut adapters = Vec::new();
    for (i, task) in sweep.tasks.iter().enumerate() {
        let place = Place::of_task(i, task);
        let adapter = check.adapter(&place, task, &task.adapter, base.as_ref());
        let head = match &sweep.evaluation.benchmark {
            Benchmark::PerTask => check.head(&place, task, adapter.as_ref(), base.as_ref()),
            Benchmark::Joint { .. } => check.joint_classes(&place, task, joint.as_ref()),
        };
        check.data(&place, task, head.as_ref());
        adapters.extend(adapter);
    }
    let matrices = adapters.iter().map(|adapter| (adapter.task.clone(), adapter.modules.len())).collect();
    let mut memory = None;
    if let Some(base) = &base {
        if let Some(outline) = &base.outline {
            if let Some(limits) = outline.text_limits() {
                check.tokenizer(base, limits);
            }
            let modules: BTreeSet<String> =
                adapters.iter().flat_map(|adapter| adapter.modules.iter().cloned()).collect();
            let threads = if let Computing::Here(Some(compute)) = computing { compute.threads } else { None };
            memory = needs(sweep, outline.as_ref(), &modules, threads)?;
        }
        check.text_tower(base);
    }
    check.notes.extend(notes::of(&adapters, &sweep.base));
    Ok(check.finish(matrices, memory))
}

/// Looks at the inputs, fetches what is not here, and takes digests: what is left is to compute.
pub(crate) fn ready(
    sweep: Sweep,
    file: &SweepFile,
    inputs: &Inputs,
    computing: Computing<'_>,
) -> Result<Frozen, Failure> {
    let mut checked = check_inputs(&sweep, file, inputs, computing)?.passed()?;
    refuse_memory(&checked, computing)?;
    let is_here = checked.is_here();
    let frozen = coordinator::freeze(sweep, inputs)?;
    if !is_here {
        checked = check_inputs(frozen.sweep(), file, inputs, computing)?.passed()?;
        refuse_memory(&checked, computing)?;
    }
    checked.notes.iter().for_each(|note| terminal::note(format_args!("note: {note}")));
    checked.unchecked.iter().for_each(|what| terminal::note(format_args!("not looked at: {what}")));
    Ok(frozen)
}

/// Refuses a language model that does not fit. What another device has is not known.
fn refuse_memory(checked: &Checked, computing: Computing<'_>) -> Result<(), Failure> {
    let Computing::Here(compute) = computing else { return Ok(()) };
    let available = free_memory();
    match checked.memory.map(|needs| needs.processor) {
        Some(need) if compute.is_some_and(|compute| compute.device == "cpu") && need.total() > available => {
            Err(Failure::Input(InputFailure::Memory { needed: need.in_words(), available: sized(available) }))
        }
        _ => Ok(()),
    }
}

/// A look at inputs, and what came of it so far.
struct Check<'a> {
    sweep: &'a Sweep,
    sources: Sources<'a>,
    problems: Problems,
    notes: Vec<String>,
    computing: Computing<'a>,
}

impl<'a> Check<'a> {
    fn new(sweep: &'a Sweep, file: &SweepFile, inputs: &'a Inputs, computing: Computing<'a>) -> Self {
        let problems = Problems::of(file);
        Self { sweep, sources: Sources::new(inputs), problems, notes: sweep.notes(), computing }
    }

    fn finish(self, matrices: Vec<(String, usize)>, memory: Option<Needs>) -> Checked {
        let (downloads, unchecked) = self.sources.finish();
        Checked { matrices, memory, notes: self.notes, downloads, unchecked, problems: self.problems }
    }
}

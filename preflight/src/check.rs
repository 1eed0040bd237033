//! The check of all inputs of a sweep: a file for each kind of input.

mod adapters;
mod base;
mod classes;
mod command;
mod data;
mod heads;
mod joint;
mod layers;
mod modules;
mod notes;
mod prompts;
mod sources;
mod splits;
mod texts;
mod trainings;

pub use prompts::check_prompts;
pub use sources::Download;
pub use splits::check_other_splits;

use crate::{
    CheckError, Problems, SweepLines,
    memory::{MemoryNeeds, kept_updates, memory_needs},
    problems::Place,
    residency::{DeviceData, SplitSize},
};
use evaluation::{Configuration, TrainMemory};
use inputs::Inputs;
use jobs::{Benchmark, DeviceKind, Sweep, TrainFamily};
use sources::Sources;
use std::collections::BTreeMap;

/// The findings about the inputs of a sweep.
#[derive(Debug)]
pub struct Checked {
    /// The number of adapted matrices of each adapter.
    pub matrices: Vec<(String, usize)>,
    /// Memory that models of texts take.
    pub memory: Option<MemoryNeeds>,
    /// What images and their model take on a GPU; `None` for texts, and while not all sizes are known.
    pub device_data: Option<DeviceData>,
    /// Memory that the training of each adapter takes beside the model, by task, as far as the base could be looked at.
    pub training: BTreeMap<String, TrainMemory>,
    /// The models whose settings of fine-tuning are the defaults for the base; `None` if the base could not be looked at.
    pub train_family: Option<TrainFamily>,
    /// The examples of the task that has the fewest in the split that recipes are measured on, if there are too few for a preset that
    /// a portfolio then does not try.
    pub examples_to_measure: Option<u64>,
    /// Which presets are left out of portfolios for that, for people; `notes` has the same.
    pub left_out_presets: Vec<String>,
    /// Notes for people. Jobs do not fail because of them.
    pub notes: Vec<String>,
    /// What a run fetches.
    pub downloads: Vec<Download>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
    /// What jobs would fail on.
    pub problems: Problems,
}

impl Checked {
    /// Whether all of it is on this machine.
    pub fn is_here(&self) -> bool {
        self.downloads.is_empty()
    }

    /// The sweep with what follows from its inputs: the settings of training that are the defaults for its base, and portfolios
    /// without the presets that would be measured on more examples than there are.
    pub fn completed(&self, sweep: Sweep) -> Sweep {
        let sweep = match self.train_family {
            Some(family) => sweep.with_train_family(family),
            None => sweep,
        };
        match self.examples_to_measure {
            Some(rows) => sweep.with_examples_to_measure(rows),
            None => sweep,
        }
    }

    /// Fails with all problems, if there are any.
    ///
    /// # Errors
    /// [`CheckError::Problems`].
    pub fn passed(self) -> Result<Self, CheckError> {
        if self.problems.is_empty() { Ok(self) } else { Err(CheckError::Problems(self.problems)) }
    }

    /// Fails if a model of texts needs more memory on the CPU than these bytes.
    ///
    /// # Errors
    /// [`CheckError::Memory`].
    pub fn fits(&self, available: u64) -> Result<(), CheckError> {
        match self.memory.map(|needs| needs.processor) {
            Some(needed) if needed.total() > available => Err(CheckError::Memory { needed, available }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Where the jobs of a sweep are computed.
#[derive(Debug, Clone, Copy)]
pub enum Computing {
    /// This process, if any.
    Here {
        /// The number of CPU threads; `None` for all physical cores.
        threads: Option<usize>,
        /// Where the images of a split lie.
        images: ImageRoom,
    },
    /// By workers elsewhere. Their memory is not known here.
    Elsewhere,
}

impl Computing {
    fn threads(self) -> Option<usize> {
        match self {
            Self::Here { threads, images: _ } => threads,
            Self::Elsewhere => None,
        }
    }

    fn images(self) -> ImageRoom {
        match self {
            Self::Here { images, threads: _ } => images,
            Self::Elsewhere => ImageRoom::Usual,
        }
    }
}

/// Where the images of a split lie while a job uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageRoom {
    /// In memory, up to so many bytes.
    Memory(u64),
    /// In files.
    Files,
    /// In memory, up to what is usual: nobody has said yet where jobs are computed.
    Usual,
}

/// Bytes of `--image-memory` where nobody states it.
pub const USUAL_IMAGE_BYTES: u64 = 4096 << 20;

/// Checks the inputs of `sweep`, which came from `file`, and collects all that is wrong with them.
///
/// # Errors
/// The base cannot be the base of any sweep, so that its memory cannot be computed.
pub fn check_inputs(
    sweep: &Sweep,
    file: SweepLines,
    inputs: &Inputs,
    computing: Computing,
) -> Result<Checked, CheckError> {
    let mut check = Check::new(sweep, file, inputs, computing);
    let threads = computing.threads();
    let base = check.base();
    let joint = check.joint_rows(base.as_ref());
    let mut adapters = Vec::new();
    for (i, task) in sweep.tasks.iter().enumerate() {
        let place = Place::of_task(i, task);
        // An adapter that the sweep trains is not there yet.
        let adapter = task.adapter.given().and_then(|adapter| check.adapter(&place, task, adapter, base.as_ref()));
        let head = match &sweep.evaluation.benchmark {
            Benchmark::PerTask => check.head(&place, task, adapter.as_ref(), base.as_ref()),
            Benchmark::Joint { .. } => check.joint_classes(&place, task, joint.as_ref()),
            Benchmark::Command(_) => None,
        };
        match (&task.data, sweep.evaluation.benchmark.command()) {
            (Some(data), None) => check.data(&place, task, data, head.as_ref()),
            (Some(data), Some(_)) => check.command_data(&place, data),
            (None, _) => {}
        }
        adapters.extend(adapter);
    }
    let matrices = adapters.iter().map(|adapter| (adapter.task.clone(), adapter.ranks.len())).collect();
    if let Some(command) = sweep.evaluation.benchmark.command() {
        check.command_files(command);
    }
    let mut memory = None;
    let mut device_data = None;
    if let Some(base) = &base {
        if let Some(outline) = &base.outline {
            if let Some(limits) = outline.text_limits() {
                check.tokenizer(base, limits);
            }
            check.statistics_cover(&adapters, outline.as_ref());
            let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
            for (module, rank) in adapters.iter().flat_map(|adapter| &adapter.ranks) {
                *ranks.entry(module.clone()).or_default() += rank;
            }
            memory = memory_needs(sweep, outline.as_ref(), base.header.as_ref(), &ranks, threads)?;
            device_data = check.device_data(outline.as_ref(), &ranks)?;
        }
        check.text_tower(base);
    }
    check.layer_weights(&adapters);
    check.notes.extend(notes::of(&adapters, &sweep.base));
    let outline = base.and_then(|base| base.outline);
    let training = outline.as_ref().map(|outline| check.trainings(outline.as_ref(), threads)).unwrap_or_default();
    let train_family = outline.map(|outline| outline.train_family());
    Ok(Checked { train_family, training, device_data, ..check.finish(matrices, memory) })
}

/// A check of inputs, and its findings so far.
struct Check<'a> {
    sweep: &'a Sweep,
    sources: Sources<'a>,
    problems: Problems,
    notes: Vec<String>,
    computing: Computing,
    too_few: Option<TooFewExamples>,
    /// Of the splits whose rows could be counted.
    sizes: Vec<SplitSize>,
}

/// The task with the fewest examples to measure on, where a portfolio leaves out presets for that.
struct TooFewExamples {
    task: String,
    rows: u64,
}

impl<'a> Check<'a> {
    fn new(sweep: &'a Sweep, file: SweepLines, inputs: &'a Inputs, computing: Computing) -> Self {
        let problems = Problems::of(file);
        Self {
            sweep,
            sources: Sources::new(inputs),
            problems,
            notes: sweep.notes(),
            computing,
            too_few: None,
            sizes: Vec::new(),
        }
    }

    /// What the model and the splits that are evaluated take on a GPU, if all of these were counted.
    fn device_data(
        &mut self,
        base: &dyn Configuration,
        ranks: &BTreeMap<String, usize>,
    ) -> Result<Option<DeviceData>, CheckError> {
        let modules: Vec<&str> = ranks.keys().map(String::as_str).collect();
        let precision = self.sweep.precision_on(DeviceKind::Gpu);
        let Some(model) = base.image_residency(precision, &modules)? else { return Ok(None) };
        let evaluated = self.sweep.splits();
        let mut splits = Vec::new();
        for split in &evaluated {
            splits.extend(self.sizes.iter().filter(|size| size.split == *split).cloned());
        }
        let is_whole = splits.len() == evaluated.len() * self.sweep.tasks.len();
        let updates = kept_updates(self.sweep, base, ranks);
        Ok(is_whole.then_some(DeviceData { model, updates, splits }))
    }

    fn finish(self, matrices: Vec<(String, usize)>, memory: Option<MemoryNeeds>) -> Checked {
        let (downloads, unchecked) = self.sources.finish();
        let mut notes = self.notes;
        let of_presets =
            |TooFewExamples { task, rows }: &TooFewExamples| self.sweep.presets_without_examples(task, *rows);
        let left_out_presets = self.too_few.as_ref().map(of_presets).unwrap_or_default();
        notes.extend(left_out_presets.iter().cloned());
        Checked {
            examples_to_measure: self.too_few.map(|too_few| too_few.rows),
            left_out_presets,
            matrices,
            memory,
            device_data: None,
            training: BTreeMap::new(),
            train_family: None,
            notes,
            downloads,
            unchecked,
            problems: self.problems,
        }
    }
}

//! What the jobs of a sweep would fail on, told before anything is computed: of the base from headers, of adapters and heads
//! from all they hold.

use crate::{
    failure::{Failure, HeadProblem},
    needs::{Needs, needs},
};
use evaluation::{Head, LlamaConfig, ModelKind, Outline, PairTokenizer};
use inputs::{InputError, Inputs, Located};
use jobs::{Benchmark, HeadSpec, InputRef, Sweep, Task, TextSpec};
use merging::{Adapter, BaseHeader, origin_notes};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What the inputs of a sweep are like.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The number of adapted matrices of each adapter.
    pub(crate) matrices: Vec<(String, usize)>,
    /// Memory that models of texts take.
    pub(crate) memory: Option<Needs>,
    /// What a person should know, though jobs do not fail on it.
    pub(crate) notes: Vec<String>,
}

/// Reads the base's headers, every adapter and every head, and checks that they fit one another.
pub(crate) fn check_inputs(sweep: &Sweep, inputs: &Inputs, threads: Option<usize>) -> Result<Checked, Failure> {
    let base = located(&sweep.base, inputs.model(&sweep.base))?;
    check_kind(sweep, ModelKind::of(&base)?)?;
    let outline = Outline::read(&base)?;
    let check = Check { inputs, header: BaseHeader::open(&base)?, outline };
    let (mut checked, mut modules, mut origins) = (Checked::default(), BTreeSet::new(), Vec::new());
    for task in &sweep.tasks {
        let adapter = check.adapter(task, &task.adapter)?;
        check.head(task, &adapter)?;
        checked.matrices.push((task.name.clone(), adapter.modules.len()));
        origins.push(adapter.origin());
        modules.extend(adapter.modules.into_keys());
    }
    if let Benchmark::Joint { files: Some(files) } = &sweep.evaluation.benchmark {
        check.head_file("joint", &files.head, None)?;
    }
    if let Outline::Llama(config) = &check.outline {
        checked.notes = check_tokenizer(sweep, &base, config)?;
    }
    checked.notes.extend(origin_notes(&origins, hub_id(&sweep.base)));
    checked.memory = needs(sweep, &base, &modules, threads)?;
    Ok(checked)
}

fn hub_id(base: &InputRef) -> Option<&str> {
    match base {
        InputRef::Hub(hub) => Some(&hub.repository),
        InputRef::S3(_) | InputRef::Path(_) => None,
    }
}

fn located(reference: &InputRef, found: Result<Located, InputError>) -> Result<PathBuf, Failure> {
    found.map(|located| located.path).map_err(|source| Failure::Input { argument: reference.to_string(), source })
}

/// The base reads what the tasks have: pictures or texts, which a sweep file does not mix.
fn check_kind(sweep: &Sweep, kind: ModelKind) -> Result<(), Failure> {
    let is_right = |task: &Task| task.data.text.is_some() == (kind == ModelKind::Llama);
    match sweep.tasks.iter().find(|task| !is_right(task)) {
        Some(task) => Err(Failure::Kind { base: sweep.base.to_string(), kind, task: task.name.clone() }),
        None => Ok(()),
    }
}

struct Check<'a> {
    inputs: &'a Inputs,
    header: BaseHeader,
    outline: Outline,
}

impl Check<'_> {
    fn adapter(&self, task: &Task, place: &InputRef) -> Result<Adapter, Failure> {
        let name = || task.name.clone();
        let folder = located(place, self.inputs.adapter(place))?;
        let adapter = Adapter::read(&task.name, &folder, &self.header)
            .map_err(|source| Failure::Adapter { name: name(), source: Box::new(source) })?;
        let checked = adapter.modules.keys().try_for_each(|module| self.outline.check_module(module));
        checked.map_err(|source| Failure::AdapterModule { name: name(), place: place.to_string(), source })?;
        Ok(adapter)
    }

    fn head(&self, task: &Task, adapter: &Adapter) -> Result<(), Failure> {
        match &task.head {
            Some(HeadSpec::File(place)) => self.head_file(&task.name, place, task.data.text.as_ref()),
            Some(HeadSpec::Adapter(place)) => {
                let other = (*place != task.adapter).then(|| self.adapter(task, place)).transpose()?;
                let adapter = other.as_ref().unwrap_or(adapter);
                let lacks = || {
                    if adapter.saved.is_empty() {
                        return HeadProblem::Missing;
                    }
                    HeadProblem::NotPlain { tensors: adapter.saved.keys().cloned().collect() }
                };
                let checked = adapter
                    .head
                    .as_ref()
                    .ok_or_else(lacks)
                    .and_then(|matrix| self.fits(matrix.shape(), task.data.text.as_ref()));
                checked.map_err(|source| unfit(&task.name, format!("the adapter `{place}`"), source))
            }
            Some(HeadSpec::Prompts { .. }) | None => Ok(()),
        }
    }

    fn head_file(&self, task: &str, place: &InputRef, text: Option<&TextSpec>) -> Result<(), Failure> {
        let path = located(place, self.inputs.file(place))?;
        let head = Head::read(&path).map_err(|source| Failure::HeadFile { task: task.to_owned(), source })?;
        let fits = self.fits([head.classes(), head.width()], text);
        fits.map_err(|source| unfit(task, format!("`{place}`"), source))
    }

    fn fits(&self, [classes, found]: [usize; 2], text: Option<&TextSpec>) -> Result<(), HeadProblem> {
        let (expected, key) = self.outline.width();
        if found != expected {
            return Err(HeadProblem::Width { found, expected, key });
        }
        let Some(text) = text else { return Ok(()) };
        let beyond = |class: &&u32| usize::try_from(**class).is_ok_and(|class| class >= classes);
        let (of_labels, masked) = (text.labels.values().find(beyond), text.mask_classes.iter().find(beyond));
        match (of_labels, masked) {
            (Some(&class), _) => Err(HeadProblem::Classes { classes, key: "labels", class }),
            (None, Some(&class)) => Err(HeadProblem::Classes { classes, key: "mask_classes", class }),
            (None, None) => Ok(()),
        }
    }
}

fn unfit(task: &str, place: String, source: HeadProblem) -> Failure {
    Failure::UnfitHead { task: task.to_owned(), place, source }
}

/// The tokenizer is there and leaves room for texts; what else is to be known of it and the texts is returned.
fn check_tokenizer(sweep: &Sweep, base: &Path, config: &LlamaConfig) -> Result<Vec<String>, Failure> {
    let tokenizer = PairTokenizer::open(&base.join("tokenizer.json"), None).map_err(Failure::Tokenizer)?;
    let longest = |task: &Task| task.data.text.as_ref()?.max_length;
    for task in &sweep.tasks {
        let checked = tokenizer.check_room(longest(task));
        checked.map_err(|source| Failure::Texts { task: task.name.clone(), source })?;
    }
    let mut notes = Vec::new();
    if let Err(unknown) = tokenizer.check_vocabulary(config.vocabulary) {
        notes.push(format!("{unknown} A text with such a token fails its job."));
    }
    let is_cut = |task: &&Task| longest(task).is_some_and(|length| length as usize > config.positions);
    let cut: Vec<String> = sweep.tasks.iter().filter(is_cut).map(|task| format!("`{}`", task.name)).collect();
    if !cut.is_empty() {
        notes.push(format!(
            "the base takes {} tokens (`max_position_embeddings` in its `config.json`), less than `max_length` of {}: longer \
             texts are cut there",
            config.positions,
            cut.join(", ")
        ));
    }
    Ok(notes)
}

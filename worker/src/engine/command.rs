//! Evaluations by a command of the user: makes the model as files, and hands it over.

use super::{
    EngineSettings,
    adapters::read_adapters,
    attempt::{Attempt, CheckedInput, EvaluateJob, Stage},
    device_name,
    memory::check_merge,
    merges::facts,
    recent::Recent,
    statistics::FoundStatistics,
};
use crate::{
    CommandError, CommandSettings, JobError, Metrics, Scores,
    command::{CommandFolder, Interrupted, Placed, Process, Variables, Wanted, read_scores},
    metrics::Cache,
};
use files::FilesInUse;
use jobs::{CommandInput, CommandLocations, CommandModel, Digest, Meaning, MergeFacts, Preset, Recipe, Subject};
use merging::{Adapter, Aligned, BaseHeader, Card, MergedUpdate};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tracing::info_span;

/// What jobs with the same base share: adapters and alignments. A model is never loaded.
pub(super) struct CommandSession {
    /// What commands are run with; `None` runs none.
    allowed: Option<CommandSettings>,
    adapters: Recent<Vec<Adapter>>,
    aligned: Recent<Aligned>,
}

/// The model of a job as files.
struct Written {
    /// What the command gets beside the base; `None` for the base alone, where adapters are written.
    handed: Option<Handed>,
    facts: Option<MergeFacts>,
    /// What has to stay as it was while the command runs.
    files: FilesInUse,
    base: PathBuf,
}

/// A folder with a model or an adapter, and the variable that names it.
struct Handed {
    variable: &'static str,
    folder: PathBuf,
}

/// The job in a file, for commands that prefer one to variables.
#[derive(Serialize)]
struct Description<'a> {
    split: &'a str,
    tasks: Vec<DescribedTask<'a>>,
}

#[derive(Serialize)]
struct DescribedTask<'a> {
    name: &'a str,
    /// Where its data are, if the sweep names some.
    data: Option<PathBuf>,
    /// The examples that are evaluated, counted from 0; all without a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<&'a [u64]>,
}

impl CommandSession {
    pub(super) fn new(allowed: Option<CommandSettings>, metrics: &Metrics) -> Self {
        Self {
            allowed,
            adapters: Recent::new(2, Cache::Adapters, metrics),
            aligned: Recent::new(4, Cache::Alignment, metrics),
        }
    }

    /// The same, which counts lookups in `metrics`.
    pub(super) fn counting_in(self, metrics: &Metrics) -> Self {
        Self::new(self.allowed, metrics)
    }

    /// Whether commands are run.
    pub(super) fn is_allowed(&self) -> bool {
        self.allowed.is_some()
    }

    /// Forgets adapters and alignments: what follows needs the memory.
    pub(super) fn forget(&mut self) {
        self.adapters.clear();
        self.aligned.clear();
    }

    /// Writes the job's model, runs the command, and reads its answer.
    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
        command: &CommandInput,
        settings: &EngineSettings,
    ) -> Result<Scores, JobError> {
        let Some(allowed) = self.allowed.clone() else { return Err(CommandError::NotAllowed.into()) };
        let EvaluateJob { meaning, places } = attempt.job;
        let slice = meaning.slice_examples().map_err(JobError::Slice)?;
        let missing = || JobError::Incomplete("it does not locate the files of its command".to_owned());
        let locations = places.command.as_ref().ok_or_else(missing)?;
        let folder = CommandFolder::new()?;
        attempt.loading(|attempt| place_files(attempt, command, locations, &folder))?;
        let data = attempt.loading(|attempt| locate_data(attempt, &folder))?;
        let written = self.write(attempt, command, &folder, settings)?;
        let told = Told { command, allowed: &allowed, slice: slice.as_deref(), data, settings };
        let variables = told.variables(meaning, &folder, &written)?;
        let process =
            Process { argv: &command.argv, folder: &folder.work(), variables: &variables, limits: locations.limits };
        let stage = Stage::begin(info_span!("evaluate"));
        let ended = process.run(|| attempt.check_cancelled().is_err());
        attempt.timings.evaluate_s += stage.seconds();
        drop(stage);
        let tail = match ended? {
            Ok(tail) => tail,
            Err(Interrupted) => return Err(JobError::Interrupted),
        };
        written.files.check()?;
        told.data.files.check()?;
        let scores = read_scores(&folder.output(), &wanted(meaning, slice.as_deref()));
        let scores = scores.map_err(|fault| CommandError::Output { fault, tail })?;
        Ok(Scores { scores, merge: written.facts })
    }

    /// Writes the model of the job's subject.
    fn write(
        &mut self,
        attempt: &mut Attempt<'_>,
        command: &CommandInput,
        folder: &CommandFolder,
        settings: &EngineSettings,
    ) -> Result<Written, JobError> {
        let EvaluateJob { meaning, places } = attempt.job;
        let wanted = command.write;
        // The part of it that merges read, which names the job's base in results.
        let located = attempt.loading(|attempt| attempt.inputs.expecting(meaning.base).model(&places.base))?;
        attempt.checked(&places.base, located, meaning.base)?;
        let located = attempt.loading(|attempt| attempt.inputs.expecting(command.base).whole_model(&places.base))?;
        let CheckedInput { path, files } = attempt.checked(&places.base, located, command.base)?;
        let base = folder.link("base", &path, files.paths())?;
        let recipe = match &meaning.subject {
            Subject::Base => {
                let folder = base.clone();
                let handed = (wanted == CommandModel::Model).then_some(Handed { variable: MODEL, folder });
                return Ok(Written { handed, facts: None, files, base });
            }
            // The sum of one update is that update, at its own scale.
            Subject::Adapter { .. } => Preset::TaskArithmetic.recipe(),
            Subject::Merge { recipe } => recipe.as_ref().clone(),
            Subject::Ensemble { .. } => {
                let problem = "an ensemble is no single model, and a command evaluates one";
                return Err(JobError::Incomplete(problem.to_owned()));
            }
        };
        let header = attempt.read(&files, || Ok(BaseHeader::open(&base)?))?;
        let (update, found) = self.merge(attempt, &recipe, &header, settings)?;
        attempt.check_cancelled()?;
        let stage = Stage::begin(info_span!("merge", step = "write"));
        let target = folder.model();
        let card = Card {
            base_model: Some(base.to_string_lossy().into_owned()),
            revision: None,
            adapters: Vec::new(),
            notes: String::new(),
        };
        let is_low_rank = update.modules.values().all(|matrix| matrix.rank().is_some());
        let variable = if wanted == CommandModel::Adapter && is_low_rank {
            merging::write_adapter(&update, &card, &target)?;
            ADAPTER
        } else {
            // Writing a whole model reads the base's weights.
            attempt.read(&files, || Ok(merging::write_full(&update, &header, &card, &target)?))?;
            MODEL
        };
        attempt.timings.merge_s += stage.seconds();
        let facts = matches!(meaning.subject, Subject::Merge { .. }).then_some(found);
        Ok(Written { handed: Some(Handed { variable, folder: target }), facts, files, base })
    }

    fn merge(
        &mut self,
        attempt: &mut Attempt<'_>,
        recipe: &Recipe,
        header: &BaseHeader,
        settings: &EngineSettings,
    ) -> Result<(MergedUpdate, MergeFacts), JobError> {
        let meaning = attempt.job.meaning;
        let Self { allowed: _, adapters, aligned } = self;
        let inputs = &meaning.adapters;
        let key = Digest::of_json(&(meaning.base, inputs));
        let alignment = Digest::of_json(&(key, recipe.alignment(), Aligned::keeps_exact(recipe)));
        let aligned = aligned.get_or_make(alignment, || {
            let adapters =
                adapters.get_or_make(key, || attempt.loading(|attempt| headless_adapters(attempt, header)))?;
            let stage = Stage::begin(info_span!("align"));
            let aligned = Aligned::for_recipe(&adapters, recipe)?;
            attempt.timings.align_s += stage.seconds();
            Ok::<_, JobError>(aligned)
        })?;
        check_merge(recipe, &aligned, settings.memory_bytes)?;
        let statistics = attempt.loading(|attempt| FoundStatistics::fetch(attempt, &meaning.statistics))?;
        let stage = Stage::begin(info_span!("merge", step = "combine"));
        let update = statistics.merge(attempt, &aligned, recipe)?;
        let found = facts(&aligned, &update);
        attempt.timings.merge_s += stage.seconds();
        Ok((update, found))
    }
}

/// The adapters of the job, of which none may bring a head.
fn headless_adapters(attempt: &mut Attempt<'_>, header: &BaseHeader) -> Result<Vec<Adapter>, JobError> {
    let EvaluateJob { meaning, places } = attempt.job;
    let adapters = read_adapters(attempt, &meaning.adapters, places, header)?;
    match adapters.iter().find(|adapter| !adapter.saved.is_empty()) {
        Some(adapter) => Err(CommandError::Head { task: adapter.name.clone() }.into()),
        None => Ok(adapters),
    }
}

/// The variables that name the folder of what is evaluated.
const ADAPTER: &str = "BOWLINE_ADAPTER";
const MODEL: &str = "BOWLINE_MODEL";

/// Copies the declared files into the working folder, if they are those of the job.
fn place_files(
    attempt: &mut Attempt<'_>,
    command: &CommandInput,
    locations: &CommandLocations,
    folder: &CommandFolder,
) -> Result<(), JobError> {
    for (name, digest) in &command.files {
        let missing = || JobError::Incomplete(format!("it does not locate the file `{name}` of its command"));
        if !jobs::is_file_name(name) {
            return Err(JobError::Incomplete(format!(
                "its command has a file that leads elsewhere, `{}`",
                jobs::escaped(name)
            )));
        }
        let place = locations.files.get(name).ok_or_else(missing)?;
        let located = attempt.inputs.expecting(*digest).file(place)?;
        let CheckedInput { path, files } = attempt.checked(place, located, *digest)?;
        let placed = if is_program(&command.argv, name) { Placed::Run } else { Placed::Read };
        attempt.read(&files, || Ok(folder.place(name, &path, placed)?))?;
    }
    Ok(())
}

/// Whether the declared file `name` is the program. A name without a slash is looked for on `PATH`.
fn is_program(argv: &[String], name: &str) -> bool {
    argv.first()
        .is_some_and(|program| program.contains('/') && Path::new("./").join(name) == Path::new("./").join(program))
}

/// The data of the tasks, by task.
#[derive(Default)]
struct Data {
    paths: BTreeMap<String, PathBuf>,
    files: FilesInUse,
}

/// Finds the data of the tasks that have some, and checks that they are those of the job.
fn locate_data(attempt: &mut Attempt<'_>, folder: &CommandFolder) -> Result<Data, JobError> {
    let EvaluateJob { meaning, places } = attempt.job;
    let mut data = Data::default();
    for (number, task) in meaning.tasks.iter().enumerate() {
        let digest = |contents| CommandInput::data_digest(contents, &task.name, &meaning.split);
        let Some(spec) = places.data.get(&task.name) else {
            if digest(None) != task.data {
                return Err(JobError::Incomplete(format!("it does not locate the data of `{}`", task.name)));
            }
            continue;
        };
        let located = attempt.inputs.anything(&spec.source)?;
        attempt.note_commit(&spec.source, located.commit);
        attempt.unchanged(&spec.source, digest(Some(located.digest)), task.data)?;
        // Hidden files are no part of the digest, and so the command does not get them either.
        let is_file = located.path.is_file();
        let root = located.path.parent().filter(|_| is_file).unwrap_or(&located.path);
        let links = folder.link(&format!("data/{number}"), root, located.files_in_use.paths())?;
        let name = located.path.file_name().filter(|_| is_file);
        data.paths.insert(task.name.clone(), name.map_or(links.clone(), |name| links.join(name)));
        data.files.extend(&located.files_in_use);
    }
    Ok(data)
}

/// The tasks that an answer needs, in order.
fn wanted(meaning: &Meaning, slice: Option<&[Vec<u64>]>) -> Vec<Wanted> {
    let of_task = |(place, task): (usize, &jobs::TaskInput)| {
        let examples = slice.map(|slice| slice[place].len() as u64);
        (examples != Some(0)).then(|| Wanted { task: task.name.clone(), examples })
    };
    meaning.tasks.iter().enumerate().filter_map(of_task).collect()
}

/// What a command is told.
struct Told<'a> {
    command: &'a CommandInput,
    allowed: &'a CommandSettings,
    slice: Option<&'a [Vec<u64>]>,
    data: Data,
    settings: &'a EngineSettings,
}

impl Told<'_> {
    fn variables(&self, meaning: &Meaning, folder: &CommandFolder, written: &Written) -> Result<Variables, JobError> {
        let mut variables = Variables::of(self.command, self.allowed);
        variables.set_default("HOME", &folder.home());
        variables.set_default("TMPDIR", &folder.temporary());
        variables.set("BOWLINE_BASE", absolute(&written.base));
        if let Some(Handed { variable, folder }) = &written.handed {
            variables.set(variable, absolute(folder));
        }
        let examples = |place: usize| self.slice.map(|slice| slice[place].as_slice());
        let asked =
            || meaning.tasks.iter().enumerate().filter(|(place, _)| !examples(*place).is_some_and(<[u64]>::is_empty));
        let names: Vec<&str> = asked().map(|(_, task)| task.name.as_str()).collect();
        variables.set("BOWLINE_TASKS", names.join(" "));
        variables.set("BOWLINE_SPLIT", &meaning.split);
        variables.set("BOWLINE_OUTPUT", folder.output());
        variables.set("BOWLINE_DEVICE", device_name(self.settings.device));
        let threads = self.settings.threads.unwrap_or_else(num_cpus::get_physical);
        variables.set("BOWLINE_THREADS", threads.to_string());
        if self.slice.is_some() {
            let slice: BTreeMap<&str, &[u64]> =
                asked().filter_map(|(place, task)| Some((task.name.as_str(), examples(place)?))).collect();
            variables.set("BOWLINE_SLICE", folder.describe("slice.json", &slice)?);
        }
        let tasks = asked().map(|(place, task)| DescribedTask {
            name: &task.name,
            data: self.data.paths.get(&task.name).map(|path| absolute(path)),
            examples: examples(place),
        });
        let description = Description { split: &meaning.split, tasks: tasks.collect() };
        variables.set("BOWLINE_JOB", folder.describe("job.json", &description)?);
        Ok(variables)
    }
}

/// The command has another working folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

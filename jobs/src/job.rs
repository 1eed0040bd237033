use crate::{
    CommandInput, CommandLocations, DataSpec, Digest, InputRef, JobSpec, Precision, Recipe, Slice, StatisticsInput,
    stored::StoredJob,
};
use serde::{Deserialize, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The version of what turns a model and files into scores: decoding, preprocessing, towers, heads, counting. It is part
/// of every job's identity and grows when the same files would give other scores, together with `evaluation::SEMANTICS`.
///
/// Where only some models are concerned, their digest can say so instead, and the results of all others stay.
pub const EVALUATION_SEMANTICS: u32 = 1;

/// [`EVALUATION_SEMANTICS`] of an evaluation in this precision: with 16 bits it also says what is rounded and where, and grows when that changes.
///
/// Since 2, `bf16` on a processor rounds the matrices of blocks or layers and the rows that they multiply; before, products were rounded as
/// well, or rows of texts were not. Since 3, merged matrices of texts are rounded once, from the matrix of the file.
pub fn evaluation_semantics(precision: Precision) -> u32 {
    match precision {
        Precision::F32 => EVALUATION_SEMANTICS,
        Precision::Bf16 | Precision::F16 => EVALUATION_SEMANTICS + 2,
    }
}

/// The identity of a job: the digest of its [`JobSpec`], 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Digest);

impl JobId {
    /// The id as a digest.
    pub fn digest(&self) -> Digest {
        self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl From<Digest> for JobId {
    /// Takes a digest for what it was made from: the specification of a job.
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = crate::DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One thing to make: small, plain, and independent of every other job.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "StoredJob<'_>")]
pub struct Job {
    id: JobId,
    spec: JobSpec,
    /// Where the inputs lie; no part of the identity.
    pub places: InputLocations,
}

impl Job {
    /// The newest version of the message. An evaluation is written as version 1, a job that writes as version 2, and jobs
    /// with statistics or with newer recipes as version 3.
    pub const VERSION: u32 = 3;

    /// The job of `spec`, with its inputs at `places`.
    pub fn new(spec: impl Into<JobSpec>, places: InputLocations) -> Self {
        let spec = spec.into();
        Self { id: spec.id(), spec, places }
    }

    /// The job's identity. It is computed once: [`JobSpec::id`] writes and hashes the whole specification.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What decides the outcome.
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }
}

impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredJob::from(self).serialize(serializer)
    }
}

/// All that decides the outcome of an evaluation, and nothing else: its digest is the job's id.
///
/// Not here: the sweep's name, the place in a search, the attempt, the worker, paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// [`evaluation_semantics`] of the precision when it was made; what a merge means is versioned in its recipe.
    pub evaluation: u32,
    /// The base model's content.
    pub base: Digest,
    /// Which model is made.
    pub subject: Subject,
    /// The adapters that take part, in merge order: all for a merge, one for a single adapter, none for the base.
    pub adapters: Vec<AdapterInput>,
    /// What the model is evaluated on.
    pub tasks: Vec<TaskInput>,
    /// How it is scored.
    pub benchmark: BenchmarkInput,
    /// The name of the split, such as `validation`.
    pub split: String,
    /// The number format of the evaluation.
    pub precision: Precision,
    /// The statistics that the recipe merges by, in the order of the adapters; none for most recipes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<StatisticsInput>,
    /// The examples that are evaluated; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
}

impl Meaning {
    /// The digest of the canonical JSON of the meaning.
    pub fn id(&self) -> JobId {
        JobId(Digest::of_json(self))
    }

    /// The evaluation of the same model on all examples.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { slice: None, ..self.clone() }
    }

    /// The id of the evaluation of the same model on all examples.
    pub fn whole_id(&self) -> JobId {
        if self.slice.is_none() { self.id() } else { self.whole().id() }
    }

    /// Whether this version of the program computes what was meant.
    ///
    /// # Errors
    /// The evaluation or the recipe is of another version of its semantics: the same job would come to other numbers here,
    /// under an id that promises those of that version.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        let ours = evaluation_semantics(self.precision);
        if self.evaluation != ours {
            return Err(OtherSemantics { part: "evaluation", job: self.evaluation, ours });
        }
        if let Some(command) = self.benchmark.command() {
            command.check_semantics()?;
        }
        match &self.subject {
            Subject::Merge { recipe } => recipe.check_semantics(),
            Subject::Base | Subject::Adapter { .. } | Subject::Ensemble { .. } => Ok(()),
        }
    }
}

/// A job that is for another version of the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the job's {part} is of semantics {job}, while this Bowline computes semantics {ours}")]
pub struct OtherSemantics {
    /// What differs: `evaluation`, `recipe`, `output`, `statistics` or `command`.
    pub part: &'static str,
    /// The job's version.
    pub job: u32,
    /// This program's version.
    pub ours: u32,
}

/// The model that a job makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// The base model as it is: the zero-shot numbers.
    Base,
    /// One adapter alone at its true scale: the individually fine-tuned numbers.
    Adapter {
        /// The task whose adapter it is.
        task: String,
    },
    /// A merge of all adapters.
    Merge {
        /// How they are merged.
        recipe: Box<Recipe>,
    },
    /// Every adapter alone, each on the examples of all tasks: no single model, and what a merge is held against.
    Ensemble {
        /// How their scores become one.
        rule: EnsembleRule,
    },
}

/// How the scores of several models for one example become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnsembleRule {
    /// Of each class, the largest.
    Max,
}

impl EnsembleRule {
    /// Its name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
        }
    }
}

/// An adapter's part in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterInput {
    /// The task it was trained for.
    pub task: String,
    /// Its content; of an adapter that a job of the sweep trains, the id of the job that finishes it.
    pub digest: Digest,
}

/// A task's part in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskInput {
    /// The task's name.
    pub name: String,
    /// The content of the split's files, with the rule that cuts the split out of them.
    pub data: Digest,
    /// The head, unless the benchmark brings one for all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Digest>,
}

/// The benchmark's part in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BenchmarkInput {
    /// Every task against its own head.
    PerTask,
    /// All tasks against one head over the labels of all of them.
    Joint {
        /// The joint head, with the map from every task's labels to its rows.
        head: Digest,
    },
    /// Every task by a command of the user.
    Command(Box<CommandInput>),
}

impl BenchmarkInput {
    /// The command that evaluates the tasks, if one does.
    pub fn command(&self) -> Option<&CommandInput> {
        match self {
            Self::Command(command) => Some(command),
            Self::PerTask | Self::Joint { .. } => None,
        }
    }
}

/// Where the inputs of a job lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLocations {
    /// The base model's folder.
    pub base: InputRef,
    /// The adapters' folders, by task.
    pub adapters: BTreeMap<String, InputRef>,
    /// The tasks' data, by task.
    pub data: BTreeMap<String, DataSpec>,
    /// The tasks' heads, by task.
    pub heads: BTreeMap<String, HeadSpec>,
    /// The joint benchmark's head, if it comes from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointHeadSpec>,
    /// Evaluations of the same model on some of the examples, whose results may be stored. A worker evaluates the others
    /// only; a result that it cannot use costs time and changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<JobId>,
    /// The files of the command that evaluates, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandLocations>,
}

impl InputLocations {
    /// The places of what a model is made of, without any data.
    pub fn of_model(base: InputRef, adapters: BTreeMap<String, InputRef>) -> Self {
        Self {
            base,
            adapters,
            data: BTreeMap::new(),
            heads: BTreeMap::new(),
            joint: None,
            slices: Vec::new(),
            command: None,
        }
    }

    /// Whether an adapter was trained by another job, or a head comes from such an adapter.
    pub(crate) fn has_trained(&self) -> bool {
        let is_trained = |place: &InputRef| matches!(place, InputRef::Artefact(_));
        self.adapters.values().any(is_trained)
            || self.heads.values().any(|head| matches!(head, HeadSpec::Adapter(place) if is_trained(place)))
    }
}

/// Where a task's class vectors come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HeadSpec {
    /// A safetensors file with `weight` [classes, features].
    File(InputRef),
    /// The one that an adapter brings, `score.weight` or `classifier.weight` [classes, features]. The digest of the adapter
    /// stands for it in a job's meaning, also where the adapter itself takes no part.
    Adapter(InputRef),
    /// Made by the text tower: class names put into templates.
    Prompts {
        /// Class names, in label order.
        classes: Vec<String>,
        /// Templates; `{}` stands for the class name.
        templates: Vec<String>,
    },
}

impl HeadSpec {
    /// What stands for a head in a job's meaning, if it is made from prompts: the digest of class names and templates.
    ///
    /// With the base's digest, which the meaning holds too, it decides the class vectors.
    pub fn prompts_digest(classes: &[String], templates: &[String]) -> Digest {
        Digest::of_json(&("prompts", classes, templates))
    }
}

impl JointHeadSpec {
    /// What stands for a joint head in a job's meaning, if it comes from files.
    pub fn digest(head: Digest, map: Digest) -> Digest {
        Digest::of_json(&("joint", head, map))
    }
}

/// The files of a joint head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointHeadSpec {
    /// A safetensors file with `weight` [joint classes, features].
    pub head: InputRef,
    /// A JSON file whose `map` gives, for every task, the joint row of each label.
    pub map: InputRef,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Preset, RecipeSpec};
    use serde_json::json;

    fn meaning() -> Meaning {
        let adapters = vec![AdapterInput { task: "mnist".to_owned(), digest: Digest::of(b"adapter") }];
        let tasks =
            vec![TaskInput { name: "mnist".to_owned(), data: Digest::of(b"data"), head: Some(Digest::of(b"head")) }];
        Meaning {
            evaluation: EVALUATION_SEMANTICS,
            base: Digest::of(b"base"),
            subject: Subject::Merge { recipe: Box::new(Preset::KnotsTies.recipe()) },
            adapters,
            tasks,
            benchmark: BenchmarkInput::PerTask,
            split: "validation".to_owned(),
            precision: Precision::F32,
            statistics: Vec::new(),
            slice: None,
        }
    }

    #[test]
    fn the_id_is_the_same_on_every_machine_and_in_every_release() {
        // A changed id means that every stored result is computed again: bump `SEMANTICS` knowingly.
        let id = "0fc26d45203629bb68fd9317e4557250954ba53ec91b3102c5548423d289ea78";
        assert_eq!(meaning().id().to_string(), id);
        assert_eq!(JobSpec::from(meaning()).id().to_string(), id);
    }

    #[test]
    fn a_change_of_one_method_leaves_the_ids_of_the_others_as_they_were() {
        let id = |spec: serde_json::Value| {
            let recipe = serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap();
            Meaning { subject: Subject::Merge { recipe: Box::new(recipe) }, ..meaning() }.id().short()
        };
        // The ids of version 1, from a Python program that hashes the canonical JSON.
        for (preset, expected) in [
            ("task_arithmetic", "89ff131d398b"),
            ("ties", "a380888fcb5d"),
            ("dare_ties", "20fe8b1cf1ea"),
            ("knots_ties", "0fc26d452036"),
            ("knots_dare_ties", "c03a11be0d8f"),
            ("core_ties", "37b4830c7324"),
            ("core_iso_c", "c6faf0d2df9e"),
            ("core_iso_cts", "3de1a062af12"),
        ] {
            assert_eq!(id(json!({"preset": preset})), expected, "{preset}");
        }
        assert_eq!(id(json!({"preset": "iso_c"})), id(json!({"preset": "core_iso_c"})));
        assert_eq!(id(json!({"preset": "iso_c"})), id(json!({"preset": "knots_iso_c"})));
    }

    #[test]
    fn what_decides_the_outcome_changes_the_id() {
        let other = Digest::of(b"other");
        let second = AdapterInput { task: "icons".to_owned(), digest: other };
        let changes: [fn(&mut Meaning, Digest, AdapterInput); 12] = [
            |meaning, _, _| meaning.evaluation += 1,
            |meaning, other, _| meaning.base = other,
            |meaning, _, _| meaning.subject = Subject::Base,
            |meaning, _, _| meaning.subject = Subject::Ensemble { rule: EnsembleRule::Max },
            |meaning, _, _| {
                meaning.subject = Subject::Merge { recipe: Box::new(Preset::KnotsTies.recipe().with_scaling(0.5)) };
            },
            |meaning, _, second| meaning.adapters.push(second),
            |meaning, _, second| meaning.adapters.insert(0, second),
            |meaning, other, _| meaning.tasks[0].data = other,
            |meaning, other, _| meaning.benchmark = BenchmarkInput::Joint { head: other },
            |meaning, _, _| meaning.split = "test".to_owned(),
            |meaning, other, _| {
                meaning.statistics = vec![StatisticsInput { task: "mnist".to_owned(), job: JobId::from(other) }];
            },
            |meaning, _, _| {
                let tasks = vec![crate::TaskShare { examples: 9, weight: 1.0 }];
                meaning.slice = Some(Slice { seed: 0, sequence_of: None, from: 0, to: 4, tasks });
            },
        ];
        let mut ids = std::collections::BTreeSet::from([meaning().id()]);
        for change in changes {
            let mut changed = meaning();
            change(&mut changed, other, second.clone());
            assert!(ids.insert(changed.id()), "{changed:?}");
        }
    }

    #[test]
    fn a_job_of_another_semantics_is_told_from_ours() {
        assert_eq!(meaning().check_semantics(), Ok(()));
        let later = Meaning { evaluation: EVALUATION_SEMANTICS + 1, ..meaning() };
        let error = later.check_semantics().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the job's evaluation is of semantics 2, while this Bowline computes semantics 1"
        );
        let rounded = Meaning { precision: Precision::Bf16, ..meaning() };
        assert_eq!(
            rounded.check_semantics(),
            Err(OtherSemantics { part: "evaluation", job: 1, ours: 3 }),
            "what is rounded in 16 bits has changed since"
        );
        let rounded = Meaning { evaluation: evaluation_semantics(Precision::Bf16), ..rounded };
        assert_eq!(rounded.check_semantics(), Ok(()));
        let of = |recipe| Meaning { subject: Subject::Merge { recipe: Box::new(recipe) }, ..meaning() };
        let other = of(Recipe { semantics: 7, ..Preset::KnotsTies.recipe() });
        assert_eq!(other.check_semantics(), Err(OtherSemantics { part: "recipe", job: 7, ours: 1 }));
        assert_eq!(Meaning { subject: Subject::Base, ..meaning() }.check_semantics(), Ok(()));
        let older = of(Recipe { semantics: 1, ..Preset::Tsv.recipe() });
        assert_eq!(older.check_semantics(), Err(OtherSemantics { part: "recipe", job: 1, ours: 2 }));
        assert_eq!(of(Preset::Tsv.recipe()).check_semantics(), Ok(()));
    }

    #[test]
    fn where_the_inputs_lie_does_not_change_the_id() {
        let places = |base: &str| InputLocations {
            base: InputRef::Path(base.into()),
            adapters: BTreeMap::new(),
            data: BTreeMap::new(),
            heads: BTreeMap::new(),
            joint: None,
            slices: Vec::new(),
            command: None,
        };
        assert_eq!(Job::new(meaning(), places("/here")).id(), Job::new(meaning(), places("/there")).id());
    }

    #[test]
    fn the_id_survives_the_way_through_json_whatever_the_numbers() {
        for part in 1..=2000 {
            let recipe = Preset::KnotsTies.recipe().with_scaling(f64::from(part) / 24.0);
            let meaning = Meaning { subject: Subject::Merge { recipe: Box::new(recipe) }, ..meaning() };
            let json = serde_json::to_string(&meaning).unwrap();
            assert_eq!(serde_json::from_str::<Meaning>(&json).unwrap().id(), meaning.id(), "{json}");
        }
    }

    #[test]
    fn a_message_with_unknown_fields_is_refused() {
        let mut value = serde_json::to_value(meaning()).unwrap();
        value["colour"] = "red".into();
        assert!(serde_json::from_value::<Meaning>(value).unwrap_err().to_string().contains("unknown field `colour`"));
    }
}

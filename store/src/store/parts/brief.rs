use super::{PartError, file::Part};
use jobs::{JobId, JobResult, Meaning, RunFacts, Subject, TaskScore, Timings, canonical_json};
use parquet::data_type::ByteArray;
use serde_json::json;
use std::{collections::HashMap, mem, str, sync::Arc};

const JOB: &str = "job";
const FINISHED: &str = "finished_ms";
const SUBJECT: &str = "subject";
const SCORES: &str = "scores";
const GROUND: &str = "ground";
const RUN: &str = "run";

/// A result without what tables do not ask for: which examples were right, what the merge found, and the commits of hub
/// inputs.
///
/// A million results of a sweep are computed on the same few grounds by a handful of workers: they share what is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct BriefResult {
    /// The job's id.
    pub job: JobId,
    /// What was evaluated.
    pub subject: Subject,
    /// The meaning of the job, but for its subject.
    pub ground: Arc<Meaning>,
    /// The scores, in the order of the meaning's tasks.
    pub scores: Vec<TaskScore>,
    /// How long the parts took.
    pub timings: Timings,
    /// Who computed it on what, but for when.
    pub run: Arc<RunFacts>,
    /// When the result was ready: milliseconds since 1970, UTC.
    pub finished_ms: u64,
}

impl From<JobResult> for BriefResult {
    fn from(result: JobResult) -> Self {
        let JobResult { version: _, job, mut meaning, mut scores, merge: _, timings, mut run } = result;
        let subject = mem::replace(&mut meaning.subject, Subject::Base);
        scores.iter_mut().for_each(|score| score.right = None);
        run.commits.clear();
        let finished_ms = mem::take(&mut run.finished_ms);
        Self { job, subject, ground: Arc::new(meaning), scores, timings, run: Arc::new(run), finished_ms }
    }
}

/// A column of seconds.
pub(super) struct Seconds {
    pub(super) name: &'static str,
    pub(super) of: fn(&Timings) -> f64,
}

/// The columns of seconds, in the order of the schema.
pub(super) const SECONDS: [Seconds; 4] = [
    Seconds { name: "load_s", of: |timings| timings.load_s },
    Seconds { name: "align_s", of: |timings| timings.align_s },
    Seconds { name: "merge_s", of: |timings| timings.merge_s },
    Seconds { name: "evaluate_s", of: |timings| timings.evaluate_s },
];

/// The scores without the single examples.
pub(super) fn scores_text(result: &JobResult) -> String {
    let scores: Vec<TaskScore> = result.scores.iter().map(|score| TaskScore { right: None, ..score.clone() }).collect();
    canonical_json(&scores)
}

/// The meaning with the same subject for all.
pub(super) fn ground_text(result: &JobResult) -> String {
    canonical_json(&Meaning { subject: Subject::Base, ..result.meaning.clone() })
}

/// Who computed it on what, without when and from which commits.
pub(super) fn run_text(result: &JobResult) -> String {
    let RunFacts { worker, attempt, device, versions, commits: _, finished_ms: _ } = &result.run;
    canonical_json(
        &json!({"worker": worker, "attempt": attempt, "device": device, "versions": versions, "finished_ms": 0}),
    )
}

/// Reads the results of a part from its small columns.
pub(super) struct Reader<'a> {
    part: &'a Part,
    columns: Columns,
    grounds: HashMap<Vec<u8>, Arc<Meaning>>,
    runs: HashMap<Vec<u8>, Arc<RunFacts>>,
}

/// Where the columns are.
struct Columns {
    job: usize,
    finished: usize,
    subject: usize,
    scores: usize,
    ground: usize,
    run: usize,
    seconds: [usize; 4],
}

/// The cells of a group of rows.
struct Cells {
    jobs: Vec<ByteArray>,
    finished: Vec<i64>,
    subjects: Vec<ByteArray>,
    scores: Vec<ByteArray>,
    grounds: Vec<ByteArray>,
    runs: Vec<ByteArray>,
    seconds: [Vec<f64>; 4],
}

impl<'a> Reader<'a> {
    /// `None` if the part was written before it had these columns.
    pub(super) fn new(part: &'a Part) -> Option<Self> {
        let [load, align, merge, evaluate] = SECONDS.map(|seconds| part.position(seconds.name));
        let columns = Columns {
            job: part.position(JOB)?,
            finished: part.position(FINISHED)?,
            subject: part.position(SUBJECT)?,
            scores: part.position(SCORES)?,
            ground: part.position(GROUND)?,
            run: part.position(RUN)?,
            seconds: [load?, align?, merge?, evaluate?],
        };
        Some(Self { part, columns, grounds: HashMap::new(), runs: HashMap::new() })
    }

    /// The results of a group, each by itself.
    ///
    /// # Errors
    /// A column cannot be read.
    pub(super) fn results(&mut self, group: usize) -> Result<Vec<Result<BriefResult, PartError>>, PartError> {
        let (part, at) = (self.part, &self.columns);
        let [load, align, merge, evaluate] = at.seconds;
        let seconds = |column, place: usize| part.numbers(group, column, SECONDS[place].name);
        let cells = Cells {
            jobs: part.texts(group, at.job, JOB)?,
            finished: part.wholes(group, at.finished, FINISHED)?,
            subjects: part.texts(group, at.subject, SUBJECT)?,
            scores: part.texts(group, at.scores, SCORES)?,
            grounds: part.texts(group, at.ground, GROUND)?,
            runs: part.texts(group, at.run, RUN)?,
            seconds: [seconds(load, 0)?, seconds(align, 1)?, seconds(merge, 2)?, seconds(evaluate, 3)?],
        };
        Ok((0..cells.jobs.len()).map(|row| self.result(&cells, row)).collect())
    }

    fn result(&mut self, cells: &Cells, row: usize) -> Result<BriefResult, PartError> {
        let job = cells.jobs[row].data();
        let named = || String::from_utf8_lossy(job).escape_debug().to_string();
        let job = str::from_utf8(job).ok().and_then(|text| text.parse().ok());
        let at = |column| move |source| PartError::Cell { column, row, source };
        let subject = serde_json::from_slice(cells.subjects[row].data()).map_err(at(SUBJECT))?;
        let scores = serde_json::from_slice(cells.scores[row].data()).map_err(at(SCORES))?;
        let ground = shared(&mut self.grounds, cells.grounds[row].data()).map_err(at(GROUND))?;
        let run = shared(&mut self.runs, cells.runs[row].data()).map_err(at(RUN))?;
        let [load_s, align_s, merge_s, evaluate_s] = [0, 1, 2, 3].map(|place| cells.seconds[place][row]);
        Ok(BriefResult {
            job: job.ok_or_else(|| PartError::Job { text: named() })?,
            subject,
            ground,
            scores,
            timings: Timings { load_s, align_s, merge_s, evaluate_s },
            run,
            finished_ms: u64::try_from(cells.finished[row]).unwrap_or_default(),
        })
    }
}

/// What `text` says, which is read once however many rows say it.
fn shared<T: serde::de::DeserializeOwned>(
    known: &mut HashMap<Vec<u8>, Arc<T>>,
    text: &[u8],
) -> Result<Arc<T>, serde_json::Error> {
    if let Some(known) = known.get(text) {
        return Ok(Arc::clone(known));
    }
    let read: Arc<T> = Arc::new(serde_json::from_slice(text)?);
    known.insert(text.to_vec(), Arc::clone(&read));
    Ok(read)
}

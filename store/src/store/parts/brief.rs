use super::{
    PartError,
    file::Part,
    row::{Cells, RowDigest},
};
use jobs::{Digest, JobId, JobResult, Meaning, RunFacts, Subject, TaskScore, Timings, check_answer};
use parquet::data_type::ByteArray;
use std::{collections::HashMap, mem, str, sync::Arc};

const JOB: &str = "job";
const FINISHED: &str = "finished_ms";
const SPLIT: &str = "split";
const SUBJECT: &str = "subject";
const SCORES: &str = "scores";
const GROUND: &str = "ground";
const RUN: &str = "run";
/// The digest of what a reader takes from the row.
pub(super) const ROW_DIGEST: &str = "row_digest";

/// A result without what tables do not ask for: which examples were right, what the merge found, and the commits of hub
/// inputs.
///
/// A million results of a sweep have few different inputs and workers: results share what is the same.
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
        let JobResult { job, mut meaning, mut scores, merge: _, timings, mut run } = result;
        let subject = mem::replace(&mut meaning.subject, Subject::Base);
        for score in &mut scores {
            score.right = None;
            score.within.clear();
        }
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

/// Reads the results of a part from its small columns.
pub(super) struct Reader<'a> {
    part: &'a Part,
    columns: Columns,
    grounds: HashMap<Vec<u8>, Shared<Meaning>>,
    runs: HashMap<Vec<u8>, Shared<RunFacts>>,
}

/// What many rows say, with the digest of its text.
struct Shared<T> {
    value: Arc<T>,
    digest: Digest,
}

/// Where the columns are.
struct Columns {
    job: usize,
    finished: usize,
    split: usize,
    subject: usize,
    scores: usize,
    ground: usize,
    run: usize,
    seconds: [usize; 4],
    row_digest: usize,
}

/// The cells of a group of rows.
struct Group {
    jobs: Vec<ByteArray>,
    finished: Vec<i64>,
    splits: Vec<ByteArray>,
    subjects: Vec<ByteArray>,
    scores: Vec<ByteArray>,
    grounds: Vec<ByteArray>,
    runs: Vec<ByteArray>,
    seconds: [Vec<f64>; 4],
    digests: Vec<ByteArray>,
}

impl<'a> Reader<'a> {
    /// `None` if the part was written before it had these columns or a digest of them: without the digest, damage would
    /// not be detected.
    pub(super) fn new(part: &'a Part) -> Option<Self> {
        let [load, align, merge, evaluate] = SECONDS.map(|seconds| part.position(seconds.name));
        let columns = Columns {
            job: part.position(JOB)?,
            finished: part.position(FINISHED)?,
            split: part.position(SPLIT)?,
            subject: part.position(SUBJECT)?,
            scores: part.position(SCORES)?,
            ground: part.position(GROUND)?,
            run: part.position(RUN)?,
            seconds: [load?, align?, merge?, evaluate?],
            row_digest: part.position(ROW_DIGEST)?,
        };
        Some(Self { part, columns, grounds: HashMap::new(), runs: HashMap::new() })
    }

    /// The results of a group, each by itself.
    ///
    /// # Errors
    /// A column cannot be read.
    pub(super) fn results(&mut self, group: usize) -> Result<Vec<Result<BriefResult, PartError>>, PartError> {
        let part = self.part;
        let at = &self.columns;
        let [load, align, merge, evaluate] = at.seconds;
        let seconds = |column, place: usize| part.numbers(group, column, SECONDS[place].name);
        let cells = Group {
            jobs: part.texts(group, at.job, JOB)?,
            finished: part.wholes(group, at.finished, FINISHED)?,
            splits: part.texts(group, at.split, SPLIT)?,
            subjects: part.texts(group, at.subject, SUBJECT)?,
            scores: part.texts(group, at.scores, SCORES)?,
            grounds: part.texts(group, at.ground, GROUND)?,
            runs: part.texts(group, at.run, RUN)?,
            seconds: [seconds(load, 0)?, seconds(align, 1)?, seconds(merge, 2)?, seconds(evaluate, 3)?],
            digests: part.texts(group, at.row_digest, ROW_DIGEST)?,
        };
        Ok((0..cells.jobs.len()).map(|row| self.result(&cells, row)).collect())
    }

    fn result(&mut self, cells: &Group, row: usize) -> Result<BriefResult, PartError> {
        let job = cells.jobs[row].data();
        let named = || String::from_utf8_lossy(job).escape_debug().to_string();
        let at = |column| move |source| PartError::Cell { column, row, source };
        let ground = shared(&mut self.grounds, cells.grounds[row].data());
        let run = shared(&mut self.runs, cells.runs[row].data());
        let seconds = [0, 1, 2, 3].map(|place| cells.seconds[place][row]);
        let found = RowDigest {
            job,
            finished_ms: cells.finished[row],
            split: cells.splits[row].data(),
            subject: cells.subjects[row].data(),
            scores: cells.scores[row].data(),
            ground: digest_of(&ground, cells.grounds[row].data()),
            run: digest_of(&run, cells.runs[row].data()),
            seconds,
        };
        // The digest is checked before the cells are used.
        if found.digest().as_bytes() != cells.digests[row].data() {
            return Err(PartError::Altered { job: named() });
        }
        let Shared { value: ground, .. } = ground.map_err(at(GROUND))?;
        let Shared { value: run, .. } = run.map_err(at(RUN))?;
        let job: Option<JobId> = str::from_utf8(job).ok().and_then(|text| text.parse().ok());
        let job = job.ok_or_else(|| PartError::Job { text: named() })?;
        let [load_s, align_s, merge_s, evaluate_s] = seconds;
        let result = BriefResult {
            job,
            subject: serde_json::from_slice(cells.subjects[row].data()).map_err(at(SUBJECT))?,
            ground,
            scores: serde_json::from_slice(cells.scores[row].data()).map_err(at(SCORES))?,
            timings: Timings { load_s, align_s, merge_s, evaluate_s },
            run,
            finished_ms: u64::try_from(cells.finished[row]).unwrap_or_default(),
        };
        // Older programs checked less when they wrote parts.
        let checked = check_answer(&result.ground, &result.scores, &result.timings);
        checked.map_err(|source| PartError::Fault { job, source })?;
        Ok(result)
    }
}

/// The parsed `text`. It is parsed once for all rows that have it.
fn shared<T: serde::de::DeserializeOwned>(
    known: &mut HashMap<Vec<u8>, Shared<T>>,
    text: &[u8],
) -> Result<Shared<T>, serde_json::Error> {
    if let Some(known) = known.get(text) {
        return Ok(known.clone());
    }
    let read = Shared { value: Arc::new(serde_json::from_slice(text)?), digest: Digest::of(text) };
    known.insert(text.to_vec(), read.clone());
    Ok(read)
}

fn digest_of<T>(shared: &Result<Shared<T>, serde_json::Error>, text: &[u8]) -> Digest {
    shared.as_ref().map_or_else(|_| Digest::of(text), |shared| shared.digest)
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), digest: self.digest }
    }
}

impl From<&JobResult> for Cells {
    fn from(result: &JobResult) -> Self {
        Self::new(result, SECONDS.map(|seconds| (seconds.of)(&result.timings)))
    }
}

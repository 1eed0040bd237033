use jobs::{Digest, JobResult, Meaning, RunFacts, Subject, TaskScore, canonical_json};
use parquet::data_type::ByteArray;
use serde_json::json;

/// The cells of a row that is to be written.
pub(super) struct Cells {
    pub(super) job: ByteArray,
    pub(super) finished_ms: i64,
    pub(super) split: ByteArray,
    pub(super) subject: ByteArray,
    pub(super) scores: ByteArray,
    pub(super) ground: ByteArray,
    pub(super) run: ByteArray,
    pub(super) seconds: [f64; 4],
    /// The result as its own object has it.
    pub(super) whole: ByteArray,
}

impl Cells {
    pub(super) fn new(result: &JobResult, seconds: [f64; 4]) -> Self {
        let bytes = |text: String| ByteArray::from(text.into_bytes());
        Self {
            job: bytes(result.job.to_string()),
            finished_ms: i64::try_from(result.run.finished_ms).unwrap_or(i64::MAX),
            split: bytes(result.meaning.split.clone()),
            subject: bytes(canonical_json(&result.meaning.subject)),
            scores: bytes(scores_text(result)),
            ground: bytes(ground_text(result)),
            run: bytes(run_text(result)),
            seconds,
            whole: bytes(serde_json::to_string(result).expect("plain data with string keys")),
        }
    }

    /// The digest of what readers take from the row, but for the whole result, which has its own.
    pub(super) fn digest(&self) -> Digest {
        let digest = RowDigest {
            job: self.job.data(),
            finished_ms: self.finished_ms,
            split: self.split.data(),
            subject: self.subject.data(),
            scores: self.scores.data(),
            ground: Digest::of(self.ground.data()),
            run: Digest::of(self.run.data()),
            seconds: self.seconds,
        };
        digest.digest()
    }
}

/// The scores without the single examples.
fn scores_text(result: &JobResult) -> String {
    let scores: Vec<TaskScore> = result.scores.iter().map(|score| TaskScore { right: None, ..score.clone() }).collect();
    canonical_json(&scores)
}

/// The meaning with the same subject for all.
fn ground_text(result: &JobResult) -> String {
    canonical_json(&Meaning { subject: Subject::Base, ..result.meaning.clone() })
}

/// Who computed it on what, without when and from which commits.
fn run_text(result: &JobResult) -> String {
    let RunFacts { worker, attempt, device, versions, commits: _, finished_ms: _ } = &result.run;
    canonical_json(
        &json!({"worker": worker, "attempt": attempt, "device": device, "versions": versions, "finished_ms": 0}),
    )
}

/// What the digest of a row is taken of. Most rows share ground and run, whose digests stand for them.
pub(super) struct RowDigest<'a> {
    pub(super) job: &'a [u8],
    pub(super) finished_ms: i64,
    pub(super) split: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) scores: &'a [u8],
    pub(super) ground: Digest,
    pub(super) run: Digest,
    pub(super) seconds: [f64; 4],
}

impl RowDigest<'_> {
    /// The digest of the cells, each text behind its length.
    pub(super) fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(1024);
        for text in [self.job, self.split, self.subject, self.scores] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        bytes.extend_from_slice(&self.finished_ms.to_le_bytes());
        bytes.extend_from_slice(self.ground.as_bytes());
        bytes.extend_from_slice(self.run.as_bytes());
        for seconds in self.seconds {
            bytes.extend_from_slice(&seconds.to_bits().to_le_bytes());
        }
        Digest::of(&bytes)
    }
}

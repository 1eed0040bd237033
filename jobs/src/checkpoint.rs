use crate::{Digest, JobId, version::known};
use serde::{Deserialize, Serialize};

/// What an unfinished job had come to, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    #[serde(deserialize_with = "known::<_, 1, { Checkpoint::VERSION }>")]
    version: u32,
    job: JobId,
    /// Of the state.
    digest: Digest,
    state: String,
}

/// A checkpoint that a job cannot continue from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is not what a worker of this version keeps.
    #[error("it is no checkpoint")]
    Json(#[from] serde_json::Error),
    /// It is of another job.
    #[error("it is of the job {}", .0.short())]
    OtherJob(JobId),
    /// The state is not the one that was kept.
    #[error("the digest of its state is {}, not {}", .found.short(), .expected.short())]
    Altered {
        /// The digest that was written with it.
        expected: Digest,
        /// The digest of the state that is there.
        found: Digest,
    },
}

impl Checkpoint {
    /// The version of the document.
    pub const VERSION: u32 = 1;

    /// The state that `job` has come to.
    pub fn new(job: JobId, state: String) -> Self {
        Self { version: Self::VERSION, job, digest: Digest::of(state.as_bytes()), state }
    }

    /// The text that the store keeps.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a checkpoint holds texts")
    }

    /// Reads the state of `job`.
    ///
    /// # Errors
    /// It is no checkpoint, one of another job or version, or its state was altered.
    pub fn read(job: JobId, bytes: &[u8]) -> Result<String, CheckpointError> {
        let read: Self = serde_json::from_slice(bytes)?;
        if read.job != job {
            return Err(CheckpointError::OtherJob(read.job));
        }
        let found = Digest::of(read.state.as_bytes());
        if found != read.digest {
            return Err(CheckpointError::Altered { expected: read.digest, found });
        }
        Ok(read.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        Digest::of(name.as_bytes()).to_string().parse().unwrap()
    }

    fn refused(text: &str) -> String {
        Checkpoint::read(job("one"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_state_comes_back_as_it_was_kept() {
        let state = "{\"steps\": \"ü\"}".to_owned();
        let bytes = Checkpoint::new(job("one"), state.clone()).to_json();
        assert_eq!(Checkpoint::read(job("one"), &bytes).unwrap(), state);
    }

    #[test]
    fn a_checkpoint_of_another_job_or_version_and_one_that_was_altered_are_refused() {
        let text = String::from_utf8(Checkpoint::new(job("one"), "state 1".to_owned()).to_json()).unwrap();
        assert!(refused(&text.replace("state 1", "state 2")).starts_with("the digest of its state is "));
        assert_eq!(refused(&text.replace("\"version\":1", "\"version\":2")), "it is no checkpoint");
        assert_eq!(refused(&text[..text.len() / 2]), "it is no checkpoint");
        let other = Checkpoint::new(job("other"), "state".to_owned()).to_json();
        assert!(refused(&String::from_utf8(other).unwrap()).starts_with("it is of the job "));
    }
}

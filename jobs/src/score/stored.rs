use super::{TaskScore, TaskScoreError};
use crate::Bitmap;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A score as it was written, before a look at whether its numbers can be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredScore {
    task: String,
    n: u64,
    correct: u64,
    #[serde(default)]
    hits: BTreeMap<u32, u64>,
    #[serde(default)]
    right: Option<String>,
    #[serde(default)]
    truncated: u64,
    #[serde(default)]
    within: BTreeMap<u32, String>,
    #[serde(default)]
    mean: Option<f64>,
}

impl TryFrom<StoredScore> for TaskScore {
    type Error = TaskScoreError;

    fn try_from(stored: StoredScore) -> Result<Self, TaskScoreError> {
        let StoredScore { task, n, correct, hits, right, truncated, within, mean } = stored;
        // More examples than memory has bytes fail as a length that is not met.
        let len = usize::try_from(n).unwrap_or(usize::MAX);
        let read = |key: &'static str, text: String| {
            Bitmap::parse(&text, len).map_err(|reason| TaskScoreError::Bitmap { key, task: task.clone(), reason })
        };
        let right = right.map(|text| read("right", text)).transpose()?;
        let within = within.into_iter().map(|(rank, text)| Ok((rank, read("within", text)?)));
        let within = within.collect::<Result<_, TaskScoreError>>()?;
        let score = Self { task, n, correct, hits, right, truncated, within, mean };
        score.check()?;
        Ok(score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TaskScore, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_score_of_an_older_program_is_read_and_written_as_it_was() {
        let json = r#"{"task":"mnist","n":3,"correct":2}"#;
        let score = read(json).unwrap();
        assert_eq!(score.right, None);
        assert_eq!(serde_json::to_string(&score).unwrap(), json);
    }

    #[test]
    fn a_mean_reads_back_and_stands_beside_no_count() {
        let json = r#"{"task":"f1","n":3,"correct":0,"mean":0.25}"#;
        let score = read(json).unwrap();
        assert_eq!((score.mean, score.right_answers()), (Some(0.25), None));
        assert!((score.accuracy() - 0.25).abs() < 1e-12);
        assert_eq!(serde_json::to_string(&score).unwrap(), json);
        let refused = |json: &str| read(json).unwrap_err();
        let error = refused(r#"{"task":"f1","n":3,"correct":1,"mean":0.25}"#);
        assert!(error.starts_with("task `f1` has a mean beside counts"), "{error}");
        let error = refused(r#"{"task":"f1","n":3,"correct":0,"mean":1.25}"#);
        assert!(error.starts_with("task `f1` has the mean 1.25"), "{error}");
    }

    #[test]
    fn examples_read_back_as_they_were() {
        let json = r#"{"task":"mnist","n":3,"correct":2,"hits":{"1":2},"right":"BQ"}"#;
        let score = read(json).unwrap();
        assert_eq!(score.right, Some([true, false, true].into_iter().collect()));
        assert_eq!(serde_json::to_string(&score).unwrap(), json);
    }

    #[test]
    fn examples_that_contradict_the_score_are_refused() {
        let refused = |json: &str| read(json).unwrap_err();
        let error = refused(r#"{"task":"mnist","n":30,"correct":2,"right":"BQ"}"#);
        assert!(
            error.starts_with("`right` of task `mnist` cannot be read: it has 1 bytes, and 30 examples take 4"),
            "{error}"
        );
        let error = refused(r#"{"task":"mnist","n":3,"correct":1,"right":"BQ"}"#);
        assert!(error.starts_with("`right` of task `mnist` has 2 right answers, and `correct` says 1"), "{error}");
        let error = refused(r#"{"task":"mnist","n":3,"correct":30}"#);
        assert!(error.starts_with("task `mnist` has 30 right answers of 3 examples"), "{error}");
        let error = refused(r#"{"task":"mnist","n":3,"correct":1,"wrong":"BQ"}"#);
        assert!(error.starts_with("unknown field `wrong`"), "{error}");
    }
}

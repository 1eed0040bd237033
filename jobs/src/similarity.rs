use crate::{Digest, Manifest, Precision, STATISTICS_SEMANTICS, evaluation_semantics, stored::StoredSimilarity};
use serde::{Deserialize, Serialize};

/// How alike the updates of a sweep's adapters act on the same inputs, as `bowline check --similarity` measured it.
///
/// It depends on the inputs alone, and is stored under [`Manifest::similarity_inputs`]: every sweep over the same adapters,
/// base and examples shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredSimilarity", try_from = "StoredSimilarity")]
pub struct Similarity {
    /// The tasks, in the order of the sweep.
    pub tasks: Vec<String>,
    /// The split whose first examples the inputs are of.
    pub split: String,
    /// The number of examples of each task.
    pub examples: Vec<u64>,
    /// The number of weights that the means are over.
    pub weights: u64,
    /// Linear CKA of the updates, `[task][task]`: the mean over the weights that both tasks update; `None` where there is none.
    pub before: Vec<Vec<Option<f64>>>,
    /// The same after the alignment.
    pub after: Vec<Vec<Option<f64>>>,
}

/// Why a document is no similarity of updates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` has another size than {tasks} tasks ask for, or a value outside [0, 1]")]
pub struct SimilarityError {
    /// The key of the document.
    pub key: &'static str,
    /// The number of tasks.
    pub tasks: usize,
}

/// The largest value that rounding may give instead of 1.
const LARGEST: f64 = 1.0 + 1e-6;

impl Similarity {
    /// The version of the document.
    pub const VERSION: u32 = 1;

    /// Refuses lists that do not fit the tasks, and values that are no CKA.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn checked(self) -> Result<Self, SimilarityError> {
        let tasks = self.tasks.len();
        let wrong = |key| SimilarityError { key, tasks };
        let is_cka = |cell: &Option<f64>| cell.is_none_or(|cell| (-1e-6..=LARGEST).contains(&cell));
        let is_square = |cells: &Vec<Vec<Option<f64>>>| {
            cells.len() == tasks && cells.iter().all(|row| row.len() == tasks && row.iter().all(is_cka))
        };
        if self.examples.len() != tasks {
            return Err(wrong("examples"));
        }
        if !is_square(&self.before) {
            return Err(wrong("before"));
        }
        if !is_square(&self.after) {
            return Err(wrong("after"));
        }
        Ok(self)
    }

    /// Whether it is over fewer examples than another one of the same inputs.
    pub fn is_over_fewer(&self, other: &Self) -> bool {
        self.examples.iter().sum::<u64>() < other.examples.iter().sum()
    }

    /// The mean over all pairs of different tasks; `None` if there is none.
    pub fn mean_of_pairs(cells: &[Vec<Option<f64>>]) -> Option<f64> {
        let below = |(place, row): (usize, &Vec<Option<f64>>)| row.iter().take(place).copied().collect::<Vec<_>>();
        let pairs: Vec<f64> = cells.iter().enumerate().flat_map(below).flatten().collect();
        (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64)
    }
}

/// What decides the similarity of updates, apart from the number of examples.
#[derive(Serialize)]
struct Inputs<'a> {
    similarity: u32,
    /// How statistics are measured.
    statistics: u32,
    /// How files become what a model takes.
    evaluation: u32,
    base: &'a Digest,
    /// Name, adapter and data of each task.
    tasks: Vec<(&'a str, &'a Digest, &'a Digest)>,
    split: &'a str,
    precision: Precision,
}

/// Another definition of the numbers needs another version.
const SEMANTICS: u32 = 1;

impl Manifest {
    /// The digest of the inputs on which the similarity of the sweep's updates depends; `None` if the digest of one of them is
    /// not known.
    pub fn similarity_inputs(&self) -> Option<Digest> {
        let Self { sweep, digests, .. } = self;
        let split = sweep.statistics_split();
        let of_task = |name: &'_ str| {
            Some((digests.get(&format!("adapters.{name}"))?, digests.get(&format!("data.{name}.{split}"))?))
        };
        let tasks = sweep.tasks.iter().map(|task| {
            let (adapter, data) = of_task(&task.name)?;
            Some((task.name.as_str(), adapter, data))
        });
        Some(Digest::of_json(&Inputs {
            similarity: SEMANTICS,
            statistics: STATISTICS_SEMANTICS,
            evaluation: evaluation_semantics(sweep.evaluation.precision.stated()?),
            base: digests.get("base")?,
            tasks: tasks.collect::<Option<_>>()?,
            split,
            precision: sweep.evaluation.precision.stated()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "version": 1, "tasks": ["mnist", "flags"], "split": "validation", "examples": [32, 32], "weights": 24,
            "before": [[1.0, 0.25], [0.25, 1.0]], "after": [[1.0, null], [null, 1.0]],
        })
    }

    #[test]
    fn a_document_is_read_and_written_as_it_was() {
        let similarity: Similarity = serde_json::from_value(document()).unwrap();
        assert_eq!(serde_json::to_value(&similarity).unwrap(), document());
        assert_eq!(Similarity::mean_of_pairs(&similarity.before), Some(0.25));
        assert_eq!(Similarity::mean_of_pairs(&similarity.after), None);
    }

    #[test]
    fn what_does_not_fit_the_tasks_or_is_no_cka_is_refused() {
        let later = json!(2);
        for (key, value, expected) in [
            ("examples", json!([32]), "`examples` has another size than 2 tasks ask for"),
            ("before", json!([[1.0, 0.25]]), "`before` has another size"),
            ("before", json!([[1.0, 1.5], [0.25, 1.0]]), "or a value outside [0, 1]"),
            ("after", json!([[1.0], [1.0]]), "`after` has another size"),
            ("version", later, "it has version 2"),
            ("colour", json!("red"), "unknown field `colour`"),
        ] {
            let mut document = document();
            document[key] = value;
            let error = serde_json::from_value::<Similarity>(document).unwrap_err().to_string();
            assert!(error.contains(expected), "{key}: {error}");
        }
    }

    #[test]
    fn the_inputs_are_those_of_the_statistics_and_no_others() {
        let mut manifest: Manifest =
            serde_json::from_str(include_str!("../../testdata/documents/manifest.json")).unwrap();
        let inputs = manifest.similarity_inputs().unwrap();
        manifest.sweep.name = "other".to_owned();
        manifest.sweep.searches.clear();
        assert_eq!(manifest.similarity_inputs(), Some(inputs));
        let adapter = manifest.digests.keys().find(|key| key.starts_with("adapters.")).cloned().unwrap();
        let other = manifest.digests.insert(adapter.clone(), Digest::of(b"other"));
        assert_ne!(manifest.similarity_inputs(), Some(inputs));
        manifest.digests.extend(other.map(|digest| (adapter.clone(), digest)));
        assert_eq!(manifest.similarity_inputs(), Some(inputs));
        manifest.digests.remove(&adapter);
        assert_eq!(manifest.similarity_inputs(), None);
    }
}

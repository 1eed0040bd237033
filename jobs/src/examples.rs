use crate::{BenchmarkInput, Digest, Meaning, ResultFault, TaskScore};
use std::collections::{BTreeMap, HashMap};

/// How many examples the results of a sweep say that each data set has: equally many, unless one of them is wrong.
///
/// Which one is wrong shows beside the others: it is the one that stands against most. Two against each other are both
/// in doubt.
#[derive(Debug, Clone, Default)]
pub struct ExampleCounts {
    /// By data set: for each number of examples, how many results say so.
    said: HashMap<DataSet, BTreeMap<u64, u64>>,
}

/// What decides the number of examples. With another head other rows may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct DataSet {
    data: Digest,
    head: Option<Digest>,
    /// The joint head, or the command, which may leave examples out.
    rule: Option<Digest>,
    evaluation: u32,
}

impl ExampleCounts {
    /// Counts what the scores of a job of this meaning say. They are those of its tasks, in its order.
    pub fn add(&mut self, meaning: &Meaning, scores: &[TaskScore]) {
        for (data, score) in data_sets(meaning).zip(scores) {
            *self.said.entry(data).or_default().entry(score.n).or_default() += 1;
        }
    }

    /// Whether no two results contradict each other.
    pub fn agree(&self) -> bool {
        self.said.values().all(|said| said.len() <= 1)
    }

    /// Looks whether the scores say what most do.
    ///
    /// # Errors
    /// The first task with another number of examples, or with one that as many results deny.
    pub fn check(&self, meaning: &Meaning, scores: &[TaskScore]) -> Result<(), ResultFault> {
        for (data, score) in data_sets(meaning).zip(scores) {
            let Some(said) = self.said.get(&data) else { continue };
            let own = said.get(&score.n).copied().unwrap_or_default();
            let others = said.iter().filter(|(n, _)| **n != score.n).max_by_key(|(_, results)| **results);
            if let Some((expected, results)) = others
                && *results >= own
            {
                return Err(ResultFault::Examples {
                    task: score.task.clone(),
                    found: score.n,
                    expected: *expected,
                    place: "in other results of the sweep",
                });
            }
        }
        Ok(())
    }
}

/// Those of an evaluation on all examples. How many a slice has is known from its job.
fn data_sets(meaning: &Meaning) -> impl Iterator<Item = DataSet> {
    let rule = match &meaning.benchmark {
        BenchmarkInput::PerTask => None,
        BenchmarkInput::Joint { head } => Some(*head),
        BenchmarkInput::Command(command) => Some(Digest::of_json(command)),
    };
    let evaluation = meaning.evaluation;
    let tasks = meaning.tasks.iter().filter(|_| meaning.slice.is_none());
    tasks.map(move |task| DataSet { data: task.data, head: task.head, rule, evaluation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EVALUATION_SEMANTICS, Precision, Subject, TaskInput};

    fn meaning(split: &str) -> Meaning {
        let task = |name: &str| TaskInput {
            name: name.to_owned(),
            data: Digest::of(format!("{name} {split}").as_bytes()),
            head: None,
        };
        Meaning {
            evaluation: EVALUATION_SEMANTICS,
            base: Digest::of(b"base"),
            subject: Subject::Base,
            adapters: Vec::new(),
            tasks: vec![task("mnist"), task("flags")],
            benchmark: BenchmarkInput::PerTask,
            split: split.to_owned(),
            precision: Precision::F32,
            statistics: Vec::new(),
            slice: None,
        }
    }

    fn scores(numbers: [u64; 2]) -> Vec<TaskScore> {
        let score = |(task, n): (&str, u64)| TaskScore {
            task: task.to_owned(),
            n,
            correct: 1,
            hits: BTreeMap::new(),
            right: None,
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        };
        ["mnist", "flags"].into_iter().zip(numbers).map(score).collect()
    }

    #[test]
    fn the_result_that_stands_against_most_is_the_wrong_one() {
        let here = meaning("validation");
        let there = meaning("test");
        let mut counts = ExampleCounts::default();
        for numbers in [[100, 50], [100, 50], [100, 51]] {
            counts.add(&here, &scores(numbers));
        }
        assert!(!counts.agree());
        assert_eq!(counts.check(&here, &scores([100, 50])), Ok(()));
        let fault = counts.check(&here, &scores([100, 51])).unwrap_err().to_string();
        assert_eq!(fault, "task `flags` has 51 examples, and the same data have 50 in other results of the sweep");
        assert_eq!(counts.check(&there, &scores([7, 7])), Ok(()), "other data");
    }

    #[test]
    fn two_that_contradict_each_other_are_both_in_doubt() {
        let here = meaning("validation");
        let mut counts = ExampleCounts::default();
        counts.add(&here, &scores([100, 50]));
        assert!(counts.agree());
        counts.add(&here, &scores([200, 50]));
        assert!(!counts.agree());
        for numbers in [[100, 50], [200, 50]] {
            assert!(counts.check(&here, &scores(numbers)).is_err(), "{numbers:?}");
        }
    }
}

//! The answer of a command.

use super::OutputFault;
use jobs::{Bitmap, TaskScore};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};
use std::{collections::BTreeMap, fmt, fs::OpenOptions, io::Read, os::unix::fs::OpenOptionsExt, path::Path};

/// The largest answer that is read: a hundred million outcomes.
const LARGEST: u64 = 256 << 20;

/// A task that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) task: String,
    /// The number of examples of a slice, each of which needs an outcome; `None` asks for all examples.
    pub(crate) examples: Option<u64>,
}

/// The file as a command writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    tasks: Once,
}

/// A map in which no key stands twice: of two answers, one would be lost in silence.
struct Once(BTreeMap<String, TaskAnswer>);

/// What it says of a task.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskAnswer {
    n: Option<u64>,
    correct: Option<u64>,
    /// The mean of a metric that is no count.
    mean: Option<f64>,
    outcomes: Option<Vec<Outcome>>,
}

/// The outcome of an example: 1 or `true` is right, 0 or `false` wrong.
struct Outcome(bool);

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfExample;
        impl Visitor<'_> for OfExample {
            type Value = Outcome;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an outcome, 0 or 1")
            }

            fn visit_bool<E>(self, is_right: bool) -> Result<Outcome, E> {
                Ok(Outcome(is_right))
            }

            fn visit_u64<E: Error>(self, outcome: u64) -> Result<Outcome, E> {
                match outcome {
                    0 => Ok(Outcome(false)),
                    1 => Ok(Outcome(true)),
                    other => Err(E::invalid_value(Unexpected::Unsigned(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(OfExample)
    }
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tasks;
        impl<'de> Visitor<'de> for Tasks {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tasks to their scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut tasks = BTreeMap::new();
                while let Some((task, answer)) = map.next_entry::<String, TaskAnswer>()? {
                    if tasks.contains_key(&task) {
                        return Err(A::Error::custom(format_args!("the task `{task}` stands there twice")));
                    }
                    tasks.insert(task, answer);
                }
                Ok(Once(tasks))
            }
        }
        deserializer.deserialize_map(Tasks)
    }
}

/// Reads the scores of the tasks that were asked for, in their order.
pub(crate) fn read_scores(path: &Path, wanted: &[Wanted]) -> Result<Vec<TaskScore>, OutputFault> {
    let text = read(path)?;
    let answer: Answer = serde_json::from_slice(&text).map_err(|error| OutputFault::Form(shown(&error.to_string())))?;
    let Once(mut tasks) = answer.tasks;
    if tasks.len() != wanted.len() || wanted.iter().any(|wanted| !tasks.contains_key(&wanted.task)) {
        return Err(OutputFault::Tasks {
            found: listed(tasks.keys()),
            expected: listed(wanted.iter().map(|wanted| &wanted.task)),
        });
    }
    wanted.iter().filter_map(|wanted| Some(score(wanted, tasks.remove(&wanted.task)?))).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, OutputFault> {
    // Without the flag, opening a pipe would wait for a writer for ever.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|_| OutputFault::Missing)?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(OutputFault::NoFile);
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| OutputFault::Form(shown(&error.to_string())))?;
    if text.len() as u64 > LARGEST {
        return Err(OutputFault::TooLarge(LARGEST));
    }
    Ok(text)
}

fn score(wanted: &Wanted, answer: TaskAnswer) -> Result<TaskScore, OutputFault> {
    let Wanted { task, examples } = wanted;
    let wrong = |problem: String| OutputFault::Task { task: task.clone(), problem };
    let TaskAnswer { n, correct, mean, outcomes } = answer;
    let right: Option<Bitmap> =
        outcomes.map(|outcomes| outcomes.into_iter().map(|Outcome(is_right)| is_right).collect());
    let counted = right.as_ref().map(|right| right.len() as u64);
    let Some(n) = n.or(counted) else {
        return Err(wrong("has neither `n`, its number of examples, nor `outcomes`".to_owned()));
    };
    if mean.is_some() && (correct.is_some() || right.is_some()) {
        return Err(wrong("has `mean` beside `correct` or `outcomes`; a score is one of the two".to_owned()));
    }
    let Some(correct) = correct.or(right.as_ref().map(Bitmap::count)).or(mean.map(|_| 0)) else {
        return Err(wrong("has none of `correct`, its number of right answers, `outcomes` and `mean`".to_owned()));
    };
    if let Some(examples) = examples {
        if counted.is_none() {
            let problem = "has no `outcomes`, and a race (`racing` in the sweep file) compares single examples";
            return Err(wrong(problem.to_owned()));
        }
        if counted != Some(*examples) {
            let found = counted.unwrap_or_default();
            let problem = format!(
                "has {found} outcomes, and {examples} were asked for: evaluate the examples that `BOWLINE_SLICE` lists"
            );
            return Err(wrong(problem));
        }
    }
    let score = TaskScore {
        task: task.clone(),
        n,
        correct,
        hits: BTreeMap::new(),
        right,
        truncated: 0,
        within: BTreeMap::new(),
        mean,
    };
    score.check().map_err(|error| OutputFault::Form(shown(&error.to_string())))?;
    Ok(score)
}

/// The most characters that a message shows of what a command wrote.
const SHOWN: usize = 300;

/// The beginning of a text, on one line.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", jobs::escaped(&start))
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.take(20).map(|name| format!("`{}`", shown(name))).collect();
    if names.is_empty() { "no task".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn wanted(task: &str, examples: Option<u64>) -> Wanted {
        Wanted { task: task.to_owned(), examples }
    }

    fn read_text(text: &str, wanted: &[Wanted]) -> Result<Vec<TaskScore>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.json");
        fs::write(&path, text).unwrap();
        read_scores(&path, wanted).map_err(|fault| fault.to_string())
    }

    #[test]
    fn scores_are_counts_or_outcomes_in_the_order_that_was_asked_for() {
        let text = r#"{"tasks": {"a": {"n": 4, "correct": 3}, "b": {"outcomes": [1, 0, true]}}}"#;
        let scores = read_text(text, &[wanted("b", None), wanted("a", None)]).unwrap();
        let counts: Vec<_> = scores.iter().map(|score| (score.task.as_str(), score.correct, score.n)).collect();
        assert_eq!(counts, [("b", 2, 3), ("a", 3, 4)]);
        assert_eq!(scores[0].right, Some([true, false, true].into_iter().collect()));
        assert_eq!(scores[1].right, None);
        let text = r#"{"tasks": {"a": {"n": 7, "mean": 0.25}}}"#;
        let score = &read_text(text, &[wanted("a", None)]).unwrap()[0];
        assert_eq!((score.mean, score.n, score.right_answers()), (Some(0.25), 7, None));
        let text = r#"{"tasks": {"a": {"n": 2, "correct": 1, "outcomes": [0, 1]}}}"#;
        assert_eq!(read_text(text, &[wanted("a", Some(2))]).unwrap()[0].correct, 1);
    }

    #[test]
    fn answers_that_cannot_be_scores_are_refused_by_name() {
        let of_a = |answer: &str| read_text(&format!(r#"{{"tasks": {{"a": {answer}}}}}"#), &[wanted("a", None)]);
        for (answer, expected) in [
            (r#"{"n": 0, "correct": 0}"#, "task `a` has 0 examples"),
            (r#"{"n": 2, "correct": 3}"#, "task `a` has 3 right answers of 2 examples"),
            (r#"{"n": 2}"#, "task `a` has none of `correct`"),
            (r#"{"n": 2, "mean": 1.5}"#, "task `a` has the mean 1.5, and a mean is a number in [0, 1]"),
            (r#"{"n": 2, "mean": 0.5, "correct": 1}"#, "task `a` has `mean` beside `correct` or `outcomes`"),
            (r#"{"n": 2, "mean": 1e999}"#, "number out of range"),
            (r#"{"mean": 0.5}"#, "task `a` has neither `n`"),
            (r#"{"correct": 2}"#, "task `a` has neither `n`"),
            (r#"{"n": -1, "correct": 0}"#, "invalid value: integer `-1`"),
            (r#"{"n": 2, "correct": 0.5}"#, "invalid type: floating point `0.5`"),
            (r#"{"n": 2, "correct": NaN}"#, "expected value"),
            (r#"{"n": 3, "correct": 1, "outcomes": [1, 0]}"#, "`right` of task `a` has 2 examples, and `n` says 3"),
            (r#"{"n": 2, "correct": 0, "outcomes": [1, 0]}"#, "`right` of task `a` has 1 right answers"),
            (r#"{"outcomes": []}"#, "task `a` has 0 examples"),
            (r#"{"outcomes": [1, 0.5]}"#, "invalid type: floating point `0.5`, expected an outcome, 0 or 1"),
            (r#"{"outcomes": [2]}"#, "invalid value: integer `2`, expected an outcome, 0 or 1"),
            (r#"{"n": 2, "correct": 1, "f1": 0.3}"#, "unknown field `f1`"),
        ] {
            let found = of_a(answer).unwrap_err();
            assert!(found.starts_with(expected), "{answer}: {found}");
        }
    }

    #[test]
    fn tasks_that_are_missing_more_or_there_twice_are_named() {
        let wanted = [wanted("a", None), wanted("b", None)];
        let a = r#""a": {"n": 1, "correct": 1}"#;
        let error = |tasks: &str| read_text(&format!(r#"{{"tasks": {{{tasks}}}}}"#), &wanted).unwrap_err();
        assert_eq!(error(a), "it has scores of `a`, and `a`, `b` was asked for");
        assert_eq!(error(""), "it has scores of no task, and `a`, `b` was asked for");
        assert!(error(&format!(r#"{a}, "c": {{"n": 1, "correct": 1}}"#)).starts_with("it has scores of `a`, `c`"));
        assert!(error(&format!("{a}, {a}")).starts_with("the task `a` stands there twice"));
        assert!(read_text("[]", &wanted).is_err() && read_text("", &wanted).is_err());
        assert!(read_text(r#"{"tasks": {}, "more": 1}"#, &wanted).unwrap_err().starts_with("unknown field `more`"));
    }

    #[test]
    fn however_long_a_name_is_and_whatever_it_holds_a_message_stays_short_and_on_one_line() {
        let name = format!("\\u001b[2J{}", "x".repeat(100_000));
        for text in [format!(r#"{{"tasks": {{"{name}": {{"n": 1, "correct": 1}}}}}}"#), format!(r#"{{"{name}": 1}}"#)] {
            let error = read_text(&text, &[wanted("a", None)]).unwrap_err();
            assert!(error.len() < 1000 && error.contains("[2Jxxx") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_slice_needs_an_outcome_for_each_of_its_examples() {
        let of = |answer: &str| read_text(&format!(r#"{{"tasks": {{"a": {answer}}}}}"#), &[wanted("a", Some(3))]);
        assert_eq!(of(r#"{"outcomes": [1, 0, 1]}"#).unwrap()[0].n, 3);
        assert!(of(r#"{"n": 3, "correct": 2}"#).unwrap_err().contains("has no `outcomes`, and a race"));
        let whole = of(r#"{"outcomes": [1, 0, 1, 1]}"#).unwrap_err();
        assert!(
            whole.ends_with("has 4 outcomes, and 3 were asked for: evaluate the examples that `BOWLINE_SLICE` lists")
        );
    }

    #[test]
    fn an_answer_that_is_missing_or_no_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_scores(&folder.path().join("none"), &[]), Err(OutputFault::Missing));
        assert_eq!(read_scores(folder.path(), &[]), Err(OutputFault::NoFile));
    }
}

use super::*;
use crate::{Digest, EVALUATION_SEMANTICS, Precision, RunFacts, Subject};
use std::collections::BTreeMap;

fn result(tasks: &[&str]) -> JobResult {
    let task = |name: &&str| TaskInput { name: (*name).to_owned(), data: Digest::of(name.as_bytes()), head: None };
    let score = |name: &&str| TaskScore {
        task: (*name).to_owned(),
        n: 100,
        correct: 40,
        hits: BTreeMap::new(),
        right: None,
        truncated: 0,
        within: BTreeMap::new(),
        mean: None,
    };
    let meaning = Meaning {
        evaluation: EVALUATION_SEMANTICS,
        base: Digest::of(b"base"),
        subject: Subject::Base,
        adapters: Vec::new(),
        tasks: tasks.iter().map(task).collect(),
        benchmark: BenchmarkInput::PerTask,
        split: "test".to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
    };
    JobResult {
        job: meaning.id(),
        meaning,
        scores: tasks.iter().map(score).collect(),
        merge: None,
        timings: Timings::default(),
        run: RunFacts {
            worker: "one".to_owned(),
            attempt: 1,
            device: "cpu".to_owned(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            finished_ms: 1,
        },
    }
}

/// What is wrong with a result of two tasks that was changed.
fn fault(change: impl FnOnce(&mut JobResult)) -> String {
    let mut result = result(&["mnist", "flags"]);
    assert_eq!(result.check(), Ok(()));
    change(&mut result);
    result.check().unwrap_err().to_string()
}

#[test]
fn scores_are_those_of_the_jobs_tasks_in_its_order() {
    let asked = "and its job asks for `mnist`, `flags`";
    assert_eq!(fault(|result| drop(result.scores.pop())), format!("it has scores of `mnist`, {asked}"));
    assert_eq!(fault(|result| result.scores.clear()), format!("it has scores of no task, {asked}"));
    assert_eq!(fault(|result| result.scores.swap(0, 1)), format!("it has scores of `flags`, `mnist`, {asked}"));
    let renamed = fault(|result| result.scores[1].task = "icons".to_owned());
    assert_eq!(renamed, format!("it has scores of `mnist`, `icons`, {asked}"));
    let repeated = fault(|result| result.scores = vec![result.scores[0].clone(); 50]);
    assert!(repeated.ends_with(&format!("`mnist` and 30 more, {asked}")), "{repeated}");
}

#[test]
fn impossible_numbers_are_refused() {
    assert_eq!(fault(|result| result.scores[1].correct = 1000), "task `flags` has 1000 right answers of 100 examples");
    let number = "and has to be a finite number from 0 on";
    assert_eq!(fault(|result| result.timings.load_s = f64::NAN), format!("`timings.load_s` is NaN, {number}"));
    assert_eq!(fault(|result| result.timings.merge_s = -1.0), format!("`timings.merge_s` is -1, {number}"));
    let facts = MergeFacts {
        matrices: 1,
        rank: None,
        smallest_gap: Some(f64::INFINITY),
        lost_energy: None,
        condition: None,
        residual: None,
    };
    assert_eq!(fault(|result| result.merge = Some(facts)), format!("`merge.smallest_gap` is inf, {number}"));
}

#[test]
fn a_joint_benchmark_has_hits_at_every_rank() {
    let joint = |hits: &[(u32, u64)]| {
        let mut result = result(&["mnist"]);
        result.meaning.benchmark = BenchmarkInput::Joint { head: Digest::of(b"head") };
        result.scores[0].hits = hits.iter().copied().collect();
        result.check().map_err(|fault| fault.to_string())
    };
    assert_eq!(joint(&[(1, 40), (3, 50), (5, 60), (10, 100)]), Ok(()));
    let missing = joint(&[(1, 40), (3, 50), (10, 100)]);
    assert_eq!(missing, Err("task `mnist` has no hits at rank 5, and its benchmark is joint".to_owned()));
}

#[test]
fn the_same_data_under_two_names_have_equally_many_examples() {
    let twins = |result: &mut JobResult| {
        result.meaning.tasks[1].data = result.meaning.tasks[0].data;
        result.scores[1].n = 99;
    };
    let expected = "task `flags` has 99 examples, and the same data have 100 under another task's name";
    assert_eq!(fault(twins), expected);
    let mut other_head = result(&["mnist", "flags"]);
    twins(&mut other_head);
    other_head.meaning.tasks[1].head = Some(Digest::of(b"head"));
    assert_eq!(other_head.check(), Ok(()));
}

/// A slice of 20 of the 200 examples of two tasks.
fn slice_result() -> JobResult {
    let share = crate::TaskShare { examples: 100, weight: 1.0 };
    let slice = crate::Slice { seed: 0, sequence_of: None, from: 0, to: 20, tasks: vec![share; 2] };
    let whole = result(&["mnist", "flags"]);
    let meaning = Meaning { slice: Some(slice), ..whole.meaning.clone() };
    let examples = meaning.slice_examples().unwrap().unwrap();
    let score = |(score, examples): (&TaskScore, &Vec<u64>)| {
        let right: crate::Bitmap = examples.iter().map(|example| example % 2 == 0).collect();
        TaskScore { n: examples.len() as u64, correct: right.count(), right: Some(right), ..score.clone() }
    };
    let scores = whole.scores.iter().zip(&examples).map(score).collect();
    JobResult { job: meaning.id(), meaning, scores, ..whole }
}

#[test]
fn a_slice_has_every_single_answer_of_its_own_examples() {
    let fault = |change: &dyn Fn(&mut JobResult)| {
        let mut result = slice_result();
        assert_eq!(result.check(), Ok(()));
        change(&mut result);
        result.check().unwrap_err().to_string()
    };
    let n = slice_result().scores[0].n;
    let missing = fault(&|result| result.scores[0].right = None);
    assert_eq!(
        missing,
        format!("task `mnist` has 0 single answers of {n} examples, and the slice has {n} examples of it")
    );
    let fewer = fault(&|result| {
        result.scores[0].right = Some([true].into_iter().collect());
        result.scores[0].n = 1;
        result.scores[0].correct = 1;
    });
    assert_eq!(fewer, format!("task `mnist` has 1 single answers of 1 examples, and the slice has {n} examples of it"));
    assert!(fault(&|result| drop(result.scores.pop())).starts_with("it has scores of `mnist`, and its job asks for"));
    let joint = fault(&|result| result.meaning.benchmark = BenchmarkInput::Joint { head: Digest::of(b"joint") });
    // The id of the job, and with it the examples, are others then.
    assert!(joint.contains("single answers") || joint.contains("hits at rank"), "{joint}");
    let endless = fault(&|result| result.meaning.slice.as_mut().unwrap().to = 201);
    assert!(endless.starts_with("the slice is from example 0 to 201"), "{endless}");
}

#[test]
fn only_slices_say_which_examples_are_hits() {
    let within = fault(|result| {
        result.scores[1].hits = BTreeMap::from([(1, 40), (3, 40)]);
        let bitmap = (0..100).map(|example| example < 40).collect();
        result.scores[1].within = BTreeMap::from([(3, bitmap)]);
    });
    assert_eq!(within, "task `flags` has `within`, and its job is no slice");
}

#[test]
fn a_slice_adds_to_what_is_known_and_says_nothing_of_other_examples() {
    let result = slice_result();
    let mut known = crate::KnownAnswers::new(1, [100, 100]);
    assert!(known.add(&result));
    assert_eq!(known.known(), 20);
    let examples = result.meaning.slice_examples().unwrap().unwrap();
    for (task, examples) in examples.iter().enumerate() {
        for example in 0..100 {
            let expected = examples.contains(&example).then_some(example % 2 == 0);
            assert_eq!(known.answer(task, example), expected);
        }
    }
    assert_eq!((known.answer(0, 100), known.answer(2, 0)), (None, None));
    // Of other sizes, at another rank, or without single answers.
    assert!(!crate::KnownAnswers::new(1, [100, 99]).add(&result));
    assert!(!crate::KnownAnswers::new(3, [100, 100]).add(&result));
    assert!(!known.add(&self::result(&["mnist", "flags"])));
    assert_eq!(known.known(), 20);
}

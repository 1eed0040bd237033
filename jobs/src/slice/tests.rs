use super::*;
use crate::Digest;

fn job(name: &str) -> JobId {
    JobId::from(Digest::of(name.as_bytes()))
}

fn shares(tasks: &[(u64, f64)]) -> Vec<TaskShare> {
    tasks.iter().map(|&(examples, weight)| TaskShare { examples, weight }).collect()
}

fn slice(from: u64, to: u64, tasks: &[(u64, f64)]) -> Slice {
    Slice { seed: 1, sequence_of: None, from, to, tasks: shares(tasks) }
}

#[test]
fn a_sequence_is_the_same_on_every_machine_and_in_every_release() {
    let draws: Vec<Draw> = ExampleSequence::new(1, job("a"), &shares(&[(5, 1.0), (3, 0.5)])).unwrap().collect();
    let text: String = draws.iter().map(|draw| format!("{}{} ", draw.task, draw.example)).collect();
    assert_eq!(draws.len(), 32);
    // Changed numbers mean that slices with old ids have other examples.
    let pinned = "11 12 12 02 01 10 02 00 12 04 02 10 03 12 02 00 11 11 04 04 01 03 10 04 01 04 01 03 01 11 04 11";
    assert_eq!(text.trim(), pinned);
    let new = draws.iter().filter(|draw| draw.is_new).count();
    let distinct: std::collections::BTreeSet<_> = draws.iter().map(|draw| (draw.task, draw.example)).collect();
    assert_eq!(new, distinct.len());
}

#[test]
fn tasks_are_drawn_by_their_weights_whatever_their_sizes() {
    let tasks = shares(&[(20_000, 1.0), (100, 2.0), (50, 0.0), (1000, 1.0)]);
    let draws: Vec<Draw> = ExampleSequence::new(3, job("a"), &tasks).unwrap().take(40_000).collect();
    let of = |task: usize| draws.iter().filter(|draw| draw.task == task).count();
    // 10,000 and 20,000 of 40,000, with standard deviations of 87 and 100.
    assert!((9_600..10_400).contains(&of(0)) && (9_600..10_400).contains(&of(3)), "{} {}", of(0), of(3));
    assert!((19_600..20_400).contains(&of(1)), "{}", of(1));
    assert_eq!(of(2), 0);
    let first_half = draws.iter().filter(|draw| draw.task == 0 && draw.example < 10_000).count();
    assert!((4_700..5_300).contains(&first_half), "{first_half}");
}

#[test]
fn slices_of_one_sequence_are_disjoint_and_add_up() {
    let tasks = [(40, 1.0), (60, 3.0)];
    let of = |from, to| slice(from, to, &tasks).examples(job("a")).unwrap();
    let parts = [of(0, 10), of(10, 25), of(25, 60)];
    for task in 0..2 {
        let mut all: Vec<u64> = parts.iter().flat_map(|part| part[task].clone()).collect();
        all.sort_unstable();
        assert_eq!(all, of(0, 60)[task]);
        assert!(all.is_sorted_by(|one, other| one < other), "each example once");
    }
    assert_eq!(parts.iter().flatten().flatten().count(), 60);
    let other = Slice { sequence_of: Some(job("b")), ..slice(0, 60, &tasks) };
    assert_ne!(other.examples(job("a")).unwrap(), of(0, 60));
    assert_eq!(other.examples(job("a")).unwrap(), slice(0, 60, &tasks).examples(job("b")).unwrap());
}

#[test]
fn a_slice_that_names_no_examples_is_refused_by_name() {
    let refused = |slice: &Slice| slice.examples(job("a")).unwrap_err().to_string();
    let error = refused(&slice(5, 5, &[(40, 1.0)]));
    assert_eq!(error, "the slice is from example 5 to 5, and its sequence reaches 5 distinct examples");
    let error = refused(&slice(5, 41, &[(40, 1.0)]));
    assert!(error.starts_with("the slice is from example 5 to 41, and its sequence reaches"), "{error}");
    assert!(refused(&slice(0, 5, &[(0, 1.0)])).contains("a task with 0 examples"));
    assert!(refused(&slice(0, 5, &[(u64::MAX, 1.0), (9, 1.0)])).contains("18446744073709551615"));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(&slice(0, 5, &[(40, weight)])).contains("weights are finite"), "{weight}");
    }
    assert!(refused(&slice(0, 5, &[(40, 0.0)])).contains("not all 0"));
    assert!(refused(&slice(0, 5, &[])).contains("not all 0"));
}

//! Texts in 16 bits against `f32`, of a merge of all tasks.

use super::super::FamilySession;
use super::bench::Bench;
use crate::engine::splits::SplitBudget;
use evaluation::{DecoderBase, DeviceChoice, Examples, Head, Model, ModelFamily, Watch};
use jobs::{Precision, Preset, Subject};
use std::sync::Arc;

/// What a model makes of the texts of a task.
struct Read {
    task: String,
    /// `[texts, width]`
    states: Vec<f32>,
    right: Vec<bool>,
    head: Arc<Head>,
}

/// A merge of all tasks, on the texts that select.
fn read(bench: &Bench, base: DecoderBase) -> Vec<Read> {
    let mut session = bench.session(base, SplitBudget { host_bytes: 1 << 30, device_bytes: None });
    let recipe = Box::new(Preset::TaskArithmetic.recipe().with_scaling(0.3));
    let meaning = bench.frozen.meaning(Subject::Merge { recipe }, &bench.frozen.sweep().evaluation.select);
    let places = bench.frozen.job(meaning.clone()).places;
    bench.attempt(&meaning, &places, |attempt| {
        let FamilySession { base, header, merges, splits, heads, .. } = &mut session;
        let model = merges.model(attempt, base.model(), header).unwrap().model;
        let of_task = |task: &jobs::TaskInput| {
            let head = heads.of_task(attempt, base, header, task).unwrap();
            let examples = splits.get(attempt, base, task).unwrap();
            let features = Model::features(&model, &examples, &Watch::default()).unwrap();
            let right = examples.score(&features, &head).unwrap().right;
            Read { task: task.name.clone(), states: features.values().unwrap().to_vec(), right, head }
        };
        meaning.tasks.iter().map(of_task).collect()
    })
}

fn size(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|x| x * x).sum::<f32>().sqrt()
}

/// Whether a state that is off by `error` may be given another class: two of its logits lie within what the error can make of them.
fn is_near_a_tie(state: &[f32], head: &Head, error: f32) -> bool {
    let rows: Vec<&[f32]> = head.weight().chunks_exact(state.len()).collect();
    let logit = |row: &[f32]| -> f32 { row.iter().zip(state).map(|(w, x)| w * x).sum() };
    let is_near =
        |(a, b): (&[f32], &[f32])| (logit(a) - logit(b)).abs() <= size(a.iter().zip(b).map(|(a, b)| a - b)) * error;
    (0..rows.len()).flat_map(|a| (0..a).map(move |b| (a, b))).any(|(a, b)| is_near((rows[a], rows[b])))
}

/// A layer has seven matrices, each of which may add an error of one unit of the format to the stream of tokens, relative to its size: a
/// state is off by `7 · layers` units at most. Most errors cancel each other, so that the root of the mean square is below `√(7 · layers)`.
/// Another answer is given only where two logits lie as near to each other as the error of the text's own state can make of them.
#[test]
fn states_in_16_bits_are_off_by_a_unit_for_each_matrix_and_answers_differ_near_ties_alone() {
    let bench = Bench::of_nli6();
    let open = |precision| DecoderBase::open(&bench.base(), DeviceChoice::Cpu, precision).unwrap();
    let exact = read(&bench, open(Precision::F32));
    for (precision, unit) in [(Precision::Bf16, 1.0 / 256.0), (Precision::F16, 1.0 / 2048.0)] {
        let base = open(precision);
        let layers = base.model().layers();
        let matrices = (7 * layers) as f32;
        let bound = matrices * unit;
        let rounded = read(&bench, base);
        for (exact, rounded) in exact.iter().zip(&rounded) {
            let Read { task, states, right, head } = exact;
            let width = states.len() / right.len();
            let mut most: f32 = 0.0;
            let mut squares = 0.0;
            let mut differ = 0;
            for (n, (state, found)) in states.chunks_exact(width).zip(rounded.states.chunks_exact(width)).enumerate() {
                let all = size(state.iter().copied());
                let error = size(state.iter().zip(found).map(|(a, b)| a - b)) / all;
                most = most.max(error);
                squares += error * error;
                if right[n] != rounded.right[n] {
                    differ += 1;
                    // Logits are sums in `f32`.
                    let is_near = is_near_a_tie(state, head, (error + 1e-5) * all);
                    assert!(is_near, "{precision:?}: text {n} of `{task}` has another answer and is near no tie");
                }
            }
            let mean = (squares / right.len() as f32).sqrt();
            let count = |right: &[bool]| right.iter().filter(|right| **right).count();
            println!(
                "{precision:?} {task}: {} of {} right, in f32 {}; {differ} differ; states off by {:.2} %, at most {:.2} %",
                count(&rounded.right),
                right.len(),
                count(right),
                100.0 * mean,
                100.0 * most
            );
            assert!(most <= bound, "{precision:?}: a state of `{task}` is off by {most}, more than {bound}");
            assert!(most > 0.0, "{precision:?}: nothing is rounded");
            assert!(mean <= matrices.sqrt() * unit, "{precision:?}: states of `{task}` are off by {mean}");
        }
    }
}

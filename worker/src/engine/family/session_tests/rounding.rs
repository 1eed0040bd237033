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

fn logit(row: &[f32], state: &[f32]) -> f32 {
    row.iter().zip(state).map(|(w, x)| w * x).sum()
}

/// The row of the head with the largest logit.
fn best<'h>(head: &'h Head, state: &[f32]) -> &'h [f32] {
    let rows = head.weight().chunks_exact(state.len());
    rows.max_by(|a, b| logit(a, state).total_cmp(&logit(b, state))).expect("a head has rows")
}

/// A layer has seven matrices, each of which may add an error of one unit of the format to the stream of tokens, relative to its size: a
/// state is off by `7 · layers` units at most. Most errors cancel each other, so that the root of the mean square is below `√(7 · layers)`.
/// Another class is the best one only where its logit was as near to the best as the error of the text's own state can make of them.
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
                let before = best(head, state);
                let after = best(head, found);
                differ += usize::from(before != after);
                // What the error can make of the difference of two logits, which are sums in `f32`.
                let reach = size(before.iter().zip(after).map(|(a, b)| a - b)) * (error + 1e-5) * all;
                let apart = logit(before, state) - logit(after, state);
                assert!(
                    apart <= reach,
                    "{precision:?}: text {n} of `{task}` has another answer, {apart} below the best"
                );
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

use super::{SliceError, TaskShare};
use crate::{Bitmap, Digest, JobId};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A random sequence of examples, with repeats, keyed by a seed and a job.
///
/// Each draw takes a task in proportion to its weight, and an example of it uniformly, both with replacement. Of two models, the
/// difference of the answers to such a draw has the mean `θ / W`, where `θ` is the difference of the metric `Σ w_t · accuracy_t` on
/// the whole split and `W` the sum of the weights. The draws are independent, so that a test on them is exact; repeats cost nothing,
/// because their answers are known.
///
/// The sequence ends after [`DRAWS_PER_EXAMPLE`](Self::DRAWS_PER_EXAMPLE) draws for each example of the tasks that are drawn. By then
/// 98 % of the examples have been drawn if all are equally likely.
///
/// # Numerics
/// The generator is ChaCha8, whose key is the digest of `["slice", seed, job]`; each draw takes two of its numbers. `x / 2⁶⁴` below the
/// share of the first tasks takes one of these, and `⌊x · n / 2⁶⁴⌋` is the example. The bias of both is below 2⁻³², and shares are the
/// same on every machine: only sums, products and quotients of weights are computed.
#[derive(Debug, Clone)]
pub struct ExampleSequence {
    numbers: ChaCha8Rng,
    tasks: Vec<SequenceTask>,
    draws: u64,
    limit: u64,
}

#[derive(Debug, Clone)]
struct SequenceTask {
    /// The task is drawn by numbers below this one, and not below that of the task before.
    below: u128,
    examples: u64,
    seen: Bitmap,
}

/// One draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The index of the task.
    pub task: usize,
    /// The number of the example in the split of the task.
    pub example: u64,
    /// It was not drawn before.
    pub is_new: bool,
}

/// The most examples of all tasks together. A sequence of so many takes seconds, and its bitmaps eight megabytes: whoever reads a
/// document that names more is not kept busy.
const MOST_EXAMPLES: u64 = 1 << 26;

impl ExampleSequence {
    /// The number of draws for each example.
    pub const DRAWS_PER_EXAMPLE: u64 = 4;

    /// The sequence of a job.
    ///
    /// # Errors
    /// Tasks without examples, or with too many; weights that are not finite, negative, or all 0.
    pub fn new(seed: u64, job: JobId, shares: &[TaskShare]) -> Result<Self, SliceError> {
        let mut examples = 0u64;
        let mut drawn = 0u64;
        for share in shares {
            examples = examples.saturating_add(share.examples);
            if share.examples == 0 || examples > MOST_EXAMPLES {
                return Err(SliceError::Examples(share.examples));
            }
            if !(share.weight.is_finite() && share.weight >= 0.0) {
                return Err(SliceError::Weight(share.weight));
            }
            drawn += if share.weight > 0.0 { share.examples } else { 0 };
        }
        let whole: f64 = shares.iter().map(|share| share.weight).sum();
        if !(whole > 0.0 && whole.is_finite()) {
            return Err(SliceError::Weight(whole));
        }
        Ok(Self {
            numbers: ChaCha8Rng::from_seed(*Digest::of_json(&("slice", seed, job)).as_bytes()),
            tasks: sequence_tasks(shares, whole),
            draws: 0,
            limit: drawn.saturating_mul(Self::DRAWS_PER_EXAMPLE),
        })
    }
}

fn sequence_tasks(shares: &[TaskShare], whole: f64) -> Vec<SequenceTask> {
    const END: u128 = 1 << 64;
    // The last task that is drawn takes what rounding leaves over.
    let last = shares.iter().rposition(|share| share.weight > 0.0);
    let mut sum = 0.0;
    let task = |(place, share): (usize, &TaskShare)| {
        sum += share.weight;
        let below = ((sum / whole) * END as f64) as u128;
        let below = if last.is_some_and(|last| place >= last) { END } else { below.min(END) };
        SequenceTask { below, examples: share.examples, seen: Bitmap::none(share.examples as usize) }
    };
    shares.iter().enumerate().map(task).collect()
}

impl Iterator for ExampleSequence {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        if self.draws == self.limit {
            return None;
        }
        self.draws += 1;
        let of_task = u128::from(self.numbers.next_u64());
        let of_example = u128::from(self.numbers.next_u64());
        let place = self.tasks.iter().position(|task| of_task < task.below)?;
        let task = &mut self.tasks[place];
        let example = ((of_example * u128::from(task.examples)) >> 64) as u64;
        let is_new = !task.seen.get(example as usize);
        task.seen.set(example as usize, true);
        Some(Draw { task: place, example, is_new })
    }
}

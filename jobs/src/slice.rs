mod answers;
mod sequence;
#[cfg(test)]
mod tests;

pub use answers::{KnownAnswers, TaskAnswers};
pub use sequence::{Draw, ExampleSequence};

use crate::{JobId, Meaning};
use serde::{Deserialize, Serialize};

/// A part of the examples of an evaluation: a block of distinct examples of a random sequence.
///
/// The sequence is that of [`ExampleSequence`]. It belongs to a job, the evaluation of a model on all examples, and the same slice
/// of two models that are compared has the same examples. All that fixes the examples is here, so that the id of the job fixes them
/// as well; a worker whose data have other sizes refuses the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Chooses the sequence, together with the job that it belongs to.
    pub seed: u64,
    /// The job that the sequence belongs to; `None` means the evaluation of this model on all examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_of: Option<JobId>,
    /// The number of distinct examples of the sequence before this slice.
    pub from: u64,
    /// The number of distinct examples of the sequence up to the end of this slice.
    pub to: u64,
    /// How the sequence draws from the tasks, in the order of the job's tasks.
    pub tasks: Vec<TaskShare>,
}

/// How often examples of a task are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskShare {
    /// The number of examples that the split of the task has.
    pub examples: u64,
    /// The weight of the task's accuracy in the metric. A task is drawn in proportion to it.
    pub weight: f64,
}

/// Why a slice names no examples.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SliceError {
    /// It has the shares of another number of tasks.
    #[error("the slice has shares of {found} tasks, and its job has {expected}")]
    Tasks {
        /// The tasks of the slice.
        found: usize,
        /// The tasks of the job.
        expected: usize,
    },
    /// A task has no examples, or too many.
    #[error("the slice has a task with {0} examples, and a sequence takes from 1 to 2^26 from all tasks together")]
    Examples(u64),
    /// Weights that are no weights.
    #[error("the slice has a task of weight {0}, and weights are finite, from 0 on and not all 0")]
    Weight(f64),
    /// It ends before it begins, or where the sequence is not defined.
    #[error("the slice is from example {from} to {to}, and its sequence reaches {reached} distinct examples")]
    Range {
        /// Where it begins.
        from: u64,
        /// Where it ends.
        to: u64,
        /// The distinct examples of the sequence.
        reached: u64,
    },
}

impl Slice {
    /// The examples of each task, ascending by their number in the split: those of the slice in the sequence of `own` unless it
    /// names another job.
    ///
    /// # Errors
    /// The slice is not one of a sequence.
    pub fn examples(&self, own: JobId) -> Result<Vec<Vec<u64>>, SliceError> {
        let sequence = ExampleSequence::new(self.seed, self.sequence_of.unwrap_or(own), &self.tasks)?;
        let mut examples = vec![Vec::new(); self.tasks.len()];
        let mut reached = 0;
        for draw in sequence {
            if !draw.is_new || reached == self.to {
                continue;
            }
            reached += 1;
            if reached > self.from {
                examples[draw.task].push(draw.example);
            }
            if reached == self.to {
                break;
            }
        }
        if self.from >= self.to || reached < self.to {
            return Err(SliceError::Range { from: self.from, to: self.to, reached });
        }
        examples.iter_mut().for_each(|examples| examples.sort_unstable());
        Ok(examples)
    }
}

impl Meaning {
    /// The examples of each task that a slice has; `None` for an evaluation on all examples.
    ///
    /// # Errors
    /// The slice is not one of a sequence, or of other tasks.
    pub fn slice_examples(&self) -> Result<Option<Vec<Vec<u64>>>, SliceError> {
        let Some(slice) = &self.slice else { return Ok(None) };
        let expected = self.tasks.len();
        let found = slice.tasks.len();
        if found != expected {
            return Err(SliceError::Tasks { found, expected });
        }
        slice.examples(self.whole_id()).map(Some)
    }
}

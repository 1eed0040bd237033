//! Where the examples of a step come from.

use super::StepAugmentation;
use crate::{ModelError, Sequences};
use std::borrow::Cow;

/// Makes the examples at these places of a split, each changed at random where that is asked for.
pub type MakeExamples = Box<dyn Fn(&[usize], StepAugmentation<'_>) -> Result<Sequences, ModelError> + Send + Sync>;

/// The examples that an adapter is trained on.
pub enum TrainExamples {
    /// All of them, the same in every step.
    Fixed(Sequences),
    /// Made when a part of a step takes them: only that part is held.
    PerStep {
        /// The tokens of each example.
        tokens: Vec<usize>,
        /// Makes them.
        make: MakeExamples,
    },
}

/// The examples of a part of a step.
pub(super) struct Taken<'a> {
    pub(super) sequences: Cow<'a, Sequences>,
    /// Their places among `sequences`.
    pub(super) places: Cow<'a, [usize]>,
}

impl TrainExamples {
    /// Tokens of an example of the split.
    pub(super) fn tokens(&self, example: usize) -> usize {
        match self {
            Self::Fixed(sequences) => sequences.tokens(example),
            Self::PerStep { tokens, .. } => tokens[example],
        }
    }

    /// The examples of a part of a step, given by their places in the split.
    pub(super) fn take<'a>(
        &'a self,
        batch: &'a [usize],
        augmentation: StepAugmentation<'_>,
    ) -> Result<Taken<'a>, ModelError> {
        match self {
            Self::Fixed(sequences) => Ok(Taken { sequences: Cow::Borrowed(sequences), places: Cow::Borrowed(batch) }),
            Self::PerStep { make, .. } => {
                let sequences = make(batch, augmentation)?;
                Ok(Taken { sequences: Cow::Owned(sequences), places: (0..batch.len()).collect::<Vec<_>>().into() })
            }
        }
    }
}

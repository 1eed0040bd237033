//! Where the examples of a step come from.

use super::StepAugmentation;
use crate::{ModelError, Sequences};
use std::borrow::Cow;

/// Makes the examples at these places, each changed at random.
pub type Augmenting = Box<dyn Fn(&[usize], StepAugmentation<'_>) -> Result<Sequences, ModelError> + Send + Sync>;

/// The examples that an adapter is trained on.
pub enum TrainExamples {
    /// The same in every step.
    Fixed(Sequences),
    /// Changed at random in every step.
    Augmented(Augmenting),
}

/// The examples of a step.
pub(super) struct Taken<'a> {
    pub(super) sequences: Cow<'a, Sequences>,
    /// Their places among `sequences`.
    pub(super) places: Cow<'a, [usize]>,
}

impl TrainExamples {
    /// The examples of a step, given by their places in the split.
    pub(super) fn take<'a>(
        &'a self,
        batch: &'a [usize],
        augmentation: StepAugmentation<'_>,
    ) -> Result<Taken<'a>, ModelError> {
        match self {
            Self::Fixed(sequences) => Ok(Taken { sequences: Cow::Borrowed(sequences), places: Cow::Borrowed(batch) }),
            Self::Augmented(make) => {
                let sequences = make(batch, augmentation)?;
                Ok(Taken { sequences: Cow::Owned(sequences), places: (0..batch.len()).collect::<Vec<_>>().into() })
            }
        }
    }
}

use crate::{ClassError, Features, Head, HostBytes, ModelError, PerTaskScore, Readout, ScoreError};

/// What a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleKind {
    /// Images.
    Images,
    /// Texts, or pairs of them.
    Texts,
}

impl ExampleKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Texts => "texts",
        }
    }

    /// What a model of this kind does not read.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Images => Self::Texts,
            Self::Texts => Self::Images,
        }
    }
}

/// How many examples there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleCount {
    /// Images.
    Images(usize),
    /// Texts.
    Texts {
        /// How many.
        texts: usize,
        /// Their tokens together.
        tokens: usize,
    },
}

impl ExampleCount {
    /// The number of images or texts.
    pub fn examples(self) -> usize {
        match self {
            Self::Images(images) => images,
            Self::Texts { texts, tokens: _ } => texts,
        }
    }
}

/// A split of a task as models take it.
pub trait Examples: HostBytes + Send + Sync + 'static {
    /// How many there are.
    fn count(&self) -> ExampleCount;

    /// Some of the examples, by their places in the split. How many of them were cut is not known.
    ///
    /// # Errors
    /// The device fails, or a file that the examples lie in was changed.
    fn select(&self, places: &[u64]) -> Result<Self, ModelError>
    where
        Self: Sized;

    /// Examples that were longer than they may be, and were cut.
    fn truncated(&self) -> usize {
        0
    }

    /// Bytes that count against the budget for splits while they are kept; `None` if keeping them would save nothing.
    fn kept_bytes(&self) -> Option<u64>;

    /// Bytes that kept examples would take on a device with their place there, if they were kept without one for want of room; else 0.
    fn unplaced_bytes(&self) -> u64 {
        0
    }

    /// Checks that the rows of a head bear the names of the classes, where this has to be known before features are.
    ///
    /// # Errors
    /// Names the class.
    fn check_head(&self, _head: &Head) -> Result<(), ClassError> {
        Ok(())
    }

    /// Counts the examples that a head names rightly.
    ///
    /// # Errors
    /// Features, labels and head do not fit together.
    fn score(&self, features: &Features, head: &Head) -> Result<PerTaskScore, ScoreError>;

    /// How a head makes logits of the features of these examples, for [tuning](crate::Tuner).
    fn readout(&self, head: &Head) -> Readout;

    /// The classes that a new head for these examples has, as far as labels and masked classes tell; `None` where heads are not
    /// trained from nothing.
    fn class_count(&self) -> Option<usize> {
        None
    }

    /// The row of the head of each example's class.
    ///
    /// # Errors
    /// The classes of the data set are not those of the head.
    fn class_rows(&self, head: &Head) -> Result<Vec<usize>, ScoreError>;
}

//! Fine-tuning: LoRA factors on a frozen base, trained on labelled examples.
//!
//! A [`Trainer`] takes a [`GradientTower`](crate::GradientTower), the examples of one task with its head, and
//! [settings](jobs::TrainSettings). Each step takes a batch, and moves the factors, and the head where it is trained, by AdamW. A
//! [`TrainState`] can be written, read, and continued to the same bits.

mod adamw;
mod adapter;
mod augment;
mod balanced;
mod error;
mod groups;
mod initial;
mod memory;
mod source;
mod state;
mod stored;
mod targets;
mod trainer;
mod validation;

pub use adapter::{TrainedAdapter, TrainedModule};
pub use augment::StepAugmentation;
pub use error::TrainError;
pub use initial::initial_head;
pub use memory::{BlockShape, TrainMemory, TrainPlacement};
pub use source::{MakeExamples, TrainExamples};
pub use state::{BegunEvaluation, TrainState, TrainStep, TrainedTensor};
pub use stored::StateError;
pub use trainer::{TrainTask, Trainer};
pub use validation::{Advance, Evaluation, Validation};

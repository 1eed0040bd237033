//! The mathematics of merging LoRA adapters.
//!
//! [`Adapter`]s become [`Aligned`] task matrices; a [`jobs::Recipe`] merges those into a [`MergedUpdate`]; that is
//! added to a model in memory, or written as a PEFT adapter or as a full model. Everything is exact in the low rank:
//! apart from elementwise merges in the `full` space, no matrix of the size of a weight is ever formed.
//!
//! Same inputs and seed, same numbers out: nothing here knows a clock, a job or a number of threads.

#![warn(clippy::match_bool)]

mod adapter;
#[warn(clippy::wildcard_enum_match_arm)]
mod align;
mod base;
mod cka;
mod comparison;
mod error;
mod fisher;
mod layout;
mod linalg;
mod matrix;
#[warn(clippy::wildcard_enum_match_arm)]
mod merge;
mod methods;
#[warn(clippy::wildcard_enum_match_arm)]
mod output;
mod regmean;
mod renamed;
mod small_file;
mod statistics;
mod torch_file;
#[warn(clippy::wildcard_enum_match_arm)]
mod update;

pub use adapter::{Adapter, AdapterError, AutoMapping, LoraModule, Origin, SavedTensor, origin_notes};
pub use align::{Aligned, AlignmentFacts, Gap, TaskFactors};
pub use base::{BaseError, BaseHeader, BaseTensor};
pub use cka::{ModuleSimilarity, UpdateSimilarity};
pub use comparison::{AdapterSummary, Comparison, PairSummary};
pub use error::MergeError;
pub use matrix::Matrix;
pub use merge::working_memory;
pub use output::{
    Card, LostEnergy, OutputError, TrainedFactors, TrainedOutput, check_output, truncate, write_adapter, write_full,
    write_trained,
};
pub use regmean::{InputMergeError, LAYER_ENTRY_BYTES, LayerMerge, SolvedModule};
pub use statistics::{InputStatistics, StatisticsError, StatisticsWriter, TaskStatistics, fisher_memory};
pub use update::{MergedUpdate, UpdateFacts, UpdateMatrix};

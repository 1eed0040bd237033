//! Models, data sets, heads and benchmarks: a model and its tasks in, scores out.
//!
//! The way of one evaluation: [`Images`] are read and preprocessed once, [embedded](ImageModel::embed) once per base,
//! run through a [patched](ImageModel::patched) tower into [`Features`], and counted against a [`Head`] by
//! [`accuracy`] and [`joint_hits`]. [`Texts`] are read and tokenised once, go through a [language model](DecoderModel) into
//! features likewise, and are counted by [`classify`].
//!
//! This crate knows no job, queue, store, clock or thread of control: the same inputs give the same numbers. A caller
//! bounds the threads by running inside a rayon pool of its own.

mod cache;
mod classes;
mod columns;
mod data;
mod decoder;
mod device;
mod family;
mod gradient;
mod head;
mod images;
mod instructions;
mod joint;
mod kind;
mod limits;
mod model;
mod notes;
mod observe;
mod preprocess;
mod score;
mod settings;
mod text;
mod texts;
mod tokenizing;
mod train;
mod transient;
mod tune;

/// The version of what turns files into scores: decoding, preprocessing, towers, heads and scoring.
///
/// It goes up with every change that may give other numbers for the same files and settings, so that what was computed
/// before is not taken for what would be computed now. A change that only rounds otherwise counts as well. Cached images are
/// kept apart by it. Jobs name it as [`jobs::EVALUATION_SEMANTICS`], for those who make jobs without this crate: the worker does
/// not compile where the two differ.
pub const SEMANTICS: u32 = 1;

pub use cache::DiskCache;
pub use classes::{ClassError, ClassRows, Match, NamesProblem, check_names, head_rows};
pub use columns::{ColumnContent, TableColumn, table_columns};
pub use data::{DataError, DataOutline, ImageProblem, Source};
pub use decoder::{
    Biases, DecoderConfig, DecoderDeltas, DecoderModel, DecoderPlacement, PlacedTexts, RopeScaling, SlidingWindow,
    TextStates,
};
pub use device::{DeviceChoice, TransferCounts, has_cuda, open_device};
pub use family::{
    ClipBase, Configuration, DecoderBase, ExampleCount, ExampleKind, Examples, FamilyVisitor, HostBytes,
    ImageResidency, InputSite, LONGEST_TEXT, MemoryNeed, Model, ModelFamily, Placement, SplitError, SplitMemory,
    SplitSource, TextLimits, TokenisedSplit, TriedOut, configuration, gram_memory, outline,
};
pub use gradient::{
    AdaptedModule, Dropout, FactorGradients, Fisher, GradientTower, ModuleGradient, Real, Recorded, Recording, Scales,
    Sequences,
};
pub use head::{Head, HeadError, prompts};
pub use images::Images;
pub use instructions::{instructions, without_avx512};
pub use joint::{JointError, JointHead, JointMap, JointPrompts};
pub use kind::ModelKind;
pub use limits::{LimitExceeded, Limits};
pub use model::{
    Activation, ClipConfig, Delta, Deltas, Embedded, EncoderConfig, Features, ImageModel, ImageStates, ModelError,
    Module, ModuleProblem, TextConfig, TextProblem, VisionConfig, Watch,
};
pub use notes::notes;
pub use observe::{InputObserver, ModuleInputs, Observed};
pub use preprocess::{Filter, Preprocess, Resize};
pub use score::{HITS, JointScore, PerTaskScore, ScoreError, accuracy, check_map, classify, ensemble_hits, joint_hits};
pub use text::{TextModel, Tokenizer};
pub use texts::{PairTokenizer, Place, TextClasses, TextError, TextSource, Texts};
pub use train::{
    Advance, BegunEvaluation, BlockShape, Evaluation, MakeExamples, StateError, StepAugmentation, TrainError,
    TrainExamples, TrainMemory, TrainPlacement, TrainState, TrainStep, TrainTask, TrainedAdapter, TrainedModule,
    TrainedTensor, Trainer, Validation, initial_head,
};
pub use transient::may_pass;
pub use tune::{Check, Coefficient, CoefficientPlace, Readout, TuneError, TuneState, TuneTask, Tuner};

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_the_evaluation_is_a_number_of_its_own() {
        let stated = include_str!("lib.rs").lines().find_map(|line| line.strip_prefix("pub const SEMANTICS: u32 = "));
        let number = stated.and_then(|number| number.strip_suffix(';')).map(str::parse::<u32>);
        assert_eq!(number, Some(Ok(super::SEMANTICS)), "taken from `jobs`, it could not differ from what jobs name");
    }
}

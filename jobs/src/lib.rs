//! The vocabulary of Bowline: sweep file, search space, recipe, job, result.
//!
//! Plain data and pure functions: nothing here reads a file, opens a socket or holds a tensor. Only [`now_ms`] reads the clock.
//! A sweep file becomes a [`Sweep`]; a strategy proposes [`Recipe`]s; each becomes a [`Job`] whose
//! id is the hash of what decides its outcome; a worker answers with a [`JobResult`] or an [`ArtefactResult`]; and the
//! [`Outcome`] says which results make up the sweep's table.

mod artefact;
mod bitmap;
mod byte_size;
mod canonical_json;
mod causes;
mod checkpoint;
mod clock;
mod command;
mod data;
mod digest;
mod examples;
mod input;
#[warn(clippy::wildcard_enum_match_arm)]
mod job;
mod layerwise;
mod manifest;
#[warn(clippy::wildcard_enum_match_arm)]
mod metric;
mod nearest;
#[warn(clippy::wildcard_enum_match_arm)]
mod outcome;
#[warn(clippy::wildcard_enum_match_arm)]
mod parameter;
mod pool;
mod precision;
#[warn(clippy::wildcard_enum_match_arm)]
mod published;
mod racing;
#[warn(clippy::wildcard_enum_match_arm)]
mod recipe;
mod replicates;
#[warn(clippy::wildcard_enum_match_arm)]
mod rested;
mod result;
mod score;
mod shown;
mod similarity;
mod slice;
mod spec;
mod statistics;
#[warn(clippy::wildcard_enum_match_arm)]
mod status;
mod stored;
mod subsets;
mod sweep;
mod trade_off;
mod train;
mod tune;
mod variant;
mod version;
mod weak;
mod weight_index;
mod write;

pub use artefact::{Artefact, ArtefactFile, ArtefactResult};
pub use bitmap::{Bitmap, BitmapError};
pub use byte_size::ByteSize;
pub use canonical_json::canonical_json;
pub use causes::{causes, error_chain, error_line, error_messages};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use clock::now_ms;
pub use command::{
    COMMAND_SEMANTICS, CommandInput, CommandLimits, CommandLocations, CommandModel, CommandSpec, is_file_name,
    is_variable_name,
};
pub use data::{DataFiles, DataSpec, Rows, ShuffleLike, SplitRule, TextSpec};
pub use digest::{Digest, DigestError};
pub use examples::ExampleCounts;
pub use input::{HubKind, HubRef, InputRef, InputRefError, S3Ref};
pub use job::{
    AdapterInput, BenchmarkInput, EVALUATION_SEMANTICS, EnsembleRule, HeadSpec, InputLocations, Job, JobId,
    JointHeadSpec, Meaning, OtherSemantics, Subject, TaskInput, evaluation_semantics,
};
pub use layerwise::{LAYERWISE_SEMANTICS, LayerwiseSettings, LayerwiseSpec};
pub use manifest::{Change, Manifest};
pub use metric::{Goal, Metric, MetricError, Objective, normalised};
pub use outcome::{LeftOut, Outcome, Point, Raced, Row, RowKind, RowReplicates, SeedRun, SubsetJob};
pub use parameter::{Parameter, RangeError, Values};
pub use pool::PoolEntry;
pub use precision::{DeviceKind, Precision, PrecisionChoice};
pub use published::{PublishedFigures, PublishedMetric, PublishedRow, PublishedSource, Reference, reference_file};
pub use racing::Racing;
pub use recipe::{
    ArcOver, Axis, BelongsTo, Calibrate, Combine, DareDrop, DropRescale, Elect, FisherNorm, Flatten, FlattenOver, Gram,
    KeyKind, KeyValue, Mask, Normalise, PartWeight, PostSteps, Preset, RESIDUAL_LIMIT, Range, Recipe, RecipeError,
    RecipeKey, RecipeSpec, SEMANTICS, Sigma, SigmaCut, SmoothingRule, Space, Stage, Trim, TrimCount, TrimRescale,
    TrimScope, layer_of,
};
pub use replicates::{Replicate, Replicates, ReplicatesError};
pub use rested::RestedFile;
pub use result::{Blame, FailureRecord, JobResult, MergeFacts, ResultFault, RunFacts, Timings, check_answer};
pub use score::{HITS_AT, Interval, TaskScore, TaskScoreError, joint_hits, mean_accuracy, mean_interval};
pub use shown::{escaped, escaped_lines, without_credentials};
pub use similarity::{Similarity, SimilarityError};
pub use slice::{Draw, ExampleSequence, KnownAnswers, Slice, SliceError, TaskAnswers, TaskShare};
pub use spec::{JobKind, JobSpec};
pub use statistics::{
    STATISTICS_SEMANTICS, StatisticsInput, StatisticsKind, StatisticsNeed, StatisticsRow, StatisticsSpec,
};
pub use status::{
    BestSoFar, Cancellation, Evaluated, FailureKind, Finish, JobInHand, Progress, StepsMade, WorkerState, WorkerStatus,
};
pub use subsets::Subsets;
pub use sweep::{
    Baseline, Benchmark, Ensemble, Evaluation, Finetune, FinetuneTask, LearnedMerge, Lines, Method, Place, Search,
    Sweep, SweepError, Task, TaskAdapter, TaskTraining, TrainingKeys, convention_data, is_name, overridden,
    recipe_schema, sweep_schema, yaml_value,
};
pub use trade_off::{dominates, front, hypervolume, trade_off_gains};
pub use train::{
    Augmentation, CHECKPOINT_FILE, EarlyStopping, RateSchedule, SplitInput, StoppingMetric, TRAIN_SEMANTICS,
    TRAINING_FILE, TrainFamily, TrainLeg, TrainLength, TrainSettings, TrainSettingsError, TrainSpec, TrainTargets,
    Warmup,
};
pub use tune::{
    CoefficientBasis, CoefficientScope, LEARNED_FILE, LearnedCoefficients, LearnedError, LearnedWeights,
    TUNE_SEMANTICS, TuneCheck, TuneGuard, TuneObjective, TuneSettings, TuneSettingsError, TuneSpec,
};
pub use variant::{Variant, VariantValue};
pub use version::{UnknownVersion, known as known_version};
pub use weak::WeakAdapter;
pub use weight_index::WeightIndex;
pub use write::{MergeNames, WRITE_SEMANTICS, WriteFormat, WriteSpec};

pub(crate) use recipe::suggest as recipe_suggestion;

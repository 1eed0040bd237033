//! A worker: takes a job, merges, evaluates or writes, stores the result, acknowledges.
//!
//! [`Worker`] is the loop between queue and store. [`Compute`] computes a job: the real one is an [`Engine`], which
//! owns the device and everything that jobs share (models, alignments, merges, images). It runs on a thread of its own,
//! so that the async runtime stays free while a merge or an evaluation runs.
//!
//! The order is: take a job; acknowledge it if its result is stored; otherwise compute, store, acknowledge. A crash at
//! any point returns the job to the queue: at worst it is computed twice, and the first stored result stays.

mod attempt_context;
mod cancellations;
mod checkpoints;
mod choice;
mod command;
mod compute;
mod device_thread;
mod engine;
mod error;
mod heartbeat;
mod known_sweeps;
mod limits;
mod machine;
mod metrics;
mod output;
mod queue_selector;
mod retry_policy;
mod state_file;
mod worker;

pub use attempt_context::{AttemptContext, Loading};
pub use checkpoints::Checkpoints;
pub use command::{CommandError, CommandSettings, OutputFault, end_commands};
pub use compute::{Compute, Computed};
pub use device_thread::DeviceThread;
pub use engine::{Engine, EngineError, EngineSelfTest, EngineSettings};
pub use error::{JobError, WorkerError};
pub use limits::Limits;
pub use machine::{Machine, SelfTest};
pub use metrics::Metrics;
pub use output::{Output, OutputFiles, Scores};
pub use state_file::{LegStart, StateFile};
pub use worker::{Worker, WorkerEnd, WorkerHealth};

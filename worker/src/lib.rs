//! A worker: takes a job, merges, evaluates or writes, stores the result, acknowledges.
//!
//! [`Worker`] is the loop between queue and store. What it does with a job is [`Compute`]: the real one is an
//! [`Engine`], which owns the device and everything that jobs share (models, alignments, merges, pictures), on a
//! thread of its own so that the runtime stays free while a merge or an evaluation takes its time.
//!
//! The order is take → result there? acknowledge → compute → store → acknowledge. A crash at any point gives the job
//! back: at worst it is computed again, and the first stored result stays.

mod cancelled;
mod choice;
mod clock;
mod compute;
mod engine;
mod error;
mod limits;
mod machine;
mod metrics;
mod output;
mod pulse;
mod settle;
mod sources;
mod sweeps;
mod worker;

pub use compute::{Compute, Computed, DeviceThread, Loading, Stop};
pub use engine::{Engine, EngineError, EngineProof, EngineSettings};
pub use error::{JobError, WorkerError};
pub use limits::Limits;
pub use machine::{Machine, Proof};
pub use metrics::Metrics;
pub use output::{MadeFiles, Output, Scores};
pub use worker::{Ended, Vitals, Worker};

//! What a running Bowline shows of itself: metrics, probes, logs, spans.
//!
//! [`ProcessStatus`] holds what a process shows: its metrics, whether it is ready, and its [`Liveness`], which records
//! heartbeats for as long as the event loop runs. [`Endpoint`] serves it over HTTP to Prometheus and to probes;
//! [`HttpServer`] serves any [`Pages`].
//! [`Logs`] says how events are written; [`TracingGuard`] sets that up, and exports spans to a collector if one is
//! configured.
//!
//! The crate knows no job and no queue. Its caller decides which metrics to show.

mod endpoint;
mod gpu;
mod http;
mod liveness;
mod logs;
mod process;
mod samples;
mod status;
mod traces;

pub use endpoint::Endpoint;
pub use gpu::Gpus;
pub use http::{EndpointError, HttpServer, Page, Pages};
pub use liveness::Liveness;
pub use logs::{Format, Logs, TracingError, TracingGuard};
pub use samples::{Sample, SampleKind};
pub use status::ProcessStatus;
pub use traces::{current_trace_parent, follow_trace};

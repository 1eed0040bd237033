//! What a running Bowline tells of itself: metrics, probes, logs, spans.
//!
//! [`Board`] is where a process hangs out what it is: its metrics, whether it is ready, and a [`Heart`] that beats as long as
//! its event loop turns. [`Endpoint`] shows it over HTTP, to Prometheus and to whoever probes. [`Logs`] says how events are
//! written, and [`Telling`] sets that up, with spans for a collector where one is wanted.
//!
//! It knows no job and no queue: whoever runs those says what to tell.

mod board;
mod endpoint;
mod gpu;
mod heart;
mod logs;
mod process;
mod readings;
mod traces;

pub use board::Board;
pub use endpoint::{Endpoint, EndpointError};
pub use gpu::Gpus;
pub use heart::Heart;
pub use logs::{Format, Logs, Telling, TellingError};
pub use readings::{Kind, Reading};
pub use traces::{current_trace_parent, follow_trace};

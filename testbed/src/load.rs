//! Measurements of a cluster.

mod busy;
mod memory;
mod publish;
mod resume;
mod table;
mod traffic;

pub use busy::{Utilisation, busy};
pub use memory::{Memory, memory_of};
pub use publish::publish;
pub use resume::{Resumed, Stored, prepare, resumed};
pub use table::Table;
pub use traffic::{Traffic, TrafficSpec, traffic};

//! Measurements of a cluster.

mod beside;
mod busy;
mod memory;
mod publish;
mod resume;
mod table;
mod traffic;

pub use beside::{BesideSpec, beside};
pub use busy::{Utilisation, busy};
pub use memory::{Memory, cpu_time_of, memory_of};
pub use publish::{jobs_of, publish};
pub use resume::{Resumed, Stored, prepare, resumed};
pub use table::Table;
pub use traffic::{Traffic, TrafficSpec, traffic};

mod bootstrap;
mod draw;
mod forest;
mod importance;
mod mcnemar;
mod variance;

pub use bootstrap::{Bootstrap, Difference, PairedTask};
pub use importance::{Feature, Importance, ImportanceError};
pub use mcnemar::McNemar;

mod bootstrap;
mod draw;
mod forest;
mod importance;
mod mcnemar;
mod stratified;
mod variance;

pub use bootstrap::{Bootstrap, Difference, PairedTask};
pub use importance::{Feature, Importance, ImportanceError};
pub use mcnemar::McNemar;
pub use stratified::{WeightedTask, holm, stratified_mid_p};

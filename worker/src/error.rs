mod job;
mod worker;

pub use job::JobError;
pub use worker::WorkerError;

/// Names in a message, in backticks and separated by commas.
fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

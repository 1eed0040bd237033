//! Bodies of messages, for tests that corrupt them.

use super::wire::{self, DecodeError};
use crate::delivery::QueuedJob;
use jobs::Job;

/// The body of a message with `job` for `sweep`.
pub fn message_body(job: &Job, sweep: &str) -> Vec<u8> {
    wire::encode(&queued(job, sweep), "q").body
}

/// Reads the body of a message as a consumer does.
///
/// The message gets the id of the job in the body, if the body contains a job. Otherwise every changed body would be
/// refused for its id, and the later checks would not be reached.
///
/// # Errors
/// Why the message is no job.
pub fn read_message(body: &[u8], example: &Job) -> Result<Job, String> {
    let properties = wire::encode(&queued(example, "sweep"), "q").properties;
    let decoded = match wire::decode(body, &properties) {
        Err(DecodeError::Misnamed { found, .. }) => {
            wire::decode(body, &properties.with_message_id(found.to_string().into()))
        }
        decoded => decoded,
    };
    wire::sweep_of(body);
    decoded.map(|queued| queued.job).map_err(|error| error.to_string())
}

fn queued(job: &Job, sweep: &str) -> QueuedJob {
    QueuedJob::first(job.clone(), sweep)
}

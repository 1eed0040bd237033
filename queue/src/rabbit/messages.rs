//! Bodies of messages, for tests that damage them.

use super::wire::{self, Foreign};
use crate::delivery::Ticket;
use jobs::Job;

/// The body of a message with `job` for `sweep`.
pub fn message_body(job: &Job, sweep: &str) -> Vec<u8> {
    wire::letter(&ticket(job, sweep), "q").body
}

/// Reads the body of a message as a consumer does.
///
/// The message bears the name of the job that is in it, as far as the body holds one: otherwise every change of a body
/// would be refused for its name, and nothing behind that check would be reached.
///
/// # Errors
/// Why the message is not taken for a job.
pub fn read_message(body: &[u8], example: &Job) -> Result<Job, String> {
    let properties = wire::letter(&ticket(example, "sweep"), "q").properties;
    let opened = match wire::open(body, &properties) {
        Err(Foreign::Misnamed { found, .. }) => wire::open(body, &properties.with_message_id(found.to_string().into())),
        opened => opened,
    };
    wire::sweep_of(body);
    opened.map(|ticket| ticket.job).map_err(|foreign| foreign.to_string())
}

fn ticket(job: &Job, sweep: &str) -> Ticket {
    Ticket { job: job.clone(), sweep: sweep.to_owned(), attempt: 1, losses: 0, deferrals: 0, trace_parent: None }
}

#[cfg(test)]
mod tests;

use crate::delivery::{DEFERRAL, Ticket};
use jobs::{Job, JobId, now_ms};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the message around a job. It grows with every change that an older reader could misunderstand:
/// fields it does not know are refused, too.
pub const WIRE_VERSION: u32 = 1;

/// The message's type, as the broker shows it.
const KIND: &str = "bowline.job";

const ATTEMPT: &str = "bowline-attempt";
const LOSSES: &str = "bowline-losses";
const REASON: &str = "bowline-reason";
const DUE: &str = "bowline-due-ms";
const DELAY: &str = "bowline-delay-ms";
const QUEUED: &str = "bowline-queued-ms";
const DEFERRALS: &str = "bowline-deferrals";
/// In the retry queue: where the job goes when it is due.
const JOB_QUEUE: &str = "bowline-queue";
/// As W3C's Trace Context names it, so that others' tools find it.
const TRACE_PARENT: &str = "traceparent";

/// Headers travel in one frame, of 128 KiB with most brokers, and stay behind in the broker's memory.
const LONGEST_REASON: usize = 4096;

/// Characters of a text of somebody else's that are shown.
const LONGEST_SHOWN: usize = 100;

/// Far below the half hour after which a broker takes an unacknowledged message away.
pub(super) const LONGEST_BACK_OFF: Duration = Duration::from_secs(15 * 60);

/// The length of a `traceparent` of every version there is; what is longer is none.
const LONGEST_TRACE_PARENT: usize = 128;

/// A message on its way to a queue.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) queue: String,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

/// Why a message is not taken for a job.
#[derive(Debug, thiserror::Error)]
pub(super) enum Foreign {
    #[error("not a message of Bowline's: {reason}")]
    NotOurs { reason: serde_json::Error },
    #[error("a message of version {version}, while this Bowline reads version {WIRE_VERSION}")]
    Version { version: u64 },
    #[error("a message of version {WIRE_VERSION} that cannot be read: {reason}")]
    Unreadable { reason: serde_json::Error },
    #[error("a job of version {version}, while this Bowline reads versions 1 to {}", Job::VERSION)]
    JobVersion { version: u64 },
    #[error("the message is named {named}, but the job in it is {found}")]
    Misnamed { named: String, found: JobId },
    #[error("the message names the sweep `{}`, which is no name of a sweep", shown(sweep))]
    Sweep { sweep: String },
    #[error("the header `{header}` is missing or no count")]
    Count { header: &'static str },
}

#[derive(Serialize)]
struct Envelope<'a> {
    version: u32,
    sweep: &'a str,
    job: &'a Job,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    #[serde(rename = "version")]
    _version: u32,
    sweep: String,
    job: Job,
}

/// All that is read of a message, or of the job in it, before its version is known.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// All that is read of a message of our version before that of its job is known.
#[derive(Deserialize)]
struct Peeked {
    job: Versioned,
}

/// `ticket` as a message to `queue`.
pub(super) fn letter(ticket: &Ticket, queue: &str) -> Letter {
    let envelope = Envelope { version: WIRE_VERSION, sweep: &ticket.sweep, job: &ticket.job };
    let body = serde_json::to_vec(&envelope).expect("a job is plain data with text for keys");
    let mut headers = FieldTable::default();
    headers.insert(ATTEMPT.into(), AMQPValue::LongLongInt(ticket.attempt.into()));
    headers.insert(LOSSES.into(), AMQPValue::LongLongInt(ticket.losses.into()));
    headers.insert(QUEUED.into(), AMQPValue::LongLongInt(signed(now_ms())));
    if ticket.deferrals > 0 {
        headers.insert(DEFERRALS.into(), AMQPValue::LongLongInt(ticket.deferrals.into()));
    }
    if let Some(parent) = &ticket.trace_parent {
        headers.insert(TRACE_PARENT.into(), AMQPValue::LongString(parent.as_str().into()));
    }
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id(ticket.job.id().to_string().into())
        .with_type(KIND.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(now_ms() / 1000)
        .with_app_id(concat!("bowline/", env!("CARGO_PKG_VERSION")).into());
    Letter { queue: queue.to_owned(), body, properties }
}

/// The job in a message.
pub(super) fn open(body: &[u8], properties: &BasicProperties) -> Result<Ticket, Foreign> {
    let versioned: Versioned = serde_json::from_slice(body).map_err(|reason| Foreign::NotOurs { reason })?;
    if versioned.version != u64::from(WIRE_VERSION) {
        return Err(Foreign::Version { version: versioned.version });
    }
    let unreadable = |reason| Foreign::Unreadable { reason };
    let peeked: Peeked = serde_json::from_slice(body).map_err(unreadable)?;
    if !(1..=u64::from(Job::VERSION)).contains(&peeked.job.version) {
        return Err(Foreign::JobVersion { version: peeked.job.version });
    }
    let Opened { sweep, job, .. } = serde_json::from_slice(body).map_err(unreadable)?;
    let (named, found) = (properties.message_id().as_ref().map_or("", ShortString::as_str), job.id());
    if named != found.to_string() {
        return Err(Foreign::Misnamed { named: format!("`{named}`"), found });
    }
    // No store can hold a sweep of such a name: nothing that a worker does would make it work.
    if !jobs::is_name(&sweep) {
        return Err(Foreign::Sweep { sweep });
    }
    let attempt = count(properties, ATTEMPT).filter(|attempt| *attempt > 0);
    let attempt = attempt.ok_or(Foreign::Count { header: ATTEMPT })?;
    let losses = count(properties, LOSSES).ok_or(Foreign::Count { header: LOSSES })?;
    let (deferrals, trace_parent) = (deferrals(properties), trace_parent(properties));
    Ok(Ticket { job, sweep, attempt, losses, deferrals, trace_parent })
}

/// The sweep that a message names, of whatever version it is.
pub(super) fn sweep_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        sweep: String,
    }
    serde_json::from_slice(body).ok().map(|Named { sweep }| sweep)
}

/// The beginning of a text of somebody else's, on one line.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect()
}

/// How long a message has waited in its queue, by two machines' clocks.
pub(super) fn waited(properties: &BasicProperties) -> Option<Duration> {
    let queued = u64::try_from(integer(properties, QUEUED)?).ok()?;
    Some(Duration::from_millis(now_ms().saturating_sub(queued)))
}

/// How often a message was left to a worker of another version.
pub(super) fn deferrals(properties: &BasicProperties) -> u32 {
    count(properties, DEFERRALS).unwrap_or(0)
}

/// The job that a message is about, by its name: all that is known of a message of another version.
pub(super) fn named(properties: &BasicProperties) -> Option<JobId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

impl Foreign {
    /// Whether the message is a job for a worker of another version, and to be left to it.
    pub(super) fn is_of_other_version(&self) -> bool {
        matches!(self, Self::Version { .. } | Self::JobVersion { .. })
    }
}

impl Letter {
    /// The message, kept aside for `reason`: body and headers stay.
    pub(super) fn because(mut self, reason: &str) -> Self {
        let end = reason.floor_char_boundary(LONGEST_REASON);
        self.add_header(REASON, AMQPValue::LongString(reason[..end].into()));
        self
    }

    /// The message, to be held back for `delay`.
    pub(super) fn held_for(mut self, delay: Duration) -> Self {
        let delay = millis(delay.min(LONGEST_BACK_OFF));
        // One more: the clock has been cut to whole milliseconds.
        self.add_header(DUE, AMQPValue::LongLongInt(signed(now_ms() + delay + 1)));
        self.add_header(DELAY, AMQPValue::LongLongInt(signed(delay)));
        self
    }

    /// The message, to go to `queue` once it is due.
    pub(super) fn returning_to(mut self, queue: &str) -> Self {
        self.add_header(JOB_QUEUE, AMQPValue::LongString(queue.into()));
        self
    }

    /// The message, left to a worker of another version once more.
    pub(super) fn deferred(mut self) -> Self {
        let deferrals = deferrals(&self.properties).saturating_add(1);
        self.add_header(DEFERRALS, AMQPValue::LongLongInt(deferrals.into()));
        self.held_for(DEFERRAL)
    }

    /// The message, queued up anew as it is.
    pub(super) fn requeued(mut self) -> Self {
        self.add_header(QUEUED, AMQPValue::LongLongInt(signed(now_ms())));
        self
    }

    fn add_header(&mut self, name: &str, value: AMQPValue) {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        headers.insert(name.into(), value);
        self.properties = std::mem::take(&mut self.properties).with_headers(headers);
    }
}

/// How long a message is still to be held back.
///
/// The time it is due at was written by another machine's clock. It never waits longer than the delay it was given,
/// however slow the clock here is; by a fast one it comes early.
pub(super) fn remaining(properties: &BasicProperties) -> Duration {
    let header = |name| integer(properties, name).and_then(|value| u64::try_from(value).ok());
    let left = header(DUE).unwrap_or(0).saturating_sub(now_ms());
    Duration::from_millis(left.min(header(DELAY).unwrap_or(0) + 1)).min(LONGEST_BACK_OFF)
}

/// The queue that a message goes to once it is due. Older programs do not say.
pub(super) fn job_queue(properties: &BasicProperties) -> Option<String> {
    text(properties, JOB_QUEUE)
}

fn trace_parent(properties: &BasicProperties) -> Option<String> {
    text(properties, TRACE_PARENT).filter(|text| text.len() <= LONGEST_TRACE_PARENT)
}

fn text(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn count(properties: &BasicProperties, name: &str) -> Option<u32> {
    integer(properties, name).and_then(|value| u32::try_from(value).ok())
}

/// A whole number, however wide whoever wrote it made it.
fn integer(properties: &BasicProperties, name: &str) -> Option<i64> {
    Some(match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongLongInt(value) => *value,
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        _ => return None,
    })
}

/// Whole milliseconds, rounded up.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

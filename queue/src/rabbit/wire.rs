#[cfg(test)]
mod tests;

use crate::delivery::{DEFER_DELAY, QueuedJob};
use jobs::{Job, JobId, now_ms};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the message around a job. It grows with every change that an older reader could misunderstand.
/// Unknown fields are refused as well.
pub const WIRE_VERSION: u32 = 1;

/// The type property of a message.
const KIND: &str = "bowline.job";

const ATTEMPT: &str = "bowline-attempt";
const LOSSES: &str = "bowline-losses";
const REASON: &str = "bowline-reason";
const DUE: &str = "bowline-due-ms";
const DELAY: &str = "bowline-delay-ms";
const QUEUED: &str = "bowline-queued-ms";
const DEFERRALS: &str = "bowline-deferrals";
/// In the retry queue: the queue that the job returns to.
const JOB_QUEUE: &str = "bowline-queue";
/// The name that W3C's Trace Context prescribes.
const TRACE_PARENT: &str = "traceparent";

/// Headers are sent in one frame, of 128 KiB with most brokers, and are kept in the broker's memory.
const LONGEST_REASON: usize = 4096;

/// Characters of an unknown text that an error shows.
const LONGEST_SHOWN: usize = 100;

/// Far below the 30 minutes after which a broker delivers an unacknowledged message again.
pub(super) const LONGEST_BACK_OFF: Duration = Duration::from_secs(15 * 60);

/// No version of `traceparent` is longer.
const LONGEST_TRACE_PARENT: usize = 128;

/// A message to a queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) queue: String,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

/// Why a message is no job for this program.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("not a message of Bowline: {reason}")]
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
struct DecodedEnvelope {
    version: u64,
    sweep: String,
    job: Job,
}

/// The part of a message, or of the job in it, that is read before its version is known.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// The part of a message of our version that is read before the version of its job is known.
#[derive(Deserialize)]
struct JobVersionOnly {
    job: Versioned,
}

/// Encodes `queued` as a message to `queue`.
pub(super) fn encode(queued: &QueuedJob, queue: &str) -> Message {
    let envelope = Envelope { version: WIRE_VERSION, sweep: &queued.sweep, job: &queued.job };
    let body = serde_json::to_vec(&envelope).expect("a job is plain data with strings as keys");
    let mut headers = FieldTable::default();
    headers.insert(ATTEMPT.into(), AMQPValue::LongLongInt(queued.attempt.into()));
    headers.insert(LOSSES.into(), AMQPValue::LongLongInt(queued.losses.into()));
    headers.insert(QUEUED.into(), AMQPValue::LongLongInt(signed(now_ms())));
    if queued.deferrals > 0 {
        headers.insert(DEFERRALS.into(), AMQPValue::LongLongInt(queued.deferrals.into()));
    }
    if let Some(parent) = &queued.trace_parent {
        headers.insert(TRACE_PARENT.into(), AMQPValue::LongString(parent.as_str().into()));
    }
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id(queued.id.to_string().into())
        .with_type(KIND.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(now_ms() / 1000)
        .with_app_id(concat!("bowline/", env!("CARGO_PKG_VERSION")).into());
    Message { queue: queue.to_owned(), body, properties }
}

/// Decodes the job in a message.
pub(super) fn decode(body: &[u8], properties: &BasicProperties) -> Result<QueuedJob, DecodeError> {
    let envelope = serde_json::from_slice(body).map_err(|reason| refusal(body, reason))?;
    let DecodedEnvelope { version, sweep, job } = envelope;
    if version != u64::from(WIRE_VERSION) {
        return Err(DecodeError::Version { version });
    }
    let named = properties.message_id().as_ref().map_or("", ShortString::as_str);
    let found = job.id();
    if named != found.to_string() {
        return Err(DecodeError::Misnamed { named: format!("`{named}`"), found });
    }
    // No store can contain a sweep of such a name.
    if !jobs::is_name(&sweep) {
        return Err(DecodeError::Sweep { sweep });
    }
    let attempt = count(properties, ATTEMPT).filter(|attempt| *attempt > 0);
    let attempt = attempt.ok_or(DecodeError::Count { header: ATTEMPT })?;
    let losses = count(properties, LOSSES).ok_or(DecodeError::Count { header: LOSSES })?;
    Ok(QueuedJob {
        job,
        id: found,
        sweep,
        attempt,
        losses,
        deferrals: deferrals(properties),
        trace_parent: trace_parent(properties),
    })
}

/// Why a body that is no message of our version is refused. Versions are read first: a message of another version may
/// have any other content, and is for another worker.
fn refusal(body: &[u8], reason: serde_json::Error) -> DecodeError {
    let Versioned { version } = match serde_json::from_slice(body) {
        Ok(versioned) => versioned,
        Err(reason) => return DecodeError::NotOurs { reason },
    };
    if version != u64::from(WIRE_VERSION) {
        return DecodeError::Version { version };
    }
    match serde_json::from_slice(body) {
        Ok(JobVersionOnly { job }) if !(1..=u64::from(Job::VERSION)).contains(&job.version) => {
            DecodeError::JobVersion { version: job.version }
        }
        Ok(_) => DecodeError::Unreadable { reason },
        Err(reason) => DecodeError::Unreadable { reason },
    }
}

/// The sweep that a message names, of whatever version it is.
pub(super) fn sweep_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        sweep: String,
    }
    serde_json::from_slice(body).ok().map(|Named { sweep }| sweep)
}

/// The beginning of an unknown text, on one line.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect()
}

/// How long a message has waited in its queue, by the clocks of two machines.
pub(super) fn waited(properties: &BasicProperties) -> Option<Duration> {
    let queued = u64::try_from(integer(properties, QUEUED)?).ok()?;
    Some(Duration::from_millis(now_ms().saturating_sub(queued)))
}

/// How often a message was deferred to a worker of another version.
pub(super) fn deferrals(properties: &BasicProperties) -> u32 {
    count(properties, DEFERRALS).unwrap_or(0)
}

/// The id of the job of a message. Nothing else is known of a message of another version.
pub(super) fn named_job(properties: &BasicProperties) -> Option<JobId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

impl DecodeError {
    /// Whether the message is a job for a worker of another version.
    pub(super) fn is_other_version(&self) -> bool {
        matches!(self, Self::Version { .. } | Self::JobVersion { .. })
    }
}

impl Message {
    /// Adds the reason why the message is a dead letter. Body and other headers stay.
    pub(super) fn with_reason(mut self, reason: &str) -> Self {
        let end = reason.floor_char_boundary(LONGEST_REASON);
        self.add_header(REASON, AMQPValue::LongString(reason[..end].into()));
        self
    }

    /// Has the retry queue hold the message for `delay`.
    pub(super) fn held_for(mut self, delay: Duration) -> Self {
        let delay = millis(delay.min(LONGEST_BACK_OFF));
        // One more, because the clock is truncated to whole milliseconds.
        self.add_header(DUE, AMQPValue::LongLongInt(signed(now_ms() + delay + 1)));
        self.add_header(DELAY, AMQPValue::LongLongInt(signed(delay)));
        self
    }

    /// Has the retry queue return the message to `queue`.
    pub(super) fn returning_to(mut self, queue: &str) -> Self {
        self.add_header(JOB_QUEUE, AMQPValue::LongString(queue.into()));
        self
    }

    /// Counts one more deferral, and has the retry queue hold the message.
    pub(super) fn deferred(mut self) -> Self {
        let deferrals = deferrals(&self.properties).saturating_add(1);
        self.add_header(DEFERRALS, AMQPValue::LongLongInt(deferrals.into()));
        self.held_for(DEFER_DELAY)
    }

    /// Sets the time at which the message was queued to now.
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

/// How long a message must still be held.
///
/// Another machine's clock wrote the time at which it is due. If the clock here is behind, the message waits for its
/// delay at most. If the clock here is ahead, the message is early.
pub(super) fn remaining(properties: &BasicProperties) -> Duration {
    let header = |name| integer(properties, name).and_then(|value| u64::try_from(value).ok());
    let left = header(DUE).unwrap_or(0).saturating_sub(now_ms());
    Duration::from_millis(left.min(header(DELAY).unwrap_or(0) + 1)).min(LONGEST_BACK_OFF)
}

/// The queue that a message returns to when it is due. Older programs do not write it.
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

/// An integer of any width: clients in other languages choose other ones.
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

mod greeting;
mod management;

use super::{RabbitQueue, RabbitSettings, fault::Fault, link::Link, topology::Topology};
use crate::QueueError;
use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use url::Url;

pub use management::Policy;

/// After how long a broker takes an unacknowledged message away, unless it is configured otherwise.
const USUAL_CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a worker may take to stop a job that is past its limit, and to settle it.
const STOPPING: Duration = Duration::from_secs(30);

/// What else to look at when a broker is checked.
#[derive(Debug, Clone, Default)]
pub struct RabbitCheck {
    /// Where the management interface answers; by default `http`, port 15672 of the broker's host, or with `amqps` `https`,
    /// port 15671.
    pub management: Option<Url>,
    /// How long a job may take: the broker must wait as long for its acknowledgement, and half a minute more.
    /// [`Duration::MAX`] where jobs have no limit; `None` where that is not known, and nothing is to be said about it.
    pub job_limit: Option<Duration>,
}

/// What was found about a broker that jobs can travel through.
#[derive(Debug, Clone)]
pub struct RabbitReport {
    /// What it calls itself, such as `RabbitMQ 4.1.0, cluster rabbit@host`.
    pub broker: String,
    /// How often both sides show that they are there; `None` if they do not.
    pub heartbeat: Option<Duration>,
    /// The time from sending a message to having it back.
    pub round_trip: Duration,
    /// The pool's queues. They are durable quorum queues: the broker refuses to declare them so otherwise.
    pub queues: Vec<QueueReport>,
    /// The policy on each queue, in the same order, or why it cannot be told.
    pub policies: Result<Vec<Option<Policy>>, String>,
    /// What should be changed, in sentences.
    pub warnings: Vec<String>,
}

/// One queue of a pool.
#[derive(Debug, Clone)]
pub struct QueueReport {
    /// Its name.
    pub name: String,
    /// Messages that wait in it.
    pub waiting: u64,
    /// Who takes messages from it.
    pub consumers: u64,
}

impl RabbitQueue {
    /// Checks whether jobs can travel: connects, makes the pool's queues where they are missing, sends a message and
    /// takes it back, and reads the policies from the management interface, where it answers.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn check(settings: RabbitSettings, check: &RabbitCheck) -> Result<RabbitReport, QueueError> {
        let settings = Arc::new(settings);
        let topology = Topology::of(&settings.pool);
        let link = Link::new(&settings, "checking")?;
        super::first_contact(&link, &topology, &settings).await?;
        let looked = look(&link, &topology).await;
        let (round_trip, queues) =
            looked.map_err(|fault| super::outbox::unreachable(&settings, Duration::ZERO, &fault.reason))?;
        let broker = greeting::of(&link).await.unwrap_or_else(|_| "a broker that does not name itself".to_owned());
        let policies = management::policies(&settings, check.management.as_ref(), &queues).await;
        let warnings = warnings(&queues, &policies, check.job_limit);
        let heartbeat = link.heartbeat().await;
        link.close().await;
        Ok(RabbitReport { broker, heartbeat, round_trip, queues, policies, warnings })
    }
}

async fn look(link: &Link, topology: &Topology) -> Result<(Duration, Vec<QueueReport>), Fault> {
    let line = link.channel().await?;
    line.attend(look_over(&line, topology)).await
}

async fn look_over(channel: &Channel, topology: &Topology) -> Result<(Duration, Vec<QueueReport>), Fault> {
    let round_trip = round_trip(channel).await?;
    let mut queues = Vec::new();
    for name in [&topology.jobs, &topology.retry, &topology.parked] {
        let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
        let (waiting, consumers) = (queue.message_count().into(), queue.consumer_count().into());
        queues.push(QueueReport { name: name.clone(), waiting, consumers });
    }
    Ok((round_trip, queues))
}

/// Sends a message to a queue of its own and takes it back.
async fn round_trip(channel: &Channel) -> Result<Duration, Fault> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let start = Instant::now();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish("".into(), queue.clone(), options, b"check", properties).await?.await?;
    while channel.basic_get(queue.clone(), BasicGetOptions { no_ack: true }).await?.is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(Fault::new("a message that the broker confirmed did not come back within 10 s"));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(start.elapsed())
}

/// What policies, or their absence, mean for jobs of that length.
fn warnings(
    queues: &[QueueReport],
    policies: &Result<Vec<Option<Policy>>, String>,
    job_limit: Option<Duration>,
) -> Vec<String> {
    let none = Vec::new();
    let policies = policies.as_ref().unwrap_or(&none);
    let mut warnings: Vec<String> = queues
        .iter()
        .zip(policies)
        .filter_map(|(queue, policy)| Some(policy.as_ref()?.warnings(&queue.name)))
        .flatten()
        .collect();
    let of_jobs = policies.first().and_then(Option::as_ref).and_then(|policy| policy.consumer_timeout);
    if let Some(limit) =
        job_limit.filter(|limit| limit.saturating_add(STOPPING) >= of_jobs.unwrap_or(USUAL_CONSUMER_TIMEOUT))
    {
        let takes = match limit {
            Duration::MAX => "a job may take any time".to_owned(),
            limit => format!("a job may take {} s, and {} s to stop", limit.as_secs(), STOPPING.as_secs()),
        };
        let jobs = queues.first().map_or("", |queue| queue.name.as_str());
        warnings.push(match of_jobs {
            Some(timeout) => format!(
                "the broker takes a job away after {} s (policy `consumer-timeout` on `{jobs}`), but {takes}",
                timeout.as_secs()
            ),
            None => format!(
                "{takes}, but brokers take one away after {} s unless they are configured otherwise; set the policy `consumer-timeout` on `{jobs}` or `consumer_timeout` in rabbitmq.conf",
                USUAL_CONSUMER_TIMEOUT.as_secs()
            ),
        });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Vec<QueueReport> {
        vec![QueueReport { name: "bowline.jobs.default".to_owned(), waiting: 0, consumers: 0 }]
    }

    fn policy(definition: &str) -> Result<Vec<Option<Policy>>, String> {
        Ok(vec![Some(Policy::new("cluster-wide".to_owned(), &serde_json::from_str(definition).unwrap()))])
    }

    fn about(definition: &str, job_limit: u64) -> Vec<String> {
        warnings(&queue(), &policy(definition), Some(Duration::from_secs(job_limit)))
    }

    #[test]
    fn a_timeout_below_the_job_limit_is_warned_of() {
        let warnings = about(r#"{"consumer-timeout":60000}"#, 3600);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("the broker takes a job away after 60 s"), "{warnings:?}");
        assert!(warnings[0].ends_with("but a job may take 3600 s, and 30 s to stop"), "{warnings:?}");
        assert!(about(r#"{"consumer-timeout":7200000}"#, 3600).is_empty());
    }

    #[test]
    fn a_job_past_its_limit_needs_time_to_stop() {
        assert_eq!(about(r#"{"consumer-timeout":3630000}"#, 3600).len(), 1);
        assert!(about(r#"{"consumer-timeout":3631000}"#, 3600).is_empty());
    }

    #[test]
    fn jobs_without_a_limit_outlast_every_timeout() {
        for policies in [policy(r#"{"consumer-timeout":86400000}"#), Ok(vec![None])] {
            let warnings = warnings(&queue(), &policies, Some(Duration::MAX));
            assert_eq!(warnings.len(), 1);
            assert!(warnings[0].contains("a job may take any time"), "{warnings:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_taken_for_the_brokers_default() {
        for unknown in [Err("no answer".to_owned()), Ok(vec![None])] {
            let warnings = warnings(&queue(), &unknown, Some(Duration::from_secs(3600)));
            assert!(warnings[0].contains("after 1800 s unless they are configured otherwise"), "{warnings:?}");
            assert!(super::warnings(&queue(), &unknown, Some(Duration::from_secs(600))).is_empty());
            assert!(super::warnings(&queue(), &unknown, None).is_empty());
        }
    }

    #[test]
    fn policies_that_lose_jobs_are_warned_of() {
        for (definition, about_it) in [
            (r#"{"max-length":1000}"#, "`max-length`"),
            (r#"{"max-length-bytes":1000,"overflow":"drop-head"}"#, "`max-length-bytes`"),
            (r#"{"message-ttl":1000}"#, "`message-ttl`"),
            (r#"{"expires":1000}"#, "`expires`"),
            (r#"{"delivery-limit":1}"#, "`delivery-limit`"),
        ] {
            let warnings = about(definition, 1);
            assert_eq!(warnings.len(), 1, "{definition}: {warnings:?}");
            assert!(warnings[0].contains(about_it) && warnings[0].contains("`cluster-wide`"), "{warnings:?}");
        }
        for definition in [
            "{}",
            r#"{"max-length":1000,"overflow":"reject-publish"}"#,
            r#"{"delivery-limit":20}"#,
            r#"{"delivery-limit":-1}"#,
        ] {
            assert!(about(definition, 1).is_empty(), "{definition}");
        }
    }
}

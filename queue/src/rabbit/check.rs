mod management;
mod server_properties;

use super::{
    connection::BrokerConnection,
    fault::Fault,
    outage::unreachable,
    queue::{RabbitQueue, declare_until_answered},
    settings::RabbitSettings,
    topology::Topology,
};
use crate::{error::QueueError, source::Backlog};
use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use url::Url;

pub use management::Policy;

/// The broker's default time after which it delivers an unacknowledged message again.
const DEFAULT_CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a worker may take to stop and settle a job that exceeds its limit.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// Options of the check of a broker.
#[derive(Debug, Clone, Default)]
pub struct RabbitCheck {
    /// The address of the management interface. By default `http` and port 15672 of the broker's host, or with `amqps`
    /// `https` and port 15671.
    pub management: Option<Url>,
    /// The limit of a job. The broker must wait 30 seconds longer for its acknowledgement. [`Duration::MAX`] if jobs
    /// have no limit; `None` if the limit is unknown, and not checked.
    pub job_limit: Option<Duration>,
    /// The sweeps whose queues are checked as well. A queue that does not exist is left out.
    pub sweeps: Vec<String>,
}

/// The result of the check of a broker that can transport jobs.
#[derive(Debug, Clone)]
pub struct RabbitReport {
    /// Product, version and cluster, for instance `RabbitMQ 4.1.0, cluster rabbit@host`.
    pub broker: String,
    /// The heartbeat interval; `None` without heartbeats.
    pub heartbeat: Option<Duration>,
    /// The time from publishing a message to receiving it.
    pub round_trip: Duration,
    /// The pool's queues, those of jobs first. They are durable quorum queues; otherwise the declaration would have
    /// failed.
    pub queues: Vec<QueueReport>,
    /// The policy of each queue, in the same order, or why it is unknown.
    pub policies: Result<Vec<Option<Policy>>, String>,
    /// What an operator should change, as sentences.
    pub warnings: Vec<String>,
}

/// One queue of a pool.
#[derive(Debug, Clone)]
pub struct QueueReport {
    /// Its name.
    pub name: String,
    /// Whether workers take jobs from it.
    pub holds_jobs: bool,
    /// Messages that wait.
    pub waiting: u64,
    /// Consumers.
    pub consumers: u64,
}

impl RabbitQueue {
    /// Checks whether the broker can transport jobs: connects, declares the pool's queues, publishes and receives a
    /// message, and reads the policies from the management interface if it answers.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn check(settings: RabbitSettings, check: &RabbitCheck) -> Result<RabbitReport, QueueError> {
        let settings = Arc::new(settings);
        let topology = Topology::of(&settings.pool);
        let connection = BrokerConnection::new(&settings, "checking")?;
        declare_until_answered(&connection, &topology, &settings).await?;
        let measured = measure(&connection, &topology, &check.sweeps).await;
        let Measured { round_trip, queues } =
            measured.map_err(|fault| unreachable(&settings, Duration::ZERO, &fault.reason))?;
        let broker = server_properties::of(&connection)
            .await
            .unwrap_or_else(|_| "a broker that does not name itself".to_owned());
        let policies = management::policies(&settings, check.management.as_ref(), &queues).await;
        let warnings = warnings(&queues, &policies, check.job_limit);
        let heartbeat = connection.heartbeat().await;
        connection.close().await;
        Ok(RabbitReport { broker, heartbeat, round_trip, queues, policies, warnings })
    }
}

struct Measured {
    round_trip: Duration,
    queues: Vec<QueueReport>,
}

async fn measure(connection: &BrokerConnection, topology: &Topology, sweeps: &[String]) -> Result<Measured, Fault> {
    let channel = connection.channel().await?;
    let round_trip = channel.run(round_trip(&channel)).await?;
    let names = [topology.jobs.clone()].into_iter().chain(sweeps.iter().map(|sweep| topology.jobs_of(sweep)));
    let mut queues = Vec::new();
    for name in names.chain([topology.retry.clone(), topology.dead_letters.clone()]) {
        // A channel for each: the broker closes the channel if the queue does not exist.
        match connection.channel().await?.inspect(&name).await {
            Ok(Backlog { waiting, consumers }) => {
                queues.push(QueueReport { holds_jobs: topology.holds_jobs(&name), name, waiting, consumers });
            }
            Err(fault) if fault.is_missing => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Measured { round_trip, queues })
}

/// Publishes a message to an exclusive queue and receives it.
async fn round_trip(channel: &Channel) -> Result<Duration, Fault> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let start = Instant::now();
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    channel.basic_publish("".into(), queue.clone(), options, b"check", properties).await?.await?;
    while channel.basic_get(queue.clone(), BasicGetOptions { no_ack: true }).await?.is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(Fault::new("a message that the broker confirmed did not come back within 10 s"));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(start.elapsed())
}

/// The warnings about these policies, or their absence, for jobs of that limit.
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
    if let Some(limit) = job_limit {
        warnings.extend(timeout_warning(queues, policies, limit));
    }
    warnings
}

/// The warning about the queue of jobs with the shortest timeout, if that is too short for `limit`.
fn timeout_warning(queues: &[QueueReport], policies: &[Option<Policy>], limit: Duration) -> Option<String> {
    let of_policy = |index: usize| policies.get(index)?.as_ref()?.consumer_timeout;
    let of_jobs = queues.iter().enumerate().filter(|(_, queue)| queue.holds_jobs);
    let (index, queue) = of_jobs.min_by_key(|(index, _)| of_policy(*index).unwrap_or(DEFAULT_CONSUMER_TIMEOUT))?;
    let timeout = of_policy(index);
    if limit.saturating_add(STOP_GRACE) < timeout.unwrap_or(DEFAULT_CONSUMER_TIMEOUT) {
        return None;
    }
    let takes = match limit {
        Duration::MAX => "a job may take any time".to_owned(),
        limit => format!("a job may take {} s, and {} s to stop", limit.as_secs(), STOP_GRACE.as_secs()),
    };
    let jobs = &queue.name;
    Some(match timeout {
        Some(timeout) => format!(
            "the broker takes a job away after {} s (policy `consumer-timeout` on `{jobs}`), but {takes}",
            timeout.as_secs()
        ),
        None => format!(
            "{takes}, but brokers take one away after {} s unless they are configured otherwise; set the policy \
             `consumer-timeout` on `{jobs}` or `consumer_timeout` in rabbitmq.conf",
            DEFAULT_CONSUMER_TIMEOUT.as_secs()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Vec<QueueReport> {
        vec![report("bowline.jobs.default", true)]
    }

    fn report(name: &str, holds_jobs: bool) -> QueueReport {
        QueueReport { name: name.to_owned(), holds_jobs, waiting: 0, consumers: 0 }
    }

    fn policy(definition: &str) -> Result<Vec<Option<Policy>>, String> {
        Ok(vec![Some(Policy::new("cluster-wide".to_owned(), &serde_json::from_str(definition).unwrap()))])
    }

    fn warnings_about(definition: &str, job_limit: u64) -> Vec<String> {
        warnings(&queue(), &policy(definition), Some(Duration::from_secs(job_limit)))
    }

    #[test]
    fn a_timeout_below_the_job_limit_causes_a_warning() {
        let warnings = warnings_about(r#"{"consumer-timeout":60000}"#, 3600);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("the broker takes a job away after 60 s"), "{warnings:?}");
        assert!(warnings[0].ends_with("but a job may take 3600 s, and 30 s to stop"), "{warnings:?}");
        assert!(warnings_about(r#"{"consumer-timeout":7200000}"#, 3600).is_empty());
    }

    #[test]
    fn a_job_past_its_limit_needs_time_to_stop() {
        assert_eq!(warnings_about(r#"{"consumer-timeout":3630000}"#, 3600).len(), 1);
        assert!(warnings_about(r#"{"consumer-timeout":3631000}"#, 3600).is_empty());
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
    fn an_unknown_timeout_is_assumed_to_be_the_default() {
        for unknown in [Err("no answer".to_owned()), Ok(vec![None])] {
            let warnings = warnings(&queue(), &unknown, Some(Duration::from_secs(3600)));
            assert!(warnings[0].contains("after 1800 s unless they are configured otherwise"), "{warnings:?}");
            assert!(super::warnings(&queue(), &unknown, Some(Duration::from_secs(600))).is_empty());
            assert!(super::warnings(&queue(), &unknown, None).is_empty());
        }
    }

    #[test]
    fn policies_that_lose_jobs_cause_warnings() {
        for (definition, key) in [
            (r#"{"max-length":1000}"#, "`max-length`"),
            (r#"{"max-length-bytes":1000,"overflow":"drop-head"}"#, "`max-length-bytes`"),
            (r#"{"message-ttl":1000}"#, "`message-ttl`"),
            (r#"{"expires":1000}"#, "`expires`"),
            (r#"{"delivery-limit":1}"#, "`delivery-limit`"),
        ] {
            let warnings = warnings_about(definition, 1);
            assert_eq!(warnings.len(), 1, "{definition}: {warnings:?}");
            assert!(warnings[0].contains(key) && warnings[0].contains("`cluster-wide`"), "{warnings:?}");
        }
        for definition in [
            "{}",
            r#"{"max-length":1000,"overflow":"reject-publish"}"#,
            r#"{"delivery-limit":20}"#,
            r#"{"delivery-limit":-1}"#,
        ] {
            assert!(warnings_about(definition, 1).is_empty(), "{definition}");
        }
    }

    #[test]
    fn the_shortest_timeout_of_all_queues_of_jobs_counts_and_no_other_queue() {
        let policy = |timeout: &str| {
            let definition = format!(r#"{{"consumer-timeout":{timeout}}}"#);
            Some(Policy::new("own".to_owned(), &serde_json::from_str(&definition).unwrap()))
        };
        let queues = [
            report("bowline.jobs.default", true),
            report("bowline.jobs.default.mini8", true),
            report("bowline.retry.default", false),
        ];
        let limit = Some(Duration::from_secs(600));
        let warned = warnings(&queues, &Ok(vec![policy("7200000"), policy("60000"), policy("1000")]), limit);
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("after 60 s (policy `consumer-timeout` on `bowline.jobs.default.mini8`)"),
            "{warned:?}"
        );
        assert!(warnings(&queues, &Ok(vec![policy("7200000"), None, policy("1000")]), limit).is_empty());
    }
}

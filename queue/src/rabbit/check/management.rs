use super::{super::settings::RabbitSettings, QueueReport};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;
use url::Url;

/// How long the management interface may take for one answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The default port.
const PORT: u16 = 15672;

/// The default port with TLS.
const TLS_PORT: u16 = 15671;
/// With a lower limit, a job is dropped after a few workers that died.
const FEW_DELIVERIES: i64 = 5;

/// The keys of a policy that matter to jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// After how many failed deliveries the broker drops a message; never if negative.
    pub delivery_limit: Option<i64>,
    /// After how long the broker delivers an unacknowledged message again.
    pub consumer_timeout: Option<Duration>,
    /// Keys with which the broker drops messages or whole queues.
    pub dropping: Vec<String>,
}

impl Policy {
    pub(super) fn new(name: String, definition: &Map<String, Value>) -> Self {
        let is_full_dropping = definition.get("overflow").is_none_or(|overflow| overflow == "drop-head");
        let dropping = ["message-ttl", "expires"]
            .into_iter()
            .chain(["max-length", "max-length-bytes"].into_iter().filter(|_| is_full_dropping))
            .filter(|key| definition.contains_key(*key))
            .map(str::to_owned)
            .collect();
        let milliseconds = definition.get("consumer-timeout").and_then(Value::as_u64);
        Self {
            name,
            delivery_limit: definition.get("delivery-limit").and_then(Value::as_i64),
            consumer_timeout: milliseconds.map(Duration::from_millis),
            dropping,
        }
    }

    pub(super) fn warnings(&self, queue: &str) -> Vec<String> {
        let name = &self.name;
        let drops = |key: &String| {
            format!("the policy `{name}` lets the broker drop messages of `{queue}`: take `{key}` out of it")
        };
        let mut warnings: Vec<_> = self.dropping.iter().map(drops).collect();
        if let Some(limit) = self.delivery_limit.filter(|limit| (0..FEW_DELIVERIES).contains(limit)) {
            warnings.push(format!(
                "the policy `{name}` has the broker drop a message of `{queue}` when workers lost it more than {limit} times: raise its `delivery-limit`"
            ));
        }
        warnings
    }
}

/// A queue in the answer of the management interface.
#[derive(Deserialize)]
struct Described {
    policy: Option<String>,
    /// An empty list if there is none.
    #[serde(default)]
    effective_policy_definition: Value,
}

/// The policies of `queues`, or why they are unknown.
pub(super) async fn policies(
    settings: &RabbitSettings,
    base: Option<&Url>,
    queues: &[QueueReport],
) -> Result<Vec<Option<Policy>>, String> {
    let base = match base {
        Some(base) => base.clone(),
        None => default_address(settings).ok_or("the address has no host that a management interface could be at")?,
    };
    // A proxy of the environment does not lead to the broker of a cluster.
    let mut client =
        reqwest::Client::builder().timeout(TIME_LIMIT).no_proxy().redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &settings.ca_file {
        let pem = std::fs::read(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| described(&error))?;
        client = client.tls_certs_merge(roots);
    }
    let client = client.build().map_err(|error| described(&error))?;
    let mut policies = Vec::new();
    for queue in queues {
        policies.push(policy(&client, &base, settings, &queue.name).await?);
    }
    Ok(policies)
}

async fn policy(
    client: &reqwest::Client,
    base: &Url,
    settings: &RabbitSettings,
    queue: &str,
) -> Result<Option<Policy>, String> {
    let mut url = base.clone();
    let path = ["api", "queues", settings.address.vhost(), queue];
    url.path_segments_mut()
        .map_err(|()| "the management address is no web address".to_owned())?
        .pop_if_empty()
        .extend(path);
    let authority = &settings.address.uri().authority.userinfo;
    let request = client.get(url).basic_auth(&authority.username, Some(&authority.password));
    let answer = request.send().await.map_err(|error| described(&error))?;
    if !answer.status().is_success() {
        return Err(format!("the management interface answers {}", answer.status()));
    }
    let body = answer.bytes().await.map_err(|error| described(&error))?;
    let described: Described = serde_json::from_slice(&body)
        .map_err(|error| format!("the management interface describes a queue in another way than known: {error}"))?;
    let name = described.policy.unwrap_or_default();
    Ok(described.effective_policy_definition.as_object().map(|definition| Policy::new(name, definition)))
}

/// The default address of the interface. The password of an encrypted address is never sent over a plain connection.
fn default_address(settings: &RabbitSettings) -> Option<Url> {
    let (scheme, port) = if settings.address.is_encrypted() { ("https", TLS_PORT) } else { ("http", PORT) };
    let host = settings.address.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Url::parse(&format!("{scheme}://{host}:{port}")).ok()
}

/// Describes an error without the address, which may contain a password.
fn described(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "does not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "does not answer as expected"
    };
    format!("the management interface {what}")
}

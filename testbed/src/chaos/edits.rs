//! Stored results that are changed by hand to impossible ones.

use crate::{Failure, args::Cluster};
use jobs::{Digest, JobId};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Backend, BackendError, Key, Location, S3Backend};
use tokio::time::sleep;

/// A stored result that was changed.
#[derive(Debug, Clone)]
pub(super) struct Edited {
    pub(super) job: JobId,
    /// The changed content.
    digest: Digest,
}

/// The most attempts while the bucket fails.
const TRIES: usize = 100;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

type Edit = fn(Vec<u8>) -> Result<Vec<u8>, Failure>;

/// The ways in which a result is changed.
const EDITS: [Edit; 7] = [
    |content| change(&content, |value| value["scores"][0]["correct"] = json!(100_000)),
    |content| change(&content, |value| value["scores"][0]["n"] = json!(0)),
    |content| change(&content, |value| value["scores"][0]["task"] = json!("icons")),
    |content| change(&content, |value| value["scores"] = json!([])),
    |content| change(&content, |value| drop(value["scores"].as_array_mut().and_then(Vec::pop))),
    |_| Ok(Vec::new()),
    |mut content| {
        content.truncate(content.len() / 2);
        Ok(content)
    },
];

/// Opens the bucket of a cluster, to change its objects by hand.
pub(super) async fn open(cluster: &Cluster) -> Result<S3Backend, Failure> {
    let Location::S3(place) = &cluster.store else { return Err("the store is no bucket".into()) };
    let settings = cluster.s3();
    with_retries(async || S3Backend::open(place.clone(), &settings).await).await
}

/// Changes the result of the first of `jobs` that is stored; `None` if none is.
pub(super) async fn edit(
    bucket: &S3Backend,
    jobs: impl Iterator<Item = JobId>,
    number: usize,
) -> Result<Option<Edited>, Failure> {
    for job in jobs {
        let key = result_key(job)?;
        let Some(content) = with_retries(async || bucket.get(&key).await).await? else { continue };
        let edited = EDITS[number % EDITS.len()](content)?;
        with_retries(async || bucket.put(&key, edited.clone()).await).await?;
        return Ok(Some(Edited { job, digest: Digest::of(&edited) }));
    }
    Ok(None)
}

impl Edited {
    /// Whether the changed content was recognised and set aside.
    pub(super) async fn is_set_aside(&self, bucket: &S3Backend) -> Result<bool, Failure> {
        let key = Key::new(format!("set-aside/{}/{}.json", self.job, self.digest.short()))?;
        Ok(with_retries(async || bucket.get(&key).await).await?.is_some())
    }
}

fn result_key(job: JobId) -> Result<Key, Failure> {
    let id = job.to_string();
    Ok(Key::new(format!("results/{}/{id}.json", &id[..2]))?)
}

fn change(content: &[u8], change: impl Fn(&mut Value)) -> Result<Vec<u8>, Failure> {
    let mut value = serde_json::from_slice(content)?;
    change(&mut value);
    Ok(serde_json::to_vec(&value)?)
}

/// Retries a request to the bucket, which other faults may have struck.
async fn with_retries<T>(ask: impl AsyncFn() -> Result<T, BackendError>) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() && tries < TRIES => {
                tries += 1;
                sleep(PAUSE).await;
            }
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::JobResult;
    use store::testing::results;

    #[test]
    fn no_edit_leaves_a_result_that_could_be() {
        for result in results(3) {
            let content = serde_json::to_vec(&result).unwrap();
            for (number, edit) in EDITS.iter().enumerate() {
                let edited = edit(content.clone()).unwrap();
                let read = serde_json::from_slice::<JobResult>(&edited);
                assert!(read.is_err() || read.unwrap().check().is_err(), "edit {number}");
            }
        }
    }
}

use super::Hub;
use futures_util::StreamExt;
use hf_hub::{HFClient, HFError, RepoType};
use jobs::{HubKind, HubRef};
use std::{ops::Range, sync::OnceLock};
use tokio::runtime::{Builder, Runtime};

/// Reads parts of files. The client for whole files reads everything that a server sends, which may be a whole file
/// of 17 GB if a mirror does not support ranges.
#[derive(Default)]
pub(super) struct RangeReader {
    made: OnceLock<(HFClient, Runtime)>,
}

impl Hub {
    /// The bytes `range` of the file `name` of a repository at the revision of `hub`: fewer where the file ends before.
    pub(super) fn read_part(&self, hub: &HubRef, name: &str, range: &Range<u64>) -> Result<Vec<u8>, HFError> {
        let (client, runtime) = self.parts()?;
        match hub.kind {
            HubKind::Model => runtime.block_on(part(client, hf_hub::RepoTypeModel, hub, name, range)),
            HubKind::Dataset => runtime.block_on(part(client, hf_hub::RepoTypeDataset, hub, name, range)),
        }
    }

    fn parts(&self) -> Result<&(HFClient, Runtime), HFError> {
        if let Some(made) = self.parts.made.get() {
            return Ok(made);
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("hub").enable_all().build();
        let runtime = runtime.map_err(|error| HFError::Other(error.to_string()))?;
        let client = self.settings().build()?;
        Ok(self.parts.made.get_or_init(|| (client, runtime)))
    }
}

impl Drop for RangeReader {
    fn drop(&mut self) {
        // The last owner may be an async task, which must not block on threads.
        if let Some((_, runtime)) = self.made.take() {
            runtime.shutdown_background();
        }
    }
}

async fn part<T: RepoType>(
    client: &HFClient,
    kind: T,
    hub: &HubRef,
    name: &str,
    range: &Range<u64>,
) -> Result<Vec<u8>, HFError> {
    let (owner, repository) = hub.repository.split_once('/').unwrap_or(("", &hub.repository));
    let repository = client.repository(kind, owner, repository);
    let asked =
        repository.download_file_stream().filename(name).maybe_revision(hub.revision.clone()).range(range.clone());
    let (_, mut stream) = asked.send().await?;
    let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let mut content = Vec::new();
    while content.len() < wanted
        && let Some(chunk) = stream.next().await
    {
        content.extend_from_slice(&chunk?);
    }
    content.truncate(wanted);
    Ok(content)
}

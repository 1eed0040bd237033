use super::{S3Backend, failure::RequestFailure};
use crate::{Action, BackendError, Key, Listing};
use async_trait::async_trait;
use aws_sdk_s3::types::Object;
use std::panic::resume_unwind;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::{JoinError, JoinSet},
};

/// Parts of a listing that are read at the same time.
const CONCURRENT_SHARDS: usize = 16;

/// One answer of S3 to a request for a list.
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// The folders right below the prefix, if they were asked for.
    folders: Vec<String>,
    /// How the listing goes on.
    pub(super) next: Option<Start>,
}

/// Where a page begins.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// After a name.
    After(String),
    /// Where S3 said that it ended the last one.
    Token(String),
}

impl S3Backend {
    /// The names that begin with `prefix`, from `start` on, one page of them; with a delimiter only those that do not
    /// hold it behind the prefix, and the folders that the others lie in.
    pub(super) async fn page(
        &self,
        prefix: &str,
        start: Option<Start>,
        delimiter: Option<&str>,
    ) -> Result<Page, RequestFailure> {
        let list = self.client.list_objects_v2().bucket(self.place.bucket()).max_keys(self.sizes.page);
        let list = list.prefix(prefix).set_delimiter(delimiter.map(str::to_owned));
        let list = match start {
            None => list,
            Some(Start::After(name)) => list.start_after(name),
            Some(Start::Token(token)) => list.continuation_token(token),
        };
        let answer = list.send().await.map_err(|error| RequestFailure::of(error, &self.endpoint))?;
        Ok(Page {
            objects: answer.contents.unwrap_or_default(),
            folders: answer.common_prefixes.into_iter().flatten().filter_map(|folder| folder.prefix).collect(),
            next: answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true)).map(Start::Token),
        })
    }
}

/// A listing that is read by several requests at a time once it is longer than a page.
///
/// S3 lists names in the order of their bytes, and from any name on. So the folders right below the prefix, which one
/// more request lists, are divided into sixteen ranges, and each range is listed from the name before it to its last
/// one: there are as many requests as pages, plus one for each range. If the first page has everything, or the reader
/// stops after it, no other request is made. Requests wait for slow readers.
///
/// A failed shard keeps its position: the call after the error resumes there.
#[derive(Debug)]
pub(super) struct S3Listing {
    backend: S3Backend,
    prefix: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Begin,
    /// The first page ended with this name, and there are more.
    Truncated(String),
    Running(Readers),
    End,
}

/// The shards of a listing, each with a task that reads it.
#[derive(Debug)]
struct Readers {
    sender: Sender<Vec<Key>>,
    pages: Receiver<Vec<Key>>,
    tasks: JoinSet<Result<(), FailedShard>>,
    /// Where to take up the shards that failed.
    pending: Vec<PendingShard>,
}

/// What is left of a shard, all pages before having been sent.
#[derive(Debug)]
struct PendingShard {
    shard: Shard,
    start: Option<Start>,
}

/// A shard that cannot be read on for now.
#[derive(Debug)]
struct FailedShard {
    pending: PendingShard,
    failure: RequestFailure,
}

/// A range of names, from after `after` to `last`; without one of them, from the start or to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shard {
    after: Option<String>,
    last: Option<String>,
}

impl S3Listing {
    pub(super) fn new(backend: S3Backend, folder: Option<&Key>) -> Self {
        let prefix = backend.place.full(&folder.map(|folder| format!("{folder}/")).unwrap_or_default());
        Self { backend, prefix, state: State::Begin }
    }

    /// Reads the first page.
    async fn begin(&mut self) -> Result<(State, Vec<Key>), RequestFailure> {
        let first = self.backend.page(&self.prefix, None, None).await?;
        let last = first.objects.last().and_then(|object| object.key.clone());
        let keys = self.backend.keys_of(first.objects);
        let state = match (first.next, last) {
            (Some(_), Some(last)) => State::Truncated(last),
            _ => State::End,
        };
        Ok((state, keys))
    }

    /// Starts the shards after the first page, which ended with `last`.
    async fn split(&mut self, last: String) -> Result<State, RequestFailure> {
        let folders = self.backend.page(&self.prefix, None, Some("/")).await?.folders;
        let shards = shards(last, folders);
        let pending =
            shards.into_iter().map(|shard| PendingShard { start: shard.after.clone().map(Start::After), shard });
        let (sender, pages) = channel(CONCURRENT_SHARDS);
        let mut readers = Readers { sender, pages, tasks: JoinSet::new(), pending: pending.collect() };
        readers.resume(&self.backend, &self.prefix);
        Ok(State::Running(readers))
    }

    async fn next(&mut self) -> Result<Option<Vec<Key>>, RequestFailure> {
        match &mut self.state {
            State::Begin => {
                let (state, keys) = self.begin().await?;
                self.state = state;
                Ok(Some(keys))
            }
            State::Truncated(last) => {
                let last = last.clone();
                self.state = self.split(last).await?;
                // The caller asks for the next page if one is empty.
                Ok(Some(Vec::new()))
            }
            State::Running(readers) => {
                readers.resume(&self.backend, &self.prefix);
                let page = readers.next().await?;
                if page.is_none() {
                    self.state = State::End;
                }
                Ok(page)
            }
            State::End => Ok(None),
        }
    }
}

impl Readers {
    /// Restarts the shards that failed, and those that failed since the last call: one outage is reported once, and
    /// not once for each shard.
    fn resume(&mut self, backend: &S3Backend, prefix: &str) {
        if self.pending.is_empty() {
            return;
        }
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(failed) = outcome(ended) {
                self.pending.push(failed.pending);
            }
        }
        for pending in self.pending.drain(..) {
            self.tasks.spawn(backend.clone().read_shard(prefix.to_owned(), pending, self.sender.clone()));
        }
    }

    /// The next page of any shard; `None` once all are at their end. Cancel safe.
    async fn next(&mut self) -> Result<Option<Vec<Key>>, RequestFailure> {
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                Some(page) = self.pages.recv() => return Ok(Some(page)),
                Some(ended) = self.tasks.join_next() => if let Err(FailedShard { pending, failure }) = outcome(ended) {
                    self.pending.push(pending);
                    return Err(failure);
                },
            }
        }
        // What the last of them sent before they ended.
        Ok(self.pages.try_recv().ok())
    }
}

/// How a reader ended. They are aborted only with the listing, so that one without an outcome panicked.
fn outcome(ended: Result<Result<(), FailedShard>, JoinError>) -> Result<(), FailedShard> {
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

#[async_trait]
impl Listing for S3Listing {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        loop {
            match self.next().await {
                // A page may hold nothing but names that are no keys.
                Ok(Some(keys)) if keys.is_empty() => {}
                Ok(keys) => return Ok(keys),
                Err(failure) => {
                    let url = self.backend.place.url(self.prefix_here());
                    return Err(failure.at(Action::List, url));
                }
            }
        }
    }
}

impl S3Listing {
    fn prefix_here(&self) -> &str {
        self.backend.place.relative(&self.prefix).unwrap_or_default()
    }
}

/// Cuts what comes after the name `first`, by the folders that are known to lie there.
fn shards(first: String, folders: Vec<String>) -> Vec<Shard> {
    let ahead: Vec<String> = folders.into_iter().filter(|folder| *folder > first).collect();
    let run = ahead.len().div_ceil(CONCURRENT_SHARDS).max(1);
    // No name is equal to that of a folder, with its slash at the end, but the empty objects that are no keys.
    let cuts: Vec<String> = ahead.into_iter().skip(run - 1).step_by(run).collect();
    let afters = std::iter::once(first).chain(cuts.iter().cloned()).map(Some);
    let lasts = cuts.iter().cloned().map(Some).chain([None]);
    afters.zip(lasts).map(|(after, last)| Shard { after, last }).collect()
}

impl S3Backend {
    /// Sends the remaining pages of a shard to the reader of the listing, until the shard ends, a request fails, or
    /// the reader is gone.
    async fn read_shard(
        self,
        prefix: String,
        pending: PendingShard,
        pages: Sender<Vec<Key>>,
    ) -> Result<(), FailedShard> {
        let PendingShard { shard, mut start } = pending;
        loop {
            let page = match self.page(&prefix, start.clone(), None).await {
                Ok(page) => page,
                Err(failure) => return Err(FailedShard { pending: PendingShard { shard, start }, failure }),
            };
            let is_last =
                page.objects.last().and_then(|object| object.key.as_ref()).is_some_and(|key| !shard.reaches(key));
            let objects =
                page.objects.into_iter().filter(|object| object.key.as_ref().is_some_and(|key| shard.holds(key)));
            let keys = self.keys_of(objects.collect());
            if !keys.is_empty() && pages.send(keys).await.is_err() {
                return Ok(());
            }
            match page.next {
                Some(next) if !is_last => start = Some(next),
                _ => return Ok(()),
            }
        }
    }

    /// The keys among the names: hidden ones and those that no key can have are not ours.
    fn keys_of(&self, objects: Vec<Object>) -> Vec<Key> {
        let names = objects.into_iter().filter_map(|object| object.key);
        names.filter_map(|name| Key::new(self.place.relative(&name)?).ok()).collect()
    }
}

impl Shard {
    /// Whether names after `key` may be in it.
    fn reaches(&self, key: &str) -> bool {
        self.last.as_deref().is_none_or(|last| key <= last)
    }

    fn holds(&self, key: &str) -> bool {
        self.reaches(key) && self.after.as_deref().is_none_or(|after| key > after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_follow_on_each_other_and_leave_nothing_out() {
        for count in [0, 1, 2, 15, 16, 17, 40, 256, 1000] {
            let folders: Vec<String> = (0..count).map(|number| format!("results/{number:04}/")).collect();
            let shards = shards("results/0000/x.json".to_owned(), folders);
            assert!(shards.len() <= CONCURRENT_SHARDS + 1, "{count}: {}", shards.len());
            assert_eq!(shards[0].after.as_deref(), Some("results/0000/x.json"));
            assert_eq!(shards.last().unwrap().last, None);
            assert!(shards.windows(2).all(|pair| pair[0].last == pair[1].after && pair[0].last.is_some()));
        }
    }

    #[test]
    fn a_name_is_in_one_shard() {
        let folders = (0..100).map(|number| format!("r/{number:02}/")).collect();
        let shards = shards("r/00/5".to_owned(), folders);
        for name in ["r/00/6", "r/06/", "r/06/a", "r/07/", "r/50/x", "r/99/z", "r/zz"] {
            assert_eq!(shards.iter().filter(|shard| shard.holds(name)).count(), 1, "{name}");
        }
        assert!(!shards.iter().any(|shard| shard.holds("r/00/5")));
    }
}

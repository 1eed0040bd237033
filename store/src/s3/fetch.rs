use super::{
    S3Backend,
    failure::{RequestFailure, S3Failure},
    read::is_absent,
};
use crate::{Action, BackendError};
use aws_sdk_s3::{error::ProvideErrorMetadata, operation::get_object::GetObjectOutput, types::Object};
use std::{ops::Range, path::Path};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Object {
    /// Its name below the place of the backend. It is a relative path that leads out of no folder, though not always
    /// a [`Key`](crate::Key): parts may begin with a dot.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// What changes whenever the content does, if the server says so. It is no digest of the content.
    pub etag: Option<String>,
}

/// Files and folders that people put into a bucket, and that are large: models and data sets.
impl S3Backend {
    /// All objects in `folder`, at any depth, in the order of their keys; all of the place if it is empty.
    ///
    /// Left out are the empty objects that some tools put where a folder begins, and names that cannot be relative
    /// paths.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    pub async fn objects(&self, folder: &str) -> Result<Vec<S3Object>, BackendError> {
        let folder = folder.trim_end_matches('/');
        let prefix = if folder.is_empty() { self.place.full("") } else { format!("{}/", self.place.full(folder)) };
        let mut objects = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(&prefix, after.take(), None).await;
            let page = page.map_err(|trouble| trouble.at(Action::List, self.place.url(folder)))?;
            objects.extend(page.objects.into_iter().filter_map(|object| self.described(object)));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(objects),
            }
        }
    }

    /// The object `key`; `None` if there is none.
    ///
    /// # Errors
    /// The server does not say.
    pub async fn object(&self, key: &str) -> Result<Option<S3Object>, BackendError> {
        self.object_at(key).await.map_err(|trouble| trouble.at(Action::Read, self.place.url(key)))
    }

    pub(super) async fn object_at(&self, key: &str) -> Result<Option<S3Object>, RequestFailure> {
        let head = self.client.head_object().bucket(self.place.bucket()).key(self.place.full(key));
        match head.send().await {
            Ok(found) if found.content_length.is_none() => Err(RequestFailure::passing(S3Failure::Broken {
                source: "it does not say how large the object is".into(),
            })),
            Ok(found) => {
                Ok(Some(S3Object { key: key.to_owned(), size: size(found.content_length), etag: found.e_tag }))
            }
            // The answer to this request has no body, and so no code but what the client makes of the status.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(None),
            Err(error) => Err(RequestFailure::of(error, &self.endpoint)),
        }
    }

    /// Writes the object `key` to the file at `to`, in place of what is there, and says which object it was.
    ///
    /// An answer that breaks off is taken up where it broke off, if the object is still the same, and from the start
    /// otherwise: the file holds one version of the object. After an error it holds a part of it.
    ///
    /// # Errors
    /// There is no such object, it cannot be read to its end, or the file cannot be written.
    pub async fn download(&self, key: &str, to: &Path) -> Result<S3Object, BackendError> {
        let object = self.download_if_there(key, to).await?;
        object.ok_or_else(|| self.unread(RequestFailure::lasting(S3Failure::Missing), key))
    }

    /// As [`download`](Self::download); `None` if there is no such object.
    pub(super) async fn download_if_there(&self, key: &str, to: &Path) -> Result<Option<S3Object>, BackendError> {
        let failed = |error| BackendError::from_io(Action::Write, to.display().to_string(), error);
        let mut file = File::create(to).await.map_err(failed)?;
        let mut fetched = Fetched { object: None, bytes: 0 };
        let mut pauses = self.pauses();
        loop {
            let before = fetched.bytes;
            match self.fetch_rest(key, &mut file, &mut fetched).await {
                Ok(object) => {
                    file.sync_all().await.map_err(failed)?;
                    return Ok(Some(object));
                }
                Err(Interrupted::File(error)) => return Err(failed(error)),
                Err(Interrupted::S3(RequestFailure { failure: S3Failure::Missing, .. })) => return Ok(None),
                Err(Interrupted::S3(trouble)) if !trouble.again => return Err(self.unread(trouble, key)),
                Err(Interrupted::S3(trouble)) => {
                    if fetched.bytes > before {
                        // A large object may break off more often than a request may fail: what counts is progress.
                        pauses = self.pauses();
                    }
                    let Some(pause) = pauses.next() else { return Err(self.unread(trouble, key)) };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The bytes `range` of the object `key`: fewer where the object ends before.
    ///
    /// # Errors
    /// There is no such object, or the part cannot be read to its end.
    pub async fn part(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        let mut pauses = self.pauses();
        loop {
            let trouble = match self.ask_for_part(key, &range).await {
                Ok(part) => return Ok(part),
                Err(trouble) => trouble,
            };
            let pause = if trouble.again { pauses.next() } else { None };
            let Some(pause) = pause else { return Err(self.unread(trouble, key)) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask_for_part(&self, key: &str, range: &Range<u64>) -> Result<Vec<u8>, RequestFailure> {
        let get = self.client.get_object().bucket(self.place.bucket()).key(self.place.full(key));
        let asked = get.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1))).send().await;
        let mut answer = asked.map_err(|error| {
            let is_missing = is_absent(error.code());
            if is_missing {
                RequestFailure::lasting(S3Failure::Missing)
            } else {
                RequestFailure::of(error, &self.endpoint)
            }
        })?;
        // A server that knows no ranges sends all of the object: what is not wanted of it is left out, and not waited
        // for.
        let mut before = if answer.content_range.is_some() { 0 } else { range.start };
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut part = Vec::new();
        while part.len() < wanted {
            let cut = |source| {
                RequestFailure::passing(S3Failure::Cut { received: part.len() as u64, expected: wanted as u64, source })
            };
            let Some(chunk) = answer.body.next().await else { break };
            let chunk = chunk.map_err(|error| cut(Some(Box::new(error))))?;
            let skipped = usize::try_from(before).unwrap_or(usize::MAX).min(chunk.len());
            before -= skipped as u64;
            part.extend_from_slice(&chunk[skipped..]);
        }
        part.truncate(wanted);
        Ok(part)
    }

    fn unread(&self, trouble: RequestFailure, key: &str) -> BackendError {
        trouble.at(Action::Read, self.place.url(key))
    }

    /// Asks for what is missing of the object, and appends what comes.
    pub(super) async fn fetch_rest(
        &self,
        key: &str,
        file: &mut File,
        fetched: &mut Fetched,
    ) -> Result<S3Object, Interrupted> {
        let Some(mut answer) = self.ask_for_rest(key, fetched).await? else {
            *fetched = Fetched { object: None, bytes: 0 };
            return Err(RequestFailure::passing(S3Failure::Changed).into());
        };
        let object = match fetched.object.take() {
            Some(object) => object,
            None => {
                file.set_len(0).await?;
                file.rewind().await?;
                S3Object { key: key.to_owned(), size: size(answer.content_length), etag: answer.e_tag.take() }
            }
        };
        // Only what carries an ETag can be taken up later.
        fetched.object = object.etag.is_some().then(|| object.clone());
        let expected = object.size;
        let cut = |received, source| RequestFailure::passing(S3Failure::Cut { received, expected, source });
        while let Some(chunk) = answer.body.next().await {
            match chunk {
                Ok(chunk) => {
                    file.write_all(&chunk).await?;
                    fetched.bytes += chunk.len() as u64;
                }
                Err(error) => {
                    file.flush().await?;
                    return Err(cut(fetched.bytes, Some(Box::new(error) as _)).into());
                }
            }
        }
        file.flush().await?;
        if fetched.bytes == object.size { Ok(object) } else { Err(cut(fetched.bytes, None).into()) }
    }

    /// The answer that holds the bytes that are missing; `None` if the object is another one by now.
    async fn ask_for_rest(&self, key: &str, fetched: &mut Fetched) -> Result<Option<GetObjectOutput>, RequestFailure> {
        let mut get = self.client.get_object().bucket(self.place.bucket()).key(self.place.full(key));
        match &fetched.object {
            Some(object) if fetched.bytes > 0 => {
                get = get.set_if_match(object.etag.clone()).range(format!("bytes={}-", fetched.bytes));
            }
            _ => *fetched = Fetched { object: None, bytes: 0 },
        }
        match get.send().await {
            Ok(answer) if fetched.bytes > 0 && answer.content_range.is_none() => Ok(None),
            Ok(answer) => Ok(Some(answer)),
            Err(error) if fetched.bytes > 0 && matches!(error.code(), Some("PreconditionFailed" | "InvalidRange")) => {
                Ok(None)
            }
            Err(error) if is_absent(error.code()) => Err(RequestFailure::lasting(S3Failure::Missing)),
            Err(error) => Err(RequestFailure::of(error, &self.endpoint)),
        }
    }

    fn described(&self, object: Object) -> Option<S3Object> {
        let key = self.place.relative(object.key.as_deref()?)?;
        let leads_out = |part: &str| matches!(part, "" | "." | "..") || part.contains(['\\', '\0']);
        let is_path = !key.split('/').any(leads_out);
        is_path.then(|| S3Object { key: key.to_owned(), size: size(object.size), etag: object.e_tag })
    }
}

/// How far a download is.
pub(super) struct Fetched {
    /// The object that the bytes are of, if more of the same can be asked for.
    pub(super) object: Option<S3Object>,
    pub(super) bytes: u64,
}

/// What ends an attempt at a download.
pub(super) enum Interrupted {
    S3(RequestFailure),
    File(std::io::Error),
}

impl From<RequestFailure> for Interrupted {
    fn from(trouble: RequestFailure) -> Self {
        Self::S3(trouble)
    }
}

impl From<std::io::Error> for Interrupted {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

use super::{
    S3Backend,
    content::Content,
    failure::{RequestFailure, S3Failure},
};
use crate::{Action, BackendError, Key, Put};
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    primitives::{ByteStream, SdkBody},
};
use bytes::Bytes;
use std::path::Path;

/// When a write takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Always.
    None,
    /// While there is no object of this name.
    IsAbsent,
}

impl Condition {
    /// The value of `If-None-Match`.
    pub(super) fn header(self) -> Option<String> {
        (self == Self::IsAbsent).then(|| "*".to_owned())
    }
}

/// What an answer to a conditional write means beside success and failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is an object already.
    Exists,
    /// Another write of the object is under way: it is not known yet which one wins.
    Conflict,
    /// The server knows no such condition.
    Unknown,
}

impl Refusal {
    pub(super) fn of(condition: Condition, code: Option<&str>) -> Option<Self> {
        match (condition, code?) {
            (Condition::IsAbsent, "PreconditionFailed") => Some(Self::Exists),
            (_, "ConditionalRequestConflict" | "OperationAborted") => Some(Self::Conflict),
            (Condition::IsAbsent, "NotImplemented") => Some(Self::Unknown),
            _ => None,
        }
    }
}

impl S3Backend {
    /// Writes an object, in pieces if it is large.
    pub(super) async fn write(&self, key: &Key, content: Content, condition: Condition) -> Result<Put, BackendError> {
        let name = key.as_str();
        let written = self.with_retries(|| async {
            if content.len() > self.sizes.whole as u64 {
                self.write_in_pieces(name, &content, condition).await
            } else {
                self.write_whole(name, &content.whole().await?, condition).await
            }
        });
        written.await.map_err(|trouble| trouble.at(Action::Write, self.place.url(name)))
    }

    /// Writes an object out of a file, in pieces if it is large.
    pub(super) async fn write_file(&self, key: &Key, from: &Path, condition: Condition) -> Result<Put, BackendError> {
        let content = Content::of_file(from).await;
        let content = content.map_err(|trouble| trouble.at(Action::Write, self.place.url(key.as_str())))?;
        self.write(key, content, condition).await
    }

    async fn write_whole(&self, name: &str, content: &Bytes, condition: Condition) -> Result<Put, RequestFailure> {
        let put = self.client.put_object().bucket(self.place.bucket()).key(self.place.full(name));
        let put = put.set_content_type(content_type(name).map(str::to_owned));
        let put = put.set_if_none_match(condition.header()).body(body_of(content.clone()));
        let error = match put.customize().config_override(self.moving(content.len())).send().await {
            Ok(_) => return Ok(Put::Created),
            Err(error) => error,
        };
        match Refusal::of(condition, error.code()) {
            Some(Refusal::Exists) => Ok(Put::Exists),
            Some(Refusal::Conflict) => Err(RequestFailure { again: true, ..RequestFailure::of(error, &self.endpoint) }),
            Some(Refusal::Unknown) => Err(self.unconditional()),
            None => Err(RequestFailure::of(error, &self.endpoint)),
        }
    }
}

impl S3Backend {
    /// What is wrong with a server that refuses conditions.
    pub(super) fn unconditional(&self) -> RequestFailure {
        RequestFailure::lasting(S3Failure::Unconditional { endpoint: self.endpoint.to_string() })
    }
}

/// What a browser needs to know to show an object rather than save it.
pub(super) fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "json" => Some("application/json"),
        _ => None,
    }
}

/// A body that can be sent again, and shares the bytes.
pub(super) fn body_of(content: Bytes) -> ByteStream {
    ByteStream::new(SdkBody::from(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_documents_are_told_from_files() {
        assert_eq!(content_type("sweeps/small/report.html"), Some("text/html; charset=utf-8"));
        assert_eq!(content_type("sweeps/small/summary.json"), Some("application/json"));
        assert_eq!(content_type("sweeps/small/parts/0.parquet"), None);
        assert_eq!(content_type("README"), None);
    }
}

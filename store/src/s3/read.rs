use super::{
    S3Backend,
    dates::DateOfAnswer,
    failure::{RequestFailure, S3Failure},
};
use crate::Dated;
use aws_sdk_s3::{error::ProvideErrorMetadata, primitives::ByteStream};

impl S3Backend {
    /// Reads an object whole; `None` if there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RequestFailure> {
        Ok(self.read_dated(name).await?.map(|dated| dated.content))
    }

    /// The same, and when it was written by the server's clock, which stamps its answer with the time as well.
    pub(super) async fn read_dated(&self, name: &str) -> Result<Option<Dated<Vec<u8>>>, RequestFailure> {
        let get = self.client.get_object().bucket(self.place.bucket()).key(self.place.full(name));
        let date = DateOfAnswer::default();
        match get.customize().interceptor(date.clone()).send().await {
            Ok(answer) => {
                let written = answer.last_modified.as_ref().and_then(|modified| date.written(modified));
                let content = collect(answer.body, answer.content_length).await?;
                Ok(Some(Dated { content, written }))
            }
            Err(error) if is_absent(error.code()) => Ok(None),
            Err(error) => Err(RequestFailure::of(error, &self.endpoint)),
        }
    }

    /// Removes an object; that there is none is no error.
    pub(super) async fn remove(&self, name: &str) -> Result<(), RequestFailure> {
        let delete = self.client.delete_object().bucket(self.place.bucket()).key(self.place.full(name));
        match delete.send().await {
            Err(error) if !is_absent(error.code()) => Err(RequestFailure::of(error, &self.endpoint)),
            _ => Ok(()),
        }
    }
}

/// By the code and not by the status: a proxy, too, answers 404, and then nothing is known of the object.
pub(super) fn is_absent(code: Option<&str>) -> bool {
    code == Some("NoSuchKey")
}

/// The longest answer for which memory is reserved before its bytes arrive.
const MOST_TRUSTED: u64 = 64 << 20;

/// What a body holds, if it comes to its end. The client does not try again what breaks off here.
async fn collect(mut body: ByteStream, length: Option<i64>) -> Result<Vec<u8>, RequestFailure> {
    let expected = length.and_then(|length| u64::try_from(length).ok());
    let mut content = Vec::with_capacity(expected.unwrap_or_default().min(MOST_TRUSTED) as usize);
    let cut = |received: usize, source| {
        let expected = expected.unwrap_or_default();
        RequestFailure::passing(S3Failure::Cut { received: received as u64, expected, source })
    };
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => content.extend_from_slice(&chunk),
            Err(error) => return Err(cut(content.len(), Some(Box::new(error)))),
        }
    }
    match expected {
        Some(expected) if expected != content.len() as u64 => Err(cut(content.len(), None)),
        _ => Ok(content),
    }
}

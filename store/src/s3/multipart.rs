use super::{
    S3Backend,
    content::Content,
    failure::RequestFailure,
    write::{Condition, Refusal, body_of, content_type},
};
use crate::Put;
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

/// Pieces on their way at the same time.
const CONCURRENT_PIECES: usize = 4;
/// The most pieces that S3 puts together.
const MOST_PIECES: u64 = 10_000;

/// An object that is being written in pieces.
struct Upload<'a> {
    name: &'a str,
    id: String,
}

impl S3Backend {
    /// Writes a large object. It is there when the pieces are put together, or not at all.
    pub(super) async fn write_in_pieces(
        &self,
        name: &str,
        content: &Content,
        condition: Condition,
    ) -> Result<Put, RequestFailure> {
        if condition == Condition::IsAbsent && self.object_at(name).await?.is_some() {
            // Saves work. The condition on completing the upload decides.
            return Ok(Put::Exists);
        }
        let create = self.client.create_multipart_upload().bucket(self.place.bucket()).key(self.place.full(name));
        let create = create.set_content_type(content_type(name).map(str::to_owned));
        let created = create.send().await.map_err(|error| RequestFailure::of(error, &self.endpoint))?;
        let upload = Upload { name, id: created.upload_id.unwrap_or_default() };
        let outcome = match self.send_pieces(&upload, content).await {
            Ok(pieces) => self.put_together(&upload, pieces, condition).await,
            Err(trouble) => Err(trouble),
        };
        if !matches!(outcome, Ok(Put::Created)) {
            self.give_up(&upload).await;
        }
        outcome
    }

    /// Sends all pieces, of which no more are in memory than are on their way.
    async fn send_pieces(&self, upload: &Upload<'_>, content: &Content) -> Result<Vec<CompletedPart>, RequestFailure> {
        let all = content.len();
        let size = (self.sizes.piece as u64).max(all.div_ceil(MOST_PIECES));
        let pieces = (0..all.div_ceil(size)).map(|index| index * size..all.min((index + 1) * size));
        let sent = (1..).zip(pieces).map(|(number, range)| async move {
            let piece = content.piece(range).await?;
            self.send_piece(upload, number, piece).await
        });
        stream::iter(sent).buffered(CONCURRENT_PIECES).try_collect().await
    }

    async fn send_piece(
        &self,
        upload: &Upload<'_>,
        number: i32,
        piece: Bytes,
    ) -> Result<CompletedPart, RequestFailure> {
        let settings = self.moving(piece.len());
        let send = self.client.upload_part().bucket(self.place.bucket()).key(self.place.full(upload.name));
        let send = send.upload_id(&upload.id).part_number(number).body(body_of(piece));
        let sent = send.customize().config_override(settings).send().await;
        let sent = sent.map_err(|error| self.trouble_with_upload(error.code() == Some(NO_UPLOAD), error))?;
        // Where the client computed checksums, S3 wants to see them again.
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc32_c(sent.checksum_crc32_c)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .set_checksum_sha1(sent.checksum_sha1)
            .set_checksum_sha256(sent.checksum_sha256)
            .build())
    }

    async fn put_together(
        &self,
        upload: &Upload<'_>,
        pieces: Vec<CompletedPart>,
        condition: Condition,
    ) -> Result<Put, RequestFailure> {
        let pieces = CompletedMultipartUpload::builder().set_parts(Some(pieces)).build();
        let complete =
            self.client.complete_multipart_upload().bucket(self.place.bucket()).key(self.place.full(upload.name));
        let complete = complete.upload_id(&upload.id).set_if_none_match(condition.header()).multipart_upload(pieces);
        let error = match complete.send().await {
            Ok(_) => return Ok(Put::Created),
            Err(error) => error,
        };
        match Refusal::of(condition, error.code()) {
            Some(Refusal::Exists) => Ok(Put::Exists),
            // S3 wants the whole upload again then.
            Some(Refusal::Conflict) => Err(self.trouble_with_upload(true, error)),
            Some(Refusal::Unknown) => Err(self.unconditional()),
            None => Err(self.trouble_with_upload(error.code() == Some(NO_UPLOAD), error)),
        }
    }

    /// An upload that no longer exists was completed by an attempt whose answer was lost, or removed by a clean-up. A
    /// new upload is right in both cases: its condition finds the object of the first one.
    fn trouble_with_upload<E>(
        &self,
        again: bool,
        error: aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
    ) -> RequestFailure
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        RequestFailure { again, ..RequestFailure::of(error, &self.endpoint) }
    }

    /// Best effort: pieces that stay cost space, until the bucket's rule for unfinished uploads removes them.
    async fn give_up(&self, upload: &Upload<'_>) {
        let abort = self.client.abort_multipart_upload().bucket(self.place.bucket()).key(self.place.full(upload.name));
        if let Err(error) = abort.upload_id(&upload.id).send().await
            && error.code() != Some(NO_UPLOAD)
        {
            tracing::debug!(object = %self.place.url(upload.name), code = error.code(), "unfinished upload stays");
        }
    }
}

/// S3's word for an upload that is not there.
const NO_UPLOAD: &str = "NoSuchUpload";

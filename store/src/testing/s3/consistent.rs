use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETagCondition, GetObjectInput,
        GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
        ListObjectsV2Output, PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};
use s3s_fs::FileSystem;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::{Mutex, MutexGuard};

/// Marks a request whose condition is to be ignored. The header itself is signed, and has to stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unconditional;

/// Locks that objects share.
const LOCKS: usize = 256;

/// A server over a folder with the guarantees of S3 that the library's own server lacks: conditions are checked and
/// objects written in one step, listings carry ETags, `If-Match` counts when an object is read, and a missing upload is
/// reported as missing.
#[derive(Debug)]
pub(super) struct Consistent {
    files: FileSystem,
    locks: Vec<Mutex<()>>,
}

impl Consistent {
    pub(super) fn new(files: FileSystem) -> Self {
        Self { files, locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }

    async fn lock(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        self.locks[hasher.finish() as usize % LOCKS].lock().await
    }

    async fn head(&self, bucket: &str, key: &str) -> S3Result<HeadObjectOutput> {
        let input = HeadObjectInput { bucket: bucket.to_owned(), key: key.to_owned(), ..HeadObjectInput::default() };
        let request = S3Request {
            input,
            method: hyper::Method::HEAD,
            uri: hyper::Uri::default(),
            headers: hyper::HeaderMap::new(),
            extensions: hyper::http::Extensions::new(),
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        };
        Ok(self.files.head_object(request).await?.output)
    }
}

/// The library reports an upload that does not exist as access denied.
fn without_upload(error: S3Error) -> S3Error {
    if *error.code() == S3ErrorCode::AccessDenied { s3_error!(NoSuchUpload) } else { error }
}

#[async_trait::async_trait]
impl S3 for Consistent {
    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        if request.extensions.get::<Unconditional>().is_some() {
            request.input.if_none_match = None;
        }
        let _lock = self.lock(&request.input.bucket, &request.input.key).await;
        self.files.put_object(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let _lock = self.lock(&request.input.bucket, &request.input.key).await;
        self.files.complete_multipart_upload(request).await.map_err(without_upload)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let bucket = &request.input.bucket;
        let key = &request.input.key;
        let _lock = self.lock(bucket, key).await;
        if let Some(ETagCondition::ETag(wanted)) = &request.input.if_match
            && self.head(bucket, key).await?.e_tag.as_ref() != Some(wanted)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        self.files.get_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _lock = self.lock(&request.input.bucket, &request.input.key).await;
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let bucket = request.input.bucket.clone();
        let mut response = self.files.list_objects_v2(request).await?;
        for object in response.output.contents.iter_mut().flatten() {
            if let Some(key) = &object.key {
                // An object that was deleted meanwhile may be listed or not.
                object.e_tag = self.head(&bucket, key).await.ok().and_then(|head| head.e_tag);
            }
        }
        Ok(response)
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let _lock = self.lock(&request.input.bucket, &request.input.key).await;
        self.files.head_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(request).await.map_err(without_upload)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(request).await.map_err(without_upload)
    }
}

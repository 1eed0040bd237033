use crate::{Action, BackendError, Problem};
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{BoxError, ProvideErrorMetadata, SdkError},
};
use std::{error::Error, io};

/// Of a server's message, what a line of a log can hold.
const LONGEST_MESSAGE: usize = 300;

/// What S3 or the network reported; the source of a [`BackendError`].
#[derive(Debug, thiserror::Error)]
pub(super) enum S3Failure {
    #[error("S3 answers {status} `{code}`: {message}{advice}")]
    Answer { status: u16, code: String, message: String, advice: &'static str },
    #[error("there is no bucket of this name at {endpoint}; create it, or correct the name")]
    NoBucket { endpoint: String },
    #[error("the bucket lies in region `{region}`; set AWS_REGION to it")]
    OtherRegion { region: String },
    #[error("{endpoint} does not speak S3 (it answers with status {status}); give the address of the S3 API")]
    NotS3 { endpoint: String, status: u16 },
    #[error("{endpoint} cannot be reached; is it the right address, and is the server up?")]
    Unreachable { endpoint: String, source: BoxError },
    #[error(
        "{endpoint} does not do conditional writes (`If-None-Match`), without which two workers could replace each other's results; use a server that does"
    )]
    Unconditional { endpoint: String },
    #[error("the certificate of {endpoint} is not trusted; give the root certificate of its authority")]
    Untrusted { endpoint: String, source: BoxError },
    #[error("{endpoint} took too long to answer")]
    TooSlow { endpoint: String },
    #[error(
        "there are no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give this machine a role"
    )]
    NoCredentials { source: BoxError },
    #[error("no region is set; set AWS_REGION, or give the endpoint of another server than Amazon's")]
    NoRegion,
    #[error("the S3 endpoint `{endpoint}` is not the address of a server; write it as `https://host:port`")]
    Endpoint { endpoint: String },
    #[error("the root certificate `{path}` cannot be used; it has to be a file of certificates in PEM form")]
    Certificate { path: String, source: BoxError },
    #[error("the answer broke off after {received} of {expected} bytes")]
    Cut { received: u64, expected: u64, source: Option<BoxError> },
    #[error("the answer broke off")]
    Broken { source: BoxError },
    #[error("the file `{path}`, which is to be stored, cannot be read")]
    Content { path: String, source: io::Error },
    #[error("there is no such object")]
    Missing,
    #[error("the object changed while it was read")]
    Changed,
    #[error("the client of S3 failed")]
    Client { source: BoxError },
}

/// A failed request, classified by what can be done about it.
#[derive(Debug)]
pub(super) struct RequestFailure {
    pub(super) problem: Problem,
    pub(super) failure: S3Failure,
    /// Whether to try once more at once: no lower layer did.
    pub(super) again: bool,
}

impl RequestFailure {
    /// A transient failure that no lower layer retried.
    pub(super) fn passing(failure: S3Failure) -> Self {
        Self { problem: Problem::Unavailable, failure, again: true }
    }

    /// A permanent failure.
    pub(super) fn lasting(failure: S3Failure) -> Self {
        Self { problem: Problem::Other, failure, again: false }
    }

    /// Classifies the error of the client after its last attempt.
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>, endpoint: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let endpoint = endpoint.to_owned();
        let (problem, failure) = match error {
            SdkError::TimeoutError(_) => (Problem::Unavailable, S3Failure::TooSlow { endpoint }),
            SdkError::DispatchFailure(ref dispatch) => {
                // `into_source` consumes the error, so both are read first.
                let is_timeout = dispatch.is_timeout();
                let is_ours = dispatch.is_user();
                match error.into_source() {
                    Ok(_) if is_timeout => (Problem::Unavailable, S3Failure::TooSlow { endpoint }),
                    Ok(source) if is_ours => (Problem::Other, S3Failure::Client { source }),
                    Ok(source) => not_sent(source, endpoint),
                    Err(error) => (Problem::Other, S3Failure::Client { source: Box::new(error) }),
                }
            }
            SdkError::ResponseError(ref response) if response.raw().body().bytes().is_some() => {
                without_code(response.raw(), endpoint)
            }
            // The answer began, and its body, which is read before it is parsed, did not come.
            SdkError::ResponseError(_) => (Problem::Unavailable, S3Failure::Broken { source: Box::new(error) }),
            SdkError::ServiceError(service) => answered(service.err(), service.raw(), endpoint),
            error => (Problem::Other, S3Failure::Client { source: Box::new(error) }),
        };
        Self { problem, failure, again: false }
    }

    /// Says what it happened to.
    pub(super) fn at(self, action: Action, object: String) -> BackendError {
        BackendError { action, object, problem: self.problem, source: Some(Box::new(self.failure)) }
    }
}

/// The request did not reach a server, or the connection was lost.
fn not_sent(source: BoxError, endpoint: String) -> (Problem, S3Failure) {
    if is_of_certificate(&*source) {
        (Problem::Other, S3Failure::Untrusted { endpoint, source })
    } else {
        (Problem::Unavailable, S3Failure::Unreachable { endpoint, source })
    }
}

fn is_of_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // `source` of an input or output error skips the error in it.
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    false
}

/// The server answered with an error.
fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse, endpoint: String) -> (Problem, S3Failure) {
    let status = raw.status().as_u16();
    let Some(code) = error.code() else { return without_code(raw, endpoint) };
    if code == "NoSuchBucket" {
        return (Problem::Other, S3Failure::NoBucket { endpoint });
    }
    if let (301 | 307 | 400, Some(region)) = (status, raw.headers().get("x-amz-bucket-region")) {
        return (Problem::Other, S3Failure::OtherRegion { region: region.to_owned() });
    }
    let (problem, advice) = sorted(status, code);
    let message = error.message().unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE);
    (problem, S3Failure::Answer { status, code: code.to_owned(), message: message.collect(), advice })
}

/// What kind of failure an answer is, and what to do about it.
fn sorted(status: u16, code: &str) -> (Problem, &'static str) {
    match (status, code) {
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "InvalidClientTokenId"
            | "NotSignedUp",
        ) => (Problem::Permission, "; check the access key, its secret and the session token"),
        (_, "RequestTimeTooSkewed") => (Problem::Permission, "; set this machine's clock"),
        (_, "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") | (507, _) => {
            (Problem::NoSpace, "")
        }
        (501, _) | (_, "NotImplemented") => (Problem::Other, "; this server does not do all that is needed of S3"),
        (_, "SlowDown" | "RequestTimeout" | "OperationAborted" | "ConditionalRequestConflict")
        | (408 | 429 | 500..=599, _) => (Problem::Unavailable, ""),
        (401 | 403, _) => (Problem::Permission, "; these credentials need leave to list, read, write and delete there"),
        _ => (Problem::Other, ""),
    }
}

/// An answer that is not S3's, or has no code: only the status can be used.
fn without_code(raw: &HttpResponse, endpoint: String) -> (Problem, S3Failure) {
    let status = raw.status().as_u16();
    let answer =
        |code: &str, advice| S3Failure::Answer { status, code: code.to_owned(), message: String::new(), advice };
    match status {
        501 => (Problem::Other, answer("not implemented", sorted(status, "").1)),
        408 | 429 | 500..=599 => (Problem::Unavailable, answer("unavailable", "")),
        401 | 403 => (Problem::Permission, answer("refused", sorted(status, "").1)),
        _ => (Problem::Other, S3Failure::NotS3 { endpoint, status }),
    }
}

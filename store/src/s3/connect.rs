use super::{
    S3Settings,
    failure::{RequestFailure, S3Failure},
};
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::{
    Client,
    config::{
        Builder, Credentials, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation,
        SharedHttpClient, StalledStreamProtectionConfig,
        retry::{RetryConfig, RetryPartition, TokenBucket},
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_types::service_config::ServiceConfigKey;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{fs, path::Path};
use url::Url;

/// The region for servers other than Amazon's if none is set.
const ANY_REGION: &str = "us-east-1";

/// A client of S3, and how people call the server at its other end.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) endpoint: String,
}

/// Makes a client out of `settings` and of what the environment and profiles say. Nothing is sent to S3 yet.
pub(super) async fn connect(settings: &S3Settings) -> Result<Connection, RequestFailure> {
    let sdk = load(settings).await?;
    let endpoint = settings.endpoint.clone().or_else(|| endpoint_of(&sdk));
    let endpoint = endpoint.map(|endpoint| clean(&endpoint)).transpose()?;
    if sdk.region().is_none() && endpoint.is_none() {
        return Err(RequestFailure::lasting(S3Failure::NoRegion));
    }
    if let Some(credentials) = sdk.credentials_provider() {
        // Requested here: as part of a request, missing credentials would look like a request that could not be sent.
        let loaded = credentials.provide_credentials().await;
        loaded.map_err(|error| RequestFailure::lasting(S3Failure::NoCredentials { source: Box::new(error) }))?;
    }
    let config = configure(Builder::from(&sdk), settings);
    let region = sdk.region().map_or(ANY_REGION, Region::as_ref).to_owned();
    let (config, name) = match endpoint {
        None => (config, format!("Amazon S3 in `{region}`")),
        Some(url) => (elsewhere(config, &url), format!("`{url}`")),
    };
    let config = config.region(Region::new(region)).build();
    Ok(Connection { client: Client::from_conf(config), endpoint: name })
}

async fn load(settings: &S3Settings) -> Result<SdkConfig, RequestFailure> {
    let mut loader: ConfigLoader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(keys) = &settings.credentials {
        loader =
            loader.credentials_provider(Credentials::new(&keys.access_key, &keys.secret_key, None, None, "settings"));
    }
    if let Some(path) = &settings.ca {
        loader = loader.http_client(trusting(path)?);
    }
    Ok(loader.load().await)
}

/// What the environment or the profile names as endpoint: that of S3 before that of all services.
fn endpoint_of(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = key.ok().and_then(|key| sdk.service_config()?.load_config(key));
    of_service.or_else(|| sdk.endpoint_url().map(str::to_owned))
}

/// The address in `endpoint`, without a password that may be in it: requests are signed, so that S3 has no use for it.
fn clean(endpoint: &str) -> Result<String, RequestFailure> {
    let address = |url: &Url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = url.path().trim_end_matches('/');
        url.host_str().map(|host| format!("{}://{host}{port}{path}", url.scheme()))
    };
    let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.as_ref().and_then(address).ok_or_else(|| {
        let shown = endpoint.rsplit_once('@').map_or(endpoint, |(_, rest)| rest);
        RequestFailure::lasting(S3Failure::Endpoint { endpoint: shown.escape_debug().to_string() })
    })
}

fn configure(config: Builder, settings: &S3Settings) -> Builder {
    let limits = &settings.limits;
    let retries = RetryConfig::standard()
        .with_max_attempts(limits.attempts)
        .with_initial_backoff(limits.first_pause)
        .with_max_backoff(limits.longest_pause);
    let timeouts =
        TimeoutConfig::builder().connect_timeout(limits.connect).operation_attempt_timeout(limits.attempt(0)).build();
    // The client's own quota of retries would end some requests at the first failure when many run at once. The number
    // of attempts and the doubling pauses are limit enough.
    let quota = RetryPartition::custom("store").token_bucket(TokenBucket::unlimited()).build();
    config
        .retry_config(retries)
        .retry_partition(quota)
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(limits.stall).build())
}

/// The settings that servers other than Amazon's support.
fn elsewhere(config: Builder, url: &str) -> Builder {
    config
        .endpoint_url(url)
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

/// A client that trusts the certificates in the file at `path` beside the system's.
fn trusting(path: &Path) -> Result<SharedHttpClient, RequestFailure> {
    let pem = certificates(path).map_err(|source| {
        RequestFailure::lasting(S3Failure::Certificate { path: path.display().to_string(), source })
    })?;
    let context = TlsContext::builder().with_trust_store(TrustStore::default().with_pem_certificate(pem)).build();
    let context = context.map_err(|error| RequestFailure::lasting(S3Failure::Client { source: Box::new(error) }))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

/// The file at `path`. Checks first that the client can read it, because the client panics otherwise.
fn certificates(path: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let pem = fs::read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("there is no certificate in it".into()) } else { Ok(pem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_loses_its_password() {
        for (given, kept) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://user:hush@minio.example/", "https://minio.example"),
            ("https://minio.example/s3/?token=hush", "https://minio.example/s3"),
        ] {
            assert_eq!(clean(given).unwrap(), kept);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named_without_its_password() {
        for given in ["minio:9000", "ftp://user:hush@minio", "user:hush@minio", ""] {
            let said = clean(given).unwrap_err().failure.to_string();
            assert!(said.ends_with("is not the address of a server; write it as `https://host:port`"), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_no_root_of_trust() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(certificates(&path).is_err());
        for content in ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&path, content).unwrap();
            assert!(certificates(&path).is_err(), "{content}");
        }
    }
}

use super::*;
use crate::{Location, Store};

async fn refusal(place: &str, settings: &S3Settings) -> BackendError {
    S3Backend::open(place.parse().unwrap(), settings).await.unwrap_err()
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named_with_its_server() {
    let house = House::new(HttpFaults::none()).await;
    let error = refusal("s3://missing/x", &house.server.settings()).await;
    let endpoint = house.server.endpoint();
    assert_eq!(
        said(&error),
        format!(
            "cannot open the store `s3://missing/x` / there is no bucket of this name at `{endpoint}`; create it, or \
             correct the name"
        )
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_being_shown() {
    let house = House::new(HttpFaults::none()).await;
    for (access_key, code) in [("bowline", "SignatureDoesNotMatch"), ("another", "NotSignedUp")] {
        let credentials = Some(S3Credentials::new(access_key, "hush"));
        let error = refusal("s3://bucket", &S3Settings { credentials, ..house.server.settings() }).await;
        assert_eq!(error.problem, Problem::Permission, "{}", said(&error));
        assert!(said(&error).contains(code), "{}", said(&error));
        assert!(said(&error).contains("; check the access key, its secret and the session token"));
        assert!(!said(&error).contains("hush") && !format!("{error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn a_server_out_of_reach_is_named_and_may_come_back() {
    let house = House::new(HttpFaults::none()).await;
    let settings = S3Settings {
        endpoint: Some(house.server.endpoint().replace("http://", "http://user:hush@")),
        ..house.server.settings()
    };
    let endpoint = house.server.endpoint();
    drop(house);
    let error = refusal("s3://bucket", &settings).await;
    assert_eq!(error.problem, Problem::Unavailable);
    let expected = format!(
        "cannot open the store `s3://bucket`: the store is out of reach for now / `{endpoint}` cannot be reached; is \
         it the right address, and is the server up?"
    );
    assert!(said(&error).starts_with(&expected), "{}", said(&error));
    assert!(!said(&error).contains("hush") && !format!("{error:?}").contains("hush"));
}

#[tokio::test]
async fn a_server_that_is_none_of_s3_is_found_out() {
    for status in [200, 404] {
        let house = House::new(HttpFaults::none()).await;
        house.server.faults().strike(u32::MAX, "", "", HttpFault::IsHtml(status));
        let error = refusal("s3://bucket", &house.server.settings()).await;
        assert_eq!(error.problem, Problem::Other);
        let end = format!("does not speak S3 (it answers with status {status}); give the address of the S3 API");
        assert!(said(&error).ends_with(&end), "{}", said(&error));
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let settings = S3Settings { endpoint: Some("minio".to_owned()), ..S3Settings::default() };
    let error = refusal("s3://bucket", &settings).await;
    assert!(said(&error).contains("the S3 endpoint `minio` is not the address of a server"), "{}", said(&error));
    let folder = TempDir::new().unwrap();
    let ca = Some(folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let error = refusal("s3://bucket", &S3Settings { ca, ..S3Settings::default() }).await;
    assert!(said(&error).contains("ca.pem` cannot be used; it has to be a file of certificates in PEM form"));
}

#[tokio::test]
async fn a_location_opens_as_what_it_is() {
    let house = House::new(HttpFaults::none()).await;
    let settings = house.server.settings();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    for location in ["s3://bucket/other", path.to_str().unwrap()] {
        let location: Location = location.parse().unwrap();
        let store = Store::open(&location, &settings).await.unwrap();
        assert_eq!(store.place(), location.to_string());
        Store::existing(&location, &settings).await.unwrap();
    }
    let missing = Location::Folder(folder.path().join("missing"));
    assert!(Store::existing(&missing, &settings).await.is_err());
}

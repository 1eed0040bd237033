//! Settings from the environment are tested in separate processes: the environment of this one cannot be changed.

use super::*;
use std::process::Command;

/// Runs the ignored test `name` with nothing in its environment but `variables`, and gives its output.
async fn run(name: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("s3::tests::environment::{name}"), "--ignored", "--nocapture"]);
    command.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_come_from_the_variables_of_all_aws_tools() {
    let house = House::new(HttpFaults::none()).await;
    house.store.put(&key("x"), b"found".to_vec()).await.unwrap();
    let endpoint = house.server.endpoint().replace("http://", "http://user:hush@");
    let keys = S3Server::credentials();
    let keys = [("AWS_ACCESS_KEY_ID", keys.access_key.as_str()), ("AWS_SECRET_ACCESS_KEY", keys.secret_key.as_str())];
    for variables in [
        vec![("AWS_ENDPOINT_URL", endpoint.as_str())],
        vec![("AWS_ENDPOINT_URL_S3", endpoint.as_str()), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")],
    ] {
        run("the_store_of_the_environment_is_read", &[&keys[..], &variables].concat()).await;
    }
}

#[tokio::test]
#[ignore = "run by another test, in an environment of its own"]
async fn the_store_of_the_environment_is_read() {
    let place = S3Place::new("bucket", "a store").unwrap();
    let store = S3Backend::open(place, &S3Settings::default()).await.unwrap();
    assert_eq!(store.get(&key("x")).await.unwrap().unwrap(), b"found");
    assert!(!format!("{store:?}").contains("hush"));
}

#[tokio::test]
async fn missing_credentials_are_said_to_be_missing() {
    run("there_are_no_credentials", &[]).await;
}

#[tokio::test]
#[ignore = "run by another test, in an environment of its own"]
async fn there_are_no_credentials() {
    let place = S3Place::new("bucket", "").unwrap();
    let settings = S3Settings { region: Some("eu-west-1".to_owned()), ..S3Settings::default() };
    let error = S3Backend::open(place.clone(), &settings).await.unwrap_err();
    assert_eq!(error.problem, Problem::Other);
    let expected = "cannot open the store `s3://bucket` / there are no credentials for S3; set AWS_ACCESS_KEY_ID and \
                    AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give this machine a role";
    assert!(said(&error).starts_with(expected), "{}", said(&error));
    let error = S3Backend::open(place, &S3Settings::default()).await.unwrap_err();
    assert!(said(&error).contains("no region is set; set AWS_REGION"), "{}", said(&error));
}

use super::broker::{TestPool, address};
use crate::{QueueError, RabbitQueue, RabbitSettings};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use std::{fs, time::Duration};

/// The error of connecting to `address`.
async fn refusal(address: &str) -> QueueError {
    let mut settings = RabbitSettings::new(address.parse().unwrap());
    settings.first_limit = Duration::from_millis(300);
    let error = RabbitQueue::connect(settings).await.expect_err(address);
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

/// `address` with another user, password, scheme, port or path.
fn changed(address: &str, change: impl FnOnce(&mut url::Url)) -> String {
    let mut url = address.parse().unwrap();
    change(&mut url);
    url.to_string()
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once() {
    let Some(address) = address() else { return };
    let error = refusal(&changed(&address, |url| url.set_password(Some("hunter2")).unwrap())).await;
    assert!(matches!(error, QueueError::Credentials { .. }), "{error:?}");
    assert!(error.to_string().contains("or the password: ACCESS_REFUSED"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_wrong_virtual_host_is_refused_at_once() {
    let Some(address) = address() else { return };
    let error = refusal(&changed(&address, |url| url.set_path("/nowhere"))).await;
    assert!(matches!(error, QueueError::VirtualHost { .. }), "{error:?}");
    assert!(error.to_string().contains("into the virtual host `nowhere`: NOT_ALLOWED"), "{error}");
}

#[tokio::test]
async fn a_wrong_port_fails_after_the_first_limit() {
    // No process listens on the port of a listener that was closed.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(&format!("amqp://bow:hunter2@127.0.0.1:{port}/v")).await;
    assert!(
        error.to_string().contains(&format!("RabbitMQ at `amqp://bow@127.0.0.1:{port}/v` is out of reach")),
        "{error}"
    );
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn tls_to_a_plain_port_is_refused_at_once() {
    let Some(address) = address() else { return };
    // `Url` refuses to change between these schemes.
    let error = refusal(&address.replace("amqp://", "amqps://")).await;
    assert!(matches!(error, QueueError::Tls { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no TLS connection to RabbitMQ at `amqps://"), "{error}");
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_and_not_changed() {
    let Some(address) = address() else { return };
    let pool = TestPool::new(&address).await;
    let name = pool.topology.retry.as_str();
    let channel = pool.channel().await;
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let error = RabbitQueue::connect(pool.settings.clone()).await.unwrap_err();
    assert!(matches!(error, QueueError::OtherQueue { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with(&format!("`{name}` at `amqp://")), "{message}");
    assert!(message.contains("PRECONDITION_FAILED") && message.contains("x-queue-type"), "{message}");
    assert!(message.ends_with("or use another pool"), "{message}");
    pool.delete().await;
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let folder = std::env::temp_dir().join(format!("bowline-ca-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (name, content) in [("missing.pem", None), ("empty.pem", Some("not a certificate"))] {
        let path = folder.join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let mut settings = RabbitSettings::new("amqps://localhost".parse().unwrap());
        settings.ca_file = Some(path.clone());
        let error = RabbitQueue::connect(settings).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use the certificates in `{}`", path.display()));
    }
    fs::remove_dir_all(&folder).unwrap();
}

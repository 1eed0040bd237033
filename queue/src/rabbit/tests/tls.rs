use super::private::PrivateBroker;
use crate::{JobConsumer, JobPublisher, QueueError, RabbitCheck, RabbitQueue, RabbitSettings, contract::job};
use serde_json::json;
use std::{fs, path::Path, process::Command, time::Duration};
use tokio::task::spawn_blocking;

/// Makes an authority and a certificate for this machine. False if `openssl` is not installed.
fn certify(folder: &Path) -> bool {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        output.is_ok_and(|output| output.status.success())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=bowline-test -days 2"))
        && openssl(&format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"))
        && openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
        )
}

/// The configuration of a broker with TLS and a management interface.
fn configure(folder: &Path, tls: u16, management: u16) {
    let at = folder.display();
    let conf = format!(
        "listeners.ssl.1 = 127.0.0.1:{tls}
ssl_options.cacertfile = {at}/ca.pem
ssl_options.certfile = {at}/cert.pem
ssl_options.keyfile = {at}/key.pem
ssl_options.verify = verify_none
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
"
    );
    fs::write(folder.join("more.conf"), conf).unwrap();
    fs::write(folder.join("plugins"), "[rabbitmq_management].").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_broker_is_verified_used_and_checked() {
    if super::broker::address().is_none() {
        return;
    }
    let tls = PrivateBroker::spare_port();
    let management = PrivateBroker::spare_port();
    let folder = tempfile();
    if !certify(&folder) {
        return println!("skipped: no `openssl` to make certificates with");
    }
    let certificates = folder.clone();
    let started = spawn_blocking(move || {
        PrivateBroker::start(|folder| {
            for name in ["ca.pem", "cert.pem", "key.pem"] {
                fs::copy(certificates.join(name), folder.join(name)).unwrap();
            }
            configure(folder, tls, management);
        })
    });
    let Some(broker) = started.await.unwrap() else { return };
    let mut settings = RabbitSettings::new(format!("amqps://guest:guest@localhost:{tls}").parse().unwrap());

    let unknown = RabbitQueue::connect(settings.clone()).await.unwrap_err();
    assert!(matches!(unknown, QueueError::Tls { .. }), "an unknown authority: {unknown:?}");
    settings.ca_file = Some(folder.join("ca.pem"));
    let queue = RabbitQueue::connect(settings.clone()).await.unwrap();
    let worker = queue.consumer().unwrap();
    queue.publish(&job(1), "tests").await.unwrap();
    worker.next().await.unwrap().unwrap().ack().await.unwrap();
    worker.close().await;

    let management = format!("http://127.0.0.1:{management}");
    lack_permission(&broker.address, &management).await;
    check(settings, &management).await;
    fs::remove_dir_all(&folder).unwrap();
    drop(broker);
}

async fn check(settings: RabbitSettings, management: &str) {
    let mut check = RabbitCheck {
        management: Some(management.parse().unwrap()),
        job_limit: Some(Duration::from_secs(600)),
        sweeps: vec!["unknown".to_owned()],
    };
    let report = RabbitQueue::check(settings.clone(), &check).await.unwrap();
    assert!(report.broker.starts_with("RabbitMQ ") && report.broker.contains(", cluster "), "{report:?}");
    assert_eq!(report.heartbeat, Some(Duration::from_secs(20)));
    assert_eq!(report.queues[0].name, "bowline.jobs.default");
    assert_eq!(report.policies, Ok(vec![None, None, None]));
    assert!(report.warnings.is_empty(), "{report:?}");

    let policy = json!({
        "pattern": r"^bowline\.", "apply-to": "queues", "definition": { "delivery-limit": 2, "max-length": 5 }
    });
    put(management, "policies/%2f/tight", &policy).await;
    let report = loop {
        let report = RabbitQueue::check(settings.clone(), &check).await.unwrap();
        if report.policies.as_ref().is_ok_and(|policies| policies.iter().all(Option::is_some)) {
            break report;
        }
    };
    assert_eq!(report.policies.unwrap()[0].as_ref().unwrap().delivery_limit, Some(2));
    assert_eq!(report.warnings.len(), 6, "{:?}", report.warnings);

    check.management = Some(format!("http://127.0.0.1:{}", PrivateBroker::spare_port()).parse().unwrap());
    let report = RabbitQueue::check(settings, &check).await.unwrap();
    assert_eq!(report.policies, Err("the management interface cannot be reached".to_owned()));
}

/// A user without the permission to declare queues gets an error that says so.
async fn lack_permission(address: &str, management: &str) {
    put(management, "users/clerk", &json!({ "password": "hunter2", "tags": "" })).await;
    put(management, "permissions/%2f/clerk", &json!({ "configure": "^$", "write": ".*", "read": ".*" })).await;
    let address = address.replace("guest:guest", "clerk:hunter2");
    let error = RabbitQueue::connect(RabbitSettings::new(address.parse().unwrap())).await.unwrap_err();
    assert!(matches!(error, QueueError::Permission { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with("user `clerk` lacks a permission on `bowline.jobs.default`"), "{message}");
    assert!(message.contains("ACCESS_REFUSED") && !message.contains("hunter2"), "{message}");
}

async fn put(management: &str, what: &str, body: &serde_json::Value) {
    let put = reqwest::Client::new().put(format!("{management}/api/{what}")).basic_auth("guest", Some("guest"));
    let answer = put.body(body.to_string()).header("content-type", "application/json").send().await.unwrap();
    assert!(answer.status().is_success(), "{what}: {answer:?}");
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("bowline-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

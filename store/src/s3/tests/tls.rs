use super::*;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{path::Path, process::Command};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Makes an authority and a certificate of its for this machine; `false` where `openssl` is not installed.
fn certify(folder: &Path) -> bool {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        output.is_ok_and(|output| output.status.success())
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let key = "-newkey rsa:2048 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=store-test -days 2"))
        && openssl(&format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"))
        && openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        )
}

/// Takes encrypted connections on a port of its own, and passes what is in them on to `server`.
async fn encrypted(folder: &Path, server: String) -> (u16, JoinSet<()>) {
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            let server = server.clone();
            connections.spawn(async move {
                // A client that does not trust the certificate closes the connection here.
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let mut outside = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    (port, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified_and_an_authority_of_ones_own_can_be_named() {
    let folder = TempDir::new().unwrap();
    if !certify(folder.path()) {
        return println!("skipped: no `openssl` to make certificates with");
    }
    let house = House::new(HttpFaults::none()).await;
    let (port, _tasks) = encrypted(folder.path(), house.server.endpoint().replace("http://", "")).await;
    let endpoint = |host: &str| Some(format!("https://{host}:{port}"));
    let settings = S3Settings { endpoint: endpoint("localhost"), ..house.with_few_attempts() };
    let place = S3Place::new("bucket", "a store").unwrap();

    let error = S3Backend::open(place.clone(), &settings).await.unwrap_err();
    assert_eq!(error.problem, Problem::Other);
    let expected = format!("the certificate of `https://localhost:{port}` is not trusted; give the root certificate");
    assert!(said(&error).contains(&expected), "{}", said(&error));

    let settings = S3Settings { ca: Some(folder.path().join("ca.pem")), ..settings };
    let store = S3Backend::open(place.clone(), &settings).await.unwrap();
    store.put(&key("x"), vec![1]).await.unwrap();
    assert_eq!(house.store.get(&key("x")).await.unwrap(), Some(vec![1]));

    // Trusted, but not for this name.
    let error = S3Backend::open(place, &S3Settings { endpoint: endpoint("127.0.0.1"), ..settings }).await.unwrap_err();
    assert!(said(&error).contains("is not trusted"), "{}", said(&error));
}

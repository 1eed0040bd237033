mod connections;

use crate::ProcessStatus;
use connections::{ConnectionState, Connections};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a scrape may take.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a connection lives, so that no client keeps others out.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Serves a process status over HTTP for as long as it lives: `/metrics`, `/healthz` and `/readyz`.
///
/// The probes answer 200 or 503, each with a line that says why. All resources are read-only, and none holds a secret.
/// Clients that open connections and send nothing cannot block probes: their connections are closed first.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

/// The endpoint cannot listen on its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}")]
pub struct EndpointError {
    address: SocketAddr,
    source: io::Error,
}

impl Endpoint {
    /// Serves `status` at `address`. Port 0 takes a free port.
    ///
    /// # Errors
    /// The address is not one of this machine, or is in use.
    pub async fn open(address: SocketAddr, status: Arc<ProcessStatus>) -> Result<Self, EndpointError> {
        let wrong = |source| EndpointError { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, status));
        Ok(Self { address, _serving: serving })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, status: Arc<ProcessStatus>) {
    let mut connections = Connections::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    while let Err(wait) = connections.make_room(peer) {
                        tokio::time::sleep(wait).await;
                    }
                    connections.add(peer, |state| answer(stream, Arc::clone(&status), state));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to the endpoint was not accepted");
                    // Most likely no file descriptor is free. A retry at once would only keep a core busy.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = connections.wait_for_close() => {}
        }
    }
}

async fn answer(stream: TcpStream, status: Arc<ProcessStatus>, state: Arc<ConnectionState>) {
    let service = service_fn(move |request| {
        let status = Arc::clone(&status);
        let state = Arc::clone(&state);
        async move {
            state.request_received();
            let response = respond(&request, status).await;
            state.response_ready();
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    match timeout(CONNECTION_TIMEOUT, http.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the endpoint failed"),
        Err(_) => tracing::debug!("a connection to the endpoint was closed after a minute"),
    }
}

async fn respond<B: Sync>(request: &Request<B>, status: Arc<ProcessStatus>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only to be read".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => metrics(status).await,
        "/healthz" => probe(status.check_live()),
        "/readyz" => probe(status.check_ready()),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz".to_owned()),
    }
}

/// Reads the metrics on a blocking thread, since drivers of devices may block and the runtime must not.
async fn metrics(status: Arc<ProcessStatus>) -> Response<Full<Bytes>> {
    match timeout(SCRAPE_TIMEOUT, spawn_blocking(move || status.metrics())).await {
        Ok(Ok(text)) => {
            let mut response = Response::new(Full::from(text));
            response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
            response
        }
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "the metrics cannot be read in time".to_owned()),
    }
}

fn probe(condition: Result<(), String>) -> Response<Full<Bytes>> {
    match condition {
        Ok(()) => plain(StatusCode::OK, "ok".to_owned()),
        Err(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PLAIN);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(endpoint: &Endpoint, head: &str) -> String {
        let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
        stream.write_all(format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn it_shows_what_is_on_the_board_at_the_time() {
        let status = Arc::new(ProcessStatus::default());
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Arc::clone(&status)).await.unwrap();
        let ready = ask(&endpoint, "GET /readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("\r\n\r\nstarting\n"), "{ready}");
        let live = ask(&endpoint, "GET /healthz").await;
        assert!(live.starts_with("HTTP/1.1 200") && live.ends_with("ok\n"), "{live}");
        status.ready_if(|| Ok(()));
        assert!(ask(&endpoint, "GET /readyz?x=1").await.starts_with("HTTP/1.1 200"));
        let metrics = ask(&endpoint, "GET /metrics").await;
        assert!(metrics.contains("application/openmetrics-text") && metrics.ends_with("# EOF\n"), "{metrics}");
        assert!(ask(&endpoint, "HEAD /metrics").await.ends_with("\r\n\r\n"), "a head without a body");
    }

    #[tokio::test]
    async fn clients_that_send_half_a_request_keep_no_probe_out() {
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Arc::default()).await.unwrap();
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
            slow.push(stream);
        }
        let live = ask(&endpoint, "GET /healthz").await;
        assert!(live.starts_with("HTTP/1.1 200"), "{live}");
        // Answered before the time of the slow ones was up, and not after it.
        let is_open = |stream: &TcpStream| matches!(stream.try_read(&mut [0; 64]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        assert!(slow.iter().any(is_open));
    }

    #[tokio::test]
    async fn it_takes_nothing_and_knows_nothing_else() {
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Arc::default()).await.unwrap();
        assert!(ask(&endpoint, "POST /metrics").await.starts_with("HTTP/1.1 405"));
        assert!(ask(&endpoint, "GET /").await.starts_with("HTTP/1.1 404"));
        let error = Endpoint::open(endpoint.address(), Arc::default()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen at {}", endpoint.address()));
    }
}

mod connections;

use crate::Board;
use connections::{Connections, Visit};
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

/// How long a client may take over the head of a request.
const HEAD: Duration = Duration::from_secs(2);
/// How long metrics may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a connection lives, so that nobody keeps others out.
const LONGEST: Duration = Duration::from_secs(60);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A board shown over HTTP, for as long as this lives: `/metrics`, `/healthz` and `/readyz`.
///
/// The probes answer 200 or 503, each with a line that says why. There is nothing to write, and nothing secret to
/// read. Clients that open connections and send nothing, however many, keep no probe from its answer: they make room
/// for it.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

/// An address that cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}")]
pub struct EndpointError {
    address: SocketAddr,
    source: io::Error,
}

impl Endpoint {
    /// Shows `board` at `address`; port 0 takes one that is free.
    ///
    /// # Errors
    /// The address is not ours, or taken.
    pub async fn open(address: SocketAddr, board: Arc<Board>) -> Result<Self, EndpointError> {
        let wrong = |source| EndpointError { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, board));
        Ok(Self { address, _serving: serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, board: Arc<Board>) {
    let mut connections = Connections::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    while let Err(wait) = connections.make_room(peer) {
                        tokio::time::sleep(wait).await;
                    }
                    connections.add(peer, |visit| answer(stream, Arc::clone(&board), visit));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to the endpoint was not taken");
                    // Out of descriptors, most likely: trying at once would only turn the loop.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = connections.one_is_over() => {}
        }
    }
}

async fn answer(stream: TcpStream, board: Arc<Board>, visit: Arc<Visit>) {
    let service = service_fn(move |request| {
        let board = Arc::clone(&board);
        let visit = Arc::clone(&visit);
        async move {
            visit.answers();
            let response = respond(&request, board).await;
            visit.waits();
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    match timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the endpoint broke"),
        Err(_) => tracing::debug!("a connection to the endpoint was closed after a minute"),
    }
}

async fn respond<B: Sync>(request: &Request<B>, board: Arc<Board>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only to be read".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => metrics(board).await,
        "/healthz" => probe(board.check_live()),
        "/readyz" => probe(board.check_ready()),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz".to_owned()),
    }
}

/// Reads the metrics on a thread that may wait: drivers of devices take their time, and the runtime has other things to do.
async fn metrics(board: Arc<Board>) -> Response<Full<Bytes>> {
    match timeout(PATIENCE, spawn_blocking(move || board.metrics())).await {
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
        let board = Arc::new(Board::default());
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Arc::clone(&board)).await.unwrap();
        let ready = ask(&endpoint, "GET /readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("\r\n\r\nstarting\n"), "{ready}");
        let live = ask(&endpoint, "GET /healthz").await;
        assert!(live.starts_with("HTTP/1.1 200") && live.ends_with("ok\n"), "{live}");
        board.ready_if(|| Ok(()));
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

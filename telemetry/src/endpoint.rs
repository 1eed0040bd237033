use crate::{
    ProcessStatus,
    http::{EndpointError, HttpServer, Page, Pages},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};

/// How long a scrape may take.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves a process status over HTTP for as long as it lives: `/metrics`, `/healthz` and `/readyz`.
///
/// The probes answer 200 or 503, each with a line that says why. All resources are read-only, and none holds a secret.
#[derive(Debug)]
pub struct Endpoint(HttpServer);

impl Endpoint {
    /// Serves `status` at `address`. Port 0 takes a free port.
    ///
    /// # Errors
    /// The address is not one of this machine, or is in use.
    pub async fn open(address: SocketAddr, status: Arc<ProcessStatus>) -> Result<Self, EndpointError> {
        HttpServer::open(address, Arc::new(StatusPages(status))).await.map(Self)
    }

    /// The same, with `pages` at all other paths.
    ///
    /// # Errors
    /// As [`Endpoint::open`].
    pub async fn open_beside(
        address: SocketAddr,
        status: Arc<ProcessStatus>,
        pages: impl Pages,
    ) -> Result<Self, EndpointError> {
        let both = BothPages { status: StatusPages(status), pages };
        HttpServer::open(address, Arc::new(both)).await.map(Self)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

struct StatusPages(Arc<ProcessStatus>);

/// The paths of a status.
const STATUS_PATHS: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// A status, and pages at all other paths.
struct BothPages<P> {
    status: StatusPages,
    pages: P,
}

impl<P: Pages> Pages for BothPages<P> {
    fn needs_own_name(&self, path: &str) -> bool {
        !STATUS_PATHS.contains(&path) && self.pages.needs_own_name(path)
    }

    async fn page(&self, path: &str) -> Page {
        if STATUS_PATHS.contains(&path) { self.status.page(path).await } else { self.pages.page(path).await }
    }
}

impl Pages for StatusPages {
    async fn page(&self, path: &str) -> Page {
        match path {
            "/metrics" => metrics(Arc::clone(&self.0)).await,
            "/healthz" => probe(self.0.check_live()),
            "/readyz" => probe(self.0.check_ready()),
            _ => Page::line(404, "there are /metrics, /healthz and /readyz"),
        }
    }
}

/// Reads the metrics on a blocking thread, since drivers of devices may block and the runtime must not.
async fn metrics(status: Arc<ProcessStatus>) -> Page {
    match timeout(SCRAPE_TIMEOUT, spawn_blocking(move || status.metrics())).await {
        Ok(Ok(text)) => Page { status: 200, content_type: OPEN_METRICS, content: text.into(), refresh_s: None },
        _ => Page::line(503, "the metrics cannot be read in time"),
    }
}

fn probe(condition: Result<(), String>) -> Page {
    match condition {
        Ok(()) => Page::line(200, "ok"),
        Err(reason) => Page::line(503, &reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

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

    /// A page that only requests read which name this machine.
    struct Own;

    impl Pages for Own {
        fn needs_own_name(&self, _path: &str) -> bool {
            true
        }

        async fn page(&self, path: &str) -> Page {
            Page::html(format!("page {path}"))
        }
    }

    #[tokio::test]
    async fn other_pages_stand_beside_a_status_and_keep_their_own_rule() {
        let endpoint = Endpoint::open_beside(([127, 0, 0, 1], 0).into(), Arc::default(), Own).await.unwrap();
        // The requests of these tests come from a host `x`.
        assert!(ask(&endpoint, "GET /healthz").await.ends_with("ok\n"));
        assert!(ask(&endpoint, "GET /sweeps/a").await.starts_with("HTTP/1.1 403"));
        let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
        stream.write_all(b"GET /sweeps/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("page /sweeps/a"), "{text}");
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

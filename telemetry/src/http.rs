mod connections;

use connections::{ConnectionState, Connections};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that a connection lives, so that no client keeps others out.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Pages that are served over HTTP.
pub trait Pages: Send + Sync + 'static {
    /// The page at a path, which begins with `/` and has no query. It is read only.
    fn page(&self, path: &str) -> impl Future<Output = Page> + Send;

    /// Whether a request for this path that comes to a loopback address has to name this machine: see [`HttpServer`].
    fn needs_own_name(&self, _path: &str) -> bool {
        false
    }
}

/// A page, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status of HTTP, such as 200 or 404.
    pub status: u16,
    /// The media type of the content.
    pub content_type: &'static str,
    /// The content.
    pub content: Bytes,
    /// The seconds after which a browser loads the page again.
    pub refresh_s: Option<u64>,
}

impl Page {
    /// A line of text.
    pub fn line(status: u16, text: &str) -> Self {
        let content = Bytes::from(format!("{text}\n"));
        Self { status, content_type: "text/plain; charset=utf-8", content, refresh_s: None }
    }

    /// An HTML document.
    pub fn html(text: String) -> Self {
        Self { status: 200, content_type: "text/html; charset=utf-8", content: text.into(), refresh_s: None }
    }
}

/// Serves [`Pages`] over HTTP for as long as it lives.
///
/// Only `GET` and `HEAD` are answered. Clients that open connections and send nothing cannot block others: their connections are
/// closed first. Where the [pages](Pages::needs_own_name) ask for it, a request to a loopback address has to name this machine by its address or as `localhost`: a page of another site
/// whose name leads here reads nothing.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

/// The server cannot listen on its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}")]
pub struct EndpointError {
    address: SocketAddr,
    source: io::Error,
}

impl HttpServer {
    /// Serves `pages` at `address`. Port 0 takes a free port.
    ///
    /// # Errors
    /// The address is not one of this machine, or is in use.
    pub async fn open(address: SocketAddr, pages: Arc<impl Pages>) -> Result<Self, EndpointError> {
        let wrong = |source| EndpointError { address, source };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, address, pages));
        Ok(Self { address, _serving: serving })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, pages: Arc<impl Pages>) {
    let mut connections = Connections::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    while let Err(wait) = connections.make_room(peer) {
                        tokio::time::sleep(wait).await;
                    }
                    connections.add(peer, |state| answer(stream, address, Arc::clone(&pages), state));
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

async fn answer(stream: TcpStream, address: SocketAddr, pages: Arc<impl Pages>, state: Arc<ConnectionState>) {
    let service = service_fn(move |request| {
        let pages = Arc::clone(&pages);
        let state = Arc::clone(&state);
        async move {
            state.request_received();
            let response = respond(&request, address, &*pages).await;
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

async fn respond<B: Sync>(request: &Request<B>, address: SocketAddr, pages: &impl Pages) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = response(Page::line(405, "only to be read"));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if pages.needs_own_name(request.uri().path()) && address.ip().is_loopback() && !host.is_some_and(is_own_name) {
        return response(Page::line(403, "name this machine as `localhost` or by its address"));
    }
    response(pages.page(request.uri().path()).await)
}

/// Whether the host of a request is an address or `localhost`, with or without a port.
fn is_own_name(host: &str) -> bool {
    let is_local = |name: &str| name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.parse::<SocketAddr>().is_ok() || is_local(name) || is_local(host.trim_start_matches('[').trim_end_matches(']'))
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(page.content));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(seconds) = page.refresh_s {
        headers.insert(REFRESH, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A page that says its path, and is loaded again.
    struct Echo;

    impl Pages for Echo {
        async fn page(&self, path: &str) -> Page {
            Page { refresh_s: Some(5), ..Page::html(path.to_owned()) }
        }

        fn needs_own_name(&self, _path: &str) -> bool {
            true
        }
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_page_is_html_that_is_loaded_again_and_is_kept_nowhere() {
        let server = HttpServer::open(([127, 0, 0, 1], 0).into(), Arc::new(Echo)).await.unwrap();
        let text = ask(server.address(), "GET /a/b?x=1 HTTP/1.1\r\nHost: localhost:1").await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n/a/b"), "{text}");
        for header in ["content-type: text/html; charset=utf-8", "refresh: 5", "cache-control: no-store"] {
            assert!(text.contains(header), "{header}: {text}");
        }
    }

    #[tokio::test]
    async fn a_name_of_another_site_that_leads_here_reads_nothing() {
        let server = HttpServer::open(([127, 0, 0, 1], 0).into(), Arc::new(Echo)).await.unwrap();
        for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""] {
            let text = ask(server.address(), &format!("GET / HTTP/1.1\r\nHost: {host}")).await;
            assert!(text.starts_with("HTTP/1.1 403"), "{host}: {text}");
        }
        for host in ["127.0.0.1:80", "localhost", "LOCALHOST:9", "[::1]", "[::1]:80", "10.0.0.1"] {
            let text = ask(server.address(), &format!("GET / HTTP/1.1\r\nHost: {host}")).await;
            assert!(text.starts_with("HTTP/1.1 200"), "{host}: {text}");
        }
    }
}

use super::{
    HttpFault, HttpFaults,
    consistent::{Consistent, Unconditional},
};
use crate::{RequestLimits, S3Credentials, S3Place, S3Settings};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::IF_NONE_MATCH,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use s3s::{
    Body, HttpError,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};

const ACCESS_KEY: &str = "bowline";
const SECRET_KEY: &str = "correct-horse-battery-staple";

/// An S3 server over a folder, with faults between it and its clients; it ends, with all connections, when it is
/// dropped.
///
/// It keeps the folder, so that a server started anew over it, in another process perhaps, has the same objects. Two
/// at once over one folder break the conditions.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    folder: PathBuf,
    faults: HttpFaults,
    _connections: JoinSet<()>,
}

/// What a connection serves.
#[derive(Clone)]
struct Server {
    s3: S3Service,
    faults: HttpFaults,
}

impl S3Server {
    /// Starts a server over `folder` on a free port of this machine.
    ///
    /// # Errors
    /// The folder is not there, or there is no port.
    pub async fn start(folder: &Path, faults: HttpFaults) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder, faults).await
    }

    /// Starts a server over `folder` at `address`.
    ///
    /// # Errors
    /// The folder is not there, or the port is taken.
    pub async fn start_at(address: SocketAddr, folder: &Path, faults: HttpFaults) -> io::Result<Self> {
        let files = FileSystem::new(folder).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(Consistent::new(files));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let server = Server { s3: service.build(), faults: faults.clone() };
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server));
        Ok(Self { address, folder: folder.to_owned(), faults, _connections: connections })
    }

    /// The address of the S3 API.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server takes.
    pub fn credentials() -> S3Credentials {
        S3Credentials::new(ACCESS_KEY, SECRET_KEY)
    }

    /// How to reach the server, with all attempts and short pauses between them.
    pub fn settings(&self) -> S3Settings {
        let limits = RequestLimits {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(20),
            ..RequestLimits::default()
        };
        let credentials = Some(Self::credentials());
        S3Settings { endpoint: Some(self.endpoint()), credentials, limits, ..S3Settings::default() }
    }

    /// The faults, to arm or count them.
    pub fn faults(&self) -> &HttpFaults {
        &self.faults
    }

    /// Makes a bucket, if it is not there, and names the place in it.
    ///
    /// # Errors
    /// The folder of the bucket cannot be made.
    ///
    /// # Panics
    /// No bucket has such a name.
    pub fn bucket(&self, name: &str, prefix: &str) -> io::Result<S3Place> {
        fs::create_dir_all(self.folder.join(name))?;
        Ok(S3Place::new(name, prefix).expect("a bucket and a prefix"))
    }
}

async fn accept(listener: TcpListener, server: Server) {
    let mut connections = JoinSet::new();
    // A client that goes away before it is accepted is no reason to stop.
    while let Ok((stream, _)) = listener.accept().await {
        let server = server.clone();
        connections.spawn(async move {
            let serve = service_fn(move |request| server.clone().serve(request));
            // The client decides how a connection ends.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Server {
    /// Answers a request, or fails and thereby cuts the connection.
    async fn serve(self, mut request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let is_conditional = request.headers().contains_key(IF_NONE_MATCH);
        match self.faults.next(request.method().as_str(), target, is_conditional) {
            None => self.answer(request).await,
            Some(HttpFault::Answers(status, code)) => error(status, code),
            Some(HttpFault::AnswersAfterwards(status, code)) => {
                self.answer(request).await?;
                error(status, code)
            }
            Some(HttpFault::Cuts) => Err(cut()),
            Some(HttpFault::CutsAfterwards) => {
                self.answer(request).await?;
                Err(cut())
            }
            Some(HttpFault::CutsBody) => half(self.answer(request).await?).await,
            Some(HttpFault::IsSlow(delay)) => {
                tokio::time::sleep(delay).await;
                self.answer(request).await
            }
            Some(HttpFault::IgnoresCondition) => {
                request.extensions_mut().insert(Unconditional);
                self.answer(request).await
            }
            Some(HttpFault::IsHtml(status)) => {
                page(status, "text/html", "<html><body>Welcome!</body></html>".to_owned())
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        self.s3.call(request.map(Body::from)).await
    }
}

fn error(status: u16, code: &str) -> Result<Response<Body>, HttpError> {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>made to fail</Message></Error>"#
    );
    page(status, "application/xml", text)
}

fn page(status: u16, kind: &str, text: String) -> Result<Response<Body>, HttpError> {
    let response = Response::builder().status(status).header("content-type", kind).body(Body::from(text));
    response.map_err(|error| HttpError::new(Box::new(error)))
}

/// The answer with its length and half its body.
async fn half(response: Response<Body>) -> Result<Response<Body>, HttpError> {
    let (mut head, body) = response.into_parts();
    let body = BodyExt::collect(body).await.map_err(HttpError::new)?.to_bytes();
    // The answer to a HEAD has a length and no body.
    head.headers.entry(hyper::header::CONTENT_LENGTH).or_insert(body.len().into());
    let begin = stream::iter([Ok(Frame::data(body.slice(..body.len() / 2)))]);
    let end = stream::once(async {
        // What comes before is only sent when there is nothing to send for a moment.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Ok(Response::from_parts(head, Body::http_body_unsync(StreamBody::new(begin.chain(end)))))
}

fn cut() -> HttpError {
    HttpError::new(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
}

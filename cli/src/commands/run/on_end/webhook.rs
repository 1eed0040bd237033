use crate::{
    args::Secret,
    failure::{Failure, FileFailure, RunFailure},
    interrupt::Interrupts,
    local::runtime,
    terminal,
};
use reqwest::{Certificate, Client, StatusCode, Url, redirect::Policy};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use tokio::time::sleep;

/// How long an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Pauses before further attempts where the last one may have failed by chance.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// A URL that is notified about the end of a run.
#[derive(Debug)]
pub(super) struct Webhook {
    url: Url,
    client: Client,
}

/// Why an attempt failed.
struct Refused {
    reason: String,
    may_pass: bool,
}

impl Webhook {
    /// Sends to `url`; `ca` is trusted in addition to the system's certificates.
    ///
    /// # Errors
    /// It is no URL of HTTP, or the certificates cannot be read.
    pub(super) fn new(url: &Secret, ca: Option<&Path>) -> Result<Self, Failure> {
        let wrong = || Failure::Argument {
            argument: "--on-end-url",
            // The text may be a secret. A mistake in it may hide that.
            value: "…".to_owned(),
            expected: "an address such as `https://host/path`",
        };
        let url = Url::parse(url.reveal()).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let client = Client::builder().timeout(TIME_LIMIT).redirect(Policy::none());
        let client = match ca {
            Some(path) => client.tls_certs_merge(certificates(path)?),
            None => client,
        };
        let client = client.build().map_err(|error| Failure::Run(RunFailure::Webhook { reason: in_words(error) }))?;
        Ok(Self { url, client })
    }

    /// Sends `document`. A failure is a warning.
    pub(super) fn post(&self, document: &Value) {
        let sent = runtime().map_err(|failure| jobs::error_line(&failure)).and_then(|runtime| {
            // A signal ends the process.
            let _interrupts = Interrupts::listen(&runtime);
            runtime.block_on(self.send(document))
        });
        if let Err(reason) = sent {
            terminal::note(format_args!("warning: `--on-end-url` ({}) received no notice: {reason}", self.shown()));
        }
    }

    async fn send(&self, document: &Value) -> Result<(), String> {
        let mut pauses = PAUSES.into_iter();
        loop {
            match (self.attempt(document).await, pauses.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(Refused { may_pass: true, .. }), Some(pause)) => sleep(pause).await,
                (Err(Refused { reason, .. }), _) => return Err(reason),
            }
        }
    }

    async fn attempt(&self, document: &Value) -> Result<(), Refused> {
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        let answer = request.body(document.to_string()).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => {
                let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                Err(Refused { reason: format!("the answer was {status}"), may_pass })
            }
            Err(error) => Err(Refused { reason: in_words(error), may_pass: true }),
        }
    }

    /// Only the server: the path of many webhooks is a secret.
    fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}/…", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

fn in_words(error: reqwest::Error) -> String {
    jobs::error_line(&error.without_url())
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let read = |source| Failure::File(FileFailure::Read { what: "certificates", path: path.to_owned(), source });
    Certificate::from_pem_bundle(&fs::read(path).map_err(read)?).map_err(|error| {
        Failure::Run(RunFailure::Webhook { reason: format!("`{}`: {}", path.display(), in_words(error)) })
    })
}

use crate::{
    args,
    failure::{Failure, WatchingFailure},
    local::runtime,
    terminal,
};
use reqwest::{Client, redirect::Policy};
use std::time::Duration;

/// How long an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read: an answer is one line.
const LONGEST: usize = 4096;

/// `bowline probe`: queries the health of a running Bowline, for containers without another HTTP client.
pub(crate) fn run(args: &args::Probe) -> Result<(), Failure> {
    let mut shown = args.url.clone();
    // An address that cannot hold credentials is shown.
    _ = shown.set_username("").and_then(|()| shown.set_password(None));
    // A query may hold a key.
    shown.set_query(None);
    shown.set_fragment(None);
    let fails = |reason: String| Failure::Watching(WatchingFailure::Probe { url: shown.to_string(), reason });
    let wrong = |error: reqwest::Error| fails(jobs::error_line(&error.without_url()));
    let (status, answer) = runtime()?.block_on(async {
        // Without proxies and redirects: the process runs on this machine.
        let client = Client::builder().timeout(TIME_LIMIT).no_proxy().redirect(Policy::none());
        let mut response = client.build().map_err(wrong)?.get(args.url.clone()).send().await.map_err(wrong)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(wrong)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST {
                break;
            }
        }
        answer.truncate(LONGEST);
        Ok::<_, Failure>((status, String::from_utf8_lossy(&answer).trim().to_owned()))
    })?;
    if status.is_success() {
        terminal::data(answer);
        return Ok(());
    }
    Err(fails(match answer.lines().next() {
        Some(line) => line.to_owned(),
        None => status.to_string(),
    }))
}

use crate::{
    args,
    failure::{Failure, WatchingFailure},
    local::runtime,
    terminal,
};
use reqwest::{Client, redirect::Policy};
use std::time::Duration;

/// How long an answer may take: a probe that waits longer is no help.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most of an answer that is read: it is a line.
const LONGEST: usize = 4096;

/// `bowline probe`: asks a running Bowline how it is, for containers that hold no other program to ask with.
pub(crate) fn run(args: &args::Probe) -> Result<(), Failure> {
    let mut shown = args.url.clone();
    // Of an address that cannot have them nothing is to be hidden.
    _ = shown.set_username("").and_then(|()| shown.set_password(None));
    // A query may hold a key.
    shown.set_query(None);
    shown.set_fragment(None);
    let fails = |reason: String| Failure::Watching(WatchingFailure::Probe { url: shown.to_string(), reason });
    let wrong = |error: reqwest::Error| fails(terminal::in_one_line(&error.without_url()));
    let (status, answer) = runtime()?.block_on(async {
        // Never through a proxy, nor to another place: what is asked runs here.
        let client = Client::builder().timeout(PATIENCE).no_proxy().redirect(Policy::none());
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

use crate::{args, failure::Failure, local::runtime, terminal};
use std::time::Duration;

/// How long an answer may take: a probe that waits longer is no help.
const PATIENCE: Duration = Duration::from_secs(5);

/// `bowline probe`: asks a running Bowline how it is, for containers that hold no other program to ask with.
pub(crate) fn run(args: &args::Probe) -> Result<(), Failure> {
    let url = args.url.to_string();
    let wrong = |error: reqwest::Error| Failure::Probe {
        url: url.clone(),
        reason: terminal::in_one_line(&error.without_url()),
    };
    let (status, answer) = runtime()?.block_on(async {
        // Never through a proxy: what is asked runs here.
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(wrong)?;
        let response = client.get(args.url.clone()).send().await.map_err(wrong)?;
        let status = response.status();
        Ok::<_, Failure>((status, response.text().await.map_err(wrong)?))
    })?;
    if status.is_success() {
        terminal::data(answer.trim_end());
        return Ok(());
    }
    let reason = match answer.trim() {
        "" => status.to_string(),
        answer => answer.lines().next().unwrap_or_default().to_owned(),
    };
    Err(Failure::Probe { url, reason })
}

use super::S3Args;
use clap::Args as ClapArgs;
use std::net::SocketAddr;
use store::Location;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The pages are read from the store, so that it works on any machine that reaches the store, whether or not a run or a \
    worker is active there. Nothing can be changed through them, and nothing is loaded from a network. There is no password: whoever \
    reaches the address can read all reports of the store, so that an address other than this machine's own is for trusted networks."
)]
pub(crate) struct Serve {
    /// The store of results: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "STORE", default_value = "bowline-results", env = "BOWLINE_STORE", hide_env_values = true)]
    pub(crate) store: Location,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    /// The address to serve the pages at; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8064")]
    pub(crate) listen: SocketAddr,
    /// How often a browser loads the page of a sweep that runs again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub(crate) refresh: u64,
}

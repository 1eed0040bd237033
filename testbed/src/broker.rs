use crate::Failure;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command as BlockingCommand,
};
use tokio::process::Command;

/// The script's exit code if the server is not installed or does not start.
const NOT_THERE: i32 = 69;

/// A RabbitMQ broker: a private one, which tests may stop and start, or an external one.
#[derive(Debug)]
pub struct Broker {
    address: String,
    private: Option<Private>,
}

#[derive(Debug)]
struct Private {
    folder: PathBuf,
    port: u16,
}

impl Broker {
    /// The broker at `address`, which is never stopped.
    pub fn external(address: String) -> Self {
        Self { address, private: None }
    }

    /// Starts a private broker that keeps its data in `folder`; `None` where no server is installed or it does not
    /// start.
    ///
    /// # Errors
    /// No ports are free, or the script cannot be run.
    pub async fn start(folder: &Path) -> Result<Option<Self>, Failure> {
        let private = Private { folder: folder.to_owned(), port: free_port()? };
        // The handle exists before the start, so that a broker that starts late is stopped as well.
        let mut broker = Self { address: String::new(), private: Some(private) };
        Ok(broker.start_server().await?.then_some(broker))
    }

    /// Its AMQP address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Host and port, for a proxy.
    pub fn host(&self) -> &str {
        let address = self.address.rsplit("://").next().unwrap_or_default();
        let host = address.rsplit('@').next().unwrap_or_default();
        host.split('/').next().unwrap_or_default()
    }

    /// Whether it may be stopped and killed.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// The id of its process, if it is a private one that runs.
    pub fn pid(&self) -> Option<u32> {
        let folder = &self.private.as_ref()?.folder;
        std::fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()
    }

    /// Stops it cleanly and starts it again with the same data.
    ///
    /// # Errors
    /// It is not private, or does not start again.
    pub async fn restart(&mut self) -> Result<(), Failure> {
        self.end_and_start("stop").await
    }

    /// Kills it, as a power failure would, and starts it again with the same data.
    ///
    /// # Errors
    /// It is not private, or does not start again.
    pub async fn crash(&mut self) -> Result<(), Failure> {
        self.end_and_start("kill").await
    }

    async fn end_and_start(&mut self, verb: &str) -> Result<(), Failure> {
        let private = self.private.as_ref().ok_or("the broker is not private")?;
        Command::from(script(&[verb.as_ref(), private.folder.as_path()])).output().await?;
        if self.start_server().await? { Ok(()) } else { Err("the broker does not start again".into()) }
    }

    /// Starts the server. Returns `false` if none is installed or it does not start.
    async fn start_server(&mut self) -> Result<bool, Failure> {
        let private = self.private.as_ref().ok_or("the broker is not private")?;
        let port = private.port.to_string();
        let mut command = Command::from(script(&["start".as_ref(), private.folder.as_path(), port.as_ref()]));
        let output = command.output().await?;
        match output.status.code() {
            Some(0) => {
                self.address = String::from_utf8(output.stdout)?.trim().to_owned();
                Ok(true)
            }
            Some(NOT_THERE) => Ok(false),
            _ => Err(format!("scripts/rabbitmq-for-tests: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(private) = &self.private {
            // This fails only if the server was not started.
            let _ = script(&["kill".as_ref(), private.folder.as_path()]).output();
        }
    }
}

fn script(args: &[&Path]) -> BlockingCommand {
    let mut command = BlockingCommand::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/rabbitmq-for-tests"));
    command.args(args);
    command
}

/// A port that is free together with the two that a broker takes beside it. All three lie below those that the system
/// gives to clients (32768 and up on Linux): while the broker is down, a client would take one of its ports, and it
/// could not start again.
fn free_port() -> Result<u16, Failure> {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| fastrand::u16(2_100..12_700)).take(200);
    let free = ports.find(|port| [*port, port + 10_000, port + 20_000].iter().all(is_free));
    free.ok_or_else(|| "no three free ports for a broker".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_from_every_form_of_address() {
        for address in
            ["amqp://guest:guest@127.0.0.1:5672", "amqp://127.0.0.1:5672/a%2fb", "amqp://u:p@127.0.0.1:5672/v"]
        {
            assert_eq!(Broker::external(address.to_owned()).host(), "127.0.0.1:5672");
        }
    }
}

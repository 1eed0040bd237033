use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{self, Command},
    sync::atomic::{AtomicU16, Ordering},
};

/// A broker of one test, which may kill it. It ends when this is dropped.
pub(super) struct PrivateBroker {
    folder: PathBuf,
    port: u16,
    pub(super) address: String,
}

/// How a broker ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// As an operator ends it.
    Term,
    /// As a power failure ends it.
    Kill,
}

impl PrivateBroker {
    /// Starts a broker; `prepare` gets its folder first. Prints a message and returns `None` if RabbitMQ is not
    /// installed or no broker is to be tested.
    pub(super) fn start(prepare: impl FnOnce(&PathBuf)) -> Option<Self> {
        super::broker::address()?;
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("bowline-rabbitmq-{port}"));
        fs::create_dir_all(&folder).unwrap();
        prepare(&folder);
        let mut broker = Self { folder, port, address: String::new() };
        broker.address = broker.bring_up()?;
        Some(broker)
    }

    /// A port for another purpose of this broker.
    pub(super) fn spare_port() -> u16 {
        free_port()
    }

    /// Ends it and starts it again, with what it had stored.
    pub(super) fn restart(&self, ending: Ending) {
        self.end(ending);
        self.bring_up().expect("it came up before");
    }

    fn bring_up(&self) -> Option<String> {
        let output = script().arg("start").arg(&self.folder).arg(self.port.to_string()).output().unwrap();
        if output.status.code() == Some(69) {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn end(&self, ending: Ending) {
        let verb = match ending {
            Ending::Term => "stop",
            Ending::Kill => "kill",
        };
        assert!(script().arg(verb).arg(&self.folder).status().unwrap().success());
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        if self.folder.join("port").exists() {
            self.end(Ending::Kill);
        }
        // Files left in a temporary folder do no harm.
        _ = fs::remove_dir_all(&self.folder);
    }
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/rabbitmq-for-tests"))
}

/// A port below the ephemeral ones, with the two others that a broker takes beside it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (process::id() % 4000) as u16;
    loop {
        let port = 18_000 + (start + NEXT.fetch_add(37, Ordering::Relaxed)) % 4000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if [port, port + 10_000, port + 20_000].into_iter().all(is_free) {
            return port;
        }
    }
}

//! Clients of the HTTP endpoint that never finish their requests.

use super::{Case, bench::LIMIT, cluster::Cluster, ensure};
use crate::Failure;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(super) const SLOW_CLIENTS: Case = Case {
    name: "slow-clients",
    about: "130 clients that send half a request and reconnect: probes are answered within a second",
    run: |bench| {
        let case = bench.case_folder("slow-clients")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = address.to_string();
        let mut cluster = Cluster::start(bench, &case, 1, &["--root", "/", "--listen", &listen])?;
        cluster.supervise_until(LIMIT, |_| Ok(probe(address).is_ok()))?;
        let (answered, opened) = probe_beside_slow_clients(address);
        let restarts = cluster.restarts();
        cluster.stop(LIMIT)?;
        ensure(answered == PROBES && restarts == 0, || {
            format!("{answered} of {PROBES} probes were answered, under {opened} slow connections")
        })?;
        Ok(format!("{answered} of {PROBES} probes answered, under {opened} slow connections of {CLIENTS} clients"))
    },
};

const CLIENTS: usize = 130;
const PROBES: u32 = 30;

/// The time between probes.
const BETWEEN: Duration = Duration::from_millis(300);

/// How long a probe waits, as a kubelet does by default.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many probes were answered, and how many slow connections were opened at the same time.
fn probe_beside_slow_clients(address: SocketAddr) -> (u32, u32) {
    let is_over = AtomicBool::new(false);
    let opened = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // A client that was refused or disconnected connects again.
                    let _ = hold_half_request(address, &is_over);
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(PROBE_TIMEOUT);
        let mut answered = 0;
        for _ in 0..PROBES {
            answered += u32::from(probe(address).is_ok());
            thread::sleep(BETWEEN);
        }
        is_over.store(true, Ordering::Relaxed);
        (answered, opened.load(Ordering::Relaxed))
    })
}

/// Sends half a head, and holds the connection until the other side closes it.
fn hold_half_request(address: SocketAddr, is_over: &AtomicBool) -> Result<(), Failure> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: slow\r\nX-Half: ")?;
    while !is_over.load(Ordering::Relaxed) {
        match stream.read(&mut [0; 64]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// Sends a probe as a kubelet does.
fn probe(address: SocketAddr) -> Result<(), Failure> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 15];
    stream.read_exact(&mut head)?;
    ensure(&head[..] == b"HTTP/1.1 200 OK" && start.elapsed() < PROBE_TIMEOUT, || "no 200 in time".to_owned())
}

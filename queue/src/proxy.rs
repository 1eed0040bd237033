//! Network faults for tests: a TCP proxy that cuts, delays and refuses connections.

use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// A TCP proxy on loopback. When it is dropped, it cuts all connections and stops listening.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    _listening: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cuts: u64,
    is_paused: bool,
    is_down: bool,
    connections: u64,
}

impl Proxy {
    /// A proxy before `target`, a host with a port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn before(target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::default()));
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, target.to_owned(), Arc::clone(&state)));
        Ok(Self { address, state, _listening: listening })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of connections that it has accepted.
    pub fn connections(&self) -> u64 {
        self.state.borrow().connections
    }

    /// Cuts the open connections, whatever is being sent. New ones are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Stops passing bytes, and leaves the connections open.
    pub fn pause(&self) {
        self.state.send_modify(|state| state.is_paused = true);
    }

    /// Passes the delayed bytes, and all further ones.
    pub fn resume(&self) {
        self.state.send_modify(|state| state.is_paused = false);
    }

    /// Cuts the open connections and refuses new ones.
    pub fn go_down(&self) {
        self.state.send_modify(|state| {
            state.is_down = true;
            state.cuts += 1;
        });
    }

    /// Accepts connections again.
    pub fn come_up(&self) {
        self.state.send_modify(|state| state.is_down = false);
    }
}

async fn listen(listener: TcpListener, target: String, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => if !state.borrow().is_down {
                state.send_modify(|state| state.connections += 1);
                connections.spawn(pass(near, target.clone(), state.subscribe()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes bytes both ways until one side ends or the connection is cut.
async fn pass(near: TcpStream, target: String, state: watch::Receiver<State>) {
    let Ok(far) = TcpStream::connect(&target).await else { return };
    let cuts = state.borrow().cuts;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let mut cut = state.clone();
    tokio::select! {
        _ = copy(near_in, far_out, state.clone()) => {}
        _ = copy(far_in, near_out, state) => {}
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        // An error means that the proxy was dropped, which ends this as well.
        if state.wait_for(|state| !state.is_paused).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
    }
}

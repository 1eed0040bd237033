//! The connections of an endpoint. Their number is bounded, in total and per peer, and idle ones are closed first.

use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};

/// The most connections at a time. Prometheus and the kubelet need one each.
const MAX_CONNECTIONS: usize = 128;
/// The most connections at a time from one address.
const MAX_PER_PEER: usize = 32;
/// How long a connection may wait for its request before it can be closed in favour of another.
const REQUEST_GRACE: Duration = Duration::from_millis(50);

/// Whether a connection waits for a request or answers one.
#[derive(Debug)]
pub(super) struct ConnectionState(Mutex<Phase>);

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It waits for the head of a request, since this instant.
    Waiting(Instant),
    Answering,
}

impl ConnectionState {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Phase::Waiting(Instant::now()))))
    }

    /// Records that a whole request was received.
    pub(super) fn request_received(&self) {
        self.set(Phase::Answering);
    }

    /// Records that its response is ready.
    pub(super) fn response_ready(&self) {
        self.set(Phase::Waiting(Instant::now()));
    }

    fn set(&self, phase: Phase) {
        *self.0.lock() = phase;
    }

    fn waiting_since(&self) -> Option<Instant> {
        match *self.0.lock() {
            Phase::Waiting(since) => Some(since),
            Phase::Answering => None,
        }
    }
}

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
}

#[derive(Debug)]
struct Open {
    peer: IpAddr,
    state: Arc<ConnectionState>,
    handle: AbortHandle,
}

impl Connections {
    /// Makes room for a connection of `peer`. If a limit is reached, closes the connection that has waited longest for
    /// a request: one of the same peer if the peer's limit is reached.
    ///
    /// # Errors
    /// How long to wait, if no connection may be closed yet.
    pub(super) fn make_room(&mut self, peer: IpAddr) -> Result<(), Duration> {
        self.forget_closed();
        let of_peer = self.open.values().filter(|open| open.peer == peer).count();
        if of_peer < MAX_PER_PEER && self.open.len() < MAX_CONNECTIONS {
            return Ok(());
        }
        let may_close = |open: &Open| of_peer < MAX_PER_PEER || open.peer == peer;
        let waiting = self.open.iter().filter(|(_, open)| may_close(open));
        let longest =
            waiting.filter_map(|(id, open)| Some((*id, open.state.waiting_since()?))).min_by_key(|(_, at)| *at);
        let Some((id, since)) = longest else { return Err(REQUEST_GRACE) };
        let waited = since.elapsed();
        if waited < REQUEST_GRACE {
            return Err(REQUEST_GRACE.saturating_sub(waited));
        }
        if let Some(open) = self.open.remove(&id) {
            open.handle.abort();
        }
        Ok(())
    }

    /// Adds a connection, which closes when `work` ends.
    pub(super) fn add<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        peer: IpAddr,
        work: impl FnOnce(Arc<ConnectionState>) -> F,
    ) {
        let state = ConnectionState::new();
        let handle = self.tasks.spawn(work(Arc::clone(&state)));
        self.open.insert(handle.id(), Open { peer, state, handle });
    }

    /// Waits until a connection closes; for ever if none is open.
    pub(super) async fn wait_for_close(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    fn forget_closed(&mut self) {
        while let Some(closed) = self.tasks.try_join_next_with_id() {
            let id = closed.map_or_else(|error| error.id(), |(id, ())| id);
            self.open.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::advance;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn peer(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    /// Adds a connection that sends nothing.
    fn add(connections: &mut Connections, peer: IpAddr) {
        connections.add(peer, |_| pending());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_sends_nothing_makes_room() {
        let mut connections = Connections::default();
        for _ in 0..MAX_PER_PEER {
            connections.make_room(ONE).unwrap();
            add(&mut connections, ONE);
        }
        assert_eq!(connections.make_room(ONE), Err(REQUEST_GRACE), "all are too young");
        connections.make_room(peer(1)).unwrap();
        advance(REQUEST_GRACE).await;
        for _ in 0..5 * MAX_PER_PEER {
            connections.make_room(ONE).unwrap();
            add(&mut connections, ONE);
            assert_eq!(connections.open.len(), MAX_PER_PEER);
            advance(REQUEST_GRACE).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_answered_is_not_closed_for_another() {
        let mut connections = Connections::default();
        let mut states = Vec::new();
        for number in 0..MAX_CONNECTIONS {
            let peer = peer(u8::try_from(number % 8).unwrap());
            connections.make_room(peer).unwrap();
            connections.add(peer, |state| {
                states.push(state);
                pending()
            });
        }
        advance(REQUEST_GRACE).await;
        states.iter().for_each(|state| state.request_received());
        assert_eq!(connections.make_room(ONE), Err(REQUEST_GRACE));
        states[7].response_ready();
        advance(REQUEST_GRACE).await;
        connections.make_room(ONE).unwrap();
        assert_eq!(connections.open.len(), MAX_CONNECTIONS - 1);
        assert!(connections.open.values().all(|open| !Arc::ptr_eq(&open.state, &states[7])));
    }
}

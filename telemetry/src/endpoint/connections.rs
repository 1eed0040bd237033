//! The connections of an endpoint: so many, from everybody together and from one peer, and none that keeps others out.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};

/// Connections at a time: Prometheus and the kubelet need one each.
const CONNECTIONS: usize = 128;
/// Connections at a time from one address.
const OF_ONE_PEER: usize = 32;
/// A connection is not closed for another before it had so long to send its request.
const FIRST: Duration = Duration::from_millis(50);

/// Whether a connection waits for a request or answers one.
#[derive(Debug)]
pub(super) struct Visit(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    /// For the head of a request, since then.
    Waits(Instant),
    Answers,
}

impl Visit {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Waits(Instant::now()))))
    }

    /// A request has come whole.
    pub(super) fn answers(&self) {
        self.put(State::Answers);
    }

    /// Its answer is made.
    pub(super) fn waits(&self) {
        self.put(State::Waits(Instant::now()));
    }

    fn put(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn waits_since(&self) -> Option<Instant> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Waits(since) => Some(since),
            State::Answers => None,
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
    visit: Arc<Visit>,
    handle: AbortHandle,
}

impl Connections {
    /// Makes room for a connection of `peer`: where there is none, the connection that has waited longest for a request is
    /// closed, one of the same peer if that has too many. Says how long to wait where none may be closed yet.
    pub(super) fn make_room(&mut self, peer: IpAddr) -> Result<(), Duration> {
        self.forget_closed();
        let of_peer = self.open.values().filter(|open| open.peer == peer).count();
        if of_peer < OF_ONE_PEER && self.open.len() < CONNECTIONS {
            return Ok(());
        }
        let is_meant = |open: &Open| of_peer < OF_ONE_PEER || open.peer == peer;
        let waiting = self.open.iter().filter(|(_, open)| is_meant(open));
        let longest = waiting.filter_map(|(id, open)| Some((*id, open.visit.waits_since()?))).min_by_key(|(_, at)| *at);
        let Some((id, since)) = longest else { return Err(FIRST) };
        let waited = since.elapsed();
        if waited < FIRST {
            return Err(FIRST.saturating_sub(waited));
        }
        if let Some(open) = self.open.remove(&id) {
            open.handle.abort();
        }
        Ok(())
    }

    /// Adds a connection, which is over when `work` is.
    pub(super) fn add<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        peer: IpAddr,
        work: impl FnOnce(Arc<Visit>) -> F,
    ) {
        let visit = Visit::new();
        let handle = self.tasks.spawn(work(Arc::clone(&visit)));
        self.open.insert(handle.id(), Open { peer, visit, handle });
    }

    /// Waits until a connection is over; for ever if there is none.
    pub(super) async fn one_is_over(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    fn forget_closed(&mut self) {
        while let Some(over) = self.tasks.try_join_next_with_id() {
            let id = over.map_or_else(|error| error.id(), |(id, ())| id);
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
        for _ in 0..OF_ONE_PEER {
            connections.make_room(ONE).unwrap();
            add(&mut connections, ONE);
        }
        assert_eq!(connections.make_room(ONE), Err(FIRST), "all are too young");
        connections.make_room(peer(1)).unwrap();
        advance(FIRST).await;
        for _ in 0..5 * OF_ONE_PEER {
            connections.make_room(ONE).unwrap();
            add(&mut connections, ONE);
            assert_eq!(connections.open.len(), OF_ONE_PEER);
            advance(FIRST).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_answered_is_not_closed_for_another() {
        let mut connections = Connections::default();
        let mut visits = Vec::new();
        for number in 0..CONNECTIONS {
            let peer = peer(u8::try_from(number % 8).unwrap());
            connections.make_room(peer).unwrap();
            connections.add(peer, |visit| {
                visits.push(visit);
                pending()
            });
        }
        advance(FIRST).await;
        visits.iter().for_each(|visit| visit.answers());
        assert_eq!(connections.make_room(ONE), Err(FIRST));
        visits[7].waits();
        advance(FIRST).await;
        connections.make_room(ONE).unwrap();
        assert_eq!(connections.open.len(), CONNECTIONS - 1);
        assert!(connections.open.values().all(|open| !Arc::ptr_eq(&open.visit, &visits[7])));
    }
}

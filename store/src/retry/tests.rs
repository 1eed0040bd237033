use super::*;
use crate::{
    Action, Problem,
    testing::{Fault, Faulty, MemoryBackend},
};

const LIMIT: Duration = Duration::from_secs(300);

fn unavailable() -> BackendError {
    BackendError { action: Action::List, object: "store".to_owned(), problem: Problem::Unavailable, source: None }
}

/// A backend whose listings have the pages that a test lays out, errors among them.
#[derive(Debug)]
struct Pages(Vec<Result<&'static str, ()>>);

#[async_trait]
impl Listing for Pages {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        match self.0.pop() {
            None => Ok(None),
            Some(Ok(key)) => Ok(Some(vec![Key::new(key).unwrap()])),
            Some(Err(())) => Err(unavailable()),
        }
    }
}

fn retrying(pages: Vec<Result<&'static str, ()>>) -> RetryListing {
    let outage = Arc::new(Outage { limit: LIMIT, since: Mutex::default(), worked: None });
    RetryListing { inner: Box::new(Pages(pages)), outage }
}

#[tokio::test(start_paused = true)]
async fn each_page_of_a_listing_is_waited_for() {
    let fails = [Err(()); 8];
    let pages = [vec![Ok("b")], fails.to_vec(), vec![Ok("a")], fails.to_vec()].concat();
    let mut listing = retrying(pages);
    for key in ["a", "b"] {
        assert_eq!(listing.next_page().await.unwrap(), Some(vec![Key::new(key).unwrap()]));
        assert!(listing.outage.since().is_none(), "it is over");
    }
    assert_eq!(listing.next_page().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_comes_fails_past_the_limit() {
    let mut listing = retrying(vec![Err(()); 1000]);
    let start = Instant::now();
    assert!(listing.next_page().await.unwrap_err().is_retryable());
    assert!(start.elapsed() <= LIMIT && start.elapsed() >= LIMIT - 2 * MAX_PAUSE, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_share_an_outage_and_end_it() {
    let faulty = Faulty::new(MemoryBackend::new());
    faulty.strike(5, Action::Write, "", Fault::Fails(Problem::Unavailable));
    let retrying = RetryBackend::new(Arc::new(faulty), LIMIT);
    let a = Key::new("a").unwrap();
    let b = Key::new("b").unwrap();
    let (first, second) = tokio::join!(retrying.put(&a, vec![1]), retrying.put(&b, vec![2]));
    first.and(second).unwrap();
    assert!(retrying.outage.since().is_none());
    assert_eq!(retrying.get(&b).await.unwrap(), Some(vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_what_was_allowed_before_is_borne_like_an_outage() {
    let refused = Fault::Fails(Problem::Permission);
    let faulty = Faulty::new(MemoryBackend::new()).with_credentials();
    let retrying = RetryBackend::new(Arc::new(faulty.clone()), LIMIT);
    let key = Key::new("a").unwrap();
    faulty.strike(1, Action::Write, "", refused);
    let error = retrying.put(&key, vec![1]).await.unwrap_err();
    assert_eq!(error.problem, Problem::Permission, "what was never allowed is not waited for");
    retrying.put(&key, vec![1]).await.unwrap();
    faulty.strike(8, Action::Write, "", refused);
    retrying.put(&key, vec![2]).await.unwrap();
    faulty.strike(1, Action::Read, "", refused);
    assert!(retrying.get(&key).await.is_err(), "that writes were allowed says nothing of reading");
    faulty.strike(u32::MAX, Action::Write, "", refused);
    let start = Instant::now();
    assert_eq!(retrying.put(&key, vec![3]).await.unwrap_err().problem, Problem::Permission);
    assert!(start.elapsed() >= LIMIT - 2 * MAX_PAUSE, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_refuses_is_not_waited_for() {
    let faulty = Faulty::new(MemoryBackend::new());
    let retrying = RetryBackend::new(Arc::new(faulty.clone()), LIMIT);
    let key = Key::new("a").unwrap();
    retrying.put(&key, vec![1]).await.unwrap();
    faulty.strike(1, Action::Write, "", Fault::Fails(Problem::Permission));
    assert_eq!(retrying.put(&key, vec![2]).await.unwrap_err().problem, Problem::Permission);
}

#[test]
fn the_log_tells_the_cause_of_an_outage() {
    let source = std::io::Error::other("connection refused");
    let error = BackendError { source: Some(Box::new(source)), ..unavailable() };
    assert_eq!(jobs::error_chain(&error), "cannot list `store`: the store is out of reach for now: connection refused");
}

#[tokio::test(start_paused = true)]
async fn of_many_objects_only_those_out_of_reach_are_read_again() {
    let memory = MemoryBackend::new();
    let keys = ["a", "b", "c"].map(|name| Key::new(name).unwrap());
    for key in &keys {
        memory.put(key, key.as_str().as_bytes().to_vec()).await.unwrap();
    }
    let faulty = Faulty::new(memory);
    faulty.strike(4, Action::Read, "b", Fault::Fails(Problem::Unavailable));
    faulty.strike(1, Action::Read, "c", Fault::Fails(Problem::Permission));
    let retrying = RetryBackend::new(Arc::new(faulty), LIMIT);
    let read = retrying.get_many(&keys).await;
    assert_eq!(read[0].as_ref().unwrap().as_deref(), Some(&b"a"[..]));
    assert_eq!(read[1].as_ref().unwrap().as_deref(), Some(&b"b"[..]));
    assert_eq!(read[2].as_ref().unwrap_err().problem, Problem::Permission);
    assert!(retrying.outage.since().is_none(), "it is over");
}

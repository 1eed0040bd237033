mod environment;
mod faults;
mod files;
mod large;
mod opening;
mod other_server;
mod tls;

use super::*;
use crate::{
    Problem, Put, Revision, Store,
    testing::{HttpFault, HttpFaults, RULES, S3Server},
};
use std::{collections::BTreeSet, error::Error};
use tempfile::TempDir;

/// A server for each test, with an empty store.
struct House {
    server: S3Server,
    store: S3Backend,
    _folder: TempDir,
}

impl House {
    async fn new(faults: HttpFaults) -> Self {
        let folder = TempDir::new().unwrap();
        let server = S3Server::start(folder.path(), HttpFaults::none()).await.unwrap();
        let store = S3Backend::open(server.bucket("bucket", "a store").unwrap(), &server.settings()).await.unwrap();
        // The server's faults begin when the store is open.
        drop(server);
        let server = S3Server::start(folder.path(), faults).await.unwrap();
        let client = connect::connect(&server.settings()).await.unwrap().client;
        Self { store: S3Backend { client, ..store }, server, _folder: folder }
    }

    /// A store that gives up after three attempts.
    fn with_few_attempts(&self) -> S3Settings {
        let settings = self.server.settings();
        S3Settings { limits: RequestLimits { attempts: 3, ..settings.limits }, ..settings }
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn keys(store: &S3Backend, folder: Option<&str>) -> Vec<String> {
    let mut listing = store.list(folder.map(key).as_ref()).await.unwrap();
    let mut keys = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        assert!(!page.is_empty());
        keys.extend(page.into_iter().map(|key| key.to_string()));
    }
    keys
}

/// An error with its causes, as people see it.
fn said(error: &(dyn Error + 'static)) -> String {
    jobs::error_messages(error).join(" / ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn s3_keeps_the_contract() {
    for rule in RULES {
        println!("{}", rule.name);
        let house = House::new(HttpFaults::none()).await;
        (rule.check)(Arc::new(house.store.clone())).await;
    }
}

#[tokio::test]
async fn a_sweep_in_a_bucket_has_revisions_and_can_be_removed() {
    let house = House::new(HttpFaults::none()).await;
    let store = Store::new(house.store.clone());
    for number in 1..=3 {
        let revision = Revision::of("s", number);
        assert_eq!(store.put_revision(revision, &number).await.unwrap(), Put::Created);
        assert_eq!(store.put_revision(revision, &0).await.unwrap(), Put::Exists);
        assert_eq!(store.newest_revision("s").await.unwrap(), number);
        assert_eq!(store.manifest::<u32>("s").await.unwrap(), Some(number));
    }
    store.put_document("s", "cancelled.json", &0).await.unwrap();
    assert_eq!(store.remove_sweep("s", Some("cancelled.json")).await.unwrap(), 3);
    assert_eq!(keys(&house.store, None).await, ["sweeps/s/cancelled.json"]);
    assert_eq!(store.newest_revision("s").await.unwrap(), 0);
}

#[tokio::test]
async fn a_store_in_a_bucket_sees_nothing_beside_its_prefix() {
    let house = House::new(HttpFaults::none()).await;
    let beside = house.store.elsewhere(S3Place::new("bucket", "a store 2").unwrap()).await.unwrap();
    beside.put(&key("x"), vec![1]).await.unwrap();
    house.store.put(&key("y"), vec![2]).await.unwrap();
    assert_eq!(keys(&house.store, None).await, ["y"]);
    let whole = house.store.elsewhere(S3Place::new("bucket", "").unwrap()).await.unwrap();
    assert_eq!(keys(&whole, None).await, ["a store 2/x", "a store/y"]);
    assert_eq!(house.store.get(&key("x")).await.unwrap(), None);
}

#[tokio::test]
async fn a_long_listing_is_read_in_parts_and_holds_every_key_once() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes.page = 25;
    let mut expected = BTreeSet::new();
    for number in 0..300 {
        let name = format!("results/{:02x}/{number}.json", number % 40);
        house.store.put(&key(&name), Vec::new()).await.unwrap();
        expected.insert(name);
    }
    // No folder of its own, and at the end: what lies in the last part only.
    for name in ["results/zz.json", "results/00.json"] {
        house.store.put(&key(name), Vec::new()).await.unwrap();
        expected.insert(name.to_owned());
    }
    house.store.put(&key("results-old/x.json"), Vec::new()).await.unwrap();
    let before = house.server.faults().requests();
    let listed = keys(&house.store, Some("results")).await;
    let requests = house.server.faults().requests() - before;
    assert_eq!(listed.len(), 302, "every key once");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected);
    // 13 pages, the folders, and a page that is not full for each of the parts at most.
    assert!((13..=13 + 1 + 17).contains(&requests), "{requests}");
}

#[tokio::test]
async fn a_listing_that_is_given_up_after_its_first_page_costs_one_request() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes.page = 25;
    for number in 0..60 {
        house.store.put(&key(&format!("results/{:02}/{number}.json", number % 20)), Vec::new()).await.unwrap();
    }
    let store = Store::new(house.store.clone());
    let before = house.server.faults().requests();
    assert_eq!(store.few_jobs_with_results(20).await.unwrap(), None);
    assert_eq!(house.server.faults().requests() - before, 1);
    assert!(store.few_jobs_with_results(60).await.unwrap().is_some());
    assert!(store.few_jobs_with_results(59).await.unwrap().is_none());
}

#[tokio::test]
async fn a_listing_that_breaks_off_reports_it_and_one_without_a_reader_ends() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes.page = 5;
    for number in 0..60 {
        house.store.put(&key(&format!("results/{:02}/{number}.json", number % 20)), Vec::new()).await.unwrap();
    }
    let mut listing = house.store.list(Some(&key("results"))).await.unwrap();
    assert!(listing.next_page().await.unwrap().is_some());
    drop(listing);
    house.server.faults().strike(u32::MAX, "GET", "start-after", HttpFault::Answers(403, "AccessDenied"));
    let mut listing = house.store.list(Some(&key("results"))).await.unwrap();
    let error = loop {
        match listing.next_page().await {
            Ok(page) => assert!(page.is_some(), "a listing that lacks keys came to an end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.problem, Problem::Permission);
    assert!(said(&error).starts_with("cannot list `s3://bucket/a store/results/`: permission denied / S3 answers 403"));
}

#[tokio::test]
async fn large_content_goes_in_pieces_and_keeps_the_conditions() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes = Sizes { whole: 1 << 20, piece: 5 << 20, ..SIZES };
    let first: Vec<u8> = (0..=250).cycle().take((11 << 20) + 3).collect();
    let key = key("sweeps/s/best/adapter_model.safetensors");
    assert_eq!(house.store.put_if_absent(&key, first.clone()).await.unwrap(), Put::Created);
    assert_eq!(house.store.put_if_absent(&key, vec![0; 2 << 20]).await.unwrap(), Put::Exists);
    assert!(house.store.get(&key).await.unwrap() == Some(first));
    house.store.put(&key, vec![7; 6 << 20]).await.unwrap();
    assert!(house.store.get(&key).await.unwrap() == Some(vec![7; 6 << 20]));
    assert_eq!(keys(&house.store, None).await, ["sweeps/s/best/adapter_model.safetensors"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_write_in_pieces_one_creates_the_object() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes = Sizes { whole: 1 << 10, piece: 5 << 20, ..SIZES };
    let puts = (0..8u8).map(|writer| {
        let store = house.store.clone();
        async move { store.put_if_absent(&key("x"), vec![writer; 10_000]).await.unwrap() }
    });
    let puts = futures_util::future::join_all(puts).await;
    let winners: Vec<_> = (0u8..).zip(&puts).filter(|(_, put)| **put == Put::Created).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(house.store.get(&key("x")).await.unwrap(), Some(vec![winners[0].0; 10_000]));
}

#[tokio::test]
async fn the_check_finds_s3_sound_and_a_server_that_ignores_conditions_not() {
    let house = House::new(HttpFaults::none()).await;
    let store = crate::Store::new(house.store.clone());
    assert!(store.check().await.unwrap().is_sound());
    house.server.faults().strike(u32::MAX, "PUT", "checks/", HttpFault::IgnoresCondition);
    let report = store.check().await.unwrap();
    assert!(!report.is_conditional && !report.is_sound(), "{report:?}");
    assert!(report.reads_back && report.lists && report.deletes);
    assert_eq!(keys(&house.store, None).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_object_says_how_old_it_is_by_the_clock_of_its_server() {
    let house = House::new(HttpFaults::none()).await;
    assert_eq!(house.store.get_dated(&key("a")).await.unwrap(), None);
    house.store.put(&key("a"), b"it".to_vec()).await.unwrap();
    let dated = house.store.get_dated(&key("a")).await.unwrap().unwrap();
    assert_eq!(dated.content, b"it");
    let written = dated.written.expect("the answer has both times");
    // Both are whole seconds.
    assert!(written.at_ms > 0 && written.now_ms + 1000 >= written.at_ms, "{written:?}");
    assert_eq!(dated.skew_ms(written.at_ms + 90_000), Some(90_000));
}

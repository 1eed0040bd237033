//! What it costs to write and to read parts of ten thousand results, as a sweep of a hundred thousand has ten of.
//!
//! `cargo bench --workspace --bench parts`; the results are made up, and of the size of real ones.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

use divan::{Bencher, counter::ItemsCount};
use jobs::JobResult;
use std::sync::OnceLock;
use store::{
    Revision, Store,
    testing::{MemoryBackend, results},
};
use tokio::runtime::Runtime;

const RESULTS: u32 = 10_000;

fn main() {
    divan::main();
}

/// Results, and a store with a part of them.
fn written() -> &'static (Vec<JobResult>, Store, usize) {
    static WRITTEN: OnceLock<(Vec<JobResult>, Store, usize)> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let results = results(RESULTS);
        let backend = MemoryBackend::new();
        let store = Store::new(backend.clone());
        Runtime::new().unwrap().block_on(store.put_part(Revision::first("s"), results.clone())).unwrap();
        let bytes = backend.objects().values().map(Vec::len).sum();
        (results, store, bytes)
    })
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn write_a_part(bencher: Bencher) {
    let (results, _, _) = written();
    let runtime = Runtime::new().unwrap();
    bencher
        .counter(ItemsCount::new(RESULTS))
        .with_inputs(|| (Store::new(MemoryBackend::new()), results.clone()))
        .bench_local_values(|(store, results)| {
            runtime.block_on(store.put_part(Revision::first("s"), results)).unwrap()
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn read_a_part(bencher: Bencher) {
    let (_, store, bytes) = written();
    let runtime = Runtime::new().unwrap();
    bencher.counter(ItemsCount::new(RESULTS)).counter(divan::counter::BytesCount::new(*bytes)).bench_local(|| {
        runtime.block_on(async {
            let mut pages = store.part_results(Revision::first("s"), 0).await.unwrap().unwrap();
            let mut count = 0;
            while let Some(page) = pages.next_page().await.unwrap() {
                count += page.into_iter().filter(Result::is_ok).count();
            }
            count
        })
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn list_the_jobs_of_a_part(bencher: Bencher) {
    let (_, store, _) = written();
    let runtime = Runtime::new().unwrap();
    bencher
        .counter(ItemsCount::new(RESULTS))
        .bench_local(|| runtime.block_on(store.compacted_jobs(Revision::first("s"))).unwrap().jobs.len());
}

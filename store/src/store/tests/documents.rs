//! Documents of sweeps, workers and pools.

use super::*;

#[tokio::test]
async fn a_manifest_stays_and_a_document_is_replaced() {
    let (store, _) = in_memory();
    assert_eq!(store.put_manifest("mini8", &json!({"seed": 1})).await.unwrap(), Put::Created);
    assert_eq!(store.put_manifest("mini8", &json!({"seed": 2})).await.unwrap(), Put::Exists);
    assert_eq!(store.manifest::<Value>("mini8").await.unwrap(), Some(json!({"seed": 1})));
    assert_eq!(store.manifest::<Value>("other").await.unwrap(), None);
    for best in [0.5, 0.6] {
        store.put_document("mini8", "summary.json", &json!({"best": best})).await.unwrap();
        assert_eq!(store.document::<Value>("mini8", "summary.json").await.unwrap(), Some(json!({"best": best})));
    }
    store.put_artefact("mini8", "best/adapter_model.safetensors", vec![1, 2]).await.unwrap();
    assert_eq!(store.artefact("mini8", "best/adapter_model.safetensors").await.unwrap(), Some(vec![1, 2]));
    store.put_document("no-manifest", "summary.json", &json!({})).await.unwrap();
    assert_eq!(store.put_manifest("another", &json!({})).await.unwrap(), Put::Created);
    assert_eq!(store.sweeps().await.unwrap(), ["another", "mini8"]);
}

#[tokio::test]
async fn a_deleted_document_is_gone_and_may_be_missing() {
    let (store, _) = in_memory();
    store.put_document("s", "cancelled.json", &json!({})).await.unwrap();
    for _ in 0..2 {
        store.delete_document("s", "cancelled.json").await.unwrap();
        assert_eq!(store.document::<Value>("s", "cancelled.json").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_broken_cancellation_counts_as_one_until_it_is_taken_back() {
    let (store, backend) = in_memory();
    assert_eq!(store.cancellation("s").await.unwrap(), None);
    for content in [&b""[..], b"{", b"null", b"[]"] {
        backend.put(&Key::new("sweeps/s/cancelled.json").unwrap(), content.to_vec()).await.unwrap();
        assert!(store.cancellation("s").await.unwrap().is_some_and(|mark| !mark.stops_running && mark.covers(7)));
    }
    store.delete_document("s", "cancelled.json").await.unwrap();
    assert_eq!(store.cancellation("s").await.unwrap(), None);
}

#[tokio::test]
async fn workers_are_known_by_what_they_last_said_until_they_go() {
    let (store, backend) = in_memory();
    assert!(store.workers::<Value>().await.unwrap().is_empty());
    for job in ["a", "b"] {
        store.put_worker("node-2.example-17", &BTreeMap::from([("job", job)])).await.unwrap();
    }
    store.put_worker("node-1", &json!({"job": 7})).await.unwrap();
    backend.put(&Key::new("workers/node-3.json").unwrap(), b"{".to_vec()).await.unwrap();
    backend.put(&Key::new("workers/deep/er.json").unwrap(), Vec::new()).await.unwrap();
    let workers = store.workers::<BTreeMap<String, String>>().await.unwrap();
    let names: Vec<_> = workers.iter().map(|(name, document)| (name.as_str(), document.is_ok())).collect();
    assert_eq!(names, [("node-1", false), ("node-2.example-17", true), ("node-3", false)]);
    assert_eq!(workers[1].1.as_ref().unwrap()["job"], "b");
    let error = workers[2].1.as_ref().unwrap_err().to_string();
    assert_eq!(error, "the object `workers/node-3.json` of the store is corrupt");
    for name in ["node-1", "node-2.example-17", "node-3", "node-4"] {
        store.remove_worker(name).await.unwrap();
    }
    assert!(store.workers::<Value>().await.unwrap().is_empty());
    assert!(matches!(store.put_worker("a/b", &json!({})).await, Err(StoreError::Key(_))));
}

#[tokio::test]
async fn a_document_of_another_shape_and_a_bad_name_are_named() {
    let (store, _) = in_memory();
    store.put_document("s", "summary.json", &json!({"best": "high"})).await.unwrap();
    let error = store.document::<BTreeMap<String, f64>>("s", "summary.json").await.unwrap_err();
    assert_eq!(error.to_string(), "the object `sweeps/s/summary.json` of the store is corrupt");
    for sweep in ["..", "", "a/b", ".hidden"] {
        assert!(matches!(store.put_manifest(sweep, &json!({})).await, Err(StoreError::Key(_))), "{sweep}");
    }
}

#[tokio::test]
async fn sweeps_of_a_pool_are_known_until_they_are_forgotten() {
    let (store, backend) = in_memory();
    assert!(store.pool_sweeps("a40").await.unwrap().is_empty());
    for (pool, sweep) in [("a40", "two"), ("a40", "v1.one"), ("a40-big", "two"), ("cpu", "v1.one")] {
        store.put_pool_entry(pool, sweep, &json!({"pool": pool})).await.unwrap();
    }
    backend.put(&Key::new("pools/a40/deep/er.json").unwrap(), Vec::new()).await.unwrap();
    assert_eq!(store.pool_sweeps("a40").await.unwrap(), ["two", "v1.one"]);
    let entry = store.pool_entry::<Value>("a40", "two").await.unwrap();
    assert_eq!(entry, Some(json!({"pool": "a40"})));
    store.remove_pool_entry("a40", "two").await.unwrap();
    store.remove_pool_entry("a40", "absent").await.unwrap();
    assert_eq!(store.pool_sweeps("a40").await.unwrap(), ["v1.one"]);
    assert_eq!(store.pool_sweeps("a40-big").await.unwrap(), ["two"]);
    let mut pools = store.remove_pool_entries("v1.one").await.unwrap();
    pools.sort_unstable();
    assert_eq!(pools, ["a40", "cpu"]);
    assert_eq!([store.pool_sweeps("a40").await.unwrap(), store.pool_sweeps("cpu").await.unwrap()], [[""; 0]; 2]);
    assert!(matches!(store.put_pool_entry("a/b", "two", &json!({})).await, Err(StoreError::Key(_))));
    assert!(matches!(store.put_pool_entry("a40", "a/b", &json!({})).await, Err(StoreError::Key(_))));
}

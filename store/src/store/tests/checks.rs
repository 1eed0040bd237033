//! Checks before a store is used.

use super::*;

#[tokio::test]
async fn the_check_finds_a_sound_store_sound_and_leaves_nothing() {
    let (store, backend) = in_memory();
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(backend.objects().is_empty());
}

#[tokio::test]
async fn the_check_finds_a_store_that_ignores_conditions() {
    let report = Store::new(Unconditional(MemoryBackend::new())).check().await.unwrap();
    assert!(!report.is_conditional && !report.is_sound());
    assert!(report.reads_back && report.lists && report.deletes);
}

#[tokio::test]
async fn conditions_are_tried_out_with_one_request_once_they_were() {
    let (store, backend) = in_memory();
    assert!(store.is_conditional().await.unwrap());
    assert!(store.is_conditional().await.unwrap());
    assert_eq!(backend.objects().len(), 1);
    let unconditional = Store::new(Unconditional(backend));
    assert!(!unconditional.is_conditional().await.unwrap(), "an object from elsewhere proves nothing");
}

/// What some S3 servers are: a condition is accepted and ignored.
#[derive(Debug)]
struct Unconditional(MemoryBackend);

#[async_trait::async_trait]
impl Backend for Unconditional {
    fn place(&self) -> String {
        self.0.place()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, crate::BackendError> {
        self.0.get(key).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, crate::BackendError> {
        self.0.put(key, content).await.map(|()| Put::Created)
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), crate::BackendError> {
        self.0.put(key, content).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, crate::BackendError> {
        self.0.size(key).await
    }

    async fn get_file(&self, key: &Key, to: &std::path::Path) -> Result<Option<u64>, crate::BackendError> {
        self.0.get_file(key, to).await
    }

    async fn put_file_if_absent(&self, key: &Key, from: &std::path::Path) -> Result<Put, crate::BackendError> {
        self.0.put_file(key, from).await.map(|()| Put::Created)
    }

    async fn put_file(&self, key: &Key, from: &std::path::Path) -> Result<(), crate::BackendError> {
        self.0.put_file(key, from).await
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn crate::Listing>, crate::BackendError> {
        self.0.list(folder).await
    }

    async fn delete(&self, key: &Key) -> Result<(), crate::BackendError> {
        self.0.delete(key).await
    }
}

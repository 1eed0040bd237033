//! Rules of objects that pass through files.

use super::{WRITERS, all, key};
use crate::{Backend, Put};
use std::{fs, path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::{sync::Barrier, task::JoinSet};

/// A folder for the files of a rule.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// A file with this content.
    fn with(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).expect("read")
    }
}

pub(super) async fn an_object_that_is_not_there_has_no_size_and_fills_no_file(store: Arc<dyn Backend>) {
    let files = Files::new();
    let to = files.with("to", b"as it was");
    assert_eq!(store.size(&key("artefacts/a/x")).await.expect("no error"), None);
    assert_eq!(store.get_file(&key("artefacts/a/x"), &to).await.expect("no error"), None);
    store.put_file(&key("artefacts/a/y"), &to).await.expect("written");
    assert_eq!(store.size(&key("artefacts/a/x")).await.expect("no error"), None);
    assert_eq!(store.get_file(&key("artefacts/a/x"), &to).await.expect("no error"), None);
}

pub(super) async fn a_file_reads_back_as_written(store: Arc<dyn Backend>) {
    let files = Files::new();
    let contents = [Vec::new(), b"{}".to_vec(), (0..=255).cycle().take(1_000_003).collect()];
    for (number, content) in contents.iter().enumerate() {
        let from = files.with("from", content);
        // What was longer before leaves nothing behind.
        let to = files.with("to", &[7; 2_000_000]);
        let conditional = key(&format!("artefacts/a/with space and \u{fc}/{number}"));
        let plain = key(&format!("artefacts/b/{number}"));
        assert_eq!(store.put_file_if_absent(&conditional, &from).await.expect("written"), Put::Created);
        store.put_file(&plain, &from).await.expect("written");
        let size = Some(content.len() as u64);
        for object in [&conditional, &plain] {
            assert_eq!(store.size(object).await.expect("no error"), size);
            assert_eq!(store.get_file(object, &to).await.expect("read"), size);
            assert!(files.read("to") == *content, "the file is the object");
            // The two ways in and out are about the same objects.
            assert_eq!(store.get(object).await.expect("read").as_ref(), Some(content));
        }
    }
}

pub(super) async fn a_conditional_write_of_a_file_changes_nothing_that_exists(store: Arc<dyn Backend>) {
    let files = Files::new();
    let first = files.with("1", b"first");
    let second = files.with("2", b"second");
    let to = files.with("to", b"");
    let object = key("artefacts/a/model.safetensors");
    assert_eq!(store.put_file_if_absent(&object, &first).await.expect("written"), Put::Created);
    assert_eq!(store.put_file_if_absent(&object, &second).await.expect("no error"), Put::Exists);
    assert_eq!(store.get_file(&object, &to).await.expect("read"), Some(5));
    assert_eq!(files.read("to"), b"first");
    store.put_file(&object, &second).await.expect("written");
    assert_eq!(store.get(&object).await.expect("read").as_deref(), Some(&b"second"[..]));
    assert_eq!(all(&store, Some("artefacts")).await, ["artefacts/a/model.safetensors"]);
}

pub(super) async fn of_sixteen_writers_of_files_one_creates_the_object(store: Arc<dyn Backend>) {
    let files = Files::new();
    for round in 0..5 {
        let object = key(&format!("artefacts/a/{round}"));
        let start = Arc::new(Barrier::new(usize::from(WRITERS)));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            let object = object.clone();
            let start = Arc::clone(&start);
            let from = files.with(&format!("from {writer}"), &vec![writer; 10_000]);
            writers.spawn(async move {
                start.wait().await;
                (writer, store.put_file_if_absent(&object, &from).await.expect("no error"))
            });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<u8> =
            outcomes.iter().filter(|(_, put)| *put == Put::Created).map(|(writer, _)| *writer).collect();
        assert_eq!(winners.len(), 1, "winners of round {round}: {winners:?}");
        let to = files.with("to", b"");
        assert_eq!(store.get_file(&object, &to).await.expect("read"), Some(10_000));
        assert!(files.read("to") == vec![winners[0]; 10_000], "the object is the winner's");
    }
}

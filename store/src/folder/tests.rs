//! These tests run as root too, whom no permission bit stops: where a refusal of the file system is wanted, a file
//! lies where a folder should be, and refusals for want of permission or space come from an injected writer.

use super::*;
use crate::{Problem, testing::RULES};
use std::{error::Error, io::Write};
use tempfile::TempDir;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn keys(store: &FolderBackend) -> Vec<String> {
    let mut listing = store.list(None).await.unwrap();
    let mut keys = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        keys.extend(page.into_iter().map(|key| key.to_string()));
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn a_folder_keeps_the_contract() {
    for rule in RULES {
        println!("{}", rule.name);
        let folder = TempDir::new().unwrap();
        (rule.check)(Arc::new(FolderBackend::create(folder.path()).unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn the_store_in_memory_keeps_the_contract() {
    for rule in RULES {
        println!("{}", rule.name);
        (rule.check)(Arc::new(crate::testing::MemoryBackend::new())).await;
    }
}

#[tokio::test]
async fn what_a_dead_writer_left_is_never_listed_and_goes_when_it_is_old() {
    let folder = TempDir::new().unwrap();
    let store = FolderBackend::create(folder.path()).unwrap();
    let leftover = folder.path().join(".tmp/write-dead");
    fs::write(&leftover, "half a res").unwrap();
    assert_eq!(keys(&store).await, Vec::<String>::new());
    FolderBackend::create(folder.path()).unwrap();
    assert!(leftover.exists(), "its writer may be at work still");
    remove_leftovers(leftover.parent().unwrap(), Duration::ZERO);
    assert!(!leftover.exists());
}

#[tokio::test]
async fn a_write_that_runs_out_of_space_leaves_nothing_and_says_which_file() {
    for collision in [Collision::Keep, Collision::Replace] {
        let folder = TempDir::new().unwrap();
        let mut store = FolderBackend::create(folder.path()).unwrap();
        store.writer.fill = |file, content| {
            file.write_all(&content[..content.len() / 2])?;
            Err(io::ErrorKind::StorageFull.into())
        };
        let error = store.write(&key("results/ab/x.json"), vec![1; 100], collision).await.unwrap_err();
        let path = store.root().join("results/ab/x.json");
        assert_eq!(error.to_string(), format!("cannot write `{}`: no space is left", path.display()));
        assert_eq!((error.problem, error.is_retryable()), (Problem::NoSpace, false));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path().join(".tmp")).unwrap().count(), 0, "a temporary file was left");
        assert_eq!(keys(&store).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_replacement_that_fails_leaves_the_old_object() {
    let folder = TempDir::new().unwrap();
    let mut store = FolderBackend::create(folder.path()).unwrap();
    store.put(&key("sweeps/s/summary.json"), b"old".to_vec()).await.unwrap();
    store.writer.fill = |file, content| {
        file.write_all(&content[..1])?;
        Err(io::ErrorKind::PermissionDenied.into())
    };
    let error = store.put(&key("sweeps/s/summary.json"), b"new".to_vec()).await.unwrap_err();
    assert_eq!((error.problem, error.is_retryable()), (Problem::Permission, false));
    assert_eq!(store.get(&key("sweeps/s/summary.json")).await.unwrap().unwrap(), b"old");
}

#[test]
fn a_store_that_cannot_be_made_names_its_folder() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("store")] {
        let error = FolderBackend::create(&root).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open the store `{}`", root.display()));
        assert!(error.source().is_some());
    }
}

#[test]
fn a_store_that_is_only_opened_must_be_there_and_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = FolderBackend::open(&missing).unwrap_err();
    assert!(error.to_string().contains(&missing.display().to_string()));
    assert!(!missing.exists());
    FolderBackend::open(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_an_error_that_names_the_object() {
    let folder = TempDir::new().unwrap();
    let store = FolderBackend::create(folder.path()).unwrap();
    fs::write(folder.path().join("results"), "").unwrap();
    let path = store.root().join("results/ab/x.json");
    let error = store.put_if_absent(&key("results/ab/x.json"), Vec::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write `{}`", path.display()));
    let error = store.get(&key("results/ab/x.json")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read `{}`", path.display()));
}

#[cfg(unix)]
#[tokio::test]
async fn objects_are_as_open_as_other_files_of_the_user() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let store = FolderBackend::create(folder.path()).unwrap();
    store.put(&key("a"), Vec::new()).await.unwrap();
    fs::write(folder.path().join("b"), "").unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("a"), mode("b"));
}

#[tokio::test]
async fn a_file_says_how_old_it_is_by_the_clock_of_its_file_system() {
    let folder = TempDir::new().unwrap();
    let store = FolderBackend::create(folder.path()).unwrap();
    assert_eq!(store.get_dated(&key("a")).await.unwrap(), None);
    store.put(&key("a"), b"it".to_vec()).await.unwrap();
    let an_hour = Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(folder.path().join("a")).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - an_hour).unwrap();
    // Twice: the second time the clock reading is extrapolated.
    for _ in 0..2 {
        let dated = store.get_dated(&key("a")).await.unwrap().unwrap();
        assert_eq!(dated.content, b"it");
        let age = dated.age(u64::MAX, 0);
        assert!(age >= an_hour && age < an_hour * 2, "{age:?}");
    }
    // A store that is only read uses the clock of this machine, which is the same here.
    fs::remove_dir_all(folder.path().join(TEMPORARY)).unwrap();
    let reader = FolderBackend::open(folder.path()).unwrap();
    assert!(reader.get_dated(&key("a")).await.unwrap().unwrap().age(u64::MAX, 0) >= an_hour);
}

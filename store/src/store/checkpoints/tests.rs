use super::*;
use crate::{
    Action, Backend, Problem,
    testing::{Fault, Faulty, MemoryBackend},
};
use tempfile::TempDir;

fn job(name: &str) -> JobId {
    Digest::of(name.as_bytes()).to_string().parse().unwrap()
}

/// A store in memory, with a folder for files.
struct Bench {
    backend: MemoryBackend,
    faulty: Faulty<MemoryBackend>,
    store: Store,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let backend = MemoryBackend::new();
        let faulty = Faulty::new(backend.clone());
        let store = Store::new(faulty.clone());
        Self { backend, faulty, store, folder: TempDir::new().unwrap() }
    }

    async fn put(&self, content: &str) -> Result<(), StoreError> {
        let from = self.folder.path().join("from");
        fs::write(&from, content).unwrap();
        self.store.put_rested(&job("leg"), &from).await
    }

    /// What the leg had come to; `None` if it has kept nothing.
    async fn get(&self) -> Result<Option<String>, StoreError> {
        let to = self.folder.path().join("to");
        let is_there = self.store.get_rested(&job("leg"), &to).await?;
        Ok(is_there.then(|| fs::read_to_string(&to).unwrap()))
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut listing = self.backend.list(None).await.unwrap();
        while let Some(page) = listing.next_page().await.unwrap() {
            keys.extend(page.iter().map(|key| key.as_str().to_owned()));
        }
        keys.sort_unstable();
        keys
    }
}

#[tokio::test]
async fn a_rested_state_takes_the_place_of_the_one_before_and_nothing_stays_of_either() {
    let bench = Bench::new();
    assert_eq!(bench.get().await.unwrap(), None);
    for content in ["one", "two", "two"] {
        bench.put(content).await.unwrap();
        assert_eq!(bench.get().await.unwrap().as_deref(), Some(content));
        assert_eq!(bench.keys().await.len(), 2, "the record and its file");
    }
    // The text of a job that tunes, and that of another program, lie beside it.
    bench.store.put_checkpoint(&job("leg"), b"text".to_vec()).await.unwrap();
    bench.store.put_checkpoint(&job("tunes"), b"text".to_vec()).await.unwrap();
    assert_eq!(bench.get().await.unwrap().as_deref(), Some("two"));
    assert_eq!(bench.store.jobs_with_checkpoints().await.unwrap(), BTreeSet::from([job("leg"), job("tunes")]));
    bench.store.remove_checkpoint(&job("leg")).await.unwrap();
    assert_eq!(bench.get().await.unwrap(), None);
    assert_eq!(bench.keys().await, [format!("checkpoints/{}.json", job("tunes"))]);
}

#[tokio::test]
async fn a_state_whose_write_is_cut_short_leaves_the_one_before_and_goes_with_the_job() {
    let bench = Bench::new();
    bench.put("one").await.unwrap();
    // Its file is written, and its record is not.
    let record = format!("checkpoints/{}/{RECORD}", job("leg"));
    bench.faulty.strike(1, Action::Write, &record, Fault::Fails(Problem::NoSpace));
    bench.put("two").await.unwrap_err();
    assert_eq!(bench.get().await.unwrap().as_deref(), Some("one"));
    bench.put("three").await.unwrap();
    assert_eq!(bench.get().await.unwrap().as_deref(), Some("three"));
    bench.store.remove_checkpoint(&job("leg")).await.unwrap();
    assert_eq!(bench.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_state_that_was_altered_or_is_gone_or_of_another_job_or_version_is_refused() {
    let bench = Bench::new();
    bench.put("one").await.unwrap();
    let file = file_key(&job("leg"), &Digest::of(b"one")).unwrap();
    let record = record_key(&job("leg")).unwrap();
    let written = String::from_utf8(bench.backend.get(&record).await.unwrap().unwrap()).unwrap();
    let refused = |error: StoreError| (error.to_string(), error.is_of_one_object());

    bench.backend.put(&file, b"eno".to_vec()).await.unwrap();
    let (text, is_of_one) = refused(bench.get().await.unwrap_err());
    assert!(text.contains("was altered") && is_of_one, "{text}");
    bench.put("one").await.unwrap();
    assert_eq!(bench.get().await.unwrap().as_deref(), Some("one"), "a damaged file is replaced");
    bench.backend.put(&file, b"longer".to_vec()).await.unwrap();
    let (text, is_of_one) = refused(bench.get().await.unwrap_err());
    assert!(text.contains("has 6 bytes") && is_of_one, "{text}");
    bench.backend.delete(&file).await.unwrap();
    let (text, is_of_one) = refused(bench.get().await.unwrap_err());
    assert!(text.contains("is missing") && is_of_one, "{text}");

    let of_other = written.replace(&job("leg").to_string(), &job("other").to_string());
    bench.backend.put(&record, of_other.into_bytes()).await.unwrap();
    let (text, is_of_one) = refused(bench.get().await.unwrap_err());
    assert!(text.contains("holds what belongs under") && is_of_one, "{text}");
    let later = written.replace("\"version\":1", "\"version\":2");
    bench.backend.put(&record, later.into_bytes()).await.unwrap();
    assert!(matches!(bench.get().await.unwrap_err(), StoreError::Version { found: 2, expected: 1, .. }));
    bench.backend.put(&record, b"{}".to_vec()).await.unwrap();
    assert!(matches!(bench.get().await.unwrap_err(), StoreError::Corrupt { .. }));
    // The next rest mends it.
    bench.put("two").await.unwrap();
    assert_eq!(bench.get().await.unwrap().as_deref(), Some("two"));
}

mod files;

use crate::{Backend, Key, Put};
use std::{collections::BTreeSet, pin::Pin, sync::Arc};
use tokio::{sync::Barrier, task::JoinSet};

/// One rule of the contract: its sentence, and the check, which panics if the rule is broken.
///
/// A backend's test opens a fresh, empty store for each of [`RULES`], on a runtime with sixteen threads, so that
/// writers do race.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The rule as a sentence.
    pub name: &'static str,
    /// Checks the rule on a fresh store.
    pub check: fn(Arc<dyn Backend>) -> Check,
}

/// A check under way.
pub type Check = Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! rules {
    ($($rule:path),* $(,)?) => {
        &[$(Rule { name: stringify!($rule), check: |store| Box::pin($rule(store)) }),*]
    };
}

/// All rules. Each needs a store of its own.
pub const RULES: &[Rule] = rules![
    an_object_that_is_not_there_is_none,
    an_object_reads_back_as_written,
    many_objects_read_back_in_the_order_of_their_keys,
    a_conditional_write_changes_nothing_that_exists,
    a_replaced_object_is_the_new_one,
    of_sixteen_writers_one_creates_the_object,
    a_reader_never_sees_part_of_an_object,
    a_listing_holds_every_key_of_the_folder_once,
    a_listing_goes_on_while_objects_are_deleted,
    a_deleted_object_is_gone_and_may_be_created_again,
    files::an_object_that_is_not_there_has_no_size_and_fills_no_file,
    files::a_file_reads_back_as_written,
    files::a_conditional_write_of_a_file_changes_nothing_that_exists,
    files::of_sixteen_writers_of_files_one_creates_the_object,
];

/// Writers in a race.
const WRITERS: u8 = 16;

fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

async fn an_object_that_is_not_there_is_none(store: Arc<dyn Backend>) {
    assert_eq!(store.get(&key("results/ab/x.json")).await.expect("no error"), None);
    store.put(&key("results/ab/y.json"), Vec::new()).await.expect("written");
    assert_eq!(store.get(&key("results/ab/x.json")).await.expect("no error"), None);
    store.delete(&key("results/ab/x.json")).await.expect("no error");
    assert_eq!(all(&store, Some("failures")).await, Vec::<String>::new());
}

async fn an_object_reads_back_as_written(store: Arc<dyn Backend>) {
    let contents = [Vec::new(), b"{}".to_vec(), (0..=255).cycle().take(1_000_003).collect()];
    for (number, content) in contents.into_iter().enumerate() {
        let conditional = key(&format!("conditional/{number}"));
        let plain = key(&format!("plain/with space and \u{fc}/{number}"));
        assert_eq!(store.put_if_absent(&conditional, content.clone()).await.expect("written"), Put::Created);
        store.put(&plain, content.clone()).await.expect("written");
        assert_eq!(store.get(&conditional).await.expect("read").as_ref(), Some(&content));
        assert_eq!(store.get(&plain).await.expect("read").as_ref(), Some(&content));
    }
}

async fn many_objects_read_back_in_the_order_of_their_keys(store: Arc<dyn Backend>) {
    let keys: Vec<Key> = (0..50).rev().map(|number| key(&format!("results/{:02}/{number}.json", number % 7))).collect();
    for key in keys.iter().step_by(2) {
        store.put(key, key.as_str().as_bytes().to_vec()).await.expect("written");
    }
    let read = store.get_many(&keys).await;
    assert_eq!(read.len(), keys.len());
    for (index, (key, content)) in keys.iter().zip(read).enumerate() {
        let expected = (index % 2 == 0).then(|| key.as_str().as_bytes().to_vec());
        assert_eq!(content.expect("read"), expected, "{key}");
    }
    assert!(store.get_many(&[]).await.is_empty());
}

async fn a_conditional_write_changes_nothing_that_exists(store: Arc<dyn Backend>) {
    let key = key("results/ab/x.json");
    assert_eq!(store.put_if_absent(&key, b"first".to_vec()).await.expect("written"), Put::Created);
    assert_eq!(store.put_if_absent(&key, b"second".to_vec()).await.expect("no error"), Put::Exists);
    assert_eq!(store.get(&key).await.expect("read").as_deref(), Some(&b"first"[..]));
    assert_eq!(all(&store, None).await, ["results/ab/x.json"]);
}

async fn a_replaced_object_is_the_new_one(store: Arc<dyn Backend>) {
    let key = key("sweeps/s/summary.json");
    for content in [&b"a long first version"[..], b"second"] {
        store.put(&key, content.to_vec()).await.expect("written");
        assert_eq!(store.get(&key).await.expect("read").as_deref(), Some(content));
    }
    assert_eq!(all(&store, None).await, ["sweeps/s/summary.json"]);
}

async fn of_sixteen_writers_one_creates_the_object(store: Arc<dyn Backend>) {
    for round in 0..20 {
        let key = key(&format!("results/ab/{round}.json"));
        let start = Arc::new(Barrier::new(usize::from(WRITERS)));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            let key = key.clone();
            let start = Arc::clone(&start);
            writers.spawn(async move {
                start.wait().await;
                (writer, store.put_if_absent(&key, vec![writer; 10_000]).await.expect("no error"))
            });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<u8> =
            outcomes.iter().filter(|(_, put)| *put == Put::Created).map(|(writer, _)| *writer).collect();
        assert_eq!(winners.len(), 1, "winners of round {round}: {winners:?}");
        let content = store.get(&key).await.expect("read").expect("there");
        assert_eq!(content, vec![winners[0]; 10_000], "the object is the winner's");
    }
}

async fn a_reader_never_sees_part_of_an_object(store: Arc<dyn Backend>) {
    let key = key("sweeps/s/summary.json");
    store.put(&key, vec![0; 300_000]).await.expect("written");
    let mut writers = JoinSet::new();
    for writer in 1..=4 {
        let store = Arc::clone(&store);
        let key = key.clone();
        writers.spawn(async move {
            for _ in 0..10 {
                store.put(&key, vec![writer; 300_000]).await.expect("written");
            }
        });
    }
    while !writers.is_empty() {
        let content = store.get(&key).await.expect("read").expect("there");
        assert_eq!(content.len(), 300_000);
        assert!(content.iter().all(|byte| *byte == content[0]), "two writers' contents are mixed");
        while writers.try_join_next().is_some() {}
    }
}

async fn a_listing_holds_every_key_of_the_folder_once(store: Arc<dyn Backend>) {
    let mut expected = BTreeSet::new();
    for number in 0..1500 {
        let name = format!("results/{:02x}/{number}.json", number % 7);
        store.put(&key(&name), Vec::new()).await.expect("written");
        expected.insert(name);
    }
    // A name that only begins like the folder is not in it.
    store.put(&key("results-old/x.json"), Vec::new()).await.expect("written");
    let listed = all(&store, Some("results")).await;
    assert_eq!(listed.len(), 1500, "every key once");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(all(&store, None).await.len(), 1501);
    assert_eq!(all(&store, Some("results/00")).await.len(), 215);
}

async fn a_listing_goes_on_while_objects_are_deleted(store: Arc<dyn Backend>) {
    for number in 0..1500 {
        store.put(&key(&format!("failures/{number}/1.json")), Vec::new()).await.expect("written");
    }
    let mut listing = store.list(Some(&key("failures"))).await.expect("listed");
    let mut listed = 0;
    while let Some(keys) = listing.next_page().await.expect("listed") {
        listed += keys.len();
        for key in keys {
            store.delete(&key).await.expect("deleted");
        }
    }
    assert_eq!(listed, 1500);
    assert_eq!(all(&store, Some("failures")).await, Vec::<String>::new());
}

async fn a_deleted_object_is_gone_and_may_be_created_again(store: Arc<dyn Backend>) {
    let key = key("failures/ab/1.json");
    for content in [&b"first"[..], b"second"] {
        assert_eq!(store.put_if_absent(&key, content.to_vec()).await.expect("written"), Put::Created);
        assert_eq!(store.get(&key).await.expect("read").as_deref(), Some(content));
        store.delete(&key).await.expect("deleted");
        assert_eq!(store.get(&key).await.expect("read"), None);
    }
    assert_eq!(all(&store, None).await, Vec::<String>::new());
}

async fn all(store: &Arc<dyn Backend>, folder: Option<&str>) -> Vec<String> {
    let mut listing = store.list(folder.map(key).as_ref()).await.expect("listed");
    let mut keys = Vec::new();
    while let Some(page) = listing.next_page().await.expect("listed") {
        assert!(!page.is_empty(), "a page holds at least one key");
        keys.extend(page.into_iter().map(|key| key.to_string()));
    }
    keys
}

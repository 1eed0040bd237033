use super::{
    fake::{FakeBucket, Fault},
    inputs, reference,
};
use jobs::Digest;
use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// Where the other process finds what it needs.
const PLACE: &str = "BOWLINE_TEST_PLACE";

fn bucket(place: &Path) -> FakeBucket {
    FakeBucket::with(&[("base", "sixteen gigabytes")]).logging(place.join("log"))
}

fn fetch(bucket: &Arc<FakeBucket>, place: &Path) -> Digest {
    inputs(bucket, &place.join("cache")).file(&reference("s3://bucket/base")).unwrap().digest
}

#[test]
#[ignore = "the other process of the tests below, which start it"]
fn another_process() {
    #[expect(clippy::disallowed_methods, reason = "arguments belong to the test harness")]
    let place = std::env::var(PLACE).unwrap();
    let bucket = Arc::new(bucket(Path::new(&place)));
    bucket.fetches_fail(&[Fault::WaitsForLine]);
    println!("it asks");
    assert_eq!(fetch(&bucket, Path::new(&place)), Digest::of(b"sixteen gigabytes"));
}

/// A process that requests the object, and its output.
struct Process {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(place: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "objects::tests::processes::another_process", "--nocapture"]);
        let mut child = command.env(PLACE, place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    fn waits_to_say(&mut self, text: &str) {
        assert!(self.said.any(|line| line.unwrap().contains(text)), "it ended without saying `{text}`");
    }
}

fn fetches(place: &Path) -> usize {
    fs::read_to_string(place.join("log")).unwrap().lines().count()
}

#[test]
fn processes_that_want_the_same_object_fetch_it_once() {
    let place = TempDir::new().unwrap();
    let mut first = Process::start(place.path());
    first.waits_to_say("half of it is here");
    let mut others: Vec<_> = (0..3).map(|_| Process::start(place.path())).collect();
    others.iter_mut().for_each(|other| other.waits_to_say("it asks"));
    writeln!(first.child.stdin.take().unwrap()).unwrap();
    for process in others.into_iter().chain([first]) {
        // Closes its input: if it fetched as well, it would continue, and the log would show it.
        assert!(process.child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(fetches(place.path()), 1);
}

#[test]
fn a_process_that_is_killed_while_it_fetches_blocks_no_other_and_leaves_no_part() {
    let place = TempDir::new().unwrap();
    let mut process = Process::start(place.path());
    process.waits_to_say("half of it is here");
    let partial = place.path().join("cache/v1/partial");
    let left = || fs::read_dir(&partial).unwrap().count();
    assert_eq!(left(), 1, "it is half-way");
    let lock = crate::folder::list(&place.path().join("cache/v1/objects")).unwrap().names;
    let lock = fs::File::open(place.path().join("cache/v1/objects").join(&lock[0])).unwrap();
    assert!(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)), "it holds the lock");
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    assert_eq!(left(), 1, "it had no time to clean up");

    let bucket = Arc::new(bucket(place.path()));
    assert_eq!(fetch(&bucket, place.path()), Digest::of(b"sixteen gigabytes"));
    assert_eq!((left(), fetches(place.path())), (0, 2));
}

#[test]
fn what_another_download_left_behind_is_removed_unless_it_is_under_way() {
    let place = TempDir::new().unwrap();
    let cache = place.path().join("cache/v1");
    let leave = |id: Digest| {
        let id = id.to_string();
        let lock = cache.join("objects").join(&id[..2]);
        for folder in [&lock, &cache.join("partial")] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(&id), "").unwrap();
        }
        (fs::File::open(lock.join(&id)).unwrap(), cache.join("partial").join(id))
    };
    let (_, dead) = leave(Digest::of(b"cut off"));
    let (lock, alive) = leave(Digest::of(b"under way"));
    lock.lock().unwrap();
    fetch(&Arc::new(bucket(place.path())), place.path());
    assert_eq!((dead.exists(), alive.exists()), (false, true));
}

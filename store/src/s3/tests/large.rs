//! Objects that are too large for memory: they pass through files, in pieces.

use super::*;
use crate::testing::Rates;
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

const PIECES: Sizes = Sizes { whole: 1 << 20, piece: 5 << 20, ..SIZES };

/// A file of so many bytes, no two pieces of which are alike.
fn filled(folder: &Path, bytes: u64) -> PathBuf {
    let path = folder.join("large");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    (0..bytes.div_ceil(8)).for_each(|number| file.write_all(&number.to_le_bytes()).unwrap());
    file.into_inner().unwrap().set_len(bytes).unwrap();
    path
}

fn is_filled(path: &Path) -> bool {
    let mut file = BufReader::new(File::open(path).unwrap());
    let mut number = 0u64;
    let mut word = [0; 8];
    while file.read_exact(&mut word).is_ok() {
        if u64::from_le_bytes(word) != number {
            return false;
        }
        number += 1;
    }
    number > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_goes_in_pieces_and_keeps_the_conditions() {
    let mut house = House::new(HttpFaults::none()).await;
    house.store.sizes = PIECES;
    let folder = TempDir::new().unwrap();
    let from = filled(folder.path(), (11 << 20) + 3);
    let to = folder.path().join("to");
    let other = folder.path().join("other");
    fs::write(&other, vec![7; 2 << 20]).unwrap();
    let object = key("artefacts/a/model.safetensors");
    assert_eq!(house.store.put_file_if_absent(&object, &from).await.unwrap(), Put::Created);
    assert_eq!(house.store.put_file_if_absent(&object, &other).await.unwrap(), Put::Exists);
    assert_eq!(house.store.size(&object).await.unwrap(), Some((11 << 20) + 3));
    assert_eq!(house.store.get_file(&object, &to).await.unwrap(), Some((11 << 20) + 3));
    assert!(fs::read(&to).unwrap() == fs::read(&from).unwrap());
    house.store.put_file(&object, &other).await.unwrap();
    assert_eq!(house.store.get(&object).await.unwrap(), Some(vec![7; 2 << 20]));
    assert_eq!(keys(&house.store, None).await, ["artefacts/a/model.safetensors"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_survive_faults_in_both_directions() {
    let rates = Rates { errors: 0.15, lost: 0.1, cuts: 0.15, slow: 0.0, delay: Duration::ZERO, in_a_row: 4 };
    for seed in 0..3 {
        let mut house = House::new(HttpFaults::seeded(seed, rates)).await;
        house.store.sizes = PIECES;
        let folder = TempDir::new().unwrap();
        let from = filled(folder.path(), 12 << 20);
        let to = folder.path().join("to");
        let object = key("artefacts/a/model.safetensors");
        // A writer whose answer was lost finds its own object.
        let _ = house.store.put_file_if_absent(&object, &from).await.unwrap();
        assert_eq!(house.store.size(&object).await.unwrap(), Some(12 << 20));
        assert_eq!(house.store.get_file(&object, &to).await.unwrap(), Some(12 << 20));
        assert!(is_filled(&to), "seed {seed}");
        assert!(house.server.faults().struck() > 0, "seed {seed}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_nothing_is_stored() {
    let house = House::new(HttpFaults::none()).await;
    let missing = Path::new("/nowhere/model.safetensors");
    let error = house.store.put_file_if_absent(&key("x"), missing).await.unwrap_err();
    assert!(!error.is_retryable());
    let said = said(&error);
    assert!(
        said.starts_with(
            "cannot write `s3://bucket/a store/x` / the file `/nowhere/model.safetensors`, which is to be"
        ),
        "{said}"
    );
    assert_eq!(keys(&house.store, None).await, Vec::<String>::new());
}

/// The most memory that this process has had so far, in bytes; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// `BOWLINE_TEST_LARGE_MIB=3072` makes it the transfer of an artefact of 3 GiB. The server is a part of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "the size of the file is a choice of the person who runs the test")]
async fn a_large_file_passes_with_little_memory() {
    let mib = std::env::var("BOWLINE_TEST_LARGE_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(384_u64);
    let house = House::new(HttpFaults::none()).await;
    let folder = TempDir::new().unwrap();
    let from = filled(folder.path(), mib << 20);
    let to = folder.path().join("to");
    let Some(before) = peak_memory() else {
        println!("skipped: this system does not report how much memory a process has used");
        return;
    };
    let object = key("artefacts/a/model.safetensors");
    assert_eq!(house.store.put_file_if_absent(&object, &from).await.unwrap(), Put::Created);
    assert_eq!(house.store.get_file(&object, &to).await.unwrap(), Some(mib << 20));
    assert!(is_filled(&to));
    let more = peak_memory().unwrap_or(u64::MAX).saturating_sub(before) >> 20;
    println!("{mib} MiB there and back took {more} MiB of memory");
    assert!(more < 300, "{more} MiB");
}

//! A process that reads what a mapped file has lost.

use files::{LOST_PAGES_EXIT_CODE, MappedFile, end_on_lost_pages};
use std::{
    fs::{self, File},
    hint::black_box,
    process::Command,
};

#[test]
fn a_truncated_file_ends_the_process_with_its_name_and_a_code_to_run_again() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "reads_a_truncated_file", "--nocapture"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(child.stderr).unwrap();
    assert_eq!(child.status.code(), Some(i32::from(LOST_PAGES_EXIT_CODE)), "{stderr}");
    assert!(stderr.contains("model.safetensors` was truncated") && stderr.contains("hint: nothing"), "{stderr}");
    assert!(!stderr.contains("other.safetensors"), "{stderr}");
}

#[test]
#[ignore = "ends its process: another test runs it in one of its own"]
fn reads_a_truncated_file() {
    end_on_lost_pages().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let map = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, vec![1; 100_000]).unwrap();
        MappedFile::open(&path).unwrap()
    };
    // Its place in the table is another's.
    drop(map("dropped.safetensors"));
    let model = map("model.safetensors");
    let other = map("other.safetensors");
    File::options().write(true).open(model.path()).unwrap().set_len(10).unwrap();
    black_box(other[90_000]);
    black_box(model[90_000]);
    panic!("the page is still there");
}

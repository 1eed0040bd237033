use std::{fs, io, path::Path};

/// File systems whose names lie on this machine, by the magic numbers of statfs(2).
#[cfg(target_os = "linux")]
const LOCAL: [u64; 8] = [
    0x0102_1994, // tmpfs
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x2fc1_2fc1, // zfs
    0xf2f5_2010, // f2fs
    0x794c_7630, // overlayfs: over one of these, as a rule
    0xca45_1a4e, // bcachefs
];

/// Whether the file system of `folder` is known to be of this machine, so that a name is looked up without waiting for a
/// server. One that is not known counts as remote.
#[cfg(target_os = "linux")]
pub(super) fn is_local(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| LOCAL.contains(&kind)))
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_folder: &Path) -> bool {
    false
}

/// Whether there is nothing under `path`. Anything else, also an error, is for the reader to find.
pub(super) fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_told_from_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(is_absent(&file));
        assert!(is_absent(&folder.path().join("no/file")));
        fs::write(&file, "").unwrap();
        assert!(!is_absent(&file));
        // A path through a file is an error, which reading names.
        assert!(!is_absent(&file.join("below")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_file_system_is_not_among_the_local_ones() {
        assert!(!is_local(Path::new("/proc")));
        assert!(!is_local(Path::new("/no/such/folder")));
    }
}

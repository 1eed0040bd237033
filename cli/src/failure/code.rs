//! The exit codes: one for each thing that a caller can do about a failure.

/// The command line is not valid.
pub(crate) const USAGE: u8 = 2;
/// It ran to its end, or as far as it makes sense, and some jobs failed.
pub(crate) const JOBS_FAILED: u8 = 3;
/// A file, an input or a stored object is not what it should be.
pub(crate) const BAD_INPUT: u8 = 65;
/// A service, a device or a file system fails. The same command may succeed later.
pub(crate) const UNAVAILABLE: u8 = 69;
/// A bug.
pub(crate) const BUG: u8 = 70;
/// It was interrupted; the same command resumes.
pub(crate) const INTERRUPTED: u8 = 75;

/// The code of an input that cannot be used, by whether that may pass without a person doing anything.
pub(super) fn of_input(may_pass: bool) -> u8 {
    if may_pass { UNAVAILABLE } else { BAD_INPUT }
}

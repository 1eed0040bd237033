//! Which file was hashed or mapped, and whether it still is the same.
//!
//! A result belongs to the digests of its inputs only if what was hashed is what was computed with. [`FileIdentity`]
//! says which file a handle is of, and when that was last written to. [`FilesInUse`] keeps these for files that were
//! hashed, and [checks them again](FilesInUse::check). [`MappedFile`] is a file whose pages are read while jobs
//! compute: it keeps its handle. A mapped file that is truncated takes the process down; [`end_on_lost_pages`] makes
//! that an end that names the file. [`is_transient`] says which errors of the operating system may pass.

mod identity;
mod in_use;
mod lost_pages;
mod mapped;
mod transient;

pub use identity::{Change, FileChanged, FileIdentity};
pub use in_use::FilesInUse;
pub use lost_pages::{LOST_PAGES_EXIT_CODE, end_on_lost_pages};
pub use mapped::MappedFile;
pub use transient::is_transient;

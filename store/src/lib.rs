//! Storage of results and artefacts.
//!
//! A [`Backend`] keeps objects under keys: [`FolderBackend`] in a folder, [`S3Backend`] in a bucket. [`Store`] is the
//! typed layer above it:
//!
//! | key | content |
//! |---|---|
//! | `results/<2 hex>/<job>.json` | the result of a job, written once: the only proof that a job is done |
//! | `artefacts/<job>/artefact.json` | which files a job made that makes some, written once and after them |
//! | `artefacts/<job>/<digest>/<name>` | the files, in a folder that is named by what they hold |
//! | `checkpoints/<job>.json` | what an unfinished job that tunes has come to |
//! | `checkpoints/<job>/…` | the same of a leg of a training: a file, and `rested.json` that names it |
//! | `failures/<job>/<attempt>.json` | why an attempt came to no result |
//! | `sweeps/<sweep>/manifest.json` | what the sweep was when it began, written once |
//! | `sweeps/<sweep>/revisions/<r>.json` | what it is since it was changed, from 2 on, written once each |
//! | `sweeps/<sweep>/parts/<n>.parquet` | many results again, to be read at once, with the jobs in `<n>.jobs` |
//! | `sweeps/<sweep>/revisions/<r>/parts/…` | the same of a later revision |
//! | `sweeps/<sweep>/…` | further documents and artefacts, such as the summary and `best/…` |
//! | `set-aside/<job>/<digest>.json` | what lay in the place of a result and was none, before the job was computed again |
//! | `pools/<pool>/<sweep>.json` | what workers of a pool need to know of a sweep, while its jobs may wait for them |
//! | `similarities/<digest>.json` | how alike the updates of adapters act, by the digest of their inputs |
//! | `workers/<name>.json` | the last heartbeat of a worker |
//! | `checks/…` | the objects of [`Store::check`], gone when it is done, and that of [`Store::is_conditional`], which stays |
//!
//! Readers never see a partially written object, and a valid result is never replaced: [`Store::set_aside`] moves an
//! invalid one.

mod backend;
mod dated;
mod error;
mod folder;
mod key;
mod location;
mod retry;
mod s3;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use backend::{Action, Backend, BackendError, Listing, Problem, Put};
pub use dated::{Dated, Written};
pub use error::StoreError;
pub use folder::FolderBackend;
pub use key::{Key, KeyError};
pub use location::{Location, LocationError};
pub use s3::{RequestLimits, S3Backend, S3Credentials, S3Object, S3Place, S3PlaceError, S3Settings};
pub use store::{BriefResult, CheckReport, Compacted, PartError, PartResults, Records, Revision, Store};

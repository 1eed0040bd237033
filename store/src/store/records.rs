use super::Store;
use crate::{Key, KeyError, Listing, StoreError};
use jobs::{ArtefactResult, FailureRecord, JobId, JobResult, ResultFault, UnknownVersion};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::VecDeque, fmt, marker::PhantomData};

/// Records read per page.
const PAGE: usize = 256;

/// What the store keeps about one job.
pub(super) trait Record: Serialize + DeserializeOwned + fmt::Debug + Send + 'static {
    /// The folder that holds the records of this kind.
    const FOLDER: &str;
    /// The newest version that is read.
    const VERSION: u32;

    /// The job that the record names.
    fn job(&self) -> JobId;

    /// The job that the record's own specification makes.
    fn meant(&self) -> JobId;

    /// Checks that the content of the record is possible.
    fn check(&self) -> Result<(), ResultFault> {
        Ok(())
    }

    /// Where the record belongs.
    fn key(&self) -> Result<Key, KeyError>;
}

impl Record for JobResult {
    const FOLDER: &str = "results";
    const VERSION: u32 = Self::VERSION;

    fn job(&self) -> JobId {
        self.job
    }

    fn meant(&self) -> JobId {
        self.meaning.id()
    }

    fn check(&self) -> Result<(), ResultFault> {
        Self::check(self)
    }

    fn key(&self) -> Result<Key, KeyError> {
        result_key(&self.job)
    }
}

impl Record for FailureRecord {
    const FOLDER: &str = "failures";
    const VERSION: u32 = Self::VERSION;

    fn job(&self) -> JobId {
        self.job
    }

    fn meant(&self) -> JobId {
        self.spec.id()
    }

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("{}/{}.json", failures_folder(&self.job)?, self.attempt))
    }
}

impl Record for ArtefactResult {
    const FOLDER: &str = "artefacts";
    const VERSION: u32 = Self::VERSION;

    fn job(&self) -> JobId {
        self.job
    }

    fn meant(&self) -> JobId {
        self.spec.id()
    }

    fn check(&self) -> Result<(), ResultFault> {
        Self::check(self)
    }

    fn key(&self) -> Result<Key, KeyError> {
        artefact_key(&self.job)
    }
}

/// What says which files a job made; written after them.
pub(super) fn artefact_key(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{}/artefact.json", artefact_folder(job)?))
}

pub(super) fn artefact_folder(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{}/{job}", ArtefactResult::FOLDER))
}

/// Spread over 256 folders, so that none grows too large.
pub(super) fn result_key(job: &JobId) -> Result<Key, KeyError> {
    let name = job.to_string();
    Key::new(format!("{}/{}/{name}.json", JobResult::FOLDER, &name[..2]))
}

pub(super) fn failures_folder(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{}/{job}", FailureRecord::FOLDER))
}

/// The job whose result lies under `key`, if it looks like one.
pub(super) fn job_of_result(key: &Key) -> Option<JobId> {
    let (_, name) = key.as_str().rsplit_once('/')?;
    name.strip_suffix(".json")?.parse().ok()
}

/// The job whose failed attempt lies under `key`, if it looks like one.
pub(super) fn job_of_failure(key: &Key) -> Option<JobId> {
    let (folder, _) = key.as_str().rsplit_once('/')?;
    let (_, job) = folder.rsplit_once('/')?;
    job.parse().ok()
}

/// The job whose record of an artefact lies under `key`, if it looks like one.
pub(super) fn job_of_artefact(key: &Key) -> Option<JobId> {
    let (folder, name) = key.as_str().rsplit_once('/')?;
    let (_, job) = folder.rsplit_once('/')?;
    job.parse().ok().filter(|_| name == "artefact.json")
}

/// The text of a record. Checks first that the record belongs under its key and that its content is possible.
pub(super) fn encode_record<T: Record>(key: &Key, record: &T) -> Result<Vec<u8>, StoreError> {
    check_record(key, record)?;
    check_place(key, record)?;
    encode(key, record)
}

pub(super) fn decode_record<T: Record>(key: &Key, content: &[u8]) -> Result<T, StoreError> {
    let record: T = decode_versioned(key, content)?;
    check_identity(key, &record)?;
    check_place(key, &record)?;
    Ok(record)
}

/// A record in its own object or among others, if its content is possible.
pub(super) fn decode_versioned<T: Record>(key: &Key, content: &[u8]) -> Result<T, StoreError> {
    /// Any version's record, as far as every version agrees.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match decode::<T>(key, content) {
        Ok(record) => {
            check_content(key, &record)?;
            Ok(record)
        }
        Err(error @ StoreError::Version { .. }) => Err(error),
        // A record of another version may fail because of a field first. The version is the more useful error.
        Err(error) => match decode(key, content) {
            Ok(Versioned { version: found }) if found > T::VERSION => {
                Err(StoreError::Version { key: key.clone(), found, expected: T::VERSION })
            }
            _ => Err(error),
        },
    }
}

pub(super) fn encode<T: Serialize>(key: &Key, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|source| StoreError::Encode { key: key.clone(), source })
}

pub(super) fn decode<T: DeserializeOwned>(key: &Key, content: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(content).map_err(|source| match UnknownVersion::in_error(&source) {
        Some(UnknownVersion { found, newest: expected, .. }) => {
            StoreError::Version { key: key.clone(), found, expected }
        }
        None => StoreError::Corrupt { key: key.clone(), source },
    })
}

/// Checks that a record is of the job that it names, and that its content is possible.
pub(super) fn check_record<T: Record>(key: &Key, record: &T) -> Result<(), StoreError> {
    check_identity(key, record)?;
    check_content(key, record)
}

fn check_identity<T: Record>(key: &Key, record: &T) -> Result<(), StoreError> {
    let job = record.job();
    let meaning = record.meant();
    if job == meaning { Ok(()) } else { Err(StoreError::Mislabelled { key: key.clone(), job, meaning }) }
}

fn check_content<T: Record>(key: &Key, record: &T) -> Result<(), StoreError> {
    record.check().map_err(|source| StoreError::Fault { key: key.clone(), source })
}

fn check_place<T: Record>(key: &Key, record: &T) -> Result<(), StoreError> {
    let expected = record.key()?;
    if *key == expected { Ok(()) } else { Err(StoreError::Misplaced { key: key.clone(), expected }) }
}

/// Records being read, page by page: a million of them are never in memory at once.
#[derive(Debug)]
pub struct Records<T> {
    store: Store,
    listing: Box<dyn Listing>,
    /// Keys listed and not read yet.
    listed: VecDeque<Key>,
    record: PhantomData<fn() -> T>,
}

impl<T> Records<T> {
    pub(super) async fn list(store: &Store, folder: Key) -> Result<Self, StoreError> {
        let listing = store.backend.list(Some(&folder)).await?;
        Ok(Self { store: store.clone(), listing, listed: VecDeque::new(), record: PhantomData })
    }
}

#[expect(private_bounds, reason = "only the two kinds of records are ever listed")]
impl<T: Record> Records<T> {
    /// The next records, at most some hundreds, in any order; `None` at the end.
    ///
    /// A record that cannot be read is an error of its own among the others, so that callers may skip and report it.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Result<T, StoreError>>>, StoreError> {
        while self.listed.len() < PAGE
            && let Some(keys) = self.listing.next_page().await?
        {
            self.listed.extend(keys);
        }
        if self.listed.is_empty() {
            return Ok(None);
        }
        let keys: Vec<Key> = self.listed.drain(..PAGE.min(self.listed.len())).collect();
        let records = self.store.records_at(keys).await;
        // What was deleted since it was listed is not there any more.
        Ok(Some(records.into_iter().filter_map(Result::transpose).collect()))
    }

    /// All records that are left.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn collect(mut self) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        let mut records = Vec::new();
        while let Some(page) = self.next_page().await? {
            records.extend(page);
        }
        Ok(records)
    }
}

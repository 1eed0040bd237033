use super::Store;
use crate::{Key, Put, StoreError};
use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

/// Which operations of a reachable store work correctly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Where the store lies.
    pub place: String,
    /// The second of two conditional writes fails because the object exists, and changes nothing. Otherwise two workers
    /// could each conclude that they stored the result of a job.
    pub is_conditional: bool,
    /// What was written is read.
    pub reads_back: bool,
    /// What was written is listed.
    pub lists: bool,
    /// What was deleted is gone.
    pub deletes: bool,
}

impl CheckReport {
    /// Whether the store can be used.
    pub fn is_sound(&self) -> bool {
        self.is_conditional && self.reads_back && self.lists && self.deletes
    }
}

/// The object that tests conditional writes when a program starts. It stays: from the second start on, one request is
/// enough.
const CONDITION: &str = "checks/condition.txt";

impl Store {
    /// Whether the second of two conditional writes fails because the object exists, which [`check`](Self::check) tests
    /// with everything else. Takes one request, or two the first time.
    ///
    /// # Errors
    /// The store is out of reach, or refuses the write.
    pub async fn is_conditional(&self) -> Result<bool, StoreError> {
        let key = Key::new(CONDITION)?;
        // Of two that start at the same time, either may be the first.
        for _ in 0..2 {
            let text = b"conditional writes are tried out on this object\n".to_vec();
            if self.backend.put_if_absent(&key, text).await? == Put::Exists {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tests the store with an object below `checks/`: writes it twice under the condition that it is absent, reads,
    /// lists and deletes it.
    ///
    /// # Errors
    /// The store is out of reach, or refuses one of these.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        let folder = Key::new("checks")?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let key = Key::new(format!("{folder}/{}-{nanos}.txt", process::id()))?;
        let puts = [
            self.backend.put_if_absent(&key, b"first".to_vec()).await?,
            self.backend.put_if_absent(&key, b"second".to_vec()).await?,
        ];
        let content = self.backend.get(&key).await?;
        let lists = self.is_listed(&folder, &key).await?;
        self.backend.delete(&key).await?;
        let deletes = self.backend.get(&key).await?.is_none();
        Ok(CheckReport {
            place: self.place(),
            is_conditional: puts == [Put::Created, Put::Exists] && content.as_deref() == Some(b"first"),
            reads_back: content.is_some_and(|content| content == b"first" || content == b"second"),
            lists,
            deletes,
        })
    }

    async fn is_listed(&self, folder: &Key, key: &Key) -> Result<bool, StoreError> {
        let mut listing = self.backend.list(Some(folder)).await?;
        while let Some(keys) = listing.next_page().await? {
            if keys.contains(key) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

use super::{
    Store,
    records::{self, result_key},
};
use crate::{Key, StoreError};
use jobs::{Digest, JobId, JobResult, ResultFault};

const SET_ASIDE: &str = "set-aside";

impl Store {
    /// Moves away the object in the place of the result of `job` if it is no result of the job or one that `check`
    /// refuses, so that the job can be computed again. Returns the new key of the object; `None` if nothing was moved.
    ///
    /// A result is written once, in a folder as in a bucket; so it is not replaced but copied to `set-aside/<job>/` and
    /// then deleted. The next result is created like any first one. After an interruption in between, the job has no
    /// result and is computed again. Two repairs at the same time do not delete a valid result that was stored
    /// meanwhile, except between the last check and the deletion: then the job is computed once more.
    ///
    /// A result of another version of the program stays, because it may be valid.
    ///
    /// # Errors
    /// The object cannot be read, copied or deleted, or is of another version.
    pub async fn set_aside(
        &self,
        job: &JobId,
        check: impl Fn(&JobResult) -> Result<(), ResultFault> + Send,
    ) -> Result<Option<Key>, StoreError> {
        let key = result_key(job)?;
        let Some(content) = self.backend.get(&key).await? else { return Ok(None) };
        match records::decode_record::<JobResult>(&key, &content) {
            Ok(result) if check(&result).is_ok() => return Ok(None),
            Err(error) if !error.is_of_one_object() => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let aside = Key::new(format!("{SET_ASIDE}/{job}/{}.json", Digest::of(&content).short()))?;
        self.backend.put(&aside, content.clone()).await?;
        if self.backend.get(&key).await?.as_ref() != Some(&content) {
            return Ok(None);
        }
        self.backend.delete(&key).await?;
        Ok(Some(aside))
    }

    /// The error of a result of `job` that contradicts others.
    pub fn refuse(job: &JobId, fault: ResultFault) -> StoreError {
        match result_key(job) {
            Ok(key) => StoreError::Fault { key, source: fault },
            Err(error) => error.into(),
        }
    }
}

use super::{
    Store,
    records::{self, result_key},
};
use crate::{Key, StoreError};
use jobs::{Digest, JobId, JobResult, ResultFault};

const SET_ASIDE: &str = "set-aside";

impl Store {
    /// Takes away what lies where the result of `job` belongs, if it is no result of the job or one that `check`
    /// refuses, so that the job can be computed again. Gives the key under which it is kept from then on; `None` if
    /// there is nothing to take away.
    ///
    /// A result is written once, in a folder as in a bucket; so it is not replaced but copied to `set-aside/<job>/`
    /// and then deleted. The next result is created like any first one. Stopped in between, the job has no result,
    /// and is computed again; done twice at once, neither takes away the sound result that came meanwhile, but for
    /// the moment between the last look and the deletion: that job is computed once more.
    ///
    /// What another version of the program wrote stays, for it may be sound.
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

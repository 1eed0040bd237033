use super::{Objects, missing, names::named, refused};
use crate::{InputError, RemoteObject, cache::is_below, folder::Entries, listing::ListedFolder};
use jobs::S3Ref;
use std::{collections::BTreeMap, ops::Range, path::PathBuf};

impl Objects {
    /// What lies below `s3`, and what of it the cache has.
    pub(crate) fn list_folder(&self, s3: &S3Ref) -> Result<ListedFolder, InputError> {
        let listed = self.remote.list(&s3.bucket, &s3.key).map_err(|source| refused(s3, source))?;
        let named = named(&s3.key, listed);
        if named.is_nothing() {
            return Err(missing(s3));
        }
        let there = named.listing();
        let objects = named.files.into_iter().map(|(name, object)| (name, self.with_place(s3, object))).collect();
        Ok(ListedFolder::Bucket { bucket: s3.bucket.clone(), objects, there })
    }

    /// The object `s3` alone, and its name as a file.
    pub(crate) fn list_folder_of_file(&self, s3: &S3Ref) -> Result<(ListedFolder, String), InputError> {
        let name = s3.key.rsplit('/').next().filter(|name| is_below(name)).ok_or_else(|| missing(s3))?;
        let object = self.remote.find(&s3.bucket, &s3.key).map_err(|source| refused(s3, source))?;
        let object = object.ok_or_else(|| missing(s3))?;
        let objects = BTreeMap::from([(name.to_owned(), self.with_place(s3, object))]);
        let there = Entries::from(vec![name.to_owned()]);
        Ok((ListedFolder::Bucket { bucket: s3.bucket.clone(), objects, there }, name.to_owned()))
    }

    /// The bytes `range` of an object.
    pub(crate) fn part(&self, bucket: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>, InputError> {
        let reference = || format!("s3://{bucket}/{key}");
        self.remote.part(bucket, key, range).map_err(|source| InputError::Bucket { reference: reference(), source })
    }

    fn with_place(&self, s3: &S3Ref, object: RemoteObject) -> (RemoteObject, Option<PathBuf>) {
        let place = self.cache.known(&s3.bucket, &object);
        (object, place)
    }
}

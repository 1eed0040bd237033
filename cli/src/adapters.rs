//! A base and adapters, read whole.

use crate::failure::{Failure, InputFailure};
use files::FilesInUse;
use inputs::Inputs;
use jobs::{AdapterInput, Digest, InputRef};
use merging::{Adapter, BaseHeader, origin_notes};
use preflight::CheckError;

/// The header of a base and the adapters for it.
pub(crate) struct ReadAdapters {
    pub(crate) base: BaseHeader,
    /// The files of the base as they were hashed.
    pub(crate) base_files: FilesInUse,
    pub(crate) adapters: Vec<Adapter>,
    /// The content of the base.
    pub(crate) base_digest: Digest,
    /// The names and the contents of the adapters, in their order.
    pub(crate) named: Vec<AdapterInput>,
    /// Notes on the origin of the adapters.
    pub(crate) notes: Vec<String>,
}

impl ReadAdapters {
    /// Reads adapters by name. A file that changed between hashing and the end of reading is refused.
    pub(crate) fn new(inputs: &Inputs, base: &InputRef, adapters: &[(String, InputRef)]) -> Result<Self, Failure> {
        let input = |reference: &InputRef| {
            let argument = reference.to_string();
            move |source| Failure::Input(InputFailure::Argument { argument, source })
        };
        let located = inputs.model(base).map_err(input(base))?;
        let header = BaseHeader::open(&located.path);
        located.files_in_use.check()?;
        let header = header?;
        let mut named = Vec::with_capacity(adapters.len());
        let mut read = |(name, reference): &(String, InputRef)| {
            let located = inputs.adapter(reference).map_err(input(reference))?;
            let adapter = Adapter::read(name, &located.path, &header);
            // Checked even if reading failed: the change may be the cause of the error.
            located.files_in_use.check()?;
            named.push(AdapterInput { task: name.clone(), digest: located.digest });
            adapter
                .map_err(|source| Failure::from(CheckError::Adapter { name: name.clone(), source: Box::new(source) }))
        };
        let adapters = adapters.iter().map(&mut read).collect::<Result<Vec<_>, _>>()?;
        let repository = match base {
            InputRef::Hub(hub) => Some(hub.repository.as_str()),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        let origins: Vec<_> = adapters.iter().map(Adapter::origin).collect();
        let notes = origin_notes(&origins, repository);
        let base_digest = located.digest;
        Ok(Self { base: header, base_files: located.files_in_use, adapters, base_digest, named, notes })
    }
}

//! The public functions that locate inputs.

use crate::{Finder, InputError, Inputs, Located, LocatedData};
use jobs::{DataSpec, Digest, InputRef};

impl Inputs {
    /// A base model: a folder with `config.json`, weights, and the files of its preprocessing and tokenizer.
    ///
    /// The weights are `model.safetensors` if it is there, or else `model.safetensors.index.json` with the shards that
    /// it names; without these `pytorch_model.bin`, whole or in shards. Nothing else is taken for them.
    ///
    /// # Errors
    /// It is not there, lacks a file, cannot be read or fetched, or lies outside the folders that may be read.
    pub fn model(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).model(reference)
    }

    /// A base model as another program may read it: a folder with everything in it that is not hidden.
    ///
    /// # Errors
    /// As [`model`](Self::model); a folder with folders deeper than three.
    pub fn whole_model(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).whole_model(reference)
    }

    /// A LoRA adapter: a folder with `adapter_config.json` and `adapter_model.safetensors` or `.bin`.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn adapter(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).adapter(reference)
    }

    /// The statistics of a task that another job made: the files of its artefact.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn statistics(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).statistics(reference)
    }

    /// A single file, such as a head.
    ///
    /// # Errors
    /// As [`model`](Self::model); it is not a file.
    pub fn file(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).file(reference)
    }

    /// A file, or a folder with everything in it that is not hidden: what another program reads by itself. In a bucket or on the
    /// hub it is a folder.
    ///
    /// # Errors
    /// As [`model`](Self::model); a folder without files, or with folders deeper than three.
    pub fn anything(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).anything(reference)
    }

    /// A split of a data set, with the rows that its rule takes.
    ///
    /// The function searches for `[data/]<split>-*.parquet`, `<split>.parquet` and `<split>/*.parquet`; for texts
    /// `[data/]<split>.jsonl`, plain or gzipped; for images `<split>/<class>/*.png`, `.jpg` or `.jpeg`, and MNIST's
    /// `train-…` and `t10k-…` IDX files, plain or gzipped. A split in two of these forms, or in two generations of
    /// files, is refused. If a configuration has its own folder, the reference names that folder:
    /// `hf://datasets/ylecun/mnist/mnist`.
    ///
    /// The digest covers exactly the returned files: for images their classes, names and contents; for texts also the
    /// mapping of labels and the truncation. The classes of images are those of all splits together. Refused are a
    /// class without images in any split, entries among images that are no images, and unreadable entries. Hidden
    /// files do not count.
    ///
    /// # Errors
    /// As [`model`](Self::model); the data set has no such split, or the rule is wrong.
    pub fn data(&self, spec: &DataSpec, split: &str) -> Result<LocatedData, InputError> {
        self.finder(None).data(spec, split)
    }

    /// The same for an input that should have this digest: if a cache has it, the network is not used.
    ///
    /// An input from the network may have another digest; the caller must check it.
    pub fn expecting(&self, digest: Digest) -> Finder<'_> {
        self.finder(Some(digest))
    }

    pub(crate) fn finder(&self, expected: Option<Digest>) -> Finder<'_> {
        Finder { inputs: self, expected }
    }
}

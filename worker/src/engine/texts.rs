use super::{attempt::Attempt, place, recent::Recent};
use crate::{JobError, Metrics, metrics::Cache};
use evaluation::{ClassError, DecoderConfig, DiskCache, Head, PairTokenizer, TextClasses, TextSource, Texts};
use jobs::TaskInput;
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

/// Tokenised texts of the tasks that the last jobs used. They are small: a million tokens take four megabytes.
#[derive(Debug)]
pub(super) struct TextSets {
    sets: Recent<TextSet>,
    tokenizer: PathBuf,
    cache: Option<PathBuf>,
}

/// The texts of a task on one split.
#[derive(Debug)]
pub(super) struct TextSet {
    pub(super) texts: Texts,
    /// Classes of the head that the data set does not have.
    pub(super) masked: Vec<u32>,
    classes: Option<TextClasses>,
}

impl TextSet {
    /// Checks that the rows of a head bear the names of the classes, where both have names.
    pub(super) fn check_head(&self, head: &Head) -> Result<(), ClassError> {
        match (&self.classes, head.names()) {
            (Some(classes), Some(names)) => {
                classes.check_head(names, self.texts.labels().iter().copied().collect::<BTreeSet<u32>>()).map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl TextSets {
    pub(super) fn new(tokenizer: PathBuf, cache: Option<PathBuf>, metrics: &Metrics) -> Self {
        Self { sets: Recent::new(64, Cache::Data, metrics), tokenizer, cache }
    }

    /// The task's texts on the split of the job, read and tokenised at first use.
    pub(super) fn get(
        &mut self,
        attempt: &mut Attempt<'_>,
        config: &DecoderConfig,
        task: &TaskInput,
    ) -> Result<Arc<TextSet>, JobError> {
        let Self { sets, tokenizer, cache } = self;
        sets.get_or_make(task.data, || {
            let job = attempt.job;
            let data = place(&job.places.data, task, "data")?;
            let not_texts = || JobError::Incomplete(format!("the data of `{}` are no texts", task.name));
            let spec = data.text.as_ref().ok_or_else(not_texts)?;
            let located = attempt.inputs.expecting(task.data).data(data, &job.meaning.split)?;
            attempt.note_commit(&data.source, located.commit);
            attempt.unchanged(&data.source, located.digest, task.data)?;
            let wrong = |source| JobError::Texts { task: task.name.clone(), split: job.meaning.split.clone(), source };
            // A `max_length` above the positions cuts at these; without one, nothing is cut.
            let positions = u32::try_from(config.positions).unwrap_or(u32::MAX);
            let longest = spec.max_length.map(|length| length.min(positions));
            let tokenizer = PairTokenizer::open(tokenizer, longest).map_err(wrong)?;
            let source =
                TextSource { files: &located.files, spec, label_column: &data.label_column, rows: &located.rows };
            let digest = task.data.to_string();
            let cache = cache.as_deref().map(|folder| DiskCache { folder, digest: &digest });
            let (texts, classes) = attempt.read(&located.files_in_use, || {
                let texts = Texts::read(&source, &tokenizer, cache.as_ref()).map_err(wrong)?;
                Ok((texts, source.classes().map_err(wrong)?))
            })?;
            texts.check_vocabulary(&tokenizer, config.vocabulary).map_err(wrong)?;
            texts.check_positions(config.positions).map_err(wrong)?;
            Ok(TextSet { texts, masked: spec.mask_classes.iter().copied().collect(), classes })
        })
    }
}

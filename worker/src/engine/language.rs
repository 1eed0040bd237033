use super::{
    EngineSettings, attempt::Attempt, classifiers::Classifiers, memory::check_memory, merges::Merges, texts::TextSets,
};
use crate::JobError;
use evaluation::DecoderModel;
use files::MappedFile;
use jobs::{MergeFacts, TaskScore};
use merging::BaseHeader;
use std::{collections::BTreeMap, path::Path};

/// A Llama with the merges, texts and classifiers of its jobs.
pub(super) struct LanguageSession {
    model: DecoderModel,
    header: BaseHeader,
    merges: Merges<DecoderModel>,
    texts: TextSets,
    classifiers: Classifiers,
}

impl LanguageSession {
    pub(super) fn open(attempt: &Attempt<'_>, folder: &Path, settings: &EngineSettings) -> Result<Self, JobError> {
        let precision = attempt.job.meaning.precision;
        check_memory(folder, precision, settings)?;
        Ok(Self {
            model: DecoderModel::open(folder, &evaluation::open_device(settings.device)?, precision)?,
            header: BaseHeader::open(folder)?,
            // A dense merge of a large model takes gigabytes: there is room for one.
            merges: Merges::keeping(1, attempt.metrics),
            texts: TextSets::new(folder.join("tokenizer.json"), settings.cache.clone(), attempt.metrics),
            classifiers: Classifiers::new(attempt.metrics),
        })
    }

    /// The files of the base that are read while it is evaluated.
    pub(super) fn mapped_files(&self) -> impl Iterator<Item = &MappedFile> {
        self.model.mapped_files()
    }

    /// Every task is read with its own classifier: heads are never merged.
    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        let made = self.merges.model(attempt, &self.model, &self.header)?;
        let job = attempt.job;
        let mut scores = Vec::with_capacity(job.meaning.tasks.len());
        for task in &job.meaning.tasks {
            let head = attempt.loading(|attempt| self.classifiers.get(attempt, &self.header, task))?;
            let set = attempt.loading(|attempt| self.texts.get(attempt, self.model.config(), task))?;
            set.check_head(&head).map_err(|source| attempt.unscored(task, source.into()))?;
            let features = attempt.evaluating(|watch| made.model.features(&set.texts, watch))?;
            attempt.metrics.texts(set.texts.len() as u64, set.texts.tokens() as u64);
            let score = evaluation::classify(&features, &head, &set.masked);
            let score = score.map_err(|source| attempt.unscored(task, source))?;
            scores.push(TaskScore {
                task: task.name.clone(),
                n: score.n as u64,
                correct: score.correct as u64,
                hits: BTreeMap::new(),
                right: Some(score.right.into_iter().collect()),
                truncated: set.texts.truncated() as u64,
            });
        }
        Ok((scores, made.facts))
    }
}

use super::{EngineSettings, attempt::Attempt, base::ImageBase, heads::Heads, merges::Merges, pictures::PictureSets};
use crate::{JobError, Metrics};
use evaluation::ImageModel;
use jobs::{BenchmarkInput, Digest, MergeFacts, TaskScore};
use std::{collections::BTreeMap, path::PathBuf};

/// A CLIP model with the merges, pictures and heads of its jobs.
pub(super) struct ImageSession {
    base: ImageBase,
    merges: Merges<ImageModel>,
    pictures: PictureSets,
    heads: Heads,
}

impl ImageSession {
    pub(super) fn open(folder: PathBuf, settings: &EngineSettings, metrics: &Metrics) -> Result<Self, JobError> {
        Ok(Self {
            base: ImageBase::open(folder, settings.device)?,
            merges: Merges::keeping(2, metrics),
            pictures: PictureSets::new(settings.picture_bytes, settings.cache.clone()),
            heads: Heads::new(metrics),
        })
    }

    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        let made = self.merges.model(attempt, &self.base.model, &self.base.header)?;
        let scores = match attempt.job.meaning.benchmark {
            BenchmarkInput::PerTask => self.per_task(attempt, &made.model)?,
            BenchmarkInput::Joint { head } => self.joint(attempt, &made.model, head)?,
        };
        Ok((scores, made.facts))
    }

    fn per_task(&mut self, attempt: &mut Attempt<'_>, model: &ImageModel) -> Result<Vec<TaskScore>, JobError> {
        let job = attempt.job;
        let mut scores = Vec::with_capacity(job.meaning.tasks.len());
        for task in &job.meaning.tasks {
            let head = attempt.loading(|attempt| self.heads.of_task(attempt, &mut self.base, task))?;
            let embedded = self.pictures.get(attempt, &self.base, task)?;
            let features = attempt.evaluating(|watch| model.features(&embedded, watch))?;
            attempt.metrics.images(embedded.len() as u64);
            let score = evaluation::accuracy(&features, &head);
            let score = score.map_err(|source| attempt.unscored(task, source))?;
            scores.push(TaskScore {
                task: task.name.clone(),
                n: score.n as u64,
                correct: score.correct as u64,
                hits: BTreeMap::new(),
                right: Some(score.right.into_iter().collect()),
                truncated: 0,
            });
        }
        Ok(scores)
    }

    fn joint(
        &mut self,
        attempt: &mut Attempt<'_>,
        model: &ImageModel,
        digest: Digest,
    ) -> Result<Vec<TaskScore>, JobError> {
        let job = attempt.job;
        let joint = attempt.loading(|attempt| self.heads.joint(attempt, &mut self.base, digest))?;
        let mut scores = Vec::with_capacity(job.meaning.tasks.len());
        for task in &job.meaning.tasks {
            let missing = || JobError::Incomplete(format!("the joint head has no labels of `{}`", task.name));
            let rows = joint.rows_of(&task.name).ok_or_else(missing)?;
            let embedded = self.pictures.get(attempt, &self.base, task)?;
            let features = attempt.evaluating(|watch| model.features(&embedded, watch))?;
            attempt.metrics.images(embedded.len() as u64);
            let score = evaluation::joint_hits(&features, &joint.head, rows);
            let score = score.map_err(|source| attempt.unscored(task, source))?;
            let at = evaluation::HITS.map(|k| k as u32);
            let hits: BTreeMap<u32, u64> = at.into_iter().zip(score.hits.map(|hits| hits as u64)).collect();
            scores.push(TaskScore {
                task: task.name.clone(),
                n: score.n as u64,
                correct: hits[&1],
                hits,
                right: Some(score.ranks.iter().map(|rank| *rank == 0).collect()),
                truncated: 0,
            });
        }
        Ok(scores)
    }
}

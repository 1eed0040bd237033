use super::{
    attempt::{Attempt, Found},
    place,
    recent::Recent,
};
use crate::{JobError, Metrics, metrics::Cache};
use evaluation::Head;
use jobs::{HeadSpec, TaskInput};
use merging::{Adapter, BaseHeader};
use std::sync::Arc;

/// The classifiers of the tasks that the last jobs used.
#[derive(Debug)]
pub(super) struct Classifiers(Recent<Head>);

impl Classifiers {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self(Recent::new(256, Cache::Head, metrics))
    }

    /// The classifier of a task, from a file or from its adapter, which need not take part in the job.
    pub(super) fn get(
        &mut self,
        attempt: &mut Attempt<'_>,
        header: &BaseHeader,
        task: &TaskInput,
    ) -> Result<Arc<Head>, JobError> {
        let incomplete = || JobError::Incomplete(format!("it says nothing of the head of `{}`", task.name));
        let digest = task.head.ok_or_else(incomplete)?;
        self.0.get_or_make(digest, || {
            let wrong = |source| JobError::Head { task: task.name.clone(), source };
            match place(&attempt.job.places.heads, task, "head")? {
                HeadSpec::File(file) => {
                    let located = attempt.inputs.expecting(digest).file(file)?;
                    let Found { path, files } = attempt.checked(file, located, digest)?;
                    attempt.read(&files, || Head::read(&path).map_err(wrong))
                }
                HeadSpec::Adapter(reference) => {
                    let located = attempt.inputs.expecting(digest).adapter(reference)?;
                    let Found { path, files } = attempt.checked(reference, located, digest)?;
                    let adapter = attempt.read(&files, || {
                        Adapter::read(&task.name, &path, header)
                            .map_err(|source| JobError::Adapter { task: task.name.clone(), source })
                    })?;
                    let head = adapter.head.ok_or_else(|| JobError::NoHead { task: task.name.clone() })?;
                    let [classes, width] = head.shape();
                    Head::new(head.data().to_vec(), classes, width).map_err(wrong)
                }
                HeadSpec::Prompts { .. } => Err(JobError::Incomplete(format!(
                    "the head of `{}` is made of class names, which a language model cannot do",
                    task.name
                ))),
            }
        })
    }
}

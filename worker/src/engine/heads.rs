use super::{
    attempt::{Attempt, CheckedInput, EvaluateJob},
    place,
    recent::Recent,
};
use crate::{JobError, Metrics, metrics::Cache};
use evaluation::{Head, JointHead, JointPrompts, ModelFamily, TextModel};
use jobs::{Digest, HeadSpec, JointHeadSpec, TaskInput};
use merging::{Adapter, BaseHeader};
use std::sync::Arc;

/// Heads that the last jobs used. They are small: all tasks of a large sweep fit.
#[derive(Debug)]
pub(super) struct Heads {
    tasks: Recent<Head>,
    joint: Recent<JointHead>,
}

impl Heads {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { tasks: Recent::new(256, Cache::Head, metrics), joint: Recent::new(4, Cache::Head, metrics) }
    }

    /// The head of one task: from a file, from its adapter (which need not take part in the job), or made from class
    /// names.
    pub(super) fn of_task<F: ModelFamily>(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &mut F,
        header: &BaseHeader,
        task: &TaskInput,
    ) -> Result<Arc<Head>, JobError> {
        let incomplete = || JobError::Incomplete(format!("it names no head of `{}`", task.name));
        let digest = task.head.ok_or_else(incomplete)?;
        self.tasks.get_or_make(digest, || {
            let wrong = |source| JobError::Head { task: task.name.clone(), source };
            match place(&attempt.job.places.heads, task, "head")? {
                HeadSpec::File(file) => {
                    let located = attempt.inputs.expecting(digest).file(file)?;
                    let CheckedInput { path, files } = attempt.checked(file, located, digest)?;
                    attempt.read(&files, || Head::read(&path).map_err(wrong))
                }
                HeadSpec::Adapter(_) if !F::TAKES_ADAPTER_HEADS => Err(JobError::Incomplete(format!(
                    "the head of `{}` is part of its adapter, and a model that reads {} takes no head from an adapter",
                    task.name,
                    F::READS.name()
                ))),
                HeadSpec::Adapter(reference) => {
                    let CheckedInput { path, files } = attempt.adapter(reference, digest)?;
                    let adapter = attempt.read(&files, || {
                        Adapter::read(&task.name, &path, header)
                            .map_err(|source| JobError::Adapter { task: task.name.clone(), source })
                    })?;
                    let head = adapter.head.ok_or_else(|| JobError::NoHead { task: task.name.clone() })?;
                    let [classes, width] = head.shape();
                    Head::new(head.data().to_vec(), classes, width).map_err(wrong)
                }
                HeadSpec::Prompts { classes, templates } => {
                    let text = text_tower(base, &task.name)?;
                    if HeadSpec::prompts_digest(classes, templates) != digest {
                        return Err(other_prompts(&task.name));
                    }
                    let head = Head::from_prompts(text, &evaluation::prompts(classes, templates));
                    head.and_then(|head| head.named(classes)).map_err(wrong)
                }
            }
        })
    }

    /// The head over the labels of all tasks, read or built at first use.
    pub(super) fn joint<F: ModelFamily>(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &mut F,
        digest: Digest,
    ) -> Result<Arc<JointHead>, JobError> {
        let job = attempt.job;
        // The job carries the class names and templates. Other texts under the same digest are another head.
        let texts = job.places.joint.is_none().then_some(&job.places.heads);
        self.joint.get_or_make(Digest::of_json(&(digest, texts)), || {
            let wrong = |source| JobError::Head { task: "joint".to_owned(), source };
            let Some(files) = &job.places.joint else {
                check_joint_prompts(job, digest)?;
                // The head covers the labels of all tasks, also if only one of them is evaluated.
                let pooled =
                    JointPrompts::pool(&job.places.heads).map_err(|error| JobError::Incomplete(error.to_string()))?;
                let head = Head::from_prompts(text_tower(base, "all tasks")?, &pooled.prompts);
                let head = head.and_then(|head| head.named(&pooled.names)).map_err(wrong)?;
                return Ok(JointHead::new(head, pooled.map));
            };
            let head = attempt.inputs.file(&files.head)?;
            let map = attempt.inputs.file(&files.map)?;
            attempt.unchanged(&files.head, JointHeadSpec::digest(head.digest, map.digest), digest)?;
            attempt.note_commit(&files.head, head.commit);
            let mut in_use = head.files_in_use;
            in_use.extend(&map.files_in_use);
            attempt.read(&in_use, || Ok(JointHead::read(Head::read(&head.path).map_err(wrong)?, &map.path)?))
        })
    }
}

/// Fails if a joint head would be made from other texts than those whose digest the job names.
///
/// The digest depends on the order of the tasks. Only a job that evaluates all tasks contains that order.
fn check_joint_prompts(job: EvaluateJob<'_>, digest: Digest) -> Result<(), JobError> {
    let tasks = &job.meaning.tasks;
    let heads = &job.places.heads;
    if tasks.len() != heads.len() {
        return Ok(());
    }
    let texts: Vec<_> = tasks.iter().map(|task| (&task.name, heads.get(&task.name))).collect();
    if Digest::of_json(&texts) == digest { Ok(()) } else { Err(other_prompts("all tasks")) }
}

/// The text tower of a base, for the head of `task`.
fn text_tower<'a, F: ModelFamily>(base: &'a mut F, task: &str) -> Result<&'a TextModel, JobError> {
    base.text_tower()?.ok_or_else(|| {
        JobError::Incomplete(format!(
            "the head of `{task}` needs class names, and a model that reads {} cannot embed them",
            F::READS.name()
        ))
    })
}

fn other_prompts(task: &str) -> JobError {
    JobError::Incomplete(format!("the class names and templates of `{task}` have another digest than the job names"))
}

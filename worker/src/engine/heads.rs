use super::{
    attempt::{Attempt, Evaluated, Found},
    base::ImageBase,
    joint::{self, JointHead},
    place,
    recent::Recent,
};
use crate::{JobError, Metrics, metrics::Cache};
use evaluation::Head;
use jobs::{Digest, HeadSpec, JointHeadSpec, TaskInput};
use std::sync::Arc;

/// Class vectors that the last jobs used. They are small: all tasks of a large sweep fit.
#[derive(Debug)]
pub(super) struct Heads {
    tasks: Recent<Head>,
    joint: Recent<JointHead>,
}

impl Heads {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { tasks: Recent::new(256, Cache::Head, metrics), joint: Recent::new(4, Cache::Head, metrics) }
    }

    /// The head of one task, read or built at first use.
    pub(super) fn of_task(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &mut ImageBase,
        task: &TaskInput,
    ) -> Result<Arc<Head>, JobError> {
        let incomplete = || JobError::Incomplete(format!("it says nothing of the head of `{}`", task.name));
        let digest = task.head.ok_or_else(incomplete)?;
        self.tasks.get_or_make(digest, || {
            let wrong = |source| JobError::Head { task: task.name.clone(), source };
            match place(&attempt.job.places.heads, task, "head")? {
                HeadSpec::File(file) => {
                    let located = attempt.inputs.expecting(digest).file(file)?;
                    let Found { path, files } = attempt.checked(file, located, digest)?;
                    attempt.read(&files, || Head::read(&path).map_err(wrong))
                }
                HeadSpec::Adapter(_) => Err(JobError::Incomplete(format!(
                    "the head of `{}` is its adapter's, which a model of pictures does not take",
                    task.name
                ))),
                HeadSpec::Prompts { classes, templates } => {
                    if HeadSpec::prompts_digest(classes, templates) != digest {
                        return Err(other_prompts(&task.name));
                    }
                    let head = Head::from_prompts(base.text()?, &evaluation::prompts(classes, templates));
                    head.and_then(|head| head.named(classes)).map_err(wrong)
                }
            }
        })
    }

    /// The head over the labels of all tasks, read or built at first use.
    pub(super) fn joint(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &mut ImageBase,
        digest: Digest,
    ) -> Result<Arc<JointHead>, JobError> {
        let job = attempt.job;
        // Texts travel with the job: others under the same digest are another head.
        let texts = job.places.joint.is_none().then_some(&job.places.heads);
        self.joint.get_or_make(Digest::of_json(&(digest, texts)), || {
            let wrong = |source| JobError::Head { task: "joint".to_owned(), source };
            let Some(files) = &job.places.joint else {
                check_joint_prompts(job, digest)?;
                // The head is over the labels of all tasks, also where only one of them is evaluated.
                let pooled = joint::pool(&job.places.heads)?;
                let head = Head::from_prompts(base.text()?, &pooled.prompts);
                let head = head.and_then(|head| head.named(&pooled.names)).map_err(wrong)?;
                return Ok(JointHead::new(head, pooled.map));
            };
            let (head, map) = (attempt.inputs.file(&files.head)?, attempt.inputs.file(&files.map)?);
            attempt.unchanged(&files.head, JointHeadSpec::digest(head.digest, map.digest), digest)?;
            attempt.note_commit(&files.head, head.commit);
            let mut in_use = head.files_in_use;
            in_use.extend(&map.files_in_use);
            attempt.read(&in_use, || JointHead::read(Head::read(&head.path).map_err(wrong)?, &map.path))
        })
    }
}

/// Fails if a joint head would be made of other texts than the job names by digest. That goes by the order of the
/// tasks, which a job tells that evaluates all of them.
fn check_joint_prompts(job: Evaluated<'_>, digest: Digest) -> Result<(), JobError> {
    let tasks = &job.meaning.tasks;
    let heads = &job.places.heads;
    if tasks.len() != heads.len() {
        return Ok(());
    }
    let texts: Vec<_> = tasks.iter().map(|task| (&task.name, heads.get(&task.name))).collect();
    if Digest::of_json(&texts) == digest { Ok(()) } else { Err(other_prompts("all tasks")) }
}

fn other_prompts(of: &str) -> JobError {
    JobError::Incomplete(format!("the class names and templates of `{of}` are not those that it was made for"))
}

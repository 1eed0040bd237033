use crate::{
    Answer, CoordinatorError, Course, Frozen, Step, Wanted,
    lookup::{Found, look_up},
};
use jobs::JobId;
use store::Store;

/// How much of a sweep is done, without publishing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// The most jobs that the sweep may need. Jobs that several parts share are counted for each.
    pub bound: u64,
    /// The jobs that are wanted so far and have a result.
    pub stored: u64,
    /// The jobs that are wanted so far and failed for good.
    pub failed: u64,
    /// The jobs that would be published at once. A search that depends on them may want more afterwards.
    pub missing: u64,
}

/// Jobs that are looked up at a time.
const BATCH: usize = 256;

/// Goes through the sweep as far as the store's answers lead.
///
/// `retry_failed` counts what failed before as missing, as a run with the same setting does.
///
/// # Errors
/// As [`Course::new`] and [`Course::next`]; the store cannot be read.
pub async fn survey(frozen: &Frozen, store: &Store, retry_failed: bool) -> Result<Survey, CoordinatorError> {
    let mut course = Course::new(frozen.clone())?;
    let mut survey = Survey { bound: course.bound(), ..Survey::default() };
    while let Step::Run(wanted) = course.next(BATCH)? {
        let ids: Vec<JobId> = wanted.iter().map(|wanted| wanted.id).collect();
        for (Wanted { id, .. }, found) in wanted.iter().zip(look_up(store, &ids).await?) {
            match found {
                Found::Result(result) => {
                    course.record(*id, Answer::Result(&result))?;
                    survey.stored += 1;
                }
                Found::Failed(errors) if !retry_failed => {
                    course.record(*id, Answer::Failed(&errors))?;
                    survey.failed += 1;
                }
                Found::Failed(_) | Found::Nothing => survey.missing += 1,
            }
        }
    }
    Ok(survey)
}

use crate::{CoordinatorError, Course, Recall, judge::Judge};
use store::{PartResults, Revision, Store, StoreError};

/// Takes in what the parts of `revision` hold, and says how many jobs that were.
///
/// A part that is broken is skipped: its results have objects of their own.
///
/// A result that contradicts most others is skipped as well: the object of its own is asked then.
pub(crate) async fn recall_parts(
    store: &Store,
    revision: Revision<'_>,
    course: &mut Course,
    judge: &mut Judge<'_>,
) -> Result<u64, CoordinatorError> {
    let mut recalled = 0;
    let parts = store.parts(revision).await?;
    // The accuracy of an adapter, which others are measured by, may lie in a later part: twice is enough.
    for _ in 0..2 {
        let mut is_complete = true;
        for number in &parts {
            match store.part_results(revision, *number).await {
                Ok(Some(part)) => is_complete &= recall_part(part, course, judge, &mut recalled).await?,
                Ok(None) => {}
                Err(error) => skip(error)?,
            }
        }
        if is_complete {
            break;
        }
    }
    Ok(recalled)
}

/// Takes in the results of one part; `false` if some came too early.
async fn recall_part(
    mut part: PartResults,
    course: &mut Course,
    judge: &mut Judge<'_>,
    recalled: &mut u64,
) -> Result<bool, StoreError> {
    let mut is_complete = true;
    loop {
        let page = match part.next_page().await {
            Ok(None) => return Ok(is_complete),
            Ok(Some(page)) => page,
            Err(error) => {
                skip(error)?;
                continue;
            }
        };
        for result in page {
            match result.and_then(|result| judge.sound(&result).map(|()| (course.recall(&result), result))) {
                Ok((Recall::New, result)) => {
                    judge.count(&result);
                    *recalled += 1;
                }
                Ok((Recall::Known | Recall::Other, _)) => {}
                Ok((Recall::TooEarly, _)) => is_complete = false,
                Err(error) => skip(error)?,
            }
        }
    }
}

/// What is broken is told and skipped; a store out of reach is not.
fn skip(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Backend(_) => Err(error),
        error => {
            tracing::warn!(%error, "skipped a compacted result");
            Ok(())
        }
    }
}

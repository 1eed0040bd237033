use crate::{CoordinatorError, Loaded, SweepPlan, consistency::ConsistencyCheck};
use store::{PartResults, Revision, Store, StoreError};

/// Loads the results in the compacted parts of `revision` into the plan. Returns their number.
///
/// A corrupt part is skipped, since its results exist as single objects too. A result that contradicts most others is
/// skipped as well; its single object is read later.
pub(crate) async fn load_parts(
    store: &Store,
    revision: Revision<'_>,
    plan: &mut SweepPlan,
    check: &mut ConsistencyCheck<'_>,
) -> Result<u64, CoordinatorError> {
    let mut loaded = 0;
    let parts = store.parts(revision).await?;
    // A value may depend on the accuracy of an adapter in a later part. The second pass knows all accuracies.
    for _ in 0..2 {
        let mut is_complete = true;
        for number in &parts {
            match store.part_results(revision, *number).await {
                Ok(Some(part)) => {
                    let of_part = load_part(part, plan, check).await?;
                    loaded += of_part.new;
                    is_complete &= of_part.is_complete;
                }
                Ok(None) => {}
                Err(error) => skip(error)?,
            }
        }
        if is_complete {
            break;
        }
    }
    Ok(loaded)
}

/// What was loaded from one part.
struct LoadedPart {
    /// The number of results that are new to the plan, without slices.
    new: u64,
    /// No result was too early.
    is_complete: bool,
}

async fn load_part(
    mut part: PartResults,
    plan: &mut SweepPlan,
    check: &mut ConsistencyCheck<'_>,
) -> Result<LoadedPart, StoreError> {
    let mut loaded = LoadedPart { new: 0, is_complete: true };
    loop {
        let page = match part.next_page().await {
            Ok(None) => return Ok(loaded),
            Ok(Some(page)) => page,
            Err(error) => {
                skip(error)?;
                continue;
            }
        };
        for result in page {
            let checked = result.and_then(|result| check.check(&result).map(|()| result));
            let result = match checked {
                Ok(result) => result,
                Err(error) => {
                    skip(error)?;
                    continue;
                }
            };
            match plan.load(&result) {
                Loaded::New => {
                    check.accept(&result);
                    loaded.new += u64::from(result.meaning.slice.is_none());
                }
                Loaded::Known | Loaded::OtherInputs => {}
                Loaded::TooEarly => loaded.is_complete = false,
            }
        }
    }
}

/// Logs and skips a corrupt object. An unreachable store is an error.
fn skip(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Backend(_) => Err(error),
        error => {
            tracing::warn!(%error, "skipped a compacted result");
            Ok(())
        }
    }
}

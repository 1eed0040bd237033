use crate::{CoordinatorError, Ended};

/// The documents with which a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FinalDocuments {
    /// How the run ended, for the progress document.
    pub(super) ended: String,
    /// Workers must drop the remaining jobs: no run waits for them.
    pub(super) drops_jobs: bool,
    /// The sweep is removed from the list of its pool.
    pub(super) leaves_pool: bool,
}

/// The documents of a run that ended so and has `failed` failed jobs; `None` if the documents belong to another run.
pub(super) fn final_documents(ended: &Result<Ended, CoordinatorError>, failed: u64) -> Option<FinalDocuments> {
    let documents =
        |ended: &str, drops_jobs, leaves_pool| FinalDocuments { ended: ended.to_owned(), drops_jobs, leaves_pool };
    Some(match ended {
        Ok(Ended::Finished(_)) if failed > 0 => documents("finished with failures", false, true),
        Ok(Ended::Finished(_)) => documents("finished", false, true),
        Ok(Ended::Cancelled) => documents("cancelled", false, true),
        Ok(Ended::TooManyFailures { .. }) => documents("too many failures", true, true),
        Ok(Ended::Stopped(reason)) => documents(&format!("stopped: {reason}"), true, true),
        // Workers compute what is left in the queue, and the next run finds the results.
        Ok(Ended::Interrupted) => documents("interrupted", false, false),
        Err(
            CoordinatorError::OtherSweep { .. }
            | CoordinatorError::Superseded { .. }
            | CoordinatorError::Removed { .. }
            | CoordinatorError::Manifest(_)
            | CoordinatorError::Cancelled { .. },
        ) => return None,
        Err(
            error @ (CoordinatorError::Strategy(_)
            | CoordinatorError::Baseline { .. }
            | CoordinatorError::Denominator { .. }
            | CoordinatorError::ZeroDenominator { .. }
            | CoordinatorError::Statistics { .. }
            | CoordinatorError::Training { .. }
            | CoordinatorError::Metric { .. }
            | CoordinatorError::Queue(_)
            | CoordinatorError::Store(_)),
        ) => documents(&jobs::error_chain(error), false, false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StopReason;

    #[test]
    fn workers_drop_the_jobs_of_a_run_that_stopped_by_itself_and_keep_those_of_an_interrupted_one() {
        let stopped =
            final_documents(&Ok(Ended::Stopped(StopReason::Time(std::time::Duration::from_secs(5)))), 0).unwrap();
        assert_eq!(stopped.ended, "stopped: the run has used its time limit of 5 s");
        assert!(stopped.drops_jobs && stopped.leaves_pool);
        let interrupted = final_documents(&Ok(Ended::Interrupted), 0).unwrap();
        assert!(!interrupted.drops_jobs && !interrupted.leaves_pool);
    }

    #[test]
    fn an_error_is_recorded_with_its_causes_and_keeps_the_sweep_in_its_pool() {
        let source = jobs::RecipeSpec { density: Some(7.0), ..jobs::RecipeSpec::default() }.resolve().unwrap_err();
        let cause = source.to_string();
        let ended = final_documents(&Err(CoordinatorError::Baseline { name: "sum".to_owned(), source }), 0).unwrap();
        assert_eq!(ended.ended, format!("the baseline `sum` does not describe a merge: {cause}"));
        assert!(!ended.drops_jobs && !ended.leaves_pool);
    }

    #[test]
    fn a_superseded_run_writes_nothing() {
        let error = CoordinatorError::Superseded { sweep: "small".to_owned(), revision: 1, newest: 2 };
        assert_eq!(final_documents(&Err(error), 0), None);
    }
}

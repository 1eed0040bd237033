//! Takes a job, merges, evaluates, stores the result, acknowledges.

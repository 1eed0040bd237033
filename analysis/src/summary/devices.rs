use crate::Results;
use jobs::{JobResult, Outcome, Precision};

/// Tells if results in 16 bits come from processors and from GPUs: these round in different places.
pub(super) fn mixed_devices(outcome: &Outcome, results: &Results) -> Option<String> {
    let jobs = outcome.rows.iter().flat_map(|row| row.jobs.values().flatten());
    let rounded: Vec<&JobResult> = jobs
        .filter_map(|job| results.found.get(job))
        .filter(|result| match result.meaning.precision {
            Precision::F32 => false,
            Precision::Bf16 | Precision::F16 => true,
        })
        .collect();
    let on_processor = rounded.iter().filter(|result| result.run.device.starts_with("cpu")).count();
    let on_gpu = rounded.len() - on_processor;
    (on_processor > 0 && on_gpu > 0).then(|| {
        format!(
            "{on_processor} results in 16 bits come from processors and {on_gpu} from GPUs, which round in different places: answers near a \
             tie may differ"
        )
    })
}

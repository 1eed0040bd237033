//! Results of devices that round in different places, or sum in different orders.

use crate::Results;
use jobs::{JobResult, Outcome, Precision};
use std::collections::BTreeMap;

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

/// Tells if results come from processors whose instructions sum in different orders. Results of programs that did not name them are left out.
pub(super) fn mixed_instructions(outcome: &Outcome, results: &Results) -> Option<String> {
    let jobs = outcome.rows.iter().flat_map(|row| row.jobs.values().flatten());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for result in jobs.filter_map(|job| results.found.get(job)) {
        if let Some(instructions) = deciding_instructions(result) {
            *counts.entry(instructions).or_default() += 1;
        }
    }
    let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{count} of {name}")).collect();
    (counts.len() > 1).then(|| {
        format!(
            "the results come from processors with different instructions ({}), whose sums differ in the last bits: answers near a tie may \
             differ",
            counted.join(", ")
        )
    })
}

/// The instructions of the processor that a result names, as in `cpu (2 threads, avx512)`, as far as its numbers depend on them.
fn deciding_instructions(result: &JobResult) -> Option<&str> {
    let of_processor = result.run.device.strip_prefix("cpu (")?.strip_suffix(')')?;
    let (_, instructions) = of_processor.split_once(", ")?;
    Some(match (instructions, result.meaning.precision) {
        // The instruction is for products in `bf16`.
        ("avx512-bf16", Precision::F32 | Precision::F16) => "avx512",
        (instructions, Precision::F32 | Precision::Bf16 | Precision::F16) => instructions,
    })
}

use jobs::{
    AdapterInput, BenchmarkInput, Digest, EVALUATION_SEMANTICS, JobResult, Meaning, MergeFacts, Precision, Preset,
    RunFacts, Subject, TaskInput, TaskScore, Timings,
};
use std::collections::BTreeMap;

/// The tasks of the made-up sweep.
const TASKS: u32 = 8;

/// Made-up results of as many different jobs, of the size of real ones: merges of eight adapters on eight tasks.
pub fn results(count: u32) -> Vec<JobResult> {
    (0..count).map(result).collect()
}

fn result(number: u32) -> JobResult {
    let meaning = meaning(number);
    let score = |task: u32| TaskScore {
        task: format!("task-{task}"),
        n: 1000,
        correct: u64::from((number * 31 + task * 7) % 1000),
        hits: BTreeMap::new(),
        right: None,
        truncated: 0,
        within: BTreeMap::new(),
        mean: None,
    };
    JobResult {
        job: meaning.id(),
        meaning,
        scores: (0..TASKS).map(score).collect(),
        merge: Some(MergeFacts {
            matrices: 48,
            rank: Some(128),
            smallest_gap: Some(0.01),
            lost_energy: None,
            condition: None,
            residual: None,
        }),
        timings: Timings { load_s: 0.0, align_s: 0.5, merge_s: 0.25, evaluate_s: 12.5 },
        run: RunFacts {
            worker: format!("worker-{}", number % 8),
            attempt: 1,
            device: "cpu (2 threads)".to_owned(),
            versions: BTreeMap::from([("bowline".to_owned(), "0.1.0".to_owned())]),
            commits: BTreeMap::new(),
            finished_ms: 1_700_000_000_000 + u64::from(number),
        },
    }
}

fn meaning(number: u32) -> Meaning {
    let digest = |what: &str, task: u32| Digest::of(format!("{what} {task}").as_bytes());
    let name = |task: u32| format!("task-{task}");
    Meaning {
        evaluation: EVALUATION_SEMANTICS,
        // Stands for whatever differs between the jobs of a sweep.
        base: Digest::of(&number.to_le_bytes()),
        subject: Subject::Merge { recipe: Box::new(Preset::KnotsTies.recipe()) },
        adapters: (0..TASKS).map(|task| AdapterInput { task: name(task), digest: digest("adapter", task) }).collect(),
        tasks: (0..TASKS)
            .map(|task| TaskInput { name: name(task), data: digest("data", task), head: Some(digest("head", task)) })
            .collect(),
        benchmark: BenchmarkInput::PerTask,
        split: "validation".to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
    }
}

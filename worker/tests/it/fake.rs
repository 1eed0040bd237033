use async_trait::async_trait;
use jobs::{
    BenchmarkInput, Digest, InputLocations, InputRef, Job, Meaning, Precision, Preset, Subject, TaskInput, TaskScore,
    Timings,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};
use worker::{AttemptContext, Compute, Computed, JobError, Output, Scores};

/// What the fake does with the next job.
#[derive(Debug)]
pub(crate) enum Next {
    Succeed,
    Fail(JobError),
    /// Say that more was right than there is.
    Exaggerate,
    WaitForStop,
    /// Succeed after so long, unless stopped before.
    Take(std::time::Duration),
    /// Read inputs for so long, and then compute for so long, unless stopped before.
    Load(std::time::Duration, std::time::Duration),
    /// Never end, whatever is asked.
    Hang,
}

/// Computes given results, and counts calls.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    script: Mutex<VecDeque<Next>>,
    computed: Mutex<usize>,
}

impl Fake {
    pub(crate) fn new(script: impl IntoIterator<Item = Next>) -> Self {
        Self { script: Mutex::new(script.into_iter().collect()), computed: Mutex::default() }
    }

    pub(crate) fn computed(&self) -> usize {
        *self.computed.lock().unwrap()
    }
}

#[async_trait]
impl Compute for Fake {
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        *self.computed.lock().unwrap() += 1;
        let next = self.script.lock().unwrap().pop_front().unwrap_or(Next::Succeed);
        match next {
            Next::Succeed => Ok(computed(job)),
            Next::Fail(error) => Err(error),
            Next::Exaggerate => {
                let mut computed = computed(job);
                if let Output::Scores(output) = &mut computed.output {
                    output.scores[0].correct = 1000;
                }
                Ok(computed)
            }
            Next::WaitForStop => {
                while !context.cancellation.is_cancelled() {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                Err(JobError::Interrupted)
            }
            Next::Take(time) => tokio::select! {
                () = tokio::time::sleep(time) => Ok(computed(job)),
                () = context.cancellation.cancelled() => Err(JobError::Interrupted),
            },
            Next::Load(load, compute) => {
                let done = async {
                    let loading = context.loading();
                    tokio::time::sleep(load).await;
                    drop(loading);
                    tokio::time::sleep(compute).await;
                };
                tokio::select! {
                    () = done => Ok(computed(job)),
                    () = context.cancellation.cancelled() => Err(JobError::Interrupted),
                }
            }
            Next::Hang => std::future::pending().await,
        }
    }

    fn device(&self) -> String {
        "fake".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

pub(crate) fn computed(job: &Job) -> Computed {
    let score = |task: &TaskInput| TaskScore {
        task: task.name.clone(),
        n: 10,
        correct: 7,
        hits: BTreeMap::new(),
        right: None,
        truncated: 0,
        within: BTreeMap::new(),
        mean: None,
    };
    let meaning = job.spec().as_evaluation().unwrap();
    let scores = Scores { scores: meaning.tasks.iter().map(score).collect(), merge: None };
    Computed { output: Output::Scores(scores), timings: Timings::default(), commits: BTreeMap::new() }
}

pub(crate) fn job(scaling: f64) -> Job {
    let recipe = Preset::KnotsTies.recipe().with_scaling(scaling);
    let task = TaskInput { name: "mnist".to_owned(), data: Digest::of(b"data"), head: None };
    let meaning = Meaning {
        evaluation: jobs::EVALUATION_SEMANTICS,
        base: Digest::of(b"base"),
        subject: Subject::Merge { recipe: Box::new(recipe) },
        adapters: Vec::new(),
        tasks: vec![task],
        benchmark: BenchmarkInput::PerTask,
        split: "validation".to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
    };
    let places = InputLocations {
        base: InputRef::Path("/base".into()),
        adapters: BTreeMap::new(),
        data: BTreeMap::new(),
        heads: BTreeMap::new(),
        joint: None,
        slices: Vec::new(),
        command: None,
    };
    Job::new(meaning, places)
}

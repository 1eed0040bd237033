//! Jobs of the examples in sessions on a device that is the processor.

use super::super::FamilySession;
use crate::{
    AttemptContext, JobError, Metrics,
    engine::{
        attempt::{Attempt, EvaluateJob},
        heads::Heads,
        merges::Merges,
        session::JobSession,
        splits::{HeldSplits, SplitBudget, Splits},
    },
};
use evaluation::{ClipBase, DecoderBase, DeviceChoice, ModelFamily, TransferCounts};
use inputs::Inputs;
use jobs::{Digest, InputLocations, Meaning, Precision, Subject, Sweep, TaskScore};
use merging::BaseHeader;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The numbers of a token's embedding in the example of texts.
pub(super) const TEXT_WIDTH: u64 = 128;

/// The format in which the processor runs images by the code of other devices.
const COMPOSED: Precision = Precision::F16;

/// A sweep, and what its jobs count.
pub(super) struct Bench {
    folder: PathBuf,
    inputs: Inputs,
    pub(super) frozen: coordinator::Frozen,
    metrics: Metrics,
}

impl Bench {
    /// The first tasks of the example of images.
    pub(super) fn of_images(tasks: usize) -> Self {
        let folder = examples().join("mini8");
        let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
        Self::new(folder, &text, tasks)
    }

    /// The first tasks of the example of texts, with a few texts of each.
    pub(super) fn of_texts(tasks: usize) -> Self {
        let mut text = "name: texts\nbase: base\ntasks:\n".to_owned();
        for task in ["snli", "sick"] {
            text += &format!(
                "  - {{name: {task}, adapter: adapters/{task}, data: {{source: data/{task}, convention: {task}, splits: {{tuning: {{from: \
                 validation, share: [0.0, 0.05]}}, select: {{from: validation, share: [0.05, 0.1]}}, report: {{from: validation, share: [0.1, \
                 0.2]}}}}}}}}\n"
            );
        }
        text += "evaluation: {select: select, report: report}\nlearned: [{split: tuning, objective: agreement, per: task, steps: 1}]\n";
        Self::new(examples().join("nli6"), &text, tasks)
    }

    /// All tasks of the example of texts, as its sweep has them.
    pub(super) fn of_nli6() -> Self {
        let folder = examples().join("nli6");
        let text = fs::read_to_string(folder.join("task-arithmetic.yaml")).unwrap();
        Self::new(folder, &text, usize::MAX)
    }

    /// The folder of the base.
    pub(super) fn base(&self) -> PathBuf {
        self.folder.join("base")
    }

    fn new(folder: PathBuf, text: &str, tasks: usize) -> Self {
        let inputs = Inputs::new(inputs::Settings::default());
        let mut sweep = Sweep::from_yaml(text, &folder, &[]).unwrap();
        sweep.tasks.truncate(tasks);
        let frozen = coordinator::freeze(sweep, &inputs).unwrap();
        Self { folder, inputs, frozen, metrics: Metrics::default() }
    }

    pub(super) fn splits_read_ahead(&self) -> u64 {
        self.metrics.splits_read_ahead()
    }

    /// A session of a base in the sweep's folder, with so many bytes for data.
    pub(super) fn session<F: ModelFamily>(&self, base: F, budget: SplitBudget) -> FamilySession<F> {
        let folder = self.base();
        FamilySession {
            base,
            header: BaseHeader::open(&folder).unwrap(),
            merges: Merges::with_capacity(F::KEPT_MERGES, &self.metrics),
            splits: Splits::new(budget, HeldSplits::default(), Digest::of(b"session"), None),
            heads: Heads::new(&self.metrics),
            sites: F::configuration(&folder).unwrap().input_sites(),
            configuration: F::configuration(&folder).unwrap(),
            free: None,
        }
    }

    /// What a session makes of an attempt at a job with this meaning.
    pub(super) fn attempt<T>(
        &self,
        meaning: &Meaning,
        places: &InputLocations,
        work: impl FnOnce(&mut Attempt<'_>) -> T + Send,
    ) -> T
    where
        T: Send,
    {
        let context = AttemptContext::default();
        let job = EvaluateJob { meaning, places };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| work(&mut Attempt::new(job, &self.inputs, &context, &self.metrics)))
    }

    /// A job that evaluates the base on the split that selects.
    pub(super) fn job(&self) -> EvaluatedBase {
        let meaning = self.frozen.meaning(Subject::Base, &self.frozen.sweep().evaluation.select);
        let places = self.frozen.job(meaning.clone()).places;
        EvaluatedBase { meaning, places }
    }

    /// The scores of the base.
    pub(super) fn scores<F: ModelFamily>(&self, session: &mut FamilySession<F>) -> Vec<TaskScore> {
        self.job().scores(self, session).unwrap()
    }
}

/// A job that evaluates the base.
pub(super) struct EvaluatedBase {
    pub(super) meaning: Meaning,
    pub(super) places: InputLocations,
}

impl EvaluatedBase {
    pub(super) fn scores<F: ModelFamily>(
        &self,
        bench: &Bench,
        session: &mut FamilySession<F>,
    ) -> Result<Vec<TaskScore>, JobError> {
        Ok(bench.attempt(&self.meaning, &self.places, |attempt| session.compute(attempt))?.0)
    }
}

/// What the device was sent and sent back while something was done with a session.
pub(super) fn counted<F: ModelFamily>(
    session: &mut FamilySession<F>,
    work: impl FnOnce(&mut FamilySession<F>),
) -> TransferCounts {
    let before = session.transfers();
    work(session);
    session.transfers().since(before)
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").canonicalize().unwrap()
}

/// A session of images, whose data lie on a device if that has memory of its own.
pub(super) fn images(bench: &Bench, host_bytes: u64, device_bytes: Option<u64>) -> FamilySession<ClipBase> {
    let base = ClipBase::open(&bench.base(), DeviceChoice::Cpu, COMPOSED).unwrap();
    bench.session(base, SplitBudget { host_bytes, device_bytes })
}

/// A session of texts whose data lie on a device.
pub(super) fn texts(bench: &Bench, device_bytes: u64) -> FamilySession<DecoderBase> {
    let base = DecoderBase::open_composed(&bench.base(), Precision::F32).unwrap();
    bench.session(base, SplitBudget { host_bytes: 1 << 30, device_bytes: Some(device_bytes) })
}

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
use evaluation::{ClipBase, DeviceChoice, ModelFamily};
use inputs::Inputs;
use jobs::{Digest, InputLocations, Meaning, Precision, Subject, Sweep, TaskScore};
use merging::BaseHeader;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folder and sweep of the images.
pub(super) const MINI8: [&str; 2] = ["mini8", "knots-ties.yaml"];

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
    /// The first tasks of an example.
    pub(super) fn new([folder, sweep]: [&str; 2], tasks: usize) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(folder).canonicalize().unwrap();
        let inputs = Inputs::new(inputs::Settings::default());
        let text = fs::read_to_string(folder.join(sweep)).unwrap();
        let mut sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
        sweep.tasks.truncate(tasks);
        let frozen = coordinator::freeze(sweep, &inputs).unwrap();
        Self { folder, inputs, frozen, metrics: Metrics::default() }
    }

    pub(super) fn splits_read_ahead(&self) -> u64 {
        self.metrics.splits_read_ahead()
    }

    /// A session of a base in the sweep's folder, with so many bytes for data.
    pub(super) fn session<F: ModelFamily>(&self, base: F, budget: SplitBudget) -> FamilySession<F> {
        let folder = self.folder.join("base");
        FamilySession {
            base,
            header: BaseHeader::open(&folder).unwrap(),
            merges: Merges::with_capacity(F::KEPT_MERGES, &self.metrics),
            splits: Splits::new(budget, HeldSplits::default(), Digest::of(b"session"), None),
            heads: Heads::new(&self.metrics),
            sites: F::configuration(&folder).unwrap().input_sites(),
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

    /// The scores of a model on the validation split.
    pub(super) fn scores<F: ModelFamily>(&self, session: &mut FamilySession<F>, subject: Subject) -> Vec<TaskScore> {
        prepared(self, session, subject, |_| ()).unwrap()
    }
}

/// The same, with other places of the inputs.
pub(super) fn prepared<F: ModelFamily>(
    bench: &Bench,
    session: &mut FamilySession<F>,
    subject: Subject,
    change: impl FnOnce(&mut InputLocations),
) -> Result<Vec<TaskScore>, JobError> {
    let meaning = bench.frozen.meaning(subject, "validation");
    let mut places = bench.frozen.job(meaning.clone()).places;
    change(&mut places);
    Ok(bench.attempt(&meaning, &places, |attempt| session.compute(attempt))?.0)
}

/// A session of images, whose data lie on a device if that has memory of its own.
pub(super) fn images(bench: &Bench, host_bytes: u64, device_bytes: Option<u64>) -> FamilySession<ClipBase> {
    let base = ClipBase::open(&bench.folder.join("base"), DeviceChoice::Cpu, COMPOSED).unwrap();
    bench.session(base, SplitBudget { host_bytes, device_bytes })
}

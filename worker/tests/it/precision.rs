//! Images in 16 bits, with what goes to the device and comes back.

use evaluation::TransferCounts;
use inputs::Inputs;
use jobs::{Precision, RecipeSpec, Subject, Sweep, TaskScore};
use merging::{Adapter, Aligned, BaseHeader};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use worker::{AttemptContext, Engine, EngineSettings};

/// By how much the right answers of a task may differ in number from those in `f32`.
const MOST: u64 = 3;

/// The most images of a task that may be right in 16 bits and wrong in `f32`, or the other way round: what was measured.
const MOST_IMAGES: usize = 5;

/// The format in which the processor runs the code of other devices, and counts what goes there.
const COMPOSED: Precision = Precision::F16;

struct Bench {
    folder: PathBuf,
    frozen: coordinator::Frozen,
    engine: Engine,
}

impl Bench {
    /// A bench with the first tasks of mini8.
    fn new(tasks: usize) -> Self {
        Self::holding(tasks, 1 << 30)
    }

    /// A bench that holds data within so many bytes.
    fn holding(tasks: usize, image_bytes: u64) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let folder = root.join("examples/mini8");
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let settings =
            EngineSettings { device: Default::default(), threads: None, image_bytes, cache: None, memory_bytes: None };
        let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
        let mut sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
        sweep.tasks.truncate(tasks);
        let frozen = coordinator::freeze(sweep, &inputs).unwrap();
        Self { folder, frozen, engine: Engine::new(settings, inputs).unwrap() }
    }

    fn scores(&mut self, subject: Subject, precision: Precision) -> Vec<TaskScore> {
        let mut meaning = self.frozen.meaning(subject, "validation");
        meaning.precision = precision;
        meaning.evaluation = jobs::evaluation_semantics(precision);
        let computed = self.engine.compute(&self.frozen.job(meaning), &AttemptContext::default()).unwrap();
        computed.output.scores().unwrap().scores
    }

    /// What a job adds to the counts of the device.
    fn counted(&mut self, subject: Subject) -> TransferCounts {
        let before = self.engine.transfers();
        self.scores(subject, COMPOSED);
        self.engine.transfers().since(before)
    }

    fn images(&mut self) -> u64 {
        self.scores(Subject::Base, COMPOSED).iter().map(|score| score.n).sum()
    }
}

/// The images that are right in one of two scores of a task, and wrong in the other.
fn differing(one: &TaskScore, other: &TaskScore) -> usize {
    assert_eq!((&one.task, one.n), (&other.task, other.n));
    let one = one.right.as_ref().unwrap();
    let other = other.right.as_ref().unwrap();
    (0..one.len()).filter(|image| one.get(*image) != other.get(*image)).count()
}

fn merge(density: f64, scaling: f64) -> Subject {
    let spec = RecipeSpec {
        preset: Some("knots_ties".to_owned()),
        density: Some(density),
        scaling: Some(scaling),
        ..RecipeSpec::default()
    };
    Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) }
}

#[test]
fn images_in_16_bits_have_the_answers_of_f32_but_for_five_of_a_task() {
    let mut bench = Bench::new(8);
    let exact = bench.scores(merge(0.2, 0.6), Precision::F32);
    for precision in [Precision::Bf16, Precision::F16] {
        for (rounded, exact) in bench.scores(merge(0.2, 0.6), precision).iter().zip(&exact) {
            let name = precision.name();
            let differ = differing(rounded, exact);
            let TaskScore { task, n, correct, .. } = rounded;
            println!("{name} {task}: {correct} of {n}, in f32 {}; {differ} differ", exact.correct);
            assert!(correct.abs_diff(exact.correct) <= MOST, "{name}: {rounded:?}, in f32 {exact:?}");
            assert!(differ <= MOST_IMAGES, "{name}: {differ} images of `{task}` have another answer than in f32");
        }
    }
}

#[test]
fn jobs_send_a_device_what_is_new_and_wait_once_for_each_task() {
    let mut bench = Bench::new(2);
    let images = bench.images();
    let tasks = bench.frozen.sweep().tasks.len() as u64;
    let again = bench.counted(Subject::Base);
    let expected = TransferCounts { up_bytes: 0, down_bytes: 4 * images, synchronisations: tasks, flops: again.flops };
    assert_eq!(again, expected, "images and heads are on the device");

    let first = bench.counted(merge(0.2, 0.6));
    let scaling = bench.counted(merge(0.2, 0.5));
    assert_eq!(scaling, TransferCounts { flops: first.flops, ..expected }, "a scaling sends nothing");
    let density = bench.counted(merge(0.3, 0.5));
    let sent = sent_by_merges(&bench);
    assert_eq!(first, TransferCounts { up_bytes: sent.first_bytes, flops: again.flops + sent.flops, ..expected });
    assert_eq!(density, TransferCounts { up_bytes: sent.density_bytes, ..first }, "the left factors are there already");
}

#[test]
fn splits_that_do_not_fit_are_sent_again_and_those_that_do_stay() {
    let tokens = 17 * 192 * 2;
    let pixels = 3 * 32 * 32;
    let whole = Bench::new(2).scores(Subject::Base, COMPOSED);
    let answers: Vec<u64> = whole.iter().map(|score| score.correct).collect();
    let sizes: Vec<u64> = whole.iter().map(|score| score.n).collect();
    // Tokens of the first task fit, and nothing else: neither the tokens nor the bytes of another one.
    let budget = sizes[0] * (tokens + pixels) + 1000;
    let mut bench = Bench::holding(2, budget);
    let scores = bench.scores(Subject::Base, COMPOSED);
    assert_eq!(scores.iter().map(|score| score.correct).collect::<Vec<_>>(), answers, "a budget changes no answer");
    let again = bench.counted(Subject::Base);
    let levels = 3 * 256 * 4 + 3 * 4;
    let sent: u64 = sizes[1..].iter().map(|images| images * pixels + levels).sum();
    assert_eq!(again.up_bytes, sent, "the first task stays, whatever comes after it");
}

#[test]
fn bases_share_the_memory_for_data() {
    let images = Bench::new(1).images();
    // Tokens of the task fit once, beside the images that they are made of: in 16 bits as in `f32`, not both.
    let mut bench = Bench::holding(1, images * (17 * 192 * 4 + 3 * 32 * 32) + 1000);
    bench.engine = bench.engine.with_model_capacity(2);
    bench.scores(Subject::Base, COMPOSED);
    assert_eq!(bench.counted(Subject::Base).up_bytes, 0, "the images are held");
    bench.scores(Subject::Base, Precision::F32);
    let sent = bench.counted(Subject::Base).up_bytes;
    assert_eq!(sent, images * 3 * 32 * 32 + 3 * 256 * 4 + 3 * 4, "those of the other base took their place");
}

#[test]
fn what_is_counted_never_falls_when_a_base_is_closed() {
    let mut bench = Bench::new(1);
    let first = bench.counted(Subject::Base);
    let counted = bench.engine.transfers();
    assert_eq!(counted, first);
    // One base is kept, in one precision.
    bench.scores(Subject::Base, Precision::F32);
    assert_eq!(bench.engine.transfers(), counted);
    assert_eq!(bench.counted(Subject::Base), first, "the base is opened again");
}

/// What merges in `knots` send to a device and have multiplied there.
#[derive(Debug, Default)]
struct SentByMerges {
    /// Bytes of all factors.
    first_bytes: u64,
    /// Bytes of the right factors, which are new for each density.
    density_bytes: u64,
    /// Operations of the products of the factors.
    flops: u64,
}

fn sent_by_merges(bench: &Bench) -> SentByMerges {
    let header = BaseHeader::open(&bench.folder.join("base")).unwrap();
    let folder = bench.folder.join("adapters");
    let read = |task: &jobs::Task| Adapter::read(&task.name, &folder.join(&task.name), &header).unwrap();
    let adapters: Vec<Adapter> = bench.frozen.sweep().tasks.iter().map(read).collect();
    let Subject::Merge { recipe } = merge(0.3, 1.0) else { unreachable!("a merge") };
    let update = Aligned::for_recipe(&adapters, &recipe).unwrap().merge(&recipe).unwrap();
    let mut sent = SentByMerges::default();
    for matrix in update.modules.values() {
        let [outputs, inputs] = matrix.shape().map(|size| size as u64);
        let rank = matrix.rank().unwrap() as u64;
        sent.first_bytes += 4 * rank * (outputs + inputs);
        sent.density_bytes += 4 * rank * inputs;
        sent.flops += 2 * rank * outputs * inputs;
    }
    sent
}

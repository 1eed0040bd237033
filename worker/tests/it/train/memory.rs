//! Trainings on a machine with little memory.

use super::*;
use evaluation::{TrainMemory, TrainPlacement};
use worker::{Engine, EngineSettings};

/// An engine that may take so many bytes. A model of images counts for nothing there.
fn engine_with(inputs: &Arc<Inputs>, memory_bytes: u64) -> Engine {
    let settings = EngineSettings {
        device: Default::default(),
        threads: Some(2),
        image_bytes: 1 << 30,
        cache: None,
        memory_bytes: Some(memory_bytes),
    };
    Engine::new(settings, Arc::clone(inputs)).unwrap()
}

/// What the first leg takes at least, with blocks that run twice.
fn least(job: &Job, validation: u64) -> TrainMemory {
    let JobSpec::Train(spec) = job.spec() else { unreachable!("it trains") };
    let base = evaluation::configuration(&example("mini8/base")).unwrap();
    let longest = base.example_tokens().unwrap();
    let place = TrainPlacement { threads: 2, longest, classes: 1, validation };
    TrainMemory::of(base.as_ref(), &spec.settings, place).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_memory_for_a_step_fails_the_training_by_name_and_computes_the_other_jobs() {
    let bench = Bench::new();
    let frozen = images(&bench.inputs, SHORT);
    let leg = legs(&frozen, "flags").remove(0);
    let mut engine = engine_with(&bench.inputs, least(&leg, 0).base);
    let thread = DeviceThread::start("cpu".to_owned(), BTreeMap::new(), move |job, stop| engine.compute(job, stop));
    let worker = bench.worker(Arc::new(thread));
    let other = frozen.job(frozen.meaning(Subject::Adapter { task: "mnist".to_owned() }, "validation"));
    for job in [&leg, &other] {
        bench.queue.publish(job, "tests").await.unwrap();
        assert!(worker.run_one().await.unwrap());
    }
    let failures = bench.store.failures(&leg.id()).await.unwrap();
    let failure = failures[0].as_ref().unwrap();
    let expected =
        "a step of the training, and the copies of the base's matrices in `f32` and the images that it needs, take";
    assert!(failure.errors[0].starts_with(expected), "{:?}", failure.errors);
    assert!(failure.errors[0].contains("are free: use a machine with more memory"), "{:?}", failure.errors);
    assert_eq!((failure.is_final, failure.blame), (true, Some(jobs::Blame::Machine)), "another machine may have it");
    assert_eq!(bench.queue.dead_letters().len(), 1);
    assert!(bench.store.result(&other.id()).await.unwrap().is_some());
}

#[test]
fn the_copies_of_the_base_are_refused_before_they_are_made() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let leg = legs(&images(&inputs, SHORT), "flags").remove(0);
    let mut engine = engine_with(&inputs, least(&leg, 0).base - 1);
    let error = engine.compute(&leg, &AttemptContext::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("the copies of the base's matrices in `f32` with which an adapter is trained take"),
        "{error}"
    );
}

#[test]
fn the_images_of_the_training_split_are_refused_before_they_are_read() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let leg = legs(&images(&inputs, SHORT), "flags").remove(0);
    let of_one = legs(&images(&inputs, &SHORT.replace("batch: 8", "batch: 1")), "flags").remove(0);
    // A step of one example, and half of the 2000 images.
    let bytes = least(&of_one, 0).least() + 1000 * 3072;
    let error = engine_with(&inputs, bytes).compute(&leg, &AttemptContext::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the images that the adapter is trained on do not fit into the 3 MiB"), "{text}");
    assert!(text.contains("`--example-cache FOLDER`") && error.is_own_fault(), "{text}");
    assert_eq!(error.blame(), jobs::Blame::Machine);
}

#[test]
fn the_images_that_early_stopping_looks_at_count_in_what_a_training_needs() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let leg = legs(&images(&inputs, EARLY), "flags").remove(0);
    // 320 images of 32 × 32 pixels in three colours, beside 2000 that it is trained on.
    let need = least(&leg, 320 * 3072).least() + 2000 * 3072;
    let compute = |bytes| engine_with(&inputs, bytes).compute(&leg, &AttemptContext::default());
    let error = compute(need - 1).unwrap_err().to_string();
    assert!(error.starts_with("a step of the training"), "{error}");
    compute(need).unwrap();
}

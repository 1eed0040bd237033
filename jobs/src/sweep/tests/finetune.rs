use super::*;
use crate::{EarlyStopping, Finetune, RateSchedule, StoppingMetric, TrainFamily, TrainLength, TrainTargets, Warmup};

const TRAINED: &str = r#"
name: small
base: base
training: {rank: 4, schedule: cosine, warmup: 0.1, epochs: 3, weight_decay: 0.01}
tasks:
  - {name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}
  - name: rte
    adapter: {train: {rank: 8, warmup_steps: 5, steps: 40, targets: all-linear}}
    data: data/rte
    head: heads/rte.safetensors
evaluation: {select: validation, report: test}
"#;

fn trained(overrides: &[&str]) -> Result<Finetune, SweepError> {
    let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
    Finetune::from_yaml(TRAINED, Path::new("/sweeps"), &overrides)
}

fn refused(overrides: &[&str]) -> String {
    crate::error_chain(&trained(overrides).unwrap_err())
}

#[test]
fn a_task_has_the_shared_settings_of_training_with_its_own_over_them() {
    let finetune = trained(&[]).unwrap();
    let settings = |task: &str| {
        let training = finetune.task(task).unwrap().training().unwrap();
        assert_eq!(training.split(), "train");
        training.settings(TrainFamily::Images).unwrap()
    };
    let shared = settings("mnist");
    assert_eq!((shared.rank, shared.length, shared.warmup), (4, TrainLength::Epochs(3.0), Warmup::Share(0.1)));
    let own = settings("rte");
    assert_eq!((own.rank, own.length, own.warmup), (8, TrainLength::Steps(40), Warmup::Steps(5)));
    assert_eq!((own.schedule, own.targets), (RateSchedule::Cosine, TrainTargets::AllLinear));
    assert!((own.weight_decay - 0.01).abs() < 1e-12);
}

#[test]
fn null_undoes_a_shared_clip() {
    let clip = |own: &str| {
        let own = format!("tasks.rte.adapter.train.clip={own}");
        let finetune = trained(&["training.clip=1", &own]).unwrap();
        let training = finetune.task("rte").unwrap().training().unwrap();
        training.settings(TrainFamily::Images).unwrap().clip
    };
    assert_eq!(clip("null"), None);
    assert!(clip("2").is_some_and(|clip| clip > 1.5));
}

fn refused_training(overrides: &[&str]) -> String {
    let finetune = trained(overrides).unwrap();
    crate::error_chain(&finetune.task("rte").unwrap().training().unwrap_err())
}

#[test]
fn early_stopping_and_balanced_classes_are_taken_from_the_file_and_undone_by_a_task() {
    let settings = |overrides: &[&str]| {
        let training = trained(overrides).unwrap().task("rte").unwrap().training().unwrap();
        training.settings(TrainFamily::Images).unwrap()
    };
    let left_out = settings(&[]);
    assert!(left_out.early_stopping.is_none() && !left_out.class_balanced);
    assert!(!serde_json::to_string(&left_out).unwrap().contains("stopping"), "ids of other trainings stay");
    assert!(!serde_json::to_string(&left_out).unwrap().contains("balanced"));
    let shared = ["training.early_stopping={every: 5, patience: 3}", "training.class_balanced=true"];
    let stopping = EarlyStopping { metric: StoppingMetric::Accuracy, every: 5, patience: 3, min_delta: 0.0 };
    assert_eq!(settings(&shared).early_stopping, Some(stopping));
    assert!(settings(&shared).class_balanced);
    let own = "tasks.rte.adapter.train.early_stopping={every: 7, patience: 1, metric: loss, min_delta: 0.5}";
    let expected = EarlyStopping { metric: StoppingMetric::Loss, every: 7, patience: 1, min_delta: 0.5 };
    assert_eq!(settings(&[shared[0], own]).early_stopping, Some(expected));
    let undone = "tasks.rte.adapter.train.early_stopping=null";
    assert_eq!(settings(&[shared[0], undone]).early_stopping, None);
    let late = refused_training(&["tasks.rte.adapter.train.early_stopping={every: 41, patience: 3}"]);
    assert!(late.contains("`tasks[1].adapter.train.early_stopping.every` is 41, expected no more than"), "{late}");
}

#[test]
fn what_is_left_out_is_as_in_the_paper_for_the_family() {
    let finetune = trained(&["training={steps: 10}", "tasks.rte.adapter={train: {}}"]).unwrap();
    let training = finetune.task("rte").unwrap().training().unwrap();
    let rates = [TrainFamily::Images, TrainFamily::LargeImages, TrainFamily::Texts].map(|family| {
        let settings = training.settings(family).unwrap();
        assert_eq!((settings.rank, settings.trains_head), (16, family == TrainFamily::Texts));
        settings.rate
    });
    assert!(rates.iter().zip([1e-5, 3e-4, 3e-5]).all(|(rate, want)| (rate - want).abs() < 1e-12), "{rates:?}");
}

/// The same file as a sweep reads it, which trains the adapter of `rte`.
fn sweep(overrides: &[&str]) -> Result<Sweep, SweepError> {
    read(&format!("{TRAINED}recipe: {{preset: ties}}\n"), overrides)
}

#[test]
fn a_sweep_trains_in_legs_of_so_many_steps() {
    let small = sweep(&[]).unwrap();
    assert!(small.trains() && small.tasks[0].adapter.training().is_none());
    assert_eq!(small.train_jobs(), 1);
    let legs = sweep(&["training.checkpoint_steps=15"]).unwrap();
    assert_eq!(legs.train_jobs(), 3);
    assert_eq!(legs.splits_of(&legs.tasks[1]), ["validation", "test", "train"]);
    assert_eq!(legs.splits_of(&legs.tasks[0]), ["validation", "test"]);
    let training = legs.tasks[1].adapter.training().unwrap();
    assert!(training.settings().is_none(), "the family of the base is not known yet");
    let known = legs.with_train_family(TrainFamily::LargeImages);
    let settings = known.tasks[1].adapter.training().unwrap().settings().unwrap().unwrap();
    assert_eq!((settings.rank, settings.length), (8, TrainLength::Steps(40)));
    assert!((settings.rate - 3e-4).abs() < 1e-12);
}

#[test]
fn a_leg_is_shorter_the_larger_the_base_is_unless_the_file_says_its_steps() {
    let legs = |overrides: &[&str], family| sweep(overrides).unwrap().with_train_family(family).train_jobs();
    let families = [TrainFamily::Images, TrainFamily::LargeImages, TrainFamily::Texts];
    assert_eq!(families.map(|family| legs(&[], family)), [1, 4, 20]);
    assert_eq!(legs(&["training.batch=64"], TrainFamily::LargeImages), 2, "half as many examples a step");
    assert_eq!(legs(&["training.batch=100000"], TrainFamily::Images), 40, "a step is not divided");
    assert_eq!(families.map(|family| legs(&["training.checkpoint_steps=15"], family)), [3; 3]);
}

#[test]
fn a_stored_sweep_keeps_the_settings_that_were_the_defaults_when_it_was_made() {
    let made = sweep(&[]).unwrap().with_train_family(TrainFamily::Images);
    let mut stored = serde_json::to_value(&made).unwrap();
    let train = &mut stored["tasks"][1]["adapter"]["train"];
    assert_eq!(train["settings"]["batch"], 128);
    train["settings"]["batch"] = 7.into();
    train["checkpoint_steps"] = 9.into();
    let back: Sweep = serde_json::from_value(stored).unwrap();
    let training = |sweep: &Sweep| sweep.tasks[1].adapter.training().unwrap().clone();
    assert_eq!(training(&back).settings().unwrap().unwrap().batch, 7);
    assert_eq!(training(&back).legs(), 5);
    let keys = |sweep: &Sweep| training(sweep).resolved();
    assert_eq!([&keys(&made)["batch"], &keys(&back)["batch"]], [128, 7], "a revision names what has changed");
    assert_eq!(keys(&made)["rank"], 8);
    assert_eq!(keys(&made)["warmup_steps"], 5);
    // Defaults that a file states change nothing.
    let stated = |overrides: &[&str]| keys(&sweep(overrides).unwrap().with_train_family(TrainFamily::Images));
    let stopping = "training.early_stopping={every: 5, patience: 3}";
    let whole = "training.early_stopping={every: 5, patience: 3, metric: accuracy, min_delta: 0}";
    assert_eq!(stated(&[stopping]), stated(&[whole]));
    assert_eq!(stated(&["training.class_balanced=false", "training.early_stopping=null"]), stated(&[]));
    assert!(keys(&made).get("warmup").is_none_or(|warmup| warmup.as_f64() == Some(0.1)));
}

#[test]
fn a_stored_sweep_reads_back_with_what_it_trains() {
    let sweep = sweep(&["training.clip=1", "tasks.rte.adapter.train.clip=null"]).unwrap();
    let sweep = sweep.with_train_family(TrainFamily::Images);
    let text = serde_json::to_string(&sweep).unwrap();
    assert!(text.contains(r#""clip":null"#), "{text}");
    let back: Sweep = serde_json::from_str(&text).unwrap();
    assert_eq!(back, sweep);
    assert_eq!(back.tasks[1].adapter.training().unwrap().settings().unwrap().unwrap().clip, None);
    let given = read(SMALL, &[]).unwrap();
    assert!(!serde_json::to_string(&given).unwrap().contains("\"train\":"), "other sweeps are stored as before");
    assert_eq!(serde_json::from_str::<Sweep>(&serde_json::to_string(&given).unwrap()).unwrap(), given);
}

#[test]
fn what_a_sweep_cannot_train_is_refused_by_name() {
    let refused = |overrides: &[&str]| crate::error_chain(&sweep(overrides).unwrap_err());
    let epochs = refused(&["tasks.rte.adapter={train: {}}"]);
    assert!(epochs.starts_with("`tasks[1].adapter.train.epochs` is not supported where a sweep trains"), "{epochs}");
    let split = refused(&["training.split=test"]);
    assert_eq!(split, "`tasks[1].adapter.train.split` is `test`, which is evaluated as well; train on another split");
    assert!(sweep(&["training={split: test, overlap: allow}"]).is_ok());
    let given = refused(&["tasks.rte.finetuned={test: 0.5}"]);
    assert!(
        given.starts_with("`tasks[1].finetuned.test` is the accuracy of an adapter that is not there yet"),
        "{given}"
    );
    assert_eq!(refused(&["training.checkpoint_steps=0"]), "`training.checkpoint_steps` is 0, expected at least 1");
    let legs = refused(&["tasks.rte.adapter.train={steps: 20001, checkpoint_steps: 1}"]);
    assert!(
        legs.contains("`tasks[1].adapter.train.checkpoint_steps` is 1, so that 20001 steps are 20001 legs"),
        "{legs}"
    );
    let sweep = sweep(&["tasks.rte.adapter=adapters/rte"]).unwrap();
    assert!(!sweep.trains(), "`training` stands beside adapters that are there");
    assert_eq!(refused(&["tasks.rte.adapter=a", "training.rank=0"]), "`training.rank` is 0, expected at least 1");
}

#[test]
fn a_wrong_training_is_not_told_a_second_time_by_the_tasks_that_take_from_it() {
    let refused = |training: &str| {
        let training = format!("training={training}");
        crate::error_chain(&sweep(&["tasks.rte.adapter={train: {}}", &training]).unwrap_err())
    };
    assert_eq!(refused("{steps: 10, rank: 0}"), "`training.rank` is 0, expected at least 1");
    assert_eq!(refused("{steps: 10, epochs: 1}"), "`training.epochs` stands beside `steps`; use one");
    assert_eq!(refused("{steps: 10, optimizer: sgd}"), "`training.optimizer` is `sgd`; `adamw` is the only one");
    let none = refused("{rank: 4}");
    assert!(none.starts_with("`tasks[1].adapter.train` has neither `steps` nor `epochs`"), "{none}");
}

#[test]
fn settings_that_cannot_be_followed_are_refused_by_name() {
    for (wrong, expected) in [
        ("training.ranck=3", "unknown key `training.ranck`; did you mean `rank`?"),
        ("training.rate=0", "`training.rate` is 0, expected a number above 0"),
        (
            "training.targets=heads",
            "`training.targets` is `heads`; use `attention`, `mlp`, `all-linear`, or a list of names",
        ),
        ("training.steps=3", "`training.epochs` stands beside `steps`; use one"),
        ("training.optimizer=sgd", "`training.optimizer` is `sgd`; `adamw` is the only one"),
        ("training.precision=bf16", "`training.precision` is `bf16`; adapters are trained in `f32` only, yet"),
        ("training.augmentation=mixup", "`training.augmentation` is `mixup`; use `none`"),
        ("training.augmentation=[flip, flip]", "`training.augmentation` has `flip` twice"),
        ("training.early_stopping=true", "`training.early_stopping` is `true`; expected a map of keys"),
        ("training.early_stopping={patience: 3}", "`training.early_stopping.every` is missing: the number of steps"),
        (
            "training.early_stopping={every: 0, patience: 3}",
            "`training.early_stopping.every` is 0, expected at least 1",
        ),
        ("training.early_stopping={every: 5, patience: 3, metric: f1}", "`training.early_stopping.metric` is `f1`"),
        ("tasks.rte.adapter.train.dropout=1", "`tasks[1].adapter.train.dropout` is 1, expected a share in [0, 1)"),
        ("tasks.rte.adapter={trained: {}}", "unknown key `tasks[1].adapter.trained`"),
        ("tasks.rte.adapter=7", "`tasks[1].adapter` is the number 7; expected a text or a map of keys"),
    ] {
        let error = refused(&[wrong]);
        assert!(error.starts_with(expected), "{wrong}: {error}");
    }
    let finetune = trained(&["training={}"]).unwrap();
    let error = finetune.task("mnist").unwrap().training().unwrap_err().to_string();
    assert!(error.starts_with("`training` has neither `steps` nor `epochs`"), "{error}");
    assert!(finetune.task("rte").unwrap().training().is_ok());
}

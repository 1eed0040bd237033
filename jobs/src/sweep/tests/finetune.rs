use super::*;
use crate::{Finetune, RateSchedule, TrainFamily, TrainLength, TrainTargets, Warmup};

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

#[test]
fn a_sweep_with_an_adapter_to_train_names_the_command_that_trains_it() {
    let text = format!("{TRAINED}recipe: {{preset: ties}}\n");
    let error = crate::error_chain(&read(&text, &[]).unwrap_err());
    assert_eq!(
        error,
        "`tasks[1].adapter` is to be trained, which a sweep does not do by itself yet: `bowline finetune SWEEP.yaml --task rte --out \
         DIR` trains it; then name its folder here"
    );
    let sweep = read(&text, &["tasks.rte.adapter=adapters/rte"]).unwrap();
    assert_eq!(sweep.tasks.len(), 2, "`training` stands beside adapters that are there");
    let error = crate::error_chain(&read(&text, &["tasks.rte.adapter=a", "training.rank=0"]).unwrap_err());
    assert_eq!(error, "`training.rank` is 0, expected at least 1");
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
        ("training.augmentation=random_resized_crop", "`training.augmentation` is `random_resized_crop`; use `none`"),
        ("training.augmentation=[flip, flip]", "`training.augmentation` has `flip` twice"),
        ("training.early_stopping=true", "`training.early_stopping` is not supported yet"),
        ("training.class_balanced=true", "`training.class_balanced` is not supported yet"),
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

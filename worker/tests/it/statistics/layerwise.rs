//! Merges that are made layer by layer, against the reference.

use super::*;
use jobs::{LayerwiseSpec, WriteFormat};

/// The job that merges the tasks of a fixture by a recipe, layer by layer.
fn spec(fixture: &Fixture, recipe: &Recipe) -> LayerwiseSpec {
    fixture.frozen.layerwise_spec(&recipe.layerwise().unwrap(), |_| true).unwrap()
}

fn make(fixture: &mut Fixture, spec: LayerwiseSpec) -> Result<OutputFiles, JobError> {
    let job = fixture.frozen.job(spec);
    match fixture.engine.compute(&job, &AttemptContext::default())?.output {
        Output::Files(files) => Ok(files),
        Output::Scores(_) => unreachable!("a solution is files"),
    }
}

/// The merge of all tasks of a fixture by a solution.
fn merged(fixture: &Fixture, tasks: &[&str], recipe: &Recipe, made: &OutputFiles) -> MergedUpdate {
    let aligned = Aligned::new(&fixture.adapters(tasks), recipe.alignment()).unwrap();
    let open = |task: &&str| TaskStatistics::open(task, made.folder()).unwrap();
    let statistics: Vec<TaskStatistics> = tasks.iter().map(open).collect();
    aligned.merge_by_statistics(recipe, &statistics).unwrap()
}

fn regmean_plus_plus(off_diagonal: f64) -> Recipe {
    recipe(json!({"preset": "regmean_plus_plus", "off_diagonal": off_diagonal}))
}

#[test]
fn regmean_plus_plus_of_image_adapters_is_the_references() {
    let mut fixture = Fixture::new("mini8", &MINI8);
    let recipe = regmean_plus_plus(0.9);
    let spec = spec(&fixture, &recipe);
    let made = make(&mut fixture, spec).unwrap();
    let update = merged(&fixture, &MINI8, &recipe, &made);
    expect(&update, "vision_model.", "regmean_pp_all8_n256_o0.9", true, 1e-3);
    assert!(update.modules.values().all(|matrix| matrix.rank() == Some(128)), "it is an adapter of rank Σ r");
    let facts = &made.artefact().facts;
    assert_eq!((count(facts, "modules"), count(facts, "examples"), count(facts, "tokens")), (24, 256, 256 * 17));
    assert_eq!(update.facts.condition, Some(facts["condition"]));
    assert_eq!(update.facts.residual, Some(facts["residual"]));
    assert!(facts["residual"] < 1e-9, "{facts:?}");
    let names: Vec<&str> = made.artefact().files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!((names.len(), names[0], names[6]), (7, "layer-000.safetensors", "statistics.json"));
}

#[test]
fn the_first_inputs_are_those_of_regmean_and_later_ones_are_not() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let recipe = regmean_plus_plus(0.5);
    let spec = spec(&fixture, &recipe);
    let made = make(&mut fixture, spec).unwrap();
    let update = merged(&fixture, &SUB4, &recipe, &made);
    expect(&update, "vision_model.", "regmean_pp_sub4_n256_o0.5", false, 1e-3);
    let regmean = fixture.regmean(&SUB4, 0.5, 1.0);
    let off = |module: &str| {
        let module = format!("vision_model.encoder.layers.{module}");
        distance(&update.dense(&module).unwrap(), regmean.dense(&module).unwrap().data())
    };
    assert!(off("0.self_attn.q_proj") < 1e-6 && off("0.self_attn.out_proj") < 1e-6);
    assert!(off("1.self_attn.q_proj") > 0.05 && off("5.self_attn.out_proj") > 0.05);
}

#[test]
fn regmean_plus_plus_of_text_adapters_is_the_references() {
    let mut fixture = Fixture::new("nli6", &NLI6);
    let recipe = regmean_plus_plus(0.9);
    let spec = spec(&fixture, &recipe);
    let made = make(&mut fixture, spec).unwrap();
    expect(&merged(&fixture, &NLI6, &recipe, &made), "", "regmean_pp_nli6_n256_o0.9", true, 1e-3);
}

#[test]
fn a_merge_that_is_made_layer_by_layer_is_the_same_when_made_again() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let recipe = recipe(json!({"preset": "regmean_plus_plus", "examples": 16}));
    let spec = spec(&fixture, &recipe);
    let first = make(&mut fixture, spec.clone()).unwrap();
    assert_eq!(first.artefact(), make(&mut fixture, spec.clone()).unwrap().artefact());
    let heavier = LayerwiseSpec { settings: jobs::LayerwiseSettings { ridge: 0.1, ..spec.settings.clone() }, ..spec };
    assert_ne!(first.artefact().files, make(&mut fixture, heavier).unwrap().artefact().files);
}

#[test]
fn layers_that_cannot_be_merged_fail_the_job_by_name() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    // Two images have 34 tokens: their Gram matrices of 192 numbers have no inverse.
    let exact = recipe(json!({"preset": "regmean_plus_plus", "examples": 2, "off_diagonal": 1.0}));
    let exact = spec(&fixture, &exact);
    let error = make(&mut fixture, exact.clone()).unwrap_err();
    assert_eq!(error.blame(), jobs::Blame::Job);
    let text = jobs::error_chain(&error);
    assert!(text.contains("the sum of the Gram matrices of the inputs of `vision_model.encoder.layers."), "{text}");
    let mut mixed = exact.clone();
    mixed.tasks.swap(0, 1);
    let text = make(&mut fixture, mixed).unwrap_err().to_string();
    assert!(text.contains("its adapters are not those of its tasks, in their order"), "{text}");
    let mut many = exact;
    many.settings.examples = 100_000;
    let text = jobs::error_chain(&make(&mut fixture, many).unwrap_err());
    assert!(
        text.starts_with("the data of `mnist` cannot be used for the split `train`: the first 100000 examples"),
        "{text}"
    );
}

#[test]
fn a_solution_of_other_adapters_is_refused() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let recipe = recipe(json!({"preset": "regmean_plus_plus", "examples": 16}));
    let spec = spec(&fixture, &recipe);
    let made = [0.0, 0.1].map(|ridge| {
        let settings = jobs::LayerwiseSettings { ridge, ..spec.settings.clone() };
        make(&mut fixture, LayerwiseSpec { settings, ..spec.clone() }).unwrap()
    });
    let open = |task: &str, made: &OutputFiles| TaskStatistics::open(task, made.folder()).unwrap();
    let refused = |tasks: &[&str], statistics: &[TaskStatistics]| {
        let aligned = Aligned::new(&fixture.adapters(tasks), recipe.alignment()).unwrap();
        aligned.merge_by_statistics(&recipe, statistics).unwrap_err().to_string()
    };
    let two = refused(&SUB4[..2], &[open("mnist", &made[0]), open("letters", &made[1])]);
    assert!(two.starts_with("`mnist` and `letters` name two merges that were made layer by layer"), "{two}");
    let fewer = refused(&SUB4[..2], &[open("mnist", &made[0]), open("letters", &made[0])]);
    assert!(fewer.contains("has shape [64, 192] for") && fewer.ends_with("make [32, 192]"), "{fewer}");
    let none = refused(&SUB4[..1], &[open("mnist", &fixture_grams())]);
    assert!(none.starts_with("the merge that was made layer by layer holds nothing of"), "{none}");
}

/// Statistics that hold no solution.
fn fixture_grams() -> OutputFiles {
    Fixture::new("mini8", &SUB4).make("mnist")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_takes_its_solution_out_of_the_store_and_is_written_as_an_adapter() {
    let fixture = Fixture::new("mini8", &SUB4);
    let bench = Bench::new();
    let recipe = recipe(json!({"preset": "regmean_plus_plus", "examples": 32, "scaling": 1.1}));
    let frozen = &fixture.frozen;
    let solution = frozen.job(spec(&fixture, &recipe));
    let subject = Subject::Merge { recipe: Box::new(recipe.clone()) };
    let merge = frozen.job(frozen.meaning(subject, "validation"));
    let write = frozen.job(frozen.write_spec(&recipe, WriteFormat::Adapter));
    bench.work(&[solution.clone(), merge.clone(), write.clone()]).await;
    let result: JobResult = bench.store.result(&merge.id()).await.unwrap().expect("it is done");
    let facts = result.merge.unwrap();
    assert_eq!(facts.rank, Some(64));
    let made = bench.store.artefact_result(&solution.id()).await.unwrap().expect("it is made");
    assert_eq!(facts.condition, Some(made.artefact.facts["condition"]));
    let written = bench.store.artefact_result(&write.id()).await.unwrap().expect("it is written");
    assert_eq!(count(&written.artefact.facts, "rank"), 64);
}
